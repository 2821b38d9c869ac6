/* SPDX-License-Identifier: MIT
 *
 * test_quantize.c - writing a model with smaller weights: who gets which type, what is refused, and that
 * nothing is left behind when it is.
 */
#include "tests/need.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/gguf/gguf.h"
#include "core/gguf/gguf_writer.h"
#include "hyperlama/quantize.h"
#include "model_fixture.h"

static char       folder[] = "/tmp/hl-quantize-XXXXXX";
static char       source[64], target[64], matrix[64];
static hl_engine *engine;

/* Eight layers, four query heads to a key, rows of 256 but for ffn_down's 384. */
static const mf_shape shape = {.n_vocab = 512,
                               .n_embd = 256,
                               .n_heads = 4,
                               .n_kv_heads = 1,
                               .head_dim = 64,
                               .n_ff = 384,
                               .n_layers = 8,
                               .type = HL_TYPE_f16};

static int set_up(void **state) {
    (void)state;
    hl_err err = {0};
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(source, sizeof source, "%s/source.gguf", folder);
    (void)snprintf(target, sizeof target, "%s/target.gguf", folder);
    (void)snprintf(matrix, sizeof matrix, "%s/matrix.gguf", folder);
    mf_must_write(source, &shape);
    return hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &engine, &err) != HL_OK;
}

static int tear_down(void **state) {
    (void)state;
    hl_engine_free(engine);
    (void)unlink(source);
    (void)unlink(target);
    (void)unlink(matrix);
    return rmdir(folder);
}

static hl_status quantize(hl_quantize_params p, hl_quantize_result *ret, hl_err *err) {
    (void)unlink(target);
    return hl_quantize_file(engine, source, target, &p, ret, err);
}

static void must_quantize(hl_quantize_params p, hl_quantize_result *ret) {
    hl_err err = {0};
    if (quantize(p, ret, &err) != HL_OK) fail_msg("%s", err.text);
}

static void must_fail(hl_quantize_params p, hl_status want, const char *word) {
    hl_err             err = {0};
    hl_quantize_result r;
    assert_int_equal(quantize(p, &r, &err), want);
    if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
}

