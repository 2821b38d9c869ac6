/* SPDX-License-Identifier: MIT
 *
 * keyring.c - the rows of a server's keys: made, revoked, listed, and noticed when another process does that.
 *
 * A key is 32 random bytes, so that its plain sha256 gives nothing away. A connection of its own, so that
 * whoever asks about keys waits for nobody who writes to the index.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/sha256.h"
#include "models/db/db_priv.h"

enum { SECRET_BYTES = 32, MAX_KEYS = 1 << 20 };

struct hl_keyring {
    hl_db           *db; /* NULL: there is none and none can be made (a home for reading only), so no keys */
    hl_err           why_not;
    const hl_events *events;
    struct stat      file; /* that `db` has open */
    int              data_version;
    bool             is_known; /* data_version is of the last call */
    char             path[];
};

static const char *const scopes[HL_N_KEY_SCOPES] = {"use", "manage", "admin"};

const char *hl_key_scope_name(hl_key_scope scope) { return scope < HL_N_KEY_SCOPES ? scopes[scope] : "?"; }

bool hl_key_scope_parse(const char *text, hl_key_scope *ret_scope) {
    for (int i = 0; i < HL_N_KEY_SCOPES; i++) {
        if (strcmp(text, scopes[i]) != 0) continue;
        *ret_scope = (hl_key_scope)i;
        return true;
    }
    return false;
}

/* ---- opening ---- */

static hl_status open_db(hl_keyring *r, hl_err *err) {
    hl_db    *db = NULL;
    hl_status status = hl_db_open(r->path, r->events, &db, err);
    if (status != HL_OK) return status;
    hl_db_close(r->db);
    r->db = db;
    r->is_known = false;
    if (stat(r->path, &r->file) != 0) r->file = (struct stat){0};
    return HL_OK;
}

hl_status hl_keyring_open(const char *db_path, const hl_events *events, hl_keyring **ret_ring, hl_err *err) {
    const size_t len = strlen(db_path);
    char         dir[PATH_MAX];
    if (!hl_path_dir(db_path, dir, sizeof dir))
        return hl_fail(err, HL_E_ARG, "database '%s': path too long", db_path);
    hl_keyring *r = hl_new(1, sizeof *r + len + 1);
    if (!r) return hl_fail(err, HL_E_NOMEM, "keys: no memory");
    memcpy(r->path, db_path, len + 1);
    r->events = events;
    hl_status status = hl_dir_make(dir, 0700, &r->why_not);
    if (status == HL_OK) status = open_db(r, &r->why_not);
    if (status == HL_E_IO && access(db_path, F_OK) != 0) status = HL_OK;
    if (status != HL_OK && err) *err = r->why_not;
    if (status == HL_OK)
        *ret_ring = r;
    else
        hl_keyring_close(r);
    return status;
}

void hl_keyring_close(hl_keyring *r) {
    if (!r) return;
    hl_db_close(r->db);
    hl_free(r);
}

/* ---- writing ---- */

static hl_status check_name(const char *name, hl_err *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
    const size_t      n = strlen(name);
    if (n > 0 && n < HL_KEY_NAME_BYTES && strspn(name, letters) == n && name[0] != '-') return HL_OK;
    return hl_fail(err, HL_E_ARG,
                   "name of a key '%.80s': expected 1 to %d letters, digits and . _ @ -, no - in front", name,
                   HL_KEY_NAME_BYTES - 1);
}

static hl_status draw_key(char ret_key[HL_KEY_TEXT_BYTES], hl_err *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char     secret[SECRET_BYTES];
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
        return hl_fail(err, hl_errno_io(errno), "no random bytes: %s", strerror(errno));
    memcpy(ret_key, "hl-", 3);
    for (size_t i = 0; i < sizeof secret; i++) {
        ret_key[3 + 2 * i] = digits[secret[i] >> 4];
        ret_key[4 + 2 * i] = digits[secret[i] & 15];
    }
    ret_key[HL_KEY_TEXT_BYTES - 1] = '\0';
    return HL_OK;
}

