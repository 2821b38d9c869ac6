/* SPDX-License-Identifier: MIT
 *
 * test_state_disk.c - states of recurrent layers in files: a conversation goes on in another run of the
 * program where the last one ended, to the bit, and whatever happened to the files changes no answer.
 */
#define _GNU_SOURCE
#include "record_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/kv/kv_disk_file.h"
#include "hyperlama/hyperlama.h"

enum { N_VOCAB = 128, N_CTX = 2048, N_ANSWER = 90, N_PROMPT = 300, N_MORE = 70, BLOCK = HL_KV_PAGE_TOKENS };

/* Delta nets, scans of both kinds, short convolutions and keyed delta nets: alone, with attention, with
 * attention of a window shorter than the text, with compressed attention, with experts. */
static const struct {
    const char *name;
    uint32_t    window;
} models[] = {{"qwen35", 0},        {"qwen3next", 0},   {"mamba", 0},    {"mamba2", 0},     {"jamba", 0},
              {"granitehybrid", 0}, {"lfm2", 0},        {"lfm2", 48},    {"jamba", 33},     {"falcon-h1", 0},
              {"lfm2moe", 0},       {"kimi-linear", 0}, {"qwen35", 100}, {"nemotron_h", 0}, {"mamba-rms", 0}};
enum { N_MODELS = sizeof models / sizeof models[0], QWEN35 = 0 };

static char paths[N_MODELS][80];
static char dir[64];

static int write_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_MODELS; i++)
        if (!write_record(models[i].name, N_CTX, models[i].window, paths[i])) return -1;
    return 0;
}

static int remove_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_MODELS; i++) (void)unlink(paths[i]);
    return 0;
}

static int make_dir(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/hl-state-disk.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* ---- a run of a program ---- */

typedef struct program {
    hl_engine *e;
    hl_model  *m;
    hl_sched  *s;
    int        n_warnings;
} program;

typedef struct answer {
    int32_t   ids[N_ANSWER];
    float     logprobs[N_ANSWER];
    int32_t   n;
    hl_usage  usage;
    hl_status status;
    hl_err    err;
} answer;

static void count_event(void *user, int level, const char *component, const char *event, const char *fields) {
    program *p = user;
    (void)component, (void)event, (void)fields;
    if (level <= 1) p->n_warnings++;
}

static uint64_t     quota_bytes; /* 0: the usual */
static hl_speculate speculate = HL_SPECULATE_OFF;

static void begin_with(program *p, size_t i_model, const char *cache_dir, const hl_sched_params *more) {
    hl_err          err = {0};
    const char     *path = paths[i_model];
    hl_sched_params params = *more;
    *p = (program){.n_warnings = 0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2,
                                                       .cpu = test_cpu(),
                                                       .on_event = count_event,
                                                       .event_user = p,
                                                       .event_level = 1},
                                   &p->e, &err),
                     HL_OK);
    if (hl_model_open(p->e, &path, 1, NULL, &p->m, &err) != HL_OK) fail_msg("%s", err.text);
    params.n_ctx = N_CTX;
    params.cache_dir = cache_dir;
    params.cache_key = cache_dir ? path : NULL;
    params.cache_quota_bytes = quota_bytes;
    if (hl_sched_new(p->m, &params, &p->s, &err) != HL_OK) fail_msg("%s", err.text);
}

static void begin(program *p, size_t i_model, const char *cache_dir) {
    begin_with(p, i_model, cache_dir, &(hl_sched_params){.speculate = speculate});
}

static hl_sched_stats end(program *p) {
    hl_sched_stats stats;
    hl_sched_get_stats(p->s, &stats);
    hl_sched_free(p->s);
    hl_model_close(p->m);
    hl_engine_free(p->e);
    return stats;
}

static hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->logprobs[a->n] = t->logprob;
    a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

static const int32_t *prediction; /* [N_ANSWER] of the answer; NULL: none */

/* Threads assert nothing. */
static void try_to_ask(program *p, const int32_t *text, size_t n, answer *ret) {
    hl_sched_request r;
    hl_sched_request_init(&r);
    r.tokens = text;
    r.n_tokens = n;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = true;
    r.sampling.seed = 5;
    r.want_logprobs = true;
    r.on_token = keep_token;
    r.user = ret;
    r.prediction = prediction;
    r.n_prediction = prediction ? N_ANSWER : 0;
    *ret = (answer){.n = 0};
    ret->status = hl_sched_run(p->s, &r, &ret->usage, &ret->err);
}

