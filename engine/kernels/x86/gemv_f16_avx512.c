/* SPDX-License-Identifier: MIT
 *
 * gemv_f16_avx512.c - y = W x for any number of tokens, W in f16 (widened exactly).
 * exact? bit-equal to the scalar definition. Method: floats_avx512.h
 */
#define HL_W                   uint16_t
#define HL_X                   float
#define HL_V                   __m512
#define HL_STEP                16
#define HL_X_OF(act)           (act)->f32
#define HL_LOAD_W(p)           _mm512_cvtph_ps(load_halves(p))
#define HL_LOAD_X(p)           _mm512_loadu_ps(p)
#define HL_LOAD_W_TAIL(p, n)   _mm512_cvtph_ps(load_first_halves(p, n))
#define HL_LOAD_X_TAIL(p, n)   _mm512_maskz_loadu_ps(first_lanes(n), p)
#define HL_MULTIPLY(acc, w, x) _mm512_fmadd_ps(w, x, acc)
#include "engine/kernels/x86/floats_avx512.h"

void hl_gemv_f16_avx512(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                        size_t y_stride) {
    gemv_floats(n_rows, w, row_bytes, x, y, y_stride);
}
