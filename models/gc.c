/* SPDX-License-Identifier: MIT
 *
 * gc.c - remove and copy names; delete blobs that nobody uses any more, but only our own.
 *
 * Ours is what the folder's records (own.c) or the index say we placed, while it still is the file it was
 * then. One manifest that cannot be read stops the deleting: nobody knows what it uses.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"
#include "models/watched.h"

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

enum {
    MANIFEST_ARENA_BYTES = 16 << 20,
    ROOM_BELOW_BYTES = 800,     /* the longest path below the models folder is shorter */
    DOWNLOAD_AGE_S = 7 * 86400, /* downloads that were broken off are gone on with for so long */
    FOREIGN_AGE_S = 3600,       /* other programs write blobs before the manifest that names them, */
    SENT_AGE_S = 3600,          /* and so do clients of a server */
};

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

/* folder NULL: of the names; else one of the same shape. */
static hl_status add_manifest(hl_store *s, const char *folder, const hl_name *name, digest_set *set,
                              hl_err *err) {
    hl_arena    arena;
    hl_manifest m = {0};
    char        path[PATH_MAX];
    char       *text = NULL;
    size_t      n = 0;
    hl_status   status = HL_OK;
    hl_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (!folder) {
        status = hl_store_read_manifest(s, name, &arena, NULL, &m, err);
    } else {
        (void)snprintf(path, sizeof path, "%.*s/%s/%s/%s/%s", PATH_MAX - ROOM_BELOW_BYTES, folder, name->host,
                       name->space, name->model, name->tag);
        status = hl_file_read(path, HL_MANIFEST_MAX_BYTES, &text, &n, err);
        if (status == HL_OK) status = hl_manifest_parse((hl_view){text, n}, path, &arena, &m, err);
        hl_free(text);
    }
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
    char          before[PATH_MAX];
    hl_status     status = hl_store_walk(s, &names, err);
    for (size_t i = 0; i < names.n && status == HL_OK; i++)
        status = add_manifest(s, NULL, &names.v[i].name, set, err);
    hl_free(names.v);
    names = (hl_disk_names){0};
    hl_store_before_folder(s, before);
    if (status == HL_OK) status = hl_store_walk_folder(before, &names, err);
    for (size_t i = 0; i < names.n && status == HL_OK; i++)
        status = add_manifest(s, before, &names.v[i].name, set, err);
    hl_free(names.v);
    if (status == HL_OK && set->n) qsort(set->v, set->n, HL_DIGEST_BYTES, compare_digests);
    return status;
}

/* ---- gc ---- */

typedef struct gc_walk {
    hl_store                 *s;
    const digest_set         *used;
    const hl_collect_options *how;
    hl_collected              counts;
} gc_walk;

static void tell(const gc_walk *w, const char *path, uint64_t n_bytes, const char *why, bool is_kept) {
    const hl_garbage g = {.path = path, .n_bytes = n_bytes, .why = why, .is_kept = is_kept};
    if (w->how->fn) w->how->fn(w->how->user, &g);
}

/* Delete a file, or say that it would be. Links to files that live on elsewhere free nothing. */
static bool drop_file(gc_walk *w, const char *path, const struct stat *st, const char *why) {
    const uint64_t n_bytes = st->st_nlink == 1 ? (uint64_t)st->st_size : 0;
    if (!w->how->dry_run && unlink(path) != 0) {
        hl_event(w->s->events, HL_LOG_WARN, "models", "blob-not-deleted", "path=\"%s\" reason=\"%s\"", path,
                 strerror(errno));
        return false;
    }
    w->counts.n_files++;
    w->counts.n_bytes += n_bytes;
    tell(w, path, n_bytes, why, false);
    return true;
}

static void forget(gc_walk *w, const char *digest) {
    if (w->how->dry_run) return;
    hl_own_drop(w->s, digest);
    if (w->s->id[0]) hl_db_drop_blob(w->s->db, w->s->id, digest);
}

static int64_t age_s(const struct stat *st) {
    return hl_clock_wall_ms() / 1000 - (int64_t)st->st_ctim.tv_sec;
}

static void keep_file(gc_walk *w, const char *path, const struct stat *st, const char *why) {
    w->counts.n_kept++;
    w->counts.n_kept_bytes += st->st_nlink == 1 ? (uint64_t)st->st_size : 0;
    tell(w, path, (uint64_t)st->st_size, why, true);
}

static void collect_own(void *user, const hl_own *o) {
    gc_walk    *w = user;
    char        path[PATH_MAX];
    struct stat st;
    if (is_used(w->used, o->row.digest)) return;
    hl_store_blob_path(w->s, o->row.digest, path);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && hl_own_is(o, path, &st)) {
        if (o->row.origin == HL_BLOB_SENT && age_s(&st) < SENT_AGE_S) {
            keep_file(w, path, &st, "it was sent within the hour, and may be on its way into a model");
            return;
        }
        if (!drop_file(w, path, &st, "no model uses it")) return;
    }
    forget(w, o->row.digest); /* gone, or not ours any more */
}

