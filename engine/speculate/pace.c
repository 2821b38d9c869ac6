/* SPDX-License-Identifier: MIT
 *
 * pace.c - costs by row count, luck by grade, and a greedy share-out.
 */
#include "engine/speculate/pace.h"

/* Until a pass was seen, one more row is believed to cost this part of the first: optimistic enough to try. */
static const float FIRST_SLOPE = 0.15f;
static const float COST_WEIGHT = 0.15f; /* of a new measurement, when there were some */
static const float DOUBT = 0.85f; /* a cost that was measured less often than TRUSTED may be so much lower */
static const float LUCK_WEIGHT = 0.06f;
/* A guess must promise this much more than it costs: measurements are noisy, and a wrong one also wastes a row's work. */
static const float MARGIN = 1.05f;

enum { TRUSTED = 4, OLD_AFTER = 64 /* measurements of all counts */ };

/* What changes a well-known cost is mostly the machine, so half of the change is believed of all other counts. */
static void scale_others(hl_pace *p, uint32_t n_rows, float ratio) {
    const float half = 1 + (ratio - 1) / 2;
    for (uint32_t r = 1; r <= HL_PACE_ROWS; r++)
        if (r != n_rows) p->cost_ns[r] *= half;
}

/* What was not measured for a while is in doubt again, so that no wrong belief stays for ever. */
static void doubt_all(hl_pace *p) {
    for (uint32_t r = 1; r <= HL_PACE_ROWS; r++)
        if (p->n_seen[r] >= TRUSTED) p->n_seen[r] = TRUSTED - 1;
}

void hl_pace_follow(float *cost_ns, int64_t ns) {
    const float most = 1.5f * *cost_ns, seen = ns > 0 ? (float)ns : 0; /* clocks may be set */
    if (*cost_ns == 0)
        *cost_ns = seen;
    else
        *cost_ns += COST_WEIGHT * ((seen < most ? seen : most) - *cost_ns);
}

/* Disturbances make a pass longer, never shorter: while little is known the least counts, and later one long pass says
 * little. */
void hl_pace_note(hl_pace *p, uint32_t n_rows, int64_t ns) {
    if (n_rows == 0 || n_rows > HL_PACE_ROWS || ns <= 0) return;
    float      *c = &p->cost_ns[n_rows];
    uint8_t    *n = &p->n_seen[n_rows];
    const float before = *c;
    if (++p->n_notes % OLD_AFTER == 0) doubt_all(p);
    if (*n < UINT8_MAX) (*n)++;
    if (*n == 1 || (*n <= TRUSTED && (float)ns < before)) {
        *c = (float)ns;
        return;
    }
    hl_pace_follow(c, ns);
    if (*n > 2 * TRUSTED) scale_others(p, n_rows, *c / before);
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
    if (low > 0)
        return p->cost_ns[low] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) /
               (1 + FIRST_SLOPE * (float)(low - 1));
    if (high <= HL_PACE_ROWS)
        return p->cost_ns[high] * (1 + FIRST_SLOPE * (float)(n_rows - 1)) /
               (1 + FIRST_SLOPE * (float)(high - 1));
    return 1 + FIRST_SLOPE * (float)(n_rows - 1);
}

void hl_luck_init(hl_luck *l) {
    static const float first[HL_PACE_GRADES] = {0.3f, 0.5f,  0.7f,  0.85f, 0.4f,  0.65f,
                                                0.6f, 0.15f, 0.05f, 0.02f, 0.15f, 0.7f};
    for (int i = 0; i < HL_PACE_GRADES; i++) l->right[i] = first[i];
}

uint32_t hl_luck_grade(uint32_t match) { return match >= 16 ? 3 : match >= 8 ? 2 : match >= 5 ? 1 : 0; }

void hl_luck_note(hl_luck *l, uint32_t grade, bool was_right) {
    l->right[grade] += LUCK_WEIGHT * ((was_right ? 1.0f : 0.0f) - l->right[grade]);
}

/* What was hardly measured may be better than it looks: it is tried while it is near to the best. More rows never cost
 * less. */
static float hopeful_cost(const hl_pace *p, uint32_t n_rows, float least_ns) {
    const float ns = hl_pace_cost(p, n_rows);
    const bool  is_new = n_rows <= HL_PACE_ROWS && p->n_seen[n_rows] < TRUSTED;
    const float hope = is_new ? DOUBT * ns : ns;
    return hope > least_ns ? hope : least_ns;
}

/* The bid whose next guess is the likeliest; n_bids: none has one. */
static uint32_t likeliest(const hl_pace_bid *bids, uint32_t n_bids) {
    uint32_t best = n_bids;
    for (uint32_t i = 0; i < n_bids; i++) {
        if (bids[i].n_taken == bids[i].n_cap) continue;
        if (best == n_bids || bids[i].chance[bids[i].n_taken] > bids[best].chance[bids[best].n_taken])
            best = i;
    }
    return best;
}

void hl_pace_share(const hl_pace *p, uint32_t n_rows, float tokens, uint32_t n_most, hl_pace_bid *bids,
                   uint32_t n_bids) {
    float       best_tokens = tokens, extra_ns = 0;
    uint32_t    given = 0, best_given = 0;
    const float least_ns = hl_pace_cost(p, n_rows);
    float       best_ns = least_ns;
    uint16_t    order[HL_PACE_ROWS];
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
        const float ns = hopeful_cost(p, n_rows + given, least_ns) + extra_ns;
        const float margin = best_given == 0 ? MARGIN : 1;
        if (tokens * best_ns < margin * best_tokens * ns) continue;
        best_given = given;
        best_tokens = tokens;
        best_ns = ns;
    }
    while (given > best_given) bids[order[--given]].n_taken--;
}
