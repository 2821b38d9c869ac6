/* SPDX-License-Identifier: MIT
 *
 * machine.h - what can be known about this computer, for info, doctor and bench.
 */
#ifndef HL_BENCH_LIB_MACHINE_H
#define HL_BENCH_LIB_MACHINE_H

#include "hyperlama/base.h"

typedef struct hl_machine {
    char     host[80];
    char     system[160];                   /* "Linux 6.1.0 x86_64" */
    char     cpu[120];                      /* the processor's own name; "unknown" */
    int      n_cores;                       /* that this process may use: so many threads are the default */
    int      n_cpus;                        /* logical processors in the affinity mask */
    uint64_t memory_bytes, available_bytes; /* of the machine, and what can still be had; 0: unknown */
    uint64_t limit_bytes;                   /* of the cgroup; 0: none */
    double   quota_cpus;                    /* of the cgroup; 0: none */
} hl_machine;

void hl_machine_init(hl_machine *m);

#endif
