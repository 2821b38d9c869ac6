/* SPDX-License-Identifier: MIT
 *
 * gemv_iq4_nl_scalar.c - y = W x, W in iq4_nl: the definition that every faster version must equal bit for
 * bit.
 */
#include "engine/kernels/kernel_list.h"
#include "engine/kernels/scalar/groups_scalar.h"
#include "engine/quant/iq4_nl.h"

void hl_gemv_iq4_nl_scalar(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                           size_t y_stride) {
    hl_gemv_by_groups(n_rows, w, row_bytes, x, y, y_stride, hl_iq4_nl_format(), hl_iq4_nl_group);
}
