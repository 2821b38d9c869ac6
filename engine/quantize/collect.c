/* SPDX-License-Identifier: MIT
 *
 * collect.c - an importance matrix out of the passes of a session.
 *
 * from: the GGUF form of llama.cpp's imatrix program (August 2026): which matrices it writes (those of
 * blocks), names of tensors and keys; what they mean: imatrix.h
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"
#include "engine/model_priv.h"
#include "engine/quant/float16.h"
#include "engine/quantize/imatrix.h"
#include "hyperlama/quantize.h"

/* One tensor of the model: a matrix, or a stack of them. */
typedef struct row_sums {
    const hl_gguf_tensor *tensor;
    size_t                n_matrices, n_cols;
    double               *sums;   /* [n_matrices][n_cols]; NULL: nothing was multiplied with it yet */
    uint64_t             *counts; /* [n_matrices] */
} row_sums;

struct hl_importance {
    const hl_model *model;
    row_sums       *v; /* [n] by address of the weights */
    size_t          n;
    float          *x; /* one row of any width */
    bool            no_memory;
};

static int by_address(const void *a, const void *b) {
    const uintptr_t x = (uintptr_t)((const row_sums *)a)->tensor->data,
                    y = (uintptr_t)((const row_sums *)b)->tensor->data;
    return x < y ? -1 : x > y;
}

hl_status hl_importance_new(const hl_model *m, hl_importance **ret, hl_err *err) {
    const size_t   n = hl_gguf_n_tensors(m->gguf);
    hl_importance *c = hl_new(1, sizeof *c);
    if (!c) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    c->model = m;
    c->v = hl_new(n + 1, sizeof *c->v);
    c->x = hl_new(m->max_cols, sizeof *c->x);
    if (!c->v || !c->x) {
        hl_importance_free(c);
        return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    }
    for (size_t i = 0; i < n; i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(m->gguf, i);
        if (t->n_dims < 2 || t->n_dims > 3 || strncmp(t->name, "blk.", 4) != 0) continue;
        c->v[c->n++] = (row_sums){.tensor = t,
                                  .n_matrices = t->n_dims == 3 ? (size_t)t->shape[0] : 1,
                                  .n_cols = (size_t)t->shape[t->n_dims - 1]};
    }
    qsort(c->v, c->n, sizeof *c->v, by_address);
    *ret = c;
    return HL_OK;
}

void hl_importance_free(hl_importance *c) {
    if (!c) return;
    for (size_t i = 0; c->v && i < c->n; i++) {
        hl_free(c->v[i].sums);
        hl_free(c->v[i].counts);
    }
    hl_free(c->v);
    hl_free(c->x);
    hl_free(c);
}

/* One row of activations as floats, from the form that the matrix multiplies. Of two planes the first will
 * do: it is within 1/254 of the row's largest. */
static const float *row_of(const hl_importance *c, uint32_t needs, const hl_act *x, size_t row) {
    const size_t n = x->n_cols, n_planes = x->n_planes ? x->n_planes : 1, at = row * n_planes * n;
    if (needs & HL_NEED_F32) return x->f32 + row * n;
    for (size_t i = 0; i < n && (needs & HL_NEED_BF16); i++) c->x[i] = hl_f32_of_bf16(x->bf16[row * n + i]);
    for (size_t i = 0; i < n && (needs & HL_NEED_Q8); i++)
        c->x[i] = x->d[(at + i) / 32] * (float)x->q[at + i];
    return c->x;
}

/* A matrix that is a part of a tensor (keys of one that has queries, too) counts with the first part. */
static row_sums *find_sums(const hl_importance *c, const hl_matrix *w) {
    hl_gguf_tensor tensor = {.data = w->data};
    const row_sums key = {.tensor = &tensor};
    row_sums      *r = bsearch(&key, c->v, c->n, sizeof key, by_address);
    return r && r->n_cols == w->n_cols ? r : NULL;
}

static void add_inputs(void *user, const hl_matrix *w, uint32_t i_matrix, const hl_act *x) {
    hl_importance *c = user;
    row_sums      *r = find_sums(c, w);
    const uint32_t needs = hl_matrix_needs(w);
    if (!r || i_matrix >= r->n_matrices || x->n_cols != r->n_cols) return;
    if (!r->sums) {
        r->sums = hl_new(r->n_matrices * r->n_cols, sizeof *r->sums);
        r->counts = hl_new(r->n_matrices, sizeof *r->counts);
        if (!r->sums || !r->counts) {
            hl_free(r->sums);
            hl_free(r->counts);
            r->sums = NULL;
            r->counts = NULL;
            c->no_memory = true;
            return;
        }
    }
    double *sums = r->sums + i_matrix * r->n_cols;
    for (size_t t = 0; t < x->n_tokens; t++) {
        const float *v = row_of(c, needs, x, t);
        for (size_t i = 0; i < r->n_cols; i++) sums[i] += (double)v[i] * (double)v[i];
    }
    r->counts[i_matrix] += x->n_tokens;
}

