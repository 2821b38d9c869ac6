/* SPDX-License-Identifier: MIT
 *
 * ffn.c - the gated feed-forward block: down(act(gate x) * up x); without a gate: down(act(up x)).
 *
 * Gate, up, activation and the quantization for the down matmul happen chunk by chunk of 32 columns,
 * while both results are still in cache; the full-width intermediate never goes to memory as f32 unless
 * a float matrix reads it.
 */
#include "engine/forward/cuts.h"
#include "engine/forward/ffn_chunk.h"

typedef struct glu_ctx {
    hl_pass        *f;
    const hl_layer *l;
    hl_act          x;
    hl_cuts         cuts; /* in units of HL_GLU_ROWS columns */
} glu_ctx;

static void glu_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const glu_ctx *c = ctx;
    if (hl_pass_stopped(c->f)) return;
    const bool   has_gate = c->l->w[HL_W_GATE].data != NULL;
    const hl_glu g = {
        .gate = &c->l->w[has_gate ? HL_W_GATE : HL_W_UP],
        .up = has_gate ? &c->l->w[HL_W_UP] : NULL,
        .gate_bias = c->l->v[has_gate ? HL_W_GATE_BIAS : HL_W_UP_BIAS],
        .up_bias = has_gate ? c->l->v[HL_W_UP_BIAS] : NULL,
        .needs = c->l->need_down_in,
        .first_row = 0,
    };
    const size_t n = g.gate->n_rows;
    const size_t begin = (size_t)c->cuts.at[i_chunk] * HL_GLU_ROWS;
    const size_t cut = (size_t)c->cuts.at[i_chunk + 1] * HL_GLU_ROWS;
    hl_glu_chunk(c->f, &g, &c->x, begin, cut < n ? cut : n, i_thread);
}

void hl_ffn_run(hl_pass *f, const hl_layer *l) {
    const uint32_t n_embd = f->m->hp.n_embd, n_ff = l->p->n_ff;
    glu_ctx        c = {.f = f, .l = l, .x = hl_act_of(&f->act, 0, f->n_rows, n_embd)};
    hl_cuts_make((n_ff + HL_GLU_ROWS - 1) / HL_GLU_ROWS, (uint32_t)hl_pool_n_active(f->pool), 1,
                 (uint64_t)2 * HL_GLU_ROWS * n_embd * f->n_rows, &c.cuts);
    hl_pool_run(f->pool, c.cuts.n, glu_chunk, &c);
    const hl_linear down = {
        .w = &l->w[HL_W_DOWN],
        .bias = l->v[HL_W_DOWN_BIAS],
        .x = hl_act_of(&f->act_ff, 0, f->n_rows, n_ff),
        .y = f->tmp,
        .y_cols = n_embd,
        .y_stride = n_embd,
    };
    hl_linear_run(f, &down, 1);
}
