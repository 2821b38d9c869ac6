/* SPDX-License-Identifier: MIT
 *
 * kv_disk.c - one file a block, or a state: a page of header, then the block as it lies in memory.
 *
 *   DIR/secret            16 random bytes, the key of all names
 *   DIR/FOLDER/NAME.kv    FOLDER: hash of build, weights and shape; NAME: hash of the tokens
 *   DIR/FOLDER/NAME.st    the state behind them
 *   DIR/FOLDER/NAME.PID.N.tmp   being written; one older than an hour was left by a process that died
 */
#define _GNU_SOURCE
#include "engine/kv/kv_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "engine/kv/kv_disk_file.h"
#include "engine/kv/kv_hash.h"

enum { BLOCK = HL_KV_PAGE_TOKENS, MAX_PATH = HL_KV_PATH_BYTES, REST_S = 30 };
/* Blocks go between device and file in pieces of this size, which a cache holds: whole chunks of
 * hl_mac_add(). */
enum { PIECE_BYTES = 256 << 10 };
enum { N_KINDS = 2, STATES_IN_QUOTA = 4 /* at least, or none is saved */ };
static const uint64_t DEFAULT_QUOTA = (uint64_t)4 << 30;

typedef struct job {
    hl_kv_kind    kind;
    hl_kv_key     key, parent;
    uint32_t      block;
    hl_prefix_key keys[BLOCK];
} job;

typedef struct done_job {
    hl_kv_kind kind;
    uint32_t   block;
} done_job;

struct hl_kv_disk {
    hl_kv_pool      *pools[N_KINDS];       /* of each kind; NULL: there are no states */
    size_t           block_bytes[N_KINDS]; /* of their blocks */
    const hl_events *events;
    char            *dir, *folder;
    uint64_t         quota_bytes;
    uint64_t         secret[2];
    hl_mac_key       mac_key; /* made of it */
    char             identity[HL_KV_IDENTITY_BYTES];
    uint8_t         *loading, *saving; /* [PIECE_BYTES] of who loads, of the writer */
    pthread_t        writer;
    bool             has_writer;
    pthread_mutex_t  lock; /* guards from here on */
    pthread_cond_t   wake, one_done;
    uint32_t         most_held[N_KINDS]; /* fixed; cap: their sum */
    job             *queue;              /* [cap] ring */
    uint32_t         cap, first, n_queued;
    hl_kv_key        writing; /* zeros: nothing */
    hl_kv_kind       writing_kind;
    done_job        *done; /* [cap] */
    uint32_t         n_done;
    uint32_t         n_held[N_KINDS]; /* queued, being written, or done and not taken */
    bool             quit;
    int64_t          rest_until_ns; /* writing failed: not before then again */
    hl_kv_disk_stats stats;
};

/* ---- names ---- */

hl_kv_key hl_kv_disk_root(const hl_kv_disk *d) { return hl_kv_identity_root(d->secret, d->identity); }

hl_kv_key hl_kv_disk_key(const hl_kv_disk *d, hl_kv_key parent, const hl_prefix_key *keys) {
    struct {
        hl_kv_key     parent;
        hl_prefix_key keys[BLOCK];
    } all = {.parent = parent};
    hl_kv_key k;
    memcpy(all.keys, keys, sizeof all.keys);
    hl_siphash128(d->secret, &all, sizeof all, k.w);
    return k;
}

static void file_path(const hl_kv_disk *d, hl_kv_kind kind, hl_kv_key k, char ret[MAX_PATH]) {
    (void)snprintf(ret, MAX_PATH, "%s/%016" PRIx64 "%016" PRIx64 "%s", d->folder, k.w[0], k.w[1],
                   kind == HL_KV_STATE ? HL_KV_STATE_END : HL_KV_END);
}

bool hl_kv_disk_has(const hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key) {
    char path[MAX_PATH];
    file_path(d, kind, key, path);
    return access(path, R_OK) == 0;
}

static bool is_same(const hl_kv_key *a, const hl_kv_key *b) {
    return a->w[0] == b->w[0] && a->w[1] == b->w[1];
}

