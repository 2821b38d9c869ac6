/* SPDX-License-Identifier: MIT
 *
 * fuzz_stored.c - any bytes as the small texts of a stored model: config, parameters, messages, system text,
 * template, licence.
 *
 * A zero byte stands between them. What can be opened is saved under another name, opened again and must be
 * the same; what a Modelfile can say of it must be read back the same, too. What is refused must say why.
 *
 * fuzz: max_len=8192 words=models/params.c,models/stored_model.c,host/model_options.def
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "models/store_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { N_PARTS = 6, PATH_BYTES = 200 };
static const char *const kinds[N_PARTS] = {"config", "params", "messages", "system", "template", "license"};

static char      dir[64], models[100];
static hl_store *store;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(void) { (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static void make_folder(const char *below) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", models, below);
    if (mkdir(path, 0700) != 0) abort();
}

static void set_up(void) {
    hl_err err;
    (void)snprintf(dir, sizeof dir, "%s/hl-fuzz-stored.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir)) abort();
    (void)atexit(remove_folder);
    (void)snprintf(models, sizeof models, "%s/models", dir);
    make_folder("");
    make_folder("/blobs");
    make_folder("/manifests");
    make_folder("/manifests/registry.ollama.ai");
    make_folder("/manifests/registry.ollama.ai/library");
    make_folder("/manifests/registry.ollama.ai/library/from");
    if (hl_store_open(&(hl_store_options){.models_path = models}, &store, &err) != HL_OK) abort();
}

static void write_file(const char *path, hl_view text) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text.ptr, 1, text.len, f) != text.len || fclose(f) != 0) abort();
}

/* The names are no hashes of their bytes: opening a model does not hash its texts. */
static void write_model(const hl_view parts[N_PARTS]) {
    char   path[PATH_BYTES];
    hl_str manifest;
    hl_str_init(&manifest, 1 << 16);
    hl_str_add_text(&manifest, "{\"schemaVersion\":2,");
    for (int i = 0; i < N_PARTS; i++) {
        (void)snprintf(path, sizeof path, "%s/blobs/sha256-%064d", models, i);
        write_file(path, parts[i]);
        if (i == 1) hl_str_add_text(&manifest, ",\"layers\":[");
        if (i == 0)
            hl_str_add_text(&manifest,
                            "\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\"");
        else if (parts[i].len > 0)
            hl_str_add_format(&manifest, "%s{\"mediaType\":\"application/vnd.ollama.image.%s\"",
                              manifest.ptr[manifest.len - 1] == '[' ? "" : ",", kinds[i]);
        else
            continue;
        hl_str_add_format(&manifest, ",\"digest\":\"sha256:%064d\",\"size\":%zu}", i, parts[i].len);
    }
    hl_str_add_text(&manifest, "]}");
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/from/latest", models);
    write_file(path, hl_str_view(&manifest));
    hl_str_done(&manifest);
}

static void check_text(const char *a, const char *b) {
    if (strcmp(a ? a : "", b ? b : "") != 0) abort();
}

static void check_params(size_t n, const hl_param *a, size_t n_b, const hl_param *b) {
    if (n != n_b) abort();
    for (size_t i = 0; i < n; i++) {
        check_text(a[i].name, b[i].name);
        check_text(a[i].value, b[i].value);
    }
}

static void check_messages(size_t n, const hl_stored_message *a, size_t n_b, const hl_stored_message *b) {
    if (n != n_b) abort();
    for (size_t i = 0; i < n; i++) {
        check_text(a[i].role, b[i].role);
        if (!hl_view_eq(a[i].content, b[i].content)) abort();
    }
}

static void check_saved(const hl_stored_model *m) {
    hl_stored_model *again = NULL;
    hl_err           err = {0};
    const hl_status  status = hl_store_save_model(store, m, "to", NULL, &err);
    if (status != HL_OK) { /* a config that is no object */
        if (status != HL_E_FORMAT || err.text[0] == '\0') abort();
        return;
    }
    if (hl_store_open_model(store, "to", HL_OPEN_FOR_SHOW, &again, &err) != HL_OK) abort();
    check_params(m->n_params, m->params, again->n_params, again->params);
    check_messages(m->n_messages, m->messages, again->n_messages, again->messages);
    check_text(m->system, again->system);
    check_text(m->template_text, again->template_text);
    check_text(m->n_licenses ? m->licenses[0] : "", again->n_licenses ? again->licenses[0] : "");
    check_text(m->renderer, again->renderer);
    check_text(m->parser, again->parser);
    check_text(m->requires_version, again->requires_version);
    check_text(m->entry.family, again->entry.family);
    check_text(m->entry.parameter_size, again->entry.parameter_size);
    check_text(m->entry.quantization, again->entry.quantization);
    hl_stored_model_free(again);
}

/* What a store may hold and the reader of Modelfiles refuses: unknown parameters, values of another kind. */
static bool are_known(const hl_stored_model *m) {
    hl_err ignored;
    for (size_t i = 0; i < m->n_params; i++) {
        if (hl_param_check(&m->params[i], &ignored) != HL_OK) return false;
        for (const char *p = m->params[i].name; *p; p++)
            if (*p >= 'A' && *p <= 'Z') return false;
    }
    return true;
}

static void check_modelfile(const hl_stored_model *m) {
    static const char *const from[] = {"a.gguf"};
    hl_stored_model          copy = *m;
    hl_modelfile            *f = NULL;
    char                    *text = NULL;
    hl_err                   err = {0};
    copy.shard_paths = from;
    copy.n_shards = 1;
    hl_status status = hl_modelfile_format(&copy, &text, &err);
    if (status != HL_OK && err.text[0] == '\0') abort();
    if (status != HL_OK) return;
    status = hl_modelfile_parse(hl_view_of(text), &f, &err);
    if (status != HL_OK && !are_known(m)) {
        hl_free(text);
        return;
    }
    if (status != HL_OK) {
        fprintf(stderr, "%s\n%s\n", err.text, text);
        abort();
    }
    check_text(m->system, f->system);
    check_text(m->template_text, f->template_text);
    check_text(m->n_licenses ? m->licenses[0] : "", f->n_licenses ? f->licenses[0] : "");
    check_text(m->renderer, f->renderer);
    check_text(m->parser, f->parser);
    check_text(m->requires_version, f->requires_version);
    check_messages(m->n_messages, m->messages, f->n_messages, f->messages);
    if (are_known(m)) check_params(m->n_params, m->params, f->n_params, f->params);
    hl_modelfile_free(f);
    hl_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_view          parts[N_PARTS];
    hl_stored_model *m = NULL;
    hl_err           err = {0};
    const char      *at = (const char *)data, *end = at + n;
    if (!store) set_up();
    for (int i = 0; i < N_PARTS; i++) {
        const char *stop = n && i + 1 < N_PARTS ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!stop) stop = end;
        parts[i] = (hl_view){at, (size_t)(stop - at)};
        at = stop < end ? stop + 1 : end;
    }
    write_model(parts);
    const hl_status status = hl_store_open_model(store, "from", HL_OPEN_FOR_SHOW, &m, &err);
    if (status != HL_OK && (status == HL_E_NOT_FOUND || err.text[0] == '\0')) abort();
    if (status != HL_OK) return 0;
    check_saved(m);
    check_modelfile(m);
    hl_stored_model_free(m);
    return 0;
}
