/* SPDX-License-Identifier: MIT
 *
 * cmd_list.c - hyperlama list [PREFIX]: the models on this machine.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

static void add_entry(hl_json_out *j, const hl_store_entry *e) {
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "name", e->text);
    hl_json_add_text(j, "digest", e->digest);
    hl_json_add_int(j, "size_bytes", (int64_t)e->size_bytes);
    hl_json_add_int(j, "modified_ms", e->modified_ms);
    if (e->last_used_ms >= 0)
        hl_json_add_int(j, "last_used_ms", e->last_used_ms);
    else
        hl_json_add_text(j, "last_used_ms", NULL);
    hl_json_add_text(j, "format", e->format);
    hl_json_add_text(j, "family", e->family);
    hl_json_add_text(j, "parameter_size", e->parameter_size);
    hl_json_add_text(j, "quantization", e->quantization);
    hl_json_close(j, '}');
}

static hl_status print_json(const hl_app *app, const hl_store_list *list, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_open(&j, "models", '[');
    for (size_t i = 0; i < list->n; i++) add_entry(&j, &list->entries[i]);
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

static void print_table(const hl_app *app, const hl_store_list *list) {
    const int64_t now_ms = hl_clock_wall_ms();
    int           width = 4; /* of "NAME" */
    for (size_t i = 0; i < list->n; i++) {
        const int n = (int)strlen(list->entries[i].text);
        if (n > width) width = n;
    }
    fprintf(app->out, "%-*s    %-12s    %-8s    %s\n", width, "NAME", "ID", "SIZE", "MODIFIED");
    for (size_t i = 0; i < list->n; i++) {
        const hl_store_entry *e = &list->entries[i];
        char                  size[16] = "-", age[32];
        if (strcmp(e->format, "remote") != 0) hl_format_bytes(e->size_bytes, size); /* as Ollama's list */
        hl_format_age(e->modified_ms, now_ms, age);
        hl_say_line(app->out, "%-*s    %-12.12s    %-8s    %s", width, e->text, e->digest, size, age);
    }
}

/* Keep those that their registries have another version of. *ret_kept: what list->entries is then, to be
 * freed. */
static hl_status keep_outdated(const hl_app *app, hl_host *host, hl_store *store, bool insecure,
                               hl_store_list *list, hl_store_entry **ret_kept, hl_err *err) {
    hl_store_entry *kept = hl_new(list->n ? list->n : 1, sizeof *kept);
    size_t          n = 0;
    hl_status       status = HL_OK;
    if (!kept) return hl_fail(err, HL_E_NOMEM, "list: no memory");
    for (size_t i = 0; i < list->n && status == HL_OK; i++) {
        char from[HL_ORIGIN_BYTES];
        if (!hl_store_origin(store, list->entries[i].text, from)) continue; /* made here */
        const hl_pull_options options = {
            .dry_run = true, .glances = true, .insecure = insecure, .store_as = list->entries[i].text};
        hl_pulled       result = {0};
        hl_err          why = {0};
        const hl_status one = hl_host_pull(host, from, &options, &result, &why);
        if (one == HL_E_CANCEL || one == HL_E_UNSUPPORTED)
            status = hl_fail(err, one, "%s", why.text);
        else if (one != HL_OK)
            hl_app_note(app, "note: %s", why.text);
        else if (result.is_new)
            kept[n++] = list->entries[i];
    }
    *list = (hl_store_list){n, kept};
    *ret_kept = kept;
    return status;
}

hl_status hl_cmd_list(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host        *host = NULL;
    hl_store       *store = NULL;
    hl_store_list  *list = NULL;
    hl_store_entry *kept = NULL;
    hl_status       status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_store(host, &store, err);
    if (status == HL_OK) status = hl_store_list_models(store, hl_args_at(args, 0), &list, err);
    if (status == HL_OK && hl_args_has(args, "outdated"))
        status = keep_outdated(app, host, store, hl_args_has(args, "insecure"), list, &kept, err);
    if (status != HL_OK) goto out;
    if (hl_args_has(args, "json")) {
        status = print_json(app, list, err);
    } else if (hl_args_has(args, "quiet")) {
        for (size_t i = 0; i < list->n; i++) hl_say_line(app->out, "%s", list->entries[i].text);
    } else {
        print_table(app, list);
        if (list->n == 0 && !hl_args_at(args, 0) && !hl_args_has(args, "outdated"))
            hl_app_note(app,
                        "no models yet: hyperlama pull NAME gets one, import FILE.gguf NAME brings one in");
    }
out:
    hl_free(kept);
    hl_store_list_free(list);
    hl_host_free(host);
    return status;
}
