/* SPDX-License-Identifier: MIT
 *
 * results.c - the rows of benchmark results: kept all or none, read back run by run.
 *
 * Rows of one run have the same date; that is what makes them a run.
 */
#include <inttypes.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "models/db/db_priv.h"

enum { MAX_ROWS = 1 << 16, ARENA_BYTES = 64 << 20 };

#define COLUMNS                                                                                              \
    "machine, cpu, build, commit_id, model, digest, metric, unit, isa, kv_type, n_threads, date_ms, n, "     \
    "value, share"

static int put_result(sqlite3_stmt *st, const hl_bench_result *r) {
    const char *const texts[] = {r->machine, r->cpu,    r->build, r->commit, r->model,
                                 r->digest,  r->metric, r->unit,  r->isa,    r->kv_type};
    const int         n_texts = (int)(sizeof texts / sizeof texts[0]);
    int               rc = SQLITE_OK;
    for (int i = 0; i < n_texts && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(st, i + 1, texts[i] ? texts[i] : "", -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int(st, n_texts + 1, r->n_threads);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, n_texts + 2, r->date_ms);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(st, n_texts + 3, r->n);
    if (rc == SQLITE_OK) rc = sqlite3_bind_double(st, n_texts + 4, r->value);
    if (rc == SQLITE_OK && r->share > 0) rc = sqlite3_bind_double(st, n_texts + 5, r->share);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_DONE) rc = SQLITE_OK;
    const int reset = sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return rc != SQLITE_OK ? rc : reset;
}

static hl_status add_results(hl_db *db, const hl_bench_result *results, size_t n, hl_err *err) {
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) return hl_db_fail(db->sql, db->path, "begin", rc, err);
    rc = sqlite3_prepare_v2(db->sql,
                            "INSERT INTO bench_result (" COLUMNS ")"
                            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            -1, &st, NULL);
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++) rc = put_result(st, &results[i]);
    hl_status status = rc == SQLITE_OK ? HL_OK : hl_db_fail(db->sql, db->path, "write results", rc, err);
    (void)sqlite3_finalize(st);
    rc = sqlite3_exec(db->sql, status == HL_OK ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
    if (rc != SQLITE_OK && status == HL_OK) {
        status = hl_db_fail(db->sql, db->path, "write results", rc, err);
        if (!sqlite3_get_autocommit(db->sql)) (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

hl_status hl_db_add_results(hl_db *db, const hl_bench_result *results, size_t n, hl_err *err) {
    if (!db) return hl_fail(err, HL_E_IO, "there is no database to keep results in");
    const int patience_ms = db->patience_ms;
    db->patience_ms = HL_DB_RESULTS_MS;
    const hl_status status = add_results(db, results, n, err);
    db->patience_ms = patience_ms;
    return status;
}

/* ---- reading back ---- */

typedef struct history_box {
    hl_bench_history history; /* first: the history is the box */
    hl_bench_result *rows;
    size_t           cap;
    hl_arena         arena;
} history_box;

/* A copy of the column's text, "" for NULL; NULL when there is no memory. */
static const char *copy_text(hl_arena *arena, sqlite3_stmt *st, int column) {
    const char *text = (const char *)sqlite3_column_text(st, column);
    return hl_arena_get_text(arena, text ? text : "", text ? strlen(text) : 0);
}

static bool add_row(history_box *box, sqlite3_stmt *st) {
    if (box->history.n == box->cap) {
        const size_t     cap = box->cap ? 2 * box->cap : 64;
        hl_bench_result *grown = hl_resize(box->rows, cap, sizeof *grown);
        if (!grown) return false;
        box->rows = grown;
        box->cap = cap;
    }
    hl_bench_result   *r = &box->rows[box->history.n++];
    const char **const texts[] = {&r->machine, &r->cpu,    &r->build, &r->commit, &r->model,
                                  &r->digest,  &r->metric, &r->unit,  &r->isa,    &r->kv_type};
    const int          n_texts = (int)(sizeof texts / sizeof texts[0]);
    for (int i = 0; i < n_texts; i++)
        if (!(*texts[i] = copy_text(&box->arena, st, i))) return false;
    r->n_threads = sqlite3_column_int(st, n_texts); /* NULL gives 0 */
    r->date_ms = sqlite3_column_int64(st, n_texts + 1);
    r->n = sqlite3_column_int64(st, n_texts + 2);
    r->value = sqlite3_column_double(st, n_texts + 3);
    r->share = sqlite3_column_double(st, n_texts + 4);
    return true;
}

static hl_status read_rows(hl_db *db, sqlite3_stmt *st, history_box *box, hl_err *err) {
    int rc = SQLITE_ROW;
    while (box->history.n < MAX_ROWS && (rc = sqlite3_step(st)) == SQLITE_ROW)
        if (!add_row(box, st)) return hl_fail(err, HL_E_NOMEM, "bench history: no memory");
    box->history.results = box->rows;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? HL_OK
                                                 : hl_db_fail(db->sql, db->path, "read results", rc, err);
}

hl_status hl_db_list_results(hl_db *db, const char *model, const char *machine, int32_t max_runs,
                             hl_bench_history **ret_history, hl_err *err) {
    static const char query[] =
        "SELECT " COLUMNS " FROM bench_result WHERE model = ?1 AND machine = ?2 AND date_ms >="
        " (SELECT min(date_ms) FROM (SELECT DISTINCT date_ms FROM bench_result"
        "   WHERE model = ?1 AND machine = ?2 ORDER BY date_ms DESC LIMIT ?3)) ORDER BY date_ms, id";
    if (!db) return hl_fail(err, HL_E_IO, "there is no database with results");
    history_box *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "bench history: no memory");
    hl_arena_init(&box->arena, ARENA_BYTES);
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_prepare_v2(db->sql, query, -1, &st, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 1, model, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(st, 2, machine, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int(st, 3, max_runs);
    const hl_status status = rc == SQLITE_OK ? read_rows(db, st, box, err)
                                             : hl_db_fail(db->sql, db->path, "read results", rc, err);
    (void)sqlite3_finalize(st);
    if (status == HL_OK)
        *ret_history = &box->history;
    else
        hl_bench_history_free(&box->history);
    return status;
}

void hl_bench_history_free(hl_bench_history *h) {
    if (!h) return;
    history_box *box = (history_box *)h;
    hl_arena_done(&box->arena);
    hl_free(box->rows);
    hl_free(box);
}
