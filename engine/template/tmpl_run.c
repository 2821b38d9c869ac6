/* SPDX-License-Identifier: MIT
 *
 * tmpl_run.c - one rendering's errors, limits, memory, text and names.
 */
#include "engine/template/tmpl_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/stop.h"

enum { CHUNK_BYTES = 16 << 10, LOOK_STEPS = 4096, FEW = 16 };

bool hl_tmpl_run_fail(hl_tmpl_run *r, const char *fmt, ...) {
    if (r->status != HL_OK) return false;
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = hl_fail(r->err, HL_E_FORMAT, "template line %u: %s", r->line, text);
    return false;
}

bool hl_tmpl_run_fail_limit(hl_tmpl_run *r, const char *what) {
    if (r->status == HL_OK) r->status = hl_fail(r->err, HL_E_LIMIT, "template line %u: %s", r->line, what);
    return false;
}

bool hl_tmpl_run_fail_undefined(hl_tmpl_run *r, hl_tmpl_value v) {
    if (v.flags & HL_TMPL_FLAG_UNSAFE)
        return hl_tmpl_run_fail(r, "'%.*s' is not allowed in a template", (int)v.len, v.u.s);
    return hl_tmpl_run_fail(r, "'%.*s' is undefined", (int)v.len, v.u.s ? v.u.s : "");
}

void *hl_tmpl_run_get(hl_tmpl_run *r, size_t n, size_t size) {
    void *p = r->status == HL_OK ? hl_arena_get(&r->arena, n, size) : NULL;
    if (p || r->status != HL_OK) return p;
    if (n > (r->arena.limit_bytes - r->arena.used_bytes) / size) {
        hl_tmpl_run_fail_limit(r, "needs more than 128 MiB of memory");
    } else {
        r->status = hl_fail(r->err, HL_E_NOMEM, "template line %u: no memory", r->line);
    }
    return NULL;
}

bool hl_tmpl_run_steps(hl_tmpl_run *r, uint64_t n) {
    r->n_steps += n;
    if (r->n_steps < r->n_steps_look) return r->status == HL_OK;
    r->n_steps_look = r->n_steps + LOOK_STEPS;
    if (r->status == HL_OK) r->status = hl_stop_check("render the template", r->err);
    if (r->n_steps <= (r->in->max_steps ? r->in->max_steps : HL_TMPL_MAX_STEPS)) return r->status == HL_OK;
    return hl_tmpl_run_fail_limit(r, "takes too many steps");
}

bool hl_tmpl_run_enter(hl_tmpl_run *r) {
    if (r->depth >= HL_TMPL_MAX_DEPTH) return hl_tmpl_run_fail_limit(r, "nested too deep");
    r->depth++;
    return hl_tmpl_run_steps(r, 1);
}

const hl_tmpl_own_texts hl_tmpl_own = {
    .blank = {' '},
    .zero = {'0'},
    .newline = {'\n'},
    .comma = {','},
    .comma_blank = {',', ' '},
    .colon_blank = {':', ' '},
    .dots = {'.', '.', '.'},
    .indent = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ',
               ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ',
               ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ',
               ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '},
};

/* Places are compared as numbers: most are in other objects than the one asked about. */
static bool lies_in(const char *p, const void *begin, size_t n) {
    return (uintptr_t)p - (uintptr_t)begin < n;
}

static bool marks_in(const hl_tmpl_chunk *c, const char *p, hl_tmpl_origin *ret) {
    if (!lies_in(p, c->text, c->n_bytes)) return false;
    *ret = (hl_tmpl_origin){c->marks + (p - c->text), false};
    return true;
}

