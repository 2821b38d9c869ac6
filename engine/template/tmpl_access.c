/* SPDX-License-Identifier: MIT
 *
 * tmpl_access.c - a.b, a[b] and slices.
 *
 * a.b looks for an attribute (a method, a loop's field) and then for an item; a['b'] the other way
 * round. Neither fails when there is nothing: the result is undefined, and using that fails.
 * Methods that change lists and dicts are refused, as in the immutable sandbox of the reference.
 */
#include <string.h>

#include "engine/template/tmpl_methods.h"
#include "engine/template/tmpl_int.h"

typedef struct method {
    hl_tmpl_value_kind kind;
    hl_tmpl_builtin    def; /* without a function: refused */
} method;

static const method methods[] = {
#define HL_TMPL_METHOD(kind, name, fn, n_min, params)                                                        \
    {HL_TMPL_VALUE_##kind, {name, hl_tmpl_method_##fn, n_min, params}},
#define HL_TMPL_REFUSED(kind, name) {HL_TMPL_VALUE_##kind, {name, NULL, 0, "*"}},
#include "engine/template/methods.def"
#undef HL_TMPL_METHOD
#undef HL_TMPL_REFUSED
};

const hl_tmpl_builtin *hl_tmpl_method_find(hl_tmpl_value of, hl_view name, bool *ret_unsafe) {
    const hl_tmpl_value_kind kind = hl_tmpl_is_integer(of) ? HL_TMPL_VALUE_INT : (hl_tmpl_value_kind)of.kind;
    *ret_unsafe = false;
    if (kind < HL_TMPL_VALUE_INT || kind == HL_TMPL_VALUE_VIEW || kind == HL_TMPL_VALUE_GEN) return NULL;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].kind != kind || !hl_view_is(name, methods[i].def.name)) continue;
        *ret_unsafe = methods[i].def.fn == NULL;
        return *ret_unsafe ? NULL : &methods[i].def;
    }
    return NULL;
}

bool hl_tmpl_loop_length(hl_tmpl_run *r, hl_tmpl_loop *l, size_t *ret) {
    if (!hl_tmpl_loop_know(r, l, SIZE_MAX)) return false;
    *ret = l->n;
    return true;
}

static hl_tmpl_value loop_item(const hl_tmpl_loop *l, size_t i) {
    return l->items ? l->items[i] : hl_tmpl_seq_at(l->of.u.seq, i);
}

typedef struct loop_field {
    const char *name;
    int         needs; /* rounds behind this one that must be known; -1: all */
    char        what;
    int         plus; /* of numbers */
} loop_field;

static const loop_field loop_fields[] = {
    {"index", 0, 'i', 1},   {"index0", 0, 'i', 0},    {"first", 0, 'f', 0},       {"last", 1, 'l', 0},
    {"length", -1, 'n', 0}, {"revindex", -1, 'r', 0}, {"revindex0", -1, 'r', -1}, {"depth", 0, 'd', 1},
    {"depth0", 0, 'd', 0},  {"previtem", 0, 'p', 0},  {"nextitem", 1, 'q', 0},
};

static bool loop_attr(hl_tmpl_run *r, hl_tmpl_loop *l, hl_view name, hl_tmpl_value *ret, bool *ret_found) {
    const loop_field *f = NULL;
    for (size_t k = 0; k < sizeof loop_fields / sizeof loop_fields[0]; k++)
        if (hl_view_is(name, loop_fields[k].name)) f = &loop_fields[k];
    *ret_found = f != NULL;
    if (!f) return true;
    if (f->needs && !hl_tmpl_loop_know(r, l, f->needs < 0 ? SIZE_MAX : l->i + 2)) return false;
    const int64_t i = (int64_t)l->i, n = (int64_t)l->n;
    switch (f->what) {
    case 'i': *ret = hl_tmpl_int(i + f->plus); break;
    case 'f': *ret = hl_tmpl_bool(i == 0); break;
    case 'l': *ret = hl_tmpl_bool(i + 1 >= n); break;
    case 'n': *ret = hl_tmpl_int(n); break;
    case 'r': *ret = hl_tmpl_int(n - i + f->plus); break;
    case 'd': *ret = hl_tmpl_int(l->depth0 + f->plus); break;
    case 'p': *ret = i > 0 ? loop_item(l, l->i - 1) : hl_tmpl_undefined(hl_view_of("loop.previtem")); break;
    default: *ret = i + 1 < n ? loop_item(l, l->i + 1) : hl_tmpl_undefined(hl_view_of("loop.nextitem"));
    }
    return true;
}

