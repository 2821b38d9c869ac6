/* SPDX-License-Identifier: MIT
 *
 * test_generation.c - what every runner promises, asked of each kind: the engine's own, and a scripted one.
 *
 * Whoever writes another runner adds a row to `kinds`. To meet a request in a certain phase the tests hold
 * the runner's thread inside a step (look()), and move the clock.
 */
#include "tests/need.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/model_priv.h"
#include "fake_runner.h"
#include "host/remote/runner_openai.h"
#include "hyperlama/hyperlama.h"
#include "model_fixture.h"
#include "openai_stub.h"

enum { TEXT_CAP = 64 << 10 };

/* ---- Holding a runner, and its clock ---- */

static _Atomic int64_t step_s;

int clock_gettime(clockid_t id, struct timespec *ret) {
    const int rc = (int)syscall(SYS_clock_gettime, id, ret);
    if (rc == 0 && id == CLOCK_MONOTONIC) ret->tv_sec += step_s;
    return rc;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    int64_t         n_looks, hold_at; /* hold_at 0: go on */
    bool            is_held;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Called by runners in the middle of their steps, with no lock held: some times in each. */
static void look(void) {
    (void)pthread_mutex_lock(&gate.lock);
    gate.n_looks++;
    while (gate.hold_at && gate.n_looks >= gate.hold_at) {
        gate.is_held = true;
        (void)pthread_cond_broadcast(&gate.changed);
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    }
    (void)pthread_mutex_unlock(&gate.lock);
}

/* n: after so many looks from now on; -1: never, let it go on. */
static void hold_after(int64_t n) {
    (void)pthread_mutex_lock(&gate.lock);
    gate.hold_at = n < 0 ? 0 : gate.n_looks + n;
    gate.is_held = false;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void wait_until_held(void) {
    (void)pthread_mutex_lock(&gate.lock);
    while (!gate.is_held) (void)pthread_cond_wait(&gate.changed, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

/* As a generation's wake: hold its runner in the step after the one that made its first token. */
static void hold_soon(void *user) {
    (void)user;
    hold_after(1);
}

static __typeof__(((hl_kernels *)0)->rmsnorm) real_rmsnorm;

static void look_and_norm(size_t n, const float *x, const float *w, float eps, float *ret) {
    look();
    real_rmsnorm(n, x, w, eps, ret);
}

typedef struct setup {
    const char  *kind;
    hl_runner   *r;
    hl_engine   *e;
    hl_model    *m;
    char         path[64];
    openai_stub *stub; /* of the remote one */
    bool         has_script, counts;
} setup;

#define CONTROL "<|control13|>"

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
                                    .type = HL_TYPE_q8_0,
                                    .control = CONTROL};
    const hl_runner_params p = {.sched = {.n_running_cap = FAKE_RUNNING, .n_ctx = 2048, .n_batch = 64}};
    (void)snprintf(x->path, sizeof x->path, "/tmp/hl_test_generation.%d.gguf", (int)getpid());
    mf_must_write(x->path, &shape);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &x->e, &err),
                     HL_OK);
    real_rmsnorm = x->e->kernels.rmsnorm;
    x->e->kernels.rmsnorm = look_and_norm;
    if (hl_model_open(x->e, &path, 1, NULL, &x->m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_new(x->m, &p, &x->r, &err) != HL_OK) fail_msg("%s", err.text);
}

static void open_fake(setup *x) {
    static const char *const words[] = {"one ", "two ", "</think>", "three ", "four "};
    x->r = fake_runner_new(words, 5, look);
}

/* A server in this process, behind which the fake one writes. */
static void open_remote(setup *x) {
    char          record[200];
    hl_upstreams *u = NULL;
    hl_err        err = {0};
    open_fake(x);
    x->stub = openai_stub_new(x->r);
    x->r = NULL;
    (void)snprintf(record, sizeof record,
                   "{\"upstreams\":[{\"url\":\"%s/v1\",\"model\":\"m\"}],\"context_length\":4096}",
                   x->stub->url);
    if (hl_upstreams_new(record, (char *const[]){NULL}, NULL, &u, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_openai_new(u, NULL, &x->r, &err) != HL_OK) fail_msg("%s", err.text);
}

/* has_script: its words are the fake one's. counts: it knows how many tokens a prompt has, what phase a
 * request is in, and which stop string ended it. */
static const struct {
    const char *kind;
    void (*open)(setup *x);
    bool has_script, counts;
} kinds[] = {{"native", open_native, false, true},
             {"fake", open_fake, true, true},
             {"openai", open_remote, true, false}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static setup begin(size_t kind) {
    setup x = {.kind = kinds[kind].kind, .has_script = kinds[kind].has_script, .counts = kinds[kind].counts};
    kinds[kind].open(&x);
    assert_non_null(x.r);
    return x;
}

static void end(setup *x) {
    hl_runner_free(x->r);
    if (x->stub) openai_stub_free(x->stub);
    step_s = 0; /* nothing is left that saw another time */
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
    const int      n_before = x->stub ? atomic_load(&x->stub->n_asked) : 0;
    if (hl_runner_submit(x->r, r, &g, &err) != HL_OK) fail_msg("%s: %s", x->kind, err.text);
    while (x->stub && atomic_load(&x->stub->n_asked) == n_before) (void)usleep(100); /* it is on its way */
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

/* Elsewhere tokens have no ids that mean anything here: a piece of text is one. */
static bool is_token(const hl_token_event *ev) { return ev->token >= 0 || ev->text.len > 0; }

/* Read to the end. */
static answer *read_all(hl_generation *g) {
    static answer       a;
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    memset(&a, 0, sizeof a);
    while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) {
        char *to = ev.token.is_thinking ? a.thought : a.text;
        assert_true(strlen(to) + ev.token.text.len < TEXT_CAP);
        (void)strncat(to, ev.token.text.ptr ? ev.token.text.ptr : "", ev.token.text.len);
        a.n_tokens += is_token(&ev.token);
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
        assert_int_equal(n, x.counts ? 3 : 0);
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
        const char *stops[] = {"\x01 never said", stop};
        assert_int_equal(run(&x, &r)->usage.stop_number, 0);
        r.stops = stops;
        r.n_stops = 2;
        if (x.has_script) (void)strcpy(stop, "thr"), first = strstr(whole, "three");
        answer *a = run(&x, &r);
        assert_int_equal(a->usage.end, HL_END_STOP);
        assert_int_equal(a->usage.stop_number, x.counts ? 2 : 0);
        assert_int_equal(strlen(a->text), first - whole);
        assert_memory_equal(a->text, whole, strlen(a->text));
    }
}

static void reasoning_is_marked(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request r = ask("", 4);
        r.messages_json = "[{\"role\":\"user\",\"content\":\"a\"}]";
        r.template_text = x.stub ? NULL : x.has_script ? "think" : "{{ messages[0].content }}<think>";
        if (x.stub) r.think = HL_THINK_ON;
        answer *a = run(&x, &r);
        assert_true(strlen(a->thought) > 0);
        if (x.has_script) {
            assert_string_equal(a->thought, "one two ");
            assert_string_equal(a->text, "three ");
        }
    }
}

/* ---- Cancelled, and late, in every phase ---- */

typedef enum phase { QUEUED, PREFILL, DECODE, N_PHASES } phase;

typedef struct scene {
    hl_generation *others[FAKE_RUNNING]; /* that hold all places; NULL: nobody */
    hl_generation *g;                    /* in its phase; its runner is held in a step */
} scene;

static hl_request long_request(void) {
    static char prompt[1500]; /* of many chunks, of which no other request has the beginning */
    static char letter = 'a';
    memset(prompt, letter++, sizeof prompt - 1);
    return ask(prompt, 100);
}

/* Held in the step after the one that made its first token. It is held in its first step before, so that it
 * cannot run away. */
static hl_generation *submit_and_hold(setup *x, const hl_request *r) {
    hold_after(1);
    hl_generation *g = submit(x, r);
    wait_until_held();
    hl_generation_on_ready(g, hold_soon, NULL);
    hold_after(-1);
    wait_until_held();
    hl_generation_on_ready(g, NULL, NULL);
    return g;
}

static scene bring_to(setup *x, phase p, int64_t timeout_ms) {
    scene      s = {.g = NULL};
    hl_request r = p == PREFILL ? long_request() : ask("abc", 1900);
    r.timeout_ms = timeout_ms;
    if (p == DECODE) {
        s.g = submit_and_hold(x, &r);
    } else if (p == PREFILL) {
        hold_after(x->e ? 400 : 4); /* of some 6000 and 24 in which its prompt is read */
        s.g = submit(x, &r);
    } else {
        const hl_request endless = ask("xyz", 1900);
        s.others[0] = submit_and_hold(x, &endless);
        for (int i = 1; i < FAKE_RUNNING; i++) s.others[i] = submit(x, &endless);
        s.g = submit(x, &r);
        hold_after(60); /* some steps in which it must wait for a place */
    }
    wait_until_held();
    return s;
}

static void leave_scene(scene *s) {
    for (int i = 0; i < FAKE_RUNNING; i++) hl_generation_free(s->others[i]);
    hl_generation_free(s->g);
}

/* That it was in this phase when it ended. */
static void check_phase(const setup *x, const hl_usage *u, phase p) {
    if (x->counts) assert_int_equal(u->prompt_tokens, p == PREFILL ? 1499 : 3);
    if (!x->counts) {
        assert_true(u->total_ns > 0);
    } else if (p == QUEUED) {
        assert_int_equal(u->prompt_ns, 0);
        assert_true(u->queue_ns > 0);
    } else {
        assert_true(u->prompt_ns > 0);
    }
    if (p == DECODE)
        assert_in_range(u->answer_tokens, 1, 200);
    else
        assert_int_equal(u->answer_tokens, 0);
}

static void cancelling_ends_a_request_in_every_phase(void **state) {
    (void)state;
    for (phase p = 0; p < N_PHASES; p++) {
        FOR_ALL_KINDS(x) {
            scene s = bring_to(&x, p, 0);
            hl_generation_cancel(s.g);
            hl_generation_cancel(s.g); /* any number of times */
            hold_after(-1);
            const answer *a = read_all(s.g);
            assert_int_equal(a->status, HL_OK);
            assert_int_equal(a->usage.end, HL_END_CANCEL);
            assert_int_equal(a->n_tokens, 0); /* nothing is shown after a cancellation */
            check_phase(&x, &a->usage, p);
            leave_scene(&s);
            const hl_request next = ask("next", 3);
            assert_int_equal(run(&x, &next)->usage.answer_tokens, 3);
        }
    }
}

static void a_deadline_ends_a_request_in_every_phase(void **state) {
    (void)state;
    for (phase p = 0; p < N_PHASES; p++) {
        FOR_ALL_KINDS(x) {
            scene s = bring_to(&x, p, 100000);
            step_s += 101;
            hold_after(-1);
            const answer *a = read_all(s.g);
            assert_int_equal(a->status, HL_OK);
            assert_int_equal(a->usage.end, HL_END_TIMEOUT);
            check_phase(&x, &a->usage, p);
            if (p == DECODE) assert_true(a->n_tokens > 0); /* what was made before is shown */
            leave_scene(&s);
            const hl_request next = ask("next", 3);
            assert_int_equal(run(&x, &next)->usage.answer_tokens, 3);
        }
    }
}

static void a_request_that_nobody_reads_any_more_lets_others_go_first(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request endless = ask("abc", 1900), r = ask("xyz", 3);
        for (int i = 0; i < 2 * FAKE_RUNNING; i++) hl_generation_free(submit(&x, &endless));
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
                n += ev.kind == HL_EVENT_TOKEN && is_token(&ev.token);
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
static void a_deadline_ends_the_answer_of_a_reader_that_is_gone(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        hl_request r = ask("abc", -1);
        atomic_int n_wakes = 0;
        r.timeout_ms = 100;
        hl_generation *g = submit(&x, &r);
        hl_generation_on_ready(g, count_wakes, &n_wakes);
        /* the first token, the end; on a busy machine both may have been there before anybody listened */
        const int64_t late_ns = hl_clock_ns() + (int64_t)3 * 1000000000;
        while (atomic_load(&n_wakes) < 2 && hl_clock_ns() < late_ns) (void)usleep(1000);
        answer *a = read_all(g);
        assert_int_equal(a->status, HL_OK);
        assert_int_equal(a->usage.end, HL_END_TIMEOUT);
        assert_in_range(a->n_tokens, 1, 200);
        hl_generation_free(g);
    }
}

static void counts_and_times_add_up(void **state) {
    (void)state;
    FOR_ALL_KINDS(x) {
        const hl_request r = long_request();
        hl_usage         u = run(&x, &r)->usage;
        assert_int_equal(u.seed, 7);
        assert_int_equal(u.prompt_tokens, 1499);
        assert_int_equal(u.cached_tokens, 0);
        assert_int_equal(u.answer_tokens, 100);
        assert_true(u.accepted_tokens <= u.drafted_tokens && u.accepted_branches <= u.drafted_branches);
        assert_true(u.queue_ns >= 0 && u.prompt_ns > 0 && u.answer_ns > 0 && u.first_token_ns > 0);
        assert_true(u.queue_ns + u.prompt_ns <= u.first_token_ns);
        assert_true(u.first_token_ns <= u.total_ns);
        assert_true(u.queue_ns + u.prompt_ns + u.answer_ns <= u.total_ns);
        u = run(&x, &r)->usage; /* the same again: counted in full, computed or not */
        assert_int_equal(u.prompt_tokens, 1499);
        assert_int_equal(u.answer_tokens, 100);
        if (x.e) assert_in_range(u.cached_tokens, 1400, 1498);
    }
}

static int32_t count_content(setup *x, const char *content, const char *template_text) {
    char       messages[200];
    hl_request r = ask("", 3);
    int32_t    n = 0;
    (void)snprintf(messages, sizeof messages, "[{\"role\":\"user\",\"content\":\"%s\"}]", content);
    r.messages_json = messages;
    r.template_text = template_text;
    assert_int_equal(hl_runner_count(x->r, &r, &n, NULL), HL_OK);
    return n;
}

/* A user's text is text, whatever it spells; a template's own words and a raw prompt are not a user's. */
static void spelled_control_tokens_stay_text(void **state) {
    (void)state;
    const char *template_text = "{{ messages[0].content }}";
    FOR_ALL_KINDS(x) {
        hl_request r = ask(CONTROL, 3);
        int32_t    n = 0;
        assert_int_equal(run(&x, &r)->usage.prompt_tokens, sizeof CONTROL - 1);
        if (!x.counts) continue;
        assert_int_equal(hl_runner_count(x.r, &r, &n, NULL), HL_OK);
        assert_int_equal(n, sizeof CONTROL - 1);
        assert_int_equal(count_content(&x, CONTROL, template_text),
                         count_content(&x, "0123456789abc", template_text)); /* as long */
        if (!x.e) continue;
        r.raw = true;
        assert_int_equal(hl_runner_count(x.r, &r, &n, NULL), HL_OK);
        assert_int_equal(n, 1);
        assert_int_equal(count_content(&x, CONTROL, "{{ messages[0].content }}" CONTROL), sizeof CONTROL);
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
        cmocka_unit_test(cancelling_ends_a_request_in_every_phase),
        cmocka_unit_test(a_deadline_ends_a_request_in_every_phase),
        cmocka_unit_test(a_deadline_ends_the_answer_of_a_reader_that_is_gone),
        cmocka_unit_test(a_request_that_nobody_reads_any_more_lets_others_go_first),
        cmocka_unit_test(counts_and_times_add_up),
        cmocka_unit_test(spelled_control_tokens_stay_text),
        cmocka_unit_test(a_slow_reader_holds_up_nobody),
        cmocka_unit_test(an_event_loop_is_woken_when_there_is_something),
        cmocka_unit_test(generate_is_a_loop_over_next),
        cmocka_unit_test(stopping_the_runner_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
