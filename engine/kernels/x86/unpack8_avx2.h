/* SPDX-License-Identifier: MIT
 *
 * unpack8_avx2.h - blocks of eight rows into a panel, per weight type. Layouts: engine/quant/<type>.h.
 *
 * Four-byte units of eight rows are transposed in registers, so that one vector holds the same four columns of all of
 * them (a "quad"), as a panel wants them, and is stored at once: collecting a block first costs as much again.
 */
#ifndef HL_ENGINE_KERNELS_UNPACK8_AVX2_H
#define HL_ENGINE_KERNELS_UNPACK8_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"
#include "engine/quant/group.h"

/* Where a block of eight rows goes in a panel. */
typedef struct hl_block8_out {
    uint8_t *codes;
    float   *scale, *min;
} hl_block8_out;

/* Unpack one block of eight rows. */
typedef void hl_unpack8_fn(const uint8_t *const *block, const hl_block8_out *out);

/* Columns 4k .. 4k + 3 of group i of 32. */
HL_INLINE void hl_put_quad(const hl_block8_out *out, int i, int k, __m256i quad) {
    _mm256_storeu_si256((__m256i *)(void *)(out->codes + (8 * i + k) * 4 * HL_PANEL_ROWS), quad);
}

HL_INLINE void hl_put_quads(const hl_block8_out *out, const __m256i *quad) {
    HL_UNROLL for (int k = 0; k < 8; k++) hl_put_quad(out, 0, k, quad[k]);
}

/* Scale and minimum i of the block. */
HL_INLINE void hl_put_scale(const hl_block8_out *out, int i, __m256 x) {
    _mm256_storeu_ps(out->scale + i * HL_PANEL_ROWS, x);
}

HL_INLINE void hl_put_min(const hl_block8_out *out, int i, __m256 x) {
    _mm256_storeu_ps(out->min + i * HL_PANEL_ROWS, x);
}

HL_INLINE int hl_load_u32(const void *p) {
    int x;
    memcpy(&x, p, 4);
    return x;
}

HL_INLINE short hl_load_u16(const void *p) {
    short x;
    memcpy(&x, p, 2);
    return x;
}

/* 16 bytes at `offset` of eight rows as four vectors of one unit each. */
HL_INLINE void hl_units16(const uint8_t *const *row, size_t offset, __m256i *u) {
    __m256i a[4];
    HL_UNROLL for (int i = 0; i < 4; i++) { /* a broadcast and a blend: loading into the upper half is half as fast */
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(row[i] + offset));
        const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(row[i + 4] + offset));
        a[i] = _mm256_blend_epi32(_mm256_castsi128_si256(low), _mm256_broadcastsi128_si256(high), 0xF0);
    }
    const __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
    const __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
    u[0] = _mm256_unpacklo_epi64(t0, t2);
    u[1] = _mm256_unpackhi_epi64(t0, t2);
    u[2] = _mm256_unpacklo_epi64(t1, t3);
    u[3] = _mm256_unpackhi_epi64(t1, t3);
}

/* 4 bytes at `offset` of eight rows. */
HL_INLINE __m256i hl_units4(const uint8_t *const *row, size_t offset) {
    return _mm256_setr_epi32(hl_load_u32(row[0] + offset), hl_load_u32(row[1] + offset), hl_load_u32(row[2] + offset),
                             hl_load_u32(row[3] + offset), hl_load_u32(row[4] + offset), hl_load_u32(row[5] + offset),
                             hl_load_u32(row[6] + offset), hl_load_u32(row[7] + offset));
}

/* The f16 at `offset` of eight rows, as f32. */
HL_INLINE __m256 hl_halves8(const uint8_t *const *row, size_t offset) {
    return _mm256_cvtph_ps(
        _mm_setr_epi16(hl_load_u16(row[0] + offset), hl_load_u16(row[1] + offset), hl_load_u16(row[2] + offset),
                       hl_load_u16(row[3] + offset), hl_load_u16(row[4] + offset), hl_load_u16(row[5] + offset),
                       hl_load_u16(row[6] + offset), hl_load_u16(row[7] + offset)));
}

/* The f16 in the low halves of eight 32-bit lanes, as f32. */
HL_INLINE __m256 hl_low_halves8(__m256i v) {
    const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(both));
}

HL_INLINE __m256i hl_and8(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

/* Bits shift .. of every byte, masked. */
HL_INLINE __m256i hl_bits8(__m256i v, int shift, int mask) { return hl_and8(_mm256_srli_epi16(v, shift), mask); }

/* Byte `i` of every 32-bit lane as f32. */
HL_INLINE __m256 hl_byte_f32(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(v, 8 * i), _mm256_set1_epi32(0xFF)));
}

