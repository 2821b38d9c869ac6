/* SPDX-License-Identifier: MIT
 *
 * test_finite.c - models that compute NaN or infinity somewhere: the pass ends in an error that says where,
 * and requests that do not come there do not notice.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/model_priv.h"
#include "hyperlama/sched.h"
#include "engine_fixture.h"
#include "model_fixture.h"

enum { N_TOKENS = 40, N_VOCAB = 300, BAD_TOKEN = 77 };

/* Which tensor is spoiled, and with what: set before a model is written. */
static struct {
    const char *name;
    size_t      at;
    float       value;
} spoil;

static void spoil_tensor(const char *name, float *x, size_t n) {
    if (spoil.name && strcmp(name, spoil.name) == 0) x[spoil.at % n] = spoil.value;
}

static const mf_shape dense = {.n_vocab = N_VOCAB,
                               .n_embd = 64,
                               .n_heads = 4,
                               .n_kv_heads = 2,
                               .head_dim = 16,
                               .n_ff = 96,
                               .n_layers = 2,
                               .type = HL_TYPE_f32,
                               .change = spoil_tensor};
static const mf_shape experts = {.n_vocab = N_VOCAB,
                                 .n_embd = 64,
                                 .n_heads = 2,
                                 .n_kv_heads = 1,
                                 .head_dim = 32,
                                 .n_ff = 32,
                                 .n_layers = 2,
                                 .n_experts = 8,
                                 .n_experts_used = 8,
                                 .type = HL_TYPE_f32,
                                 .change = spoil_tensor};

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
    char       path[32];
} setup;

static void open_model(const mf_shape *shape, const char *cpu, setup *ret) {
    hl_err      err = {0};
    const char *path = ret->path;
    (void)strcpy(ret->path, "/tmp/hl_finite_XXXXXX");
    make_scratch(ret->path);
    mf_must_write(path, shape);
    ret->e = new_engine(2, cpu, 0);
    if (hl_model_open(ret->e, &path, 1, NULL, &ret->m, &err) != HL_OK) fail_msg("%s", err.text);
    (void)unlink(path);
}

static void close_model(setup *s) {
    hl_model_close(s->m);
    hl_engine_free(s->e);
}

/* How N_TOKENS tokens are read, `step` at a time. */
static hl_status eval(const setup *s, size_t step, hl_err *err) {
    hl_session *session = NULL;
    hl_status   status = hl_session_new(
          s->m, &(hl_session_params){.n_ctx = 64, .n_batch = (int32_t)step, .n_rows_cap = (int32_t)step},
          &session, err);
    for (size_t at = 0; at < N_TOKENS && status == HL_OK; at += step) {
        int32_t ids[N_TOKENS];
        for (size_t i = 0; i < step; i++) ids[i] = (int32_t)((at + i) * 53 + 11) % N_VOCAB;
        status = hl_session_eval(session, ids, step, err);
    }
    hl_session_free(session);
    return status;
}

static void expect(const mf_shape *shape, const char *tensor, float value, const char *words) {
    static const char *const cpus[] = {"scalar", "avx2", NULL};
    spoil.name = tensor;
    spoil.value = value;
    for (spoil.at = 0; spoil.at < 4000; spoil.at += 1111)
        for (size_t c = 0; c < 3; c++) {
            setup s = {0};
            open_model(shape, cpus[c], &s);
            for (size_t step = 1; step <= N_TOKENS; step *= 8) {
                hl_err err = {0};
                if (eval(&s, step, &err) != HL_E_FORMAT || !strstr(err.text, words))
                    fail_msg("%s[%zu] = %g, %s, passes of %zu: '%s', expected '%s'", tensor, spoil.at,
                             (double)value, cpus[c] ? cpus[c] : "fast", step, err.text, words);
            }
            close_model(&s);
        }
    spoil.name = NULL;
}

static void the_first_place_without_numbers_is_named(void **state) {
    static const float none[] = {NAN, INFINITY, -INFINITY};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        expect(&dense, "blk.1.attn_norm.weight", none[i], "a norm of layer 1");
        expect(&dense, "blk.1.attn_q.weight", none[i], "the queries of layer 1");
        expect(&dense, "blk.0.attn_k.weight", none[i], "the keys of layer 0");
        expect(&dense, "blk.1.attn_v.weight", none[i], "the values of layer 1");
        expect(&dense, "blk.0.attn_output.weight", none[i], "the attention block of layer 0");
        expect(&dense, "blk.1.ffn_norm.weight", none[i], "a norm of layer 1");
        expect(&dense, "blk.1.ffn_gate.weight", none[i], "the feed-forward block of layer 1");
        expect(&dense, "blk.0.ffn_up.weight", none[i], "the feed-forward block of layer 0");
        expect(&dense, "blk.0.ffn_down.weight", none[i], "the feed-forward block of layer 0");
        expect(&dense, "output_norm.weight", none[i], "the last norm at position");
        expect(&experts, "blk.1.ffn_gate_inp.weight", none[i], "the router of layer 1");
        expect(&experts, "blk.0.ffn_down_exps.weight", none[i], "the feed-forward block of layer 0");
    }
    expect(&dense, "output.weight", NAN, "the logits at position");
}