static answer ask(program *p, const int32_t *text, size_t n) {
    answer a;
    try_to_ask(p, text, n, &a);
    if (a.status != HL_OK) fail_msg("%s", a.err.text);
    assert_int_equal(a.n, N_ANSWER);
    return a;
}

static answer ask_once(size_t i_model, const char *cache_dir, const int32_t *text, size_t n) {
    program p;
    begin(&p, i_model, cache_dir);
    const answer a = ask(&p, text, n);
    (void)end(&p);
    return a;
}

static void check_same(const answer *a, const answer *b) {
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, sizeof a->logprobs);
}

static void fill_text(int32_t which, int32_t n_alike, int32_t from, int32_t n, int32_t *ret) {
    for (int32_t i = from; i < from + n; i++)
        *ret++ = (i * i + 5 * i + (i < n_alike ? 0 : which * (i + 3))) % N_VOCAB;
}

/* A prompt, its answer, and N_MORE tokens: how an agent goes on. Returns how many tokens that are. */
static int32_t go_on(const answer *a, int32_t n_prompt, int32_t *text) {
    memcpy(text + n_prompt, a->ids, sizeof a->ids);
    fill_text(9, 0, n_prompt, N_MORE, text + n_prompt + N_ANSWER);
    return n_prompt + N_ANSWER + N_MORE;
}

/* ---- files ---- */

typedef void file_fn(const char *path, int i);

/* fn for every file whose name ends so; returns how many there are. */
static int each_file(const char *name_end, file_fn *fn) {
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
            if (f->d_name[0] == '.' || !rule_ends(f->d_name, name_end)) continue;
            (void)snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
            if (fn) fn(path, n);
            n++;
        }
        if (sub) (void)closedir(sub);
    }
    if (top) (void)closedir(top);
    return n;
}

static int n_states(void) { return each_file(HL_KV_STATE_END, NULL); }

/* ---- what comes back ---- */

static void a_conversation_goes_on_in_another_run(void **state) {
    (void)state;
    for (size_t k = 0; k < N_MODELS; k++) {
        program p;
        int32_t text[N_CTX];
        fill_text(1, 0, 0, N_PROMPT, text);
        const answer first = ask_once(k, dir, text, N_PROMPT);
        assert_int_equal(first.usage.cached_tokens, 0);
        const answer plain_first = ask_once(k, NULL, text, N_PROMPT);
        check_same(&first, &plain_first);

        const int32_t n = go_on(&first, N_PROMPT, text);
        const answer  plain = ask_once(k, NULL, text, (size_t)n);
        begin(&p, k, dir);
        const answer next = ask(&p, text, (size_t)n);
        check_same(&next, &plain);
        /* whole blocks of all that was computed: the answer's last token was not */
        const int32_t n_cached = (N_PROMPT + N_ANSWER - 1) / BLOCK * BLOCK;
        assert_int_equal(next.usage.cached_tokens, n_cached);
        const hl_sched_stats stats = end(&p);
        assert_int_equal(stats.disk_loaded_blocks, n_cached / BLOCK);
        assert_int_equal(p.n_warnings, 0);

        /* the same prompt again, and one that takes another answer for it: from where the prompt ended */
        const answer again = ask_once(k, dir, text, N_PROMPT);
        check_same(&again, &first);
        assert_int_equal(again.usage.cached_tokens, (N_PROMPT - 1) / BLOCK * BLOCK);
        text[N_PROMPT + 3] = (text[N_PROMPT + 3] + 1) % N_VOCAB;
        const answer plain_other = ask_once(k, NULL, text, (size_t)n);
        const answer other = ask_once(k, dir, text, (size_t)n);
        check_same(&other, &plain_other);
        assert_int_equal(other.usage.cached_tokens, (N_PROMPT - 1) / BLOCK * BLOCK);
    }
}

