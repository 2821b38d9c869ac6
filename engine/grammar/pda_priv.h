/* SPDX-License-Identifier: MIT
 *
 * pda_priv.h - edges of an automaton while it is built.
 */
#ifndef HL_ENGINE_GRAMMAR_PDA_PRIV_H
#define HL_ENGINE_GRAMMAR_PDA_PRIV_H

#include "engine/grammar/pda.h"

struct hl_pda_draft_edge {
    uint32_t    from;
    hl_pda_edge e;
};

#endif
