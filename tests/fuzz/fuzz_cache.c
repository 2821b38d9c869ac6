/* SPDX-License-Identifier: MIT
 *
 * fuzz_cache.c - a folder of saved key/value blocks to which anything was done: opened, loaded from, written
 * to, cleared.
 *
 * There is a chain of three blocks, and the state behind the last, as the program itself wrote them. The
 * input is a program: for each file what becomes of it - bytes changed, with the codes made right again or
 * not, cut, made longer, given another's name, replaced by bytes of the input, by a folder, a link, a pipe -
 * then the same for the secret, and how much may stay. What is loaded must be what was saved under that name;
 * after that a run must be able to save and another one to load.
 *
 * fuzz: max_len=4096
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/kv/kv_disk_file.h"
#include "engine/kv/kv_hash.h"
#include "engine/kv/kv_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
    N_CHAIN = 3,
    N_FILES = N_CHAIN + 1,
    BLOCK = HL_KV_PAGE_TOKENS,
    STATE_BYTES = 5000,
    MAX_FILE_BYTES = 1 << 14,
    SECRET_BYTES = 16,
    PATH_BYTES = 200
};
static const uint64_t NO_QUOTA = (uint64_t)1 << 40;

typedef struct program {
    const uint8_t *at, *end;
} program;

static uint32_t take(program *p) { return p->at < p->end ? *p->at++ : 0; }
static uint32_t take_short(program *p) {
    const uint32_t low = take(p);
    return low | take(p) << 8;
}

typedef struct saved {
    char              path[PATH_BYTES];
    hl_kv_header_page page;
    hl_prefix_key     keys[BLOCK];
    size_t            n_data;
    uint8_t          *data; /* [n_data] */
} saved;

static char        dir[64], folder[PATH_BYTES], secret_path[PATH_BYTES];
static uint8_t     secret[SECRET_BYTES];
static saved       files[N_FILES]; /* a chain: the next begins where one ends; and the state */
static hl_kv_pool *pools[2];       /* of blocks and of states */
static hl_seq      seq;            /* holds the block */
static uint32_t    blocks[2];

static hl_kv_kind kind_of(int i) { return i < N_CHAIN ? HL_KV_BLOCK : HL_KV_STATE; }
static int        place_of(int i) { return i < N_CHAIN ? i : N_CHAIN - 1; }

static void put_block(int i, const uint8_t *from) {
    const hl_kv_kind kind = kind_of(i);
    if (hl_kv_block_write(pools[kind], blocks[kind], 0, files[i].n_data, from, NULL) != HL_OK) abort();
}

static void spoil_block(int i) {
    static const uint8_t spoilt[1 << 14] = {0xAA};
    if (files[i].n_data > sizeof spoilt) abort();
    put_block(i, spoilt);
}

