/* SPDX-License-Identifier: MIT
 *
 * gguf_index.c - find keys and tensors by name, and notice names that come twice.
 *
 * A hash table with linear probing. Comparing all pairs instead would make a file of a million keys
 * take minutes.
 */
#include "core/gguf/gguf_priv.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"

static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) * UINT64_C(0x9FB21C651E98DF25); /* any odd number with many bits set */
    return h ^ (h >> 29);
}

static uint64_t hash_name(uint64_t seed, hl_view name) {
    uint64_t h = mix(seed, name.len);
    size_t   i = 0;
    for (; i + 8 <= name.len; i += 8) {
        uint64_t word;
        memcpy(&word, name.ptr + i, 8);
        h = mix(h, word);
    }
    uint64_t rest = 0;
    for (; i < name.len; i++) rest = rest << 8 | (uint8_t)name.ptr[i];
    return mix(mix(h, rest), 0);
}

bool hl_gguf_index_init(hl_gguf_index *ix, size_t n_items) {
    uint64_t n = 16;
    while (n < 2 * (uint64_t)n_items) n *= 2;
    ix->slots = hl_new(n, sizeof *ix->slots);
    if (!ix->slots) return false;
    ix->n_slots = n;
    ix->seed = (uint64_t)hl_clock_ns() ^ (uint64_t)(uintptr_t)ix->slots << 20;
    return true;
}

void hl_gguf_index_done(hl_gguf_index *ix) {
    hl_free(ix->slots);
    *ix = (hl_gguf_index){0};
}

/* Slot of the item called `name`, or the free one where it belongs. */
static uint64_t find_slot(const hl_gguf_index *ix, const void *items, hl_view name,
                          hl_gguf_name_fn *name_of) {
    uint64_t at = hash_name(ix->seed, name) & (ix->n_slots - 1);
    while (ix->slots[at] && !hl_view_eq(name_of(items, ix->slots[at] - 1), name))
        at = (at + 1) & (ix->n_slots - 1);
    return at;
}

bool hl_gguf_index_add(hl_gguf_index *ix, const void *items, size_t i, hl_gguf_name_fn *name_of) {
    const uint64_t at = find_slot(ix, items, name_of(items, i), name_of);
    if (ix->slots[at]) return false;
    ix->slots[at] = (uint32_t)i + 1;
    return true;
}

bool hl_gguf_index_find(const hl_gguf_index *ix, const void *items, hl_view name, hl_gguf_name_fn *name_of,
                        size_t *ret_i) {
    if (ix->n_slots == 0) return false;
    const uint64_t at = find_slot(ix, items, name, name_of);
    if (!ix->slots[at]) return false;
    *ret_i = ix->slots[at] - 1;
    return true;
}
