/* SPDX-License-Identifier: MIT
 *
 * runner.c - the front door of every runner: requests go to its engine, and come back as generations.
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "runner/generation_priv.h"

struct hl_runner {
    const hl_runner_ops *ops;
    void                *engine;
};

hl_runner *hl_runner_make(const hl_runner_ops *ops, void *engine) {
    hl_runner *r = hl_new(1, sizeof *r);
    if (!r) return NULL;
    *r = (hl_runner){.ops = ops, .engine = engine};
    return r;
}

void hl_runner_free(hl_runner *r) {
    if (!r) return;
    r->ops->free(r->engine);
    hl_free(r);
}

void hl_request_init(hl_request *r) {
    *r = (hl_request){.max_tokens = -1};
    hl_sampler_params_init(&r->sampling);
}

static const char *const levels[] = {
    [HL_THINK_LOW] = "low", [HL_THINK_MEDIUM] = "medium", [HL_THINK_HIGH] = "high", [HL_THINK_MAX] = "max"};

const char *hl_think_level(hl_think think) {
    return (size_t)think < sizeof levels / sizeof *levels ? levels[think] : NULL;
}

bool hl_think_find(const char *word, hl_think *ret_think) {
    hl_think found = HL_THINK_DEFAULT;
    if (!word[0] || strcmp(word, "true") == 0) found = HL_THINK_ON;
    if (strcmp(word, "false") == 0) found = HL_THINK_OFF;
    for (size_t i = HL_THINK_LOW; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(word, levels[i]) == 0) found = (hl_think)i;
    }
    if (found == HL_THINK_DEFAULT) return false;
    *ret_think = found;
    return true;
}

static const char *const format_names[] = {[HL_FORMAT_JSON] = "json",
                                           [HL_FORMAT_SCHEMA] = "schema",
                                           [HL_FORMAT_GBNF] = "gbnf",
                                           [HL_FORMAT_REGEX] = "regex",
                                           [HL_FORMAT_CHOICE] = "choice"};

const char *hl_format_name(hl_format_kind kind) {
    return (size_t)kind < sizeof format_names / sizeof *format_names ? format_names[kind] : NULL;
}

bool hl_format_find(const char *name, hl_format_kind *ret_kind) {
    for (size_t i = HL_FORMAT_JSON; i < sizeof format_names / sizeof *format_names; i++) {
        if (strcmp(name, format_names[i]) != 0) continue;
        *ret_kind = (hl_format_kind)i;
        return true;
    }
    return false;
}

hl_status hl_runner_submit(hl_runner *r, const hl_request *req, hl_generation **ret_generation, hl_err *err) {
    hl_generation *g = hl_generation_new(r);
    if (!g) return hl_fail(err, HL_E_NOMEM, "request: no memory");
    const hl_status status = r->ops->submit(r->engine, req, g, err);
    if (status == HL_OK)
        *ret_generation = g;
    else
        hl_generation_drop(g);
    return status;
}

void hl_runner_cancel(hl_runner *r, hl_generation *g) { r->ops->cancel(r->engine, g); }
void hl_runner_pause(hl_runner *r, hl_generation *g, bool paused) { r->ops->pause(r->engine, g, paused); }
void hl_runner_answer_now(hl_runner *r, hl_generation *g) {
    if (r->ops->answer_now) r->ops->answer_now(r->engine, g);
}
void hl_runner_stop(hl_runner *r) { r->ops->cancel_all(r->engine); }
void hl_runner_get_info(const hl_runner *r, hl_runner_info *ret_info) {
    *ret_info = (hl_runner_info){0};
    r->ops->get_info(r->engine, ret_info);
}

hl_status hl_runner_render(hl_runner *r, const hl_request *req, char **ret_text, size_t *ret_n, hl_err *err) {
    return r->ops->render(r->engine, req, ret_text, ret_n, err);
}

hl_status hl_runner_encode(hl_runner *r, const hl_request *req, hl_tokens *ret_ids, hl_err *err) {
    if (!r->ops->encode) return hl_fail(err, HL_E_UNSUPPORTED, "this runner has no ids of tokens");
    return r->ops->encode(r->engine, req, ret_ids, err);
}

hl_status hl_runner_count(hl_runner *r, const hl_request *req, int32_t *ret_tokens, hl_err *err) {
    return r->ops->count(r->engine, req, ret_tokens, err);
}

hl_status hl_runner_pin(hl_runner *r, const int32_t *tokens, size_t n, bool pins, hl_err *err) {
    if (!r->ops->pin) return hl_fail(err, HL_E_UNSUPPORTED, "this runner keeps no prompts");
    return r->ops->pin(r->engine, tokens, n, pins, err);
}

hl_status hl_runner_embed(hl_runner *r, const hl_embed_request *req, hl_embeddings *ret_embeddings,
                          hl_err *err) {
    *ret_embeddings = (hl_embeddings){0};
    if (r->ops->embed) return r->ops->embed(r->engine, req, ret_embeddings, err);
    return hl_fail(err, HL_E_UNSUPPORTED, "this kind of runner makes no embeddings");
}

void hl_embeddings_done(hl_embeddings *e) {
    hl_free(e->values);
    hl_free(e->n_tokens);
    *e = (hl_embeddings){0};
}

/* A prompt that is computed has no events: the caller's flag is looked at meanwhile. */
enum { LOOK_MS = 50 };

hl_status hl_runner_generate(hl_runner *r, const hl_request *req, hl_token_fn *on_token, void *user,
                             hl_usage *ret_usage, hl_err *err) {
    hl_generation      *g = NULL;
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    hl_status           status = hl_runner_submit(r, req, &g, err);
    if (status == HL_E_CANCEL) {
        if (ret_usage) *ret_usage = (hl_usage){.end = HL_END_CANCEL};
        return HL_OK;
    }
    if (status != HL_OK) return status;
    for (bool is_over = false; !is_over;) {
        const bool there_is = hl_generation_next(g, LOOK_MS, &ev) == HL_OK;
        is_over = there_is && ev.kind == HL_EVENT_END;
        const bool is_unwanted = there_is && !is_over && !on_token(user, &ev.token);
        if (!is_over && (is_unwanted || hl_stop_asked())) hl_generation_cancel(g);
    }
    status = ev.status;
    if (ret_usage) *ret_usage = ev.usage;
    if (status != HL_OK && err) *err = *ev.err;
    hl_generation_free(g);
    return status;
}
