/* SPDX-License-Identifier: MIT
 *
 * safetensors.c - read headers of safetensors files and check every number in them.
 */
#include "models/convert/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/data/json.h"

enum {
    MAX_HEADER_BYTES = 100 << 20, /* as the format's own reader has it */
    MAX_TENSORS = 1 << 20,
    MAX_DEPTH = 8,
    MAX_NAME_BYTES = 4096,
    MAX_FILES = 4096,
};

struct hl_safetensors {
    hl_map       **maps; /* [n_maps] */
    size_t         n_maps;
    hl_st_tensor **v; /* [n] by name */
    size_t         n, cap;
    hl_arena       arena;
};

/* ---- one tensor ---- */

typedef struct file_view {
    const char    *what; /* names the file in messages */
    const uint8_t *data; /* behind the header */
    uint64_t       n_bytes;
} file_view;

static size_t type_bytes(const char *name, hl_st_type *ret) {
    static const struct {
        const char *name;
        size_t      bytes;
        hl_st_type  type;
    } rows[] = {{"F32", 4, HL_ST_F32},      {"F16", 2, HL_ST_F16},       {"BF16", 2, HL_ST_BF16},
                {"F64", 8, HL_ST_OTHER},    {"I64", 8, HL_ST_OTHER},     {"I32", 4, HL_ST_OTHER},
                {"I16", 2, HL_ST_OTHER},    {"I8", 1, HL_ST_OTHER},      {"U64", 8, HL_ST_OTHER},
                {"U32", 4, HL_ST_OTHER},    {"U16", 2, HL_ST_OTHER},     {"U8", 1, HL_ST_OTHER},
                {"BOOL", 1, HL_ST_OTHER},   {"F8_E4M3", 1, HL_ST_OTHER}, {"F8_E5M2", 1, HL_ST_OTHER},
                {"F8_E8M0", 1, HL_ST_OTHER}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(name, rows[i].name) == 0) {
            *ret = rows[i].type;
            return rows[i].bytes;
        }
    return 0;
}

static bool read_u64(const json_t *v, uint64_t *ret) {
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static hl_status read_shape(const json_t *list, hl_st_tensor *t, const file_view *f, hl_err *err) {
    t->n_elems = 1;
    if (!json_is_array(list) || json_array_size(list) > HL_ST_MAX_DIMS)
        return hl_fail(err, HL_E_FORMAT, "%s: tensor '%.200s': shape: expected a list of at most %d numbers",
                       f->what, t->name, HL_ST_MAX_DIMS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t n;
        if (!read_u64(json_array_get(list, i), &t->shape[i]) ||
            !hl_mul_size((size_t)t->n_elems, (size_t)t->shape[i], &n))
            return hl_fail(err, HL_E_FORMAT, "%s: tensor '%.200s': shape[%zu] is no size that can be",
                           f->what, t->name, i);
        t->n_elems = n;
    }
    t->n_dims = (uint32_t)json_array_size(list);
    return HL_OK;
}

static hl_status read_tensor(const json_t *v, hl_st_tensor *t, const file_view *f, hl_err *err) {
    const char   *type = hl_json_text(v, "dtype");
    const json_t *offsets = json_object_get(v, "data_offsets");
    uint64_t      begin = 0, end = 0;
    size_t        n_bytes = 0;
    if (!type || strlen(type) >= sizeof t->type_name)
        return hl_fail(err, HL_E_FORMAT, "%s: tensor '%.200s': no dtype", f->what, t->name);
    (void)snprintf(t->type_name, sizeof t->type_name, "%s", type);
    const size_t each = type_bytes(type, &t->type);
    if (each == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "%s: tensor '%.200s': dtype '%s' is not known", f->what,
                       t->name, type);
    const hl_status status = read_shape(json_object_get(v, "shape"), t, f, err);
    if (status != HL_OK) return status;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_u64(json_array_get(offsets, 0), &begin) || !read_u64(json_array_get(offsets, 1), &end))
        return hl_fail(err, HL_E_FORMAT, "%s: tensor '%.200s': data_offsets: expected two numbers", f->what,
                       t->name);
    if (begin > end || end > f->n_bytes)
        return hl_fail(err, HL_E_FORMAT,
                       "%s: tensor '%.200s': data from %" PRIu64 " to %" PRIu64
                       ", expected within the %" PRIu64 " bytes behind the header",
                       f->what, t->name, begin, end, f->n_bytes);
    if (!hl_mul_size((size_t)t->n_elems, each, &n_bytes) || n_bytes != end - begin)
        return hl_fail(err, HL_E_FORMAT, "%s: tensor '%.200s' (%s): %" PRIu64 " bytes, its shape needs %zu",
                       f->what, t->name, type, end - begin, n_bytes);
    t->data = f->data + begin;
    t->n_bytes = n_bytes;
    return HL_OK;
}

