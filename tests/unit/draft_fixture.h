/* SPDX-License-Identifier: MIT
 *
 * draft_fixture.h - requests whose answers must be the same whatever drafts for them, and what models are
 * made of whose next token is the newest one plus 1.
 */
#ifndef HL_TESTS_UNIT_DRAFT_FIXTURE_H
#define HL_TESTS_UNIT_DRAFT_FIXTURE_H

#include "tests/golden/skeleton_rules.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "hyperlama/hyperlama.h"

enum { N_VOCAB = 128, N_EMBD = 64, N_CTX = 512, N_REQUESTS = 6, N_ANSWER = 60, N_PROMPT = 200 };

/* ---- models ---- */

static inline bool is_one_of(const char *name, const char *const *parts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

/* Embeddings, moved on by so many tokens; of each the first n_cols values. */
static inline json_t *embeddings(int by, int n_cols) {
    json_t *values = json_array();
    for (int t = 0; t < N_VOCAB; t++) {
        uint32_t x = (uint32_t)((t + N_VOCAB - by) % N_VOCAB) * 7919u + 1;
        for (int c = 0; c < N_EMBD; c++) {
            x = x * 1664525u + 1013904223u;
            if (c < n_cols) json_array_append_new(values, json_real((x >> 31) ? 1.0 : -1.0));
        }
    }
    return values;
}

/* Instead of the one that it has. */
static inline void set_rule(json_t *row, json_t *rule) {
    while (json_array_size(row) > 3) (void)json_array_remove(row, 3);
    json_array_append_new(row, rule);
}

static inline void give_values(json_t *row, json_t *values) {
    set_rule(row, json_pack("{so}", "values", values));
}

/* A matrix that takes n_out of n_in values, from `first` on. */
static inline void give_part(json_t *row, int n_in, int n_out, int first) {
    json_t *values = json_array();
    for (int r = 0; r < n_out; r++)
        for (int c = 0; c < n_in; c++) json_array_append_new(values, json_real(c == first + r));
    give_values(row, values);
}

/* Blocks that add nothing, norms that only norm. */
static inline void silence(json_t *model) {
    static const char *const silent[] = {"attn_output.", "ffn_down", "ssm_out.", ".proj."};
    static const char *const plain[] = {"norm", "layer_output_scale"};
    size_t                   i = 0;
    json_t                  *row = NULL;
    json_array_foreach(json_object_get(model, "tensors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        if (is_one_of(name, silent, 4))
            set_rule(row, json_pack("{sfsf}", "base", 0.0, "spread", 0.0));
        else if (is_one_of(name, plain, 2))
            set_rule(row, json_pack("{sfsf}", "base", 1.0, "spread", 0.0));
    }
}

/* The tensor of that name, which is added where there is none. */
static inline json_t *tensor_of(json_t *model, const char *name, int n_in, int n_out) {
    json_t *tensors = json_object_get(model, "tensors"), *row = NULL;
    size_t  i = 0;
    json_array_foreach(tensors, i, row) {
        if (strcmp(json_string_value(json_array_get(row, 0)), name) == 0) return row;
    }
    row = json_pack("[s[ii]s]", name, n_in, n_out, "f32");
    json_array_append_new(tensors, row);
    return row;
}

/* The next token is the newest one plus 1. */
static inline void make_successor(json_t *model) {
    silence(model);
    give_values(tensor_of(model, "token_embd.weight", N_EMBD, N_VOCAB), embeddings(0, N_EMBD));
    give_values(tensor_of(model, "output.weight", N_EMBD, N_VOCAB), embeddings(1, N_EMBD));
}

/* The block behind the last layer of such a model says so, too: of the newest token, or of what the model
 * made of the one before it, which is right for one token only. */
static inline void make_next(json_t *model, bool of_hidden) {
    size_t  i = 0;
    json_t *row = NULL;
    if (of_hidden)
        give_values(tensor_of(model, "blk.4.nextn.shared_head_head.weight", N_EMBD, N_VOCAB),
                    embeddings(2, N_EMBD));
    json_array_foreach(json_object_get(model, "tensors"), i, row) {
        if (strstr(json_string_value(json_array_get(row, 0)), "nextn.eh_proj"))
            give_part(row, 2 * N_EMBD, N_EMBD, of_hidden ? N_EMBD : 0);
    }
}

/* The model of a record, for N_CTX positions. */
static inline json_t *load_model(const char *name) {
    char    path[120], key[64];
    size_t  at = 0;
    json_t *pair = NULL;
    (void)snprintf(path, sizeof path, "tests/golden/archs2/%s.skeleton.json", name);
    (void)snprintf(key, sizeof key, "%s.context_length", name);
    json_t *model = json_load_file(path, 0, NULL);
    assert_non_null(model);
    json_array_foreach(json_object_get(model, "kv"), at, pair) {
        if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0)
            json_array_set_new(pair, 2, json_integer(N_CTX));
    }
    return model;
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

static inline hl_end keep_token(void *user, const hl_sched_token *t) {
    answer *a = user;
    a->logprobs[a->n] = t->logprob;
    a->ids[a->n++] = t->token;
    return HL_END_NONE;
}

static inline void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage,
                            const hl_err *err) {
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
static inline void ask_all(hl_model *m, hl_sched_params p, answer *ret) {
    hl_sched *s = NULL;
    hl_err    err = {0};
    int32_t   prompts[N_REQUESTS][N_PROMPT];
    p.n_ctx = N_CTX;
    if (hl_sched_new(m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
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

static inline void check_same(const answer *a, const answer *b) {
    for (int i = 0; i < N_REQUESTS; i++) {
        assert_memory_equal(a[i].ids, b[i].ids, sizeof a[i].ids);
        assert_memory_equal(a[i].logprobs, b[i].logprobs, sizeof a[i].logprobs);
    }
}

/* Nothing repeats itself, so that no draft comes from the text: how many of the drafts were right. */
static inline void check_accepted(const answer *a, const char *what, bool all_are_right) {
    for (int r = 0; r < 5; r++) {
        const hl_usage *u = &a[r].usage;
        const int32_t   on = a[r].ids[1] - a[r].ids[0];
        assert_true(on == 1 || on == 1 - N_VOCAB);
        print_message("%s: %d of %d drafts\n", what, (int)u->accepted_tokens, (int)u->drafted_tokens);
        assert_true(u->accepted_tokens >= N_ANSWER / 3);
        if (all_are_right)
            assert_true(u->accepted_tokens * 10 >= (u->drafted_tokens - u->drafted_branches) * 9);
    }
}

#endif
