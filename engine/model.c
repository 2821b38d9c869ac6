/* SPDX-License-Identifier: MIT
 *
 * model.c - from a mapped file to bound tensors.
 *
 * weights.def says which tensors there are and which shapes they have, the architecture which of them it
 * needs; here each is looked up, checked and remembered as a pointer into the map. Nothing is unpacked and no
 * weight is read.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/expert_pages.h"
#include "engine/forward/drafts.h"
#include "engine/lora.h"
#include "engine/model_priv.h"
#include "engine/quant/quant.h"
#include "engine/tokenizer/tokenizer_load.h"
#include "engine/trace.h"

enum { ARENA_LIMIT_BYTES = 512 << 20 };

static const char *const dim_names[HL_DIM_count] = {
#define HL_DIM(name, value, words) words,
#include "engine/arch/dims.def"
#undef HL_DIM
};

uint32_t hl_matrix_needs(const hl_matrix *w) {
    if (!w->data) return 0;
    switch (w->type) {
    case HL_TYPE_f32:
    case HL_TYPE_f16: return HL_NEED_F32;
    case HL_TYPE_bf16: return HL_NEED_BF16 | HL_NEED_F32;
    default: return HL_NEED_Q8;
    }
}

/* In a layer with the sizes of p. */
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

/* How many dimensions weights.def gives. */
static uint32_t n_dims_of(const hl_weight_row *row) {
    uint32_t n = 0;
    while (n < HL_TENSOR_DIMS && row->shape[n] != HL_DIM_NONE) n++;
    return n;
}

/* What it gives, dimension i, the fastest first. */
static hl_dim wanted_dim(const hl_weight_row *row, uint32_t i) {
    const uint32_t n = n_dims_of(row);
    return i < n ? row->shape[n - 1 - i] : HL_DIM_NONE;
}

static hl_status fail_shape(const hl_model *m, const hl_layer_params *p, const hl_weight_row *row,
                            const hl_gguf_tensor *t, hl_err *err) {
    hl_str found, wanted, names;
    hl_str_init(&found, 200);
    hl_str_init(&wanted, 200);
    hl_str_init(&names, 200);
    for (uint32_t d = 0; d < t->n_dims; d++)
        hl_str_add_format(&found, "%s%" PRIu64, d ? ", " : "", t->shape[d]);
    for (uint32_t d = 0; d < n_dims_of(row); d++) {
        hl_str_add_format(&wanted, "%s%" PRIu64, d ? ", " : "", dim_value(&m->hp, p, row->shape[d]));
        hl_str_add_format(&names, "%s%s", d ? ", " : "", dim_names[row->shape[d]]);
    }
    const hl_status status = hl_fail(err, HL_E_FORMAT, "tensor '%s' has the shape [%s], expected [%s] = [%s]",
                                     t->name, hl_str_text(&found), hl_str_text(&wanted), hl_str_text(&names));
    hl_str_done(&found);
    hl_str_done(&wanted);
    hl_str_done(&names);
    return status;
}

/* Dimensions of 1 behind the last make no difference, as in the reference; all others are where
 * weights.def says. So a matrix [1, columns, rows] of a file is not one of [columns, rows], and a lone
 * expert is [columns, rows]. */
static hl_status check_shape(const hl_model *m, const hl_layer_params *p, const hl_weight_row *row,
                             const hl_gguf_tensor *t, hl_err *err) {
    for (uint32_t i = 0; i < HL_GGUF_MAX_DIMS; i++)
        if (hl_tensor_dim(t, i) != dim_value(&m->hp, p, wanted_dim(row, i)))
            return fail_shape(m, p, row, t, err);
    return HL_OK;
}

/* Elements of plain types are read as what they are; blocks begin with an f16. */
static hl_status check_alignment(const hl_gguf_tensor *t, hl_err *err) {
    const size_t elem = hl_type_block_elems(t->type) == 1 ? hl_type_block_bytes(t->type) : 2;
    if ((uintptr_t)t->data % elem == 0) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "tensor '%s': data is not aligned to %zu bytes", t->name, elem);
}

