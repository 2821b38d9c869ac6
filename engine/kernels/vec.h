/* SPDX-License-Identifier: MIT
 *
 * vec.h - operations on single rows of f32: norms, activations, rotation, conversion.
 *
 * Reductions follow the float order of kernels.h (16 lanes by column % 16, then pairwise), so every
 * instruction set gives the same bits where only +, *, fma, / and sqrt are involved; exp and tanh are
 * our own polynomials (exp_approx.h), the same in every version.
 */
#ifndef HL_ENGINE_KERNELS_VEC_H
#define HL_ENGINE_KERNELS_VEC_H

#include "hyperlama/base.h"

/* One row: x[n] -> q[n], d[n/32], sum16[n/16], as described at hl_act. n is a multiple of 32.
 * A group of zeros gives d = 0 and q = 0. A group with NaN or an infinity gives d = NaN and q = 0, so that no
 * product with it is a number: what was none stays none until somebody looks (engine/forward/finite.c). */
typedef void hl_quantize_act_fn(size_t n, const float *x, int8_t *ret_q, float *ret_d, int16_t *ret_sum16);

/* y = x / sqrt(mean(x^2) + eps), as (x * r) * weight[i] with r = 1 / sqrt(sum / n + eps);
 * weight NULL: no weight. y may be x. */
typedef void hl_rmsnorm_fn(size_t n, const float *x, const float *weight, float eps, float *ret_y);

/* y = (x - mean) / sqrt(variance + eps), as (d * r) * weight[i] + bias[i], fused, with d = x[i] - mean and
 * r = 1 / sqrt(sum of d^2 / n + eps); bias NULL: none. y may be x. */
typedef void hl_layernorm_fn(size_t n, const float *x, const float *weight, const float *bias, float eps,
                             float *ret_y);

typedef bool hl_all_finite_fn(size_t n, const float *x); /* no NaN, no infinity */

typedef void hl_add_fn(size_t n, const float *a, const float *b,
                       float *ret_y); /* y = a + b; y may be a or b */
/* y = fma(b, s, a); y may be a or b */
typedef void hl_add_scaled_fn(size_t n, const float *a, const float *b, float s, float *ret_y);
/* y[i] = fma(b[k * b_stride + i], u[k] * s, y[i]) for k = 0, 1, .. rank - 1, one after the other: what an
 * adapter adds to n results (engine/lora.h). */
typedef void hl_add_low_rank_fn(size_t n, size_t rank, const float *b, size_t b_stride, const float *u,
                                float s, float *y);
typedef void hl_scale_fn(size_t n, const float *x, float s, float *ret_y);               /* y = x * s */
typedef void hl_silu_mul_fn(size_t n, const float *gate, const float *up, float *ret_y); /* silu(gate) * up */
typedef void hl_sigmoid_mul_fn(size_t n, const float *gate, const float *up,
                               float *ret_y); /* sigmoid(gate) * up */
typedef void hl_gelu_mul_fn(size_t n, const float *gate, const float *up,
                            float *ret_y); /* gelu_tanh(gate) * up */

/* In place: x = softmax(x * s + bias[i]); bias NULL: none. */
typedef void hl_softmax_fn(size_t n, float *x, float s, const float *bias);

/* Rotate one head of n_rot leading dimensions, in place. cos_sin: [n_rot/2][2] f32, precomputed for the
 * position. halves: pairs are (i, i + n_rot/2); else (2i, 2i+1). */
typedef void hl_rope_fn(size_t n_rot, bool halves, const float *cos_sin, float *x);

typedef void hl_f32_to_f16_fn(size_t n, const float *x, uint16_t *ret_y); /* round to nearest even */
typedef void hl_f32_to_bf16_fn(size_t n, const float *x,
                               uint16_t *ret_y); /* round to nearest even; NaN stays NaN */

#endif
