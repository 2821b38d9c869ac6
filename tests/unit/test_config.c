/* SPDX-License-Identifier: MIT
 *
 * test_config.c - settings: where they come from, what is refused, and the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"
#include "core/data/config_file.h"

static hl_config *fresh(void) {
    hl_config *c = NULL;
    hl_err     err = {0};
    assert_int_equal(hl_config_new(&c, &err), HL_OK);
    return c;
}

static char *const no_env[] = {NULL};

/* An environment of one variable. */
static hl_status read_one(hl_config *c, const char *text, const hl_events *events, hl_err *err) {
    char           *copy = hl_strdup(text);
    char *const     envp[] = {copy, NULL};
    const hl_status status = hl_config_read_env(c, envp, events, err);
    hl_free(copy);
    return status;
}

static void every_default_is_within_its_own_range(void **state) {
    (void)state;
    hl_config *c = fresh();
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        hl_str s;
        hl_err err = {0};
        hl_str_init(&s, 8192);
        hl_config_format(c, (hl_setting)i, &s);
        if (hl_config_set(c, (hl_setting)i, hl_str_view(&s), HL_ORIGIN_FILE, "test", &err) != HL_OK)
            fail_msg("%s: %s", hl_setting_get((hl_setting)i)->key, err.text);
        hl_str_done(&s);
    }
    hl_config_free(c);
}

static void a_lighter_source_never_replaces_a_heavier_one(void **state) {
    (void)state;
    static const hl_origin order[] = {HL_ORIGIN_FLAG, HL_ORIGIN_ENV, HL_ORIGIN_OTHER_ENV, HL_ORIGIN_FILE};
    const hl_setting       id = HL_SETTING_engine_n_threads;
    for (size_t first = 0; first < 4; first++) {
        hl_config *c = fresh();
        hl_err     err = {0};
        for (size_t k = 0; k < 4; k++) { /* in every rotation of the order */
            const size_t i = (first + k) % 4;
            char         text[2] = {(char)('1' + i), '\0'};
            assert_int_equal(hl_config_set(c, id, hl_view_of(text), order[i], "x", &err), HL_OK);
        }
        assert_int_equal(hl_config_int(c, id), 1);
        assert_int_equal(hl_config_origin(c, id), HL_ORIGIN_FLAG);
        hl_config_free(c);
    }
}

static void a_bad_value_is_refused_with_its_range_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "x", "70000", "-1", "1.5", "1 ", " 1", "0x10", "99999999999999999999", "+1"};
    hl_config *c = fresh();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hl_err err = {0};
        if (hl_config_set(c, HL_SETTING_engine_n_threads, hl_view_of(bad[i]), HL_ORIGIN_FLAG, "here", &err) !=
            HL_E_ARG)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(err.text, "0..1024"));
        assert_non_null(strstr(err.text, "here"));
    }
    assert_int_equal(hl_config_origin(c, HL_SETTING_engine_n_threads), HL_ORIGIN_DEFAULT);
    hl_err err = {0};
    assert_int_equal(
        hl_config_set(c, HL_SETTING_engine_kv_type, hl_view_of("f1"), HL_ORIGIN_FLAG, "here", &err),
        HL_E_ARG);
    assert_int_equal(
        hl_config_set(c, HL_SETTING_engine_kv_type, hl_view_of("f16|f32"), HL_ORIGIN_FLAG, "here", &err),
        HL_E_ARG);
    assert_int_equal(
        hl_config_set(c, HL_SETTING_store_models_dir, hl_view_of("a\nb"), HL_ORIGIN_FLAG, "here", &err),
        HL_E_ARG);
    hl_config_free(c);
}

