/* SPDX-License-Identifier: MIT
 *
 * test_term.c - text on its way to a terminal, the history file, and how sizes and times are written.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/term/answer.h"
#include "cli/term/history.h"
#include "cli/term/progress.h"
#include "cli/term/wrap.h"

/* What a terminal shows after `pieces`, cursor movements carried out; the result is static. */
static const char *shown(hl_answer_style style, const char *const *pieces, size_t n) {
    static char buf[8192], screen[8192];
    FILE       *f = tmpfile();
    hl_answer   a;
    assert_non_null(f);
    hl_answer_init(&a, f, style);
    for (size_t i = 0; i < n; i++) assert_true(hl_answer_add(&a, hl_view_of(pieces[i]), false));
    hl_answer_finish(&a);
    rewind(f);
    const size_t len = fread(buf, 1, sizeof buf - 1, f);
    buf[len] = '\0';
    fclose(f);
    size_t at = 0;
    for (const char *p = buf; *p;) {
        int n_back = 0, n_used = 0;
        if (sscanf(p, "\033[%dD\033[K%n", &n_back, &n_used) == 1 && n_used > 0) {
            at -= (size_t)n_back;
            p += n_used;
        } else {
            screen[at++] = *p++;
        }
    }
    screen[at] = '\0';
    return screen;
}

static void remarks_break_between_words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int         columns, column, indent;
        const char *expected;
    } cases[] = {
        {"one two three", 80, 0, 0, "one two three"},
        {"one two three", 8, 0, 0, "one two\nthree"},
        {"one two three", 7, 0, 2, "one two\n  three"},
        {"one two three", 8, 3, 0, "one\ntwo\nthree"},      /* the cursor stands behind three columns */
        {"onetwothree four", 5, 0, 0, "onetwothree\nfour"}, /* a long word is not broken here */
        {"a\nb c", 80, 0, 1, "a\n b c"},
        {"\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4", 5, 0, 0,
         "\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4"}, /* columns, not bytes */
        {"", 5, 0, 3, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char  buf[256];
        FILE *f = tmpfile();
        assert_non_null(f);
        hl_wrap_print(f, cases[i].text, cases[i].columns, cases[i].column, cases[i].indent);
        rewind(f);
        buf[fread(buf, 1, sizeof buf - 1, f)] = '\0';
        fclose(f);
        assert_string_equal(buf, cases[i].expected);
    }
}

static void words_that_do_not_fit_move_to_the_next_line(void **state) {
    (void)state;
    const hl_answer_style    style = {.is_tty = true, .wrap = true, .n_columns = 12};
    static const char *const a[] = {"one two thr", "ee four"};
    assert_string_equal(shown(style, a, 2), "one two \nthree four\n");
    static const char *const b[] = {"abcdefghijklmnopq"}; /* longer than a line: broken anywhere */
    assert_string_equal(shown(style, b, 1), "abcdefghijk\nlmnopq\n");
    static const char *const c[] = {"12345 78901 x"}; /* a space at the edge becomes the line break */
    assert_string_equal(shown(style, c, 1), "12345 78901\nx\n");
    static const char *const d[] = {"a\n\nb"};
    assert_string_equal(shown(style, d, 1), "a\n\nb\n");
}

static void wide_characters_count_twice(void **state) {
    (void)state;
    const hl_answer_style    style = {.is_tty = true, .wrap = true, .n_columns = 8};
    static const char *const a[] = {"\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xBD\xA0\xE5\xA5\xBD"};
    assert_string_equal(shown(style, a, 1), "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xBD\xA0\n\xE5\xA5\xBD\n");
}

static void code_between_fences_keeps_its_words_where_they_are(void **state) {
    (void)state;
    const hl_answer_style    style = {.is_tty = true, .wrap = true, .n_columns = 12};
    static const char *const a[] = {"```\nint abc = defg;\n```\nint abc = defg"};
    assert_string_equal(shown(style, a, 1), "```\nint abc = d\nefg;\n```\nint abc = \ndefg\n");
}

static void control_characters_are_replaced_on_terminals_only(void **state) {
    (void)state;
    static const char *const a[] = {"a\x1b[31mb\rc\x7f", "\xC2\x9B", "d\te"};
    hl_answer_style          style = {.is_tty = true, .n_columns = 80};
    assert_string_equal(shown(style, a, 3), "a\xEF\xBF\xBD[31mbc\xEF\xBF\xBD\xEF\xBF\xBD"
                                            "d     e\n");
    style.is_tty = false;
    assert_string_equal(shown(style, a, 3), "a\x1b[31mb\rc\x7f\xC2\x9B"
                                            "d\te\n");
}

