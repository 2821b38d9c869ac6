/* SPDX-License-Identifier: MIT
 *
 * import.c - GGUF files become a named model of the store.
 *
 *   check     is it GGUF, are all parts there, what does it say of itself
 *   hash      every file once; a file whose inode the index knows is not read again
 *   prepare   without the lock: a sound blob that is there is used; else see if a link works, or copy
 *             into a partial file
 *   commit    under the folder's lock, in milliseconds: blobs get their names, small layers and the
 *             config are written, the manifest last; then gc of what the name was before
 *
 * Killed at any point, the name is what it was or what it becomes. Partial files are swept by the next
 * process, blobs that were placed already are used by the next import or deleted by the next gc.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/gguf/gguf.h"

enum {
    MAX_SOURCES = 4096,
    MAX_EXTRAS = 2, /* projector, draft */
    MAX_ADAPTERS = 16,
    PROGRESS_STEP_BYTES = 4 << 20,
};

typedef struct import_job {
    hl_store                *s;
    const hl_import_options *options;
    hl_name                  name;
    hl_description           description;
    hl_import_file          *sources;
    size_t                   n_sources;
    size_t                   n_parts; /* of them, weights */
    hl_blob_layers           layers;  /* one per source, then the small ones */
    hl_store_progress        progress;
    uint64_t                 reported_bytes;
} import_job;

/* ---- progress ---- */

static hl_status report(import_job *job, hl_err *err) {
    const hl_import_options *o = job->options;
    job->reported_bytes = job->progress.done_bytes;
    const bool go_on = !o->progress || o->progress(o->progress_user, &job->progress);
    if (!go_on || hl_stop_asked()) return hl_fail(err, HL_E_CANCEL, "import cancelled; nothing was recorded");
    return HL_OK;
}

static hl_status begin_step(import_job *job, const char *what, uint64_t total_bytes, hl_err *err) {
    job->progress = (hl_store_progress){.what = what, .path = "", .total_bytes = total_bytes};
    return report(job, err);
}

static hl_status on_bytes(void *user, size_t n, hl_err *err) {
    import_job *job = user;
    job->progress.done_bytes += n;
    if (job->progress.done_bytes - job->reported_bytes < PROGRESS_STEP_BYTES && !hl_stop_asked())
        return HL_OK;
    return report(job, err);
}

/* ---- sources ---- */

static hl_status add_source(import_job *job, const char *path, const char *media_type, hl_err *err) {
    hl_import_file *src = &job->sources[job->n_sources];
    src->media_type = media_type;
    src->partial_fd = -1;
    const hl_status status = hl_file_open(path, O_RDONLY, 0, &src->fd, &src->st, err);
    if (status != HL_OK) return status;
    job->n_sources++;
    if (!realpath(path, src->path))
        return hl_fail(err, hl_errno_status(errno), "resolve '%s': %s", path, strerror(errno));
    return HL_OK;
}

static bool read_digits(const char *p, uint32_t *ret) {
    *ret = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *ret = 10 * *ret + (uint32_t)(p[i] - '0');
    }
    return true;
}

size_t hl_split_stem(hl_view name, uint32_t *ret_i, uint32_t *ret_n) {
    enum { N_TAIL = sizeof "-00001-of-00002" - 1 };
    const char *tail = name.ptr + name.len - (name.len > N_TAIL ? N_TAIL : 0);
    uint32_t    i = 0, n = 0;
    *ret_i = *ret_n = 1;
    if (name.len <= N_TAIL || tail[0] != '-' || memcmp(tail + 6, "-of-", 4) != 0) return 0;
    if (!read_digits(tail + 1, &i) || !read_digits(tail + 10, &n) || i < 1 || i > n || n > MAX_SOURCES)
        return 0;
    *ret_i = i;
    *ret_n = n;
    return name.len - N_TAIL;
}

