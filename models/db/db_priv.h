/* SPDX-License-Identifier: MIT
 *
 * db_priv.h - shared by the files of models/db: the handle, and errors by SQLite's codes.
 */
#ifndef HL_MODELS_DB_DB_PRIV_H
#define HL_MODELS_DB_DB_PRIV_H

#include <sqlite3.h>

#include "core/base/events.h"
#include "models/db/db.h"

struct hl_db {
    sqlite3         *sql;
    int              patience_ms; /* with somebody who holds the file; 0: it was in vain once */
    uint32_t         told; /* for which of SQLite's codes was warned since a write succeeded: bits. Atomic */
    const hl_events *events;
    bool             is_reading; /* since hl_db_begin() */
    sqlite3_stmt    *kept[2];    /* of the two questions that lists ask of every name, while is_reading */
    char             path[];     /* terminated */
};

/* Record what SQLite said; the message names the file. */
hl_status hl_db_fail(sqlite3 *sql, const char *path, const char *what, int rc, hl_err *err);

/* Send what SQLite said as a warning event; `action` says what is done about it. Each of its codes is told
 * once, until a write succeeds again: a full disk would fill the log. */
void               hl_db_warn(hl_db *db, const char *what, const char *action);
static inline void hl_db_note_write(hl_db *db) { __atomic_store_n(&db->told, 0, __ATOMIC_RELAXED); }

/* Copy the rows that can still be read of a damaged file of the current schema; how many there were. */
int hl_db_salvage(hl_db *db, const char *damaged_path);

#endif
