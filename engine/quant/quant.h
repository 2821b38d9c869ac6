/* SPDX-License-Identifier: MIT
 *
 * quant.h - every weight type to f32, and those from f32 that can be packed without statistics.
 *
 * One layout header and one source file per type (q4_k.h, q4_k.c). Portable code: fast paths that
 * compute with packed weights are in engine/kernels.
 */
#ifndef HL_ENGINE_QUANT_QUANT_H
#define HL_ENGINE_QUANT_QUANT_H

#include "core/gguf/types.h"
#include "engine/quant/group.h"

/* n floats from n packed weights (whole blocks), exactly as the format defines. */
typedef void hl_quant_to_f32_fn(const void *w, size_t n, float *ret_x);

/* n weights (whole blocks) from n floats, to the nearest code. */
typedef void hl_quant_from_f32_fn(const float *x, size_t n, void *ret_w);

#define HL_TYPE(name, id, elems, bytes) hl_quant_to_f32_fn hl_to_f32_##name;
#include "core/gguf/types.def"
#undef HL_TYPE

hl_quant_from_f32_fn hl_from_f32_f32;
hl_quant_from_f32_fn hl_from_f32_f16;
hl_quant_from_f32_fn hl_from_f32_bf16;
hl_quant_from_f32_fn hl_from_f32_q4_0;
hl_quant_from_f32_fn hl_from_f32_q4_1;
hl_quant_from_f32_fn hl_from_f32_q5_0;
hl_quant_from_f32_fn hl_from_f32_q5_1;
hl_quant_from_f32_fn hl_from_f32_q8_0;

hl_quant_to_f32_fn   *hl_quant_to_f32(hl_type t);
hl_quant_from_f32_fn *hl_quant_from_f32(hl_type t); /* NULL when we cannot pack this type */

#endif