/* ---- one file ---- */

static hl_st_tensor *add_tensor(hl_safetensors *s, const char *name, hl_err *err) {
    if (s->n == MAX_TENSORS) {
        (void)hl_fail(err, HL_E_LIMIT, "more than %d tensors", MAX_TENSORS);
        return NULL;
    }
    if (s->n == s->cap) {
        const size_t   cap = s->cap ? 2 * s->cap : 256;
        hl_st_tensor **grown = hl_resize(s->v, cap, sizeof(hl_st_tensor *));
        if (grown) {
            s->v = grown;
            s->cap = cap;
        }
    }
    hl_st_tensor *t = s->n < s->cap ? hl_arena_get(&s->arena, 1, sizeof *t) : NULL;
    const char   *kept = t ? hl_arena_get_text(&s->arena, name, strlen(name)) : NULL;
    if (!kept) {
        (void)hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", s->n);
        return NULL;
    }
    t->name = kept;
    s->v[s->n++] = t;
    return t;
}

static int by_data(const void *a, const void *b) {
    const hl_st_tensor *x = *(const hl_st_tensor *const *)a, *y = *(const hl_st_tensor *const *)b;
    return x->data < y->data         ? -1
           : x->data > y->data       ? 1
           : x->n_bytes < y->n_bytes ? -1
                                     : x->n_bytes > y->n_bytes;
}

/* Two that share bytes would be two readings of one thing. */
static hl_status check_overlaps(hl_st_tensor **v, size_t n, const file_view *f, hl_err *err) {
    if (n == 0) return HL_OK;
    qsort(v, n, sizeof(hl_st_tensor *), by_data);
    const uint8_t *end = v[0]->data;
    for (size_t i = 0; i < n; i++) {
        if (v[i]->data < end)
            return hl_fail(err, HL_E_FORMAT, "%s: tensors '%.200s' and '%.200s' share bytes", f->what,
                           v[i - 1]->name, v[i]->name);
        end = v[i]->data + v[i]->n_bytes;
    }
    return HL_OK;
}

static hl_status read_header(hl_safetensors *s, const uint8_t *data, uint64_t n_bytes, const char *what,
                             hl_err *err) {
    const hl_json_rules rules = {.max_bytes = MAX_HEADER_BYTES,
                                 .max_values = 16 * (size_t)MAX_TENSORS,
                                 .max_depth = MAX_DEPTH,
                                 .is_strict = true,
                                 .refuses_doubles = true};
    json_t             *root = NULL, *v;
    const char         *name;
    uint64_t            n_header = 0;
    const size_t        n_before = s->n;
    if (n_bytes < 8)
        return hl_fail(err, HL_E_FORMAT, "%s: %" PRIu64 " bytes, expected a safetensors file", what, n_bytes);
    for (int i = 7; i >= 0; i--) n_header = n_header << 8 | data[i];
    if (n_header > n_bytes - 8 || n_header > MAX_HEADER_BYTES || n_header < 2 || data[8] != '{')
        return hl_fail(err, HL_E_FORMAT, "%s: no safetensors file: its header would have %" PRIu64 " bytes",
                       what, n_header);
    const file_view f = {what, data + 8 + n_header, n_bytes - 8 - n_header};
    hl_status       status =
        hl_json_read((hl_view){(const char *)data + 8, (size_t)n_header}, what, &rules, &root, err);
    if (status == HL_OK && !json_is_object(root))
        status = hl_fail(err, HL_E_FORMAT, "%s: header: expected an object", what);
    if (status == HL_OK) json_object_foreach(root, name, v) {
            if (strcmp(name, "__metadata__") == 0) continue;
            if (strlen(name) > MAX_NAME_BYTES)
                status =
                    hl_fail(err, HL_E_LIMIT, "%s: a tensor's name has over %d bytes", what, MAX_NAME_BYTES);
            hl_st_tensor *t = status == HL_OK ? add_tensor(s, name, err) : NULL;
            if (status == HL_OK && !t) status = HL_E_NOMEM;
            if (status == HL_OK) status = read_tensor(v, t, &f, err);
            if (status != HL_OK) break;
        }
    json_decref(root);
    return status == HL_OK ? check_overlaps(s->v + n_before, s->n - n_before, &f, err) : status;
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const hl_st_tensor *const *)a)->name, (*(const hl_st_tensor *const *)b)->name);
}

