/* SPDX-License-Identifier: MIT
 *
 * chat_results.c - walk the messages, and remember the calls of the last turn that had some.
 */
#include "engine/runner/chat_results.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

enum { SHORT_BYTES = 9 };

static hl_view view_of(const json_t *text) {
    return (hl_view){json_is_string(text) ? json_string_value(text) : "", json_string_length(text)};
}

static bool has_role(const json_t *message, const char *role) {
    return hl_view_is(view_of(json_object_get(message, "role")), role);
}

static bool put(json_t *object, const char *key, json_t *value) {
    return value && json_object_set_new_nocheck(object, key, value) == 0;
}

/* Nine letters and digits stay; of anything else it is a hash. FNV-1a: the same in every process, as an id
 * must be that is shown again. */
static json_t *short_id(hl_view id) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char              out[SHORT_BYTES + 1] = {0};
    uint64_t          hash = UINT64_C(14695981039346656037);
    bool              is_short = id.len == SHORT_BYTES;
    for (size_t i = 0; i < id.len; i++) {
        const char c = id.ptr[i];
        is_short = is_short && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
        hash = (hash ^ (unsigned char)c) * UINT64_C(1099511628211);
    }
    for (size_t i = 0; i < SHORT_BYTES; i++) {
        out[i] = is_short ? id.ptr[i] : digits[hash % 36];
        hash /= 36;
    }
    return json_string(out);
}

static bool shorten(json_t *object, const char *key) {
    const hl_view id = view_of(json_object_get(object, key));
    return id.len == 0 || put(object, key, short_id(id));
}

/* Calls without an id are numbered over the whole conversation. */
static bool name_calls(json_t *calls, bool short_ids, size_t *n_calls) {
    size_t  i;
    json_t *call;
    bool    ok = true;
    json_array_foreach(calls, i, call) {
        char id[40];
        (void)snprintf(id, sizeof id, "call_%zu", (*n_calls)++);
        if (!short_ids || !json_is_object(call)) continue;
        if (view_of(json_object_get(call, "id")).len == 0) ok = ok && put(call, "id", json_string(id));
        ok = ok && shorten(call, "id");
    }
    return ok;
}

static const json_t *find_call(const json_t *calls, hl_view id, size_t place) {
    size_t        i;
    const json_t *call;
    json_array_foreach(calls, i, call) {
        if (id.len > 0 && hl_view_eq(view_of(json_object_get(call, "id")), id)) return call;
    }
    return json_array_get(calls, place);
}

static bool link_result(json_t *message, const json_t *calls, size_t place, bool short_ids) {
    if (short_ids && !shorten(message, "tool_call_id")) return false;
    const hl_view id = view_of(json_object_get(message, "tool_call_id"));
    const json_t *call = find_call(calls, id, place), *function = json_object_get(call, "function");
    json_t       *name = json_object_get(function ? function : call, "name");
    json_t       *call_id = json_object_get(call, "id");
    if (!json_object_get(message, "name") && json_is_string(name) && !put(message, "name", json_incref(name)))
        return false;
    return !short_ids || id.len > 0 || !json_is_string(call_id) ||
           put(message, "tool_call_id", json_incref(call_id));
}

hl_status hl_chat_link_results(json_t *messages, bool short_ids, hl_err *err) {
    json_t *calls = NULL, *m;
    size_t  i, place = 0, n_calls = 0;
    bool    ok = true;
    json_array_foreach(messages, i, m) {
        json_t *its = json_object_get(m, "tool_calls");
        if (json_array_size(its) > 0) {
            ok = ok && name_calls(its, short_ids, &n_calls);
            calls = its;
            place = 0;
        } else if (has_role(m, "tool")) {
            ok = ok && link_result(m, calls, place++, short_ids);
        }
    }
    return ok ? HL_OK : hl_fail(err, HL_E_NOMEM, "messages: no memory");
}
