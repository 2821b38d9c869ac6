/* SPDX-License-Identifier: MIT
 *
 * answer.c - filter and wrap streamed text.
 *
 * Words arrive in pieces and are printed at once. When one turns out too long for its line, the part that is
 * there is erased and printed again on the next line. The last column stays free, so that the terminal's own
 * wrapping never disagrees with the column counted here.
 */
#define _GNU_SOURCE /* wcwidth() */
#include "cli/term/answer.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/term/say.h"
#include "core/base/clean.h"

static const char replacement[] = "\xEF\xBF\xBD";

int hl_term_columns(FILE *out) {
    struct winsize size;
    const int      fd = fileno(out);
    if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 4) return 80;
    return size.ws_col;
}

void hl_term_print(FILE *out, bool is_tty, hl_view text) {
    if (!is_tty) {
        if (text.len) fwrite(text.ptr, 1, text.len, out);
        return;
    }
    hl_str clean;
    hl_str_init(&clean, SIZE_MAX / 2);
    hl_str_add_clean(&clean, text, HL_CLEAN_TEXT);
    fputs(hl_say_str(&clean), out);
    hl_str_done(&clean);
}

void hl_answer_init(hl_answer *a, FILE *out, hl_answer_style style) {
    *a = (hl_answer){.out = out, .style = style, .at_line_start = true};
}

static void forget_word(hl_answer *a) {
    a->n_word = 0;
    a->word_columns = 0;
}

static void break_line(hl_answer *a) {
    fputc('\n', a->out);
    a->column = 0;
}

static int last_column(const hl_answer *a) {
    return (a->style.n_columns ? a->style.n_columns : hl_term_columns(a->out)) - 1;
}

/* Make room for a character of `width` columns: move the word to a new line, or just begin one. */
static void make_room(hl_answer *a, int width, int limit) {
    if (a->column + width <= limit) return;
    const bool can_move =
        a->n_word > 0 && !a->in_fence && a->word_columns < a->column && a->word_columns + width <= limit;
    if (!can_move) {
        break_line(a);
        forget_word(a);
        return;
    }
    fprintf(a->out, "\033[%dD\033[K\n", a->word_columns);
    fwrite(a->word, 1, a->n_word, a->out);
    a->column = a->word_columns;
}

static void end_line(hl_answer *a) {
    if (a->n_ticks >= 3) a->in_fence = !a->in_fence;
    a->n_ticks = 0;
    break_line(a);
    forget_word(a);
}

static void put_space(hl_answer *a, int limit) {
    forget_word(a);
    if (a->style.wrap && a->column + 1 > limit) {
        break_line(a);
        return;
    }
    fputc(' ', a->out);
    a->column++;
}

static void put_char(hl_answer *a, const char *bytes, size_t n, uint32_t cp) {
    const int limit = a->style.wrap ? last_column(a) : 0;
    if (cp == '\n') {
        end_line(a);
        return;
    }
    if (a->n_ticks >= 0 && a->n_ticks < 3)
        a->n_ticks = cp == '`' ? a->n_ticks + 1 : cp == ' ' ? a->n_ticks : -1;
    if (cp == '\t') {
        do put_space(a, limit);
        while (a->column % 8 != 0);
        return;
    }
    if (cp == ' ') {
        put_space(a, limit);
        return;
    }
    const int known = wcwidth((wchar_t)cp), width = known < 0 ? 1 : known;
    if (a->style.wrap) make_room(a, width, limit);
    fwrite(bytes, 1, n, a->out);
    a->column += width;
    if (width == 2 || a->n_word + n > sizeof a->word) { /* such scripts break anywhere */
        forget_word(a);
        return;
    }
    memcpy(a->word + a->n_word, bytes, n);
    a->n_word += n;
    a->word_columns += width;
}

static void put_text(hl_answer *a, hl_view text) {
    if (text.len == 0) return;
    a->at_line_start = text.ptr[text.len - 1] == '\n';
    a->has_text = true;
    if (!a->style.is_tty) {
        fwrite(text.ptr, 1, text.len, a->out);
        return;
    }
    for (size_t i = 0; i < text.len;) {
        uint32_t       cp = 0;
        const size_t   n = hl_utf8_read(text.ptr + i, text.len - i, &cp);
        const hl_shown shown = n ? hl_clean_look(cp, HL_CLEAN_TEXT) : HL_SHOWN_ESCAPED;
        if (shown == HL_SHOWN_ESCAPED) /* an escape would be taken for what the model said */
            put_char(a, replacement, 3, 0xfffd);
        else if (shown == HL_SHOWN_AS_IS)
            put_char(a, text.ptr + i, n, cp);
        i += n ? n : 1;
    }
}

static void set_color(hl_answer *a, const char *sequence) {
    if (a->style.color) fputs(sequence, a->out);
}

static void begin_thinking(hl_answer *a) {
    a->is_thinking = true;
    set_color(a, "\033[90m");
    put_text(a, hl_view_of("Thinking...\n"));
}

static void end_thinking(hl_answer *a) {
    a->is_thinking = false;
    put_text(a, hl_view_of(a->at_line_start ? "...done thinking.\n\n" : "\n...done thinking.\n\n"));
    set_color(a, "\033[0m");
    a->in_fence = false;
}

bool hl_answer_add(hl_answer *a, hl_view text, bool is_thinking) {
    if (text.len == 0 || (is_thinking && a->style.hide_thinking)) return !ferror(a->out);
    if (is_thinking && !a->is_thinking) begin_thinking(a);
    if (!is_thinking && a->is_thinking) end_thinking(a);
    put_text(a, text);
    return fflush(a->out) == 0 && !ferror(a->out);
}

void hl_answer_finish(hl_answer *a) {
    if (a->is_thinking) end_thinking(a);
    if (!a->at_line_start) fputc('\n', a->out);
    a->at_line_start = true;
    (void)fflush(a->out);
}
