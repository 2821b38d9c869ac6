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

#include "core/base/taint.h"
#include "hyperlama/base.h"

typedef struct hl_template hl_template;

/* fails  HL_E_FORMAT with line, column and cause; HL_E_LIMIT too deep or too large; HL_E_NOMEM;
 *        HL_E_CANCEL  the thread was asked to stop (core/base/stop.h) */
HL_MUST_CHECK hl_status hl_template_parse(hl_view source, hl_template **ret_template, hl_err *err);
void                    hl_template_free(hl_template *t); /* NULL is allowed */

/* What a rendering is given. A name that is in neither object is undefined; the libraries that templates are
 * written for pass none where there are no tools or documents. Strings and keys must be valid UTF-8 and may
 * hold zero bytes; numbers that a json_t cannot hold are made with hl_template_number(). */
typedef struct hl_template_input {
    const json_t *context; /* a JSON object of what came from outside: messages, tools, documents ... */
    const json_t *trusted; /* a JSON object of what did not, asked first: bos_token, eos_token; NULL: none */
    int64_t       now_ms;  /* wall time for strftime_now, milliseconds since 1970 UTC */
    uint64_t      max_steps; /* 0: about a second's worth */
} hl_template_input;

/* Render and append to `out`, where all bytes that were made of `context` are tainted: keys, numbers and
 * pieces of strings too, wherever they went through.
 *
 * fails  HL_E_FORMAT with line and cause (raise_exception's text included); HL_E_LIMIT; HL_E_NOMEM;
 *        HL_E_CANCEL  the thread was asked to stop. `out` is then as it was. */
HL_MUST_CHECK hl_status hl_template_render(const hl_template *t, const hl_template_input *in, hl_tainted *out,
                                           hl_err *err);

/* A number of a context that is larger than json_integer() or json_real() take, as JSON writes it
 * ("18446744073709551615", "-1e400"): a JSON string that begins with the byte 0xFF, which no text holds.
 * Returns a new reference; NULL without memory. */
json_t *hl_template_number(hl_view digits);

/* A string of a context that counts as trusted though the rest of it does not: a role that every template
 * knows, of which many write marks ('<|' + message.role + '|>'). Before the word stands the byte 0xFE, which
 * no text holds. */
json_t *hl_template_word(hl_view word);

/* Does the template mention this name (say "tools", "enable_thinking")? For capabilities. */
bool hl_template_mentions(const hl_template *t, const char *name);

#endif
