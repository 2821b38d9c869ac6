/* SPDX-License-Identifier: MIT
 *
 * test_weight_scales.c - matrices with a factor in a tensor of its own (NAME.scale): a model with factors
 * that are powers of two gives the same bits as the one whose weights are multiplied with them.
 */
#include "tests/golden/skeleton.h"

#include "tests/golden/arch_runs.h"

typedef struct scaled {
    const char *name; /* of a matrix, without ".weight"; "%u" is any layer */
    double      factor;
    bool        with_bias; /* it counts for the bias, too */
} scaled;

static bool is_named(const char *name, const char *part, const char *end) {
    char want[80];
    (void)snprintf(want, sizeof want, "%s%s", part, end);
    const char *dot = strncmp(name, "blk.", 4) == 0 ? strchr(name + 4, '.') : NULL;
    return strcmp(dot ? dot + 1 : name, want) == 0;
}

/* Tensors are [name, dims, type, base, spread]; values are linear in the last two. */
static void multiply(json_t *tensor, double by) {
    for (size_t k = 3; k < 5; k++) {
        const double x = json_number_value(json_array_get(tensor, k));
        json_array_set_new(tensor, k, json_real(x * by));
    }
}

/* In place: weights multiplied, or (as_tensors) factors added beside them. */
static void scale_model(json_t *model, const scaled *all, size_t n, bool as_tensors) {
    json_t      *tensors = json_object_get(model, "tensors");
    const size_t n_tensors = json_array_size(tensors);
    size_t       n_scaled = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        json_t     *t = json_array_get(tensors, i);
        const char *name = json_string_value(json_array_get(t, 0));
        for (size_t k = 0; k < n; k++) {
            char scale[80];
            if (!as_tensors && all[k].with_bias && is_named(name, all[k].name, ".bias"))
                multiply(t, all[k].factor);
            if (!is_named(name, all[k].name, ".weight")) continue;
            n_scaled++;
            (void)snprintf(scale, sizeof scale, "%.*s.scale", (int)(strrchr(name, '.') - name), name);
            if (as_tensors)
                json_array_append_new(tensors, json_pack("[s[i]sff]", scale, 1, "f32", all[k].factor, 0.0));
            else
                multiply(t, all[k].factor);
            break;
        }
    }
    assert_true(n_scaled >= n);
}

static void check(const char *record, const scaled *all, size_t n, hl_type type) {
    enum { N_TOKENS = 40 };
    static float got[3][MAX_EMBD];
    arch_run     r = {.name = record, .n_tokens = N_TOKENS, .n_ctx = 128};
    size_t       n_embd = 0;
    for (int32_t i = 0; i < N_TOKENS; i++) r.tokens[i] = i * 37 % 128;
    (void)snprintf(r.path, sizeof r.path, "/tmp/hl-scales-%d.gguf", (int)getpid());
    for (int k = 0; k < 3; k++) { /* as they are, multiplied, with factors */
        json_t *model = json_load_file(record, 0, NULL);
        assert_non_null(model);
        if (k > 0) scale_model(model, all, n, k == 2);
        fill_skeleton(model, type, r.path);
        n_embd = run_encoder(&r, test_cpu(), false, got[k]);
        json_decref(model);
    }
    (void)unlink(r.path);
    assert_memory_not_equal(got[0], got[1], n_embd * sizeof **got);
    assert_memory_equal(got[1], got[2], n_embd * sizeof **got);
}

static void factors_of_matrices_are_applied(void **state) {
    (void)state;
    static const scaled bert[] = {{"attn_q", 0.5, false}, {"attn_k", 2, false},
                                  {"attn_v", 4, false},   {"attn_output", 0.25, false},
                                  {"ffn_up", 2, true},    {"ffn_down", 0.5, true}};
    check("tests/golden/embed/bert.json", bert, sizeof bert / sizeof *bert, HL_TYPE_f32);
    check("tests/golden/embed/bert.json", bert, sizeof bert / sizeof *bert, HL_TYPE_q8_0);
    for (size_t i = 0; i < sizeof bert / sizeof *bert; i++) /* each alone changes something */
        check("tests/golden/embed/bert.json", bert + i, 1, HL_TYPE_f32);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(factors_of_matrices_are_applied)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
