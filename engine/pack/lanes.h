/* SPDX-License-Identifier: MIT
 *
 * lanes.h - as many floats at once as a register of the instruction set holds (HL_LANES, which the
 * including file says: 8 or 16; every processor has 4).
 */
#ifndef HL_ENGINE_PACK_LANES_H
#define HL_ENGINE_PACK_LANES_H

#include <stdint.h>
#include <string.h>

#ifndef HL_LANES
#define HL_LANES 4
#endif

typedef float   lanes __attribute__((vector_size(4 * HL_LANES)));
typedef int32_t int_lanes __attribute__((vector_size(4 * HL_LANES)));

#define HL_INLINE static inline __attribute__((always_inline, unused))

HL_INLINE lanes all_lanes(float x) { return x - (lanes){0}; }

HL_INLINE lanes load_lanes(const float *p) {
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

HL_INLINE void store_lanes(float *p, lanes x) { memcpy(p, &x, sizeof x); }

/* a where the mask is set, else b. */
HL_INLINE lanes choose(int_lanes mask, lanes a, lanes b) {
    return (lanes)(((int_lanes)a & mask) | ((int_lanes)b & ~mask));
}

HL_INLINE lanes smaller(lanes a, lanes b) { return choose(a < b, a, b); }
HL_INLINE lanes larger(lanes a, lanes b) { return choose(a > b, a, b); }
HL_INLINE lanes magnitude(lanes a) { return (lanes)((int_lanes)a & 0x7FFFFFFF); }

/* To the nearest integer, ties to even; for numbers below 2^22. */
HL_INLINE lanes nearest(lanes x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

/* Rounded and cut to low..high; NaN gives low. */
HL_INLINE lanes nearest_within(lanes x, float low, float high) {
    return nearest(choose(x > low, choose(x < high, x, all_lanes(high)), all_lanes(low)));
}

/* 1 / x, and 0 where x is 0. */
HL_INLINE lanes inverse(lanes x) {
    const int_lanes zero = x == 0.0f;
    return choose(zero, all_lanes(0.0f), 1.0f / choose(zero, all_lanes(1.0f), x));
}

#endif
