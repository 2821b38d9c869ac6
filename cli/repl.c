/* SPDX-License-Identifier: MIT
 *
 * repl.c - the chat in the terminal: read, ask, print.
 *
 * A question may have several lines: between """ and """, pasted, or with Ctrl-J. Ctrl-C stops an answer; at
 * the prompt it drops the line. Ctrl-D leaves.
 */
#include <string.h>

#include "cli/talk.h"
#include "cli/term/answer.h"
#include "cli/term/edit.h"
#include "cli/term/say.h"
#include "core/base/file.h"
#include "core/base/mem.h"

enum { MAX_QUESTION_BYTES = 64 << 20 };

static const char quotes[] = "\"\"\"";

/* Does `text` open a quoted text that it does not close? *ret_open is where the quotes are. */
static bool opens_quotes(const char *text, const char **ret_open) {
    const char *open = strstr(text, quotes);
    if (!open) return false;
    const bool at_start = open == text,
               behind_set = strncmp(text, "/set system ", 12) == 0 && open == text + 12;
    if (!at_start && !behind_set) return false;
    *ret_open = open;
    return !strstr(open + 3, quotes);
}

/* Take away the quotes around a text, if they are there. */
static void strip_quotes(hl_str *s) {
    char *open = s->ptr ? strstr(s->ptr, quotes) : NULL;
    if (!open || (open != s->ptr && strncmp(s->ptr, "/set system ", 12) != 0)) return;
    char *close = strstr(open + 3, quotes);
    if (close) {
        *close = '\0';
        s->len = (size_t)(close - s->ptr);
    }
    memmove(open, open + 3, s->len - (size_t)(open + 3 - s->ptr) + 1);
    s->len -= 3;
}

/* Read one question, with its continuation lines, into `out`. */
static hl_edit_result read_question(hl_edit *edit, hl_str *out) {
    const char *open = NULL;
    hl_str_clear(out);
    for (bool is_more = false;; is_more = true) {
        char          *line = NULL;
        hl_edit_result result = hl_edit_read(edit, is_more ? "... " : ">>> ", &line);
        if (result != HL_EDIT_LINE) return result;
        if (is_more) hl_str_add_char(out, '\n');
        hl_str_add_text(out, line);
        hl_free(line);
        if (!opens_quotes(hl_str_text(out), &open)) break;
    }
    if (!out->failed) hl_edit_remember(edit, hl_str_text(out));
    strip_quotes(out);
    return HL_EDIT_LINE;
}

static void print_history(const hl_talk *t) {
    for (size_t i = 0; i < t->chat.n_messages; i++) {
        const hl_message *m = &t->chat.messages[i];
        if (strcmp(m->role, "user") == 0) fputs(">>> ", t->app->out);
        hl_term_print(t->app->out, true, (hl_view){m->content, m->len});
        fputc('\n', t->app->out);
    }
}

/* "/set x", but not a path: "/etc/hosts is". */
static bool is_command(hl_view text) {
    if (text.ptr[0] != '/') return false;
    for (size_t i = 1; i < text.len && text.ptr[i] != ' ' && text.ptr[i] != '\n'; i++) {
        if (text.ptr[i] == '/') return false;
    }
    return true;
}

/* Answer one line. A failure is printed and the chat goes on, unless the terminal is gone. */
static bool answer_line(hl_talk *t, hl_edit *edit, const hl_str *line) {
    hl_err        err = {0};
    bool          leave = false;
    hl_status     status;
    const hl_view text = hl_view_trim(hl_str_view(line));
    if (hl_str_check(line, "the text", &err) != HL_OK) {
        hl_app_warn(t->app, "%s", err.text);
        return true;
    }
    if (text.len == 0) return true;
    if (is_command(text))
        status = hl_slash(t, edit, text, &leave, &err);
    else
        status = hl_talk_ask(t, hl_str_view(line), &err);
    if (status != HL_OK && status != HL_E_CANCEL) hl_app_note(t->app, "error: %s", err.text);
    if (hl_signal.stop) clearerr(t->app->out); /* a write that Ctrl-C broke off is none that failed */
    hl_signal.stop = 0;
    fputc('\n', t->app->out);
    return !leave && !hl_signal.leave && !ferror(t->app->out);
}

hl_status hl_repl(hl_talk *t, hl_err *err) {
    hl_app  *app = t->app;
    hl_edit *edit = NULL;
    int      n_history = 0;
    hl_str   line;
    bool     was_interrupted = false;
    if (hl_config_bool(app->config, HL_SETTING_cli_history) &&
        hl_dir_make(app->paths.home, 0700, NULL) == HL_OK)
        n_history = (int)hl_config_int(app->config, HL_SETTING_cli_history_lines);
    const hl_status status = hl_edit_new(app, app->paths.history, n_history, &edit, err);
    if (status != HL_OK) return status;
    hl_str_init(&line, MAX_QUESTION_BYTES);
    print_history(t);
    char about[HL_TALK_ABOUT_BYTES];
    hl_talk_describe(t, about);
    hl_say_line(app->out, "%s. /? for help, /bye leaves.", about);
    for (;;) {
        const hl_edit_result result = read_question(edit, &line);
        if (result == HL_EDIT_END) break;
        if (result == HL_EDIT_INTERRUPT) {
            if (was_interrupted || line.len == 0) fputs("Use Ctrl-D or /bye to leave.\n", app->out);
            was_interrupted = true;
            continue;
        }
        was_interrupted = false;
        if (!answer_line(t, edit, &line)) break;
    }
    hl_str_done(&line);
    hl_edit_free(edit);
    return HL_OK;
}
