/* SPDX-License-Identifier: MIT
 *
 * hparams_blocks.c - the keys that single blocks read: experts, low-rank attention, multipliers, and numbers
 * of their own for each layer.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/str.h"
#include "engine/hparams_keys.h"

/* ---- experts ---------------------------------------------------------------------------------- */

static bool has_router(const hl_key_reader *r, uint32_t i_layer) {
    char name[64];
    (void)snprintf(name, sizeof name, "blk.%u.ffn_gate_inp.weight", i_layer);
    return hl_gguf_find_tensor(r->g, name) != NULL;
}

/* Whether a layer has experts: the file shows it, or keys say which. */
static bool is_expert_layer(hl_key_reader *r, const hl_arch *arch, uint32_t i) {
    if (arch->router.by_tensor) return has_router(r, i);
    const uint32_t step = hl_key_u32(r, "interleave_moe_layer_step", 1);
    const uint32_t every = hl_key_u32(r, "moe_every_n_layers", 1);
    if (i < hl_key_u32(r, "leading_dense_block_count", 0)) return false;
    if (step > 1 && (i + 1) % step != 0) return false;
    return every <= 1 || i % every == 1;
}

static uint32_t shared_width(hl_key_reader *r, const hl_arch *arch, const hl_layer_params *p) {
    const uint32_t width = hl_key_u32(r, "expert_shared_feed_forward_length", 0);
    const uint32_t n = hl_key_u32(r, "expert_shared_count", 0);
    if (arch->weights[HL_W_UP_SHEXP] == HL_IGNORED) return 0;
    if (width > 0) return width;
    if (n > 0) return n <= HL_MAX_EXPERTS ? n * p->n_expert_ff : UINT32_MAX;
    switch (arch->router.shared_width) {
    case HL_SHARED_AS_EXPERT: return p->n_expert_ff;
    case HL_SHARED_AS_DENSE: return p->n_ff;
    default: return 0;
    }
}

/* Files of GLM-4.7-Flash do not say that its router is a sigmoid; so the reference knows it, too. */
static bool is_glm_flash(const hl_key_reader *r, const hl_arch *arch, const hl_hparams *hp) {
    enum { N_VOCAB = 154880 };
    const hl_gguf_tensor *t = hl_gguf_find_tensor(r->g, "token_embd.weight");
    return arch->has_mla && (hp->n_layers == 47 || hp->n_layers == 48) && t && t->n_dims == 2 &&
           t->shape[0] == N_VOCAB;
}

/* The numbers of the key: 1 softmax, 2 sigmoid, 3 softmax over the chosen, 4 root of softplus. */
static hl_gate read_gate(hl_key_reader *r, const hl_arch *arch, const hl_hparams *hp) {
    static const hl_gate gates[] = {HL_GATE_SOFTMAX, HL_GATE_SIGMOID, HL_GATE_CHOSEN, HL_GATE_SQRT_SOFTPLUS};
    const uint32_t       n = arch->router.gate_by_key ? hl_key_u32(r, "expert_gating_func", 0) : 0;
    if (n == 0) return is_glm_flash(r, arch, hp) ? HL_GATE_SIGMOID : arch->router.gate;
    if (n <= sizeof gates / sizeof gates[0]) return gates[n - 1];
    hl_key_fail(r, "expert_gating_func", n,
                "1 softmax, 2 sigmoid, 3 softmax over the chosen, or 4 root of "
                "softplus");
    return arch->router.gate;
}

static void read_router(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    hl_router_params *p = &hp->router;
    p->gate = read_gate(r, arch, hp);
    p->norms_shares =
        arch->router.shares == HL_SHARES_NORMED ||
        (arch->router.shares == HL_SHARES_BY_KEY && hl_key_bool(r, "expert_weights_norm", false));
    p->scale = hl_key_f32(r, "expert_weights_scale", 1.0f);
    p->n_groups = hl_key_u32(r, "expert_group_count", 1);
    p->n_groups_used = hl_key_u32(r, "expert_group_used_count", p->n_groups);
    if (r->status != HL_OK || p->n_groups == 1) return;
    if (p->n_groups > hp->n_experts || hp->n_experts % p->n_groups != 0)
        hl_key_fail(r, "expert_group_count", p->n_groups, "a divisor of expert_count");
    else if (p->n_groups_used > p->n_groups)
        hl_key_fail(r, "expert_group_used_count", p->n_groups_used, "at most expert_group_count");
    else if (hp->n_experts / p->n_groups * p->n_groups_used < hp->n_experts_used)
        hl_key_fail(r, "expert_group_used_count", p->n_groups_used,
                    "as many as hold expert_used_count experts");
}

