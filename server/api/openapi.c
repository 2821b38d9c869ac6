/* SPDX-License-Identifier: MIT
 *
 * openapi.c - GET /openapi.json: the tables of routes and fields as a machine reads them.
 *
 * from: the OpenAPI Specification 3.1.0
 */
#include <stdio.h>
#include <math.h>
#include <string.h>

#include "server/body_fields.h"
#include "server/server_priv.h"

static const char *const dialects[] = {[HL_API_own] = "own",
                                       [HL_API_ollama] = "ollama",
                                       [HL_API_openai] = "openai",
                                       [HL_API_anthropic] = "anthropic"};

/* ---- Errors: what server/api/errors.c writes ---- */

#define TEXT      "{\"type\":\"string\"}"
#define MAY_BE    "{\"type\":[\"string\",\"null\"]}"
#define OBJECT(p) "{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{" p "}}"

static const char *const errors[] = {
    [HL_API_own] = OBJECT("\"error\":" TEXT),
    [HL_API_ollama] = OBJECT("\"error\":" TEXT),
    [HL_API_openai] = OBJECT(
        "\"error\":{\"type\":\"object\",\"required\":[\"message\",\"type\",\"param\",\"code\"],"
        "\"properties\":{\"message\":" TEXT ",\"type\":" TEXT ",\"param\":" MAY_BE ",\"code\":" MAY_BE "}}"),
    [HL_API_anthropic] = OBJECT("\"type\":{\"const\":\"error\"},\"request_id\":" TEXT
                                ",\"error\":{\"type\":\"object\",\"required\":[\"type\",\"message\"],"
                                "\"properties\":{\"type\":" TEXT ",\"message\":" TEXT "}}"),
};

/* ---- Fields ---- */

static const char *type_of(hl_body_type type) {
    static const char *const types[] = {
        [HL_BODY_TEXT] = "string",   [HL_BODY_FLAG] = "boolean", [HL_BODY_LIST] = "array",
        [HL_BODY_OBJECT] = "object", [HL_BODY_INT] = "integer",  [HL_BODY_NUMBER] = "number",
        [HL_BODY_ANY] = NULL};
    return types[type];
}

/* What templates need to know of each message is there in all of them. */
static bool is_needed(const hl_body_field *f) { return f->is_needed || strchr(f->name, ']'); }

static void add_type(const hl_body_field *f, const char *type, hl_json_out *j) {
    if (type && is_needed(f)) hl_json_add_text(j, "type", type);
    if (!type || is_needed(f)) return;
    hl_json_open(j, "type", '['); /* null counts as absent */
    hl_json_add_text(j, NULL, type);
    hl_json_add_text(j, NULL, "null");
    hl_json_close(j, ']');
}

static void add_words(const hl_body_field *f, hl_json_out *j) {
    hl_json_open(j, "enum", '[');
    for (const char *at = f->words; *at; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        hl_json_add_view(j, NULL, (hl_view){at, n});
        at += n;
    }
    if (!is_needed(f)) hl_json_add_text(j, NULL, NULL);
    hl_json_close(j, ']');
}

static bool is_within(const hl_body_field *f, const hl_body_field *parent, bool *ret_is_list,
                      const char **ret_name) {
    size_t n;
    return hl_body_field_split(f, &n, ret_is_list, ret_name) && strlen(parent->name) == n &&
           strncmp(f->name, parent->name, n) == 0;
}

static void add_field(const hl_route *r, const hl_body_field *f, const char *name, hl_json_out *j);

/* What is known of the fields of an object, or of the objects in a list. */
static void add_inner(const hl_route *r, const hl_body_field *parent, hl_json_out *j) {
    const hl_body_field *f;
    const char          *name;
    bool                 has_any = false, is_list = false, of_list;
    for (uint32_t at = 0; (f = hl_body_field_next(r->name, &at));) {
        if (!is_within(f, parent, &of_list, &name)) continue;
        is_list = of_list;
        if (!has_any && is_list) hl_json_open(j, "items", '{');
        if (!has_any && is_list) hl_json_add_text(j, "type", "object");
        if (!has_any) hl_json_open(j, "properties", '{');
        has_any = true;
        add_field(r, f, name, j);
    }
    if (!has_any) return;
    hl_json_close(j, '}');
    if (is_list) hl_json_close(j, '}');
}

