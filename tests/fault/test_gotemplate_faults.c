/* SPDX-License-Identifier: MIT
 *
 * test_gotemplate_faults.c - the k-th allocation of a Go template fails, for all k, once and for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/gotemplate/gotemplate.h"

static const char with_messages[] =
    "{{ define \"tool\" }}{{ .Function.Name }}{{ json .Function.Parameters }}{{ end }}{{ $s := \"\" }}"
    "{{ range $i := 400 }}{{ $s = printf \"%s some text that grows %d\" $s $i }}{{ end }}{{ len $s }}{{ "
    "slice $s 9 99 }}"
    "{{ range .Tools }}{{ template \"tool\" . }}{{ range $k, $v := .Function.Parameters.Properties }}"
    "{{ toTypeScriptType $v }}{{ range $p, $q := $v.Properties.All }}{{ $p }}{{ end }}{{ end }}{{ . }}{{ end "
    "}}"
    "{{ range .Messages }}{{ html .Content .Role }}{{ js .Content }}{{ urlquery .Content }}{{ printf \"%q "
    "%+q %x %6.2f\""
    " .Content .Role .Thinking 1.5 }}{{ range .ToolCalls }}{{ .Function.Arguments }}{{ index "
    ".Function.Arguments \"a\" }}"
    "{{ end }}{{ end }}{{ printf \"%v %U %#.30f %c\" .Messages 'x' 2.5 'y' }}{{ currentDate }}{{ println "
    ".System 1 2i }}";

static const char by_turns[] =
    "{{ if .System }}<s>{{ .System }}{{ end }}<u>{{ .Prompt }}<a>{{ .Response }}{{ printf \"x\" }}</a>";

static const char messages_json[] =
    "[{\"role\": \"system\", \"content\": \"be\"}, {\"role\": \"system\", \"content\": \"brief\"},"
    " {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a<b>\"}, {\"type\": \"text\", "
    "\"text\": \"c\"}]},"
    " {\"role\": \"assistant\", \"content\": \"ok\", \"thinking\": \"t\", \"tool_calls\": [{\"id\": \"1\", "
    "\"function\":"
    " {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 9007199254740993}\"}}]},"
    " {\"role\": \"tool\", \"content\": \"r\", \"tool_call_id\": \"1\"}, {\"role\": \"user\", \"content\": "
    "\"x\"}]";

static const char tools_json[] = "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": "
                                 "{\"required\": [\"a\"], \"properties\":"
                                 " {\"a\": {\"type\": [\"number\", \"null\"], \"enum\": [1, 2]}, \"o\": "
                                 "{\"properties\": {\"p\": {\"anyOf\":"
                                 " [{\"type\": \"string\"}]}}}}}}}]";

static hl_status parse_and_render(hl_view source, const hl_gotemplate_input *in, hl_tainted *out,
                                  hl_err *err) {
    hl_gotemplate *t = NULL;
    hl_status      status = hl_gotemplate_parse(source, &t, err);
    if (status == HL_OK) status = hl_gotemplate_render(t, in, out, err);
    hl_gotemplate_free(t);
    return status;
}

static void run_with_failures(hl_view source, size_t n_fail) {
    json_t *messages = json_loads(messages_json, 0, NULL), *tools = json_loads(tools_json, 0, NULL);
    const hl_gotemplate_input in = {.messages = messages, .tools = tools, .now_ms = 1};
    bool                      done = false;
    for (size_t k = 0; !done; k++) {
        hl_err     err = {0};
        hl_tainted out;
        hl_tainted_init(&out, 1 << 20);
        hl_mem_fail_after(k, n_fail);
        const hl_status status = parse_and_render(source, &in, &out, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (status != HL_OK && status != HL_E_NOMEM)
            fail_msg("allocation %zu: status %d, %s", k, (int)status, err.text);
        if (status != HL_OK) assert_int_equal(out.text.len + out.n_tainted, 0);
        done = status == HL_OK;
        hl_tainted_done(&out);
        assert_true(k < 10000);
    }
    json_decref(messages);
    json_decref(tools);
}

static void one_failed_allocation_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    run_with_failures(hl_view_of(with_messages), 1);
    run_with_failures(hl_view_of(by_turns), 1);
}

static void no_memory_any_more_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    run_with_failures(hl_view_of(with_messages), SIZE_MAX);
    run_with_failures(hl_view_of(by_turns), SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_is_reported_and_nothing_leaks),
        cmocka_unit_test(no_memory_any_more_is_reported_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
