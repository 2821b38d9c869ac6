/* SPDX-License-Identifier: MIT
 *
 * pace.c - costs by row count, luck by grade, and a greedy share-out.
 */
#include "engine/speculate/pace.h"

/* Until a pass was seen, one more row is believed to cost this part of the first: optimistic enough to try. */
static const float FIRST_SLOPE = 0.15f;
static const float COST_WEIGHT = 0.15f; /* of a new measurement */
static const float LUCK_WEIGHT = 0.12f;
/* A guess must promise this much more than it costs: measurements are noisy, and a wrong one also wastes a row's work. */
static const float MARGIN = 1.05f;

void hl_pace_note(hl_pace *p, uint32_t n_rows, int64_t ns) {
    if (n_rows == 0 || n_rows > HL_PACE_ROWS || ns <= 0) return;
    float *c = &p->cost_ns[n_rows];
    const float seen = (float)ns;
    if (*c == 0) *c = seen;
    else *c += COST_WEIGHT * ((seen < 3 * *c ? seen : 3 * *c) - *c); /* one disturbed pass says little */
}

/* Between known counts in a straight line; outside, by the slope that is believed. */
float hl_pace_cost(const hl_pace *p, uint32_t n_rows) {
    if (n_rows == 0) return 0;
    if (n_rows > HL_PACE_ROWS) return hl_pace_cost(p, HL_PACE_ROWS) * (float)n_rows / HL_PACE_ROWS;
    if (p->cost_ns[n_rows] > 0) return p->cost_ns[n_rows];
    uint32_t low = n_rows, high = n_rows;
    while (low > 0 && p->cost_ns[low] == 0) low--;
    while (high <= HL_PACE_ROWS && p->cost_ns[high] == 0) high++;
    if (low > 0 && high <= HL_PACE_ROWS) {
        const float part = (float)(n_rows - low) / (float)(high - low);
        return p->cost_ns[low] + part * (p->cost_ns[high] - p->cost_ns[low]);
    }
    if (low > 0) return p->cost_ns[low] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) / (1 + FIRST_SLOPE * (float)(low - 1));
    if (high <= HL_PACE_ROWS)
        return p->cost_ns[high] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) / (1 + FIRST_SLOPE * (float)(high - 1));
    return 1 + FIRST_SLOPE * (float)(n_rows - 1);
}

void hl_luck_init(hl_luck *l) {
    static const float first[HL_PACE_GRADES] = {0.3f, 0.5f, 0.7f, 0.85f, 0.4f, 0.65f, 0.4f, 0.3f, 0.1f, 0.05f, 0.2f};
    for (int i = 0; i < HL_PACE_GRADES; i++) l->right[i] = first[i];
}

uint32_t hl_luck_grade(uint32_t match) { return match >= 16 ? 3 : match >= 8 ? 2 : match >= 5 ? 1 : 0; }

void hl_luck_note(hl_luck *l, uint32_t grade, bool was_right) {
    l->right[grade] += LUCK_WEIGHT * ((was_right ? 1.0f : 0.0f) - l->right[grade]);
}

/* The bid whose next guess is the likeliest; n_bids: none has one. */
static uint32_t likeliest(const hl_pace_bid *bids, uint32_t n_bids) {
    uint32_t best = n_bids;
    for (uint32_t i = 0; i < n_bids; i++) {
        if (bids[i].n_taken == bids[i].n_cap) continue;
        if (best == n_bids || bids[i].chance[bids[i].n_taken] > bids[best].chance[bids[best].n_taken]) best = i;
    }
    return best;
}

void hl_pace_share(const hl_pace *p, uint32_t n_rows, float tokens, uint32_t n_most, hl_pace_bid *bids, uint32_t n_bids) {
    float    best_tokens = tokens, extra_ns = 0;
    uint32_t given = 0, best_given = 0;
    float    best_ns = hl_pace_cost(p, n_rows);
    uint16_t order[HL_PACE_ROWS];
    for (uint32_t i = 0; i < n_bids; i++) bids[i].n_taken = 0;
    if (n_most > HL_PACE_ROWS) n_most = HL_PACE_ROWS;
    /* Costs come in steps (a kernel takes 2 or 4 rows at once), so look at all counts and keep the best. */
    while (given < n_most) {
        const uint32_t i = likeliest(bids, n_bids);
        if (i == n_bids) break;
        hl_pace_bid *b = &bids[i];
        tokens += b->chance[b->n_taken];
        extra_ns += b->each_ns + (b->n_taken == 0 ? b->begin_ns : 0);
        b->n_taken++;
        order[given++] = (uint16_t)i;
        const float ns = hl_pace_cost(p, n_rows + given) + extra_ns;
        const float margin = best_given == 0 ? MARGIN : 1;
        if (tokens * best_ns < margin * best_tokens * ns) continue;
        best_given = given;
        best_tokens = tokens;
        best_ns = ns;
    }
    while (given > best_given) bids[order[--given]].n_taken--;
}