/* Several rows of a step pass the end of a block, and not all of them are right. */
static void drafted_answers_are_gone_on_from(void **state) {
    (void)state;
    static const size_t with_drafts[] = {0, 3, 4, 6, 9, 11};
    for (size_t i = 0; i < sizeof with_drafts / sizeof with_drafts[0]; i++) {
        const size_t k = with_drafts[i];
        int32_t      text[N_CTX], drafts[N_ANSWER];
        fill_text(1, 0, 0, N_PROMPT, text);
        const answer plain_first = ask_once(k, NULL, text, N_PROMPT);
        for (int32_t g = 0; g < N_ANSWER; g++)
            drafts[g] = (g + (int32_t)i) % 11 == 3 ? (plain_first.ids[g] + 1) % N_VOCAB : plain_first.ids[g];
        speculate = HL_SPECULATE_ALWAYS;
        prediction = drafts;
        const answer first = ask_once(k, dir, text, N_PROMPT);
        prediction = NULL;
        check_same(&first, &plain_first);
        assert_true(first.usage.accepted_tokens > N_ANSWER / 3);
        assert_true(first.usage.drafted_tokens > first.usage.accepted_tokens);
        const int32_t n = go_on(&first, N_PROMPT, text);
        const answer  plain = ask_once(k, NULL, text, (size_t)n);
        const answer  next = ask_once(k, dir, text, (size_t)n);
        speculate = HL_SPECULATE_OFF;
        check_same(&next, &plain);
        assert_int_equal(next.usage.cached_tokens, (N_PROMPT + N_ANSWER - 1) / BLOCK * BLOCK);
    }
}

static void many_steps_leave_few_states(void **state) {
    (void)state;
    int32_t text[N_CTX], n = N_PROMPT, n_before = 0;
    fill_text(2, 0, 0, N_PROMPT, text);
    for (int step = 0; step < 8; step++) {
        const answer a = ask_once(QWEN35, dir, text, (size_t)n);
        if (step > 0) assert_int_equal(a.usage.cached_tokens, n_before / BLOCK * BLOCK);
        n_before = n + N_ANSWER - 1;
        n = go_on(&a, n, text);
        assert_true(n_states() >= 2 && n_states() <= 4);
    }
    assert_int_equal(each_file(HL_KV_END, NULL), n_before / BLOCK);
}

/* Texts that begin alike: the first says nothing of that, the second parts from it, the third profits, in
 * whatever run. */
static void where_texts_part_a_state_is_kept(void **state) {
    (void)state;
    enum { N_ALIKE = 400, N_TEXT = 600 };
    int32_t       text[N_TEXT];
    const int32_t cached[] = {0, 0, N_ALIKE / BLOCK * BLOCK, N_ALIKE / BLOCK * BLOCK};
    for (int32_t which = 0; which < 4; which++) {
        fill_text(which + 1, N_ALIKE, 0, N_TEXT, text);
        const answer plain = ask_once(QWEN35, NULL, text, N_TEXT);
        const answer a = ask_once(QWEN35, dir, text, N_TEXT);
        check_same(&a, &plain);
        assert_int_equal(a.usage.cached_tokens, cached[which]);
    }
}

/* ---- others run beside it ---- */

enum { N_TEXTS = 4, N_REQUESTS = 12, N_LONG = 1500 };

typedef struct request {
    program  *p;
    int32_t   text[N_LONG];
    pthread_t thread;
    answer    got;
} request;

static void *run_request(void *arg) {
    request *r = arg;
    try_to_ask(r->p, r->text, N_LONG, &r->got);
    return NULL;
}

/* Long prompts come back in pieces while others generate and give way. */
static void a_crowd_gets_what_each_would_get_alone(void **state) {
    (void)state;
    static request requests[N_REQUESTS];
    answer         want[N_TEXTS];
    program        p;
    for (int32_t i = 0; i < N_TEXTS; i++) {
        fill_text(i + 1, 700, 0, N_LONG, requests[i].text);
        want[i] = ask_once(QWEN35, NULL, requests[i].text, N_LONG);
        speculate = HL_SPECULATE_ALWAYS; /* what the model's own block drafts from is in the files, too */
        const answer drafted = ask_once(QWEN35, dir, requests[i].text, N_LONG);
        speculate = HL_SPECULATE_OFF;
        check_same(&drafted, &want[i]);
    }
    for (int round = 0; round < 2; round++) {
        hl_sched_params params = {.speculate = HL_SPECULATE_ALWAYS, .n_batch = 96, .n_running_cap = 6};
        if (round == 1) { /* with little room */
            hl_sched_stats stats;
            begin_with(&p, QWEN35, dir, &params);
            stats = end(&p);
            params.kv_budget_bytes = stats.kv_budget_bytes / 3;
        }
        begin_with(&p, QWEN35, dir, &params);
        for (int32_t i = 0; i < N_REQUESTS; i++) {
            requests[i].p = &p;
            fill_text(i % N_TEXTS + 1, 700, 0, N_LONG, requests[i].text);
            assert_int_equal(pthread_create(&requests[i].thread, NULL, run_request, &requests[i]), 0);
        }
        for (int32_t i = 0; i < N_REQUESTS; i++) {
            (void)pthread_join(requests[i].thread, NULL);
            const answer *a = &requests[i].got;
            if (a->status != HL_OK) fail_msg("request %d: %s", i, a->err.text);
            check_same(a, &want[i % N_TEXTS]);
        }
        const hl_sched_stats stats = end(&p);
        assert_true(stats.disk_loaded_blocks > 0 && stats.cached_tokens > 0);
        assert_int_equal(p.n_warnings, 0);
    }
}

