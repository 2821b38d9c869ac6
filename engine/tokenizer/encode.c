/* SPDX-License-Identifier: MIT
 *
 * encode.c - text to ids: special tokens first, then pieces, then merges.
 *
 * Words come again and again: each piece is looked up in a small table of pieces seen in this call,
 * which points back into the text and into the ids already written.
 */
#include "engine/tokenizer/encode.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/tokenizer/tokenizer_state.h"

enum { MAX_TEXT_BYTES = 1 << 30, MAX_SEEN = 1 << 13, SEEN_PIECE_BYTES = 64, PIECES_PER_LOOK = 1024 };

typedef struct seen_piece { /* n_bytes 0: empty */
    uint32_t at, n_bytes;   /* in the text */
    uint32_t i_ids, n_ids;  /* in the ids of this call */
} seen_piece;

typedef struct encoder {
    const hl_tokenizer *t;
    const char         *text;
    hl_tokens          *out;
    size_t              first_id; /* out->n at the beginning of the call */
    size_t              part_at;  /* where the part being cut begins in the text */
    char               *subject;  /* the text with invalid bytes replaced; NULL when it is valid */
    bool                checked;
    seen_piece         *seen; /* [mask + 1] */
    size_t              seen_mask;
    char               *spelled; /* one piece in the vocabulary's spelling */
    size_t              cap_spelled;
    hl_merge_scratch    merge;
    hl_split_state      split;
    hl_special_rule     special;
    size_t              n_pieces;
} encoder;

static hl_status add_id(encoder *e, int32_t id, hl_err *err) {
    if (e->out->n < e->out->cap) {
        e->out->ids[e->out->n++] = id;
        return HL_OK;
    }
    return hl_tokens_add(e->out, &id, 1, err);
}

/* --- pieces seen before --- */

static seen_piece *seen_at(encoder *e, const char *p, size_t n) {
    return &e->seen[hl_vocab_hash(&e->t->vocab, p, n) & e->seen_mask];
}

static bool is_seen(const encoder *e, const seen_piece *s, const char *p, size_t n) {
    return s->n_bytes == n && memcmp(e->text + s->at, p, n) == 0;
}

