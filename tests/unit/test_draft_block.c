/* SPDX-License-Identifier: MIT
 *
 * test_draft_block.c - models with a block of their own that drafts: answers are the same with it and
 * without, whoever else runs, whatever is cached or refused; and good drafts are accepted.
 */
#include "tests/golden/skeleton_rules.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "hyperlama/hyperlama.h"
#include "lora_fixture.h"

enum { N_VOCAB = 128, N_EMBD = 64, N_CTX = 512, N_REQUESTS = 6, N_ANSWER = 60, N_PROMPT = 200 };

/* Layers that keep a state; the same with experts; low-rank attention, with branches. */
static const char *const names[] = {"qwen35", "qwen35moe", "deepseek2"};
enum { N_NAMES = 3 };

/* RANDOM: weights by rule. Else the next token is the newest one plus 1, and the block says so: of the newest
 * token, or (HIDDEN) of what the model made of the one before it, which is right for one token only. */
typedef enum kind { RANDOM, RIGHT, HIDDEN, N_KINDS } kind;

static char paths[N_NAMES][N_KINDS][80];

static bool is_one_of(const char *name, const char *const *parts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

/* Embeddings, moved on by so many tokens. */
static json_t *embeddings(int by) {
    json_t *values = json_array();
    for (int t = 0; t < N_VOCAB; t++) {
        uint32_t x = (uint32_t)((t + N_VOCAB - by) % N_VOCAB) * 7919u + 1;
        for (int c = 0; c < N_EMBD; c++) {
            x = x * 1664525u + 1013904223u;
            json_array_append_new(values, json_real((x >> 31) ? 1.0 : -1.0));
        }
    }
    return values;
}

static void give_values(json_t *row, json_t *values) {
    json_array_append_new(row, json_pack("{so}", "values", values));
}

/* Blocks that add nothing, and an output that is the embedding moved on by a token. */
static void make_right(json_t *model, kind k) {
    static const char *const silent[] = {"attn_output.", "ffn_down", "ssm_out."};
    static const char *const plain_norms[] = {"norm"};
    json_t                  *tensors = json_object_get(model, "tensors"), *row = NULL;
    size_t                   i = 0;
    if (k == HIDDEN)
        json_array_append_new(
            tensors, json_pack("[s[ii]s]", "blk.4.nextn.shared_head_head.weight", N_EMBD, N_VOCAB, "f32"));
    json_array_foreach(tensors, i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        if (is_one_of(name, silent, 3))
            json_array_append_new(row, json_pack("{sfsf}", "base", 0.0, "spread", 0.0));
        else if (is_one_of(name, plain_norms, 1))
            json_array_append_new(row, json_pack("{sfsf}", "base", 1.0, "spread", 0.0));
        else if (strcmp(name, "token_embd.weight") == 0)
            give_values(row, embeddings(0));
        else if (strcmp(name, "output.weight") == 0)
            give_values(row, embeddings(1));
        else if (strstr(name, "shared_head_head"))
            give_values(row, embeddings(2));
        if (!strstr(name, "nextn.eh_proj")) continue;
        json_t *values = json_array();
        for (int r = 0; r < N_EMBD; r++)
            for (int c = 0; c < 2 * N_EMBD; c++)
                json_array_append_new(values, json_real(c == r + (k == HIDDEN ? N_EMBD : 0)));
        give_values(row, values);
    }
}

static int write_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            char    path[120], key[64];
            size_t  at = 0;
            json_t *pair = NULL;
            (void)snprintf(path, sizeof path, "tests/golden/archs2/%s.skeleton.json", names[i]);
            (void)snprintf(key, sizeof key, "%s.context_length", names[i]);
            json_t *model = json_load_file(path, 0, NULL);
            if (!model) return -1;
            json_array_foreach(json_object_get(model, "kv"), at, pair) {
                if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0)
                    json_array_set_new(pair, 2, json_integer(N_CTX));
            }
            if (k != RANDOM) make_right(model, (kind)k);
            (void)snprintf(paths[i][k], sizeof paths[i][k], "/tmp/hl-drafts-%s-%d-%d.gguf", names[i], k,
                           (int)getpid());
            fill_by_rules(model, HL_TYPE_f32, paths[i][k]);
            json_decref(model);
        }
    return 0;
}

static int remove_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) (void)unlink(paths[i][k]);
    return 0;
}

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
} setup;

