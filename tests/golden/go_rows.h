/* SPDX-License-Identifier: MIT
 *
 * go_rows.h - a row of tests/golden/gotemplate: its template, and rendering it (see ORIGIN.md there).
 */
#ifndef HL_TESTS_GOLDEN_GO_ROWS_H
#define HL_TESTS_GOLDEN_GO_ROWS_H

#include <jansson.h>

#include "core/base/str.h"
#include "engine/gotemplate/gotemplate.h"

#define GO_ROWS_NOW_MS INT64_C(1772334245000) /* 2026-03-01T03:04:05 UTC, as when recorded */

static inline hl_view go_row_text(const json_t *s) {
    return (hl_view){json_string_value(s), json_string_length(s)};
}

/* The template: the row's own or one of the file's, as a text or its lines. */
static inline void go_row_source(const json_t *file, const json_t *row, hl_str *to) {
    const json_t *of = json_object_get(row, "of");
    const json_t *t = of ? json_object_get(json_object_get(file, "templates"), json_string_value(of))
                         : json_object_get(row, "template");
    for (size_t i = 0; i < json_array_size(t); i++) {
        if (i) hl_str_add_char(to, '\n');
        hl_str_add_view(to, go_row_text(json_array_get(t, i)));
    }
    if (json_is_string(t)) hl_str_add_view(to, go_row_text(t));
}

/* With one of the file's requests, or with its data. */
static inline hl_status go_row_render(const hl_gotemplate *t, const json_t *file, const json_t *row,
                                      hl_tainted *out, hl_err *err) {
    const json_t *with = json_object_get(row, "with");
    if (!with) return hl_gotemplate_execute(t, json_object_get(file, "data"), GO_ROWS_NOW_MS, out, err);
    const json_t *q = json_object_get(json_object_get(file, "requests"), json_string_value(with)),
                 *think = json_object_get(q, "think");
    const hl_gotemplate_input in = {
        .messages = json_object_get(q, "messages"),
        .tools = json_object_get(q, "tools"),
        .prompt = go_row_text(json_object_get(q, "prompt")),
        .suffix = go_row_text(json_object_get(q, "suffix")),
        .is_think_set = json_is_boolean(think),
        .think = json_is_true(think),
        .think_level = json_string_value(json_object_get(q, "level")),
        .now_ms = GO_ROWS_NOW_MS,
    };
    return hl_gotemplate_render(t, &in, out, err);
}

#endif
