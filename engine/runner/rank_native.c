/* SPDX-License-Identifier: MIT
 *
 * rank_native.c - questions with documents to tokens, pooled vectors to scores.
 *
 * The prompt is the file's template "rerank", in which {query} and {document} stand for the two, or what
 * BERT's tokenizers make of a pair. No text from outside becomes a control token.
 * from: llama.cpp (tools/server/server-common.cpp, src/llama-graph.cpp, August 2026): the forms of prompts,
 * the heads; a score of one number goes through a sigmoid, as vLLM and Jina have it
 */
#include "engine/runner/rank_native.h"

#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/runner/embed_native.h"
#include "engine/tokenizer/encode.h"

enum { MAX_PROMPT_BYTES = 1 << 30, N_MARKS = 8 };

static const hl_matrix *matrix_of(const hl_model *m, hl_weight w) {
    return m->top.w[w].data ? &m->top.w[w] : NULL;
}

hl_status hl_rank_check(const hl_model *m, hl_err *err) {
    if (m->hp.pooling != 0 && m->hp.pooling != HL_RANK_POOLING)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "the model is no reranker: key '%s.pooling_type' is %u, expected %d (rank)",
                       m->arch->name, m->hp.pooling, HL_RANK_POOLING);
    if (matrix_of(m, HL_W_CLS) || matrix_of(m, HL_W_CLS_OUT)) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "the model is no reranker: it has neither cls.weight nor cls.output.weight");
}

hl_pooling hl_rank_pooling(const hl_model *m) {
    static const hl_pooling of[] = {[HL_RANK_FIRST] = HL_POOLING_FIRST,
                                    [HL_RANK_LAST] = HL_POOLING_LAST,
                                    [HL_RANK_MEAN] = HL_POOLING_MEAN};
    return of[m->arch->rank];
}

/* ---- prompts ---- */

/* The template with the two in their places, and where they are in it. */
typedef struct prompt {
    hl_str  text;
    hl_span outside[N_MARKS];
    size_t  n_outside;
} prompt;

static void fill(prompt *p, hl_view form, hl_view query, hl_view document) {
    while (form.len > 0) {
        const bool is_query = hl_view_has_prefix(form, "{query}");
        if ((is_query || hl_view_has_prefix(form, "{document}")) && p->n_outside < N_MARKS) {
            const hl_view v = is_query ? query : document;
            const size_t  n = strlen(is_query ? "{query}" : "{document}"), at = p->text.len;
            hl_str_add_view(&p->text, v);
            if (v.len > 0) p->outside[p->n_outside++] = (hl_span){at, p->text.len};
            form = (hl_view){form.ptr + n, form.len - n};
        } else {
            hl_str_add_char(&p->text, *form.ptr);
            form = (hl_view){form.ptr + 1, form.len - 1};
        }
    }
}

static hl_status encode_form(const hl_model *m, hl_view form, hl_view query, hl_view document, hl_tokens *ids,
                             hl_err *err) {
    prompt p = {.n_outside = 0};
    hl_str_init(&p.text, MAX_PROMPT_BYTES);
    fill(&p, form, query, document);
    hl_status status = hl_str_check(&p.text, "prompt", err);
    if (status == HL_OK)
        status = hl_tokenizer_encode_tainted(m->tokenizer, hl_str_view(&p.text), p.outside, p.n_outside,
                                             HL_TOKENIZE_SPECIAL | HL_TOKENIZE_BOS_EOS, ids, err);
    hl_str_done(&p.text);
    return status;
}

/* Bytes of the longest front of a text that has at most n, and whole letters. */
static size_t shorten(hl_view v, size_t n) {
    while (n > 0 && n < v.len && ((unsigned char)v.ptr[n] & 0xC0) == 0x80) n--;
    return n < v.len ? n : v.len;
}

