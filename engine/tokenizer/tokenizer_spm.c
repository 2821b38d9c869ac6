/* SPDX-License-Identifier: MIT
 *
 * tokenizer_spm.c - texts cut where no token reaches over a space, pieces merged by score (spm.h).
 */
#include <stdio.h>

#include "core/base/mem.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_ops.h"

static hl_status load(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    (void)g;
    hl_spm *s = hl_new(1, sizeof *s);
    t->self = s;
    if (!s) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    (void)snprintf(t->kind, sizeof t->kind, "spm");
    t->begins = true;
    return hl_spm_load(s, &t->vocab, err);
}

static void done(hl_tokenizer *t) { hl_free(t->self); }

static hl_status emit(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    hl_encoder     *e = user;
    const hl_vocab *v = &e->t->vocab;
    const hl_spm   *s = e->t->self;
    if (id < 0) id = hl_vocab_find(v, text, n);
    if (id >= 0 && (v->kinds[id] == HL_TOKEN_NORMAL || v->kinds[id] == HL_TOKEN_USER))
        return hl_encoder_add(e, id, err);
    hl_status status = HL_OK;
    bool      all = true;
    for (size_t i = 0; i < n; i++) all = all && s->byte_ids[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; all && status == HL_OK && i < n; i++)
        status = hl_encoder_add(e, s->byte_ids[(unsigned char)text[i]], err);
    return all || e->t->unk < 0 ? status : hl_encoder_add(e, e->t->unk, err);
}

static hl_status encode(hl_encoder *e, bool prefix, const char *p, size_t n, hl_err *err) {
    char *spelled = hl_encoder_room(e, 3 * (n + 1));
    if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
    size_t len = prefix ? hl_spm_spell(" ", 1, spelled) : 0;
    len += hl_spm_spell(p, n, spelled + len);
    const hl_merge_rules rules = hl_spm_rules(e->t->self);
    return hl_merge(&rules, &e->merge, spelled, len, emit, e, err);
}

static hl_status encode_piece(hl_encoder *e, const char *p, size_t n, hl_err *err) {
    return encode(e, false, p, n, err);
}

static hl_status encode_part(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t done = 0; status == HL_OK && done < n;) {
        const char  *p = e->text + at + done;
        const size_t len = hl_spm_piece(e->t->self, p, n - done);
        /* With a space in front, the first piece is another one than its text says. */
        if (done == 0 && e->t->add_space_prefix)
            status = encode(e, true, p, len, err);
        else
            status = hl_encoder_piece(e, at + done, len, err);
        done += len;
    }
    return status;
}

static size_t unspell(const hl_tokenizer *t, hl_view text, char *buf, size_t cap) {
    (void)t;
    return hl_spm_unspell(text, buf, cap);
}

/* Ids as of the first Llama: files of its time leave them out. */
const hl_tokenizer_ops hl_tokenizer_spm_ops = {.load = load,
                                               .done = done,
                                               .encode_part = encode_part,
                                               .encode_piece = encode_piece,
                                               .unspell = unspell,
                                               .may_prefix_space = true,
                                               .bos = 1,
                                               .eos = 2,
                                               .unk = 0};
