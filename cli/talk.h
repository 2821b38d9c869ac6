/* SPDX-License-Identifier: MIT
 *
 * talk.h - a conversation with one model: what `run` and its chat are made of.
 *
 * Options are remembered as they were given, so that another model can be loaded under the same wishes.
 */
#ifndef HL_CLI_TALK_H
#define HL_CLI_TALK_H

#include "cli/app.h"

enum { HL_MAX_GIVEN = 128 };

typedef struct hl_message {
    const char *role; /* "system", "user", "assistant"; static */
    char       *content;
} hl_message;

typedef struct hl_talk {
    hl_app      *app;
    hl_host     *host;
    hl_source   *source; /* NULL: no model yet; likewise below */
    hl_loaded   *loaded;
    hl_options   options;             /* defaults, then the model's, then those given */
    char        *given[HL_MAX_GIVEN]; /* [n_given] "temperature=0.5" */
    size_t       n_given;
    char        *system;        /* NULL: the model's own */
    char        *template_text; /* NULL: the model's own */
    hl_message  *messages;      /* [n_messages] without the system text */
    size_t       n_messages, messages_cap;
    hl_think     think;
    hl_speculate speculate;
    bool         hide_thinking, wordwrap, verbose, raw, as_json;
    bool         has_template; /* else texts go in raw */
    bool         was_told;     /* that there is no template */
} hl_talk;

void hl_talk_init(hl_talk *t, hl_app *app);
void hl_talk_done(hl_talk *t);

/* Load a model by name or path, with the options given so far; replaces the one that is there, and the messages.
 * fails  as hl_host_find() and hl_host_load(); what was there stays */
HL_MUST_CHECK hl_status hl_talk_open(hl_talk *t, const char *model, hl_err *err);

/* Take an option from the user ("temperature=0.5"). Unknown and idle ones are warned about and give HL_OK.
 * Takes effect with the next answer, or the next hl_talk_open() for those of loading. */
HL_MUST_CHECK hl_status hl_talk_give(hl_talk *t, const char *key, const char *value, hl_err *err);

/* Ask, print the answer, and keep both. On failure the question is forgotten.
 * fails  as hl_runner_generate(); HL_E_CANCEL when Ctrl-C ended it (what was said is kept) */
HL_MUST_CHECK hl_status hl_talk_ask(hl_talk *t, hl_view question, hl_err *err);

HL_MUST_CHECK hl_status hl_talk_add(hl_talk *t, const char *role, hl_view content, hl_err *err);
void                    hl_talk_clear(hl_talk *t); /* forget all messages */

/* The chat in the terminal, until the user leaves. */
HL_MUST_CHECK hl_status hl_repl(hl_talk *t, hl_err *err);

/* One line that begins with a slash. *ret_leave becomes true when the chat is to end. */
struct hl_edit;
HL_MUST_CHECK hl_status hl_slash(hl_talk *t, struct hl_edit *edit, const char *line, bool *ret_leave,
                                 hl_err *err);

/* Print one part of what is known about a model: info license modelfile parameters system template. */
HL_MUST_CHECK hl_status hl_show_part(const hl_app *app, const hl_source *s, const hl_model *m,
                                     const char *part, hl_err *err);

#endif
