/* SPDX-License-Identifier: MIT
 *
 * test_dot_avx2.c - the kernels of AVX-VNNI where the processor has AVX2 only: the same code with the dot
 * product made of AVX2's multiplications, so that it is tested on every machine.
 */
#include "tests/kernels/kernel_test.h"

#if defined(__x86_64__)
#include "tests/kernels/gemv_cases.h"
#include "tests/kernels/panel_cases.h"

#define HL_DOT(acc, w, x) dot_of_pairs(acc, w, x)

#include <immintrin.h>

/* Bytes widened to 16 bits, where products of two and their sum are exact in 32. */
static inline __m256i dot_of_pairs(__m256i acc, __m256i w, __m256i x) {
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(0xFF)),
                                           _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}

#include "engine/kernels/x86/gemm_dot_avx2.h"
#include "engine/kernels/x86/gemv_dot_avx2.h"

/* As gemv_avxvnni.c, for all types at once. */
#define GRID(type, ...) GEMV(type, false)
#define GEMV(type, one_by_avx2)                                                                              \
    static void gemv_##type##_emulated(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x,      \
                                       float *y, size_t y_stride) {                                          \
        const kind8 kind = {0, HL_GROUP_##type, HL_HAS_MIN_##type, HL_BLOCK_BYTES_##type,                    \
                            HL_BLOCK_GROUPS_##type};                                                         \
        if (x->n_tokens == 1 && (one_by_avx2))                                                               \
            hl_gemv_##type##_avx2(n_rows, w, row_bytes, x, y, y_stride);                                     \
        else                                                                                                 \
            gemv_dot(kind, HL_OFFSET_##type, decode8_##type, hl_gemv_##type##_scalar, n_rows, w, row_bytes,  \
                     x, y, y_stride);                                                                        \
    }
HL_DOT_TYPES(GEMV)
HL_GRID_TYPES(GRID)
GEMV(tq1_0, false) /* of those that are staged */

static void gemv_with_an_emulated_dot_product_gives_the_bits_of_the_scalar_definition(void **state) {
    (void)state;
    need_isa(HL_ISA_avx2);
#define CASE(wtype, one_by_avx2)                                                                             \
    {                                                                                                        \
        const gemv_case c = {.type = HL_TYPE_##wtype,                                                        \
                             .isa = "emulated",                                                              \
                             .fn = gemv_##wtype##_emulated,                                                  \
                             .want_fn = hl_gemv_##wtype##_scalar,                                            \
                             .exact = true};                                                                 \
        run_case(&c);                                                                                        \
    }
    HL_DOT_TYPES(CASE)
#define GRID_CASE(wtype, ...) CASE(wtype, false)
    HL_GRID_TYPES(GRID_CASE)
    CASE(tq1_0, false)
}

static void panel_products_with_an_emulated_dot_product_give_the_bits_of_gemv(void **state) {
    (void)state;
    need_isa(HL_ISA_avx2);
    test_gemm_panel(&(hl_kernel_facts){.isa = "emulated"}, multiply_panel);
}
#else
static void gemv_with_an_emulated_dot_product_gives_the_bits_of_the_scalar_definition(void **state) {
    (void)state;
    skip_because("kernels of x86");
}

static void panel_products_with_an_emulated_dot_product_give_the_bits_of_gemv(void **state) {
    (void)state;
    skip_because("kernels of x86");
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemv_with_an_emulated_dot_product_gives_the_bits_of_the_scalar_definition),
        cmocka_unit_test(panel_products_with_an_emulated_dot_product_give_the_bits_of_gemv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
