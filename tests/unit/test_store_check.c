/* SPDX-License-Identifier: MIT
 *
 * test_store_check.c - what is wrong with a model's files is told, by its name, and nothing else is.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include <fcntl.h>

#include "core/base/stop.h"

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != HL_OK) fail_msg("line %d: %s", __LINE__, err.text);                                    \
    } while (0)

typedef struct told {
    size_t n_bad, n_odd;
    char   model[100], text[600];
} told;

static void note(void *user, const hl_blemish *b) {
    told *t = user;
    *(b->is_bad ? &t->n_bad : &t->n_odd) += 1;
    (void)snprintf(t->model, sizeof t->model, "%s", b->model);
    (void)snprintf(t->text, sizeof t->text, "%s", b->text);
}

static told check(fixture *f, bool verify) {
    hl_err    err = {0};
    told      t = {0};
    size_t    n = 0;
    hl_store *s = fixture_open(f);
    OK(hl_store_check(s, NULL, verify, note, &t, &n, &err));
    assert_int_equal(n, 2);
    hl_store_close(s);
    return t;
}

/* Two models; the path of the weights of "a". */
static void make_store(fixture *f, bool copy, char ret_path[PATH_MAX]) {
    hl_err                  err = {0};
    hl_stored_model        *m = NULL;
    const hl_import_options io = {.copy = copy, .system = "s"};
    fixture_init(f);
    hl_store   *s = fixture_open(f);
    const char *path = make_gguf(f, "a.gguf", 64, 1);
    OK(hl_store_import(s, &path, 1, "a", &io, NULL, &err));
    path = make_gguf(f, "b.gguf", 64, 2);
    OK(hl_store_import(s, &path, 1, "b", &io, NULL, &err));
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_SHOW, &m, &err));
    (void)snprintf(ret_path, PATH_MAX, "%s", m->shard_paths[0]);
    hl_stored_model_free(m);
    hl_store_close(s);
}

/* Other bytes in the same place, by whatever path. */
static void edit(const char *path) {
    const struct timespec then[2] = {{.tv_sec = 1000000},
                                     {.tv_sec = 1000000}}; /* clocks of files are coarse */
    const int             fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 400), 1);
    assert_int_equal(futimens(fd, then), 0);
    (void)close(fd);
}

static void a_sound_store_has_no_blemish(void **state) {
    (void)state;
    for (int verify = 0; verify < 2; verify++) {
        fixture f;
        char    path[PATH_MAX];
        make_store(&f, verify, path);
        const told t = check(&f, verify);
        assert_int_equal(t.n_bad + t.n_odd, 0);
        fixture_done(&f);
    }
}

