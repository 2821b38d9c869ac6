/* SPDX-License-Identifier: MIT
 *
 * join.c - between blocks: add what the last one made to the residual stream, and write the norm of it that
 * the next one reads.
 */
#include "engine/forward/forward_priv.h"

void hl_norm_values(const hl_pass *f, size_t n, const float *x, const float *weight, const float *bias,
                    float *y) {
    const hl_hparams *hp = &f->m->hp;
    if (hp->norm == HL_NORM_LAYER) {
        f->k->layernorm(n, x, weight ? weight : f->m->ones, bias, hp->layer_eps, y);
        return;
    }
    f->k->rmsnorm(n, x, weight, hp->rms_eps, y);
    if (bias) f->k->add(n, y, bias, y);
}

/* What is left becomes a part of x. */
static void add_left(hl_pass *f, float *x, float *t) {
    const size_t   n = f->m->hp.n_embd;
    const hl_left *left = &f->left;
    if (left->place != HL_PLACE_EMBEDDING) {
        if (left->norm) hl_norm_values(f, n, t, left->norm, NULL, t);
        if (left->scale == 1.0f)
            f->k->add(n, x, t, x);
        else
            f->k->add_scaled(n, x, t, left->scale, x);
    }
    if (left->stream_scale) f->k->scale(n, x, *left->stream_scale, x);
}

static const float *norm_of(hl_pass *f, const hl_into *into, const float *x, float *room) {
    if (!into->norm && !into->is_bare) return x;
    hl_norm_values(f, f->m->hp.n_embd, x, into->norm, into->bias, room);
    return room;
}

static void join_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_into *c = ctx;
    const size_t   n = f->m->hp.n_embd;
    float         *x = f->x + row * n;
    float         *t = f->tmp + row * n;
    const float   *y = NULL;
    if (c->is_parallel) y = norm_of(f, c, x, f->attn + row * n);
    add_left(f, x, t);
    if (!c->is_parallel) y = norm_of(f, c, x, t);
    if (__builtin_expect(!f->k->all_finite(n, y), 0)) {
        const bool by_norm = f->k->all_finite(n, x); /* by its weights, that is */
        hl_row_note(f, row, by_norm ? c->place : f->left.place, by_norm ? c->i_layer : f->left.i_layer);
    }
    hl_act_write(f, &f->act, c->needs, row, n, y);
}

void hl_join_run(hl_pass *f, const hl_into *into) {
    hl_rows_run(f, f->n_rows, join_row, into);
    f->left = (hl_left){.place = HL_PLACE_EMBEDDING, .scale = 1.0f};
}