static bool is_slow; /* the disk */

int rename(const char *from, const char *to) {
    typedef int rename_fn(const char *, const char *);
    if (is_slow) (void)usleep(20000);
    return ((rename_fn *)dlsym(RTLD_NEXT, "rename"))(from, to);
}

/* Blocks that wait to be written are in the way of a prompt that takes nearly all there are: it waits. */
static void a_prompt_waits_for_blocks_that_are_being_written(void **state) {
    (void)state;
    program         p;
    int32_t         text[N_LONG];
    hl_sched_params params = {.speculate = HL_SPECULATE_OFF, .n_running_cap = 1, .kv_budget_bytes = 1 << 20};
    for (;; params.kv_budget_bytes += 64 << 10) {
        begin_with(&p, QWEN35, dir, &params);
        hl_sched_stats stats;
        hl_sched_get_stats(p.s, &stats);
        if (stats.kv_tokens >= N_LONG + 2 * BLOCK) break;
        (void)end(&p);
    }
    is_slow = true;
    for (int32_t which = 1; which < 4; which++) {
        fill_text(which, 0, 0, N_LONG, text);
        const answer a = ask(&p, text, N_LONG - N_ANSWER);
        assert_int_equal(a.usage.cached_tokens, 0);
    }
    is_slow = false;
    (void)end(&p);
}

/* ---- faults ---- */

static int how;

static void damage(const char *path, int i) {
    struct stat st;
    uint8_t     byte = 0;
    const int   fd = open(path, O_RDWR);
    (void)i;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    const off_t at[] = {0, 100, 4096, st.st_size - 1, 20, 845};
    const int   n_at = (int)(sizeof at / sizeof at[0]);
    if (how < n_at) {
        assert_int_equal(pread(fd, &byte, 1, at[how]), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at[how]), 1);
    } else {
        const off_t sizes[] = {0, 4096, st.st_size / 2, st.st_size + 1};
        assert_int_equal(ftruncate(fd, sizes[how - n_at]), 0);
    }
    (void)close(fd);
}
enum { N_DAMAGES = 10 };

/* What stands in each state, and in each block, is of no use: nothing comes of it, and it is made again. */
static void damaged_files_are_passed_over_and_made_anew(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(3, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, NULL, text, N_PROMPT);
    for (how = 0; how < 2 * N_DAMAGES; how++) {
        program     p;
        const char *name_end = how % 2 ? HL_KV_END : HL_KV_STATE_END;
        const int   was = how;
        (void)ask_once(QWEN35, dir, text, N_PROMPT);
        const int n = n_states();
        assert_true(n >= 1);
        how /= 2;
        (void)each_file(name_end, damage);
        how = was;
        begin(&p, QWEN35, dir);
        const answer a = ask(&p, text, N_PROMPT);
        (void)end(&p);
        check_same(&a, &plain);
        assert_int_equal(a.usage.cached_tokens, 0);
        assert_int_equal(p.n_warnings, 1); /* of the first that was looked at */
        /* those that nobody looked at are found one by one; then all is well again */
        for (int i = 0; i < 10; i++) (void)ask_once(QWEN35, dir, text, N_PROMPT);
        const answer last = ask_once(QWEN35, dir, text, N_PROMPT);
        check_same(&last, &plain);
        assert_int_equal(last.usage.cached_tokens, (N_PROMPT - 1) / BLOCK * BLOCK);
    }
}

