/* SPDX-License-Identifier: MIT
 *
 * mix.c - the table of mixes.def, applied to a tensor's name.
 */
#include "engine/quantize/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum part {
    PART_OTHER,
    PART_TOKEN_EMBD,
    PART_OUTPUT,
    PART_ATTN_V,
    PART_ATTN_K,
    PART_ATTN_OUTPUT,
    PART_ATTN_QKV,
    PART_FFN_DOWN,
    PART_EXPERTS,
} part;

typedef enum place { IN_ALL, IN_ENDS, IN_FIRST_PART, IN_FIRST_LAYERS, IN_GQA, IN_LARGE, IN_EIGHT } place;

/* With an importance matrix only, without one only, or either way. */
typedef enum weighting_wanted { EITHER, ONLY_WEIGHTED, ONLY_PLAIN } weighting_wanted;

typedef struct condition {
    place            place;
    uint32_t         n;
    weighting_wanted weighting;
} condition;

typedef enum mix_id {
#define HL_MIX(name, file_type, main, output) MIX_##name,
#include "engine/quantize/mixes.def"
#undef HL_MIX
    N_MIXES
} mix_id;

struct hl_mix {
    const char *name;
    uint32_t    file_type;
    hl_type     main, output;
};

static const hl_mix mixes[N_MIXES] = {
#define HL_MIX(name, file_type, main, output) {#name, file_type, HL_TYPE_##main, HL_TYPE_##output},
#include "engine/quantize/mixes.def"
#undef HL_MIX
};

typedef struct mix_rule {
    mix_id    mix;
    part      part;
    condition where;
    hl_type   type;
} mix_rule;

#define ALWAYS                                                                                               \
    { IN_ALL, 0, EITHER }
#define ENDS                                                                                                 \
    { IN_ENDS, 0, EITHER }
#define FIRST(n)                                                                                             \
    { IN_FIRST_PART, n, EITHER }
#define LAYERS(n)                                                                                            \
    { IN_FIRST_LAYERS, n, EITHER }
#define GQA                                                                                                  \
    { IN_GQA, 4, EITHER }
#define LARGE                                                                                                \
    { IN_LARGE, 80, EITHER }
#define EIGHT                                                                                                \
    { IN_EIGHT, 8, EITHER }
#define WEIGHTED(n)                                                                                          \
    { IN_FIRST_PART, n, ONLY_WEIGHTED }
#define PLAIN(n)                                                                                             \
    { IN_FIRST_PART, n, ONLY_PLAIN }
static const mix_rule rules[] = {
#define HL_MIX_RULE(mix, part, where, type) {MIX_##mix, PART_##part, where, HL_TYPE_##type},
#include "engine/quantize/mixes.def"
#undef HL_MIX_RULE
};

const hl_mix *hl_mix_at(size_t i) { return i < N_MIXES ? &mixes[i] : NULL; }
const char   *hl_mix_name(const hl_mix *m) { return m->name; }
uint32_t      hl_mix_file_type(const hl_mix *m) { return m->file_type; }
bool          hl_mix_needs_importance(const hl_mix *m) { return m == &mixes[MIX_Q2_K_S]; }

const hl_mix *hl_mix_find(const char *name) {
    static const char *const short_names[][2] = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++)
        if (strcasecmp(short_names[i][0], name) == 0) name = short_names[i][1];
    for (size_t i = 0; i < N_MIXES; i++)
        if (strcasecmp(mixes[i].name, name) == 0) return &mixes[i];
    return NULL;
}

/* A number of the architecture; where it is a list with one for each layer, the largest. 0: not there. */
static uint32_t arch_number(const hl_gguf *g, const char *what) {
    hl_view  arch;
    char     key[128];
    uint32_t n = 0;
    if (hl_gguf_get_text(g, "general.architecture", &arch, NULL) != HL_OK) return 0;
    (void)snprintf(key, sizeof key, "%.*s.%s", (int)(arch.len < 60 ? arch.len : 60), arch.ptr, what);
    if (hl_gguf_get_u32(g, key, &n, NULL) == HL_OK) return n;
    const hl_gguf_value *v = hl_gguf_find(g, key);
    for (uint64_t i = 0; v && v->kind == HL_GGUF_ARRAY && i < v->n && i < 4096; i++) {
        int64_t x = 0;
        if (hl_gguf_elem_i64(v, i, &x) && x > n && x < UINT32_MAX) n = (uint32_t)x;
    }
    return n;
}

