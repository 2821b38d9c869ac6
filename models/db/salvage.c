/* SPDX-License-Identifier: MIT
 *
 * salvage.c - what can still be read of a damaged database moves into the new one.
 *
 * Row by row, so that a broken page costs the rows behind it and no more. Only from a file of the same
 * schema: its tables have the same columns then. The index of models is not worth it.
 */
#include <stdio.h>

#include "models/db/db_priv.h"

static const char *const tables[] = {"blob",         "usage",   "bench_result", "chat",
                                     "chat_message", "api_key", "response"};

/* Prepare "INSERT OR IGNORE INTO <table> VALUES (?, ?, ...)". */
static sqlite3_stmt *prepare_insert(sqlite3 *to, const char *table, int n_columns) {
    char          query[256];
    sqlite3_stmt *st = NULL;
    int           len = snprintf(query, sizeof query, "INSERT OR IGNORE INTO %s VALUES (", table);
    for (int i = 0; i < n_columns && len < (int)sizeof query - 4; i++)
        len += snprintf(query + len, sizeof query - (size_t)len, i ? ", ?" : "?");
    (void)snprintf(query + len, sizeof query - (size_t)len, ")");
    return sqlite3_prepare_v2(to, query, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

static int copy_row(sqlite3_stmt *from, sqlite3_stmt *to, int n_columns) {
    int rc = SQLITE_OK;
    for (int i = 0; i < n_columns && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
    const bool done = rc == SQLITE_OK && sqlite3_step(to) == SQLITE_DONE;
    (void)sqlite3_reset(to);
    return done;
}

static int copy_table(sqlite3 *from, sqlite3 *to, const char *table) {
    char          query[64];
    int           n_rows = 0;
    sqlite3_stmt *rows = NULL, *insert = NULL;
    (void)snprintf(query, sizeof query, "SELECT * FROM %s", table);
    if (sqlite3_prepare_v2(from, query, -1, &rows, NULL) == SQLITE_OK)
        insert = prepare_insert(to, table, sqlite3_column_count(rows));
    while (insert && sqlite3_step(rows) == SQLITE_ROW)
        n_rows += copy_row(rows, insert, sqlite3_column_count(rows));
    (void)sqlite3_finalize(rows);
    (void)sqlite3_finalize(insert);
    return n_rows;
}

int hl_db_salvage(hl_db *db, const char *damaged_path) {
    sqlite3      *from = NULL;
    sqlite3_stmt *st = NULL;
    int           n_rows = 0, version = -1;
    if (sqlite3_open_v2(damaged_path, &from, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(from, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    (void)sqlite3_finalize(st);
    if (version == hl_db_newest_version() && sqlite3_exec(db->sql, "BEGIN", NULL, NULL, NULL) == SQLITE_OK) {
        for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
            n_rows += copy_table(from, db->sql, tables[i]);
        if (sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
            (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
            n_rows = 0;
        }
    }
    (void)sqlite3_close_v2(from);
    return n_rows;
}
