/* SPDX-License-Identifier: MIT
 *
 * test_cache_faults.c - the k-th system call on the folder of saved key/value blocks and states fails, or the
 * process is killed just before it or in the middle of a write, for all k: what is loaded is what was saved,
 * what was said to be saved is there, and the next run works and tidies up.
 */
#define _GNU_SOURCE
#define HL_CATCH_MORE
#include "../unit/store_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "engine/kv/kv_disk_file.h"
#include "engine/kv/kv_host.h"
#include "io_faults.h"

/* A chain of blocks, and the state behind the last. */
enum { N_CHAIN = 3, N_FILES = N_CHAIN + 1, N_TOKENS = HL_KV_PAGE_TOKENS, STATE_BYTES = 10000 };
static const uint64_t NO_QUOTA = (uint64_t)1 << 40;

static hl_kv_pool *pools[2]; /* of blocks and of states */
static hl_seq      seq;      /* holds the block */
static uint32_t    blocks[2];
static uint8_t    *data;     /* on its way to a block, or from it */
static bool       *is_acked; /* [N_FILES], shared with children */

static hl_kv_kind kind_of(int i) { return i < N_CHAIN ? HL_KV_BLOCK : HL_KV_STATE; }
static int        place_of(int i) { return i < N_CHAIN ? i : N_CHAIN - 1; }
static size_t     n_data_of(int i) { return hl_kv_pool_block_bytes(pools[kind_of(i)]); }

static void put(int i) {
    assert_int_equal(hl_kv_block_write(pools[kind_of(i)], blocks[kind_of(i)], 0, n_data_of(i), data, NULL),
                     HL_OK);
}

static void fill(int i, uint8_t *to) {
    for (size_t k = 0; k < n_data_of(i); k++) to[k] = (uint8_t)(k * 5 + k / 256 + (size_t)i * 77);
}

static const hl_prefix_key *keys_of(int i) {
    static hl_prefix_key keys[N_TOKENS];
    for (int k = 0; k < N_TOKENS; k++) keys[k] = hl_prefix_key_of(100 * i + k);
    return keys;
}

static hl_kv_key key_of(const hl_kv_disk *d, int i, hl_kv_key *ret_parent) {
    hl_kv_key key = hl_kv_disk_root(d);
    for (int k = 0; k <= place_of(i); k++) {
        *ret_parent = key;
        key = hl_kv_disk_key(d, key, keys_of(k));
    }
    return key;
}

static hl_status open_disk(const char *dir, uint64_t quota_bytes, hl_kv_disk **ret, hl_err *err) {
    return hl_kv_disk_open(
        &(hl_kv_disk_params){.dir = dir, .quota_bytes = quota_bytes, .weights = "w", .build = "b"},
        pools[HL_KV_BLOCK], ret, err);
}

/* True when it is said to be there. */
static bool save(hl_kv_disk *d, int i) {
    hl_kv_disk_stats before, after;
    uint32_t         done;
    hl_kv_kind       done_kind;
    hl_kv_key        parent;
    const hl_kv_key  key = key_of(d, i, &parent);
    fill(i, data);
    put(i);
    hl_kv_disk_get_stats(d, &before);
    if (!hl_kv_disk_save(d, kind_of(i), key, parent, keys_of(place_of(i)), blocks[kind_of(i)])) return false;
    while (!hl_kv_disk_take_done(d, &done_kind, &done)) (void)usleep(20);
    assert_true(done_kind == kind_of(i) && done == blocks[done_kind]);
    hl_kv_disk_get_stats(d, &after);
    return after.n_saved + after.n_saved_states > before.n_saved + before.n_saved_states;
}

static bool load(hl_kv_disk *d, int i) {
    const size_t    n_data = n_data_of(i);
    uint8_t        *want = malloc(n_data);
    bool            is_right = true;
    hl_kv_key       parent;
    const hl_kv_key key = key_of(d, i, &parent);
    memset(data, 0xAA, n_data);
    put(i);
    const bool is_there =
        hl_kv_disk_load(d, kind_of(i), key, parent, keys_of(place_of(i)), blocks[kind_of(i)]);
    fill(i, want);
    assert_int_equal(hl_kv_block_read(pools[kind_of(i)], blocks[kind_of(i)], 0, n_data, data, NULL), HL_OK);
    if (is_there) is_right = memcmp(data, want, n_data) == 0;
    free(want);
    assert_true(is_right);
    return is_there;
}

/* A run: what is there is loaded, the rest is saved. */
static hl_status work(const char *dir, uint64_t quota_bytes, hl_err *err) {
    hl_kv_disk     *d = NULL;
    const hl_status status = open_disk(dir, quota_bytes, &d, err);
    if (status != HL_OK) return status;
    for (int i = 0; i < N_FILES; i++) {
        (void)load(d, i);
        is_acked[i] = save(d, i);
    }
    hl_kv_disk_close(d);
    return HL_OK;
}

static size_t n_left; /* temporary files */

static int age_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
    const size_t          n = strlen(path);
    (void)st, (void)where;
    if (kind != FTW_F || strcmp(path + n - 4, ".tmp") != 0) return 0;
    n_left++;
    return utimensat(AT_FDCWD, path, old, 0);
}

