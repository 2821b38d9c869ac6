/* SPDX-License-Identifier: MIT
 *
 * base64.c - three bytes are four letters of six bits.
 */
#include "core/data/base64.h"

void hl_str_add_base64(hl_str *s, const void *data, size_t n) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t    *p = data;
    for (size_t i = 0; i < n; i += 3) {
        const size_t   left = n - i;
        const uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)p[i + 2] : 0);
        const char four[] = {letters[bits >> 18], letters[bits >> 12 & 63],
                             left > 1 ? letters[bits >> 6 & 63] : '=', left > 2 ? letters[bits & 63] : '='};
        hl_str_add(s, four, sizeof four);
    }
}
