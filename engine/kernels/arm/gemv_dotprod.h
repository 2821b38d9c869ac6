/* SPDX-License-Identifier: MIT
 *
 * gemv_dotprod.h - y = W x of quantized rows with SDOT: rows4_neon.h where a lane is a row from the first
 * product on.
 */
#ifndef HL_ENGINE_KERNELS_GEMV_DOTPROD_H
#define HL_ENGINE_KERNELS_GEMV_DOTPROD_H

#include "engine/kernels/arm/codes_neon.h"
#include "engine/kernels/arm/dot_quad.h"

HL_INLINE int32x4_t hl_dot4_sdot(const uint8x16_t *code, size_t s, size_t n, bool is_signed,
                                 const int8x16_t *x, int32x4_t start) {
    (void)is_signed;
    HL_UNROLL for (size_t k = 4 * s; k < 4 * s + n / 4; k++) start =
        hl_dot_quad(start, vreinterpretq_s8_u8(code[k]), x[k / 4], k % 4);
    return start;
}

HL_INLINE void hl_token4_sdot(const hl_part4 *p, hl_code_format f, float32x4_t *acc) {
    acc[0] = hl_step4(p, f, 0, hl_dot4_sdot, acc[0]);
}

HL_INLINE void hl_tokens4_sdot(const hl_part4 *p, hl_code_format f, float32x4_t *acc) {
    for (size_t t = 0; t < p->x->n_tokens; t++) acc[t] = hl_step4(p, f, t, hl_dot4_sdot, acc[t]);
}

HL_INLINE void hl_gemv_blocks_dotprod(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x,
                                      float *y, size_t y_stride, hl_rows4 type) {
    if (x->n_tokens == 1)
        hl_gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, 1, type, HL_LAYOUT_QUADS, hl_token4_sdot);
    else
        hl_gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, x->n_tokens, type, HL_LAYOUT_QUADS,
                      hl_tokens4_sdot);
}

#endif
