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
#include "engine/tokenizer/tokenizer_ops.h"

enum { MAX_TEXT_BYTES = 1 << 30, MAX_SEEN = 1 << 13, SEEN_PIECE_BYTES = 64, PIECES_PER_LOOK = 1024 };

typedef struct seen_piece { /* n_bytes 0: empty */
    uint32_t at, n_bytes;   /* in the text */
    uint32_t i_ids, n_ids;  /* in the ids of this call */
} seen_piece;

typedef struct hl_encoding {
    hl_encoder      e;
    hl_tokens      *out;
    size_t          first_id; /* out->n at the beginning of the call */
    seen_piece     *seen;     /* [mask + 1] */
    size_t          seen_mask;
    char           *spelled; /* one piece in the vocabulary's spelling */
    size_t          cap_spelled;
    hl_special_rule special;
    size_t          n_pieces;
} encoding;

static hl_status add_id(encoding *k, int32_t id, hl_err *err) {
    if (k->out->n < k->out->cap) {
        k->out->ids[k->out->n++] = id;
        return HL_OK;
    }
    return hl_tokens_add(k->out, &id, 1, err);
}

hl_status hl_encoder_add(hl_encoder *e, int32_t id, hl_err *err) { return add_id(e->more, id, err); }

/* --- pieces seen before --- */

static seen_piece *seen_at(encoding *k, const char *p, size_t n) {
    return &k->seen[hl_vocab_hash(&k->e.t->vocab, p, n) & k->seen_mask];
}

static bool is_seen(const encoding *k, const seen_piece *s, const char *p, size_t n) {
    return s->n_bytes == n && memcmp(k->e.text + s->at, p, n) == 0;
}