static bool holds(int i) {
    const size_t n_data = files[i].n_data;
    uint8_t     *got = malloc(n_data);
    if (!got || hl_kv_block_read(pools[kind_of(i)], blocks[kind_of(i)], 0, n_data, got, NULL) != HL_OK)
        abort();
    const bool same = memcmp(got, files[i].data, n_data) == 0;
    free(got);
    return same;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(void) { (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static hl_kv_disk *open_disk(uint64_t quota_bytes) {
    hl_kv_disk             *d = NULL;
    hl_err                  err = {0};
    const hl_kv_disk_params p = {.dir = dir, .quota_bytes = quota_bytes, .weights = "w", .build = "b"};
    const hl_status         status = hl_kv_disk_open(&p, pools[0], &d, &err);
    if (status != HL_OK && (status != HL_E_IO || err.text[0] == '\0')) abort();
    return d;
}

static hl_kv_key key_of(const hl_kv_disk *d, int i, hl_kv_key *ret_parent) {
    hl_kv_key key = hl_kv_disk_root(d);
    for (int k = 0; k <= place_of(i); k++) {
        *ret_parent = key;
        key = hl_kv_disk_key(d, key, files[k].keys);
    }
    return key;
}

static bool load(hl_kv_disk *d, int i) {
    hl_kv_key       parent;
    const hl_kv_key key = key_of(d, i, &parent);
    spoil_block(i);
    return hl_kv_disk_load(d, kind_of(i), key, parent, files[i].keys, blocks[kind_of(i)]);
}

/* Writing is another thread's: it is through when the folder is closed. */
static void save_one(int i) {
    hl_kv_disk     *d = open_disk(NO_QUOTA);
    hl_kv_key       parent;
    const hl_kv_key key = key_of(d, i, &parent);
    put_block(i, files[i].data);
    if (!hl_kv_disk_save(d, kind_of(i), key, parent, files[i].keys, blocks[kind_of(i)])) abort();
    hl_kv_disk_close(d);
}

static void read_file(const char *path, void *to, size_t n, off_t at) {
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || !hl_kv_read_exactly(fd, to, n, at)) abort();
    (void)close(fd);
}

static int find_folder(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st;
    if (kind == FTW_DP && where->level == 1) (void)snprintf(folder, sizeof folder, "%s", path);
    return 0;
}

static void set_up(void) {
    const hl_kv_shape shape = {.type = HL_KV_CACHE_F16, .n_layers = 1, .n_kv_heads = 1, .head_dim = 8};
    const hl_kv_shape states = {.state_bytes = STATE_BYTES};
    (void)snprintf(dir, sizeof dir, "%s/hl-fuzz-cache.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir) || hl_kv_pool_new(&hl_kv_host_ops, &shape, 4, &pools[0], NULL) != HL_OK ||
        hl_kv_pool_new(&hl_kv_host_ops, &states, 1, &pools[1], NULL) != HL_OK ||
        !hl_kv_block_get(pools[1], &blocks[1]) || hl_seq_init(&seq, pools[0], BLOCK, NULL) != HL_OK ||
        !hl_seq_reserve(&seq, BLOCK))
        abort();
    hl_kv_pool_set_states(pools[0], pools[1]);
    (void)atexit(remove_folder);
    blocks[0] = seq.blocks[0];
    (void)snprintf(secret_path, sizeof secret_path, "%s/secret", dir);
    for (int i = 0; i < N_FILES; i++) {
        const size_t n_data = files[i].n_data = hl_kv_pool_block_bytes(pools[kind_of(i)]);
        if (!(files[i].data = malloc(n_data))) abort();
        for (size_t k = 0; k < n_data; k++) files[i].data[k] = (uint8_t)(k * 7 + k / 256 + (size_t)i);
        for (int k = 0; k < BLOCK; k++) files[i].keys[k] = hl_prefix_key_of(place_of(i) * 1000 + k);
        save_one(i);
    }
    read_file(secret_path, secret, sizeof secret, 0);
    if (nftw(dir, find_folder, 8, FTW_DEPTH | FTW_PHYS) != 0) abort();
    hl_kv_disk *d = open_disk(NO_QUOTA);
    for (int i = 0; i < N_FILES; i++) {
        hl_kv_key       parent;
        const hl_kv_key key = key_of(d, i, &parent);
        (void)snprintf(files[i].path, sizeof files[i].path, "%.100s/%016llx%016llx%s", folder,
                       (unsigned long long)key.w[0], (unsigned long long)key.w[1],
                       kind_of(i) == HL_KV_STATE ? HL_KV_STATE_END : HL_KV_END);
        read_file(files[i].path, &files[i].page, sizeof files[i].page, 0);
    }
    hl_kv_disk_close(d);
}

static void write_file(const char *path, const void *data, size_t n) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd) != 0) abort();
}

/* Bytes of a right file change; the code over the header is made right again, or not. */
static size_t change_bytes(program *p, int i, uint8_t *buf, bool signs) {
    hl_kv_header_page page = files[i].page;
    uint64_t          key[2];
    for (uint32_t n = 1 + take(p) % 4; n > 0; n--) {
        const size_t at = take_short(p) % (sizeof page + files[i].n_data);
        if (at < sizeof page)
            page.bytes[at] = (uint8_t)take(p);
        else
            buf[at] = (uint8_t)take(p);
    }
    memcpy(key, secret, sizeof key);
    if (signs) hl_kv_header_sign(&page.h, key);
    memcpy(buf, &page, sizeof page);
    return sizeof page + files[i].n_data;
}

static void odd_thing(const char *path, uint32_t which) {
    switch (which % 4) {
    case 0: (void)mkdir(path, 0700); break;
    case 1:
        if (symlink(secret_path, path) != 0) return; /* another's file is there */
        break;
    case 2: (void)mkfifo(path, 0600); break;
    default: break; /* nothing at all */
    }
}

