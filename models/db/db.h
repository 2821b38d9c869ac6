/* SPDX-License-Identifier: MIT
 *
 * db.h - the database file: opening, migrating, healing, and the rows that the store keeps.
 *
 * The index is a nicety: its functions do not fail, they miss, with a warning event, and they wait for
 * nobody: one that finds the file locked waits a moment (HL_DB_PATIENCE_MS), those after it not at all. What
 * people made (results) is written, after a longer wait if need be, or an error is returned. Not thread-safe:
 * the store serialises.
 */
#ifndef HL_MODELS_DB_DB_H
#define HL_MODELS_DB_DB_H

#include "models/models.h"

typedef struct hl_db hl_db;

enum { HL_DB_PATIENCE_MS = 200, HL_DB_OPEN_MS = 2000, HL_DB_RESULTS_MS = 10000 };
enum { HL_DB_RESPONSE_MS = 2000 }; /* a server's other requests wait for the store meanwhile */

/* Open or make the database and bring its schema up to date.
 *
 * A damaged file is moved aside ("<path>.damaged-<time>") with a warning event and a new one is made;
 * before a migration of an older schema the whole file is copied to "<path>.v<version>.bak".
 * fails  HL_E_UNSUPPORTED  newer than this program
 *        HL_E_BUSY         it, or its making or migration by another process, is not over in HL_DB_OPEN_MS
 *        HL_E_IO, HL_E_NOMEM
 * thread processes may race here: one makes the file, the others wait */
HL_MUST_CHECK hl_status hl_db_open(const char *path, const struct hl_events *events, hl_db **ret_db,
                                   hl_err *err);
void                    hl_db_close(hl_db *db); /* NULL is allowed, here and in all functions below */

int hl_db_newest_version(void); /* of the schema this program knows */

/* Between the two, reads see one state of the file and lock it once: lists ask for thousands of rows. Nothing
 * else may be written meanwhile than after hl_db_end(), which may come early, and again. */
void hl_db_begin(hl_db *db);
void hl_db_end(hl_db *db);

typedef struct hl_blob_row {
    char     digest[HL_DIGEST_BYTES];
    uint64_t size_bytes;
    int64_t  mtime_ns;
    uint64_t inode;
    uint64_t device;
    int      origin; /* one of those below */
} hl_blob_row;

/* Sent: written for somebody who will make a model of it; written and linked ones are a model's at once. */
enum { HL_BLOB_FOUND = 0, HL_BLOB_WRITTEN = 1, HL_BLOB_LINKED = 2, HL_BLOB_SENT = 3 };

typedef struct hl_model_row {
    char     digest[HL_DIGEST_BYTES];
    uint64_t size_bytes;
    int64_t  manifest_mtime_ns;
    uint64_t manifest_bytes;
    char     format[32], family[64], parameter_size[32], quantization[32];
} hl_model_row;

/* Rows of one models folder; `store_id` is the folder's id. `name` is the full form. */
bool hl_db_find_model(hl_db *db, const char *store_id, const char *name, hl_model_row *ret);
void hl_db_put_model(hl_db *db, const char *store_id, const char *name, const hl_model_row *row);
void hl_db_drop_model(hl_db *db, const char *store_id, const char *name);

bool hl_db_find_blob(hl_db *db, const char *store_id, const char *digest, hl_blob_row *ret);
bool hl_db_find_blob_by_inode(hl_db *db, const char *store_id, const hl_blob_row *like, hl_blob_row *ret);
bool hl_db_put_blob(hl_db *db, const char *store_id, const hl_blob_row *row); /* false: not recorded */
void hl_db_drop_blob(hl_db *db, const char *store_id, const char *digest);

/* Call fn for every blob row that this program placed (written or linked). The rows are read before
 * the first call, so that fn may drop them. */
void hl_db_each_own_blob(hl_db *db, const char *store_id, void (*fn)(void *user, const hl_blob_row *row),
                         void *user);

int64_t hl_db_last_used_ms(hl_db *db, const char *name_key); /* -1 not known */
void    hl_db_add_use(hl_db *db, const char *name_key, int64_t now_ms);

/* results.c; see hl_store_list_results() */
HL_MUST_CHECK hl_status hl_db_add_results(hl_db *db, const hl_bench_result *results, size_t n, hl_err *err);
HL_MUST_CHECK hl_status hl_db_list_results(hl_db *db, const char *model, const char *machine,
                                           int32_t max_runs, hl_bench_history **ret_history, hl_err *err);

/* response_rows.c; see hl_store_keep_response() */
HL_MUST_CHECK hl_status hl_db_put_response(hl_db *db, const hl_kept_response *r, int64_t max_rows,
                                           int64_t max_bytes, hl_err *err);
HL_MUST_CHECK hl_status hl_db_find_response(hl_db *db, const char *id, const char *owner,
                                            hl_kept_response **ret, hl_err *err);
HL_MUST_CHECK hl_status hl_db_drop_response(hl_db *db, const char *id, const char *owner, hl_err *err);

#endif
