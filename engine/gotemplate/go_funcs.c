/* SPDX-License-Identifier: MIT
 *
 * go_funcs.c - the functions of Go templates, and those that Ollama adds.
 */
#define _GNU_SOURCE
#include "engine/gotemplate/go_funcs.h"

#include <string.h>
#include <time.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_escape.h"

static const hl_go_func funcs[] = {
    {"and", "vV", NULL},
    {"or", "vV", NULL},
#define HL_GO_FUNC(name, params, fn) {#name, params, fn},
#include "engine/gotemplate/go_funcs.def"
#undef HL_GO_FUNC
};

const hl_go_func *hl_go_func_find(hl_view name) {
    for (size_t i = 0; i < sizeof funcs / sizeof *funcs; i++)
        if (hl_view_is(name, funcs[i].name)) return &funcs[i];
    return NULL;
}

/* ---- Logic and comparison ---- */

bool hl_go_fn_call(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    (void)ret;
    return hl_go_fail(r, "call of %s: no value here is a function that can be called",
                      args[0].type ? args[0].type->name : "no value");
}

bool hl_go_fn_not(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)r;
    (void)n;
    *ret = hl_go_bool(!hl_go_truth(args[0]));
    return true;
}

bool hl_go_fn_eq(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    bool is_equal = false;
    if (n < 2) return hl_go_fail(r, "eq has 1 argument: expected at least 2");
    for (size_t i = 1; i < n && !is_equal; i++)
        if (!hl_go_equal(r, args[0], args[i], &is_equal)) return false;
    *ret = hl_go_bool(is_equal);
    return true;
}

bool hl_go_fn_ne(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    bool is_equal = false;
    if (!hl_go_equal(r, args[0], args[1], &is_equal)) return false;
    *ret = hl_go_bool(!is_equal);
    return true;
}

bool hl_go_fn_lt(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    bool is_less = false;
    if (!hl_go_less(r, args[0], args[1], &is_less)) return false;
    *ret = hl_go_bool(is_less);
    return true;
}

/* As in Go less or equal, which is not the opposite of greater where NaN is. */
bool hl_go_fn_le(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    bool is_it = false;
    if (!hl_go_less(r, args[0], args[1], &is_it)) return false;
    if (!is_it && !hl_go_equal(r, args[0], args[1], &is_it)) return false;
    *ret = hl_go_bool(is_it);
    return true;
}

bool hl_go_fn_gt(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    if (!hl_go_fn_le(r, args, n, ret)) return false;
    ret->u.b = !ret->u.b;
    return true;
}

bool hl_go_fn_ge(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    if (!hl_go_fn_lt(r, args, n, ret)) return false;
    ret->u.b = !ret->u.b;
    return true;
}

/* ---- Indexing ---- */

static bool read_index(hl_go_run *r, hl_go_value v, size_t most, size_t *ret) {
    const hl_go_kind kind = hl_go_kind_of(v);
    if (kind != HL_GO_INT && kind != HL_GO_UINT8)
        return hl_go_fail(r, "an index that is %s: expected an integer", v.type ? v.type->name : "no value");
    if (v.u.i < 0 || (uint64_t)v.u.i > most)
        return hl_go_fail(r, "index %lld: expected 0 to %zu", (long long)v.u.i, most);
    *ret = (size_t)v.u.i;
    return true;
}

static hl_go_value through_pointers(hl_go_value v) {
    while (hl_go_kind_of(v) == HL_GO_POINTER && v.u.to) v = *v.u.to;
    return v;
}

static bool index_map(hl_go_run *r, hl_go_value of, hl_go_value key, hl_go_value *ret) {
    if (hl_go_kind_of(key) != HL_GO_STRING)
        return hl_go_fail(r, "a key that is %s: expected a string", key.type ? key.type->name : "no value");
    const hl_go_value *v = hl_go_map_find(of.u.map, hl_go_view(key));
    *ret = v ? *v : hl_go_zero(of.type->elem);
    return true;
}

static bool index_one(hl_go_run *r, hl_go_value of, hl_go_value i, hl_go_value *ret) {
    const hl_go_kind kind = hl_go_kind_of(of);
    const size_t     n = hl_go_len(of);
    size_t           at = 0;
    if (kind == HL_GO_MAP) return index_map(r, of, i, ret);
    if (kind != HL_GO_SLICE && kind != HL_GO_STRING)
        return hl_go_fail(r, "index of %s: expected a list, a map or a string",
                          of.type ? of.type->name : "no value");
    if (n == 0) return hl_go_fail(r, "index of something empty");
    if (!read_index(r, i, n - 1, &at)) return false;
    *ret = kind == HL_GO_SLICE ? of.u.list->items[at]
                               : (hl_go_value){.type = &hl_go_type_uint8,
                                               .is_outside = hl_go_string_is_outside(of, at, at + 1),
                                               .u.i = (unsigned char)of.u.s->ptr[at]};
    return true;
}

bool hl_go_fn_index(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    hl_go_value v = args[0];
    if (hl_go_kind_of(v) == HL_GO_INVALID) return hl_go_fail(r, "index of no value");
    for (size_t i = 1; i < n; i++)
        if (!index_one(r, through_pointers(v), args[i], &v)) return false;
    *ret = v;
    return true;
}

