/* SPDX-License-Identifier: MIT
 *
 * completion.h - one request for an answer, from the model's name to the last byte, whatever dialect asks.
 *
 * A handler makes a completion, opens the model, sets options and the prompt, and starts it; from then on the
 * event thread pumps: it takes what the generations have and lets the dialect write it. So a dialect is five
 * functions that turn events into JSON, and knows nothing of sockets, threads and models.
 */
#ifndef HL_SERVER_COMPLETION_H
#define HL_SERVER_COMPLETION_H

#include "host/resident.h"
#include "server/http/exchange.h"
#include "server/metrics.h"

typedef struct hl_completion hl_completion;
typedef struct hl_tool_call  hl_tool_call; /* server/tool_calls.h */

/* A stretch of an answer, in the order in which it was said. */
typedef enum hl_part_kind { HL_PART_TEXT, HL_PART_THINKING, HL_PART_CALL } hl_part_kind;
typedef struct hl_part {
    hl_part_kind kind;
    size_t       begin, end; /* of said or thought, where they are kept; CALL: begin is its number */
} hl_part;

/* Which of several answers are the best (server/api/best_of.h). */
typedef enum hl_best_by { HL_BEST_BY_LOGPROB, HL_BEST_BY_VALID, HL_BEST_BY_VOTE } hl_best_by;

enum { HL_MOST_LOGPROBS = 20 }; /* of alternatives to a token */

/* One of n answers to the same prompt, or the answer to one of several prompts. */
typedef struct hl_choice {
    hl_generation *generation;  /* NULL: not started, or given back */
    hl_view        prompt;      /* of a completion without messages; belongs to the body */
    hl_tokens      prompt_ids;  /* instead of it */
    hl_str         prompt_text; /* what prompt_ids spell, where it is to be echoed: prompt is a view of it */
    hl_tokens      ids;         /* of the answer, where wants_tokens */
    hl_str         said, thought; /* the answer; in a stream only where the dialect keeps it */
    hl_tool_call  *calls;         /* [n_calls] */
    size_t         n_calls;
    hl_part       *parts; /* [n_parts] */
    size_t         n_parts;
    hl_str         logprobs; /* as the dialect writes them, without brackets */
    int32_t        n_thinking_tokens;
    int64_t        last_token_ns; /* when it came; 0: none yet */
    double         sum_logprob;   /* of the answer's tokens, where they are asked for */
    size_t         n_scored;
    size_t         weight; /* before its logprobs, where the best of several are handed out */
    bool           has_ended, was_chosen;
    hl_usage       usage;       /* once it has ended */
    struct hl_held_token *held; /* [n_held] tokens whose text may still be cut off, for their logprobs */
    size_t                n_held, held_cap;
} hl_choice;

typedef struct hl_held_token {
    int32_t    token;
    float      logprob;
    uint32_t   n_top;
    hl_logprob top[HL_MOST_LOGPROBS];
} hl_held_token;

/* What a dialect writes. `j` is what is yet to be sent. */
typedef struct hl_dialect {
    const char *stream_type; /* Content-Type */
    const char *ping;        /* sent while there is nothing else; NULL: this form has none */
    const char *call_prefix; /* of the ids that calls are given; NULL: "call_" */
    bool        keeps_said;  /* streams keep said and thought, too */
    /* With the first token, or ping. May be NULL, as all but token and whole */
    void (*begin)(hl_completion *c, hl_json_out *j);
    void (*token)(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j);
    /* A step of the choice's last call, in a stream */
    void (*call)(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j);
    void (*end)(hl_completion *c, hl_choice *k, hl_json_out *j); /* of one choice */
    void (*finish)(hl_completion *c, hl_json_out *j);            /* of all */
    void (*fail)(hl_completion *c, hl_status status, const hl_err *err, hl_json_out *j);
    void (*whole)(hl_completion *c, hl_json_out *j); /* the response when it is not a stream */
    void (*logprob)(hl_completion *c, hl_choice *k, const hl_token_event *ev); /* into k->logprobs */
    /* On a worker, when all is said and nobody was told yet that it is over: it may wait. Only where
     * wants_keeping is set. A failure is the answer's */
    hl_status (*keep)(hl_completion *c, hl_err *err);
    void (*done)(hl_completion *c); /* free c->data */
} hl_dialect;

