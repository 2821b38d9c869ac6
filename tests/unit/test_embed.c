/* SPDX-License-Identifier: MIT
 *
 * test_embed.c - texts to vectors: the bits of a vector depend on nothing else that is computed, texts and
 * requests share passes and blocks without hurting one another, and limits refuse with numbers.
 */
#include "tests/need.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "hyperlama/hyperlama.h"
#include "tests/unit/chain_fixture.h"
#include "tests/unit/fake_runner.h"

enum { N_VOCAB = 128, N_TEXTS = 40, MAX_TOKENS = 400, MAX_EMBD = 320, BLOCK = 64 };

static const char *const LLAMA = "tests/golden/archs/llama-q4_k.gguf";

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
    hl_sched  *s;
    size_t     n_embd;
} setup;

static setup open_all(hl_sched_params p) {
    setup         x = {0};
    hl_err        err = {0};
    hl_model_info info;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &LLAMA, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_sched_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    hl_model_get_info(x.m, &info);
    x.n_embd = (size_t)info.n_embd;
    assert_in_range(x.n_embd, 1, MAX_EMBD);
    return x;
}

static void close_all(setup *x) {
    hl_sched_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static uint64_t block_bytes(void) {
    setup          x = open_all((hl_sched_params){.n_ctx = 1024});
    hl_sched_stats t;
    hl_sched_get_stats(x.s, &t);
    close_all(&x);
    return t.kv_budget_bytes / 64; /* 4 contexts of 16 blocks */
}

static struct {
    int32_t tokens[N_TEXTS][MAX_TOKENS];
    size_t  n[N_TEXTS];
    float   alone[N_TEXTS][MAX_EMBD]; /* what each gets by itself */
} texts;

/* Lengths from 1 to 400, short ones more often. */
static void make_texts(void) {
    uint32_t random = 5;
    for (size_t i = 0; i < N_TEXTS; i++) {
        texts.n[i] = i % 8 == 0 ? MAX_TOKENS - i * 3 : 1 + i * i % 70;
        for (size_t k = 0; k < texts.n[i]; k++) {
            random = random * 1664525 + 1013904223;
            texts.tokens[i][k] = (int32_t)(random >> 20) % N_VOCAB;
        }
    }
}

static hl_status embed(const setup *x, const size_t *which, size_t n, hl_pooling pooling, float *ret,
                       hl_err *err) {
    hl_sched_embed in[N_TEXTS];
    for (size_t i = 0; i < n; i++) {
        const size_t k = which ? which[i] : i;
        in[i] = (hl_sched_embed){.tokens = texts.tokens[k], .n_tokens = texts.n[k], .ret = ret};
        ret += x->n_embd * (pooling == HL_POOLING_NONE ? texts.n[k] : 1);
    }
    return hl_sched_embed_texts(x->s, in, n, pooling, NULL, err);
}

static void embed_ok(const setup *x, const size_t *which, size_t n, hl_pooling pooling, float *ret) {
    hl_err err = {0};
    if (embed(x, which, n, pooling, ret, &err) != HL_OK) fail_msg("%s", err.text);
}

static void embed_each_alone(hl_pooling pooling) {
    setup x = open_all((hl_sched_params){.n_ctx = 1024});
    for (size_t i = 0; i < N_TEXTS; i++) embed_ok(&x, &i, 1, pooling, texts.alone[i]);
    close_all(&x);
}

static void check_all(const setup *x, const float *got, const char *what) {
    for (size_t i = 0; i < N_TEXTS; i++)
        if (memcmp(got + i * x->n_embd, texts.alone[i], x->n_embd * sizeof *got) != 0)
            fail_msg("%s: text %zu of %zu tokens differs", what, i, texts.n[i]);
}

static void all_poolings_come_of_the_same_rows(void **state) {
    (void)state;
    static float rows[MAX_TOKENS * MAX_EMBD], first[MAX_EMBD], last[MAX_EMBD], mean[MAX_EMBD];
    make_texts();
    setup        x = open_all((hl_sched_params){.n_ctx = 1024});
    const size_t long_one = 8, n = texts.n[long_one], d = x.n_embd;
    embed_ok(&x, &long_one, 1, HL_POOLING_NONE, rows);
    embed_ok(&x, &long_one, 1, HL_POOLING_FIRST, first);
    embed_ok(&x, &long_one, 1, HL_POOLING_LAST, last);
    embed_ok(&x, &long_one, 1, HL_POOLING_MEAN, mean);
    assert_memory_equal(first, rows, d * sizeof *rows);
    assert_memory_equal(last, rows + (n - 1) * d, d * sizeof *rows);
    for (size_t k = 0; k < d; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)rows[i * d + k];
        assert_true(fabs(sum / (double)n - (double)mean[k]) < 1e-5);
    }
    assert_memory_not_equal(first, last, d * sizeof *rows);
    close_all(&x);
}

