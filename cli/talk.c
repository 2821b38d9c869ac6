/* SPDX-License-Identifier: MIT
 *
 * talk.c - ask a model, print what it says, keep both for the next question.
 *
 * When a conversation outgrows the context, whole turns leave it, oldest first; the system text stays. A single
 * question that does not fit is an error: nothing is cut silently.
 */
#include "cli/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "cli/json_out.h"
#include "cli/term/answer.h"
#include "cli/term/progress.h"
#include "core/base/mem.h"

enum { MAX_TEXT_BYTES = 256 << 20, ROOM_TOKENS = 256 };

void hl_talk_init(hl_talk *t, hl_app *app) {
    *t = (hl_talk){.app = app, .wordwrap = hl_config_bool(app->config, HL_SETTING_cli_wordwrap)};
    hl_options_init(&t->options);
}

void hl_talk_clear(hl_talk *t) {
    for (size_t i = 0; i < t->n_messages; i++) hl_free(t->messages[i].content);
    t->n_messages = 0;
}

void hl_talk_done(hl_talk *t) {
    hl_talk_clear(t);
    hl_free(t->messages);
    for (size_t i = 0; i < t->n_given; i++) hl_free(t->given[i]);
    hl_free(t->system);
    hl_free(t->template_text);
    hl_options_done(&t->options);
    hl_loaded_free(t->loaded);
    hl_source_free(t->source);
    hl_host_free(t->host);
}

static const char *known_role(const char *role) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(role, roles[i]) == 0) return roles[i];
    }
    return "user";
}

hl_status hl_talk_add(hl_talk *t, const char *role, hl_view content, hl_err *err) {
    if (t->n_messages == t->messages_cap) {
        const size_t cap = t->messages_cap ? 2 * t->messages_cap : 16;
        hl_message  *grown = hl_resize(t->messages, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "chat: no memory");
        t->messages = grown;
        t->messages_cap = cap;
    }
    char *copy = hl_strndup(content.ptr ? content.ptr : "", content.len);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "chat: no memory");
    t->messages[t->n_messages++] = (hl_message){.role = known_role(role), .content = copy};
    return HL_OK;
}

static void drop_messages(hl_talk *t, size_t from, size_t n) {
    for (size_t i = from; i < from + n; i++) hl_free(t->messages[i].content);
    memmove(t->messages + from, t->messages + from + n, (t->n_messages - from - n) * sizeof *t->messages);
    t->n_messages -= n;
}

/* ---- Options ---- */

