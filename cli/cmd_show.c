/* SPDX-License-Identifier: MIT
 *
 * cmd_show.c - hyperlama show MODEL: what is known about a model, from its manifest and its file.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/talk.h"
#include "cli/term/answer.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/mem.h"
#include "host/remote/remote_model.h"
#include "hyperlama/native.h"

/* A text to be used again, ended by a newline: byte for byte into a file. */
static void print_text(const hl_app *app, hl_view text) {
    if (text.len == 0) return;
    hl_term_print(app->out, app->out_is_tty, text);
    if (text.ptr[text.len - 1] != '\n') fputc('\n', app->out);
}

static void print_field(const hl_app *app, const char *name, const char *value) {
    if (!value || !*value) return;
    hl_say_line(app->out, "    %-20s %s", name, value);
}

static void print_number(const hl_app *app, const char *name, int64_t n) {
    if (n > 0) fprintf(app->out, "    %-20s %" PRId64 "\n", name, n);
}

static void format_count(uint64_t n, char buf[16]) {
    if (n >= 999950000)
        (void)snprintf(buf, 16, "%.1fB", (double)n / 1e9);
    else if (n >= 999950)
        (void)snprintf(buf, 16, "%.2fM", (double)n / 1e6);
    else
        (void)snprintf(buf, 16, "%" PRIu64, n);
}

/* The first lines of a long text, as a taste of it. */
static void print_head(const hl_app *app, const char *title, const char *text) {
    fprintf(app->out, "\n  %s\n", title);
    for (int i = 0; i < 2 && *text; i++) {
        const size_t n = strcspn(text, "\n");
        fputs("    ", app->out);
        hl_say_line(app->out, "%.*s", (int)n, text);
        text += n + (text[n] == '\n');
    }
    if (*text) fputs("    ...\n", app->out);
}

static void print_parameters(const hl_app *app, const hl_stored_model *m, const char *indent) {
    for (size_t i = 0; m && i < m->n_params; i++) {
        hl_say_line(app->out, "%s%-20s %s", indent, m->params[i].name, m->params[i].value);
    }
}

/* ---- options in force ---- */

typedef struct in_force {
    const hl_app *app;
    hl_json_out  *j; /* NULL: for people */
    int32_t       n_ctx_train;
    bool          all; /* those at their default, too */
    bool          has_title;
} in_force;

/* 0 is what suits the model: a number that is known here. */
static const char *say_value(const in_force *f, hl_opt id, const char *value, char buf[16]) {
    enum { USUAL_CTX = 4096 }; /* the setting engine.n_ctx says so */
    if (id != HL_OPT_num_ctx || strcmp(value, "0") != 0) return value;
    (void)snprintf(buf, 16, "%d",
                   f->n_ctx_train > 0 && f->n_ctx_train < USUAL_CTX ? (int)f->n_ctx_train : USUAL_CTX);
    return buf;
}

static void add_option(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin) {
    in_force *f = user;
    char      buf[16];
    value = say_value(f, id, value, buf);
    if (f->j) {
        hl_json_open(f->j, NULL, '{');
        hl_json_add_text(f->j, "name", name);
        hl_json_add_text(f->j, "value", value);
        hl_json_add_text(f->j, "from", hl_opt_origin_name(origin));
        hl_json_close(f->j, '}');
    } else if (f->all || origin != HL_FROM_DEFAULT) {
        if (!f->has_title) fputs("\n  Parameters\n", f->app->out);
        f->has_title = true;
        hl_say_line(f->app->out, "    %-20s %-14s %s", name, value, hl_opt_origin_name(origin));
    }
}

/* In the order in which they are applied, by which requests name them. */
static void print_adapters(const hl_app *app, const hl_source *s) {
    for (size_t i = 0; i < hl_source_n_adapters(s); i++) {
        const hl_source_adapter a = hl_source_adapter_at(s, i);
        const char             *slash = strrchr(a.path, '/');
        char                    text[80];
        (void)snprintf(text, sizeof text, "%zu: %.19s, scale %g", i, slash ? slash + 1 : a.path,
                       (double)a.scale);
        print_field(app, "adapter", text);
    }
}

static in_force look_at(const hl_app *app, const hl_model *m) {
    hl_model_info info = {0};
    if (m) hl_model_get_info(m, &info);
    return (in_force){.app = app, .n_ctx_train = info.n_ctx_train};
}

