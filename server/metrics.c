/* SPDX-License-Identifier: MIT
 *
 * metrics.c - counts and histograms of each model, and their text.
 */
#include "server/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

enum { MAX_MODELS = 256 };

/* What a .def line says of a counter may be said twice: two names for one count. */
typedef struct counts {
    uint64_t prompt_tokens, cached_tokens, answer_tokens, preemptions, drafted_tokens, accepted_tokens;
} counts;

static const char *const reasons[] = {"stop", "length", "abort", "error"};
enum { STOP, LENGTH, ABORT, ERROR, N_REASONS };

struct hl_model_metrics {
    hl_metrics       *all;
    hl_model_metrics *next;
    char             *model; /* as a label's value: escaped */
    counts            count;
    uint64_t          n_ended[N_REASONS];
#define HL_METRIC_COUNTER(field, name, help)
#define HL_METRIC_HISTOGRAM(field, name, ladder, help) hl_histogram field;
#include "server/metrics.def"
#undef HL_METRIC_COUNTER
#undef HL_METRIC_HISTOGRAM
};

struct hl_metrics {
    pthread_mutex_t   lock; /* guards all below, and what is counted */
    hl_model_metrics *models;
    size_t            n_models;
};

/* Upper bounds of buckets, ascending, ended by 0. */
static const double SHORT[] = {.001, .005, .01, .02, .025, .04, .05, .06, .075, .1, .15, .2,
                               .25,  .3,   .4,  .5,  .75,  1,   2.5, 5,   10,   40, 160, 0};
static const double LONG[] = {.01, .05, .1, .3, .5, .8, 1,   1.5, 2,   2.5, 5, 10,
                              15,  20,  30, 40, 50, 60, 120, 240, 480, 960, 0};
static const double TOKENS[] = {1,    2,    5,     10,    20,    50,     100,    200,    500,     1000,
                                2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 0};
_Static_assert(sizeof SHORT / sizeof *SHORT <= HL_METRIC_BUCKETS &&
                   sizeof LONG / sizeof *LONG <= HL_METRIC_BUCKETS &&
                   sizeof TOKENS / sizeof *TOKENS <= HL_METRIC_BUCKETS,
               "a bucket for each bound");

static void observe(hl_histogram *h, const double *bounds, double value) {
    size_t i = 0;
    while (bounds[i] != 0 && value > bounds[i]) i++;
    h->buckets[i]++; /* above all bounds: the last one, which only counts in n */
    h->n++;
    h->sum += value;
}

hl_metrics *hl_metrics_new(void) {
    hl_metrics *m = hl_new(1, sizeof *m);
    if (m) (void)pthread_mutex_init(&m->lock, NULL);
    return m;
}

void hl_metrics_free(hl_metrics *m) {
    if (!m) return;
    (void)pthread_mutex_destroy(&m->lock);
    while (m->models) {
        hl_model_metrics *next = m->models->next;
        hl_free(m->models->model);
        hl_free(m->models);
        m->models = next;
    }
    hl_free(m);
}

/* Names may hold what ends a label's value. */
static char *escape(const char *text) {
    hl_str s;
    hl_str_init(&s, SIZE_MAX);
    for (; *text; text++) {
        if (*text == '\\' || *text == '"') hl_str_add_char(&s, '\\');
        hl_str_add_char(&s, *text == '\n' ? ' ' : *text);
    }
    char *kept = hl_str_take(&s);
    return kept;
}

/* Under lock; takes the label. */
static hl_model_metrics *add_model(hl_metrics *m, char *label) {
    hl_model_metrics *one = m->n_models < MAX_MODELS ? hl_new(1, sizeof *one) : NULL;
    if (!one) return NULL;
    one->all = m;
    one->model = label;
    one->next = m->models;
    m->models = one;
    m->n_models++;
    return one;
}

hl_model_metrics *hl_metrics_of(hl_metrics *m, const char *model) {
    char *label = escape(model);
    if (!label) return NULL;
    (void)pthread_mutex_lock(&m->lock);
    hl_model_metrics *one = m->models;
    while (one && strcmp(one->model, label) != 0) one = one->next;
    if (!one && (one = add_model(m, label)) != NULL) label = NULL; /* it is the model's now */
    (void)pthread_mutex_unlock(&m->lock);
    hl_free(label);
    return one;
}

void hl_metrics_add_gap(hl_model_metrics *m, int64_t ns) {
    if (!m) return;
    (void)pthread_mutex_lock(&m->all->lock);
    observe(&m->inter_token, SHORT, (double)ns / 1e9);
    (void)pthread_mutex_unlock(&m->all->lock);
}

