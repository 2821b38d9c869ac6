/* SPDX-License-Identifier: MIT
 *
 * nearest.h - what the user probably meant: the closest of some names.
 */
#ifndef HL_CORE_BASE_NEAREST_H
#define HL_CORE_BASE_NEAREST_H

#include <stddef.h>

/* How many insertions, deletions, replacements and swaps of neighbours turn a into b, letter case and
 * the kind of dash ignored. Names over 63 bytes count as far away (SIZE_MAX). Allocates nothing. */
size_t hl_edit_distance(const char *a, const char *b);

/* Keep the best of several candidates: start with {0}, call hl_nearest_try() for each. */
typedef struct hl_nearest {
    const char *name; /* NULL: none is near enough to be worth a question */
    size_t      distance;
} hl_nearest;

void hl_nearest_try(hl_nearest *best, const char *wanted, const char *candidate);

#endif
