/* SPDX-License-Identifier: MIT
 *
 * test_file.c - what is no regular file is refused by its kind, wherever a file is opened, and nobody waits
 * for it.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/term/history.h"
#include "core/base/map.h"
#include "core/base/reserve.h"
#include "core/base/stop.h"
#include "core/data/config_file.h"
#include "engine/kv/kv_disk.h"
#include "engine/kv/kv_host.h"

enum { HANG_S = 60 }; /* ends a test that waits; says nothing about how fast the others are */

static const char *below(const fixture *f, const char *name) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return path;
}

static void make_fifo(const char *path) { assert_int_equal(mkfifo(path, 0600), 0); }

static void make_socket(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int          fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(strlen(path) < sizeof a.sun_path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    (void)close(fd);
}

/* ---- the one way to open a file ---- */

static void refused(const char *path, int flags, const char *kind) {
    hl_err err = {0};
    int    fd = -1;
    char   want[PATH_MAX + 64];
    (void)snprintf(want, sizeof want, "'%s' is %s, expected a file", path, kind);
    assert_int_equal(hl_file_open(path, flags, 0600, &fd, NULL, &err), HL_E_IO);
    assert_string_equal(err.text, want);
    assert_int_equal(fd, -1);
}

static void what_is_no_file_is_refused_by_its_kind(void **state) {
    (void)state;
    fixture f;
    fixture_init(&f);
    (void)alarm(HANG_S);
    const int ways[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_APPEND};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        make_fifo(below(&f, "fifo"));
        refused(below(&f, "fifo"), ways[i], "a FIFO");
        make_socket(below(&f, "sock"));
        refused(below(&f, "sock"), ways[i], "a socket");
        refused("/dev/null", ways[i], "a device");
        refused(f.dir, ways[i], "a folder");
        assert_int_equal(symlink("fifo", below(&f, "to-fifo")), 0);
        refused(below(&f, "to-fifo"), ways[i], "a FIFO");
        refused(below(&f, "to-fifo"), ways[i] | O_NOFOLLOW, "a symbolic link");
        const char *all[] = {"fifo", "sock", "to-fifo"};
        for (size_t k = 0; k < 3; k++) assert_int_equal(unlink(below(&f, all[k])), 0);
    }
    (void)alarm(0);
    fixture_done(&f);
}

static void a_file_opens_and_a_missing_one_is_not_found(void **state) {
    (void)state;
    fixture     f;
    hl_err      err = {0};
    struct stat st;
    int         fd = -1;
    char        want[PATH_MAX + 64];
    fixture_init(&f);
    assert_int_equal(hl_file_open(below(&f, "no"), O_RDONLY, 0, &fd, &st, &err), HL_E_NOT_FOUND);
    (void)snprintf(want, sizeof want, "open '%s': No such file or directory", below(&f, "no"));
    assert_string_equal(err.text, want);
    assert_int_equal(hl_file_open(below(&f, "yes"), O_WRONLY | O_CREAT | O_EXCL, 0640, &fd, NULL, &err),
                     HL_OK);
    assert_int_equal(write(fd, "abc", 3), 3);
    (void)close(fd);
    assert_int_equal(symlink("yes", below(&f, "link")), 0);
    assert_int_equal(hl_file_open(below(&f, "link"), O_RDONLY, 0, &fd, &st, &err), HL_OK);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(st.st_mode & 0777, 0640);
    (void)close(fd);
    fixture_done(&f);
}

/* ---- everybody who opens ---- */

