/* SPDX-License-Identifier: MIT
 *
 * conversation.c - what is asked of a model, and what is kept of it.
 */
#include "host/conversation.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "hyperlama/native.h"

enum { MAX_TEXT_BYTES = 256 << 20, ROOM_TOKENS = 256 };

void hl_conversation_init(hl_conversation *c, const hl_config *settings, const hl_events *events) {
    *c = (hl_conversation){.events = events, .keep_ms = HL_KEEP_DEFAULT};
    hl_options_init(&c->asked);
    hl_options_read_settings(&c->asked, settings);
    hl_options_init(&c->options);
}

static void free_message(hl_message *m) {
    hl_free(m->role);
    hl_free(m->content);
}

void hl_conversation_clear(hl_conversation *c) {
    for (size_t i = 0; i < c->n_messages; i++) free_message(&c->messages[i]);
    c->n_messages = c->n_left_out = 0;
}

static void close_model(hl_conversation *c) {
    hl_runner_free(c->own_runner);
    if (c->host) hl_host_release(c->host, c->resident, c->keep_ms);
    hl_source_free(c->source);
}

void hl_conversation_done(hl_conversation *c) {
    close_model(c);
    hl_conversation_clear(c);
    hl_free(c->messages);
    hl_free(c->system);
    hl_free(c->template_text);
    hl_free(c->tools);
    hl_options_done(&c->asked);
    hl_options_done(&c->options);
}

/* ---- Options ---- */

hl_status hl_conversation_options(const hl_conversation *c, const hl_stored_model *stored,
                                  hl_options *ret_options, hl_err *err) {
    hl_options o;
    hl_options_init(&o);
    if (stored) hl_options_read_stored(&o, stored, c->events);
    const hl_status status = hl_options_merge(&o, &c->asked, err);
    if (status != HL_OK)
        hl_options_done(&o);
    else
        *ret_options = o;
    return status;
}

/* A context may be longer than what the model was trained for, but nothing else tells why answers get
 * worse. */
static void note_long_context(const hl_conversation *c, int32_t n_ctx_train) {
    if (n_ctx_train <= 0 || c->n_ctx <= n_ctx_train) return;
    hl_event(
        c->events, HL_LOG_WARN, "host", "context-above-training",
        "why=\"the context of %d tokens is longer than the %d that the model was trained for: answers get "
        "worse behind that place\"",
        (int)c->n_ctx, (int)n_ctx_train);
}

/* The context that is asked for, if the runner can have it. */
static void choose_ctx(hl_conversation *c) {
    const int32_t  n_asked = c->options.num_ctx, n_before = c->n_ctx;
    hl_runner_info info;
    if (!c->runner) return;
    hl_runner_get_info(c->runner, &info);
    if (n_asked <= info.n_ctx_cap) c->n_ctx = n_asked;
    if (c->n_ctx == 0) c->n_ctx = info.n_ctx_cap; /* as a server has it: the cache grows with what is said */
    if (c->n_ctx == n_before) return;
    c->n_left_out = 0;
    note_long_context(c, info.n_ctx_train);
}

bool hl_conversation_waits_for_open(const hl_conversation *c, hl_opt id) {
    if (id == HL_OPT_num_ctx) return c->options.num_ctx > 0 && c->options.num_ctx != c->n_ctx;
    return id == HL_OPT_num_thread || id == HL_OPT_num_batch;
}

static hl_status refresh_options(hl_conversation *c, hl_err *err) {
    hl_options            now;
    const hl_conversation quiet = {.asked = c->asked}; /* what the model has was judged when it came */
    const hl_status       status = hl_conversation_options(&quiet, c->stored, &now, err);
    if (status != HL_OK) return status;
    hl_options_done(&c->options);
    c->options = now;
    choose_ctx(c);
    return HL_OK;
}

hl_status hl_conversation_add_option(hl_conversation *c, const char *name, const char *value, hl_err *err) {
    const hl_status status = hl_options_set(&c->asked, HL_FROM_REQUEST, name, value, err);
    return status == HL_OK ? refresh_options(c, err) : status;
}

