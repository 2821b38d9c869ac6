/* SPDX-License-Identifier: MIT
 *
 * store.c - open the store, its lock, the names on disk, list and find.
 *
 * Names are looked up in the folders themselves: a few dozen readdirs, never stale. The index saves
 * only the reading of manifests and configs for a list.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/data/sha256.h"
#include "models/watched.h"

enum {
    LOCK_TRIES = 600, /* of 50 ms: what is done under the lock takes milliseconds */
    LOCK_WAIT_NS = 50 * 1000 * 1000,
    MAX_NAMES = 65536,
    MAX_SUGGESTIONS = 3,
    LIST_ARENA_BYTES = 256 << 20,
    ROOM_BELOW_BYTES = 800, /* the longest path below the models folder is shorter */
};

#define LOCK_FILE ".hyperlama"
#define ID_HEAD   "hyperlama-store 1 "

/* ---- paths ---- */

void hl_store_path(const hl_store *s, const char *below, char ret[PATH_MAX]) {
    (void)snprintf(ret, PATH_MAX, "%s/%s", s->models_path, below);
}

void hl_store_blob_path(const hl_store *s, const char *digest, char ret[PATH_MAX]) {
    (void)snprintf(ret, PATH_MAX, "%s/blobs/sha256-%s", s->models_path, digest);
}

void hl_store_manifest_path(const hl_store *s, const hl_name *name, char ret[PATH_MAX]) {
    (void)snprintf(ret, PATH_MAX, "%s/manifests/%s/%s/%s/%s", s->models_path, name->host, name->space,
                   name->model, name->tag);
}

/* ---- open, close ---- */

/* Read the folder's id; it stays "" when the file holds none. An id is never made again because of a
 * failure: blobs that are ours would turn into strangers. */
static hl_status read_id(char ret_id[HL_STORE_ID_BYTES], int fd, const char *path, hl_err *err) {
    char         text[sizeof ID_HEAD + HL_STORE_ID_BYTES] = "";
    const size_t head = sizeof ID_HEAD - 1, n_hex = HL_STORE_ID_BYTES - 1;
    ssize_t      got;
    do got = pread(fd, text, sizeof text - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) return hl_fail(err, hl_errno_io(errno), "read '%s': %s", path, strerror(errno));
    ret_id[0] = '\0';
    if (memcmp(text, ID_HEAD, head) == 0 && strspn(text + head, "0123456789abcdef") == n_hex)
        (void)snprintf(ret_id, HL_STORE_ID_BYTES, "%.*s", (int)n_hex, text + head);
    return HL_OK;
}

