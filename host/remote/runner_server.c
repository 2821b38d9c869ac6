/* SPDX-License-Identifier: MIT
 *
 * runner_server.c - requests become POSTs, and lines of the responses become events.
 *
 * Each generation has a thread that waits for its response. One that is paused stops reading: the socket
 * fills, and the server pauses its own generation. One that is cancelled closes the connection, and the
 * server ends it.
 */
#include "host/remote/runner_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/data/json.h"
#include "core/data/json_out.h"
#include "core/net/http_client.h"
#include "host/resident.h"
#include "runner/runner_ops.h"

enum { MAX_LINE_BYTES = 64 << 20, LOOK_NS = 100 * 1000 * 1000, FIND_MS = 2000 };

typedef struct asking asking;

typedef struct remote {
    hl_server_place place;
    char           *model;
    int64_t         keep_ms;
    int32_t         n_batch; /* to be asked for each time, else the server loads another one; 0: its own */
    hl_runner_info  info;
    atomic_uint     n_stops; /* calls of hl_runner_stop() */
    pthread_mutex_t lock;    /* guards what is shared of each asking, and the list */
    pthread_cond_t  changed; /* some asking's is_cancelled or is_paused */
    asking         *first;
} remote;

/* One answer on its way. Its thread's alone, but for what stands last. */
struct asking {
    asking             *next;
    remote             *remote;
    hl_generation      *generation;
    hl_json_out         request;
    const volatile int *stop; /* what the asking thread watched; NULL: nothing */
    unsigned            n_stops;
    int64_t             began_ns, deadline_ns; /* INT64_MAX: none */
    hl_str              line;                  /* that has not come to its end */
    hl_usage            usage;
    hl_status           status; /* as a line of the response says it */
    hl_err              err;
    bool                has_ended; /* a line said so */
    pthread_t           thread;
    /* under the lock */
    bool is_cancelled, is_paused, is_done;
};

/* ---- What is asked ---- */

static void add_option(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    hl_json_out *j = user;
    (void)origin;
    if (id != HL_OPT_stop && id != HL_OPT_num_batch && id != HL_OPT_num_thread)
        hl_json_add_raw(j, name, value);
}

static void add_keep(hl_json_out *j, int64_t keep_ms) {
    if (keep_ms == HL_KEEP_FOREVER) hl_json_add_int(j, "keep_alive", -1);
    if (keep_ms >= 0) hl_json_add_real(j, "keep_alive", (double)keep_ms / 1e3);
}

static void add_think(hl_json_out *j, hl_think think) {
    if (think == HL_THINK_DEFAULT) return;
    if (hl_think_level(think))
        hl_json_add_text(j, "think", hl_think_level(think));
    else
        hl_json_add_bool(j, "think", think == HL_THINK_ON);
}

/* All options, by their names: nothing that is stored with the model counts beside them. */
static void add_options(const remote *e, const hl_request *r, hl_json_out *j) {
    hl_options o;
    hl_options_init(&o);
    o.sampling = r->sampling;
    o.num_predict = r->max_tokens;
    o.num_ctx = r->n_ctx;
    hl_json_open(j, "options", '{');
    hl_options_each(&o, add_option, j);
    if (e->n_batch > 0) hl_json_add_int(j, "num_batch", e->n_batch);
    hl_json_open(j, "stop", '[');
    for (size_t i = 0; i < r->n_stops; i++) hl_json_add_text(j, NULL, r->stops[i]);
    hl_json_close(j, ']');
    hl_json_close(j, '}');
    hl_options_done(&o);
}

static hl_status check_request(const hl_request *r, hl_err *err) {
    if (r->max_tokens < -1)
        return hl_fail(err, HL_E_ARG, "max_tokens is %d, expected -1 or more", (int)r->max_tokens);
    if (r->want_logprobs || r->n_top > 0 || r->suffix.len > 0 || r->answer_prefix.len > 0 ||
        r->continues_last || r->tool_choice != HL_TOOL_CHOICE_AUTO || r->one_tool_call ||
        r->sampling.n_bias > 0 || r->sampling.n_dry_breakers > 0 || r->sampling.constraint)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "a server is not asked for log probabilities, a choice among tools, a suffix, the "
                       "answer's beginning, bias or a grammar this way");
    if (!r->messages_json && !hl_utf8_is_valid(r->prompt.ptr ? r->prompt.ptr : "", r->prompt.len))
        return hl_fail(err, HL_E_UNSUPPORTED, "the prompt is no UTF-8, and a server is sent nothing else");
    return HL_OK;
}

