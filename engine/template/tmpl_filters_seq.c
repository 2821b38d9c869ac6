/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters_seq.c - filters on sequences.
 *
 * Those that the reference makes generators of are computed at once here, and marked as generators:
 * no length, always true, walked once.
 */
#include <string.h>

#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_methods.h"

bool hl_tmpl_filter_list(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0;
    if (!hl_tmpl_to_items(r, c->self, &items, &n) || !hl_tmpl_new_seq(r, HL_TMPL_VALUE_LIST, 0, ret))
        return false;
    ret->u.seq->items = items; /* neither list changes, so they may share */
    ret->u.seq->n = n;
    if (c->self.kind != HL_TMPL_VALUE_STR) *ret = hl_tmpl_made_of(*ret, c->self.flags);
    return true;
}

bool hl_tmpl_filter_first(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_iter it;
    if (!hl_tmpl_iter_init(r, c->self, &it)) return false;
    if (!hl_tmpl_iter_next(&it, ret)) *ret = hl_tmpl_undefined(hl_view_of("the first item of nothing"));
    return true;
}

bool hl_tmpl_filter_last(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0;
    if (c->self.kind == HL_TMPL_VALUE_GEN)
        return hl_tmpl_run_fail(r, "last: a generator has no end to start from");
    if (!hl_tmpl_to_items(r, c->self, &items, &n)) return false;
    *ret = n ? items[n - 1] : hl_tmpl_undefined(hl_view_of("the last item of nothing"));
    if (n && c->self.kind == HL_TMPL_VALUE_STR) ret->flags |= c->self.flags & HL_TMPL_FLAG_MARKUP;
    return true;
}

bool hl_tmpl_filter_reverse(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value none = hl_tmpl_none();
    if (c->self.kind == HL_TMPL_VALUE_STR)
        return hl_tmpl_get_slice(r, c->self, none, none, hl_tmpl_int(-1), ret);
    hl_tmpl_value *items = NULL;
    size_t         n = 0;
    if (!hl_tmpl_to_items(r, c->self, &items, &n) ||
        !hl_tmpl_new_seq(r, c->self.kind == HL_TMPL_VALUE_GEN ? HL_TMPL_VALUE_LIST : HL_TMPL_VALUE_GEN, n,
                         ret))
        return false;
    for (size_t i = 0; i < n; i++) ret->u.seq->items[i] = items[n - 1 - i];
    return true;
}

static const hl_tmpl_value *find_kw(const hl_tmpl_args *c, const char *name) {
    for (size_t i = 0; i < c->n_kw; i++)
        if (hl_view_is(c->kw[i].name->text, name)) return &c->kw[i].value;
    return NULL;
}

static bool map_attribute(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value attribute,
                          hl_tmpl_value *ret) {
    const hl_tmpl_value *if_missing = find_kw(c, "default");
    const hl_tmpl_value  none = {0};
    hl_tmpl_iter         it;
    if (c->n_kw > 1u + (if_missing != NULL))
        return hl_tmpl_run_fail(r, "map: takes 'attribute' and 'default' only");
    if (!hl_tmpl_iter_init(r, c->self, &it) || !hl_tmpl_new_list(r, HL_TMPL_VALUE_GEN, ret)) return false;
    for (hl_tmpl_value v, got; hl_tmpl_iter_next(&it, &v);) {
        if (!hl_tmpl_get_path(r, v, attribute, if_missing ? *if_missing : none, &got) ||
            !hl_tmpl_append(r, *ret, got))
            return false;
    }
    return true;
}