void hl_key_read_experts(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const size_t n_ff = offsetof(hl_layer_params, n_ff);
    hp->router = (hl_router_params){.scale = 1.0f, .n_groups = 1};
    if (arch->mixing == HL_MIXING_STATE) return; /* layers have no feed-forward block */
    hp->n_experts = arch->may_have_experts ? hl_key_u32(r, "expert_count", 0) : 0;
    if (hp->n_experts == 0) {
        if (arch->needs_experts) (void)hl_key_need_u32(r, "expert_count");
        hl_key_need_each(r, "feed_forward_length", HL_BY_LAYER_FF, hp, n_ff);
        return;
    }
    hp->n_experts_used = hl_key_need_u32(r, "expert_used_count");
    if (r->status != HL_OK) return;
    hl_key_each(r, "feed_forward_length", HL_BY_LAYER_FF, hp, n_ff);
    for (uint32_t i = 0; i < hp->n_layers; i++)
        hp->layers[i].n_expert_ff = hp->layers[i].n_ff / (arch->splits_ff ? hp->n_experts_used : 1);
    hl_key_each(r, "expert_feed_forward_length", 0, hp, offsetof(hl_layer_params, n_expert_ff));
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        if (!p->has_ffn) continue;
        if (p->n_expert_ff == 0) (void)hl_key_need_u32(r, "expert_feed_forward_length");
        if (!is_expert_layer(r, arch, i)) p->n_expert_ff = 0;
        if (p->n_expert_ff > 0) p->n_shared_ff = shared_width(r, arch, p);
        if (p->n_ff == 0 && (p->n_expert_ff == 0 || arch->router.beside_dense))
            (void)hl_key_need_u32(r, "feed_forward_length");
    }
    read_router(r, arch, hp);
    if (arch->weights[HL_W_LATENT_UP] == HL_IGNORED) return;
    hp->n_latent = hl_key_u32(r, "moe_latent_size", 0);
    hl_key_check_limit(r, "moe_latent_size", hp->n_latent, hp->n_embd);
}

/* ---- low-rank attention ----------------------------------------------------------------------- */

/* The cache holds one row for all heads, of which the values are the first part, where the file describes
 * heads by keys of their own; else whole heads. The YaRN multiplier of scores is that of DeepSeek:
 * (1 + 0.1 log_mul ln factor)^2. */
void hl_key_read_mla(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    hl_mla_params *m = &hp->mla;
    const uint32_t key = hl_key_u32(r, "attention.key_length_mla", 0);
    const uint32_t value = hl_key_u32(r, "attention.value_length_mla", 0);
    const bool     is_whole = hl_gguf_find_tensor(r->g, "blk.0.attn_q.weight") != NULL;
    m->q_rank = is_whole ? 0 : hl_key_u32(r, "attention.q_lora_rank", 0);
    m->kv_rank = hl_key_need_u32(r, "attention.kv_lora_rank");
    /* where nothing rotates, a head has that part all the same */
    m->rot = arch->rope == HL_ROPE_NONE ? hl_key_u32(r, "rope.dimension_count", 0) : hp->ropes[0].n_rot;
    m->is_absorbed = key > 0 && value > 0;
    hl_key_check_limit(r, "attention.q_lora_rank", m->q_rank, HL_MAX_EMBD);
    hl_key_check_limit(r, "attention.kv_lora_rank", m->kv_rank, HL_MAX_HEAD_DIM);
    hl_key_check_limit(r, "attention.key_length_mla", key, HL_MAX_HEAD_DIM);
    hl_key_check_limit(r, "attention.value_length_mla", value, HL_MAX_HEAD_DIM);
    const uint32_t whole = m->is_absorbed ? key : hp->layers[0].head_dim;
    if (r->status != HL_OK) return;
    if (m->rot == 0 || m->rot >= whole || m->rot % 2 != 0) {
        hl_key_fail(r, "rope.dimension_count", m->rot, "an even number below the size of a head");
        return;
    }
    m->still = whole - m->rot;
    m->v = m->is_absorbed ? value : hp->layers[0].v_dim;
    const double factor = 1.0 / (double)hp->ropes[0].freq_scale;
    const double log_mul =
        arch->yarn_log_unit > 0 && hp->ropes[0].ext_factor != 0
            ? (double)hl_key_f32(r, "rope.scaling.yarn_log_multiplier", 0) / (double)arch->yarn_log_unit
            : 0;
    const double magnitude = factor > 1 ? 1 + 0.1 * log_mul * log(factor) : 1;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        p->rotates = false; /* mla.c turns what is to be turned */
        p->qk_scale = (float)(magnitude * magnitude / sqrt((double)whole));
        if (m->is_absorbed) {
            p->n_kv_heads = 1;
            p->head_dim = m->kv_rank + m->rot;
            p->v_dim = m->kv_rank;
            p->v_in_k = true;
        } else {
            p->n_kv_heads = p->n_heads;
        }
    }
}

