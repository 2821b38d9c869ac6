/* SPDX-License-Identifier: MIT
 *
 * tmpl_format.c - the two ways Python fills text: "%s" % x and "{}".format(x).
 *
 * from: Python 3.11 library reference, "printf-style String Formatting" and "Format String Syntax"
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/template/tmpl_int.h"

enum { MAX_WIDTH = 100000, MAX_PRECISION = 340 };

typedef struct spec {
    hl_view        fill; /* one character */
    hl_tmpl_origin fill_from;
    bool           has_fill;
    char           align; /* < > = ^, 0: the type's own */
    char           sign;  /* + - or blank */
    bool           alternate;
    bool           zero; /* a 0 before the width */
    int64_t        width;
    char           group;     /* , or _ */
    int64_t        precision; /* -1 when not given */
    char           type;      /* 0 when not given */
} spec;

static int64_t read_number(hl_view s, size_t *i) {
    int64_t x = 0;
    for (; *i < s.len && s.ptr[*i] >= '0' && s.ptr[*i] <= '9'; ++*i)
        if (x <= MAX_WIDTH) x = x * 10 + (s.ptr[*i] - '0');
    return x;
}

static void move(hl_tmpl_out *to, size_t at, size_t by, size_t n) {
    memmove(to->text + at + by, to->text + at, n);
    memmove(to->marks + at + by, to->marks + at, n);
}

static void fill_in(hl_tmpl_out *to, size_t at, const spec *f, int64_t from, int64_t end) {
    for (int64_t i = from; i < end; i++)
        for (size_t k = 0; k < f->fill.len; k++) {
            to->text[at + (size_t)i * f->fill.len + k] = f->fill.ptr[k];
            to->marks[at + (size_t)i * f->fill.len + k] = hl_tmpl_origin_at(f->fill_from, k);
        }
}

/* Put the text since `mark` into its field. n_head: sign and prefix, behind which '=' pads. */
static void pad_field(hl_tmpl_run *r, size_t mark, const spec *f, char align, size_t n_head) {
    hl_tmpl_out *to = &r->scratch;
    if (to->failed) return;
    const bool    empty = to->len == mark;
    const int64_t gap =
        f->width -
        (empty ? 0 : (int64_t)hl_tmpl_str_count(r, hl_tmpl_str((hl_view){to->text + mark, to->len - mark})));
    if (gap <= 0) return;
    const int64_t left = align == '<' ? 0 : align == '^' ? gap / 2 : gap;
    const size_t  at = align == '=' ? mark + n_head : mark, moved = to->len - at;
    for (int64_t i = 0; i < gap; i++) hl_tmpl_out_add(to, f->fill, f->fill_from);
    if (to->failed || left == 0) return;
    move(to, at, (size_t)left * f->fill.len, moved);
    fill_in(to, at, f, 0, left);
    fill_in(to, at + moved, f, left, gap);
}

/* How long are n digits with a mark between groups? */
static size_t grouped_len(size_t n, size_t each) { return n + (n ? (n - 1) / each : 0); }

static void add_digits(hl_tmpl_out *to, hl_view digits, const spec *f, size_t each, size_t width,
                       bool outside) {
    size_t n = digits.len;
    if (!f->group) {
        hl_tmpl_out_put(to, digits, outside);
        return;
    }
    while (grouped_len(n, each) < width) n++; /* zeros in front are grouped as well */
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % each == 0) hl_tmpl_out_char(to, f->group, outside);
        hl_tmpl_out_char(to, i + digits.len < n ? '0' : digits.ptr[i + digits.len - n], outside);
    }
}

static void add_sign(hl_tmpl_out *to, bool negative, char sign, bool outside) {
    if (negative)
        hl_tmpl_out_char(to, '-', outside);
    else if (sign == '+' || sign == ' ')
        hl_tmpl_out_char(to, sign, outside);
}