hl_status hl_rank_ids(const hl_model *m, const hl_embed_input *in, size_t most, bool truncates,
                      hl_tokens *ids, bool *ret_was_cut, hl_err *err) {
    const size_t  begin = ids->n;
    const hl_view form = hl_model_named_template(m, "rerank");
    hl_view       document = in->document;
    if (in->tokens) return hl_tokens_add(ids, in->tokens, in->n_tokens, err); /* put together already */
    if (!m->tokenizer)
        return hl_fail(err, HL_E_UNSUPPORTED, "the model has no vocabulary: questions must be tokens");
    for (;;) {
        ids->n = begin;
        const hl_status status = form.len > 0
                                     ? encode_form(m, form, in->text, document, ids, err)
                                     : hl_tokenizer_encode_pair(m->tokenizer, in->text, document, ids, err);
        const size_t    n = ids->n - begin;
        if (status != HL_OK || n <= most || !truncates || document.len == 0) return status;
        *ret_was_cut = true;
        /* what is over, by the mean length of a token, and a little more each time */
        const size_t share = (size_t)((double)document.len * (double)(n - most) / (double)n) + 1;
        const size_t drop = share > n - most ? share : n - most; /* a token is a byte at least */
        document.len = drop < document.len ? shorten(document, document.len - drop) : 0;
    }
}

/* ---- scores ---- */

/* The tanh form, as the reference computes all of them. */
static float gelu(float x) {
    const double v = (double)x;
    return (float)(0.5 * v * (1 + tanh(0.79788456080286535588 * (v + 0.044715 * v * v * v))));
}

/* What stands between the matrices. */
static void bend(const hl_model *m, float *x) {
    const size_t n = m->hp.n_cls;
    const float *bias = m->top.v[HL_W_CLS_BIAS], *norm = m->top.v[HL_W_CLS_NORM];
    for (size_t i = 0; i < n; i++) {
        if (bias) x[i] += bias[i];
        x[i] = m->arch->rank == HL_RANK_MEAN ? gelu(x[i]) : (float)tanh((double)x[i]);
    }
    if (norm) m->engine->kernels.layernorm(n, x, norm, NULL, m->hp.layer_eps, x);
}

/* Of the numbers that labels have, the first one's. */
static float score_of(const hl_model *m, bool raw, const float *x, size_t n) {
    if (m->arch->rank == HL_RANK_LAST && n > 1) {
        double most = (double)x[0], sum = 0;
        for (size_t i = 1; i < n; i++) most = fmax(most, (double)x[i]);
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - most);
        return (float)(exp((double)x[0] - most) / sum);
    }
    return raw ? x[0] : (float)(1 / (1 + exp(-(double)x[0])));
}

hl_status hl_rank_scores(const hl_model *m, bool raw, hl_embeddings *e, hl_err *err) {
    const hl_matrix *in = matrix_of(m, HL_W_CLS), *out = matrix_of(m, HL_W_CLS_OUT);
    const float     *bias = m->top.v[HL_W_CLS_OUT_BIAS];
    const size_t     n_mid = m->hp.n_cls, n_out = out ? m->hp.n_labels : n_mid;
    float           *mid = hl_new_aligned(n_mid, sizeof *mid), *last = hl_new_aligned(n_out, sizeof *last);
    hl_status        status =
        mid && last ? HL_OK : hl_fail(err, HL_E_NOMEM, "rerank: no memory for %zu values", n_mid);
    for (size_t r = 0; r < e->n_rows && status == HL_OK; r++) {
        const float *x = e->values + r * m->hp.n_embd;
        if (in && (status = hl_embed_multiply(m, in, 1, x, mid, err)) == HL_OK) {
            bend(m, mid);
            x = mid;
        }
        if (out && status == HL_OK && (status = hl_embed_multiply(m, out, 1, x, last, err)) == HL_OK) {
            for (size_t i = 0; bias && i < n_out; i++) last[i] += bias[i];
            x = last;
        }
        if (status == HL_OK) e->values[r] = score_of(m, raw, x, n_out);
    }
    hl_free(mid);
    hl_free(last);
    e->n_dims = 1;
    return status;
}
