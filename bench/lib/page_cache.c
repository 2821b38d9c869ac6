/* SPDX-License-Identifier: MIT
 *
 * page_cache.c - POSIX_FADV_DONTNEED, and mincore() to see what it did.
 *
 * from: posix_fadvise(2), mincore(2)
 */
#define _GNU_SOURCE /* mincore() */
#include "bench/lib/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"

/* Pages of the file, and how many of them are in memory; all of them when that cannot be known. */
static void count_pages(int fd, size_t n_bytes, size_t page_bytes, size_t *n_pages, size_t *n_there) {
    const size_t   n = (n_bytes + page_bytes - 1) / page_bytes;
    size_t         n_kept = n;
    unsigned char *there = hl_new(n, 1);
    void          *map = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (there && map != MAP_FAILED && mincore(map, n_bytes, there) == 0) {
        n_kept = 0;
        for (size_t i = 0; i < n; i++) n_kept += there[i] & 1;
    }
    if (map != MAP_FAILED) (void)munmap(map, n_bytes);
    hl_free(there);
    *n_pages += n;
    *n_there += n_kept;
}

double hl_page_cache_drop(const char *const *paths, size_t n_paths) {
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t       n_pages = 0, n_there = 0;
    for (size_t i = 0; i < n_paths; i++) {
        struct stat st;
        int         fd = -1;
        if (hl_file_open(paths[i], O_RDONLY, 0, &fd, &st, NULL) != HL_OK) return 1;
        (void)fdatasync(fd); /* pages that are not on disk yet cannot go */
        if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && st.st_size > 0)
            count_pages(fd, (size_t)st.st_size, page_bytes, &n_pages, &n_there);
        (void)close(fd);
    }
    return n_pages ? (double)n_there / (double)n_pages : 1;
}