/* A vector as f32: in place when the file has it so and aligned, else converted into the arena. */
static hl_status bind_vector(hl_model *m, const hl_gguf_tensor *t, const float **ret, hl_err *err) {
    if (t->type == HL_TYPE_f32 && (uintptr_t)t->data % sizeof(float) == 0) {
        *ret = t->data;
        return HL_OK;
    }
    float *x = hl_arena_get(&m->arena, t->n_elems, sizeof *x);
    if (!x)
        return hl_fail(err, HL_E_NOMEM, "tensor '%s': no memory for %" PRIu64 " values", t->name, t->n_elems);
    hl_quant_to_f32(t->type)(t->data, t->n_elems, x);
    *ret = x;
    return HL_OK;
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Some families have such a factor as a part of a block. */
static bool is_bound_scale(const hl_model *m, const char *name) {
    return (m->arch->weights[HL_W_DOWN_EXPS_SCALE] != HL_IGNORED &&
            ends_with(name, ".ffn_down_exps.scale")) ||
           (m->arch->weights[HL_W_ROUTER_SCALE] != HL_IGNORED && ends_with(name, ".ffn_gate_inp.scale"));
}

static bool all_1(const hl_gguf_tensor *t) {
    const float *x = t->data;
    for (uint64_t i = 0; i < t->n_elems; i++)
        if (x[i] != 1.0f) return false;
    return true;
}

/* One factor, or one for each expert. */
static bool fits_matrix(const hl_gguf_tensor *scale, const hl_gguf_tensor *t) {
    return scale->n_elems == 1 ||
           (t->n_dims == 3 && scale->n_elems == t->shape[0] && strstr(t->name, "_exps.") != NULL);
}

/* What the products of a matrix are multiplied with ("<name>.scale", which all nvfp4 weights have): in place,
 * where it is as it should be. */
static void find_factors(const hl_model *m, const hl_gguf_tensor *t, hl_matrix *ret) {
    char                  name[sizeof t->name + 8];
    const char           *dot = strrchr(t->name, '.');
    const hl_gguf_tensor *scale = NULL;
    if (dot) {
        (void)snprintf(name, sizeof name, "%.*s.scale", (int)(dot - t->name), t->name);
        scale = hl_gguf_find_tensor(m->gguf, name);
    }
    if (!scale || scale->type != HL_TYPE_f32 || (uintptr_t)scale->data % sizeof(float) != 0) return;
    if (is_bound_scale(m, name)) return;
    if (!fits_matrix(scale, t)) return;
    if (all_1(scale)) return;
    ret->factors = scale->data;
    ret->n_factors = (uint32_t)scale->n_elems;
}

/* [rows][cols], or [experts][rows][cols], as weights.def says: then w is the first expert's, and the next one
 * begins *ret_stride bytes behind it. The shape is checked. */
static void bind_matrix(hl_model *m, const hl_weight_row *row, const hl_gguf_tensor *t, hl_matrix *ret,
                        size_t *ret_stride) {
    const size_t n_rows = hl_tensor_dim(t, 1), n_cols = hl_tensor_dim(t, 0);
    const size_t row_bytes = hl_type_row_bytes(t->type, n_cols);
    *ret = (hl_matrix){
        .type = t->type, .n_rows = n_rows, .n_cols = n_cols, .row_bytes = row_bytes, .data = t->data};
    *ret_stride = n_dims_of(row) == 3 ? row_bytes * n_rows : 0;
    if (n_cols > m->max_cols) m->max_cols = (uint32_t)n_cols;
    find_factors(m, t, ret);
}

/* The name of a tensor without the layer's. */
static const char *name_in_layer(const char *name) {
    if (strncmp(name, "blk.", 4) != 0) return name;
    const char *dot = strchr(name + 4, '.');
    return dot ? dot + 1 : name;
}

/* Whether a tensor is a matrix that activations are multiplied with in a layer or for the output. Rows of
 * embeddings are looked up; tables and what stands behind pooling are read as numbers. */
static bool is_multiplied(const hl_model *m, const char *name) {
    for (int i = 0; i < HL_W_count; i++) {
        const hl_weight_row *row = &hl_weight_rows[i];
        if (m->arch->weights[i] == HL_IGNORED || row->part == HL_PART_TABLE || n_dims_of(row) < 2) continue;
        if (row->scope == HL_SCOPE_MODEL && i != HL_W_OUT) continue;
        if (strcmp(name_in_layer(row->name), name_in_layer(name)) == 0) return true;
    }
    return false;
}

/* Whether a scale is one that the products of its matrix are multiplied with (find_factors()), or that is for
 * activations of 4 bits, which there are none of here: then it changes nothing. */
static bool is_applied(const hl_model *m, const hl_gguf_tensor *scale, const char *dot) {
    char name[sizeof scale->name + 8];
    (void)snprintf(name, sizeof name, "%.*s.weight", (int)(dot - scale->name), scale->name);
    const hl_gguf_tensor *t = hl_gguf_find_tensor(m->gguf, name);
    if (!t || !is_multiplied(m, name)) return false;
    if (strcmp(dot, ".input_scale") == 0) return true;
    return fits_matrix(scale, t) && (uintptr_t)scale->data % sizeof(float) == 0;
}

/* A scale that is applied is a number; one that nothing here reads must be 1: a silent wrong answer is worse
 * than a refusal. */
static hl_status check_scales(const hl_model *m, hl_err *err) {
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(m->gguf, i);
        const char           *dot = strrchr(t->name, '.');
        if (!dot || (strcmp(dot, ".scale") != 0 && strcmp(dot, ".input_scale") != 0)) continue;
        if (t->type != HL_TYPE_f32 || is_bound_scale(m, t->name)) continue;
        const bool applied = is_applied(m, t, dot);
        if (applied && strcmp(dot, ".input_scale") == 0) continue;
        for (uint64_t j = 0; j < t->n_elems; j++) {
            float x = 0;
            if (j % 65536 == 65535) {
                const hl_status status = hl_stop_check("read the scales", err);
                if (status != HL_OK) return status;
            }
            memcpy(&x, (const uint8_t *)t->data + j * sizeof x, sizeof x);
            if (!isfinite(x))
                return hl_fail(err, HL_E_FORMAT, "tensor '%s' scales a weight by %g, expected a number",
                               t->name, (double)x);
            if (x != 1.0f && !applied)
                return hl_fail(err, HL_E_UNSUPPORTED,
                               "tensor '%s' has %g in its %" PRIu64
                               " values and cannot be applied: expected one for a "
                               "matrix of a layer, or one for each expert",
                               t->name, (double)x, t->n_elems);
        }
    }
    return HL_OK;
}

/* A part of a matrix that holds several, or of its bias. */
typedef struct part {
    hl_weight weight, bias;
    size_t    n_rows;
} part;

/* Rows as if each part were a tensor. */
static void split(const hl_matrix *w, const float *bias, const part *parts, size_t n_parts, hl_layer *l) {
    size_t at = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (bias) l->v[parts[i].bias] = bias + at;
        if (w) {
            hl_matrix *one = &l->w[parts[i].weight];
            *one = *w;
            one->n_rows = parts[i].n_rows;
            one->data = (const uint8_t *)w->data + at * w->row_bytes;
        }
        at += parts[i].n_rows;
    }
}

static void split_qkv(const hl_matrix *w, const float *bias, hl_layer *l) {
    const part parts[] = {
        {HL_W_Q, HL_W_Q_BIAS, hl_q_cols(l->p)},
        {HL_W_K, HL_W_K_BIAS, hl_k_cols(l->p)},
        {HL_W_V, HL_W_V_BIAS, hl_v_cols(l->p)},
    };
    split(w, bias, parts, 3, l);
}

static void split_gate_up(const hl_matrix *w, const float *bias, hl_layer *l) {
    const part parts[] = {{HL_W_GATE, HL_W_GATE_BIAS, l->p->n_ff}, {HL_W_UP, HL_W_UP_BIAS, l->p->n_ff}};
    split(w, bias, parts, 2, l);
}

static void split_experts(const hl_matrix *w, size_t stride, hl_layer *l) {
    const part parts[] = {{HL_W_GATE_EXPS, HL_W_GATE_EXPS, l->p->n_expert_ff},
                          {HL_W_UP_EXPS, HL_W_UP_EXPS, l->p->n_expert_ff}};
    split(w, NULL, parts, 2, l);
    l->expert_stride[HL_W_GATE_EXPS] = l->expert_stride[HL_W_UP_EXPS] = stride;
}

/* Whether a tensor is bound already, as a part of another. */
static bool is_part(hl_weight weight, const hl_layer *layer) {
    return hl_weight_rows[weight].part == HL_PART_FUSED && (layer->w[weight].data || layer->v[weight]);
}

static bool is_one_of(hl_weight weight, const hl_weight *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == weight) return true;
    return false;
}

/* Tensors of a block that comes in several forms, of those that this file does not have. */
static bool is_of_other_form(const hl_model *m, hl_weight weight) {
    const hl_mla_params *mla = &m->hp.mla;
    switch (weight) {
    case HL_W_SIDE_EMBD:
    case HL_W_SIDE_PROJ:
    case HL_W_SIDE_NORM:
    case HL_W_SIDE_GATE:
    case HL_W_SIDE_UP:
    case HL_W_SIDE_POST_NORM: return m->hp.n_side == 0;
    case HL_W_LATENT_DOWN:
    case HL_W_LATENT_UP: return m->hp.n_latent == 0;
    case HL_W_Q_A:
    case HL_W_Q_A_NORM:
    case HL_W_Q_B: return mla->q_rank == 0;
    case HL_W_MLA_Q: return mla->q_rank > 0;
    case HL_W_K_B:
    case HL_W_V_B: return !mla->is_absorbed;
    case HL_W_KV_B: return mla->is_absorbed;
    default: return false;
    }
}

/* They stand together in weights.def. */
static bool is_of_attention(hl_weight weight) { return weight >= HL_W_QKV && weight <= HL_W_Q_GATED; }

/* What a layer has no use for: keys and values where it reads those of another one, a second dense block,
 * shared experts of no width. */
