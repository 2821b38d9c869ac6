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
    hl_pass *f;
    hl_glu   glu;
    hl_act   x;
    hl_cuts  cuts; /* in units of HL_GLU_ROWS columns */
} glu_ctx;

static void glu_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const glu_ctx *c = ctx;
    if (hl_pass_stopped(c->f)) return;
    const size_t n = c->glu.gate->n_rows;
    const size_t begin = (size_t)c->cuts.at[i_chunk] * HL_GLU_ROWS;
    const size_t cut = (size_t)c->cuts.at[i_chunk + 1] * HL_GLU_ROWS;
    hl_glu_chunk(c->f, &c->glu, &c->x, begin, cut < n ? cut : n, i_thread);
}

/* Without a gate, up stands in its place. */
static hl_glu glu_of(const hl_layer *l, hl_ffn_kind kind) {
    const bool      shared = kind == HL_FFN_SHARED;
    const hl_weight gate = shared ? HL_W_GATE_SHEXP : HL_W_GATE, up = shared ? HL_W_UP_SHEXP : HL_W_UP;
    const bool      has_gate = l->w[gate].data != NULL;
    return (hl_glu){
        .gate = &l->w[has_gate ? gate : up],
        .up = has_gate ? &l->w[up] : NULL,
        .gate_bias = shared ? NULL : l->v[has_gate ? HL_W_GATE_BIAS : HL_W_UP_BIAS],
        .up_bias = shared || !has_gate ? NULL : l->v[HL_W_UP_BIAS],
        .bend = shared ? &l->p->shared_bend : &l->p->bend,
        .needs = hl_matrix_needs(&l->w[shared ? HL_W_DOWN_SHEXP : HL_W_DOWN]),
        .first_row = 0,
    };
}

static void run_low(hl_pass *f, hl_glu *g, const hl_act *x) {
    const hl_low_ask asks[2] = {{.w = g->gate, .x = x}, {.w = g->up, .x = x}};
    hl_low           lows[2] = {{.n_parts = 0}, {.n_parts = 0}};
    hl_low_run(f, asks, g->up ? 2 : 1, lows);
    g->gate_low = lows[0];
    g->up_low = lows[1];
}

void hl_ffn_run(hl_pass *f, const hl_layer *l, hl_ffn_kind kind) {
    const bool     shared = kind == HL_FFN_SHARED;
    const uint32_t n_embd = f->m->hp.n_embd, n_ff = shared ? l->p->n_shared_ff : l->p->n_ff;
    glu_ctx        c = {.f = f, .glu = glu_of(l, kind), .x = hl_act_of(&f->act, 0, f->n_rows, n_embd)};
    if (f->low_rank) run_low(f, &c.glu, &c.x);
    hl_show_inputs(f, c.glu.gate, 0, &c.x);
    if (c.glu.up) hl_show_inputs(f, c.glu.up, 0, &c.x);
    hl_cuts_make((n_ff + HL_GLU_ROWS - 1) / HL_GLU_ROWS, (uint32_t)hl_pool_n_active(f->pool), 1,
                 (uint64_t)2 * HL_GLU_ROWS * n_embd * f->n_rows, &c.cuts);
    hl_pool_run(f->pool, c.cuts.n, glu_chunk, &c);
    const hl_linear down = {
        .w = &l->w[shared ? HL_W_DOWN_SHEXP : HL_W_DOWN],
        .bias = shared ? NULL : l->v[HL_W_DOWN_BIAS],
        .x = hl_act_of(&f->act_ff, 0, f->n_rows, n_ff),
        .y = f->tmp,
        .y_cols = n_embd,
        .y_stride = n_embd,
    };
    hl_linear_run(f, &down, 1);
}
