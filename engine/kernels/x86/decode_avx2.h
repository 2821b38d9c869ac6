/* SPDX-License-Identifier: MIT
 *
 * decode_avx2.h - for every quantized type: a block of eight rows into codes, scales and minimums. Layouts:
 * engine/quant/<type>.h.
 *
 * Four-byte units of eight rows are transposed in registers, so that one vector holds the same four columns
 * of all of them (a "quad"; lane = row). What becomes of quads and scales is decided by the sink that the
 * including file defines: stored in a panel (unpack_avx2.c), or multiplied with some tokens while they are
 * in registers (gemv_dot_avx2.h). Either takes a quad when it is made: collecting a block first costs as much
 * again. All numbers i and k are constants.
 */
#ifndef HL_ENGINE_KERNELS_X86_DECODE_AVX2_H
#define HL_ENGINE_KERNELS_X86_DECODE_AVX2_H

#include "engine/kernels/x86/grids8_avx2.h"
#include "engine/kernels/x86/staged8_avx2.h"

typedef struct sink8 sink8;

/* Constants of a kernel. Functions hand them on by value, so that the compiler sees what they are. */
typedef struct kind8 {
    size_t n_tokens; /* that the sink multiplies at once; 0: none */
    size_t group;    /* of columns that share a scale */
    bool   has_min;
    size_t block_bytes, block_groups;
} kind8;

/* Read one block of eight rows. */
typedef void decode8_fn(const kind8 kind, const strip8 *s, sink8 *out);

HL_INLINE void put_quad(const kind8 kind, sink8 *out, int i, int k,
                        __m256i quad); /* columns 4 k .. 4 k + 3 of group i of 32 */
HL_INLINE void put_scale(const kind8 kind, sink8 *out, int i,
                         __m256 scale); /* i counts groups that share one, 16 or 32 */
HL_INLINE void put_min(const kind8 kind, sink8 *out, int i, __m256 min);
HL_INLINE void put_group(const kind8 kind, sink8 *out,
                         int i); /* group i of 32 is complete; they come in order */

HL_INLINE void put_quads(const kind8 kind, sink8 *out, int i, const __m256i *quad) {
    HL_UNROLL for (int k = 0; k < 8; k++) put_quad(kind, out, i, k, quad[k]);
    put_group(kind, out, i);
}

/* Byte `i` of every 32-bit lane as f32. */
HL_INLINE __m256 byte_f32(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(v, 8 * i), _mm256_set1_epi32(0xFF)));
}

/* The first n words of 4 bytes of a block; n is constant. All blocks have 16 bytes. */
HL_INLINE void first_words(const strip8 *s, int n, __m256i *word) {
    __m256i u[4];
    strip_units(s, 0, u);
    HL_UNROLL for (int i = 0; i < n; i++) word[i] = u[i];
}

/* 16 bytes of nibbles at `offset`: low ones are columns 0..15, high ones 16..31. */
HL_INLINE void nibbles16(const strip8 *s, size_t offset, __m256i *quad) {
    __m256i u[4];
    strip_units(s, offset, u);
    HL_UNROLL for (int k = 0; k < 4; k++) {
        quad[k] = mask8(u[k], 15);
        quad[k + 4] = move8(u[k], 4, 15);
    }
}

HL_INLINE void decode8_q4_0(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    put_scale(kind, out, 0, strip_f16(s, 0));
    nibbles16(s, 2, quad);
    put_quads(kind, out, 0, quad);
}

HL_INLINE __m256 negate8(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }

HL_INLINE void decode8_q4_1(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    __m256i head[2];
    first_words(s, 1, head);
    put_scale(kind, out, 0, low_f16(head[0]));
    put_min(kind, out, 0, negate8(low_f16(_mm256_srli_epi32(head[0], 16))));
    nibbles16(s, 4, quad);
    put_quads(kind, out, 0, quad);
}

/* Add 16 to column j of a row where bit j of its lane in `high` is set. */
HL_INLINE void add_fifth_bits(__m256i high, __m256i *quad) {
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_or_si256(quad[k], where_set(high, k, 16));
}

HL_INLINE void decode8_q5_0(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    __m256i head[2]; /* d and the fifth bits of 16 columns, those of the next 16 */
    first_words(s, 2, head);
    put_scale(kind, out, 0, low_f16(head[0]));
    nibbles16(s, 6, quad);
    add_fifth_bits(_mm256_or_si256(_mm256_srli_epi32(head[0], 16), _mm256_slli_epi32(head[1], 16)), quad);
    put_quads(kind, out, 0, quad);
}

