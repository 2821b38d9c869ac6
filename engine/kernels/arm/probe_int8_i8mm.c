/* SPDX-License-Identifier: MIT
 *
 * probe_int8_i8mm.c - SMMLA in sixteen independent chains.
 */
#include <arm_neon.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_int8_i8mm(size_t n) {
    enum { CHAINS = 16, MACS = 32 };
    const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-2);
    int32x4_t       sum[CHAINS];
    HL_UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = vdupq_n_s32(c);
    for (size_t i = 0; i < n; i++) {
        HL_UNROLL for (int c = 0; c < CHAINS; c++) { /* sums stay in registers only when unrolled */
            int8x16_t w = a;
            __asm__ volatile("" : "+w"(w)); /* the product must be made again */
            sum[c] = vmmlaq_s32(sum[c], w, b);
        }
    }
    HL_UNROLL for (int c = 1; c < CHAINS; c++) sum[0] = vaddq_s32(sum[0], sum[c]);
    __asm__ volatile("" : : "w"(sum[0]));
    return (uint64_t)n * CHAINS * MACS;
}
