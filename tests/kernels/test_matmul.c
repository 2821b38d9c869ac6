/* SPDX-License-Identifier: MIT
 *
 * test_matmul.c - whole products as the engine computes them, with every instruction set: the bits of the
 * scalar one for weights and activations of every pattern, absurd ones among them, whatever the number of
 * tokens and the cutting.
 */
#include "tests/kernels/kernel_test.h"

#include "engine/parallel/matmul.h"

enum { MAX_TOKENS = 40, STRIDE_GAP = 5 };

typedef struct product {
    hl_type     type;
    const char *isa;
    size_t      n_rows, n_cols, n_tokens, chunk_rows;
    uint32_t    n_planes;
    pattern     p;
} product;

static void run(const product *c, const hl_kernels *k, const uint8_t *w, const hl_act *x, float *y) {
    const size_t    row_bytes = hl_type_row_bytes(c->type, c->n_cols), stride = c->n_rows + STRIDE_GAP;
    const hl_matrix m = {c->type, c->n_rows, c->n_cols, row_bytes, w, NULL, 0};
    const hl_matmul_scratch scratch = {
        .n_bytes = hl_matmul_scratch_bytes(c->n_cols, c->n_planes == 2 ? c->n_tokens : 0)};
    hl_matmul_scratch s = scratch;
    s.memory = new_guarded(s.n_bytes);
    memset(s.memory, 0xFF, s.n_bytes); /* NaN */
    fill_canaries(y, stride * c->n_tokens);
    for (size_t r = 0; r < c->n_rows; r += c->chunk_rows) {
        const size_t end = r + c->chunk_rows < c->n_rows ? r + c->chunk_rows : c->n_rows;
        assert_true(hl_matmul_chunk(k, &m, r, end, x, &s, y, stride));
    }
    free_guarded(s.memory, s.n_bytes);
}

static void check(const product *c, const hl_kernels *k, uint64_t *seed) {
    const size_t row_bytes = hl_type_row_bytes(c->type, c->n_cols),
                 n_y = (c->n_rows + STRIDE_GAP) * c->n_tokens;
    uint8_t *w = new_guarded(row_bytes * c->n_rows);
    float   *want = new_guarded(n_y * 4), *got = new_guarded(n_y * 4);
    batch    b;
    new_batch(c->n_tokens * c->n_planes, c->n_cols, c->p, seed, &b);
    hl_act x = b.act; /* two planes of a token stand side by side, as two tokens do */
    x.n_tokens = c->n_tokens;
    x.n_planes = c->n_planes;
    fill_weights(c->type, c->n_cols * c->n_rows, c->p, seed, w);
    run(c, scalar(), w, &x, want);
    run(c, k, w, &x, got);
    for (size_t i = 0; i < n_y; i++)
        if (!same(want[i], got[i]))
            fail_msg("%s with %s, %s, %zu x %zu in chunks of %zu, %zu tokens of %u planes: row %zu token %zu "
                     "is %a, "
                     "expected %a",
                     hl_type_name(c->type), c->isa, pattern_name(c->p), c->n_rows, c->n_cols, c->chunk_rows,
                     c->n_tokens, c->n_planes, i % (c->n_rows + STRIDE_GAP), i / (c->n_rows + STRIDE_GAP),
                     (double)got[i], (double)want[i]);
    free_batch(&b);
    free_guarded(w, row_bytes * c->n_rows);
    free_guarded(want, n_y * 4);
    free_guarded(got, n_y * 4);
}

static void check_type(hl_type type, const char *isa, const hl_kernels *k) {
    static const size_t n_tokens[] = {1, 3, 4, 8, 13, MAX_TOKENS};
    uint64_t            seed = 41;
    for (size_t i = 0; i < sizeof n_tokens / sizeof n_tokens[0]; i++)
        for (uint32_t planes = 1; planes <= 2; planes++)
            for (pattern p = 0; p < N_PATTERNS; p++) {
                const size_t  block = hl_type_block_elems(type), n = 1 + (i + p) % 3;
                const product c = {.type = type,
                                   .isa = isa,
                                   .n_rows = 20 + 33 * i,
                                   .n_cols = n * (block <= 32   ? 288
                                                  : block < 256 ? 384
                                                                : 256),
                                   .n_tokens = n_tokens[i],
                                   .chunk_rows = i % 2 ? 64 : 32,
                                   .n_planes = block == 1 ? 1 : planes,
                                   .p = p};
                if (block == 1 && planes == 2) continue;
                check(&c, k, &seed);
            }
}