bool hl_kv_disk_will_have(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key) {
    (void)pthread_mutex_lock(&d->lock);
    bool waits = d->writing_kind == kind && is_same(&d->writing, &key);
    for (uint32_t i = 0; i < d->n_queued && !waits; i++) {
        const job *j = &d->queue[(d->first + i) % d->cap];
        waits = j->kind == kind && is_same(&j->key, &key);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return waits || hl_kv_disk_has(d, kind, key);
}

/* ---- read ---- */

static void fill_header(const hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key, hl_kv_key parent,
                        const hl_prefix_key *keys, hl_kv_header_page *ret) {
    memset(ret, 0, sizeof *ret);
    memcpy(ret->h.magic, kind == HL_KV_STATE ? HL_KV_STATE_MAGIC : HL_KV_MAGIC, sizeof ret->h.magic);
    ret->h.header_bytes = sizeof *ret;
    ret->h.n_tokens = BLOCK;
    ret->h.payload_bytes = d->block_bytes[kind];
    ret->h.key = key;
    ret->h.parent = parent;
    memcpy(ret->h.identity, d->identity, sizeof d->identity);
    memcpy(ret->h.keys, keys, sizeof ret->h.keys);
}

bool hl_kv_read_exactly(int fd, void *to, size_t n, off_t at) {
    uint8_t *p = to;
    while (n > 0) {
        const ssize_t got = pread(fd, p, n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static size_t piece_bytes(size_t n_bytes, size_t at) {
    return n_bytes - at < PIECE_BYTES ? n_bytes - at : PIECE_BYTES;
}

/* NULL: good. Else what is wrong, and the block holds part of it. */
static const char *read_block(const hl_kv_disk *d, int fd, const hl_kv_header_page *want, hl_kv_kind kind,
                              uint32_t block) {
    const size_t      n_bytes = d->block_bytes[kind];
    hl_kv_header_page got;
    struct stat       st;
    if (fstat(fd, &st) != 0) return "cannot be read";
    if ((uint64_t)st.st_size != sizeof got + n_bytes) return "another size";
    if (!hl_kv_read_exactly(fd, &got, sizeof got, 0)) return "cannot be read";
    if (memcmp(got.h.magic, want->h.magic, sizeof got.h.magic) != 0) return "another format";
    if (!hl_kv_header_is_ours(&got.h, d->secret)) return "damaged header, or written by somebody else";
    uint64_t mac[2];
    memcpy(mac, got.h.payload_mac, sizeof mac);
    memcpy(got.h.payload_mac, want->h.payload_mac, sizeof mac);
    if (memcmp(&got, want, offsetof(hl_kv_header, header_mac)) != 0)
        return "of other tokens, weights or build";
    hl_mac m;
    hl_mac_begin(&d->mac_key, &m);
    for (size_t at = 0, n; at < n_bytes; at += n) {
        n = piece_bytes(n_bytes, at);
        if (!hl_kv_read_exactly(fd, d->loading, n, (off_t)(sizeof got + at))) return "cannot be read";
        hl_mac_add(&m, d->loading, n);
        if (hl_kv_block_write(d->pools[kind], block, at, n, d->loading, NULL) != HL_OK)
            return "the device does not take it";
    }
    uint64_t now[2];
    hl_mac_end(&m, now);
    return ((now[0] ^ mac[0]) | (now[1] ^ mac[1])) == 0 ? NULL : "damaged, or written by somebody else";
}

bool hl_kv_disk_load(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key, hl_kv_key parent,
                     const hl_prefix_key *keys, uint32_t block) {
    char              path[MAX_PATH];
    hl_kv_header_page want;
    file_path(d, kind, key, path);
    hl_err          err = {0};
    int             fd = -1;
    const hl_status status = hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, &err);
    if (status == HL_E_NOT_FOUND) return false;
    fill_header(d, kind, key, parent, keys, &want);
    const char *wrong = status == HL_OK ? read_block(d, fd, &want, kind, block) : err.text;
    if (!wrong) (void)futimens(fd, NULL); /* used now: it leaves last */
    if (fd >= 0) (void)close(fd);
    (void)pthread_mutex_lock(&d->lock);
    if (wrong)
        d->stats.n_refused++;
    else if (kind == HL_KV_STATE)
        d->stats.n_loaded_states++;
    else
        d->stats.n_loaded++;
    (void)pthread_mutex_unlock(&d->lock);
    if (!wrong) return true;
    hl_event(d->events, HL_LOG_WARN, "kv-cache", "file-refused", "path=\"%s\" why=\"%s\" action=deleted",
             path, wrong);
    (void)unlink(path);
    return false;
}

/* ---- write ---- */

/* Everything behind the header, and its code. */
static hl_status write_payload(const hl_kv_disk *d, const job *j, int fd, const char *path,
                               uint64_t ret_mac[2], hl_err *err) {
    const size_t n_bytes = d->block_bytes[j->kind];
    hl_mac       m;
    hl_status    status = HL_OK;
    hl_mac_begin(&d->mac_key, &m);
    if (lseek(fd, sizeof(hl_kv_header_page), SEEK_SET) < 0)
        return hl_fail(err, hl_errno_io(errno), "seek in '%s': %s", path, strerror(errno));
    for (size_t at = 0, n; at < n_bytes && status == HL_OK; at += n) {
        n = piece_bytes(n_bytes, at);
        status = hl_kv_block_read(d->pools[j->kind], j->block, at, n, d->saving, err);
        if (status != HL_OK) break;
        hl_mac_add(&m, d->saving, n);
        status = hl_file_write_fd(fd, path, d->saving, n, err);
    }
    hl_mac_end(&m, ret_mac);
    if (status == HL_OK && lseek(fd, 0, SEEK_SET) < 0)
        return hl_fail(err, hl_errno_io(errno), "seek in '%s': %s", path, strerror(errno));
    return status;
}

static hl_status write_block(const hl_kv_disk *d, const job *j, hl_err *err) {
    static atomic_uint counter;
    char               path[MAX_PATH], tmp[MAX_PATH + 64];
    hl_kv_header_page  p;
    file_path(d, j->kind, j->key, path);
    (void)snprintf(tmp, sizeof tmp, "%.*s.%ld.%u.tmp", (int)strlen(path) - 3, path, (long)getpid(),
                   atomic_fetch_add(&counter, 1));
    fill_header(d, j->kind, j->key, j->parent, j->keys, &p);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT &&
        hl_dir_make(d->folder, 0700, NULL) == HL_OK) /* somebody deleted the folder */
        fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return hl_fail(err, hl_errno_io(errno), "create '%s': %s", tmp, strerror(errno));
    /* No fsync: the codes tell what a power cut left, and a lost block is computed again. */
    uint64_t  mac[2];
    hl_status status = write_payload(d, j, fd, tmp, mac, err);
    if (status == HL_OK) {
        memcpy(p.h.payload_mac, mac, sizeof mac);
        hl_kv_header_sign(&p.h, d->secret);
        status = hl_file_write_fd(fd, tmp, &p, sizeof p, err);
    }
    if (close(fd) != 0 && status == HL_OK)
        status = hl_fail(err, hl_errno_io(errno), "close '%s': %s", tmp, strerror(errno));
    if (status == HL_OK && rename(tmp, path) != 0)
        status = hl_fail(err, hl_errno_io(errno), "rename '%s': %s", tmp, strerror(errno));
    if (status != HL_OK) (void)unlink(tmp); /* best effort: the first error is the one to report */
    return status;
}

static void set_used(hl_kv_disk *d, uint64_t used_bytes) {
    (void)pthread_mutex_lock(&d->lock);
    d->stats.used_bytes = used_bytes;
    (void)pthread_mutex_unlock(&d->lock);
}

static uint64_t get_used(hl_kv_disk *d) {
    (void)pthread_mutex_lock(&d->lock);
    const uint64_t used_bytes = d->stats.used_bytes;
    (void)pthread_mutex_unlock(&d->lock);
    return used_bytes;
}

/* Is there room for so many bytes more, without taking what others need? When the disk is full the cache
 * gives way. */
static bool make_room(hl_kv_disk *d, uint64_t bytes) {
    const uint64_t used = get_used(d), room = hl_kv_disk_room(d->dir, used);
    if (room == UINT64_MAX || used + bytes <= room) return true;
    const uint64_t left = hl_kv_disk_trim(d->dir, d->secret, room > bytes ? room - bytes : 0);
    hl_event(d->events, HL_LOG_INFO, "kv-cache", "gave-way",
             "why=\"the disk is nearly full\" bytes_before=%" PRIu64 " bytes_now=%" PRIu64, used, left);
    set_used(d, left);
    return left + bytes <= hl_kv_disk_room(d->dir, left);
}

static void rest(hl_kv_disk *d) {
    (void)pthread_mutex_lock(&d->lock);
    d->rest_until_ns = hl_clock_ns() + REST_S * 1000000000LL;
    (void)pthread_mutex_unlock(&d->lock);
}

static uint64_t file_bytes(const hl_kv_disk *d, hl_kv_kind kind) {
    return sizeof(hl_kv_header_page) + d->block_bytes[kind];
}

/* Does a chain lead to it? A block whose parent left (for the quota, or by somebody's hand), or a state whose
 * block did, would never be found. */
static bool can_be_found(const hl_kv_disk *d, const job *j) {
    const hl_kv_key root = hl_kv_disk_root(d);
    if (j->kind == HL_KV_STATE) return hl_kv_disk_has(d, HL_KV_BLOCK, j->key);
    return is_same(&root, &j->parent) || hl_kv_disk_has(d, HL_KV_BLOCK, j->parent);
}

/* One job, outside the lock. */
static void run_job(hl_kv_disk *d, const job *j) {
    hl_err         err = {0};
    const uint64_t bytes = file_bytes(d, j->kind);
    const bool     is_there = hl_kv_disk_has(d, j->kind, j->key);
    if (!can_be_found(d, j)) return;
    if (!is_there && !make_room(d, bytes)) {
        rest(d);
        return;
    }
    if (!can_be_found(d, j)) return; /* it gave way */
    const hl_status status = is_there ? HL_OK : write_block(d, j, &err);
    if (status != HL_OK) {
        hl_event(d->events, HL_LOG_WARN, "kv-cache", "not-saved",
                 "why=\"%s\" action=\"not tried again for %d s\"", err.text, REST_S);
        rest(d);
        return;
    }
    (void)pthread_mutex_lock(&d->lock);
    if (j->kind == HL_KV_STATE)
        d->stats.n_saved_states++;
    else
        d->stats.n_saved++;
    if (!is_there) d->stats.used_bytes += bytes;
    const bool full = d->stats.used_bytes > d->quota_bytes;
    (void)pthread_mutex_unlock(&d->lock);
    if (full) set_used(d, hl_kv_disk_trim(d->dir, d->secret, d->quota_bytes));
}

static void *run_writer(void *arg) {
    hl_kv_disk *d = arg;
    (void)setpriority(PRIO_PROCESS, 0, 10); /* of this thread: what computes goes first */
    (void)pthread_mutex_lock(&d->lock);
    for (;;) {
        while (d->n_queued == 0 && !d->quit) (void)pthread_cond_wait(&d->wake, &d->lock);
        if (d->n_queued == 0) break;
        const job j = d->queue[d->first];
        d->first = (d->first + 1) % d->cap;
        d->n_queued--;
        const bool rests = d->rest_until_ns > hl_clock_ns();
        d->writing = j.key;
        d->writing_kind = j.kind;
        (void)pthread_mutex_unlock(&d->lock);
        if (!rests) run_job(d, &j);
        (void)pthread_mutex_lock(&d->lock);
        d->writing = (hl_kv_key){{0, 0}};
        d->done[d->n_done++] = (done_job){j.kind, j.block};
        (void)pthread_cond_signal(&d->one_done);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool hl_kv_disk_save(hl_kv_disk *d, hl_kv_kind kind, hl_kv_key key, hl_kv_key parent,
                     const hl_prefix_key *keys, uint32_t block) {
    if (kind == HL_KV_STATE && file_bytes(d, kind) > d->quota_bytes / STATES_IN_QUOTA) return false;
    (void)pthread_mutex_lock(&d->lock);
    const bool room = d->n_held[kind] < d->most_held[kind] && d->rest_until_ns <= hl_clock_ns();
    if (room) {
        job *j = &d->queue[(d->first + d->n_queued++) % d->cap];
        *j = (job){.kind = kind, .key = key, .parent = parent, .block = block};
        memcpy(j->keys, keys, sizeof j->keys);
        d->n_held[kind]++;
        (void)pthread_cond_signal(&d->wake);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return room;
}

bool hl_kv_disk_take_done(hl_kv_disk *d, hl_kv_kind *ret_kind, uint32_t *ret_block) {
    (void)pthread_mutex_lock(&d->lock);
    const bool any = d->n_done > 0;
    if (any) {
        const done_job j = d->done[--d->n_done];
        *ret_kind = j.kind;
        *ret_block = j.block;
        d->n_held[j.kind]--;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return any;
}

bool hl_kv_disk_wait_done(hl_kv_disk *d) {
    (void)pthread_mutex_lock(&d->lock);
    const bool any = d->n_held[HL_KV_BLOCK] + d->n_held[HL_KV_STATE] > 0;
    while (any && d->n_done == 0) (void)pthread_cond_wait(&d->one_done, &d->lock);
    (void)pthread_mutex_unlock(&d->lock);
    return any;
}

void hl_kv_disk_drop_state(hl_kv_disk *d, hl_kv_key key) {
    char           path[MAX_PATH];
    const uint64_t bytes = file_bytes(d, HL_KV_STATE);
    file_path(d, HL_KV_STATE, key, path);
    if (unlink(path) != 0) return;
    (void)pthread_mutex_lock(&d->lock);
    d->stats.used_bytes = d->stats.used_bytes > bytes ? d->stats.used_bytes - bytes : 0;
    (void)pthread_mutex_unlock(&d->lock);
}

void hl_kv_disk_get_stats(hl_kv_disk *d, hl_kv_disk_stats *ret_stats) {
    (void)pthread_mutex_lock(&d->lock);
    *ret_stats = d->stats;
    (void)pthread_mutex_unlock(&d->lock);
}

/* ---- open ---- */

/* The folder's secret: the first who comes makes it, all others read it. */
static hl_status load_secret(hl_kv_disk *d, hl_err *err) {
    char path[MAX_PATH], tmp[MAX_PATH];
    (void)snprintf(path, sizeof path, "%s/secret", d->dir);
    (void)snprintf(tmp, sizeof tmp, "%s/secret.%ld.%" PRIx64 ".tmp", d->dir, (long)getpid(),
                   (uint64_t)hl_clock_ns());
    for (int tries = 0; tries < 2; tries++) {
        int       fd = -1;
        hl_status status = hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, err);
        if (status != HL_OK && status != HL_E_NOT_FOUND) return status;
        if (fd >= 0) {
            const bool ok = hl_kv_read_exactly(fd, d->secret, sizeof d->secret, 0);
            (void)close(fd);
            if (ok) return HL_OK;
            return hl_fail(err, HL_E_IO, "'%s': expected %zu bytes; delete the folder to begin again", path,
                           sizeof d->secret);
        }
        if (getrandom(d->secret, sizeof d->secret, 0) != (ssize_t)sizeof d->secret)
            return hl_fail(err, hl_errno_io(errno), "no random numbers: %s", strerror(errno));
        /* O_EXCL also does not follow a link: whoever can write here must not choose what is written to */
        const int out = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out < 0) return hl_fail(err, hl_errno_io(errno), "create '%s': %s", tmp, strerror(errno));
        status = hl_file_write_fd(out, tmp, d->secret, sizeof d->secret, err);
        if (close(out) != 0 && status == HL_OK)
            status = hl_fail(err, hl_errno_io(errno), "close '%s': %s", tmp, strerror(errno));
        /* EEXIST: another process was first, and its secret counts */
        if (status == HL_OK && link(tmp, path) != 0 && errno != EEXIST)
            status = hl_fail(err, hl_errno_io(errno), "link '%s': %s", path, strerror(errno));
        (void)unlink(tmp);
        if (status != HL_OK) return status;
    }
    return hl_fail(err, HL_E_IO, "'%s': cannot be made", path);
}

static hl_status make_names(hl_kv_disk *d, const hl_kv_disk_params *p, hl_err *err) {
    static const uint64_t fixed[2] = {1, 2};
    const hl_kv_shape    *s = hl_kv_pool_shape(d->pools[HL_KV_BLOCK]);
    uint64_t              h[2];
    char                  folder[MAX_PATH];
    (void)snprintf(d->identity, sizeof d->identity, "%.90s|%.*s|%d|%u|%u|%u|%d", p->build,
                   HL_KV_WEIGHTS_CHARS, p->weights, (int)s->type, s->n_layers, s->n_kv_heads, s->head_dim,
                   BLOCK);
    hl_siphash128(fixed, d->identity, sizeof d->identity, h);
    (void)snprintf(folder, sizeof folder, "%s/%016" PRIx64, d->dir, h[0]);
    d->folder = hl_strdup(folder);
    if (!d->folder) return hl_fail(err, HL_E_NOMEM, "key/value cache on disk: no memory");
    return hl_dir_make(d->folder, 0700, err);
}

hl_status hl_kv_disk_open(const hl_kv_disk_params *p, hl_kv_pool *pool, hl_kv_disk **ret_disk, hl_err *err) {
    hl_kv_disk *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "key/value cache on disk: no memory");
    d->pools[HL_KV_BLOCK] = pool;
    d->pools[HL_KV_STATE] = hl_kv_pool_states(pool);
    d->events = p->events;
    d->quota_bytes = p->quota_bytes ? p->quota_bytes : DEFAULT_QUOTA;
    for (int i = 0; i < N_KINDS; i++) {
        if (!d->pools[i]) continue;
        d->block_bytes[i] = hl_kv_pool_block_bytes(d->pools[i]);
        d->most_held[i] = hl_kv_pool_n_blocks(d->pools[i]) / 4 + 1;
        d->cap += d->most_held[i];
    }
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->wake, NULL);
    (void)pthread_cond_init(&d->one_done, NULL);
    d->dir = hl_strdup(p->dir);
    d->queue = hl_new(d->cap, sizeof *d->queue);
    d->done = hl_new(d->cap, sizeof *d->done);
    d->loading = hl_new(PIECE_BYTES, 1);
    d->saving = hl_new(PIECE_BYTES, 1);
    hl_status status = HL_OK;
    if (!d->dir || !d->queue || !d->done || !d->loading || !d->saving)
        status = hl_fail(err, HL_E_NOMEM, "key/value cache on disk: no memory");
    if (status == HL_OK && strlen(p->dir) > MAX_PATH - 200)
        status = hl_fail(err, HL_E_ARG, "'%.80s...': the path is too long", p->dir);
    if (status == HL_OK) status = hl_dir_make(d->dir, 0700, err);
    if (status == HL_OK) status = load_secret(d, err);
    if (status == HL_OK) hl_mac_key_init(d->secret, &d->mac_key);
    if (status == HL_OK) status = make_names(d, p, err);
    if (status == HL_OK) {
        d->stats.used_bytes = hl_kv_disk_trim(d->dir, d->secret, d->quota_bytes);
        const uint64_t room = hl_kv_disk_room(d->dir, d->stats.used_bytes);
        if (d->stats.used_bytes > room) d->stats.used_bytes = hl_kv_disk_trim(d->dir, d->secret, room);
        if (pthread_create(&d->writer, NULL, run_writer, d) != 0)
            status = hl_fail(err, HL_E_NOMEM,
                             "key/value cache on disk: no memory, or no right, for one thread more");
        else
            d->has_writer = true;
    }
    if (status != HL_OK) {
        hl_kv_disk_close(d);
        return status;
    }
    *ret_disk = d;
    return HL_OK;
}

void hl_kv_disk_close(hl_kv_disk *d) {
    if (!d) return;
    if (d->has_writer) {
        (void)pthread_mutex_lock(&d->lock);
        d->quit = true;
        (void)pthread_cond_signal(&d->wake);
        (void)pthread_mutex_unlock(&d->lock);
        (void)pthread_join(d->writer, NULL);
    }
    (void)pthread_cond_destroy(&d->wake);
    (void)pthread_cond_destroy(&d->one_done);
    (void)pthread_mutex_destroy(&d->lock);
    hl_free(d->queue);
    hl_free(d->done);
    hl_free(d->loading);
    hl_free(d->saving);
    hl_free(d->folder);
    hl_free(d->dir);
    hl_free(d);
}
