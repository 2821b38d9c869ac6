/* SPDX-License-Identifier: MIT
 *
 * openai_request.h - a runner's request in the words of OpenAI's protocol.
 */
#ifndef HL_HOST_REMOTE_OPENAI_REQUEST_H
#define HL_HOST_REMOTE_OPENAI_REQUEST_H

#include "core/data/json.h"
#include "core/data/json_out.h"
#include "hyperlama/runner.h"

/* The body of a POST, but for the model, which each server calls by its own name: an object without its
 * beginning, `"messages":[...],...}`.
 *
 * out    ret_path  behind the base URL: "/chat/completions", or "/completions" for plain text
 * fails  HL_E_UNSUPPORTED  what the protocol has no words for, by name; HL_E_FORMAT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_openai_write_request(const hl_request *r, hl_json_out *j, const char **ret_path,
                                                hl_err *err);

/* The vectors of a request: its body as above, and what comes back. */
HL_MUST_CHECK hl_status hl_openai_write_embed(const hl_embed_request *r, hl_json_out *j, hl_err *err);
HL_MUST_CHECK hl_status hl_openai_read_embed(const hl_embed_request *r, const json_t *answer,
                                             hl_embeddings *ret, hl_err *err);

#endif
