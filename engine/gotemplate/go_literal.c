/* SPDX-License-Identifier: MIT
 *
 * go_literal.c - what Go's constants mean: strings, characters, integers, floats, complex numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_ast.h"

/* ---- Strings and characters ---- */

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* `n` digits of a base from s[*at]; false when there are fewer. */
static bool read_digits(hl_view s, size_t *at, size_t n, int base, uint32_t *ret) {
    uint32_t v = 0;
    if (s.len < n || *at > s.len - n) return false;
    for (size_t i = 0; i < n; i++) {
        const int d = digit_of(s.ptr[(*at)++]);
        if (d >= base) return false;
        v = v * (uint32_t)base + (uint32_t)d;
    }
    *ret = v;
    return true;
}

/* The escape behind a backslash; *ret_is_byte: \x and octal mean a byte, not a character. */
static bool read_escape(hl_view s, size_t *at, char quote, uint32_t *ret, bool *ret_is_byte) {
    static const char names[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    *ret_is_byte = false;
    if (*at >= s.len) return false;
    const char c = s.ptr[(*at)++];
    for (const char *p = names; *p; p += 2)
        if (*p == c) return *ret = (unsigned char)p[1], true;
    if (c == quote) return *ret = (unsigned char)c, true;
    if (c == 'u' || c == 'U') {
        if (!read_digits(s, at, c == 'u' ? 4 : 8, 16, ret)) return false;
        return *ret <= 0x10FFFF && !(*ret >= 0xD800 && *ret <= 0xDFFF);
    }
    *ret_is_byte = true;
    if (c == 'x') return read_digits(s, at, 2, 16, ret);
    (*at)--;
    return c >= '0' && c <= '7' && read_digits(s, at, 3, 8, ret) && *ret <= 255;
}

static void add_char(char *to, size_t *n, uint32_t cp) {
    if (cp < 0x80) {
        to[(*n)++] = (char)cp;
        return;
    }
    const int n_more = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
    to[(*n)++] = (char)((n_more == 1 ? 0xC0 : n_more == 2 ? 0xE0 : 0xF0) | cp >> (6 * n_more));
    for (int i = n_more - 1; i >= 0; i--) to[(*n)++] = (char)(0x80 | (cp >> (6 * i) & 63));
}

bool hl_go_read_string(hl_view quoted, char *to, hl_view *ret) {
    const hl_view s = {quoted.ptr + 1, quoted.len - 2};
    const bool    is_raw = quoted.ptr[0] == '`';
    size_t        n = 0;
    for (size_t i = 0; i < s.len;) {
        uint32_t   cp = 0;
        bool       is_byte = false;
        const char c = s.ptr[i++];
        if (is_raw || c != '\\') {
            if (!is_raw || c != '\r') to[n++] = c;
            continue;
        }
        if (!read_escape(s, &i, '"', &cp, &is_byte)) return false;
        if (is_byte)
            to[n++] = (char)cp;
        else
            add_char(to, &n, cp);
    }
    *ret = (hl_view){to, n};
    return true;
}

bool hl_go_read_char(hl_view quoted, int64_t *ret) {
    const hl_view s = {quoted.ptr + 1, quoted.len - 2};
    uint32_t      cp = 0;
    size_t        at = 1;
    bool          is_byte = false;
    if (s.len == 0) return false;
    if (s.ptr[0] == '\\') {
        if (!read_escape(s, &at, '\'', &cp, &is_byte)) return false;
    } else {
        at = hl_utf8_read(s.ptr, s.len, &cp);
    }
    *ret = cp;
    return at == s.len;
}

/* ---- Numbers ---- */

/* Underscores stand between digits, or between a digit and the prefix of a base. */
static bool underscores_are_right(hl_view s) {
    char   before = '^';
    size_t i = s.len && (s.ptr[0] == '+' || s.ptr[0] == '-') ? 1 : 0;
    bool   is_hex = false;
    if (s.len >= i + 2 && s.ptr[i] == '0' && strchr("bBoOxX", s.ptr[i + 1])) {
        is_hex = (s.ptr[i + 1] | 0x20) == 'x';
        before = '0';
        i += 2;
    }
    for (; i < s.len; i++) {
        const bool is_digit = digit_of(s.ptr[i]) < (is_hex ? 16 : 10);
        if (!is_digit && s.ptr[i] == '_' ? before != '0' : before == '_' && !is_digit) return false;
        before = is_digit ? '0' : s.ptr[i] == '_' ? '_' : '!';
    }
    return before != '_';
}

typedef enum int_result { INT_OK, INT_SYNTAX, INT_RANGE } int_result;

/* Digits of a base that their prefix says; no sign. */
static int_result read_unsigned(hl_view s, uint64_t *ret) {
    int        base = 10;
    bool       is_over = false;
    uint64_t   v = 0;
    const char prefix = s.len >= 3 && s.ptr[0] == '0' ? (char)(s.ptr[1] | 0x20) : 0;
    if (s.len == 0) return INT_SYNTAX;
    if (s.ptr[0] == '0') {
        base = prefix == 'b' ? 2 : prefix == 'o' ? 8 : prefix == 'x' ? 16 : 8;
        const size_t n_skip = prefix == 'b' || prefix == 'o' || prefix == 'x' ? 2 : 1;
        s = (hl_view){s.ptr + n_skip, s.len - n_skip};
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_') continue;
        const int d = digit_of(s.ptr[i]);
        if (d >= base) return INT_SYNTAX;
        is_over = is_over || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
                  __builtin_add_overflow(v, (uint64_t)d, &v);
    }
    *ret = v;
    return is_over ? INT_RANGE : INT_OK;
}

static int_result read_int(hl_view s, int64_t *ret, bool *ret_fits_unsigned) {
    const bool has_sign = s.len && (s.ptr[0] == '+' || s.ptr[0] == '-'),
               is_minus = has_sign && s.ptr[0] == '-';
    const hl_view digits = {s.ptr + has_sign, s.len - has_sign};
    uint64_t      v = 0;
    *ret_fits_unsigned = false;
    if (memchr(s.ptr, '_', s.len) && !underscores_are_right(s)) return INT_SYNTAX;
    const int_result r = read_unsigned(digits, &v);
    if (r != INT_OK) return r;
    *ret_fits_unsigned = !has_sign;
    if (v > (uint64_t)INT64_MAX + is_minus) return INT_RANGE;
    *ret = is_minus ? (int64_t)(0 - v) : (int64_t)v;
    return INT_OK;
}

/* Is this Go's syntax of a float? strtod reads more ("0x1.8", "inf"). */
static bool is_float(hl_view s) {
    size_t i = s.len && (s.ptr[0] == '+' || s.ptr[0] == '-') ? 1 : 0;
    bool   is_hex = false, has_digit = false, has_dot = false;
    if (s.len >= i + 2 && s.ptr[i] == '0' && (s.ptr[i + 1] | 0x20) == 'x') {
        is_hex = true;
        i += 2;
    }
    for (; i < s.len; i++) {
        const char c = s.ptr[i];
        if (c == '.' && !has_dot)
            has_dot = true;
        else if (digit_of(c) < (is_hex ? 16 : 10))
            has_digit = true;
        else if (c != '_')
            break;
    }
    if (!has_digit) return false;
    if (i == s.len) return !is_hex;
    if ((s.ptr[i] | 0x20) != (is_hex ? 'p' : 'e')) return false;
    i++;
    if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-')) i++;
    if (i == s.len || s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    while (i < s.len && ((s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '_')) i++;
    return i == s.len && (!memchr(s.ptr, '_', s.len) || underscores_are_right(s));
}

/* `plain` has room for s and a zero. */
static bool read_float(hl_view s, char *plain, double *ret) {
    if (s.len == 0 || !is_float(s)) return false;
    if (memchr(s.ptr, '_', s.len) && !underscores_are_right(s)) return false;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '_') plain[n++] = s.ptr[i];
    plain[n] = '\0';
    *ret = strtod(plain, NULL);
    return isfinite(*ret);
}

static bool read_complex(hl_view s, char *room, hl_go_complex *ret) {
    const hl_view body = {s.ptr, s.len - 1}; /* without the i */
    *ret = (hl_go_complex){0, 0};
    if (read_float(body, room, &ret->im)) return true;
    const size_t n = hl_go_lex_number(s, 0);
    return n < body.len && read_float((hl_view){s.ptr, n}, room, &ret->re) &&
           read_float((hl_view){s.ptr + n, body.len - n}, room, &ret->im);
}

static bool has_any(hl_view s, const char *set) {
    for (size_t i = 0; i < s.len; i++)
        if (strchr(set, s.ptr[i])) return true;
    return false;
}

bool hl_go_read_number(hl_view s, char *room, hl_go_complex *c, hl_go_value *ret, const char **ret_why) {
    *ret_why = "a malformed number";
    if (s.ptr[s.len - 1] == 'i') {
        if (!read_complex(s, room, c)) return false;
        *ret = (hl_go_value){.type = &hl_go_type_complex, .u.c = c};
        return true;
    }
    int64_t          i = 0;
    double           f = 0;
    bool             fits_unsigned = false;
    const int_result as_int = read_int(s, &i, &fits_unsigned);
    if (as_int == INT_OK) {
        *ret = hl_go_int(i);
        return true;
    }
    if (as_int == INT_RANGE && fits_unsigned) {
        *ret_why = "an integer larger than 9223372036854775807";
        return false;
    }
    if (!read_float(s, room, &f)) return false;
    if (!has_any(s, ".eEpP")) {
        *ret_why = "an integer that does not fit in 64 bits";
        return false;
    }
    *ret = (hl_go_value){.type = &hl_go_type_float, .u.f = f};
    return true;
}