hl_status hl_conversation_set_option(hl_conversation *c, const char *name, const char *const *values,
                                     size_t n, hl_err *err) {
    const hl_opt id = hl_opt_find(name);
    hl_options   probe;
    hl_status    status = HL_OK;
    hl_options_init(&probe);
    for (size_t i = 0; i < n && status == HL_OK; i++)
        status = hl_options_set(&probe, HL_FROM_REQUEST, name, values[i], err);
    if (status == HL_OK && n != 1 && id != HL_OPT_stop)
        status = hl_fail(err, HL_E_ARG, "option %s: %zu values, expected one", name, n);
    if (status == HL_OK) {
        hl_options_unset(&c->asked, HL_FROM_REQUEST, id);
        status = hl_options_merge(&c->asked, &probe, err);
    }
    hl_options_done(&probe);
    return status == HL_OK ? refresh_options(c, err) : status;
}

/* ---- The model, and texts that are given ---- */

static char *copy_text(hl_view text) { return hl_strndup(text.ptr ? text.ptr : "", text.len); }

hl_status hl_conversation_add(hl_conversation *c, const char *role, hl_view content, hl_err *err) {
    if (c->n_messages == c->messages_cap) {
        const size_t cap = c->messages_cap ? 2 * c->messages_cap : 16;
        hl_message  *grown = hl_resize(c->messages, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "conversation: no memory");
        c->messages = grown;
        c->messages_cap = cap;
    }
    hl_message m = {.role = hl_strdup(role), .content = copy_text(content), .len = content.len};
    if (!m.role || !m.content) {
        free_message(&m);
        return hl_fail(err, HL_E_NOMEM, "conversation: no memory");
    }
    c->messages[c->n_messages++] = m;
    return HL_OK;
}

hl_status hl_conversation_begin(hl_conversation *c, hl_runner *runner, const hl_stored_model *stored,
                                hl_err *err) {
    hl_conversation next = {.asked = c->asked, .events = c->events};
    hl_runner_info  info;
    hl_status       status = hl_conversation_options(c, stored, &next.options, err);
    for (size_t i = 0; status == HL_OK && stored && i < stored->n_messages; i++)
        status = hl_conversation_add(&next, stored->messages[i].role, stored->messages[i].content, err);
    hl_conversation *gone = status == HL_OK ? c : &next;
    hl_conversation_clear(gone);
    hl_free(gone->messages);
    hl_options_done(&gone->options);
    if (status != HL_OK) return status;
    c->options = next.options;
    c->messages = next.messages;
    c->n_messages = next.n_messages;
    c->messages_cap = next.messages_cap;
    hl_runner_get_info(runner, &info);
    c->runner = runner;
    c->stored = stored;
    c->has_template = info.has_template || (stored && stored->template_text && stored->template_text[0]);
    c->n_ctx = 0;
    choose_ctx(c);
    return HL_OK;
}

/* Who answers from now on, instead of who did. */
static void take_model(hl_conversation *c, hl_host *h, hl_source *source) {
    close_model(c);
    c->host = h;
    c->source = source;
    c->resident = NULL;
    c->own_runner = NULL;
}

hl_status hl_conversation_open_source(hl_conversation *c, hl_host *h, hl_source *source, hl_err *err) {
    hl_resident *resident = NULL;
    hl_options   options;
    hl_status    status = hl_conversation_options(c, source->stored, &options, err);
    if (status == HL_OK) {
        status = hl_host_acquire(h, source, &options, &resident, err);
        hl_options_done(&options);
    }
    if (status == HL_OK) status = hl_conversation_begin(c, hl_resident_runner(resident), source->stored, err);
    if (status != HL_OK) {
        hl_host_release(h, resident, c->keep_ms);
        return status;
    }
    take_model(c, h, source);
    c->resident = resident;
    c->load_ns = hl_resident_load_ns(resident);
    return HL_OK;
}

