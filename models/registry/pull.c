/* SPDX-License-Identifier: MIT
 *
 * pull.c - a model from elsewhere becomes one of the store.
 *
 *   ask       what files make it: a registry's manifest, a hub's list, or the URL itself
 *   download  all of them at the same time; each is hashed on the way, and locked until it has its name
 *   commit    under the folder's lock, in milliseconds: blobs get their names, the manifest last
 */
#define _GNU_SOURCE
#include "models/registry/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/net/url.h"

enum { ARENA_BYTES = 64 << 20 };

/* ---- progress ---- */

static hl_status tell(const hl_pull *p, const hl_transfer_progress *progress, hl_err *err) {
    if (!p->options->progress || p->options->progress(p->options->user, progress)) return HL_OK;
    return hl_fail(err, HL_E_CANCEL, "pull stopped; what came is kept");
}

hl_status hl_pull_say(hl_pull *p, const char *status, hl_err *err) {
    const hl_transfer_progress progress = {.status = status, .digest = ""};
    return tell(p, &progress, err);
}

/* "file.gguf" of a URL, without what stands behind it. */
static void shown_file(const char *url, char *ret, size_t cap) {
    const char *from = url;
    size_t      n = strcspn(url, "?#");
    for (size_t i = 0; i < n; i++)
        if (url[i] == '/') from = url + i + 1;
    n -= (size_t)(from - url);
    (void)snprintf(ret, cap, "%.*s", (int)(n < 80 ? n : 80), from);
}

static bool on_progress(void *user, const hl_download *d) {
    hl_pull             *p = user;
    char                 status[128], file[100], digest[HL_DIGEST_BYTES + 8] = "";
    hl_transfer_progress progress = {.status = status,
                                     .digest = digest,
                                     .done_bytes = d->n_done,
                                     .total_bytes = d->size_bytes == UINT64_MAX ? 0 : d->size_bytes,
                                     .is_waiting = d->is_waiting};
    shown_file(d->url, file, sizeof file);
    if (d->digest[0]) (void)snprintf(digest, sizeof digest, "sha256:%s", d->digest);
    (void)snprintf(status, sizeof status, "pulling %.*s", d->digest[0] ? 12 : 100,
                   d->digest[0] ? d->digest : file);
    return tell(p, &progress, NULL) == HL_OK;
}

/* ---- download ---- */

static const char *authorization(void *user) {
    const hl_pull *p = user;
    return p->remote.authorization;
}

static hl_status renew(void *user, const hl_http_reply *a, hl_err *err) {
    hl_pull *p = user;
    return hl_remote_renew(&p->remote, a, err);
}

static hl_status download(hl_pull *p, hl_err *err) {
    const hl_remote_options *o = p->remote_options;
    const hl_download_plan   plan = {.s = p->s,
                                     .net = p->remote.net,
                                     .files = p->files,
                                     .n_files = p->n_files,
                                     .n_most = o->n_requests,
                                     .deadline_ns =
                                       o->time_limit_ms > 0 ? hl_clock_ns() + o->time_limit_ms * 1000000 : 0,
                                     .trusts_anybody = p->remote.trusts_anybody,
                                     .authorization = authorization,
                                     .renew = renew,
                                     .progress = on_progress,
                                     .user = p};
    int                      fd = -1;
    (void)pthread_mutex_lock(&p->s->mutex);
    hl_status status =
        hl_store_lock(p->s, &fd, err); /* makes the folders, and sees that they can be written */
    hl_store_unlock(fd);
    (void)pthread_mutex_unlock(&p->s->mutex);
    if (status == HL_OK) status = hl_download_all(&plan, err);
    for (size_t i = 0; i < p->n_files; i++) {
        p->result.fetched_bytes += p->files[i].n_fetched;
        p->result.total_bytes += p->files[i].size_bytes == UINT64_MAX ? 0 : p->files[i].size_bytes;
    }
    return status;
}

/* In a dry run: what would be fetched. */
static void count_missing(hl_pull *p) {
    for (size_t i = 0; i < p->n_files; i++) {
        const hl_download *d = &p->files[i];
        if (d->size_bytes == UINT64_MAX) continue;
        p->result.total_bytes += d->size_bytes;
        if (!hl_pull_is_here(p, d)) p->result.fetched_bytes += d->size_bytes;
    }
}

/* ---- commit: a registry's manifest ---- */

static hl_status commit_file(hl_store *s, hl_download *d, hl_err *err) {
    char path[PATH_MAX];
    hl_store_blob_path(s, d->digest, path);
    if (d->is_present) {
        if (access(path, F_OK) == 0) return HL_OK;
        return hl_fail(err, HL_E_BUSY, "blob '%s' was removed by another process meanwhile; run again", path);
    }
    const hl_status status =
        hl_store_commit_partial(s, d->partial.fd, d->partial.path, d->digest, HL_BLOB_WRITTEN, err);
    if (status == HL_OK) hl_partial_settle(&d->partial);
    return status;
}

