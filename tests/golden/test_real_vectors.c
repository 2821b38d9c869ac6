/* SPDX-License-Identifier: MIT
 *
 * test_real_vectors.c - a real encoder gives the vectors that its makers' numbers give.
 */
#include "tests/need.h"

#include <jansson.h>

#include "core/base/str.h"
#include "hyperlama/hyperlama.h"

/* Against float64 and the GELU by erf, of which the reference engine and we compute the tanh form. */
static void minilm_gives_the_vectors_of_its_makers(void **state) {
    (void)state;
    enum { N_EMBD = 384, MAX_TEXTS = 16 };
    static const double LEAST_COSINE = 0.99999;
    char                path[512];
    const char         *p = path;
    hl_err              err = {0};
    hl_engine          *e = NULL;
    hl_model           *m = NULL;
    hl_runner          *r = NULL;
    hl_embeddings       got;
    hl_embed_input      in[MAX_TEXTS];
    hl_embed_request    all = {.inputs = in};
    need_model("all-minilm-l6-v2-f32.gguf", path);
    json_t *rows = json_load_file("tests/golden/embed/vectors/minilm.json", 0, NULL), *row;
    size_t  i, k;
    all.n_inputs = json_array_size(rows);
    assert_in_range(all.n_inputs, 1, MAX_TEXTS);
    json_array_foreach(rows, i, row) in[i] =
        (hl_embed_input){.text = hl_view_of(json_string_value(json_object_get(row, "text")))};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.cpu = test_cpu()}, &e, &err), HL_OK);
    if (hl_model_open(e, &p, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_new(m, NULL, &r, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_embed(r, &all, &got, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(got.n_dims, N_EMBD);
    json_array_foreach(rows, i, row) {
        const json_t *want = json_object_get(row, "vector"), *x;
        double        cosine = 0;
        assert_int_equal(got.n_tokens[i], json_array_size(json_object_get(row, "ids")));
        json_array_foreach(want, k, x) cosine += json_number_value(x) * (double)got.values[i * N_EMBD + k];
        if (!(cosine >= LEAST_COSINE)) fail_msg("text %zu: the cosine is %.7f", i, cosine);
    }
    hl_embeddings_done(&got);
    hl_runner_free(r);
    hl_model_close(m);
    hl_engine_free(e);
    json_decref(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(minilm_gives_the_vectors_of_its_makers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
