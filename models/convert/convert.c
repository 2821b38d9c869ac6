/* SPDX-License-Identifier: MIT
 *
 * convert.c - reads a published model's folder, finds its family, and writes keys and tensors.
 */
#include "models/convert/convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "models/convert/family.h"
#include "models/convert/hf_vocab.h"
#include "models/convert/safetensors.h"

enum {
    MAX_JSON_BYTES = 256 << 20, /* a tokenizer.json of 262,144 tokens has 33 MB */
    MAX_JSON_VALUES = 32 << 20,
    MAX_JSON_DEPTH = 32,
    MAX_FILES = 8192,
    MAX_LAYERS = 1024,
    ARENA_BYTES = 1 << 30,
};

typedef struct made {
    const struct converter *c;
    const hl_st_tensor     *t;
    const hl_tensor_rule   *rule;
    bool                    to_f32;
} made;

typedef struct converter {
    const hl_convert_options *o;
    const hl_convert_file    *files;
    size_t                    n_files;
    const hl_family          *family;
    json_t                   *config, *tokenizer, *settings, *generation, *pooling, *template_json;
    const json_t             *text_config; /* config, or the part of it that is about text */
    char                     *spm, *template_text;
    size_t                    n_spm, n_template;
    hl_safetensors           *weights;
    hl_gguf_writer           *w;
    hl_arena                  arena;
    uint32_t                  n_heads, n_kv_heads, n_layers, head_dim;
    uint64_t                  done_bytes, total_bytes;
    hl_err                   *err;
} converter;

/* ---- files ---- */

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool hl_convert_is_weights(const char *name) { return ends_in(name, ".safetensors"); }

bool hl_convert_wants(const char *name) {
    static const char *const others[] = {
        "config.json",     "tokenizer.json",      "tokenizer_config.json", "generation_config.json",
        "tokenizer.model", "chat_template.jinja", "chat_template.json",    "1_Pooling/config.json"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0) return true;
    return hl_convert_is_weights(name);
}

static const char *find_file(const converter *c, const char *name) {
    for (size_t i = 0; i < c->n_files; i++)
        if (strcmp(c->files[i].name, name) == 0) return c->files[i].path;
    return NULL;
}

static hl_status read_text(const converter *c, const char *name, char **ret, size_t *ret_n) {
    const char *path = find_file(c, name);
    *ret = NULL;
    *ret_n = 0;
    if (!path) return HL_OK;
    return hl_fail_within(c->err, hl_file_read(path, MAX_JSON_BYTES, ret, ret_n, c->err), "%s", name);
}

static hl_status read_json(const converter *c, const char *name, json_t **ret) {
    const hl_json_rules rules = {.max_bytes = MAX_JSON_BYTES,
                                 .max_values = MAX_JSON_VALUES,
                                 .max_depth = MAX_JSON_DEPTH,
                                 .allows_nul = true};
    char               *text = NULL;
    size_t              n = 0;
    hl_status           status = read_text(c, name, &text, &n);
    if (status == HL_OK && text) status = hl_json_read((hl_view){text, n}, name, &rules, ret, c->err);
    if (status == HL_OK && text && !json_is_object(*ret))
        status = hl_fail(c->err, HL_E_FORMAT, "%s: expected an object", name);
    hl_free(text);
    return status;
}

static hl_status open_weights(converter *c) {
    const char **paths = hl_new(c->n_files + 1, sizeof *paths);
    size_t       n = 0;
    if (!paths) return hl_fail(c->err, HL_E_NOMEM, "convert: no memory");
    for (size_t i = 0; i < c->n_files; i++)
        if (hl_convert_is_weights(c->files[i].name)) paths[n++] = c->files[i].path;
    const hl_status status =
        n ? hl_safetensors_open(paths, n, &c->weights, c->err)
          : hl_fail(c->err, HL_E_NOT_FOUND, "no .safetensors file: the folder has no weights");
    hl_free(paths);
    return status;
}

/* ---- the family ---- */

