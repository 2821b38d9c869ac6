/* SPDX-License-Identifier: MIT
 *
 * test_kv_disk.c - blocks in files: what was saved comes back in another run, what is damaged or foreign does
 * not, and no fault of the disk changes an answer. On a tiny model of tests/golden/archs.
 */
#include "tests/need.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/kv/kv_disk_file.h"
#include "engine/kv/kv_hash.h"
#include "hyperlama/hyperlama.h"

enum { N_PROMPT = 700, N_ANSWER = 20 };

static char        dir[64];
static uint64_t    budget_bytes; /* of the cache in memory; 0: the usual */
static int         text;         /* which of many prompts */
static const char *cpu;          /* NULL: the one that tests are about */
static int         activation_bits;

static int make_dir(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/hl-kv-disk.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

typedef struct outcome {
    int32_t  answer[N_ANSWER];
    int32_t  n;
    hl_usage usage;
    uint64_t n_loaded;
    int      n_warnings;
} outcome;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    outcome *o = user;
    o->answer[o->n++] = t->token;
    return HL_END_NONE;
}

static void count_event(void *user, int level, const char *component, const char *event, const char *fields) {
    outcome *o = user;
    (void)component, (void)event, (void)fields;
    if (level <= 1) o->n_warnings++;
}

/* Open everything, answer one prompt, close everything: one run of a program. */
static outcome run(const char *path, const char *cache_dir, const char *weights, uint64_t quota,
                   int32_t n_prompt) {
    outcome    o = {.n = 0};
    hl_engine *e = NULL;
    hl_model  *m = NULL;
    hl_sched  *s = NULL;
    hl_err     err = {0};
    int32_t    prompt[N_PROMPT];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1,
                                                       .cpu = cpu ? cpu : test_cpu(),
                                                       .activation_bits = activation_bits,
                                                       .on_event = count_event,
                                                       .event_user = &o,
                                                       .event_level = 1},
                                   &e, &err),
                     HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    const hl_sched_params p = {.n_ctx = 1024,
                               .cache_dir = cache_dir,
                               .cache_key = weights,
                               .cache_quota_bytes = quota,
                               .kv_budget_bytes = budget_bytes};
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_request r;
    hl_sched_request_init(&r);
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * i + 3 * i + text * (i + 5)) % 128;
    r.tokens = prompt;
    r.n_tokens = (size_t)n_prompt;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = true;
    r.sampling.seed = 3;
    r.on_token = keep_token;
    r.user = &o;
    if (hl_sched_run(s, &r, &o.usage, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_stats t;
    hl_sched_get_stats(s, &t);
    o.n_loaded = t.disk_loaded_blocks;
    hl_sched_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    return o;
}

static const char *const LLAMA = "tests/golden/archs/llama-q4_k.gguf";

static void check_same(const outcome *a, const outcome *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->answer, b->answer, sizeof a->answer);
}

/* fn for every block file; returns how many there are. */
static int each_file(void (*fn)(const char *path, int i)) {
    char           folder[400], path[1000];
    int            n = 0;
    struct dirent *e;
    DIR           *top = opendir(dir);
    while (top && (e = readdir(top))) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "secret") == 0) continue;
        (void)snprintf(folder, sizeof folder, "%s/%s", dir, e->d_name);
        DIR           *sub = opendir(folder);
        struct dirent *f;
        while (sub && (f = readdir(sub))) {
            if (f->d_name[0] == '.') continue;
            (void)snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
            if (fn) fn(path, n);
            n++;
        }
        if (sub) (void)closedir(sub);
    }
    if (top) (void)closedir(top);
    return n;
}

