/* SPDX-License-Identifier: MIT
 *
 * decode_neon.h - decoders of one block of four rows, per weight type. Layouts: engine/quant/<type>.h.
 *
 * All work on codes is by bytes, so it is the same for every order of the bytes in registers (code_layout);
 * only the loads, and the fifth bits of q5_0 and q5_1, know it.
 */
#ifndef HL_ENGINE_KERNELS_ARM_DECODE_NEON_H
#define HL_ENGINE_KERNELS_ARM_DECODE_NEON_H

#include "engine/kernels/arm/rows4_neon.h"
#include "engine/kernels/staged.h"
#include "engine/quant/group.h"

HL_INLINE uint8x16_t zip_u64(uint8x16_t a, uint8x16_t b, bool upper) {
    const uint64x2_t x = vreinterpretq_u64_u8(a), y = vreinterpretq_u64_u8(b);
    return vreinterpretq_u8_u64(upper ? vzip2q_u64(x, y) : vzip1q_u64(x, y));
}

HL_INLINE uint8x16_t trn_u32(uint8x16_t a, uint8x16_t b, bool odd) {
    const uint32x4_t x = vreinterpretq_u32_u8(a), y = vreinterpretq_u32_u8(b);
    return vreinterpretq_u8_u32(odd ? vtrn2q_u32(x, y) : vtrn1q_u32(x, y));
}

/* 16 bytes at `offset` of four rows, the first or second half of a group in `layout`: u[0..3]. */
HL_INLINE void units16(const uint8_t *const *row, size_t offset, code_layout layout, uint8x16_t *u) {
    uint8x16_t a[4];
    HL_UNROLL for (int i = 0; i < 4; i++) a[i] = vld1q_u8(row[i] + offset);
    if (layout == HL_LAYOUT_ROWS) {
        HL_UNROLL for (int i = 0; i < 4; i++) u[i] = a[i];
        return;
    }
    const uint8x16_t t0 = trn_u32(a[0], a[1], false), t1 = trn_u32(a[0], a[1], true);
    const uint8x16_t t2 = trn_u32(a[2], a[3], false), t3 = trn_u32(a[2], a[3], true);
    u[0] = zip_u64(t0, t2, false);
    u[1] = zip_u64(t1, t3, false);
    u[2] = zip_u64(t0, t2, true);
    u[3] = zip_u64(t1, t3, true);
}

/* 32 bytes: a whole group. */
HL_INLINE void units32(const uint8_t *const *row, size_t offset, code_layout layout, uint8x16_t *u) {
    units16(row, offset, layout, u);
    units16(row, offset + 16, layout, u + 4);
}

/* 16 bytes that are no codes: u[k] has bytes 4k .. 4k + 3, lane = row. */
HL_INLINE void lanes16(const uint8_t *const *row, size_t offset, uint32x4_t *u) {
    uint8x16_t b[4];
    units16(row, offset, HL_LAYOUT_QUADS, b);
    HL_UNROLL for (int k = 0; k < 4; k++) u[k] = vreinterpretq_u32_u8(b[k]);
}

/* 4 bytes at `offset` of four rows. */
HL_INLINE uint32x4_t lanes4(const uint8_t *const *row, size_t offset) {
    uint32_t x[4];
    HL_UNROLL for (int i = 0; i < 4; i++) memcpy(&x[i], row[i] + offset, 4);
    uint32x4_t v = vdupq_n_u32(x[0]);
    v = vsetq_lane_u32(x[1], v, 1);
    v = vsetq_lane_u32(x[2], v, 2);
    return vsetq_lane_u32(x[3], v, 3);
}

HL_INLINE float32x4_t f32_of_halves(uint16x4_t v) { return vcvt_f32_f16(vreinterpret_f16_u16(v)); }

/* The f16 at `offset` of four rows, as f32. */
HL_INLINE float32x4_t halves4(const uint8_t *const *row, size_t offset) {
    uint16_t x[4];
    HL_UNROLL for (int i = 0; i < 4; i++) memcpy(&x[i], row[i] + offset, 2);
    uint16x4_t v = vdup_n_u16(x[0]);
    v = vset_lane_u16(x[1], v, 1);
    v = vset_lane_u16(x[2], v, 2);
    return f32_of_halves(vset_lane_u16(x[3], v, 3));
}

