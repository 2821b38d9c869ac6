/* SPDX-License-Identifier: MIT
 *
 * ollama_common.c - fields that Ollama's endpoints have in common.
 *
 * from: Ollama 0.33 (api/types.go, server/routes.go)
 */
#include "server/api/ollama_common.h"

#include "server/api/format_fields.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/duration.h"
#include "server/server_priv.h"

hl_status hl_keep_alive_read(const json_t *v, int64_t *ret_ms, hl_err *err) {
    double ms = 0;
    if (!v || json_is_null(v)) return HL_OK;
    if (json_is_number(v))
        ms = json_number_value(v) * 1e3;
    else if (!json_is_string(v) || !hl_duration_parse(json_string_value(v), &ms))
        return hl_fail(err, HL_E_ARG,
                       "keep_alive: expected a number of seconds or a duration with a unit (\"10m\")");
    *ret_ms = ms < 0 ? HL_KEEP_FOREVER : ms > 9e15 ? HL_KEEP_FOREVER : (int64_t)ms;
    return HL_OK;
}

static hl_status take_think(hl_completion *c, const json_t *v, hl_err *err) {
    hl_think think = HL_THINK_DEFAULT;
    if (!v || json_is_null(v)) return HL_OK;
    if (json_is_boolean(v)) {
        c->request.think = json_is_true(v) ? HL_THINK_ON : HL_THINK_OFF;
        return HL_OK;
    }
    if (json_is_string(v) && hl_think_find(json_string_value(v), &think) && hl_think_level(think)) {
        c->request.think = think;
        return HL_OK;
    }
    return hl_fail(err, HL_E_ARG, "think: expected true, false, \"low\", \"medium\", \"high\" or \"max\"");
}

hl_status hl_ollama_take_common(hl_completion *c, hl_err *err) {
    const json_t *options = NULL;
    int64_t       n_top = 0;
    c->is_stream = true;
    hl_status status = hl_field_bool(c->body, "stream", &c->is_stream, err);
    if (status == HL_OK) status = hl_field_object(c->body, "options", &options, err);
    if (status == HL_OK) status = hl_completion_set_all(c, options, err);
    if (status == HL_OK)
        status = hl_keep_alive_read(json_object_get(c->body, "keep_alive"), &c->keep_ms, err);
    if (status == HL_OK) status = take_think(c, json_object_get(c->body, "think"), err);
    if (status == HL_OK) status = hl_completion_take_budget(c, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "logprobs", &c->wants_logprobs, err);
    if (status == HL_OK) status = hl_field_int(c->body, "top_logprobs", 0, 20, &n_top, err);
    if (status == HL_OK) status = hl_format_take_ollama(c, err);
    c->request.want_logprobs = c->wants_logprobs;
    c->request.n_top = (int32_t)n_top;
    return status;
}

void hl_ollama_add_entry(hl_json_out *j, const hl_store_entry *e) {
    char time[40];
    hl_time_format(e->modified_ms, time);
    hl_json_add_text(j, "name", e->text);
    hl_json_add_text(j, "model", e->text);
    hl_json_add_text(j, "modified_at", time);
    hl_json_add_int(j, "size", (int64_t)e->size_bytes);
    hl_json_add_text(j, "digest", e->digest);
    hl_json_open(j, "details", '{');
    hl_json_add_text(j, "parent_model", "");
    hl_json_add_text(j, "format", e->format);
    hl_json_add_text(j, "family", e->family);
    hl_json_open(j, "families", '[');
    if (*e->family) hl_json_add_text(j, NULL, e->family);
    hl_json_close(j, ']');
    hl_json_add_text(j, "parameter_size", e->parameter_size);
    hl_json_add_text(j, "quantization_level", e->quantization);
    hl_json_close(j, '}');
}
