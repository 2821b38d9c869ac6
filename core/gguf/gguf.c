/* SPDX-License-Identifier: MIT
 *
 * gguf.c - open a model's file or all its shards, and look things up in them.
 *
 * The first shard gives the keys; of the others only split.* and the alignment count. Each shard must
 * say which one it is, so that a missing, doubled or circular set is noticed before any weight is used.
 */
#define _GNU_SOURCE
#include "core/gguf/gguf_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

struct hl_gguf {
    hl_gguf_header  header; /* of the first shard */
    hl_gguf_bytes  *shards;
    size_t          n_shards;
    hl_gguf_tensor *tensors; /* [n_tensors], then [n_numbers] of whole numbers */
    size_t          n_tensors, n_numbers;
    hl_gguf_index   tensor_index; /* of both */
};

/* split.* of one shard; count 0 when the file is not split. */
typedef struct split {
    uint64_t no;
    uint64_t count;
    uint64_t n_tensors; /* of all shards; UINT64_MAX when not said */
} split;

static hl_view name_of(const void *items, size_t i) {
    const hl_gguf_tensor *t = &((const hl_gguf_tensor *)items)[i];
    return (hl_view){t->name, strlen(t->name)};
}

static hl_status find_uint(const hl_gguf_values *values, const char *key, uint64_t max, uint64_t *ret,
                           hl_err *err) {
    const hl_gguf_value *v = hl_gguf_values_find(values, hl_view_of(key));
    if (!v) return HL_OK;
    uint64_t x = 0;
    if (!hl_gguf_value_u64(v, &x))
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %s, expected an unsigned integer", key,
                       hl_gguf_kind_name(v->kind));
    if (x > max)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %" PRIu64 ", expected at most %" PRIu64, key, x, max);
    *ret = x;
    return HL_OK;
}

static hl_status read_split(const hl_gguf_values *values, split *ret, hl_err *err) {
    split     s = {0, 0, UINT64_MAX};
    hl_status status = find_uint(values, "split.count", HL_GGUF_MAX_SHARDS, &s.count, err);
    if (status == HL_OK) status = find_uint(values, "split.no", HL_GGUF_MAX_SHARDS, &s.no, err);
    if (status == HL_OK)
        status = find_uint(values, "split.tensors.count", HL_GGUF_MAX_TENSORS, &s.n_tensors, err);
    if (status == HL_OK) *ret = s;
    return status;
}

static hl_status check_split(const split *s, size_t i_shard, uint64_t n_shards, hl_err *err) {
    const uint64_t count = s->count ? s->count : 1;
    if (count != n_shards)
        return hl_fail(err, HL_E_FORMAT, "key 'split.count' is %" PRIu64 ", expected %" PRIu64, s->count,
                       n_shards);
    if (s->no != i_shard)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'split.no' is %" PRIu64 ", expected %zu: this is shard %" PRIu64 " of %" PRIu64,
                       s->no, i_shard, s->no + 1, count);
    return HL_OK;
}

/* Append the tensors of shard i, whose header is h. */
static hl_status add_tensors(hl_gguf *g, size_t i, const hl_gguf_header *h, hl_err *err) {
    const size_t total = g->n_tensors + h->n_tensors;
    if (total > HL_GGUF_MAX_TENSORS)
        return hl_fail(err, HL_E_FORMAT, "%zu tensors in %zu shards, expected at most %d", total, i + 1,
                       HL_GGUF_MAX_TENSORS);
    hl_gguf_tensor *grown = hl_resize(g->tensors, total, sizeof *grown);
    if (!grown) return hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", total);
    g->tensors = grown;
    const hl_status status = hl_gguf_read_tensors(&g->shards[i], h, (uint32_t)i, grown + g->n_tensors, err);
    if (status == HL_OK) g->n_tensors = total;
    return status;
}

