/* SPDX-License-Identifier: MIT
 *
 * low_rank.h - what adapters add to the products of a region, for the rows of the pass that use some.
 *
 * The inner values A x of all its matrices are made first, in a region of their own or, where they are few,
 * at once; then whoever multiplies a chunk of the base adds B of them while its results are in cache. A batch
 * whose rows use no adapter comes here for one comparison a region.
 */
#ifndef HL_ENGINE_FORWARD_LOW_RANK_H
#define HL_ENGINE_FORWARD_LOW_RANK_H

#include "engine/forward/forward_priv.h"
#include "engine/lora.h"

/* Of one matrix. Zeros: nothing is added. */
typedef struct hl_low {
    const hl_lora_part *parts; /* [n_parts] */
    size_t              n_parts;
    const float        *inner; /* [rows of the pass][n_inner] */
    size_t              n_inner;
} hl_low;

/* One that is to be multiplied with: row t of x is row t of the pass. */
typedef struct hl_low_ask {
    const hl_matrix *w;
    const hl_act    *x;
} hl_low_ask;

void hl_low_lay_out(hl_pass *f, hl_bump *b); /* after m and n_rows_cap */
/* After the rows and their sequences. */
void hl_low_begin(hl_pass *f);

/* Inner values of up to HL_MAX_LINEARS matrices, until the next call. out  ret  [n] */
void hl_low_run(hl_pass *f, const hl_low_ask *asks, uint32_t n, hl_low *ret);

/* Add to results [begin, end) of rows [0, n_rows); y points at the first row's result `begin`. */
void hl_low_add(const hl_pass *f, const hl_low *low, size_t begin, size_t end, size_t n_rows, float *y,
                size_t y_stride);

#endif
