/* SPDX-License-Identifier: MIT
 *
 * test_call_grammar.c - calls as grammars: the text for some formats, and that every format has one or says
 * that it has none.
 */
#include "tests/need.h"

#include <jansson.h>
#include <string.h>

#include "engine/grammar/grammar.h"
#include "engine/toolcalls/call_grammar.h"

#define F(more) "{\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"," more "}}}"
#define PROPERTIES                                                                                           \
    "\"properties\":{\"s\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}},\"required\":[\"s\"]"
#define G       "{\"function\":{\"name\":\"g\"}}"
#define SCHEMA  "{\"type\":\"object\"," PROPERTIES "}"
#define INTEGER "%json {\"type\":\"integer\"} "

static const struct {
    const char *format;
    bool        one_call, is_lazy;
    const char *want;
} rows[] = {
    {"hermes", false, false,
     "root ::= ws calls \n"
     "calls ::= %mark \"<tool_call>\" ws one ws %mark \"</tool_call>\" "
     "( ws %mark \"<tool_call>\" ws one ws %mark \"</tool_call>\" )* \n"
     "ws ::= [ \\n]?\n"
     "one ::= \"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": \" %json " SCHEMA " \"}\" "
     "| \"{\\\"name\\\": \\\"g\\\", \\\"arguments\\\": \" \"{}\" \"}\" \n"},
    {"hermes", true, true,
     "root ::= %free \"<tool_call>\" ( calls )?\n"
     "calls ::= %mark \"<tool_call>\" ws one ws %mark \"</tool_call>\" \n"
     "ws ::= [ \\n]?\n"
     "one ::= \"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": \" %json " SCHEMA " \"}\" "
     "| \"{\\\"name\\\": \\\"g\\\", \\\"arguments\\\": \" \"{}\" \"}\" \n"},
    {"qwen3_coder", true, false,
     "root ::= ws calls \n"
     "calls ::= one ws %mark \"</tool_call>\" \n"
     "ws ::= [ \\n]?\n"
     "one ::= %mark \"<tool_call>\" ws \"<function=\" \"f\" \">\" \"\\n\" "
     "\"<parameter=\" \"s\" \">\" \"\\n\" %free \"</parameter>\" \"\\n\" %mark \"</parameter>\" \"\\n\" "
     "( \"<parameter=\" \"n\" \">\" \"\\n\" " INTEGER "\"\\n\" %mark \"</parameter>\" \"\\n\" )? "
     "%mark \"</function>\" "
     "| %mark \"<tool_call>\" ws \"<function=\" \"g\" \">\" \"\\n\" %mark \"</function>\" \n"},
    {"lfm2", false, false,
     "root ::= ws calls \n"
     "calls ::= %mark \"<|tool_call_start|>\" ws \"[\" one ( \",\" \" \"? one )* \"]\" ws %mark "
     "\"<|tool_call_end|>\" \n"
     "ws ::= [ \\n]?\n"
     "one ::= \"f\" \"(\" \"s\" \"=\" %json {\"type\":\"string\"} ( \", \" \"n\" \"=\" " INTEGER ")? \")\" "
     "| \"g\" \"(\" \")\" \n"},
    {"kimi_k2", false, false,
     "root ::= ws calls \n"
     "calls ::= one ws %mark \"<|tool_call_end|>\" ( ws more ws %mark \"<|tool_call_end|>\" )* ws %mark "
     "\"<|tool_calls_section_end|>\" \n"
     "ws ::= [ \\n]?\n"
     "one ::= %mark \"<|tool_calls_section_begin|>\" ws %mark \"<|tool_call_begin|>\" ws \"functions.\" "
     "\"f\" \":\" "
     "[0-9] [0-9]? ws %mark \"<|tool_call_argument_begin|>\" ws %json " SCHEMA " "
     "| %mark \"<|tool_calls_section_begin|>\" ws %mark \"<|tool_call_begin|>\" ws \"functions.\" \"g\" "
     "\":\" "
     "[0-9] [0-9]? ws %mark \"<|tool_call_argument_begin|>\" ws \"{}\" \n"
     "more ::= %mark \"<|tool_call_begin|>\" ws \"functions.\" \"f\" \":\" [0-9] [0-9]? ws %mark "
     "\"<|tool_call_argument_begin|>\" ws %json " SCHEMA " "
     "| %mark \"<|tool_call_begin|>\" ws \"functions.\" \"g\" \":\" [0-9] [0-9]? ws %mark "
     "\"<|tool_call_argument_begin|>\" ws \"{}\" \n"},
};

