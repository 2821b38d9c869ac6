/* SPDX-License-Identifier: MIT
 *
 * test_draft_records.c - files that draft for a model, as shapes and rules (tests/golden/archs2), against
 * what the reference computed of them behind the tokens of a record.
 *
 * Each is computed at once, token by token and in pieces of seven by plain C: close to the record, and the
 * same bits. More may be in the folder of shared test data.
 */
#include "tests/golden/arch_runs.h"
#include "tests/golden/skeleton_rules.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/arch/arch.h"
#include "engine/forward/drafts.h"
#include "engine/speculate/draft_block.h"
#include "engine/speculate/draft_file.h"

enum { MAX_ROWS = 64, MAX_VOCAB = 256 };

typedef struct rec {
    const char *name;
    char        paths[2][128]; /* of the target, of the draft */
    json_t     *expected;
    int32_t     tokens[MAX_TOKENS];
    uint32_t    n_tokens;
    double      limit;
} rec;

/* Rows in the order of the record: of the tokens, as far as it has them; of the chain. */
typedef struct rows {
    uint32_t n, n_vocab;
    int32_t  ids[MAX_VOCAB]; /* the token of each logit */
    float    logits[MAX_ROWS][MAX_VOCAB];
} rows;

typedef struct run {
    const rec  *r;
    hl_engine  *e;
    hl_model   *files[2], *d;
    hl_kv_pool *pool;
    hl_forward *of_target, *of_draft;
    hl_seq      seq, *seqs[MAX_TOKENS];
    float      *hidden; /* [n_tokens][hidden_cols] */
    float      *logits; /* scratch */
    rows       *ret;
} run;

static void open_run(run *x, const char *cpu) {
    hl_err err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = cpu}, &x->e, &err), HL_OK);
    for (int i = 0; i < 2; i++) {
        const char *path = x->r->paths[i];
        if (hl_model_open(x->e, &path, 1, NULL, &x->files[i], &err) != HL_OK) fail_msg("%s", err.text);
    }
    const hl_model *m = x->files[0];
    if (hl_draft_file_new(x->files[1], m, &x->d, &err) != HL_OK) fail_msg("%s: %s", x->r->name, err.text);
    assert_int_equal(hl_forward_kv_new(m, x->d, HL_KV_CACHE_F32, 4, 2, &x->pool, &err), HL_OK);
    assert_int_equal(hl_forward_new(m, MAX_TOKENS, 128, &x->of_target, &err), HL_OK);
    assert_int_equal(hl_forward_new(x->d, MAX_TOKENS, 128, &x->of_draft, &err), HL_OK);
    assert_int_equal(hl_seq_init(&x->seq, x->pool, 128, &err), HL_OK);
    assert_true(hl_seq_reserve(&x->seq, 128));
    for (size_t i = 0; i < MAX_TOKENS; i++) x->seqs[i] = &x->seq;
    x->hidden = hl_new(MAX_TOKENS * hl_hidden_cols(&x->d->hp), sizeof *x->hidden);
    x->logits = hl_new((size_t)MAX_TOKENS * MAX_VOCAB, sizeof *x->logits);
    assert_true(x->hidden && x->logits);
    x->ret->n_vocab = (uint32_t)x->d->out.n_rows;
    assert_in_range(x->ret->n_vocab, 1, MAX_VOCAB);
    for (uint32_t i = 0; i < x->ret->n_vocab; i++)
        x->ret->ids[i] = x->d->token_ids ? x->d->token_ids[i] : (int32_t)i;
}

static void close_run(run *x) {
    hl_seq_done(&x->seq);
    hl_forward_free(x->of_target);
    hl_forward_free(x->of_draft);
    hl_kv_pool_free(x->pool);
    hl_draft_file_free(x->d);
    for (int i = 0; i < 2; i++) hl_model_close(x->files[i]);
    hl_engine_free(x->e);
    hl_free(x->hidden);
    hl_free(x->logits);
}

static void keep_row(rows *ret, const float *logits) {
    assert_true(ret->n < MAX_ROWS);
    memcpy(ret->logits[ret->n++], logits, ret->n_vocab * sizeof *logits);
}

/* A pass of what drafts, all of whose logits are wanted; those of rows from the first position on that has
 * something before it are kept. */
