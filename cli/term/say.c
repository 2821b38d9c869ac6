/* SPDX-License-Identifier: MIT
 *
 * say.c - format, clean, print.
 */
#include "cli/term/say.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/clean.h"
#include "core/base/mem.h"

static atomic_bool has_lost;

void hl_say_note_lost(void) { atomic_store(&has_lost, true); }
bool hl_say_has_lost(void) { return atomic_load(&has_lost); }

const char *hl_say_str(const hl_str *s) {
    if (s->failed) hl_say_note_lost();
    return hl_str_text(s);
}

static void print_clean(FILE *out, hl_view words, hl_clean_kind kind) {
    hl_str clean;
    if (hl_view_is_clean(words, kind)) {
        if (words.len) fwrite(words.ptr, 1, words.len, out);
        return;
    }
    hl_str_init(&clean, SIZE_MAX / 2);
    hl_str_add_clean(&clean, words, kind);
    fputs(hl_say_str(&clean), out);
    hl_str_done(&clean);
}

static void say_args(FILE *out, const char *fmt, va_list args) HL_PRINTF(2, 0);
static void say_args(FILE *out, const char *fmt, va_list args) {
    char    small[1024];
    char   *large = NULL;
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(small, sizeof small, fmt, args);
    if (n < 0) hl_say_note_lost();
    if (n >= (int)sizeof small && !(large = hl_new((size_t)n + 1, 1))) hl_say_note_lost();
    if (large) (void)vsnprintf(large, (size_t)n + 1, fmt, again);
    va_end(again);
    print_clean(out, hl_view_of(large ? large : small), HL_CLEAN_LINE);
    hl_free(large);
}

void hl_say(FILE *out, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say_args(out, fmt, args);
    va_end(args);
}

void hl_say_line(FILE *out, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say_args(out, fmt, args);
    va_end(args);
    fputc('\n', out);
}

void hl_say_text(FILE *out, int indent, hl_view text) {
    for (;;) {
        const char  *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
        const size_t n = end ? (size_t)(end - text.ptr) : text.len;
        print_clean(out, (hl_view){text.ptr, n}, HL_CLEAN_TEXT);
        if (!end) return;
        fprintf(out, "\n%*s", indent, "");
        text = (hl_view){end + 1, text.len - n - 1};
    }
}
