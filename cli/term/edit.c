/* SPDX-License-Identifier: MIT
 *
 * edit.c - libedit, with our own reading of characters and bracketed paste.
 *
 * libedit's own signal handling sends signals on to the whole process group and needs two Ctrl-C; so it stays
 * off. Signals only set flags (hl_signal), which the character reader answers when its read() is interrupted.
 * from: editline(3), editline(7); bracketed paste: xterm's ctlseqs
 */
#define _GNU_SOURCE /* wcwidth() */
#include "cli/term/edit.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/term/answer.h"
#include "cli/term/editor.h"
#include "cli/term/history.h"
#include "core/base/mem.h"

enum { MAX_PASTE_BYTES = 1 << 20, TAB_COLUMNS = 8 };

struct hl_edit {
    const hl_app *app;
    EditLine     *el;
    History      *history;
    const char   *history_path;
    const char   *prompt;
    bool          has_history;
    bool          can_paste;
    bool          is_interrupted;
    mbstate_t     decoding;
};

static hl_edit *self_of(EditLine *el) {
    void *self = NULL;
    (void)el_get(el, EL_CLIENTDATA, &self);
    return self;
}

static char *prompt_of(EditLine *el) {
    /* libedit wants a char *, and does not write to it */
    union {
        const char *in;
        char       *out;
    } text = {.in = self_of(el)->prompt};
    return text.out;
}

static void on_resize(int n) {
    (void)n;
    hl_signal.resize = 1;
}

static void on_suspend(int n) {
    (void)n;
    hl_signal.suspend = 1;
}

static void enable_paste(const hl_edit *e, bool is_on) {
    if (!e->can_paste) return;
    fputs(is_on ? "\033[?2004h" : "\033[?2004l", e->app->out);
    (void)fflush(e->app->out);
}

/* Give the terminal back, sleep until somebody continues us, take it again. */
static void suspend(hl_edit *e) {
    hl_signal.suspend = 0;
    enable_paste(e, false);
    (void)el_set(e->el, EL_PREP_TERM, 0);
    (void)raise(SIGSTOP);
    (void)el_set(e->el, EL_PREP_TERM, 1);
    enable_paste(e, true);
    el_resize(e->el);
    (void)el_set(e->el, EL_REFRESH);
}

/* Rows between the prompt and the cursor on a terminal of so many columns. */
static int rows_above(const hl_edit *e, int columns) {
    const LineInfoW *line = el_wline(e->el);
    int              column = (int)strlen(e->prompt), rows = 0;
    for (const wchar_t *p = line->buffer; p < line->cursor; p++) {
        const int width = wcwidth(*p);
        if (*p == L'\n' || column + (width > 0 ? width : 0) > columns) {
            rows++;
            column = 0;
        }
        column += width > 0 ? width : 0;
    }
    return rows + column / columns;
}

/* The terminal has another size. libedit forgets what it has drawn, but does not take it away: most terminals
 * have broken the line again at the new width, so go up to where the prompt is now and clear from there. */
static void resize(hl_edit *e) {
    hl_signal.resize = 0;
    if (e->app->can_escape) {
        const int rows = rows_above(e, hl_term_columns(e->app->out));
        fputc('\r', e->app->out);
        if (rows > 0) fprintf(e->app->out, "\033[%dA", rows);
        fputs("\033[J", e->app->out);
        (void)fflush(e->app->out);
    }
    el_resize(e->el);
    (void)el_set(e->el, EL_REFRESH);
}

/* Read one byte. 1: there is one; 0: end; -1: Ctrl-C. */
static int read_byte(hl_edit *e, char *ret) {
    for (;;) {
        if (hl_signal.leave) return 0;
        if (hl_signal.stop) {
            e->is_interrupted = true;
            return -1;
        }
        if (hl_signal.suspend) suspend(e);
        if (hl_signal.resize) resize(e);
        const ssize_t n = read(STDIN_FILENO, ret, 1);
        if (n == 1) return 1;
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
            if (errno == EAGAIN) (void)poll(&p, 1, -1);
            continue;
        }
        return 0;
    }
}

/* libedit's question for the next character. */
static int read_char(EditLine *el, wchar_t *ret) {
    hl_edit *e = self_of(el);
    for (;;) {
        char      byte;
        const int got = read_byte(e, &byte);
        if (got != 1) return got;
        const size_t n = mbrtowc(ret, &byte, 1, &e->decoding);
        if (n == (size_t)-2) continue;
        if (n == (size_t)-1) { /* no character: forget it */
            e->decoding = (mbstate_t){0};
            continue;
        }
        return 1;
    }
}

