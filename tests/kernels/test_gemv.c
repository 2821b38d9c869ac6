/* SPDX-License-Identifier: MIT
 *
 * test_gemv.c - every gemv in kernels.def against the scalar definition, bit for bit.
 *
 * Only bf16 kernels that use the hardware's dot product may differ, within a tolerance; for them too a
 * token's result must not depend on the others in the call.
 */
#include "tests/kernels/gemv_cases.h"

static void a_gemv_gives_the_bits_of_the_scalar_definition(void **state) {
    const kernel *k = *state;
    need_isa(k->isa);
    const gemv_case c = {
        .type = (hl_type)k->type,
        .isa = hl_isa_name(k->isa),
        .fn = (hl_gemv_fn *)k->fn,
        .want_fn = scalar()->gemv[k->type],
        .may_lose = k->facts.may_lose,
        .exact = k->type != HL_TYPE_bf16 || k->isa != HL_ISA_avx512bf16,
    };
    run_case(&c);
}

/* The scalar definition itself, against a plain sum of dequantized weights and activations. */
static void the_scalar_definition_is_close_to_the_plain_sum(void **state) {
    (void)state;
    enum { COLS = 1024 };
    static uint8_t w[COLS * 4];
    static float   wf[COLS];
    uint64_t       seed = 7;
    for (int t = 0; t < HL_TYPE_count; t++) {
        batch b;
        float y = 0.0f;
        new_batch(1, COLS, RANDOM, &seed, &b);
        fill_weights((hl_type)t, COLS, RANDOM, &seed, w);
        scalar()->gemv[t](1, w, hl_type_row_bytes((hl_type)t, COLS), &b.act, &y, 1);
        hl_quant_to_f32((hl_type)t)(w, COLS, wf);
        double sum = 0.0, size = 0.0;
        for (size_t c = 0; c < COLS; c++) {
            const double x = hl_type_block_elems((hl_type)t) > 1
                                 ? (double)b.act.q[c] * (double)b.act.d[c / 32]
                                 : (double)(t == HL_TYPE_bf16 ? hl_f32_of_bf16(b.act.bf16[c]) : b.act.f32[c]);
            sum += (double)wf[c] * x;
            size += fabs((double)wf[c] * x);
        }
        if (fabs(sum - (double)y) > 2e-6 * size)
            fail_msg("%s: %g, expected %g", hl_type_name((hl_type)t), (double)y, sum);
        free_batch(&b);
    }
}

int main(void) {
    static kernel_tests t;
    add_test(&t, "the_scalar_definition_is_close_to_the_plain_sum",
             the_scalar_definition_is_close_to_the_plain_sum);
    add_kernels(&t, "gemv", "", a_gemv_gives_the_bits_of_the_scalar_definition);
    return run_kernel_tests(&t);
}
