/* SPDX-License-Identifier: MIT
 *
 * lora_fixture.h - adapters for any model file, whose values follow from a seed and the tensor's name.
 */
#ifndef HL_TESTS_UNIT_LORA_FIXTURE_H
#define HL_TESTS_UNIT_LORA_FIXTURE_H

#include "tests/need.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf.h"
#include "core/gguf/gguf_writer.h"
#include "engine/quant/quant.h"

typedef struct lf_adapter {
    uint32_t    seed, rank;
    float       alpha;    /* 0: the key is left out */
    hl_type     type;     /* of A and B; 0: f32 */
    const char *arch;     /* NULL: the base's */
    bool        is_exact; /* `only` is a whole name */
    const char *only; /* of the tensors whose names have this in them; NULL: of all matrices but embeddings */
} lf_adapter;

/* Value i of side 'a' or 'b' of a tensor, in -1..1. */
static inline float lf_value(uint32_t seed, const char *name, char side, size_t i) {
    uint32_t h = seed * 2654435761u + (uint32_t)side * 40503u + (uint32_t)i * 2246822519u;
    for (const char *p = name; *p; p++) h = (h ^ (uint32_t)*p) * 16777619u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (float)(int32_t)(h * 3266489917u) * (1.0f / 2147483648.0f);
}

static inline float lf_a(const lf_adapter *l, const char *name, size_t n_cols, size_t i) {
    return lf_value(l->seed, name, 'a', i) * 1.7f / sqrtf((float)n_cols);
}
static inline float lf_b(const lf_adapter *l, const char *name, size_t i) {
    return lf_value(l->seed, name, 'b', i) * 0.5f;
}

static inline double lf_scale(const lf_adapter *l) { return l->alpha != 0 ? (double)l->alpha / l->rank : 1; }

static inline bool lf_wants(const lf_adapter *l, const char *name, uint32_t n_dims) {
    if (l->is_exact) return strcmp(name, l->only) == 0;
    if (strstr(name, "norm") && !(l->only && strstr(l->only, "norm"))) return false;
    if (l->only) return strstr(name, l->only) != NULL;
    return n_dims == 2 && !strstr(name, "embd");
}

/* W += times * alpha / rank * B A, rows of n_cols values, in double precision. */
static inline void lf_merge(const lf_adapter *l, double times, const char *name, float *w, size_t n_rows,
                            size_t n_cols) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++) {
            double sum = 0;
            for (size_t k = 0; k < l->rank; k++)
                sum += (double)lf_b(l, name, r * l->rank + k) * (double)lf_a(l, name, n_cols, k * n_cols + c);
            w[r * n_cols + c] = (float)((double)w[r * n_cols + c] + times * lf_scale(l) * sum);
        }
}

static inline void lf_add(hl_gguf_writer *w, const lf_adapter *l, const char *name, size_t n_rows,
                          size_t n_cols, bool is_a, void **ret_kept, char *kept_name) {
    const hl_type  type = l->type ? l->type : HL_TYPE_f32;
    const size_t   rows = is_a ? l->rank : n_rows, cols = is_a ? n_cols : l->rank;
    const uint64_t shape[] = {rows, cols};
    float         *x = hl_new(rows * cols, sizeof *x);
    for (size_t i = 0; i < rows * cols; i++) x[i] = is_a ? lf_a(l, name, n_cols, i) : lf_b(l, name, i);
    ret_kept[0] = x;
    if (type != HL_TYPE_f32) {
        ret_kept[1] = hl_new(rows, hl_type_row_bytes(type, cols));
        hl_quant_from_f32(type)(x, rows * cols, ret_kept[1]);
    }
    (void)snprintf(kept_name, 80, "%s.lora_%c", name, is_a ? 'a' : 'b');
    hl_gguf_writer_add_tensor(w, kept_name, type, 2, shape, ret_kept[1] ? ret_kept[1] : x);
}

/* An adapter for the model in `base`. Returns how many tensors it changes. */
static inline size_t lf_write(const char *path, const lf_adapter *l, const char *base) {
    enum { MOST = 200 };
    hl_err          err = {0};
    hl_gguf        *g = NULL;
    hl_view         arch = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    void           *kept[MOST][2][2] = {{{NULL}}};
    static char     names[MOST][2][80];
    size_t          n = 0;
    if (hl_gguf_open(base, &g, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_gguf_get_text(g, "general.architecture", &arch, &err), HL_OK);
    hl_gguf_writer_add_text(w, "general.type", hl_view_of("adapter"));
    hl_gguf_writer_add_text(w, "adapter.type", hl_view_of("lora"));
    hl_gguf_writer_add_text(w, "general.architecture", l->arch ? hl_view_of(l->arch) : arch);
    if (l->alpha != 0) hl_gguf_writer_add_f32(w, "adapter.lora.alpha", l->alpha);
    for (size_t i = 0; i < hl_gguf_n_tensors(g) && n < MOST; i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        if (!lf_wants(l, t->name, t->n_dims)) continue;
        const size_t n_rows = t->n_dims > 1 ? t->shape[t->n_dims - 2] : 1, n_cols = t->shape[t->n_dims - 1];
        for (int side = 0; side < 2; side++)
            lf_add(w, l, t->name, n_rows, n_cols, side == 0, kept[n][side], names[n][side]);
        n++;
    }
    if (hl_gguf_writer_save(w, path, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
    for (size_t i = 0; i < 4 * n; i++) hl_free(kept[i / 4][i / 2 % 2][i % 2]);
    hl_gguf_close(g);
    return n;
}

#endif
