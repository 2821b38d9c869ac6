/* SPDX-License-Identifier: MIT
 *
 * tmpl_string.c - text by characters (code points), with Python's ideas of white space and case.
 */
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "engine/template/tmpl_run.h"

size_t hl_tmpl_str_count(hl_tmpl_run *r, hl_tmpl_value s) {
    if (s.flags & HL_TMPL_FLAG_ASCII) return s.len;
    r->n_steps += s.len / 64;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += ((unsigned char)s.u.s[i] & 0xC0) != 0x80;
    return n;
}

size_t hl_tmpl_str_offset(hl_tmpl_run *r, hl_tmpl_value s, size_t i_char) {
    if (s.flags & HL_TMPL_FLAG_ASCII) return i_char < s.len ? i_char : s.len;
    size_t i = 0;
    for (; i < s.len; i++) {
        if (((unsigned char)s.u.s[i] & 0xC0) == 0x80) continue;
        if (i_char-- == 0) break;
    }
    r->n_steps += i / 64;
    return i;
}

/* from: Python 3.11 str.isspace() over all code points */
bool hl_tmpl_char_is_space(uint32_t cp) {
    if (cp < 0x80) return cp == ' ' || (cp >= '\t' && cp <= '\r') || (cp >= 0x1C && cp <= 0x1F);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static bool is_space_at(const char *p, size_t n) {
    uint32_t cp = 0;
    return hl_utf8_read(p, n, &cp) && hl_tmpl_char_is_space(cp);
}

hl_view hl_tmpl_str_strip(hl_view s, bool left, bool right) {
    while (left && s.len && is_space_at(s.ptr, s.len)) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr, s.len, &cp);
        s = (hl_view){s.ptr + n, s.len - n};
    }
    while (right && s.len) {
        size_t n = 1;
        while (n < s.len && n < 4 && ((unsigned char)s.ptr[s.len - n] & 0xC0) == 0x80) n++;
        if (!is_space_at(s.ptr + s.len - n, n)) break;
        s.len -= n;
    }
    return s;
}

typedef enum letter_case { UPPER, TITLE, LOWER } letter_case;

static bool add_special(hl_tmpl_out *to, letter_case which, uint32_t cp, bool outside) {
    static const struct {
        letter_case which;
        uint32_t    cp, to[3];
    } table[] = {
#define HL_CASE(which, cp, a, b, c) {which, cp, {a, b, c}},
#include "engine/template/casing.def"
#undef HL_CASE
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].which != which || table[i].cp != cp) continue;
        for (int k = 0; k < 3 && table[i].to[k]; k++) hl_tmpl_out_utf8(to, table[i].to[k], outside);
        return true;
    }
    return false;
}

void hl_tmpl_str_add_upper(hl_tmpl_out *to, uint32_t cp, bool outside) {
    if (cp < 0x80)
        hl_tmpl_out_char(to, (char)(cp >= 'a' && cp <= 'z' ? cp - 32 : cp), outside);
    else if (!add_special(to, UPPER, cp, outside))
        hl_tmpl_out_utf8(to, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp), outside);
}

void hl_tmpl_str_add_title(hl_tmpl_out *to, uint32_t cp, bool outside) {
    if (cp < 0x80)
        hl_tmpl_str_add_upper(to, cp, outside);
    else if (!add_special(to, TITLE, cp, outside))
        hl_tmpl_out_utf8(to, (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp), outside);
}

typedef enum char_set {
    DIGIT,
    NUMERIC,
    OTHER_UPPER,
    OTHER_LOWER,
    NOT_NAME_START,
    NAME_START,
    NOT_NAME,
    NAME
} char_set;

static bool is_in(char_set set, uint32_t cp) {
    static const struct {
        uint8_t  set;
        uint32_t first, last;
    } table[] = {
#define HL_CHARS(set, first, last) {set, first, last},
#include "engine/template/chars.def"
#undef HL_CHARS
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].set == set && cp >= table[i].first && cp <= table[i].last) return true;
    return false;
}

