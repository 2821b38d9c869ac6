/* SPDX-License-Identifier: MIT
 *
 * conversation.h - a conversation with a model: what counts, what is asked, what is kept.
 *
 * The rules of the product, for the terminal and the server alike:
 *   options    request over model over settings over defaults (host/options.h);
 *   system     the text that was given, else the one stored with the model; an empty one is none;
 *   messages   those stored with the model, then what was said, at full length whatever bytes they have;
 *   overflow   what does not fit the context is left out in whole turns, oldest first, and stays in the
 *              conversation; a question that does not fit alone is refused and changes nothing;
 *   failure    a question that could not be answered is forgotten; an empty answer is one.
 * Not thread safe; one conversation per user.
 */
#ifndef HL_HOST_CONVERSATION_H
#define HL_HOST_CONVERSATION_H

#include "host/remote/runner_server.h"
#include "host/resident.h"

typedef struct hl_message {
    char  *role;    /* "user", "assistant", "system", ... */
    char  *content; /* [len] terminated, and may have NUL bytes inside */
    size_t len;
} hl_message;

typedef struct hl_conversation {
    /* Wishes: may be set at any time, count from the next question on. */
    hl_think     think;
    hl_speculate speculate;
    hl_format    format;  /* what answers look like; its text is the caller's, as long as it counts */
    bool         raw;     /* the texts go in as they are: no template, no system text */
    int64_t      keep_ms; /* how long the model stays loaded afterwards, as in hl_host_release() */
    /* To be read only. */
    const hl_events *events;
    hl_options       asked;         /* settings, and what was asked for */
    hl_options       options;       /* in force: those and the model's own */
    char            *system;        /* NULL: the model's own */
    size_t           system_len;    /* of it; may have NUL bytes inside */
    char            *template_text; /* Jinja or Go; NULL: the model's own */
    char            *tools;         /* JSON: what the model may call; NULL: nothing */
    hl_message      *messages;      /* [n_messages] without the system text */
    size_t           n_messages, messages_cap;
    size_t           n_left_out; /* of them at the front: do not fit the context any more */
    /* Who answers. */
    hl_runner             *runner; /* NULL: nobody yet */
    const hl_stored_model *stored; /* what is stored with the model; NULL: nothing */
    bool    has_template;          /* its own or a stored one; else texts go in as they are, line by line */
    int32_t n_ctx;                 /* most tokens, prompt and answer */
    /* Where hl_conversation_open() found it. NULL: nowhere */
    hl_host     *host;
    hl_source   *source;
    hl_resident *resident;
    hl_runner   *own_runner; /* of hl_conversation_open_server(); NULL: the resident's answers */
    int64_t      load_ns;    /* what loading took; 0: somebody had loaded it before */
} hl_conversation;

/* in     settings and events must outlive the conversation; events may be NULL. Its keep_ms is
 *        HL_KEEP_DEFAULT */
void hl_conversation_init(hl_conversation *c, const hl_config *settings, const hl_events *events);
void hl_conversation_done(hl_conversation *c);

/* Ask for an option by its name: instead of what was asked for under this name before. A list (stop) takes
 * many values.
 * fails  as hl_options_set(); nothing has changed then */
HL_MUST_CHECK hl_status hl_conversation_set_option(hl_conversation *c, const char *name,
                                                   const char *const *values, size_t n, hl_err *err);
/* The same, but a value of a list joins those asked for before. */
HL_MUST_CHECK hl_status hl_conversation_add_option(hl_conversation *c, const char *name, const char *value,
                                                   hl_err *err);

/* The options in force with a model before it is loaded: it may be loaded under them.
 * in     stored  may be NULL: nothing is stored with the model
 * out    ret_options  hl_options_done()
 * fails  HL_E_NOMEM; what is stored and makes no sense becomes an event */
HL_MUST_CHECK hl_status hl_conversation_options(const hl_conversation *c, const hl_stored_model *stored,
                                                hl_options *ret_options, hl_err *err);

/* Begin again with this model: its messages, its system text; what was asked of options stays. The context is
 * num_ctx of the options in force, or the runner's.
 * in     runner and stored must live until the next one comes; stored may be NULL
 * fails  HL_E_NOMEM; the conversation is as it was */
