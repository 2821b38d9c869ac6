/* SPDX-License-Identifier: MIT
 *
 * skeleton.h - the GGUF file of a model of which tests/golden/archs has metadata, shapes and formulas only;
 * the format is described in skeleton.py there.
 */
#ifndef HL_TESTS_GOLDEN_SKELETON_H
#define HL_TESTS_GOLDEN_SKELETON_H

#include "tests/need.h"

#include <jansson.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"
#include "engine/quant/quant.h"

static inline uint64_t tensor_hash(const char *name, uint64_t seed) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (; *name; name++) h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001B3);
    return h ^ seed * UINT64_C(0xD1342543DE82EF95);
}

static inline float *tensor_numbers(uint64_t hash, size_t n, double base, double spread) {
    float *x = hl_new(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        uint64_t z = hash + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        x[i] = (float)(base + spread * ((double)((int64_t)(z >> 40) - (1 << 23)) / (1 << 23)));
    }
    return x;
}

typedef struct number_kind {
    const char  *name;
    hl_gguf_kind kind;
    size_t       n_bytes;
} number_kind;

static inline const number_kind *find_kind(const char *name) {
    static const number_kind kinds[] = {
        {"u8", HL_GGUF_U8, 1},   {"i8", HL_GGUF_I8, 1},   {"bool", HL_GGUF_BOOL, 1}, {"u16", HL_GGUF_U16, 2},
        {"i16", HL_GGUF_I16, 2}, {"u32", HL_GGUF_U32, 4}, {"i32", HL_GGUF_I32, 4},   {"f32", HL_GGUF_F32, 4},
        {"u64", HL_GGUF_U64, 8}, {"i64", HL_GGUF_I64, 8}, {"f64", HL_GGUF_F64, 8}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    fail_msg("no kind %s", name);
    return NULL;
}

static inline uint64_t bits_of_value(const number_kind *k, const json_t *v) {
    const double d = json_number_value(v);
    const float  f = (float)d;
    uint64_t     bits = json_is_boolean(v) ? json_is_true(v) : (uint64_t)json_integer_value(v);
    if (k->kind == HL_GGUF_F64) memcpy(&bits, &d, sizeof d);
    if (k->kind == HL_GGUF_F32) {
        bits = 0;
        memcpy(&bits, &f, sizeof f);
    }
    return bits;
}

static inline void add_list(hl_gguf_writer *w, const char *key, const number_kind *k, const json_t *list) {
    const size_t n = json_array_size(list);
    uint8_t      packed[8 * 512];
    assert_true(n <= 512);
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = bits_of_value(k, json_array_get(list, i));
        memcpy(packed + i * k->n_bytes, &bits, k->n_bytes);
    }
    hl_gguf_writer_add_array(w, key, k->kind, n, packed);
}

static inline void add_pair(hl_gguf_writer *w, const json_t *pair) {
    const char   *key = json_string_value(json_array_get(pair, 0));
    const char   *kind = json_string_value(json_array_get(pair, 1));
    const json_t *v = json_array_get(pair, 2);
    if (strcmp(kind, "str") == 0) {
        hl_gguf_writer_add_text(w, key, hl_view_of(json_string_value(v)));
    } else if (strncmp(kind, "arr:", 4) == 0) {
        add_list(w, key, find_kind(kind + 4), v);
    } else {
        const number_kind *k = find_kind(kind);
        hl_gguf_writer_add_number(w, key, k->kind, bits_of_value(k, v));
    }
}

/* Whether a tensor is packed in files of packed weights: a matrix whose rows are whole blocks; routers stay
 * floats. */
static inline bool is_packed(const char *name, size_t n_dims, uint64_t n_cols, hl_type type) {
    return type != HL_TYPE_f32 && n_dims > 1 && n_cols % hl_type_block_elems(type) == 0 &&
           !strstr(name, "gate_inp");
}

/* A tensor of n whole numbers, over and over; must stay until the file is written. */
static inline int64_t *add_numbers(hl_gguf_writer *w, const char *name, uint64_t n, const json_t *values) {
    int64_t *x = hl_new(n, sizeof *x);
    assert_true(x && json_array_size(values) > 0);
    for (size_t k = 0; k < n; k++)
        x[k] = json_integer_value(json_array_get(values, k % json_array_size(values)));
    hl_gguf_writer_add_numbers(w, name, n, x);
    return x;
}

/* Write the model to `path`, its matrices as `type`. */
static inline void fill_skeleton(const json_t *model, hl_type type, const char *path) {
    const json_t   *tensors = json_object_get(model, "tensors");
    const uint64_t  seed = (uint64_t)json_integer_value(json_object_get(model, "seed"));
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_err          err = {0};
    size_t          i = 0;
    json_t         *row = NULL;
    void          **data = hl_new(json_array_size(tensors), sizeof *data);
    assert_non_null(w);
    assert_non_null(data);
    json_array_foreach(json_object_get(model, "kv"), i, row) add_pair(w, row);
    json_array_foreach(tensors, i, row) {
        const char   *name = json_string_value(json_array_get(row, 0));
        const json_t *dims = json_array_get(row, 1);
        const size_t  n_dims = json_array_size(dims);
        uint64_t      shape[4], n = 1;
        assert_in_range(n_dims, 1, 4);
        for (size_t k = 0; k < n_dims; k++) {
            shape[n_dims - 1 - k] = (uint64_t)json_integer_value(json_array_get(dims, k));
            n *= shape[n_dims - 1 - k];
        }
        if (strcmp(json_string_value(json_array_get(row, 2)), "i64") == 0) {
            data[i] = add_numbers(w, name, n, json_array_get(row, 5));
            continue;
        }
        float *x = tensor_numbers(tensor_hash(name, seed), n, json_number_value(json_array_get(row, 3)),
                                  json_number_value(json_array_get(row, 4)));
        const json_t *values = json_array_get(row, 5); /* instead of the formula, over and over */
        for (size_t k = 0; values && k < n; k++)
            x[k] = (float)json_number_value(json_array_get(values, k % json_array_size(values)));
        const bool packed = is_packed(name, n_dims, shape[n_dims - 1], type);
        data[i] = x;
        if (packed) {
            data[i] = hl_new(hl_type_row_bytes(type, n), 1);
            assert_non_null(data[i]);
            hl_quant_from_f32(type)(x, n, data[i]);
            hl_free(x);
        }
        hl_gguf_writer_add_tensor(w, name, packed ? type : HL_TYPE_f32, (uint32_t)n_dims, shape, data[i]);
    }
    if (hl_gguf_writer_save(w, path, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
    for (i = 0; i < json_array_size(tensors); i++) hl_free(data[i]);
    hl_free(data);
}

#endif
