/* SPDX-License-Identifier: MIT
 *
 * hparams.c - a model's sizes and constants from the keys of its file.
 *
 * Writers leave "unset" in three ways: the key is absent, it is 0, or (for ids) it is 4294967295. All
 * three mean the default here. Some keys may be arrays with one value per layer; only equal values are
 * supported, and the array may be longer than the number of layers.
 * from: the key list of the GGUF specification, August 2026
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "engine/model_priv.h"

typedef struct reader {
    const hl_gguf *g;
    const char    *arch;
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
                                " has %g and layer 0 has %g; only equal layers are supported",
                                key, i, x, first);
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

static float read_f32(reader *r, const char *suffix, float fallback) {
    char                 key[128];
    const hl_gguf_value *v = find_key(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v || !read_number(r, key, v, &x) || x == 0) return fallback;
    if (!isfinite(x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is not finite", key);
        return fallback;
    }
    return (float)x;
}

static void fail_once(reader *r, const char *what, double found, const char *expected) {
    if (r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %g, expected %s", r->arch, what, found, expected);
}

/* The context a scaled rotation was trained for, and how far it is stretched. */
static void read_rope(reader *r, const hl_arch *arch, hl_hparams *hp) {
    char                 key[128];
    hl_view              kind = {0};
    const hl_gguf_value *v = find_key(r, "rope.scaling.type", key, sizeof key);
    if (v && hl_gguf_get_text(r->g, key, &kind, r->err) != HL_OK) r->status = HL_E_FORMAT;

    hp->rope.base = read_f32(r, "rope.freq_base", 10000.0f);
    hp->rope.plain_window = arch->window_rope_base > 0;
    hp->rope.base_window = read_f32(r, "rope.freq_base_swa",
                                    arch->window_rope_base > 0 ? arch->window_rope_base : hp->rope.base);
    const float factor = read_f32(r, "rope.scaling.factor", read_f32(r, "rope.scale_linear", 1.0f));
    const bool  yarn = kind.len == 4 && __builtin_memcmp(kind.ptr, "yarn", 4) == 0;
    const bool  linear = kind.len == 0 || (kind.len == 6 && __builtin_memcmp(kind.ptr, "linear", 6) == 0);
    const bool  none = kind.len == 4 && __builtin_memcmp(kind.ptr, "none", 4) == 0;
    if (!yarn && !linear && !none && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_UNSUPPORTED, "key '%s' is '%.*s'; supported: none, linear, yarn",
                            key, (int)(kind.len > 64 ? 64 : kind.len), kind.ptr);
    if (factor <= 0) fail_once(r, "rope.scaling.factor", (double)factor, "a positive number");
    if (hp->rope.base <= 0) fail_once(r, "rope.freq_base", (double)hp->rope.base, "a positive number");
    hp->rope.freq_scale = none ? 1.0f : 1.0f / factor;
    hp->rope.ext_factor = yarn ? 1.0f : 0.0f;
    hp->rope.attn_factor = read_f32(r, "rope.scaling.attn_factor", 1.0f);
    hp->rope.beta_fast = read_f32(r, "rope.scaling.yarn_beta_fast", 32.0f);
    hp->rope.beta_slow = read_f32(r, "rope.scaling.yarn_beta_slow", 1.0f);
    hp->rope.n_ctx_orig = read_u32(r, "rope.scaling.original_context_length", hp->n_ctx_train);
}

static void read_sizes(reader *r, hl_hparams *hp) {
    hp->n_layers = need_u32(r, "block_count");
    r->n_layers = hp->n_layers;
    hp->n_ctx_train = read_u32(r, "context_length", 2048);
    hp->n_embd = need_u32(r, "embedding_length");
    hp->n_heads = need_u32(r, "attention.head_count");
    hp->n_kv_heads = read_u32(r, "attention.head_count_kv", hp->n_heads);
    if (r->status != HL_OK) return;
    hp->head_dim = read_u32(r, "attention.key_length", hp->n_embd / hp->n_heads);
    hp->n_rot = read_u32(r, "rope.dimension_count", hp->head_dim);
}

