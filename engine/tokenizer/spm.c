/* SPDX-License-Identifier: MIT
 *
 * spm.c - ranks from scores, and where a text may be cut.
 * from: google/sentencepiece, BPE model: the pair with the highest score first, the leftmost of equals
 */
#include "engine/tokenizer/spm.h"

#include <stdio.h>
#include <string.h>

#include "core/base/stop.h"

enum { TOKENS_PER_LOOK = 1024 };

static const char SPACE[] = "\xE2\x96\x81"; /* U+2581 */
enum { SPACE_BYTES = 3 };

/* Floats in falling order as rising integers; NaN counts as the lowest score. */
static uint32_t rank_of_score(float f) {
    uint32_t bits = 0;
    if (f != f) return HL_MERGE_NEVER - 1;
    f += 0.0f; /* -0 and 0 are one score */
    memcpy(&bits, &f, sizeof bits);
    const uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~rising; /* never HL_MERGE_NEVER: that would be a NaN */
}

static uint32_t rank_of(const void *user, const char *text, size_t n, size_t n_left, int32_t *ret_id) {
    (void)n_left;
    const hl_vocab *v = ((const hl_spm *)user)->vocab;
    const int32_t   id = hl_vocab_find(v, text, n);
    if (id < 0 || (v->kinds[id] != HL_TOKEN_NORMAL && v->kinds[id] != HL_TOKEN_USER)) return HL_MERGE_NEVER;
    *ret_id = id;
    return rank_of_score(hl_vocab_score(v, id));
}

hl_merge_rules hl_spm_rules(const hl_spm *s) { return (hl_merge_rules){.rank = rank_of, .user = s}; }

static bool is_space_at(const char *p, size_t n) {
    return n >= SPACE_BYTES && memcmp(p, SPACE, SPACE_BYTES) == 0;
}

hl_status hl_spm_load(hl_spm *s, const hl_vocab *v, hl_err *err) {
    *s = (hl_spm){.vocab = v};
    for (int c = 0; c < 256; c++) {
        char text[8];
        (void)snprintf(text, sizeof text, "<0x%02X>", (unsigned)c);
        s->byte_ids[c] = hl_vocab_find(v, text, 6);
        if (s->byte_ids[c] >= 0 && v->kinds[s->byte_ids[c]] != HL_TOKEN_BYTE) s->byte_ids[c] = -1;
    }
    for (int32_t id = 0; id < v->n; id++) {
        const hl_status status =
            id % TOKENS_PER_LOOK == 0 ? hl_stop_check("read the vocabulary", err) : HL_OK;
        if (status != HL_OK) return status;
        const hl_view t = hl_vocab_text(v, id);
        if (t.len <= SPACE_BYTES) continue;
        const char *const end = t.ptr + t.len;
        for (const char *p = t.ptr + 1; (p = memchr(p, SPACE[0], (size_t)(end - p))); p++)
            if (is_space_at(p, (size_t)(end - p))) s->joins_space[(unsigned char)p[-1]] = true;
    }
    return HL_OK;
}

size_t hl_spm_piece(const hl_spm *s, const char *text, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (text[i] != ' ') continue;
        /* Two spaces become two U+2581: the byte in front is the last of U+2581. */
        const char before = text[i - 1] == ' ' ? SPACE[SPACE_BYTES - 1] : text[i - 1];
        if (!s->joins_space[(unsigned char)before]) return i;
    }
    return n;
}

size_t hl_spm_spell(const char *text, size_t n, char *ret) {
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(ret + len, SPACE, SPACE_BYTES);
            len += SPACE_BYTES;
        } else {
            ret[len++] = text[i];
        }
    }
    return len;
}

size_t hl_spm_unspell(hl_view text, char *ret, size_t cap) {
    size_t n = 0;
    for (size_t at = 0; at < text.len; n++) {
        const bool space = is_space_at(text.ptr + at, text.len - at);
        if (n < cap) ret[n] = space ? ' ' : text.ptr[at];
        at += space ? SPACE_BYTES : 1;
    }
    return n;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hl_spm_byte(hl_view t) {
    if (t.len != 6 || memcmp(t.ptr, "<0x", 3) != 0 || t.ptr[5] != '>') return -1;
    const int high = hex_digit(t.ptr[3]), low = hex_digit(t.ptr[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}
