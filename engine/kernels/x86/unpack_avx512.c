/* SPDX-License-Identifier: MIT
 *
 * unpack_avx512.c - 32 rows into a panel, by transposing 16 bytes of 16 rows at a time: a panel is two halves
 * of 16 rows. Compiled once per weight type.
 *
 * exact?   yes: the panel of the scalar definition. Method: decode_avx512.h
 */
#include "engine/kernels/wtype.h"
#include "engine/kernels/x86/decode_avx512.h"

/* Zero the lanes outside of m in n vectors that lie 32 lanes apart. */
HL_INLINE void clear_lanes(void *p, __mmask16 m, size_t n) {
    for (uint8_t *v = p; n > 0; n--, v += 128) _mm512_store_si512(v, _mm512_maskz_loadu_epi32(m, v));
}

HL_INLINE void unpack16(decode16_fn *decode, size_t block_bytes, const uint8_t *w, size_t row_bytes,
                        hl_panel *p) {
    const size_t scale_groups = TILE_COLS / p->group;
    row_stage    stage;
    for (size_t c = 0; c < p->n_cols; c += TILE_COLS, w += block_bytes) {
        const size_t n = p->n_cols - c < TILE_COLS ? p->n_cols - c : TILE_COLS;
        for (size_t half = 0; half < 2; half++) {
            const size_t   rows = p->n_rows > 16 * half ? p->n_rows - 16 * half : 0;
            const uint8_t *from = w + 16 * half * row_bytes;
            size_t         stride = row_bytes;
            uint8_t       *codes = p->codes + c * HL_PANEL_ROWS + 64 * half;
            const size_t   at = c / TILE_COLS * scale_groups * HL_PANEL_ROWS + 16 * half;
            if (rows < ROWS16) {
                stage_rows(&stage, from, row_bytes, rows, block_bytes * n / TILE_COLS);
                from = stage.bytes[0];
                stride = BLOCK_BYTES_MAX;
            }
            sink s = {.codes = codes, .scale = p->scale + at, .min = p->min + at};
            decode(0, &s, from, stride, n);
            if (rows >= ROWS16) continue;
            clear_lanes(codes, (__mmask16)((1u << rows) - 1), n / 4);
            clear_lanes(p->scale + at, (__mmask16)((1u << rows) - 1), n / p->group);
            if (p->has_min) clear_lanes(p->min + at, (__mmask16)((1u << rows) - 1), n / p->group);
        }
    }
}

void HL_KERNEL_NAME(unpack, avx512)(const void *w, size_t row_bytes, hl_panel *p) {
    p->group = HL_TYPED(HL_GROUP);
    p->offset = HL_TYPED(HL_OFFSET);
    p->has_min = HL_TYPED(HL_HAS_MIN);
    unpack16(HL_TYPED(decode16), HL_BLOCK256, w, row_bytes, p);
}
