/* SPDX-License-Identifier: MIT
 *
 * test_store_faults.c - the k-th allocation fails, for all k, once and for ever: the store returns an
 * error or works, leaks nothing, and what it left behind is sound.
 */
#define _GNU_SOURCE
#include "../unit/store_fixture.h"
#include "core/data/json.h"

/* SQLite's and jansson's allocations count, too. */
static hl_status import_and_read(fixture *f, const char *path, hl_err *err) {
    hl_store               *s = NULL;
    hl_store_list          *list = NULL;
    hl_stored_model        *m = NULL;
    char                   *text = NULL;
    hl_modelfile           *file = NULL;
    const hl_param          params[] = {{"stop", "a"}, {"temperature", "0.5"}};
    const hl_stored_message messages[] = {{"user", {"hi", 2}}};
    const hl_import_options io = {
        .params = params, .n_params = 2, .system = "s", .messages = messages, .n_messages = 1};
    const hl_store_options o = {.models_path = f->models, .db_path = f->db, .events = &f->sink};
    hl_status              status = hl_store_open(&o, &s, err);
    if (status == HL_OK) status = hl_store_import(s, &path, 1, "a:b", &io, NULL, err);
    if (status == HL_OK) status = hl_store_list_models(s, NULL, &list, err);
    if (status == HL_OK) status = hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, err);
    if (status == HL_OK) status = hl_modelfile_format(m, &text, err);
    if (status == HL_OK) status = hl_modelfile_parse(hl_view_of(text), &file, err);
    if (status == HL_OK) status = hl_store_copy(s, "a", "c", err);
    if (status == HL_OK) status = hl_store_save_model(s, m, "d", NULL, err);
    if (status == HL_OK) status = hl_store_remove(s, "a:b", NULL, err);
    if (status == HL_OK) status = hl_store_remove(s, "d", NULL, err);
    if (status == HL_OK) status = hl_store_remove(s, "c", NULL, err);
    hl_modelfile_free(file);
    hl_free(text);
    hl_stored_model_free(m);
    hl_store_list_free(list);
    hl_store_close(s);
    return status;
}

enum { STEP = 5 };

static void run_all(size_t n_fail) {
    fixture f;
    hl_err  err = {0};
    fixture_init_fast(&f);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", make_gguf(&f, "a.gguf", 64, 1));
    const size_t before = hl_mem_n_allocs();
    assert_int_equal(import_and_read(&f, path, &err), HL_OK);
    const size_t n_allocs = hl_mem_n_allocs() - before;
    size_t       n_failed = 0;
    /* each fifth, and others for the other kind of failure; `make test-memory` tries all */
    for (size_t k = n_fail % STEP; k < n_allocs + 20; k += STEP) {
        f.events[0] = '\0';
        memset(&err, 0, sizeof err);
        hl_mem_fail_after(k, n_fail);
        const hl_status status = import_and_read(&f, path, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (status == HL_OK) continue; /* a failure that only costs an index row */
        n_failed++;
        if (status != HL_E_NOMEM) fail_msg("allocation %zu: %s: %s", k, hl_status_name(status), err.text);
        assert_true(err.text[0]);
    }
    /* most are SQLite's, and cost the index alone */
    if (n_failed <= n_allocs / STEP / 10) fail_msg("%zu of %zu", n_failed, n_allocs);
    assert_int_equal(import_and_read(&f, path, &err), HL_OK); /* nothing is stuck */
    assert_int_equal(count_blobs(&f, NULL), 0);               /* and nothing is left */
    fixture_done(&f);
}

static void one_failed_allocation_is_survived(void **state) {
    (void)state;
    run_all(1);
}

static void no_memory_from_some_point_on_is_survived(void **state) {
    (void)state;
    run_all(SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_is_survived),
        cmocka_unit_test(no_memory_from_some_point_on_is_survived),
    };
    hl_json_use_mem();
    if (hl_store_use_mem(NULL) != HL_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
