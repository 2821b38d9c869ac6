/* SPDX-License-Identifier: MIT
 *
 * test_gotemplate_golden.c - what Go's own text/template makes of templates, byte for byte.
 *
 * The rows are in tests/golden/gotemplate, see ORIGIN.md there. HL_TEST_GOTEMPLATE names a file of more rows
 * (made with `oracle random`), for differential runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/gotemplate/gotemplate.h"
#include "hyperlama/native.h"
#include "tests/golden/go_rows.h"

static json_t *load(const char *path) {
    json_error_t e;
    json_t      *j = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!j) fail_msg("%s: line %d: %s", path, e.line, e.text);
    return j;
}

static void decode_base64(const char *text, hl_str *to) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t          bits = 0;
    int               n_bits = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(alphabet, *text) - alphabet);
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        hl_str_add_char(to, (char)(bits >> n_bits));
    }
}

static void show(const char *what, hl_view v) {
    print_error("  %s '%.*s'\n", what, (int)(v.len < 600 ? v.len : 600), v.len ? v.ptr : "");
}

/* 1 when the row gives something else than Go. */
static int check_row(const json_t *file, const json_t *row, size_t i) {
    hl_str         source, want;
    hl_tainted     out;
    hl_err         err = {0};
    hl_gotemplate *t = NULL;
    hl_str_init(&source, 1 << 20);
    hl_str_init(&want, 16 << 20);
    hl_tainted_init(&out, 16 << 20);
    go_row_source(file, row, &source);
    hl_status status = hl_gotemplate_parse(hl_str_view(&source), &t, &err);
    if (status == HL_OK) status = go_row_render(t, file, row, &out, &err);
    const json_t *output = json_object_get(row, "output"), *base64 = json_object_get(row, "base64");
    if (output) hl_str_add_view(&want, go_row_text(output));
    if (base64) decode_base64(json_string_value(base64), &want);
    const bool has_text = (output || base64) && !json_object_get(row, "differs");
    const bool is_bad = has_text != (status == HL_OK) ||
                        (has_text && !hl_view_eq(hl_str_view(&want), hl_str_view(&out.text)));
    if (is_bad) {
        const json_t *with = json_object_get(row, "with");
        print_error("row %zu %s:\n", i, with ? json_string_value(with) : "");
        show("template", hl_str_view(&source));
        show("expected", has_text ? hl_str_view(&want) : go_row_text(json_object_get(row, "error")));
        show("found   ", status == HL_OK ? hl_str_view(&out.text) : hl_view_of(err.text));
    }
    hl_gotemplate_free(t);
    hl_tainted_done(&out);
    hl_str_done(&source);
    hl_str_done(&want);
    return is_bad;
}

static void check_file(const char *path) {
    json_t       *file = load(path), *row = NULL;
    const json_t *rows = json_object_get(file, "rows");
    size_t        i = 0;
    int           n_bad = 0;
    json_array_foreach(rows, i, row) n_bad += check_row(file, row, i);
    print_message("%zu templates compared, %d differ\n", i, n_bad);
    json_decref(file);
    assert_int_equal(n_bad, 0);
    assert_true(i > 0);
}

static void every_feature_behaves_as_in_go(void **state) {
    (void)state;
    check_file("tests/golden/gotemplate/features_expected.json");
}

static void templates_in_the_style_of_known_models_give_the_prompts_of_go(void **state) {
    (void)state;
    check_file("tests/golden/gotemplate/models_expected.json");
}

static void random_templates_give_what_go_gives(void **state) {
    (void)state;
    const char *more = getenv("HL_TEST_GOTEMPLATE");
    check_file("tests/golden/gotemplate/random_expected.json");
    check_file("tests/golden/gotemplate/random_chat_expected.json");
    if (more) check_file(more);
}

static void templates_that_reach_further_give_what_go_gives(void **state) {
    (void)state;
    check_file("tests/golden/gotemplate/chosen_expected.json");
    check_file("tests/golden/gotemplate/chosen_chat_expected.json");
}

