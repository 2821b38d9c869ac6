/* SPDX-License-Identifier: MIT
 *
 * partial.c - downloads on disk, and their maps.
 *
 *   hyperlama-download 1 size 00000000000098362432 at 00000000000041943040 mark "5f3a"
 *   16777216 <sha256 of the first 16777216 bytes>
 *   33554432 ...
 *
 * `at` is written over as bytes come, for those who wait; checkpoints are appended. A line that is cut short
 * by a crash counts for nothing, and so does all behind it.
 */
#define _GNU_SOURCE
#include "models/registry/partial.h"

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

enum { MAX_MAP_BYTES = 16 << 20, AT_OFFSET = 50, MAX_LINE = 100 };

#define HEAD_FORMAT "hyperlama-download 1 size %020" PRIu64 " at %020" PRIu64 " mark \"%s\"\n"

void hl_partial_init(hl_partial *p, hl_store *s, const char *key) {
    char below[128];
    *p = (hl_partial){.s = s, .fd = -1, .map_fd = -1, .size_bytes = UINT64_MAX};
    (void)snprintf(below, sizeof below, "blobs/" HL_DOWNLOAD_HEAD "%s" HL_DOWNLOAD_TAIL, key);
    hl_store_path(s, below, p->path);
    (void)snprintf(below, sizeof below, "blobs/" HL_DOWNLOAD_HEAD "%s" HL_DOWNLOAD_MAP_TAIL, key);
    hl_store_path(s, below, p->map_path);
}

/* ---- the map ---- */

static hl_status push(hl_partial *p, uint64_t at, const char *sha256, hl_err *err) {
    if (p->n_checkpoints == p->cap) {
        const size_t   cap = p->cap ? 2 * p->cap : 64;
        hl_checkpoint *grown = hl_resize(p->checkpoints, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "download: no memory for its map");
        p->checkpoints = grown;
        p->cap = cap;
    }
    hl_checkpoint *c = &p->checkpoints[p->n_checkpoints++];
    c->at = at;
    (void)snprintf(c->sha256, sizeof c->sha256, "%s", sha256);
    return HL_OK;
}

static bool read_head(hl_view line, uint64_t *ret_size, uint64_t *ret_at, char mark[HL_PARTIAL_MARK_BYTES]) {
    size_t n = 0;
    if (!hl_view_take(&line, "hyperlama-download 1 size ") || !hl_view_take_u64(&line, ret_size) ||
        !hl_view_take(&line, " at ") || !hl_view_take_u64(&line, ret_at) || !hl_view_take(&line, " mark \""))
        return false;
    while (n < line.len && n < HL_PARTIAL_MARK_BYTES - 1 && line.ptr[n] != '"') n++;
    memcpy(mark, line.ptr, n);
    mark[n] = '\0';
    return n < line.len && line.ptr[n] == '"';
}

static bool read_checkpoint(hl_view line, hl_checkpoint *ret) {
    if (!hl_view_take_u64(&line, &ret->at) || !hl_view_take(&line, " ") || line.len != HL_DIGEST_BYTES - 1)
        return false;
    memcpy(ret->sha256, line.ptr, line.len);
    ret->sha256[line.len] = '\0';
    return strspn(ret->sha256, "0123456789abcdef") == line.len;
}

