/* SPDX-License-Identifier: MIT
 *
 * test_options.c - options by Ollama's names, and the command line's tables.
 */
#include <math.h>
#include <stdlib.h>
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
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "temperature", "0.25", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "top_k", "7", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "seed", "123456789012", &err), HL_OK);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "num_ctx", "512", &err), HL_OK);
    assert_true(o.sampling.temperature == 0.25f && o.sampling.top_k == 7 && o.num_ctx == 512);
    assert_true(o.sampling.seed == 123456789012);
    hl_options_done(&o);
}

static void values_out_of_range_are_refused_with_the_range(void **state) {
    (void)state;
    static const char *const bad[][3] = {{"top_p", "1.5", "0..1"},
                                         {"top_p", "nan", "0..1"},
                                         {"top_p", "", "0..1"},
                                         {"temperature", "-0.1", "0.."},
                                         {"num_predict", "1e3", "-2147483648.."},
                                         {"num_thread", "9999", "..1024"},
                                         {"repeat_penalty", "0", "0.01..100"},
                                         {"repeat_last_n", "-2", "-1..16777216"}};
    hl_options               o;
    hl_options_init(&o);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hl_err err = {0};
        if (hl_options_set(&o, HL_FROM_REQUEST, bad[i][0], bad[i][1], &err) != HL_E_ARG ||
            !strstr(err.text, bad[i][2]))
            fail_msg("%s=%s: %s", bad[i][0], bad[i][1], err.text);
    }
    hl_options_done(&o);
}

static void unknown_and_idle_options_are_told_apart(void **state) {
    (void)state;
    hl_options o;
    hl_err     err = {0};
    hl_options_init(&o);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "temprature", "1", &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'temperature'"));
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "num_gpu", "1", &err), HL_E_UNSUPPORTED);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "tfs_z", "1", &err), HL_E_UNSUPPORTED);
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
        assert_int_equal(hl_options_set(&o, HL_FROM_MODEL, "stop", text, &err), HL_OK);
        assert_int_equal(hl_options_set(&o, HL_FROM_MODEL, "stop", text, &err), HL_OK);
    }
    assert_int_equal(o.n_stops, HL_MAX_STOPS);
    assert_int_equal(hl_options_set(&o, HL_FROM_MODEL, "stop", "one more", &err), HL_E_ARG);
    assert_int_equal(hl_options_set(&o, HL_FROM_MODEL, "stop", "", &err), HL_E_ARG);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "stop", "mine", &err), HL_OK);
    assert_int_equal(o.n_stops, 1); /* a stronger origin replaces the list */
    assert_int_equal(hl_options_set(&o, HL_FROM_MODEL, "stop", "late", &err), HL_OK);
    assert_int_equal(o.n_stops, 1); /* a weaker one does not touch it */
    assert_string_equal(o.stops[0], "mine");
    hl_options_unset(&o, HL_FROM_REQUEST, HL_OPT_stop);
    assert_int_equal(o.n_stops, 0);
    hl_options_done(&o);
}

/* One range per option: what is accepted here is accepted by the sampler, and the other way round. */
static void options_and_the_sampler_know_one_range(void **state) {
    (void)state;
    static const double values[] = {0,      -1,   1,     -2,    0.01, 0.009, 100,      100.1,   1000,
                                    1000.5, 1001, -1000, -1001, 2,    -7,    16777216, 16777217};
    static const struct {
        const char *name;
        size_t      offset;
        bool        is_whole;
    } rows[] = {
#define HL_SAMPLER_REAL(n, d, a, b)  {#n, offsetof(hl_sampler_params, n), false},
#define HL_SAMPLER_WHOLE(n, d, a, b) {#n, offsetof(hl_sampler_params, n), true},
#include "hyperlama/sampler.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            const float       real = (float)values[k];
            const int32_t     whole = (int32_t)values[k];
            hl_sampler_params p;
            hl_sampler       *sampler = NULL;
            hl_options        o;
            hl_err            err = {0};
            char              text[32];
            if (strcmp(rows[i].name, "seed") == 0 || (rows[i].is_whole && whole != values[k])) continue;
            (void)snprintf(text, sizeof text, "%.9g", values[k]);
            hl_sampler_params_init(&p);
            memcpy((char *)&p + rows[i].offset, rows[i].is_whole ? (const void *)&whole : (const void *)&real,
                   4);
            const hl_status by_sampler = hl_sampler_new(&p, 10, &sampler, &err);
            hl_sampler_free(sampler);
            hl_options_init(&o);
            if (hl_options_set(&o, HL_FROM_REQUEST, rows[i].name, text, &err) != by_sampler)
                fail_msg("%s = %s: the sampler says %d", rows[i].name, text, (int)by_sampler);
            hl_options_done(&o);
        }
    }
}

