/* SPDX-License-Identifier: MIT
 *
 * gemv_cases.h - a gemv against the scalar definition, bit for bit: all shapes of rows and tokens, and each
 * token alone.
 */
#ifndef HL_TESTS_KERNELS_GEMV_CASES_H
#define HL_TESTS_KERNELS_GEMV_CASES_H

#include "tests/kernels/kernel_test.h"

enum { FLOAT_TOKENS = 5, GEMV_GAP = 3 };

typedef struct gemv_case {
    hl_type     type;
    const char *isa;
    hl_gemv_fn *fn;
    hl_gemv_fn *want_fn;
    bool        exact;
    bool        may_lose;
} gemv_case;

/* Sum of |w * x| of one row and token. */
static float magnitude(hl_type t, const uint8_t *row, const float *x, size_t n_cols) {
    static float w[16384];
    float        sum = 0.0f;
    hl_quant_to_f32(t)(row, n_cols, w);
    for (size_t c = 0; c < n_cols; c++) sum += fabsf(w[c] * x[c]);
    return sum;
}

static void compare(const gemv_case *c, const uint8_t *w, size_t row_bytes, size_t n_rows, const hl_act *x,
                    pattern p, const float *want, const float *got) {
    const size_t stride = n_rows + GEMV_GAP;
    for (size_t t = 0; t < x->n_tokens; t++) {
        for (size_t r = 0; r < stride; r++) {
            const float a = want[t * stride + r], b = got[t * stride + r];
            if (same_or_lost(c->may_lose, p, a, b)) continue;
            if (!c->exact && r < n_rows &&
                fabsf(a - b) <=
                    1e-5f * magnitude(c->type, w + r * row_bytes, x->f32 + t * x->n_cols, x->n_cols))
                continue;
            fail_msg("gemv_%s_%s, %s, %zu x %zu, %zu tokens: row %zu token %zu is %a, expected %a",
                     hl_type_name(c->type), c->isa, pattern_name(p), n_rows, x->n_cols, x->n_tokens, r, t,
                     (double)b, (double)a);
        }
    }
}

static void run_one(const gemv_case *c, size_t n_rows, size_t n_cols, size_t n_tokens, pattern p,
                    uint64_t *seed) {
    const size_t row_bytes = hl_type_row_bytes(c->type, n_cols);
    const size_t stride = n_rows + GEMV_GAP;
    const size_t n_y = stride * n_tokens;
    uint8_t     *w = new_guarded(row_bytes * n_rows);
    float       *want = new_guarded(n_y * 4), *got = new_guarded(n_y * 4);
    batch        b;
    new_batch(n_tokens, n_cols, p, seed, &b);
    fill_weights(c->type, n_cols * n_rows, p, seed, w);

    fill_canaries(want, n_y);
    fill_canaries(got, n_y);
    c->want_fn(n_rows, w, row_bytes, &b.act, want, stride);
    c->fn(n_rows, w, row_bytes, &b.act, got, stride);
    compare(c, w, row_bytes, n_rows, &b.act, p, want, got);

    for (size_t t = 0; t < n_tokens; t++) { /* each token on its own */
        const hl_act one = slice_act(&b.act, t, 1);
        c->fn(n_rows, w, row_bytes, &one, want, stride);
        for (size_t r = 0; r < n_rows; r++)
            if (!same(want[r], got[t * stride + r]))
                fail_msg("gemv_%s_%s: row %zu of token %zu depends on the other tokens",
                         hl_type_name(c->type), c->isa, r, t);
    }
    free_batch(&b);
    free_guarded(w, row_bytes * n_rows);
    free_guarded(want, n_y * 4);
    free_guarded(got, n_y * 4);
}

static void run_case(const gemv_case *c) {
    static const size_t multiples[] = {1, 2, 3, 5, 8, 11};
    static const size_t float_cols[] = {1, 7, 15, 16, 17, 31, 33, 64, 100, 255, 256, 1000};
    const size_t        block = hl_type_block_elems(c->type);
    const size_t        max_tokens = block == 1 ? FLOAT_TOKENS : HL_GEMV_MAX_TOKENS;
    const size_t        n_widths = block == 1 ? 12 : 6;
    uint64_t            seed = 1;
    for (size_t n_rows = 1; n_rows <= 70; n_rows += n_rows < 34 ? 1 : 7) {
        const size_t i = n_rows % n_widths;
        const size_t n_cols = block == 1 ? float_cols[i] : multiples[i] * block;
        for (size_t n_tokens = 1; n_tokens <= max_tokens; n_tokens++)
            for (pattern p = 0; p < N_PATTERNS; p++) run_one(c, n_rows, n_cols, n_tokens, p, &seed);
    }
    for (size_t i = 0; i < n_widths; i++)
        run_one(c, 33, block == 1 ? float_cols[i] : multiples[i] * block, max_tokens, RANDOM, &seed);
    /* So much that kernels may read rows far apart side by side, with rows left over; and, of 1152 bytes, 32
     * rows are a multiple of 4096 bytes, of 8064 bytes one row nearly is. */
    run_one(c, 149, 2048, 3, RANDOM, &seed);
    run_one(c, 515, 2048, 1, RANDOM, &seed);
    run_one(c, 35, 14336, 1, RANDOM, &seed);
}

#endif
