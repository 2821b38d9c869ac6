/* SPDX-License-Identifier: MIT
 *
 * prefix_key.h - what a position of a sequence was computed from, in 64 bits.
 *
 * A token's id, or a hash of content with the highest bit set: rows of an image are found, shared and kept as
 * those of tokens are. Positions with equal keys behind equal keys hold the same keys and values.
 */
#ifndef HL_ENGINE_KV_PREFIX_KEY_H
#define HL_ENGINE_KV_PREFIX_KEY_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t hl_prefix_key;

#define HL_PREFIX_KEY_IS_CONTENT ((hl_prefix_key)1 << 63)

static inline hl_prefix_key hl_prefix_key_of(int32_t token) { return (uint32_t)token; }

/* Of the rows [0, n_rows) that come of `data`: an image's file, say, so that its rows are found before
 * they are computed. What else decides them (how the image was cut, by what it was encoded) belongs to the
 * data. Known to everybody: whoever can choose images can make two whose rows share keys, at a cost of
 * about 2^32. */
void hl_prefix_keys_of_content(const void *data, size_t n_bytes, size_t n_rows, hl_prefix_key *ret_keys);

#endif
