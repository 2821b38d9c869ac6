/* SPDX-License-Identifier: MIT
 *
 * place.c - bring files into the blobs folder so that a crash at any point leaves no wrong blob.
 *
 * A blob gets its name by rename or link, in one step, after its bytes are on disk. The record that says
 * "this one is ours to delete" (own.c) and the row of the index are written just before, with what identifies
 * the file: a blob that somebody else puts there later is not mistaken for ours.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/reserve.h"
#include "core/data/sha256.h"

/* ---- partial files ---- */

/* One that was swept between being made and being locked is made again. */
int hl_store_create_partial(hl_store *s, char ret_path[PATH_MAX]) {
    for (;;) {
        struct stat st;
        hl_store_partial_path(s, ret_path);
        const int fd = open(ret_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) return -1;
        (void)flock(fd, LOCK_EX | LOCK_NB); /* without locks on this file system nobody sweeps, either */
        if (fstat(fd, &st) == 0 && st.st_nlink > 0) return fd;
        (void)close(fd);
    }
}

/* Say that the file is ours: in the folder, and in the index where there is one. */
static hl_status record(hl_store *s, const hl_blob_row *row, int fd, hl_err *err) {
    const hl_status status = hl_own_put(s, row, fd, err);
    if (status == HL_OK && s->id[0]) (void)hl_db_put_blob(s->db, s->id, row);
    return status;
}

hl_status hl_store_commit_partial(hl_store *s, int fd, const char *partial, const char *digest, int origin,
                                  hl_err *err) {
    char        path[PATH_MAX];
    struct stat st;
    hl_blob_row row;
    hl_store_blob_path(s, digest, path);
    if (fstat(fd, &st) != 0)
        return hl_fail(err, hl_errno_io(errno), "stat '%s': %s", partial, strerror(errno));
    hl_blob_row_of(&st, digest, origin, &row);
    const hl_status status = record(s, &row, fd, err);
    if (status == HL_OK && rename(partial, path) != 0)
        return hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", path, strerror(errno));
    return status;
}

/* ---- small files ---- */

