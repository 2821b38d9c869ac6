/* SPDX-License-Identifier: MIT
 *
 * tmpl_text.c - values as text: Python's str() and repr().
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/template/tmpl_int.h"

/* The fewest digits that read back as f, without point or sign; *ret_exp10: 1.25 has 0, 0.1 has -1. */
static int shortest_digits(double f, char *to, int *ret_exp10) {
    char text[40];
    int  n = 0;
    for (int precision = 0; precision < 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, f);
        if (precision == 16 || strtod(text, NULL) == f) break;
    }
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') to[n++] = *p;
    *ret_exp10 = *p ? atoi(p + 1) : 0;
    while (n > 1 && to[n - 1] == '0') n--;
    return n;
}

void hl_tmpl_str_format_float(char *to, size_t n, double f) {
    char      digits[24];
    int       exp10 = 0, at = 0;
    const int n_digits = shortest_digits(fabs(f), digits, &exp10);
    if (signbit(f)) to[at++] = '-';
    if (exp10 < -4 || exp10 >= 16) {
        (void)snprintf(to + at, n - (size_t)at, "%c%s%.*se%c%02d", digits[0], n_digits > 1 ? "." : "",
                       n_digits - 1, digits + 1, exp10 < 0 ? '-' : '+', abs(exp10));
        return;
    }
    if (exp10 < 0) {
        to[at++] = '0';
        to[at++] = '.';
    }
    for (int i = exp10; i < -1; i++) to[at++] = '0';
    for (int i = 0; i < n_digits || i <= exp10; i++) {
        to[at++] = i < n_digits ? digits[i] : '0';
        if (i == exp10) to[at++] = '.';
    }
    if (exp10 >= 0 && n_digits <= exp10 + 1) to[at++] = '0';
    to[at] = '\0';
}

void hl_tmpl_str_write_float(hl_tmpl_out *to, double f, bool outside) {
    char text[48];
    if (isnan(f)) {
        hl_tmpl_out_text(to, "nan", outside);
    } else if (isinf(f)) {
        hl_tmpl_out_text(to, f < 0 ? "-inf" : "inf", outside);
    } else {
        hl_tmpl_str_format_float(text, sizeof text, f);
        hl_tmpl_out_text(to, text, outside);
    }
}

static void write_repr_text(hl_tmpl_run *r, hl_tmpl_out *to, hl_view s) {
    const bool has_single = s.len && memchr(s.ptr, '\'', s.len),
               has_double = s.len && memchr(s.ptr, '"', s.len);
    const char           quote = has_single && !has_double ? '"' : '\'';
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    const bool           is_outside = s.len && hl_tmpl_origin_at(from, 0);
    hl_tmpl_out_char(to, quote, is_outside);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   outside = hl_tmpl_origin_at(from, i);
        if (cp == (uint32_t)quote || cp == '\\')
            hl_tmpl_out_format(to, outside, "\\%c", (int)cp);
        else if (cp == '\n')
            hl_tmpl_out_text(to, "\\n", outside);
        else if (cp == '\r')
            hl_tmpl_out_text(to, "\\r", outside);
        else if (cp == '\t')
            hl_tmpl_out_text(to, "\\t", outside);
        else if (hl_tmpl_char_is_printable(cp))
            hl_tmpl_out_put(to, (hl_view){s.ptr + i, n}, outside);
        else
            hl_tmpl_out_format(to, outside,
                               cp < 0x100     ? "\\x%02x"
                               : cp < 0x10000 ? "\\u%04x"
                                              : "\\U%08x",
                               cp);
        i += n ? n : 1;
    }
    hl_tmpl_out_char(to, quote, is_outside);
}

static bool write_items(hl_tmpl_run *r, hl_tmpl_out *to, const hl_tmpl_seq *s, bool outside) {
    for (size_t i = 0; i < s->n; i++) {
        if (i) hl_tmpl_out_text(to, ", ", outside);
        if (!hl_tmpl_write_repr(r, to, hl_tmpl_seq_at(s, i))) return false;
    }
    return true;
}

static bool write_dict(hl_tmpl_run *r, hl_tmpl_out *to, const hl_tmpl_dict *d, bool outside) {
    hl_tmpl_out_char(to, '{', outside);
    for (size_t i = 0; i < d->n; i++) {
        if (i) hl_tmpl_out_text(to, ", ", outside);
        if (!hl_tmpl_write_repr(r, to, d->entries[i].key)) return false;
        hl_tmpl_out_text(to, ": ", outside);
        if (!hl_tmpl_write_repr(r, to, d->entries[i].value)) return false;
    }
    hl_tmpl_out_char(to, '}', outside);
    return true;
}

static bool write_seq(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v) {
    const hl_tmpl_seq *s = v.u.seq;
    const char        *open = "[", *close = "]";
    if (v.kind == HL_TMPL_VALUE_TUPLE) {
        open = "(";
        close = s->n == 1 ? ",)" : ")";
    } else if (v.kind == HL_TMPL_VALUE_VIEW) {
        open = s->view == 'k' ? "dict_keys([" : s->view == 'v' ? "dict_values([" : "dict_items([";
        close = "])";
    }
    hl_tmpl_out_text(to, open, hl_tmpl_is_outside(v));
    const bool ok = write_items(r, to, s, hl_tmpl_is_outside(v));
    hl_tmpl_out_text(to, close, hl_tmpl_is_outside(v));
    return ok;
}

