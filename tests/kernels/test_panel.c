/* SPDX-License-Identifier: MIT
 *
 * test_panel.c - every unpack and gemm_panel in kernels.def: the same panels, and the same bits as gemv.
 */
#include "tests/kernels/panel_cases.h"

/* Rows past the last one hold anything. */
static bool same_in_panel(const hl_panel *p, size_t i, float want, float got) {
    return i % HL_PANEL_ROWS >= p->n_rows || same(want, got);
}

static void compare_panels(const char *name, const hl_panel *want, const hl_panel *got, pattern pat) {
    if (want->group != got->group || want->offset != got->offset || want->has_min != got->has_min)
        fail_msg("%s: group %u offset %d min %d, expected %u %d %d", name, got->group, got->offset,
                 got->has_min, want->group, want->offset, want->has_min);
    for (size_t i = 0; i < want->n_cols * HL_PANEL_ROWS; i++)
        if (i / 4 % HL_PANEL_ROWS < want->n_rows && want->codes[i] != got->codes[i])
            fail_msg("%s, %s, %zu x %zu: code of column %zu row %zu is %d, expected %d", name,
                     pattern_name(pat), want->n_rows, want->n_cols, i / 128 * 4 + i % 4, i / 4 % 32,
                     got->codes[i], want->codes[i]);
    for (size_t i = 0; i < scale_count(want->n_cols); i++) {
        if (!same_in_panel(want, i, want->scale[i], got->scale[i]))
            fail_msg("%s, %s, %zu x %zu: scale of group %zu row %zu is %a, expected %a", name,
                     pattern_name(pat), want->n_rows, want->n_cols, i / 32, i % 32, (double)got->scale[i],
                     (double)want->scale[i]);
        if (!same_in_panel(want, i, want->min[i], got->min[i]))
            fail_msg("%s, %s, %zu x %zu: min of group %zu row %zu is %a, expected %a", name,
                     pattern_name(pat), want->n_rows, want->n_cols, i / 32, i % 32, (double)got->min[i],
                     (double)want->min[i]);
    }
}

static void test_unpack(hl_type type, const char *isa, hl_unpack_fn *fn) {
    static const size_t multiples[] = {1, 2, 3, 5};
    uint64_t            seed = 3;
    char                name[64];
    (void)snprintf(name, sizeof name, "unpack_%s_%s", hl_type_name(type), isa);
    for (size_t n_rows = 1; n_rows <= HL_PANEL_ROWS; n_rows++) {
        for (pattern pat = 0; pat < N_PATTERNS; pat++) {
            const size_t n_cols = multiples[(n_rows + pat) % 4] * hl_type_block_elems(type);
            const size_t row_bytes = hl_type_row_bytes(type, n_cols);
            uint8_t     *w = new_guarded(row_bytes * n_rows);
            hl_panel     want, got;
            fill_weights(type, n_cols * n_rows, pat, &seed, w);
            new_panel(n_rows, n_cols, &want);
            new_panel(n_rows, n_cols, &got);
            scalar()->unpack[type](w, row_bytes, &want);
            fn(w, row_bytes, &got);
            compare_panels(name, &want, &got, pat);
            free_panel(&want);
            free_panel(&got);
            free_guarded(w, row_bytes * n_rows);
        }
    }
}

static void an_unpack_makes_the_same_panel_as_the_scalar_one(void **state) {
    const kernel *k = *state;
    need_isa(k->isa);
    test_unpack((hl_type)k->type, hl_isa_name(k->isa), (hl_unpack_fn *)k->fn);
}

static void a_panel_product_gives_the_bits_of_gemv_for_any_number_of_tokens(void **state) {
    const kernel *k = *state;
    need_isa(k->isa);
    test_gemm_panel(&k->facts, (hl_gemm_panel_fn *)k->fn);
}

int main(void) {
    static kernel_tests t;
    add_kernels(&t, "unpack", "", an_unpack_makes_the_same_panel_as_the_scalar_one);
    add_kernels(&t, "gemm_panel", "", a_panel_product_gives_the_bits_of_gemv_for_any_number_of_tokens);
    return run_kernel_tests(&t);
}
