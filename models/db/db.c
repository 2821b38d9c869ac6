/* SPDX-License-Identifier: MIT
 *
 * db.c - open the database file, whatever state it is in.
 *
 * 1. look: current version and readable -> done, without any lock of ours
 * 2. else take "<path>.lock", look again (another process may have done the work meanwhile)
 * 3. damaged -> move aside, start again; older -> back up, then one transaction per migration
 *
 * Opening is where damage is found: small files are checked in full, large ones by their schema. What
 * is found later ends in misses and errors, and the next opening deals with it.
 */
#define _GNU_SOURCE
#include "models/db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "models/db/db_priv.h"
#include "models/db/migrations.h"

enum { LOCK_STEP_MS = 20, FULL_CHECK_BYTES = 1 << 20 };

/* Is this the code of a file that is no database, or a broken one? */
static bool is_damage(int rc) {
    const int code = rc & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

hl_status hl_db_fail(sqlite3 *sql, const char *path, const char *what, int rc, hl_err *err) {
    const int   code = rc & 0xff;
    const char *text = sql && sqlite3_errcode(sql) != SQLITE_OK ? sqlite3_errmsg(sql) : sqlite3_errstr(rc);
    hl_status   status = HL_E_IO;
    if (code == SQLITE_NOMEM) {
        status = HL_E_NOMEM;
        text = "no memory"; /* what SQLite says then may be of another failure */
    }
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) status = HL_E_BUSY;
    if (code == SQLITE_CANTOPEN && sql) { /* without descriptors; the text is SQLite's own then */
        const int error = sqlite3_system_errno(sql);
        status = hl_errno_io(error);
        if (status == HL_E_BUSY) text = strerror(error);
    }
    if (code == SQLITE_ERROR || code == SQLITE_MISUSE) status = HL_E_INTERNAL;
    return hl_fail(err, status, "database '%s': %s: %s", path, what, text);
}

void hl_db_warn(hl_db *db, const char *what, const char *action) {
    const int code = sqlite3_errcode(db->sql) & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        if (db->patience_ms == 0) return; /* said once */
        db->patience_ms = 0;
    }
    const uint32_t bit = UINT32_C(1) << (code & 31); /* primary codes end below 32 */
    if (__atomic_fetch_or(&db->told, bit, __ATOMIC_RELAXED) & bit) return;
    const bool is_news = sqlite3_db_readonly(db->sql, "main") != 1; /* else it was opened for reading only */
    hl_event(db->events, is_news ? HL_LOG_WARN : HL_LOG_INFO, "models", "database-failed",
             "what=\"%s\" reason=\"%s\" action=\"%s\"", what, sqlite3_errmsg(db->sql), action);
}

int hl_db_newest_version(void) { return (int)hl_n_migrations; }

/* ---- looking ---- */

