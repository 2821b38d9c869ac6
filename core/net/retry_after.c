/* SPDX-License-Identifier: MIT
 *
 * retry_after.c - seconds, or a date.
 */
#include "core/net/retry_after.h"

#include <curl/curl.h>
#include <string.h>

#include "core/base/clock.h"

/* Seconds until a date, "Wed, 21 Oct 2099 07:28:00 GMT"; 0: it is over. -1: no date. It begins with the name
 * of a day: curl's reader takes more than HTTP has. */
static int64_t seconds_until(hl_view date) {
    char text[64];
    if (date.len >= sizeof text || !date.ptr[0] || !strchr("MTWFS", date.ptr[0])) return -1;
    memcpy(text, date.ptr, date.len);
    text[date.len] = '\0';
    const int64_t at = (int64_t)curl_getdate(text, NULL), now = hl_clock_wall_ms() / 1000;
    return at < 0 ? -1 : at > now ? at - now : 0;
}

int64_t hl_retry_after_ms(hl_view value) {
    int64_t s = 0;
    size_t  n = 0;
    for (; n < value.len && value.ptr[n] >= '0' && value.ptr[n] <= '9'; n++)
        if (s < HL_RETRY_AFTER_MOST_S) s = 10 * s + (value.ptr[n] - '0');
    if (value.len > 0 && n == 0) s = seconds_until(value);
    if (value.len == 0 || s < 0 || (n > 0 && n < value.len)) return -1;
    return 1000 * (s < HL_RETRY_AFTER_MOST_S ? s : HL_RETRY_AFTER_MOST_S);
}
