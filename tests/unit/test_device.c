/* SPDX-License-Identifier: MIT
 *
 * test_device.c - everything above the device touches keys and values through it alone.
 *
 * A device that counts hands all calls on to the CPU's, and the memory of the cache can be touched only while
 * one of them runs: who went past it would end in a fault. Sessions, shared prefixes, forks, draft models and
 * blocks in files must answer as they do on the plain CPU.
 */
#define _GNU_SOURCE
#include "tests/golden/skeleton.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/forward/device.h"
#include "engine/kv/kv_host.h"
#include "hyperlama/hyperlama.h"

enum { N_PROMPT = 300, N_SHARED = 230, N_ANSWER = 40, N_VOCAB = 128, MAX_STORES = 8 };

/* ---- a device that counts ---- */

static struct {
    pthread_mutex_t lock;
    hl_kv_host     *stores[MAX_STORES];
    uint32_t        n_inside; /* calls that run */
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    atomic_uint n_passes, n_evals, n_stores, n_copies, n_reads, n_writes;
    bool        refuses_stores, refuses_reads, refuses_writes;
} calls;

static void allow(int how) {
    for (size_t i = 0; i < MAX_STORES; i++)
        if (guard.stores[i])
            assert_int_equal(mprotect(guard.stores[i]->data, guard.stores[i]->total_bytes, how), 0);
}

static void enter(void) {
    (void)pthread_mutex_lock(&guard.lock);
    if (guard.n_inside++ == 0) allow(PROT_READ | PROT_WRITE);
    (void)pthread_mutex_unlock(&guard.lock);
}

static void leave(void) {
    (void)pthread_mutex_lock(&guard.lock);
    if (--guard.n_inside == 0) allow(PROT_NONE);
    (void)pthread_mutex_unlock(&guard.lock);
}

static hl_kv_host **slot_of(hl_kv_host *store) {
    size_t i = 0;
    while (i < MAX_STORES && guard.stores[i] != store) i++;
    assert_in_range(i, 0, MAX_STORES - 1);
    return &guard.stores[i];
}

static size_t block_bytes(const hl_kv_shape *s) { return hl_kv_host_ops.block_bytes(s); }

static hl_status create_store(const hl_kv_shape *s, uint32_t n_blocks, void **ret_store, hl_err *err) {
    if (calls.refuses_stores) return hl_fail(err, HL_E_NOMEM, "no memory on the device");
    enter();
    const hl_status status = hl_kv_host_ops.create(s, n_blocks, ret_store, err);
    if (status == HL_OK) *slot_of(NULL) = *ret_store;
    leave();
    calls.n_stores++;
    return status;
}

static void destroy_store(void *store) {
    enter();
    *slot_of(store) = NULL;
    hl_kv_host_ops.destroy(store);
    leave();
}

static void copy(void *store, uint32_t from, uint32_t to) {
    enter();
    hl_kv_host_ops.copy(store, from, to);
    leave();
    calls.n_copies++;
}

static hl_status read_block(void *store, uint32_t block, size_t at, size_t n, void *to, hl_err *err) {
    calls.n_reads++;
    if (calls.refuses_reads) return hl_fail(err, HL_E_IO, "the device reads nothing");
    enter();
    const hl_status status = hl_kv_host_ops.read(store, block, at, n, to, err);
    leave();
    return status;
}

static hl_status write_block(void *store, uint32_t block, size_t at, size_t n, const void *from,
                             hl_err *err) {
    calls.n_writes++;
    if (calls.refuses_writes) return hl_fail(err, HL_E_IO, "the device writes nothing");
    enter();
    const hl_status status = hl_kv_host_ops.write(store, block, at, n, from, err);
    leave();
    return status;
}

static hl_status create_pass(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, void **ret_pass,
                             hl_err *err) {
    calls.n_passes++;
    return hl_device_cpu()->create(m, n_rows_cap, n_ctx, ret_pass, err);
}

static hl_status eval(void *pass, const hl_batch *b, const atomic_bool *stop, float *ret_logits,
                      hl_err *err) {
    calls.n_evals++;
    enter();
    const hl_status status = hl_device_cpu()->eval(pass, b, stop, ret_logits, err);
    leave();
    return status;
}

static const hl_kv_ops counting_kv = {
    .block_bytes = block_bytes,
    .create = create_store,
    .destroy = destroy_store,
    .copy = copy,
    .read = read_block,
    .write = write_block,
};

static hl_device counting(void) {
    hl_device d = *hl_device_cpu();
    d.name = "counting";
    d.create = create_pass;
    d.eval = eval;
    d.kv = &counting_kv;
    return d;
}