HL_INLINE void decode8_q5_1(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    __m256i head[2];
    first_words(s, 2, head);
    put_scale(kind, out, 0, low_f16(head[0]));
    put_min(kind, out, 0, negate8(low_f16(_mm256_srli_epi32(head[0], 16))));
    nibbles16(s, 8, quad);
    add_fifth_bits(head[1], quad);
    put_quads(kind, out, 0, quad);
}

HL_INLINE void decode8_q8_0(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    __m256i head;
    first_words(s, 1, &head);
    put_scale(kind, out, 0, low_f16(head));
    strip_units(s, 2, quad);
    strip_units(s, 18, quad + 4);
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_xor_si256(quad[k], _mm256_set1_epi8(-128));
    put_quads(kind, out, 0, quad);
}

/* Replace nibbles by entries of a table of 16. */
HL_INLINE void look_up(__m128i table, __m256i *quad) {
    const __m256i both = _mm256_broadcastsi128_si256(table);
    HL_UNROLL for (int k = 0; k < 8; k++) quad[k] = _mm256_shuffle_epi8(both, quad[k]);
}

HL_INLINE __m128i iq4_nl_table(void) {
    return _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                         (char)181, (char)197, (char)217, (char)241);
}

HL_INLINE void decode8_iq4_nl(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    put_scale(kind, out, 0, strip_f16(s, 0));
    nibbles16(s, 2, quad);
    look_up(iq4_nl_table(), quad);
    put_quads(kind, out, 0, quad);
}

/* e2m1 times two, plus 16. */
HL_INLINE __m128i e2m1_table(void) {
    return _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4);
}

HL_INLINE void decode8_mxfp4(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i quad[8];
    __m256i e;
    first_words(s, 1, &e);
    put_scale(kind, out, 0, mxfp4_scale8(_mm256_and_si256(e, _mm256_set1_epi32(0xFF))));
    nibbles16(s, 1, quad);
    look_up(e2m1_table(), quad);
    put_quads(kind, out, 0, quad);
}

/* Scales and minimums of q4_k and q5_k: d * scale and dmin * min of all 8 groups. */
HL_INLINE void k_scales8(const kind8 kind, const strip8 *s, sink8 *out) {
    k_head8 h;
    k_head8_read(s, &h);
    HL_UNROLL for (int i = 0; i < 8; i++) {
        put_scale(kind, out, i, _mm256_mul_ps(h.d, byte_f32(h.scale[i / 4], i % 4)));
        put_min(kind, out, i, _mm256_mul_ps(h.dmin, byte_f32(h.min[i / 4], i % 4)));
    }
}

HL_INLINE void decode8_q4_k(const kind8 kind, const strip8 *s, sink8 *out) {
    k_scales8(kind, s, out);
    HL_UNROLL for (int j = 0; j < 8; j += 2) {
        HL_UNROLL for (int c = 0; c < 2; c++) {
            __m256i u[4];
            strip_units(s, (size_t)(16 + 16 * (j + c)), u);
            HL_UNROLL for (int k = 0; k < 4; k++) {
                put_quad(kind, out, j, 4 * c + k, mask8(u[k], 15));
                put_quad(kind, out, j + 1, 4 * c + k, move8(u[k], 4, 15));
            }
        }
        put_group(kind, out, j);
        put_group(kind, out, j + 1);
    }
}

HL_INLINE void decode8_q5_k(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i high[8];
    k_scales8(kind, s, out);
    strip_units(s, 16, high);
    strip_units(s, 32, high + 4);
    HL_UNROLL for (int j = 0; j < 8; j += 2) {
        HL_UNROLL for (int c = 0; c < 2; c++) {
            __m256i u[4];
            strip_units(s, (size_t)(48 + 16 * (j + c)), u);
            HL_UNROLL for (int k = 0; k < 4; k++) {
                const __m256i first = move8(high[4 * c + k], j - 4, 16),
                              second = move8(high[4 * c + k], j - 3, 16);
                put_quad(kind, out, j, 4 * c + k, _mm256_or_si256(mask8(u[k], 15), first));
                put_quad(kind, out, j + 1, 4 * c + k, _mm256_or_si256(move8(u[k], 4, 15), second));
            }
        }
        put_group(kind, out, j);
        put_group(kind, out, j + 1);
    }
}