static setup open_it(size_t i_name, kind k) {
    setup       x = {0};
    hl_err      err = {0};
    const char *path = paths[i_name][k];
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_it(setup *x) {
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* ---- requests ---- */

typedef struct answer {
    int32_t         ids[N_ANSWER];
    float           logprobs[N_ANSWER];
    int32_t         n;
    hl_usage        usage;
    hl_status       status;
    pthread_mutex_t lock;
    pthread_cond_t  ended;
    bool            is_done;
} answer;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->logprobs[a->n] = t->logprob;
    a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    answer *a = user;
    (void)id;
    (void)err;
    (void)pthread_mutex_lock(&a->lock);
    a->status = status;
    a->usage = *usage;
    a->is_done = true;
    (void)pthread_cond_signal(&a->ended);
    (void)pthread_mutex_unlock(&a->lock);
}

/* Prompts begin alike, some for a block and more; half of the answers are sampled, one is not drafted for. */
static void ask_all(setup *x, hl_sched_params p, answer *ret) {
    hl_sched *s = NULL;
    hl_err    err = {0};
    int32_t   prompts[N_REQUESTS][N_PROMPT];
    p.n_ctx = N_CTX;
    if (hl_sched_new(x->m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
    memset(ret, 0, N_REQUESTS * sizeof *ret);
    for (int32_t i = 0; i < N_REQUESTS; i++) {
        hl_sched_request r;
        uint64_t         id = 0;
        for (int32_t k = 0; k < N_PROMPT; k++)
            prompts[i][k] = (k * k + 5 * k + (k < 90 * (i % 3) ? 0 : i * (k + 3))) % N_VOCAB;
        (void)pthread_mutex_init(&ret[i].lock, NULL);
        (void)pthread_cond_init(&ret[i].ended, NULL);
        hl_sched_request_init(&r);
        r.tokens = prompts[i];
        r.n_tokens = (size_t)(N_PROMPT - 31 * i);
        r.max_tokens = N_ANSWER;
        r.ignore_eog = true;
        r.sampling.seed = 5;
        if (i % 2 == 0) r.sampling.temperature = 0;
        r.want_logprobs = true;
        r.speculate = i == 5 ? HL_SPECULATE_OFF : HL_SPECULATE_AUTO;
        r.on_token = keep_token;
        r.on_done = keep_end;
        r.user = &ret[i];
        if (hl_sched_submit(s, &r, &id, &err) != HL_OK) fail_msg("%s", err.text);
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        (void)pthread_mutex_lock(&ret[i].lock);
        while (!ret[i].is_done) (void)pthread_cond_wait(&ret[i].ended, &ret[i].lock);
        (void)pthread_mutex_unlock(&ret[i].lock);
        assert_int_equal(ret[i].status, HL_OK);
        assert_int_equal(ret[i].n, N_ANSWER);
    }
    hl_sched_free(s);
}

static void check_same(const answer *a, const answer *b) {
    for (int i = 0; i < N_REQUESTS; i++) {
        assert_memory_equal(a[i].ids, b[i].ids, sizeof a[i].ids);
        assert_memory_equal(a[i].logprobs, b[i].logprobs, sizeof a[i].logprobs);
    }
}

static answer plain[N_REQUESTS], drafted[N_REQUESTS];

static void its_drafts_change_no_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            setup x = open_it(i, (kind)k);
            ask_all(&x, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, plain);
            static const hl_speculate how[] = {HL_SPECULATE_ALWAYS, HL_SPECULATE_AUTO};
            for (int h = 0; h < 2; h++) {
                ask_all(&x, (hl_sched_params){.speculate = how[h]}, drafted);
                check_same(plain, drafted);
                assert_int_equal(drafted[5].usage.drafted_tokens, 0);
            }
            /* few rows at once, and requests that wait for one another */
            ask_all(&x,
                    (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS, .n_batch = 40, .n_running_cap = 3},
                    drafted);
            check_same(plain, drafted);
            close_it(&x);
        }
}

/* The block drafts as if there were no adapters, and what the last layers made of a token with them is
 * what it goes on from. */
static void adapters_and_its_drafts_change_no_answer(void **state) {
    (void)state;
    static answer    without[N_REQUESTS];
    const lf_adapter l = {.seed = 4, .rank = 8, .alpha = 8, .only = "blk.3.attn_output"};
    char             path[80];
    (void)snprintf(path, sizeof path, "/tmp/hl-drafts-adapter-%d.gguf", (int)getpid());
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            hl_err  err = {0};
            int32_t n_drafted = 0;
            setup   x = open_it(i, (kind)k);
            assert_int_equal(lf_write(path, &l, paths[i][k]), 1);
            ask_all(&x, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, without);
            close_it(&x);
            x = open_it(i, (kind)k);
            if (hl_model_add_adapter(x.m, path, NULL, 1, &err) != HL_OK) fail_msg("%s", err.text);
            ask_all(&x, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, plain);
            assert_true(memcmp(plain[0].logprobs, without[0].logprobs, sizeof plain[0].logprobs) != 0);
            ask_all(&x, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS}, drafted);
            check_same(plain, drafted);
            for (int r = 0; r < N_REQUESTS; r++) n_drafted += drafted[r].usage.drafted_tokens;
            assert_true(n_drafted > 0);
            close_it(&x);
        }
    (void)unlink(path);
}

/* Nothing repeats itself, so that no draft comes from the text. */
static void good_drafts_are_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = RIGHT; k < N_KINDS; k++) {
            setup         x = open_it(i, (kind)k);
            hl_model_info info;
            hl_model_get_info(x.m, &info);
            assert_true(info.drafts_itself);
            ask_all(&x, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS}, drafted);
            for (int r = 0; r < 5; r++) {
                const hl_usage *u = &drafted[r].usage;
                const int32_t   on = drafted[r].ids[1] - drafted[r].ids[0];
                assert_true(on == 1 || on == 1 - N_VOCAB);
                print_message("%s, %s: %d of %d drafts\n", names[i], k == RIGHT ? "tokens" : "hidden",
                              (int)u->accepted_tokens, (int)u->drafted_tokens);
                assert_true(u->accepted_tokens >= N_ANSWER / 3);
                if (k == RIGHT)
                    assert_true(u->accepted_tokens * 10 >= (u->drafted_tokens - u->drafted_branches) * 9);
            }
            close_it(&x);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_drafts_change_no_answer),
        cmocka_unit_test(adapters_and_its_drafts_change_no_answer),
        cmocka_unit_test(good_drafts_are_accepted),
    };
    return cmocka_run_group_tests_name("draft_block", tests, write_models, remove_models);
}