/* Defaults, the model's own, then what was given; a given stop string replaces the model's. */
static hl_status gather_options(hl_talk *t, const hl_source *source, hl_options *o, hl_err *err) {
    hl_options_init(o);
    if (source && source->stored) hl_host_apply_stored(t->host, source->stored, o);
    bool has_stop = false;
    for (size_t i = 0; i < t->n_given; i++) {
        const char *eq = strchr(t->given[i], '=');
        char        key[64];
        if (!eq || (size_t)(eq - t->given[i]) >= sizeof key) continue;
        memcpy(key, t->given[i], (size_t)(eq - t->given[i]));
        key[eq - t->given[i]] = '\0';
        if (strcmp(key, "stop") == 0 && !has_stop) hl_options_clear_stops(o);
        has_stop = has_stop || strcmp(key, "stop") == 0;
        const hl_status status = hl_options_set(o, key, eq + 1, err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

hl_status hl_talk_give(hl_talk *t, const char *key, const char *value, hl_err *err) {
    hl_options probe;
    hl_err     why = {0};
    hl_options_init(&probe);
    hl_status status = hl_options_set(&probe, key, value, &why);
    hl_options_done(&probe);
    if (status == HL_E_NOT_FOUND || status == HL_E_UNSUPPORTED) {
        hl_app_warn(t->app, "%s (ignored)", why.text);
        return HL_OK;
    }
    if (status != HL_OK) {
        if (err) *err = why;
        return status;
    }
    if (t->n_given == HL_MAX_GIVEN) return hl_fail(err, HL_E_LIMIT, "more than %d options", HL_MAX_GIVEN);
    hl_str text;
    hl_str_init(&text, HL_MAX_STOP_BYTES + 100);
    hl_str_add_format(&text, "%s=%s", key, value);
    char *given = hl_str_take(&text);
    if (!given) return hl_fail(err, HL_E_NOMEM, "options: no memory");
    t->given[t->n_given++] = given;
    if (!t->loaded) return HL_OK;
    hl_options now;
    status = gather_options(t, t->source, &now, err);
    hl_options_done(&t->options);
    t->options = now;
    return status;
}

/* ---- Loading ---- */

hl_status hl_talk_open(hl_talk *t, const char *model, hl_err *err) {
    hl_source *source = NULL;
    hl_loaded *loaded = NULL;
    hl_options options;
    hl_options_init(&options);
    hl_status status = HL_OK;
    if (!t->host) status = hl_host_new(t->app->config, &t->app->paths, &t->app->events, &t->host, err);
    if (status == HL_OK) status = hl_host_find(t->host, model, HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = gather_options(t, source, &options, err);
    if (status == HL_OK) status = hl_host_load(t->host, source, &options, &loaded, err);
    if (status != HL_OK) {
        hl_options_done(&options);
        hl_source_free(source);
        return status;
    }
    hl_talk_clear(t);
    hl_loaded_free(t->loaded);
    hl_source_free(t->source);
    hl_options_done(&t->options);
    t->loaded = loaded;
    t->source = source;
    t->options = options;
    t->has_template = t->template_text || hl_model_chat_template(loaded->model).len > 0;
    t->was_told = false;
    const hl_stored_model *m = source->stored;
    for (size_t i = 0; m && i < m->n_messages && status == HL_OK; i++)
        status = hl_talk_add(t, m->messages[i].role, hl_view_of(m->messages[i].content), err);
    return status;
}

/* ---- Asking ---- */

static const char *system_of(const hl_talk *t) {
    if (t->system) return t->system;
    return t->source->stored ? t->source->stored->system : NULL;
}

static void add_message(hl_str *s, const char *role, const char *content) {
    if (s->len > 1) hl_str_add_char(s, ',');
    hl_str_add_format(s, "{\"role\":\"%s\",\"content\":", role);
    hl_str_add_json(s, hl_view_of(content));
    hl_str_add_char(s, '}');
}

/* The conversation as the runner wants it: JSON, or plain text for a model without a template. */
static void write_prompt(const hl_talk *t, hl_str *s) {
    const char *system = system_of(t);
    const bool  as_text = t->raw || !t->has_template;
    hl_str_clear(s);
    if (!as_text) {
        hl_str_add_char(s, '[');
        if (system && *system) add_message(s, "system", system);
        for (size_t i = 0; i < t->n_messages; i++)
            add_message(s, t->messages[i].role, t->messages[i].content);
        hl_str_add_char(s, ']');
        return;
    }
    if (system && *system && !t->raw) hl_str_add_format(s, "%s\n", system);
    for (size_t i = 0; i < t->n_messages; i++)
        hl_str_add_format(s, "%s%s", i ? "\n" : "", t->messages[i].content);
}

static void fill_request(const hl_talk *t, const hl_str *prompt, hl_request *r) {
    hl_request_init(r);
    r->speculate = t->speculate;
    r->n_ctx = t->loaded->n_ctx;
    if (t->raw || !t->has_template)
        r->prompt = hl_str_view(prompt);
    else
        r->messages_json = hl_str_text(prompt);
    r->raw = t->raw;
    r->template_text = t->template_text;
    r->think = t->think;
    r->sampling = t->options.sampling;
    r->stops = (const char *const *)t->options.stops;
    r->n_stops = t->options.n_stops;
    r->max_tokens = t->options.num_predict;
}

/* How many messages the oldest turn has, without the last question; 0: there is no turn to give up. */
static size_t oldest_turn(const hl_talk *t) {
    size_t n = 1;
    while (n < t->n_messages && strcmp(t->messages[n].role, "user") != 0) n++;
    return n < t->n_messages ? n : 0;
}

/* Give up old turns until prompt and some room for the answer fit. */
static hl_status fit_context(hl_talk *t, hl_str *prompt, hl_request *r, hl_err *err) {
    const int32_t n_ctx = t->loaded->n_ctx;
    const int32_t room = n_ctx / 4 < ROOM_TOKENS ? n_ctx / 4 : ROOM_TOKENS;
    size_t        n_left = 0;
    for (;;) {
        write_prompt(t, prompt);
        if (prompt->failed) return hl_fail(err, HL_E_NOMEM, "chat: no memory, or over 256 MiB");
        fill_request(t, prompt, r);
        int32_t         n = 0;
        const hl_status status = hl_chat_count(t->loaded->model, r, &n, err);
        if (status != HL_OK) return status;
        const size_t n_turn = oldest_turn(t);
        if (n + room <= n_ctx || n_turn == 0) break;
        drop_messages(t, 0, n_turn);
        n_left++;
    }
    if (n_left > 0)
        hl_app_note(t->app, "note: the chat outgrew the context of %d tokens; its oldest %zu turn%s left out",
                    (int)n_ctx, n_left, n_left == 1 ? " is" : "s are");
    return HL_OK;
}

typedef struct sink {
    const hl_talk *talk;
    hl_answer      answer;
    hl_str         said, thought;
    bool           is_gone; /* the output */
} sink;

static bool on_token(void *user, const hl_token_event *ev) {
    sink *s = user;
    hl_str_add_view(ev->is_thinking ? &s->thought : &s->said, ev->text);
    errno = 0;
    if (!s->talk->as_json && !hl_answer_add(&s->answer, ev->text, ev->is_thinking)) {
        s->is_gone = true;
        if (!s->talk->app->out_errno) s->talk->app->out_errno = errno;
    }
    return !s->is_gone && !hl_signal.stop;
}

static void print_rate(const char *name, int32_t n, int64_t ns) {
    fprintf(stderr, "%-22s%.2f tokens/s\n", name, ns > 0 ? (double)n * 1e9 / (double)ns : 0);
}

static void print_duration(const char *name, int64_t ns) {
    char text[32];
    hl_format_duration(ns, text);
    fprintf(stderr, "%-22s%s\n", name, text);
}

/* As Ollama prints it, and lines that it has not. */
static void print_usage(const hl_talk *t, const hl_usage *u) {
    const int32_t n_read = u->prompt_tokens - u->cached_tokens;
    (void)fflush(t->app->out);
    fputc('\n', stderr);
    print_duration("total duration:", u->total_ns + t->loaded->load_ns);
    print_duration("load duration:", t->loaded->load_ns);
    print_duration("first token after:", u->first_token_ns);
    fprintf(stderr, "%-22s%d token(s)\n", "prompt eval count:", (int)u->prompt_tokens);
    if (u->cached_tokens > 0)
        fprintf(stderr, "%-22s%d token(s)\n", "of these cached:", (int)u->cached_tokens);
    print_duration("prompt eval duration:", u->prompt_ns);
    print_rate("prompt eval rate:", n_read, u->prompt_ns);
    fprintf(stderr, "%-22s%d token(s)\n", "eval count:", (int)u->answer_tokens);
    if (u->drafted_tokens > 0)
        fprintf(stderr, "%-22s%d of %d token(s)\n", "guessed right:", (int)u->accepted_tokens,
                (int)u->drafted_tokens);
    if (u->drafted_branches > 0)
        fprintf(stderr, "%-22s%d of %d\n", "other ways taken:", (int)u->accepted_branches,
                (int)u->drafted_branches);
    print_duration("eval duration:", u->answer_ns);
    print_rate("eval rate:", u->answer_tokens, u->answer_ns);
}

static const char *end_name(hl_end end) {
    return end == HL_END_LENGTH    ? "length"
           : end == HL_END_CANCEL  ? "cancel"
           : end == HL_END_TIMEOUT ? "timeout"
                                   : "stop";
}

static hl_status print_json(const hl_talk *t, const sink *s, const hl_usage *u, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", t->source->label);
    hl_json_add_view(&j, "response", hl_str_view(&s->said));
    if (s->thought.len > 0) hl_json_add_view(&j, "thinking", hl_str_view(&s->thought));
    hl_json_add_text(&j, "done_reason", end_name(u->end));
    hl_json_add_int(&j, "prompt_tokens", u->prompt_tokens);
    hl_json_add_int(&j, "cached_tokens", u->cached_tokens);
    hl_json_add_int(&j, "answer_tokens", u->answer_tokens);
    hl_json_add_int(&j, "drafted_tokens", u->drafted_tokens);
    hl_json_add_int(&j, "accepted_tokens", u->accepted_tokens);
    hl_json_add_int(&j, "drafted_branches", u->drafted_branches);
    hl_json_add_int(&j, "accepted_branches", u->accepted_branches);
    hl_json_add_int(&j, "seed", u->seed);
    hl_json_add_real(&j, "load_ms", (double)t->loaded->load_ns / 1e6);
    hl_json_add_real(&j, "prompt_ms", (double)u->prompt_ns / 1e6);
    hl_json_add_real(&j, "answer_ms", (double)u->answer_ns / 1e6);
    hl_json_add_real(&j, "first_token_ms", (double)u->first_token_ns / 1e6);
    hl_json_add_real(&j, "total_ms", (double)u->total_ns / 1e6);
    hl_json_close(&j, '}');
    return hl_json_print(&j, t->app->out, err);
}

static void note_end(const hl_talk *t, const hl_usage *u) {
    if (u->end != HL_END_LENGTH) return;
    if (t->options.num_predict >= 0 && u->answer_tokens >= t->options.num_predict)
        hl_app_note(t->app, "note: the answer stopped at its limit of %d tokens (num_predict)",
                    (int)t->options.num_predict);
    else
        hl_app_note(t->app, "note: the answer stopped because the context of %d tokens is full (--ctx)",
                    (int)t->loaded->n_ctx);
}

static hl_answer_style style_of(const hl_talk *t) {
    const hl_app *app = t->app;
    return (hl_answer_style){.is_tty = app->out_is_tty,
                             .wrap = t->wordwrap && app->can_escape,
                             .color = app->can_color,
                             .hide_thinking = t->hide_thinking};
}

static hl_status generate(hl_talk *t, const hl_request *r, sink *s, hl_err *err) {
    hl_usage usage = {0};
    atomic_store(&hl_signal.runner, t->loaded->runner);
    hl_status status = hl_signal.stop ? hl_fail(err, HL_E_CANCEL, "stopped")
                                      : hl_runner_generate(t->loaded->runner, r, on_token, s, &usage, err);
    atomic_store(&hl_signal.runner, (hl_runner *)NULL);
    if (!t->as_json) hl_answer_finish(&s->answer);
    if (status != HL_OK) return status;
    if (s->is_gone) return hl_fail(err, HL_E_CANCEL, "the output is gone");
    if (t->as_json) status = print_json(t, s, &usage, err);
    note_end(t, &usage);
    if (t->verbose) print_usage(t, &usage);
    if (status == HL_OK && usage.end == HL_END_CANCEL) status = hl_fail(err, HL_E_CANCEL, "stopped");
    return status;
}

hl_status hl_talk_ask(hl_talk *t, hl_view question, hl_err *err) {
    hl_request r;
    hl_str     prompt;
    sink       s = {.talk = t};
    hl_status  status = hl_talk_add(t, "user", question, err);
    if (status != HL_OK) return status;
    if (!t->has_template && !t->raw && !t->was_told) {
        hl_app_note(t->app, "note: %s has no chat template; texts go in as they are", t->source->label);
        t->was_told = true;
    }
    hl_answer_init(&s.answer, t->app->out, style_of(t));
    hl_str_init(&prompt, MAX_TEXT_BYTES);
    hl_str_init(&s.said, MAX_TEXT_BYTES);
    hl_str_init(&s.thought, MAX_TEXT_BYTES);
    status = fit_context(t, &prompt, &r, err);
    if (status == HL_OK) status = generate(t, &r, &s, err);
    if (s.said.len > 0 && (status == HL_OK || status == HL_E_CANCEL)) {
        hl_err          ignored;
        const hl_status added = hl_talk_add(t, "assistant", hl_str_view(&s.said), &ignored);
        if (added != HL_OK) status = hl_fail(err, added, "chat: no memory");
    } else if (t->n_messages > 0) {
        drop_messages(t, t->n_messages - 1, 1);
    }
    hl_str_done(&prompt);
    hl_str_done(&s.said);
    hl_str_done(&s.thought);
    return status;
}
