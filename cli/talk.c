/* SPDX-License-Identifier: MIT
 *
 * talk.c - ask, and print what comes.
 */
#include "cli/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "cli/adapter_args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/term/answer.h"
#include "cli/term/editor.h"
#include "cli/term/progress.h"
#include "core/base/mem.h"
#include "host/remote/remote_model.h"
#include "host/remote/runner_server.h"
#include "hyperlama/native.h"

enum { MAX_FORMAT_BYTES = 4 << 20 };

void hl_talk_init(hl_talk *t, hl_app *app) {
    *t = (hl_talk){.app = app, .wordwrap = hl_config_bool(app->config, HL_SETTING_cli_wordwrap)};
    t->keep_ms = HL_KEEP_DEFAULT;
    hl_str_init(&t->format, MAX_FORMAT_BYTES);
    hl_conversation_init(&t->chat, app->config, &app->events);
}

void hl_talk_done(hl_talk *t) {
    hl_conversation_done(&t->chat);
    hl_str_done(&t->format);
    hl_host_free(t->host);
    hl_editor_free(t->app->editor);
    t->app->editor = NULL;
}

hl_status hl_talk_give(hl_talk *t, const char *key, const char *value, hl_err *err) {
    hl_err          why = {0};
    const hl_status status = hl_conversation_add_option(&t->chat, key, value, &why);
    if (status == HL_E_NOT_FOUND || status == HL_E_UNSUPPORTED) {
        hl_app_warn(t->app, "%s (ignored)", why.text);
        return HL_OK;
    }
    if (status != HL_OK && err) *err = why;
    return status;
}

/* What libedit reads: a terminal's description may be the user's own. */
enum { N_TERMINAL_FILES = 3 };
static void find_terminal_files(const hl_app *app, char *files[N_TERMINAL_FILES]) {
    static const char *const names[] = {"TERMINFO", "HOME", "HOME"}, *const tails[] = {"", "/.terminfo",
                                                                                       "/.editrc"};
    for (size_t i = 0; i < N_TERMINAL_FILES; i++) {
        const char *folder = hl_env_get(app->envp, names[i]);
        hl_str      s;
        hl_str_init(&s, 4096);
        if (folder) hl_str_add_format(&s, "%s%s", folder, tails[i]);
        files[i] = hl_str_take(&s);
        hl_str_done(&s);
    }
}

/* The model's files are known and not yet read: now. Once; what another model of this chat needs is open. */
static hl_status lock_down(hl_talk *t, const hl_source *source, hl_err *err) {
    hl_app   *app = t->app;
    char     *files[N_TERMINAL_FILES] = {0};
    hl_status status = HL_OK;
    if (t->is_locked) return HL_OK;
    t->is_locked = true;
    if (t->is_chat && strcmp(hl_config_text(app->config, HL_SETTING_security_lockdown), "off") != 0) {
        status = hl_editor_new(app->envp, &app->editor, err);
        find_terminal_files(app, files);
    }
    if (status == HL_OK)
        status =
            hl_host_lock_down(t->host, source, t->is_chat, (const char *const *)files, N_TERMINAL_FILES, err);
    for (size_t i = 0; i < N_TERMINAL_FILES; i++) hl_free(files[i]);
    return status;
}

/* Was something asked for that a running server cannot be told, as it was started with its own? */
static bool needs_this_process(const hl_talk *t) {
    static const char *const groups[] = {"engine.", "cache.", "security."};
    const hl_config         *config = t->app->config;
    if (t->is_local || strcmp(hl_config_text(config, HL_SETTING_security_lockdown), "on") == 0) return true;
    if (t->chat.asked.origin[HL_OPT_num_thread] == HL_FROM_REQUEST) return true;
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        const hl_view key = hl_view_of(hl_setting_get((hl_setting)i)->key);
        if (hl_config_origin(config, (hl_setting)i) != HL_ORIGIN_FLAG || i == HL_SETTING_engine_n_ctx)
            continue;
        for (size_t k = 0; k < sizeof groups / sizeof *groups; k++)
            if (hl_view_has_prefix(key, groups[k])) return true;
    }
    return false;
}

/* A server that can be asked for it. */
static bool has_server(hl_talk *t, const hl_source *source) {
    const char *address = hl_config_text(t->app->config, HL_SETTING_server_host);
    char        fingerprint[HL_FINGERPRINT_BYTES];
    int         code = 0;
    if (!source->stored || source->n_added > 0 || needs_this_process(t)) return false;
    if (t->has_looked || t->is_locked) return t->server.url[0] != '\0';
    t->has_looked = true;
    const bool is_there =
        hl_host_fingerprint(t->host, fingerprint) &&
        hl_server_find(address, hl_app_key(t->app), hl_env_get(t->app->envp, "SSL_CERT_FILE"), fingerprint,
                       &t->server, &code);
    if (code == 401)
        hl_app_note(t->app,
                    "the server at %s asks for a key (HYPERLAMA_API_KEY): this process answers instead",
                    address);
    return is_there;
}