/* The f16 in the low or high halves of four lanes. */
HL_INLINE float32x4_t low_halves4(uint32x4_t v) { return f32_of_halves(vmovn_u32(v)); }
HL_INLINE float32x4_t high_halves4(uint32x4_t v) { return f32_of_halves(vshrn_n_u32(v, 16)); }

/* Byte `i` of every lane as f32: read in place as a number with 8 i fractional bits, where it is exact. */
HL_INLINE float32x4_t byte_f32(uint32x4_t v, int i) {
    const uint32x4_t x = vandq_u32(v, vdupq_n_u32(UINT32_C(0xFF) << 8 * i));
    switch (i) {
    case 0: return vcvtq_f32_u32(x);
    case 1: return vcvtq_n_f32_u32(x, 8);
    case 2: return vcvtq_n_f32_u32(x, 16);
    default: return vcvtq_n_f32_u32(x, 24);
    }
}

HL_INLINE float32x4_t signed_byte_f32(uint32x4_t v, int i) {
    const int32x4_t top = vshlq_s32(vreinterpretq_s32_u32(v), vdupq_n_s32(24 - 8 * i));
    return vcvtq_f32_s32(vshrq_n_s32(top, 24));
}

HL_INLINE uint8x16_t and8(uint8x16_t v, int mask) { return vandq_u8(v, vdupq_n_u8((uint8_t)mask)); }

/* Byte shifts; n is a constant, negative to the left. */
HL_INLINE uint8x16_t shift_right8(uint8x16_t v, int n) {
    switch (n) {
    case -4: return vshlq_n_u8(v, 4);
    case -3: return vshlq_n_u8(v, 3);
    case -2: return vshlq_n_u8(v, 2);
    case -1: return vshlq_n_u8(v, 1);
    case 0: return v;
    case 1: return vshrq_n_u8(v, 1);
    case 2: return vshrq_n_u8(v, 2);
    case 3: return vshrq_n_u8(v, 3);
    case 4: return vshrq_n_u8(v, 4);
    case 5: return vshrq_n_u8(v, 5);
    default: return vshrq_n_u8(v, 6);
    }
}

/* v with the bits of mask taken from `bits`. */
HL_INLINE uint8x16_t insert8(uint8x16_t v, uint8x16_t bits, int mask) {
    return vbslq_u8(vdupq_n_u8((uint8_t)mask), bits, v);
}

/* 16 bytes of nibbles at `offset`: low ones are columns 0..15, high ones 16..31. */
HL_INLINE void nibbles16(const uint8_t *const *b, size_t offset, code_layout layout, uint8x16_t *code) {
    uint8x16_t u[4];
    units16(b, offset, layout, u);
    HL_UNROLL for (int k = 0; k < 4; k++) {
        code[k] = and8(u[k], 15);
        code[k + 4] = vshrq_n_u8(u[k], 4);
    }
}

HL_INLINE void decode4_q4_0(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    (void)i;
    s->scale[0] = halves4(b, 0);
    nibbles16(b, 2, layout, code);
}

HL_INLINE void decode4_q4_1(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    (void)i;
    const uint32x4_t dm = lanes4(b, 0);
    s->scale[0] = low_halves4(dm);
    s->min[0] = vnegq_f32(high_halves4(dm));
    nibbles16(b, 4, layout, code);
}