hl_status hl_conversation_open_server(hl_conversation *c, hl_host *h, hl_source *source,
                                      const hl_server_place *place, hl_err *err) {
    hl_runner *runner = NULL;
    hl_options options;
    int64_t    load_ns = 0;
    hl_status  status = hl_conversation_options(c, source->stored, &options, err);
    if (status == HL_OK) {
        status = hl_runner_server_new(place, source->label, &options, c->keep_ms, &runner, &load_ns, err);
        hl_options_done(&options);
    }
    if (status == HL_OK) status = hl_conversation_begin(c, runner, source->stored, err);
    if (status != HL_OK) {
        hl_runner_free(runner);
        return status;
    }
    take_model(c, h, source);
    c->own_runner = runner;
    c->load_ns = load_ns;
    return HL_OK;
}

hl_status hl_conversation_open(hl_conversation *c, hl_host *h, const char *model, hl_err *err) {
    hl_source *source = NULL;
    hl_status  status = hl_host_find(h, model, HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_conversation_open_source(c, h, source, err);
    if (status != HL_OK) hl_source_free(source);
    return status;
}

hl_status hl_conversation_set_template(hl_conversation *c, hl_view text, hl_err *err) {
    const hl_status status = hl_view_check_nul(text, "template", err);
    if (status != HL_OK) return status;
    char *copy = copy_text(text);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_free(c->template_text);
    c->template_text = copy;
    return HL_OK;
}

hl_status hl_conversation_set_tools(hl_conversation *c, hl_view text, hl_err *err) {
    const hl_status status = hl_view_check_nul(text, "tools", err);
    if (status != HL_OK) return status;
    char *copy = copy_text(text);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "tools: no memory");
    hl_free(c->tools);
    c->tools = copy;
    return HL_OK;
}

bool hl_conversation_has_template(const hl_conversation *c) {
    return !c->raw && (c->template_text || c->has_template);
}

bool hl_conversation_keeps_template(const hl_conversation *c) {
    const hl_request   r = {.template_text = c->template_text};
    hl_template_choice choice;
    hl_chat_choose_template(NULL, &r, &choice);
    return choice.kind == HL_TEMPLATE_GO;
}

static bool is_system(const char *role) {
    return strcmp(role, "system") == 0 || strcmp(role, "developer") == 0;
}

hl_view hl_conversation_system(const hl_conversation *c) {
    if (c->system) return (hl_view){c->system, c->system_len};
    const bool has_own = c->n_messages > 0 && is_system(c->messages[0].role);
    return hl_view_of(c->stored && !has_own ? c->stored->system : NULL);
}

/* ---- What is asked ---- */

static void add_json(hl_str *s, const char *role, hl_view content) {
    hl_str_add_text(s, s->len > 1 ? ",{\"role\":" : "{\"role\":");
    hl_str_add_json(s, hl_view_of(role));
    hl_str_add_text(s, ",\"content\":");
    hl_str_add_json(s, content);
    hl_str_add_char(s, '}');
}

static hl_view content_of(const hl_message *m) { return (hl_view){m->content, m->len}; }

/* The conversation without its first `n_left_out` messages (system messages among them stay), as the runner
 * wants it: JSON, or plain text for a model without a template. */
static void write_prompt(const hl_conversation *c, size_t n_left_out, hl_str *s) {
    const hl_view system = c->raw ? (hl_view){0} : hl_conversation_system(c);
    const bool    as_json = hl_conversation_has_template(c);
    hl_str_clear(s);
    if (as_json) hl_str_add_char(s, '[');
    if (as_json && system.len > 0) add_json(s, "system", system);
    if (!as_json && system.len > 0) hl_str_add_view(s, system);
    bool is_first = system.len == 0;
    for (size_t i = 0; i < c->n_messages; i++) {
        const hl_message *m = &c->messages[i];
        if (i < n_left_out && !is_system(m->role)) continue;
        if (as_json) {
            add_json(s, m->role, content_of(m));
        } else {
            if (!is_first) hl_str_add_char(s, '\n');
            hl_str_add_view(s, content_of(m));
        }
        is_first = false;
    }
    if (as_json) hl_str_add_char(s, ']');
}