static char state_paths[8][1000];

static void note_path(const char *path, int i) {
    if (i < 8) (void)snprintf(state_paths[i], sizeof state_paths[i], "%s", path);
}

/* States under one another's names, and a block as a state: each is whole and ours, and not what it is taken
 * for. */
static void a_file_under_another_name_is_refused(void **state) {
    (void)state;
    int32_t text[N_CTX];
    char    command[1100], aside[80];
    fill_text(4, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, dir, text, N_PROMPT);
    assert_true(each_file(HL_KV_STATE_END, note_path) >= 2);
    (void)snprintf(aside, sizeof aside, "%s.aside", dir);
    assert_int_equal(rename(state_paths[0], aside), 0);
    assert_int_equal(rename(state_paths[1], state_paths[0]), 0);
    assert_int_equal(rename(aside, state_paths[1]), 0);
    answer a = ask_once(QWEN35, dir, text, N_PROMPT);
    check_same(&a, &plain);
    assert_int_equal(a.usage.cached_tokens, 0);
    (void)ask_once(QWEN35, dir, text, N_PROMPT);
    assert_true(each_file(HL_KV_STATE_END, note_path) >= 1);
    (void)snprintf(command, sizeof command, "f='%s'; cp \"${f%%.st}.kv\" \"$f\"", state_paths[0]);
    assert_int_equal(system(command), 0);
    a = ask_once(QWEN35, dir, text, N_PROMPT);
    check_same(&a, &plain);
}

static void remove_third(const char *path, int i) {
    if (i == 2) assert_int_equal(unlink(path), 0);
}

static void blocks_that_are_missing_make_states_behind_them_useless(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(5, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, dir, text, N_PROMPT);
    assert_int_equal(each_file(HL_KV_END, remove_third), 6);
    program p;
    begin(&p, QWEN35, dir);
    const answer a = ask(&p, text, N_PROMPT);
    (void)end(&p);
    check_same(&a, &plain);
    assert_int_equal(p.n_warnings, 0);
    const answer again = ask_once(QWEN35, dir, text, N_PROMPT);
    check_same(&again, &plain);
    assert_int_equal(again.usage.cached_tokens, (N_PROMPT - 1) / BLOCK * BLOCK);
}

static void killed_while_saving_leaves_nothing_wrong(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(6, 0, 0, N_PROMPT, text);
    const answer  first = ask_once(QWEN35, NULL, text, N_PROMPT);
    const int32_t n = go_on(&first, N_PROMPT, text);
    const answer  plain = ask_once(QWEN35, NULL, text, (size_t)n);
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            (void)ask_once(QWEN35, dir, text, N_PROMPT);
            _exit(0);
        }
        (void)usleep((unsigned)(i * 3000));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        program p;
        begin(&p, QWEN35, dir);
        const answer a = ask(&p, text, (size_t)n);
        (void)end(&p);
        check_same(&a, &plain);
        assert_int_equal(p.n_warnings, 0);
        if (i % 4 == 3) (void)remove_dir(state);
    }
}

/* Room for a block, not for a state. */
static void a_full_disk_changes_no_answer(void **state) {
    (void)state;
    struct rlimit old, low;
    struct stat   st;
    int32_t       text[N_CTX];
    fill_text(7, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, dir, text, N_PROMPT);
    assert_true(each_file(HL_KV_STATE_END, note_path) >= 1);
    assert_int_equal(stat(state_paths[0], &st), 0);
    (void)remove_dir(state);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)st.st_size - 100;
    program p;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    begin(&p, QWEN35, dir);
    const answer a = ask(&p, text, N_PROMPT);
    (void)end(&p);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    check_same(&a, &plain);
    assert_int_equal(p.n_warnings, 1);
    assert_int_equal(n_states(), 0);
    assert_int_equal(each_file(".tmp", NULL), 0); /* no half-written file stays */
}

/* As a user for whom the folder becomes read-only while the program runs. Exits 77 where that cannot be
 * had. */