static hl_status write_request(const remote *e, const hl_request *r, int64_t keep_ms, hl_json_out *j,
                               hl_err *err) {
    hl_status status = check_request(r, err);
    if (status != HL_OK) return status;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "model", e->model);
    if (r->messages_json)
        hl_json_add_raw(j, "messages", r->messages_json);
    else
        hl_json_add_view(j, "prompt", r->prompt.ptr ? r->prompt : hl_view_of(""));
    if (r->tools_json) hl_json_add_raw(j, "tools", r->tools_json);
    if (r->raw) hl_json_add_bool(j, "raw", true);
    if (r->template_text) hl_json_add_text(j, "template", r->template_text);
    if (r->speculate == HL_SPECULATE_OFF) hl_json_add_text(j, "speculate", "off");
    add_think(j, r->think);
    add_keep(j, keep_ms);
    add_options(e, r, j);
    hl_json_close(j, '}');
    return hl_str_check(&j->text, "request", err);
}

/* ---- What comes back ---- */

static hl_status status_named(const char *name) {
    for (int i = HL_OK + 1; name && i <= HL_E_INTERNAL; i++)
        if (strcmp(hl_status_name((hl_status)i), name) == 0) return (hl_status)i;
    return HL_E_NET;
}

/* HL_OK: it is no error. */
static hl_status take_error(const json_t *answer, hl_err *err) {
    const char *text = hl_json_text(answer, "error");
    return text ? hl_fail(err, status_named(hl_json_text(answer, "status")), "%s", text) : HL_OK;
}

/* A response that is an error, whatever it looks like. */
static hl_status fail_refused(const hl_str *body, int code, hl_err *err) {
    json_t   *json = NULL;
    hl_status status = HL_OK;
    if (hl_json_parse_any(hl_str_view(body), "answer", &json, NULL) == HL_OK) status = take_error(json, err);
    json_decref(json);
    return status != HL_OK ? status : hl_fail(err, HL_E_NET, "the server answers with status %d", code);
}

static const char *unix_path_of(const hl_server_place *p) { return p->unix_path[0] ? p->unix_path : NULL; }

/* In words that say what that means here. */
static hl_status fail_gone(const remote *e, hl_status status, hl_err *err) {
    if (status != HL_E_NET || !err) return status;
    const hl_err why = *err;
    return hl_fail(err, HL_E_NET, "the server at %s is gone: %s", e->place.url, why.text);
}

static hl_status post(const remote *e, const char *path, const hl_str *body, json_t **ret, hl_err *err) {
    char      url[sizeof e->place.url + 40];
    hl_str    answer;
    int       code = 0;
    hl_status status = HL_OK;
    (void)snprintf(url, sizeof url, "%s%s", e->place.url, path);
    const hl_http_call call = {.method = "POST",
                               .url = url,
                               .unix_path = unix_path_of(&e->place),
                               .key = e->place.key,
                               .ca_file = e->place.ca_file,
                               .body = hl_str_view(body)};
    hl_str_init(&answer, MAX_LINE_BYTES);
    status = fail_gone(e, hl_http_ask(&call, &answer, &code, err), err);
    if (status == HL_OK && code >= 400)
        status = fail_refused(&answer, code, err);
    else if (status == HL_OK)
        status = hl_json_parse_any(hl_str_view(&answer), "the server's answer", ret, err);
    hl_str_done(&answer);
    return status;
}

static void take_usage(const json_t *u, hl_usage *ret) {
    ret->end = (hl_end)hl_json_int(u, "end", HL_END_STOP);
#define HL_USAGE_FIELD(name) ret->name = (__typeof__(ret->name))hl_json_int(u, #name, 0);
#include "host/remote/usage_fields.def"
#undef HL_USAGE_FIELD
}

/* Is the answer of no use to anybody any more? */
static bool is_over(void *user) {
    asking *a = user;
    remote *e = a->remote;
    (void)pthread_mutex_lock(&e->lock);
    const bool is_cancelled = a->is_cancelled;
    (void)pthread_mutex_unlock(&e->lock);
    return is_cancelled || hl_stop_is_set(a->stop) || atomic_load(&e->n_stops) != a->n_stops ||
           hl_clock_ns() >= a->deadline_ns;
}

/* False: it is over meanwhile. */
static bool wait_for_reader(asking *a) {
    remote *e = a->remote;
    bool    is_paused = true;
    while (is_paused) {
        if (is_over(a)) return false;
        (void)pthread_mutex_lock(&e->lock);
        if (a->is_paused && !a->is_cancelled) {
            const int64_t         until = hl_clock_ns() + LOOK_NS;
            const struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
            (void)pthread_cond_timedwait(&e->changed, &e->lock, &t);
        }
        is_paused = a->is_paused;
        (void)pthread_mutex_unlock(&e->lock);
    }
    return true;
}

