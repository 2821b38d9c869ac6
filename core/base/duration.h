/* SPDX-License-Identifier: MIT
 *
 * duration.h - "1h30m", as people and Go programs write it.
 */
#ifndef HL_CORE_BASE_DURATION_H
#define HL_CORE_BASE_DURATION_H

#include <stdbool.h>

/* A sum of numbers with units (ns us ms s m h), or 0; a minus in front counts for all of it. False: something
 * else. from: the Go documentation of time.ParseDuration */
bool hl_duration_parse(const char *text, double *ret_ms);

#endif
