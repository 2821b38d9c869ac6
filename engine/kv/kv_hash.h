/* SPDX-License-Identifier: MIT
 *
 * kv_hash.h - a keyed hash for names, and a fast sum for damage.
 *
 * from: SipHash-2-4 with 128 bits of output, Aumasson and Bernstein, https://www.aumasson.jp/siphash/ (rounds,
 *       constants and test vectors)
 */
#ifndef HL_ENGINE_KV_KV_HASH_H
#define HL_ENGINE_KV_KV_HASH_H

#include <stddef.h>
#include <stdint.h>

/* n bytes under a key of 128 bits. Whoever does not know the key cannot make two inputs collide. */
void hl_siphash128(const uint64_t key[2], const void *data, size_t n, uint64_t ret[2]);

/* Notices damage, not intent. */
uint64_t hl_sum64(const void *data, size_t n);

#endif