static void a_vector_does_not_depend_on_the_batch(void **state) {
    (void)state;
    static float            got[N_TEXTS * MAX_EMBD];
    static const hl_pooling poolings[] = {HL_POOLING_LAST, HL_POOLING_MEAN, HL_POOLING_FIRST};
    const uint64_t          block = block_bytes();
    make_texts();
    for (size_t i = 0; i < 3; i++) {
        embed_each_alone(poolings[i]);
        const hl_sched_params ways[] = {{.n_ctx = 1024},
                                        {.n_ctx = 1024, .n_batch = 64},
                                        {.n_ctx = 1024, .n_batch = 1},
                                        {.n_ctx = 512, .n_batch = 2048, .n_running_cap = 1},
                                        {.n_ctx = 448, .kv_budget_bytes = 7 * block}};
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            setup x = open_all(ways[k]);
            embed_ok(&x, NULL, N_TEXTS, poolings[i], got);
            check_all(&x, got, "together");
            embed_ok(&x, NULL, N_TEXTS, poolings[i], got);
            check_all(&x, got, "again");
            close_all(&x);
        }
    }
}

/* ---- beside requests ---- */

typedef struct answer {
    int32_t    prompt[300];
    int32_t    tokens[400];
    int32_t    n;
    atomic_int n_done;
    hl_usage   usage;
} answer;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->tokens[a->n++] = t->token;
    return HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    answer *a = user;
    (void)id, (void)status, (void)err;
    a->usage = *usage;
    atomic_fetch_add(&a->n_done, 1);
}

static void ask(const setup *x, answer *a, uint32_t seed, size_t n_prompt, int32_t max_tokens) {
    hl_sched_request r;
    uint64_t         id = 0;
    hl_err           err = {0};
    hl_sched_request_init(&r);
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < n_prompt; i++) a->prompt[i] = (int32_t)((i * 37 + seed * 11) % N_VOCAB);
    r.tokens = a->prompt;
    r.n_tokens = n_prompt;
    r.max_tokens = max_tokens;
    r.ignore_eog = true;
    r.sampling.seed = seed;
    r.on_token = keep_token;
    r.on_done = keep_end;
    r.user = a;
    if (hl_sched_submit(x->s, &r, &id, &err) != HL_OK) fail_msg("%s", err.text);
}

static void wait_for(const answer *a) {
    while (atomic_load(&((answer *)(uintptr_t)a)->n_done) == 0) (void)usleep(200);
}

static void check_answer(const answer *got, const answer *alone) {
    assert_int_equal(got->n, alone->n);
    assert_memory_equal(got->tokens, alone->tokens, (size_t)alone->n * sizeof *alone->tokens);
    assert_int_equal(got->usage.end, alone->usage.end);
}

/* Some answers and all texts at once; with a small cache they take blocks from one another. */
static void answer_and_embed(hl_sched_params p, size_t n_prompt, int32_t max_tokens) {
    enum { N = 3 };
    static answer alone[N], got[N];
    static float  vectors[N_TEXTS * MAX_EMBD];
    for (uint32_t i = 0; i < N; i++) {
        setup x = open_all((hl_sched_params){.n_ctx = p.n_ctx});
        ask(&x, &alone[i], i + 1, n_prompt, max_tokens);
        wait_for(&alone[i]);
        close_all(&x);
    }
    setup x = open_all(p);
    for (uint32_t i = 0; i < N; i++) ask(&x, &got[i], i + 1, n_prompt, max_tokens);
    for (int i = 0; i < 3; i++) {
        embed_ok(&x, NULL, N_TEXTS, HL_POOLING_MEAN, vectors);
        check_all(&x, vectors, "beside answers");
    }
    for (uint32_t i = 0; i < N; i++) {
        wait_for(&got[i]);
        check_answer(&got[i], &alone[i]);
    }
    close_all(&x);
}

