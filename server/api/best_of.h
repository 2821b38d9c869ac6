/* SPDX-License-Identifier: MIT
 *
 * best_of.h - more answers to a prompt than are handed out, and which of them are the best.
 */
#ifndef HL_SERVER_API_BEST_OF_H
#define HL_SERVER_API_BEST_OF_H

#include "server/completion.h"

/* best_of and best_of_by: c->n_best and c->best_by, and that the tokens' logprobs are needed.
 * in     n  answers that are handed out
 * out    ret_n_each  answers that are made for each prompt, at least n
 * fails  HL_E_ARG  fewer than n, a stream, or best_of_by alone */
HL_MUST_CHECK hl_status hl_best_of_take(hl_completion *c, int64_t n, int64_t most, int64_t *ret_n_each,
                                        hl_err *err);

/* Weigh the n answers to one prompt, all of which have ended: before the first hl_best_of_choose(). */
void hl_best_of_weigh(const hl_completion *c, hl_choice *of_prompt, size_t n);
/* The best of them that was not handed out yet; NULL: all were. */
hl_choice *hl_best_of_choose(const hl_completion *c, hl_choice *of_prompt, size_t n);

#endif
