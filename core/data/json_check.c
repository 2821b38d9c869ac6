/* SPDX-License-Identifier: MIT
 *
 * json_check.c - read it, and forget what it was.
 */
#include "core/data/json_check.h"

#include "core/data/json.h"

/* Numbers that fit nowhere are as good as others: the text goes on as it is. */
static json_t *any_number(hl_view digits) {
    (void)digits;
    return json_integer(0);
}

bool hl_json_is_object(hl_view text) {
    static const hl_json_rules rules = {.max_bytes = HL_JSON_CHECK_MOST_BYTES,
                                        .max_values = HL_JSON_CHECK_MOST_BYTES,
                                        .max_depth = 256,
                                        .allows_nul = true,
                                        .number = any_number};
    json_t                    *json = NULL;
    const bool is_object = hl_json_read(text, "object", &rules, &json, NULL) == HL_OK && json_is_object(json);
    json_decref(json);
    return is_object;
}
