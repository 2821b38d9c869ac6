/* SPDX-License-Identifier: MIT
 *
 * tool_calls.h - tools of a request, as every dialect has them once it has translated them; and the calls
 * that come of them.
 */
#ifndef HL_SERVER_TOOL_CALLS_H
#define HL_SERVER_TOOL_CALLS_H

#include "server/completion.h"

/* A call of one tool in an answer. */
typedef struct hl_tool_call {
    char   id[80]; /* the model's own, where it wrote one; else ours */
    hl_str name;
    hl_str arguments; /* JSON */
    bool   is_over, is_cut;
} hl_tool_call;

void hl_tool_calls_free(hl_tool_call *calls, size_t n); /* NULL is allowed */
/* Take one event of a call into the choice. fails HL_E_NOMEM, HL_E_LIMIT */
HL_MUST_CHECK hl_status hl_tool_calls_take(hl_completion *c, hl_choice *k, const hl_token_event *ev,
                                           hl_err *err);
/* Was every call of the choice written to its end? False, too, when there is none. */
bool hl_tool_calls_are_whole(const hl_choice *k);
/* Its arguments as a JSON object; {} where they are none. */
void hl_add_arguments(hl_json_out *j, const char *key, const hl_tool_call *call);

/* What the template is told of tools, in OpenAI's nested shape: every function has a name of its own.
 * NULL or empty: none.
 * fails HL_E_ARG with the place, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_completion_set_tools(hl_completion *c, const json_t *tools, hl_err *err);

/* Which of them may, or must be called: a word or an object in any of the shapes that OpenAI's and
 * Anthropic's interfaces have; before hl_completion_set_tools(). NULL: auto.
 * out    ret_tools  what is left of the list; owned by the caller
 * fails  HL_E_ARG  no such word, or no such tool */
HL_MUST_CHECK hl_status hl_tools_choose(hl_completion *c, const json_t *tools, const json_t *choice,
                                        json_t **ret_tools, hl_err *err);

#endif
