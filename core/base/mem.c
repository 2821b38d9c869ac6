/* SPDX-License-Identifier: MIT
 *
 * mem.c - allocation with overflow checks and a fault-injection seam.
 */
#define _GNU_SOURCE
#include "core/base/mem.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The counters are the seam of tests/fault and nothing else reads them. */
static atomic_size_t n_allocs;
static atomic_size_t n_left_ok = SIZE_MAX;
static atomic_size_t n_left_fail;

static bool may_allocate(void) {
    atomic_fetch_add_explicit(&n_allocs, 1, memory_order_relaxed);
    const size_t ok = atomic_load_explicit(&n_left_ok, memory_order_relaxed);
    if (ok == SIZE_MAX) return true;
    if (ok > 0) {
        atomic_store_explicit(&n_left_ok, ok - 1, memory_order_relaxed);
        return true;
    }
    const size_t bad = atomic_load_explicit(&n_left_fail, memory_order_relaxed);
    if (bad == 0) return true;
    if (bad != SIZE_MAX) atomic_store_explicit(&n_left_fail, bad - 1, memory_order_relaxed);
    return false;
}

void hl_mem_give_back(void) {
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void hl_mem_fail_after(size_t n_ok, size_t n_fail) {
    atomic_store(&n_left_fail, n_fail);
    atomic_store(&n_left_ok, n_ok);
}

size_t hl_mem_n_allocs(void) { return atomic_load(&n_allocs); }

bool hl_mul_size(size_t a, size_t b, size_t *ret) { return !__builtin_mul_overflow(a, b, ret); }
bool hl_add_size(size_t a, size_t b, size_t *ret) { return !__builtin_add_overflow(a, b, ret); }

void *hl_new(size_t n, size_t size) {
    size_t bytes = 0;
    if (!hl_mul_size(n, size, &bytes) || !may_allocate()) return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *hl_alloc(size_t n) { return hl_resize(NULL, n, 1); }

void *hl_resize(void *p, size_t n, size_t size) {
    size_t bytes = 0;
    if (!hl_mul_size(n, size, &bytes) || !may_allocate()) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void *hl_new_aligned(size_t n, size_t size) {
    size_t bytes = 0;
    if (!hl_mul_size(n, size, &bytes) || !hl_add_size(bytes, 64, &bytes) || !may_allocate()) return NULL;
    bytes &= ~(size_t)63;
    if (bytes == 0) bytes = 64;
    void *p = aligned_alloc(64, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void hl_free(void *p) { free(p); }

char *hl_strndup(const char *s, size_t n) {
    size_t bytes = 0;
    if (!hl_add_size(n, 1, &bytes)) return NULL;
    char *p = hl_new(bytes, 1);
    if (p && n) memcpy(p, s, n);
    return p;
}

char *hl_strdup(const char *s) { return hl_strndup(s, strlen(s)); }