static void add_usage(hl_model_metrics *m, const hl_usage *u) {
    m->count.prompt_tokens += (uint64_t)u->prompt_tokens;
    m->count.cached_tokens += (uint64_t)u->cached_tokens;
    m->count.answer_tokens += (uint64_t)u->answer_tokens;
    m->count.preemptions += (uint64_t)u->preemptions;
    m->count.drafted_tokens += (uint64_t)u->drafted_tokens;
    m->count.accepted_tokens += (uint64_t)u->accepted_tokens;
    if (u->answer_tokens > 0) observe(&m->first_token, SHORT, (double)u->first_token_ns / 1e9);
    if (u->answer_tokens > 1)
        observe(&m->per_token, SHORT, (double)u->answer_ns / 1e9 / (double)(u->answer_tokens - 1));
    observe(&m->total, LONG, (double)u->total_ns / 1e9);
    observe(&m->queue, LONG, (double)u->queue_ns / 1e9);
    observe(&m->prefill, LONG, (double)u->prompt_ns / 1e9);
    observe(&m->decode, LONG, (double)u->answer_ns / 1e9);
    observe(&m->prompt_size, TOKENS, u->prompt_tokens);
    observe(&m->answer_size, TOKENS, u->answer_tokens);
}

void hl_metrics_add_end(hl_model_metrics *m, hl_status status, const hl_usage *usage) {
    if (!m) return;
    const bool is_whole = usage && status == HL_OK;
    const int  how = !usage                        ? ABORT
                     : status != HL_OK             ? ERROR
                     : usage->end == HL_END_STOP   ? STOP
                     : usage->end == HL_END_LENGTH ? LENGTH
                                                   : ABORT;
    (void)pthread_mutex_lock(&m->all->lock);
    m->n_ended[how]++;
    if (is_whole) add_usage(m, usage);
    (void)pthread_mutex_unlock(&m->all->lock);
}

/* ---- Text ---- */

void hl_metrics_write_head(hl_str *out, const char *name, const char *kind, const char *help) {
    hl_str_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void hl_metrics_write_value(hl_str *out, const char *name, const char *model, double value) {
    if (model)
        hl_str_add_format(out, "%s{model_name=\"%s\",engine=\"0\"} %.17g\n", name, model, value);
    else
        hl_str_add_format(out, "%s %.17g\n", name, value);
}

static void write_histogram(hl_str *out, const char *name, const char *model, const hl_histogram *h,
                            const double *bounds) {
    uint64_t below = 0;
    for (size_t i = 0; bounds[i] != 0; i++) {
        below += h->buckets[i];
        hl_str_add_format(out, "%s_bucket{model_name=\"%s\",engine=\"0\",le=\"%g\"} %" PRIu64 "\n", name,
                          model, bounds[i], below);
    }
    hl_str_add_format(out, "%s_bucket{model_name=\"%s\",engine=\"0\",le=\"+Inf\"} %" PRIu64 "\n", name, model,
                      h->n);
    hl_str_add_format(out, "%s_sum{model_name=\"%s\",engine=\"0\"} %.9g\n", name, model, h->sum);
    hl_str_add_format(out, "%s_count{model_name=\"%s\",engine=\"0\"} %" PRIu64 "\n", name, model, h->n);
}

static void write_ends(const hl_metrics *m, hl_str *out) {
    static const char name[] = "vllm:request_success_total";
    hl_metrics_write_head(out, name, "counter", "answers, by how they ended");
    for (const hl_model_metrics *one = m->models; one; one = one->next)
        for (int i = 0; i < N_REASONS; i++)
            hl_str_add_format(out, "%s{model_name=\"%s\",engine=\"0\",finished_reason=\"%s\"} %" PRIu64 "\n",
                              name, one->model, reasons[i], one->n_ended[i]);
}

void hl_metrics_write(hl_metrics *m, hl_str *out) {
    (void)pthread_mutex_lock(&m->lock);
#define HL_METRIC_COUNTER(field, name, help)                                                                 \
    hl_metrics_write_head(out, name, "counter", help);                                                       \
    for (const hl_model_metrics *one = m->models; one; one = one->next)                                      \
        hl_metrics_write_value(out, name, one->model, (double)one->count.field);
#define HL_METRIC_HISTOGRAM(field, name, ladder, help)                                                       \
    hl_metrics_write_head(out, name, "histogram", help);                                                     \
    for (const hl_model_metrics *one = m->models; one; one = one->next)                                      \
        write_histogram(out, name, one->model, &one->field, ladder);
#include "server/metrics.def"
#undef HL_METRIC_COUNTER
#undef HL_METRIC_HISTOGRAM
    write_ends(m, out);
    (void)pthread_mutex_unlock(&m->lock);
}
