/* SPDX-License-Identifier: MIT
 *
 * cmd_create.c - hyperlama create NAME: a model from a Modelfile, from flags, or from both.
 *
 * What stands on the command line goes before the Modelfile: --from replaces its FROM lines, --system and
 * --template their instructions, --parameter those of the same name; licences are added.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/storing.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "host/create.h"
#include "host/remote/remote_model.h"

enum { MAX_TEXT_BYTES = 16 << 20 };

/* A recipe, and what its texts live in. */
typedef struct cookbook {
    hl_app       *app;
    hl_recipe     r;
    const char   *path; /* of the Modelfile, which paths in it start from; "-": from here */
    hl_modelfile *file; /* NULL: none */
    char          draft[PATH_MAX];
    hl_param     *params;
    const char  **licenses;
    hl_str        texts[2]; /* of --system and --template */
    char         *words;    /* of --parameter, cut at their '=' */
} cookbook;

/* ---- FROM ---- */

/* A path when something is there, as Ollama does it; else a model's name. */
static hl_status take_from(cookbook *c, const char *path, const char *from, hl_err *err) {
    char        full[PATH_MAX];
    struct stat st;
    if (hl_remote_model_is_text(from)) {
        if (c->r.from || c->r.files.n)
            return hl_fail(err, HL_E_ARG,
                           "FROM '%s' beside another one: a remote model is made of nothing else", from);
        c->r.from = from;
        c->r.may_remote = true;
        return HL_OK;
    }
    hl_status status = hl_path_from(c->app->envp, path, from, full, err);
    if (status != HL_OK) return hl_fail_within(err, status, "FROM");
    if (stat(full, &st) == 0)
        return hl_fail_within(err, hl_file_list_add_path(&c->r.files, full, err), "FROM");
    if (errno != ENOENT || strchr("/.~", from[0]) ||
        (strlen(from) > 5 && !strcmp(from + strlen(from) - 5, ".gguf")))
        return hl_fail(err, hl_errno_status(errno), "FROM '%s': %s", from, strerror(errno));
    if (c->r.from)
        return hl_fail(err, HL_E_ARG, "FROM '%s' and FROM '%s': expected one model", c->r.from, from);
    c->r.from = from;
    return HL_OK;
}

static hl_status take_adapter(cookbook *c, const char *path, const char *adapter, hl_err *err) {
    char      full[PATH_MAX];
    hl_status status = hl_modelfile_find(c->app, path, "ADAPTER", adapter, full, err);
    if (status == HL_OK)
        status = hl_fail_within(err, hl_file_list_add_adapter(&c->r.adapters, full, err), "ADAPTER");
    return status;
}

static hl_status take_modelfile(cookbook *c, bool without_from, hl_err *err) {
    const hl_modelfile *f = c->file;
    hl_status           status = HL_OK;
    hl_modelfile_take_texts(f, &c->r.more);
    for (size_t i = 0; i < f->n_from && status == HL_OK && !without_from; i++)
        status = take_from(c, c->path, f->from[i], err);
    for (size_t i = 0; i < f->n_adapters && status == HL_OK; i++)
        status = take_adapter(c, c->path, f->adapters[i], err);
    if (status == HL_OK && f->draft) {
        status = hl_modelfile_find(c->app, c->path, "DRAFT", f->draft, c->draft, err);
        c->r.draft_path = c->draft;
    }
    return status;
}

/* ---- the command line ---- */

/* A text, or with "@PATH" what stands in a file. */
static hl_status take_text(const hl_args *args, const char *name, hl_str *to, const char **ret, hl_err *err) {
    const char *text = hl_args_text(args, name);
    hl_status   status = HL_OK;
    if (!text) return HL_OK;
    if (text[0] == '@') {
        status = hl_read_path(text + 1, to, err);
        if (status == HL_OK) status = hl_view_check_nul(hl_str_view(to), name, err);
        text = hl_str_text(to);
    }
    *ret = text;
    return status;
}

/* Those of the Modelfile whose name is not given here, then those that are. */
static hl_status take_parameters(cookbook *c, const hl_args *args, hl_err *err) {
    hl_import_options *o = &c->r.more;
    size_t             n_given = 0, n_bytes = 0, n = 0;
    for (const char *word; (word = hl_args_many(args, "parameter", n_given)) != NULL; n_given++)
        n_bytes += strlen(word) + 1;
    if (n_given == 0) return HL_OK;
    c->params = hl_new(o->n_params + n_given, sizeof *c->params);
    char *at = c->words = hl_new(n_bytes, 1);
    if (!c->params || !at) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < n_given; i++) {
        const char *word = hl_args_many(args, "parameter", i), *equals = strchr(word, '=');
        if (!equals || equals == word)
            return hl_fail(err, HL_E_ARG, "--parameter '%.100s': expected NAME=VALUE", word);
        (void)memcpy(at, word, strlen(word) + 1);
        at[equals - word] = '\0';
        c->params[o->n_params + i] = (hl_param){at, at + (equals - word) + 1};
        at += strlen(word) + 1;
    }
    for (size_t i = 0; i < o->n_params; i++) {
        bool is_given = false;
        for (size_t k = 0; k < n_given; k++)
            is_given |= strcmp(o->params[i].name, c->params[o->n_params + k].name) == 0;
        if (!is_given) c->params[n++] = o->params[i];
    }
    (void)memmove(c->params + n, c->params + o->n_params, n_given * sizeof *c->params);
    o->params = c->params;
    o->n_params = n + n_given;
    return HL_OK;
}

