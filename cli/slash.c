/* SPDX-License-Identifier: MIT
 *
 * slash.c - the chat's own commands: /set /show /load /save /clear /list /help /bye.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/talk.h"
#include "cli/term/answer.h"
#include "cli/term/edit.h"
#include "cli/term/say.h"
#include "cli/term/wrap.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"

/* What a command works on. */
typedef struct slash {
    hl_talk    *talk;
    hl_edit    *edit;
    const char *rest; /* behind the command's name, trimmed and terminated; "" when there is nothing */
    size_t      n_rest;
    bool        leave;
} slash;

typedef hl_status slash_fn(slash *s, hl_err *err);

static hl_status need_rest(const slash *s, const char *usage, hl_err *err) {
    return s->rest[0] ? HL_OK : hl_fail(err, HL_E_ARG, "usage: %s", usage);
}

/* ---- /set ---- */

/* Take the next word of *at: up to a blank, or "in quotes" with \" \\ \n \t inside. False: there is none, or
 * no end. */
static bool take_word(const char **at, hl_str *word) {
    const char *p = *at + strspn(*at, " \t\n");
    const bool  is_quoted = *p == '"';
    hl_str_clear(word);
    if (!*p) return false;
    if (!is_quoted) {
        const size_t n = strcspn(p, " \t\n");
        hl_str_add(word, p, n);
        *at = p + n;
        return true;
    }
    for (p++; *p && *p != '"'; p++) {
        const char *escape = *p == '\\' && p[1] ? strchr("\"\"\\\\n\nt\t", p[1]) : NULL;
        if (escape) p++;
        hl_str_add_char(word, escape ? escape[1] : *p);
    }
    if (!*p) return false; /* *at stays where the quotes begin */
    *at = p + 1;
    return true;
}

static void say_parameter(const slash *s, hl_opt id, const hl_str *said) {
    const hl_talk *t = s->talk;
    if (hl_conversation_waits_for_open(&t->chat, id))
        hl_app_note(t->app, "set %s; it takes effect with the next /load", hl_say_str(said));
    else if (id == HL_OPT_num_ctx)
        hl_app_note(t->app, "set num_ctx: the context holds %d tokens from now on", (int)t->chat.n_ctx);
    else
        hl_app_note(t->app, "set %s", hl_say_str(said));
}

static hl_status set_parameter(slash *s, hl_err *err) {
    const char *at = s->rest;
    char       *values[HL_MAX_STOPS];
    size_t      n = 0;
    hl_str      name, word, said;
    hl_status   status = HL_OK;
    hl_str_init(&name, 64);
    hl_str_init(&word, HL_MAX_STOP_BYTES);
    hl_str_init(&said, 1 << 20);
    (void)take_word(&at, &name);
    hl_str_add_text(&said, hl_str_text(&name));
    while (n < HL_MAX_STOPS && status == HL_OK && take_word(&at, &word)) {
        hl_str_add_text(&said, n ? ", " : " to ");
        hl_str_add_json(&said, hl_str_view(&word));
        status = hl_str_check(&word, "a value", err);
        if (status == HL_OK && !(values[n++] = hl_str_take(&word))) {
            n--;
            status = hl_fail(err, HL_E_NOMEM, "a value: no memory");
        }
    }
    at += strspn(at, " \t\n");
    if (status != HL_OK)
        ;
    else if (*at || name.failed)
        status = hl_fail(err, HL_E_ARG, "expected words, or words in double quotes that end");
    else if (n == 0)
        status = hl_fail(err, HL_E_ARG, "usage: /set parameter NAME VALUE... (say temperature 0.5)");
    else
        status = hl_conversation_set_option(&s->talk->chat, hl_str_text(&name), (const char *const *)values,
                                            n, err);
    if (status == HL_OK) say_parameter(s, hl_opt_find(hl_str_text(&name)), &said);
    for (size_t i = 0; i < n; i++) hl_free(values[i]);
    hl_str_done(&name);
    hl_str_done(&word);
    hl_str_done(&said);
    return status;
}

static hl_status set_system(slash *s, hl_err *err) {
    const hl_status status = hl_conversation_set_system(&s->talk->chat, (hl_view){s->rest, s->n_rest}, err);
    if (status == HL_OK) hl_app_note(s->talk->app, s->n_rest ? "set system text" : "set no system text");
    return status;
}

static hl_status set_history(slash *s, hl_err *err) {
    (void)err;
    hl_edit_set_history(s->edit, true);
    hl_app_note(s->talk->app, "set history: what is typed is remembered");
    return HL_OK;
}

static hl_status set_nohistory(slash *s, hl_err *err) {
    (void)err;
    hl_edit_set_history(s->edit, false);
    hl_app_note(s->talk->app, "set nohistory: nothing is remembered from now on");
    return HL_OK;
}

