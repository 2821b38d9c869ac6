/* SPDX-License-Identifier: MIT
 *
 * test_arch_records.c - tiny models of many architectures, as shapes and rules (tests/golden/archs2), against
 * what the reference computed of them: logits of decoders, vectors of encoders.
 *
 * Every one is computed at once, token by token, and in pieces of seven by plain C: close to the record, and
 * the same bits. More may be in the folder of shared test data; architectures that are not supported are
 * skipped there, by name.
 */
#include "tests/golden/arch_runs.h"
#include "tests/golden/skeleton_rules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/arch/arch.h"
#include "engine/forward/forward.h"

typedef struct rec {
    arch_run      run;
    json_t       *expected;
    const json_t *rows; /* the exact ones where there are such */
    double        limit;
} rec;

/* The largest distance of a recorded number, in rms of its row. */
static double distance_of_rows(const rec *r, const json_t *rows, const float *logits, size_t n_vocab) {
    double most = 0;
    for (size_t at = 0; at < r->run.n_tokens; at++, logits += n_vocab) {
        const json_t *row = json_array_get(rows, at), *pair = NULL;
        const double  rms = json_number_value(json_object_get(row, "rms"));
        double        sum = 0;
        size_t        i = 0;
        for (size_t j = 0; j < n_vocab; j++) sum += (double)logits[j];
        const double off = sum - json_number_value(json_object_get(row, "sum"));
        most = fmax(most, fabs(off) / rms / sqrt((double)n_vocab));
        json_array_foreach(json_object_get(row, "top"), i, pair) {
            const float x = logits[json_integer_value(json_array_get(pair, 0))];
            if (!isfinite(x)) return INFINITY;
            most = fmax(most, fabs((double)x - json_number_value(json_array_get(pair, 1))) / rms);
        }
    }
    return most;
}

/* Logits of the block that drafts, behind all tokens: both in passes of `step`, with what the model made of
 * the position before each. Every third row's own logits are wanted of the model, too: the rest stays for the
 * block. */
static void run_next(const rec *r, size_t step, const char *cpu, float *ret_logits) {
    hl_err       err = {0};
    hl_engine   *e = NULL;
    hl_model    *m = NULL;
    hl_kv_pool  *pool = NULL;
    hl_forward  *f = NULL, *next = NULL;
    hl_seq       seq = {0}, *seqs[MAX_TOKENS];
    const float *before[MAX_TOKENS];
    int32_t      pos[MAX_TOKENS];
    uint32_t     outs[MAX_TOKENS], thirds[MAX_TOKENS], states[MAX_TOKENS];
    open_model(&r->run, cpu, 2, &e, &m);
    if (!m->next) fail_msg("%s: no block that drafts was found", r->run.name);
    const size_t n = m->hp.n_embd, n_vocab = m->hp.n_vocab, n_tokens = r->run.n_tokens;
    float *hidden = hl_new(n_tokens * n, sizeof *hidden), *own = hl_new(n_tokens * n_vocab, sizeof *own);
    assert_true(hidden && own);
    assert_int_equal(hl_forward_kv_new(m, m->next, HL_KV_CACHE_F32, 4, 2, &pool, &err), HL_OK);
    assert_int_equal(hl_forward_new(m, MAX_TOKENS, r->run.n_ctx, &f, &err), HL_OK);
    assert_int_equal(hl_forward_new(m->next, MAX_TOKENS, r->run.n_ctx, &next, &err), HL_OK);
    assert_int_equal(hl_seq_init(&seq, pool, r->run.n_ctx, &err), HL_OK);
    assert_true(hl_seq_reserve(&seq, (int32_t)n_tokens));
    for (size_t i = 0; i < n_tokens; i++) {
        before[i] = i > 0 ? hidden + (i - 1) * n : NULL;
        pos[i] = (int32_t)i;
        seqs[i] = &seq;
    }
    for (size_t at = 0; at < n_tokens; at += step) {
        const uint32_t now = (uint32_t)(n_tokens - at < step ? n_tokens - at : step);
        hl_kv_pool    *of_states = hl_kv_pool_states(pool);
        hl_batch       b = {.n_rows = now, .tokens = r->run.tokens + at, .pos = pos + at, .seqs = seqs};
        for (uint32_t i = 0; i < now; i++) {
            states[i] = HL_NO_STATE;
            outs[i] = i;
            if (i % 3 == 2) thirds[b.n_out++] = i;
        }
        if (of_states) assert_true(hl_kv_block_get(of_states, &states[now - 1]));
        b.state_out = of_states ? states : NULL;
        b.out_rows = thirds;
        b.hidden = hidden + at * n;
        assert_int_equal(hl_forward_eval(f, &b, NULL, own, &err), HL_OK);
        if (of_states) hl_seq_set_state(&seq, states[now - 1]);
        b.hidden = NULL;
        b.before = before + at;
        b.n_out = now;
        b.out_rows = outs;
        assert_int_equal(hl_forward_eval(next, &b, NULL, ret_logits + at * n_vocab, &err), HL_OK);
        seq.n_pos = (int32_t)(at + now);
    }
    hl_seq_done(&seq);
    hl_forward_free(f);
    hl_forward_free(next);
    hl_kv_pool_free(pool);
    hl_free(hidden);
    hl_free(own);
    hl_model_close(m);
    hl_engine_free(e);
}

