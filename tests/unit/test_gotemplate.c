/* SPDX-License-Identifier: MIT
 *
 * test_gotemplate.c - Go templates beyond what Go's own can say: where bytes came from, limits, words of
 * errors, shapes of requests. What templates give is in tests/golden/gotemplate.
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

static hl_status run(const char *source, const char *messages, const char *tools, hl_tainted *out,
                     hl_err *err) {
    hl_gotemplate            *t = NULL;
    json_t                   *m = messages ? json_loads(messages, JSON_ALLOW_NUL, NULL) : NULL;
    json_t                   *u = tools ? json_loads(tools, JSON_ALLOW_NUL, NULL) : NULL;
    const hl_gotemplate_input in = {.messages = m, .tools = u, .now_ms = 1772334245000};
    assert_true(!messages || m);
    assert_true(!tools || u);
    hl_tainted_init(out, 1 << 20);
    hl_status status = hl_gotemplate_parse(hl_view_of(source), &t, err);
    if (status == HL_OK) status = hl_gotemplate_render(t, &in, out, err);
    hl_gotemplate_free(t);
    json_decref(m);
    json_decref(u);
    return status;
}

static void gives(const char *source, const char *messages, const char *tools, const char *want) {
    hl_tainted      out;
    hl_err          err = {0};
    const hl_status status = run(source, messages, tools, &out, &err);
    if (status != HL_OK) fail_msg("%s: %s", source, err.text);
    assert_string_equal(hl_str_text(&out.text), want);
    hl_tainted_done(&out);
}

/* `want` is the output with what came from outside between « and ». */
static void taints(const char *source, const char *messages, const char *tools, const char *want) {
    hl_tainted out;
    hl_err     err = {0};
    hl_str     shown;
    hl_str_init(&shown, 1 << 20);
    const hl_status status = run(source, messages, tools, &out, &err);
    if (status != HL_OK) fail_msg("%s: %s", source, err.text);
    size_t at = 0;
    for (size_t i = 0; i < out.n_tainted; i++) {
        hl_str_add(&shown, out.text.ptr + at, out.tainted[i].begin - at);
        hl_str_add_text(&shown, "«");
        hl_str_add(&shown, out.text.ptr + out.tainted[i].begin, out.tainted[i].end - out.tainted[i].begin);
        hl_str_add_text(&shown, "»");
        at = out.tainted[i].end;
    }
    hl_str_add(&shown, hl_str_text(&out.text) + at, out.text.len - at);
    assert_string_equal(hl_str_text(&shown), want);
    hl_str_done(&shown);
    hl_tainted_done(&out);
}

static void fails(const char *source, const char *messages, const char *tools, hl_status status,
                  const char *want) {
    hl_tainted      out;
    hl_err          err = {0};
    const hl_status got = run(source, messages, tools, &out, &err);
    if (got != status || strcmp(err.text, want) != 0)
        fail_msg("%.80s: status %d '%s', expected %d '%s'", source, (int)got, err.text, (int)status, want);
    assert_int_equal(out.text.len, 0);
    hl_tainted_done(&out);
}

#define ONE "[{\"role\": \"user\", \"content\": \"a<é>b\"}]"
#define C   "(index .Messages 0).Content"

