/* SPDX-License-Identifier: MIT
 *
 * export.c - a stored model as a folder of its own: its GGUF files, a Modelfile that names them, its
 * manifest.
 *
 * The folder is made under another name and renamed when it is whole. Bytes are copied (or cloned), never
 * linked, so that nobody changes the store by what he does there; copies are compared with their digests.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/reserve.h"
#include "core/base/stop.h"
#include "core/data/sha256.h"
#include "models/store_priv.h"

typedef struct export_job {
    const hl_stored_model *m;
    const char            *dir; /* that is being made */
    hl_store_progress_fn  *fn;
    void                  *user;
    hl_store_progress      progress;
    uint64_t               told_bytes;
    hl_arena               arena;
} export_job;

typedef struct copying {
    export_job *job;
    hl_sha256  *sum;
    int         fd;
    const char *path;
} copying;

static hl_status add_bytes(export_job *job, uint64_t n, hl_err *err) {
    enum { STEP = 4 << 20 };
    job->progress.done_bytes += n;
    if (job->progress.done_bytes - job->told_bytes < STEP || !job->fn)
        return hl_stop_check("export a model", err);
    job->told_bytes = job->progress.done_bytes;
    return job->fn(job->user, &job->progress) ? hl_stop_check("export a model", err)
                                              : hl_fail(err, HL_E_CANCEL, "export cancelled");
}

static hl_status copy_chunk(void *user, const void *data, size_t n, hl_err *err) {
    const copying *c = user;
    hl_status      status = hl_file_write_fd(c->fd, c->path, data, n, err);
    if (status == HL_OK) status = hl_sha256_add(c->sum, data, n, err);
    return status == HL_OK ? add_bytes(c->job, n, err) : status;
}

/* The digest of a file of the record; NULL: it is none of the store. */
static const char *digest_of(const hl_stored_model *m, const char *path) {
    for (size_t i = 0; i < m->n_layers; i++)
        if (strcmp(m->layers[i].path, path) == 0) return m->layers[i].digest;
    return NULL;
}

static hl_status copy_open(copying *c, int from_fd, const char *from, const struct stat *st, hl_err *err) {
    const char *digest = digest_of(c->job->m, from);
    char        hex[HL_DIGEST_BYTES];
    if (hl_file_clone(from_fd, c->fd)) return add_bytes(c->job, (uint64_t)st->st_size, err);
    const int no_room = hl_file_reserve(c->fd, (uint64_t)st->st_size);
    if (no_room)
        return hl_fail(err, hl_errno_io(no_room), "'%s': %lld bytes needed: %s", c->path,
                       (long long)st->st_size, strerror(no_room));
    hl_status status = hl_sha256_new(&c->sum, err);
    if (status == HL_OK) status = hl_file_walk(from_fd, from, copy_chunk, c, err);
    if (status == HL_OK) status = hl_sha256_finish(c->sum, hex, err);
    hl_sha256_free(c->sum);
    if (status == HL_OK && digest && strcmp(hex, digest) != 0)
        return hl_fail(err, HL_E_CHANGED,
                       "blob '%s' holds something else than its name says; `hyperlama doctor --verify`",
                       from);
    return status;
}