/* Which byte of four rows' fifth bits, four bytes each, belongs to each byte of code[k]. */
HL_INLINE uint8x16_t fifth_bytes(code_layout layout, size_t k) {
    static const uint8_t rows[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint8_t quads[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
    const size_t         first = layout == HL_LAYOUT_ROWS ? 4 * (k % 4) + k / 4 * 2 : k / 2;
    return vaddq_u8(vld1q_u8(layout == HL_LAYOUT_ROWS ? rows : quads), vdupq_n_u8((uint8_t)first));
}

/* 16 more at byte j where its column's bit is set in `high`, whose lanes are rows. */
HL_INLINE void add_fifth_bits(uint32x4_t high, code_layout layout, uint8x16_t *code) {
    const uint64_t   eight = UINT64_C(0x8040201008040201);
    const uint8x16_t whole = vreinterpretq_u8_u64(vdupq_n_u64(eight));
    const uint8x16_t even = vreinterpretq_u8_u32(vdupq_n_u32((uint32_t)eight));
    const uint8x16_t odd = vreinterpretq_u8_u32(vdupq_n_u32((uint32_t)(eight >> 32)));
    HL_UNROLL for (size_t k = 0; k < 8; k++) {
        const uint8x16_t bit = layout == HL_LAYOUT_ROWS ? whole : k % 2 == 0 ? even : odd;
        const uint8x16_t byte = vqtbl1q_u8(vreinterpretq_u8_u32(high), fifth_bytes(layout, k));
        code[k] = insert8(code[k], vtstq_u8(byte, bit), 16);
    }
}

HL_INLINE void decode4_q5_0(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    (void)i;
    s->scale[0] = halves4(b, 0);
    nibbles16(b, 6, layout, code);
    add_fifth_bits(lanes4(b, 2), layout, code);
}

HL_INLINE void decode4_q5_1(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    (void)i;
    const uint32x4_t dm = lanes4(b, 0);
    s->scale[0] = low_halves4(dm);
    s->min[0] = vnegq_f32(high_halves4(dm));
    nibbles16(b, 8, layout, code);
    add_fifth_bits(lanes4(b, 4), layout, code);
}

HL_INLINE void decode4_q8_0(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    (void)i;
    s->scale[0] = halves4(b, 0);
    units32(b, 2, layout, code);
}

/* Replace nibbles by entries of a table of 16. */
HL_INLINE void look_up(uint8x16_t table, uint8x16_t *code) {
    HL_UNROLL for (int k = 0; k < 8; k++) code[k] = vqtbl1q_u8(table, code[k]);
}

/* The values of iq4_nl: its codes with the offset taken off. */
HL_INLINE uint8x16_t iq4_nl_table(void) {
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
    return vreinterpretq_u8_s8(vld1q_s8(table));
}

HL_INLINE void decode4_iq4_nl(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                              uint8x16_t *code) {
    (void)i;
    s->scale[0] = halves4(b, 0);
    nibbles16(b, 2, layout, code);
    look_up(iq4_nl_table(), code);
}

HL_INLINE void decode4_mxfp4(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                             uint8x16_t *code) {
    static const uint8_t table[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
    (void)i;
    uint32x4_t e = vdupq_n_u32(b[0][0]);
    e = vsetq_lane_u32(b[1][0], e, 1);
    e = vsetq_lane_u32(b[2][0], e, 2);
    e = vsetq_lane_u32(b[3][0], e, 3);
    const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
    const uint32x4_t tiny = vshlq_u32(vdupq_n_u32(0x200000), vreinterpretq_s32_u32(e));
    s->scale[0] = vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), tiny, normal));
    nibbles16(b, 1, layout, code);
    look_up(vld1q_u8(table), code);
}

/* Scales and minimums of q4_k and q5_k: d * scale and dmin * min of all 8 groups. */
HL_INLINE void k_scales4(const uint8_t *const *b, block4 *s) {
    const uint32x4_t six = vdupq_n_u32(0x3F3F3F3F), four = vdupq_n_u32(0x0F0F0F0F);
    const uint32x4_t top = vdupq_n_u32(0x30303030);
    uint32x4_t       h[4];
    lanes16(b, 0, h); /* d and dmin, then the 12 bytes of scales */
    const float32x4_t d = low_halves4(h[0]), dmin = high_halves4(h[0]);
    const uint32x4_t  scale[2] = {
         vandq_u32(h[1], six),
         vorrq_u32(vandq_u32(h[3], four), vandq_u32(vshrq_n_u32(h[1], 2), top)),
    };
    const uint32x4_t min[2] = {
        vandq_u32(h[2], six),
        vorrq_u32(vandq_u32(vshrq_n_u32(h[3], 4), four), vandq_u32(vshrq_n_u32(h[2], 2), top)),
    };
    HL_UNROLL for (int j = 0; j < 8; j++) {
        s->scale[j] = vmulq_f32(d, byte_f32(scale[j / 4], j % 4));
        s->min[j] = vmulq_f32(dmin, byte_f32(min[j / 4], j % 4));
    }
}