static hl_status open_there(hl_talk *t, hl_source *source, hl_err *err) {
    t->chat.keep_ms = t->keep_ms;
    return hl_conversation_open_server(&t->chat, t->host, source, &t->server, err);
}

static hl_status open_here(hl_talk *t, hl_source *source, hl_err *err) {
    hl_status status = lock_down(t, source, err);
    t->server.url[0] = '\0'; /* where this process is locked in now, it cannot ask any more */
    if (status != HL_OK) return status;
    t->chat.keep_ms = 0; /* nobody else asks in this process */
    status = hl_conversation_open_source(&t->chat, t->host, source, err);
    if (status != HL_OK) hl_host_add_why_locked(t->host, source, err);
    return status;
}

/* There, or here where it is gone or there is none. On success the source is the chat's. */
static hl_status open_source(hl_talk *t, hl_source *source, hl_err *err) {
    hl_status status = has_server(t, source) ? open_there(t, source, err) : HL_E_NET;
    return status == HL_E_NET ? open_here(t, source, err) : status;
}

/* Adapters of the command line are for the model that it names, not for those of /load. */
static hl_status open_with_adapters(hl_talk *t, const char *model, hl_source *source, hl_err *err) {
    hl_status status = HL_OK;
    if (t->args && strcmp(model, t->adapted) == 0) status = hl_adapter_args_add(t->args, source, err);
    return status == HL_OK ? open_source(t, source, err) : status;
}

hl_status hl_talk_open(hl_talk *t, const char *model, hl_err *err) {
    hl_source *source = NULL, *next = NULL;
    hl_err     why = {0};
    hl_status  status = HL_OK;
    if (!t->host) status = hl_host_new(t->app->config, &t->app->paths, &t->app->events, &t->host, err);
    t->is_missing = false;
    if (status != HL_OK) return status;
    status = hl_host_find(t->host, model, HL_OPEN_FOR_LOAD, &source, err);
    t->is_missing = status == HL_E_NOT_FOUND;
    if (status != HL_OK) return status;
    status = open_with_adapters(t, model, source, &why);
    while (status == HL_E_NOMEM &&
           hl_host_find_next(t->host, source, HL_OPEN_FOR_LOAD, &next, NULL) == HL_OK) {
        hl_source_free(source);
        source = next;
        status = open_with_adapters(t, model, source, &why);
    }
    if (status != HL_OK) {
        hl_source_free(source);
        if (err) *err = why;
        return status;
    }
    t->was_told = false;
    t->was_told_of_levels = false;
    return HL_OK;
}

hl_status hl_talk_set_think(hl_talk *t, const char *word, hl_err *err) {
    if (!hl_think_find(word, &t->chat.think))
        return hl_fail(err, HL_E_ARG, "think '%.40s': expected true, false, high, medium, low or max", word);
    t->was_told_of_levels = false;
    return HL_OK;
}

hl_status hl_talk_set_format(hl_talk *t, const char *word, hl_err *err) {
    const size_t n = word ? strlen(word) : 0;
    hl_status    status = HL_OK;
    hl_err       why = {0};
    hl_str_clear(&t->format);
    t->chat.format = (hl_format){0};
    if (n == 0) return HL_OK;
    t->chat.format.kind = HL_FORMAT_SCHEMA;
    if (strcmp(word, "json") == 0)
        t->chat.format.kind = HL_FORMAT_JSON;
    else if (word[strspn(word, " \n\t")] == '{')
        hl_str_add_text(&t->format, word);
    else
        status = hl_read_path(word, &t->format, &why);
    if (status != HL_OK) {
        t->chat.format = (hl_format){0};
        return hl_fail(err, status,
                       "format '%.60s': expected json, a JSON schema, or a file with a schema or a grammar "
                       "(.gbnf): %s",
                       word, why.text);
    }
    if (n > 5 && strcmp(word + n - 5, ".gbnf") == 0) t->chat.format.kind = HL_FORMAT_GBNF;
    if (status == HL_OK) status = hl_str_check(&t->format, "format", err);
    t->chat.format.text = hl_str_view(&t->format);
    if (status != HL_OK) t->chat.format = (hl_format){0};
    return status;
}

