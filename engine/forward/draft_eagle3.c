/* SPDX-License-Identifier: MIT
 *
 * draft_eagle3.c - EAGLE-3: one layer that goes on from what several layers of the model made of a position.
 *
 * The residual streams of a position, side by side, go through one matrix: that is the first row's stream,
 * and where the drafter goes on from its own rows it is their stream before the last norm. Attention reads
 * the norm of the embedding of the next token, and the norm of the stream.
 *
 * A row stands at the position of its token, so that blocks of the cache are shared as the model's are; the
 * published code has it at that of what it goes on from, which turns queries and keys by one less and changes
 * no product of them. At the first position there is nothing to go on from, so nobody sees it.
 * from: "EAGLE-3", arXiv 2503.01840, and its published code
 */
#include <inttypes.h>
#include <string.h>

#include "engine/forward/drafts.h"
#include "engine/forward/forward_priv.h"

static size_t in_cols(const hl_model *d) {
    const size_t features = hl_hidden_cols(&d->hp), pair = 2 * (size_t)d->hp.n_embd;
    return features > pair ? features : pair;
}

static void features_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const size_t    n = hl_hidden_cols(&f->m->hp);
    const float    *before = b->before ? b->before[row] : NULL;
    float          *in = f->draft_in + row * n;
    if (!before)
        memset(in, 0, n * sizeof *in);
    else if (f->m->hp.norms_features)
        hl_norm_values(f, n, before, f->m->top.v[HL_W_FEATURES_NORM], NULL, in);
    else
        memcpy(in, before, n * sizeof *in);
    hl_act_write(f, &f->act, hl_matrix_needs(&f->m->top.w[HL_W_FC]), row, n, in);
}

static void own_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const size_t    n = f->m->hp.n_embd;
    memcpy(f->x + row * n, b->before[row], n * sizeof *f->x);
}

static void begin(hl_pass *f, const hl_batch *b) {
    if (b->before_is_own) {
        hl_rows_run(f, f->n_rows, own_row, b);
        return;
    }
    hl_rows_run(f, f->n_rows, features_row, b);
    hl_draft_project(f, &f->m->top.w[HL_W_FC], f->m->hp.n_embd, f->x);
}

static void join_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = &f->m->layers[0];
    const size_t    n = f->m->hp.n_embd;
    float          *in = f->draft_in + row * 2 * n, *x = f->x + row * n;
    hl_embed_row(f, ctx, row, in);
    hl_norm_values(f, n, in, l->v[HL_W_ATTN_NORM], NULL, in);
    hl_norm_values(f, n, x, l->v[HL_W_ATTN_NORM_2], NULL, in + n);
    if (f->m->hp.norms_residual) memcpy(x, in + n, n * sizeof *x);
    hl_row_look(f, row, HL_PLACE_NORM, 0, 2 * n, in);
    hl_act_write(f, &f->act, l->need_attn_in, row, 2 * n, in);
}

static void join(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    (void)i_layer; /* there is one */
    hl_rows_run(f, f->n_rows, join_row, b);
}

static void keep(hl_pass *f, const hl_batch *b) {
    memcpy(b->hidden, f->x, (size_t)f->n_rows * f->m->hp.n_embd * sizeof *f->x);
}

/* Which token each row of the head is. */
static hl_status read_ids(hl_model *d, const hl_model *target, hl_err *err) {
    hl_gguf_value v;
    if (!hl_gguf_find_numbers(d->gguf, "d2t", &v) && !hl_gguf_find_numbers(d->gguf, "d2t.weight", &v))
        return HL_OK;
    if (v.n != d->out.n_rows)
        return hl_fail(err, HL_E_ARG, "tensor 'd2t' has %" PRIu64 " tokens, and the head has %zu rows", v.n,
                       d->out.n_rows);
    int32_t *ids = hl_arena_get(&d->arena, v.n, sizeof *ids);
    if (!ids) return hl_fail(err, HL_E_NOMEM, "no memory for %" PRIu64 " tokens", v.n);
    for (uint64_t i = 0; i < v.n; i++) {
        int64_t id = -1;
        if (!hl_gguf_elem_i64(&v, i, &id) || id < 0 || id >= target->hp.n_vocab)
            return hl_fail(err, HL_E_ARG,
                           "tensor 'd2t': row %" PRIu64 " is token %" PRId64 ", expected 0..%u", i, id,
                           target->hp.n_vocab - 1);
        ids[i] = (int32_t)id;
    }
    d->token_ids = ids;
    return HL_OK;
}

static hl_status fit(hl_model *d, const hl_model *target, hl_err *err) {
    if (d->hp.norms_features && !d->top.v[HL_W_FEATURES_NORM])
        return hl_fail(err, HL_E_FORMAT,
                       "tensor 'enc.output_norm.weight' is missing (key 'eagle3.norm_before_fc' needs it)");
    const hl_status status = hl_draft_take_tables(d, target, err);
    return status == HL_OK ? read_ids(d, target, err) : status;
}

const hl_draft_kind hl_draft_eagle3 = {
    .reading = HL_DRAFT_READS_BEFORE,
    .skips_first = true,
    .fit = fit,
    .in_cols = in_cols,
    .begin = begin,
    .join = join,
    .keep = keep,
};
