/* SPDX-License-Identifier: MIT
 *
 * test_layer_sizes.c - models whose layers differ: the same bits however the work is cut, a cache of the sum
 * of what the layers keep, and refusals with numbers. What such models compute is compared with a reference
 * by tests/golden/test_arch_logits.c.
 */
#include "tests/golden/skeleton.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/forward/forward_priv.h"
#include "engine_fixture.h"

enum { N_TOKENS = 100, N_VOCAB = 128 };

static const char *const paths[] = {"tests/golden/archs/llama-by-layer.json",
                                    "tests/golden/archs/gemma3-heads-by-window.json",
                                    "tests/golden/archs/llama-by-layer-8.json"};

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
} setup;

/* Opens a skeleton with one of its keys replaced; key NULL: as it is. */
static hl_status open_skeleton(const char *json_path, hl_type type, int32_t bits, const char *key,
                               json_t *values, setup *ret, hl_err *err) {
    char        path[] = "/tmp/hl_layers_XXXXXX";
    const char *p = path;
    json_t     *model = json_load_file(json_path, 0, NULL), *pair = NULL;
    size_t      i = 0;
    bool        found = key == NULL;
    assert_true(model);
    make_scratch(path);
    json_array_foreach(json_object_get(model, "kv"), i, pair) {
        if (!key || strcmp(json_string_value(json_array_get(pair, 0)), key) != 0) continue;
        (void)json_array_set_new(pair, 1, json_string("arr:u32"));
        (void)json_array_set(pair, 2, values);
        found = true;
    }
    assert_true(found);
    fill_skeleton(model, type, path);
    json_decref(model);
    *ret = (setup){0};
    ret->e = new_engine(1, NULL, bits);
    const hl_status status = hl_model_open(ret->e, &p, 1, NULL, &ret->m, err);
    (void)unlink(path);
    return status;
}

static void close_setup(setup *s) {
    hl_model_close(s->m);
    hl_engine_free(s->e);
}

/* ---- bits ---- */

static void read_all(setup *s, hl_kv_cache_type kv_type, int32_t n_threads, size_t step, float *ret) {
    int32_t     tokens[N_TOKENS];
    hl_session *session = NULL;
    hl_err      err = {0};
    for (int32_t i = 0; i < N_TOKENS; i++) tokens[i] = (i * i + 5 * i + 3) % N_VOCAB;
    hl_pool_free(s->e->pool); /* an engine would not use more threads than there are processors */
    assert_int_equal(hl_pool_new(n_threads, &s->e->pool, &err), HL_OK);
    const hl_session_params p = {.n_ctx = 128, .kv_type = kv_type};
    if (hl_session_new(s->m, &p, &session, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t at = 0; at < N_TOKENS; at += step)
        if (hl_session_eval(session, tokens + at, N_TOKENS - at < step ? N_TOKENS - at : step, &err) != HL_OK)
            fail_msg("%s", err.text);
    memcpy(ret, hl_session_logits(session), N_VOCAB * sizeof *ret);
    hl_session_free(session);
}

static void check_bits(const char *path, hl_type type, int32_t bits) {
    static const size_t           steps[] = {1, 7, 33, N_TOKENS};
    static const hl_kv_cache_type kv_types[] = {HL_KV_CACHE_F16, HL_KV_CACHE_F32, HL_KV_CACHE_BF16,
                                                HL_KV_CACHE_Q8_0};
    setup                         s;
    hl_err                        err = {0};
    if (open_skeleton(path, type, bits, NULL, NULL, &s, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t k = 0; k < 4; k++) {
        float want[N_VOCAB], got[N_VOCAB];
        for (size_t i = 0; i < 4; i++) {
            read_all(&s, kv_types[k], i % 2 ? 3 : 1, steps[i], i ? got : want);
            if (i && memcmp(want, got, sizeof want) != 0)
                fail_msg("%s, %s, %d bits, kv %zu: passes of %zu differ from passes of 1", path,
                         hl_type_name(type), bits, k, steps[i]);
        }
    }
    close_setup(&s);
}

static void the_bits_do_not_depend_on_passes_or_threads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        check_bits(paths[i], HL_TYPE_f32, 8);
        check_bits(paths[i], HL_TYPE_q8_0, 8); /* of the matrices whose rows are whole blocks */
        check_bits(paths[i], HL_TYPE_q8_0, 16);
        check_bits(paths[i], HL_TYPE_q4_0, 8);
    }
}

/* ---- rotation ---- */

/* Windowed layers may turn more pairs than there are factors: those behind the last are not read. */
static void factors_of_the_rotation_are_not_those_of_windowed_layers(void **state) {
    setup    s;
    hl_err   err = {0};
    hl_pass *pass = NULL;
    json_t  *two = json_pack("[i, i, i, i]", 2, 2, 2, 2);
    (void)state;
    if (open_skeleton(paths[1], HL_TYPE_f32, 8, "gemma3.rope.dimension_count", two, &s, &err) != HL_OK)
        fail_msg("%s", err.text);
    json_decref(two);
    float *factor = hl_new(1, sizeof *factor); /* the checker sees what is read behind it */
    assert_non_null(factor);
    *factor = 2.0f;
    s.m->rope_freqs = factor;
    assert_int_equal(s.m->hp.ropes[0].n_rot, 2);
    assert_int_equal(s.m->hp.ropes[1].n_rot, 6);
    assert_int_equal(hl_pass_new(s.m, 1, 64, &pass, &err), HL_OK);
    assert_true(pass->ropes[0].inv_freq[0] == 0.5 * (double)s.m->hp.ropes[0].freq_scale);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(pass->ropes[1].inv_freq[i] == pow((double)s.m->hp.ropes[1].base, -2.0 * i / 6));
    hl_pass_free(pass);
    close_setup(&s);
    hl_free(factor);
}

