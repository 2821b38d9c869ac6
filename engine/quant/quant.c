/* SPDX-License-Identifier: MIT
 *
 * quant.c - the conversions by type.
 */
#include "engine/quant/quant.h"

hl_quant_to_f32_fn *hl_quant_to_f32(hl_type t) {
    static hl_quant_to_f32_fn *const table[HL_TYPE_count] = {
#define HL_TYPE(name, id, elems, bytes) [HL_TYPE_##name] = hl_to_f32_##name,
#include "core/gguf/types.def"
#undef HL_TYPE
    };
    return table[t];
}

hl_quant_from_f32_fn *hl_quant_from_f32(hl_type t) {
    static hl_quant_from_f32_fn *const table[HL_TYPE_count] = {
        [HL_TYPE_f32] = hl_from_f32_f32,   [HL_TYPE_f16] = hl_from_f32_f16,
        [HL_TYPE_bf16] = hl_from_f32_bf16, [HL_TYPE_q4_0] = hl_from_f32_q4_0,
        [HL_TYPE_q4_1] = hl_from_f32_q4_1, [HL_TYPE_q5_0] = hl_from_f32_q5_0,
        [HL_TYPE_q5_1] = hl_from_f32_q5_1, [HL_TYPE_q8_0] = hl_from_f32_q8_0,
    };
    return table[t];
}