static void names_may_be_written_with_dots_dashes_or_underscores(void **state) {
    (void)state;
    assert_int_equal(hl_setting_find(hl_view_of("engine-n-threads")), HL_SETTING_engine_n_threads);
    assert_int_equal(hl_setting_find(hl_view_of("ENGINE_N_THREADS")), HL_SETTING_engine_n_threads);
    assert_int_equal(hl_setting_find(hl_view_of("engine.n_thread")), HL_N_SETTINGS);
    assert_int_equal(hl_setting_find(hl_view_of("engine.n_threadss")), HL_N_SETTINGS);
    assert_int_equal(hl_setting_find(hl_view_of("")), HL_N_SETTINGS);
}

static void every_setting_has_a_variable(void **state) {
    (void)state;
    hl_config *c = fresh();
    hl_err     err = {0};
    assert_int_equal(read_one(c, "HYPERLAMA_STORE_MODELS_DIR=/a b", NULL, &err), HL_OK);
    assert_string_equal(hl_config_text(c, HL_SETTING_store_models_dir), "/a b");
    assert_string_equal(hl_config_where(c, HL_SETTING_store_models_dir), "HYPERLAMA_STORE_MODELS_DIR");
    assert_int_equal(read_one(c, "HYPERLAMA_CLI_HISTORY=off", NULL, &err), HL_OK);
    assert_false(hl_config_bool(c, HL_SETTING_cli_history));
    assert_int_equal(read_one(c, "HYPERLAMA_CLI_HISTORY=maybe", NULL, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "yes or no"));
    hl_config_free(c);
}

static void an_empty_variable_counts_as_not_set(void **state) {
    (void)state;
    hl_config *c = fresh();
    hl_err     err = {0};
    assert_int_equal(read_one(c, "HYPERLAMA_ENGINE_N_THREADS=", NULL, &err), HL_OK);
    assert_int_equal(read_one(c, "NO_COLOR=", NULL, &err), HL_OK);
    assert_int_equal(hl_config_origin(c, HL_SETTING_cli_color), HL_ORIGIN_DEFAULT);
    assert_null(hl_env_get(no_env, "X"));
    hl_config_free(c);
}

typedef struct heard {
    char text[512];
    int  n;
} heard;

static void hear(void *user, hl_log_level level, const char *component, const char *event,
                 const char *fields) {
    heard *h = user;
    (void)level, (void)component;
    h->n++;
    (void)snprintf(h->text, sizeof h->text, "%s %s", event, fields);
}

static void what_looks_like_a_setting_and_is_none_is_reported(void **state) {
    (void)state;
    heard           h = {.n = 0};
    const hl_events events = {.fn = hear, .user = &h, .level = HL_LOG_WARN};
    hl_config      *c = fresh();
    hl_err          err = {0};
    assert_int_equal(read_one(c, "HYPERLAMA_ENGINE_NCTX=1", &events, &err), HL_OK);
    assert_non_null(strstr(h.text, "HYPERLAMA_ENGINE_N_CTX"));
    assert_int_equal(read_one(c, "HYPERLAMA_HOME=/x", &events, &err), HL_OK);
    assert_int_equal(h.n, 1);
    assert_int_equal(hl_config_file_parse(c, "[engine]\nn_ctxx = 5\n", "f.ini", &events, &err), HL_OK);
    assert_int_equal(h.n, 2);
    assert_non_null(strstr(h.text, "line=2"));
    assert_non_null(strstr(h.text, "nearest=engine.n_ctx"));
    hl_config_free(c);
}

static void the_file_is_read_with_comments_and_both_signs(void **state) {
    (void)state;
    hl_config *c = fresh();
    hl_err     err = {0};
    const char text[] =
        "; comment\n# another\r\n[engine]\r\nn_threads = 3 ; why\nn_ctx: 77\n\n[cli]\nwordwrap=no";
    assert_int_equal(hl_config_file_parse(c, text, "f.ini", NULL, &err), HL_OK);
    assert_int_equal(hl_config_int(c, HL_SETTING_engine_n_threads), 3);
    assert_int_equal(hl_config_int(c, HL_SETTING_engine_n_ctx), 77);
    assert_false(hl_config_bool(c, HL_SETTING_cli_wordwrap));
    assert_string_equal(hl_origin_name(hl_config_origin(c, HL_SETTING_engine_n_ctx)), "file");
    hl_config_free(c);
}

