/* SPDX-License-Identifier: MIT
 *
 * size_text.c - sizes as people read them.
 */
#include "core/base/size_text.h"

#include <stdio.h>

void hl_format_bytes(uint64_t n, char ret[HL_SIZE_TEXT_BYTES]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double                   x = (double)n;
    int                      i = 0;
    while (x >= 999.5 && i < 5) {
        x /= 1000;
        i++;
    }
    (void)snprintf(ret, HL_SIZE_TEXT_BYTES, i > 0 && x < 9.95 ? "%.1f %s" : "%.0f %s", x, units[i]);
}
