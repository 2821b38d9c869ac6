/* SPDX-License-Identifier: MIT
 *
 * test_arch_hostile.c - files of every architecture in which one thing is wrong: a key that is missing, 0,
 * small, huge or not a number, a tensor that is missing or of another shape. Whatever comes of it is an error
 * that says something, or logits; never more.
 *
 * HL_TEST_ALL=1 tries every change of every key and tensor; without it, one change of each key and of a dozen
 * tensors.
 */
#include "tests/golden/skeleton_rules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "hyperlama/hyperlama.h"

enum { N_TOKENS = 5, N_CTX = 64, N_KEY_CHANGES = 7, N_TENSOR_CHANGES = 4 };
static const char FOLDER[] = "tests/golden/archs2";

static hl_engine *engine;
static hl_model  *target; /* of the files in hand, which draft for it; NULL: they answer themselves */
static size_t     n_opened, n_refused;

/* Drafts for the target: it is refused, or some tokens come. */
static void draft_with(hl_model *m) {
    static const int32_t  tokens[N_TOKENS] = {1, 2, 3, 2, 1};
    hl_err                err = {0};
    hl_sched             *s = NULL;
    hl_usage              usage;
    hl_sched_request      r;
    const hl_sched_params p = {
        .n_ctx = N_CTX, .n_running_cap = 1, .draft = m, .speculate = HL_SPECULATE_ALWAYS};
    if (hl_sched_new(target, &p, &s, &err) != HL_OK) {
        assert_true(err.text[0] != '\0');
        n_refused++;
        return;
    }
    hl_sched_request_init(&r);
    r.tokens = tokens;
    r.n_tokens = N_TOKENS;
    r.max_tokens = 12;
    r.ignore_eog = true;
    if (hl_sched_run(s, &r, &usage, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(usage.answer_tokens, 12);
    hl_sched_free(s);
}

static void compute(hl_model *m, bool is_encoder) {
    static const int32_t tokens[N_TOKENS] = {1, 2, 3, 2, 1};
    hl_err               err = {0};
    if (is_encoder) {
        hl_runner             *r = NULL;
        hl_embeddings          got;
        const hl_runner_params p = {.sched = {.n_ctx = N_CTX}};
        const hl_embed_input   in = {.tokens = tokens, .n_tokens = N_TOKENS};
        const hl_embed_request req = {.inputs = &in, .n_inputs = 1};
        if (hl_runner_new(m, &p, &r, &err) != HL_OK) return;
        if (hl_runner_embed(r, &req, &got, &err) != HL_OK) assert_true(err.text[0] != '\0');
        hl_embeddings_done(&got);
        hl_runner_free(r);
        return;
    }
    hl_session             *s = NULL;
    const hl_session_params p = {.n_ctx = N_CTX, .n_rows_cap = N_TOKENS};
    if (hl_session_new(m, &p, &s, &err) != HL_OK) return;
    const hl_status status = hl_session_eval_rows(s, tokens, N_TOKENS, 1, &err);
    assert_int_not_equal(status, HL_E_INTERNAL);
    hl_session_free(s);
}

static void try_model(json_t *model, const char *path) {
    hl_err     err = {0};
    hl_model  *m = NULL;
    const bool is_encoder = json_object_get(model, "encoder") != NULL;
    json_t    *copy = json_deep_copy(model);
    fill_by_rules(copy, HL_TYPE_f32, path);
    json_decref(copy);
    n_opened++;
    if (hl_model_open(engine, &path, 1, NULL, &m, &err) != HL_OK) {
        assert_true(strlen(err.text) > strlen(path) + 5);
        n_refused++;
        return;
    }
    if (target)
        draft_with(m);
    else
        compute(m, is_encoder);
    hl_model_close(m);
}

/* The model that files like this draft for; NULL: they do not. */
static hl_model *open_target(const json_t *model, const char *path) {
    char        name[300];
    hl_err      err = {0};
    hl_model   *m = NULL;
    const char *of = json_string_value(json_object_get(model, "target"));
    if (!of) return NULL;
    (void)snprintf(name, sizeof name, "%s/%s.skeleton.json", FOLDER, of);
    json_t *record = json_load_file(name, 0, NULL);
    assert_non_null(record);
    fill_by_rules(record, HL_TYPE_f32, path);
    json_decref(record);
    if (hl_model_open(engine, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    (void)unlink(path); /* it is mapped */
    return m;
}

/* False: that kind of key has no such change. */
static bool change_key(json_t *kv, size_t i, size_t change) {
    json_t     *pair = json_array_get(kv, i);
    const char *kind = json_string_value(json_array_get(pair, 1));
    const bool  is_float = strstr(kind, "f32") != NULL, is_list = strncmp(kind, "arr:", 4) == 0;
    const bool  is_bool = strstr(kind, "bool") != NULL;
    if (strcmp(kind, "str") == 0 && change > 0) return false;
    if (change == 0) return json_array_remove(kv, i) == 0;
    if (is_list) {
        json_t *list = json_array_get(pair, 2);
        if (change == 1) return json_array_remove(list, 0) == 0;
        if (is_bool || change > 3) return false;
        json_array_set_new(
            list, 1, is_float ? json_real(change == 2 ? 0 : 1e30) : json_integer(change == 2 ? 0 : 1 << 30));
        return true;
    }
    if (is_bool)
        return change == 1 &&
               json_array_set_new(pair, 2, json_boolean(!json_is_true(json_array_get(pair, 2)))) == 0;
    if (is_float) {
        static const double values[] = {0, -1, 1e30, 1e-30};
        return change <= 4 && json_array_set_new(pair, 2, json_real(values[change - 1])) == 0;
    }
    static const json_int_t values[] = {0, 1, 2, 4294967294, 1 << 20};
    const json_int_t        was = json_integer_value(json_array_get(pair, 2));
    return json_array_set_new(pair, 2, json_integer(change == 6 ? was + 1 : values[change - 1])) == 0;
}

static bool change_tensor(json_t *tensors, size_t i, size_t change) {
    json_t *dims = json_array_get(json_array_get(tensors, i), 1);
    if (change == 0) return json_array_remove(tensors, i) == 0;
    const size_t     at = change == 1 ? 0 : json_array_size(dims) - 1;
    const json_int_t was = json_integer_value(json_array_get(dims, at));
    if (change == 3) return json_array_append_new(dims, json_integer(2)) == 0;
    return json_array_set_new(dims, at, json_integer(was + (change == 1 ? 1 : was > 1 ? -1 : 1))) == 0;
}

static void try_all(json_t *model, const char *list, size_t n_changes,
                    bool (*change)(json_t *, size_t, size_t), const char *path) {
    const size_t n = json_array_size(json_object_get(model, list));
    const bool   all = getenv("HL_TEST_ALL") != NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_changes; k++) {
            if (!all && (i * 5 + n) % n_changes != k) continue;
            if (!all && change == change_tensor && i % (n / 12 + 1) != 0) continue;
            json_t *copy = json_deep_copy(model);
            if (change(json_object_get(copy, list), i, k)) try_model(copy, path);
            json_decref(copy);
        }
}

static void files_that_are_wrong_in_one_thing_do_no_harm(void **state) {
    static const char end[] = ".skeleton.json";
    char              path[128], name[300];
    DIR              *dir = opendir(FOLDER);
    struct dirent    *de = NULL;
    hl_err            err = {0};
    (void)state;
    assert_non_null(dir);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &engine, &err),
                     HL_OK);
    (void)snprintf(path, sizeof path, "/tmp/hl-hostile-%d.gguf", (int)getpid());
    while ((de = readdir(dir))) {
        const char *dot = strstr(de->d_name, end);
        if (!dot || dot[sizeof end - 1]) continue;
        if (getenv("HL_TEST_RECORD") &&
            strncmp(de->d_name, getenv("HL_TEST_RECORD"), (size_t)(dot - de->d_name)) != 0)
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", FOLDER, de->d_name);
        json_t *model = json_load_file(name, 0, NULL);
        assert_non_null(model);
        target = open_target(model, path);
        try_all(model, "kv", N_KEY_CHANGES, change_key, path);
        try_all(model, "tensors", N_TENSOR_CHANGES, change_tensor, path);
        hl_model_close(target);
        target = NULL;
        json_decref(model);
    }
    (void)closedir(dir);
    (void)unlink(path);
    hl_engine_free(engine);
    print_message("%zu files, %zu refused\n", n_opened, n_refused);
    assert_true(n_opened > 0 && n_refused > n_opened / 4);
}

/* ---- the block that drafts ---- */

enum { N_NEXT = 5 };

static json_t *load_record(const char *name) {
    char path[120];
    (void)snprintf(path, sizeof path, "%s/%s.skeleton.json", FOLDER, name);
    json_t *model = json_load_file(path, 0, NULL);
    assert_non_null(model);
    return model;
}

static void set_key(json_t *model, const char *key, json_int_t value) {
    size_t  i = 0;
    json_t *pair = NULL;
    json_array_foreach(json_object_get(model, "kv"), i,
                       pair) if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0) {
        json_array_set_new(pair, 2, json_integer(value));
        return;
    }
    (void)json_array_append_new(json_object_get(model, "kv"), json_pack("[ssI]", key, "u32", value));
}