static bool is_unused(const hl_model *m, hl_weight weight, const hl_layer *layer) {
    static const hl_weight own_kv[] = {HL_W_K, HL_W_V, HL_W_K_BIAS, HL_W_V_BIAS, HL_W_K_NORM};
    static const hl_weight shared[] = {HL_W_SHARED_SHARE, HL_W_GATE_SHEXP, HL_W_UP_SHEXP, HL_W_DOWN_SHEXP};
    const hl_weight_row   *row = &hl_weight_rows[weight];
    if (is_of_other_form(m, weight)) return true;
    if (!layer) return false;
    if (row->scope == HL_SCOPE_STATE) return !(layer->p->mixes & HL_MIXES_STATE);
    if (is_of_attention(weight) && !(layer->p->mixes & HL_MIXES_ATTENTION)) return true;
    if (weight == HL_W_ATTN_NORM || weight == HL_W_ATTN_NORM_BIAS) return false;
    if (!layer->p->has_ffn && (row->scope != HL_SCOPE_LAYER || weight == HL_W_FFN_NORM)) return true;
    if (layer->p->shares_kv && is_one_of(weight, own_kv, sizeof own_kv / sizeof own_kv[0])) return true;
    if (layer->p->n_shared_ff == 0 && is_one_of(weight, shared, sizeof shared / sizeof shared[0]))
        return true;
    const bool has_experts = layer->p->n_expert_ff > 0;
    if (row->scope == HL_SCOPE_DENSE && has_experts) return !m->arch->router.beside_dense;
    return row->scope == HL_SCOPE_EXPERT && !has_experts;
}

/* The tensor's name, where it is looked for; false: not in this layer. */
static bool name_of(const hl_model *m, hl_weight weight, uint32_t i_layer, const hl_layer *layer,
                    char *ret_name, size_t cap) {
    if (is_unused(m, weight, layer)) return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(ret_name, cap, hl_weight_rows[weight].name, i_layer);
#pragma GCC diagnostic pop
    return true;
}

static hl_status keep_vector(hl_model *m, hl_weight weight, const hl_gguf_tensor *t, hl_layer *layer,
                             hl_err *err) {
    const float    *v = NULL;
    const hl_status status = bind_vector(m, t, &v, err);
    if (status != HL_OK) return status;
    if (weight == HL_W_ROPE_FREQS)
        m->rope_freqs = v;
    else if (weight == HL_W_TOK_NORM)
        m->tok_norm = v;
    else if (weight == HL_W_TOK_NORM_BIAS)
        m->tok_norm_bias = v;
    else if (weight == HL_W_OUT_NORM || weight == HL_W_ENC_OUT_NORM || weight == HL_W_OUT_NORM_AS_TOKENS)
        m->out_norm = v;
    else if (weight == HL_W_OUT_BIAS)
        m->out_bias = v;
    else if (layer && weight == HL_W_QKV_BIAS)
        split_qkv(NULL, v, layer);
    else if (layer && weight == HL_W_GATE_UP_BIAS)
        split_gate_up(NULL, v, layer);
    else
        (layer ? layer : &m->top)->v[weight] = v;
    return HL_OK;
}

static void keep_matrix(hl_model *m, hl_weight weight, const hl_gguf_tensor *t, hl_layer *layer) {
    size_t    stride = 0;
    hl_matrix w = {0};
    bind_matrix(m, &hl_weight_rows[weight], t, &w, &stride);
    if (weight == HL_W_TOK_EMBD)
        m->tok_embd = w;
    else if (weight == HL_W_TOK_TYPES)
        m->tok_types = w;
    else if (weight == HL_W_POS_EMBD)
        m->pos_embd = w;
    else if (weight == HL_W_POOLED_UP)
        m->pooled_up = w;
    else if (weight == HL_W_POOLED_DOWN)
        m->pooled_down = w;
    else if (weight == HL_W_OUT)
        m->out = w;
    else if (layer && weight == HL_W_QKV)
        split_qkv(&w, NULL, layer);
    else if (layer && weight == HL_W_GATE_UP)
        split_gate_up(&w, NULL, layer);
    else if (layer && weight == HL_W_GATE_UP_EXPS)
        split_experts(&w, stride, layer);
    else {
        hl_layer *l = layer ? layer : &m->top;
        l->w[weight] = w;
        l->expert_stride[weight] = stride;
    }
}

/* Where a family has ffn_up with and without the gate's rows, the number of rows says which it is. */
static bool is_other_form(const hl_model *m, hl_weight weight, const hl_gguf_tensor *t,
                          const hl_layer *layer) {
    const hl_weight_use *uses = m->arch->weights;
    if (uses[HL_W_GATE_UP] == HL_IGNORED || uses[HL_W_UP] == HL_IGNORED) return false;
    if (weight == HL_W_GATE_UP) return hl_tensor_dim(t, 1) != 2 * (uint64_t)layer->p->n_ff;
    return weight == HL_W_UP && is_part(HL_W_UP, layer);
}

/* One tensor of the model, or of a layer. */
static hl_status bind_weight(hl_model *m, hl_weight weight, uint32_t i_layer, hl_layer *layer,
                             size_t *ret_bound, hl_err *err) {
    char                 name[96];
    const hl_weight_row *row = &hl_weight_rows[weight];
    if (!name_of(m, weight, i_layer, layer, name, sizeof name)) return HL_OK;
    const hl_gguf_tensor *t = hl_gguf_find_tensor(m->gguf, name);
    const bool            has_part = layer && is_part(weight, layer);
    if (t && layer && is_other_form(m, weight, t, layer)) return HL_OK;
    if (t && has_part)
        return hl_fail(err, HL_E_FORMAT, "tensor '%s' is there twice: alone, and as a part of another", name);
    if (!t) {
        if (m->arch->weights[weight] == HL_ALLOWED || has_part || (m->only_next && !layer)) return HL_OK;
        return hl_fail(err, HL_E_FORMAT, "tensor '%s' is missing (architecture '%s' needs it)", name,
                       m->arch->name);
    }
    hl_status status = check_shape(m, layer ? layer->p : &m->hp.most, row, t, err);
    if (status == HL_OK) status = check_alignment(t, err);
    if (status != HL_OK) return status;
    (*ret_bound)++;
    if (n_dims_of(row) == 1 || row->part == HL_PART_TABLE) return keep_vector(m, weight, t, layer, err);
    keep_matrix(m, weight, t, layer);
    return HL_OK;
}

static uint32_t needs_of(const hl_layer *l, const hl_weight *weights, size_t n) {
    uint32_t needs = 0;
    for (size_t i = 0; i < n; i++) needs |= hl_matrix_needs(&l->w[weights[i]]);
    return needs;
}

