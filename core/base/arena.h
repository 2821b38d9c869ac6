/* SPDX-License-Identifier: MIT
 *
 * arena.h - memory that lives and dies together.
 *
 * Blocks are handed out one after another and freed as a whole. An arena carries a hard limit, so
 * that a hostile input ends in a NULL and not in a full machine.
 */
#ifndef HL_CORE_BASE_ARENA_H
#define HL_CORE_BASE_ARENA_H

#include "hyperlama/base.h"

typedef struct hl_arena_chunk hl_arena_chunk;

typedef struct hl_arena {
    hl_arena_chunk *last;        /* newest chunk; NULL before the first block */
    size_t          used_bytes;  /* handed out, padding included */
    size_t          limit_bytes; /* hard limit of used_bytes */
} hl_arena;

void hl_arena_init(hl_arena *a, size_t limit_bytes);
void hl_arena_done(hl_arena *a); /* frees all blocks and keeps the limit: it may be used again */

/* Return zeroed memory for n objects, aligned to 16; NULL when past the limit or out of memory. */
void *hl_arena_get(hl_arena *a, size_t n, size_t size);
char *hl_arena_get_text(hl_arena *a, const char *s, size_t n); /* a terminated copy of n bytes */

#endif
