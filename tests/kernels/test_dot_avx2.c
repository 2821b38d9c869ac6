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
#include "engine/quant/iq4_nl.h"
#include "engine/quant/iq4_xs.h"
#include "engine/quant/mxfp4.h"
#include "engine/quant/q2_k.h"
#include "engine/quant/q3_k.h"
#include "engine/quant/q4_0.h"
#include "engine/quant/q4_1.h"
#include "engine/quant/q4_k.h"
#include "engine/quant/q5_0.h"
#include "engine/quant/q5_1.h"
#include "engine/quant/q5_k.h"
#include "engine/quant/q6_k.h"
#include "engine/quant/q8_0.h"

/* clang-format off */
#define FOR_ALL_TYPES(X) \
    X(q4_0, 1) X(q4_1, 1) X(q5_0, 1) X(q5_1, 1) X(q8_0, 1) X(q2_k, 8) X(q3_k, 8) \
    X(q4_k, 8) X(q5_k, 8) X(q6_k, 8) X(iq4_nl, 1) X(iq4_xs, 8) X(mxfp4, 1)
/* clang-format on */

#define DEFINE(type, groups)                                                                                 \
    hl_gemv_fn hl_gemv_##type##_emulated;                                                                    \
    HL_DEFINE_GEMV(type, groups, emulated)
FOR_ALL_TYPES(DEFINE)

static void gemv_with_an_emulated_dot_product_gives_the_bits_of_the_scalar_definition(void **state) {
    (void)state;
    need_isa(HL_ISA_avx2);
#define TRY(wtype, groups)                                                                                   \
    {                                                                                                        \
        const gemv_case c = {.type = HL_TYPE_##wtype,                                                        \
                             .isa = "emulated",                                                              \
                             .fn = hl_gemv_##wtype##_emulated,                                               \
                             .want_fn = hl_gemv_##wtype##_scalar,                                            \
                             .exact = true};                                                                 \
        run_case(&c);                                                                                        \
    }
    FOR_ALL_TYPES(TRY)
}

static void panel_products_with_an_emulated_dot_product_give_the_bits_of_gemv(void **state) {
    (void)state;
    need_isa(HL_ISA_avx2);
    test_gemm_panel("emulated", multiply_panel);
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
