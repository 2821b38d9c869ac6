/* SPDX-License-Identifier: MIT
 *
 * peft.c - pairs of a peft adapter, checked against the model that they are for.
 *
 * from: peft 0.21, get_peft_model_state_dict(): "base_model.model." + module + ".lora_A.weight"
 *       [rank][columns], ".lora_B.weight" [rows][rank]; older files have the adapter's name in front of
 *       "weight"
 *       GGUF's side: docs/lora.md
 */
#include "models/convert/peft.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "models/convert/family.h"

enum {
    MAX_CONFIG_BYTES = 16 << 20,
    MAX_CONFIG_VALUES = 1 << 18,
    MAX_CONFIG_DEPTH = 16,
    MAX_MODULE_BYTES = 512,
    MAX_RANK = 4096,
    ARENA_BYTES = 256 << 20,
};

/* A tensor to be written. */
typedef struct side {
    const hl_st_tensor *t;
    uint64_t            per_head; /* rows of a head, which are to stand in pairs; 0: rows stay */
    double              factor;   /* of its values; 1: they stay */
} side;

typedef struct pair {
    char  to[HL_RULE_NAME_BYTES]; /* of the base's tensor */
    side *a, *b;
} pair;

typedef struct peft {
    hl_peft_config           *config;
    const hl_safetensors     *weights;
    const hl_gguf            *base;
    const hl_convert_options *o;
    const hl_family          *family;
    hl_arena                 *arena;
    hl_gguf_writer           *w;
    uint64_t                  head_dim;
    pair                     *pairs; /* [n] */
    size_t                    n, cap;
    hl_err                   *err;
} peft;

/* ---- the base ---- */

static hl_status read_head_dim(peft *p) {
    char     key[96];
    uint32_t n = 0, n_embd = 0, n_heads = 0;
    (void)snprintf(key, sizeof key, "%s.attention.key_length", p->family->arch);
    hl_status status = hl_gguf_get_u32(p->base, key, &n, p->err);
    if (status == HL_E_NOT_FOUND) {
        (void)snprintf(key, sizeof key, "%s.embedding_length", p->family->arch);
        status = hl_gguf_get_u32(p->base, key, &n_embd, p->err);
        (void)snprintf(key, sizeof key, "%s.attention.head_count", p->family->arch);
        if (status == HL_OK) status = hl_gguf_get_u32(p->base, key, &n_heads, p->err);
        n = n_heads ? n_embd / n_heads : 0;
    }
    if (status == HL_OK && n == 0)
        status = hl_fail(p->err, HL_E_FORMAT, "the model's key '%s' is 0: its heads have no size", key);
    p->head_dim = n;
    return status;
}

static hl_status find_family(peft *p) {
    hl_view   arch = {0};
    char      known[200] = "";
    size_t    n = 0, i = 0;
    hl_status status = hl_gguf_get_text(p->base, "general.architecture", &arch, p->err);
    if (status != HL_OK) return status;
    for (const hl_family *f; (f = hl_family_at(i)) != NULL; i++) {
        if (hl_view_is(arch, f->arch)) p->family = f;
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", f->arch);
    }
    if (p->family) return read_head_dim(p);
    return hl_fail(
        p->err, HL_E_UNSUPPORTED,
        "the model is of the architecture '%.*s', whose adapters do not convert here; supported: %s",
        (int)(arch.len < 64 ? arch.len : 64), arch.ptr, known);
}

/* ---- names ---- */

/* Where ".lora_A." or ".lora_B." stands in a name, if "weight" is what it is of. NULL: nowhere. */
static const char *find_mark(const char *name, char letter) {
    const char  mark[] = {'.', 'l', 'o', 'r', 'a', '_', letter, '.', '\0'};
    const char *found = NULL;
    for (const char *at = name; (at = strstr(at, mark)) != NULL; at++) found = at;
    if (!found) return NULL;
    const char  *tail = found + strlen(mark), *dot = strchr(tail, '.');
    const size_t n = strlen(tail);
    const bool   ok = strcmp(tail, "weight") == 0 || (dot && dot > tail && strcmp(dot, ".weight") == 0);
    return ok && n < MAX_MODULE_BYTES ? found : NULL;
}

