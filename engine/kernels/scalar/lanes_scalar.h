/* SPDX-License-Identifier: MIT
 *
 * lanes_scalar.h - the float order of kernels.h: 16 partial sums by column, then pairwise.
 */
#ifndef HL_ENGINE_KERNELS_SCALAR_LANES_SCALAR_H
#define HL_ENGINE_KERNELS_SCALAR_LANES_SCALAR_H

/* Sum of 16 lanes: those 8 apart first, then 4, 2, neighbours. Destroys them. */
static inline float lanes_sum(float *lane) {
    for (int step = 8; step > 0; step /= 2)
        for (int i = 0; i < step; i++) lane[i] += lane[i + step];
    return lane[0];
}

#endif
