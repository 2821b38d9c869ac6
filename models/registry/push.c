/* SPDX-License-Identifier: MIT
 *
 * push.c - a stored model goes to a registry: blobs that it lacks, then the manifest, byte for byte as
 * stored.
 *
 * Blobs go in chunks, one for a short one; when one is broken off, the registry is asked how far it came. A
 * registry of Ollama's kind sends chunks on to its storage: then each goes there, the next one to where
 * "Docker-Upload-Location" says, and the end names the md5 of all of their md5s.
 * from: OCI distribution specification 1.1 ("Pushing Blobs", "Pushing Manifests", "Mounting"); Ollama 0.33,
 * server/upload.go (X-Redirect-Uploads, etag)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/data/json.h"
#include "core/data/md5.h"
#include "core/net/url.h"
#include "models/registry/remote.h"
#include "models/store_priv.h"

enum {
    CHUNK_BYTES = 64 << 20,
    SHORT_BYTES = 1 << 20,
    TRIES = 5,
    STORAGE_TRIES = 3,
    ARENA_BYTES = 64 << 20,
    PAUSE_MS = 300
};

typedef struct pushing {
    hl_store              *s;
    const hl_push_options *options;
    hl_ref                 ref;
    hl_remote              remote;
    hl_arena               arena;
    hl_name                stored;
    hl_view                text; /* of the manifest */
    hl_manifest            manifest;
    hl_disk_names          names; /* of the store, for blobs that other repositories of the registry have */
} pushing;

typedef struct sending {
    pushing             *p;
    const hl_blob_layer *layer;
    int                  fd;
    uint64_t             at, end; /* of this chunk */
    bool                 was_stopped, cannot_read;
    hl_md5              *part, *parts; /* of the chunk that goes to storage; of the sums of all that did */
    unsigned             n_parts;      /* that went there */
    bool                 is_part;      /* what is read now is one */
} sending;

static hl_status say(pushing *p, const hl_transfer_progress *progress, hl_err *err) {
    if (!p->options->progress || p->options->progress(p->options->user, progress)) return HL_OK;
    return hl_fail(err, HL_E_CANCEL, "push stopped");
}

static hl_status say_status(pushing *p, const char *status, hl_err *err) {
    const hl_transfer_progress progress = {.status = status, .digest = ""};
    return say(p, &progress, err);
}

static hl_status say_layer(pushing *p, const hl_blob_layer *layer, uint64_t done, hl_err *err) {
    char                       status[64], digest[HL_DIGEST_BYTES + 8];
    const hl_transfer_progress progress = {
        .status = status, .digest = digest, .done_bytes = done, .total_bytes = layer->size_bytes};
    (void)snprintf(status, sizeof status, "pushing %.12s", layer->digest);
    (void)snprintf(digest, sizeof digest, "sha256:%s", layer->digest);
    return say(p, &progress, err);
}

/* ---- requests ---- */

static char *make_url(const pushing *p, const char *fmt, const char *what) {
    hl_str url;
    hl_str_init(&url, HL_URL_MOST_BYTES);
    hl_str_add_format(&url, "%s/v2/%s/", p->remote.base, p->remote.repository);
    hl_str_add_text(&url, fmt);
    hl_str_add_text(&url, what);
    return hl_str_take(&url);
}

static hl_status ask(pushing *p, const char *method, const char *url, hl_transfer **ret, hl_err *err) {
    static const char *const headers[] = {"Content-Type:", NULL};
    const bool               has_body = strcmp(method, "POST") == 0;
    const hl_net_call        call = {
               .method = method, .url = url, .headers = headers, .body = {has_body ? "" : NULL, 0}};
    if (!url) return hl_fail(err, HL_E_NOMEM, "push: no memory");
    return hl_remote_ask(&p->remote, &call, ret, err);
}

