/* SPDX-License-Identifier: MIT
 *
 * mamba.c - state spaces: a state that decays by what a row says, and takes the row's values in.
 *
 * Mamba-1 has a decay for each element and channels without heads; Mamba-2 one decay per head, and groups of
 * heads that share B and C.
 * from: "Mamba", arXiv 2312.00752; "Transformers are SSMs", arXiv 2405.21060
 */
#include <math.h>
#include <string.h>

#include "engine/forward/recurrent.h"

/* The n_used numbers x, times those of dt or times `scale`, and zeros behind them. */
static void fill_values(const hl_recurrent *c, hl_step_part part, const float *x, const float *dt,
                        float scale, float *to) {
    if (dt)
        c->sk->mul(part.n_used, x, dt, to);
    else
        c->f->k->scale(part.n_used, x, scale, to);
    memset(to + part.n_used, 0, (part.n - part.n_used) * sizeof *to);
}

/* ---- Mamba-2 ------------------------------------------------------------------------------------ */

/* Decays, then time steps, of each head. */
static void ready_mamba2(const hl_recurrent *c, uint32_t row) {
    const hl_state_params *p = c->p;
    const float           *in = hl_recurrent_in(c, row) + p->alpha_at;
    const float           *a = c->l->v[HL_W_STATE_A_COLUMN], *bias = c->l->v[HL_W_STATE_DT_BIAS];
    float                 *decay = hl_recurrent_steps(c, row), *dt = decay + p->n_heads;
    for (uint32_t h = 0; h < p->n_heads; h++) {
        dt[h] = hl_softplus(in[h] + bias[h]);
        decay[h] = (float)exp((double)(dt[h] * a[h]));
    }
}

static void step_mamba2(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                        float *state) {
    const hl_state_params *p = c->p;
    const size_t           n = p->key_dim, group = part.head / (p->n_heads / p->n_groups);
    const float           *conv = hl_recurrent_conv(c, row), *steps = hl_recurrent_steps(c, row);
    const float           *x = conv + (size_t)part.head * p->value_dim + part.col;
    const float           *b = conv + p->inner + group * n, *to_read = b + n * p->n_groups;
    fill_values(c, part, x, NULL, steps[p->n_heads + part.head], room->x);
    c->sk->scan_step(n, part.n, steps[part.head], b, to_read, room->x, state, room->o);
    c->f->k->add_scaled(part.n_used, room->o, x, c->l->v[HL_W_STATE_D_COLUMN][part.head], room->o);
}

/* The gate comes first, then the norm of each group. */
static void finish_mamba2(const hl_recurrent *c, uint32_t row) {
    const hl_state_params *p = c->p;
    const size_t           n = p->inner / p->n_groups;
    const float           *norm = c->l->v[HL_W_STATE_NORM_GROUPS];
    float                 *y = hl_recurrent_y(c, row);
    c->f->k->silu_mul(p->inner, hl_recurrent_in(c, row) + p->gate_at, y, y);
    for (uint32_t g = 0; norm && g < p->n_groups; g++)
        c->f->k->rmsnorm(n, y + g * n, norm + g * n, c->f->m->hp.rms_eps, y + g * n);
}

const hl_recurrent_kind hl_mamba2 = {.ready = ready_mamba2, .step = step_mamba2, .finish = finish_mamba2};

/* ---- Mamba-1 ------------------------------------------------------------------------------------ */

static void norm_part(const hl_recurrent *c, size_t n, hl_weight norm, float *x) {
    const float *weight = c->l->v[norm];
    if (weight || c->p->norms_steps) c->f->k->rmsnorm(n, x, weight, c->f->m->hp.rms_eps, x);
}

/* A row of `steps`: time steps of all channels, then what they are made of, B, C. */
static float *low_of(const hl_recurrent *c, uint32_t row) { return hl_recurrent_steps(c, row) + c->p->inner; }

static void write_conv(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_recurrent *c = ctx;
    hl_act_write(f, &c->b->low, c->l->need_state_low, row, c->p->inner, hl_recurrent_conv(c, row));
}

static void write_time(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_recurrent *c = ctx;
    float              *low = low_of(c, row);
    norm_part(c, c->p->dt_rank, HL_W_STATE_DT_NORM, low);
    norm_part(c, c->p->key_dim, HL_W_STATE_B_NORM, low + c->p->dt_rank);
    norm_part(c, c->p->key_dim, HL_W_STATE_C_NORM, low + c->p->dt_rank + c->p->key_dim);
    hl_act_write(f, &c->b->low, c->l->need_state_low, row, c->p->dt_rank, low);
}

static void between_mamba1(const hl_recurrent *c) {
    hl_rows_run(c->f, c->f->n_rows, write_conv, c);
    hl_recurrent_multiply(c, &c->l->w[HL_W_STATE_X], c->b->steps + c->p->inner, c->p->step_cols);
    if (hl_pass_stopped(c->f)) return;
    hl_rows_run(c->f, c->f->n_rows, write_time, c);
    hl_recurrent_multiply(c, &c->l->w[HL_W_STATE_DT], c->b->steps, c->p->step_cols);
}

static void ready_mamba1(const hl_recurrent *c, uint32_t row) {
    const float *bias = c->l->v[HL_W_STATE_DT_CHANNEL_BIAS];
    float       *dt = hl_recurrent_steps(c, row);
    for (uint32_t i = 0; i < c->p->inner; i++) dt[i] = hl_softplus(dt[i] + bias[i]);
}

static void step_mamba1(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                        float *state) {
    const hl_state_params *p = c->p;
    const hl_kernels      *k = c->f->k;
    const float           *x = hl_recurrent_conv(c, row) + part.col;
    const float           *b = low_of(c, row) + p->dt_rank, *to_read = b + p->key_dim;
    memcpy(room->dt, hl_recurrent_steps(c, row) + part.col, part.n_used * sizeof *x);
    memset(room->dt + part.n_used, 0, (part.n - part.n_used) * sizeof *x);
    fill_values(c, part, x, room->dt, 0, room->x);
    c->sk->select_step(p->key_dim, part.n, room->dt, c->l->decays + part.col, hl_state_cols(p), b, to_read,
                       room->x, state, room->o);
    c->sk->mul(part.n_used, c->l->v[HL_W_STATE_D_CHANNELS] + part.col, x, room->x);
    k->add(part.n_used, room->o, room->x, room->o);
}

static void finish_mamba1(const hl_recurrent *c, uint32_t row) {
    float *y = hl_recurrent_y(c, row);
    c->f->k->silu_mul(c->p->inner, hl_recurrent_in(c, row) + c->p->gate_at, y, y);
}

const hl_recurrent_kind hl_mamba1 = {
    .between = between_mamba1, .ready = ready_mamba1, .step = step_mamba1, .finish = finish_mamba1};
