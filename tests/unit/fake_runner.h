/* SPDX-License-Identifier: MIT
 *
 * fake_runner.h - a runner without a model, for tests: it writes the words of its script, one event each.
 *
 * A request's answer is the script from its beginning; `max_tokens` ends it, else it begins again. A word is
 * reasoning until "</think>" (which is not shown) where the request's template_text is "think". As a real one
 * it has phases: FAKE_RUNNING requests are worked on at once, others are queued; a prompt, whose tokens are
 * its bytes, is read FAKE_CHUNK of them in a step; then each step is a word.
 */
#ifndef HL_TESTS_UNIT_FAKE_RUNNER_H
#define HL_TESTS_UNIT_FAKE_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "runner/runner_ops.h"

enum { FAKE_RUNNING = 2, FAKE_CHUNK = 64, FAKE_STOPS = 4 };

typedef struct fake_job {
    struct fake_job *next;
    hl_generation   *g;
    hl_request       r;                     /* only what is no pointer */
    char             stops[FAKE_STOPS][32]; /* "": none */
    bool             thinks;
    int64_t          deadline_ns, arrived_ns, began_ns, read_ns; /* 0: not yet */
    int32_t          n_read;                                     /* of the prompt */
    hl_usage         usage;
    atomic_bool      cancel, paused;
} fake_job;

typedef struct fake_runner {
    const char *const *words; /* [n_words] */
    size_t             n_words;
    pthread_mutex_t    lock;
    fake_job          *jobs;
    bool               quit;
    pthread_t          thread;
    void (*on_step)(void); /* called before each step of each request; NULL: nobody */
} fake_runner;

static inline hl_end fake_read(fake_job *j) {
    j->n_read += FAKE_CHUNK;
    if (j->n_read >= j->usage.prompt_tokens) {
        j->read_ns = hl_clock_ns();
        j->usage.prompt_ns = j->read_ns - j->began_ns;
    }
    return HL_END_NONE;
}

/* Why a request ends whatever phase it is in; NONE: it does not. */
static inline hl_end fake_why(const fake_job *j) {
    if (atomic_load(&j->cancel)) return HL_END_CANCEL;
    return j->deadline_ns && hl_clock_ns() >= j->deadline_ns ? HL_END_TIMEOUT : HL_END_NONE;
}

/* The next word, or why there is none. */
static inline hl_end fake_step(const fake_runner *f, fake_job *j) {
    if (f->on_step) f->on_step();
    const hl_end why = fake_why(j);
    if (why != HL_END_NONE) return why;
    if (j->began_ns == 0) {
        j->began_ns = hl_clock_ns();
        j->usage.queue_ns = j->began_ns - j->arrived_ns;
    }
    if (j->read_ns == 0) return fake_read(j);
    if (j->r.max_tokens >= 0 && j->usage.answer_tokens >= j->r.max_tokens) return HL_END_LENGTH;
    const int32_t        i = j->usage.answer_tokens++;
    const char          *word = f->words[(size_t)i % f->n_words];
    const hl_token_event ev = {.text = {word, strlen(word)}, .is_thinking = j->thinks, .token = i};
    if (i == 0) j->usage.first_token_ns = hl_clock_ns() - j->arrived_ns;
    for (int k = 0; k < FAKE_STOPS; k++)
        if (j->stops[k][0] && strstr(word, j->stops[k])) {
            j->usage.stop_number = k + 1;
            return HL_END_STOP;
        }
    if (j->thinks && strcmp(word, "</think>") == 0) {
        j->thinks = false;
        return HL_END_NONE;
    }
    return hl_generation_push(j->g, &ev) ? HL_END_NONE : HL_END_CANCEL;
}

/* Jobs are added at the end of the list by others and taken out here alone. */
static inline fake_job *fake_after(fake_runner *f, fake_job *j) {
    (void)pthread_mutex_lock(&f->lock);
    fake_job *next = j ? j->next : f->jobs;
    (void)pthread_mutex_unlock(&f->lock);
    return next;
}

static inline void fake_end(fake_runner *f, fake_job *j) {
    (void)pthread_mutex_lock(&f->lock);
    fake_job **at = &f->jobs;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    (void)pthread_mutex_unlock(&f->lock);
    const int64_t now = hl_clock_ns();
    j->usage.total_ns = now - j->arrived_ns;
    if (j->began_ns == 0)
        j->usage.queue_ns = j->usage.total_ns;
    else if (j->read_ns == 0)
        j->usage.prompt_ns = now - j->began_ns;
    else
        j->usage.answer_ns = now - j->read_ns;
    hl_generation_end(j->g, HL_OK, &j->usage, NULL);
    free(j);
}

