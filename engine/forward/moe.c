/* SPDX-License-Identifier: MIT
 *
 * moe.c - experts: softmax over all, the best few, renormalised, summed.
 *
 * (row, expert) pairs are sorted by expert, so that each expert's weights are read once for all its rows;
 * then the panels of all experts form one parallel region for gate and up and one for down, cut as those of
 * a dense block. Each row's results are added in the order of its own ranking, so they do not depend on the
 * other rows.
 */
#include <string.h>

#include "engine/forward/cuts.h"
#include "engine/forward/ffn_chunk.h"

typedef struct expert_group {
    uint32_t expert;
    uint32_t first_pair; /* in sorted order */
    uint32_t n_pairs;
} expert_group;

typedef struct hl_moe_scratch {
    float        *scores;  /* [rows][n_experts] */
    uint32_t     *expert;  /* [rows][used] chosen experts, best first */
    float        *weight;  /* [rows][used] */
    uint32_t     *pair_at; /* [rows][used] where the pair stands in sorted order */
    uint32_t     *row_of;  /* [pairs] sorted */
    expert_group *groups;  /* [n_experts] */
    uint32_t      n_groups;
    hl_act_buf    in;  /* [pairs][n_embd] inputs in sorted order */
    float        *out; /* [pairs][n_embd] */
} hl_moe_scratch;

static uint32_t input_needs(const hl_layer *l) {
    return hl_matrix_needs(&l->w[HL_W_GATE_EXPS]) | hl_matrix_needs(&l->w[HL_W_UP_EXPS]);
}

void hl_moe_lay_out(hl_pass *f, hl_bump *b) {
    const hl_hparams *hp = &f->m->hp;
    const size_t      pairs = (size_t)f->n_rows_cap * hp->n_experts_used;
    uint32_t          needs = 0;
    hl_moe_scratch    s = {0};
    for (uint32_t i = 0; i < hp->n_layers; i++) needs |= input_needs(&f->m->layers[i]);
#define TAKE(field, n) (s.field = hl_bump_take(b, n, sizeof *s.field))
    f->moe = hl_bump_take(b, 1, sizeof s);
    TAKE(scores, (size_t)f->n_rows_cap * hp->n_experts);
    TAKE(expert, pairs);
    TAKE(weight, pairs);
    TAKE(pair_at, pairs);
    TAKE(row_of, pairs);
    TAKE(groups, hp->n_experts);
    hl_act_lay_out(b, &s.in, pairs * hp->n_embd, f->m->engine->n_planes, needs);
    TAKE(out, pairs * hp->n_embd);
#undef TAKE
    if (f->moe) *f->moe = s;
}

/* A router that computed no numbers has no best expert. */
static bool are_shares(const float *p, uint32_t n) {
    float sum = 0;
    for (uint32_t e = 0; e < n; e++) {
        if (!(p[e] >= 0)) return false;
        sum += p[e];
    }
    return sum > 0;
}

/* The best experts of a row, each once, and their shares; ties go to the lower number. A router that computed
 * no numbers makes the row fail; the first experts are then chosen with a share of 0, because what follows
 * relies on every row having n_experts_used different ones. */
