/* SPDX-License-Identifier: MIT
 *
 * moe.c - experts: the best few of each row, as its router says, summed; and those that every row has.
 *
 * (row, expert) pairs are sorted by expert, so that each expert's weights are read once for all its rows;
 * then the panels of all experts form one parallel region for gate and up and one for down, cut as those of
 * a dense block. Each row's results are added in the order of its own ranking, so they do not depend on the
 * other rows.
 */
#include <math.h>
#include <string.h>

#include "engine/expert_pages.h"
#include "engine/forward/cuts.h"
#include "engine/forward/ffn_chunk.h"
#include "engine/forward/moe_router.h"

typedef struct expert_group {
    uint32_t expert;
    uint32_t first_pair; /* in sorted order */
    uint32_t n_pairs;
} expert_group;

typedef struct hl_moe_scratch {
    hl_choices    choices;
    uint32_t     *pair_at; /* [rows][used] where the pair stands in sorted order */
    uint32_t     *row_of;  /* [pairs] sorted */
    expert_group *groups;  /* [n_experts] */
    uint32_t      n_groups;
    float        *share; /* [rows] of shared experts */
    hl_act_buf    in;    /* [pairs][width] inputs in sorted order */
    float        *out;   /* [pairs][width] */
    float *narrow; /* [rows][n_latent], and [rows][n_embd] of what becomes of it; NULL: experts are as wide
                             as the model */
    float *wide;
} hl_moe_scratch;

/* Values that experts read and make. */
static size_t width_of(const hl_hparams *hp) { return hp->n_latent ? hp->n_latent : hp->n_embd; }

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
    TAKE(choices.scores, (size_t)f->n_rows_cap * hp->n_experts);
    TAKE(choices.ranks, (size_t)f->n_rows_cap * hp->n_experts);
    TAKE(choices.expert, pairs);
    TAKE(choices.share, pairs);
    TAKE(share, f->n_rows_cap);
    TAKE(pair_at, pairs);
    TAKE(row_of, pairs);
    TAKE(groups, hp->n_experts);
    hl_act_lay_out(b, &s.in, pairs * width_of(hp), f->m->engine->n_planes, needs);
    TAKE(out, pairs * width_of(hp));
    if (hp->n_latent) {
        TAKE(narrow, (size_t)f->n_rows_cap * hp->n_latent);
        TAKE(wide, (size_t)f->n_rows_cap * hp->n_embd);
    }
#undef TAKE
    if (f->moe) *f->moe = s;
}

/* Counting sort of the pairs by expert. */
static void sort_pairs(hl_pass *f) {
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const uint32_t    n_pairs = f->n_rows * hp->n_experts_used;
    uint32_t          at = 0;
    s->n_groups = 0;
    for (uint32_t e = 0; e < hp->n_experts; e++) s->groups[e].n_pairs = 0;
    for (uint32_t i = 0; i < n_pairs; i++) s->groups[s->choices.expert[i]].n_pairs++;
    for (uint32_t e = 0; e < hp->n_experts; e++) {
        s->groups[e].first_pair = at;
        at += s->groups[e].n_pairs;
        s->groups[e].n_pairs = 0;
    }
    for (uint32_t i = 0; i < n_pairs; i++) {
        expert_group *g = &s->groups[s->choices.expert[i]];
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
    if (w.n_factors > 1) w.factors += expert;
    return w;
}

/* [n_experts][n]; NULL: there is none. */
static const float *bias_of(const hl_layer *l, hl_weight kind, uint32_t expert, size_t n) {
    return l->v[kind] ? l->v[kind] + expert * n : NULL;
}

static bool pairs_fit(hl_pass *f, const expert_group *g) {
    return hl_pass_fits(f, HL_ROOM_EXPERT_PAIRS, (size_t)g->first_pair + g->n_pairs,
                        (size_t)f->n_rows_cap * f->m->hp.n_experts_used);
}

/* Without a gate, up stands in its place. */
static hl_glu glu_of(const hl_layer *l, const expert_group *g, hl_matrix *gate, hl_matrix *up) {
    const bool   has_gate = l->w[HL_W_GATE_EXPS].data != NULL;
    const size_t n = l->p->n_expert_ff;
    *gate = expert_of(l, has_gate ? HL_W_GATE_EXPS : HL_W_UP_EXPS, g->expert);
    *up = expert_of(l, HL_W_UP_EXPS, g->expert);
    return (hl_glu){
        .gate = gate,
        .up = has_gate ? up : NULL,
        .gate_bias = bias_of(l, has_gate ? HL_W_GATE_EXPS_BIAS : HL_W_UP_EXPS_BIAS, g->expert, n),
        .up_bias = has_gate ? bias_of(l, HL_W_UP_EXPS_BIAS, g->expert, n) : NULL,
        .bend = &l->p->bend,
        .needs = hl_matrix_needs(&l->w[HL_W_DOWN_EXPS]),
        .first_row = g->first_pair,
    };
}

static void glu_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    uint32_t       at = c->cuts.at[i_chunk];
    while (at < c->cuts.at[i_chunk + 1] && !hl_pass_stopped(c->f)) {
        const expert_rows r = next_rows(c, i_chunk, c->l->p->n_expert_ff, &at);
        hl_matrix         gate, up;
        const hl_glu      glu = glu_of(c->l, r.g, &gate, &up);
        const hl_act      x = hl_act_of(&c->f->moe->in, r.g->first_pair, r.g->n_pairs, gate.n_cols);
        hl_glu_chunk(c->f, &glu, &x, r.begin, r.end, i_thread);
    }
}

