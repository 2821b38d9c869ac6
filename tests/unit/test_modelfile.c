/* SPDX-License-Identifier: MIT
 *
 * test_modelfile.c - Modelfiles: quoting, encodings, errors with line numbers, and the way back.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "models/models.h"

static hl_modelfile *parse(const char *text) {
    hl_modelfile *f = NULL;
    hl_err        err = {0};
    if (hl_modelfile_parse(hl_view_of(text), &f, &err) != HL_OK) fail_msg("%s", err.text);
    return f;
}

static void every_instruction_is_understood_in_any_case(void **state) {
    (void)state;
    hl_modelfile *f = parse("# a comment\n"
                            "from ./model.gguf\n"
                            "FROM ./projector.gguf  \r\n"
                            "\n"
                            "Parameter temperature 0.7\n"
                            "PARAMETER stop \"<|im_end|>\"\n"
                            "PARAMETER stop User:\n"
                            "TEMPLATE \"\"\"{{ .System }}\n{{ .Prompt }}\"\"\"\n"
                            "SYSTEM first\n"
                            "SYSTEM You are \"quoted\" inside.\n"
                            "ADAPTER ./lora.gguf\n"
                            "LICENSE \"\"\"\nMIT\n\"\"\"\n"
                            "LICENSE Apache\n"
                            "MESSAGE User Hi there # not a comment\n"
                            "MESSAGE assistant \"\"\"Hello\nyou\"\"\"\n"
                            "RENDERER r\nPARSER p\nREQUIRES 0.5.1\nDRAFT d");
    assert_int_equal(f->n_from, 2);
    assert_string_equal(f->from[0], "./model.gguf");
    assert_string_equal(f->from[1], "./projector.gguf");
    assert_int_equal(f->n_params, 3);
    assert_string_equal(f->params[0].name, "temperature");
    assert_string_equal(f->params[0].value, "0.7");
    assert_string_equal(f->params[1].value, "<|im_end|>");
    assert_string_equal(f->params[2].value, "User:");
    assert_string_equal(f->template_text, "{{ .System }}\n{{ .Prompt }}");
    assert_string_equal(f->system, "You are \"quoted\" inside.");
    assert_int_equal(f->n_adapters, 1);
    assert_int_equal(f->n_licenses, 2);
    assert_string_equal(f->licenses[0], "\nMIT\n");
    assert_int_equal(f->n_messages, 2);
    assert_string_equal(f->messages[0].role, "user");
    assert_string_equal(f->messages[0].content.ptr, "Hi there # not a comment");
    assert_string_equal(f->messages[1].content.ptr, "Hello\nyou");
    assert_string_equal(f->renderer, "r");
    assert_string_equal(f->parser, "p");
    assert_string_equal(f->requires_version, "0.5.1");
    assert_string_equal(f->draft, "d");
    hl_modelfile_free(f);
}

static void quotes_end_where_they_should(void **state) {
    (void)state;
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"\"a\"", "a"},
        {"\"\"", ""},
        {"\"a # b\"  ", "a # b"},
        {"\"\"\"a\"\"\"", "a"},
        {"\"\"\"a\"\"\"\"", "a\""},
        {"\"\"\"a \"b\" c\"\"\"", "a \"b\" c"},
        {"\"\"\"\"\"\"", ""},
        {"a \"b\"", "a \"b\""},
        {"'a'", "'a'"},
        {"\"a\\n\"", "a\\n"},
        {"\"a\nb\"", "a\nb"},
        {"  x\t ", "x"},
        {"\"  x \"", "  x "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "FROM x\nSYSTEM %s\nPARSER p\n", cases[i].value);
        hl_modelfile *f = parse(text);
        assert_string_equal(f->system, cases[i].want);
        assert_string_equal(f->parser, "p");
        hl_modelfile_free(f);
    }
}

static void mistakes_name_their_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "no FROM"},
        {"# only\n", "no FROM"},
        {"FROM\n", "line 1: FROM has no value"},
        {"FROM x\nBOGUS y\n", "line 2: 'BOGUS' is no instruction"},
        {"FROM x\n\n\nSYSTEM \"never\nends\n", "line 4: a quote"},
        {"FROM x\nSYSTEM \"\"\"never", "line 2: \"\"\" is never closed"},
        {"FROM x\nSYSTEM \"a\nb\" c\n", "line 3: 'c' after the closing quote"},
        {"FROM x\nMESSAGE robot hi\n", "line 2: MESSAGE role is 'robot'"},
        {"FROM x\nMESSAGE user\n", "line 2: MESSAGE has no value"},
        {"FROM x\nPARAMETER\n", "line 2: PARAMETER"},
        {"FROM x\nPARAMETER stop\n", "line 2: PARAMETER has no value"},
        {"FROM x\n\xff\n", "line 2: byte 0xff is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hl_modelfile *f = NULL;
        hl_err        err = {0};
        assert_int_equal(hl_modelfile_parse(hl_view_of(cases[i].text), &f, &err), HL_E_FORMAT);
        if (!strstr(err.text, cases[i].want)) fail_msg("'%s' does not say '%s'", err.text, cases[i].want);
        assert_null(f);
    }
}

static void utf16_and_byte_order_marks_are_read(void **state) {
    (void)state;
    static const char little[] = "\xff\xfe"
                                 "F\0R\0O\0M\0 \0x\0\xe4\0\n\0S\0Y\0S\0T\0E\0M\0 \0\x3d\xd8\x4b\xdc";
    static const char big[] = "\xfe\xff"
                              "\0F\0R\0O\0M\0 \0x\0\xe4\0\n\0S\0Y\0S\0T\0E\0M\0 \xd8\x3d\xdc\x4b";
    const hl_view     texts[] = {{little, sizeof little - 1},
                                 {big, sizeof big - 1},
                                 hl_view_of("\xef\xbb\xbf"
                                                "FROM x\xc3\xa4\nSYSTEM \xf0\x9f\x91\x8b\x01\n")};
    for (size_t i = 0; i < 3; i++) {
        hl_modelfile *f = NULL;
        hl_err        err = {0};
        if (hl_modelfile_parse(texts[i], &f, &err) != HL_OK) fail_msg("%zu: %s", i, err.text);
        assert_string_equal(f->from[0], "x\xc3\xa4");
        assert_string_equal(f->system, "\xf0\x9f\x91\x8b");
        hl_modelfile_free(f);
    }
    hl_modelfile *f = NULL;
    assert_int_equal(hl_modelfile_parse((hl_view){little, 5}, &f, NULL), HL_E_FORMAT);
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    const char *const shards[] = {"/a/blobs/sha256-1", "/a/blobs/sha256-2"};
    const hl_param params[] = {{"stop", "\"q\""}, {"stop", " a "}, {"stop", "a\nb"}, {"temperature", "0.5"}};
    const hl_stored_message messages[] = {{"user", {"one", 3}}, {"assistant", {"two\nlines \"here\"", 16}}};
    const char *const       licenses[] = {"MIT\n"};
    const hl_stored_model   m = {
          .entry = {.text = "x:latest"},
          .n_shards = 2,
          .shard_paths = shards,
          .projector_path = "/p",
          .adapter_paths = (const char *const[]){"/l", "/m"},
          .n_adapters = 2,
          .template_text = "{{ \"a\" }}\"",
          .system = "s",
          .n_params = 4,
          .params = params,
          .n_messages = 2,
          .messages = messages,
          .n_licenses = 1,
          .licenses = licenses,
          .renderer = "r",
    };
    char  *text = NULL;
    hl_err err = {0};
    assert_int_equal(hl_modelfile_format(&m, &text, &err), HL_OK);
    hl_modelfile *f = parse(text);
    assert_int_equal(f->n_from, 3);
    assert_string_equal(f->from[2], "/p");
    assert_string_equal(f->template_text, m.template_text);
    assert_string_equal(f->system, "s");
    assert_string_equal(f->renderer, "r");
    assert_int_equal(f->n_adapters, 2);
    assert_string_equal(f->adapters[0], "/l");
    assert_string_equal(f->adapters[1], "/m");
    assert_string_equal(f->licenses[0], "MIT\n");
    for (size_t i = 0; i < 4; i++) assert_string_equal(f->params[i].value, params[i].value);
    for (size_t i = 0; i < 2; i++) assert_string_equal(f->messages[i].content.ptr, messages[i].content.ptr);
    hl_modelfile_free(f);
    hl_free(text);
}

/* ---- texts that are hard to say ---- */