/* What Python's macro objects tell about themselves. */
static bool macro_attr(hl_tmpl_run *r, const hl_tmpl_node *n, hl_view name, hl_tmpl_value *ret,
                       bool *ret_found) {
    *ret_found = true;
    if (hl_view_is(name, "name"))
        *ret = n->kind == HL_TMPL_NODE_MACRO ? hl_tmpl_str(n->sym->text) : hl_tmpl_none();
    else if (hl_view_is(name, "catch_kwargs"))
        *ret = hl_tmpl_bool(n->flags & HL_TMPL_NODE_USES_KWARGS);
    else if (hl_view_is(name, "catch_varargs"))
        *ret = hl_tmpl_bool(n->flags & HL_TMPL_NODE_USES_VARARGS);
    else if (hl_view_is(name, "caller"))
        *ret = hl_tmpl_bool(n->flags & HL_TMPL_NODE_USES_CALLER);
    else if (hl_view_is(name, "explicit_caller"))
        *ret = hl_tmpl_bool(n->flags & HL_TMPL_NODE_HAS_CALLER);
    else if (!(*ret_found = hl_view_is(name, "arguments")))
        return true;
    else if (!hl_tmpl_new_list(r, HL_TMPL_VALUE_TUPLE, ret))
        return false;
    if (hl_view_is(name, "arguments"))
        for (const hl_tmpl_node *p = n->a; p; p = p->next)
            if (!hl_tmpl_append(r, *ret, hl_tmpl_str(p->sym->text))) return false;
    return true;
}

/* n.real and the like. */
static bool number_attr(hl_tmpl_value of, hl_view name, hl_tmpl_value *ret) {
    const bool whole = of.kind != HL_TMPL_VALUE_FLOAT,
               part = hl_view_is(name, "real") || (whole && hl_view_is(name, "numerator"));
    if (part) {
        *ret = of;
        if (of.kind == HL_TMPL_VALUE_BOOL) *ret = hl_tmpl_made_of(hl_tmpl_int(of.u.b), of.flags);
    } else if (hl_view_is(name, "imag")) {
        *ret = whole ? hl_tmpl_int(0) : hl_tmpl_float(0);
    } else if (whole && hl_view_is(name, "denominator")) {
        *ret = hl_tmpl_int(1);
    } else {
        return false;
    }
    return true;
}

static bool seq_attr(hl_tmpl_value of, hl_view name, hl_tmpl_value *ret) {
    const hl_tmpl_seq *s = of.u.seq;
    if (of.kind == HL_TMPL_VALUE_TUPLE && (of.flags & HL_TMPL_FLAG_GROUP)) {
        const bool grouper = hl_view_is(name, "grouper");
        if (grouper || hl_view_is(name, "list")) *ret = s->items[grouper ? 0 : 1];
        return grouper || hl_view_is(name, "list");
    }
    if (of.kind != HL_TMPL_VALUE_CYCLER || !hl_view_is(name, "current")) return false;
    *ret = s->items[s->i_next % s->n];
    return true;
}

/* Attributes proper, without looking at items. */
static bool find_attr(hl_tmpl_run *r, hl_tmpl_value of, hl_view name, hl_tmpl_value *ret, bool *ret_found) {
    *ret_found = true;
    if (of.kind == HL_TMPL_VALUE_LOOP) {
        if (!loop_attr(r, of.u.loop, name, ret, ret_found)) return false;
        if (*ret_found) return true;
    }
    if (of.kind == HL_TMPL_VALUE_MACRO) return macro_attr(r, of.u.macro->node, name, ret, ret_found);
    if (hl_tmpl_is_number(of) && number_attr(of, name, ret)) return true;
    if (seq_attr(of, name, ret)) return true;
    if (of.kind == HL_TMPL_VALUE_SELF) {
        const hl_tmpl_symbol *sym = hl_tmpl_find_sym(r->t, name);
        *ret_found = sym && sym->block;
        if (*ret_found) *ret = (hl_tmpl_value){.kind = HL_TMPL_VALUE_BLOCK, .u.node = sym->block};
        return true;
    }
    if (of.kind == HL_TMPL_VALUE_NAMESPACE) {
        const hl_tmpl_value *hit = hl_tmpl_dict_find_text(r, of.u.dict, name);
        *ret_found = hit != NULL;
        if (hit) *ret = *hit;
        return true;
    }
    bool                   unsafe = false;
    const hl_tmpl_builtin *def = hl_tmpl_method_find(of, name, &unsafe);
    *ret_found = def || unsafe;
    if (unsafe) {
        *ret = hl_tmpl_undefined(name);
        ret->flags = HL_TMPL_FLAG_UNSAFE;
    }
    if (!def) return true;
    hl_tmpl_bound *bound = hl_tmpl_run_get(r, 1, sizeof *bound);
    if (!bound) return false;
    *bound = (hl_tmpl_bound){of, def};
    *ret = (hl_tmpl_value){.kind = HL_TMPL_VALUE_METHOD, .u.bound = bound};
    return true;
}