static bool slice_string(hl_go_run *r, hl_go_value of, size_t begin, size_t end, hl_go_value *ret) {
    if (of.is_outside || of.u.s->n_spans == 0)
        return hl_go_new_string(r, (hl_view){of.u.s->ptr + begin, end - begin}, of.is_outside, ret);
    const size_t mark = hl_go_begin(r);
    return hl_go_add_piece(r, &r->scratch, of, begin, end) && hl_go_end(r, mark, ret);
}

bool hl_go_fn_slice(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    const hl_go_value of = through_pointers(args[0]);
    const hl_go_kind  kind = hl_go_kind_of(of);
    const size_t      len = hl_go_len(of);
    size_t            at[3] = {0, len, len};
    if (kind != HL_GO_SLICE && kind != HL_GO_STRING)
        return hl_go_fail(r, "slice of %s: expected a list or a string",
                          of.type ? of.type->name : "no value");
    if (n > 4 || (n == 4 && kind == HL_GO_STRING))
        return hl_go_fail(r, "slice has %zu numbers: expected at most %d", n - 1,
                          kind == HL_GO_STRING ? 2 : 3);
    for (size_t i = 1; i < n; i++)
        if (!read_index(r, args[i], len, &at[i - 1])) return false;
    if (at[0] > at[1] || at[1] > at[2])
        return hl_go_fail(r, "slice from %zu to %zu: expected the smaller one first", at[0], at[1]);
    if (kind == HL_GO_STRING) return slice_string(r, of, at[0], at[1], ret);
    *ret = of;
    if (!of.u.list) return true;
    hl_go_list *list = hl_go_get(r, 1, sizeof *list);
    if (!list) return false;
    *list = (hl_go_list){.n = at[1] - at[0], .items = of.u.list->items + at[0]};
    ret->u.list = list;
    return true;
}

bool hl_go_fn_len(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    const hl_go_value of = through_pointers(args[0]);
    const hl_go_kind  kind = hl_go_kind_of(of);
    if (kind != HL_GO_SLICE && kind != HL_GO_MAP && kind != HL_GO_STRING)
        return hl_go_fail(r, "len of %s: expected a list, a map or a string",
                          of.type ? of.type->name : "no value");
    *ret = hl_go_int((int64_t)hl_go_len(of));
    return true;
}

/* ---- Text ---- */

bool hl_go_fn_print(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    return hl_go_print(r, &r->scratch, args, n) && hl_go_end(r, mark, ret);
}

bool hl_go_fn_println(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    return hl_go_print_line(r, &r->scratch, args, n) && hl_go_end(r, mark, ret);
}

bool hl_go_fn_printf(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    return hl_go_printf(r, &r->scratch, args[0], args + 1, n - 1) && hl_go_end(r, mark, ret);
}

bool hl_go_fn_json(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    const size_t mark = hl_go_begin(r);
    return hl_go_write_json(r, &r->scratch, args[0]) && hl_go_end(r, mark, ret);
}

/* What html, js and urlquery escape: one string as it is, else the arguments as `print` writes them. */
static bool escape(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_escape_fn *fn, hl_go_value *ret) {
    hl_go_value  text = n == 1 ? args[0] : hl_go_nil();
    const size_t mark = hl_go_begin(r);
    if (hl_go_kind_of(text) != HL_GO_STRING) {
        hl_go_value *shown = hl_go_get(r, n, sizeof *shown);
        if (!shown) return false;
        for (size_t i = 0; i < n; i++) {
            shown[i] = hl_go_through(through_pointers(args[i]));
            if (hl_go_kind_of(shown[i]) == HL_GO_INVALID &&
                !hl_go_new_string(r, hl_view_of("<no value>"), false, &shown[i]))
                return false;
        }
        if (!hl_go_print(r, &r->scratch, shown, n) || !hl_go_end(r, mark, &text)) return false;
    }
    return fn(r, &r->scratch, text) && hl_go_end(r, mark, ret);
}

bool hl_go_fn_html(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    return escape(r, args, n, hl_go_escape_html, ret);
}

bool hl_go_fn_js(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    return escape(r, args, n, hl_go_escape_js, ret);
}

bool hl_go_fn_urlquery(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    return escape(r, args, n, hl_go_escape_url, ret);
}

/* ---- Ollama's ---- */

/* The local day, `n_back` days ago, as 2026-01-31. */
static bool write_day(hl_go_run *r, int n_back, hl_go_value *ret) {
    const time_t now = (time_t)(r->now_ms / 1000);
    struct tm    day;
    if (!localtime_r(&now, &day)) return hl_go_fail(r, "a time that no calendar has");
    day.tm_hour = 12; /* far from every change of clocks */
    day.tm_mday -= n_back;
    time_t noon = timegm(&day);
    if (!gmtime_r(&noon, &day)) return hl_go_fail(r, "a time that no calendar has");
    const size_t mark = hl_go_begin(r);
    hl_str_add_format(&r->scratch.text, "%04d-%02d-%02d", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
    return hl_go_end(r, mark, ret);
}

bool hl_go_fn_current_date(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)args; /* a format may be given and does not count */
    (void)n;
    return write_day(r, 0, ret);
}

bool hl_go_fn_yesterday_date(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)args;
    (void)n;
    return write_day(r, 1, ret);
}

bool hl_go_fn_typescript_type(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret) {
    (void)n;
    const hl_go_value of = through_pointers(args[0]);
    if (of.type != &hl_go_type_property) return hl_go_new_string(r, hl_view_of("any"), false, ret);
    const size_t mark = hl_go_begin(r);
    return hl_go_typescript_type(r, &r->scratch, of) && hl_go_end(r, mark, ret);
}
