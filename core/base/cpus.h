/* SPDX-License-Identifier: MIT
 *
 * cpus.h - how many processors this process may really use, and how much memory there is.
 */
#ifndef HL_CORE_BASE_CPUS_H
#define HL_CORE_BASE_CPUS_H

#include "hyperlama/base.h"

/* Physical cores in the affinity mask, cut to the cgroup's quota (rounded up); at least 1. */
int32_t hl_cpus_usable(void);

/* Processors that the cgroup's quota is worth, 2.5 say; 0: no quota. */
double hl_cpus_quota(void);

/* Logical processors that the calling thread may run on, now; one system call. */
int32_t hl_cpus_in_mask(void);

/* Logical processors of the machine, whoever may use them; at least 1. */
int32_t hl_cpus_installed(void);

/* Bytes that can still be taken: MemAvailable, or what the cgroup's limit leaves, whichever is less;
 * 0 when neither can be read. */
uint64_t hl_memory_available(void);

/* The cgroup's limit, this group's or one's above; 0: none that is less than what is installed. */
uint64_t hl_memory_limit(void);
uint64_t hl_memory_installed(void); /* of the machine; 0: unknown */
uint64_t hl_memory_resident(void);  /* that this process has taken, without mapped files; 0: unknown */

/* The same, reading /proc and /sys below another root: for tests. */
int32_t  hl_cpus_usable_below(const char *root);
double   hl_cpus_quota_below(const char *root);
uint64_t hl_memory_available_below(const char *root);
uint64_t hl_memory_limit_below(const char *root);
uint64_t hl_memory_installed_below(const char *root);

#endif
