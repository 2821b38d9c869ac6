/* SPDX-License-Identifier: MIT
 *
 * imatrix.c - importance matrices out of files of both forms.
 */
#include "engine/quantize/imatrix.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* One matrix of the old form, in the file as it was read. */
typedef struct old_entry {
    hl_view        name;
    int32_t        n_passes, n_values;
    const uint8_t *values; /* [n_values] f32, unaligned: mean squares times n_passes */
} old_entry;

struct hl_imatrix {
    hl_gguf   *gguf; /* the new form; NULL: the old one */
    char      *old_text;
    old_entry *old;
    size_t     n_old;
};

enum { OLD_MAX_BYTES = INT32_MAX, OLD_MAX_NAME = 1024, OLD_MAX_ENTRIES = 1 << 20 };

/* ---- the old form ---- */

static bool take_i32(hl_view *rest, int32_t *ret) {
    if (rest->len < sizeof *ret) return false;
    memcpy(ret, rest->ptr, sizeof *ret);
    *rest = (hl_view){rest->ptr + sizeof *ret, rest->len - sizeof *ret};
    return true;
}

static bool take_old_entry(hl_view *rest, old_entry *ret) {
    int32_t n_name = 0;
    if (!take_i32(rest, &n_name) || n_name < 1 || n_name > OLD_MAX_NAME || (size_t)n_name > rest->len)
        return false;
    ret->name = (hl_view){rest->ptr, (size_t)n_name};
    *rest = (hl_view){rest->ptr + n_name, rest->len - (size_t)n_name};
    if (!take_i32(rest, &ret->n_passes) || !take_i32(rest, &ret->n_values) || ret->n_values < 1 ||
        (size_t)ret->n_values > rest->len / sizeof(float))
        return false;
    const size_t n_bytes = (size_t)ret->n_values * sizeof(float);
    ret->values = (const uint8_t *)rest->ptr;
    *rest = (hl_view){rest->ptr + n_bytes, rest->len - n_bytes};
    return true;
}

/* What stands behind the last entry (how many passes, of which text) is of no use here. */
static hl_status open_old(hl_imatrix *m, const char *path, hl_err *err) {
    hl_view   rest = {0};
    int32_t   n = 0;
    hl_status status = hl_file_read(path, OLD_MAX_BYTES, &m->old_text, &rest.len, err);
    if (status != HL_OK) return hl_fail_within(err, status, "importance matrix");
    rest.ptr = m->old_text;
    if (!take_i32(&rest, &n) || n < 1 || n > OLD_MAX_ENTRIES)
        return hl_fail(err, HL_E_FORMAT,
                       "importance matrix '%.200s': neither a GGUF file nor one of the older form (.dat)",
                       path);
    m->old = hl_new((size_t)n, sizeof *m->old);
    if (!m->old) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    for (; m->n_old < (size_t)n; m->n_old++)
        if (!take_old_entry(&rest, &m->old[m->n_old]))
            return hl_fail(
                err, HL_E_FORMAT,
                "importance matrix '%.200s': matrix %zu of %d is cut short or none: the file is broken", path,
                m->n_old + 1, (int)n);
    return HL_OK;
}

/* ---- the GGUF form ---- */

static hl_status open_gguf(hl_imatrix *m, const char *path, hl_err *err) {
    const hl_status status = hl_gguf_open(path, &m->gguf, err);
    if (status != HL_OK) return hl_fail_within(err, status, "importance matrix '%.200s'", path);
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const char  *name = hl_gguf_tensor_at(m->gguf, i)->name;
        const size_t n = strlen(name), n_end = strlen(HL_IMATRIX_SUMS);
        if (n > n_end && strcmp(name + n - n_end, HL_IMATRIX_SUMS) == 0) return HL_OK;
    }
    return hl_fail(err, HL_E_FORMAT,
                   "importance matrix '%.200s': no tensor is called NAME" HL_IMATRIX_SUMS
                   ", as an importance matrix has them",
                   path);
}

static hl_status look_at_magic(const char *path, bool *ret_is_gguf, hl_err *err) {
    char            magic[4] = {0};
    int             fd = -1;
    const hl_status status = hl_file_open(path, O_RDONLY, 0, &fd, NULL, err);
    if (status != HL_OK) return hl_fail_within(err, status, "importance matrix");
    *ret_is_gguf = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, "GGUF", 4) == 0;
    (void)close(fd);
    return HL_OK;
}

hl_status hl_imatrix_open(const char *path, hl_imatrix **ret_m, hl_err *err) {
    bool      is_gguf = false;
    hl_status status = look_at_magic(path, &is_gguf, err);
    if (status != HL_OK) return status;
    hl_imatrix *m = hl_new(1, sizeof *m);
    if (!m) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory");
    status = is_gguf ? open_gguf(m, path, err) : open_old(m, path, err);
    if (status == HL_OK)
        *ret_m = m;
    else
        hl_imatrix_close(m);
    return status;
}