struct hl_completion {
    const hl_dialect   *dialect;
    hl_exchange        *x;
    json_t             *body;  /* owned: texts of the request live in it */
    const char         *model; /* as asked for; in the body */
    hl_logit_bias      *bias;  /* owned; NULL: none */
    hl_source          *source;
    hl_model_metrics   *metrics; /* of the model; the server's */
    hl_resident        *resident;
    hl_options          options;
    const hl_tokenizer *tokenizer; /* of the loaded model; NULL: not known here */
    int64_t             keep_ms;   /* HL_KEEP_... or ms */
    hl_request          request;
    hl_adapter_use      adapters[HL_MAX_ADAPTERS]; /* that the request names */
    hl_str              messages, tools;           /* JSON texts of the request */
    hl_str              prediction, format;
    hl_tokens           context;    /* tokens in front of the messages */
    hl_tokens           prompt_ids; /* of the whole prompt, where wants_tokens */
    size_t              n_each;     /* choices for each prompt; 0: all are for one */
    size_t              n_best;     /* of these, how many are handed out, the best first; 0: all */
    hl_best_by          best_by;
    uint64_t            n_tokens; /* of all answers, so far; atomic */
    hl_choice          *choices;  /* [n_choices] */
    size_t              n_choices, n_ended;
    hl_status           status; /* of the first choice that failed */
    hl_err              err;
    bool                is_stream, is_over;
    bool                has_begun;  /* to say something: what fails now is an event of the stream */
    size_t              n_left_out; /* messages that did not fit the context */
    int64_t             created_s, start_ns, load_ns;
    int32_t             prompt_tokens; /* counted before the start; 0: nobody asked */
    /* For dialects. */
    bool  is_chat, wants_usage, wants_logprobs, does_echo, wants_tokens, wants_keeping, was_kept;
    void *data;  /* the dialect's */
    int   block; /* number of the content block that is open, or comes next */
    int   block_kind;
};

/* in     body  owned from here on, also after a failure
 * fails  HL_E_NOMEM
 * owns   the exchange frees it */
HL_MUST_CHECK hl_status hl_completion_new(hl_exchange *x, const hl_dialect *dialect, json_t *body,
                                          hl_completion **ret, hl_err *err);

/* The stored model of this name: its options and texts count from here on. fails HL_E_ARG (no name),
 * HL_E_NOT_FOUND, as hl_host_find_stored() */
HL_MUST_CHECK hl_status hl_completion_open(hl_completion *c, hl_err *err);

/* One option, by its name in the request; unknown ones and those without effect are an event in the log and
 * nothing else, as Ollama does it. fails HL_E_ARG  out of range, or of another type */
HL_MUST_CHECK hl_status hl_completion_set(hl_completion *c, const char *name, const json_t *value,
                                          hl_err *err);
/* Those of the body: what `options` has, then the fields that server/body_fields.def says are options. */
HL_MUST_CHECK hl_status hl_completion_take_options(hl_completion *c, hl_err *err);
/* A number, a text, true or false as hl_options_set() takes it, in buf or in the value itself.
 * fails  HL_E_ARG  none of these, or a text with a NUL byte */
enum { HL_OPTION_TEXT_BYTES = 64 };
HL_MUST_CHECK hl_status hl_option_text(const char *name, const json_t *v, char buf[HL_OPTION_TEXT_BYTES],
                                       const char **ret, hl_err *err);
/* All fields of an object. NULL: none. */
HL_MUST_CHECK hl_status hl_completion_set_all(hl_completion *c, const json_t *options, hl_err *err);

/* Ask with messages: those stored with the model and its system text go in front, unless the request has a
 * system text of its own.
 * in     messages   a list of objects, as templates know them (docs/formats/messages.md)
 *        may_drop   what does not fit is left out, oldest first (n_left_out); else it is an error */
HL_MUST_CHECK hl_status hl_completion_set_messages(hl_completion *c, const json_t *messages, bool may_drop,
                                                   hl_err *err);

/* Where the last message is the assistant's, and no call, the answer goes on from it: before
 * hl_completion_set_messages(). */
void hl_completion_go_on(hl_completion *c, const json_t *messages);

