/* SPDX-License-Identifier: MIT
 *
 * schema_ref.c - references inside a schema: JSON pointers and anchors, and resources: parts with an $id of
 * their own, against which what is below them is read.
 * from: RFC 6901; RFC 3986, section 5; JSON Schema Core 2020-12, section 8.2
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
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

static hl_status follow_pointer(hl_schema_ctx *x, const json_t *root, const char *pointer,
                                const hl_schema_path *path, hl_schema_atom *ret) {
    ret->schema = root;
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

/* ---- resources ---- */

struct hl_schema_resource {
    const json_t *root;
    const char   *uri; /* absolute where the document says so; without a fragment */
};

struct hl_schema_holder { /* a schema with a reference, and the resource that it is part of */
    const json_t *schema;
    uint32_t      resource;
};

/* Is there something in front of the first ':', as in "https:" and "urn:"? */
static bool has_scheme(const char *s) {
    const size_t n = strcspn(s, ":/?#");
    return n > 0 && s[n] == ':';
}

/* "a/./b/../c" to "a/c", in place, from `path` on. */
static void remove_dots(char *path) {
    char *out = path;
    for (const char *in = path; *in;) {
        const size_t n = strcspn(in + 1, "/") + 1; /* "/part", or a part without one in front */
        const char  *part = in[0] == '/' ? in + 1 : in;
        const size_t n_part = (size_t)(in + n - part);
        const bool   is_up = n_part == 2 && memcmp(part, "..", 2) == 0;
        const bool   is_here = n_part == 1 && part[0] == '.';
        if (is_up)
            while (out > path && *--out != '/') {
            }
        if (is_up || is_here) {
            if (!in[n]) *out++ = '/';
        } else {
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    *out = '\0';
}

/* A reference without its fragment, read against a base; NULL: no memory. */
static const char *join_uri(hl_schema_ctx *x, const char *base, const char *ref, size_t n_ref) {
    const size_t n_base = strlen(base);
    char        *uri = hl_arena_get(&x->arena, n_base + n_ref + 2, 1);
    if (!uri) return NULL;
    const char  *slashes = strstr(base, "://");
    const size_t n_site = slashes ? (size_t)(slashes - base) + 3 + strcspn(slashes + 3, "/?#") : 0;
    const char  *last = strrchr(base + n_site, '/');
    const bool   is_alone = n_ref > 0 && has_scheme(ref);
    const size_t n_kept = n_ref == 0      ? n_base
                          : is_alone      ? 0
                          : ref[0] == '/' ? n_site
                          : last          ? (size_t)(last - base) + 1
                                          : n_site;
    memcpy(uri, base, n_kept);
    size_t n = n_kept;
    if (n_kept == n_site && n_site > 0 && n_ref > 0 && ref[0] != '/') uri[n++] = '/';
    memcpy(uri + n, ref, n_ref);
    uri[n + n_ref] = '\0';
    if (!is_alone && n_ref > 0) remove_dots(uri + n_site);
    return uri;
}

static bool add_resource(hl_schema_ctx *x, const json_t *root, const char *uri) {
    struct hl_schema_resource *more = hl_resize(x->resources, x->n_resources + 1, sizeof *more);
    if (!more) return false;
    x->resources = more;
    x->resources[x->n_resources++] = (struct hl_schema_resource){root, uri};
    return true;
}

static bool add_holder(hl_schema_ctx *x, const json_t *schema, uint32_t resource) {
    if (x->n_holders == x->holders_cap) {
        const size_t             cap = x->holders_cap ? 2 * x->holders_cap : 64;
        struct hl_schema_holder *more = hl_resize(x->holders, cap, sizeof *more);
        if (!more) return false;
        x->holders = more;
        x->holders_cap = cap;
    }
    x->holders[x->n_holders++] = (struct hl_schema_holder){schema, resource};
    return true;
}

/* What is below is no schema, but values. */
static bool is_data(const char *key) {
    static const char *const names[] = {"enum", "const", "default", "examples"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0) return true;
    return false;
}

enum { MAX_SCHEMA_NAME = 256 };

/* The $id of a part that begins a resource; NULL: it begins none. One that is a fragment was an anchor. */
static const char *id_of(const hl_schema_ctx *x, const json_t *at) {
    const char *id = json_string_value(json_object_get(at, "$id"));
    if (!id || id[0] == '#') return NULL;
    const char *draft = json_string_value(json_object_get(x->root, "$schema"));
    const bool may_be_old = draft && strlen(draft) < MAX_SCHEMA_NAME; /* a URL; it is looked at for each id */
    if (may_be_old && json_object_get(at, "$ref") && strstr(draft, "/draft-0"))
        return NULL; /* up to draft 7 */
    return id;
}

/* Of a walk through the whole schema. True: somebody asked to stop; then each walk that is under way ends. */
static bool is_stopped(hl_schema_ctx *x) {
    enum { EACH = 256 };
    if (!x->is_stopped && ++x->n_walked % EACH == 0) x->is_stopped = hl_stop_asked();
    return x->is_stopped;
}

/* False: no memory, or stopped. */
static bool find_resources(hl_schema_ctx *x, const json_t *at, uint32_t resource, int depth) {
    const char   *key;
    const json_t *v;
    size_t        i;
    bool          ok = !is_stopped(x);
    if (depth > HL_SCHEMA_MAX_DEPTH) return true;
    json_array_foreach(at, i, v) ok = ok && find_resources(x, v, resource, depth + 1);
    if (!json_is_object(at)) return ok;
    const char *id = id_of(x, at);
    if (id && at != x->root) {
        const char *uri = join_uri(x, x->resources[resource].uri, id, strcspn(id, "#"));
        ok = uri && add_resource(x, at, uri);
        resource = (uint32_t)x->n_resources - 1;
    }
    if (json_object_get(at, "$ref") || json_object_get(at, "$dynamicRef"))
        ok = ok && add_holder(x, at, resource);
    json_object_foreach((json_t *)(uintptr_t)at, key, v) if (!is_data(key)) ok =
        ok && find_resources(x, v, resource, depth + 1);
    return ok;
}

static int compare_holders(const void *a, const void *b) {
    const struct hl_schema_holder *p = a, *q = b;
    if (p->schema == q->schema) return 0;
    return (uintptr_t)p->schema < (uintptr_t)q->schema ? -1 : 1;
}

/* Once for all references. */
static hl_status know_resources(hl_schema_ctx *x) {
    if (x->n_resources > 0) return HL_OK;
    const char *id = id_of(x, x->root) ? id_of(x, x->root) : "";
    const char *uri = join_uri(x, "", id, strcspn(id, "#"));
    if (!uri || !add_resource(x, x->root, uri) || !find_resources(x, x->root, 0, 0))
        return x->is_stopped ? hl_stop_check("schema", x->err) : hl_schema_no_memory(x);
    if (x->n_holders > 0) qsort(x->holders, x->n_holders, sizeof *x->holders, compare_holders);
    return HL_OK;
}

static const struct hl_schema_resource *resource_of(const hl_schema_ctx *x, const json_t *schema) {
    const struct hl_schema_holder  key = {.schema = schema};
    const struct hl_schema_holder *h =
        x->n_holders ? bsearch(&key, x->holders, x->n_holders, sizeof key, compare_holders) : NULL;
    return &x->resources[h ? h->resource : 0];
}

static const struct hl_schema_resource *find_resource(const hl_schema_ctx *x, const char *uri) {
    for (size_t i = 0; i < x->n_resources; i++)
        if (strcmp(x->resources[i].uri, uri) == 0) return &x->resources[i];
    return NULL;
}

/* ---- anchors ---- */

/* The schema of that resource with that anchor; `is_dynamic`: a dynamic one. */
static const json_t *find_anchor(hl_schema_ctx *x, const json_t *root, const json_t *at, const char *name,
                                 bool is_dynamic, int depth) {
    static const char *const keys[] = {"$dynamicAnchor", "$anchor"};
    const char              *key;
    const json_t            *v, *found = NULL;
    size_t                   i;
    if (depth > HL_SCHEMA_MAX_DEPTH || (at != root && id_of(x, at)) || is_stopped(x)) return NULL;
    for (i = 0; i < (is_dynamic ? 1 : 2); i++) {
        const char *own = json_string_value(json_object_get(at, keys[i]));
        if (own && strcmp(own, name) == 0) return at;
    }
    const char *old = json_string_value(json_object_get(at, "$id")); /* "#name", before 2019-09 */
    if (!is_dynamic && old && old[0] == '#' && strcmp(old + 1, name) == 0) return at;
    json_object_foreach((json_t *)(uintptr_t)at, key, v) if (!found && !is_data(key)) found =
        find_anchor(x, root, v, name, is_dynamic, depth + 1);
    json_array_foreach(at, i, v) if (!found) found = find_anchor(x, root, v, name, is_dynamic, depth + 1);
    return found;
}

/* A reference to a dynamic anchor leads to the outermost resource that has it, of those on the way. The
 * document's is always the first of them; else only one resource may have it, because the way is not known
 * here. */
static hl_status follow_dynamic(hl_schema_ctx *x, const char *name, const hl_schema_path *path,
                                hl_schema_atom *ret) {
    const json_t *only = NULL;
    for (size_t i = 0; i < x->n_resources; i++) {
        const json_t *root = x->resources[i].root, *at = find_anchor(x, root, root, name, true, 0);
        if (at && only)
            return hl_schema_fail(
                x, HL_E_ARG, path,
                "which '$dynamicAnchor' of the name '%s' counts depends on the way that leads here: "
                "it cannot be enforced",
                name);
        if (at) only = at;
        if (at && i == 0) break;
    }
    ret->schema = only;
    return x->is_stopped ? hl_stop_check("schema", x->err) : HL_OK;
}

static hl_status follow_anchor(hl_schema_ctx *x, const json_t *root, const char *name, bool is_dynamic,
                               const hl_schema_path *path, hl_schema_atom *ret) {
    ret->schema = find_anchor(x, root, root, name, false, 0);
    ret->path = hl_schema_under(x, NULL, name);
    if (!ret->path) return hl_schema_no_memory(x);
    if (x->is_stopped) return hl_stop_check("schema", x->err);
    if (!ret->schema) return hl_schema_fail(x, HL_E_FORMAT, path, "there is no anchor '%s'", name);
    const char *own = json_string_value(json_object_get(ret->schema, "$dynamicAnchor"));
    return is_dynamic && own && strcmp(own, name) == 0 ? follow_dynamic(x, name, path, ret) : HL_OK;
}

hl_status hl_schema_resolve(hl_schema_ctx *x, const json_t *schema, const char *keyword,
                            const hl_schema_path *path, hl_schema_atom *ret_atom) {
    const char *text = json_string_value(json_object_get(schema, keyword));
    *ret_atom = (hl_schema_atom){0};
    if (!text) return hl_schema_fail(x, HL_E_FORMAT, path, "a reference is a text");
    const hl_status status = know_resources(x);
    if (status != HL_OK) return status;
    const struct hl_schema_resource *resource = resource_of(x, schema);
    const size_t                     n = strcspn(text, "#");
    if (n > 0) {
        const char *uri = join_uri(x, resource->uri, text, n);
        if (!uri) return hl_schema_no_memory(x);
        resource = find_resource(x, uri);
        if (!resource)
            return hl_schema_fail(x, HL_E_ARG, path,
                                  "'%s' is not in this schema: only references inside it are followed", text);
    }
    const char *fragment = text[n] == '#' ? text + n + 1 : "";
    ret_atom->schema = resource->root;
    if (!*fragment) return HL_OK;
    if (*fragment == '/') return follow_pointer(x, resource->root, fragment, path, ret_atom);
    return follow_anchor(x, resource->root, fragment, strcmp(keyword, "$dynamicRef") == 0, path, ret_atom);
}
