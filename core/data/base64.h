/* SPDX-License-Identifier: MIT
 *
 * base64.h - bytes as text: the standard alphabet, with padding (RFC 4648, section 4).
 */
#ifndef HL_CORE_DATA_BASE64_H
#define HL_CORE_DATA_BASE64_H

#include "core/base/str.h"

void hl_str_add_base64(hl_str *s, const void *data, size_t n);

/* Append the bytes that a text stands for; line ends in it are passed over, and padding may be left out.
 * False: it is none. */
bool hl_base64_read(hl_view text, hl_str *out);

#endif