static hl_view view_of(const json_t *text) {
    return (hl_view){json_is_string(text) ? json_string_value(text) : "", json_string_length(text)};
}

static hl_call_step step_of(const json_t *line) {
    if (json_is_string(json_object_get(line, "call"))) return HL_CALL_BEGIN;
    if (json_is_string(json_object_get(line, "arguments"))) return HL_CALL_ARGUMENTS;
    return json_is_boolean(json_object_get(line, "call_end")) ? HL_CALL_END : HL_CALL_NONE;
}

static bool push_call(asking *a, const json_t *line) {
    hl_token_event ev = {.token = -1, .call_id = view_of(json_object_get(line, "id"))};
    ev.call = step_of(line);
    ev.text = view_of(json_object_get(line, ev.call == HL_CALL_BEGIN ? "call" : "arguments"));
    ev.is_cut = json_is_true(json_object_get(line, "call_end"));
    return wait_for_reader(a) && hl_generation_push(a->generation, &ev);
}

static bool push_text(asking *a, const json_t *text, bool is_thinking) {
    const hl_token_event ev = {.text = view_of(text), .is_thinking = is_thinking, .token = -1};
    if (!wait_for_reader(a)) return false;
    a->usage.answer_tokens++; /* until the server says how many there were */
    if (a->usage.first_token_ns == 0) a->usage.first_token_ns = hl_clock_ns() - a->began_ns;
    return hl_generation_push(a->generation, &ev);
}

/* One event. False: no more. */
static bool take_line(asking *a) {
    json_t *json = NULL;
    a->status = hl_json_parse_any(hl_str_view(&a->line), "the server's answer", &json, &a->err);
    if (a->status == HL_OK) a->status = take_error(json, &a->err);
    const json_t *usage = json_object_get(json, "usage"), *text = json_object_get(json, "text");
    const json_t *thinking = json_object_get(json, "thinking");
    bool          go_on = a->status == HL_OK;
    a->has_ended = !go_on || usage;
    if (go_on && usage)
        take_usage(usage, &a->usage);
    else if (go_on && step_of(json) != HL_CALL_NONE)
        go_on = push_call(a, json);
    else if (go_on && (json_is_string(text) || json_is_string(thinking)))
        go_on = push_text(a, json_is_string(text) ? text : thinking, !json_is_string(text));
    json_decref(json);
    return go_on;
}

static bool take_bytes(void *user, hl_view bytes) {
    asking *a = user;
    for (const char *at = bytes.ptr, *end = at + bytes.len; at < end && !a->has_ended;) {
        const char  *line_end = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((line_end ? line_end : end) - at);
        hl_str_add(&a->line, at, n);
        at += n + 1;
        if (a->line.failed || (line_end && a->line.len > 0 && !take_line(a))) return false;
        if (line_end) hl_str_clear(&a->line);
    }
    return true;
}

/* ---- Its thread ---- */

static void end_generation(asking *a, hl_status status, const hl_err *err) {
    const bool is_late = hl_clock_ns() >= a->deadline_ns;
    hl_err     why = err ? *err : (hl_err){0};
    if (a->has_ended)
        status = a->status, why = a->err;
    else if (a->line.failed)
        status = hl_str_check(&a->line, "the server's answer", &why);
    else if (status == HL_OK)
        status = hl_fail(&why, HL_E_NET, "the server's answer has no end");
    if (!a->has_ended && status == HL_E_CANCEL) {
        a->usage.end = is_late ? HL_END_TIMEOUT : HL_END_CANCEL;
        a->usage.total_ns = hl_clock_ns() - a->began_ns;
        status = HL_OK;
    }
    hl_generation_end(a->generation, status, &a->usage, &why);
}

static void *ask(void *user) {
    asking *a = user;
    remote *e = a->remote;
    char    url[sizeof e->place.url + 40];
    hl_str  refusal;
    hl_err  err = {0};
    int     code = 0;
    (void)snprintf(url, sizeof url, "%s/v1/runner/answer", e->place.url);
    hl_str_init(&refusal, MAX_LINE_BYTES);
    const hl_http_call call = {.method = "POST",
                               .url = url,
                               .unix_path = unix_path_of(&e->place),
                               .key = e->place.key,
                               .ca_file = e->place.ca_file,
                               .body = hl_str_view(&a->request.text),
                               .on_body = take_bytes,
                               .is_over = is_over,
                               .user = a};
    hl_status          status = fail_gone(e, hl_http_ask(&call, &refusal, &code, &err), &err);
    if (status == HL_OK && code >= 400) {
        status = fail_refused(&refusal, code, &err);
        a->has_ended = true;
        a->status = status;
        a->err = err;
    }
    end_generation(a, status, &err);
    hl_str_done(&refusal);
    (void)pthread_mutex_lock(&e->lock);
    a->is_done = true;
    (void)pthread_mutex_unlock(&e->lock);
    return NULL;
}

