/* SPDX-License-Identifier: MIT
 *
 * tmpl_text.c - values as text: Python's str() and repr().
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "engine/template/tmpl_run.h"

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

void hl_tstr_write_float(hl_str *to, double f) {
    if (isnan(f)) {
        hl_str_add_text(to, "nan");
        return;
    }
    if (signbit(f)) hl_str_add_char(to, '-');
    if (isinf(f)) {
        hl_str_add_text(to, "inf");
        return;
    }
    char      digits[24];
    int       exp10 = 0;
    const int n = shortest_digits(fabs(f), digits, &exp10);
    if (exp10 < -4 || exp10 >= 16) {
        hl_str_add_char(to, digits[0]);
        if (n > 1) hl_str_add_char(to, '.');
        hl_str_add(to, digits + 1, (size_t)n - 1);
        hl_str_add_format(to, "e%c%02d", exp10 < 0 ? '-' : '+', abs(exp10));
        return;
    }
    if (exp10 < 0) hl_str_add_text(to, "0.");
    for (int i = exp10; i < -1; i++) hl_str_add_char(to, '0');
    for (int i = 0; i < n || i <= exp10; i++) {
        hl_str_add_char(to, i < n ? digits[i] : '0');
        if (i == exp10) hl_str_add_char(to, '.');
    }
    if (exp10 >= 0 && n <= exp10 + 1) hl_str_add_char(to, '0');
}

static bool is_printable(uint32_t cp) {
    if (cp == ' ') return true;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
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

static void write_repr_text(hl_str *to, hl_view s) {
    const bool has_single = s.len && memchr(s.ptr, '\'', s.len),
               has_double = s.len && memchr(s.ptr, '"', s.len);
    const char quote = has_single && !has_double ? '"' : '\'';
    hl_str_add_char(to, quote);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (cp == (uint32_t)quote || cp == '\\')
            hl_str_add_format(to, "\\%c", (int)cp);
        else if (cp == '\n')
            hl_str_add_text(to, "\\n");
        else if (cp == '\r')
            hl_str_add_text(to, "\\r");
        else if (cp == '\t')
            hl_str_add_text(to, "\\t");
        else if (is_printable(cp))
            hl_str_add(to, s.ptr + i, n);
        else
            hl_str_add_format(to, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        i += n ? n : 1;
    }
    hl_str_add_char(to, quote);
}

static bool write_items(hl_trun *r, hl_str *to, const hl_tseq *s) {
    for (size_t i = 0; i < s->n; i++) {
        if (i) hl_str_add_text(to, ", ");
        if (!hl_tv_write_repr(r, to, hl_tseq_at(s, i))) return false;
    }
    return true;
}

static bool write_dict(hl_trun *r, hl_str *to, const hl_tdict *d) {
    hl_str_add_char(to, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i) hl_str_add_text(to, ", ");
        if (!hl_tv_write_repr(r, to, d->entries[i].key)) return false;
        hl_str_add_text(to, ": ");
        if (!hl_tv_write_repr(r, to, d->entries[i].value)) return false;
    }
    hl_str_add_char(to, '}');
    return true;
}

static bool write_seq(hl_trun *r, hl_str *to, hl_tv v) {
    const hl_tseq *s = v.u.seq;
    const char    *open = "[", *close = "]";
    if (v.kind == HL_TK_TUPLE) {
        open = "(";
        close = s->n == 1 ? ",)" : ")";
    } else if (v.kind == HL_TK_VIEW) {
        open = s->view == 'k' ? "dict_keys([" : s->view == 'v' ? "dict_values([" : "dict_items([";
        close = "])";
    }
    hl_str_add_text(to, open);
    const bool ok = write_items(r, to, s);
    hl_str_add_text(to, close);
    return ok;
}

static void write_range(hl_str *to, const hl_tseq *s) {
    hl_str_add_format(to, "range(%lld, %lld", (long long)s->start, (long long)s->i_next);
    if (s->step != 1) hl_str_add_format(to, ", %lld", (long long)s->step);
    hl_str_add_char(to, ')');
}

static bool write_container(hl_trun *r, hl_str *to, hl_tv v) {
    bool ok = true;
    if (!hl_trun_enter(r)) return false;
    if (v.kind == HL_TK_DICT) {
        ok = write_dict(r, to, v.u.dict);
    } else if (v.kind == HL_TK_NAMESPACE) {
        hl_str_add_text(to, "<Namespace ");
        ok = write_dict(r, to, v.u.dict);
        hl_str_add_char(to, '>');
    } else {
        ok = write_seq(r, to, v);
    }
    hl_trun_leave(r);
    return ok && (!to->failed || hl_trun_check_text(r, to));
}

bool hl_tv_write_repr(hl_trun *r, hl_str *to, hl_tv v) {
    switch ((hl_tkind)v.kind) {
    case HL_TK_MISSING:
    case HL_TK_UNDEFINED: hl_str_add_text(to, "Undefined"); return true;
    case HL_TK_NONE: hl_str_add_text(to, "None"); return true;
    case HL_TK_BOOL: hl_str_add_text(to, v.u.b ? "True" : "False"); return true;
    case HL_TK_INT: hl_str_add_format(to, "%lld", (long long)v.u.i); return true;
    case HL_TK_FLOAT: hl_tstr_write_float(to, v.u.f); return true;
    case HL_TK_STR:
        if (v.flags & HL_TF_MARKUP) hl_str_add_text(to, "Markup(");
        write_repr_text(to, hl_tv_view(v));
        if (v.flags & HL_TF_MARKUP) hl_str_add_char(to, ')');
        return hl_trun_steps(r, 1 + v.len / 64);
    case HL_TK_LIST:
    case HL_TK_TUPLE:
    case HL_TK_VIEW:
    case HL_TK_DICT:
    case HL_TK_NAMESPACE: return write_container(r, to, v);
    case HL_TK_RANGE: write_range(to, v.u.seq); return true;
    case HL_TK_MACRO: hl_str_add_format(to, "<Macro '%s'>", v.u.macro->node->sym->text.ptr); return true;
    case HL_TK_BUILTIN: hl_str_add_format(to, "<function %s>", v.u.def->name); return true;
    case HL_TK_METHOD: hl_str_add_format(to, "<built-in method %s>", v.u.bound->def->name); return true;
    case HL_TK_LOOP:
        hl_str_add_format(to, "<LoopContext %zu/%zu>", v.u.loop->i + 1, v.u.loop->n);
        return true;
    default: hl_str_add_format(to, "<%s object>", hl_tv_type_name(v)); return true;
    }
}

bool hl_tv_write(hl_trun *r, hl_str *to, hl_tv v) {
    if (v.kind == HL_TK_UNDEFINED) return true;
    if (v.kind != HL_TK_STR) return hl_tv_write_repr(r, to, v);
    hl_str_add(to, v.u.s, v.len);
    return true;
}

bool hl_tv_to_str(hl_trun *r, hl_tv v, hl_tv *ret) {
    if (v.kind == HL_TK_STR) {
        *ret = v;
        return true;
    }
    const size_t mark = hl_trun_begin(r);
    return hl_tv_write(r, &r->scratch, v) && hl_trun_end(r, mark, ret);
}