static size_t count_temporary(const char *dir) {
    n_left = 0;
    if (access(dir, F_OK) == 0) assert_int_equal(nftw(dir, age_one, 8, FTW_PHYS), 0);
    return n_left;
}

/* What must hold when nobody is at work; `must_stay`: nothing may have left for want of room. */
static void check_sound(const char *dir, bool must_stay) {
    hl_kv_disk *d = NULL;
    hl_err      err = {0};
    memset(&fault, 0, sizeof fault);
    (void)count_temporary(dir); /* makes them two hours old */
    if (open_disk(dir, NO_QUOTA, &d, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(count_temporary(dir), 0);
    for (int i = 0; i < N_FILES; i++) {
        const bool is_there = load(d, i);
        if (is_acked[i] && must_stay) assert_true(is_there);
    }
    hl_kv_disk_stats stats;
    hl_kv_disk_get_stats(d, &stats);
    assert_int_equal(stats.n_refused, 0); /* no half of a file has a name */
    for (int i = 0; i < N_FILES; i++) assert_true(save(d, i));
    hl_kv_disk_close(d);
    assert_int_equal(open_disk(dir, NO_QUOTA, &d, &err), HL_OK);
    for (int i = 0; i < N_FILES; i++) assert_true(load(d, i));
    hl_kv_disk_close(d);
}

enum { EMPTY, FULL, NO_ROOM, N_STATES };

static uint64_t begin(fixture *f, int state, char dir[PATH_MAX]) {
    hl_err err = {0};
    memset(&fault, 0, sizeof fault);
    fixture_init_fast(f);
    (void)snprintf(dir, PATH_MAX, "%s/cache/kv", f->dir);
    if (state != EMPTY && work(dir, NO_QUOTA, &err) != HL_OK) fail_msg("%s", err.text);
    memset(is_acked, 0, N_FILES * sizeof *is_acked);
    return state == NO_ROOM ? 2 * (sizeof(hl_kv_header_page) + n_data_of(0)) : NO_QUOTA;
}

static void a_process_killed_at_any_call_leaves_nothing_wrong(void **s) {
    (void)s;
    for (int variant = 0; variant < 2 * N_STATES; variant++) {
        for (long k = 0;; k++) {
            fixture        f;
            char           dir[PATH_MAX];
            int            how = 0;
            const uint64_t quota = begin(&f, variant / 2, dir);
            const pid_t    pid = fork();
            if (pid == 0) {
                fault.half = variant % 2;
                fault.n_left = k;
                fault.armed = true;
                _exit(work(dir, quota, NULL) == HL_OK ? 0 : 1);
            }
            assert_int_equal(waitpid(pid, &how, 0), pid);
            check_sound(dir, variant / 2 != NO_ROOM);
            fixture_done(&f);
            if (WIFEXITED(how)) { /* past the last call */
                assert_int_equal(how, 0);
                assert_true(k > 5);
                break;
            }
        }
    }
}

static void a_call_that_fails_costs_a_block_at_most(void **s) {
    (void)s;
    for (int variant = 0; variant < 4 * N_STATES; variant++) {
        for (long k = 0;; k++) {
            fixture        f;
            char           dir[PATH_MAX];
            hl_err         err = {0};
            const uint64_t quota = begin(&f, variant / 4, dir);
            fault.error = k % 2 ? ENOSPC : EIO;
            fault.half = variant & 1;
            fault.for_ever = variant & 2;
            fault.n_left = k;
            fault.armed = true;
            const hl_status status = work(dir, quota, &err);
            fault.armed = false;
            const bool past_the_end = fault.n_calls <= k;
            if (status != HL_OK && (status != HL_E_IO || err.text[0] == '\0'))
                fail_msg("call %ld: %s: %s", k, hl_status_name(status), err.text);
            if (!fault.for_ever && status == HL_OK) assert_true(count_temporary(f.dir) <= 1);
            check_sound(dir, variant / 4 != NO_ROOM);
            fixture_done(&f);
            if (past_the_end) {
                assert_int_equal(status, HL_OK);
                assert_true(k > 5 && is_acked[0]);
                break;
            }
        }
    }
}

int main(void) {
    const hl_kv_shape shape = {.type = HL_KV_CACHE_F16, .n_layers = 1, .n_kv_heads = 1, .head_dim = 8};
    const hl_kv_shape states = {.state_bytes = STATE_BYTES};
    is_acked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (is_acked == MAP_FAILED || hl_kv_pool_new(&hl_kv_host_ops, &shape, 4, &pools[0], NULL) != HL_OK ||
        hl_kv_pool_new(&hl_kv_host_ops, &states, 2, &pools[1], NULL) != HL_OK ||
        !hl_kv_block_get(pools[1], &blocks[1]) || hl_seq_init(&seq, pools[0], N_TOKENS, NULL) != HL_OK ||
        !hl_seq_reserve(&seq, N_TOKENS))
        return 1;
    hl_kv_pool_set_states(pools[0], pools[1]);
    blocks[0] = seq.blocks[0];
    data = malloc(n_data_of(0) + n_data_of(N_FILES - 1));
    if (!data) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_at_any_call_leaves_nothing_wrong),
        cmocka_unit_test(a_call_that_fails_costs_a_block_at_most),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(data);
    hl_seq_done(&seq);
    hl_kv_pool_free(pools[0]);
    return n_failed;
}
