/* SPDX-License-Identifier: MIT
 *
 * show_info.h - what /api/show tells of a GGUF file: its keys and its tensors.
 */
#ifndef HL_SERVER_API_SHOW_INFO_H
#define HL_SERVER_API_SHOW_INFO_H

#include "core/data/json_out.h"
#include "core/gguf/gguf.h"

/* All keys but the template and the name, which stand elsewhere; long lists are empty unless `verbose`.
 * in     basename  for a file that says none: Copilot Chat lists no model without one. NULL: it gets none */
void hl_show_add_info(hl_json_out *j, const char *as, const hl_gguf *g, bool verbose, const char *basename);

/* "tensors": name, type and shape, fastest dimension first as in the file. */
void hl_show_add_tensors(hl_json_out *j, const hl_gguf *g);

#endif
