/* SPDX-License-Identifier: MIT
 *
 * cmd_run.c - hyperlama run MODEL [PROMPT...]: one answer, or a chat.
 *
 * A prompt comes from a file, from standard input and from the arguments, in this order, joined by single
 * spaces. With none of them and a terminal on both sides it is a chat.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/talk.h"
#include "cli/transfer_show.h"
#include "core/base/duration.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "host/create.h"

enum { MAX_PROMPT_BYTES = 64 << 20, MAX_TOOLS_BYTES = 64 << 20, WAIT_MS = 900 };

/* Put a space between two texts, unless one is there. */
static void separate(hl_str *s) {
    if (s->len > 0) hl_str_add_char(s, ' ');
}

/* Read standard input to its end. Somebody may hold the other end open without knowing (a supervisor, a
 * loop): when nothing comes for a moment, say what is waited for. */
static hl_status read_input(const hl_app *app, hl_str *out, hl_err *err) {
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char          buf[65536];
    bool          is_told = false;
    while (!out->failed) {
        /* never without end: a signal may come between the look at its flag and the wait */
        const int     ready = poll(&p, 1, WAIT_MS);
        const ssize_t n = ready > 0 ? read(STDIN_FILENO, buf, sizeof buf) : -1;
        if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
        if (n == 0) return HL_OK;
        if (n > 0) {
            hl_str_add(out, buf, (size_t)n);
        } else if (ready == 0) {
            if (!is_told)
                hl_app_note(app, "note: waiting for standard input to end, it is part of the prompt "
                                 "(</dev/null: none)");
            is_told = true;
        } else if (errno != EINTR && errno != EAGAIN) {
            return hl_fail(err, hl_errno_io(errno), "read standard input: %s", strerror(errno));
        }
    }
    return HL_OK; /* the caller sees that it did not fit */
}

static hl_status gather_prompt(const hl_app *app, const hl_args *args, hl_str *out, bool *ret_given,
                               hl_err *err) {
    hl_status   status = HL_OK;
    const char *path = hl_args_text(args, "file");
    *ret_given = path || hl_args_count(args) > 1;
    if (path) status = hl_read_path(path, out, err);
    if (status == HL_OK && !isatty(STDIN_FILENO) && !(path && strcmp(path, "/dev/stdin") == 0)) {
        hl_str piped;
        hl_str_init(&piped, MAX_PROMPT_BYTES);
        status = read_input(app, &piped, err);
        if (status == HL_OK) status = hl_str_check(&piped, "standard input", err);
        if (piped.len > 0) {
            separate(out);
            hl_str_add_view(out, hl_str_view(&piped));
            *ret_given = true;
        }
        hl_str_done(&piped);
    }
    for (size_t i = 1; i < hl_args_count(args) && status == HL_OK; i++) {
        separate(out);
        hl_str_add_text(out, hl_args_at(args, i));
    }
    return status == HL_OK ? hl_str_check(out, "prompt", err) : status;
}

static hl_status set_template(hl_talk *t, const char *text, hl_err *err) {
    hl_str s;
    if (!text) return HL_OK;
    if (text[0] != '@') return hl_conversation_set_template(&t->chat, hl_view_of(text), err);
    hl_str_init(&s, 4 << 20);
    hl_status status = hl_read_path(text + 1, &s, err);
    if (status == HL_OK) status = hl_conversation_set_template(&t->chat, hl_str_view(&s), err);
    hl_str_done(&s);
    return status;
}

/* What of it is wrong says whoever renders it. */
static hl_status set_tools(hl_talk *t, const char *path, hl_err *err) {
    hl_str s;
    if (!path) return HL_OK;
    hl_str_init(&s, MAX_TOOLS_BYTES);
    hl_status status = hl_read_path(path, &s, err);
    if (status == HL_OK && hl_view_trim(hl_str_view(&s)).len == 0)
        status = hl_fail(err, HL_E_ARG, "%s: expected a JSON array of tools, found nothing", path);
    if (status == HL_OK) status = hl_conversation_set_tools(&t->chat, hl_str_view(&s), err);
    hl_str_done(&s);
    return status;
}

static hl_status apply_options(hl_talk *t, const hl_args *args, hl_err *err) {
    const char *given;
    hl_status   status = HL_OK;
    for (size_t i = 0; status == HL_OK && (given = hl_args_many(args, "option", i)); i++) {
        char        key[64];
        const char *eq = strchr(given, '=');
        if (!eq || eq == given || (size_t)(eq - given) >= sizeof key)
            return hl_fail(err, HL_E_ARG, "--option '%.80s': expected KEY=VALUE", given);
        memcpy(key, given, (size_t)(eq - given));
        key[eq - given] = '\0';
        status = hl_talk_give(t, key, eq + 1, err);
    }
    const char *seed = hl_args_text(args, "seed");
    if (status == HL_OK && seed) status = hl_talk_give(t, "seed", seed, err);
    return status;
}

/* "10m", or seconds, as keep_alive has it. */
static hl_status set_keep(hl_talk *t, const char *text, hl_err *err) {
    char  *end;
    double ms = 0;
    if (!text) return HL_OK;
    const long long s = strtoll(text, &end, 10);
    if (end != text && !*end)
        ms = (double)s * 1e3;
    else if (!hl_duration_parse(text, &ms))
        return hl_fail(err, HL_E_ARG, "--keep-alive '%.40s': expected seconds, or a duration (\"10m\")",
                       text);
    t->keep_ms = ms < 0 || ms > 9e15 ? HL_KEEP_FOREVER : (int64_t)ms;
    return HL_OK;
}