static void add_bound(hl_json_out *j, const char *key, double x) {
    if (x == floor(x))
        hl_json_add_int(j, key, (int64_t)x);
    else
        hl_json_add_real(j, key, x);
}

static void add_field(const hl_route *r, const hl_body_field *f, const char *name, hl_json_out *j) {
    double least, most;
    hl_json_open(j, name, '{');
    add_type(f, type_of(hl_body_field_type(f)), j);
    if (f->words) add_words(f, j);
    if (hl_body_field_range(f, &least, &most)) {
        add_bound(j, "minimum", least);
        add_bound(j, "maximum", most);
    }
    add_inner(r, f, j);
    hl_json_add_text(j, "description", f->what);
    hl_json_close(j, '}');
}

static void add_body(const hl_route *r, hl_json_out *j) {
    const hl_body_field *f;
    hl_json_open(j, "requestBody", '{');
    hl_json_add_bool(j, "required", true);
    hl_json_open(j, "content", '{');
    hl_json_open(j, "application/json", '{');
    hl_json_open(j, "schema", '{');
    hl_json_add_text(j, "type", "object");
    hl_json_open(j, "properties", '{');
    for (uint32_t at = 0; (f = hl_body_field_next(r->name, &at));)
        if (!strchr(f->name, '.')) add_field(r, f, f->name, j);
    hl_json_close(j, '}');
    hl_json_open(j, "required", '[');
    for (uint32_t at = 0; (f = hl_body_field_next(r->name, &at));)
        if (f->is_needed) hl_json_add_text(j, NULL, f->name);
    hl_json_close(j, ']');
    hl_json_add_bool(j, "additionalProperties", true);
    for (int i = 0; i < 4; i++) hl_json_close(j, '}');
}

static void add_parameter(const char *where, const char *name, const char *what, hl_json_out *j) {
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "in", where);
    hl_json_add_text(j, "name", name);
    hl_json_add_bool(j, "required", strcmp(where, "path") == 0);
    if (what) hl_json_add_text(j, "description", what);
    hl_json_add_raw(j, "schema", TEXT);
    hl_json_close(j, '}');
}

static void add_parameters(const hl_route *r, hl_json_out *j) {
    const char *brace = strchr(r->path, '{'), *name, *what;
    char        in_path[40];
    hl_json_open(j, "parameters", '[');
    if (brace) {
        (void)snprintf(in_path, sizeof in_path, "%.*s", (int)strcspn(brace + 1, ".}"), brace + 1);
        add_parameter("path", in_path, NULL, j);
    }
    for (uint32_t at = 0; hl_query_field_next(r->name, &at, &name, &what);)
        add_parameter("query", name, what, j);
    hl_json_close(j, ']');
}

/* ---- Routes ---- */

static void add_error_response(const hl_route *r, hl_json_out *j) {
    char ref[64];
    (void)snprintf(ref, sizeof ref, "#/components/schemas/error_%s", dialects[r->dialect]);
    hl_json_open(j, "default", '{');
    hl_json_add_text(j, "description", "what was wrong");
    hl_json_open(j, "content", '{');
    hl_json_open(j, "application/json", '{');
    hl_json_open(j, "schema", '{');
    hl_json_add_text(j, "$ref", ref);
    for (int i = 0; i < 4; i++) hl_json_close(j, '}');
}

static const struct {
    const char *handler, *media, *fields;
} answers[] = {
#define HL_ANSWER(handler, media, fields) {#handler, media, fields},
#include "server/answers.def"
#undef HL_ANSWER
};