/* Weights first, in their order, then tensors of whole numbers. False: no memory. */
static bool part_numbers(hl_gguf *g) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < g->n_tensors; i++) n += g->tensors[i].is_i64;
    if (n == 0) return true;
    hl_gguf_tensor *numbers = hl_new(n, sizeof *numbers);
    if (!numbers) return false;
    for (size_t i = 0, k = 0; i < g->n_tensors; i++) {
        if (g->tensors[i].is_i64)
            numbers[k++] = g->tensors[i];
        else
            g->tensors[at++] = g->tensors[i];
    }
    memcpy(g->tensors + at, numbers, n * sizeof *numbers);
    hl_free(numbers);
    g->n_tensors = at;
    g->n_numbers = n;
    return true;
}

static hl_status index_tensors(hl_gguf *g, hl_err *err) {
    const size_t n = g->n_tensors;
    if (!part_numbers(g)) return hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", n);
    if (!hl_gguf_index_init(&g->tensor_index, n))
        return hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        if (!hl_gguf_index_add(&g->tensor_index, g->tensors, i, name_of))
            return hl_fail(err, HL_E_FORMAT, "tensor '%s' is there twice", g->tensors[i].name);
    return HL_OK;
}

static hl_status name_file(hl_status status, const char *path, hl_err *err) {
    (void)hl_fail_within(err, status, "'%s'", path);
    return status;
}

/* Whatever else seemed wrong with a file: when it was changed meanwhile, that is why. */
static hl_status check_whole(const hl_gguf_bytes *b, hl_status status, hl_err *err) {
    return b->map && hl_map_is_broken(b->map)
               ? hl_fail(err, HL_E_IO, "the file was changed or cut short while it was read")
               : status;
}

/* Shard i's keys, and what they say of the set. On success ret_header->values is to be freed. */
static hl_status read_keys(hl_gguf *g, size_t i, hl_gguf_header *ret_header, split *ret_split, hl_err *err) {
    hl_gguf_header h = {0};
    hl_status      status = hl_gguf_read_header(&g->shards[i], &h, err);
    if (status == HL_OK) status = read_split(&h.values, ret_split, err);
    if (status == HL_OK)
        *ret_header = h;
    else
        hl_gguf_values_done(&h.values);
    return status;
}

static hl_status map_shard(hl_gguf *g, size_t i, const char *path, hl_gguf_header *ret_header,
                           split *ret_split, hl_err *err) {
    hl_status status = hl_gguf_bytes_open(path, &g->shards[i], err); /* its message names the file */
    if (status != HL_OK) return status;
    status = check_whole(&g->shards[i], read_keys(g, i, ret_header, ret_split, err), err);
    return status == HL_OK ? HL_OK : name_file(status, path, err);
}

/* The tensors of shard i, whose keys are read. */
static hl_status take_shard(hl_gguf *g, size_t i, const hl_gguf_header *h, const split *s, hl_err *err) {
    hl_status status = check_split(s, i, g->n_shards, err);
    if (status == HL_OK) status = add_tensors(g, i, h, err);
    return check_whole(&g->shards[i], status, err);
}

static hl_gguf *new_gguf(size_t n_shards) {
    hl_gguf *g = hl_new(1, sizeof *g);
    if (!g) return NULL;
    g->n_shards = n_shards;
    g->shards = hl_new(n_shards, sizeof *g->shards);
    if (!g->shards) {
        hl_gguf_close(g);
        return NULL;
    }
    return g;
}

static hl_status finish(hl_gguf *g, const split *first, hl_err *err) {
    if (first->n_tensors != UINT64_MAX && first->count > 1 && first->n_tensors != g->n_tensors)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'split.tensors.count' is %" PRIu64 ", but the shards hold %zu tensors",
                       first->n_tensors, g->n_tensors);
    return index_tensors(g, err);
}

/* Read a shard behind the first: of its keys nothing is kept. */
static hl_status add_shard(hl_gguf *g, size_t i, const char *path, hl_err *err) {
    hl_gguf_header h = {0};
    split          s = {0};
    hl_status      status = map_shard(g, i, path, &h, &s, err);
    if (status == HL_OK && (status = take_shard(g, i, &h, &s, err)) != HL_OK)
        (void)name_file(status, path, err);
    hl_gguf_values_done(&h.values);
    hl_gguf_bytes_trim(&g->shards[i], 0);
    return status;
}

