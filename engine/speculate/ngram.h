/* SPDX-License-Identifier: MIT
 *
 * ngram.h - guess what comes next from what was there before: the text repeats itself.
 *
 * Every run of NGRAM tokens of a sequence is indexed; a guess is what followed the earlier place whose past agrees
 * longest with the present. No model, no cost worth naming, and right most of the time when a text is edited or quoted.
 * from: Saxena, "Prompt Lookup Decoding", 2023 (the idea); the index is ours
 */
#ifndef HL_ENGINE_SPECULATE_NGRAM_H
#define HL_ENGINE_SPECULATE_NGRAM_H

#include "hyperlama/base.h"

enum { HL_NGRAM = 3, HL_NGRAM_MAX_MATCH = 32 };

typedef struct hl_ngram {
    uint32_t *heads;  /* [n_heads] the newest place of each hash, 0: none; places are counted from 1 */
    uint32_t *before; /* [cap] the place before it of the same hash */
    uint32_t  n_heads, cap;
    uint32_t  n; /* tokens indexed */
} hl_ngram;

void hl_ngram_done(hl_ngram *g); /* zeros are a valid start */

/* Index ids[g->n, n). Without memory nothing more is indexed, and guesses come from what there is. */
void hl_ngram_add(hl_ngram *g, const int32_t *ids, uint32_t n);

/* A place in the past, and how many tokens before it agree with the end of ids. */
typedef struct hl_ngram_place {
    uint32_t at;    /* ids[at] followed there */
    uint32_t match; /* HL_NGRAM..HL_NGRAM_MAX_MATCH */
} hl_ngram_place;

/* Up to n_cap places with different next tokens, the one of the longest match first (of equals the newest). ids[0, n)
 * are indexed. */
uint32_t hl_ngram_find(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t n_cap,
                       hl_ngram_place *ret_places);

/* Another place of the past, whose tokens part from those behind the best place. */
typedef struct hl_ngram_other {
    uint32_t at;    /* ids[at] followed there, as ids[best] did in the best place */
    uint32_t depth; /* tokens that follow in both; at + depth < n */
} hl_ngram_other;

/* Continuations that part from the best one, in order of depth; no two say the same token at the same depth. */
typedef struct hl_ngram_others {
    uint32_t       best;     /* place of the best one */
    uint32_t       n_tokens; /* how far it is looked at */
    uint32_t       n, n_cap;
    hl_ngram_other places[4];
} hl_ngram_others;

/* Add a place, unless it says nothing new. ids[0, n) */
void hl_ngram_add_other(const int32_t *ids, uint32_t n, uint32_t at, hl_ngram_others *o);
/* Add places that agree with the present for at least least_match tokens. ids[0, n) are indexed */
void hl_ngram_find_others(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t least_match,
                          hl_ngram_others *o);

#endif
