/* SPDX-License-Identifier: MIT
 *
 * chat.h - from a request to the prompt's token ids.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_H
#define HL_ENGINE_RUNNER_CHAT_H

#include "engine/runner/answer_text.h"
#include "engine/runner/chat_template.h"
#include "hyperlama/native.h"

typedef struct hl_prompt {
    hl_tokens      ids;
    hl_answer_form form;  /* of the answer to it; its tools are ours */
    json_t        *tools; /* NULL: none */
} hl_prompt;

/* Make the prompt of a request. What the template itself wrote may become control tokens; texts, tools, keys
 * and all else that came with the request never do (docs/decisions/0003-user-text-is-never-control.md),
 * unless it is `raw`.
 *
 * in     kept  templates are looked for there first; NULL: they are parsed for this call
 * fails  as hl_runner_generate(), and HL_E_CANCEL; ret_prompt is freed with hl_prompt_done() also on
 *        failure */
HL_MUST_CHECK hl_status hl_prompt_make(const hl_model *m, hl_chat_templates *kept, const hl_request *req,
                                       hl_prompt *ret_prompt, hl_err *err);
void                    hl_prompt_done(hl_prompt *p);

/* hl_chat_render() and hl_chat_count(), with kept templates. */
HL_MUST_CHECK hl_status hl_prompt_render(const hl_model *m, hl_chat_templates *kept, const hl_request *req,
                                         char **ret_text, size_t *ret_n, hl_err *err);
HL_MUST_CHECK hl_status hl_prompt_count(const hl_model *m, hl_chat_templates *kept, const hl_request *req,
                                        int32_t *ret_tokens, hl_err *err);

#endif
