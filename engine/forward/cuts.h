/* SPDX-License-Identifier: MIT
 *
 * cuts.h - cut the work of a parallel region into chunks that begin large and end small.
 *
 * When decoding, a chunk streams weights from memory and loses some kilobytes' time at its start, so
 * chunks should be large; but the region ends with its slowest thread, so the last ones should be small.
 */
#ifndef HL_ENGINE_FORWARD_CUTS_H
#define HL_ENGINE_FORWARD_CUTS_H

#include <stdint.h>

enum { HL_MAX_CUTS = 512 };

/* Chunk i is units [at[i], at[i + 1]). */
typedef struct hl_cuts {
    uint32_t n;
    uint32_t at[HL_MAX_CUTS + 1];
} hl_cuts;

/* Each chunk takes its share of half of what is left, but at least min_units. n_units >= 1. */
static inline void hl_cuts_make(uint32_t n_units, uint32_t n_threads, uint32_t min_units, hl_cuts *ret) {
    uint32_t at = 0;
    ret->n = 0;
    while (at < n_units) {
        const uint32_t left = n_units - at;
        uint32_t       take = left / (2 * n_threads);
        if (take < min_units) take = min_units;
        if (take > left || ret->n + 1 == HL_MAX_CUTS) take = left;
        ret->at[ret->n++] = at;
        at += take;
    }
    ret->at[ret->n] = n_units;
}

#endif