static void fill_request(const hl_conversation *c, const hl_str *prompt, hl_request *r) {
    hl_request_init(r);
    if (hl_conversation_has_template(c))
        r->messages_json = hl_str_text(prompt);
    else
        r->prompt = hl_str_view(prompt);
    r->raw = c->raw;
    r->model_name = c->source ? c->source->label : NULL;
    r->template_text = c->template_text;
    r->stored_template = c->stored ? c->stored->template_text : NULL;
    r->tools_json = c->raw ? NULL : c->tools;
    r->think = c->think;
    r->format = c->format;
    r->speculate = c->speculate;
    r->sampling = c->options.sampling;
    r->sampling_set = hl_options_sampling_set(&c->options);
    r->stops = (const char *const *)c->options.stops;
    r->n_stops = c->options.n_stops;
    r->max_tokens = c->options.num_predict < 0 ? -1 : c->options.num_predict;
    r->n_ctx = c->n_ctx;
}

static hl_status write_request(const hl_conversation *c, size_t n_left_out, hl_str *prompt, hl_request *r,
                               int32_t *ret_tokens, hl_err *err) {
    write_prompt(c, n_left_out, prompt);
    const hl_status status = hl_str_check(prompt, "conversation", err);
    if (status != HL_OK) return status;
    fill_request(c, prompt, r);
    return hl_runner_count(c->runner, r, ret_tokens, err);
}

/* Where the turn behind the one at `from` begins; n_messages: the last turn, the question's, begins at or
 * before it. */
static size_t next_turn(const hl_conversation *c, size_t from) {
    size_t i = from + 1;
    while (i < c->n_messages && strcmp(c->messages[i].role, "user") != 0) i++;
    return i;
}

/* How much of the context the answer should find free. */
static int32_t room_of(const hl_conversation *c) {
    const int32_t n_ctx = c->n_ctx, n_wanted = c->options.num_predict;
    const int32_t room = n_ctx / 4 < ROOM_TOKENS ? n_ctx / 4 : ROOM_TOKENS;
    return n_wanted >= 0 && n_wanted < room ? n_wanted : room;
}

/* Leave out turns until prompt and answer fit. *ret_left_out is how many messages had to go. */
static hl_status fit_context(const hl_conversation *c, hl_str *prompt, hl_request *r, size_t *ret_left_out,
                             size_t *ret_turns, hl_err *err) {
    const int32_t n_ctx = c->n_ctx, room = room_of(c);
    size_t        n_left_out = c->n_left_out, n_turns = 0;
    for (;;) {
        int32_t         n = 0;
        const hl_status status = write_request(c, n_left_out, prompt, r, &n, err);
        if (status != HL_OK) return status;
        const size_t next = next_turn(c, n_left_out);
        if (n + room > n_ctx && next < c->n_messages) {
            n_left_out = next;
            n_turns++;
            continue;
        }
        if (n >= n_ctx)
            return hl_fail(err, HL_E_FULL,
                           "the prompt has %" PRId32 " tokens; the context of %" PRId32
                           " has room for %" PRId32 " and an answer (--ctx, num_ctx)",
                           n, n_ctx, n_ctx - 1);
        *ret_left_out = n_left_out;
        *ret_turns = n_turns;
        return HL_OK;
    }
}

