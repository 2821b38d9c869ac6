/* SPDX-License-Identifier: MIT
 *
 * chat_results.h - results of tools know whose they are.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_RESULTS_H
#define HL_ENGINE_RUNNER_CHAT_RESULTS_H

#include <jansson.h>

#include "hyperlama/base.h"

/* Give each result the name of the function that was called, where the message does not say it: by the call's
 * id, else by its place among the results. Some templates show nothing else.
 *
 * in     short_ids  the template wants ids of nine letters and digits: others are replaced, the same id
 *                   always by the same; calls and results without one are given one
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_chat_link_results(json_t *messages, bool short_ids, hl_err *err);

#endif
