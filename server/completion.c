/* SPDX-License-Identifier: MIT
 *
 * completion.c - from a request to events, and from events to bytes.
 */
#include "server/completion.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/body_fields.h"
#include "server/server_priv.h"
#include "server/tool_calls.h"

enum { MAX_TEXT_BYTES = 256 << 20, MAX_LOGPROB_BYTES = 256 << 20, ROOM_TOKENS = 1 };

hl_status hl_completion_new(hl_exchange *x, const hl_dialect *dialect, json_t *body, hl_completion **ret,
                            hl_err *err) {
    hl_completion *c = hl_new(1, sizeof *c);
    if (!c) {
        json_decref(body);
        return hl_fail(err, HL_E_NOMEM, "server: no memory");
    }
    c->dialect = dialect;
    c->x = x;
    c->body = body;
    c->keep_ms = HL_KEEP_DEFAULT;
    c->start_ns = x->start_ns;
    c->created_s = hl_clock_wall_ms() / 1000;
    hl_request_init(&c->request);
    c->request.owner = x->owner;
    c->request.priority = x->priority;
    hl_options_init(&c->options);
    hl_options_read_settings(&c->options, x->server->config);
    c->options.is_ctx_capped = true;
    hl_str_init(&c->messages, MAX_TEXT_BYTES);
    hl_str_init(&c->tools, MAX_TEXT_BYTES);
    hl_str_init(&c->prediction, MAX_TEXT_BYTES);
    hl_str_init(&c->format, MAX_TEXT_BYTES);
    x->completion = c;
    *ret = c;
    return HL_OK;
}

static hl_status take_adapter(const json_t *one, size_t i, hl_adapter_use *ret, hl_err *err) {
    const json_t *id = json_object_get(one, "id"), *name = json_object_get(one, "name"),
                 *scale = json_object_get(one, "scale");
    if (json_is_integer(id) == json_is_string(name) || (id && !json_is_integer(id)) ||
        (name && !json_is_string(name)) || (scale && !json_is_number(scale)))
        return hl_fail(err, HL_E_ARG,
                       "lora[%zu]: expected an object with id, a whole number, or name, and scale, a number",
                       i);
    const json_int_t n = json_integer_value(id);
    *ret = (hl_adapter_use){.name = json_string_value(name),
                            .index = n < 0 || n > INT32_MAX ? INT32_MAX : (int32_t)n,
                            .scale = scale ? (float)json_number_value(scale) : 1};
    return HL_OK;
}

/* lora, by llama-server's name: the adapters of the model that answer, instead of all as they are stored. */
static hl_status take_adapters(hl_completion *c, hl_err *err) {
    const json_t *list = json_object_get(c->body, "lora"), *one;
    hl_status     status = HL_OK;
    size_t        i;
    if (!list || json_is_null(list)) return HL_OK;
    if (!json_is_array(list) || json_array_size(list) > HL_MAX_ADAPTERS)
        return hl_fail(err, HL_E_ARG, "lora: expected a list of at most %d adapters", HL_MAX_ADAPTERS);
    if (!c->dialect)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "lora: this endpoint works with the adapters as they are stored");
    if (c->source->remote)
        return hl_fail(err, HL_E_UNSUPPORTED, "lora: '%s' is answered elsewhere, with no adapters of ours",
                       c->model);
    json_array_foreach(list, i, one) if (status == HL_OK) status = take_adapter(one, i, &c->adapters[i], err);
    c->request.adapters = c->adapters;
    c->request.n_adapters = json_array_size(list);
    return status;
}

hl_status hl_completion_open(hl_completion *c, hl_err *err) {
    hl_status status = hl_field_text(c->body, "model", &c->model, err);
    if (status != HL_OK) return status;
    if (!c->model || !*c->model) return hl_fail(err, HL_E_ARG, "model is required");
    status = hl_host_find_stored(c->x->server->host, c->model, HL_OPEN_FOR_LOAD, &c->source, err);
    c->request.model_name = c->model;
    if (status == HL_OK) hl_options_read_stored(&c->options, c->source->stored, c->x->server->events);
    return status == HL_OK ? take_adapters(c, err) : status;
}

/* ---- Options ---- */