static hl_status find_family(converter *c) {
    const char *type = hl_json_text(c->config, "model_type");
    char        known[200] = "";
    size_t      n = 0, i = 0;
    for (const hl_family *f; (f = hl_family_at(i)) != NULL; i++)
        for (size_t k = 0; f->types[k]; k++) {
            if (type && strcmp(type, f->types[k]) == 0) c->family = f;
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", f->types[k]);
        }
    if (!c->family)
        return hl_fail(c->err, HL_E_UNSUPPORTED,
                       "config.json: model_type '%.60s' does not convert here; supported: %s",
                       type ? type : "", known);
    const json_t *part = json_object_get(c->config, "text_config");
    c->text_config = json_is_object(part) ? part : c->config;
    return HL_OK;
}

/* ---- keys ---- */

static hl_status need_number(const converter *c, const char *key, int64_t least, int64_t most,
                             uint32_t *ret) {
    const int64_t n = hl_json_int(c->text_config, key, -1);
    if (n < least || n > most)
        return hl_fail(c->err, HL_E_FORMAT, "config.json: %s is %" PRId64 ", expected %" PRId64 "..%" PRId64,
                       key, n, least, most);
    *ret = (uint32_t)n;
    return HL_OK;
}

static double read_real(const json_t *object, const char *key, double otherwise) {
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

static void add_u32(converter *c, const char *key, uint32_t n) {
    char full[96];
    (void)snprintf(full, sizeof full, "%s.%s", c->family->arch, key);
    hl_gguf_writer_add_u32(c->w, full, n);
}

static void add_f32(converter *c, const char *key, double x) {
    char full[96];
    (void)snprintf(full, sizeof full, "%s.%s", c->family->arch, key);
    hl_gguf_writer_add_f32(c->w, full, (float)x);
}

/* What is said of rotation: of all layers, in one object or, where layers differ, in an object for each
 * kind. */
static const json_t *find_rope(const converter *c) {
    const json_t *rope = json_object_get(c->text_config, "rope_parameters");
    if (!json_is_object(rope)) rope = json_object_get(c->text_config, "rope_scaling");
    const json_t *full = json_object_get(rope, "full_attention");
    return json_is_object(full) ? full : rope;
}

/* Llama 3.1 stretches long waves by a factor, leaves short ones, and blends between: a divisor for each.
 * from: the model's own code in transformers (_compute_llama3_parameters), 4.57 */
static hl_status add_llama3_factors(converter *c, const json_t *rope, double base) {
    const double   factor = read_real(rope, "factor", 8), low = read_real(rope, "low_freq_factor", 1);
    const double   high = read_real(rope, "high_freq_factor", 4);
    const double   n_ctx = read_real(rope, "original_max_position_embeddings", 8192);
    const uint64_t n = c->head_dim / 2;
    float         *divisors = hl_arena_get(&c->arena, n, sizeof *divisors);
    if (!divisors) return hl_fail(c->err, HL_E_NOMEM, "convert: no memory");
    if (!(factor > 0) || !(high > low) || !(low > 0) || !(n_ctx > 0))
        return hl_fail(c->err, HL_E_FORMAT,
                       "config.json: rope_scaling of type llama3: numbers that cannot be");
    for (uint64_t i = 0; i < n; i++) {
        const double wave = 2 * M_PI * pow(base, (double)(2 * i) / (double)c->head_dim);
        const double smooth = (n_ctx / wave - low) / (high - low);
        divisors[i] = (float)(wave < n_ctx / high  ? 1.0
                              : wave > n_ctx / low ? factor
                                                   : 1 / ((1 - smooth) / factor + smooth));
    }
    hl_gguf_writer_add_tensor(c->w, "rope_freqs.weight", HL_TYPE_f32, 1, &n, divisors);
    return HL_OK;
}

static bool is_absent(const json_t *v) { return !v || json_is_null(v); }

/* GGUF has the factor and the old context of YaRN, and no place for what else it may be told. */
static hl_status check_yarn(const converter *c, const json_t *rope) {
    static const struct {
        const char *key;
        double      usual;
    } rows[] = {{"beta_fast", 32}, {"beta_slow", 1}};
    static const char *const others[] = {"attention_factor", "mscale", "mscale_all_dim"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read_real(rope, rows[i].key, rows[i].usual) != rows[i].usual)
            return hl_fail(c->err, HL_E_UNSUPPORTED, "config.json: rope_scaling: %s is %g, supported: %g",
                           rows[i].key, read_real(rope, rows[i].key, 0), rows[i].usual);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!is_absent(json_object_get(rope, others[i])))
            return hl_fail(c->err, HL_E_UNSUPPORTED, "config.json: rope_scaling: %s is not supported",
                           others[i]);
    if (!hl_json_bool(rope, "truncate", true))
        return hl_fail(c->err, HL_E_UNSUPPORTED,
                       "config.json: rope_scaling: truncate is false, expected true");
    return HL_OK;
}