/* bf16 is left out: the processor's own dot product rounds in its own way. */
static void products_have_the_bits_of_the_scalar_ones(void **state) {
    (void)state;
    for (int i = 0; i < HL_ISA_count; i++) {
        hl_kernels k;
        uint32_t   bits = 0;
        hl_err     err;
        if ((hl_isa_needs((hl_isa)i) & ~hl_cpu_features()) != 0) continue;
        assert_int_equal(hl_cpu_mask(hl_isa_name((hl_isa)i), hl_cpu_features(), &bits, &err), HL_OK);
        hl_kernels_select(bits, &k);
        for (int t = 0; t < HL_TYPE_count; t++)
            if (t != HL_TYPE_bf16) check_type((hl_type)t, hl_isa_name((hl_isa)i), &k);
    }
}

/* The second scale of nvfp4. */
static void a_factor_multiplies_all_products(void **state) {
    (void)state;
    enum { ROWS = 40, COLS = 128, TOKENS = 3 };
    const float       factors[2] = {0.25f, 99.0f};
    const size_t      row_bytes = hl_type_row_bytes(HL_TYPE_nvfp4, COLS);
    static uint8_t    w[ROWS * COLS];
    float             want[TOKENS * ROWS], got[TOKENS * ROWS];
    const hl_matrix   plain = {HL_TYPE_nvfp4, ROWS, COLS, row_bytes, w, NULL, 0};
    const hl_matrix   scaled = {HL_TYPE_nvfp4, ROWS, COLS, row_bytes, w, factors, 2};
    uint64_t          seed = 3;
    batch             b;
    hl_kernels        k;
    hl_matmul_scratch s = {.n_bytes = hl_matmul_scratch_bytes(COLS, 0)};
    s.memory = new_guarded(s.n_bytes);
    hl_kernels_select(hl_cpu_features(), &k);
    new_batch(TOKENS, COLS, RANDOM, &seed, &b);
    b.act.n_planes = 1;
    fill_weights(HL_TYPE_nvfp4, ROWS * COLS, RANDOM, &seed, w);
    assert_true(hl_matmul_chunk(&k, &plain, 0, ROWS, &b.act, &s, want, ROWS));
    assert_true(hl_matmul_chunk(&k, &scaled, 0, 32, &b.act, &s, got, ROWS));
    assert_true(hl_matmul_chunk(&k, &scaled, 32, ROWS, &b.act, &s, got, ROWS));
    for (size_t i = 0; i < TOKENS * ROWS; i++) {
        assert_true(want[i] != 0.0f);
        assert_true(got[i] == 0.25f * want[i]);
    }
    free_batch(&b);
    free_guarded(s.memory, s.n_bytes);
}

/* More tokens than sums may wait for at once, and pairs of which no two panels of rows fit. */
static void many_tokens_at_once_are_as_many_products(void **state) {
    (void)state;
    static const struct {
        size_t   n_tokens;
        uint32_t n_planes;
    } cases[] = {{512, 1}, {513, 1}, {1030, 1}, {100, 2}, {256, 2}, {257, 2}, {530, 2}};
    hl_kernels k;
    hl_kernels_select(hl_cpu_features(), &k);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t      seed = 5 + i;
        const product c = {.type = i % 2 ? HL_TYPE_q4_k : HL_TYPE_q8_0,
                           .isa = "the best",
                           .n_rows = 40,
                           .n_cols = 768,
                           .n_tokens = cases[i].n_tokens,
                           .chunk_rows = i % 3 ? 40 : 32,
                           .n_planes = cases[i].n_planes,
                           .p = RANDOM};
        check(&c, &k, &seed);
    }
}

