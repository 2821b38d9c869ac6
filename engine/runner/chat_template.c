/* SPDX-License-Identifier: MIT
 *
 * chat_template.c - parse, ask, and keep the last few.
 */
#define _GNU_SOURCE /* memmem() */
#include "engine/runner/chat_template.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/runner/chat_caps.h"

static bool has_word(const hl_chat_template *t, const char *word) {
    return memmem(t->source, t->n_source, word, strlen(word)) != NULL;
}

hl_status hl_chat_template_new(hl_view source, hl_template_kind kind, hl_chat_template **ret, hl_err *err) {
    hl_chat_template *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_status status = HL_OK;
    t->source = hl_strndup(source.ptr, source.len);
    t->n_source = source.len;
    t->kind = kind;
    t->format = hl_call_format_find(source);
    t->wants_short_ids = t->source && has_word(t, "length != 9");
    t->n_users = 1;
    if (!t->source) status = hl_fail(err, HL_E_NOMEM, "template: no memory");
    if (status == HL_OK)
        status = kind == HL_TEMPLATE_GO ? hl_gotemplate_parse(source, &t->go, err)
                                        : hl_template_parse(source, &t->jinja, err);
    if (status == HL_OK) status = hl_chat_caps_find(t, &t->caps, err);
    if (status == HL_OK)
        *ret = t;
    else
        hl_chat_template_free(t);
    return status;
}

void hl_chat_template_free(hl_chat_template *t) {
    if (!t) return;
    hl_template_free(t->jinja);
    hl_gotemplate_free(t->go);
    hl_free(t->source);
    hl_free(t);
}

const char *hl_chat_template_effort(const hl_chat_template *t, hl_think think) {
    if (think == HL_THINK_MAX && !has_word(t, "'max'") && !has_word(t, "\"max\"")) think = HL_THINK_HIGH;
    return hl_think_level(think);
}

hl_status hl_chat_template_render(const hl_chat_template *t, const hl_template_input *in, hl_tainted *out,
                                  hl_err *err) {
    if (t->jinja) return hl_template_render(t->jinja, in, out, err);
    const json_t             *think = json_object_get(in->trusted, "enable_thinking");
    const bool                thinks = hl_gotemplate_mentions(t->go, "thinking");
    const hl_gotemplate_input go = {.messages = json_object_get(in->context, "messages"),
                                    .tools = json_object_get(in->context, "tools"),
                                    .is_think_set = think || thinks,
                                    .think = think ? json_is_true(think) : thinks,
                                    .think_level =
                                        json_string_value(json_object_get(in->trusted, "reasoning_effort")),
                                    .now_ms = in->now_ms};
    return hl_gotemplate_render(t->go, &go, out, err);
}

/* ---- kept ones -------------------------------------------------------------------------------- */

void hl_chat_templates_init(hl_chat_templates *c) {
    *c = (hl_chat_templates){0};
    (void)pthread_mutex_init(&c->lock, NULL);
}

void hl_chat_templates_done(hl_chat_templates *c) {
    for (int i = 0; i < HL_CHAT_TEMPLATES_KEPT; i++) hl_chat_template_free(c->kept[i]);
    (void)pthread_mutex_destroy(&c->lock);
}

static void let_go(hl_chat_template *t) {
    if (t && --t->n_users == 0) hl_chat_template_free(t);
}

/* Under the lock. The list itself is a user of what it keeps. */
static hl_chat_template *find_kept(hl_chat_templates *c, hl_view source, hl_template_kind kind) {
    for (int i = 0; i < HL_CHAT_TEMPLATES_KEPT && c->kept[i]; i++) {
        hl_chat_template *t = c->kept[i];
        if (t->kind != kind || !hl_view_eq((hl_view){t->source, t->n_source}, source)) continue;
        memmove(&c->kept[1], &c->kept[0], (size_t)i * sizeof c->kept[0]);
        c->kept[0] = t;
        t->n_users++;
        return t;
    }
    return NULL;
}

static void keep(hl_chat_templates *c, hl_chat_template *t) {
    let_go(c->kept[HL_CHAT_TEMPLATES_KEPT - 1]);
    memmove(&c->kept[1], &c->kept[0], (HL_CHAT_TEMPLATES_KEPT - 1) * sizeof c->kept[0]);
    c->kept[0] = t;
    t->n_users++;
}

hl_status hl_chat_template_get(hl_chat_templates *c, hl_view source, hl_template_kind kind,
                               const hl_chat_template **ret, hl_err *err) {
    (void)pthread_mutex_lock(&c->lock);
    hl_chat_template *t = find_kept(c, source, kind);
    (void)pthread_mutex_unlock(&c->lock);
    if (!t) { /* outside of the lock: two threads may both do it, and nobody waits for a slow one */
        const hl_status status = hl_chat_template_new(source, kind, &t, err);
        if (status != HL_OK) return status;
        (void)pthread_mutex_lock(&c->lock);
        hl_chat_template *theirs = find_kept(c, source, kind);
        if (theirs) {
            let_go(t);
            t = theirs;
        } else {
            keep(c, t);
        }
        (void)pthread_mutex_unlock(&c->lock);
    }
    *ret = t;
    return HL_OK;
}

void hl_chat_template_give_back(hl_chat_templates *c, const hl_chat_template *t) {
    if (!t) return;
    (void)pthread_mutex_lock(&c->lock);
    let_go((hl_chat_template *)(uintptr_t)t);
    (void)pthread_mutex_unlock(&c->lock);
}
