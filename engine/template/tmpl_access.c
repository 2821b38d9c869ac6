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
    *ret_unsafe = false;
    if (of.kind != HL_TK_STR && of.kind != HL_TK_DICT && of.kind != HL_TK_LIST && of.kind != HL_TK_TUPLE &&
        of.kind != HL_TK_RANGE && of.kind != HL_TK_LOOP && of.kind != HL_TK_CYCLER)
        return NULL;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].kind != of.kind || !hl_view_is(name, methods[i].def.name)) continue;
        *ret_unsafe = methods[i].def.fn == NULL;
        return *ret_unsafe ? NULL : &methods[i].def;
    }
    return NULL;
}

size_t hl_tloop_length(const hl_tloop *l) { return l->n; }

static hl_tv loop_item(const hl_tloop *l, size_t i) {
    return l->items ? l->items[i] : hl_tseq_at(l->of.u.seq, i);
}

static bool loop_attr(const hl_tloop *l, hl_view name, hl_tv *ret) {
    const int64_t i = (int64_t)l->i, n = (int64_t)l->n;
    if (hl_view_is(name, "index0"))
        *ret = hl_tv_int(i);
    else if (hl_view_is(name, "index"))
        *ret = hl_tv_int(i + 1);
    else if (hl_view_is(name, "first"))
        *ret = hl_tv_bool(i == 0);
    else if (hl_view_is(name, "last"))
        *ret = hl_tv_bool(i + 1 == n);
    else if (hl_view_is(name, "length"))
        *ret = hl_tv_int(n);
    else if (hl_view_is(name, "revindex"))
        *ret = hl_tv_int(n - i);
    else if (hl_view_is(name, "revindex0"))
        *ret = hl_tv_int(n - i - 1);
    else if (hl_view_is(name, "depth"))
        *ret = hl_tv_int(l->depth0 + 1);
    else if (hl_view_is(name, "depth0"))
        *ret = hl_tv_int(l->depth0);
    else if (hl_view_is(name, "previtem"))
        *ret = i > 0 ? loop_item(l, l->i - 1) : hl_tv_undefined(hl_view_of("loop.previtem"));
    else if (hl_view_is(name, "nextitem"))
        *ret = i + 1 < n ? loop_item(l, l->i + 1) : hl_tv_undefined(hl_view_of("loop.nextitem"));
    else
        return false;
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
    if (of.kind == HL_TK_LOOP && loop_attr(of.u.loop, name, ret)) return true;
    if (seq_attr(of, name, ret)) return true;
    if (of.kind == HL_TK_NAMESPACE) {
        const hl_tv *hit = hl_tdict_find_text(r, of.u.dict, name);
        *ret_found = hit != NULL;
        if (hit) *ret = *hit;
        return true;
    }
    if (of.kind == HL_TK_MACRO && hl_view_is(name, "name")) {
        *ret = hl_tv_str(of.u.macro->node->sym->text);
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

static bool is_hashable(hl_tv v) { return v.kind != HL_TK_LIST && v.kind != HL_TK_DICT; }

static bool find_item(hl_trun *r, hl_tv of, hl_tv key, hl_tv *ret, bool *ret_found) {
    *ret_found = false;
    if (of.kind == HL_TK_DICT) {
        hl_tv *hit = NULL;
        if (is_hashable(key) && !hl_tdict_find(r, of.u.dict, key, &hit)) return false;
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

bool hl_tv_get_path(hl_trun *r, hl_tv of, hl_tv path, hl_tv *ret) {
    if (path.kind != HL_TK_STR) return hl_tv_get_item(r, of, path, ret);
    for (hl_view rest = hl_tv_view(path);;) {
        const char  *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
        const size_t n = dot ? (size_t)(dot - rest.ptr) : rest.len;
        hl_tv        key = hl_tv_str((hl_view){rest.ptr, n});
        int64_t      number = 0;
        size_t       n_digits = 0;
        while (n_digits < n && n_digits < 9 && rest.ptr[n_digits] >= '0' && rest.ptr[n_digits] <= '9')
            number = number * 10 + (rest.ptr[n_digits++] - '0');
        if (n > 0 && n_digits == n) key = hl_tv_int(number);
        if (!hl_tv_get_item(r, of, key, &of)) return false;
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
    return hl_trun_end(r, mark, ret);
}

bool hl_tv_get_slice(hl_trun *r, hl_tv of, hl_tv start, hl_tv stop, hl_tv step, hl_tv *ret) {
    const hl_tv parts[3] = {start, stop, step};
    const bool  is_seq = of.kind == HL_TK_LIST || of.kind == HL_TK_TUPLE || of.kind == HL_TK_RANGE;
    if (of.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, of);
    if (!is_seq && of.kind != HL_TK_STR) return hl_trun_fail(r, "%s cannot be sliced", hl_tv_type_name(of));
    int64_t b[3];
    if (!slice_bounds(r, parts, (int64_t)(is_seq ? of.u.seq->n : hl_tstr_count(r, of)), b)) return false;
    const size_t n = slice_count(b);
    if (!is_seq) return slice_text(r, of, b, n, ret);
    if (!hl_tv_new_seq(r, (hl_tkind)of.kind, of.kind == HL_TK_RANGE ? 0 : n, ret)) return false;
    if (of.kind == HL_TK_RANGE) {
        const hl_tseq *s = of.u.seq;
        *ret->u.seq = (hl_tseq){.n = n,
                                .start = s->start + b[0] * s->step,
                                .step = s->step * b[2],
                                .i_next = (size_t)(s->start + b[1] * s->step),
                                .flags = s->flags};
        return true;
    }
    for (size_t i = 0; i < n; i++) ret->u.seq->items[i] = of.u.seq->items[b[0] + (int64_t)i * b[2]];
    *ret = hl_tv_made_of(*ret, of.flags);
    return true;
}
