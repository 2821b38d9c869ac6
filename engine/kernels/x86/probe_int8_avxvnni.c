/* SPDX-License-Identifier: MIT
 *
 * probe_int8_avxvnni.c - 256-bit vpdpbusd in twelve independent chains: the ports that panels keep busy.
 */
#include <immintrin.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_int8_avxvnni(size_t n) {
    enum { CHAINS = 12, MACS = 32 };
    const __m256i a = _mm256_set1_epi8(3);
    const __m256i b = _mm256_set1_epi8(-2);
    __m256i       sum[CHAINS];
    HL_UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = _mm256_set1_epi32(c);
    for (size_t i = 0; i < n; i++) {
        HL_UNROLL for (int c = 0; c < CHAINS; c++) { /* sums stay in registers only when unrolled */
            sum[c] = _mm256_dpbusd_avx_epi32(sum[c], a, b);
            __asm__ volatile("" : "+x"(sum[c])); /* no two rounds may become one */
        }
    }
    HL_UNROLL for (int c = 1; c < CHAINS; c++) sum[0] = _mm256_add_epi32(sum[0], sum[c]);
    __asm__ volatile("" : : "x"(sum[0]));
    return (uint64_t)n * CHAINS * MACS;
}
