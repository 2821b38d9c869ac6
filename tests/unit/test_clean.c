/* SPDX-License-Identifier: MIT
 *
 * test_clean.c - words of others as they reach messages, logs, JSON and terminals.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/clean.h"

static void expect(hl_clean_kind kind, const char *words, const char *expected) {
    char   buf[200];
    hl_str s;
    hl_str_init(&s, 200);
    hl_str_add_clean(&s, hl_view_of(words), kind);
    assert_string_equal(hl_str_text(&s), expected);
    assert_int_equal(hl_clean_into(buf, sizeof buf, hl_view_of(words), kind), strlen(expected));
    assert_string_equal(buf, expected);
    assert_int_equal(hl_view_is_clean(hl_view_of(words), kind), strcmp(words, expected) == 0);
    hl_str_clear(&s);
    hl_str_add_clean(&s, hl_view_of(expected), kind);
    assert_string_equal(hl_str_text(&s), expected); /* twice is once */
    hl_str_done(&s);
}

static void what_can_be_shown_stays(void **state) {
    (void)state;
    static const char *const words[] = {"",
                                        "qwen3:0.6b",
                                        "Grüße, Größe",
                                        "模型 モデル",
                                        "\xF0\x9F\x98\x80",
                                        "C:\\new \\x1b",
                                        "שלום",
                                        "مرحبا",
                                        "e\xCC\x81",
                                        "\xE2\x9D\xA4\xEF\xB8\x8F"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        expect(HL_CLEAN_LINE, words[i], words[i]);
        expect(HL_CLEAN_TEXT, words[i], words[i]);
    }
}

static void what_steers_becomes_an_escape(void **state) {
    (void)state;
    static const struct {
        const char *words, *line, *text;
    } cases[] = {
        {"a\x1b]52;c;AAAA\x07", "a\\x1b]52;c;AAAA\\x07", "a\\x1b]52;c;AAAA\\x07"},
        {"a\tb\nc\rd", "a\\tb\\nc\\rd", "a\tb\ncd"},
        {"\x7f\xC2\x80\xC2\x9B\xC2\x9F\xC2\xA0", "\\x7f\\u{80}\\u{9b}\\u{9f}\xC2\xA0",
         "\\x7f\\u{80}\\u{9b}\\u{9f}\xC2\xA0"},
        {"\xE2\x80\xAE\xE2\x81\xA6\xE2\x80\xA8", "\\u{202e}\\u{2066}\\u{2028}",
         "\\u{202e}\\u{2066}\\u{2028}"},
        {"x\xE2\x80\x8Fy\xD8\x9C", "x\\u{200f}y\\u{61c}", "xy"},
        {"\xE2\x80\x8D\xE2\x80\x8C\xC2\xAD", "\\u{200d}\\u{200c}\\u{ad}", "\xE2\x80\x8D\xE2\x80\x8C\xC2\xAD"},
        {"\xEF\xBB\xBF\xF3\xA0\x81\x81", "\\u{feff}\\u{e0041}", "\\u{feff}\\u{e0041}"},
        {"\xFF\xC0\x80\xED\xA0\x80\xE2\x80", "\\xff\\xc0\\x80\\xed\\xa0\\x80\\xe2\\x80",
         "\\xff\\xc0\\x80\\xed\\xa0\\x80\\xe2\\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(HL_CLEAN_LINE, cases[i].words, cases[i].line);
        expect(HL_CLEAN_TEXT, cases[i].words, cases[i].text);
    }
}

/* Every code point of two properties of Unicode 15, but for variation selectors, which emoji need. */
static void nothing_invisible_passes_in_a_line(void **state) {
    (void)state;
    static const uint32_t ranges[][2] = {
        {0x00, 0x1F},     {0x7F, 0x9F},       {0xAD, 0xAD},       {0x34F, 0x34F},    {0x61C, 0x61C},
        {0x115F, 0x1160}, {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F},  {0x2028, 0x202E},
        {0x2060, 0x206F}, {0x3164, 0x3164},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},  {0xFFF0, 0xFFFB},
        {0xFFFE, 0xFFFF}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        bool is_hidden = false;
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
            is_hidden |= cp >= ranges[i][0] && cp <= ranges[i][1];
        assert_int_equal(hl_clean_look(cp, HL_CLEAN_LINE), is_hidden ? HL_SHOWN_ESCAPED : HL_SHOWN_AS_IS);
        if (!is_hidden) assert_int_equal(hl_clean_look(cp, HL_CLEAN_TEXT), HL_SHOWN_AS_IS);
    }
    assert_int_equal(hl_clean_look(0, HL_CLEAN_TEXT), HL_SHOWN_ESCAPED);
}

