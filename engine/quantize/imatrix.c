/* SPDX-License-Identifier: MIT
 *
 * imatrix.c - importance matrices out of GGUF files.
 */
#include "engine/quantize/imatrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

struct hl_imatrix {
    hl_gguf *gguf;
};

static const char sums_end[] = ".in_sum2";

hl_status hl_imatrix_open(const char *path, hl_imatrix **ret_m, hl_err *err) {
    hl_imatrix *m = hl_new(1, sizeof *m);
    if (!m) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    hl_status status = hl_gguf_open(path, &m->gguf, err);
    if (status != HL_OK) {
        hl_free(m);
        return hl_fail_within(err, status, "importance matrix '%.200s' (a GGUF file is expected)", path);
    }
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const char  *name = hl_gguf_tensor_at(m->gguf, i)->name;
        const size_t n = strlen(name);
        if (n > strlen(sums_end) && strcmp(name + n - strlen(sums_end), sums_end) == 0) {
            *ret_m = m;
            return HL_OK;
        }
    }
    hl_imatrix_close(m);
    return hl_fail(err, HL_E_FORMAT,
                   "importance matrix '%.200s': no tensor is called NAME%s, as an importance matrix has them",
                   path, sums_end);
}

void hl_imatrix_close(hl_imatrix *m) {
    if (!m) return;
    hl_gguf_close(m->gguf);
    hl_free(m);
}

static float f32_at(const hl_gguf_tensor *t, size_t i) {
    float x;
    memcpy(&x, (const uint8_t *)t->data + i * sizeof x, sizeof x);
    return x;
}

static hl_status fill(const hl_gguf_tensor *sums, const hl_gguf_tensor *counts, size_t n_matrices,
                      size_t n_cols, float *ret, hl_err *err) {
    for (size_t i = 0; i < n_matrices; i++) {
        const float count = f32_at(counts, i);
        double      total = 0.0;
        for (size_t c = 0; c < n_cols; c++) {
            const float sum = f32_at(sums, i * n_cols + c);
            if (!isfinite(sum) || sum < 0.0f || !isfinite(count) || count < 0.0f)
                return hl_fail(
                    err, HL_E_FORMAT,
                    "importance matrix: '%s' has %g of %g at column %zu, expected numbers from 0 on",
                    sums->name, (double)sum, (double)count, c);
            ret[i * n_cols + c] = count > 0.0f ? sum / count : 0.0f;
            total += (double)ret[i * n_cols + c];
        }
        if (total > 0.0) continue; /* an expert that was never asked: all columns alike */
        for (size_t c = 0; c < n_cols; c++) ret[i * n_cols + c] = 1.0f;
    }
    return HL_OK;
}

hl_status hl_imatrix_get(const hl_imatrix *m, const hl_gguf_tensor *t, float **ret, hl_err *err) {
    char name[sizeof t->name + 16];
    *ret = NULL;
    (void)snprintf(name, sizeof name, "%s%s", t->name, sums_end);
    const hl_gguf_tensor *sums = hl_gguf_find_tensor(m->gguf, name);
    (void)snprintf(name, sizeof name, "%s.counts", t->name);
    const hl_gguf_tensor *counts = hl_gguf_find_tensor(m->gguf, name);
    if (!sums || !counts) return HL_OK;
    const uint64_t n_cols = t->shape[t->n_dims - 1], n_matrices = t->n_dims == 3 ? t->shape[0] : 1;
    if (sums->type != HL_TYPE_f32 || counts->type != HL_TYPE_f32 || sums->n_elems != n_cols * n_matrices ||
        counts->n_elems != n_matrices)
        return hl_fail(err, HL_E_FORMAT,
                       "importance matrix: '%s' has %" PRIu64 " values and %" PRIu64
                       " counts, expected %" PRIu64 " x %" PRIu64 " and %" PRIu64 ": it is of another model",
                       t->name, sums->n_elems, counts->n_elems, n_matrices, n_cols, n_matrices);
    float *x = hl_new((size_t)sums->n_elems, sizeof *x);
    if (!x) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory for '%s'", t->name);
    const hl_status status = fill(sums, counts, (size_t)n_matrices, (size_t)n_cols, x, err);
    if (status == HL_OK)
        *ret = x;
    else
        hl_free(x);
    return status;
}
