/* SPDX-License-Identifier: MIT
 *
 * hparams_recurrent.c - which layers attend, which ones keep a state, and how large that is.
 */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "engine/hparams_keys.h"

/* ---- which layers do what ----------------------------------------------------------------------- */

/* A number of one layer, of a list or of all; a list has to reach that far. */
static uint32_t number_of_layer(hl_key_reader *r, const char *suffix, uint32_t i) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v) return 0;
    if (v->kind == HL_GGUF_ARRAY && v->n < r->n_layers) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': %" PRIu64 " values, expected one per layer (%u)",
                            key, v->n, r->n_layers);
        return 0;
    }
    const bool is_bool = v->kind == HL_GGUF_ARRAY && v->elem_kind == HL_GGUF_BOOL;
    if (is_bool) return v->data[i] != 0;
    if (!hl_gguf_elem_f64(v, v->kind == HL_GGUF_ARRAY ? i : 0, &x) || !(x >= 0 && x < UINT32_MAX) ||
        x != floor(x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a whole number, or one per layer", key);
        return 0;
    }
    return (uint32_t)x;
}

/* Every n-th layer attends, unless a list says which ones do not. */
static void mix_by_interval(hl_key_reader *r, hl_hparams *hp) {
    char           key[128];
    const bool     has_list = hl_key_find(r, "attention.recurrent_layers", key, sizeof key) != NULL;
    const uint32_t interval = hl_key_u32(r, "full_attention_interval", 4);
    for (uint32_t i = 0; i < hp->n_layers && r->status == HL_OK; i++) {
        const bool is_recurrent =
            has_list ? number_of_layer(r, "attention.recurrent_layers", i) != 0 : (i + 1) % interval != 0;
        hp->layers[i].mixes = is_recurrent ? HL_MIXES_STATE : HL_MIXES_ATTENTION;
    }
}

/* A layer without key/value heads does not attend. Where a layer is one thing only, it has no state
 * either when it has a feed-forward block. */
static void mix_by_kv_heads(hl_key_reader *r, bool one_thing, hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers && r->status == HL_OK; i++) {
        hl_layer_params *p = &hp->layers[i];
        const bool       attends = number_of_layer(r, "attention.head_count_kv", i) > 0;
        const bool       feeds = !one_thing || number_of_layer(r, "feed_forward_length", i) > 0;
        p->mixes = attends ? HL_MIXES_ATTENTION : one_thing && feeds ? 0 : HL_MIXES_STATE;
        p->has_ffn = feeds;
        if (attends && one_thing && feeds)
            hl_key_fail(r, "feed_forward_length", number_of_layer(r, "feed_forward_length", i),
                        "0 in layers with attention.head_count_kv");
    }
}

void hl_key_read_mixers(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    uint32_t n_states = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hp->layers[i].mixes = arch->mixing == HL_MIXING_STATE  ? HL_MIXES_STATE
                              : arch->mixing == HL_MIXING_BOTH ? HL_MIXES_STATE | HL_MIXES_ATTENTION
                                                               : HL_MIXES_ATTENTION;
        hp->layers[i].has_ffn = arch->mixing != HL_MIXING_STATE;
    }
    if (arch->mixing == HL_MIXING_BY_INTERVAL) mix_by_interval(r, hp);
    if (arch->mixing == HL_MIXING_BY_KV_HEADS) mix_by_kv_heads(r, false, hp);
    if (arch->mixing == HL_MIXING_ONE_THING) mix_by_kv_heads(r, true, hp);
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (hp->layers[i].mixes & HL_MIXES_STATE) hp->layers[i].i_state = n_states++;
    hp->state.n_layers = n_states;
}

void hl_key_read_head_counts(hl_key_reader *r, hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers && r->status == HL_OK; i++) {
        hl_layer_params *p = &hp->layers[i];
        if (!(p->mixes & HL_MIXES_ATTENTION)) continue;
        p->n_heads = number_of_layer(r, "attention.head_count", i);
        p->n_kv_heads = number_of_layer(r, "attention.head_count_kv", i);
        if (p->n_kv_heads == 0) p->n_kv_heads = p->n_heads;
        if (p->n_heads == 0) (void)hl_key_need_u32(r, "attention.head_count");
    }
}

/* ---- sizes of states ---------------------------------------------------------------------------- */

static void read_ssm(hl_key_reader *r, hl_state_params *s) {
    s->n_taps = hl_key_need_u32(r, "ssm.conv_kernel");
    s->inner = hl_key_need_u32(r, "ssm.inner_size");
    s->key_dim = hl_key_need_u32(r, "ssm.state_size");
    hl_key_check_limit(r, "ssm.conv_kernel", s->n_taps, HL_MAX_TAPS);
    hl_key_check_limit(r, "ssm.inner_size", s->inner, HL_MAX_STATE_INNER);
    hl_key_check_limit(r, "ssm.state_size", s->key_dim, HL_MAX_STATE_ROWS);
}

/* Heads of values, and groups that share a key. */
static void read_ssm_heads(hl_key_reader *r, hl_state_params *s) {
    s->n_heads = hl_key_need_u32(r, "ssm.time_step_rank");
    s->n_groups = hl_key_u32(r, "ssm.group_count", 1);
    hl_key_check_limit(r, "ssm.time_step_rank", s->n_heads, HL_MAX_STATE_HEADS);
    hl_key_check_limit(r, "ssm.group_count", s->n_groups, HL_MAX_STATE_HEADS);
    if (r->status != HL_OK) return;
    if (s->inner % s->n_heads != 0)
        hl_key_fail(r, "ssm.inner_size", s->inner, "a multiple of ssm.time_step_rank");
    if (s->n_heads % s->n_groups != 0)
        hl_key_fail(r, "ssm.time_step_rank", s->n_heads, "a multiple of ssm.group_count");
    if (r->status == HL_OK) s->value_dim = s->inner / s->n_heads;
}

