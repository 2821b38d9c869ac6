/* SPDX-License-Identifier: MIT
 *
 * probe_int8_avx2.c - multiply-adds of a CPU without VNNI as the best panels do them: eight products of bytes
 * are added in 16 bits before a ninth multiplication widens their sum (codes up to 15).
 */
#include <immintrin.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_int8_avx2(size_t n) {
    enum { CHAINS = 6, PRODUCTS = 8, MACS = 32 };
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i a = _mm256_set1_epi8(3);
    const __m256i b = _mm256_set1_epi8(-2);
    __m256i       sum[CHAINS];
    HL_UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = _mm256_set1_epi32(c);
    for (size_t i = 0; i < n; i++) {
        HL_UNROLL for (int c = 0; c < CHAINS; c++) { /* sums stay in registers only when unrolled */
            __m256i s = _mm256_setzero_si256();
            HL_UNROLL for (int p = 0; p < PRODUCTS; p++) {
                __m256i w = a;
                __asm__ volatile("" : "+x"(w)); /* the product must be made again */
                const __m256i product = _mm256_maddubs_epi16(w, b);
                s = p == 0 ? product : _mm256_add_epi16(s, product);
            }
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(s, ones));
        }
    }
    HL_UNROLL for (int c = 1; c < CHAINS; c++) sum[0] = _mm256_add_epi32(sum[0], sum[c]);
    __asm__ volatile("" : : "x"(sum[0]));
    return (uint64_t)n * CHAINS * PRODUCTS * MACS;
}
