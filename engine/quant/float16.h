/* SPDX-License-Identifier: MIT
 *
 * float16.h - 16-bit floats to and from f32, bit exact on every machine.
 *
 * Results are those of the hardware conversions (x86 F16C, Arm FCVT): round to nearest even, NaN becomes
 * quiet and keeps its sign and upper payload.
 */
#ifndef HL_ENGINE_QUANT_FLOAT16_H
#define HL_ENGINE_QUANT_FLOAT16_H

#include <stdint.h>
#if defined(__F16C__)
#include <immintrin.h>
#endif
#include <string.h>

static inline float hl_f32_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t hl_bits_of_f32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float hl_f32_of_f16(uint16_t h) {
#if defined(__F16C__) /* kernels of instruction sets that have it */
    return _cvtsh_ss(h);
#endif
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t magnitude = h & 0x7FFF;
    if (magnitude >= 0x7C00) { /* infinity, NaN */
        const uint32_t quiet = magnitude > 0x7C00 ? 0x400000 : 0;
        return hl_f32_of_bits(sign | 0x7F800000 | quiet | (magnitude & 0x3FF) << 13);
    }
    if (magnitude >= 0x400) return hl_f32_of_bits(sign | ((magnitude << 13) + ((127 - 15) << 23)));
    return hl_f32_of_bits(sign | hl_bits_of_f32((float)magnitude * 0x1p-24f)); /* subnormal or zero: exact */
}

static inline uint16_t hl_f16_of_f32(float x) {
    const uint32_t bits = hl_bits_of_f32(x);
    const uint32_t sign = bits >> 16 & 0x8000;
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* 65520 and up round to infinity */
    if (magnitude < 0x38800000) { /* below 2^-14: subnormal, steps of 2^-24 */
        /* Adding 0.5 leaves a multiple of 2^-24 in the low bits, rounded to nearest even. */
        const uint32_t sum = hl_bits_of_f32(hl_f32_of_bits(magnitude) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3F000000));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude - ((127 - 15) << 23) + 0xFFF + odd) >> 13));
}

static inline float hl_f32_of_bf16(uint16_t h) { return hl_f32_of_bits((uint32_t)h << 16); }

static inline uint16_t hl_bf16_of_f32(float x) {
    const uint32_t bits = hl_bits_of_f32(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#endif
