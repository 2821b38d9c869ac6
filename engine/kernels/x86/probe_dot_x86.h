/* SPDX-License-Identifier: MIT
 *
 * probe_dot_x86.h - int8 dot products on registers alone: what a core can do at most. The including file
 *   defines V, SET1_8(x), SET1_32(x), ADD(a, b)   a vector of int8, of int32, and the sum of two of these
 *   DOT(sum, a, b)                        the instruction, MACS multiply-accumulates
 *   IN_REGISTER                           the constraint of an asm operand that is such a vector
 */
#ifndef HL_ENGINE_KERNELS_X86_PROBE_DOT_X86_H
#define HL_ENGINE_KERNELS_X86_PROBE_DOT_X86_H

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

HL_INLINE uint64_t probe_dot(size_t n) {
    enum { CHAINS = 12 }; /* more than latency times throughput, fewer than registers */
    const V a = SET1_8(3);
    const V b = SET1_8(-2);
    V       sum[CHAINS];
    HL_UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = SET1_32(c);
    for (size_t i = 0; i < n; i++) {
        HL_UNROLL for (int c = 0; c < CHAINS; c++) { /* sums stay in registers only when unrolled */
            sum[c] = DOT(sum[c], a, b);
            __asm__ volatile("" : "+" IN_REGISTER(sum[c])); /* no two rounds may become one */
        }
    }
    HL_UNROLL for (int c = 1; c < CHAINS; c++) sum[0] = ADD(sum[0], sum[c]);
    __asm__ volatile("" : : IN_REGISTER(sum[0]));
    return (uint64_t)n * CHAINS * MACS;
}

#endif
