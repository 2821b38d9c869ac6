/* SPDX-License-Identifier: MIT
 *
 * test_answer_text.c - stop strings and thinking tags, whatever the pieces they arrive in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/runner/answer_text.h"

typedef struct got {
    char plain[256];
    char thinking[256];
} got;

static bool collect(void *user, const hl_reply_part *part) {
    got *g = user;
    assert_false(part->is_hidden);
    strncat(part->kind == HL_REPLY_THINKING ? g->thinking : g->plain, part->text.ptr, part->text.len);
    return true;
}

typedef struct row {
    const char *text;
    const char *stops[3];
    bool        splits, starts;
    const char *plain, *thinking;
    bool        stopped;
} row;

static const row rows[] = {
    {"hello world", {NULL}, false, false, "hello world", "", false},
    {"hello END world", {"END"}, false, false, "hello ", "", true},
    {"hello ENxD", {"END"}, false, false, "hello ENxD", "", false},
    {"aab", {"ab", "aab"}, false, false, "", "", true},
    {"one two three", {"three", "two"}, false, false, "one ", "", true},
    {"ends with EN", {"END"}, false, false, "ends with EN", "", false},
    {"<think>why</think>\n\nbecause", {NULL}, true, false, "because", "why", false},
    {"\n<think>\nwhy\n</think>because", {NULL}, true, false, "because", "\nwhy\n", false},
    {"why</think>because", {NULL}, true, true, "because", "why", false},
    {"no tags <think>here</think>", {NULL}, true, false, "no tags <think>here</think>", "", false},
    {"<thin air", {NULL}, true, false, "<thin air", "", false},
    {"<think>never closed", {NULL}, true, false, "", "never closed", false},
    {"<think>a</thin", {NULL}, true, false, "", "a</thin", false},
    {"<think>x</think>y", {NULL}, false, false, "<think>x</think>y", "", false},
    {"<think>a STOP b</think>c", {"STOP"}, true, false, "", "a ", true},
    {"<thi", {NULL}, true, false, "<thi", "", false},
};

static void text_comes_out_the_same_whatever_the_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step <= strlen(rows[i].text); step++) {
            hl_answer_text a;
            got            g = {0};
            size_t         n_stops = 0;
            while (n_stops < 3 && rows[i].stops[n_stops]) n_stops++;
            hl_answer_text_init(
                &a, rows[i].stops, n_stops,
                &(hl_answer_form){.splits_thinking = rows[i].splits, .starts_thinking = rows[i].starts});
            for (size_t at = 0; at < strlen(rows[i].text) && !a.stops.stopped; at += step) {
                const size_t left = strlen(rows[i].text) - at;
                assert_true(hl_answer_text_feed(&a, (hl_view){rows[i].text + at, left < step ? left : step},
                                                false, collect, &g));
            }
            if (!a.stops.stopped) assert_true(hl_answer_text_finish(&a, false, collect, &g));
            assert_string_equal(g.plain, rows[i].plain);
            assert_string_equal(g.thinking, rows[i].thinking);
            assert_int_equal(a.stops.stopped, rows[i].stopped);
            hl_answer_text_done(&a);
        }
    }
}

/* Between braces: how a control token is spelled. */
static const row hidden_rows[] = {
    {"ab{<|im_start|>}cd", {NULL}, false, false, "abcd", "", false},
    {"ab{<|im_start|>}cd", {"<|im_start|>"}, false, false, "ab", "", true},
    {"ab{<|im_start|>}user\nhi", {"<|im_start|>user"}, false, false, "ab", "", true},
    {"ab{<|im_start|>}usher", {"<|im_start|>user"}, false, false, "abusher", "", false},
    {"ab{[INST]}", {"b[INST"}, false, false, "a", "", true},
    {"{<x>}{<y>}", {"<x><y>"}, false, false, "", "", true},
    {"a{<x>}b", {"ab"}, false, false, "ab", "", false}, /* they were not beside each other */
    {"a{<x>}", {"<x>y"}, false, false, "a", "", false}, /* held back, then over */
    {"{<think>}why{</think>}\nbecause", {NULL}, true, false, "because", "why", false},
    {"{<s>}\n{<think>}why{</think>}\n{<s>}\nbecause", {NULL}, true, false, "because", "why", false},
    {"{<s>} plain <think>", {NULL}, true, false, " plain <think>", "", false},
};

/* Feed each stretch of plain or control text in steps of `step` bytes. */
static void feed_row(const row *r, size_t step, hl_answer_text *a, got *g) {
    bool hidden = false;
    for (const char *p = r->text; *p && !a->stops.stopped;) {
        if (*p == '{' || *p == '}') {
            hidden = *p++ == '{';
            continue;
        }
        const size_t n = strcspn(p, "{}");
        const size_t len = n < step ? n : step;
        assert_true(hl_answer_text_feed(a, (hl_view){p, len}, hidden, collect, g));
        p += len;
    }
    if (!a->stops.stopped) assert_true(hl_answer_text_finish(a, false, collect, g));
}

static void control_tokens_are_seen_by_stops_and_tags_and_never_come_out(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hidden_rows / sizeof *hidden_rows; i++) {
        const row *r = &hidden_rows[i];
        for (size_t step = 1; step < 20; step++) {
            hl_answer_text a;
            got            g = {0};
            hl_answer_text_init(
                &a, r->stops, r->stops[0] ? 1 : 0,
                &(hl_answer_form){.splits_thinking = r->splits, .starts_thinking = r->starts});
            feed_row(r, step, &a, &g);
            assert_string_equal(g.plain, r->plain);
            assert_string_equal(g.thinking, r->thinking);
            assert_int_equal(a.stops.stopped, r->stopped);
            hl_answer_text_done(&a);
        }
    }
}

static bool refuse(void *user, const hl_reply_part *part) {
    (void)user;
    (void)part;
    return false;
}

static void a_callback_that_refuses_ends_the_answer(void **state) {
    (void)state;
    hl_answer_text a;
    hl_answer_text_init(&a, NULL, 0, &(hl_answer_form){0});
    assert_false(hl_answer_text_feed(&a, hl_view_of("text"), false, refuse, NULL));
    hl_answer_text_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_out_the_same_whatever_the_pieces),
        cmocka_unit_test(control_tokens_are_seen_by_stops_and_tags_and_never_come_out),
        cmocka_unit_test(a_callback_that_refuses_ends_the_answer),
    };
    return cmocka_run_group_tests_name("answer_text", tests, NULL, NULL);
}
