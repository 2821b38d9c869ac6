/* SPDX-License-Identifier: MIT
 *
 * db_mem.c - SQLite's memory from core/base/mem.h, so that tests see it fail.
 *
 * SQLite asks how large a piece is, so each has its size in front. Addresses stay multiples of 8, all that it
 * wants.
 */
#include <sqlite3.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/models.h"

enum { HEAD_BYTES = 8 };

static void *set_size(char *p, int n) {
    if (!p) return NULL;
    memcpy(p, &n, sizeof n);
    return p + HEAD_BYTES;
}

static void *head_of(void *p) { return (char *)p - HEAD_BYTES; }

static int round_up(int n) { return (n + 7) & ~7; }

static void *take(int n) { return set_size(hl_alloc((size_t)n + HEAD_BYTES), n); }

static void *take_again(void *p, int n) {
    return set_size(hl_resize(head_of(p), (size_t)n + HEAD_BYTES, 1), n);
}

static void give_back(void *p) { hl_free(head_of(p)); }

static int size_of(void *p) {
    int n = 0;
    if (p) memcpy(&n, head_of(p), sizeof n);
    return n;
}

static int begin(void *unused) {
    (void)unused;
    return SQLITE_OK;
}

static void end(void *unused) { (void)unused; }

hl_status hl_store_use_mem(hl_err *err) {
    static const sqlite3_mem_methods methods = {.xMalloc = take,
                                                .xFree = give_back,
                                                .xRealloc = take_again,
                                                .xSize = size_of,
                                                .xRoundup = round_up,
                                                .xInit = begin,
                                                .xShutdown = end};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK) return HL_OK;
    return hl_fail(err, HL_E_BUSY, "SQLite is in use: its memory cannot be moved any more");
}