/* What is in force and where it comes from, then what is stored and of no effect here. */
static void print_options(const hl_app *app, const hl_source *s, const hl_model *m, const hl_options *o,
                          bool all) {
    in_force f = look_at(app, m);
    f.all = all;
    hl_options_each(o, add_option, &f);
    for (size_t i = 0; s->stored && i < s->stored->n_params; i++) {
        const hl_param *p = &s->stored->params[i];
        if (hl_opt_find(p->name) != HL_N_OPTS || strcmp(p->name, "adapter_scale") == 0) continue;
        if (!f.has_title) fputs("\n  Parameters\n", app->out);
        f.has_title = true;
        hl_say_line(app->out, "    %-20s %-14s stored with the model, without effect here", p->name,
                    p->value);
    }
}

/* The template that messages are rendered with. */
static hl_template_choice choose_template(const hl_source *s, const hl_model *m) {
    const hl_request   r = {.stored_template = s->stored ? s->stored->template_text : NULL};
    hl_template_choice c;
    hl_chat_choose_template(m, &r, &c);
    return c;
}

static void print_named(void *user, hl_view name) {
    const hl_app *app = user;
    char          text[100];
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(name.len < 60 ? name.len : 60), name.ptr,
                   hl_view_is(name, "tool_use") ? ", for requests with tools" : " (not used)");
    print_field(app, "named template", text);
}

/* A template that cannot be parsed can show nothing that is known; no memory to find out is an error. */
static hl_status get_caps(const hl_source *s, const hl_model *m, hl_chat_caps *ret, hl_err *err) {
    const hl_request r = {.stored_template = s->stored ? s->stored->template_text : NULL};
    hl_err           why = {0};
    *ret = (hl_chat_caps){0};
    const hl_status status = hl_chat_get_caps(m, &r, ret, &why);
    if (status != HL_E_NOMEM && status != HL_E_CANCEL) return HL_OK;
    if (err) *err = why;
    return status;
}

/* What messages may hold; the rest is adapted (docs/formats/messages.md). */
static void print_caps(const hl_app *app, hl_chat_caps c) {
    if (!c.is_known) return;
    const struct {
        bool        has;
        const char *word;
    } all[] = {{c.system, "system"},
               {c.tools, "tools"},
               {c.tool_calls, "calls"},
               {c.tool_results, "results"},
               {c.thinking, c.think_levels ? "thinking (low, medium, high)" : "thinking"}};
    char   text[100] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].has) n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", all[i].word);
    print_field(app, "template shows", n ? text : "plain turns");
}

static bool has_own_template(const hl_model *m) {
    const hl_request   none = {0};
    hl_template_choice c;
    hl_chat_choose_template(m, &none, &c);
    return c.origin == HL_TEMPLATE_OF_MODEL;
}

/* Which one is used, and what became of the other. */
static void print_template_choice(const hl_app *app, const hl_source *s, const hl_model *m,
                                  hl_chat_caps caps) {
    const hl_template_choice c = choose_template(s, m);
    const bool               has_stored = s->stored && s->stored->template_text && *s->stored->template_text;
    const char              *language = c.kind == HL_TEMPLATE_GO ? "Go" : "Jinja";
    char                     text[100] = "no";
    const bool               has_own = has_own_template(m);
    if (c.origin == HL_TEMPLATE_OF_MODEL)
        (void)snprintf(text, sizeof text, "%s, in the model file%s", language,
                       has_stored ? "; the stored TEMPLATE cannot be read" : "");
    else if (c.origin == HL_TEMPLATE_STORED)
        (void)snprintf(text, sizeof text, "%s, the stored TEMPLATE%s", language,
                       !m        ? ""
                       : has_own ? "; the model file's for what it has no place for"
                                 : "; the model file has none");
    print_field(app, "chat template", text);
    if (c.text.len > 0) print_caps(app, caps);
    if (m) hl_model_each_named_template(m, print_named, (void *)(uintptr_t)app);
}