hl_status hl_option_text(const char *name, const json_t *v, char buf[HL_OPTION_TEXT_BYTES], const char **ret,
                         hl_err *err) {
    enum { cap = HL_OPTION_TEXT_BYTES };
    *ret = buf;
    if (json_is_string(v)) {
        *ret = json_string_value(v);
        if (strlen(*ret) != json_string_length(v))
            return hl_fail(err, HL_E_ARG, "%s: a NUL byte is not allowed here", name);
    } else if (json_is_integer(v)) {
        (void)snprintf(buf, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_real(v)) {
        (void)snprintf(buf, cap, "%.17g", json_real_value(v));
    } else if (json_is_boolean(v)) {
        (void)snprintf(buf, cap, "%s", json_is_true(v) ? "true" : "false");
    } else {
        return hl_fail(err, HL_E_ARG, "%s: expected a number or a text", name);
    }
    return HL_OK;
}

static hl_status set_one(hl_completion *c, const char *name, const json_t *v, hl_err *err) {
    char        buf[HL_OPTION_TEXT_BYTES];
    const char *text;
    hl_err      why = {0};
    hl_status   status = hl_option_text(name, v, buf, &text, &why);
    if (status == HL_OK) status = hl_options_set(&c->options, HL_FROM_REQUEST, name, text, &why);
    if (status == HL_E_NOT_FOUND || status == HL_E_UNSUPPORTED) {
        hl_event(c->x->server->events, HL_LOG_WARN, "server", "option-ignored", "id=%s name=%.60s why=\"%s\"",
                 c->x->id, name, why.text);
        return HL_OK;
    }
    if (status != HL_OK && err) *err = why;
    return status;
}

static hl_status set_stop(hl_completion *c, const char *name, const json_t *v, hl_err *err) {
    if (!json_is_string(v)) return hl_fail(err, HL_E_ARG, "%s: expected a text, or a list of texts", name);
    return set_one(c, name, v, err);
}

hl_status hl_completion_set(hl_completion *c, const char *name, const json_t *value, hl_err *err) {
    hl_status     status = HL_OK;
    size_t        i;
    const json_t *v;
    if (!value || json_is_null(value)) return HL_OK;
    const hl_opt id = hl_opt_find(name);
    if (id == HL_OPT_stop && !json_is_array(value)) return set_stop(c, name, value, err);
    if (id == HL_OPT_stop) {
        json_array_foreach(value, i, v) if (status == HL_OK) status = set_stop(c, name, v, err);
        return status;
    }
    if (!json_is_array(value)) return set_one(c, name, value, err);
    if (id == HL_N_OPTS) /* once, however many values it has */
        return set_one(c, name, json_array_size(value) > 0 ? json_array_get(value, 0) : json_false(), err);
    return hl_fail(err, HL_E_ARG, "%s: found a list, expected one value", name);
}

hl_status hl_completion_set_all(hl_completion *c, const json_t *options, hl_err *err) {
    hl_status     status = HL_OK;
    const char   *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)options, name, value) {
        if (status == HL_OK) status = hl_completion_set(c, name, value, err);
    }
    return status;
}

hl_status hl_completion_take_options(hl_completion *c, hl_err *err) {
    const hl_body_field *f;
    const json_t        *options = NULL;
    hl_status            status = hl_field_object(c->body, "options", &options, err);
    if (status == HL_OK) status = hl_completion_set_all(c, options, err);
    for (uint32_t at = 0; status == HL_OK && (f = hl_body_field_next(c->x->route->name, &at));) {
        if (f->option == HL_N_OPTS) continue;
        const char *name = hl_opt_name(f->option);
        status = hl_completion_set(c, name, json_object_get(c->body, f->name), err);
        if (status != HL_OK && strcmp(name, f->name) != 0)
            status = hl_fail_within(err, status, "%s", f->name);
    }
    return status;
}

hl_status hl_completion_set_budget(hl_completion *c, const json_t *object, const char *key, hl_err *err) {
    int64_t         n = -1;
    const hl_status status = hl_field_int(object, key, 0, INT32_MAX, &n, err);
    if (n >= 0) c->request.think_tokens = n == 0 ? -1 : (int32_t)n;
    return status;
}

/* Ours, llama-server's two and vLLM's. */
hl_status hl_completion_take_budget(hl_completion *c, hl_err *err) {
    static const char *const names[] = {"thinking_budget_tokens", "reasoning_budget_tokens",
                                        "thinking_token_budget", "thinking_budget"};
    hl_status                status = HL_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == HL_OK; i++)
        status = hl_completion_set_budget(c, c->body, names[i], err);
    return status;
}

/* ---- The prompt ---- */

hl_status hl_completion_read_ids(const json_t *list, const char *key, hl_tokens *ret, hl_err *err) {
    hl_status     status = HL_OK;
    size_t        i;
    const json_t *v;
    json_array_foreach(list, i, v) {
        const json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
        if (n < 0 || n > INT32_MAX)
            return hl_fail(err, HL_E_ARG, "%s[%zu]: expected the id of a token", key, i);
        const int32_t id = (int32_t)n;
        if (status == HL_OK) status = hl_tokens_add(ret, &id, 1, err);
    }
    return status;
}

