/* SPDX-License-Identifier: MIT
 *
 * rows.c - the rows of the index and of usage.
 *
 * One statement is prepared per call: these run a few times per command, not per token. What lists ask for
 * every name is kept while they do.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/db/db_priv.h"

enum { MAX_OWN_BLOBS = 1 << 20 };

static const char *const kept_queries[] = {
    "SELECT digest, size_bytes, manifest_mtime_ns, manifest_bytes, format, family, parameter_size, "
    "quantization"
    " FROM model WHERE store_id = ? AND name = ?",
    "SELECT last_used_ms FROM usage WHERE name = ?",
};
enum { FIND_MODEL, LAST_USED };

void hl_db_begin(hl_db *db) {
    if (!db || db->is_reading) return;
    db->is_reading = sqlite3_exec(db->sql, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; db->is_reading && i < 2; i++)
        (void)sqlite3_prepare_v2(db->sql, kept_queries[i], -1, &db->kept[i], NULL);
}

void hl_db_end(hl_db *db) {
    if (!db || !db->is_reading) return;
    for (size_t i = 0; i < 2; i++) {
        (void)sqlite3_finalize(db->kept[i]);
        db->kept[i] = NULL;
    }
    (void)sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
    db->is_reading = false;
}

/* One of the kept ones is used again. */
static void finish(const hl_db *db, sqlite3_stmt *st) {
    if (st && (st == db->kept[0] || st == db->kept[1]))
        (void)sqlite3_reset(st);
    else
        (void)sqlite3_finalize(st);
}

/* Prepare and bind, by one letter each: t text, i int64. NULL when that failed, after a warning. */
static sqlite3_stmt *prepare(hl_db *db, const char *query, const char *kinds, ...) {
    sqlite3_stmt *st = NULL;
    if (!db) return NULL;
    for (size_t i = 0; i < 2; i++)
        if (query == kept_queries[i]) st = db->kept[i];
    if (!st && sqlite3_prepare_v2(db->sql, query, -1, &st, NULL) != SQLITE_OK) {
        hl_db_warn(db, "prepare", "doing without the index");
        return NULL;
    }
    va_list args;
    va_start(args, kinds);
    int rc = SQLITE_OK;
    for (int i = 0; kinds[i] && rc == SQLITE_OK; i++)
        rc = kinds[i] == 't' ? sqlite3_bind_text(st, i + 1, va_arg(args, const char *), -1, SQLITE_TRANSIENT)
                             : sqlite3_bind_int64(st, i + 1, va_arg(args, int64_t));
    va_end(args);
    if (rc == SQLITE_OK) return st;
    hl_db_warn(db, "bind", "doing without the index");
    finish(db, st);
    return NULL;
}

/* Run a statement that gives no rows, and end it; st NULL is allowed. */
static bool run(hl_db *db, sqlite3_stmt *st) {
    if (!st) return false;
    const bool ok = sqlite3_step(st) == SQLITE_DONE;
    if (ok)
        hl_db_note_write(db);
    else
        hl_db_warn(db, "write", "not recorded");
    (void)sqlite3_finalize(st);
    return ok;
}

static bool next(hl_db *db, sqlite3_stmt *st) {
    if (!st) return false;
    const int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) hl_db_warn(db, "read", "doing without the index");
    return rc == SQLITE_ROW;
}

static void copy_text(sqlite3_stmt *st, int column, char *ret, size_t cap) {
    const char *text = (const char *)sqlite3_column_text(st, column);
    (void)snprintf(ret, cap, "%s", text ? text : "");
}

/* ---- models ---- */

bool hl_db_find_model(hl_db *db, const char *store_id, const char *name, hl_model_row *ret) {
    sqlite3_stmt *st = prepare(db, kept_queries[FIND_MODEL], "tt", store_id, name);
    const bool    found = next(db, st);
    if (found) {
        copy_text(st, 0, ret->digest, sizeof ret->digest);
        ret->size_bytes = (uint64_t)sqlite3_column_int64(st, 1);
        ret->manifest_mtime_ns = sqlite3_column_int64(st, 2);
        ret->manifest_bytes = (uint64_t)sqlite3_column_int64(st, 3);
        copy_text(st, 4, ret->format, sizeof ret->format);
        copy_text(st, 5, ret->family, sizeof ret->family);
        copy_text(st, 6, ret->parameter_size, sizeof ret->parameter_size);
        copy_text(st, 7, ret->quantization, sizeof ret->quantization);
    }
    finish(db, st);
    return found;
}

