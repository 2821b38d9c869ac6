/* SPDX-License-Identifier: MIT
 *
 * tmpl_value.c - truth, equality, order and iteration, with Python's rules.
 */
#define _GNU_SOURCE
#include "engine/template/tmpl_value.h"

#include <string.h>

#include "core/base/str.h"
#include "engine/template/tmpl_int.h"

bool hl_tmpl_truth(hl_tmpl_value v) {
    switch ((hl_tmpl_value_kind)v.kind) {
    case HL_TMPL_VALUE_MISSING:
    case HL_TMPL_VALUE_UNDEFINED:
    case HL_TMPL_VALUE_NONE: return false;
    case HL_TMPL_VALUE_BOOL: return v.u.b;
    case HL_TMPL_VALUE_INT: return v.u.i != 0;
    case HL_TMPL_VALUE_BIG: return true;
    case HL_TMPL_VALUE_FLOAT: return v.u.f != 0;
    case HL_TMPL_VALUE_STR: return v.len != 0;
    case HL_TMPL_VALUE_LIST:
    case HL_TMPL_VALUE_TUPLE:
    case HL_TMPL_VALUE_RANGE:
    case HL_TMPL_VALUE_VIEW: return v.u.seq->n != 0;
    case HL_TMPL_VALUE_DICT: return v.u.dict->n != 0;
    default: return true; /* generators, too, as in Python */
    }
}

const char *hl_tmpl_type_name(hl_tmpl_value v) {
    static const char *const names[] = {
        "missing",
        "Undefined",
        "NoneType",
        "bool",
        "int",
        "int",
        "float",
        "str",
        "list",
        "tuple",
        "range",
        "dict view",
        "generator",
        "dict",
        "Namespace",
        "Macro",
        "function",
        "method",
        "LoopContext",
        "Cycler",
        "Joiner",
        "TemplateReference",
        "BlockReference",
    };
    return v.kind < sizeof names / sizeof names[0] ? names[v.kind] : "object";
}

hl_tmpl_value hl_tmpl_seq_at(const hl_tmpl_seq *s, size_t i) {
    if (s->items) return s->items[i];
    return hl_tmpl_made_of(hl_tmpl_int(s->start + (int64_t)i * s->step), s->flags);
}

/* <0 0 >0, exactly, whatever the types; 2 for NaN. */
static int compare_numbers(hl_tmpl_value a, hl_tmpl_value b) {
    if (a.kind == HL_TMPL_VALUE_FLOAT && b.kind == HL_TMPL_VALUE_FLOAT) {
        const double x = a.u.f, y = b.u.f;
        return x != x || y != y ? 2 : (x > y) - (x < y);
    }
    if (b.kind == HL_TMPL_VALUE_FLOAT) return hl_tmpl_int_compare_float(a, b.u.f);
    if (a.kind != HL_TMPL_VALUE_FLOAT) return hl_tmpl_int_compare(a, b);
    const int order = hl_tmpl_int_compare_float(b, a.u.f);
    return order == 2 ? 2 : -order;
}

static bool equal_seqs(hl_tmpl_run *r, const hl_tmpl_seq *a, const hl_tmpl_seq *b, bool *ret) {
    *ret = a->n == b->n;
    for (size_t i = 0; *ret && i < a->n; i++)
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_equal(r, hl_tmpl_seq_at(a, i), hl_tmpl_seq_at(b, i), ret))
            return false;
    return true;
}

static bool equal_dicts(hl_tmpl_run *r, const hl_tmpl_dict *a, hl_tmpl_dict *b, bool *ret) {
    *ret = a->n == b->n;
    for (size_t i = 0; *ret && i < a->n; i++) {
        hl_tmpl_value *other = NULL;
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_dict_find(r, b, a->entries[i].key, &other)) return false;
        *ret = other != NULL;
        if (other && !hl_tmpl_equal(r, a->entries[i].value, *other, ret)) return false;
    }
    return true;
}