static bool is_system(const json_t *message) {
    const char *role = hl_json_text(message, "role");
    return role && (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0);
}

/* Of the last messages, what is always asked: the question, and the answer's beginning where there is one. */
static size_t n_kept(const hl_completion *c) { return c->request.continues_last ? 2 : 1; }

void hl_completion_go_on(hl_completion *c, const json_t *messages) {
    const size_t  n = json_array_size(messages);
    const json_t *last = n > 1 ? json_array_get(messages, n - 1) : NULL;
    const char   *role = hl_json_text(last, "role");
    c->request.continues_last =
        role && strcmp(role, "assistant") == 0 && json_array_size(json_object_get(last, "tool_calls")) == 0;
}

/* Stored system text and messages, then the request's own but for the first `n_dropped` of those that may
 * be dropped. */
static void write_messages(hl_completion *c, const json_t *messages, size_t n_dropped) {
    const hl_stored_model *stored = c->source->stored;
    const bool             has_own = is_system(json_array_get(messages, 0));
    hl_json_out            j = {.text = c->messages};
    size_t                 i, n_left = n_dropped;
    const json_t          *m;
    hl_str_clear(&j.text);
    hl_json_open(&j, NULL, '[');
    const bool stored_has_system =
        stored && stored->n_messages > 0 && strcmp(stored->messages[0].role, "system") == 0;
    if (stored && stored->system && *stored->system && !has_own && !stored_has_system && c->context.n == 0) {
        hl_json_open(&j, NULL, '{');
        hl_json_add_text(&j, "role", "system");
        hl_json_add_text(&j, "content", stored->system);
        hl_json_close(&j, '}');
    }
    for (i = 0; stored && c->context.n == 0 && i < stored->n_messages; i++) { /* else they are in there */
        hl_json_open(&j, NULL, '{');
        hl_json_add_text(&j, "role", stored->messages[i].role);
        hl_json_add_view(&j, "content", stored->messages[i].content);
        hl_json_close(&j, '}');
    }
    json_array_foreach(messages, i, m) {
        if (n_left > 0 && !is_system(m) && i + n_kept(c) < json_array_size(messages)) {
            n_left--;
            continue;
        }
        hl_json_add_raw(&j, NULL, "");
        hl_json_format(m, false, &j.text);
    }
    hl_json_close(&j, ']');
    c->messages = j.text;
}

static size_t count_droppable(const hl_completion *c, const json_t *messages) {
    size_t        n = 0, i;
    const json_t *m;
    json_array_foreach(messages, i, m) n += !is_system(m) && i + n_kept(c) < json_array_size(messages);
    return n;
}

static hl_status count_prompt(hl_completion *c, const json_t *messages, size_t n_dropped, int32_t *ret,
                              hl_err *err) {
    write_messages(c, messages, n_dropped);
    const hl_status status = hl_str_check(&c->messages, "messages", err);
    if (status != HL_OK) return status;
    c->request.messages_json = hl_str_text(&c->messages);
    if (!c->tokenizer) c->wants_tokens = false; /* there are no ids that anybody here could read */
    if (!c->wants_tokens) return hl_runner_count(hl_resident_runner(c->resident), &c->request, ret, err);
    c->prompt_ids.n = 0;
    const hl_status encoded =
        hl_runner_encode(hl_resident_runner(c->resident), &c->request, &c->prompt_ids, err);
    *ret = (int32_t)c->prompt_ids.n;
    return encoded;
}

static hl_status fail_full(hl_completion *c, int32_t n_tokens, hl_err *err) {
    c->x->overflow_tokens = n_tokens;
    c->x->overflow_ctx = c->request.n_ctx;
    return hl_fail(err, HL_E_FULL,
                   "the prompt has %" PRId32 " tokens, and the context of %" PRId32
                   " must hold it and an answer (num_ctx)",
                   n_tokens, c->request.n_ctx);
}

/* Each message's own tokens do not depend on the others much, so the number to drop is found by halving: log2
 * renderings, not one for each message. */
