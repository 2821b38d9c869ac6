/* SPDX-License-Identifier: MIT
 *
 * go_letters.c - Go's classes of characters, from Unicode's general categories.
 */
#include <utf8proc.h>

#include "engine/gotemplate/go_ast.h"

bool hl_go_is_space(uint32_t cp) { return cp == ' ' || cp == '\t' || cp == '\r' || cp == '\n'; }

bool hl_go_is_word(uint32_t cp) {
    if (cp < 0x80)
        return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || (cp >= '0' && cp <= '9') || cp == '_';
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || c == UTF8PROC_CATEGORY_ND;
}

/* Letters, marks, numbers, punctuation, symbols, and of the spaces the ASCII one. */
bool hl_go_is_printable(uint32_t cp) {
    if (cp < 0x80) return cp >= ' ' && cp != 0x7F;
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_SO;
}
