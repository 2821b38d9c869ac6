/* SPDX-License-Identifier: MIT
 *
 * test_options.c - options by Ollama's names, and the command line's tables.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/args.h"
#include "host/options.h"

static void options_are_set_by_name(void **state) {
    (void)state;
    hl_options o;
    hl_err     err = {0};
    hl_options_init(&o);
    assert_int_equal(hl_options_set(&o, "temperature", "0.25", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, "top_k", "7", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, "seed", "123456789012", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, "num_ctx", "512", &err), HL_OK);
    assert_true(o.sampling.temperature == 0.25f && o.sampling.top_k == 7 && o.num_ctx == 512);
    assert_true(o.sampling.seed == 123456789012);
    hl_options_done(&o);
}

static void values_out_of_range_are_refused_with_the_range(void **state) {
    (void)state;
    static const char *const bad[][3] = {
        {"top_p", "1.5", "0..1"},         {"top_p", "nan", "0..1"},       {"top_p", "", "0..1"},
        {"top_k", "-1", "0.."},           {"temperature", "-0.1", "0.."}, {"num_predict", "1e3", "-1.."},
        {"num_thread", "9999", "0..1024"}};
    hl_options o;
    hl_options_init(&o);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hl_err err = {0};
        if (hl_options_set(&o, bad[i][0], bad[i][1], &err) != HL_E_ARG || !strstr(err.text, bad[i][2]))
            fail_msg("%s=%s: %s", bad[i][0], bad[i][1], err.text);
    }
    hl_options_done(&o);
}

static void unknown_and_idle_options_are_told_apart(void **state) {
    (void)state;
    hl_options o;
    hl_err     err = {0};
    hl_options_init(&o);
    assert_int_equal(hl_options_set(&o, "temprature", "1", &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'temperature'"));
    assert_int_equal(hl_options_set(&o, "num_gpu", "1", &err), HL_E_UNSUPPORTED);
    assert_int_equal(hl_options_set(&o, "mirostat", "1", &err), HL_E_UNSUPPORTED);
    hl_options_done(&o);
}

static void stop_strings_add_up_without_doubles_and_within_a_limit(void **state) {
    (void)state;
    hl_options o;
    hl_err     err = {0};
    hl_options_init(&o);
    for (int i = 0; i < HL_MAX_STOPS; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "s%d", i);
        assert_int_equal(hl_options_set(&o, "stop", text, &err), HL_OK);
        assert_int_equal(hl_options_set(&o, "stop", text, &err), HL_OK);
    }
    assert_int_equal(o.n_stops, HL_MAX_STOPS);
    assert_int_equal(hl_options_set(&o, "stop", "one more", &err), HL_E_LIMIT);
    assert_int_equal(hl_options_set(&o, "stop", "", &err), HL_E_LIMIT);
    hl_options_clear_stops(&o);
    assert_int_equal(o.n_stops, 0);
    hl_options_done(&o);
}

typedef struct listed {
    char text[256];
} listed;

static void list_one(void *user, const char *name, const char *value) {
    listed      *l = user;
    const size_t n = strlen(l->text);
    (void)snprintf(l->text + n, sizeof l->text - n, "%s=%s;", name, value);
}

static void only_what_differs_is_listed(void **state) {
    (void)state;
    hl_options o, base;
    hl_err     err = {0};
    listed     l = {.text = ""};
    hl_options_init(&o);
    hl_options_init(&base);
    assert_int_equal(hl_options_set(&o, "temperature", "0.5", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, "num_ctx", "64", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, "stop", "END", &err), HL_OK);
    hl_options_each(&o, &base, list_one, &l);
    assert_string_equal(l.text, "temperature=0.5;num_ctx=64;stop=END;");
    hl_options_done(&o);
    hl_options_done(&base);
}

static void every_option_belongs_to_a_command_and_letters_are_unique(void **state) {
    (void)state;
    const hl_option *o, *p;
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        const hl_command *c = hl_command_find(o->command);
        if (!c || strcmp(c->name, o->command) != 0)
            fail_msg("option --%s of unknown command %s", o->name, o->command);
        if (!hl_option_help(o) || !*hl_option_help(o)) fail_msg("option --%s has no help", o->name);
        for (size_t k = i + 1; (p = hl_option_at(k)); k++) {
            if (strcmp(o->command, p->command) != 0) continue;
            if (strcmp(o->name, p->name) == 0) fail_msg("%s: --%s twice", o->command, o->name);
            if (o->letter && o->letter == p->letter) fail_msg("%s: -%c twice", o->command, o->letter);
        }
    }
}

static void arguments_are_counted_from_their_description(void **state) {
    (void)state;
    static const struct {
        const char *command;
        size_t      n_min, n_max;
    } cases[] = {{"run", 1, SIZE_MAX}, {"import", 2, SIZE_MAX}, {"list", 0, 1},
                 {"rm", 1, SIZE_MAX},  {"version", 0, 0},       {"show", 1, 1},
                 {"score", 2, 2},      {"config", 0, SIZE_MAX}, {"cp", 2, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n_min, n_max;
        hl_command_count_args(hl_command_find(cases[i].command), &n_min, &n_max);
        if (n_min != cases[i].n_min || n_max != cases[i].n_max)
            fail_msg("%s: %zu..%zu", cases[i].command, n_min, n_max);
    }
}

static void options_and_words_may_be_mixed(void **state) {
    (void)state;
    char       words[][24] = {"m",      "-ostop=a", "hi",       "--seed", "-1",    "-o",
                              "stop=b", "--think",  "--ctx=64", "--",     "--seed"};
    char      *argv[11];
    hl_config *c = NULL;
    hl_args   *a = NULL;
    hl_err     err = {0};
    for (size_t i = 0; i < 11; i++) argv[i] = words[i];
    assert_int_equal(hl_config_new(&c, &err), HL_OK);
    assert_int_equal(hl_args_new(hl_command_find("run"), 11, argv, c, &a, &err), HL_OK);
    assert_int_equal(hl_args_count(a), 3);
    assert_string_equal(hl_args_at(a, 2), "--seed");
    assert_null(hl_args_at(a, 3));
    assert_int_equal(hl_args_int(a, "seed", 5), -1);
    assert_string_equal(hl_args_many(a, "option", 0), "stop=a");
    assert_string_equal(hl_args_many(a, "option", 1), "stop=b");
    assert_null(hl_args_many(a, "option", 2));
    assert_string_equal(hl_args_text(a, "think"), "");
    assert_int_equal(hl_config_int(c, HL_SETTING_engine_n_ctx), 64);
    hl_args_free(a);
    hl_config_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_set_by_name),
        cmocka_unit_test(values_out_of_range_are_refused_with_the_range),
        cmocka_unit_test(unknown_and_idle_options_are_told_apart),
        cmocka_unit_test(stop_strings_add_up_without_doubles_and_within_a_limit),
        cmocka_unit_test(only_what_differs_is_listed),
        cmocka_unit_test(every_option_belongs_to_a_command_and_letters_are_unique),
        cmocka_unit_test(arguments_are_counted_from_their_description),
        cmocka_unit_test(options_and_words_may_be_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
