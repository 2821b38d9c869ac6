/* SPDX-License-Identifier: MIT
 *
 * mla.c - low-rank ("latent") attention: keys and values of all heads come of one short row per position.
 *
 * In the absorbed form the cache holds that row, and a part that turns, as the one key head; its first part
 * is the value, too, and is not held twice (hl_layer_params.v_in_k). Queries are brought into its space by a
 * matrix per head, and so are results out of it. In the expanded form whole heads are made and cached. Either
 * way the rest is attention as everywhere.
 * from: DeepSeek-V2, arXiv 2405.04434, section 2.1
 */
#include <string.h>

#include "engine/forward/forward_priv.h"

/* A row of f->low. */
typedef struct low_row {
    size_t q_rank, q, kv, expanded; /* values */
} low_row;

static low_row shape_of(const hl_hparams *hp) {
    const hl_mla_params *m = &hp->mla;
    const size_t         n_heads = hp->most.n_heads;
    return (low_row){
        .q_rank = m->q_rank,
        .q = n_heads * (m->still + m->rot),
        .kv = (size_t)m->kv_rank + m->rot,
        .expanded = m->is_absorbed ? 0 : n_heads * (m->still + m->v),
    };
}

typedef struct low_parts {
    float *q_rank, *q, *kv, *expanded; /* [rows][..] each */
} low_parts;

static low_parts parts_of(const hl_pass *f) {
    const low_row s = shape_of(&f->m->hp);
    const size_t  rows = f->n_rows_cap;
    low_parts     p = {.q_rank = f->low};
    p.q = p.q_rank + rows * s.q_rank;
    p.kv = p.q + rows * s.q;
    p.expanded = p.kv + rows * s.kv;
    return p;
}

void hl_mla_lay_out(hl_pass *f, hl_bump *b) {
    const low_row s = shape_of(&f->m->hp);
    f->low = NULL;
    if (!f->m->arch->has_mla) return;
    f->low = hl_bump_take(b, f->n_rows_cap * (s.q_rank + s.q + s.kv + s.expanded), sizeof *f->low);
}

typedef struct mla_ctx {
    const hl_layer *l;
    uint32_t        i_layer;
} mla_ctx;

static void rotate(const hl_pass *f, const hl_layer_params *p, uint32_t row, float *x) {
    const size_t n_rot = f->m->hp.mla.rot;
    f->k->rope(n_rot, f->m->arch->rope == HL_ROPE_HALVES, f->ropes[p->i_rope].table + row * n_rot, x);
}

/* Norms of the compressed rows. */
static void norm_row(hl_pass *f, const void *ctx, uint32_t row) {
    const mla_ctx       *c = ctx;
    const hl_mla_params *m = &f->m->hp.mla;
    const low_parts      at = parts_of(f);
    float               *kv = at.kv + row * ((size_t)m->kv_rank + m->rot);
    float               *q = at.q_rank + (size_t)row * m->q_rank;
    hl_norm_values(f, m->kv_rank, kv, c->l->v[HL_W_KV_A_NORM], NULL, kv);
    if (f->m->arch->rope != HL_ROPE_NONE) rotate(f, c->l->p, row, kv + m->kv_rank);
    if (m->q_rank == 0) return;
    hl_norm_values(f, m->q_rank, q, c->l->v[HL_W_Q_A_NORM], NULL, q);
    hl_act_write(f, &f->act, hl_matrix_needs(&c->l->w[HL_W_Q_B]), row, m->q_rank, q);
}

/* One matrix per head times that head's part of each row; act holds [n_heads][rows][n_cols]. */
typedef struct by_head {
    hl_pass        *f;
    const hl_layer *l;
    hl_weight       weight;
    float          *y;
    size_t          y_each, y_stride;
} by_head;

static void head_chunk(void *ctx, uint32_t head, uint32_t i_thread) {
    const by_head *c = ctx;
    hl_matrix      w = c->l->w[c->weight];
    if (hl_pass_stopped(c->f)) return;
    w.data = (const uint8_t *)w.data + head * c->l->expert_stride[c->weight];
    const hl_act x = hl_act_of(&c->f->act, head * c->f->n_rows, c->f->n_rows, w.n_cols);
    hl_multiply(c->f, &w, 0, w.n_rows, &x, i_thread, c->y + head * c->y_each, c->y_stride);
}

/* The parts of queries that turn are turned; the others, of one head after the other, go to act. */
static void turn_queries(hl_pass *f, const void *ctx, uint32_t row) {
    const mla_ctx         *c = ctx;
    const hl_layer_params *p = c->l->p;
    const hl_mla_params   *m = &f->m->hp.mla;
    const size_t           n = (size_t)m->still + m->rot;
    float                 *q = parts_of(f).q + row * n * p->n_heads;
    for (uint32_t h = 0; h < p->n_heads; h++) {
        if (f->m->arch->rope != HL_ROPE_NONE) rotate(f, p, row, q + h * n + m->still);
        if (m->is_absorbed)
            hl_act_write(f, &f->act, hl_matrix_needs(&c->l->w[HL_W_K_B]), h * f->n_rows + row, m->still,
                         q + h * n);
    }
}