/* Where an upload goes on. fails HL_E_NET */
static hl_status take_location(const hl_http_reply *a, const char *header, char **url, hl_err *err) {
    hl_str        text;
    char         *to = NULL;
    const hl_view location = hl_http_reply_header(a, header, 0);
    if (location.len == 0)
        return hl_fail(err, HL_E_NET, "the registry does not say where the upload goes on");
    hl_str_init(&text, HL_URL_MOST_BYTES);
    hl_str_add_view(&text, location);
    hl_status status = hl_str_check(&text, header, err);
    if (status == HL_OK) status = hl_url_resolve(a->url, hl_str_text(&text), &to, err);
    hl_str_done(&text);
    if (status != HL_OK) return status;
    hl_free(*url);
    *url = to;
    return HL_OK;
}

/* Is this address the registry itself? Storage elsewhere is shown nothing; and plain http is refused where
 * the registry has https. */
static hl_status look_at_target(const pushing *p, const char *url, bool *ret_is_registry, hl_err *err) {
    hl_url    base = {0}, target = {0};
    hl_status status = hl_url_parse(p->remote.base, &base, err);
    if (status == HL_OK) status = hl_url_parse(url, &target, err);
    if (status == HL_OK && base.is_https && !target.is_https)
        status = hl_fail(err, HL_E_NET, "the registry sends the upload to an address without https: refused");
    if (status == HL_OK) *ret_is_registry = strcmp(base.origin, target.origin) == 0;
    hl_url_done(&base);
    hl_url_done(&target);
    return status;
}

/* ---- a blob ---- */

static size_t give(void *user, char *buf, size_t n) {
    sending *s = user;
    if (s->at >= s->end) return 0;
    if (n > s->end - s->at) n = (size_t)(s->end - s->at);
    const ssize_t got = pread(s->fd, buf, n, (off_t)s->at);
    s->cannot_read = got <= 0;
    s->was_stopped = hl_stop_asked() || say_layer(s->p, s->layer, s->at, NULL) != HL_OK;
    if (s->cannot_read || s->was_stopped) return SIZE_MAX;
    if (s->is_part) hl_md5_add(s->part, buf, (size_t)got);
    s->at += (uint64_t)got;
    return (size_t)got;
}

/* Send [from, to) with PATCH; or with PUT to storage, or nothing at the end. */
static hl_status send_piece(sending *s, const char *method, const char *url, uint64_t from, uint64_t to,
                            hl_transfer **ret, hl_err *err) {
    char        range[80];
    const char *headers[] = {"Content-Type: application/octet-stream", NULL, NULL, NULL};
    bool        is_registry = false;
    hl_remote  *r = &s->p->remote;
    hl_err      why = {0};
    hl_status   status = look_at_target(s->p, url, &is_registry, err);
    if (status != HL_OK) return status;
    (void)snprintf(range, sizeof range, "Content-Range: %" PRIu64 "-%" PRIu64, from,
                   to > from ? to - 1 : from);
    if (strcmp(method, "PATCH") == 0) {
        headers[1] = range;
        headers[2] = "X-Redirect-Uploads: 1"; /* we know what to do with a 307 */
    }
    s->at = from;
    s->end = to;
    hl_net_call call = {.method = method,
                        .url = url,
                        .headers = headers,
                        .authorization = is_registry ? r->authorization : NULL,
                        .read = to > from ? give : NULL,
                        .body = {to > from ? NULL : "", 0},
                        .n_read_bytes = to - from,
                        .user = s,
                        .trusts_anybody = r->trusts_anybody,
                        .stays = true,
                        .may_be_refused = strcmp(method, "PATCH") == 0 && to - from > SHORT_BYTES};
    status = hl_net_ask(r->net, &call, ret, &why);
    if (s->cannot_read)
        return hl_fail(err, hl_errno_io(errno), "blob %.12s cannot be read: %s", s->layer->digest,
                       strerror(errno));
    return status == HL_OK ? HL_OK : hl_fail(err, status, "%s", why.text);
}

