/* SPDX-License-Identifier: MIT
 *
 * map.c - mmap, and surviving a file that is truncated while mapped.
 *
 * The handler may only touch async-signal-safe things, so the table of maps is a fixed array of
 * atomics. A program has tens of maps; when the table is full a map simply is not protected.
 * It puts zeros from the fault to the end of the map at once: what is read is worthless anyway, and a
 * hole for every page would soon reach the system's limit of mappings (65,530).
 *
 * Whether others write to the file says inotify, to the event: times move in steps of some milliseconds, so
 * that a write right behind the opening leaves them as they were, and `touch` moves them though nothing is
 * written. What the kernel does not see done (a network's other clients, a map that is written to) shows in
 * the time alone, and so does everything when there is no watch to be had.
 * from: inotify(7)
 */
#define _GNU_SOURCE
#include "core/base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"

enum { MAX_MAPS = 1024, MAX_WATCHES = 16 /* users have 128 for all of their programs */ };

struct hl_map {
    uint8_t        *data;
    size_t          size;
    int             fd;    /* open as long as the map: tells whether the file was changed */
    int             watch; /* inotify: readable when somebody writes; -1: none */
    struct timespec mtime;
    int             i_slot; /* in `slots`; -1 when the table was full */
};

/* What the handler needs to know; it may look while another thread closes the map. */
typedef struct slot {
    atomic_bool        taken;
    _Atomic(uint8_t *) data; /* NULL: not (yet, or any more) in use */
    atomic_size_t      size;
    atomic_bool        broken;
} slot;

static slot   slots[MAX_MAPS];
static size_t page_bytes; /* written before the handler is installed */

static atomic_int n_watches;

static int watch_file(int fd) {
    char path[64];
    if (atomic_fetch_add(&n_watches, 1) < MAX_WATCHES) {
        const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (watch >= 0 && inotify_add_watch(watch, path, IN_MODIFY) >= 0) return watch;
        if (watch >= 0) (void)close(watch);
    }
    atomic_fetch_sub(&n_watches, 1);
    return -1;
}

static void unwatch(int watch) {
    if (watch < 0) return;
    (void)close(watch);
    atomic_fetch_sub(&n_watches, 1);
}

static void protect(hl_map *m) {
    m->i_slot = -1;
    for (int i = 0; i < MAX_MAPS; i++) {
        bool no = false;
        if (!atomic_compare_exchange_strong(&slots[i].taken, &no, true)) continue;
        atomic_store(&slots[i].broken, false);
        atomic_store(&slots[i].size, m->size);
        atomic_store(&slots[i].data, m->data);
        m->i_slot = i;
        return;
    }
}

static void unprotect(const hl_map *m) {
    if (m->i_slot < 0) return;
    atomic_store(&slots[m->i_slot].data, NULL);
    atomic_store(&slots[m->i_slot].taken, false);
}

hl_status hl_map_open(const char *path, hl_map **ret_map, hl_err *err) {
    hl_status   status = HL_OK;
    hl_map     *m = NULL;
    struct stat st;
    int         fd = -1;

    status = hl_file_open(path, O_RDONLY, 0, &fd, NULL, err);
    if (status != HL_OK) return status;
    const int watch = watch_file(fd); /* before anything of it is looked at */
    if (fstat(fd, &st) != 0) {
        status = hl_fail(err, hl_errno_io(errno), "'%s': %s", path, strerror(errno));
        goto fail;
    }
    if (st.st_size <= 0) {
        status = hl_fail(err, HL_E_FORMAT, "'%s' is empty", path);
        goto fail;
    }
    m = hl_new(1, sizeof *m);
    if (!m) {
        status = hl_fail(err, HL_E_NOMEM, "map '%s': no memory", path);
        goto fail;
    }
    m->size = (size_t)st.st_size;
    m->data = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    if (m->data == MAP_FAILED) {
        status = hl_fail(err, hl_errno_io(errno), "map '%s' (%zu bytes): %s", path, m->size, strerror(errno));
        goto fail;
    }
    m->fd = fd;
    m->watch = watch;
    m->mtime = st.st_mtim;
    protect(m);
    *ret_map = m;
    return HL_OK;
fail:
    unwatch(watch);
    (void)close(fd);
    hl_free(m);
    return status;
}

void hl_map_close(hl_map *m) {
    if (!m) return;
    unprotect(m);
    (void)munmap(m->data, m->size);
    unwatch(m->watch);
    (void)close(m->fd);
    hl_free(m);
}

const uint8_t *hl_map_data(const hl_map *m) { return m->data; }
size_t         hl_map_size(const hl_map *m) { return m->size; }

static bool is_same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* `touch` sets the time of the last read along with that of the last write; a write does not. */
static bool was_touched(const struct stat *st) {
    return is_same_time(st->st_atim, st->st_mtim) && is_same_time(st->st_ctim, st->st_mtim);
}

/* A file that loses only a part of its last page gives zeros there and no signal: ask for its size, too. */
bool hl_map_is_broken(const hl_map *m) {
    struct stat st;
    int         n_bytes = 0; /* of events that nobody takes: they stay */
    if (m->i_slot >= 0 && atomic_load(&slots[m->i_slot].broken)) return true;
    if (m->watch >= 0 && ioctl(m->watch, FIONREAD, &n_bytes) == 0 && n_bytes > 0) return true;
    if (fstat(m->fd, &st) != 0) return false;
    if ((uint64_t)st.st_size < m->size) return true;
    return !is_same_time(st.st_mtim, m->mtime) && !(m->watch >= 0 && was_touched(&st));
}

hl_status hl_map_read(const hl_map *m, size_t offset, void *to, size_t n_bytes, hl_err *err) {
    uint8_t *p = to;
    while (n_bytes > 0) {
        const ssize_t got = pread(m->fd, p, n_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return hl_fail(err, hl_errno_io(errno), "read at byte %zu: %s", offset, strerror(errno));
        if (got == 0) return hl_fail(err, HL_E_IO, "the file was cut short while it was read");
        p += got;
        offset += (size_t)got;
        n_bytes -= (size_t)got;
    }
    return HL_OK;
}

void hl_map_will_need(const hl_map *m, size_t offset, size_t n_bytes) {
    if (offset >= m->size) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t begin = offset & ~(page - 1);
    if (n_bytes > m->size - offset) n_bytes = m->size - offset;
    (void)madvise(m->data + begin, n_bytes + (offset - begin), MADV_WILLNEED); /* advice only */
}

static void on_bus_error(int sig, siginfo_t *info, void *context) {
    (void)context;
    const uint8_t *at = info->si_addr;
    for (int i = 0; i < MAX_MAPS; i++) {
        uint8_t     *data = atomic_load(&slots[i].data);
        const size_t size = atomic_load(&slots[i].size);
        if (!data || at < data || at >= data + size || atomic_load(&slots[i].data) != data) continue;
        uint8_t     *page = data + ((size_t)(at - data) & ~(page_bytes - 1));
        const size_t rest = (size_t)(data + size - page);
        /* the bare call: mmap() of a sanitizer is not made for signal handlers */
        if (syscall(SYS_mmap, page, rest, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == -1)
            break;
        atomic_store(&slots[i].broken, true);
        return;
    }
    (void)signal(sig, SIG_DFL); /* not ours: the faulting instruction runs again and ends the program */
}

void hl_map_install_fault_handler(void) {
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = on_bus_error;
    a.sa_flags = SA_SIGINFO;
    (void)sigaction(SIGBUS, &a, NULL);
}