static void down_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const moe_ctx *c = ctx;
    uint32_t       at = c->cuts.at[i_chunk];
    while (at < c->cuts.at[i_chunk + 1] && !hl_pass_stopped(c->f)) {
        const expert_rows r = next_rows(c, i_chunk, width_of(&c->f->m->hp), &at);
        const hl_matrix   down = expert_of(c->l, HL_W_DOWN_EXPS, r.g->expert);
        const hl_act      x = hl_act_of(&c->f->act_ff, r.g->first_pair, r.g->n_pairs, down.n_cols);
        if (!pairs_fit(c->f, r.g)) return;
        hl_multiply(c->f, &down, r.begin, r.end, &x, i_thread,
                    c->f->moe->out + (size_t)r.g->first_pair * down.n_rows, down.n_rows);
    }
}

/* Values of an input times its share: the codes of packed ones stay, their scales change. */
static void weigh(const hl_moe_scratch *s, uint32_t needs, size_t at, size_t n, float share,
                  const hl_pass *f) {
    const size_t n_planes = s->in.n_planes;
    if (needs & HL_NEED_F32) f->k->scale(n, s->in.f32 + at, share, s->in.f32 + at);
    if (needs & HL_NEED_BF16) f->k->f32_to_bf16(n, s->in.f32 + at, s->in.bf16 + at);
    if (!(needs & HL_NEED_Q8)) return;
    float *d = s->in.d + at * n_planes / 32;
    for (size_t i = 0; i < n * n_planes / 32; i++) d[i] *= share;
}

/* Copy a row's activations to the places of its pairs. */
static void gather(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer   *l = ctx;
    const hl_hparams *hp = &f->m->hp;
    hl_moe_scratch   *s = f->moe;
    const size_t      n = width_of(hp);
    const uint32_t    needs = input_needs(l);
    const hl_act      x = hl_act_of(&f->act, row, 1, n);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t pair = (size_t)row * hp->n_experts_used + i;
        const size_t at = s->pair_at[pair] * n;
        if (!hl_pass_fits(f, HL_ROOM_ACT_VALUES, at + n, s->in.n_values)) return;
        if (needs & HL_NEED_F32) memcpy(s->in.f32 + at, x.f32, n * sizeof *x.f32);
        if (needs & HL_NEED_BF16) memcpy(s->in.bf16 + at, x.bf16, n * sizeof *x.bf16);
        if (needs & HL_NEED_Q8) {
            const size_t at_q = at * x.n_planes;
            const size_t n_q = n * x.n_planes;
            memcpy(s->in.q + at_q, x.q, n_q);
            memcpy(s->in.d + at_q / 32, x.d, n_q / 32 * sizeof *x.d);
            memcpy(s->in.sum16 + at_q / 16, x.sum16, n_q / 16 * sizeof *x.sum16);
        }
        if (f->m->arch->router.weighs_input) weigh(s, needs, at, n, s->choices.share[pair], f);
    }
}

typedef struct combine_ctx {
    const hl_layer *l;
    bool            has_more; /* shared experts have left theirs in tmp */
} combine_ctx;