bool hl_tmpl_filter_map(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value *attribute = find_kw(c, "attribute");
    if (!hl_tmpl_truth(c->self))
        return hl_tmpl_new_seq(r, HL_TMPL_VALUE_GEN, 0, ret); /* none and 0, too, are no items */
    if (c->n_pos == 0 && attribute) return map_attribute(r, c, *attribute, ret);
    if (c->n_pos == 0 || !hl_tmpl_is_str(c->pos[0]))
        return hl_tmpl_run_fail(r, "map: expected the name of a filter");
    const hl_tmpl_builtin *def = hl_tmpl_filter_find(hl_tmpl_view(c->pos[0]));
    if (!def)
        return hl_tmpl_run_fail(r, "there is no filter named '%.*s'", (int)c->pos[0].len, c->pos[0].u.s);
    hl_tmpl_iter it;
    if (!hl_tmpl_iter_init(r, c->self, &it) || !hl_tmpl_new_list(r, HL_TMPL_VALUE_GEN, ret) ||
        !hl_tmpl_run_enter(r))
        return false;
    for (hl_tmpl_value v, got; hl_tmpl_iter_next(&it, &v);) {
        hl_tmpl_args args = {
            .self = v, .pos = c->pos + 1, .n_pos = c->n_pos - 1, .kw = c->kw, .n_kw = c->n_kw};
        if (!hl_tmpl_run_call_builtin(r, def, &args, &got) || !hl_tmpl_append(r, *ret, got)) return false;
    }
    hl_tmpl_run_leave(r);
    return true;
}

/* Keep the items whose value (or attribute pos[0]) passes a test, or is true; `keep` false: the others. */
static bool select_items(hl_tmpl_run *r, const hl_tmpl_args *c, bool by_attribute, bool keep,
                         hl_tmpl_value *ret) {
    const size_t           at = by_attribute ? 1 : 0;
    const hl_tmpl_value    none = {0};
    const hl_tmpl_builtin *def = NULL;
    hl_tmpl_iter           it;
    if (!hl_tmpl_truth(c->self))
        return hl_tmpl_new_seq(r, HL_TMPL_VALUE_GEN, 0, ret); /* none and 0, too, are no items */
    if (by_attribute && c->n_pos == 0) return hl_tmpl_run_fail(r, "expected the name of an attribute");
    if (c->n_pos > at) {
        const hl_tmpl_value name = c->pos[at];
        def = hl_tmpl_is_str(name) ? hl_tmpl_test_find(hl_tmpl_view(name)) : NULL;
        if (!def)
            return hl_tmpl_run_fail(r, "there is no test named '%.*s'",
                                    hl_tmpl_is_str(name) ? (int)name.len : 0, name.u.s);
    }
    if (!hl_tmpl_iter_init(r, c->self, &it) || !hl_tmpl_new_list(r, HL_TMPL_VALUE_GEN, ret)) return false;
    for (hl_tmpl_value v, got; hl_tmpl_iter_next(&it, &v);) {
        hl_tmpl_value what = v;
        if (by_attribute && !hl_tmpl_get_path(r, v, c->pos[0], none, &what)) return false;
        got = what;
        hl_tmpl_args args = {.self = what, .kw = c->kw, .n_kw = c->n_kw};
        if (def) args.pos = c->pos + at + 1;
        if (def) args.n_pos = c->n_pos - at - 1;
        if (def && !hl_tmpl_run_call_builtin(r, def, &args, &got)) return false;
        if (!hl_tmpl_run_steps(r, 1) || (hl_tmpl_truth(got) == keep && !hl_tmpl_append(r, *ret, v)))
            return false;
    }
    return true;
}

bool hl_tmpl_filter_select(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return select_items(r, c, false, true, ret);
}
bool hl_tmpl_filter_reject(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return select_items(r, c, false, false, ret);
}
bool hl_tmpl_filter_selectattr(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return select_items(r, c, true, true, ret);
}
bool hl_tmpl_filter_rejectattr(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return select_items(r, c, true, false, ret);
}

/* --- order --------------------------------------------------------------------------------- */

static bool fold_key(hl_tmpl_run *r, bool case_sensitive, hl_tmpl_value *key) {
    hl_tmpl_args c = {.self = *key};
    return case_sensitive || key->kind != HL_TMPL_VALUE_STR || hl_tmpl_method_str_lower(r, &c, key);
}

/* What items are sorted by: the attribute, or themselves. */
typedef struct key_of {
    hl_tmpl_value attribute, if_missing;
    bool          case_sensitive;
    bool          several; /* the attribute may be a list "a,b" */
} key_of;

static bool one_key(hl_tmpl_run *r, hl_tmpl_value item, hl_tmpl_value path, const key_of *by,
                    hl_tmpl_value *ret) {
    return hl_tmpl_get_path(r, item, path, by->if_missing, ret) && fold_key(r, by->case_sensitive, ret);
}

