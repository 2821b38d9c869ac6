/* SPDX-License-Identifier: MIT
 *
 * upload.c - blobs that somebody sends in pieces, under the digest that they must turn out to have.
 *
 * They are written to a partial file and hashed on the way, so that memory stays flat and nothing is read
 * again. A blob that no model names yet would be garbage to the next gc: its record says that it was sent,
 * and it stays for an hour.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/reserve.h"
#include "core/data/sha256.h"
#include "models/store_priv.h"

struct hl_upload {
    hl_store  *s;
    char       digest[HL_DIGEST_BYTES];
    uint64_t   size_bytes, n_done; /* size: UINT64_MAX not known */
    bool       is_present;
    int        fd; /* -1: none */
    char       partial[PATH_MAX];
    hl_sha256 *sum;
};

static hl_status read_digest(const char *text, char ret[HL_DIGEST_BYTES], hl_err *err) {
    if (hl_digest_parse(text, ret)) return HL_OK;
    return hl_fail(err, HL_E_ARG, "blob '%.100s': expected sha256: and 64 hex digits", text);
}

/* Is it there, as it was when it was placed? One that changed since is as good as none: sending it again
 * heals it. */
static bool is_there(hl_store *s, const char *digest, struct stat *ret_st) {
    char        path[PATH_MAX];
    hl_blob_row row;
    hl_store_blob_path(s, digest, path);
    if (lstat(path, ret_st) != 0 || !S_ISREG(ret_st->st_mode)) return false;
    return !hl_store_known(s, digest, &row) || hl_blob_row_fits(&row, ret_st);
}

hl_status hl_store_find_blob(hl_store *s, const char *digest, uint64_t *ret_size_bytes, hl_err *err) {
    char        hex[HL_DIGEST_BYTES];
    struct stat st;
    hl_status   status = read_digest(digest, hex, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&s->mutex);
    const bool found = is_there(s, hex, &st);
    (void)pthread_mutex_unlock(&s->mutex);
    if (!found) return hl_fail(err, HL_E_NOT_FOUND, "blob 'sha256:%s' not found", hex);
    if (ret_size_bytes) *ret_size_bytes = (uint64_t)st.st_size;
    return HL_OK;
}

/* Room for all of it: better to fail now than after minutes. */
static hl_status make_partial(hl_upload *u, hl_err *err) {
    const uint64_t size = u->size_bytes;
    u->fd = hl_store_create_partial(u->s, u->partial);
    if (u->fd < 0) {
        const int why = errno;
        return hl_fail(err, HL_E_IO, "create '%s': %s", u->partial, strerror(why));
    }
    if (size != UINT64_MAX && size > INT64_MAX)
        return hl_fail(err, HL_E_LIMIT, "blob: %" PRIu64 " bytes", size);
    const int no_room = size == UINT64_MAX ? 0 : hl_file_reserve(u->fd, size);
    if (no_room)
        return hl_fail(err, hl_errno_io(no_room),
                       "blob of %" PRIu64 " bytes: no room in the models folder: %s", size,
                       strerror(no_room));
    return hl_sha256_new(&u->sum, err);
}

hl_status hl_upload_begin(hl_store *s, const char *digest, uint64_t size_bytes, hl_upload **ret,
                          hl_err *err) {
    struct stat st;
    int         lock_fd = -1;
    hl_upload  *u = hl_new(1, sizeof *u);
    if (!u) return hl_fail(err, HL_E_NOMEM, "blob: no memory");
    *u = (hl_upload){.s = s, .size_bytes = size_bytes, .fd = -1};
    hl_status status = read_digest(digest, u->digest, err);
    (void)pthread_mutex_lock(&s->mutex);
    if (status == HL_OK) status = hl_store_lock(s, &lock_fd, err); /* makes the folders */
    hl_store_unlock(lock_fd);
    if (status == HL_OK) u->is_present = is_there(s, u->digest, &st);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK && !u->is_present) status = make_partial(u, err);
    if (status != HL_OK) {
        hl_upload_free(u);
        return status;
    }
    *ret = u;
    return HL_OK;
}

bool hl_upload_is_present(const hl_upload *u) { return u->is_present; }

hl_status hl_upload_add(hl_upload *u, hl_view bytes, hl_err *err) {
    u->n_done += bytes.len;
    if (u->is_present) return HL_OK;
    if (u->n_done > u->size_bytes)
        return hl_fail(err, HL_E_FORMAT, "blob 'sha256:%s': more than the %" PRIu64 " bytes it was to have",
                       u->digest, u->size_bytes);
    hl_status status = hl_file_write_fd(u->fd, u->partial, bytes.ptr, bytes.len, err);
    return status == HL_OK ? hl_sha256_add(u->sum, bytes.ptr, bytes.len, err) : status;
}

/* Another sender may have been faster: the name is replaced in one step by a file with the same bytes. */
static hl_status commit(hl_upload *u, hl_err *err) {
    int lock_fd = -1;
    (void)pthread_mutex_lock(&u->s->mutex);
    hl_status status = hl_store_lock(u->s, &lock_fd, err);
    if (status == HL_OK)
        status = hl_store_commit_partial(u->s, u->fd, u->partial, u->digest, HL_BLOB_SENT, err);
    if (status == HL_OK) {
        char blobs[PATH_MAX];
        u->partial[0] = '\0';
        hl_store_path(u->s, "blobs", blobs);
        status = hl_dir_sync(blobs, err);
    }
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&u->s->mutex);
    return status;
}

hl_status hl_upload_finish(hl_upload *u, hl_err *err) {
    char hex[HL_SHA256_HEX_BYTES];
    if (u->is_present) return HL_OK;
    if (u->size_bytes != UINT64_MAX && u->n_done != u->size_bytes)
        return hl_fail(err, HL_E_FORMAT, "blob 'sha256:%s': %" PRIu64 " bytes came, expected %" PRIu64,
                       u->digest, u->n_done, u->size_bytes);
    hl_status status = hl_sha256_finish(u->sum, hex, err);
    if (status == HL_OK && strcmp(hex, u->digest) != 0)
        return hl_fail(err, HL_E_FORMAT, "digest mismatch: what came has sha256:%s, expected sha256:%s", hex,
                       u->digest);
    if (status == HL_OK && fsync(u->fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", u->partial, strerror(errno));
    return status == HL_OK ? commit(u, err) : status;
}

void hl_upload_free(hl_upload *u) {
    if (!u) return;
    if (u->fd >= 0 && u->partial[0]) (void)unlink(u->partial);
    if (u->fd >= 0) (void)close(u->fd);
    hl_sha256_free(u->sum);
    hl_free(u);
}