/* Bytes that digits must fill when zeros are put between a sign and them, n_other apart; 0: none. */
static size_t zero_width(const spec *f, size_t n_other) {
    const bool zeros = f->align == '=' && f->fill.len == 1 && f->fill.ptr[0] == '0';
    return zeros && f->width > (int64_t)n_other ? (size_t)f->width - n_other : 0;
}

static bool add_int(hl_tmpl_run *r, hl_tmpl_value v, const spec *f) {
    hl_tmpl_out   *to = &r->scratch;
    const bool     outside = hl_tmpl_is_outside(v);
    const size_t   mark = to->len;
    const char     type = f->type && f->type != 'n' ? f->type : 'd', lower = (char)(type | 32);
    const unsigned base = lower == 'x' ? 16 : lower == 'o' ? 8 : lower == 'b' ? 2 : 10;
    hl_view        digits;
    if (!hl_tmpl_int_digits(r, v, base, type == 'X', &digits)) return false;
    add_sign(to, hl_tmpl_int_is_negative(v), f->sign, outside);
    if (f->alternate && base != 10) {
        hl_tmpl_out_char(to, '0', outside);
        hl_tmpl_out_char(to, type, outside);
    }
    const size_t n_head = to->len - mark;
    for (int64_t i = (int64_t)digits.len; i < f->precision; i++) hl_tmpl_out_char(to, '0', outside);
    add_digits(to, digits, f, base == 10 ? 3 : 4, zero_width(f, n_head), outside);
    pad_field(r, mark, f, f->align ? f->align : '>', n_head);
    return true;
}

/* As repr() writes it, but with `precision` digits: always with a point, unless with an exponent. */
static void write_short(char *to, size_t n, int precision, double x, bool alternate) {
    int exponent = 0;
    if (precision == 0) precision = 1;
    (void)snprintf(to, n, "%.*e", precision - 1, x);
    const char *e = strchr(to, 'e');
    if (x != 0 && e) exponent = atoi(e + 1);
    if (exponent < -4 || exponent >= precision - 1) {
        (void)snprintf(to, n, alternate ? "%#.*e" : "%.*e", precision - 1, x);
        char *end = strchr(to, 'e'), *p = end;
        while (!alternate && precision > 1 && p > to && p[-1] == '0') p--;
        if (!alternate && p > to && (p[-1] < '0' || p[-1] > '9')) p--;
        if (p && end && p != end) memmove(p, end, strlen(end) + 1);
        return;
    }
    (void)snprintf(to, n, "%#.*g", precision, x);
    char *p = to + strlen(to);
    while (!alternate && p > to + 2 && p[-1] == '0' && p[-2] >= '0' && p[-2] <= '9') *--p = '\0';
    if (p > to && (p[-1] < '0' || p[-1] > '9')) (void)snprintf(p, n - (size_t)(p - to), "0");
}

static void add_float(hl_tmpl_run *r, double v, const spec *f, bool outside) {
    hl_tmpl_out *to = &r->scratch;
    const size_t mark = to->len;
    char         text[800], format[16];
    const char   type = f->type == '%' ? 'f' : f->type == 'n' || !f->type ? 'g' : f->type;
    const double x = fabs(f->type == '%' ? v * 100 : v);
    const int    precision = (int)(f->precision < 0 ? 6 : f->precision);
    add_sign(to, signbit(v) && !isnan(v), f->sign, outside);
    const size_t n_head = to->len - mark;
    if (isnan(x) || isinf(x)) {
        hl_tmpl_out_text(to, isnan(x) ? (type < 'a' ? "NAN" : "nan") : type < 'a' ? "INF" : "inf", outside);
    } else {
        if (!f->type && f->precision < 0) {
            hl_tmpl_str_format_float(text, sizeof text, x);
            char *e = f->alternate && !strchr(text, '.') ? strchr(text, 'e') : NULL;
            if (e) memmove(e + 1, e, strlen(e) + 1);
            if (e) *e = '.';
        } else if (!f->type) {
            write_short(text, sizeof text, precision, x, f->alternate);
        } else {
            (void)snprintf(format, sizeof format, "%%%s.*%c", f->alternate ? "#" : "", type);
            (void)snprintf(text, sizeof text, format, precision, x);
        }
        const size_t whole = strspn(text, "0123456789"), rest = strlen(text) - whole;
        add_digits(to, (hl_view){text, whole}, f, 3, zero_width(f, n_head + rest + (f->type == '%')),
                   outside);
        const bool has_point = rest && (text[whole] | 32) != 'e';
        if (has_point) hl_tmpl_out_char(to, '.', outside); /* whatever the locale's point is */
        hl_tmpl_out_text(to, text + whole + has_point, outside);
    }
    if (f->type == '%') hl_tmpl_out_char(to, '%', outside);
    pad_field(r, mark, f, f->align ? f->align : '>', n_head);
}

