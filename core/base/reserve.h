/* SPDX-License-Identifier: MIT
 *
 * reserve.h - room on the disk for a file before it is written.
 */
#ifndef HL_CORE_BASE_RESERVE_H
#define HL_CORE_BASE_RESERVE_H

#include "hyperlama/base.h"

/* Ask for room for the first n_bytes of an open file, whose length stays what it is. What there is no room
 * for takes none: not for a moment, as others write to the same disk.
 *
 * out    0: it is there, or the file system cannot promise any; else ENOSPC, EDQUOT, or EFBIG (ulimit -f) */
int hl_file_reserve(int fd, uint64_t n_bytes);

/* Bytes that may still be written where an open file lies; UINT64_MAX: nobody knows. */
uint64_t hl_file_room(int fd);

#endif