static void print_model(const hl_app *app, const hl_model *m) {
    hl_model_info info;
    char          text[32];
    hl_model_get_info(m, &info);
    print_field(app, "architecture", info.arch);
    print_field(app, "name", info.name);
    format_count(info.n_params, text);
    print_field(app, "parameters", text);
    print_field(app, "quantization", info.file_type);
    print_number(app, "context length", info.n_ctx_train);
    print_number(app, "embedding length", info.n_embd);
    print_number(app, "layers", info.n_layers);
    print_number(app, "heads", info.n_heads);
    print_number(app, "key/value heads", info.n_kv_heads);
    print_number(app, "experts", info.n_experts);
    print_number(app, "experts used", info.n_experts_used);
    print_number(app, "vocabulary", info.n_vocab);
    if (info.drafts_itself) print_field(app, "drafts", "with a block of its own (multi-token prediction)");
    if (info.drafts_for_others)
        print_field(app, "drafts", "for another model (--draft, or DRAFT in a Modelfile)");
    if (hl_model_tokenizer(m)) print_field(app, "tokenizer", hl_tokenizer_kind(hl_model_tokenizer(m)));
    hl_format_bytes(info.file_bytes, text);
    print_field(app, "size", text);
}

/* As /api/show tells them. */
static void print_capabilities(const hl_app *app, const hl_model *m, hl_chat_caps caps) {
    hl_capabilities c;
    hl_capabilities_find(m, &caps, &c);
    if (c.n > 0) fputs("\n  Capabilities\n", app->out);
    for (size_t i = 0; i < c.n; i++) hl_say_line(app->out, "    %s", c.names[i]);
}

/* Keys stay in their files and variables. */
static void print_remote(const hl_app *app, const char *record) {
    char host[HL_REMOTE_MODEL_TEXT_BYTES], model[HL_REMOTE_MODEL_TEXT_BYTES];
    for (size_t i = 0; hl_remote_model_describe(record, i, host, model); i++) {
        print_field(app, i == 0 ? "answered by" : "or by", host);
        print_field(app, "model there", model);
    }
}

static hl_status print_info(const hl_app *app, const hl_source *s, const hl_model *m, const hl_options *o,
                            bool all, hl_err *err) {
    const hl_stored_model *stored = s->stored;
    hl_chat_caps           caps;
    const hl_status        status = get_caps(s, m, &caps, err);
    if (status != HL_OK) return status;
    fputs("  Model\n", app->out);
    if (m)
        print_model(app, m);
    else if (s->remote)
        print_remote(app, s->remote);
    else if (stored) {
        print_field(app, "architecture", stored->entry.family);
        print_field(app, "parameters", stored->entry.parameter_size);
        print_field(app, "quantization", stored->entry.quantization);
    }
    if (m || (stored && !s->remote)) print_template_choice(app, s, m, caps);
    if (stored) {
        print_field(app, "requires", stored->requires_version);
        if (stored->projector_path) print_field(app, "projector", "yes (this build does not use it yet)");
        print_adapters(app, s);
    }
    if (m) print_capabilities(app, m, caps);
    print_options(app, s, m, o, all);
    if (!stored) return HL_OK;
    if (stored->n_messages) fprintf(app->out, "\n  Messages\n    %zu\n", stored->n_messages);
    if (stored->system && *stored->system) print_head(app, "System", stored->system);
    for (size_t i = 0; i < stored->n_licenses; i++) print_head(app, "License", stored->licenses[i]);
    return HL_OK;
}

static hl_status show_modelfile(const hl_app *app, const hl_source *s, hl_err *err) {
    if (!s->stored) {
        hl_say_line(app->out, "FROM %s", s->label);
        return HL_OK;
    }
    char           *text = NULL;
    const hl_status status = hl_modelfile_format(s->stored, &text, err);
    if (status == HL_OK) print_text(app, hl_view_of(text));
    hl_free(text);
    return status;
}