static hl_status add_rope(converter *c) {
    const json_t *rope = find_rope(c);
    const double  base = read_real(c->text_config, "rope_theta", read_real(rope, "rope_theta", 10000));
    const char   *kind = hl_json_text(rope, "rope_type");
    if (!kind) kind = hl_json_text(rope, "type");
    add_u32(c, "rope.dimension_count", c->head_dim);
    add_f32(c, "rope.freq_base", base);
    if (!kind || strcmp(kind, "default") == 0) return HL_OK;
    if (strcmp(kind, "llama3") == 0) return add_llama3_factors(c, rope, base);
    if (strcmp(kind, "linear") != 0 && strcmp(kind, "yarn") != 0)
        return hl_fail(c->err, HL_E_UNSUPPORTED,
                       "config.json: rope_scaling of type '%.40s'; supported: linear, llama3, yarn", kind);
    const hl_status status = strcmp(kind, "yarn") == 0 ? check_yarn(c, rope) : HL_OK;
    if (status != HL_OK) return status;
    char full[96];
    (void)snprintf(full, sizeof full, "%s.rope.scaling.type", c->family->arch);
    hl_gguf_writer_add_text(c->w, full, hl_view_of(kind));
    add_f32(c, "rope.scaling.factor", read_real(rope, "factor", 1));
    const double n_ctx = read_real(rope, "original_max_position_embeddings", 0);
    if (n_ctx > 0 && n_ctx < 1e9) add_u32(c, "rope.scaling.original_context_length", (uint32_t)n_ctx);
    return HL_OK;
}

/* A window that GGUF's llama does not know: what lies within it is exact. */
static void cut_context(const converter *c, uint32_t *n_ctx) {
    const int64_t window = hl_json_int(c->text_config, "sliding_window", 0);
    const bool    is_used =
        hl_json_bool(c->text_config, "use_sliding_window", strcmp(c->family->arch, "llama") == 0);
    if (window <= 0 || window >= *n_ctx || !is_used || strcmp(c->family->arch, "gemma3") == 0) return;
    *n_ctx = (uint32_t)window;
    if (c->o->note)
        c->o->note(c->o->user,
                   "the model attends to a window of its context only: the context is cut to that window");
}

/* What a decoder of these families computes with other formulas than the ones that are known. */
static hl_status check_formulas(const converter *c) {
    static const char *const others[] = {"attn_logit_softcapping", "final_logit_softcapping", "logit_scale",
                                         "num_local_experts", "num_experts"};
    const json_t            *act = json_object_get(c->text_config, "hidden_activation");
    if (is_absent(act)) act = json_object_get(c->text_config, "hidden_act");
    const char *word = json_string_value(act);
    if (!is_absent(act) && (!word || strcmp(word, c->family->activation) != 0))
        return hl_fail(c->err, HL_E_UNSUPPORTED, "config.json: hidden_act is '%.40s', expected %s",
                       word ? word : "", c->family->activation);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!is_absent(json_object_get(c->text_config, others[i])))
            return hl_fail(c->err, HL_E_UNSUPPORTED, "config.json: %s has no place in a model of type %s",
                           others[i], c->family->types[0]);
    const double rotated = read_real(c->text_config, "partial_rotary_factor", 1);
    if (rotated != 1)
        return hl_fail(c->err, HL_E_UNSUPPORTED, "config.json: partial_rotary_factor is %g, expected 1",
                       rotated);
    if (hl_json_bool(c->text_config, "use_bidirectional_attention", false))
        return hl_fail(
            c->err, HL_E_UNSUPPORTED,
            "config.json: use_bidirectional_attention: a model for embeddings, whose attention is not "
            "converted here");
    return HL_OK;
}