static void asking_free(asking *a) {
    hl_json_done(&a->request);
    hl_str_done(&a->line);
    hl_free(a);
}

/* Take those off the list that have ended; or all, after waiting for them. */
static void reap(remote *e, bool all) {
    (void)pthread_mutex_lock(&e->lock);
    for (asking **at = &e->first; *at;) {
        asking *a = *at;
        if (!a->is_done && !all) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        (void)pthread_mutex_unlock(&e->lock);
        (void)pthread_join(a->thread, NULL);
        asking_free(a);
        (void)pthread_mutex_lock(&e->lock);
        at = &e->first; /* the list may be another one now */
    }
    (void)pthread_mutex_unlock(&e->lock);
}

/* ---- The runner ---- */

/* Signals are the main thread's. */
static hl_status start(remote *e, asking *a, hl_err *err) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_mutex_lock(&e->lock);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&a->thread, NULL, ask, a);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        a->next = e->first;
        e->first = a;
    }
    (void)pthread_mutex_unlock(&e->lock);
    return rc == 0 ? HL_OK : hl_fail(err, HL_E_NOMEM, "answer: the system gives no thread");
}

static hl_status submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    remote *e = engine;
    asking *a = hl_new(1, sizeof *a);
    if (!a) return hl_fail(err, HL_E_NOMEM, "answer: no memory");
    reap(e, false);
    a->remote = e;
    a->generation = g;
    a->stop = hl_stop_watched();
    a->n_stops = atomic_load(&e->n_stops);
    a->began_ns = hl_clock_ns();
    a->deadline_ns = r->timeout_ms > 0 ? a->began_ns + r->timeout_ms * 1000000 : INT64_MAX;
    hl_json_init(&a->request);
    hl_str_init(&a->line, MAX_LINE_BYTES);
    hl_generation_set_data(g, a);
    hl_status status = write_request(e, r, e->keep_ms, &a->request, err);
    if (status == HL_OK) status = start(e, a, err);
    if (status != HL_OK) asking_free(a);
    return status;
}

static void cancel(void *engine, hl_generation *g) {
    remote *e = engine;
    (void)pthread_mutex_lock(&e->lock);
    ((asking *)hl_generation_data(g))->is_cancelled = true;
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
}

static void pause_reading(void *engine, hl_generation *g, bool paused) {
    remote *e = engine;
    (void)pthread_mutex_lock(&e->lock);
    ((asking *)hl_generation_data(g))->is_paused = paused;
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
}

static void cancel_all(void *engine) { atomic_fetch_add(&((remote *)engine)->n_stops, 1); }

static hl_status render(void *engine, const hl_request *r, char **ret_text, size_t *ret_n, hl_err *err) {
    (void)engine, (void)r, (void)ret_text, (void)ret_n;
    return hl_fail(err, HL_E_UNSUPPORTED, "the server does not show its prompts");
}

static hl_status count(void *engine, const hl_request *r, int32_t *ret_tokens, hl_err *err) {
    const remote *e = engine;
    hl_json_out   j;
    json_t       *answer = NULL;
    hl_json_init(&j);
    hl_status status = write_request(e, r, HL_KEEP_DEFAULT, &j, err);
    if (status == HL_OK) status = post(e, "/v1/runner/count", &j.text, &answer, err);
    if (status == HL_OK) *ret_tokens = (int32_t)hl_json_int(answer, "tokens", 0);
    json_decref(answer);
    hl_json_done(&j);
    return status;
}

static void get_info(void *engine, hl_runner_info *ret_info) { *ret_info = ((remote *)engine)->info; }

static void remote_free(void *engine) {
    remote *e = engine;
    if (!e) return;
    cancel_all(e);
    reap(e, true);
    (void)pthread_cond_destroy(&e->changed);
    (void)pthread_mutex_destroy(&e->lock);
    hl_free(e->model);
    hl_free(e);
}

static const hl_runner_ops ops = {
    .submit = submit,
    .cancel = cancel,
    .pause = pause_reading,
    .cancel_all = cancel_all,
    .render = render,
    .count = count,
    .get_info = get_info,
    .free = remote_free,
};

