/* SPDX-License-Identifier: MIT
 *
 * cpus.h - how many processors this process may really use, and how much memory there is.
 */
#ifndef HL_CORE_BASE_CPUS_H
#define HL_CORE_BASE_CPUS_H

#include "hyperlama/base.h"

/* Physical cores in the affinity mask, cut to the cgroup's quota (rounded up); at least 1. */
int32_t hl_cpus_usable(void);

/* Bytes that can still be taken: MemAvailable, or what the cgroup's limit leaves, whichever is less;
 * 0 when neither can be read. */
uint64_t hl_memory_available(void);

#endif