/* The path of part i (1, 2, ...) of a split model, given the path of its first part. */
static bool part_path(const char *first, size_t i, size_t n, char ret[PATH_MAX]) {
    char         tail[40];
    const size_t len = strlen(first);
    const int    n_tail = snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", (unsigned)i, (unsigned)n);
    if (n_tail < 0 || (size_t)n_tail > len || len >= PATH_MAX) return false;
    memcpy(ret, first, len - (size_t)n_tail);
    memcpy(ret + len - (size_t)n_tail, tail, (size_t)n_tail + 1);
    return true;
}

/* Read the headers: of all parts, or of one file of the given role. */
static hl_status check_gguf(import_job *job, const char *const *paths, size_t n_paths, size_t *ret_n_parts,
                            hl_err *err) {
    hl_gguf  *g = NULL;
    hl_status status =
        n_paths == 1 ? hl_gguf_open(paths[0], &g, err) : hl_gguf_open_shards(paths, n_paths, &g, err);
    if (status == HL_OK) {
        status = hl_store_describe(g, &job->description, err);
        if (status != HL_OK) (void)hl_fail_within(err, status, "'%s'", paths[0]);
    }
    if (status == HL_OK) *ret_n_parts = hl_gguf_n_shards(g);
    hl_gguf_close(g);
    return status;
}

hl_status hl_model_file_kind(const char *path, char ret_kind[HL_FILE_KIND_BYTES], hl_err *err) {
    hl_gguf        *g = NULL;
    hl_view         kind = {0}, arch = {0};
    const hl_status status = hl_gguf_open(path, &g, err);
    if (status != HL_OK) return status;
    if (hl_gguf_get_text(g, "general.type", &kind, NULL) != HL_OK) kind = hl_view_of("model");
    if (hl_gguf_get_text(g, "general.architecture", &arch, NULL) != HL_OK) arch = hl_view_of("");
    if (hl_view_is(arch, "clip") || hl_view_is(kind, "mmproj"))
        kind = hl_view_of("projector"); /* older files have no type */
    (void)snprintf(ret_kind, HL_FILE_KIND_BYTES, "%.*s", (int)kind.len, kind.ptr);
    hl_gguf_close(g);
    return HL_OK;
}

/* A file beside the model. `kind` is what its general.type must be. */
static hl_status add_extra(import_job *job, const char *path, const char *media_type, const char *kind,
                           hl_err *err) {
    char found[HL_FILE_KIND_BYTES];
    if (!path) return HL_OK;
    const hl_status status = hl_model_file_kind(path, found, err);
    if (status != HL_OK) return status;
    if (strcmp(found, kind) != 0)
        return hl_fail(err, HL_E_FORMAT, "'%s' says that it is a file of type '%s', expected '%s'", path,
                       found, kind);
    return add_source(job, path, media_type, err);
}

static hl_status add_sources(import_job *job, const char *const *paths, size_t n_paths, hl_err *err) {
    const hl_import_options *o = job->options;
    size_t                   n_parts;
    hl_status                status = HL_OK;
    const bool               may_be_none = o->base || o->remote_json;
    if ((n_paths == 0 && !may_be_none) || (n_paths > 0 && o->remote_json) || n_paths > MAX_SOURCES)
        return hl_fail(err, HL_E_ARG, "import: %zu files%s, expected %s", n_paths,
                       o->remote_json ? " beside a remote model" : "", o->remote_json ? "none" : "1..4096");
    n_parts = 0;
    if (n_paths > 0) status = check_gguf(job, paths, n_paths, &n_parts, err);
    if (status != HL_OK) return status;
    if (n_parts > MAX_SOURCES)
        return hl_fail(err, HL_E_LIMIT, "'%s' has %zu parts, expected at most %d", paths[0], n_parts,
                       MAX_SOURCES);
    if (o->n_adapters > MAX_ADAPTERS)
        return hl_fail(err, HL_E_LIMIT, "%zu adapters, expected at most %d", o->n_adapters, MAX_ADAPTERS);
    job->sources = hl_new(n_parts + MAX_EXTRAS + o->n_adapters, sizeof *job->sources);
    if (!job->sources) return hl_fail(err, HL_E_NOMEM, "import: no memory for %zu files", n_parts);
    job->n_parts = n_parts;
    for (size_t i = 0; i < n_parts && status == HL_OK; i++) {
        char        part[PATH_MAX];
        const char *path = n_paths > 1 || n_parts == 1 ? paths[i] : part;
        if (path == part && !part_path(paths[0], i + 1, n_parts, part))
            return hl_fail(err, HL_E_ARG, "'%s': path too long", paths[0]);
        status = add_source(job, path, HL_MEDIA_MODEL, err);
    }
    if (status == HL_OK) status = add_extra(job, o->projector_path, HL_MEDIA_PROJECTOR, "projector", err);
    for (size_t i = 0; i < o->n_adapters && status == HL_OK; i++)
        status = add_extra(job, o->adapter_paths[i], HL_MEDIA_ADAPTER, "adapter", err);
    if (status == HL_OK) status = add_extra(job, o->draft_path, HL_MEDIA_DRAFT, "model", err);
    return status;
}

