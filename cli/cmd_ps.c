/* SPDX-License-Identifier: MIT
 *
 * cmd_ps.c - hyperlama ps [PREFIX]: the models that a server has loaded.
 */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/args.h"
#include "cli/ask_server.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/clock.h"
#include "core/data/json.h"

enum { FOREVER_S = 10LL * 365 * 86400 };

static void format_until(const char *text, char buf[40]) {
    struct tm tm = {0};
    (void)snprintf(buf, 40, "?");
    if (!text || sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                        &tm.tm_min, &tm.tm_sec) != 6)
        return;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const int64_t left = (int64_t)timegm(&tm) - hl_clock_wall_ms() / 1000;
    if (left > FOREVER_S)
        (void)snprintf(buf, 40, "Forever");
    else if (left <= 0)
        (void)snprintf(buf, 40, "Stopping...");
    else if (left < 120)
        (void)snprintf(buf, 40, "%d seconds from now", (int)left);
    else if (left < 7200)
        (void)snprintf(buf, 40, "%d minutes from now", (int)(left / 60));
    else
        (void)snprintf(buf, 40, "%d hours from now", (int)(left / 3600));
}

static bool is_wanted(const json_t *m, const char *prefix) {
    const char *name = hl_json_text(m, "name");
    return name && (!prefix || strncasecmp(name, prefix, strlen(prefix)) == 0);
}

static void print_table(const hl_app *app, const json_t *models, const char *prefix) {
    int           width = 4; /* of "NAME" */
    size_t        i;
    const json_t *m;
    json_array_foreach(models, i, m) {
        const char *name = hl_json_text(m, "name");
        if (is_wanted(m, prefix) && (int)strlen(name) > width) width = (int)strlen(name);
    }
    fprintf(app->out, "%-*s    %-12s    %-8s    %-9s    %-7s    %s\n", width, "NAME", "ID", "SIZE",
            "PROCESSOR", "CONTEXT", "UNTIL");
    json_array_foreach(models, i, m) {
        char          size[16] = "-", context[24] = "-", until[40];
        const char   *digest = hl_json_text(m, "digest");
        const char   *format = hl_json_text(json_object_get(m, "details"), "format");
        const bool    is_remote = format && strcmp(format, "remote") == 0; /* nothing of it is here */
        const int64_t n_ctx = hl_json_int(m, "context_length", 0);
        if (!is_wanted(m, prefix)) continue;
        if (!is_remote) hl_format_bytes((uint64_t)hl_json_int(m, "size", 0), size);
        if (n_ctx > 0) (void)snprintf(context, sizeof context, "%lld", (long long)n_ctx);
        format_until(hl_json_text(m, "expires_at"), until);
        hl_say_line(app->out, "%-*s    %-12.12s    %-8s    %-9s    %-7s    %s", width,
                    hl_json_text(m, "name"), digest ? digest : "", size,
                    is_remote                               ? "remote"
                    : hl_json_int(m, "experts_kept", 0) > 0 ? "CPU, disk" /* experts come from there */
                                                            : "100% CPU",
                    context, until);
    }
}

hl_status hl_cmd_ps(hl_app *app, const hl_args *args, hl_err *err) {
    json_t         *answer = NULL;
    const hl_status status = hl_ask_server(app, "GET", "/api/ps", NULL, &answer, err);
    if (status != HL_OK) return status;
    if (hl_args_has(args, "json")) {
        hl_str text;
        hl_str_init(&text, SIZE_MAX);
        hl_json_format(answer, false, &text);
        fprintf(app->out, "%s\n", hl_str_text(&text));
        hl_str_done(&text);
    } else {
        print_table(app, json_object_get(answer, "models"), hl_args_at(args, 0));
    }
    json_decref(answer);
    return HL_OK;
}
