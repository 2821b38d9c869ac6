/* SPDX-License-Identifier: MIT
 *
 * test_real_bits.c - real models give the same bits however the work is cut: passes, threads, instruction
 * sets.
 *
 * What tests/unit/test_session.c proves on tiny models, on the mix of types, widths and vocabularies that
 * files in use have. Every row of logits is reduced to a hash of its bits. Skipped when the models are not
 * there.
 */
#include "tests/need.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hyperlama/engine.h"

enum { N_TOKENS = 70, N_SCALAR = 12, TEXT_BYTES = 1000 }; /* a pass of 64 and a short one; plain C is slow */

typedef struct way {
    const char      *cpu; /* NULL: the best there is; of others what the processor has up to that level */
    int32_t          n_threads;
    size_t           n_tokens, n_pass;
    hl_kv_cache_type kv_type;
} way;

static uint64_t hash_row(const float *x, int32_t n) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, by words */
    for (int32_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h;
}

static void read_ids(const hl_model *m, int32_t *ret_ids) {
    char      text[TEXT_BYTES];
    hl_tokens tokens = {0};
    hl_err    err = {0};
    FILE     *f = fopen("tests/golden/logits/text.txt", "rb");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof text, f), sizeof text);
    (void)fclose(f);
    const hl_view view = {text, sizeof text};
    assert_int_equal(hl_tokenizer_encode(hl_model_tokenizer(m), view, 0, &tokens, &err), HL_OK);
    assert_true(tokens.n >= N_TOKENS);
    memcpy(ret_ids, tokens.ids, N_TOKENS * sizeof *ret_ids);
    hl_tokens_done(&tokens);
}

static void compute(const char *path, const way *w, uint64_t *ret_hashes) {
    hl_err        err = {0};
    hl_engine    *e = NULL;
    hl_model     *m = NULL;
    hl_session   *s = NULL;
    hl_model_info info;
    int32_t       ids[N_TOKENS];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = w->n_threads, .cpu = w->cpu}, &e, &err),
                     HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    const hl_session_params p = {.n_ctx = N_TOKENS, .n_rows_cap = (int32_t)w->n_pass, .kv_type = w->kv_type};
    if (hl_session_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_model_get_info(m, &info);
    read_ids(m, ids);
    for (size_t at = 0; at < w->n_tokens; at += w->n_pass) {
        const size_t left = w->n_tokens - at, n = left < w->n_pass ? left : w->n_pass;
        if (hl_session_eval_rows(s, ids + at, n, n, &err) != HL_OK) fail_msg("%s", err.text);
        for (size_t i = 0; i < n; i++)
            ret_hashes[at + i] = hash_row(hl_session_logits_at(s, i), info.n_vocab);
    }
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
}

static void check_model(const char *file) {
    static const way ways[] = {
        {NULL, 1, N_TOKENS, N_TOKENS, HL_KV_CACHE_F16},
        {NULL, 2, N_TOKENS, N_TOKENS, HL_KV_CACHE_F16},
        {NULL, 2, N_TOKENS, 1, HL_KV_CACHE_F16},
        {NULL, 2, N_TOKENS, 7, HL_KV_CACHE_F16},
        {NULL, 3, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"avx2", 2, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"avxvnni", 2, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"avx512", 2, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"avx512vnni", 2, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"dotprod", 2, N_TOKENS, 64, HL_KV_CACHE_F16},
        {"scalar", 2, N_SCALAR, N_SCALAR, HL_KV_CACHE_F16},
        {NULL, 2, N_TOKENS, N_TOKENS, HL_KV_CACHE_F32},
        {NULL, 1, N_TOKENS, 7, HL_KV_CACHE_F32},
        {"scalar", 2, N_SCALAR, 5, HL_KV_CACHE_F32},
    };
    char     path[1024];
    uint64_t want[N_TOKENS], got[N_TOKENS];
    need_model(file, path);
    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
        const way *w = &ways[k];
        const bool is_first = k == 0 || w->kv_type != ways[k - 1].kv_type;
        compute(path, w, is_first ? want : got);
        for (size_t i = 0; i < w->n_tokens && !is_first; i++)
            if (got[i] != want[i])
                fail_msg("%s: row %zu differs: cpu %s, %d threads, passes of %zu, kv %d", file, i,
                         w->cpu ? w->cpu : "auto", (int)w->n_threads, w->n_pass, (int)w->kv_type);
    }
}

static void smollm2_gives_the_same_bits_however_it_is_cut(void **state) {
    (void)state;
    check_model("smollm2-135m-q4_1.gguf");
}

static void gemma3_gives_the_same_bits_however_it_is_cut(void **state) {
    (void)state;
    check_model("gemma3-270m-q4_k_m.gguf");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2_gives_the_same_bits_however_it_is_cut),
        cmocka_unit_test(gemma3_gives_the_same_bits_however_it_is_cut),
    };
    return cmocka_run_group_tests_name("real_bits", tests, NULL, NULL);
}
