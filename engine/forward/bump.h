/* SPDX-License-Identifier: MIT
 *
 * bump.h - cut one piece of memory into buffers, each on a cache line of its own.
 *
 * The same walk measures (memory NULL) and assigns. Where addresses are checked, buffers stand apart and what
 * lies between them may not be touched: in one mapping, what runs past the end of a buffer would otherwise be
 * seen by nobody.
 */
#ifndef HL_ENGINE_FORWARD_BUMP_H
#define HL_ENGINE_FORWARD_BUMP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HL_BUMP_CHECKED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HL_BUMP_CHECKED 1
#endif

#ifdef HL_BUMP_CHECKED
#include <sanitizer/asan_interface.h>
enum { HL_BUMP_GAP = 1024 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { HL_BUMP_GAP = 0 };
#endif

enum { HL_BUMP_LINE = 64 };

typedef struct hl_bump {
    uint8_t *memory; /* aligned to HL_BUMP_LINE; NULL: only measure */
    size_t   at;
} hl_bump;

/* n elements of `size` bytes; NULL while measuring. */
static inline void *hl_bump_take(hl_bump *b, size_t n, size_t size) {
    uint8_t     *p = b->memory ? b->memory + b->at : NULL;
    const size_t end = b->at + n * size;
    b->at = ((end + HL_BUMP_LINE - 1) & ~(size_t)(HL_BUMP_LINE - 1)) + HL_BUMP_GAP;
    if (b->memory) ASAN_POISON_MEMORY_REGION(b->memory + end, b->at - end);
    return p;
}

/* Before the memory is given back: what comes to these addresses next is somebody else's. */
static inline void hl_bump_done(void *memory, size_t n_bytes) {
    ASAN_UNPOISON_MEMORY_REGION(memory, n_bytes);
}

#endif
