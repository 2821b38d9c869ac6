/* SPDX-License-Identifier: MIT
 *
 * test_state.c - the steps of recurrent layers in kernels.def against their scalar definitions, bit for bit,
 * and the definitions against the mathematics in double.
 */
#include "engine/kernels/state.h"
#include "tests/kernels/kernel_test.h"

typedef void any_fn(void);

enum { MAX_IN = 6 };

static const hl_state_kernels *definitions(void) {
    static hl_state_kernels k;
    hl_state_kernels_select(0, &k);
    return &k;
}

static const kernel state_table[] = {
#define HL_STATE_KERNEL(what, isa_name)                                                                      \
    {.op = #what,                                                                                            \
     .name = #what "_" #isa_name,                                                                            \
     .type = -1,                                                                                             \
     .isa = HL_ISA_##isa_name,                                                                               \
     .fn = (void (*)(void))hl_##what##_##isa_name},
#include "engine/kernels/state.def"
#undef HL_STATE_KERNEL
};

static void fill(float *x, size_t n, pattern p, uint64_t *seed) {
    for (size_t i = 0; i < n; i++)
        x[i] = p == ZERO_X ? 0.0f : random_normal(seed) * (p == TINY ? 1e-38f : 1.0f);
}

typedef struct step_case {
    const char *op;
    size_t      n_rows, n_cols;
    float      *rows[3]; /* [n_rows] */
    float      *cols[2]; /* [n_cols] */
    float      *a;       /* [n_rows][n_cols] */
    float       one;
} step_case;

/* S and y of a step. */
static void call(const step_case *c, any_fn *fn, float *state, float *y) {
    if (strcmp(c->op, "delta_step") == 0)
        ((hl_delta_step_fn *)fn)(c->n_rows, c->n_cols, c->rows[0], c->rows[1], c->rows[2], c->cols[0], c->one,
                                 state, y);
    else if (strcmp(c->op, "scan_step") == 0)
        ((hl_scan_step_fn *)fn)(c->n_rows, c->n_cols, c->one, c->rows[1], c->rows[2], c->cols[0], state, y);
    else
        ((hl_select_step_fn *)fn)(c->n_rows, c->n_cols, c->cols[1], c->a, c->n_cols, c->rows[1], c->rows[2],
                                  c->cols[0], state, y);
}

static any_fn *definition_of(const char *op) {
    if (strcmp(op, "delta_step") == 0) return (any_fn *)definitions()->delta_step;
    return strcmp(op, "scan_step") == 0 ? (any_fn *)definitions()->scan_step
                                        : (any_fn *)definitions()->select_step;
}

static void begin_case(step_case *c, const char *op, size_t n_rows, size_t n_cols, pattern p,
                       uint64_t *seed) {
    *c = (step_case){.op = op, .n_rows = n_rows, .n_cols = n_cols, .one = 0.7f};
    for (size_t i = 0; i < 3; i++) fill(c->rows[i] = new_guarded(n_rows * 4), n_rows, p, seed);
    for (size_t i = 0; i < 2; i++) fill(c->cols[i] = new_guarded(n_cols * 4), n_cols, p, seed);
    fill(c->a = new_guarded(n_rows * n_cols * 4), n_rows * n_cols, p, seed);
}

static void end_case(step_case *c) {
    for (size_t i = 0; i < 3; i++) free_guarded(c->rows[i], c->n_rows * 4);
    for (size_t i = 0; i < 2; i++) free_guarded(c->cols[i], c->n_cols * 4);
    free_guarded(c->a, c->n_rows * c->n_cols * 4);
}

static void check_step(const kernel *k, size_t n_rows, size_t n_cols, pattern p, uint64_t *seed) {
    const size_t n = n_rows * n_cols;
    float       *state[2] = {new_guarded(n * 4), new_guarded(n * 4)};
    float       *y[2] = {new_guarded(n_cols * 4), new_guarded(n_cols * 4)};
    step_case    c;
    begin_case(&c, k->op, n_rows, n_cols, p, seed);
    fill(state[0], n, p, seed);
    memcpy(state[1], state[0], n * 4);
    for (int step = 0; step < 3; step++) {
        call(&c, definition_of(k->op), state[0], y[0]);
        call(&c, k->fn, state[1], y[1]);
        for (size_t j = 0; j < n_cols; j++)
            if (!same(y[0][j], y[1][j])) fail_msg("%s, %zu x %zu: y[%zu]", k->op, n_rows, n_cols, j);
        for (size_t i = 0; i < n; i++)
            if (!same(state[0][i], state[1][i])) fail_msg("%s, %zu x %zu: S[%zu]", k->op, n_rows, n_cols, i);
    }
    end_case(&c);
    for (int i = 0; i < 2; i++) {
        free_guarded(state[i], n * 4);
        free_guarded(y[i], n_cols * 4);
    }
}

static void a_step_gives_the_bits_of_its_scalar_definition(void **state) {
    const kernel       *k = *state;
    static const size_t rows[] = {1, 2, 16, 31, 128};
    uint64_t            seed = 5;
    need_isa(k->isa);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t n_cols = 16; n_cols <= 64; n_cols += 16)
            for (pattern p = 0; p < N_PATTERNS; p++) check_step(k, rows[i], n_cols, p, &seed);
}