static void answers_and_vectors_do_not_change_one_another(void **state) {
    (void)state;
    const uint64_t block = block_bytes();
    make_texts();
    embed_each_alone(HL_POOLING_MEAN);
    answer_and_embed((hl_sched_params){.n_ctx = 1024}, 200, 150);
    answer_and_embed((hl_sched_params){.n_ctx = 1024, .n_batch = 24}, 200, 150);
    answer_and_embed((hl_sched_params){.n_ctx = 448, .n_batch = 32, .kv_budget_bytes = 8 * block}, 150, 250);
    answer_and_embed((hl_sched_params){.n_ctx = 448, .kv_budget_bytes = 7 * block}, 3, 400);
}

/* ---- the end ---- */

static void what_cannot_be_embedded_is_refused_with_numbers(void **state) {
    (void)state;
    static float         got[MAX_EMBD];
    const int32_t        bad[] = {1, N_VOCAB};
    hl_err               err = {0};
    setup                x = open_all((hl_sched_params){.n_ctx = 448, .kv_budget_bytes = 7 * block_bytes()});
    const hl_sched_embed none = {.tokens = bad, .n_tokens = 0, .ret = got};
    const hl_sched_embed odd = {.tokens = bad, .n_tokens = 2, .ret = got};
    static int32_t       many[1000];
    const hl_sched_embed much = {.tokens = many, .n_tokens = 1000, .ret = got};
    assert_int_equal(hl_sched_embed_texts(x.s, &none, 1, HL_POOLING_LAST, NULL, &err), HL_E_ARG);
    assert_string_equal(err.text, "text 0 has no tokens");
    assert_int_equal(hl_sched_embed_texts(x.s, &odd, 1, HL_POOLING_LAST, NULL, &err), HL_E_ARG);
    assert_string_equal(err.text, "text 0: token 1 is 128, expected 0..127");
    assert_int_equal(hl_sched_embed_texts(x.s, &much, 1, HL_POOLING_LAST, NULL, &err), HL_E_FULL);
    assert_string_equal(err.text, "text 0 has 1000 tokens and the context holds 448");
    assert_int_equal(hl_sched_embed_texts(x.s, NULL, 0, HL_POOLING_LAST, NULL, &err), HL_OK);
    close_all(&x);
}

static void texts_for_which_pins_leave_no_room_are_refused(void **state) {
    (void)state;
    static answer a;
    static float  got[MAX_EMBD];
    hl_err        err = {0};
    make_texts();
    setup x = open_all((hl_sched_params){.n_ctx = 448, .kv_budget_bytes = 7 * block_bytes()});
    ask(&x, &a, 1, 3 * BLOCK, 1);
    wait_for(&a);
    assert_int_equal(hl_sched_pin(x.s, a.prompt, 3 * BLOCK, &err), HL_OK);
    const size_t long_one = 0, short_one = 1;
    assert_int_equal(embed(&x, &long_one, 1, HL_POOLING_LAST, got, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "a text of 400 tokens"));
    embed_ok(&x, &short_one, 1, HL_POOLING_LAST, got);
    assert_int_equal(hl_sched_unpin(x.s, a.prompt, 3 * BLOCK, &err), HL_OK);
    embed_ok(&x, &long_one, 1, HL_POOLING_LAST, got);
    close_all(&x);
}

static void *stop_soon(void *user) {
    (void)usleep(3000);
    hl_sched_cancel_all(user);
    return NULL;
}