static void every_byte_knows_where_it_came_from(void **state) {
    (void)state;
    taints("x{{ " C " }}y", ONE, NULL, "x«a<é>b»y");
    taints("{{ printf \"<%s|%5.3s|%-7s|>\" " C " " C " " C " }}", ONE, NULL, "<«a<é>b»|  «a<é»|«a<é>b»  |>");
    taints("{{ printf \"%q %x %d\" " C " " C " 7 }}", ONE, NULL, "\"«a<é>b»\" «613cc3a93e62» 7");
    taints("{{ $s := printf \"[%s]\" " C " }}{{ slice $s 0 2 }},{{ slice $s 1 3 }},{{ slice $s 6 8 }}", ONE,
           NULL, "[«a»,«a<»,«b»]");
    taints("{{ html " C " }} {{ js " C " }} {{ urlquery " C " }} {{ json " C " }}", ONE, NULL,
           "«a&lt;é&gt;b» «a\\u003Cé\\u003Eb» «a%3C%C3%A9%3Eb» «\"a\\u003cé\\u003eb\"»");
    taints("{{ json \"<\" }} {{ html (print \"<\" " C " \"<\") }}", ONE, NULL,
           "\"\\u003c\" &lt;«a&lt;é&gt;b»&lt;");
    taints("{{ print \"a\" " C " 1 }} {{ len " C " }} {{ eq " C " \"x\" }} {{ index " C " 0 }}", ONE, NULL,
           "a«a<é>b»1 6 false «97»");
    taints("{{ printf " C " 1 }}", "[{\"role\": \"user\", \"content\": \"a%dz%y\"}]", NULL,
           "«a»1«z»%!«y»(MISSING)");
    taints("{{ range .Messages }}{{ .Role }}{{ end }}",
           "[{\"role\": \"user\"}, {\"role\": \"Tool\"}, {\"role\": \"<x>\"}]", NULL, "usertool«<x>»");
    taints("{{ .System }}|{{ json .Messages }}",
           "[{\"role\": \"system\", \"content\": \"a\"}, {\"role\": \"system\", \"content\": \"b\"}]", NULL,
           "«a\n\nb»|«[{\"Role\":»\"system\"«,\"Content\":»\"«a\\n\\nb»\"«,\"Thinking\":\"\",\"Images\":null,"
           "\"ToolCalls\":null,"
           "\"ToolName\":\"\",\"ToolCallID\":\"\"}]»");
    taints("{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Name }}:{{ .Function.Arguments }}{{ "
           "range $k, $v := "
           ".Function.Arguments }} {{ $k }}={{ $v }}{{ end }}{{ end }}{{ end }}",
           "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "
           "{\"<|x|>\": 12}}}]}]",
           NULL, "«f»:«{\"\\u003c|x|\\u003e\":12}» «<|x|>»=«12»");
    taints("{{ range .Tools }}{{ .Function }}{{ end }}{{ if .Messages }}{{ end }}", NULL,
           "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": \"d\"}}]",
           "«{f d { <nil> <nil> [] »{}«}}»");
}

static void turns_taint_texts_alone(void **state) {
    (void)state;
    taints("{{ if .System }}<S>{{ .System }}{{ end }}<U>{{ .Prompt }}<A>{{ .Response }}</A>",
           "[{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"u\"}, "
           "{\"role\": \"assistant\","
           " \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"v\"}]",
           NULL, "<S>«s»<U>«u»<A>«a»</A><U>«v»<A>");
    taints("<{{ .Prompt }}>",
           "[{\"role\": \"user\", \"content\": \"u\"}, {\"role\": \"assistant\", \"content\": \"a\"}]", NULL,
           "<«u»>«a»");
}

static void many_neighbours_of_one_role_are_joined_once(void **state) {
    (void)state;
    hl_str     messages;
    hl_tainted out;
    hl_err     err = {0};
    hl_str_init(&messages, 64 << 20);
    for (int i = 0; i < 2000; i++) /* 2 MB of text; joined one by one it would be 2 GB */
        hl_str_add_format(&messages, "%c{\"role\": \"user\", \"content\": \"%01000d\"}", i ? ',' : '[', i);
    hl_str_add_char(&messages, ']');
    assert_int_equal(
        run("{{ range .Messages }}{{ len .Content }};{{ end }}", hl_str_text(&messages), NULL, &out, &err),
        HL_OK);
    assert_string_equal(hl_str_text(&out.text), "2003998;");
    hl_tainted_done(&out);
    hl_str_done(&messages);
}

