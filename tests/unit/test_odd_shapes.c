/* SPDX-License-Identifier: MIT
 *
 * test_odd_shapes.c - whole models whose sizes are no multiple of anything a kernel does at once: rows that
 * do not fill a panel of 32, widths that are no multiple of 64, 256 or 512, odd numbers of heads.
 */
#define _GNU_SOURCE
#include "tests/need.h"

#include "engine/model_priv.h"
#include "engine_fixture.h"
#include "model_fixture.h"

enum { N_TOKENS = 70, LONG_TOKENS = 300, MAX_VOCAB = 1100 };

static const mf_shape shapes[] = {
    {.n_vocab = 1001,
     .n_embd = 96,
     .n_heads = 3,
     .n_kv_heads = 1,
     .head_dim = 32,
     .n_ff = 352,
     .n_layers = 2},
    {.n_vocab = 257, .n_embd = 160, .n_heads = 5, .n_kv_heads = 5, .head_dim = 32, .n_ff = 32, .n_layers = 1},
    {.n_vocab = 259, .n_embd = 32, .n_heads = 6, .n_kv_heads = 2, .head_dim = 96, .n_ff = 608, .n_layers = 1},
    {.n_vocab = 1023,
     .n_embd = 544,
     .n_heads = 7,
     .n_kv_heads = 1,
     .head_dim = 64,
     .n_ff = 1056,
     .n_layers = 1},
};
/* What keys and values are kept as. */
static hl_kv_cache_type kv_type;

static const hl_type types[] = {HL_TYPE_f32,  HL_TYPE_f16,  HL_TYPE_bf16, HL_TYPE_q4_0,
                                HL_TYPE_q4_1, HL_TYPE_q5_0, HL_TYPE_q5_1, HL_TYPE_q8_0};

/* Logits behind n_tokens tokens, read `step` at a time. */
static void compute_long(const char *path, const char *cpu, int32_t bits, int32_t n_threads, size_t n_tokens,
                         size_t step, float *ret) {
    hl_engine  *e = new_engine(n_threads, cpu, bits);
    hl_model   *m = NULL;
    hl_session *s = NULL;
    hl_err      err = {0};
    hl_status   status = hl_model_open(e, &path, 1, NULL, &m, &err);
    if (status == HL_OK)
        status = hl_session_new(m, &(hl_session_params){.n_ctx = 512, .kv_type = kv_type}, &s, &err);
    for (size_t at = 0; at < n_tokens && status == HL_OK; at += step) {
        int32_t      ids[LONG_TOKENS];
        const size_t n = n_tokens - at < step ? n_tokens - at : step;
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)((at + i) * 53 + 11) % (int32_t)m->hp.n_vocab;
        status = hl_session_eval(s, ids, n, &err);
    }
    if (status != HL_OK) fail_msg("%s: %s", path, err.text);
    memcpy(ret, hl_session_logits(s), m->hp.n_vocab * sizeof *ret);
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
}

static void compute(const char *path, const char *cpu, int32_t bits, int32_t n_threads, size_t step,
                    float *ret) {
    compute_long(path, cpu, bits, n_threads, N_TOKENS, step, ret);
}

static double distance(const float *a, const float *b, size_t n) {
    double d = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        sum += (double)b[i] * (double)b[i];
    }
    return sqrt(d / sum);
}

