/* SPDX-License-Identifier: MIT
 *
 * test_generation.c - what every runner promises, asked of each kind: the engine's own, and a scripted one.
 */
#include "tests/need.h"

#include <stdio.h>
#include <unistd.h>

#include "fake_runner.h"
#include "hyperlama/hyperlama.h"
#include "model_fixture.h"

enum { TEXT_CAP = 64 << 10 };

typedef struct setup {
    const char *kind;
    hl_runner  *r;
    hl_engine  *e;
    hl_model   *m;
    char        path[64];
} setup;

static void open_native(setup *x) {
    hl_err                 err = {0};
    const char            *path = x->path;
    const mf_shape         shape = {.n_vocab = 300,
                                    .n_embd = 64,
                                    .n_heads = 2,
                                    .n_kv_heads = 1,
                                    .head_dim = 32,
                                    .n_ff = 64,
                                    .n_layers = 2,
                                    .type = HL_TYPE_q8_0};
    const hl_runner_params p = {.sched = {.n_running_cap = 1, .n_ctx = 2048}};
    (void)snprintf(x->path, sizeof x->path, "/tmp/hl_test_generation.%d.gguf", (int)getpid());
    if (mf_write(x->path, &shape, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x->e, &err),
                     HL_OK);
    if (hl_model_open(x->e, &path, 1, NULL, &x->m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_new(x->m, &p, &x->r, &err) != HL_OK) fail_msg("%s", err.text);
}

static void open_fake(setup *x) {
    static const char *const words[] = {"one ", "two ", "</think>", "three ", "four "};
    x->r = fake_runner_new(words, 5);
}

static const struct {
    const char *kind;
    void (*open)(setup *x);
} kinds[] = {{"native", open_native}, {"fake", open_fake}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static setup begin(size_t kind) {
    setup x = {.kind = kinds[kind].kind};
    kinds[kind].open(&x);
    assert_non_null(x.r);
    return x;
}

static void end(setup *x) {
    hl_runner_free(x->r);
    hl_model_close(x->m);
    hl_engine_free(x->e);
    if (x->path[0]) (void)unlink(x->path);
}

static hl_request ask(const char *prompt, int32_t max_tokens) {
    hl_request r;
    hl_request_init(&r);
    r.prompt = hl_view_of(prompt);
    r.max_tokens = max_tokens;
    r.sampling.seed = 7;
    return r;
}

static hl_generation *submit(setup *x, const hl_request *r) {
    hl_err         err = {0};
    hl_generation *g = NULL;
    if (hl_runner_submit(x->r, r, &g, &err) != HL_OK) fail_msg("%s: %s", x->kind, err.text);
    return g;
}

typedef struct answer {
    char      text[TEXT_CAP], thought[TEXT_CAP];
    int32_t   n_tokens;
    hl_status status;
    hl_usage  usage;
} answer;

/* Greedy: the token is the first of the most likely ones, which come in order, each once. */
static void check_top(const hl_token_event *ev, size_t n_top) {
    assert_int_equal(ev->n_top, n_top);
    assert_int_equal(ev->top[0].token, ev->token);
    assert_true(ev->top[0].logprob == ev->logprob);
    for (size_t i = 1; i < n_top; i++) {
        assert_true(ev->top[i].logprob <= ev->top[i - 1].logprob);
        for (size_t k = 0; k < i; k++) assert_int_not_equal(ev->top[i].token, ev->top[k].token);
    }
}

static void the_most_likely_tokens_come_with_each_event(void **state) {
    (void)state;
    setup               x = begin(0);
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    hl_request          r = ask("some words", 12);
    int                 n = 0;
    r.sampling.temperature = 0;
    r.n_top = 5;
    r.want_logprobs = true;
    hl_generation *g = submit(&x, &r);
    while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) {
        if (ev.token.token < 0) continue;
        check_top(&ev.token, 5);
        n++;
    }
    assert_int_equal(n, 12);
    hl_generation_free(g);
    end(&x);
}

/* Read to the end. */
static answer *read_all(hl_generation *g) {
    static answer       a;
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    memset(&a, 0, sizeof a);
    while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) {
        char *to = ev.token.is_thinking ? a.thought : a.text;
        assert_true(strlen(to) + ev.token.text.len < TEXT_CAP);
        (void)strncat(to, ev.token.text.ptr ? ev.token.text.ptr : "", ev.token.text.len);
        a.n_tokens += ev.token.token >= 0;
    }
    a.status = ev.status;
    a.usage = ev.usage;
    /* and the end stays the end */
    assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
    assert_int_equal(ev.kind, HL_EVENT_END);
    return &a;
}

