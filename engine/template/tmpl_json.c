/* SPDX-License-Identifier: MIT
 *
 * tmpl_json.c - from the caller's JSON to values, and from values to JSON as Python's json.dumps writes it.
 *
 * Strings of the context are borrowed, not copied: it outlives the rendering. Those that are trusted are
 * copied, for what lies elsewhere counts as from outside.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/data/json.h"
#include "engine/template/template.h"
#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_int.h"

static bool from_string(hl_tmpl_run *r, hl_view text, bool outside, hl_tmpl_value *ret) {
    if (text.len > HL_TMPL_MAX_TEXT_BYTES)
        return hl_tmpl_run_fail_limit(r, "a string of the context is too long");
    *ret = hl_tmpl_str(text);
    return outside || hl_tmpl_run_text_of(r, text, false, ret);
}

static bool from_array(hl_tmpl_run *r, const json_t *j, bool outside, hl_tmpl_value *ret) {
    const size_t n = json_array_size(j);
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_LIST, n, ret)) return false;
    for (size_t i = 0; i < n; i++)
        if (!hl_tmpl_from_json(r, json_array_get(j, i), outside, &ret->u.seq->items[i])) return false;
    return true;
}

static bool from_object(hl_tmpl_run *r, const json_t *j, bool outside, hl_tmpl_value *ret) {
    json_t *o = (json_t *)(uintptr_t)j; /* jansson's iterators take no const; nothing is written */
    if (!hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, json_object_size(j), ret)) return false;
    hl_tmpl_dict *d = ret->u.dict;
    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
        hl_tmpl_entry *e = &d->entries[d->n++]; /* keys of an object are unique */
        const hl_view  key = {json_object_iter_key(it), json_object_iter_key_len(it)};
        if (!from_string(r, key, outside, &e->key) ||
            !hl_tmpl_from_json(r, json_object_iter_value(it), outside, &e->value))
            return false;
    }
    return true;
}

/* "-18446744073709551616" or "1e400" */
static bool from_number(hl_tmpl_run *r, hl_view text, hl_tmpl_value *ret) {
    const bool    negative = text.len && text.ptr[0] == '-';
    const hl_view digits = {text.ptr + negative, text.len - negative};
    bool          ok = digits.len > 0;
    for (size_t i = 0; ok && i < digits.len; i++) ok = digits.ptr[i] >= '0' && digits.ptr[i] <= '9';
    if (!ok) {
        double f = 0;
        if (!hl_tmpl_str_parse_float(r, text, &f))
            return hl_tmpl_run_fail(r, "a number of the context is none");
        *ret = hl_tmpl_float(f);
        return true;
    }
    if (!hl_tmpl_int_parse(r, digits, 10, negative, ret, &ok)) return false;
    return ok || hl_tmpl_run_fail_limit(r, "an integer of the context has too many digits");
}

static bool from_marked(hl_tmpl_run *r, hl_view text, bool outside, hl_tmpl_value *ret) {
    const unsigned char mark = text.len ? (unsigned char)text.ptr[0] : 0;
    if (mark == HL_TMPL_NUMBER_MARK) return from_number(r, (hl_view){text.ptr + 1, text.len - 1}, ret);
    if (mark == HL_TMPL_WORD_MARK) return from_string(r, (hl_view){text.ptr + 1, text.len - 1}, false, ret);
    return from_string(r, text, outside, ret);
}

static bool from_scalar(hl_tmpl_run *r, const json_t *j, bool outside, hl_tmpl_value *ret) {
    switch (json_typeof(j)) {
    case JSON_NULL: *ret = hl_tmpl_none(); return true;
    case JSON_TRUE: *ret = hl_tmpl_bool(true); return true;
    case JSON_FALSE: *ret = hl_tmpl_bool(false); return true;
    case JSON_INTEGER: *ret = hl_tmpl_int(json_integer_value(j)); return true;
    case JSON_REAL: *ret = hl_tmpl_float(json_real_value(j)); return true;
    default: return from_marked(r, (hl_view){json_string_value(j), json_string_length(j)}, outside, ret);
    }
}