static void *set_soon(void *user) {
    (void)usleep(3000);
    __atomic_store_n((int *)user, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void texts_are_stopped_by_flag_and_by_scheduler(void **state) {
    (void)state;
    static float got[MAX_TOKENS * MAX_EMBD];
    pthread_t    t;
    hl_status    status = HL_OK;
    int          flag = 0;
    make_texts();
    embed_each_alone(HL_POOLING_LAST);
    setup x = open_all((hl_sched_params){.n_ctx = 1024, .n_batch = 8});
    assert_int_equal(pthread_create(&t, NULL, stop_soon, x.s), 0);
    while (status == HL_OK) status = embed(&x, NULL, N_TEXTS, HL_POOLING_LAST, got, NULL);
    assert_int_equal(status, HL_E_CANCEL);
    (void)pthread_join(t, NULL);
    (void)hl_stop_watch(&flag);
    assert_int_equal(pthread_create(&t, NULL, set_soon, &flag), 0);
    do status = embed(&x, NULL, N_TEXTS, HL_POOLING_LAST, got, NULL);
    while (status == HL_OK);
    assert_int_equal(status, HL_E_CANCEL);
    (void)pthread_join(t, NULL);
    (void)hl_stop_watch(NULL);
    embed_ok(&x, NULL, N_TEXTS, HL_POOLING_LAST, got); /* and nothing is left of it */
    check_all(&x, got, "after stops");
    close_all(&x);
}

typedef struct caller {
    setup    *x;
    pthread_t thread;
    float     got[N_TEXTS * MAX_EMBD];
    hl_status status;
} caller;

static void *embed_often(void *user) {
    caller *c = user;
    for (int i = 0; i < 4 && c->status == HL_OK; i++)
        c->status = embed(c->x, NULL, N_TEXTS, HL_POOLING_MEAN, c->got, NULL);
    return NULL;
}

static void many_callers_get_their_own(void **state) {
    (void)state;
    enum { N = 8 };
    static caller callers[N];
    make_texts();
    embed_each_alone(HL_POOLING_MEAN);
    setup x = open_all((hl_sched_params){.n_ctx = 448, .n_batch = 100, .kv_budget_bytes = 9 * block_bytes()});
    for (int i = 0; i < N; i++) {
        callers[i] = (caller){.x = &x};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, embed_often, &callers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].status, HL_OK);
        check_all(&x, callers[i].got, "one of many callers");
    }
    hl_sched_stats t;
    for (int i = 0; i < 1000; i++) { /* what is held is noted behind the step */
        hl_sched_get_stats(x.s, &t);
        if (t.kv_used_bytes == 0) break;
        (void)usleep(1000);
    }
    assert_int_equal(t.kv_used_bytes, 0);
    assert_int_equal(t.n_done, N * 4);
    close_all(&x);
}

/* ---- text to vector ---- */

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} loaded;

/* Its vectors are 1 where the last token's number is. */
static loaded load(void (*change)(chain_model *c)) {
    char         path[] = "/tmp/hl_embed_XXXXXX";
    loaded       l = {0};
    hl_err       err = {0};
    chain_model *c = chain_new(NULL);
    (void)close(mkstemp(path));
    if (change) change(c);
    hl_status status = chain_save(c, path, &err);
    if (status == HL_OK)
        status = hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &l.e, &err);
    if (status == HL_OK) status = hl_model_open(l.e, (const char *[]){path}, 1, NULL, &l.m, &err);
    if (status == HL_OK) status = hl_runner_new(l.m, NULL, &l.r, &err);
    (void)unlink(path);
    if (status != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_runner_free(l.r);
    hl_model_close(l.m);
    hl_engine_free(l.e);
}

static void check_near(float x, double expected) {
    if (fabs((double)x - expected) > 1e-6) fail_msg("%g, expected %g", (double)x, expected);
}

