/* SPDX-License-Identifier: MIT
 *
 * clock.h - monotonic time for durations, wall time for stamps.
 */
#ifndef HL_CORE_BASE_CLOCK_H
#define HL_CORE_BASE_CLOCK_H

#include <stdint.h>

int64_t hl_clock_ns(void);      /* monotonic; only differences mean anything */
int64_t hl_clock_wall_ms(void); /* since 1970-01-01 UTC */

#endif
