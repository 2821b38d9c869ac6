/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the innermost loops: one scalar definition each, faster versions per instruction set.
 *
 * Exactness is by construction. A matrix product is DEFINED as below, and every kernel of every shape
 * (one token or many, any instruction set with fused multiply-add) computes exactly that, so a token's
 * result never depends on how many others were in the pass:
 *
 *   quantized weights   for each group of 32 columns, in order (G = 16 or 32 weights share a scale):
 *                         t = (float)isum_0 * scale_0                      isum: exact integer sum of w*x
 *                         t = fma((float)isum_1, scale_1, t)               only when G = 16
 *                         t = fma(-min_j, (float)xsum_j, t)  for each j    only types with a minimum
 *                         acc = fma(t, x.d[group], acc)
 *                       where scale = d * sub-scale and min = dmin * sub-min are rounded once to f32,
 *                       and isum is taken over (weight code - offset), e.g. offset 8 for q4_0.
 *   float weights       16 partial sums, lane = column % 16, each in column order by fma; then lanes are
 *                       added pairwise: 8 apart, 4 apart, 2 apart, neighbours. Columns past the last
 *                       multiple of 16 are as if the row were padded with zeros.
 *   bf16 weights        as float (activations rounded to bf16 first); hardware dot products may round
 *                       differently, but the same for any number of tokens.
 *
 *   not finite          where a result is infinite or NaN, or would be but for scales of 2^100 and more, a
 *                       kernel may give another one that is not finite; no kernel makes a finite one of it.
 *                       parallel/matmul.c computes such rows again with the scalar kernel, so that products
 *                       are the same there, too.
 *
 * Kernels know nothing of threads, memory, files or errors: callers check shapes and give the storage.
 */
#ifndef HL_ENGINE_KERNELS_KERNELS_H
#define HL_ENGINE_KERNELS_KERNELS_H

#include "core/gguf/types.h"

/* Activations of a batch, in the forms that the weights of the next matmuls need. */
typedef struct hl_act {
    size_t          n_tokens;
    size_t          n_cols; /* multiple of 32 where q is used */
    const float    *f32;    /* [n_tokens][n_cols]; NULL when no float weight follows */
    const uint16_t *bf16;   /* [n_tokens][n_cols]; NULL when no bf16 weight follows */
    const int8_t   *q; /* [n_tokens][n_cols] round-to-nearest-even of x / d, in -127..127; NULL when unused */
    const float    *d; /* [n_tokens][n_cols / 32] scale: max|x| / 127 of the group */
    const int16_t  *sum16; /* [n_tokens][n_cols / 16] sum of q over 16 columns */
    /* Residual planes. 0, 1, or 2: each token has two rows of q, d and sum16, whose results are added; the
     * second is what the first left over. Kernels see no planes: parallel/matmul.h gives them 2 n_tokens. */
    uint32_t n_planes;
} hl_act;

/* Weight rows, unpacked for reuse by many tokens. 32 rows wide; rows past n_rows hold anything.
 * A panel may be a slice of the columns: col_begin is its first column within x (a multiple of 256),
 * and when it is not 0 the product goes on from the sums that earlier slices left in y. */
enum { HL_PANEL_ROWS = 32, HL_GEMV_MAX_TOKENS = 12 };
typedef struct hl_panel {
    size_t         n_rows; /* 1..32 */
    size_t         n_cols; /* of this slice; x->n_cols is the stride of x */
    size_t         col_begin;
    uint32_t       group;  /* 16 or 32 columns share a scale */
    int32_t        offset; /* subtract from every code; a power of two or 0 */
    bool           has_min;
    uint8_t        max_code;       /* no code is larger; 0: not told */
    uint8_t       *codes;          /* [n_cols / 4][32][4] u8 */
    float         *scale;          /* [n_cols / group][32] f32 */
    float         *min;            /* [n_cols / group][32] f32, only when has_min */
    const uint8_t *prefetch;       /* what the caller reads next: a kernel may prefetch it as it multiplies */
    size_t         prefetch_bytes; /* of that; 0: nothing */
} hl_panel;

/* y[t][r] = sum over columns of w[r][c] * x[t][c]; y has y_stride floats between tokens.
 * w: n_rows rows of row_bytes. 1 <= x->n_tokens <= HL_GEMV_MAX_TOKENS for quantized types, any number
 * for float types. */
typedef void hl_gemv_fn(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                        size_t y_stride);

/* Fill p->codes, scale and min from up to 32 weight rows; the caller has set n_rows, n_cols,
 * col_begin and storage, unpack sets the rest. w points at the slice's first column of the first row. */
typedef void hl_unpack_fn(const void *w, size_t row_bytes, hl_panel *p);

/* As gemv, from a panel and for any number of tokens. */
typedef void hl_gemm_panel_fn(const hl_panel *p, const hl_act *x, float *y, size_t y_stride);

/* What this process computes with. Filled once by hl_kernels_select(); read-only afterwards.
 * Operations without weights are declared in vec.h and attend.h and stand here as plain members. */
#include "engine/kernels/attend.h"
#include "engine/kernels/probe.h"
#include "engine/kernels/vec.h"

/* What callers of a kernel must know of it: its line in kernels.def says. */
typedef struct hl_kernel_facts {
    const char *isa; /* for `info --kernels` */
    /* gemv of quantized weights: with more tokens panels are faster. gemm_panel: of one call, best. 0: any
     * number. */
    uint32_t max_tokens;
    bool     may_lose;   /* "not finite" above */
    bool     prefetches; /* gemm_panel: what the panel says, so that the caller need not */
} hl_kernel_facts;

typedef struct hl_kernels {
    uint32_t          cpu; /* feature bits used: cpu.h */
    hl_gemv_fn       *gemv[HL_TYPE_count];
    hl_unpack_fn     *unpack[HL_TYPE_count]; /* NULL for float types: their gemv takes any number of tokens */
    hl_gemm_panel_fn *gemm_panel;
    hl_gemv_fn       *definition[HL_TYPE_count]; /* the gemv that all others must equal */
#define HL_VEC_OP(name) hl_##name##_fn *name;
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
    hl_kernel_facts facts_of_gemv[HL_TYPE_count];
    hl_kernel_facts facts_of_unpack[HL_TYPE_count];
    hl_kernel_facts facts_of_gemm_panel;
#define HL_VEC_OP(name) hl_kernel_facts facts_of_##name;
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
} hl_kernels;

/* Choose by table: later lines of kernels.def that `cpu` can run replace earlier ones. Pure. */
void hl_kernels_select(uint32_t cpu, hl_kernels *ret_kernels);

#endif
