/* SPDX-License-Identifier: MIT
 *
 * tokenizer_unigram.c - SentencePiece's unigram model, as T5 and XLM-RoBERTa have it: a text is normalized by
 * a map in the file, and cut into the tokens whose scores (log probabilities) have the largest sum.
 *
 * No token of the usual vocabularies reaches over a space, so the best cuts of words are the best cut of
 * their text (spm.h finds the places). A character that no token spells is the unknown token, 10 worse than
 * the worst token; several in a row are one; where the vocabulary has all bytes, they are their bytes.
 * from: google/sentencepiece 0.2, normalizer.cc and unigram_model.cc. Scores are added in double precision,
 * as huggingface/tokenizers does; SentencePiece's own floats round in long texts.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_ops.h"

enum {
    MAX_TOKEN_BYTES = 256, /* what a text costs grows with it; SentencePiece trains tokens of 16 characters */
    MAX_REPLACEMENT_BYTES = 256, /* of Unicode's, the longest has 33: U+FDFA */
    MAX_NORMAL_BYTES = 1 << 30,
    HEAD_BITS = 14,
    SPACE_BYTES = 3,
    STEPS_PER_LOOK = 4096,
};
static const double UNKNOWN_PENALTY = 10;
static const char   SPACE[] = "\xE2\x96\x81"; /* U+2581 */

/* The map of a file: a double array (darts-clone) of 32-bit units, and the texts that its values point to. */
typedef struct charsmap {
    const uint8_t *units; /* little endian, unaligned */
    size_t         n_units;
    const char    *texts; /* each ends in NUL; so does the last */
    size_t         n_texts;
} charsmap;

typedef struct place { /* behind a byte of a piece */
    double   score;    /* of the best way here */
    int32_t  id;       /* its last token; -1: a character that is none */
    uint32_t n;        /* that token's bytes; 0: no way leads here */
} place;

typedef struct unigram {
    hl_spm   spm;
    charsmap map;
    bool     merge_spaces;
    bool     has_bytes;
    double   unknown_score;
    uint16_t longest[1 << HEAD_BITS]; /* bytes of the longest token by a hash of its first three bytes */
} unigram;

/* ---- load ---- */

static size_t head_of(const char *p, size_t n) {
    const uint32_t bytes = (uint32_t)(unsigned char)p[0] | (n > 1 ? (uint32_t)(unsigned char)p[1] << 8 : 0) |
                           (n > 2 ? (uint32_t)(unsigned char)p[2] << 16 : 0);
    return bytes * 2654435761u >> (32 - HEAD_BITS);
}

static bool is_text(uint8_t kind) { return kind == HL_TOKEN_NORMAL || kind == HL_TOKEN_USER; }

static hl_status read_vocab(unigram *u, const hl_vocab *v, hl_err *err) {
    double worst = 0;
    bool   any = false;
    for (int32_t id = 0; id < v->n; id++) {
        const hl_view t = hl_vocab_text(v, id);
        if (!is_text(v->kinds[id]) || t.len == 0) continue;
        const double score = (double)hl_vocab_score(v, id);
        if (t.len > MAX_TOKEN_BYTES)
            return hl_fail(err, HL_E_LIMIT, "token %d has %zu bytes, expected at most %d in a unigram model",
                           id, t.len, MAX_TOKEN_BYTES);
        if (!(score >= -1e30 && score <= 1e30))
            return hl_fail(err, HL_E_FORMAT, "'tokenizer.ggml.scores' is %g for token %d, expected a number",
                           score, id);
        if (v->kinds[id] == HL_TOKEN_NORMAL && (!any || score < worst)) worst = score;
        any = any || v->kinds[id] == HL_TOKEN_NORMAL;
        uint16_t *longest = &u->longest[head_of(t.ptr, t.len < 3 ? t.len : 3)];
        if (t.len > *longest) *longest = (uint16_t)t.len;
    }
    u->unknown_score = worst - UNKNOWN_PENALTY;
    u->has_bytes = true;
    for (int c = 0; c < 256; c++) u->has_bytes = u->has_bytes && u->spm.byte_ids[c] >= 0;
    return HL_OK;
}

/* Where the children of a unit are, each by the bits of its byte that differ. */
static size_t child_base(size_t at, uint32_t unit) { return at ^ (unit >> 10) << ((unit & 0x200) >> 6); }

