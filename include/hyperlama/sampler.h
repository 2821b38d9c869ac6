/* SPDX-License-Identifier: MIT
 *
 * sampler.h - from logits to the next token.
 *
 * A sampler is a chain of filters with a state (history, random numbers) that belongs to one sequence.
 * Same parameters, seed and logits: same tokens. Not thread safe; one sampler per sequence.
 * Defaults and ranges stand in sampler.def.
 */
#ifndef HL_SAMPLER_H
#define HL_SAMPLER_H

#include "hyperlama/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_logit_bias {
    int32_t token;
    float   bias; /* added to the logit; -INFINITY bans the token */
} hl_logit_bias;

/* What may come next, by somebody who knows: a grammar, a schema. Called on the thread that samples. */
typedef struct hl_constraint {
    void *self;
    /* A bit for each token of the vocabulary, [(n_vocab + 31) / 32], of those that may be chosen; NULL: all.
     * Valid until the next call. Where it allows none there is nothing to choose from. */
    const uint32_t *(*allowed)(void *self);
    void (*accept)(void *self, int32_t token); /* this one was chosen, or stands in the prompt's end */
    bool (*is_done)(void *self); /* nothing may follow: the answer ends with what it has; NULL: never */
    /* Tokens that are likely to come next because little else may, into ids[cap]; returns how many. Drafts
     * only: they are chosen, or not, as any token is. NULL: none */
    size_t (*draft)(void *self, int32_t *ids, size_t cap);
    /* How many of the tokens, from the first on, could come one behind the other: no row is spent on a draft
     * that cannot. NULL: all of them */
    size_t (*fits)(void *self, const int32_t *ids, size_t n);
} hl_constraint;

typedef struct hl_sampler_params {
    float   temperature;       /* 0: greedy */
    int32_t top_k;             /* below 1: off */
    float   top_p;             /* 1: off */
    float   min_p;             /* 0: off */
    float   typical_p;         /* 1: off */
    float   repeat_penalty;    /* 1: off */
    int32_t repeat_last_n;     /* window of the penalties; 0 off, -1 whole context */
    float   presence_penalty;  /* 0: off */
    float   frequency_penalty; /* 0: off */
    float   dry_multiplier;    /* 0: off */
    float   dry_base;
    int32_t dry_allowed_length; /* tokens that may be repeated at no cost */
    int32_t dry_penalty_last_n; /* tokens that are looked at; 0 off, -1 whole context */
    float   top_n_sigma;        /* 0: off */
    float   xtc_probability;    /* 0: off */
    float   xtc_threshold;
    float   dynatemp_range; /* 0: off; else the temperature follows the entropy in temperature +- range */
    float   dynatemp_exponent;
    int32_t mirostat; /* 0: off; 1, 2: then only bias, penalties and temperature still count */
    float   mirostat_tau;
    float   mirostat_eta;
    int64_t seed;              /* < 0: from the clock; hl_sampler_seed() tells which */
    const hl_logit_bias *bias; /* [n_bias], copied */
    size_t               n_bias;
    const int32_t       *dry_breakers; /* [n_dry_breakers] tokens that no repetition reaches across, copied */
    size_t               n_dry_breakers;
    const hl_constraint *constraint; /* must outlive the sampler; NULL: none */
} hl_sampler_params;

typedef struct hl_logprob {
    int32_t token;
    float   logprob; /* natural logarithm, of the model's own distribution (before any filter) */
} hl_logprob;

typedef struct hl_sampler hl_sampler;

HL_API void hl_sampler_params_init(hl_sampler_params *p); /* the defaults of sampler.def */

/* fails  HL_E_ARG a parameter out of range, named with its range; HL_E_NOMEM */
HL_API HL_MUST_CHECK hl_status hl_sampler_new(const hl_sampler_params *p, int32_t n_vocab,
                                              hl_sampler **ret_sampler, hl_err *err);
HL_API void                    hl_sampler_free(hl_sampler *s);
HL_API int64_t                 hl_sampler_seed(const hl_sampler *s);

/* Count a token of the prompt for the penalties. */
HL_API void hl_sampler_see(hl_sampler *s, int32_t token);
/* A token of the answer: counts for the penalties, and the constraint moves on. */
HL_API void hl_sampler_accept(hl_sampler *s, int32_t token);
/* Does its constraint let nothing follow what was accepted? */
HL_API bool hl_sampler_is_done(const hl_sampler *s);
/* The constraint's drafts of the next tokens; returns how many. */
HL_API size_t hl_sampler_draft(hl_sampler *s, int32_t *ids, size_t cap);
/* How many of these drafts, [n], its constraint could let come; all of them without one. */
HL_API size_t hl_sampler_fits(const hl_sampler *s, const int32_t *ids, size_t n);

/* Choose the next token. Does not accept it. Allocates nothing.
 *
 * in     logits  [n_vocab] f32, not changed
 * out    the id, in [0, n_vocab); -1 when there is nothing to choose from: a logit is NaN, or with bias,
 *        penalties and constraint all are -INFINITY (+INFINITY counts as the largest number) */
HL_API int32_t hl_sampler_sample(hl_sampler *s, const float *logits);

/* Logprob of `token`, and the `n_top` most likely ones, best first (ties: lower id first).
 * out    ret_top  [n_top]; returns the logprob of `token`. Where a logit is NaN, or none is above -INFINITY,
 *        there is no distribution: the logprob is NaN, and so are those of ret_top, of token -1 */
HL_API float hl_logprobs_top(const float *logits, int32_t n_vocab, int32_t token, size_t n_top,
                             hl_logprob *ret_top);

#ifdef __cplusplus
}
#endif
#endif
