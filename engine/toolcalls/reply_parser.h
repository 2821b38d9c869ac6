/* SPDX-License-Identifier: MIT
 *
 * reply_parser.h - what a model writes, taken apart while it comes: text, reasoning, calls of tools.
 *
 * Every byte is looked at once, in order, so what comes out does not depend on the pieces that come in. What
 * may be the beginning of a mark or of a call is held until that is certain. What looks like a call and names
 * no tool of the request is text.
 */
#ifndef HL_ENGINE_TOOLCALLS_REPLY_PARSER_H
#define HL_ENGINE_TOOLCALLS_REPLY_PARSER_H

#include "engine/toolcalls/call_reader.h"

enum { HL_REPLY_READERS = HL_FORMAT_WORDS * 2 + 4 };

typedef enum hl_reply_kind {
    HL_REPLY_TEXT,
    HL_REPLY_THINKING,
    HL_REPLY_CALL, /* a call begins: text is the function's name, id what the model called it, or empty */
    HL_REPLY_ARGUMENTS, /* a piece of its arguments: all of them together are a JSON object */
    HL_REPLY_CALL_END   /* is_cut: the answer ended before the call was whole */
} hl_reply_kind;

typedef struct hl_reply_part {
    hl_reply_kind kind;
    hl_view       text;
    hl_view       id;
    bool          is_hidden; /* TEXT, THINKING: marks and control tokens, not to be shown */
    bool          is_cut;
} hl_reply_part;

/* Receives what is certain, in order. Returns false to cancel. */
typedef bool hl_reply_fn(void *user, const hl_reply_part *part);

typedef enum hl_reply_mode {
    HL_IN_HEADER, /* has_channels: what comes next says what it is */
    HL_AT_START,  /* nothing was said yet: reasoning, or a call without a mark, may begin */
    HL_IN_THINKING,
    HL_IN_TEXT,
    HL_IN_CALL,
    HL_BEHIND_CALL
} hl_reply_mode;

typedef struct hl_reply_parser {
    const hl_call_format *format;
    const json_t         *tools; /* NULL or empty: nothing is a call */
    hl_reply_fn          *fn;
    void                 *user;
    hl_reply_mode         mode;
    bool                  splits_thinking;
    bool                  has_thought;  /* something, since the reasoning began */
    bool                  drops_blank;  /* blank lines are not shown: reasoning ended just now */
    bool                  is_in_list;   /* behind a call: others may follow without a mark */
    bool                  must_call;    /* set behind init: a grammar lets through nothing but calls */
    bool                  may_be_stray; /* behind a call: brackets too many may follow */
    bool                  is_cancelled, failed; /* failed: no memory */
    hl_str                held, held_hidden;    /* not certain yet */
    hl_str                blank, blank_hidden;  /* white space that a call would swallow */
    hl_str                out;
    hl_reply_mode         out_mode;
    bool                  out_hidden;
    hl_call_reader        readers[HL_REPLY_READERS];
    bool                  is_alive[HL_REPLY_READERS]; /* it reads what is held */
    hl_call_reader       *call;                       /* the one in progress; NULL: none */
    size_t                n_calls;
} hl_reply_parser;

/* in     format           of the template
 *        tools            a list, or NULL; must outlive it
 *        splits_thinking  false: reasoning is text like any other
 *        starts_thinking  the prompt already opened it
 * fails  seen as r->failed: no memory */
void hl_reply_parser_init(hl_reply_parser *r, const hl_call_format *format, const json_t *tools,
                          bool splits_thinking, bool starts_thinking, hl_reply_fn *fn, void *user);
void hl_reply_parser_done(hl_reply_parser *r); /* of zeros, too */

/* More text. in  is_hidden  the spelling of a control token: looked at, never shown. False: cancelled */
bool hl_reply_parser_feed(hl_reply_parser *r, hl_view text, bool is_hidden);
/* The reply is over. in  is_cut  it was ended from outside: a call that is not whole stays so */
bool hl_reply_parser_finish(hl_reply_parser *r, bool is_cut);

/* Is it reasoning now; may it still be. */
static inline bool hl_reply_parser_is_thinking(const hl_reply_parser *r) { return r->mode == HL_IN_THINKING; }
static inline bool hl_reply_parser_may_think(const hl_reply_parser *r) {
    return r->mode == HL_IN_THINKING || r->mode == HL_IN_HEADER || r->format->has_channels ||
           (r->mode == HL_AT_START && r->splits_thinking);
}
static inline bool hl_reply_parser_is_in_call(const hl_reply_parser *r) { return r->call != NULL; }

#endif
