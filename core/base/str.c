/* SPDX-License-Identifier: MIT
 *
 * str.c - the growing buffer, views, and UTF-8.
 */
#include "core/base/str.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clean.h"
#include "core/base/mem.h"

void hl_str_init(hl_str *s, size_t limit_bytes) { *s = (hl_str){.limit_bytes = limit_bytes}; }

void hl_str_done(hl_str *s) {
    hl_free(s->ptr);
    *s = (hl_str){.limit_bytes = s->limit_bytes};
}

void hl_str_clear(hl_str *s) {
    s->len = 0;
    s->failed = s->lacks_memory = false;
    if (s->ptr) s->ptr[0] = '\0';
}

static bool reserve(hl_str *s, size_t n) {
    if (s->failed) return false;
    if (n > s->limit_bytes || s->len > s->limit_bytes - n) return !(s->failed = true);
    const size_t need = s->len + n + 1;
    if (need <= s->cap) return true;
    size_t cap = s->cap ? s->cap * 2 : 64;
    if (cap < need) cap = need;
    char *p = hl_resize(s->ptr, cap, 1);
    if (!p) return !(s->failed = s->lacks_memory = true);
    s->ptr = p;
    s->cap = cap;
    return true;
}

hl_status hl_str_check(const hl_str *s, const char *what, hl_err *err) {
    enum { MIB = 1 << 20 };
    if (!s->failed) return HL_OK;
    if (s->lacks_memory) return hl_fail(err, HL_E_NOMEM, "%s: no memory", what);
    if (s->limit_bytes % MIB != 0)
        return hl_fail(err, HL_E_LIMIT, "%s: over %zu bytes", what, s->limit_bytes);
    return hl_fail(err, HL_E_LIMIT, "%s: over %zu MiB", what, s->limit_bytes / MIB);
}

void hl_str_add(hl_str *s, const char *bytes, size_t n) {
    if (!reserve(s, n)) return;
    if (n) memcpy(s->ptr + s->len, bytes, n);
    s->len += n;
    s->ptr[s->len] = '\0';
}

void hl_str_add_text(hl_str *s, const char *text) { hl_str_add(s, text, strlen(text)); }
void hl_str_add_view(hl_str *s, hl_view v) { hl_str_add(s, v.ptr, v.len); }
void hl_str_add_char(hl_str *s, char c) { hl_str_add(s, &c, 1); }

void hl_str_add_format(hl_str *s, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(s, (size_t)n)) return;
    va_start(args, fmt);
    (void)vsnprintf(s->ptr + s->len, (size_t)n + 1, fmt, args);
    va_end(args);
    s->len += (size_t)n;
}

void hl_str_add_utf8(hl_str *s, uint32_t cp) {
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) cp = 0xFFFD;
    char   b[4];
    size_t n = 0;
    if (cp < 0x80) {
        b[n++] = (char)cp;
    } else if (cp < 0x800) {
        b[n++] = (char)(0xC0 | cp >> 6);
        b[n++] = (char)(0x80 | (cp & 63));
    } else if (cp < 0x10000) {
        b[n++] = (char)(0xE0 | cp >> 12);
        b[n++] = (char)(0x80 | (cp >> 6 & 63));
        b[n++] = (char)(0x80 | (cp & 63));
    } else {
        b[n++] = (char)(0xF0 | cp >> 18);
        b[n++] = (char)(0x80 | (cp >> 12 & 63));
        b[n++] = (char)(0x80 | (cp >> 6 & 63));
        b[n++] = (char)(0x80 | (cp & 63));
    }
    hl_str_add(s, b, n);
}

/* An escape of JSON, with surrogates for what is beyond U+FFFF. */
static void add_json_escape(hl_str *s, uint32_t cp) {
    static const char names[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *p = names; *p; p += 2) {
        if ((unsigned char)*p != cp) continue;
        hl_str_add_char(s, '\\');
        hl_str_add_char(s, p[1]);
        return;
    }
    if (cp >= 0x10000) {
        hl_str_add_format(s, "\\u%04x", 0xD800 + (unsigned)((cp - 0x10000) >> 10));
        cp = 0xDC00 + (cp & 0x3FF);
    }
    hl_str_add_format(s, "\\u%04x", (unsigned)cp);
}

