/* SPDX-License-Identifier: MIT
 *
 * answer_text.h - what of the generated text may be shown, and as what.
 *
 * Text comes in piece by piece. It is taken apart into text, reasoning and calls of tools
 * (engine/toolcalls/reply_parser.h); what of text and reasoning might be the beginning of a stop string is
 * held back until it is certain (core/base/stop_strings.h). In calls no stop string is looked for. Stop
 * strings see how control tokens and marks are spelled, too; the spelling itself never comes out.
 */
#ifndef HL_ENGINE_RUNNER_ANSWER_TEXT_H
#define HL_ENGINE_RUNNER_ANSWER_TEXT_H

#include "core/base/stop_strings.h"
#include "engine/toolcalls/reply_parser.h"
#include "hyperlama/base.h"

/* How an answer is taken apart. */
typedef struct hl_answer_form {
    const hl_call_format *format; /* of the template; NULL: what fits all */
    const json_t         *tools;  /* calls of these; NULL: nothing is a call. Must outlive the answer */
    bool                  splits_thinking; /* else tags are text like any other */
    bool                  starts_thinking; /* the prompt already opened the tag */
    bool                  must_call; /* a call was required: what is cut off in front of it is no text */
} hl_answer_form;

typedef struct hl_answer_text {
    hl_reply_parser reply;
    hl_stop_strings stops;
    hl_reply_fn    *fn; /* during a call: whoever wants it */
    void           *user;
    bool            failed; /* no memory */
} hl_answer_text;

/* It must not move afterwards.
 * in     stops  [n_stops] copied
 * fails  seen as a->failed */
void hl_answer_text_init(hl_answer_text *a, const char *const *stops, size_t n_stops,
                         const hl_answer_form *form);
void hl_answer_text_done(hl_answer_text *a); /* of zeros, too */

/* Add text and hand out what became certain; no part is hidden. False: cancelled.
 * in     is_hidden  the spelling of a control token: looked at, never handed out */
bool hl_answer_text_feed(hl_answer_text *a, hl_view text, bool is_hidden, hl_reply_fn *fn, void *user);
/* Hand out what was held back: the answer is over. in  is_cut  it was ended from outside */
bool hl_answer_text_finish(hl_answer_text *a, bool is_cut, hl_reply_fn *fn, void *user);

#endif
