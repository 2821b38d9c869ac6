/* SPDX-License-Identifier: MIT
 *
 * draft_budget.c - the cost of passes by their number of rows, and a greedy allocation of rows to draft
 * tokens.
 */
#include "engine/speculate/draft_budget.h"

/* Until a pass was seen, one more row is believed to cost this part of the first: optimistic enough to
 * try. */
static const float FIRST_SLOPE = 0.15f;
static const float COST_WEIGHT = 0.15f; /* of a new measurement, when there were some */
static const float DOUBT = 0.85f; /* a cost that was measured less often than TRUSTED may be so much lower */
/* The first draft must promise this much more than it costs: measurements are noisy, and a rejected one
 * wastes a row. */
static const float MARGIN = 1.05f;

enum { TRUSTED = 4, OLD_AFTER = 64 /* measurements of all counts */ };

/* What changes a well-known cost is mostly the machine, so half of the change is believed of all other
 * counts. */
static void scale_others(hl_pass_cost *c, uint32_t n_rows, float ratio) {
    const float half = 1 + (ratio - 1) / 2;
    for (uint32_t r = 1; r <= HL_PASS_COST_ROWS; r++)
        if (r != n_rows) c->ns[r] *= half;
}

/* What was not measured for a while is in doubt again, so that no wrong belief stays for ever. */
static void doubt_all(hl_pass_cost *c) {
    for (uint32_t r = 1; r <= HL_PASS_COST_ROWS; r++)
        if (c->n_seen[r] >= TRUSTED) c->n_seen[r] = TRUSTED - 1;
}

void hl_cost_average(float *avg_ns, int64_t ns) {
    const float most = 1.5f * *avg_ns, seen = ns > 0 ? (float)ns : 0; /* clocks may be set */
    if (*avg_ns == 0)
        *avg_ns = seen;
    else
        *avg_ns += COST_WEIGHT * ((seen < most ? seen : most) - *avg_ns);
}

/* Disturbances make a pass longer, never shorter: while little is known the least counts, and later one long
 * pass says little. */
void hl_pass_cost_update(hl_pass_cost *c, uint32_t n_rows, int64_t ns) {
    if (n_rows == 0 || n_rows > HL_PASS_COST_ROWS || ns <= 0) return;
    float      *avg_ns = &c->ns[n_rows];
    uint8_t    *n = &c->n_seen[n_rows];
    const float before = *avg_ns;
    if (++c->n_updates % OLD_AFTER == 0) doubt_all(c);
    if (*n < UINT8_MAX) (*n)++;
    if (*n == 1 || (*n <= TRUSTED && (float)ns < before)) {
        *avg_ns = (float)ns;
        return;
    }
    hl_cost_average(avg_ns, ns);
    if (*n > 2 * TRUSTED) scale_others(c, n_rows, *avg_ns / before);
}

/* Between known counts in a straight line; outside, by the slope that is believed. */
float hl_pass_cost_ns(const hl_pass_cost *c, uint32_t n_rows) {
    if (n_rows == 0) return 0;
    if (n_rows > HL_PASS_COST_ROWS)
        return hl_pass_cost_ns(c, HL_PASS_COST_ROWS) * (float)n_rows / HL_PASS_COST_ROWS;
    if (c->ns[n_rows] > 0) return c->ns[n_rows];
    uint32_t low = n_rows, high = n_rows;
    while (low > 0 && c->ns[low] == 0) low--;
    while (high <= HL_PASS_COST_ROWS && c->ns[high] == 0) high++;
    if (low > 0 && high <= HL_PASS_COST_ROWS) {
        const float part = (float)(n_rows - low) / (float)(high - low);
        return c->ns[low] + part * (c->ns[high] - c->ns[low]);
    }
    if (low > 0)
        return c->ns[low] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) / (1 + FIRST_SLOPE * (float)(low - 1));
    if (high <= HL_PASS_COST_ROWS)
        return c->ns[high] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) / (1 + FIRST_SLOPE * (float)(high - 1));
    return 1 + FIRST_SLOPE * (float)(n_rows - 1);
}

/* What was hardly measured may be better than it looks: it is tried while it is near to the best. More rows
 * never cost less. */
static float hopeful_cost(const hl_pass_cost *c, uint32_t n_rows, float least_ns) {
    const float ns = hl_pass_cost_ns(c, n_rows);
    const bool  is_new = n_rows <= HL_PASS_COST_ROWS && c->n_seen[n_rows] < TRUSTED;
    const float hope = is_new ? DOUBT * ns : ns;
    return hope > least_ns ? hope : least_ns;
}

/* The proposal whose next token is the likeliest to count; n_proposals: none has one. */
static uint32_t likeliest(const hl_draft_proposal *proposals, uint32_t n_proposals) {
    uint32_t best = n_proposals;
    for (uint32_t i = 0; i < n_proposals; i++) {
        if (proposals[i].n_rows == proposals[i].n_tokens) continue;
        if (best == n_proposals ||
            proposals[i].accept[proposals[i].n_rows] > proposals[best].accept[proposals[best].n_rows])
            best = i;
    }
    return best;
}

void hl_draft_budget_allocate(const hl_pass_cost *c, uint32_t n_rows, float tokens, uint32_t n_most,
                              hl_draft_proposal *proposals, uint32_t n_proposals) {
    float       best_tokens = tokens, extra_ns = 0;
    uint32_t    given = 0, best_given = 0;
    const float least_ns = hl_pass_cost_ns(c, n_rows);
    float       best_ns = least_ns;
    uint16_t    order[HL_PASS_COST_ROWS];
    for (uint32_t i = 0; i < n_proposals; i++) proposals[i].n_rows = 0;
    if (n_most > HL_PASS_COST_ROWS) n_most = HL_PASS_COST_ROWS;
    /* Costs come in steps (a kernel takes 2 or 4 rows at once), so look at all counts and keep the best. */
    while (given < n_most) {
        const uint32_t i = likeliest(proposals, n_proposals);
        if (i == n_proposals) break;
        hl_draft_proposal *b = &proposals[i];
        tokens += b->accept[b->n_rows];
        extra_ns += b->each_ns + (b->n_rows == 0 ? b->fixed_ns : 0);
        b->n_rows++;
        order[given++] = (uint16_t)i;
        const float ns = hopeful_cost(c, n_rows + given, least_ns) + extra_ns;
        const float margin = best_given == 0 ? MARGIN : 1;
        if (tokens * best_ns < margin * best_tokens * ns) continue;
        best_given = given;
        best_tokens = tokens;
        best_ns = ns;
    }
    while (given > best_given) proposals[order[--given]].n_rows--;
}
