/* SPDX-License-Identifier: MIT
 *
 * answer_text.c - the reply's parts, cut at stop strings.
 */
#include "engine/runner/answer_text.h"

enum { IS_HIDDEN = 1, IS_THINKING = 2 };

static bool take_part(void *user, const hl_reply_part *part);

void hl_answer_text_init(hl_answer_text *a, const char *const *stops, size_t n_stops,
                         const hl_answer_form *form) {
    *a = (hl_answer_text){.fn = NULL};
    hl_stop_strings_init(&a->stops, stops, n_stops);
    a->failed = a->stops.failed;
    hl_reply_parser_init(&a->reply, form->format ? form->format : hl_call_format_find((hl_view){"", 0}),
                         form->tools, form->splits_thinking, form->starts_thinking, take_part, a);
    a->reply.must_call = form->must_call;
}

void hl_answer_text_done(hl_answer_text *a) {
    hl_reply_parser_done(&a->reply);
    hl_stop_strings_done(&a->stops);
}

static bool show(void *user, hl_view text, char kind) {
    hl_answer_text     *a = user;
    const hl_reply_part part = {.kind = kind & IS_THINKING ? HL_REPLY_THINKING : HL_REPLY_TEXT, .text = text};
    return kind & IS_HIDDEN || a->fn(a->user, &part);
}

/* ---- parts ------------------------------------------------------------------------------------ */

static bool take_part(void *user, const hl_reply_part *part) {
    hl_answer_text *a = user;
    if (a->stops.stopped) return true;
    if (part->kind != HL_REPLY_TEXT && part->kind != HL_REPLY_THINKING)
        return hl_stop_strings_flush(&a->stops, show, a) && a->fn(a->user, part);
    const char kind =
        (char)((part->is_hidden ? IS_HIDDEN : 0) | (part->kind == HL_REPLY_THINKING ? IS_THINKING : 0));
    return hl_stop_strings_feed(&a->stops, part->text, kind, show, a);
}

static bool end_call(hl_answer_text *a, bool go_on) {
    a->failed |= a->reply.failed || a->stops.failed;
    a->fn = NULL;
    a->user = NULL;
    return go_on;
}

bool hl_answer_text_feed(hl_answer_text *a, hl_view text, bool is_hidden, hl_reply_fn *fn, void *user) {
    if (a->failed || a->stops.stopped) return true;
    a->fn = fn;
    a->user = user;
    return end_call(a, hl_reply_parser_feed(&a->reply, text, is_hidden));
}

bool hl_answer_text_finish(hl_answer_text *a, bool is_cut, hl_reply_fn *fn, void *user) {
    if (a->failed || a->stops.stopped) return true;
    a->fn = fn;
    a->user = user;
    const bool go_on = hl_reply_parser_finish(&a->reply, is_cut);
    return end_call(a, go_on && hl_stop_strings_flush(&a->stops, show, a));
}
