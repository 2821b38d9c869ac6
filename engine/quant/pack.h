/* SPDX-License-Identifier: MIT
 *
 * pack.h - what packing f32 into blocks needs for every type: extremes of a block, and rounding to a code.
 */
#ifndef HL_ENGINE_QUANT_PACK_H
#define HL_ENGINE_QUANT_PACK_H

#include <stddef.h>

/* The value of largest magnitude, with its sign; the first one of several. */
static inline float hl_largest(const float *x, size_t n) {
    float largest = 0.0f;
    float magnitude = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float m = x[i] < 0.0f ? -x[i] : x[i];
        if (!(m > magnitude)) continue;
        magnitude = m;
        largest = x[i];
    }
    return largest;
}

static inline void hl_min_max(const float *x, size_t n, float *ret_min, float *ret_max) {
    float min = x[0];
    float max = x[0];
    for (size_t i = 1; i < n; i++) {
        if (x[i] < min) min = x[i];
        if (x[i] > max) max = x[i];
    }
    *ret_min = min;
    *ret_max = max;
}

/* Cut to an integer in 0..max; NaN gives 0. */
static inline unsigned hl_to_code(float x, unsigned max) {
    if (!(x > 0.0f)) return 0;
    return x < (float)max ? (unsigned)x : max;
}

#endif
