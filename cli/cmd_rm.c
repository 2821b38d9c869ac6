/* SPDX-License-Identifier: MIT
 *
 * cmd_rm.c - hyperlama rm MODEL...: remove models. Goes on after one that is not there; what failed is said
 * in the order of the arguments, and the first failure decides the exit code.
 */
#include <inttypes.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"

static void report(const hl_app *app, const hl_removed *r, uint64_t cache_bytes, hl_json_out *j) {
    char name[HL_NAME_TEXT_BYTES], size[16];
    hl_name_format(&r->name, name);
    hl_format_bytes(r->n_bytes + cache_bytes, size);
    if (!j) {
        hl_say_line(app->out, "deleted '%s' (%s freed)", name, size);
        if (r->n_kept > 0)
            hl_app_note(app, "note: %zu file%s stay%s: hyperlama did not write %s; see hyperlama gc --help",
                        r->n_kept, r->n_kept == 1 ? "" : "s", r->n_kept == 1 ? "s" : "",
                        r->n_kept == 1 ? "it" : "them");
        return;
    }
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "name", name);
    hl_json_add_int(j, "freed_bytes", (int64_t)r->n_bytes);
    hl_json_add_int(j, "deleted_blobs", (int64_t)r->n_blobs);
    hl_json_add_int(j, "kept_blobs", (int64_t)r->n_kept);
    hl_json_add_int(j, "freed_cache_bytes", (int64_t)cache_bytes);
    hl_json_close(j, '}');
}

hl_status hl_cmd_rm(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host    *host = NULL;
    hl_json_out j;
    const bool  as_json = hl_args_has(args, "json");
    hl_json_init(&j);
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status != HL_OK) goto out;
    if (as_json) hl_json_open(&j, NULL, '[');
    for (size_t i = 0; i < hl_args_count(args); i++) {
        hl_removed      removed = {0};
        hl_err          why = {0};
        uint64_t        cache_bytes = 0;
        const hl_status one = hl_host_remove(host, hl_args_at(args, i), &removed, &cache_bytes, &why);
        if (one == HL_OK) {
            report(app, &removed, cache_bytes, as_json ? &j : NULL);
        } else if (hl_args_count(args) == 1) {
            *err = why;
            status = one;
        } else {
            hl_app_note(app, "hyperlama: %s", why.text);
            if (app->exit_code == 0) app->exit_code = hl_status_exit_code(one);
        }
    }
    if (as_json) {
        hl_json_close(&j, ']');
        const hl_status printed = hl_json_print(&j, app->out, status == HL_OK ? err : NULL);
        if (status == HL_OK) status = printed;
    }
out:
    hl_str_done(&j.text);
    hl_host_free(host);
    return status;
}
