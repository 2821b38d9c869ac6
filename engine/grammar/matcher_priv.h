/* SPDX-License-Identifier: MIT
 *
 * matcher_priv.h - the inside of grammars and matchers.
 */
#ifndef HL_ENGINE_GRAMMAR_MATCHER_PRIV_H
#define HL_ENGINE_GRAMMAR_MATCHER_PRIV_H

#include <stdatomic.h>

#include "engine/grammar/pda_run.h"
#include "engine/grammar/token_trie.h"

struct hl_grammar {
    hl_pda      pda;
    uint64_t    number; /* of all grammars of the process: the first half of its masks' keys */
    atomic_uint n_refs;
};

/* The mask of a place, but for what its count or its callers decide. NULL: no memory. */
hl_mask *hl_mask_build(const hl_token_trie *t, const hl_pda *pda, hl_pda_place place);

#endif