static void combine(hl_pass *f, const void *ctx, uint32_t row) {
    const combine_ctx *c = ctx;
    const hl_hparams  *hp = &f->m->hp;
    hl_moe_scratch    *s = f->moe;
    const size_t       n = width_of(hp);
    float             *y = (hp->n_latent ? s->narrow : f->tmp) + row * n;
    if (!c->has_more)
        memset(y, 0, n * sizeof *y);
    else if (c->l->v[HL_W_SHARED_SHARE])
        f->k->scale(n, y, s->share[row], y);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        const size_t   pair = (size_t)row * hp->n_experts_used + i;
        const float   *from = s->out + s->pair_at[pair] * n;
        const uint32_t expert = s->choices.expert[pair];
        const float   *bias = bias_of(c->l, HL_W_DOWN_EXPS_BIAS, expert, n);
        const float   *scale = c->l->v[HL_W_DOWN_EXPS_SCALE];
        float          share = f->m->arch->router.weighs_input ? 1.0f : s->choices.share[pair];
        if (scale) share *= scale[expert];
        f->k->add_scaled(n, y, from, share, y);
        if (bias) f->k->add_scaled(n, y, bias, share, y);
    }
    if (c->has_more && f->m->arch->router.halves_sum) f->k->scale(n, y, 0.5f, y);
}

/* Choose, from act; or, of what was chosen, the experts. */
static void route(hl_pass *f, uint32_t i_layer) {
    const hl_hparams *hp = &f->m->hp;
    const hl_layer   *l = &f->m->layers[i_layer];
    const hl_linear   router = {
          .w = &l->w[HL_W_ROUTER],
          .bias = l->v[HL_W_ROUTER_BIAS],
          .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_embd),
          .y = f->moe->choices.scores,
          .y_cols = hp->n_experts,
          .y_stride = hp->n_experts,
    };
    hl_linear_run(f, &router, 1);
    if (hl_pass_stopped(f)) return; /* scores may be anything now */
    hl_choose_run(f, &f->moe->choices, i_layer);
    sort_pairs(f);
    if (hl_pass_stopped(f)) return;
    for (uint32_t i = 0; i < f->moe->n_groups; i++)
        hl_experts_need(f->m->experts, l, i_layer, f->moe->groups[i].expert);
    hl_experts_let_go(f->m->experts, f->m, f->moe->n_groups);
}

/* ---- experts in a narrower space (Nemotron 3 Super) ---- */

static void write_narrow(hl_pass *f, const void *ctx, uint32_t row) {
    const uint32_t *needs = ctx;
    const size_t    n = f->m->hp.n_latent;
    hl_act_write(f, &f->act, *needs, row, n, f->moe->narrow + row * n);
}

static void run_one(hl_pass *f, const hl_matrix *w, float *y) {
    const hl_linear one = {.w = w,
                           .x = hl_act_of(&f->act, 0, f->n_rows, w->n_cols),
                           .y = y,
                           .y_cols = w->n_rows,
                           .y_stride = w->n_rows};
    hl_linear_run(f, &one, 1);
}

static void into_latent(hl_pass *f, const hl_layer *l) {
    const uint32_t needs = input_needs(l);
    run_one(f, &l->w[HL_W_LATENT_DOWN], f->moe->narrow);
    hl_rows_run(f, f->n_rows, write_narrow, &needs);
}

static void add_wide(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    float       *y = f->tmp + row * n;
    const float *x = f->moe->wide + row * n;
    if (*(const bool *)ctx)
        f->k->add(n, y, x, y);
    else
        memcpy(y, x, n * sizeof *y);
}

static void out_of_latent(hl_pass *f, const hl_layer *l, bool has_more) {
    const uint32_t needs = hl_matrix_needs(&l->w[HL_W_LATENT_UP]);
    hl_rows_run(f, f->n_rows, write_narrow, &needs);
    run_one(f, &l->w[HL_W_LATENT_UP], f->moe->wide);
    hl_rows_run(f, f->n_rows, add_wide, &has_more);
}

/* What the experts' matrices are about to be multiplied with, of `in` or of act_ff. */
static void show_inputs(hl_pass *f, const hl_act_buf *in, const hl_matrix *w) {
    for (uint32_t i = 0; i < f->moe->n_groups && w->data && f->inputs; i++) {
        const expert_group *g = &f->moe->groups[i];
        const hl_act        x = hl_act_of(in, g->first_pair, g->n_pairs, w->n_cols);
        hl_show_inputs(f, w, g->expert, &x);
    }
}