/* Cut the next whole line off. */
static bool take_line(hl_view *rest, hl_view *ret_line) {
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (!end) return false;
    *ret_line = (hl_view){rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (hl_view){end + 1, rest->len - ret_line->len - 1};
    return true;
}

/* Whatever is wrong with a map, it says nothing from there on. */
static hl_status read_map(hl_partial *p, uint64_t file_bytes, hl_err *err) {
    char         *text = NULL;
    size_t        len = 0;
    uint64_t      at = 0, last = 0;
    hl_checkpoint c;
    hl_status     status = HL_OK;
    if (hl_file_read(p->map_path, MAX_MAP_BYTES, &text, &len, NULL) != HL_OK) return HL_OK;
    hl_view rest = {text, len}, line;
    if (take_line(&rest, &line) && read_head(line, &p->size_bytes, &at, p->mark))
        while (status == HL_OK && take_line(&rest, &line) && read_checkpoint(line, &c)) {
            if (c.at <= last || c.at > file_bytes || c.at > p->size_bytes) break;
            last = c.at;
            status = push(p, c.at, c.sha256, err);
        }
    hl_free(text);
    return status;
}

/* ---- open ---- */

static bool is_same_file(int fd, const char *path) {
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

hl_status hl_partial_open(hl_partial *p, hl_err *err) {
    struct stat st;
    for (;;) {
        hl_status status = hl_file_open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644, &p->fd, &st, err);
        if (status != HL_OK) return status;
        if (flock(p->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            (void)close(p->fd);
            p->fd = -1;
            p->is_others = true;
            return hl_fail(err, HL_E_BUSY, "'%s' is being downloaded by another process", p->path);
        }
        if (is_same_file(p->fd, p->path)) break;
        (void)close(p->fd); /* it got its name among the blobs, or was deleted, between the two steps */
        p->fd = -1;
    }
    if (fstat(p->fd, &st) != 0)
        return hl_fail(err, hl_errno_io(errno), "stat '%s': %s", p->path, strerror(errno));
    return read_map(p, (uint64_t)st.st_size, err);
}

uint64_t hl_partial_look(const hl_partial *p) {
    char     text[AT_OFFSET + HL_PARTIAL_MARK_BYTES + 40], mark[HL_PARTIAL_MARK_BYTES];
    uint64_t size = 0, at = 0;
    int      fd = -1;
    if (hl_file_open(p->map_path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, NULL) != HL_OK) return 0;
    const ssize_t n = pread(fd, text, sizeof text, 0);
    (void)close(fd);
    return n > 0 && read_head((hl_view){text, (size_t)n}, &size, &at, mark) ? at : 0;
}

/* ---- write ---- */

/* Written over, under the lock of the file itself: bytes that stay what they are stay readable throughout,
 * and what a crash leaves of longer lines behind them is found out by the hash. */
static hl_status write_map(hl_partial *p, hl_err *err) {
    hl_str    text;
    hl_status status = HL_OK;
    hl_str_init(&text, MAX_MAP_BYTES);
    hl_str_add_format(&text, HEAD_FORMAT, p->size_bytes,
                      p->n_checkpoints ? p->checkpoints[p->n_checkpoints - 1].at : 0, p->mark);
    for (size_t i = 0; i < p->n_checkpoints; i++)
        hl_str_add_format(&text, "%" PRIu64 " %s\n", p->checkpoints[i].at, p->checkpoints[i].sha256);
    status = hl_str_check(&text, "map of a download", err);
    if (status == HL_OK && p->map_fd < 0)
        status = hl_file_open(p->map_path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644, &p->map_fd, NULL, err);
    if (status == HL_OK && lseek(p->map_fd, 0, SEEK_SET) != 0)
        status = hl_fail(err, hl_errno_io(errno), "seek '%s': %s", p->map_path, strerror(errno));
    if (status == HL_OK) status = hl_file_write_fd(p->map_fd, p->map_path, text.ptr, text.len, err);
    if (status == HL_OK && ftruncate(p->map_fd, (off_t)text.len) != 0)
        status = hl_fail(err, hl_errno_io(errno), "cut '%s': %s", p->map_path, strerror(errno));
    hl_str_done(&text);
    return status;
}

/* What is allocated already counts as room. */
static hl_status ask_for_room(const hl_partial *p, hl_err *err) {
    struct stat st;
    if (p->size_bytes == UINT64_MAX || p->size_bytes == 0) return HL_OK;
    if (p->size_bytes > INT64_MAX)
        return hl_fail(err, HL_E_LIMIT, "a file of %" PRIu64 " bytes", p->size_bytes);
    const int why = hl_file_reserve(p->fd, p->size_bytes);
    if (!why) return HL_OK;
    const uint64_t there = fstat(p->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    const uint64_t room = hl_file_room(p->fd);
    return hl_fail(err, HL_E_IO,
                   "no room for it: %" PRIu64 " MB more are needed, %" PRIu64 " MB are free in '%s' (%s)",
                   (p->size_bytes > there ? p->size_bytes - there : 0) / 1000000, room / 1000000,
                   p->s->models_path, strerror(why));
}

hl_status hl_partial_begin(hl_partial *p, uint64_t size_bytes, const char *mark, hl_err *err) {
    char *to = p->mark;
    p->size_bytes = size_bytes;
    p->n_checkpoints = 0;
    for (const char *c = mark; *c && to < p->mark + sizeof p->mark - 1; c++)
        if (*c != '"' && *c >= 0x20 && *c < 0x7f) *to++ = *c;
    *to = '\0';
    const hl_status status = write_map(p, err);
    return status == HL_OK ? ask_for_room(p, err) : status;
}

void hl_partial_note(const hl_partial *p, uint64_t n_done) {
    char text[24];
    if (p->map_fd < 0) return;
    (void)snprintf(text, sizeof text, "%020" PRIu64, n_done);
    if (pwrite(p->map_fd, text, 20, AT_OFFSET) != 20) { /* it is for show */
    }
}

hl_status hl_partial_add(hl_partial *p, uint64_t at, const char *sha256, hl_err *err) {
    char      line[MAX_LINE];
    const int n = snprintf(line, sizeof line, "%" PRIu64 " %s\n", at, sha256);
    hl_status status = push(p, at, sha256, err);
    return status == HL_OK ? hl_file_write_fd(p->map_fd, p->map_path, line, (size_t)n, err) : status;
}

hl_status hl_partial_cut(hl_partial *p, size_t n, hl_err *err) {
    if (n < p->n_checkpoints) p->n_checkpoints = n;
    return write_map(p, err);
}

/* ---- the end ---- */

static void close_all(hl_partial *p) {
    if (p->fd >= 0) (void)close(p->fd);
    if (p->map_fd >= 0) (void)close(p->map_fd);
    p->fd = p->map_fd = -1;
    hl_free(p->checkpoints);
    p->checkpoints = NULL;
    p->n_checkpoints = p->cap = 0;
}

void hl_partial_settle(hl_partial *p) {
    (void)unlink(p->map_path);
    close_all(p);
}

void hl_partial_close(hl_partial *p) { close_all(p); }

void hl_partial_drop(hl_partial *p) {
    if (p->fd >= 0) { /* it is ours only while we hold its lock */
        (void)unlink(p->map_path);
        if (is_same_file(p->fd, p->path)) (void)unlink(p->path);
    }
    close_all(p);
}
