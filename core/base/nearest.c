/* SPDX-License-Identifier: MIT
 *
 * nearest.c - edit distance (optimal string alignment) over three rows on the stack.
 */
#include "core/base/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MAX_NAME_BYTES = 63 };

static char fold(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static size_t min2(size_t a, size_t b) { return a < b ? a : b; }

size_t hl_edit_distance(const char *a, const char *b) {
    const size_t na = strlen(a), nb = strlen(b);
    if (na > MAX_NAME_BYTES || nb > MAX_NAME_BYTES) return SIZE_MAX;
    size_t rows[3][MAX_NAME_BYTES + 1] = {{0}};
    for (size_t j = 0; j <= nb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t       *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const size_t cost = fold(a[i - 1]) != fold(b[j - 1]);
            now[j] = min2(min2(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            const bool swapped =
                i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]);
            if (swapped) now[j] = min2(now[j], before[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

void hl_nearest_try(hl_nearest *best, const char *wanted, const char *candidate) {
    const size_t d = hl_edit_distance(wanted, candidate);
    const size_t enough =
        strlen(wanted) < 4 ? 1 : strlen(wanted) / 3 + 1; /* further away is no typing slip */
    if (d > enough || (best->name && d >= best->distance)) return;
    *best = (hl_nearest){.name = candidate, .distance = d};
}
