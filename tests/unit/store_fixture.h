/* SPDX-License-Identifier: MIT
 *
 * store_fixture.h - for tests of the store: a scratch folder, tiny GGUF files, a sink for events.
 */
#ifndef HL_TESTS_STORE_FIXTURE_H
#define HL_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/events.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "models/models.h"

typedef struct fixture {
    char      dir[128]; /* removed at the end */
    char      models[160], db[160];
    char      events[4096]; /* names of all events, one a line */
    hl_events sink;
} fixture;

static inline void on_event(void *user, hl_log_level level, const char *component, const char *event,
                            const char *fields) {
    fixture *f = user;
    (void)level;
    (void)component;
    (void)fields;
    const size_t n = strlen(f->events);
    (void)snprintf(f->events + n, sizeof f->events - n, "%s\n", event);
}

static inline void fixture_init_in(fixture *f, const char *parent) {
    memset(f, 0, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "%s/hl-store-XXXXXX", parent);
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->models, sizeof f->models, "%s/models", f->dir);
    (void)snprintf(f->db, sizeof f->db, "%s/hyperlama.db", f->dir);
    f->sink = (hl_events){on_event, f, HL_LOG_TRACE};
}

static inline void fixture_init(fixture *f) {
    const char *tmp = getenv("TMPDIR");
    fixture_init_in(f, tmp && tmp[0] ? tmp : "/tmp");
}

/* In memory where that is possible: for tests that make hundreds of stores. */
static inline void fixture_init_fast(fixture *f) {
    if (access("/dev/shm", W_OK) == 0)
        fixture_init_in(f, "/dev/shm");
    else
        fixture_init(f);
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void fixture_done(fixture *f) {
    assert_int_equal(nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* How many blobs there are; partial files are counted on their own. */
static inline size_t count_blobs(const fixture *f, size_t *ret_n_partial) {
    char                 path[200];
    size_t               n = 0, n_partial = 0;
    const struct dirent *e;
    (void)snprintf(path, sizeof path, "%s/blobs", f->models);
    DIR *dir = opendir(path);
    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.') *(strstr(e->d_name, ".partial") ? &n_partial : &n) += 1;
    if (dir) (void)closedir(dir);
    if (ret_n_partial) *ret_n_partial = n_partial;
    return n;
}

static inline hl_store *fixture_open(fixture *f) {
    hl_err                 err = {0};
    hl_store              *s = NULL;
    const hl_store_options o = {.models_path = f->models, .db_path = f->db, .events = &f->sink};
    if (hl_store_open(&o, &s, &err) != HL_OK) fail_msg("open: %s", err.text);
    return s;
}

static inline void put_u32(hl_str *s, uint32_t v) { hl_str_add(s, (const char *)&v, sizeof v); }
static inline void put_u64(hl_str *s, uint64_t v) { hl_str_add(s, (const char *)&v, sizeof v); }
static inline void put_text(hl_str *s, const char *t) {
    put_u64(s, strlen(t));
    hl_str_add_text(s, t);
}
static inline void put_kv_u16(hl_str *s, const char *key, uint16_t v) {
    put_text(s, key);
    put_u32(s, 2); /* u16 */
    hl_str_add(s, (const char *)&v, sizeof v);
}
static inline void put_kv_text(hl_str *s, const char *key, const char *v) {
    put_text(s, key);
    put_u32(s, 8); /* string */
    put_text(s, v);
}

/* Write a GGUF file with one f32 tensor of n_floats (a multiple of 8) values `fill`.
 * n_parts > 1 makes it part i_part (0, 1, ...) of a split model. */
static inline void write_gguf(const char *path, size_t n_floats, float fill, unsigned i_part,
                              unsigned n_parts) {
    hl_err err;
    hl_str s;
    char   name[32];
    hl_str_init(&s, 64 << 20);
    hl_str_add_text(&s, "GGUF");
    put_u32(&s, 3);
    put_u64(&s, 1);
    put_u64(&s, (i_part == 0 ? 2 : 0) + (n_parts > 1 ? 3 : 0));
    if (i_part == 0) {
        put_kv_text(&s, "general.architecture", "llama");
        put_kv_text(&s, "general.name", "tiny");
    }
    if (n_parts > 1) {
        put_kv_u16(&s, "split.no", (uint16_t)i_part);
        put_kv_u16(&s, "split.count", (uint16_t)n_parts);
        put_text(&s, "split.tensors.count");
        put_u32(&s, 5); /* i32 */
        put_u32(&s, n_parts);
    }
    (void)snprintf(name, sizeof name, "t%u.weight", i_part);
    put_text(&s, name);
    put_u32(&s, 1);
    put_u64(&s, n_floats);
    put_u32(&s, 0); /* f32 */
    put_u64(&s, 0); /* offset */
    while (s.len % 32) hl_str_add_char(&s, '\0');
    for (size_t i = 0; i < n_floats; i++) hl_str_add(&s, (const char *)&fill, sizeof fill);
    assert_false(s.failed);
    if (hl_file_write_atomic(path, s.ptr, s.len, 0644, &err) != HL_OK) fail_msg("%s", err.text);
    hl_str_done(&s);
}

/* Make <dir>/<name> and return its path, good until the next call. */
static inline const char *make_gguf(fixture *f, const char *name, size_t n_floats, float fill) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    write_gguf(path, n_floats, fill, 0, 1);
    return path;
}

#endif