bool hl_tmpl_from_json(hl_tmpl_run *r, const json_t *j, bool outside, hl_tmpl_value *ret) {
    if (!json_is_array(j) && !json_is_object(j)) {
        if (!from_scalar(r, j, outside, ret)) return false;
    } else {
        if (!hl_tmpl_run_enter(r)) return false;
        const bool ok = json_is_array(j) ? from_array(r, j, outside, ret) : from_object(r, j, outside, ret);
        hl_tmpl_run_leave(r);
        if (!ok) return false;
    }
    if (outside && ret->kind != HL_TMPL_VALUE_STR) ret->flags |= HL_TMPL_FLAG_OUTSIDE;
    return true;
}

/* The parsed text goes away, so its strings are copied (those of trusted text are already). */
static bool copy_strings(hl_tmpl_run *r, hl_tmpl_value *v) {
    if (v->kind == HL_TMPL_VALUE_STR) return hl_tmpl_run_text_of(r, hl_tmpl_view(*v), true, v);
    if (v->kind != HL_TMPL_VALUE_LIST && v->kind != HL_TMPL_VALUE_DICT) return true;
    if (!hl_tmpl_run_enter(r)) return false;
    bool ok = true;
    for (size_t i = 0; ok && v->kind == HL_TMPL_VALUE_LIST && i < v->u.seq->n; i++)
        ok = copy_strings(r, &v->u.seq->items[i]);
    for (size_t i = 0; ok && v->kind == HL_TMPL_VALUE_DICT && i < v->u.dict->n; i++)
        ok = copy_strings(r, &v->u.dict->entries[i].key) && copy_strings(r, &v->u.dict->entries[i].value);
    hl_tmpl_run_leave(r);
    return ok;
}

bool hl_tmpl_from_json_text(hl_tmpl_run *r, hl_view text, hl_tmpl_value *ret) {
    static const hl_json_rules rules = {.max_bytes = HL_TMPL_MAX_TEXT_BYTES,
                                        .max_values = 4 << 20,
                                        .max_depth = 256,
                                        .allows_nul = true,
                                        .number = hl_template_number};
    json_t                    *j = NULL;
    hl_err                     why = {0};
    if (!hl_tmpl_run_steps(r, text.len / 4)) return false;
    const hl_status status = hl_json_read(text, "from_json", &rules, &j, &why);
    if (status == HL_E_FORMAT) return hl_tmpl_run_fail(r, "%s", why.text);
    if (status != HL_OK && r->status == HL_OK)
        r->status = hl_fail(r->err, status, "template line %u: %s", r->line, why.text);
    if (status != HL_OK) return false;
    const bool outside = hl_tmpl_run_is_outside(r, text);
    const bool ok = hl_tmpl_from_json(r, j, outside, ret) && (!outside || copy_strings(r, ret));
    json_decref(j);
    return ok;
}

typedef struct writer {
    hl_tmpl_run *r;
    hl_tmpl_out *to;
    bool         ascii, sort_keys;
    bool         has_indent;
    hl_view      indent, comma, colon;
    bool         gives_indent,
        gives_separators; /* the template says them; otherwise they are marked as their container */
    int level;
} writer;

static bool write_value(writer *w, hl_tmpl_value v);