static void draft_rows(run *x, hl_batch *b) {
    hl_err   err = {0};
    uint32_t outs[MAX_TOKENS];
    for (uint32_t i = 0; i < b->n_rows; i++) outs[i] = i;
    b->n_out = b->n_rows;
    b->out_rows = outs;
    b->seqs = x->seqs;
    if (hl_forward_eval(x->of_draft, b, NULL, x->logits, &err) != HL_OK) fail_msg("%s", err.text);
    for (uint32_t i = 0; i < b->n_rows; i++)
        if (b->pos[i] > 0) keep_row(x->ret, x->logits + (size_t)i * x->ret->n_vocab);
}

/* A pass that leaves keys and values. */
static void give_rows(run *x, hl_batch *b) {
    hl_err err = {0};
    b->seqs = x->seqs;
    if (hl_forward_eval(x->of_draft, b, NULL, x->logits, &err) != HL_OK) fail_msg("%s", err.text);
}

/* The tokens of the record by the target, and what drafts along with it. */
static void read_tokens(run *x, uint32_t step) {
    const size_t n = hl_hidden_cols(&x->d->hp);
    hl_err       err = {0};
    const float *before[MAX_TOKENS];
    int32_t      pos[MAX_TOKENS];
    uint32_t     states[MAX_TOKENS], last = 0;
    hl_kv_pool  *of_states = hl_kv_pool_states(x->pool);
    for (uint32_t i = 0; i < x->r->n_tokens; i++) {
        pos[i] = (int32_t)i;
        before[i] = i > 0 ? x->hidden + (i - 1) * n : NULL;
        if (x->d->drafting->reading == HL_DRAFT_READS_OWN) before[i] = x->hidden + i * n;
    }
    for (uint32_t at = 0; at < x->r->n_tokens; at += step) {
        const uint32_t now = x->r->n_tokens - at < step ? x->r->n_tokens - at : step;
        hl_batch       b = {.n_rows = now,
                            .tokens = x->r->tokens + at,
                            .pos = pos + at,
                            .seqs = x->seqs,
                            .n_out = 1,
                            .out_rows = &last,
                            .hidden = x->hidden + at * n,
                            .hidden_of = &x->d->hp.reads};
        last = now - 1;
        for (uint32_t i = 0; i < now; i++) states[i] = HL_NO_STATE;
        if (of_states) assert_true(hl_kv_block_get(of_states, &states[now - 1]));
        b.state_out = of_states ? states : NULL;
        if (hl_forward_eval(x->of_target, &b, NULL, x->logits, &err) != HL_OK) fail_msg("%s", err.text);
        if (of_states) hl_seq_set_state(&x->seq, states[now - 1]);
        hl_batch of_draft = {.n_rows = now, .tokens = b.tokens, .pos = b.pos, .before = before + at};
        if (x->d->drafting->reading == HL_DRAFT_READS_BEFORE) draft_rows(x, &of_draft);
        if (x->d->drafting->reading == HL_DRAFT_READS_OWN) give_rows(x, &of_draft);
        x->seq.n_pos = (int32_t)(at + now);
    }
}

/* The tokens behind them, one after the other: what the record fed. */
static void follow_chain(run *x) {
    const json_t *chain = json_object_get(x->r->expected, "chain"), *step = NULL;
    const json_t *rows_of_tokens = json_object_get(x->r->expected, "rows");
    const float  *before = x->hidden + (x->r->n_tokens - 1) * hl_hidden_cols(&x->d->hp);
    float        *own[2];
    size_t        i = 0;
    uint32_t      n = 0;
    int32_t       tokens[MAX_ROWS];
    for (int k = 0; k < 2; k++) assert_non_null(own[k] = hl_new(x->d->hp.n_own, sizeof *own[k]));
    if (rows_of_tokens)
        tokens[n++] = (int32_t)json_integer_value(json_object_get(x->r->expected, "next_token"));
    json_array_foreach(chain, i, step) tokens[n++] =
        (int32_t)json_integer_value(json_object_get(step, "token"));
    for (i = 0; i < n; i++) {
        const int32_t pos = (int32_t)x->r->n_tokens + (x->d->drafting->stays ? 0 : (int32_t)i);
        hl_batch      b = {.n_rows = 1,
                           .tokens = &tokens[i],
                           .pos = &pos,
                           .before = &before,
                           .before_is_own = i > 0,
                           .hidden = own[i % 2]};
        draft_rows(x, &b);
        before = own[i % 2];
    }
    for (int k = 0; k < 2; k++) hl_free(own[k]);
}

