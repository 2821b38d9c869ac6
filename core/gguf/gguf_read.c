/* SPDX-License-Identifier: MIT
 *
 * gguf_read.c - parse one GGUF file's header from our copy of it, trusting nothing in it.
 *
 * One pass: magic, version, counts, key/value pairs, tensor infos; then the tensors' data ranges are
 * checked against the file and against each other. Gaps between tensors and any order of them are
 * fine, since only overlaps and ranges outside of the file can do harm.
 * from: the GGUF specification (ggml repository, docs/gguf.md), versions 2 and 3
 */
#include "core/gguf/gguf_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clean.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"

typedef struct reader {
    hl_gguf_bytes *b;
    size_t         at; /* offset in the file */
} reader;

static size_t         left(const reader *r) { return r->b->n_bytes - r->at; }
static const uint8_t *here(const reader *r) { return r->b->header + r->at; }

/* The next n bytes, of which the file must have as many. */
static hl_status need(const reader *r, const char *what, uint64_t n, hl_err *err) {
    if (n > left(r))
        return hl_fail(err, HL_E_FORMAT,
                       "cut short: %s at byte %zu needs %" PRIu64 " bytes, the file has %zu left", what,
                       r->at, n, left(r));
    return r->at + (size_t)n <= r->b->n_header ? HL_OK : hl_gguf_bytes_reach(r->b, r->at + (size_t)n, err);
}

static uint64_t load_le(const uint8_t *p, size_t n_bytes) {
    uint64_t x = 0;
    for (size_t i = n_bytes; i-- > 0;) x = x << 8 | p[i];
    return x;
}

static hl_status read_int(reader *r, size_t n_bytes, const char *what, uint64_t *ret, hl_err *err) {
    const hl_status status = need(r, what, n_bytes, err);
    if (status != HL_OK) return status;
    *ret = load_le(here(r), n_bytes);
    r->at += n_bytes;
    return HL_OK;
}

static hl_status read_string(reader *r, const char *what, hl_view *ret, hl_err *err) {
    hl_status status = need(r, what, 8, err);
    if (status != HL_OK) return status;
    const uint64_t n = load_le(here(r), 8);
    r->at += 8;
    status = need(r, what, n, err);
    if (status != HL_OK) return status;
    *ret = (hl_view){(const char *)here(r), (size_t)n};
    r->at += n;
    return HL_OK;
}

/* A key or a tensor name: something that can stand in a message. */
static hl_status read_name(reader *r, const char *what, size_t max_bytes, hl_view *ret, hl_err *err) {
    const size_t at = r->at;
    hl_status    status = read_string(r, what, ret, err);
    if (status != HL_OK) return status;
    if (ret->len == 0 || ret->len > max_bytes)
        return hl_fail(err, HL_E_FORMAT, "%s at byte %zu has %zu bytes, expected 1..%zu", what, at, ret->len,
                       max_bytes);
    for (size_t i = 0; i < ret->len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(ret->ptr + i, ret->len - i, &cp);
        if (n == 0)
            return hl_fail(err, HL_E_FORMAT, "%s at byte %zu is no UTF-8: byte 0x%02x", what, at,
                           (unsigned)(unsigned char)ret->ptr[i]);
        if (hl_clean_look(cp, HL_CLEAN_LINE) != HL_SHOWN_AS_IS)
            return hl_fail(err, HL_E_FORMAT,
                           "%s at byte %zu holds the control or invisible character U+%04" PRIX32, what, at,
                           cp);
        i += n;
    }
    return HL_OK;
}

/* Short enough for a message. */
static int shown(hl_view name) { return name.len < 80 ? (int)name.len : 80; }

static hl_status check_kind(hl_view key, const char *of, uint64_t kind, bool array_allowed, hl_err *err) {
    if (kind == HL_GGUF_ARRAY && !array_allowed)
        return hl_fail(err, HL_E_FORMAT, "key '%.*s': array of arrays, expected an array of plain values",
                       shown(key), key.ptr);
    if (kind > HL_GGUF_F64)
        return hl_fail(err, HL_E_FORMAT, "key '%.*s': %s %" PRIu64 ", expected 0..%d", shown(key), key.ptr,
                       of, kind, HL_GGUF_F64);
    return HL_OK;
}

