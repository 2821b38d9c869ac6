/* SPDX-License-Identifier: MIT
 *
 * openai_fields.h - fields of OpenAI's requests that several of its endpoints have.
 */
#ifndef HL_SERVER_API_OPENAI_FIELDS_H
#define HL_SERVER_API_OPENAI_FIELDS_H

#include "server/completion.h"

/* Fields that change no answer: metadata, user, store, ... have the type that they should have.
 * fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_openai_check_echoed(const hl_completion *c, hl_err *err);
/* "metadata" as it was sent; nothing where there is none. */
void hl_openai_echo(const hl_completion *c, hl_json_out *j);

/* prediction: what much of the answer may look like. fails HL_E_ARG, HL_E_UNSUPPORTED */
HL_MUST_CHECK hl_status hl_openai_take_prediction(hl_completion *c, hl_err *err);

/* tools, tool_choice and parallel_tool_calls; or functions and function_call, as they were called before.
 * fails HL_E_ARG, HL_E_UNSUPPORTED, HL_E_NOT_YET by name */
HL_MUST_CHECK hl_status hl_openai_take_tools(hl_completion *c, hl_err *err);
/* Messages with their calls and results as tools have them; *ret is the caller's. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_openai_read_messages(const json_t *messages, json_t **ret, hl_err *err);

/* Fields that would change the answer and are not done here. fails HL_E_UNSUPPORTED, HL_E_NOT_YET by name */
HL_MUST_CHECK hl_status hl_openai_refuse_fields(const hl_completion *c, hl_err *err);

#endif