/* All that follows the keys of the first shard. */
static hl_status read_rest(hl_gguf *g, const char *const *paths, const split *first, hl_err *err) {
    hl_status status = take_shard(g, 0, &g->header, first, err);
    if (status != HL_OK) return name_file(status, paths[0], err);
    for (size_t i = 1; i < g->n_shards && status == HL_OK; i++) status = add_shard(g, i, paths[i], err);
    if (status != HL_OK) return status;
    status = finish(g, first, err);
    return status == HL_OK ? HL_OK : name_file(status, paths[0], err);
}

static hl_status give(hl_gguf *g, hl_status status, hl_gguf **ret_gguf) {
    if (status == HL_OK)
        *ret_gguf = g;
    else
        hl_gguf_close(g);
    return status;
}

hl_status hl_gguf_open_shards(const char *const *paths, size_t n_paths, hl_gguf **ret_gguf, hl_err *err) {
    split first = {0};
    if (n_paths == 0 || n_paths > HL_GGUF_MAX_SHARDS)
        return hl_fail(err, HL_E_ARG, "%zu shards given, expected 1..%d", n_paths, HL_GGUF_MAX_SHARDS);
    hl_gguf *g = new_gguf(n_paths);
    if (!g) return hl_fail(err, HL_E_NOMEM, "open '%s': no memory", paths[0]);
    hl_status status = map_shard(g, 0, paths[0], &g->header, &first, err);
    if (status == HL_OK) status = read_rest(g, paths, &first, err);
    return give(g, status, ret_gguf);
}

/* "dir/name-00001-of-00003.gguf" -> length of "dir/name"; 0 when the path does not end like shard 1 of n. */
static size_t prefix_of_first_shard(const char *path, uint64_t n_shards) {
    char tail[48];
    (void)snprintf(tail, sizeof tail, "-00001-of-%05" PRIu64 ".gguf", n_shards);
    const size_t n = strlen(path);
    const size_t n_tail = strlen(tail);
    return n > n_tail && strcmp(path + n - n_tail, tail) == 0 ? n - n_tail : 0;
}

/* Make room for the shards that lie beside the first one, and read them all. */
static hl_status read_beside(hl_gguf *g, const char *path, const split *first, hl_err *err) {
    const uint64_t n_shards = first->count;
    const size_t   n_prefix = prefix_of_first_shard(path, n_shards);
    if (first->no != 0)
        return hl_fail(err, HL_E_FORMAT, "'%s' is shard %" PRIu64 " of %" PRIu64 ", expected the first one",
                       path, first->no + 1, n_shards);
    if (n_prefix == 0)
        return hl_fail(err, HL_E_FORMAT,
                       "'%s' is the first of %" PRIu64 " shards, but its name does not end in "
                       "\"-00001-of-%05" PRIu64 ".gguf\", so the others cannot be found",
                       path, n_shards, n_shards);
    const size_t   each = strlen(path) + 1; /* every shard's name is equally long */
    char         **paths = hl_new(n_shards, sizeof *paths);
    char          *text = hl_new(n_shards, each);
    hl_gguf_bytes *shards = hl_resize(g->shards, n_shards, sizeof *shards);
    hl_status      status = HL_OK;
    if (shards) {
        memset(shards + 1, 0, (n_shards - 1) * sizeof *shards);
        g->shards = shards;
        g->n_shards = n_shards;
    }
    if (!paths || !text || !shards) {
        status = hl_fail(err, HL_E_NOMEM, "open '%s': no memory", path);
        goto out;
    }
    for (uint64_t i = 0; i < n_shards; i++) {
        paths[i] = text + i * each;
        (void)snprintf(paths[i], each, "%.*s-%05" PRIu64 "-of-%05" PRIu64 ".gguf", (int)n_prefix, path, i + 1,
                       n_shards);
    }
    status = read_rest(g, (const char *const *)paths, first, err);
out:
    hl_free(paths);
    hl_free(text);
    return status;
}

