/* SPDX-License-Identifier: MIT
 *
 * cpus.h - how many processors this process may really use, and how much memory there is.
 */
#ifndef HL_CORE_BASE_CPUS_H
#define HL_CORE_BASE_CPUS_H

#include "hyperlama/base.h"

/* Physical cores in the affinity mask, cut to the cgroup's quota (rounded up); at least 1. */
int32_t hl_cpus_usable(void);

/* Logical processors that the calling thread may run on, now; one system call. */
int32_t hl_cpus_in_mask(void);

/* Logical processors of the machine, whoever may use them; at least 1. */
int32_t hl_cpus_installed(void);

/* Bytes that can still be taken: MemAvailable, or what the cgroup's limit leaves, whichever is less;
 * 0 when neither can be read. */
uint64_t hl_memory_available(void);

/* The same, reading /proc and /sys below another root: for tests. */
int32_t  hl_cpus_usable_below(const char *root);
uint64_t hl_memory_available_below(const char *root);

#endif