/* Copy a file to <dir>/name; *ret_named becomes "./name". */
static hl_status copy_file(export_job *job, const char *from, const char *name, const char **ret_named,
                           hl_err *err) {
    char        path[PATH_MAX], named[PATH_MAX];
    struct stat st;
    int         from_fd = -1;
    if (snprintf(path, sizeof path, "%s/%s", job->dir, name) >= (int)sizeof path ||
        snprintf(named, sizeof named, "./%s", name) >= (int)sizeof named)
        return hl_fail(err, HL_E_ARG, "'%s': path too long", job->dir);
    *ret_named = hl_arena_get_text(&job->arena, named, strlen(named));
    if (!*ret_named) return hl_fail(err, HL_E_NOMEM, "export: no memory");
    job->progress.path = from;
    hl_status status = hl_file_open(from, O_RDONLY, 0, &from_fd, &st, err);
    if (status != HL_OK) return status;
    copying c = {.job = job, .path = path, .fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)};
    if (c.fd < 0) status = hl_fail(err, hl_errno_io(errno), "create '%s': %s", path, strerror(errno));
    if (status == HL_OK) status = copy_open(&c, from_fd, from, &st, err);
    if (status == HL_OK && fsync(c.fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", path, strerror(errno));
    if (c.fd >= 0) (void)close(c.fd);
    (void)close(from_fd);
    return status;
}

static hl_status copy_shards(export_job *job, hl_stored_model *moved, hl_err *err) {
    const hl_stored_model *m = job->m;
    const hl_name         *n = &m->entry.name;
    const char           **paths = hl_arena_get(&job->arena, m->n_shards, sizeof *paths);
    hl_status              status = paths ? HL_OK : hl_fail(err, HL_E_NOMEM, "export: no memory");
    for (size_t i = 0; i < m->n_shards && status == HL_OK; i++) {
        char       name[2 * HL_NAME_PART_BYTES + 40];
        const bool is_split = m->n_shards > 1;
        int        len = snprintf(name, sizeof name, "%s-%s", n->model, n->tag);
        if (is_split)
            (void)snprintf(name + len, sizeof name - (size_t)len, "-%05zu-of-%05zu.gguf", i + 1, m->n_shards);
        else
            (void)snprintf(name + len, sizeof name - (size_t)len, ".gguf");
        status = copy_file(job, m->shard_paths[i], name, &paths[i], err);
    }
    moved->shard_paths = paths;
    return status;
}

static hl_status copy_adapters(export_job *job, hl_stored_model *moved, hl_err *err) {
    const hl_stored_model *m = job->m;
    const char           **paths = hl_arena_get(&job->arena, m->n_adapters, sizeof *paths);
    hl_status              status = paths ? HL_OK : hl_fail(err, HL_E_NOMEM, "export: no memory");
    for (size_t i = 0; i < m->n_adapters && status == HL_OK; i++) {
        char name[40] = "adapter.gguf";
        if (m->n_adapters > 1) (void)snprintf(name, sizeof name, "adapter-%zu.gguf", i + 1);
        status = copy_file(job, m->adapter_paths[i], name, &paths[i], err);
    }
    moved->adapter_paths = paths;
    return status;
}

static hl_status write_text(const export_job *job, const char *name, const char *text, hl_err *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", job->dir, name) >= (int)sizeof path)
        return hl_fail(err, HL_E_ARG, "'%s': path too long", job->dir);
    return hl_file_write_atomic(path, text, strlen(text), 0644, err);
}

static hl_status fill(export_job *job, hl_err *err) {
    const hl_stored_model *m = job->m;
    hl_stored_model        moved = *m;
    char                  *modelfile = NULL;
    hl_status              status = copy_shards(job, &moved, err);
    if (status == HL_OK && m->projector_path)
        status = copy_file(job, m->projector_path, "mmproj.gguf", &moved.projector_path, err);
    if (status == HL_OK) status = copy_adapters(job, &moved, err);
    if (status == HL_OK && m->draft_path)
        status = copy_file(job, m->draft_path, "draft.gguf", &moved.draft_path, err);
    if (status == HL_OK) status = hl_modelfile_format(&moved, &modelfile, err);
    if (status == HL_OK) status = write_text(job, "Modelfile", modelfile, err);
    if (status == HL_OK && !m->is_watched) status = write_text(job, "manifest.json", m->manifest_json, err);
    hl_free(modelfile);
    return status;
}

/* What was made, when it did not become whole. */
static void remove_folder(const char *dir) {
    char           path[PATH_MAX];
    struct dirent *e;
    DIR           *d = opendir(dir);
    while (d && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
            (void)unlink(path);
    if (d) (void)closedir(d);
    (void)rmdir(dir);
}

hl_status hl_stored_model_export(const hl_stored_model *m, const char *dir, hl_store_progress_fn *fn,
                                 void *user, hl_err *err) {
    enum { ARENA_BYTES = 16 << 20 };
    char        made[PATH_MAX], above[PATH_MAX];
    struct stat st;
    size_t      len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    if (m->n_shards == 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF weights", m->entry.text);
    if (len == 0 ||
        snprintf(made, sizeof made, "%.*s.%ld.partial", (int)len, dir, (long)getpid()) >= (int)sizeof made)
        return hl_fail(err, HL_E_ARG, "'%.200s': no path of a folder, or too long", dir);
    if (lstat(dir, &st) == 0 && (!S_ISDIR(st.st_mode) || rmdir(dir) != 0)) /* an empty one makes room */
        return hl_fail(err, HL_E_EXISTS, "'%s' is there, and not an empty folder", dir);
    export_job job = {.m = m, .dir = made, .fn = fn, .user = user};
    job.progress = (hl_store_progress){.what = "copying", .path = "", .total_bytes = m->entry.size_bytes};
    hl_arena_init(&job.arena, ARENA_BYTES);
    hl_status status = hl_dir_make(made, 0755, err);
    if (status == HL_OK) {
        status = fill(&job, err);
        if (status == HL_OK && rename(made, dir) != 0)
            status = hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", dir, strerror(errno));
        if (status != HL_OK) remove_folder(made);
    }
    if (status == HL_OK && hl_path_dir(dir, above, sizeof above)) status = hl_dir_sync(above, err);
    hl_arena_done(&job.arena);
    return status;
}
