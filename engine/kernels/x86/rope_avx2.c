/* SPDX-License-Identifier: MIT
 *
 * rope_avx2.c - rotate the leading dimensions of one head.
 */
#include "engine/kernels/x86/vec_x86.h"

/* Pairs (i, i + half): 8 rotations at a time, the rest one by one. */
static void rotate_halves(size_t half, const float *cos_sin, float *x) {
    size_t i = 0;
    for (; i + 8 <= half; i += 8) {
        __m256 even = _mm256_loadu_ps(cos_sin + 2 * i), odd = _mm256_loadu_ps(cos_sin + 2 * i + 8);
        /* Within 128 bits first, then whole: c0 c1 c4 c5 | c2 c3 c6 c7 into order. */
        __m256 c = _mm256_shuffle_ps(even, odd, _MM_SHUFFLE(2, 0, 2, 0));
        __m256 s = _mm256_shuffle_ps(even, odd, _MM_SHUFFLE(3, 1, 3, 1));
        c = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(c), _MM_SHUFFLE(3, 1, 2, 0)));
        s = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), _MM_SHUFFLE(3, 1, 2, 0)));
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
        _mm256_storeu_ps(x + i, _mm256_fnmadd_ps(b, s, _mm256_mul_ps(a, c)));
        _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i], c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
        x[i] = fmaf(-b, s, a * c);
        x[half + i] = fmaf(b, c, a * s);
    }
}

/* Pairs (2i, 2i + 1): 4 rotations at a time. */
static void rotate_neighbours(size_t n, const float *cos_sin, float *x) {
    const __m256 minus_even = _mm256_setr_ps(-0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0);
    for (size_t i = 0; i < n; i += 8) {
        __m256 y = load_part_8(x + i, n - i), cs = load_part_8(cos_sin + i, n - i);
        __m256 b = _mm256_xor_ps(_mm256_movehdup_ps(y), minus_even);
        __m256 sc = _mm256_permute_ps(cs, _MM_SHUFFLE(2, 3, 0, 1));
        store_part_8(x + i, n - i, _mm256_fmadd_ps(b, sc, _mm256_mul_ps(_mm256_moveldup_ps(y), cs)));
    }
}

void hl_rope_avx2(size_t n_rot, bool halves, const float *cos_sin, float *x) {
    if (halves)
        rotate_halves(n_rot / 2, cos_sin, x);
    else
        rotate_neighbours(n_rot / 2 * 2, cos_sin, x);
}
