/* SPDX-License-Identifier: MIT
 *
 * gemv_iq4_xs_scalar.c - y = W x, W in iq4_xs: the definition that every faster version must equal bit for
 * bit.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/iq4_xs.h"

void hl_gemv_iq4_xs_scalar(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                           size_t y_stride) {
    hl_gemv_by_groups(n_rows, w, row_bytes, x, y, y_stride, hl_iq4_xs_format(), hl_iq4_xs_group);
}
