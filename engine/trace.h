/* SPDX-License-Identifier: MIT
 *
 * trace.h - static probes that perf, bpftrace and systemtap can see; a nop each when nobody looks.
 *
 * `perf list sdt_hyperlama:*` or `bpftrace -l 'usdt:./hyperlama:*'` names them. Built in where the
 * system has <sys/sdt.h> (Debian: systemtap-sdt-dev), nothing otherwise.
 */
#ifndef HL_ENGINE_TRACE_H
#define HL_ENGINE_TRACE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define HL_TRACE1(name, a)    DTRACE_PROBE1(hyperlama, name, a)
#define HL_TRACE2(name, a, b) DTRACE_PROBE2(hyperlama, name, a, b)
#endif
#endif

#ifndef HL_TRACE1
#define HL_TRACE1(name, a)    ((void)(a))
#define HL_TRACE2(name, a, b) ((void)(a), (void)(b))
#endif

#endif
