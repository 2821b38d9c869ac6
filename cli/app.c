/* SPDX-License-Identifier: MIT
 *
 * app.c - what signals left behind, and remarks to the user.
 */
#include "cli/app.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "cli/term/wrap.h"
#include "core/base/clean.h"

enum { MAX_WORDS_BYTES = 4096, N_SAID = 32 };

hl_signals hl_signal;

static void print_remark(const hl_app *app, const char *kind, const char *fmt, va_list args) {
    char raw[MAX_WORDS_BYTES], text[MAX_WORDS_BYTES];
    (void)vsnprintf(raw, sizeof raw, fmt, args);
    (void)hl_clean_into(text, sizeof text, hl_view_of(raw), HL_CLEAN_LINE);
    (void)fflush(stdout);
    fputs(kind, stderr);
    if (app->err_is_tty)
        hl_wrap_print(stderr, text, hl_wrap_columns(stderr), (int)strlen(kind), 0);
    else
        fputs(text, stderr);
    fputc('\n', stderr);
}

void hl_app_warn(const hl_app *app, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    print_remark(app, "warning: ", fmt, args);
    va_end(args);
}

void hl_app_note(const hl_app *app, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    print_remark(app, "", fmt, args);
    va_end(args);
}

/* Was this said already? Of the last N_SAID. */
static bool was_said(const char *text) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t        said[N_SAID];
    static size_t          n_said;
    uint64_t               hash = 14695981039346656037u;
    bool                   found = false;
    for (const char *p = text; *p; p++) hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < N_SAID; i++) found |= said[i] == hash;
    if (!found) said[n_said++ % N_SAID] = hash;
    (void)pthread_mutex_unlock(&lock);
    return found;
}

/* The sink of events for somebody who did not ask for a log. */
static void say_event(void *user, hl_log_level level, const char *component, const char *event,
                      const char *fields) {
    const hl_app *app = user;
    hl_str        words;
    (void)component;
    if (level > HL_LOG_WARN) return;
    hl_str_init(&words, MAX_WORDS_BYTES);
    hl_log_format_words(event, fields, &words);
    if (!was_said(hl_str_text(&words))) hl_app_warn(app, "%s", hl_str_text(&words));
    hl_str_done(&words);
}

void hl_app_choose_log(hl_app *app, bool is_verbose) {
    app->wants_log = is_verbose || hl_config_origin(app->config, HL_SETTING_log_level) != HL_ORIGIN_DEFAULT ||
                     hl_config_origin(app->config, HL_SETTING_log_format) != HL_ORIGIN_DEFAULT;
    app->log = (hl_log){.fd = STDERR_FILENO, .level = HL_LOG_WARN};
    (void)hl_log_level_parse(hl_config_text(app->config, HL_SETTING_log_level), &app->log.level);
    if (strcmp(hl_config_text(app->config, HL_SETTING_log_format), "json") == 0)
        app->log.format = HL_LOG_JSON;
    app->events = app->wants_log ? hl_log_events(&app->log)
                                 : (hl_events){.fn = say_event, .user = app, .level = HL_LOG_WARN};
}

const char *hl_app_key(const hl_app *app) {
    const char *key = hl_env_get(app->envp, "HYPERLAMA_API_KEY");
    return key ? key : hl_env_get(app->envp, "OLLAMA_API_KEY");
}