static void texts_become_vectors_of_length_one(void **state) {
    (void)state;
    loaded               l = load(NULL);
    hl_err               err = {0};
    hl_embeddings        e;
    const int32_t        ids[] = {7, 9};
    const hl_embed_input in[] = {{.text = {"ab", 2}}, {.text = {"q", 1}}, {.tokens = ids, .n_tokens = 2}};
    hl_embed_request     req = {.inputs = in, .n_inputs = 3};
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    assert_int_equal(e.n_rows, 3);
    assert_int_equal(e.n_dims, CHAIN_N_EMBD);
    check_near(e.values['b'], 1);
    check_near(e.values[CHAIN_N_EMBD + 'q'], 1);
    check_near(e.values[2 * CHAIN_N_EMBD + 9], 1);
    assert_int_equal(e.n_tokens[0], 2);
    assert_int_equal(e.n_tokens[1], 1);
    assert_int_equal(e.sum_tokens, 5);
    assert_int_equal(e.n_truncated, 0);
    hl_embeddings_done(&e);

    req.pooling = HL_POOLING_MEAN;
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    check_near(e.values['a'], sqrt(0.5));
    check_near(e.values['b'], sqrt(0.5));
    hl_embeddings_done(&e);

    req.keeps_length = true; /* what the norm makes of a single 1: sqrt(n_embd) */
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    assert_true(fabs((double)e.values['a'] - sqrt(CHAIN_N_EMBD) / 2) < 0.05);
    hl_embeddings_done(&e);
    unload(l);
}

static void a_vector_is_cut_before_its_length_is_made_one(void **state) {
    (void)state;
    loaded               l = load(NULL);
    hl_err               err = {0};
    hl_embeddings        e;
    const hl_embed_input in[] = {{.text = {"ab", 2}}, {.text = {"az", 2}}};
    hl_embed_request     req = {.inputs = in, .n_inputs = 2, .pooling = HL_POOLING_MEAN, .dimensions = 'c'};
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    assert_int_equal(e.n_dims, 'c');
    check_near(e.values['a'], sqrt(0.5));
    check_near(e.values['c' + 'a'], 1); /* z is cut off */
    hl_embeddings_done(&e);
    req.dimensions = CHAIN_N_EMBD + 1;
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_E_ARG);
    assert_string_equal(err.text, "dimensions is 321, expected 1..320");
    hl_embeddings_done(&e);
    unload(l);
}

static void end_texts_with_a_token(chain_model *c) {
    hl_gguf_writer_add_bool(c->f->w, "tokenizer.ggml.add_eos_token", true);
}

static void what_is_too_long_is_cut_or_refused_with_numbers(void **state) {
    (void)state;
    loaded               plain = load(NULL), ending = load(end_texts_with_a_token);
    hl_err               err = {0};
    hl_embeddings        e;
    const hl_embed_input in[] = {{.text = {"x", 1}}, {.text = {"abcdefgh", 8}}};
    hl_embed_request     req = {.inputs = in, .n_inputs = 2, .n_ctx = 4};
    assert_int_equal(hl_runner_embed(plain.r, &req, &e, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "input 1 has 8 tokens and the context holds 4"));
    assert_int_equal(e.sum_tokens, 8);
    assert_int_equal(e.n_ctx, 4);
    hl_embeddings_done(&e);
    req.truncates = true;
    assert_int_equal(hl_runner_embed(plain.r, &req, &e, &err), HL_OK);
    check_near(e.values[CHAIN_N_EMBD + 'd'], 1);
    assert_int_equal(e.n_truncated, 1);
    assert_int_equal(e.n_tokens[1], 4);
    hl_embeddings_done(&e);
    req.pooling = HL_POOLING_NONE; /* a, b, c and the end */
    assert_int_equal(hl_runner_embed(ending.r, &req, &e, &err), HL_OK);
    assert_int_equal(e.n_rows, 2 + 4);
    check_near(e.values[(size_t)4 * CHAIN_N_EMBD + 'c'], 1);
    check_near(e.values[(size_t)5 * CHAIN_N_EMBD + CHAIN_IM_END], 1);
    hl_embeddings_done(&e);
    unload(plain);
    unload(ending);
}

static void say_mean(chain_model *c) { hl_gguf_writer_add_u32(c->f->w, "llama.pooling_type", 1); }
static void say_rank(chain_model *c) { hl_gguf_writer_add_u32(c->f->w, "llama.pooling_type", 4); }
static void say_five(chain_model *c) { hl_gguf_writer_add_u32(c->f->w, "llama.pooling_type", 5); }