static inline void *fake_thread(void *arg) {
    fake_runner *f = arg;
    for (;;) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        (void)pthread_mutex_lock(&f->lock);
        const bool quit = f->quit && !f->jobs;
        (void)pthread_mutex_unlock(&f->lock);
        if (quit) return NULL;
        int n_running = 0;
        for (fake_job *j = fake_after(f, NULL), *next = NULL; j; j = next) {
            const bool runs = !atomic_load(&j->paused) && n_running < FAKE_RUNNING;
            n_running += runs;
            j->usage.end = runs ? fake_step(f, j) : fake_why(j);
            next = fake_after(f, j);
            if (j->usage.end != HL_END_NONE) fake_end(f, j);
        }
    }
}

static inline int32_t fake_n_tokens(const hl_request *r) {
    return (int32_t)(r->messages_json ? strlen(r->messages_json) : r->prompt.len);
}

static inline hl_status fake_submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    fake_runner *f = engine;
    fake_job    *j = calloc(1, sizeof *j);
    if (r->max_tokens < -1) {
        free(j);
        return hl_fail(err, HL_E_ARG, "max_tokens is %d", r->max_tokens);
    }
    j->g = g;
    j->r = *r;
    j->usage.prompt_tokens = fake_n_tokens(r);
    j->usage.seed = r->sampling.seed;
    j->arrived_ns = hl_clock_ns();
    j->thinks = r->template_text && strcmp(r->template_text, "think") == 0;
    if (r->timeout_ms > 0) j->deadline_ns = hl_clock_ns() + r->timeout_ms * 1000000;
    for (size_t i = 0; i < r->n_stops && i < FAKE_STOPS; i++)
        (void)strncpy(j->stops[i], r->stops[i], sizeof j->stops[i] - 1);
    hl_generation_set_data(g, j);
    (void)pthread_mutex_lock(&f->lock);
    fake_job **at = &f->jobs;
    while (*at) at = &(*at)->next;
    *at = j;
    (void)pthread_mutex_unlock(&f->lock);
    return HL_OK;
}

static inline void fake_cancel(void *engine, hl_generation *g) {
    (void)engine;
    atomic_store(&((fake_job *)hl_generation_data(g))->cancel, true);
}

static inline void fake_pause(void *engine, hl_generation *g, bool paused) {
    (void)engine;
    atomic_store(&((fake_job *)hl_generation_data(g))->paused, paused);
}

static inline void fake_cancel_all(void *engine) {
    fake_runner *f = engine;
    (void)pthread_mutex_lock(&f->lock);
    for (fake_job *j = f->jobs; j; j = j->next) atomic_store(&j->cancel, true);
    (void)pthread_mutex_unlock(&f->lock);
}

static inline hl_status fake_render(void *engine, const hl_request *r, char **ret, size_t *ret_n,
                                    hl_err *err) {
    (void)engine, (void)r, (void)ret, (void)ret_n;
    return hl_fail(err, HL_E_UNSUPPORTED, "this runner has no prompt");
}

static inline hl_status fake_count(void *engine, const hl_request *r, int32_t *ret, hl_err *err) {
    (void)engine, (void)err;
    *ret = fake_n_tokens(r);
    return HL_OK;
}

static inline void fake_info(void *engine, hl_runner_info *ret) {
    (void)engine;
    *ret = (hl_runner_info){.kind = "fake", .n_ctx = 4096, .n_ctx_cap = 4096};
}

static inline void fake_free(void *engine) {
    fake_runner *f = engine;
    fake_cancel_all(f);
    (void)pthread_mutex_lock(&f->lock);
    f->quit = true;
    (void)pthread_mutex_unlock(&f->lock);
    (void)pthread_join(f->thread, NULL);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static const hl_runner_ops fake_ops = {
    .submit = fake_submit,
    .cancel = fake_cancel,
    .pause = fake_pause,
    .cancel_all = fake_cancel_all,
    .render = fake_render,
    .count = fake_count,
    .get_info = fake_info,
    .free = fake_free,
};

/* in     words    [n_words] must outlive the runner
 *        on_step  may be NULL */
static inline hl_runner *fake_runner_new(const char *const *words, size_t n_words, void (*on_step)(void)) {
    fake_runner *f = calloc(1, sizeof *f);
    f->words = words;
    f->n_words = n_words;
    f->on_step = on_step;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_create(&f->thread, NULL, fake_thread, f);
    return hl_runner_make(&fake_ops, f);
}

#endif