static void write_range(hl_tmpl_out *to, const hl_tmpl_seq *s) {
    const bool outside = s->flags & HL_TMPL_FLAG_OUTSIDE;
    hl_tmpl_out_format(to, outside, "range(%lld, %lld", (long long)s->start, (long long)s->i_next);
    if (s->step != 1) hl_tmpl_out_format(to, outside, ", %lld", (long long)s->step);
    hl_tmpl_out_char(to, ')', outside);
}

static bool write_container(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v) {
    bool ok = true;
    if (!hl_tmpl_run_enter(r)) return false;
    if (v.kind == HL_TMPL_VALUE_DICT) {
        ok = write_dict(r, to, v.u.dict, hl_tmpl_is_outside(v));
    } else if (v.kind == HL_TMPL_VALUE_NAMESPACE) {
        hl_tmpl_out_text(to, "<Namespace ", false);
        ok = write_dict(r, to, v.u.dict, false);
        hl_tmpl_out_char(to, '>', false);
    } else {
        ok = write_seq(r, to, v);
    }
    hl_tmpl_run_leave(r);
    return ok && (!to->failed || hl_tmpl_run_check_text(r, to));
}

bool hl_tmpl_write_repr(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v) {
    const bool outside = hl_tmpl_is_outside(v);
    switch ((hl_tmpl_value_kind)v.kind) {
    case HL_TMPL_VALUE_MISSING:
    case HL_TMPL_VALUE_UNDEFINED: hl_tmpl_out_text(to, "Undefined", false); return true;
    case HL_TMPL_VALUE_NONE: hl_tmpl_out_text(to, "None", outside); return true;
    case HL_TMPL_VALUE_BOOL: hl_tmpl_out_text(to, v.u.b ? "True" : "False", outside); return true;
    case HL_TMPL_VALUE_INT: hl_tmpl_out_format(to, outside, "%lld", (long long)v.u.i); return true;
    case HL_TMPL_VALUE_BIG: return hl_tmpl_int_write(r, to, v);
    case HL_TMPL_VALUE_FLOAT: hl_tmpl_str_write_float(to, v.u.f, outside); return true;
    case HL_TMPL_VALUE_STR:
        if (v.flags & HL_TMPL_FLAG_MARKUP) hl_tmpl_out_text(to, "Markup(", false);
        write_repr_text(r, to, hl_tmpl_view(v));
        if (v.flags & HL_TMPL_FLAG_MARKUP) hl_tmpl_out_char(to, ')', false);
        return hl_tmpl_run_steps(r, 1 + v.len / 64);
    case HL_TMPL_VALUE_LIST:
    case HL_TMPL_VALUE_TUPLE:
    case HL_TMPL_VALUE_VIEW:
    case HL_TMPL_VALUE_DICT:
    case HL_TMPL_VALUE_NAMESPACE: return write_container(r, to, v);
    case HL_TMPL_VALUE_RANGE: write_range(to, v.u.seq); return true;
    case HL_TMPL_VALUE_MACRO:
        hl_tmpl_out_text(to, "<Macro '", false);
        hl_tmpl_out_put(to, v.u.macro->node->sym->text, false);
        hl_tmpl_out_text(to, "'>", false);
        return true;
    case HL_TMPL_VALUE_BUILTIN: hl_tmpl_out_format(to, false, "<function %s>", v.u.def->name); return true;
    case HL_TMPL_VALUE_METHOD:
        hl_tmpl_out_format(to, false, "<built-in method %s>", v.u.bound->def->name);
        return true;
    case HL_TMPL_VALUE_LOOP:
        if (!hl_tmpl_loop_know(r, v.u.loop, SIZE_MAX)) return false;
        hl_tmpl_out_format(to, false, "<LoopContext %zu/%zu>", v.u.loop->i + 1, v.u.loop->n);
        return true;
    case HL_TMPL_VALUE_SELF: hl_tmpl_out_text(to, "<TemplateReference None>", false); return true;
    default: hl_tmpl_out_format(to, false, "<%s object>", hl_tmpl_type_name(v)); return true;
    }
}

bool hl_tmpl_write(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v) {
    if (v.kind == HL_TMPL_VALUE_UNDEFINED) return true;
    if (v.kind != HL_TMPL_VALUE_STR) return hl_tmpl_write_repr(r, to, v);
    hl_tmpl_run_add(r, to, hl_tmpl_view(v));
    return true;
}

bool hl_tmpl_str_ascii(hl_tmpl_run *r, hl_tmpl_value s, hl_tmpl_value *ret) {
    const size_t         mark = hl_tmpl_run_begin(r);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.u.s);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.u.s + i, s.len - i, &cp);
        if (cp < 0x80)
            hl_tmpl_out_char(&r->scratch, s.u.s[i], hl_tmpl_origin_at(from, i));
        else
            hl_tmpl_out_format(&r->scratch, hl_tmpl_origin_at(from, i),
                               cp < 0x100     ? "\\x%02x"
                               : cp < 0x10000 ? "\\u%04x"
                                              : "\\U%08x",
                               cp);
        i += n ? n : 1;
    }
    return hl_tmpl_run_steps(r, s.len / 4) && hl_tmpl_run_end(r, mark, ret);
}

bool hl_tmpl_to_str(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_value *ret) {
    if (v.kind == HL_TMPL_VALUE_STR) {
        *ret = v;
        return true;
    }
    const size_t mark = hl_tmpl_run_begin(r);
    return hl_tmpl_write(r, &r->scratch, v) && hl_tmpl_run_end(r, mark, ret);
}
