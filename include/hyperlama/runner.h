/* SPDX-License-Identifier: MIT
 *
 * runner.h - text and messages in, token events out: what the server and the program talk to.
 *
 * A runner answers any number of requests at once, whoever computes: it turns messages into the prompt with
 * the model's own template, watches stop strings and reports true counts; what prompts have in common with
 * earlier ones need not be computed again. Nothing here knows what stands behind it; native.h makes one of a
 * model file.
 */
#ifndef HL_RUNNER_H
#define HL_RUNNER_H

#include "hyperlama/adapter.h"
#include "hyperlama/embed.h"
#include "hyperlama/format.h"
#include "hyperlama/sampler.h"
#include "hyperlama/tokenizer.h"
#include "hyperlama/usage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_runner hl_runner;

/* Whether a model is to think before it answers, and how much: the levels are for templates that know
 * `reasoning_effort` (Jinja) or .ThinkLevel (Go), and are as ON for all others. */
typedef enum hl_think {
    HL_THINK_DEFAULT,
    HL_THINK_ON,
    HL_THINK_OFF,
    HL_THINK_LOW,
    HL_THINK_MEDIUM,
    HL_THINK_HIGH,
    HL_THINK_MAX /* HIGH where a template knows three levels */
} hl_think;

/* "low", "medium", "high", "max"; NULL for what is no level. */
HL_API const char *hl_think_level(hl_think think);
/* "" and "true" are ON, "false" is OFF, and the levels. False: none of them. */
HL_API bool hl_think_find(const char *word, hl_think *ret_think);

/* The language of a template: Jinja as model files carry it, or Go as Ollama's Modelfiles have it in TEMPLATE
 * (docs/formats/gotemplate.md). ANY: by what it looks like. */
typedef enum hl_template_kind { HL_TEMPLATE_ANY, HL_TEMPLATE_JINJA, HL_TEMPLATE_GO } hl_template_kind;

/* Whether tools may, or must be called. */
typedef enum hl_tool_choice {
    HL_TOOL_CHOICE_AUTO,
    HL_TOOL_CHOICE_NONE, /* shown, but what looks like a call is text */
    HL_TOOL_CHOICE_REQUIRED,
    HL_TOOL_CHOICE_NAMED /* the one called tool_name */
} hl_tool_choice;

typedef struct hl_request {
    const char *model_name; /* what errors call the model; NULL: "the model" */
    /* The prompt: messages (rendered with the template) or, when messages is NULL, plain text. */
    const char *messages_json; /* [{"role":"user","content":"..."}, ...] */
    const char *tools_json; /* NULL: none; else what the model may call, and the answer's calls come apart */
    hl_tool_choice tool_choice;
    const char    *tool_name;     /* NAMED */
    bool           one_tool_call; /* the answer ends behind its first call */
    hl_view        prompt;        /* used when messages_json is NULL */
    /* [n_prefix_ids] tokens in front of all that is rendered: a conversation so far, up to the end of its
     * last answer (messages go on from there), or a prompt that is made of ids; copied. No BOS comes behind
     * them */
    const int32_t *prefix_ids;
    size_t         n_prefix_ids;
    hl_view     suffix; /* behind the hole that the answer fills: prompt and suffix go through the template */
    bool        raw;    /* prompt goes in as it is: no template, special tokens spelled out count */
    const char *template_text;      /* a template to use instead of the model's; NULL: the model's */
    hl_template_kind template_kind; /* of template_text */
    /* kept beside the model (TEMPLATE): goes before the one in its file, but for what it has no place for;
     * NULL: none */
    const char *stored_template;
    hl_view     answer_prefix;  /* put behind the prompt: the answer goes on from here */
    bool        continues_last; /* the last message, the assistant's, is one: the answer goes on from it */
    hl_think    think;          /* asks templates that know `enable_thinking`, and how much */
    bool        think_if_able;  /* a model that cannot think answers without; else that is an error */
    int32_t think_tokens; /* most tokens of reasoning, then its close marker follows; 0: no limit, -1: none */
    hl_view prediction;   /* what much of the answer may look like (a file that is edited): drafts only */
    hl_format         format;   /* what the answer must look like, behind its reasoning; NONE: any text */
    hl_sampler_params sampling; /* hl_request_init() sets the defaults */
    /* Bit i: somebody asked for row i of sampler.def, be it for what is the default. A server of another's,
     * which has defaults of its own, is sent these and what is no default */
    uint32_t           sampling_set;
    const char *const *stops; /* [n_stops] strings that end the answer and are never part of it */
    size_t             n_stops;
    int32_t            max_tokens; /* -1: until the context is full */
    int32_t            n_top; /* logprobs of that many most likely tokens in each event, 0..20; above 0 */
    bool               want_logprobs; /* asks for those of the chosen tokens, too, as want_logprobs does */
    bool               want_prompt_logprobs; /* events of the prompt's tokens come first (is_prompt) */
    bool               want_tokens; /* an event for every token, also for those without a text of their own */
    int32_t            n_ctx;       /* most tokens, prompt and answer; 0: the runner's */
    hl_speculate       speculate;
    const hl_adapter_use
            *adapters; /* [n_adapters] that it uses; copied. NULL: the model's, as they were added */
    size_t   n_adapters;
    uint64_t owner;      /* whose request: owners get equal shares */
    int32_t  priority;   /* higher ones go first */
    int64_t  timeout_ms; /* from the call; 0: none */
    int64_t  now_ms;     /* wall time for templates; 0: the clock */
} hl_request;