hl_status hl_gguf_open(const char *path, hl_gguf **ret_gguf, hl_err *err) {
    split    first = {0};
    hl_gguf *g = new_gguf(1);
    if (!g) return hl_fail(err, HL_E_NOMEM, "open '%s': no memory", path);
    hl_status status = map_shard(g, 0, path, &g->header, &first, err);
    if (status == HL_OK)
        status = first.count <= 1 ? read_rest(g, &path, &first, err) : read_beside(g, path, &first, err);
    return give(g, status, ret_gguf);
}

hl_status hl_gguf_open_memory(const void *data, size_t n_bytes, hl_gguf **ret_gguf, hl_err *err) {
    split    s = {0};
    hl_gguf *g = new_gguf(1);
    if (!g) return hl_fail(err, HL_E_NOMEM, "open a model in memory: no memory");
    g->shards[0] = (hl_gguf_bytes){.data = data, .n_bytes = n_bytes, .header = data, .n_header = n_bytes};
    hl_status status = read_keys(g, 0, &g->header, &s, err);
    if (status == HL_OK) status = take_shard(g, 0, &g->header, &s, err);
    if (status == HL_OK) status = finish(g, &s, err);
    return give(g, status, ret_gguf);
}

void hl_gguf_close(hl_gguf *g) {
    if (!g) return;
    for (size_t i = 0; g->shards && i < g->n_shards; i++) hl_gguf_bytes_close(&g->shards[i]);
    hl_free(g->shards);
    hl_free(g->tensors);
    hl_gguf_index_done(&g->tensor_index);
    hl_gguf_values_done(&g->header.values);
    hl_free(g);
}

size_t   hl_gguf_n_shards(const hl_gguf *g) { return g->n_shards; }
uint32_t hl_gguf_version(const hl_gguf *g) { return g->header.version; }

size_t hl_gguf_file_bytes(const hl_gguf *g) {
    size_t sum = 0;
    for (size_t i = 0; i < g->n_shards; i++) sum += g->shards[i].n_bytes;
    return sum;
}

bool hl_gguf_is_broken(const hl_gguf *g) {
    for (size_t i = 0; i < g->n_shards; i++)
        if (g->shards[i].map && hl_map_is_broken(g->shards[i].map)) return true;
    return false;
}

void hl_gguf_will_need(const hl_gguf *g) {
    for (size_t i = 0; i < g->n_shards; i++)
        if (g->shards[i].map) hl_map_will_need(g->shards[i].map, 0, g->shards[i].n_bytes);
}

size_t               hl_gguf_n_values(const hl_gguf *g) { return g->header.values.n; }
const hl_gguf_value *hl_gguf_value_at(const hl_gguf *g, size_t i) { return &g->header.values.items[i]; }
const hl_gguf_value *hl_gguf_find(const hl_gguf *g, const char *key) {
    return hl_gguf_values_find(&g->header.values, hl_view_of(key));
}

size_t                hl_gguf_n_tensors(const hl_gguf *g) { return g->n_tensors; }
const hl_gguf_tensor *hl_gguf_tensor_at(const hl_gguf *g, size_t i) { return &g->tensors[i]; }
const hl_gguf_tensor *hl_gguf_find_tensor(const hl_gguf *g, const char *name) {
    size_t     i = 0;
    const bool found = hl_gguf_index_find(&g->tensor_index, g->tensors, hl_view_of(name), name_of, &i);
    return found && i < g->n_tensors ? &g->tensors[i] : NULL;
}

size_t                hl_gguf_n_numbers(const hl_gguf *g) { return g->n_numbers; }
const hl_gguf_tensor *hl_gguf_numbers_at(const hl_gguf *g, size_t i) { return &g->tensors[g->n_tensors + i]; }

bool hl_gguf_find_numbers(const hl_gguf *g, const char *name, hl_gguf_value *ret) {
    size_t i = 0;
    if (!hl_gguf_index_find(&g->tensor_index, g->tensors, hl_view_of(name), name_of, &i) || i < g->n_tensors)
        return false;
    *ret = (hl_gguf_value){.kind = HL_GGUF_ARRAY,
                           .elem_kind = HL_GGUF_I64,
                           .n = g->tensors[i].n_elems,
                           .data = g->tensors[i].data};
    return true;
}
