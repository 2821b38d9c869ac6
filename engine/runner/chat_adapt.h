/* SPDX-License-Identifier: MIT
 *
 * chat_adapt.h - messages as clients send them, in the shape that a template can show.
 *
 * Clients speak one dialect (docs/formats/messages.md), templates many. What a template has no role or shape
 * for is put where it has one: a system text in front of the next question, tool results into a user's turn,
 * a list of parts into one text. Words stay the words that came in.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_ADAPT_H
#define HL_ENGINE_RUNNER_CHAT_ADAPT_H

#include <jansson.h>

#include "hyperlama/native.h"

/* Are these messages? Names the first field that is none in the error.
 * fails  HL_E_FORMAT; HL_E_UNSUPPORTED  parts that are no text */
HL_MUST_CHECK hl_status hl_chat_check(const json_t *messages, hl_err *err);

/* Change checked messages in place.
 * fails  HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_chat_adapt(json_t *messages, const hl_chat_caps *caps, hl_err *err);

/* One message: content to a list of parts (`as_parts`) where it is a text, and a role that every template
 * knows to one that counts as the template's own word. */
HL_MUST_CHECK hl_status hl_chat_adapt_shape(json_t *message, bool as_parts, hl_err *err);

/* The text of a checked content: parts joined by line ends. NULL without memory; the caller ends it. */
json_t *hl_chat_content_text(const json_t *content);

#endif
