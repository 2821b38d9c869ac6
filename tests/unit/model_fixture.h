/* SPDX-License-Identifier: MIT
 *
 * model_fixture.h - whole models of any shape with random weights, written to a file.
 *
 * The vocabulary is the 256 bytes and fillers; nothing ends an answer. `as_f32` writes the weights as what
 * they are after packing, so that a file and its twin differ in how they are computed only.
 */
#ifndef HL_TESTS_UNIT_MODEL_FIXTURE_H
#define HL_TESTS_UNIT_MODEL_FIXTURE_H

#include <math.h>

#include "engine/quant/quant.h"
#include "tests/need.h"
#include "tokenizer_fixture.h"

/* A tensor whose dimensions are written otherwise than they are; as many values. */
typedef struct mf_odd {
    const char *name; /* NULL: none */
    uint32_t    n_dims;
    uint64_t    dims[4]; /* slowest first */
} mf_odd;

typedef struct mf_shape {
    uint32_t    n_vocab, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_layers;
    uint32_t    n_experts, n_experts_used; /* 0: none */
    uint32_t    kv_copies; /* each key/value head stands so often in the file: as many more heads; 0: once */
    hl_type     type;
    bool        as_f32;
    mf_odd      odd;
    uint32_t    said_layers; /* what block_count says; 0: n_layers */
    const char *extra;       /* name of one more matrix [extra_rows][n_embd]; NULL: none */
    uint32_t    extra_rows;
    void (*change)(const char *name, float *x, size_t n);      /* before packing; NULL: nothing */
    void (*change_twin)(const char *name, float *x, size_t n); /* behind it, of as_f32; NULL: nothing */
    const char *filler;  /* what tokens behind the bytes are called; NULL: filler */
    const char *control; /* how the last token is spelled, which is a control token; NULL: there is none */
} mf_shape;

typedef struct mf_writer {
    hl_gguf_writer *w;
    const mf_shape *s;
    uint32_t        random;
    void           *kept[200];
    char            names[200][64];
    size_t          n_kept;
} mf_writer;

static inline float mf_random(mf_writer *m) {
    m->random = m->random * 1664525u + 1013904223u;
    return (float)(int32_t)m->random * (1.0f / 2147483648.0f);
}

/* As rows of heads of head_dim, each `copies` times. */
static inline void mf_repeat_heads(float *x, uint64_t n_heads, uint64_t head, uint32_t copies) {
    for (uint64_t h = n_heads; h-- > 0;)
        for (uint32_t i = copies; i-- > 0;)
            memmove(x + (h * copies + i) * head, x + h * head, head * sizeof *x);
}

/* A vector (rows 1), a matrix, or with n_stacked > 0 a stack of them. */
static inline void mf_add(mf_writer *m, const char *name, uint64_t n_stacked, uint64_t rows, uint64_t cols) {
    const bool    is_vector = rows == 1 && n_stacked == 0;
    const bool    is_kv = strstr(name, "attn_k") || strstr(name, "attn_v");
    const size_t  n_random = (n_stacked ? n_stacked : 1) * rows * cols;
    const size_t  copies = is_kv && m->s->kv_copies ? m->s->kv_copies : 1, n = n_random * copies;
    float        *x = hl_new(n, sizeof *x);
    const hl_type type = is_vector || m->s->as_f32 ? HL_TYPE_f32 : m->s->type;
    for (size_t i = 0; i < n_random; i++)
        x[i] = is_vector ? 1 + 0.2f * mf_random(m) : 1.7f * mf_random(m) / sqrtf((float)cols);
    if (copies > 1) mf_repeat_heads(x, m->s->n_kv_heads, m->s->head_dim * cols, (uint32_t)copies);
    if (m->s->change) m->s->change(name, x, n);
    void *data = x;
    if (!is_vector && m->s->type != HL_TYPE_f32) {
        void *packed = hl_new(n / cols, hl_type_row_bytes(m->s->type, cols));
        hl_quant_from_f32(m->s->type)(x, n, packed);
        hl_quant_to_f32(m->s->type)(packed, n, x);
        if (!m->s->as_f32) data = packed;
        m->kept[m->n_kept++] = packed;
    }
    if (m->s->as_f32 && m->s->change_twin) m->s->change_twin(name, x, n);
    m->kept[m->n_kept++] = x;
    (void)snprintf(m->names[m->n_kept], sizeof m->names[0], "%s", name);
    const bool     is_odd = m->s->odd.name && strcmp(m->s->odd.name, name) == 0;
    const uint64_t all[] = {n_stacked, rows * copies, cols};
    const uint32_t n_dims = is_vector ? 1 : n_stacked ? 3 : 2;
    hl_gguf_writer_add_tensor(m->w, m->names[m->n_kept], type, is_odd ? m->s->odd.n_dims : n_dims,
                              is_odd ? m->s->odd.dims : all + 3 - n_dims, data);
}