static hl_status drop_messages(hl_completion *c, const json_t *messages, hl_err *err) {
    size_t    least = 1, most = count_droppable(c, messages);
    int32_t   n = 0;
    hl_status status = count_prompt(c, messages, most, &n, err);
    if (status != HL_OK) return status;
    if (n + ROOM_TOKENS > c->request.n_ctx) return fail_full(c, n, err);
    while (least < most) {
        const size_t middle = least + (most - least) / 2;
        status = count_prompt(c, messages, middle, &n, err);
        if (status != HL_OK) return status;
        if (n + ROOM_TOKENS > c->request.n_ctx)
            least = middle + 1;
        else
            most = middle;
    }
    c->n_left_out = most;
    status = count_prompt(c, messages, most, &n, err);
    c->prompt_tokens = n;
    hl_event(c->x->server->events, HL_LOG_WARN, "server", "messages-left-out",
             "id=%s messages=%zu tokens=%d ctx=%d", c->x->id, most, (int)n, (int)c->request.n_ctx);
    return status;
}

hl_status hl_completion_set_messages(hl_completion *c, const json_t *messages, bool may_drop, hl_err *err) {
    size_t        i;
    const json_t *m;
    int32_t       n = 0;
    json_array_foreach(messages, i, m) {
        if (!json_is_object(m)) return hl_fail(err, HL_E_ARG, "messages[%zu]: expected an object", i);
    }
    const hl_status status = count_prompt(c, messages, 0, &n, err);
    if (status != HL_OK) return status;
    c->prompt_tokens = n;
    if (n + ROOM_TOKENS <= c->request.n_ctx) return HL_OK;
    return may_drop && count_droppable(c, messages) > 0 ? drop_messages(c, messages, err)
                                                        : fail_full(c, n, err);
}

/* The alias stands for another model, too: its options and texts count instead. */
static bool take_next_source(hl_completion *c) {
    hl_source *next = NULL;
    if (hl_host_find_next(c->x->server->host, c->source, HL_OPEN_FOR_LOAD, &next, NULL) != HL_OK)
        return false;
    hl_source_free(c->source);
    c->source = next;
    for (int i = 0; i < HL_N_OPTS; i++) hl_options_unset(&c->options, HL_FROM_MODEL, (hl_opt)i);
    hl_options_read_settings(&c->options, c->x->server->config);
    hl_options_read_stored(&c->options, next->stored, c->x->server->events);
    return true;
}

static hl_status acquire(hl_completion *c, hl_err *err) {
    hl_err    why = {0};
    hl_status status = HL_OK;
    do {
        status = hl_host_try_acquire(c->x->server->host, c->source, &c->options, &c->x->load_wait,
                                     &c->resident, &why);
    } while (status == HL_E_NOMEM && take_next_source(c));
    if (status != HL_OK && err) *err = why;
    return status;
}

hl_status hl_completion_load(hl_completion *c, hl_err *err) {
    hl_runner_info  info;
    const hl_status status = acquire(c, err);
    if (status != HL_OK) return status;
    c->load_ns = hl_clock_ns() - c->start_ns;
    hl_runner_get_info(hl_resident_runner(c->resident), &info);
    c->tokenizer = info.tokenizer;
    hl_request *r = &c->request;
    r->n_ctx = c->options.num_ctx > 0 ? c->options.num_ctx : info.n_ctx_cap;
    if (r->n_ctx > info.n_ctx_cap) {
        hl_event(c->x->server->events, HL_LOG_WARN, "server", "context-capped", "id=%s num_ctx=%d ctx=%d",
                 c->x->id, (int)r->n_ctx, (int)info.n_ctx_cap);
        r->n_ctx = info.n_ctx_cap;
    }
    if (c->source->stored) r->stored_template = c->source->stored->template_text;
    r->sampling = c->options.sampling;
    r->sampling_set = hl_options_sampling_set(&c->options);
    r->stops = (const char *const *)c->options.stops;
    r->n_stops = c->options.n_stops;
    r->max_tokens = c->options.num_predict < 0 ? -1 : c->options.num_predict;
    r->prefix_ids = c->context.ids;
    r->n_prefix_ids = c->context.n;
    r->want_tokens = c->wants_tokens;
    return HL_OK;
}

/* ---- Answers ---- */

hl_status hl_completion_prepare(hl_completion *c, size_t n, hl_err *err) {
    c->choices = hl_new(n, sizeof *c->choices);
    if (!c->choices) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    c->n_choices = n;
    for (size_t i = 0; i < n; i++) {
        hl_str_init(&c->choices[i].said, MAX_TEXT_BYTES);
        hl_str_init(&c->choices[i].thought, MAX_TEXT_BYTES);
        hl_str_init(&c->choices[i].logprobs, MAX_LOGPROB_BYTES);
        hl_str_init(&c->choices[i].prompt_text, MAX_TEXT_BYTES);
    }
    return HL_OK;
}

