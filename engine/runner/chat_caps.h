/* SPDX-License-Identifier: MIT
 *
 * chat_caps.h - ask a template what it can show.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_CAPS_H
#define HL_ENGINE_RUNNER_CHAT_CAPS_H

#include "engine/runner/chat_template.h"

/* in     t  parsed; its caps are not looked at
 * cost   a dozen renderings of a few messages
 * fails  HL_E_NOMEM, HL_E_CANCEL; what a template refuses is an answer, too */
HL_MUST_CHECK hl_status hl_chat_caps_find(const hl_chat_template *t, hl_chat_caps *ret, hl_err *err);

#endif
