/* SPDX-License-Identifier: MIT
 *
 * schema_ref.c - references inside a schema: JSON pointers and anchors.
 * from: RFC 6901; JSON Schema Core 2020-12, section 8.2
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/schema_priv.h"

/* Undo %XX, then ~1 and ~0, of one part of a pointer into buf, which holds n bytes. False: malformed. */
static bool decode(const char *s, size_t n, char *buf) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            unsigned v = 0;
            if (i + 2 >= n) return false;
            for (int d = 1; d <= 2; d++) {
                const char h = s[i + (size_t)d];
                if (h >= '0' && h <= '9')
                    v = v * 16 + (unsigned)(h - '0');
                else if ((h | 32) >= 'a' && (h | 32) <= 'f')
                    v = v * 16 + (unsigned)((h | 32) - 'a' + 10);
                else
                    return false;
            }
            i += 2;
            c = (char)v;
        }
        buf[k++] = c;
    }
    size_t to = 0;
    for (size_t i = 0; i < k; i++) {
        if (buf[i] == '~' && i + 1 < k && (buf[i + 1] == '0' || buf[i + 1] == '1'))
            buf[to++] = buf[++i] == '0' ? '~' : '/';
        else
            buf[to++] = buf[i];
    }
    buf[to] = '\0';
    return strlen(buf) == to;
}

static const json_t *child_of(const json_t *at, const char *name) {
    if (json_is_object(at)) return json_object_get(at, name);
    if (!json_is_array(at) || !*name) return NULL;
    size_t i = 0;
    for (const char *c = name; *c; c++) {
        if (*c < '0' || *c > '9' || i > 1000000) return NULL;
        i = i * 10 + (size_t)(*c - '0');
    }
    return json_array_get(at, i);
}

static hl_status follow_pointer(hl_schema_ctx *x, const char *pointer, const hl_schema_path *path,
                                hl_schema_atom *ret) {
    ret->schema = x->root;
    ret->path = NULL;
    for (const char *at = pointer; *at == '/';) {
        const char  *end = strchr(++at, '/');
        const size_t n = end ? (size_t)(end - at) : strlen(at);
        char        *name = hl_arena_get(&x->arena, n + 1, 1);
        if (!name) return hl_schema_no_memory(x);
        const bool ok = decode(at, n, name);
        ret->schema = ok ? child_of(ret->schema, name) : NULL;
        if (!ret->schema) return hl_schema_fail(x, HL_E_FORMAT, path, "nothing is at '#%s'", pointer);
        ret->path = hl_schema_under(x, ret->path, name);
        if (!ret->path) return hl_schema_no_memory(x);
        at += n;
    }
    return HL_OK;
}

/* The first schema with that anchor, anywhere in the document. */
static const json_t *find_anchor(const json_t *at, const char *name, int depth) {
    const char   *key;
    const json_t *v, *found = NULL;
    size_t        i;
    if (depth > HL_SCHEMA_MAX_DEPTH) return NULL;
    if (json_is_object(at)) {
        const char *own = json_string_value(json_object_get(at, "$anchor"));
        if (own && strcmp(own, name) == 0) return at;
        json_object_foreach((json_t *)at, key, v) if (!found) found = find_anchor(v, name, depth + 1);
    } else if (json_is_array(at)) {
        json_array_foreach(at, i, v) if (!found) found = find_anchor(v, name, depth + 1);
    }
    return found;
}

hl_status hl_schema_resolve(hl_schema_ctx *x, const json_t *ref, const hl_schema_path *path,
                            hl_schema_atom *ret_atom) {
    const char *text = json_string_value(ref);
    if (!text) return hl_schema_fail(x, HL_E_FORMAT, path, "a reference is a text");
    const char  *id = json_string_value(json_object_get(x->root, "$id"));
    const char  *hash = strchr(text, '#');
    const size_t n = hash ? (size_t)(hash - text) : strlen(text);
    const size_t n_id = id ? strcspn(id, "#") : 0;
    *ret_atom = (hl_schema_atom){0};
    if (n > 0 && (n != n_id || memcmp(text, id, n) != 0))
        return hl_schema_fail(x, HL_E_ARG, path,
                              "'%s' is not in this schema: only references inside it are followed", text);
    if (!hash || hash[1] == '\0') {
        ret_atom->schema = x->root;
        return HL_OK;
    }
    if (hash[1] == '/') return follow_pointer(x, hash + 1, path, ret_atom);
    ret_atom->schema = find_anchor(x->root, hash + 1, 0);
    ret_atom->path = hl_schema_under(x, NULL, hash + 1);
    if (!ret_atom->path) return hl_schema_no_memory(x);
    if (!ret_atom->schema) return hl_schema_fail(x, HL_E_FORMAT, path, "there is no anchor '%s'", hash + 1);
    return HL_OK;
}
