/* SPDX-License-Identifier: MIT
 *
 * kv_hash.c - SipHash-2-4-128, and NH of 64-bit words under it.
 */
#include "engine/kv/kv_hash.h"

#include <string.h>

#include "engine/kv/prefix_key.h"

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void mix(hl_sip *s, int n_rounds) {
    uint64_t *v = s->v;
    for (int i = 0; i < n_rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void absorb(hl_sip *s, uint64_t word) {
    s->v[3] ^= word;
    mix(s, 2);
    s->v[0] ^= word;
}

static hl_sip start(const uint64_t key[2]) {
    return (hl_sip){{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u}};
}

static void finish(hl_sip *s, uint64_t ret[2]) {
    s->v[2] ^= 0xee;
    mix(s, 4);
    ret[0] = s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
    s->v[1] ^= 0xdd;
    mix(s, 4);
    ret[1] = s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

void hl_siphash128(const uint64_t key[2], const void *data, size_t n, uint64_t ret[2]) {
    const uint8_t *p = data;
    hl_sip         s = start(key);
    uint64_t       last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        absorb(&s, word);
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)p[i] << (8 * i);
    absorb(&s, last);
    finish(&s, ret);
}

void hl_prefix_keys_of_content(const void *data, size_t n_bytes, size_t n_rows, hl_prefix_key *ret_keys) {
    static const uint64_t known[2] = {0x636f6e74656e7420, 0x6f66206120726f77};
    uint64_t              digest[2], h[2];
    hl_siphash128(known, data, n_bytes, digest);
    for (size_t i = 0; i < n_rows; i++) {
        const uint64_t row = i;
        hl_siphash128(digest, &row, sizeof row, h);
        ret_keys[i] = h[0] | HL_PREFIX_KEY_IS_CONTENT;
    }
}

void hl_mac_key_init(const uint64_t secret[2], hl_mac_key *ret_key) {
    uint64_t    *words = (uint64_t *)ret_key;
    const size_t n = sizeof *ret_key / sizeof *words;
    for (uint64_t i = 0; i < n; i += 2) {
        const uint64_t input[2] = {0x6b6579206f66206du, i}; /* 16 bytes: no name is made of so few */
        hl_siphash128(secret, input, sizeof input, words + i);
    }
}

__extension__ typedef unsigned __int128 wide;

/* The sum of products of neighbours, each with its word of the key added. */
static wide hash_chunk(const hl_mac_key *key, const uint8_t *p) {
    wide sum[2] = {0, 0};
    for (size_t i = 0; i < HL_MAC_CHUNK_BYTES / 8; i += 4) {
        uint64_t m[4];
        memcpy(m, p + 8 * i, sizeof m);
        sum[0] += (wide)(m[0] + key->words[i]) * (m[1] + key->words[i + 1]);
        sum[1] += (wide)(m[2] + key->words[i + 2]) * (m[3] + key->words[i + 3]);
    }
    return sum[0] + sum[1];
}

static void absorb_chunk(const hl_mac_key *key, hl_sip *s, const uint8_t *p) {
    const wide h = hash_chunk(key, p);
    absorb(s, (uint64_t)h);
    absorb(s, (uint64_t)(h >> 64));
}

void hl_mac_begin(const hl_mac_key *key, hl_mac *ret_mac) {
    *ret_mac = (hl_mac){.key = key, .sip = start(key->last)};
}

void hl_mac_add(hl_mac *m, const void *data, size_t n) {
    const uint8_t *p = data;
    m->n_bytes += n;
    for (; n >= HL_MAC_CHUNK_BYTES; n -= HL_MAC_CHUNK_BYTES, p += HL_MAC_CHUNK_BYTES)
        absorb_chunk(m->key, &m->sip, p);
    if (n > 0) {
        uint8_t rest[HL_MAC_CHUNK_BYTES] = {0};
        memcpy(rest, p, n);
        absorb_chunk(m->key, &m->sip, rest);
    }
}

void hl_mac_end(hl_mac *m, uint64_t ret[2]) {
    const uint64_t n_chunks = (m->n_bytes + HL_MAC_CHUNK_BYTES - 1) / HL_MAC_CHUNK_BYTES;
    absorb(&m->sip, m->n_bytes); /* zeros at the end are told from a shorter text */
    absorb(&m->sip, (16 * n_chunks + 8) << 56);
    finish(&m->sip, ret);
}

void hl_mac128(const hl_mac_key *key, const void *data, size_t n, uint64_t ret[2]) {
    hl_mac m;
    hl_mac_begin(key, &m);
    hl_mac_add(&m, data, n);
    hl_mac_end(&m, ret);
}
