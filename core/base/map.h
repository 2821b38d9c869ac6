/* SPDX-License-Identifier: MIT
 *
 * map.h - files mapped read-only into memory.
 *
 * What others write to the file shows in the map. A file that is cut short while it is mapped turns a read
 * into SIGBUS. Programs install the handler once; it puts zeros in place of the rest and marks the map as
 * broken, and who reads asks hl_map_is_broken() afterwards instead of crashing. Libraries never install it by
 * themselves.
 */
#ifndef HL_CORE_BASE_MAP_H
#define HL_CORE_BASE_MAP_H

#include "hyperlama/base.h"

typedef struct hl_map hl_map;

/* Map the whole file `path` read-only and shared with the page cache.
 * fails  HL_E_NOT_FOUND, HL_E_IO (not a regular file, cannot be read, empty), HL_E_NOMEM
 * thread any */
HL_MUST_CHECK hl_status hl_map_open(const char *path, hl_map **ret_map, hl_err *err);
void                    hl_map_close(hl_map *m); /* NULL is allowed */

const uint8_t *hl_map_data(const hl_map *m);
size_t         hl_map_size(const hl_map *m);

/* A page could not be read, or the file was written to or cut short since it was mapped: contents are
 * unreliable. A `touch` is no write, and neither are links, names and rights. Two system calls. */
bool hl_map_is_broken(const hl_map *m);

/* Copy bytes of the file, read from it instead of through the map: nobody changes the copy.
 * fails  HL_E_IO  cannot be read, or there are fewer bytes */
HL_MUST_CHECK hl_status hl_map_read(const hl_map *m, size_t offset, void *to, size_t n_bytes, hl_err *err);

/* Ask the kernel to read ahead; returns at once. */
void hl_map_will_need(const hl_map *m, size_t offset, size_t n_bytes);

/* Install the SIGBUS handler. Faults outside of our maps still end the program. Once per process. */
void hl_map_install_fault_handler(void);

#endif
