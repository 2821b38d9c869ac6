/* SPDX-License-Identifier: MIT
 *
 * test_importance.c - importance matrices: what a session collects is what its weights were multiplied with,
 * and both forms of file say the same to whoever quantizes.
 */
#include "tests/need.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/gguf/gguf.h"
#include "core/gguf/gguf_writer.h"
#include "engine/quant/quant.h"
#include "engine/quantize/imatrix.h"
#include "engine_fixture.h"
#include "hyperlama/quantize.h"
#include "model_fixture.h"

enum { N_TOKENS = 100 };

static char    file[] = "/tmp/hl-importance-XXXXXX";
static int32_t tokens[N_TOKENS];

static int set_up(void **state) {
    (void)state;
    const int fd = mkstemp(file);
    if (fd < 0) return 1;
    (void)close(fd);
    for (int32_t i = 0; i < N_TOKENS; i++) tokens[i] = (i * 37 + 5) % 128;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(file);
}

/* Let the model at `path` read the tokens in passes of `step`, and write what was collected. */
static size_t collect(const char *path, size_t step) {
    hl_engine     *e = new_engine(2, NULL, 0);
    hl_model      *m = NULL;
    hl_session    *s = NULL;
    hl_importance *c = NULL;
    hl_err         err = {0};
    size_t         n = 0;
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
    if (hl_session_new(m, &(hl_session_params){.n_ctx = 128, .n_rows_cap = 64}, &s, &err) != HL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(hl_importance_new(m, &c, &err), HL_OK);
    assert_int_equal(hl_importance_save(c, file, "none", 128, &n, &err), HL_E_ARG);
    hl_session_collect(s, c);
    for (size_t at = 0, rows; at < N_TOKENS;
         at += rows) { /* logits of all: else the last layer leaves out rows */
        rows = N_TOKENS - at < step ? N_TOKENS - at : step;
        if (hl_session_eval_rows(s, tokens + at, rows, rows, &err) != HL_OK) fail_msg("%s", err.text);
    }
    hl_session_collect(s, NULL);
    hl_session_truncate(s, 0);
    if (hl_session_eval(s, tokens, 1, &err) != HL_OK) fail_msg("%s", err.text); /* nobody looks any more */
    if (hl_importance_save(c, file, "tokens", 64, &n, &err) != HL_OK) fail_msg("%s", err.text);
    hl_importance_free(c);
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    return n;
}

static hl_gguf *open_gguf(const char *path) {
    hl_gguf *g = NULL;
    hl_err   err = {0};
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static const hl_gguf_tensor *tensor(const hl_gguf *g, const char *name) {
    const hl_gguf_tensor *t = hl_gguf_find_tensor(g, name);
    if (!t) fail_msg("no tensor '%s'", name);
    return t;
}

static float value(const hl_gguf_tensor *t, size_t i) {
    float x;
    memcpy(&x, (const uint8_t *)t->data + i * sizeof x, sizeof x);
    return x;
}

/* Sums of squares of what the first block's queries are made of, from the file alone: embeddings, normed. */
static void sum_inputs(const hl_gguf *model, double *ret, size_t n) {
    const hl_gguf_tensor *embd = tensor(model, "token_embd.weight"),
                         *norm = tensor(model, "blk.0.attn_norm.weight");
    float *x = hl_new(n, sizeof *x), eps = 0.0f;
    assert_int_equal(hl_gguf_get_f32(model, "llama.attention.layer_norm_rms_epsilon", &eps, NULL), HL_OK);
    memset(ret, 0, n * sizeof *ret);
    for (size_t t = 0; t < N_TOKENS; t++) {
        double squares = 0.0;
        hl_quant_to_f32(embd->type)(
            (const uint8_t *)embd->data + (size_t)tokens[t] * hl_type_row_bytes(embd->type, n), n, x);
        for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
        const double scale = 1.0 / sqrt(squares / (double)n + (double)eps);
        for (size_t i = 0; i < n; i++) {
            const double y = (double)x[i] * scale * (double)value(norm, i);
            ret[i] += y * y;
        }
    }
    hl_free(x);
}

static void what_is_collected_is_what_weights_are_multiplied_with(void **state) {
    (void)state;
    static const struct {
        const char *path;
        double      tolerance; /* of the form that activations have: f32 (F16 weights: theirs), 8 bits */
    } models[] = {{"tests/golden/archs/llama-f16.gguf", 1e-2}, {"tests/golden/archs/llama-q8_0.gguf", 2e-2}};
    for (size_t k = 0; k < 2; k++) {
        double                want[1024], total = 0.0, off = 0.0;
        const size_t          n_written = collect(models[k].path, 33);
        hl_gguf              *g = open_gguf(file), *model = open_gguf(models[k].path);
        const hl_gguf_tensor *q = tensor(g, "blk.0.attn_q.weight.in_sum2");
        const size_t          n = (size_t)q->n_elems;
        uint32_t              chunk = 0;
        assert_true(n <= 1024 && q->n_dims == 2 && q->shape[0] == 1);
        sum_inputs(model, want, n);
        for (size_t i = 0; i < n; i++) {
            total += want[i];
            off += fabs((double)value(q, i) - want[i]);
        }
        if (!(off <= models[k].tolerance * total))
            fail_msg("%s: off by %g of %g", models[k].path, off, total);
        /* all that read the same have the same */
        for (size_t i = 0; i < n; i++) {
            assert_true(value(tensor(g, "blk.0.attn_k.weight.in_sum2"), i) == value(q, i));
            assert_true(value(tensor(g, "blk.0.ffn_up.weight.in_sum2"), i) ==
                        value(tensor(g, "blk.0.ffn_gate.weight.in_sum2"), i));
        }
        assert_true(value(tensor(g, "blk.0.ffn_down.weight.counts"), 0) == (float)N_TOKENS);
        assert_int_equal(hl_gguf_n_tensors(g), 2 * n_written);
        assert_null(hl_gguf_find_tensor(g, "output.weight.in_sum2"));
        assert_int_equal(hl_gguf_get_u32(g, "imatrix.chunk_size", &chunk, NULL), HL_OK);
        assert_int_equal(chunk, 64);
        assert_int_equal(hl_gguf_get_u32(g, "imatrix.chunk_count", &chunk, NULL), HL_OK);
        assert_int_equal(chunk, 2);
        hl_gguf_close(g);
        hl_gguf_close(model);
    }
}

static void experts_count_what_they_were_asked(void **state) {
    (void)state;
    enum { N_USED = 2 };
    static const mf_shape shape = {.n_vocab = 512,
                                   .n_embd = 64,
                                   .n_heads = 4,
                                   .n_kv_heads = 2,
                                   .head_dim = 16,
                                   .n_ff = 96,
                                   .n_layers = 2,
                                   .n_experts = 8,
                                   .n_experts_used = N_USED,
                                   .type = HL_TYPE_q8_0};
    char                  path[64];
    (void)snprintf(path, sizeof path, "%s.experts.gguf", file);
    mf_must_write(path, &shape);
    (void)collect(path, 40);
    hl_gguf                 *g = open_gguf(file), *model = open_gguf(path);
    static const char *const names[] = {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight",
                                        "blk.0.ffn_down_exps.weight"};
    for (size_t k = 0; k < 3; k++) {
        const hl_gguf_tensor *w = tensor(model, names[k]);
        char                  name[96];
        double                n = 0.0;
        (void)snprintf(name, sizeof name, "%s.counts", names[k]);
        const hl_gguf_tensor *counts = tensor(g, name);
        (void)snprintf(name, sizeof name, "%s.in_sum2", names[k]);
        const hl_gguf_tensor *sums = tensor(g, name);
        assert_true(counts->n_elems == w->shape[0] && sums->n_elems == w->shape[0] * w->shape[2]);
        for (size_t e = 0; e < w->shape[0]; e++) {
            double sum = 0.0;
            for (size_t c = 0; c < w->shape[2]; c++) sum += (double)value(sums, e * w->shape[2] + c);
            assert_true((sum > 0.0) == (value(counts, e) > 0.0f));
            n += (double)value(counts, e);
        }
        assert_true(n == (double)(N_TOKENS * N_USED));
    }
    hl_gguf_close(g);
    hl_gguf_close(model);
    assert_int_equal(unlink(path), 0);
}

/* ---- files ---- */

static void write_bytes(const void *data, size_t n) {
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static size_t add(uint8_t *to, size_t at, const void *data, size_t n) {
    memcpy(to + at, data, n);
    return at + n;
}

/* A matrix of the older form: mean squares 1, 2, 3 ... times 7 passes, and what llama.cpp adds. */
static size_t make_old(uint8_t *to, const char *name, int32_t n_values) {
    const int32_t one = 1, n_name = (int32_t)strlen(name), passes = 7, length = 4;
    size_t        at = add(to, 0, &one, 4);
    at = add(to, at, &n_name, 4);
    at = add(to, at, name, (size_t)n_name);
    at = add(to, at, &passes, 4);
    at = add(to, at, &n_values, 4);
    for (int32_t i = 0; i < n_values; i++) {
        const float x = 7.0f * (float)(i + 1);
        at = add(to, at, &x, 4);
    }
    at = add(to, at, &passes, 4);
    at = add(to, at, &length, 4);
    return add(to, at, "text", 4);
}

static hl_gguf_tensor fake_tensor(const char *name, uint32_t n_dims, uint64_t a, uint64_t b, uint64_t c) {
    hl_gguf_tensor t = {.n_dims = n_dims, .shape = {a, b, c}};
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

static void the_older_form_is_read(void **state) {
    (void)state;
    uint8_t        bytes[512];
    const size_t   n = make_old(bytes, "blk.0.attn_q.weight", 32);
    hl_gguf_tensor t = fake_tensor("blk.0.attn_q.weight", 2, 8, 32, 1);
    hl_imatrix    *m = NULL;
    hl_err         err = {0};
    float         *x = NULL;
    write_bytes(bytes, n);
    if (hl_imatrix_open(file, &m, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_imatrix_get(m, &t, &x, &err), HL_OK);
    for (size_t i = 0; i < 32; i++) assert_true(x[i] == (float)(i + 1));
    hl_free(x);
    t = fake_tensor("blk.0.attn_k.weight", 2, 8, 32, 1);
    assert_int_equal(hl_imatrix_get(m, &t, &x, &err), HL_OK);
    assert_null(x);
    t = fake_tensor("blk.0.attn_q.weight", 2, 8, 64, 1);
    assert_int_equal(hl_imatrix_get(m, &t, &x, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "another model"));
    hl_imatrix_close(m);
}

static void a_broken_file_is_refused(void **state) {
    (void)state;
    uint8_t      bytes[512];
    const size_t n = make_old(bytes, "blk.0.attn_q.weight", 32), n_needed = n - 12;
    for (size_t cut = 0; cut < n_needed; cut++) {
        hl_imatrix *m = NULL;
        hl_err      err = {0};
        write_bytes(bytes, cut);
        if (hl_imatrix_open(file, &m, &err) != HL_E_FORMAT) fail_msg("cut at %zu: accepted", cut);
        assert_non_null(strstr(err.text, "importance matrix"));
    }
    for (size_t at = 0; at < 4 * 2; at += 4) { /* lengths that are none */
        static const int32_t odd[] = {-1, 0, INT32_MAX};
        for (size_t k = 0; k < 3; k++) {
            hl_imatrix *m = NULL;
            (void)make_old(bytes, "blk.0.attn_q.weight", 32);
            memcpy(bytes + at, &odd[k], 4);
            write_bytes(bytes, n);
            assert_int_equal(hl_imatrix_open(file, &m, NULL), HL_E_FORMAT);
        }
    }
}

static void one_count_may_stand_for_all_matrices_of_a_stack(void **state) {
    (void)state;
    static const float sums[] = {2.0f, 4.0f, 6.0f, 8.0f}, count = 2.0f;
    hl_gguf_writer    *w = hl_gguf_writer_new();
    hl_gguf_tensor     t = fake_tensor("blk.0.attn_k_b.weight", 3, 2, 5, 2);
    hl_imatrix        *m = NULL;
    hl_err             err = {0};
    float             *x = NULL;
    hl_gguf_writer_add_tensor(w, "blk.0.attn_k_b.weight.in_sum2", HL_TYPE_f32, 2, (const uint64_t[]){1, 4},
                              sums);
    hl_gguf_writer_add_tensor(w, "blk.0.attn_k_b.weight.counts", HL_TYPE_f32, 2, (const uint64_t[]){1, 1},
                              &count);
    if (hl_gguf_writer_save(w, file, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
    assert_int_equal(hl_imatrix_open(file, &m, &err), HL_OK);
    if (hl_imatrix_get(m, &t, &x, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < 4; i++) assert_true(x[i] == (float)(i + 1));
    hl_free(x);
    hl_imatrix_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_collected_is_what_weights_are_multiplied_with),
        cmocka_unit_test(experts_count_what_they_were_asked),
        cmocka_unit_test(the_older_form_is_read),
        cmocka_unit_test(a_broken_file_is_refused),
        cmocka_unit_test(one_count_may_stand_for_all_matrices_of_a_stack),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