/* What a tensor that is no half of a pair may be, for people. */
static hl_status fail_other(const peft *p, const char *name) {
    static const struct {
        const char *part, *why;
    } rows[] = {
        {"lora_embedding_", "adapters of the embedding are not supported"},
        {"lora_magnitude_vector", "DoRA scales the model's own weights, too, which is not supported"},
        {".lora_A.", "expected its weight"},
        {".lora_B.", "biases of adapters are not supported"},
        {".lora_a", "it seems to be of MLX; expected an adapter of peft"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(name, rows[i].part))
            return hl_fail(p->err, HL_E_UNSUPPORTED, "tensor '%.200s': %s", name, rows[i].why);
    return hl_fail(p->err, HL_E_UNSUPPORTED,
                   "tensor '%.200s' is neither a lora_A nor a lora_B: whole modules and biases beside an "
                   "adapter do not convert; merge it into the model, and convert that",
                   name);
}

/* "model.layers.3.mlp.up_proj" of "base_model.model.model.layers.3.mlp.up_proj.lora_A.weight" */
static hl_status cut_module(const peft *p, const char *name, const char *mark, char ret[MAX_MODULE_BYTES]) {
    static const char front[] = "base_model.model.";
    const char       *begin = name + (strncmp(name, front, sizeof front - 1) == 0 ? sizeof front - 1 : 0);
    const size_t      n = mark > begin ? (size_t)(mark - begin) : 0;
    if (n == 0 || n + sizeof "model..weight" > MAX_MODULE_BYTES)
        return hl_fail(p->err, HL_E_FORMAT,
                       "tensor '%.200s': expected the name of a module in front of lora_A", name);
    memcpy(ret, begin, n);
    ret[n] = '\0';
    return HL_OK;
}

/* A model without its head, as embeddings have it, names modules without "model." in front. */
static const hl_tensor_rule *find_rule(const peft *p, const char *module, int64_t *ret_layer) {
    char full[MAX_MODULE_BYTES + 16];
    (void)snprintf(full, sizeof full, "%s.weight", module);
    const hl_tensor_rule *rule = hl_family_find_rule(p->family, full, ret_layer);
    if (rule) return rule;
    (void)snprintf(full, sizeof full, "model.%s.weight", module);
    return hl_family_find_rule(p->family, full, ret_layer);
}

/* ---- one pair ---- */

static hl_status find_base(const peft *p, const char *name, const char *to, const hl_gguf_tensor **ret) {
    *ret = hl_gguf_find_tensor(p->base, to);
    if (*ret) return HL_OK;
    if (strcmp(to, "output.weight") == 0)
        return hl_fail(
            p->err, HL_E_UNSUPPORTED,
            "tensor '%.200s' is for the model's head, which is its table of embeddings: adapters of "
            "that are not supported",
            name);
    return hl_fail(p->err, HL_E_FORMAT,
                   "tensor '%.200s' is for '%s', which the model does not have: the adapter was made for "
                   "another one",
                   name, to);
}

static hl_status check_kind(const peft *p, const hl_st_tensor *t) {
    if (t->type != HL_ST_OTHER && t->n_dims == 2) return HL_OK;
    return hl_fail(p->err, HL_E_UNSUPPORTED,
                   "tensor '%.200s' is %s of %u dimensions; expected 2 of F32, F16 or BF16", t->name,
                   t->type_name, t->n_dims);
}

static hl_status check_shapes(const peft *p, const hl_st_tensor *a, const hl_st_tensor *b,
                              const hl_gguf_tensor *base) {
    hl_status status = check_kind(p, a);
    if (status == HL_OK) status = check_kind(p, b);
    if (status != HL_OK) return status;
    const uint64_t rank = a->shape[0];
    if (base->n_dims != 2)
        return hl_fail(p->err, HL_E_UNSUPPORTED, "tensor '%.200s' is for '%s', which is no matrix", a->name,
                       base->name);
    if (rank < 1 || rank > MAX_RANK)
        return hl_fail(p->err, HL_E_FORMAT, "tensor '%.200s' has the rank %" PRIu64 ", expected 1..%d",
                       a->name, rank, MAX_RANK);
    if (a->shape[1] != base->shape[1])
        return hl_fail(p->err, HL_E_FORMAT,
                       "tensor '%.200s' has %" PRIu64 " columns, and '%s' of the model has %" PRIu64
                       ": the adapter was made for another one",
                       a->name, a->shape[1], base->name, base->shape[1]);
    if (b->shape[0] != base->shape[0])
        return hl_fail(p->err, HL_E_FORMAT,
                       "tensor '%.200s' has %" PRIu64 " rows, and '%s' of the model has %" PRIu64
                       ": the adapter was made for another one",
                       b->name, b->shape[0], base->name, base->shape[0]);
    if (b->shape[1] == rank) return HL_OK;
    return hl_fail(p->err, HL_E_FORMAT, "tensor '%.200s' has the rank %" PRIu64 ", and '%.200s' has %" PRIu64,
                   b->name, b->shape[1], a->name, rank);
}

static side *make_side(const peft *p, const hl_st_tensor *t) {
    side *s = hl_arena_get(p->arena, 1, sizeof *s);
    if (s) *s = (side){.t = t, .factor = 1};
    return s;
}

static hl_status add_pair(peft *p, const hl_st_tensor *a, const hl_st_tensor *b, const char *module) {
    const hl_gguf_tensor *base = NULL;
    int64_t               layer = -1;
    double                alpha = 0;
    const hl_tensor_rule *rule = find_rule(p, module, &layer);
    if (!rule || !rule->to)
        return hl_fail(p->err, HL_E_UNSUPPORTED, "tensor '%.200s' has no place in a model of type %s",
                       a->name, p->family->types[0]);
    if (p->n == p->cap) /* so many as the model has tensors there may be, and more are none of it */
        return hl_fail(p->err, HL_E_FORMAT,
                       "over %zu pairs, and the model has as many tensors: the adapter was made for another "
                       "one",
                       p->cap);
    pair *to = &p->pairs[p->n++];
    hl_rule_name(rule, layer, to->to);
    if (strcmp(to->to, "token_embd.weight") == 0 || strncmp(to->to, "position_embd", 13) == 0 ||
        strncmp(to->to, "token_types", 11) == 0)
        return hl_fail(p->err, HL_E_UNSUPPORTED,
                       "tensor '%.200s': adapters of the embedding are not supported", a->name);
    hl_status status = find_base(p, a->name, to->to, &base);
    if (status == HL_OK) status = check_shapes(p, a, b, base);
    if (status == HL_OK)
        status = hl_peft_config_module(p->config, module, layer, a->shape[0], &alpha, p->err);
    if (status != HL_OK) return status;
    to->a = make_side(p, a);
    to->b = make_side(p, b);
    if (!to->a || !to->b) return hl_fail(p->err, HL_E_NOMEM, "adapter: no memory");
    to->b->factor = alpha / hl_peft_config_alpha(p->config);
    if (!hl_rule_pairs_rows(rule)) return HL_OK;
    to->b->per_head = p->head_dim;
    if (p->head_dim % 2 == 0 && base->shape[0] % p->head_dim == 0) return HL_OK;
    return hl_fail(p->err, HL_E_FORMAT,
                   "'%s' of the model has %" PRIu64 " rows, which are no heads of %" PRIu64, base->name,
                   base->shape[0], p->head_dim);
}

static hl_status add_tensor(peft *p, const hl_st_tensor *t) {
    char                module[MAX_MODULE_BYTES], other[2 * MAX_MODULE_BYTES];
    const char         *mark_a = find_mark(t->name, 'A'), *mark_b = mark_a ? NULL : find_mark(t->name, 'B');
    const char         *mark = mark_a ? mark_a : mark_b;
    const hl_st_tensor *half = NULL;
    if (!mark) return fail_other(p, t->name);
    const hl_status status = cut_module(p, t->name, mark, module);
    if (status != HL_OK) return status;
    if (snprintf(other, sizeof other, "%s", t->name) < (int)sizeof other) {
        other[mark - t->name + sizeof ".lora_" - 1] = mark_a ? 'B' : 'A';
        half = hl_safetensors_find(p->weights, other);
    }
    if (!half)
        return hl_fail(p->err, HL_E_FORMAT, "tensor '%.200s' is missing: there is '%.200s'", other, t->name);
    return mark_a ? add_pair(p, t, half, module) : HL_OK;
}

/* ---- what is written ---- */

static float changed(const side *s, uint64_t i) {
    const float x = hl_st_elem(s->t, i);
    return s->factor == 1 ? x : (float)((double)x * s->factor);
}

static hl_status fill(void *user, void *to, size_t n_bytes, hl_err *err) {
    const side         *s = user;
    const hl_st_tensor *t = s->t;
    const uint64_t      n_rows = t->shape[0], n_columns = t->shape[1];
    const bool          to_f32 = s->factor != 1;
    const size_t        each = to_f32 ? 4 : hl_st_elem_bytes(t);
    (void)n_bytes;
    for (uint64_t row = 0; row < n_rows; row++) {
        const uint64_t out_row = s->per_head ? hl_paired_row(row, s->per_head) : row;
        uint8_t       *out = (uint8_t *)to + (size_t)(out_row * n_columns) * each;
        for (uint64_t i = 0; i < n_columns; i++) {
            const float x = changed(s, row * n_columns + i);
            if (!isfinite(x))
                return hl_fail(err, HL_E_FORMAT,
                               "tensor '%.200s': value %" PRIu64 " of row %" PRIu64 " is no finite number%s",
                               t->name, i, row, to_f32 ? " when it is scaled" : "");
            if (to_f32) memcpy(out + 4 * i, &x, 4);
        }
        if (!to_f32) memcpy(out, t->data + (size_t)(row * n_columns) * each, (size_t)n_columns * each);
    }
    return hl_stop_check("convert an adapter", err);
}

static void write_side(const peft *p, const char *to, const char *suffix, side *s) {
    char          name[HL_RULE_NAME_BYTES + 8];
    const hl_type as_it_is = s->t->type == HL_ST_F32   ? HL_TYPE_f32
                             : s->t->type == HL_ST_F16 ? HL_TYPE_f16
                                                       : HL_TYPE_bf16;
    (void)snprintf(name, sizeof name, "%s%s", to, suffix);
    hl_gguf_writer_add_made(p->w, name, s->factor == 1 ? as_it_is : HL_TYPE_f32, 2, s->t->shape, fill, s);
}

static void write_keys(const peft *p) {
    hl_gguf_writer_add_text(p->w, "general.architecture", hl_view_of(p->family->arch));
    hl_gguf_writer_add_text(p->w, "general.type", hl_view_of("adapter"));
    if (p->o->name) hl_gguf_writer_add_text(p->w, "general.name", hl_view_of(p->o->name));
    hl_gguf_writer_add_text(p->w, "adapter.type", hl_view_of("lora"));
    hl_gguf_writer_add_f32(p->w, "adapter.lora.alpha", (float)hl_peft_config_alpha(p->config));
}

static int by_target(const void *x, const void *y) {
    return strcmp(((const pair *)x)->to, ((const pair *)y)->to);
}

static void note(const peft *p, const char *text) {
    if (p->o->note && text) p->o->note(p->o->user, text);
}

static void tell(const peft *p, bool sees) {
    char        text[300];
    const char *unused = hl_peft_config_unused(p->config);
    if (sees) note(p, "the adapter of the part of the model that sees is left out: texts only");
    note(p, hl_peft_config_idle(p->config));
    if (!unused) return;
    (void)snprintf(text, sizeof text, "target_modules names '%.100s', and the weights have nothing for it",
                   unused);
    note(p, text);
}

static hl_status read_pairs(peft *p) {
    static const char front[] = "base_model.model.";
    bool              sees = false;
    hl_status         status = HL_OK;
    for (size_t i = 0; i < hl_safetensors_n(p->weights) && status == HL_OK; i++) {
        const hl_st_tensor *t = hl_safetensors_at(p->weights, i);
        const bool          has_front = strncmp(t->name, front, sizeof front - 1) == 0;
        const bool          is_sight = hl_family_sees(t->name + (has_front ? sizeof front - 1 : 0));
        sees |= is_sight;
        if (!is_sight) status = add_tensor(p, t);
    }
    if (status != HL_OK) return status;
    if (p->n == 0) return hl_fail(p->err, HL_E_FORMAT, "the adapter has no pair of lora_A and lora_B");
    tell(p, sees);
    qsort(p->pairs, p->n, sizeof *p->pairs, by_target);
    for (size_t i = 1; i < p->n; i++)
        if (strcmp(p->pairs[i].to, p->pairs[i - 1].to) == 0)
            return hl_fail(p->err, HL_E_FORMAT, "tensors '%.200s' and '%.200s' are for one matrix, '%s'",
                           p->pairs[i - 1].a->t->name, p->pairs[i].a->t->name, p->pairs[i].to);
    return HL_OK;
}

hl_status hl_peft_write(hl_peft_config *config, const hl_safetensors *weights, const hl_gguf *base,
                        const hl_convert_options *o, hl_arena *arena, hl_gguf_writer *w, hl_err *err) {
    peft p = {.config = config, .weights = weights, .base = base, .o = o, .arena = arena, .w = w, .err = err};
    p.cap = hl_gguf_n_tensors(base);
    p.pairs = hl_arena_get(arena, p.cap + 1, sizeof *p.pairs);
    hl_status status = p.pairs ? HL_OK : hl_fail(err, HL_E_NOMEM, "adapter: no memory");
    if (status == HL_OK) status = find_family(&p);
    if (status == HL_OK) status = read_pairs(&p);
    if (status != HL_OK) return status;
    write_keys(&p);
    for (size_t i = 0; i < p.n; i++) {
        write_side(&p, p.pairs[i].to, ".lora_a", p.pairs[i].a);
        write_side(&p, p.pairs[i].to, ".lora_b", p.pairs[i].b);
    }
    return HL_OK;
}

/* ---- files ---- */

typedef struct opened {
    json_t         *root;
    hl_peft_config *config;
    hl_safetensors *weights;
    hl_arena        arena;
    hl_gguf_writer *w;
} opened;

static const char *find_path(const hl_convert_file *files, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(files[i].name, name) == 0) return files[i].path;
    return NULL;
}

