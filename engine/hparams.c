/* SPDX-License-Identifier: MIT
 *
 * hparams.c - a model's sizes and constants from the keys of its file: layers, heads, windows, rotation.
 *
 * What single blocks read of their own is in hparams_blocks.c.
 */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/str.h"
#include "engine/hparams_keys.h"

/* Layers that draft stand behind those of the model, and are no part of it. 4294967295, "unset" where a key
 * is an id, is a number here: one that is too large. */
static void count_layers(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    char                 key[128];
    double               x = 0;
    const hl_gguf_value *v = hl_key_find(r, "nextn_predict_layers", key, sizeof key);
    hp->n_blocks = hl_key_need_u32(r, "block_count");
    hl_key_check_limit(r, "block_count", hp->n_blocks, HL_MAX_LAYERS);
    uint32_t n_drafting = hl_key_u32(r, "nextn_predict_layers", 0);
    if (v && hl_gguf_elem_f64(v, 0, &x) && x == UINT32_MAX) n_drafting = UINT32_MAX;
    if (arch->drafts != HL_DRAFTS_NOT) { /* all of them draft, and are the layers of the file */
        if (r->status == HL_OK && v && n_drafting > 0 && n_drafting != hp->n_blocks)
            r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %u, expected block_count (%u)", key,
                                n_drafting, hp->n_blocks);
        n_drafting = 0;
    }
    if (r->status == HL_OK && n_drafting >= hp->n_blocks)
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %u, expected less than block_count (%u)", key,
                            n_drafting, hp->n_blocks);
    hp->n_layers = hp->n_blocks - n_drafting;
}

static void read_sizes(hl_key_reader *r, const hl_arch *arch, hl_arena *arena, hl_hparams *hp) {
    count_layers(r, arch, hp);
    if (r->status != HL_OK) return;
    hp->layers = hl_arena_get(arena, hp->n_layers, sizeof *hp->layers);
    hp->kv_layers = hl_arena_get(arena, hp->n_layers, sizeof *hp->kv_layers);
    if (!hp->layers || !hp->kv_layers) {
        r->status = hl_fail(r->err, HL_E_NOMEM, "no memory for the sizes of %u layers", hp->n_layers);
        return;
    }
    r->n_layers = hp->n_kv_layers = hp->n_layers;
    hp->n_ctx_train = hl_key_u32(r, "context_length", 2048);
    hp->n_embd = hl_key_need_u32(r, "embedding_length");
    hp->n_attn_in = arch->attends_to_pairs ? 2 * hp->n_embd : hp->n_embd;
    hl_key_read_mixers(r, arch, hp);
    for (uint32_t i = 0; i < hp->n_layers; i++) hp->layers[i].i_kv = i;
    if (arch->mixing != HL_MIXING_ATTENTION) {
        hl_key_read_head_counts(r, hp);
        return;
    }
    hl_key_need_each(r, "attention.head_count", HL_BY_LAYER_HEADS, hp, offsetof(hl_layer_params, n_heads));
    for (uint32_t i = 0; i < hp->n_layers; i++) hp->layers[i].n_kv_heads = hp->layers[i].n_heads;
    hl_key_each(r, "attention.head_count_kv", HL_BY_LAYER_KV_HEADS, hp,
                offsetof(hl_layer_params, n_kv_heads));
}

/* One number for all layers, of which every n-th sees everything (0: none does), or, where the family knows
 * such lists, a yes or no for each. Whether layer i has a window. */
static bool has_window(hl_key_reader *r, const hl_arch *arch, const char *key, const hl_gguf_value *v,
                       uint32_t i) {
    const bool is_list = v && v->kind == HL_GGUF_ARRAY;
    double     n = arch->window_pattern, x = 0;
    if (is_list && arch->window_by_key && v->elem_kind == HL_GGUF_BOOL) return v->data[i] != 0;
    if (v && (!is_list || arch->window_by_key)) {
        if (!hl_gguf_elem_f64(v, is_list ? i : 0, &x) || !(x >= 0 && x <= UINT32_MAX) || x != floor(x)) {
            r->status =
                hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a whole number, or one per layer", key);
            return false;
        }
        if (is_list) return x != 0;
        n = x;
    }
    const uint64_t at = arch->window_dense_first ? i : (uint64_t)i + 1;
    return !(n > 0 && at % (uint64_t)n == 0);
}