/* A folder without the file, or one that cannot be read, has no id yet. */
static void look_for_id(hl_store *s) {
    char        path[PATH_MAX];
    struct stat st;
    if (stat(s->models_path, &st) == 0)
        (void)snprintf(s->place, sizeof s->place, "%llx.%llx", (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
    hl_store_path(s, LOCK_FILE, path);
    hl_err    err = {0};
    int       fd = -1;
    hl_status status = hl_file_open(path, O_RDONLY, 0, &fd, NULL, &err);
    if (status == HL_OK) status = read_id(s->id, fd, path, &err);
    if (fd >= 0) (void)close(fd);
    if (status != HL_OK && status != HL_E_NOT_FOUND)
        hl_event(s->events, HL_LOG_WARN, "models", "store-id-unreadable", "reason=\"%s\"", err.text);
}

hl_status hl_store_fingerprint(const char *models_path, char ret[HL_FINGERPRINT_BYTES], hl_err *err) {
    char        path[PATH_MAX], id[HL_STORE_ID_BYTES] = "", text[HL_STORE_ID_BYTES + 64];
    char        hex[HL_SHA256_HEX_BYTES];
    struct stat st;
    if (stat(models_path, &st) != 0)
        return hl_fail(err, hl_errno_status(errno), "models folder '%.200s': %s", models_path,
                       strerror(errno));
    (void)snprintf(path, sizeof path, "%.*s/" LOCK_FILE, PATH_MAX - ROOM_BELOW_BYTES, models_path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read_id(id, fd, path, NULL) != HL_OK) id[0] = '\0';
    if (fd >= 0) (void)close(fd);
    const int       n = snprintf(text, sizeof text, "%s %llx %llx", id, (unsigned long long)st.st_dev,
                                 (unsigned long long)st.st_ino);
    const hl_status status = hl_sha256_of(text, (size_t)n, hex, err);
    if (status == HL_OK) (void)snprintf(ret, HL_FINGERPRINT_BYTES, "%.32s", hex);
    return status;
}

/* It is tried again, the later the longer a try takes. */
static void note_no_db(hl_store *s, hl_status status, const hl_err *why, int64_t start_ns) {
    enum { TIMES = 10 };
    const int64_t now = hl_clock_ns();
    s->db_due_ns = now + TIMES * (now - start_ns);
    s->db_status = status;
    s->db_why = *why;
}

/* With its folder: what kept one from being made may keep the other. */
static hl_status try_db(hl_store *s, const char *db_path, const char *dir, hl_err *err) {
    const hl_status status = hl_dir_make(dir, 0700, err);
    return status == HL_OK ? hl_db_open(db_path, s->events, &s->db, err) : status;
}

static hl_status open_db(hl_store *s, const char *db_path, hl_err *err) {
    char   dir[PATH_MAX];
    hl_err why = {0};
    if (!hl_path_dir(db_path, dir, sizeof dir))
        return hl_fail(err, HL_E_ARG, "database '%s': path too long", db_path);
    const int64_t   start_ns = hl_clock_ns();
    const hl_status status = try_db(s, db_path, dir, &why);
    if (status == HL_OK) return HL_OK;
    if (status == HL_E_NOMEM || status == HL_E_CANCEL) return hl_fail(err, status, "%s", why.text);
    note_no_db(s, status, &why, start_ns);
    /* Newer than this program, held by another, no room, no rights: names, lists and loads work from the
     * files. */
    /* A home that is for reading only is somebody's choice, and costs nothing but the index. */
    hl_event(s->events, access(dir, W_OK) == 0 ? HL_LOG_WARN : HL_LOG_INFO, "models", "database-unusable",
             "reason=\"%s\" action=\"working without it\"", why.text);
    return HL_OK;
}

/* Recursive: a progress callback may ask the store that calls it. */
static void init_mutex(pthread_mutex_t *m) {
    pthread_mutexattr_t a;
    (void)pthread_mutexattr_init(&a);
    (void)pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(m, &a);
    (void)pthread_mutexattr_destroy(&a);
}

static void forget_watched(hl_store *s) {
    if (s->watched) hl_watched_done(s->watched);
    hl_free(s->watched);
    s->watched = NULL;
}

hl_status hl_store_open(const hl_store_options *options, hl_store **ret_store, hl_err *err) {
    size_t len = strlen(options->models_path);
    while (len > 1 && options->models_path[len - 1] == '/') len--;
    if (len == 0 || len + ROOM_BELOW_BYTES > PATH_MAX)
        return hl_fail(err, HL_E_ARG, "models folder '%.200s': path has %zu bytes, expected 1..%d",
                       options->models_path, len, PATH_MAX - ROOM_BELOW_BYTES);
    hl_store *s = hl_new(1, sizeof *s + len + 1);
    if (!s) return hl_fail(err, HL_E_NOMEM, "open store: no memory");
    init_mutex(&s->mutex);
    s->events = options->events;
    memcpy(s->models_path, options->models_path, len);
    if (options->dirs && *options->dirs) s->dirs = hl_strdup(options->dirs);
    if (options->dirs && *options->dirs && !s->dirs) {
        hl_store_close(s);
        return hl_fail(err, HL_E_NOMEM, "open store: no memory");
    }
    look_for_id(s);
    hl_status status = HL_OK;
    if (options->db_path && !(s->db_path = hl_strdup(options->db_path)))
        status = hl_fail(err, HL_E_NOMEM, "open store: no memory");
    if (status == HL_OK && options->db_path) status = open_db(s, options->db_path, err);
    if (status != HL_OK) {
        hl_store_close(s);
        return status;
    }
    hl_store_sweep(s);
    *ret_store = s;
    return HL_OK;
}

void hl_store_close(hl_store *s) {
    if (!s) return;
    hl_db_close(s->db);
    forget_watched(s);
    hl_free(s->dirs);
    hl_free(s->db_path);
    (void)pthread_mutex_destroy(&s->mutex);
    hl_free(s);
}

/* ---- the lock ---- */

/* Without an id (a full disk) the folder is worked on without the index: rm must be able to make room. */
static hl_status write_id(hl_store *s, int fd, const char *path, hl_err *err) {
    unsigned char bytes[(HL_STORE_ID_BYTES - 1) / 2];
    char          text[sizeof ID_HEAD + HL_STORE_ID_BYTES];
    char          id[HL_STORE_ID_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return hl_fail(err, hl_errno_io(errno), "no random bytes: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++) (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    const int n = snprintf(text, sizeof text, ID_HEAD "%s\n", id);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n || fsync(fd) != 0) {
        hl_event(s->events, HL_LOG_WARN, "models", "store-id-unwritten", "path=\"%s\" reason=\"%s\"", path,
                 strerror(errno));
        return HL_OK;
    }
    memcpy(s->id, id, sizeof id);
    return HL_OK;
}

static hl_status wait_for_lock(int fd, const char *path, hl_err *err) {
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return HL_OK;
        if (errno == ENOLCK || errno == ENOTSUP) return HL_OK; /* a file system without locks: alone, then */
        if (errno != EWOULDBLOCK && errno != EINTR)
            return hl_fail(err, hl_errno_io(errno), "lock '%s': %s", path, strerror(errno));
        const hl_status status = hl_stop_check("wait for another process's lock", err);
        if (status != HL_OK) return status;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
    }
    return hl_fail(err, HL_E_BUSY, "models folder is locked by another process for longer than %d s: '%s'",
                   LOCK_TRIES / 20, path);
}

hl_status hl_store_lock(hl_store *s, int *ret_fd, hl_err *err) {
    char path[PATH_MAX];
    hl_store_path(s, "blobs", path);
    hl_status status = hl_dir_make(path, 0755, err);
    if (status == HL_OK) {
        hl_store_path(s, "manifests", path);
        status = hl_dir_make(path, 0755, err);
    }
    if (status != HL_OK) return status;
    hl_store_path(s, LOCK_FILE, path);
    int fd = -1;
    status = hl_file_open(path, O_RDWR | O_CREAT, 0644, &fd, NULL, err);
    if (status != HL_OK) return status;
    status = wait_for_lock(fd, path, err);
    if (status == HL_OK) status = read_id(s->id, fd, path, err); /* it may have been made since */
    if (status == HL_OK && !s->id[0]) status = write_id(s, fd, path, err);
    if (status != HL_OK) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return HL_OK;
}

void hl_store_unlock(int fd) {
    if (fd >= 0) (void)close(fd);
}

/* ---- names on disk ---- */

static hl_status add_name(hl_disk_names *names, const hl_name *name, const struct stat *st, hl_err *err) {
    if (names->n == names->cap) {
        if (names->cap >= MAX_NAMES)
            return hl_fail(err, HL_E_LIMIT, "store has more than %d models", MAX_NAMES);
        const size_t  cap = names->cap ? 2 * names->cap : 32;
        hl_disk_name *grown = hl_resize(names->v, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "no memory for the names of %zu models", cap);
        names->v = grown;
        names->cap = cap;
    }
    names->v[names->n++] = (hl_disk_name){*name, hl_mtime_ns(st), (uint64_t)st->st_size, 0};
    return HL_OK;
}

/* Walk the four levels host/namespace/model/tag; what is no valid part of a name is not ours to see. Folders
 * are opened from the one above: the way from the root costs more than the step. `path` is for messages.
 *
 * in     above  of the folder `name`, or AT_FDCWD */
static hl_status walk_level(int above, const char *folder, const char *path, int level, hl_name *name,
                            hl_disk_names *names, hl_err *err) {
    char *const parts[] = {name->host, name->space, name->model, name->tag};
    hl_status   status = HL_OK;
    const int   fd = openat(above, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR        *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        const int why = errno;
        if (fd >= 0) (void)close(fd);
        if (why == ENOENT || why == ENOTDIR) return HL_OK;
        char at[PATH_MAX];
        int  n = snprintf(at, sizeof at, "%s", path);
        for (int i = 0; i < level && n < PATH_MAX; i++)
            n += snprintf(at + n, sizeof at - (size_t)n, "/%s", parts[i]);
        return hl_fail(err, hl_errno_status(why), "read folder '%s': %s", at, strerror(why));
    }
    const struct dirent *e;
    while (status == HL_OK && (e = readdir(dir))) {
        const hl_view part = hl_view_of(e->d_name);
        struct stat   st;
        if (!hl_name_part_is_valid((hl_name_kind)level, part)) continue;
        memcpy(parts[level], part.ptr, part.len + 1);
        if (level < HL_NAME_TAG)
            status = walk_level(fd, part.ptr, path, level + 1, name, names, err);
        else if (fstatat(fd, part.ptr, &st, 0) == 0 && S_ISREG(st.st_mode))
            status = add_name(names, name, &st, err);
    }
    (void)closedir(dir);
    return status;
}

hl_status hl_store_walk(hl_store *s, hl_disk_names *ret, hl_err *err) {
    char path[PATH_MAX];
    hl_store_path(s, "manifests", path);
    return hl_store_walk_folder(path, ret, err);
}

hl_status hl_store_walk_folder(const char *folder, hl_disk_names *ret, hl_err *err) {
    hl_name         name = {.has_tag = true};
    hl_disk_names   names = {0};
    const hl_status status = walk_level(AT_FDCWD, folder, folder, HL_NAME_HOST, &name, &names, err);
    if (status != HL_OK) {
        hl_free(names.v);
        return status;
    }
    *ret = names;
    return HL_OK;
}

/* The spelling on disk of a name that is there; else NULL. */
static const hl_disk_name *find_eq(const hl_disk_names *names, size_t n, const hl_name *name) {
    for (size_t i = 0; i < n; i++)
        if (hl_name_eq(&names->v[i].name, name)) return &names->v[i];
    return NULL;
}

/* A model of the store goes before a file of its name. */
static hl_status add_watched(hl_store *s, hl_disk_names *names, hl_err *err) {
    const size_t n_stored = names->n;
    forget_watched(s);
    s->watched = hl_new(1, sizeof *s->watched);
    if (!s->watched) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory");
    hl_status status = hl_watched_scan(s->dirs, s->events, s->watched, err);
    for (size_t i = 0; i < s->watched->n && status == HL_OK; i++) {
        const hl_watched *w = &s->watched->v[i];
        if (find_eq(names, n_stored, &w->name)) continue;
        status = add_name(names, &w->name, &w->st, err);
        if (status == HL_OK) names->v[names->n - 1].watched = i + 1;
    }
    return status;
}

/* All names, and behind them those of files in watched folders that no model of the store has. */
static hl_status walk_all(hl_store *s, hl_disk_names *ret, hl_err *err) {
    hl_disk_names names = {0};
    hl_status     status = hl_store_walk(s, &names, err);
    if (status == HL_OK && s->dirs) status = add_watched(s, &names, err);
    if (status == HL_OK)
        *ret = names;
    else
        hl_free(names.v);
    return status;
}

/* Say that a name is unknown, with those that are near. */
static hl_status fail_unknown(const hl_disk_names *names, const hl_name *name, hl_err *err) {
    char   wanted[HL_NAME_TEXT_BYTES], text[HL_NAME_TEXT_BYTES], list[3 * 100] = "";
    size_t used = 0;
    hl_name_format(name, wanted);
    if (!name->has_tag) *strrchr(wanted, ':') = '\0';
    const size_t limit = strlen(wanted) / 3 + 1;
    int          n = 0;
    for (size_t want = 0; want <= limit && n < MAX_SUGGESTIONS; want++)
        for (size_t i = 0; i < names->n && n < MAX_SUGGESTIONS; i++) {
            const bool same_model = hl_name_eq_but_tag(&names->v[i].name, name);
            hl_name_format(&names->v[i].name, text);
            size_t distance = hl_name_distance(wanted, text);
            if (!name->has_tag) { /* the tag was not said: compare what was */
                const size_t by_model = hl_name_distance(name->model, names->v[i].name.model);
                if (by_model < distance) distance = by_model;
            }
            if (same_model && distance > 1) distance = 1;
            if (distance != want || strlen(text) > 90) continue;
            used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", n ? ", " : "", text);
            n++;
        }
    if (n > 0) return hl_fail(err, HL_E_NOT_FOUND, "model '%s' not found; did you mean %s?", wanted, list);
    if (names->n == 0)
        return hl_fail(err, HL_E_NOT_FOUND, "model '%s' not found; the store is empty", wanted);
    return hl_fail(err, HL_E_NOT_FOUND, "model '%s' not found", wanted);
}

static hl_status fail_ambiguous(const hl_disk_names *names, const hl_name *name, hl_err *err) {
    char   list[HL_ERR_TEXT_BYTES / 2], text[HL_NAME_TEXT_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < names->n; i++) {
        if (!hl_name_eq_but_tag(&names->v[i].name, name)) continue;
        hl_name_format(&names->v[i].name, text);
        const int n = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", text);
        if (n < 0 || (size_t)n + 5 >= sizeof list - used) {
            (void)snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        used += (size_t)n;
    }
    return hl_fail(err, HL_E_ARG, "model '%s' has several tags, none of them 'latest'; say which: %s",
                   name->model, list);
}

/* Most lookups are spelled as on disk: one stat instead of a walk. */
static bool stat_name(hl_store *s, const hl_name *name, hl_disk_name *ret) {
    char        path[PATH_MAX];
    struct stat st;
    hl_store_manifest_path(s, name, path);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    *ret = (hl_disk_name){*name, hl_mtime_ns(&st), (uint64_t)st.st_size, 0};
    ret->name.has_tag = true;
    return true;
}

hl_status hl_store_find_exact(hl_store *s, const hl_name *name, hl_disk_name *ret, hl_err *err) {
    hl_disk_names names = {0};
    if (stat_name(s, name, ret)) return HL_OK;
    hl_status status = hl_store_walk(s, &names, err);
    if (status != HL_OK) return status;
    const hl_disk_name *found = find_eq(&names, names.n, name);
    if (found)
        *ret = *found;
    else
        status = fail_unknown(&names, name, err);
    hl_free(names.v);
    return status;
}

hl_status hl_store_find_disk(hl_store *s, const char *text, hl_disk_name *ret, hl_err *err) {
    hl_name       name;
    hl_disk_names names = {0};
    hl_status     status = hl_name_parse(text, &name, err);
    if (status != HL_OK) return status;
    if (stat_name(s, &name, ret)) return HL_OK;
    status = walk_all(s, &names, err);
    if (status != HL_OK) return status;

    const hl_disk_name *found = find_eq(&names, names.n, &name);
    size_t              n_tags = 0;
    if (!found && !name.has_tag)
        for (size_t i = 0; i < names.n; i++)
            if (hl_name_eq_but_tag(&names.v[i].name, &name)) {
                found = &names.v[i];
                n_tags++;
            }
    if (n_tags > 1)
        status = fail_ambiguous(&names, &name, err);
    else if (found)
        *ret = *found;
    else
        status = fail_unknown(&names, &name, err);
    hl_free(names.v);
    return status;
}

hl_status hl_store_find(hl_store *s, const char *text, hl_name *ret_name, hl_err *err) {
    hl_disk_name on_disk;
    (void)pthread_mutex_lock(&s->mutex);
    const hl_status status = hl_store_find_disk(s, text, &on_disk, err);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status == HL_OK) *ret_name = on_disk.name;
    return status;
}

/* ---- list ---- */

typedef struct list_box {
    hl_store_list list; /* first: the list is the box */
    hl_arena      arena;
} list_box;

static int newest_first(const void *a, const void *b) {
    const hl_store_entry *x = a, *y = b;
    if (x->modified_ms != y->modified_ms) return x->modified_ms < y->modified_ms ? 1 : -1;
    return strcmp(x->text, y->text);
}

static hl_status fill_list(hl_store *s, const hl_disk_names *names, const char *prefix, list_box *box,
                           hl_err *err) {
    hl_store_entry *entries = hl_arena_get(&box->arena, names->n, sizeof *entries);
    if (!entries) return hl_fail(err, HL_E_NOMEM, "no memory for a list of %zu models", names->n);
    for (size_t i = 0; i < names->n; i++) {
        hl_store_entry *entry = &entries[box->list.n];
        char            text[HL_NAME_TEXT_BYTES];
        hl_err          why = {0};
        hl_name_format(&names->v[i].name, text);
        if (prefix && strncasecmp(text, prefix, strlen(prefix)) != 0) continue;
        const hl_status status = hl_store_read_entry(s, &names->v[i], &box->arena, entry, &why);
        if (status == HL_OK)
            box->list.n++;
        else if (status == HL_E_NOMEM || status == HL_E_CANCEL)
            return hl_fail(err, status, "%s", why.text);
        else if (!names->v[i].watched)
            hl_event(s->events, HL_LOG_WARN, "models", "manifest-unreadable",
                     "model=\"%s\" reason=\"%s\" action=\"left out of the list\"", text, why.text);
    }
    qsort(entries, box->list.n, sizeof *entries, newest_first);
    box->list.entries = entries;
    return HL_OK;
}

hl_status hl_store_list_models(hl_store *s, const char *prefix, hl_store_list **ret_list, hl_err *err) {
    hl_disk_names names = {0};
    list_box     *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "list models: no memory");
    hl_arena_init(&box->arena, LIST_ARENA_BYTES);
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = walk_all(s, &names, err);
    hl_db_begin(s->db);
    if (status == HL_OK) status = fill_list(s, &names, prefix, box, err);
    hl_db_end(s->db);
    (void)pthread_mutex_unlock(&s->mutex);
    hl_free(names.v);
    if (status != HL_OK) {
        hl_store_list_free(&box->list);
        return status;
    }
    *ret_list = &box->list;
    return HL_OK;
}

void hl_store_list_free(hl_store_list *list) {
    if (!list) return;
    list_box *box = (list_box *)list;
    hl_arena_done(&box->arena);
    hl_free(box);
}

/* ---- usage and results ---- */

void hl_store_add_usage(hl_store *s, const hl_name *name) {
    char key[HL_NAME_TEXT_BYTES];
    hl_name_format_key(name, key);
    (void)pthread_mutex_lock(&s->mutex);
    hl_db_add_use(s->db, key, hl_clock_wall_ms());
    (void)pthread_mutex_unlock(&s->mutex);
}

hl_status hl_store_add_results(hl_store *s, const hl_bench_result *results, size_t n, hl_err *err) {
    (void)pthread_mutex_lock(&s->mutex);
    const hl_status status = hl_db_add_results(s->db, results, n, err);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}

hl_status hl_store_list_results(hl_store *s, const char *model, const char *machine, int32_t max_runs,
                                hl_bench_history **ret_history, hl_err *err) {
    (void)pthread_mutex_lock(&s->mutex);
    const hl_status status = hl_db_list_results(s->db, model, machine, max_runs, ret_history, err);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}

/* ---- answers that are kept ---- */

/* These live in the database alone. What kept it from being used may have passed: a full disk has room again,
 * descriptors are free. Under the mutex. */
static hl_status need_db(hl_store *s, hl_err *err) {
    hl_err        why = {0};
    char          dir[PATH_MAX];
    const int64_t start_ns = hl_clock_ns();
    if (s->db || !s->db_path) return HL_OK; /* without a path, the rows say that there is none */
    if (start_ns < s->db_due_ns) return hl_fail(err, s->db_status, "%s", s->db_why.text);
    if (!hl_path_dir(s->db_path, dir, sizeof dir)) return hl_fail(err, HL_E_ARG, "database: path too long");
    const hl_status status = try_db(s, s->db_path, dir, &why);
    if (status == HL_OK) {
        hl_event(s->events, HL_LOG_INFO, "models", "database-usable", "path=\"%s\"", s->db_path);
        return HL_OK;
    }
    note_no_db(s, status, &why, start_ns);
    return hl_fail(err, status, "%s", why.text);
}

hl_status hl_store_keep_response(hl_store *s, const hl_kept_response *r, int64_t max_rows, int64_t max_bytes,
                                 hl_err *err) {
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = need_db(s, err);
    if (status == HL_OK) status = hl_db_put_response(s->db, r, max_rows, max_bytes, err);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}

hl_status hl_store_find_response(hl_store *s, const char *id, const char *owner, hl_kept_response **ret,
                                 hl_err *err) {
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = need_db(s, err);
    if (status == HL_OK) status = hl_db_find_response(s->db, id, owner, ret, err);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}

hl_status hl_store_drop_response(hl_store *s, const char *id, const char *owner, hl_err *err) {
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = need_db(s, err);
    if (status == HL_OK) status = hl_db_drop_response(s->db, id, owner, err);
    (void)pthread_mutex_unlock(&s->mutex);
    return status;
}
