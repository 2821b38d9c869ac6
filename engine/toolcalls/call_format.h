/* SPDX-License-Identifier: MIT
 *
 * call_format.h - how a family of models writes reasoning and calls: a row of call_formats.def.
 */
#ifndef HL_ENGINE_TOOLCALLS_CALL_FORMAT_H
#define HL_ENGINE_TOOLCALLS_CALL_FORMAT_H

#include "hyperlama/base.h"

enum { HL_FORMAT_WORDS = 6, HL_FORMAT_MAX_MARK = 64 }; /* most bytes of a mark */

/* A call is written as a pattern. In a pattern stand
 *     a blank  any white space, or none
 *     %n       the function's name, up to white space or what follows in the pattern
 *     %i       the call's id, likewise
 *     %k       an id that has the name in it: functions.NAME:3
 *     %o       an object with name and arguments, or a list of such objects
 *     %j       the arguments as an object
 *     %p       arguments as tags, one for each (key_open ... call_close)
 *     %c       NAME(key=value, ...) as Python writes it, or several of them
 *     other    itself
 * %o, %j, %p and %c come last. Behind a call, marks in `closers` are skipped. */
typedef struct hl_call_format {
    const char *name;
    /* Of a template: all of them stand in it; those that begin with '!' do not. */
    const char *needs[HL_FORMAT_WORDS];
    const char *think_open, *think_close; /* NULL: <think> and </think> */
    const char *calls[HL_FORMAT_WORDS];   /* patterns that begin with a mark, found anywhere */
    const char *bare[HL_FORMAT_WORDS];    /* patterns that count where the answer begins */
    const char *closers[HL_FORMAT_WORDS];
    const char *drops[HL_FORMAT_WORDS]; /* marks that say nothing, wherever they stand */
    const char *begun;                  /* the prompt ends with this much of the answer's first mark */
    /* %p: KEY_OPEN key KEY_CLOSE [VALUE_OPEN] value VALUE_CLOSE ... CALL_CLOSE */
    const char *key_open, *key_close, *value_open, *value_close, *call_close;
    const char *quote; /* %j: begins and ends strings that have no escapes */
    const char
        *token; /* in patterns and tags: a control token that looks like none; NULL: <...> and [...] are */
    /* For grammars (call_grammar.h): of the ways in which a call is read, the one in which it is written. */
    const char *forced;              /* instead of calls[0], where that has no mark; a part of no text then */
    const char *name_key, *args_key; /* %o; NULL: name, arguments */
    bool        is_listed;           /* %o: between brackets, however many there are */
    bool        is_section;          /* calls[1] is for those behind the first; the last closer ends all */
    bool        is_quoted;           /* names of functions and parameters are in quotes */
    bool        says_type;           /* %p: string="true" or "false" behind a parameter's name */
    bool        is_framed; /* %p: a line end behind key_close and one before value_close belong to neither */
    bool        is_nested; /* %p: VALUE_CLOSE key > ends a value, which may be made of such tags itself */
    bool        has_entities; /* %p: values may be in CDATA, or have &lt; and the like */
    bool        name_is_key;  /* %o: {"NAME": arguments} */
    bool        thinks_apart; /* what looks like a call while it thinks is none */
    bool        has_channels; /* gpt-oss: each message has a header that says what it is */
} hl_call_format;

/* What begins and what ends reasoning. */
const char *hl_call_format_think_open(const hl_call_format *f);
const char *hl_call_format_think_close(const hl_call_format *f);
/* What somebody writes for the model who ends its reasoning: up to where the answer begins, or, with
 * `may_call`, up to where the model says whether it answers or calls. */
const char *hl_call_format_think_end(const hl_call_format *f, bool may_call);

/* The format of a chat template, or of a Go template; never NULL: the last row fits all. */
const hl_call_format *hl_call_format_find(hl_view template_text);
const hl_call_format *hl_call_format_named(const char *name); /* NULL: none */
const hl_call_format *hl_call_format_at(size_t i);            /* in the table's order; NULL behind the last */

#endif
