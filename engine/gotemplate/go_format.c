/* SPDX-License-Identifier: MIT
 *
 * go_format.c - numbers and strings as Go's printf writes them.
 *
 * from: Go's documentation of package fmt; corners by what Go 1.26 prints
 */
#include "engine/gotemplate/go_format.h"

#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_escape.h"
#include "engine/gotemplate/go_float.h"

enum { MAX_RUNE = 0x10FFFF, MAX_NUMBER_BYTES = 16 << 20 };

/* ---- Padding ---- */

static bool pad(hl_go_format *f, int64_t n, bool with_zeros) {
    static const char spaces[] = "                                ",
                      zeros[] = "00000000000000000000000000000000";
    if (n > 0 && !hl_go_steps(f->r, (uint64_t)n / 64)) return false;
    for (; n > 0; n -= 32)
        hl_tainted_add(f->to, (hl_view){with_zeros ? zeros : spaces, n < 32 ? (size_t)n : 32}, false);
    return hl_go_check_text(f->r, f->to);
}

static bool pads_with_zeros(const hl_go_format *f) { return f->zero && !f->minus; }

static size_t count_chars(hl_view s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; n++) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        i += len ? len : 1;
    }
    return n;
}

bool hl_go_format_text(hl_go_format *f, const char *text, bool is_outside) {
    hl_tainted_add(f->to, hl_view_of(text), is_outside);
    return hl_go_check_text(f->r, f->to);
}

bool hl_go_format_padded(hl_go_format *f, hl_view text, bool is_outside) {
    const int64_t n = f->has_width ? f->width - (int64_t)count_chars(text) : 0;
    if (!f->minus && !pad(f, n, pads_with_zeros(f))) return false;
    hl_tainted_add(f->to, text, is_outside);
    return f->minus ? pad(f, n, false) : hl_go_check_text(f->r, f->to);
}

static bool pad_piece(hl_go_format *f, hl_go_value s, size_t end) {
    const int64_t n = f->has_width ? f->width - (int64_t)count_chars((hl_view){s.u.s->ptr, end}) : 0;
    if (!f->minus && !pad(f, n, pads_with_zeros(f))) return false;
    if (!hl_go_add_piece(f->r, f->to, s, 0, end)) return false;
    return f->minus ? pad(f, n, false) : hl_go_check_text(f->r, f->to);
}

/* Where the precision cuts a string. */
static size_t cut_at(const hl_go_format *f, hl_view s) {
    size_t i = 0;
    if (!f->has_precision) return s.len;
    for (int n = 0; i < s.len && n < f->precision; n++) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        i += len ? len : 1;
    }
    return i;
}

bool hl_go_format_string(hl_go_format *f, hl_go_value s) { return pad_piece(f, s, cut_at(f, hl_go_view(s))); }

/* ---- Integers ---- */

typedef struct int_style {
    unsigned base;
    bool     is_signed, is_upper, has_0o;
} int_style;

static bool write_integer(hl_go_format *f, uint64_t u, int_style s, bool is_outside) {
    const bool  is_negative = s.is_signed && (int64_t)u < 0;
    const char *digits = s.is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char        text[72], prefix[8];
    size_t      at = sizeof text, n_prefix = 0;
    int64_t     n_least = 0; /* digits, zeros in front included */
    if (is_negative) u = 0 - u;
    if (f->has_precision) {
        n_least = f->precision;
        if (f->precision == 0 && u == 0) return pad(f, f->width, false);
    } else if (pads_with_zeros(f) && f->has_width) {
        n_least = f->width - (is_negative || f->plus || f->space ? 1 : 0);
    }
    do {
        text[--at] = digits[u % s.base];
        u /= s.base;
    } while (u);
    const int64_t n_digits = (int64_t)(sizeof text - at),
                  n_zeros = n_least > n_digits ? n_least - n_digits : 0;
    if (is_negative || f->plus || f->space) prefix[n_prefix++] = is_negative ? '-' : f->plus ? '+' : ' ';
    const char mark = s.has_0o                   ? 'o'
                      : f->sharp && s.base == 2  ? 'b'
                      : f->sharp && s.base == 16 ? (s.is_upper ? 'X' : 'x')
                                                 : 0;
    if (mark) {
        prefix[n_prefix++] = '0';
        prefix[n_prefix++] = mark;
    }
    if (f->sharp && s.base == 8 && n_zeros == 0 && text[at] != '0') prefix[n_prefix++] = '0';
    const int64_t n_pad = f->has_width ? f->width - (int64_t)n_prefix - n_zeros - n_digits : 0;
    if (!f->minus && !pad(f, n_pad, false)) return false;
    hl_tainted_add(f->to, (hl_view){prefix, n_prefix}, is_outside);
    if (!pad(f, n_zeros, true)) return false;
    hl_tainted_add(f->to, (hl_view){text + at, (size_t)n_digits}, is_outside);
    return f->minus ? pad(f, n_pad, false) : hl_go_check_text(f->r, f->to);
}

