/* SPDX-License-Identifier: MIT
 *
 * retry_after.h - what a server's Retry-After says (RFC 9110, section 10.2.3).
 */
#ifndef HL_CORE_NET_RETRY_AFTER_H
#define HL_CORE_NET_RETRY_AFTER_H

#include "core/base/str.h"

enum { HL_RETRY_AFTER_MOST_S = 1000000 };

/* Milliseconds from now, for a number of seconds or a date in one of HTTP's forms; a date that is over is 0,
 * and nothing is more than HL_RETRY_AFTER_MOST_S. -1: it is neither. */
int64_t hl_retry_after_ms(hl_view value);

#endif
