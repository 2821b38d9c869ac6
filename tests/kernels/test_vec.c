/* SPDX-License-Identifier: MIT
 *
 * test_vec.c - every operation on rows in kernels.def against its scalar definition, bit for bit, and the
 * definitions against the mathematics. (Attention has a test of its own.)
 */
#include "tests/kernels/kernel_test.h"

enum { MAX_N = 1100 };

typedef void any_fn(void);

static float special(uint64_t *seed) {
    static const float values[] = {0.0f,    -0.0f,     1.0f,       -1.0f,    FLT_MAX,   -FLT_MAX,
                                   FLT_MIN, 0x1p-149f, -0x1p-140f, 88.0f,    -88.0f,    100.0f,
                                   -100.0f, 65504.0f,  65520.0f,   0x1p-25f, 0.5f,      127.5f,
                                   0x1p64f, -0x1p100f, 0x1p127f,   INFINITY, -INFINITY, NAN};
    return values[next_random(seed) % (sizeof values / sizeof values[0])];
}

/* Patterns: random, extreme = special values, others scaled. */
static void fill(float *x, size_t n, pattern p, uint64_t *seed) {
    for (size_t i = 0; i < n; i++) {
        x[i] = random_normal(seed);
        if (p == EXTREME && next_random(seed) % 4 == 0) x[i] = special(seed);
        if (p == ZERO_X) x[i] = 0.0f;
        if (p == ZERO_WEIGHTS) x[i] *= 30.0f;
        if (p == TINY) x[i] *= 1e-38f;
    }
}

typedef struct row_case {
    const char *op;
    const char *isa;
    any_fn     *want;
    any_fn     *got;
} row_case;

static void check(const row_case *c, const float *want, const float *got, size_t n_out, size_t n, pattern p) {
    for (size_t i = 0; i < n_out; i++)
        if (!same(want[i], got[i]))
            fail_msg("%s_%s, %s, n = %zu: [%zu] is %a, expected %a", c->op, c->isa, pattern_name(p), n, i,
                     (double)got[i], (double)want[i]);
}

/* One call of either version; y has n + 1 floats, the last a canary. */
static void call(const char *op, any_fn *fn, size_t n, const float *a, const float *b, float *y) {
    if (strcmp(op, "add") == 0)
        ((hl_add_fn *)fn)(n, a, b, y);
    else if (strcmp(op, "add_scaled") == 0)
        ((hl_add_scaled_fn *)fn)(n, a, b, b[n / 2], y);
    else if (strcmp(op, "add_low_rank") == 0) { /* as many inner values as their rows fit into b and behind */
        const size_t rank = n < 8 ? n : n % 5 + 1, stride = n / rank,
                     n_y = stride - (n % 7 == 0 && stride > 1);
        memcpy(y, a, n * 4);
        ((hl_add_low_rank_fn *)fn)(n_y, rank, b, stride, a, 0.7f, y);
    } else if (strcmp(op, "scale") == 0)
        ((hl_scale_fn *)fn)(n, a, b[0], y);
    else if (strcmp(op, "silu_mul") == 0)
        ((hl_silu_mul_fn *)fn)(n, a, b, y);
    else if (strcmp(op, "sigmoid_mul") == 0)
        ((hl_sigmoid_mul_fn *)fn)(n, a, b, y);
    else if (strcmp(op, "gelu_mul") == 0)
        ((hl_gelu_mul_fn *)fn)(n, a, b, y);
    else if (strcmp(op, "rmsnorm") == 0)
        ((hl_rmsnorm_fn *)fn)(n, a, n % 3 ? b : NULL, 1e-6f, y);
    else if (strcmp(op, "layernorm") == 0)
        ((hl_layernorm_fn *)fn)(n, a, b, n % 3 ? b : NULL, 1e-6f, y);
    else if (strcmp(op, "softmax") == 0) {
        memcpy(y, a, n * 4);
        ((hl_softmax_fn *)fn)(n, y, 0.3f, n % 3 ? b : NULL);
    } else if (strcmp(op, "rope") == 0) {
        memcpy(y, a, n * 4);
        ((hl_rope_fn *)fn)(n & ~(size_t)1, n % 4 < 2, b, y);
    } else if (strcmp(op, "all_finite") == 0)
        y[0] = ((hl_all_finite_fn *)fn)(n, a);
    else
        fail_msg("no test for %s", op);
}

static void test_float_op(const row_case *c) {
    uint64_t seed = 11;
    for (size_t n = 1; n <= MAX_N; n += n < 70 ? 1 : n < 300 ? 29 : 256) {
        for (pattern p = 0; p < N_PATTERNS; p++) {
            float *a = new_guarded(n * 4), *b = new_guarded(n * 4);
            float *want = new_guarded(n * 4), *got = new_guarded(n * 4);
            fill(a, n, p, &seed);
            fill(b, n, p == EXTREME ? RANDOM : p, &seed);
            fill_canaries(want, n);
            fill_canaries(got, n);
            call(c->op, c->want, n, a, b, want);
            call(c->op, c->got, n, a, b, got);
            check(c, want, got, n, n, p);
            if (strcmp(c->op, "softmax") != 0 && strcmp(c->op, "rope") != 0 &&
                strcmp(c->op, "all_finite") != 0 && strcmp(c->op, "add_low_rank") != 0) { /* in place */
                call(c->op, c->got, n, a, b, a);
                check(c, want, a, n, n, p);
            }
            free_guarded(a, n * 4);
            free_guarded(b, n * 4);
            free_guarded(want, n * 4);
            free_guarded(got, n * 4);
        }
    }
}