/* ---- memory ---- */

static void a_block_of_the_cache_holds_what_each_layer_keeps(void **state) {
    setup                   s;
    hl_err                  err = {0};
    hl_memory_plan          plan;
    const hl_session_params p = {.n_ctx = HL_KV_PAGE_TOKENS, .kv_type = HL_KV_CACHE_F32};
    (void)state;
    if (open_skeleton(paths[0], HL_TYPE_f32, 8, NULL, NULL, &s, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_session_plan(s.m, &p, &plan, &err), HL_OK);
    /* 2 + 1 + 2 + 3 heads of 12 values, for which there is room for 16, of keys and of values */
    assert_int_equal(plan.kv_bytes, (2 + 1 + 2 + 3) * 16 * 2 * HL_KV_PAGE_TOKENS * sizeof(float));
    hl_model_info info;
    hl_model_get_info(s.m, &info);
    assert_int_equal(info.n_heads, 6);
    assert_int_equal(info.n_kv_heads, 3);
    assert_int_equal(info.n_ff, 160);
    uint64_t macs = 128 * 32; /* logits */
    for (uint32_t i = 0; i < 4; i++) {
        static const uint64_t heads[] = {4, 6, 2, 6}, kv[] = {2, 1, 2, 3}, ff[] = {48, 96, 32, 160};
        macs += 32 * (12 * (2 * heads[i] + 2 * kv[i]) + 3 * ff[i]);
    }
    assert_int_equal(info.macs_per_token, macs);
    close_setup(&s);
    if (open_skeleton(paths[1], HL_TYPE_f32, 8, NULL, NULL, &s, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_session_plan(s.m, &p, &plan, &err), HL_OK);
    /* 2 heads: three layers of 8 values, one of 20 with room for 24 */
    assert_int_equal(plan.kv_bytes, 2 * (3 * 8 + 24) * 2 * HL_KV_PAGE_TOKENS * sizeof(float));
    close_setup(&s);
}

/* ---- what is refused ---- */

static void check_refused(const char *path, const char *key, json_t *values, hl_status want,
                          const char *words) {
    setup           s;
    hl_err          err = {0};
    const hl_status status = open_skeleton(path, HL_TYPE_f32, 8, key, values, &s, &err);
    if (status != want || (want != HL_OK && !strstr(err.text, words)))
        fail_msg("%s: status %d, '%s', expected '%s'", key, status, err.text, words);
    close_setup(&s);
    json_decref(values);
}

static void what_does_not_fit_together_is_refused_with_its_numbers(void **state) {
    static const char *const ff = "llama.feed_forward_length", *const llama = paths[0];
    static const char *const qwen3 = "tests/golden/archs/qwen3.json";
    (void)state;
    check_refused(llama, ff, json_pack("[i, i, i, i, i]", 48, 96, 32, 160, 7), HL_OK,
                  NULL); /* longer: fine */
    check_refused(llama, ff, json_pack("[i, i, i]", 48, 96, 32), HL_E_FORMAT,
                  "key 'llama.feed_forward_length': 3 values, expected one per layer (4)");
    check_refused(llama, ff, json_pack("[i, i, i, i]", 48, 96, 0, 160), HL_E_FORMAT,
                  "key 'llama.feed_forward_length': layer 2 has 0, expected a whole number from 1 on");
    check_refused(llama, ff, json_pack("[i, i, i, i]", 48, 96, 32, (1 << 20) + 1), HL_E_FORMAT,
                  "llama.feed_forward_length is 1048577, but there is room for 1048576");
    check_refused(
        llama, ff, json_pack("[i, i, i, i]", 48, 96, 32, 128), HL_E_FORMAT,
        "tensor 'blk.3.ffn_gate.weight' has the shape [160, 32], expected [128, 32] = [n_ff, n_embd]");
    check_refused(llama, "llama.attention.head_count_kv", json_pack("[i, i, i, i]", 2, 1, 2, 4), HL_E_FORMAT,
                  "llama.attention.head_count is 6, expected a multiple of attention.head_count_kv");
    check_refused(
        llama, "llama.attention.key_length", json_pack("[i, i, i, i]", 12, 12, 16, 12), HL_E_UNSUPPORTED,
        "key 'llama.attention.key_length': layer 2 has 16 and layer 0 has 12; layers of 'llama' must "
        "not differ in it");
    check_refused(qwen3, "qwen3.feed_forward_length", json_pack("[i, i, i]", 48, 48, 64), HL_E_UNSUPPORTED,
                  "layer 2 has 64 and layer 0 has 48; layers of 'qwen3' must not differ in it");
    check_refused(qwen3, "qwen3.feed_forward_length", json_pack("[i, i, i]", 48, 48, 48), HL_OK, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_do_not_depend_on_passes_or_threads),
        cmocka_unit_test(factors_of_the_rotation_are_not_those_of_windowed_layers),
        cmocka_unit_test(a_block_of_the_cache_holds_what_each_layer_keeps),
        cmocka_unit_test(what_does_not_fit_together_is_refused_with_its_numbers),
    };
    return cmocka_run_group_tests_name("layer sizes", tests, NULL, NULL);
}
