/* SPDX-License-Identifier: MIT
 *
 * answer_text.c - stop strings first, then thinking tags, on one buffer of undecided text.
 */
#include "engine/runner/answer_text.h"

#include <string.h>

enum { PENDING_LIMIT_BYTES = 16 << 20 };

static const char open_tag[] = "<think>";
static const char close_tag[] = "</think>";

void hl_answer_text_init(hl_answer_text *a, const char *const *stops, size_t n_stops, bool splits_thinking,
                         bool starts_thinking) {
    *a = (hl_answer_text){.stops = stops, .n_stops = n_stops};
    hl_str_init(&a->pending, PENDING_LIMIT_BYTES);
    hl_str_init(&a->hidden, PENDING_LIMIT_BYTES);
    a->phase = !splits_thinking ? HL_ANSWER_PLAIN : starts_thinking ? HL_ANSWER_THINKING : HL_ANSWER_START;
}

void hl_answer_text_done(hl_answer_text *a) {
    hl_str_done(&a->pending);
    hl_str_done(&a->hidden);
}

static void drop_front(hl_answer_text *a, size_t n) {
    hl_str *const both[] = {&a->pending, &a->hidden};
    for (int i = 0; i < 2; i++) {
        hl_str *s = both[i];
        memmove(s->ptr, s->ptr + n, s->len - n);
        s->len -= n;
        s->ptr[s->len] = '\0';
    }
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

/* Cut the text at the earliest stop string; returns how many bytes at the front are certain. */
static size_t apply_stops(hl_answer_text *a) {
    size_t cut = SIZE_MAX;
    size_t held = 0;
    for (size_t i = 0; i < a->n_stops; i++) {
        const size_t n = strlen(a->stops[i]);
        if (n == 0) continue;
        const size_t at = find(&a->pending, a->stops[i], n);
        if (at < cut) {
            cut = at;
            a->stop_number = i + 1;
        }
        const size_t k = overlap(&a->pending, a->stops[i], n);
        if (k > held) held = k;
    }
    if (cut == SIZE_MAX) return a->pending.len - held;
    a->stopped = true;
    a->pending.len = a->hidden.len = cut;
    a->pending.ptr[cut] = a->hidden.ptr[cut] = '\0';
    return cut;
}

static bool hand_out(hl_answer_text *a, size_t n, hl_answer_fn *fn, void *user) {
    bool ok = true;
    for (size_t at = 0, end = 0; ok && at < n; at = end) {
        while (end < n && a->hidden.ptr[end] == a->hidden.ptr[at]) end++;
        if (!a->hidden.ptr[at])
            ok = fn(user, (hl_view){a->pending.ptr + at, end - at}, a->phase == HL_ANSWER_THINKING);
    }
    if (n > 0) drop_front(a, n);
    return ok;
}

/* White space, or the spelling of a control token: nothing that an answer could begin with. */
static bool is_blank(const hl_answer_text *a, size_t at) {
    const char c = a->pending.ptr[at];
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || a->hidden.ptr[at];
}

/* Does the answer begin with the open tag? Changes the phase when that is certain; returns how many bytes of
 * the front were taken off. */
static size_t find_open_tag(hl_answer_text *a, size_t certain, bool last) {
    const size_t n = sizeof open_tag - 1;
    for (size_t at = 0; at < certain; at++) {
        const size_t have = certain - at < n ? certain - at : n;
        if (memcmp(a->pending.ptr + at, open_tag, have) == 0) {
            if (have < n && !last) return 0; /* not enough to tell */
            if (have < n) break;
            a->phase = HL_ANSWER_THINKING;
            drop_front(a, at + n);
            return at + n;
        }
        if (!is_blank(a, at)) break;
        if (at + 1 == certain && !last) return 0;
    }
    a->phase = HL_ANSWER_PLAIN;
    return 0;
}

/* Decide what the first `certain` bytes are; hands out what can be. `last`: nothing follows. */
static bool split_thinking(hl_answer_text *a, size_t certain, bool last, hl_answer_fn *fn, void *user) {
    if (a->phase == HL_ANSWER_START) {
        certain -= find_open_tag(a, certain, last);
        if (a->phase == HL_ANSWER_START) return true;
    }
    if (a->phase == HL_ANSWER_THINKING) {
        const size_t n = sizeof close_tag - 1;
        const size_t at = find(&a->pending, close_tag, n);
        if (at == SIZE_MAX || at + n > certain) {
            const size_t held = last ? 0 : overlap(&a->pending, close_tag, n);
            const size_t sure = a->pending.len - held;
            return hand_out(a, certain < sure ? certain : sure, fn, user);
        }
        if (!hand_out(a, at, fn, user)) return false;
        drop_front(a, n);
        certain -= at + n;
        a->phase = HL_ANSWER_AFTER_THINKING;
    }
    if (a->phase == HL_ANSWER_AFTER_THINKING) { /* the answer begins behind the blank lines */
        size_t blank = 0;
        while (blank < certain && is_blank(a, blank)) blank++;
        drop_front(a, blank);
        certain -= blank;
        if (certain > 0) a->phase = HL_ANSWER_PLAIN;
    }
    return hand_out(a, certain, fn, user);
}

bool hl_answer_text_feed(hl_answer_text *a, hl_view text, bool is_hidden, hl_answer_fn *fn, void *user) {
    hl_str_add_view(&a->pending, text);
    for (size_t i = 0; i < text.len; i++) hl_str_add_char(&a->hidden, is_hidden);
    a->pending.failed |= a->hidden.failed;
    if (a->pending.failed || a->stopped || a->pending.len == 0) return true;
    const size_t certain = apply_stops(a);
    return certain == 0 || split_thinking(a, certain, a->stopped, fn, user);
}

bool hl_answer_text_finish(hl_answer_text *a, hl_answer_fn *fn, void *user) {
    if (a->pending.failed || a->pending.len == 0) return true;
    return split_thinking(a, a->pending.len, true, fn, user);
}
