/* SPDX-License-Identifier: MIT
 *
 * cmd_embed.c - hyperlama embed MODEL [TEXT...]: texts to vectors.
 *
 * Each argument is a text, and so is each line of --file or, without any, of standard input. One JSON array a
 * line, in the order of the texts.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "core/base/mem.h"
#include "host/resident.h"

enum { MAX_INPUT_BYTES = 1 << 30 };

typedef struct embedding {
    hl_str          lines; /* of a file */
    hl_embed_input *texts;
    size_t          n;
    hl_host        *host;
    hl_source      *source;
    hl_resident    *resident;
    hl_embeddings   got;
} embedding;

static size_t count_lines(hl_view v) {
    size_t n = v.len > 0 && v.ptr[v.len - 1] != '\n';
    for (size_t i = 0; i < v.len; i++) n += v.ptr[i] == '\n';
    return n;
}

/* Without their ends, "\r\n" too. */
static void take_lines(embedding *e, hl_view v) {
    while (v.len > 0) {
        const char *end = memchr(v.ptr, '\n', v.len);
        size_t      n = end ? (size_t)(end - v.ptr) : v.len;
        e->texts[e->n++].text = (hl_view){v.ptr, n - (n > 0 && v.ptr[n - 1] == '\r')};
        n += end != NULL;
        v = (hl_view){v.ptr + n, v.len - n};
    }
}

static hl_status take_texts(embedding *e, const hl_args *args, hl_err *err) {
    const size_t n_args = hl_args_count(args) - 1;
    const char  *path = hl_args_text(args, "file");
    hl_status    status = HL_OK;
    if (path)
        status = hl_read_path(path, &e->lines, err);
    else if (n_args == 0)
        status = hl_read_stream(stdin, "standard input", &e->lines, err);
    if (status == HL_OK) status = hl_str_check(&e->lines, "texts", err);
    if (status != HL_OK) return status;
    e->texts = hl_new(count_lines(hl_str_view(&e->lines)) + n_args, sizeof *e->texts);
    if (!e->texts) return hl_fail(err, HL_E_NOMEM, "embed: no memory");
    take_lines(e, hl_str_view(&e->lines));
    for (size_t i = 0; i < n_args; i++) e->texts[e->n++].text = hl_view_of(hl_args_at(args, i + 1));
    return e->n > 0 ? HL_OK
                    : hl_fail(err, HL_E_ARG,
                              "embed: there is no text: give some as arguments, with --file or on standard "
                              "input, one a line");
}

static hl_status load(embedding *e, hl_app *app, const char *name, hl_err *err) {
    hl_options options;
    hl_status  status = hl_host_new(app->config, &app->paths, &app->events, &e->host, err);
    if (status == HL_OK) status = hl_host_find(e->host, name, HL_OPEN_FOR_LOAD, &e->source, err);
    if (status == HL_OK) status = hl_source_can_answer(e->source, err);
    if (status == HL_OK) status = hl_host_lock_down(e->host, e->source, false, NULL, 0, err);
    if (status != HL_OK) return status;
    hl_options_init(&options);
    hl_options_read_settings(&options, app->config);
    if (e->source->stored) hl_options_read_stored(&options, e->source->stored, &app->events);
    status = hl_host_acquire(e->host, e->source, &options, &e->resident, err);
    if (status != HL_OK) hl_host_add_why_locked(e->host, e->source, err);
    hl_options_done(&options);
    return status;
}

static void add_vector(hl_json_out *j, const hl_embeddings *g, size_t i_row) {
    hl_json_open(j, NULL, '[');
    for (size_t k = 0; k < g->n_dims; k++) hl_json_add_f32(j, NULL, g->values[i_row * g->n_dims + k]);
    hl_json_close(j, ']');
}

static hl_status print_plain(const embedding *e, FILE *out, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < e->got.n_rows && status == HL_OK && !ferror(out); i++) {
        hl_json_out j;
        hl_json_init(&j);
        add_vector(&j, &e->got, i);
        status = hl_json_print(&j, out, err);
    }
    return status;
}

static hl_status print_json(const embedding *e, FILE *out, hl_err *err) {
    const hl_embeddings *g = &e->got;
    hl_json_out          j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", e->source->label);
    hl_json_add_int(&j, "dimensions", (int64_t)g->n_dims);
    hl_json_open(&j, "embeddings", '[');
    for (size_t i = 0; i < g->n_rows; i++) add_vector(&j, g, i);
    hl_json_close(&j, ']');
    hl_json_open(&j, "tokens", '[');
    for (size_t i = 0; i < g->n_inputs; i++) hl_json_add_int(&j, NULL, g->n_tokens[i]);
    hl_json_close(&j, ']');
    hl_json_add_int(&j, "truncated", (int64_t)g->n_truncated);
    hl_json_add_real(&j, "seconds", (double)g->total_ns * 1e-9);
    hl_json_close(&j, '}');
    return hl_json_print(&j, out, err);
}

static void embedding_done(embedding *e) {
    hl_embeddings_done(&e->got);
    if (e->host) hl_host_release(e->host, e->resident, 0);
    hl_source_free(e->source);
    hl_host_free(e->host);
    hl_free(e->texts);
    hl_str_done(&e->lines);
}

hl_status hl_cmd_embed(hl_app *app, const hl_args *args, hl_err *err) {
    embedding        e = {0};
    hl_embed_request r = {.dimensions = (int32_t)hl_args_int(args, "dimensions", 0),
                          .truncates = hl_args_has(args, "truncate")};
    hl_str_init(&e.lines, MAX_INPUT_BYTES);
    hl_status status = take_texts(&e, args, err);
    if (status == HL_OK) status = load(&e, app, hl_args_at(args, 0), err);
    r.inputs = e.texts;
    r.n_inputs = e.n;
    if (status == HL_OK) status = hl_runner_embed(hl_resident_runner(e.resident), &r, &e.got, err);
    if (status == HL_OK && e.got.n_truncated > 0)
        hl_app_warn(app, "%zu of %zu texts were cut to %d tokens", e.got.n_truncated, e.n, (int)e.got.n_ctx);
    if (status == HL_OK) hl_host_count_use(e.host, e.source);
    if (status == HL_OK)
        status = hl_args_has(args, "json") ? print_json(&e, app->out, err) : print_plain(&e, app->out, err);
    embedding_done(&e);
    return status;
}