static void add_character(hl_tmpl_run *r, uint32_t cp, const spec *f, bool outside) {
    const size_t mark = r->scratch.len;
    hl_tmpl_out_utf8(&r->scratch, cp, outside);
    pad_field(r, mark, f, f->align ? f->align : '>', 0);
}

static void add_text(hl_tmpl_run *r, hl_tmpl_value text, const spec *f) {
    const size_t mark = r->scratch.len;
    const size_t n = f->precision >= 0 ? hl_tmpl_str_offset(r, text, (size_t)f->precision) : text.len;
    hl_tmpl_run_add(r, &r->scratch, (hl_view){text.u.s, n});
    pad_field(r, mark, f, f->align ? f->align : '<', 0);
}

/* --- "%" ----------------------------------------------------------------------------------- */

typedef struct percent {
    hl_tmpl_run  *r;
    hl_view       fmt;
    size_t        i;
    hl_tmpl_value args;
    size_t        i_arg;   /* next of a tuple */
    bool          escapes; /* the format is safe: what is put in is escaped */
} percent;

static bool next_arg(percent *p, hl_tmpl_value *ret) {
    if (p->args.kind == HL_TMPL_VALUE_TUPLE) {
        if (p->i_arg >= p->args.u.seq->n)
            return hl_tmpl_run_fail(p->r, "not enough arguments for the format string");
        *ret = p->args.u.seq->items[p->i_arg++];
        return true;
    }
    if (p->i_arg++ > 0) return hl_tmpl_run_fail(p->r, "not enough arguments for the format string");
    *ret = p->args;
    return true;
}

static bool named_arg(percent *p, hl_tmpl_value *ret) {
    const size_t begin = ++p->i;
    while (p->i < p->fmt.len && p->fmt.ptr[p->i] != ')') p->i++;
    if (p->i >= p->fmt.len) return hl_tmpl_run_fail(p->r, "incomplete key in a format string");
    const hl_view key = {p->fmt.ptr + begin, p->i++ - begin};
    if (p->args.kind != HL_TMPL_VALUE_DICT) return hl_tmpl_run_fail(p->r, "the format string needs a dict");
    const hl_tmpl_value *hit = hl_tmpl_dict_find_text(p->r, p->args.u.dict, key);
    if (!hit)
        return hl_tmpl_run_fail(p->r, "the format string names '%.*s', which is not given", (int)key.len,
                                key.ptr);
    *ret = *hit;
    return true;
}

static bool read_size(percent *p, int64_t *ret) {
    if (p->i < p->fmt.len && p->fmt.ptr[p->i] == '*') {
        hl_tmpl_value v;
        p->i++;
        return next_arg(p, &v) && hl_tmpl_arg_int(p->r, v, "*", 0, ret);
    }
    *ret = read_number(p->fmt, &p->i);
    return true;
}