HL_MUST_CHECK hl_status hl_conversation_begin(hl_conversation *c, hl_runner *runner,
                                              const hl_stored_model *stored, hl_err *err);

/* Find a model by name or path, load it under the options in force (host/resident.h), begin again with it and
 * give back the one before.
 * in     h  must outlive the conversation
 * fails  as hl_host_find(), hl_host_acquire(); the conversation is as it was */
HL_MUST_CHECK hl_status hl_conversation_open(hl_conversation *c, hl_host *h, const char *model, hl_err *err);
/* The same with one that was found; it is the conversation's from then on, unless this fails. */
HL_MUST_CHECK hl_status hl_conversation_open_source(hl_conversation *c, hl_host *h, hl_source *source,
                                                    hl_err *err);
/* The same, but a server loads it and answers.
 * in     place  hl_server_find()
 * fails  HL_E_NET  the server is gone; as hl_runner_server_new() */
HL_MUST_CHECK hl_status hl_conversation_open_server(hl_conversation *c, hl_host *h, hl_source *source,
                                                    const hl_server_place *place, hl_err *err);

/* Is what was asked of this option without effect until the model is opened again? A context that fits what
 * is loaded counts at once; what was left out may come back. */
bool hl_conversation_waits_for_open(const hl_conversation *c, hl_opt id);

/* in     text  empty: none; without a pointer: the model's own again
 * fails  HL_E_FULL  the text leaves no room for a question in the model's context; the text that was there
 *        stays HL_E_NOMEM; as hl_runner_count() */
HL_MUST_CHECK hl_status hl_conversation_set_system(hl_conversation *c, hl_view text, hl_err *err);
/* in     text  Jinja or Go, as it looks */
HL_MUST_CHECK hl_status hl_conversation_set_template(hl_conversation *c, hl_view text, hl_err *err);
/* What the model may call. in  text  a JSON array, as templates know tools. fails HL_E_NOMEM; HL_E_FORMAT */
HL_MUST_CHECK hl_status hl_conversation_set_tools(hl_conversation *c, hl_view text, hl_err *err);
/* Is the template that was given one that a model stores? Those are Go. */
bool hl_conversation_keeps_template(const hl_conversation *c);
/* The system text in force; empty: none. */
hl_view hl_conversation_system(const hl_conversation *c);
/* Do messages become a prompt by a template? */
bool hl_conversation_has_template(const hl_conversation *c);

HL_MUST_CHECK hl_status hl_conversation_add(hl_conversation *c, const char *role, hl_view content,
                                            hl_err *err);
void                    hl_conversation_clear(hl_conversation *c); /* forget all messages */

/* Calls are told to whoever asked, and are no part of the conversation. */
typedef struct hl_reply {
    hl_usage usage;
    hl_str   said, thought;
    hl_str   calls;            /* a line of JSON for each: name, arguments; those cut off: as text, is_cut */
    hl_str   arguments;        /* of the call in progress */
    size_t   n_turns_left_out; /* turns that no longer fitted with this question */
} hl_reply;

/* Ask, and keep question and answer. An answer that was cancelled after its first word is kept, too.
 *
 * in     on_token  sees what comes, as of hl_runner_generate(); may be NULL
 * out    ret_reply hl_reply_done(), also after a failure
 * fails  HL_E_FULL  the question does not fit, with the numbers
 *        as hl_runner_generate(); the question is forgotten then, and all else as it was */
HL_MUST_CHECK hl_status hl_conversation_ask(hl_conversation *c, hl_view question, hl_token_fn *on_token,
                                            void *user, hl_reply *ret_reply, hl_err *err);
void                    hl_reply_done(hl_reply *r);

/* The model as this conversation has made it: all that is stored with it, with the options asked for
 * (settings left out), the system text and the messages of now. Printing it shows the conversation; importing
 * it saves it.
 *
 * out    ret_model  its texts belong to the conversation and the stored model; hl_conversation_model_free()
 * fails  HL_E_UNSUPPORTED  the system text has a NUL byte; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_conversation_model(const hl_conversation *c, hl_stored_model **ret_model,
                                              hl_err *err);
void                    hl_conversation_model_free(hl_stored_model *m); /* NULL is allowed */

#endif
