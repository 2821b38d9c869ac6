/* SPDX-License-Identifier: MIT
 *
 * embed_native.c - texts to tokens, the scheduler's vectors to those that were asked for.
 *
 * from: llama.cpp (llama-context.cpp: the file's pooling_type, else none) and Ollama 0.33 (runner and
 * server/routes.go: without pooling the last token's vector; cut to `dimensions`, then made 1 long)
 */
#include "engine/runner/embed_native.h"

#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/quant/quant.h"
#include "engine/runner/rank_native.h"

/* One call in the making. */
typedef struct work {
    const hl_model         *m;
    const hl_embed_request *req;
    hl_pooling              pooling;
    hl_tokens               ids;   /* of all inputs, one behind the other */
    hl_sched_embed         *texts; /* [n_inputs] */
} work;

static hl_status choose_pooling(work *w, hl_err *err) {
    const uint32_t          of_file = w->m->hp.pooling;
    static const hl_pooling known[] = {HL_POOLING_LAST, HL_POOLING_MEAN, HL_POOLING_FIRST, HL_POOLING_LAST};
    if (w->req->ranks) {
        w->pooling = hl_rank_pooling(w->m);
        return hl_rank_check(w->m, err);
    }
    w->pooling = w->req->pooling;
    if (of_file == HL_RANK_POOLING && w->pooling == HL_POOLING_DEFAULT)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "the model scores documents for a question and makes no vectors: use rerank");
    if (w->pooling != HL_POOLING_DEFAULT) return HL_OK;
    if (of_file >= sizeof known / sizeof *known)
        return hl_fail(
            err, HL_E_UNSUPPORTED,
            "key '%s.pooling_type' is %u; supported: none (0), mean (1), first (2), last (3), rank (4)",
            w->m->arch->name, of_file);
    w->pooling = of_file == 0 && w->m->arch->is_encoder ? HL_POOLING_MEAN : known[of_file];
    return HL_OK;
}

/* Too long: what is cut off stands before the token that ends all texts. */
static hl_status cut(work *w, size_t i, size_t begin, hl_embeddings *ret, hl_err *err) {
    const hl_tokenizer *t = w->req->inputs[i].tokens ? NULL : w->m->tokenizer;
    const size_t        n = w->ids.n - begin, most = (size_t)ret->n_ctx;
    int32_t            *ids = w->ids.ids + begin;
    if (n <= most) return HL_OK;
    if (!w->req->truncates) {
        ret->sum_tokens = (int64_t)n;
        return hl_fail(err, HL_E_FULL,
                       "input %zu has %zu tokens and the context holds %zu; shorten it, let it be cut "
                       "(truncate), or ask for a larger context",
                       i, n, most);
    }
    if (t && ids[n - 1] == hl_tokenizer_eos(t)) ids[most - 1] = ids[n - 1];
    w->ids.n = begin + most;
    ret->n_truncated++;
    return HL_OK;
}

/* A question and its document. */
static hl_status add_pair(work *w, const hl_embed_input *in, size_t i, hl_embeddings *ret, hl_err *err) {
    const size_t begin = w->ids.n, most = (size_t)ret->n_ctx;
    bool         was_cut = false;
    hl_status    status = hl_rank_ids(w->m, in, most, w->req->truncates, &w->ids, &was_cut, err);
    ret->n_truncated += was_cut;
    if (status != HL_OK || w->ids.n - begin <= most) return status;
    ret->sum_tokens = (int64_t)(w->ids.n - begin);
    return hl_fail(
        err, HL_E_FULL,
        "question and document %zu have %zu tokens and the context holds %zu; shorten them%s, or ask for "
        "a larger context",
        i, w->ids.n - begin, most, w->req->truncates ? "" : ", let the document be cut (truncate)");
}

static hl_status add_ids(work *w, const hl_embed_input *in, size_t i, hl_err *err) {
    const hl_tokenizer *t = w->m->tokenizer;
    const size_t        begin = w->ids.n;
    hl_status           status = HL_OK;
    if (in->tokens)
        status = hl_tokens_add(&w->ids, in->tokens, in->n_tokens, err);
    else if (!t)
        status = hl_fail(err, HL_E_UNSUPPORTED, "the model has no vocabulary: input %zu must be tokens", i);
    else
        status = hl_tokenizer_encode(t, in->text, HL_TOKENIZE_BOS_EOS, &w->ids, err);
    if (status != HL_OK || w->ids.n > begin) return status;
    const int32_t start = !in->tokens && t ? hl_tokenizer_bos(t) : -1; /* an empty text */
    if (start < 0) return hl_fail(err, HL_E_ARG, "input %zu has no tokens", i);
    return hl_tokens_add(&w->ids, &start, 1, err);
}

static hl_status make_ids(work *w, hl_embeddings *ret, hl_err *err) {
    const size_t n = w->req->n_inputs;
    ret->n_tokens = hl_new(n, sizeof *ret->n_tokens);
    w->texts = hl_new(n, sizeof *w->texts);
    if (!ret->n_tokens || !w->texts) return hl_fail(err, HL_E_NOMEM, "embedding: no memory");
    ret->n_inputs = n;
    for (size_t i = 0; i < n; i++) {
        const size_t begin = w->ids.n;
        hl_status    status = hl_stop_check("embedding", err);
        if (status == HL_OK)
            status = w->req->ranks ? add_pair(w, &w->req->inputs[i], i, ret, err)
                                   : add_ids(w, &w->req->inputs[i], i, err);
        if (status == HL_OK) status = cut(w, i, begin, ret, err);
        if (status != HL_OK) return status;
        ret->n_tokens[i] = (int32_t)(w->ids.n - begin);
    }
    ret->sum_tokens = (int64_t)w->ids.n;
    return HL_OK;
}