bool hl_tmpl_equal(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, bool *ret) {
    if (hl_tmpl_is_number(a) && hl_tmpl_is_number(b)) {
        *ret = compare_numbers(a, b) == 0;
        return true;
    }
    *ret = false;
    if (a.kind != b.kind) return true;
    switch ((hl_tmpl_value_kind)a.kind) {
    case HL_TMPL_VALUE_UNDEFINED:
    case HL_TMPL_VALUE_NONE: *ret = true; return true;
    case HL_TMPL_VALUE_STR:
        *ret = hl_view_eq(hl_tmpl_view(a), hl_tmpl_view(b));
        return a.len != b.len || a.len < 256 || hl_tmpl_run_steps(r, a.len / 256);
    case HL_TMPL_VALUE_LIST:
    case HL_TMPL_VALUE_TUPLE:
    case HL_TMPL_VALUE_RANGE:
    case HL_TMPL_VALUE_VIEW:
    case HL_TMPL_VALUE_DICT: break;
    default: *ret = a.u.seq == b.u.seq; return true; /* objects are equal to themselves */
    }
    if (a.u.seq == b.u.seq) {
        *ret = true;
        return true;
    }
    if (!hl_tmpl_run_enter(r)) return false;
    const bool ok = a.kind == HL_TMPL_VALUE_DICT ? equal_dicts(r, a.u.dict, b.u.dict, ret)
                                                 : equal_seqs(r, a.u.seq, b.u.seq, ret);
    hl_tmpl_run_leave(r);
    return ok;
}

static int compare_text(hl_view a, hl_view b) {
    const size_t n = a.len < b.len ? a.len : b.len;
    const int    c = n ? memcmp(a.ptr, b.ptr, n) : 0; /* UTF-8 sorts as its code points do */
    return c ? (c > 0) - (c < 0) : (a.len > b.len) - (a.len < b.len);
}

static bool compare_seqs(hl_tmpl_run *r, const char *op, const hl_tmpl_seq *a, const hl_tmpl_seq *b,
                         int *ret) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same = false;
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_equal(r, hl_tmpl_seq_at(a, i), hl_tmpl_seq_at(b, i), &same))
            return false;
        if (!same) return hl_tmpl_compare(r, op, hl_tmpl_seq_at(a, i), hl_tmpl_seq_at(b, i), ret);
    }
    *ret = (a->n > b->n) - (a->n < b->n);
    return true;
}

bool hl_tmpl_compare(hl_tmpl_run *r, const char *op, hl_tmpl_value a, hl_tmpl_value b, int *ret) {
    if (a.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, a);
    if (b.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, b);
    if (hl_tmpl_is_number(a) && hl_tmpl_is_number(b)) {
        *ret = compare_numbers(a, b);
        return true;
    }
    if (hl_tmpl_is_str(a) && hl_tmpl_is_str(b)) {
        *ret = compare_text(hl_tmpl_view(a), hl_tmpl_view(b));
        return hl_tmpl_run_steps(r, (a.len < b.len ? a.len : b.len) / 256);
    }
    if (a.kind == b.kind && (a.kind == HL_TMPL_VALUE_LIST || a.kind == HL_TMPL_VALUE_TUPLE)) {
        if (!hl_tmpl_run_enter(r)) return false;
        const bool ok = compare_seqs(r, op, a.u.seq, b.u.seq, ret);
        hl_tmpl_run_leave(r);
        return ok;
    }
    return hl_tmpl_run_fail(r, "'%s' is not supported between %s and %s", op, hl_tmpl_type_name(a),
                            hl_tmpl_type_name(b));
}

bool hl_tmpl_contains(hl_tmpl_run *r, hl_tmpl_value item, hl_tmpl_value in, bool *ret) {
    *ret = false;
    if (hl_tmpl_is_str(in)) {
        if (item.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, item);
        if (!hl_tmpl_is_str(item))
            return hl_tmpl_run_fail(r, "'in <string>' needs a string on the left, found %s",
                                    hl_tmpl_type_name(item));
        if (!hl_tmpl_run_steps(r, in.len / 64)) return false;
        *ret = item.len == 0 || (in.len && memmem(in.u.s, in.len, item.u.s, item.len) != NULL);
        return true;
    }
    if (in.kind == HL_TMPL_VALUE_DICT) {
        hl_tmpl_value *hit = NULL;
        if (!hl_tmpl_dict_find(r, in.u.dict, item, &hit)) return false;
        *ret = hit != NULL;
        return true;
    }
    hl_tmpl_iter it;
    if (!hl_tmpl_iter_init(r, in, &it)) return false;
    for (hl_tmpl_value v; !*ret && hl_tmpl_iter_next(&it, &v);)
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_equal(r, v, item, ret)) return false;
    return true;
}

bool hl_tmpl_length(hl_tmpl_run *r, hl_tmpl_value v, size_t *ret) {
    switch ((hl_tmpl_value_kind)v.kind) {
    case HL_TMPL_VALUE_UNDEFINED: *ret = 0; return true;
    case HL_TMPL_VALUE_STR: *ret = hl_tmpl_str_count(r, v); return true;
    case HL_TMPL_VALUE_LIST:
    case HL_TMPL_VALUE_TUPLE:
    case HL_TMPL_VALUE_RANGE:
    case HL_TMPL_VALUE_VIEW: *ret = v.u.seq->n; return true;
    case HL_TMPL_VALUE_DICT: *ret = v.u.dict->n; return true;
    case HL_TMPL_VALUE_LOOP: return hl_tmpl_loop_length(r, v.u.loop, ret);
    default: return hl_tmpl_run_fail(r, "%s has no length", hl_tmpl_type_name(v));
    }
}

