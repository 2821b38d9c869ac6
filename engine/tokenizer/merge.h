/* SPDX-License-Identifier: MIT
 *
 * merge.h - join neighbouring symbols of a piece, best pair first, until none is left that may be joined.
 *
 * Byte-level BPE and SentencePiece differ in one thing only: what a pair costs. Both start from the
 * characters of the piece, in the vocabulary's own spelling, and of equally good pairs take the
 * leftmost. A pair is always two neighbouring stretches of the piece, so it is named by its text.
 */
#ifndef HL_ENGINE_TOKENIZER_MERGE_H
#define HL_ENGINE_TOKENIZER_MERGE_H

#include "hyperlama/base.h"

#define HL_MERGE_NEVER UINT32_MAX

/* The rank (lowest first) of joining text[0, n_left) with text[n_left, n) into token *ret_id;
 * HL_MERGE_NEVER when there is no such merge. */
typedef uint32_t hl_merge_rank_fn(const void *user, const char *text, size_t n, size_t n_left,
                                  int32_t *ret_id);

/* One symbol of a finished piece. `id` is the token that a merge made, -1 for a lone character. */
typedef hl_status hl_merge_emit_fn(void *user, const char *text, size_t n, int32_t id, hl_err *err);

typedef struct hl_merge_rules {
    hl_merge_rank_fn *rank;
    const void       *user;
} hl_merge_rules;

struct hl_merge_pair;
typedef struct hl_merge_scratch {  /* zero-initialise; reused from piece to piece */
    uint32_t             *n_bytes; /* [cap] by start of the symbol: its length; 0: no symbol starts here */
    uint32_t             *prev;    /* [cap] start of the symbol before it */
    int32_t              *ids;     /* [cap] */
    size_t                cap;
    struct hl_merge_pair *heap;
    size_t                n_heap, cap_heap;
} hl_merge_scratch;

void hl_merge_scratch_done(hl_merge_scratch *s);

/* Merge text[0, n) and hand the symbols to `emit` in order.
 * fails HL_E_NOMEM, HL_E_CANCEL, what emit returns
 * in    n < 2^32 - 1; where the text is not UTF-8, each byte is a character of its own
 * cost  O(n log n); nothing is allocated for pieces of up to 32 characters */
HL_MUST_CHECK hl_status hl_merge(const hl_merge_rules *rules, hl_merge_scratch *s, const char *text, size_t n,
                                 hl_merge_emit_fn *emit, void *user, hl_err *err);

#endif