bool hl_go_format_hex_number(hl_go_format *f, uint64_t u, bool has_prefix, bool is_outside) {
    const bool sharp = f->sharp;
    f->sharp = has_prefix;
    const bool ok = write_integer(f, u, (int_style){.base = 16}, is_outside);
    f->sharp = sharp;
    return ok;
}

/* A text that is never padded with zeros. */
static bool pad_with_spaces(hl_go_format *f, hl_str *s, bool is_outside) {
    const bool zero = f->zero;
    f->zero = false;
    const bool ok = s->failed ? hl_go_fail_memory(f->r) : hl_go_format_padded(f, hl_str_view(s), is_outside);
    f->zero = zero;
    return ok;
}

/* U+0041, with # followed by the character. */
static bool write_code_point(hl_go_format *f, uint64_t u, bool is_outside) {
    hl_str    s;
    const int n_least = f->has_precision && f->precision > 4 ? f->precision : 4;
    hl_str_init(&s, MAX_NUMBER_BYTES);
    hl_str_add_format(&s, "U+%0*llX", n_least, (unsigned long long)u);
    if (f->sharp && u <= MAX_RUNE && hl_go_is_printable((uint32_t)u)) {
        hl_str_add_text(&s, " '");
        hl_str_add_utf8(&s, (uint32_t)u);
        hl_str_add_char(&s, '\'');
    }
    const bool ok = pad_with_spaces(f, &s, is_outside);
    hl_str_done(&s);
    return ok;
}

static bool write_char(hl_go_format *f, uint64_t u, bool is_quoted, bool is_outside) {
    hl_str         s;
    const uint32_t cp = u > MAX_RUNE || (u >= 0xD800 && u <= 0xDFFF) ? 0xFFFD : (uint32_t)u;
    hl_str_init(&s, 32);
    if (is_quoted) {
        hl_str_add_char(&s, '\'');
        hl_go_quote_char(&s, cp, false, '\'', f->plus);
        hl_str_add_char(&s, '\'');
    } else {
        hl_str_add_utf8(&s, cp);
    }
    const bool ok = s.failed ? hl_go_fail_memory(f->r) : hl_go_format_padded(f, hl_str_view(&s), is_outside);
    hl_str_done(&s);
    return ok;
}

static bool format_integer(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_known) {
    const bool     is_signed = hl_go_kind_of(v) == HL_GO_INT, outside = v.is_outside;
    const uint64_t u = (uint64_t)v.u.i;
    switch (verb) {
    case 'v':
        if (f->sharp_v && !is_signed) return hl_go_format_hex_number(f, u, true, outside);
        return write_integer(f, u, (int_style){10, is_signed, false, false}, outside);
    case 'd': return write_integer(f, u, (int_style){10, is_signed, false, false}, outside);
    case 'b': return write_integer(f, u, (int_style){2, is_signed, false, false}, outside);
    case 'o': return write_integer(f, u, (int_style){8, is_signed, false, false}, outside);
    case 'O': return write_integer(f, u, (int_style){8, is_signed, false, true}, outside);
    case 'x': return write_integer(f, u, (int_style){16, is_signed, false, false}, outside);
    case 'X': return write_integer(f, u, (int_style){16, is_signed, true, false}, outside);
    case 'c': return write_char(f, u, false, outside);
    case 'q': return write_char(f, u, true, outside);
    case 'U': return write_code_point(f, u, outside);
    default: *ret_known = false; return true;
    }
}

/* ---- Floats ---- */