static uint64_t total_bytes(const import_job *job) {
    uint64_t sum = 0;
    for (size_t i = 0; i < job->n_sources; i++) sum += (uint64_t)job->sources[i].st.st_size;
    return sum;
}

/* ---- hash, prepare ---- */

static hl_status hash_source(import_job *job, hl_import_file *src, hl_err *err) {
    hl_blob_row like, known;
    hl_blob_row_of(&src->st, "0000000000000000000000000000000000000000000000000000000000000000", 0, &like);
    job->progress.path = src->path;
    if (job->s->id[0] && hl_db_find_blob_by_inode(job->s->db, job->s->id, &like, &known)) {
        memcpy(src->digest, known.digest, sizeof src->digest);
        job->progress.done_bytes += (uint64_t)src->st.st_size;
        return report(job, err);
    }
    const hl_status status = hl_store_hash(job->s, src->fd, src->path, on_bytes, job, src->digest, err);
    return status == HL_OK ? hl_import_file_check(src, err) : status;
}

static hl_status prepare_sources(import_job *job, hl_err *err) {
    hl_status status = HL_OK;
    uint64_t  copy_bytes = 0;
    bool      must_copy = job->options->copy;
    for (size_t i = 0; i < job->n_sources && status == HL_OK; i++) {
        status = hl_store_find_sound_blob(job->s, &job->sources[i], err);
        if (job->sources[i].is_present) continue;
        copy_bytes += (uint64_t)job->sources[i].st.st_size;
        if (!must_copy && !hl_store_can_link(job->s, &job->sources[i])) must_copy = true;
    }
    if (status != HL_OK || !must_copy || !copy_bytes) return status;
    status = begin_step(job, "copying", copy_bytes, err);
    for (size_t i = 0; i < job->n_sources && status == HL_OK; i++) {
        hl_import_file *src = &job->sources[i];
        if (src->is_present) continue;
        if (!job->options->copy && hl_store_can_link(job->s, src))
            continue; /* the parts may lie in two places */
        job->progress.path = src->path;
        status = hl_store_copy_in(job->s, src, on_bytes, job, err);
    }
    return status;
}

/* ---- commit ---- */

/* Parameters of the base that are not given, then those that are. */
static hl_status format_params(const hl_import_options *o, hl_str *s, hl_err *err) {
    const hl_stored_model *base = o->base;
    size_t                 n = 0;
    if (!base) return o->n_params ? hl_params_format(o->params, o->n_params, s, err) : HL_OK;
    hl_param *all = hl_new(base->n_params + o->n_params, sizeof *all);
    if (!all) return hl_fail(err, HL_E_NOMEM, "import: no memory for parameters");
    for (size_t i = 0; i < base->n_params; i++) {
        bool is_given = false;
        for (size_t k = 0; k < o->n_params; k++)
            is_given |= strcasecmp(base->params[i].name, o->params[k].name) == 0;
        if (!is_given) all[n++] = base->params[i];
    }
    for (size_t k = 0; k < o->n_params; k++) all[n++] = o->params[k];
    const hl_status status = hl_params_format_like(base->params_json, all, n, s, err);
    hl_free(all);
    return status;
}

