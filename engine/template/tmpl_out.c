/* SPDX-License-Identifier: MIT
 *
 * tmpl_out.c - text and marks, side by side.
 */
#include "engine/template/tmpl_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

enum { FIRST_BYTES = 1024 };

void hl_tmpl_out_init(hl_tmpl_out *to, size_t limit_bytes) {
    *to = (hl_tmpl_out){.limit_bytes = limit_bytes};
}

void hl_tmpl_out_done(hl_tmpl_out *to) {
    hl_free(to->text);
    hl_free(to->marks);
    *to = (hl_tmpl_out){0};
}

static bool grow(hl_tmpl_out *to, size_t n) {
    size_t cap = to->cap ? to->cap : FIRST_BYTES;
    to->is_full = n > to->limit_bytes - to->len;
    while (!to->is_full && cap < to->len + n) cap *= 2;
    char *text = to->is_full ? NULL : hl_resize(to->text, cap, 1);
    if (text) to->text = text;
    char *marks = text ? hl_resize(to->marks, cap, 1) : NULL;
    if (marks) to->marks = marks;
    if (marks) to->cap = cap;
    to->failed = !marks;
    return marks;
}

/* Place for n more bytes, which are marked; NULL without it. */
static char *take(hl_tmpl_out *to, size_t n, bool outside) {
    if (to->failed || (to->cap - to->len < n && !grow(to, n))) return NULL;
    char *p = to->text + to->len;
    memset(to->marks + to->len, outside, n);
    to->len += n;
    return p;
}

static void give(hl_tmpl_out *to, hl_view v, bool outside) {
    hl_tainted_add(to->into, v, outside);
    to->failed = to->into->text.failed;
    to->is_full = to->failed && v.len > to->into->text.limit_bytes - to->into->text.len;
}

void hl_tmpl_out_put(hl_tmpl_out *to, hl_view v, bool outside) {
    if (to->into) {
        give(to, v, outside);
        return;
    }
    char *p = v.len ? take(to, v.len, outside) : NULL;
    if (p) memcpy(p, v.ptr, v.len);
}

/* Stretches of bytes of one origin. */
static void give_runs(hl_tmpl_out *to, hl_view v, const char *marks) {
    for (size_t i = 0; i < v.len;) {
        const char  *end = memchr(marks + i, !marks[i], v.len - i);
        const size_t n = end ? (size_t)(end - marks) - i : v.len - i;
        give(to, (hl_view){v.ptr + i, n}, marks[i]);
        i += n;
    }
}

void hl_tmpl_out_add(hl_tmpl_out *to, hl_view v, hl_tmpl_origin from) {
    if (to->into && from.marks) {
        give_runs(to, v, from.marks);
    } else if (to->into || !from.marks) {
        hl_tmpl_out_put(to, v, from.outside);
    } else {
        char *p = v.len ? take(to, v.len, false) : NULL;
        if (!p) return;
        memcpy(p, v.ptr, v.len);
        memcpy(to->marks + (p - to->text), from.marks, v.len);
    }
}

void hl_tmpl_out_text(hl_tmpl_out *to, const char *text, bool outside) {
    hl_tmpl_out_put(to, hl_view_of(text), outside);
}

void hl_tmpl_out_char(hl_tmpl_out *to, char c, bool outside) {
    hl_tmpl_out_put(to, (hl_view){&c, 1}, outside);
}

void hl_tmpl_out_utf8(hl_tmpl_out *to, uint32_t cp, bool outside) {
    char   c[4];
    size_t n = 1;
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) cp = 0xFFFD;
    if (cp < 0x80) {
        c[0] = (char)cp;
    } else {
        n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        for (size_t i = n; i-- > 1; cp >>= 6) c[i] = (char)(0x80 | (cp & 0x3F));
        c[0] = (char)((0xF00 >> n & 0xF0) | cp);
    }
    hl_tmpl_out_put(to, (hl_view){c, n}, outside);
}

void hl_tmpl_out_format(hl_tmpl_out *to, bool outside, const char *fmt, ...) {
    char    text[128]; /* numbers and names; longer text is appended as such */
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        to->failed = true;
    else
        hl_tmpl_out_put(to, (hl_view){text, (size_t)n}, outside);
}
