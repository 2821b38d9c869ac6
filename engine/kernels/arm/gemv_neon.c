/* SPDX-License-Identifier: MIT
 *
 * gemv_neon.c - y = W x of quantized rows, for any arm64 CPU: four rows at a time, a lane is a row
 * (rows4_neon.h), with widening multiplications. Compiled once per weight type.
 *
 * A register is 16 columns of one row, multiplied as it lies: two products of signed codes, four of the
 * others (at most 4 * 63 * 127), fit a sum of 16 bits. Pairwise additions then bring the sums of four rows
 * into four lanes.
 *
 * exact?   yes: the bits of the scalar definition
 */
#include "engine/kernels/arm/decode_neon.h"
#include "engine/kernels/wtype.h"

/* 16 columns of one row: products of columns 8 apart, added to sum. */
HL_INLINE int16x8_t products16(int16x8_t sum, uint8x16_t code, int8x16_t x) {
    const int8x16_t w = vreinterpretq_s8_u8(code);
    return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(w), vget_low_s8(x)), w, x);
}

HL_INLINE int32x4_t dot4_neon(const uint8x16_t *code, size_t s, size_t n, bool is_signed, const int8x16_t *x,
                              int32x4_t start) {
    int32x4_t sum[4];
    HL_UNROLL for (size_t r = 0; r < 4; r++) {
        const int16x8_t zero = vdupq_n_s16(0);
        int16x8_t       p = products16(zero, code[4 * s + r], x[s]);
        if (n == 32 && !is_signed) p = products16(p, code[4 + r], x[1]);
        sum[r] = vpaddlq_s16(p);
        if (n == 32 && is_signed) sum[r] = vpadalq_s16(sum[r], products16(zero, code[4 + r], x[1]));
    }
    return vaddq_s32(start, vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3])));
}

HL_INLINE void token4_neon(const part4 *p, hl_code_format f, float32x4_t *acc) {
    acc[0] = step4(p, f, 0, dot4_neon, acc[0]);
}

HL_INLINE void tokens4_neon(const part4 *p, hl_code_format f, float32x4_t *acc) {
    for (size_t t = 0; t < p->x->n_tokens; t++) acc[t] = step4(p, f, t, dot4_neon, acc[t]);
}

void HL_KERNEL_NAME(gemv, neon)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                size_t y_stride) {
    if (x->n_tokens == 1)
        gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, 1, HL_ROWS4, HL_LAYOUT_ROWS, token4_neon);
    else
        gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, x->n_tokens, HL_ROWS4, HL_LAYOUT_ROWS, tokens4_neon);
}