/* The # flag: a point always, and zeros behind it up to the precision. `s` begins with a sign. */
static void complete_digits(hl_str *s, char format, int precision) {
    int    n_left = 0;
    bool   has_point = false, has_nonzero = false;
    size_t end = s->len;
    char   tail[16] = "";
    if (format != 'f' && format != 'e' && format != 'E' && format != 'X')
        n_left = precision < 0 ? 6 : precision;
    for (size_t i = 1; i < end; i++) {
        const char c = s->ptr[i];
        if (c == '.') {
            has_point = true;
        } else if (c == 'p' || c == 'P' || ((c == 'e' || c == 'E') && format != 'x' && format != 'X')) {
            memcpy(tail, s->ptr + i, end - i < sizeof tail ? end - i : sizeof tail - 1);
            end = i;
        } else {
            has_nonzero = has_nonzero || c != '0';
            n_left -= has_nonzero;
        }
    }
    s->len = end;
    s->ptr[end] = '\0';
    if (!has_point) {
        if (end == 2 && s->ptr[1] == '0') n_left--;
        hl_str_add_char(s, '.');
    }
    for (; n_left > 0; n_left--) hl_str_add_char(s, '0');
    hl_str_add_text(s, tail);
}

/* `s` is the number with its sign in front. */
static bool pad_float(hl_go_format *f, hl_str *s, bool is_outside) {
    char *const num = s->ptr;
    const bool  is_special = num[1] == 'I' || num[1] == 'N';
    if (f->space && num[0] == '+' && !f->plus) num[0] = ' ';
    if (is_special) {
        const bool    zero = f->zero, drops_sign = num[1] == 'N' && !f->space && !f->plus;
        const hl_view text = {num + drops_sign, s->len - drops_sign};
        f->zero = false;
        const bool ok = hl_go_format_padded(f, text, is_outside);
        f->zero = zero;
        return ok;
    }
    const bool has_sign = f->plus || num[0] != '+';
    if (has_sign && pads_with_zeros(f) && f->has_width && f->width > (int64_t)s->len) {
        hl_tainted_add(f->to, (hl_view){num, 1}, is_outside);
        if (!pad(f, f->width - (int64_t)s->len, true)) return false;
        hl_tainted_add(f->to, (hl_view){num + 1, s->len - 1}, is_outside);
        return hl_go_check_text(f->r, f->to);
    }
    return hl_go_format_padded(f, (hl_view){num + !has_sign, s->len - !has_sign}, is_outside);
}

static bool write_float(hl_go_format *f, double v, char format, int precision, bool is_outside) {
    hl_str num;
    if (f->has_precision) precision = f->precision;
    if (!hl_go_steps(f->r, 1 + (precision > 0 ? (uint64_t)precision / 16 : 0))) return false;
    hl_str_init(&num, MAX_NUMBER_BYTES);
    hl_str_add_char(&num, '+');
    hl_go_write_float(&num, v, format, precision);
    if (!num.failed && (num.ptr[1] == '-' || num.ptr[1] == '+')) {
        memmove(num.ptr, num.ptr + 1, num.len);
        num.len--;
    }
    if (!num.failed && f->sharp && format != 'b' && num.ptr[1] != 'I' && num.ptr[1] != 'N')
        complete_digits(&num, format, precision);
    const bool ok = num.failed ? hl_go_fail_memory(f->r) : pad_float(f, &num, is_outside);
    hl_str_done(&num);
    return ok;
}

static bool format_float(hl_go_format *f, double v, uint32_t verb, bool is_outside, bool *ret_known) {
    switch (verb) {
    case 'v': return write_float(f, v, 'g', -1, is_outside);
    case 'b':
    case 'g':
    case 'G':
    case 'x':
    case 'X': return write_float(f, v, (char)verb, -1, is_outside);
    case 'f':
    case 'e':
    case 'E': return write_float(f, v, (char)verb, 6, is_outside);
    case 'F': return write_float(f, v, 'f', 6, is_outside);
    default: *ret_known = false; return true;
    }
}

static bool format_complex(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_known) {
    if (verb > 127 || !verb || !strchr("vbgGxXfFeE", (int)verb)) return *ret_known = false, true;
    const bool plus = f->plus;
    bool       ok =
        hl_go_format_text(f, "(", v.is_outside) && format_float(f, v.u.c->re, verb, v.is_outside, ret_known);
    f->plus = true;
    ok = ok && format_float(f, v.u.c->im, verb, v.is_outside, ret_known) &&
         hl_go_format_text(f, "i)", v.is_outside);
    f->plus = plus;
    return ok;
}

/* ---- Strings ---- */