static void note_needs(hl_layer *l) {
    static const hl_weight state_in[] = {
        HL_W_STATE_IN,   HL_W_SHORT_IN,    HL_W_STATE_QKV,        HL_W_STATE_GATE,
        HL_W_STATE_BETA, HL_W_STATE_ALPHA, HL_W_STATE_BETA_ALPHA, HL_W_KDA_Q,
        HL_W_KDA_K,      HL_W_KDA_V,       HL_W_KDA_GATE_DOWN,    HL_W_KDA_DECAY_DOWN};
    static const hl_weight state_low[] = {HL_W_STATE_X, HL_W_STATE_DT, HL_W_KDA_GATE_UP, HL_W_KDA_DECAY_UP};
    static const hl_weight state_out[] = {HL_W_STATE_OUT, HL_W_SHORT_OUT, HL_W_KDA_OUT};
    static const hl_weight attn_in[] = {HL_W_Q_GATED,    HL_W_Q,   HL_W_K,     HL_W_V,    HL_W_GATE_ATTN,
                                        HL_W_GATE_HEADS, HL_W_Q_A, HL_W_MLA_Q, HL_W_KV_A, HL_W_LAUREL_DOWN};
    static const hl_weight ffn_in[] = {HL_W_GATE,    HL_W_UP,         HL_W_ROUTER,   HL_W_GATE_EXPS,
                                       HL_W_UP_EXPS, HL_W_GATE_SHEXP, HL_W_UP_SHEXP, HL_W_LATENT_DOWN};
    static const hl_weight side_in[] = {HL_W_SIDE_GATE, HL_W_ALTUP_ROUTER};
#define NEEDS(list) needs_of(l, list, sizeof(list) / sizeof(list)[0])
    l->need_attn_in = NEEDS(attn_in) | NEEDS(state_in);
    l->need_state_low = NEEDS(state_low);
    l->need_state_out = NEEDS(state_out);
    l->need_o_in = hl_matrix_needs(&l->w[HL_W_O]);
    l->need_ffn_in = NEEDS(ffn_in) | (l->v[HL_W_SHARED_SHARE] ? HL_NEED_F32 : 0u);
    l->need_side_in = NEEDS(side_in);
#undef NEEDS
}

/* Names that some families have for what others call otherwise. */
static void take_aliases(hl_layer *l) {
    if (!l->v[HL_W_FFN_NORM]) l->v[HL_W_FFN_NORM] = l->v[HL_W_FFN_NORM_AS_POST];
    if (!l->v[HL_W_FFN_NORM]) l->v[HL_W_FFN_NORM] = l->v[HL_W_FFN_NORM_BARE];
    if (l->p->mixes == 0) l->v[HL_W_FFN_NORM] = l->v[HL_W_ATTN_NORM]; /* the only one of such a layer */
    if (!l->v[HL_W_CHOICE_BIAS]) l->v[HL_W_CHOICE_BIAS] = l->v[HL_W_CHOICE_BIAS_BARE];
}

/* Keys can be values only where they are as long. */
static hl_status check_values(const hl_layer *l, uint32_t block, hl_err *err) {
    if (l->w[HL_W_V].data || !l->w[HL_W_K].data || l->p->v_dim == l->p->head_dim) return HL_OK;
    return hl_fail(err, HL_E_FORMAT,
                   "tensor 'blk.%u.attn_v.weight' is missing, and keys of %u values are no values of %u",
                   block, l->p->head_dim, l->p->v_dim);
}

/* Tables of recurrent layers are by channel in files; steps take many channels at once. `from` is
 * [n][n_rows]; it becomes columns [at, at + n) of `to`, [n_rows][stride]. */
static void turn_table(const float *from, size_t n, size_t n_rows, float *to, size_t at, size_t stride) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_rows; k++) to[k * stride + at + i] = from[i * n_rows + k];
}

static hl_status turn_tables(hl_model *m, hl_layer *l, hl_err *err) {
    static const hl_weight taps[] = {HL_W_STATE_TAPS, HL_W_SHORT_TAPS, HL_W_KDA_TAPS_Q, HL_W_KDA_TAPS_K,
                                     HL_W_KDA_TAPS_V};
    const hl_state_params *s = &m->hp.state;
    const float           *a = l->v[HL_W_STATE_A_CHANNELS];
    const size_t           n_cols = hl_state_cols(s);
    size_t                 at = 0;
    if (!(l->p->mixes & HL_MIXES_STATE)) return HL_OK;
    float *turned = hl_arena_get(&m->arena, (size_t)s->n_taps * s->conv_cols, sizeof *turned);
    float *decays = a ? hl_arena_get(&m->arena, s->key_dim * n_cols, sizeof *decays) : NULL;
    if (!turned || (a && !decays))
        return hl_fail(err, HL_E_NOMEM, "no memory for tables of recurrent layers");
    for (size_t i = 0; i < sizeof taps / sizeof taps[0]; i++) {
        const size_t n = hl_weight_rows[taps[i]].shape[1] == HL_DIM_ONE ? s->inner : s->conv_cols;
        if (!l->v[taps[i]]) continue;
        turn_table(l->v[taps[i]], n, s->n_taps, turned, at, s->conv_cols);
        at += n;
    }
    l->taps = turned;
    l->decays = decays;
    if (a) turn_table(a, s->inner, s->key_dim, decays, 0, n_cols);
    return HL_OK;
}

/* In dense feed-forward blocks a scale counts for the bias, too; elsewhere the bias is added behind it.
 * from: llama.cpp (src/llama-graph.cpp, August 2026) */
static hl_status scale_biases(hl_model *m, hl_layer *l, hl_err *err) {
    static const hl_weight pairs[][2] = {
        {HL_W_UP, HL_W_UP_BIAS}, {HL_W_GATE, HL_W_GATE_BIAS}, {HL_W_DOWN, HL_W_DOWN_BIAS}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const hl_matrix *w = &l->w[pairs[i][0]];
        const float     *bias = l->v[pairs[i][1]];
        if (!w->data || !w->factors || !bias) continue;
        float *x = hl_arena_get(&m->arena, w->n_rows, sizeof *x);
        if (!x) return hl_fail(err, HL_E_NOMEM, "no memory for a bias of %zu values", w->n_rows);
        for (size_t r = 0; r < w->n_rows; r++) x[r] = bias[r] * *w->factors;
        l->v[pairs[i][1]] = x;
    }
    return HL_OK;
}

/* What follows from the tensors of a layer that are bound. */
static hl_status finish_layer(hl_model *m, hl_layer *l, uint32_t block, hl_err *err) {
    take_aliases(l);
    note_needs(l);
    hl_status status = check_values(l, block, err);
    if (status == HL_OK) status = turn_tables(m, l, err);
    return status == HL_OK ? scale_biases(m, l, err) : status;
}

/* Weights of norms that have none, and for functions whose other argument is missing. */
static hl_status make_ones(hl_model *m, hl_err *err) {
    const uint32_t n = m->hp.n_experts > m->hp.n_embd ? m->hp.n_experts : m->hp.n_embd;
    float         *ones = hl_arena_get(&m->arena, n, sizeof *ones);
    if (!ones) return hl_fail(err, HL_E_NOMEM, "no memory for %u values", n);
    for (uint32_t i = 0; i < n; i++) ones[i] = 1.0f;
    m->ones = ones;
    return HL_OK;
}

