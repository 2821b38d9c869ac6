/* SPDX-License-Identifier: MIT
 *
 * json_out.c - a JSON writer of one buffer.
 */
#include "core/data/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MAX_JSON_BYTES = 1 << 30 };

void hl_json_init(hl_json_out *j) {
    hl_str_init(&j->text, MAX_JSON_BYTES);
    j->needs_comma = false;
}

void hl_json_clear(hl_json_out *j) {
    hl_str_clear(&j->text);
    j->needs_comma = false;
}

void hl_json_done(hl_json_out *j) { hl_str_done(&j->text); }

static void begin(hl_json_out *j, const char *key) {
    if (j->needs_comma) hl_str_add_char(&j->text, ',');
    j->needs_comma = true;
    if (!key) return;
    hl_str_add_json(&j->text, hl_view_of(key));
    hl_str_add_char(&j->text, ':');
}

void hl_json_open(hl_json_out *j, const char *key, char bracket) {
    begin(j, key);
    hl_str_add_char(&j->text, bracket);
    j->needs_comma = false;
}

void hl_json_close(hl_json_out *j, char bracket) {
    hl_str_add_char(&j->text, bracket);
    j->needs_comma = true;
}

void hl_json_add_raw(hl_json_out *j, const char *key, const char *json) {
    begin(j, key);
    hl_str_add_text(&j->text, json);
}

void hl_json_add_view(hl_json_out *j, const char *key, hl_view text) {
    begin(j, key);
    hl_str_add_json(&j->text, text);
}

void hl_json_add_text(hl_json_out *j, const char *key, const char *text) {
    if (text)
        hl_json_add_view(j, key, hl_view_of(text));
    else
        hl_json_add_raw(j, key, "null");
}

void hl_json_add_int(hl_json_out *j, const char *key, int64_t n) {
    begin(j, key);
    hl_str_add_format(&j->text, "%" PRId64, n);
}

void hl_json_add_real(hl_json_out *j, const char *key, double x) {
    begin(j, key);
    if (isfinite(x))
        hl_str_add_format(&j->text, "%.7g", x);
    else
        hl_str_add_text(&j->text, "null");
}

void hl_json_add_f32(hl_json_out *j, const char *key, float x) {
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", (double)x);
    hl_json_add_raw(j, key, isfinite(x) ? text : "null");
}

void hl_json_add_bool(hl_json_out *j, const char *key, bool b) {
    hl_json_add_raw(j, key, b ? "true" : "false");
}