/* ---- the rest --------------------------------------------------------------------------------- */

static void read_scales(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool  minicpm = arch->scales == HL_SCALES_MINICPM;
    const float embd = minicpm ? 12.0f : 1.0f;
    const float residual = minicpm ? 1.4f / sqrtf((float)hp->n_layers) : 1.0f;
    const float logit = minicpm ? (float)hp->n_embd / 256.0f : 1.0f;
    hp->embd_scale = arch->scale_embd ? sqrtf((float)hp->n_embd) : 1.0f;
    hp->residual_scale = hp->logit_scale = 1.0f;
    if (arch->scales == HL_SCALES_NONE) return;
    if (arch->scales != HL_SCALES_MULTIPLY) {
        hp->embd_scale = hl_key_f32(r, "embedding_scale", embd);
        hp->residual_scale = hl_key_f32(r, "residual_scale", residual);
    }
    hp->logit_scale = hl_key_f32(r, "logit_scale", logit);
    if (arch->scales != HL_SCALES_MULTIPLY) hp->logit_scale = 1.0f / hp->logit_scale;
}

/* Late layers read the keys and values of the last earlier one of their kind. */
static void read_shared_kv(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    enum { GEMMA3N_OWN = 20 }; /* whatever the key says: so do the model's own code and the reference */
    const uint32_t n_shared = hl_key_u32(r, "attention.shared_kv_layers", 0);
    if (arch->has_altup ? hp->n_layers <= GEMMA3N_OWN : n_shared == 0) return;
    if (!arch->has_altup && n_shared >= hp->n_layers) {
        hl_key_fail(r, "attention.shared_kv_layers", n_shared, "less than block_count");
        return;
    }
    const uint32_t n_own = arch->has_altup ? GEMMA3N_OWN : hp->n_layers - n_shared;
    for (uint32_t i = n_own; i < hp->n_layers; i++) {
        hl_layer_params       *p = &hp->layers[i];
        const uint32_t         back = p->window > 0 ? 2 : 1;
        const uint32_t         from = n_own >= back ? n_own - back : 0;
        const hl_layer_params *q = &hp->layers[from];
        if (q->n_kv_heads != p->n_kv_heads || q->head_dim != p->head_dim || q->v_dim != p->v_dim) {
            hl_key_fail(r, "attention.shared_kv_layers", n_shared,
                        "layers whose keys and values are as large as those they share");
            return;
        }
        p->i_kv = from;
        p->shares_kv = true;
    }
}

/* from: the published code of Mistral 3 and Llama 4: 1 + s ln(1 + floor(p / t)) */
static void read_temperature(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    hl_temperature *t = &hp->temperature;
    if (arch->temperature == HL_TEMPERATURE_NONE) return;
    if (arch->temperature == HL_TEMPERATURE_STILL) {
        *t = (hl_temperature){.scale = 0.1f, .length = 8192, .offset = 1};
    } else {
        t->scale = hl_key_f32(r, "attention.temperature_scale", 0);
        t->length = hl_key_u32(r, "attention.temperature_length", hp->ropes[0].n_ctx_orig);
        if (t->length == 0) t->length = 1;
    }
    for (uint32_t i = 0; i < hp->n_layers; i++)
        hp->layers[i].has_temperature =
            t->scale != 0 && (arch->temperature == HL_TEMPERATURE_BY_KEY || !hp->layers[i].rotates);
}

static double softplus(double x) { return x > 20 ? x : log1p(exp(x)); }