static void requests_of_other_shapes_are_read(void **state) {
    (void)state;
    gives("{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}",
          "[{\"role\": \"DEVELOPER\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": "
          "\"image_url\"}, {\"text\": \"b\"}]},"
          " {\"role\": \"user\", \"content\": null}, {\"role\": \"user\", \"content\": \"x\\u0000y\"}]",
          NULL, "[system a\n\nb][user \n\nx");
    gives("{{ range .Messages }}{{ .Thinking }}{{ .ToolName }}{{ range .ToolCalls }}{{ .Function.Arguments.n "
          "}}{{ end }};{{ end }}",
          "[{\"role\": \"assistant\", \"reasoning_content\": \"r\", \"tool_calls\": [{\"id\": \"7\", "
          "\"function\": {\"name\": \"f\","
          " \"arguments\": \"{\\\"n\\\": 5}\"}}]}, {\"role\": \"tool\", \"tool_call_id\": \"7\", "
          "\"content\": \"x\"},"
          " {\"role\": \"tool\", \"name\": \"g\"}]",
          NULL, "r5;f;g;");
    gives(
        "{{ range .Messages }}({{ .Content }}{{ range .ToolCalls }}+{{ .Function.Name }}{{ end }}){{ end }}",
        "[{\"role\": \"assistant\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\", "
        "\"tool_calls\": [{\"function\":"
        " {\"name\": \"f\"}}]}, {\"role\": \"assistant\", \"content\": \"c\"}]",
        NULL, "(a)(b\n\nc+f)");
    gives("{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }}{{ json .Function.Arguments.n "
          "}}{{ end }}{{ end }}",
          "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "
          "{\"n\": 9007199254740993}}}]}]",
          NULL, "{\"n\":9007199254740993}9007199254740993");
    gives("{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }};{{ end }}{{ end }}",
          "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "
          "\"{x\"}}, {\"function\":"
          " {\"name\": \"f\", \"arguments\": \"\"}}, {\"function\": {\"name\": \"f\"}}]}]",
          NULL, "{x;{};{};");
    /* as text: integers of any size, NUL, halves of pairs, the last of two keys */
    gives("{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }};{{ end }}{{ end }}",
          "[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "
          "\"{\\\"n\\\": 18446744073709551616}\"}}, {\"function\": {\"name\": \"f\", \"arguments\": "
          "\"{\\\"n\\\": \\\"\\\\u0000\\\\ud83d\\\"}\"}}, {\"function\": {\"name\": \"f\", "
          "\"arguments\": \"{\\\"n\\\": 1, \\\"n\\\": 2}\"}}]}]",
          NULL, "{\"n\":18446744073709551616};{\"n\":\"\\u0000\xEF\xBF\xBD\"};{\"n\":2};");
    gives("{{ range .Messages }}{{ len .Images }}{{ end }}",
          "[{\"role\": \"user\", \"images\": [\"aGk=\", \"aGk=\"]}]", NULL, "2");
}

static void wrong_shapes_say_where(void **state) {
    (void)state;
    const char *t = "{{ range .Messages }}{{ .Content }}{{ end }}";
    fails(t, "[5]", NULL, HL_E_FORMAT, "messages[0]: expected an object");
    fails(t, "[{\"content\": \"x\"}]", NULL, HL_E_FORMAT, "messages[0].role: expected a string");
    fails(t, "[{\"role\": \"user\", \"content\": 5}]", NULL, HL_E_FORMAT,
          "messages[0].content: expected a string or an array of parts");
    fails(
        t,
        "[{\"role\": \"user\"}, {\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": 1}}]}]",
        NULL, HL_E_FORMAT, "messages[1].tool_calls[0].function.name: expected a string");
    fails(t, NULL, "[{}]", HL_E_FORMAT, "tools[0].function: expected an object");
    fails(t, NULL,
          "[{\"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": 3}}}}}]",
          HL_E_FORMAT,
          "tools[0].function.parameters.properties.a.type: expected a string or an array of strings");
}

