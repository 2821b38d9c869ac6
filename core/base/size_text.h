/* SPDX-License-Identifier: MIT
 *
 * size_text.h - sizes as people read them.
 */
#ifndef HL_CORE_BASE_SIZE_TEXT_H
#define HL_CORE_BASE_SIZE_TEXT_H

#include "hyperlama/base.h"

/* "98 MB", "1.2 GB": decimal, three digits, as Ollama shows sizes. */
enum { HL_SIZE_TEXT_BYTES = 16 };
void hl_format_bytes(uint64_t n, char ret[HL_SIZE_TEXT_BYTES]);

#endif