static void expect_canaries(const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) assert_int_equal(hl_bits_of_f32(y[i]), CANARY);
}

static void scratch_that_is_too_small_is_refused_and_nothing_written(void **state) {
    (void)state;
    uint64_t     seed = 9;
    const size_t n_cols = 288, n_rows = 40, row_bytes = hl_type_row_bytes(HL_TYPE_q8_0, n_cols);
    for (uint32_t planes = 1; planes <= 2; planes++) {
        batch    b;
        uint8_t *w = new_guarded(row_bytes * n_rows);
        float   *y = new_guarded(n_rows * 20 * 4);
        new_batch(20 * planes, n_cols, RANDOM, &seed, &b);
        fill_weights(HL_TYPE_q8_0, n_cols * n_rows, RANDOM, &seed, w);
        fill_canaries(y, n_rows * 20);
        hl_act x = b.act;
        x.n_tokens = 20;
        x.n_planes = planes;
        const hl_matrix         m = {HL_TYPE_q8_0, n_rows, n_cols, row_bytes, w, NULL, 0};
        const size_t            need = hl_matmul_scratch_bytes(n_cols, planes == 2 ? 20 : 0);
        const hl_matmul_scratch less = {.memory = new_guarded(need - 1), .n_bytes = need - 1};
        assert_int_equal(need % 64, 0);
        assert_false(hl_matmul_chunk(scalar(), &m, 0, n_rows, &x, &less, y, n_rows));
        expect_canaries(y, n_rows * 20);
        const hl_matmul_scratch none = {0};
        x.n_tokens = 0; /* nothing to do */
        assert_true(hl_matmul_chunk(scalar(), &m, 0, n_rows, &x, &none, y, n_rows));
        x.n_tokens = 20;
        assert_true(hl_matmul_chunk(scalar(), &m, 7, 7, &x, &none, y, n_rows));
        expect_canaries(y, n_rows * 20);
        free_guarded(less.memory, need - 1);
        free_guarded(w, row_bytes * n_rows);
        free_guarded(y, n_rows * 20 * 4);
        free_batch(&b);
    }
}

/* Large enough to stream, small enough for every thread to have several. */
static void chunks_are_whole_panels_and_enough_for_every_thread(void **state) {
    (void)state;
    static const size_t n_rows[] = {1, 31, 32, 33, 576, 2048, 32000, 262144}, n_tokens[] = {1, 8, 9, 500};
    for (size_t i = 0; i < sizeof n_rows / sizeof n_rows[0]; i++)
        for (size_t j = 0; j < sizeof n_tokens / sizeof n_tokens[0]; j++)
            for (size_t n_threads = 0; n_threads <= 64; n_threads += 1 + n_threads) {
                const size_t    row_bytes = hl_type_row_bytes(HL_TYPE_q8_0, 1024), n = n_rows[i];
                const hl_matrix m = {HL_TYPE_q8_0, n, 1024, row_bytes, NULL, NULL, 0};
                const size_t    rows = hl_matmul_chunk_rows(&m, n_tokens[j], n_threads);
                const size_t    threads = n_threads ? n_threads : 1;
                if (n < 32)
                    assert_int_equal(rows, n);
                else
                    assert_int_equal(rows % 32, 0);
                assert_true(rows * row_bytes <= 1 << 19 || rows == 32);
                assert_true(n / rows >= 6 * threads || rows <= 32);
                if (n_tokens[j] > HL_GEMV_MAX_TOKENS)
                    assert_true(rows <= 32);
                else if (n >= 6 * threads * 32) /* as many as both leave */
                    assert_true((rows + 32) * row_bytes > 1 << 19 || (rows + 32) * 6 * threads > n);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_have_the_bits_of_the_scalar_ones),
        cmocka_unit_test(many_tokens_at_once_are_as_many_products),
        cmocka_unit_test(a_factor_multiplies_all_products),
        cmocka_unit_test(scratch_that_is_too_small_is_refused_and_nothing_written),
        cmocka_unit_test(chunks_are_whole_panels_and_enough_for_every_thread),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}
