/* SPDX-License-Identifier: MIT
 *
 * alloc_shim.c - preloaded into any program: the k-th allocation of the process fails, whoever asks.
 *
 * HL_FAIL_AT=k: which one (counted from 1; 0: none). HL_FAIL_MORE=n: so many after it fail, too.
 * HL_COUNT_TO=path: the number of allocations is written there at the end. The loader's and the constructors'
 * are left alone: counting begins with main(). Anonymous mappings of the program itself count; those that
 * libc makes inside do not come by here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static atomic_ulong  n_asked;
static atomic_bool   is_on;
static unsigned long fail_at, fail_more;

static bool may(void) {
    if (!atomic_load(&is_on)) return true;
    const unsigned long i = atomic_fetch_add(&n_asked, 1) + 1;
    if (fail_at == 0 || i < fail_at || i - fail_at > fail_more) return true;
    errno = ENOMEM;
    return false;
}

void *malloc(size_t n) { return may() ? __libc_malloc(n) : NULL; }
void *calloc(size_t n, size_t size) { return may() ? __libc_calloc(n, size) : NULL; }
void *realloc(void *p, size_t n) { return (p && n == 0) || may() ? __libc_realloc(p, n) : NULL; }
void *memalign(size_t alignment, size_t n) { return may() ? __libc_memalign(alignment, n) : NULL; }
void *aligned_alloc(size_t alignment, size_t n) { return memalign(alignment, n); }

int posix_memalign(void **ret, size_t alignment, size_t n) {
    const int saved = errno;
    void     *p = memalign(alignment, n);
    errno = saved;
    if (!p) return ENOMEM;
    *ret = p;
    return 0;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_ANONYMOUS) && !may()) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

static unsigned long number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

static int count_fd = -1; /* opened first: a program may lock itself in */

static void write_count(void) {
    char text[32];
    atomic_store(&is_on, false);
    if (count_fd < 0) return;
    const int n = snprintf(text, sizeof text, "%lu\n", atomic_load(&n_asked));
    (void)!write(count_fd, text, (size_t)n);
    (void)close(count_fd);
}

static int (*true_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **envp) {
    fail_at = number("HL_FAIL_AT");
    fail_more = number("HL_FAIL_MORE");
    const char *path = getenv("HL_COUNT_TO");
    if (path) count_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)atexit(write_count);
    atomic_store(&is_on, true);
    return true_main(argc, argv, envp);
}

int __libc_start_main(int (*fn)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void),
                void *);
    *(void **)&next = dlsym(RTLD_NEXT, "__libc_start_main");
    true_main = fn;
    return next(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
