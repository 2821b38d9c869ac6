/* SPDX-License-Identifier: MIT
 *
 * test_migrate.c - a database of every released schema, of a newer one, damaged, and raced for.
 *
 * The databases are made here from the migrations themselves, up to each version, with rows in the
 * tables that people fill.
 */
#define _GNU_SOURCE
#include "../unit/store_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "models/db/db.h"
#include "models/db/migrations.h"

static void exec(sqlite3 *sql, const char *query) {
    char *text = NULL;
    if (sqlite3_exec(sql, query, NULL, NULL, &text) != SQLITE_OK) fail_msg("%s: %s", query, text);
}

static sqlite3 *open_raw(const fixture *f) {
    sqlite3 *sql = NULL;
    assert_int_equal(sqlite3_open(f->db, &sql), SQLITE_OK);
    return sql;
}

static int read_int(const fixture *f, const char *query) {
    sqlite3      *sql = open_raw(f);
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(sql, query, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", query, sqlite3_errmsg(sql));
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const int v = sqlite3_column_int(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(sql);
    return v;
}

static bool has_table(sqlite3 *sql, const char *name) {
    return sqlite3_table_column_metadata(sql, NULL, name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

static void make_version(const fixture *f, int version) {
    sqlite3 *sql = open_raw(f);
    char     text[64];
    for (int i = 0; i < version; i++) exec(sql, hl_migrations[i].sql);
    (void)snprintf(text, sizeof text, "PRAGMA user_version = %d", version);
    exec(sql, text);
    if (version >= 1) exec(sql, "INSERT INTO blob VALUES ('0123', 'abcd', 1, 2, 3, 4, 1, 5)");
    if (version >= 2) {
        exec(sql, "INSERT INTO usage VALUES ('registry.ollama.ai/library/x:latest', 1234, 7)");
        exec(sql, "INSERT INTO bench_result (machine, cpu, build, commit_id, date_ms, model, digest, metric, "
                  "n, value,"
                  " unit) VALUES ('m', 'c', 'b', '', 5, 'x', '', 'decode', 64, 12.5, 'tokens/s')");
        exec(sql, "INSERT INTO chat VALUES (1, 'talk', 'x', 1, 2)");
        exec(sql, "INSERT INTO chat_message VALUES (1, 0, 'user', 'hi', '', '{}', 3)");
    }
    if (version >= 4)
        exec(sql,
             "INSERT INTO api_key VALUES ('ci', '00112233445566778899aabbccddeeff00112233445566778899aabbc"
             "cddeeff', 'manage', -3, 4)");
    if (has_table(sql, "response"))
        exec(sql, "INSERT INTO response VALUES (1, 'resp_1', NULL, '', 2, '[]', '{}', 4)");
    (void)sqlite3_close(sql);
}

static bool has_file(const fixture *f, const char *part) {
    DIR                 *dir = opendir(f->dir);
    const struct dirent *e;
    bool                 found = false;
    while ((e = readdir(dir))) found = found || strstr(e->d_name, part);
    (void)closedir(dir);
    return found;
}

static void a_database_of_every_schema_is_brought_up_to_date(void **state) {
    (void)state;
    for (int version = 0; version <= hl_db_newest_version(); version++) {
        fixture f;
        hl_err  err = {0};
        hl_db  *db = NULL;
        fixture_init(&f);
        make_version(&f, version);
        if (hl_db_open(f.db, &f.sink, &db, &err) != HL_OK) fail_msg("version %d: %s", version, err.text);
        hl_blob_row row;
        assert_int_equal(hl_db_find_blob(db, "0123", "abcd", &row), version >= 1);
        if (version >= 2)
            assert_int_equal(hl_db_last_used_ms(db, "registry.ollama.ai/library/x:latest"), 1234);
        hl_bench_history *history = NULL;
        if (hl_db_list_results(db, "x", "m", 9, &history, &err) != HL_OK) fail_msg("%s", err.text);
        assert_int_equal(history->n, version >= 2);
        if (version >= 2) {
            assert_true(history->results[0].value == 12.5 && history->results[0].share == 0);
            assert_int_equal(history->results[0].n_threads, 0);
            assert_string_equal(history->results[0].kv_type, "");
        }
        hl_bench_history_free(history);
        hl_db_close(db);
        assert_int_equal(read_int(&f, "PRAGMA user_version"), hl_db_newest_version());
        if (version >= 2) assert_int_equal(read_int(&f, "SELECT count(*) FROM chat_message"), 1);
        assert_int_equal(read_int(&f, "SELECT count(*) FROM api_key WHERE scope = 'manage'"), version >= 4);
        char backup[64];
        (void)snprintf(backup, sizeof backup, "hyperlama.db.v%d.bak", version);
        assert_int_equal(has_file(&f, backup), version > 0 && version < hl_db_newest_version());
        assert_false(has_file(&f, "partial"));
        assert_false(has_file(&f, "damaged"));
        fixture_done(&f);
    }
}

static void migrations_have_no_gaps(void **state) {
    (void)state;
    for (size_t i = 0; i < hl_n_migrations; i++) {
        assert_int_equal(hl_migrations[i].version, (int)i + 1);
        assert_int_equal(atoi(hl_migrations[i].name), (int)i + 1);
    }
}

static void a_newer_database_is_left_alone_and_done_without(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_db         *db = NULL;
    hl_store_list *list = NULL;
    char           text[64];
    fixture_init(&f);
    make_version(&f, hl_db_newest_version());
    sqlite3 *sql = open_raw(&f);
    (void)snprintf(text, sizeof text, "PRAGMA user_version = %d", hl_db_newest_version() + 1);
    exec(sql, text);
    (void)sqlite3_close(sql);
    assert_int_equal(hl_db_open(f.db, &f.sink, &db, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "newer"));
    assert_non_null(strstr(err.text, f.db));
    /* the store works from its files */
    const char *path = make_gguf(&f, "a.gguf", 64, 1);
    hl_store   *s = fixture_open(&f);
    assert_non_null(strstr(f.events, "database-unusable"));
    assert_int_equal(hl_store_import(s, &path, 1, "a", NULL, NULL, &err), HL_OK);
    assert_int_equal(hl_store_list_models(s, NULL, &list, &err), HL_OK);
    assert_int_equal(list->n, 1);
    hl_store_add_usage(s, &list->entries[0].name);
    const hl_bench_result result = {.machine = "m",
                                    .cpu = "c",
                                    .build = "b",
                                    .commit = "",
                                    .isa = "",
                                    .kv_type = "",
                                    .model = "a",
                                    .digest = "",
                                    .metric = "decode",
                                    .unit = "tokens/s"};
    assert_int_equal(hl_store_add_results(s, &result, 1, &err), HL_E_IO);
    hl_store_list_free(list);
    hl_store_close(s);
    assert_false(has_file(&f, "damaged"));
    assert_int_equal(read_int(&f, "PRAGMA user_version"), hl_db_newest_version() + 1);
    assert_int_equal(read_int(&f, "SELECT count(*) FROM chat"), 1);
    fixture_done(&f);
}

/* Overwrite the file with one kind of damage after another; each time the store works on. */
static void a_damaged_database_is_moved_aside_and_the_index_made_anew(void **state) {
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        fixture          f;
        hl_err           err = {0};
        hl_stored_model *m = NULL;
        hl_store_list   *list = NULL;
        fixture_init(&f);
        hl_store   *s = fixture_open(&f);
        const char *path = make_gguf(&f, "a.gguf", 64, 1);
        assert_int_equal(hl_store_import(s, &path, 1, "a", NULL, NULL, &err), HL_OK);
        hl_store_close(s);

        char              command[600];
        const char *const how[] = {
            "printf 'this is not a database, it is some text of enough length to have a header' > '%s'",
            "dd if=/dev/urandom of='%s' bs=4096 count=4 seek=1 conv=notrunc status=none",
            "dd if=/dev/zero of='%s' bs=100 count=1 conv=notrunc status=none",
            "truncate -s 5000 '%s'",
            "dd if=/dev/urandom of='%s' bs=1 count=60 seek=110 conv=notrunc status=none",
        };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(command, sizeof command, how[kind], f.db);
#pragma GCC diagnostic pop
        assert_int_equal(system(command), 0);

        s = fixture_open(&f);
        if (!strstr(f.events, "database-damaged")) fail_msg("damage %d not noticed", kind);
        assert_true(has_file(&f, "damaged"));
        assert_int_equal(hl_store_list_models(s, NULL, &list, &err), HL_OK);
        assert_int_equal(list->n, 1);
        hl_store_list_free(list);
        assert_int_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err), HL_OK);
        hl_stored_model_free(m);
        hl_store_close(s);
        assert_int_equal(read_int(&f, "SELECT count(*) FROM model"), 1);
        assert_int_equal(read_int(&f, "SELECT count(*) > 0 FROM blob"), 1);
        fixture_done(&f);
    }
}

static void what_can_be_read_of_a_damaged_database_is_kept(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    hl_db  *db = NULL;
    char    key[64];
    fixture_init(&f);
    make_version(&f, hl_db_newest_version());
    assert_int_equal(hl_db_open(f.db, &f.sink, &db, &err), HL_OK);
    for (int i = 0; i < 1000; i++) { /* many pages of usage */
        (void)snprintf(key, sizeof key, "registry.ollama.ai/library/model-%d:latest", i);
        hl_db_add_use(db, key, i);
    }
    hl_db_close(db);
    struct stat st;
    assert_int_equal(stat(f.db, &st), 0);
    char      noise[4096];
    const int fd = open(f.db, O_WRONLY);
    memset(noise, 0xa5, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, st.st_size - (off_t)sizeof noise), sizeof noise);
    (void)close(fd);

    assert_int_equal(hl_db_open(f.db, &f.sink, &db, &err), HL_OK);
    hl_db_close(db);
    assert_non_null(strstr(f.events, "database-damaged"));
    assert_int_equal(read_int(&f, "SELECT count(*) FROM chat"), 1);
    assert_int_equal(read_int(&f, "SELECT count(*) FROM chat_message"), 1);
    assert_int_equal(read_int(&f, "SELECT count(*) FROM blob"), 1);
    const int n_kept = read_int(&f, "SELECT count(*) FROM usage");
    assert_true(n_kept > 10 && n_kept < 1001);
    fixture_done(&f);
}

