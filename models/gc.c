/* SPDX-License-Identifier: MIT
 *
 * gc.c - remove and copy names; delete blobs that nobody uses any more, but only our own.
 *
 * Ours is what the index says we placed, while the file still has the inode it had then. One manifest
 * that cannot be read stops the deleting: nobody knows what it uses.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#define PARTIAL_HEAD "hyperlama-"
#define PARTIAL_TAIL ".partial"

enum { MANIFEST_ARENA_BYTES = 16 << 20 };

/* ---- what is used ---- */

typedef struct digest_set {
    char (*v)[HL_DIGEST_BYTES]; /* sorted when complete */
    size_t n, cap;
} digest_set;

static int compare_digests(const void *a, const void *b) { return memcmp(a, b, HL_DIGEST_BYTES); }

static bool is_used(const digest_set *set, const char *digest) {
    return set->n && bsearch(digest, set->v, set->n, HL_DIGEST_BYTES, compare_digests);
}

static hl_status add_digest(digest_set *set, const char *digest, hl_err *err) {
    if (set->n == set->cap) {
        const size_t cap = set->cap ? 2 * set->cap : 256;
        void        *grown = hl_resize(set->v, cap, HL_DIGEST_BYTES);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "no memory for %zu digests", cap);
        set->v = grown;
        set->cap = cap;
    }
    memcpy(set->v[set->n++], digest, HL_DIGEST_BYTES);
    return HL_OK;
}

static hl_status add_manifest(hl_store *s, const hl_name *name, digest_set *set, hl_err *err) {
    hl_arena    arena;
    hl_manifest m = {0};
    hl_arena_init(&arena, MANIFEST_ARENA_BYTES);
    hl_status status = hl_store_read_manifest(s, name, &arena, NULL, &m, err);
    if (status == HL_E_NOT_FOUND)
        status = HL_OK; /* another program removed it just now */
    else if (status == HL_OK)
        status = add_digest(set, m.config.digest, err);
    for (size_t i = 0; i < m.n_layers && status == HL_OK; i++)
        status = add_digest(set, m.layers[i].digest, err);
    hl_arena_done(&arena);
    return status;
}

static hl_status collect_used(hl_store *s, digest_set *set, hl_err *err) {
    hl_disk_names names = {0};
    hl_status     status = hl_store_walk(s, &names, err);
    for (size_t i = 0; i < names.n && status == HL_OK; i++)
        status = add_manifest(s, &names.v[i].name, set, err);
    hl_free(names.v);
    if (status == HL_OK && set->n) qsort(set->v, set->n, HL_DIGEST_BYTES, compare_digests);
    return status;
}

/* ---- gc ---- */

typedef struct gc_walk {
    hl_store         *s;
    const digest_set *used;
    hl_removed       *ret;
} gc_walk;

static void collect_blob(void *user, const hl_blob_row *row) {
    const gc_walk *w = user;
    char           path[PATH_MAX];
    struct stat    st;
    if (is_used(w->used, row->digest)) return;
    hl_store_blob_path(w->s, row->digest, path);
    if (lstat(path, &st) == 0 && row->inode == (uint64_t)st.st_ino && S_ISREG(st.st_mode)) {
        if (unlink(path) != 0) {
            hl_event(w->s->events, HL_LOG_WARN, "models", "blob-not-deleted", "path=\"%s\" reason=\"%s\"",
                     path, strerror(errno));
            return;
        }
        w->ret->n_blobs++;
        if (st.st_nlink == 1) w->ret->n_bytes += (uint64_t)st.st_size;
    }
    hl_db_drop_blob(w->s->db, w->s->id, row->digest); /* gone, or not ours any more */
}

void hl_store_gc(hl_store *s, const hl_manifest *removed, hl_removed *ret) {
    digest_set set = {0};
    hl_err     err = {0};
    hl_removed counts = {0};
    char       path[PATH_MAX];
    hl_status  status = collect_used(s, &set, &err);
    if (status != HL_OK) {
        hl_event(s->events, HL_LOG_WARN, "models", "gc-skipped",
                 "reason=\"%s\" action=\"no blob deleted, since it may be in use\"", err.text);
    } else {
        gc_walk w = {.s = s, .used = &set, .ret = &counts};
        if (s->id[0]) hl_db_each_own_blob(s->db, s->id, collect_blob, &w);
    }
    for (size_t i = 0; removed && i <= removed->n_layers; i++) {
        const hl_layer *l = i < removed->n_layers ? &removed->layers[i] : &removed->config;
        if (!l->digest[0] || (status == HL_OK && is_used(&set, l->digest))) continue;
        hl_store_blob_path(s, l->digest, path);
        if (access(path, F_OK) == 0) counts.n_kept++;
    }
    hl_free(set.v);
    if (!ret) return;
    ret->n_blobs = counts.n_blobs;
    ret->n_bytes = counts.n_bytes;
    ret->n_kept = counts.n_kept;
}

/* ---- partial files of killed processes ---- */

void hl_store_partial_path(const hl_store *s, char ret[PATH_MAX]) {
    static atomic_uint counter; /* two threads in one nanosecond */
    char               below[96];
    (void)snprintf(below, sizeof below, "blobs/" PARTIAL_HEAD "%ld-%" PRIx64 "-%x" PARTIAL_TAIL,
                   (long)getpid(), (uint64_t)hl_clock_ns(), atomic_fetch_add(&counter, 1));
    hl_store_path(s, below, ret);
}

