/* SPDX-License-Identifier: MIT
 *
 * probe_int8_neon.c - the widening multiplications of a CPU without dot products, in eight independent
 * chains.
 */
#include <arm_neon.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_int8_neon(size_t n) {
    enum { MACS = 16, CHAINS = 8 };
    const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-2);
    int16x8_t       sum[CHAINS];
    HL_UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = vdupq_n_s16((int16_t)c);
    for (size_t i = 0; i < n; i++) {
        HL_UNROLL for (int c = 0; c < CHAINS; c++) { /* sums stay in registers only when unrolled */
            int8x16_t w = a;
            __asm__ volatile("" : "+w"(w)); /* the product must be made again */
            sum[c] = vmlal_high_s8(vmlal_s8(sum[c], vget_low_s8(w), vget_low_s8(b)), w, b);
        }
    }
    HL_UNROLL for (int c = 1; c < CHAINS; c++) sum[0] = vaddq_s16(sum[0], sum[c]);
    __asm__ volatile("" : : "w"(sum[0]));
    return (uint64_t)n * CHAINS * MACS;
}