static hl_status read_config(opened *x, const char *path, hl_err *err) {
    const hl_json_rules rules = {
        .max_bytes = MAX_CONFIG_BYTES, .max_values = MAX_CONFIG_VALUES, .max_depth = MAX_CONFIG_DEPTH};
    char     *text = NULL;
    size_t    n = 0;
    hl_status status =
        hl_fail_within(err, hl_file_read(path, MAX_CONFIG_BYTES, &text, &n, err), HL_ADAPTER_CONFIG);
    if (status == HL_OK) status = hl_json_read((hl_view){text, n}, HL_ADAPTER_CONFIG, &rules, &x->root, err);
    hl_free(text);
    return status == HL_OK ? hl_peft_config_read(x->root, &x->config, err) : status;
}

static hl_status open_all(opened *x, const hl_convert_file *files, size_t n_files, hl_err *err) {
    const char *config = find_path(files, n_files, HL_ADAPTER_CONFIG);
    const char *weights = find_path(files, n_files, HL_ADAPTER_WEIGHTS);
    hl_status   status = HL_OK;
    if (!config)
        return hl_fail(err, HL_E_NOT_FOUND, "no " HL_ADAPTER_CONFIG ": it does not say what the weights are");
    if (!weights)
        return hl_fail(err, HL_E_NOT_FOUND,
                       find_path(files, n_files, "adapter_model.bin")
                           ? "adapter_model.bin is a Python pickle, which may run programs; save the adapter "
                             "as " HL_ADAPTER_WEIGHTS
                           : "no " HL_ADAPTER_WEIGHTS ": the adapter has no weights");
    x->w = hl_gguf_writer_new();
    if (!x->w) return hl_fail(err, HL_E_NOMEM, "adapter: no memory");
    status = read_config(x, config, err);
    return status == HL_OK ? hl_safetensors_open(&weights, 1, &x->weights, err) : status;
}