/* How many chunks begin at p or before? */
static size_t chunks_before(const hl_tmpl_run *r, const char *p) {
    size_t lo = 0, hi = r->n_chunks;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if ((uintptr_t)r->chunks[mid].text <= (uintptr_t)p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

hl_tmpl_origin hl_tmpl_run_origin(const hl_tmpl_run *r, const char *p) {
    hl_tmpl_origin from = {NULL, false};
    if (marks_in(&r->chunk, p, &from) || lies_in(p, r->t->text, r->t->text_bytes) ||
        lies_in(p, &hl_tmpl_own, sizeof hl_tmpl_own))
        return from;
    const size_t n = chunks_before(r, p);
    if (n == 0 || !marks_in(&r->chunks[n - 1], p, &from)) from.outside = true;
    return from;
}

void hl_tmpl_run_add(hl_tmpl_run *r, hl_tmpl_out *to, hl_view v) {
    if (v.len) hl_tmpl_out_add(to, v, hl_tmpl_run_origin(r, v.ptr));
}

bool hl_tmpl_run_is_outside(const hl_tmpl_run *r, hl_view v) {
    if (v.len == 0) return false;
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, v.ptr);
    return from.marks ? memchr(from.marks, 1, v.len) != NULL : from.outside;
}

static bool add_chunk(hl_tmpl_run *r, hl_tmpl_chunk c) {
    if (r->n_chunks == r->chunks_cap) {
        const size_t   cap = r->chunks_cap ? r->chunks_cap * 2 : 16;
        hl_tmpl_chunk *more = hl_tmpl_run_get(r, cap, sizeof *more);
        if (!more) return false;
        if (r->n_chunks) memcpy(more, r->chunks, r->n_chunks * sizeof *more);
        r->chunks = more;
        r->chunks_cap = cap;
    }
    const size_t at = chunks_before(r, c.text);
    memmove(r->chunks + at + 1, r->chunks + at, (r->n_chunks - at) * sizeof c);
    r->chunks[at] = r->chunk = c;
    r->n_chunks++;
    return true;
}

/* Text area: strings lie one after another, so that the last one can grow in place. */
static bool reserve_text(hl_tmpl_run *r, size_t n) {
    if ((size_t)(r->text_end - r->text_at) >= n) return true;
    const size_t bytes = n > CHUNK_BYTES / 2 ? n + n / 2 : CHUNK_BYTES;
    char        *p = hl_tmpl_run_get(r, 2, bytes);
    if (!p || !add_chunk(r, (hl_tmpl_chunk){.text = p, .marks = p + bytes, .n_bytes = bytes})) return false;
    r->text_at = p;
    r->text_end = p + bytes;
    return true;
}

/* Append to the text area, where there is room. */
static void put_text(hl_tmpl_run *r, hl_view v, hl_tmpl_origin from) {
    if (v.len == 0) return;
    char *marks = r->text_at + r->chunk.n_bytes;
    memcpy(r->text_at, v.ptr, v.len);
    if (from.marks)
        memcpy(marks, from.marks, v.len);
    else
        memset(marks, from.outside, v.len);
    r->text_at += v.len;
}

static bool text_from(hl_tmpl_run *r, hl_view v, hl_tmpl_origin from, hl_tmpl_value *ret) {
    if (v.len == 0) {
        *ret = hl_tmpl_str((hl_view){"", 0});
        return r->status == HL_OK;
    }
    if (v.len > HL_TMPL_MAX_TEXT_BYTES) return hl_tmpl_run_fail_limit(r, "a string is too long");
    if (!reserve_text(r, v.len)) return false;
    *ret = hl_tmpl_str((hl_view){r->text_at, v.len});
    put_text(r, v, from);
    return hl_tmpl_run_steps(r, v.len / 256);
}

bool hl_tmpl_run_text(hl_tmpl_run *r, hl_view v, hl_tmpl_value *ret) {
    return text_from(r, v, hl_tmpl_run_origin(r, v.ptr), ret);
}

bool hl_tmpl_run_text_of(hl_tmpl_run *r, hl_view v, bool outside, hl_tmpl_value *ret) {
    return text_from(r, v, (hl_tmpl_origin){NULL, outside}, ret);
}

bool hl_tmpl_join(hl_tmpl_run *r, hl_view a, hl_view b, hl_tmpl_value *ret) {
    if (a.len + b.len > HL_TMPL_MAX_TEXT_BYTES) return hl_tmpl_run_fail_limit(r, "a string is too long");
    if (a.len + b.len == 0) return hl_tmpl_run_text(r, a, ret);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, b.ptr);
    const bool grows = a.len && a.ptr + a.len == r->text_at && (size_t)(r->text_end - r->text_at) >= b.len;
    if (!grows) {
        const hl_tmpl_origin from_a = hl_tmpl_run_origin(r, a.ptr);
        if (!reserve_text(r, a.len + b.len)) return false;
        const char *begin = r->text_at;
        put_text(r, a, from_a);
        a.ptr = begin;
    }
    put_text(r, b, from);
    *ret = hl_tmpl_str((hl_view){a.ptr, a.len + b.len});
    return hl_tmpl_run_steps(r, ((grows ? 0 : a.len) + b.len) / 256);
}

bool hl_tmpl_run_check_text(hl_tmpl_run *r, const hl_tmpl_out *s) {
    if (!s->failed) return true;
    if (s->is_full) return hl_tmpl_run_fail_limit(r, "output is too long");
    if (r->status == HL_OK) r->status = hl_fail(r->err, HL_E_NOMEM, "template line %u: no memory", r->line);
    return false;
}

