/* SPDX-License-Identifier: MIT
 *
 * big_numbers.h - integers of any size in a golden file's context.
 */
#ifndef HL_TESTS_GOLDEN_BIG_NUMBERS_H
#define HL_TESTS_GOLDEN_BIG_NUMBERS_H

#include <jansson.h>

#include "engine/template/template.h"

/* {"big": "18446744073709551615"} in a file of rows is that number: JSON readers end at 64 bits or round
 * it. */
static inline void make_numbers(json_t *j) {
    const char *key = NULL;
    json_t     *v = NULL;
    size_t      i = 0;
    void       *next = NULL;
    json_object_foreach_safe(j, next, key, v) {
        const char *digits = json_string_value(json_object_get(v, "big"));
        if (digits)
            json_object_set_new_nocheck(j, key, hl_template_number(hl_view_of(digits)));
        else
            make_numbers(v);
    }
    json_array_foreach(j, i, v) {
        const char *digits = json_string_value(json_object_get(v, "big"));
        if (digits)
            json_array_set_new(j, i, hl_template_number(hl_view_of(digits)));
        else
            make_numbers(v);
    }
}

#endif