static void a_prompt_comes_back_in_another_run(void **state) {
    (void)state;
    static const char *const paths[] = {"tests/golden/archs/llama-q4_k.gguf",
                                        "tests/golden/archs/gemma3-swa.gguf"};
    for (int i = 0; i < 2; i++) {
        const outcome plain = run(paths[i], NULL, NULL, 0, N_PROMPT);
        const outcome first = run(paths[i], dir, paths[i], 0, N_PROMPT);
        const outcome second = run(paths[i], dir, paths[i], 0, N_PROMPT);
        check_same(&plain, &first);
        check_same(&plain, &second);
        assert_int_equal(first.usage.cached_tokens, 0);
        assert_int_equal(second.usage.cached_tokens,
                         640); /* 10 whole blocks; the 11th goes into the answer */
        assert_int_equal(second.n_loaded, 10);
        assert_int_equal(second.n_warnings, 0);
        struct stat st;
        assert_int_equal(stat(dir, &st), 0);
        assert_int_equal(st.st_mode & 077, 0); /* nobody else reads what was said */
    }
}

static void a_prompt_longer_than_the_writing_queue_is_saved_from_its_begin_on(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    budget_bytes =
        (uint64_t)12 * (8 << 10) * 2; /* a dozen or two blocks: the queue takes a quarter of them */
    int32_t cached = 0;
    for (int i = 0; i < 6; i++) {
        const outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
        check_same(&plain, &o);
        assert_true(o.usage.cached_tokens >= cached); /* what is there is found, and more comes */
        cached = o.usage.cached_tokens;
    }
    budget_bytes = 0;
    assert_true(cached >= 128);
}

static void other_weights_find_nothing(void **state) {
    (void)state;
    (void)run(LLAMA, dir, "sha256:one", 0, N_PROMPT);
    const outcome o = run(LLAMA, dir, "sha256:two", 0, N_PROMPT);
    assert_int_equal(o.usage.cached_tokens, 0);
    assert_int_equal(o.n_warnings, 0);
}

static void damage(const char *path, int i) {
    struct stat st;
    const int   fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t byte = 0;
    off_t   at = i % 4 == 0 ? 100 : i % 4 == 1 ? st.st_size - 1 : i % 4 == 2 ? 4096 : 0;
    if (i % 5 == 4) {
        assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
    } else {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    (void)close(fd);
}

/* What was computed in another way has other bits: with other instructions for bf16, with other activations
 * always. */
static void what_was_computed_in_another_way_is_not_found(void **state) {
    (void)state;
    const struct {
        const char *cpu;
        int         bits;
    } ways[] = {
        {NULL, 8}, {NULL, 16}, {test_cpu() ? "auto" : "scalar", 8}, {test_cpu() ? "auto" : "scalar", 16}};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            cpu = ways[i].cpu;
            activation_bits = ways[i].bits;
            const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
            const outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
            assert_int_equal(o.usage.cached_tokens, round == 0 ? 0 : N_PROMPT / 64 * 64); /* its own only */
            check_same(&o, &plain);
        }
    }
    cpu = NULL;
    activation_bits = 0;
}

static void damaged_files_are_passed_over_and_made_anew(void **state) {
    (void)state;
    const outcome first = run(LLAMA, dir, "w", 0, N_PROMPT);
    assert_true(each_file(damage) >= 10);
    const outcome second = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&first, &second);
    assert_int_equal(second.usage.cached_tokens, 0);
    assert_true(second.n_warnings >= 1); /* one for each file that was looked at */
    for (int i = 0; i < 12; i++) (void)run(LLAMA, dir, "w", 0, N_PROMPT);
    const outcome last = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&first, &last);
    assert_true(last.usage.cached_tokens >= 128);
}

static void swap_names(const char *path, int i) {
    static char before[1000];
    if (i % 2 == 0) {
        (void)snprintf(before, sizeof before, "%s", path);
        return;
    }
    assert_int_equal(rename(path, "/tmp/hl-kv-swap"), 0);
    assert_int_equal(rename(before, path), 0);
    assert_int_equal(rename("/tmp/hl-kv-swap", before), 0);
}

static void a_file_under_another_name_is_refused(void **state) {
    (void)state;
    const outcome first = run(LLAMA, dir, "w", 0, N_PROMPT);
    (void)each_file(swap_names);
    const outcome second = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&first, &second);
}

