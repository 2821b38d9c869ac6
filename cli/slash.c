/* SPDX-License-Identifier: MIT
 *
 * slash.c - the chat's own commands: /set /show /load /save /clear /list /help /bye.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/talk.h"
#include "cli/term/answer.h"
#include "cli/term/edit.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"

enum { MAX_PARAMS = 256 };

/* What a command works on. */
typedef struct slash {
    hl_talk    *talk;
    hl_edit    *edit;
    const char *rest; /* behind the command's name, trimmed; "" when there is nothing */
    bool        leave;
} slash;

typedef hl_status slash_fn(slash *s, hl_err *err);

static hl_status need_rest(const slash *s, const char *usage, hl_err *err) {
    return s->rest[0] ? HL_OK : hl_fail(err, HL_E_ARG, "usage: %s", usage);
}

static hl_status replace_text(char **to, const char *text, hl_err *err) {
    char *copy = hl_strdup(text);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "no memory");
    hl_free(*to);
    *to = copy;
    return HL_OK;
}

/* ---- /set ---- */

static hl_status set_parameter(slash *s, hl_err *err) {
    char         key[64];
    const size_t n = strcspn(s->rest, " ");
    const char  *value = s->rest + n + strspn(s->rest + n, " ");
    if (n == 0 || n >= sizeof key || !*value)
        return hl_fail(err, HL_E_ARG, "usage: /set parameter NAME VALUE (say temperature 0.5)");
    memcpy(key, s->rest, n);
    key[n] = '\0';
    const int32_t n_ctx = s->talk->options.num_ctx, n_threads = s->talk->options.num_thread;
    hl_status     status = hl_talk_give(s->talk, key, value, err);
    if (status != HL_OK) return status;
    if (s->talk->options.num_ctx != n_ctx && s->talk->loaded &&
        hl_loaded_set_ctx(s->talk->loaded, s->talk->options.num_ctx))
        hl_app_note(s->talk->app, "the context holds %d tokens from now on", (int)s->talk->loaded->n_ctx);
    else if (s->talk->options.num_ctx != n_ctx || s->talk->options.num_thread != n_threads)
        hl_app_note(s->talk->app, "%s takes effect with the next /load", key);
    else
        hl_app_note(s->talk->app, "set %s to '%s'", key, value);
    return HL_OK;
}

static hl_status set_system(slash *s, hl_err *err) {
    const hl_status status = replace_text(&s->talk->system, s->rest, err);
    if (status == HL_OK) hl_app_note(s->talk->app, s->rest[0] ? "set system text" : "no system text");
    return status;
}

static hl_status set_history(slash *s, hl_err *err) {
    (void)err;
    hl_edit_set_history(s->edit, true);
    return HL_OK;
}

static hl_status set_nohistory(slash *s, hl_err *err) {
    (void)err;
    hl_edit_set_history(s->edit, false);
    return HL_OK;
}

static hl_status set_wordwrap(slash *s, hl_err *err) {
    (void)err;
    s->talk->wordwrap = true;
    return HL_OK;
}

static hl_status set_nowordwrap(slash *s, hl_err *err) {
    (void)err;
    s->talk->wordwrap = false;
    return HL_OK;
}

static hl_status set_verbose(slash *s, hl_err *err) {
    (void)err;
    s->talk->verbose = true;
    return HL_OK;
}

static hl_status set_quiet(slash *s, hl_err *err) {
    (void)err;
    s->talk->verbose = false;
    return HL_OK;
}

static hl_status set_think(slash *s, hl_err *err) {
    (void)err;
    s->talk->think = HL_THINK_ON;
    return HL_OK;
}

static hl_status set_nothink(slash *s, hl_err *err) {
    (void)err;
    s->talk->think = HL_THINK_OFF;
    return HL_OK;
}

static hl_status set_format(slash *s, hl_err *err) {
    (void)s;
    return hl_fail(err, HL_E_NOT_YET, "/set format: this build does not have it yet");
}

/* ---- The rest ---- */

static hl_status show(slash *s, hl_err *err) {
    return hl_show_part(s->talk->app, s->talk->source, s->talk->loaded->model, s->rest[0] ? s->rest : "info",
                        err);
}