hl_status hl_completion_start(hl_completion *c, size_t n, hl_err *err) {
    hl_runner *runner = hl_resident_runner(c->resident);
    hl_status  status = c->choices ? HL_OK : hl_completion_prepare(c, n, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        hl_request       r = c->request;
        const hl_tokens *ids = &c->choices[i].prompt_ids;
        if (ids->n > 0) {
            r.prefix_ids = ids->ids;
            r.n_prefix_ids = ids->n;
        } else if (!r.messages_json) {
            r.prompt = c->choices[i].prompt;
        }
        if (i > 0 && r.sampling.seed >= 0) r.sampling.seed += (int64_t)i; /* n different answers */
        status = hl_runner_submit(runner, &r, &c->choices[i].generation, err);
        /* a grammar may be too large, too */
        if (status == HL_E_FULL && hl_runner_count(runner, &r, &c->x->overflow_tokens, NULL) == HL_OK &&
            c->x->overflow_tokens >= r.n_ctx)
            c->x->overflow_ctx = r.n_ctx;
    }
    if (status == HL_OK) (void)__atomic_fetch_add(&c->x->server->counts.completions, n, __ATOMIC_RELAXED);
    return status;
}

static void count_token(const hl_completion *c, hl_choice *k) {
    const int64_t now = hl_clock_ns();
    if (k->last_token_ns > 0) hl_metrics_add_gap(c->metrics, now - k->last_token_ns);
    k->last_token_ns = now;
}

static void fail_choice(hl_completion *c, hl_status status, const hl_err *err) {
    if (c->status != HL_OK) return;
    c->status = status;
    c->err = *err;
}

static void take_id(hl_completion *c, hl_choice *k, int32_t token) {
    hl_err err = {0};
    count_token(c, k);
    (void)__atomic_fetch_add(&c->n_tokens, 1, __ATOMIC_RELAXED);
    const hl_status status = c->wants_tokens ? hl_tokens_add(&k->ids, &token, 1, &err) : HL_OK;
    if (status != HL_OK) fail_choice(c, status, &err);
}

/* ---- Logprobs, without those of tokens that a stop string takes away ---- */

static void flush_held(hl_completion *c, hl_choice *k) {
    for (size_t i = 0; i < k->n_held; i++) {
        const hl_held_token *h = &k->held[i];
        c->dialect->logprob(
            c, k,
            &(hl_token_event){.token = h->token, .logprob = h->logprob, .top = h->top, .n_top = h->n_top});
    }
    k->n_held = 0;
}

/* A token without a text of its own (yet). */
static void hold(hl_completion *c, hl_choice *k, const hl_token_event *ev) {
    enum { SOME = 16 };
    if (k->n_held == HL_MAX_STOP_BYTES) flush_held(c, k); /* no stop string is that long */
    if (k->n_held == k->held_cap) {
        const size_t   cap = k->held_cap ? k->held_cap * 2 : SOME;
        hl_held_token *held = hl_resize(k->held, cap, sizeof *held);
        if (!held) {
            fail_choice(c, HL_E_NOMEM, &(hl_err){.text = "server: no memory"});
            return;
        }
        k->held = held;
        k->held_cap = cap;
    }
    hl_held_token *h = &k->held[k->n_held++];
    h->token = ev->token;
    h->logprob = ev->logprob;
    h->n_top = (uint32_t)(ev->n_top < HL_MOST_LOGPROBS ? ev->n_top : HL_MOST_LOGPROBS);
    memcpy(h->top, ev->top, h->n_top * sizeof *h->top);
}

static void take_logprobs(hl_completion *c, hl_choice *k, const hl_token_event *ev) {
    if (!c->wants_logprobs || !c->dialect->logprob || ev->is_thinking) return;
    if (ev->text.len > 0) flush_held(c, k);
    if (ev->token < 0 && !ev->token_text.ptr) return;
    if (ev->text.len > 0 || ev->token_text.ptr) /* whoever computes elsewhere has cut it already */
        c->dialect->logprob(c, k, ev);
    else
        hold(c, k, ev);
}

