/* SPDX-License-Identifier: MIT
 *
 * runner.h - text and messages in, token events out: what the server and the program talk to.
 *
 * A runner stands on a scheduler (sched.h): any number of requests at once. It turns messages into the prompt with the
 * model's own template, watches stop strings and reports true counts; what prompts have in common with earlier ones is
 * not computed again. The native runner is made from an hl_model; remote ones will share this interface.
 */
#ifndef HL_RUNNER_H
#define HL_RUNNER_H

#include "hyperlama/sched.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_runner hl_runner;

typedef enum hl_think { HL_THINK_DEFAULT, HL_THINK_ON, HL_THINK_OFF } hl_think;

typedef struct hl_request {
    /* The prompt: messages (rendered with the template) or, when messages is NULL, plain text. */
    const char        *messages_json; /* [{"role":"user","content":"..."}, ...] */
    const char        *tools_json;    /* NULL: none */
    hl_view            prompt;        /* used when messages_json is NULL */
    bool               raw; /* prompt goes in as it is: no template, special tokens spelled out count */
    const char        *template_text; /* a Jinja template to use instead of the model's; NULL: the model's */
    hl_view            answer_prefix; /* put behind the prompt: the answer goes on from here */
    hl_think           think;         /* asks templates that know `enable_thinking` */
    hl_sampler_params  sampling;      /* hl_request_init() sets the defaults */
    const char *const *stops;         /* [n_stops] strings that end the answer and are never part of it */
    size_t             n_stops;
    int32_t            max_tokens; /* -1: until the context is full */
    int32_t            n_top; /* logprobs of that many most likely tokens in each event, 0..20; above 0 */
    bool               want_logprobs; /* asks for those of the chosen tokens, too, as want_logprobs does */
    int32_t            n_ctx;         /* most tokens, prompt and answer; 0: the runner's */
    hl_speculate       speculate;
    uint64_t           owner; /* these three as in hl_sched_request */
    int32_t            priority;
    int64_t            timeout_ms;
    int64_t            now_ms; /* wall time for templates; 0: the clock */
} hl_request;

HL_API void hl_request_init(hl_request *r);

/* One step of the answer. Pointers are valid during the call only. */
typedef struct hl_token_event {
    hl_view           text;        /* whole UTF-8 characters; may be empty (held back, or special) */
    bool              is_thinking; /* text belongs to the model's reasoning, not to the answer */
    int32_t           token;       /* -1: no token of its own (text that was held back) */
    float             logprob;     /* when want_logprobs */
    const hl_logprob *top;         /* [n_top] */
    size_t            n_top;
} hl_token_event;

/* Return false to cancel. */
typedef bool hl_token_fn(void *user, const hl_token_event *ev);

typedef struct hl_runner_params {
    hl_sched_params sched;
} hl_runner_params;

/* fails as hl_sched_new(). The model must outlive the runner. */
HL_API HL_MUST_CHECK hl_status hl_runner_new(hl_model *m, const hl_runner_params *p, hl_runner **ret_runner,
                                             hl_err *err);
HL_API void                    hl_runner_free(hl_runner *r);

/* Answer one request; blocks, calling on_token for every step. Cancelled (on_token returned false, hl_runner_stop(), or
 * the calling thread's flag while the prompt is made: hl_stop_watch()), it is HL_OK with end == HL_END_CANCEL.
 *
 * out    ret_usage  filled whatever is returned, as far as the answer got; NULL is allowed
 * fails  HL_E_FULL    the prompt does not fit the context: the numbers are in the message, nothing was cut
 *        HL_E_FORMAT  the template failed, or the messages are malformed: the message names the field
 *        HL_E_ARG     n_top out of range
 * thread any number of calls at once; on_token is called on the scheduler's thread, not the caller's: what blocks
 *        there holds up all answers */
HL_API HL_MUST_CHECK hl_status hl_runner_generate(hl_runner *r, const hl_request *req, hl_token_fn *on_token,
                                                  void *user, hl_usage *ret_usage, hl_err *err);
HL_API void hl_runner_stop(hl_runner *r); /* end all answers in the making; any thread or a signal handler */
HL_API hl_sched *hl_runner_sched(hl_runner *r);

/* The exact prompt text of a request, appended to *ret_text (hl_text_free()). For `template` and tests.
 * model NULL: req->template_text is used without special tokens of a vocabulary. */
HL_API HL_MUST_CHECK hl_status hl_chat_render(const hl_model *m, const hl_request *req, char **ret_text,
                                              hl_err *err);

/* How many tokens the request's prompt has, without running it. */
HL_API HL_MUST_CHECK hl_status hl_chat_count(const hl_model *m, const hl_request *req, int32_t *ret_tokens,
                                             hl_err *err);

HL_API void hl_text_free(char *text); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
