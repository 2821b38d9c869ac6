/* SPDX-License-Identifier: MIT
 *
 * text_logprobs.h - logprobs as /v1/completions has them: four lists side by side.
 */
#ifndef HL_SERVER_API_TEXT_LOGPROBS_H
#define HL_SERVER_API_TEXT_LOGPROBS_H

#include "server/completion.h"

/* The dialect's functions: c->data is theirs. */
void hl_text_logprobs_add(hl_completion *c, hl_choice *k, const hl_token_event *ev);
/* "logprobs": what came since the last call, null where there was nothing. */
void hl_text_logprobs_write(hl_completion *c, hl_choice *k, hl_json_out *j);
void hl_text_logprobs_done(hl_completion *c);

#endif