static hl_status set_wordwrap(slash *s, hl_err *err) {
    (void)err;
    s->talk->wordwrap = true;
    hl_app_note(s->talk->app, "set wordwrap: lines break between words");
    return HL_OK;
}

static hl_status set_nowordwrap(slash *s, hl_err *err) {
    (void)err;
    s->talk->wordwrap = false;
    hl_app_note(s->talk->app, "set nowordwrap: lines break where the terminal ends");
    return HL_OK;
}

static hl_status set_verbose(slash *s, hl_err *err) {
    (void)err;
    s->talk->verbose = true;
    hl_app_note(s->talk->app, "set verbose: counts and speeds follow each answer");
    return HL_OK;
}

static hl_status set_quiet(slash *s, hl_err *err) {
    (void)err;
    s->talk->verbose = false;
    hl_app_note(s->talk->app, "set quiet: no counts and speeds");
    return HL_OK;
}

static hl_status set_think(slash *s, hl_err *err) {
    const hl_think before = s->talk->chat.think;
    hl_status      status = hl_talk_set_think(s->talk, s->rest, err);
    const hl_think think = s->talk->chat.think;
    if (status == HL_OK && think != HL_THINK_OFF) status = hl_talk_check_think(s->talk, err);
    if (status != HL_OK) {
        s->talk->chat.think = before;
        return status;
    }
    if (think == HL_THINK_OFF)
        hl_app_note(s->talk->app, "set nothink: the model is asked not to think");
    else
        hl_app_note(s->talk->app, "set think: the model is asked to think first%s%s",
                    hl_think_level(think) ? ", how much: " : "",
                    hl_think_level(think) ? hl_think_level(think) : "");
    return HL_OK;
}

static hl_status set_nothink(slash *s, hl_err *err) {
    s->rest = "false";
    return set_think(s, err);
}

static hl_status set_format(slash *s, hl_err *err) {
    if (!*s->rest)
        return hl_fail(err, HL_E_ARG, "/set format: expected json, a JSON schema, or a file with one");
    const hl_status status = hl_talk_set_format(s->talk, s->rest, err);
    if (status == HL_OK) hl_app_note(s->talk->app, "set format: answers keep to it");
    return status;
}

static hl_status set_noformat(slash *s, hl_err *err) {
    const hl_status status = hl_talk_set_format(s->talk, NULL, err);
    hl_app_note(s->talk->app, "set noformat: answers are plain text");
    return status;
}

/* ---- /show ---- */

static void print_option(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    const hl_talk *t = user;
    hl_str         text;
    hl_str_init(&text, 8 * HL_MAX_STOP_BYTES);
    if (id == HL_OPT_num_ctx) /* "what suits the model" is a number by now */
        hl_str_add_format(&text, "%d", (int)t->chat.n_ctx);
    else if (id == HL_OPT_stop)
        hl_str_add_json(&text, hl_view_of(value));
    else
        hl_str_add_text(&text, value);
    hl_say_line(t->app->out, "%-18s %-14s %s", name, hl_say_str(&text),
                origin == HL_FROM_REQUEST ? "set here" : hl_opt_origin_name(origin));
    hl_str_done(&text);
}

static void print_stored_only(const hl_talk *t) {
    const hl_stored_model *m = t->chat.stored;
    for (size_t i = 0; m && i < m->n_params; i++) {
        if (hl_opt_find(m->params[i].name) != HL_N_OPTS) continue;
        hl_say_line(t->app->out, "%-18s %-14s stored with the model, without effect here", m->params[i].name,
                    m->params[i].value);
    }
}

/* What is in force in this chat, in the words of `hyperlama show`. */
static hl_status show(slash *s, hl_err *err) {
    hl_talk         *t = s->talk;
    const char      *part = s->rest[0] ? s->rest : "info";
    const hl_view    system = hl_conversation_system(&t->chat);
    hl_stored_model *m = NULL;
    if (strcmp(part, "parameters") == 0) {
        hl_options_each(&t->chat.options, print_option, t);
        print_stored_only(t);
        return HL_OK;
    }
    if (strcmp(part, "system") == 0 && system.len == 0) {
        hl_app_note(t->app, "no system text");
        return HL_OK;
    }
    if (strcmp(part, "template") == 0 && t->chat.template_text) {
        hl_term_print(t->app->out, t->app->out_is_tty, hl_view_of(t->chat.template_text));
        fputc('\n', t->app->out);
        return HL_OK;
    }
    hl_model *file = NULL;
    hl_status status = hl_conversation_model(&t->chat, &m, err);
    if (status == HL_OK && (strcmp(part, "info") == 0 || strcmp(part, "template") == 0))
        status = hl_host_open_model(t->host, t->chat.source, false, &file, err);
    if (status == HL_OK) {
        hl_source now = *t->chat.source;
        now.stored = m;
        status = hl_show_part(t->app, &now, file, &t->chat.options, part, err);
    }
    hl_model_close(file);
    hl_conversation_model_free(m);
    return status;
}

