/* SPDX-License-Identifier: MIT
 *
 * test_session.c - what a session promises: same bits however the work is cut, errors that change
 * nothing, no allocation while evaluating. On a tiny model of tests/golden/archs.
 */
#include "tests/need.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "engine/kernels/cpu.h"
#include "engine/model_priv.h"
#include "engine_fixture.h"

enum { N_TOKENS = 100, N_VOCAB = 128 };

static const char *const paths[] = {
    "tests/golden/archs/llama-q4_k.gguf", "tests/golden/archs/llama-q8_0.gguf",
    "tests/golden/archs/gemma3-swa.gguf", "tests/golden/archs/llama-f16.gguf",
    "tests/golden/archs/qwen2-bias.gguf",
};

static int32_t tokens[N_TOKENS];

typedef struct setup {
    hl_engine  *e;
    hl_model   *m;
    hl_session *s;
} setup;

static setup open_all(const char *path, int32_t n_threads, hl_session_params p) {
    setup  x = {.e = new_engine(n_threads, NULL, 0)};
    hl_err err = {0};
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_session_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_all(setup *x) {
    hl_session_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* Logits behind all tokens, read in passes of `step`. */
static void read_all(hl_session *s, size_t step, float *ret) {
    hl_err err = {0};
    for (size_t at = 0; at < N_TOKENS; at += step)
        if (hl_session_eval(s, tokens + at, N_TOKENS - at < step ? N_TOKENS - at : step, &err) != HL_OK)
            fail_msg("%s", err.text);
    memcpy(ret, hl_session_logits(s), N_VOCAB * sizeof *ret);
}

static void the_bits_do_not_depend_on_passes_or_threads(void **state) {
    (void)state;
    static const size_t           steps[] = {1, 2, 3, 5, 7, 16, 33, 64, N_TOKENS};
    static const int32_t          threads[] = {1, 2, 5};
    static const hl_kv_cache_type kv_types[] = {HL_KV_CACHE_F16, HL_KV_CACHE_F32, HL_KV_CACHE_BF16,
                                                HL_KV_CACHE_Q8_0};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (size_t k = 0; k < 4; k++) {
            float want[N_VOCAB];
            bool  have = false;
            for (size_t t = 0; t < 3; t++) {
                setup x =
                    open_all(paths[i], threads[t], (hl_session_params){.n_ctx = 512, .kv_type = kv_types[k]});
                for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++) {
                    float got[N_VOCAB];
                    hl_session_truncate(x.s, 0);
                    read_all(x.s, steps[j], got);
                    if (!have) memcpy(want, got, sizeof want);
                    have = true;
                    if (memcmp(want, got, sizeof want) != 0)
                        fail_msg("%s, kv %zu: passes of %zu with %d threads differ", paths[i], k, steps[j],
                                 threads[t]);
                }
                close_all(&x);
            }
        }
    }
}

static void long_contexts_are_split_the_same_way(void **state) {
    (void)state;
    float   want[N_VOCAB];
    hl_err  err = {0};
    setup   x = open_all(paths[0], 2, (hl_session_params){.n_ctx = 2048});
    int32_t many[1200];
    for (int i = 0; i < 1200; i++) many[i] = (i * 31) % N_VOCAB;
    assert_int_equal(hl_session_eval(x.s, many, 1200, &err), HL_OK);
    memcpy(want, hl_session_logits(x.s), sizeof want);
    hl_session_truncate(x.s, 1190);
    for (int i = 1190; i < 1200; i++) assert_int_equal(hl_session_eval(x.s, many + i, 1, &err), HL_OK);
    assert_memory_equal(want, hl_session_logits(x.s), sizeof want);
    close_all(&x);
    x = open_all(paths[0], 1, (hl_session_params){.n_ctx = 2048, .n_batch = 100});
    assert_int_equal(hl_session_eval(x.s, many, 1200, &err), HL_OK);
    assert_memory_equal(want, hl_session_logits(x.s), sizeof want);
    close_all(&x);
}

