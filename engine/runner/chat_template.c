/* SPDX-License-Identifier: MIT
 *
 * chat_template.c - parse, ask, and keep the last few.
 */
#include "engine/runner/chat_template.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/runner/chat_caps.h"

hl_status hl_chat_template_new(hl_view source, hl_chat_template **ret, hl_err *err) {
    hl_chat_template *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_status status = HL_OK;
    t->source = hl_strndup(source.ptr, source.len);
    t->n_source = source.len;
    t->n_users = 1;
    if (!t->source) status = hl_fail(err, HL_E_NOMEM, "template: no memory");
    if (status == HL_OK) status = hl_template_parse(source, &t->jinja, err);
    if (status == HL_OK) status = hl_chat_caps_find(t->jinja, source, &t->caps, err);
    if (status == HL_OK)
        *ret = t;
    else
        hl_chat_template_free(t);
    return status;
}

void hl_chat_template_free(hl_chat_template *t) {
    if (!t) return;
    hl_template_free(t->jinja);
    hl_free(t->source);
    hl_free(t);
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
static hl_chat_template *find_kept(hl_chat_templates *c, hl_view source) {
    for (int i = 0; i < HL_CHAT_TEMPLATES_KEPT && c->kept[i]; i++) {
        hl_chat_template *t = c->kept[i];
        if (!hl_view_eq((hl_view){t->source, t->n_source}, source)) continue;
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

hl_status hl_chat_template_get(hl_chat_templates *c, hl_view source, const hl_chat_template **ret,
                               hl_err *err) {
    (void)pthread_mutex_lock(&c->lock);
    hl_chat_template *t = find_kept(c, source);
    (void)pthread_mutex_unlock(&c->lock);
    if (!t) { /* outside of the lock: two threads may both do it, and nobody waits for a slow one */
        const hl_status status = hl_chat_template_new(source, &t, err);
        if (status != HL_OK) return status;
        (void)pthread_mutex_lock(&c->lock);
        hl_chat_template *theirs = find_kept(c, source);
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
