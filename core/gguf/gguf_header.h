/* SPDX-License-Identifier: MIT
 *
 * gguf_header.h - the header of a GGUF file that is elsewhere: as many of its first bytes as it has, and none
 * of its weights.
 */
#ifndef HL_CORE_GGUF_GGUF_HEADER_H
#define HL_CORE_GGUF_GGUF_HEADER_H

#include "hyperlama/base.h"

/* The n bytes of the file behind `from` go to `to`. What it fails with ends the reading. */
typedef hl_status hl_gguf_fetch_fn(void *user, uint64_t from, uint8_t *to, size_t n, hl_err *err);

/* Read and check the header of one file of file_bytes, as hl_gguf_open() would: keys, tensors, their ranges.
 * Fetched are first_bytes, then twice as many, and so on, 64 MiB at most.
 *
 * out    ret_header  [*ret_n] the first bytes of the file, all of the header among them; hl_free()
 * fails  as hl_gguf_open(); HL_E_LIMIT a header of more than 64 MiB; what fn says */
HL_MUST_CHECK hl_status hl_gguf_fetch_header(hl_gguf_fetch_fn *fn, void *user, uint64_t file_bytes,
                                             size_t first_bytes, uint8_t **ret_header, size_t *ret_n,
                                             hl_err *err);

#endif