static void what_can_be_seen_without_reading_is_told(void **state) {
    (void)state;
    static const struct {
        const char *how; /* shell; %s is the blob */
        const char *text;
    } rows[] = {
        {"truncate -s 300 '%s'", "has 300 bytes, its manifest says"},
        {"truncate -s 3000000 '%s'", "has 3000000 bytes, its manifest says"},
        {"rm '%s'", "is missing; import or pull the model again"},
        {"rm '%1$s' && mkdir '%1$s'", "is no file"},
        {"rm '%1$s' && mkfifo '%1$s'", "is no file"},
        {"rm '%1$s' && ln -s /dev/null '%1$s'", "is no file"},
        {"rm '%1$s' && ln -s /nonexistent '%1$s'", "is a link to what is not there any more"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        char    path[PATH_MAX], command[4 * PATH_MAX];
        make_store(&f, true, path);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(command, sizeof command, rows[i].how, path);
#pragma GCC diagnostic pop
        assert_int_equal(system(command), 0);
        const told t = check(&f, false);
        if (t.n_bad != 1 || t.n_odd != 0) fail_msg("%s: %zu bad, %zu odd", command, t.n_bad, t.n_odd);
        assert_string_equal(t.model, "a:latest");
        if (!strstr(t.text, rows[i].text)) fail_msg("%s: %s", command, t.text);
        fixture_done(&f);
    }
}

static void a_linked_original_that_was_edited_is_noticed(void **state) {
    (void)state;
    for (int with_index = 0; with_index < 2; with_index++) {
        fixture f;
        char    path[PATH_MAX], original[PATH_MAX];
        make_store(&f, false, path);
        (void)snprintf(original, sizeof original, "%s/a.gguf", f.dir);
        edit(original);
        if (!with_index) assert_int_equal(unlink(f.db), 0); /* the folder's own record tells, too */
        told t = check(&f, false);
        assert_int_equal(t.n_odd, 1);
        assert_int_equal(t.n_bad, 0);
        hl_store *s = fixture_open(&f);
        hl_err    err = {0};
        told      one = {0};
        size_t    n = 0;
        OK(hl_store_check(s, "b", false, note, &one, &n, &err));
        assert_int_equal(one.n_odd, 0); /* each for itself */
        OK(hl_store_check(s, "a", false, note, &one, &n, &err));
        assert_int_equal(one.n_odd, 1);
        hl_store_close(s);
        assert_string_equal(t.model, "a:latest");
        assert_non_null(strstr(t.text, "was touched since it was imported"));
        t = check(&f, true);
        assert_int_equal(t.n_odd, 0);
        assert_int_equal(t.n_bad, 1);
        assert_non_null(strstr(t.text, "holds something else"));
        fixture_done(&f);
    }
}

static void a_file_that_was_only_touched_is_sound_when_it_is_read(void **state) {
    (void)state;
    fixture               f;
    char                  path[PATH_MAX];
    const struct timespec then[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    make_store(&f, false, path);
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    assert_int_equal(check(&f, false).n_odd, 1);
    const told t = check(&f, true);
    assert_int_equal(t.n_bad + t.n_odd, 0);
    fixture_done(&f);
}

static void bytes_that_rotted_behind_the_same_size_and_time_are_found_by_reading(void **state) {
    (void)state;
    fixture     f;
    char        path[PATH_MAX];
    struct stat st;
    make_store(&f, true, path);
    assert_int_equal(stat(path, &st), 0);
    edit(path);
    const struct timespec was[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, was, 0), 0);
    told t = check(&f, false);
    assert_int_equal(t.n_bad + t.n_odd, 0);
    t = check(&f, true);
    assert_int_equal(t.n_bad, 1);
    assert_string_equal(t.model, "a:latest");
    fixture_done(&f);
}

static void a_broken_manifest_or_text_is_told(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    char    path[PATH_MAX], manifest[PATH_MAX];
    make_store(&f, true, path);
    (void)snprintf(manifest, sizeof manifest, "%s/manifests/registry.ollama.ai/library/a/latest", f.models);
    OK(hl_file_write_atomic(manifest, "{", 1, 0644, &err));
    const told t = check(&f, false);
    assert_int_equal(t.n_bad, 1);
    assert_non_null(strstr(t.text, "manifest of 'a:latest'"));
    fixture_done(&f);
}

static void reading_everything_ends_when_asked_to(void **state) {
    (void)state;
    fixture   f;
    char      path[PATH_MAX];
    hl_err    err = {0};
    told      t = {0};
    size_t    n = 0;
    const int stop = 1;
    make_store(&f, true, path);
    hl_store *s = fixture_open(&f);
    (void)hl_stop_watch(&stop);
    assert_int_equal(hl_store_check(s, NULL, true, note, &t, &n, &err), HL_E_CANCEL);
    (void)hl_stop_watch(NULL);
    assert_int_equal(t.n_bad, 0);
    hl_store_close(s);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_store_has_no_blemish),
        cmocka_unit_test(what_can_be_seen_without_reading_is_told),
        cmocka_unit_test(a_linked_original_that_was_edited_is_noticed),
        cmocka_unit_test(a_file_that_was_only_touched_is_sound_when_it_is_read),
        cmocka_unit_test(bytes_that_rotted_behind_the_same_size_and_time_are_found_by_reading),
        cmocka_unit_test(a_broken_manifest_or_text_is_told),
        cmocka_unit_test(reading_everything_ends_when_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