hl_status hl_show_part(const hl_app *app, const hl_source *s, const hl_model *m, const hl_options *options,
                       const char *part, hl_err *err) {
    const hl_stored_model *stored = s->stored;
    if (strcmp(part, "info") == 0) {
        return print_info(app, s, m, options, false, err);
    } else if (strcmp(part, "license") == 0) {
        if (!stored || stored->n_licenses == 0) hl_app_note(app, "no licence is stored with %s", s->label);
        for (size_t i = 0; stored && i < stored->n_licenses; i++)
            print_text(app, hl_view_of(stored->licenses[i]));
    } else if (strcmp(part, "modelfile") == 0) {
        return show_modelfile(app, s, err);
    } else if (strcmp(part, "parameters") == 0) {
        if (!stored || stored->n_params == 0) hl_app_note(app, "no parameters are stored with %s", s->label);
        print_parameters(app, stored, "");
    } else if (strcmp(part, "system") == 0) {
        if (!stored || !stored->system) hl_app_note(app, "no system text is stored with %s", s->label);
        if (stored && stored->system) print_text(app, hl_view_of(stored->system));
    } else if (strcmp(part, "template") == 0) {
        const hl_template_choice c = choose_template(s, m);
        if (c.text.len > 0)
            print_text(app, c.text);
        else
            hl_app_note(app, "%s has no chat template", s->label);
    } else {
        return hl_fail(err, HL_E_ARG,
                       "show '%.40s': expected info, license, modelfile, parameters, system or template",
                       part);
    }
    return HL_OK;
}

static void print_key(void *user, hl_view key, const char *kind, const char *text) {
    const hl_app *app = user;
    if (!text) hl_say_note_lost();
    hl_say(app->out, "    %.*s (%s) = ", (int)key.len, key.ptr, kind);
    hl_say_text(app->out, 8, hl_view_of(text));
    fputc('\n', app->out);
}

static void print_tensor(void *user, const char *name, const char *type, const uint64_t *shape,
                         uint32_t n_dims) {
    const hl_app *app = user;
    hl_say(app->out, "    %s %s [", name, type);
    for (uint32_t i = 0; i < n_dims; i++) fprintf(app->out, "%s%" PRIu64, i ? ", " : "", shape[i]);
    fputs("]\n", app->out);
}

typedef struct json_user {
    hl_json_out *j;
} json_user;

static void add_key(void *user, hl_view key, const char *kind, const char *text) {
    hl_json_out *j = ((json_user *)user)->j;
    hl_json_open(j, NULL, '{');
    hl_json_add_view(j, "key", key);
    hl_json_add_text(j, "kind", kind);
    hl_json_add_text(j, "value", text);
    hl_json_close(j, '}');
}

static void add_tensor(void *user, const char *name, const char *type, const uint64_t *shape,
                       uint32_t n_dims) {
    hl_json_out *j = ((json_user *)user)->j;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "name", name);
    hl_json_add_text(j, "type", type);
    hl_json_open(j, "shape", '[');
    for (uint32_t i = 0; i < n_dims; i++) hl_json_add_int(j, NULL, (int64_t)shape[i]);
    hl_json_close(j, ']');
    hl_json_close(j, '}');
}

static void add_model(hl_json_out *j, const hl_model *m) {
    hl_model_info info;
    hl_model_get_info(m, &info);
    hl_json_open(j, "model", '{');
    hl_json_add_text(j, "architecture", info.arch);
    hl_json_add_text(j, "name", info.name);
    hl_json_add_text(j, "quantization", info.file_type);
    hl_json_add_int(j, "parameters", (int64_t)info.n_params);
    hl_json_add_int(j, "file_bytes", (int64_t)info.file_bytes);
    hl_json_add_int(j, "context_length", info.n_ctx_train);
    hl_json_add_int(j, "embedding_length", info.n_embd);
    hl_json_add_int(j, "layers", info.n_layers);
    hl_json_add_int(j, "heads", info.n_heads);
    hl_json_add_int(j, "kv_heads", info.n_kv_heads);
    hl_json_add_int(j, "head_length", info.head_dim);
    hl_json_add_int(j, "experts", info.n_experts);
    hl_json_add_int(j, "experts_used", info.n_experts_used);
    hl_json_add_int(j, "vocabulary", info.n_vocab);
    hl_json_add_bool(j, "drafts_itself", info.drafts_itself);
    hl_json_add_bool(j, "drafts_for_others", info.drafts_for_others);
    hl_json_add_text(j, "tokenizer", hl_model_tokenizer(m) ? hl_tokenizer_kind(hl_model_tokenizer(m)) : NULL);
    if (hl_model_chat_template(m).len > 0)
        hl_json_add_view(j, "chat_template", hl_model_chat_template(m));
    else
        hl_json_add_text(j, "chat_template", NULL);
    hl_json_close(j, '}');
}

