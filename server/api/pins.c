/* SPDX-License-Identifier: MIT
 *
 * pins.c - /api/pins: beginnings of prompts that stay computed until somebody says otherwise.
 *
 * A pin keeps its model loaded: what is computed for it lives there. When the model is told to go, the pin
 * ends with it.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "server/completion.h"
#include "server/server_priv.h"

enum { MOST_PINS = 256, BLOCK_TOKENS = 64 };

struct hl_pin {
    struct hl_pin *next;
    char           id[28];
    char          *model; /* as it is stored */
    hl_resident   *resident;
    hl_tokens      ids;
    int64_t        created_ms;
};

/* What was kept is there as long as it is kept: it cannot fail but for want of memory, and then it stays. */
static void let_go(hl_server *s, hl_resident *resident, const hl_pin *p) {
    hl_err err = {0};
    if (hl_runner_pin(hl_resident_runner(resident), p->ids.ids, p->ids.n, false, &err) != HL_OK)
        hl_event(s->events, HL_LOG_WARN, "server", "pin-stays", "id=%s why=\"%s\"", p->id, err.text);
}

static void pin_free(hl_server *s, hl_pin *p) {
    if (!p) return;
    hl_host_release(s->host, p->resident, HL_KEEP_DEFAULT);
    hl_tokens_done(&p->ids);
    hl_free(p->model);
    hl_free(p);
}

/* ---- Room ---- */

static size_t whole_blocks(const hl_pin *p) { return p->ids.n - p->ids.n % BLOCK_TOKENS; }

/* Tokens of p that no pin from `other` on has. */
static size_t count_own(const hl_pin *p, const hl_pin *other) {
    size_t most = 0;
    for (; other; other = other->next) {
        size_t       n = 0;
        const size_t end = p->ids.n < other->ids.n ? p->ids.n : other->ids.n;
        if (other->resident != p->resident) continue;
        while (n < end && p->ids.ids[n] == other->ids.ids[n]) n++;
        if (n - n % BLOCK_TOKENS > most) most = n - n % BLOCK_TOKENS;
    }
    return whole_blocks(p) - most;
}

/* Pins leave half of the cache to whatever else is asked. Under pins_lock. */
static hl_status check_room(const hl_server *s, const hl_pin *p, hl_err *err) {
    hl_runner_info info;
    size_t         n_pins = 0, n_there = 0;
    hl_runner_get_info(hl_resident_runner(p->resident), &info);
    const size_t most = (size_t)info.cache_tokens / 2, n_own = count_own(p, s->pins);
    for (const hl_pin *one = s->pins; one; one = one->next) {
        n_pins++;
        if (one->resident == p->resident) n_there += count_own(one, one->next);
    }
    if (n_pins >= MOST_PINS) return hl_fail(err, HL_E_FULL, "%d pins are there: remove one first", MOST_PINS);
    if (most == 0 || n_own + n_there <= most) return HL_OK;
    return hl_fail(err, HL_E_FULL,
                   "%zu tokens to pin beside %zu that are pinned: at most %zu of the %zu that this model's "
                   "cache holds (half of it) may be; DELETE /api/pins/{id} makes room",
                   n_own, n_there, most, (size_t)info.cache_tokens);
}

static hl_status check_room_now(hl_server *s, const hl_pin *p, hl_err *err) {
    (void)pthread_mutex_lock(&s->pins_lock);
    const hl_status status = check_room(s, p, err);
    (void)pthread_mutex_unlock(&s->pins_lock);
    return status;
}

/* ---- Making one ---- */

/* Messages, or a prompt as it is. */
static hl_status take_prompt(hl_completion *c, hl_err *err) {
    const json_t *messages = NULL;
    hl_view       prompt = {0};
    hl_status     status = hl_field_list(c->body, "messages", &messages, err);
    if (status == HL_OK) status = hl_field_view(c->body, "prompt", &prompt, err);
    if (status != HL_OK) return status;
    if ((json_array_size(messages) > 0) == (prompt.len > 0))
        return hl_fail(err, HL_E_ARG, "expected messages, or a prompt");
    status = hl_completion_load(c, err);
    if (status != HL_OK) return status;
    c->request.prompt = prompt;
    c->request.raw = prompt.len > 0;
    c->request.max_tokens = 0;
    return prompt.len > 0 ? HL_OK : hl_completion_set_messages(c, messages, false, err);
}

static bool goes_on(void *user, const hl_token_event *ev) {
    (void)user;
    (void)ev;
    return true;
}

/* Compute it, and keep what came of it. */
static hl_status keep(hl_completion *c, hl_pin *p, hl_err *err) {
    hl_runner *runner = hl_resident_runner(c->resident);
    hl_usage   usage;
    hl_status  status = hl_runner_encode(runner, &c->request, &p->ids, err);
    if (status == HL_OK) status = check_room_now(c->x->server, p, err); /* before it is computed */
    if (status == HL_OK) status = hl_runner_generate(runner, &c->request, goes_on, NULL, &usage, err);
    if (status == HL_OK && usage.end == HL_END_CANCEL) status = hl_fail(err, HL_E_CANCEL, "it was cancelled");
    return status == HL_OK ? hl_runner_pin(runner, p->ids.ids, p->ids.n, true, err) : status;
}