static int save_into_a_read_only_folder(const answer *plain, const int32_t *text) {
    char    command[128];
    program p;
    if (geteuid() == 0 && (chown(dir, 65534, 65534) != 0 || setuid(65534) != 0)) return 77;
    if (access(paths[QWEN35], R_OK) != 0 || access(dir, W_OK) != 0) return 77;
    begin(&p, QWEN35, dir);
    (void)snprintf(command, sizeof command, "chmod 0500 %s/[0-9a-f]*[0-9a-f]", dir);
    if (system(command) != 0) return 77;
    answer a;
    try_to_ask(&p, text, N_PROMPT, &a);
    (void)end(&p);
    return a.status == HL_OK && memcmp(a.ids, plain->ids, sizeof a.ids) == 0 && p.n_warnings == 1 ? 0 : 1;
}

static void a_folder_that_becomes_read_only_changes_no_answer(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(8, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, NULL, text, N_PROMPT);
    const pid_t  child = fork();
    if (child == 0) _exit(save_into_a_read_only_folder(&plain, text));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip_because("no other user to be");
    assert_int_equal(status, 0);
    assert_int_equal(each_file("", NULL), 0);
}

static void a_small_quota_keeps_no_states(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(2, 0, 0, N_PROMPT, text);
    const answer plain = ask_once(QWEN35, NULL, text, N_PROMPT);
    quota_bytes = 64 << 10;
    for (int i = 0; i < 3; i++) {
        const answer a = ask_once(QWEN35, dir, text, N_PROMPT);
        check_same(&a, &plain);
        assert_int_equal(n_states(), 0);
    }
    quota_bytes = 0;
}

static uint64_t said_blocks, said_bytes;

static void note_saved(void *user, const char *key, uint64_t n_blocks, uint64_t bytes) {
    (void)user;
    assert_string_equal(key, paths[QWEN35]);
    said_blocks = n_blocks;
    said_bytes = bytes;
}

/* A state is found by way of its block, so of both the state leaves first, and the last one used stays. */
static void the_quota_takes_states_of_old_texts(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(1, 0, 0, N_PROMPT, text);
    (void)ask_once(QWEN35, dir, text, N_PROMPT);
    hl_sched_each_saved(dir, note_saved, NULL);
    quota_bytes = said_bytes * 5 / 2;
    for (int32_t which = 2; which < 7; which++) {
        fill_text(which, 0, 0, N_PROMPT, text);
        const answer first = ask_once(QWEN35, dir, text, N_PROMPT);
        const answer again = ask_once(QWEN35, dir, text, N_PROMPT);
        check_same(&first, &again);
        assert_int_equal(again.usage.cached_tokens, (N_PROMPT - 1) / BLOCK * BLOCK);
        hl_sched_each_saved(dir, note_saved, NULL);
        assert_true(said_bytes <= quota_bytes);
    }
    quota_bytes = 0;
}

static void states_are_listed_and_removed_with_their_blocks(void **state) {
    (void)state;
    int32_t text[N_CTX];
    fill_text(1, 0, 0, N_PROMPT, text);
    (void)ask_once(QWEN35, dir, text, N_PROMPT);
    hl_sched_each_saved(dir, note_saved, NULL);
    assert_int_equal(said_blocks, (N_PROMPT + N_ANSWER - 1) / BLOCK);
    assert_int_equal(hl_sched_remove_saved(dir, paths[QWEN35]), said_bytes);
    assert_int_equal(each_file("", NULL), 0);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIR(a_conversation_goes_on_in_another_run),
        WITH_DIR(drafted_answers_are_gone_on_from),
        WITH_DIR(many_steps_leave_few_states),
        WITH_DIR(where_texts_part_a_state_is_kept),
        WITH_DIR(a_crowd_gets_what_each_would_get_alone),
        WITH_DIR(a_prompt_waits_for_blocks_that_are_being_written),
        WITH_DIR(damaged_files_are_passed_over_and_made_anew),
        WITH_DIR(a_file_under_another_name_is_refused),
        WITH_DIR(blocks_that_are_missing_make_states_behind_them_useless),
        WITH_DIR(killed_while_saving_leaves_nothing_wrong),
        WITH_DIR(a_full_disk_changes_no_answer),
        WITH_DIR(a_folder_that_becomes_read_only_changes_no_answer),
        WITH_DIR(a_small_quota_keeps_no_states),
        WITH_DIR(the_quota_takes_states_of_old_texts),
        WITH_DIR(states_are_listed_and_removed_with_their_blocks),
    };
    return cmocka_run_group_tests_name("state_disk", tests, write_models, remove_models);
}