hl_status hl_conversation_set_system(hl_conversation *c, hl_view text, hl_err *err) {
    char *copy = text.ptr ? copy_text(text) : NULL;
    if (!copy && text.ptr) return hl_fail(err, HL_E_NOMEM, "system text: no memory");
    /* Does a question still fit behind it? */
    hl_message      none = {.role = (char[]){"user"}, .content = (char[]){""}};
    hl_conversation probe = *c;
    hl_str          prompt;
    hl_request      r;
    size_t          n_left_out = 0, n_turns = 0;
    hl_status       status = HL_OK;
    probe.system = copy;
    probe.system_len = text.len;
    probe.messages = &none;
    probe.n_messages = 1;
    probe.n_left_out = 0;
    hl_str_init(&prompt, MAX_TEXT_BYTES);
    if (c->runner && text.len > 0) status = fit_context(&probe, &prompt, &r, &n_left_out, &n_turns, err);
    hl_str_done(&prompt);
    if (status != HL_OK) {
        hl_free(copy);
        return status == HL_E_FULL ? hl_fail_within(err, status, "system text") : status;
    }
    hl_free(c->system);
    c->system = copy;
    c->system_len = text.len;
    return HL_OK;
}

/* ---- What is kept ---- */

typedef struct listener {
    hl_reply    *reply;
    hl_token_fn *on_token;
    void        *user;
} listener;

/* {"name", "arguments"} */
static void take_call(hl_reply *r, const hl_token_event *ev) {
    if (ev->call == HL_CALL_BEGIN) {
        hl_str_clear(&r->arguments);
        hl_str_add_text(&r->calls, "{\"name\":");
        hl_str_add_json(&r->calls, ev->text);
        hl_str_add_text(&r->calls, ",\"arguments\":");
    } else if (ev->call == HL_CALL_ARGUMENTS) {
        hl_str_add_view(&r->arguments, ev->text);
    } else {
        if (ev->is_cut)
            hl_str_add_json(&r->calls, hl_str_view(&r->arguments));
        else
            hl_str_add_view(&r->calls, hl_str_view(&r->arguments));
        hl_str_add_text(&r->calls, ev->is_cut ? ",\"is_cut\":true}\n" : "}\n");
    }
    r->calls.failed |= r->arguments.failed;
}

static bool listen(void *user, const hl_token_event *ev) {
    listener *l = user;
    hl_str   *to = ev->call ? &l->reply->calls : ev->is_thinking ? &l->reply->thought : &l->reply->said;
    if (ev->call)
        take_call(l->reply, ev);
    else
        hl_str_add_view(to, ev->text);
    return !to->failed && (!l->on_token || l->on_token(l->user, ev));
}

static void drop_last(hl_conversation *c) { free_message(&c->messages[--c->n_messages]); }

hl_status hl_conversation_ask(hl_conversation *c, hl_view question, hl_token_fn *on_token, void *user,
                              hl_reply *ret_reply, hl_err *err) {
    hl_request r;
    hl_str     prompt;
    listener   l = {ret_reply, on_token, user};
    size_t     n_left_out = 0;
    *ret_reply = (hl_reply){0};
    hl_str_init(&ret_reply->said, MAX_TEXT_BYTES);
    hl_str_init(&ret_reply->thought, MAX_TEXT_BYTES);
    hl_str_init(&ret_reply->calls, MAX_TEXT_BYTES);
    hl_str_init(&ret_reply->arguments, MAX_TEXT_BYTES);
    hl_status status = hl_conversation_add(c, "user", question, err);
    if (status != HL_OK) return status;
    hl_str_init(&prompt, MAX_TEXT_BYTES);
    status = fit_context(c, &prompt, &r, &n_left_out, &ret_reply->n_turns_left_out, err);
    if (status == HL_OK) status = hl_runner_generate(c->runner, &r, listen, &l, &ret_reply->usage, err);
    hl_str_done(&prompt);
    if (status == HL_OK) status = hl_str_check(&ret_reply->said, "answer", err);
    if (status == HL_OK) status = hl_str_check(&ret_reply->thought, "answer", err);
    if (status == HL_OK) status = hl_str_check(&ret_reply->calls, "answer", err);
    const bool was_heard = ret_reply->usage.end != HL_END_CANCEL || ret_reply->said.len > 0;
    const bool is_kept = status == HL_OK && was_heard;
    if (is_kept) status = hl_conversation_add(c, "assistant", hl_str_view(&ret_reply->said), err);
    if (!is_kept || status != HL_OK)
        drop_last(c);
    else
        c->n_left_out = n_left_out;
    return status;
}

