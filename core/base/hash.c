/* SPDX-License-Identifier: MIT
 *
 * hash.c - multiply-and-fold over 16 bytes at a time, from keys of the system's.
 */
#include "core/base/hash.h"

#include <string.h>
#include <sys/random.h>

#include "core/base/clock.h"

static uint64_t mix(uint64_t a, uint64_t b) {
    const unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

hl_hash_keys hl_hash_draw_keys(void) {
    hl_hash_keys keys;
    if (getrandom(&keys, sizeof keys, GRND_NONBLOCK) != sizeof keys) {
        keys.k[0] = (uint64_t)hl_clock_ns() * 0x9E3779B97F4A7C15u;
        keys.k[1] = mix(keys.k[0], (uint64_t)(uintptr_t)&keys ^ 0xD6E8FEB86659FD93u);
    }
    keys.k[0] |= 1; /* odd: texts of different lengths begin differently */
    return keys;
}

static uint64_t read_some(const unsigned char *p, size_t n) {
    uint64_t x = 0;
    memcpy(&x, p, n);
    return x;
}

uint64_t hl_hash_bytes(hl_hash_keys keys, const void *text, size_t n) {
    const unsigned char *p = text;
    uint64_t             h = n * keys.k[0];
    size_t               left = n;
    for (; left > 16; left -= 16, p += 16) h = mix(read_some(p, 8) ^ keys.k[1], read_some(p + 8, 8) ^ h);
    const size_t   n_low = left < 8 ? left : 8;
    const uint64_t low = n_low ? read_some(p, n_low) : 0, high = left > 8 ? read_some(p + 8, left - 8) : 0;
    return mix(mix(low ^ keys.k[1], high ^ h), keys.k[0]);
}

uint64_t hl_hash_number(hl_hash_keys keys, uint64_t x) {
    return mix(mix(x ^ keys.k[1], keys.k[0] ^ 8), keys.k[0]);
}