/* Eight times one expert of eight, which is all rows of the pass eight times over. */
static void a_router_without_numbers_overruns_nothing(void **state) {
    mf_shape s = experts;
    (void)state;
    s.n_experts = s.n_experts_used = 64;
    expect(&s, "blk.0.ffn_gate_inp.weight", INFINITY, "the router of layer 0");
    s.n_experts_used = 1;
    expect(&s, "blk.0.ffn_gate_inp.weight", NAN, "the router of layer 0");
}

static void weights_without_numbers_are_found_in_packed_types_too(void **state) {
    static const hl_type types[] = {HL_TYPE_f16, HL_TYPE_bf16, HL_TYPE_q8_0, HL_TYPE_q4_1};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mf_shape s = dense;
        s.type = types[i];
        spoil.name = "blk.1.ffn_up.weight"; /* past the largest f16: the scale is infinite */
        spoil.value = i == 1 ? INFINITY : 1e9f;
        expect(&s, "blk.1.ffn_up.weight", spoil.value, "the feed-forward block of layer 1");
    }
}

/* ---- the ends of the range ---- */

static uint32_t absurd_seed, absurd_exponent;

/* One weight in 50 becomes a power of two, up to 2^absurd_exponent and down to its inverse. */
static void make_absurd(const char *name, float *x, size_t n) {
    if (strstr(name, "norm") || strstr(name, "token_embd")) return;
    for (size_t i = 0; i < n; i++) {
        absurd_seed = absurd_seed * 1664525u + 1013904223u;
        const uint32_t r = absurd_seed >> 8;
        if (r % 50 == 0)
            x[i] = ldexpf(r & 64 ? 1 : -1, (int)(r / 128 % (2 * absurd_exponent)) - (int)absurd_exponent);
    }
}

static hl_status logits_of(const mf_shape *shape, const char *cpu, size_t step, float *ret, hl_err *err) {
    setup       s = {0};
    hl_session *session = NULL;
    open_model(shape, cpu, &s);
    hl_status status =
        hl_session_new(s.m, &(hl_session_params){.n_ctx = 64, .kv_type = HL_KV_CACHE_F32}, &session, err);
    for (size_t at = 0; at < N_TOKENS && status == HL_OK; at += step) {
        int32_t ids[N_TOKENS];
        for (size_t i = 0; i < step; i++) ids[i] = (int32_t)((at + i) * 53 + 11) % N_VOCAB;
        status = hl_session_eval(session, ids, step, err);
    }
    if (status == HL_OK) memcpy(ret, hl_session_logits(session), N_VOCAB * sizeof *ret);
    hl_session_free(session);
    close_model(&s);
    return status;
}

static void absurd_weights_end_the_same_with_every_instruction_set(void **state) {
    static const char *const cpus[] = {"avx2", "avxvnni", "avx512", NULL};
    static const hl_type     types[] = {HL_TYPE_f32, HL_TYPE_f16, HL_TYPE_q8_0, HL_TYPE_q4_1, HL_TYPE_q5_0};
    int                      n_failed = 0, n_done = 0;
    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        float    want[N_VOCAB] = {0}, got[N_VOCAB] = {0};
        hl_err   err = {0}, other = {0};
        mf_shape s = i % 2 ? experts : dense;
        s.type = types[i % 5];
        s.change = make_absurd;
        absurd_seed = i;
        absurd_exponent = 4 + 4 * i; /* 2^160 is infinite */
        const hl_status status = logits_of(&s, "scalar", N_TOKENS, want, &err);
        n_failed += status != HL_OK;
        n_done += status == HL_OK;
        for (size_t c = 0; c < 4; c++) {
            absurd_seed = i;
            if (logits_of(&s, cpus[c], i % 3 ? N_TOKENS : 8, got, &other) != status ||
                strcmp(err.text, other.text) != 0)
                fail_msg("model %u, %s: '%s', scalar '%s'", i, cpus[c] ? cpus[c] : "fast", other.text,
                         err.text);
            assert_memory_equal(got, want, sizeof want);
        }
    }
    print_message("%d models compute numbers, %d do not\n", n_done, n_failed);
    assert_true(n_failed > 0 && n_done > 0);
}

/* ---- requests beside each other ---- */

enum { N_PROMPT = 100, N_ANSWER = 12 };

typedef struct answer {
    int32_t   ids[N_ANSWER];
    int32_t   n;
    hl_status status;
    hl_err    err;
} answer;

static hl_end keep(void *user, const hl_sched_token *t) {
    answer *a = user;
    if (a->n < N_ANSWER) a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

static void note_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    answer *a = user;
    (void)id;
    (void)usage;
    a->status = status;
    if (err) a->err = *err;
}

