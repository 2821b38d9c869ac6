/* SPDX-License-Identifier: MIT
 *
 * test_arch_table.c - every architecture of the table runs: a tiny model with all tensors that it needs or
 * allows computes numbers, the same at once, token by token, in pieces of seven and by plain C, with weights
 * in f32 and packed.
 *
 * Whether they are the right ones say the records (test_arch_records.c), where there are such.
 */
#include "tests/golden/arch_runs.h"
#include "tests/golden/skeleton_rules.h"
#include "tests/unit/lora_fixture.h"

#include <stdio.h>

#include "core/base/arena.h"
#include "engine/arch/arch.h"
#include "engine/model_priv.h"

enum { N_LAYERS = 5, N_EMBD = 64, N_TOKENS = 40 };

static const hl_arch *const archs[] = {
#define HL_ARCH(name) &hl_arch_##name,
#include "engine/arch/archs.def"
#undef HL_ARCH
};

static void add_key(json_t *kv, const hl_arch *a, const char *suffix, const char *kind, json_t *value) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s%s%s", a ? a->name : "", a ? "." : "", suffix);
    json_array_append_new(kv, json_pack("[sso]", key, kind, value));
}

static void add_number(json_t *kv, const hl_arch *a, const char *suffix, json_int_t value) {
    add_key(kv, a, suffix, "u32", json_integer(value));
}

static void add_float(json_t *kv, const hl_arch *a, const char *suffix, double value) {
    add_key(kv, a, suffix, "f32", json_real(value));
}

static bool has(const hl_arch *a, hl_weight w) { return a->weights[w] != HL_IGNORED; }

/* Layers of each kind. */
static void add_kv_heads(json_t *kv, const hl_arch *a, int n) {
    static const char key[] = "attention.head_count_kv";
    if (a->mixing == HL_MIXING_BY_KV_HEADS)
        add_key(kv, a, key, "arr:i32", json_pack("[iiiii]", 0, n, 0, n, 0));
    else if (a->mixing == HL_MIXING_ONE_THING)
        add_key(kv, a, key, "arr:i32", json_pack("[iiiii]", 0, 0, n, 0, 0));
    else
        add_number(kv, a, key, n);
}

/* Sizes of states; all of blocks of packed weights. */
static void add_states(json_t *kv, const hl_arch *a) {
    if (a->recurrence == HL_RECURRENCE_NONE) return;
    add_number(kv, a, "ssm.conv_kernel", 4);
    add_number(kv, a, "ssm.inner_size", 128);
    add_number(kv, a, "ssm.state_size", 32);
    add_number(kv, a, "ssm.group_count", 2);
    add_number(kv, a, "ssm.time_step_rank", a->recurrence == HL_RECURRENCE_MAMBA1 ? 32 : 4);
    add_number(kv, a, "kda.head_dim", 32);
    add_number(kv, a, "shortconv.l_cache", 3);
    if (has(a, HL_W_LATENT_UP)) add_number(kv, a, "moe_latent_size", 32);
}

static void add_heads(json_t *kv, const hl_arch *a) {
    const bool is_absorbed = a->has_mla && !has(a, HL_W_ROPE_LONG); /* MiniCPM3 comes expanded */
    add_number(kv, a, "attention.head_count", 4);
    add_kv_heads(kv, a, a->has_mla ? is_absorbed ? 1 : 4 : 2);
    if (a->has_mla) {
        if (has(a, HL_W_Q_A)) add_number(kv, a, "attention.q_lora_rank", 32);
        add_number(kv, a, "attention.kv_lora_rank", 32);
        add_number(kv, a, "attention.key_length", 48);
        add_number(kv, a, "attention.value_length", 32);
        if (is_absorbed) add_number(kv, a, "attention.key_length_mla", 48);
        if (is_absorbed) add_number(kv, a, "attention.value_length_mla", 32);
    }
    add_number(kv, a, "rope.dimension_count", 16);
    if (a->window_pattern == 0) return;
    add_number(kv, a, "attention.sliding_window", 8);
    if (a->window_by_key)
        add_key(kv, a, "attention.sliding_window_pattern", "arr:bool", json_pack("[bbbbb]", 0, 1, 1, 0, 1));
}

