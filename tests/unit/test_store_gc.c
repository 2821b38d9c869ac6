/* SPDX-License-Identifier: MIT
 *
 * test_store_gc.c - what is ours is known from the folder alone, what others wrote is never taken for ours,
 * and all garbage can be listed and deleted.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != HL_OK) fail_msg("line %d: %s", __LINE__, err.text);                                    \
    } while (0)

static int64_t later_s; /* what the clock shows beyond what it is */

int clock_gettime(clockid_t id, struct timespec *t) {
    typedef int clock_fn(clockid_t, struct timespec *);
    const int   status = ((clock_fn *)dlsym(RTLD_NEXT, "clock_gettime"))(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += later_s;
    return status;
}

/* A model of three blobs that are no links: weights, system text, config. */
static void import_copy(hl_store *s, fixture *f, const char *file, float fill, const char *name) {
    hl_err                  err = {0};
    const char             *path = make_gguf(f, file, 64, fill);
    const hl_import_options io = {.copy = true, .system = name};
    OK(hl_store_import(s, &path, 1, name, &io, NULL, &err));
}

static void forget_index(const fixture *f) {
    char command[1000];
    (void)snprintf(command, sizeof command, "rm -f '%s' '%s-wal' '%s-shm' '%s/.hyperlama'", f->db, f->db,
                   f->db, f->models);
    assert_int_equal(system(command), 0);
}

static void forget_records(const fixture *f) {
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r '%s/.hyperlama-blobs'", f->models);
    assert_int_equal(system(command), 0);
}

static size_t count_records(const fixture *f) {
    char                 path[200];
    size_t               n = 0;
    const struct dirent *e;
    (void)snprintf(path, sizeof path, "%s/.hyperlama-blobs", f->models);
    DIR *dir = opendir(path);
    while (dir && (e = readdir(dir))) n += e->d_name[0] != '.';
    if (dir) (void)closedir(dir);
    return n;
}

/* The path of the largest blob, and its size. */
static void find_weights(hl_store *s, const char *name, char ret[PATH_MAX], uint64_t *ret_bytes) {
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    OK(hl_store_open_model(s, name, HL_OPEN_FOR_SHOW, &m, &err));
    (void)snprintf(ret, PATH_MAX, "%s", m->shard_paths[0]);
    *ret_bytes = m->layers[0].size_bytes;
    hl_stored_model_free(m);
}

/* ---- ours without the index ---- */

static void rm_frees_what_is_ours_when_the_index_is_lost(void **state) {
    (void)state;
    for (int with_db = 0; with_db < 2; with_db++) {
        fixture    f;
        hl_err     err = {0};
        hl_removed removed = {0};
        hl_store  *s = NULL;
        fixture_init(&f);
        s = fixture_open(&f);
        import_copy(s, &f, "a.gguf", 1, "a");
        import_copy(s, &f, "b.gguf", 2, "b");
        hl_store_close(s);
        forget_index(&f);
        const hl_store_options o = {.models_path = f.models, .db_path = with_db ? f.db : NULL};
        OK(hl_store_open(&o, &s, &err));
        OK(hl_store_remove(s, "a", &removed, &err));
        assert_int_equal(removed.n_blobs, 3);
        assert_int_equal(removed.n_kept, 0);
        assert_true(removed.n_bytes > 64 * sizeof(float));
        assert_int_equal(count_blobs(&f, NULL), 3);
        OK(hl_store_remove(s, "b", &removed, &err));
        assert_int_equal(count_blobs(&f, NULL), 0);
        assert_int_equal(count_records(&f), 0);
        hl_store_close(s);
        fixture_done(&f);
    }
}

static void a_store_from_before_the_records_gets_them(void **state) {
    (void)state;
    fixture    f;
    hl_err     err = {0};
    hl_removed removed = {0};
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_copy(s, &f, "a.gguf", 1, "a");
    import_copy(s, &f, "b.gguf", 2, "b");
    forget_records(&f);
    OK(hl_store_remove(s, "a", &removed, &err)); /* the index knows */
    assert_int_equal(removed.n_blobs, 3);
    assert_int_equal(count_records(&f), 3); /* and b's are made */
    hl_store_close(s);
    forget_index(&f);
    s = fixture_open(&f);
    OK(hl_store_remove(s, "b", &removed, &err));
    assert_int_equal(removed.n_blobs, 3);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_folder_that_was_moved_to_another_disk_is_still_ours(void **state) {
    (void)state;
    fixture    f;
    hl_err     err = {0};
    hl_removed removed = {0};
    char       command[1000], to[200];
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_copy(s, &f, "a.gguf", 1, "a");
    hl_store_close(s);
    (void)snprintf(to, sizeof to, "%s/elsewhere", f.dir);
    (void)snprintf(command, sizeof command, "cp -a '%s' '%s' && rm -r '%s'", f.models, to, f.models);
    assert_int_equal(system(command), 0);
    const hl_store_options o = {.models_path = to};
    OK(hl_store_open(&o, &s, &err));
    OK(hl_store_remove(s, "a", &removed, &err));
    assert_int_equal(removed.n_blobs, 3);
    hl_store_close(s);
    fixture_done(&f);
}

/* ---- not ours ---- */

static void a_blob_that_another_program_put_in_our_place_is_not_ours(void **state) {
    (void)state;
    for (int with_db = 0; with_db < 2; with_db++) {
        fixture    f;
        hl_err     err = {0};
        hl_removed removed = {0};
        char       path[PATH_MAX], command[4 * PATH_MAX];
        uint64_t   n = 0;
        fixture_init(&f);
        hl_store *s = fixture_open(&f);
        import_copy(s, &f, "a.gguf", 1, "a");
        find_weights(s, "a", path, &n);
        /* deleted and pulled again by somebody else; the number of the inode may be the same */
        (void)snprintf(command, sizeof command, "cp '%s' '%s/kept' && rm '%s' && cp '%s/kept' '%s'", path,
                       f.dir, path, f.dir, path);
        assert_int_equal(system(command), 0);
        hl_store_close(s);
        if (!with_db) forget_index(&f);
        s = fixture_open(&f);
        OK(hl_store_remove(s, "a", &removed, &err));
        assert_int_equal(removed.n_blobs, 2);
        assert_int_equal(removed.n_kept, 1);
        assert_int_equal(access(path, F_OK), 0);
        assert_int_equal(count_records(&f), 0);
        hl_store_close(s);
        fixture_done(&f);
    }
}

static void a_file_that_was_only_touched_is_still_ours(void **state) {
    (void)state;
    fixture      f;
    hl_err       err = {0};
    hl_removed   removed = {0};
    char         path[PATH_MAX];
    uint64_t     n = 0;
    struct statx x;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_copy(s, &f, "a.gguf", 1, "a");
    find_weights(s, "a", path, &n);
    const bool has_births = statx(AT_FDCWD, path, 0, STATX_BTIME, &x) == 0 && (x.stx_mask & STATX_BTIME);
    const struct timespec then[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    hl_store_close(s);
    forget_index(&f);
    s = fixture_open(&f);
    OK(hl_store_remove(s, "a", &removed, &err));
    /* a file system that does not say when a file was made leaves a doubt, which speaks for keeping */
    assert_int_equal(removed.n_blobs, has_births ? 3 : 2);
    assert_int_equal(removed.n_kept, has_births ? 0 : 1);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_record_that_makes_no_sense_claims_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"", "hyperlama-blob 1",
                                        "hyperlama-blob 2 written size 1 mtime_ns 1 inode 1 born_ns 1\n",
                                        "hyperlama-blob 1 found size 1 mtime_ns 1 inode 1 born_ns 1\n", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fixture    f;
        hl_err     err = {0};
        hl_removed removed = {0};
        char       path[PATH_MAX], record[2 * PATH_MAX];
        uint64_t   n = 0;
        fixture_init(&f);
        hl_store *s = fixture_open(&f);
        import_copy(s, &f, "a.gguf", 1, "a");
        find_weights(s, "a", path, &n);
        (void)snprintf(record, sizeof record, "%s/.hyperlama-blobs/%s", f.models,
                       strstr(path, "sha256-") + 7);
        OK(hl_file_write_atomic(record, texts[i], strlen(texts[i]), 0644, &err));
        hl_store_close(s);
        forget_index(&f);
        s = fixture_open(&f);
        OK(hl_store_remove(s, "a", &removed, &err));
        assert_int_equal(removed.n_blobs, 2);
        assert_int_equal(access(path, F_OK), 0);
        hl_store_close(s);
        fixture_done(&f);
    }
}

/* ---- all garbage ---- */

typedef struct told {
    size_t   n_gone, n_kept;
    uint64_t n_bytes;
    char     why[300];
} told;

static void note(void *user, const hl_garbage *g) {
    told *t = user;
    *(g->is_kept ? &t->n_kept : &t->n_gone) += 1;
    if (!g->is_kept) t->n_bytes += g->n_bytes;
    assert_int_equal(access(g->path, F_OK) == 0, g->is_kept || strcmp(t->why, "dry") == 0);
    if (strcmp(t->why, "dry") != 0) (void)snprintf(t->why, sizeof t->why, "%s", g->why);
}

/* Blobs that nobody names: two of ours (their manifest went behind our back), one of another program. */
static void make_garbage(fixture *f, hl_store *s) {
    static const char name[] = "sha256-00000000000000000000000000000000000000000000000000000000000000ab";
    hl_err            err = {0};
    char              path[PATH_MAX];
    import_copy(s, f, "a.gguf", 1, "a");
    import_copy(s, f, "b.gguf", 2, "b");
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/a/latest", f->models);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/blobs/%s", f->models, name);
    OK(hl_file_write_atomic(path, "theirs", 6, 0644, &err));
    (void)snprintf(path, sizeof path, "%s/blobs/%s-partial", f->models, name); /* being downloaded */
    OK(hl_file_write_atomic(path, "th", 2, 0644, &err));
}

static void garbage_is_told_and_collected(void **state) {
    (void)state;
    fixture            f;
    hl_err             err = {0};
    hl_collected       c = {0};
    told               t = {.why = "dry"};
    hl_collect_options o = {.dry_run = true, .fn = note, .user = &t};
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    OK(hl_store_collect(s, &o, &c, &err)); /* no folder yet: none is made */
    assert_int_equal(access(f.models, F_OK), -1);
    make_garbage(&f, s);
    const size_t n = count_blobs(&f, NULL);

    OK(hl_store_collect(s, &o, &c, &err));
    assert_int_equal(t.n_gone, 3);
    assert_int_equal(t.n_kept, 1);
    assert_int_equal(c.n_files, 3);
    assert_int_equal(c.n_bytes, t.n_bytes);
    assert_int_equal(c.n_kept, 1);
    assert_int_equal(c.n_kept_bytes, 6);
    assert_int_equal(count_blobs(&f, NULL), n);

    t = (told){0};
    o.dry_run = false;
    o.all = true; /* theirs is new: somebody may be at work */
    OK(hl_store_collect(s, &o, &c, &err));
    assert_int_equal(t.n_gone, 3);
    assert_int_equal(t.n_kept, 1);
    assert_non_null(strstr(t.why, "it is new"));
    assert_int_equal(count_blobs(&f, NULL), n - 3);

    later_s = 3601;
    t = (told){0};
    o.all = false;
    OK(hl_store_collect(s, &o, &c, &err));
    assert_int_equal(t.n_kept, 1);
    assert_string_equal(t.why, "hyperlama did not write it");
    t = (told){0};
    o.all = true;
    OK(hl_store_collect(s, &o, &c, &err));
    later_s = 0;
    assert_int_equal(t.n_gone, 1);
    assert_int_equal(t.n_bytes, 6);
    assert_int_equal(count_blobs(&f, NULL), n - 4); /* b's three, and what is on its way */
    hl_stored_model *m = NULL;
    OK(hl_store_open_model(s, "b", HL_OPEN_FOR_LOAD, &m, &err));
    hl_stored_model_free(m);
    hl_store_close(s);
    fixture_done(&f);
}

static void garbage_is_left_alone_while_a_manifest_cannot_be_read(void **state) {
    (void)state;
    fixture            f;
    hl_err             err = {0};
    hl_collected       c = {0};
    hl_collect_options o = {.all = true};
    char               path[PATH_MAX];
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    make_garbage(&f, s);
    const size_t n = count_blobs(&f, NULL);
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/b/latest", f.models);
    OK(hl_file_write_atomic(path, "{", 1, 0644, &err));
    assert_int_equal(hl_store_collect(s, &o, &c, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "manifest of 'b:latest'"));
    assert_int_equal(count_blobs(&f, NULL), n);
    hl_store_close(s);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rm_frees_what_is_ours_when_the_index_is_lost),
        cmocka_unit_test(a_store_from_before_the_records_gets_them),
        cmocka_unit_test(a_folder_that_was_moved_to_another_disk_is_still_ours),
        cmocka_unit_test(a_blob_that_another_program_put_in_our_place_is_not_ours),
        cmocka_unit_test(a_file_that_was_only_touched_is_still_ours),
        cmocka_unit_test(a_record_that_makes_no_sense_claims_nothing),
        cmocka_unit_test(garbage_is_told_and_collected),
        cmocka_unit_test(garbage_is_left_alone_while_a_manifest_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