static hl_status apply_args(hl_talk *t, const hl_args *args, hl_err *err) {
    const char *think = hl_args_text(args, "think"), *system = hl_args_text(args, "system");
    t->chat.speculate = hl_args_has(args, "no-speculation") ? HL_SPECULATE_OFF : HL_SPECULATE_AUTO;
    t->hide_thinking = hl_args_has(args, "hide-thinking");
    t->verbose = hl_args_has(args, "verbose");
    t->chat.raw = hl_args_has(args, "raw");
    t->as_json = hl_args_has(args, "json");
    t->is_local = hl_args_has(args, "local");
    if (hl_args_has(args, "nowordwrap")) t->wordwrap = false;
    hl_status status = HL_OK;
    if (think) status = hl_talk_set_think(t, think, err);
    if (status == HL_OK) status = hl_talk_set_format(t, hl_args_text(args, "format"), err);
    if (status == HL_OK && system) status = hl_conversation_set_system(&t->chat, hl_view_of(system), err);
    if (status == HL_OK) status = set_template(t, hl_args_text(args, "template"), err);
    if (status == HL_OK) status = set_tools(t, hl_args_text(args, "tools"), err);
    if (status == HL_OK && t->chat.raw && (t->chat.tools || (think && t->chat.think != HL_THINK_OFF)))
        status =
            hl_fail(err, HL_E_ARG, "--raw and %s: a raw prompt goes through no template that could show it",
                    t->chat.tools ? "--tools" : "--think");
    if (status == HL_OK) status = set_keep(t, hl_args_text(args, "keep-alive"), err);
    return status != HL_OK ? status : apply_options(t, args, err);
}

/* A name that is not here is pulled, as Ollama's users expect; files, names of the settings and --local are
 * not. When that fails, too, both reasons are said: the first one may name what was meant. */
static hl_status pull_missing(hl_talk *t, const hl_args *args, const char *name, const hl_err *why_missing,
                              hl_err *err) {
    hl_transfer_show *show = NULL;
    hl_err            why = {0};
    hl_ref            ref;
    const bool        is_url = hl_ref_parse(name, &ref, NULL) == HL_OK && ref.kind == HL_REF_URL;
    if (t->is_local ||
        !(is_url ? hl_host_check_online(t->host, name, NULL) == HL_OK : hl_host_may_pull(t->host, name)))
        return hl_fail(err, why_missing->status, "%s", why_missing->text);
    hl_status status = hl_transfer_show_new(t->app, false, false, &show, err);
    if (status != HL_OK) return status;
    const hl_pull_options options = {
        .insecure = hl_args_has(args, "insecure"), .progress = hl_transfer_show_step, .user = show};
    status = hl_host_pull(t->host, name, &options, NULL, &why);
    hl_transfer_show_end(show);
    hl_transfer_show_free(show);
    if (status == HL_OK) return hl_talk_open(t, name, err);
    if (status == HL_E_CANCEL || status == HL_E_NOMEM) return hl_fail(err, status, "%s", why.text);
    const char *advice = strstr(why_missing->text, "; `hyperlama pull"); /* which has been tried now */
    const int   n_said = (int)(advice ? advice - why_missing->text : (ptrdiff_t)strlen(why_missing->text));
    return hl_fail(err, why_missing->status, "%.*s; and it could not be pulled: %s", n_said,
                   why_missing->text, why.text);
}

static hl_status open_model(hl_talk *t, const hl_args *args, const char *name, hl_err *err) {
    hl_err why = {0};
    t->args = args;
    t->adapted = name;
    const hl_status status = hl_talk_open(t, name, &why);
    if (status == HL_E_NOT_FOUND && t->is_missing) return pull_missing(t, args, name, &why, err);
    return status == HL_OK ? HL_OK : hl_fail(err, status, "%s", why.text);
}

hl_status hl_cmd_run(hl_app *app, const hl_args *args, hl_err *err) {
    hl_talk t;
    hl_str  prompt;
    bool    is_given = false;
    hl_talk_init(&t, app);
    hl_str_init(&prompt, MAX_PROMPT_BYTES);
    hl_status status = apply_args(&t, args, err);
    if (status == HL_OK) status = gather_prompt(app, args, &prompt, &is_given, err);
    const bool is_chat = !is_given && isatty(STDIN_FILENO) && app->out_is_tty && !t.as_json;
    if (status == HL_OK && !is_chat && prompt.len == 0)
        status =
            hl_fail(err, HL_E_ARG,
                    "run: the prompt is empty: give one as an argument, with --file or on standard input");
    if (status == HL_OK && is_chat && t.chat.tools)
        status =
            hl_fail(err, HL_E_ARG, "run: --tools: expected a prompt with it; a chat cannot answer calls");
    t.is_chat = is_chat;
    if (status == HL_OK) status = open_model(&t, args, hl_args_at(args, 0), err);
    if (status == HL_OK) status = is_chat ? hl_repl(&t, err) : hl_talk_ask(&t, hl_str_view(&prompt), err);
    if (status == HL_E_CANCEL && !hl_signal.stop) status = HL_OK; /* the reader went away: main() sees that */
    hl_str_done(&prompt);
    hl_talk_done(&t);
    return status;
}
