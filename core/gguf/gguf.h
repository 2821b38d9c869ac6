/* SPDX-License-Identifier: MIT
 *
 * gguf.h - read GGUF files: key/value pairs, and tensors that stay in the mapped file.
 *
 * The reader checks every count, length, offset, type and dimension before using it; after
 * hl_gguf_open() succeeded, every pointer here lies inside the maps and every string is inside its
 * record. It knows the container only: no key has a meaning here but general.alignment and split.*.
 * Dimensions are turned around once, here: shape[0] is the slowest.
 * from: the GGUF specification (ggml repository, docs/gguf.md), versions 2 and 3, little endian
 */
#ifndef HL_CORE_GGUF_GGUF_H
#define HL_CORE_GGUF_GGUF_H

#include "core/gguf/types.h"

typedef struct hl_gguf hl_gguf;

typedef enum hl_gguf_kind { /* values are those of the file */
                            HL_GGUF_U8,
                            HL_GGUF_I8,
                            HL_GGUF_U16,
                            HL_GGUF_I16,
                            HL_GGUF_U32,
                            HL_GGUF_I32,
                            HL_GGUF_F32,
                            HL_GGUF_BOOL,
                            HL_GGUF_STRING,
                            HL_GGUF_ARRAY,
                            HL_GGUF_U64,
                            HL_GGUF_I64,
                            HL_GGUF_F64,
} hl_gguf_kind;

enum { HL_GGUF_MAX_DIMS = 4 };

typedef struct hl_gguf_value {
    hl_view        key;
    hl_gguf_kind   kind;
    hl_gguf_kind   elem_kind; /* of the elements when kind is HL_GGUF_ARRAY */
    uint64_t       n;         /* elements of an array; 1 otherwise */
    const uint8_t *data;      /* little endian, unaligned; of an array, its first element */
} hl_gguf_value;

typedef struct hl_gguf_tensor {
    char        name[64]; /* terminated */
    hl_type     type;
    uint32_t    n_dims;                  /* 1..4; 0-dimensional tensors read as [1] */
    uint64_t    shape[HL_GGUF_MAX_DIMS]; /* slowest first; shape[d] is 1 for d >= n_dims */
    const void *data;                    /* in the map of its shard, aligned as the file says */
    size_t      n_bytes;
    uint64_t    n_elems;
    uint32_t    i_shard;
    bool        is_i64; /* whole numbers, no weights: hl_gguf_find_numbers(); `type` says nothing then */
} hl_gguf_tensor;

/* Open one file, or all shards of a split model when `path` is its first shard (the others are found
 * beside it by the pattern "-%05u-of-%05u.gguf").
 *
 * fails  HL_E_FORMAT       what is wrong, where, what was expected
 *        HL_E_UNSUPPORTED  version, byte order or tensor type, named, with the supported ones
 *        HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM
 * cost   maps the files; reads only the headers
 * thread the result is immutable: any number of readers */
HL_MUST_CHECK hl_status hl_gguf_open(const char *path, hl_gguf **ret_gguf, hl_err *err);

/* As above for shards that lie under arbitrary names (blobs of a store), in order. */
HL_MUST_CHECK hl_status hl_gguf_open_shards(const char *const *paths, size_t n_paths, hl_gguf **ret_gguf,
                                            hl_err *err);

/* As above for one whole file that is in memory already (tests, fuzzing); `data` is aligned to 8 and must
 * outlive the result. */
HL_MUST_CHECK hl_status hl_gguf_open_memory(const void *data, size_t n_bytes, hl_gguf **ret_gguf,
                                            hl_err *err);
void                    hl_gguf_close(hl_gguf *g); /* NULL is allowed */

size_t   hl_gguf_n_shards(const hl_gguf *g);
size_t   hl_gguf_file_bytes(const hl_gguf *g); /* of all shards */
bool     hl_gguf_is_broken(const hl_gguf *g);  /* a mapped file was cut short: see map.h */
void     hl_gguf_will_need(const hl_gguf *g);  /* start reading ahead */
uint32_t hl_gguf_version(const hl_gguf *g);

/* Key/value pairs, of the first shard. */
size_t               hl_gguf_n_values(const hl_gguf *g);
const hl_gguf_value *hl_gguf_value_at(const hl_gguf *g, size_t i);
const hl_gguf_value *hl_gguf_find(const hl_gguf *g, const char *key); /* NULL if absent; O(1) */

/* Typed access with conversion between integer widths where the value fits.
 * fails  HL_E_NOT_FOUND  no such key (ret untouched): callers with a default test for it
 *        HL_E_FORMAT     another type, or the value does not fit; the key is named */
HL_MUST_CHECK hl_status hl_gguf_get_u32(const hl_gguf *g, const char *key, uint32_t *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_gguf_get_u64(const hl_gguf *g, const char *key, uint64_t *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_gguf_get_f32(const hl_gguf *g, const char *key, float *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_gguf_get_bool(const hl_gguf *g, const char *key, bool *ret, hl_err *err);
HL_MUST_CHECK hl_status hl_gguf_get_text(const hl_gguf *g, const char *key, hl_view *ret, hl_err *err);

/* Elements of arrays. `i` < v->n and the right elem_kind are checked: false / empty otherwise. */
bool hl_gguf_elem_i64(const hl_gguf_value *v, uint64_t i, int64_t *ret); /* any integer or bool kind */
bool hl_gguf_elem_f64(const hl_gguf_value *v, uint64_t i, double *ret);  /* any number */

/* Walk an array of strings in order; cheap, unlike indexed access. */
typedef struct hl_gguf_strings {
    const uint8_t *at;
    uint64_t       n_left;
} hl_gguf_strings;
bool hl_gguf_strings_init(hl_gguf_strings *it, const hl_gguf_value *v); /* false: not an array of strings */
bool hl_gguf_strings_next(hl_gguf_strings *it, hl_view *ret);           /* false at the end */

/* What the weights are called, "Q4_K_M": as general.file_type says, else by the type that most bytes have; ""
 * without tensors. */
enum { HL_GGUF_FILE_TYPE_BYTES = 32 };
void hl_gguf_file_type(const hl_gguf *g, char ret_name[HL_GGUF_FILE_TYPE_BYTES]);

size_t                hl_gguf_n_tensors(const hl_gguf *g);
const hl_gguf_tensor *hl_gguf_tensor_at(const hl_gguf *g, size_t i);
const hl_gguf_tensor *hl_gguf_find_tensor(const hl_gguf *g, const char *name); /* NULL if absent; O(1) */

/* Tensors of whole numbers (i64), which are none of those above: tables of ids. As an array of all their
 * elements, without a key; false: there is none of that name. O(1) */
size_t                hl_gguf_n_numbers(const hl_gguf *g);
const hl_gguf_tensor *hl_gguf_numbers_at(const hl_gguf *g, size_t i);
bool                  hl_gguf_find_numbers(const hl_gguf *g, const char *name, hl_gguf_value *ret);

#endif
