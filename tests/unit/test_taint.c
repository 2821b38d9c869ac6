/* SPDX-License-Identifier: MIT
 *
 * test_taint.c - texts that remember which bytes came from outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/taint.h"

static void add(hl_tainted *t, const char *text, bool is_tainted) {
    hl_tainted_add(t, hl_view_of(text), is_tainted);
}

static void neighbours_become_one_span(void **state) {
    (void)state;
    hl_tainted t;
    hl_tainted_init(&t, 1000);
    add(&t, "ab", true);
    add(&t, "", false);
    add(&t, "c", true);
    add(&t, "de", false);
    add(&t, "", true);
    add(&t, "f", true);
    assert_string_equal(hl_str_text(&t.text), "abcdef");
    assert_int_equal(t.n_tainted, 2);
    assert_int_equal(t.tainted[0].begin, 0);
    assert_int_equal(t.tainted[0].end, 3);
    assert_int_equal(t.tainted[1].begin, 5);
    assert_int_equal(t.tainted[1].end, 6);
    hl_tainted_done(&t);
}

static void touching_agrees_with_a_look_at_every_byte(void **state) {
    (void)state;
    const hl_span spans[] = {{0, 2}, {5, 6}, {9, 12}};
    const char    tainted[] = "110001000111000";
    for (size_t begin = 0; begin < 15; begin++) {
        for (size_t end = begin; end <= 15; end++) {
            bool expected = false;
            for (size_t i = begin; i < end; i++) expected |= tainted[i] == '1';
            assert_int_equal(hl_spans_touch(spans, 3, begin, end), expected);
        }
    }
    assert_false(hl_spans_touch(NULL, 0, 0, 10));
}

static void what_is_dropped_at_the_front_takes_its_marks_along(void **state) {
    (void)state;
    static const char *const marks[] = {"110011", "10011", "0011", "011",
                                        "11",     "1",     ""}; /* of "abcdef", cut */
    for (size_t n = 0; n <= 6; n++) {
        hl_tainted t;
        hl_tainted_init(&t, 1000);
        add(&t, "ab", true);
        add(&t, "cd", false);
        add(&t, "ef", true);
        hl_tainted_drop_front(&t, n);
        assert_string_equal(hl_str_text(&t.text), "abcdef" + n);
        for (size_t i = 0; i < 6 - n; i++)
            assert_int_equal(hl_spans_touch(t.tainted, t.n_tainted, i, i + 1), marks[n][i] == '1');
        hl_tainted_done(&t);
    }
}

static void a_span_without_memory_is_a_failure_of_the_text(void **state) {
    (void)state;
    hl_tainted t;
    hl_tainted_init(&t, 1000);
    add(&t, "text", false);
    hl_mem_fail_after(0, SIZE_MAX);
    add(&t, "x", true);
    hl_mem_fail_after(SIZE_MAX, 0);
    assert_true(t.text.failed);
    hl_tainted_done(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_become_one_span),
        cmocka_unit_test(touching_agrees_with_a_look_at_every_byte),
        cmocka_unit_test(what_is_dropped_at_the_front_takes_its_marks_along),
        cmocka_unit_test(a_span_without_memory_is_a_failure_of_the_text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
