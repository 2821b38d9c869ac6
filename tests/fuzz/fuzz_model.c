/* SPDX-License-Identifier: MIT
 *
 * fuzz_model.c - a model file that is almost right: opened, planned, run, with plain C and with every set of
 * kernels that this processor has.
 *
 * The input is a program: which family, weight type and shape to write, then fields to change (numbers,
 * dimensions, types, values of weights, what is there at all). So a byte of the input is a field of the file,
 * and two fields change together as often as one. Whatever comes of it is an error or logits; both
 * instruction sets give the same, to the bit. With addresses checked the gaps between the buffers of a pass
 * are poisoned.
 *
 * fuzz: max_len=400
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/gguf/gguf_writer.h"
#include "engine/quant/quant.h"
#include "hyperlama/hyperlama.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_TENSORS = 64, MAX_VALUES = 48, N_TOKENS = 34, N_CTX = 64, MAX_LAYERS = 2 };

typedef struct program {
    const uint8_t *at, *end;
} program;

static uint32_t take(program *p) { return p->at < p->end ? *p->at++ : 0; }
static uint32_t take_below(program *p, uint32_t n) { return take(p) % n; }

typedef struct tensor {
    char     name[64];
    hl_type  type;
    uint32_t n_dims;
    uint64_t shape[4];
    void    *data; /* of the shape that it was made with */
    bool     is_gone;
} tensor;

typedef struct value {
    char         key[64];
    hl_gguf_kind kind;
    uint64_t     bits;
    const char  *text;             /* of a string */
    uint32_t     each[MAX_LAYERS]; /* of an array: one for each layer */
    bool         is_array, is_gone;
} value;

typedef struct file {
    tensor   tensors[MAX_TENSORS];
    value    values[MAX_VALUES];
    size_t   n_tensors, n_values;
    uint32_t random;
    hl_type  type;
} file;

static float next_float(file *f) {
    f->random = f->random * 1664525u + 1013904223u;
    return (float)(int32_t)f->random / 2147483648.0f;
}

static void add_tensor(file *f, const char *name, hl_type type, uint32_t n_dims, uint64_t a, uint64_t b,
                       uint64_t c) {
    if (f->n_tensors == MAX_TENSORS) abort();
    tensor        *t = &f->tensors[f->n_tensors++];
    const uint64_t shape[3] = {a, b, c};
    const uint64_t cols = shape[n_dims - 1], rows = n_dims == 1 ? 1 : n_dims == 2 ? a : a * b;
    if (cols % hl_type_block_elems(type) != 0) type = HL_TYPE_f32;
    *t = (tensor){.type = type, .n_dims = n_dims, .shape = {a, b, c, 1}};
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    float *x = hl_new(rows * cols, sizeof *x);
    for (uint64_t i = 0; i < rows * cols; i++)
        x[i] = n_dims == 1 ? 1 + 0.2f * next_float(f) : 1.7f * next_float(f) / sqrtf((float)cols);
    t->data = hl_new(rows, hl_type_row_bytes(type, cols));
    const size_t n_bytes = rows * hl_type_row_bytes(type, cols);
    if (type == HL_TYPE_f32)
        memcpy(t->data, x, rows * cols * sizeof *x);
    else if (hl_quant_from_f32(type))
        hl_quant_from_f32(type)(x, rows * cols, t->data);
    else /* halves of these bytes, wherever the type has them, are small */
        for (size_t i = 0; i < n_bytes; i++)
            ((uint8_t *)t->data)[i] = (uint8_t)((int)(next_float(f) * 128) & 0x2f);
    hl_free(x);
}

static void add_value(file *f, const char *family, const char *name, hl_gguf_kind kind, uint64_t bits) {
    if (f->n_values == MAX_VALUES) abort();
    value *v = &f->values[f->n_values++];
    *v = (value){.kind = kind, .bits = bits};
    (void)snprintf(v->key, sizeof v->key, "%s%s%s", family, *family ? "." : "", name);
}