static void read_experts(reader *r, const hl_arch *arch, hl_hparams *hp) {
    hp->n_experts = arch->may_have_experts ? read_u32(r, "expert_count", 0) : 0;
    if (hp->n_experts == 0) {
        if (arch->needs_experts) (void)need_u32(r, "expert_count");
        hp->n_ff = need_u32(r, "feed_forward_length");
        return;
    }
    hp->n_experts_used = need_u32(r, "expert_used_count");
    if (r->status != HL_OK) return;
    hp->n_ff = read_u32(r, "feed_forward_length", 0);
    hp->n_expert_ff =
        read_u32(r, "expert_feed_forward_length", arch->splits_ff ? hp->n_ff / hp->n_experts_used : hp->n_ff);
    if (hp->n_expert_ff == 0) (void)need_u32(r, "expert_feed_forward_length");
    hp->expert_scale = read_f32(r, "expert_weights_scale", 1.0f);
}

/* After check_limits(). One number for all layers, of which every n-th sees everything (0: none does), or a
 * yes or no for each. */
static void read_window_pattern(reader *r, const hl_arch *arch, hl_hparams *hp) {
    char                 key[128];
    const hl_gguf_value *v = find_key(r, "attention.sliding_window_pattern", key, sizeof key);
    const bool           by_layer = v && v->kind == HL_GGUF_ARRAY;
    double               n = arch->window_pattern, x = 0;
    if (r->status != HL_OK) return;
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
        if (windowed) hp->windowed[i / 64] |= (uint64_t)1 << i % 64;
    }
}

/* The one place where what a file says is compared with what there is room for. A default that follows from
 * other keys is a number like any other. */
static void check_limits(reader *r, const hl_hparams *hp) {
    const struct {
        const char *key;
        uint32_t    value, most;
    } rows[] = {
#define HL_LIMIT(name, most, hparam, key, who) {key, hp->hparam, HL_MAX_##name},
#include "engine/capacities.def"
#undef HL_LIMIT
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && r->status == HL_OK; i++)
        if (rows[i].value > rows[i].most)
            r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %u, but there is room for %u", r->arch,
                                rows[i].key, rows[i].value, rows[i].most);
}

/* What one size says of another. */
static void check_relations(reader *r, const hl_hparams *hp) {
    const uint32_t v_dim = read_u32(r, "attention.value_length", hp->head_dim);
    if (hp->head_dim == 0)
        fail_once(r, "embedding_length", hp->n_embd,
                  "at least attention.head_count, or attention.key_length");
    if (v_dim != hp->head_dim)
        fail_once(r, "attention.value_length", v_dim, "the same as attention.key_length");
    if (hp->n_heads % hp->n_kv_heads != 0)
        fail_once(r, "attention.head_count", hp->n_heads, "a multiple of attention.head_count_kv");
    if (hp->n_rot > hp->head_dim || hp->n_rot % 2 != 0)
        fail_once(r, "rope.dimension_count", hp->n_rot, "an even number up to the head size");
    if (hp->n_experts_used > hp->n_experts)
        fail_once(r, "expert_used_count", hp->n_experts_used, "at most expert_count");
}

hl_status hl_hparams_load(const hl_gguf *g, const hl_arch *arch, hl_hparams *ret_hp, hl_err *err) {
    reader     r = {.g = g, .arch = arch->name, .err = err, .status = HL_OK};
    hl_hparams hp = {0};
    read_sizes(&r, &hp);
    if (r.status != HL_OK) return r.status;
    read_experts(&r, arch, &hp);
    read_rope(&r, arch, &hp);
    hp.rms_eps = read_f32(&r, "attention.layer_norm_rms_epsilon", 1e-5f);
    if (arch->window_pattern > 0) hp.window = read_u32(&r, "attention.sliding_window", arch->window_default);
    if (arch->has_softcap) {
        hp.attn_softcap = read_f32(&r, "attn_logit_softcapping", arch->attn_softcap);
        hp.final_softcap = read_f32(&r, "final_logit_softcapping", arch->final_softcap);
    }
    check_limits(&r, &hp);
    check_relations(&r, &hp);
    if (hp.window > 0) read_window_pattern(&r, arch, &hp);
    if (r.status != HL_OK) return r.status;
    hp.head_room = (hp.head_dim + 7) / 8 * 8;
    const bool  wide = arch->wide_scale_layers != 0 && hp.n_layers == arch->wide_scale_layers;
    const float d = wide ? (float)(hp.n_embd / hp.n_heads) : (float)hp.head_dim;
    hp.qk_scale = 1.0f / sqrtf(d);
    hp.embd_scale = arch->scale_embd ? sqrtf((float)hp.n_embd) : 1.0f;
    *ret_hp = hp;
    return HL_OK;
}