static void errors_say_line_column_and_cause(void **state) {
    (void)state;
    fails("é\n  {{ nosuch }}", NULL, NULL, HL_E_FORMAT,
          "template line 2, column 6: function 'nosuch' is not defined");
    fails("{{ if true }}\n", NULL, NULL, HL_E_FORMAT,
          "template line 2, column 1: the template ends in the middle of if, range, with, define or block: "
          "expected {{end}}");
    fails("a{{ .x ", NULL, NULL, HL_E_FORMAT,
          "template line 1, column 2: this action has no end: expected }}");
    fails("{{ $x }}", NULL, NULL, HL_E_FORMAT, "template line 1, column 4: variable $x is not declared");
    fails("{{ range .Messages }}{{ .Foo }}{{ end }}", ONE, NULL, HL_E_FORMAT,
          "template line 1, column 26: template.templateMessage has no field Foo");
    fails("{{ .Messages.x.y }}", ONE, NULL, HL_E_FORMAT,
          "template line 1, column 5: field x of []*template.templateMessage: expected a map or a struct");
    fails("{{ len 3 }}", NULL, NULL, HL_E_FORMAT,
          "template line 1, column 4: len of int: expected a list, a map or a string");
    fails("{{ index .Messages 1 }}", ONE, NULL, HL_E_FORMAT,
          "template line 1, column 4: index 1: expected 0 to 0");
    fails("{{ template \"t\" }}{{ .Messages }}", NULL, NULL, HL_E_FORMAT,
          "template line 1, column 4: template \"t\" is not defined");
}

static void hostile_templates_end(void **state) {
    (void)state;
    hl_str deep;
    fails("{{ range 9000000000000000000 }}{{ end }}", NULL, NULL, HL_E_LIMIT,
          "template line 1, column 4: takes too many steps");
    fails("{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}", NULL, NULL, HL_E_LIMIT,
          "template line 1, column 20: nested too deep");
    fails("{{ range 100000 }}0123456789abcdef{{ end }}", NULL, NULL, HL_E_LIMIT,
          "template line 1, column 19: the text is too long");
    fails("{{ $s := \"0123456789\" }}{{ range 40 }}{{ $s = print $s $s }}{{ end }}", NULL, NULL, HL_E_LIMIT,
          "template line 1, column 47: needs more than 64 MiB of memory");
    fails("{{ printf \"%*d\" 1000001 1 }}{{ range 1000 }}{{ printf \"%1000000d\" 1 | len }}{{ end }}", NULL,
          NULL, HL_E_LIMIT, "template line 1, column 48: needs more than 64 MiB of memory");
    hl_str_init(&deep, 1 << 20);
    for (int i = 0; i < 300; i++) hl_str_add_text(&deep, "{{if 1}}");
    fails(hl_str_text(&deep), NULL, NULL, HL_E_LIMIT, "template line 1, column 1603: nested deeper than 200");
    hl_str_clear(&deep);
    hl_str_add_text(&deep, "{{");
    for (int i = 0; i < 300; i++) hl_str_add_char(&deep, '(');
    for (int i = 0; i < 300; i++) hl_str_add_char(&deep, ')');
    hl_str_add_text(&deep, "}}");
    fails(hl_str_text(&deep), NULL, NULL, HL_E_LIMIT, "template line 1, column 203: nested deeper than 200");
    hl_str_clear(&deep);
    for (int i = 0; i < 501; i++) hl_str_add_format(&deep, "{{$a%03d:=1}}", i);
    fails(hl_str_text(&deep), NULL, NULL, HL_E_LIMIT,
          "template line 1, column 6010: more than 500 variables");
    hl_str_clear(&deep);
    for (int i = 0; i < 501; i++) hl_str_add_format(&deep, "{{define \"a%03d\"}}{{end}}", i);
    fails(hl_str_text(&deep), NULL, NULL, HL_E_LIMIT,
          "template line 1, column 12009: more than 500 templates");
    hl_str_done(&deep);
    fails("\xff", NULL, NULL, HL_E_FORMAT, "template is not valid UTF-8");
}

