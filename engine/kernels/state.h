/* SPDX-License-Identifier: MIT
 *
 * state.h - one position of a recurrent layer: what its state becomes, and what is read from it.
 *
 * A state is a matrix [n_rows][n_cols]: rows are read with the query (or C), columns belong to the values. A
 * column depends on no other one, so lanes are columns, and each sums over the rows in their order by fused
 * multiply-add: any instruction set, any cut of the columns and of the positions gives the same bits.
 */
#ifndef HL_ENGINE_KERNELS_STATE_H
#define HL_ENGINE_KERNELS_STATE_H

#include "hyperlama/base.h"

typedef void hl_mul_fn(size_t n, const float *a, const float *b, float *ret_y); /* y = a * b; y may be one */
/* y = x * (1 / max(sqrt(sum of x^2), eps)), summed in the order of kernels.h; y may be x */
typedef void hl_l2norm_fn(size_t n, const float *x, float eps, float *ret_y);

/* Columns of a state that are taken at once, and of which their number is a multiple. */
enum { HL_STATE_COLS_CAP = 64, HL_STATE_COLS_STEP = 16 };

/* Gated delta rule, one decay for each row:
 *   t[i][j] = S[i][j] * decay[i]
 *   d[j]    = (v[j] - sum over i of t[i][j] * key[i]) * beta
 *   S[i][j] = fma(key[i], d[j], t[i][j])
 *   o[j]    = sum over i of S[i][j] * query[i]
 * n_cols is a multiple of 16, at most 64. o is none of the others.
 * from: "Gated Delta Networks", arXiv 2412.06464, equation 10 */
typedef void hl_delta_step_fn(size_t n_rows, size_t n_cols, const float *decay, const float *key,
                              const float *query, const float *v, float beta, float *state, float *ret_o);

/* State-space duality, one decay for all:
 *   S[i][j] = fma(b[i], x[j], S[i][j] * decay);  y[j] = sum over i of S[i][j] * c[i]
 * from: "Transformers are SSMs", arXiv 2405.21060, section 6 */
typedef void hl_scan_step_fn(size_t n_rows, size_t n_cols, float decay, const float *b, const float *c,
                             const float *x, float *state, float *ret_y);

/* Selective scan, a decay for each element:
 *   S[i][j] = fma(b[i], x[j], S[i][j] * exp(dt[j] * a[i][j]));  y[j] = sum over i of S[i][j] * c[i]
 * in    a  [n_rows], the rows a_stride floats apart
 * from: "Mamba", arXiv 2312.00752, algorithm 2 */
typedef void hl_select_step_fn(size_t n_rows, size_t n_cols, const float *dt, const float *a, size_t a_stride,
                               const float *b, const float *c, const float *x, float *state, float *ret_y);

/* Causal convolution of one position, channel by channel: y[i] = bias[i] + sum over taps of w[tap][i] *
 * u[tap][i], in their order. bias NULL: 0. y is none of the others.
 * in    u  [n_taps] rows, the oldest first */
typedef void hl_conv_taps_fn(size_t n, size_t n_taps, const float *const *u, const float *w,
                             const float *bias, float *ret_y);

/* What this process computes with. */
typedef struct hl_state_kernels {
#define HL_STATE_OP(name)                                                                                    \
    hl_##name##_fn *name;                                                                                    \
    const char     *isa_of_##name; /* for `info --kernels` */
#include "engine/kernels/state.def"
#undef HL_STATE_OP
} hl_state_kernels;

/* As hl_kernels_select(). */
void hl_state_kernels_select(uint32_t cpu, hl_state_kernels *ret_kernels);

#define HL_STATE_KERNEL(op, isa) hl_##op##_fn hl_##op##_##isa;
#include "engine/kernels/state.def"
#undef HL_STATE_KERNEL

#endif