/* The parts that are as they are, into the row of queries, keys and values. */
static void place_row(hl_pass *f, const void *ctx, uint32_t row) {
    const mla_ctx         *c = ctx;
    const hl_layer_params *p = c->l->p;
    const hl_mla_params   *m = &f->m->hp.mla;
    const low_parts        at = parts_of(f);
    const size_t           n = (size_t)m->still + m->rot, n_kv = (size_t)m->kv_rank + m->rot;
    const float           *q = at.q + row * n * p->n_heads, *kv = at.kv + row * n_kv;
    float                 *to_q = f->qkv + row * hl_qkv_cols(p);
    float                 *to_k = to_q + hl_q_cols(p), *to_v = to_k + hl_k_cols(p);
    if (m->is_absorbed) {
        for (uint32_t h = 0; h < p->n_heads; h++)
            memcpy(to_q + h * n_kv + m->kv_rank, q + h * n + m->still, m->rot * sizeof *q);
        memcpy(to_k, kv, n_kv * sizeof *kv);
        return;
    }
    const size_t each = (size_t)m->still + m->v;
    const float *whole = at.expanded + row * each * p->n_heads;
    memcpy(to_q, q, n * p->n_heads * sizeof *q);
    for (uint32_t h = 0; h < p->n_heads; h++) {
        memcpy(to_k + h * n, whole + h * each, m->still * sizeof *whole);
        memcpy(to_k + h * n + m->still, kv + m->kv_rank, m->rot * sizeof *kv);
        memcpy(to_v + h * (size_t)m->v, whole + h * each + m->still, m->v * sizeof *whole);
    }
}

static void write_compressed(hl_pass *f, const void *ctx, uint32_t row) {
    const mla_ctx       *c = ctx;
    const hl_mla_params *m = &f->m->hp.mla;
    hl_act_write(f, &f->act, hl_matrix_needs(&c->l->w[HL_W_KV_B]), row, m->kv_rank,
                 parts_of(f).kv + row * ((size_t)m->kv_rank + m->rot));
}

static void run_linear(hl_pass *f, const hl_matrix *w, size_t n_cols, float *y) {
    const hl_linear one = {.w = w,
                           .x = hl_act_of(&f->act, 0, f->n_rows, n_cols),
                           .y = y,
                           .y_cols = w->n_rows,
                           .y_stride = w->n_rows};
    hl_linear_run(f, &one, 1);
}

void hl_mla_heads_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer        *l = &f->m->layers[i_layer];
    const hl_layer_params *p = l->p;
    const hl_mla_params   *m = &f->m->hp.mla;
    const low_parts        at = parts_of(f);
    const mla_ctx          c = {.l = l, .i_layer = i_layer};
    const bool             has_rank = m->q_rank > 0;
    run_linear(f, &l->w[has_rank ? HL_W_Q_A : HL_W_MLA_Q], f->m->hp.n_embd, has_rank ? at.q_rank : at.q);
    run_linear(f, &l->w[HL_W_KV_A], f->m->hp.n_embd, at.kv);
    hl_rows_run(f, f->n_rows, norm_row, &c);
    if (has_rank) run_linear(f, &l->w[HL_W_Q_B], m->q_rank, at.q);
    hl_rows_run(f, f->n_rows, turn_queries, &c);
    if (m->is_absorbed) {
        by_head k = {.f = f,
                     .l = l,
                     .weight = HL_W_K_B,
                     .y = f->qkv,
                     .y_each = (size_t)m->kv_rank + m->rot,
                     .y_stride = hl_qkv_cols(p)};
        hl_pool_run(f->pool, p->n_heads, head_chunk, &k);
    } else {
        hl_rows_run(f, f->n_rows, write_compressed, &c);
        run_linear(f, &l->w[HL_W_KV_B], m->kv_rank, at.expanded);
    }
    hl_rows_run(f, f->n_rows, place_row, &c);
}

static void write_values(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer        *l = ctx;
    const hl_layer_params *p = l->p;
    for (uint32_t h = 0; h < p->n_heads; h++)
        hl_act_write(f, &f->act, hl_matrix_needs(&l->w[HL_W_V_B]), h * f->n_rows + row, p->v_dim,
                     f->attn + row * hl_attn_cols(p) + (size_t)h * p->v_dim);
}

void hl_mla_values_run(hl_pass *f, const hl_layer *l) {
    const hl_mla_params *m = &f->m->hp.mla;
    by_head              v = {.f = f,
                              .l = l,
                              .weight = HL_W_V_B,
                              .y = f->attn,
                              .y_each = m->v,
                              .y_stride = (size_t)l->p->n_heads * m->v};
    if (!m->is_absorbed) return;
    hl_rows_run(f, f->n_rows, write_values, l);
    hl_pool_run(f->pool, l->p->n_heads, head_chunk, &v);
}