static hl_status clear(slash *s, hl_err *err) {
    (void)err;
    hl_talk_clear(s->talk);
    hl_app_note(s->talk->app, "the chat so far is forgotten");
    return HL_OK;
}

static hl_status load(slash *s, hl_err *err) {
    hl_status status = need_rest(s, "/load MODEL", err);
    if (status == HL_OK) status = hl_talk_open(s->talk, s->rest, err);
    if (status == HL_OK)
        hl_app_note(s->talk->app, "%s, context %d tokens", s->talk->source->label,
                    (int)s->talk->loaded->n_ctx);
    return status;
}

typedef struct params {
    hl_param list[MAX_PARAMS];
    char    *texts[MAX_PARAMS]; /* owned */
    size_t   n;
    bool     failed;
} params;

static void take_param(void *user, const char *name, const char *value) {
    params *p = user;
    char   *copy = p->n < MAX_PARAMS ? hl_strdup(value) : NULL;
    if (!copy) {
        p->failed = true;
        return;
    }
    p->texts[p->n] = copy;
    p->list[p->n++] = (hl_param){.name = name, .value = copy};
}

static hl_status write_model(const hl_talk *t, const char *name, const hl_import_options *options,
                             hl_err *err) {
    hl_store *store = NULL;
    hl_name   written;
    char      text[HL_NAME_TEXT_BYTES];
    hl_status status = hl_host_store(t->host, &store, err);
    if (status == HL_OK)
        status = hl_store_import(store, t->source->paths, t->source->n_paths, name, options, &written, err);
    if (status != HL_OK) return status;
    hl_name_format(&written, text);
    hl_app_note(t->app, "saved as %s", text);
    return HL_OK;
}

/* A new model of the same weights with this chat's system text, parameters and messages. */
static hl_status save(slash *s, hl_err *err) {
    const hl_talk         *t = s->talk;
    const hl_stored_model *from = t->source->stored;
    hl_options             plain;
    hl_stored_message     *messages = NULL;
    hl_status              status = need_rest(s, "/save NAME", err);
    if (status != HL_OK) return status;
    params *p = hl_new(1, sizeof *p);
    messages = hl_new(t->n_messages + 1, sizeof *messages);
    hl_options_init(&plain);
    if (!p || !messages) {
        status = hl_fail(err, HL_E_NOMEM, "no memory");
        goto out;
    }
    hl_options_each(&t->options, &plain, take_param, p);
    for (size_t i = 0; i < t->n_messages; i++)
        messages[i] = (hl_stored_message){.role = t->messages[i].role, .content = t->messages[i].content};
    const hl_import_options options = {.template_text = from ? from->template_text : NULL,
                                       .system = t->system ? t->system
                                                 : from    ? from->system
                                                           : NULL,
                                       .params = p->list,
                                       .n_params = p->n,
                                       .messages = messages,
                                       .n_messages = t->n_messages,
                                       .licenses = from ? from->licenses : NULL,
                                       .n_licenses = from ? from->n_licenses : 0};
    status = p->failed ? hl_fail(err, HL_E_NOMEM, "no memory, or over %d parameters", MAX_PARAMS)
                       : write_model(t, s->rest, &options, err);
out:
    for (size_t i = 0; p && i < p->n; i++) hl_free(p->texts[i]);
    hl_free(p);
    hl_free(messages);
    hl_options_done(&plain);
    return status;
}

static hl_status list(slash *s, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *models = NULL;
    hl_status      status = hl_host_store(s->talk->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, s->rest, &models, err);
    if (status != HL_OK) return status;
    for (size_t i = 0; i < models->n; i++) fprintf(s->talk->app->out, "%s\n", models->entries[i].text);
    hl_store_list_free(models);
    return HL_OK;
}

static hl_status leave(slash *s, hl_err *err) {
    (void)err;
    s->leave = true;
    return HL_OK;
}

static slash_fn help, set;

typedef struct row {
    const char *name, *args, *text;
    slash_fn   *fn;
} row;

static const row commands[] = {
    {"set", "NAME ...", "change this chat; /? set lists what", set},
    {"show", "[PART]", "info, license, modelfile, parameters, system or template of the model", show},
    {"load", "MODEL", "go on with another model and an empty chat", load},
    {"save", "NAME", "store the model with this chat's system text, parameters and messages", save},
    {"clear", "", "forget the chat so far", clear},
    {"list", "", "list the models on this machine", list},
    {"help", "[set|shortcuts]", "this list", help},
    {"?", "[set|shortcuts]", NULL, help},
    {"bye", "", "leave", leave},
    {"exit", "", NULL, leave},
    {0},
};

