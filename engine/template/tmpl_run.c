/* SPDX-License-Identifier: MIT
 *
 * tmpl_run.c - one rendering's errors, limits, memory, text and names.
 */
#include "engine/template/tmpl_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_CHUNK_BYTES = 16384 };

bool hl_trun_fail(hl_trun *r, const char *fmt, ...) {
    if (r->status != HL_OK) return false;
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = hl_fail(r->err, HL_E_FORMAT, "template line %u: %s", r->line, text);
    return false;
}

bool hl_trun_fail_limit(hl_trun *r, const char *what) {
    if (r->status == HL_OK) r->status = hl_fail(r->err, HL_E_LIMIT, "template line %u: %s", r->line, what);
    return false;
}

bool hl_trun_fail_undefined(hl_trun *r, hl_tv v) {
    if (v.flags & HL_TF_UNSAFE)
        return hl_trun_fail(r, "'%.*s' is not allowed in a template", (int)v.len, v.u.s);
    return hl_trun_fail(r, "'%.*s' is undefined", (int)v.len, v.u.s ? v.u.s : "");
}

void *hl_trun_get(hl_trun *r, size_t n, size_t size) {
    void *p = r->status == HL_OK ? hl_arena_get(&r->arena, n, size) : NULL;
    if (p || r->status != HL_OK) return p;
    if (n > (r->arena.limit_bytes - r->arena.used_bytes) / size) {
        hl_trun_fail_limit(r, "needs more than 64 MiB of memory");
    } else {
        r->status = hl_fail(r->err, HL_E_NOMEM, "template line %u: no memory", r->line);
    }
    return NULL;
}

bool hl_trun_steps(hl_trun *r, uint64_t n) {
    const uint64_t before = r->n_steps;
    r->n_steps += n;
    if (r->in->stop && (before ^ r->n_steps) >> 12 &&
        atomic_load_explicit(r->in->stop, memory_order_relaxed) && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_CANCEL, "stopped");
    if (r->n_steps <= HL_TMPL_MAX_STEPS) return r->status == HL_OK;
    return hl_trun_fail_limit(r, "takes too many steps");
}

bool hl_trun_enter(hl_trun *r) {
    if (r->depth >= HL_TMPL_MAX_DEPTH) return hl_trun_fail_limit(r, "nested too deep");
    r->depth++;
    return hl_trun_steps(r, 1);
}

/* Text area: strings lie one after another, so that the last one can grow in place. */
static bool reserve_text(hl_trun *r, size_t n) {
    if ((size_t)(r->text_end - r->text_at) >= n) return true;
    const size_t bytes = n > TEXT_CHUNK_BYTES / 2 ? n + n / 2 : TEXT_CHUNK_BYTES;
    char        *p = hl_trun_get(r, bytes, 1);
    if (!p) return false;
    r->text_at = p;
    r->text_end = p + bytes;
    return true;
}

bool hl_trun_text(hl_trun *r, hl_view v, hl_tv *ret) {
    if (v.len == 0) {
        *ret = hl_tv_str((hl_view){"", 0});
        return r->status == HL_OK;
    }
    if (v.len > UINT32_MAX || !reserve_text(r, v.len)) return hl_trun_fail_limit(r, "a string is too long");
    memcpy(r->text_at, v.ptr, v.len);
    *ret = hl_tv_str((hl_view){r->text_at, v.len});
    r->text_at += v.len;
    return hl_trun_steps(r, v.len / 256);
}

bool hl_tv_join(hl_trun *r, hl_view a, hl_view b, hl_tv *ret) {
    if (a.len + b.len > UINT32_MAX) return hl_trun_fail_limit(r, "a string is too long");
    if (a.len + b.len == 0) return hl_trun_text(r, a, ret);
    const bool grows = a.len && a.ptr + a.len == r->text_at && (size_t)(r->text_end - r->text_at) >= b.len;
    if (!grows) {
        if (!reserve_text(r, a.len + b.len)) return false;
        if (a.len) memcpy(r->text_at, a.ptr, a.len);
        a.ptr = r->text_at;
        r->text_at += a.len;
    }
    if (b.len) memcpy(r->text_at, b.ptr, b.len);
    r->text_at += b.len;
    *ret = hl_tv_str((hl_view){a.ptr, a.len + b.len});
    return hl_trun_steps(r, ((grows ? 0 : a.len) + b.len) / 256);
}

bool hl_trun_check_text(hl_trun *r, const hl_str *s) {
    if (!s->failed) return true;
    if (s->len >= s->limit_bytes / 2) return hl_trun_fail_limit(r, "output is too long");
    if (r->status == HL_OK) r->status = hl_fail(r->err, HL_E_NOMEM, "template line %u: no memory", r->line);
    return false;
}

bool hl_trun_end(hl_trun *r, size_t mark, hl_tv *ret) {
    if (!hl_trun_check_text(r, &r->scratch)) return false;
    const size_t  n = r->scratch.len - mark;
    const hl_view text = {n ? r->scratch.ptr + mark : "", n};
    const bool    ok = hl_trun_text(r, text, ret);
    r->scratch.len = mark;
    return ok;
}

bool hl_tscope_set(hl_trun *r, hl_tscope *s, const hl_tsym *name, hl_tv value) {
    for (uint32_t i = s->n; i-- > 0;)
        if (s->vars[i].name == name) {
            s->vars[i].value = value;
            return true;
        }
    if (s->n == s->cap) {
        const uint32_t cap = s->cap ? s->cap * 2 : 8;
        hl_tvar       *vars = hl_trun_get(r, cap, sizeof *vars);
        if (!vars) return false;
        if (s->n) memcpy(vars, s->vars, s->n * sizeof *vars);
        s->vars = vars;
        s->cap = cap;
    }
    s->vars[s->n++] = (hl_tvar){name, value};
    return true;
}

static const hl_tv *find_in_scope(const hl_tscope *s, const hl_tsym *name) {
    for (uint32_t i = s->n; i-- > 0;)
        if (s->vars[i].name == name) return &s->vars[i].value;
    return NULL;
}

/* Blocks from the inside out, then the caller's context, then builtins. */
bool hl_trun_find_name(hl_trun *r, const hl_tsym *name, hl_tv *ret) {
    for (const hl_tscope *s = r->scope; s; s = s->parent) {
        const hl_tv *hit = find_in_scope(s, name);
        if (hit && hit->kind != HL_TK_MISSING) {
            *ret = *hit;
            return true;
        }
    }
    const hl_tv *hit = find_in_scope(r->globals, name);
    if (hit) {
        *ret = *hit;
        return true;
    }
    const json_t *j = json_object_get(r->in->trusted, name->text.ptr);
    if (!j) j = json_object_get(r->in->context, name->text.ptr);
    const hl_tdef *def = j ? NULL : hl_tglobal_find(name->text);
    if (j) {
        if (!hl_tv_from_json(r, j, ret)) return false;
    } else if (def) {
        *ret = (hl_tv){.kind = HL_TK_BUILTIN, .u.def = def};
    } else {
        *ret = hl_tv_undefined(name->text);
    }
    return hl_tscope_set(r, r->globals, name, *ret);
}