static void add_pin(const hl_pin *p, hl_json_out *j) {
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "id", p->id);
    hl_json_add_text(j, "model", p->model);
    hl_json_add_int(j, "tokens", (int64_t)p->ids.n);
    hl_json_add_int(j, "age_ms", hl_clock_wall_ms() - p->created_ms);
    hl_json_close(j, '}');
}

/* Once it is listed, anybody may end it: it is described before. */
static hl_status list_pin(hl_exchange *x, hl_pin *p, hl_err *err) {
    hl_server *s = x->server;
    (void)pthread_mutex_lock(&s->pins_lock);
    const hl_status status = check_room(s, p, err); /* others may have come meanwhile */
    if (status == HL_OK) {
        add_pin(p, &x->out);
        p->next = s->pins;
        s->pins = p;
    }
    (void)pthread_mutex_unlock(&s->pins_lock);
    return status;
}

static hl_status make_pin(hl_completion *c, hl_pin *p, hl_err *err) {
    (void)snprintf(p->id, sizeof p->id, "pin_%s", c->x->id + 4);
    p->created_ms = hl_clock_wall_ms();
    p->model = hl_strdup(c->source->label);
    if (!p->model) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    hl_status status = keep(c, p, err);
    if (status != HL_OK) return status;
    status = hl_stop_check("pin", err); /* nobody may want it any more */
    if (status == HL_OK) status = list_pin(c->x, p, err);
    if (status != HL_OK) let_go(c->x->server, c->resident, p);
    return status;
}

hl_status hl_api_pin(hl_exchange *x, hl_err *err) {
    json_t        *body = NULL;
    hl_completion *c = NULL;
    hl_pin        *p = NULL;
    hl_status      status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, NULL, body, &c, err);
    if (status == HL_OK) status = hl_completion_open(c, err);
    if (status == HL_OK) status = take_prompt(c, err);
    if (status == HL_OK && !(p = hl_new(1, sizeof *p)))
        status = hl_fail(err, HL_E_NOMEM, "server: no memory");
    if (status != HL_OK) return status;
    p->resident = c->resident; /* before anybody can find it */
    status = make_pin(c, p, err);
    if (status == HL_OK) {
        c->resident = NULL;
        return HL_OK;
    }
    p->resident = NULL;
    pin_free(x->server, p);
    return status;
}

hl_status hl_api_pins(hl_exchange *x, hl_err *err) {
    hl_server *s = x->server;
    (void)err;
    hl_json_open(&x->out, NULL, '{');
    hl_json_open(&x->out, "pins", '[');
    (void)pthread_mutex_lock(&s->pins_lock);
    for (const hl_pin *p = s->pins; p; p = p->next) add_pin(p, &x->out);
    (void)pthread_mutex_unlock(&s->pins_lock);
    hl_json_close(&x->out, ']');
    hl_json_close(&x->out, '}');
    return HL_OK;
}

hl_status hl_api_unpin(hl_exchange *x, hl_err *err) {
    hl_server *s = x->server;
    (void)pthread_mutex_lock(&s->pins_lock);
    hl_pin **at = &s->pins;
    while (*at && !hl_view_is(x->rest, (*at)->id)) at = &(*at)->next;
    hl_pin *p = *at;
    if (p) *at = p->next;
    (void)pthread_mutex_unlock(&s->pins_lock);
    if (!p)
        return hl_fail(err, HL_E_NOT_FOUND, "pin '%.*s' is not there",
                       (int)(x->rest.len < 60 ? x->rest.len : 60), x->rest.ptr);
    let_go(s, p->resident, p);
    add_pin(p, &x->out);
    pin_free(s, p);
    return HL_OK;
}

/* The first one that is to go, taken off the list. NULL: none */
static hl_pin *take_leaving(hl_server *s, const char *model) {
    (void)pthread_mutex_lock(&s->pins_lock);
    hl_pin **at = &s->pins;
    while (*at && !(model && strcmp((*at)->model, model) == 0) &&
           !hl_resident_is_leaving(s->host, (*at)->resident))
        at = &(*at)->next;
    hl_pin *p = *at;
    if (p) *at = p->next;
    (void)pthread_mutex_unlock(&s->pins_lock);
    return p;
}

void hl_pins_sweep(hl_server *s, const char *model) {
    for (hl_pin *p; (p = take_leaving(s, model));) {
        hl_event(s->events, HL_LOG_INFO, "server", "pin-ends", "id=%s model=%s why=\"its model goes\"", p->id,
                 p->model);
        let_go(s, p->resident, p);
        pin_free(s, p);
    }
}

void hl_pins_free(hl_server *s) {
    while (s->pins) {
        hl_pin *p = s->pins;
        s->pins = p->next;
        pin_free(s, p);
    }
}
