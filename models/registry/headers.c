/* SPDX-License-Identifier: MIT
 *
 * headers.c - what a pull would bring, and the headers of its GGUF files without the rest.
 */
#define _GNU_SOURCE /* memfd_create() */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/gguf/gguf_header.h"
#include "models/registry/pull.h"

enum {
    FIRST_BYTES = 1 << 20,    /* of a header with a vocabulary in it */
    FIRST_OF_PART = 64 << 10, /* of a further part of a split model */
    MOST_PARTS = 1024,
    MOST_ASKED = 16, /* answers to one question, each of which brings something */
    PATH_BYTES = 32,
};

/* ---- what would come ---- */

/* Room where the folder is, or will be. */
static uint64_t find_room(const hl_store *s) {
    char           path[PATH_MAX];
    struct statvfs fs;
    (void)snprintf(path, sizeof path, "%s", s->models_path);
    while (statvfs(path, &fs) != 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || !slash || strcmp(path, "/") == 0) return UINT64_MAX;
        slash[slash == path] = '\0';
    }
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Bytes on the disk of a download that was broken off. */
static uint64_t find_begun(const hl_pull *p, const hl_download *d) {
    hl_partial  partial;
    struct stat st;
    if (!d->digest[0]) return 0;
    hl_partial_init(&partial, p->s, d->digest);
    return lstat(partial.path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

bool hl_pull_is_here(hl_pull *p, const hl_download *d) {
    char     digest[HL_DIGEST_BYTES + 8];
    uint64_t size = 0;
    (void)snprintf(digest, sizeof digest, "sha256:%s", d->digest);
    return d->digest[0] && hl_store_find_blob(p->s, digest, &size, NULL) == HL_OK && size == d->size_bytes;
}

static uint64_t add_sizes(uint64_t a, uint64_t b) { /* UINT64_MAX stays what it means */
    return a == UINT64_MAX || b == UINT64_MAX || a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool is_weights(const hl_download *d) { return hl_layer_kind_of(d->media_type) == HL_LAYER_SHARD; }

void hl_pull_describe(hl_pull *p, hl_coming *ret) {
    *ret = (hl_coming){.name = p->result.name, .room_bytes = find_room(p->s), .pull = p};
    for (size_t i = 0; i < p->n_files; i++) {
        const hl_download *d = &p->files[i];
        ret->total_bytes = add_sizes(ret->total_bytes, d->size_bytes);
        if (is_weights(d)) ret->weights_bytes = add_sizes(ret->weights_bytes, d->size_bytes);
        if (hl_pull_is_here(p, d)) continue;
        ret->missing_bytes = add_sizes(ret->missing_bytes, d->size_bytes);
        ret->room_bytes = add_sizes(ret->room_bytes, find_begun(p, d));
    }
}

/* ---- a part of a file ---- */

typedef enum fault { NO_FAULT, WRONG_RANGE, OTHER_SIZE, ENCODED } fault;

typedef struct fetching {
    hl_pull           *p;
    const hl_download *d;
    uint64_t           size_bytes; /* of the file; UINT64_MAX: not known yet */
    uint64_t from, skip; /* skip: bytes in front of it that come, too, from a server without ranges */
    uint8_t *to;
    size_t   n, got, before; /* before: got, when it was asked for last */
    bool     is_full;        /* it sends more than we want, or again what came */
    fault    fault;
    uint64_t said_bytes, fetched_bytes;
} fetching;

static bool on_head(void *user, const hl_http_reply *a) {
    fetching      *f = user;
    uint64_t       from = 0, to = 0, size = UINT64_MAX;
    const uint64_t start = f->from + f->before;
    f->is_full = f->got > f->before; /* it was broken off, and would begin again: from where it was, then */
    if (f->is_full) return false;
    f->skip = 0;
    if (a->code != 200 && a->code != 206) return true; /* hl_remote_ask() and fetch() know what it means */
    if (hl_remote_is_encoded(a)) {
        f->fault = ENCODED;
    } else if (a->code == 206) {
        if (!hl_remote_read_range(a, &from, &to, &size) || from != start || to >= f->from + f->n)
            f->fault = WRONG_RANGE;
    } else {
        size = hl_remote_read_length(a);
        f->skip = start;
    }
    if (f->fault == NO_FAULT && size != UINT64_MAX && f->size_bytes != UINT64_MAX && size != f->size_bytes)
        f->fault = OTHER_SIZE;
    f->said_bytes = size;
    if (f->size_bytes == UINT64_MAX) f->size_bytes = size;
    return f->fault == NO_FAULT;
}

static bool on_body(void *user, hl_view bytes) {
    fetching *f = user;
    f->fetched_bytes += bytes.len;
    if (f->skip > 0) {
        const size_t n = bytes.len < f->skip ? bytes.len : (size_t)f->skip;
        f->skip -= n;
        bytes = (hl_view){bytes.ptr + n, bytes.len - n};
    }
    const size_t n = bytes.len < f->n - f->got ? bytes.len : f->n - f->got;
    if (n > 0) memcpy(f->to + f->got, bytes.ptr, n);
    f->got += n;
    f->is_full = bytes.len > n;
    return !f->is_full;
}

static hl_status fail_fault(const fetching *f, hl_err *err) {
    switch (f->fault) {
    case ENCODED: return hl_fail(err, HL_E_FORMAT, "it comes compressed, though nobody asked");
    case OTHER_SIZE:
        return hl_fail(err, HL_E_FORMAT, "the server has %" PRIu64 " bytes, expected %" PRIu64, f->said_bytes,
                       f->size_bytes);
    default: return hl_fail(err, HL_E_FORMAT, "the server sends another range than was asked for");
    }
}

static hl_status ask_rest(fetching *f, hl_err *err) {
    char              range[80];
    const char *const headers[] = {range, NULL};
    hl_transfer      *t = NULL;
    hl_err            why = {0};
    const hl_net_call call = {.method = "GET",
                              .url = f->d->url,
                              .headers = headers,
                              .on_head = on_head,
                              .on_body = on_body,
                              .user = f};
    f->before = f->got;
    (void)snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, f->from + f->got,
                   f->from + f->n - 1);
    hl_status            status = hl_remote_ask(&f->p->remote, &call, &t, &why);
    const hl_http_reply *a = t ? hl_transfer_reply(t) : NULL;
    if (f->fault != NO_FAULT)
        status = fail_fault(f, &why);
    else if (status == HL_E_CANCEL && f->is_full)
        status = HL_OK; /* we hung up */
    else if (status == HL_OK && a->code != 200 && a->code != 206)
        status = hl_remote_fail(a, "a part of it", &why);
    else if (status == HL_E_NET && f->got > f->before)
        status = HL_OK; /* it was broken off: from there on, then */
    else if (status == HL_OK && f->got == f->before)
        status = hl_fail(&why, HL_E_NET, "the server sent nothing of what was asked for");
    hl_transfer_free(t);
    return status == HL_OK ? HL_OK : hl_fail(err, status, "%s", why.text);
}

/* An hl_gguf_fetch_fn. */
static hl_status fetch(void *user, uint64_t from, uint8_t *to, size_t n, hl_err *err) {
    fetching *f = user;
    hl_status status = HL_OK;
    f->from = from;
    f->to = to;
    f->n = n;
    f->got = 0;
    for (int i = 0; status == HL_OK && f->got < n; i++)
        status = i < MOST_ASKED ? ask_rest(f, err)
                                : hl_fail(err, HL_E_NET, "%zu of %zu bytes came in %d answers", f->got, n, i);
    return status;
}

/* ---- headers ---- */

typedef struct headers {
    hl_headers   pub; /* first: the headers are the box */
    const char **paths;
    char (*texts)[PATH_BYTES];
    int   *fds;
    size_t cap;
} headers;

void hl_headers_free(hl_headers *h) {
    headers *box = (headers *)h;
    if (!box) return;
    for (size_t i = 0; i < box->pub.n; i++) (void)close(box->fds[i]);
    hl_free(box->paths);
    hl_free(box->texts);
    hl_free(box->fds);
    hl_free(box);
}

static headers *headers_new(size_t cap) {
    headers *h = hl_new(1, sizeof *h);
    if (!h) return NULL;
    h->paths = hl_new(cap, sizeof *h->paths);
    h->texts = hl_new(cap, sizeof *h->texts);
    h->fds = hl_new(cap, sizeof *h->fds);
    h->pub.paths = h->paths;
    h->cap = cap;
    if (h->paths && h->texts && h->fds) return h;
    hl_headers_free(&h->pub);
    return NULL;
}

/* As long as the real file, whatever its size: what was not written is no memory. */
static hl_status write_file(int fd, const uint8_t *header, size_t n, uint64_t size_bytes, hl_err *err) {
    struct rlimit most;
    hl_status     status = HL_OK;
    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && size_bytes > most.rlim_cur) /* else it is a signal */
        return hl_fail(err, HL_E_LIMIT,
                       "a file of %" PRIu64 " bytes is over this process's limit (ulimit -f)", size_bytes);
    status = hl_file_write_fd(fd, "a header in memory", header, n, err);
    if (status == HL_OK && (size_bytes > INT64_MAX || ftruncate(fd, (off_t)size_bytes) != 0))
        status = hl_fail(err, HL_E_LIMIT, "a file of %" PRIu64 " bytes: %s", size_bytes,
                         size_bytes > INT64_MAX ? "too large" : strerror(errno));
    return status;
}

static hl_status add_header(headers *h, hl_pull *p, const hl_download *d, hl_err *err) {
    uint8_t     *bytes = NULL, first = 0;
    size_t       n = 0;
    fetching     f = {.p = p, .d = d, .size_bytes = d->size_bytes};
    const size_t i = h->pub.n;
    hl_status    status = HL_OK;
    if (f.size_bytes == UINT64_MAX)
        status = fetch(&f, 0, &first, 1, err); /* the answer says how long it is */
    if (status == HL_OK && f.size_bytes == UINT64_MAX)
        status = hl_fail(err, HL_E_NET, "the server does not say how long the file is");
    if (status == HL_OK)
        status = hl_gguf_fetch_header(fetch, &f, f.size_bytes, i == 0 ? FIRST_BYTES : FIRST_OF_PART, &bytes,
                                      &n, err);
    if (status != HL_OK) return status;
    h->fds[i] = memfd_create("gguf header", MFD_CLOEXEC);
    if (h->fds[i] < 0) {
        status = hl_fail(err, hl_errno_io(errno), "a file in memory: %s", strerror(errno));
    } else {
        h->pub.n++;
        (void)snprintf(h->texts[i], PATH_BYTES, "/proc/self/fd/%d", h->fds[i]);
        h->paths[i] = h->texts[i];
        status = write_file(h->fds[i], bytes, n, f.size_bytes, err);
    }
    hl_free(bytes);
    h->pub.n_bytes = add_sizes(h->pub.n_bytes, f.size_bytes);
    h->pub.fetched_bytes += f.fetched_bytes;
    return status;
}

hl_status hl_coming_fetch_headers(const hl_coming *c, hl_headers **ret, hl_err *err) {
    hl_pull  *p = c->pull;
    size_t    n = 0;
    hl_status status = HL_OK;
    for (size_t i = 0; i < p->n_files; i++) n += is_weights(&p->files[i]);
    if (n == 0 || n > MOST_PARTS)
        return hl_fail(err, HL_E_UNSUPPORTED, "a model of %zu GGUF files, expected 1 to %d", n, MOST_PARTS);
    headers *h = headers_new(n);
    if (!h) return hl_fail(err, HL_E_NOMEM, "headers: no memory");
    for (size_t i = 0; i < p->n_files && status == HL_OK; i++)
        if (is_weights(&p->files[i])) status = add_header(h, p, &p->files[i], err);
    if (status == HL_OK)
        *ret = &h->pub;
    else
        hl_headers_free(&h->pub);
    return status;
}