/* The number of the layer in a tensor's name; UINT32_MAX: it is of none. */
static uint32_t layer_of(const char *name) {
    uint32_t n = 0;
    if (strncmp(name, "blk.", 4) != 0) return UINT32_MAX;
    const char *at = name + 4;
    for (; *at >= '0' && *at <= '9'; at++)
        if (n < 100000000) n = n * 10 + (uint32_t)(*at - '0');
    return at > name + 4 && *at == '.' ? n : UINT32_MAX;
}

/* A block that drafts is none of the model's layers: run as one, it would spoil every answer. */
static hl_status check_drafting(const hl_model *m, const char *name, uint32_t layer, hl_err *err) {
    const char *rest = layer == UINT32_MAX ? NULL : strchr(name + 4, '.');
    if (layer >= m->hp.n_layers || !rest || strncmp(rest, ".nextn.", 7) != 0) return HL_OK;
    return hl_fail(
        err, HL_E_FORMAT,
        "tensor '%s' belongs to a block that drafts, but key '%s.nextn_predict_layers' is %u: block "
        "%u of %u would run as a layer",
        name, m->arch->name, m->hp.n_blocks - m->hp.n_layers, layer, m->hp.n_blocks);
}

/* Does the block have tensors; does it have one of a block that drafts? */
static bool has_block(const hl_model *m, uint32_t block, bool *ret_drafts) {
    bool has_any = false;
    *ret_drafts = false;
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const char *name = hl_gguf_tensor_at(m->gguf, i)->name;
        if (layer_of(name) != block) continue;
        has_any = true;
        *ret_drafts |= strncmp(strchr(name + 4, '.'), ".nextn.", 7) == 0;
    }
    return has_any;
}

/* A block that is a layer of the model's must not be left out as one that drafts. Files of the trunk alone
 * have nothing of those that do. */
static hl_status check_left_out(const hl_model *m, hl_err *err) {
    for (uint32_t block = m->hp.n_layers; block < m->hp.n_blocks; block++) {
        bool drafts = false;
        if (!has_block(m, block, &drafts) || drafts) continue;
        return hl_fail(
            err, HL_E_FORMAT,
            "key '%s.nextn_predict_layers' is %u, but block %u of %u does not draft: it has tensors, "
            "and no 'blk.%u.nextn.eh_proj.weight'; a layer of the model would be left out",
            m->arch->name, m->hp.n_blocks - m->hp.n_layers, block, m->hp.n_blocks, block);
    }
    return HL_OK;
}

/* Part of a model that answers as if it were all of it is worse than none. */
static hl_status check_layers(const hl_model *m, hl_err *err) {
    const char *first = NULL;
    size_t      n = 0;
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(m->gguf, i);
        const uint32_t        layer = layer_of(t->name);
        const hl_status       status = check_drafting(m, t->name, layer, err);
        if (status != HL_OK) return status;
        if (layer == UINT32_MAX || layer < m->hp.n_blocks) continue;
        if (!first) first = t->name;
        n++;
    }
    if (!first) return check_left_out(m, err);
    return hl_fail(
        err, HL_E_FORMAT,
        "key '%s.block_count' is %u, but there are tensors of further layers: '%s' (%zu in all); with the "
        "layers that it says, half a model would answer",
        m->arch->name, m->hp.n_blocks, first, n);
}

/* The sizes of the block that drafts: those of the last layer that sees all positions. It has experts where
 * it has a router. */
static bool find_next_params(const hl_model *m, hl_layer_params *ret) {
    const uint32_t block = m->hp.n_layers;
    char           router[64];
    (void)snprintf(router, sizeof router, "blk.%u.ffn_gate_inp.weight", block);
    const bool has_experts = hl_gguf_find_tensor(m->gguf, router) != NULL;
    for (uint32_t i = block; i-- > 0;) {
        const hl_layer_params *p = &m->hp.layers[i];
        if (p->mixes != HL_MIXES_ATTENTION || p->window > 0 || !p->has_ffn || p->shares_kv) continue;
        if (has_experts && p->n_expert_ff == 0) continue;
        *ret = *p;
        if (!has_experts) ret->n_expert_ff = ret->n_shared_ff = 0;
        ret->i_kv = block;
        return true;
    }
    return false;
}

static hl_status bind_next_tensors(hl_model *d, uint32_t block, size_t *ret_bound, hl_err *err) {
    hl_status status = HL_OK;
    for (int w = 0; w < HL_W_count && status == HL_OK; w++)
        if (d->arch->weights[w] != HL_IGNORED && hl_weight_rows[w].scope != HL_SCOPE_MODEL)
            status = bind_weight(d, (hl_weight)w, block, &d->layers[0], ret_bound, err);
    return status == HL_OK
               ? HL_OK
               : hl_fail_within(err, status, "block %u, which drafts (nextn_predict_layers)", block);
}

/* The block behind the last layer, if the file has it: some come without, whatever their keys say. What it
 * does not have of its own is the model's. */
static hl_status bind_next(hl_model *m, size_t *ret_bound, hl_err *err) {
    const uint32_t  block = m->hp.n_layers;
    bool            drafts = false;
    hl_layer_params found;
    if (m->arch->weights[HL_W_NEXT_PROJ] == HL_IGNORED || m->hp.n_blocks == block ||
        !has_block(m, block, &drafts))
        return HL_OK;
    if (!find_next_params(m, &found))
        return hl_fail(err, HL_E_FORMAT, "block %u, which drafts, is like no layer of the model", block);
    hl_model        *d = hl_arena_get(&m->arena, 1, sizeof *d);
    hl_layer        *l = hl_arena_get(&m->arena, 1, sizeof *l);
    hl_layer_params *p = hl_arena_get(&m->arena, 1, sizeof *p);
    hl_kv_layer     *kv = hl_arena_get(&m->arena, block + 1, sizeof *kv);
    if (!d || !l || !p || !kv) return hl_fail(err, HL_E_NOMEM, "no memory for the block that drafts");
    *p = found;
    l->p = p;
    d->engine = m->engine;
    d->gguf = m->gguf;
    d->arch = m->arch;
    hl_arena_init(&d->arena, ARENA_LIMIT_BYTES);
    d->hp = m->hp;
    d->hp.n_layers = 1;
    d->hp.layers = p;
    d->hp.kv_layers = kv;
    d->hp.n_kv_layers = block + 1;
    memcpy(kv, m->hp.kv_layers, block * sizeof *kv);
    kv[block] = (hl_kv_layer){p->n_kv_heads, p->head_room, p->v_in_k};
    d->hp.most = found;
    d->hp.state = (hl_state_params){0};
    d->hp.n_target = d->hp.n_own = m->hp.n_embd;
    d->drafting = hl_draft_kind_of(HL_DRAFTS_NEXT);
    d->layers = l;
    d->rope_freqs = m->rope_freqs;
    d->ones = m->ones;
    d->tokenizer = m->tokenizer;
    hl_status status = bind_next_tensors(d, block, ret_bound, err);
    if (status == HL_OK) status = finish_layer(d, l, block, err);
    if (status != HL_OK) {
        hl_arena_done(&d->arena);
        return status;
    }
    d->tok_embd = l->w[HL_W_NEXT_EMBD].data ? l->w[HL_W_NEXT_EMBD] : m->tok_embd;
    d->out = l->w[HL_W_NEXT_OUT].data ? l->w[HL_W_NEXT_OUT] : m->out;
    d->out_norm = l->v[HL_W_NEXT_OUT_NORM] ? l->v[HL_W_NEXT_OUT_NORM] : m->out_norm;
    d->out_bias = m->out_bias;
    d->need_out_in = hl_matrix_needs(&d->out);
    if (d->out.n_cols > d->max_cols) d->max_cols = (uint32_t)d->out.n_cols;
    m->next = d;
    return HL_OK;
}

