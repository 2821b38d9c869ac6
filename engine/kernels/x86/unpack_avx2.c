/* SPDX-License-Identifier: MIT
 *
 * unpack_avx2.c - rows into a panel, eight at a time (decode_avx2.h). Compiled once per weight type.
 *
 * exact?   yes: the panel of the scalar definition
 */
#include <assert.h>
#include <string.h>

#include "engine/kernels/wtype.h"
#include "engine/kernels/x86/decode_avx2.h"

/* Where a block of eight rows goes in a panel. */
struct sink8 {
    uint8_t *codes;
    float   *scale, *min;
};

HL_INLINE void put_quad(const kind8 kind, sink8 *out, int i, int k, __m256i quad) {
    (void)kind;
    _mm256_storeu_si256((__m256i *)(void *)(out->codes + (8 * i + k) * 4 * HL_PANEL_ROWS), quad);
}

HL_INLINE void put_scale(const kind8 kind, sink8 *out, int i, __m256 scale) {
    (void)kind;
    _mm256_storeu_ps(out->scale + i * HL_PANEL_ROWS, scale);
}

HL_INLINE void put_min(const kind8 kind, sink8 *out, int i, __m256 min) {
    (void)kind;
    _mm256_storeu_ps(out->min + i * HL_PANEL_ROWS, min);
}

HL_INLINE void put_group(const kind8 kind, sink8 *out, int i) {
    (void)kind;
    (void)out;
    (void)i;
}

enum { STAGE_BYTES = 256 };
static_assert((int)HL_TYPED(HL_BLOCK_BYTES) <= (int)STAGE_BYTES, "a row of a block fits");

/* A block of each of the n rows that are left, fewer than eight, and the last one again instead of those
 * missing. */
static void stage_rows(const uint8_t *w, size_t row_bytes, size_t n, size_t block_bytes,
                       uint8_t (*stage)[STAGE_BYTES]) {
    for (size_t k = 0; k < 8; k++) memcpy(stage[k], w + (k < n ? k : n - 1) * row_bytes, block_bytes);
}

/* Zero scales from row r on: codes there may be anything, but numbers must be finite. */
static void clear_scales(float *scale, size_t n_scales, size_t r) {
    for (size_t i = 0; i < n_scales && r < HL_PANEL_ROWS; i++)
        memset(scale + i * HL_PANEL_ROWS + r, 0, (HL_PANEL_ROWS - r) * sizeof *scale);
}

/* All rows of a panel; past the last one, the last one again up to a multiple of eight. */
HL_INLINE void unpack_rows8(const void *w, size_t row_bytes, hl_panel *p, hl_code_format f,
                            size_t block_bytes, size_t block_groups, decode8_fn *decode) {
    const size_t n_scales = 32 / f.group;
    const kind8  kind = {0, f.group, f.has_min, block_bytes, block_groups};
    p->group = f.group;
    p->offset = f.offset;
    p->has_min = f.has_min;
    p->max_code = f.max_code;
    size_t r = 0;
    for (; r < p->n_rows; r += 8) {
        uint8_t        stage[8][STAGE_BYTES];
        const uint8_t *at = (const uint8_t *)w + r * row_bytes;
        const size_t   left = p->n_rows - r;
        sink8          out = {p->codes + 4 * r, p->scale + r, p->min + r};
        strip8         s = {.at = {at, at + 4 * row_bytes}, .stride = row_bytes, .stride3 = 3 * row_bytes};
        if (left < 8)
            s = (strip8){.at = {stage[0], stage[4]}, .stride = STAGE_BYTES, .stride3 = 3 * STAGE_BYTES};
        for (size_t i = 0; i < p->n_cols / 32; i += block_groups) {
            if (left < 8)
                stage_rows(at + i / block_groups * block_bytes, row_bytes, left, block_bytes, stage);
            decode(kind, &s, &out);
            if (left >= 8) strip_advance(&s, block_bytes);
            out.codes += block_groups * 32 * HL_PANEL_ROWS;
            out.scale += block_groups * n_scales * HL_PANEL_ROWS;
            out.min += block_groups * n_scales * HL_PANEL_ROWS;
        }
    }
    clear_scales(p->scale, p->n_cols / f.group, r);
    if (f.has_min) clear_scales(p->min, p->n_cols / f.group, r);
}

void HL_KERNEL_NAME(unpack, avx2)(const void *w, size_t row_bytes, hl_panel *p) {
    unpack_rows8(w, row_bytes, p, HL_WTYPE_FORMAT, HL_TYPED(HL_BLOCK_BYTES), HL_TYPED(HL_BLOCK_GROUPS),
                 HL_TYPED(decode8));
}