/* Is the text that a Modelfile says of this model the same again? False: it says that it cannot. */
static bool comes_back(const char *text) {
    hl_err            err = {0};
    char             *out = NULL;
    hl_modelfile     *again = NULL;
    const char *const path[] = {"/b"}, *const licenses[] = {text};
    const hl_param          params[] = {{"stop", text}};
    const hl_stored_message messages[] = {{"user", {text, strlen(text)}}};
    const hl_stored_model   m = {.entry = {.text = "x"},
                                 .n_shards = 1,
                                 .shard_paths = path,
                                 .template_text = text,
                                 .system = text,
                                 .params = params,
                                 .n_params = 1,
                                 .messages = messages,
                                 .n_messages = 1,
                                 .licenses = licenses,
                                 .n_licenses = 1};
    const hl_status         status = hl_modelfile_format(&m, &out, &err);
    if (status != HL_OK) {
        assert_int_equal(status, HL_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "which no Modelfile can say"));
        assert_non_null(strstr(err.text, "TEMPLATE of 'x'"));
        assert_null(out);
        return false;
    }
    if (hl_modelfile_parse(hl_view_of(out), &again, &err) != HL_OK) fail_msg("%s\n%s", err.text, out);
    assert_string_equal(again->template_text, text);
    assert_string_equal(again->system, text);
    assert_string_equal(again->params[0].value, text);
    assert_string_equal(again->messages[0].content.ptr, text);
    assert_string_equal(again->licenses[0], text);
    hl_modelfile_free(again);
    hl_free(out);
    return true;
}