static void add_number(file *f, const char *family, const char *name, uint32_t x) {
    add_value(f, family, name, HL_GGUF_U32, x);
}

/* One number for each layer: an array where they differ, as files have it. */
static void add_each(file *f, const char *family, const char *name, const uint32_t *each, uint32_t n_layers) {
    add_number(f, family, name, each[0]);
    value *v = &f->values[f->n_values - 1];
    memcpy(v->each, each, sizeof v->each);
    v->is_array = n_layers > 1 && each[0] != each[1];
}

static void add_float(file *f, const char *family, const char *name, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    add_value(f, family, name, HL_GGUF_F32, bits);
}

typedef struct shape {
    uint32_t n_vocab, n_embd, n_layers, n_experts, n_used;
    uint32_t n_heads[MAX_LAYERS], n_kv_heads[MAX_LAYERS], head_dim[MAX_LAYERS], n_ff[MAX_LAYERS];
} shape;

static const struct {
    const char *family;
    bool        has_qk_norm, has_bias, has_post_norms, is_moe;
} kinds[] = {
    {"llama", false, false, false, false},  {"llama", false, false, false, true},
    {"qwen2", false, true, false, false},   {"qwen3", true, false, false, false},
    {"qwen3moe", true, false, false, true}, {"gemma2", false, false, true, false},
    {"gemma3", true, false, true, false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void add_layer(file *f, uint32_t kind, const shape *s, uint32_t i) {
    char           name[64];
    const uint64_t q = (uint64_t)s->n_heads[i] * s->head_dim[i], n_ff = s->n_ff[i];
    const uint64_t kv = (uint64_t)s->n_kv_heads[i] * s->head_dim[i];
#define MATRIX(what, rows, cols)                                                                             \
    do {                                                                                                     \
        (void)snprintf(name, sizeof name, "blk.%u." what, i);                                                \
        add_tensor(f, name, f->type, 2, rows, cols, 1);                                                      \
    } while (0)
#define VECTOR(what, n)                                                                                      \
    do {                                                                                                     \
        (void)snprintf(name, sizeof name, "blk.%u." what, i);                                                \
        add_tensor(f, name, HL_TYPE_f32, 1, n, 1, 1);                                                        \
    } while (0)
#define STACK(what, rows, cols)                                                                              \
    do {                                                                                                     \
        (void)snprintf(name, sizeof name, "blk.%u." what, i);                                                \
        add_tensor(f, name, f->type, 3, s->n_experts, rows, cols);                                           \
    } while (0)
    VECTOR("attn_norm.weight", s->n_embd);
    MATRIX("attn_q.weight", q, s->n_embd);
    MATRIX("attn_k.weight", kv, s->n_embd);
    MATRIX("attn_v.weight", kv, s->n_embd);
    MATRIX("attn_output.weight", s->n_embd, q);
    VECTOR("ffn_norm.weight", s->n_embd);
    if (kinds[kind].has_bias) {
        VECTOR("attn_q.bias", q);
        VECTOR("attn_k.bias", kv);
        VECTOR("attn_v.bias", kv);
    }
    if (kinds[kind].has_qk_norm) {
        VECTOR("attn_q_norm.weight", s->head_dim[i]);
        VECTOR("attn_k_norm.weight", s->head_dim[i]);
    }
    if (kinds[kind].has_post_norms) {
        VECTOR("post_attention_norm.weight", s->n_embd);
        VECTOR("post_ffw_norm.weight", s->n_embd);
    }
    if (kinds[kind].is_moe) {
        MATRIX("ffn_gate_inp.weight", s->n_experts, s->n_embd);
        STACK("ffn_gate_exps.weight", n_ff, s->n_embd);
        STACK("ffn_up_exps.weight", n_ff, s->n_embd);
        STACK("ffn_down_exps.weight", s->n_embd, n_ff);
    } else {
        MATRIX("ffn_gate.weight", n_ff, s->n_embd);
        MATRIX("ffn_up.weight", n_ff, s->n_embd);
        MATRIX("ffn_down.weight", s->n_embd, n_ff);
    }
#undef MATRIX
#undef VECTOR
#undef STACK
}

/* The first layer sees a window, and has heads and a rotation of its own. */
static void add_windows(file *f, const char *family, const shape *s) {
    static const uint32_t first[MAX_LAYERS] = {1, 0};
    add_each(f, family, "attention.sliding_window_pattern", first, s->n_layers);
    f->values[f->n_values - 1].is_array = true;
    add_number(f, family, "attention.key_length_swa", s->head_dim[0]);
    add_number(f, family, "attention.value_length_swa", s->head_dim[0]);
    add_number(f, family, "rope.dimension_count_swa", s->head_dim[0]);
    add_float(f, family, "rope.freq_base_swa", 1000);
}

/* A right model: few sizes are read from the program, so that most of it is left for changes. */
static void make_file(file *f, program *p) {
    static const hl_type  types[] = {HL_TYPE_q8_0, HL_TYPE_q4_0, HL_TYPE_f32,  HL_TYPE_f16,   HL_TYPE_bf16,
                                     HL_TYPE_q4_k, HL_TYPE_q6_k, HL_TYPE_q5_k, HL_TYPE_mxfp4, HL_TYPE_iq4_nl};
    static const uint32_t groups[] = {1, 2, 4, 3, 71, 128}, dims[] = {32, 64, 8, 100, 12};
    const uint32_t        kind = take_below(p, N_KINDS);
    const char           *family = kinds[kind].family;
    f->random = 1 + take(p);
    f->type = types[take_below(p, sizeof types / sizeof *types)];
    const uint32_t group = groups[take_below(p, 6)];
    shape          s = {.n_vocab = 96};
    s.n_layers = 1 + take_below(p, MAX_LAYERS);
    s.n_embd = hl_type_block_elems(f->type) == 256 ? 256 : 64;
    const uint32_t n_kv_heads = 1 + take_below(p, 2), head_dim = group > 4 ? 8 : dims[take_below(p, 5)];
    for (uint32_t i = 0; i < MAX_LAYERS; i++) {
        s.n_kv_heads[i] = n_kv_heads;
        s.n_heads[i] = n_kv_heads * group;
        s.head_dim[i] = head_dim;
        s.n_ff[i] = s.n_embd;
    }
    s.n_experts = kinds[kind].is_moe ? 4 + 4 * take_below(p, 2) : 0;
    s.n_used = kinds[kind].is_moe ? 1 + take_below(p, 3) : 0;
    const uint32_t extras = take_below(p, 8);
    if ((extras & 1) && (kind == 0 || take_below(p, 8) == 7)) { /* layers of different sizes */
        s.n_kv_heads[1] = 3 - n_kv_heads;
        s.n_heads[1] = s.n_kv_heads[1] * group;
        if (!kinds[kind].is_moe) s.n_ff[1] = 2 * s.n_embd;
    }
    const bool has_windows = kinds[kind].has_post_norms && (extras & 2);
    if (has_windows) s.head_dim[0] = head_dim == 32 ? 16 : 32;
    add_value(f, "", "general.architecture", HL_GGUF_STRING, 0);
    f->values[0].text = family;
    add_number(f, family, "block_count", s.n_layers);
    add_number(f, family, "context_length", 512);
    add_number(f, family, "embedding_length", s.n_embd);
    add_each(f, family, "feed_forward_length", s.n_ff, s.n_layers);
    add_each(f, family, "attention.head_count", s.n_heads, s.n_layers);
    add_each(f, family, "attention.head_count_kv", s.n_kv_heads, s.n_layers);
    add_number(f, family, "attention.key_length", head_dim);
    add_number(f, family, "attention.value_length", head_dim);
    add_number(f, family, "rope.dimension_count", head_dim);
    add_float(f, family, "rope.freq_base", 10000);
    add_float(f, family, "attention.layer_norm_rms_epsilon", 1e-5f);
    if (kinds[kind].is_moe) {
        add_number(f, family, "expert_count", s.n_experts);
        add_number(f, family, "expert_used_count", s.n_used);
        add_number(f, family, "expert_feed_forward_length", s.n_ff[0]);
    }
    if (kinds[kind].has_post_norms) add_number(f, family, "attention.sliding_window", 16);
    if (has_windows) add_windows(f, family, &s);
    add_value(f, "", "tokenizer.ggml.model", HL_GGUF_STRING, 0);
    f->values[f->n_values - 1].text = "no_vocab";
    add_tensor(f, "token_embd.weight", f->type, 2, s.n_vocab, s.n_embd, 1);
    add_tensor(f, "output_norm.weight", HL_TYPE_f32, 1, s.n_embd, 1, 1);
    if (extras & 4) add_tensor(f, "rope_freqs.weight", HL_TYPE_f32, 1, head_dim / 2, 1, 1);
    if (take_below(p, 2)) add_tensor(f, "output.weight", f->type, 2, s.n_vocab, s.n_embd, 1);
    for (uint32_t i = 0; i < s.n_layers; i++) add_layer(f, kind, &s, i);
}

/* ---- changes ---- */

static const uint32_t odd_numbers[] = {0,     1,     2,        3,        4,           7,          8,    16,
                                       31,    32,    33,       63,       64,          65,         71,   127,
                                       128,   129,   255,      256,      512,         1024,       1025, 4096,
                                       65535, 65536, 1u << 20, 1u << 24, 0x7fffffffu, 0xffffffffu};
static const float    odd_floats[] = {0,         1,   -1,    1e-30f, 1e-45f, 1e30f, 3e38f,    INFINITY,
                                      -INFINITY, NAN, 65504, 1e-5f,  0.5f,   -0.0f, 10000.0f, 1e6f};
enum {
    N_ODD = sizeof odd_numbers / sizeof *odd_numbers,
    N_ODD_FLOATS = sizeof odd_floats / sizeof *odd_floats
};

static void change_value(file *f, program *p) {
    static const char *const families[] = {"llama",  "qwen2",  "qwen3", "qwen3moe",
                                           "gemma2", "gemma3", "none",  ""};
    /* The family and the vocabulary only now and then: most of the file depends on them. */
    const uint32_t i = take(p);
    value         *v = &f->values[i % 16 == 15 ? i / 16 % f->n_values : 1 + i % (f->n_values - 2)];
    if (v->kind == HL_GGUF_STRING)
        v->text = families[take_below(p, 8)];
    else if (v->kind == HL_GGUF_F32)
        memcpy(&v->bits, &odd_floats[take_below(p, N_ODD_FLOATS)], 4);
    else if (v->is_array && take_below(p, 4) != 3)
        v->each[take_below(p, MAX_LAYERS)] = odd_numbers[take_below(p, N_ODD)];
    else if (!v->is_array && i % 8 == 7) /* a number becomes an array */
        v->is_array = true;
    else
        v->bits = odd_numbers[take_below(p, N_ODD)];
}

/* A dimension: what the data holds stays enough, else the writer would read past it. */
static void change_shape(file *f, program *p) {
    tensor  *t = &f->tensors[take_below(p, (uint32_t)f->n_tensors)];
    uint64_t swap;
    switch (take_below(p, 5)) {
    case 0: /* one more in front, of size 1 */
        if (t->n_dims == 4) return;
        memmove(t->shape + 1, t->shape, 3 * sizeof *t->shape);
        t->shape[0] = 1;
        t->n_dims++;
        return;
    case 1: /* one more at the end, of size 1, for types of single values */
        if (t->n_dims < 4 && hl_type_block_elems(t->type) == 1) t->shape[t->n_dims++] = 1;
        return;
    case 2: /* the first two change places */
        swap = t->shape[0];
        t->shape[0] = t->shape[1];
        t->shape[1] = swap;
        if (t->shape[t->n_dims - 1] % hl_type_block_elems(t->type) != 0 || t->n_dims == 1) {
            t->shape[1] = t->shape[0];
            t->shape[0] = swap;
        }
        return;
    case 3: /* fewer rows */
        if (t->n_dims > 1 && t->shape[0] > 1) t->shape[0] = 1 + take_below(p, (uint32_t)t->shape[0]);
        return;
    default: /* the leading ones go */
        if (t->n_dims < 2 || t->shape[0] != 1) return;
        memmove(t->shape, t->shape + 1, 3 * sizeof *t->shape);
        t->shape[3] = 1;
        t->n_dims--;
    }
}

static size_t bytes_of(const tensor *t) {
    uint64_t rows = 1;
    for (uint32_t d = 0; d + 1 < t->n_dims; d++) rows *= t->shape[d];
    return rows * hl_type_row_bytes(t->type, t->shape[t->n_dims - 1]);
}

static void change_data(file *f, program *p) {
    tensor      *t = &f->tensors[take_below(p, (uint32_t)f->n_tensors)];
    const size_t n = bytes_of(t);
    const float  x = odd_floats[take_below(p, N_ODD_FLOATS)];
    size_t       at = (take(p) | take(p) << 8) % n;
    if (t->type == HL_TYPE_f32) {
        at = at / 4 * 4;
        memcpy((uint8_t *)t->data + at, &x, 4);
    } else if (take_below(p, 2)) { /* a half, where a scale may stand */
        const uint16_t half = (uint16_t)(take(p) | take(p) << 8);
        if (at + 2 <= n) memcpy((uint8_t *)t->data + at, &half, 2);
    } else {
        ((uint8_t *)t->data)[at] = (uint8_t)take(p);
    }
}

static void change(file *f, program *p) {
    switch (take_below(p, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: change_value(f, p); break;
    case 4:
    case 5:
    case 6: change_shape(f, p); break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
    case 13: change_data(f, p); break;
    case 14: f->tensors[take_below(p, (uint32_t)f->n_tensors)].is_gone = true; break;
    default: f->values[take_below(p, (uint32_t)f->n_values)].is_gone = true; break;
    }
}

static hl_status write_file(const file *f, const char *path) {
    hl_err          err = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    if (!w) return HL_E_NOMEM;
    for (size_t i = 0; i < f->n_values; i++) {
        const value *v = &f->values[i];
        if (v->is_gone) continue;
        if (v->kind == HL_GGUF_STRING)
            hl_gguf_writer_add_text(w, v->key, (hl_view){v->text, strlen(v->text)});
        else if (v->is_array)
            hl_gguf_writer_add_array(w, v->key, HL_GGUF_U32, MAX_LAYERS, v->each);
        else
            hl_gguf_writer_add_number(w, v->key, v->kind, v->bits);
    }
    for (size_t i = 0; i < f->n_tensors; i++) {
        const tensor *t = &f->tensors[i];
        if (!t->is_gone) hl_gguf_writer_add_tensor(w, t->name, t->type, t->n_dims, t->shape, t->data);
    }
    uint8_t  *data = NULL;
    size_t    n = 0;
    hl_status status = hl_gguf_writer_build(w, &data, &n, &err);
    FILE     *out = status == HL_OK ? fopen(path, "wb") : NULL; /* no fsync: thousands of files a minute */
    if (!out || fwrite(data, 1, n, out) != n) status = HL_E_IO;
    if (out) (void)fclose(out);
    hl_free(data);
    hl_gguf_writer_free(w);
    return status;
}

/* ---- what comes of it ---- */

typedef struct outcome {
    hl_status status;
    hl_err    err;
    float    *logits; /* [n] of the last token */
    size_t    n;
} outcome;

/* The first is what the others are compared with; "auto" is the best of this processor. */
#if defined(__x86_64__)
static const char *const sets[] = {"scalar", "avx2", "avx512", "auto"};
#else
static const char *const sets[] = {"scalar", "auto"};
#endif
enum { N_SETS = sizeof sets / sizeof *sets };

static hl_engine *engines[N_SETS]; /* NULL: not on this processor */
static long       n_files, n_answered, n_compared;

static void open_engines(void) {
    for (int i = 0; i < N_SETS; i++) {
        const hl_engine_params p = {.n_threads = 1, .cpu = sets[i]};
        hl_err                 err = {0};
        const hl_status        status = hl_engine_new(&p, &engines[i], &err);
        if (status != HL_OK && (status != HL_E_ARG || i == 0)) abort();
    }
}

extern const int replay_n_inputs; /* replay.c */
const int        replay_n_inputs = 40;
void             replay_report(void);

void replay_report(void) {
    printf("%ld files, %ld with logits, %ld comparisons of instruction sets; sets:", n_files, n_answered,
           n_compared);
    for (int i = 0; i < N_SETS; i++)
        if (engines[i]) printf(" %s", i + 1 < N_SETS ? sets[i] : hl_engine_cpu_text(engines[i]));
    printf("\n");
}

static outcome run(hl_engine *e, const char *path) {
    outcome     o = {.status = HL_OK};
    hl_model   *m = NULL;
    hl_session *s = NULL;
    int32_t     tokens[N_TOKENS];
    o.status = hl_model_open(e, &path, 1, NULL, &m, &o.err);
    if (o.status == HL_OK) {
        hl_model_info           info;
        const hl_session_params params = {.n_ctx = N_CTX, .n_batch = 32};
        hl_model_get_info(m, &info);
        o.n = (size_t)info.n_vocab;
        for (int i = 0; i < N_TOKENS; i++) tokens[i] = i * 29 % info.n_vocab;
        o.status = hl_session_new(m, &params, &s, &o.err);
    }
    if (o.status == HL_OK) o.status = hl_session_eval(s, tokens, N_TOKENS, &o.err);
    if (o.status == HL_OK) {
        o.logits = hl_new(o.n, sizeof *o.logits);
        if (o.logits) memcpy(o.logits, hl_session_logits(s), o.n * sizeof *o.logits);
    }
    hl_session_free(s);
    hl_model_close(m);
    return o;
}

static void compare(const char *set, const outcome *a, const outcome *b) {
    if (a->status != b->status) {
        fprintf(stderr, "plain C: %s; %s: %s\n", a->err.text, set, b->err.text);
        abort();
    }
    for (size_t i = 0; a->logits && b->logits && i < a->n; i++) {
        if (memcmp(&a->logits[i], &b->logits[i], sizeof *a->logits) == 0) continue;
        fprintf(stderr, "logit %zu: plain C %.9g, %s %.9g\n", i, (double)a->logits[i], set,
                (double)b->logits[i]);
        abort();
    }
    n_compared++;
}

static void run_all(const char *path, hl_type type) {
    outcome plain = run(engines[0], path);
    n_answered += plain.logits != NULL;
    for (int i = 1; i < N_SETS; i++) {
        if (!engines[i]) continue;
        /* BF16 instructions have their own rounding: docs/quality.md */
        if (type == HL_TYPE_bf16 && strstr(hl_engine_cpu_text(engines[i]), "bf16")) continue;
        outcome o = run(engines[i], path);
        compare(sets[i], &plain, &o);
        hl_free(o.logits);
    }
    hl_free(plain.logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char    path[64];
    program p = {data, data + n};
    file   *f = hl_new(1, sizeof *f);
    if (!f) return 0;
    if (n_files++ == 0) open_engines();
    (void)snprintf(path, sizeof path, "/tmp/hl_fuzz_model.%d.gguf", (int)getpid());
    make_file(f, &p);
    for (uint32_t n_changes = take_below(&p, 6); p.at < p.end && n_changes > 0; n_changes--) change(f, &p);
    if (write_file(f, path) == HL_OK) run_all(path, f->type);
    (void)unlink(path);
    for (size_t i = 0; i < f->n_tensors; i++) hl_free(f->tensors[i].data);
    hl_free(f);
    return 0;
}