void hl_mix_look(const hl_gguf *g, bool has_importance, hl_mix_model *ret_model) {
    *ret_model = (hl_mix_model){
        .n_layers = arch_number(g, "block_count"),
        .n_heads = arch_number(g, "attention.head_count"),
        .n_kv_heads = arch_number(g, "attention.head_count_kv"),
        .n_experts = arch_number(g, "expert_count"),
        .has_output = hl_gguf_find_tensor(g, "output.weight") != NULL,
        .has_importance = has_importance,
    };
}

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

bool hl_mix_takes(const hl_gguf_tensor *t) {
    /* from: what llama.cpp's quantizer leaves alone (August 2026) */
    static const char *const never[] = {
        "_norm.weight",    "ffn_gate_inp", "altup",      "laurel",    "per_layer_model_proj",
        "position_embd",   "token_types",  "ssm_conv1d", "shortconv", "attn_rel_b",
        "indexer.k_proj",  "indexer.proj", "time_mix_",  "cls.",      "v.patch_",
        "v.position_embd", "mm.",
    };
    if (t->n_dims < 2 || !ends_with(t->name, "weight")) return false;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strstr(t->name, never[i])) return false;
    return true;
}

static part part_of(const hl_mix_model *model, const hl_gguf_tensor *t) {
    if (strcmp(t->name, "output.weight") == 0) return PART_OUTPUT;
    if (strcmp(t->name, "token_embd.weight") == 0) return model->has_output ? PART_TOKEN_EMBD : PART_OUTPUT;
    if (strstr(t->name, "attn_v.weight") || strstr(t->name, "attn_kv_b.weight")) return PART_ATTN_V;
    if (strstr(t->name, "attn_k.weight")) return PART_ATTN_K;
    if (strstr(t->name, "attn_output.weight")) return PART_ATTN_OUTPUT;
    if (strstr(t->name, "attn_qkv.weight")) return PART_ATTN_QKV;
    if (strstr(t->name, "ffn_down")) return PART_FFN_DOWN;
    return PART_OTHER;
}

static uint32_t layer_of(const hl_gguf_tensor *t) {
    return strncmp(t->name, "blk.", 4) == 0 ? (uint32_t)strtoul(t->name + 4, NULL, 10) : 0;
}

static bool holds(const condition *c, const hl_mix_model *m, uint32_t layer) {
    const uint32_t n = m->n_layers;
    const uint32_t shared = m->n_kv_heads ? m->n_heads / m->n_kv_heads : 1;
    if (c->weighting != EITHER && m->has_importance != (c->weighting == ONLY_WEIGHTED)) return false;
    switch (c->place) {
    case IN_ALL: return true;
    case IN_ENDS: return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
    case IN_FIRST_PART: return layer < n / c->n;
    case IN_FIRST_LAYERS: return layer < c->n;
    case IN_GQA: return shared >= c->n;
    case IN_LARGE: return n == c->n && shared > 1;
    case IN_EIGHT: return m->n_experts == c->n;
    }
    return false;
}

hl_type hl_mix_choose(const hl_mix *m, const hl_mix_model *model, bool pure, const hl_gguf_tensor *t) {
    const part     own = part_of(model, t);
    const uint32_t layer = layer_of(t);
    if (pure) return m->main;
    if (own == PART_OUTPUT) return m->output;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const mix_rule *r = &rules[i];
        const bool      is_part = r->part == PART_EXPERTS ? t->n_dims == 3 : r->part == own;
        if (&mixes[r->mix] == m && is_part && holds(&r->where, model, layer)) return r->type;
    }
    return m->main;
}

hl_type hl_mix_fit(hl_type t, uint64_t n_cols) {
    /* from: llama.cpp's choices for such rows (August 2026) */
    static const hl_type next[HL_TYPE_count] = {
        [HL_TYPE_q2_k] = HL_TYPE_q4_0,     [HL_TYPE_q3_k] = HL_TYPE_q4_0, [HL_TYPE_tq1_0] = HL_TYPE_q4_0,
        [HL_TYPE_tq2_0] = HL_TYPE_q4_0,    [HL_TYPE_q4_k] = HL_TYPE_q5_0, [HL_TYPE_q5_k] = HL_TYPE_q5_1,
        [HL_TYPE_iq4_xs] = HL_TYPE_iq4_nl, [HL_TYPE_q6_k] = HL_TYPE_q8_0,
    };
    if (n_cols % hl_type_block_elems(t) != 0 && next[t] != HL_TYPE_f32) t = next[t];
    return n_cols % hl_type_block_elems(t) == 0 ? t : HL_TYPE_f16;
}