static void add_experts(json_t *kv, const hl_arch *a) {
    if (!a->may_have_experts) return;
    add_number(kv, a, "expert_count", 8);
    add_number(kv, a, "expert_used_count", 2);
    add_number(kv, a, "expert_feed_forward_length", 32);
    add_number(kv, a, "expert_group_count", 4);
    add_number(kv, a, "expert_group_used_count", 2);
    add_float(kv, a, "expert_weights_scale", 1.5);
    add_key(kv, a, "expert_weights_norm", "bool", json_true());
    if (has(a, HL_W_UP_SHEXP)) add_number(kv, a, "expert_shared_feed_forward_length", 64);
    if (has(a, HL_W_UP)) add_number(kv, a, "leading_dense_block_count", 1);
}

static json_t *keys_of(const hl_arch *a) {
    json_t *kv = json_array();
    add_key(kv, NULL, "general.architecture", "str", json_string(a->name));
    add_number(kv, a, "block_count", N_LAYERS);
    add_number(kv, a, "context_length", 128);
    add_number(kv, a, "embedding_length", N_EMBD);
    if (a->mixing == HL_MIXING_ONE_THING)
        add_key(kv, a, "feed_forward_length", "arr:i32", json_pack("[iiiii]", 0, 96, 0, 0, 96));
    else
        add_number(kv, a, "feed_forward_length", 96);
    add_float(kv, a, "attention.layer_norm_rms_epsilon", 1e-3);
    add_float(kv, a, "attention.layer_norm_epsilon", 1e-3);
    add_heads(kv, a);
    add_experts(kv, a);
    add_states(kv, a);
    if (has(a, HL_W_SIDE_EMBD)) add_number(kv, a, "embedding_length_per_layer_input", 32);
    if (has(a, HL_W_SIDE_EMBD)) add_number(kv, a, "attention.shared_kv_layers", 1);
    if (has(a, HL_W_ROPE_LONG)) add_number(kv, a, "rope.scaling.original_context_length", 32);
    if (has(a, HL_W_POOLED_UP)) add_number(kv, a, "dense_2_feat_out", 96);
    if (a->temperature == HL_TEMPERATURE_BY_KEY) add_float(kv, a, "attention.temperature_scale", 0.1);
    if (a->activation == HL_ACTIVATION_XIELU)
        for (int i = 0; i < 4; i++) {
            static const char *const names[] = {"xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps"};
            add_key(kv, NULL, names[i], "arr:f32", json_pack("[fffff]", 0.5, 0.4, 0.3, 0.2, -1e-6));
        }
    return kv;
}

static uint64_t dim_value(const hl_hparams *hp, const hl_layer_params *p, hl_dim d) {
    switch (d) {
#define HL_DIM(name, value, words)                                                                           \
    case HL_DIM_##name:                                                                                      \
        return value;
#include "engine/arch/dims.def"
#undef HL_DIM
    default: return 1;
    }
}

static bool is_named(const json_t *tensors, const char *name) {
    size_t  i = 0;
    json_t *t = NULL;
    json_array_foreach(tensors, i,
                       t) if (strcmp(json_string_value(json_array_get(t, 0)), name) == 0) return true;
    return false;
}