/* Ids do not move any more. */
static hl_status place_vectors(work *w, hl_embeddings *ret, hl_err *err) {
    const size_t   n_embd = w->m->hp.n_embd;
    const int32_t *ids = w->ids.ids;
    size_t         n_values = 0;
    ret->n_rows = w->pooling == HL_POOLING_NONE ? w->ids.n : w->req->n_inputs;
    if (hl_mul_size(ret->n_rows, n_embd, &n_values))
        ret->values = hl_new_aligned(n_values, sizeof *ret->values);
    if (!ret->values)
        return hl_fail(err, HL_E_NOMEM, "embedding: no memory for %zu vectors of %zu values", ret->n_rows,
                       n_embd);
    float *at = ret->values;
    for (size_t i = 0; i < w->req->n_inputs; i++) {
        const size_t n = (size_t)ret->n_tokens[i];
        w->texts[i] = (hl_sched_embed){.tokens = ids, .n_tokens = n, .ret = at};
        ids += n;
        at += n_embd * (w->pooling == HL_POOLING_NONE ? n : 1);
    }
    return HL_OK;
}

static void make_one_long(float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < n && sum > 0; i++) x[i] = (float)((double)x[i] / sqrt(sum));
}

hl_status hl_embed_multiply(const hl_model *m, const hl_matrix *w, size_t n, const float *x, float *ret_y,
                            hl_err *err) {
    const hl_act in = {.n_tokens = n, .n_cols = w->n_cols, .f32 = x};
    float       *row = hl_new_aligned(w->n_cols, sizeof *row);
    if (!row) return hl_fail(err, HL_E_NOMEM, "embedding: no memory");
    for (size_t r = 0; r < w->n_rows; r++) {
        hl_quant_to_f32(w->type)((const uint8_t *)w->data + r * w->row_bytes, w->n_cols, row);
        m->engine->kernels.gemv[HL_TYPE_f32](1, row, w->n_cols * sizeof *row, &in, ret_y + r, w->n_rows);
    }
    hl_free(row);
    return HL_OK;
}

/* Through the matrices that stand behind pooling, if there are any. */
static hl_status project(const work *w, hl_embeddings *ret, hl_err *err) {
    const hl_matrix *up = &w->m->pooled_up, *down = &w->m->pooled_down;
    size_t           n_values = 0;
    if (!up->data || w->pooling == HL_POOLING_NONE) return HL_OK;
    float *wide =
        hl_mul_size(ret->n_rows, up->n_rows, &n_values) ? hl_new_aligned(n_values, sizeof *wide) : NULL;
    if (!wide) return hl_fail(err, HL_E_NOMEM, "embedding: no memory");
    hl_status status = hl_embed_multiply(w->m, up, ret->n_rows, ret->values, wide, err);
    if (status == HL_OK) status = hl_embed_multiply(w->m, down, ret->n_rows, wide, ret->values, err);
    hl_free(wide);
    return status;
}

/* Rows become as wide as was asked, in place. */
static void finish_vectors(const work *w, hl_embeddings *ret) {
    const size_t n_embd = w->m->hp.n_embd, n = ret->n_dims;
    for (size_t r = 0; r < ret->n_rows; r++) {
        float *row = ret->values + r * n;
        memmove(row, ret->values + r * n_embd, n * sizeof *row);
        if (!w->req->keeps_length) make_one_long(row, n);
    }
}

static hl_status check_request(const hl_model *m, const hl_sched *s, const hl_embed_request *req,
                               hl_embeddings *ret, hl_err *err) {
    const int32_t n_embd = (int32_t)m->hp.n_embd, cap = hl_sched_n_ctx_cap(s);
    if (req->dimensions < 0 || req->dimensions > n_embd)
        return hl_fail(err, HL_E_ARG, "dimensions is %d, expected 1..%d", req->dimensions, n_embd);
    if (req->n_ctx < 0) return hl_fail(err, HL_E_ARG, "n_ctx is %d, expected 0..%d", req->n_ctx, cap);
    ret->n_dims = (size_t)(req->dimensions ? req->dimensions : n_embd);
    ret->n_ctx = req->n_ctx ? req->n_ctx : hl_sched_n_ctx(s);
    if (ret->n_ctx > cap) ret->n_ctx = cap;
    return HL_OK;
}

hl_status hl_embed_native(const hl_model *m, hl_sched *s, const hl_embed_request *req,
                          const atomic_uint *n_stops, hl_embeddings *ret, hl_err *err) {
    const int64_t  began_ns = hl_clock_ns();
    const unsigned had_stops = atomic_load(n_stops);
    work           w = {.m = m, .req = req};
    hl_status      status = check_request(m, s, req, ret, err);
    if (status == HL_OK) status = choose_pooling(&w, err);
    if (status == HL_OK) status = make_ids(&w, ret, err);
    if (status == HL_OK) status = place_vectors(&w, ret, err);
    if (status == HL_OK && atomic_load(n_stops) != had_stops)
        status = hl_fail(err, HL_E_CANCEL, "embedding: stopped");
    if (status == HL_OK)
        status = hl_sched_embed_texts(s, w.texts, req->n_inputs, w.pooling, &ret->queue_ns, err);
    if (status == HL_OK && req->ranks)
        status = hl_rank_scores(m, req->keeps_length, ret, err);
    else if (status == HL_OK && (status = project(&w, ret, err)) == HL_OK)
        finish_vectors(&w, ret);
    hl_tokens_done(&w.ids);
    hl_free(w.texts);
    ret->total_ns = hl_clock_ns() - began_ns;
    return status;
}
