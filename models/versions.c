/* SPDX-License-Identifier: MIT
 *
 * versions.c - the version before, and names that stay what they are.
 *
 * When a pull gives a name another manifest, the old one is kept in a folder of the same shape beside the
 * manifests, and with it the blobs that it names; most versions share their weights. One step back is a swap
 * of the two. A pinned name is a file in a third such folder; pull leaves it alone. A fourth says where what
 * was pulled came from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "models/store_priv.h"

#define BEFORE ".hyperlama-before"
#define PINNED ".hyperlama-pinned"
#define ORIGIN ".hyperlama-origin"

static void version_path(const hl_store *s, const char *folder, const hl_name *name, char ret[PATH_MAX]) {
    (void)snprintf(ret, PATH_MAX, "%s/%s/%s/%s/%s/%s", s->models_path, folder, name->host, name->space,
                   name->model, name->tag);
}

void hl_store_before_folder(const hl_store *s, char ret[PATH_MAX]) { hl_store_path(s, BEFORE, ret); }

hl_status hl_store_keep_before(hl_store *s, const hl_name *name, hl_err *err) {
    char   from[PATH_MAX], to[PATH_MAX];
    char  *text = NULL;
    size_t n = 0;
    hl_store_manifest_path(s, name, from);
    version_path(s, BEFORE, name, to);
    hl_status status = hl_file_read(from, HL_MANIFEST_MAX_BYTES, &text, &n, err);
    if (status == HL_E_NOT_FOUND) return HL_OK; /* there was none */
    if (status == HL_OK) status = hl_store_put_file(s, to, (hl_view){text, n}, err);
    hl_free(text);
    return status;
}

void hl_store_forget_versions(hl_store *s, const hl_name *name) {
    static const char *const folders[] = {BEFORE, PINNED, ORIGIN};
    char                     path[PATH_MAX], dir[PATH_MAX];
    for (size_t i = 0; i < 3; i++) {
        version_path(s, folders[i], name, path);
        if (unlink(path) != 0) continue;
        for (int level = 0; level < 3 && hl_path_dir(path, dir, sizeof dir) && rmdir(dir) == 0; level++)
            memcpy(path, dir, sizeof path);
    }
}

void hl_store_note_origin(hl_store *s, const hl_name *name, const char *from) {
    char path[PATH_MAX];
    version_path(s, ORIGIN, name, path);
    if (from ? hl_store_put_file(s, path, hl_view_of(from), NULL) == HL_OK : unlink(path) == 0) return;
    if (from)
        hl_event(s->events, HL_LOG_WARN, "models", "origin-not-kept",
                 "path=\"%s\" effect=\"pull --all passes over it\"", path);
}

static bool has_pin(const hl_store *s, const hl_name *name) {
    char path[PATH_MAX];
    version_path(s, PINNED, name, path);
    return access(path, F_OK) == 0;
}

/* ---- for callers ---- */

static hl_status begin(hl_store *s, const char *text, hl_disk_name *ret, int *ret_lock, hl_err *err) {
    hl_name   name;
    hl_status status = hl_name_parse(text, &name, err);
    (void)pthread_mutex_lock(&s->mutex);
    if (status == HL_OK) status = hl_store_find_exact(s, &name, ret, err);
    return status == HL_OK ? hl_store_lock(s, ret_lock, err) : status;
}

static void finish(hl_store *s, int lock_fd) {
    hl_store_unlock(lock_fd);
    (void)pthread_mutex_unlock(&s->mutex);
}

hl_status hl_store_pin(hl_store *s, const char *text, bool is_on, hl_err *err) {
    hl_disk_name on_disk;
    int          lock_fd = -1;
    char         path[PATH_MAX];
    hl_status    status = begin(s, text, &on_disk, &lock_fd, err);
    if (status == HL_OK) {
        version_path(s, PINNED, &on_disk.name, path);
        if (is_on)
            status = hl_store_put_file(s, path, hl_view_of(""), err);
        else if (unlink(path) != 0 && errno != ENOENT)
            status = hl_fail(err, hl_errno_io(errno), "remove '%s': %s", path, strerror(errno));
    }
    finish(s, lock_fd);
    return status;
}

bool hl_store_is_pinned(hl_store *s, const char *text) {
    hl_name      name;
    hl_disk_name on_disk;
    hl_err       ignored;
    if (hl_name_parse(text, &name, NULL) != HL_OK) return false;
    (void)pthread_mutex_lock(&s->mutex);
    const bool is_pinned =
        hl_store_find_exact(s, &name, &on_disk, &ignored) == HL_OK && has_pin(s, &on_disk.name);
    (void)pthread_mutex_unlock(&s->mutex);
    return is_pinned;
}

bool hl_store_origin(hl_store *s, const char *text, char ret[HL_ORIGIN_BYTES]) {
    hl_name      name;
    hl_disk_name on_disk;
    hl_err       ignored;
    char         path[PATH_MAX];
    char        *from = NULL;
    size_t       n = 0;
    if (hl_name_parse(text, &name, NULL) != HL_OK) return false;
    (void)pthread_mutex_lock(&s->mutex);
    const bool is_there = hl_store_find_exact(s, &name, &on_disk, &ignored) == HL_OK;
    (void)pthread_mutex_unlock(&s->mutex);
    if (!is_there) return false;
    version_path(s, ORIGIN, &on_disk.name, path);
    if (hl_file_read(path, HL_ORIGIN_BYTES - 1, &from, &n, NULL) != HL_OK) return false;
    (void)snprintf(ret, HL_ORIGIN_BYTES, "%s", from);
    hl_free(from);
    return n > 0;
}

static hl_status swap(hl_store *s, const hl_name *name, hl_err *err) {
    char   before[PATH_MAX], shown[HL_NAME_TEXT_BYTES];
    char  *old = NULL;
    size_t n = 0;
    version_path(s, BEFORE, name, before);
    hl_name_format(name, shown);
    hl_status status = hl_file_read(before, HL_MANIFEST_MAX_BYTES, &old, &n, NULL);
    if (status != HL_OK)
        return hl_fail(err, HL_E_NOT_FOUND, "'%s': no version before this one is kept", shown);
    status = hl_store_keep_before(s, name, err); /* what it is now is the version before, afterwards */
    if (status == HL_OK) status = hl_store_put_manifest(s, name, (hl_view){old, n}, err);
    hl_free(old);
    return status;
}

hl_status hl_store_go_back(hl_store *s, const char *text, hl_name *ret_name, hl_err *err) {
    hl_disk_name on_disk;
    int          lock_fd = -1;
    hl_status    status = begin(s, text, &on_disk, &lock_fd, err);
    if (status == HL_OK) status = swap(s, &on_disk.name, err);
    finish(s, lock_fd);
    if (status == HL_OK && ret_name) *ret_name = on_disk.name;
    return status;
}
