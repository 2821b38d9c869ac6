/* SPDX-License-Identifier: MIT
 *
 * status.c - status codes by table, and the text of a failure.
 */
#include "hyperlama/base.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clean.h"
#include "core/base/mem.h"

typedef struct status_row {
    const char *name;
    const char *text;
    int         http;
    int         exit_code;
} status_row;

static const status_row rows[] = {
#define HL_STATUS(name, value, http, exit_code, text) [value] = {#name, text, http, exit_code},
#include "hyperlama/status.def"
#undef HL_STATUS
};

static const status_row *find_row(hl_status status) {
    const size_t i = (size_t)status;
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : &rows[HL_E_INTERNAL];
}

const char *hl_status_text(hl_status status) { return find_row(status)->text; }
const char *hl_status_name(hl_status status) { return find_row(status)->name; }
int         hl_status_http(hl_status status) { return find_row(status)->http; }
int         hl_status_exit_code(hl_status status) { return find_row(status)->exit_code; }
const char *hl_version(void) { return HL_VERSION; }

/* ---- texts ---- */

enum {
    RUN_MIN_BYTES = 64, /* what a path or another long word is cut down to at most, the mark included */
    RUN_HEAD_BYTES = 20,
    HEAD_BYTES = 200, /* of a message that has no such word */
    STACK_BYTES = 1024,
};

static bool is_inside_char(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* Replace text[from, to) by "...", whole characters aside; returns the new length of text. */
static size_t cut_out(char *text, size_t n, size_t from, size_t to) {
    while (from > 0 && is_inside_char(text[from])) from--;
    while (to < n && is_inside_char(text[to])) to++;
    memcpy(text + from, "...", 3);
    memmove(text + from + 3, text + to, n - to + 1);
    return from + 3 + n - to;
}

/* The longest run of characters other than space: nearly always a path. */
static size_t find_longest_word(const char *text, size_t n, size_t *ret_n) {
    size_t best = 0;
    *ret_n = 0;
    for (size_t i = 0, len; i < n; i += len + 1) {
        len = strcspn(text + i, " ");
        if (len <= *ret_n) continue;
        *ret_n = len;
        best = i;
    }
    return best;
}

/* Make text shorter than cap by taking out the middle of its longest words, else its own middle: what it is
 * about stands in front, and the cause at the end. */
static size_t shorten(char *text, size_t n, size_t cap) {
    while (n >= cap) {
        size_t       n_word = 0;
        const size_t word = find_longest_word(text, n, &n_word), excess = n + 1 - cap + 3;
        if (n_word < RUN_MIN_BYTES + 16) return cut_out(text, n, HEAD_BYTES, HEAD_BYTES + excess + 3);
        const size_t out = excess < n_word - RUN_MIN_BYTES ? excess : n_word - RUN_MIN_BYTES;
        n = cut_out(text, n, word + RUN_HEAD_BYTES, word + RUN_HEAD_BYTES + out);
    }
    return n;
}

/* Put words into the text of err: cleaned, and cut where they are too long. */
static void set_text(hl_err *err, hl_view words) {
    char         small[STACK_BYTES];
    char        *room = small;
    const size_t n = hl_clean_into(small, sizeof small, words, HL_CLEAN_LINE);
    if (n >= sizeof small) {
        char *large = hl_new(n + 1, 1);
        if (large) {
            room = large;
            (void)hl_clean_into(large, n + 1, words, HL_CLEAN_LINE);
        }
    }
    const size_t len = shorten(room, strlen(room), sizeof err->text);
    memcpy(err->text, room, len + 1);
    if (room != small) hl_free(room);
}

static void set_format(hl_err *err, const char *fmt, va_list args) HL_PRINTF(2, 0);
static void set_format(hl_err *err, const char *fmt, va_list args) {
    char    small[STACK_BYTES];
    char   *large = NULL;
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(small, sizeof small, fmt, args);
    if (n >= (int)sizeof small && (large = hl_new((size_t)n + 1, 1)))
        (void)vsnprintf(large, (size_t)n + 1, fmt, again);
    va_end(again);
    set_text(err, hl_view_of(large ? large : small));
    hl_free(large);
}

hl_status hl_fail(hl_err *err, hl_status status, const char *fmt, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, fmt);
    set_format(err, fmt, args);
    va_end(args);
    err->status = status;
    return status;
}

/* Does the head name something in quotes at its end that the text names, too? Then it says nothing new. */
static bool is_named(const char *head, const char *text) {
    const size_t n = strlen(head);
    if (n < 3 || head[n - 1] != '\'') return false;
    const char *open = head + n - 1;
    while (open > head && open[-1] != '\'') open--;
    return open > head && open < head + n - 1 && strstr(text, open - 1) != NULL;
}

hl_status hl_fail_within(hl_err *err, hl_status status, const char *fmt, ...) {
    if (!err || status == HL_OK) return status;
    char    both[2 * HL_ERR_TEXT_BYTES + 2];
    hl_err  head;
    va_list args;
    va_start(args, fmt);
    set_format(&head, fmt, args);
    va_end(args);
    if (is_named(head.text, err->text)) return status;
    (void)snprintf(both, sizeof both, "%s: %s", head.text, err->text);
    set_text(err, hl_view_of(both));
    return status;
}
