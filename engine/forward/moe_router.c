/* SPDX-License-Identifier: MIT
 *
 * moe_router.c - choose experts: shares from scores, the best few by share (with a bias, in the best groups),
 * renormalised and scaled.
 * from: DeepSeek-V3 technical report, arXiv 2412.19437, section 2.1.2; the model cards of the families named
 * in arch.h
 */
#include "engine/forward/moe_router.h"

#include <math.h>
#include <string.h>

/* Sums of shares are not taken to be less: the reference's bound, the smallest normal f16. */
static const float LEAST_SUM = 6.103515625e-5f;

/* A router that computed no numbers has no best expert. -INFINITY is a score: never this one. */
static bool are_scores(const hl_pass *f, const float *p, uint32_t n) {
    float best = -INFINITY;
    if (f->k->all_finite(n, p)) return true;
    for (uint32_t e = 0; e < n; e++) {
        if (!(p[e] < INFINITY)) return false;
        if (p[e] > best) best = p[e];
    }
    return best > -INFINITY;
}

static void gate_scores(const hl_pass *f, uint32_t n, float *p) {
    switch (f->m->hp.router.gate) {
    case HL_GATE_SOFTMAX: f->k->softmax(n, p, 1.0f, NULL); return;
    case HL_GATE_SIGMOID: f->k->sigmoid_mul(n, p, f->m->ones, p); return;
    case HL_GATE_SQRT_SOFTPLUS:
        for (uint32_t e = 0; e < n; e++)
            p[e] = (float)sqrt(p[e] > 20 ? (double)p[e] : log1p(exp((double)p[e])));
        return;
    default: return; /* softmax over those that are chosen */
    }
}

/* The sum of a group's two best ranks. */
static float rank_of_group(const float *ranks, uint32_t n) {
    float best = -INFINITY, second = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        if (ranks[i] > best) {
            second = best;
            best = ranks[i];
        } else if (ranks[i] > second) {
            second = ranks[i];
        }
    }
    return n > 1 ? best + second : best;
}

/* Experts outside the best groups are taken out. */
static void keep_best_groups(const hl_hparams *hp, const float *ranks, uint8_t *taken) {
    const uint32_t n_groups = hp->router.n_groups, n_each = hp->n_experts / n_groups;
    float          rank[HL_MAX_EXPERTS];
    bool           is_kept[HL_MAX_EXPERTS] = {false};
    for (uint32_t g = 0; g < n_groups; g++) rank[g] = rank_of_group(ranks + g * n_each, n_each);
    for (uint32_t i = 0; i < hp->router.n_groups_used; i++) {
        uint32_t best = n_groups;
        for (uint32_t g = 0; g < n_groups; g++)
            if (!is_kept[g] && (best == n_groups || rank[g] > rank[best])) best = g;
        is_kept[best] = true;
    }
    for (uint32_t g = 0; g < n_groups; g++)
        if (!is_kept[g]) memset(taken + g * n_each, 1, n_each);
}

static void pick(const hl_hparams *hp, const float *ranks, uint32_t *ret_chosen) {
    uint8_t taken[HL_MAX_EXPERTS];
    memset(taken, 0, hp->n_experts);
    if (hp->router.n_groups > 1) keep_best_groups(hp, ranks, taken);
    for (uint32_t i = 0; i < hp->n_experts_used; i++) {
        uint32_t best = hp->n_experts;
        for (uint32_t e = 0; e < hp->n_experts; e++)
            if (!taken[e] && (best == hp->n_experts || ranks[e] > ranks[best])) best = e;
        ret_chosen[i] = best;
        taken[best] = 1;
    }
}

static void finish_shares(const hl_pass *f, uint32_t n, float *share) {
    const hl_router_params *r = &f->m->hp.router;
    float                   sum = 0;
    if (r->gate == HL_GATE_CHOSEN) f->k->softmax(n, share, 1.0f, NULL);
    for (uint32_t i = 0; i < n; i++) sum += share[i];
    if (sum < LEAST_SUM) sum = LEAST_SUM;
    for (uint32_t i = 0; i < n; i++) share[i] = (r->norms_shares ? share[i] / sum : share[i]) * r->scale;
}

typedef struct choose_ctx {
    hl_choices *c;
    uint32_t    i_layer;
} choose_ctx;

static void choose_row(hl_pass *f, const void *ctx, uint32_t row) {
    const choose_ctx *c = ctx;
    const hl_hparams *hp = &f->m->hp;
    const uint32_t    n = hp->n_experts, used = hp->n_experts_used;
    const float      *bias = f->m->layers[c->i_layer].v[HL_W_CHOICE_BIAS];
    float            *p = c->c->scores + (size_t)row * n, *ranks = p;
    uint32_t         *chosen = c->c->expert + (size_t)row * used;
    float            *share = c->c->share + (size_t)row * used;
    if (!are_scores(f, p, n)) {
        hl_row_note(f, row, HL_PLACE_ROUTER, c->i_layer);
        for (uint32_t i = 0; i < used; i++) {
            chosen[i] = i;
            share[i] = 0;
        }
        return;
    }
    if (f->m->arch->router.by_logits) {
        ranks = c->c->ranks + (size_t)row * n;
        memcpy(ranks, p, n * sizeof *p);
    }
    gate_scores(f, n, p);
    if (bias) {
        ranks = c->c->ranks + (size_t)row * n;
        f->k->add(n, p, bias, ranks);
    }
    pick(hp, ranks, chosen);
    for (uint32_t i = 0; i < used; i++) share[i] = p[chosen[i]];
    finish_shares(f, used, share);
}

void hl_choose_run(hl_pass *f, hl_choices *c, uint32_t i_layer) {
    const choose_ctx ctx = {.c = c, .i_layer = i_layer};
    hl_rows_run(f, f->n_rows, choose_row, &ctx);
}