static void a_convolution_gives_the_bits_of_its_scalar_definition(void **state) {
    const kernel *k = *state;
    uint64_t      seed = 6;
    need_isa(k->isa);
    for (size_t n = 1; n < 70; n += 3)
        for (size_t n_taps = 1; n_taps <= MAX_IN; n_taps++) {
            float       *rows[MAX_IN], *w = new_guarded(n * n_taps * 4), *bias = new_guarded(n * 4);
            float       *y[2] = {new_guarded(n * 4), new_guarded(n * 4)};
            const float *u[MAX_IN];
            for (size_t t = 0; t < n_taps; t++) {
                fill(rows[t] = new_guarded(n * 4), n, RANDOM, &seed);
                u[t] = rows[t];
            }
            fill(w, n * n_taps, RANDOM, &seed);
            fill(bias, n, RANDOM, &seed);
            definitions()->conv_taps(n, n_taps, u, w, n % 2 ? bias : NULL, y[0]);
            ((hl_conv_taps_fn *)k->fn)(n, n_taps, u, w, n % 2 ? bias : NULL, y[1]);
            for (size_t i = 0; i < n; i++) assert_true(same(y[0][i], y[1][i]));
            for (size_t t = 0; t < n_taps; t++) free_guarded(rows[t], n * 4);
            free_guarded(w, n * n_taps * 4);
            free_guarded(bias, n * 4);
            free_guarded(y[0], n * 4);
            free_guarded(y[1], n * 4);
        }
}

/* What the formulas of state.h say, in double. */
static void steps_follow_their_formulas(void **state) {
    static const char *const ops[] = {"delta_step", "scan_step", "select_step"};
    enum { R = 9, C = 16 };
    uint64_t seed = 7;
    (void)state;
    for (size_t op = 0; op < 3; op++) {
        step_case c;
        float     s[R * C], y[C];
        double    want[R * C];
        begin_case(&c, ops[op], R, C, RANDOM, &seed);
        fill(s, R * C, RANDOM, &seed);
        for (size_t i = 0; i < R * C; i++) {
            const double g = op == 0   ? (double)c.rows[0][i / C]
                             : op == 1 ? (double)c.one
                                       : exp((double)c.cols[1][i % C] * (double)c.a[i]);
            want[i] = (double)s[i] * g;
        }
        call(&c, definition_of(ops[op]), s, y);
        for (size_t j = 0; j < C; j++) {
            double d = (double)c.cols[0][j], o = 0;
            for (size_t i = 0; op == 0 && i < R; i++) d -= want[i * C + j] * (double)c.rows[1][i];
            if (op == 0) d *= (double)c.one;
            for (size_t i = 0; i < R; i++) {
                want[i * C + j] += (double)c.rows[1][i] * d;
                o += want[i * C + j] * (double)c.rows[2][i];
            }
            assert_true(fabs((double)y[j] - o) < 1e-4 * (1 + fabs(o)));
        }
        for (size_t i = 0; i < R * C; i++)
            assert_true(fabs((double)s[i] - want[i]) < 1e-4 * (1 + fabs(want[i])));
        end_case(&c);
    }
}

