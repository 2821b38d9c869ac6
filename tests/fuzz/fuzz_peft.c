/* SPDX-License-Identifier: MIT
 *
 * fuzz_peft.c - any adapter_config.json with any adapter_model.safetensors, for a small model: what is
 * accepted is a GGUF adapter whose pairs fit the model, and of finite numbers.
 *
 * The input is the config, a byte of 0, and the header of the weights; behind that header lie as many
 * bytes of data as it may ask for.
 *
 * fuzz: max_len=4096 words=models/convert/peft_options.def,models/convert/peft_config.c
 * fuzz: words=models/convert/safetensors.c,models/convert/peft.c
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/convert/peft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { WIDTH = 8, HEAD = 4, DATA_BYTES = 4096 };

/* Of the model nothing but keys and shapes is looked at. */
static uint8_t *make_base(size_t *ret_n) {
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.ffn_up.weight", "blk.1.attn_k.weight",
                                        "token_embd.weight"};
    static float             zeros[2 * WIDTH * WIDTH];
    uint8_t                 *file = NULL;
    hl_err                   err = {0};
    hl_gguf_writer          *w = hl_gguf_writer_new();
    if (!w) return NULL;
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
    hl_gguf_writer_add_u32(w, "llama.attention.key_length", HEAD);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const uint64_t shape[] = {i == 1 ? 2 * WIDTH : WIDTH, WIDTH};
        hl_gguf_writer_add_tensor(w, names[i], HL_TYPE_f32, 2, shape, zeros);
    }
    if (hl_gguf_writer_build(w, &file, ret_n, &err) != HL_OK) file = NULL;
    hl_gguf_writer_free(w);
    return file;
}

static void check_side(const hl_gguf *g, const hl_gguf *base, const char *name, bool is_a) {
    char                  to[64], other[80];
    const hl_gguf_tensor *t = hl_gguf_find_tensor(g, name);
    const size_t          n = strlen(name) - strlen(".lora_a");
    (void)snprintf(to, sizeof to, "%.*s", (int)n, name);
    (void)snprintf(other, sizeof other, "%s.lora_%c", to, is_a ? 'b' : 'a');
    const hl_gguf_tensor *w = hl_gguf_find_tensor(base, to), *o = hl_gguf_find_tensor(g, other);
    if (!t || !w || !o || t->n_dims != 2) abort();
    if (is_a && (t->shape[1] != w->shape[1] || o->shape[0] != w->shape[0] || o->shape[1] != t->shape[0]))
        abort();
    for (uint64_t i = 0; t->type == HL_TYPE_f32 && i < t->n_elems; i++) {
        float x;
        memcpy(&x, (const uint8_t *)t->data + 4 * i, 4);
        if (!isfinite(x)) abort();
    }
}

static void check_result(const uint8_t *file, size_t n, const hl_gguf *base) {
    hl_gguf *g = NULL;
    hl_err   err = {0};
    float    alpha = 0;
    if (hl_gguf_open_memory(file, n, &g, &err) != HL_OK) abort();
    if (hl_gguf_get_f32(g, "adapter.lora.alpha", &alpha, &err) != HL_OK || !isfinite(alpha) || alpha == 0)
        abort();
    if (hl_gguf_n_tensors(g) < 2) abort();
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const char *name = hl_gguf_tensor_at(g, i)->name;
        check_side(g, base, name, strstr(name, ".lora_a") != NULL);
    }
    hl_gguf_close(g);
}

/* The weights: the header's length, the header, and data of many values, among them some that are no numbers
 * when the header's last byte is odd. */
static uint8_t *make_weights(const uint8_t *header, size_t n, size_t *ret_n) {
    uint8_t *all = hl_new(8 + n + DATA_BYTES, 1);
    if (!all) return NULL;
    for (int i = 0; i < 8; i++) all[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(all + 8, header, n);
    for (size_t i = 0; i < DATA_BYTES; i++) all[8 + n + i] = (uint8_t)(i % 4 == 3 ? 0x3d : 17 * i);
    if (n > 0 && header[n - 1] == ' ') memset(all + 8 + n + DATA_BYTES / 2, 0xff, 64);
    *ret_n = 8 + n + DATA_BYTES;
    return all;
}

static void convert(const json_t *root, const hl_safetensors *weights, const hl_gguf *base) {
    static const hl_convert_options none = {0};
    hl_peft_config                 *config = NULL;
    hl_arena                        arena;
    hl_err                          err = {0};
    uint8_t                        *file = NULL;
    size_t                          n_file = 0;
    hl_gguf_writer                 *w = hl_gguf_writer_new();
    hl_arena_init(&arena, 16 << 20);
    hl_status status = w ? hl_peft_config_read(root, &config, &err) : HL_E_NOMEM;
    if (status == HL_OK) status = hl_peft_write(config, weights, base, &none, &arena, w, &err);
    if (status == HL_OK) status = hl_gguf_writer_build(w, &file, &n_file, &err);
    if (status == HL_OK)
        check_result(file, n_file, base);
    else if (w && !err.text[0])
        abort();
    hl_free(file);
    hl_gguf_writer_free(w);
    hl_peft_config_free(config);
    hl_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static hl_gguf     *base;
    static uint8_t     *base_file; /* as long as the process */
    const hl_json_rules rules = {.max_bytes = 1 << 16, .max_values = 1 << 14, .max_depth = 16};
    hl_err              err = {0};
    json_t             *root = NULL;
    hl_safetensors     *weights = NULL;
    size_t              n_base = 0, n_all = 0;
    const uint8_t      *zero = n ? memchr(data, 0, n) : NULL;
    if (!zero) return 0;
    if (!base) base_file = make_base(&n_base);
    if (!base && (!base_file || hl_gguf_open_memory(base_file, n_base, &base, &err) != HL_OK)) abort();
    uint8_t *all = make_weights(zero + 1, n - (size_t)(zero - data) - 1, &n_all);
    if (all &&
        hl_json_read((hl_view){(const char *)data, (size_t)(zero - data)}, "config", &rules, &root, &err) ==
            HL_OK &&
        hl_safetensors_open_memory(all, n_all, &weights, &err) == HL_OK)
        convert(root, weights, base);
    hl_safetensors_close(weights);
    json_decref(root);
    hl_free(all);
    return 0;
}