static void a_missing_database_is_made_anew(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    hl_removed     removed;
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 64, 1);
    assert_int_equal(hl_store_import(s, &path, 1, "a", NULL, NULL, &err), HL_OK);
    hl_store_close(s);
    assert_int_equal(unlink(f.db), 0);
    s = fixture_open(&f);
    assert_int_equal(hl_store_list_models(s, NULL, &list, &err), HL_OK);
    assert_int_equal(list->n, 1);
    hl_store_list_free(list);
    assert_int_equal(hl_store_remove(s, "a", &removed, &err), HL_OK);
    hl_store_close(s);
    fixture_done(&f);
}

static void many_processes_may_make_it_at_once(void **state) {
    (void)state;
    enum { N = 6 };
    fixture f;
    pid_t   pids[N];
    for (int version = 0; version < 2; version++) {
        fixture_init(&f);
        if (version) make_version(&f, version);
        for (int i = 0; i < N; i++) {
            pids[i] = fork();
            if (pids[i] != 0) continue;
            hl_db *db = NULL;
            hl_err err = {0};
            if (hl_db_open(f.db, NULL, &db, &err) != HL_OK) {
                fprintf(stderr, "%s\n", err.text);
                _exit(1);
            }
            for (int k = 0; k < 10; k++) hl_db_add_use(db, "x", k);
            hl_db_close(db);
            _exit(0);
        }
        for (int i = 0; i < N; i++) {
            int how = 0;
            assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
            assert_int_equal(how, 0);
        }
        assert_int_equal(read_int(&f, "SELECT n_uses FROM usage"), 10 * N);
        fixture_done(&f);
    }
}

