/* SPDX-License-Identifier: MIT
 *
 * accept_rate.h - how often draft tokens of each source were accepted, as an estimate for one sequence.
 */
#ifndef HL_ENGINE_SPECULATE_ACCEPT_RATE_H
#define HL_ENGINE_SPECULATE_ACCEPT_RATE_H

#include "hyperlama/base.h"

typedef enum hl_draft_source {
#define HL_DRAFT_SOURCE(name, first_rate) HL_DRAFT_##name,
#include "engine/speculate/draft_sources.def"
#undef HL_DRAFT_SOURCE
    HL_N_DRAFT_SOURCES
} hl_draft_source;

typedef struct hl_accept_rates {
    float rate[HL_N_DRAFT_SOURCES]; /* 0..1 */
} hl_accept_rates;

void hl_accept_rates_init(hl_accept_rates *r);

/* One more draft token of this source was compared with what came: an exponential average over about 16 of
 * them. */
void hl_accept_rates_update(hl_accept_rates *r, hl_draft_source source, bool accepted);

hl_draft_source hl_draft_source_of_match(uint32_t match_tokens);       /* HL_DRAFT_MATCH_3 .. MATCH_16 */
uint32_t        hl_draft_source_least_match(hl_draft_source of_match); /* the reverse: 3, 5, 8, 16 */

#endif