static bool add_percent_value(percent *p, hl_tmpl_value v, spec *f) {
    hl_tmpl_value text;
    hl_tmpl_run  *r = p->r;
    hl_tmpl_out  *to = &r->scratch;
    const bool    outside = hl_tmpl_is_outside(v);
    if (f->type == 's' || f->type == 'r' || f->type == 'a') {
        const size_t mark = hl_tmpl_run_begin(r);
        if (f->type == 's' ? !hl_tmpl_to_str(r, v, &text)
                           : !(hl_tmpl_write_repr(r, to, v) && hl_tmpl_run_end(r, mark, &text) &&
                               (f->type == 'r' || hl_tmpl_str_ascii(r, text, &text))))
            return false;
        if (p->escapes && !hl_tmpl_markup_escape(r, text, &text)) return false;
        f->align = f->align ? f->align : '>';
        if (f->align == '=') f->align = '>';
        f->fill = HL_TMPL_OWN(blank);
        add_text(r, text, f);
        return true;
    }
    if (f->type == 'c' && hl_tmpl_is_str(v) && hl_tmpl_str_count(r, v) == 1) {
        f->align = f->align == '<' ? '<' : '>';
        f->fill = HL_TMPL_OWN(blank);
        f->precision = -1;
        add_text(r, v, f);
        return true;
    }
    if (v.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, v);
    if (!hl_tmpl_is_number(v))
        return hl_tmpl_run_fail(r, "%%%c needs a number, found %s", f->type, hl_tmpl_type_name(v));
    if (strchr("eEfFgG", f->type)) {
        double x = 0;
        if (!hl_tmpl_to_float(r, v, &x)) return false;
        add_float(r, x, f, outside);
        return true;
    }
    if (f->type == 'i' || f->type == 'u') f->type = 'd';
    if (!strchr("dxXoc", f->type)) return hl_tmpl_run_fail(r, "unsupported format character '%c'", f->type);
    if (v.kind == HL_TMPL_VALUE_FLOAT) {
        if (f->type != 'd' || !isfinite(v.u.f)) return hl_tmpl_run_fail(r, "%%%c needs an integer", f->type);
        if (!hl_tmpl_int_from_float(r, v.u.f, &v)) return false;
        v = hl_tmpl_made_of(v, outside ? HL_TMPL_FLAG_OUTSIDE : 0);
    }
    if (f->type != 'c') return add_int(r, v, f);
    const int64_t cp = hl_tmpl_int_clamp(v);
    if (cp < 0 || cp > 0x10FFFF)
        return hl_tmpl_run_fail(r, "%%c needs a character's number, found %lld", (long long)cp);
    f->align = f->align == '<' ? '<' : '>';
    f->fill = HL_TMPL_OWN(blank);
    add_character(r, (uint32_t)cp, f, outside);
    return true;
}

static bool add_conversion(percent *p) {
    spec          f = {.fill = HL_TMPL_OWN(blank), .precision = -1};
    hl_tmpl_value v;
    bool          named = false;
    if (p->i < p->fmt.len && p->fmt.ptr[p->i] == '(') {
        if (!named_arg(p, &v)) return false;
        named = true;
    }
    for (; p->i < p->fmt.len && p->fmt.ptr[p->i] && strchr("-+ 0#", p->fmt.ptr[p->i]); p->i++) {
        const char c = p->fmt.ptr[p->i];
        if (c == '-')
            f.align = '<';
        else if (c == '#')
            f.alternate = true;
        else if (c == '0')
            f.fill = HL_TMPL_OWN(zero);
        else if (f.sign != '+')
            f.sign = c;
    }
    if (!read_size(p, &f.width)) return false;
    if (f.width < 0) {
        f.align = '<';
        f.width = f.width == INT64_MIN ? 0 : -f.width;
    }
    if (p->i < p->fmt.len && p->fmt.ptr[p->i] == '.') {
        p->i++;
        if (!read_size(p, &f.precision)) return false;
        if (f.precision < 0) f.precision = 0;
    }
    if (f.align == '<')
        f.fill = HL_TMPL_OWN(blank);
    else if (f.fill.ptr[0] == '0')
        f.align = '=';
    if (f.width > MAX_WIDTH || f.precision > MAX_PRECISION)
        return hl_tmpl_run_fail_limit(p->r, "a format field is too wide");
    while (p->i < p->fmt.len && p->fmt.ptr[p->i] && strchr("hlL", p->fmt.ptr[p->i])) p->i++;
    if (p->i >= p->fmt.len) return hl_tmpl_run_fail(p->r, "incomplete format string");
    f.type = p->fmt.ptr[p->i++];
    if (f.type == '%') {
        hl_tmpl_run_add(p->r, &p->r->scratch, (hl_view){p->fmt.ptr + p->i - 1, 1});
        return true;
    }
    return (named || next_arg(p, &v)) && add_percent_value(p, v, &f);
}