static void rows_of_one_call_equal_single_calls(void **state) {
    (void)state;
    setup  x = open_all(paths[0], 2, (hl_session_params){.n_ctx = 256, .n_rows_cap = 16});
    hl_err err = {0};
    float  want[16][N_VOCAB];
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hl_session_eval(x.s, tokens + i, 1, &err), HL_OK);
        memcpy(want[i], hl_session_logits(x.s), sizeof want[i]);
    }
    hl_session_truncate(x.s, 0);
    assert_int_equal(hl_session_eval_rows(x.s, tokens, 16, 16, &err), HL_OK);
    for (size_t i = 0; i < 16; i++)
        assert_memory_equal(want[i], hl_session_logits_at(x.s, i), sizeof want[i]);
    hl_session_truncate(x.s, 0);
    assert_int_equal(hl_session_eval_rows(x.s, tokens, 16, 3, &err), HL_OK);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(want[13 + i], hl_session_logits_at(x.s, i), sizeof want[i]);
    close_all(&x);
}

static void a_call_that_fails_changes_nothing(void **state) {
    (void)state;
    setup  x = open_all(paths[0], 1, (hl_session_params){.n_ctx = 50});
    hl_err err = {0};
    assert_int_equal(hl_session_eval(x.s, tokens, 40, &err), HL_OK);
    assert_int_equal(hl_session_eval(x.s, tokens, 11, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "11 more tokens"));
    assert_int_equal(hl_session_eval(x.s, tokens, 0, &err), HL_E_ARG);
    assert_int_equal(hl_session_eval(x.s, &(int32_t){N_VOCAB}, 1, &err), HL_E_ARG);
    assert_int_equal(hl_session_eval(x.s, &(int32_t){-1}, 1, &err), HL_E_ARG);
    assert_int_equal(hl_session_eval_rows(x.s, tokens, 3, 2, &err), HL_E_ARG);
    assert_int_equal(hl_session_pos(x.s), 40);
    assert_int_equal(hl_session_eval(x.s, tokens, 10, &err), HL_OK);
    close_all(&x);
}

static void parameters_out_of_range_are_named(void **state) {
    (void)state;
    setup       x = open_all(paths[0], 1, (hl_session_params){.n_ctx = 64});
    hl_err      err = {0};
    hl_session *s = NULL;
    hl_engine  *e = NULL;
    assert_int_equal(hl_session_new(x.m, &(hl_session_params){.n_ctx = -1}, &s, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "n_ctx is -1"));
    assert_int_equal(hl_session_new(x.m, &(hl_session_params){.n_batch = 100000}, &s, &err), HL_E_ARG);
    assert_int_equal(hl_session_new(x.m, &(hl_session_params){.kv_type = (hl_kv_cache_type)9}, &s, &err),
                     HL_E_ARG);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 5000, .cpu = test_cpu()}, &e, &err),
                     HL_E_ARG);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.cpu = "avx9000"}, &e, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "avx2"));
    close_all(&x);
}

static void a_plan_that_does_not_fit_is_refused_with_numbers(void **state) {
    (void)state;
    setup       x = open_all(paths[2], 1, (hl_session_params){.n_ctx = 64});
    hl_err      err = {0};
    hl_session *s = NULL;
    assert_int_equal(
        hl_session_new(x.m, &(hl_session_params){.n_ctx = 1 << 24, .kv_type = HL_KV_CACHE_F32}, &s, &err),
        HL_E_NOMEM);
    assert_non_null(strstr(err.text, "MiB"));
    close_all(&x);
}

static void evaluating_allocates_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        setup        x = open_all(paths[i], 2, (hl_session_params){.n_ctx = 512});
        float        got[N_VOCAB];
        const size_t before = hl_mem_n_allocs();
        read_all(x.s, 30, got);
        read_all(x.s, 1, got);
        assert_int_equal(hl_mem_n_allocs(), before);
        close_all(&x);
    }
}

static void *stop_soon(void *session) {
    (void)usleep(2000);
    hl_session_stop(session);
    return NULL;
}

static void a_stop_rolls_back_to_a_whole_pass(void **state) {
    (void)state;
    static int32_t many[100000];
    setup          x = open_all(paths[0], 2, (hl_session_params){.n_ctx = 100000, .n_batch = 64});
    hl_err         err = {0};
    pthread_t      thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, x.s), 0);
    const hl_status status = hl_session_eval(x.s, many, 100000, &err);
    (void)pthread_join(thread, NULL);
    assert_int_equal(status, HL_E_CANCEL);
    assert_int_equal(hl_session_pos(x.s) % 64, 0);
    assert_int_equal(hl_session_eval(x.s, many, 10, &err), HL_OK); /* goes on as if nothing had been */
    close_all(&x);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t k = 0; k < 400; k++) {
        hl_err      err = {0};
        hl_engine  *e = NULL;
        hl_model   *m = NULL;
        hl_session *s = NULL;
        hl_mem_fail_after(k, SIZE_MAX);
        hl_status status = hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err);
        if (status == HL_OK) status = hl_model_open(e, &paths[0], 1, NULL, &m, &err);
        if (status == HL_OK) status = hl_session_new(m, &(hl_session_params){.n_ctx = 128}, &s, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        hl_session_free(s);
        hl_model_close(m);
        hl_engine_free(e);
        if (status == HL_OK) return;
        assert_int_equal(status, HL_E_NOMEM);
    }
    fail_msg("400 allocations are too many for a tiny model");
}