static const row set_commands[] = {
    {"parameter", "NAME VALUE",
     "seed num_predict top_k top_p min_p temperature repeat_penalty stop num_ctx ...", set_parameter},
    {"system", "TEXT", "the system text; \"\"\" for several lines", set_system},
    {"history", "", "remember what is typed", set_history},
    {"nohistory", "", "do not", set_nohistory},
    {"wordwrap", "", "break lines between words", set_wordwrap},
    {"nowordwrap", "", "do not", set_nowordwrap},
    {"format", "json", "answers in JSON (not in this build yet)", set_format},
    {"verbose", "", "print counts and speeds after each answer", set_verbose},
    {"quiet", "", "do not", set_quiet},
    {"think", "", "ask the model to think first, if it can", set_think},
    {"nothink", "", "ask it not to", set_nothink},
    {0},
};

/* Run the row that the first word of `text` names. */
static hl_status dispatch(slash *s, const row *rows, const char *what, const char *text, hl_err *err) {
    const size_t n = strcspn(text, " \n");
    hl_nearest   best = {0};
    char         wanted[32];
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)(n < 31 ? n : 31), text);
    for (const row *r = rows; r->name; r++) {
        if (strcmp(r->name, wanted) == 0) {
            s->rest = text + n + strspn(text + n, " \n");
            return r->fn(s, err);
        }
        hl_nearest_try(&best, wanted, r->name);
    }
    if (best.name)
        return hl_fail(err, HL_E_ARG, "unknown command '%s%s'; did you mean '%s%s'?", what, wanted, what,
                       best.name);
    return hl_fail(err, HL_E_ARG, "unknown command '%s%s' (see /help)", what, wanted);
}

static hl_status set(slash *s, hl_err *err) {
    if (!s->rest[0]) return hl_fail(err, HL_E_ARG, "usage: /set NAME ... (see /? set)");
    return dispatch(s, set_commands, "/set ", s->rest, err);
}

static void print_rows(FILE *out, const row *rows, const char *prefix) {
    for (const row *r = rows; r->name; r++) {
        char left[64];
        if (!r->text) continue;
        (void)snprintf(left, sizeof left, "%s%s %s", prefix, r->name, r->args);
        fprintf(out, "  %-28s %s\n", left, r->text);
    }
}

static hl_status help(slash *s, hl_err *err) {
    FILE *out = s->talk->app->out;
    (void)err;
    if (strcmp(s->rest, "set") == 0 || strcmp(s->rest, "/set") == 0) {
        print_rows(out, set_commands, "/set ");
        return HL_OK;
    }
    if (strcmp(s->rest, "shortcuts") == 0) {
        fputs("  Ctrl-C stops an answer, or drops the line · Ctrl-D leaves · Ctrl-J or Alt-Enter starts a "
              "new line\n"
              "  Ctrl-A Ctrl-E start and end of the line · Alt-B Alt-F a word back and on · Ctrl-W deletes a "
              "word\n"
              "  Ctrl-K Ctrl-U delete to the end, to the start · Ctrl-L clears the screen · Ctrl-R searches "
              "the history\n",
              out);
        return HL_OK;
    }
    print_rows(out, commands, "/");
    fputs(
        "  \"\"\" begins and ends a text of several lines; pasted text keeps its lines. Keys: /? shortcuts\n",
        out);
    return HL_OK;
}

hl_status hl_slash(hl_talk *t, hl_edit *edit, const char *line, bool *ret_leave, hl_err *err) {
    slash  s = {.talk = t, .edit = edit, .rest = ""};
    hl_str text;
    hl_str_init(&text, 1 << 20);
    hl_str_add_view(&text, hl_view_trim(hl_view_of(line + 1)));
    const hl_status status = text.failed ? hl_fail(err, HL_E_LIMIT, "the command is over 1 MiB")
                                         : dispatch(&s, commands, "/", hl_str_text(&text), err);
    hl_str_done(&text);
    *ret_leave = s.leave;
    return status;
}
