/* SPDX-License-Identifier: MIT
 *
 * gemv_bf16_avx512.c - y = W x for any number of tokens, W and x in bf16, widened to f32.
 * exact? bit-equal to the scalar definition. Method: floats_avx512.h
 */
#define HL_W                   uint16_t
#define HL_X                   uint16_t
#define HL_V                   __m512
#define HL_STEP                16
#define HL_X_OF(act)           (act)->bf16
#define HL_LOAD_W(p)           f32_of_bf16(load_halves(p))
#define HL_LOAD_X(p)           f32_of_bf16(load_halves(p))
#define HL_LOAD_W_TAIL(p, n)   f32_of_bf16(load_first_halves(p, n))
#define HL_LOAD_X_TAIL(p, n)   f32_of_bf16(load_first_halves(p, n))
#define HL_MULTIPLY(acc, w, x) _mm512_fmadd_ps(w, x, acc)
#include "engine/kernels/x86/floats_avx512.h"

void hl_gemv_bf16_avx512(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                         size_t y_stride) {
    gemv_floats(n_rows, w, row_bytes, x, y, y_stride);
}
