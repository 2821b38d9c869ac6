/* SPDX-License-Identifier: MIT
 *
 * file.c - whole files on a POSIX system.
 */
#define _GNU_SOURCE
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#include "core/base/mem.h"
#include "core/base/stop.h"

enum { CHUNK_BYTES = 1 << 20, FIRST_READ_BYTES = 4096, MAX_TRIES = 100 };

hl_status hl_errno_status(int error) { return error == ENOENT ? HL_E_NOT_FOUND : hl_errno_io(error); }

hl_status hl_errno_io(int error) {
    if (error == EMFILE || error == ENFILE) return HL_E_BUSY;
    return error == ENOMEM ? HL_E_NOMEM : HL_E_IO;
}

static hl_status fail_io(hl_err *err, const char *what, const char *path, int e) {
    return hl_fail(err, hl_errno_status(e), "%s '%s': %s", what, path, strerror(e));
}

static const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISLNK(mode)) return "a symbolic link";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "no regular file";
}

static hl_status fail_kind(hl_err *err, const char *path, mode_t mode) {
    return hl_fail(err, HL_E_IO, "'%s' is %s, expected a file", path, kind_of(mode));
}

hl_status hl_file_open(const char *path, int flags, int mode, int *ret_fd, struct stat *ret_st, hl_err *err) {
    struct stat st;
    /* Asked before opening, too: opening a device may do something. */
    if ((flags & O_NOFOLLOW ? lstat(path, &st) : stat(path, &st)) == 0 && !S_ISREG(st.st_mode))
        return fail_kind(err, path, st.st_mode);
    const int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0) return fail_io(err, "open", path, errno);
    hl_status status = HL_OK;
    if (fstat(fd, &st) != 0)
        status = fail_io(err, "stat", path, errno);
    else if (!S_ISREG(st.st_mode))
        status = fail_kind(err, path, st.st_mode);
    if (status != HL_OK) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    if (ret_st) *ret_st = st;
    return HL_OK;
}