/* The stretch that the event belongs to: the last one, or a new one. */
static hl_status take_part(hl_choice *k, const hl_token_event *ev, hl_err *err) {
    const bool         is_call = ev->call != HL_CALL_NONE;
    const hl_part_kind kind = is_call ? HL_PART_CALL : ev->is_thinking ? HL_PART_THINKING : HL_PART_TEXT;
    const size_t       at = is_call ? k->n_calls - 1 : kind == HL_PART_TEXT ? k->said.len : k->thought.len;
    hl_part           *last = k->n_parts > 0 ? &k->parts[k->n_parts - 1] : NULL;
    if (!last || last->kind != kind || (is_call && last->begin != at)) {
        hl_part *parts = hl_resize(k->parts, k->n_parts + 1, sizeof *parts);
        if (!parts) return hl_fail(err, HL_E_NOMEM, "server: no memory");
        k->parts = parts;
        last = &parts[k->n_parts++];
        *last = (hl_part){.kind = kind, .begin = at, .end = at};
    }
    if (!is_call) last->end += ev->text.len;
    return HL_OK;
}

static void take_call(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    hl_err    err = {0};
    hl_status status = hl_tool_calls_take(c, k, ev, &err);
    if (status == HL_OK) status = take_part(k, ev, &err);
    if (status != HL_OK)
        fail_choice(c, status, &err);
    else if (c->is_stream && c->dialect->call)
        c->dialect->call(c, k, ev, j);
}

static void take_prompt_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    if (!c->wants_logprobs || !c->dialect->logprob) return;
    c->dialect->logprob(c, k, ev);
    if (c->is_stream) c->dialect->token(c, k, ev, j);
}

void hl_completion_begin(hl_completion *c) {
    if (c->has_begun) return;
    c->has_begun = true;
    if (c->is_stream && c->dialect->begin) c->dialect->begin(c, &c->x->out);
}

static void take_token(hl_completion *c, hl_choice *k, const hl_token_event *ev, hl_json_out *j) {
    hl_err err = {0};
    hl_completion_begin(c);
    if (ev->is_prompt) {
        take_prompt_token(c, k, ev, j);
        return;
    }
    if (ev->token >= 0) take_id(c, k, ev->token);
    if ((ev->token >= 0 || ev->token_text.ptr) && c->n_best > 0) {
        k->sum_logprob += (double)ev->logprob;
        k->n_scored++;
    }
    if (ev->call != HL_CALL_NONE) {
        take_call(c, k, ev, j);
        return;
    }
    if (ev->text.len > 0 && take_part(k, ev, &err) != HL_OK) fail_choice(c, HL_E_NOMEM, &err);
    if (ev->is_thinking && ev->token >= 0) k->n_thinking_tokens++;
    take_logprobs(c, k, ev);
    if (!c->is_stream || c->dialect->keeps_said)
        hl_str_add_view(ev->is_thinking ? &k->thought : &k->said, ev->text);
    if (c->is_stream && (ev->text.len > 0 || k->logprobs.len > 0)) c->dialect->token(c, k, ev, j);
}

static void count_end(hl_completion *c, hl_choice *k, const hl_generation_event *ev) {
    hl_server_counts *counts = &c->x->server->counts;
    k->usage = ev->usage;
    k->has_ended = true;
    hl_metrics_add_end(c->metrics, ev->status, &ev->usage);
    c->n_ended++;
    (void)__atomic_fetch_add(&counts->prompt_tokens, (uint64_t)ev->usage.prompt_tokens, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&counts->cached_tokens, (uint64_t)ev->usage.cached_tokens, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&counts->answer_tokens, (uint64_t)ev->usage.answer_tokens, __ATOMIC_RELAXED);
}

static void take_end(hl_completion *c, hl_choice *k, const hl_generation_event *ev, hl_json_out *j) {
    count_end(c, k, ev);
    if (k->usage.stop_number > 0)
        k->n_held = 0;
    else if (k->n_held > 0)
        flush_held(c, k);
    if (ev->status != HL_OK && c->status == HL_OK) c->x->refusal = ev->usage.refusal;
    if (ev->status != HL_OK) fail_choice(c, ev->status, ev->err);
    if (c->status == HL_OK) hl_completion_begin(c);
    if (c->is_stream && c->status == HL_OK && c->dialect->end) c->dialect->end(c, k, j);
}

/* Events of one choice. False: none now. */
static bool take_events(hl_completion *c, hl_choice *k, hl_json_out *j, size_t enough) {
    bool                any = false;
    hl_generation_event ev;
    while (!k->has_ended && j->text.len < enough && hl_generation_next(k->generation, 0, &ev) == HL_OK) {
        any = true;
        if (ev.kind == HL_EVENT_END)
            take_end(c, k, &ev, j);
        else
            take_token(c, k, &ev.token, j);
    }
    return any;
}

static void keep(hl_exchange *x) {
    hl_completion *c = x->completion;
    c->status = c->dialect->keep(c, &c->err);
}

