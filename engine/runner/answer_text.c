/* SPDX-License-Identifier: MIT
 *
 * answer_text.c - the reply's parts, and stop strings on one buffer of undecided text.
 */
#include "engine/runner/answer_text.h"

#include <string.h>

enum { PENDING_LIMIT_BYTES = 32 << 20, IS_HIDDEN = 1, IS_THINKING = 2 };

static bool take_part(void *user, const hl_reply_part *part);

void hl_answer_text_init(hl_answer_text *a, const char *const *stops, size_t n_stops,
                         const hl_answer_form *form) {
    *a = (hl_answer_text){.stops = stops, .n_stops = n_stops};
    hl_str_init(&a->pending, PENDING_LIMIT_BYTES);
    hl_str_init(&a->kinds, PENDING_LIMIT_BYTES);
    hl_reply_parser_init(&a->reply, form->format ? form->format : hl_call_format_find((hl_view){"", 0}),
                         form->tools, form->splits_thinking, form->starts_thinking, take_part, a);
    a->reply.must_call = form->must_call;
}

void hl_answer_text_done(hl_answer_text *a) {
    hl_reply_parser_done(&a->reply);
    hl_str_done(&a->pending);
    hl_str_done(&a->kinds);
}

/* ---- stop strings ----------------------------------------------------------------------------- */

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
    return cut;
}

/* Hand out n bytes, stretch by stretch of one kind; hidden ones are left out. */
static bool hand_out(hl_answer_text *a, size_t n) {
    hl_str *const both[] = {&a->pending, &a->kinds};
    bool          ok = true;
    for (size_t at = 0, end = 0; ok && at < n; at = end) {
        const char kind = a->kinds.ptr[at];
        while (end < n && a->kinds.ptr[end] == kind) end++;
        const hl_reply_part part = {.kind = kind & IS_THINKING ? HL_REPLY_THINKING : HL_REPLY_TEXT,
                                    .text = {a->pending.ptr + at, end - at}};
        if (!(kind & IS_HIDDEN)) ok = a->fn(a->user, &part);
    }
    for (int i = 0; i < 2 && n > 0; i++) {
        hl_str *s = both[i];
        memmove(s->ptr, s->ptr + n, s->len - n);
        s->len -= n;
        s->ptr[s->len] = '\0';
    }
    return ok;
}

/* ---- parts ------------------------------------------------------------------------------------ */

static bool take_part(void *user, const hl_reply_part *part) {
    hl_answer_text *a = user;
    if (a->stopped) return true;
    if (part->kind != HL_REPLY_TEXT && part->kind != HL_REPLY_THINKING)
        return hand_out(a, a->pending.len) && a->fn(a->user, part);
    hl_str_add_view(&a->pending, part->text);
    const char kind =
        (char)((part->is_hidden ? IS_HIDDEN : 0) | (part->kind == HL_REPLY_THINKING ? IS_THINKING : 0));
    for (size_t i = 0; i < part->text.len; i++) hl_str_add_char(&a->kinds, kind);
    a->failed |= a->pending.failed || a->kinds.failed;
    return a->failed || hand_out(a, apply_stops(a));
}

static bool end_call(hl_answer_text *a, bool go_on) {
    a->failed |= a->reply.failed;
    a->fn = NULL;
    a->user = NULL;
    return go_on;
}

bool hl_answer_text_feed(hl_answer_text *a, hl_view text, bool is_hidden, hl_reply_fn *fn, void *user) {
    if (a->failed || a->stopped) return true;
    a->fn = fn;
    a->user = user;
    return end_call(a, hl_reply_parser_feed(&a->reply, text, is_hidden));
}

bool hl_answer_text_finish(hl_answer_text *a, bool is_cut, hl_reply_fn *fn, void *user) {
    if (a->failed || a->stopped) return true;
    a->fn = fn;
    a->user = user;
    const bool go_on = hl_reply_parser_finish(&a->reply, is_cut);
    return end_call(a, go_on && (a->stopped || a->failed || hand_out(a, a->pending.len)));
}