/* Blobs that the index alone knows, from before there were records: they get one now, or go. */
static void collect_row(void *user, const hl_blob_row *row) {
    gc_walk    *w = user;
    char        path[PATH_MAX];
    struct stat st;
    hl_own      o;
    int         fd = -1;
    if (hl_own_find(w->s, row->digest, &o)) return; /* had its turn */
    hl_store_blob_path(w->s, row->digest, path);
    const bool is_ours = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && row->inode == (uint64_t)st.st_ino;
    if (is_ours && is_used(w->used, row->digest)) {
        if (!w->how->dry_run && hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, NULL) == HL_OK) {
            if (hl_own_put(w->s, row, fd, NULL) != HL_OK)
                hl_event(w->s->events, HL_LOG_DEBUG, "models", "record-not-made", "digest=%.12s",
                         row->digest);
            (void)close(fd);
        }
        return;
    }
    if (is_ours && !drop_file(w, path, &st, "no model uses it")) return;
    if (!is_used(w->used, row->digest)) forget(w, row->digest);
}

static hl_status collect_all_own(gc_walk *w, hl_err *err) {
    const hl_status status = hl_own_each(w->s, collect_own, w, err);
    if (status == HL_OK && w->s->id[0]) hl_db_each_own_blob(w->s->db, w->s->id, collect_row, w);
    return status;
}

void hl_store_gc(hl_store *s, const hl_manifest *removed, hl_removed *ret) {
    static const hl_collect_options silent = {0};
    digest_set                      set = {0};
    hl_err                          err = {0};
    size_t                          n_kept = 0;
    char                            path[PATH_MAX];
    gc_walk                         w = {.s = s, .used = &set, .how = &silent};
    hl_status                       status = collect_used(s, &set, &err);
    if (status == HL_OK) status = collect_all_own(&w, &err);
    if (status != HL_OK)
        hl_event(s->events, HL_LOG_WARN, "models", "gc-skipped",
                 "reason=\"%s\" action=\"no blob deleted, since it may be in use\"", err.text);
    for (size_t i = 0; removed && i <= removed->n_layers; i++) {
        const hl_blob_layer *l = i < removed->n_layers ? &removed->layers[i] : &removed->config;
        if (!l->digest[0] || (status == HL_OK && is_used(&set, l->digest))) continue;
        hl_store_blob_path(s, l->digest, path);
        if (access(path, F_OK) == 0) n_kept++;
    }
    hl_free(set.v);
    if (!ret) return;
    ret->n_blobs = w.counts.n_files;
    ret->n_bytes = w.counts.n_bytes;
    ret->n_kept = n_kept;
}

/* ---- all garbage, one by one ---- */

/* "sha256-<64 hex>" */
static bool is_blob(const char *name, char ret_digest[HL_DIGEST_BYTES]) {
    if (strncmp(name, "sha256-", 7) != 0 || strlen(name) != 7 + HL_DIGEST_BYTES - 1) return false;
    memcpy(ret_digest, name + 7, HL_DIGEST_BYTES);
    return strspn(ret_digest, "0123456789abcdef") == HL_DIGEST_BYTES - 1;
}

static bool is_ours(hl_store *s, const char *digest, const char *path, const struct stat *st) {
    hl_own      o;
    hl_blob_row row;
    if (hl_own_find(s, digest, &o)) return hl_own_is(&o, path, st);
    return s->id[0] && hl_db_find_blob(s->db, s->id, digest, &row) && row.origin != HL_BLOB_FOUND &&
           row.inode == (uint64_t)st->st_ino;
}

/* A blob that no manifest names and that we did not place: another program's leftover, or its work of this
 * moment. */
static void collect_foreign(gc_walk *w, const char *name) {
    char        path[PATH_MAX], below[NAME_MAX + 8], digest[HL_DIGEST_BYTES];
    struct stat st;
    if (!is_blob(name, digest) || is_used(w->used, digest)) return;
    (void)snprintf(below, sizeof below, "blobs/%s", name);
    hl_store_path(w->s, below, path);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || is_ours(w->s, digest, path, &st)) return;
    if (w->how->all && age_s(&st) >= FOREIGN_AGE_S)
        (void)drop_file(w, path, &st, "no model uses it; hyperlama did not write it");
    else
        keep_file(w, path, &st,
                  age_s(&st) < FOREIGN_AGE_S
                      ? "hyperlama did not write it; it is new, and may be on its way into a model"
                      : "hyperlama did not write it");
}