static void a_row_over_its_length_has_length_one(void **state) {
    float x[3] = {3, 0, 4}, y[3];
    (void)state;
    definitions()->l2norm(3, x, 1e-6f, y);
    assert_true(fabsf(y[0] - 0.6f) < 1e-6f && y[1] == 0.0f && fabsf(y[2] - 0.8f) < 1e-6f);
    x[0] = x[2] = 0;
    definitions()->l2norm(3, x, 1e-6f, y);
    assert_true(y[0] == 0.0f && y[2] == 0.0f);
    x[0] = 1e-3f;
    definitions()->l2norm(3, x, 1e-2f, y);
    assert_true(fabsf(y[0] - 0.1f) < 1e-6f);
}

static void a_row_gives_the_bits_of_its_scalar_definition(void **state) {
    const kernel *k = *state;
    uint64_t      seed = 8;
    const bool    is_mul = strcmp(k->op, "mul") == 0;
    need_isa(k->isa);
    for (size_t n = 1; n < 300; n += n < 70 ? 1 : 37)
        for (pattern p = 0; p < N_PATTERNS; p++) {
            float *a = new_guarded(n * 4), *b = new_guarded(n * 4), *want = new_guarded(n * 4);
            float *got = new_guarded(n * 4);
            fill(a, n, p, &seed);
            fill(b, n, p, &seed);
            if (is_mul)
                definitions()->mul(n, a, b, want), ((hl_mul_fn *)k->fn)(n, a, b, got);
            else
                definitions()->l2norm(n, a, 1e-6f, want), ((hl_l2norm_fn *)k->fn)(n, a, 1e-6f, got);
            for (size_t i = 0; i < n; i++) assert_true(same(want[i], got[i]));
            free_guarded(a, n * 4);
            free_guarded(b, n * 4);
            free_guarded(want, n * 4);
            free_guarded(got, n * 4);
        }
}

static void each_version_is_chosen_where_it_runs(void **state) {
    hl_state_kernels k;
    (void)state;
    hl_state_kernels_select(hl_cpu_features(), &k);
#define HL_STATE_OP(name) assert_true(k.name &&k.isa_of_##name &&definitions()->name == hl_##name##_scalar);
#include "engine/kernels/state.def"
#undef HL_STATE_OP
    for (size_t i = 0; i < sizeof state_table / sizeof state_table[0]; i++)
        if (strcmp(state_table[i].op, "delta_step") == 0 &&
            (hl_isa_needs(state_table[i].isa) & ~hl_cpu_features()) == 0 &&
            strcmp(k.isa_of_delta_step, hl_isa_name(state_table[i].isa)) == 0)
            assert_ptr_equal((void *)(uintptr_t)k.delta_step, (void *)(uintptr_t)state_table[i].fn);
}

int main(void) {
    static kernel_tests t;
    add_test(&t, "steps_follow_their_formulas", steps_follow_their_formulas);
    add_test(&t, "a_row_over_its_length_has_length_one", a_row_over_its_length_has_length_one);
    add_test(&t, "each_version_is_chosen_where_it_runs", each_version_is_chosen_where_it_runs);
    for (size_t i = 0; i < sizeof state_table / sizeof state_table[0]; i++) {
        const kernel *k = &state_table[i];
        add_test(&t, k->name,
                 strstr(k->op, "_step")   ? a_step_gives_the_bits_of_its_scalar_definition
                 : strstr(k->op, "_taps") ? a_convolution_gives_the_bits_of_its_scalar_definition
                                          : a_row_gives_the_bits_of_its_scalar_definition);
        t.tests[t.n - 1].initial_state = (void *)(uintptr_t)k;
    }
    return run_kernel_tests(&t);
}
