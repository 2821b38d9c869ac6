/* SPDX-License-Identifier: MIT
 *
 * next.c - what the block that drafts reads: a token, and what the model made of the position before it.
 *
 * Some files have a block behind the last layer that was trained to say the token after the next one. To
 * the pass it is a model of one layer (hl_model.next); only its first step differs: the embedding of a token
 * and the hidden vector of the position before, each normed, go through one matrix. Its keys and values have
 * a layer of the model's cache, so they are shared, forked, evicted and saved with their positions.
 * from: DeepSeek-V3, arXiv 2412.19437, section 2.2
 */
#include <string.h>

#include "engine/forward/forward_priv.h"

void hl_next_lay_out(hl_pass *f, hl_bump *b) {
    f->next_in = NULL;
    if (!f->m->layers[0].w[HL_W_NEXT_PROJ].data) return;
    f->next_in = hl_bump_take(b, f->n_rows_cap * 2 * (size_t)f->m->hp.n_embd, sizeof *f->next_in);
}

static void into_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const hl_layer *l = &f->m->layers[0];
    const size_t    n = f->m->hp.n_embd;
    const float    *before = b->before ? b->before[row] : NULL;
    float          *in = f->next_in + row * 2 * n;
    hl_norm_values(f, n, f->x + row * n, l->v[HL_W_NEXT_TOKEN_NORM], NULL, in);
    if (before)
        hl_norm_values(f, n, before, l->v[HL_W_NEXT_HIDDEN_NORM], NULL, in + n);
    else
        memset(in + n, 0, n * sizeof *in);
    hl_act_write(f, &f->act, hl_matrix_needs(&l->w[HL_W_NEXT_PROJ]), row, 2 * n, in);
}

void hl_next_begin(hl_pass *f, const hl_batch *b) {
    const size_t n = f->m->hp.n_embd;
    hl_rows_run(f, f->n_rows, into_row, b);
    const hl_linear projection = {
        .w = &f->m->layers[0].w[HL_W_NEXT_PROJ],
        .x = hl_act_of(&f->act, 0, f->n_rows, 2 * n),
        .y = f->x,
        .y_cols = n,
        .y_stride = n,
    };
    hl_linear_run(f, &projection, 1);
}
