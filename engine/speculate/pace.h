/* SPDX-License-Identifier: MIT
 *
 * pace.h - how many guesses are worth their rows: what passes cost, and how often guesses were right.
 *
 * A pass over r rows takes cost(r), learnt from the passes there were; a guess that is the k-th in a row is right
 * with probability a^k, with a learnt for each sequence and quality of guess. Guesses are added as long as each makes
 * more tokens per second. Guesses that are not verified are compared with what comes anyway, so learning costs
 * nothing, and a text that does not repeat itself is not slowed down.
 *
 * The pace looks at the clock, so it differs from run to run; tokens do not.
 */
#ifndef HL_ENGINE_SPECULATE_PACE_H
#define HL_ENGINE_SPECULATE_PACE_H

#include "hyperlama/base.h"

enum {
    HL_PACE_ROWS = 64,
    HL_GRADE_RESUMED = 4,      /* behind a token that differed from the guess, as if only that one did */
    HL_GRADE_MODEL = 5,        /* guesses of a draft model */
    HL_GRADE_DISPUTED = 6,     /* where places of the text that are as good say something else */
    HL_GRADE_OTHER = 7,        /* what they say: the first, and the next behind it */
    HL_GRADE_MODEL_OTHER = 10, /* second choices of a draft model */
    HL_GRADE_PREDICTED = 11,   /* from a prediction of the answer, however long the match is */
    HL_PACE_GRADES = 12,
    HL_PACE_CHAIN = 15 /* most guesses of a bid */
};

/* Of the scheduler: what a pass over r generating rows takes, without prompts. Zeros are a valid start. */
typedef struct hl_pace {
    float    cost_ns[HL_PACE_ROWS + 1]; /* [rows]; 0: not seen yet */
    uint8_t  n_seen[HL_PACE_ROWS + 1];  /* measurements of it, up to 255; few when they are old */
    uint32_t n_notes;
} hl_pace;

void  hl_pace_note(hl_pace *p, uint32_t n_rows, int64_t ns);
float hl_pace_cost(const hl_pace *p, uint32_t n_rows); /* relative when nothing was seen */
/* Follow one more cost, as those of passes are followed; 0: not seen yet. */
void hl_pace_follow(float *cost_ns, int64_t ns);

/* Of a sequence: how often guesses of each grade were right. */
typedef struct hl_luck {
    float right[HL_PACE_GRADES];
} hl_luck;

void     hl_luck_init(hl_luck *l);
uint32_t hl_luck_grade(uint32_t match); /* of an n-gram's match length */
void     hl_luck_note(hl_luck *l, uint32_t grade, bool was_right);

/* A chain of guesses that could get rows. */
typedef struct hl_pace_bid {
    float
        chance[HL_PACE_CHAIN]; /* [n_cap] that a guess counts: it and all before it are right. Never rises */
    float    begin_ns;         /* what its first guess costs besides */
    float    each_ns;          /* what a guess costs besides its row: a draft model's pass */
    uint32_t n_cap;            /* guesses that it has */
    uint32_t n_taken;          /* out */
} hl_pace_bid;

/* Give rows to the bids, the likeliest guesses first (of equals those of the first bid), while tokens per second grow.
 *
 * in     n_rows   rows of the pass without these guesses
 *        tokens   that it makes with them, about
 *        n_most   guesses of all together */
void hl_pace_share(const hl_pace *p, uint32_t n_rows, float tokens, uint32_t n_most, hl_pace_bid *bids,
                   uint32_t n_bids);

#endif
