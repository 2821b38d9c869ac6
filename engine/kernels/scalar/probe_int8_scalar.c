/* SPDX-License-Identifier: MIT
 *
 * probe_int8_scalar.c - int8 dot products, one at a time.
 */
#include "engine/kernels/kernel_list.h"

uint64_t hl_probe_int8_scalar(size_t n) {
    enum { WIDTH = 64 };
    static const int8_t x[WIDTH] = {1, -2, 3};
    volatile int32_t    sink = 0; /* keeps the loop alive */
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (int c = 0; c < WIDTH; c++) sum += x[c] * (int8_t)(i + (size_t)c);
        sink = sum;
    }
    (void)sink;
    return (uint64_t)n * WIDTH;
}
