/* SPDX-License-Identifier: MIT
 *
 * gemv_dotprod.c - y = W x of quantized rows with SDOT: four rows at a time, a lane is a row from the first
 * product on (rows4_neon.h). Compiled once per weight type.
 *
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/decode_neon.h"
#include "engine/kernels/arm/dot_quad.h"
#include "engine/kernels/wtype.h"

HL_INLINE int32x4_t dot4_sdot(const uint8x16_t *code, size_t s, size_t n, bool is_signed, const int8x16_t *x,
                              int32x4_t start) {
    (void)is_signed;
    HL_UNROLL for (size_t k = 4 * s; k < 4 * s + n / 4; k++) start =
        dot_quad(start, vreinterpretq_s8_u8(code[k]), x[k / 4], k % 4);
    return start;
}

HL_INLINE void token4_sdot(const part4 *p, hl_code_format f, float32x4_t *acc) {
    acc[0] = step4(p, f, 0, dot4_sdot, acc[0]);
}

HL_INLINE void tokens4_sdot(const part4 *p, hl_code_format f, float32x4_t *acc) {
    for (size_t t = 0; t < p->x->n_tokens; t++) acc[t] = step4(p, f, t, dot4_sdot, acc[t]);
}

void HL_KERNEL_NAME(gemv, dotprod)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                   size_t y_stride) {
    if (x->n_tokens == 1)
        gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, 1, HL_ROWS4, HL_LAYOUT_QUADS, token4_sdot);
    else
        gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, x->n_tokens, HL_ROWS4, HL_LAYOUT_QUADS,
                   tokens4_sdot);
}
