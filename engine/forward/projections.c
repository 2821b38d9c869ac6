/* SPDX-License-Identifier: MIT
 *
 * projections.c - the matmuls around attention: queries, keys, values and gates; and the output.
 */
#include "engine/forward/forward_priv.h"

/* Gates are of whole rows of values, or one for each head. */
static hl_linear gate_of(const hl_pass *f, const hl_layer *l, hl_act x) {
    const bool       by_head = l->w[HL_W_GATE_HEADS].data != NULL;
    const hl_matrix *w = &l->w[by_head ? HL_W_GATE_HEADS : HL_W_GATE_ATTN];
    return (hl_linear){.w = w, .x = x, .y = f->gate, .y_cols = w->n_rows, .y_stride = hl_attn_cols(l->p)};
}

/* Layers that read the keys and values of others have none. */
void hl_qkv_run(hl_pass *f, const hl_layer *l) {
    const size_t q = hl_q_cols(l->p), k = hl_k_cols(l->p), v = hl_v_cols(l->p);
    const hl_act x = hl_act_of(&f->act, 0, f->n_rows, f->m->hp.n_attn_in);
    const struct {
        hl_weight w, bias;
        size_t    at, n; /* of a row of qkv */
    } parts[] = {
        {HL_W_Q, HL_W_Q_BIAS, 0, q},
        {HL_W_K, HL_W_K_BIAS, q, k},
        {HL_W_V, HL_W_V_BIAS, q + k, v},
    };
    hl_linear linears[5];
    uint32_t  n = 0;
    if (l->w[HL_W_Q_GATED].data)
        linears[n++] =
            (hl_linear){.w = &l->w[HL_W_Q_GATED], .x = x, .y = f->gated, .y_cols = 2 * q, .y_stride = 2 * q};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].n == 0 || !l->w[parts[i].w].data || (i == 0 && !f->has_queries)) continue;
        linears[n++] = (hl_linear){
            .w = &l->w[parts[i].w],
            .bias = l->v[parts[i].bias],
            .x = x,
            .y = f->qkv + parts[i].at,
            .y_cols = parts[i].n,
            .y_stride = q + k + v,
        };
    }
    if (l->w[HL_W_GATE_ATTN].data || l->w[HL_W_GATE_HEADS].data) linears[n++] = gate_of(f, l, x);
    hl_linear_run(f, linears, n);
}

static void gate_row(const hl_pass *f, const hl_layer *l, uint32_t row) {
    const hl_layer_params *p = l->p;
    const size_t           n = hl_attn_cols(p);
    float                 *x = f->attn + row * n;
    const float           *g = f->gate + row * n;
    if (l->w[HL_W_GATE_ATTN].data || l->w[HL_W_Q_GATED].data) f->k->sigmoid_mul(n, g, x, x);
    if (!l->w[HL_W_GATE_HEADS].data) return;
    for (uint32_t h = 0; h < p->n_heads; h++) {
        float *head = x + (size_t)h * p->v_dim, share = 1.0f;
        f->k->sigmoid_mul(1, g + h, &share, &share);
        f->k->scale(p->v_dim, head, share, head);
    }
}

static void write_attn_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->arch->has_mla ? hl_o_in(&f->m->hp, l->p) : hl_attn_cols(l->p);
    if (f->gate) gate_row(f, l, row);
    hl_act_write(f, &f->act, l->need_o_in, row, n, f->attn + row * n);
}

void hl_attn_out_run(hl_pass *f, const hl_layer *l) {
    const hl_hparams *hp = &f->m->hp;
    if (f->m->arch->has_mla) hl_mla_values_run(f, l);
    hl_rows_run(f, f->n_rows, write_attn_row, l);
    const hl_linear o = {
        .w = &l->w[HL_W_O],
        .bias = l->v[HL_W_O_BIAS],
        .x = hl_act_of(&f->act, 0, f->n_rows, hl_o_in(hp, l->p)),
        .y = f->tmp,
        .y_cols = hp->n_embd,
        .y_stride = hp->n_embd,
    };
    hl_linear_run(f, &o, 1);
}
