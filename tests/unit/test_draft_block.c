/* SPDX-License-Identifier: MIT
 *
 * test_draft_block.c - models with a block of their own that drafts: answers are the same with it and
 * without, whoever else runs, whatever is cached or refused; and good drafts are accepted.
 */
#include "tests/unit/draft_fixture.h"
#include "tests/unit/lora_fixture.h"

/* Layers that keep a state; the same with experts; low-rank attention, with branches. */
static const char *const names[] = {"qwen35", "qwen35moe", "deepseek2"};
enum { N_NAMES = 3 };

/* RANDOM: weights by rule. Else the next token is the newest one plus 1, and the block says so: of the newest
 * token, or (HIDDEN) of what the model made of the one before it, which is right for one token only. */
typedef enum kind { RANDOM, RIGHT, HIDDEN, N_KINDS } kind;

static char paths[N_NAMES][N_KINDS][80];

static int write_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            json_t *model = load_model(names[i]);
            if (k != RANDOM) make_successor(model);
            if (k != RANDOM) make_next(model, k == HIDDEN);
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

static answer plain[N_REQUESTS], drafted[N_REQUESTS];

static void its_drafts_change_no_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            setup x = open_it(i, (kind)k);
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, plain);
            static const hl_speculate how[] = {HL_SPECULATE_ALWAYS, HL_SPECULATE_AUTO};
            for (int h = 0; h < 2; h++) {
                ask_all(x.m, (hl_sched_params){.speculate = how[h]}, drafted);
                check_same(plain, drafted);
                assert_int_equal(drafted[5].usage.drafted_tokens, 0);
            }
            /* few rows at once, and requests that wait for one another */
            ask_all(x.m,
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
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, without);
            close_it(&x);
            x = open_it(i, (kind)k);
            if (hl_model_add_adapter(x.m, path, NULL, 1, &err) != HL_OK) fail_msg("%s", err.text);
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, plain);
            assert_true(memcmp(plain[0].logprobs, without[0].logprobs, sizeof plain[0].logprobs) != 0);
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS}, drafted);
            check_same(plain, drafted);
            for (int r = 0; r < N_REQUESTS; r++) n_drafted += drafted[r].usage.drafted_tokens;
            assert_true(n_drafted > 0);
            close_it(&x);
        }
    (void)unlink(path);
}

static void good_drafts_are_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        for (int k = RIGHT; k < N_KINDS; k++) {
            setup         x = open_it(i, (kind)k);
            hl_model_info info;
            hl_model_get_info(x.m, &info);
            assert_true(info.drafts_itself);
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_ALWAYS}, drafted);
            check_accepted(drafted, names[i], k == RIGHT);
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