static bool is_partial(const char *name) {
    const size_t n = strlen(name), tail = sizeof PARTIAL_TAIL - 1;
    return strncmp(name, PARTIAL_HEAD, sizeof PARTIAL_HEAD - 1) == 0 && n > tail &&
           strcmp(name + n - tail, PARTIAL_TAIL) == 0;
}

static void sweep_file(hl_store *s, int dir_fd, const char *name) {
    const int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) return;
    /* who writes it holds this lock; a link to a read-only source cannot be opened and stays, at no cost */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir_fd, name, 0) == 0)
        hl_event(s->events, HL_LOG_INFO, "models", "partial-swept", "file=\"%s\"", name);
    (void)close(fd);
}

void hl_store_sweep(hl_store *s) {
    char path[PATH_MAX];
    int  lock_fd = -1;
    hl_store_path(s, "blobs", path);
    DIR *dir = opendir(path);
    if (!dir) return;
    hl_store_path(s, ".hyperlama", path);
    const struct dirent *e;
    while ((e = readdir(dir))) {
        if (!is_partial(e->d_name)) continue;
        if (lock_fd < 0) { /* links under a temporary name exist only under this lock */
            if (hl_file_open(path, O_RDWR, 0, &lock_fd, NULL, NULL) != HL_OK ||
                flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
                break;
        }
        sweep_file(s, dirfd(dir), e->d_name);
    }
    hl_store_unlock(lock_fd);
    (void)closedir(dir);
}

/* ---- remove ---- */

/* Remove folders that became empty; rmdir refuses the others by itself. */
static void remove_empty_folders(hl_store *s, const hl_name *name) {
    char path[PATH_MAX], dir[PATH_MAX];
    hl_store_manifest_path(s, name, path);
    for (int level = 0; level < 3; level++) { /* model, namespace, host */
        if (!hl_path_dir(path, dir, sizeof dir) || rmdir(dir) != 0) return;
        memcpy(path, dir, sizeof path);
    }
}

static hl_status remove_locked(hl_store *s, const hl_disk_name *on_disk, hl_removed *ret, hl_err *err) {
    char        path[PATH_MAX], dir[PATH_MAX], full[HL_NAME_TEXT_BYTES];
    hl_arena    arena;
    hl_manifest m = {0};
    hl_status   status = HL_OK;
    hl_arena_init(&arena, MANIFEST_ARENA_BYTES);
    /* one that cannot be read can still be removed: its blobs are found by what the others use */
    const bool readable = hl_store_read_manifest(s, &on_disk->name, &arena, NULL, &m, NULL) == HL_OK;
    hl_store_manifest_path(s, &on_disk->name, path);
    hl_name_format_full(&on_disk->name, full);
    if (unlink(path) != 0) {
        status = hl_fail(err, HL_E_IO, "remove '%s': %s", path, strerror(errno));
        goto out;
    }
    if (hl_path_dir(path, dir, sizeof dir) && hl_dir_sync(dir, NULL) != HL_OK)
        hl_event(s->events, HL_LOG_DEBUG, "models", "sync-failed", "path=\"%s\"", dir);
    remove_empty_folders(s, &on_disk->name);
    hl_db_drop_model(s->db, s->id, full);
    ret->name = on_disk->name;
    hl_store_gc(s, readable ? &m : NULL, ret);
out:
    hl_arena_done(&arena);
    return status;
}

hl_status hl_store_remove(hl_store *s, const char *text, hl_removed *ret_removed, hl_err *err) {
    hl_name      name;
    hl_disk_name on_disk;
    hl_removed   removed = {0};
    int          lock_fd = -1;
    hl_status    status = hl_name_parse(text, &name, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&s->mutex);
    status = hl_store_find_exact(s, &name, &on_disk, err); /* before the lock, which makes folders */
    if (status == HL_OK) status = hl_store_lock(s, &lock_fd, err);
    if (status == HL_OK) status = hl_store_find_exact(s, &name, &on_disk, err);
    if (status == HL_OK) status = remove_locked(s, &on_disk, &removed, err);
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK && ret_removed) *ret_removed = removed;
    return status;
}

/* ---- copy ---- */

static hl_status copy_locked(hl_store *s, const char *source, const hl_name *target, hl_err *err) {
    hl_disk_name from, to = {.name = *target};
    hl_arena     arena;
    hl_manifest  m = {0};
    hl_view      text = {0};
    hl_err       ignored;
    hl_status    status = hl_store_find_disk(s, source, &from, err);
    if (status != HL_OK) return status;
    if (hl_store_find_exact(s, target, &to, &ignored) != HL_OK)
        to.name = *target; /* else spelled as on disk */
    hl_arena_init(&arena, MANIFEST_ARENA_BYTES);
    status = hl_store_read_manifest(s, &from.name, &arena, &text, &m, err);
    if (status == HL_OK) status = hl_store_put_manifest(s, &to.name, text, err);
    if (status == HL_OK) hl_store_gc(s, NULL, NULL); /* what the target was before */
    hl_arena_done(&arena);
    return status;
}

hl_status hl_store_copy(hl_store *s, const char *source, const char *target, hl_err *err) {
    hl_name      name;
    hl_disk_name from;
    int          lock_fd = -1;
    hl_status    status = hl_name_parse(target, &name, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&s->mutex);
    status = hl_store_find_disk(s, source, &from, err);
    if (status == HL_OK) status = hl_store_lock(s, &lock_fd, err);
    if (status == HL_OK) status = copy_locked(s, source, &name, err);
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}