HL_INLINE void decode4_q4_k(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    if (i == 0) k_scales4(b, s);
    if (i % 2 == 0) units32(b, 16 + 16 * i, layout, s->low);
    HL_UNROLL for (int k = 0; k < 8; k++) code[k] =
        i % 2 == 0 ? and8(s->low[k], 15) : vshrq_n_u8(s->low[k], 4);
}

HL_INLINE void decode4_q5_k(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    if (i == 0) k_scales4(b, s);
    if (i == 0) units32(b, 16, layout, s->high);
    if (i % 2 == 0) units32(b, 48 + 16 * i, layout, s->low);
    HL_UNROLL for (int k = 0; k < 8; k++) {
        const uint8x16_t low = i % 2 == 0 ? and8(s->low[k], 15) : vshrq_n_u8(s->low[k], 4);
        code[k] = insert8(low, shift_right8(s->high[k], (int)i - 4), 16);
    }
}

HL_INLINE void decode4_q6_k(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    const size_t half = i / 4, m = i % 4; /* of 128 columns; 32 of these */
    if (i == 0) {
        const float32x4_t d = halves4(b, 208);
        uint32x4_t        scale[4];
        lanes16(b, 192, scale);
        HL_UNROLL for (int j = 0; j < 16; j++) s->scale[j] =
            vmulq_f32(d, signed_byte_f32(scale[j / 4], j % 4));
    }
    if (m == 0) units32(b, 128 + 32 * half, layout, s->high);
    if (m < 2) units32(b, 64 * half + 32 * m, layout, s->low + 8 * m);
    HL_UNROLL for (size_t k = 0; k < 8; k++) {
        const uint8x16_t both = s->low[8 * (m % 2) + k];
        const uint8x16_t low = m < 2 ? and8(both, 15) : vshrq_n_u8(both, 4);
        code[k] = insert8(low, shift_right8(s->high[k], 2 * (int)m - 4), 48);
    }
}

HL_INLINE void decode4_q2_k(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    if (i == 0) {
        const uint32x4_t  dm = lanes4(b, 80), four = vdupq_n_u32(0x0F0F0F0F);
        const float32x4_t d = low_halves4(dm), dmin = high_halves4(dm);
        uint32x4_t        both[4];
        lanes16(b, 0, both);
        HL_UNROLL for (int j = 0; j < 16; j++) {
            const uint32x4_t scale = vandq_u32(both[j / 4], four);
            const uint32x4_t min = vandq_u32(vshrq_n_u32(both[j / 4], 4), four);
            s->scale[j] = vmulq_f32(d, byte_f32(scale, j % 4));
            s->min[j] = vmulq_f32(dmin, byte_f32(min, j % 4));
        }
    }
    if (i % 4 == 0) units32(b, 16 + 8 * i, layout, s->low);
    HL_UNROLL for (int k = 0; k < 8; k++) {
        code[k] = shift_right8(s->low[k], 2 * (int)(i % 4));
        if (i % 4 != 3) code[k] = and8(code[k], 3);
    }
}