static bool get_key(hl_tmpl_run *r, hl_tmpl_value item, const key_of *by, hl_tmpl_value *ret) {
    const hl_tmpl_value a = by->attribute;
    if (!by->several || a.kind != HL_TMPL_VALUE_STR || !a.len || !memchr(a.u.s, ',', a.len))
        return one_key(r, item, a, by, ret);
    if (!hl_tmpl_new_list(r, HL_TMPL_VALUE_TUPLE, ret)) return false;
    for (hl_view rest = hl_tmpl_view(a);;) {
        const char   *comma = memchr(rest.ptr, ',', rest.len);
        hl_view       path = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len};
        hl_tmpl_value part;
        if (!one_key(r, item, hl_tmpl_str(path), by, &part) || !hl_tmpl_append(r, *ret, part)) return false;
        if (!comma) return true;
        rest = (hl_view){comma + 1, rest.len - path.len - 1};
    }
}

/* sorted(reverse=...) takes numbers only. */
static bool get_reverse(hl_tmpl_run *r, hl_tmpl_value arg, bool *ret) {
    int64_t reverse = 0;
    if (!hl_tmpl_arg_int(r, arg, "reverse", 0, &reverse)) return false;
    *ret = reverse != 0;
    return true;
}

/* In the reference, `sort` wraps its keys in lists, which look for equality first: two undefined keys
 * are no error there, as they are for the others. */
static bool order_of(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, bool wrapped, int *ret) {
    bool same = false;
    *ret = 0;
    if (!hl_tmpl_run_steps(r, 1) || (wrapped && !hl_tmpl_equal(r, a, b, &same))) return false;
    return same || hl_tmpl_compare(r, "<", a, b, ret);
}

/* Stable, in both directions: equal items keep their order. */
static bool merge_sort(hl_tmpl_run *r, hl_tmpl_keyed *items, hl_tmpl_keyed *spare, size_t n, bool wrapped,
                       bool reverse) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            const size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            size_t       i = lo, j = mid;
            for (size_t k = lo; k < hi; k++) {
                int order = 0;
                if (i < mid && j < hi && !order_of(r, items[j].key, items[i].key, wrapped, &order))
                    return false;
                const bool right_first = order != 2 && (reverse ? order > 0 : order < 0);
                spare[k] = i < mid && (j >= hi || !right_first) ? items[i++] : items[j++];
            }
        }
        memcpy(items, spare, n * sizeof *items);
    }
    return true;
}

static bool make_keyed(hl_tmpl_run *r, hl_tmpl_value of, const key_of *by, hl_tmpl_keyed **ret,
                       size_t *ret_n) {
    hl_tmpl_value *items = NULL;
    if (!hl_tmpl_to_items(r, of, &items, ret_n)) return false;
    hl_tmpl_keyed *all = hl_tmpl_run_get(r, *ret_n + 1, sizeof *all);
    if (!all) return false;
    for (size_t i = 0; i < *ret_n; i++) {
        all[i].value = items[i];
        if (!hl_tmpl_run_steps(r, 1) || !get_key(r, items[i], by, &all[i].key)) return false;
    }
    *ret = all;
    return true;
}

bool hl_tmpl_sort(hl_tmpl_run *r, hl_tmpl_keyed *all, size_t n, bool wrapped, bool reverse) {
    hl_tmpl_keyed *spare = hl_tmpl_run_get(r, n + 1, sizeof *spare);
    return spare && merge_sort(r, all, spare, n, wrapped, reverse);
}

static bool to_list(hl_tmpl_run *r, const hl_tmpl_keyed *all, size_t n, hl_tmpl_value_kind kind,
                    hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, kind, n, ret)) return false;
    for (size_t i = 0; i < n; i++) ret->u.seq->items[i] = all[i].value;
    return true;
}

bool hl_tmpl_filter_sort(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const key_of   by = {.attribute = c->a[2], .case_sensitive = hl_tmpl_truth(c->a[1]), .several = true};
    hl_tmpl_keyed *all = NULL;
    size_t         n = 0;
    bool           reverse = false;
    return get_reverse(r, c->a[0], &reverse) && make_keyed(r, c->self, &by, &all, &n) &&
           hl_tmpl_sort(r, all, n, true, reverse) && to_list(r, all, n, HL_TMPL_VALUE_LIST, ret);
}