static bool write_hex(hl_go_format *f, hl_go_value v, bool is_upper) {
    const char   *digits = is_upper ? "0123456789ABCDEFX" : "0123456789abcdefx";
    const hl_view s = hl_go_view(v);
    const size_t  n = f->has_precision && (size_t)f->precision < s.len ? (size_t)f->precision : s.len;
    if (n == 0) return pad(f, f->has_width ? f->width : 0, pads_with_zeros(f));
    const int64_t n_chars = (int64_t)n * 2 * (f->space && f->sharp ? 2 : 1) + (f->space   ? (int64_t)n - 1
                                                                               : f->sharp ? 2
                                                                                          : 0);
    const int64_t n_pad = f->has_width ? f->width - n_chars : 0;
    if (!hl_go_steps(f->r, n / 16) || (!f->minus && !pad(f, n_pad, pads_with_zeros(f)))) return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        char                text[5];
        size_t              at = 0;
        if (f->space && i) text[at++] = ' ';
        if (f->sharp && (f->space || i == 0)) {
            text[at++] = '0';
            text[at++] = digits[16];
        }
        text[at++] = digits[c >> 4];
        text[at++] = digits[c & 15];
        hl_tainted_add(f->to, (hl_view){text, at}, hl_go_string_is_outside(v, i, i + 1));
    }
    return f->minus ? pad(f, n_pad, false) : hl_go_check_text(f->r, f->to);
}

/* Can it stand between back quotes? No control characters but the tab, no back quote, no byte order mark. */
static bool can_be_raw(hl_view s) {
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (n == 0 || (cp < ' ' && cp != '\t') || cp == '`' || cp == 0x7F || cp == 0xFEFF || cp == 0xFFFD)
            return false;
        i += n;
    }
    return true;
}

static bool write_quoted(hl_go_format *f, hl_go_value v) {
    const size_t  end = cut_at(f, hl_go_view(v)), mark = hl_go_begin(f->r);
    hl_tainted   *scratch = &f->r->scratch;
    const hl_view back = {"`", 1};
    hl_go_value   cut, quoted;
    if (!hl_go_add_piece(f->r, scratch, v, 0, end) || !hl_go_end(f->r, mark, &cut)) return false;
    bool ok = true;
    if (f->sharp && can_be_raw(hl_go_view(cut))) {
        hl_tainted_add(scratch, back, false);
        ok = hl_go_add_piece(f->r, scratch, cut, 0, end);
        hl_tainted_add(scratch, back, false);
    } else {
        ok = f->plus ? hl_go_escape_ascii(f->r, scratch, cut) : hl_go_escape_quote(f->r, scratch, cut);
    }
    return ok && hl_go_end(f->r, mark, &quoted) && pad_piece(f, quoted, quoted.u.s->len);
}

static bool format_string(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_known) {
    switch (verb) {
    case 'v': return f->sharp_v ? write_quoted(f, v) : hl_go_format_string(f, v);
    case 's': return hl_go_format_string(f, v);
    case 'x': return write_hex(f, v, false);
    case 'X': return write_hex(f, v, true);
    case 'q': return write_quoted(f, v);
    default: *ret_known = false; return true;
    }
}

bool hl_go_format_basic(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_known) {
    *ret_known = true;
    switch (hl_go_kind_of(v)) {
    case HL_GO_BOOL:
        if (verb != 't' && verb != 'v') return *ret_known = false, true;
        return hl_go_format_padded(f, hl_view_of(v.u.b ? "true" : "false"), v.is_outside);
    case HL_GO_INT:
    case HL_GO_UINT8: return format_integer(f, v, verb, ret_known);
    case HL_GO_FLOAT: return format_float(f, v.u.f, verb, v.is_outside, ret_known);
    case HL_GO_COMPLEX: return format_complex(f, v, verb, ret_known);
    case HL_GO_STRING: return format_string(f, v, verb, ret_known);
    default: *ret_known = false; return true;
    }
}

bool hl_go_bytes_to_string(hl_go_run *r, hl_go_value list, hl_go_value *ret) {
    const size_t n = hl_go_len(list);
    char        *bytes = hl_go_get(r, n + 1, 1);
    if (!bytes) return false;
    for (size_t i = 0; i < n; i++) bytes[i] = (char)list.u.list->items[i].u.i;
    return hl_go_new_string(r, (hl_view){bytes, n}, list.is_outside, ret);
}
