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
        if (i_kind == 0) { /* that is all of the prompt; it is not the end of it */
            r.template_text = "<think>";
            assert_true(strlen(run(&x, &r)->thought) > 0);
            r.template_text = "<think>a";
            assert_int_equal(strlen(run(&x, &r)->thought), 0);
        }
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
        assert_int_equal(a->usage.preemptions, 0);
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

/* ---- what an engine may do: a runner whose answer is pushed by the test itself ---- */

enum { PAUSE_AT = 64, RESUME_AT = 16, N_SLOTS = 256, TOP_CAP = 20 }; /* as in runner/generation.c */

typedef struct hand {
    hl_generation *g;
    int            n_cancels, n_pauses, n_resumes;
} hand;

static hl_status hand_submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    (void)r, (void)err;
    ((hand *)engine)->g = g;
    return HL_OK;
}

static void hand_cancel(void *engine, hl_generation *g) {
    hand *h = engine;
    assert_ptr_equal(g, h->g);
    h->n_cancels++;
}

static void hand_pause(void *engine, hl_generation *g, bool paused) {
    hand *h = engine;
    assert_ptr_equal(g, h->g);
    if (paused)
        h->n_pauses++;
    else
        h->n_resumes++;
}

static void hand_free(void *engine) { (void)engine; }

static const hl_runner_ops hand_ops = {
    .submit = hand_submit, .cancel = hand_cancel, .pause = hand_pause, .free = hand_free};

static hl_generation *begin_by_hand(hand *h, hl_runner **ret_runner) {
    const hl_request r = ask("abc", -1);
    hl_generation   *g = NULL;
    *h = (hand){0};
    *ret_runner = hl_runner_make(&hand_ops, h);
    assert_int_equal(hl_runner_submit(*ret_runner, &r, &g, NULL), HL_OK);
    assert_ptr_equal(g, h->g);
    return g;
}

/* The i-th event has a text of its own, of a length of its own. */
static bool push_number(hl_generation *g, int i) {
    char                 text[300];
    const hl_token_event ev = {
        .text = {text, (size_t)snprintf(text, sizeof text, "%0*d", 1 + i * 7 % 200, i)}, .token = i};
    return hl_generation_push(g, &ev);
}

static void expect_number(hl_generation *g, int i) {
    char                text[300];
    hl_generation_event ev;
    (void)snprintf(text, sizeof text, "%0*d", 1 + i * 7 % 200, i);
    assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
    assert_int_equal(ev.kind, HL_EVENT_TOKEN);
    assert_int_equal(ev.token.token, i);
    assert_true(hl_view_eq(ev.token.text, hl_view_of(text)));
}

static void a_reader_that_falls_behind_pauses_its_engine(void **state) {
    (void)state;
    hand           h;
    hl_runner     *r = NULL;
    hl_generation *g = begin_by_hand(&h, &r);
    int            pushed = 0, read = 0;
    for (int round = 1; round <= 5; round++) {
        while (pushed - read < PAUSE_AT) {
            assert_int_equal(h.n_pauses, round - 1);
            assert_true(push_number(g, pushed++));
        }
        assert_int_equal(h.n_pauses, round);
        while (pushed - read < N_SLOTS) assert_true(push_number(g, pushed++)); /* what was begun */
        assert_int_equal(h.n_pauses, round);
        while (pushed - read > RESUME_AT) {
            assert_int_equal(h.n_resumes, round - 1);
            expect_number(g, read++);
        }
        assert_int_equal(h.n_resumes, round);
        if (round == 3) /* to the end: no second order */
            while (read < pushed) expect_number(g, read++);
        assert_int_equal(h.n_resumes, round);
    }
    hl_generation_end(g, HL_OK, &(hl_usage){.end = HL_END_STOP}, NULL);
    while (read < pushed) expect_number(g, read++);
    hl_generation_event ev;
    assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
    assert_int_equal(ev.kind, HL_EVENT_END);
    assert_int_equal(ev.usage.end, HL_END_STOP);
    assert_int_equal(h.n_cancels, 0);
    hl_generation_free(g);
    assert_int_equal(h.n_cancels, 0); /* it had ended */
    hl_runner_free(r);
}

static void an_engine_that_does_not_pause_ends_in_an_error(void **state) {
    (void)state;
    hand                h;
    hl_runner          *r = NULL;
    hl_generation      *g = begin_by_hand(&h, &r);
    hl_generation_event ev;
    for (int i = 0; i < N_SLOTS; i++) assert_true(push_number(g, i));
    assert_false(push_number(g, N_SLOTS));
    assert_false(push_number(g, N_SLOTS + 1));
    hl_generation_end(g, HL_OK, &(hl_usage){.answer_tokens = N_SLOTS}, NULL);
    for (int i = 0; i < N_SLOTS; i++) expect_number(g, i);
    assert_int_equal(h.n_resumes, 0); /* nobody is there any more */
    assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
    assert_int_equal(ev.kind, HL_EVENT_END);
    assert_int_equal(ev.status, HL_E_INTERNAL);
    assert_non_null(strstr(ev.err->text, "did not pause"));
    assert_int_equal(ev.usage.answer_tokens, N_SLOTS);
    hl_generation_free(g);
    hl_runner_free(r);
}

