/* SPDX-License-Identifier: MIT
 *
 * state_x86.h - the steps of state.h for vectors of 8 or 16 columns: as many at once as the file's ISA has,
 * n_vecs of them side by side, so that one sum need not wait for the other.
 */
#ifndef HL_ENGINE_KERNELS_X86_STATE_X86_H
#define HL_ENGINE_KERNELS_X86_STATE_X86_H

#include "engine/kernels/state.h"
#include "engine/kernels/x86/vec_x86.h"

#if defined(__AVX512F__)
typedef __m512 vec;
enum { VEC = 16 };
#define VEC_(op) _mm512_##op
#else
typedef __m256 vec;
enum { VEC = 8 };
#define VEC_(op) _mm256_##op
#endif

/* Columns [0, n_vecs * VEC) of a state whose rows are `stride` floats apart. */
HL_INLINE void delta_cols(size_t n_rows, size_t stride, size_t n_vecs, const float *decay, const float *key,
                          const float *query, const float *v, float beta, float *state, float *ret_o) {
    vec d[4], o[4];
    HL_UNROLL for (size_t k = 0; k < n_vecs; k++) d[k] = o[k] = VEC_(setzero_ps)();
    for (size_t i = 0; i < n_rows; i++) {
        const vec g = VEC_(set1_ps)(decay[i]), x = VEC_(set1_ps)(key[i]);
        HL_UNROLL for (size_t k = 0; k < n_vecs; k++) d[k] =
            VEC_(fmadd_ps)(VEC_(mul_ps)(VEC_(loadu_ps)(state + i * stride + k * VEC), g), x, d[k]);
    }
    HL_UNROLL for (size_t k = 0; k < n_vecs; k++) d[k] =
        VEC_(mul_ps)(VEC_(sub_ps)(VEC_(loadu_ps)(v + k * VEC), d[k]), VEC_(set1_ps)(beta));
    for (size_t i = 0; i < n_rows; i++) {
        const vec g = VEC_(set1_ps)(decay[i]), x = VEC_(set1_ps)(key[i]), q = VEC_(set1_ps)(query[i]);
        HL_UNROLL for (size_t k = 0; k < n_vecs; k++) {
            float    *at = state + i * stride + k * VEC;
            const vec s = VEC_(fmadd_ps)(x, d[k], VEC_(mul_ps)(VEC_(loadu_ps)(at), g));
            VEC_(storeu_ps)(at, s);
            o[k] = VEC_(fmadd_ps)(s, q, o[k]);
        }
    }
    HL_UNROLL for (size_t k = 0; k < n_vecs; k++) VEC_(storeu_ps)(ret_o + k * VEC, o[k]);
}

HL_INLINE void scan_cols(size_t n_rows, size_t stride, size_t n_vecs, float decay, const float *b,
                         const float *c, const float *x, float *state, float *ret_y) {
    const vec g = VEC_(set1_ps)(decay);
    vec       in[4], y[4];
    HL_UNROLL for (size_t k = 0; k < n_vecs; k++) {
        in[k] = VEC_(loadu_ps)(x + k * VEC);
        y[k] = VEC_(setzero_ps)();
    }
    for (size_t i = 0; i < n_rows; i++) {
        const vec bi = VEC_(set1_ps)(b[i]), ci = VEC_(set1_ps)(c[i]);
        HL_UNROLL for (size_t k = 0; k < n_vecs; k++) {
            float    *at = state + i * stride + k * VEC;
            const vec s = VEC_(fmadd_ps)(bi, in[k], VEC_(mul_ps)(VEC_(loadu_ps)(at), g));
            VEC_(storeu_ps)(at, s);
            y[k] = VEC_(fmadd_ps)(s, ci, y[k]);
        }
    }
    HL_UNROLL for (size_t k = 0; k < n_vecs; k++) VEC_(storeu_ps)(ret_y + k * VEC, y[k]);
}

HL_INLINE void delta_step(size_t n_rows, size_t n_cols, const float *decay, const float *key,
                          const float *query, const float *v, float beta, float *state, float *ret_o) {
    size_t j = 0;
    for (; j + 4 * VEC <= n_cols; j += 4 * VEC)
        delta_cols(n_rows, n_cols, 4, decay, key, query, v + j, beta, state + j, ret_o + j);
    for (; j + 2 * VEC <= n_cols; j += 2 * VEC)
        delta_cols(n_rows, n_cols, 2, decay, key, query, v + j, beta, state + j, ret_o + j);
    for (; j < n_cols; j += VEC)
        delta_cols(n_rows, n_cols, 1, decay, key, query, v + j, beta, state + j, ret_o + j);
}

HL_INLINE void scan_step(size_t n_rows, size_t n_cols, float decay, const float *b, const float *c,
                         const float *x, float *state, float *ret_y) {
    size_t j = 0;
    for (; j + 4 * VEC <= n_cols; j += 4 * VEC)
        scan_cols(n_rows, n_cols, 4, decay, b, c, x + j, state + j, ret_y + j);
    for (; j + 2 * VEC <= n_cols; j += 2 * VEC)
        scan_cols(n_rows, n_cols, 2, decay, b, c, x + j, state + j, ret_y + j);
    for (; j < n_cols; j += VEC) scan_cols(n_rows, n_cols, 1, decay, b, c, x + j, state + j, ret_y + j);
}

#endif