static unsigned char insert_newline(EditLine *el, int key) {
    (void)key;
    return el_insertstr(el, "\n") == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char insert_tab(EditLine *el, int key) {
    (void)key;
    return el_insertstr(el, "        ") == 0 ? CC_REFRESH : CC_ERROR;
}

/* Append a pasted byte: line ends become \n, tabs spaces, other control characters vanish. */
static void add_pasted(hl_str *s, char c) {
    const bool after_cr = s->len > 0 && s->ptr[s->len - 1] == '\r';
    if (after_cr) s->ptr[s->len - 1] = '\n';
    if (c == '\n' && after_cr) return;
    if (c == '\t') {
        for (int i = 0; i < TAB_COLUMNS; i++) hl_str_add_char(s, ' ');
    } else if (c == '\n' || c == '\r' || ((unsigned char)c >= 0x20 && c != 0x7f)) {
        hl_str_add_char(s, c);
    }
}

/* Bound to the sequence that begins a paste: take everything up to the one that ends it. */
static unsigned char paste(EditLine *el, int key) {
    static const char end[] = "\033[201~";
    hl_edit          *e = self_of(el);
    hl_str            text;
    size_t            n_end = 0; /* bytes of `end` seen */
    char              c;
    (void)key;
    hl_str_init(&text, MAX_PASTE_BYTES);
    while (n_end < sizeof end - 1 && read_byte(e, &c) == 1) {
        if (c == end[n_end]) {
            n_end++;
            continue;
        }
        for (size_t i = 1; i < n_end; i++)
            add_pasted(&text, end[i]); /* was no end after all; ESC itself is dropped */
        n_end = c == end[0];
        if (!n_end) add_pasted(&text, c);
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '\r') text.ptr[text.len - 1] = '\n';
    if (text.failed)
        hl_app_warn(e->app, "pasted text was cut: %s", text.lacks_memory ? "no memory" : "over 1 MiB");
    const int status = text.len > 0 ? el_insertstr(el, hl_str_text(&text)) : 0;
    hl_str_done(&text);
    return status == 0 ? CC_REFRESH : CC_ERROR;
}

/* Put another text in place of the whole line. */
static void replace_line(EditLine *el, const char *text) {
    const LineInfoW *line = el_wline(el);
    (void)el_cursor(el, (int)(line->lastchar - line->cursor));
    el_deletestr(el, (int)(line->lastchar - line->buffer));
    if (*text && el_insertstr(el, text) != 0) hl_app_warn(self_of(el)->app, "the text is too long to edit");
}

/* Bound to Ctrl-G: what was typed goes through the user's editor. */
static unsigned char run_editor(EditLine *el, int key) {
    hl_edit        *e = self_of(el);
    const LineInfo *line = el_line(el);
    hl_str          text, clean;
    hl_err          err = {0};
    (void)key;
    hl_str_init(&text, HL_EDITOR_MAX_BYTES);
    hl_str_init(&clean, 2 * HL_EDITOR_MAX_BYTES);
    hl_str_add(&text, line->buffer, (size_t)(line->lastchar - line->buffer));
    enable_paste(e, false);
    (void)el_set(el, EL_PREP_TERM, 0);
    fputc('\n', e->app->out);
    (void)fflush(e->app->out);
    const hl_status status = e->app->editor ? hl_editor_edit(e->app->editor, &text, &err)
                                            : hl_editor_run(e->app->envp, &text, &err);
    (void)el_set(el, EL_PREP_TERM, 1);
    enable_paste(e, true);
    if (status == HL_OK) {
        for (size_t i = 0; i < text.len; i++) add_pasted(&clean, text.ptr[i]);
        replace_line(el, hl_str_text(&clean));
    } else {
        hl_app_note(e->app, "error: %s", err.text);
    }
    hl_str_done(&text);
    hl_str_done(&clean);
    return CC_REDISPLAY;
}

static void enter_history(void *user, const char *line) {
    hl_edit  *e = user;
    HistEvent ev;
    (void)history(e->history, &ev, H_ENTER, line);
}

static void bind_keys(EditLine *el) {
    (void)el_set(el, EL_EDITOR, "emacs");
    (void)el_set(el, EL_ADDFN, "hl-paste", "take pasted text as it is", paste);
    (void)el_set(el, EL_ADDFN, "hl-editor", "edit the line in an editor", run_editor);
    (void)el_set(el, EL_ADDFN, "hl-newline", "insert a line break", insert_newline);
    (void)el_set(el, EL_ADDFN, "hl-tab", "insert spaces", insert_tab);
    /* Enter must stay a carriage return and Ctrl-J a newline, so that they can mean different things. */
    (void)el_set(el, EL_SETTY, "-d", "-icrnl", "-inlcr", NULL);
    (void)el_set(el, EL_BIND, "\033[200~", "hl-paste", NULL);
    (void)el_set(el, EL_BIND, "^J", "hl-newline", NULL);
    (void)el_set(el, EL_BIND, "\033\r", "hl-newline", NULL);
    (void)el_set(el, EL_BIND, "^I", "hl-tab", NULL);
    (void)el_set(el, EL_BIND, "^G", "hl-editor", NULL);
    (void)el_set(el, EL_BIND, "^W", "ed-delete-prev-word", NULL);
    (void)el_set(el, EL_BIND, "\033^?", "ed-delete-prev-word", NULL);
    (void)el_set(el, EL_BIND, "^U", "vi-kill-line-prev", NULL);
    (void)el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    (void)el_set(el, EL_BIND, "\033[3~", "ed-delete-next-char", NULL);
    (void)el_set(el, EL_BIND, "\033[1;5C", "em-next-word", NULL);
    (void)el_set(el, EL_BIND, "\033[1;5D", "ed-prev-word", NULL);
    (void)el_source(el, NULL); /* the user's ~/.editrc has the last word */
}

hl_status hl_edit_new(const hl_app *app, const char *history_path, int n_history, hl_edit **ret_edit,
                      hl_err *err) {
    HistEvent ev;
    hl_edit  *e = hl_new(1, sizeof *e);
    if (!e) return hl_fail(err, HL_E_NOMEM, "line editor: no memory");
    e->app = app;
    e->can_paste = app->can_escape;
    e->history_path = history_path;
    e->has_history = n_history > 0;
    e->history = history_init();
    e->el = el_init("hyperlama", stdin, stdout, stderr);
    if (!e->el || !e->history) {
        hl_edit_free(e);
        return hl_fail(err, HL_E_IO, "line editor: this terminal cannot be used");
    }
    (void)history(e->history, &ev, H_SETSIZE, n_history > 0 ? n_history : 1);
    (void)history(e->history, &ev, H_SETUNIQUE, 1);
    (void)el_set(e->el, EL_CLIENTDATA, e);
    (void)el_set(e->el, EL_SIGNAL, 0);
    (void)el_set(e->el, EL_PROMPT, prompt_of);
    (void)el_set(e->el, EL_GETCFN, read_char);
    (void)el_set(e->el, EL_HIST, history, e->history);
    bind_keys(e->el);
    if (history_path && n_history > 0) hl_history_load(history_path, n_history, enter_history, e);
    *ret_edit = e;
    return HL_OK;
}

void hl_edit_free(hl_edit *e) {
    if (!e) return;
    if (e->el) el_end(e->el);
    if (e->history) history_end(e->history);
    hl_free(e);
}

hl_edit_result hl_edit_read(hl_edit *e, const char *prompt, char **ret_line) {
    struct sigaction resize = {.sa_handler = on_resize}, suspend_action = {.sa_handler = on_suspend},
                     old_resize, old_suspend;
    (void)sigaction(SIGWINCH, &resize, &old_resize);
    (void)sigaction(SIGTSTP, &suspend_action, &old_suspend);
    e->prompt = prompt;
    e->is_interrupted = false;
    e->decoding = (mbstate_t){0};
    hl_signal.stop = 0;
    enable_paste(e, true);
    el_resize(e->el); /* the size may have changed since the last line */
    int         n = 0;
    const char *line = el_gets(e->el, &n);
    enable_paste(e, false);
    (void)sigaction(SIGWINCH, &old_resize, NULL);
    (void)sigaction(SIGTSTP, &old_suspend, NULL);
    if (e->is_interrupted) {
        hl_signal.stop = 0;
        el_reset(e->el);
        fputc('\n', e->app->out);
        return HL_EDIT_INTERRUPT;
    }
    if (!line || n <= 0) {
        fputc('\n', e->app->out);
        return HL_EDIT_END;
    }
    size_t len = (size_t)n;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) len--;
    *ret_line = hl_strndup(line, len);
    return *ret_line ? HL_EDIT_LINE : HL_EDIT_END;
}

void hl_edit_remember(hl_edit *e, const char *line) {
    if (!e->has_history || !*line) return;
    enter_history(e, line);
    if (e->history_path) (void)hl_history_add(e->history_path, line); /* a chat goes on without it */
}

void hl_edit_set_history(hl_edit *e, bool is_on) { e->has_history = is_on; }
