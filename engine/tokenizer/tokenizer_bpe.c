/* SPDX-License-Identifier: MIT
 *
 * tokenizer_bpe.c - texts cut by patterns, pieces merged by the list of the file (bpe.h).
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/tokenizer_ops.h"

typedef struct bpe_tokenizer {
    hl_bpe                 bpe;
    hl_splitter            splitter;
    const hl_pretokenizer *pre;
} bpe_tokenizer;

/* A file that does not name its pre-tokenizer gets the reference engine's default, which fits few models. */
static hl_status find_pretokenizer(hl_tokenizer *t, const hl_gguf *g, const hl_pretokenizer **ret,
                                   hl_err *err) {
    static const char key[] = "tokenizer.ggml.pre";
    hl_view           pre = {0};
    hl_status         status = hl_gguf_find(g, key) ? hl_gguf_get_text(g, key, &pre, err) : HL_OK;
    if (status == HL_OK && pre.len == 0) {
        pre = hl_view_of("default");
        status = hl_tokenizer_warn(
            t, err,
            "the file does not name its pre-tokenizer (%s): texts are split by the rule "
            "'default', which may not be the one the model was trained with; answers may be "
            "worse. A newer conversion of the model helps",
            key);
    }
    return status == HL_OK ? hl_pretokenizer_find(pre, ret, err) : status;
}

static hl_status load(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    bpe_tokenizer *b = hl_new(1, sizeof *b);
    t->self = b;
    if (!b) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    hl_status status = find_pretokenizer(t, g, &b->pre, err);
    if (status == HL_OK) status = hl_splitter_init(&b->splitter, b->pre->rule, err);
    if (status == HL_OK) status = hl_bpe_load(&b->bpe, &t->vocab, g, err);
    if (status == HL_OK && b->bpe.n_unreadable > 0)
        status = hl_tokenizer_warn(t, err,
                                   "key 'tokenizer.ggml.merges': %" PRIu32 " of %" PRIu32
                                   " merges are not two texts with a space between them; they are left out",
                                   b->bpe.n_unreadable, b->bpe.n_merges);
    if (status != HL_OK) return status;
    (void)snprintf(t->kind, sizeof t->kind, "bpe/%s", b->pre->name);
    t->begins = b->pre->flags & HL_PRE_BOS;
    return HL_OK;
}

static void done(hl_tokenizer *t) {
    bpe_tokenizer *b = t->self;
    if (!b) return;
    hl_bpe_done(&b->bpe);
    hl_splitter_done(&b->splitter);
    hl_free(b);
}

static hl_status on_piece(void *user, size_t at, size_t n, hl_err *err) {
    hl_encoder *e = user;
    return hl_encoder_piece(e, e->part_at + at, n, err);
}

static hl_status encode_part(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    const bpe_tokenizer *b = e->t->self;
    e->part_at = at;
    return hl_split(&b->splitter, &e->split, (e->valid ? e->valid : e->text) + at, n, on_piece, e, err);
}

static hl_status emit(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    hl_encoder     *e = user;
    const hl_vocab *v = &e->t->vocab;
    if (id < 0) id = hl_vocab_find(v, text, n);
    if (id < 0 || v->kinds[id] == HL_TOKEN_CONTROL) return HL_OK;
    return hl_encoder_add(e, id, err);
}

static hl_status encode_piece(hl_encoder *e, const char *p, size_t n, hl_err *err) {
    const hl_tokenizer  *t = e->t;
    const bpe_tokenizer *b = t->self;
    char                *spelled = hl_encoder_room(e, 2 * n);
    if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
    size_t len = hl_bpe_spell(&b->bpe, p, n, false, spelled);
    if (b->pre->flags & HL_PRE_WHOLE) {
        const int32_t id = hl_vocab_find(&t->vocab, spelled, len);
        if (id >= 0 && t->vocab.kinds[id] == HL_TOKEN_NORMAL) return hl_encoder_add(e, id, err);
    }
    if (b->bpe.any_missing) len = hl_bpe_spell(&b->bpe, p, n, true, spelled);
    const hl_merge_rules rules = hl_bpe_rules(&b->bpe);
    return hl_merge(&rules, &e->merge, spelled, len, emit, e, err);
}

static size_t unspell(const hl_tokenizer *t, hl_view text, char *buf, size_t cap) {
    const bpe_tokenizer *b = t->self;
    return hl_bpe_unspell(&b->bpe, text, buf, cap);
}

const hl_tokenizer_ops hl_tokenizer_bpe_ops = {.load = load,
                                               .done = done,
                                               .encode_part = encode_part,
                                               .encode_piece = encode_piece,
                                               .unspell = unspell,
                                               .needs_valid = true,
                                               .bos = -1,
                                               .eos = -1,
                                               .unk = -1};