static remote *remote_new(const hl_server_place *place, const char *model, int64_t keep_ms) {
    remote *e = hl_new(1, sizeof *e);
    if (!e) return NULL;
    (void)pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&e->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    e->place = *place;
    e->keep_ms = keep_ms;
    e->model = hl_strdup(model);
    if (e->model) return e;
    remote_free(e);
    return NULL;
}

static hl_status load(remote *e, const hl_options *options, int64_t *ret_load_ns, hl_err *err) {
    hl_json_out j;
    json_t     *answer = NULL;
    if (options->origin[HL_OPT_num_batch] == HL_FROM_REQUEST) e->n_batch = options->num_batch;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", e->model);
    hl_json_open(&j, "options", '{');
    if (options->num_ctx > 0) hl_json_add_int(&j, "num_ctx", options->num_ctx);
    if (e->n_batch > 0) hl_json_add_int(&j, "num_batch", e->n_batch);
    hl_json_close(&j, '}');
    hl_json_close(&j, '}');
    hl_status status = hl_str_check(&j.text, "request", err);
    if (status == HL_OK) status = post(e, "/v1/runner/load", &j.text, &answer, err);
    if (status == HL_OK) {
        e->info = (hl_runner_info){.kind = "server",
                                   .n_ctx = (int32_t)hl_json_int(answer, "n_ctx", 0),
                                   .n_ctx_cap = (int32_t)hl_json_int(answer, "n_ctx_cap", 0),
                                   .n_ctx_train = (int32_t)hl_json_int(answer, "n_ctx_train", 0),
                                   .has_template = hl_json_bool(answer, "has_template", false)};
        *ret_load_ns = hl_json_int(answer, "load_ns", 0);
        if (e->info.n_ctx <= 0 || e->info.n_ctx_cap < e->info.n_ctx)
            status = hl_fail(err, HL_E_NET, "the server's answer makes no sense: a context of %d tokens",
                             (int)e->info.n_ctx);
    }
    json_decref(answer);
    hl_json_done(&j);
    return status;
}

hl_status hl_runner_server_new(const hl_server_place *place, const char *model, const hl_options *options,
                               int64_t keep_ms, hl_runner **ret_runner, int64_t *ret_load_ns, hl_err *err) {
    remote *e = remote_new(place, model, keep_ms);
    if (!e) return hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", model);
    hl_status  status = load(e, options, ret_load_ns, err);
    hl_runner *runner = status == HL_OK ? hl_runner_make(&ops, e) : NULL;
    if (runner)
        *ret_runner = runner;
    else
        remote_free(e);
    if (status == HL_OK && !runner) return hl_fail(err, HL_E_NOMEM, "model '%.100s': no memory", model);
    return status;
}

bool hl_server_find(const char *address, const char *key, const char *ca_file, const char *fingerprint,
                    hl_server_place *ret_place, int *ret_code) {
    hl_server_place place = {.ca_file = ca_file};
    const char     *path = hl_http_unix_path(address);
    char            url[sizeof place.url + 40];
    hl_str          answer;
    json_t         *json = NULL;
    int             code = 0;
    bool            is_ours = false;
    if (ret_code) *ret_code = 0;
    if (hl_http_base_url(address, place.url, sizeof place.url, NULL) != HL_OK ||
        (path &&
         snprintf(place.unix_path, sizeof place.unix_path, "%s", path) >= (int)sizeof place.unix_path) ||
        (key && snprintf(place.key, sizeof place.key, "%s", key) >= (int)sizeof place.key))
        return false;
    (void)snprintf(url, sizeof url, "%s/api/version", place.url);
    const hl_http_call call = {.method = "GET",
                               .url = url,
                               .unix_path = unix_path_of(&place),
                               .key = place.key,
                               .ca_file = ca_file,
                               .total_ms = FIND_MS};
    hl_str_init(&answer, 1 << 16);
    if (hl_http_ask(&call, &answer, &code, NULL) == HL_OK && code == 200 &&
        hl_json_parse(hl_str_view(&answer), "answer", &json, NULL) == HL_OK) {
        const char *version = hl_json_text(json, "hyperlama"), *store = hl_json_text(json, "store");
        is_ours = version && store && strcmp(version, hl_version()) == 0 && strcmp(store, fingerprint) == 0;
    }
    json_decref(json);
    hl_str_done(&answer);
    if (ret_code) *ret_code = code;
    if (is_ours) *ret_place = place;
    return is_ours;
}
