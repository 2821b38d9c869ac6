/* SPDX-License-Identifier: MIT
 *
 * clean.h - words of others (files, registries, models), made fit to be shown.
 *
 * A terminal obeys control characters, and a reader believes what bidirectional controls and invisible
 * characters make of a text. Everything that others wrote passes here on its way to a terminal, a log or a
 * message; what may not be shown becomes a visible escape: \n \t \r, \x1b for other bytes below U+0080 and
 * for bytes that are no UTF-8,
 * \u{202e} for the rest. Backslashes stay as they are, so that cleaning twice changes nothing.
 * from: Unicode 15, properties Bidi_Control and Default_Ignorable_Code_Point; "Trojan Source", Boucher and
 * Anderson, 2021
 */
#ifndef HL_CORE_BASE_CLEAN_H
#define HL_CORE_BASE_CLEAN_H

#include "core/base/str.h"

typedef enum hl_clean_kind {
    HL_CLEAN_LINE, /* names, keys, messages: one line, nothing invisible (variation selectors aside) */
    HL_CLEAN_TEXT, /* paragraphs: newline, tab and what scripts and emoji need are kept; CR goes */
} hl_clean_kind;

typedef enum hl_shown {
    HL_SHOWN_AS_IS,
    HL_SHOWN_NOT,     /* carries nothing in a paragraph: CR, LRM, RLM, ALM */
    HL_SHOWN_ESCAPED, /* must not reach a terminal */
} hl_shown;

/* What becomes of a character in words of this kind. */
hl_shown hl_clean_look(uint32_t codepoint, hl_clean_kind kind);

/* May all of it be shown as it is, and is it UTF-8? */
bool hl_view_is_clean(hl_view words, hl_clean_kind kind);

/* Append words, cleaned. */
void hl_str_add_clean(hl_str *out, hl_view words, hl_clean_kind kind);

/* The same into ret[cap], as far as whole characters and escapes fit; terminated. Returns the length of all
 * of it, which may be cap or more. */
size_t hl_clean_into(char *ret, size_t cap, hl_view words, hl_clean_kind kind);

#endif
