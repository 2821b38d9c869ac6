/* SPDX-License-Identifier: MIT
 *
 * kv_hash.c - SipHash-2-4-128, and four multiplicative lanes.
 */
#include "engine/kv/kv_hash.h"

#include <string.h>

typedef struct sip {
    uint64_t v[4];
} sip;

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void mix(sip *s, int n_rounds) {
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

static void absorb(sip *s, uint64_t word) {
    s->v[3] ^= word;
    mix(s, 2);
    s->v[0] ^= word;
}

void hl_siphash128(const uint64_t key[2], const void *data, size_t n, uint64_t ret[2]) {
    const uint8_t *p = data;
    sip s = {{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee, key[0] ^ 0x6c7967656e657261u,
              key[1] ^ 0x7465646279746573u}};
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        absorb(&s, word);
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)p[i] << (8 * i);
    absorb(&s, last);
    s.v[2] ^= 0xee;
    mix(&s, 4);
    ret[0] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
    s.v[1] ^= 0xdd;
    mix(&s, 4);
    ret[1] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

uint64_t hl_sum64(const void *data, size_t n) {
    const uint64_t prime = 0x9E3779B97F4A7C15u;
    const uint8_t *p = data;
    uint64_t       lane[4] = {1, 2, 3, n};
    for (; n >= 32; n -= 32, p += 32) {
        uint64_t word[4];
        memcpy(word, p, sizeof word);
        for (int i = 0; i < 4; i++) lane[i] = rotate((lane[i] ^ word[i]) * prime, 29);
    }
    for (size_t i = 0; i < n; i++) lane[i % 4] = rotate((lane[i % 4] ^ p[i]) * prime, 29);
    uint64_t sum = lane[0];
    for (int i = 1; i < 4; i++) sum = rotate((sum ^ lane[i]) * prime, 31);
    return sum ^ sum >> 32;
}
