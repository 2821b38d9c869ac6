/* SPDX-License-Identifier: MIT
 *
 * gotemplate.h - Go templates: what TEMPLATE in a Modelfile says, from messages to the exact prompt.
 *
 * The language is Go's text/template, the variables and functions are Ollama's (docs/formats/gotemplate.md
 * has both, and every difference). A template is parsed once and rendered any number of times, from any
 * thread. Rendering is bounded in steps, memory and depth, so that a hostile template is an error and nothing
 * else; hl_stop_watch() ends it too.
 */
#ifndef HL_ENGINE_GOTEMPLATE_GOTEMPLATE_H
#define HL_ENGINE_GOTEMPLATE_GOTEMPLATE_H

#include <jansson.h>

#include "core/base/taint.h"

typedef struct hl_gotemplate hl_gotemplate;

/* fails  HL_E_FORMAT with line, column and cause; HL_E_LIMIT too deep or too large; HL_E_CANCEL;
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_gotemplate_parse(hl_view source, hl_gotemplate **ret_template, hl_err *err);
void                    hl_gotemplate_free(hl_gotemplate *t); /* NULL is allowed */

/* What a rendering is given. All zero is a conversation without messages. */
typedef struct hl_gotemplate_input {
    const json_t
        *messages; /* array of objects: role, content, thinking, images, tool_calls, tool_name, tool_call_id
                               and their names in OpenAI's API; NULL: none */
    const json_t *tools;          /* array of {type, function: {name, description, parameters}}; NULL: none */
    hl_view       prompt, suffix; /* fill in the middle: with both, the messages do not count */
    bool          is_think_set, think;
    const char   *think_level; /* "low" ...; NULL: "medium" when think is true */
    int64_t       now_ms;      /* wall time for currentDate, milliseconds since 1970 UTC */
} hl_gotemplate_input;

/* Render and append to `out`. All bytes that were made of messages, tools, prompt and suffix are tainted,
 * wherever they went through; roles that every template knows (system, user, assistant, tool) are not.
 *
 * A template that mentions .Messages is rendered once. Others are rendered turn by turn with .System, .Prompt
 * and .Response, the last one up to its first .Response, where the answer goes.
 *
 * fails  HL_E_FORMAT  the template failed (line, column, cause), or a message or a tool has the wrong shape
 *        (which) HL_E_LIMIT; HL_E_CANCEL; HL_E_NOMEM. `out` is then as it was. */
HL_MUST_CHECK hl_status hl_gotemplate_render(const hl_gotemplate *t, const hl_gotemplate_input *in,
                                             hl_tainted *out, hl_err *err);

/* Render once with any JSON object as the data, nothing else defined: the bare language, for tests. */
HL_MUST_CHECK hl_status hl_gotemplate_execute(const hl_gotemplate *t, const json_t *data, int64_t now_ms,
                                              hl_tainted *out, hl_err *err);

/* Does the template mention this field or variable ("tools", "suffix", "thinking"; case does not matter)? */
bool hl_gotemplate_mentions(const hl_gotemplate *t, const char *name);

/* Which language does a text look like? By what only one of them has: {% %} and {# #} are Jinja's, {{ .Field
 * }}, {{ if }}, {{ range }}, {{ $x }} and {{ end }} are Go's; the first that comes counts. */
typedef enum hl_template_look {
    HL_LOOKS_LIKE_NEITHER,
    HL_LOOKS_LIKE_GO,
    HL_LOOKS_LIKE_JINJA
} hl_template_look;
hl_template_look hl_template_looks(hl_view source);

#endif