static void texts_with_quotes_come_back_or_are_refused_by_name(void **state) {
    (void)state;
    static const char *const sayable[] = {
        "plain",
        "\"",
        "\"\"",
        "\"\"\"",
        "\"\"\"\"\"\"\"",
        "a \"word\" in quotes",
        "ends in \"quotes\"",
        "two \"\" in a row",
        "say \"\"\"three\"\"\" in a line",
        "lines\nwith \"quotes\"\n",
        "lines\nthat end in three\"\"\"",
        "\"begins\nwith one",
        " padded ",
        " \"padded\" ",
        "\n",
        "",
        "\ttab",
        "# no comment",
        "FROM x",
        "cr\r\nlf",
        "\"\"begins with two",
        "# \"\"\" x",
    };
    for (size_t i = 0; i < sizeof sayable / sizeof *sayable; i++)
        if (!comes_back(sayable[i])) fail_msg("refused: %s", sayable[i]);
    static const char *const unsayable[] = {
        "lines\nwith \"\"\"three\"\"\" quotes",
        "\"\"\"begins a line",
        " \"\"\" padded",
        "esc \x1b[31m",
        "\xff",
        "bom \xef\xbb\xbf",
        "c1 \xc2\x85",
    };
    for (size_t i = 0; i < sizeof unsayable / sizeof *unsayable; i++)
        if (comes_back(unsayable[i])) fail_msg("said: %s", unsayable[i]);
}

static void any_text_of_few_letters_comes_back_or_is_refused(void **state) {
    (void)state;
    static const char letters[] = "\"\"\"a \n";
    uint64_t          seed = 1;
    int               n_said = 0;
    for (int i = 0; i < 5000; i++) {
        char   text[16] = "";
        size_t n = (size_t)i % 14;
        for (size_t k = 0; k < n; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[k] = letters[(seed >> 40) % (sizeof letters - 1)];
        }
        n_said += comes_back(text);
    }
    assert_true(n_said > 2000);
}

