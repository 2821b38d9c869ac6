/* SPDX-License-Identifier: MIT
 *
 * bpe.c - the merges of a byte-level BPE.
 * from: the byte alphabet of openai/gpt-2, src/encoder.py; merges as in tokenizer.json
 */
#include "engine/tokenizer/bpe.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"

enum { MERGES_PER_LOOK = 1024 };

/* Printable characters of Latin-1 stand for themselves, the other bytes for U+0100 and up, in order. */
static void make_letters(hl_bpe *b) {
    memset(b->bytes, -1, sizeof b->bytes);
    uint32_t n_other = 0;
    for (uint32_t c = 0; c < 256; c++) {
        const bool     printable = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c != 0xAD);
        const uint32_t cp = printable ? c : 0x100 + n_other++;
        b->bytes[cp] = (int16_t)c;
        b->n_letter[c] = cp < 0x80 ? 1 : 2;
        b->letters[c][0] = (char)(cp < 0x80 ? cp : 0xC0 | cp >> 6);
        b->letters[c][1] = (char)(0x80 | (cp & 63));
    }
}

static void find_missing(hl_bpe *b) {
    for (int c = 0; c < 256; c++) {
        b->is_missing[c] = hl_vocab_find(b->vocab, b->letters[c], b->n_letter[c]) < 0;
        b->any_missing |= b->is_missing[c];
    }
}

size_t hl_bpe_spell(const hl_bpe *b, const char *text, size_t n, bool only_tokens, char *ret) {
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (only_tokens && b->is_missing[c]) continue;
        ret[len] = b->letters[c][0];
        if (b->n_letter[c] == 2) ret[len + 1] = b->letters[c][1];
        len += b->n_letter[c];
    }
    return len;
}

static int letter_at(const hl_bpe *b, hl_view text, size_t *at) {
    uint32_t     cp = 0;
    const size_t len = hl_utf8_read(text.ptr + *at, text.len - *at, &cp);
    *at += len;
    return len && cp < 0x180 ? b->bytes[cp] : -1;
}

size_t hl_bpe_unspell(const hl_bpe *b, hl_view text, char *ret, size_t cap) {
    size_t n = 0;
    for (size_t at = 0; at < text.len; n++) {
        const int c = letter_at(b, text, &at);
        if (c < 0) { /* not from the byte alphabet: the text itself */
            if (cap) memcpy(ret, text.ptr, text.len < cap ? text.len : cap);
            return text.len;
        }
        if (n < cap) ret[n] = (char)c;
    }
    return n;
}

static uint32_t rank_of(const void *user, const char *text, size_t n, size_t n_left, int32_t *ret_id) {
    const hl_bpe *b = user;
    if (n > b->longest) return HL_MERGE_NEVER;
    const int32_t id = hl_vocab_find(b->vocab, text, n);
    if (id < 0) return HL_MERGE_NEVER;
    *ret_id = id;
    for (uint32_t m = b->first[id]; m; m = b->next[m - 1])
        if (b->n_left[m - 1] == n_left) return m - 1;
    return HL_MERGE_NEVER;
}

hl_merge_rules hl_bpe_rules(const hl_bpe *b) { return (hl_merge_rules){.rank = rank_of, .user = b}; }

static bool is_joined(hl_view t, hl_view left, hl_view right) {
    return t.len == left.len + right.len && memcmp(t.ptr, left.ptr, left.len) == 0 &&
           memcmp(t.ptr + left.len, right.ptr, right.len) == 0;
}

/* Not inlined: the compiler touches every page of so large a buffer before each use
 * (-fstack-clash-protection), which cost more than all else of loading the merges. */
static __attribute__((noinline)) int32_t find_joined(const hl_vocab *v, hl_view left, hl_view right) {
    char text[HL_TOKEN_MAX_BYTES];
    if (left.len + right.len > sizeof text) return -1;
    memcpy(text, left.ptr, left.len);
    memcpy(text + left.len, right.ptr, right.len);
    return hl_vocab_find(v, text, left.len + right.len);
}

/* The token that left + right make. `*near` is the one of the merge before: nearly always it is that one
 * or the next. */
static int32_t joined_token(const hl_vocab *v, hl_view left, hl_view right, int32_t *near) {
    if (v->n_duplicates == 0) {
        for (int32_t id = *near; id < v->n && id <= *near + 1; id++)
            if (is_joined(hl_vocab_text(v, id), left, right)) return *near = id;
    }
    const int32_t id = find_joined(v, left, right);
    if (id >= 0) *near = id;
    return id;
}

/* Append merge `rank` to the list of its token, unless the same one stands there already. */
static void link_merge(hl_bpe *b, int32_t id, uint32_t rank, size_t n_left) {
    uint32_t *link = &b->first[id];
    for (; *link; link = &b->next[*link - 1])
        if (b->n_left[*link - 1] == n_left) return;
    b->n_left[rank] = (uint16_t)n_left;
    *link = rank + 1;
}

static void load_merge(hl_bpe *b, uint32_t rank, hl_view merge, int32_t *near) {
    const char *space = merge.len > 1 ? memchr(merge.ptr + 1, ' ', merge.len - 1) : NULL;
    if (!space || space == merge.ptr + merge.len - 1) {
        b->n_unreadable++;
        return;
    }
    const hl_view left = {merge.ptr, (size_t)(space - merge.ptr)};
    const hl_view right = {space + 1, merge.len - left.len - 1};
    const int32_t id = joined_token(b->vocab, left, right, near);
    if (id < 0) {
        b->n_orphans++;
        return;
    }
    if (left.len + right.len > b->longest) b->longest = (uint32_t)(left.len + right.len);
    link_merge(b, id, rank, left.len);
}

hl_status hl_bpe_load(hl_bpe *b, const hl_vocab *v, const hl_gguf *g, hl_err *err) {
    *b = (hl_bpe){.vocab = v};
    make_letters(b);
    find_missing(b);
    const hl_gguf_value *merges = hl_gguf_find(g, "tokenizer.ggml.merges");
    hl_gguf_strings      it;
    if (!merges) return hl_fail(err, HL_E_FORMAT, "key 'tokenizer.ggml.merges' is missing");
    if (!hl_gguf_strings_init(&it, merges) || merges->n > 4u * HL_VOCAB_MAX_TOKENS)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'tokenizer.ggml.merges': expected an array of at most %u strings",
                       4u * HL_VOCAB_MAX_TOKENS);
    b->n_merges = (uint32_t)merges->n;
    b->first = hl_new((size_t)v->n, sizeof *b->first);
    b->next = hl_new(b->n_merges, sizeof *b->next);
    b->n_left = hl_new(b->n_merges, sizeof *b->n_left);
    if (!b->first || !b->next || !b->n_left)
        return hl_fail(err, HL_E_NOMEM, "no memory for %" PRIu32 " merges", b->n_merges);

    int32_t near = 0;
    hl_view merge = {0};
    for (uint32_t rank = 0; rank < b->n_merges && hl_gguf_strings_next(&it, &merge); rank++) {
        const hl_status status = rank % MERGES_PER_LOOK == 0 ? hl_stop_check("read the merges", err) : HL_OK;
        if (status != HL_OK) return status;
        load_merge(b, rank, merge, &near);
    }
    return HL_OK;
}

void hl_bpe_done(hl_bpe *b) {
    hl_free(b->first);
    hl_free(b->next);
    hl_free(b->n_left);
    *b = (hl_bpe){0};
}