static utf8proc_category_t category(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp); }

bool hl_tmpl_char_is_upper(uint32_t cp) {
    return category(cp) == UTF8PROC_CATEGORY_LU || (cp >= 0x80 && is_in(OTHER_UPPER, cp));
}
bool hl_tmpl_char_is_lower(uint32_t cp) {
    return category(cp) == UTF8PROC_CATEGORY_LL || (cp >= 0x80 && is_in(OTHER_LOWER, cp));
}
bool hl_tmpl_char_is_title(uint32_t cp) { return category(cp) == UTF8PROC_CATEGORY_LT; }
bool hl_tmpl_char_is_decimal(uint32_t cp) { return category(cp) == UTF8PROC_CATEGORY_ND; }
bool hl_tmpl_char_is_digit(uint32_t cp) {
    return hl_tmpl_char_is_decimal(cp) || (cp >= 0x80 && is_in(DIGIT, cp));
}

bool hl_tmpl_char_is_numeric(uint32_t cp) {
    const utf8proc_category_t c = category(cp);
    return (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO) || (cp >= 0x80 && is_in(NUMERIC, cp));
}

bool hl_tmpl_char_is_alpha(uint32_t cp) {
    const utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool hl_tmpl_char_is_name_start(uint32_t cp) {
    if (cp < 0x80) return cp == '_' || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
    if (hl_tmpl_char_is_alpha(cp) || category(cp) == UTF8PROC_CATEGORY_NL) return !is_in(NOT_NAME_START, cp);
    return is_in(NAME_START, cp);
}

bool hl_tmpl_char_is_name(uint32_t cp) {
    if (cp < 0x80) return hl_tmpl_char_is_name_start(cp) || (cp >= '0' && cp <= '9');
    const utf8proc_category_t c = category(cp);
    if (hl_tmpl_char_is_alpha(cp) || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_MN ||
        c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_PC)
        return !is_in(NOT_NAME, cp);
    return is_in(NAME, cp);
}

bool hl_tmpl_char_is_printable(uint32_t cp) {
    if (cp == ' ') return true;
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

bool hl_tmpl_char_is_cased(uint32_t cp) {
    return hl_tmpl_char_is_upper(cp) || hl_tmpl_char_is_lower(cp) || hl_tmpl_char_is_title(cp);
}

static bool is_case_ignorable(uint32_t cp) {
    if (cp == '\'' || cp == '.' || cp == ':' || cp == '^' || cp == '`' || cp == 0xB7 || cp == 0x2018 ||
        cp == 0x2019)
        return true;
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_SK;
}

static bool cased_after(hl_view s, size_t at) {
    for (uint32_t cp = 0; at < s.len;) {
        const size_t n = hl_utf8_read(s.ptr + at, s.len - at, &cp);
        if (n == 0) return false;
        if (!is_case_ignorable(cp)) return hl_tmpl_char_is_cased(cp);
        at += n;
    }
    return false;
}

static bool cased_before(hl_view s, size_t at) {
    while (at > 0) {
        uint32_t cp = 0;
        size_t   begin = at - 1;
        while (begin > 0 && ((unsigned char)s.ptr[begin] & 0xC0) == 0x80) begin--;
        if (!hl_utf8_read(s.ptr + begin, at - begin, &cp)) return false;
        if (!is_case_ignorable(cp)) return hl_tmpl_char_is_cased(cp);
        at = begin;
    }
    return false;
}

void hl_tmpl_str_add_lower(hl_tmpl_out *to, hl_view s, size_t at, bool outside) {
    uint32_t     cp = 0;
    const size_t n = hl_utf8_read(s.ptr + at, s.len - at, &cp);
    if (cp < 0x80) {
        hl_tmpl_out_char(to, (char)(cp >= 'A' && cp <= 'Z' ? cp + 32 : cp), outside);
    } else if (cp == 0x3A3) { /* a sigma that ends its word has a shape of its own */
        hl_tmpl_out_utf8(to, cased_before(s, at) && !cased_after(s, at + n) ? 0x3C2 : 0x3C3, outside);
    } else if (!add_special(to, LOWER, cp, outside)) {
        hl_tmpl_out_utf8(to, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), outside);
    }
}

bool hl_tmpl_str_escape(hl_tmpl_run *r, hl_view s, hl_tmpl_value *ret) {
    const size_t         mark = hl_tmpl_run_begin(r);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    hl_tmpl_out         *to = &r->scratch;
    for (size_t i = 0; i < s.len; i++) {
        const bool outside = hl_tmpl_origin_at(from, i);
        switch (s.ptr[i]) {
        case '&': hl_tmpl_out_text(to, "&amp;", outside); break;
        case '<': hl_tmpl_out_text(to, "&lt;", outside); break;
        case '>': hl_tmpl_out_text(to, "&gt;", outside); break;
        case '\'': hl_tmpl_out_text(to, "&#39;", outside); break;
        case '"': hl_tmpl_out_text(to, "&#34;", outside); break;
        default: hl_tmpl_out_char(to, s.ptr[i], outside);
        }
    }
    if (!hl_tmpl_run_end(r, mark, ret)) return false;
    ret->flags |= HL_TMPL_FLAG_MARKUP;
    return true;
}

static size_t digits_end(hl_view s, size_t i) {
    const size_t first = i;
    while (i < s.len && ((s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
                         (s.ptr[i] == '_' && i > first && i + 1 < s.len && s.ptr[i - 1] != '_' &&
                          s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '9')))
        i++;
    return i;
}

/* digits, a point, an exponent: as Python writes them */
static bool is_decimal_float(hl_view s) {
    const size_t whole = digits_end(s, 0);
    size_t       i = whole;
    bool         has_digits = whole > 0;
    if (i < s.len && s.ptr[i] == '.') {
        const size_t end = digits_end(s, i + 1);
        has_digits |= end > i + 1;
        i = end;
    }
    if (has_digits && i < s.len && (s.ptr[i] | 32) == 'e') {
        i += 1 + (i + 1 < s.len && (s.ptr[i + 1] == '+' || s.ptr[i + 1] == '-'));
        const size_t end = digits_end(s, i);
        has_digits = end > i;
        i = end;
    }
    return has_digits && i == s.len;
}

static bool is_word(hl_view s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* strtod reads the decimal point of the program's locale; a template's is always '.'. */
bool hl_tmpl_str_read_float(hl_view s, double *ret, bool *ret_ok) {
    const bool has_sign = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+'),
               negative = has_sign && s.ptr[0] == '-';
    const hl_view body = {s.ptr + has_sign, s.len - has_sign};
    const bool    infinite = is_word(body, "inf") || is_word(body, "infinity");
    *ret_ok = true;
    if (infinite || is_word(body, "nan")) {
        *ret = copysign(infinite ? (double)INFINITY : (double)NAN, negative ? -1 : 1);
        return true;
    }
    *ret_ok = is_decimal_float(body);
    if (!*ret_ok) return true;
    hl_str text;
    hl_str_init(&text, body.len + 16);
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] == '.')
            hl_str_add_text(&text, localeconv()->decimal_point);
        else if (body.ptr[i] != '_')
            hl_str_add_char(&text, body.ptr[i]);
    }
    const bool ok = !text.failed;
    if (ok) *ret = copysign(strtod(text.ptr, NULL), negative ? -1 : 1);
    hl_str_done(&text);
    return ok;
}

bool hl_tmpl_str_parse_float(hl_tmpl_run *r, hl_view s, double *ret) {
    bool ok = false;
    s = hl_tmpl_str_strip(s, true, true);
    r->n_steps += s.len / 16;
    if (!hl_tmpl_str_read_float(s, ret, &ok) && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_NOMEM, "template line %u: no memory", r->line);
    return ok && r->status == HL_OK;
}