static void a_role_that_no_modelfile_knows_is_refused(void **state) {
    (void)state;
    hl_err                  err = {0};
    char                   *out = NULL;
    const hl_stored_message messages[] = {{"tool", {"x", 1}}}, nul[] = {{"user", {"a\0b", 3}}};
    hl_stored_model         m = {.entry = {.text = "x"}, .messages = messages, .n_messages = 1};
    assert_int_equal(hl_modelfile_format(&m, &out, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "the role 'tool'"));
    m.messages = nul;
    assert_int_equal(hl_modelfile_format(&m, &out, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "a control character"));
}

static void a_name_of_a_parameter_that_is_no_word_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "a b", "a\nSYSTEM evil", "a\"", "\xC3\xA9"};
    hl_err                   err = {0};
    char                    *out = NULL;
    hl_param                 param = {"new_in-0.9", "1"};
    hl_stored_model          m = {.entry = {.text = "x"}, .params = &param, .n_params = 1};
    assert_int_equal(hl_modelfile_format(&m, &out, &err), HL_OK);
    assert_non_null(strstr(out, "\nPARAMETER new_in-0.9 1\n"));
    hl_free(out);
    out = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        param.name = bad[i];
        assert_int_equal(hl_modelfile_format(&m, &out, &err), HL_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "which no Modelfile can say"));
        assert_null(out);
    }
}

static void a_parameter_is_checked_where_it_stands(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"FROM x\n\nPARAMETER temprature 1\n",
         "Modelfile: line 3: unknown parameter 'temprature'; did you mean 'temperature'?"},
        {"FROM x\nPARAMETER num_ctx many\n",
         "Modelfile: line 2: parameter 'num_ctx' is 'many', expected a whole number"},
        {"FROM x\nSYSTEM \"\"\"a\nb\"\"\"\nPARAMETER use_mmap perhaps",
         "Modelfile: line 4: parameter 'use_mmap' is 'perhaps', expected true or false"},
        {"FROM x\nPARAMETER zzzzzzzz 1", "Modelfile: line 2: unknown parameter 'zzzzzzzz'"},
        {"FROM x\nPARAMETER max_tokens 1",
         "Modelfile: line 2: unknown parameter 'max_tokens': here it is 'num_predict'"},
        {"FROM x\nPARAMETER logit_bias 1",
         "Modelfile: line 2: parameter 'logit_bias' has no place in a model: it belongs to a request"},
        {"FROM x\nPARAMETER dry_multiplier much",
         "Modelfile: line 2: parameter 'dry_multiplier' is 'much', expected a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_err        err = {0};
        hl_modelfile *f = NULL;
        assert_int_equal(hl_modelfile_parse(hl_view_of(rows[i].text), &f, &err), HL_E_ARG);
        assert_string_equal(err.text, rows[i].want);
    }
}

/* Every option of the sampler can stand in a Modelfile, by its name there. */
static void all_options_of_the_sampler_are_parameters(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool        is_whole;
    } rows[] = {
#define HL_SAMPLER_REAL(name, standard, least, most)  {#name, false},
#define HL_SAMPLER_WHOLE(name, standard, least, most) {#name, true},
#include "hyperlama/sampler.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const hl_param whole = {.name = rows[i].name, .value = "1"},
                       real = {.name = rows[i].name, .value = "1.5"};
        hl_err err = {0};
        if (hl_param_check(&whole, &err) != HL_OK) fail_msg("%s", err.text);
        assert_int_equal(hl_param_check(&real, NULL), rows[i].is_whole ? HL_E_ARG : HL_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_is_understood_in_any_case),
        cmocka_unit_test(all_options_of_the_sampler_are_parameters),
        cmocka_unit_test(quotes_end_where_they_should),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(utf16_and_byte_order_marks_are_read),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(texts_with_quotes_come_back_or_are_refused_by_name),
        cmocka_unit_test(any_text_of_few_letters_comes_back_or_is_refused),
        cmocka_unit_test(a_role_that_no_modelfile_knows_is_refused),
        cmocka_unit_test(a_name_of_a_parameter_that_is_no_word_is_refused),
        cmocka_unit_test(a_parameter_is_checked_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
