/* SPDX-License-Identifier: MIT
 *
 * delta_net.c - gated delta nets: a state that forgets, and learns the difference between what it would
 * have said of a key and what the value is.
 *
 * With one decay per head (Qwen3-Next, Qwen3.5) or one per key channel (Kimi Linear). A convolved row is
 * queries, keys, values; queries and keys have length one, queries also 1 / sqrt(size).
 * from: "Gated Delta Networks", arXiv 2412.06464; "Kimi Linear", arXiv 2510.26692
 */
#include <math.h>
#include <string.h>

#include "engine/forward/recurrent.h"

static float sigmoid(float x) { return (float)(1.0 / (1.0 + exp(-(double)x))); }

/* Queries and keys of all heads that have their own. */
static void ready_keys(const hl_recurrent *c, uint32_t row) {
    const size_t      n = c->p->key_dim, n_keys = c->p->n_groups;
    const hl_kernels *k = c->f->k;
    const float       eps = c->f->m->hp.rms_eps, scale = 1.0f / sqrtf((float)n);
    float            *q = hl_recurrent_conv(c, row), *key = q + n * n_keys;
    for (size_t h = 0; h < n_keys; h++) {
        c->sk->l2norm(n, q + h * n, eps, q + h * n);
        k->scale(n, q + h * n, scale, q + h * n);
        c->sk->l2norm(n, key + h * n, eps, key + h * n);
    }
}

/* Zeros behind values that are fewer than a step takes. */
static const float *values_of(const hl_recurrent *c, uint32_t row, hl_step_part part,
                              const hl_step_room *room) {
    const hl_state_params *p = c->p;
    const float           *v = hl_recurrent_conv(c, row) + 2 * (size_t)p->key_dim * p->n_groups +
                     (size_t)part.head * p->value_dim + part.col;
    if (part.n_used == part.n) return v;
    memcpy(room->x, v, part.n_used * sizeof *v);
    memset(room->x + part.n_used, 0, (part.n - part.n_used) * sizeof *v);
    return room->x;
}

static void step_with(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                      const float *decay, float beta, uint32_t key_head, float *state) {
    const size_t n = c->p->key_dim;
    const float *q = hl_recurrent_conv(c, row) + key_head * n, *k = q + n * c->p->n_groups;
    c->sk->delta_step(n, part.n, decay, k, q, values_of(c, row, part, room), beta, state, room->o);
}

/* Heads of values have norms of their own, all with the same weights. */
static void norm_heads(const hl_recurrent *c, float *y) {
    const size_t n = c->p->value_dim;
    for (uint32_t h = 0; h < c->p->n_heads; h++)
        c->f->k->rmsnorm(n, y + h * n, c->l->v[HL_W_STATE_NORM], c->f->m->hp.rms_eps, y + h * n);
}

/* ---- one decay per head ------------------------------------------------------------------------- */

/* Decays, then betas, of each head. Where both come of one matrix, its rows are by key head: those of
 * its value heads for beta, then for alpha. */
static void ready_gated(const hl_recurrent *c, uint32_t row) {
    const hl_state_params *p = c->p;
    const float           *in = hl_recurrent_in(c, row);
    const float           *a = c->l->v[HL_W_STATE_A], *bias = c->l->v[HL_W_STATE_DT_BIAS];
    float                 *decay = hl_recurrent_steps(c, row), *beta = decay + p->n_heads;
    const uint32_t         each = p->n_heads / p->n_groups;
    const bool             joint = c->l->w[HL_W_STATE_BETA_ALPHA].data != NULL;
    ready_keys(c, row);
    for (uint32_t h = 0; h < p->n_heads; h++) {
        const uint32_t at = h / each * 2 * each + h % each;
        const float    b = joint ? in[p->beta_at + at] : in[p->beta_at + h];
        const float    alpha = joint ? in[p->beta_at + at + each] : in[p->alpha_at + h];
        decay[h] = (float)exp((double)(hl_softplus(alpha + bias[h]) * a[h]));
        beta[h] = sigmoid(b);
    }
}

static void step_gated(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                       float *state) {
    const hl_state_params *p = c->p;
    const float           *steps = hl_recurrent_steps(c, row);
    const uint32_t         each = p->n_heads / p->n_groups;
    const uint32_t key_head = c->f->m->arch->key_heads_in_blocks ? part.head / each : part.head % p->n_groups;
    for (uint32_t i = 0; i < p->key_dim; i++) room->decay[i] = steps[part.head];
    step_with(c, row, part, room, room->decay, steps[p->n_heads + part.head], key_head, state);
}

static void finish_gated(const hl_recurrent *c, uint32_t row) {
    float *y = hl_recurrent_y(c, row);
    norm_heads(c, y);
    c->f->k->silu_mul(c->p->inner, hl_recurrent_in(c, row) + c->p->gate_at, y, y);
}

const hl_recurrent_kind hl_gated_delta = {.ready = ready_gated, .step = step_gated, .finish = finish_gated};

/* ---- one decay per key channel ------------------------------------------------------------------ */

typedef struct low_ctx {
    const hl_recurrent *c;
    size_t              at; /* of a row */
} low_ctx;

static void write_low_row(hl_pass *f, const void *ctx, uint32_t row) {
    const low_ctx      *x = ctx;
    const hl_recurrent *c = x->c;
    hl_act_write(f, &c->b->low, c->l->need_state_low, row, c->p->low_cols, hl_recurrent_in(c, row) + x->at);
}

static void write_low(const hl_recurrent *c, size_t at) {
    hl_rows_run(c->f, c->f->n_rows, write_low_row, &(low_ctx){c, at});
}

/* Decays and gates of all channels come of two matrices each. */
static void between_keyed(const hl_recurrent *c) {
    const hl_state_params *p = c->p;
    write_low(c, p->low_at);
    hl_recurrent_multiply(c, &c->l->w[HL_W_KDA_DECAY_UP], c->b->steps, p->step_cols);
    write_low(c, p->low_at + p->low_cols);
    hl_recurrent_multiply(c, &c->l->w[HL_W_KDA_GATE_UP], c->b->steps + p->inner, p->step_cols);
}

static void ready_keyed(const hl_recurrent *c, uint32_t row) {
    const hl_state_params *p = c->p;
    const float           *a = c->l->v[HL_W_STATE_A_COLUMN], *bias = c->l->v[HL_W_STATE_DT_CHANNEL_BIAS];
    float                 *decay = hl_recurrent_steps(c, row), *beta = decay + 2 * (size_t)p->inner;
    ready_keys(c, row);
    for (uint32_t i = 0; i < p->inner; i++)
        decay[i] = (float)exp((double)(hl_softplus(decay[i] + bias[i]) * a[i / p->key_dim]));
    for (uint32_t h = 0; h < p->n_heads; h++) beta[h] = sigmoid(hl_recurrent_in(c, row)[p->beta_at + h]);
}

static void step_keyed(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                       float *state) {
    const float *steps = hl_recurrent_steps(c, row);
    step_with(c, row, part, room, steps + (size_t)part.head * c->p->key_dim,
              steps[2 * (size_t)c->p->inner + part.head], part.head, state);
}

static void finish_keyed(const hl_recurrent *c, uint32_t row) {
    float *y = hl_recurrent_y(c, row);
    norm_heads(c, y);
    c->f->k->sigmoid_mul(c->p->inner, hl_recurrent_steps(c, row) + c->p->inner, y, y);
}

const hl_recurrent_kind hl_keyed_delta = {
    .between = between_keyed, .ready = ready_keyed, .step = step_keyed, .finish = finish_keyed};
