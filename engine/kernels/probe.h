/* SPDX-License-Identifier: MIT
 *
 * probe.h - what a core can do at most, for benchmarks: stream memory, multiply small integers.
 */
#ifndef HL_ENGINE_KERNELS_PROBE_H
#define HL_ENGINE_KERNELS_PROBE_H

#include "hyperlama/base.h"

/* Read n bytes (a multiple of 512, aligned to 64) as several parallel streams; the sum keeps the reads
 * alive. */
typedef uint64_t hl_probe_read_fn(size_t n, const void *p);

/* Do n rounds of the int8 dot products that panels are made of, on registers alone; returns how many
 * multiply-accumulates that was. */
typedef uint64_t hl_probe_int8_fn(size_t n);

#endif
