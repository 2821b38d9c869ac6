/* SPDX-License-Identifier: MIT
 *
 * gemv_i8mm.h - y = W x of quantized rows with SMMLA: two rows times two tokens in one instruction.
 *
 * Two products of 2 x 2 give four rows of two tokens, which two UZP put in order; from there on as gemv_dotprod.h.
 * One token alone would waste half of every product and takes SDOT.
 */
#ifndef HL_ENGINE_KERNELS_GEMV_I8MM_H
#define HL_ENGINE_KERNELS_GEMV_I8MM_H

#include "engine/kernels/arm/gemv_dotprod.h"

/* isum[token][scale] of two tokens, whose columns lie in x[k]: 8k .. 8k + 7 of the first, then of the second. */
HL_INLINE void hl_dot4_smmla(const uint8x16_t *code, hl_code_format f, const int8x16_t *x, const int32x2_t *xsum,
                             int32x4_t isum[2][2]) {
    HL_UNROLL for (size_t s = 0; s < 32 / f.group; s++) {
        const int32x2_t both = s == 0 ? vzip1_s32(xsum[0], xsum[1]) : vzip2_s32(xsum[0], xsum[1]);
        const int32x2_t start = f.offset == 128 ? vdup_n_s32(0) : vmul_n_s32(both, -f.offset);
        int32x4_t       sum[2];
        sum[0] = sum[1] = vcombine_s32(start, start);
        HL_UNROLL for (size_t k = 2 * s; k < 2 * s + f.group / 8; k++)
            HL_UNROLL for (size_t h = 0; h < 2; h++) /* rows 0 and 1, rows 2 and 3 */
                sum[h] = vmmlaq_s32(sum[h], vreinterpretq_s8_u8(code[2 * k + h]), x[k]);
        isum[0][s] = vuzp1q_s32(sum[0], sum[1]);
        isum[1][s] = vuzp2q_s32(sum[0], sum[1]);
    }
}

HL_INLINE void hl_tokens4_smmla(const hl_part4 *p, hl_code_format f, float32x4_t *acc) {
    const hl_act *a = p->x;
    const size_t  n_groups = a->n_cols / 32;
    for (size_t t = 0; t < a->n_tokens; t += 2) {
        /* The last one of an odd number is its own partner. */
        const size_t at[2] = {t * n_groups + p->group, (t + 1 < a->n_tokens ? t + 1 : t) * n_groups + p->group};
        int8x16_t    x[4];
        int32x2_t    xsum[2];
        int32x4_t    isum[2][2];
        HL_UNROLL for (size_t h = 0; h < 2; h++) {
            const int64x2_t u = vreinterpretq_s64_s8(vld1q_s8(a->q + 32 * at[0] + 16 * h));
            const int64x2_t v = vreinterpretq_s64_s8(vld1q_s8(a->q + 32 * at[1] + 16 * h));
            x[2 * h] = vreinterpretq_s8_s64(vzip1q_s64(u, v));
            x[2 * h + 1] = vreinterpretq_s8_s64(vzip2q_s64(u, v));
            xsum[h] = hl_xsum(f, a->sum16 + 2 * at[h]);
        }
        hl_dot4_smmla(p->code, f, x, xsum, isum);
        acc[t] = hl_finish4(f, p->scale, p->min, isum[0], xsum[0], a->d[at[0]], acc[t]);
        if (t + 1 < a->n_tokens)
            acc[t + 1] = hl_finish4(f, p->scale, p->min, isum[1], xsum[1], a->d[at[1]], acc[t + 1]);
    }
}

HL_INLINE void hl_gemv_blocks_i8mm(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                   size_t y_stride, hl_rows4 type) {
    if (x->n_tokens == 1) hl_gemv_one_dotprod(n_rows, w, row_bytes, x, y, y_stride, type);
    else hl_gemv_rows4(n_rows, w, row_bytes, x, y, y_stride, x->n_tokens, type, HL_LAYOUT_PAIRS, hl_tokens4_smmla);
}

#endif
