/* SPDX-License-Identifier: MIT
 *
 * hparams.c - a model's sizes and constants from the keys of its file.
 *
 * Writers leave "unset" in three ways: the key is absent, it is 0, or (for ids) it is 4294967295. All
 * three mean the default here. Keys may be arrays with one value per layer, which may be longer than the
 * number of layers; values differ only where the family says so (arch.h: by_layer).
 * from: the key list of the GGUF specification, August 2026
 */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/str.h"
#include "engine/model_priv.h"

typedef struct reader {
    const hl_gguf *g;
    const char    *arch;
    uint32_t       by_layer; /* HL_BY_LAYER_*: sizes that may differ */
    uint32_t       n_layers; /* 0 until known: arrays are not looked at */
    hl_err        *err;
    hl_status      status; /* first failure; later reads do nothing */
} reader;

static const hl_gguf_value *find_key(reader *r, const char *suffix, char *ret_key, size_t cap) {
    (void)snprintf(ret_key, cap, "%s.%s", r->arch, suffix);
    return r->status == HL_OK ? hl_gguf_find(r->g, ret_key) : NULL;
}

/* A per-layer array counts as one number when its first n_layers elements are equal. */
static bool read_number(reader *r, const char *key, const hl_gguf_value *v, double *ret) {
    const uint64_t n = v->kind == HL_GGUF_ARRAY ? v->n : 1;
    double         first = 0;
    if (v->kind == HL_GGUF_ARRAY && (n < r->n_layers || n == 0)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': %" PRIu64 " values, expected one per layer (%u)",
                            key, n, r->n_layers);
        return false;
    }
    for (uint64_t i = 0; i < (v->kind == HL_GGUF_ARRAY ? r->n_layers : 1u); i++) {
        double x = 0;
        if (!hl_gguf_elem_f64(v, i, &x)) {
            r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a number", key);
            return false;
        }
        if (i > 0 && x != first) {
            r->status = hl_fail(r->err, HL_E_UNSUPPORTED,
                                "key '%s': layer %" PRIu64
                                " has %g and layer 0 has %g; layers of '%s' must not differ in it",
                                key, i, x, first, r->arch);
            return false;
        }
        first = x;
    }
    *ret = first;
    return true;
}