static hl_gguf *open_target(void) {
    hl_err   err = {0};
    hl_gguf *g = NULL;
    if (hl_gguf_open(target, &g, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static void assert_type(const hl_gguf *g, const char *tensor, hl_type want) {
    const hl_gguf_tensor *t = hl_gguf_find_tensor(g, tensor);
    if (!t) fail_msg("no %s", tensor);
    if (t->type != want) fail_msg("%s is %s, expected %s", tensor, hl_type_name(t->type), hl_type_name(want));
}

/* Files in the folder, which temporary ones would be. */
static size_t count_files(void) {
    DIR   *d = opendir(folder);
    size_t n = 0;
    for (const struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void a_mix_gives_each_part_its_type(void **state) {
    (void)state;
    hl_quantize_result r;
    hl_view            arch = {0};
    uint32_t           file_type = 0;
    must_quantize((hl_quantize_params){.mix = "q4_k_m"}, &r);
    hl_gguf *g = open_target();
    assert_type(g, "token_embd.weight", HL_TYPE_q4_k);
    assert_type(g, "output.weight", HL_TYPE_q6_k);
    assert_type(g, "output_norm.weight", HL_TYPE_f32);
    assert_type(g, "blk.0.attn_q.weight", HL_TYPE_q4_k);
    assert_type(g, "blk.0.attn_v.weight", HL_TYPE_q6_k); /* the first eighth */
    assert_type(g, "blk.1.attn_v.weight", HL_TYPE_q4_k);
    assert_type(g, "blk.3.attn_v.weight", HL_TYPE_q6_k);   /* every third between */
    assert_type(g, "blk.7.attn_v.weight", HL_TYPE_q6_k);   /* the last eighth */
    assert_type(g, "blk.1.ffn_down.weight", HL_TYPE_q5_0); /* rows of 384: no blocks of 256 */
    assert_type(g, "blk.7.ffn_down.weight", HL_TYPE_q8_0);
    assert_int_equal(hl_gguf_get_u32(g, "general.file_type", &file_type, NULL), HL_OK);
    assert_int_equal(file_type, 15);
    assert_int_equal(hl_gguf_get_text(g, "general.architecture", &arch, NULL), HL_OK);
    assert_true(hl_view_is(arch, "llama"));
    assert_int_equal(hl_gguf_file_bytes(g), r.to_bytes);
    assert_int_equal(r.n_tensors, hl_gguf_n_tensors(g));
    assert_true(r.to_bytes < r.from_bytes / 2);
    hl_gguf_close(g);
    assert_int_equal(count_files(), 2);
}

/* Every mix can be written, and its weights are near the original's. */
static void every_mix_is_near_the_original(void **state) {
    (void)state;
    static const char *const names[] = {"F32",    "F16",    "BF16",   "Q8_0", "Q6_K",     "Q5_K_M", "Q5_K_S",
                                        "Q5_1",   "Q5_0",   "Q4_K_S", "Q4_1", "Q4_0",     "IQ4_NL", "IQ4_XS",
                                        "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "MXFP4_MOE"};
    hl_gguf                 *from = NULL;
    hl_err                   err = {0};
    assert_int_equal(hl_gguf_open(source, &from, &err), HL_OK);
    const hl_gguf_tensor *x = hl_gguf_find_tensor(from, "blk.2.attn_q.weight");
    float                *a = hl_new(x->n_elems, 4), *b = hl_new(x->n_elems, 4);
    hl_quant_to_f32(x->type)(x->data, x->n_elems, a);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hl_quantize_result r;
        double             error = 0.0, size = 0.0;
        must_quantize((hl_quantize_params){.mix = names[i]}, &r);
        hl_gguf              *g = open_target();
        const hl_gguf_tensor *y = hl_gguf_find_tensor(g, x->name);
        hl_quant_to_f32(y->type)(y->data, y->n_elems, b);
        for (size_t k = 0; k < x->n_elems; k++) {
            error += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
            size += (double)a[k] * (double)a[k];
        }
        if (!(sqrt(error / size) < 0.35)) fail_msg("%s: error %g", names[i], sqrt(error / size));
        hl_gguf_close(g);
    }
    hl_free(a);
    hl_free(b);
    hl_gguf_close(from);
}

static void rules_come_before_the_mix(void **state) {
    (void)state;
    const hl_quantize_rule rules[] = {{"blk.1.*", "Q8_0"}, {"attn_v", "q5_k"}, {"blk.1.attn_v", "q2_k"}};
    hl_quantize_result     r;
    must_quantize((hl_quantize_params){.mix = "Q4_K_S", .rules = rules, .n_rules = 3}, &r);
    hl_gguf *g = open_target();
    assert_type(g, "blk.1.attn_q.weight", HL_TYPE_q8_0);
    assert_type(g, "blk.1.attn_v.weight", HL_TYPE_q8_0); /* the first rule that fits */
    assert_type(g, "blk.6.attn_v.weight", HL_TYPE_q5_k);
    assert_type(g, "blk.6.attn_q.weight", HL_TYPE_q4_k);
    hl_gguf_close(g);
    const hl_quantize_rule none = {"attn_w", "q8_0"}, unknown = {"attn_v", "q9"},
                           unwritten = {"attn_v", "iq2_xs"}, uneven = {"ffn_down", "q4_k"};
    must_fail((hl_quantize_params){.mix = "Q8_0", .rules = &none, .n_rules = 1}, HL_E_ARG, "fits no tensor");
    must_fail((hl_quantize_params){.mix = "Q8_0", .rules = &unknown, .n_rules = 1}, HL_E_ARG, "no type 'q9'");
    must_fail((hl_quantize_params){.mix = "Q8_0", .rules = &unwritten, .n_rules = 1}, HL_E_UNSUPPORTED,
              "does not write");
    must_fail((hl_quantize_params){.mix = "Q8_0", .rules = &uneven, .n_rules = 1}, HL_E_ARG, "rows of 384");
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    hl_quantize_result r;
    hl_err             err = {0};
    must_fail((hl_quantize_params){.mix = "Q4_K_X"}, HL_E_ARG, "Q4_K_M");
    must_fail((hl_quantize_params){.mix = "Q2_K_S"}, HL_E_ARG, "--imatrix");
    must_fail((hl_quantize_params){.mix = "Q4_0", .imatrix_path = source}, HL_E_FORMAT, "in_sum2");
    must_quantize((hl_quantize_params){.mix = "Q8_0"}, &r);
    assert_int_equal(hl_quantize_file(engine, source, target, &(hl_quantize_params){.mix = "Q8_0"}, &r, &err),
                     HL_E_ARG);
    assert_non_null(strstr(err.text, "there already"));
    assert_int_equal(hl_quantize_file(engine, source, source,
                                      &(hl_quantize_params){.mix = "Q8_0", .replace = true}, &r, &err),
                     HL_E_ARG);
    assert_int_equal(hl_quantize_file(engine, source, target,
                                      &(hl_quantize_params){.mix = "Q6_K", .replace = true}, &r, &err),
                     HL_OK);
    /* what is quantized stays, unless asked */
    char again[80];
    (void)snprintf(again, sizeof again, "%s.again", target);
    assert_int_equal(hl_quantize_file(engine, target, again, &(hl_quantize_params){.mix = "Q4_0"}, &r, &err),
                     HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--requantize"));
    assert_int_equal(hl_quantize_file(engine, target, again,
                                      &(hl_quantize_params){.mix = "Q4_0", .requantize = true}, &r, &err),
                     HL_OK);
    assert_int_equal(unlink(again), 0);
    assert_int_equal(count_files(), 2);
}

static bool stop_at_third(void *user, const hl_quantize_step *step) {
    (void)step;
    int *n = user;
    if (++n[0] == 3) n[1] = 1;
    return true;
}

static void a_stop_leaves_nothing_behind(void **state) {
    (void)state;
    int                 n[2] = {0, 0};
    hl_quantize_result  r;
    hl_err              err = {0};
    const volatile int *before = hl_stop_watch(&n[1]);
    assert_int_equal(
        quantize((hl_quantize_params){.mix = "Q4_0", .on_step = stop_at_third, .user = n}, &r, &err),
        HL_E_CANCEL);
    (void)hl_stop_watch(before);
    assert_int_equal(n[0], 3);
    assert_int_equal(count_files(), 1);
}

static bool refuse_second(void *user, const hl_quantize_step *step) {
    (void)step;
    return ++*(int *)user < 2;
}

static void whoever_watches_may_end_it(void **state) {
    (void)state;
    int                n = 0;
    hl_quantize_result r;
    hl_err             err = {0};
    assert_int_equal(
        quantize((hl_quantize_params){.mix = "q4_k", .on_step = refuse_second, .user = &n}, &r, &err),
        HL_E_CANCEL);
    assert_int_equal(n, 2);
    assert_int_equal(count_files(), 1);
}

static void parts_of_any_name_go_to_an_open_file(void **state) {
    (void)state;
    hl_err             err = {0};
    hl_quantize_result r;
    const char *const  parts[] = {source};
    char               other[64];
    (void)snprintf(other, sizeof other, "%s/open.gguf", folder);
    const int fd = open(other, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    (void)unlink(target);
    hl_quantize_params p = {.mix = "Q8_0", .parts = parts, .n_parts = 1, .to_fd = &fd};
    if (hl_quantize_file(engine, "the model", other, &p, &r, &err) != HL_OK) fail_msg("%s", err.text);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_size == r.to_bytes);
    (void)close(fd);
    p.to_fd = NULL;
    if (hl_quantize_file(engine, "the model", target, &p, &r, &err) != HL_OK) fail_msg("%s", err.text);
    char  *through_fd = NULL, *by_name = NULL;
    size_t n_through_fd = 0, n_by_name = 0;
    assert_int_equal(hl_file_read(other, 1 << 26, &through_fd, &n_through_fd, &err), HL_OK);
    assert_int_equal(hl_file_read(target, 1 << 26, &by_name, &n_by_name, &err), HL_OK);
    assert_int_equal(n_through_fd, n_by_name);
    assert_memory_equal(through_fd, by_name, n_by_name);
    hl_free(through_fd);
    hl_free(by_name);
    assert_int_equal(unlink(other), 0);
}

static void weights_that_are_not_finite_are_refused(void **state) {
    (void)state;
    hl_gguf_writer    *w = hl_gguf_writer_new();
    static float       x[512];
    hl_err             err = {0};
    hl_quantize_result r;
    char               odd[80];
    (void)snprintf(odd, sizeof odd, "%s/odd.gguf", folder);
    x[300] = INFINITY;
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
    hl_gguf_writer_add_tensor(w, "blk.0.attn_q.weight", HL_TYPE_f32, 2, (const uint64_t[]){2, 256}, x);
    assert_int_equal(hl_gguf_writer_save(w, odd, &err), HL_OK);
    hl_gguf_writer_free(w);
    (void)unlink(target);
    assert_int_equal(hl_quantize_file(engine, odd, target, &(hl_quantize_params){.mix = "Q4_K_M"}, &r, &err),
                     HL_E_FORMAT);
    assert_non_null(strstr(err.text, "not finite"));
    assert_int_equal(unlink(odd), 0);
    assert_int_equal(count_files(), 1);
}

/* A matrix in which the first 32 columns of attn_q count a thousand times as much. */
static void write_matrix(uint64_t n_cols) {
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_err          err = {0};
    static float    sums[256];
    const float     count = 2.0f;
    for (size_t i = 0; i < 256; i++) sums[i] = i < 32 ? 2000.0f : 2.0f;
    hl_gguf_writer_add_text(w, "general.type", hl_view_of("imatrix"));
    hl_gguf_writer_add_tensor(w, "blk.2.attn_q.weight.in_sum2", HL_TYPE_f32, 2, (const uint64_t[]){1, n_cols},
                              sums);
    hl_gguf_writer_add_tensor(w, "blk.2.attn_q.weight.counts", HL_TYPE_f32, 2, (const uint64_t[]){1, 1},
                              &count);
    if (hl_gguf_writer_save(w, matrix, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
}

/* Mean square error of the first 32 columns of blk.2.attn_q in the target. */
static double error_of_first_columns(const hl_gguf_tensor *x) {
    float                 a[256], b[256];
    double                sum = 0.0;
    hl_gguf              *g = open_target();
    const hl_gguf_tensor *y = hl_gguf_find_tensor(g, x->name);
    for (size_t r = 0; r < x->shape[0]; r++) {
        hl_quant_to_f32(x->type)((const uint8_t *)x->data + r * hl_type_row_bytes(x->type, 256), 256, a);
        hl_quant_to_f32(y->type)((const uint8_t *)y->data + r * hl_type_row_bytes(y->type, 256), 256, b);
        for (size_t c = 0; c < 32; c++) sum += ((double)a[c] - (double)b[c]) * ((double)a[c] - (double)b[c]);
    }
    hl_gguf_close(g);
    return sum;
}

static void an_importance_matrix_moves_the_error_to_where_it_counts_less(void **state) {
    (void)state;
    hl_gguf           *from = NULL;
    hl_err             err = {0};
    hl_quantize_result r;
    assert_int_equal(hl_gguf_open(source, &from, &err), HL_OK);
    const hl_gguf_tensor *x = hl_gguf_find_tensor(from, "blk.2.attn_q.weight");
    must_quantize((hl_quantize_params){.mix = "IQ4_XS"}, &r);
    assert_int_equal(r.n_weighted, 0);
    const double without = error_of_first_columns(x);
    write_matrix(256);
    must_quantize((hl_quantize_params){.mix = "IQ4_XS", .imatrix_path = matrix}, &r);
    assert_int_equal(r.n_weighted, 1);
    const double with = error_of_first_columns(x);
    assert_true(with < without);
    hl_gguf_close(from);
    write_matrix(128);
    must_fail((hl_quantize_params){.mix = "IQ4_XS", .imatrix_path = matrix}, HL_E_FORMAT, "another model");
    assert_int_equal(unlink(matrix), 0);
    assert_int_equal(count_files(), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mix_gives_each_part_its_type),
        cmocka_unit_test(every_mix_is_near_the_original),
        cmocka_unit_test(rules_come_before_the_mix),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(a_stop_leaves_nothing_behind),
        cmocka_unit_test(whoever_watches_may_end_it),
        cmocka_unit_test(parts_of_any_name_go_to_an_open_file),
        cmocka_unit_test(weights_that_are_not_finite_are_refused),
        cmocka_unit_test(an_importance_matrix_moves_the_error_to_where_it_counts_less),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