bool hl_tmpl_can_iterate(hl_tmpl_value v) {
    return v.kind == HL_TMPL_VALUE_UNDEFINED || v.kind == HL_TMPL_VALUE_STR || v.kind == HL_TMPL_VALUE_DICT ||
           hl_tmpl_is_seq(v);
}

bool hl_tmpl_iter_init(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_iter *ret_it) {
    *ret_it = (hl_tmpl_iter){.of = v};
    if (v.kind == HL_TMPL_VALUE_UNDEFINED) return true;
    if (v.kind == HL_TMPL_VALUE_STR) {
        ret_it->n = v.len;
    } else if (v.kind == HL_TMPL_VALUE_DICT) {
        ret_it->n = v.u.dict->n;
    } else if (hl_tmpl_is_seq(v)) {
        if (v.u.seq->pending && !hl_tmpl_gen_ask(r, v.u.seq)) return false;
        ret_it->n = v.u.seq->n;
        ret_it->is_gen = v.kind == HL_TMPL_VALUE_GEN;
    } else {
        return hl_tmpl_run_fail(r, "%s cannot be iterated", hl_tmpl_type_name(v));
    }
    return true;
}

bool hl_tmpl_iter_next(hl_tmpl_iter *it, hl_tmpl_value *ret) {
    if (it->is_gen) it->i = it->of.u.seq->i_next;
    if (it->i >= it->n) return false;
    if (it->of.kind == HL_TMPL_VALUE_STR) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(it->of.u.s + it->i, it->n - it->i, &cp);
        *ret = hl_tmpl_str((hl_view){it->of.u.s + it->i, len ? len : 1});
        it->i += ret->len;
        return true;
    }
    *ret = it->of.kind == HL_TMPL_VALUE_DICT ? it->of.u.dict->entries[it->i].key
                                             : hl_tmpl_seq_at(it->of.u.seq, it->i);
    it->i++;
    if (it->is_gen) it->of.u.seq->i_next = it->i;
    return true;
}

bool hl_tmpl_to_items(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_value **ret_items, size_t *ret_n) {
    if (hl_tmpl_is_seq(v) && v.kind != HL_TMPL_VALUE_GEN && v.u.seq->items) {
        *ret_items = v.u.seq->items;
        *ret_n = v.u.seq->n;
        return true;
    }
    hl_tmpl_iter it;
    if (!hl_tmpl_iter_init(r, v, &it)) return false;
    hl_tmpl_value *items = hl_tmpl_run_get(r, it.n + 1, sizeof *items);
    if (!items || !hl_tmpl_run_steps(r, it.n / 4)) return false;
    size_t n = 0;
    while (n < it.n && hl_tmpl_iter_next(&it, &items[n])) n++;
    *ret_items = items;
    *ret_n = n;
    return true;
}

bool hl_tmpl_new_seq(hl_tmpl_run *r, hl_tmpl_value_kind kind, size_t n, hl_tmpl_value *ret) {
    if (!hl_tmpl_run_steps(r, n / 8)) return false;
    hl_tmpl_seq *s = hl_tmpl_run_get(r, 1, sizeof *s);
    if (!s || !(s->items = hl_tmpl_run_get(r, n ? n : 1, sizeof *s->items))) return false;
    s->n = n;
    *ret = (hl_tmpl_value){.kind = (uint8_t)kind, .u.seq = s};
    return true;
}

bool hl_tmpl_new_list(hl_tmpl_run *r, hl_tmpl_value_kind kind, hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, kind, 8, ret)) return false;
    ret->u.seq->n = 0;
    ret->u.seq->cap = 8;
    return true;
}

bool hl_tmpl_append(hl_tmpl_run *r, hl_tmpl_value list, hl_tmpl_value item) {
    hl_tmpl_seq *s = list.u.seq;
    if (s->n == s->cap) {
        hl_tmpl_value *bigger = hl_tmpl_run_get(r, s->cap * 2, sizeof *bigger);
        if (!bigger) return false;
        memcpy(bigger, s->items, s->n * sizeof *bigger);
        s->items = bigger;
        s->cap *= 2;
    }
    s->items[s->n++] = item;
    return hl_tmpl_run_steps(r, 1);
}

bool hl_tmpl_new_pair(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_TUPLE, 2, ret)) return false;
    ret->u.seq->items[0] = a;
    ret->u.seq->items[1] = b;
    return true;
}
