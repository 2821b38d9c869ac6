/* SPDX-License-Identifier: MIT
 *
 * chain.c - the sampler: bias -> penalties -> top_k -> typical -> top_p -> min_p -> temperature -> draw.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/sampler/filters.h"

static const float COLD = 1e-30f; /* its inverse is still a number; below it is greedy */

struct hl_sampler {
    hl_sampler_params p; /* .bias points to `bias` */
    int32_t           n_vocab;
    int64_t           seed;
    hl_random         random;
    hl_penalties      penalties;
    hl_logit_bias    *bias;
    float            *logits;     /* [n_vocab] a copy to change; NULL when nothing changes them */
    hl_candidate     *candidates; /* [top_k or n_vocab]; NULL when greedy */
};

void hl_sampler_params_init(hl_sampler_params *p) {
    *p = (hl_sampler_params){
#define HL_SAMPLER_REAL(name, otherwise, least, most)  .name = otherwise,
#define HL_SAMPLER_WHOLE(name, otherwise, least, most) .name = otherwise,
#include "hyperlama/sampler.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
    };
}

static hl_status check_real(const char *name, float value, float least, float most, hl_err *err) {
    if (value >= least && value <= most) return HL_OK;
    return hl_fail(err, HL_E_ARG, "%s is %g, expected %g..%g", name, (double)value, (double)least,
                   (double)most);
}

static hl_status check_whole(const char *name, int64_t value, int64_t least, int64_t most, hl_err *err) {
    if (value >= least && value <= most) return HL_OK;
    return hl_fail(err, HL_E_ARG, "%s is %" PRId64 ", expected %" PRId64 "..%" PRId64, name, value, least,
                   most);
}

