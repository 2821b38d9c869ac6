/* SPDX-License-Identifier: MIT
 *
 * test_pack.c - packed weights come as close to the originals as the reference's, and are the same bytes on
 * every processor.
 */
#include "tests/need.h"

#include <math.h>
#include <string.h>

#include "engine/kernels/cpu.h"
#include "engine/pack/packers.h"
#include "engine/quant/quant.h"

enum { N_ROWS = 64, N_COLS = 1024, N = N_ROWS * N_COLS };

static float weights[N], unpacked[N];

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 32);
}

/* About normal; every 256th weight is six times as large. */
static void fill_weights(void) {
    uint64_t seed = 1;
    for (size_t i = 0; i < N; i++) {
        float sum = 0.0f;
        for (int k = 0; k < 6; k++) sum += (float)(next_random(&seed) >> 8) * 0x1p-24f;
        weights[i] = (sum - 3.0f) * 1.41421356f * 0.02f;
        if (next_random(&seed) % 256 == 0) weights[i] *= 6.0f;
    }
}

/* sqrt(sum of w (x - y)^2 / sum of w x^2); w NULL: 1. */
static double relative_error(const float *x, const float *y, const float *w, size_t n) {
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - (double)y[i], weight = w ? (double)w[i % N_COLS] : 1.0;
        error += weight * d * d;
        size += weight * (double)x[i] * (double)x[i];
    }
    return sqrt(error / size);
}

static void pack_rows(hl_pack_fn *pack, hl_type t, const float *importance, uint8_t *ret) {
    for (size_t r = 0; r < N_ROWS; r++)
        pack(weights + r * N_COLS, importance, N_COLS, ret + r * hl_type_row_bytes(t, N_COLS));
}

static uint8_t packed[N * 4], other[N * 4];

/* What the reference quantizer (llama.cpp's llama-quantize --pure, August 2026) reaches on these weights. */
static const struct {
    hl_type type;
    double  reference;
} figures[] = {
    {HL_TYPE_q2_k, 0.3094884},  {HL_TYPE_q3_k, 0.1661228},   {HL_TYPE_q4_k, 0.0767604},
    {HL_TYPE_q5_k, 0.0386065},  {HL_TYPE_q6_k, 0.0203615},   {HL_TYPE_q4_0, 0.1028969},
    {HL_TYPE_q4_1, 0.0829185},  {HL_TYPE_q5_0, 0.0508126},   {HL_TYPE_q5_1, 0.0400800},
    {HL_TYPE_q8_0, 0.0064212},  {HL_TYPE_iq4_nl, 0.0855145}, {HL_TYPE_iq4_xs, 0.0867532},
    {HL_TYPE_mxfp4, 0.1240548}, {HL_TYPE_tq1_0, 0.8286704},  {HL_TYPE_tq2_0, 0.8286704},
    {HL_TYPE_f16, 0.0003},      {HL_TYPE_bf16, 0.0025},      {HL_TYPE_f32, 1e-9},
};

static void errors_are_at_most_two_percent_above_the_references(void **state) {
    (void)state;
    fill_weights();
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const hl_type t = figures[i].type;
        pack_rows(hl_pack_find(t, hl_cpu_features()), t, NULL, packed);
        hl_quant_to_f32(t)(packed, N, unpacked);
        const double error = relative_error(weights, unpacked, NULL, N);
        if (!(error <= 1.02 * figures[i].reference))
            fail_msg("%s: error %.5f, the reference has %.5f", hl_type_name(t), error, figures[i].reference);
    }
}