static void the_quota_is_kept(void **state) {
    (void)state;
    (void)run(LLAMA, dir, "w", 0, N_PROMPT);
    const int n = each_file(NULL);
    assert_true(n >= 10);
    /* the tiny model's block is small: three headers and blocks' worth */
    (void)run(LLAMA, dir, "w2", 40 << 10, N_PROMPT);
    assert_true(each_file(NULL) < 10);
}

/* ---- chains ---- */

static hl_kv_header headers[4000];
static int          n_headers;

static void keep_header(const char *path, int i) {
    hl_kv_header_page p;
    (void)i;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && hl_kv_read_exactly(fd, &p, sizeof p, 0));
    (void)close(fd);
    headers[n_headers++] = p.h;
}

static bool is_key(const hl_kv_key *a, const hl_kv_key *b) { return memcmp(a, b, sizeof *a) == 0; }

/* How many files cannot be found, since one before them is missing. */
static int count_lost(void) {
    char     path[100];
    uint64_t secret[2];
    int      n_lost = 0;
    (void)snprintf(path, sizeof path, "%s/secret", dir);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && hl_kv_read_exactly(fd, secret, sizeof secret, 0));
    (void)close(fd);
    n_headers = 0;
    (void)each_file(keep_header);
    for (int i = 0; i < n_headers; i++) {
        const hl_kv_key root = hl_kv_identity_root(secret, headers[i].identity);
        bool            has_parent = is_key(&root, &headers[i].parent);
        for (int k = 0; k < n_headers && !has_parent; k++)
            has_parent = is_key(&headers[k].key, &headers[i].parent);
        n_lost += !has_parent;
    }
    return n_lost;
}

static uint64_t file_bytes;

static void note_bytes(const char *path, int i) {
    struct stat st;
    (void)i;
    if (stat(path, &st) == 0) file_bytes = (uint64_t)st.st_size;
}

static void what_the_quota_leaves_can_be_found(void **state) {
    (void)state;
    (void)run(LLAMA, dir, "w", 0, N_PROMPT);
    (void)each_file(note_bytes);
    const uint64_t quota = 25 * file_bytes; /* of 11 blocks each: two texts and a bit */
    for (int round = 0; round < 3; round++) {
        for (text = 1; text < 6; text++) {
            (void)run(LLAMA, dir, "w", quota, N_PROMPT - 100 * (text % 3));
            assert_int_equal(count_lost(), 0);
            assert_true((uint64_t)n_headers * file_bytes <= quota);
        }
    }
    text = 5; /* the last one is whole, another one has at least its start */
    assert_int_equal(run(LLAMA, dir, "w", quota, N_PROMPT - 200).usage.cached_tokens,
                     (N_PROMPT - 200) / 64 * 64);
    text = 4;
    const int32_t cached = run(LLAMA, dir, "w", quota, N_PROMPT - 100).usage.cached_tokens;
    assert_true(cached >= 64 && cached <= (N_PROMPT - 100) / 64 * 64);
    text = 0;
}

static void delete_some(const char *path, int i) {
    hl_kv_header_page p;
    (void)i;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && hl_kv_read_exactly(fd, &p, sizeof p, 0));
    (void)close(fd);
    if (p.h.keys[1] == 4 && p.h.keys[2] == 10)
        (void)unlink(path); /* every second block of text 0, which repeats itself */
}

static void blocks_without_their_begin_leave_first(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, dir, "w", 0, N_PROMPT);
    (void)each_file(note_bytes);
    (void)each_file(delete_some);
    const int n = each_file(NULL);
    assert_true(count_lost() >= 1);
    text = 1;
    const uint64_t quota = (uint64_t)(n + 7) * file_bytes; /* no room for both */
    (void)run(LLAMA, dir, "w", quota, N_PROMPT);
    assert_int_equal(count_lost(), 0);
    assert_int_equal(run(LLAMA, dir, "w", quota, N_PROMPT).usage.cached_tokens, N_PROMPT / 64 * 64);
    text = 0;
    const outcome again = run(LLAMA, dir, "w", 0, N_PROMPT); /* the start is read and saved again */
    check_same(&plain, &again);
    assert_int_equal(again.usage.cached_tokens, 0);
    assert_int_equal(run(LLAMA, dir, "w", 0, N_PROMPT).usage.cached_tokens, N_PROMPT / 64 * 64);
}