void hl_str_add_json(hl_str *s, hl_view v) {
    hl_str_add_char(s, '"');
    for (size_t i = 0; i < v.len;) {
        size_t plain = i; /* runs of plain letters go in one piece */
        while (plain < v.len && v.ptr[plain] >= 0x20 && v.ptr[plain] < 0x7F && v.ptr[plain] != '"' &&
               v.ptr[plain] != '\\')
            plain++;
        hl_str_add(s, v.ptr + i, plain - i);
        if ((i = plain) == v.len) break;
        uint32_t     cp = 0xFFFD;
        const size_t n = hl_utf8_read(v.ptr + i, v.len - i, &cp);
        if (cp == '"' || cp == '\\' || hl_clean_look(cp, HL_CLEAN_LINE) != HL_SHOWN_AS_IS)
            add_json_escape(s, cp);
        else
            hl_str_add_utf8(s, cp);
        i += n ? n : 1;
    }
    hl_str_add_char(s, '"');
}

const char *hl_str_text(const hl_str *s) { return s->ptr ? s->ptr : ""; }

char *hl_str_take(hl_str *s) {
    if (!reserve(s, 0)) return NULL;
    char *p = s->ptr;
    p[s->len] = '\0';
    *s = (hl_str){.limit_bytes = s->limit_bytes};
    return p;
}

hl_view hl_str_view(const hl_str *s) { return (hl_view){s->ptr, s->len}; }

hl_view hl_view_of(const char *text) { return (hl_view){text, text ? strlen(text) : 0}; }

hl_status hl_view_check_nul(hl_view v, const char *what, hl_err *err) {
    const char *nul = v.len ? memchr(v.ptr, '\0', v.len) : NULL;
    if (!nul) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "%s: the byte at %zu is NUL, expected text", what,
                   (size_t)(nul - v.ptr));
}

bool hl_view_eq(hl_view a, hl_view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool hl_view_is(hl_view v, const char *text) { return hl_view_eq(v, hl_view_of(text)); }

bool hl_view_has_prefix(hl_view v, const char *prefix) {
    const size_t n = strlen(prefix);
    return v.len >= n && memcmp(v.ptr, prefix, n) == 0;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool hl_view_take_u64(hl_view *v, uint64_t *ret) {
    uint64_t n = 0;
    size_t   i = 0;
    for (; i < v->len && v->ptr[i] >= '0' && v->ptr[i] <= '9'; i++) {
        const uint64_t digit = (uint64_t)(v->ptr[i] - '0');
        if (n > (UINT64_MAX - digit) / 10) return false;
        n = 10 * n + digit;
    }
    if (i == 0) return false;
    *v = (hl_view){v->ptr + i, v->len - i};
    *ret = n;
    return true;
}

bool hl_view_take(hl_view *v, const char *text) {
    const size_t n = strlen(text);
    if (!hl_view_has_prefix(*v, text)) return false;
    *v = (hl_view){v->ptr + n, v->len - n};
    return true;
}

hl_view hl_view_trim(hl_view v) {
    while (v.len && is_space(v.ptr[0])) v = (hl_view){v.ptr + 1, v.len - 1};
    while (v.len && is_space(v.ptr[v.len - 1])) v.len--;
    return v;
}

size_t hl_utf8_read(const char *p, size_t n, uint32_t *ret_cp) {
    if (n == 0) return 0;
    const unsigned char c = (unsigned char)p[0];
    if (c < 0x80) {
        *ret_cp = c;
        return 1;
    }
    const size_t len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || n < len) return 0;
    uint32_t cp = c & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        const unsigned char d = (unsigned char)p[i];
        if ((d & 0xC0) != 0x80) return 0;
        cp = cp << 6 | (d & 63);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (cp < least[len] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) return 0;
    *ret_cp = cp;
    return len;
}

bool hl_utf8_is_valid(const char *p, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(p + i, n - i, &cp);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

hl_text_place hl_utf8_place(hl_view text, size_t at) {
    hl_text_place place = {1, 1};
    for (size_t i = 0; i < at && i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        place.column = c == '\n' ? 1 : place.column + ((c & 0xC0) != 0x80);
        place.line += c == '\n';
    }
    return place;
}
