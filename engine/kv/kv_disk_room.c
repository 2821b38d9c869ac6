/* SPDX-License-Identifier: MIT
 *
 * kv_disk_room.c - which files stay: those of the quota that were used last, and of a chain always its start.
 *
 * A block is found by way of all blocks before it, so a file that outlives its parent is lost room; the
 * parent of a state is the block that it is behind. Deleting goes by last use, where using a block is using
 * everything before it: parents count as used a moment after their children, and the end of a chain leaves
 * before its start.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "engine/kv/kv_disk_file.h"
#include "engine/kv/kv_hash.h"

enum { OLD_TMP_S = 3600, MAX_PATH = HL_KV_PATH_BYTES };

typedef struct found {
    hl_kv_key key, parent;
    bool      is_state; /* its key and its parent are the block's key */
    bool      is_first; /* of a chain */
    bool      is_lost;  /* no chain leads to it */
    bool      is_known; /* that is decided */
    int64_t   used_ns;
    uint64_t  bytes;
    char     *path;
} found;

typedef struct listing {
    found   *files;
    size_t   n, cap;
    uint64_t bytes;
} listing;

hl_kv_key hl_kv_identity_root(const uint64_t secret[2], const char identity[HL_KV_IDENTITY_BYTES]) {
    hl_kv_key k;
    hl_siphash128(secret, identity, HL_KV_IDENTITY_BYTES, k.w);
    return k;
}

void hl_kv_header_sign(hl_kv_header *h, const uint64_t secret[2]) {
    hl_siphash128(secret, h, offsetof(hl_kv_header, header_mac), h->header_mac);
}

bool hl_kv_header_is_ours(const hl_kv_header *h, const uint64_t secret[2]) {
    uint64_t mac[2];
    hl_siphash128(secret, h, offsetof(hl_kv_header, header_mac), mac);
    return ((mac[0] ^ h->header_mac[0]) | (mac[1] ^ h->header_mac[1])) == 0;
}

uint64_t hl_kv_disk_room(const char *dir, uint64_t used_bytes) {
    enum { GIB = 1 << 30 };
    struct statvfs fs;
    uint64_t       reserve = GIB;
    if (statvfs(dir, &fs) != 0) return UINT64_MAX;
    const uint64_t n_free = (uint64_t)fs.f_bavail * fs.f_frsize,
                   twentieth = (uint64_t)fs.f_blocks / 20 * fs.f_frsize;
    if (twentieth < reserve) reserve = twentieth;
    return used_bytes + n_free > reserve ? used_bytes + n_free - reserve : 0;
}

/* ---- what there is ---- */

static bool ends_in(const char *name, const char *end) {
    const size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

/* A file may be of any time: whoever put it there said so. Later times than these are all the same, with room
 * for raise_parents(). */
static int64_t time_ns(const struct timespec *t) {
    enum { NS = 1000000000 };
    if (t->tv_sec < 0) return 0;
    return t->tv_sec >= INT64_MAX / 2 / NS ? INT64_MAX / 2 : t->tv_sec * NS + t->tv_nsec;
}

static bool is_state_name(const char *path) { return ends_in(path, HL_KV_STATE_END); }
static bool is_our_name(const char *path) { return ends_in(path, HL_KV_END) || is_state_name(path); }

static void add_file(listing *l, const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    if (ends_in(path, ".tmp")) {
        if (time(NULL) - st.st_mtime > OLD_TMP_S) (void)unlink(path);
        return;
    }
    if (!is_our_name(path)) return;
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        found       *grown = hl_resize(l->files, cap, sizeof *grown);
        if (!grown) return;
        l->files = grown;
        l->cap = cap;
    }
    char *copy = hl_strdup(path);
    if (!copy) return;
    l->files[l->n++] = (found){.used_ns = time_ns(&st.st_mtim), .bytes = (uint64_t)st.st_size, .path = copy};
    l->bytes += (uint64_t)st.st_size;
}

/* Call fn for every entry of a folder that is not hidden. */
static void each_entry(const char *dir, void (*fn)(void *user, const char *path), void *user) {
    DIR *at = opendir(dir);
    if (!at) return;
    for (const struct dirent *e; (e = readdir(at));) {
        char path[MAX_PATH];
        if (e->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
            continue;
        fn(user, path);
    }
    (void)closedir(at);
}

static void list_file(void *user, const char *path) { add_file(user, path); }
static void list_folder(void *user, const char *path) {
    if (ends_in(path, ".tmp")) /* a secret that somebody did not finish */
        add_file(user, path);
    else
        each_entry(path, list_file, user);
}

static void free_listing(listing *l) {
    for (size_t i = 0; i < l->n; i++) hl_free(l->files[i].path);
    hl_free(l->files);
}

/* ---- chains ---- */

static bool read_header(const char *path, hl_kv_header_page *ret) {
    const char *magic = is_state_name(path) ? HL_KV_STATE_MAGIC : HL_KV_MAGIC;
    int         fd = -1;
    if (hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL, NULL) != HL_OK) return false;
    const bool ok = hl_kv_read_exactly(fd, ret, sizeof *ret, 0);
    (void)close(fd);
    return ok && memcmp(ret->h.magic, magic, sizeof ret->h.magic) == 0;
}

static int compare_keys(const void *a, const void *b) { return memcmp(a, b, sizeof(hl_kv_key)); }
static int by_key(const void *a, const void *b) {
    const found *x = a, *y = b;
    const int    order = compare_keys(&x->key, &y->key);
    return order != 0 ? order : (int)x->is_state - (int)y->is_state;
}

static found *find_parent(const listing *l, const found *f) {
    const found key = {.key = f->parent};
    return f->is_first ? NULL : bsearch(&key, l->files, l->n, sizeof *l->files, by_key);
}