static uint32_t unit_at(const charsmap *m, size_t i) {
    const uint8_t *p = m->units + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Any unit may be where a walk ends: that of a leaf points to a value, and a value to a text. */
static hl_status check_values(const charsmap *m, const char *key, hl_err *err) {
    for (size_t i = 0; i < m->n_units; i++) {
        const uint32_t unit = unit_at(m, i);
        if (i % STEPS_PER_LOOK == 0) {
            const hl_status status = hl_stop_check("read the vocabulary", err);
            if (status != HL_OK) return status;
        }
        if (unit >> 31 || !(unit & 0x100)) continue;
        const size_t leaf = child_base(i, unit);
        if (leaf >= m->n_units) continue;
        const size_t value = unit_at(m, leaf) & 0x7FFFFFFF,
                     left = value < m->n_texts ? m->n_texts - value : 0;
        if (left == 0 ||
            !memchr(m->texts + value, '\0', left < MAX_REPLACEMENT_BYTES ? left : MAX_REPLACEMENT_BYTES))
            return hl_fail(
                err, HL_E_FORMAT,
                "key '%s': the replacement at %zu is outside of its %zu bytes, or has %d bytes or more", key,
                value, m->n_texts, MAX_REPLACEMENT_BYTES);
    }
    return HL_OK;
}

static hl_status read_map(charsmap *m, const hl_gguf *g, hl_err *err) {
    static const char    key[] = "tokenizer.ggml.precompiled_charsmap";
    const hl_gguf_value *v = hl_gguf_find(g, key);
    if (!v || (v->kind == HL_GGUF_ARRAY && v->n == 0)) return HL_OK; /* texts stay as they are */
    if (v->kind != HL_GGUF_ARRAY || (v->elem_kind != HL_GGUF_U8 && v->elem_kind != HL_GGUF_I8))
        return hl_fail(err, HL_E_FORMAT, "key '%s' is no array of bytes", key);
    const charsmap head = {.units = v->data, .n_units = 1};
    const uint64_t n_bytes = v->n >= 4 ? unit_at(&head, 0) : 0;
    if (v->n < 4 || n_bytes % 4 != 0 || n_bytes < 4 || n_bytes >= v->n - 4)
        return hl_fail(
            err, HL_E_FORMAT,
            "key '%s' is %zu bytes with a table of %zu, expected a table of whole units and texts behind it",
            key, (size_t)v->n, (size_t)n_bytes);
    *m = (charsmap){.units = v->data + 4,
                    .n_units = (size_t)n_bytes / 4,
                    .texts = (const char *)v->data + 4 + n_bytes,
                    .n_texts = (size_t)(v->n - 4 - n_bytes)};
    if (m->texts[m->n_texts - 1] != '\0')
        return hl_fail(err, HL_E_FORMAT, "key '%s' does not end in NUL: its last text is cut off", key);
    return check_values(m, key, err);
}

static hl_status load(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    static const char key[] = "tokenizer.ggml.remove_extra_whitespaces";
    unigram          *u = hl_new(1, sizeof *u);
    t->self = u;
    if (!u) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    (void)snprintf(t->kind, sizeof t->kind, "unigram");
    t->ends = true;
    u->merge_spaces = true;
    hl_status status = hl_gguf_find(g, key) ? hl_gguf_get_bool(g, key, &u->merge_spaces, err) : HL_OK;
    if (status == HL_OK && !t->vocab.scores)
        status =
            hl_fail(err, HL_E_FORMAT, "key 'tokenizer.ggml.scores' is absent: a unigram model is its scores");
    if (status == HL_OK) status = hl_spm_load(&u->spm, &t->vocab, err);
    if (status == HL_OK) status = read_vocab(u, &t->vocab, err);
    return status == HL_OK ? read_map(&u->map, g, err) : status;
}

static void done(hl_tokenizer *t) { hl_free(t->self); }

/* ---- normalize ---- */

/* Walk the double array along text[0, n). Returns the bytes of the longest text that the map has, 0 for none,
 * and where its replacement is. A unit that points outside ends the walk. */
static size_t find_mapped(const charsmap *m, const char *p, size_t n, uint32_t *ret_value) {
    size_t found = 0;
    size_t at = 0;
    if (m->n_units == 0) return 0;
    for (size_t i = 0; i < n && p[i] != '\0'; i++) {
        const uint32_t c = (unsigned char)p[i];
        at = child_base(at, unit_at(m, at)) ^ c;
        if (at >= m->n_units) break;
        const uint32_t unit = unit_at(m, at);
        if ((unit & 0x800000FF) != c) break;
        const size_t leaf = child_base(at, unit);
        if (!(unit & 0x100) || leaf >= m->n_units) continue;
        *ret_value = unit_at(m, leaf) & 0x7FFFFFFF;
        found = i + 1;
    }
    return found;
}

/* What the front of text[0, n) becomes; *ret_n bytes of it are gone. */
static void normalize_front(const charsmap *m, const char *p, size_t n, size_t *ret_n, hl_view *ret) {
    uint32_t     value = 0, cp = 0;
    const size_t mapped = find_mapped(m, p, n, &value);
    if (mapped == 0) {
        const size_t len = hl_utf8_read(p, n, &cp);
        *ret_n = len ? len : 1;
        *ret = len ? (hl_view){p, len} : hl_view_of("\xEF\xBF\xBD");
        return;
    }
    const char *text = m->texts + value;
    *ret = (hl_view){text, strlen(text)};
    *ret_n = mapped;
}

static void drop_spaces_behind(hl_str *s) {
    for (;;) {
        if (s->len > 0 && s->ptr[s->len - 1] == ' ')
            s->len--;
        else if (s->len >= SPACE_BYTES && memcmp(s->ptr + s->len - SPACE_BYTES, SPACE, SPACE_BYTES) == 0)
            s->len -= SPACE_BYTES;
        else
            return;
    }
}

/* Spaces stay spaces here. */
static hl_status normalize(const hl_tokenizer *t, const char *p, size_t n, hl_str *out, hl_err *err) {
    const unigram *u = t->self;
    bool           begun = false, after_space = u->merge_spaces;
    size_t         n_steps = 0;
    for (size_t at = 0; at < n;) {
        hl_view   piece = {0};
        size_t    len = 0;
        hl_status status = ++n_steps % STEPS_PER_LOOK == 0 ? hl_stop_check("tokenize", err) : HL_OK;
        if (status != HL_OK) return status;
        normalize_front(&u->map, p + at, n - at, &len, &piece);
        at += len;
        if (!begun && u->merge_spaces && hl_view_is(piece, " ")) continue;
        if (!begun && t->add_space_prefix) hl_str_add_char(out, ' ');
        begun = true;
        while (after_space && piece.len > 0 && *piece.ptr == ' ') {
            piece.ptr++;
            piece.len--;
        }
        hl_str_add_view(out, piece);
        if (piece.len > 0) after_space = u->merge_spaces && piece.ptr[piece.len - 1] == ' ';
    }
    if (u->merge_spaces && out->ptr) drop_spaces_behind(out);
    return hl_str_check(out, "normalized text", err);
}

/* ---- the best way through a piece ---- */

static void offer(place *to, double score, int32_t id, size_t n) {
    if (to->n > 0 && score <= to->score) return;
    *to = (place){.score = score, .id = id, .n = (uint32_t)n};
}

/* All tokens that begin at p; `here` is the place in front of it. */
static void step(const hl_tokenizer *t, const char *p, size_t n, place *here) {
    const unigram  *u = t->self;
    const hl_vocab *v = &t->vocab;
    uint32_t        cp = 0;
    const size_t    read = hl_utf8_read(p, n, &cp), letter = read ? read : 1;
    bool            spelled = false;
    for (size_t head = 1; head <= 3 && head <= n; head++) {
        const size_t longest = u->longest[head_of(p, head)];
        const size_t last = head < 3 ? head : longest < n ? longest : n;
        for (size_t len = head; len <= last && longest >= len; len++) {
            if (len < n && ((unsigned char)p[len] & 0xC0) == 0x80) continue; /* inside a letter */
            const int32_t id = hl_vocab_find(v, p, len);
            if (id < 0 || !is_text(v->kinds[id])) continue;
            spelled = spelled || len == letter;
            const double score = v->kinds[id] == HL_TOKEN_USER ? 0 : (double)hl_vocab_score(v, id);
            offer(&here[len], here->score + score, id, len);
        }
    }
    if (!spelled) offer(&here[letter], here->score + u->unknown_score, -1, letter);
}

typedef struct cutting {
    hl_encoder *e;
    place      *places; /* [cap] */
    size_t      cap;
    bool        after_unknown;
} cutting;

static hl_status add_unknown(cutting *c, const char *p, size_t n, hl_err *err) {
    const hl_tokenizer *t = c->e->t;
    const unigram      *u = t->self;
    hl_status           status = HL_OK;
    if (u->has_bytes) {
        for (size_t i = 0; i < n && status == HL_OK; i++)
            status = hl_encoder_add(c->e, u->spm.byte_ids[(unsigned char)p[i]], err);
    } else if (!c->after_unknown && t->unk >= 0) {
        status = hl_encoder_add(c->e, t->unk, err);
    }
    c->after_unknown = true;
    return status;
}

/* Ids of a piece in the vocabulary's spelling. */
static hl_status cut(cutting *c, const char *p, size_t n, hl_err *err) {
    if (n + 1 > c->cap) {
        place *more = hl_resize(c->places, n + n / 2 + 64, sizeof *more);
        if (!more) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
        c->places = more;
        c->cap = n + n / 2 + 64;
    }
    place *places = c->places;
    memset(places, 0, (n + 1) * sizeof *places);
    size_t n_steps = 0;
    for (size_t at = 0; at < n;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(p + at, n - at, &cp);
        step(c->e->t, p + at, n - at, &places[at]);
        at += len ? len : 1;
        hl_status status = ++n_steps % (STEPS_PER_LOOK / 16) == 0 ? hl_stop_check("tokenize", err) : HL_OK;
        if (status != HL_OK) return status;
    }
    /* Where a token begins is known from its end: turn the way round. */
    uint32_t next = 0;
    for (size_t at = n; at > 0;) {
        const uint32_t len = places[at].n;
        places[at].n = next;
        next = len;
        at -= len;
    }
    for (size_t at = 0; at < n;) {
        const size_t len = next;
        const place *to = &places[at + len];
        hl_status    status = HL_OK;
        if (to->id < 0)
            status = add_unknown(c, p + at, len, err);
        else
            status = hl_encoder_add(c->e, to->id, err);
        if (to->id >= 0) c->after_unknown = false;
        if (status != HL_OK) return status;
        next = to->n;
        at += len;
    }
    return HL_OK;
}

static hl_status cut_words(cutting *c, hl_view text, hl_err *err) {
    const unigram *u = c->e->t->self;
    hl_status      status = HL_OK;
    size_t         n_words = 0;
    for (size_t at = 0; at < text.len && status == HL_OK;) {
        const size_t n = hl_spm_piece(&u->spm, text.ptr + at, text.len - at);
        char        *spelled = hl_encoder_room(c->e, SPACE_BYTES * n);
        if (!spelled) return hl_fail(err, HL_E_NOMEM, "no memory to tokenize a piece of %zu bytes", n);
        status = cut(c, spelled, hl_spm_spell(text.ptr + at, n, spelled), err);
        if (status == HL_OK && ++n_words % STEPS_PER_LOOK == 0) status = hl_stop_check("tokenize", err);
        at += n;
    }
    return status;
}

static hl_status encode_piece(hl_encoder *e, const char *p, size_t n, hl_err *err) {
    cutting   c = {.e = e};
    hl_str    normal;
    hl_status status = HL_OK;
    hl_str_init(&normal, MAX_NORMAL_BYTES);
    status = normalize(e->t, p, n, &normal, err);
    if (status == HL_OK) status = cut_words(&c, hl_str_view(&normal), err);
    hl_str_done(&normal);
    hl_free(c.places);
    return status;
}

static hl_status encode_part(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    return encode_piece(e, e->text + at, n, err);
}

static size_t unspell(const hl_tokenizer *t, hl_view text, char *buf, size_t cap) {
    (void)t;
    return hl_spm_unspell(text, buf, cap);
}

/* Ids as of T5: XLM-RoBERTa's files say theirs. */
const hl_tokenizer_ops hl_tokenizer_unigram_ops = {.load = load,
                                                   .done = done,
                                                   .encode_part = encode_part,
                                                   .encode_piece = encode_piece,
                                                   .unspell = unspell,
                                                   .may_prefix_space = true,
                                                   .bos = -1,
                                                   .eos = 1,
                                                   .unk = 2};