static hl_status read_array(reader *r, hl_gguf_value *v, hl_err *err) {
    uint64_t  kind = 0;
    hl_status status = read_int(r, 4, "array element type", &kind, err);
    if (status == HL_OK) status = check_kind(v->key, "array element type", kind, false, err);
    if (status == HL_OK) status = read_int(r, 8, "array length", &v->n, err);
    if (status != HL_OK) return status;

    v->elem_kind = (hl_gguf_kind)kind;
    v->data = here(r);
    const size_t each = hl_gguf_kind_bytes(v->elem_kind);
    if (v->n > left(r) / (each ? each : 8))
        return hl_fail(err, HL_E_FORMAT,
                       "key '%.*s': array of %" PRIu64 " %s elements, the file has %zu bytes left",
                       shown(v->key), v->key.ptr, v->n, hl_gguf_kind_name(v->elem_kind), left(r));
    if (each) {
        status = need(r, "array", v->n * each, err);
        if (status == HL_OK) r->at += v->n * each;
        return status;
    }
    for (uint64_t i = 0; i < v->n; i++) {
        hl_view s;
        if (i % 65536 == 65535 && (status = hl_stop_check("read the file's keys", err)) != HL_OK)
            return status;
        status = read_string(r, "string in an array", &s, err);
        if (status != HL_OK) {
            (void)hl_fail_within(err, status, "key '%.*s'[%" PRIu64 "]", shown(v->key), v->key.ptr, i);
            return status;
        }
    }
    return HL_OK;
}

static hl_status read_value(reader *r, hl_gguf_value *v, hl_err *err) {
    uint64_t  kind = 0;
    hl_status status = read_name(r, "key", HL_GGUF_MAX_KEY_BYTES, &v->key, err);
    if (status == HL_OK) status = read_int(r, 4, "value type", &kind, err);
    if (status == HL_OK) status = check_kind(v->key, "value type", kind, true, err);
    if (status != HL_OK) return status;

    v->kind = v->elem_kind = (hl_gguf_kind)kind;
    v->n = 1;
    v->data = here(r);
    if (v->kind == HL_GGUF_ARRAY) return read_array(r, v, err);
    if (v->kind == HL_GGUF_STRING) {
        hl_view s;
        status = read_string(r, "string", &s, err);
    } else {
        uint64_t x = 0;
        status = read_int(r, hl_gguf_kind_bytes(v->kind), "value", &x, err);
        if (status == HL_OK && v->kind == HL_GGUF_BOOL && x > 1)
            return hl_fail(err, HL_E_FORMAT, "key '%.*s': bool with value %" PRIu64 ", expected 0 or 1",
                           shown(v->key), v->key.ptr, x);
    }
    if (status != HL_OK) (void)hl_fail_within(err, status, "key '%.*s'", shown(v->key), v->key.ptr);
    return status;
}

static hl_view key_of(const void *items, size_t i) { return ((const hl_gguf_value *)items)[i].key; }

void hl_gguf_values_done(hl_gguf_values *v) {
    hl_free(v->items);
    hl_gguf_index_done(&v->index);
    *v = (hl_gguf_values){0};
}

const hl_gguf_value *hl_gguf_values_find(const hl_gguf_values *v, hl_view key) {
    size_t i = 0;
    return hl_gguf_index_find(&v->index, v->items, key, key_of, &i) ? &v->items[i] : NULL;
}

static hl_status read_values(reader *r, size_t n, hl_gguf_values *ret, hl_err *err) {
    ret->items = hl_new(n, sizeof *ret->items);
    ret->n = n;
    if (!ret->items || !hl_gguf_index_init(&ret->index, n))
        return hl_fail(err, HL_E_NOMEM, "no memory for %zu keys", n);
    for (size_t i = 0; i < n; i++) {
        hl_gguf_value  *v = &ret->items[i];
        const hl_status status = read_value(r, v, err);
        if (status != HL_OK) return status;
        if (!hl_gguf_index_add(&ret->index, ret->items, i, key_of))
            return hl_fail(err, HL_E_FORMAT, "key '%.*s' is there twice", shown(v->key), v->key.ptr);
    }
    return HL_OK;
}

