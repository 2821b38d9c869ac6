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
    hl_tkind kind;
    hl_tdef  def; /* without a function: refused */
} method;

static const method methods[] = {
#define HL_TMPL_METHOD(kind, name, fn, n_min, params) {HL_TK_##kind, {name, hl_tmethod_##fn, n_min, params}},
#define HL_TMPL_REFUSED(kind, name)                   {HL_TK_##kind, {name, NULL, 0, "*"}},
#include "engine/template/methods.def"
#undef HL_TMPL_METHOD
#undef HL_TMPL_REFUSED
};

const hl_tdef *hl_tmethod_find(hl_tv of, hl_view name, bool *ret_unsafe) {
    const hl_tkind kind = hl_tv_is_integer(of) ? HL_TK_INT : (hl_tkind)of.kind;
    *ret_unsafe = false;
    if (kind < HL_TK_INT || kind == HL_TK_VIEW || kind == HL_TK_GEN) return NULL;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].kind != kind || !hl_view_is(name, methods[i].def.name)) continue;
        *ret_unsafe = methods[i].def.fn == NULL;
        return *ret_unsafe ? NULL : &methods[i].def;
    }
    return NULL;
}

bool hl_tloop_length(hl_trun *r, hl_tloop *l, size_t *ret) {
    if (!hl_tloop_know(r, l, SIZE_MAX)) return false;
    *ret = l->n;
    return true;
}