static answer *run(setup *x, const hl_request *r) {
    hl_generation *g = submit(x, r);
    answer        *a = read_all(g);
    hl_generation_free(g);
    return a;
}

#define FOR_ALL_KINDS(x)                                                                                     \
    for (size_t i_kind = 0; i_kind < N_KINDS; i_kind++)                                                      \
        for (setup x = begin(i_kind); x.r; end(&x), x.r = NULL)

static void an_answer_ends_with_true_counts(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request r = ask("abc", 20);
        answer          *a = run(&x, &r);
        assert_int_equal(a->status, HL_OK);
        assert_int_equal(a->usage.end, HL_END_LENGTH);
        assert_int_equal(a->usage.prompt_tokens, 3);
        assert_int_equal(a->usage.answer_tokens, 20);
        assert_true(strlen(a->text) > 0);
        int32_t n = 0;
        assert_int_equal(hl_runner_count(x.r, &r, &n, NULL), HL_OK);
        assert_int_equal(n, 3);
        hl_runner_info info;
        hl_runner_get_info(x.r, &info);
        assert_string_equal(info.kind, x.kind);
        assert_true(info.n_ctx > 0 && info.n_ctx <= info.n_ctx_cap);
    }
}

static void what_cannot_be_taken_is_refused_at_submit(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request     r = ask("abc", -5);
        hl_err         err = {0};
        hl_generation *g = NULL;
        if (i_kind == 0) r = ask("abc", 5), r.n_ctx = 1 << 30;
        assert_int_equal(hl_runner_submit(x.r, &r, &g, &err), HL_E_ARG);
        assert_null(g);
        assert_true(strlen(err.text) > 0);
    }
}

static void stop_strings_end_the_answer_and_are_not_shown(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request r = ask("abc", 40);
        char       whole[TEXT_CAP], stop[8] = "";
        (void)strcpy(whole, run(&x, &r)->text);
        (void)strncpy(stop, whole + strlen(whole) / 2, 4);
        const char *first = strstr(whole, stop);
        const char *stops[] = {stop};
        r.stops = stops;
        r.n_stops = 1;
        if (i_kind == 1) (void)strcpy(stop, "thr"), first = strstr(whole, "three");
        answer *a = run(&x, &r);
        assert_int_equal(a->usage.end, HL_END_STOP);
        assert_int_equal(strlen(a->text), first - whole);
        assert_memory_equal(a->text, whole, strlen(a->text));
    }
}

static void reasoning_is_marked(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request r = ask("", 4);
        r.messages_json = "[{\"role\":\"user\",\"content\":\"a\"}]";
        r.template_text = i_kind == 0 ? "{{ messages[0].content }}<think>" : "think";
        answer *a = run(&x, &r);
        assert_true(strlen(a->thought) > 0);
        if (i_kind == 1) {
            assert_string_equal(a->thought, "one two ");
            assert_string_equal(a->text, "three ");
        }
    }
}

/* Queued behind a long one, while its prompt is read, and while it answers. */
static void cancel_works_in_every_phase(void **state) {
    (void)state;
    static char long_prompt[1500];
    memset(long_prompt, 'x', sizeof long_prompt - 1);
    FOR_ALL_KINDS(x) {
        const hl_request    endless = ask("abc", 1900), reading = ask(long_prompt, 100);
        hl_generation      *first = submit(&x, &endless), *queued = submit(&x, &endless);
        hl_generation_event ev;
        assert_int_equal(hl_generation_next(first, -1, &ev), HL_OK);
        assert_int_equal(ev.kind, HL_EVENT_TOKEN);
        hl_generation_cancel(queued);
        assert_int_equal(read_all(queued)->usage.end, HL_END_CANCEL);
        hl_generation_cancel(first);
        hl_generation_cancel(first);
        answer *a = read_all(first);
        assert_int_equal(a->usage.end, HL_END_CANCEL);
        assert_true(a->usage.answer_tokens < 1900);
        assert_int_equal(a->n_tokens, 0); /* nothing is shown after a cancellation */
        hl_generation *prefill = submit(&x, &reading);
        hl_generation_cancel(prefill);
        assert_int_equal(read_all(prefill)->usage.end, HL_END_CANCEL);
        hl_generation_free(first);
        hl_generation_free(queued);
        hl_generation_free(prefill);
        hl_generation *unread = submit(&x, &endless);
        hl_generation_free(unread); /* nobody waits for it: the next one runs */
        const hl_request r = ask("abc", 3);
        assert_int_equal(run(&x, &r)->usage.answer_tokens, 3);
    }
}

