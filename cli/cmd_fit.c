/* SPDX-License-Identifier: MIT
 *
 * cmd_fit.c - hyperlama fit MODEL: memory at several contexts, and tokens/s, before anything is loaded. A
 * model that is elsewhere is judged by its header, before anything else of it is fetched.
 */
#include <inttypes.h>
#include <string.h>

#include "bench/lib/predict.h"
#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"

static void add_row(hl_json_out *j, const hl_fit_row *r) {
    hl_json_open(j, NULL, '{');
    hl_json_add_int(j, "context", r->n_ctx);
    hl_json_add_int(j, "weights_bytes", (int64_t)r->plan.weights_bytes);
    hl_json_add_int(j, "cache_bytes", (int64_t)r->plan.kv_bytes);
    hl_json_add_int(j, "buffers_bytes", (int64_t)r->plan.scratch_bytes);
    hl_json_add_bool(j, "fits", r->fits);
    if (r->from_disk) hl_json_add_bool(j, "experts_from_disk", true);
    if (r->first_per_s > 0) {
        hl_json_add_real(j, "tokens_per_s_first", r->first_per_s);
        hl_json_add_real(j, "tokens_per_s_last", r->last_per_s);
    }
    hl_json_close(j, '}');
}

static hl_status print_json(const hl_app *app, const char *label, const hl_peek *peek, const hl_fit *f,
                            hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "name", label);
    hl_json_add_text(&j, "architecture", f->info.arch);
    hl_json_add_text(&j, "quantization", f->info.file_type);
    hl_json_add_int(&j, "parameters", (int64_t)f->info.n_params);
    hl_json_add_int(&j, "file_bytes", (int64_t)f->info.file_bytes);
    hl_json_add_int(&j, "context_length", f->info.n_ctx_train);
    hl_json_add_int(&j, "available_bytes", (int64_t)f->available_bytes);
    if (peek) {
        hl_json_add_int(&j, "download_bytes", (int64_t)peek->total_bytes);
        hl_json_add_int(&j, "missing_bytes", (int64_t)peek->missing_bytes);
        if (peek->room_bytes != UINT64_MAX) hl_json_add_int(&j, "disk_bytes", (int64_t)peek->room_bytes);
        hl_json_add_int(&j, "header_bytes", (int64_t)peek->fetched_bytes);
    }
    hl_json_add_real(&j, "read_bytes_per_s", f->read_bytes_per_s);
    hl_json_open(&j, "contexts", '[');
    for (size_t i = 0; i < f->n_rows; i++) add_row(&j, &f->rows[i]);
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

/* What a pull would take. */
static void print_download(const hl_app *app, const hl_peek *p) {
    char total[16], missing[16], room[16], header[16];
    hl_format_bytes(p->total_bytes, total);
    hl_format_bytes(p->missing_bytes, missing);
    hl_format_bytes(p->room_bytes, room);
    hl_format_bytes(p->fetched_bytes, header);
    hl_say_line(app->out, "not here: %s to fetch%s%s; the disk has room for %s: %s (%s were read)", missing,
                p->missing_bytes < p->total_bytes ? " of " : "",
                p->missing_bytes < p->total_bytes ? total : "",
                p->room_bytes == UINT64_MAX ? "nobody knows how much" : room,
                p->missing_bytes <= p->room_bytes ? "it fits" : "it does not fit", header);
}