static bool check_next(const rec *r) {
    const json_t *rows = json_object_get(r->expected, "mtp_rows");
    if (!rows) return true;
    float *x[3];
    for (int i = 0; i < 3; i++) assert_non_null(x[i] = hl_new(MAX_LOGITS, sizeof *x[i]));
    run_next(r, MAX_TOKENS, test_cpu(), x[0]);
    run_next(r, 1, test_cpu(), x[1]);
    run_next(r, 7, "scalar", x[2]);
    const size_t n_vocab = (size_t)json_integer_value(json_object_get(r->expected, "n_vocab"));
    const double off = distance_of_rows(r, rows, x[0], n_vocab);
    const bool   one = memcmp(x[0], x[1], MAX_LOGITS * sizeof *x[0]) == 0;
    const bool   scalar = memcmp(x[0], x[2], MAX_LOGITS * sizeof *x[0]) == 0;
    print_message("%-18s its block that drafts is off by %.2e%s%s\n", r->run.name, off,
                  one ? "" : "   <-- other bits token by token",
                  scalar ? "" : "   <-- other bits in plain C");
    for (int i = 0; i < 3; i++) hl_free(x[i]);
    return off <= r->limit && one && scalar;
}

static bool check_decoder(const rec *r) {
    float *a = hl_new(MAX_LOGITS, sizeof *a), *b = hl_new(MAX_LOGITS, sizeof *b);
    float *c = hl_new(MAX_LOGITS, sizeof *c);
    assert_true(a && b && c);
    const size_t n_vocab = run_decoder(&r->run, MAX_TOKENS, test_cpu(), 2, a);
    (void)run_decoder(&r->run, 1, test_cpu(), 1, b);
    (void)run_decoder(&r->run, 7, "scalar", 1, c);
    const double off = distance_of_rows(r, r->rows, a, n_vocab);
    const bool   one = memcmp(a, b, MAX_LOGITS * sizeof *a) == 0;
    const bool   scalar = memcmp(a, c, MAX_LOGITS * sizeof *a) == 0;
    print_message("%-18s off by %.2e, limit %.1e%s%s%s\n", r->run.name, off, r->limit,
                  off <= r->limit ? "" : "   <-- too far", one ? "" : "   <-- other bits token by token",
                  scalar ? "" : "   <-- other bits in plain C");
    hl_free(a);
    hl_free(b);
    hl_free(c);
    return off <= r->limit && one && scalar;
}

