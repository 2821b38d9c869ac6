/* SPDX-License-Identifier: MIT
 *
 * io_faults.h - the k-th system call of the process that changes the disk fails, or the process is killed
 * just before it. Included once, by the program whose calls are to be caught: functions of the same names are
 * here.
 *
 * With HL_CATCH_MORE before the include: opening, unlinking and changing modes and times count, too, and a
 * `half` fault writes half of what was asked for first, as a disk does that gets full.
 */
#ifndef HL_TESTS_IO_FAULTS_H
#define HL_TESTS_IO_FAULTS_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    long n_left;   /* calls until the fault; -1: no fault */
    long n_calls;  /* seen while counting */
    int  error;    /* errno of the fault; 0: kill the process */
    bool for_ever; /* all later calls fail, too */
    bool half;     /* of a write is done before it fails */
    bool armed;
} fault = {.n_left = -1};

/* Count one call; true when it must fail. */
static bool hit(void) {
    if (!fault.armed) return false;
    fault.n_calls++;
    if (fault.n_left < 0) return false;
    if (fault.n_left > 0) {
        fault.n_left--;
        return false;
    }
    if (!fault.error) (void)kill(getpid(), SIGKILL);
    if (!fault.for_ever) fault.n_left = -1;
    errno = fault.error;
    return true;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

/* Written by the half that comes before the fault; the call after it fails. */
static ssize_t write_half(int fd, const void *p, size_t n) {
    const ssize_t done = REAL(ssize_t, write, int, const void *, size_t)(fd, p, n / 2);
    fault.half = false; /* the next call is the one that fails */
    return done;
}

ssize_t write(int fd, const void *p, size_t n) {
    if (fault.armed && fault.half && fault.n_left == 0 && n > 1) return write_half(fd, p, n);
    return hit() ? -1 : REAL(ssize_t, write, int, const void *, size_t)(fd, p, n);
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    return hit() ? -1 : REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, p, n, at);
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    return hit() ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, p, n, at);
}
int fsync(int fd) { return hit() ? -1 : REAL(int, fsync, int)(fd); }
int fdatasync(int fd) { return hit() ? -1 : REAL(int, fdatasync, int)(fd); }
int rename(const char *a, const char *b) {
    return hit() ? -1 : REAL(int, rename, const char *, const char *)(a, b);
}
int linkat(int a, const char *b, int c, const char *d, int e) {
    return hit() ? -1 : REAL(int, linkat, int, const char *, int, const char *, int)(a, b, c, d, e);
}
int mkdir(const char *path, mode_t mode) {
    return hit() ? -1 : REAL(int, mkdir, const char *, mode_t)(path, mode);
}
int ftruncate(int fd, off_t n) { return hit() ? -1 : REAL(int, ftruncate, int, off_t)(fd, n); }
int fallocate(int fd, int mode, off_t at, off_t n) {
    return hit() ? -1 : REAL(int, fallocate, int, int, off_t, off_t)(fd, mode, at, n);
}

#ifdef HL_CATCH_MORE
int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    const int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return hit() ? -1 : REAL(int, open, const char *, int, ...)(path, flags, mode);
}
int unlink(const char *path) { return hit() ? -1 : REAL(int, unlink, const char *)(path); }
int rmdir(const char *path) { return hit() ? -1 : REAL(int, rmdir, const char *)(path); }
int link(const char *a, const char *b) {
    return hit() ? -1 : REAL(int, link, const char *, const char *)(a, b);
}
int fchmod(int fd, mode_t mode) { return hit() ? -1 : REAL(int, fchmod, int, mode_t)(fd, mode); }
int futimens(int fd, const struct timespec t[2]) {
    return hit() ? -1 : REAL(int, futimens, int, const struct timespec *)(fd, t);
}
#endif

#endif