static void check_shape(const mf_shape *shape) {
    char path[] = "/tmp/hl_odd_XXXXXX";
    make_scratch(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        static float want[MAX_VOCAB], got[MAX_VOCAB], twin[MAX_VOCAB];
        const size_t bytes = shape->n_vocab * sizeof *want;
        mf_shape     s = *shape;
        s.type = types[i];
        mf_must_write(path, &s);
        compute(path, "scalar", 8, 1, N_TOKENS, want);
        static const size_t steps[] = {1, 5, 33, N_TOKENS};
        for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
            compute(path, NULL, 8, 1 + (int32_t)k, steps[k], got);
            /* The hardware's dot product of bf16 pairs rounds in its own way; that way, too, is the same for
             * all passes. */
            if (k == 0 && s.type == HL_TYPE_bf16 && distance(got, want, s.n_vocab) < 0.01)
                memcpy(want, got, bytes);
            if (memcmp(want, got, bytes) != 0)
                fail_msg("%s, %u x %u: passes of %zu differ from %s", hl_type_name(s.type), s.n_vocab,
                         s.n_embd, steps[k], s.type == HL_TYPE_bf16 ? "passes of 1" : "scalar ones");
        }
        static float fine[MAX_VOCAB]; /* with 16 bits */
        compute(path, "scalar", 16, 1, N_TOKENS, fine);
        for (size_t k = 0; k < sizeof steps / sizeof steps[0] && s.type != HL_TYPE_bf16; k++) {
            compute(path, NULL, 16, 1 + (int32_t)k, steps[k], got);
            if (memcmp(fine, got, bytes) != 0)
                fail_msg("%s, %u x %u, 16 bits: passes of %zu differ from scalar ones", hl_type_name(s.type),
                         s.n_vocab, s.n_embd, steps[k]);
        }
        s.as_f32 = true;
        mf_must_write(path, &s);
        compute(path, NULL, 8, 2, N_TOKENS, twin);
        const double d16 = distance(fine, twin, s.n_vocab);
        if (!(d16 < (s.type == HL_TYPE_bf16 ? 0.05 : 0.001)))
            fail_msg("%s, %u x %u: off by %g from f32 with 16 bits", hl_type_name(s.type), s.n_vocab,
                     s.n_embd, d16);
        const double d = distance(want, twin, s.n_vocab);
        if (!(d < 0.05))
            fail_msg("%s, %u x %u: off by %g from f32", hl_type_name(s.type), s.n_vocab, s.n_embd, d);
    }
    (void)unlink(path);
}

static void rows_and_widths_may_be_anything_the_type_allows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check_shape(&shapes[i]);
}

/* Query heads that share a key/value head compute what they would with a copy of it each; a kernel takes 64
 * of them at once, and parts of a group need not be even. */
static void check_group(uint32_t group, uint32_t n_kv_heads, uint32_t head_dim) {
    static float want[MAX_VOCAB], got[MAX_VOCAB];
    const char  *cpus[] = {"scalar", "avx2", NULL};
    char         path[] = "/tmp/hl_group_XXXXXX";
    mf_shape     s = {.n_vocab = 300,
                      .n_embd = 32,
                      .n_heads = group * n_kv_heads,
                      .n_kv_heads = n_kv_heads,
                      .head_dim = head_dim,
                      .n_ff = 32,
                      .n_layers = 1,
                      .type = HL_TYPE_f32,
                      .kv_copies = group};
    make_scratch(path);
    mf_must_write(path, &s);
    compute_long(path, "scalar", 8, 1, LONG_TOKENS, LONG_TOKENS, want);
    s.kv_copies = 0;
    mf_must_write(path, &s);
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        static const size_t steps[] = {1, 37, LONG_TOKENS};
        for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
            if (cpus[i] && k == 0) continue; /* slow, and the next say the same */
            compute_long(path, cpus[i], 8, 1 + (int32_t)k, LONG_TOKENS, steps[k], got);
            if (memcmp(want, got, s.n_vocab * sizeof *want) != 0)
                fail_msg("%u of %u heads of %u, %s, passes of %zu: other bits than with a head for each",
                         group, n_kv_heads, head_dim, cpus[i] ? cpus[i] : "fast", steps[k]);
        }
    }
    (void)unlink(path);
}

static void query_heads_share_a_key_value_head_in_any_number(void **state) {
    (void)state;
    check_group(64, 1, 8);
    check_group(65, 1, 8);
    check_group(65, 2, 8);
    check_group(71, 1, 16);
    check_group(128, 1, 8);
    check_group(129, 3, 8);
    check_group(1024, 1, 8);
}