static hl_status check_params(const hl_sampler_params *p, int32_t n_vocab, hl_err *err) {
    hl_status status = HL_OK;
#define HL_SAMPLER_REAL(name, otherwise, least, most)                                                        \
    if (status == HL_OK) status = check_real(#name, p->name, least, most, err);
#define HL_SAMPLER_WHOLE(name, otherwise, least, most)                                                       \
    if (status == HL_OK) status = check_whole(#name, p->name, least, most, err);
#include "hyperlama/sampler.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
    if (status != HL_OK) return status;
    if (n_vocab < 1)
        return hl_fail(err, HL_E_ARG, "a vocabulary of %" PRId32 " tokens, expected at least 1", n_vocab);
    for (size_t i = 0; i < p->n_bias; i++) {
        if (p->bias[i].token < 0 || p->bias[i].token >= n_vocab)
            return hl_fail(err, HL_E_ARG, "logit_bias of token %" PRId32 ", expected 0..%" PRId32,
                           p->bias[i].token, n_vocab - 1);
        if (isnan(p->bias[i].bias))
            return hl_fail(err, HL_E_ARG, "logit_bias of token %" PRId32 " is not a number",
                           p->bias[i].token);
    }
    return HL_OK;
}

/* 31 bits: every client can send it back. */
static int64_t seed_from_clock(const hl_sampler *s) {
    hl_random r;
    hl_random_init(&r, (uint64_t)hl_clock_wall_ms() * 1000003u ^ (uint64_t)hl_clock_ns() ^
                           (uint64_t)(uintptr_t)s);
    return (int64_t)(hl_random_next(&r) * 2147483648.0);
}

/* The largest logit is the answer: only typical may drop it, being about surprise. */
static bool is_greedy(const hl_sampler_params *p) {
    return (p->temperature == 0 && p->typical_p >= 1) || p->top_k == 1;
}

static hl_status make_buffers(hl_sampler *s, hl_err *err) {
    const hl_sampler_params *p = &s->p;
    bool                     ok = true;
    if (p->n_bias) {
        s->bias = hl_new(p->n_bias, sizeof *s->bias);
        if (s->bias) memcpy(s->bias, p->bias, p->n_bias * sizeof *s->bias);
        ok = s->bias != NULL;
    }
    s->p.bias = s->bias;
    const hl_status status = hl_penalties_init(&s->penalties, p, s->n_vocab, err);
    if (status != HL_OK) return status;
    if (p->n_bias || hl_penalties_on(&s->penalties)) {
        s->logits = hl_new((size_t)s->n_vocab, sizeof *s->logits);
        ok = ok && s->logits;
    }
    if (!is_greedy(p)) {
        const int32_t n = p->top_k > 0 && p->top_k < s->n_vocab ? p->top_k : s->n_vocab;
        s->candidates = hl_new((size_t)n, sizeof *s->candidates);
        ok = ok && s->candidates;
    }
    return ok ? HL_OK : hl_fail(err, HL_E_NOMEM, "no memory for a sampler");
}

hl_status hl_sampler_new(const hl_sampler_params *p, int32_t n_vocab, hl_sampler **ret_sampler, hl_err *err) {
    hl_status status = check_params(p, n_vocab, err);
    if (status != HL_OK) return status;
    hl_sampler *s = hl_new(1, sizeof *s);
    if (!s) return hl_fail(err, HL_E_NOMEM, "no memory for a sampler");
    s->p = *p;
    if (p->temperature < COLD) s->p.temperature = 0;
    s->n_vocab = n_vocab;
    s->seed = p->seed < 0 ? seed_from_clock(s) : p->seed;
    hl_random_init(&s->random, (uint64_t)s->seed);
    status = make_buffers(s, err);
    if (status != HL_OK) {
        hl_sampler_free(s);
        return status;
    }
    *ret_sampler = s;
    return HL_OK;
}

void hl_sampler_free(hl_sampler *s) {
    if (!s) return;
    hl_penalties_done(&s->penalties);
    hl_free(s->bias);
    hl_free(s->logits);
    hl_free(s->candidates);
    hl_free(s);
}

int64_t hl_sampler_seed(const hl_sampler *s) { return s->seed; }

void hl_sampler_accept(hl_sampler *s, int32_t token) {
    if (token >= 0 && token < s->n_vocab && hl_penalties_on(&s->penalties))
        hl_penalties_count(&s->penalties, token);
}

static const float *changed_logits(hl_sampler *s, const float *logits) {
    if (!s->logits) return logits;
    memcpy(s->logits, logits, (size_t)s->n_vocab * sizeof *logits);
    for (size_t i = 0; i < s->p.n_bias; i++) s->logits[s->bias[i].token] += s->bias[i].bias;
    if (hl_penalties_on(&s->penalties)) hl_penalties_apply(&s->penalties, s->logits);
    return s->logits;
}

/* -1: one of them is NaN, or all are -INFINITY. */
static int32_t largest(const float *logits, int32_t n) {
    int32_t best = -1, i = 0;
    float   max = -INFINITY;
    while (i < n) {
        const int32_t end = n - i < 16 ? n : i + 16;
        if (end - i == 16 && !hl_any_above_16(logits + i, max)) {
            i = end;
            continue;
        }
        for (; i < end; i++) {
            if (isnan(logits[i])) return -1;
            if (!(logits[i] > max)) continue;
            max = logits[i];
            best = i;
        }
    }
    return best;
}

static int32_t largest_candidate(const hl_candidate *c, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (c[i].logit > c[best].logit || (c[i].logit == c[best].logit && c[i].id < c[best].id)) best = i;
    return c[best].logit > -INFINITY ? c[best].id : -1;
}

int32_t hl_sampler_sample(hl_sampler *s, const float *logits) {
    const hl_sampler_params *p = &s->p;
    const float             *x = changed_logits(s, logits);
    if (is_greedy(p)) return largest(x, s->n_vocab);
    hl_candidate *c = s->candidates;
    size_t        n = hl_top_k(c, x, s->n_vocab, p->top_k);
    if (n == 0) return -1;
    n = hl_typical(c, n, p->typical_p);
    n = hl_top_p(c, n, p->top_p);
    n = hl_min_p(c, n, p->min_p);
    if (p->temperature == 0) return largest_candidate(c, n);
    const double sum = hl_weigh(c, n, p->temperature);
    return sum > 0 ? hl_draw(c, n, sum, hl_random_next(&s->random)) : -1;
}