/* These show all that a conversation has, so that nothing has to be put elsewhere for them. */
static bool shows_all(const char *template, const char *request) {
    static const char *const templates[] = {
        "alpaca", "chatml-turns", "llama2-turns",  "phi3",          "chatml",      "zephyr", "gemma",
        "llama2", "llama3-tools", "mistral-tools", "qwen2.5-tools", "deepseek-r1", "harmony"};
    static const char *const requests[] = {"none",    "user",        "system",        "turns", "joined",
                                           "prefill", "empty-texts", "system-inside", "tools"};
    bool                     known = false, plain = false;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        known = known || strcmp(template, templates[i]) == 0;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        plain = plain || strcmp(request, requests[i]) == 0;
    const bool has_tools = strcmp(template, "llama3-tools") == 0 || strcmp(template, "mistral-tools") == 0 ||
                           strcmp(template, "qwen2.5-tools") == 0 || strcmp(template, "harmony") == 0;
    return known && (plain || (has_tools && strncmp(request, "tool", 4) == 0));
}

static int check_prompt(const json_t *file, const json_t *row) {
    const char *of = json_string_value(json_object_get(row, "of")),
               *with = json_string_value(json_object_get(row, "with"));
    const json_t *q = json_object_get(json_object_get(file, "requests"), with),
                 *tools = json_object_get(q, "tools");
    char      *messages_json = json_dumps(json_object_get(q, "messages"), 0);
    char      *tools_json = tools ? json_dumps(tools, 0) : NULL, *text = NULL;
    size_t     n = 0;
    hl_request r;
    hl_err     err = {0};
    hl_str     source;
    hl_str_init(&source, 1 << 20);
    go_row_source(file, row, &source);
    hl_request_init(&r);
    r.messages_json = messages_json;
    r.tools_json = tools_json;
    r.stored_template = hl_str_text(&source);
    r.now_ms = GO_ROWS_NOW_MS;
    hl_status status = hl_chat_render(NULL, &r, &text, &n, &err);
    if (status == HL_E_UNSUPPORTED && strstr(err.text, "does not support tools") &&
        !strstr(hl_str_text(&source), ".Tools")) { /* Go leaves them out, we refuse */
        r.tools_json = NULL;
        status = hl_chat_render(NULL, &r, &text, &n, &err);
    }
    const json_t *want = json_object_get(row, "output");
    const bool    is_bad = status != HL_OK || !hl_view_eq((hl_view){text, n}, go_row_text(want));
    if (is_bad) {
        print_error("%s, %s:\n", of, with);
        show("expected", go_row_text(want));
        show("found   ", status == HL_OK ? (hl_view){text, n} : hl_view_of(err.text));
    }
    hl_text_free(text);
    hl_str_done(&source);
    free(messages_json);
    free(tools_json);
    return is_bad;
}

static void prompts_of_stored_templates_are_those_of_go(void **state) {
    (void)state;
    json_t *file = load("tests/golden/gotemplate/models_expected.json"), *row = NULL;
    size_t  i = 0;
    int     n_bad = 0, n = 0;
    json_array_foreach(json_object_get(file, "rows"), i, row) {
        if (!shows_all(json_string_value(json_object_get(row, "of")),
                       json_string_value(json_object_get(row, "with"))))
            continue;
        n_bad += check_prompt(file, row);
        n++;
    }
    json_decref(file);
    assert_int_equal(n_bad, 0);
    assert_int_equal(n, 13 * 9 + 4 * 2);
}

int main(void) {
    (void)setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_behaves_as_in_go),
        cmocka_unit_test(templates_in_the_style_of_known_models_give_the_prompts_of_go),
        cmocka_unit_test(random_templates_give_what_go_gives),
        cmocka_unit_test(templates_that_reach_further_give_what_go_gives),
        cmocka_unit_test(prompts_of_stored_templates_are_those_of_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