static void a_database_without_one_of_its_tables_is_replaced_and_the_others_are_kept(void **state) {
    (void)state;
    static const char *const tables[] = {"model",        "blob",         "usage",
                                         "bench_result", "chat_message", "response"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        fixture f;
        hl_err  err = {0};
        hl_db  *db = NULL;
        char    text[64];
        fixture_init(&f);
        make_version(&f, hl_db_newest_version());
        sqlite3 *sql = open_raw(&f);
        (void)snprintf(text, sizeof text, "DROP TABLE %s", tables[i]);
        exec(sql, text);
        (void)sqlite3_close(sql);
        if (hl_db_open(f.db, &f.sink, &db, &err) != HL_OK) fail_msg("%s: %s", tables[i], err.text);
        assert_non_null(strstr(f.events, "database-damaged"));
        assert_true(has_file(&f, "damaged"));
        assert_int_equal(hl_db_last_used_ms(db, "registry.ollama.ai/library/x:latest"),
                         strcmp(tables[i], "usage") == 0 ? -1 : 1234);
        hl_db_close(db);
        assert_int_equal(read_int(&f, "SELECT count(*) FROM chat"), 1);
        fixture_done(&f);
    }
}

/* ---- somebody holds it ---- */

static bool    time_flies; /* nobody sleeps, but all that was to be slept is counted */
static int64_t slept_ms;

