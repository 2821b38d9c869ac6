/* SPDX-License-Identifier: MIT
 *
 * group.h - the common shape of all quantized weights: groups of 32 codes with scales and minimums.
 *
 * Each quantized type's header has one function that decodes group i of a row into this shape. Its meaning
 * is always   weight = (code - offset) * scale - min   (min only where the type has one), so conversion to
 * f32, unpacking to panels and the scalar products are each written once, below and in engine/kernels/scalar.
 */
#ifndef HL_ENGINE_QUANT_GROUP_H
#define HL_ENGINE_QUANT_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hl_code_format {
    uint32_t group;  /* 16 or 32 weights share a scale */
    int32_t  offset; /* of the codes: a power of two, or 0 */
    bool     has_min;
    uint8_t  max_code; /* no code is larger */
} hl_code_format;

/* Of every type: its format as constants and as a whole, hl_q4_k_format(). */
#define HL_FORMAT(type, group, offset, has_min, max_code)                                                    \
    enum {                                                                                                   \
        HL_GROUP_##type = group,                                                                             \
        HL_OFFSET_##type = offset,                                                                           \
        HL_HAS_MIN_##type = has_min,                                                                         \
    };                                                                                                       \
    static inline hl_code_format hl_##type##_format(void) {                                                  \
        return (hl_code_format){group, offset, has_min, max_code};                                           \
    }
#include "engine/quant/formats.def"
#undef HL_FORMAT

/* In front of a loop of four or eight steps that each fill some bytes: rolled up, counting would cost as
 * much. */
#if defined(__clang__)
#define HL_UNROLLED _Pragma("unroll")
#else
#define HL_UNROLLED _Pragma("GCC unroll 8")
#endif

/* HL_BLOCK_BYTES_q4_k, and HL_BLOCK_GROUPS_q4_k: groups of 32 weights (none of float types). */
enum {
#define HL_TYPE(name, id, elems, bytes)                                                                      \
    HL_BLOCK_BYTES_##name = (bytes), HL_BLOCK_GROUPS_##name = (elems) / 32,
#include "core/gguf/types.def"
#undef HL_TYPE
};

typedef struct hl_group {
    uint8_t code[32];
    float   scale[2]; /* of weights 0..15 and 16..31; only [0] when 32 weights share a scale */
    float   min[2];   /* likewise; undefined when the type has none */
} hl_group;

/* Decode weights 32 * i_group .. + 31 of a packed row. */
typedef void hl_group_fn(const void *row, size_t i_group, hl_group *ret);

/* n floats from packed weights; n is a multiple of 32. One rounding for the product, one for the
 * difference. */
static inline void hl_groups_to_f32(const void *w, size_t n, hl_code_format f, hl_group_fn *decode,
                                    float *ret_x) {
    for (size_t i = 0; i < n / 32; i++) {
        hl_group g;
        decode(w, i, &g);
        for (size_t j = 0; j < 32; j++) {
            const size_t s = j / f.group;
            const float  x = (float)((int32_t)g.code[j] - f.offset) * g.scale[s];
            ret_x[32 * i + j] = f.has_min ? x - g.min[s] : x;
        }
    }
}

#endif