/* A pull that was broken off: its bytes, and the map beside them. Who goes on with it holds a lock. */
static void collect_download(gc_walk *w, const char *name) {
    char         path[PATH_MAX], map[PATH_MAX + 8], below[NAME_MAX + 8];
    struct stat  st;
    const size_t n = strlen(name), n_map = sizeof HL_DOWNLOAD_MAP_TAIL - 1;
    int          fd = -1;
    if (strncmp(name, HL_DOWNLOAD_HEAD, sizeof HL_DOWNLOAD_HEAD - 1) != 0) return;
    const bool is_map = n > n_map && strcmp(name + n - n_map, HL_DOWNLOAD_MAP_TAIL) == 0;
    (void)snprintf(below, sizeof below, "blobs/%.*s", (int)(is_map ? n - n_map : n), name);
    hl_store_path(w->s, below, path);
    (void)snprintf(map, sizeof map, "%s" HL_DOWNLOAD_MAP_TAIL, path);
    if (is_map && access(path, F_OK) != 0 && !w->how->dry_run) (void)unlink(map); /* alone it says nothing */
    if (is_map || hl_file_open(path, O_RDWR | O_NOFOLLOW, 0, &fd, &st, NULL) != HL_OK) return;
    st.st_size = (off_t)st.st_blocks * 512; /* what is asked for counts, too */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        keep_file(w, path, &st, "it is being downloaded");
    else if (!w->how->all && age_s(&st) < DOWNLOAD_AGE_S)
        keep_file(w, path, &st,
                  "a pull that was broken off; the next one goes on from there (--all deletes it)");
    else if (drop_file(w, path, &st, "a pull that was broken off") && !w->how->dry_run)
        (void)unlink(map);
    (void)close(fd);
}

static hl_status collect_locked(gc_walk *w, digest_set *set, hl_err *err) {
    char      path[PATH_MAX];
    hl_status status = collect_used(w->s, set, err);
    if (status != HL_OK) {
        (void)hl_fail_within(err, status,
                             "nothing was deleted, since nobody knows what a model uses that cannot be read");
        return status;
    }
    status = collect_all_own(w, err);
    hl_store_path(w->s, "blobs", path);
    DIR *dir = status == HL_OK ? opendir(path) : NULL;
    if (status == HL_OK && !dir && errno != ENOENT)
        return hl_fail(err, hl_errno_status(errno), "read folder '%s': %s", path, strerror(errno));
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        collect_foreign(w, e->d_name);
        collect_download(w, e->d_name);
    }
    if (dir) (void)closedir(dir);
    return status;
}

hl_status hl_store_collect(hl_store *s, const hl_collect_options *options, hl_collected *ret, hl_err *err) {
    digest_set set = {0};
    gc_walk    w = {.s = s, .used = &set, .how = options};
    char       path[PATH_MAX];
    int        lock_fd = -1;
    hl_status  status = HL_OK;
    hl_store_path(s, "blobs", path);
    if (access(path, F_OK) == 0) { /* else there is nothing, and nothing is made for looking */
        (void)pthread_mutex_lock(&s->mutex);
        status = hl_store_lock(s, &lock_fd, err);
        if (status == HL_OK) status = collect_locked(&w, &set, err);
        hl_store_unlock(lock_fd);
        (void)pthread_mutex_unlock(&s->mutex);
    }
    hl_free(set.v);
    if (status == HL_OK) *ret = w.counts;
    return status;
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
        status = hl_fail(err, hl_errno_io(errno), "remove '%s': %s", path, strerror(errno));
        goto out;
    }
    if (hl_path_dir(path, dir, sizeof dir) && hl_dir_sync(dir, NULL) != HL_OK)
        hl_event(s->events, HL_LOG_DEBUG, "models", "sync-failed", "path=\"%s\"", dir);
    remove_empty_folders(s, &on_disk->name);
    hl_store_forget_versions(s, &on_disk->name);
    if (hl_store_names_id(s)[0]) hl_db_drop_model(s->db, hl_store_names_id(s), full);
    ret->name = on_disk->name;
    hl_store_gc(s, readable ? &m : NULL, ret);
out:
    hl_arena_done(&arena);
    return status;
}

/* Files of others are theirs to delete. */
static hl_status refuse_watched(hl_store *s, const char *text, hl_err *err) {
    hl_disk_name found;
    if (!s->dirs || hl_store_find_disk(s, text, &found, NULL) != HL_OK || !found.watched) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "model '%s' is the file '%s' of a watched folder (store.dirs): delete it there", text,
                   s->watched->v[found.watched - 1].path);
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
    if (status == HL_E_NOT_FOUND && refuse_watched(s, text, err) != HL_OK) status = HL_E_UNSUPPORTED;
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
    if (status == HL_OK && from.watched)
        status = hl_fail(
            err, HL_E_UNSUPPORTED,
            "model '%s' is a file of a watched folder (store.dirs): `hyperlama create %s --from %s` makes "
            "one of the store of it",
            source, target, source);
    if (status == HL_OK) status = hl_store_lock(s, &lock_fd, err);
    if (status == HL_OK) status = copy_locked(s, source, &name, err);
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}
