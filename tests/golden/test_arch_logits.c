/* SPDX-License-Identifier: MIT
 *
 * test_arch_logits.c - tiny models of every architecture against the logits that the reference recorded.
 *
 * Two sets: tests/golden/archs (ours, always there) and the shared test data (skipped when absent).
 * Float models must agree closely; models with quantized weights round activations to 8 bits, so they
 * are held to what that costs the reference itself (tests/golden/archs/ORIGIN.md).
 */
#include "tests/need.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyperlama/engine.h"

enum { MAX_TOKENS = 128, N_VOCAB = 128 };

/* How far a model's logits may be from the record (rms of the difference over rms of the logits). Where
 * the reference itself is off from the exact record, its distance is the limit: both round activations. */
static double tolerance_of(const char *name, const json_t *record) {
    static const char *const loose[] = {"llama-dense", "llama-moe"}; /* random rope factors down to 5e-4 */
    const double             off = json_number_value(json_object_get(record, "reference_off_by"));
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
        if (strcmp(name, loose[i]) == 0) return 1e-3;
    if (off > 0.002) return off * 1.15;
    return strncmp(name, "gemma", 5) == 0 ? 1e-3 : 1e-5; /* the reference looks GELU up in a table of f16 */
}

typedef struct distance {
    double sum_sq; /* of differences over rms */
    size_t n;
} distance;

static void add_row(distance *d, const float *logits, const json_t *row) {
    const double rms = json_number_value(json_object_get(row, "rms"));
    double       sum = 0;
    size_t       i = 0;
    json_t      *pair = NULL;
    for (int j = 0; j < N_VOCAB; j++) sum += (double)logits[j];
    const double off = (sum - json_number_value(json_object_get(row, "sum"))) / rms / sqrt(N_VOCAB);
    d->sum_sq += off * off;
    d->n++;
    json_array_foreach(json_object_get(row, "top"), i, pair) {
        const json_int_t token = json_integer_value(json_array_get(pair, 0));
        const double     x = ((double)logits[token] - json_number_value(json_array_get(pair, 1))) / rms;
        d->sum_sq += x * x;
        d->n++;
    }
}

/* Distance over all positions; passes of `step` tokens. */
static double compare(const char *path, const json_t *record, size_t step, const char *cpu, int n_threads) {
    hl_err     err = {0};
    hl_model  *m = NULL;
    hl_engine *e = NULL;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = n_threads, .cpu = cpu}, &e, &err), HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
    int32_t       tokens[MAX_TOKENS];
    const json_t *list = json_object_get(record, "tokens");
    const size_t  n = json_array_size(list);
    assert_in_range(n, 1, MAX_TOKENS);
    for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)json_integer_value(json_array_get(list, i));
    hl_session             *s = NULL;
    const hl_session_params p = {.n_ctx = MAX_TOKENS, .n_rows_cap = MAX_TOKENS, .kv_type = HL_KV_CACHE_F32};
    if (hl_session_new(m, &p, &s, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
    distance d = {0};
    for (size_t at = 0; at < n; at += step) {
        const size_t now = n - at < step ? n - at : step;
        if (hl_session_eval_rows(s, tokens + at, now, now, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
        for (size_t i = 0; i < now; i++) {
            const json_t *row = json_array_get(json_object_get(record, "rows"), at + i);
            add_row(&d, hl_session_logits_at(s, i), row);
        }
    }
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    return sqrt(d.sum_sq / (double)d.n);
}

static int check_folder(const char *folder) {
    DIR *dir = opendir(folder);
    int  n_checked = 0;
    if (!dir) return 0;
    int            n_bad = 0;
    struct dirent *de = NULL;
    while ((de = readdir(dir))) {
        char *dot = strrchr(de->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0) continue;
        char json_path[1024];
        char gguf_path[1024];
        snprintf(json_path, sizeof json_path, "%s/%s", folder, de->d_name);
        *dot = '\0';
        snprintf(gguf_path, sizeof gguf_path, "%s/%s.gguf", folder, de->d_name);
        json_t *record = json_load_file(json_path, 0, NULL);
        assert_non_null(record);
        const double limit = tolerance_of(de->d_name, record);
        const double all = compare(gguf_path, record, MAX_TOKENS, NULL, 2);
        const double one = compare(gguf_path, record, 1, NULL, 1);
        const double scalar = compare(gguf_path, record, 7, "scalar", 1);
        /* The very same bits, but for bf16: the processor's own dot product rounds in its own way. */
        const bool same_bits = one == all && (scalar == all || strstr(de->d_name, "bf16"));
        const bool ok = all <= limit && scalar <= limit && same_bits;
        print_message("%-16s one pass %.2e, token by token %.2e, scalar %.2e, limit %.1e%s\n", de->d_name,
                      all, one, scalar, limit, ok ? "" : "   <-- too far");
        n_bad += !ok;
        json_decref(record);
        n_checked++;
    }
    (void)closedir(dir);
    assert_int_equal(n_bad, 0);
    return n_checked;
}

static void our_tiny_models_agree_with_the_reference(void **state) {
    (void)state;
    assert_true(check_folder("tests/golden/archs") > 0);
}

static void the_shared_tiny_models_agree_with_the_reference(void **state) {
    (void)state;
    const char *shared = getenv("HL_TEST_SHARED");
    char        folder[900];
    snprintf(folder, sizeof folder, "%s/data/archs", shared ? shared : "../shared");
    if (check_folder(folder) == 0) skip_because("no shared data: %s", folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_tiny_models_agree_with_the_reference),
        cmocka_unit_test(the_shared_tiny_models_agree_with_the_reference),
    };
    return cmocka_run_group_tests_name("arch_logits", tests, NULL, NULL);
}