bool hl_tmpl_filter_dictsort(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view        name = {"key", 3};
    hl_tmpl_value  pairs;
    hl_tmpl_keyed *all = NULL;
    size_t         n = 0;
    bool           reverse = false;
    if (c->a[1].kind != HL_TMPL_VALUE_MISSING && !hl_tmpl_arg_str(r, c->a[1], "by", &name)) return false;
    const bool by_value = hl_view_is(name, "value");
    if (!by_value && !hl_view_is(name, "key"))
        return hl_tmpl_run_fail(r, "dictsort: 'by' must be \"key\" or \"value\"");
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (c->self.kind != HL_TMPL_VALUE_DICT)
        return hl_tmpl_run_fail(r, "dictsort: expected a dict, found %s", hl_tmpl_type_name(c->self));
    const key_of by = {.attribute = hl_tmpl_int(by_value), .case_sensitive = hl_tmpl_truth(c->a[0])};
    return get_reverse(r, c->a[2], &reverse) && hl_tmpl_view_of(r, c->self.u.dict, 'i', &pairs) &&
           make_keyed(r, pairs, &by, &all, &n) && hl_tmpl_sort(r, all, n, false, reverse) &&
           to_list(r, all, n, HL_TMPL_VALUE_LIST, ret);
}

bool hl_tmpl_filter_unique(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_keyed *all = NULL;
    size_t         n = 0, n_kept = 0;
    hl_tmpl_value  seen;
    const key_of   by = {.attribute = c->a[1], .case_sensitive = hl_tmpl_truth(c->a[0])};
    if (!make_keyed(r, c->self, &by, &all, &n) || !hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, n, &seen))
        return false;
    for (size_t i = 0; i < n; i++) {
        const size_t n_seen = seen.u.dict->n;
        if (!hl_tmpl_dict_put(r, seen.u.dict, all[i].key, hl_tmpl_none())) return false;
        if (seen.u.dict->n > n_seen) all[n_kept++] = all[i];
    }
    return to_list(r, all, n_kept, HL_TMPL_VALUE_GEN, ret);
}

static bool extreme(hl_tmpl_run *r, const hl_tmpl_args *c, int sign, hl_tmpl_value *ret) {
    hl_tmpl_keyed *all = NULL;
    size_t         n = 0, best = 0;
    const key_of   by = {.attribute = c->a[1], .case_sensitive = hl_tmpl_truth(c->a[0])};
    if (!make_keyed(r, c->self, &by, &all, &n)) return false;
    for (size_t i = 1; i < n; i++) {
        int order = 0;
        if (!order_of(r, all[i].key, all[best].key, false, &order)) return false;
        if (order == sign) best = i;
    }
    *ret = n ? all[best].value : hl_tmpl_undefined(hl_view_of("the extreme of nothing"));
    return true;
}

bool hl_tmpl_filter_min(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return extreme(r, c, -1, ret);
}
bool hl_tmpl_filter_max(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return extreme(r, c, 1, ret);
}

bool hl_tmpl_filter_sum(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value none = {0};
    hl_tmpl_iter        it;
    *ret = c->a[1].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_int(0) : c->a[1];
    if (ret->kind == HL_TMPL_VALUE_STR) return hl_tmpl_run_fail(r, "sum: cannot add strings, use join");
    if (!hl_tmpl_iter_init(r, c->self, &it)) return false;
    for (hl_tmpl_value v; hl_tmpl_iter_next(&it, &v);) {
        if (!hl_tmpl_get_path(r, v, c->a[0], none, &v)) return false;
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_arith(r, HL_TMPL_OP_ADD, *ret, v, ret)) return false;
    }
    return true;
}

