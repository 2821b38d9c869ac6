/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters.c - filters on single values: defaults, numbers, JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/template/tmpl_builtins.h"

bool hl_tfilter_tojson(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const size_t mark = hl_trun_begin(r);
    return hl_tv_write_json(r, &r->scratch, c->self, c) && hl_trun_end(r, mark, ret);
}

bool hl_tfilter_from_json(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_view text;
    return hl_targ_str(r, c->self, "from_json", &text) && hl_tv_from_json_text(r, text, ret);
}

bool hl_tfilter_length(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    size_t n = 0;
    if (!hl_tv_length(r, c->self, &n)) return false;
    *ret = hl_tv_int((int64_t)n);
    return true;
}

bool hl_tfilter_default(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    const bool use = c->self.kind == HL_TK_UNDEFINED || (hl_tv_truth(c->a[1]) && !hl_tv_truth(c->self));
    *ret = c->self;
    if (use) *ret = c->a[0].kind == HL_TK_MISSING ? hl_tv_str((hl_view){"", 0}) : c->a[0];
    return true;
}

bool hl_tfilter_items(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    if (c->self.kind == HL_TK_UNDEFINED) return hl_tv_new_seq(r, HL_TK_GEN, 0, ret);
    if (c->self.kind != HL_TK_DICT)
        return hl_trun_fail(r, "items: expected a dict, found %s", hl_tv_type_name(c->self));
    if (!hl_tv_view_of(r, c->self.u.dict, 'i', ret)) return false;
    ret->kind = HL_TK_GEN;
    return true;
}

bool hl_tfilter_attr(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_view name;
    if (!hl_targ_str(r, c->a[0], "name", &name)) return false;
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    bool unsafe = false;
    if (c->self.kind == HL_TK_DICT && !hl_tmethod_find(c->self, name, &unsafe) && !unsafe) {
        *ret = hl_tv_undefined(name); /* unlike the dot, it does not look at items */
        return true;
    }
    return hl_tv_get_attr(r, c->self, name, ret);
}

bool hl_tfilter_abs(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    if (!hl_tv_is_number(c->self)) return hl_trun_fail(r, "abs: %s is no number", hl_tv_type_name(c->self));
    if (c->self.kind == HL_TK_FLOAT) {
        *ret = hl_tv_made_of(hl_tv_float(fabs(c->self.u.f)), c->self.flags);
        return true;
    }
    const int64_t i = hl_tv_as_int(c->self);
    return i < 0 ? hl_tv_arith(r, HL_TOP_SUB, hl_tv_int(0), c->self, ret)
                 : ((*ret = hl_tv_made_of(hl_tv_int(i), c->self.flags)), true);
}

/* Of what is made of v. */
static unsigned flags_of(const hl_trun *r, hl_tv v) {
    return v.kind == HL_TK_STR ? hl_trun_is_outside(r, hl_tv_view(v)) ? HL_TF_OUTSIDE : 0 : v.flags;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

/* Python's int(text, base): blanks around, a sign, a prefix that fits the base, single underscores. */
static bool parse_int(hl_view s, int64_t base, int64_t *ret) {
    s = hl_tstr_strip(s, true, true);
    bool    negative = false, may_underscore = false;
    int64_t x = 0;
    size_t  i = 0;
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) negative = s.ptr[i++] == '-';
    if (i + 1 < s.len && s.ptr[i] == '0') {
        const char    p = (char)(s.ptr[i + 1] | 32);
        const int64_t prefix = p == 'x' ? 16 : p == 'o' ? 8 : p == 'b' ? 2 : 0;
        if (prefix && (base == prefix || base == 0)) {
            base = prefix;
            i += 2;
            may_underscore = true;
        }
    }
    if (base == 0) base = 10;
    const size_t first = i;
    for (; i < s.len; i++) {
        if (s.ptr[i] == '_' && may_underscore && i + 1 < s.len) {
            may_underscore = false;
            continue;
        }
        if (digit_of(s.ptr[i]) >= base || __builtin_mul_overflow(x, base, &x) ||
            __builtin_add_overflow(x, (int64_t)digit_of(s.ptr[i]), &x))
            return false;
        may_underscore = true;
    }
    *ret = negative ? -x : x;
    return i > first;
}

static bool float_to_int(double f, int64_t *ret) {
    if (!(f > -9.2e18 && f < 9.2e18)) return false;
    *ret = (int64_t)f;
    return true;
}

bool hl_tfilter_int(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    int64_t base = 10, x = 0;
    double  f = 0;
    bool    ok = false;
    if (!hl_targ_int(r, c->a[1], "base", 10, &base)) return false;
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    if (base != 0 && (base < 2 || base > 36)) return hl_trun_fail(r, "int: base must be 0 or from 2 to 36");
    if (hl_tv_is_int(c->self)) {
        x = hl_tv_as_int(c->self);
        ok = true;
    } else if (c->self.kind == HL_TK_FLOAT) {
        ok = float_to_int(c->self.u.f, &x);
    } else if (c->self.kind == HL_TK_STR) {
        ok = parse_int(hl_tv_view(c->self), base, &x) ||
             (hl_tstr_parse_float(hl_tv_view(c->self), &f) && float_to_int(f, &x));
    }
    *ret = ok                              ? hl_tv_made_of(hl_tv_int(x), flags_of(r, c->self))
           : c->a[0].kind == HL_TK_MISSING ? hl_tv_int(0)
                                           : c->a[0];
    return true;
}

