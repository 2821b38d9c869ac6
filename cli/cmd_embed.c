/* SPDX-License-Identifier: MIT
 *
 * cmd_embed.c - hyperlama embed MODEL [TEXT...]: texts to vectors.
 *
 * Each argument is a text, and so is each line of --file or, without any, of standard input. One JSON array a
 * line, in the order of the texts.
 */
#include "cli/embedding.h"
#include "cli/json_print.h"

static void add_vector(hl_json_out *j, const hl_embeddings *g, size_t i_row) {
    hl_json_open(j, NULL, '[');
    for (size_t k = 0; k < g->n_dims; k++) hl_json_add_f32(j, NULL, g->values[i_row * g->n_dims + k]);
    hl_json_close(j, ']');
}

static hl_status print_plain(const hl_embedding *e, FILE *out, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < e->got.n_rows && status == HL_OK && !ferror(out); i++) {
        hl_json_out j;
        hl_json_init(&j);
        add_vector(&j, &e->got, i);
        status = hl_json_print(&j, out, err);
    }
    return status;
}

static hl_status print_json(const hl_embedding *e, FILE *out, hl_err *err) {
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

hl_status hl_cmd_embed(hl_app *app, const hl_args *args, hl_err *err) {
    hl_embedding     e = {0};
    hl_embed_request r = {.dimensions = (int32_t)hl_args_int(args, "dimensions", 0),
                          .truncates = hl_args_has(args, "truncate")};
    hl_status        status = hl_embedding_take_texts(&e, args, 1, "text", err);
    if (status == HL_OK) status = hl_embedding_load(&e, app, hl_args_at(args, 0), err);
    r.inputs = e.texts;
    r.n_inputs = e.n;
    if (status == HL_OK) status = hl_runner_embed(hl_resident_runner(e.resident), &r, &e.got, err);
    if (status == HL_OK && e.got.n_truncated > 0)
        hl_app_warn(app, "%zu of %zu texts were cut to %d tokens", e.got.n_truncated, e.n, (int)e.got.n_ctx);
    if (status == HL_OK) hl_host_count_use(e.host, e.source);
    if (status == HL_OK)
        status = hl_args_has(args, "json") ? print_json(&e, app->out, err) : print_plain(&e, app->out, err);
    hl_embedding_done(&e);
    return status;
}
