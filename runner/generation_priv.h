/* SPDX-License-Identifier: MIT
 *
 * generation_priv.h - what runner.c and generation.c know of each other.
 */
#ifndef HL_RUNNER_GENERATION_PRIV_H
#define HL_RUNNER_GENERATION_PRIV_H

#include <pthread.h>

#include "runner/runner_ops.h"

hl_generation *hl_generation_new(hl_runner *r);      /* NULL: no memory */
void           hl_generation_drop(hl_generation *g); /* that no engine took */

void hl_runner_cancel(hl_runner *r, hl_generation *g);
void hl_runner_pause(hl_runner *r, hl_generation *g, bool paused);
void hl_runner_answer_now(hl_runner *r, hl_generation *g);

#endif