/* Numbers by layer, of keys that carry no architecture's name (xielu) or may be absent (swiglu). */
static void read_bends(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    char clip[128], shared[128];
    (void)hl_key_find(r, "swiglu_clamp_exp", clip, sizeof clip);
    (void)hl_key_find(r, "swiglu_clamp_shexp", shared, sizeof shared);
    for (uint32_t i = 0; i < hp->n_layers && r->status == HL_OK; i++) {
        hl_layer_params *p = &hp->layers[i];
        float            n = 0, q = 0;
        if (arch->activation == HL_ACTIVATION_SWIGLU && p->n_expert_ff > 0)
            (void)hl_key_f32_of_layer(r, clip, i, &p->bend.clip);
        if (arch->activation == HL_ACTIVATION_SWIGLU)
            (void)hl_key_f32_of_layer(r, shared, i, &p->shared_bend.clip);
        if (p->n_expert_ff == 0)
            p->bend.clip = p->shared_bend.clip; /* a dense block is a shared expert alone */
        if (arch->activation != HL_ACTIVATION_XIELU) continue;
        if (!hl_key_f32_of_layer(r, "xielu.alpha_n", i, &n) ||
            !hl_key_f32_of_layer(r, "xielu.alpha_p", i, &q) ||
            !hl_key_f32_of_layer(r, "xielu.beta", i, &p->bend.beta) ||
            !hl_key_f32_of_layer(r, "xielu.eps", i, &p->bend.eps)) {
            if (r->status == HL_OK)
                r->status = hl_fail(r->err, HL_E_FORMAT,
                                    "keys 'xielu.alpha_n', 'xielu.alpha_p', 'xielu.beta' and 'xielu.eps' are "
                                    "needed, with a number for each layer");
            return;
        }
        p->bend.alpha_p = (float)softplus((double)q);
        p->bend.alpha_n = (float)((double)p->bend.beta + softplus((double)n));
    }
}

static void read_residual(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    const bool by_key = arch->residual == HL_RESIDUAL_BY_KEY && hl_key_bool(r, "use_parallel_residual", true);
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "blk.%u.ffn_norm.weight", i);
        hp->layers[i].is_parallel =
            arch->residual == HL_RESIDUAL_PARALLEL || by_key ||
            (arch->residual == HL_RESIDUAL_BY_NORM && !hl_gguf_find_tensor(r->g, name));
    }
}

static void read_activation(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    static const struct {
        const char   *name;
        hl_activation is;
    } known[] = {{"gelu", HL_ACTIVATION_GEGLU},  {"geglu", HL_ACTIVATION_GEGLU},
                 {"silu", HL_ACTIVATION_SWIGLU}, {"swiglu", HL_ACTIVATION_SWIGLU},
                 {"relu", HL_ACTIVATION_REGLU},  {"reglu", HL_ACTIVATION_REGLU}};
    char                 key[128];
    hl_view              name = {0};
    const hl_gguf_value *v = hl_key_find(r, "hidden_activation", key, sizeof key);
    hp->activation = arch->activation;
    if (!v || !arch->reads_activation) return;
    if ((r->status = hl_gguf_get_text(r->g, key, &name, r->err)) != HL_OK) return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!hl_view_is(name, known[i].name)) continue;
        hp->activation = known[i].is;
        return;
    }
    r->status = hl_fail(r->err, HL_E_UNSUPPORTED, "key '%s' is '%.*s'; supported: gelu, silu, relu", key,
                        (int)(name.len > 64 ? 64 : name.len), name.ptr);
}

void hl_key_read_blocks(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    enum { MAX_SIDE = 1 << 14, GEMMA3N_SIDE = 256 };
    read_scales(r, arch, hp);
    read_temperature(r, arch, hp);
    read_activation(r, arch, hp);
    read_bends(r, arch, hp);
    read_residual(r, arch, hp);
    if (arch->weights[HL_W_SIDE_EMBD] != HL_IGNORED) {
        hp->n_side = arch->has_altup ? GEMMA3N_SIDE : hl_key_u32(r, "embedding_length_per_layer_input", 0);
        hl_key_check_limit(r, "embedding_length_per_layer_input", hp->n_side, MAX_SIDE);
        read_shared_kv(r, arch, hp);
    }
    hp->max_alibi_bias = arch->has_alibi ? hl_key_f32(r, "attention.max_alibi_bias", 8.0f) : 0;
    hp->clamp_qkv = hl_key_f32(r, "attention.clamp_kqv", 0);
    hp->value_scale = hl_key_f32(r, "attention.value_scale", 1.0f);
}