/* Whether a key is there and says 0. */
static bool is_zero(hl_key_reader *r, const char *suffix) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    double               x = 1;
    return v && v->kind != HL_GGUF_ARRAY && hl_gguf_elem_f64(v, 0, &x) && x == 0;
}

static void read_windows(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    char                 key[128];
    uint32_t             window = hl_key_u32(r, "attention.sliding_window", arch->window_default);
    const hl_gguf_value *v = hl_key_find(r, "attention.sliding_window_pattern", key, sizeof key);
    if (arch->window_fixed > 0) window = is_zero(r, "attention.sliding_window") ? 0 : arch->window_fixed;
    if (arch->needs_window && window == 0) (void)hl_key_need_u32(r, "attention.sliding_window");
    if (r->status != HL_OK || window == 0) return;
    if (arch->window_layers > 0 && hp->n_layers != arch->window_layers) return;
    if (!v && arch->window_of_pattern_key) return;
    if (v && v->kind == HL_GGUF_ARRAY && arch->window_by_key && v->n < hp->n_layers) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': %" PRIu64 " values, expected one per layer (%u)",
                            key, v->n, hp->n_layers);
        return;
    }
    for (uint32_t i = 0; i < hp->n_layers && r->status == HL_OK; i++)
        if (has_window(r, arch, key, v, i)) hp->layers[i].window = window;
}

/* Of the first layer that attends; 1 where none does. */
static uint32_t some_heads(const hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (hp->layers[i].n_heads > 0) return hp->layers[i].n_heads;
    return 1;
}

/* Windowed layers may have heads of another size. Without a size, a head is a part of the embedding. */
static void read_heads(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool     has_windows = arch->window_pattern > 0;
    const uint32_t k_all = hl_key_u32(r, "attention.key_length", 0);
    const uint32_t v_all = hl_key_u32(r, "attention.value_length", 0);
    const uint32_t k_windowed = has_windows ? hl_key_u32(r, "attention.key_length_swa", k_all) : k_all;
    const uint32_t v_windowed = has_windows ? hl_key_u32(r, "attention.value_length_swa", v_all) : v_all;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        const uint32_t   k = p->window > 0 ? k_windowed : k_all, v = p->window > 0 ? v_windowed : v_all;
        p->head_dim = k > 0 ? k : hp->n_embd / some_heads(hp);
        p->v_dim = v > 0 ? v : p->head_dim;
    }
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static void find_head_rooms(hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        p->head_room = (larger(p->head_dim, p->v_dim) + 7) / 8 * 8;
    }
}

typedef enum scaling { SCALING_LINEAR, SCALING_NONE, SCALING_YARN, SCALING_TABLES } scaling;

static scaling read_scaling(hl_key_reader *r, const hl_arch *arch) {
    char                 key[128];
    hl_view              kind = {0};
    const hl_gguf_value *v = hl_key_find(r, "rope.scaling.type", key, sizeof key);
    const bool           has_tables = arch->weights[HL_W_ROPE_LONG] != HL_IGNORED;
    if (v && hl_gguf_get_text(r->g, key, &kind, r->err) != HL_OK) r->status = HL_E_FORMAT;
    if (kind.len == 0 || hl_view_is(kind, "linear")) return SCALING_LINEAR;
    if (hl_view_is(kind, "none")) return SCALING_NONE;
    if (hl_view_is(kind, "yarn")) return SCALING_YARN;
    if (has_tables && hl_view_is(kind, "longrope")) return SCALING_TABLES;
    if (r->status == HL_OK)
        r->status =
            hl_fail(r->err, HL_E_UNSUPPORTED, "key '%s' is '%.*s'; supported: none, linear, yarn%s", key,
                    (int)(kind.len > 64 ? 64 : kind.len), kind.ptr, has_tables ? ", longrope" : "");
    return SCALING_LINEAR;
}