/* The engine may have come to an end of its own before it heard of the cancellation. */
static void a_cancelled_answer_says_so_whatever_its_engine_says(void **state) {
    (void)state;
    static const hl_end ends[] = {HL_END_STOP, HL_END_LENGTH, HL_END_CANCEL};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        hand                h;
        hl_runner          *r = NULL;
        hl_generation      *g = begin_by_hand(&h, &r);
        hl_generation_event ev;
        assert_true(push_number(g, 0));
        hl_generation_cancel(g);
        assert_int_equal(h.n_cancels, 1);
        assert_false(push_number(g, 1));
        assert_int_equal(hl_generation_next(g, 0, &ev), HL_E_BUSY); /* it has not ended, and shows nothing */
        hl_generation_end(g, HL_OK, &(hl_usage){.end = ends[i], .answer_tokens = 1}, NULL);
        assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
        assert_int_equal(ev.kind, HL_EVENT_END);
        assert_int_equal(ev.status, HL_OK);
        assert_int_equal(ev.usage.end, HL_END_CANCEL);
        assert_int_equal(ev.usage.answer_tokens, 1);
        hl_generation_free(g);
        assert_int_equal(h.n_cancels, 1);
        hl_runner_free(r);
    }
}

static void an_error_of_the_engine_comes_behind_what_it_said(void **state) {
    (void)state;
    for (int cancels = 0; cancels < 2; cancels++) {
        hand                h;
        hl_runner          *r = NULL;
        hl_generation      *g = begin_by_hand(&h, &r);
        hl_generation_event ev;
        hl_err              why = {0};
        (void)hl_fail(&why, HL_E_IO, "the file is gone");
        assert_true(push_number(g, 0));
        if (cancels) hl_generation_cancel(g);
        hl_generation_end(g, HL_E_IO, &(hl_usage){.end = HL_END_NONE, .prompt_tokens = 9}, &why);
        if (!cancels) expect_number(g, 0);
        assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
        assert_int_equal(ev.kind, HL_EVENT_END);
        assert_int_equal(ev.status, HL_E_IO);
        assert_string_equal(ev.err->text, "the file is gone");
        assert_int_equal(ev.usage.end, HL_END_NONE);
        assert_int_equal(ev.usage.prompt_tokens, 9);
        hl_generation_free(g);
        hl_runner_free(r);
    }
}

static void likely_tokens_belong_to_their_event_and_are_no_more_than_twenty(void **state) {
    (void)state;
    hand                h;
    hl_runner          *r = NULL;
    hl_generation      *g = begin_by_hand(&h, &r);
    static const size_t n_top[] = {3, 0, TOP_CAP, TOP_CAP + 1, 1, 30, 2};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof n_top / sizeof n_top[0]; i++) {
            hl_logprob top[30];
            for (size_t k = 0; k < 30; k++) top[k] = (hl_logprob){.token = (int32_t)(100 * i + k)};
            const hl_token_event ev = {.token = (int32_t)i, .top = top, .n_top = n_top[i]};
            assert_true(hl_generation_push(g, &ev));
        }
        for (size_t i = 0; i < sizeof n_top / sizeof n_top[0]; i++) {
            hl_generation_event ev;
            assert_int_equal(hl_generation_next(g, 0, &ev), HL_OK);
            assert_int_equal(ev.token.n_top, n_top[i] < TOP_CAP ? n_top[i] : TOP_CAP);
            for (size_t k = 0; k < ev.token.n_top; k++) assert_int_equal(ev.token.top[k].token, 100 * i + k);
        }
    }
    hl_generation_end(g, HL_OK, &(hl_usage){0}, NULL);
    hl_generation_free(g);
    hl_runner_free(r);
}

static void waiting_ends_when_its_time_is_up(void **state) {
    (void)state;
    hand                h;
    hl_runner          *r = NULL;
    hl_generation      *g = begin_by_hand(&h, &r);
    hl_generation_event ev;
    const int64_t       start = hl_clock_ns();
    assert_int_equal(hl_generation_next(g, 30, &ev), HL_E_BUSY);
    assert_true(hl_clock_ns() - start >= 30 * 1000000);
    assert_true(push_number(g, 0));
    expect_number(g, 0);
    hl_generation_end(g, HL_OK, &(hl_usage){.end = HL_END_STOP}, NULL);
    assert_int_equal(hl_generation_next(g, 30, &ev), HL_OK);
    assert_int_equal(ev.kind, HL_EVENT_END);
    hl_generation_free(g);
    hl_runner_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_falls_behind_pauses_its_engine),
        cmocka_unit_test(an_engine_that_does_not_pause_ends_in_an_error),
        cmocka_unit_test(a_cancelled_answer_says_so_whatever_its_engine_says),
        cmocka_unit_test(an_error_of_the_engine_comes_behind_what_it_said),
        cmocka_unit_test(likely_tokens_belong_to_their_event_and_are_no_more_than_twenty),
        cmocka_unit_test(waiting_ends_when_its_time_is_up),
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
