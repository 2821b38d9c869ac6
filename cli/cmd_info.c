/* SPDX-License-Identifier: MIT
 *
 * cmd_info.c - hyperlama info: the program, the machine it found, and the places it uses.
 */
#include <inttypes.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "bench/lib/machine.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"

static void print_kernel(void *user, const char *op, const char *type, const char *isa) {
    fprintf((FILE *)user, "  %-10s %-8s %s\n", op, type, isa);
}

static void add_kernel(void *user, const char *op, const char *type, const char *isa) {
    hl_json_out *j = user;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "op", op);
    hl_json_add_text(j, "type", type);
    hl_json_add_text(j, "isa", isa);
    hl_json_close(j, '}');
}

static const char *build_text(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown compiler";
#endif
}

static void print_text(const hl_app *app, const hl_machine *m, const hl_engine *e, bool kernels) {
    char  text[16];
    FILE *out = app->out;
    fprintf(out, "hyperlama      %s (%s)\n", hl_version(), build_text());
    fprintf(out, "system         %s\n", m->system);
    fprintf(out, "processor      %s\n", m->cpu);
    fprintf(out, "instructions   %s\n", hl_engine_cpu_text(e));
    fprintf(out, "threads        %d of %d usable cores", (int)hl_engine_n_threads(e), m->n_cores);
    if (m->quota_cpus > 0) fprintf(out, " (quota %.2f)", m->quota_cpus);
    hl_format_bytes(m->memory_bytes, text);
    fprintf(out, "\nmemory         %s", text);
    hl_format_bytes(m->available_bytes, text);
    fprintf(out, ", %s available", text);
    hl_format_bytes(m->limit_bytes, text);
    if (m->limit_bytes > 0) fprintf(out, ", limit %s", text);
    fputc('\n', out);
    hl_say_line(out, "data           %s", app->paths.home);
    hl_say_line(out, "models         %s", app->paths.models);
    hl_say_line(out, "settings       %s", app->paths.config_file);
    if (!kernels) return;
    fputs("kernels\n", out);
    hl_engine_each_kernel(e, print_kernel, out);
}

static hl_status print_json(const hl_app *app, const hl_machine *m, const hl_engine *e, bool kernels,
                            hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "version", hl_version());
    hl_json_add_text(&j, "build", build_text());
    hl_json_add_text(&j, "system", m->system);
    hl_json_add_text(&j, "processor", m->cpu);
    hl_json_add_text(&j, "instructions", hl_engine_cpu_text(e));
    hl_json_add_int(&j, "threads", hl_engine_n_threads(e));
    hl_json_add_int(&j, "cores", m->n_cores);
    hl_json_add_int(&j, "cpus", m->n_cpus);
    hl_json_add_real(&j, "quota_cpus", m->quota_cpus);
    hl_json_add_int(&j, "memory_bytes", (int64_t)m->memory_bytes);
    hl_json_add_int(&j, "available_bytes", (int64_t)m->available_bytes);
    hl_json_add_int(&j, "limit_bytes", (int64_t)m->limit_bytes);
    hl_json_open(&j, "paths", '{');
    hl_json_add_text(&j, "data", app->paths.home);
    hl_json_add_text(&j, "models", app->paths.models);
    hl_json_add_text(&j, "settings", app->paths.config_file);
    hl_json_add_text(&j, "database", app->paths.db);
    hl_json_add_text(&j, "history", app->paths.history);
    hl_json_close(&j, '}');
    if (kernels) {
        hl_json_open(&j, "kernels", '[');
        hl_engine_each_kernel(e, add_kernel, &j);
        hl_json_close(&j, ']');
    }
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

hl_status hl_cmd_info(hl_app *app, const hl_args *args, hl_err *err) {
    hl_machine m;
    hl_host   *host = NULL;
    hl_engine *engine = NULL;
    const bool kernels = hl_args_has(args, "kernels");
    hl_machine_init(&m);
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_engine(host, -1, &engine, err);
    if (status == HL_OK) {
        if (hl_args_has(args, "json"))
            status = print_json(app, &m, engine, kernels, err);
        else
            print_text(app, &m, engine, kernels);
    }
    hl_host_free(host);
    return status;
}
