/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters_num.c - filters that make or round numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_int.h"

bool hl_tmpl_filter_abs(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (!hl_tmpl_is_number(c->self))
        return hl_tmpl_run_fail(r, "abs: %s is no number", hl_tmpl_type_name(c->self));
    if (c->self.kind != HL_TMPL_VALUE_FLOAT)
        return hl_tmpl_arith(r, hl_tmpl_int_is_negative(c->self) ? HL_TMPL_OP_SUB : HL_TMPL_OP_ADD,
                             hl_tmpl_int(0), c->self, ret);
    *ret = hl_tmpl_made_of(hl_tmpl_float(fabs(c->self.u.f)), c->self.flags);
    return true;
}

/* Of what is made of v. */
static unsigned flags_of(const hl_tmpl_run *r, hl_tmpl_value v) {
    return v.kind == HL_TMPL_VALUE_STR ? hl_tmpl_run_is_outside(r, hl_tmpl_view(v)) ? HL_TMPL_FLAG_OUTSIDE : 0
                                       : v.flags;
}

static bool is_digit(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND; }

/* Decimal digits of other scripts as ASCII, since Python's int() and float() read them; blanks around are
 * gone. */
static bool to_ascii_digits(hl_tmpl_run *r, hl_view s, hl_view *ret) {
    *ret = s = hl_tmpl_str_strip(s, true, true);
    size_t first = 0;
    while (first < s.len && (unsigned char)s.ptr[first] < 0x80) first++;
    if (!hl_tmpl_run_steps(r, s.len / 16)) return false;
    if (first == s.len) return true;
    char  *text = hl_tmpl_run_get(r, s.len, 1);
    size_t n = 0;
    for (size_t i = 0; text && i < s.len;) {
        uint32_t     cp = 0, run = 0;
        const size_t len = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (cp >= 0x80 && is_digit(cp)) { /* they come in runs of ten */
            while (is_digit(cp - run - 1)) run++;
            text[n++] = (char)('0' + run % 10);
        } else {
            memcpy(text + n, s.ptr + i, len ? len : 1);
            n += len ? len : 1;
        }
        i += len ? len : 1;
    }
    *ret = (hl_view){text, n};
    return text != NULL;
}

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A') + 10;
    return 99;
}

/* Python's int(text, base): a sign, a prefix that fits the base, single underscores. */
static bool parse_int(hl_tmpl_run *r, hl_view s, int64_t base, hl_tmpl_value *ret, bool *ret_ok) {
    bool   negative = false, may_underscore = false, is_zero = true;
    size_t i = 0;
    *ret_ok = false;
    if (base != 0 && (base < 2 || base > 36)) return true;
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) negative = s.ptr[i++] == '-';
    const bool leading_zero = i < s.len && s.ptr[i] == '0';
    if (leading_zero && i + 1 < s.len) {
        const char    p = (char)(s.ptr[i + 1] | 32);
        const int64_t prefix = p == 'x' ? 16 : p == 'o' ? 8 : p == 'b' ? 2 : 0;
        if (prefix && (base == prefix || base == 0)) {
            base = prefix;
            i += 2;
            may_underscore = true;
        }
    }
    const bool no_prefix = base == 0;
    if (no_prefix) base = 10;
    const size_t first = i;
    for (; i < s.len; i++) {
        const bool is_gap = s.ptr[i] == '_';
        if (is_gap ? !may_underscore || i + 1 == s.len : digit_of(s.ptr[i]) >= base) return true;
        may_underscore = !is_gap;
        is_zero &= is_gap || s.ptr[i] == '0';
    }
    if (i == first || (no_prefix && leading_zero && !is_zero))
        return true; /* "012" is no literal of Python's */
    return hl_tmpl_int_parse(r, (hl_view){s.ptr + first, s.len - first}, (unsigned)base, negative, ret,
                             ret_ok);
}

/* The whole part; what has none is no error unless it is infinite. */
static bool float_to_int(hl_tmpl_run *r, double f, hl_tmpl_value *ret, bool *ret_ok) {
    *ret_ok = isfinite(f);
    return !*ret_ok || hl_tmpl_int_from_float(r, f, ret);
}

static bool text_to_int(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret, bool *ret_ok) {
    hl_view s;
    double  f = 0;
    if (!to_ascii_digits(r, hl_tmpl_view(c->self), &s)) return false;
    const hl_tmpl_value base = c->a[1].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_int(10) : c->a[1];
    if (hl_tmpl_is_integer(base) && !parse_int(r, s, hl_tmpl_int_clamp(base), ret, ret_ok)) return false;
    if (*ret_ok || !hl_tmpl_str_parse_float(r, s, &f)) return r->status == HL_OK;
    return float_to_int(r, f, ret, ret_ok);
}