/* ---- rows that are no tokens ---- */

/* As read_all(), every `every`-th row as the embedding of its token, and with its place as its position. */
static void read_embedded(setup *x, size_t every, size_t step, bool has_positions, float *ret) {
    static float   embds[N_TOKENS * 256];
    static int32_t positions[N_TOKENS][3];
    hl_err         err = {0};
    hl_model_info  in;
    hl_model_get_info(x->m, &in);
    assert_in_range(in.n_embd, 1, 256);
    for (size_t at = 0; at < N_TOKENS; at += step) {
        const size_t n = N_TOKENS - at < step ? N_TOKENS - at : step;
        int32_t      rows[N_TOKENS];
        size_t       n_embds = 0;
        for (size_t i = 0; i < n; i++) {
            rows[i] = tokens[at + i];
            for (int k = 0; k < 3; k++) positions[i][k] = (int32_t)(at + i);
            if ((at + i) % every != 0) continue;
            float *embd = embds + n_embds++ * (size_t)in.n_embd;
            assert_true(n_embds * (size_t)in.n_embd <= sizeof embds / sizeof *embds);
            assert_int_equal(hl_model_embed(x->m, rows[i], embd, &err), HL_OK);
            rows[i] = HL_ROW_IS_EMBEDDING;
        }
        const hl_input input = {.n_rows = n,
                                .tokens = rows,
                                .embds = embds,
                                .positions = has_positions ? (const int32_t(*)[3])positions : NULL};
        if (hl_session_eval_input(x->s, &input, 1, &err) != HL_OK) fail_msg("%s", err.text);
    }
    memcpy(ret, hl_session_logits(x->s), N_VOCAB * sizeof *ret);
}

static void a_token_s_embedding_in_its_place_has_its_bits(void **state) {
    (void)state;
    static const size_t steps[] = {1, 7, N_TOKENS};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        setup x = open_all(paths[i], 2, (hl_session_params){.n_ctx = 128, .n_batch = 40});
        float want[N_VOCAB], got[N_VOCAB];
        read_all(x.s, N_TOKENS, want);
        for (size_t k = 0; k < 3; k++) {
            for (size_t every = 1; every <= 3; every += 2) {
                hl_session_truncate(x.s, 0);
                read_embedded(&x, every, steps[k], k != 1, got);
                if (memcmp(want, got, sizeof want) != 0)
                    fail_msg("%s: every %zu rows an embedding, passes of %zu: other bits", paths[i], every,
                             steps[k]);
            }
        }
        close_all(&x);
    }
}

static void rows_turn_by_their_positions_and_see_what_is_before_them(void **state) {
    (void)state;
    enum { N = 12 };
    setup   x = open_all(paths[4], 1, (hl_session_params){.n_ctx = 64, .n_rows_cap = N});
    hl_err  err = {0};
    float   want[N_VOCAB], moved[N_VOCAB], wide[N_VOCAB];
    int32_t positions[N][3];
    double  d_moved = 0, d_wide = 0, all = 0;
    assert_int_equal(hl_session_eval(x.s, tokens, N, &err), HL_OK);
    memcpy(want, hl_session_logits(x.s), sizeof want);
    for (int pass = 0; pass < 2; pass++) { /* all turned by 30 more, then twice as far apart */
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 3; k++) positions[i][k] = pass ? 2 * i : 30 + i;
        const hl_input input = {.n_rows = N, .tokens = tokens, .positions = (const int32_t(*)[3])positions};
        hl_session_truncate(x.s, 0);
        assert_int_equal(hl_session_eval_input(x.s, &input, N, &err), HL_OK);
        memcpy(pass ? wide : moved, hl_session_logits(x.s), sizeof want);
    }
    for (int i = 0; i < N_VOCAB; i++) {
        all += (double)want[i] * (double)want[i];
        d_moved += ((double)moved[i] - (double)want[i]) * ((double)moved[i] - (double)want[i]);
        d_wide += ((double)wide[i] - (double)want[i]) * ((double)wide[i] - (double)want[i]);
    }
    assert_true(d_moved < 1e-3 * all); /* only distances count, up to the rounding of the cache */
    assert_true(d_wide > 1e-2 * all);
    close_all(&x);
}