static void every_processor_makes_the_same_bytes(void **state) {
    (void)state;
    static float importance[N_COLS];
    uint64_t     seed = 5;
    fill_weights();
    for (size_t c = 0; c < N_COLS; c++) importance[c] = (float)(1 + next_random(&seed) % 1000);
    for (int t = 0; t < HL_TYPE_count; t++) {
        hl_pack_fn *plain = hl_pack_find((hl_type)t, 0);
        if (!plain) continue;
        for (int isa = 0; isa < HL_ISA_count; isa++) {
            if (hl_isa_needs((hl_isa)isa) & ~hl_cpu_features()) continue;
            for (int k = 0; k < 2; k++) {
                pack_rows(plain, (hl_type)t, k ? importance : NULL, packed);
                pack_rows(hl_pack_find((hl_type)t, hl_isa_needs((hl_isa)isa)), (hl_type)t,
                          k ? importance : NULL, other);
                if (memcmp(packed, other, N_ROWS * hl_type_row_bytes((hl_type)t, N_COLS)) != 0)
                    fail_msg("%s on %s: other bytes", hl_type_name((hl_type)t), hl_isa_name((hl_isa)isa));
            }
        }
    }
}

/* Columns that count more get smaller errors. */
static void an_importance_lowers_the_error_that_it_weights(void **state) {
    (void)state;
    static float  importance[N_COLS];
    const hl_type types[] = {HL_TYPE_q2_k, HL_TYPE_q3_k, HL_TYPE_q4_k, HL_TYPE_q5_k,   HL_TYPE_q6_k,
                             HL_TYPE_q4_0, HL_TYPE_q4_1, HL_TYPE_q5_0, HL_TYPE_iq4_nl, HL_TYPE_iq4_xs};
    fill_weights();
    for (size_t c = 0; c < N_COLS; c++) importance[c] = c % 4 == 0 ? 100.0f : 1.0f;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        hl_pack_fn *pack = hl_pack_find(types[i], hl_cpu_features());
        pack_rows(pack, types[i], NULL, packed);
        hl_quant_to_f32(types[i])(packed, N, unpacked);
        const double without = relative_error(weights, unpacked, importance, N);
        pack_rows(pack, types[i], importance, packed);
        hl_quant_to_f32(types[i])(packed, N, unpacked);
        const double with = relative_error(weights, unpacked, importance, N);
        if (!(with < 0.97 * without))
            fail_msg("%s: %.5f with an importance, %.5f without", hl_type_name(types[i]), with, without);
    }
}

/* Rows of one block, of zeros, of one value, of what f16 scales cannot hold: finite, and zeros stay zero. */
static void odd_rows_are_packed_to_finite_numbers(void **state) {
    (void)state;
    const float values[] = {0.0f, 1.0f, -3.0f, 1e-30f, -1e-6f, 6e4f, 0x1p-24f};
    float       x[256], y[256];
    uint8_t     w[2048];
    for (int t = 0; t < HL_TYPE_count; t++) {
        hl_pack_fn *pack = hl_pack_find((hl_type)t, hl_cpu_features());
        for (size_t v = 0; pack && v < sizeof values / sizeof values[0]; v++) {
            for (int pattern = 0; pattern < 3; pattern++) {
                for (size_t i = 0; i < 256; i++) x[i] = pattern == 0 || i % 7 == 3 ? values[v] : 0.0f;
                for (size_t i = 0; pattern == 2 && i < 256; i += 2) x[i] = -x[i];
                const size_t n_bytes = hl_type_row_bytes((hl_type)t, 256);
                memset(w, 0xA5, sizeof w);
                pack(x, NULL, 256, w);
                for (size_t i = n_bytes; i < sizeof w; i++) assert_int_equal(w[i], 0xA5);
                hl_quant_to_f32((hl_type)t)(w, 256, y);
                for (size_t i = 0; i < 256; i++)
                    if (!isfinite(y[i]) || (values[v] == 0.0f && y[i] != 0.0f) ||
                        fabsf(y[i] - x[i]) > 1.1f * fabsf(values[v]) + 1e-7f)
                        fail_msg("%s: %g becomes %g (pattern %d of %g)", hl_type_name((hl_type)t),
                                 (double)x[i], (double)y[i], pattern, (double)values[v]);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_at_most_two_percent_above_the_references),
        cmocka_unit_test(every_processor_makes_the_same_bytes),
        cmocka_unit_test(an_importance_lowers_the_error_that_it_weights),
        cmocka_unit_test(odd_rows_are_packed_to_finite_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
