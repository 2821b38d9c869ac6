/* SPDX-License-Identifier: MIT
 *
 * base64.c - three bytes are four letters of six bits.
 */
#include "core/data/base64.h"

#include <string.h>

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

static int six_bits(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool hl_base64_read(hl_view text, hl_str *out) {
    uint32_t bits = 0;
    int      n = 0;
    size_t   i = 0;
    for (; i < text.len && text.ptr[i] != '='; i++) {
        if (text.ptr[i] == '\n' || text.ptr[i] == '\r') continue;
        const int six = six_bits(text.ptr[i]);
        if (six < 0) return false;
        bits = bits << 6 | (uint32_t)six;
        if (++n < 4) continue;
        const char three[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        hl_str_add(out, three, 3);
        bits = 0;
        n = 0;
    }
    for (; i < text.len; i++)
        if (!strchr("=\r\n", text.ptr[i]) || !text.ptr[i]) return false;
    if (n == 1) return false; /* six bits are no byte */
    if (n == 2) hl_str_add_char(out, (char)(bits >> 4));
    if (n == 3) {
        const char two[] = {(char)(bits >> 10), (char)(bits >> 2)};
        hl_str_add(out, two, 2);
    }
    return !out->failed;
}