static void unlink_it(const char *path, int i) {
    (void)i;
    (void)unlink(path);
}

/* One program whose files leave while it knows the blocks: what it saves later can be found all the same. */
static void what_left_while_a_program_runs_is_saved_again(void **state) {
    (void)state;
    hl_engine *e = NULL;
    hl_model  *m = NULL;
    hl_sched  *s = NULL;
    hl_err     err = {0};
    int32_t    prompt[N_PROMPT];
    char       command[128];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &e, &err), HL_OK);
    assert_int_equal(hl_model_open(e, &LLAMA, 1, NULL, &m, &err), HL_OK);
    if (hl_sched_new(m, &(hl_sched_params){.n_ctx = 1024, .cache_dir = dir, .cache_key = "w"}, &s, &err) !=
        HL_OK)
        fail_msg("%s", err.text);
    hl_sched_request r;
    hl_sched_request_init(&r);
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * i + 3 * i) % 128;
    r.tokens = prompt;
    r.max_tokens = 2;
    for (int step = 0; step < 3; step++) {
        r.n_tokens = (size_t)(300 + 200 * step);
        assert_int_equal(hl_sched_run(s, &r, NULL, &err), HL_OK);
        hl_sched_stats t;
        do {
            (void)usleep(1000);
            hl_sched_get_stats(s, &t);
        } while (t.disk_saved_blocks < (uint64_t)(r.n_tokens / 64) + (step == 1 ? 4 : step == 2 ? 4 + 7 : 0));
        if (step == 0) (void)each_file(unlink_it);
        (void)snprintf(command, sizeof command, "rm -rf %s/[0-9a-f]*[0-9a-f]", dir); /* the folder too */
        if (step == 1) assert_int_equal(system(command), 0);
    }
    hl_sched_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    assert_int_equal(count_lost(), 0);
    assert_int_equal(run(LLAMA, dir, "w", 0, N_PROMPT).usage.cached_tokens, N_PROMPT / 64 * 64);
}

static void blocks_of_weights_that_are_gone_can_be_removed(void **state) {
    (void)state;
    (void)run(LLAMA, dir, "sha256-one", 0, N_PROMPT);
    const int n = each_file(NULL);
    (void)run(LLAMA, dir, "sha256-other", 0, N_PROMPT);
    assert_int_equal(each_file(NULL), 2 * n);
    assert_int_equal(hl_sched_remove_saved(dir, "sha256-on"), 0); /* a part of a name is not the name */
    assert_int_equal(hl_sched_remove_saved("/nowhere", "sha256-one"), 0);
    assert_true(hl_sched_remove_saved(dir, "sha256-one") > (uint64_t)n * 4096);
    assert_int_equal(each_file(NULL), n);
    assert_int_equal(run(LLAMA, dir, "sha256-other", 0, N_PROMPT).usage.cached_tokens, N_PROMPT / 64 * 64);
    assert_int_equal(run(LLAMA, dir, "sha256-one", 0, N_PROMPT).usage.cached_tokens, 0);
}

/* As a user for whom the folder becomes read-only while the program runs. Exits 77 where that cannot be
 * had. */
static int save_into_a_read_only_folder(const outcome *plain) {
    char command[128];
    if (geteuid() == 0 && (chown(dir, 65534, 65534) != 0 || setuid(65534) != 0)) return 77;
    if (access(LLAMA, R_OK) != 0 || access(dir, W_OK) != 0) return 77;
    (void)run(LLAMA, dir, "w", 0, 200); /* makes the folder, saves nothing: too short */
    (void)snprintf(command, sizeof command, "chmod 0500 %s/[0-9a-f]*[0-9a-f]", dir);
    if (system(command) != 0) return 77;
    const outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
    return o.n == plain->n && memcmp(o.answer, plain->answer, sizeof o.answer) == 0 && o.n_warnings == 1 ? 0
                                                                                                         : 1;
}