static hl_status repeat(encoder *e, const seen_piece *s, hl_err *err) {
    for (uint32_t i = 0; i < s->n_ids; i++) {
        const hl_status status = add_id(e, e->out->ids[e->first_id + s->i_ids + i], err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

static char *spell_buffer(encoder *e, size_t n) {
    if (n > e->cap_spelled) {
        const size_t cap = n + n / 2 + 64;
        char        *p = hl_resize(e->spelled, cap, 1);
        if (!p) return NULL;
        e->spelled = p;
        e->cap_spelled = cap;
    }
    return e->spelled;
}

/* --- byte-level BPE --- */

static hl_status emit_bpe(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    encoder        *e = user;
    const hl_vocab *v = &e->t->vocab;
    if (id < 0) id = hl_vocab_find(v, text, n);
    if (id < 0 || v->kinds[id] == HL_TOKEN_CONTROL) return HL_OK;
    return add_id(e, id, err);
}

static hl_status encode_bpe_piece(encoder *e, const char *p, size_t n, hl_err *err) {
    const hl_tokenizer *t = e->t;
    char               *spelled = spell_buffer(e, 2 * n);
    if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
    size_t len = hl_bpe_spell(&t->bpe, p, n, false, spelled);
    if (t->pre->flags & HL_PRE_WHOLE) {
        const int32_t id = hl_vocab_find(&t->vocab, spelled, len);
        if (id >= 0 && t->vocab.kinds[id] == HL_TOKEN_NORMAL) return add_id(e, id, err);
    }
    if (t->bpe.any_missing) len = hl_bpe_spell(&t->bpe, p, n, true, spelled);
    const hl_merge_rules rules = hl_bpe_rules(&t->bpe);
    return hl_merge(&rules, &e->merge, spelled, len, emit_bpe, e, err);
}

/* --- SentencePiece --- */

static hl_status emit_spm(void *user, const char *text, size_t n, int32_t id, hl_err *err) {
    encoder        *e = user;
    const hl_vocab *v = &e->t->vocab;
    if (id < 0) id = hl_vocab_find(v, text, n);
    if (id >= 0 && (v->kinds[id] == HL_TOKEN_NORMAL || v->kinds[id] == HL_TOKEN_USER))
        return add_id(e, id, err);
    hl_status status = HL_OK;
    bool      all = true;
    for (size_t i = 0; i < n; i++) all = all && e->t->spm.byte_ids[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; all && status == HL_OK && i < n; i++)
        status = add_id(e, e->t->spm.byte_ids[(unsigned char)text[i]], err);
    return all || e->t->unk < 0 ? status : add_id(e, e->t->unk, err);
}

static hl_status encode_spm_piece(encoder *e, bool prefix, const char *p, size_t n, hl_err *err) {
    char *spelled = spell_buffer(e, 3 * (n + 1));
    if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
    size_t len = prefix ? hl_spm_spell(" ", 1, spelled) : 0;
    len += hl_spm_spell(p, n, spelled + len);
    const hl_merge_rules rules = hl_spm_rules(&e->t->spm);
    return hl_merge(&rules, &e->merge, spelled, len, emit_spm, e, err);
}

/* --- pieces of either kind --- */

static hl_status encode_piece(encoder *e, size_t at, size_t n, hl_err *err) {
    const char *p = e->text + at;
    const bool  bpe = e->t->model == HL_TOKENIZER_BPE;
    if (++e->n_pieces % PIECES_PER_LOOK == 0) {
        const hl_status status = hl_stop_check("tokenize", err);
        if (status != HL_OK) return status;
    }
    if (n > SEEN_PIECE_BYTES)
        return bpe ? encode_bpe_piece(e, p, n, err) : encode_spm_piece(e, false, p, n, err);
    seen_piece *s = seen_at(e, p, n);
    if (is_seen(e, s, p, n)) return repeat(e, s, err);
    const size_t    i_ids = e->out->n - e->first_id;
    const hl_status status = bpe ? encode_bpe_piece(e, p, n, err) : encode_spm_piece(e, false, p, n, err);
    *s = (seen_piece){.at = (uint32_t)at,
                      .n_bytes = (uint32_t)n,
                      .i_ids = (uint32_t)i_ids,
                      .n_ids = (uint32_t)(e->out->n - e->first_id - i_ids)};
    return status;
}

static hl_status on_bpe_piece(void *user, size_t at, size_t n, hl_err *err) {
    encoder *e = user;
    return encode_piece(e, e->part_at + at, n, err);
}

/* The patterns need valid UTF-8. A byte that is none is shown to them as U+001A (substitute), a character
 * that no pattern names; what is encoded are the bytes themselves. */
static hl_status check_text(encoder *e, size_t n, hl_err *err) {
    e->checked = true;
    if (hl_utf8_is_valid(e->text, n)) return HL_OK;
    e->subject = hl_new(n, 1);
    if (!e->subject) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize %zu bytes", n);
    memcpy(e->subject, e->text, n);
    for (size_t i = 0; i < n;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(e->text + i, n - i, &cp);
        if (len == 0) e->subject[i] = 0x1A;
        i += len ? len : 1;
    }
    return HL_OK;
}

static hl_status encode_spm_part(encoder *e, size_t at, size_t n, bool prefix, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t done = 0; status == HL_OK && done < n;) {
        const char  *p = e->text + at + done;
        const size_t len = hl_spm_piece(&e->t->spm, p, n - done);
        /* With a space in front, the first piece is another one than its text says. */
        if (done == 0 && prefix)
            status = encode_spm_piece(e, true, p, len, err);
        else
            status = encode_piece(e, at + done, len, err);
        done += len;
    }
    return status;
}

static bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Parts between special tokens, and the special tokens. */
static hl_status encode_parts(encoder *e, size_t n, hl_err *err) {
    const hl_tokenizer *t = e->t;
    const hl_view       text = {e->text, n};
    hl_status           status = HL_OK;
    for (size_t at = 0; status == HL_OK && at < n;) {
        size_t        next = n, len = 0;
        const int32_t id = hl_special_find(&t->special, text, at, &e->special, &next, &len);
        if (id < 0) next = n;
        status = hl_stop_check("tokenize", err);
        if (status != HL_OK) break;
        e->part_at = at;
        if (next > at) {
            if (t->model == HL_TOKENIZER_SPM)
                status = encode_spm_part(e, at, next - at, t->add_space_prefix, err);
            else
                status = hl_split(&t->splitter, &e->split, (e->subject ? e->subject : e->text) + at,
                                  next - at, on_bpe_piece, e, err);
        }
        if (id >= 0 && status == HL_OK) status = add_id(e, id, err);
        at = next + len;
        if (id >= 0 && t->eats_space && t->eats_space[id])
            while (at < n && is_white(e->text[at])) at++;
    }
    return status;
}

static hl_status encode_text(encoder *e, size_t n, unsigned flags, hl_err *err) {
    const hl_tokenizer *t = e->t;
    const bool          with_control = e->special.with_control;
    const bool          bos = flags & HL_TOKENIZE_BOS && t->add_bos;
    const bool          eos = flags & HL_TOKENIZE_EOS && t->add_eos;
    size_t              n_seen = 64;
    while (n_seen < n / 8 && n_seen < MAX_SEEN) n_seen *= 2;
    e->seen = hl_new(n_seen, sizeof *e->seen);
    if (!e->seen) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize %zu bytes", n);
    e->seen_mask = n_seen - 1;

    hl_status status = t->model == HL_TOKENIZER_BPE ? check_text(e, n, err) : HL_OK;
    if (status == HL_OK && bos) status = add_id(e, t->bos, err);
    if (status == HL_OK) status = encode_parts(e, n, err);
    if (status != HL_OK) return status;
    const size_t n_ids = e->out->n - e->first_id;
    if (bos && with_control && n_ids > 1 &&
        e->out->ids[e->first_id + 1] == t->bos) { /* the text brings its own */
        int32_t *ids = e->out->ids + e->first_id;
        memmove(ids, ids + 1, (n_ids - 1) * sizeof *ids);
        e->out->n--;
    }
    const bool has_eos = with_control && e->out->n > e->first_id && e->out->ids[e->out->n - 1] == t->eos;
    return eos && !has_eos ? add_id(e, t->eos, err) : HL_OK;
}

hl_status hl_tokenizer_encode_tainted(const hl_tokenizer *t, hl_view text, const hl_span *tainted,
                                      size_t n_tainted, unsigned flags, hl_tokens *ret_ids, hl_err *err) {
    if (text.len > MAX_TEXT_BYTES)
        return hl_fail(err, HL_E_LIMIT, "a text of %zu bytes cannot be tokenized, expected at most %d",
                       text.len, MAX_TEXT_BYTES);
    encoder e = {
        .t = t,
        .text = text.ptr ? text.ptr : "",
        .out = ret_ids,
        .first_id = ret_ids->n,
        .special = {.with_control = flags & HL_TOKENIZE_SPECIAL, .tainted = tainted, .n_tainted = n_tainted}};
    const hl_status status = encode_text(&e, text.len, flags, err);
    if (status != HL_OK) ret_ids->n = e.first_id;
    hl_free(e.subject);
    hl_free(e.seen);
    hl_free(e.spelled);
    hl_merge_scratch_done(&e.merge);
    hl_split_state_done(&e.split);
    return status;
}

hl_status hl_tokenizer_encode(const hl_tokenizer *t, hl_view text, unsigned flags, hl_tokens *ret_ids,
                              hl_err *err) {
    return hl_tokenizer_encode_tainted(t, text, NULL, 0, flags, ret_ids, err);
}