static hl_sched *open_sched(const setup *s, hl_speculate speculate) {
    hl_err    err = {0};
    hl_sched *sched = NULL;
    if (hl_sched_new(s->m, &(hl_sched_params){.n_ctx = 256, .speculate = speculate}, &sched, &err) != HL_OK)
        fail_msg("%s", err.text);
    return sched;
}

static hl_sched_request make_request(const int32_t *prompt, answer *a) {
    hl_sched_request r;
    hl_sched_request_init(&r);
    *a = (answer){0};
    r.tokens = prompt;
    r.n_tokens = N_PROMPT;
    r.max_tokens = N_ANSWER;
    r.sampling.temperature = 0;
    r.ignore_eog = true;
    r.on_token = keep;
    r.on_done = note_end;
    r.user = a;
    return r;
}

/* A model whose embedding of BAD_TOKEN is NaN, and prompts without and with it. */
static void open_spoiled(setup *s, int32_t *good, int32_t *bad) {
    for (int i = 0; i < N_PROMPT; i++) good[i] = bad[i] = 80 + i * 7 % 150;
    bad[90] = BAD_TOKEN;
    spoil.name = "token_embd.weight";
    spoil.at = (size_t)BAD_TOKEN * dense.n_embd + 5;
    spoil.value = NAN;
    open_model(&dense, NULL, s);
    spoil.name = NULL;
}

static void a_request_without_numbers_ends_alone(void **state) {
    hl_err   err = {0};
    setup    s = {0};
    answer   alone, beside[3], bad[3];
    hl_usage usage;
    int32_t  prompt[N_PROMPT], spoiled[N_PROMPT];
    (void)state;
    open_spoiled(&s, prompt, spoiled);
    hl_sched        *sched = open_sched(&s, HL_SPECULATE_OFF);
    hl_sched_request r = make_request(prompt, &alone);
    assert_int_equal(hl_sched_run(sched, &r, &usage, &err), HL_OK);
    assert_int_equal(alone.n, N_ANSWER);
    for (int i = 0; i < 3; i++) {
        r = make_request(spoiled, &bad[i]);
        assert_int_equal(hl_sched_submit(sched, &r, &(uint64_t){0}, &err), HL_OK);
        r = make_request(prompt, &beside[i]);
        assert_int_equal(hl_sched_submit(sched, &r, &(uint64_t){0}, &err), HL_OK);
    }
    r = make_request(spoiled, &bad[0]); /* waits, and comes last */
    assert_int_equal(hl_sched_run(sched, &r, &usage, &err), HL_E_FORMAT);
    hl_sched_free(sched);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bad[i].n, 0);
        assert_int_equal(bad[i].status, HL_E_FORMAT);
        assert_non_null(strstr(bad[i].err.text, "the embedding at position 90 (token 77)"));
        if (beside[i].status == HL_E_CANCEL) continue;
        assert_int_equal(beside[i].status, HL_OK);
        assert_memory_equal(beside[i].ids, alone.ids, (size_t)beside[i].n * sizeof *alone.ids);
    }
    close_model(&s);
}

/* Guesses that are not what comes may compute what they like. */
static void a_guess_without_numbers_changes_nothing(void **state) {
    hl_err   err = {0};
    setup    s = {0};
    answer   plain, drafted;
    hl_usage usage;
    int32_t  prompt[N_PROMPT], spoiled[N_PROMPT], prediction[3 * N_ANSWER];
    (void)state;
    open_spoiled(&s, prompt, spoiled);
    hl_sched        *sched = open_sched(&s, HL_SPECULATE_ALWAYS);
    hl_sched_request r = make_request(prompt, &plain);
    r.speculate = HL_SPECULATE_OFF;
    assert_int_equal(hl_sched_run(sched, &r, &usage, &err), HL_OK);
    for (int i = 0; i < N_ANSWER; i++) {
        prediction[3 * i] = plain.ids[i];
        prediction[3 * i + 1] = prediction[3 * i + 2] = BAD_TOKEN;
    }
    r = make_request(prompt, &drafted);
    r.speculate = HL_SPECULATE_ALWAYS;
    r.prediction = prediction;
    r.n_prediction = 3 * N_ANSWER;
    if (hl_sched_run(sched, &r, &usage, &err) != HL_OK) fail_msg("%s", err.text);
    assert_true(usage.drafted_tokens > usage.accepted_tokens);
    assert_int_equal(drafted.n, N_ANSWER);
    assert_memory_equal(drafted.ids, plain.ids, sizeof plain.ids);
    hl_sched_free(sched);
    close_model(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_place_without_numbers_is_named),
        cmocka_unit_test(a_router_without_numbers_overruns_nothing),
        cmocka_unit_test(weights_without_numbers_are_found_in_packed_types_too),
        cmocka_unit_test(absurd_weights_end_the_same_with_every_instruction_set),
        cmocka_unit_test(a_request_without_numbers_ends_alone),
        cmocka_unit_test(a_guess_without_numbers_changes_nothing),
    };
    return cmocka_run_group_tests_name("finite", tests, NULL, NULL);
}
