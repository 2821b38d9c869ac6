/* SPDX-License-Identifier: MIT
 *
 * gemv_scalar.c - y = W x: the definition that every faster version must equal bit for bit. Compiled once per
 * quantized weight type.
 */
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/kernels/wtype.h"
#include HL_LAYOUT_H

void HL_KERNEL_NAME(gemv, scalar)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                                  size_t y_stride) {
    gemv_by_groups(n_rows, w, row_bytes, x, y, y_stride, HL_WTYPE_FORMAT, HL_DECODE_GROUP);
}
