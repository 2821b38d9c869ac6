/* SPDX-License-Identifier: MIT
 *
 * doctor_tools.h - what a model can do with tools, found out by asking it.
 */
#ifndef HL_CLI_DOCTOR_TOOLS_H
#define HL_CLI_DOCTOR_TOOLS_H

#include "core/base/str.h"
#include "host/conversation.h"

typedef enum hl_tool_verdict { HL_TOOLS_FINE, HL_TOOLS_ODD, HL_TOOLS_BAD } hl_tool_verdict;

/* Receives one line: what was tried, how it went, and what came. BAD: the model makes no calls. */
typedef void hl_tool_check_fn(void *user, const char *what, hl_tool_verdict v, const char *text);

/* Load the model and ask it some short questions; `fn` is told of each at once.
 * fails  as hl_conversation_open(), hl_runner_generate(): nothing more could be asked */
HL_MUST_CHECK hl_status hl_doctor_tools(hl_host *h, const hl_config *settings, const hl_events *events,
                                        const char *model, hl_tool_check_fn *fn, void *user, hl_err *err);

#endif