/* False: nobody can say, it is answered elsewhere, or not at all. */
static bool get_caps(const hl_talk *t, hl_chat_caps *ret) {
    hl_model        *m = NULL;
    const hl_request r = {.template_text = t->chat.template_text,
                          .stored_template = t->chat.stored ? t->chat.stored->template_text : NULL};
    const bool       ok = hl_host_open_model(t->host, t->chat.source, true, &m, NULL) == HL_OK &&
                    hl_chat_get_caps(m, &r, ret, NULL) == HL_OK;
    hl_model_close(m);
    return ok;
}

hl_status hl_talk_check_think(hl_talk *t, hl_err *err) {
    hl_chat_caps caps = {0};
    if (!get_caps(t, &caps) || caps.can_think) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED, "\"%s\" does not support thinking: no place for it in its template",
                   t->chat.source->label);
}

/* A level that the template has no word for is only a yes. */
static void note_level(hl_talk *t) {
    const char  *level = hl_think_level(t->chat.think);
    hl_chat_caps caps = {0};
    if (!level || t->was_told_of_levels) return;
    t->was_told_of_levels = true;
    if (get_caps(t, &caps) && caps.can_think && !caps.think_levels)
        hl_app_note(t->app, "note: %s knows no levels of thinking: %s is as true", t->chat.source->label,
                    level);
}

/* ---- What is printed ---- */

typedef struct sink {
    const hl_talk *talk;
    hl_answer      answer;
    bool           is_gone; /* the output */
} sink;