static void add_named(void *user, hl_view name) {
    json_user *u = user;
    hl_json_add_view(u->j, NULL, name);
}

static void add_caps(hl_json_out *j, hl_chat_caps c) {
    hl_json_open(j, "template_shows", '{');
    hl_json_add_bool(j, "known", c.is_known);
    hl_json_add_bool(j, "system", c.system);
    hl_json_add_bool(j, "system_later", c.system_later);
    hl_json_add_bool(j, "developer", c.developer);
    hl_json_add_bool(j, "text_parts", c.text_parts);
    hl_json_add_bool(j, "tools", c.tools);
    hl_json_add_bool(j, "tool_calls", c.tool_calls);
    hl_json_add_bool(j, "parallel_tool_calls", c.parallel_tool_calls);
    hl_json_add_bool(j, "tool_results", c.tool_results);
    hl_json_add_bool(j, "thinking", c.thinking);
    hl_json_add_bool(j, "thinking_levels", c.think_levels);
    hl_json_close(j, '}');
}

static void add_stored(hl_json_out *j, const hl_stored_model *m) {
    hl_json_add_text(j, "digest", m->entry.digest);
    hl_json_add_int(j, "size_bytes", (int64_t)m->entry.size_bytes);
    hl_json_add_int(j, "modified_ms", m->entry.modified_ms);
    hl_json_add_text(j, "system", m->system);
    hl_json_add_text(j, "template", m->template_text);
    hl_json_add_raw(j, "parameters", m->params_json ? m->params_json : "{}");
    hl_json_open(j, "messages", '[');
    for (size_t i = 0; i < m->n_messages; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "role", m->messages[i].role);
        hl_json_add_view(j, "content", m->messages[i].content);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_open(j, "licenses", '[');
    for (size_t i = 0; i < m->n_licenses; i++) hl_json_add_text(j, NULL, m->licenses[i]);
    hl_json_close(j, ']');
    hl_json_open(j, "layers", '[');
    for (size_t i = 0; i < m->n_layers; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "media_type", m->layers[i].media_type);
        hl_json_add_text(j, "digest", m->layers[i].digest);
        hl_json_add_int(j, "size_bytes", (int64_t)m->layers[i].size_bytes);
        hl_json_add_text(j, "path", m->layers[i].path);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
}

static hl_status show_json(const hl_app *app, const hl_source *s, const hl_model *m, const hl_options *o,
                           bool can_run, bool verbose, hl_err *err) {
    hl_json_out     j;
    hl_chat_caps    caps;
    const hl_status status = get_caps(s, m, &caps, err);
    if (status != HL_OK) return status;
    hl_json_init(&j);
    json_user user = {.j = &j};
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "name", s->label);
    hl_json_add_bool(&j, "can_run", can_run);
    if (s->stored) add_stored(&j, s->stored);
    if (m) add_model(&j, m);
    const hl_template_choice c = choose_template(s, m);
    hl_json_add_text(&j, "template_used",
                     c.origin == HL_TEMPLATE_OF_MODEL ? "model"
                     : c.origin == HL_TEMPLATE_STORED ? "stored"
                                                      : NULL);
    hl_json_add_text(&j, "template_language",
                     c.kind == HL_TEMPLATE_GO      ? "go"
                     : c.kind == HL_TEMPLATE_JINJA ? "jinja"
                                                   : NULL);
    add_caps(&j, caps);
    in_force f = look_at(app, m);
    f.j = &j;
    hl_json_open(&j, "parameters_in_force", '[');
    hl_options_each(o, add_option, &f);
    hl_json_close(&j, ']');
    if (m) {
        hl_capabilities able;
        hl_capabilities_find(m, &caps, &able);
        hl_json_open(&j, "capabilities", '[');
        for (size_t i = 0; i < able.n; i++) hl_json_add_text(&j, NULL, able.names[i]);
        hl_json_close(&j, ']');
    }
    if (m) {
        hl_json_open(&j, "templates_named", '[');
        hl_model_each_named_template(m, add_named, &user);
        hl_json_close(&j, ']');
    }
    if (m && verbose) {
        hl_json_open(&j, "keys", '[');
        hl_model_each_key(m, add_key, &user);
        hl_json_close(&j, ']');
        hl_json_open(&j, "tensors", '[');
        hl_model_each_tensor(m, add_tensor, &user);
        hl_json_close(&j, ']');
    }
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

