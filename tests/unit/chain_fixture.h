/* SPDX-License-Identifier: MIT
 *
 * chain_fixture.h - a tiny model that says what the test wants: behind each token comes the one that the test
 * names.
 *
 * Every token's embedding is a vector of its own, attention and feed-forward are zero, and the output matrix
 * answers a token with its successor, so greedy decoding walks a chain of ids whatever stands in front. The
 * vocabulary is the 256 bytes (id = byte), CHAIN_IM_START, CHAIN_IM_END (ends answers), CHAIN_BOS and
 * CHAIN_USER; what has no successor is followed by CHAIN_IM_END.
 */
#ifndef HL_TESTS_UNIT_CHAIN_FIXTURE_H
#define HL_TESTS_UNIT_CHAIN_FIXTURE_H

#include "engine_fixture.h"
#include "tokenizer_fixture.h"

enum { CHAIN_IM_START = 256, CHAIN_IM_END, CHAIN_BOS, CHAIN_USER, CHAIN_N_VOCAB, CHAIN_N_EMBD = 320 };

#define CHAIN_CHATML                                                                                         \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"               \
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

typedef struct chain_model {
    fix_vocab *f; /* .w: for more keys, before chain_save() */
    int32_t    next[CHAIN_N_VOCAB];
    float      embd[CHAIN_N_VOCAB][CHAIN_N_EMBD], out[CHAIN_N_VOCAB][CHAIN_N_EMBD];
    float      ones[CHAIN_N_EMBD], zeros[CHAIN_N_EMBD * CHAIN_N_EMBD];
} chain_model;

/* in     chat_template  NULL: none */
static inline chain_model *chain_new(const char *chat_template) {
    chain_model *c = hl_new(1, sizeof *c);
    c->f = fix_new("gpt2", "gpt-2");
    fix_add_letters(c->f);
    (void)fix_add(c->f, "<|im_start|>", 3, 0);
    (void)fix_add(c->f, "<|im_end|>", 3, 0);
    (void)fix_add(c->f, "<s>", 3, 0);
    (void)fix_add(c->f, "<|user|>", 3, 0);
    fix_merge(c->f, "\xC4\xA0 \xC4\xA0"); /* makes no token */
    hl_gguf_writer_add_u32(c->f->w, "tokenizer.ggml.eos_token_id", CHAIN_IM_END);
    hl_gguf_writer_add_u32(c->f->w, "tokenizer.ggml.bos_token_id", CHAIN_BOS);
    if (chat_template) hl_gguf_writer_add_text(c->f->w, "tokenizer.chat_template", hl_view_of(chat_template));
    for (int i = 0; i < CHAIN_N_VOCAB; i++) c->next[i] = CHAIN_IM_END;
    return c;
}

/* The answer behind `start` is `ids`, then the end; an id may stand in a chain once. */
static inline void chain_say(chain_model *c, int32_t start, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        c->next[start] = ids[i];
        start = ids[i];
    }
    c->next[start] = CHAIN_IM_END;
}

static inline void chain_add(chain_model *c, const char *name, uint64_t rows, uint64_t cols,
                             const float *data) {
    const uint64_t shape[] = {rows, cols};
    hl_gguf_writer_add_tensor(c->f->w, name, HL_TYPE_f32, rows ? 2 : 1, rows ? shape : shape + 1, data);
}

/* Write the model to `path`; frees `c`. */
static inline hl_status chain_save(chain_model *c, const char *path, hl_err *err) {
    enum { N = CHAIN_N_EMBD, HEAD = 64 };
    static const struct {
        const char *key;
        uint32_t    value;
    } sizes[] = {{"llama.block_count", 1},
                 {"llama.context_length", 512},
                 {"llama.embedding_length", N},
                 {"llama.feed_forward_length", HEAD},
                 {"llama.attention.head_count", 5},
                 {"llama.attention.head_count_kv", 1},
                 {"llama.rope.dimension_count", 64},
                 {"llama.attention.key_length", HEAD},
                 {"llama.attention.value_length", 64}};
    fix_vocab *f = c->f;
    hl_gguf_writer_add_text(f->w, "general.architecture", hl_view_of("llama"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        hl_gguf_writer_add_u32(f->w, sizes[i].key, sizes[i].value);
    hl_gguf_writer_add_f32(f->w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.tokens", f->n, f->texts);
    hl_gguf_writer_add_array(f->w, "tokenizer.ggml.token_type", HL_GGUF_I32, f->n, f->kinds);
    hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.merges", f->n_merges, f->merges);
    for (int i = 0; i < N; i++) c->ones[i] = 1;
    for (int i = 0; i < CHAIN_N_VOCAB; i++) {
        c->embd[i][i] = 1;
        c->out[c->next[i]][i] = 1;
    }
    chain_add(c, "token_embd.weight", CHAIN_N_VOCAB, N, c->embd[0]);
    chain_add(c, "output.weight", CHAIN_N_VOCAB, N, c->out[0]);
    chain_add(c, "output_norm.weight", 0, N, c->ones);
    chain_add(c, "blk.0.attn_norm.weight", 0, N, c->ones);
    chain_add(c, "blk.0.ffn_norm.weight", 0, N, c->ones);
    chain_add(c, "blk.0.attn_q.weight", N, N, c->zeros);
    chain_add(c, "blk.0.attn_k.weight", HEAD, N, c->zeros);
    chain_add(c, "blk.0.attn_v.weight", HEAD, N, c->zeros);
    chain_add(c, "blk.0.attn_output.weight", N, N, c->zeros);
    chain_add(c, "blk.0.ffn_gate.weight", HEAD, N, c->zeros);
    chain_add(c, "blk.0.ffn_up.weight", HEAD, N, c->zeros);
    chain_add(c, "blk.0.ffn_down.weight", N, HEAD, c->zeros);
    const hl_status status = hl_gguf_writer_save(f->w, path, err);
    hl_gguf_writer_free(f->w);
    hl_free(f);
    hl_free(c);
    return status;
}

/* The model in an engine of one thread; frees `c`. vocab_only: it cannot compute. */
static inline void chain_load(chain_model *c, bool vocab_only, hl_engine **ret_e, hl_model **ret_m) {
    char                  path[] = "/tmp/hl_chain_XXXXXX";
    const char           *paths[] = {path};
    const hl_model_params p = {.vocab_only = vocab_only};
    hl_err                err = {0};
    make_scratch(path);
    hl_status status = chain_save(c, path, &err);
    *ret_e = new_engine(1, NULL, 0);
    if (status == HL_OK) status = hl_model_open(*ret_e, paths, 1, &p, ret_m, &err);
    (void)unlink(path);
    if (status != HL_OK) fail_msg("%s", err.text);
}

#endif
