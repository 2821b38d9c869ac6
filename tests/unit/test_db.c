/* SPDX-License-Identifier: MIT
 *
 * test_db.c - rows of the index come back as they were put, field by field, and only those of their own
 * folder.
 */
#include "tests/need.h"

#include <sqlite3.h>
#include <string.h>

#include "models/db/db_priv.h"

static char folder[64], path[96];

static int open_db(void **state) {
    hl_err err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/hl-db.XXXXXX");
    if (!mkdtemp(folder)) return -1;
    (void)snprintf(path, sizeof path, "%s/hyperlama.db", folder);
    return hl_db_open(path, NULL, (hl_db **)state, &err) == HL_OK ? 0 : -1;
}

/* What was prepared is finished: nothing of the library is left. */
static int close_db(void **state) {
    char command[128];
    hl_db_close(*state);
    if (sqlite3_memory_used() != 0) return -1;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static hl_blob_row blob(const char *digest, uint64_t n, int origin) {
    hl_blob_row row = {.size_bytes = UINT64_C(5000000000) + n,
                       .mtime_ns = INT64_C(1700000000123456789) + (int64_t)n,
                       .inode = UINT64_C(0x7000000000000001) + n,
                       .device = 40 + n,
                       .origin = origin};
    (void)snprintf(row.digest, sizeof row.digest, "sha256:%s", digest);
    return row;
}

static void check_blob(const hl_blob_row *a, const hl_blob_row *b) {
    assert_string_equal(a->digest, b->digest);
    assert_true(a->size_bytes == b->size_bytes);
    assert_true(a->mtime_ns == b->mtime_ns);
    assert_true(a->inode == b->inode);
    assert_true(a->device == b->device);
    assert_int_equal(a->origin, b->origin);
}

static void a_blob_comes_back_as_it_was_put(void **state) {
    hl_db      *db = *state;
    hl_blob_row a = blob("aa", 1, HL_BLOB_WRITTEN), b = blob("bb", 2, HL_BLOB_LINKED), got = {0};
    assert_false(hl_db_find_blob(db, "s", a.digest, &got));
    assert_true(hl_db_put_blob(db, "s", &a));
    assert_true(hl_db_put_blob(db, "s", &b));
    assert_true(hl_db_find_blob(db, "s", a.digest, &got));
    check_blob(&got, &a);
    assert_true(hl_db_find_blob(db, "s", b.digest, &got));
    check_blob(&got, &b);
    assert_false(hl_db_find_blob(db, "other", a.digest, &got));
    a.mtime_ns++; /* put again: the newer one counts */
    a.origin = HL_BLOB_FOUND;
    assert_true(hl_db_put_blob(db, "s", &a));
    assert_true(hl_db_find_blob(db, "s", a.digest, &got));
    check_blob(&got, &a);
    hl_db_drop_blob(db, "s", a.digest);
    assert_false(hl_db_find_blob(db, "s", a.digest, &got));
    assert_true(hl_db_find_blob(db, "s", b.digest, &got));
}

static void a_blob_is_found_by_its_file_only_when_nothing_changed(void **state) {
    hl_db            *db = *state;
    const hl_blob_row a = blob("aa", 1, HL_BLOB_LINKED);
    hl_blob_row       got = {0};
    assert_true(hl_db_put_blob(db, "s", &a));
    for (int field = 0; field < 5; field++) {
        hl_blob_row like = a;
        like.digest[0] = '\0';
        if (field == 1) like.size_bytes++;
        if (field == 2) like.mtime_ns++;
        if (field == 3) like.inode++;
        if (field == 4) like.device++;
        assert_int_equal(hl_db_find_blob_by_inode(db, "s", &like, &got), field == 0);
        if (field == 0) check_blob(&got, &a);
        assert_false(hl_db_find_blob_by_inode(db, "other", &like, &got));
    }
}

typedef struct seen {
    hl_db *db;
    char   digests[8][HL_DIGEST_BYTES];
    int    n;
} seen;

static void note_and_drop(void *user, const hl_blob_row *row) {
    seen *s = user;
    (void)snprintf(s->digests[s->n++], HL_DIGEST_BYTES, "%s", row->digest);
    hl_db_drop_blob(s->db, "s", row->digest);
}

static void own_blobs_are_those_written_or_linked(void **state) {
    hl_db            *db = *state;
    seen              s = {.db = db};
    const hl_blob_row rows[] = {blob("aa", 1, HL_BLOB_WRITTEN), blob("bb", 2, HL_BLOB_FOUND),
                                blob("cc", 3, HL_BLOB_LINKED), blob("dd", 4, HL_BLOB_WRITTEN)};
    for (size_t i = 0; i < 4; i++) assert_true(hl_db_put_blob(db, i == 3 ? "other" : "s", &rows[i]));
    hl_db_each_own_blob(db, "s", note_and_drop, &s);
    assert_int_equal(s.n, 2);
    assert_true(strcmp(s.digests[0], rows[0].digest) == 0 || strcmp(s.digests[1], rows[0].digest) == 0);
    assert_true(strcmp(s.digests[0], rows[2].digest) == 0 || strcmp(s.digests[1], rows[2].digest) == 0);
    s.n = 0;
    hl_db_each_own_blob(db, "s", note_and_drop, &s);
    assert_int_equal(s.n, 0);
}

static void a_model_comes_back_as_it_was_put(void **state) {
    hl_db       *db = *state;
    hl_model_row got = {0}, row = {.digest = "sha256:0123",
                                   .size_bytes = UINT64_C(7000000000),
                                   .manifest_mtime_ns = INT64_C(1700000000987654321),
                                   .manifest_bytes = 456,
                                   .format = "gguf",
                                   .family = "llama",
                                   .parameter_size = "135M",
                                   .quantization = "Q4_1"};
    assert_false(hl_db_find_model(db, "s", "a/b:c", &got));
    hl_db_put_model(db, "s", "a/b:c", &row);
    assert_false(hl_db_find_model(db, "s", "a/b:d", &got));
    assert_false(hl_db_find_model(db, "other", "a/b:c", &got));
    for (int round = 0; round < 2; round++) {
        assert_true(hl_db_find_model(db, "s", "a/b:c", &got));
        assert_string_equal(got.digest, row.digest);
        assert_true(got.size_bytes == row.size_bytes);
        assert_true(got.manifest_mtime_ns == row.manifest_mtime_ns);
        assert_true(got.manifest_bytes == row.manifest_bytes);
        assert_string_equal(got.format, row.format);
        assert_string_equal(got.family, row.family);
        assert_string_equal(got.parameter_size, row.parameter_size);
        assert_string_equal(got.quantization, row.quantization);
        (void)strcpy(row.digest, "sha256:4567");
        row.manifest_mtime_ns++;
        row.manifest_bytes++;
        hl_db_put_model(db, "s", "a/b:c", &row);
    }
    hl_db_drop_model(db, "s", "a/b:c");
    assert_false(hl_db_find_model(db, "s", "a/b:c", &got));
}

static void the_last_use_is_remembered(void **state) {
    hl_db *db = *state;
    assert_true(hl_db_last_used_ms(db, "m") == -1);
    hl_db_add_use(db, "m", INT64_C(1700000000001));
    hl_db_add_use(db, "m", INT64_C(1700000000002));
    hl_db_add_use(db, "n", INT64_C(5));
    assert_true(hl_db_last_used_ms(db, "m") == INT64_C(1700000000002));
    assert_true(hl_db_last_used_ms(db, "n") == 5);
}

static void rows_are_there_after_the_file_was_closed(void **state) {
    const hl_blob_row a = blob("aa", 1, HL_BLOB_WRITTEN);
    hl_blob_row       got = {0};
    hl_err            err = {0};
    assert_true(hl_db_put_blob(*state, "s", &a));
    hl_db_close(*state);
    *state = NULL;
    assert_int_equal(hl_db_open(path, NULL, (hl_db **)state, &err), HL_OK);
    assert_true(hl_db_find_blob(*state, "s", a.digest, &got));
    check_blob(&got, &a);
}

static void count_warnings(void *user, hl_log_level level, const char *component, const char *event,
                           const char *fields) {
    (void)component;
    if (level != HL_LOG_WARN || strcmp(event, "database-failed") != 0) return;
    assert_non_null(strstr(fields, "database or disk is full"));
    (*(int *)user)++;
}

/* As long as the file may not grow, each write fails. */
static void let_grow(hl_db *db, bool may_grow) {
    assert_int_equal(sqlite3_exec(db->sql,
                                  may_grow ? "PRAGMA max_page_count = 1000000" : "PRAGMA max_page_count = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
}

/* Rows until it is full, then more of them. Names are long: a few fill a page. */
static int put_until_full(hl_db *db) {
    char name[3000];
    int  n_failed = 0;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; n_failed < 20; i++) {
        hl_blob_row row = blob("aa", (uint64_t)i, HL_BLOB_WRITTEN);
        (void)snprintf(row.digest, sizeof row.digest, "sha256:%d", i);
        n_failed += !hl_db_put_blob(db, name, &row);
    }
    return n_failed;
}

static void a_full_disk_is_told_once_until_a_write_succeeds(void **state) {
    hl_db            *db = *state;
    int               n_told = 0;
    const hl_events   events = {.fn = count_warnings, .user = &n_told, .level = HL_LOG_WARN};
    const hl_blob_row row = blob("bb", 1, HL_BLOB_WRITTEN);
    db->events = &events;
    for (int round = 1; round <= 2; round++) {
        let_grow(db, false);
        assert_int_equal(put_until_full(db), 20);
        assert_int_equal(n_told, round);
        let_grow(db, true);
        assert_true(hl_db_put_blob(db, "s", &row));
    }
    db->events = NULL;
}

static void without_a_database_nothing_is_found_and_nothing_breaks(void **state) {
    hl_blob_row  blob_row = blob("aa", 1, HL_BLOB_WRITTEN);
    hl_model_row model_row = {0};
    (void)state;
    assert_false(hl_db_put_blob(NULL, "s", &blob_row));
    assert_false(hl_db_find_blob(NULL, "s", "d", &blob_row));
    assert_false(hl_db_find_blob_by_inode(NULL, "s", &blob_row, &blob_row));
    assert_false(hl_db_find_model(NULL, "s", "m", &model_row));
    hl_db_put_model(NULL, "s", "m", &model_row);
    hl_db_drop_model(NULL, "s", "m");
    hl_db_drop_blob(NULL, "s", "d");
    hl_db_add_use(NULL, "m", 1);
    assert_true(hl_db_last_used_ms(NULL, "m") == -1);
    hl_db_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_blob_comes_back_as_it_was_put, open_db, close_db),
        cmocka_unit_test_setup_teardown(a_blob_is_found_by_its_file_only_when_nothing_changed, open_db,
                                        close_db),
        cmocka_unit_test_setup_teardown(own_blobs_are_those_written_or_linked, open_db, close_db),
        cmocka_unit_test_setup_teardown(a_model_comes_back_as_it_was_put, open_db, close_db),
        cmocka_unit_test_setup_teardown(the_last_use_is_remembered, open_db, close_db),
        cmocka_unit_test_setup_teardown(rows_are_there_after_the_file_was_closed, open_db, close_db),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_once_until_a_write_succeeds, open_db, close_db),
        cmocka_unit_test(without_a_database_nothing_is_found_and_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
