/* SPDX-License-Identifier: MIT
 *
 * test_name.c - names of models: what is one, what it means, how it is written.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "models/name.h"

static void a_name_fills_in_what_it_leaves_out(void **state) {
    (void)state;
    static const struct {
        const char *text, *full, *shortest;
    } cases[] = {
        {"smollm2", "registry.ollama.ai/library/smollm2:latest", "smollm2:latest"},
        {"smollm2:135m-instruct-q4_1", "registry.ollama.ai/library/smollm2:135m-instruct-q4_1",
         "smollm2:135m-instruct-q4_1"},
        {"me/mine", "registry.ollama.ai/me/mine:latest", "me/mine:latest"},
        {"hf.co/user/Repo-GGUF:Q4_K_M", "hf.co/user/Repo-GGUF:Q4_K_M", "hf.co/user/Repo-GGUF:Q4_K_M"},
        {"localhost:5000/a/b", "localhost:5000/a/b:latest", "localhost:5000/a/b:latest"},
        {"https://example.com/a/b:c", "example.com/a/b:c", "example.com/a/b:c"},
        {"registry.ollama.ai/library/x:y", "registry.ollama.ai/library/x:y", "x:y"},
        {"Registry.Ollama.AI/Library/X:Y", "Registry.Ollama.AI/Library/X:Y", "X:Y"},
        {"_a.b-c", "registry.ollama.ai/library/_a.b-c:latest", "_a.b-c:latest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hl_name name;
        hl_err  err = {0};
        char    text[HL_NAME_TEXT_BYTES];
        if (hl_name_parse(cases[i].text, &name, &err) != HL_OK) fail_msg("%s: %s", cases[i].text, err.text);
        hl_name_format_full(&name, text);
        assert_string_equal(text, cases[i].full);
        hl_name_format(&name, text);
        assert_string_equal(text, cases[i].shortest);
        assert_int_equal(name.has_tag, strstr(cases[i].text, ":latest") ||
                                           cases[i].text[strlen(cases[i].text) - 2] == ':' ||
                                           strstr(cases[i].text, "q4_1") || strstr(cases[i].text, ":Q4"));
    }
}

static void what_could_leave_the_folder_is_no_name(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        "/",
        "a:",
        ":a",
        "a/",
        "/a",
        "a//b",
        "..",
        ".",
        "../x",
        "a/../b",
        "a/b/../c",
        "../../etc/passwd",
        ".hidden",
        "-x",
        "a:..",
        "a:.b",
        "a:b/c:",
        "a b",
        "a\tb",
        "a\nb",
        "a\\b",
        "na.me/x",
        "h/a/b/c/d",
        "x@sha256:00",
        "a:b:c",
        "\xc3\xa4",
        "ftp://h/a/b",
        "://x",
        "h/n/m:t/..",
        "~/x",
        "%2e%2e/x",
        "./a/b",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hl_name name = {.host = "untouched"};
        hl_err  err = {0};
        if (hl_name_parse(bad[i], &name, &err) == HL_OK) fail_msg("'%s' was taken for a name", bad[i]);
        assert_int_equal(err.status, HL_E_ARG);
        assert_string_equal(name.host, "untouched");
    }
}

static void a_part_has_a_longest_length(void **state) {
    (void)state;
    char    text[500] = "";
    hl_name name;
    memset(text, 'a', 80);
    assert_int_equal(hl_name_parse(text, &name, NULL), HL_OK);
    text[80] = 'a';
    assert_int_equal(hl_name_parse(text, &name, NULL), HL_E_ARG);
    memset(text, 'h', 350);
    strcpy(text + 350, "/n/m");
    assert_int_equal(hl_name_parse(text, &name, NULL), HL_OK);
    memset(text, 'h', 351);
    strcpy(text + 351, "/n/m");
    assert_int_equal(hl_name_parse(text, &name, NULL), HL_E_ARG);
}

static void names_are_equal_whatever_the_case(void **state) {
    (void)state;
    hl_name a, b;
    assert_int_equal(hl_name_parse("SmolLM2:135M", &a, NULL), HL_OK);
    assert_int_equal(hl_name_parse("smollm2:135m", &b, NULL), HL_OK);
    assert_true(hl_name_eq(&a, &b));
    assert_int_equal(hl_name_parse("smollm2:360m", &b, NULL), HL_OK);
    assert_false(hl_name_eq(&a, &b));
    assert_true(hl_name_eq_but_tag(&a, &b));
}

static void distance_counts_edits(void **state) {
    (void)state;
    assert_int_equal(hl_name_distance("", ""), 0);
    assert_int_equal(hl_name_distance("abc", "ABC"), 0);
    assert_int_equal(hl_name_distance("smolm2", "smollm2"), 1);
    assert_int_equal(hl_name_distance("kitten", "sitting"), 3);
    assert_int_equal(hl_name_distance("", "abc"), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_fills_in_what_it_leaves_out),
        cmocka_unit_test(what_could_leave_the_folder_is_no_name),
        cmocka_unit_test(a_part_has_a_longest_length),
        cmocka_unit_test(names_are_equal_whatever_the_case),
        cmocka_unit_test(distance_counts_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