int nanosleep(const struct timespec *t, struct timespec *left) {
    typedef int sleep_fn(const struct timespec *, struct timespec *);
    slept_ms += t->tv_nsec / 1000000;
    return time_flies ? 0 : ((sleep_fn *)dlsym(RTLD_NEXT, "nanosleep"))(t, left);
}

static int count_events(const fixture *f, const char *event) {
    int n = 0;
    for (const char *at = f->events; (at = strstr(at, event)); at++) n++;
    return n;
}

static void a_database_that_somebody_holds_delays_nobody(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    fixture_init(&f);
    const char *path = make_gguf(&f, "a.gguf", 64, 1);
    hl_store   *s = fixture_open(&f);
    assert_int_equal(hl_store_import(s, &path, 1, "a", NULL, NULL, &err), HL_OK);
    hl_store_close(s);
    sqlite3 *sql = open_raw(&f);
    exec(sql, "BEGIN EXCLUSIVE");
    f.events[0] = '\0';
    slept_ms = 0;
    time_flies = true;
    path = make_gguf(&f, "b.gguf", 64, 2);
    const hl_import_options io = {.system = "many rows", .template_text = "t"};
    s = fixture_open(&f);
    assert_int_equal(hl_store_import(s, &path, 1, "b", &io, NULL, &err), HL_OK);
    assert_int_equal(hl_store_list_models(s, NULL, &list, &err), HL_OK);
    assert_int_equal(list->n, 2);
    hl_store_add_usage(s, &list->entries[0].name);
    hl_store_add_usage(s, &list->entries[1].name);
    assert_int_equal(hl_store_remove(s, "b", NULL, &err), HL_OK);
    hl_store_list_free(list);
    assert_int_equal(slept_ms, HL_DB_PATIENCE_MS); /* for all of it, not for each row */
    time_flies = false;
    assert_int_equal(count_events(&f, "database-failed"), 1);
    hl_store_close(s);
    exec(sql, "COMMIT");
    (void)sqlite3_close(sql);
    fixture_done(&f);
}

/* A process that was stopped while it made or migrated the database. */
static void a_lock_that_stays_is_not_waited_for_long(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    hl_db  *db = NULL;
    char    path[200];
    fixture_init(&f);
    (void)snprintf(path, sizeof path, "%s.lock", f.db);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    slept_ms = 0;
    time_flies = true;
    assert_int_equal(hl_db_open(f.db, &f.sink, &db, &err), HL_E_BUSY);
    assert_int_equal(slept_ms, HL_DB_OPEN_MS);
    assert_non_null(strstr(err.text, path));
    hl_store *s = fixture_open(&f); /* works without */
    time_flies = false;
    assert_int_equal(count_events(&f, "database-unusable"), 1);
    hl_store_close(s);
    (void)close(fd);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrations_have_no_gaps),
        cmocka_unit_test(a_database_of_every_schema_is_brought_up_to_date),
        cmocka_unit_test(a_database_without_one_of_its_tables_is_replaced_and_the_others_are_kept),
        cmocka_unit_test(a_database_that_somebody_holds_delays_nobody),
        cmocka_unit_test(a_lock_that_stays_is_not_waited_for_long),
        cmocka_unit_test(a_newer_database_is_left_alone_and_done_without),
        cmocka_unit_test(a_damaged_database_is_moved_aside_and_the_index_made_anew),
        cmocka_unit_test(what_can_be_read_of_a_damaged_database_is_kept),
        cmocka_unit_test(a_missing_database_is_made_anew),
        cmocka_unit_test(many_processes_may_make_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
