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

void hl_tstr_format_float(char *to, size_t n, double f) {
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

void hl_tstr_write_float(hl_tout *to, double f, bool outside) {
    char text[48];
    if (isnan(f)) {
        hl_tout_text(to, "nan", outside);
    } else if (isinf(f)) {
        hl_tout_text(to, f < 0 ? "-inf" : "inf", outside);
    } else {
        hl_tstr_format_float(text, sizeof text, f);
        hl_tout_text(to, text, outside);
    }
}

static void write_repr_text(hl_trun *r, hl_tout *to, hl_view s) {
    const bool has_single = s.len && memchr(s.ptr, '\'', s.len),
               has_double = s.len && memchr(s.ptr, '"', s.len);
    const char       quote = has_single && !has_double ? '"' : '\'';
    const hl_torigin from = hl_trun_origin(r, s.ptr);
    const bool       is_outside = s.len && hl_torigin_at(from, 0);
    hl_tout_char(to, quote, is_outside);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   outside = hl_torigin_at(from, i);
        if (cp == (uint32_t)quote || cp == '\\')
            hl_tout_format(to, outside, "\\%c", (int)cp);
        else if (cp == '\n')
            hl_tout_text(to, "\\n", outside);
        else if (cp == '\r')
            hl_tout_text(to, "\\r", outside);
        else if (cp == '\t')
            hl_tout_text(to, "\\t", outside);
        else if (hl_tchar_is_printable(cp))
            hl_tout_put(to, (hl_view){s.ptr + i, n}, outside);
        else
            hl_tout_format(to, outside, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        i += n ? n : 1;
    }
    hl_tout_char(to, quote, is_outside);
}

static bool write_items(hl_trun *r, hl_tout *to, const hl_tseq *s, bool outside) {
    for (size_t i = 0; i < s->n; i++) {
        if (i) hl_tout_text(to, ", ", outside);
        if (!hl_tv_write_repr(r, to, hl_tseq_at(s, i))) return false;
    }
    return true;
}

static bool write_dict(hl_trun *r, hl_tout *to, const hl_tdict *d, bool outside) {
    hl_tout_char(to, '{', outside);
    for (size_t i = 0; i < d->n; i++) {
        if (i) hl_tout_text(to, ", ", outside);
        if (!hl_tv_write_repr(r, to, d->entries[i].key)) return false;
        hl_tout_text(to, ": ", outside);
        if (!hl_tv_write_repr(r, to, d->entries[i].value)) return false;
    }
    hl_tout_char(to, '}', outside);
    return true;
}

static bool write_seq(hl_trun *r, hl_tout *to, hl_tv v) {
    const hl_tseq *s = v.u.seq;
    const char    *open = "[", *close = "]";
    if (v.kind == HL_TK_TUPLE) {
        open = "(";
        close = s->n == 1 ? ",)" : ")";
    } else if (v.kind == HL_TK_VIEW) {
        open = s->view == 'k' ? "dict_keys([" : s->view == 'v' ? "dict_values([" : "dict_items([";
        close = "])";
    }
    hl_tout_text(to, open, hl_tv_is_outside(v));
    const bool ok = write_items(r, to, s, hl_tv_is_outside(v));
    hl_tout_text(to, close, hl_tv_is_outside(v));
    return ok;
}

static void write_range(hl_tout *to, const hl_tseq *s) {
    const bool outside = s->flags & HL_TF_OUTSIDE;
    hl_tout_format(to, outside, "range(%lld, %lld", (long long)s->start, (long long)s->i_next);
    if (s->step != 1) hl_tout_format(to, outside, ", %lld", (long long)s->step);
    hl_tout_char(to, ')', outside);
}

static bool write_container(hl_trun *r, hl_tout *to, hl_tv v) {
    bool ok = true;
    if (!hl_trun_enter(r)) return false;
    if (v.kind == HL_TK_DICT) {
        ok = write_dict(r, to, v.u.dict, hl_tv_is_outside(v));
    } else if (v.kind == HL_TK_NAMESPACE) {
        hl_tout_text(to, "<Namespace ", false);
        ok = write_dict(r, to, v.u.dict, false);
        hl_tout_char(to, '>', false);
    } else {
        ok = write_seq(r, to, v);
    }
    hl_trun_leave(r);
    return ok && (!to->failed || hl_trun_check_text(r, to));
}

bool hl_tv_write_repr(hl_trun *r, hl_tout *to, hl_tv v) {
    const bool outside = hl_tv_is_outside(v);
    switch ((hl_tkind)v.kind) {
    case HL_TK_MISSING:
    case HL_TK_UNDEFINED: hl_tout_text(to, "Undefined", false); return true;
    case HL_TK_NONE: hl_tout_text(to, "None", outside); return true;
    case HL_TK_BOOL: hl_tout_text(to, v.u.b ? "True" : "False", outside); return true;
    case HL_TK_INT: hl_tout_format(to, outside, "%lld", (long long)v.u.i); return true;
    case HL_TK_BIG: return hl_tint_write(r, to, v);
    case HL_TK_FLOAT: hl_tstr_write_float(to, v.u.f, outside); return true;
    case HL_TK_STR:
        if (v.flags & HL_TF_MARKUP) hl_tout_text(to, "Markup(", false);
        write_repr_text(r, to, hl_tv_view(v));
        if (v.flags & HL_TF_MARKUP) hl_tout_char(to, ')', false);
        return hl_trun_steps(r, 1 + v.len / 64);
    case HL_TK_LIST:
    case HL_TK_TUPLE:
    case HL_TK_VIEW:
    case HL_TK_DICT:
    case HL_TK_NAMESPACE: return write_container(r, to, v);
    case HL_TK_RANGE: write_range(to, v.u.seq); return true;
    case HL_TK_MACRO:
        hl_tout_text(to, "<Macro '", false);
        hl_tout_put(to, v.u.macro->node->sym->text, false);
        hl_tout_text(to, "'>", false);
        return true;
    case HL_TK_BUILTIN: hl_tout_format(to, false, "<function %s>", v.u.def->name); return true;
    case HL_TK_METHOD: hl_tout_format(to, false, "<built-in method %s>", v.u.bound->def->name); return true;
    case HL_TK_LOOP:
        if (!hl_tloop_know(r, v.u.loop, SIZE_MAX)) return false;
        hl_tout_format(to, false, "<LoopContext %zu/%zu>", v.u.loop->i + 1, v.u.loop->n);
        return true;
    case HL_TK_SELF: hl_tout_text(to, "<TemplateReference None>", false); return true;
    default: hl_tout_format(to, false, "<%s object>", hl_tv_type_name(v)); return true;
    }
}

bool hl_tv_write(hl_trun *r, hl_tout *to, hl_tv v) {
    if (v.kind == HL_TK_UNDEFINED) return true;
    if (v.kind != HL_TK_STR) return hl_tv_write_repr(r, to, v);
    hl_trun_add(r, to, hl_tv_view(v));
    return true;
}

bool hl_tstr_ascii(hl_trun *r, hl_tv s, hl_tv *ret) {
    const size_t     mark = hl_trun_begin(r);
    const hl_torigin from = hl_trun_origin(r, s.u.s);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.u.s + i, s.len - i, &cp);
        if (cp < 0x80)
            hl_tout_char(&r->scratch, s.u.s[i], hl_torigin_at(from, i));
        else
            hl_tout_format(&r->scratch, hl_torigin_at(from, i),
                           cp < 0x100     ? "\\x%02x"
                           : cp < 0x10000 ? "\\u%04x"
                                          : "\\U%08x",
                           cp);
        i += n ? n : 1;
    }
    return hl_trun_steps(r, s.len / 4) && hl_trun_end(r, mark, ret);
}

bool hl_tv_to_str(hl_trun *r, hl_tv v, hl_tv *ret) {
    if (v.kind == HL_TK_STR) {
        *ret = v;
        return true;
    }
    const size_t mark = hl_trun_begin(r);
    return hl_tv_write(r, &r->scratch, v) && hl_trun_end(r, mark, ret);
}