static void a_nul_is_escaped_like_the_rest(void **state) {
    (void)state;
    char buf[20];
    assert_int_equal(hl_clean_into(buf, sizeof buf, (hl_view){"a\0b", 3}, HL_CLEAN_TEXT), 6);
    assert_string_equal(buf, "a\\x00b");
}

static void what_does_not_fit_is_cut_between_characters(void **state) {
    (void)state;
    char buf[8];
    assert_int_equal(hl_clean_into(buf, sizeof buf, hl_view_of("aaaaaa\xC3\xA9z"), HL_CLEAN_LINE), 9);
    assert_string_equal(buf, "aaaaaa");
    assert_int_equal(hl_clean_into(buf, sizeof buf, hl_view_of("aaaa\x1b"), HL_CLEAN_LINE), 8);
    assert_string_equal(buf, "aaaa");
    assert_int_equal(hl_clean_into(NULL, 0, hl_view_of("abc"), HL_CLEAN_LINE), 3);
}

/* ---- where it is used ---- */

static void messages_are_cleaned(void **state) {
    (void)state;
    hl_err err;
    assert_int_equal(hl_fail(&err, HL_E_FORMAT, "architecture '%s'",
                             "\x1b]0;x\x07\xC2\x9B"
                             "a\nb"),
                     HL_E_FORMAT);
    assert_string_equal(err.text, "architecture '\\x1b]0;x\\x07\\u{9b}a\\nb'");
    assert_int_equal(hl_fail_within(&err, HL_E_FORMAT, "model '%s'", "\xE2\x80\xAE.gguf"), HL_E_FORMAT);
    assert_string_equal(err.text, "model '\\u{202e}.gguf': architecture '\\x1b]0;x\\x07\\u{9b}a\\nb'");
}

static void what_is_named_is_not_named_again(void **state) {
    (void)state;
    hl_err err;
    (void)hl_fail(&err, HL_E_FORMAT, "'./x.gguf': key 'a' is missing");
    assert_int_equal(hl_fail_within(&err, HL_E_FORMAT, "load '%s'", "./x.gguf"), HL_E_FORMAT);
    assert_string_equal(err.text, "'./x.gguf': key 'a' is missing");
    (void)hl_fail_within(&err, HL_E_FORMAT, "key 'b'[%d]", 3);       /* does not end with a name */
    (void)hl_fail_within(&err, HL_E_FORMAT, "model '%s'", "x.gguf"); /* another name */
    assert_string_equal(err.text, "model 'x.gguf': key 'b'[3]: './x.gguf': key 'a' is missing");
    (void)hl_fail_within(&err, HL_E_FORMAT, "%s", "'"); /* no name at all */
    (void)hl_fail_within(&err, HL_E_FORMAT, "%s", "''");
    assert_memory_equal(err.text, "'': ': model ", 13);
}

static void json_is_ascii_where_it_must_be(void **state) {
    (void)state;
    static const char raw[] = "a\"\\\0\x1b\x7f\n\xC2\x9B\xE2\x80\xAE\xF3\xA0\x81\x81\xFF\xC3\xA9";
    hl_str            s;
    hl_str_init(&s, 1000);
    hl_str_add_json(&s, (hl_view){raw, sizeof raw - 1});
    assert_string_equal(
        hl_str_text(&s),
        "\"a\\\"\\\\\\u0000\\u001b\\u007f\\n\\u009b\\u202e\\udb40\\udc41\xEF\xBF\xBD\xC3\xA9\"");
    hl_str_done(&s);
}