/* Licences of the base, then those that it has not. Two of one text are one. */
static size_t list_licenses(const hl_import_options *o, const char **ret) {
    const size_t n_base = o->base ? o->base->n_licenses : 0;
    size_t       n = 0;
    for (size_t i = 0; i < n_base + o->n_licenses; i++) {
        const char *text = i < n_base ? o->base->licenses[i] : o->licenses[i - n_base];
        bool        is_known = false;
        for (size_t k = 0; k < n && i >= n_base; k++) is_known |= strcmp(ret[k], text) == 0;
        if (!is_known) ret[n++] = text;
    }
    return n;
}

static const char *text_or(const char *given, const char *base) { return given ? given : base; }

/* What becomes layers and keys of the config. */
static hl_status add_small_layers(import_job *job, hl_err *err) {
    const hl_import_options *o = job->options;
    const hl_stored_model   *base = o->base, none = {0};
    const char **licenses = hl_new((base ? base->n_licenses : 0) + o->n_licenses, sizeof *licenses);
    hl_str       params;
    if (!base) base = &none;
    if (!licenses) return hl_fail(err, HL_E_NOMEM, "import: no memory for licences");
    hl_str_init(&params, HL_STORE_TEXT_MAX_BYTES);
    hl_status      status = format_params(o, &params, err);
    hl_model_texts t = {.template_text = text_or(o->template_text, base->template_text),
                        .system = text_or(o->system, base->system),
                        .remote_json = text_or(o->remote_json, base->remote_json),
                        .params_json = hl_str_view(&params),
                        .messages = o->n_messages ? o->messages : base->messages,
                        .n_messages = o->n_messages ? o->n_messages : base->n_messages,
                        .licenses = licenses,
                        .n_licenses = list_licenses(o, licenses)};
    if (status == HL_OK) status = hl_blob_layers_add_texts(&job->layers, &t, err);
    hl_str_done(&params);
    hl_free(licenses);
    return status;
}

static hl_status add_base_files(import_job *job, hl_err *err) {
    const hl_import_options *o = job->options;
    uint32_t                 without = 0;
    if (!o->base) return HL_OK;
    if (job->n_parts) without |= 1U << HL_LAYER_SHARD;
    if (o->projector_path) without |= 1U << HL_LAYER_PROJECTOR;
    if (o->n_adapters > 0) without |= 1U << HL_LAYER_ADAPTER;
    if (o->draft_path) without |= 1U << HL_LAYER_DRAFT;
    return hl_blob_layers_add_files(&job->layers, o->base, without, err);
}

static hl_status write_manifest(import_job *job, hl_err *err) {
    const hl_stored_model *base = job->options->base;
    hl_status              status = HL_OK;
    hl_str                 config;
    hl_str_init(&config, HL_STORE_TEXT_MAX_BYTES);
    if (base)
        status = hl_store_format_config_like(hl_view_of(base->config_json ? base->config_json : "{}"),
                                             &job->layers, job->n_parts ? &job->description : NULL,
                                             job->options, &config, err);
    else
        hl_store_format_config(&job->description, &job->layers, job->options, &config);
    if (status == HL_OK) status = hl_str_check(&config, "import: config", err);
    if (status == HL_OK) status = hl_store_put_model(&job->layers, hl_str_view(&config), &job->name, err);
    hl_str_done(&config);
    return status;
}

