/* SPDX-License-Identifier: MIT
 *
 * packers.h - f32 weights into blocks of every type that this program writes, with a search for the scales
 * that fit best.
 *
 * The same bytes on every processor: a lane is a group of weights, so no sum is taken across lanes
 * (pack_body.h), and nothing is fused.
 */
#ifndef HL_ENGINE_PACK_PACKERS_H
#define HL_ENGINE_PACK_PACKERS_H

#include "core/gguf/types.h"

/* n weights (whole blocks) from n floats.
 *
 * in     importance  [n] how much the square of a weight's error counts, or NULL: then large weights count a
 *                    little more than small ones
 *        x           finite */
typedef void hl_pack_fn(const float *x, const float *importance, size_t n, void *ret_w);

/* NULL: this program does not write the type. `cpu`: bits of engine/kernels/cpu.h. */
hl_pack_fn *hl_pack_find(hl_type t, uint32_t cpu);

#endif
