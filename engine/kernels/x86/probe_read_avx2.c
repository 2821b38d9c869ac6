/* SPDX-License-Identifier: MIT
 *
 * probe_read_avx2.c - read memory in eight streams of 256-bit words, with prefetch.
 */
#include <immintrin.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_read_avx2(size_t n, const void *p) {
    enum { STREAMS = 8, PREFETCH_DISTANCE = 1024 };
    const uint8_t *at = p;
    const size_t   part = n / STREAMS;
    __m256i        sum[STREAMS];
    for (int s = 0; s < STREAMS; s++) sum[s] = _mm256_setzero_si256();
    for (size_t i = 0; i + 64 <= part; i += 64) {
        HL_UNROLL for (int s = 0; s < STREAMS; s++) {
            const uint8_t *from = at + (size_t)s * part + i;
            _mm_prefetch((const char *)(from + PREFETCH_DISTANCE), _MM_HINT_T1);
            sum[s] = _mm256_add_epi64(sum[s], _mm256_loadu_si256((const __m256i *)from));
            sum[s] = _mm256_add_epi64(sum[s], _mm256_loadu_si256((const __m256i *)(from + 32)));
        }
    }
    for (int s = 1; s < STREAMS; s++) sum[0] = _mm256_add_epi64(sum[0], sum[s]);
    return (uint64_t)_mm256_extract_epi64(sum[0], 0) + (uint64_t)_mm256_extract_epi64(sum[0], 2);
}