static hl_status sort(hl_safetensors *s, hl_err *err) {
    if (s->n > 0) qsort(s->v, s->n, sizeof(hl_st_tensor *), by_name);
    for (size_t i = 1; i < s->n; i++)
        if (strcmp(s->v[i]->name, s->v[i - 1]->name) == 0)
            return hl_fail(err, HL_E_FORMAT, "tensor '%.200s' is in two files", s->v[i]->name);
    return HL_OK;
}

static hl_safetensors *make(size_t n_files, hl_err *err) {
    hl_safetensors *s = hl_new(1, sizeof *s);
    if (s) s->maps = hl_new(n_files + 1, sizeof(hl_map *));
    if (!s || !s->maps) {
        hl_free(s);
        (void)hl_fail(err, HL_E_NOMEM, "safetensors: no memory");
        return NULL;
    }
    hl_arena_init(&s->arena, (size_t)1 << 30);
    return s;
}

static hl_status finish(hl_safetensors *s, hl_status status, hl_safetensors **ret, hl_err *err) {
    if (status == HL_OK) status = sort(s, err);
    if (status == HL_OK)
        *ret = s;
    else
        hl_safetensors_close(s);
    return status;
}

hl_status hl_safetensors_open(const char *const *paths, size_t n_paths, hl_safetensors **ret, hl_err *err) {
    hl_status status = HL_OK;
    if (n_paths == 0 || n_paths > MAX_FILES)
        return hl_fail(err, HL_E_ARG, "safetensors: %zu files, expected 1..%d", n_paths, MAX_FILES);
    hl_safetensors *s = make(n_paths, err);
    if (!s) return HL_E_NOMEM;
    for (size_t i = 0; i < n_paths && status == HL_OK; i++) {
        const char *slash = strrchr(paths[i], '/');
        char        what[300];
        (void)snprintf(what, sizeof what, "'%.250s'", slash ? slash + 1 : paths[i]);
        status = hl_map_open(paths[i], &s->maps[i], err);
        if (status != HL_OK) break;
        s->n_maps++;
        status = read_header(s, hl_map_data(s->maps[i]), hl_map_size(s->maps[i]), what, err);
    }
    return finish(s, status, ret, err);
}

hl_status hl_safetensors_open_memory(const void *data, size_t n_bytes, hl_safetensors **ret, hl_err *err) {
    hl_safetensors *s = make(0, err);
    if (!s) return HL_E_NOMEM;
    return finish(s, read_header(s, data, n_bytes, "memory", err), ret, err);
}

void hl_safetensors_close(hl_safetensors *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n_maps; i++) hl_map_close(s->maps[i]);
    hl_free(s->maps);
    hl_free(s->v);
    hl_arena_done(&s->arena);
    hl_free(s);
}

size_t hl_safetensors_n(const hl_safetensors *s) { return s->n; }

hl_st_tensor *hl_safetensors_at(const hl_safetensors *s, size_t i) { return i < s->n ? s->v[i] : NULL; }

hl_st_tensor *hl_safetensors_find(const hl_safetensors *s, const char *name) {
    size_t low = 0, high = s->n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int    c = strcmp(s->v[mid]->name, name);
        if (c == 0) return s->v[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

bool hl_safetensors_is_broken(const hl_safetensors *s) {
    bool broken = false;
    for (size_t i = 0; i < s->n_maps; i++) broken |= hl_map_is_broken(s->maps[i]);
    return broken;
}