static void negative_numbers_mean_no_limit(void **state) {
    (void)state;
    static const char *const fine[][2] = {
        {"num_predict", "-1"}, {"num_predict", "-2"}, {"num_predict", "-99"},
        {"top_k", "-1"},       {"top_k", "0"},        {"top_k", "-40"},
        {"seed", "-7"},        {"num_thread", "-1"},  {"repeat_last_n", "-1"}};
    hl_options o;
    hl_options_init(&o);
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        hl_err err = {0};
        if (hl_options_set(&o, HL_FROM_MODEL, fine[i][0], fine[i][1], &err) != HL_OK)
            fail_msg("%s", err.text);
    }
    hl_options_done(&o);
}

typedef struct listed {
    char text[256];
} listed;

static void list_one(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    listed      *l = user;
    const size_t n = strlen(l->text);
    (void)id;
    if (origin != HL_FROM_DEFAULT)
        (void)snprintf(l->text + n, sizeof l->text - n, "%s=%s %d;", name, value, (int)origin);
}

static void options_are_listed_with_their_origin_and_merge_by_it(void **state) {
    (void)state;
    hl_options o, model;
    hl_err     err = {0};
    listed     l = {.text = ""};
    hl_options_init(&o);
    hl_options_init(&model);
    assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "temperature", "0.1", &err), HL_OK);
    assert_int_equal(hl_options_set(&model, HL_FROM_MODEL, "temperature", "0.7", &err), HL_OK);
    assert_int_equal(hl_options_set(&model, HL_FROM_MODEL, "num_ctx", "64", &err), HL_OK);
    assert_int_equal(hl_options_set(&model, HL_FROM_MODEL, "stop", "END", &err), HL_OK);
    assert_int_equal(hl_options_merge(&o, &model, &err), HL_OK);
    hl_options_each(&o, list_one, &l);
    assert_string_equal(l.text, "temperature=0.1 4;num_ctx=64 2;stop=END 2;");
    hl_options_done(&o);
    hl_options_done(&model);
}

static void keep_value(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    (void)id;
    if (origin == HL_FROM_REQUEST && strcmp(name, "temperature") == 0) (void)snprintf(user, 64, "%s", value);
}

/* The fewest digits that mean the same float. */
static void a_real_number_is_listed_as_short_as_it_can_be(void **state) {
    (void)state;
    static const struct {
        const char *given, *listed;
    } rows[] = {{"0.7", "0.7"},
                {"1", "1"},
                {"1.25", "1.25"},
                {"0.123456789", "0.12345679"},
                {"1.2345678", "1.2345678"},
                {"0.33333334", "0.33333334"},
                {"0.30000001", "0.3"},
                {"0.100000024", "0.100000024"},
                {"1.00000012", "1.0000001"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_options o;
        hl_err     err = {0};
        char       text[64] = "";
        hl_options_init(&o);
        assert_int_equal(hl_options_set(&o, HL_FROM_REQUEST, "temperature", rows[i].given, &err), HL_OK);
        hl_options_each(&o, keep_value, text);
        assert_string_equal(text, rows[i].listed);
        assert_true(strtof(text, NULL) == strtof(rows[i].given, NULL));
        hl_options_done(&o);
    }
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
                 {"score", 2, 2},      {"config", 0, SIZE_MAX}, {"cp", 1, 2}};
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
        cmocka_unit_test(options_and_the_sampler_know_one_range),
        cmocka_unit_test(negative_numbers_mean_no_limit),
        cmocka_unit_test(options_are_listed_with_their_origin_and_merge_by_it),
        cmocka_unit_test(a_real_number_is_listed_as_short_as_it_can_be),
        cmocka_unit_test(every_option_belongs_to_a_command_and_letters_are_unique),
        cmocka_unit_test(arguments_are_counted_from_their_description),
        cmocka_unit_test(options_and_words_may_be_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
