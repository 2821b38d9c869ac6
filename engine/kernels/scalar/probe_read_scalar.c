/* SPDX-License-Identifier: MIT
 *
 * probe_read_scalar.c - read memory in four streams of 64-bit words.
 */
#include <string.h>

#include "engine/kernels/kernel_list.h"

uint64_t hl_probe_read_scalar(size_t n, const void *p) {
    const uint8_t *at = p;
    const size_t   quarter = n / 4;
    uint64_t       sum[4] = {0};
    for (size_t i = 0; i < quarter; i += 8) {
        for (size_t s = 0; s < 4; s++) {
            uint64_t x;
            memcpy(&x, at + s * quarter + i, sizeof x);
            sum[s] += x;
        }
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}
