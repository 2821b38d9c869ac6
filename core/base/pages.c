/* SPDX-License-Identifier: MIT
 *
 * pages.c - madvise().
 *
 * from: madvise(2); Linux mm/readahead.c, which reads no more per call than the device takes at once
 */
#define _GNU_SOURCE
#include "core/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* A larger call would be cut off silently at what a device takes at once (often 1,280 KiB). */
enum { READ_AHEAD_BYTES = 512 << 10 };

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void hl_pages_read_ahead(const void *data, size_t n_bytes) {
    const size_t    page = page_size();
    const uintptr_t end = (uintptr_t)data + n_bytes;
    for (uintptr_t at = (uintptr_t)data & ~(page - 1); at < end; at += READ_AHEAD_BYTES)
        (void)madvise((void *)at, end - at < READ_AHEAD_BYTES ? end - at : READ_AHEAD_BYTES, MADV_WILLNEED);
}

/* Whole pages only. */
static void advise_inside(const void *data, size_t n_bytes, int advice) {
    const size_t    page = page_size();
    const uintptr_t begin = ((uintptr_t)data + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)data + n_bytes) & ~(page - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, advice);
}

void hl_pages_read_singly(const void *data, size_t n_bytes) { advise_inside(data, n_bytes, MADV_RANDOM); }

void hl_pages_leave_first(const void *data, size_t n_bytes) {
#ifdef MADV_COLD
    advise_inside(data, n_bytes, MADV_COLD);
#else
    (void)data;
    (void)n_bytes;
#endif
}
