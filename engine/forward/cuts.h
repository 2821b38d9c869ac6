/* SPDX-License-Identifier: MIT
 *
 * cuts.h - cut the work of a parallel region into chunks that begin large and end small.
 *
 * When decoding, a chunk streams weights from memory and loses some kilobytes' time at its start, so
 * chunks should be large; but the region ends with its slowest thread, so the last ones should be small.
 * No chunk is so long that a request to stop, looked at between chunks, would be seen late.
 */
#ifndef HL_ENGINE_FORWARD_CUTS_H
#define HL_ENGINE_FORWARD_CUTS_H

#include <stddef.h>
#include <stdint.h>

enum { HL_MAX_CUTS = 512 };

/* Chunk i is units [at[i], at[i + 1]). */
typedef struct hl_cuts {
    uint32_t n;
    uint32_t at[HL_MAX_CUTS + 1];
} hl_cuts;

/* The longest chunk: 2 to 5 ms of a core's int8 products, a tenth of a second without vector instructions. */
#define HL_CUT_MACS ((uint64_t)1 << 27)

/* The smallest chunk of a matrix, in units of unit_bytes. With many rows a unit is work enough; with few, a
 * chunk is least_bytes of weights or a little more, so that streams from memory are long. */
enum { HL_CUT_LEAST_BYTES = 96 << 10, HL_CUT_LEAST_EXPERT_BYTES = 64 << 10 };
static inline uint32_t hl_cuts_min_units(size_t n_rows, size_t unit_bytes, size_t least_bytes) {
    enum { MANY_ROWS = 16 };
    return n_rows >= MANY_ROWS ? 1 : (uint32_t)(least_bytes / unit_bytes) + 1;
}

/* Each chunk takes its share of half of what is left, but at least min_units (more where HL_MAX_CUTS would
 * not do) and at most HL_CUT_MACS. When only a few of the smallest chunks are left for each thread, these are
 * made even and as many for one thread as for the other: of 18 units and chunks of 6, one thread would have
 * two and the other one. n_units and macs_per_unit >= 1. */
static inline void hl_cuts_make(uint32_t n_units, uint32_t n_threads, uint32_t min_units,
                                uint64_t macs_per_unit, hl_cuts *ret) {
    enum { LAST_ROUNDS = 4 };
    const uint32_t fewest = (n_units + HL_MAX_CUTS - 1) / HL_MAX_CUTS;
    const uint64_t most = HL_CUT_MACS / macs_per_unit;
    uint32_t       at = 0, n_last = 0; /* n_last: even chunks that are to come, 0 before that is known */
    ret->n = 0;
    while (at < n_units) {
        const uint32_t left = n_units - at;
        uint32_t       take = left / (2 * n_threads);
        const uint64_t rounds = left / ((uint64_t)n_threads * min_units);
        if (n_last == 0 && rounds < LAST_ROUNDS) n_last = (uint32_t)(rounds > 0 ? rounds : 1) * n_threads;
        if (n_last > 0) take = left / n_last + (left % n_last > 0);
        if (n_last > 1) n_last--;
        if (take > most) take = (uint32_t)most;
        if (take < min_units) take = min_units;
        if (take < fewest) take = fewest;
        if (take > left || ret->n + 1 == HL_MAX_CUTS) take = left;
        ret->at[ret->n++] = at;
        at += take;
    }
    ret->at[ret->n] = n_units;
}

#endif