void hl_db_put_model(hl_db *db, const char *store_id, const char *name, const hl_model_row *row) {
    (void)run(db, prepare(db, "INSERT OR REPLACE INTO model VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          "tttiiitttt", store_id, name, row->digest, (int64_t)row->size_bytes,
                          row->manifest_mtime_ns, (int64_t)row->manifest_bytes, row->format, row->family,
                          row->parameter_size, row->quantization));
}

void hl_db_drop_model(hl_db *db, const char *store_id, const char *name) {
    (void)run(db, prepare(db, "DELETE FROM model WHERE store_id = ? AND name = ?", "tt", store_id, name));
}

/* ---- blobs ---- */

#define BLOB_COLUMNS "digest, size_bytes, mtime_ns, inode, device, origin"

static void read_blob(sqlite3_stmt *st, hl_blob_row *ret) {
    copy_text(st, 0, ret->digest, sizeof ret->digest);
    ret->size_bytes = (uint64_t)sqlite3_column_int64(st, 1);
    ret->mtime_ns = sqlite3_column_int64(st, 2);
    ret->inode = (uint64_t)sqlite3_column_int64(st, 3);
    ret->device = (uint64_t)sqlite3_column_int64(st, 4);
    ret->origin = sqlite3_column_int(st, 5);
}

bool hl_db_find_blob(hl_db *db, const char *store_id, const char *digest, hl_blob_row *ret) {
    sqlite3_stmt *st = prepare(db, "SELECT " BLOB_COLUMNS " FROM blob WHERE store_id = ? AND digest = ?",
                               "tt", store_id, digest);
    const bool    found = next(db, st);
    if (found) read_blob(st, ret);
    (void)sqlite3_finalize(st);
    return found;
}

bool hl_db_find_blob_by_inode(hl_db *db, const char *store_id, const hl_blob_row *like, hl_blob_row *ret) {
    sqlite3_stmt *st =
        prepare(db,
                "SELECT " BLOB_COLUMNS " FROM blob WHERE store_id = ? AND inode = ? AND device = ?"
                " AND size_bytes = ? AND mtime_ns = ?",
                "tiiii", store_id, (int64_t)like->inode, (int64_t)like->device, (int64_t)like->size_bytes,
                like->mtime_ns);
    const bool found = next(db, st);
    if (found) read_blob(st, ret);
    (void)sqlite3_finalize(st);
    return found;
}

bool hl_db_put_blob(hl_db *db, const char *store_id, const hl_blob_row *row) {
    return run(db, prepare(db,
                           "INSERT OR REPLACE INTO blob (store_id, " BLOB_COLUMNS ", added_ms)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, CAST(strftime('%s') AS INTEGER) * 1000)",
                           "ttiiiii", store_id, row->digest, (int64_t)row->size_bytes, row->mtime_ns,
                           (int64_t)row->inode, (int64_t)row->device, (int64_t)row->origin));
}

void hl_db_drop_blob(hl_db *db, const char *store_id, const char *digest) {
    (void)run(db, prepare(db, "DELETE FROM blob WHERE store_id = ? AND digest = ?", "tt", store_id, digest));
}

void hl_db_each_own_blob(hl_db *db, const char *store_id, void (*fn)(void *user, const hl_blob_row *row),
                         void *user) {
    sqlite3_stmt *st =
        prepare(db, "SELECT " BLOB_COLUMNS " FROM blob WHERE store_id = ? AND origin <> 0", "t", store_id);
    hl_blob_row *rows = NULL;
    size_t       n = 0, cap = 0;
    while (n < MAX_OWN_BLOBS && next(db, st)) {
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            hl_blob_row *grown = hl_resize(rows, cap, sizeof *rows);
            if (!grown) break; /* the rest has its turn next time */
            rows = grown;
        }
        read_blob(st, &rows[n++]);
    }
    (void)sqlite3_finalize(st);
    for (size_t i = 0; i < n; i++) fn(user, &rows[i]);
    hl_free(rows);
}

/* ---- usage ---- */

int64_t hl_db_last_used_ms(hl_db *db, const char *name_key) {
    sqlite3_stmt *st = prepare(db, kept_queries[LAST_USED], "t", name_key);
    const int64_t at_ms = next(db, st) ? sqlite3_column_int64(st, 0) : -1;
    finish(db, st);
    return at_ms;
}

void hl_db_add_use(hl_db *db, const char *name_key, int64_t now_ms) {
    (void)run(db, prepare(db,
                          "INSERT INTO usage VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE"
                          " SET last_used_ms = max(last_used_ms, excluded.last_used_ms), n_uses = n_uses + 1",
                          "ti", name_key, now_ms));
}
