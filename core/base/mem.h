/* SPDX-License-Identifier: MIT
 *
 * mem.h - the one place where memory is taken from the system.
 *
 * Sizes are checked for overflow, and tests can make the k-th allocation fail. Everything that is
 * allocated here is freed with hl_free().
 */
#ifndef HL_CORE_BASE_MEM_H
#define HL_CORE_BASE_MEM_H

#include "hyperlama/base.h"

/* Return zeroed memory for n objects of `size` bytes, NULL when there is none or n * size overflows.
 * n or size 0 gives a valid pointer that must be freed. */
void *hl_new(size_t n, size_t size);

/* Grow or shrink; the new part is not zeroed. On failure NULL, and `p` stays valid. */
void *hl_resize(void *p, size_t n, size_t size);
/* Give what was freed back to the system, where the library keeps it for itself. Takes milliseconds. */
void hl_mem_give_back(void);

/* n bytes, not zeroed: for libraries that ask for memory through us. Tests see these fail, too. */
void *hl_alloc(size_t n);

/* Zeroed and aligned to 64 bytes: for anything that a kernel reads. */
void *hl_new_aligned(size_t n, size_t size);

void hl_free(void *p); /* NULL is allowed */

char *hl_strdup(const char *s);            /* NULL when there is no memory */
char *hl_strndup(const char *s, size_t n); /* exactly n bytes, terminated */

/* *ret = a * b, or a + b; false on overflow, *ret untouched. */
HL_MUST_CHECK bool hl_mul_size(size_t a, size_t b, size_t *ret);
HL_MUST_CHECK bool hl_add_size(size_t a, size_t b, size_t *ret);

/* Fault injection for tests: let `n_ok` more allocations succeed, then fail `n_fail` of them
 * (SIZE_MAX: for ever). (SIZE_MAX, 0) switches it off. Not for use while other threads allocate. */
void   hl_mem_fail_after(size_t n_ok, size_t n_fail);
size_t hl_mem_n_allocs(void); /* since the program started */

#endif
