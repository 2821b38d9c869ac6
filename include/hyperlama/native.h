/* SPDX-License-Identifier: MIT
 *
 * native.h - the native runner: our own engine on a scheduler (sched.h), and what chat templates of model
 * files make of a request.
 */
#ifndef HL_NATIVE_H
#define HL_NATIVE_H

#include "hyperlama/runner.h"
#include "hyperlama/sched.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_runner_params {
    hl_sched_params sched;
} hl_runner_params;

/* fails as hl_sched_new(). The model must outlive the runner. */
HL_API HL_MUST_CHECK hl_status hl_runner_new(hl_model *m, const hl_runner_params *p, hl_runner **ret_runner,
                                             hl_err *err);

/* What a chat template can show, found out by rendering short conversations with it. Messages are adapted to
 * it: what it has no role or shape for is put where it has one (docs/formats/messages.md), and nothing is
 * left out silently. */
typedef struct hl_chat_caps {
    bool is_known;             /* false: not even a plain question came out; messages go in as they are */
    bool system, system_later; /* a system text in front; one further down */
    bool developer;            /* the role developer, apart from system */
    bool text_parts,
        needs_text_parts; /* content as a list of parts is understood; is the only thing understood */
    bool        null_content, no_content;         /* an assistant's turn whose content is null; is absent */
    bool        tools;                            /* the list of tools */
    bool        tool_calls, parallel_tool_calls;  /* in an assistant's turn: one; several */
    bool        object_arguments, text_arguments; /* of a tool call, as an object; as JSON text */
    bool        tool_results;                     /* the role tool */
    bool        thinking;                         /* think is obeyed */
    bool        can_think;                        /* or it names reasoning, which then comes anyhow */
    bool        think_levels;                     /* and its levels are */
    bool        fill;                             /* prompt and suffix, with a hole between */
    const char *call_format; /* how calls are written (docs/formats/tool-calls.md); NULL: no template */
} hl_chat_caps;

typedef enum hl_template_origin {
    HL_TEMPLATE_NONE,
    HL_TEMPLATE_OF_REQUEST,   /* template_text */
    HL_TEMPLATE_OF_MODEL,     /* tokenizer.chat_template of the model's file */
    HL_TEMPLATE_FOR_TOOL_USE, /* the one that the file carries for requests with tools */
    HL_TEMPLATE_STORED,       /* stored_template */
} hl_template_origin;

typedef struct hl_template_choice {
    hl_template_origin origin;
    hl_template_kind   kind; /* JINJA or GO */
    hl_view            text; /* the model's or the request's; empty: none */
} hl_template_choice;

/* Which template a request's messages are rendered with: its own; else the one that is stored with the model;
 * else the file's. A request with tools, or one that asks for reasoning, goes to the file's where that shows
 * what the stored one does not (docs/decisions/0012-template-goes-first.md).
 * in     m  NULL: none. Of the request the templates count, whether tools_json is there, and `think` */
HL_API void hl_chat_choose_template(const hl_model *m, const hl_request *req, hl_template_choice *ret_choice);

/* What that template can show; where it is the stored one, with what the file's is taken for.
 *
 * out    *ret_caps   all false when there is no template
 * fails  HL_E_FORMAT  the template cannot be parsed; HL_E_NOMEM, HL_E_CANCEL */
HL_API HL_MUST_CHECK hl_status hl_chat_get_caps(const hl_model *m, const hl_request *req,
                                                hl_chat_caps *ret_caps, hl_err *err);

/* The exact prompt text of a request, *ret_n bytes and a terminating zero in *ret_text (hl_text_free()); the
 * text may hold zero bytes. For `template` and tests.
 * in     model  NULL: req->template_text is used without special tokens of a vocabulary */
HL_API HL_MUST_CHECK hl_status hl_chat_render(const hl_model *m, const hl_request *req, char **ret_text,
                                              size_t *ret_n, hl_err *err);

/* How many tokens the request's prompt has, without running it. */
HL_API HL_MUST_CHECK hl_status hl_chat_count(const hl_model *m, const hl_request *req, int32_t *ret_tokens,
                                             hl_err *err);

#ifdef __cplusplus
}
#endif
#endif
