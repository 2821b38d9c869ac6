/* SPDX-License-Identifier: MIT
 *
 * test_chat_results.c - results of tools get names and ids, and conversations with tools go through templates
 * that are particular about them.
 */
#include "tests/need.h"

#include <string.h>

#include "engine/runner/chat_results.h"
#include "engine/runner/chat_template.h"
#include "hyperlama/native.h"

#define CALL(id, name)                                                                                       \
    "{" id "\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"{}\"}}"
#define CALLS(calls) "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" calls "]}"

static json_t *linked(const char *text, bool short_ids) {
    json_t *messages = json_loads(text, 0, NULL);
    hl_err  err = {0};
    assert_non_null(messages);
    assert_int_equal(hl_chat_link_results(messages, short_ids, &err), HL_OK);
    return messages;
}

static const char *field(const json_t *messages, size_t i, const char *key) {
    return json_string_value(json_object_get(json_array_get(messages, i), key));
}

static void results_have_the_names_of_their_calls(void **state) {
    json_t *m = linked(
        "[" CALLS(CALL("\"id\":\"a\",", "f") "," CALL(
            "\"id\":\"b\",", "g")) ","
                                   "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"1\"},"
                                   "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"2\"},"
                                   "{\"role\":\"user\",\"content\":\"go on\"}," CALLS(CALL("", "h") "," CALL(
                                       "", "i")) ","
                                                 "{\"role\":\"tool\",\"content\":\"3\"},{\"role\":\"tool\","
                                                 "\"name\":\"own\",\"content\":\"4\"},"
                                                 "{\"role\":\"tool\",\"content\":\"one too many\"}]",
        false);
    (void)state;
    assert_string_equal(field(m, 1, "name"), "g");
    assert_string_equal(field(m, 2, "name"), "f");
    assert_string_equal(field(m, 5, "name"), "h");
    assert_string_equal(field(m, 6, "name"), "own");
    assert_null(field(m, 7, "name"));
    assert_string_equal(field(m, 1, "tool_call_id"), "b");
    assert_null(field(m, 5, "tool_call_id"));
    json_decref(m);
}

static const char *id_of_call(const json_t *messages, size_t i, size_t k) {
    return json_string_value(
        json_object_get(json_array_get(json_object_get(json_array_get(messages, i), "tool_calls"), k), "id"));
}

static void short_ids_are_the_same_wherever_they_stand(void **state) {
    const char *text = "[" CALLS(
        CALL("\"id\":\"call_0123456789abcdef\",", "f") "," CALL("\"id\":\"Abc123456\",", "g") "," CALL(
            "", "h")) ","
                      "{\"role\":\"tool\",\"tool_call_id\":\"call_0123456789abcdef\",\"content\":\"1\"},"
                      "{\"role\":\"tool\",\"tool_call_id\":\"Abc123456\",\"content\":\"2\"},"
                      "{\"role\":\"tool\",\"content\":\"3\"}]";
    json_t *m = linked(text, true), *again = linked(text, true);
    (void)state;
    assert_true(json_equal(m, again));
    assert_int_equal(strlen(id_of_call(m, 0, 0)), 9);
    assert_string_equal(id_of_call(m, 0, 0), field(m, 1, "tool_call_id"));
    assert_string_equal(id_of_call(m, 0, 1), "Abc123456");
    assert_string_equal(field(m, 2, "tool_call_id"), "Abc123456");
    assert_int_equal(strlen(id_of_call(m, 0, 2)), 9);
    assert_string_equal(id_of_call(m, 0, 2), field(m, 3, "tool_call_id"));
    assert_string_not_equal(id_of_call(m, 0, 0), id_of_call(m, 0, 2));
    json_decref(m);
    json_decref(again);
}

/* Ids as we make them, and none at all, as Ollama's clients send it. */
static void templates_that_count_an_ids_letters_take_any(void **state) {
    static const char *const conversations[] = {
        "[{\"role\":\"user\",\"content\":\"q\"}," CALLS(CALL(
            "\"id\":\"call_0123456789abcdef0000\",",
            "f")) ","
                  "{\"role\":\"tool\",\"tool_call_id\":\"call_0123456789abcdef0000\",\"content\":\"r\"}]",
        "[{\"role\":\"user\",\"content\":\"q\"}," CALLS(
            CALL("", "f")) ",{\"role\":\"tool\",\"content\":\"r\"}]"};
    char  path[1024];
    char *source = calloc(1, 1 << 20);
    (void)state;
    if (!find_fetched("templates/mistralai-Mistral-Nemo-Instruct-2407.jinja", path, sizeof path)) {
        free(source);
        skip_because("%s is not there", path);
    }
    FILE *f = fopen(path, "rb");
    assert_true(f && source && fread(source, 1, (1 << 20) - 1, f) > 0);
    (void)fclose(f);
    for (size_t i = 0; i < 2; i++) {
        hl_request r;
        hl_err     err = {0};
        char      *text = NULL;
        size_t     n = 0;
        hl_request_init(&r);
        r.template_text = source;
        r.messages_json = conversations[i];
        if (hl_chat_render(NULL, &r, &text, &n, &err) != HL_OK) fail_msg("%zu: %s", i, err.text);
        assert_non_null(strstr(text, "[TOOL_RESULTS]"));
        hl_text_free(text);
    }
    free(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_have_the_names_of_their_calls),
        cmocka_unit_test(short_ids_are_the_same_wherever_they_stand),
        cmocka_unit_test(templates_that_count_an_ids_letters_take_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