static hl_status repeat(encoding *k, const seen_piece *s, hl_err *err) {
    for (uint32_t i = 0; i < s->n_ids; i++) {
        const hl_status status = add_id(k, k->out->ids[k->first_id + s->i_ids + i], err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

char *hl_encoder_room(hl_encoder *e, size_t n) {
    encoding *k = e->more;
    if (n > k->cap_spelled) {
        const size_t cap = n + n / 2 + 64;
        char        *p = hl_resize(k->spelled, cap, 1);
        if (!p) return NULL;
        k->spelled = p;
        k->cap_spelled = cap;
    }
    return k->spelled;
}

/* --- pieces --- */

hl_status hl_encoder_piece(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    encoding   *k = e->more;
    const char *p = e->text + at;
    if (++k->n_pieces % PIECES_PER_LOOK == 0) {
        const hl_status status = hl_stop_check("tokenize", err);
        if (status != HL_OK) return status;
    }
    if (n > SEEN_PIECE_BYTES) return e->t->ops->encode_piece(e, p, n, err);
    seen_piece *s = seen_at(k, p, n);
    if (is_seen(k, s, p, n)) return repeat(k, s, err);
    const size_t    i_ids = k->out->n - k->first_id;
    const hl_status status = e->t->ops->encode_piece(e, p, n, err);
    *s = (seen_piece){.at = (uint32_t)at,
                      .n_bytes = (uint32_t)n,
                      .i_ids = (uint32_t)i_ids,
                      .n_ids = (uint32_t)(k->out->n - k->first_id - i_ids)};
    return status;
}

/* The patterns need valid UTF-8. A byte that is none is shown to them as U+001A (substitute), a character
 * that no pattern names; what is encoded are the bytes themselves. */
static hl_status check_text(hl_encoder *e, size_t n, hl_err *err) {
    if (hl_utf8_is_valid(e->text, n)) return HL_OK;
    e->valid = hl_new(n, 1);
    if (!e->valid) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize %zu bytes", n);
    memcpy(e->valid, e->text, n);
    for (size_t i = 0; i < n;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(e->text + i, n - i, &cp);
        if (len == 0) e->valid[i] = 0x1A;
        i += len ? len : 1;
    }
    return HL_OK;
}

static bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Parts between special tokens, and the special tokens. */
static hl_status encode_parts(encoding *k, size_t n, hl_err *err) {
    const hl_tokenizer *t = k->e.t;
    const hl_view       text = {k->e.text, n};
    hl_status           status = HL_OK;
    for (size_t at = 0; status == HL_OK && at < n;) {
        size_t        next = n, len = 0;
        const int32_t id = hl_special_find(&t->special, text, at, &k->special, &next, &len);
        if (id < 0) next = n;
        status = hl_stop_check("tokenize", err);
        if (status != HL_OK) break;
        if (next > at) status = t->ops->encode_part(&k->e, at, next - at, err);
        if (id >= 0 && status == HL_OK) status = add_id(k, id, err);
        at = next + len;
        if (id >= 0 && t->eats_space && t->eats_space[id])
            while (at < n && is_white(text.ptr[at])) at++;
    }
    return status;
}

static hl_status encode_text(encoding *k, size_t n, unsigned flags, hl_err *err) {
    const hl_tokenizer *t = k->e.t;
    const bool          with_control = k->special.with_control;
    const bool          bos = flags & HL_TOKENIZE_BOS && t->add_bos;
    const bool          eos = flags & HL_TOKENIZE_EOS && t->add_eos;
    size_t              n_seen = 64;
    while (n_seen < n / 8 && n_seen < MAX_SEEN) n_seen *= 2;
    k->seen = hl_new(n_seen, sizeof *k->seen);
    if (!k->seen) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize %zu bytes", n);
    k->seen_mask = n_seen - 1;

    hl_status status = t->ops->needs_valid ? check_text(&k->e, n, err) : HL_OK;
    if (status == HL_OK && bos) status = add_id(k, t->bos, err);
    if (status == HL_OK) status = encode_parts(k, n, err);
    if (status != HL_OK) return status;
    const size_t n_ids = k->out->n - k->first_id;
    if (bos && with_control && n_ids > 1 &&
        k->out->ids[k->first_id + 1] == t->bos) { /* the text brings its own */
        int32_t *ids = k->out->ids + k->first_id;
        memmove(ids, ids + 1, (n_ids - 1) * sizeof *ids);
        k->out->n--;
    }
    const bool has_eos = with_control && k->out->n > k->first_id && k->out->ids[k->out->n - 1] == t->eos;
    return eos && !has_eos ? add_id(k, t->eos, err) : HL_OK;
}

hl_status hl_tokenizer_encode_tainted(const hl_tokenizer *t, hl_view text, const hl_span *tainted,
                                      size_t n_tainted, unsigned flags, hl_tokens *ret_ids, hl_err *err) {
    if (text.len > MAX_TEXT_BYTES)
        return hl_fail(err, HL_E_LIMIT, "a text of %zu bytes cannot be tokenized, expected at most %d",
                       text.len, MAX_TEXT_BYTES);
    encoding k = {
        .e = {.t = t, .text = text.ptr ? text.ptr : "", .more = &k},
        .out = ret_ids,
        .first_id = ret_ids->n,
        .special = {.with_control = flags & HL_TOKENIZE_SPECIAL, .tainted = tainted, .n_tainted = n_tainted}};
    const hl_status status = encode_text(&k, text.len, flags, err);
    if (status != HL_OK) ret_ids->n = k.first_id;
    hl_free(k.e.valid);
    hl_free(k.seen);
    hl_free(k.spelled);
    hl_merge_scratch_done(&k.e.merge);
    hl_split_state_done(&k.e.split);
    return status;
}

hl_status hl_tokenizer_encode(const hl_tokenizer *t, hl_view text, unsigned flags, hl_tokens *ret_ids,
                              hl_err *err) {
    return hl_tokenizer_encode_tainted(t, text, NULL, 0, flags, ret_ids, err);
}

hl_status hl_tokenizer_encode_pair(const hl_tokenizer *t, hl_view first, hl_view second, hl_tokens *ret_ids,
                                   hl_err *err) {
    const size_t begin = ret_ids->n;
    hl_status    status = hl_tokenizer_encode(t, first, HL_TOKENIZE_BOS_EOS, ret_ids, err);
    if (status == HL_OK && t->add_sep) status = hl_tokens_add(ret_ids, &t->sep, 1, err);
    if (status == HL_OK) status = hl_tokenizer_encode(t, second, HL_TOKENIZE_EOS, ret_ids, err);
    if (status != HL_OK) ret_ids->n = begin;
    return status;
}