bool hl_tmpl_run_end(hl_tmpl_run *r, size_t mark, hl_tmpl_value *ret) {
    if (!hl_tmpl_run_check_text(r, &r->scratch)) return false;
    const size_t  n = r->scratch.len - mark;
    const hl_view text = {n ? r->scratch.text + mark : "", n};
    const bool    ok = text_from(r, text, (hl_tmpl_origin){n ? r->scratch.marks + mark : NULL, false}, ret);
    r->scratch.len = mark;
    return ok;
}

/* Names of a scope: one by one while they are few, then by a table of places + 1, 0 where free. */
static uint32_t *slot_of(const hl_tmpl_scope *s, const hl_tmpl_symbol *name) {
    uint32_t at = name->hash & (s->n_slots - 1);
    while (s->slots[at] && s->vars[s->slots[at] - 1].name != name) at = (at + 1) & (s->n_slots - 1);
    return &s->slots[at];
}

static hl_tmpl_var *find_in_scope(const hl_tmpl_scope *s, const hl_tmpl_symbol *name) {
    if (s->n_slots) {
        const uint32_t *slot = slot_of(s, name);
        return *slot ? &s->vars[*slot - 1] : NULL;
    }
    for (uint32_t i = s->n; i-- > 0;)
        if (s->vars[i].name == name) return &s->vars[i];
    return NULL;
}

void hl_tmpl_scope_clear(hl_tmpl_scope *s) {
    s->n = 0;
    if (s->n_slots) memset(s->slots, 0, s->n_slots * sizeof *s->slots);
}

static bool grow_scope(hl_tmpl_run *r, hl_tmpl_scope *s) {
    const uint32_t cap = s->cap ? s->cap * 2 : 8;
    hl_tmpl_var   *vars = hl_tmpl_run_get(r, cap, sizeof *vars);
    if (!vars) return false;
    if (s->n) memcpy(vars, s->vars, s->n * sizeof *vars);
    s->vars = vars;
    s->cap = cap;
    if (cap <= FEW) return hl_tmpl_run_steps(r, cap / 8);
    if (!(s->slots = hl_tmpl_run_get(r, cap, 2 * sizeof *s->slots))) return false;
    s->n_slots = cap * 2;
    for (uint32_t i = 0; i < s->n; i++) *slot_of(s, vars[i].name) = i + 1;
    return hl_tmpl_run_steps(r, cap / 8);
}

bool hl_tmpl_scope_set(hl_tmpl_run *r, hl_tmpl_scope *s, const hl_tmpl_symbol *name, hl_tmpl_value value) {
    hl_tmpl_var *known = find_in_scope(s, name);
    if (known) {
        known->value = value;
        return true;
    }
    if (s->n == s->cap && !grow_scope(r, s)) return false;
    s->vars[s->n++] = (hl_tmpl_var){name, value};
    if (s->n_slots) *slot_of(s, name) = s->n;
    return true;
}

/* Blocks from the inside out, then the caller's context, then builtins. */
bool hl_tmpl_run_find_name(hl_tmpl_run *r, const hl_tmpl_symbol *name, hl_tmpl_value *ret) {
    for (const hl_tmpl_scope *s = r->scope; s; s = s->parent) {
        const hl_tmpl_var *hit = find_in_scope(s, name);
        r->n_steps++; /* looked at where the next statement or operator counts */
        if (hit) {
            *ret = hit->value;
            return true;
        }
    }
    const hl_tmpl_var *hit = find_in_scope(r->globals, name);
    if (hit) {
        *ret = hit->value;
        return true;
    }
    const json_t *trusted = json_object_getn(r->in->trusted, name->text.ptr, name->text.len);
    const json_t *j = trusted ? trusted : json_object_getn(r->in->context, name->text.ptr, name->text.len);
    const hl_tmpl_builtin *def = j ? NULL : hl_tmpl_global_find(name->text);
    if (j) {
        if (!hl_tmpl_from_json(r, j, !trusted, ret)) return false;
    } else if (def) {
        *ret = (hl_tmpl_value){.kind = HL_TMPL_VALUE_BUILTIN, .u.def = def};
    } else {
        *ret = hl_view_is(name->text, "self") ? (hl_tmpl_value){.kind = HL_TMPL_VALUE_SELF}
                                              : hl_tmpl_undefined(name->text);
    }
    return hl_tmpl_scope_set(r, r->globals, name, *ret);
}