static hl_status bind_tensors(hl_model *m, hl_err *err) {
    size_t    n_bound = 0;
    hl_status status = check_layers(m, err);
    if (status == HL_OK) status = check_scales(m, err);
    m->layers = hl_arena_get(&m->arena, m->hp.n_layers, sizeof *m->layers);
    if (!m->layers) return hl_fail(err, HL_E_NOMEM, "no memory for %u layers", m->hp.n_layers);
    for (uint32_t i = 0; i < m->hp.n_layers; i++) m->layers[i].p = &m->hp.layers[i];
    for (int w = 0; w < HL_W_count && status == HL_OK; w++) {
        if (m->arch->weights[w] == HL_IGNORED) continue;
        if ((status = hl_stop_check("bind the tensors", err)) != HL_OK) break;
        if (hl_weight_rows[w].scope == HL_SCOPE_NEXT) continue;
        const bool     is_once = hl_weight_rows[w].scope == HL_SCOPE_MODEL;
        const uint32_t n = is_once || m->only_next ? 0 : m->hp.n_layers;
        if (is_once) status = bind_weight(m, (hl_weight)w, 0, NULL, &n_bound, err);
        for (uint32_t i = 0; i < n && status == HL_OK; i++)
            status = bind_weight(m, (hl_weight)w, i, &m->layers[i], &n_bound, err);
    }
    if (status != HL_OK) return status;
    if (!m->pooled_up.data != !m->pooled_down.data)
        return hl_fail(err, HL_E_FORMAT, "of dense_2.weight and dense_3.weight one is missing");
    /* what may have a head and has none drafts with that of its target */
    const bool is_tied =
        !m->only_next && (m->arch->drafts == HL_DRAFTS_NOT || m->arch->weights[HL_W_OUT] == HL_IGNORED);
    if (!m->out.data && !m->arch->is_encoder && is_tied) m->out = m->tok_embd;
    m->need_out_in = hl_matrix_needs(&m->out);
    status = make_ones(m, err);
    for (uint32_t i = 0; i < m->hp.n_layers && status == HL_OK && !m->only_next; i++)
        status = finish_layer(m, &m->layers[i], i, err);
    if (status == HL_OK) status = bind_next(m, &n_bound, err);
    if (status != HL_OK) return status;
    if (n_bound < hl_gguf_n_tensors(m->gguf))
        hl_event(&m->engine->events, HL_LOG_DEBUG, "engine", "tensors-unused", "n=%zu of=%zu action=ignored",
                 hl_gguf_n_tensors(m->gguf) - n_bound, hl_gguf_n_tensors(m->gguf));
    return HL_OK;
}

/* A row for each token, in a block that drafts; NULL: it has none. */
static const hl_gguf_tensor *find_own_table(const hl_model *m) {
    static const char *const names[] = {"embed_tokens", "shared_head_head"};
    const hl_gguf_tensor    *t = NULL;
    char                     name[96];
    for (size_t i = 0; i < sizeof names / sizeof *names && !t; i++) {
        (void)snprintf(name, sizeof name, "blk.%u.nextn.%s.weight", m->hp.n_layers, names[i]);
        t = hl_gguf_find_tensor(m->gguf, name);
    }
    return t;
}

/* The vocabulary's size comes from the embedding: files may pad it beyond the token list. What drafts with
 * the embedding of another model has that model's. */
static hl_status find_vocab_size(hl_model *m, hl_err *err) {
    const hl_gguf_tensor *t = hl_gguf_find_tensor(m->gguf, "token_embd.weight");
    if (!t && m->only_next) {
        const hl_gguf_tensor *own = find_own_table(m);
        const uint64_t        rows = own ? hl_tensor_dim(own, 1) : 0;
        m->hp.n_vocab = rows <= HL_MAX_VOCAB ? (uint32_t)rows : 0;
        return HL_OK;
    }
    if (!t && m->arch->weights[HL_W_TOK_EMBD] != HL_NEEDED) return HL_OK;
    if (!t) return hl_fail(err, HL_E_FORMAT, "tensor 'token_embd.weight' is missing");
    const uint64_t n = hl_tensor_dim(t, 1);
    if (n < 1 || n > HL_MAX_VOCAB)
        return hl_fail(err, HL_E_FORMAT, "tensor 'token_embd.weight': %" PRIu64 " rows, expected 1..%d", n,
                       HL_MAX_VOCAB);
    m->hp.n_vocab = (uint32_t)n;
    const hl_status status = check_shape(m, &m->hp.most, &hl_weight_rows[HL_W_TOK_EMBD], t, err);
    if (status != HL_OK) return status;
    if (m->tokenizer && (uint32_t)hl_tokenizer_n_vocab(m->tokenizer) > m->hp.n_vocab)
        return hl_fail(err, HL_E_FORMAT, "the vocabulary has %d tokens, the embedding only %u rows",
                       hl_tokenizer_n_vocab(m->tokenizer), m->hp.n_vocab);
    return HL_OK;
}

static uint64_t count_weights(const hl_matrix *w, uint64_t *bytes) {
    if (!w->data) return 0;
    *bytes += (uint64_t)w->n_rows * w->row_bytes;
    return (uint64_t)w->n_rows * w->n_cols;
}

/* What the tensor list alone says. */
static hl_status count_params(hl_model *m, hl_err *err) {
    char name[HL_GGUF_FILE_TYPE_BYTES];
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++)
        m->info.n_params += hl_gguf_tensor_at(m->gguf, i)->n_elems;
    hl_gguf_file_type(m->gguf, name);
    const char *kept = hl_arena_get_text(&m->arena, name, strlen(name));
    if (!kept) return hl_fail(err, HL_E_NOMEM, "open model: no memory");
    m->info.file_type = kept;
    return HL_OK;
}

/* Also where nothing but its keys was read. */
static bool has_next(const hl_model *m) {
    char name[96];
    (void)snprintf(name, sizeof name, "blk.%u.nextn.eh_proj.weight", m->hp.n_layers);
    return m->arch->weights[HL_W_NEXT_PROJ] != HL_IGNORED && m->hp.n_blocks > m->hp.n_layers &&
           hl_gguf_find_tensor(m->gguf, name) != NULL;
}

/* Files of the block alone come beside those of the model. */
static bool has_next_only(const hl_model *m) {
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++)
        if (layer_of(hl_gguf_tensor_at(m->gguf, i)->name) < m->hp.n_layers) return false;
    return has_next(m);
}