HL_INLINE void decode8_q6_k(const kind8 kind, const strip8 *s, sink8 *out) {
    const __m256 d = _mm256_mul_ps(strip_f16(s, 208), _mm256_set1_ps(0x1p-24f));
    __m256i      scale[4];
    strip_units(s, 192, scale);
    HL_UNROLL for (int i = 0; i < 16; i++)
        put_scale(kind, out, i, _mm256_mul_ps(d, top_byte_f32(scale[i / 4], i % 4)));
    HL_UNROLL for (int n = 0; n < 2; n++) {
        HL_UNROLL for (int c = 0; c < 2; c++) { /* 16 columns of each of four groups share their upper bits */
            __m256i high[4];
            strip_units(s, (size_t)(128 + 32 * n + 16 * c), high);
            HL_UNROLL for (int m = 0; m < 2; m++) { /* columns 32 m and 64 + 32 m of the 128 */
                __m256i u[4];
                strip_units(s, (size_t)(64 * n + 32 * m + 16 * c), u);
                HL_UNROLL for (int k = 0; k < 4; k++) {
                    const __m256i near = move8(high[k], 2 * m - 4, 0x30), far = move8(high[k], 2 * m, 0x30);
                    put_quad(kind, out, 4 * n + m, 4 * c + k, _mm256_or_si256(mask8(u[k], 15), near));
                    put_quad(kind, out, 4 * n + m + 2, 4 * c + k, _mm256_or_si256(move8(u[k], 4, 15), far));
                }
            }
        }
        HL_UNROLL for (int i = 0; i < 4; i++) put_group(kind, out, 4 * n + i);
    }
}

HL_INLINE void decode8_q2_k(const kind8 kind, const strip8 *s, sink8 *out) {
    const __m256i dm = strip_u32(s, 80);
    const __m256  d = low_f16(dm);
    const __m256  dmin = low_f16(_mm256_srli_epi32(dm, 16));
    __m256i       h[4];
    strip_units(s, 0, h);
    HL_UNROLL for (int i = 0; i < 16; i++) {
        put_scale(kind, out, i, _mm256_mul_ps(d, byte_f32(mask8(h[i / 4], 15), i % 4)));
        put_min(kind, out, i, _mm256_mul_ps(dmin, byte_f32(move8(h[i / 4], 4, 15), i % 4)));
    }
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        strip_units(s, (size_t)(16 + 32 * n), u);
        strip_units(s, (size_t)(32 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++) {
            HL_UNROLL for (int k = 0; k < 8; k++) put_quad(kind, out, 4 * n + i, k, move8(u[k], 2 * i, 3));
            put_group(kind, out, 4 * n + i);
        }
    }
}

HL_INLINE void decode8_q3_k(const kind8 kind, const strip8 *s, sink8 *out) {
    const __m256 d = _mm256_mul_ps(strip_f16(s, 108), _mm256_set1_ps(0x1p-24f));
    __m256i      h[4], mask[8];
    strip_units(s, 92, h); /* the last 4 bytes of qs, then the 12 bytes of scales */
    HL_UNROLL for (int i = 0; i < 4; i++) {
        const __m256i low = move8(h[1 + i % 2], 4 * (i / 2), 15);
        const __m256i both = _mm256_or_si256(low, move8(h[3], 2 * i - 4, 0x30));
        const __m256i scale = _mm256_sub_epi8(both, _mm256_set1_epi8(32));
        HL_UNROLL for (int j = 0; j < 4; j++)
            put_scale(kind, out, 4 * i + j, _mm256_mul_ps(d, top_byte_f32(scale, j)));
    }
    strip_units(s, 0, mask);
    strip_units(s, 16, mask + 4);
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        strip_units(s, (size_t)(32 + 32 * n), u);
        strip_units(s, (size_t)(48 + 32 * n), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++) {
            HL_UNROLL for (int k = 0; k < 8; k++) {
                const __m256i third = move8(mask[k], 4 * n + i - 2, 4);
                put_quad(kind, out, 4 * n + i, k, _mm256_or_si256(move8(u[k], 2 * i, 3), third));
            }
            put_group(kind, out, 4 * n + i);
        }
    }
}