/* Not both of two forms: whole rows and parts of them, gates of heads and of values. */
static bool is_left_out(const hl_arch *a, int w, const hl_layer_params *p) {
    const hl_weight_scope scope = hl_weight_rows[w].scope;
    if (w == HL_W_QKV || w == HL_W_QKV_BIAS || w == HL_W_GATE_UP_EXPS) return true;
    if (scope == HL_SCOPE_NEXT) return true; /* the block that drafts is no layer */
    if (w == HL_W_GATE_UP && has(a, HL_W_UP)) return true;
    if (w == HL_W_MLA_Q && has(a, HL_W_Q_A)) return true;
    if (w == HL_W_KV_B && !has(a, HL_W_ROPE_LONG)) return true;
    if ((w == HL_W_K_B || w == HL_W_V_B) && has(a, HL_W_ROPE_LONG)) return true;
    if (w == HL_W_ROPE_FREQS && has(a, HL_W_ROPE_LONG)) return true;
    if (!p) return false;
    const bool of_attention = w >= HL_W_QKV && w <= HL_W_Q_GATED;
    if (scope == HL_SCOPE_STATE && !(p->mixes & HL_MIXES_STATE)) return true;
    if (of_attention && !(p->mixes & HL_MIXES_ATTENTION)) return true;
    if (!p->has_ffn && (scope == HL_SCOPE_DENSE || scope == HL_SCOPE_EXPERT)) return true;
    if (scope == HL_SCOPE_DENSE && p->n_expert_ff > 0 && !a->router.beside_dense) return true;
    return scope == HL_SCOPE_EXPERT && p->n_expert_ff == 0;
}

static void add_tensor(json_t *tensors, const hl_hparams *hp, int w, uint32_t i_layer) {
    const hl_weight_row   *row = &hl_weight_rows[w];
    const hl_layer_params *p = row->scope == HL_SCOPE_MODEL ? &hp->most : &hp->layers[i_layer];
    char                   name[96];
    json_t                *dims = json_array();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, sizeof name, row->name, i_layer);
#pragma GCC diagnostic pop
    for (int i = HL_TENSOR_DIMS - 1; i >= 0; i--)
        if (row->shape[i] != HL_DIM_NONE)
            json_array_append_new(dims, json_integer((json_int_t)dim_value(hp, p, row->shape[i])));
    if (!is_named(tensors, name)) json_array_append_new(tensors, json_pack("[sOs]", name, dims, "f32"));
    json_decref(dims);
}

/* The sizes follow from keys, and a little from tensors: first a file of these. */
static json_t *tensors_of(const hl_arch *a, json_t *kv, const char *path) {
    hl_err     err = {0};
    hl_gguf   *g = NULL;
    hl_arena   arena;
    hl_hparams hp;
    json_t    *first = json_pack("[[s[ii]s]]", "token_embd.weight", N_EMBD, 128, "f32");
    for (int i = 1; i < N_LAYERS && has(a, HL_W_ROUTER) && a->router.by_tensor; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.weight", i);
        json_array_append_new(first, json_pack("[s[ii]s]", name, N_EMBD, 8, "f32"));
    }
    json_t *model = json_pack("{sisOsO}", "seed", 1, "kv", kv, "tensors", first);
    fill_by_rules(model, HL_TYPE_f32, path);
    json_decref(model);
    hl_arena_init(&arena, 1 << 20);
    if (hl_gguf_open(path, &g, &err) != HL_OK || hl_hparams_load(g, a, &arena, &hp, &err) != HL_OK)
        fail_msg("%s: %s", a->name, err.text);
    hp.n_vocab = 128;
    hp.n_labels = 2; /* no key says it */
    json_t *tensors = json_array();
    for (int w = 0; w < HL_W_count; w++) {
        const bool is_once = hl_weight_rows[w].scope == HL_SCOPE_MODEL;
        for (uint32_t i = 0; has(a, (hl_weight)w) && i < (is_once ? 1u : N_LAYERS); i++)
            if (!is_left_out(a, w, is_once ? NULL : &hp.layers[i])) add_tensor(tensors, &hp, w, i);
    }
    hl_gguf_close(g);
    hl_arena_done(&arena);
    json_decref(first);
    return tensors;
}

static void write_model(const hl_arch *a, hl_type type, const char *path) {
    json_t *kv = keys_of(a), *tensors = tensors_of(a, kv, path);
    json_t *model = json_pack("{sisosO}", "seed", 7, "kv", kv, "tensors", tensors);
    fill_by_rules(model, type, path);
    json_decref(model);
    json_decref(tensors);
}

/* What drafts for another model runs with that: test_draft_records.c. */
static bool runs_alone(const hl_arch *a) { return a->drafts == HL_DRAFTS_NOT; }

