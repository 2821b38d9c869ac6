/* SPDX-License-Identifier: MIT
 *
 * test_prefix_break.c - a long prompt that leaves what is cached says where, and what stood there.
 */
#include "tests/need.h"

#include <string.h>

#include "hyperlama/native.h"
#include "tests/unit/chain_fixture.h"

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
    char       events[4000];
} loaded;

static void note(void *user, int level, const char *component, const char *event, const char *fields) {
    loaded      *l = user;
    const size_t n = strlen(l->events);
    (void)level;
    if (strcmp(event, "prefix-break") == 0)
        (void)snprintf(l->events + n, sizeof l->events - n, "%s: %s\n", component, fields);
}

static void load(loaded *l) {
    char         path[] = "/tmp/hl_break_XXXXXX";
    chain_model *c = chain_new(NULL);
    hl_err       err = {0};
    const int    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    memset(l, 0, sizeof *l);
    hl_status              status = chain_save(c, path, &err);
    const hl_engine_params p = {
        .n_threads = 1, .cpu = test_cpu(), .on_event = note, .event_user = l, .event_level = 2};
    if (status == HL_OK) status = hl_engine_new(&p, &l->e, &err);
    if (status == HL_OK) status = hl_model_open(l->e, (const char *[]){path}, 1, NULL, &l->m, &err);
    if (status == HL_OK) status = hl_runner_new(l->m, NULL, &l->r, &err);
    (void)unlink(path);
    if (status != HL_OK) fail_msg("%s", err.text);
}

static void unload(loaded *l) {
    hl_runner_free(l->r);
    hl_model_close(l->m);
    hl_engine_free(l->e);
}

static bool go_on(void *user, const hl_token_event *ev) {
    (void)user, (void)ev;
    return true;
}

/* A prompt of n_a times 'a', `middle`, and 'b' up to n in all. */
static hl_usage ask(const loaded *l, size_t n_a, const char *middle, size_t n) {
    char       text[512];
    hl_err     err = {0};
    hl_usage   u = {0};
    hl_request r;
    hl_request_init(&r);
    memset(text, 'b', sizeof text);
    memset(text, 'a', n_a);
    memcpy(text + n_a, middle, strlen(middle));
    r.sampling.temperature = 0;
    r.prompt = (hl_view){text, n};
    r.raw = true;
    r.max_tokens = 1;
    if (hl_runner_generate(l->r, &r, go_on, NULL, &u, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(u.prompt_tokens, n);
    return u;
}

static void check(const hl_usage *u, int32_t at, int32_t was, int32_t is) {
    assert_int_equal(u->break_at, at);
    assert_int_equal(u->break_was, was);
    assert_int_equal(u->break_is, is);
}

static void a_long_prompt_says_where_it_leaves_another_one(void **state) {
    loaded l;
    (void)state;
    load(&l);
    hl_usage u = ask(&l, 100, "X", 450);
    check(&u, 0, 0, 0); /* nothing to leave */
    u = ask(&l, 100, "Y", 450);
    check(&u, 100, 'X', 'Y');
    assert_int_equal(u.cached_tokens, 100);
    assert_string_equal(l.events, "sched: at=100 tokens=450 was_id=88 is_id=89 was=\"X\" is=\"Y\"\n");
    u = ask(&l, 100, "XX", 450); /* the neighbour that it has most in common with */
    check(&u, 101, 'b', 'X');
    u = ask(&l, 128, "Z", 450); /* at the start of a block */
    check(&u, 100, u.break_was, 'a');
    assert_true(u.break_was == 'X' || u.break_was == 'Y');
    unload(&l);
}

static void what_goes_on_from_its_neighbour_or_is_short_says_nothing(void **state) {
    loaded l;
    (void)state;
    load(&l);
    (void)ask(&l, 100, "X", 140);
    hl_usage u = ask(&l, 100, "X", 450); /* goes on */
    check(&u, 0, 0, 0);
    u = ask(&l, 100, "X", 450); /* the same */
    check(&u, 0, 0, 0);
    u = ask(&l, 40, "Y", 450); /* no more in common than templates begin with */
    check(&u, 0, 0, 0);
    u = ask(&l, 100, "Y", 300); /* little is to be read */
    check(&u, 0, 0, 0);
    assert_string_equal(l.events, "");
    unload(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_prompt_says_where_it_leaves_another_one),
        cmocka_unit_test(what_goes_on_from_its_neighbour_or_is_short_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
