/* SPDX-License-Identifier: MIT
 *
 * test_request_ids.c - requests that begin with ids, ask for those of the answer, or foresee it.
 */
#include "tests/need.h"

#include "hyperlama/native.h"
#include "tests/unit/chain_fixture.h"

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} loaded;

/* Behind a line end: "say", a control token, "0123456789", the end. */
static loaded load(void) {
    char         path[] = "/tmp/hl_ids_XXXXXX";
    chain_model *c = chain_new("<s>{% for m in messages %}[{{ m.content }}]\n{% endfor %}{{ '\n' }}");
    loaded       l = {0};
    hl_err       err = {0};
    const int    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    static const int32_t answer[] = {'s', 'a', 'y', CHAIN_USER, '0', '1', '2',
                                     '3', '4', '5', '6',        '7', '8', '9'};
    chain_say(c, '\n', answer, sizeof answer / sizeof *answer);
    const hl_runner_params p = {.sched = {.speculate = HL_SPECULATE_ALWAYS}}; /* not only where it pays */
    hl_status              status = chain_save(c, path, &err);
    if (status == HL_OK)
        status = hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &l.e, &err);
    if (status == HL_OK) status = hl_model_open(l.e, (const char *[]){path}, 1, NULL, &l.m, &err);
    if (status == HL_OK) status = hl_runner_new(l.m, &p, &l.r, &err);
    (void)unlink(path);
    if (status != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_runner_free(l.r);
    hl_model_close(l.m);
    hl_engine_free(l.e);
}

static hl_request request(void) {
    hl_request r;
    hl_request_init(&r);
    r.sampling.temperature = 0;
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"}]";
    return r;
}

static void check_ids(const loaded *l, const hl_request *r, const int32_t *want, size_t n) {
    hl_tokens ids = {0};
    hl_err    err = {0};
    int32_t   count = 0;
    if (hl_runner_encode(l->r, r, &ids, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.ids, want, n * sizeof *want);
    assert_int_equal(hl_runner_count(l->r, r, &count, &err), HL_OK);
    assert_int_equal(count, n);
    hl_tokens_done(&ids);
}

static void ids_stand_in_front_and_no_second_beginning_follows(void **state) {
    (void)state;
    static const int32_t before[] = {CHAIN_BOS, 'x', CHAIN_IM_END},
                         plain[] = {CHAIN_BOS, '[', 'q', ']', '\n', '\n'},
                         both[] = {CHAIN_BOS, 'x', CHAIN_IM_END, ']', '\n', '[', 'q', ']', '\n', '\n'};
    const loaded l = load();
    hl_request   r = request();
    check_ids(&l, &r, plain, 6);
    r.prefix_ids = before;
    r.n_prefix_ids = 3;
    check_ids(&l, &r, both, 10); /* the answer that was is closed as the template closes it */
    r.messages_json = NULL;      /* the ids are all */
    r.raw = true;
    check_ids(&l, &r, before, 3);
    unload(l);
}

static void the_assistants_last_message_is_the_answers_beginning(void **state) {
    (void)state;
    static const int32_t ids[] = {CHAIN_BOS, '[', 'q', ']', '\n', '\n', 'a', '1'};
    const loaded         l = load();
    hl_request           r = request();
    hl_tokens            none = {0};
    hl_err               err = {0};
    r.continues_last = true;
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a1\"}]";
    check_ids(&l, &r, ids, 8);
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":null}]";
    check_ids(&l, &r, ids, 6);
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"}]";
    assert_int_equal(hl_runner_encode(l.r, &r, &none, &err), HL_E_ARG);
    r.messages_json = "[{\"role\":\"assistant\",\"content\":\"q\"}]";
    assert_int_equal(hl_runner_encode(l.r, &r, &none, &err), HL_E_ARG);
    hl_tokens_done(&none);
    unload(l);
}

static void ids_that_the_model_does_not_have_are_refused(void **state) {
    (void)state;
    static const int32_t bad[] = {1, CHAIN_N_VOCAB};
    const loaded         l = load();
    hl_generation       *g = NULL;
    hl_err               err = {0};
    hl_request           r = request();
    r.prefix_ids = bad;
    r.n_prefix_ids = 2;
    assert_int_equal(hl_runner_submit(l.r, &r, &g, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "token 1 is 260"));
    unload(l);
}

typedef struct got {
    int32_t  ids[64];
    char     text[64];
    size_t   n, n_events;
    hl_usage usage;
} got;

static bool collect(void *user, const hl_token_event *ev) {
    got *g = user;
    strncat(g->text, ev->text.ptr, ev->text.len);
    if (ev->token >= 0) g->ids[g->n++] = ev->token;
    g->n_events++;
    return true;
}

static got ask(const loaded *l, const hl_request *r) {
    got    g = {0};
    hl_err err = {0};
    if (hl_runner_generate(l->r, r, collect, &g, &g.usage, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static void all_ids_of_the_answer_come_when_they_are_wanted(void **state) {
    (void)state;
    const loaded l = load();
    hl_request   r = request();
    got          g = ask(&l, &r);
    assert_string_equal(g.text, "say0123456789");
    assert_int_equal(g.n, 13); /* the control token has no text */
    r.want_tokens = true;
    g = ask(&l, &r);
    assert_string_equal(g.text, "say0123456789");
    assert_int_equal(g.n, 14);
    assert_int_equal(g.ids[3], CHAIN_USER);
    assert_int_equal(g.usage.answer_tokens, 14);
    unload(l);
}

static void a_prediction_drafts_and_changes_nothing(void **state) {
    (void)state;
    const loaded l = load();
    hl_request   r = request();
    const got    alone = ask(&l, &r);
    r.prediction = hl_view_of("xx 0123456789 yy");
    const got foreseen = ask(&l, &r);
    assert_string_equal(foreseen.text, alone.text);
    /* how many are accepted depends on how long drafts are, and that on the clock */
    assert_true(alone.usage.drafted_tokens == 0 && foreseen.usage.drafted_tokens > 0);
    r.prediction = hl_view_of("0198765432 0012");
    const got wrong = ask(&l, &r);
    assert_string_equal(wrong.text, alone.text);
    unload(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_stand_in_front_and_no_second_beginning_follows),
        cmocka_unit_test(the_assistants_last_message_is_the_answers_beginning),
        cmocka_unit_test(ids_that_the_model_does_not_have_are_refused),
        cmocka_unit_test(all_ids_of_the_answer_come_when_they_are_wanted),
        cmocka_unit_test(a_prediction_drafts_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