static void a_row_that_cannot_be_used_changes_nothing(void **state) {
    (void)state;
    setup          x = open_all(paths[0], 1, (hl_session_params){.n_ctx = 64});
    hl_err         err = {0};
    float          embds[2 * 256] = {0};
    int32_t        rows[] = {5, HL_ROW_IS_EMBEDDING, 6, HL_ROW_IS_EMBEDDING};
    int32_t        positions[4][3] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}};
    const hl_input in = {
        .n_rows = 4, .tokens = rows, .embds = embds, .positions = (const int32_t(*)[3])positions};
    assert_int_equal(hl_session_eval(x.s, tokens, 3, &err), HL_OK);
    hl_input none = in;
    none.embds = NULL;
    assert_int_equal(hl_session_eval_input(x.s, &none, 1, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "token 1 is -1, expected 0..127"));
    embds[256 + 9] = NAN;
    assert_int_equal(hl_session_eval_input(x.s, &in, 1, &err), HL_E_ARG);
    assert_string_equal(err.text, "row 3: value 9 of its embedding is not finite");
    embds[256 + 9] = 0;
    positions[2][1] = 7;
    assert_int_equal(hl_session_eval_input(x.s, &in, 1, &err), HL_E_UNSUPPORTED);
    assert_string_equal(err.text, "row 2: positions 2, 7 and 2, but architecture 'llama' turns by one");
    positions[2][1] = -1;
    assert_int_equal(hl_session_eval_input(x.s, &in, 1, &err), HL_E_ARG);
    positions[2][1] = 2;
    rows[0] = 128;
    assert_int_equal(hl_session_eval_input(x.s, &in, 1, &err), HL_E_ARG);
    rows[0] = 5;
    assert_int_equal(hl_session_eval_input(x.s, &in, 2, &err), HL_E_ARG); /* there is room for one row */
    assert_int_equal(hl_session_pos(x.s), 3);
    assert_int_equal(hl_session_eval_input(x.s, &in, 1, &err), HL_OK);
    assert_int_equal(hl_session_pos(x.s), 7);
    assert_int_equal(hl_model_embed(x.m, 128, embds, &err), HL_E_ARG);
    assert_int_equal(hl_model_embed(x.m, -1, embds, &err), HL_E_ARG);
    close_all(&x);
}

/* 2 layers of 128 wide, 4 heads on 2, 192 in the middle, 128 tokens; all matrices q8_0: 34 bytes for 32
 * weights. */
static void a_model_tells_its_sizes_and_what_a_token_costs(void **state) {
    (void)state;
    enum { Q = 128 * 128, K = 128 * 64, FF = 128 * 192, LAYER = 2 * Q + 2 * K + 3 * FF, OUT = 128 * 128 };
    setup         x = open_all("tests/golden/archs/llama-q8_0.gguf", 1, (hl_session_params){.n_ctx = 64});
    hl_model_info in;
    hl_model_get_info(x.m, &in);
    assert_string_equal(in.arch, "llama");
    assert_string_equal(in.name, "llama-q8_0");
    assert_string_equal(in.file_type, "Q8_0");
    assert_int_equal(in.n_layers, 2);
    assert_int_equal(in.n_embd, 128);
    assert_int_equal(in.n_heads, 4);
    assert_int_equal(in.n_kv_heads, 2);
    assert_int_equal(in.head_dim, 32);
    assert_int_equal(in.n_ff, 192);
    assert_int_equal(in.n_vocab, 128);
    assert_int_equal(in.n_ctx_train, 4096);
    assert_int_equal(in.n_experts, 0);
    assert_int_equal(in.n_experts_used, 0);
    assert_int_equal(in.macs_of_logits, OUT);
    assert_int_equal(in.macs_per_token, 2 * LAYER + OUT);
    assert_int_equal(in.weight_bytes_per_token, (2 * LAYER + OUT) / 32 * 34);
    assert_int_equal(in.n_params, 2 * LAYER + 2 * OUT + 5 * 128); /* with the embedding and five norms */
    close_all(&x);
}