/* What YaRN multiplies cos and sin with, for a stretch by `factor`: m of equation 22, divided by that of the
 * model's own logarithm where the file gives one. */
static float yarn_magnitude(hl_key_reader *r, const hl_arch *arch, double factor) {
    const double log_mul =
        arch->yarn_log_unit > 0
            ? (double)hl_key_f32(r, "rope.scaling.yarn_log_multiplier", 0) / (double)arch->yarn_log_unit
            : 0;
    const double ln = factor > 1 ? log(factor) : 0;
    if (log_mul == 0) return (float)(0.1 * ln + 1);
    /* those whose unit is not 1 (DeepSeek) have the same logarithm on both sides */
    return arch->yarn_log_unit == 1.0f ? (float)((0.1 * ln + 1) / (0.1 * log_mul * ln + 1)) : 1.0f;
}

/* The context a scaled rotation was trained for, and how far it is stretched. */
static void read_rope(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp, uint32_t head_dim) {
    hl_rope_params *rope = &hp->ropes[0];
    const scaling   kind = read_scaling(r, arch);
    rope->n_rot = hl_key_u32(r, "rope.dimension_count", head_dim);
    rope->base = hl_key_f32(r, "rope.freq_base", 10000.0f);
    const float factor = hl_key_f32(r, "rope.scaling.factor", hl_key_f32(r, "rope.scale_linear", 1.0f));
    if (factor <= 0) hl_key_fail(r, "rope.scaling.factor", (double)factor, "a positive number");
    if (rope->base <= 0) hl_key_fail(r, "rope.freq_base", (double)rope->base, "a positive number");
    if (r->status != HL_OK) return;
    const bool is_stretched = kind == SCALING_LINEAR || kind == SCALING_YARN;
    rope->freq_scale = is_stretched ? 1.0f / factor : 1.0f;
    rope->ext_factor = kind == SCALING_YARN ? 1.0f : 0.0f;
    rope->attn_factor = hl_key_f32(r, "rope.scaling.attn_factor", 1.0f);
    if (kind == SCALING_YARN) rope->attn_factor *= yarn_magnitude(r, arch, (double)factor);
    rope->beta_fast = arch->reads_yarn_betas ? hl_key_f32(r, "rope.scaling.yarn_beta_fast", 32.0f) : 32.0f;
    rope->beta_slow = arch->reads_yarn_betas ? hl_key_f32(r, "rope.scaling.yarn_beta_slow", 1.0f) : 1.0f;
    rope->n_ctx_orig = hl_key_u32(r, "rope.scaling.original_context_length", hp->n_ctx_train);
    rope->has_factors = true;
    if (!(rope->beta_fast > 0 && rope->beta_slow > 0))
        hl_key_fail(r, "rope.scaling.yarn_beta_fast", (double)rope->beta_fast, "a positive number");
    hp->n_rot_file = rope->n_rot;
    hp->n_ropes = 1;
}

/* Windowed layers may rotate in another way. */
static void read_window_rope(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    hl_rope_params *all = &hp->ropes[0], own = *all;
    const bool      has_windows = arch->window_pattern > 0;
    const float     base = arch->window_rope_base > 0 ? arch->window_rope_base : all->base;
    own.n_rot = has_windows ? hl_key_u32(r, "rope.dimension_count_swa", all->n_rot) : all->n_rot;
    own.base = has_windows ? hl_key_f32(r, "rope.freq_base_swa", base) : base;
    if (own.base <= 0) hl_key_fail(r, "rope.freq_base_swa", (double)own.base, "a positive number");
    if (arch->window_rope_plain) {
        own.freq_scale = own.attn_factor = 1.0f;
        own.ext_factor = 0;
        own.has_factors = false;
    }
    if (arch->window_rope_factored) all->n_rot /= 2;
    hp->ropes[1] = own;
    if (own.n_rot == all->n_rot && own.base == all->base && own.freq_scale == all->freq_scale &&
        own.ext_factor == all->ext_factor && own.has_factors == all->has_factors)
        return;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->layers[i].window == 0) continue;
        hp->layers[i].i_rope = 1;
        hp->n_ropes = 2;
    }
}