static hl_tv loop_item(const hl_tloop *l, size_t i) {
    return l->items ? l->items[i] : hl_tseq_at(l->of.u.seq, i);
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

static bool loop_attr(hl_trun *r, hl_tloop *l, hl_view name, hl_tv *ret, bool *ret_found) {
    const loop_field *f = NULL;
    for (size_t k = 0; k < sizeof loop_fields / sizeof loop_fields[0]; k++)
        if (hl_view_is(name, loop_fields[k].name)) f = &loop_fields[k];
    *ret_found = f != NULL;
    if (!f) return true;
    if (f->needs && !hl_tloop_know(r, l, f->needs < 0 ? SIZE_MAX : l->i + 2)) return false;
    const int64_t i = (int64_t)l->i, n = (int64_t)l->n;
    switch (f->what) {
    case 'i': *ret = hl_tv_int(i + f->plus); break;
    case 'f': *ret = hl_tv_bool(i == 0); break;
    case 'l': *ret = hl_tv_bool(i + 1 >= n); break;
    case 'n': *ret = hl_tv_int(n); break;
    case 'r': *ret = hl_tv_int(n - i + f->plus); break;
    case 'd': *ret = hl_tv_int(l->depth0 + f->plus); break;
    case 'p': *ret = i > 0 ? loop_item(l, l->i - 1) : hl_tv_undefined(hl_view_of("loop.previtem")); break;
    default: *ret = i + 1 < n ? loop_item(l, l->i + 1) : hl_tv_undefined(hl_view_of("loop.nextitem"));
    }
    return true;
}

/* What Python's macro objects tell about themselves. */
static bool macro_attr(hl_trun *r, const hl_tn *n, hl_view name, hl_tv *ret, bool *ret_found) {
    *ret_found = true;
    if (hl_view_is(name, "name"))
        *ret = n->kind == HL_TN_MACRO ? hl_tv_str(n->sym->text) : hl_tv_none();
    else if (hl_view_is(name, "catch_kwargs"))
        *ret = hl_tv_bool(n->flags & HL_TN_USES_KWARGS);
    else if (hl_view_is(name, "catch_varargs"))
        *ret = hl_tv_bool(n->flags & HL_TN_USES_VARARGS);
    else if (hl_view_is(name, "caller"))
        *ret = hl_tv_bool(n->flags & HL_TN_USES_CALLER);
    else if (hl_view_is(name, "explicit_caller"))
        *ret = hl_tv_bool(n->flags & HL_TN_HAS_CALLER);
    else if (!(*ret_found = hl_view_is(name, "arguments")))
        return true;
    else if (!hl_tv_new_list(r, HL_TK_TUPLE, ret))
        return false;
    if (hl_view_is(name, "arguments"))
        for (const hl_tn *p = n->a; p; p = p->next)
            if (!hl_tv_append(r, *ret, hl_tv_str(p->sym->text))) return false;
    return true;
}

/* n.real and the like. */
static bool number_attr(hl_tv of, hl_view name, hl_tv *ret) {
    const bool whole = of.kind != HL_TK_FLOAT,
               part = hl_view_is(name, "real") || (whole && hl_view_is(name, "numerator"));
    if (part) {
        *ret = of;
        if (of.kind == HL_TK_BOOL) *ret = hl_tv_made_of(hl_tv_int(of.u.b), of.flags);
    } else if (hl_view_is(name, "imag")) {
        *ret = whole ? hl_tv_int(0) : hl_tv_float(0);
    } else if (whole && hl_view_is(name, "denominator")) {
        *ret = hl_tv_int(1);
    } else {
        return false;
    }
    return true;
}

static bool seq_attr(hl_tv of, hl_view name, hl_tv *ret) {
    const hl_tseq *s = of.u.seq;
    if (of.kind == HL_TK_TUPLE && (of.flags & HL_TF_GROUP)) {
        const bool grouper = hl_view_is(name, "grouper");
        if (grouper || hl_view_is(name, "list")) *ret = s->items[grouper ? 0 : 1];
        return grouper || hl_view_is(name, "list");
    }
    if (of.kind != HL_TK_CYCLER || !hl_view_is(name, "current")) return false;
    *ret = s->items[s->i_next % s->n];
    return true;
}

/* Attributes proper, without looking at items. */
static bool find_attr(hl_trun *r, hl_tv of, hl_view name, hl_tv *ret, bool *ret_found) {
    *ret_found = true;
    if (of.kind == HL_TK_LOOP) {
        if (!loop_attr(r, of.u.loop, name, ret, ret_found)) return false;
        if (*ret_found) return true;
    }
    if (of.kind == HL_TK_MACRO) return macro_attr(r, of.u.macro->node, name, ret, ret_found);
    if (hl_tv_is_number(of) && number_attr(of, name, ret)) return true;
    if (seq_attr(of, name, ret)) return true;
    if (of.kind == HL_TK_SELF) {
        const hl_tsym *sym = hl_tmpl_find_sym(r->t, name);
        *ret_found = sym && sym->block;
        if (*ret_found) *ret = (hl_tv){.kind = HL_TK_BLOCK, .u.node = sym->block};
        return true;
    }
    if (of.kind == HL_TK_NAMESPACE) {
        const hl_tv *hit = hl_tdict_find_text(r, of.u.dict, name);
        *ret_found = hit != NULL;
        if (hit) *ret = *hit;
        return true;
    }
    bool           unsafe = false;
    const hl_tdef *def = hl_tmethod_find(of, name, &unsafe);
    *ret_found = def || unsafe;
    if (unsafe) {
        *ret = hl_tv_undefined(name);
        ret->flags = HL_TF_UNSAFE;
    }
    if (!def) return true;
    hl_tbound *bound = hl_trun_get(r, 1, sizeof *bound);
    if (!bound) return false;
    *bound = (hl_tbound){of, def};
    *ret = (hl_tv){.kind = HL_TK_METHOD, .u.bound = bound};
    return true;
}

bool hl_tv_get_attr(hl_trun *r, hl_tv of, hl_view name, hl_tv *ret) {
    bool found = false;
    if (of.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, of);
    if (!find_attr(r, of, name, ret, &found)) return false;
    if (found) return true;
    const hl_tv *hit = of.kind == HL_TK_DICT ? hl_tdict_find_text(r, of.u.dict, name) : NULL;
    *ret = hit ? *hit : hl_tv_undefined(name);
    return true;
}

static bool find_item(hl_trun *r, hl_tv of, hl_tv key, hl_tv *ret, bool *ret_found) {
    *ret_found = false;
    if (of.kind == HL_TK_DICT) {
        hl_tv *hit = NULL;
        if (hl_tv_is_hashable(key) && !hl_tdict_find(r, of.u.dict, key, &hit)) return false;
        *ret_found = hit != NULL;
        if (hit) *ret = *hit;
        return true;
    }
    const bool is_seq = of.kind == HL_TK_LIST || of.kind == HL_TK_TUPLE || of.kind == HL_TK_RANGE;
    if (!hl_tv_is_int(key) || (!is_seq && of.kind != HL_TK_STR)) return true;
    const int64_t n = (int64_t)(is_seq ? of.u.seq->n : hl_tstr_count(r, of));
    const int64_t i = hl_tv_as_int(key) < 0 ? hl_tv_as_int(key) + n : hl_tv_as_int(key);
    *ret_found = i >= 0 && i < n;
    if (!*ret_found) return true;
    if (is_seq) {
        *ret = hl_tseq_at(of.u.seq, (size_t)i);
        return true;
    }
    const size_t begin = hl_tstr_offset(r, of, (size_t)i), end = hl_tstr_offset(r, of, (size_t)i + 1);
    *ret = hl_tv_str((hl_view){of.u.s + begin, end - begin});
    ret->flags = of.flags & HL_TF_MARKUP;
    return hl_trun_steps(r, begin / 64);
}

bool hl_tv_get_item(hl_trun *r, hl_tv of, hl_tv key, hl_tv *ret) {
    bool found = false;
    if (of.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, of);
    if (!find_item(r, of, key, ret, &found)) return false;
    if (!found && key.kind == HL_TK_STR && !find_attr(r, of, hl_tv_view(key), ret, &found)) return false;
    if (!found) *ret = hl_tv_undefined(key.kind == HL_TK_STR ? hl_tv_view(key) : hl_view_of("the item"));
    return true;
}

static bool get_part(hl_trun *r, hl_tv of, hl_tv key, hl_tv if_missing, hl_tv *ret) {
    if (!hl_tv_get_item(r, of, key, ret)) return false;
    if (ret->kind == HL_TK_UNDEFINED && if_missing.kind != HL_TK_MISSING && if_missing.kind != HL_TK_NONE)
        *ret = if_missing;
    return true;
}

bool hl_tv_get_path(hl_trun *r, hl_tv of, hl_tv path, hl_tv if_missing, hl_tv *ret) {
    *ret = of;
    if (path.kind == HL_TK_NONE || path.kind == HL_TK_MISSING) return true;
    if (path.kind != HL_TK_STR) return get_part(r, of, path, if_missing, ret);
    for (hl_view rest = hl_tv_view(path);;) {
        const char  *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
        const size_t n = dot ? (size_t)(dot - rest.ptr) : rest.len;
        hl_tv        key = hl_tv_str((hl_view){rest.ptr, n});
        int64_t      number = 0;
        size_t       n_digits = 0;
        while (n_digits < n && n_digits < 9 && rest.ptr[n_digits] >= '0' && rest.ptr[n_digits] <= '9')
            number = number * 10 + (rest.ptr[n_digits++] - '0');
        if (n > 0 && n_digits == n) key = hl_tv_int(number);
        if (!get_part(r, of, key, if_missing, &of)) return false;
        if (!dot) break;
        rest = (hl_view){dot + 1, rest.len - n - 1};
    }
    *ret = of;
    return true;
}

/* Python's rules for start, stop and step of a slice over n items. */
static bool slice_bounds(hl_trun *r, const hl_tv parts[3], int64_t n, int64_t ret[3]) {
    for (int i = 0; i < 3; i++)
        if (parts[i].kind != HL_TK_NONE && !hl_tv_is_integer(parts[i]))
            return parts[i].kind == HL_TK_UNDEFINED
                       ? hl_trun_fail_undefined(r, parts[i])
                       : hl_trun_fail(r, "slice bounds must be integers, found %s",
                                      hl_tv_type_name(parts[i]));
    ret[2] = parts[2].kind == HL_TK_NONE ? 1 : hl_tint_clamp(parts[2]);
    if (ret[2] == 0) return hl_trun_fail(r, "slice step cannot be 0");
    if (ret[2] == INT64_MIN) ret[2]++;
    const int64_t least = ret[2] < 0 ? -1 : 0, most = ret[2] < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        if (parts[i].kind == HL_TK_NONE) {
            ret[i] = (i == 0) == (ret[2] > 0) ? least : most;
            continue;
        }
        int64_t x = hl_tint_clamp(parts[i]);
        if (x < 0) x = x < -n ? least : x + n;
        ret[i] = x < least ? least : x > most ? most : x;
    }
    return true;
}