/* The quotes and escapes are marked as what stands beside or for them. */
static void write_text(writer *w, hl_view s) {
    static const char    names[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    hl_tmpl_out         *to = w->to;
    const hl_tmpl_origin from = hl_tmpl_run_origin(w->r, s.ptr);
    const bool           is_outside = s.len && hl_tmpl_origin_at(from, 0);
    size_t               plain = 0; /* start of what is copied as it is */
    hl_tmpl_out_char(to, '"', is_outside);
    for (size_t i = 0; i < s.len;) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x7F || !w->ascii)) { /* DEL is ASCII, as in Python */
            i++;
            continue;
        }
        hl_tmpl_run_add(w->r, to, (hl_view){s.ptr + plain, i - plain});
        uint32_t     cp = c;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   outside = hl_tmpl_origin_at(from, i);
        const char  *hit = NULL;
        for (const char *p = names; *p; p += 2)
            if ((unsigned char)*p == c) hit = p;
        if (hit)
            hl_tmpl_out_format(to, outside, "\\%c", hit[1]);
        else if (cp < 0x10000)
            hl_tmpl_out_format(to, outside, "\\u%04x", cp);
        else
            hl_tmpl_out_format(to, outside, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10),
                               0xDC00 + ((cp - 0x10000) & 0x3FF));
        i += n ? n : 1;
        plain = i;
    }
    hl_tmpl_run_add(w->r, to, (hl_view){s.len ? s.ptr + plain : "", s.len - plain});
    hl_tmpl_out_char(to, '"', is_outside);
}

static void write_float(writer *w, double f, bool outside) {
    if (isnan(f))
        hl_tmpl_out_text(w->to, "NaN", outside);
    else if (isinf(f))
        hl_tmpl_out_text(w->to, f < 0 ? "-Infinity" : "Infinity", outside);
    else
        hl_tmpl_str_write_float(w->to, f, outside);
}

static void write_between(writer *w, hl_view v, bool is_given, bool outside) {
    if (is_given)
        hl_tmpl_run_add(w->r, w->to, v);
    else
        hl_tmpl_out_put(w->to, v, outside);
}

static void write_break(writer *w, bool outside) {
    if (!w->has_indent) return;
    hl_tmpl_out_char(w->to, '\n', outside);
    for (int i = 0; i < w->level; i++) write_between(w, w->indent, w->gives_indent, outside);
}

static bool write_list(writer *w, const hl_tmpl_seq *s, bool outside) {
    hl_tmpl_out_char(w->to, '[', outside);
    w->level++;
    for (size_t i = 0; i < s->n; i++) {
        if (i) write_between(w, w->comma, w->gives_separators, outside);
        write_break(w, outside);
        if (!write_value(w, s->items[i])) return false;
    }
    w->level--;
    if (s->n) write_break(w, outside);
    hl_tmpl_out_char(w->to, ']', outside);
    return true;
}

static bool write_key(writer *w, hl_tmpl_value key) {
    if (key.kind == HL_TMPL_VALUE_STR) {
        write_text(w, hl_tmpl_view(key));
        return true;
    }
    if (!hl_tmpl_is_number(key) && key.kind != HL_TMPL_VALUE_NONE)
        return hl_tmpl_run_fail(w->r, "tojson: a key is %s, expected a string", hl_tmpl_type_name(key));
    hl_tmpl_out_char(w->to, '"', hl_tmpl_is_outside(key));
    const bool ok = write_value(w, key);
    hl_tmpl_out_char(w->to, '"', hl_tmpl_is_outside(key));
    return ok;
}

/* Entries in the order of their keys, or as they came. */
static bool sort_entries(writer *w, const hl_tmpl_dict *d, hl_tmpl_keyed **ret) {
    hl_tmpl_keyed *all = hl_tmpl_run_get(w->r, d->n + 1, sizeof *all);
    if (!all) return false;
    for (size_t i = 0; i < d->n; i++) all[i] = (hl_tmpl_keyed){d->entries[i].key, d->entries[i].value};
    *ret = all;
    return !w->sort_keys || hl_tmpl_sort(w->r, all, d->n, false, false);
}

static bool write_dict(writer *w, const hl_tmpl_dict *d, bool outside) {
    hl_tmpl_keyed *order = NULL;
    if (!sort_entries(w, d, &order)) return false;
    hl_tmpl_out_char(w->to, '{', outside);
    w->level++;
    for (size_t i = 0; i < d->n; i++) {
        if (i) write_between(w, w->comma, w->gives_separators, outside);
        write_break(w, outside);
        if (!write_key(w, order[i].key)) return false;
        write_between(w, w->colon, w->gives_separators, outside);
        if (!write_value(w, order[i].value)) return false;
    }
    w->level--;
    if (d->n) write_break(w, outside);
    hl_tmpl_out_char(w->to, '}', outside);
    return true;
}