static char *with_digest(sending *s, const char *location) {
    hl_str  url;
    uint8_t sum[HL_MD5_BYTES];
    char    etag[HL_MD5_HEX_BYTES];
    hl_str_init(&url, HL_URL_MOST_BYTES);
    hl_str_add_format(&url, "%s%cdigest=sha256%%3A%s", location, strchr(location, '?') ? '&' : '?',
                      s->layer->digest);
    if (s->n_parts > 0) {
        hl_md5_finish(s->parts, sum, etag);
        hl_str_add_format(&url, "&etag=%s-%u", etag, s->n_parts);
    }
    return hl_str_take(&url);
}

/* How far an upload has come: "Range: 0-N". fails HL_E_NET nobody knows */
static hl_status ask_how_far(pushing *p, char **location, uint64_t *ret_at, hl_err *err) {
    hl_transfer *t = NULL;
    uint64_t     last = 0;
    hl_status    status = ask(p, "GET", *location, &t, err);
    if (status != HL_OK) return status;
    const hl_http_reply *a = hl_transfer_reply(t);
    hl_view              v = hl_http_reply_header(a, "Range", 0);
    (void)hl_view_take(&v, "bytes="); /* Docker's registry leaves it out */
    if (a->code != 204 || !hl_view_take(&v, "0-") || !hl_view_take_u64(&v, &last))
        status =
            hl_fail(err, HL_E_NET, "the upload was broken off, and the registry does not know it any more");
    else
        *ret_at = last > 0 ? last + 1 : 0;
    if (status == HL_OK && hl_http_reply_header(a, "Location", 0).len > 0)
        status = take_location(a, "Location", location, err);
    hl_transfer_free(t);
    return status;
}