/* Run a statement with up to three texts and two numbers, waiting longer than the index does. */
static int write_row(hl_db *db, sqlite3_stmt *st, const char *const texts[3], const int64_t numbers[2]) {
    const int patience_ms = db->patience_ms;
    int       rc = SQLITE_OK, n = 0;
    for (int i = 0; i < 3 && texts[i] && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(st, ++n, texts[i], -1, SQLITE_TRANSIENT);
    for (int i = 0; i < 2 && numbers && rc == SQLITE_OK; i++) rc = sqlite3_bind_int64(st, ++n, numbers[i]);
    db->patience_ms = HL_DB_RESULTS_MS;
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    db->patience_ms = patience_ms;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A file beside the database says that there are keys: whoever loses the one does not lose the other. */
static bool mark_path(const hl_keyring *r, char ret[PATH_MAX]) {
    return snprintf(ret, PATH_MAX, "%s.has-keys", r->path) < PATH_MAX;
}

static hl_status set_mark(const hl_keyring *r, hl_err *err) {
    char      path[PATH_MAX];
    int       fd = -1;
    hl_status status = mark_path(r, path) ? HL_OK : hl_fail(err, HL_E_LIMIT, "'%s': too long", r->path);
    if (status == HL_OK) status = hl_file_open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, &fd, NULL, err);
    if (fd >= 0) (void)close(fd);
    return status;
}

static void drop_mark(hl_keyring *r) {
    char    path[PATH_MAX];
    hl_key *keys = NULL;
    size_t  n = 0;
    if (hl_keyring_list(r, &keys, &n, NULL) == HL_OK && n == 0 && mark_path(r, path)) (void)unlink(path);
    hl_free(keys);
}

bool hl_keyring_had_keys(const hl_keyring *r) {
    char path[PATH_MAX];
    return mark_path(r, path) && access(path, F_OK) == 0;
}

hl_status hl_keyring_add(hl_keyring *r, const char *name, hl_key_scope scope, int32_t priority,
                         char ret_key[HL_KEY_TEXT_BYTES], hl_err *err) {
    static const char query[] = "INSERT INTO api_key (name, sha256, scope, priority, created_ms)"
                                " VALUES (?, ?, ?, ?, ?)";
    char              key[HL_KEY_TEXT_BYTES], sum[HL_SHA256_HEX_BYTES];
    sqlite3_stmt     *st = NULL;
    hl_status         status = r->db ? HL_OK : hl_fail(err, HL_E_IO, "%s", r->why_not.text);
    if (status == HL_OK) status = check_name(name, err);
    if (status == HL_OK && (priority < -HL_KEY_PRIORITY_MOST || priority > HL_KEY_PRIORITY_MOST))
        status = hl_fail(err, HL_E_ARG, "priority %d: expected %d..%d", (int)priority, -HL_KEY_PRIORITY_MOST,
                         HL_KEY_PRIORITY_MOST);
    if (status == HL_OK) status = draw_key(key, err);
    if (status == HL_OK) status = hl_sha256_of(key, strlen(key), sum, err);
    if (status == HL_OK) status = set_mark(r, err);
    if (status != HL_OK) return status;
    int rc = sqlite3_prepare_v2(r->db->sql, query, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = write_row(r->db, st, (const char *const[3]){name, sum, hl_key_scope_name(scope)},
                       (const int64_t[2]){priority, hl_clock_wall_ms()});
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        status = hl_fail(err, HL_E_EXISTS, "there is a key '%s' already: revoke it first", name);
    else if (rc != SQLITE_OK)
        status = hl_db_fail(r->db->sql, r->path, "write a key", rc, err);
    (void)sqlite3_finalize(st);
    if (status == HL_OK)
        memcpy(ret_key, key, sizeof key);
    else
        drop_mark(r); /* unless there are others */
    return status;
}

hl_status hl_keyring_revoke(hl_keyring *r, const char *name, hl_err *err) {
    sqlite3_stmt *st = NULL;
    hl_status     status = HL_OK;
    if (!r->db) return hl_fail(err, HL_E_IO, "%s", r->why_not.text);
    int rc = sqlite3_prepare_v2(r->db->sql, "DELETE FROM api_key WHERE name = ?", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = write_row(r->db, st, (const char *const[3]){name}, NULL);
    if (rc != SQLITE_OK)
        status = hl_db_fail(r->db->sql, r->path, "revoke a key", rc, err);
    else if (sqlite3_changes(r->db->sql) == 0)
        status = hl_fail(err, HL_E_NOT_FOUND, "there is no key '%.80s' (see `hyperlama keys list`)", name);
    (void)sqlite3_finalize(st);
    if (status == HL_OK) drop_mark(r);
    return status;
}

/* ---- reading ---- */

/* A row that makes no sense is refused as a whole: a key must not be able to do more than was said. */
static bool read_key(sqlite3_stmt *st, hl_key *k) {
    const char *const texts[] = {(const char *)sqlite3_column_text(st, 0),
                                 (const char *)sqlite3_column_text(st, 1),
                                 (const char *)sqlite3_column_text(st, 2)};
    *k = (hl_key){.priority = sqlite3_column_int(st, 3), .created_ms = sqlite3_column_int64(st, 4)};
    if (!texts[0] || !texts[1] || !texts[2] || !hl_key_scope_parse(texts[2], &k->scope)) return false;
    if (strlen(texts[0]) >= sizeof k->name || strlen(texts[1]) != sizeof k->sha256 - 1) return false;
    (void)snprintf(k->name, sizeof k->name, "%s", texts[0]);
    memcpy(k->sha256, texts[1], sizeof k->sha256);
    return true;
}

static hl_status read_keys(hl_keyring *r, sqlite3_stmt *st, hl_key **ret_keys, size_t *ret_n, hl_err *err) {
    size_t n = 0, cap = 0;
    int    rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && n < MAX_KEYS) {
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            hl_key *grown = hl_resize(*ret_keys, cap, sizeof *grown);
            if (!grown) return hl_fail(err, HL_E_NOMEM, "keys: no memory");
            *ret_keys = grown;
        }
        if (!read_key(st, &(*ret_keys)[n++]))
            return hl_fail(err, HL_E_FORMAT, "database '%s': a row of api_key is damaged", r->path);
    }
    *ret_n = n;
    return rc == SQLITE_DONE ? HL_OK : hl_db_fail(r->db->sql, r->path, "read keys", rc, err);
}

hl_status hl_keyring_list(hl_keyring *r, hl_key **ret_keys, size_t *ret_n, hl_err *err) {
    static const char query[] = "SELECT name, sha256, scope, priority, created_ms FROM api_key ORDER BY name";
    sqlite3_stmt     *st = NULL;
    hl_key           *keys = NULL;
    size_t            n = 0;
    hl_status         status = HL_OK;
    const int         rc = r->db ? sqlite3_prepare_v2(r->db->sql, query, -1, &st, NULL) : SQLITE_OK;
    if (rc != SQLITE_OK) status = hl_db_fail(r->db->sql, r->path, "read keys", rc, err);
    if (st) status = read_keys(r, st, &keys, &n, err);
    (void)sqlite3_finalize(st);
    if (status != HL_OK) {
        hl_free(keys);
        return status;
    }
    *ret_keys = keys;
    *ret_n = n;
    return HL_OK;
}

static int read_data_version(sqlite3 *sql, int *ret) {
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_prepare_v2(sql, "PRAGMA data_version", -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) *ret = sqlite3_column_int(st, 0);
    (void)sqlite3_finalize(st);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* The file that the path names now is another one, or there is one at last. */
static void follow_path(hl_keyring *r) {
    struct stat st;
    hl_err      why = {0};
    if (stat(r->path, &st) != 0) return;
    if (r->db && st.st_ino == r->file.st_ino && st.st_dev == r->file.st_dev) return;
    if (open_db(r, &why) != HL_OK)
        hl_event(r->events, HL_LOG_WARN, "models", "keys-unreadable",
                 "why=\"%s\" action=\"keys stay as they were\"", why.text);
}

/* from: sqlite.org/pragma.html#pragma_data_version: it changes when another connection has committed */
bool hl_keyring_has_changed(hl_keyring *r) {
    int version = 0;
    follow_path(r);
    if (!r->db || read_data_version(r->db->sql, &version) != SQLITE_OK) return false;
    const bool is_same = r->is_known && version == r->data_version;
    r->data_version = version;
    r->is_known = true;
    return !is_same;
}
