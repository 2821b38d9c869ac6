/* SPDX-License-Identifier: MIT
 *
 * talk.h - a conversation in the terminal: what `run` and its chat are made of.
 *
 * The rules of a conversation are those of host/conversation.h; here are the terminal's.
 */
#ifndef HL_CLI_TALK_H
#define HL_CLI_TALK_H

#include "cli/app.h"
#include "host/conversation.h"

typedef struct hl_talk {
    hl_app               *app;
    hl_host              *host;
    hl_conversation       chat; /* its source is NULL: no model yet */
    bool                  hide_thinking, wordwrap, verbose, as_json;
    bool                  is_chat; /* more than one question, with an editor and other models to come */
    bool                  is_locked;
    int64_t               keep_ms;    /* how long a server keeps the model: HL_KEEP_... of host/resident.h */
    bool                  is_local;   /* no server is asked */
    bool                  has_looked; /* for a server */
    hl_server_place       server;     /* that answers; without a URL this process does */
    hl_str                format;     /* text of chat.format */
    const struct hl_args *args;       /* whose --adapter counts for the model of `adapted`; NULL: none */
    const char           *adapted;
    bool                  is_missing; /* the model that was to be opened last is not here */
    bool                  was_told;   /* that there is no template */
    bool                  was_told_of_levels;
} hl_talk;

void hl_talk_init(hl_talk *t, hl_app *app);
void hl_talk_done(hl_talk *t);

/* Load a model by name or path, with the options asked for so far; replaces the one that is there and the
 * messages. A server that has the same models folder loads it and answers, unless is_local or something was
 * asked for on the command line that only this process can do.
 * fails  as hl_conversation_open(); what was there stays */
HL_MUST_CHECK hl_status hl_talk_open(hl_talk *t, const char *model, hl_err *err);

/* Take an option from the command line. Unknown and idle ones are warned about and give HL_OK. */
HL_MUST_CHECK hl_status hl_talk_give(hl_talk *t, const char *key, const char *value, hl_err *err);

/* "", "true", "false", or a level: "high", "medium", "low", "max". fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_talk_set_think(hl_talk *t, const char *word, hl_err *err);
/* fails HL_E_UNSUPPORTED  the model's template has no place for it */
HL_MUST_CHECK hl_status hl_talk_check_think(hl_talk *t, hl_err *err);

/* What answers look like: "json", a JSON schema, or a file with one; with a grammar when it ends in .gbnf.
 * NULL: any text. fails HL_E_ARG; as hl_read_path() */
HL_MUST_CHECK hl_status hl_talk_set_format(hl_talk *t, const char *word, hl_err *err);

/* "NAME, context N tokens", or where its answers come from. */
enum { HL_TALK_ABOUT_BYTES = 1200 };
void hl_talk_describe(const hl_talk *t, char ret[HL_TALK_ABOUT_BYTES]);

/* Ask, print the answer, and keep both.
 * fails  as hl_conversation_ask(); HL_E_CANCEL when Ctrl-C ended it (what was said is kept) */
HL_MUST_CHECK hl_status hl_talk_ask(hl_talk *t, hl_view question, hl_err *err);

/* The chat in the terminal, until the user leaves. */
HL_MUST_CHECK hl_status hl_repl(hl_talk *t, hl_err *err);

/* One line that begins with a slash. *ret_leave becomes true when the chat is to end. */
struct hl_edit;
HL_MUST_CHECK hl_status hl_slash(hl_talk *t, struct hl_edit *edit, hl_view line, bool *ret_leave,
                                 hl_err *err);

/* Print one part of what is known about a model: info license modelfile parameters system template.
 * in     options  that are in force; of those at their default info says nothing */
HL_MUST_CHECK hl_status hl_show_part(const hl_app *app, const hl_source *s, const hl_model *m,
                                     const hl_options *options, const char *part, hl_err *err);

/* Open a model for looking at.
 * out    ret_model  with its weights, or without when they are of no use here but its keys and vocabulary
 *                   are; else NULL
 * fails  why this build cannot run it; ret_model may be there all the same */
HL_MUST_CHECK hl_status hl_open_to_look(hl_host *host, const hl_source *source, hl_model **ret_model,
                                        hl_err *err);

#endif