/* The newest token and masks behind it, in one pass. */
static void ask_block(run *x) {
    int32_t  tokens[MAX_ROWS], pos[MAX_ROWS];
    hl_batch b = {.n_rows = x->d->hp.block_size, .tokens = tokens, .pos = pos};
    assert_in_range(b.n_rows, 2, MAX_ROWS);
    for (uint32_t i = 0; i < b.n_rows; i++) {
        tokens[i] = (int32_t)x->d->hp.mask_token;
        pos[i] = (int32_t)(x->r->n_tokens + i);
    }
    tokens[0] = (int32_t)json_integer_value(json_object_get(x->r->expected, "next_token"));
    draft_rows(x, &b);
}

static int32_t best_of(const json_t *row) {
    return (int32_t)json_integer_value(json_array_get(json_array_get(json_object_get(row, "top"), 0), 0));
}

/* What the scheduler would ask for: the likeliest tokens of the rows that the record has, as far as it fed
 * them. */
static void check_drafts(run *x) {
    const json_t   *block = json_object_get(x->r->expected, "block");
    const json_t   *chain = json_object_get(x->r->expected, "chain"), *row = NULL;
    const json_t   *of_tokens = json_object_get(x->r->expected, "rows");
    int32_t         ids[MAX_TOKENS + 1], want[MAX_ROWS], drafts[HL_DRAFT_JOB_CAP];
    uint32_t        n = 0;
    size_t          i = 0;
    hl_err          err = {0};
    hl_draft_block *d = NULL;
    json_array_foreach(block, i, row) if (i > 0) want[n++] = best_of(row);
    if (of_tokens) want[n++] = best_of(json_array_get(of_tokens, json_array_size(of_tokens) - 1));
    json_array_foreach(chain, i, row) want[n++] = best_of(json_object_get(row, "row"));
    memcpy(ids, x->r->tokens, x->r->n_tokens * sizeof *ids);
    ids[x->r->n_tokens] = (int32_t)json_integer_value(json_object_get(x->r->expected, "next_token"));
    hl_draft_job jobs[2] = {{.n_wanted = n}};
    jobs[0].seq = &x->seq;
    jobs[0].ids = ids;
    jobs[0].n_ids = x->r->n_tokens + 1;
    jobs[0].before = x->hidden + (x->r->n_tokens - 1) * hl_hidden_cols(&x->d->hp);
    jobs[0].drafts = drafts;
    assert_in_range(n, 1, HL_DRAFT_JOB_CAP);
    assert_int_equal(hl_draft_block_new(x->d, 1, 16, 128, &d, &err), HL_OK);
    assert_int_equal(hl_draft_block_draft(d, jobs, 1, NULL, &err), HL_OK);
    assert_int_equal(jobs[0].n_drafts, n);
    for (i = 0; i < n; i++) assert_int_equal(drafts[i], want[i]);
    hl_draft_block_free(d);
}

static void compute(const rec *r, uint32_t step, const char *cpu, rows *ret) {
    run x = {.r = r, .ret = ret};
    memset(ret, 0, sizeof *ret);
    open_run(&x, cpu);
    read_tokens(&x, step);
    check_drafts(&x);
    if (x.d->drafting->at_once)
        ask_block(&x);
    else
        follow_chain(&x);
    close_run(&x);
}

static double logit_of(const rows *got, uint32_t i, json_int_t token) {
    for (uint32_t k = 0; k < got->n_vocab; k++)
        if (got->ids[k] == token) return (double)got->logits[i][k];
    return NAN;
}

/* The largest distance of a recorded number, in rms of its row. */
static double distance(const rows *got, uint32_t i, const json_t *row) {
    const double rms = json_number_value(json_object_get(row, "rms"));
    const float *logits = got->logits[i];
    double       sum = 0, most = 0;
    size_t       k = 0;
    json_t      *pair = NULL;
    for (size_t j = 0; j < got->n_vocab; j++) sum += (double)logits[j];
    most = fabs(sum - json_number_value(json_object_get(row, "sum"))) / rms / sqrt((double)got->n_vocab);
    json_array_foreach(json_object_get(row, "top"), k, pair) {
        const double x = logit_of(got, i, json_integer_value(json_array_get(pair, 0)));
        if (!isfinite(x)) return INFINITY;
        most = fmax(most, fabs(x - json_number_value(json_array_get(pair, 1))) / rms);
    }
    return most;
}

