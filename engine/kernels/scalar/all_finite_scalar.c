/* SPDX-License-Identifier: MIT
 *
 * all_finite_scalar.c - is every element a finite number: the definition.
 */
#include "engine/kernels/kernel_list.h"

#include <float.h>
#include <math.h>

bool hl_all_finite_scalar(size_t n, const float *x) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= FLT_MAX)) return false;
    return true;
}