static bool on_token(void *user, const hl_token_event *ev) {
    sink *s = user;
    FILE *out = s->talk->app->out;
    errno = 0;
    if (ev->call != HL_CALL_NONE) return !hl_signal.stop; /* printed when they are whole */
    if (!s->talk->as_json && !hl_answer_add(&s->answer, ev->text, ev->is_thinking)) {
        const int error = errno;
        if (error == EINTR && hl_signal.stop)
            clearerr(out); /* Ctrl-C came while we wrote: the output is not gone */
        else
            s->is_gone = true;
        if (s->is_gone && !s->talk->app->out_errno) s->talk->app->out_errno = error;
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
    const int64_t load_ns = t->chat.load_ns;
    (void)fflush(t->app->out);
    fputc('\n', stderr);
    print_duration("total duration:", u->total_ns + load_ns);
    print_duration("load duration:", load_ns);
    print_duration("first token after:", u->first_token_ns);
    fprintf(stderr, "%-22s%d token(s)\n", "prompt eval count:", (int)u->prompt_tokens);
    if (u->cached_tokens > 0)
        fprintf(stderr, "%-22s%d token(s)\n", "of these cached:", (int)u->cached_tokens);
    print_duration("prompt eval duration:", u->prompt_ns);
    print_rate("prompt eval rate:", n_read, u->prompt_ns);
    fprintf(stderr, "%-22s%d token(s)\n", "eval count:", (int)u->answer_tokens);
    if (u->drafted_tokens > 0)
        fprintf(stderr, "%-22s%d of %d token(s)\n", "drafts accepted:", (int)u->accepted_tokens,
                (int)u->drafted_tokens);
    if (u->drafted_branches > 0)
        fprintf(stderr, "%-22s%d of %d\n", "branches accepted:", (int)u->accepted_branches,
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

/* Lines of JSON as an array. */
static void add_calls(hl_json_out *j, hl_view lines) {
    hl_json_open(j, "tool_calls", '[');
    for (size_t at = 0; at < lines.len;) {
        const char  *end = memchr(lines.ptr + at, '\n', lines.len - at);
        const size_t n = (end ? (size_t)(end - lines.ptr) : lines.len) - at;
        hl_json_add_raw(j, NULL, "");
        hl_str_add(&j->text, lines.ptr + at, n);
        at += n + 1;
    }
    hl_json_close(j, ']');
}

static hl_status print_json(const hl_talk *t, const hl_reply *r, hl_err *err) {
    const hl_usage *u = &r->usage;
    hl_json_out     j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", t->chat.source->label);
    hl_json_add_view(&j, "response", hl_str_view(&r->said));
    if (r->thought.len > 0) hl_json_add_view(&j, "thinking", hl_str_view(&r->thought));
    if (r->calls.len > 0) add_calls(&j, hl_str_view(&r->calls));
    hl_json_add_text(&j, "done_reason", end_name(u->end));
    hl_json_add_int(&j, "prompt_tokens", u->prompt_tokens);
    hl_json_add_int(&j, "cached_tokens", u->cached_tokens);
    hl_json_add_int(&j, "answer_tokens", u->answer_tokens);
    hl_json_add_int(&j, "drafted_tokens", u->drafted_tokens);
    hl_json_add_int(&j, "accepted_tokens", u->accepted_tokens);
    hl_json_add_int(&j, "drafted_branches", u->drafted_branches);
    hl_json_add_int(&j, "accepted_branches", u->accepted_branches);
    hl_json_add_int(&j, "seed", u->seed);
    hl_json_add_real(&j, "load_ms", (double)t->chat.load_ns / 1e6);
    hl_json_add_real(&j, "prompt_ms", (double)u->prompt_ns / 1e6);
    hl_json_add_real(&j, "answer_ms", (double)u->answer_ns / 1e6);
    hl_json_add_real(&j, "first_token_ms", (double)u->first_token_ns / 1e6);
    hl_json_add_real(&j, "total_ms", (double)u->total_ns / 1e6);
    hl_json_close(&j, '}');
    return hl_json_print(&j, t->app->out, err);
}

void hl_talk_describe(const hl_talk *t, char ret[HL_TALK_ABOUT_BYTES]) {
    const hl_source *s = t->chat.source;
    char             host[HL_REMOTE_MODEL_TEXT_BYTES], model[HL_REMOTE_MODEL_TEXT_BYTES];
    if (!s->remote) {
        (void)snprintf(ret, HL_TALK_ABOUT_BYTES, "%s, context %d tokens", s->label, (int)t->chat.n_ctx);
        return;
    }
    (void)hl_remote_model_describe(s->remote, 0, host, model);
    (void)snprintf(ret, HL_TALK_ABOUT_BYTES, "%s, answered by %s", s->label, host);
}

static void note_end(const hl_talk *t, const hl_usage *u) {
    if (u->end != HL_END_LENGTH) return;
    if (t->chat.options.num_predict >= 0 && u->answer_tokens >= t->chat.options.num_predict)
        hl_app_note(t->app, "note: the answer stopped at its limit of %d tokens (num_predict)",
                    (int)t->chat.options.num_predict);
    else if (t->chat.source->remote)
        hl_app_note(t->app, "note: the answer stopped at a limit of the server that gives it");
    else
        hl_app_note(t->app, "note: the answer stopped because the context of %d tokens is full (--ctx)",
                    (int)t->chat.n_ctx);
}

static hl_answer_style style_of(const hl_talk *t) {
    const hl_app *app = t->app;
    return (hl_answer_style){.is_tty = app->out_is_tty,
                             .wrap = t->wordwrap && app->can_escape,
                             .color = app->can_color,
                             .hide_thinking = t->hide_thinking};
}

static void note_left_out(const hl_talk *t, size_t n) {
    if (n > 0)
        hl_app_note(t->app, "note: the chat outgrew the context of %d tokens; its oldest %zu turn%s left out",
                    (int)t->chat.n_ctx, n, n == 1 ? " is" : "s are");
}

static hl_status print_reply(const hl_talk *t, const hl_reply *r, hl_err *err) {
    const hl_status status = t->as_json ? print_json(t, r, err) : HL_OK;
    if (!t->as_json) hl_term_print(t->app->out, t->app->out_is_tty, hl_str_view(&r->calls));
    note_left_out(t, r->n_turns_left_out);
    note_end(t, &r->usage);
    if (t->verbose) print_usage(t, &r->usage);
    if (status == HL_OK && r->usage.end == HL_END_CANCEL) return hl_fail(err, HL_E_CANCEL, "stopped");
    return status;
}

hl_status hl_talk_ask(hl_talk *t, hl_view question, hl_err *err) {
    sink     s = {.talk = t};
    hl_reply reply;
    if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
    if (!hl_conversation_has_template(&t->chat) && !t->chat.raw && !t->was_told) {
        hl_app_note(t->app, "note: %s has no chat template; texts go in as they are", t->chat.source->label);
        t->was_told = true;
    }
    note_level(t);
    hl_answer_init(&s.answer, t->app->out, style_of(t));
    hl_status status = hl_conversation_ask(&t->chat, question, on_token, &s, &reply, err);
    if (!t->as_json) hl_answer_finish(&s.answer);
    if (status == HL_OK)
        status = s.is_gone ? hl_fail(err, HL_E_CANCEL, "the output is gone") : print_reply(t, &reply, err);
    /* a server has counted it */
    if (status == HL_OK && t->chat.resident) hl_host_count_use(t->host, t->chat.source);
    hl_reply_done(&reply);
    return status;
}
