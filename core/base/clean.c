/* SPDX-License-Identifier: MIT
 *
 * clean.c - which characters may be shown, and how the others are spelled.
 */
#include "core/base/clean.h"

#include <stdio.h>
#include <string.h>

enum { PIECE_BYTES = 16 }; /* the longest escape is \u{10ffff} */

/* Characters that steer a terminal or the order of a text, or that nobody sees; in order. */
static const struct {
    uint32_t first, last;
    hl_shown in_text; /* in a line they are escaped */
} unseen[] = {
    {0x0000, 0x001F, HL_SHOWN_ESCAPED}, /* C0; newline, tab and CR are looked at before */
    {0x007F, 0x009F, HL_SHOWN_ESCAPED}, /* DEL, C1 */
    {0x00AD, 0x00AD, HL_SHOWN_AS_IS},   /* soft hyphen */
    {0x034F, 0x034F, HL_SHOWN_ESCAPED}, /* combining grapheme joiner */
    {0x061C, 0x061C, HL_SHOWN_NOT},     /* Arabic letter mark */
    {0x115F, 0x1160, HL_SHOWN_ESCAPED}, /* Hangul fillers */
    {0x17B4, 0x17B5, HL_SHOWN_ESCAPED}, /* Khmer inherent vowels */
    {0x180B, 0x180F, HL_SHOWN_AS_IS},   /* Mongolian variation selectors */
    {0x200B, 0x200D, HL_SHOWN_AS_IS},   /* zero-width space, non-joiner, joiner: Khmer, Persian, emoji */
    {0x200E, 0x200F, HL_SHOWN_NOT},     /* left-to-right, right-to-left mark */
    {0x2028, 0x202E, HL_SHOWN_ESCAPED}, /* separators of lines and paragraphs; embeddings and overrides */
    {0x2060, 0x206F, HL_SHOWN_ESCAPED}, /* word joiner, invisible operators; isolates; deprecated controls */
    {0x3164, 0x3164, HL_SHOWN_ESCAPED}, /* Hangul filler */
    {0xFEFF, 0xFEFF, HL_SHOWN_ESCAPED}, /* byte order mark */
    {0xFFA0, 0xFFA0, HL_SHOWN_ESCAPED}, /* halfwidth Hangul filler */
    {0xFFF0, 0xFFFB, HL_SHOWN_ESCAPED}, /* annotations */
    {0xFFFE, 0xFFFF, HL_SHOWN_ESCAPED},
    {0x1BCA0, 0x1BCA3, HL_SHOWN_ESCAPED}, /* shorthand format controls */
    {0x1D173, 0x1D17A, HL_SHOWN_ESCAPED}, /* musical format controls */
    {0xE0000, 0xE00FF, HL_SHOWN_ESCAPED}, /* tags: text that nobody sees */
    {0xE0100, 0xE01EF, HL_SHOWN_AS_IS},   /* variants of ideographs */
    {0xE01F0, 0xE0FFF, HL_SHOWN_ESCAPED},
};

hl_shown hl_clean_look(uint32_t cp, hl_clean_kind kind) {
    if (cp >= 0x20 && cp < 0x7F) return HL_SHOWN_AS_IS;
    if (kind == HL_CLEAN_TEXT && (cp == '\n' || cp == '\t')) return HL_SHOWN_AS_IS;
    if (kind == HL_CLEAN_TEXT && cp == '\r') return HL_SHOWN_NOT;
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen && cp >= unseen[i].first; i++)
        if (cp <= unseen[i].last) return kind == HL_CLEAN_TEXT ? unseen[i].in_text : HL_SHOWN_ESCAPED;
    return HL_SHOWN_AS_IS;
}

/* What stands for the character at the front of words[0, n): its own bytes, an escape, or nothing.
 * Returns the bytes read, at least 1. */
static size_t spell(const char *words, size_t n, hl_clean_kind kind, char ret[PIECE_BYTES], size_t *ret_n) {
    uint32_t     cp = 0;
    const size_t len = hl_utf8_read(words, n, &cp);
    hl_shown     shown = HL_SHOWN_ESCAPED;
    int          n_spelled = 0;
    if (len > 0) shown = hl_clean_look(cp, kind);
    if (shown == HL_SHOWN_AS_IS) {
        memcpy(ret, words, len);
        n_spelled = (int)len;
    } else if (shown == HL_SHOWN_ESCAPED) {
        const char *const named = len == 1 ? strchr("\nn\tt\rr", (int)cp) : NULL;
        if (named && cp != 0)
            n_spelled = snprintf(ret, PIECE_BYTES, "\\%c", named[1]);
        else if (len <= 1)
            n_spelled = snprintf(ret, PIECE_BYTES, "\\x%02x", (unsigned)(unsigned char)*words);
        else
            n_spelled = snprintf(ret, PIECE_BYTES, "\\u{%x}", (unsigned)cp);
    }
    *ret_n = (size_t)n_spelled;
    return len ? len : 1;
}

bool hl_view_is_clean(hl_view words, hl_clean_kind kind) {
    for (size_t i = 0; i < words.len;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(words.ptr + i, words.len - i, &cp);
        if (len == 0 || hl_clean_look(cp, kind) != HL_SHOWN_AS_IS) return false;
        i += len;
    }
    return true;
}

void hl_str_add_clean(hl_str *out, hl_view words, hl_clean_kind kind) {
    char   piece[PIECE_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < words.len && !out->failed;) {
        size_t plain = i; /* runs of printable ASCII go in one piece */
        while (plain < words.len && words.ptr[plain] >= 0x20 && words.ptr[plain] < 0x7F) plain++;
        hl_str_add(out, words.ptr + i, plain - i);
        i = plain;
        if (i == words.len) break;
        i += spell(words.ptr + i, words.len - i, kind, piece, &n);
        hl_str_add(out, piece, n);
    }
}

size_t hl_clean_into(char *ret, size_t cap, hl_view words, hl_clean_kind kind) {
    char   piece[PIECE_BYTES];
    size_t n = 0, total = 0, used = 0;
    bool   is_full = false;
    for (size_t i = 0; i < words.len;) {
        i += spell(words.ptr + i, words.len - i, kind, piece, &n);
        is_full = is_full || used + n + 1 > cap;
        if (!is_full) {
            memcpy(ret + used, piece, n);
            used += n;
        }
        total += n;
    }
    if (cap) ret[used] = '\0';
    return total;
}
