/* SPDX-License-Identifier: MIT
 *
 * check.c - is every model of the store whole? Looks at each file that a manifest names; on request reads
 * them all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "models/store_priv.h"

enum { MANIFEST_ARENA_BYTES = 16 << 20 };

/* Blobs that were read and are what their name says: models share them. */
typedef struct good_blobs {
    char (*v)[HL_DIGEST_BYTES];
    size_t n, cap;
} good_blobs;

typedef struct check {
    hl_store      *s;
    bool           verify;
    hl_blemish_fn *fn;
    void          *user;
    good_blobs     good;
    const char    *model; /* at hand */
} check;

static void tell(const check *c, bool is_bad, const char *fmt, ...) HL_PRINTF(3, 4);

static void tell(const check *c, bool is_bad, const char *fmt, ...) {
    char       text[HL_ERR_TEXT_BYTES];
    hl_blemish b = {.model = c->model, .text = text, .is_bad = is_bad};
    va_list    args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->fn(c->user, &b);
}

static bool is_good(const check *c, const char *digest) {
    for (size_t i = 0; i < c->good.n; i++)
        if (memcmp(c->good.v[i], digest, HL_DIGEST_BYTES) == 0) return true;
    return false;
}

static void remember(check *c, const char *digest) {
    if (c->good.n == c->good.cap) {
        const size_t cap = c->good.cap ? 2 * c->good.cap : 64;
        void        *grown = hl_resize(c->good.v, cap, HL_DIGEST_BYTES);
        if (!grown) return; /* it is read once more, then */
        c->good.v = grown;
        c->good.cap = cap;
    }
    memcpy(c->good.v[c->good.n++], digest, HL_DIGEST_BYTES);
}

/* Read it all. fails only when that cannot be finished: cancelled, no memory */
static hl_status verify_blob(check *c, const hl_blob_layer *l, const char *path, hl_err *err) {
    char      hex[HL_DIGEST_BYTES];
    hl_err    why = {0};
    int       fd = -1;
    hl_status status = hl_file_open(path, O_RDONLY, 0, &fd, NULL, &why);
    if (status == HL_OK) status = hl_store_hash(c->s, fd, path, NULL, NULL, hex, &why);
    if (fd >= 0) (void)close(fd);
    if (status == HL_E_CANCEL || status == HL_E_NOMEM) return hl_fail(err, status, "%s", why.text);
    if (status != HL_OK)
        tell(c, true, "%s", why.text);
    else if (strcmp(hex, l->digest) != 0)
        tell(c, true,
             "blob '%s' holds something else: its sha256 is %.12s...; import or pull the model again", path,
             hex);
    else
        remember(c, l->digest);
    return HL_OK;
}

static hl_status check_blob(check *c, const hl_blob_layer *l, hl_err *err) {
    char        path[PATH_MAX];
    struct stat st;
    hl_blob_row row;
    if (!l->digest[0] || is_good(c, l->digest)) return HL_OK;
    hl_store_blob_path(c->s, l->digest, path);
    if (stat(path, &st) != 0) {
        const int why = errno;
        if (why != ENOENT)
            tell(c, true, "blob '%s': %s", path, strerror(why));
        else
            tell(c, true, "blob '%s' is %s; import or pull the model again", path,
                 lstat(path, &st) == 0 ? "a link to what is not there any more" : "missing");
    } else if (!S_ISREG(st.st_mode))
        tell(c, true, "blob '%s' is no file", path);
    else if ((uint64_t)st.st_size != l->size_bytes)
        tell(c, true,
             "blob '%s' has %lld bytes, its manifest says %" PRIu64 "; import or pull the model again", path,
             (long long)st.st_size, l->size_bytes);
    else if (access(path, R_OK) != 0)
        tell(c, true, "blob '%s': %s", path, strerror(errno));
    else if (c->verify)
        return verify_blob(c, l, path, err);
    else if (hl_store_known(c->s, l->digest, &row) && !hl_blob_row_fits(&row, &st))
        tell(c, false,
             "blob '%s' was touched since it was imported (a linked original may have been edited); --verify "
             "says whether it is the same",
             path);
    return HL_OK;
}

static hl_status check_named(check *c, const hl_disk_name *on_disk, const char *text, hl_err *err) {
    hl_arena         arena;
    hl_manifest      m = {0};
    hl_stored_model *model = NULL;
    hl_err           why = {0};
    hl_arena_init(&arena, MANIFEST_ARENA_BYTES);
    hl_status status = hl_store_read_manifest(c->s, &on_disk->name, &arena, NULL, &m, &why);
    if (status != HL_OK && status != HL_E_NOMEM) {
        tell(c, true, "%s; import or pull the model again, or remove it", why.text);
        hl_arena_done(&arena);
        return HL_OK;
    } else if (status != HL_OK) {
        (void)hl_fail(err, status, "%s", why.text);
    }
    if (status == HL_OK) status = check_blob(c, &m.config, err);
    for (size_t i = 0; i < m.n_layers && status == HL_OK; i++) status = check_blob(c, &m.layers[i], err);
    hl_arena_done(&arena);
    if (status != HL_OK) return status;
    /* do its texts make sense? Sizes and missing ones were told already */
    const hl_status opened = hl_store_open_model(c->s, text, HL_OPEN_FOR_SHOW, &model, &why);
    if (opened == HL_E_NOMEM) status = hl_fail(err, opened, "%s", why.text);
    if (opened == HL_E_FORMAT || opened == HL_E_LIMIT) tell(c, true, "%s", why.text);
    if (opened == HL_OK && model->n_shards == 0 && !model->remote_json)
        tell(c, false, "has no GGUF weights (format '%s')", model->entry.format);
    hl_stored_model_free(model);
    return status;
}

static hl_status check_model(check *c, const hl_disk_name *on_disk, hl_err *err) {
    char text[HL_NAME_TEXT_BYTES];
    hl_name_format(&on_disk->name, text);
    c->model = text;
    const hl_status status = check_named(c, on_disk, text, err);
    c->model = NULL; /* the name goes now */
    return status;
}

static hl_status check_all(check *c, size_t *ret_n, hl_err *err) {
    hl_disk_names names = {0};
    hl_status     status = hl_store_walk(c->s, &names, err);
    for (size_t i = 0; i < names.n && status == HL_OK; i++) status = check_model(c, &names.v[i], err);
    *ret_n = names.n;
    hl_free(names.v);
    return status;
}

hl_status hl_store_check(hl_store *s, const char *name, bool verify, hl_blemish_fn *fn, void *user,
                         size_t *ret_n_models, hl_err *err) {
    check        c = {.s = s, .verify = verify, .fn = fn, .user = user};
    hl_disk_name one;
    size_t       n = 1;
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = name ? hl_store_find_disk(s, name, &one, err) : check_all(&c, &n, err);
    if (status == HL_OK && name && !one.watched) status = check_model(&c, &one, err);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK) *ret_n_models = n;
    hl_free(c.good.v);
    return status;
}