/* ---- what runs on it ---- */

typedef struct setup {
    hl_device  device;
    hl_engine *e;
    hl_model  *m, *draft;
    hl_sched  *s;
    uint32_t   n_warnings;
} setup;

static char model_path[80], dir[64];

static int make_files(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/hl-device.XXXXXX");
    if (!mkdtemp(dir)) return -1;
    (void)snprintf(model_path, sizeof model_path, "%s.gguf", dir);
    json_t *model = json_load_file("tests/golden/archs/llama-by-layer-8.json", 0, NULL);
    if (!model) return -1;
    fill_skeleton(model, HL_TYPE_q8_0, model_path);
    json_decref(model);
    return 0;
}

static int remove_files(void **state) {
    char command[200];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s' '%s'", dir, model_path);
    return system(command);
}

static void count_warning(void *user, int level, const char *component, const char *event,
                          const char *fields) {
    setup *x = user;
    (void)component, (void)event, (void)fields;
    if (level <= 1) x->n_warnings++;
}

static hl_status open_setup(bool is_counted, const char *cache_dir, bool has_draft, setup *x, hl_err *err) {
    const char *path = model_path;
    *x = (setup){.device = counting()};
    const hl_engine_params ep = {
        .n_threads = 2, .cpu = test_cpu(), .on_event = count_warning, .event_user = x, .event_level = 1};
    assert_int_equal(hl_engine_new(&ep, &x->e, err), HL_OK);
    if (is_counted) x->e->device = &x->device;
    if (hl_model_open(x->e, &path, 1, NULL, &x->m, err) != HL_OK) fail_msg("%s", err->text);
    if (has_draft && hl_model_open(x->e, &path, 1, NULL, &x->draft, err) != HL_OK) fail_msg("%s", err->text);
    const hl_sched_params p = {.n_ctx = 512,
                               .cache_dir = cache_dir,
                               .cache_key = "weights",
                               .draft = x->draft,
                               .speculate = is_counted ? HL_SPECULATE_ALWAYS : HL_SPECULATE_OFF};
    return hl_sched_new(x->m, &p, &x->s, err);
}

static void close_setup(setup *x) {
    hl_sched_free(x->s);
    hl_model_close(x->draft);
    hl_model_close(x->m);
    hl_engine_free(x->e);
    for (size_t i = 0; i < MAX_STORES; i++) assert_null(guard.stores[i]);
}

typedef struct answer {
    int32_t ids[N_ANSWER];
    int32_t n, n_cached, n_branches;
} answer;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

/* Prompts begin alike; `which` says how they end. Where the answer is known, it is predicted three times with
 * other mistakes each: where one is wrong another one is right, and both are verified, on forks. */
static answer ask(setup *x, int32_t which, const answer *known) {
    int32_t          prompt[N_PROMPT], prediction[3 * N_ANSWER];
    answer           a = {.n = 0};
    hl_usage         usage;
    hl_err           err = {0};
    hl_sched_request r;
    hl_sched_request_init(&r);
    for (int32_t i = 0; i < N_PROMPT; i++)
        prompt[i] = (i * i + 3 * i + (i < N_SHARED ? 0 : which * (i + 5))) % N_VOCAB;
    r.tokens = prompt;
    r.n_tokens = N_PROMPT;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = true;
    r.sampling.seed = 3;
    r.on_token = keep_token;
    r.user = &a;
    for (int32_t i = 0; known && i < 3 * N_ANSWER; i++) {
        const int32_t at = i % N_ANSWER, copy = i / N_ANSWER;
        prediction[i] = (known->ids[at] + (at % 9 == 3 * copy ? 1 + copy : 0)) % N_VOCAB;
    }
    r.prediction = known ? prediction : NULL;
    r.n_prediction = known ? 3 * N_ANSWER : 0;
    if (hl_sched_run(x->s, &r, &usage, &err) != HL_OK) fail_msg("%s", err.text);
    a.n_cached = usage.cached_tokens;
    a.n_branches = usage.drafted_branches;
    return a;
}

static void check_same(const answer *a, const answer *b) {
    assert_int_equal(a->n, N_ANSWER);
    assert_int_equal(b->n, N_ANSWER);
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
}