/* A whole number; how large it may be says check_limits(). */
static uint32_t read_u32(reader *r, const char *suffix, uint32_t fallback) {
    char                 key[128];
    const hl_gguf_value *v = find_key(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v || !read_number(r, key, v, &x) || x == 0 || x == 4294967295.0) return fallback;
    if (!(x >= 1 && x <= UINT32_MAX) || x != floor(x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %g, expected a whole number from 1 on", key, x);
        return fallback;
    }
    return (uint32_t)x;
}

static uint32_t need_u32(reader *r, const char *suffix) {
    const uint32_t x = read_u32(r, suffix, 0);
    if (x == 0 && r->status == HL_OK)
        r->status =
            hl_fail(r->err, HL_E_FORMAT, "key '%s.%s' is missing or 0, expected a whole number from 1 on",
                    r->arch, suffix);
    return x;
}

/* The field of hl_layer_params that begins at `at`. */
static uint32_t *field_of(hl_hparams *hp, uint32_t i_layer, size_t at) {
    return (uint32_t *)(void *)((uint8_t *)&hp->layers[i_layer] + at);
}

/* Whether a key gives different numbers to different layers. */
static bool differs(const reader *r, const hl_gguf_value *v) {
    double first = 0, x = 0;
    if (!v || v->kind != HL_GGUF_ARRAY || v->n < r->n_layers || !hl_gguf_elem_f64(v, 0, &first)) return false;
    for (uint32_t i = 1; i < r->n_layers; i++)
        if (!hl_gguf_elem_f64(v, i, &x) || x != first) return true;
    return false;
}

/* A whole number for each layer; where the file has none, what stands in the field already is the default. */
static void read_each(reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at) {
    char                 key[128];
    const hl_gguf_value *v = find_key(r, suffix, key, sizeof key);
    if (!(r->by_layer & by_layer) || !differs(r, v)) {
        const uint32_t all = read_u32(r, suffix, 0);
        for (uint32_t i = 0; i < r->n_layers && all > 0; i++) *field_of(hp, i, at) = all;
        return;
    }
    for (uint32_t i = 0; i < r->n_layers; i++) {
        double x = 0;
        if (!hl_gguf_elem_f64(v, i, &x) || !(x >= 1 && x < UINT32_MAX) || x != floor(x)) {
            r->status = hl_fail(r->err, HL_E_FORMAT,
                                "key '%s': layer %u has %g, expected a whole number from 1 on", key, i, x);
            return;
        }
        *field_of(hp, i, at) = (uint32_t)x;
    }
}

static void need_each(reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at) {
    read_each(r, suffix, by_layer, hp, at);
    if (*field_of(hp, 0, at) == 0) (void)need_u32(r, suffix);
}

static float read_f32(reader *r, const char *suffix, float fallback) {
    char                 key[128];
    const hl_gguf_value *v = find_key(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v || !read_number(r, key, v, &x) || x == 0) return fallback;
    if (!isfinite((float)x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %g, expected a finite number", key, x);
        return fallback;
    }
    return (float)x;
}

static void fail_once(reader *r, const char *what, double found, const char *expected) {
    if (r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %g, expected %s", r->arch, what, found, expected);
}

/* One of `most` at most: see capacities.def. */
static void check_limit(reader *r, const char *suffix, uint32_t value, uint32_t most) {
    if (value > most && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %u, but there is room for %u", r->arch, suffix,
                            value, most);
}

static void read_sizes(reader *r, hl_arena *arena, hl_hparams *hp) {
    hp->n_layers = need_u32(r, "block_count");
    check_limit(r, "block_count", hp->n_layers, HL_MAX_LAYERS);
    if (r->status != HL_OK) return;
    hp->layers = hl_arena_get(arena, hp->n_layers, sizeof *hp->layers);
    hp->kv_layers = hl_arena_get(arena, hp->n_layers, sizeof *hp->kv_layers);
    if (!hp->layers || !hp->kv_layers) {
        r->status = hl_fail(r->err, HL_E_NOMEM, "no memory for the sizes of %u layers", hp->n_layers);
        return;
    }
    r->n_layers = hp->n_layers;
    hp->n_ctx_train = read_u32(r, "context_length", 2048);
    hp->n_embd = need_u32(r, "embedding_length");
    need_each(r, "attention.head_count", HL_BY_LAYER_HEADS, hp, offsetof(hl_layer_params, n_heads));
    for (uint32_t i = 0; i < hp->n_layers; i++) hp->layers[i].n_kv_heads = hp->layers[i].n_heads;
    read_each(r, "attention.head_count_kv", HL_BY_LAYER_KV_HEADS, hp, offsetof(hl_layer_params, n_kv_heads));
}

static void read_experts(reader *r, const hl_arch *arch, hl_hparams *hp) {
    const size_t n_ff = offsetof(hl_layer_params, n_ff);
    hp->n_experts = arch->may_have_experts ? read_u32(r, "expert_count", 0) : 0;
    if (hp->n_experts == 0) {
        if (arch->needs_experts) (void)need_u32(r, "expert_count");
        need_each(r, "feed_forward_length", HL_BY_LAYER_FF, hp, n_ff);
        return;
    }
    hp->n_experts_used = need_u32(r, "expert_used_count");
    if (r->status != HL_OK) return;
    read_each(r, "feed_forward_length", HL_BY_LAYER_FF, hp, n_ff);
    for (uint32_t i = 0; i < hp->n_layers; i++)
        hp->layers[i].n_expert_ff = hp->layers[i].n_ff / (arch->splits_ff ? hp->n_experts_used : 1);
    read_each(r, "expert_feed_forward_length", 0, hp, offsetof(hl_layer_params, n_expert_ff));
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (hp->layers[i].n_expert_ff == 0) (void)need_u32(r, "expert_feed_forward_length");
    hp->expert_scale = read_f32(r, "expert_weights_scale", 1.0f);
}

/* Layers that see a window only. One number for all layers, of which every n-th sees everything (0: none
 * does), or a yes or no for each. */
static void read_windows(reader *r, const hl_arch *arch, hl_hparams *hp) {
    char                 key[128];
    const uint32_t       window = read_u32(r, "attention.sliding_window", arch->window_default);
    const hl_gguf_value *v = find_key(r, "attention.sliding_window_pattern", key, sizeof key);
    const bool           by_layer = v && v->kind == HL_GGUF_ARRAY;
    double               n = arch->window_pattern, x = 0;
    if (r->status != HL_OK || window == 0) return;
    if (by_layer && v->n < hp->n_layers) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': %" PRIu64 " values, expected one per layer (%u)",
                            key, v->n, hp->n_layers);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint64_t at = by_layer ? i : 0;
        const bool     is_bool = by_layer && v->elem_kind == HL_GGUF_BOOL;
        if (v && !is_bool &&
            (!hl_gguf_elem_f64(v, at, &x) || !(x >= 0 && x <= UINT32_MAX) || x != floor(x))) {
            r->status =
                hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a whole number, or one per layer", key);
            return;
        }
        if (v && !by_layer) n = x;
        const bool sees_all = n > 0 && (i + 1) % (uint64_t)n == 0;
        const bool windowed = is_bool ? v->data[i] != 0 : by_layer ? x != 0 : !sees_all;
        if (windowed) hp->layers[i].window = window;
    }
}

/* Windowed layers may have heads of another size. Without a size, a head is a part of the embedding.
 * Returns that of the other layers. */
static uint32_t read_heads(reader *r, const hl_arch *arch, hl_hparams *hp) {
    const uint32_t size = read_u32(r, "attention.key_length", hp->n_embd / hp->layers[0].n_heads);
    const uint32_t windowed = arch->window_pattern > 0 ? read_u32(r, "attention.key_length_swa", size) : size;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        p->head_dim = p->window > 0 ? windowed : size;
        p->head_room = (p->head_dim + 7) / 8 * 8;
    }
    return size;
}

