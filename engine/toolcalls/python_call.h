/* SPDX-License-Identifier: MIT
 *
 * python_call.h - what stands between the parentheses of a call as Python writes it, copied as a JSON object.
 */
#ifndef HL_ENGINE_TOOLCALLS_PYTHON_CALL_H
#define HL_ENGINE_TOOLCALLS_PYTHON_CALL_H

#include "engine/toolcalls/loose_json.h"
#include "engine/toolcalls/tool_list.h"

typedef enum hl_python_state {
    HL_PYTHON_ARG,
    HL_PYTHON_WORD,
    HL_PYTHON_VALUE,
    HL_PYTHON_BEHIND
} hl_python_state;

typedef struct hl_python_call {
    const json_t   *function;
    hl_python_state state;
    hl_str          word; /* a keyword, or a value that begins like one */
    hl_loose_json   value;
    size_t          n_args;
} hl_python_call;

void hl_python_call_init(hl_python_call *p, const json_t *function);
void hl_python_call_done(hl_python_call *p); /* of zeros, too */

/* One more byte, from behind the opening parenthesis on. Arguments without a keyword are given the names of
 * the schema's properties, in order. As hl_loose_json_feed(): DONE is the closing parenthesis. */
hl_loose_step hl_python_call_feed(hl_python_call *p, char c, hl_str *out);
void          hl_python_call_complete(hl_python_call *p, hl_str *out);

#endif
