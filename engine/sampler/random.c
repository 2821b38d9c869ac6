/* SPDX-License-Identifier: MIT
 *
 * random.c - xoshiro256++, seeded by splitmix64.
 * from: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2019
 */
#include "engine/sampler/filters.h"

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

void hl_random_init(hl_random *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        r->s[i] = z ^ z >> 31;
    }
}

double hl_random_next(hl_random *r) {
    uint64_t      *s = r->s;
    const uint64_t x = rotate(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return (double)(x >> 11) * 0x1p-53;
}
