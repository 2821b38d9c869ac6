/* SPDX-License-Identifier: MIT
 *
 * name.c - names of models: [scheme://][host/][namespace/]model[:tag].
 *
 * A part starts with a letter, digit or underscore, so that "." and ".." can be none, and never holds
 * a slash: a checked name cannot leave the folder it is used in.
 * from: Ollama's name rules (types/model/name.go, facts only: defaults, lengths, characters)
 */
#include "models/name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"

#define DEFAULT_HOST  "registry.ollama.ai"
#define DEFAULT_SPACE "library"
#define DEFAULT_TAG   "latest"

enum { MAX_DISTANCE_BYTES = 127 };

static bool is_alnum_or_underscore(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t max_part_bytes(hl_name_kind kind) {
    return kind == HL_NAME_HOST ? HL_NAME_HOST_BYTES - 1 : HL_NAME_PART_BYTES - 1;
}

bool hl_name_part_is_valid(hl_name_kind kind, hl_view part) {
    if (part.len == 0 || part.len > max_part_bytes(kind)) return false;
    if (!is_alnum_or_underscore(part.ptr[0])) return false;
    for (size_t i = 1; i < part.len; i++) {
        const char c = part.ptr[i];
        if (is_alnum_or_underscore(c) || c == '-') continue;
        if (c == '.' && kind != HL_NAME_SPACE) continue;
        if (c == ':' && kind == HL_NAME_HOST) continue;
        return false;
    }
    return true;
}

static hl_status take_part(hl_name_kind kind, hl_view part, const char *whole, char *ret, hl_err *err) {
    static const char *const kinds[] = {"host", "namespace", "model", "tag"};
    if (!hl_name_part_is_valid(kind, part))
        return hl_fail(
            err, HL_E_ARG,
            "model name '%.200s': %s '%.*s' is not valid; expected 1..%zu letters, digits, '_', '-'%s, "
            "starting with a letter, digit or '_'",
            whole, kinds[kind], (int)(part.len < 100 ? part.len : 100), part.len ? part.ptr : "",
            max_part_bytes(kind),
            kind == HL_NAME_HOST    ? ", '.', ':'"
            : kind == HL_NAME_SPACE ? ""
                                    : ", '.'");
    memcpy(ret, part.ptr, part.len);
    ret[part.len] = '\0';
    return HL_OK;
}

static const char *find_last(hl_view v, char c) {
    for (size_t i = v.len; i > 0; i--)
        if (v.ptr[i - 1] == c) return v.ptr + i - 1;
    return NULL;
}

/* Cut "rest/last" at its last slash; false when there is none and all of it is `last`. */
static bool cut_last(hl_view *rest, hl_view *ret_last) {
    const char *slash = find_last(*rest, '/');
    if (!slash) {
        *ret_last = *rest;
        return false;
    }
    *ret_last = (hl_view){slash + 1, (size_t)(rest->ptr + rest->len - slash - 1)};
    rest->len = (size_t)(slash - rest->ptr);
    return true;
}

hl_status hl_name_parse(const char *text, hl_name *ret_name, hl_err *err) {
    hl_view   rest = hl_view_of(text), part;
    hl_name   name = {.host = DEFAULT_HOST, .space = DEFAULT_SPACE, .tag = DEFAULT_TAG};
    hl_status status = HL_OK;
    if (rest.len == 0)
        return hl_fail(err, HL_E_ARG, "model name is empty; expected [host/][namespace/]model[:tag]");

    const char *scheme_end = strstr(text, "://");
    if (scheme_end) {
        rest = hl_view_of(scheme_end + 3);
        const hl_view scheme = {text, (size_t)(scheme_end - text)};
        if (!hl_view_is(scheme, "https") && !hl_view_is(scheme, "http"))
            return hl_fail(err, HL_E_ARG, "model name '%.200s': scheme '%.*s', expected http or https", text,
                           (int)(scheme.len < 40 ? scheme.len : 40), scheme.ptr);
    }
    const char *colon = find_last(rest, ':'), *slash = find_last(rest, '/');
    if (colon && (!slash || colon > slash)) { /* before the last slash, a colon is a port */
        part = (hl_view){colon + 1, (size_t)(rest.ptr + rest.len - colon - 1)};
        status = take_part(HL_NAME_TAG, part, text, name.tag, err);
        name.has_tag = true;
        rest.len = (size_t)(colon - rest.ptr);
    }
    bool more = cut_last(&rest, &part);
    if (status == HL_OK) status = take_part(HL_NAME_MODEL, part, text, name.model, err);
    if (status == HL_OK && more) {
        more = cut_last(&rest, &part);
        status = take_part(HL_NAME_SPACE, part, text, name.space, err);
    }
    if (status == HL_OK && more) status = take_part(HL_NAME_HOST, rest, text, name.host, err);
    if (status == HL_OK) *ret_name = name;
    return status;
}

void hl_name_format(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]) {
    if (strcasecmp(name->host, DEFAULT_HOST) != 0)
        hl_name_format_full(name, ret_text);
    else if (strcasecmp(name->space, DEFAULT_SPACE) != 0)
        (void)snprintf(ret_text, HL_NAME_TEXT_BYTES, "%s/%s:%s", name->space, name->model, name->tag);
    else
        (void)snprintf(ret_text, HL_NAME_TEXT_BYTES, "%s:%s", name->model, name->tag);
}

void hl_name_format_full(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]) {
    (void)snprintf(ret_text, HL_NAME_TEXT_BYTES, "%s/%s/%s:%s", name->host, name->space, name->model,
                   name->tag);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

void hl_name_format_key(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]) {
    hl_name_format_full(name, ret_text);
    for (char *c = ret_text; *c; c++) *c = lower(*c);
}

bool hl_name_eq_but_tag(const hl_name *a, const hl_name *b) {
    return strcasecmp(a->model, b->model) == 0 && strcasecmp(a->space, b->space) == 0 &&
           strcasecmp(a->host, b->host) == 0;
}

bool hl_name_eq(const hl_name *a, const hl_name *b) {
    return hl_name_eq_but_tag(a, b) && strcasecmp(a->tag, b->tag) == 0;
}

size_t hl_name_distance(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    if (n > MAX_DISTANCE_BYTES || m > MAX_DISTANCE_BYTES) return n > m ? n : m;
    unsigned char row[MAX_DISTANCE_BYTES + 1]; /* of the classic table, kept for one prefix of a */
    for (size_t j = 0; j <= m; j++) row[j] = (unsigned char)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned char diagonal = row[0];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= m; j++) {
            const unsigned char above = row[j];
            unsigned char       best = (unsigned char)(diagonal + (lower(a[i - 1]) != lower(b[j - 1])));
            if (above + 1 < best) best = (unsigned char)(above + 1);
            if (row[j - 1] + 1 < best) best = (unsigned char)(row[j - 1] + 1);
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}