/* A path three times in one message, and why it failed at the end. */
static void the_cause_survives_long_paths(void **state) {
    (void)state;
    enum { PATH = 4000 };
    static char path[PATH + 1];
    hl_err      err;
    memset(path, 'p', PATH);
    memcpy(path, "/home/somebody/", 15);
    memcpy(path + PATH - 11, "/model.gguf", 11);
    (void)hl_fail(&err, HL_E_IO, "rename '%s' to '%s': %s", path, path, "No space left on device");
    assert_true(strlen(err.text) <= 511);
    assert_non_null(strstr(err.text, "rename '/home/somebody/pppp"));
    assert_non_null(strstr(err.text, "pppp/model.gguf' to '/home/somebody/pppp"));
    assert_string_equal(strrchr(err.text, '/'), "/model.gguf': No space left on device");
    (void)hl_fail_within(&err, HL_E_FORMAT, "load '%s'", path);
    (void)hl_fail_within(&err, HL_E_FORMAT, "model '%s'", path);
    assert_true(strlen(err.text) <= 511);
    assert_memory_equal(err.text, "model '/home/somebody/", 22);
    assert_non_null(strstr(err.text, "'rename '/home/somebody/")
                        ? err.text
                        : strstr(err.text, "rename '/home/somebody/"));
    assert_string_equal(strrchr(err.text, '/'), "/model.gguf': No space left on device");
}

static void a_long_message_without_long_words_loses_its_middle(void **state) {
    (void)state;
    static char words[3000];
    hl_err      err;
    for (size_t i = 0; i + 3 < sizeof words; i += 3) memcpy(words + i, "\xC3\xA9 ", 3);
    (void)hl_fail(&err, HL_E_IO, "first %s: last", words);
    assert_int_equal(hl_view_is_clean(hl_view_of(err.text), HL_CLEAN_LINE), true); /* no half characters */
    assert_in_range(strlen(err.text), 505, 511);
    assert_memory_equal(err.text, "first \xC3\xA9 ", 9);
    assert_non_null(strstr(err.text, "..."));
    assert_string_equal(strstr(err.text, ": last"), ": last");
}

static void a_message_that_just_fits_is_whole(void **state) {
    (void)state;
    static char words[600];
    hl_err      err;
    for (size_t n = 480; n < 520; n++) {
        memset(words, 'w', n);
        for (size_t i = 10; i < n; i += 11) words[i] = ' ';
        words[n] = '\0';
        (void)hl_fail(&err, HL_E_IO, "%s", words);
        if (n < 512)
            assert_string_equal(err.text, words);
        else
            assert_true(strlen(err.text) <= 511 && strstr(err.text, "..."));
    }
}

static void a_failure_keeps_its_status_when_nobody_wants_its_words(void **state) {
    (void)state;
    hl_err err = {.text = "kept"};
    assert_int_equal(hl_fail_within(NULL, HL_E_FULL, "model '%s'", "x"), HL_E_FULL);
    assert_int_equal(hl_fail_within(&err, HL_OK, "model '%s'", "x"), HL_OK);
    assert_string_equal(err.text, "kept");
    assert_int_equal(hl_fail_within(&err, HL_E_FULL, "model '%s'", "x"), HL_E_FULL);
    assert_string_equal(err.text, "model 'x': kept");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_keeps_its_status_when_nobody_wants_its_words),
        cmocka_unit_test(what_can_be_shown_stays),
        cmocka_unit_test(what_steers_becomes_an_escape),
        cmocka_unit_test(nothing_invisible_passes_in_a_line),
        cmocka_unit_test(a_nul_is_escaped_like_the_rest),
        cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
        cmocka_unit_test(messages_are_cleaned),
        cmocka_unit_test(what_is_named_is_not_named_again),
        cmocka_unit_test(json_is_ascii_where_it_must_be),
        cmocka_unit_test(the_cause_survives_long_paths),
        cmocka_unit_test(a_long_message_without_long_words_loses_its_middle),
        cmocka_unit_test(a_message_that_just_fits_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