void hl_imatrix_close(hl_imatrix *m) {
    if (!m) return;
    hl_gguf_close(m->gguf);
    hl_free(m->old_text);
    hl_free(m->old);
    hl_free(m);
}

/* ---- one tensor ---- */

/* Sums of squares of each column of each matrix, and what they are to be divided by: one number for each
 * matrix, or one for all. */
typedef struct sums {
    const uint8_t *values, *counts;
    size_t         n_values, n_counts;
    float          count; /* where counts is NULL */
} sums;

static float f32_at(const uint8_t *data, size_t i) {
    float x;
    memcpy(&x, data + i * sizeof x, sizeof x);
    return x;
}

static bool find_in_gguf(const hl_imatrix *m, const hl_gguf_tensor *t, sums *ret) {
    char name[sizeof t->name + 16];
    (void)snprintf(name, sizeof name, "%s" HL_IMATRIX_SUMS, t->name);
    const hl_gguf_tensor *values = hl_gguf_find_tensor(m->gguf, name);
    (void)snprintf(name, sizeof name, "%s" HL_IMATRIX_COUNTS, t->name);
    const hl_gguf_tensor *counts = hl_gguf_find_tensor(m->gguf, name);
    if (!values || !counts) return false;
    const bool is_f32 = values->type == HL_TYPE_f32 && counts->type == HL_TYPE_f32;
    *ret = (sums){.values = values->data,
                  .counts = counts->data,
                  .n_values = is_f32 ? (size_t)values->n_elems : 0,
                  .n_counts = (size_t)counts->n_elems};
    return true;
}

static bool find_in_old(const hl_imatrix *m, const hl_gguf_tensor *t, sums *ret) {
    for (size_t i = 0; i < m->n_old; i++) {
        if (!hl_view_is(m->old[i].name, t->name)) continue;
        *ret = (sums){.values = m->old[i].values,
                      .n_values = (size_t)m->old[i].n_values,
                      .n_counts = 1,
                      .count = m->old[i].n_passes > 0 ? (float)m->old[i].n_passes : 1.0f};
        return true;
    }
    return false;
}

static hl_status fill(const sums *s, const char *name, size_t n_matrices, size_t n_cols, float *ret,
                      hl_err *err) {
    for (size_t i = 0; i < n_matrices; i++) {
        const float count = s->counts ? f32_at(s->counts, s->n_counts == 1 ? 0 : i) : s->count;
        double      total = 0.0;
        for (size_t c = 0; c < n_cols; c++) {
            const float sum = f32_at(s->values, i * n_cols + c);
            if (!isfinite(sum) || sum < 0.0f || !isfinite(count) || count < 0.0f)
                return hl_fail(
                    err, HL_E_FORMAT,
                    "importance matrix: '%s' has %g of %g at column %zu, expected numbers from 0 on", name,
                    (double)sum, (double)count, c);
            ret[i * n_cols + c] = count > 0.0f ? sum / count : 0.0f;
            total += (double)ret[i * n_cols + c];
        }
        if (total > 0.0) continue; /* an expert that was never asked: all columns alike */
        for (size_t c = 0; c < n_cols; c++) ret[i * n_cols + c] = 1.0f;
    }
    return HL_OK;
}

hl_status hl_imatrix_get(const hl_imatrix *m, const hl_gguf_tensor *t, float **ret, hl_err *err) {
    sums s = {0};
    *ret = NULL;
    if (!(m->gguf ? find_in_gguf(m, t, &s) : find_in_old(m, t, &s))) return HL_OK;
    const uint64_t n_cols = t->shape[t->n_dims - 1], n_matrices = t->n_dims == 3 ? t->shape[0] : 1;
    if (s.n_values != n_cols * n_matrices || (s.n_counts != 1 && s.n_counts != n_matrices))
        return hl_fail(err, HL_E_FORMAT,
                       "importance matrix: '%s' has %zu values and %zu counts, expected %" PRIu64
                       " x %" PRIu64 " and %" PRIu64 ": it is of another model",
                       t->name, s.n_values, s.n_counts, n_matrices, n_cols, n_matrices);
    float *x = hl_new(s.n_values, sizeof *x);
    if (!x) return hl_fail(err, HL_E_NOMEM, "importance matrix: no memory for '%s'", t->name);
    const hl_status status = fill(&s, t->name, (size_t)n_matrices, (size_t)n_cols, x, err);
    if (status == HL_OK)
        *ret = x;
    else
        hl_free(x);
    return status;
}