bool hl_tfilter_float(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    double f = 0;
    bool   ok = false;
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    if (hl_tv_is_number(c->self)) {
        f = hl_tv_as_float(c->self);
        ok = true;
    } else if (c->self.kind == HL_TK_STR) {
        ok = hl_tstr_parse_float(hl_tv_view(c->self), &f);
    }
    *ret = ok                              ? hl_tv_made_of(hl_tv_float(f), flags_of(r, c->self))
           : c->a[0].kind == HL_TK_MISSING ? hl_tv_float(0)
                                           : c->a[0];
    return true;
}

/* Decimal rounding of the exact binary value, halves to even, as printf does it. */
static double round_decimal(double f, int64_t precision) {
    char text[512];
    if (!isfinite(f) || precision > 300) return f;
    if (precision < 0) {
        const double unit = pow(10, (double)-precision);
        return isfinite(unit) ? nearbyint(f / unit) * unit : 0;
    }
    (void)snprintf(text, sizeof text, "%.*f", (int)precision, f);
    return strtod(text, NULL);
}

bool hl_tfilter_round(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    int64_t precision = 0;
    hl_view method = {"common", 6};
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    if (!hl_tv_is_number(c->self)) return hl_trun_fail(r, "round: %s is no number", hl_tv_type_name(c->self));
    if (!hl_targ_int(r, c->a[0], "precision", 0, &precision)) return false;
    if (c->a[1].kind != HL_TK_MISSING && !hl_targ_str(r, c->a[1], "method", &method)) return false;
    if (hl_view_is(method, "common")) {
        if (hl_tv_is_int(c->self) && precision >= 0)
            *ret = hl_tv_int(hl_tv_as_int(c->self));
        else if (hl_tv_is_int(c->self))
            *ret = hl_tv_int((int64_t)round_decimal(hl_tv_as_float(c->self), precision));
        else
            *ret = hl_tv_float(round_decimal(c->self.u.f, precision));
        *ret = hl_tv_made_of(*ret, c->self.flags);
        return true;
    }
    const bool up = hl_view_is(method, "ceil");
    if (!up && !hl_view_is(method, "floor"))
        return hl_trun_fail(r, "round: method must be common, ceil or floor");
    const double unit = pow(10, (double)precision), x = hl_tv_as_float(c->self) * unit;
    *ret = hl_tv_made_of(hl_tv_float((up ? ceil(x) : floor(x)) / unit), c->self.flags);
    return true;
}

bool hl_tfilter_format(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tv text, args;
    if (!hl_tv_to_str(r, c->self, &text)) return false;
    if (c->n_kw && c->n_pos) return hl_trun_fail(r, "format: takes positional or named arguments, not both");
    if (c->n_kw) {
        if (!hl_tv_new_dict(r, HL_TK_DICT, c->n_kw, &args)) return false;
        for (size_t i = 0; i < c->n_kw; i++)
            if (!hl_tdict_put(r, args.u.dict, hl_tv_str(c->kw[i].name->text), c->kw[i].value)) return false;
    } else {
        if (!hl_tv_new_seq(r, HL_TK_TUPLE, c->n_pos, &args)) return false;
        if (c->n_pos) memcpy(args.u.seq->items, c->pos, c->n_pos * sizeof(hl_tv));
    }
    return hl_tstr_percent(r, text, args, ret);
}

bool hl_tfilter_filesizeformat(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    static const char units[] = "kMGTPEZY";
    double            n = hl_tv_is_number(c->self) ? hl_tv_as_float(c->self) : 0;
    if (!hl_tv_is_number(c->self) && !(hl_tv_is_str(c->self) && hl_tstr_parse_float(hl_tv_view(c->self), &n)))
        return hl_trun_fail(r, "filesizeformat: %s is no number", hl_tv_type_name(c->self));
    const bool   binary = hl_tv_truth(c->a[0]), outside = flags_of(r, c->self) & HL_TF_OUTSIDE;
    const double base = binary ? 1024 : 1000;
    const size_t mark = hl_trun_begin(r);
    double       unit = base;
    size_t       i = 0;
    while (i + 1 < sizeof units - 1 && n >= unit * base) {
        unit *= base;
        i++;
    }
    if (n == 1)
        hl_tout_text(&r->scratch, "1 Byte", outside);
    else if (n < base)
        hl_tout_format(&r->scratch, outside, "%.0f Bytes", trunc(n));
    else
        hl_tout_format(&r->scratch, outside, "%.1f %c%s", n / unit, binary && i == 0 ? 'K' : units[i],
                       binary ? "iB" : "B");
    return hl_trun_end(r, mark, ret);
}