static hl_status fail_magic(const reader *r, hl_err *err) {
    enum { TELLING_BYTES = 262 };
    const size_t    n = r->b->n_bytes < TELLING_BYTES ? r->b->n_bytes : TELLING_BYTES;
    const char     *remark = "";
    const hl_status status = hl_gguf_bytes_reach(r->b, n, err);
    if (status != HL_OK) return status;
    const uint8_t *p = r->b->header;
    const char    *what = hl_gguf_what_is(p, n, r->b->n_bytes, &remark);
    if (what) return hl_fail(err, HL_E_FORMAT, "not a GGUF file: it is %s%s", what, remark);
    if (n < 4) return hl_fail(err, HL_E_FORMAT, "cut short: a file of %zu bytes is no GGUF file", n);
    return hl_fail(err, HL_E_FORMAT,
                   "not a GGUF file: it starts with %02x %02x %02x %02x, expected 47 47 55 46", p[0], p[1],
                   p[2], p[3]);
}

static hl_status check_magic(reader *r, uint32_t *ret_version, hl_err *err) {
    if (left(r) < 4) return fail_magic(r, err);
    const hl_status whole = need(r, "the mark \"GGUF\"", 4, err);
    if (whole != HL_OK) return whole;
    if (memcmp(here(r), "GGUF", 4) != 0) return fail_magic(r, err);
    r->at += 4;
    uint64_t  version = 0;
    hl_status status = read_int(r, 4, "version", &version, err);
    if (status != HL_OK) return status;
    if ((version & 0xFFFF) == 0 && version != 0)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "a big-endian GGUF file is not supported; expected little endian");
    if (version < 2 || version > 3)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "GGUF version %" PRIu64 " is not supported; supported are 2 and 3", version);
    *ret_version = (uint32_t)version;
    return HL_OK;
}

/* A count that the rest of the file can hold, at min_bytes for each item. */
static hl_status read_count(reader *r, const char *what, uint64_t limit, size_t min_bytes, size_t *ret,
                            hl_err *err) {
    uint64_t  n = 0;
    hl_status status = read_int(r, 8, what, &n, err);
    if (status != HL_OK) return status;
    if (n > limit)
        return hl_fail(err, HL_E_FORMAT, "%s is %" PRIu64 ", expected at most %" PRIu64, what, n, limit);
    if (n > left(r) / min_bytes)
        return hl_fail(err, HL_E_FORMAT, "%s is %" PRIu64 ", more than %zu bytes can hold", what, n, left(r));
    *ret = (size_t)n;
    return HL_OK;
}

static hl_status find_alignment(const hl_gguf_values *values, uint64_t *ret, hl_err *err) {
    *ret = HL_GGUF_DEFAULT_ALIGNMENT;
    const hl_gguf_value *v = hl_gguf_values_find(values, hl_view_of("general.alignment"));
    if (!v) return HL_OK;
    uint64_t a = 0;
    if (!hl_gguf_value_u64(v, &a))
        return hl_fail(err, HL_E_FORMAT, "key 'general.alignment' is %s, expected u32",
                       hl_gguf_kind_name(v->kind));
    if (a < HL_GGUF_MIN_ALIGNMENT || a > UINT32_MAX || (a & (a - 1)) != 0)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'general.alignment' is %" PRIu64 ", expected a power of two from %d", a,
                       HL_GGUF_MIN_ALIGNMENT);
    *ret = a;
    return HL_OK;
}

hl_status hl_gguf_read_header(hl_gguf_bytes *b, hl_gguf_header *ret, hl_err *err) {
    enum { MIN_VALUE_BYTES = 8 + 1 + 4 + 1, MIN_INFO_BYTES = 8 + 1 + 4 + 4 + 8 };
    reader         r = {b, 0};
    hl_gguf_header h = {0};
    size_t         n_values = 0;

    hl_status status = check_magic(&r, &h.version, err);
    if (status == HL_OK)
        status = read_count(&r, "tensor count", HL_GGUF_MAX_TENSORS, MIN_INFO_BYTES, &h.n_tensors, err);
    if (status == HL_OK)
        status = read_count(&r, "key count", HL_GGUF_MAX_VALUES, MIN_VALUE_BYTES, &n_values, err);
    if (status == HL_OK) status = read_values(&r, n_values, &h.values, err);
    if (status == HL_OK) status = find_alignment(&h.values, &h.alignment, err);
    if (status != HL_OK) {
        hl_gguf_values_done(&h.values);
        return status;
    }
    h.infos_at = r.at;
    *ret = h;
    return HL_OK;
}