static void the_plain_answers(answer ret[2]) {
    hl_err err = {0};
    for (int32_t i = 0; i < 2; i++) {
        setup x;
        if (open_setup(false, NULL, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
        ret[i] = ask(&x, i, NULL);
        close_setup(&x);
    }
}

static void keys_and_values_are_reached_through_the_device_alone(void **state) {
    setup  x;
    answer want[2], got;
    hl_err err = {0};
    (void)state;
    the_plain_answers(want);
    assert_int_equal(calls.n_evals, 0);
    if (open_setup(true, dir, true, &x, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(calls.n_stores, 2); /* of the model and of its draft model */
    assert_int_equal(calls.n_passes, 2);
    got = ask(&x, 0, NULL);
    check_same(&want[0], &got);
    assert_true(calls.n_evals > 0);
    const uint32_t n_before = calls.n_copies;
    got = ask(&x, 0, &want[0]);
    check_same(&want[0], &got);
    assert_true(got.n_branches > 0);
    assert_true(calls.n_copies > n_before + 1); /* forks begin with a copy of a partial block */
    const uint32_t n_copies = calls.n_copies;
    got = ask(&x, 1, NULL);
    check_same(&want[1], &got);
    assert_int_equal(got.n_cached, N_SHARED); /* three blocks, and a copy of the start of the fourth */
    assert_true(calls.n_copies > n_copies);
    assert_int_equal(calls.n_writes, 0);
    close_setup(&x); /* what waits is written first */
    assert_true(calls.n_reads >= N_PROMPT / HL_KV_PAGE_TOKENS);
    if (open_setup(true, dir, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
    got = ask(&x, 0, NULL);
    check_same(&want[0], &got);
    assert_int_equal(got.n_cached, N_PROMPT / HL_KV_PAGE_TOKENS * HL_KV_PAGE_TOKENS);
    assert_true(calls.n_writes >= N_PROMPT / HL_KV_PAGE_TOKENS);
    close_setup(&x);
}

/* Logits behind 100 tokens, some of which are forgotten and read once more. */
static void read_all(bool is_counted, float *ret) {
    setup       x;
    hl_session *session = NULL;
    hl_err      err = {0};
    int32_t     tokens[100];
    if (open_setup(is_counted, NULL, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
    for (int32_t i = 0; i < 100; i++) tokens[i] = (7 * i + 1) % N_VOCAB;
    if (hl_session_new(x.m, &(hl_session_params){.n_ctx = 128}, &session, &err) != HL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(hl_session_eval(session, tokens, 100, &err), HL_OK);
    hl_session_truncate(session, 70);
    assert_int_equal(hl_session_eval(session, tokens + 70, 30, &err), HL_OK);
    memcpy(ret, hl_session_logits(session), N_VOCAB * sizeof *ret);
    hl_session_free(session);
    close_setup(&x);
}

static void a_session_runs_on_the_engine_s_device(void **state) {
    float          want[N_VOCAB], got[N_VOCAB];
    const uint32_t n_evals = calls.n_evals;
    (void)state;
    read_all(false, want);
    assert_int_equal(calls.n_evals, n_evals);
    read_all(true, got);
    assert_int_equal(calls.n_evals, n_evals + 2);
    assert_memory_equal(want, got, sizeof want);
}

static void a_device_that_fails_changes_no_answer(void **state) {
    setup  x;
    answer want[2], got;
    hl_err err = {0};
    (void)state;
    the_plain_answers(want);
    calls.refuses_stores = true;
    assert_int_equal(open_setup(true, dir, false, &x, &err), HL_E_NOMEM);
    assert_string_equal(err.text, "no memory on the device");
    close_setup(&x);
    calls.refuses_stores = false;
    calls.refuses_reads = true; /* nothing is saved */
    if (open_setup(true, dir, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
    got = ask(&x, 0, NULL);
    check_same(&want[0], &got);
    hl_sched_free(x.s); /* what waits is tried first */
    x.s = NULL;
    assert_true(x.n_warnings > 0);
    close_setup(&x);
    calls.refuses_reads = false;
    if (open_setup(true, dir, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
    got = ask(&x, 0, NULL);
    check_same(&want[0], &got);
    assert_int_equal(got.n_cached, 0);
    close_setup(&x);
    calls.refuses_writes = true; /* nothing comes back */
    if (open_setup(true, dir, false, &x, &err) != HL_OK) fail_msg("%s", err.text);
    got = ask(&x, 0, NULL);
    check_same(&want[0], &got);
    assert_int_equal(got.n_cached, 0);
    assert_true(x.n_warnings > 0);
    close_setup(&x);
    calls.refuses_writes = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_and_values_are_reached_through_the_device_alone, make_files,
                                        remove_files),
        cmocka_unit_test_setup_teardown(a_session_runs_on_the_engine_s_device, make_files, remove_files),
        cmocka_unit_test_setup_teardown(a_device_that_fails_changes_no_answer, make_files, remove_files),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
