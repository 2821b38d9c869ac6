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
    hl_tensor_change        change;
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

static const hl_family *const families[] = {
#define HL_FAMILY(name) &hl_family_##name,
#include "models/convert/families.def"
#undef HL_FAMILY
};
enum { N_FAMILIES = sizeof families / sizeof *families };

static hl_status find_family(converter *c) {
    const char *type = hl_json_text(c->config, "model_type");
    char        known[200] = "";
    size_t      n = 0;
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (size_t k = 0; families[i]->types[k]; k++) {
            if (type && strcmp(type, families[i]->types[k]) == 0) c->family = families[i];
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", families[i]->types[k]);
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
    return add_rope(c);
}

/* ---- tensors ---- */

static float read_element(const hl_st_tensor *t, uint64_t i) {
    uint32_t bits = 0;
    float    x;
    if (t->type == HL_ST_F32) {
        memcpy(&x, t->data + 4 * i, 4);
        return x;
    }
    uint16_t half;
    memcpy(&half, t->data + 2 * i, 2);
    if (t->type == HL_ST_BF16) {
        bits = (uint32_t)half << 16;
        memcpy(&x, &bits, 4);
        return x;
    }
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023, sign = (uint32_t)half >> 15;
    x = exponent == 31 ? (fraction ? NAN : INFINITY)
        : exponent     ? ldexpf((float)(1024 + fraction), (int)exponent - 25)
                       : ldexpf((float)fraction, -24);
    return sign ? -x : x;
}

static size_t element_bytes(const hl_st_tensor *t) { return t->type == HL_ST_F32 ? 4 : 2; }

/* Of each head, row i of the first half and of the second become rows 2i and 2i + 1. */
static uint64_t paired_row(uint64_t row, uint64_t per_head) {
    const uint64_t in_head = row % per_head, half = per_head / 2;
    return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

static hl_status fill(void *user, void *to, size_t n_bytes, hl_err *err) {
    const made         *m = user;
    const hl_st_tensor *t = m->t;
    const bool          pairs = m->change == HL_PAIR_ROWS_Q || m->change == HL_PAIR_ROWS_K;
    const uint64_t      n_rows = t->n_dims > 0 ? t->shape[0] : 1, n_columns = t->n_elems / n_rows;
    const size_t        each = m->to_f32 ? 4 : element_bytes(t);
    const uint64_t      per_head = m->c->head_dim;
    const float         plus = m->change == HL_PLUS_ONE ? 1.0f : 0.0f;
    (void)n_bytes;
    for (uint64_t row = 0; row < n_rows; row++) {
        uint8_t *out = (uint8_t *)to + (size_t)((pairs ? paired_row(row, per_head) : row) * n_columns) * each;
        if (!m->to_f32) {
            memcpy(out, t->data + (size_t)(row * n_columns) * each, (size_t)n_columns * each);
            continue;
        }
        for (uint64_t i = 0; i < n_columns; i++) {
            const float x = read_element(t, row * n_columns + i) + plus;
            memcpy(out + 4 * i, &x, 4);
        }
    }
    return hl_stop_check("convert a model", err);
}

/* "model.layers.12.mlp.up_proj.weight" -> the same with '#', and 12; -1: no layer. */
static int64_t cut_number(const char *name, char *ret, size_t cap) {
    int64_t layer = -1;
    size_t  n = 0;
    for (const char *p = name; *p && n + 2 < cap;) {
        const size_t digits = layer < 0 && (p == name || p[-1] == '.') ? strspn(p, "0123456789") : 0;
        if (digits > 0 && digits < 6 && p[digits] == '.') {
            layer = strtoll(p, NULL, 10);
            ret[n++] = '#';
            p += digits;
        } else {
            ret[n++] = *p++;
        }
    }
    ret[n] = '\0';
    return layer;
}

static const hl_tensor_rule *find_rule(const hl_family *f, const char *name) {
    for (const hl_tensor_rule *r = f->rules; r->from; r++)
        if (strcmp(r->from, name) == 0) return r;
    return NULL;
}

/* Parts of a model that sees: named, and left out. */
static bool is_of_sight(const char *name) {
    static const char *const parts[] = {"vision_tower.", "multi_modal_projector.", "vision_model.",
                                        "model.vision_tower.", "model.multi_modal_projector."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(name, parts[i], strlen(parts[i])) == 0) return true;
    return false;
}

static hl_status check_rows(const converter *c, const hl_st_tensor *t, hl_tensor_change change) {
    const uint64_t heads = change == HL_PAIR_ROWS_Q ? c->n_heads : c->n_kv_heads;
    const uint64_t want = heads * c->head_dim;
    if (change != HL_PAIR_ROWS_Q && change != HL_PAIR_ROWS_K) return HL_OK;
    if (t->n_dims == 0 || t->shape[0] != want || c->head_dim % 2)
        return hl_fail(c->err, HL_E_FORMAT,
                       "tensor '%.200s' has %" PRIu64 " rows, expected %" PRIu64 " (%" PRIu64 " heads of %u)",
                       t->name, t->n_dims ? t->shape[0] : 0, want, heads, c->head_dim);
    return HL_OK;
}

static hl_status add_tensor(converter *c, const hl_st_tensor *t, const hl_tensor_rule *rule, int64_t layer) {
    char       to[64] = "";
    size_t     n = 0;
    const bool is_vector = t->n_dims <= 1;
    const bool to_f32 = is_vector || rule->change == HL_PLUS_ONE || t->type == HL_ST_F32;
    const bool is_copied = rule->change == HL_AS_IT_IS && (!to_f32 || t->type == HL_ST_F32);
    hl_status  status = check_rows(c, t, rule->change);
    if (status == HL_OK && (t->type == HL_ST_OTHER || t->n_dims > 4 || t->n_elems == 0))
        status = hl_fail(c->err, HL_E_UNSUPPORTED,
                         "tensor '%.200s' is %s of %u dimensions; supported: F32, F16, BF16", t->name,
                         t->type_name, t->n_dims);
    if (status == HL_OK && strchr(rule->to, '#') && (layer < 0 || layer >= c->n_layers))
        status =
            hl_fail(c->err, HL_E_FORMAT, "tensor '%.200s': config.json has %u layers", t->name, c->n_layers);
    if (status != HL_OK) return status;
    for (const char *p = rule->to; *p; p++)
        n += (size_t)(*p == '#' ? snprintf(to + n, sizeof to - n, "%" PRId64, layer)
                                : snprintf(to + n, sizeof to - n, "%c", *p));
    const hl_type  type = to_f32 ? HL_TYPE_f32 : t->type == HL_ST_F16 ? HL_TYPE_f16 : HL_TYPE_bf16;
    const uint32_t n_dims = t->n_dims ? t->n_dims : 1;
    const uint64_t one = 1;
    if (is_copied) {
        hl_gguf_writer_add_tensor(c->w, to, type, n_dims, t->n_dims ? t->shape : &one, t->data);
        return HL_OK;
    }
    made *m = hl_arena_get(&c->arena, 1, sizeof *m);
    if (!m) return hl_fail(c->err, HL_E_NOMEM, "convert: no memory");
    *m = (made){c, t, rule->change, to_f32};
    hl_gguf_writer_add_made(c->w, to, type, n_dims, t->n_dims ? t->shape : &one, fill, m);
    return HL_OK;
}

static hl_status add_tensors(converter *c) {
    const hl_family *f = c->family;
    const size_t     n_prefix = f->prefix ? strlen(f->prefix) : 0;
    bool             sees = false;
    const bool       is_tied =
        hl_json_bool(c->text_config, "tie_word_embeddings",
                     hl_json_bool(c->config, "tie_word_embeddings", strcmp(f->arch, "gemma3") == 0));
    for (size_t i = 0; i < hl_safetensors_n(c->weights); i++) {
        const hl_st_tensor *t = hl_safetensors_at(c->weights, i);
        const char         *name = t->name;
        char                pattern[512];
        if (is_of_sight(name)) {
            sees = true;
            continue;
        }
        /* newer files: model.language_model.layers..., older: language_model.model.layers... */
        char joined[512];
        if (n_prefix && strncmp(name, f->prefix, n_prefix) == 0) {
            name += n_prefix;
        } else if (n_prefix && strncmp(name, "model.", 6) == 0 &&
                   strncmp(name + 6, f->prefix, n_prefix) == 0) {
            (void)snprintf(joined, sizeof joined, "model.%s", name + 6 + n_prefix);
            name = joined;
        }
        const int64_t         layer = cut_number(name, pattern, sizeof pattern);
        const hl_tensor_rule *rule = find_rule(f, pattern);
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
        status =
            hl_fail(c->err, HL_E_NOT_FOUND, "no config.json: the folder does not say what the weights are");
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