static void remove_named(json_t *model, const char *part) {
    json_t *tensors = json_object_get(model, "tensors");
    for (size_t i = json_array_size(tensors); i-- > 0;)
        if (strstr(json_string_value(json_array_get(json_array_get(tensors, i), 0)), part))
            (void)json_array_remove(tensors, i);
}

/* Opens the model; whether it drafts itself, or what is wrong with it. */
static bool opens(json_t *model, bool *ret_drafts, hl_err *err) {
    char          path[128];
    const char   *paths[] = {path};
    hl_model     *m = NULL;
    hl_model_info info;
    (void)snprintf(path, sizeof path, "/tmp/hl-next-%d.gguf", (int)getpid());
    json_t *copy = json_deep_copy(model);
    fill_by_rules(model, HL_TYPE_f32, path);
    json_decref(model);
    const hl_status status = hl_model_open(engine, paths, 1, NULL, &m, err);
    (void)unlink(path);
    if (status != HL_OK) {
        json_decref(copy);
        return false;
    }
    hl_model_get_info(m, &info);
    *ret_drafts = info.drafts_itself;
    compute(m, false);
    hl_model_close(m);
    m = NULL;
    fill_by_rules(copy, HL_TYPE_f32, path); /* its keys alone say the same */
    json_decref(copy);
    assert_int_equal(hl_model_open(engine, paths, 1, &(hl_model_params){.vocab_only = true}, &m, err), HL_OK);
    (void)unlink(path);
    hl_model_get_info(m, &info);
    assert_int_equal(info.drafts_itself, *ret_drafts);
    hl_model_close(m);
    return true;
}

