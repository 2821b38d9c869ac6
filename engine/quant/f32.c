/* SPDX-License-Identifier: MIT
 *
 * f32.c - f32 as a weight type: a copy.
 */
#include "engine/quant/quant.h"

#include <string.h>

void hl_to_f32_f32(const void *w, size_t n, float *ret_x) { memcpy(ret_x, w, n * sizeof *ret_x); }
void hl_from_f32_f32(const float *x, size_t n, void *ret_w) { memcpy(ret_w, x, n * sizeof *x); }