static hl_status choose_part(const hl_args *args, const char **ret_part, hl_err *err) {
    static const char *const parts[] = {"license", "modelfile", "parameters", "template", "system"};
    *ret_part = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!hl_args_has(args, parts[i])) continue;
        if (*ret_part)
            return hl_fail(err, HL_E_ARG, "show: --%s and --%s: expected one of them", *ret_part, parts[i]);
        *ret_part = parts[i];
    }
    return HL_OK;
}

hl_status hl_open_to_look(hl_host *host, const hl_source *source, hl_model **ret_model, hl_err *err) {
    *ret_model = NULL;
    if (source->remote) return HL_OK; /* there is nothing to open */
    const hl_status status = hl_host_open_model(host, source, false, ret_model, err);
    if (status != HL_OK && hl_host_open_model(host, source, true, ret_model, NULL) != HL_OK)
        *ret_model = NULL;
    return status;
}

static void warn_blemish(void *user, const hl_blemish *b) {
    hl_app_warn(user, "model '%s': %s", b->model, b->text);
}

/* What is printed below may come from another file than the one that was imported. */
static void warn_of_files(hl_app *app, hl_host *host, const hl_source *s) {
    hl_store *store = NULL;
    size_t    n = 0;
    hl_err    ignored;
    if (s->stored && hl_host_store(host, &store, &ignored) == HL_OK &&
        hl_store_check(store, s->label, false, warn_blemish, app, &n, &ignored) != HL_OK)
        hl_app_warn(app, "%s", ignored.text);
}

/* What a request would get: defaults, settings, what is stored, and what -o says of a request. */
static hl_status gather_options(hl_app *app, const hl_args *args, const hl_source *s, hl_options *ret,
                                hl_err *err) {
    hl_status status = HL_OK;
    hl_options_read_settings(ret, app->config);
    if (s->stored) hl_options_read_stored(ret, s->stored, &app->events);
    for (size_t i = 0; status == HL_OK; i++) {
        const char *word = hl_args_many(args, "option", i), *equals = word ? strchr(word, '=') : NULL;
        char        name[64];
        if (!word) break;
        if (!equals || equals - word >= (ptrdiff_t)sizeof name)
            return hl_fail(err, HL_E_ARG, "--option '%.100s': expected NAME=VALUE", word);
        (void)snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
        status = hl_options_set(ret, HL_FROM_REQUEST, name, equals + 1, err);
    }
    return status;
}

hl_status hl_cmd_show(hl_app *app, const hl_args *args, hl_err *err) {
    const char *part = NULL;
    hl_host    *host = NULL;
    hl_source  *source = NULL;
    hl_model   *m = NULL;
    hl_options  options;
    hl_err      why = {0};
    hl_status   status = choose_part(args, &part, err);
    hl_options_init(&options);
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_SHOW, &source, err);
    if (status != HL_OK) goto out;
    status = gather_options(app, args, source, &options, err);
    if (status != HL_OK) goto out;
    warn_of_files(app, host, source);
    /* A file that this build cannot run can still be described by its manifest. */
    const hl_status load_status = hl_open_to_look(host, source, &m, &why);
    if (load_status == HL_E_CANCEL || load_status == HL_E_NOMEM ||
        (load_status != HL_OK && !m && !source->stored)) {
        *err = why;
        status = load_status;
        goto out;
    }
    if (load_status != HL_OK) hl_app_warn(app, "it cannot run in this build: %s", why.text);
    if (hl_args_has(args, "json")) {
        status = show_json(app, source, m, &options, load_status == HL_OK, hl_args_has(args, "verbose"), err);
        goto out;
    }
    if (part)
        status = hl_show_part(app, source, m, &options, part, err);
    else
        status = print_info(app, source, m, &options, hl_args_has(args, "verbose"), err);
    if (status == HL_OK && m && !part && hl_args_has(args, "verbose")) {
        fputs("\n  Metadata\n", app->out);
        hl_model_each_key(m, print_key, app);
        fputs("\n  Tensors\n", app->out);
        hl_model_each_tensor(m, print_tensor, app);
    }
out:
    hl_options_done(&options);
    hl_model_close(m);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