/* Load the model, or use the one that is there; c->request has its context length then.
 * fails  as hl_host_try_acquire(): the handler gives up where others load, and runs again after that */
HL_MUST_CHECK hl_status hl_completion_load(hl_completion *c, hl_err *err);

/* A list of ids, in the body as `key`. fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_completion_read_ids(const json_t *list, const char *key, hl_tokens *ret,
                                               hl_err *err);
/* Most tokens of reasoning, by the names that clients have for it. fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_completion_take_budget(hl_completion *c, hl_err *err);
/* The same, from one field: 0 is none at all. */
HL_MUST_CHECK hl_status hl_completion_set_budget(hl_completion *c, const json_t *object, const char *key,
                                                 hl_err *err);

/* Room for n choices, to be given prompts of their own; hl_completion_start() does it where they have
 * none. */
HL_MUST_CHECK hl_status hl_completion_prepare(hl_completion *c, size_t n, hl_err *err);

/* Make n answers. The completion is the exchange's from here on.
 * fails as hl_runner_submit(); HL_E_FULL with the numbers in x->overflow_... */
HL_MUST_CHECK hl_status hl_completion_start(hl_completion *c, size_t n, hl_err *err);

/* ---- For http_server.c ---- */

/* Take what there is and let the dialect write it, until `enough` bytes wait or nothing is there. True: all
 * is over and written, but for a failure (c->status) of what is no stream, or has not begun: the caller says
 * that. Event thread. */
bool hl_completion_pump(hl_completion *c, size_t enough);
/* Write what a stream begins with, where that is not done. Event thread. */
void hl_completion_begin(hl_completion *c);
/* Have hl_exchange_wake() called when there is something again. */
void hl_completion_watch(hl_completion *c);
void hl_completion_cancel(hl_completion *c);     /* any thread */
void hl_completion_answer_now(hl_completion *c); /* any thread: its reasoning is to end */
/* Cancel what is under way: nobody is woken afterwards. Event thread. */
void hl_completion_end(hl_completion *c);
/* Wait until what was cancelled has ended, for its true counts. A worker, after hl_completion_end(). */
void hl_completion_settle(hl_completion *c);
bool hl_completion_has_ended(const hl_completion *c); /* all of its answers */
void hl_completion_free(hl_completion *c);            /* a worker: it may unload the model. NULL is allowed */

/* ---- For dialects ---- */

/* What OpenAI's words for reasoning effort ask of a model. */
hl_think hl_openai_think(const char *effort);
/* How an answer ended, in one word: stop, length, cancel, timeout, none. */
const char *hl_end_word(hl_end end);
int64_t     hl_completion_total_ns(const hl_completion *c);
/* "2026-11-30T12:00:00.123456789Z" */
void hl_time_format(int64_t wall_ms, char ret[40]);
/* Why an answer ended, as all dialects have it: LENGTH, too, where somebody else ended it, or where a call
 * was cut off. Once it has ended. */
typedef enum hl_reason { HL_REASON_STOP, HL_REASON_LENGTH, HL_REASON_CALLS } hl_reason;
hl_reason hl_completion_reason(const hl_choice *k);
/* The stop string that ended an answer; NULL: none did. */
const char *hl_completion_stop(const hl_completion *c, const hl_choice *k);
/* Begin and end an event of a stream; between them one JSON value is written. event NULL: only data. */
void hl_sse_begin(hl_json_out *j, const char *event);
void hl_sse_end(hl_json_out *j);
/* Where the prompt left what was cached, as one more object; nothing where it did not. */
void hl_add_break(const hl_completion *c, const hl_choice *k, hl_json_out *j, const char *key);
/* The bytes of an event's token, and of those beside it: its own, or what the tokenizer says, in buf. */
enum { HL_PIECE_BYTES = 256 };
hl_view hl_event_piece(const hl_completion *c, const hl_token_event *ev, char buf[HL_PIECE_BYTES]);
hl_view hl_event_top_piece(const hl_completion *c, const hl_token_event *ev, size_t i,
                           char buf[HL_PIECE_BYTES]);

/* Append "token", "logprob", "bytes" and "top_logprobs" of an event to k->logprobs: OpenAI's shape, which
 * Ollama has taken over. */
void hl_add_logprob(hl_completion *c, hl_choice *k, const hl_token_event *ev);

#endif