static hl_status add_sizes(converter *c) {
    enum { MAX_N = 1 << 24 };
    uint32_t  n_embd = 0, n_ff = 0, n_ctx = 0;
    hl_status status = need_number(c, "num_hidden_layers", 1, MAX_LAYERS, &c->n_layers);
    if (status == HL_OK) status = need_number(c, "hidden_size", 1, MAX_N, &n_embd);
    if (status == HL_OK) status = need_number(c, "intermediate_size", 1, MAX_N, &n_ff);
    if (status == HL_OK) status = need_number(c, "num_attention_heads", 1, MAX_N, &c->n_heads);
    if (status == HL_OK) status = need_number(c, "max_position_embeddings", 1, 1 << 30, &n_ctx);
    if (status != HL_OK) return status;
    c->n_kv_heads = (uint32_t)hl_json_int(c->text_config, "num_key_value_heads", c->n_heads);
    const int64_t head_dim = hl_json_int(c->text_config, "head_dim", 0);
    c->head_dim = head_dim > 0 && head_dim < 65536 ? (uint32_t)head_dim : n_embd / c->n_heads;
    if (c->n_kv_heads == 0 || c->n_kv_heads > c->n_heads || c->head_dim == 0)
        return hl_fail(c->err, HL_E_FORMAT,
                       "config.json: num_key_value_heads, head_dim: numbers that cannot be");
    cut_context(c, &n_ctx);
    add_u32(c, "block_count", c->n_layers);
    add_u32(c, "context_length", n_ctx);
    add_u32(c, "embedding_length", n_embd);
    add_u32(c, "feed_forward_length", n_ff);
    add_u32(c, "attention.head_count", c->n_heads);
    if (c->family->is_encoder) {
        add_f32(c, "attention.layer_norm_epsilon", read_real(c->text_config, "layer_norm_eps", 1e-12));
        return HL_OK;
    }
    add_u32(c, "attention.head_count_kv", c->n_kv_heads);
    add_u32(c, "attention.key_length", c->head_dim);
    add_u32(c, "attention.value_length", c->head_dim);
    add_f32(c, "attention.layer_norm_rms_epsilon", read_real(c->text_config, "rms_norm_eps", 1e-6));
    status = check_formulas(c);
    return status == HL_OK ? add_rope(c) : status;
}

/* ---- tensors ---- */

static hl_status fill(void *user, void *to, size_t n_bytes, hl_err *err) {
    const made         *m = user;
    const hl_st_tensor *t = m->t;
    const bool          pairs = hl_rule_pairs_rows(m->rule);
    const uint64_t      n_rows = t->n_dims > 0 ? t->shape[0] : 1, n_columns = t->n_elems / n_rows;
    const size_t        each = m->to_f32 ? 4 : hl_st_elem_bytes(t);
    const uint64_t      per_head = m->c->head_dim;
    const float         plus = m->rule->change == HL_PLUS_ONE ? 1.0f : 0.0f;
    (void)n_bytes;
    for (uint64_t row = 0; row < n_rows; row++) {
        uint8_t *out =
            (uint8_t *)to + (size_t)((pairs ? hl_paired_row(row, per_head) : row) * n_columns) * each;
        if (!m->to_f32) {
            memcpy(out, t->data + (size_t)(row * n_columns) * each, (size_t)n_columns * each);
            continue;
        }
        for (uint64_t i = 0; i < n_columns; i++) {
            const float x = hl_st_elem(t, row * n_columns + i) + plus;
            memcpy(out + 4 * i, &x, 4);
        }
    }
    return hl_stop_check("convert a model", err);
}

static hl_status check_rows(const converter *c, const hl_st_tensor *t, const hl_tensor_rule *rule) {
    const uint64_t heads = rule->change == HL_PAIR_ROWS_Q ? c->n_heads : c->n_kv_heads;
    const uint64_t want = heads * c->head_dim;
    if (!hl_rule_pairs_rows(rule)) return HL_OK;
    if (t->n_dims == 0 || t->shape[0] != want || c->head_dim % 2)
        return hl_fail(c->err, HL_E_FORMAT,
                       "tensor '%.200s' has %" PRIu64 " rows, expected %" PRIu64 " (%" PRIu64 " heads of %u)",
                       t->name, t->n_dims ? t->shape[0] : 0, want, heads, c->head_dim);
    return HL_OK;
}