static const char supported_types[] =
#define HL_TYPE(name, id, elems, bytes) " " #name
#include "core/gguf/types.def"
#undef HL_TYPE
    ;

enum { I64_ID = 27 }; /* of the format's tensor types: no weights */

static hl_status read_type(reader *r, hl_gguf_tensor *t, hl_err *err) {
    uint64_t  id = 0;
    hl_status status = read_int(r, 4, "tensor type", &id, err);
    if (status != HL_OK) return status;
    if (hl_type_find_gguf((uint32_t)id, &t->type)) return HL_OK;
    if ((t->is_i64 = id == I64_ID)) return HL_OK;
    const char *name = hl_type_gguf_name((uint32_t)id);
    if (!name)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "tensor '%s' has type %" PRIu64 ", which this program does not know; supported are%s",
                       t->name, id, supported_types);
    if (hl_type_is_removed((uint32_t)id))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "tensor '%s' has type %s (%" PRIu64
                       "), which was taken out of GGUF: quantize the original again",
                       t->name, name, id);
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "tensor '%s' has type %s (%" PRIu64 "), which is not supported; supported are%s", t->name,
                   name, id, supported_types);
}

/* Turns the dimensions around: the file has the fastest first. */
static hl_status read_shape(reader *r, hl_gguf_tensor *t, hl_err *err) {
    uint64_t  n_dims = 0;
    hl_status status = read_int(r, 4, "number of dimensions", &n_dims, err);
    if (status != HL_OK) return status;
    if (n_dims > HL_GGUF_MAX_DIMS)
        return hl_fail(err, HL_E_FORMAT, "tensor '%s' has %" PRIu64 " dimensions, expected at most %d",
                       t->name, n_dims, HL_GGUF_MAX_DIMS);
    for (int d = 0; d < HL_GGUF_MAX_DIMS; d++) t->shape[d] = 1;
    t->n_dims = n_dims ? (uint32_t)n_dims : 1;
    t->n_elems = 1;
    for (uint64_t d = n_dims; d-- > 0;) {
        uint64_t n = 0;
        status = read_int(r, 8, "dimension", &n, err);
        if (status != HL_OK) return status;
        if (n == 0 || n > INT64_MAX)
            return hl_fail(err, HL_E_FORMAT,
                           "tensor '%s': dimension %" PRIu64 " is %" PRId64 ", expected 1 or more", t->name,
                           d, (int64_t)n);
        t->shape[d] = n;
        if (__builtin_mul_overflow(t->n_elems, n, &t->n_elems) || t->n_elems > INT64_MAX)
            return hl_fail(err, HL_E_FORMAT, "tensor '%s' has more elements than 63 bits can count", t->name);
    }
    return HL_OK;
}

static hl_status set_size(hl_gguf_tensor *t, hl_err *err) {
    const uint64_t elems = t->is_i64 ? 1 : hl_type_block_elems(t->type);
    const size_t   each = t->is_i64 ? sizeof(int64_t) : hl_type_block_bytes(t->type);
    const uint64_t row = t->shape[t->n_dims - 1];
    if (row % elems != 0)
        return hl_fail(err, HL_E_FORMAT,
                       "tensor '%s' (%s) has rows of %" PRIu64 ", expected a multiple of %" PRIu64, t->name,
                       hl_type_name(t->type), row, elems);
    if (!hl_mul_size((size_t)(t->n_elems / elems), each, &t->n_bytes))
        return hl_fail(err, HL_E_FORMAT, "tensor '%s' has more bytes than can be addressed", t->name);
    return HL_OK;
}

static hl_status read_info(reader *r, const hl_gguf_header *h, hl_gguf_tensor *t, uint64_t *ret_offset,
                           hl_err *err) {
    hl_view   name;
    hl_status status = read_name(r, "tensor name", sizeof t->name - 1, &name, err);
    if (status != HL_OK) return status;
    memcpy(t->name, name.ptr, name.len);

    status = read_shape(r, t, err);
    if (status == HL_OK) status = read_type(r, t, err);
    if (status == HL_OK) status = read_int(r, 8, "tensor offset", ret_offset, err);
    if (status == HL_OK) status = set_size(t, err);
    if (status != HL_OK) return status;
    if (*ret_offset % h->alignment != 0)
        return hl_fail(err, HL_E_FORMAT,
                       "tensor '%s': offset %" PRIu64 " is no multiple of the alignment %" PRIu64, t->name,
                       *ret_offset, h->alignment);
    return HL_OK;
}

