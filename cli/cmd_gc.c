/* SPDX-License-Identifier: MIT
 *
 * cmd_gc.c - hyperlama gc: delete files of the store that no model needs, and say of each why.
 */
#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"

typedef struct shower {
    const hl_app *app;
    hl_json_out  *j; /* NULL: lines for people */
    bool          dry_run;
} shower;

static void show(void *user, const hl_garbage *g) {
    const shower *s = user;
    const char   *what = g->is_kept ? "stays" : s->dry_run ? "would go" : "deleted";
    char          size[16];
    if (!s->j) {
        hl_format_bytes(g->n_bytes, size);
        fprintf(s->app->out, "%-8s %8s  %s (%s)\n", what, size, g->path, g->why);
        return;
    }
    hl_json_open(s->j, NULL, '{');
    hl_json_add_text(s->j, "path", g->path);
    hl_json_add_int(s->j, "size_bytes", (int64_t)g->n_bytes);
    hl_json_add_text(s->j, "why", g->why);
    hl_json_add_bool(s->j, "kept", g->is_kept);
    hl_json_close(s->j, '}');
}

static void sum_up(const hl_app *app, const hl_collected *c, bool dry_run) {
    char size[16], kept[16];
    hl_format_bytes(c->n_bytes, size);
    hl_format_bytes(c->n_kept_bytes, kept);
    fprintf(app->out, "%zu file%s %s, %s %s\n", c->n_files, c->n_files == 1 ? "" : "s",
            dry_run ? "would be deleted" : "deleted", size, dry_run ? "would be free" : "freed");
    if (c->n_kept > 0)
        hl_app_note(
            app,
            "note: %zu file%s (%s) stay%s; --all deletes what other programs wrote more than an hour ago",
            c->n_kept, c->n_kept == 1 ? "" : "s", kept, c->n_kept == 1 ? "s" : "");
}

hl_status hl_cmd_gc(hl_app *app, const hl_args *args, hl_err *err) {
    const bool   as_json = hl_args_has(args, "json");
    hl_host     *host = NULL;
    hl_store    *store = NULL;
    hl_json_out  j;
    hl_collected c = {0};
    shower       s = {.app = app, .j = as_json ? &j : NULL, .dry_run = hl_args_has(args, "dry-run")};
    const hl_collect_options options = {
        .dry_run = s.dry_run, .all = hl_args_has(args, "all"), .fn = show, .user = &s};
    hl_json_init(&j);
    if (as_json) hl_json_open(&j, NULL, '[');
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK) status = hl_store_collect(store, &options, &c, err);
    if (as_json && status == HL_OK) {
        hl_json_close(&j, ']');
        status = hl_json_print(&j, app->out, err);
    } else if (status == HL_OK) {
        sum_up(app, &c, s.dry_run);
    }
    hl_str_done(&j.text);
    hl_host_free(host);
    return status;
}