HL_API void hl_request_init(hl_request *r);

/* What a step of the answer is when it is no text. A call is one BEGIN, any number of ARGUMENTS, one END. */
typedef enum hl_call_step {
    HL_CALL_NONE,
    HL_CALL_BEGIN,     /* text is the function's name: one of the request's tools */
    HL_CALL_ARGUMENTS, /* text is a piece of JSON: all of a call's are an object, unless it was cut */
    HL_CALL_END
} hl_call_step;

/* One step of the answer. Pointers are valid during the call only. */
typedef struct hl_token_event {
    hl_view      text;        /* whole UTF-8 characters; may be empty (held back, or special) */
    bool         is_thinking; /* text belongs to the model's reasoning, not to the answer */
    hl_call_step call;        /* other than NONE: text is part of a call */
    hl_view      call_id;     /* BEGIN: as the model wrote it; empty: it wrote none */
    bool         is_cut;      /* END: the answer ended before the call was whole */
    /* A token of the prompt, without text; the logprob of the first one is NAN, as nothing is before it. A
     * BOS that the request did not ask for is not among them */
    bool              is_prompt;
    int32_t           token;   /* -1: no token of its own (text that was held back) */
    float             logprob; /* when want_logprobs */
    const hl_logprob *top;     /* [n_top] */
    size_t            n_top;
    /* The bytes of the token, and of those of `top`, where a logprob came with it and ids mean nothing here
     * (they are -1): of a model that is computed elsewhere. NULL: the ids tell */
    hl_view        token_text;
    const hl_view *top_texts; /* [n_top] */
} hl_token_event;

/* ---- A generation: one request in progress, whatever computes it ---- */

typedef struct hl_generation hl_generation;

typedef enum hl_event_kind { HL_EVENT_TOKEN, HL_EVENT_END } hl_event_kind;

typedef struct hl_generation_event {
    hl_event_kind  kind;
    hl_token_event token; /* TOKEN */
    /* END: HL_OK for every answer that ended, also when cancelled or late (usage.end says which) */
    hl_status     status;
    hl_usage      usage; /* END, whatever the status */
    const hl_err *err;   /* END with another status: why; valid as long as the generation */
} hl_generation_event;

/* Take a request. The prompt is rendered and tokenized on the caller's thread (hl_stop_watch() ends that),
 * everything else happens on the engine's.
 *
 * in     req  copied
 * fails  HL_E_FULL    the prompt does not fit the context: the numbers are in the message, nothing was cut
 *        HL_E_FORMAT  the template failed, or the messages are malformed: the message names the field
 *        HL_E_ARG     n_top or another number is out of range; the format cannot be enforced, with its place
 *        HL_E_UNSUPPORTED  tools or thinking are asked for, and the template has no place for them
 *        HL_E_NOT_FOUND  it uses an adapter that the model does not have
 *        HL_E_BUSY    too many wait already
 *        HL_E_CANCEL  the watched flag was set, or hl_runner_stop() was called
 * owns   hl_generation_free(), before the runner is freed
 * thread any number of calls at once */
HL_API HL_MUST_CHECK hl_status hl_runner_submit(hl_runner *r, const hl_request *req,
                                                hl_generation **ret_generation, hl_err *err);

/* The next event; after the last token END, and END again whenever asked.
 *
 * in     wait_ms  how long to wait for one; 0: not at all, -1: for ever
 * out    ret_event  text and top are valid until the next call with this generation
 * fails  HL_E_BUSY  none yet
 * thread one reader at a time. A reader that does not call this holds up nobody: the generation is paused
 *        when about 100 tokens wait for it, and goes on when it has caught up */
HL_API HL_MUST_CHECK hl_status hl_generation_next(hl_generation *g, int64_t wait_ms,
                                                  hl_generation_event *ret_event);

/* Have `wake` called whenever there is something after next() said HL_E_BUSY, or at once when there is now.
 * For event loops: it is called on any thread, must return at once and must not call functions of this
 * generation. It is not called any more when hl_generation_free() has returned. NULL: nobody. */
HL_API void hl_generation_on_ready(hl_generation *g, void (*wake)(void *user), void *user);

/* End it within one step, queued, in prefill or in decode; what was not read is dropped. Any thread, any
 * number of times. */