static size_t slice_count(const int64_t b[3]) {
    if (b[2] > 0) return b[1] > b[0] ? (size_t)((b[1] - b[0] - 1) / b[2] + 1) : 0;
    return b[0] > b[1] ? (size_t)((b[0] - b[1] - 1) / -b[2] + 1) : 0;
}

static bool slice_text(hl_trun *r, hl_tv of, const int64_t b[3], size_t n, hl_tv *ret) {
    if (!hl_trun_steps(r, of.len / 64 + (b[2] == 1 ? 0 : n))) return false;
    if (b[2] == 1 || n == 0) {
        const size_t begin = n ? hl_tstr_offset(r, of, (size_t)b[0]) : 0;
        const size_t end = n ? hl_tstr_offset(r, of, (size_t)b[1]) : 0;
        *ret = hl_tv_str((hl_view){of.u.s + begin, end - begin});
        ret->flags = of.flags;
        return true;
    }
    hl_tv *chars = NULL;
    size_t n_chars = 0;
    if (!hl_tv_to_items(r, of, &chars, &n_chars)) return false;
    const size_t mark = hl_trun_begin(r);
    for (size_t i = 0; i < n; i++) hl_trun_add(r, &r->scratch, hl_tv_view(chars[b[0] + (int64_t)i * b[2]]));
    if (!hl_trun_end(r, mark, ret)) return false;
    ret->flags = of.flags & HL_TF_MARKUP;
    return true;
}

