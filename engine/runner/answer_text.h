/* SPDX-License-Identifier: MIT
 *
 * answer_text.h - what of the generated text may be shown, and as what.
 *
 * Text comes in piece by piece. What might be the beginning of a stop string or of a thinking tag is held
 * back until it is certain; a stop string and everything behind it never come out, and reasoning between
 * <think> and </think> comes out marked, without the tags. Stop strings and tags see how control tokens are
 * spelled, too; the spelling itself never comes out.
 */
#ifndef HL_ENGINE_RUNNER_ANSWER_TEXT_H
#define HL_ENGINE_RUNNER_ANSWER_TEXT_H

#include "core/base/str.h"
#include "hyperlama/base.h"

typedef enum hl_answer_phase {
    HL_ANSWER_START,
    HL_ANSWER_THINKING,
    HL_ANSWER_AFTER_THINKING,
    HL_ANSWER_PLAIN
} hl_answer_phase;

typedef struct hl_answer_text {
    hl_str             pending; /* not shown yet */
    hl_str             hidden;  /* [pending.len] 1: a byte of a control token's spelling */
    const char *const *stops;   /* [n_stops], the caller's */
    size_t             n_stops;
    hl_answer_phase    phase;
    bool               stopped;     /* a stop string was found */
    size_t             stop_number; /* which: counted from 1; 0: none */
} hl_answer_text;

/* Receives text that is certain, in order. Returns false to cancel. */
typedef bool hl_answer_fn(void *user, hl_view text, bool is_thinking);

/* in     splits_thinking  false: tags are text like any other
 *        starts_thinking  the prompt already opened the tag */
void hl_answer_text_init(hl_answer_text *a, const char *const *stops, size_t n_stops, bool splits_thinking,
                         bool starts_thinking);
void hl_answer_text_done(hl_answer_text *a);

/* Add text and hand out what became certain. False: cancelled. HL_E_NOMEM is seen as a.pending.failed.
 * in     is_hidden  the spelling of a control token: looked at, never handed out */
bool hl_answer_text_feed(hl_answer_text *a, hl_view text, bool is_hidden, hl_answer_fn *fn, void *user);
/* Hand out what was held back: the answer is over. */
bool hl_answer_text_finish(hl_answer_text *a, hl_answer_fn *fn, void *user);

#endif
