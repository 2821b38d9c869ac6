/* SPDX-License-Identifier: MIT
 *
 * fields.c - the body as JSON, and its fields with types that are checked.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "server/body_fields.h"
#include "server/http/exchange.h"

enum { MAX_VALUES = 4 << 20, MAX_DEPTH = 256, MODEL_BYTES = 1024 };

/* For the list of what is under way. A handler that waited for a model reads its body again. */
static void note_model(hl_exchange *x, const json_t *body) {
    const char *name = hl_json_text(body, "model");
    if (!name) name = hl_json_text(body, "name");
    if (x->model || !name || strlen(name) > MODEL_BYTES) return;
    __atomic_store_n(&x->model, hl_strdup(name), __ATOMIC_RELEASE);
}

hl_status hl_exchange_read_json(hl_exchange *x, json_t **ret_body, hl_err *err) {
    const hl_json_rules rules = {
        .max_bytes = SIZE_MAX, .max_values = MAX_VALUES, .max_depth = MAX_DEPTH, .allows_nul = true};
    json_t *body = NULL;
    if (x->body.len == 0) return hl_fail(err, HL_E_FORMAT, "missing request body: expected a JSON object");
    hl_err          why = {0};
    const hl_status status = hl_json_read(hl_str_view(&x->body), "body", &rules, &body, &why);
    /* its length was looked at before: what is over a limit here is nested too deep, so malformed */
    if (status != HL_OK) return hl_fail(err, status == HL_E_LIMIT ? HL_E_FORMAT : status, "%s", why.text);
    if (!json_is_object(body)) {
        json_decref(body);
        return hl_fail(err, HL_E_FORMAT, "body: expected a JSON object");
    }
    const hl_status checked = hl_body_check(x->route->name, body, err);
    if (checked == HL_OK) {
        note_model(x, body);
        *ret_body = body;
    } else
        json_decref(body);
    return checked;
}

static const char *type_name(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a text";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "true or false";
    }
}

static const json_t *field(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

static hl_status mismatch(const char *key, const json_t *v, const char *expected, hl_err *err) {
    return hl_fail(err, HL_E_ARG, "%s: found %s, expected %s", key, type_name(v), expected);
}

hl_status hl_field_view(const json_t *object, const char *key, hl_view *ret, hl_err *err) {
    const json_t *v = field(object, key);
    if (v && !json_is_string(v)) return mismatch(key, v, "a text", err);
    if (v) *ret = (hl_view){json_string_value(v), json_string_length(v)};
    return HL_OK;
}

hl_status hl_field_text(const json_t *object, const char *key, const char **ret, hl_err *err) {
    hl_view         v = {0};
    const hl_status status = hl_field_view(object, key, &v, err);
    if (status != HL_OK || !v.ptr) return status;
    if (memchr(v.ptr, '\0', v.len)) return hl_fail(err, HL_E_ARG, "%s: a NUL byte is not allowed here", key);
    *ret = v.ptr;
    return HL_OK;
}

hl_status hl_field_int(const json_t *object, const char *key, int64_t least, int64_t most, int64_t *ret,
                       hl_err *err) {
    const json_t *v = field(object, key);
    if (!v) return HL_OK;
    if (!json_is_number(v)) return mismatch(key, v, "a whole number", err);
    const double x = json_number_value(v);
    if (json_is_real(v) && (x != floor(x) || fabs(x) > 9e15))
        return hl_fail(err, HL_E_ARG, "%s: %g is no whole number", key, x);
    const int64_t n = json_is_integer(v) ? json_integer_value(v) : (int64_t)x;
    if (n < least || n > most)
        return hl_fail(err, HL_E_ARG, "%s: %" PRId64 " is out of range, expected %" PRId64 "..%" PRId64, key,
                       n, least, most);
    *ret = n;
    return HL_OK;
}

hl_status hl_field_bool(const json_t *object, const char *key, bool *ret, hl_err *err) {
    const json_t *v = field(object, key);
    if (v && !json_is_boolean(v)) return mismatch(key, v, "true or false", err);
    if (v) *ret = json_is_true(v);
    return HL_OK;
}

hl_status hl_field_list(const json_t *object, const char *key, const json_t **ret, hl_err *err) {
    *ret = field(object, key);
    return *ret && !json_is_array(*ret) ? mismatch(key, *ret, "a list", err) : HL_OK;
}

hl_status hl_field_object(const json_t *object, const char *key, const json_t **ret, hl_err *err) {
    *ret = field(object, key);
    return *ret && !json_is_object(*ret) ? mismatch(key, *ret, "an object", err) : HL_OK;
}
