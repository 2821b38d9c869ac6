/* SPDX-License-Identifier: MIT
 *
 * panel_cases.h - a gemm_panel against the scalar gemv, bit for bit: all types, slices of columns, numbers of
 * tokens.
 */
#ifndef HL_TESTS_KERNELS_PANEL_CASES_H
#define HL_TESTS_KERNELS_PANEL_CASES_H

#include "tests/kernels/kernel_test.h"

enum { PANEL_GAP = 3, PANEL_TOKENS = 70 };

static size_t scale_count(size_t n_cols) { return n_cols / 16 * HL_PANEL_ROWS; }

static void new_panel(size_t n_rows, size_t n_cols, hl_panel *p) {
    *p = (hl_panel){.n_rows = n_rows, .n_cols = n_cols, .group = 99, .offset = 99};
    /* the arrays of a panel are aligned to 64 by contract, and their sizes are multiples of 64 */
    p->codes = new_guarded(n_cols * HL_PANEL_ROWS);
    p->scale = new_guarded(scale_count(n_cols) * 4);
    p->min = new_guarded(scale_count(n_cols) * 4);
    memset(p->codes, 0xA5, n_cols * HL_PANEL_ROWS);
    fill_canaries(p->scale, scale_count(n_cols));
    fill_canaries(p->min, scale_count(n_cols));
}

static void free_panel(hl_panel *p) {
    free_guarded(p->codes, p->n_cols * HL_PANEL_ROWS);
    free_guarded(p->scale, scale_count(p->n_cols) * 4);
    free_guarded(p->min, scale_count(p->n_cols) * 4);
}

/* One product in column slices, as the caller does it. */
static void multiply(hl_unpack_fn *unpack, hl_gemm_panel_fn *gemm, hl_type type, const uint8_t *w,
                     size_t n_rows, size_t slice_cols, const hl_act *x, float *y, size_t stride) {
    const size_t row_bytes = hl_type_row_bytes(type, x->n_cols);
    for (size_t c = 0; c < x->n_cols; c += slice_cols) {
        const size_t n_cols = x->n_cols - c < slice_cols ? x->n_cols - c : slice_cols;
        hl_panel     p;
        new_panel(n_rows, n_cols, &p);
        p.col_begin = c;
        unpack(w + hl_type_row_bytes(type, c), row_bytes, &p);
        gemm(&p, x, y, stride);
        free_panel(&p);
    }
}

static void compare_with_gemv(hl_gemm_panel_fn *gemm, const hl_kernel_facts *facts, hl_type type,
                              size_t n_rows, size_t n_cols, size_t n_tokens, size_t slice_cols, pattern pat,
                              uint64_t *seed) {
    const size_t row_bytes = hl_type_row_bytes(type, n_cols);
    const size_t stride = n_rows + PANEL_GAP;
    const size_t n_y = stride * n_tokens;
    uint8_t     *w = new_guarded(row_bytes * n_rows);
    float       *want = new_guarded(n_y * 4), *got = new_guarded(n_y * 4);
    batch        b;
    new_batch(n_tokens, n_cols, pat, seed, &b);
    fill_weights(type, n_cols * n_rows, pat, seed, w);
    fill_canaries(want, n_y);
    fill_canaries(got, n_y);
    for (size_t t = 0; t < n_tokens; t++) {
        const hl_act one = slice_act(&b.act, t, 1);
        scalar()->gemv[type](n_rows, w, row_bytes, &one, want + t * stride, stride);
    }
    multiply(scalar()->unpack[type], gemm, type, w, n_rows, slice_cols, &b.act, got, stride);
    for (size_t i = 0; i < n_y; i++)
        if (!same_or_lost(facts->may_lose, pat, want[i], got[i]))
            fail_msg("gemm_panel_%s of %s, %s, %zu x %zu, slices of %zu, %zu tokens: row %zu token %zu is "
                     "%a, expected %a",
                     facts->isa, hl_type_name(type), pattern_name(pat), n_rows, n_cols, slice_cols, n_tokens,
                     i % stride, i / stride, (double)got[i], (double)want[i]);
    free_batch(&b);
    free_guarded(w, row_bytes * n_rows);
    free_guarded(want, n_y * 4);
    free_guarded(got, n_y * 4);
}

static void test_gemm_panel(const hl_kernel_facts *facts, hl_gemm_panel_fn *gemm) {
    uint64_t seed = 5;
    for (int t = 0; t < HL_TYPE_count; t++) {
        if (!scalar()->unpack[t]) continue;
        const size_t block = hl_type_block_elems((hl_type)t);
        for (size_t n_tokens = 1; n_tokens <= PANEL_TOKENS; n_tokens += n_tokens < 20 ? 1 : 17) {
            const pattern pat = (pattern)(n_tokens % N_PATTERNS);
            compare_with_gemv(gemm, facts, (hl_type)t, 1 + n_tokens % 32, block, n_tokens, block, pat, &seed);
            compare_with_gemv(gemm, facts, (hl_type)t, 32, 512, n_tokens, 256, RANDOM, &seed);
        }
        for (size_t n_rows = 1; n_rows <= HL_PANEL_ROWS; n_rows++)
            compare_with_gemv(gemm, facts, (hl_type)t, n_rows, 768, 7, 512, (pattern)(n_rows % N_PATTERNS),
                              &seed);
    }
}

#endif