static void calls_are_written_as_their_format_has_them(void **state) {
    json_t *tools = json_loads("[" F(PROPERTIES) "," G "]", 0, NULL);
    (void)state;
    assert_non_null(tools);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_str out;
        hl_err err = {0};
        hl_str_init(&out, 1 << 20);
        assert_int_equal(
            hl_call_grammar_write(hl_call_format_named(rows[i].format), tools,
                                  &(hl_call_wish){.one_call = rows[i].one_call, .is_lazy = rows[i].is_lazy},
                                  &out, &err),
            HL_OK);
        assert_string_equal(hl_str_text(&out), rows[i].want);
        hl_str_done(&out);
    }
    json_decref(tools);
}

static void a_name_leaves_one_tool(void **state) {
    json_t               *tools = json_loads("[" F(PROPERTIES) "," G "]", 0, NULL);
    const hl_call_format *f = hl_call_format_named("mistral");
    hl_str                out;
    hl_err                err = {0};
    (void)state;
    hl_str_init(&out, 1 << 20);
    assert_int_equal(hl_call_grammar_write(
                         f, tools, &(hl_call_wish){.name = hl_view_of("g"), .one_call = true}, &out, &err),
                     HL_OK);
    assert_non_null(strstr(hl_str_text(&out), "calls ::= %mark \"[TOOL_CALLS]\" ws \"[\" one \"]\" \n"));
    assert_null(strstr(hl_str_text(&out), "\\\"f\\\""));
    assert_int_equal(hl_call_grammar_write(f, tools, &(hl_call_wish){.name = hl_view_of("h")}, &out, &err),
                     HL_E_NOT_FOUND);
    hl_str_done(&out);
    json_decref(tools);
}

static void what_no_grammar_is_written_for_is_said(void **state) {
    static const char *const none[] = {"harmony", "gemma_4", "functiongemma", "minimax_m3"};
    json_t                  *tools = json_loads("[" F(PROPERTIES) "," G "]", 0, NULL);
    size_t                   n = 0;
    (void)state;
    for (size_t i = 0; hl_call_format_at(i); i++) {
        const hl_call_format *f = hl_call_format_at(i);
        hl_str                out;
        hl_err                err = {0};
        bool                  is_none = false;
        hl_str_init(&out, 1 << 20);
        for (size_t k = 0; k < sizeof none / sizeof *none; k++) is_none |= strcmp(none[k], f->name) == 0;
        const hl_status status = hl_call_grammar_write(f, tools, &(hl_call_wish){0}, &out, &err);
        assert_int_equal(status, is_none ? HL_E_UNSUPPORTED : HL_OK);
        if (is_none) assert_non_null(strstr(err.text, f->name));
        n += is_none;
        hl_str_done(&out);
    }
    assert_int_equal(n, sizeof none / sizeof *none);
    json_decref(tools);
}

static void check_compiles(const hl_call_format *f, const json_t *tools, const hl_call_wish *wish) {
    hl_str      text;
    hl_err      err = {0};
    hl_grammar *g = NULL;
    hl_str_init(&text, 1 << 20);
    hl_status status = hl_call_grammar_write(f, tools, wish, &text, &err);
    if (status == HL_OK)
        status = hl_grammar_compile(&(hl_format){HL_FORMAT_GBNF, hl_str_view(&text)}, (hl_view){0}, &g, &err);
    if (status != HL_OK && status != HL_E_UNSUPPORTED)
        fail_msg("%s: %s\n%s", f->name, err.text, hl_str_text(&text));
    hl_grammar_unref(g);
    hl_str_done(&text);
}

static void grammars_of_all_formats_compile(void **state) {
    json_t *tools =
        json_loads("[" F(PROPERTIES) "," G "," F(
                       "\"properties\":{\"a\":{\"$ref\":\"#/$defs/A\"},"
                       "\"b\":{\"type\":[\"string\",\"null\"]},\"c\":{\"enum\":[\"x\\ny\",\"z\\\"\"]},"
                       "\"d\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}}},"
                       "\"$defs\":{\"A\":{\"type\":\"object\"}}") "]",
                   0, NULL);
    (void)state;
    assert_non_null(tools);
    for (size_t i = 0; hl_call_format_at(i); i++) {
        for (int k = 0; k < 8; k++) {
            const hl_call_wish wish = {.one_call = k & 1,
                                       .is_lazy = k & 2,
                                       .name = hl_view_of(k & 4 ? "f" : NULL),
                                       .instead = hl_view_of(k == 0 ? "%json {\"type\":\"object\"}" : NULL)};
            check_compiles(hl_call_format_at(i), tools, &wish);
        }
    }
    json_decref(tools);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_written_as_their_format_has_them),
        cmocka_unit_test(a_name_leaves_one_tool),
        cmocka_unit_test(what_no_grammar_is_written_for_is_said),
        cmocka_unit_test(grammars_of_all_formats_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
