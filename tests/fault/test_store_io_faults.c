/* SPDX-License-Identifier: MIT
 *
 * test_store_io_faults.c - the k-th system call that changes the disk fails, or the process is killed
 * just before it, for all k: nothing half-recorded is seen, and the next run heals.
 *
 * The calls of the program and of SQLite are caught by functions of the same name (io_faults.h).
 */
#define _GNU_SOURCE
#include "../unit/store_fixture.h"

#include <sys/wait.h>

#include "io_faults.h"

/* One process' work: open, import under a name that has another model already - or make it like what is there
 * but for one text -, close. */
static hl_status work(fixture *f, const char *path, bool copy, bool like, hl_err *err) {
    hl_store              *s = NULL;
    hl_stored_model       *base = NULL;
    hl_import_options      io = {.copy = copy, .system = "new"};
    const hl_store_options o = {.models_path = f->models, .db_path = f->db};
    hl_status              status = hl_store_open(&o, &s, err);
    if (status == HL_OK && like) status = hl_store_open_model(s, "a", HL_OPEN_FOR_SHOW, &base, err);
    io.base = base;
    if (status == HL_OK) status = hl_store_import(s, &path, like ? 0 : 1, "a", &io, NULL, err);
    hl_stored_model_free(base);
    hl_store_close(s);
    return status;
}

/* What must hold whenever nobody is at work. */
static void check_sound(fixture *f, const char *path) {
    hl_err           err = {0};
    hl_store_list   *list = NULL;
    hl_stored_model *m = NULL;
    size_t           n_partial = 0;
    hl_store        *s = fixture_open(f);
    (void)count_blobs(f, &n_partial);
    assert_int_equal(n_partial, 0);
    if (hl_store_list_models(s, NULL, &list, &err) != HL_OK) fail_msg("%s", err.text);
    if (list->n) { /* the old model or the new one, whole */
        if (hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err) != HL_OK) fail_msg("%s", err.text);
        if (strcmp(m->system, "old") != 0) assert_string_equal(m->system, "new");
    }
    hl_stored_model_free(m);
    hl_store_list_free(list);
    /* run again: heals */
    const hl_import_options io = {.system = "new"};
    if (hl_store_import(s, &path, 1, "a", &io, NULL, &err) != HL_OK) fail_msg("again: %s", err.text);
    if (hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err) != HL_OK) fail_msg("again: %s", err.text);
    assert_string_equal(m->system, "new");
    hl_stored_model_free(m);
    hl_store_close(s);
}

/* A fresh folder; `old`: with another model under the name. */
static void begin(fixture *f, bool old, char path[PATH_MAX]) {
    hl_err err = {0};
    fixture_init_fast(f);
    if (old) {
        const hl_import_options io = {.system = "old", .copy = true};
        const char             *p = make_gguf(f, "old.gguf", 64, 2);
        hl_store               *s = fixture_open(f);
        if (hl_store_import(s, &p, 1, "a", &io, NULL, &err) != HL_OK) fail_msg("%s", err.text);
        hl_store_close(s);
    }
    (void)snprintf(path, PATH_MAX, "%s", make_gguf(f, "new.gguf", 64, 1));
}

static void a_process_killed_before_any_call_is_healed(void **state) {
    (void)state;
    for (int variant = 0; variant < 5; variant++) {
        const bool copy = variant & 1, like = variant == 4, old = variant & 2 || like;
        for (long k = 0;; k++) {
            fixture f;
            char    path[PATH_MAX];
            int     how = 0;
            begin(&f, old, path);
            const pid_t pid = fork();
            if (pid == 0) {
                fault.armed = true;
                fault.error = 0;
                fault.n_left = k;
                _exit(work(&f, path, copy, like, NULL) == HL_OK ? 0 : 1);
            }
            assert_int_equal(waitpid(pid, &how, 0), pid);
            check_sound(&f, path);
            fixture_done(&f);
            if (WIFEXITED(how)) { /* past the last call */
                assert_int_equal(how, 0);
                assert_true(k > (like ? 8 : 15));
                break;
            }
        }
    }
}

static void a_failing_call_is_an_error_or_does_not_matter(void **state) {
    (void)state;
    for (int variant = 0; variant < 6; variant++) {
        const bool like = variant > 3, copy = !like && variant & 1, for_ever = variant & 2 || variant == 5;
        for (long k = 0;; k++) {
            fixture f;
            char    path[PATH_MAX];
            hl_err  err = {0};
            begin(&f, true, path);
            memset(&fault, 0, sizeof fault);
            fault.error = k % 2 ? ENOSPC : EIO;
            fault.for_ever = for_ever;
            fault.n_left = k;
            fault.armed = true;
            const hl_status status = work(&f, path, copy, like, &err);
            fault.armed = false;
            const bool past_the_end = fault.n_calls <= k;
            if (status != HL_OK && status != HL_E_IO)
                fail_msg("call %ld: %s: %s", k, hl_status_name(status), err.text);
            if (status != HL_OK) assert_true(err.text[0]);
            check_sound(&f, path);
            fixture_done(&f);
            if (past_the_end) {
                assert_int_equal(status, HL_OK);
                assert_true(k > (like ? 8 : 15));
                break;
            }
        }
    }
}

/* Nothing can be written, everything can be deleted. */
static void rm_makes_room_on_a_full_disk(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        const bool without_index = variant & 1, without_id = variant & 2;
        fixture    f;
        char       path[PATH_MAX];
        hl_err     err = {0};
        hl_store  *s = NULL;
        hl_removed removed = {0};
        begin(&f, true, path);
        (void)snprintf(path, sizeof path, "%s/.hyperlama", f.models);
        if (without_index) assert_int_equal(unlink(f.db), 0);
        if (without_id) assert_int_equal(unlink(path), 0);
        memset(&fault, 0, sizeof fault);
        fault.error = ENOSPC;
        fault.for_ever = true;
        fault.armed = true;
        const hl_store_options o = {.models_path = f.models, .db_path = f.db, .events = &f.sink};
        hl_status              status = hl_store_open(&o, &s, &err);
        if (status == HL_OK) status = hl_store_remove(s, "a", &removed, &err);
        hl_store_close(s);
        fault.armed = false;
        if (status != HL_OK) fail_msg("variant %d: %s", variant, err.text);
        assert_int_equal(removed.n_blobs, 3);
        assert_true(removed.n_bytes > 64 * sizeof(float));
        assert_int_equal(removed.n_kept, 0);
        assert_int_equal(count_blobs(&f, NULL), 0);
        fixture_done(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_before_any_call_is_healed),
        cmocka_unit_test(a_failing_call_is_an_error_or_does_not_matter),
        cmocka_unit_test(rm_makes_room_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