static void a_folder_that_becomes_read_only_changes_no_answer(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    const pid_t   child = fork();
    if (child == 0) _exit(save_into_a_read_only_folder(&plain));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip_because("no other user to be");
    assert_int_equal(status, 0);
    assert_int_equal(each_file(NULL), 0);
}

static void a_full_disk_changes_no_answer(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    struct rlimit old, none;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = 6000; /* a header fits, a block does not */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    check_same(&plain, &o);
    assert_int_equal(o.n_warnings, 1);    /* one line, not one for each block */
    assert_int_equal(each_file(NULL), 0); /* no half-written file stays */
}

static void a_folder_that_cannot_be_used_changes_no_answer(void **state) {
    (void)state;
    char          path[100];
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    (void)snprintf(path, sizeof path, "%s/file", dir);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    const outcome o = run(LLAMA, path, "w", 0, N_PROMPT); /* a file where the folder should be */
    check_same(&plain, &o);
    assert_int_equal(o.n_warnings, 1);
    const outcome p = run(LLAMA, "/proc/nowhere/cache", "w", 0, N_PROMPT);
    check_same(&plain, &p);
    assert_int_equal(p.n_warnings, 1);
}

static void two_processes_share_a_folder(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    for (int round = 0; round < 3; round++) {
        pid_t children[4];
        for (int i = 0; i < 4; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                const outcome o = run(LLAMA, dir, "w", 60 << 10, N_PROMPT);
                _exit(o.n == plain.n && memcmp(o.answer, plain.answer, sizeof o.answer) == 0 ? 0 : 1);
            }
        }
        for (int i = 0; i < 4; i++) {
            int status = 0;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_int_equal(status, 0);
        }
    }
}

static void killed_while_saving_leaves_nothing_wrong(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    for (int i = 0; i < 25; i++) {
        const pid_t child = fork();
        if (child == 0) {
            (void)run(LLAMA, dir, "w", 0, N_PROMPT);
            _exit(0);
        }
        (void)usleep((unsigned)(i * 1500));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        const outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
        check_same(&plain, &o);
        assert_int_equal(o.n_warnings, 0);
    }
}

static void the_hash_gives_the_published_values(void **state) {
    (void)state;
    /* from: the reference implementation's vectors, key 00 01 .. 0f, inputs of 0 and 1 bytes */
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    const uint8_t  want[2][16] = {
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93},
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}};
    for (size_t n = 0; n < 2; n++) {
        const uint8_t input[1] = {0};
        uint64_t      got[2];
        hl_siphash128(key, input, n, got);
        assert_memory_equal(got, want[n], 16);
    }
}

/* The same by the words of the header, slowly. */
static void mac_slowly(const hl_mac_key *key, const uint8_t *data, size_t n, uint64_t ret[2]) {
    enum { WORDS = HL_MAC_CHUNK_BYTES / 8 };
    static uint8_t buf[1 << 16];
    size_t         used = 0;
    for (size_t at = 0; at < n; at += HL_MAC_CHUNK_BYTES) {
        uint64_t lo = 0, hi = 0, m[WORDS] = {0};
        memcpy(m, data + at, n - at < HL_MAC_CHUNK_BYTES ? n - at : HL_MAC_CHUNK_BYTES);
        for (int i = 0; i < WORDS; i += 2) {
            const uint64_t a = m[i] + key->words[i], b = m[i + 1] + key->words[i + 1];
            /* a * b by halves */
            const uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
            const uint64_t mid = a1 * b0 + (a0 * b0 >> 32), mid2 = a0 * b1 + (mid & 0xffffffff);
            const uint64_t p_lo = (mid2 << 32) | (a0 * b0 & 0xffffffff),
                           p_hi = a1 * b1 + (mid >> 32) + (mid2 >> 32);
            lo += p_lo;
            hi += p_hi + (lo < p_lo);
        }
        memcpy(buf + used, &lo, 8);
        memcpy(buf + used + 8, &hi, 8);
        used += 16;
    }
    const uint64_t n_all = n;
    memcpy(buf + used, &n_all, 8);
    hl_siphash128(key->last, buf, used + 8, ret);
}