/* A chunk that the registry wants in its storage, which is shown nothing of what authorizes us. */
static hl_status send_to_storage(sending *s, const char *url, uint64_t from, uint64_t to, hl_err *err) {
    uint8_t   sum[HL_MD5_BYTES];
    char      hex[HL_MD5_HEX_BYTES];
    hl_err    why = {0};
    hl_status status = HL_OK;
    for (int i = 0; i < STORAGE_TRIES; i++) {
        hl_transfer *t = NULL;
        if (i > 0) (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
        hl_md5_restart(s->part);
        s->is_part = true;
        status = send_piece(s, "PUT", url, from, to, &t, &why);
        s->is_part = false;
        if (status == HL_OK) {
            const hl_http_reply *a = hl_transfer_reply(t);
            if (a->code < 200 || a->code > 299) status = hl_remote_fail(a, "the registry's storage", &why);
        }
        hl_transfer_free(t);
        if (status != HL_E_NET || s->was_stopped) break;
    }
    if (status != HL_OK) return hl_fail(err, status, "%s", why.text);
    hl_md5_finish(s->part, sum, hex);
    hl_md5_add(s->parts, sum, sizeof sum);
    s->n_parts++;
    return HL_OK;
}

static hl_status follow_to_storage(sending *s, const hl_http_reply *a, char **location, uint64_t from,
                                   uint64_t to, hl_err *err) {
    char     *storage = NULL, *next = NULL;
    hl_status status = take_location(a, "Docker-Upload-Location", &next, err);
    if (status == HL_OK) status = take_location(a, "Location", &storage, err);
    if (status == HL_OK) status = send_to_storage(s, storage, from, to, err);
    if (status == HL_OK) {
        hl_free(*location);
        *location = next;
        next = NULL;
    }
    hl_free(storage);
    hl_free(next);
    return status;
}

/* PATCH one chunk. */
static hl_status send_chunk(sending *s, char **location, uint64_t from, uint64_t to, hl_err *err) {
    hl_transfer *t = NULL;
    hl_status    status = send_piece(s, "PATCH", *location, from, to, &t, err);
    if (status != HL_OK) return status;
    const hl_http_reply *a = hl_transfer_reply(t);
    if (a->code == 401)
        status = hl_remote_renew(&s->p->remote, a, err) == HL_OK
                     ? hl_fail(err, HL_E_NET, "the registry wants a new token")
                     : HL_E_AUTH;
    else if (a->code == 307)
        status = follow_to_storage(s, a, location, from, to, err);
    else if (a->code != 202 && a->code != 201 && a->code != 204)
        status = hl_remote_fail(a, s->p->remote.host, err);
    else
        status = take_location(a, "Location", location, err);
    hl_transfer_free(t);
    return status;
}

static hl_status send_chunks(sending *s, char **location, uint64_t *at, hl_err *err) {
    const uint64_t size = s->layer->size_bytes;
    hl_status      status = HL_OK;
    while (status == HL_OK && *at < size) {
        const uint64_t to = size - *at > CHUNK_BYTES ? *at + CHUNK_BYTES : size;
        status = send_chunk(s, location, *at, to, err);
        if (status == HL_OK) *at = to;
    }
    return status;
}

/* All of it is there: what it is. Without bytes, which some registries do not take here. */
static hl_status send_end(sending *s, const char *location, hl_err *err) {
    const uint64_t size = s->layer->size_bytes;
    hl_transfer   *t = NULL;
    hl_status      status = HL_OK;
    char          *url = with_digest(s, location);
    if (!url) status = hl_fail(err, HL_E_NOMEM, "push: no memory");
    if (status == HL_OK) status = send_piece(s, "PUT", url, size, size, &t, err);
    if (status == HL_OK) {
        const hl_http_reply *a = hl_transfer_reply(t);
        if (a->code != 201 && a->code != 204 && a->code != 200)
            status = hl_remote_fail(a, s->p->remote.host, err);
    }
    hl_transfer_free(t);
    hl_free(url);
    return status;
}

/* Another repository of the registry that has this blob, as far as our store knows: it can be taken from
 * there. */
static bool find_other_repository(pushing *p, const hl_blob_layer *layer, char ret[2 * HL_NAME_PART_BYTES]) {
    bool found = false;
    (void)pthread_mutex_lock(&p->s->mutex);
    for (size_t i = 0; i < p->names.n && !found; i++) {
        const hl_name *name = &p->names.v[i].name;
        hl_arena       arena;
        hl_manifest    m;
        if (strcmp(name->host, p->ref.name.host) != 0 ||
            (strcmp(name->space, p->ref.name.space) == 0 && strcmp(name->model, p->ref.name.model) == 0))
            continue;
        hl_arena_init(&arena, ARENA_BYTES);
        if (hl_store_read_manifest(p->s, name, &arena, NULL, &m, NULL) == HL_OK) {
            found = strcmp(m.config.digest, layer->digest) == 0;
            for (size_t k = 0; k < m.n_layers; k++) found |= strcmp(m.layers[k].digest, layer->digest) == 0;
        }
        hl_arena_done(&arena);
        if (found) (void)snprintf(ret, 2 * HL_NAME_PART_BYTES, "%s/%s", name->space, name->model);
    }
    (void)pthread_mutex_unlock(&p->s->mutex);
    return found;
}

/* *ret_is_there: it was mounted, and nothing is to be sent. */
static hl_status begin_upload(pushing *p, const hl_blob_layer *layer, char **location, bool *ret_is_there,
                              hl_err *err) {
    char         other[2 * HL_NAME_PART_BYTES];
    hl_transfer *t = NULL;
    hl_str       tail;
    hl_str_init(&tail, HL_URL_MOST_BYTES);
    if (find_other_repository(p, layer, other))
        hl_str_add_format(&tail, "?mount=sha256%%3A%s&from=%s", layer->digest, other);
    char     *url = make_url(p, "blobs/uploads/", hl_str_text(&tail));
    hl_status status = ask(p, "POST", url, &t, err);
    if (status == HL_OK) {
        const hl_http_reply *a = hl_transfer_reply(t);
        *ret_is_there = a->code == 201;
        if (a->code == 202)
            status = take_location(a, "Location", location, err);
        else if (a->code != 201)
            status = hl_remote_fail(a, p->remote.host, err);
    }
    hl_transfer_free(t);
    hl_free(url);
    hl_str_done(&tail);
    return status;
}

static hl_status send_blob(sending *s, hl_err *err) {
    char     *location = NULL;
    uint64_t  at = 0;
    bool      is_there = false, knows = false;
    hl_status status = HL_OK;
    hl_err    why = {0};
    for (int i = 0; i < TRIES; i++) {
        if (i > 0) (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
        status = HL_OK;
        if (knows && ask_how_far(s->p, &location, &at, &why) != HL_OK) knows = false;
        if (!knows) {
            at = 0;
            s->n_parts = 0;
            hl_md5_restart(s->parts);
            status = begin_upload(s->p, s->layer, &location, &is_there, &why);
            if (status != HL_OK || is_there) break;
        }
        status = send_chunks(s, &location, &at, &why);
        /* parts in storage, and their sums, are of one upload */
        knows = s->layer->size_bytes > CHUNK_BYTES && s->n_parts == 0;
        if (status == HL_OK) status = send_end(s, location, &why);
        if (status != HL_E_NET || s->was_stopped) break;
        hl_event(s->p->s->events, HL_LOG_DEBUG, "models", "upload-retry", "why=\"%s\"", why.text);
    }
    hl_free(location);
    if (s->was_stopped) return hl_fail(err, HL_E_CANCEL, "push stopped");
    return status == HL_OK ? HL_OK : hl_fail(err, status, "%s", why.text);
}

static hl_status push_blob(pushing *p, const hl_blob_layer *layer, hl_err *err) {
    char         path[PATH_MAX], tail[HL_DIGEST_BYTES + 8];
    hl_transfer *t = NULL;
    struct stat  st;
    sending      s = {.p = p, .layer = layer, .fd = -1};
    (void)snprintf(tail, sizeof tail, "sha256:%s", layer->digest);
    char     *url = make_url(p, "blobs/", tail);
    hl_status status = say_layer(p, layer, 0, err);
    if (status == HL_OK) status = ask(p, "HEAD", url, &t, err);
    hl_free(url);
    if (status != HL_OK) return status;
    const int code = hl_transfer_reply(t)->code;
    if (code != 200 && code != 404) status = hl_remote_fail(hl_transfer_reply(t), p->remote.host, err);
    hl_transfer_free(t);
    if (status == HL_OK && code == 404) {
        hl_store_blob_path(p->s, layer->digest, path);
        status = hl_file_open(path, O_RDONLY, 0, &s.fd, &st, err);
        if (status == HL_OK && (uint64_t)st.st_size != layer->size_bytes)
            status = hl_fail(err, HL_E_CHANGED, "blob %.12s has %lld bytes, the manifest says %" PRIu64,
                             layer->digest, (long long)st.st_size, layer->size_bytes);
        s.part = hl_md5_new();
        s.parts = hl_md5_new();
        if (status == HL_OK && (!s.part || !s.parts)) status = hl_fail(err, HL_E_NOMEM, "push: no memory");
        if (status == HL_OK) status = send_blob(&s, err);
        hl_md5_free(s.part);
        hl_md5_free(s.parts);
        if (s.fd >= 0) (void)close(s.fd);
    }
    return status == HL_OK ? say_layer(p, layer, layer->size_bytes, err) : status;
}

/* ---- all of it ---- */

static hl_status put_manifest(pushing *p, hl_err *err) {
    json_t      *root = NULL;
    hl_transfer *t = NULL;
    char         type[200];
    hl_status    status = hl_json_parse(p->text, "manifest", &root, err);
    if (status != HL_OK) return status;
    const char *said = hl_json_text(root, "mediaType");
    (void)snprintf(type, sizeof type, "Content-Type: %.150s", said ? said : HL_MEDIA_MANIFEST);
    json_decref(root);
    const char       *headers[] = {type, NULL};
    char             *url = make_url(p, "manifests/", p->ref.name.tag);
    const hl_net_call call = {.method = "PUT", .url = url, .headers = headers, .body = p->text};
    status = url ? hl_remote_ask(&p->remote, &call, &t, err) : hl_fail(err, HL_E_NOMEM, "push: no memory");
    if (status == HL_OK) {
        const hl_http_reply *a = hl_transfer_reply(t);
        if (a->code != 201 && a->code != 200 && a->code != 202)
            status = hl_remote_fail(a, p->remote.host, err);
    }
    hl_transfer_free(t);
    hl_free(url);
    return status;
}

static hl_status read_model(pushing *p, const char *name, hl_err *err) {
    hl_disk_name on_disk;
    (void)pthread_mutex_lock(&p->s->mutex);
    hl_status status = hl_store_find_disk(p->s, name, &on_disk, err);
    if (status == HL_OK)
        status = hl_store_read_manifest(p->s, &on_disk.name, &p->arena, &p->text, &p->manifest, err);
    if (status == HL_OK) status = hl_store_walk(p->s, &p->names, err);
    (void)pthread_mutex_unlock(&p->s->mutex);
    return status;
}

static hl_status push_all(pushing *p, const char *name, hl_err *err) {
    char stored[HL_NAME_TEXT_BYTES];
    hl_name_format_full(&p->ref.name, stored);
    hl_status status = say_status(p, "retrieving manifest", err);
    if (status == HL_OK) status = read_model(p, p->options->store_as ? p->options->store_as : stored, err);
    for (size_t i = 0; i < p->manifest.n_layers && status == HL_OK; i++)
        if (hl_layer_kind_of(p->manifest.layers[i].media_type) == HL_LAYER_REMOTE)
            status = hl_fail(
                err, HL_E_UNSUPPORTED,
                "'%.200s' is answered elsewhere: where, and with which keys, is this machine's affair", name);
    for (size_t i = 0; i < p->manifest.n_layers && status == HL_OK; i++)
        status = push_blob(p, &p->manifest.layers[i], err);
    if (status == HL_OK && p->manifest.config.digest[0]) status = push_blob(p, &p->manifest.config, err);
    if (status == HL_OK) status = say_status(p, "pushing manifest", err);
    if (status == HL_OK) status = put_manifest(p, err);
    if (status == HL_OK && say_status(p, "success", NULL) != HL_OK) return HL_OK; /* too late to stop */
    return status;
}

hl_status hl_store_push(hl_store *s, const hl_remote_options *remote, const char *name,
                        const hl_push_options *options, hl_err *err) {
    static const hl_push_options defaults = {0};
    pushing                      p = {.s = s, .options = options ? options : &defaults};
    hl_arena_init(&p.arena, ARENA_BYTES);
    hl_status status = hl_ref_parse(name, &p.ref, err);
    if (status == HL_OK && (p.ref.kind == HL_REF_PATH || p.ref.kind == HL_REF_URL))
        status = hl_fail(err, HL_E_ARG, "push '%.200s': this is a file; expected the name of a stored model",
                         name);
    if (status == HL_OK && p.ref.kind == HL_REF_HUB)
        status = hl_fail(
            err, HL_E_UNSUPPORTED,
            "push '%.200s': Hugging Face takes no models by a registry's protocol: put the files that "
            "`hyperlama cp NAME --to DIR` writes there with its own program (hf upload)",
            name);
    if (status == HL_OK)
        status =
            hl_remote_init_registry(&p.remote, remote, s->events, &p.ref, p.options->insecure, true, err);
    if (status == HL_OK) status = push_all(&p, name, err);
    hl_remote_done(&p.remote);
    hl_free(p.names.v);
    hl_arena_done(&p.arena);
    return status;
}