bool hl_tmpl_str_percent(hl_tmpl_run *r, hl_tmpl_value fmt, hl_tmpl_value args, hl_tmpl_value *ret) {
    percent p = {.r = r, .fmt = hl_tmpl_view(fmt), .args = args, .escapes = fmt.flags & HL_TMPL_FLAG_MARKUP};
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, fmt.u.s);
    const size_t         mark = hl_tmpl_run_begin(r);
    while (p.i < p.fmt.len) {
        const char c = p.fmt.ptr[p.i++];
        if (c != '%')
            hl_tmpl_out_char(&r->scratch, c, hl_tmpl_origin_at(from, p.i - 1));
        else if (!add_conversion(&p))
            return false;
    }
    if (args.kind == HL_TMPL_VALUE_TUPLE
            ? p.i_arg < args.u.seq->n
            : p.i_arg == 0 && args.kind != HL_TMPL_VALUE_DICT && args.kind != HL_TMPL_VALUE_LIST &&
                  args.kind != HL_TMPL_VALUE_RANGE && args.kind != HL_TMPL_VALUE_UNDEFINED)
        return hl_tmpl_run_fail(r, "not all arguments are used by the format string");
    if (!hl_tmpl_run_steps(r, p.fmt.len / 4) || !hl_tmpl_run_end(r, mark, ret)) return false;
    ret->flags |= fmt.flags & HL_TMPL_FLAG_MARKUP;
    return true;
}

/* --- "{}" ---------------------------------------------------------------------------------- */

typedef struct braces {
    hl_tmpl_run        *r;
    const hl_tmpl_args *c;
    hl_tmpl_dict       *by_name;   /* NULL: none */
    size_t              i_auto;    /* next number of "{}" */
    bool                is_manual; /* "{0}" was seen */
    bool                escapes;   /* the format is safe: what is put in is escaped */
} braces;

static bool parse_spec(hl_tmpl_run *r, hl_view s, spec *f) {
    size_t       i = 0;
    uint32_t     cp = 0;
    const size_t n = s.len ? hl_utf8_read(s.ptr, s.len, &cp) : 0;
    *f = (spec){.fill = HL_TMPL_OWN(blank), .precision = -1};
    if (n && n < s.len && strchr("<>=^", s.ptr[n]) && s.ptr[n]) {
        f->has_fill = true;
        f->fill = (hl_view){s.ptr, n};
        f->fill_from = hl_tmpl_run_origin(r, s.ptr);
        f->align = s.ptr[n];
        i = n + 1;
    } else if (s.len && s.ptr[0] && strchr("<>=^", s.ptr[0])) {
        f->align = s.ptr[i++];
    }
    if (i < s.len && s.ptr[i] && strchr("+- ", s.ptr[i])) f->sign = s.ptr[i++];
    if (i < s.len && s.ptr[i] == '#') f->alternate = s.ptr[i++] == '#';
    if (i < s.len && s.ptr[i] == '0') {
        i++;
        f->zero = true;
    }
    f->width = read_number(s, &i);
    if (i < s.len && (s.ptr[i] == ',' || s.ptr[i] == '_')) f->group = s.ptr[i++];
    if (i < s.len && s.ptr[i] == '.') {
        i++;
        if (i >= s.len || s.ptr[i] < '0' || s.ptr[i] > '9')
            return hl_tmpl_run_fail(r, "format specifier misses its precision");
        f->precision = read_number(s, &i);
    }
    if (i < s.len) f->type = s.ptr[i++];
    if (i < s.len)
        return hl_tmpl_run_fail(r, "invalid format specifier '%.*s'", (int)(s.len < 60 ? s.len : 60), s.ptr);
    if (f->width > MAX_WIDTH || f->precision > MAX_PRECISION)
        return hl_tmpl_run_fail_limit(r, "a format field is too wide");
    return true;
}