bool hl_tmpl_get_attr(hl_tmpl_run *r, hl_tmpl_value of, hl_view name, hl_tmpl_value *ret) {
    bool found = false;
    if (of.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, of);
    if (!find_attr(r, of, name, ret, &found)) return false;
    if (found) return true;
    const hl_tmpl_value *hit =
        of.kind == HL_TMPL_VALUE_DICT ? hl_tmpl_dict_find_text(r, of.u.dict, name) : NULL;
    *ret = hit ? *hit : hl_tmpl_undefined(name);
    return true;
}

static bool find_item(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value key, hl_tmpl_value *ret,
                      bool *ret_found) {
    *ret_found = false;
    if (of.kind == HL_TMPL_VALUE_DICT) {
        hl_tmpl_value *hit = NULL;
        if (hl_tmpl_is_hashable(key) && !hl_tmpl_dict_find(r, of.u.dict, key, &hit)) return false;
        *ret_found = hit != NULL;
        if (hit) *ret = *hit;
        return true;
    }
    const bool is_seq =
        of.kind == HL_TMPL_VALUE_LIST || of.kind == HL_TMPL_VALUE_TUPLE || of.kind == HL_TMPL_VALUE_RANGE;
    if (!hl_tmpl_is_int(key) || (!is_seq && of.kind != HL_TMPL_VALUE_STR)) return true;
    const int64_t n = (int64_t)(is_seq ? of.u.seq->n : hl_tmpl_str_count(r, of));
    const int64_t i = hl_tmpl_as_int(key) < 0 ? hl_tmpl_as_int(key) + n : hl_tmpl_as_int(key);
    *ret_found = i >= 0 && i < n;
    if (!*ret_found) return true;
    if (is_seq) {
        *ret = hl_tmpl_seq_at(of.u.seq, (size_t)i);
        return true;
    }
    const size_t begin = hl_tmpl_str_offset(r, of, (size_t)i), end = hl_tmpl_str_offset(r, of, (size_t)i + 1);
    *ret = hl_tmpl_str((hl_view){of.u.s + begin, end - begin});
    ret->flags = of.flags & HL_TMPL_FLAG_MARKUP;
    return hl_tmpl_run_steps(r, begin / 64);
}

bool hl_tmpl_get_item(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value key, hl_tmpl_value *ret) {
    bool found = false;
    if (of.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, of);
    if (!find_item(r, of, key, ret, &found)) return false;
    if (!found && key.kind == HL_TMPL_VALUE_STR && !find_attr(r, of, hl_tmpl_view(key), ret, &found))
        return false;
    if (!found)
        *ret = hl_tmpl_undefined(key.kind == HL_TMPL_VALUE_STR ? hl_tmpl_view(key) : hl_view_of("the item"));
    return true;
}

static bool get_part(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value key, hl_tmpl_value if_missing,
                     hl_tmpl_value *ret) {
    if (!hl_tmpl_get_item(r, of, key, ret)) return false;
    if (ret->kind == HL_TMPL_VALUE_UNDEFINED && if_missing.kind != HL_TMPL_VALUE_MISSING &&
        if_missing.kind != HL_TMPL_VALUE_NONE)
        *ret = if_missing;
    return true;
}

bool hl_tmpl_get_path(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value path, hl_tmpl_value if_missing,
                      hl_tmpl_value *ret) {
    *ret = of;
    if (path.kind == HL_TMPL_VALUE_NONE || path.kind == HL_TMPL_VALUE_MISSING) return true;
    if (path.kind != HL_TMPL_VALUE_STR) return get_part(r, of, path, if_missing, ret);
    for (hl_view rest = hl_tmpl_view(path);;) {
        const char   *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
        const size_t  n = dot ? (size_t)(dot - rest.ptr) : rest.len;
        hl_tmpl_value key = hl_tmpl_str((hl_view){rest.ptr, n});
        int64_t       number = 0;
        size_t        n_digits = 0;
        while (n_digits < n && n_digits < 9 && rest.ptr[n_digits] >= '0' && rest.ptr[n_digits] <= '9')
            number = number * 10 + (rest.ptr[n_digits++] - '0');
        if (n > 0 && n_digits == n) key = hl_tmpl_int(number);
        if (!get_part(r, of, key, if_missing, &of)) return false;
        if (!dot) break;
        rest = (hl_view){dot + 1, rest.len - n - 1};
    }
    *ret = of;
    return true;
}