static void test_to_half(const row_case *c) {
    uint64_t seed = 13;
    for (size_t n = 1; n <= MAX_N; n += n < 70 ? 1 : 103) {
        for (pattern p = 0; p < N_PATTERNS; p++) {
            float    *x = new_guarded(n * 4);
            uint16_t *want = new_guarded(n * 2), *got = new_guarded(n * 2);
            fill(x, n, p, &seed);
            if (p == RANDOM) /* any bits: NaN, infinities, subnormals */
                for (size_t i = 0; i < n; i++) x[i] = hl_f32_of_bits(next_random(&seed));
            ((hl_f32_to_f16_fn *)c->want)(n, x, want);
            ((hl_f32_to_f16_fn *)c->got)(n, x, got);
            for (size_t i = 0; i < n; i++)
                if (want[i] != got[i])
                    fail_msg("%s_%s: %a gives %04x, expected %04x", c->op, c->isa, (double)x[i], got[i],
                             want[i]);
            free_guarded(x, n * 4);
            free_guarded(want, n * 2);
            free_guarded(got, n * 2);
        }
    }
}

static void test_quantize_act(const row_case *c) {
    uint64_t seed = 17;
    for (size_t n = 32; n <= MAX_N; n += 32) {
        for (int p = 0; p <= N_PATTERNS; p++) {
            float   *x = new_guarded(n * 4);
            int8_t  *q[2] = {new_guarded(n), new_guarded(n)};
            float   *d[2] = {new_guarded(n / 8), new_guarded(n / 8)};
            int16_t *sum[2] = {new_guarded(n / 8), new_guarded(n / 8)};
            fill(x, n, p == N_PATTERNS ? RANDOM : (pattern)p, &seed);
            if (p == N_PATTERNS) {
                x[3] = NAN;
                x[n - 1] = -INFINITY;
                x[n / 2] = INFINITY;
            }
            ((hl_quantize_act_fn *)c->want)(n, x, q[0], d[0], sum[0]);
            ((hl_quantize_act_fn *)c->got)(n, x, q[1], d[1], sum[1]);
            for (size_t i = 0; i < n; i++)
                if (q[0][i] != q[1][i] || sum[0][i / 16] != sum[1][i / 16] ||
                    !same(d[0][i / 32], d[1][i / 32]))
                    fail_msg(
                        "quantize_act_%s, n = %zu: %a gives %d (d %a, sum %d), expected %d (d %a, sum %d)",
                        c->isa, n, (double)x[i], q[1][i], (double)d[1][i / 32], sum[1][i / 16], q[0][i],
                        (double)d[0][i / 32], sum[0][i / 16]);
            free_guarded(x, n * 4);
            for (int i = 0; i < 2; i++) {
                free_guarded(q[i], n);
                free_guarded(d[i], n / 8);
                free_guarded(sum[i], n / 8);
            }
        }
    }
}