static bool on_written(void *user, uint64_t done, uint64_t total) {
    const hl_convert_options *o = user;
    return !o->progress || o->progress(o->user, done, total);
}

bool hl_convert_wants_adapter(const char *name) {
    return strcmp(name, HL_ADAPTER_CONFIG) == 0 || strcmp(name, HL_ADAPTER_WEIGHTS) == 0 ||
           strcmp(name, "adapter_model.bin") == 0;
}

hl_status hl_convert_adapter(const hl_convert_file *files, size_t n_files, const hl_gguf *base, int fd,
                             const char *path, const hl_convert_options *options, hl_err *err) {
    hl_convert_options o = options ? *options : (hl_convert_options){0};
    opened             x = {0};
    hl_arena_init(&x.arena, ARENA_BYTES);
    hl_status status = open_all(&x, files, n_files, err);
    if (status == HL_OK) status = hl_peft_write(x.config, x.weights, base, &o, &x.arena, x.w, err);
    if (status == HL_OK) status = hl_gguf_writer_write(x.w, fd, path, on_written, &o, err);
    if (x.weights && hl_safetensors_is_broken(x.weights))
        status = hl_fail(err, HL_E_CHANGED,
                         "the adapter changed while it was read; run again when it is complete");
    hl_gguf_writer_free(x.w);
    hl_safetensors_close(x.weights);
    hl_peft_config_free(x.config);
    json_decref(x.root);
    hl_arena_done(&x.arena);
    return status;
}
