/* SPDX-License-Identifier: MIT
 *
 * f32_to_bf16_avx2.c - a row of f32 to bf16, 16 at a time.
 */
#include "engine/kernels/x86/vec_x86.h"

static __m256i round_8(__m256 x) {
    __m256i u = _mm256_castps_si256(x), high = _mm256_srli_epi32(u, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i y = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(y, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
}

void hl_f32_to_bf16_avx2(size_t n, const float *x, uint16_t *ret_y) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i y = _mm256_packus_epi32(round_8(_mm256_loadu_ps(x + i)), round_8(_mm256_loadu_ps(x + i + 8)));
        _mm256_storeu_si256((__m256i *)(void *)(ret_y + i),
                            _mm256_permute4x64_epi64(y, _MM_SHUFFLE(3, 1, 2, 0)));
    }
    for (; i < n; i++) ret_y[i] = hl_bf16_of_f32(x[i]);
}
