/* SPDX-License-Identifier: MIT
 *
 * template.h - chat templates: the Jinja that model files carry, from messages to the exact prompt.
 *
 * A template is parsed once and rendered any number of times, from any thread. Rendering is bounded in
 * steps, memory and depth, so that a hostile template is an error and nothing else.
 */
#ifndef HL_ENGINE_TEMPLATE_TEMPLATE_H
#define HL_ENGINE_TEMPLATE_TEMPLATE_H

#include <jansson.h>

#include "core/base/str.h"
#include "hyperlama/base.h"

typedef struct hl_template hl_template;

/* fails  HL_E_FORMAT with line, column and cause; HL_E_LIMIT too deep or too large; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_template_parse(hl_view source, hl_template **ret_template, hl_err *err);
void                    hl_template_free(hl_template *t); /* NULL is allowed */

/* Render with `context` (a JSON object: messages, tools, add_generation_prompt, bos_token, eos_token,
 * and whatever else the caller defines; a name that is not there is undefined) and append to `out`.
 *
 * in     now_ms  wall time for strftime_now, milliseconds since 1970 UTC
 * fails  HL_E_FORMAT with line and cause (raise_exception's text included); HL_E_LIMIT; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_template_render(const hl_template *t, const json_t *context, int64_t now_ms,
                                           hl_str *out, hl_err *err);

/* Does the template mention this name (say "tools", "enable_thinking")? For capabilities. */
bool hl_template_mentions(const hl_template *t, const char *name);

#endif
