/* SPDX-License-Identifier: MIT
 *
 * test_retry_after.c - how long a server asks to be left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "core/net/retry_after.h"

/* The clock stands at Sat, 01 Jan 2022 00:00:00 GMT. */
int clock_gettime(clockid_t id, struct timespec *t) {
    (void)id;
    *t = (struct timespec){.tv_sec = 1640995200};
    return 0;
}

static void seconds_and_dates_are_read(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int64_t     ms;
    } rows[] = {
        {"0", 0},
        {"30", 30000},
        {"0030", 30000},
        {"1000000", 1000000000},
        {"99999999999999999999999", 1000000000},
        {"Sat, 01 Jan 2022 00:01:40 GMT", 100000},
        {"Saturday, 01-Jan-22 00:01:40 GMT", 100000},
        {"Sat Jan  1 00:01:40 2022", 100000},
        {"Thu, 21 Oct 1999 07:28:00 GMT", 0},
        {"Wed, 21 Oct 2099 07:28:00 GMT", 1000000000},
        {"", -1},
        {"60;x", -1},
        {"60.5", -1},
        {"-60", -1},
        {"+60", -1},
        {" 60", -1},
        {"soon", -1},
        {"Soon", -1},
        {"2022-01-01 00:01:40", -1},
        {"Sat, 01 Jan 2022 00:01:40 GMT, and then some more of it, and more", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t ms = hl_retry_after_ms(hl_view_of(rows[i].value));
        if (ms != rows[i].ms) fail_msg("'%s' is %lld ms", rows[i].value, (long long)ms);
    }
    assert_int_equal(hl_retry_after_ms((hl_view){0}), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(seconds_and_dates_are_read)};
    return cmocka_run_group_tests_name("retry_after", tests, NULL, NULL);
}
