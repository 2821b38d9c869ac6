/* SPDX-License-Identifier: MIT
 *
 * embedding.c - what embed and rerank share: lines of a file, a model that is loaded, and its end.
 */
#include "cli/embedding.h"

#include <string.h>

#include "cli/files.h"
#include "core/base/mem.h"

enum { MAX_INPUT_BYTES = 1 << 30 };

static size_t count_lines(hl_view v) {
    size_t n = v.len > 0 && v.ptr[v.len - 1] != '\n';
    for (size_t i = 0; i < v.len; i++) n += v.ptr[i] == '\n';
    return n;
}

/* Without their ends, "\r\n" too. */
static void take_lines(hl_embedding *e, hl_view v) {
    while (v.len > 0) {
        const char *end = memchr(v.ptr, '\n', v.len);
        size_t      n = end ? (size_t)(end - v.ptr) : v.len;
        e->texts[e->n++].text = (hl_view){v.ptr, n - (n > 0 && v.ptr[n - 1] == '\r')};
        n += end != NULL;
        v = (hl_view){v.ptr + n, v.len - n};
    }
}

hl_status hl_embedding_take_texts(hl_embedding *e, const hl_args *args, size_t first, const char *what,
                                  hl_err *err) {
    const size_t n_args = hl_args_count(args) - first;
    const char  *path = hl_args_text(args, "file");
    hl_status    status = HL_OK;
    hl_str_init(&e->lines, MAX_INPUT_BYTES);
    if (path)
        status = hl_read_path(path, &e->lines, err);
    else if (n_args == 0)
        status = hl_read_stream(stdin, "standard input", &e->lines, err);
    if (status == HL_OK) status = hl_str_check(&e->lines, "texts", err);
    if (status != HL_OK) return status;
    e->texts = hl_new(count_lines(hl_str_view(&e->lines)) + n_args, sizeof *e->texts);
    if (!e->texts) return hl_fail(err, HL_E_NOMEM, "no memory for texts");
    take_lines(e, hl_str_view(&e->lines));
    for (size_t i = 0; i < n_args; i++) e->texts[e->n++].text = hl_view_of(hl_args_at(args, i + first));
    return e->n > 0
               ? HL_OK
               : hl_fail(
                     err, HL_E_ARG,
                     "there is no %s: give some as arguments, with --file or on standard input, one a line",
                     what);
}

hl_status hl_embedding_load(hl_embedding *e, hl_app *app, const char *name, hl_err *err) {
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

void hl_embedding_done(hl_embedding *e) {
    hl_embeddings_done(&e->got);
    if (e->host) hl_host_release(e->host, e->resident, 0);
    hl_source_free(e->source);
    hl_host_free(e->host);
    hl_free(e->texts);
    hl_str_done(&e->lines);
}
