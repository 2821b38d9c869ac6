/* SPDX-License-Identifier: MIT
 *
 * chat.h - from a request to the prompt's token ids.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_H
#define HL_ENGINE_RUNNER_CHAT_H

#include "engine/template/template.h"
#include "hyperlama/runner.h"

typedef struct hl_prompt {
    hl_tokens ids;
    bool      splits_thinking; /* the template knows <think> */
    bool      starts_thinking; /* the prompt ends inside an open <think> */
} hl_prompt;

/* fails  as hl_runner_generate(); ret_prompt is freed with hl_prompt_done() also on failure
 * `cached` is the model's own template, parsed; NULL: none */
HL_MUST_CHECK hl_status hl_prompt_make(const hl_model *m, const hl_template *cached, const hl_request *req,
                                       hl_prompt *ret_prompt, hl_err *err);
void                    hl_prompt_done(hl_prompt *p);

/* Parse the model's own template; *ret is NULL when it has none. */
HL_MUST_CHECK hl_status hl_model_template_parse(const hl_model *m, hl_template **ret, hl_err *err);

#endif