/* Which layers turn their heads at all. */
static void find_rotating(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool is_still = arch->rope == HL_ROPE_NONE ||
                          (arch->rotates_if_finetuned && !hl_key_bool(r, "rope.scaling.finetuned", true));
    const uint32_t n_lead = hl_key_u32(r, "leading_dense_block_count", 0);
    const bool     counts = arch->window_layers == 0 || hp->n_layers == arch->window_layers;
    enum { MAVERICK_EXPERTS = 128 }; /* of Llama 4, the one that has none of these norms */
    if (is_still) hp->ropes[0].n_rot = hp->ropes[1].n_rot = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        p->rotates = !is_still;
        p->norms_turned = arch->plain_norm_behind_rope && hp->n_experts != MAVERICK_EXPERTS;
        if (arch->still == HL_STILL_EVERY_4TH && (i + 1) % 4 == 0) p->rotates = false;
        if (arch->still == HL_STILL_UNWINDOWED && counts && p->window == 0)
            p->rotates = arch->lead_rotates && i < n_lead;
    }
}

/* A key of the tokenizer's; two types are BERT's own number. */
static void read_token_types(hl_key_reader *r, hl_hparams *hp) {
    static const char key[] = "tokenizer.ggml.token_type_count";
    enum { DEFAULT_TYPES = 2, MAX_TYPES = 1 << 16 };
    uint64_t n = DEFAULT_TYPES;
    if (r->status == HL_OK && hl_gguf_find(r->g, key)) r->status = hl_gguf_get_u64(r->g, key, &n, r->err);
    if (r->status == HL_OK && (n < 1 || n > MAX_TYPES))
        r->status =
            hl_fail(r->err, HL_E_FORMAT, "key '%s' is %" PRIu64 ", expected 1..%d", key, n, MAX_TYPES);
    hp->n_token_types = (uint32_t)n;
}

/* Of a matrix whose size no key says; a wrong one is found when it is bound. */
static uint32_t rows_of(const hl_gguf *g, const char *name, uint32_t absent) {
    const hl_gguf_tensor *t = hl_gguf_find_tensor(g, name);
    if (!t) return absent;
    const uint64_t n = t->n_dims > 1 ? t->shape[0] : 1;
    return n <= HL_MAX_FF ? (uint32_t)n : 0;
}

static void find_most(hl_hparams *hp) {
    hl_layer_params *most = &hp->most;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const hl_layer_params *p = &hp->layers[i];
        most->n_heads = larger(most->n_heads, p->n_heads);
        most->n_kv_heads = larger(most->n_kv_heads, p->n_kv_heads);
        most->head_dim = larger(most->head_dim, p->head_dim);
        most->v_dim = larger(most->v_dim, p->v_dim);
        most->head_room = larger(most->head_room, p->head_room);
        most->n_ff = larger(most->n_ff, p->n_ff);
        most->n_expert_ff = larger(most->n_expert_ff, p->n_expert_ff);
        most->n_shared_ff = larger(most->n_shared_ff, p->n_shared_ff);
        most->window = larger(most->window, p->window);
    }
}

/* The one place where what a file says is compared with what there is room for. A default that follows from
 * other keys is a number like any other. */
static void check_limits(hl_key_reader *r, const hl_hparams *hp) {
#define HL_LIMIT(name, most_of_it, hparam, key, who) hl_key_check_limit(r, key, hp->hparam, HL_MAX_##name);
#include "engine/capacities.def"
#undef HL_LIMIT
}

/* What one size says of another. */
static void check_relations(hl_key_reader *r, const hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const hl_layer_params *p = &hp->layers[i];
        const hl_rope_params  *rope = &hp->ropes[p->i_rope];
        if (!(p->mixes & HL_MIXES_ATTENTION)) continue;
        if (p->head_dim == 0)
            hl_key_fail(r, "embedding_length", hp->n_embd,
                        "at least attention.head_count, or attention.key_length");
        if (p->n_heads % p->n_kv_heads != 0)
            hl_key_fail(r, "attention.head_count", p->n_heads, "a multiple of attention.head_count_kv");
        if (p->rotates && (rope->n_rot > p->head_dim || rope->n_rot % 2 != 0))
            hl_key_fail(r, "rope.dimension_count", rope->n_rot, "an even number up to the head size");
    }
    if (hp->n_experts_used > hp->n_experts)
        hl_key_fail(r, "expert_used_count", hp->n_experts_used, "at most expert_count");
}

