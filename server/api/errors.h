/* SPDX-License-Identifier: MIT
 *
 * errors.h - a failure as a client of the route's dialect reads it.
 */
#ifndef HL_SERVER_API_ERRORS_H
#define HL_SERVER_API_ERRORS_H

#include "server/http/exchange.h"

/* One JSON value, for a response or within a stream. err may be NULL. */
void hl_error_write(const hl_exchange *x, hl_status status, const hl_err *err, hl_json_out *j);

#endif
