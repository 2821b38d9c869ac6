/* SPDX-License-Identifier: MIT
 *
 * test_arch_records.c - tiny models of many architectures, as shapes and rules (tests/golden/archs2), against
 * what the reference computed of them: logits of decoders, vectors of encoders.
 *
 * Every one is computed at once, token by token, and in pieces of seven by plain C: close to the record, and
 * the same bits. More may be in the folder of shared test data; architectures that are not supported are
 * skipped there, by name.
 */
#include "tests/golden/skeleton_rules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/arch/arch.h"
#include "hyperlama/hyperlama.h"

enum { MAX_TOKENS = 128, MAX_EMBD = 256 };

typedef struct rec {
    const char   *name;
    char          path[128]; /* of the model */
    json_t       *expected;
    const json_t *rows; /* the exact ones where there are such */
    double        limit;
    int32_t       tokens[MAX_TOKENS];
    size_t        n_tokens;
    int32_t       n_ctx;
} rec;

static void open_model(const rec *r, const char *cpu, int n_threads, hl_engine **e, hl_model **m) {
    hl_err      err = {0};
    const char *path = r->path;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = n_threads, .cpu = cpu}, e, &err), HL_OK);
    if (hl_model_open(*e, &path, 1, NULL, m, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
}

static double distance_of_row(const float *logits, size_t n_vocab, const json_t *row, double *ret_most) {
    const double rms = json_number_value(json_object_get(row, "rms"));
    double       sum = 0, most = 0;
    size_t       i = 0;
    json_t      *pair = NULL;
    for (size_t j = 0; j < n_vocab; j++) sum += (double)logits[j];
    most = fabs(sum - json_number_value(json_object_get(row, "sum"))) / rms / sqrt((double)n_vocab);
    json_array_foreach(json_object_get(row, "top"), i, pair) {
        const json_int_t token = json_integer_value(json_array_get(pair, 0));
        most = fmax(most, fabs((double)logits[token] - json_number_value(json_array_get(pair, 1))) / rms);
    }
    if (most > *ret_most || isnan(most)) *ret_most = most;
    return most;
}

/* All logits of a decoder, in passes of `step`; the largest distance from the record. */
static double run_decoder(const rec *r, size_t step, const char *cpu, int n_threads, float *ret_logits) {
    hl_err        err = {0};
    hl_engine    *e = NULL;
    hl_model     *m = NULL;
    hl_session   *s = NULL;
    hl_model_info info;
    double        most = 0;
    open_model(r, cpu, n_threads, &e, &m);
    hl_model_get_info(m, &info);
    const size_t            n_vocab = (size_t)info.n_vocab;
    const hl_session_params p = {.n_ctx = r->n_ctx, .n_rows_cap = MAX_TOKENS, .kv_type = HL_KV_CACHE_F32};
    if (hl_session_new(m, &p, &s, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
    for (size_t at = 0; at < r->n_tokens; at += step) {
        const size_t now = r->n_tokens - at < step ? r->n_tokens - at : step;
        if (hl_session_eval_rows(s, r->tokens + at, now, now, &err) != HL_OK)
            fail_msg("%s: %s", r->name, err.text);
        for (size_t i = 0; i < now; i++) {
            const float *logits = hl_session_logits_at(s, i);
            (void)distance_of_row(logits, n_vocab, json_array_get(r->rows, at + i), &most);
            memcpy(ret_logits + (at + i) * n_vocab, logits, n_vocab * sizeof *logits);
        }
    }
    /* rows that nobody wants leave before the end: the last one alone is the same */
    hl_session_free(s);
    s = NULL;
    if (hl_session_new(m, &p, &s, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
    if (hl_session_eval_rows(s, r->tokens, r->n_tokens, 1, &err) != HL_OK)
        fail_msg("%s: %s", r->name, err.text);
    assert_memory_equal(hl_session_logits_at(s, 0), ret_logits + (r->n_tokens - 1) * n_vocab,
                        n_vocab * sizeof *ret_logits);
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    return most;
}

static bool check_decoder(const rec *r) {
    const size_t n = MAX_TOKENS * 1024;
    float       *a = hl_new(n, sizeof *a), *b = hl_new(n, sizeof *b), *c = hl_new(n, sizeof *c);
    assert_true(a && b && c);
    const double all = run_decoder(r, MAX_TOKENS, test_cpu(), 2, a);
    (void)run_decoder(r, 1, test_cpu(), 1, b);
    (void)run_decoder(r, 7, "scalar", 1, c);
    const bool one = memcmp(a, b, n * sizeof *a) == 0, scalar = memcmp(a, c, n * sizeof *a) == 0;
    print_message("%-18s off by %.2e, limit %.1e%s%s%s\n", r->name, all, r->limit,
                  all <= r->limit ? "" : "   <-- too far", one ? "" : "   <-- other bits token by token",
                  scalar ? "" : "   <-- other bits in plain C");
    hl_free(a);
    hl_free(b);
    hl_free(c);
    return all <= r->limit && one && scalar;
}

/* The vector of an encoder; with a part of the same text beside it. */
static size_t run_encoder(const rec *r, const char *cpu, bool has_other, float *ret) {
    hl_err                 err = {0};
    hl_engine             *e = NULL;
    hl_model              *m = NULL;
    hl_runner             *runner = NULL;
    hl_embeddings          got;
    const hl_runner_params p = {.sched = {.n_ctx = r->n_ctx, .kv_type = HL_KV_CACHE_F32}};
    const hl_embed_input   in[] = {{.tokens = r->tokens + 3, .n_tokens = 9},
                                   {.tokens = r->tokens, .n_tokens = r->n_tokens}};
    const hl_embed_request req = {
        .inputs = has_other ? in : in + 1, .n_inputs = has_other ? 2 : 1, .keeps_length = true};
    open_model(r, cpu, has_other ? 2 : 1, &e, &m);
    if (hl_runner_new(m, &p, &runner, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
    if (hl_runner_embed(runner, &req, &got, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
    const size_t n = got.n_dims;
    assert_in_range(n, 1, MAX_EMBD);
    memcpy(ret, got.values + (has_other ? n : 0), n * sizeof *ret);
    hl_embeddings_done(&got);
    hl_runner_free(runner);
    hl_model_close(m);
    hl_engine_free(e);
    return n;
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
    const size_t  n = run_encoder(r, test_cpu(), false, a);
    (void)run_encoder(r, test_cpu(), true, b);
    (void)run_encoder(r, "scalar", false, c);
    const double off = distance_of_vector(exact ? exact : r->expected, a, n);
    const bool   same = memcmp(a, b, n * sizeof *a) == 0 && memcmp(a, c, n * sizeof *a) == 0;
    print_message("%-18s off by %.2e, limit %.1e%s%s\n", r->name, off, r->limit,
                  off <= r->limit ? "" : "   <-- too far", same ? "" : "   <-- other bits");
    return off <= r->limit && same;
}

static bool is_supported(const json_t *model) {
    const json_t *first = json_array_get(json_object_get(model, "kv"), 0);
    return hl_arch_find(hl_view_of(json_string_value(json_array_get(first, 2)))) != NULL;
}

static bool check_record(const char *folder, const char *name) {
    char path[1024];
    rec  r = {.name = name};
    (void)snprintf(path, sizeof path, "%s/%s.skeleton.json", folder, name);
    json_t *model = json_load_file(path, 0, NULL);
    (void)snprintf(path, sizeof path, "%s/%s.expected.json", folder, name);
    r.expected = json_load_file(path, 0, NULL);
    assert_true(model && r.expected);
    if (!is_supported(model) || json_object_get(model, "target")) {
        print_message("%-18s not supported\n", name);
        json_decref(model);
        json_decref(r.expected);
        return true;
    }
    const json_t *tokens = json_object_get(r.expected, "tokens");
    const json_t *exact = json_object_get(r.expected, "exact_tolerance");
    r.rows = json_object_get(r.expected, "exact_rows");
    if (!r.rows) r.rows = json_object_get(r.expected, "rows");
    r.limit = json_number_value(exact ? exact : json_object_get(r.expected, "tolerance"));
    r.n_ctx = (int32_t)json_integer_value(json_object_get(model, "n_ctx"));
    r.n_tokens = json_array_size(tokens);
    assert_in_range(r.n_tokens, 1, MAX_TOKENS);
    for (size_t i = 0; i < r.n_tokens; i++)
        r.tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    (void)snprintf(r.path, sizeof r.path, "/tmp/hl-record-%s-%d.gguf", name, (int)getpid());
    fill_by_rules(model, HL_TYPE_f32, r.path);
    const bool ok = json_object_get(model, "encoder") ? check_encoder(&r) : check_decoder(&r);
    (void)unlink(r.path);
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
