/* SPDX-License-Identifier: MIT
 *
 * arena.c - a list of chunks, each twice as large as the last up to 1 MiB; a large block gets its own.
 */
#include "core/base/arena.h"

#include <string.h>

#include "core/base/mem.h"

enum { FIRST_CHUNK_BYTES = 4096, MAX_CHUNK_BYTES = 1 << 20, ALIGN_BYTES = 16 };

struct hl_arena_chunk {
    hl_arena_chunk *prev;
    size_t          cap; /* of data */
    size_t          used;
    _Alignas(ALIGN_BYTES) unsigned char data[];
};

void hl_arena_init(hl_arena *a, size_t limit_bytes) { *a = (hl_arena){.limit_bytes = limit_bytes}; }

void hl_arena_done(hl_arena *a) {
    for (hl_arena_chunk *c = a->last; c;) {
        hl_arena_chunk *prev = c->prev;
        hl_free(c);
        c = prev;
    }
    a->last = NULL;
    a->used_bytes = 0;
}

static hl_arena_chunk *add_chunk(hl_arena *a, size_t need) {
    size_t cap = a->last ? a->last->cap * 2 : FIRST_CHUNK_BYTES;
    if (cap > MAX_CHUNK_BYTES) cap = MAX_CHUNK_BYTES;
    if (cap < need) cap = need;
    size_t bytes = 0;
    if (!hl_add_size(cap, sizeof(hl_arena_chunk), &bytes)) return NULL;
    hl_arena_chunk *c = hl_new(1, bytes);
    if (!c) return NULL;
    c->cap = cap;
    c->prev = a->last;
    a->last = c;
    return c;
}

void *hl_arena_get(hl_arena *a, size_t n, size_t size) {
    size_t bytes = 0;
    if (!hl_mul_size(n, size, &bytes) || !hl_add_size(bytes, ALIGN_BYTES - 1, &bytes)) return NULL;
    bytes &= ~(size_t)(ALIGN_BYTES - 1);
    if (bytes > a->limit_bytes - a->used_bytes) return NULL;
    hl_arena_chunk *c = a->last;
    if (!c || c->cap - c->used < bytes) c = add_chunk(a, bytes);
    if (!c) return NULL;
    void *p = c->data + c->used;
    c->used += bytes;
    a->used_bytes += bytes;
    return p;
}

char *hl_arena_get_text(hl_arena *a, const char *s, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *p = hl_arena_get(a, n + 1, 1);
    if (p && n) memcpy(p, s, n);
    return p;
}