static double distance_of_vector(const json_t *want, const float *x, size_t n) {
    const double norm = json_number_value(json_object_get(want, "norm"));
    const double rms = norm / sqrt((double)n);
    double       sum = 0, squares = 0, most = 0;
    size_t       i = 0;
    json_t      *v = NULL;
    for (i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    json_array_foreach(json_object_get(want, "first"), i, v) most =
        fmax(most, fabs((double)x[i] - json_number_value(v)) / rms);
    most = fmax(most, fabs(sqrt(squares) - norm) / norm);
    return fmax(most, fabs(sum - json_number_value(json_object_get(want, "sum"))) / norm);
}

static bool check_encoder(const rec *r) {
    float         a[MAX_EMBD], b[MAX_EMBD], c[MAX_EMBD];
    const json_t *exact = json_object_get(r->expected, "exact");
    const size_t  n = run_encoder(&r->run, test_cpu(), false, a);
    (void)run_encoder(&r->run, test_cpu(), true, b);
    (void)run_encoder(&r->run, "scalar", false, c);
    const double off = distance_of_vector(exact ? exact : r->expected, a, n);
    const bool   same = memcmp(a, b, n * sizeof *a) == 0 && memcmp(a, c, n * sizeof *a) == 0;
    print_message("%-18s off by %.2e, limit %.1e%s%s\n", r->run.name, off, r->limit,
                  off <= r->limit ? "" : "   <-- too far", same ? "" : "   <-- other bits");
    return off <= r->limit && same;
}

static bool is_supported(const json_t *model) {
    const json_t *first = json_array_get(json_object_get(model, "kv"), 0);
    return hl_arch_find(hl_view_of(json_string_value(json_array_get(first, 2)))) != NULL;
}

static bool check_record(const char *folder, const char *name) {
    char path[1024];
    rec  r = {.run.name = name};
    (void)snprintf(path, sizeof path, "%s/%s.skeleton.json", folder, name);
    json_t *model = json_load_file(path, 0, NULL);
    (void)snprintf(path, sizeof path, "%s/%s.expected.json", folder, name);
    r.expected = json_load_file(path, 0, NULL);
    assert_true(model && r.expected);
    if (!is_supported(model) || json_object_get(model, "target")) { /* drafts: test_draft_records.c */
        if (!is_supported(model)) print_message("%-18s not supported\n", name);
        json_decref(model);
        json_decref(r.expected);
        return true;
    }
    const json_t *tokens = json_object_get(r.expected, "tokens");
    const json_t *exact = json_object_get(r.expected, "exact_tolerance");
    r.rows = json_object_get(r.expected, "exact_rows");
    if (!r.rows) r.rows = json_object_get(r.expected, "rows");
    r.limit = json_number_value(exact ? exact : json_object_get(r.expected, "tolerance"));
    r.run.n_ctx = (int32_t)json_integer_value(json_object_get(model, "n_ctx"));
    r.run.n_tokens = json_array_size(tokens);
    assert_in_range(r.run.n_tokens, 1, MAX_TOKENS);
    for (size_t i = 0; i < r.run.n_tokens; i++)
        r.run.tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    (void)snprintf(r.run.path, sizeof r.run.path, "/tmp/hl-record-%s-%d.gguf", name, (int)getpid());
    fill_by_rules(model, HL_TYPE_f32, r.run.path);
    const bool ok =
        json_object_get(model, "encoder") ? check_encoder(&r) : check_decoder(&r) && check_next(&r);
    (void)unlink(r.run.path);
    json_decref(model);
    json_decref(r.expected);
    return ok;
}

static int check_folder(const char *folder, const char *only) {
    static const char end[] = ".skeleton.json";
    DIR              *dir = opendir(folder);
    int               n_checked = 0, n_bad = 0;
    struct dirent    *de = NULL;
    while (dir && (de = readdir(dir))) {
        char *dot = strstr(de->d_name, end);
        if (!dot || dot[sizeof end - 1]) continue;
        *dot = '\0';
        if (only && strcmp(only, de->d_name) != 0) continue;
        n_bad += !check_record(folder, de->d_name);
        n_checked++;
    }
    if (dir) (void)closedir(dir);
    assert_int_equal(n_bad, 0);
    return n_checked;
}

static void our_records_agree_with_the_reference(void **state) {
    (void)state;
    assert_true(check_folder("tests/golden/archs2", getenv("HL_TEST_RECORD")) > 0);
}

static void the_shared_records_agree_with_the_reference(void **state) {
    (void)state;
    const char *shared = getenv("HL_TEST_SHARED");
    char        folder[900];
    (void)snprintf(folder, sizeof folder, "%s/data/archs2", shared ? shared : "../shared");
    if (check_folder(folder, getenv("HL_TEST_RECORD")) == 0) skip_because("no shared data: %s", folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_records_agree_with_the_reference),
        cmocka_unit_test(the_shared_records_agree_with_the_reference),
    };
    return cmocka_run_group_tests_name("arch_records", tests, NULL, NULL);
}
