/* SPDX-License-Identifier: MIT
 *
 * test_stop.c - a flag that a thread watches ends its own work and nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "core/base/stop.h"

static void nothing_is_watched_at_first(void **state) {
    (void)state;
    assert_false(hl_stop_asked());
    assert_int_equal(hl_stop_check("read", NULL), HL_OK);
}

static void a_flag_that_is_set_ends_work_with_what_was_done(void **state) {
    (void)state;
    volatile int flag = 0;
    hl_err       err = {0};
    assert_null(hl_stop_watch(&flag));
    assert_int_equal(hl_stop_check("read the vocabulary", &err), HL_OK);
    assert_string_equal(err.text, "");
    flag = 2;
    assert_true(hl_stop_asked());
    assert_int_equal(hl_stop_check("read the vocabulary", &err), HL_E_CANCEL);
    assert_int_equal(err.status, HL_E_CANCEL);
    assert_string_equal(err.text, "read the vocabulary: stopped");
    flag = 0;
    assert_false(hl_stop_asked());
    assert_ptr_equal(hl_stop_watch(NULL), &flag);
    flag = 1;
    assert_false(hl_stop_asked());
}

static void *look(void *ret) {
    *(bool *)ret = hl_stop_asked();
    return NULL;
}

static void other_threads_watch_nothing(void **state) {
    (void)state;
    volatile int flag = 1;
    bool         seen = true;
    pthread_t    thread;
    (void)hl_stop_watch(&flag);
    assert_int_equal(pthread_create(&thread, NULL, look, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(seen);
    assert_true(hl_stop_asked());
    (void)hl_stop_watch(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_watched_at_first),
        cmocka_unit_test(a_flag_that_is_set_ends_work_with_what_was_done),
        cmocka_unit_test(other_threads_watch_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