HL_INLINE void decode4_q3_k(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                            uint8x16_t *code) {
    if (i == 0) {
        const float32x4_t d = halves4(b, 108);
        const uint32x4_t  four = vdupq_n_u32(0x0F0F0F0F), top = vdupq_n_u32(0x30303030);
        uint32x4_t        h[4];
        lanes16(b, 92, h); /* the last 4 bytes of qs, then the 12 bytes of scales */
        HL_UNROLL for (int j = 0; j < 4; j++) {
            const uint32x4_t low = vandq_u32(vshlq_u32(h[1 + j % 2], vdupq_n_s32(-4 * (j / 2))), four);
            const uint32x4_t high = vandq_u32(vshlq_u32(h[3], vdupq_n_s32(4 - 2 * j)), top);
            const uint32x4_t scale = vorrq_u32(low, high);
            HL_UNROLL for (int k = 0; k < 4; k++) s->scale[4 * j + k] =
                vmulq_f32(d, vsubq_f32(byte_f32(scale, k), vdupq_n_f32(32.0f)));
        }
        units32(b, 0, layout, s->high);
    }
    if (i % 4 == 0) units32(b, 32 + 8 * i, layout, s->low);
    HL_UNROLL for (int k = 0; k < 8; k++) {
        code[k] = shift_right8(s->low[k], 2 * (int)(i % 4));
        if (i % 4 != 3) code[k] = and8(code[k], 3);
        code[k] = insert8(code[k], shift_right8(s->high[k], (int)i - 2), 4);
    }
}

HL_INLINE void decode4_iq4_xs(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,
                              uint8x16_t *code) {
    if (i == 0) {
        const uint32x4_t  head = lanes4(b, 0), low = lanes4(b, 4);
        const float32x4_t d = low_halves4(head);
        HL_UNROLL for (int j = 0; j < 8; j++) {
            const uint32x4_t lo = vandq_u32(vshlq_u32(low, vdupq_n_s32(-4 * j)), vdupq_n_u32(15));
            const uint32x4_t hi = vandq_u32(vshlq_u32(head, vdupq_n_s32(-12 - 2 * j)), vdupq_n_u32(48));
            const int32x4_t  scale = vsubq_s32(vreinterpretq_s32_u32(vorrq_u32(lo, hi)), vdupq_n_s32(32));
            s->scale[j] = vmulq_f32(d, vcvtq_f32_s32(scale));
        }
    }
    nibbles16(b, 8 + 16 * i, layout, code);
    look_up(iq4_nl_table(), code);
}

/* Types whose rows are laid down first (staged.h), a group at a time. */
HL_INLINE void decode4_staged(hl_group_fn *decode, hl_code_format f, const uint8_t *const *b, size_t i,
                              code_layout layout, block4 *s, uint8x16_t *code) {
    hl_group       g[4];
    const uint8_t *at[4];
    uint32x4_t     scale[4];
    HL_UNROLL for (size_t r = 0; r < 4; r++) {
        decode(b[r], i, &g[r]);
        at[r] = (const uint8_t *)&g[r];
    }
    units32(at, HL_STAGED_CODES(0), layout, code);
    if (f.offset == 128) HL_UNROLL for (int k = 0; k < 8; k++) code[k] = veorq_u8(code[k], vdupq_n_u8(0x80));
    lanes16(at, HL_STAGED_SCALES(0), scale);
    const size_t n = 32 / f.group;
    HL_UNROLL for (size_t k = 0; k < n; k++) s->scale[n * i + k] = vreinterpretq_f32_u32(scale[k]);
}

#define HL_STAGED4(type)                                                                                     \
    HL_INLINE void decode4_##type(const uint8_t *const *b, size_t i, code_layout layout, block4 *s,          \
                                  uint8x16_t *code) {                                                        \
        decode4_staged(hl_##type##_group, hl_##type##_format(), b, i, layout, s, code);                      \
    }
HL_STAGED_TYPES(HL_STAGED4)
HL_STAGED4(iq1_s)
HL_STAGED4(iq1_m)
HL_STAGED4(iq2_xxs)
HL_STAGED4(iq2_xs)
HL_STAGED4(iq2_s)
HL_STAGED4(iq3_xxs)
HL_STAGED4(iq3_s)
HL_STAGED4(tq2_0)
HL_STAGED4(nvfp4)

/* Everything that a gemv or a panel needs to know of the type that the file is compiled for. */
#define HL_ROWS4                                                                                             \
    ((rows4){HL_WTYPE_FORMAT, HL_TYPED(HL_BLOCK_BYTES), HL_TYPED(HL_BLOCK_GROUPS), HL_TYPED(decode4)})

#endif