static hl_status commit_locked(hl_pull *p, hl_err *err) {
    hl_store    *s = p->s;
    hl_disk_name on_disk;
    hl_err       ignored;
    char         blobs[PATH_MAX];
    hl_status    status = HL_OK;
    for (size_t i = 0; i < p->n_files && status == HL_OK; i++) status = commit_file(s, &p->files[i], err);
    hl_store_path(s, "blobs", blobs);
    if (status == HL_OK) status = hl_dir_sync(blobs, err); /* all blobs last before the manifest names them */
    if (status == HL_OK && hl_store_find_exact(s, &p->result.name, &on_disk, &ignored) == HL_OK)
        p->result.name = on_disk.name;
    if (status == HL_OK && p->result.is_new) status = hl_store_keep_before(s, &p->result.name, err);
    if (status == HL_OK)
        status = hl_store_put_manifest(s, &p->result.name, hl_str_view(&p->manifest_text), err);
    for (size_t i = 0; i < p->n_files && status == HL_OK; i++) hl_own_settle(s, p->files[i].digest);
    if (status == HL_OK) hl_store_gc(s, NULL, NULL); /* what the name was before */
    return status;
}

static hl_status commit_manifest(hl_pull *p, hl_err *err) {
    int fd = -1;
    (void)pthread_mutex_lock(&p->s->mutex);
    hl_status status = hl_store_lock(p->s, &fd, err);
    if (status == HL_OK) status = commit_locked(p, err);
    hl_store_unlock(fd);
    (void)pthread_mutex_unlock(&p->s->mutex);
    return status;
}

/* ---- commit: GGUF files by themselves ---- */

static hl_status open_source(hl_pull *p, hl_download *d, hl_import_file *src, hl_err *err) {
    hl_status status = HL_OK;
    *src = (hl_import_file){
        .media_type = d->media_type, .fd = -1, .partial_fd = -1, .is_present = d->is_present};
    memcpy(src->digest, d->digest, sizeof src->digest);
    if (d->is_present) {
        hl_store_blob_path(p->s, d->digest, src->path);
        status = hl_file_open(src->path, O_RDONLY, 0, &src->fd, &src->st, err);
    } else {
        memcpy(src->path, d->partial.path, sizeof src->path);
        memcpy(src->partial, d->partial.path, sizeof src->partial);
        src->fd = src->partial_fd = d->partial.fd;
        if (fstat(src->fd, &src->st) != 0)
            status = hl_fail(err, hl_errno_io(errno), "stat '%s': %s", src->path, strerror(errno));
    }
    return status;
}

static hl_status commit_files(hl_pull *p, hl_err *err) {
    hl_import_file *sources = hl_new(p->n_files, sizeof *sources);
    hl_status       status = HL_OK;
    size_t          n = 0;
    if (!sources) return hl_fail(err, HL_E_NOMEM, "pull: no memory");
    for (; n < p->n_files && status == HL_OK; n++) status = open_source(p, &p->files[n], &sources[n], err);
    if (status == HL_OK) status = hl_store_import_files(p->s, sources, n, &p->result.name, err);
    for (size_t i = 0; i < n; i++) {
        hl_download *d = &p->files[i];
        if (d->is_present) {
            if (sources[i].fd >= 0) (void)close(sources[i].fd);
        } else if (!sources[i].partial[0]) { /* it has its name */
            hl_partial_settle(&d->partial);
        } else if (status == HL_OK) { /* the same bytes were there already */
            hl_partial_drop(&d->partial);
        }
    }
    /* no model: it will be none the next time, either */
    if (status == HL_E_FORMAT || status == HL_E_UNSUPPORTED) hl_downloads_done(p->files, p->n_files, true);
    hl_free(sources);
    return status;
}

/* ---- all of it ---- */

static hl_status ask_url(hl_pull *p, hl_err *err) {
    const hl_remote_options *o = p->remote_options;
    hl_url                   hub = {0}, url = {0};
    const char              *token = NULL;
    if (o->hub_token && *o->hub_token && hl_url_parse(o->hub_url ? o->hub_url : "", &hub, NULL) == HL_OK &&
        hl_url_parse(p->ref.text, &url, NULL) == HL_OK && strcmp(hub.origin, url.origin) == 0)
        token = o->hub_token;
    hl_url_done(&hub);
    hl_url_done(&url);
    hl_status status =
        hl_remote_init_url(&p->remote, o, p->s->events, p->ref.text, token, p->options->insecure, err);
    if (status == HL_OK) status = hl_pull_say(p, "pulling manifest", err);
    if (status != HL_OK) return status;
    p->files = hl_new(1, sizeof *p->files);
    if (!p->files) return hl_fail(err, HL_E_NOMEM, "pull: no memory");
    p->n_files = 1;
    p->files[0] = (hl_download){.url = p->ref.text, .media_type = HL_MEDIA_MODEL, .size_bytes = UINT64_MAX};
    p->files[0].partial.fd = p->files[0].partial.map_fd = -1;
    return HL_OK;
}