static int read_int(sqlite3 *sql, const char *query, int *ret) {
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_prepare_v2(sql, query, -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *ret = sqlite3_column_int(st, 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(st);
    return rc;
}

/* Does "PRAGMA quick_check" say "ok"? */
static int check_all_pages(sqlite3 *sql) {
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        rc = text && strcmp(text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    (void)sqlite3_finalize(st);
    return rc;
}

static void sleep_a_step(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000}, NULL);
}

/* Another process holds the database: try again for as long as there is patience, unless somebody asks to
 * stop. */
static int wait_a_moment(void *user, int n_before) {
    const hl_db *db = user;
    if (n_before >= db->patience_ms / LOCK_STEP_MS || hl_stop_asked()) return 0;
    sleep_a_step();
    return 1;
}

static int open_file(hl_db *db, const char *path, sqlite3 **ret_sql) {
    /* chats are private; SQLite's further files take their mode from this one. Not opened when it is there:
     * closing it would drop the locks of this process's other connections */
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) (void)close(fd);
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return SQLITE_CANTOPEN; /* reading a FIFO may wait for ever */
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    int       rc = sqlite3_open_v2(path, ret_sql, flags, NULL);
    if (rc != SQLITE_OK) return rc;
    (void)sqlite3_extended_result_codes(*ret_sql, 1);
    (void)sqlite3_busy_handler(*ret_sql, wait_a_moment, db);
    (void)sqlite3_db_config(*ret_sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(*ret_sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return SQLITE_OK;
}

/* What lies in a folder that nobody may write to is read as it is: SQLite cannot make its index of a WAL
 * there. Not where a WAL still holds changes, which would be missed. from: sqlite.org/wal.html, "Read-Only
 * Databases" */
static bool is_for_reading(const char *path) {
    char        dir[PATH_MAX], wal[PATH_MAX];
    struct stat st;
    const int   n = snprintf(wal, sizeof wal, "%s-wal", path);
    if (n < 0 || (size_t)n >= sizeof wal || !hl_path_dir(path, dir, sizeof dir)) return false;
    return access(path, R_OK) == 0 && access(dir, W_OK) != 0 && (stat(wal, &st) != 0 || st.st_size == 0);
}

static int open_for_reading(hl_db *db, const char *path) {
    char *uri = sqlite3_mprintf("file:");
    for (const char *c = path; *c && uri; c++) {
        const bool is_plain = (unsigned char)*c < 0x80 && *c != '?' && *c != '#' && *c != '%';
        char      *more = is_plain ? sqlite3_mprintf("%z%c", uri, *c)
                                   : sqlite3_mprintf("%z%%%02X", uri, (unsigned)(unsigned char)*c);
        uri = more;
    }
    if (uri) uri = sqlite3_mprintf("%z?immutable=1", uri);
    if (!uri) return SQLITE_NOMEM;
    (void)sqlite3_close_v2(db->sql);
    db->sql = NULL;
    const int rc =
        sqlite3_open_v2(uri, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX, NULL);
    sqlite3_free(uri);
    if (rc == SQLITE_OK) (void)sqlite3_extended_result_codes(db->sql, 1);
    return rc;
}

/* Are all tables of the newest schema there? */
static int count_missing(sqlite3 *sql, int *ret_missing) {
    static const char query[] = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"
                                " ('model', 'blob', 'usage', 'bench_result', 'chat', 'chat_message',"
                                " 'api_key', 'response')";
    int               n = 0;
    const int         rc = read_int(sql, query, &n);
    *ret_missing = 8 - n;
    return rc;
}

/* Read the schema version; on the way, see whether the file is sound. */
static int look(const char *path, sqlite3 *sql, int *ret_version) {
    int         n_tables = 0, version = 0, n_missing = 0;
    struct stat st;
    int         rc = read_int(sql, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK) rc = read_int(sql, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (rc == SQLITE_OK && stat(path, &st) == 0 && st.st_size <= FULL_CHECK_BYTES) rc = check_all_pages(sql);
    if (rc == SQLITE_OK && version == hl_db_newest_version()) rc = count_missing(sql, &n_missing);
    if (rc == SQLITE_OK && n_missing > 0) rc = SQLITE_CORRUPT;
    if (rc == SQLITE_OK && (version < 0 || (version > 0 && n_tables == 0))) rc = SQLITE_CORRUPT;
    if (rc == SQLITE_OK) *ret_version = version;
    return rc;
}

/* ---- healing and migrating, under the lock file ---- */

/* Give the file and its companions another name: SQLite finds those by the name of the first. */
static void move_aside(hl_db *db, char ret_path[PATH_MAX]) {
    static const char *const tails[] = {"", "-wal", "-shm"};
    char                     from[PATH_MAX], to[PATH_MAX];
    (void)snprintf(ret_path, PATH_MAX, "%s.damaged-%" PRId64, db->path, hl_clock_wall_ms());
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        const int n = snprintf(from, sizeof from, "%s%s", db->path, tails[i]);
        const int m = snprintf(to, sizeof to, "%s%s", ret_path, tails[i]);
        if (n > 0 && n < PATH_MAX && m > 0 && m < PATH_MAX)
            (void)rename(from, to); /* the tails may not exist; a main file that stays is seen later */
    }
}

static hl_status back_up(hl_db *db, int version, hl_err *err) {
    char      to[PATH_MAX], partial[PATH_MAX];
    const int n = snprintf(partial, sizeof partial, "%s.v%d.bak.partial", db->path, version);
    if (n < 0 || (size_t)n >= sizeof partial)
        return hl_fail(err, HL_E_IO, "database '%s': path too long for a backup", db->path);
    (void)snprintf(to, sizeof to, "%s.v%d.bak", db->path, version);
    (void)unlink(partial); /* of a killed process: we hold the lock */
    char *query = sqlite3_mprintf("VACUUM INTO %Q", partial);
    if (!query) return hl_fail(err, HL_E_NOMEM, "database '%s': no memory", db->path);
    const int rc = sqlite3_exec(db->sql, query, NULL, NULL, NULL);
    sqlite3_free(query);
    if (rc != SQLITE_OK) {
        const hl_status status = hl_db_fail(db->sql, db->path, "backup before a migration", rc, err);
        (void)unlink(partial);
        return status;
    }
    if (rename(partial, to) != 0)
        return hl_fail(err, hl_errno_io(errno), "database '%s': rename backup to '%s': %s", db->path, to,
                       strerror(errno));
    hl_event(db->events, HL_LOG_INFO, "models", "database-backed-up", "path=\"%s\"", to);
    return HL_OK;
}

static hl_status apply(hl_db *db, const hl_migration *m, hl_err *err) {
    char step[64];
    (void)snprintf(step, sizeof step, "PRAGMA user_version = %d", m->version);
    int rc = sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db->sql, m->sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db->sql, step, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK) return HL_OK;
    const hl_status status = hl_db_fail(db->sql, db->path, m->name, rc, err);
    if (!sqlite3_get_autocommit(db->sql)) (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static hl_status migrate(hl_db *db, int version, hl_err *err) {
    hl_status status = HL_OK;
    if (version > 0) status = back_up(db, version, err);
    /* WAL: readers and one writer at a time; a file system that cannot do it keeps the old journal */
    (void)sqlite3_exec(db->sql, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    for (size_t i = (size_t)version; i < hl_n_migrations && status == HL_OK; i++)
        status = apply(db, &hl_migrations[i], err);
    if (status == HL_OK)
        hl_event(db->events, HL_LOG_DEBUG, "models", "database-migrated", "from=%d to=%d", version,
                 hl_db_newest_version());
    return status;
}

static hl_status fail_newer(const hl_db *db, int version, hl_err *err) {
    return hl_fail(
        err, HL_E_UNSUPPORTED,
        "database '%s' has schema version %d, this program knows versions up to %d: it was written by a "
        "newer hyperlama; update the program, or move the file away to start with an empty one",
        db->path, version, hl_db_newest_version());
}

/* Put a new database in the place of a damaged one, with what can be read of it. */
static hl_status replace(hl_db *db, hl_err *err) {
    char damaged[PATH_MAX];
    int  version = 0;
    (void)sqlite3_close_v2(db->sql);
    db->sql = NULL;
    move_aside(db, damaged);
    int rc = open_file(db, db->path, &db->sql);
    if (rc == SQLITE_OK) rc = look(db->path, db->sql, &version);
    if (rc != SQLITE_OK) return hl_db_fail(db->sql, db->path, "replace a damaged file", rc, err);
    const hl_status status = migrate(db, version, err);
    if (status != HL_OK) return status;
    const int n_rows = hl_db_salvage(db, damaged);
    hl_event(db->events, HL_LOG_WARN, "models", "database-damaged",
             "path=\"%s\" moved_to=\"%s\" saved_rows=%d action=\"the index is built again from the files; of "
             "usage, "
             "results and chats what could be read is kept\"",
             db->path, damaged, n_rows);
    return HL_OK;
}

/* Bring the file up to date; the caller holds the lock file. */
static hl_status heal(hl_db *db, hl_err *err) {
    int       version = 0;
    const int rc = look(db->path, db->sql, &version);
    if (is_damage(rc)) return replace(db, err);
    if (rc != SQLITE_OK) return hl_db_fail(db->sql, db->path, "open", rc, err);
    if (version > hl_db_newest_version()) return fail_newer(db, version, err);
    return version < hl_db_newest_version() ? migrate(db, version, err) : HL_OK;
}

static hl_status wait_for_lock(int fd, const char *path, hl_err *err) {
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_STEP_MS) {
        if (errno == ENOLCK || errno == ENOTSUP) return HL_OK; /* a file system without locks: alone, then */
        if (errno != EWOULDBLOCK && errno != EINTR)
            return hl_fail(err, hl_errno_io(errno), "lock '%s': %s", path, strerror(errno));
        if (waited_ms >= HL_DB_OPEN_MS)
            return hl_fail(err, HL_E_BUSY, "'%s' is locked by another process for longer than %d s", path,
                           HL_DB_OPEN_MS / 1000);
        const hl_status status = hl_stop_check("wait for another process's lock", err);
        if (status != HL_OK) return status;
        sleep_a_step();
    }
    return HL_OK;
}

static hl_status heal_locked(hl_db *db, hl_err *err) {
    char      path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s.lock", db->path);
    if (n < 0 || (size_t)n >= sizeof path)
        return hl_fail(err, HL_E_IO, "database '%s': path too long", db->path);
    int             fd = -1;
    const hl_status opened = hl_file_open(path, O_RDWR | O_CREAT, 0600, &fd, NULL, err);
    if (opened != HL_OK) return opened;
    hl_status status = wait_for_lock(fd, path, err);
    if (status == HL_OK) status = heal(db, err);
    (void)close(fd);
    return status;
}

/* Every connection needs these; they change nothing in the file. */
static int tune(sqlite3 *sql) {
    return sqlite3_exec(sql, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON", NULL, NULL, NULL);
}

hl_status hl_db_open(const char *path, const hl_events *events, hl_db **ret_db, hl_err *err) {
    const size_t len = strlen(path);
    int          version = -1;
    hl_db       *db = hl_new(1, sizeof *db + len + 1);
    if (!db) return hl_fail(err, HL_E_NOMEM, "database '%s': no memory", path);
    db->events = events;
    db->patience_ms = HL_DB_OPEN_MS;
    memcpy(db->path, path, len + 1);

    hl_status status = HL_OK;
    int       rc = open_file(db, path, &db->sql);
    if (rc == SQLITE_OK) rc = look(path, db->sql, &version);
    const int code = rc & 0xff;
    if ((code == SQLITE_READONLY || code == SQLITE_CANTOPEN) && is_for_reading(path)) {
        rc = open_for_reading(db, path);
        if (rc == SQLITE_OK) rc = look(path, db->sql, &version);
    }
    if (rc != SQLITE_OK && !is_damage(rc))
        status = hl_db_fail(db->sql, path, "open", rc, err);
    else if (rc == SQLITE_OK && version > hl_db_newest_version())
        status = fail_newer(db, version, err);
    else if (rc != SQLITE_OK || version < hl_db_newest_version())
        status = heal_locked(db, err);
    if (status == HL_OK && (rc = tune(db->sql)) != SQLITE_OK)
        status = hl_db_fail(db->sql, path, "open", rc, err);
    if (status != HL_OK) {
        hl_db_close(db);
        return status;
    }
    db->patience_ms = HL_DB_PATIENCE_MS;
    *ret_db = db;
    return HL_OK;
}

void hl_db_close(hl_db *db) {
    if (!db) return;
    (void)sqlite3_close_v2(db->sql);
    hl_free(db);
}
