/* SPDX-License-Identifier: MIT
 *
 * stop_strings.c - one buffer of undecided text, and what of it is certain.
 */
#include "core/base/stop_strings.h"

#include <string.h>

#include "core/base/mem.h"

enum { PENDING_LIMIT_BYTES = 64 << 20 };

static bool copy_strings(hl_stop_strings *s, const char *const *strings, size_t n) {
    size_t n_bytes = n * sizeof *s->each;
    for (size_t i = 0; i < n; i++) n_bytes += strlen(strings[i]) + 1;
    if (n == 0) return true;
    s->each = hl_new(1, n_bytes);
    if (!s->each) return false;
    char *at = (char *)(s->each + n);
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(strings[i]) + 1;
        s->each[i] = memcpy(at, strings[i], len);
        at += len;
    }
    s->n = n;
    return true;
}

void hl_stop_strings_init(hl_stop_strings *s, const char *const *strings, size_t n) {
    *s = (hl_stop_strings){.each = NULL};
    hl_str_init(&s->pending, PENDING_LIMIT_BYTES);
    hl_str_init(&s->kinds, PENDING_LIMIT_BYTES);
    s->failed = !copy_strings(s, strings, n);
}

void hl_stop_strings_done(hl_stop_strings *s) {
    hl_str_done(&s->pending);
    hl_str_done(&s->kinds);
    hl_free(s->each);
}

void hl_stop_strings_clear(hl_stop_strings *s) {
    hl_str_clear(&s->pending);
    hl_str_clear(&s->kinds);
    s->stopped = false;
    s->number = 0;
}

static size_t find(const hl_str *s, const char *needle, size_t n) {
    if (n == 0 || n > s->len) return SIZE_MAX;
    for (size_t i = 0; i + n <= s->len; i++)
        if (s->ptr[i] == needle[0] && memcmp(s->ptr + i, needle, n) == 0) return i;
    return SIZE_MAX;
}

/* Length of the longest end of s that begins `needle` without being all of it. */
static size_t overlap(const hl_str *s, const char *needle, size_t n) {
    size_t k = n - 1 < s->len ? n - 1 : s->len;
    for (; k > 0; k--)
        if (memcmp(s->ptr + s->len - k, needle, k) == 0) return k;
    return 0;
}

/* Cut the text at the earliest string; returns how many bytes at the front are certain. */
static size_t cut(hl_stop_strings *s) {
    size_t first = SIZE_MAX;
    size_t held = 0;
    for (size_t i = 0; i < s->n; i++) {
        const size_t n = strlen(s->each[i]);
        if (n == 0) continue;
        const size_t at = find(&s->pending, s->each[i], n);
        if (at < first) {
            first = at;
            s->number = i + 1;
        }
        const size_t k = overlap(&s->pending, s->each[i], n);
        if (k > held) held = k;
    }
    if (first == SIZE_MAX) return s->pending.len - held;
    s->stopped = true;
    return first;
}

/* Hand out n bytes, stretch by stretch of one kind. */
static bool hand_out(hl_stop_strings *s, size_t n, hl_stop_strings_fn *fn, void *user) {
    hl_str *const both[] = {&s->pending, &s->kinds};
    bool          ok = true;
    for (size_t at = 0, end = 0; ok && at < n; at = end) {
        const char kind = s->kinds.ptr[at];
        while (end < n && s->kinds.ptr[end] == kind) end++;
        ok = fn(user, (hl_view){s->pending.ptr + at, end - at}, kind);
    }
    for (int i = 0; i < 2 && n > 0; i++) {
        hl_str *of = both[i];
        memmove(of->ptr, of->ptr + n, of->len - n);
        of->len -= n;
        of->ptr[of->len] = '\0';
    }
    return ok;
}

bool hl_stop_strings_feed(hl_stop_strings *s, hl_view text, char kind, hl_stop_strings_fn *fn, void *user) {
    if (s->stopped || s->failed || text.len == 0) return true;
    if (s->n == 0) return fn(user, text, kind);
    hl_str_add_view(&s->pending, text);
    for (size_t i = 0; i < text.len; i++) hl_str_add_char(&s->kinds, kind);
    s->failed = s->pending.failed || s->kinds.failed;
    return s->failed || hand_out(s, cut(s), fn, user);
}

bool hl_stop_strings_flush(hl_stop_strings *s, hl_stop_strings_fn *fn, void *user) {
    return s->stopped || s->failed || hand_out(s, s->pending.len, fn, user);
}
