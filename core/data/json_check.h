/* SPDX-License-Identifier: MIT
 *
 * json_check.h - is a text of others JSON of the kind that is expected? Nothing of it is kept.
 */
#ifndef HL_CORE_DATA_JSON_CHECK_H
#define HL_CORE_DATA_JSON_CHECK_H

#include "hyperlama/base.h"

enum { HL_JSON_CHECK_MOST_BYTES = 64 << 20 };

/* An object and nothing else, of 256 levels at most; its numbers may be larger than any type. */
bool hl_json_is_object(hl_view text);

#endif