static bool write_value(writer *w, hl_tmpl_value v) {
    const bool outside = hl_tmpl_is_outside(v);
    switch ((hl_tmpl_value_kind)v.kind) {
    case HL_TMPL_VALUE_NONE: hl_tmpl_out_text(w->to, "null", outside); return true;
    case HL_TMPL_VALUE_BOOL: hl_tmpl_out_text(w->to, v.u.b ? "true" : "false", outside); return true;
    case HL_TMPL_VALUE_INT: hl_tmpl_out_format(w->to, outside, "%lld", (long long)v.u.i); return true;
    case HL_TMPL_VALUE_BIG: return hl_tmpl_int_write(w->r, w->to, v);
    case HL_TMPL_VALUE_FLOAT: write_float(w, v.u.f, outside); return true;
    case HL_TMPL_VALUE_STR: write_text(w, hl_tmpl_view(v)); return hl_tmpl_run_steps(w->r, 1 + v.len / 64);
    case HL_TMPL_VALUE_LIST:
    case HL_TMPL_VALUE_TUPLE:
    case HL_TMPL_VALUE_DICT: break;
    case HL_TMPL_VALUE_UNDEFINED:
        return hl_tmpl_run_fail(w->r, "tojson: '%.*s' is undefined", (int)v.len, v.u.s);
    default: return hl_tmpl_run_fail(w->r, "tojson: %s cannot be written as JSON", hl_tmpl_type_name(v));
    }
    if (!hl_tmpl_run_enter(w->r)) return false;
    const bool ok =
        v.kind == HL_TMPL_VALUE_DICT ? write_dict(w, v.u.dict, outside) : write_list(w, v.u.seq, outside);
    hl_tmpl_run_leave(w->r);
    return ok && (!w->to->failed || hl_tmpl_run_check_text(w->r, w->to));
}

static bool read_indent(writer *w, hl_tmpl_value indent) {
    if (indent.kind == HL_TMPL_VALUE_MISSING || indent.kind == HL_TMPL_VALUE_NONE) return true;
    w->has_indent = true;
    w->comma = HL_TMPL_OWN(comma);
    if (indent.kind == HL_TMPL_VALUE_STR) {
        w->indent = hl_tmpl_view(indent);
        w->gives_indent = true;
        return true;
    }
    int64_t n = 0;
    if (!hl_tmpl_arg_int(w->r, indent, "indent", 0, &n)) return false;
    if (n > (int64_t)sizeof hl_tmpl_own.indent)
        return hl_tmpl_run_fail_limit(w->r, "tojson: the indent is too large");
    w->indent = (hl_view){hl_tmpl_own.indent, n > 0 ? (size_t)n : 0};
    return true;
}

bool hl_tmpl_write_json(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v, const hl_tmpl_args *c) {
    writer w = {.r = r,
                .to = to,
                .comma = HL_TMPL_OWN(comma_blank),
                .colon = HL_TMPL_OWN(colon_blank),
                .ascii = hl_tmpl_truth(c->a[0]),
                .sort_keys = hl_tmpl_truth(c->a[3])};
    if (!read_indent(&w, c->a[1])) return false;
    if (c->a[2].kind != HL_TMPL_VALUE_MISSING && c->a[2].kind != HL_TMPL_VALUE_NONE) {
        hl_tmpl_value *parts = NULL;
        size_t         n = 0;
        if (!hl_tmpl_to_items(r, c->a[2], &parts, &n)) return false;
        if (n != 2 || !hl_tmpl_is_str(parts[0]) || !hl_tmpl_is_str(parts[1]))
            return hl_tmpl_run_fail(r, "tojson: separators must be two strings");
        w.gives_separators = true;
        w.comma = hl_tmpl_view(parts[0]);
        w.colon = hl_tmpl_view(parts[1]);
    }
    return write_value(&w, v);
}