/* What stands under the name of file i. */
static void place(program *p, int i) {
    static uint8_t buf[MAX_FILE_BYTES];
    const uint32_t what = take(p);
    size_t         n = sizeof files[i].page + files[i].n_data;
    const char    *path = files[i].path;
    memcpy(buf, &files[i].page, sizeof files[i].page);
    memcpy(buf + sizeof files[i].page, files[i].data, files[i].n_data);
    switch (what % 10) {
    case 0:
    case 1: break;
    case 2: n = change_bytes(p, i, buf, false); break;
    case 3:
    case 4: n = change_bytes(p, i, buf, true); break;
    case 5: n = take_short(p) % (n + 64); break; /* cut, or some bytes more */
    case 6: path = files[take(p) % N_FILES].path; break;
    case 7:                /* the input's own bytes */
        n = take_short(p); /* on a line of its own: what is left is counted behind it */
        n %= (size_t)(p->end - p->at) + 1;
        memcpy(buf, p->at, n);
        p->at += n;
        break;
    case 8: odd_thing(path, take(p)); return;
    default: { /* left by a process that died */
        char            tmp[PATH_BYTES + 16];
        struct timespec then[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        (void)snprintf(tmp, sizeof tmp, "%.*s.1.2.tmp", PATH_BYTES, path);
        write_file(tmp, buf, n);
        if (what & 64) (void)utimensat(AT_FDCWD, tmp, then, 0);
        return;
    }
    }
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) return; /* of the other, whose name this is */
    write_file(path, buf, n);
    if (what & 128) {
        const struct timespec then[2] = {{.tv_sec = what},
                                         {.tv_sec = (time_t)take_short(p) << (what / 2 % 40)}};
        (void)utimensat(AT_FDCWD, path, then, 0);
    }
}

static void place_secret(program *p) {
    const uint32_t what = take(p);
    uint8_t        other[SECRET_BYTES + 4];
    memcpy(other, secret, sizeof secret);
    memset(other + sizeof secret, 7, sizeof other - sizeof secret);
    if (what % 8 == 1) other[what / 8 % SECRET_BYTES] ^= 1;
    if (what % 8 == 3) {
        odd_thing(secret_path, what / 8);
        return;
    }
    write_file(secret_path, other, what % 8 == 2 ? what / 8 % sizeof other : sizeof secret);
}

static void load_all(hl_kv_disk *d, bool must) {
    for (int i = 0; i < N_FILES; i++) {
        const bool is_there = load(d, i);
        if (must && !is_there) abort();
        if (is_there && !holds(i)) abort();
    }
}

/* Is something in the way of a file that no program of ours may remove? */
static bool is_blocked(void) {
    struct stat st;
    for (int i = 0; i < N_FILES; i++)
        if (lstat(files[i].path, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    program  p = {data, data + n};
    uint64_t first_key[2];
    if (!pools[0]) set_up();
    remove_folder();
    if (mkdir(dir, 0700) != 0 || mkdir(folder, 0700) != 0) abort();
    const uint64_t quota = 1 + (uint64_t)take(&p) % 4 * (sizeof(hl_kv_header_page) + files[0].n_data);
    place_secret(&p);
    for (int i = 0; i < N_FILES; i++) place(&p, i);
    memcpy(first_key, secret, sizeof first_key);
    (void)hl_kv_disk_trim(dir, first_key, NO_QUOTA);
    hl_kv_disk *d = open_disk(take(&p) % 2 ? NO_QUOTA : quota);
    if (!d) return 0; /* of a secret that is none */
    load_all(d, false);
    hl_kv_disk_close(d);
    d = open_disk(quota);
    hl_kv_disk_stats stats;
    hl_kv_disk_get_stats(d, &stats);
    if (stats.used_bytes > quota) abort();
    load_all(d, false);
    hl_kv_disk_close(d);
    for (int i = 0; i < N_FILES && !is_blocked(); i++) save_one(i);
    d = open_disk(NO_QUOTA);
    load_all(d, !is_blocked());
    hl_kv_disk_close(d);
    (void)hl_kv_disk_remove(dir, "w");
    d = open_disk(NO_QUOTA);
    for (int i = 0; i < N_FILES; i++)
        if (load(d, i)) abort();
    hl_kv_disk_close(d);
    return 0;
}
