/* SPDX-License-Identifier: MIT
 *
 * runner_server.c - requests become POSTs, and lines of the responses become events (asking.h). The server
 * pauses a generation that is not read, and ends one whose connection is closed.
 */
#include "host/remote/runner_server.h"

#include <string.h>

#include "core/base/mem.h"
#include "host/remote/asking.h"
#include "host/resident.h"

enum { FIND_MS = 2000 };

typedef struct remote {
    hl_askings      askings; /* first */
    hl_server_place place;
    char           *model;
    int64_t         keep_ms;
    int32_t         n_batch; /* to be asked for each time, else the server loads another one; 0: its own */
    hl_runner_info  info;
} remote;

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
    if (r->want_logprobs || r->want_prompt_logprobs || r->n_top > 0 || r->suffix.len > 0 ||
        r->answer_prefix.len > 0 || r->continues_last || r->tool_choice != HL_TOOL_CHOICE_AUTO ||
        r->one_tool_call || r->sampling.n_bias > 0 || r->sampling.n_dry_breakers > 0 ||
        r->sampling.constraint)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "a server is not asked for log probabilities, a choice among tools, a suffix, the "
                       "answer's beginning, bias or a constraint this way");
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
    if (r->format.kind != HL_FORMAT_NONE) {
        hl_json_add_text(j, "format_kind", hl_format_name(r->format.kind));
        hl_json_add_view(j, "format_text", r->format.text.ptr ? r->format.text : hl_view_of(""));
    }
    add_think(j, r->think);
    add_keep(j, keep_ms);
    add_options(e, r, j);
    hl_json_add_int(j, "sampling_set", r->sampling_set);
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
    hl_str_init(&answer, HL_ASKING_MAX_BYTES);
    status = fail_gone(e, hl_http_ask(&call, &answer, &code, err), err);
    if (status == HL_OK && code >= 300)
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

static hl_view view_of(const json_t *text) {
    return (hl_view){json_is_string(text) ? json_string_value(text) : "", json_string_length(text)};
}

static hl_call_step step_of(const json_t *line) {
    if (json_is_string(json_object_get(line, "call"))) return HL_CALL_BEGIN;
    if (json_is_string(json_object_get(line, "arguments"))) return HL_CALL_ARGUMENTS;
    return json_is_boolean(json_object_get(line, "call_end")) ? HL_CALL_END : HL_CALL_NONE;
}

static bool push_call(hl_asking *a, const json_t *line) {
    hl_token_event ev = {.token = -1, .call_id = view_of(json_object_get(line, "id"))};
    ev.call = step_of(line);
    ev.text = view_of(json_object_get(line, ev.call == HL_CALL_BEGIN ? "call" : "arguments"));
    ev.is_cut = json_is_true(json_object_get(line, "call_end"));
    return hl_asking_push_event(a, &ev);
}

static bool push_text(hl_asking *a, const json_t *text, bool is_thinking) {
    return hl_asking_push(a, view_of(text), is_thinking);
}

/* One event. False: no more. */
static bool take_line(hl_asking *a, hl_view line) {
    json_t *json = NULL;
    a->status = hl_json_parse_any(line, "the server's answer", &json, &a->err);
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

/* ---- Its thread ---- */

static hl_status ask(hl_asking *a, hl_err *err) {
    remote *e = a->all->engine;
    char    url[sizeof e->place.url + 40];
    hl_str  refusal;
    int     code = 0;
    (void)snprintf(url, sizeof url, "%s/v1/runner/answer", e->place.url);
    hl_str_init(&refusal, HL_ASKING_MAX_BYTES);
    const hl_http_call call = {.method = "POST",
                               .url = url,
                               .unix_path = unix_path_of(&e->place),
                               .key = e->place.key,
                               .ca_file = e->place.ca_file,
                               .body = hl_str_view(&a->request.text),
                               .on_body = hl_asking_take_lines,
                               .is_over = hl_asking_is_over,
                               .user = a};
    hl_status          status = fail_gone(e, hl_http_ask(&call, &refusal, &code, err), err);
    if (status == HL_OK && code >= 300) {
        status = a->status = fail_refused(&refusal, code, &a->err);
        a->has_ended = true;
    }
    hl_str_done(&refusal);
    return status;
}

/* ---- The runner ---- */

static hl_status submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    remote    *e = engine;
    hl_asking *a = NULL;
    hl_status  status = hl_asking_new(&e->askings, r, g, &a, err);
    if (status != HL_OK) return status;
    status = write_request(e, r, e->keep_ms, &a->request, err);
    if (status == HL_OK) status = hl_asking_start(a, err);
    if (status != HL_OK) hl_asking_free(a);
    return status;
}

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
    hl_askings_done(&e->askings);
    hl_free(e->model);
    hl_free(e);
}

static const hl_runner_ops ops = {
    .submit = submit,
    .cancel = hl_askings_cancel,
    .pause = hl_askings_pause,
    .cancel_all = hl_askings_cancel_all,
    .render = render,
    .count = count,
    .get_info = get_info,
    .free = remote_free,
};

static remote *remote_new(const hl_server_place *place, const char *model, int64_t keep_ms) {
    remote *e = hl_new(1, sizeof *e);
    if (!e) return NULL;
    hl_askings_init(&e->askings, e);
    e->askings.ask = ask;
    e->askings.take_line = take_line;
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
