/* SPDX-License-Identifier: MIT
 *
 * test_stop.c - a flag that a thread watches ends its own work and nobody else's.
 */
#include "tests/need.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/base/stop.h"
#include "hyperlama/sched.h"
#include "model_fixture.h"

static void nothing_is_watched_at_first(void **state) {
    (void)state;
    assert_false(hl_stop_asked());
    assert_int_equal(hl_stop_check("read", NULL), HL_OK);
}

static void a_flag_that_is_set_ends_work_with_what_was_done(void **state) {
    (void)state;
    volatile int flag = 0;
    hl_err       err = {0};
    assert_null(hl_stop_watch(&flag));
    assert_int_equal(hl_stop_check("read the vocabulary", &err), HL_OK);
    assert_string_equal(err.text, "");
    flag = 2;
    assert_true(hl_stop_asked());
    assert_int_equal(hl_stop_check("read the vocabulary", &err), HL_E_CANCEL);
    assert_int_equal(err.status, HL_E_CANCEL);
    assert_string_equal(err.text, "read the vocabulary: stopped");
    flag = 0;
    assert_false(hl_stop_asked());
    assert_ptr_equal(hl_stop_watch(NULL), &flag);
    flag = 1;
    assert_false(hl_stop_asked());
}

static void *look(void *ret) {
    *(bool *)ret = hl_stop_asked();
    return NULL;
}

static void other_threads_watch_nothing(void **state) {
    (void)state;
    volatile int flag = 1;
    bool         seen = true;
    pthread_t    thread;
    (void)hl_stop_watch(&flag);
    assert_int_equal(pthread_create(&thread, NULL, look, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(seen);
    assert_true(hl_stop_asked());
    (void)hl_stop_watch(NULL);
}

/* ---- work that ends ---- */

enum { N_VOCAB = 70000 }; /* more than any loop goes on between two looks */

static char model_path[64];

static int make_model(void **state) {
    (void)state;
    hl_err         err;
    const mf_shape shape = {.n_vocab = N_VOCAB,
                            .n_embd = 32,
                            .n_heads = 1,
                            .n_kv_heads = 1,
                            .head_dim = 32,
                            .n_ff = 32,
                            .n_layers = 1,
                            .type = HL_TYPE_q8_0};
    (void)snprintf(model_path, sizeof model_path, "/tmp/hl_stop_%d.gguf", (int)getpid());
    return mf_write(model_path, &shape, &err) == HL_OK ? 0 : -1;
}

static int remove_model(void **state) {
    (void)state;
    return unlink(model_path);
}

static void expect_stop(hl_status status, const hl_err *err, const char *text) {
    (void)hl_stop_watch(NULL);
    assert_int_equal(status, HL_E_CANCEL);
    assert_non_null(strstr(err->text, text));
}

static void opening_a_model_ends(void **state) {
    (void)state;
    const int   flag = 1;
    const char *path = model_path;
    hl_engine  *e = NULL;
    hl_model   *m = NULL;
    hl_err      err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.cpu = test_cpu()}, &e, &err), HL_OK);
    (void)hl_stop_watch(&flag);
    expect_stop(hl_model_open(e, &path, 1, NULL, &m, &err), &err, "read the file's keys: stopped");
    assert_null(m);
    hl_engine_free(e);
}

static void reading_a_vocabulary_ends(void **state) {
    (void)state;
    const int     flag = 1;
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    hl_err        err = {0};
    assert_int_equal(hl_gguf_open(model_path, &g, &err), HL_OK);
    (void)hl_stop_watch(&flag);
    expect_stop(hl_tokenizer_new(g, &t, &err), &err, "read the vocabulary: stopped");
    assert_null(t);
    hl_gguf_close(g);
}

typedef struct opened {
    hl_engine *e;
    hl_model  *m;
} opened;

static opened open_model(void) {
    opened      o = {0};
    const char *path = model_path;
    hl_err      err;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.cpu = test_cpu()}, &o.e, &err), HL_OK);
    assert_int_equal(hl_model_open(o.e, &path, 1, NULL, &o.m, &err), HL_OK);
    return o;
}

static void close_model(opened o) {
    hl_model_close(o.m);
    hl_engine_free(o.e);
}

/* Many short pieces, and one long one: two loops. */
static void tokenizing_ends(void **state) {
    (void)state;
    enum { N = 100000 };
    const int flag = 1;
    opened    o = open_model();
    hl_tokens ids = {0};
    hl_err    err = {0};
    char     *words = malloc(N);
    for (size_t i = 0; i < N; i++) words[i] = i % 2 ? ' ' : (char)('a' + i / 2 % 26);
    assert_int_equal(hl_tokenizer_encode(hl_model_tokenizer(o.m), (hl_view){words, N}, 0, &ids, &err), HL_OK);
    const size_t n_before = ids.n;
    (void)hl_stop_watch(&flag);
    expect_stop(hl_tokenizer_encode(hl_model_tokenizer(o.m), (hl_view){words, N}, 0, &ids, &err), &err,
                "tokenize: stopped");
    assert_int_equal(ids.n, n_before);
    hl_tokens_done(&ids);
    free(words);
    close_model(o);
}

static void a_pass_ends(void **state) {
    (void)state;
    const int32_t token = 7;
    const int     flag = 1;
    opened        o = open_model();
    hl_session   *s = NULL;
    hl_err        err = {0};
    assert_int_equal(hl_session_new(o.m, NULL, &s, &err), HL_OK);
    assert_int_equal(hl_session_eval(s, &token, 1, &err), HL_OK);
    (void)hl_stop_watch(&flag);
    expect_stop(hl_session_eval(s, &token, 1, &err), &err, "stopped");
    assert_int_equal(hl_session_pos(s), 1);
    hl_session_free(s);
    close_model(o);
}

/* Nobody tells the scheduler: it is the waiting caller who watches. */
static void a_request_ends(void **state) {
    (void)state;
    const int32_t    token = 7;
    const int        flag = 1;
    opened           o = open_model();
    hl_sched        *s = NULL;
    hl_usage         usage = {0};
    hl_sched_request r;
    hl_err           err = {0};
    assert_int_equal(hl_sched_new(o.m, NULL, &s, &err), HL_OK);
    hl_sched_request_init(&r);
    r.tokens = &token;
    r.n_tokens = 1;
    r.ignore_eog = true;
    r.max_tokens = 4000;
    (void)hl_stop_watch(&flag);
    const hl_status status = hl_sched_run(s, &r, &usage, &err);
    (void)hl_stop_watch(NULL);
    assert_int_equal(status, HL_OK);
    assert_int_equal(usage.end, HL_END_CANCEL);
    assert_true(usage.answer_tokens < 4000);
    hl_sched_free(s);
    close_model(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_watched_at_first),
        cmocka_unit_test(a_flag_that_is_set_ends_work_with_what_was_done),
        cmocka_unit_test(other_threads_watch_nothing),
        cmocka_unit_test(opening_a_model_ends),
        cmocka_unit_test(reading_a_vocabulary_ends),
        cmocka_unit_test(tokenizing_ends),
        cmocka_unit_test(a_pass_ends),
        cmocka_unit_test(a_request_ends),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
