/* SPDX-License-Identifier: MIT
 *
 * tokenizer_wpm.c - WordPiece as BERT has it: letters lose accents and case, words are cut at white space and
 * punctuation, and each is taken apart from its front by the longest token that fits.
 *
 * The vocabulary has U+2581 in front of what begins a word; BERT's own list has ## in front of what goes on.
 * A word that cannot be taken apart, or is longer than 100 letters, is the unknown token.
 * from: BERT's tokenization.py (google-research/bert, 2018) as huggingface/tokenizers 0.23 does it: decompose
 * and drop marks, then lower case
 */
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_ops.h"

enum { MAX_WORD_CHARS = 100, FRONT_BYTES = 3, MAX_WORD_BYTES = FRONT_BYTES + 4 * MAX_WORD_CHARS };

typedef struct word {
    hl_encoder *e;
    char        text[MAX_WORD_BYTES]; /* begins with U+2581 */
    size_t      n, n_chars;           /* n_chars past MAX_WORD_CHARS: only counted */
} word;

static hl_status load(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    (void)g;
    (void)err;
    (void)snprintf(t->kind, sizeof t->kind, "wpm");
    t->begins = t->ends = true;
    return HL_OK;
}

static void done(hl_tokenizer *t) { (void)t; }

/* ---- words to ids ---- */

/* Bytes of the longest token at the front of a text; 0: none is one. */
static size_t find_longest(const hl_vocab *v, const char *p, size_t n, int32_t *ret_id) {
    for (size_t len = n < v->longest ? n : v->longest; len > 0; len--) {
        if (len < n && ((unsigned char)p[len] & 0xC0) == 0x80) continue; /* inside a letter */
        const int32_t id = hl_vocab_find(v, p, len);
        if (id < 0 || (v->kinds[id] != HL_TOKEN_NORMAL && v->kinds[id] != HL_TOKEN_USER)) continue;
        *ret_id = id;
        return len;
    }
    return 0;
}

static hl_status add_unknown(hl_encoder *e, hl_err *err) {
    return e->t->unk >= 0 ? hl_encoder_add(e, e->t->unk, err) : HL_OK;
}

static void begin_word(word *w) {
    memcpy(w->text, "\xE2\x96\x81", FRONT_BYTES);
    w->n = FRONT_BYTES;
    w->n_chars = 0;
}

/* Emit the word that was gathered, and begin the next. */
static hl_status end_word(word *w, hl_err *err) {
    int32_t      ids[MAX_WORD_BYTES];
    const size_t n = w->n, n_chars = w->n_chars;
    size_t       n_ids = 0, at = 0;
    begin_word(w);
    if (n_chars == 0) return HL_OK;
    if (n_chars > MAX_WORD_CHARS) return add_unknown(w->e, err);
    while (at < n) {
        const size_t len = find_longest(&w->e->t->vocab, w->text + at, n - at, &ids[n_ids]);
        if (len == 0) return add_unknown(w->e, err);
        at += len;
        n_ids++;
    }
    hl_status status = HL_OK;
    for (size_t i = 0; i < n_ids && status == HL_OK; i++) status = hl_encoder_add(w->e, ids[i], err);
    return status;
}

static void add_letter(word *w, utf8proc_int32_t cp) {
    if (++w->n_chars > MAX_WORD_CHARS) return;
    w->n += (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)w->text + w->n);
}

/* ---- letters to words ---- */

static bool is_ideograph(utf8proc_int32_t cp) {
    static const struct {
        utf8proc_int32_t first, last;
    } ranges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                  {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last) return true;
    return false;
}

static bool is_white(utf8proc_int32_t cp) {
    const utf8proc_category_t c = utf8proc_category(cp);
    return cp == '\t' || cp == '\n' || cp == '\r' || c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL ||
           c == UTF8PROC_CATEGORY_ZP;
}

