/* SPDX-License-Identifier: MIT
 *
 * ask_ahead.h - ask for memory that will be read soon, all of it at once.
 *
 * For kernels that do not spread the requests over their work. Into the second level: more of them can be on
 * their way there. A request for memory that does not exist is harmless.
 */
#ifndef HL_ENGINE_KERNELS_ASK_AHEAD_H
#define HL_ENGINE_KERNELS_ASK_AHEAD_H

#include <stddef.h>
#include <stdint.h>

static inline void hl_ask_ahead(const uint8_t *at, size_t n_bytes) {
    enum { LINE_BYTES = 64 };
    for (size_t i = 0; i < n_bytes; i += LINE_BYTES) __builtin_prefetch(at + i, 0, 2);
}

#endif