static bool is_one_of(char c, const char *set) { return c && strchr(set, c) != NULL; }

static bool format_number(hl_tmpl_run *r, hl_tmpl_value v, const spec *f) {
    const bool as_float = v.kind == HL_TMPL_VALUE_FLOAT || is_one_of(f->type, "eEfFgG%");
    double     x = 0;
    if (f->type && !is_one_of(f->type, as_float ? "eEfFgG%n" : "dxXobcn"))
        return hl_tmpl_run_fail(r, "unknown format code '%c' for %s", f->type, hl_tmpl_type_name(v));
    if (f->group && (f->type == 'n' || f->type == 'c' || (f->group == ',' && is_one_of(f->type, "xXob"))))
        return hl_tmpl_run_fail(r, "'%c' cannot be used with '%c'", f->group, f->type);
    if (as_float) {
        if (!hl_tmpl_to_float(r, v, &x)) return false;
        add_float(r, x, f, hl_tmpl_is_outside(v));
        return true;
    }
    if (f->precision >= 0) return hl_tmpl_run_fail(r, "precision is not allowed for an integer");
    if (f->type != 'c') return add_int(r, v, f);
    const int64_t cp = hl_tmpl_int_clamp(v);
    if (f->sign || f->alternate) return hl_tmpl_run_fail(r, "no sign or '#' is allowed with 'c'");
    if (cp < 0 || cp > 0x10FFFF) return hl_tmpl_run_fail(r, "%lld is no character's number", (long long)cp);
    add_character(r, (uint32_t)cp, f, hl_tmpl_is_outside(v));
    return true;
}

static bool add_formatted(hl_tmpl_run *r, hl_tmpl_value v, hl_view spec_text) {
    spec f;
    if (spec_text.len == 0) return hl_tmpl_write(r, &r->scratch, v);
    if (!hl_tmpl_is_number(v) && !hl_tmpl_is_str(v))
        return hl_tmpl_run_fail(r, "%s takes no format specifier", hl_tmpl_type_name(v));
    if (!parse_spec(r, spec_text, &f)) return false;
    if (f.zero && !f.has_fill) f.fill = HL_TMPL_OWN(zero);
    if (f.zero && !f.align) f.align = hl_tmpl_is_str(v) ? '<' : '=';
    if (hl_tmpl_is_number(v)) return format_number(r, v, &f);
    if ((f.type && f.type != 's') || f.align == '=' || f.sign || f.alternate || f.group)
        return hl_tmpl_run_fail(r, "the format specifier '%.*s' is not for a string", HL_TMPL_ARG(spec_text));
    add_text(r, v, &f);
    return true;
}

static bool is_number(hl_view s) {
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    return s.len > 0;
}

