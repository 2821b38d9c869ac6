/* SPDX-License-Identifier: MIT
 *
 * pda_priv.h - edges of an automaton while it is built.
 */
#ifndef HL_ENGINE_GRAMMAR_PDA_PRIV_H
#define HL_ENGINE_GRAMMAR_PDA_PRIV_H

#include "engine/grammar/pda.h"

/* A byte of a text that is not its last; to: 0 in a free slot, as no text leads to state 0. */
struct hl_pda_step {
    uint32_t from, to;
    uint8_t  byte;
};

struct hl_pda_draft_edge {
    uint32_t    from;
    hl_pda_edge e;
};

#endif