static void read_headers(listing *l, const uint64_t secret[2]) {
    for (size_t i = 0; i < l->n; i++) {
        hl_kv_header_page p;
        found            *f = &l->files[i];
        f->is_lost = f->is_known = !read_header(f->path, &p) || !hl_kv_header_is_ours(&p.h, secret);
        if (f->is_lost) continue;
        const hl_kv_key root = hl_kv_identity_root(secret, p.h.identity);
        f->is_state = is_state_name(f->path);
        f->key = p.h.key;
        f->parent = f->is_state ? p.h.key : p.h.parent;
        f->is_first = f->is_known = !f->is_state && compare_keys(&root, &f->parent) == 0;
    }
    qsort(l->files, l->n, sizeof *l->files, by_key);
}

/* Is a chain's begin reached from here? Decided for all on the way. Headers may lie: no walk is longer than
 * there are files. */
static void find_begin(const listing *l, found *f) {
    found *at = f;
    for (size_t i = 0; at && !at->is_known && i < l->n; i++) at = find_parent(l, at);
    const bool is_lost = !at || !at->is_known || at->is_lost;
    for (; f && !f->is_known; f = find_parent(l, f)) {
        f->is_lost = is_lost;
        f->is_known = true;
    }
}

static void raise_parents(const listing *l, found *f) {
    for (found *p; (p = find_parent(l, f)) && p->used_ns <= f->used_ns; f = p) p->used_ns = f->used_ns + 1;
}

static int leaves_first(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->is_lost != y->is_lost) return x->is_lost ? -1 : 1;
    return x->used_ns < y->used_ns ? -1 : x->used_ns > y->used_ns;
}

static void put_in_order(listing *l, const uint64_t secret[2]) {
    read_headers(l, secret);
    for (size_t i = 0; i < l->n; i++) find_begin(l, &l->files[i]);
    for (size_t i = 0; i < l->n; i++)
        if (!l->files[i].is_lost) raise_parents(l, &l->files[i]);
    qsort(l->files, l->n, sizeof *l->files, leaves_first);
}

uint64_t hl_kv_disk_trim(const char *dir, const uint64_t secret[2], uint64_t quota_bytes) {
    listing l = {0};
    each_entry(dir, list_folder, &l);
    if (l.bytes > quota_bytes) {
        put_in_order(&l, secret);
        const uint64_t aim = quota_bytes / 10 * 9;
        for (size_t i = 0; i < l.n && (l.bytes > aim || l.files[i].is_lost); i++)
            if (unlink(l.files[i].path) == 0 || errno == ENOENT) l.bytes -= l.files[i].bytes;
    }
    const uint64_t left = l.bytes;
    free_listing(&l);
    return left;
}

/* ---- weights that are gone ---- */

typedef struct removing {
    const char *weights;
    uint64_t    bytes;
} removing;

/* The second word of the identity. */
static bool is_of_weights(const hl_kv_header *h, const char *weights) {
    const size_t n = strnlen(weights, HL_KV_WEIGHTS_CHARS);
    const char  *at = memchr(h->identity, '|', sizeof h->identity);
    if (!at || (size_t)(h->identity + sizeof h->identity - ++at) <= n) return false;
    return memcmp(at, weights, n) == 0 && at[n] == '|';
}

static void remove_file(void *user, const char *path) {
    hl_kv_header_page p;
    struct stat       st;
    removing         *r = user;
    if (!is_our_name(path) || lstat(path, &st) != 0 || !read_header(path, &p) ||
        !is_of_weights(&p.h, r->weights))
        return;
    if (unlink(path) == 0) r->bytes += (uint64_t)st.st_size;
}

static void remove_in_folder(void *user, const char *path) {
    each_entry(path, remove_file, user);
    (void)rmdir(path); /* refuses a folder with something in it by itself */
}

uint64_t hl_kv_disk_remove(const char *dir, const char *weights) {
    removing r = {.weights = weights};
    each_entry(dir, remove_in_folder, &r);
    return r.bytes;
}

/* ---- whose they are ---- */

typedef struct counting {
    hl_kv_disk_each_fn *fn;
    void               *user;
    char                weights[HL_KV_WEIGHTS_CHARS + 1]; /* of the folder in hand; "": not known yet */
    uint64_t            n_blocks, bytes;
} counting;

/* All files of a folder are of the same weights. */
static void count_file(void *user, const char *path) {
    hl_kv_header_page p;
    struct stat       st;
    counting         *c = user;
    if (!is_our_name(path) || lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    c->n_blocks += !is_state_name(path);
    c->bytes += (uint64_t)st.st_size;
    if (c->weights[0] || !read_header(path, &p)) return;
    const char *end = p.h.identity + sizeof p.h.identity,
               *at = memchr(p.h.identity, '|', sizeof p.h.identity);
    const char  *after = at ? memchr(at + 1, '|', (size_t)(end - at - 1)) : NULL;
    const size_t n = after ? (size_t)(after - at - 1) : 0;
    if (n > 0 && n < sizeof c->weights) memcpy(c->weights, at + 1, n);
}

static void count_folder(void *user, const char *path) {
    counting *c = user;
    c->n_blocks = c->bytes = 0;
    memset(c->weights, 0, sizeof c->weights);
    each_entry(path, count_file, c);
    if (c->weights[0]) c->fn(c->user, c->weights, c->n_blocks, c->bytes);
}

void hl_kv_disk_each(const char *dir, hl_kv_disk_each_fn *fn, void *user) {
    counting c = {.fn = fn, .user = user};
    each_entry(dir, count_folder, &c);
}