/* The size of a head need not be a multiple of anything: kernels see zeros behind it. */
static void check_head(uint32_t head_dim) {
    static float want[MAX_VOCAB], got[MAX_VOCAB];
    char         path[] = "/tmp/hl_head_XXXXXX";
    mf_shape     s = {.n_vocab = 300,
                      .n_embd = 32,
                      .n_heads = 6,
                      .n_kv_heads = 3,
                      .head_dim = head_dim,
                      .n_ff = 32,
                      .n_layers = 2,
                      .type = HL_TYPE_f32};
    make_scratch(path);
    mf_must_write(path, &s);
    for (kv_type = HL_KV_CACHE_F16; kv_type <= HL_KV_CACHE_Q8_0; kv_type++) {
        static const char *const cpus[] = {"avx2", "avxvnni", NULL};
        compute(path, "scalar", 8, 1, N_TOKENS, want);
        for (size_t i = 0; i < 3; i++)
            for (size_t step = 1; step <= N_TOKENS; step += 23) {
                compute(path, cpus[i], 8, 2, step, got);
                if (memcmp(want, got, s.n_vocab * sizeof *want) != 0)
                    fail_msg("heads of %u, cache %d, %s, passes of %zu: other bits than scalar", head_dim,
                             (int)kv_type, cpus[i] ? cpus[i] : "fast", step);
            }
    }
    kv_type = HL_KV_CACHE_F16;
    (void)unlink(path);
}

static void heads_may_have_any_size(void **state) {
    (void)state;
    check_head(2);
    check_head(6);
    check_head(12);
    check_head(34);
    check_head(100);
    check_head(510);
}

/* ---- layers and parts of them ---- */

static hl_status open_shape(const mf_shape *s, hl_err *err) {
    char        path[] = "/tmp/hl_parts_XXXXXX";
    hl_engine  *e = new_engine(1, NULL, 0);
    hl_model   *m = NULL;
    const char *p = path;
    make_scratch(path);
    mf_must_write(path, s);
    const hl_status status = hl_model_open(e, &p, 1, NULL, &m, err);
    hl_model_close(m);
    hl_engine_free(e);
    (void)unlink(path);
    return status;
}