bool hl_tmpl_filter_int(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    bool          ok = false;
    hl_tmpl_value x = hl_tmpl_int(0);
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (hl_tmpl_is_integer(c->self)) {
        if (!hl_tmpl_arith(r, HL_TMPL_OP_ADD, x, c->self, &x)) return false;
        ok = true;
    } else if (c->self.kind == HL_TMPL_VALUE_FLOAT) {
        if (isinf(c->self.u.f)) return hl_tmpl_run_fail(r, "int: an infinite number has no integer");
        if (!float_to_int(r, c->self.u.f, &x, &ok)) return false;
    } else if (c->self.kind == HL_TMPL_VALUE_STR) {
        if (!text_to_int(r, c, &x, &ok)) return false;
    }
    *ret = ok                                      ? hl_tmpl_made_of(x, flags_of(r, c->self))
           : c->a[0].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_int(0)
                                                   : c->a[0];
    return true;
}

bool hl_tmpl_filter_float(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    double  f = 0;
    bool    ok = false;
    hl_view s;
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (hl_tmpl_is_number(c->self)) {
        if (!hl_tmpl_to_float(r, c->self, &f)) return false;
        ok = true;
    } else if (c->self.kind == HL_TMPL_VALUE_STR) {
        if (!to_ascii_digits(r, hl_tmpl_view(c->self), &s)) return false;
        ok = hl_tmpl_str_parse_float(r, s, &f);
        if (r->status != HL_OK) return false;
    }
    *ret = ok                                      ? hl_tmpl_made_of(hl_tmpl_float(f), flags_of(r, c->self))
           : c->a[0].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_float(0)
                                                   : c->a[0];
    return true;
}

/* ---- rounding ------------------------------------------------------------------------------ */

/* An integer (and `more`, a fraction of its sign) to a multiple of 10^places, halves to even ones. */
static bool round_to_places(hl_tmpl_run *r, hl_tmpl_value x, bool more, int64_t places, hl_tmpl_value *ret) {
    hl_tmpl_value unit, quotient, rest, twice, odd;
    bool          is_odd = false;
    if (places > 5000) { /* nothing that can be written is as large */
        *ret = hl_tmpl_int(0);
        return true;
    }
    const bool negative = hl_tmpl_int_is_negative(x);
    if (!hl_tmpl_int_arith(r, HL_TMPL_OP_POW, hl_tmpl_int(10), hl_tmpl_int(places), &unit) ||
        (negative && !hl_tmpl_int_arith(r, HL_TMPL_OP_SUB, hl_tmpl_int(0), x, &x)) ||
        !hl_tmpl_int_arith(r, HL_TMPL_OP_FLOORDIV, x, unit, &quotient) ||
        !hl_tmpl_int_arith(r, HL_TMPL_OP_MOD, x, unit, &rest) ||
        !hl_tmpl_int_arith(r, HL_TMPL_OP_ADD, rest, rest, &twice) ||
        !hl_tmpl_int_arith(r, HL_TMPL_OP_MOD, quotient, hl_tmpl_int(2), &odd))
        return false;
    is_odd = hl_tmpl_truth(odd);
    const int order = hl_tmpl_int_compare(twice, unit);
    if ((order > 0 || (order == 0 && (more || is_odd))) &&
        !hl_tmpl_int_arith(r, HL_TMPL_OP_ADD, quotient, hl_tmpl_int(1), &quotient))
        return false;
    return hl_tmpl_int_arith(r, HL_TMPL_OP_MUL, quotient, unit, ret) &&
           (!negative || hl_tmpl_int_arith(r, HL_TMPL_OP_SUB, hl_tmpl_int(0), *ret, ret));
}

/* Decimal rounding of the exact binary value, halves to even, as printf does it. */
static bool round_float(hl_tmpl_run *r, double f, int64_t precision, hl_tmpl_value *ret) {
    char          text[512];
    hl_tmpl_value whole;
    double        rounded = 0;
    bool          ok = false;
    *ret = hl_tmpl_float(f);
    if (!isfinite(f) || precision > 323 || f == 0) return true;
    if (precision >= 0) {
        (void)snprintf(text, sizeof text, "%.*f", (int)(precision > 100 && fabs(f) > 1e100 ? 0 : precision),
                       f);
        for (char *p = text; *p; p++) /* whatever the locale's point is */
            if ((*p < '0' || *p > '9') && *p != '-') *p = '.';
        if (!hl_tmpl_str_read_float(hl_view_of(text), &rounded, &ok))
            return hl_tmpl_run_fail_limit(r, "no memory");
        *ret = hl_tmpl_float(ok ? rounded : f);
        return true;
    }
    if (precision < -400) {
        *ret = hl_tmpl_float(copysign(0.0, f));
        return true;
    }
    if (!hl_tmpl_int_from_float(r, f, &whole) ||
        !round_to_places(r, whole, f != trunc(f), -precision, &whole) ||
        !hl_tmpl_int_to_float(r, whole, &rounded))
        return false;
    *ret = hl_tmpl_float(copysign(rounded, f));
    return true;
}