/* What follows from the sizes of each layer. */
static void finish_layers(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool by_embd =
        arch->query_pre_attn_scalar_layers != 0 && hp->n_layers == arch->query_pre_attn_scalar_layers;
    const float scale =
        arch->reads_qk_scale ? hl_key_f32(r, "attention.scale", arch->qk_scale) : arch->qk_scale;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        if (!(p->mixes & HL_MIXES_ATTENTION)) continue; /* nothing of it is cached */
        if (p->qk_scale == 0)                           /* else a block has said it */
            p->qk_scale = scale != 0
                              ? scale
                              : 1.0f / sqrtf(by_embd ? (float)(hp->n_embd / p->n_heads) : (float)p->head_dim);
        hp->kv_layers[i] = (hl_kv_layer){p->shares_kv ? 0 : p->n_kv_heads, p->head_room, p->v_in_k};
    }
}

hl_status hl_hparams_load(const hl_gguf *g, const hl_arch *arch, hl_arena *arena, hl_hparams *ret_hp,
                          hl_err *err) {
    hl_key_reader r = {.g = g,
                       .arch = arch->name,
                       .by_layer = arch->by_layer,
                       .may_be_0 = arch->may_be_0,
                       .err = err,
                       .status = HL_OK};
    hl_hparams    hp = {0};
    read_sizes(&r, arch, arena, &hp);
    if (r.status != HL_OK) return r.status;
    if (arch->window_pattern > 0) read_windows(&r, arch, &hp);
    read_heads(&r, arch, &hp);
    hl_key_read_experts(&r, arch, &hp);
    const uint32_t k_all = hl_key_u32(&r, "attention.key_length", hp.n_embd / some_heads(&hp));
    read_rope(&r, arch, &hp, k_all);
    read_window_rope(&r, arch, &hp);
    find_rotating(&r, arch, &hp);
    if (arch->has_mla) hl_key_read_mla(&r, arch, &hp);
    hl_key_read_blocks(&r, arch, &hp);
    hp.rms_eps = hl_key_f32(&r, "attention.layer_norm_rms_epsilon", 1e-5f);
    hp.layer_eps = hl_key_f32(&r, "attention.layer_norm_epsilon", arch->norms_behind ? 1e-12f : 1e-5f);
    hp.norm = arch->norm;
    if (arch->norm_by_key && hl_key_f32(&r, "attention.layer_norm_epsilon", 0) > 0) hp.norm = HL_NORM_LAYER;
    if (arch->fixed_eps > 0) hp.rms_eps = hp.layer_eps = arch->fixed_eps;
    if (arch->is_encoder) {
        read_token_types(&r, &hp);
        hp.n_pooled = hl_key_u32(&r, "dense_2_feat_out", 0);
        hl_key_check_limit(&r, "dense_2_feat_out", hp.n_pooled, HL_MAX_FF);
    }
    if (arch->has_softcap) {
        hp.attn_softcap = hl_key_f32(&r, "attn_logit_softcapping", arch->attn_softcap);
        hp.final_softcap = hl_key_f32(&r, "final_logit_softcapping", arch->final_softcap);
    }
    hp.n_cls = rows_of(g, "cls.weight", hp.n_embd);
    hp.n_labels = rows_of(g, "cls.output.weight", 0);
    hp.pooling = hl_key_u32(&r, "pooling_type", 0);
    hl_key_read_drafting(&r, arch, &hp);
    hl_key_read_states(&r, arch, &hp);
    hl_key_drop_heads(&hp);
    find_head_rooms(&hp);
    find_most(&hp);
    check_limits(&r, &hp);
    if (r.status == HL_OK) check_relations(&r, &hp);
    if (r.status != HL_OK) return r.status;
    finish_layers(&r, arch, &hp);
    if (r.status != HL_OK) return r.status;
    *ret_hp = hp;
    return HL_OK;
}
