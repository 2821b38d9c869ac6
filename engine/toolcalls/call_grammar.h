/* SPDX-License-Identifier: MIT
 *
 * call_grammar.h - calls of tools as a grammar: what a model may write that must call one, or has begun to.
 *
 * The grammar is text in GBNF with the terms %json, %mark and %free (engine/grammar/grammar.h): of the ways
 * that a format is read in (call_formats.def), one is written.
 */
#ifndef HL_ENGINE_TOOLCALLS_CALL_GRAMMAR_H
#define HL_ENGINE_TOOLCALLS_CALL_GRAMMAR_H

#include "engine/toolcalls/call_format.h"
#include "engine/toolcalls/tool_list.h"

typedef struct hl_call_wish {
    hl_view name;     /* the only tool that may be called; empty: any */
    hl_view instead;  /* what may be answered instead of a call, in GBNF; empty: nothing */
    bool    one_call; /* the answer ends behind its first call */
    bool    is_lazy;  /* any text, and a whole call wherever the format's mark begins one; else calls alone */
} hl_call_wish;

/* Write the grammar of an answer.
 *
 * in     tools  as templates know them, at least one
 * fails  HL_E_UNSUPPORTED  calls of this format cannot be written as a grammar
 *        HL_E_NOT_FOUND    no tool has the name; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_call_grammar_write(const hl_call_format *f, const json_t *tools,
                                              const hl_call_wish *wish, hl_str *out, hl_err *err);

#endif