HL_API void hl_generation_cancel(hl_generation *g);
/* Have its reasoning end with the next token: the close marker follows, then the answer. Nothing where it
 * does not reason. Any thread, any number of times. */
HL_API void hl_generation_answer_now(hl_generation *g);
HL_API void hl_generation_free(hl_generation *g); /* cancels first; NULL is allowed */

/* What callers need to know of a runner, whatever it is. */
typedef struct hl_runner_info {
    const char         *kind;  /* "native" */
    int32_t             n_ctx; /* tokens of a request that does not say */
    int32_t             n_ctx_cap;
    int32_t             n_ctx_most;       /* that n_ctx_cap can be, whatever is asked; 0: no limit known */
    int32_t             n_ctx_train;      /* what the model was trained for; 0: unknown */
    bool                has_template;     /* messages are rendered with the model's own */
    uint64_t            weights_bytes;    /* on this machine; 0: it runs elsewhere */
    const hl_tokenizer *tokenizer;        /* lives as long as the runner; NULL: not known here */
    uint64_t            cache_bytes;      /* of keys and values, at most */
    uint64_t            cache_used_bytes; /* of these, now: by answers, and kept for prefixes */
    int64_t             cache_tokens;     /* whose keys and values that holds, at most; 0: unknown */
    int32_t             n_running, n_waiting; /* answers that are computed, and that wait their turn */
    bool                is_gone;              /* what computes has ended: nothing will be answered any more */
} hl_runner_info;

HL_API void hl_runner_get_info(const hl_runner *r, hl_runner_info *ret_info); /* any thread */
HL_API void hl_runner_free(hl_runner *r);
HL_API void hl_runner_stop(hl_runner *r); /* cancel all generations; any thread or a signal handler */

/* The exact prompt text of a request, *ret_n bytes and a terminating zero in *ret_text (hl_text_free()); and
 * how many tokens it has. Nothing is run. fails as hl_runner_submit(); HL_E_UNSUPPORTED where the runner
 * cannot say */
HL_API HL_MUST_CHECK hl_status hl_runner_render(hl_runner *r, const hl_request *req, char **ret_text,
                                                size_t *ret_n, hl_err *err);
/* The ids themselves, appended to ret_ids; and their number: 0 where nobody knows before it is answered. */
HL_API HL_MUST_CHECK hl_status hl_runner_encode(hl_runner *r, const hl_request *req, hl_tokens *ret_ids,
                                                hl_err *err);
HL_API HL_MUST_CHECK hl_status hl_runner_count(hl_runner *r, const hl_request *req, int32_t *ret_tokens,
                                               hl_err *err);

/* Return false to cancel. */
typedef bool hl_token_fn(void *user, const hl_token_event *ev);

/* Keep what is computed of tokens[0, n), by whole blocks of 64, until it is let go as often; what is not
 * computed yet has to be asked once before. in  pins  false: let go
 * fails  HL_E_NOT_FOUND (it is not there), HL_E_ARG (fewer than 64 tokens), HL_E_UNSUPPORTED */
HL_API HL_MUST_CHECK hl_status hl_runner_pin(hl_runner *r, const int32_t *tokens, size_t n, bool pins,
                                             hl_err *err);

/* Answer one request: submit, then next until the end, calling on_token for every step, on this thread.
 *
 * out    ret_usage  filled for answers that were cancelled or late, too; NULL is allowed
 * fails  as hl_runner_submit(), and with the generation's status. A cancelled answer is HL_OK with end ==
 *        HL_END_CANCEL, also where it was cancelled while its prompt was made; what the
 *        calling thread watches (hl_stop_watch()) cancels it at any time */
HL_API HL_MUST_CHECK hl_status hl_runner_generate(hl_runner *r, const hl_request *req, hl_token_fn *on_token,
                                                  void *user, hl_usage *ret_usage, hl_err *err);

/* Vectors of texts, on this thread's time: it returns when all are there. Many texts in one request are
 * computed together, and beside generations; the bits of a vector do not depend on what else is computed. The
 * flag of hl_stop_watch() and hl_runner_stop() end it.
 *
 * in     req  the pointers in it must stay valid during the call
 * out    ret_embeddings  zeroed before; after HL_E_FULL its sum_tokens and n_ctx say what did not fit
 * fails  HL_E_UNSUPPORTED  this runner makes no vectors, or the model's kind of pooling is not known
 *        HL_E_FULL    an input has more tokens than the context, and was not to be cut: with the numbers
 *        HL_E_ARG     dimensions or a token out of range; an input without tokens
 *        HL_E_FORMAT  the model computes no numbers for an input
 *        HL_E_CANCEL, HL_E_NOMEM, HL_E_BUSY
 * owns   hl_embeddings_done(), also after a failure
 * thread any number of calls at once */
HL_API HL_MUST_CHECK hl_status hl_runner_embed(hl_runner *r, const hl_embed_request *req,
                                               hl_embeddings *ret_embeddings, hl_err *err);

HL_API void hl_text_free(char *text); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