static bool check_arch(const hl_arch *a, hl_type type) {
    if (!runs_alone(a)) return true;
    arch_run r = {.name = a->name, .n_tokens = N_TOKENS, .n_ctx = 128};
    for (int32_t i = 0; i < N_TOKENS; i++) r.tokens[i] = i * 37 % 128;
    (void)snprintf(r.path, sizeof r.path, "/tmp/hl-table-%d.gguf", (int)getpid());
    write_model(a, type, r.path);
    bool         ok = true;
    const size_t n = a->is_encoder ? MAX_EMBD : MAX_LOGITS;
    float       *x[3];
    for (int i = 0; i < 3; i++) assert_non_null(x[i] = hl_new(n, sizeof *x[i]));
    if (a->is_encoder) {
        (void)run_encoder(&r, test_cpu(), false, x[0]);
        (void)run_encoder(&r, test_cpu(), true, x[1]);
        (void)run_encoder(&r, "scalar", false, x[2]);
    } else {
        run_decoder(&r, MAX_TOKENS, test_cpu(), 2, x[0]);
        run_decoder(&r, 1, test_cpu(), 1, x[1]);
        run_decoder(&r, 7, "scalar", 1, x[2]);
    }
    for (size_t i = 0; i < n; i++) ok = ok && isfinite(x[0][i]);
    if (!ok) print_message("%s: not finite\n", a->name);
    for (int i = 1; i < 3; i++) {
        if (memcmp(x[0], x[i], n * sizeof(float)) == 0) continue;
        print_message("%s: other bits %s\n", a->name,
                      i == 1 ? "token by token, or among others" : "in plain C");
        ok = false;
    }
    for (int i = 0; i < 3; i++) hl_free(x[i]);
    (void)unlink(r.path);
    return ok;
}

static void every_architecture_runs(void **state) {
    size_t n_bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) n_bad += !check_arch(archs[i], HL_TYPE_f32);
    assert_int_equal(n_bad, 0);
}

static void every_architecture_runs_with_packed_weights(void **state) {
    size_t n_bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) n_bad += !check_arch(archs[i], HL_TYPE_q8_0);
    assert_int_equal(n_bad, 0);
}

/* ---- adapters ---- */

enum { N_ADAPTED = 8 };

/* What the model makes of a few tokens, with the adapter in the file (NULL: none); "": it was refused, as
 * unsupported, by the name of its tensor. */
static size_t run_adapted(const hl_arch *a, hl_engine *e, const char *path, const char *adapter,
                          const char *name, size_t step, float *ret) {
    hl_err     err = {0};
    hl_model  *m = NULL;
    hl_runner *runner = NULL;
    size_t     n = 0;
    int32_t    ids[N_ADAPTED];
    for (int32_t i = 0; i < N_ADAPTED; i++) ids[i] = (i * 37 + 3) % 128;
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s: %s", a->name, err.text);
    const hl_status status = adapter ? hl_model_add_adapter(m, adapter, NULL, 1, &err) : HL_OK;
    if (status == HL_E_UNSUPPORTED && strstr(err.text, name)) {
        hl_model_close(m);
        return 0;
    }
    if (status != HL_OK) fail_msg("%s: %s", a->name, err.text);
    if (a->is_encoder) {
        const hl_embed_input   in = {.tokens = ids, .n_tokens = N_ADAPTED};
        const hl_embed_request req = {.inputs = &in, .n_inputs = 1, .keeps_length = true};
        hl_embeddings          got;
        if (hl_runner_new(m, &(hl_runner_params){.sched.n_ctx = 64}, &runner, &err) != HL_OK ||
            hl_runner_embed(runner, &req, &got, &err) != HL_OK)
            fail_msg("%s: %s", a->name, err.text);
        n = got.n_dims;
        memcpy(ret, got.values, n * sizeof *ret);
        hl_embeddings_done(&got);
        hl_runner_free(runner);
    } else {
        hl_session *s = NULL;
        if (hl_session_new(m, &(hl_session_params){.n_ctx = 64}, &s, &err) != HL_OK)
            fail_msg("%s: %s", a->name, err.text);
        for (size_t at = 0; at < N_ADAPTED; at += step)
            if (hl_session_eval(s, ids + at, N_ADAPTED - at < step ? N_ADAPTED - at : step, &err) != HL_OK)
                fail_msg("%s: %s", a->name, err.text);
        n = 128;
        memcpy(ret, hl_session_logits(s), n * sizeof *ret);
        hl_session_free(s);
    }
    hl_model_close(m);
    return n;
}