static void the_code_of_contents_is_what_it_is_said_to_be(void **state) {
    (void)state;
    static const uint64_t secret[2] = {1, 2}, other[2] = {1, 3};
    static const size_t   sizes[] = {0, 1, 8, 1023, 1024, 1025, 5000, 65536};
    static uint8_t        data[65536];
    hl_mac_key            key, other_key;
    hl_mac_key_init(secret, &key);
    hl_mac_key_init(other, &other_key);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * i >> 3 ^ i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t a[2], b[2];
        hl_mac128(&key, data, sizes[i], a);
        mac_slowly(&key, data, sizes[i], b);
        assert_memory_equal(a, b, 16);
        hl_mac128(&other_key, data, sizes[i], b);
        assert_memory_not_equal(a, b, 16);
        for (size_t bit = 0; bit < 8 * sizes[i]; bit += 997) { /* any bit counts */
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            hl_mac128(&key, data, sizes[i], b);
            assert_memory_not_equal(a, b, 16);
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    uint64_t a[2], b[2];
    memset(data, 0, sizeof data); /* nor do zeros behind it go unseen */
    hl_mac128(&key, data, 100, a);
    hl_mac128(&key, data, 101, b);
    assert_memory_not_equal(a, b, 16);
}

/* ---- who may write ---- */

static uint8_t first_payload[1 << 20];
static ssize_t n_payload;

/* Keys and values of one genuine block under the header of another. */
static void swap_contents(const char *path, int i) {
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (i == 0)
        n_payload = pread(fd, first_payload, sizeof first_payload, 4096);
    else
        assert_int_equal(pwrite(fd, first_payload, (size_t)n_payload, 4096), n_payload);
    (void)close(fd);
}

static void contents_that_we_did_not_write_under_a_name_are_refused(void **state) {
    (void)state;
    const outcome first = run(LLAMA, dir, "w", 0, N_PROMPT);
    assert_true(each_file(swap_contents) >= 10);
    const outcome second = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&first, &second);
    assert_true(second.usage.cached_tokens <= 64); /* the one that was copied from */
    assert_true(second.n_warnings >= 1);
}

static void sign_with_a_wrong_key(const char *path, int i) {
    static const uint64_t wrong[2] = {0, 0};
    hl_kv_header_page     p;
    const int             fd = open(path, O_RDWR);
    (void)i;
    assert_true(fd >= 0 && hl_kv_read_exactly(fd, &p, sizeof p, 0));
    hl_kv_header_sign(&p.h, wrong);
    assert_int_equal(pwrite(fd, &p, sizeof p, 0), sizeof p);
    (void)close(fd);
}

static void a_header_that_is_signed_with_another_secret_is_refused(void **state) {
    (void)state;
    const outcome first = run(LLAMA, dir, "w", 0, N_PROMPT);
    assert_true(each_file(sign_with_a_wrong_key) >= 10);
    const outcome second = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&first, &second);
    assert_int_equal(second.usage.cached_tokens, 0);
    assert_true(second.n_warnings >= 1);
}

/* A link in the place of the secret, or of what it is written to first: whatever it points to is left
 * alone. */
static void a_secret_is_never_written_through_a_link(void **state) {
    (void)state;
    char victim[100], path[100];
    (void)snprintf(victim, sizeof victim, "%s.victim", dir);
    (void)snprintf(path, sizeof path, "%s/secret", dir);
    int fd = open(victim, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, "precious things!", 16), 16);
    (void)close(fd);
    assert_int_equal(symlink(victim, path), 0);
    (void)run(LLAMA, dir, "w", 0, N_PROMPT); /* without a cache */
    assert_int_equal(each_file(NULL), 0);
    char now[17] = "";
    fd = open(victim, O_RDONLY);
    assert_int_equal(read(fd, now, 16), 16);
    (void)close(fd);
    assert_string_equal(now, "precious things!");
    assert_int_equal(unlink(victim), 0);
}