static hl_status ask(hl_pull *p, hl_err *err) {
    switch (p->ref.kind) {
    case HL_REF_REGISTRY: return hl_pull_ask_registry(p, err);
    case HL_REF_HUB: return hl_pull_ask_hub(p, err);
    case HL_REF_URL: return ask_url(p, err);
    default:
        return hl_fail(err, HL_E_ARG, "'%.200s' is a file on this machine: import takes it", p->ref.text);
    }
}

/* Does the name mean something else afterwards? */
static void compare_with_stored(hl_pull *p) {
    hl_disk_name on_disk;
    hl_store    *s = p->s;
    hl_arena     arena;
    hl_manifest  m;
    hl_view      text = {0};
    char         hex[HL_SHA256_HEX_BYTES] = "";
    hl_err       ignored;
    p->result.is_new = true;
    hl_arena_init(&arena, ARENA_BYTES);
    (void)pthread_mutex_lock(&s->mutex);
    if (hl_store_find_exact(s, &p->result.name, &on_disk, &ignored) == HL_OK &&
        hl_store_read_manifest(s, &on_disk.name, &arena, &text, &m, &ignored) == HL_OK) {
        if (p->manifest_text.len > 0 && hl_sha256_of(text.ptr, text.len, hex, NULL) == HL_OK)
            p->result.is_new = strcmp(hex, p->result.digest) != 0;
        else if (p->manifest_text.len == 0 && p->n_files > 0 && p->files[0].digest[0]) {
            size_t n = 0; /* made of files alone: is it made of these? */
            for (size_t i = 0; i < p->n_files; i++)
                for (size_t k = 0; k < m.n_layers; k++)
                    n += strcmp(m.layers[k].digest, p->files[i].digest) == 0;
            p->result.is_new = n < p->n_files;
        }
    }
    (void)pthread_mutex_unlock(&s->mutex);
    hl_arena_done(&arena);
}

static hl_status fetch_and_commit(hl_pull *p, hl_err *err) {
    hl_status status = download(p, err);
    if (status == HL_OK) status = hl_pull_say(p, "verifying sha256 digest", err); /* it was, on the way */
    if (status == HL_OK) status = hl_pull_say(p, "writing manifest", err);
    if (status == HL_OK) compare_with_stored(p);
    if (status == HL_OK)
        status = p->ref.kind == HL_REF_REGISTRY ? commit_manifest(p, err) : commit_files(p, err);
    if (status == HL_OK && hl_pull_say(p, "success", NULL) != HL_OK) return HL_OK; /* too late to stop */
    return status;
}

static hl_status pull_once(hl_store *s, const hl_remote_options *remote, const char *name,
                           const hl_pull_options *options, hl_pulled *ret, hl_err *err) {
    hl_pull p = {.s = s, .remote_options = remote, .options = options};
    char    shown[HL_NAME_TEXT_BYTES];
    hl_arena_init(&p.arena, ARENA_BYTES);
    hl_str_init(&p.manifest_text, HL_MANIFEST_MAX_BYTES);
    hl_status status = hl_ref_parse(name, &p.ref, err);
    p.result.name = p.ref.name;
    if (status == HL_OK && options->store_as) status = hl_name_parse(options->store_as, &p.result.name, err);
    hl_name_format(&p.result.name, shown);
    if (status == HL_OK && !options->dry_run && p.ref.kind != HL_REF_PATH && hl_store_is_pinned(s, shown))
        status = hl_fail(err, HL_E_EXISTS,
                         "'%s' is pinned, and stays what it is; pull --unpin lets it change", shown);
    if (status == HL_OK) status = ask(&p, err);
    p.result.n_files = p.n_files;
    if (status == HL_OK && options->look) {
        hl_coming coming;
        hl_pull_describe(&p, &coming);
        status = options->look(options->look_user, &coming, err);
    }
    if (status == HL_OK && options->dry_run) {
        compare_with_stored(&p);
        count_missing(&p);
    } else if (status == HL_OK) {
        status = fetch_and_commit(&p, err);
        if (status == HL_OK && p.ref.kind != HL_REF_PATH) hl_store_note_origin(s, &p.result.name, name);
    }
    hl_downloads_done(p.files, p.n_files, false);
    if (status == HL_OK) *ret = p.result;
    hl_free(p.files);
    hl_remote_done(&p.remote);
    hl_str_done(&p.manifest_text);
    hl_arena_done(&p.arena);
    return status;
}

hl_status hl_store_pull(hl_store *s, const hl_remote_options *remote, const char *name,
                        const hl_pull_options *options, hl_pulled *ret_pulled, hl_err *err) {
    static const hl_pull_options defaults = {0};
    hl_pulled                    result = {0};
    hl_err                       why = {0};
    hl_status                    status = HL_OK;
    /* twice: another process may delete a blob that was there when we began */
    for (int i = 0; i < 2; i++) {
        status = pull_once(s, remote, name, options ? options : &defaults, &result, &why);
        if (status != HL_E_BUSY) break;
    }
    if (status != HL_OK) return hl_fail(err, status, "%s", why.text);
    if (ret_pulled) *ret_pulled = result;
    return HL_OK;
}