HL_INLINE __m256 hl_signed_byte_f32(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(v, 24 - 8 * i), 24));
}

/* 16 bytes of nibbles at `offset`: low ones are columns 0..15, high ones 16..31. */
HL_INLINE void hl_nibbles16(const uint8_t *const *b, size_t offset, __m256i *quad) {
    __m256i u[4];
    hl_units16(b, offset, u);
    HL_UNROLL for (int k = 0; k < 4; k++) {
        quad[k] = hl_and8(u[k], 15);
        quad[k + 4] = hl_bits8(u[k], 4, 15);
    }
}

HL_INLINE void hl_unpack8_q4_0(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    hl_put_scale(out, 0, hl_halves8(b, 0));
    hl_nibbles16(b, 2, quad);
    hl_put_quads(out, quad);
}

HL_INLINE __m256 hl_negate8(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }

HL_INLINE void hl_unpack8_q4_1(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    const __m256i dm = hl_units4(b, 0);
    hl_put_scale(out, 0, hl_low_halves8(dm));
    hl_put_min(out, 0, hl_negate8(hl_low_halves8(_mm256_srli_epi32(dm, 16))));
    hl_nibbles16(b, 4, quad);
    hl_put_quads(out, quad);
}

/* Add 16 to column j of a row where bit j of its lane in `high` is set. */
HL_INLINE void hl_add_fifth_bits(__m256i high, __m256i *quad) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0, 0, 0, 4,
                                            4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    HL_UNROLL for (int k = 0; k < 8; k++) {
        const __m256i bit = _mm256_set1_epi32(k % 2 ? (int)0x80402010 : 0x08040201);
        const __m256i byte = _mm256_shuffle_epi8(high, _mm256_add_epi8(spread, _mm256_set1_epi8((char)(k / 2))));
        const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
        quad[k] = _mm256_or_si256(quad[k], hl_and8(set, 16));
    }
}

HL_INLINE void hl_unpack8_q5_0(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    hl_put_scale(out, 0, hl_halves8(b, 0));
    hl_nibbles16(b, 6, quad);
    hl_add_fifth_bits(hl_units4(b, 2), quad);
    hl_put_quads(out, quad);
}

HL_INLINE void hl_unpack8_q5_1(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    const __m256i dm = hl_units4(b, 0);
    hl_put_scale(out, 0, hl_low_halves8(dm));
    hl_put_min(out, 0, hl_negate8(hl_low_halves8(_mm256_srli_epi32(dm, 16))));
    hl_nibbles16(b, 8, quad);
    hl_add_fifth_bits(hl_units4(b, 4), quad);
    hl_put_quads(out, quad);
}

HL_INLINE void hl_unpack8_q8_0(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    hl_put_scale(out, 0, hl_halves8(b, 0));
    hl_units16(b, 2, quad);
    hl_units16(b, 18, quad + 4);
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_xor_si256(quad[k], _mm256_set1_epi8(-128));
    hl_put_quads(out, quad);
}

/* Replace nibbles by entries of a table of 16. */
HL_INLINE void hl_look_up(__m128i table, __m256i *quad) {
    const __m256i both = _mm256_broadcastsi128_si256(table);
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_shuffle_epi8(both, quad[k]);
}

HL_INLINE __m128i hl_iq4_nl_table(void) {
    return _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                         (char)181, (char)197, (char)217, (char)241);
}

HL_INLINE void hl_unpack8_iq4_nl(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    hl_put_scale(out, 0, hl_halves8(b, 0));
    hl_nibbles16(b, 2, quad);
    hl_look_up(hl_iq4_nl_table(), quad);
    hl_put_quads(out, quad);
}

HL_INLINE void hl_unpack8_mxfp4(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i quad[8];
    const __m256i e = _mm256_setr_epi32(b[0][0], b[1][0], b[2][0], b[3][0], b[4][0], b[5][0], b[6][0], b[7][0]);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    const __m256i is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    hl_put_scale(out, 0, _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, is_tiny)));
    hl_nibbles16(b, 1, quad);
    hl_look_up(_mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4), quad);
    hl_put_quads(out, quad);
}

