/* SPDX-License-Identifier: MIT
 *
 * ngram.h - an index of a text's n-grams: where did it stand as it stands now, and what followed there?
 *
 * Every run of HL_NGRAM tokens is indexed; the best match is the earlier position whose preceding tokens
 * agree longest with the end of the text. No model, no cost worth naming, and right most of the time when a
 * text is edited or quoted.
 * from: Saxena, "Prompt Lookup Decoding", 2023 (the idea); the index is ours
 */
#ifndef HL_ENGINE_SPECULATE_NGRAM_H
#define HL_ENGINE_SPECULATE_NGRAM_H

#include "hyperlama/base.h"

enum { HL_NGRAM = 3, HL_NGRAM_MAX_MATCH = 32 };

typedef struct hl_ngram {
    uint32_t *heads;  /* [n_heads] the newest position of each hash, 0: none; positions are counted from 1 */
    uint32_t *before; /* [cap] the position before it of the same hash */
    uint32_t  n_heads, cap;
    uint32_t  n; /* tokens indexed */
} hl_ngram;

void hl_ngram_done(hl_ngram *g); /* zeros are a valid start */

/* Index ids[g->n, n). Without memory nothing more is indexed, and matches come from what there is. */
void hl_ngram_add(hl_ngram *g, const int32_t *ids, uint32_t n);

/* An earlier position, and how many tokens before it agree with the end of the text. */
typedef struct hl_ngram_match {
    uint32_t at;       /* ids[at] followed there */
    uint32_t n_tokens; /* that agree: HL_NGRAM..HL_NGRAM_MAX_MATCH */
} hl_ngram_match;

/* Up to n_cap matches with different next tokens, the longest first (of equals the newest). ids[0, n)
 * are indexed. */
uint32_t hl_ngram_find(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t n_cap,
                       hl_ngram_match *ret_matches);

/* Another earlier position, whose continuation parts from that of the best match. */
typedef struct hl_ngram_alternative {
    uint32_t at;    /* ids[at] followed there, as ids[best] did in the best match */
    uint32_t depth; /* tokens that follow in both; at + depth < n */
} hl_ngram_alternative;

/* Continuations that part from the best one, in order of depth; no two say the same token at the same
 * depth. */
typedef struct hl_ngram_alternatives {
    uint32_t             best;     /* position of the best match */
    uint32_t             n_tokens; /* of it that are looked at */
    uint32_t             n, n_cap;
    hl_ngram_alternative found[4];
} hl_ngram_alternatives;

/* Add a position, unless it says nothing new. ids[0, n) */
void hl_ngram_add_alternative(const int32_t *ids, uint32_t n, uint32_t at, hl_ngram_alternatives *o);
/* Add positions that agree with the end of the text for at least least_match tokens. ids[0, n) are indexed */
void hl_ngram_find_alternatives(const hl_ngram *g, const int32_t *ids, uint32_t n, uint32_t least_match,
                                hl_ngram_alternatives *o);

#endif
