/* SPDX-License-Identifier: MIT
 *
 * pages.h - what the system is told about pages of mapped files: when they are read, and which leave first.
 *
 * All of it is advice: a system that does not take it is slower, nothing else.
 */
#ifndef HL_CORE_BASE_PAGES_H
#define HL_CORE_BASE_PAGES_H

#include <stddef.h>

/* Begin to read all pages of these bytes that are not in memory; does not wait for them. */
void hl_pages_read_ahead(const void *data, size_t n_bytes);

/* A fault reads its own page alone, not its neighbours: who uses these bytes reads ahead itself. Pages that
 * hold other bytes, too, stay as they are. */
void hl_pages_read_singly(const void *data, size_t n_bytes);

/* When memory is short, these leave before others. They stay while it is not. */
void hl_pages_leave_first(const void *data, size_t n_bytes);

#endif