/* To an integer, halves to even ones. */
static bool round_to_int(hl_tmpl_run *r, double f, hl_tmpl_value *ret) {
    if (!isfinite(f)) return hl_tmpl_run_fail(r, "round: a number that is not finite has no integer");
    const double down = floor(f), part = f - down;
    const bool   up = part > 0.5 || (part == 0.5 && fmod(down, 2) != 0);
    return hl_tmpl_int_from_float(r, down + up, ret);
}

static bool round_common(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    int64_t precision = 0;
    if (c->a[0].kind == HL_TMPL_VALUE_NONE && c->self.kind == HL_TMPL_VALUE_FLOAT)
        return round_to_int(r, c->self.u.f, ret);
    if (c->a[0].kind != HL_TMPL_VALUE_NONE && !hl_tmpl_arg_int(r, c->a[0], "precision", 0, &precision))
        return false;
    if (c->self.kind == HL_TMPL_VALUE_FLOAT) return round_float(r, c->self.u.f, precision, ret);
    if (precision < 0) return round_to_places(r, c->self, false, -precision, ret);
    return hl_tmpl_int_arith(r, HL_TMPL_OP_ADD, hl_tmpl_int(0), c->self, ret);
}

/* ceil(x * 10^precision) / 10^precision, with Python's types on the way. */
static bool round_up_or_down(hl_tmpl_run *r, const hl_tmpl_args *c, bool up, hl_tmpl_value *ret) {
    const hl_tmpl_value precision = c->a[0].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_int(0) : c->a[0];
    hl_tmpl_value       unit, x;
    if (!hl_tmpl_arith(r, HL_TMPL_OP_POW, hl_tmpl_int(10), precision, &unit) ||
        !hl_tmpl_arith(r, HL_TMPL_OP_MUL, c->self, unit, &x))
        return false;
    if (x.kind == HL_TMPL_VALUE_FLOAT) {
        if (!isfinite(x.u.f)) return hl_tmpl_run_fail(r, "round: a number that is not finite has no integer");
        if (!hl_tmpl_int_from_float(r, up ? ceil(x.u.f) : floor(x.u.f), &x)) return false;
    }
    return hl_tmpl_arith(r, HL_TMPL_OP_DIV, x, unit, ret);
}

bool hl_tmpl_filter_round(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view method = {"common", 6};
    if (c->a[1].kind != HL_TMPL_VALUE_MISSING && !hl_tmpl_arg_str(r, c->a[1], "method", &method))
        return false;
    const bool up = hl_view_is(method, "ceil"), common = hl_view_is(method, "common");
    if (!up && !common && !hl_view_is(method, "floor"))
        return hl_tmpl_run_fail(r, "round: method must be common, ceil or floor");
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (!hl_tmpl_is_number(c->self))
        return hl_tmpl_run_fail(r, "round: %s is no number", hl_tmpl_type_name(c->self));
    if (common ? !round_common(r, c, ret) : !round_up_or_down(r, c, up, ret)) return false;
    *ret = hl_tmpl_made_of(*ret, c->self.flags);
    return true;
}

bool hl_tmpl_filter_filesizeformat(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    static const char units[] = "kMGTPEZY";
    double            n = 0;
    if (hl_tmpl_is_number(c->self)
            ? !hl_tmpl_to_float(r, c->self, &n)
            : !hl_tmpl_is_str(c->self) || !hl_tmpl_str_parse_float(r, hl_tmpl_view(c->self), &n))
        return hl_tmpl_run_fail(r, "filesizeformat: %s is no number", hl_tmpl_type_name(c->self));
    const bool   binary = hl_tmpl_truth(c->a[0]), outside = flags_of(r, c->self) & HL_TMPL_FLAG_OUTSIDE;
    const double base = binary ? 1024 : 1000;
    const size_t mark = hl_tmpl_run_begin(r);
    double       unit = base * base;
    size_t       i = 0;
    for (; i + 1 < sizeof units - 1 && !(n < unit); i++) unit *= base;
    if (n == 1) {
        hl_tmpl_out_text(&r->scratch, "1 Byte", outside);
    } else if (n < base) {
        hl_tmpl_value whole;
        if (!isfinite(n)) return hl_tmpl_run_fail(r, "filesizeformat: the number is not finite");
        if (!hl_tmpl_int_from_float(r, n, &whole) ||
            !hl_tmpl_write(r, &r->scratch, hl_tmpl_made_of(whole, flags_of(r, c->self))))
            return false;
        hl_tmpl_out_text(&r->scratch, " Bytes", outside);
    } else {
        char         text[400];
        const double x = base * n / unit;
        (void)snprintf(text, sizeof text, "%.1f %c%s", isnan(x) ? fabs(x) : x,
                       binary && i == 0 ? 'K' : units[i], binary ? "iB" : "B");
        hl_tmpl_out_text(&r->scratch, text, outside);
    }
    return hl_tmpl_run_end(r, mark, ret);
}
