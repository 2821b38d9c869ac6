/* SPDX-License-Identifier: MIT
 *
 * chat_template.h - a chat template that is parsed, with what it can show.
 *
 * A template says nowhere which roles and shapes of messages it knows. So it is asked: short conversations
 * are rendered, each of one question ("does it show a system text?"), and their marks are looked for in what
 * comes out. Templates of models are asked once and kept.
 */
#ifndef HL_ENGINE_RUNNER_CHAT_TEMPLATE_H
#define HL_ENGINE_RUNNER_CHAT_TEMPLATE_H

#include <pthread.h>

#include "engine/gotemplate/gotemplate.h"
#include "engine/template/template.h"
#include "engine/toolcalls/call_format.h"
#include "hyperlama/native.h"

typedef struct hl_chat_template {
    char                 *source; /* [n_source] its own copy */
    size_t                n_source;
    hl_template_kind      kind; /* says which of the next two it is */
    hl_template          *jinja;
    hl_gotemplate        *go;
    hl_chat_caps          caps;
    const hl_call_format *format;          /* of what is answered to it */
    bool                  wants_short_ids; /* of calls: nine letters and digits */
    int                   n_users;         /* guarded by the lock of the cache that it is in */
} hl_chat_template;

/* Parse and ask.
 * in     kind  JINJA or GO
 * fails  as hl_template_parse(), hl_gotemplate_parse() */
HL_MUST_CHECK hl_status hl_chat_template_new(hl_view source, hl_template_kind kind, hl_chat_template **ret,
                                             hl_err *err);
void                    hl_chat_template_free(hl_chat_template *t); /* NULL is allowed */

/* Render in either language; of the names that are given a Go template sees messages, tools,
 * enable_thinking and reasoning_effort, and a model that thinks does so unless it is told not to, as in
 * Ollama.
 * fails  as hl_template_render(), hl_gotemplate_render() */
HL_MUST_CHECK hl_status hl_chat_template_render(const hl_chat_template *t, const hl_template_input *in,
                                                hl_tainted *out, hl_err *err);

/* The word for a level of thinking that this template is given; NULL: no level. "max" is for templates that
 * name it, those that know three levels get their highest. */
const char *hl_chat_template_effort(const hl_chat_template *t, hl_think think);

/* Templates by their text, for many threads. */
enum { HL_CHAT_TEMPLATES_KEPT = 4 };
typedef struct hl_chat_templates {
    pthread_mutex_t   lock;
    hl_chat_template *kept[HL_CHAT_TEMPLATES_KEPT]; /* latest use first */
} hl_chat_templates;

void hl_chat_templates_init(hl_chat_templates *c);
void hl_chat_templates_done(hl_chat_templates *c); /* all were given back */

/* fails  as hl_chat_template_new(). *ret is given back with hl_chat_template_give_back() */
HL_MUST_CHECK hl_status hl_chat_template_get(hl_chat_templates *c, hl_view source, hl_template_kind kind,
                                             const hl_chat_template **ret, hl_err *err);
void                    hl_chat_template_give_back(hl_chat_templates *c, const hl_chat_template *t);

#endif