static void the_file_says_how_vectors_are_pooled(void **state) {
    (void)state;
    loaded                 mean = load(say_mean), rank = load(say_rank), five = load(say_five);
    hl_err                 err = {0};
    hl_embeddings          e;
    const hl_embed_input   in = {.text = {"ab", 2}};
    const hl_embed_request req = {.inputs = &in, .n_inputs = 1};
    assert_int_equal(hl_runner_embed(mean.r, &req, &e, &err), HL_OK);
    check_near(e.values['a'], sqrt(0.5));
    hl_embeddings_done(&e);
    assert_int_equal(hl_runner_embed(rank.r, &req, &e, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "makes no vectors: use rerank"));
    hl_embeddings_done(&e);
    assert_int_equal(hl_runner_embed(five.r, &req, &e, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "key 'llama.pooling_type' is 5"));
    hl_embeddings_done(&e);
    unload(mean);
    unload(rank);
    unload(five);
}

static void spoil_x(chain_model *c) { c->embd['x'][3] = NAN; }

static void numbers_that_are_none_are_an_error_that_says_where(void **state) {
    (void)state;
    loaded               l = load(spoil_x);
    hl_err               err = {0};
    hl_embeddings        e;
    const hl_embed_input in[] = {{.text = {"ab", 2}}, {.text = {"axb", 3}}};
    hl_embed_request     req = {.inputs = in, .n_inputs = 2};
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "NaN or infinity in the embedding at position 1 (token 120)"));
    hl_embeddings_done(&e);
    req.n_inputs = 1;
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    check_near(e.values['b'], 1);
    hl_embeddings_done(&e);
    unload(l);
}

static void nothing_becomes_nothing(void **state) {
    (void)state;
    loaded               l = load(NULL);
    hl_err               err = {0};
    hl_embeddings        e;
    const hl_embed_input empty = {.text = {"", 0}}, none = {.tokens = (const int32_t[]){1}};
    hl_embed_request     req = {0};
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    assert_int_equal(e.n_rows, 0);
    hl_embeddings_done(&e);
    req = (hl_embed_request){.inputs = &none, .n_inputs = 1};
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_E_ARG);
    hl_embeddings_done(&e);
    req.inputs = &empty; /* a text all the same: from its beginning to its end */
    assert_int_equal(hl_runner_embed(l.r, &req, &e, &err), HL_OK);
    check_near(e.values[CHAIN_BOS], 1);
    hl_embeddings_done(&e);
    unload(l);
}

static void a_runner_without_vectors_says_so(void **state) {
    (void)state;
    static const char *const words[] = {"a"};
    hl_runner               *r = fake_runner_new(words, 1, NULL);
    hl_err                   err = {0};
    hl_embeddings            e;
    const hl_embed_request   req = {0};
    assert_int_equal(hl_runner_embed(r, &req, &e, &err), HL_E_UNSUPPORTED);
    hl_embeddings_done(&e);
    hl_runner_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_poolings_come_of_the_same_rows),
        cmocka_unit_test(a_vector_does_not_depend_on_the_batch),
        cmocka_unit_test(answers_and_vectors_do_not_change_one_another),
        cmocka_unit_test(what_cannot_be_embedded_is_refused_with_numbers),
        cmocka_unit_test(texts_for_which_pins_leave_no_room_are_refused),
        cmocka_unit_test(texts_are_stopped_by_flag_and_by_scheduler),
        cmocka_unit_test(many_callers_get_their_own),
        cmocka_unit_test(texts_become_vectors_of_length_one),
        cmocka_unit_test(a_vector_is_cut_before_its_length_is_made_one),
        cmocka_unit_test(what_is_too_long_is_cut_or_refused_with_numbers),
        cmocka_unit_test(the_file_says_how_vectors_are_pooled),
        cmocka_unit_test(numbers_that_are_none_are_an_error_that_says_where),
        cmocka_unit_test(nothing_becomes_nothing),
        cmocka_unit_test(a_runner_without_vectors_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
