/* SPDX-License-Identifier: MIT
 *
 * test_kv_disk.c - blocks in files: what was saved comes back in another run, what is damaged or foreign does not, and
 * no fault of the disk changes an answer. On a tiny model of tests/golden/archs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/kv/kv_hash.h"
#include "hyperlama/hyperlama.h"

enum { N_PROMPT = 700, N_ANSWER = 20 };

static char     dir[64];
static uint64_t budget_bytes; /* of the cache in memory; 0: the usual */

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
    uint64_t n_saved, n_loaded;
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
static outcome run(const char *path, const char *cache_dir, const char *weights, uint64_t quota, int32_t n_prompt) {
    outcome    o = {.n = 0};
    hl_engine *e = NULL;
    hl_model  *m = NULL;
    hl_sched  *s = NULL;
    hl_err     err = {0};
    int32_t    prompt[N_PROMPT];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .on_event = count_event, .event_user = &o, .event_level = 1}, &e, &err), HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    const hl_sched_params p = {.n_ctx = 1024, .cache_dir = cache_dir, .cache_key = weights, .cache_quota_bytes = quota,
                               .kv_budget_bytes = budget_bytes};
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_sched_request r;
    hl_sched_request_init(&r);
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * i + 3 * i) % 128;
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
    static const char *const paths[] = {"tests/golden/archs/llama-q4_k.gguf", "tests/golden/archs/gemma3-swa.gguf"};
    for (int i = 0; i < 2; i++) {
        const outcome plain = run(paths[i], NULL, NULL, 0, N_PROMPT);
        const outcome first = run(paths[i], dir, paths[i], 0, N_PROMPT);
        const outcome second = run(paths[i], dir, paths[i], 0, N_PROMPT);
        check_same(&plain, &first);
        check_same(&plain, &second);
        assert_int_equal(first.usage.cached_tokens, 0);
        assert_int_equal(second.usage.cached_tokens, 640); /* 10 whole blocks; the 11th goes into the answer */
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
    budget_bytes = (uint64_t)12 * (8 << 10) * 2; /* a dozen or two blocks: the queue takes a quarter of them */
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
    assert_int_equal(o.n_warnings, 1); /* one line, not one for each block */
    assert_int_equal(each_file(NULL), 0); /* no half-written file stays */
}

static void a_folder_that_cannot_be_used_changes_no_answer(void **state) {
    (void)state;
    char path[100];
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_gives_the_published_values),
        cmocka_unit_test_setup_teardown(a_prompt_comes_back_in_another_run, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_prompt_longer_than_the_writing_queue_is_saved_from_its_begin_on, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(other_weights_find_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(damaged_files_are_passed_over_and_made_anew, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_file_under_another_name_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_quota_is_kept, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_full_disk_changes_no_answer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_used_changes_no_answer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(two_processes_share_a_folder, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(killed_while_saving_leaves_nothing_wrong, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
