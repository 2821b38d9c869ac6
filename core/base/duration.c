/* SPDX-License-Identifier: MIT
 *
 * duration.c - units and their lengths.
 */
#include "core/base/duration.h"

#include <stdlib.h>
#include <string.h>

bool hl_duration_parse(const char *text, double *ret_ms) {
    static const struct {
        const char *unit;
        double      ms;
    } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1},
                 {"s", 1e3},   {"m", 6e4},   {"h", 36e5}};
    const bool negative = *text == '-';
    double     sum = 0;
    if (*text == '-' || *text == '+') text++;
    if (strcmp(text, "0") == 0) return *ret_ms = 0, true;
    if (!*text) return false;
    while (*text) {
        char        *end;
        const size_t n_digits = strspn(text, "0123456789.");
        const double x = strtod(text, &end);
        if (n_digits == 0 || end != text + n_digits) return false;
        size_t best = sizeof units / sizeof *units;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            const size_t n = strlen(units[i].unit);
            if (strncmp(end, units[i].unit, n) == 0 &&
                (best == sizeof units / sizeof *units || n > strlen(units[best].unit)))
                best = i;
        }
        if (best == sizeof units / sizeof *units) return false;
        sum += x * units[best].ms;
        text = end + strlen(units[best].unit);
    }
    *ret_ms = negative ? -sum : sum;
    return true;
}