void hl_reply_done(hl_reply *r) {
    hl_str_done(&r->said);
    hl_str_done(&r->thought);
    hl_str_done(&r->calls);
    hl_str_done(&r->arguments);
}

/* ---- The model that this conversation would make ---- */

typedef struct model_box {
    hl_stored_model model; /* first: the model is the box */
    hl_arena        arena;
    hl_param       *params; /* of the model; NULL: count only */
    bool            failed;
} model_box;

static const char *keep(model_box *box, const char *text) {
    const size_t n = strlen(text) + 1;
    char        *copy = hl_arena_get(&box->arena, n, 1);
    if (copy)
        memcpy(copy, text, n);
    else
        box->failed = true;
    return copy;
}

static void take_param(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    model_box *box = user;
    (void)id;
    if (origin != HL_FROM_REQUEST) return;
    if (box->params) box->params[box->model.n_params] = (hl_param){.name = name, .value = keep(box, value)};
    box->model.n_params++;
}

/* The stored parameters that nobody asked to be others, whatever they are, and those asked for. */
static void set_params(const hl_conversation *c, model_box *box) {
    const hl_stored_model *stored = c->stored;
    hl_options_each(&c->asked, take_param, box);
    const size_t n_cap = box->model.n_params + (stored ? stored->n_params : 0);
    box->params = hl_arena_get(&box->arena, n_cap + 1, sizeof *box->params);
    box->model.n_params = 0;
    box->model.params = box->params;
    box->failed = !box->params;
    for (size_t i = 0; stored && i < stored->n_params && box->params; i++) {
        const hl_opt id = hl_opt_find(stored->params[i].name);
        if (id != HL_N_OPTS && c->asked.origin[id] == HL_FROM_REQUEST) continue;
        box->params[box->model.n_params++] = stored->params[i];
    }
    if (box->params) hl_options_each(&c->asked, take_param, box);
}

static void set_messages(const hl_conversation *c, model_box *box) {
    hl_stored_message *list = hl_arena_get(&box->arena, c->n_messages + 1, sizeof *list);
    box->failed |= !list;
    for (size_t i = 0; i < c->n_messages && list; i++)
        list[i] = (hl_stored_message){.role = c->messages[i].role,
                                      .content = {c->messages[i].content, c->messages[i].len}};
    box->model.messages = list;
    box->model.n_messages = c->n_messages;
}

hl_status hl_conversation_model(const hl_conversation *c, hl_stored_model **ret_model, hl_err *err) {
    const char *nul = c->system ? memchr(c->system, '\0', c->system_len) : NULL;
    if (nul)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "system text: the byte at %zu is NUL, and a stored one has none",
                       (size_t)(nul - c->system));
    model_box *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "conversation: no memory");
    if (c->stored) box->model = *c->stored;
    if (c->source) {
        if (!box->model.entry.text) box->model.entry.text = c->source->label;
        box->model.shard_paths = c->source->paths;
        box->model.n_shards = c->source->n_paths;
    }
    hl_arena_init(&box->arena, MAX_TEXT_BYTES);
    if (c->system) box->model.system = c->system;
    if (hl_conversation_keeps_template(c)) box->model.template_text = c->template_text;
    box->model.n_params = 0;
    set_params(c, box);
    set_messages(c, box);
    if (box->failed) {
        hl_conversation_model_free(&box->model);
        return hl_fail(err, HL_E_NOMEM, "conversation: no memory");
    }
    *ret_model = &box->model;
    return HL_OK;
}

void hl_conversation_model_free(hl_stored_model *m) {
    if (!m) return;
    model_box *box = (model_box *)m;
    hl_arena_done(&box->arena);
    hl_free(box);
}