/* Like read(2), going on after signals. */
static ssize_t read_some(int fd, void *p, size_t n) {
    ssize_t got;
    do got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* The size that stat gives is a hint only: files of /proc say 0, and a file may grow meanwhile. */
static hl_status read_all(int fd, const char *path, size_t hint, size_t limit_bytes, char **ret,
                          size_t *ret_len, hl_err *err) {
    size_t cap = hint < limit_bytes ? hint : limit_bytes, len = 0;
    char  *data = hl_new(cap + 2, 1); /* one more than the limit shows that it is passed, one ends the text */
    if (!data) return hl_fail(err, HL_E_NOMEM, "read '%s': no memory for %zu bytes", path, cap);
    for (;;) {
        const ssize_t got = read_some(fd, data + len, cap + 1 - len);
        if (got < 0) {
            const hl_status status = fail_io(err, "read", path, errno);
            hl_free(data);
            return status;
        }
        if (got == 0) break;
        len += (size_t)got;
        if (len > limit_bytes) {
            hl_free(data);
            return hl_fail(err, HL_E_LIMIT, "'%s' is longer than the limit of %zu bytes", path, limit_bytes);
        }
        if (len <= cap) continue;
        size_t more = cap < FIRST_READ_BYTES ? FIRST_READ_BYTES : cap > SIZE_MAX / 4 ? SIZE_MAX / 2 : 2 * cap;
        if (more > limit_bytes) more = limit_bytes;
        char *grown = hl_resize(data, more + 2, 1);
        if (!grown) {
            hl_free(data);
            return hl_fail(err, HL_E_NOMEM, "read '%s': no memory for %zu bytes", path, more);
        }
        data = grown;
        cap = more;
    }
    data[len] = '\0';
    *ret = data;
    *ret_len = len;
    return HL_OK;
}

hl_status hl_file_read(const char *path, size_t limit_bytes, char **ret_data, size_t *ret_len, hl_err *err) {
    struct stat st;
    int         fd = -1;
    hl_status   status = hl_file_open(path, O_RDONLY, 0, &fd, &st, err);
    if (status != HL_OK) return status;
    if (limit_bytes > SIZE_MAX - 2) limit_bytes = SIZE_MAX - 2;
    if ((uint64_t)st.st_size > limit_bytes)
        status = hl_fail(err, HL_E_LIMIT, "'%s' has %lld bytes, more than the limit of %zu", path,
                         (long long)st.st_size, limit_bytes);
    else
        status = read_all(fd, path, (size_t)st.st_size, limit_bytes, ret_data, ret_len, err);
    (void)close(fd);
    return status;
}

hl_status hl_file_write_fd(int fd, const char *path, const void *data, size_t n, hl_err *err) {
    const char *at = data;
    while (n > 0) {
        const ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return hl_fail(err, HL_E_IO, "write '%s': %s", path, strerror(put < 0 ? errno : EIO));
        at += put;
        n -= (size_t)put;
    }
    return HL_OK;
}

/* Create "<path>.<pid>-<i>.partial", a name nobody has. */
static int create_beside(const char *path, int mode, char *tmp, size_t cap) {
    for (int i = 0; i < MAX_TRIES; i++) {
        const int len = snprintf(tmp, cap, "%s.%ld-%d.partial", path, (long)getpid(), i);
        if (len < 0 || (size_t)len >= cap) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

hl_status hl_file_write_atomic(const char *path, const void *data, size_t n, int mode, hl_err *err) {
    char tmp[PATH_MAX], dir[PATH_MAX];
    if (!hl_path_dir(path, dir, sizeof dir)) return fail_io(err, "write", path, ENAMETOOLONG);
    int fd = create_beside(path, mode, tmp, sizeof tmp);
    if (fd < 0)
        return hl_fail(err, hl_errno_io(errno), "create a file beside '%s': %s", path, strerror(errno));

    hl_status status = hl_file_write_fd(fd, tmp, data, n, err);
    if (status == HL_OK && fsync(fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", tmp, strerror(errno));
    if (close(fd) != 0 && status == HL_OK)
        status = hl_fail(err, hl_errno_io(errno), "close '%s': %s", tmp, strerror(errno));
    if (status == HL_OK && rename(tmp, path) != 0)
        status = hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", path, strerror(errno));
    if (status != HL_OK) {
        (void)unlink(tmp); /* best effort: the first error is the one to report */
        return status;
    }
    return hl_dir_sync(dir, err);
}

hl_status hl_dir_make(const char *path, int mode, hl_err *err) {
    char         part[PATH_MAX];
    const size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return hl_fail(err, HL_E_ARG, "make folder '%s': expected a path of 1..%zu bytes", path,
                       sizeof part - 1);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        const char  kept = part[i];
        struct stat st;
        part[i] = '\0';
        if (mkdir(part, (mode_t)mode) != 0) {
            const int e = errno;
            if (stat(part, &st) != 0) return hl_fail(err, HL_E_IO, "make folder '%s': %s", part, strerror(e));
            if (!S_ISDIR(st.st_mode))
                return hl_fail(err, HL_E_IO, "make folder '%s': '%s' is not a folder", path, part);
        }
        part[i] = kept;
    }
    return HL_OK;
}

hl_status hl_dir_sync(const char *path, hl_err *err) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return hl_fail(err, hl_errno_io(errno), "open folder '%s': %s", path, strerror(errno));
    hl_status status = HL_OK;
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) /* some file systems cannot */
        status = hl_fail(err, hl_errno_io(errno), "sync folder '%s': %s", path, strerror(errno));
    (void)close(fd);
    return status;
}

bool hl_path_dir(const char *path, char *ret, size_t cap) {
    const char  *slash = strrchr(path, '/');
    const size_t len = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (len + 2 > cap) return false;
    if (!slash) {
        ret[0] = '.';
        ret[1] = '\0';
        return true;
    }
    memcpy(ret, path, len);
    ret[len] = '\0';
    return true;
}

hl_status hl_file_walk(int fd, const char *path, hl_file_chunk_fn *fn, void *user, hl_err *err) {
    hl_status status = HL_OK;
    off_t     at = 0;
    char     *buf = hl_new_aligned(CHUNK_BYTES, 1);
    if (!buf) return hl_fail(err, HL_E_NOMEM, "read '%s': no memory for %d bytes", path, CHUNK_BYTES);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (status == HL_OK) {
        const ssize_t got = pread(fd, buf, CHUNK_BYTES, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = fail_io(err, "read", path, errno);
        if (got <= 0) break;
        at += got;
        status = hl_stop_check(path, err);
        if (status == HL_OK) status = fn(user, buf, (size_t)got, err);
    }
    hl_free(buf);
    return status;
}

bool hl_file_clone(int from_fd, int to_fd) {
#ifdef FICLONE
    return ioctl(to_fd, FICLONE, from_fd) == 0;
#else
    (void)from_fd;
    (void)to_fd;
    return false;
#endif
}