/* The context a scaled rotation was trained for, and how far it is stretched. */
static void read_rope(reader *r, hl_hparams *hp, uint32_t head_dim) {
    char                 key[128];
    hl_view              kind = {0};
    const hl_gguf_value *v = find_key(r, "rope.scaling.type", key, sizeof key);
    hl_rope_params      *rope = &hp->ropes[0];
    if (v && hl_gguf_get_text(r->g, key, &kind, r->err) != HL_OK) r->status = HL_E_FORMAT;
    rope->n_rot = read_u32(r, "rope.dimension_count", head_dim);
    rope->base = read_f32(r, "rope.freq_base", 10000.0f);
    const float factor = read_f32(r, "rope.scaling.factor", read_f32(r, "rope.scale_linear", 1.0f));
    const bool  yarn = hl_view_is(kind, "yarn"), none = hl_view_is(kind, "none");
    if (!yarn && !none && kind.len > 0 && !hl_view_is(kind, "linear") && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_UNSUPPORTED, "key '%s' is '%.*s'; supported: none, linear, yarn",
                            key, (int)(kind.len > 64 ? 64 : kind.len), kind.ptr);
    if (factor <= 0) fail_once(r, "rope.scaling.factor", (double)factor, "a positive number");
    if (rope->base <= 0) fail_once(r, "rope.freq_base", (double)rope->base, "a positive number");
    rope->freq_scale = none ? 1.0f : 1.0f / factor;
    rope->ext_factor = yarn ? 1.0f : 0.0f;
    rope->attn_factor = read_f32(r, "rope.scaling.attn_factor", 1.0f);
    rope->beta_fast = read_f32(r, "rope.scaling.yarn_beta_fast", 32.0f);
    rope->beta_slow = read_f32(r, "rope.scaling.yarn_beta_slow", 1.0f);
    rope->n_ctx_orig = read_u32(r, "rope.scaling.original_context_length", hp->n_ctx_train);
    hp->n_ropes = 1;
}

/* Windowed layers may rotate in another way. */
static void read_window_rope(reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool           is_plain = arch->window_rope_base > 0; /* they know no scaling */
    const hl_rope_params all = hp->ropes[0];
    hl_rope_params       own = all;
    own.n_rot = arch->window_pattern > 0 ? read_u32(r, "rope.dimension_count_swa", all.n_rot) : all.n_rot;
    own.base = read_f32(r, "rope.freq_base_swa", is_plain ? arch->window_rope_base : all.base);
    if (own.base <= 0) fail_once(r, "rope.freq_base_swa", (double)own.base, "a positive number");
    if (is_plain) own.freq_scale = own.attn_factor = 1.0f;
    hp->ropes[1] = own;
    if (own.n_rot == all.n_rot && own.base == all.base && own.freq_scale == all.freq_scale) return;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->layers[i].window == 0) continue;
        hp->layers[i].i_rope = 1;
        hp->n_ropes = 2;
    }
}

/* A key of the tokenizer's; two types are BERT's own number. */
static void read_token_types(reader *r, hl_hparams *hp) {
    static const char key[] = "tokenizer.ggml.token_type_count";
    enum { DEFAULT_TYPES = 2, MAX_TYPES = 1 << 16 };
    uint64_t n = DEFAULT_TYPES;
    if (r->status == HL_OK && hl_gguf_find(r->g, key)) r->status = hl_gguf_get_u64(r->g, key, &n, r->err);
    if (r->status == HL_OK && (n < 1 || n > MAX_TYPES))
        r->status =
            hl_fail(r->err, HL_E_FORMAT, "key '%s' is %" PRIu64 ", expected 1..%d", key, n, MAX_TYPES);
    hp->n_token_types = (uint32_t)n;
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static void find_most(hl_hparams *hp) {
    hl_layer_params *most = &hp->most;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const hl_layer_params *p = &hp->layers[i];
        most->n_heads = larger(most->n_heads, p->n_heads);
        most->n_kv_heads = larger(most->n_kv_heads, p->n_kv_heads);
        most->head_dim = larger(most->head_dim, p->head_dim);
        most->head_room = larger(most->head_room, p->head_room);
        most->n_ff = larger(most->n_ff, p->n_ff);
        most->n_expert_ff = larger(most->n_expert_ff, p->n_expert_ff);
        most->window = larger(most->window, p->window);
    }
}

