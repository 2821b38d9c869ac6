/* SPDX-License-Identifier: MIT
 *
 * page_cache.h - ask the system to forget a file's pages, and look whether it did: for measuring a cold
 * start.
 */
#ifndef HL_BENCH_LIB_PAGE_CACHE_H
#define HL_BENCH_LIB_PAGE_CACHE_H

#include "hyperlama/base.h"

/* Drop the pages of all files. Harmless to other processes, which read them again.
 *
 * returns the share of the pages that are still there, 0..1. The system keeps pages that somebody has mapped
 *         or that are not on disk yet, and file systems in memory keep all; where it does not tell (the file
 *         belongs to another user), it says 1 */
double hl_page_cache_drop(const char *const *paths, size_t n_paths);

#endif