static hl_status write_partial(hl_store *s, hl_view text, char ret_path[PATH_MAX], int *ret_fd, hl_err *err) {
    const int fd = hl_store_create_partial(s, ret_path);
    if (fd < 0) return hl_fail(err, hl_errno_io(errno), "create '%s': %s", ret_path, strerror(errno));
    hl_status status = hl_file_write_fd(fd, ret_path, text.ptr, text.len, err);
    if (status == HL_OK && fsync(fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", ret_path, strerror(errno));
    if (status == HL_OK) {
        *ret_fd = fd;
        return HL_OK;
    }
    (void)unlink(ret_path);
    (void)close(fd);
    return status;
}

static bool has_text(const char *path, hl_view text) {
    char  *data = NULL;
    size_t len = 0;
    if (hl_file_read(path, text.len, &data, &len, NULL) != HL_OK) return false;
    const bool same = hl_view_eq((hl_view){data, len}, text);
    hl_free(data);
    return same;
}

hl_status hl_store_put_text(hl_store *s, const char *media_type, hl_view text, hl_blob_layer *ret,
                            hl_err *err) {
    char          path[PATH_MAX], partial[PATH_MAX];
    hl_blob_layer layer = {.media_type = media_type, .size_bytes = text.len};
    int           fd = -1;
    if (text.len > HL_STORE_TEXT_MAX_BYTES)
        return hl_fail(err, HL_E_LIMIT, "%s has %zu bytes, expected at most %d", media_type, text.len,
                       HL_STORE_TEXT_MAX_BYTES);
    hl_status status = hl_sha256_of(text.ptr, text.len, layer.digest, err);
    if (status != HL_OK) return status;
    hl_store_blob_path(s, layer.digest, path);
    if (!has_text(path, text)) {
        status = write_partial(s, text, partial, &fd, err);
        if (status != HL_OK) return status;
        status = hl_store_commit_partial(s, fd, partial, layer.digest, HL_BLOB_WRITTEN, err);
        if (status != HL_OK) (void)unlink(partial);
        (void)close(fd);
    }
    if (status == HL_OK) *ret = layer;
    return status;
}

hl_status hl_store_put_file(hl_store *s, const char *path, hl_view text, hl_err *err) {
    char dir[PATH_MAX], above[PATH_MAX], partial[PATH_MAX];
    int  fd = -1;
    if (!hl_path_dir(path, dir, sizeof dir) || !hl_path_dir(dir, above, sizeof above))
        return hl_fail(err, HL_E_ARG, "'%s': path too long", path);
    hl_status status = hl_dir_make(dir, 0755, err);
    if (status == HL_OK) status = write_partial(s, text, partial, &fd, err);
    if (status != HL_OK) return status;
    if (rename(partial, path) != 0) {
        status = hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", path, strerror(errno));
        (void)unlink(partial);
    }
    (void)close(fd);
    if (status == HL_OK) status = hl_dir_sync(dir, err);
    if (status == HL_OK) status = hl_dir_sync(above, err);
    return status;
}

hl_status hl_store_put_manifest(hl_store *s, const hl_name *name, hl_view text, hl_err *err) {
    char path[PATH_MAX];
    hl_store_manifest_path(s, name, path);
    return hl_store_put_file(s, path, text, err);
}

/* ---- large files ---- */

hl_status hl_import_file_check(const hl_import_file *src, hl_err *err) {
    struct stat now;
    if (fstat(src->fd, &now) != 0)
        return hl_fail(err, hl_errno_io(errno), "stat '%s': %s", src->path, strerror(errno));
    if (now.st_size != src->st.st_size || hl_mtime_ns(&now) != hl_mtime_ns(&src->st))
        return hl_fail(err, HL_E_CHANGED, "'%s' changed while it was imported; run again when it is complete",
                       src->path);
    return HL_OK;
}

hl_status hl_store_find_sound_blob(hl_store *s, hl_import_file *src, hl_err *err) {
    char        path[PATH_MAX], hex[HL_DIGEST_BYTES];
    struct stat st;
    hl_blob_row row;
    hl_store_blob_path(s, src->digest, path);
    src->is_present = false;
    int fd = -1;
    if (hl_file_open(path, O_RDONLY, 0, &fd, &st, NULL) != HL_OK) return HL_OK;
    hl_status status = HL_OK;
    if (st.st_size != src->st.st_size) goto out;
    if (st.st_ino == src->st.st_ino && st.st_dev == src->st.st_dev) {
        src->is_present = true; /* the source is the blob, or linked to it */
        goto out;
    }
    if (hl_store_known(s, src->digest, &row) && hl_blob_row_fits(&row, &st)) {
        src->is_present = true;
        goto out;
    }
    status = hl_store_hash(s, fd, path, NULL, NULL, hex, err);
    src->is_present = status == HL_OK && strcmp(hex, src->digest) == 0;
out:
    (void)close(fd);
    return status;
}

bool hl_store_can_link(hl_store *s, const hl_import_file *src) {
    char path[PATH_MAX];
    hl_store_partial_path(s, path);
    if (linkat(AT_FDCWD, src->path, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0) return false;
    (void)unlink(path);
    return true;
}

typedef struct copy_walk {
    int                  fd;
    const char          *path;
    hl_sha256           *sum;
    hl_progress_step_fn *fn;
    void                *user;
} copy_walk;

static hl_status copy_chunk(void *user, const void *data, size_t n, hl_err *err) {
    const copy_walk *w = user;
    hl_status        status = hl_file_write_fd(w->fd, w->path, data, n, err);
    if (status == HL_OK) status = hl_sha256_add(w->sum, data, n, err);
    if (status == HL_OK && w->fn) status = w->fn(w->user, n, err);
    return status;
}

/* Copy the bytes, and see that they are those that were hashed. */
static hl_status copy_bytes(const hl_import_file *src, int fd, const char *partial, hl_progress_step_fn *fn,
                            void *user, hl_err *err) {
    char      hex[HL_DIGEST_BYTES];
    copy_walk w = {.fd = fd, .path = partial, .fn = fn, .user = user};
    /* ask for the room first: better to fail now than after minutes */
    const int no_room = hl_file_reserve(fd, (uint64_t)src->st.st_size);
    if (no_room)
        return hl_fail(err, hl_errno_io(no_room), "copy '%s' into the store: %lld bytes needed: %s",
                       src->path, (long long)src->st.st_size, strerror(no_room));
    hl_status status = hl_sha256_new(&w.sum, err);
    if (status == HL_OK) status = hl_file_walk(src->fd, src->path, copy_chunk, &w, err);
    if (status == HL_OK) status = hl_sha256_finish(w.sum, hex, err);
    if (status == HL_OK && strcmp(hex, src->digest) != 0)
        status = hl_fail(err, HL_E_CHANGED,
                         "'%s' changed while it was imported; run again when it is complete", src->path);
    hl_sha256_free(w.sum);
    return status;
}

hl_status hl_store_copy_in(hl_store *s, hl_import_file *src, hl_progress_step_fn *fn, void *user,
                           hl_err *err) {
    char      partial[PATH_MAX];
    const int fd = hl_store_create_partial(s, partial);
    if (fd < 0) return hl_fail(err, hl_errno_io(errno), "create '%s': %s", partial, strerror(errno));
    hl_status status = HL_OK;
    (void)pthread_mutex_unlock(&s->mutex);
    if (!hl_file_clone(src->fd, fd)) status = copy_bytes(src, fd, partial, fn, user, err);
    if (status == HL_OK) status = hl_import_file_check(src, err);
    if (status == HL_OK && fsync(fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", partial, strerror(errno));
    (void)pthread_mutex_lock(&s->mutex);
    if (status != HL_OK) {
        (void)unlink(partial);
        (void)close(fd);
        return status;
    }
    memcpy(src->partial, partial, sizeof partial);
    src->partial_fd = fd;
    return HL_OK;
}

/* Link the source under a temporary name, see that it is the file that was hashed, record, rename. */
static hl_status commit_link(hl_store *s, const hl_import_file *src, hl_err *err) {
    char        path[PATH_MAX], partial[PATH_MAX];
    struct stat st;
    hl_blob_row row;
    hl_status   status = HL_OK;
    hl_store_blob_path(s, src->digest, path);
    hl_store_partial_path(s, partial);
    if (linkat(AT_FDCWD, src->path, AT_FDCWD, partial, AT_SYMLINK_FOLLOW) != 0)
        return hl_fail(err, hl_errno_io(errno), "link '%s' into the store: %s", src->path, strerror(errno));
    if (stat(partial, &st) != 0) {
        status = hl_fail(err, hl_errno_io(errno), "stat '%s': %s", partial, strerror(errno));
        goto out;
    }
    hl_blob_row_of(&st, src->digest, HL_BLOB_LINKED, &row);
    if (!hl_blob_row_fits(&row, &src->st)) {
        status = hl_fail(err, HL_E_CHANGED,
                         "'%s' changed while it was imported; run again when it is complete", src->path);
        goto out;
    }
    status = record(s, &row, src->fd, err);
    if (status == HL_OK && rename(partial, path) != 0)
        status = hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", path, strerror(errno));
out:
    (void)unlink(partial); /* still there after a failure, or when both names were the same file already */
    return status;
}

hl_status hl_store_commit_blob(hl_store *s, hl_import_file *src, hl_err *err) {
    char        path[PATH_MAX];
    struct stat st;
    hl_blob_row row;
    hl_status   status = HL_OK;
    hl_store_blob_path(s, src->digest, path);
    const bool there = stat(path, &st) == 0;
    if (src->is_present) { /* it was, without the lock */
        if (!there)
            return hl_fail(err, HL_E_BUSY, "blob '%s' was removed by another process meanwhile; run again",
                           path);
        if (!hl_store_known(s, src->digest, &row) || !hl_blob_row_fits(&row, &st)) {
            hl_blob_row_of(&st, src->digest, HL_BLOB_FOUND, &row);
            (void)hl_db_put_blob(s->db, s->id, &row);
        }
        return HL_OK;
    }
    /* another process may have placed it while we hashed */
    if (there && hl_store_known(s, src->digest, &row) && hl_blob_row_fits(&row, &st) &&
        row.size_bytes == (uint64_t)src->st.st_size)
        return HL_OK;
    if (!src->partial[0]) return commit_link(s, src, err);
    status = hl_store_commit_partial(s, src->partial_fd, src->partial, src->digest, HL_BLOB_WRITTEN, err);
    if (status == HL_OK) src->partial[0] = '\0';
    return status;
}

hl_status hl_store_new_draft(hl_store *s, hl_store_draft *ret, hl_err *err) {
    char path[PATH_MAX];
    int  lock_fd = -1, fd = -1;
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = hl_store_lock(s, &lock_fd, err); /* makes the folders */
    if (status == HL_OK) {
        fd = hl_store_create_partial(s, path);
        if (fd < 0) status = hl_fail(err, hl_errno_io(errno), "create '%s': %s", path, strerror(errno));
    }
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status != HL_OK) return status;
    ret->fd = fd;
    memcpy(ret->path, path, sizeof path);
    return HL_OK;
}

void hl_store_drop_draft(hl_store_draft *d) {
    if (d->fd < 0) return;
    (void)unlink(d->path);
    (void)close(d->fd);
    d->fd = -1;
}

hl_status hl_store_locate_blob(hl_store *s, const char *digest, char **ret_path, hl_err *err) {
    char        hex[HL_DIGEST_BYTES], path[PATH_MAX];
    struct stat st;
    if (!hl_digest_parse(digest, hex))
        return hl_fail(err, HL_E_ARG, "'%.80s' is no digest: expected sha256: and 64 hex digits", digest);
    hl_store_blob_path(s, hex, path);
    if (stat(path, &st) != 0)
        return hl_fail(err, hl_errno_status(errno), "blob sha256:%s: %s", hex, strerror(errno));
    if (!S_ISREG(st.st_mode)) return hl_fail(err, HL_E_IO, "blob sha256:%s is no file", hex);
    *ret_path = hl_strdup(path);
    return *ret_path ? HL_OK : hl_fail(err, HL_E_NOMEM, "blob: no memory");
}
