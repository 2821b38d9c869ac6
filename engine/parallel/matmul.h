/* SPDX-License-Identifier: MIT
 *
 * matmul.h - a weight matrix times the activations of a batch, one chunk of rows at a time.
 *
 * The one idea: a chunk is independent of every other, so a thread pool hands chunks out in any order
 * and to any thread, and the bits of the result stay the same (kernels.h fixes the float order). With
 * few tokens a chunk streams the rows past the batch (gemv); with more it unpacks 32 rows at a time
 * into scratch that stays in the first-level cache, and multiplies all tokens with it (gemm_panel).
 */
#ifndef HL_ENGINE_PARALLEL_MATMUL_H
#define HL_ENGINE_PARALLEL_MATMUL_H

#include "engine/kernels/kernels.h"

/* A weight matrix as it lies in the file. */
typedef struct hl_matrix {
    hl_type     type;
    size_t      n_rows;
    size_t      n_cols;    /* whole blocks of the type */
    size_t      row_bytes; /* between rows; hl_type_row_bytes() unless it is a view */
    const void *data;
    /* What all products are multiplied with in the end; NULL: nothing. Of a stack of matrices one for each,
     * where there is more than one. */
    const float *factors;
    uint32_t     n_factors;
} hl_matrix;

/* Scratch of one thread for matrices of up to max_cols columns and, at a time, up to max_pair_tokens tokens
 * of two planes (0: there are none). */
size_t hl_matmul_scratch_bytes(size_t max_cols, size_t max_pair_tokens);

typedef struct hl_matmul_scratch {
    void  *memory; /* aligned to 64 */
    size_t n_bytes;
} hl_matmul_scratch;

/* A good number of rows for one chunk: large enough to stream, small enough to balance n_threads
 * threads. A multiple of 32 unless the matrix is smaller than that. */
size_t hl_matmul_chunk_rows(const hl_matrix *w, size_t n_tokens, size_t n_threads);

/* y[t][r] = sum over columns of w[r][c] * x[t][c], for rows row_begin <= r < row_end and all tokens.
 *
 * in     x        must hold the form that w's type needs (kernels.h: q, f32 or bf16)
 *        scratch  this thread's own
 *        y_stride floats between tokens
 * out    y        [n_tokens][y_stride]; y points at row 0 of the matrix
 *        false: the scratch is smaller than hl_matmul_scratch_bytes() of this matmul; nothing was written
 * cost   no allocation
 * thread chunks of one matrix may run at the same time
 */
HL_MUST_CHECK bool hl_matmul_chunk(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end,
                                   const hl_act *x, const hl_matmul_scratch *scratch, float *y,
                                   size_t y_stride);

#endif
