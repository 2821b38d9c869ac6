/* SPDX-License-Identifier: MIT
 *
 * cmd_rerank.c - hyperlama rerank MODEL QUERY [DOCUMENT...]: how well each document answers a question.
 *
 * Each argument is a document, and so is each line of --file or, without any, of standard input. Best first:
 * the score, the document's number and the document.
 */
#include <stdlib.h>

#include "cli/embedding.h"
#include "cli/json_print.h"
#include "core/base/mem.h"

typedef struct ranked {
    size_t i;
    float  score;
} ranked;

/* Best first; of equal ones the earlier. */
static int compare(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static ranked *sort(const hl_embedding *e) {
    ranked *all = hl_new(e->n, sizeof *all);
    for (size_t i = 0; all && i < e->n; i++) all[i] = (ranked){i, e->got.values[i]};
    if (all) qsort(all, e->n, sizeof *all, compare);
    return all;
}

static void print_plain(const hl_embedding *e, const ranked *all, size_t n, FILE *out) {
    for (size_t k = 0; k < n; k++) {
        const hl_view text = e->texts[all[k].i].document;
        (void)fprintf(out, "%.6f  %zu  %.*s\n", (double)all[k].score, all[k].i, (int)text.len, text.ptr);
    }
}

static hl_status print_json(const hl_embedding *e, const ranked *all, size_t n, FILE *out, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", e->source->label);
    hl_json_open(&j, "results", '[');
    for (size_t k = 0; k < n; k++) {
        hl_json_open(&j, NULL, '{');
        hl_json_add_int(&j, "index", (int64_t)all[k].i);
        hl_json_add_f32(&j, "relevance_score", all[k].score);
        hl_json_add_view(&j, "document", e->texts[all[k].i].document);
        hl_json_close(&j, '}');
    }
    hl_json_close(&j, ']');
    hl_json_add_int(&j, "tokens", e->got.sum_tokens);
    hl_json_add_int(&j, "truncated", (int64_t)e->got.n_truncated);
    hl_json_add_real(&j, "seconds", (double)e->got.total_ns * 1e-9);
    hl_json_close(&j, '}');
    return hl_json_print(&j, out, err);
}

static hl_status print(const hl_embedding *e, const hl_args *args, FILE *out, hl_err *err) {
    const size_t top = (size_t)hl_args_int(args, "top", (int64_t)e->n), n = top < e->n ? top : e->n;
    ranked      *all = sort(e);
    hl_status    status = HL_OK;
    if (!all) return hl_fail(err, HL_E_NOMEM, "rerank: no memory");
    if (hl_args_has(args, "json"))
        status = print_json(e, all, n, out, err);
    else
        print_plain(e, all, n, out);
    hl_free(all);
    return status;
}

hl_status hl_cmd_rerank(hl_app *app, const hl_args *args, hl_err *err) {
    hl_embedding     e = {0};
    hl_embed_request r = {.ranks = true, .truncates = hl_args_has(args, "truncate")};
    hl_status        status = hl_embedding_take_texts(&e, args, 2, "document", err);
    for (size_t i = 0; i < e.n; i++)
        e.texts[i] = (hl_embed_input){.text = hl_view_of(hl_args_at(args, 1)), .document = e.texts[i].text};
    if (status == HL_OK) status = hl_embedding_load(&e, app, hl_args_at(args, 0), err);
    r.inputs = e.texts;
    r.n_inputs = e.n;
    if (status == HL_OK) status = hl_runner_embed(hl_resident_runner(e.resident), &r, &e.got, err);
    if (status == HL_OK && e.got.n_truncated > 0)
        hl_app_warn(app, "%zu of %zu documents were cut: the context is %d tokens", e.got.n_truncated, e.n,
                    (int)e.got.n_ctx);
    if (status == HL_OK) hl_host_count_use(e.host, e.source);
    if (status == HL_OK) status = print(&e, args, app->out, err);
    hl_embedding_done(&e);
    return status;
}
