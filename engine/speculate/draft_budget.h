/* SPDX-License-Identifier: MIT
 *
 * draft_budget.h - how many draft tokens are worth their rows: what passes cost, and how likely drafts are
 * accepted.
 *
 * A pass over r rows takes cost(r), learnt from the passes there were; the k-th draft token in a row counts
 * when it and all before it are accepted. Rows go to the likeliest tokens first, as long as the pass makes
 * more tokens per second. Drafts that get no row are compared with what comes anyway, so learning costs
 * nothing, and a text that does not repeat itself is not slowed down.
 *
 * The budget looks at the clock, so it differs from run to run; tokens do not.
 */
#ifndef HL_ENGINE_SPECULATE_DRAFT_BUDGET_H
#define HL_ENGINE_SPECULATE_DRAFT_BUDGET_H

#include "hyperlama/base.h"

enum {
    HL_PASS_COST_ROWS = 64,
    HL_DRAFT_CHAIN = 15 /* most draft tokens of a proposal */
};

/* What a pass over r generating rows takes, without prompts. Zeros are a valid start. */
typedef struct hl_pass_cost {
    float    ns[HL_PASS_COST_ROWS + 1];     /* [rows]; 0: not measured yet */
    uint8_t  n_seen[HL_PASS_COST_ROWS + 1]; /* measurements of it, up to 255; few when they are old */
    uint32_t n_updates;
} hl_pass_cost;

void  hl_pass_cost_update(hl_pass_cost *c, uint32_t n_rows, int64_t ns);
float hl_pass_cost_ns(const hl_pass_cost *c, uint32_t n_rows); /* relative when nothing was measured */

/* An average of a cost that is measured now and then, as those of passes are kept; *avg_ns 0: not measured
 * yet. */
void hl_cost_average(float *avg_ns, int64_t ns);

/* A chain of draft tokens that could get rows. */
typedef struct hl_draft_proposal {
    float accept
        [HL_DRAFT_CHAIN]; /* [n_tokens] chance that a token and all before it are accepted; never rises */
    float    fixed_ns;    /* what its first token costs beyond its row */
    float    each_ns;     /* what every token costs beyond its row: a draft model's pass */
    uint32_t n_tokens;
    uint32_t n_rows; /* out: how many of them are verified */
} hl_draft_proposal;

/* Give rows to proposals, the likeliest tokens first (of equals those of the first proposal), while tokens
 * per second grow.
 *
 * in     n_rows   rows of the pass without drafts
 *        tokens   that it makes with them, about
 *        n_most   draft tokens of all together */
void hl_draft_budget_allocate(const hl_pass_cost *c, uint32_t n_rows, float tokens, uint32_t n_most,
                              hl_draft_proposal *proposals, uint32_t n_proposals);

#endif