static inline void mf_add_layer(mf_writer *m, uint32_t i) {
    const mf_shape *s = m->s;
    const uint64_t  q = (uint64_t)s->n_heads * s->head_dim, kv = (uint64_t)s->n_kv_heads * s->head_dim;
    const struct {
        const char *name;
        uint64_t    n, rows, cols;
    } all[] = {
        {"attn_norm", 0, 1, s->n_embd},
        {"attn_q", 0, q, s->n_embd},
        {"attn_k", 0, kv, s->n_embd},
        {"attn_v", 0, kv, s->n_embd},
        {"attn_output", 0, s->n_embd, q},
        {"ffn_norm", 0, 1, s->n_embd},
        {"ffn_up", 0, s->n_ff, s->n_embd},
        {"ffn_gate", 0, s->n_ff, s->n_embd},
        {"ffn_down", 0, s->n_embd, s->n_ff},
        {"ffn_gate_inp", 0, s->n_experts, s->n_embd},
        {"ffn_up_exps", s->n_experts, s->n_ff, s->n_embd},
        {"ffn_gate_exps", s->n_experts, s->n_ff, s->n_embd},
        {"ffn_down_exps", s->n_experts, s->n_embd, s->n_ff},
    };
    enum { DENSE = 6, EXPERTS = 9, END = 13 };
    for (size_t k = 0; k < (s->n_experts ? END : EXPERTS); k++) {
        char name[64];
        if (s->n_experts && k >= DENSE && k < EXPERTS) continue;
        (void)snprintf(name, sizeof name, "blk.%u.%s.weight", i, all[k].name);
        mf_add(m, name, all[k].n, all[k].rows, all[k].cols);
    }
}

static inline hl_status mf_write(const char *path, const mf_shape *s, hl_err *err) {
    fix_vocab *f = fix_new("gpt2", "gpt-2");
    mf_writer *m = hl_new(1, sizeof *m);
    hl_view   *texts = hl_new(s->n_vocab, sizeof *texts);
    char      *room = hl_new(s->n_vocab, 24);
    int32_t   *kinds = hl_new(s->n_vocab, sizeof *kinds);
    *m = (mf_writer){.w = f->w, .s = s, .random = 7};
    fix_add_letters(f);
    for (uint32_t i = 0; i < s->n_vocab; i++) {
        kinds[i] = 1;
        (void)snprintf(room + (size_t)i * 24, 24, "%.8s%u", s->filler ? s->filler : "filler", i);
        texts[i] = i < f->n ? f->texts[i] : hl_view_of(room + (size_t)i * 24);
    }
    if (s->control) {
        texts[s->n_vocab - 1] = hl_view_of(s->control);
        kinds[s->n_vocab - 1] = 3;
    }
    hl_gguf_writer_add_text(f->w, "general.architecture", hl_view_of("llama"));
    hl_gguf_writer_add_u32(f->w, "llama.block_count", s->said_layers ? s->said_layers : s->n_layers);
    hl_gguf_writer_add_u32(f->w, "llama.context_length", 4096);
    hl_gguf_writer_add_u32(f->w, "llama.embedding_length", s->n_embd);
    hl_gguf_writer_add_u32(f->w, "llama.feed_forward_length", s->n_ff);
    hl_gguf_writer_add_u32(f->w, "llama.attention.head_count", s->n_heads);
    hl_gguf_writer_add_u32(f->w, "llama.attention.head_count_kv",
                           s->n_kv_heads * (s->kv_copies ? s->kv_copies : 1));
    hl_gguf_writer_add_u32(f->w, "llama.attention.key_length", s->head_dim);
    hl_gguf_writer_add_u32(f->w, "llama.attention.value_length", s->head_dim);
    hl_gguf_writer_add_u32(f->w, "llama.rope.dimension_count", s->head_dim);
    if (s->n_experts) {
        hl_gguf_writer_add_u32(f->w, "llama.expert_count", s->n_experts);
        hl_gguf_writer_add_u32(f->w, "llama.expert_used_count", s->n_experts_used);
    }
    hl_gguf_writer_add_f32(f->w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.tokens", s->n_vocab, texts);
    hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.merges", 1, (const hl_view[]){hl_view_of("a b")});
    hl_gguf_writer_add_array(f->w, "tokenizer.ggml.token_type", HL_GGUF_I32, s->n_vocab, kinds);
    mf_add(m, "token_embd.weight", 0, s->n_vocab, s->n_embd);
    mf_add(m, "output_norm.weight", 0, 1, s->n_embd);
    mf_add(m, "output.weight", 0, s->n_vocab, s->n_embd);
    for (uint32_t i = 0; i < s->n_layers; i++) mf_add_layer(m, i);
    if (s->extra) mf_add(m, s->extra, 0, s->extra_rows, s->n_embd);
    const hl_status status = hl_gguf_writer_save(f->w, path, err);
    for (size_t i = 0; i < m->n_kept; i++) hl_free(m->kept[i]);
    hl_gguf_writer_free(f->w);
    hl_free(f);
    hl_free(m);
    hl_free(texts);
    hl_free(room);
    hl_free(kinds);
    return status;
}

static inline void mf_must_write(const char *path, const mf_shape *s) {
    hl_err err = {0};
    if (mf_write(path, s, &err) != HL_OK) fail_msg("%s", err.text);
}

#endif