static void note_sizes(hl_model *m) {
    const hl_hparams *hp = &m->hp;
    hl_model_info    *in = &m->info;
    in->n_layers = (int32_t)hp->n_layers;
    in->n_embd = (int32_t)hp->n_embd;
    in->n_heads = (int32_t)hp->most.n_heads;
    in->n_kv_heads = (int32_t)hp->most.n_kv_heads;
    in->head_dim = (int32_t)hp->most.head_dim;
    in->n_ff = (int32_t)(hp->n_experts ? hp->most.n_expert_ff : hp->most.n_ff);
    in->n_vocab = (int32_t)hp->n_vocab;
    in->n_ctx_train = (int32_t)hp->n_ctx_train;
    in->n_experts = (int32_t)hp->n_experts;
    in->n_experts_used = (int32_t)hp->n_experts_used;
    in->is_encoder = m->arch->is_encoder;
    in->is_for_embedding = m->arch->is_encoder || hp->pooling > 0;
    in->drafts_itself = has_next(m) && !m->only_next;
    in->drafts_for_others = m->only_next || m->arch->drafts != HL_DRAFTS_NOT;
}

/* What one token costs; the tensors are bound. */
static void note_costs(hl_model *m) {
    hl_model_info *in = &m->info;
    for (uint32_t i = 0; i < m->hp.n_layers; i++) {
        for (int k = 0; k < HL_W_count; k++) {
            uint64_t       bytes = 0;
            const uint64_t n = count_weights(&m->layers[i].w[k], &bytes);
            const uint64_t times = m->layers[i].expert_stride[k] ? m->hp.n_experts_used : 1;
            in->macs_per_token += n * times;
            in->weight_bytes_per_token += bytes * times;
        }
    }
    in->macs_of_logits = count_weights(&m->out, &in->weight_bytes_per_token);
    in->macs_per_token += in->macs_of_logits;
}

/* Text keys outlive the call as terminated strings in the arena; "" where there is none. */
static hl_status keep_text(hl_model *m, const char *key, const char **ret, hl_err *err) {
    hl_view v = {0};
    *ret = "";
    if (!hl_gguf_find(m->gguf, key) || hl_gguf_get_text(m->gguf, key, &v, NULL) != HL_OK) return HL_OK;
    const char *s = hl_arena_get_text(&m->arena, v.ptr, v.len);
    if (!s) return hl_fail(err, HL_E_NOMEM, "key '%s': no memory", key);
    *ret = s;
    return HL_OK;
}

/* A tensor's name with "N" for the number of its layer. */
static void name_without_layer(const char *name, char *ret, size_t cap) {
    const bool  is_of_layer = layer_of(name) != UINT32_MAX;
    const char *rest = is_of_layer ? strchr(name + 4, '.') + 1 : name;
    (void)snprintf(ret, cap, "%s%s", is_of_layer ? "blk.N." : "", rest);
}

/* Whether some architecture has such a tensor. */
static bool is_known(const char *bare) {
    char known[96];
    for (int w = 0; w < HL_W_count; w++) {
        const char *name = hl_weight_rows[w].name, *number = strstr(name, "%u");
        (void)snprintf(known, sizeof known, "%s%s", number ? "blk.N." : "", number ? number + 3 : name);
        if (strcmp(known, bare) == 0) return true;
    }
    return false;
}

/* What of an architecture nobody knows: the kinds of its tensors, the first few by name. */
static hl_status fail_arch(const hl_model *m, hl_view arch, hl_err *err) {
    enum { MAX_NAMED = 6 };
    hl_str list;
    size_t n = 0;
    hl_str_init(&list, 360);
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf) && n < MAX_NAMED; i++) {
        char bare[80], quoted[84];
        name_without_layer(hl_gguf_tensor_at(m->gguf, i)->name, bare, sizeof bare);
        (void)snprintf(quoted, sizeof quoted, "'%s'", bare);
        if (is_known(bare) || strstr(hl_str_text(&list), quoted)) continue;
        hl_str_add_format(&list, "%s%s", n++ ? ", " : "", quoted);
    }
    const hl_status status = hl_fail(err, HL_E_UNSUPPORTED, "architecture '%.*s' is not supported; %s%s%s",
                                     (int)(arch.len > 64 ? 64 : arch.len), arch.ptr,
                                     n ? "tensors that no supported one has: "
                                       : "its tensors are known, but not what is made of them",
                                     n ? hl_str_text(&list) : "", n == MAX_NAMED ? " ..." : "");
    hl_str_done(&list);
    return status;
}

static hl_status find_arch(hl_model *m, hl_err *err) {
    hl_view   name = {0};
    hl_status status = hl_gguf_get_text(m->gguf, "general.architecture", &name, err);
    if (status == HL_E_NOT_FOUND) return hl_fail(err, HL_E_FORMAT, "key 'general.architecture' is missing");
    if (status != HL_OK) return status;
    m->arch = hl_arch_find(name);
    if (m->arch) return HL_OK;
    return fail_arch(m, name, err);
}

static hl_status load_tokenizer(hl_model *m, hl_err *err) {
    const hl_status status = hl_tokenizer_new(m->gguf, &m->tokenizer, err);
    if (status == HL_E_NOT_FOUND) return HL_OK; /* a model without a vocabulary still runs on ids */
    if (status != HL_OK) return status;
    const char *why = NULL;
    for (size_t i = 0; (why = hl_tokenizer_warning(m->tokenizer, i)); i++)
        hl_event(&m->engine->events, HL_LOG_WARN, "engine", "vocabulary", "why=\"%s\"", why);
    return HL_OK;
}

static hl_status open_gguf(const char *const *paths, size_t n_paths, hl_gguf **ret, hl_err *err) {
    if (n_paths == 0) return hl_fail(err, HL_E_ARG, "no model file was named");
    return n_paths == 1 ? hl_gguf_open(paths[0], ret, err) : hl_gguf_open_shards(paths, n_paths, ret, err);
}