typedef struct range {
    uint64_t begin;
    uint64_t end;
    size_t   i; /* tensor */
} range;

static int by_begin(const void *a, const void *b) {
    const uint64_t x = ((const range *)a)->begin;
    const uint64_t y = ((const range *)b)->begin;
    return (x > y) - (x < y);
}

/* Programs that had these types early gave their numbers to other layouts: such files do not fit. */
static const char *other_layout(const hl_gguf_tensor *t) {
    const bool is_young = t->type == HL_TYPE_q2_0 || t->type == HL_TYPE_q1_0 || t->type == HL_TYPE_nvfp4;
    return is_young ? "; or its type's number means another layout in the program that wrote the file" : "";
}

static hl_status check_overlaps(const hl_gguf_tensor *tensors, range *ranges, size_t n, hl_err *err) {
    qsort(ranges, n, sizeof *ranges, by_begin);
    for (size_t i = 1; i < n; i++) {
        if (ranges[i].begin >= ranges[i - 1].end) continue;
        return hl_fail(err, HL_E_FORMAT,
                       "tensors '%s' (bytes %" PRIu64 "..%" PRIu64 ") and '%s' (from %" PRIu64 ") overlap%s",
                       tensors[ranges[i - 1].i].name, ranges[i - 1].begin, ranges[i - 1].end,
                       tensors[ranges[i].i].name, ranges[i].begin, other_layout(&tensors[ranges[i - 1].i]));
    }
    return HL_OK;
}

static hl_status bind_data(const hl_gguf_bytes *b, size_t header_end, const hl_gguf_header *h,
                           hl_gguf_tensor *tensors, const range *ranges, hl_err *err) {
    const uint64_t n_bytes = b->n_bytes;
    const uint64_t data_at = ((uint64_t)header_end + h->alignment - 1) & ~(h->alignment - 1);
    for (size_t i = 0; i < h->n_tensors; i++) {
        hl_gguf_tensor *t = &tensors[i];
        if (data_at > n_bytes || ranges[i].begin > n_bytes - data_at ||
            t->n_bytes > n_bytes - data_at - ranges[i].begin)
            return hl_fail(err, HL_E_FORMAT,
                           "cut short: tensor '%s' needs %zu bytes at %" PRIu64
                           " of the data, which starts at byte "
                           "%" PRIu64 "; the file has %" PRIu64 "%s",
                           t->name, t->n_bytes, ranges[i].begin, data_at, n_bytes, other_layout(t));
        t->data = b->data + data_at + ranges[i].begin;
    }
    return HL_OK;
}

hl_status hl_gguf_read_tensors(hl_gguf_bytes *b, const hl_gguf_header *h, uint32_t i_shard,
                               hl_gguf_tensor *tensors, hl_err *err) {
    hl_status status = HL_OK;
    reader    r = {b, h->infos_at};
    range    *ranges = hl_new(h->n_tensors, sizeof *ranges);
    if (!ranges) return hl_fail(err, HL_E_NOMEM, "no memory for %zu tensors", h->n_tensors);

    for (size_t i = 0; i < h->n_tensors && status == HL_OK; i++) {
        hl_gguf_tensor *t = &tensors[i];
        *t = (hl_gguf_tensor){.i_shard = i_shard};
        status = read_info(&r, h, t, &ranges[i].begin, err);
        ranges[i].i = i;
    }
    if (status == HL_OK) status = bind_data(b, r.at, h, tensors, ranges, err);
    if (status == HL_OK) {
        for (size_t i = 0; i < h->n_tensors; i++) ranges[i].end = ranges[i].begin + tensors[i].n_bytes;
        status = check_overlaps(tensors, ranges, h->n_tensors, err);
    }
    hl_free(ranges);
    if (status == HL_OK) hl_gguf_bytes_trim(b, r.at);
    return status;
}