/* The one place where what a file says is compared with what there is room for. A default that follows from
 * other keys is a number like any other. */
static void check_limits(reader *r, const hl_hparams *hp) {
#define HL_LIMIT(name, most_of_it, hparam, key, who) check_limit(r, key, hp->hparam, HL_MAX_##name);
#include "engine/capacities.def"
#undef HL_LIMIT
}

/* What one size says of another. */
static void check_relations(reader *r, const hl_arch *arch, const hl_hparams *hp) {
    const uint32_t v_dim = read_u32(r, "attention.value_length", 0);
    const uint32_t v_windowed =
        arch->window_pattern > 0 ? read_u32(r, "attention.value_length_swa", v_dim) : v_dim;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const hl_layer_params *p = &hp->layers[i];
        const uint32_t         v = p->window > 0 ? v_windowed : v_dim;
        if (p->head_dim == 0)
            fail_once(r, "embedding_length", hp->n_embd,
                      "at least attention.head_count, or attention.key_length");
        if (v != 0 && v != p->head_dim)
            fail_once(r, v == v_dim ? "attention.value_length" : "attention.value_length_swa", v,
                      "the same as attention.key_length");
        if (p->n_heads % p->n_kv_heads != 0)
            fail_once(r, "attention.head_count", p->n_heads, "a multiple of attention.head_count_kv");
        if (hp->ropes[p->i_rope].n_rot > p->head_dim || hp->ropes[p->i_rope].n_rot % 2 != 0)
            fail_once(r, "rope.dimension_count", hp->ropes[p->i_rope].n_rot,
                      "an even number up to the head size");
    }
    if (hp->n_experts_used > hp->n_experts)
        fail_once(r, "expert_used_count", hp->n_experts_used, "at most expert_count");
}

/* What follows from the sizes of each layer. */
static void finish_layers(const hl_arch *arch, hl_hparams *hp) {
    const bool by_embd =
        arch->query_pre_attn_scalar_layers != 0 && hp->n_layers == arch->query_pre_attn_scalar_layers;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        p->qk_scale = 1.0f / sqrtf(by_embd ? (float)(hp->n_embd / p->n_heads) : (float)p->head_dim);
        hp->kv_layers[i] = (hl_kv_layer){p->n_kv_heads, p->head_room};
    }
}

hl_status hl_hparams_load(const hl_gguf *g, const hl_arch *arch, hl_arena *arena, hl_hparams *ret_hp,
                          hl_err *err) {
    reader     r = {.g = g, .arch = arch->name, .by_layer = arch->by_layer, .err = err, .status = HL_OK};
    hl_hparams hp = {0};
    read_sizes(&r, arena, &hp);
    if (r.status != HL_OK) return r.status;
    if (arch->window_pattern > 0) read_windows(&r, arch, &hp);
    const uint32_t head_dim = read_heads(&r, arch, &hp);
    read_experts(&r, arch, &hp);
    read_rope(&r, &hp, head_dim);
    read_window_rope(&r, arch, &hp);
    if (arch->rope == HL_ROPE_NONE) hp.ropes[0].n_rot = hp.ropes[1].n_rot = 0;
    hp.rms_eps = read_f32(&r, "attention.layer_norm_rms_epsilon", 1e-5f);
    hp.layer_eps = read_f32(&r, "attention.layer_norm_epsilon", 1e-12f);
    if (arch->is_encoder) {
        read_token_types(&r, &hp);
        hp.n_pooled = read_u32(&r, "dense_2_feat_out", 0);
        check_limit(&r, "dense_2_feat_out", hp.n_pooled, HL_MAX_FF);
    }
    if (arch->has_softcap) {
        hp.attn_softcap = read_f32(&r, "attn_logit_softcapping", arch->attn_softcap);
        hp.final_softcap = read_f32(&r, "final_logit_softcapping", arch->final_softcap);
    }
    hp.pooling = read_u32(&r, "pooling_type", 0);
    find_most(&hp);
    check_limits(&r, &hp);
    if (r.status == HL_OK) check_relations(&r, arch, &hp);
    if (r.status != HL_OK) return r.status;
    finish_layers(arch, &hp);
    hp.embd_scale = arch->scale_embd ? sqrtf((float)hp.n_embd) : 1.0f;
    *ret_hp = hp;
    return HL_OK;
}
