/* SPDX-License-Identifier: MIT
 *
 * history.c - entries are lines; a newline inside an entry is written \n, a backslash \\.
 *
 * Whoever writes holds a lock on the file and looks whether it still is the file of that name. A line
 * without its end was never written whole (killed, no room): it counts for nothing, and the next writer takes
 * it away. The file is cut by way of FILE.tmp; one that somebody left is deleted by the next cut. Others'
 * access is taken away when it is there.
 */
#define _GNU_SOURCE
#include "cli/term/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"

enum {
    MAX_FILE_BYTES = 16 << 20,
    MAX_ENTRY_BYTES = 64 << 10,
    LOCK_TRIES = 100, /* of 2 ms: a stopped program may hold it, and a chat does not wait for one */
    LOCK_WAIT_NS = 2000000,
    MAX_OPENS = 4,
};

/* True also where a file system has no locks. */
static bool lock_file(int fd) {
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return false;
}

/* Open and lock the file that has the name; while we waited another one may have taken its place. -1: none,
 * or somebody holds it. Closing it gives the lock back. */
static int open_locked(const char *path, int flags, struct stat *ret_st) {
    for (int i = 0; i < MAX_OPENS; i++) {
        struct stat named;
        int         fd = -1;
        if (hl_file_open(path, flags, 0600, &fd, NULL, NULL) != HL_OK) return -1;
        const bool is_mine = lock_file(fd) && fstat(fd, ret_st) == 0;
        if (is_mine && stat(path, &named) == 0 && named.st_ino == ret_st->st_ino &&
            named.st_dev == ret_st->st_dev)
            return fd;
        (void)close(fd);
        if (!is_mine) return -1;
    }
    return -1;
}

static char *read_file(int fd, const struct stat *st, size_t *ret_len, bool *ret_whole) {
    const off_t  skip = st->st_size > MAX_FILE_BYTES ? st->st_size - MAX_FILE_BYTES : 0;
    const size_t n = (size_t)(st->st_size - skip);
    size_t       have = 0;
    char        *text = hl_new(n + 1, 1);
    while (text && have < n) {
        const ssize_t got = pread(fd, text + have, n - have, skip + (off_t)have);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += (size_t)got;
    }
    *ret_len = have;
    *ret_whole = text && have == n;
    return text;
}

static void add_decoded(hl_str *out, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            hl_str_add_char(out, p[i] == 'n' ? '\n' : p[i]);
        } else {
            hl_str_add_char(out, p[i]);
        }
    }
}

/* Where the last n lines of the text begin. */
static size_t find_tail(const char *text, size_t len, int n_lines) {
    size_t at = len;
    if (at > 0 && text[at - 1] == '\n') at--;
    for (; at > 0; at--) {
        if (text[at - 1] == '\n' && --n_lines <= 0) return at;
    }
    return 0;
}

/* The file is locked, and `text` is what it ends in. */
static void cut_file(const char *path, const char *text, size_t len) {
    char tmp[4200];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", path) >= sizeof tmp) return;
    (void)unlink(tmp); /* of a program that died */
    const int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    const bool ok = hl_file_write_fd(fd, tmp, text, len, NULL) == HL_OK && fsync(fd) == 0;
    if ((close(fd) != 0) | !ok || rename(tmp, path) != 0) (void)unlink(tmp);
}

void hl_history_load(const char *path, int n_max, void (*fn)(void *user, const char *line), void *user) {
    struct stat st = {0};
    size_t      len = 0;
    bool        is_whole = false, is_locked = true;
    int         fd = n_max > 0 ? open_locked(path, O_RDONLY | O_NOFOLLOW, &st) : -1;
    if (fd < 0 && n_max > 0) { /* somebody holds it: reading needs no lock */
        is_locked = false;
        if (hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, &st, NULL) != HL_OK) return;
    }
    char *text = fd >= 0 ? read_file(fd, &st, &len, &is_whole) : NULL;
    while (text && len > 0 && text[len - 1] != '\n') len--; /* was never written whole */
    const size_t start = text ? find_tail(text, len, n_max) : 0;
    if (is_whole && is_locked && find_tail(text, len, 2 * n_max) > 0)
        cut_file(path, text + start, len - start);
    if (fd >= 0) (void)close(fd);
    hl_str entry;
    hl_str_init(&entry, MAX_ENTRY_BYTES);
    for (size_t i = start; text && i < len;) {
        const char  *nl = memchr(text + i, '\n', len - i);
        const size_t n = nl ? (size_t)(nl - (text + i)) : len - i;
        hl_str_clear(&entry);
        add_decoded(&entry, text + i, n);
        if (!entry.failed && entry.len > 0) fn(user, hl_str_text(&entry));
        i += n + 1;
    }
    hl_str_done(&entry);
    hl_free(text);
}

/* Where the last whole line ends; -1: it cannot be read. A line longer than any entry stays what it is. */
static off_t find_end(int fd, off_t size) {
    const off_t  from = size > MAX_ENTRY_BYTES + 1 ? size - MAX_ENTRY_BYTES - 1 : 0;
    const size_t n = (size_t)(size - from);
    char         last = 0;
    if (size == 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n')) return size;
    char       *text = hl_new(n, 1);
    const bool  is_read = text && pread(fd, text, n, from) == (ssize_t)n;
    const char *nl = is_read ? memrchr(text, '\n', n) : NULL;
    const off_t end = !is_read ? -1 : nl ? from + (nl - text) + 1 : from > 0 ? size : 0;
    hl_free(text);
    return end;
}

/* All of it or nothing. */
static bool append(int fd, const struct stat *st, const hl_str *entry) {
    const off_t end = find_end(fd, st->st_size);
    if (end < 0 || fchmod(fd, 0600) != 0 || (end < st->st_size && ftruncate(fd, end) != 0)) return false;
    if (hl_file_write_fd(fd, "history", entry->ptr, entry->len, NULL) == HL_OK) return true;
    const bool is_back = ftruncate(fd, end) == 0;
    (void)is_back; /* else the next writer takes the half line away */
    return false;
}

bool hl_history_add(const char *path, const char *line) {
    hl_str entry;
    hl_str_init(&entry, MAX_ENTRY_BYTES);
    for (const char *p = line; *p; p++) {
        if (*p == '\n')
            hl_str_add_text(&entry, "\\n");
        else if (*p == '\\')
            hl_str_add_text(&entry, "\\\\");
        else
            hl_str_add_char(&entry, *p);
    }
    hl_str_add_char(&entry, '\n');
    struct stat st;
    const int   fd = entry.failed ? -1 : open_locked(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, &st);
    bool        ok = fd >= 0 && append(fd, &st, &entry);
    if (fd >= 0) ok = close(fd) == 0 && ok;
    hl_str_done(&entry);
    return ok;
}