static hl_status add_tensor(converter *c, const hl_st_tensor *t, const hl_tensor_rule *rule, int64_t layer) {
    char       to[HL_RULE_NAME_BYTES] = "";
    const bool is_vector = t->n_dims <= 1;
    const bool to_f32 = is_vector || rule->change == HL_PLUS_ONE || t->type == HL_ST_F32;
    const bool is_copied = rule->change == HL_AS_IT_IS && (!to_f32 || t->type == HL_ST_F32);
    hl_status  status = check_rows(c, t, rule);
    if (status == HL_OK && (t->type == HL_ST_OTHER || t->n_dims > 4 || t->n_elems == 0))
        status = hl_fail(c->err, HL_E_UNSUPPORTED,
                         "tensor '%.200s' is %s of %u dimensions; supported: F32, F16, BF16", t->name,
                         t->type_name, t->n_dims);
    if (status == HL_OK && strchr(rule->to, '#') && (layer < 0 || layer >= c->n_layers))
        status =
            hl_fail(c->err, HL_E_FORMAT, "tensor '%.200s': config.json has %u layers", t->name, c->n_layers);
    if (status != HL_OK) return status;
    hl_rule_name(rule, layer, to);
    const hl_type  type = to_f32 ? HL_TYPE_f32 : t->type == HL_ST_F16 ? HL_TYPE_f16 : HL_TYPE_bf16;
    const uint32_t n_dims = t->n_dims ? t->n_dims : 1;
    const uint64_t one = 1;
    if (is_copied) {
        hl_gguf_writer_add_tensor(c->w, to, type, n_dims, t->n_dims ? t->shape : &one, t->data);
        return HL_OK;
    }
    made *m = hl_arena_get(&c->arena, 1, sizeof *m);
    if (!m) return hl_fail(c->err, HL_E_NOMEM, "convert: no memory");
    *m = (made){c, t, rule, to_f32};
    hl_gguf_writer_add_made(c->w, to, type, n_dims, t->n_dims ? t->shape : &one, fill, m);
    return HL_OK;
}

static hl_status add_tensors(converter *c) {
    const hl_family *f = c->family;
    bool             sees = false;
    const bool       is_tied =
        hl_json_bool(c->text_config, "tie_word_embeddings",
                     hl_json_bool(c->config, "tie_word_embeddings", strcmp(f->arch, "gemma3") == 0));
    for (size_t i = 0; i < hl_safetensors_n(c->weights); i++) {
        const hl_st_tensor *t = hl_safetensors_at(c->weights, i);
        int64_t             layer = -1;
        if (hl_family_sees(t->name)) {
            sees = true;
            continue;
        }
        const hl_tensor_rule *rule = hl_family_find_rule(f, t->name, &layer);
        if (!rule)
            return hl_fail(c->err, HL_E_UNSUPPORTED, "tensor '%.200s' has no place in a model of type %s",
                           t->name, f->types[0]);
        if (!rule->to || (is_tied && strcmp(rule->to, "output.weight") == 0)) continue;
        const hl_status status = add_tensor(c, t, rule, layer);
        if (status != HL_OK) return status;
    }
    if (sees && c->o->note) c->o->note(c->o->user, "the part of the model that sees is left out: texts only");
    return HL_OK;
}

static const hl_st_tensor *find_embedding(const converter *c) {
    for (size_t i = 0; i < hl_safetensors_n(c->weights); i++) {
        const hl_st_tensor *t = hl_safetensors_at(c->weights, i);
        if (ends_in(t->name, "embed_tokens.weight") || ends_in(t->name, "word_embeddings.weight")) return t;
    }
    return NULL;
}

/* ---- all of it ---- */

static hl_status add_vocabulary(converter *c) {
    const hl_st_tensor *embedding = find_embedding(c);
    const char         *template_text = c->template_text;
    if (!embedding || embedding->n_dims != 2)
        return hl_fail(c->err, HL_E_FORMAT, "the weights have no table of embeddings");
    if (!template_text) template_text = hl_json_text(c->template_json, "chat_template");
    const hl_vocab_source s = {.tokenizer = c->tokenizer,
                               .spm = {c->spm, c->n_spm},
                               .settings = c->settings,
                               .config = c->text_config,
                               .generation = c->generation,
                               .template_text = c->template_text ? (hl_view){c->template_text, c->n_template}
                                                                 : hl_view_of(template_text),
                               .n_rows = (size_t)embedding->shape[0],
                               .is_encoder = c->family->is_encoder};
    return hl_vocab_write(&s, &c->arena, c->w, c->err);
}