static bool add_group(hl_tmpl_run *r, const hl_tmpl_keyed *all, size_t from, size_t to, const key_of *by,
                      hl_tmpl_value list) {
    hl_tmpl_value group, items, key;
    if (!hl_tmpl_get_path(r, all[from].value, by->attribute, by->if_missing,
                          &key) || /* as written, not folded */
        !to_list(r, all + from, to - from, HL_TMPL_VALUE_LIST, &items) ||
        !hl_tmpl_new_pair(r, key, items, &group))
        return false;
    group.flags = HL_TMPL_FLAG_GROUP;
    return hl_tmpl_append(r, list, group);
}

bool hl_tmpl_filter_groupby(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const key_of by = {.attribute = c->a[0], .if_missing = c->a[1], .case_sensitive = hl_tmpl_truth(c->a[2])};
    hl_tmpl_keyed *all = NULL;
    size_t         n = 0;
    if (!make_keyed(r, c->self, &by, &all, &n) || !hl_tmpl_sort(r, all, n, false, false) ||
        !hl_tmpl_new_list(r, HL_TMPL_VALUE_LIST, ret))
        return false;
    for (size_t from = 0, to = 0; from < n; from = to) {
        for (bool same = true; to < n && same;) {
            if (!hl_tmpl_equal(r, all[from].key, all[to].key, &same)) return false;
            to += same;
        }
        if (to == from) to++; /* NaN equals nothing, itself included */
        if (!add_group(r, all, from, to, &by, *ret)) return false;
    }
    return true;
}

static bool add_part(hl_tmpl_run *r, const hl_tmpl_value *items, size_t n, size_t n_fill, hl_tmpl_value fill,
                     hl_tmpl_value list) {
    hl_tmpl_value part;
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_LIST, n + n_fill, &part)) return false;
    if (n) memcpy(part.u.seq->items, items, n * sizeof *items);
    for (size_t i = 0; i < n_fill; i++) part.u.seq->items[n + i] = fill;
    return hl_tmpl_append(r, list, part);
}

/* Python starts a new part where the last one has `count` items: none ever has -1, and one of 0 comes
 * first. */
bool hl_tmpl_filter_batch(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0;
    int64_t        count = 0;
    if (!hl_tmpl_arg_int(r, c->a[0], "linecount", 1, &count) || !hl_tmpl_to_items(r, c->self, &items, &n) ||
        !hl_tmpl_new_list(r, HL_TMPL_VALUE_GEN, ret))
        return false;
    const bool fills =
        c->a[1].kind != HL_TMPL_VALUE_MISSING && c->a[1].kind != HL_TMPL_VALUE_NONE && count > 0;
    if (fills && count > HL_TMPL_MAX_RANGE) return hl_tmpl_run_fail_limit(r, "batch: the count is too large");
    if (count == 0 && n > 0 && !add_part(r, items, 0, 0, c->a[1], *ret)) return false;
    const size_t each = count > 0 ? (size_t)count : SIZE_MAX;
    for (size_t i = 0; i < n; i += n - i < each ? n - i : each) {
        const size_t take = n - i < each ? n - i : each;
        if (!add_part(r, items + i, take, fills ? each - take : 0, c->a[1], *ret)) return false;
    }
    return true;
}

bool hl_tmpl_filter_slice(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0, at = 0;
    int64_t        count = 0;
    if (!hl_tmpl_arg_int(r, c->a[0], "slices", 1, &count) || !hl_tmpl_to_items(r, c->self, &items, &n))
        return false;
    if (count == 0) return hl_tmpl_run_fail(r, "slice: no items can be cut into 0 parts");
    if (count > HL_TMPL_MAX_RANGE) return hl_tmpl_run_fail_limit(r, "slice: too many parts");
    if (count < 0) return hl_tmpl_new_seq(r, HL_TMPL_VALUE_GEN, 0, ret);
    const bool   fills = c->a[1].kind != HL_TMPL_VALUE_MISSING && c->a[1].kind != HL_TMPL_VALUE_NONE;
    const size_t each = n / (size_t)count, n_longer = n % (size_t)count;
    if (!hl_tmpl_new_list(r, HL_TMPL_VALUE_GEN, ret)) return false;
    for (size_t i = 0; i < (size_t)count; i++) {
        const size_t take = each + (i < n_longer);
        if (!add_part(r, items + at, take, fills && i >= n_longer ? 1 : 0, c->a[1], *ret)) return false;
        at += take;
    }
    return true;
}