/* Scales and minimums of q4_k and q5_k: d * scale and dmin * min of all 8 groups. */
HL_INLINE void hl_k_scales8(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i h[4];
    hl_units16(b, 0, h); /* d and dmin, then the 12 bytes of scales */
    const __m256  d = hl_low_halves8(h[0]);
    const __m256  dmin = hl_low_halves8(_mm256_srli_epi32(h[0], 16));
    const __m256i scale[2] = {
        hl_and8(h[1], 63),
        _mm256_or_si256(hl_and8(h[3], 15), _mm256_slli_epi16(hl_bits8(h[1], 6, 3), 4)),
    };
    const __m256i min[2] = {
        hl_and8(h[2], 63),
        _mm256_or_si256(hl_bits8(h[3], 4, 15), _mm256_slli_epi16(hl_bits8(h[2], 6, 3), 4)),
    };
    HL_UNROLL for (int i = 0; i < 8; i++) {
        hl_put_scale(out, i, _mm256_mul_ps(d, hl_byte_f32(scale[i / 4], i % 4)));
        hl_put_min(out, i, _mm256_mul_ps(dmin, hl_byte_f32(min[i / 4], i % 4)));
    }
}

HL_INLINE void hl_unpack8_q4_k(const uint8_t *const *b, const hl_block8_out *out) {
    hl_k_scales8(b, out);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        __m256i u[8];
        hl_units16(b, (size_t)(16 + 32 * j), u);
        hl_units16(b, (size_t)(32 + 32 * j), u + 4);
        HL_UNROLL for (int k = 0; k < 8; k++) {
            hl_put_quad(out, 2 * j, k, hl_and8(u[k], 15));
            hl_put_quad(out, 2 * j + 1, k, hl_bits8(u[k], 4, 15));
        }
    }
}

HL_INLINE void hl_unpack8_q5_k(const uint8_t *const *b, const hl_block8_out *out) {
    __m256i high[8];
    hl_k_scales8(b, out);
    hl_units16(b, 16, high);
    hl_units16(b, 32, high + 4);
    HL_UNROLL for (int j = 0; j < 4; j++) {
        __m256i u[8];
        hl_units16(b, (size_t)(48 + 32 * j), u);
        hl_units16(b, (size_t)(64 + 32 * j), u + 4);
        HL_UNROLL for (int k = 0; k < 8; k++) {
            const __m256i low_bit = _mm256_slli_epi16(hl_bits8(high[k], 2 * j, 1), 4);
            const __m256i high_bit = _mm256_slli_epi16(hl_bits8(high[k], 2 * j + 1, 1), 4);
            hl_put_quad(out, 2 * j, k, _mm256_or_si256(hl_and8(u[k], 15), low_bit));
            hl_put_quad(out, 2 * j + 1, k, _mm256_or_si256(hl_bits8(u[k], 4, 15), high_bit));
        }
    }
}

HL_INLINE void hl_unpack8_q6_k(const uint8_t *const *b, const hl_block8_out *out) {
    const __m256 d = hl_halves8(b, 208);
    __m256i      scale[4];
    hl_units16(b, 192, scale);
    HL_UNROLL for (int i = 0; i < 16; i++)
        hl_put_scale(out, i, _mm256_mul_ps(d, hl_signed_byte_f32(scale[i / 4], i % 4)));
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i high[8];
        hl_units16(b, (size_t)(128 + 32 * n), high);
        hl_units16(b, (size_t)(144 + 32 * n), high + 4);
        HL_UNROLL for (int m = 0; m < 2; m++) { /* columns 32 m and 64 + 32 m of the 128 */
            __m256i u[8];
            hl_units16(b, (size_t)(64 * n + 32 * m), u);
            hl_units16(b, (size_t)(64 * n + 32 * m + 16), u + 4);
            HL_UNROLL for (int k = 0; k < 8; k++) {
                const __m256i near = _mm256_slli_epi16(hl_bits8(high[k], 2 * m, 3), 4);
                const __m256i far = _mm256_slli_epi16(hl_bits8(high[k], 2 * m + 4, 3), 4);
                hl_put_quad(out, 4 * n + m, k, _mm256_or_si256(hl_and8(u[k], 15), near));
                hl_put_quad(out, 4 * n + m + 2, k, _mm256_or_si256(hl_bits8(u[k], 4, 15), far));
            }
        }
    }
}

