/* SPDX-License-Identifier: MIT
 *
 * ollama_common.h - what generate and chat share, and what listing endpoints say of a model.
 */
#ifndef HL_SERVER_API_OLLAMA_COMMON_H
#define HL_SERVER_API_OLLAMA_COMMON_H

#include "server/completion.h"

/* keep_alive: a number of seconds, or a Go duration ("10m", "1h30m", "-1s"). fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_keep_alive_read(const json_t *v, int64_t *ret_ms, hl_err *err);

/* think: true, false or a level; format; keep_alive, logprobs, top_logprobs, options, stream. */
HL_MUST_CHECK hl_status hl_ollama_take_common(hl_completion *c, hl_err *err);

/* `model`, or `name` as it was once called. fails HL_E_ARG */
HL_MUST_CHECK hl_status hl_ollama_read_name(const json_t *body, const char **ret, hl_err *err);

/* "name", "model", "modified_at", "size", "digest", "details": of an object that is open. */
void hl_ollama_add_entry(hl_json_out *j, const hl_store_entry *e);

#endif