static void what_is_wrong_with_a_block_that_drafts_is_said(void **state) {
    static const struct {
        const char *gone, *words;
    } rows[N_NEXT] = {{"nextn.eh_proj", "tensor 'blk.4.nextn.eh_proj.weight' is missing"},
                      {"nextn.enorm", "tensor 'blk.4.nextn.enorm.weight' is missing"},
                      {"nextn.hnorm", "tensor 'blk.4.nextn.hnorm.weight' is missing"},
                      {"blk.4.attn_k.", "tensor 'blk.4.attn_k.weight' is missing"},
                      {"blk.4.ffn_down", "tensor 'blk.4.ffn_down.weight' is missing"}};
    hl_err err = {0};
    bool   drafts = false;
    (void)state;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &engine, &err),
                     HL_OK);
    assert_true(opens(load_record("qwen35"), &drafts, &err));
    assert_true(drafts);
    for (size_t i = 0; i < N_NEXT; i++) {
        json_t *model = load_record("qwen35");
        remove_named(model, rows[i].gone);
        assert_false(opens(model, &drafts, &err));
        if (!strstr(err.text, rows[i].words)) fail_msg("%s", err.text);
        assert_non_null(strstr(err.text, "block 4, which drafts (nextn_predict_layers)"));
    }
    json_t *model = load_record("qwen35"); /* the file has a layer more than its keys say */
    set_key(model, "qwen35.nextn_predict_layers", 0);
    assert_false(opens(model, &drafts, &err));
    if (!strstr(err.text, "'qwen35.nextn_predict_layers' is 0: block 4 of 5 would run as a layer"))
        fail_msg("%s", err.text);
    model = load_record("qwen35"); /* one less: layer 3 would be the block that drafts */
    set_key(model, "qwen35.nextn_predict_layers", 2);
    assert_false(opens(model, &drafts, &err));
    static const struct {
        const char *family, *key, *words;
        int64_t     n;
    } lies[] = {
        {"qwen35", "qwen35.nextn_predict_layers", "is 2, but block 3 of 5 does not draft", 2},
        {"llama", "llama.nextn_predict_layers", "'llama.nextn_predict_layers' is 1, but block ", 1},
        {"llama", "llama.nextn_predict_layers", "nextn.eh_proj.weight'; a layer of the model", 1},
        {"llama", "llama.nextn_predict_layers",
         "nextn_predict_layers' is 4294967295, expected less than block_count (", UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        model = load_record(lies[i].family);
        set_key(model, lies[i].key, lies[i].n);
        assert_false(opens(model, &drafts, &err));
        if (!strstr(err.text, lies[i].words)) fail_msg("%s", err.text);
    }
    model = load_record("qwen35"); /* a family's block that drafts, of which nothing says so */
    remove_named(model, ".nextn.");
    assert_false(opens(model, &drafts, &err));
    if (!strstr(err.text, "is 1, but block 4 of 5 does not draft")) fail_msg("%s", err.text);
    model = load_record("qwen35"); /* the model alone, as some files come */
    remove_named(model, "blk.4.");
    assert_true(opens(model, &drafts, &err));
    assert_false(drafts);
    model = load_record("qwen35"); /* what is not there of its own is the model's */
    remove_named(model, "nextn.shared_head_norm");
    assert_true(opens(model, &drafts, &err));
    assert_true(drafts);
    hl_engine_free(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_that_are_wrong_in_one_thing_do_no_harm),
                                       cmocka_unit_test(what_is_wrong_with_a_block_that_drafts_is_said)};
    return cmocka_run_group_tests_name("arch_hostile", tests, NULL, NULL);
}
