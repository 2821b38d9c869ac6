/* SPDX-License-Identifier: MIT
 *
 * own.c - which blobs are ours to delete, as the folder itself knows it.
 *
 * Beside the blobs lies one small file for each that this program placed, named by its digest and written
 * before the blob gets its name. It says what the file was then, so that a blob which another program put
 * there later is not mistaken for ours. The index knows the same and may be lost, locked or on a full disk;
 * deleting needs neither it nor room.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "models/store_priv.h"

#define RECORD_FORMAT                                                                                        \
    "hyperlama-blob 1 %15[a-z] size %" SCNu64 " mtime_ns %" SCNd64 " inode %" SCNu64 " born_ns %" SCNd64

enum { MAX_RECORD_BYTES = 256 };

static const char *const kinds[] = {[HL_BLOB_FOUND] = "found",
                                    [HL_BLOB_WRITTEN] = "written",
                                    [HL_BLOB_LINKED] = "linked",
                                    [HL_BLOB_SENT] = "sent"};

static void record_path(const hl_store *s, const char *digest, char ret[PATH_MAX]) {
    (void)snprintf(ret, PATH_MAX, "%s/" HL_OWN_FOLDER "%s%s", s->models_path, digest[0] ? "/" : "", digest);
}

/* When the file was made, which no program can change; 0: the file system does not say. */
static int64_t born_ns(int dir_fd, const char *path, int flags) {
    struct statx x;
    if (statx(dir_fd, path, flags, STATX_BTIME, &x) != 0 || !(x.stx_mask & STATX_BTIME)) return 0;
    return (int64_t)x.stx_btime.tv_sec * 1000000000 + x.stx_btime.tv_nsec;
}

hl_status hl_own_put(hl_store *s, const hl_blob_row *row, int fd, hl_err *err) {
    char      path[PATH_MAX], text[MAX_RECORD_BYTES];
    int       to = -1;
    const int n = snprintf(
        text, sizeof text,
        "hyperlama-blob 1 %s size %" PRIu64 " mtime_ns %" PRId64 " inode %" PRIu64 " born_ns %" PRId64 "\n",
        kinds[row->origin], row->size_bytes, row->mtime_ns, row->inode, born_ns(fd, "", AT_EMPTY_PATH));
    record_path(s, "", path);
    hl_status status = hl_dir_make(path, 0755, err);
    if (status != HL_OK) return status;
    record_path(s, row->digest, path);
    (void)unlink(path); /* of a blob that was ours before: two names of one file must not change together */
    status = hl_file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, &to, NULL, err);
    if (status != HL_OK) return status;
    status = hl_file_write_fd(to, path, text, (size_t)n, err);
    if (status == HL_OK && fsync(to) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", path, strerror(errno));
    if (close(to) != 0 && status == HL_OK)
        status = hl_fail(err, hl_errno_io(errno), "close '%s': %s", path, strerror(errno));
    if (status != HL_OK) (void)unlink(path);
    return status;
}

bool hl_own_find(const hl_store *s, const char *digest, hl_own *ret) {
    char   path[PATH_MAX], kind[16] = "", text[MAX_RECORD_BYTES] = "";
    int    fd = -1;
    hl_own o = {0};
    record_path(s, digest, path);
    if (hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, NULL) != HL_OK) return false;
    const ssize_t got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (got <= 0) return false;
    const int n =
        sscanf(text, RECORD_FORMAT, kind, &o.row.size_bytes, &o.row.mtime_ns, &o.row.inode, &o.born_ns);
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++)
        if (strcmp(kind, kinds[i]) == 0) o.row.origin = i;
    if (n != 5 || o.row.origin == HL_BLOB_FOUND) return false;
    (void)snprintf(o.row.digest, sizeof o.row.digest, "%s", digest);
    *ret = o;
    return true;
}

bool hl_own_is(const hl_own *o, const char *path, const struct stat *st) {
    const bool    is_same_inode = o->row.inode == (uint64_t)st->st_ino;
    const int64_t born = born_ns(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
    /* untouched, also in a folder that was copied to another disk with its times */
    if (o->row.size_bytes == (uint64_t)st->st_size && o->row.mtime_ns == hl_mtime_ns(st)) return true;
    /* touched, or the original of a link was edited: the same file still. Numbers of inodes are used again,
     * births are not */
    if (born && o->born_ns) return is_same_inode && born == o->born_ns;
    return is_same_inode && o->row.origin == HL_BLOB_LINKED;
}

void hl_own_settle(hl_store *s, const char *digest) {
    char   path[PATH_MAX];
    hl_own o;
    int    fd = -1;
    if (!hl_own_find(s, digest, &o) || o.row.origin != HL_BLOB_SENT) return;
    hl_store_blob_path(s, digest, path);
    if (hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, NULL) != HL_OK) return;
    o.row.origin = HL_BLOB_WRITTEN;
    if (hl_own_put(s, &o.row, fd, NULL) != HL_OK) /* it will be deleted by the gc after the next */
        hl_event(s->events, HL_LOG_DEBUG, "models", "record-not-made", "digest=%.12s", digest);
    (void)close(fd);
}

void hl_own_drop(const hl_store *s, const char *digest) {
    char path[PATH_MAX];
    record_path(s, digest, path);
    (void)unlink(path); /* a record without its blob does no harm and goes the next time */
}

static bool is_digest(const char *name) {
    return strlen(name) == HL_DIGEST_BYTES - 1 && strspn(name, "0123456789abcdef") == HL_DIGEST_BYTES - 1;
}

hl_status hl_own_each(const hl_store *s, hl_own_fn *fn, void *user, hl_err *err) {
    char path[PATH_MAX];
    char(*digests)[HL_DIGEST_BYTES] = NULL;
    size_t    n = 0, cap = 0;
    hl_status status = HL_OK;
    record_path(s, "", path);
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT)
        return HL_OK; /* nothing was placed yet, or by a program older than these records */
    if (!dir) return hl_fail(err, hl_errno_status(errno), "open '%s': %s", path, strerror(errno));
    for (const struct dirent *e; status == HL_OK && (e = readdir(dir));) {
        if (!is_digest(e->d_name)) continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            void *grown = hl_resize(digests, cap, HL_DIGEST_BYTES);
            if (!grown) status = hl_fail(err, HL_E_NOMEM, "no memory for %zu digests", cap);
            if (!grown) break;
            digests = grown;
        }
        memcpy(digests[n++], e->d_name, HL_DIGEST_BYTES);
    }
    (void)closedir(dir);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        hl_own o;
        if (hl_own_find(s, digests[i], &o)) fn(user, &o);
    }
    hl_free(digests);
    return status;
}