/* Python's rules for start, stop and step of a slice over n items. */
static bool slice_bounds(hl_tmpl_run *r, const hl_tmpl_value parts[3], int64_t n, int64_t ret[3]) {
    for (int i = 0; i < 3; i++)
        if (parts[i].kind != HL_TMPL_VALUE_NONE && !hl_tmpl_is_integer(parts[i]))
            return parts[i].kind == HL_TMPL_VALUE_UNDEFINED
                       ? hl_tmpl_run_fail_undefined(r, parts[i])
                       : hl_tmpl_run_fail(r, "slice bounds must be integers, found %s",
                                          hl_tmpl_type_name(parts[i]));
    ret[2] = parts[2].kind == HL_TMPL_VALUE_NONE ? 1 : hl_tmpl_int_clamp(parts[2]);
    if (ret[2] == 0) return hl_tmpl_run_fail(r, "slice step cannot be 0");
    if (ret[2] == INT64_MIN) ret[2]++;
    const int64_t least = ret[2] < 0 ? -1 : 0, most = ret[2] < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        if (parts[i].kind == HL_TMPL_VALUE_NONE) {
            ret[i] = (i == 0) == (ret[2] > 0) ? least : most;
            continue;
        }
        int64_t x = hl_tmpl_int_clamp(parts[i]);
        if (x < 0) x = x < -n ? least : x + n;
        ret[i] = x < least ? least : x > most ? most : x;
    }
    return true;
}

static size_t slice_count(const int64_t b[3]) {
    if (b[2] > 0) return b[1] > b[0] ? (size_t)((b[1] - b[0] - 1) / b[2] + 1) : 0;
    return b[0] > b[1] ? (size_t)((b[0] - b[1] - 1) / -b[2] + 1) : 0;
}

static bool slice_text(hl_tmpl_run *r, hl_tmpl_value of, const int64_t b[3], size_t n, hl_tmpl_value *ret) {
    if (!hl_tmpl_run_steps(r, of.len / 64 + (b[2] == 1 ? 0 : n))) return false;
    if (b[2] == 1 || n == 0) {
        const size_t begin = n ? hl_tmpl_str_offset(r, of, (size_t)b[0]) : 0;
        const size_t end = n ? hl_tmpl_str_offset(r, of, (size_t)b[1]) : 0;
        *ret = hl_tmpl_str((hl_view){of.u.s + begin, end - begin});
        ret->flags = of.flags;
        return true;
    }
    hl_tmpl_value *chars = NULL;
    size_t         n_chars = 0;
    if (!hl_tmpl_to_items(r, of, &chars, &n_chars)) return false;
    const size_t mark = hl_tmpl_run_begin(r);
    for (size_t i = 0; i < n; i++)
        hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(chars[b[0] + (int64_t)i * b[2]]));
    if (!hl_tmpl_run_end(r, mark, ret)) return false;
    ret->flags = of.flags & HL_TMPL_FLAG_MARKUP;
    return true;
}

bool hl_tmpl_get_slice(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value start, hl_tmpl_value stop,
                       hl_tmpl_value step, hl_tmpl_value *ret) {
    const hl_tmpl_value parts[3] = {start, stop, step};
    const bool          is_seq =
        of.kind == HL_TMPL_VALUE_LIST || of.kind == HL_TMPL_VALUE_TUPLE || of.kind == HL_TMPL_VALUE_RANGE;
    if (of.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, of);
    if (!is_seq &&
        of.kind != HL_TMPL_VALUE_STR) { /* the reference says so of constants, and fails for others */
        *ret = hl_tmpl_undefined(hl_view_of("the slice"));
        return true;
    }
    int64_t b[3];
    if (!slice_bounds(r, parts, (int64_t)(is_seq ? of.u.seq->n : hl_tmpl_str_count(r, of)), b)) return false;
    const size_t n = slice_count(b);
    if (!is_seq) return slice_text(r, of, b, n, ret);
    if (!hl_tmpl_new_seq(r, (hl_tmpl_value_kind)of.kind, of.kind == HL_TMPL_VALUE_RANGE ? 0 : n, ret))
        return false;
    if (of.kind == HL_TMPL_VALUE_RANGE) {
        const hl_tmpl_seq *s = of.u.seq;
        /* Numbers of the range fit; the step to one that is no part of it need not, and is never taken. */
        const uint64_t from = (uint64_t)s->start, by = (uint64_t)s->step;
        *ret->u.seq = (hl_tmpl_seq){.n = n,
                                    .start = (int64_t)(from + (uint64_t)b[0] * by),
                                    .step = (int64_t)(by * (uint64_t)b[2]),
                                    .i_next = (size_t)(from + (uint64_t)b[1] * by),
                                    .flags = s->flags};
        return true;
    }
    for (size_t i = 0; i < n; i++) ret->u.seq->items[i] = of.u.seq->items[b[0] + (int64_t)i * b[2]];
    *ret = hl_tmpl_made_of(*ret, of.flags);
    return true;
}