hl_status hl_model_open(hl_engine *e, const char *const *paths, size_t n_paths, const hl_model_params *p,
                        hl_model **ret_model, hl_err *err) {
    const bool vocab_only = p && p->vocab_only;
    hl_model  *m = hl_new(1, sizeof *m);
    if (!m) return hl_fail(err, HL_E_NOMEM, "open model: no memory");
    m->engine = e;
    hl_arena_init(&m->arena, ARENA_LIMIT_BYTES);
    hl_status status = open_gguf(paths, n_paths, &m->gguf, err);
    if (status != HL_OK) goto fail;
    m->info.file_type = "";
    if ((status = keep_text(m, "general.name", &m->info.name, err)) != HL_OK ||
        (status = keep_text(m, "general.architecture", &m->info.arch, err)) != HL_OK ||
        (status = count_params(m, err)) != HL_OK)
        goto fail;
    m->info.file_bytes = hl_gguf_file_bytes(m->gguf);
    status = load_tokenizer(m, err);
    if (status != HL_OK) goto fail;
    if (vocab_only) { /* sizes are good to know, but a vocabulary is of use without them */
        if (find_arch(m, NULL) == HL_OK &&
            hl_hparams_load(m->gguf, m->arch, &m->arena, &m->hp, NULL) == HL_OK) {
            m->only_next = has_next_only(m);
            m->hp.n_vocab = m->tokenizer ? (uint32_t)hl_tokenizer_n_vocab(m->tokenizer) : 0;
            note_sizes(m);
        }
    } else {
        HL_TRACE1(load_begin, n_paths);
        if ((status = find_arch(m, err)) != HL_OK ||
            (status = hl_hparams_load(m->gguf, m->arch, &m->arena, &m->hp, err)) != HL_OK)
            goto fail;
        m->only_next = has_next_only(m);
        if ((status = find_vocab_size(m, err)) != HL_OK || (status = bind_tensors(m, err)) != HL_OK)
            goto fail;
        if ((status = hl_experts_new(m, &m->experts, err)) != HL_OK) goto fail;
        note_sizes(m);
        note_costs(m);
        HL_TRACE1(load_end, m->info.file_bytes);
        hl_gguf_will_need(m->gguf);
    }
    if (hl_gguf_is_broken(m->gguf)) goto fail;
    *ret_model = m;
    return HL_OK;
fail:
    if (m->gguf && hl_gguf_is_broken(m->gguf))
        status = hl_fail(err, HL_E_IO, "the file was changed or cut short while it was read");
    if (m->gguf)
        (void)hl_fail_within(err, status, "'%s'", paths[0]); /* one that cannot be opened is named already */
    hl_model_close(m);
    return status;
}

void hl_model_close(hl_model *m) {
    if (!m) return;
    hl_tokenizer_free(m->tokenizer);
    hl_loras_free(m->loras);
    hl_experts_free(m->experts);
    hl_gguf_close(m->gguf);
    if (m->next) hl_arena_done(&m->next->arena);
    hl_arena_done(&m->arena);
    hl_free(m);
}

uint64_t hl_model_weights_bytes(const hl_model *m) {
    return hl_gguf_file_bytes(m->gguf) + (m->loras ? m->loras->bytes : 0);
}

void                hl_model_get_info(const hl_model *m, hl_model_info *ret_info) { *ret_info = m->info; }
const hl_tokenizer *hl_model_tokenizer(const hl_model *m) { return m->tokenizer; }

hl_status hl_model_embed(const hl_model *m, int32_t token, float *ret_embd, hl_err *err) {
    const hl_matrix *w = &m->tok_embd;
    if (!w->data) return hl_fail(err, HL_E_ARG, "the model was opened for its vocabulary only");
    if (token < 0 || (uint32_t)token >= m->hp.n_vocab)
        return hl_fail(err, HL_E_ARG, "token is %d, expected 0..%u", token, m->hp.n_vocab - 1);
    const uint8_t *row = (const uint8_t *)w->data + (size_t)token * w->row_bytes;
    hl_quant_to_f32(w->type)(row, m->hp.n_embd, ret_embd);
    for (uint32_t i = 0; i < m->hp.n_embd; i++) ret_embd[i] *= m->hp.embd_scale;
    return HL_OK;
}

static const char TEMPLATE_KEY[] = "tokenizer.chat_template";

hl_view hl_model_chat_template(const hl_model *m) {
    hl_view v = {0};
    if (!hl_gguf_find(m->gguf, TEMPLATE_KEY) || hl_gguf_get_text(m->gguf, TEMPLATE_KEY, &v, NULL) != HL_OK)
        return (hl_view){0};
    return v;
}

hl_view hl_model_named_template(const hl_model *m, const char *name) {
    char    key[128];
    hl_view v = {0};
    if (snprintf(key, sizeof key, "%s.%s", TEMPLATE_KEY, name) >= (int)sizeof key) return v;
    if (!hl_gguf_find(m->gguf, key) || hl_gguf_get_text(m->gguf, key, &v, NULL) != HL_OK) return (hl_view){0};
    return v;
}

void hl_model_each_named_template(const hl_model *m, void (*fn)(void *user, hl_view name), void *user) {
    const size_t n_prefix = sizeof TEMPLATE_KEY; /* with the full stop */
    for (size_t i = 0; i < hl_gguf_n_values(m->gguf); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(m->gguf, i);
        if (v->kind == HL_GGUF_STRING && v->key.len > n_prefix && hl_view_has_prefix(v->key, TEMPLATE_KEY) &&
            v->key.ptr[n_prefix - 1] == '.')
            fn(user, (hl_view){v->key.ptr + n_prefix, v->key.len - n_prefix});
    }
}

static const char *const kind_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};

static void add_value(hl_str *s, const hl_gguf_value *v, uint64_t i) {
    int64_t n = 0;
    double  x = 0;
    if (hl_gguf_elem_i64(v, i, &n))
        hl_str_add_format(s, "%" PRId64, n);
    else if (hl_gguf_elem_f64(v, i, &x))
        hl_str_add_format(s, "%g", x);
}

void hl_model_each_key(const hl_model *m, void (*fn)(void *, hl_view, const char *, const char *),
                       void           *user) {
    enum { MAX_ELEMS = 8 };
    for (size_t i = 0; i < hl_gguf_n_values(m->gguf); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(m->gguf, i);
        hl_str               s;
        hl_str_init(&s, 1 << 20);
        if (v->kind == HL_GGUF_STRING) {
            hl_gguf_value one = *v;
            hl_view       text = {0};
            char          key[256];
            (void)snprintf(key, sizeof key, "%.*s", (int)(one.key.len < 255 ? one.key.len : 255),
                           one.key.ptr);
            if (hl_gguf_get_text(m->gguf, key, &text, NULL) == HL_OK) hl_str_add_view(&s, text);
        } else if (v->kind != HL_GGUF_ARRAY) {
            add_value(&s, v, 0);
        } else {
            hl_gguf_strings it;
            hl_view         text = {0};
            const bool      is_text = hl_gguf_strings_init(&it, v);
            hl_str_add_char(&s, '[');
            for (uint64_t j = 0; j < v->n && j < MAX_ELEMS; j++) {
                if (j) hl_str_add_text(&s, ", ");
                if (is_text && hl_gguf_strings_next(&it, &text))
                    hl_str_add_json(&s, text);
                else
                    add_value(&s, v, j);
            }
            if (v->n > MAX_ELEMS) hl_str_add_format(&s, ", ... %" PRIu64 " in all", v->n);
            hl_str_add_char(&s, ']');
        }
        fn(user, v->key, kind_names[v->kind], s.failed ? NULL : hl_str_text(&s));
        hl_str_done(&s);
    }
}

void hl_model_each_tensor(const hl_model *m,
                          void (*fn)(void *, const char *, const char *, const uint64_t *, uint32_t),
                          void *user) {
    for (size_t i = 0; i < hl_gguf_n_tensors(m->gguf); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(m->gguf, i);
        fn(user, t->name, hl_type_name(t->type), t->shape, t->n_dims);
    }
    for (size_t i = 0; i < hl_gguf_n_numbers(m->gguf); i++) {
        const hl_gguf_tensor *t = hl_gguf_numbers_at(m->gguf, i);
        fn(user, t->name, "i64", t->shape, t->n_dims);
    }
}
