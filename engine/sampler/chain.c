/* SPDX-License-Identifier: MIT
 *
 * chain.c - the sampler: bias, penalties, DRY and the constraint change logits; the best top_k become
 * candidates; filters.def keeps some of them; temperature; one is drawn, or mirostat draws it from the
 * candidates that top_k left.
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
    hl_dry            dry;
    hl_mirostat       mirostat;
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
    for (size_t i = 0; i < p->n_dry_breakers; i++)
        if (p->dry_breakers[i] < 0 || p->dry_breakers[i] >= n_vocab)
            return hl_fail(err, HL_E_ARG, "dry_breakers has token %" PRId32 ", expected 0..%" PRId32,
                           p->dry_breakers[i], n_vocab - 1);
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

/* The largest logit is the answer: only typical, being about surprise, and xtc may drop it. */
static bool is_greedy(const hl_sampler_params *p) {
    const bool is_cold = p->temperature == 0 && (p->mirostat > 0 || p->dynatemp_range <= 0);
    const bool keeps_best = p->mirostat > 0 || (p->typical_p >= 1 && p->xtc_probability <= 0);
    return (is_cold && keeps_best) || (p->top_k == 1 && p->mirostat == 0);
}

/* Mirostat looks at all of them. */
static int32_t top_k_of(const hl_sampler_params *p) { return p->mirostat > 0 ? 0 : p->top_k; }

static hl_status make_buffers(hl_sampler *s, hl_err *err) {
    const hl_sampler_params *p = &s->p;
    bool                     ok = true;
    if (p->n_bias) {
        s->bias = hl_new(p->n_bias, sizeof *s->bias);
        if (s->bias) memcpy(s->bias, p->bias, p->n_bias * sizeof *s->bias);
        ok = s->bias != NULL;
    }
    s->p.bias = s->bias;
    hl_status status = hl_penalties_init(&s->penalties, p, s->n_vocab, err);
    if (status == HL_OK) status = hl_dry_init(&s->dry, p, s->n_vocab, err);
    if (status != HL_OK) return status;
    s->p.dry_breakers = NULL; /* dry has a copy */
    hl_mirostat_init(&s->mirostat, p);
    if (p->n_bias || hl_penalties_on(&s->penalties) || hl_dry_on(&s->dry) || p->constraint) {
        s->logits = hl_new((size_t)s->n_vocab, sizeof *s->logits);
        ok = ok && s->logits;
    }
    if (!is_greedy(p)) {
        const int32_t k = top_k_of(p);
        const int32_t n = k > 0 && k < s->n_vocab ? k : s->n_vocab;
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
    hl_dry_done(&s->dry);
    hl_free(s->bias);
    hl_free(s->logits);
    hl_free(s->candidates);
    hl_free(s);
}

int64_t hl_sampler_seed(const hl_sampler *s) { return s->seed; }

void hl_sampler_see(hl_sampler *s, int32_t token) {
    if (token < 0 || token >= s->n_vocab) return;
    if (hl_penalties_on(&s->penalties)) hl_penalties_count(&s->penalties, token);
    if (hl_dry_on(&s->dry)) hl_dry_count(&s->dry, token);
}

void hl_sampler_accept(hl_sampler *s, int32_t token) {
    hl_sampler_see(s, token);
    if (s->p.constraint) s->p.constraint->accept(s->p.constraint->self, token);
}

bool hl_sampler_is_done(const hl_sampler *s) {
    const hl_constraint *k = s->p.constraint;
    return k && k->is_done && k->is_done(k->self);
}

size_t hl_sampler_draft(hl_sampler *s, int32_t *ids, size_t cap) {
    const hl_constraint *k = s->p.constraint;
    return k && k->draft ? k->draft(k->self, ids, cap) : 0;
}

size_t hl_sampler_fits(const hl_sampler *s, const int32_t *ids, size_t n) {
    const hl_constraint *k = s->p.constraint;
    return k && k->fits ? k->fits(k->self, ids, n) : n;
}

/* 32 tokens at a time: nearly always all of them may come, or none. */
static void ban_what_is_not_allowed(float *logits, int32_t n_vocab, const uint32_t *allowed) {
    for (int32_t first = 0; first < n_vocab; first += 32) {
        const uint32_t word = allowed[first / 32];
        const int32_t  n = n_vocab - first < 32 ? n_vocab - first : 32;
        if (word == UINT32_MAX) continue;
        for (int32_t i = 0; i < n; i++) logits[first + i] = word >> i & 1 ? logits[first + i] : -INFINITY;
    }
}

static const float *changed_logits(hl_sampler *s, const float *logits) {
    const uint32_t *allowed = s->p.constraint ? s->p.constraint->allowed(s->p.constraint->self) : NULL;
    const bool      changes = s->p.n_bias || hl_penalties_on(&s->penalties) || hl_dry_on(&s->dry);
    if (!changes && !allowed) return logits;
    memcpy(s->logits, logits, (size_t)s->n_vocab * sizeof *logits);
    for (size_t i = 0; i < s->p.n_bias; i++) s->logits[s->bias[i].token] += s->bias[i].bias;
    if (hl_penalties_on(&s->penalties)) hl_penalties_apply(&s->penalties, s->logits);
    if (hl_dry_on(&s->dry)) hl_dry_apply(&s->dry, s->logits);
    if (allowed) ban_what_is_not_allowed(s->logits, s->n_vocab, allowed);
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
    size_t        n = hl_top_k(c, x, s->n_vocab, top_k_of(p));
    if (n == 0) return -1;
    if (p->mirostat > 0) return hl_mirostat_draw(&s->mirostat, c, n, p, &s->random);
    hl_filter_ctx ctx = {.p = p, .random = &s->random, .logits = x, .n_vocab = s->n_vocab};
#define HL_FILTER(name) n = hl_filter_##name(c, n, &ctx);
#include "engine/sampler/filters.def"
#undef HL_FILTER
    const float temperature = hl_dynamic_temperature(c, n, p);
    if (temperature < COLD) return largest_candidate(c, n);
    const double sum = hl_weigh(c, n, temperature);
    return sum > 0 ? hl_draw(c, n, sum, hl_random_next(&s->random)) : -1;
}