static void run_experts(hl_pass *f, const hl_layer *l, bool has_more) {
    if (hl_pass_stopped(f)) return;
    const hl_weight first = l->w[HL_W_GATE_EXPS].data ? HL_W_GATE_EXPS : HL_W_UP_EXPS;
    const bool      is_narrow = f->m->hp.n_latent > 0;
    if (is_narrow) into_latent(f, l);
    hl_rows_run(f, f->n_rows, gather, l);
    moe_ctx c = {.f = f, .l = l};
    show_inputs(f, &f->moe->in, &l->w[HL_W_GATE_EXPS]);
    show_inputs(f, &f->moe->in, &l->w[HL_W_UP_EXPS]);
    cut(&c, &l->w[first], first == HL_W_GATE_EXPS ? 2 : 1);
    hl_pool_run(f->pool, c.cuts.n, glu_chunk, &c);
    show_inputs(f, &f->act_ff, &l->w[HL_W_DOWN_EXPS]);
    cut(&c, &l->w[HL_W_DOWN_EXPS], 1);
    hl_pool_run(f->pool, c.cuts.n, down_chunk, &c);
    const combine_ctx combined = {.l = l, .has_more = has_more && !is_narrow};
    hl_rows_run(f, f->n_rows, combine, &combined);
    if (is_narrow) out_of_latent(f, l, has_more);
}

/* How much of the shared experts a row takes: sigmoid(w x). */
static void share_row(hl_pass *f, const void *ctx, uint32_t row) {
    float *share = f->moe->share + row;
    (void)ctx;
    f->k->sigmoid_mul(1, share, f->m->ones, share);
}

static void run_shared(hl_pass *f, const hl_layer *l) {
    const size_t    n = f->m->hp.n_embd;
    const float    *v = l->v[HL_W_SHARED_SHARE];
    const hl_matrix w = {
        .type = HL_TYPE_f32, .n_rows = 1, .n_cols = n, .row_bytes = n * sizeof *v, .data = v};
    const hl_linear share = {
        .w = &w, .x = hl_act_of(&f->act, 0, f->n_rows, n), .y = f->moe->share, .y_cols = 1, .y_stride = 1};
    hl_ffn_run(f, l, HL_FFN_SHARED);
    if (!v) return;
    hl_linear_run(f, &share, 1);
    hl_rows_run(f, f->n_rows, share_row, NULL);
}

void hl_moe_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    const bool      has_shared = l->w[HL_W_UP_SHEXP].data != NULL;
    if (has_shared) run_shared(f, l);
    route(f, i_layer);
    run_experts(f, l, has_shared);
}

/* ---- experts beside a dense block (Gemma 4), each with norms of its own ----------------------- */

/* What the dense block made waits in the room of attention; the router reads x itself, without a norm's
 * weights. */
static void into_router(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *t = f->tmp + row * n;
    const float    *scale = l->v[HL_W_ROUTER_SCALE], by_width = 1.0f / sqrtf((float)n);
    hl_norm_values(f, n, t, l->v[HL_W_FFN_POST_NORM_1], NULL, f->attn + row * n);
    hl_norm_values(f, n, f->x + row * n, NULL, NULL, t);
    for (size_t i = 0; i < n; i++) t[i] = t[i] * by_width * (scale ? scale[i] : 1.0f);
    hl_act_write(f, &f->act, hl_matrix_needs(&l->w[HL_W_ROUTER]), row, n, t);
}

static void into_experts(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *t = f->tmp + row * n;
    hl_norm_values(f, n, f->x + row * n, l->v[HL_W_EXPERTS_NORM], NULL, t);
    hl_act_write(f, &f->act, input_needs(l), row, n, t);
}

static void add_beside(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *t = f->tmp + row * n;
    hl_norm_values(f, n, t, l->v[HL_W_FFN_POST_NORM_2], NULL, t);
    f->k->add(n, f->attn + row * n, t, t);
}

void hl_moe_beside_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    hl_ffn_run(f, l, HL_FFN_DENSE);
    hl_rows_run(f, f->n_rows, into_router, l);
    route(f, i_layer);
    hl_rows_run(f, f->n_rows, into_experts, l);
    run_experts(f, l, false);
    hl_rows_run(f, f->n_rows, add_beside, l);
}