/* A reader that never reads holds up nobody, and misses nothing when it reads at last. */
static void a_slow_reader_holds_up_nobody(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request r = ask("abc", 1500), other = ask("xyz", 50);
        char             expected[TEXT_CAP];
        (void)strcpy(expected, run(&x, &r)->text);
        hl_generation *slow = submit(&x, &r);
        for (int i = 0; i < 10; i++) assert_int_equal(run(&x, &other)->usage.answer_tokens, 50);
        answer *a = read_all(slow);
        assert_string_equal(a->text, expected);
        assert_int_equal(a->usage.answer_tokens, 1500);
        assert_int_equal(a->usage.n_preempted, 0);
        hl_generation_free(slow);
    }
}

static void count_wakes(void *user) { atomic_fetch_add((atomic_int *)user, 1); }

static void an_event_loop_is_woken_when_there_is_something(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request    r = ask("abc", 30);
        atomic_int          n_wakes = 0;
        hl_generation      *g = submit(&x, &r);
        hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
        int32_t             n = 0;
        hl_generation_on_ready(g, count_wakes, &n_wakes);
        while (ev.kind != HL_EVENT_END) {
            const int before = atomic_load(&n_wakes);
            if (hl_generation_next(g, 0, &ev) == HL_OK) {
                n += ev.kind == HL_EVENT_TOKEN && ev.token.token >= 0;
                continue;
            }
            while (atomic_load(&n_wakes) == before)
                (void)usleep(100); /* it will come: nothing else is waited for */
        }
        assert_int_equal(ev.usage.answer_tokens, 30);
        assert_true(n <= 30 && n > 0);
        hl_generation_free(g);
        g = submit(&x, &r);
        (void)read_all(g);
        atomic_store(&n_wakes, 0);
        hl_generation_on_ready(g, count_wakes, &n_wakes); /* there is something already */
        assert_int_equal(atomic_load(&n_wakes), 1);
        hl_generation_free(g);
    }
}

/* Nobody reads it, so it is paused and cannot end otherwise. */
static void a_deadline_ends_the_answer(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request r = ask("abc", -1);
        atomic_int n_wakes = 0;
        r.timeout_ms = 100;
        hl_generation *g = submit(&x, &r);
        hl_generation_on_ready(g, count_wakes, &n_wakes);
        while (atomic_load(&n_wakes) < 2) (void)usleep(1000); /* the first token, the end */
        answer *a = read_all(g);
        assert_int_equal(a->status, HL_OK);
        assert_int_equal(a->usage.end, HL_END_TIMEOUT);
        assert_in_range(a->n_tokens, 1, 200);
        hl_generation_free(g);
    }
}

static bool stop_after_three(void *user, const hl_token_event *ev) {
    (void)ev;
    return ++*(int *)user < 3;
}

static void generate_is_a_loop_over_next(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request r = ask("abc", 1900);
        hl_usage         u = {0};
        hl_err           err = {0};
        int              n = 0;
        assert_int_equal(hl_runner_generate(x.r, &r, stop_after_three, &n, &u, &err), HL_OK);
        assert_int_equal(n, 3);
        assert_int_equal(u.end, HL_END_CANCEL);
        assert_in_range(u.answer_tokens, 3, 500);
    }
}

static void stopping_the_runner_ends_all(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request r = ask("abc", 1900);
        hl_generation   *g[5];
        for (size_t i = 0; i < 5; i++) g[i] = submit(&x, &r);
        hl_runner_stop(x.r);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(read_all(g[i])->usage.end, HL_END_CANCEL);
            hl_generation_free(g[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_likely_tokens_come_with_each_event),
        cmocka_unit_test(an_answer_ends_with_true_counts),
        cmocka_unit_test(what_cannot_be_taken_is_refused_at_submit),
        cmocka_unit_test(stop_strings_end_the_answer_and_are_not_shown),
        cmocka_unit_test(reasoning_is_marked),
        cmocka_unit_test(cancel_works_in_every_phase),
        cmocka_unit_test(a_deadline_ends_the_answer),
        cmocka_unit_test(a_slow_reader_holds_up_nobody),
        cmocka_unit_test(an_event_loop_is_woken_when_there_is_something),
        cmocka_unit_test(generate_is_a_loop_over_next),
        cmocka_unit_test(stopping_the_runner_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
