/* SPDX-License-Identifier: MIT
 *
 * migrations.h - the schema's history, embedded at build from models/db/sql/NNNN_what.sql.
 *
 * One file is one transaction and one step of PRAGMA user_version. A released file is never edited:
 * other people's disks are the oldest version we have.
 */
#ifndef HL_MODELS_DB_MIGRATIONS_H
#define HL_MODELS_DB_MIGRATIONS_H

#include <stddef.h>

typedef struct hl_migration {
    int         version; /* 1, 2, 3 ... without gaps */
    const char *name;    /* "0001_index.sql" */
    const char *sql;
} hl_migration;

extern const hl_migration hl_migrations[]; /* [hl_n_migrations], in order */
extern const size_t       hl_n_migrations;

#endif
