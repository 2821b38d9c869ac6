/* SPDX-License-Identifier: MIT
 *
 * fake_runner.h - a runner without a model, for tests: it writes the words of its script, one event each.
 *
 * A request's answer is the script from its beginning; `max_tokens` ends it, else it begins again. A word is
 * reasoning until "</think>" (which is not shown) where the request's template_text is "think". Requests are
 * answered one after the other, so a second one is queued.
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

typedef struct fake_job {
    struct fake_job *next;
    hl_generation   *g;
    hl_request       r; /* only what is no pointer */
    char             stop[32];
    bool             thinks;
    int64_t          deadline_ns;
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
} fake_runner;

/* The next word, or why there is none. */
static inline hl_end fake_step(const fake_runner *f, fake_job *j) {
    if (atomic_load(&j->cancel)) return HL_END_CANCEL;
    if (j->deadline_ns && hl_clock_ns() >= j->deadline_ns) return HL_END_TIMEOUT;
    if (atomic_load(&j->paused)) return HL_END_NONE;
    if (j->r.max_tokens >= 0 && j->usage.answer_tokens >= j->r.max_tokens) return HL_END_LENGTH;
    const int32_t        i = j->usage.answer_tokens++;
    const char          *word = f->words[(size_t)i % f->n_words];
    const hl_token_event ev = {.text = {word, strlen(word)}, .is_thinking = j->thinks, .token = i};
    if (j->stop[0] && strstr(word, j->stop)) return HL_END_STOP;
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
        for (fake_job *j = fake_after(f, NULL), *next = NULL; j; j = next) {
            j->usage.end = fake_step(f, j);
            next = fake_after(f, j);
            if (j->usage.end != HL_END_NONE) fake_end(f, j);
        }
    }
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
    j->usage.prompt_tokens = 3;
    j->thinks = r->template_text && strcmp(r->template_text, "think") == 0;
    if (r->timeout_ms > 0) j->deadline_ns = hl_clock_ns() + r->timeout_ms * 1000000;
    if (r->n_stops > 0) (void)strncpy(j->stop, r->stops[0], sizeof j->stop - 1);
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
    (void)engine, (void)r, (void)err;
    *ret = 3;
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

/* in     words  [n_words] must outlive the runner */
static inline hl_runner *fake_runner_new(const char *const *words, size_t n_words) {
    fake_runner *f = calloc(1, sizeof *f);
    f->words = words;
    f->n_words = n_words;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_create(&f->thread, NULL, fake_thread, f);
    return hl_runner_make(&fake_ops, f);
}

#endif