static void thinking_stands_between_two_lines(void **state) {
    (void)state;
    char      buf[200];
    FILE     *f = tmpfile();
    hl_answer a;
    assert_non_null(f);
    hl_answer_init(&a, f, (hl_answer_style){.color = true});
    assert_true(hl_answer_add(&a, hl_view_of("hm"), true));
    assert_true(hl_answer_add(&a, hl_view_of("yes"), false));
    hl_answer_finish(&a);
    rewind(f);
    buf[fread(buf, 1, sizeof buf - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(buf, "\033[90mThinking...\nhm\n...done thinking.\n\n\033[0myes\n");
}

static void text_from_files_is_cleaned_on_terminals_only(void **state) {
    (void)state;
    static const char text[] = "ok\x1b]0;x\x07\n\xff!";
    static const char expected[] = "ok\\x1b]0;x\\x07\n\\xff!";
    char              buf[100];
    FILE             *f = tmpfile();
    hl_term_print(f, true, hl_view_of(text));
    hl_term_print(f, false, hl_view_of(text));
    rewind(f);
    buf[fread(buf, 1, sizeof buf - 1, f)] = '\0';
    fclose(f);
    assert_memory_equal(buf, expected, sizeof expected - 1);
    assert_string_equal(buf + sizeof expected - 1, text);
}

typedef struct seen {
    char last[64];
    int  n;
} seen;

static void see(void *user, const char *line) {
    seen *s = user;
    s->n++;
    (void)snprintf(s->last, sizeof s->last, "%s", line);
}

static void history_keeps_lines_private_and_short(void **state) {
    (void)state;
    char        folder[] = "/tmp/hl-history-XXXXXX", path[64];
    struct stat st;
    seen        s = {.n = 0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/history", folder);
    hl_history_load(path, 10, see, &s);
    assert_int_equal(s.n, 0);
    for (int i = 0; i < 25; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "line %d\nback\\slash", i);
        assert_true(hl_history_add(path, line));
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    const off_t before = st.st_size;
    hl_history_load(path, 10, see, &s);
    assert_int_equal(s.n, 10);
    assert_string_equal(s.last, "line 24\nback\\slash");
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < before); /* it had grown past twice its length */
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(hl_history_add("/nonexistent/history", "x"));
    (void)unlink(path);
    (void)rmdir(folder);
}

static void sizes_durations_and_ages_are_written_for_people(void **state) {
    (void)state;
    static const struct {
        uint64_t    n;
        const char *text;
    } sizes[] = {{0, "0 B"},          {999, "999 B"},         {1000, "1.0 KB"},
                 {98362432, "98 MB"}, {1234567890, "1.2 GB"}, {999600, "1.0 MB"}};
    static const struct {
        int64_t     ns;
        const char *text;
    } times[] = {{1500, "1.5\xC2\xB5s"},
                 {130079000, "130.079ms"},
                 {4868345600, "4.868346s"},
                 {62500000000, "1m2.5s"},
                 {3600000000000, "1h0m0s"}};
    char buf[32];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        hl_format_bytes(sizes[i].n, buf);
        assert_string_equal(buf, sizes[i].text);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        hl_format_duration(times[i].ns, buf);
        assert_string_equal(buf, times[i].text);
    }
    hl_format_age(0, 3 * 3600 * 1000, buf);
    assert_string_equal(buf, "3 hours ago");
    hl_format_age(0, 61 * 1000, buf);
    assert_string_equal(buf, "1 minute ago");
    hl_format_age(10, 0, buf);
    assert_string_equal(buf, "just now");
}

int main(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remarks_break_between_words),
        cmocka_unit_test(words_that_do_not_fit_move_to_the_next_line),
        cmocka_unit_test(wide_characters_count_twice),
        cmocka_unit_test(code_between_fences_keeps_its_words_where_they_are),
        cmocka_unit_test(control_characters_are_replaced_on_terminals_only),
        cmocka_unit_test(thinking_stands_between_two_lines),
        cmocka_unit_test(text_from_files_is_cleaned_on_terminals_only),
        cmocka_unit_test(history_keeps_lines_private_and_short),
        cmocka_unit_test(sizes_durations_and_ages_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