bool hl_tv_get_slice(hl_trun *r, hl_tv of, hl_tv start, hl_tv stop, hl_tv step, hl_tv *ret) {
    const hl_tv parts[3] = {start, stop, step};
    const bool  is_seq = of.kind == HL_TK_LIST || of.kind == HL_TK_TUPLE || of.kind == HL_TK_RANGE;
    if (of.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, of);
    if (!is_seq && of.kind != HL_TK_STR) { /* the reference says so of constants, and fails for others */
        *ret = hl_tv_undefined(hl_view_of("the slice"));
        return true;
    }
    int64_t b[3];
    if (!slice_bounds(r, parts, (int64_t)(is_seq ? of.u.seq->n : hl_tstr_count(r, of)), b)) return false;
    const size_t n = slice_count(b);
    if (!is_seq) return slice_text(r, of, b, n, ret);
    if (!hl_tv_new_seq(r, (hl_tkind)of.kind, of.kind == HL_TK_RANGE ? 0 : n, ret)) return false;
    if (of.kind == HL_TK_RANGE) {
        const hl_tseq *s = of.u.seq;
        /* Numbers of the range fit; the step to one that is no part of it need not, and is never taken. */
        const uint64_t from = (uint64_t)s->start, by = (uint64_t)s->step;
        *ret->u.seq = (hl_tseq){.n = n,
                                .start = (int64_t)(from + (uint64_t)b[0] * by),
                                .step = (int64_t)(by * (uint64_t)b[2]),
                                .i_next = (size_t)(from + (uint64_t)b[1] * by),
                                .flags = s->flags};
        return true;
    }
    for (size_t i = 0; i < n; i++) ret->u.seq->items[i] = of.u.seq->items[b[0] + (int64_t)i * b[2]];
    *ret = hl_tv_made_of(*ret, of.flags);
    return true;
}
