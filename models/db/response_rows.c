/* SPDX-License-Identifier: MIT
 *
 * response_rows.c - the rows of answers that are kept for whoever refers to them by their id.
 *
 * People made them, so nothing is lost in silence: what was kept stays until the limits push it out, oldest
 * first, and what could not be kept is an error. A row is one transaction, which outlives the process.
 */
#include <string.h>

#include "core/base/mem.h"
#include "models/db/db_priv.h"

/* Finish a statement that gives no rows. */
static int run(sqlite3_stmt *st, int rc) {
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_DONE) rc = SQLITE_OK;
    (void)sqlite3_finalize(st);
    return rc;
}

static int insert(sqlite3 *sql, const hl_kept_response *r) {
    sqlite3_stmt     *st = NULL;
    static const char query[] = "INSERT INTO response (id, previous_id, owner, created_ms, input_json,"
                                " response_json, n_bytes) VALUES (?, ?, ?, ?, ?, ?, ?)";
    int               rc = sqlite3_prepare_v2(sql, query, -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 1, r->id, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && r->previous_id) rc = sqlite3_bind_text(st, 2, r->previous_id, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 3, r->owner ? r->owner : "", -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 4, r->created_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text64(st, 5, r->input_json.ptr, r->input_json.len, SQLITE_STATIC, SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text64(st, 6, r->response_json.ptr, r->response_json.len, SQLITE_STATIC,
                                 SQLITE_UTF8);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 7, (int64_t)(r->input_json.len + r->response_json.len));
    return run(st, rc);
}

/* The newest stays whatever its size: its client is about to be told that it is kept. */
static int drop_oldest(sqlite3 *sql, int64_t max_rows, int64_t max_bytes) {
    sqlite3_stmt *st = NULL;
    int           rc =
        sqlite3_prepare_v2(sql,
                           "DELETE FROM response WHERE seq <= (SELECT max(seq) FROM (SELECT seq,"
                           " row_number() OVER newest AS n, sum(n_bytes) OVER newest AS total FROM response"
                           " WINDOW newest AS (ORDER BY seq DESC)) WHERE n > 1 AND (n > ? OR total > ?))",
                           -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 1, max_rows);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, 2, max_bytes);
    return run(st, rc);
}

static hl_status put(hl_db *db, const hl_kept_response *r, int64_t max_rows, int64_t max_bytes, hl_err *err) {
    int rc = sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = insert(db->sql, r);
    if (rc == SQLITE_OK) rc = drop_oldest(db->sql, max_rows, max_bytes);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK) return HL_OK;
    const hl_status status = hl_db_fail(db->sql, db->path, "keep a response", rc, err);
    if (!sqlite3_get_autocommit(db->sql)) (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

hl_status hl_db_put_response(hl_db *db, const hl_kept_response *r, int64_t max_rows, int64_t max_bytes,
                             hl_err *err) {
    if (!db) return hl_fail(err, HL_E_IO, "there is no database to keep responses in");
    const int patience_ms = db->patience_ms;
    db->patience_ms = HL_DB_RESPONSE_MS;
    const hl_status status = put(db, r, max_rows, max_bytes, err);
    db->patience_ms = patience_ms;
    return status;
}

/* ---- reading back ---- */

/* A record and its texts, in one piece of memory. */
static hl_kept_response *copy_row(sqlite3_stmt *st) {
    const void  *texts[4];
    size_t       n[4], n_all = 0;
    const size_t n_texts = sizeof texts / sizeof texts[0];
    for (int i = 0; i < (int)n_texts; i++) {
        texts[i] = sqlite3_column_text(st, i);
        n[i] = texts[i] ? (size_t)sqlite3_column_bytes(st, i) : 0;
        n_all += n[i] + 1;
    }
    const bool        is_whole = texts[0] && texts[2] && texts[3]; /* else SQLite had no memory */
    hl_kept_response *r = is_whole ? hl_new(1, sizeof *r + n_all) : NULL;
    if (!r) return NULL;
    char       *at = (char *)(r + 1);
    const char *copies[4];
    for (size_t i = 0; i < n_texts; i++) {
        copies[i] = texts[i] ? memcpy(at, texts[i], n[i]) : NULL;
        at += n[i] + 1; /* the memory is zero: each is terminated */
    }
    *r = (hl_kept_response){.id = copies[0],
                            .previous_id = copies[1],
                            .created_ms = sqlite3_column_int64(st, 4),
                            .input_json = {copies[2], n[2]},
                            .response_json = {copies[3], n[3]}};
    return r;
}

static hl_status fail_unknown(const char *id, hl_err *err) {
    return hl_fail(err, HL_E_NOT_FOUND, "response '%.100s' is not kept here: it never was, or it was deleted",
                   id);
}

hl_status hl_db_find_response(hl_db *db, const char *id, const char *owner, hl_kept_response **ret,
                              hl_err *err) {
    sqlite3_stmt *st = NULL;
    if (!db) return hl_fail(err, HL_E_IO, "there is no database with responses");
    int rc = sqlite3_prepare_v2(db->sql,
                                "SELECT id, previous_id, input_json, response_json, created_ms FROM response"
                                " WHERE id = ? AND owner = ?",
                                -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 2, owner, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    hl_status status = HL_OK;
    if (rc == SQLITE_DONE)
        status = fail_unknown(id, err);
    else if (rc != SQLITE_ROW)
        status = hl_db_fail(db->sql, db->path, "read a response", rc, err);
    else if (!(*ret = copy_row(st)))
        status = hl_fail(err, HL_E_NOMEM, "response '%.100s': no memory", id);
    (void)sqlite3_finalize(st);
    return status;
}

hl_status hl_db_drop_response(hl_db *db, const char *id, const char *owner, hl_err *err) {
    sqlite3_stmt *st = NULL;
    if (!db) return hl_fail(err, HL_E_IO, "there is no database with responses");
    int rc = sqlite3_prepare_v2(db->sql, "DELETE FROM response WHERE id = ? AND owner = ?", -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 2, owner, -1, SQLITE_STATIC);
    rc = run(st, rc);
    if (rc != SQLITE_OK) return hl_db_fail(db->sql, db->path, "delete a response", rc, err);
    return sqlite3_changes(db->sql) > 0 ? HL_OK : fail_unknown(id, err);
}

void hl_kept_response_free(hl_kept_response *r) { hl_free(r); }