/* ---- The rest ---- */

static hl_status clear(slash *s, hl_err *err) {
    (void)err;
    hl_conversation_clear(&s->talk->chat);
    hl_app_note(s->talk->app, "the chat so far is forgotten");
    return HL_OK;
}

static hl_status load(slash *s, hl_err *err) {
    const bool had_system = s->talk->chat.system != NULL;
    hl_status  status = need_rest(s, "/load MODEL", err);
    if (status == HL_OK) status = hl_talk_open(s->talk, s->rest, err);
    if (status == HL_OK) status = hl_conversation_set_system(&s->talk->chat, (hl_view){0}, err);
    if (status != HL_OK) return status;
    char about[HL_TALK_ABOUT_BYTES];
    hl_talk_describe(s->talk, about);
    hl_app_note(s->talk->app, "%s%s", about, had_system ? "; the system text set before is dropped" : "");
    return HL_OK;
}

/* A new model of the same weights: all that is stored with this one, and what this chat has set and said. */
static hl_status save(slash *s, hl_err *err) {
    hl_talk         *t = s->talk;
    hl_stored_model *m = NULL;
    hl_store        *store = NULL;
    hl_name          written;
    char             text[HL_NAME_TEXT_BYTES];
    hl_status        status = need_rest(s, "/save NAME", err);
    if (status == HL_OK && t->chat.source->n_added > 0)
        status =
            hl_fail(err, HL_E_UNSUPPORTED,
                    "/save: the adapters of --adapter are not stored with the model, and it would answer "
                    "otherwise: `hyperlama create NAME --from %.200s --adapter FILE` stores them",
                    t->chat.source->label);
    if (status == HL_OK) status = hl_conversation_model(&t->chat, &m, err);
    if (status != HL_OK) return status;
    /* a model of the store keeps all that its record holds; a file of the user's becomes one */
    const hl_import_options options = {.template_text = m->template_text,
                                       .system = m->system,
                                       .params = m->params,
                                       .n_params = m->n_params,
                                       .messages = m->messages,
                                       .n_messages = m->n_messages};
    status = hl_host_store(t->host, &store, err);
    if (status == HL_OK && t->chat.source->stored && !t->chat.source->stored->is_watched)
        status = hl_store_save_model(store, m, s->rest, &written, err);
    else if (status == HL_OK)
        status = hl_store_import(store, t->chat.source->paths, t->chat.source->n_paths, s->rest, &options,
                                 &written, err);
    if (status == HL_OK) {
        hl_name_format(&written, text);
        hl_app_note(t->app, "saved as %s", text);
        const bool keeps = hl_conversation_keeps_template(&t->chat);
        if (t->chat.template_text && !keeps)
            hl_app_note(t->app,
                        "note: the template that was given is not saved: what a model stores is in another "
                        "language (--template gives it again)");
    }
    hl_conversation_model_free(m);
    return status;
}

static hl_status list(slash *s, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *models = NULL;
    hl_status      status = hl_host_store(s->talk->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, s->rest, &models, err);
    if (status != HL_OK) return status;
    for (size_t i = 0; i < models->n; i++) hl_say_line(s->talk->app->out, "%s", models->entries[i].text);
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
    {"show", "[PART]", "what is in force in this chat; /? show lists the parts", show},
    {"load", "MODEL", "go on with another model and an empty chat", load},
    {"save", "NAME", "store the model with this chat's system text, parameters and messages", save},
    {"clear", "", "forget the chat so far", clear},
    {"list", "", "list the models on this machine", list},
    {"help", "[TOPIC]", "this list; topics: set, show, shortcuts", help},
    {"?", "[TOPIC]", NULL, help},
    {"bye", "", "leave", leave},
    {"exit", "", NULL, leave},
    {0},
};

static const row set_commands[] = {
    {"parameter", "NAME VALUE...",
     "seed num_predict top_k top_p min_p temperature repeat_penalty stop num_ctx ...", set_parameter},
    {"system", "TEXT", "the system text; \"\"\" for several lines", set_system},
    {"history", "", "remember what is typed", set_history},
    {"nohistory", "", "do not", set_nohistory},
    {"wordwrap", "", "break lines between words", set_wordwrap},
    {"nowordwrap", "", "do not", set_nowordwrap},
    {"format", "json|SCHEMA|PATH", "answers in JSON, of this schema", set_format},
    {"noformat", "", "answers in plain text", set_noformat},
    {"verbose", "", "print counts and speeds after each answer", set_verbose},
    {"quiet", "", "do not", set_quiet},
    {"think", "[LEVEL]", "ask the model to think first, if it can", set_think},
    {"nothink", "", "ask it not to", set_nothink},
    {0},
};