static void a_fifo_in_the_place_of_any_file_is_an_error_at_once(void **state) {
    (void)state;
    fixture    f;
    hl_err     err = {0};
    hl_map    *map = NULL;
    hl_config *c = NULL;
    char      *data = NULL;
    size_t     len = 0;
    fixture_init(&f);
    (void)alarm(HANG_S);
    make_fifo(below(&f, "fifo"));
    assert_int_equal(hl_map_open(below(&f, "fifo"), &map, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a FIFO"));
    assert_int_equal(hl_file_read(below(&f, "fifo"), 100, &data, &len, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a FIFO"));
    assert_int_equal(hl_config_new(&c, &err), HL_OK);
    assert_int_equal(hl_config_file_load(c, below(&f, "fifo"), NULL, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a FIFO"));
    hl_config_free(c);
    hl_history_load(below(&f, "fifo"), 10, NULL, NULL);
    assert_false(hl_history_add(below(&f, "fifo"), "line"));
    (void)alarm(0);
    fixture_done(&f);
}

static void a_fifo_in_the_store_is_an_error_at_once(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    char             path[PATH_MAX];
    fixture_init(&f);
    (void)alarm(HANG_S);
    hl_store               *s = fixture_open(&f);
    const char             *from = make_gguf(&f, "a.gguf", 64, 1);
    const hl_import_options io = {.system = "be brief"};
    assert_int_equal(hl_store_import(s, &from, 1, "a", &io, NULL, &err), HL_OK);
    /* each blob in turn */
    assert_int_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err), HL_OK);
    for (size_t i = 0; i < m->n_layers; i++) {
        hl_stored_model *again = NULL;
        (void)snprintf(path, sizeof path, "%s.kept", m->layers[i].path);
        assert_int_equal(rename(m->layers[i].path, path), 0);
        make_fifo(m->layers[i].path);
        assert_int_not_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &again, &err), HL_OK);
        assert_int_equal(rename(path, m->layers[i].path), 0);
    }
    hl_stored_model_free(m);
    hl_store_close(s);
    /* the id of the folder, the database and its lock */
    (void)snprintf(path, sizeof path, "%s/.hyperlama", f.models);
    const char *others[] = {path, f.db};
    for (size_t i = 0; i < 2; i++) {
        hl_store_list *list = NULL;
        assert_int_equal(unlink(others[i]), 0);
        make_fifo(others[i]);
        s = fixture_open(&f);
        assert_int_equal(hl_store_list_models(s, NULL, &list, &err), HL_OK);
        assert_int_equal(list->n, 1);
        hl_store_list_free(list);
        if (i == 0) assert_int_equal(hl_store_import(s, &from, 1, "b", NULL, NULL, &err), HL_E_IO);
        hl_store_close(s);
        assert_int_equal(unlink(others[i]), 0);
    }
    assert_non_null(strstr(f.events, "store-id-unreadable"));
    assert_non_null(strstr(f.events, "database-unusable"));
    (void)alarm(0);
    fixture_done(&f);
}

static void a_fifo_as_the_cache_s_secret_is_an_error_at_once(void **state) {
    (void)state;
    fixture     f;
    hl_err      err = {0};
    hl_kv_pool *pool = NULL;
    hl_kv_disk *d = NULL;
    fixture_init(&f);
    (void)alarm(HANG_S);
    const hl_kv_shape       shape = {.type = HL_KV_CACHE_F16, .n_layers = 1, .n_kv_heads = 1, .head_dim = 64};
    const hl_kv_disk_params p = {.dir = f.dir, .weights = "w", .build = "b"};
    assert_int_equal(hl_kv_pool_new(&hl_kv_host_ops, &shape, 4, &pool, &err), HL_OK);
    make_fifo(below(&f, "secret"));
    assert_int_equal(hl_kv_disk_open(&p, pool, &d, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a FIFO"));
    hl_kv_pool_free(pool);
    (void)alarm(0);
    fixture_done(&f);
}

/* ---- walking ---- */

static hl_status count_bytes(void *user, const void *data, size_t n, hl_err *err) {
    (void)data;
    (void)err;
    *(size_t *)user += n;
    return HL_OK;
}

/* A file system that takes all that is left before it refuses would leave nothing to others. */
static void room_that_is_not_there_is_refused_without_taking_any(void **state) {
    (void)state;
    char        path[] = "/tmp/hl_reserve_XXXXXX";
    struct stat st;
    const int   fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    const uint64_t room = hl_file_room(fd);
    assert_true(room > 0);
    assert_int_equal(hl_file_reserve(fd, 0), 0);
    assert_int_equal(hl_file_reserve(fd, 1 << 20), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0); /* the length stays */
    const blkcnt_t before = st.st_blocks;
    const int      why = hl_file_reserve(fd, room / 4 * 5 + (1 << 30));
    assert_true(why == ENOSPC || why == EFBIG);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_blocks, before);
    assert_int_equal(hl_file_reserve(fd, UINT64_MAX), EFBIG);
    (void)close(fd);
}

static void reading_a_long_file_ends_when_asked_to(void **state) {
    (void)state;
    fixture      f;
    hl_err       err = {0};
    volatile int stop = 0;
    size_t       n = 0;
    int          fd = -1;
    fixture_init(&f);
    assert_int_equal(hl_file_open(below(&f, "big"), O_RDWR | O_CREAT, 0600, &fd, NULL, &err), HL_OK);
    assert_int_equal(ftruncate(fd, 5 << 20), 0);
    assert_int_equal(hl_file_walk(fd, "big", count_bytes, &n, &err), HL_OK);
    assert_int_equal(n, 5 << 20);
    n = 0;
    stop = 1;
    (void)hl_stop_watch(&stop);
    assert_int_equal(hl_file_walk(fd, "big", count_bytes, &n, &err), HL_E_CANCEL);
    (void)hl_stop_watch(NULL);
    assert_int_equal(n, 0);
    (void)close(fd);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_is_refused_by_its_kind),
        cmocka_unit_test(a_file_opens_and_a_missing_one_is_not_found),
        cmocka_unit_test(a_fifo_in_the_place_of_any_file_is_an_error_at_once),
        cmocka_unit_test(a_fifo_in_the_store_is_an_error_at_once),
        cmocka_unit_test(a_fifo_as_the_cache_s_secret_is_an_error_at_once),
        cmocka_unit_test(room_that_is_not_there_is_refused_without_taking_any),
        cmocka_unit_test(reading_a_long_file_ends_when_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