static hl_status commit(import_job *job, hl_err *err) {
    int       lock_fd = -1;
    hl_status status = hl_store_lock(job->s, &lock_fd, err);
    if (status != HL_OK) return status;
    if (!job->n_parts) status = add_base_files(job, err);
    for (size_t i = 0; i < job->n_sources && status == HL_OK; i++) {
        hl_import_file *src = &job->sources[i];
        hl_blob_layer   layer = {.media_type = src->media_type, .size_bytes = (uint64_t)src->st.st_size};
        status = hl_store_commit_blob(job->s, src, err);
        memcpy(layer.digest, src->digest, sizeof layer.digest);
        if (status == HL_OK) status = hl_blob_layers_add(&job->layers, &layer, err);
    }
    if (status == HL_OK && job->n_parts) status = add_base_files(job, err); /* after the weights */
    if (status == HL_OK) status = add_small_layers(job, err);
    if (status == HL_OK) status = write_manifest(job, err);
    hl_store_gc(job->s, NULL, NULL); /* what the name was before; after a failure, what was just placed */
    hl_store_unlock(lock_fd);
    return status;
}

/* ---- all of it ---- */

static void job_done(import_job *job) {
    for (size_t i = 0; i < job->n_sources; i++) {
        hl_import_file *src = &job->sources[i];
        if (src->partial[0]) (void)unlink(src->partial);
        if (src->partial_fd >= 0) (void)close(src->partial_fd);
        if (src->fd >= 0) (void)close(src->fd);
    }
    hl_free(job->sources);
    hl_blob_layers_done(&job->layers);
}

/* See that the folders are there and can be written, before minutes of hashing. */
static hl_status try_lock(hl_store *s, hl_err *err) {
    int             fd = -1;
    const hl_status status = hl_store_lock(s, &fd, err);
    hl_store_unlock(fd);
    return status;
}

static hl_status run_job(import_job *job, const char *const *paths, size_t n_paths, hl_err *err) {
    hl_status status = add_sources(job, paths, n_paths, err);
    if (status == HL_OK) status = try_lock(job->s, err);
    if (status == HL_OK) status = begin_step(job, "hashing", total_bytes(job), err);
    for (size_t i = 0; i < job->n_sources && status == HL_OK; i++)
        status = hash_source(job, &job->sources[i], err);
    if (status == HL_OK) status = report(job, err);
    if (status == HL_OK) status = prepare_sources(job, err);
    if (status == HL_OK) status = begin_step(job, "writing manifest", 0, err);
    if (status == HL_OK) status = commit(job, err);
    return status;
}

hl_status hl_store_import_files(hl_store *s, hl_import_file *files, size_t n, hl_name *name, hl_err *err) {
    static const hl_import_options defaults = {0};
    import_job   job = {.s = s, .options = &defaults, .name = *name, .sources = files, .n_sources = n};
    const char **paths = hl_new(n, sizeof *paths);
    size_t       n_parts = 0, n_found = 0;
    if (!paths) return hl_fail(err, HL_E_NOMEM, "import: no memory for %zu files", n);
    job.layers.s = s;
    while (n_parts < n && strcmp(files[n_parts].media_type, HL_MEDIA_MODEL) == 0) {
        paths[n_parts] = files[n_parts].path;
        n_parts++;
    }
    hl_status status = check_gguf(&job, paths, n_parts, &n_found, err);
    if (status == HL_OK && n_found != n_parts)
        status =
            hl_fail(err, HL_E_FORMAT, "'%s' is one of %zu parts, and %zu came", paths[0], n_found, n_parts);
    (void)pthread_mutex_lock(&s->mutex);
    if (status == HL_OK) status = commit(&job, err);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK) *name = job.name;
    hl_blob_layers_done(&job.layers);
    hl_free(paths);
    return status;
}

hl_status hl_store_import(hl_store *s, const char *const *paths, size_t n_paths, const char *name,
                          const hl_import_options *options, hl_name *ret_name, hl_err *err) {
    static const hl_import_options defaults = {0};
    import_job job = {.s = s, .options = options ? options : &defaults, .layers = {.s = s}};
    hl_status  status = hl_name_parse(name, &job.name, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&s->mutex);
    status = run_job(&job, paths, n_paths, err);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK) {
        (void)begin_step(&job, "done", 0, NULL); /* too late to cancel */
        if (ret_name) *ret_name = job.name;
    }
    job_done(&job);
    return status;
}