static const row show_commands[] = {
    {"info", "", "the model: architecture, sizes, parameters, texts", NULL},
    {"license", "", "its licence", NULL},
    {"modelfile", "", "a Modelfile that makes this chat", NULL},
    {"parameters", "", "the parameters in force, and where each comes from", NULL},
    {"system", "", "the system text in force", NULL},
    {"template", "", "the chat template", NULL},
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
            const char *rest = text + n + strspn(text + n, " \n");
            s->n_rest -= (size_t)(rest - s->rest);
            s->rest = rest;
            return r->fn(s, err);
        }
        hl_nearest_try(&best, wanted, r->name);
    }
    if (best.name)
        return hl_fail(err, HL_E_ARG, "unknown command '%s%s'; did you mean '%s%s'?", what, wanted, what,
                       best.name);
    return hl_fail(err, HL_E_ARG, "unknown command '%s%s' (see /help)", what, wanted);
}

enum { ROW_COLUMNS = 26 }; /* of what is to be typed */

static void print_rows(FILE *out, const row *rows, const char *prefix) {
    for (const row *r = rows; r->name; r++) {
        char left[64];
        if (!r->text) continue;
        const int n = snprintf(left, sizeof left, "  %s%s %s", prefix, r->name, r->args);
        fputs(left, out);
        fprintf(out, "%*s", n < ROW_COLUMNS ? ROW_COLUMNS - n : 1, "");
        hl_wrap_print(out, r->text, hl_wrap_columns(out), n < ROW_COLUMNS ? ROW_COLUMNS : n + 1, ROW_COLUMNS);
        fputc('\n', out);
    }
}

/* Alone it says what can be set. */
static hl_status set(slash *s, hl_err *err) {
    if (s->rest[0]) return dispatch(s, set_commands, "/set ", s->rest, err);
    print_rows(s->talk->app->out, set_commands, "/set ");
    return HL_OK;
}

static void print_keys(FILE *out) {
    static const char *const keys[][2] = {
        {"Ctrl-C", "stops an answer, or drops the line"},
        {"Ctrl-D", "leaves, on an empty line"},
        {"Ctrl-J, Alt-Enter", "starts a new line"},
        {"Ctrl-G", "opens the text in your editor ($VISUAL, $EDITOR)"},
        {"Ctrl-A, Ctrl-E", "to the start, to the end of the line"},
        {"Alt-B, Alt-F", "a word back, a word on"},
        {"Ctrl-W", "deletes a word"},
        {"Ctrl-K, Ctrl-U", "deletes to the end, to the start"},
        {"Ctrl-L", "clears the screen"},
        {"Ctrl-R", "searches what was typed before"},
        {"Ctrl-Z", "stops the program; fg goes on"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        fprintf(out, "  %-22s %s\n", keys[i][0], keys[i][1]);
}

static hl_status help(slash *s, hl_err *err) {
    FILE *out = s->talk->app->out;
    (void)err;
    if (strcmp(s->rest, "set") == 0 || strcmp(s->rest, "/set") == 0) {
        print_rows(out, set_commands, "/set ");
        return HL_OK;
    }
    if (strcmp(s->rest, "shortcuts") == 0) {
        print_keys(out);
        return HL_OK;
    }
    if (strcmp(s->rest, "show") == 0 || strcmp(s->rest, "/show") == 0) {
        print_rows(out, show_commands, "/show ");
        return HL_OK;
    }
    print_rows(out, commands, "/");
    fputs("  \"\"\" begins and ends a text of several lines; pasted text keeps its lines.\n"
          "  Keys: /? shortcuts\n",
          out);
    return HL_OK;
}

hl_status hl_slash(hl_talk *t, hl_edit *edit, hl_view line, bool *ret_leave, hl_err *err) {
    slash  s = {.talk = t, .edit = edit};
    hl_str text;
    hl_str_init(&text, 1 << 20);
    hl_str_add_view(&text, hl_view_trim((hl_view){line.ptr + 1, line.len - 1}));
    s.rest = hl_str_text(&text);
    s.n_rest = text.len;
    hl_status status = hl_str_check(&text, "the command", err);
    if (status == HL_OK) status = dispatch(&s, commands, "/", s.rest, err);
    hl_str_done(&text);
    *ret_leave = s.leave;
    return status;
}