static void print_table(const hl_app *app, const char *label, const hl_peek *peek, const hl_fit *f) {
    char size[16], free[16];
    hl_format_bytes(f->info.file_bytes, size);
    hl_format_bytes(f->available_bytes, free);
    hl_say_line(app->out, "%s (%s, %s, %s), trained for a context of %d", label, f->info.arch,
                f->info.file_type, size, (int)f->info.n_ctx_train);
    hl_say_line(app->out, "this machine: %s free, reads %.1f GB/s",
                f->available_bytes ? free : "unknown memory", f->read_bytes_per_s / 1e9);
    if (peek) print_download(app, peek);
    fputc('\n', app->out);
    fprintf(app->out, "%10s  %10s  %10s  %10s  %10s  %-5s  %s\n", "CONTEXT", "WEIGHTS", "CACHE", "BUFFERS",
            "TOGETHER", "FITS", f->rows[0].first_per_s > 0 ? "TOKENS/S EMPTY, FULL" : "");
    for (size_t i = 0; i < f->n_rows; i++) {
        const hl_fit_row *r = &f->rows[i];
        char              w[16], kv[16], s[16], all[16];
        hl_format_bytes(r->plan.weights_bytes, w);
        hl_format_bytes(r->plan.kv_bytes, kv);
        hl_format_bytes(r->plan.scratch_bytes, s);
        hl_format_bytes(r->plan.weights_bytes + r->plan.kv_bytes + r->plan.scratch_bytes, all);
        fprintf(app->out, "%10d  %10s  %10s  %10s  %10s  %-5s", (int)r->n_ctx, w, kv, s, all,
                !r->fits       ? "no"
                : r->from_disk ? "disk"
                               : "yes");
        if (r->first_per_s > 0)
            fprintf(app->out, "  %.*f, %.*f", r->first_per_s < 20, r->first_per_s, r->last_per_s < 20,
                    r->last_per_s);
        fputc('\n', app->out);
    }
}

/* A name that is not here is looked for where pull would look; not names of the settings, and not files. */
static hl_status find_elsewhere(hl_host *host, const hl_args *args, const hl_err *why_missing,
                                hl_peek **ret_peek, hl_err *err) {
    const char *name = hl_args_at(args, 0);
    hl_err      why = {0};
    hl_ref      ref;
    const bool  is_known = hl_ref_parse(name, &ref, NULL) == HL_OK;
    if (!is_known || ref.kind == HL_REF_PATH || hl_host_has_own_name(host, name) ||
        (ref.kind != HL_REF_URL && hl_host_check_online(host, name, NULL) != HL_OK))
        return hl_fail(err, why_missing->status, "%s", why_missing->text);
    const hl_status status = hl_host_peek(host, name, hl_args_has(args, "insecure"), ret_peek, &why);
    if (status == HL_OK) return HL_OK;
    if (ref.kind == HL_REF_URL || status == HL_E_CANCEL || status == HL_E_NOMEM)
        return hl_fail(err, status, "%s", why.text);
    const char *advice = strstr(why_missing->text, "; `hyperlama pull"); /* which would fail as well */
    const int   n_said = (int)(advice ? advice - why_missing->text : (ptrdiff_t)strlen(why_missing->text));
    return hl_fail(err, status, "%.*s; and where it would be pulled from: %s", n_said, why_missing->text,
                   why.text);
}

hl_status hl_cmd_fit(hl_app *app, const hl_args *args, hl_err *err) {
    const hl_fit_options o = {.n_ctx = (int32_t)hl_args_int(args, "context", 0),
                              .measure = hl_args_has(args, "measure")};
    hl_host             *host = NULL;
    hl_source           *source = NULL;
    hl_model            *m = NULL;
    hl_peek             *elsewhere = NULL;
    hl_err               why = {0};
    hl_fit               f;
    hl_status            status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status != HL_OK) return status;
    status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_SHOW, &source, &why);
    if (status == HL_E_NOT_FOUND)
        status = find_elsewhere(host, args, &why, &elsewhere, err);
    else if (status != HL_OK)
        status = hl_fail(err, status, "%s", why.text);
    else
        status = hl_host_open_model(host, source, false, &m, err);
    const char *label = elsewhere ? elsewhere->label : source ? source->label : "";
    if (status == HL_OK) status = hl_fit_model(host, elsewhere ? elsewhere->model : m, &o, &f, err);
    if (status == HL_OK && hl_args_has(args, "json"))
        status = print_json(app, label, elsewhere, &f, err);
    else if (status == HL_OK)
        print_table(app, label, elsewhere, &f);
    hl_peek_free(elsewhere);
    hl_model_close(m);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