/* All rows that the record has. */
static double distance_of_all(const rec *r, const rows *got) {
    const json_t *of_tokens = json_object_get(r->expected, "rows"), *row = NULL;
    const json_t *exact = json_object_get(r->expected, "exact_chain");
    const json_t *chain = exact ? exact : json_object_get(r->expected, "chain");
    double        most = 0;
    size_t        i = 0;
    uint32_t      n = 0;
    const json_t *block = json_object_get(r->expected, "block");
    assert_int_equal(got->n, json_array_size(of_tokens) + json_array_size(chain) + json_array_size(block));
    json_array_foreach(block, i, row) most = fmax(most, distance(got, n++, row));
    json_array_foreach(of_tokens, i, row) most = fmax(most, distance(got, n++, row));
    json_array_foreach(chain, i, row) most = fmax(most, distance(got, n++, json_object_get(row, "row")));
    return most;
}

static json_t *load(const char *folder, const char *name, const char *what) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.%s.json", folder, name, what);
    json_t *j = json_load_file(path, 0, NULL);
    if (!j) fail_msg("%s: not to be read", path);
    return j;
}

static bool is_draft(const json_t *model) {
    const json_t *first = json_array_get(json_object_get(model, "kv"), 0);
    return json_object_get(model, "target") &&
           hl_arch_find(hl_view_of(json_string_value(json_array_get(first, 2))));
}

static bool check_record(const char *folder, const char *name, const json_t *model) {
    rec           r = {.name = name, .expected = load(folder, name, "expected")};
    const char   *names[2] = {json_string_value(json_object_get(model, "target")), name};
    const json_t *tokens = json_object_get(r.expected, "tokens");
    const json_t *exact = json_object_get(r.expected, "exact_tolerance");
    rows         *got[3];
    r.limit = json_number_value(exact ? exact : json_object_get(r.expected, "tolerance"));
    r.n_tokens = (uint32_t)json_array_size(tokens);
    assert_in_range(r.n_tokens, 1, MAX_TOKENS);
    for (uint32_t i = 0; i < r.n_tokens; i++)
        r.tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    for (int i = 0; i < 2; i++) {
        json_t *one = load(folder, names[i], "skeleton");
        (void)snprintf(r.paths[i], sizeof r.paths[i], "/tmp/hl-draft-record-%d-%d.gguf", i, (int)getpid());
        fill_by_rules(one, HL_TYPE_f32, r.paths[i]);
        json_decref(one);
    }
    for (int i = 0; i < 3; i++) assert_non_null(got[i] = hl_new(1, sizeof *got[i]));
    compute(&r, MAX_TOKENS, test_cpu(), got[0]);
    compute(&r, 1, test_cpu(), got[1]);
    compute(&r, 7, "scalar", got[2]);
    const double off = distance_of_all(&r, got[0]);
    const bool   one = memcmp(got[0], got[1], sizeof *got[0]) == 0;
    const bool   scalar = memcmp(got[0], got[2], sizeof *got[0]) == 0;
    print_message("%-18s off by %.2e, limit %.1e%s%s%s\n", name, off, r.limit,
                  off <= r.limit ? "" : "   <-- too far", one ? "" : "   <-- other bits token by token",
                  scalar ? "" : "   <-- other bits in plain C");
    for (int i = 0; i < 3; i++) hl_free(got[i]);
    for (int i = 0; i < 2; i++) (void)unlink(r.paths[i]);
    json_decref(r.expected);
    return off <= r.limit && one && scalar;
}

static int check_folder(const char *folder) {
    static const char end[] = ".skeleton.json";
    DIR              *dir = opendir(folder);
    int               n_checked = 0, n_bad = 0;
    struct dirent    *de = NULL;
    while (dir && (de = readdir(dir))) {
        char *dot = strstr(de->d_name, end);
        if (!dot || dot[sizeof end - 1]) continue;
        *dot = '\0';
        json_t *model = load(folder, de->d_name, "skeleton");
        if (is_draft(model)) {
            n_bad += !check_record(folder, de->d_name, model);
            n_checked++;
        }
        json_decref(model);
    }
    if (dir) (void)closedir(dir);
    assert_int_equal(n_bad, 0);
    return n_checked;
}

static void our_drafts_agree_with_the_reference(void **state) {
    (void)state;
    assert_true(check_folder("tests/golden/archs2") > 0);
}

static void the_shared_drafts_agree_with_the_reference(void **state) {
    (void)state;
    const char *shared = getenv("HL_TEST_SHARED");
    char        folder[900];
    (void)snprintf(folder, sizeof folder, "%s/data/archs2", shared ? shared : "../shared");
    if (check_folder(folder) == 0) skip_because("no shared data: %s", folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_drafts_agree_with_the_reference),
        cmocka_unit_test(the_shared_drafts_agree_with_the_reference),
    };
    return cmocka_run_group_tests_name("draft_records", tests, NULL, NULL);
}
