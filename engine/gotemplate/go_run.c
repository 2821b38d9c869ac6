/* SPDX-License-Identifier: MIT
 *
 * go_run.c - one rendering's errors, limits, memory and text.
 */
#include "engine/gotemplate/go_run.h"

#include <stdio.h>
#include <string.h>

#include "core/base/stop.h"

bool hl_go_fail(hl_go_run *r, const char *fmt, ...) {
    if (r->status != HL_OK) return false;
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = hl_go_fail_at(r->t, HL_E_FORMAT, r->at, r->err, "%s", text);
    return false;
}

bool hl_go_fail_limit(hl_go_run *r, const char *what) {
    if (r->status == HL_OK) r->status = hl_go_fail_at(r->t, HL_E_LIMIT, r->at, r->err, "%s", what);
    return false;
}

bool hl_go_fail_memory(hl_go_run *r) {
    if (r->status == HL_OK) r->status = hl_fail(r->err, HL_E_NOMEM, "template: no memory");
    return false;
}

void *hl_go_get(hl_go_run *r, size_t n, size_t size) {
    void *p = r->status == HL_OK ? hl_arena_get(&r->arena, n, size) : NULL;
    if (p || r->status != HL_OK) return p;
    if (n >= (r->arena.limit_bytes - r->arena.used_bytes) / size)
        (void)hl_go_fail_limit(r, "needs more than 64 MiB of memory");
    else
        (void)hl_go_fail_memory(r);
    return NULL;
}

bool hl_go_steps(hl_go_run *r, uint64_t n) {
    const uint64_t before = r->n_steps;
    r->n_steps += n;
    if ((before ^ r->n_steps) >> 12 && r->status == HL_OK)
        r->status = hl_stop_check("render the template", r->err);
    if (r->n_steps <= HL_GO_MAX_STEPS) return r->status == HL_OK;
    return hl_go_fail_limit(r, "takes too many steps");
}

bool hl_go_enter(hl_go_run *r) {
    if (r->depth >= HL_GO_MAX_DEPTH) return hl_go_fail_limit(r, "nested too deep");
    if (!hl_go_steps(r, 1)) return false;
    r->depth++;
    return true;
}

/* ---- Text ---- */

bool hl_go_check_text(hl_go_run *r, const hl_tainted *t) {
    if (!t->text.failed) return r->status == HL_OK;
    if (t->text.len >= t->text.limit_bytes / 2) return hl_go_fail_limit(r, "the text is too long");
    return hl_go_fail_memory(r);
}

void hl_go_cut(hl_tainted *t, size_t len) {
    if (t->text.len <= len) return;
    t->text.len = len;
    t->text.ptr[len] = '\0';
    while (t->n_tainted > 0 && t->tainted[t->n_tainted - 1].begin >= len) t->n_tainted--;
    if (t->n_tainted > 0 && t->tainted[t->n_tainted - 1].end > len) t->tainted[t->n_tainted - 1].end = len;
}

/* The first span that ends behind `at`. */
static size_t find_span(const hl_span *spans, size_t n, size_t at) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (spans[mid].end > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* The spans of [begin, end), relative to begin. */
static bool copy_spans(hl_go_run *r, const hl_span *from, size_t n, size_t begin, size_t end,
                       hl_go_string *to) {
    const size_t lo = find_span(from, n, begin);
    size_t       hi = lo;
    while (hi < n && from[hi].begin < end) hi++;
    if (hi == lo) return true;
    hl_span *spans = hl_go_get(r, hi - lo, sizeof *spans);
    if (!spans) return false;
    for (size_t i = lo; i < hi; i++) {
        const size_t b = from[i].begin > begin ? from[i].begin : begin,
                     e = from[i].end < end ? from[i].end : end;
        spans[i - lo] = (hl_span){b - begin, e - begin};
    }
    to->spans = spans;
    to->n_spans = hi - lo;
    return true;
}

bool hl_go_new_string(hl_go_run *r, hl_view text, bool is_outside, hl_go_value *ret) {
    hl_go_string *s = hl_go_get(r, 1, sizeof *s);
    if (!s) return false;
    *s = (hl_go_string){.ptr = text.ptr ? text.ptr : "", .len = text.len};
    *ret = (hl_go_value){.type = &hl_go_type_string, .is_outside = is_outside, .u.s = s};
    return true;
}

bool hl_go_end(hl_go_run *r, size_t mark, hl_go_value *ret) {
    hl_tainted   *t = &r->scratch;
    const size_t  n = t->text.len - mark;
    hl_go_string *s = NULL;
    if (!hl_go_check_text(r, t) || !hl_go_steps(r, n / 256)) return false;
    s = hl_go_get(r, 1, sizeof *s);
    char *copy = s ? hl_go_get(r, n + 1, 1) : NULL;
    if (!copy) return false;
    if (n) memcpy(copy, t->text.ptr + mark, n);
    *s = (hl_go_string){.ptr = copy, .len = n};
    if (!copy_spans(r, t->tainted, t->n_tainted, mark, t->text.len, s)) return false;
    hl_go_cut(t, mark);
    *ret = (hl_go_value){.type = &hl_go_type_string, .u.s = s};
    return true;
}

bool hl_go_add_piece(hl_go_run *r, hl_tainted *to, hl_go_value v, size_t begin, size_t end) {
    const hl_go_string *s = v.u.s;
    if (v.is_outside || s->n_spans == 0) {
        hl_tainted_add(to, (hl_view){s->ptr + begin, end - begin}, v.is_outside);
        return hl_go_steps(r, (end - begin) / 256);
    }
    const size_t first = find_span(s->spans, s->n_spans, begin);
    size_t       at = begin, i = first;
    for (; i < s->n_spans && s->spans[i].begin < end; i++) {
        const size_t b = s->spans[i].begin > at ? s->spans[i].begin : at,
                     e = s->spans[i].end < end ? s->spans[i].end : end;
        hl_tainted_add(to, (hl_view){s->ptr + at, b - at}, false);
        hl_tainted_add(to, (hl_view){s->ptr + b, e - b}, true);
        at = e;
    }
    hl_tainted_add(to, (hl_view){s->ptr + at, end - at}, false);
    return hl_go_steps(r, 1 + i - first + (end - begin) / 256);
}
