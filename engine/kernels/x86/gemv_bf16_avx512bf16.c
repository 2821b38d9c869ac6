/* SPDX-License-Identifier: MIT
 *
 * gemv_bf16_avx512bf16.c - y = W x for any number of tokens, W and x in bf16, two columns per lane and step.
 * exact? lane i sums columns 2i, 2i+1 modulo 32 with the rounding of vdpbf16ps, subnormals as zero: close
 * to the scalar definition, and the same for any number of tokens. Method: floats_avx512.h
 */
#define HL_W                   uint16_t
#define HL_X                   uint16_t
#define HL_V                   __m512i
#define HL_STEP                32
#define HL_X_OF(act)           (act)->bf16
#define HL_LOAD_W(p)           _mm512_loadu_si512(p)
#define HL_LOAD_X(p)           _mm512_loadu_si512(p)
#define HL_LOAD_W_TAIL(p, n)   _mm512_maskz_loadu_epi16((__mmask32)((1ull << (n)) - 1), p)
#define HL_LOAD_X_TAIL(p, n)   _mm512_maskz_loadu_epi16((__mmask32)((1ull << (n)) - 1), p)
#define HL_MULTIPLY(acc, w, x) _mm512_dpbf16_ps(acc, (__m512bh)(w), (__m512bh)(x))
#include "engine/kernels/x86/floats_avx512.h"

void hl_gemv_bf16_avx512bf16(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                             size_t y_stride) {
    gemv_floats(n_rows, w, row_bytes, x, y, y_stride);
}
