/* SPDX-License-Identifier: MIT
 *
 * kv_hash.h - keyed hashes: one for names, and one for contents, which is many times faster.
 *
 * from: SipHash-2-4 with 128 bits of output, Aumasson and Bernstein, https://www.aumasson.jp/siphash/
 *       (rounds, constants and test vectors); the NH of 64-bit words, Dai and Krovetz, "VHASH security"
 *       (2007)
 */
#ifndef HL_ENGINE_KV_KV_HASH_H
#define HL_ENGINE_KV_KV_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct hl_sip {
    uint64_t v[4];
} hl_sip;

/* n bytes under a key of 128 bits. Whoever does not know the key cannot make two inputs collide. */
void hl_siphash128(const uint64_t key[2], const void *data, size_t n, uint64_t ret[2]);

enum { HL_MAC_CHUNK_BYTES = 1024 };

typedef struct hl_mac_key {
    uint64_t words[HL_MAC_CHUNK_BYTES / 8];
    uint64_t last[2];
} hl_mac_key;

void hl_mac_key_init(const uint64_t secret[2], hl_mac_key *ret_key);

/* A code for n bytes: whoever does not know the key can neither make one nor find other bytes with the same
 * one (by chance 2^-64). Chunks of 1 KiB, the last one filled with zeros, are hashed by NH to 16 bytes each;
 * these and n (8 bytes) by SipHash-2-4-128. */
void hl_mac128(const hl_mac_key *key, const void *data, size_t n, uint64_t ret[2]);

/* The same, of bytes that come in pieces. */
typedef struct hl_mac {
    const hl_mac_key *key;
    hl_sip            sip;
    uint64_t          n_bytes;
} hl_mac;

void hl_mac_begin(const hl_mac_key *key, hl_mac *ret_mac);
void hl_mac_add(hl_mac *m, const void *data, size_t n); /* whole chunks, but for the last piece */
void hl_mac_end(hl_mac *m, uint64_t ret[2]);

#endif