/* What is planned stands in the engine's ledger as long as it is held; weights of a model once, however many
 * use them. */
static void plans_are_entered_once_and_taken_out_again(void **state) {
    (void)state;
    const hl_session_params p = {.n_ctx = 256};
    setup                   x = open_all(paths[0], 1, p);
    hl_memory_plan          plan;
    hl_session             *second = NULL, *none = NULL;
    hl_err                  err = {0};
    assert_int_equal(hl_session_plan(x.m, &p, &plan, &err), HL_OK);
    const uint64_t one = plan.kv_bytes + plan.scratch_bytes;
    assert_true(one > 0 && plan.weights_bytes > 0);
    assert_int_equal(x.e->planned_bytes, one);
    assert_int_equal(x.e->planned_weights_bytes, plan.weights_bytes);
    assert_int_equal(hl_session_new(x.m, &p, &second, &err), HL_OK);
    assert_int_equal(x.e->planned_bytes, 2 * one);
    assert_int_equal(x.e->planned_weights_bytes, plan.weights_bytes);
    assert_int_equal(hl_session_new(x.m, &(hl_session_params){.n_ctx = -1}, &none, &err), HL_E_ARG);
    hl_mem_fail_after(3, SIZE_MAX); /* admitted, then no memory: taken out again */
    assert_int_equal(hl_session_new(x.m, &p, &none, &err), HL_E_NOMEM);
    hl_mem_fail_after(SIZE_MAX, 0);
    assert_int_equal(x.e->planned_bytes, 2 * one);
    hl_session_free(second);
    assert_int_equal(x.e->planned_bytes, one);
    assert_int_equal(x.e->planned_weights_bytes, plan.weights_bytes);
    hl_session_free(x.s);
    x.s = NULL;
    assert_int_equal(x.e->planned_bytes, 0);
    assert_int_equal(x.e->planned_weights_bytes, 0);
    close_all(&x);
}

/* The kernels in words, one for each instruction set that is used. */
static void an_engine_says_what_it_computes_with(void **state) {
    (void)state;
    static const struct { const char *cpu, *text; } rows[] = {{"scalar", "scalar"}, {"avx2", "scalar avx2"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_engine *e = NULL;
        hl_err     err = {0};
        uint32_t   bits = 0, scalar = 0;
        assert_int_equal(hl_cpu_mask("scalar", hl_cpu_features(), &scalar, &err), HL_OK);
        assert_int_equal(hl_cpu_mask(rows[i].cpu, hl_cpu_features(), &bits, &err), HL_OK);
        if (i > 0 && bits == scalar) continue; /* this processor has no more */
        assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = rows[i].cpu}, &e, &err),
                         HL_OK);
        assert_string_equal(hl_engine_cpu_text(e), rows[i].text);
        hl_engine_free(e);
    }
}

static void what_a_machine_can_do_is_measured(void **state) {
    (void)state;
    hl_engine        *e = NULL;
    hl_err            err = {0};
    hl_machine_limits l = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_engine_measure(e, &l, &err), HL_OK);
    assert_true(l.read_bytes_per_s > 1e6 && l.read_bytes_per_s < 1e15); /* however busy it is */
    assert_true(l.int8_macs_per_s > 1e6 && l.int8_macs_per_s < 1e18);
    hl_engine_free(e);
}

int main(void) {
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = (i * 53 + 11) % N_VOCAB;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_says_what_it_computes_with),
        cmocka_unit_test(what_a_machine_can_do_is_measured),
        cmocka_unit_test(the_bits_do_not_depend_on_passes_or_threads),
        cmocka_unit_test(long_contexts_are_split_the_same_way),
        cmocka_unit_test(rows_of_one_call_equal_single_calls),
        cmocka_unit_test(a_call_that_fails_changes_nothing),
        cmocka_unit_test(parameters_out_of_range_are_named),
        cmocka_unit_test(a_plan_that_does_not_fit_is_refused_with_numbers),
        cmocka_unit_test(plans_are_entered_once_and_taken_out_again),
        cmocka_unit_test(evaluating_allocates_nothing),
        cmocka_unit_test(a_stop_rolls_back_to_a_whole_pass),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_token_s_embedding_in_its_place_has_its_bits),
        cmocka_unit_test(rows_turn_by_their_positions_and_see_what_is_before_them),
        cmocka_unit_test(a_row_that_cannot_be_used_changes_nothing),
        cmocka_unit_test(a_model_tells_its_sizes_and_what_a_token_costs),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
