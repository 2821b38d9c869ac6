/* SPDX-License-Identifier: MIT
 *
 * format_fields.h - what an answer must look like, in the words of each dialect.
 *
 * All fill c->request.format; its text is the completion's. Two formats in one request are refused.
 */
#ifndef HL_SERVER_API_FORMAT_FIELDS_H
#define HL_SERVER_API_FORMAT_FIELDS_H

#include "server/completion.h"

/* Ollama's `format`: "json", a schema, or nothing ("", null). */
HL_MUST_CHECK hl_status hl_format_take_ollama(hl_completion *c, hl_err *err);

/* OpenAI's response_format (`path` names it), or text.format of /v1/responses, which is the same but flat:
 * {type: text | json_object | json_schema, json_schema: {schema}}. NULL: none */
HL_MUST_CHECK hl_status hl_format_take_openai(hl_completion *c, const json_t *format, const char *path,
                                              hl_err *err);

/* Anthropic's output_format and output_config.format. */
HL_MUST_CHECK hl_status hl_format_take_anthropic(hl_completion *c, hl_err *err);

/* What clients of vLLM and llama-server send beside OpenAI's fields: structured_outputs, guided_json,
 * guided_regex, guided_choice, guided_grammar; grammar, json_schema. */
HL_MUST_CHECK hl_status hl_format_take_local(hl_completion *c, hl_err *err);

/* Of one hyperlama for another: format_kind and format_text. */
HL_MUST_CHECK hl_status hl_format_take_own(hl_completion *c, hl_err *err);

#endif