/* What is to be kept is kept before anybody is told that it is over. False: not yet. */
static bool is_kept(hl_completion *c, const hl_json_out *j) {
    if (!c->wants_keeping || c->was_kept || c->status != HL_OK) return true;
    if (j->text.len > 0) return false; /* first what was said */
    c->was_kept = true;
    hl_exchange_step_aside(c->x, keep);
    return false;
}

bool hl_completion_pump(hl_completion *c, size_t enough) {
    hl_json_out *j = &c->x->out;
    if (c->is_over) return true;
    if (!c->metrics && c->source) c->metrics = hl_metrics_of(c->x->server->metrics, c->source->label);
    if (hl_exchange_is_aside(c->x)) return false;
    bool any = true;
    while (any && c->n_ended < c->n_choices && c->status == HL_OK &&
           (!c->is_stream || j->text.len < enough)) {
        any = false;
        for (size_t i = 0; i < c->n_choices; i++)
            any |= take_events(c, &c->choices[i], j, c->is_stream ? enough : SIZE_MAX);
    }
    if (c->n_ended < c->n_choices && c->status == HL_OK) return false;
    if (!is_kept(c, j)) return false;
    if (c->status != HL_OK && c->is_stream && c->has_begun && c->dialect->fail)
        c->dialect->fail(c, c->status, &c->err, j);
    else if (c->status == HL_OK && c->is_stream && c->dialect->finish)
        c->dialect->finish(c, j);
    else if (c->status == HL_OK && !c->is_stream)
        c->dialect->whole(c, j);
    c->is_over = true;
    return true;
}

static void wake(void *user) { hl_exchange_wake(user); }

void hl_completion_watch(hl_completion *c) {
    for (size_t i = 0; i < c->n_choices; i++)
        if (!c->choices[i].has_ended) hl_generation_on_ready(c->choices[i].generation, wake, c->x);
}

void hl_completion_cancel(hl_completion *c) {
    for (size_t i = 0; i < c->n_choices; i++)
        if (c->choices[i].generation) hl_generation_cancel(c->choices[i].generation);
}

void hl_completion_answer_now(hl_completion *c) {
    for (size_t i = 0; i < c->n_choices; i++)
        if (c->choices[i].generation) hl_generation_answer_now(c->choices[i].generation);
}

void hl_completion_end(hl_completion *c) {
    for (size_t i = 0; i < c->n_choices; i++) {
        hl_choice *k = &c->choices[i];
        if (!k->generation) continue;
        hl_generation_on_ready(k->generation, NULL, NULL);
        if (!k->has_ended) hl_generation_cancel(k->generation);
    }
}

bool hl_completion_has_ended(const hl_completion *c) {
    for (size_t i = 0; i < c->n_choices; i++)
        if (c->choices[i].generation && !c->choices[i].has_ended) return false;
    return true;
}

void hl_completion_settle(hl_completion *c) {
    hl_generation_event ev;
    for (size_t i = 0; i < c->n_choices; i++) {
        hl_choice *k = &c->choices[i];
        while (k->generation && !k->has_ended && hl_generation_next(k->generation, -1, &ev) == HL_OK)
            if (ev.kind == HL_EVENT_END) count_end(c, k, &ev);
    }
}

void hl_completion_free(hl_completion *c) {
    if (!c) return;
    if (c->dialect && c->dialect->done) c->dialect->done(c);
    for (size_t i = 0; i < c->n_choices; i++) {
        hl_generation_free(c->choices[i].generation);
        hl_free(c->choices[i].held);
        hl_tool_calls_free(c->choices[i].calls, c->choices[i].n_calls);
        hl_free(c->choices[i].parts);
        hl_str_done(&c->choices[i].said);
        hl_str_done(&c->choices[i].thought);
        hl_str_done(&c->choices[i].logprobs);
        hl_str_done(&c->choices[i].prompt_text);
        hl_tokens_done(&c->choices[i].prompt_ids);
        hl_tokens_done(&c->choices[i].ids);
    }
    hl_free(c->choices);
    if (c->resident && c->has_begun && c->status == HL_OK) hl_host_count_use(c->x->server->host, c->source);
    /* its file was changed: whoever asks next gets what is there then */
    if (c->resident && c->status == HL_E_IO) (void)hl_host_unload(c->x->server->host, c->source, NULL);
    hl_host_release(c->x->server->host, c->resident, c->keep_ms);
    hl_source_free(c->source);
    hl_free(c->bias);
    hl_options_done(&c->options);
    hl_str_done(&c->messages);
    hl_str_done(&c->tools);
    hl_str_done(&c->prediction);
    hl_str_done(&c->format);
    hl_tokens_done(&c->context);
    hl_tokens_done(&c->prompt_ids);
    json_decref(c->body);
    hl_free(c);
}

