/* SPDX-License-Identifier: MIT
 *
 * imatrix.h - importance matrices: of every column of a weight matrix, the mean square of what it was
 * multiplied with.
 *
 * from: the GGUF form that llama.cpp's imatrix program writes (August 2026): per matrix NAME two f32 tensors,
 * NAME.in_sum2 (one row per expert) with sums of squares, NAME.counts with the number of tokens of each row.
 */
#ifndef HL_ENGINE_QUANTIZE_IMATRIX_H
#define HL_ENGINE_QUANTIZE_IMATRIX_H

#include "core/gguf/gguf.h"

typedef struct hl_imatrix hl_imatrix;

/* fails  HL_E_FORMAT not such a file; what hl_gguf_open() fails with */
HL_MUST_CHECK hl_status hl_imatrix_open(const char *path, hl_imatrix **ret_m, hl_err *err);
void                    hl_imatrix_close(hl_imatrix *m); /* NULL is allowed */

/* Importance of the columns of a tensor: [n_matrices][n_cols], all above 0 on average; *ret NULL where the
 * file does not know the tensor. The caller frees it with hl_free().
 * fails  HL_E_FORMAT another shape, numbers that are none; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_imatrix_get(const hl_imatrix *m, const hl_gguf_tensor *t, float **ret,
                                       hl_err *err);

#endif