static bool first_value(braces *b, hl_view name, bool is_auto, hl_tmpl_value *ret) {
    size_t i = 0;
    if (is_auto || is_number(name)) {
        const size_t index = is_auto ? b->i_auto++ : (size_t)read_number(name, &i);
        if (index >= b->c->n_pos) return hl_tmpl_run_fail(b->r, "format(): there is no argument %zu", index);
        *ret = b->c->pos[index];
        return true;
    }
    const hl_tmpl_value *hit = b->by_name ? hl_tmpl_dict_find_text(b->r, b->by_name, name) : NULL;
    if (!hit) return hl_tmpl_run_fail(b->r, "format(): there is no argument '%.*s'", HL_TMPL_ARG(name));
    *ret = *hit;
    return true;
}

/* "{}" and "{0}" do not go together. */
static bool check_numbering(braces *b, hl_view field) {
    if ((field.len == 0 && b->is_manual) || (is_number(field) && b->i_auto > 0))
        return hl_tmpl_run_fail(b->r, "format(): '{}' and '{0}' cannot be mixed");
    b->is_manual |= is_number(field);
    return true;
}

/* name.attribute[item] */
static bool field_value(braces *b, hl_view field, hl_tmpl_value *ret) {
    size_t n = 0;
    while (n < field.len && field.ptr[n] != '.' && field.ptr[n] != '[') n++;
    if (!check_numbering(b, field) || !first_value(b, (hl_view){field.ptr, n}, field.len == 0, ret))
        return false;
    while (n < field.len) {
        const bool   item = field.ptr[n++] == '[';
        const size_t begin = n;
        while (n < field.len && (item ? field.ptr[n] != ']' : field.ptr[n] != '.' && field.ptr[n] != '['))
            n++;
        const hl_view name = {field.ptr + begin, n - begin};
        if (name.len == 0 || (item && n >= field.len))
            return hl_tmpl_run_fail(b->r, "format(): empty or open attribute");
        if (!item) {
            if (!hl_tmpl_get_attr(b->r, *ret, name, ret)) return false;
            continue;
        }
        n++;
        size_t        digits = 0;
        const int64_t index = read_number(name, &digits);
        if (item && n < field.len && field.ptr[n] != '.' && field.ptr[n] != '[')
            return hl_tmpl_run_fail(b->r, "format(): only '.' or '[' may follow ']'");
        if (!hl_tmpl_get_item(b->r, *ret, digits == name.len ? hl_tmpl_int(index) : hl_tmpl_str(name), ret))
            return false;
    }
    return true;
}

static bool add_fields(braces *b, hl_view fmt, int depth);

static bool add_field(braces *b, hl_view field, int depth) {
    size_t        n = 0;
    hl_tmpl_value v, spec_text = hl_tmpl_str((hl_view){"", 0});
    for (bool in_item = false; n < field.len && (in_item || (field.ptr[n] != '!' && field.ptr[n] != ':'));
         n++) {
        if (field.ptr[n] == '[') in_item = true;
        if (field.ptr[n] == ']') in_item = false;
        if (field.ptr[n] == '{') return hl_tmpl_run_fail(b->r, "format(): unexpected '{' in a field's name");
    }
    if (!field_value(b, (hl_view){field.ptr, n}, &v)) return false;
    if (n < field.len && field.ptr[n] == '!') {
        const char conversion = n + 1 < field.len ? field.ptr[n + 1] : 0;
        if (!is_one_of(conversion, "rsa")) return hl_tmpl_run_fail(b->r, "format(): unknown conversion");
        const size_t mark = hl_tmpl_run_begin(b->r);
        if (conversion == 's'
                ? !hl_tmpl_to_str(b->r, v, &v)
                : !(hl_tmpl_write_repr(b->r, &b->r->scratch, v) && hl_tmpl_run_end(b->r, mark, &v) &&
                    (conversion == 'r' || hl_tmpl_str_ascii(b->r, v, &v))))
            return false;
        n += 2;
        if (n < field.len && field.ptr[n] != ':')
            return hl_tmpl_run_fail(b->r, "format(): expected ':' behind the conversion");
    }
    if (n < field.len) { /* the specifier may hold fields of its own */
        const size_t mark = hl_tmpl_run_begin(b->r);
        if (!add_fields(b, (hl_view){field.ptr + n + 1, field.len - n - 1}, depth + 1) ||
            !hl_tmpl_run_end(b->r, mark, &spec_text))
            return false;
    }
    if (!b->escapes) return add_formatted(b->r, v, hl_tmpl_view(spec_text));
    const bool    is_safe = v.kind == HL_TMPL_VALUE_STR && (v.flags & HL_TMPL_FLAG_MARKUP);
    const size_t  mark = hl_tmpl_run_begin(b->r);
    hl_tmpl_value text;
    if (is_safe && spec_text.len)
        return hl_tmpl_run_fail(b->r, "format(): no format specifier is for safe text");
    if (!add_formatted(b->r, v, hl_tmpl_view(spec_text)) || !hl_tmpl_run_end(b->r, mark, &text)) return false;
    if (!is_safe && !hl_tmpl_str_escape(b->r, hl_tmpl_view(text), &text)) return false;
    hl_tmpl_run_add(b->r, &b->r->scratch, hl_tmpl_view(text));
    return true;
}