/* "name:type name:type" as properties that are all there. */
static void add_answer_schema(const char *fields, hl_json_out *j) {
    hl_json_open(j, "schema", '{');
    hl_json_add_text(j, "type", "object");
    for (int pass = 0; pass < 2; pass++) {
        hl_json_open(j, pass == 0 ? "properties" : "required", pass == 0 ? '{' : '[');
        for (const char *at = fields; *at; at += strspn(at, " ")) {
            const size_t n_name = strcspn(at, ":"), n = strcspn(at, " ");
            char         name[40];
            (void)snprintf(name, sizeof name, "%.*s", (int)n_name, at);
            if (pass == 0) hl_json_open(j, name, '{');
            if (pass == 0) hl_json_add_view(j, "type", (hl_view){at + n_name + 1, n - n_name - 1});
            if (pass == 0) hl_json_close(j, '}');
            if (pass == 1) hl_json_add_text(j, NULL, name);
            at += n;
        }
        hl_json_close(j, pass == 0 ? '}' : ']');
    }
    hl_json_close(j, '}');
}

static void add_answer(const hl_route *r, hl_json_out *j) {
    bool has_any = false;
    hl_json_open(j, "200", '{');
    hl_json_add_text(j, "description", "the answer");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].handler, r->name) != 0) continue;
        if (!has_any) hl_json_open(j, "content", '{');
        has_any = true;
        hl_json_open(j, answers[i].media, '{');
        if (answers[i].fields[0]) add_answer_schema(answers[i].fields, j);
        hl_json_close(j, '}');
    }
    if (has_any) hl_json_close(j, '}');
    hl_json_close(j, '}');
}

static void add_operation(const hl_route *r, hl_json_out *j) {
    char        method[16] = "", id[120];
    const char *name = hl_method_name(r->method);
    for (size_t i = 0; name[i] && i + 1 < sizeof method; i++) method[i] = (char)(name[i] | 0x20);
    size_t n = (size_t)snprintf(id, sizeof id, "%s", method);
    for (const char *at = r->path; *at && n + 1 < sizeof id; at++) id[n++] = strchr("/{}.", *at) ? '_' : *at;
    id[n] = '\0';
    hl_json_open(j, method, '{');
    hl_json_add_text(j, "operationId", id);
    hl_json_open(j, "tags", '[');
    hl_json_add_text(j, NULL, dialects[r->dialect]);
    hl_json_close(j, ']');
    add_parameters(r, j);
    if (r->flags & HL_R_BODY) add_body(r, j);
    if (r->flags & HL_R_UPLOAD)
        hl_json_add_raw(j, "requestBody",
                        "{\"required\":true,\"content\":{\"application/octet-stream\":{}}}");
    hl_json_open(j, "responses", '{');
    add_answer(r, j);
    if (r->flags & HL_R_UPLOAD) hl_json_add_raw(j, "201", "{\"description\":\"it is new here\"}");
    add_error_response(r, j);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

/* "{model...}" is a parameter like any other here. */
static void open_path(const char *path, hl_json_out *j) {
    char        text[120];
    const char *dots = strstr(path, "...");
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(dots ? (size_t)(dots - path) : strlen(path)), path,
                   dots ? dots + 3 : "");
    hl_json_open(j, text, '{');
}

static bool is_first_of_path(size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(hl_route_at(k)->path, hl_route_at(i)->path) == 0) return false;
    return true;
}

static void add_paths(hl_json_out *j) {
    hl_json_open(j, "paths", '{');
    for (size_t i = 0; hl_route_at(i); i++) {
        if (!is_first_of_path(i)) continue;
        open_path(hl_route_at(i)->path, j);
        for (size_t k = i; hl_route_at(k); k++)
            if (strcmp(hl_route_at(k)->path, hl_route_at(i)->path) == 0) add_operation(hl_route_at(k), j);
        hl_json_close(j, '}');
    }
    hl_json_close(j, '}');
}

hl_status hl_api_openapi(hl_exchange *x, hl_err *err) {
    hl_json_out *j = &x->out;
    char         name[40];
    (void)err;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "openapi", "3.1.0");
    hl_json_open(j, "info", '{');
    hl_json_add_text(j, "title", "hyperlama");
    hl_json_add_text(j, "version", x->server->version);
    hl_json_close(j, '}');
    add_paths(j);
    hl_json_open(j, "components", '{');
    hl_json_open(j, "schemas", '{');
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        (void)snprintf(name, sizeof name, "error_%s", dialects[i]);
        hl_json_add_raw(j, name, errors[i]);
    }
    hl_json_close(j, '}');
    hl_json_close(j, '}');
    hl_json_close(j, '}');
    return HL_OK;
}
