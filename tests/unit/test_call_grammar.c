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
#include "tests/unit/grammar_fixture.h"

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

/* As the models write them, and what they must not write. */
static void formats_of_their_own_are_held_to_the_schema(void **state) {
#define M3 "]<]minimax[>["
    static const struct {
        const char *format;
        bool        is_lazy;
        const char *good[4], *bad[6];
    } all[] = {
        {"gemma_4",
         false,
         {"<|tool_call>call:f{s:<|\"|>Ro{,}\"me\n<|\"|>,n:2}<tool_call|>",
          "<|tool_call>call:f{s:<|\"|><|\"|>}<tool_call|>",
          "<|tool_call>call:g{}<tool_call|><|tool_call>call:f{s:<|\"|>x<|\"|>}<tool_call|>"},
         {"<|tool_call>call:f{n:2}<tool_call|>", "<|tool_call>call:f{s:Rome}<tool_call|>",
          "<|tool_call>call:h{}<tool_call|>", "<|tool_call>call:f{s:<|\"|>a<|\"|>,n:2.5}<tool_call|>",
          "<|tool_call>call:f{s:\"a\"}<tool_call|>", "Hello"}},
        {"gemma_4",
         true,
         {"Hello", "Hello <|tool_call>call:g{}<tool_call|>"},
         {"<|tool_call>call:h{}<tool_call|>", "x <|tool_call>call:f{}"}},
        {"functiongemma",
         false,
         {"<start_function_call>call:f{s:<escape>a < b<escape>,n:-1}<end_function_call>"},
         {"<start_function_call>call:f{s:<escape>a}<end_function_call>",
          "<start_function_call>call:f{}<end_function_call>"}},
        {"minimax_m3",
         false,
         {M3 "<tool_call>\n" M3 "<invoke name=\"f\">" M3 "<s>Ro<me" M3 "</s>" M3 "<n>2" M3 "</n>" M3
             "</invoke>\n" M3 "</tool_call>"},
         {M3 "<tool_call>\n" M3 "<invoke name=\"f\">" M3 "<n>2" M3 "</n>" M3 "</invoke>\n" M3 "</tool_call>",
          M3 "<tool_call>\n" M3 "<invoke name=\"f\">" M3 "<s>a" M3 "</s>" M3 "<n>b" M3 "</n>" M3
             "</invoke>\n" M3 "</tool_call>"}},
        {"harmony",
         false,
         {"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"s\": \"x\", \"n\": 2}",
          "<|channel|>commentary to=functions.g json<|message|>{}"},
         {"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"n\": 2}",
          "<|channel|>final<|message|>Hi", "<|channel|>commentary to=functions.gjson<|message|>{}",
          "<|channel|>commentary to=functions.h <|message|>{}"}},
        {"harmony",
         true,
         {"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi",
          "no header",
          "<|channel|>analysis<|message|>Hm, to=functions.x<|end|><|start|>assistant<|channel|>commentary "
          "to=functions.f <|constrain|>json<|message|>{\"s\":\"\"}"},
         {"<|channel|>commentary to=functions.h <|message|>{}",
          "<|channel|>commentary to=functions.f <|message|>{\"n\":1}"}},
    };
    json_t        *tools = json_loads("[" F(PROPERTIES) "," G "]", 0, NULL);
    hl_token_trie *trie = gf_trie();
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hl_str text;
        hl_err err = {0};
        hl_str_init(&text, 1 << 20);
        if (hl_call_grammar_write(hl_call_format_named(all[i].format), tools,
                                  &(hl_call_wish){.is_lazy = all[i].is_lazy}, &text, &err) != HL_OK)
            fail_msg("%s: %s", all[i].format, err.text);
        hl_grammar *g = gf_compile(HL_FORMAT_GBNF, hl_str_text(&text));
        for (size_t k = 0; k < 4 && all[i].good[k]; k++)
            if (!gf_accepts(g, trie, all[i].good[k]))
                fail_msg("%s refuses %s", all[i].format, all[i].good[k]);
        for (size_t k = 0; k < 6 && all[i].bad[k]; k++)
            if (gf_accepts(g, trie, all[i].bad[k])) fail_msg("%s allows %s", all[i].format, all[i].bad[k]);
        hl_grammar_unref(g);
        hl_str_done(&text);
    }
    hl_token_trie_free(trie);
    json_decref(tools);
}

/* What can be asked of a text holds where it stands in a tag, too. */
static void texts_in_tags_are_held_to_the_schema(void **state) {
    json_t        *tools = json_loads("[" F("\"properties\":{\"s\":{\"type\":\"string\",\"pattern\":\"^[<a/"
                                                   "]+$\",\"maxLength\":12}},\"required\":[\"s\"]") "]",
                                      0, NULL);
    hl_token_trie *trie = gf_trie();
    hl_str         text;
    hl_err         err = {0};
    (void)state;
    hl_str_init(&text, 1 << 20);
    assert_int_equal(hl_call_grammar_write(hl_call_format_named("glm"), tools,
                                           &(hl_call_wish){.one_call = true}, &text, &err),
                     HL_OK);
    hl_grammar *g = gf_compile(HL_FORMAT_GBNF, hl_str_text(&text));
#define GLM(value) "<tool_call>f<arg_key>s</arg_key><arg_value>" value "</arg_value></tool_call>"
    assert_true(gf_accepts(g, trie, GLM("a")) && gf_accepts(g, trie, GLM("a</a<aa")));
    assert_false(gf_accepts(g, trie, GLM("b")) || gf_accepts(g, trie, GLM("")) ||
                 gf_accepts(g, trie, GLM("aaaaaaaaaaaaa")));
    hl_grammar_unref(g);
    hl_str_done(&text);
    hl_token_trie_free(trie);
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
    const bool is_left = wish->is_lazy && f->forced; /* no mark that a call could be known by */
    if (status != (is_left ? HL_E_UNSUPPORTED : HL_OK))
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
        cmocka_unit_test(formats_of_their_own_are_held_to_the_schema),
        cmocka_unit_test(texts_in_tags_are_held_to_the_schema),
        cmocka_unit_test(grammars_of_all_formats_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
