/* SPDX-License-Identifier: MIT
 *
 * gemv_q4_0_scalar.c - y = W x, W in q4_0: the definition that every faster version must equal bit for bit.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/q4_0.h"

void hl_gemv_q4_0_scalar(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                         size_t y_stride) {
    hl_gemv_by_groups(n_rows, w, row_bytes, x, y, y_stride, hl_q4_0_format(), hl_q4_0_group);
}
