/* SPDX-License-Identifier: MIT
 *
 * cmd_pull.c - hyperlama pull MODEL...: get models from a registry, from Hugging Face, or by the URL of a
 * file.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "cli/transfer_show.h"
#include "core/base/mem.h"

typedef struct pulling {
    hl_app           *app;
    hl_host          *host;
    hl_transfer_show *show;
    hl_pull_options   options;
    bool              as_json, is_quiet;
} pulling;

static void add_result(hl_json_out *j, const char *status, const hl_pulled *r, const char *name) {
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "status", status);
    hl_json_add_text(j, "name", name);
    if (r->digest[0]) hl_json_add_text(j, "digest", r->digest);
    hl_json_add_int(j, "files", (int64_t)r->n_files);
    hl_json_add_int(j, "size_bytes", (int64_t)r->total_bytes);
    hl_json_add_int(j, "fetched_bytes", (int64_t)r->fetched_bytes);
    hl_json_add_bool(j, "changed", r->is_new);
    hl_json_close(j, '}');
}

static hl_status report(const pulling *p, const hl_pulled *r, hl_err *err) {
    char       name[HL_NAME_TEXT_BYTES], total[16], fetched[16];
    const bool dry = p->options.dry_run;
    hl_name_format(&r->name, name);
    hl_format_bytes(r->total_bytes, total);
    hl_format_bytes(r->fetched_bytes, fetched);
    if (p->as_json) {
        hl_json_out j;
        hl_json_init(&j);
        add_result(&j, dry ? "dry run" : "done", r, name);
        return hl_json_print(&j, p->app->out, err);
    }
    if (p->is_quiet) return HL_OK;
    if (dry && !r->is_new)
        hl_say_line(p->app->out, "'%s' is as the registry has it", name);
    else if (dry)
        hl_say_line(p->app->out, "would pull '%s': %zu file%s, %s, of which %s are not here", name,
                    r->n_files, r->n_files == 1 ? "" : "s", total, fetched);
    else
        hl_say_line(p->app->out, "%s '%s' (%s, %s fetched)", r->is_new ? "pulled" : "up to date:", name,
                    total, fetched);
    return HL_OK;
}

/* --back, --pin, --unpin: what needs no network. */
static hl_status change(const pulling *p, const hl_args *args, const char *name, hl_err *err) {
    hl_store *store = NULL;
    char      text[HL_NAME_TEXT_BYTES];
    hl_name   found;
    hl_status status = hl_host_store(p->host, &store, err);
    if (status != HL_OK) return status;
    if (!hl_args_has(args, "back")) {
        const bool is_on = hl_args_has(args, "pin");
        status = hl_store_pin(store, name, is_on, err);
        if (status == HL_OK && !p->is_quiet)
            hl_say_line(p->app->out, "%s '%s'", is_on ? "pinned" : "unpinned", name);
        return status;
    }
    status = hl_store_go_back(store, name, &found, err);
    if (status != HL_OK) return status;
    hl_name_format(&found, text);
    if (!p->is_quiet) hl_say_line(p->app->out, "'%s' is the version before again", text);
    return HL_OK;
}

static hl_status pull_one(pulling *p, const char *name, hl_err *err) {
    hl_pulled       result = {0};
    const hl_status status = hl_host_pull(p->host, name, &p->options, &result, err);
    hl_transfer_show_end(p->show);
    return status == HL_OK ? report(p, &result, err) : status;
}

/* One that fails does not keep the others from being tried. */
static hl_status note_failure(pulling *p, hl_status status, size_t n, const hl_err *why, hl_err *err) {
    if (status == HL_OK) return HL_OK;
    if (n == 1 || status == HL_E_CANCEL || status == HL_E_NOMEM) return hl_fail(err, status, "%s", why->text);
    hl_app_note(p->app, "hyperlama: %s", why->text);
    if (p->app->exit_code == 0) p->app->exit_code = hl_status_exit_code(status);
    return HL_OK;
}

static hl_status pull_all(pulling *p, hl_err *err) {
    hl_store      *store = NULL;
    hl_store_list *list = NULL;
    size_t         n_asked = 0;
    hl_status      status = hl_host_store(p->host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, NULL, &list, err);
    for (size_t i = 0; status == HL_OK && i < list->n; i++) {
        const char *name = list->entries[i].text;
        char        from[HL_ORIGIN_BYTES];
        hl_err      why = {0};
        if (!hl_store_origin(store, name, from)) continue; /* made here: nobody else is asked for it */
        n_asked++;
        p->options.store_as = name;
        if (hl_store_is_pinned(store, name))
            hl_app_note(p->app, "note: '%s' is pinned", name);
        else
            status = note_failure(p, pull_one(p, from, &why), 2, &why, err);
    }
    p->options.store_as = NULL;
    if (status == HL_OK && n_asked == 0) hl_app_note(p->app, "note: no model here was pulled");
    hl_store_list_free(list);
    return status;
}

hl_status hl_cmd_pull(hl_app *app, const hl_args *args, hl_err *err) {
    const size_t n = hl_args_count(args);
    const bool   all = hl_args_has(args, "all");
    pulling p = {.app = app, .as_json = hl_args_has(args, "json"), .is_quiet = hl_args_has(args, "quiet")};
    if (all != (n == 0))
        return hl_fail(err, HL_E_ARG,
                       all ? "pull: names and --all: expected one of them" : "pull: which model?");
    p.options = (hl_pull_options){.insecure = hl_args_has(args, "insecure"),
                                  .dry_run = hl_args_has(args, "dry-run"),
                                  .store_as = hl_args_text(args, "as"),
                                  .progress = hl_transfer_show_step};
    const int  n_changes = hl_args_has(args, "back") + hl_args_has(args, "pin") + hl_args_has(args, "unpin");
    const bool changes = n_changes > 0;
    if (n_changes > 1 || (changes && all))
        return hl_fail(err, HL_E_ARG, "pull: --back, --pin, --unpin, --all: expected one of them");
    if (p.options.store_as && n != 1) return hl_fail(err, HL_E_ARG, "pull: --as goes with one model");
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &p.host, err);
    if (status == HL_OK)
        status = hl_transfer_show_new(app, p.as_json, p.is_quiet || p.options.dry_run, &p.show, err);
    p.options.user = p.show;
    if (status == HL_OK && all) status = pull_all(&p, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        hl_err why = {0};
        status = note_failure(&p,
                              changes ? change(&p, args, hl_args_at(args, i), &why)
                                      : pull_one(&p, hl_args_at(args, i), &why),
                              n, &why, err);
    }
    hl_transfer_show_free(p.show);
    hl_host_free(p.host);
    return status;
}