static void add_general(converter *c) {
    const hl_st_tensor *embedding = find_embedding(c);
    const hl_st_type    type = embedding ? embedding->type : HL_ST_F32;
    enum { FILE_F32 = 0, FILE_F16 = 1, FILE_BF16 = 32 }; /* general.file_type of the GGUF specification */
    hl_gguf_writer_add_text(c->w, "general.architecture", hl_view_of(c->family->arch));
    hl_gguf_writer_add_text(c->w, "general.type", hl_view_of("model"));
    if (c->o->name) hl_gguf_writer_add_text(c->w, "general.name", hl_view_of(c->o->name));
    hl_gguf_writer_add_u32(c->w, "general.file_type",
                           type == HL_ST_F16    ? FILE_F16
                           : type == HL_ST_BF16 ? FILE_BF16
                                                : FILE_F32);
}

static hl_status read_folder(converter *c) {
    hl_status status = read_json(c, "config.json", &c->config);
    if (status == HL_OK && !c->config)
        status = hl_fail(c->err, HL_E_NOT_FOUND,
                         find_file(c, HL_ADAPTER_WEIGHTS)
                             ? "an adapter, and no model: name its model in FROM (--from), and in ADAPTER "
                               "(--adapter) this folder"
                             : "no config.json: the folder does not say what the weights are");
    if (status == HL_OK) status = find_family(c);
    if (status == HL_OK) status = read_json(c, "tokenizer.json", &c->tokenizer);
    if (status == HL_OK) status = read_json(c, "tokenizer_config.json", &c->settings);
    if (status == HL_OK) status = read_json(c, "generation_config.json", &c->generation);
    if (status == HL_OK) status = read_json(c, "1_Pooling/config.json", &c->pooling);
    if (status == HL_OK) status = read_json(c, "chat_template.json", &c->template_json);
    if (status == HL_OK) status = read_text(c, "tokenizer.model", &c->spm, &c->n_spm);
    if (status == HL_OK) status = read_text(c, "chat_template.jinja", &c->template_text, &c->n_template);
    return status == HL_OK ? open_weights(c) : status;
}

static bool on_written(void *user, uint64_t done, uint64_t total) {
    const converter *c = user;
    return !c->o->progress || c->o->progress(c->o->user, done, total);
}

static hl_status convert(converter *c, int fd, const char *path) {
    hl_status status = read_folder(c);
    if (status != HL_OK) return status;
    add_general(c);
    status = add_sizes(c);
    const hl_convert_keys keys = {
        .config = c->text_config, .pooling = c->pooling, .arch = c->family->arch, .w = c->w};
    if (status == HL_OK && c->family->add_keys) status = c->family->add_keys(&keys, c->err);
    if (status == HL_OK) status = add_vocabulary(c);
    if (status == HL_OK) status = add_tensors(c);
    if (status == HL_OK) status = hl_gguf_writer_write(c->w, fd, path, on_written, c, c->err);
    if (status == HL_OK && hl_safetensors_is_broken(c->weights))
        status = hl_fail(c->err, HL_E_CHANGED,
                         "the weights changed while they were read; run again when they are complete");
    return status;
}

static void converter_done(converter *c) {
    json_t *const all[] = {c->config, c->tokenizer, c->settings, c->generation, c->pooling, c->template_json};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) json_decref(all[i]);
    hl_free(c->spm);
    hl_free(c->template_text);
    hl_safetensors_close(c->weights);
    hl_gguf_writer_free(c->w);
    hl_arena_done(&c->arena);
}

hl_status hl_convert_model(const hl_convert_file *files, size_t n_files, int fd, const char *path,
                           const hl_convert_options *options, hl_err *err) {
    static const hl_convert_options defaults = {0};
    converter c = {.o = options ? options : &defaults, .files = files, .n_files = n_files, .err = err};
    if (n_files > MAX_FILES)
        return hl_fail(err, HL_E_LIMIT, "convert: %zu files, expected at most %d", n_files, MAX_FILES);
    hl_arena_init(&c.arena, ARENA_BYTES);
    c.w = hl_gguf_writer_new();
    const hl_status status = c.w ? convert(&c, fd, path) : hl_fail(err, HL_E_NOMEM, "convert: no memory");
    converter_done(&c);
    return status;
}