static void half_a_model_does_not_open(void **state) {
    hl_err   err = {0};
    mf_shape s = {.n_vocab = 300,
                  .n_embd = 32,
                  .n_heads = 2,
                  .n_kv_heads = 1,
                  .head_dim = 16,
                  .n_ff = 32,
                  .n_layers = 3};
    (void)state;
    s.said_layers = 2;
    assert_int_equal(open_shape(&s, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "block_count' is 2"));
    assert_non_null(strstr(err.text, "'blk.2.attn_norm.weight' (9 in all)"));
    s.said_layers = 4;
    assert_int_equal(open_shape(&s, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'blk.3.attn_norm.weight' is missing"));
    s.said_layers = 3;
    s.extra_rows = 2;
    static const char *const unused[] = {"rotary.table", "blk.weight", "blk.0.attn.table", "blk..weight",
                                         "blk.x.weight"};
    for (size_t i = 0; i < 5; i++) { /* of no layer, or of one that there is */
        s.extra = unused[i];
        if (open_shape(&s, &err) != HL_OK) fail_msg("%s: %s", unused[i], err.text);
    }
    static const char *const beyond[] = {"blk.3.weight", "blk.4294967295.weight",
                                         "blk.99999999999999999999.weight"};
    for (size_t i = 0; i < 3; i++) {
        s.extra = beyond[i];
        if (open_shape(&s, &err) != HL_E_FORMAT || !strstr(err.text, beyond[i]))
            fail_msg("%s: %s", beyond[i], err.text);
    }
}

static void a_part_is_not_there_twice(void **state) {
    hl_err   err = {0};
    mf_shape s = {.n_vocab = 300,
                  .n_embd = 32,
                  .n_heads = 2,
                  .n_kv_heads = 1,
                  .head_dim = 8,
                  .n_ff = 32,
                  .n_layers = 1};
    (void)state;
    s.extra = "blk.0.attn_qkv.weight";
    s.extra_rows = 31;
    assert_int_equal(open_shape(&s, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "[31, 32], expected [32, 32] = [rows of query, key and value, n_embd]"));
    s.extra_rows = 32;
    assert_int_equal(open_shape(&s, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'blk.0.attn_q.weight' is there twice"));
}

/* ---- what a file says of its tensors' dimensions ---- */

/* HL_OK, or why a file with these dimensions is refused. */
static hl_status open_with(mf_shape *s, mf_odd odd, float *ret_logits, hl_err *err) {
    char        path[] = "/tmp/hl_dims_XXXXXX";
    hl_engine  *e = new_engine(1, NULL, 0);
    hl_model   *m = NULL;
    const char *p = path;
    make_scratch(path);
    s->odd = odd;
    mf_must_write(path, s);
    const hl_status status = hl_model_open(e, &p, 1, NULL, &m, err);
    hl_model_close(m);
    hl_engine_free(e);
    if (status == HL_OK) compute(path, NULL, 8, 1, N_TOKENS, ret_logits);
    (void)unlink(path);
    return status;
}

typedef struct dims_case {
    const char *what;
    bool        is_good;
    uint32_t    n_dims;
    uint64_t    dims[4]; /* slowest first */
} dims_case;

static void check_dims(mf_shape *s, const char *name, const dims_case *cases, size_t n, const float *want) {
    static float got[MAX_VOCAB];
    for (size_t i = 0; i < n; i++) {
        hl_err          err = {0};
        const dims_case c = cases[i];
        const hl_status status =
            open_with(s, (mf_odd){name, c.n_dims, {c.dims[0], c.dims[1], c.dims[2], c.dims[3]}}, got, &err);
        if (c.is_good && status != HL_OK) fail_msg("%s, %s: %s", name, c.what, err.text);
        if (c.is_good && memcmp(got, want, s->n_vocab * sizeof *got) != 0)
            fail_msg("%s, %s: other logits", name, c.what);
        if (c.is_good) continue;
        if (status != HL_E_FORMAT || !strstr(err.text, name) || !strstr(err.text, "expected ["))
            fail_msg("%s, %s: status %d, %s", name, c.what, status, err.text);
    }
}

static void check_matrix(mf_shape *s, const char *name, uint64_t rows, uint64_t cols, const float *want) {
    const dims_case cases[] = {
        {"columns, rows", true, 2, {rows, cols}},
        {"columns, rows, 1", true, 3, {1, rows, cols}},
        {"columns, rows, 1, 1", true, 4, {1, 1, rows, cols}},
        {"1, columns, rows", false, 3, {rows, cols, 1}},
        {"columns, 1, rows", false, 3, {rows, 1, cols}},
        {"1, 1, columns, rows", false, 4, {rows, cols, 1, 1}},
        {"rows, columns", false, 2, {cols, rows}},
        {"one row", false, 1, {rows * cols}},
        {"half of the columns, rows, 2", false, 3, {2, rows, cols / 2}},
    };
    check_dims(s, name, cases, sizeof cases / sizeof cases[0], want);
}

static void check_vector(mf_shape *s, const char *name, uint64_t n, const float *want) {
    const dims_case cases[] = {
        {"n", true, 1, {n}},
        {"n, 1", true, 2, {1, n}},
        {"1, n", false, 2, {n, 1}},
        {"n / 2, 2", false, 2, {2, n / 2}},
    };
    check_dims(s, name, cases, sizeof cases / sizeof cases[0], want);
}

static void check_stack(mf_shape *s, const char *name, uint64_t rows, uint64_t cols, const float *want) {
    const uint64_t  n = s->n_experts;
    const dims_case cases[] = {
        {"columns, rows, experts", true, 3, {n, rows, cols}},
        {"columns, rows, experts, 1", true, 4, {1, n, rows, cols}},
        {"columns, rows", n == 1, 2, {n * rows, cols}},
        {"1, columns, rows, experts", false, 4, {n, rows, cols, 1}},
        {"rows, columns, experts", false, 3, {n, cols, rows}},
        {"columns, 1, rows, experts", false, 4, {n, rows, 1, cols}},
    };
    check_dims(s, name, cases, sizeof cases / sizeof cases[0], want);
}

static void the_table_says_how_many_dimensions_a_tensor_has(void **state) {
    static float want[MAX_VOCAB];
    hl_err       err = {0};
    mf_shape     s = {.n_vocab = 300,
                      .n_embd = 64,
                      .n_heads = 2,
                      .n_kv_heads = 1,
                      .head_dim = 16,
                      .n_ff = 24,
                      .n_layers = 1,
                      .type = HL_TYPE_f32};
    (void)state;
    assert_int_equal(open_with(&s, (mf_odd){0}, want, &err), HL_OK);
    check_matrix(&s, "token_embd.weight", 300, 64, want);
    check_matrix(&s, "output.weight", 300, 64, want);
    check_matrix(&s, "blk.0.attn_q.weight", 32, 64, want);
    check_matrix(&s, "blk.0.attn_k.weight", 16, 64, want);
    check_matrix(&s, "blk.0.attn_v.weight", 16, 64, want);
    check_matrix(&s, "blk.0.attn_output.weight", 64, 32, want);
    check_matrix(&s, "blk.0.ffn_gate.weight", 24, 64, want);
    check_matrix(&s, "blk.0.ffn_down.weight", 64, 24, want);
    check_vector(&s, "output_norm.weight", 64, want);
    check_vector(&s, "blk.0.attn_norm.weight", 64, want);
    for (s.n_experts = 1; s.n_experts <= 4; s.n_experts += 3) {
        s.n_experts_used = s.n_experts == 1 ? 1 : 2;
        assert_int_equal(open_with(&s, (mf_odd){0}, want, &err), HL_OK);
        check_stack(&s, "blk.0.ffn_gate_exps.weight", 24, 64, want);
        check_stack(&s, "blk.0.ffn_down_exps.weight", 64, 24, want);
        if (s.n_experts > 1) check_matrix(&s, "blk.0.ffn_gate_inp.weight", s.n_experts, 64, want);
    }
}

/* One value behind all that may be looked at in one go, and in the middle, and first. */
static size_t scale_at;
static float  scale_of;

static void set_scale(const char *name, float *x, size_t n) {
    if (!strstr(name, ".scale")) return;
    for (size_t i = 0; i < n; i++) x[i] = 1;
    if (scale_at < n) x[scale_at] = scale_of;
}

static void factors_that_fit_no_matrix_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        float  of;
    } rows[] = {{SIZE_MAX, 1}, {0, 2}, {1000, 0.5f}, {65535, 2}, {65536, 2}, {70399, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char           path[] = "/tmp/hl_scale_XXXXXX";
        const char    *paths[] = {path};
        const mf_shape shape = {.n_vocab = 300,
                                .n_embd = 64,
                                .n_heads = 2,
                                .n_kv_heads = 1,
                                .head_dim = 32,
                                .n_ff = 64,
                                .n_layers = 1,
                                .type = HL_TYPE_f32,
                                .extra = "blk.0.attn_q.scale",
                                .extra_rows = 1100,
                                .change = set_scale};
        hl_engine     *e = new_engine(1, NULL, 0);
        hl_model      *m = NULL;
        hl_err         err = {0};
        make_scratch(path);
        scale_at = rows[i].at;
        scale_of = rows[i].of;
        mf_must_write(path, &shape);
        const hl_status status = hl_model_open(e, paths, 1, NULL, &m, &err);
        if (rows[i].of == 1) {
            if (status != HL_OK) fail_msg("%s", err.text);
        } else {
            assert_int_equal(status, HL_E_UNSUPPORTED);
            assert_non_null(strstr(err.text, "tensor 'blk.0.attn_q.scale' has"));
        }
        (void)unlink(path);
        hl_model_close(m);
        hl_engine_free(e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_that_fit_no_matrix_are_refused),
        cmocka_unit_test(rows_and_widths_may_be_anything_the_type_allows),
        cmocka_unit_test(query_heads_share_a_key_value_head_in_any_number),
        cmocka_unit_test(heads_may_have_any_size),
        cmocka_unit_test(half_a_model_does_not_open),
        cmocka_unit_test(a_part_is_not_there_twice),
        cmocka_unit_test(the_table_says_how_many_dimensions_a_tensor_has),
    };
    return cmocka_run_group_tests_name("odd shapes", tests, NULL, NULL);
}
