/* SPDX-License-Identifier: MIT
 *
 * filters.h - the parts of the sampling chain, each in a file of its own; filters.def has their order.
 *
 * A filter keeps a part of the candidates, moved to the front, in no order that matters. Candidates are
 * totally ordered, by logit falling and then by id rising, so that what is kept never depends on chance.
 */
#ifndef HL_ENGINE_SAMPLER_FILTERS_H
#define HL_ENGINE_SAMPLER_FILTERS_H

#include "hyperlama/sampler.h"

typedef struct hl_candidate {
    float   logit;
    int32_t id;
    float   weight; /* exp(logit - largest logit): set by hl_weigh() */
    float   key;    /* what hl_keep_mass() orders by, falling */
} hl_candidate;

/* Tokens counted in the window of the penalties. */
typedef struct hl_penalties {
    float     repeat, frequency, presence;
    int32_t   last_n; /* -1: everything */
    int32_t  *window; /* [last_n] ring; NULL when last_n is -1 */
    int32_t   n_window, at;
    uint32_t *counts;  /* [n_vocab] */
    int32_t  *seen;    /* [n_vocab] the tokens with a count, in no order */
    int32_t  *seen_at; /* [n_vocab] where in `seen` */
    int32_t   n_seen;
} hl_penalties;

/* A generator of its own: the C library's differ between systems. xoshiro256++ */
typedef struct hl_random {
    uint64_t s[4];
} hl_random;

void   hl_random_init(hl_random *r, uint64_t seed);
double hl_random_next(hl_random *r); /* uniform in [0, 1), 53 bits */

hl_status hl_penalties_init(hl_penalties *p, const hl_sampler_params *params, int32_t n_vocab, hl_err *err);
void      hl_penalties_done(hl_penalties *p);
bool      hl_penalties_on(const hl_penalties *p);
void      hl_penalties_count(hl_penalties *p, int32_t token);
void      hl_penalties_apply(const hl_penalties *p, float *logits);

/* e^x for x <= 0, relative error below 3e-7; 0 below -40, which no sum would notice. */
static inline float hl_exp_down(float x) {
    if (!(x > -40)) return 0;
    const float y = x * 1.44269504f;
    const int   n = (int)(y - 0.5f); /* rounds to nearest: y <= 0 */
    const float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f; /* |r| <= ln 2 / 2 */
    const float e =
        1 + r * (1 + r * (0.5f + r * (1.66666667e-1f +
                                      r * (4.16666667e-2f + r * (8.33333333e-3f + r * 1.38888889e-3f)))));
    const union {
        uint32_t bits;
        float    f;
    } scale = {(uint32_t)(n + 127) << 23};
    return e * scale.f;
}

/* A logit as the chain sees it: +INFINITY is the largest number. NaN stays. */
static inline float hl_clean_logit(float x) { return x > 0x1.fffffep+127f ? 0x1.fffffep+127f : x; }

/* Is one of 16 logits above the bar, or NaN? Branch-free, so that it becomes vector code. */
static inline bool hl_any_above_16(const float *x, float bar) {
    int any = 0;
    for (int i = 0; i < 16; i++) any |= !(x[i] <= bar);
    return any;
}

/* Fill c[] with the k best of n_vocab logits (all of them for k <= 0 or k >= n_vocab); returns how many: 0
 * when one of the logits is NaN. */
size_t hl_top_k(hl_candidate *c, const float *logits, int32_t n_vocab, int32_t k);

/* What a filter may look at beyond the candidates. */
typedef struct hl_filter_ctx {
    const hl_sampler_params *p;
    hl_random               *random;
    const float             *logits; /* [n_vocab] of all tokens, changed by bias and penalties */
    int32_t                  n_vocab;
} hl_filter_ctx;

typedef size_t hl_filter_fn(hl_candidate *c, size_t n, hl_filter_ctx *x);
#define HL_FILTER(name) hl_filter_fn hl_filter_##name;
#include "engine/sampler/filters.def"
#undef HL_FILTER

/* The temperature for these candidates: high where the model is unsure (dynatemp_range). */
float hl_dynamic_temperature(hl_candidate *c, size_t n, const hl_sampler_params *p);

/* Mirostat: draw so that the surprise stays near tau. */
typedef struct hl_mirostat {
    double mu; /* the highest surprise that is allowed now, bits */
} hl_mirostat;
void    hl_mirostat_init(hl_mirostat *m, const hl_sampler_params *p);
int32_t hl_mirostat_draw(hl_mirostat *m, hl_candidate *c, size_t n, const hl_sampler_params *p, hl_random *r);

/* DRY: what would repeat an earlier passage becomes less likely, the longer the passage the less. */
typedef struct hl_dry {
    float    multiplier, base;
    int32_t  allowed_length, last_n; /* -1: everything */
    int32_t *history;                /* [n] tokens, the oldest first; NULL: off */
    int32_t *z;                      /* [cap] scratch */
    int32_t *longest;                /* [n_vocab] of passages that a token would go on; 0: none */
    size_t   n, cap;
    int32_t *breakers; /* [n_breakers] rising */
    size_t   n_breakers;
} hl_dry;
hl_status hl_dry_init(hl_dry *d, const hl_sampler_params *p, int32_t n_vocab, hl_err *err);
void      hl_dry_done(hl_dry *d);
bool      hl_dry_on(const hl_dry *d);
void      hl_dry_count(hl_dry *d, int32_t token);
void      hl_dry_apply(hl_dry *d, float *logits);

/* Set the weights for a temperature; returns their sum. */
double hl_weigh(hl_candidate *c, size_t n, float temperature);
/* The id that `u` in [0, 1) falls on. */
int32_t hl_draw(const hl_candidate *c, size_t n, double sum, double u);

/* Order all by key, falling (ties: lower id). */
void hl_sort_by_key(hl_candidate *c, size_t n);

/* Put the k with the largest keys (ties: lower id) to the front, in that order; the rest is behind them. */
void hl_sort_best_by_key(hl_candidate *c, size_t n, size_t k);

/* Keep the candidates with the largest keys (ties: lower id) until their weights add up to `mass`. */
size_t hl_keep_mass(hl_candidate *c, size_t n, double mass);

#endif
