/* SPDX-License-Identifier: MIT
 *
 * go_float.h - floats as text, as Go's strconv and encoding/json write them.
 */
#ifndef HL_GOTEMPLATE_GO_FLOAT_H
#define HL_GOTEMPLATE_GO_FLOAT_H

#include "core/base/str.h"

/* Append `f` in a format of Go: 'e' 'E' 'f' 'g' 'G' 'b' 'x' 'X'; precision -1: the fewest digits that read
 * back as f. */
void hl_go_write_float(hl_str *to, double f, char format, int precision);
/* The number of JSON; f is finite. */
void hl_go_write_json_float(hl_str *to, double f);

#endif