/* One tensor's name without the number of its layer, and whether a later layer has it, too. */
static bool comes_again(const hl_gguf *g, size_t i) {
    const char *rest = strchr(hl_gguf_tensor_at(g, i)->name + 4, '.');
    if (strncmp(hl_gguf_tensor_at(g, i)->name, "blk.", 4) != 0 || !rest) return false;
    for (size_t k = i + 1; k < hl_gguf_n_tensors(g); k++)
        if (rule_ends(hl_gguf_tensor_at(g, k)->name, rest)) return true;
    return false;
}

/* Every matrix that an adapter may be for changes the answer, token by token as at once, with plain C as with
 * what is fastest; others are refused by name. Nothing is passed over. */
static size_t check_adapters(const hl_arch *a, hl_engine *const e[2], size_t *ret_n_refused) {
    char     path[128], adapter[128];
    float    bare[MAX_EMBD], x[3][MAX_EMBD];
    hl_err   err = {0};
    hl_gguf *g = NULL;
    size_t   n_bad = 0;
    (void)snprintf(path, sizeof path, "/tmp/hl-table-%d.gguf", (int)getpid());
    (void)snprintf(adapter, sizeof adapter, "/tmp/hl-table-%d-lora.gguf", (int)getpid());
    write_model(a, HL_TYPE_q8_0, path);
    const size_t n = run_adapted(a, e[0], path, NULL, "", N_ADAPTED, bare);
    assert_int_equal(hl_gguf_open(path, &g, &err), HL_OK);
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        if (t->n_dims < 2 || comes_again(g, i)) continue;
        assert_int_equal(
            lf_write(adapter, &(lf_adapter){.seed = 5, .rank = 2, .is_exact = true, .only = t->name}, path),
            1);
        if (run_adapted(a, e[0], path, adapter, t->name, N_ADAPTED, x[0]) == 0) {
            (*ret_n_refused)++;
            continue;
        }
        (void)run_adapted(a, e[0], path, adapter, t->name, 1, x[1]);
        (void)run_adapted(a, e[1], path, adapter, t->name, 3, x[2]);
        const bool is_used = memcmp(x[0], bare, n * sizeof(float)) != 0;
        const bool is_same =
            memcmp(x[0], x[1], n * sizeof(float)) == 0 && memcmp(x[0], x[2], n * sizeof(float)) == 0;
        if (!is_used) print_message("%s: an adapter of '%s' changes nothing\n", a->name, t->name);
        if (!is_same) print_message("%s: an adapter of '%s' gives other bits\n", a->name, t->name);
        n_bad += !is_used || !is_same;
    }
    hl_gguf_close(g);
    (void)unlink(path);
    (void)unlink(adapter);
    return n_bad;
}

static void every_matrix_takes_an_adapter_or_refuses_it_by_name(void **state) {
    hl_engine *e[2] = {NULL, NULL};
    hl_err     err = {0};
    size_t     n_bad = 0, n_refused = 0;
    (void)state;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &e[0], &err),
                     HL_OK);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = "scalar"}, &e[1], &err), HL_OK);
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++)
        if (runs_alone(archs[i])) n_bad += check_adapters(archs[i], e, &n_refused);
    print_message("%zu kinds of tensors were refused\n", n_refused);
    assert_int_equal(n_bad, 0);
    for (int i = 0; i < 2; i++) hl_engine_free(e[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_matrix_takes_an_adapter_or_refuses_it_by_name),
                                       cmocka_unit_test(every_architecture_runs),
                                       cmocka_unit_test(every_architecture_runs_with_packed_weights)};
    return cmocka_run_group_tests_name("arch_table", tests, NULL, NULL);
}
