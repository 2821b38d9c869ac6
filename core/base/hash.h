/* SPDX-License-Identifier: MIT
 *
 * hash.h - a keyed hash for tables whose keys come from files and messages.
 *
 * With a known hash a file could be made of words that all have the same one, and every table of them would
 * be a list. So each table draws keys that no file can know.
 */
#ifndef HL_CORE_BASE_HASH_H
#define HL_CORE_BASE_HASH_H

#include "hyperlama/base.h"

typedef struct hl_hash_keys {
    uint64_t k[2];
} hl_hash_keys;

hl_hash_keys hl_hash_draw_keys(void);
uint64_t     hl_hash_bytes(hl_hash_keys keys, const void *p, size_t n);
uint64_t     hl_hash_number(hl_hash_keys keys, uint64_t x);

#endif
