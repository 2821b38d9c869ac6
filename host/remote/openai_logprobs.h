/* SPDX-License-Identifier: MIT
 *
 * openai_logprobs.h - the log probabilities that come with an answer of OpenAI's protocol, as token events.
 */
#ifndef HL_HOST_REMOTE_OPENAI_LOGPROBS_H
#define HL_HOST_REMOTE_OPENAI_LOGPROBS_H

#include "core/data/json.h"
#include "hyperlama/runner.h"

enum { HL_REMOTE_MOST_TOP = 20 };

/* One token, and those beside it. */
typedef struct hl_remote_token {
    hl_token_event ev; /* but for its text */
    hl_logprob     top[HL_REMOTE_MOST_TOP];
    hl_view        texts[HL_REMOTE_MOST_TOP];
    char           bytes[4096]; /* what texts point to, where they are no JSON texts */
} hl_remote_token;

/* How many tokens `logprobs` of a choice tells of: of a chat ("content", a list of objects), or of a plain
 * text ("tokens" and lists beside it). 0: it is nothing of the kind. */
size_t hl_remote_n_tokens(const json_t *logprobs);
/* The i-th of them. *ret points into the JSON and into itself. */
void hl_remote_read_token(const json_t *logprobs, size_t i, hl_remote_token *ret);

#endif