void hl_session_collect(hl_session *s, hl_importance *c) {
    const hl_input_watch watch = {add_inputs, c};
    hl_session_watch_inputs(s, c ? &watch : NULL);
}

/* ---- the file ---- */

typedef struct row_values {
    float *sums, *counts;
} row_values;

static hl_status add_tensors(hl_gguf_writer *w, const row_sums *r, row_values *v, uint64_t *most,
                             hl_err *err) {
    char           name[sizeof r->tensor->name + 16];
    const uint64_t sums_shape[] = {r->n_matrices, r->n_cols}, counts_shape[] = {r->n_matrices, 1};
    const size_t   n = r->n_matrices * r->n_cols;
    v->sums = hl_new(n, sizeof *v->sums);
    v->counts = hl_new(r->n_matrices, sizeof *v->counts);
    if (!v->sums || !v->counts) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    for (size_t i = 0; i < n; i++) v->sums[i] = (float)r->sums[i];
    for (size_t i = 0; i < r->n_matrices; i++) {
        v->counts[i] = (float)r->counts[i];
        if (r->counts[i] > *most) *most = r->counts[i];
    }
    (void)snprintf(name, sizeof name, "%s" HL_IMATRIX_SUMS, r->tensor->name);
    hl_gguf_writer_add_tensor(w, name, HL_TYPE_f32, 2, sums_shape, v->sums);
    (void)snprintf(name, sizeof name, "%s" HL_IMATRIX_COUNTS, r->tensor->name);
    hl_gguf_writer_add_tensor(w, name, HL_TYPE_f32, 2, counts_shape, v->counts);
    return HL_OK;
}

static int by_place(const void *a, const void *b) { /* in the file, whose tensors are one array */
    const hl_gguf_tensor *x = ((const row_sums *)a)->tensor, *y = ((const row_sums *)b)->tensor;
    return x < y ? -1 : x > y;
}

static hl_status write_all(const hl_importance *c, const row_sums *in_order, row_values *values,
                           const char *path, const char *text, uint32_t window, size_t *ret_n, hl_err *err) {
    hl_gguf_writer *w = hl_gguf_writer_new();
    const hl_view   dataset = hl_view_of(text);
    uint64_t        most = 0;
    size_t          n = 0;
    hl_status       status = w ? HL_OK : hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    if (status == HL_OK) {
        hl_gguf_writer_add_text(w, "general.type", hl_view_of("imatrix"));
        hl_gguf_writer_add_texts(w, "imatrix.datasets", 1, &dataset);
    }
    for (size_t i = 0; i < c->n && status == HL_OK; i++)
        if (in_order[i].sums) status = add_tensors(w, &in_order[i], &values[n++], &most, err);
    if (status == HL_OK && n == 0)
        status = hl_fail(err, HL_E_ARG, "importance matrix: the model has read nothing yet");
    if (status == HL_OK) {
        hl_gguf_writer_add_u32(w, "imatrix.chunk_count", (uint32_t)((most + window - 1) / window));
        hl_gguf_writer_add_u32(w, "imatrix.chunk_size", window);
        status = hl_gguf_writer_save(w, path, err);
    }
    hl_gguf_writer_free(w);
    if (status == HL_OK) *ret_n = n;
    return status;
}

hl_status hl_importance_save(const hl_importance *c, const char *path, const char *text, uint32_t window,
                             size_t *ret_n_matrices, hl_err *err) {
    row_values *values = hl_new(c->n + 1, sizeof *values);
    row_sums   *in_order = hl_new(c->n + 1, sizeof *in_order);
    hl_status   status = values && in_order && !c->no_memory
                             ? HL_OK
                             : hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    if (status == HL_OK) {
        memcpy(in_order, c->v, c->n * sizeof *in_order);
        qsort(in_order, c->n, sizeof *in_order, by_place);
        status = write_all(c, in_order, values, path, text, window ? window : 1, ret_n_matrices, err);
    }
    for (size_t i = 0; values && i < c->n; i++) {
        hl_free(values[i].sums);
        hl_free(values[i].counts);
    }
    hl_free(values);
    hl_free(in_order);
    return status;
}