/* The scalar version of an operation. */
static any_fn *definition_of(const char *op) {
#define HL_VEC_OP(name)                                                                                      \
    if (strcmp(op, #name) == 0) return (any_fn *)scalar()->name;
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
    return NULL;
}

static void a_row_operation_gives_the_bits_of_its_scalar_definition(void **state) {
    const kernel  *k = *state;
    const row_case c = {k->op, hl_isa_name(k->isa), definition_of(k->op), k->fn};
    assert_non_null(c.want);
    need_isa(k->isa);
    if (strcmp(k->op, "quantize_act") == 0)
        test_quantize_act(&c);
    else if (strncmp(k->op, "f32_to_", 7) == 0)
        test_to_half(&c);
    else
        test_float_op(&c);
}

/* Others have tests of their own: test_attend.c and test_panel.c; probes compute nothing that is used. */
static bool is_row_operation(const char *op) {
    return strncmp(op, "attend", 6) != 0 && strncmp(op, "kv_", 3) != 0 && strncmp(op, "probe_", 6) != 0;
}

static void activations_become_the_nearest_of_255_levels(void **state) {
    (void)state;
    uint64_t seed = 23;
    float    x[64], d[2];
    int8_t   q[64];
    int16_t  sum[4];
    for (int round = 0; round < 1000; round++) {
        fill(x, 64, (pattern)(round % 2 ? RANDOM : ZERO_WEIGHTS), &seed);
        scalar()->quantize_act(64, x, q, d, sum);
        for (size_t i = 0; i < 64; i++)
            assert_true(fabsf((float)q[i] * d[i / 32] - x[i]) <= 0.50001f * d[i / 32]);
        for (size_t s = 0; s < 4; s++) {
            int want = 0;
            for (size_t i = 0; i < 16; i++) want += q[16 * s + i];
            assert_int_equal(sum[s], want);
        }
    }
}

static void a_row_of_zeros_quantizes_to_zeros(void **state) {
    (void)state;
    const float x[32] = {0};
    float       d = 1.0f;
    int8_t      q[32];
    int16_t     sum[2] = {1, 1};
    scalar()->quantize_act(32, x, q, &d, sum);
    assert_true(d == 0.0f && sum[0] == 0 && sum[1] == 0);
    for (size_t i = 0; i < 32; i++) assert_int_equal(q[i], 0);
}

static void what_is_no_number_is_not_hidden(void **state) {
    static const float none[] = {NAN, -NAN, INFINITY, -INFINITY};
    (void)state;
    for (size_t n = 1; n <= 100; n++)
        for (size_t at = 0; at < n; at++)
            for (size_t k = 0; k < 4; k++) {
                float   x[128] = {0}, d[4];
                int8_t  q[128];
                int16_t sum[8];
                for (size_t i = 0; i < n; i++) x[i] = i % 2 ? FLT_MAX : -0x1p-149f;
                assert_true(scalar()->all_finite(n, x));
                x[at] = none[k];
                assert_false(scalar()->all_finite(n, x));
                scalar()->quantize_act(128, x, q, d, sum);
                for (size_t g = 0; g < 4; g++) assert_int_equal(!!isnan(d[g]), g == at / 32);
                for (size_t i = at / 32 * 32; i < at / 32 * 32 + 32; i++)
                    assert_true(q[i] == 0 && sum[i / 16] == 0);
            }
}

static void activations_follow_their_formulas(void **state) {
    (void)state;
    const float one = 1.0f;
    for (float x = -30.0f; x < 30.0f; x += 0.0371f) {
        float        y = 0.0f;
        const double xd = (double)x;
        scalar()->silu_mul(1, &x, &one, &y);
        assert_true(fabs((double)y - xd / (1.0 + exp(-xd))) <= 3e-7 * (1.0 + fabs(xd)));
        scalar()->sigmoid_mul(1, &x, &one, &y);
        assert_true(fabs((double)y - 1.0 / (1.0 + exp(-xd))) <= 3e-7);
        scalar()->gelu_mul(1, &x, &one, &y);
        const double gelu = 0.5 * xd * (1.0 + tanh(0.7978845608028654 * (xd + 0.044715 * xd * xd * xd)));
        assert_true(fabs((double)y - gelu) <= 3e-7 * (1.0 + fabs(xd)));
    }
}

static void softmax_sums_to_one_and_knows_masked_entries(void **state) {
    (void)state;
    uint64_t seed = 29;
    float    x[333], bias[333];
    fill(x, 333, ZERO_WEIGHTS, &seed);
    for (size_t i = 0; i < 333; i++) bias[i] = i % 3 ? 0.0f : -INFINITY;
    scalar()->softmax(333, x, 0.5f, bias);
    double sum = 0.0;
    for (size_t i = 0; i < 333; i++) {
        if (i % 3 == 0) assert_true(x[i] == 0.0f);
        sum += (double)x[i];
    }
    assert_true(fabs(sum - 1.0) < 1e-5);
}

static void rope_by_a_quarter_turn_swaps_a_pair(void **state) {
    (void)state;
    const float quarter[4] = {0.0f, 1.0f, 0.0f, 1.0f};
    float       halves[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    float       pairs[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    scalar()->rope(4, true, quarter, halves);
    scalar()->rope(4, false, quarter, pairs);
    const float want_halves[4] = {-3.0f, -4.0f, 1.0f, 2.0f};
    const float want_pairs[4] = {-2.0f, 1.0f, -4.0f, 3.0f};
    for (size_t i = 0; i < 4; i++) assert_true(halves[i] == want_halves[i] && pairs[i] == want_pairs[i]);
}

int main(void) {
    static kernel_tests t;
    add_test(&t, "activations_become_the_nearest_of_255_levels",
             activations_become_the_nearest_of_255_levels);
    add_test(&t, "a_row_of_zeros_quantizes_to_zeros", a_row_of_zeros_quantizes_to_zeros);
    add_test(&t, "what_is_no_number_is_not_hidden", what_is_no_number_is_not_hidden);
    add_test(&t, "activations_follow_their_formulas", activations_follow_their_formulas);
    add_test(&t, "softmax_sums_to_one_and_knows_masked_entries",
             softmax_sums_to_one_and_knows_masked_entries);
    add_test(&t, "rope_by_a_quarter_turn_swaps_a_pair", rope_by_a_quarter_turn_swaps_a_pair);
#define HL_VEC_OP(name)                                                                                      \
    if (is_row_operation(#name))                                                                             \
        add_kernels(&t, #name, "", a_row_operation_gives_the_bits_of_its_scalar_definition);
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
    return run_kernel_tests(&t);
}
