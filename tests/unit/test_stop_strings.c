/* SPDX-License-Identifier: MIT
 *
 * test_stop_strings.c - where text is cut, whatever the pieces it comes in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/stop_strings.h"

/* What came out, each byte with its kind in front. */
typedef struct got {
    char text[256];
    int  n_calls;
} got;

static bool collect(void *user, hl_view text, char kind) {
    got *g = user;
    g->n_calls++;
    assert_true(text.len > 0);
    for (size_t i = 0; i < text.len; i++) {
        const char both[3] = {kind, text.ptr[i], '\0'};
        strcat(g->text, both);
    }
    return true;
}

/* A digit in `text` is the kind of what follows it. */
typedef struct row {
    const char *text;
    const char *strings[3];
    const char *out; /* in the same form */
    size_t      number;
} row;

static const row rows[] = {
    {"0hello", {NULL}, "0hello", 0},
    {"0hello END world", {"END"}, "0hello ", 1},
    {"0hello ENxD", {"END"}, "0hello ENxD", 0},
    {"0ends with EN", {"END"}, "0ends with EN", 0},
    {"0one two three", {"three", "two"}, "0one ", 2},
    {"0aab", {"ab", "aab"}, "", 2},
    {"0abcd", {"bcx", "", "cd"}, "0ab", 3},
    {"0tell1ing", {"lli"}, "0te", 1},
    {"0tell1ing", {"llix"}, "0tell1ing", 0},
    {"0a1b0c", {"d"}, "0a1b0c", 0},
};

static const char *spell(const char *marked, char *ret) {
    char kind = '?', *at = ret;
    for (const char *p = marked; *p; p++) {
        if (*p >= '0' && *p <= '9') {
            kind = *p;
            continue;
        }
        *at++ = kind;
        *at++ = *p;
    }
    *at = '\0';
    return ret;
}

static void feed(hl_stop_strings *s, const char *marked, size_t step, got *g) {
    char kind = '?';
    for (const char *p = marked; *p;) {
        if (*p >= '0' && *p <= '9') {
            kind = *p++;
            continue;
        }
        const size_t n = strcspn(p, "0123456789"), len = n < step ? n : step;
        assert_true(hl_stop_strings_feed(s, (hl_view){p, len}, kind, collect, g));
        p += len;
    }
}

static void text_is_cut_at_the_first_of_them(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 20; step++) {
            const char     *strings[3] = {rows[i].strings[0], rows[i].strings[1], rows[i].strings[2]};
            char            want[256];
            size_t          n = 0;
            got             g = {0};
            hl_stop_strings s;
            while (n < 3 && strings[n]) n++;
            hl_stop_strings_init(&s, strings, n);
            memset(strings, 0, sizeof strings); /* they were copied */
            feed(&s, rows[i].text, step, &g);
            assert_true(hl_stop_strings_flush(&s, collect, &g));
            assert_string_equal(g.text, spell(rows[i].out, want));
            assert_int_equal(s.stopped, rows[i].number > 0);
            assert_int_equal(s.number, rows[i].number);
            assert_false(s.failed);
            hl_stop_strings_done(&s);
        }
    }
}

static void only_what_may_be_a_beginning_is_held_back(void **state) {
    (void)state;
    const char     *strings[] = {"<end>", "stop"};
    got             g = {0};
    hl_stop_strings s;
    hl_stop_strings_init(&s, strings, 2);
    feed(&s, "0a <en", 6, &g);
    assert_string_equal(g.text, "0a0 ");
    feed(&s, "0x sto", 5, &g);
    assert_string_equal(g.text, "0a0 0<0e0n0x0 ");
    assert_true(hl_stop_strings_flush(&s, collect, &g)); /* "p" does not belong to it any more */
    feed(&s, "0p", 1, &g);
    assert_string_equal(g.text, "0a0 0<0e0n0x0 0s0t0o0p");
    assert_false(s.stopped);
    feed(&s, "0stop", 4, &g);
    assert_true(s.stopped);
    hl_stop_strings_clear(&s);
    g = (got){0};
    feed(&s, "0new", 3, &g);
    assert_string_equal(g.text, "0n0e0w");
    assert_int_equal(s.number, 0);
    hl_stop_strings_done(&s);
}

static bool refuse(void *user, hl_view text, char kind) {
    (void)user, (void)text, (void)kind;
    return false;
}

static void whoever_takes_no_more_is_heard(void **state) {
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        hl_stop_strings s;
        hl_stop_strings_init(&s, (const char *[]){"END"}, n);
        assert_false(hl_stop_strings_feed(&s, hl_view_of("text"), 0, refuse, NULL));
        hl_stop_strings_done(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_at_the_first_of_them),
        cmocka_unit_test(only_what_may_be_a_beginning_is_held_back),
        cmocka_unit_test(whoever_takes_no_more_is_heard),
    };
    return cmocka_run_group_tests_name("stop_strings", tests, NULL, NULL);
}