static bool add_fields(braces *b, hl_view fmt, int depth) {
    hl_tmpl_out         *to = &b->r->scratch;
    const hl_tmpl_origin from = hl_tmpl_run_origin(b->r, fmt.ptr);
    if (depth > 2) return hl_tmpl_run_fail(b->r, "format(): fields nested too deep");
    for (size_t i = 0; i < fmt.len; i++) {
        const char c = fmt.ptr[i];
        if ((c == '{' || c == '}') && i + 1 < fmt.len && fmt.ptr[i + 1] == c) {
            hl_tmpl_out_char(to, c, hl_tmpl_origin_at(from, i));
            i++;
            continue;
        }
        if (c == '}') return hl_tmpl_run_fail(b->r, "format(): single '}' in the format string");
        if (c != '{') {
            hl_tmpl_out_char(to, c, hl_tmpl_origin_at(from, i));
            continue;
        }
        const size_t begin = i + 1;
        int          open = 1;
        while (open > 0 && ++i < fmt.len) open += fmt.ptr[i] == '{' ? 1 : fmt.ptr[i] == '}' ? -1 : 0;
        if (open > 0) return hl_tmpl_run_fail(b->r, "format(): '{' without '}' in the format string");
        if (!add_field(b, (hl_view){fmt.ptr + begin, i - begin}, depth)) return false;
    }
    return true;
}

static bool format(braces *b, hl_tmpl_value fmt, hl_tmpl_value *ret) {
    const size_t mark = hl_tmpl_run_begin(b->r);
    return hl_tmpl_run_steps(b->r, fmt.len / 4) && add_fields(b, hl_tmpl_view(fmt), 0) &&
           hl_tmpl_run_end(b->r, mark, ret);
}

bool hl_tmpl_str_format(hl_tmpl_run *r, hl_tmpl_value fmt, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value named;
    if (!hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, c->n_kw, &named)) return false;
    for (size_t i = 0; i < c->n_kw; i++)
        if (!hl_tmpl_dict_put(r, named.u.dict, hl_tmpl_str(c->kw[i].name->text), c->kw[i].value))
            return false;
    braces b = {.r = r, .c = c, .by_name = named.u.dict, .escapes = fmt.flags & HL_TMPL_FLAG_MARKUP};
    return format(&b, fmt, ret);
}

bool hl_tmpl_str_format_map(hl_tmpl_run *r, hl_tmpl_value fmt, hl_tmpl_value map, hl_tmpl_value *ret) {
    const hl_tmpl_args none = {0};
    braces b = {.r = r, .c = &none, .by_name = map.u.dict, .escapes = fmt.flags & HL_TMPL_FLAG_MARKUP};
    return format(&b, fmt, ret);
}