HL_INLINE void hl_unpack8_q2_k(const uint8_t *const *b, const hl_block8_out *out) {
    const __m256i dm = hl_units4(b, 80);
    const __m256  d = hl_low_halves8(dm);
    const __m256  dmin = hl_low_halves8(_mm256_srli_epi32(dm, 16));
    __m256i       s[4];
    hl_units16(b, 0, s);
    HL_UNROLL for (int i = 0; i < 16; i++) {
        hl_put_scale(out, i, _mm256_mul_ps(d, hl_byte_f32(hl_and8(s[i / 4], 15), i % 4)));
        hl_put_min(out, i, _mm256_mul_ps(dmin, hl_byte_f32(hl_bits8(s[i / 4], 4, 15), i % 4)));
    }
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        hl_units16(b, (size_t)(16 + 32 * n), u);
        hl_units16(b, (size_t)(32 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++)
            HL_UNROLL for (int k = 0; k < 8; k++) hl_put_quad(out, 4 * n + i, k, hl_bits8(u[k], 2 * i, 3));
    }
}

HL_INLINE void hl_unpack8_q3_k(const uint8_t *const *b, const hl_block8_out *out) {
    const __m256 d = hl_halves8(b, 108);
    __m256i      h[4], mask[8];
    hl_units16(b, 92, h); /* the last 4 bytes of qs, then the 12 bytes of scales */
    HL_UNROLL for (int i = 0; i < 4; i++) {
        const __m256i low = hl_bits8(h[1 + i % 2], 4 * (i / 2), 15);
        const __m256i s = _mm256_or_si256(low, _mm256_slli_epi16(hl_bits8(h[3], 2 * i, 3), 4));
        HL_UNROLL for (int j = 0; j < 4; j++)
            hl_put_scale(out, 4 * i + j, _mm256_mul_ps(d, _mm256_sub_ps(hl_byte_f32(s, j), _mm256_set1_ps(32.0f))));
    }
    hl_units16(b, 0, mask);
    hl_units16(b, 16, mask + 4);
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        hl_units16(b, (size_t)(32 + 32 * n), u);
        hl_units16(b, (size_t)(48 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++)
            HL_UNROLL for (int k = 0; k < 8; k++) {
                const __m256i third = _mm256_slli_epi16(hl_bits8(mask[k], 4 * n + i, 1), 2);
                hl_put_quad(out, 4 * n + i, k, _mm256_or_si256(hl_bits8(u[k], 2 * i, 3), third));
            }
    }
}

HL_INLINE void hl_unpack8_iq4_xs(const uint8_t *const *b, const hl_block8_out *out) {
    const __m256i head = hl_units4(b, 0);
    const __m256i low = hl_units4(b, 4);
    const __m256  d = hl_low_halves8(head);
    HL_UNROLL for (int i = 0; i < 8; i++) {
        __m256i       quad[8];
        const __m256i lo = _mm256_and_si256(_mm256_srli_epi32(low, 4 * i), _mm256_set1_epi32(15));
        const __m256i hi = _mm256_and_si256(_mm256_srli_epi32(head, 16 + 2 * i), _mm256_set1_epi32(3));
        const __m256i s = _mm256_sub_epi32(_mm256_or_si256(lo, _mm256_slli_epi32(hi, 4)), _mm256_set1_epi32(32));
        hl_put_scale(out, i, _mm256_mul_ps(d, _mm256_cvtepi32_ps(s)));
        hl_nibbles16(b, (size_t)(8 + 16 * i), quad);
        hl_look_up(hl_iq4_nl_table(), quad);
        HL_UNROLL for (int k = 0; k < 8; k++) hl_put_quad(out, i, k, quad[k]);
    }
}

/* All rows of a panel; past the last one, the last one again. */
HL_INLINE void hl_unpack_rows8(const void *w, size_t row_bytes, hl_panel *p, hl_code_format f, size_t block_bytes,
                               size_t block_groups, hl_unpack8_fn *unpack) {
    const size_t n_scales = 32 / f.group;
    p->group = f.group;
    p->offset = f.offset;
    p->has_min = f.has_min;
    p->max_code = f.max_code;
    for (size_t r = 0; r < HL_PANEL_ROWS; r += 8) {
        hl_block8_out  out = {p->codes + 4 * r, p->scale + r, p->min + r};
        const uint8_t *row[8];
        HL_UNROLL for (size_t i = 0; i < 8; i++) row[i] =
            (const uint8_t *)w + (r + i < p->n_rows ? r + i : p->n_rows - 1) * row_bytes;
        for (size_t i = 0; i < p->n_cols / 32; i += block_groups) {
            unpack(row, &out);
            HL_UNROLL for (size_t k = 0; k < 8; k++) row[k] += block_bytes;
            out.codes += block_groups * 32 * HL_PANEL_ROWS;
            out.scale += block_groups * n_scales * HL_PANEL_ROWS;
            out.min += block_groups * n_scales * HL_PANEL_ROWS;
        }
    }
}

#endif
