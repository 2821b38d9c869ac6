/* SPDX-License-Identifier: MIT
 *
 * cmd_template.c - hyperlama template MODEL|FILE --messages M.json: the exact prompt, and nothing else.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/term/answer.h"
#include "hyperlama/native.h"

enum { MAX_TEMPLATE_BYTES = 4 << 20, MAX_MESSAGES_BYTES = 256 << 20 };

typedef struct inputs {
    hl_str template, messages, tools;
} inputs;

static bool ends_in(const char *name, const char *suffix) {
    const size_t n = strlen(name), n_suffix = strlen(suffix);
    return n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

/* ANY: the name of a model. */
static hl_template_kind kind_of_file(const char *name) {
    if (ends_in(name, ".jinja") || ends_in(name, ".j2")) return HL_TEMPLATE_JINJA;
    return ends_in(name, ".gotmpl") || ends_in(name, ".tmpl") ? HL_TEMPLATE_GO : HL_TEMPLATE_ANY;
}

static hl_status read_text(const char *path, hl_str *to, hl_err *err) {
    const hl_status status = hl_read_path(path, to, err);
    return status == HL_OK ? hl_view_check_nul(hl_str_view(to), path, err) : status;
}

static hl_status read_inputs(const hl_args *args, inputs *in, hl_err *err) {
    const char *messages = hl_args_text(args, "messages"), *tools = hl_args_text(args, "tools");
    const char *name = hl_args_at(args, 0);
    hl_status   status = HL_OK;
    if (!messages)
        return hl_fail(err, HL_E_ARG, "template: expected --messages FILE.json (- reads standard input)");
    if (kind_of_file(name) != HL_TEMPLATE_ANY) status = read_text(name, &in->template, err);
    if (status == HL_OK) status = read_text(messages, &in->messages, err);
    if (status == HL_OK && tools) status = read_text(tools, &in->tools, err);
    return status;
}

static hl_status render(const hl_app *app, const hl_args *args, const hl_model *m, const hl_source *source,
                        const inputs *in, hl_err *err) {
    hl_request  r;
    char       *text = NULL;
    size_t      n = 0;
    const char *think = hl_args_text(args, "think");
    hl_request_init(&r);
    if (think && !hl_think_find(think, &r.think))
        return hl_fail(err, HL_E_ARG, "think '%.40s': expected true, false, high, medium, low or max", think);
    r.messages_json = hl_str_text(&in->messages);
    r.tools_json = hl_args_has(args, "tools") ? hl_str_text(&in->tools) : NULL;
    r.template_text = m ? NULL : hl_str_text(&in->template);
    r.template_kind = kind_of_file(hl_args_at(args, 0));
    r.stored_template = source && source->stored ? source->stored->template_text : NULL;
    hl_status status = hl_chat_render(m, &r, &text, &n, err);
    if (status != HL_OK) return hl_fail_within(err, status, "%s", hl_args_at(args, 0));
    if (!hl_args_has(args, "json")) {
        hl_term_print(app->out, app->out_is_tty, (hl_view){text, n}); /* exact: no newline of ours */
    } else {
        hl_json_out j;
        hl_json_init(&j);
        hl_json_open(&j, NULL, '{');
        hl_json_add_view(&j, "prompt", (hl_view){text, n});
        hl_json_close(&j, '}');
        status = hl_json_print(&j, app->out, err);
    }
    hl_text_free(text);
    return status;
}

hl_status hl_cmd_template(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host   *host = NULL;
    hl_source *source = NULL;
    hl_model  *model = NULL;
    inputs     in;
    hl_str_init(&in.template, MAX_TEMPLATE_BYTES);
    hl_str_init(&in.messages, MAX_MESSAGES_BYTES);
    hl_str_init(&in.tools, MAX_MESSAGES_BYTES);
    hl_status  status = read_inputs(args, &in, err);
    const bool needs_model = kind_of_file(hl_args_at(args, 0)) == HL_TEMPLATE_ANY;
    if (status == HL_OK && needs_model)
        status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK && needs_model)
        status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK && needs_model) status = hl_host_open_model(host, source, true, &model, err);
    if (status == HL_OK) status = render(app, args, model, source, &in, err);
    hl_str_done(&in.template);
    hl_str_done(&in.messages);
    hl_str_done(&in.tools);
    hl_model_close(model);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
