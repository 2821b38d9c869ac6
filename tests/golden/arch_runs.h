/* SPDX-License-Identifier: MIT
 *
 * arch_runs.h - a model file run for its logits, or for the vector of a text, in several ways.
 */
#ifndef HL_TESTS_GOLDEN_ARCH_RUNS_H
#define HL_TESTS_GOLDEN_ARCH_RUNS_H

#include "tests/need.h"

#include <string.h>

#include "core/base/mem.h"
#include "hyperlama/hyperlama.h"

enum { MAX_TOKENS = 128, MAX_EMBD = 256, MAX_LOGITS = 128 * 1024 };

typedef struct arch_run {
    const char *name;
    char        path[128]; /* of the model */
    int32_t     tokens[MAX_TOKENS];
    size_t      n_tokens;
    int32_t     n_ctx;
} arch_run;

static inline void open_model(const arch_run *r, const char *cpu, int n_threads, hl_engine **e,
                              hl_model **m) {
    hl_err      err = {0};
    const char *path = r->path;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = n_threads, .cpu = cpu}, e, &err), HL_OK);
    if (hl_model_open(*e, &path, 1, NULL, m, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
}

/* Logits behind all tokens, in passes of `step`; returns how many one row has. Rows that nobody wants leave
 * before the end: the last one alone must be the same. */
static inline size_t run_decoder(const arch_run *r, size_t step, const char *cpu, int n_threads,
                                 float *ret_logits) {
    hl_err        err = {0};
    hl_engine    *e = NULL;
    hl_model     *m = NULL;
    hl_session   *s = NULL;
    hl_model_info info;
    open_model(r, cpu, n_threads, &e, &m);
    hl_model_get_info(m, &info);
    const size_t            n_vocab = (size_t)info.n_vocab;
    const hl_session_params p = {.n_ctx = r->n_ctx, .n_rows_cap = MAX_TOKENS, .kv_type = HL_KV_CACHE_F32};
    assert_true(n_vocab * r->n_tokens <= MAX_LOGITS);
    if (hl_session_new(m, &p, &s, &err) != HL_OK) fail_msg("%s: %s", r->name, err.text);
    for (size_t at = 0; at < r->n_tokens; at += step) {
        const size_t now = r->n_tokens - at < step ? r->n_tokens - at : step;
        if (hl_session_eval_rows(s, r->tokens + at, now, now, &err) != HL_OK)
            fail_msg("%s: %s", r->name, err.text);
        for (size_t i = 0; i < now; i++)
            memcpy(ret_logits + (at + i) * n_vocab, hl_session_logits_at(s, i), n_vocab * sizeof *ret_logits);
    }
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
    return n_vocab;
}

/* The vector of the text, with a part of the same beside it or not; returns how long it is. */
static inline size_t run_encoder(const arch_run *r, const char *cpu, bool has_other, float *ret) {
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

#endif
