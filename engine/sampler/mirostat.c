/* SPDX-License-Identifier: MIT
 *
 * mirostat.c - candidates that are too surprising are cut so that the surprise of what is drawn stays near
 * tau bits.
 * from: Basu et al., "Mirostat: A Neural Text Decoding Algorithm that Directly Controls Perplexity", 2021 (1:
 * the limit is a rank by Zipf's law; 2: the limit is the surprise itself)
 */
#include <math.h>

#include "engine/sampler/filters.h"

enum { ZIPF_TOKENS = 100 /* m of the paper: ranks that the exponent is estimated from */ };

void hl_mirostat_init(hl_mirostat *m, const hl_sampler_params *p) { m->mu = 2.0 * (double)p->mirostat_tau; }

/* Zipf's exponent from the weights of neighbouring ranks. */
static double zipf_exponent(const hl_candidate *c, size_t n) {
    double top = 0, bottom = 0;
    for (size_t i = 0; i + 1 < n && i + 1 < ZIPF_TOKENS; i++) {
        if (!(c[i + 1].weight > 0)) break;
        const double t = log((double)(i + 2) / (double)(i + 1));
        top += t * log((double)c[i].weight / (double)c[i + 1].weight);
        bottom += t * t;
    }
    return bottom > 0 ? top / bottom : 0;
}

/* How many of the best are kept: version 1. c[] begins with ZIPF_TOKENS in order. */
static size_t rank_limit(const hl_candidate *c, size_t n, double mu) {
    const double s = zipf_exponent(c, n), e = s - 1;
    if (!(s > 0)) return n;
    const double room = fabs(e) < 1e-9 ? log((double)n) : (1 - pow((double)n, -e)) / e;
    const double k = pow(pow(2, mu) / room, 1 / s);
    return !(k > 1) ? 1 : k >= (double)n ? n : (size_t)k;
}

static double surprise(const hl_candidate *c, double sum) { return -log2(c->weight / sum); }

static size_t keep_by_rank(hl_candidate *c, size_t n, double mu) {
    hl_sort_best_by_key(c, n, n < ZIPF_TOKENS ? n : ZIPF_TOKENS);
    const size_t kept = rank_limit(c, n, mu);
    if (kept > ZIPF_TOKENS) hl_sort_best_by_key(c, n, kept);
    return kept;
}

/* Move what may be kept to the front: by its weight, with some room for weights that are not quite in the
 * order of their logits (hl_exp_down()). */
static size_t gather_likely(hl_candidate *c, size_t n, double bar) {
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(c[i].weight >= bar)) continue;
        const hl_candidate x = c[i];
        c[i] = c[end];
        c[end++] = x;
    }
    return end;
}

/* Version 2. Only what may be kept is put in order: some hundred of a vocabulary of 100,000. */
static size_t keep_by_surprise(hl_candidate *c, size_t n, double sum, double mu) {
    const double room = 1 - 1e-5;
    n = gather_likely(c, n, room * sum * exp2(-mu));
    if (n == 0) return 0;
    hl_sort_by_key(c, n);
    size_t kept = 1;
    while (kept < n && surprise(&c[kept], sum) <= mu) kept++;
    return kept;
}

int32_t hl_mirostat_draw(hl_mirostat *m, hl_candidate *c, size_t n, const hl_sampler_params *p,
                         hl_random *r) {
    double sum = hl_weigh(c, n, p->temperature);
    if (!(sum > 0)) return -1;
    for (size_t i = 0; i < n; i++) c[i].key = c[i].logit;
    size_t kept = p->mirostat == 1 ? keep_by_rank(c, n, m->mu) : keep_by_surprise(c, n, sum, m->mu);
    if (kept == 0) { /* all are too surprising: the best one */
        hl_sort_best_by_key(c, n, 1);
        kept = 1;
    }
    n = kept;
    sum = 0;
    for (size_t i = 0; i < n; i++) sum += c[i].weight;
    const int32_t id = hl_draw(c, n, sum, hl_random_next(r));
    for (size_t i = 0; i < n; i++)
        if (c[i].id == id)
            m->mu -= (double)p->mirostat_eta * (surprise(&c[i], sum) - (double)p->mirostat_tau);
    return id;
}