/* Controls, formats and private ones are no part of a text. */
static bool is_dropped(utf8proc_int32_t cp) {
    const utf8proc_category_t c = utf8proc_category(cp);
    return cp == 0 || cp == 0xFFFD || c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_CS || c == UTF8PROC_CATEGORY_CO;
}

/* All signs of ASCII count, whatever their category. */
static bool is_punctuation(utf8proc_int32_t cp) {
    const utf8proc_category_t c = utf8proc_category(cp);
    return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) ||
           (cp >= 123 && cp <= 126) || (c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO);
}

/* A letter of the text: what is left of it when accents and case are gone. */
static hl_status take_letter(word *w, utf8proc_int32_t letter, hl_err *err) {
    enum { MAX_PARTS = 32 };
    utf8proc_int32_t parts[MAX_PARTS] = {letter};
    int              boundary = 0;
    const bool       stands_alone = is_ideograph(letter);
    utf8proc_ssize_t n = utf8proc_decompose_char(letter, parts, MAX_PARTS, UTF8PROC_DECOMPOSE, &boundary);
    hl_status        status = stands_alone ? end_word(w, err) : HL_OK;
    if (n < 1 || n > MAX_PARTS) n = 1;
    for (utf8proc_ssize_t i = 0; i < n && status == HL_OK; i++) {
        const utf8proc_int32_t cp = utf8proc_tolower(parts[i]);
        if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) continue;
        const bool is_mark = is_punctuation(cp);
        if (is_mark) status = end_word(w, err);
        add_letter(w, cp);
        if (is_mark && status == HL_OK) status = end_word(w, err);
    }
    return stands_alone && status == HL_OK ? end_word(w, err) : status;
}

/* A piece is what stands between white space. */
static hl_status encode_piece(hl_encoder *e, const char *p, size_t n, hl_err *err) {
    enum { LETTERS_PER_LOOK = 4096 };
    word      w = {.e = e};
    hl_status status = HL_OK;
    size_t    n_letters = 0;
    begin_word(&w);
    for (size_t i = 0; i < n && status == HL_OK;) {
        uint32_t     cp = 0xFFFD;
        const size_t len = hl_utf8_read(p + i, n - i, &cp);
        i += len ? len : 1;
        if (len > 0 && !is_dropped((utf8proc_int32_t)cp)) status = take_letter(&w, (utf8proc_int32_t)cp, err);
        if (++n_letters % LETTERS_PER_LOOK == 0 && status == HL_OK) status = hl_stop_check("tokenize", err);
    }
    return status == HL_OK ? end_word(&w, err) : status;
}

static hl_status encode_part(hl_encoder *e, size_t at, size_t n, hl_err *err) {
    hl_status status = HL_OK;
    size_t    begin = 0;
    for (size_t i = 0; i < n && status == HL_OK;) {
        uint32_t     cp = 0xFFFD;
        const size_t len = hl_utf8_read(e->text + at + i, n - i, &cp);
        const bool   white = len > 0 && is_white((utf8proc_int32_t)cp);
        if (white && i > begin) status = hl_encoder_piece(e, at + begin, i - begin, err);
        i += len ? len : 1;
        if (white) begin = i;
    }
    return status == HL_OK && n > begin ? hl_encoder_piece(e, at + begin, n - begin, err) : status;
}

static size_t unspell(const hl_tokenizer *t, hl_view text, char *buf, size_t cap) {
    (void)t;
    return hl_spm_unspell(text, buf, cap);
}

/* Ids as of the first BERT: files leave them out. */
const hl_tokenizer_ops hl_tokenizer_wpm_ops = {.load = load,
                                               .done = done,
                                               .encode_part = encode_part,
                                               .encode_piece = encode_piece,
                                               .unspell = unspell,
                                               .bos_key = "tokenizer.ggml.cls_token_id",
                                               .eos_key = "tokenizer.ggml.seperator_token_id",
                                               .bos = 101,
                                               .eos = 102,
                                               .unk = 100};
