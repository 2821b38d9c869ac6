/* SPDX-License-Identifier: MIT
 *
 * draft_assistant.c - the drafters of Gemma 4: a few narrow layers that attend to the model's own keys and
 * values.
 *
 * A row is the model's embedding of a token and what its last norm made of the position before, through one
 * matrix to the width of the drafter; another matrix makes of the drafter's last norm what the next row
 * reads. Rows leave no keys and values, so all drafts of a step are rows of the position that the model
 * computes next, and see what stands before it.
 * from: the published code of the models, 2026
 */
#include <string.h>

#include "engine/forward/drafts.h"
#include "engine/forward/forward_priv.h"

static size_t in_cols(const hl_model *d) { return 2 * (size_t)d->hp.n_target; }

static void into_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const size_t    n = f->m->hp.n_target;
    const float    *before = b->before ? b->before[row] : NULL;
    float          *in = f->draft_in + row * 2 * n;
    hl_embed_row(f, b, row, in);
    if (before)
        memcpy(in + n, before, n * sizeof *in);
    else
        memset(in + n, 0, n * sizeof *in);
    hl_act_write(f, &f->act, hl_matrix_needs(&f->m->top.w[HL_W_PRE_PROJ]), row, 2 * n, in);
}

static void begin(hl_pass *f, const hl_batch *b) {
    hl_rows_run(f, f->n_rows, into_row, b);
    hl_draft_project(f, &f->m->top.w[HL_W_PRE_PROJ], f->m->hp.n_embd, f->x);
}

/* The last norm is written in the forms that this matrix reads, too (need_out_in). */
static void keep(hl_pass *f, const hl_batch *b) {
    hl_draft_project(f, &f->m->top.w[HL_W_POST_PROJ], f->m->hp.n_target, b->hidden);
}

/* Windowed layers read what the last windowed layer of the model reads, the others what the last one does,
 * which sees everything. */
static hl_status fit(hl_model *d, const hl_model *target, hl_err *err) {
    const uint32_t n = target->hp.n_layers;
    if (strcmp(target->arch->name, "gemma4") != 0)
        return hl_fail(err, HL_E_ARG, "it drafts for models of architecture 'gemma4', and this is '%s'",
                       target->arch->name);
    if (n < 2) return hl_fail(err, HL_E_ARG, "the model has %u layers, expected 2 at least", n);
    for (uint32_t i = 0; i < d->hp.n_layers; i++) {
        hl_layer_params       *p = &d->hp.layers[i];
        const uint32_t         from = n - (p->window > 0 ? 2 : 1);
        const hl_layer_params *q = &target->hp.layers[from];
        if (q->n_kv_heads != p->n_kv_heads || q->head_dim != p->head_dim || q->v_dim != p->v_dim)
            return hl_fail(
                err, HL_E_ARG,
                "its layer %u reads %u heads of %u and %u keys and values, and layer %u of the model "
                "has %u of %u and %u",
                i, p->n_kv_heads, p->head_dim, p->v_dim, from, q->n_kv_heads, q->head_dim, q->v_dim);
        if (p->window == 1)
            return hl_fail(err, HL_E_ARG,
                           "the window of its layer %u is 1: nothing is seen, expected 2 at least", i);
        p->i_kv = q->i_kv;
    }
    d->hp.reads.of_outputs = true; /* nothing is read along: what it goes on from is the newest row */
    d->tok_embd = target->tok_embd;
    d->hp.embd_scale = target->hp.embd_scale;
    d->need_out_in |= hl_matrix_needs(&d->top.w[HL_W_POST_PROJ]);
    return HL_OK;
}

const hl_draft_kind hl_draft_assistant = {
    .reading = HL_DRAFT_READS_NOTHING,
    .stays = true,
    .fit = fit,
    .in_cols = in_cols,
    .begin = begin,
    .keep = keep,
};