HL_INLINE void decode8_iq4_xs(const kind8 kind, const strip8 *s, sink8 *out) {
    __m256i head[2], scale[2];
    first_words(s, 2, head);
    iq4_xs_scales(head[0], head[1], scale);
    const __m256 d = _mm256_mul_ps(low_f16(head[0]), _mm256_set1_ps(0x1p-24f));
    HL_UNROLL for (int i = 0; i < 8; i++)
        put_scale(kind, out, i, _mm256_mul_ps(d, top_byte_f32(scale[i % 2], i / 2)));
    HL_UNROLL for (int i = 0; i < 8; i++) {
        __m256i quad[8];
        nibbles16(s, (size_t)(8 + 16 * i), quad);
        look_up(iq4_nl_table(), quad);
        put_quads(kind, out, i, quad);
    }
}

HL_INLINE void decode8_tq2_0(const kind8 kind, const strip8 *s, sink8 *out) {
    const __m256 d = strip_f16(s, 64);
    HL_UNROLL for (int i = 0; i < 8; i++) put_scale(kind, out, i, d);
    HL_UNROLL for (int n = 0; n < 2; n++) {
        __m256i u[8];
        strip_units(s, (size_t)(32 * n), u);
        strip_units(s, (size_t)(32 * n + 16), u + 4);
        HL_UNROLL for (int i = 0; i < 4; i++) {
            HL_UNROLL for (int k = 0; k < 8; k++) put_quad(kind, out, 4 * n + i, k, move8(u[k], 2 * i, 3));
            put_group(kind, out, 4 * n + i);
        }
    }
}

HL_INLINE void decode8_nvfp4(const kind8 kind, const strip8 *s, sink8 *out) {
    const __m256i table = _mm256_broadcastsi128_si256(e2m1_table());
    __m256i       e;
    first_words(s, 1, &e);
    HL_UNROLL for (int i = 0; i < 4; i++) put_scale(kind, out, i, nvfp4_scale8(e, i));
    HL_UNROLL for (int i = 0; i < 2; i++) {
        __m256i u[4];
        strip_units(s, (size_t)(4 + 16 * i), u);
        HL_UNROLL for (int k = 0; k < 8; k++) {
            const __m256i both = u[k / 4 * 2 + k % 2];
            put_quad(kind, out, i, k, _mm256_shuffle_epi8(table, move8(both, k % 4 < 2 ? 0 : 4, 15)));
        }
        put_group(kind, out, i);
    }
}

/* Types whose codes stand in grids (grids.h). */
HL_INLINE void decode8_grid(const kind8 kind, const grid_type type, const strip8 *s, sink8 *out) {
    grid_block b;
    read_grid8(type, s, &b);
    HL_UNROLL for (int i = 0; i < 8; i++) {
        const int  n = 32 / (int)kind.group;
        grid_group x;
        __m256i    quad[8];
        type.group(&b, (size_t)i, &x);
        grid_quads(type, &x, quad);
        HL_UNROLL for (int k = 0; k < n; k++) put_scale(kind, out, n * i + k, (__m256)x.scale[k]);
        put_quads(kind, out, i, quad);
    }
}

#define HL_GRID_DECODE8(type, ...)                                                                           \
    HL_INLINE void decode8_##type(const kind8 kind, const strip8 *s, sink8 *out) {                           \
        decode8_grid(kind, grid_##type(), s, out);                                                           \
    }
HL_GRID_TYPES(HL_GRID_DECODE8)

/* Types whose rows are laid down first (staged.h). */
HL_INLINE void decode8_staged(const kind8 kind, stage8_fn *stage, const strip8 *s, sink8 *out) {
    hl_staged_row row[8];
    stage(s, row);
    const strip8 staged = staged_strip(row);
    HL_UNROLL for (int i = 0; i < (int)kind.block_groups; i++) {
        __m256i quad[8], scale[4];
        strip_units(&staged, HL_STAGED_CODES(i), quad);
        strip_units(&staged, HL_STAGED_CODES(i) + 16, quad + 4);
        strip_units(&staged, HL_STAGED_SCALES(i), scale);
        HL_UNROLL for (int k = 0; k < 32 / (int)kind.group; k++)
            put_scale(kind, out, 32 / (int)kind.group * i + k, _mm256_castsi256_ps(scale[k]));
        put_quads(kind, out, i, quad);
    }
}

#define HL_STAGED_DECODE8(type)                                                                              \
    HL_INLINE void decode8_##type(const kind8 kind, const strip8 *s, sink8 *out) {                           \
        decode8_staged(kind, stage8_##type, s, out);                                                         \
    }
HL_STAGED_TYPES(HL_STAGED_DECODE8)

#endif
