/* SPDX-License-Identifier: MIT
 *
 * accept_rate.c - exponential averages, one for each source of drafts.
 */
#include "engine/speculate/accept_rate.h"

static const float WEIGHT = 0.06f; /* of one more observation */

void hl_accept_rates_init(hl_accept_rates *r) {
    static const float first[] = {
#define HL_DRAFT_SOURCE(name, first_rate) [HL_DRAFT_##name] = (first_rate),
#include "engine/speculate/draft_sources.def"
#undef HL_DRAFT_SOURCE
    };
    for (int i = 0; i < HL_N_DRAFT_SOURCES; i++) r->rate[i] = first[i];
}

void hl_accept_rates_update(hl_accept_rates *r, hl_draft_source source, bool accepted) {
    r->rate[source] += WEIGHT * ((accepted ? 1.0f : 0.0f) - r->rate[source]);
}

hl_draft_source hl_draft_source_of_match(uint32_t match_tokens) {
    return match_tokens >= 16  ? HL_DRAFT_MATCH_16
           : match_tokens >= 8 ? HL_DRAFT_MATCH_8
           : match_tokens >= 5 ? HL_DRAFT_MATCH_5
                               : HL_DRAFT_MATCH_3;
}

uint32_t hl_draft_source_least_match(hl_draft_source of_match) {
    return of_match == HL_DRAFT_MATCH_16  ? 16
           : of_match == HL_DRAFT_MATCH_8 ? 8
           : of_match == HL_DRAFT_MATCH_5 ? 5
                                          : 3;
}