static void a_bad_line_of_the_file_is_named_by_its_number(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
        hl_status   status;
    } cases[] = {
        {"[engine]\nn_threads = 9999\n", "line 2", HL_E_ARG},
        {"\n\n[engine\n", "line 3", HL_E_FORMAT},
        {"[engine]\nword\n", "line 2", HL_E_FORMAT},
        {"[engine]\nword\nn_threads = 9999\n", "line 3",
         HL_E_ARG}, /* a bad value is worth more than a bad line */
        {"[store]\nmodels_dir = 1234567890123456789012345678901234567890123456789012345678901234567890"
         "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
         "12345678901234567890123456789012345678901234567890123456789012345678901234567890\n",
         "line 2", HL_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_config      *c = fresh();
        hl_err          err = {0};
        const hl_status status = hl_config_file_parse(c, cases[i].text, "f.ini", NULL, &err);
        if (status != cases[i].status || !strstr(err.text, cases[i].expected))
            fail_msg("case %zu: %s", i, err.text);
        hl_config_free(c);
    }
}

static void a_file_that_is_not_there_is_no_settings(void **state) {
    (void)state;
    hl_config *c = fresh();
    hl_err     err = {0};
    assert_int_equal(hl_config_file_load(c, "/nonexistent/dir/x.ini", NULL, &err), HL_OK);
    assert_int_equal(hl_config_file_load(c, "/", NULL, &err), HL_E_IO);
    hl_config_free(c);
}

static void memory_that_runs_out_is_an_error_and_nothing_leaks(void **state) {
    (void)state;
    for (size_t k = 0; k < 8; k++) {
        hl_config *c = NULL;
        hl_err     err = {0};
        hl_mem_fail_after(k, SIZE_MAX);
        hl_status status = hl_config_new(&c, &err);
        if (status == HL_OK)
            status =
                hl_config_file_parse(c, "[store]\nmodels_dir = /a\n[log]\nlevel = info\n", "f", NULL, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (k < 3) assert_int_equal(status, HL_E_NOMEM);
        hl_config_free(c);
    }
}

static void the_nearest_name_is_found_and_far_ones_are_not_offered(void **state) {
    (void)state;
    assert_int_equal(hl_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(hl_edit_distance("lsit", "list"), 1);
    assert_int_equal(hl_edit_distance("", "abc"), 3);
    assert_int_equal(hl_edit_distance("N_CTX", "n-ctx"), 0);
    hl_nearest best = {0};
    hl_nearest_try(&best, "runn", "list");
    assert_null(best.name);
    hl_nearest_try(&best, "runn", "rm");
    hl_nearest_try(&best, "runn", "run");
    assert_string_equal(best.name, "run");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_own_range),
        cmocka_unit_test(a_lighter_source_never_replaces_a_heavier_one),
        cmocka_unit_test(a_bad_value_is_refused_with_its_range_and_changes_nothing),
        cmocka_unit_test(names_may_be_written_with_dots_dashes_or_underscores),
        cmocka_unit_test(every_setting_has_a_variable),
        cmocka_unit_test(an_empty_variable_counts_as_not_set),
        cmocka_unit_test(what_looks_like_a_setting_and_is_none_is_reported),
        cmocka_unit_test(the_file_is_read_with_comments_and_both_signs),
        cmocka_unit_test(a_bad_line_of_the_file_is_named_by_its_number),
        cmocka_unit_test(a_file_that_is_not_there_is_no_settings),
        cmocka_unit_test(memory_that_runs_out_is_an_error_and_nothing_leaks),
        cmocka_unit_test(the_nearest_name_is_found_and_far_ones_are_not_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
