/* SPDX-License-Identifier: MIT
 *
 * chat_json.h - messages and tools from the JSON that clients send.
 *
 * Unlike jansson's own reader, this one keeps integers of any size and numbers beyond a double's range digit
 * by digit (hl_template_number()), takes NUL characters, turns half a surrogate pair and bytes that are no
 * UTF-8 into U+FFFD (a client that cut a text must not lose its conversation), and says in which field
 * something is wrong.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_JSON_H
#define HL_ENGINE_RUNNER_CHAT_JSON_H

#include <jansson.h>

#include "core/base/str.h"

enum { HL_CHAT_JSON_MAX_BYTES = 256 << 20, HL_CHAT_JSON_MAX_DEPTH = 64, HL_CHAT_JSON_MAX_VALUES = 4 << 20 };

/* Read one JSON value; nothing but white space may follow.
 *
 * in     what  names the text in messages ("messages")
 * owns   the caller ends *ret with json_decref()
 * fails  HL_E_FORMAT  "messages[2].content: line 3, column 14: ...": syntax, a key that comes twice
 *        HL_E_LIMIT   over one of the limits above
 *        HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_chat_json_read(hl_view text, const char *what, json_t **ret, hl_err *err);

bool hl_chat_json_is_text(const json_t *value); /* a string, and not a number in one (hl_template_number()) */

/* "a string", "null", ... for messages. */
const char *hl_chat_json_kind(const json_t *value);

#endif