static void read_gated_delta(hl_key_reader *r, hl_state_params *s) {
    read_ssm(r, s);
    read_ssm_heads(r, s);
    if (r->status != HL_OK) return;
    if (s->value_dim != s->key_dim)
        hl_key_fail(r, "ssm.state_size", s->key_dim,
                    "ssm.inner_size / ssm.time_step_rank: keys and values alike");
    s->conv_cols = 2 * s->key_dim * s->n_groups + s->inner;
    s->gate_at = s->conv_cols;
    s->beta_at = s->gate_at + s->inner;
    s->alpha_at = s->beta_at + s->n_heads;
    s->in_cols = s->alpha_at + s->n_heads;
    s->step_cols = 2 * s->n_heads;
}

static void read_keyed_delta(hl_key_reader *r, hl_state_params *s) {
    s->n_taps = hl_key_need_u32(r, "ssm.conv_kernel");
    s->key_dim = s->value_dim = hl_key_need_u32(r, "kda.head_dim");
    s->n_heads = s->n_groups = hl_key_need_u32(r, "attention.head_count");
    hl_key_check_limit(r, "ssm.conv_kernel", s->n_taps, HL_MAX_TAPS);
    hl_key_check_limit(r, "kda.head_dim", s->key_dim, HL_MAX_STATE_ROWS);
    hl_key_check_limit(r, "attention.head_count", s->n_heads, HL_MAX_HEADS);
    if (r->status != HL_OK) return;
    s->inner = s->n_heads * s->value_dim;
    s->conv_cols = 3 * s->inner;
    s->beta_at = s->conv_cols;
    s->low_at = s->beta_at + s->n_heads;
    s->low_cols = s->key_dim;
    s->in_cols = s->low_at + 2 * s->low_cols;
    s->step_cols = 2 * s->inner + s->n_heads; /* decays, gates; betas */
}

static void read_mamba1(hl_key_reader *r, hl_state_params *s) {
    read_ssm(r, s);
    s->dt_rank = hl_key_need_u32(r, "ssm.time_step_rank");
    s->norms_steps = hl_key_bool(r, "ssm.dt_b_c_rms", false);
    hl_key_check_limit(r, "ssm.time_step_rank", s->dt_rank, HL_MAX_EMBD);
    if (r->status != HL_OK) return;
    s->n_heads = s->n_groups = 1;
    s->value_dim = s->conv_cols = s->inner;
    s->gate_at = s->inner;
    s->in_cols = 2 * s->inner;
    s->low_cols = s->dt_rank + 2 * s->key_dim;
    s->step_cols = s->inner + s->low_cols; /* dt of each channel; what it is made of, B, C */
}

static void read_mamba2(hl_key_reader *r, hl_state_params *s) {
    read_ssm(r, s);
    read_ssm_heads(r, s);
    if (r->status != HL_OK) return;
    if (s->inner % s->n_groups != 0)
        hl_key_fail(r, "ssm.inner_size", s->inner, "a multiple of ssm.group_count");
    s->conv_at = s->inner; /* the gate stands in front */
    s->conv_cols = s->inner + 2 * s->n_groups * s->key_dim;
    s->alpha_at = s->conv_at + s->conv_cols;
    s->in_cols = s->alpha_at + s->n_heads;
    s->step_cols = 2 * s->n_heads;
}

static void read_short_conv(hl_key_reader *r, const hl_hparams *hp, hl_state_params *s) {
    s->n_taps = hl_key_need_u32(r, "shortconv.l_cache");
    hl_key_check_limit(r, "shortconv.l_cache", s->n_taps, HL_MAX_TAPS);
    hl_key_check_limit(r, "embedding_length", hp->n_embd, HL_MAX_EMBD);
    s->conv_cols = s->inner = hp->n_embd;
    s->gate_at = hp->n_embd;
    s->in_cols = 3 * hp->n_embd;
}

void hl_key_read_states(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    hl_state_params *s = &hp->state;
    if (s->n_layers == 0) return;
    switch (arch->recurrence) {
    case HL_RECURRENCE_GATED_DELTA: read_gated_delta(r, s); break;
    case HL_RECURRENCE_KEYED_DELTA: read_keyed_delta(r, s); break;
    case HL_RECURRENCE_MAMBA1: read_mamba1(r, s); break;
    case HL_RECURRENCE_MAMBA2: read_mamba2(r, s); break;
    case HL_RECURRENCE_SHORT_CONV: read_short_conv(r, hp, s); break;
    case HL_RECURRENCE_NONE: break;
    }
    if (s->n_taps == 1) hl_key_fail(r, "ssm.conv_kernel", 1, "2 at least");
}

/* Layers that do not attend have no heads, whatever keys say of all. */
void hl_key_drop_heads(hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        hl_layer_params *p = &hp->layers[i];
        if (!(p->mixes & HL_MIXES_ATTENTION)) {
            p->n_heads = p->n_kv_heads = p->head_dim = p->v_dim = 0;
            p->has_temperature = p->shares_kv = false;
        }
        if (!p->has_ffn) p->n_ff = p->n_expert_ff = p->n_shared_ff = 0;
    }
}
