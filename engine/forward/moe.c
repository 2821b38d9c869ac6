/* SPDX-License-Identifier: MIT
 *
 * moe.c - experts: softmax over all, the best few, renormalised, summed.
 *
 * (row, expert) pairs are sorted by expert, so that each expert's weights are read once for all its rows;
 * then every expert's chunks form one parallel region for gate and up and one for down. Each row's results
 * are added in the order of its own ranking, so they do not depend on the other rows.
 */
#include <math.h>
#include <string.h>

#include "engine/forward/ffn_chunk.h"

typedef struct expert_group {
    uint32_t expert;
    uint32_t first_pair; /* in sorted order */
    uint32_t n_pairs;
    uint32_t first_chunk; /* of gate and up */
    uint32_t first_down;  /* chunk of down */
} expert_group;

typedef struct hl_moe_scratch {
    float        *scores;  /* [rows][n_experts] */
    uint32_t     *expert;  /* [rows][used] chosen experts, best first */
    float        *weight;  /* [rows][used] */
    uint32_t     *pair_at; /* [rows][used] where the pair stands in sorted order */
    uint32_t     *row_of;  /* [pairs] sorted */
    expert_group *groups;  /* [n_experts] */
    uint32_t      n_groups;
    hl_act_buf    in;      /* [pairs][n_embd] inputs in sorted order */
    float        *out;     /* [pairs][n_embd] */
    uint32_t      glu_cols, down_rows;
} hl_moe_scratch;

static void *take(uint8_t *memory, size_t *at, size_t bytes) {
    uint8_t *p = memory ? memory + *at : NULL;
    *at += (bytes + 63) & ~(size_t)63;
    return p;
}

/* The same walk measures (memory NULL) and assigns. */
static size_t lay_out(const hl_model *m, uint32_t rows, uint8_t *memory, hl_moe_scratch *ret) {
    const hl_hparams *hp = &m->hp;
    const size_t      used = hp->n_experts_used;
    const size_t      pairs = rows * used;
    size_t            at = 0;
    hl_moe_scratch    s = {0};
#define TAKE(field, n) (s.field = take(memory, &at, (n) * sizeof *s.field))
    (void)take(memory, &at, sizeof s);
    TAKE(scores, (size_t)rows * hp->n_experts);
    TAKE(expert, pairs);
    TAKE(weight, pairs);
    TAKE(pair_at, pairs);
    TAKE(row_of, pairs);
    TAKE(groups, hp->n_experts);
    TAKE(in.f32, pairs * hp->n_embd);
    TAKE(in.bf16, pairs * hp->n_embd);
    TAKE(in.q, pairs * hp->n_embd);
    TAKE(in.d, pairs * hp->n_embd / 32 + 1);
    TAKE(in.sum16, pairs * hp->n_embd / 16 + 1);
    TAKE(out, pairs * hp->n_embd);
#undef TAKE
    if (ret) *ret = s;
    return at;
}

size_t hl_moe_plan(const hl_model *m, uint32_t n_rows_cap) {
    return m->hp.n_experts ? lay_out(m, n_rows_cap, NULL, NULL) : 0;
}

void hl_moe_init(hl_forward *f, uint8_t *memory) {
    f->moe = (hl_moe_scratch *)memory;
    (void)lay_out(f->m, f->n_rows_cap, memory, f->moe);
}

/* The best experts of a row and their shares. Ties go to the lower number. */
static void choose(hl_forward *f, const void *ctx, uint32_t row) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    float            *p = s->scores + (size_t)row * hp->n_experts;
    uint32_t         *chosen = s->expert + (size_t)row * hp->n_experts_used;
    float            *weight = s->weight + (size_t)row * hp->n_experts_used;
    float             sum = 0;
    (void)ctx;
    f->k->softmax(hp->n_experts, p, 1.0f, NULL);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        uint32_t best = 0;
        for (uint32_t e = 1; e < hp->n_experts; e++)
            if (p[e] > p[best]) best = e;
        chosen[i] = best;
        weight[i] = p[best];
        sum += p[best];
        p[best] = -1.0f; /* taken */
    }
    for (uint32_t i = 0; i < hp->n_experts_used; i++)
        weight[i] = sum > 0 ? weight[i] / sum * hp->expert_scale : 0.0f;
}

/* Counting sort of the pairs by expert. */
static void sort_pairs(hl_forward *f) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const uint32_t    n_pairs = f->n_rows * hp->n_experts_used;
    uint32_t          at = 0;
    s->n_groups = 0;
    for (uint32_t e = 0; e < hp->n_experts; e++) s->groups[e].n_pairs = 0;
    for (uint32_t i = 0; i < n_pairs; i++) s->groups[s->expert[i]].n_pairs++;
    for (uint32_t e = 0; e < hp->n_experts; e++) {
        s->groups[e].first_pair = at;
        at += s->groups[e].n_pairs;
        s->groups[e].n_pairs = 0;
    }
    for (uint32_t i = 0; i < n_pairs; i++) {
        expert_group *g = &s->groups[s->expert[i]];
        s->pair_at[i] = g->first_pair + g->n_pairs++;
        s->row_of[s->pair_at[i]] = i / hp->n_experts_used;
    }
    for (uint32_t e = 0; e < hp->n_experts; e++) {
        if (s->groups[e].n_pairs == 0) continue;
        expert_group g = s->groups[e];
        g.expert = e;
        s->groups[s->n_groups++] = g;
    }
}