static void a_stop_ends_parsing_and_rendering(void **state) {
    (void)state;
    int stop = 1;
    (void)hl_stop_watch(&stop);
    fails("{{ range 1000000 }}{{ end }}", NULL, NULL, HL_E_CANCEL, "read the template: stopped");
    (void)hl_stop_watch(NULL);
    hl_gotemplate *t = NULL;
    hl_tainted     out;
    hl_err         err = {0};
    hl_tainted_init(&out, 1 << 20);
    assert_int_equal(hl_gotemplate_parse(hl_view_of("{{ range 1000000 }}{{ end }}"), &t, &err), HL_OK);
    (void)hl_stop_watch(&stop);
    assert_int_equal(hl_gotemplate_render(t, &(hl_gotemplate_input){0}, &out, &err), HL_E_CANCEL);
    (void)hl_stop_watch(NULL);
    assert_string_equal(err.text, "render the template: stopped");
    hl_gotemplate_free(t);
    hl_tainted_done(&out);
}

static hl_template_look look(const char *text) { return hl_template_looks(hl_view_of(text)); }

static void a_template_tells_its_language(void **state) {
    (void)state;
    assert_int_equal(look("{{ .Prompt }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("[INST] {{ if .System }}x{{ end }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{- range $i, $_ := .Messages }}{{ end }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{/* c */}}{{ .Prompt }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{- $x := 1 }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"),
                     HL_LOOKS_LIKE_JINJA);
    assert_int_equal(look("{# c #}{{ .x }}"), HL_LOOKS_LIKE_JINJA);
    assert_int_equal(look("{{ messages[0].content }}"), HL_LOOKS_LIKE_NEITHER);
    assert_int_equal(look("{{range .Messages}}x{{end}}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{ template \"x\" }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{ json .Tools }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{ (index .Messages 0).Role }}{{- (.System) }}"), HL_LOOKS_LIKE_GO);
    assert_int_equal(look("{{ range(3) | list }}{{ template }}{{ json }}{{ block.x }}{{ iffy }}"),
                     HL_LOOKS_LIKE_NEITHER);
    assert_int_equal(look("plain"), HL_LOOKS_LIKE_NEITHER);
    assert_int_equal(look(""), HL_LOOKS_LIKE_NEITHER);
}

static void what_a_template_mentions_is_known(void **state) {
    (void)state;
    hl_gotemplate *t = NULL;
    const char    *text = "{{ define \"x\" }}{{ .Suffix }}{{ end }}{{ range $m := .Messages }}{{ if "
                          "$m.ToolCalls }}{{ end }}{{ end }}";
    assert_int_equal(hl_gotemplate_parse(hl_view_of(text), &t, NULL), HL_OK);
    assert_true(hl_gotemplate_mentions(t, "suffix"));
    assert_true(hl_gotemplate_mentions(t, "toolcalls"));
    assert_true(hl_gotemplate_mentions(t, "messages"));
    assert_false(hl_gotemplate_mentions(t, "tools"));
    hl_gotemplate_free(t);
}

int main(void) {
    (void)setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_knows_where_it_came_from),
        cmocka_unit_test(turns_taint_texts_alone),
        cmocka_unit_test(many_neighbours_of_one_role_are_joined_once),
        cmocka_unit_test(requests_of_other_shapes_are_read),
        cmocka_unit_test(wrong_shapes_say_where),
        cmocka_unit_test(errors_say_line_column_and_cause),
        cmocka_unit_test(hostile_templates_end),
        cmocka_unit_test(a_stop_ends_parsing_and_rendering),
        cmocka_unit_test(a_template_tells_its_language),
        cmocka_unit_test(what_a_template_mentions_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