/* ---- a disk that gets full ---- */

static uint64_t disk_bytes, others_bytes; /* 0: the disk that there is */
static uint64_t sum_bytes;

static void add_bytes(const char *path, int i) {
    struct stat st;
    (void)i;
    if (stat(path, &st) == 0) sum_bytes += (uint64_t)st.st_size;
}

int statvfs(const char *path, struct statvfs *ret) {
    typedef int statvfs_fn(const char *, struct statvfs *);
    const int   status = ((statvfs_fn *)dlsym(RTLD_NEXT, "statvfs"))(path, ret);
    if (disk_bytes == 0) return status;
    sum_bytes = 0;
    (void)each_file(add_bytes);
    const uint64_t used = others_bytes + sum_bytes;
    ret->f_frsize = 1;
    ret->f_blocks = disk_bytes;
    ret->f_bavail = ret->f_bfree = used < disk_bytes ? disk_bytes - used : 0;
    return 0;
}

static void the_cache_leaves_room_on_the_disk_and_gives_way(void **state) {
    (void)state;
    const outcome plain = run(LLAMA, NULL, NULL, 0, N_PROMPT);
    (void)run(LLAMA, dir, "w", 0, N_PROMPT);
    (void)each_file(note_bytes);
    const int n_all = each_file(NULL);
    assert_true(n_all >= 10);
    disk_bytes = 1000 * file_bytes; /* of which 50 blocks' worth stay free */

    /* others came meanwhile, up to room for four blocks: who opens the cache makes that true */
    others_bytes = (1000 - 50 - 4) * file_bytes;
    outcome o = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&plain, &o);
    assert_true(each_file(NULL) <= 4 && each_file(NULL) >= 1);
    assert_int_equal(count_lost(), 0);
    assert_int_equal(o.n_warnings, 0); /* it is no fault */

    /* nothing at all is left for it */
    others_bytes = 990 * file_bytes;
    o = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&plain, &o);
    assert_int_equal(each_file(NULL), 0);

    /* and when there is room again, it is used, and no more than that */
    others_bytes = (1000 - 50 - 6) * file_bytes;
    o = run(LLAMA, dir, "w", 0, N_PROMPT);
    check_same(&plain, &o);
    assert_true(each_file(NULL) >= 4 && each_file(NULL) <= 6);
    assert_int_equal(count_lost(), 0);
    others_bytes = (1000 - 50 - n_all - 1) * file_bytes;
    o = run(LLAMA, dir, "w", 0, N_PROMPT);
    assert_int_equal(each_file(NULL), n_all);
    disk_bytes = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_gives_the_published_values),
        cmocka_unit_test(the_code_of_contents_is_what_it_is_said_to_be),
        cmocka_unit_test_setup_teardown(contents_that_we_did_not_write_under_a_name_are_refused, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_header_that_is_signed_with_another_secret_is_refused, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_secret_is_never_written_through_a_link, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_cache_leaves_room_on_the_disk_and_gives_way, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_prompt_comes_back_in_another_run, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_prompt_longer_than_the_writing_queue_is_saved_from_its_begin_on,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(other_weights_find_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_was_computed_in_another_way_is_not_found, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(damaged_files_are_passed_over_and_made_anew, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_file_under_another_name_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_quota_is_kept, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_the_quota_leaves_can_be_found, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(blocks_without_their_begin_leave_first, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_left_while_a_program_runs_is_saved_again, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(blocks_of_weights_that_are_gone_can_be_removed, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_folder_that_becomes_read_only_changes_no_answer, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_full_disk_changes_no_answer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_used_changes_no_answer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(two_processes_share_a_folder, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(killed_while_saving_leaves_nothing_wrong, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