static void plan_chunks(hl_forward *f, const hl_layer *l) {
    hl_moe_scratch *s = f->moe;
    const uint32_t  per_expert = f->n_rows * f->m->hp.n_experts_used / s->n_groups;
    s->glu_cols = hl_glu_chunk_cols(f, &l->w[HL_W_GATE_EXPS], per_expert);
    s->down_rows = (uint32_t)hl_matmul_chunk_rows(&l->w[HL_W_DOWN_EXPS], per_expert ? per_expert : 1,
                                                  (size_t)hl_pool_n_active(f->pool));
    const uint32_t n_glu = (f->m->hp.n_expert_ff + s->glu_cols - 1) / s->glu_cols;
    const uint32_t n_down = (f->m->hp.n_embd + s->down_rows - 1) / s->down_rows;
    for (uint32_t i = 0; i < s->n_groups; i++) {
        s->groups[i].first_chunk = i * n_glu;
        s->groups[i].first_down = i * n_down;
    }
}

typedef struct moe_ctx {
    hl_forward     *f;
    const hl_layer *l;
    uint32_t        n_chunks_each;
} moe_ctx;

static hl_matrix expert_of(const hl_layer *l, hl_weight kind, uint32_t expert) {
    hl_matrix w = l->w[kind];
    w.data = (const uint8_t *)w.data + expert * l->expert_stride[kind];
    return w;
}

static void glu_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    if (hl_forward_stopped(c->f)) return;
    const hl_moe_scratch *s = c->f->moe;
    const expert_group   *g = &s->groups[i_chunk / c->n_chunks_each];
    const hl_matrix       gate = expert_of(c->l, HL_W_GATE_EXPS, g->expert);
    const hl_matrix       up = expert_of(c->l, HL_W_UP_EXPS, g->expert);
    const hl_glu          glu = {.gate = &gate, .up = &up, .needs = c->l->need_down_in, .first_row = g->first_pair};
    const hl_act          x = hl_act_of(&s->in, g->first_pair, g->n_pairs, gate.n_cols);
    const size_t          begin = (size_t)(i_chunk % c->n_chunks_each) * s->glu_cols;
    const size_t          end = begin + s->glu_cols < gate.n_rows ? begin + s->glu_cols : gate.n_rows;
    for (size_t at = begin; at < end; at += HL_GLU_ROWS)
        hl_glu_chunk(c->f, &glu, &x, at, at + HL_GLU_ROWS < end ? at + HL_GLU_ROWS : end, i_thread);
}

static void down_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    if (hl_forward_stopped(c->f)) return;
    const hl_moe_scratch *s = c->f->moe;
    const expert_group   *g = &s->groups[i_chunk / c->n_chunks_each];
    const hl_matrix       down = expert_of(c->l, HL_W_DOWN_EXPS, g->expert);
    const hl_act          x = hl_act_of(&c->f->act_ff, g->first_pair, g->n_pairs, down.n_cols);
    const size_t          begin = (size_t)(i_chunk % c->n_chunks_each) * s->down_rows;
    const size_t          end = begin + s->down_rows < down.n_rows ? begin + s->down_rows : down.n_rows;
    hl_matmul_chunk(c->f->k, &down, begin, end, &x, c->f->threads[i_thread].matmul,
                    s->out + (size_t)g->first_pair * down.n_rows, down.n_rows);
}

/* Copy a row's activations to the places of its pairs. */
static void gather(hl_forward *f, const void *ctx, uint32_t row) {
    const hl_layer   *l = ctx;
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const size_t      n = hp->n_embd;
    const uint32_t    needs = hl_matrix_needs(&l->w[HL_W_GATE_EXPS]) | hl_matrix_needs(&l->w[HL_W_UP_EXPS]);
    const hl_act      x = hl_act_of(&f->act, row, 1, n);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t at = s->pair_at[(size_t)row * hp->n_experts_used + i] * n;
        if (needs & HL_NEED_F32) memcpy(s->in.f32 + at, x.f32, n * sizeof *x.f32);
        if (needs & HL_NEED_BF16) memcpy(s->in.bf16 + at, x.bf16, n * sizeof *x.bf16);
        if (!(needs & HL_NEED_Q8)) continue;
        memcpy(s->in.q + at, x.q, n);
        memcpy(s->in.d + at / 32, x.d, n / 32 * sizeof *x.d);
        memcpy(s->in.sum16 + at / 16, x.sum16, n / 16 * sizeof *x.sum16);
    }
}

static void combine(hl_forward *f, const void *ctx, uint32_t row) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    float            *y = f->tmp + (size_t)row * hp->n_embd;
    (void)ctx;
    memset(y, 0, hp->n_embd * sizeof *y);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t pair = (size_t)row * hp->n_experts_used + i;
        const float *from = s->out + (size_t)s->pair_at[pair] * hp->n_embd;
        for (uint32_t c = 0; c < hp->n_embd; c++) y[c] = fmaf(from[c], s->weight[pair], y[c]);
    }
}

void hl_moe_run(hl_forward *f, const hl_layer *l) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const hl_product  router = {
         .w = &l->w[HL_W_ROUTER],
         .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_embd),
         .y = s->scores,
         .y_stride = hp->n_experts,
    };
    hl_products_run(f, &router, 1);
    if (hl_forward_stopped(f)) return; /* scores may be anything now */
    hl_rows_run(f, f->n_rows, choose, NULL);
    sort_pairs(f);
    plan_chunks(f, l);
    hl_rows_run(f, f->n_rows, gather, l);
    moe_ctx c = {.f = f, .l = l, .n_chunks_each = (hp->n_expert_ff + s->glu_cols - 1) / s->glu_cols};
    hl_pool_run(f->pool, s->n_groups * c.n_chunks_each, glu_chunk, &c);
    c.n_chunks_each = (hp->n_embd + s->down_rows - 1) / s->down_rows;
    hl_pool_run(f->pool, s->n_groups * c.n_chunks_each, down_chunk, &c);
    hl_rows_run(f, f->n_rows, combine, NULL);
}
