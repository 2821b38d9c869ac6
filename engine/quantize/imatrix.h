/* SPDX-License-Identifier: MIT
 *
 * imatrix.h - importance matrices: of every column of a weight matrix, the mean square of what it was
 * multiplied with.
 *
 * from: the two forms that llama.cpp's imatrix program writes and reads (August 2026). GGUF: per matrix NAME
 * two f32 tensors, NAME.in_sum2 (one row per expert) with sums of squares, NAME.counts with the number of
 * tokens of each row (or one for all). The older one (.dat), little endian: int32 how many; then for each
 * int32 length and bytes of the name, int32 passes, int32 how many values, f32 values, which are mean squares
 * times passes.
 */
#ifndef HL_ENGINE_QUANTIZE_IMATRIX_H
#define HL_ENGINE_QUANTIZE_IMATRIX_H

#include "core/gguf/gguf.h"

#define HL_IMATRIX_SUMS   ".in_sum2"
#define HL_IMATRIX_COUNTS ".counts"

typedef struct hl_imatrix hl_imatrix;

/* fails  HL_E_FORMAT neither of them; what hl_gguf_open() and hl_file_read() fail with */
HL_MUST_CHECK hl_status hl_imatrix_open(const char *path, hl_imatrix **ret_m, hl_err *err);
void                    hl_imatrix_close(hl_imatrix *m); /* NULL is allowed */

/* Importance of the columns of a tensor: [n_matrices][n_cols], all above 0 on average; *ret NULL where the
 * file does not know the tensor. The caller frees it with hl_free().
 * fails  HL_E_FORMAT another shape, numbers that are none; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_imatrix_get(const hl_imatrix *m, const hl_gguf_tensor *t, float **ret,
                                       hl_err *err);

#endif