/* ---- For dialects ---- */

const char *hl_end_word(hl_end end) {
    static const char *const words[] = {"none", "stop", "length", "cancel", "timeout"};
    return words[end];
}

int64_t hl_completion_total_ns(const hl_completion *c) { return hl_clock_ns() - c->start_ns; }

void hl_time_format(int64_t wall_ms, char ret[40]) {
    const time_t s = (time_t)(wall_ms / 1000);
    struct tm    tm;
    (void)gmtime_r(&s, &tm);
    (void)snprintf(ret, 40, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000,
                   (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
                   tm.tm_sec % 100, (int)(wall_ms % 1000));
}

hl_reason hl_completion_reason(const hl_choice *k) {
    if (k->usage.end != HL_END_STOP) return HL_REASON_LENGTH;
    if (k->n_calls == 0) return HL_REASON_STOP;
    return hl_tool_calls_are_whole(k) ? HL_REASON_CALLS : HL_REASON_LENGTH;
}

const char *hl_completion_stop(const hl_completion *c, const hl_choice *k) {
    const int32_t i = k->usage.stop_number;
    return i > 0 && (size_t)i <= c->options.n_stops ? c->options.stops[i - 1] : NULL;
}

void hl_sse_begin(hl_json_out *j, const char *event) {
    if (event) {
        hl_str_add_text(&j->text, "event: ");
        hl_str_add_text(&j->text, event);
        hl_str_add_char(&j->text, '\n');
    }
    hl_str_add_text(&j->text, "data: ");
    j->needs_comma = false;
}

void hl_sse_end(hl_json_out *j) { hl_str_add_text(&j->text, "\n\n"); }

static hl_view piece_of(const hl_completion *c, int32_t token, char buf[HL_PIECE_BYTES]) {
    const size_t n = c->tokenizer ? hl_tokenizer_piece(c->tokenizer, token, true, buf, HL_PIECE_BYTES) : 0;
    return (hl_view){buf, n < HL_PIECE_BYTES ? n : HL_PIECE_BYTES};
}

hl_view hl_event_piece(const hl_completion *c, const hl_token_event *ev, char buf[HL_PIECE_BYTES]) {
    return ev->token_text.ptr ? ev->token_text : piece_of(c, ev->token, buf);
}

hl_view hl_event_top_piece(const hl_completion *c, const hl_token_event *ev, size_t i,
                           char buf[HL_PIECE_BYTES]) {
    return ev->top_texts ? ev->top_texts[i] : piece_of(c, ev->top[i].token, buf);
}

static void add_token(hl_json_out *j, hl_view piece, float logprob) {
    hl_json_add_view(j, "token", piece);
    /* -9999 stands for "less than can be said": OpenAI's own value */
    hl_json_add_real(j, "logprob", logprob > -9999.0f ? (double)logprob : -9999.0);
    hl_json_open(j, "bytes", '[');
    for (size_t i = 0; i < piece.len; i++) hl_json_add_int(j, NULL, (unsigned char)piece.ptr[i]);
    hl_json_close(j, ']');
}

static void add_piece(const hl_completion *c, hl_json_out *j, const char *key, int32_t token) {
    char buf[HL_PIECE_BYTES];
    hl_json_add_view(j, key, piece_of(c, token, buf));
}

void hl_add_break(const hl_completion *c, const hl_choice *k, hl_json_out *j, const char *key) {
    if (k->usage.break_at == 0) return;
    hl_json_open(j, key, '{');
    hl_json_add_int(j, "at", k->usage.break_at);
    add_piece(c, j, "was", k->usage.break_was);
    add_piece(c, j, "is", k->usage.break_is);
    hl_json_close(j, '}');
}

void hl_add_logprob(hl_completion *c, hl_choice *k, const hl_token_event *ev) {
    hl_json_out j = {.text = k->logprobs, .needs_comma = k->logprobs.len > 0};
    char        buf[HL_PIECE_BYTES];
    hl_json_open(&j, NULL, '{');
    add_token(&j, hl_event_piece(c, ev, buf), ev->logprob);
    hl_json_open(&j, "top_logprobs", '[');
    for (size_t i = 0; i < ev->n_top; i++) {
        hl_json_open(&j, NULL, '{');
        add_token(&j, hl_event_top_piece(c, ev, i, buf), ev->top[i].logprob);
        hl_json_close(&j, '}');
    }
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    k->logprobs = j.text;
}
