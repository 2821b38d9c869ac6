/* SPDX-License-Identifier: MIT
 *
 * test_log.c - events as lines: logfmt, JSON, and what hostile fields become.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"

static const int64_t when_ms = 1795442527113; /* 2026-11-23T14:02:07.113Z */

static void check_line(hl_log_format format, hl_log_level level, const char *fields, const char *expected) {
    hl_str s;
    hl_str_init(&s, 4096);
    hl_log_format_line(format, when_ms, level, "server", "request", fields, &s);
    assert_string_equal(hl_str_text(&s), expected);
    hl_str_done(&s);
}

static void a_line_has_time_level_component_event_and_fields(void **state) {
    (void)state;
    check_line(HL_LOG_LOGFMT, HL_LOG_INFO, "id=81 status=200",
               "2026-11-23T14:02:07.113Z I server request id=81 status=200");
    check_line(HL_LOG_LOGFMT, HL_LOG_ERROR, "", "2026-11-23T14:02:07.113Z E server request");
    check_line(HL_LOG_LOGFMT, HL_LOG_TRACE, NULL, "2026-11-23T14:02:07.113Z T server request");
}

static void json_takes_the_fields_apart(void **state) {
    (void)state;
    check_line(HL_LOG_JSON, HL_LOG_WARN, "id=- reason=\"session \\\"busy\\\" now\" empty= flag",
               "{\"time\":\"2026-11-23T14:02:07.113Z\",\"level\":\"warn\",\"component\":\"server\",\"event\":"
               "\"request\","
               "\"id\":\"-\",\"reason\":\"session \\\"busy\\\" now\",\"empty\":\"\",\"flag\":\"\"}");
}

static void control_bytes_never_begin_a_line_of_their_own(void **state) {
    (void)state;
    check_line(HL_LOG_LOGFMT, HL_LOG_INFO, "a=x\ny\x1b[2J",
               "2026-11-23T14:02:07.113Z I server request a=x\\ny\\x1b[2J");
}

static void an_event_in_words_is_for_people(void **state) {
    (void)state;
    static const struct {
        const char *event, *fields, *expected;
    } cases[] = {
        {"bad-parameter", "model=m:1 why=\"option top_p = '7'\" action=ignored",
         "bad parameter: m:1: option top_p = '7' (ignored)"},
        {"context-above-training", "why=\"4096 is more than 512\"", "4096 is more than 512"},
        {"threads-fixed", "asked=4 have=2 action=ignored", "threads fixed: asked 4, have 2 (ignored)"},
        {"manifest-unreadable", "path=\"/a b\" reason=\"no \\\"x\\\"\"",
         "manifest unreadable: /a b: no \"x\""},
        {"gc-skipped", "", "gc skipped"},
        {"gc-skipped", NULL, "gc skipped"},
        {"odd", "path=\x1b[2J why=\"a\nb\"", "odd: \\x1b[2J: a\\nb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_str s;
        hl_str_init(&s, 4096);
        hl_log_format_words(cases[i].event, cases[i].fields, &s);
        assert_string_equal(hl_str_text(&s), cases[i].expected);
        hl_str_done(&s);
    }
}

static void values_are_quoted_only_where_they_must(void **state) {
    (void)state;
    static const struct {
        const char *value, *expected;
    } cases[] = {{"plain", "plain"},
                 {"", "\"\""},
                 {"two words", "\"two words\""},
                 {"a\"b", "\"a\\\"b\""},
                 {"a=b", "\"a=b\""},
                 {"a\nb", "\"a\\nb\""},
                 {"a\xC2\x9B\xE2\x80\xAE\"\xFF", "\"a\\u{9b}\\u{202e}\\\"\\xff\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_str s;
        hl_str_init(&s, 100);
        hl_log_add_value(&s, hl_view_of(cases[i].value));
        assert_string_equal(hl_str_text(&s), cases[i].expected);
        hl_str_done(&s);
    }
}

static void levels_are_read_as_words_and_digits(void **state) {
    (void)state;
    hl_log_level level = HL_LOG_INFO;
    assert_true(hl_log_level_parse("error", &level) && level == HL_LOG_ERROR);
    assert_true(hl_log_level_parse("4", &level) && level == HL_LOG_TRACE);
    assert_false(hl_log_level_parse("loud", &level) || hl_log_level_parse("", &level) ||
                 hl_log_level_parse("5", &level));
    assert_int_equal(level, HL_LOG_TRACE);
}

static void the_sink_writes_whole_lines_and_leaves_out_what_is_not_wanted(void **state) {
    (void)state;
    int  fds[2];
    char buf[20000];
    assert_int_equal(pipe(fds), 0);
    hl_log    log = {.fd = fds[1], .level = HL_LOG_INFO};
    hl_events events = hl_log_events(&log);
    hl_event(&events, HL_LOG_DEBUG, "a", "quiet", "x=1");
    hl_event(&events, HL_LOG_INFO, "a", "loud", "x=%d", 2);
    char long_fields[10000];
    memset(long_fields, 'x', sizeof long_fields - 1);
    long_fields[sizeof long_fields - 1] = '\0';
    hl_log_write(&log, HL_LOG_INFO, "a", "long", long_fields);
    (void)close(fds[1]);
    const ssize_t n = read(fds[0], buf, sizeof buf - 1);
    (void)close(fds[0]);
    assert_true(n > 0);
    buf[n] = '\0';
    assert_null(strstr(buf, "quiet"));
    assert_non_null(strstr(buf, " I a loud x=2\n"));
    assert_non_null(strstr(buf, " I a long cut=true\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_component_event_and_fields),
        cmocka_unit_test(json_takes_the_fields_apart),
        cmocka_unit_test(control_bytes_never_begin_a_line_of_their_own),
        cmocka_unit_test(an_event_in_words_is_for_people),
        cmocka_unit_test(values_are_quoted_only_where_they_must),
        cmocka_unit_test(levels_are_read_as_words_and_digits),
        cmocka_unit_test(the_sink_writes_whole_lines_and_leaves_out_what_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