static void choose(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    float            *p = s->scores + (size_t)row * hp->n_experts;
    uint32_t         *chosen = s->expert + (size_t)row * hp->n_experts_used;
    float            *weight = s->weight + (size_t)row * hp->n_experts_used;
    float             sum = 0;
    f->k->softmax(hp->n_experts, p, 1.0f, NULL);
    if (!are_shares(p, hp->n_experts)) {
        hl_row_note(f, row, HL_PLACE_ROUTER, *(const uint32_t *)ctx);
        for (uint32_t e = 0; e < hp->n_experts; e++) p[e] = 0;
    }
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
static void sort_pairs(hl_pass *f) {
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

/* A parallel region over the rows of all chosen experts' matrices of one kind; a unit is 32 of them. */
typedef struct moe_ctx {
    hl_pass        *f;
    const hl_layer *l;
    uint32_t        units_each; /* of one expert */
    hl_cuts         cuts;
} moe_ctx;

static uint32_t units_of(size_t n_rows) { return (uint32_t)((n_rows + HL_PANEL_ROWS - 1) / HL_PANEL_ROWS); }

/* A unit takes rows from n_each matrices of w's shape: from gate and up, or from down alone. */
static void cut(moe_ctx *c, const hl_matrix *w, uint32_t n_each) {
    const hl_moe_scratch *s = c->f->moe;
    const uint32_t        n_pairs = c->f->n_rows * c->f->m->hp.n_experts_used;
    const uint32_t        rows_each = (n_pairs + s->n_groups - 1) / s->n_groups;
    const size_t          unit_rows = (size_t)HL_PANEL_ROWS * n_each;
    const uint32_t least = hl_cuts_min_units(rows_each, unit_rows * w->row_bytes, HL_CUT_LEAST_EXPERT_BYTES);
    c->units_each = units_of(w->n_rows);
    hl_cuts_make(s->n_groups * c->units_each, (uint32_t)hl_pool_n_active(c->f->pool), least,
                 (uint64_t)unit_rows * w->n_cols * rows_each, &c->cuts);
}

typedef struct expert_rows {
    const expert_group *g;
    size_t              begin, end;
} expert_rows;

/* The rows of one expert's matrix that begin at unit *at of a chunk; *at moves behind them. */
static expert_rows next_rows(const moe_ctx *c, uint32_t i_chunk, size_t n_rows, uint32_t *at) {
    const uint32_t i_group = *at / c->units_each;
    const uint32_t group_end = (i_group + 1) * c->units_each;
    const uint32_t chunk_end = c->cuts.at[i_chunk + 1];
    const uint32_t end = group_end < chunk_end ? group_end : chunk_end;
    const size_t   end_row = (size_t)(end - i_group * c->units_each) * HL_PANEL_ROWS;
    expert_rows    r = {.g = &c->f->moe->groups[i_group], .end = end_row < n_rows ? end_row : n_rows};
    r.begin = (size_t)(*at - i_group * c->units_each) * HL_PANEL_ROWS;
    *at = end;
    return r;
}

static hl_matrix expert_of(const hl_layer *l, hl_weight kind, uint32_t expert) {
    hl_matrix w = l->w[kind];
    w.data = (const uint8_t *)w.data + expert * l->expert_stride[kind];
    return w;
}

static bool pairs_fit(hl_pass *f, const expert_group *g) {
    return hl_pass_fits(f, HL_ROOM_EXPERT_PAIRS, (size_t)g->first_pair + g->n_pairs,
                        (size_t)f->n_rows_cap * f->m->hp.n_experts_used);
}

static void glu_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    uint32_t       at = c->cuts.at[i_chunk];
    while (at < c->cuts.at[i_chunk + 1] && !hl_pass_stopped(c->f)) {
        const expert_rows r = next_rows(c, i_chunk, c->l->p->n_expert_ff, &at);
        const hl_matrix   gate = expert_of(c->l, HL_W_GATE_EXPS, r.g->expert);
        const hl_matrix   up = expert_of(c->l, HL_W_UP_EXPS, r.g->expert);
        const hl_glu      glu = {
                 .gate = &gate, .up = &up, .needs = c->l->need_down_in, .first_row = r.g->first_pair};
        const hl_act x = hl_act_of(&c->f->moe->in, r.g->first_pair, r.g->n_pairs, gate.n_cols);
        hl_glu_chunk(c->f, &glu, &x, r.begin, r.end, i_thread);
    }
}

static void down_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    uint32_t       at = c->cuts.at[i_chunk];
    while (at < c->cuts.at[i_chunk + 1] && !hl_pass_stopped(c->f)) {
        const expert_rows r = next_rows(c, i_chunk, c->f->m->hp.n_embd, &at);
        const hl_matrix   down = expert_of(c->l, HL_W_DOWN_EXPS, r.g->expert);
        const hl_act      x = hl_act_of(&c->f->act_ff, r.g->first_pair, r.g->n_pairs, down.n_cols);
        if (!pairs_fit(c->f, r.g)) return;
        hl_multiply(c->f, &down, r.begin, r.end, &x, i_thread,
                    c->f->moe->out + (size_t)r.g->first_pair * down.n_rows, down.n_rows);
    }
}

/* Copy a row's activations to the places of its pairs. */
static void gather(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer   *l = ctx;
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const size_t      n = hp->n_embd;
    const uint32_t    needs = input_needs(l);
    const hl_act      x = hl_act_of(&f->act, row, 1, n);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t at = s->pair_at[(size_t)row * hp->n_experts_used + i] * n;
        if (!hl_pass_fits(f, HL_ROOM_ACT_VALUES, at + n, s->in.n_values)) return;
        if (needs & HL_NEED_F32) memcpy(s->in.f32 + at, x.f32, n * sizeof *x.f32);
        if (needs & HL_NEED_BF16) memcpy(s->in.bf16 + at, x.bf16, n * sizeof *x.bf16);
        if (!(needs & HL_NEED_Q8)) continue;
        const size_t at_q = at * x.n_planes;
        const size_t n_q = n * x.n_planes;
        memcpy(s->in.q + at_q, x.q, n_q);
        memcpy(s->in.d + at_q / 32, x.d, n_q / 32 * sizeof *x.d);
        memcpy(s->in.sum16 + at_q / 16, x.sum16, n_q / 16 * sizeof *x.sum16);
    }
}

static void combine(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    float            *y = f->tmp + (size_t)row * hp->n_embd;
    (void)ctx;
    memset(y, 0, hp->n_embd * sizeof *y);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t pair = (size_t)row * hp->n_experts_used + i;
        const float *from = s->out + (size_t)s->pair_at[pair] * hp->n_embd;
        f->k->add_scaled(hp->n_embd, y, from, s->weight[pair], y);
    }
}

void hl_moe_run(hl_pass *f, uint32_t i_layer) {
    const hl_hparams *hp = &f->m->hp;
    const hl_layer   *l = &f->m->layers[i_layer];
    hl_moe_scratch   *s = f->moe;
    const hl_linear   router = {
          .w = &l->w[HL_W_ROUTER],
          .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_embd),
          .y = s->scores,
          .y_cols = hp->n_experts,
          .y_stride = hp->n_experts,
    };
    hl_linear_run(f, &router, 1);
    if (hl_pass_stopped(f)) return; /* scores may be anything now */
    hl_rows_run(f, f->n_rows, choose, &i_layer);
    sort_pairs(f);
    hl_rows_run(f, f->n_rows, gather, l);
    moe_ctx c = {.f = f, .l = l};
    cut(&c, &l->w[HL_W_GATE_EXPS], 2);
    hl_pool_run(f->pool, c.cuts.n, glu_chunk, &c);
    cut(&c, &l->w[HL_W_DOWN_EXPS], 1);
    hl_pool_run(f->pool, c.cuts.n, down_chunk, &c);
    hl_rows_run(f, f->n_rows, combine, NULL);
}
