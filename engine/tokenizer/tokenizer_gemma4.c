/* SPDX-License-Identifier: MIT
 *
 * tokenizer_gemma4.c - Gemma 4: merges by the list of the file (bpe.h) over the text as it is, U+2581 for
 * spaces and bytes for what the vocabulary lacks (spm.h). A text is cut at newlines only.
 * from: tokenizer.json of the models, April 2026
 */
#include <stdio.h>

#include "core/base/mem.h"
#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_ops.h"

typedef struct gemma4_tokenizer {
    hl_bpe bpe;
    hl_spm spm;
} gemma4_tokenizer;

static hl_status load(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    gemma4_tokenizer *b = hl_new(1, sizeof *b);
    t->self = b;
    if (!b) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    hl_status status = hl_bpe_load(&b->bpe, &t->vocab, g, err);
    if (status == HL_OK) status = hl_spm_load(&b->spm, &t->vocab, err);
    (void)snprintf(t->kind, sizeof t->kind, "bpe/gemma4");
    t->begins = true;
    return status;
}

static void done(hl_tokenizer *t) {
    gemma4_tokenizer *b = t->self;
    if (!b) return;
    hl_bpe_done(&b->bpe);
    hl_free(b);
}

/* Lines, and runs of newlines. */
static hl_status encode_part(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    const char *p = e->text + at;
    hl_status   status = HL_OK;
    for (size_t begin = 0, end = 0; status == HL_OK && begin < n; begin = end) {
        const bool is_break = p[begin] == '\n';
        while (end < n && (p[end] == '\n') == is_break) end++;
        status = hl_encoder_piece(e, at + begin, end - begin, err);
    }
    return status;
}

static hl_status emit(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    hl_encoder             *e = user;
    const hl_vocab         *v = &e->t->vocab;
    const gemma4_tokenizer *b = e->t->self;
    if (id < 0) id = hl_vocab_find(v, text, n);
    if (id >= 0 && v->kinds[id] != HL_TOKEN_CONTROL) return hl_encoder_add(e, id, err);
    hl_status status = HL_OK;
    for (size_t i = 0; status == HL_OK && i < n; i++) {
        const int32_t byte = b->spm.byte_ids[(unsigned char)text[i]];
        if (byte >= 0) status = hl_encoder_add(e, byte, err);
    }
    return status;
}

static hl_status encode_piece(hl_encoder *e, const char *p, size_t n, hl_err *err) {
    const gemma4_tokenizer *b = e->t->self;
    char                   *spelled = hl_encoder_room(e, 3 * n);
    if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
    const size_t         len = hl_spm_spell(p, n, spelled);
    const hl_merge_rules rules = hl_bpe_rules(&b->bpe);
    return hl_merge(&rules, &e->merge, spelled, len, emit, e, err);
}

static size_t unspell(const hl_tokenizer *t, hl_view text, char *buf, size_t cap) {
    (void)t;
    return hl_spm_unspell(text, buf, cap);
}

const hl_tokenizer_ops hl_tokenizer_gemma4_ops = {.load = load,
                                                  .done = done,
                                                  .encode_part = encode_part,
                                                  .encode_piece = encode_piece,
                                                  .unspell = unspell,
                                                  .bos = 2,
                                                  .eos = 1,
                                                  .unk = 3};