static hl_status take_licenses(cookbook *c, const hl_args *args, hl_err *err) {
    hl_import_options *o = &c->r.more;
    size_t             n = 0;
    while (hl_args_many(args, "license", n)) n++;
    if (n == 0) return HL_OK;
    c->licenses = hl_new(o->n_licenses + n, sizeof *c->licenses);
    if (!c->licenses) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < o->n_licenses + n; i++)
        c->licenses[i] =
            i < o->n_licenses ? o->licenses[i] : hl_args_many(args, "license", i - o->n_licenses);
    o->licenses = c->licenses;
    o->n_licenses += n;
    return HL_OK;
}

static hl_status take_args(cookbook *c, const hl_args *args, hl_err *err) {
    hl_status status = HL_OK;
    if (hl_args_has(args, "from")) status = take_from(c, "-", hl_args_text(args, "from"), err);
    const char *adapter;
    for (size_t i = 0; status == HL_OK && (adapter = hl_args_many(args, "adapter", i)) != NULL; i++)
        status = take_adapter(c, "-", adapter, err);
    if (status == HL_OK) status = take_text(args, "system", &c->texts[0], &c->r.more.system, err);
    if (status == HL_OK) status = take_text(args, "template", &c->texts[1], &c->r.more.template_text, err);
    if (status == HL_OK) status = take_parameters(c, args, err);
    if (status == HL_OK) status = take_licenses(c, args, err);
    c->r.quantize = hl_args_text(args, "quantize");
    c->r.imatrix_path = hl_args_text(args, "imatrix");
    c->r.insecure = hl_args_has(args, "insecure");
    c->r.draft_quantize = hl_args_text(args, "draft-quantize");
    return status;
}

/* The Modelfile that is named; else the one that lies here, unless --from says enough; else what is here. */
static hl_status read_recipe(cookbook *c, const hl_args *args, hl_err *err) {
    const char *named = hl_args_text(args, "file");
    const bool  has_from = hl_args_has(args, "from");
    hl_status   status = HL_OK;
    c->path = named ? named : "Modelfile";
    if (named || (!has_from && access(c->path, F_OK) == 0)) {
        status = hl_modelfile_load(c->path, &c->file, err);
        if (status == HL_OK)
            status = hl_fail_within(err, take_modelfile(c, has_from, err), "'%.200s'", c->path);
    } else if (!has_from) {
        status = hl_file_list_add_path(&c->r.files, ".", err);
        if (status == HL_E_NOT_FOUND)
            status = hl_fail(err, status,
                             "no Modelfile and no model here: name one with -f PATH, or a model with --from");
    }
    return status == HL_OK ? take_args(c, args, err) : status;
}

static void cookbook_done(cookbook *c) {
    hl_recipe_done(&c->r);
    hl_modelfile_free(c->file);
    hl_free(c->params);
    hl_free(c->licenses);
    hl_free(c->words);
    for (size_t i = 0; i < 2; i++) hl_str_done(&c->texts[i]);
}

hl_status hl_cmd_create(hl_app *app, const hl_args *args, hl_err *err) {
    const bool     quiet = hl_args_has(args, "quiet");
    cookbook       c = {.app = app};
    hl_storing_bar bar = {.app = app};
    hl_host       *host = NULL;
    hl_store      *store = NULL;
    hl_name        name;
    for (size_t i = 0; i < 2; i++) hl_str_init(&c.texts[i], MAX_TEXT_BYTES);
    hl_status status = read_recipe(&c, args, err);
    if (!quiet) {
        c.r.more.progress = hl_storing_show;
        c.r.more.progress_user = &bar;
    }
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_create(host, &c.r, hl_args_at(args, 0), &name, err);
    hl_storing_end(&bar);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK && !quiet)
        status = hl_storing_report(app, store, "created", &name, hl_args_has(args, "json"), err);
    if (status == HL_OK) hl_storing_warn(app, host, &name);
    cookbook_done(&c);
    hl_host_free(host);
    return status;
}
