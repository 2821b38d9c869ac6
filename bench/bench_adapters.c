/* SPDX-License-Identifier: MIT
 *
 * bench_adapters.c - what LoRA adapters cost: prompts and answers with none, one and two of them, and
 * answers of many requests of which none, some or all use one.
 *
 *   bench_adapters MODEL.gguf [rank] [n_threads]
 *
 * Two adapters of all matrices that the blocks have are made for the model. What is compared is measured
 * in turns; medians. One line per measurement, tab separated: what, ms, tokens/s, and the speed beside that
 * without adapters: by the clock, and by the processor time of all threads, which other programs disturb
 * less.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"
#include "hyperlama/hyperlama.h"

enum {
    RUNS = 5,
    N_PROMPT = 512,
    N_DECODE = 32,
    N_CLIENTS = 16,
    N_ANSWER = 24,
    N_ADAPTERS = 2,
    MAX_TENSORS = 4096
};

static char paths[N_ADAPTERS][64];

static void check(hl_status status, const hl_err *err) {
    if (status == HL_OK) return;
    fprintf(stderr, "bench_adapters: %s\n", err->text);
    exit(1);
}

/* What something took. */
typedef struct cost {
    double ms, cpu_ms;
} cost;

static cost now(void) {
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (cost){(double)hl_clock_ns() * 1e-6, (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6};
}

static cost since(cost begin) {
    const cost end = now();
    return (cost){end.ms - begin.ms, end.cpu_ms - begin.cpu_ms};
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v) {
    qsort(v, RUNS, sizeof *v, by_value);
    return v[RUNS / 2];
}

/* Of each of the two by itself. */
static cost median_cost(const cost *v) {
    double ms[RUNS], cpu_ms[RUNS];
    for (int i = 0; i < RUNS; i++) {
        ms[i] = v[i].ms;
        cpu_ms[i] = v[i].cpu_ms;
    }
    return (cost){median(ms), median(cpu_ms)};
}

/* Small values by a rule: how large they are changes what is answered, not how fast. */
static hl_status fill(void *user, void *to, size_t n_bytes, hl_err *err) {
    uint32_t x = *(const uint32_t *)user;
    float   *v = to;
    (void)err;
    for (size_t i = 0; i < n_bytes / sizeof *v; i++) {
        x = x * 1664525u + 1013904223u;
        v[i] = ((float)(x >> 8) / (float)(1 << 24) - 0.5f) * 0.02f;
    }
    return HL_OK;
}

static bool is_wanted(const hl_gguf_tensor *t) {
    return strncmp(t->name, "blk.", 4) == 0 && t->n_dims == 2 && !strstr(t->name, "norm");
}

/* Returns how many matrices it changes. */
static size_t write_adapter(const char *model, uint64_t rank, uint32_t seed, const char *path) {
    hl_err          err = {0};
    hl_gguf        *g = NULL;
    hl_view         arch = {0};
    size_t          n = 0;
    hl_gguf_writer *w = hl_gguf_writer_new();
    check(hl_gguf_open(model, &g, &err), &err);
    check(hl_gguf_get_text(g, "general.architecture", &arch, &err), &err);
    hl_gguf_writer_add_text(w, "general.type", hl_view_of("adapter"));
    hl_gguf_writer_add_text(w, "adapter.type", hl_view_of("lora"));
    hl_gguf_writer_add_text(w, "general.architecture", arch);
    hl_gguf_writer_add_f32(w, "adapter.lora.alpha", (float)rank);
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        char                  name[80];
        if (!is_wanted(t)) continue;
        (void)snprintf(name, sizeof name, "%s.lora_a", t->name);
        hl_gguf_writer_add_made(w, name, HL_TYPE_f32, 2, (uint64_t[]){rank, t->shape[1]}, fill, &seed);
        (void)snprintf(name, sizeof name, "%s.lora_b", t->name);
        hl_gguf_writer_add_made(w, name, HL_TYPE_f32, 2, (uint64_t[]){t->shape[0], rank}, fill, &seed);
        n++;
    }
    check(hl_gguf_writer_save(w, path, &err), &err);
    hl_gguf_writer_free(w);
    hl_gguf_close(g);
    return n;
}

static int32_t token(int32_t i, int32_t n_vocab) {
    return (int32_t)((uint32_t)i * 2654435761u % (uint32_t)n_vocab);
}

/* ---- one sequence ---- */

/* A prompt, and an answer behind 16 tokens of one. */
static void run_session(hl_model *m, int32_t n_vocab, size_t n_used, cost *ret_prompt, cost *ret_answer) {
    static const hl_adapter_use uses[] = {{.index = 0, .scale = 1}, {.index = 1, .scale = 1}};
    hl_err                      err = {0};
    hl_session                 *s = NULL;
    int32_t                     ids[N_PROMPT];
    for (int32_t i = 0; i < N_PROMPT; i++) ids[i] = token(i, n_vocab);
    check(hl_session_new(m, &(hl_session_params){.n_ctx = 2 * N_PROMPT}, &s, &err), &err);
    if (hl_model_n_adapters(m) > 0) check(hl_session_set_adapters(s, uses, n_used, &err), &err);
    check(hl_session_eval(s, ids, 16, &err), &err);
    hl_session_truncate(s, 0);
    cost begin = now();
    check(hl_session_eval(s, ids, N_PROMPT, &err), &err);
    *ret_prompt = since(begin);
    hl_session_truncate(s, 16);
    check(hl_session_eval(s, ids, 1, &err), &err);
    begin = now();
    for (int i = 0; i < N_DECODE; i++) check(hl_session_eval(s, ids + i, 1, &err), &err);
    *ret_answer = since(begin);
    hl_session_free(s);
}

/* ---- many ---- */

static void count_done(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    (void)id;
    (void)usage;
    check(status, err);
    (*(int *)user)++;
}

/* N_CLIENTS answers, of which client i uses uses[i] adapters. */
static cost run_clients(hl_model *m, int32_t n_vocab, const size_t *n_uses) {
    static const hl_adapter_use uses[] = {{.index = 0, .scale = 1}, {.index = 1, .scale = 1}};
    hl_err                      err = {0};
    hl_sched                   *s = NULL;
    hl_sched_stats              stats;
    int                         n_done = 0;
    check(hl_sched_new(
              m, &(hl_sched_params){.n_ctx = 256, .n_running_cap = N_CLIENTS, .speculate = HL_SPECULATE_OFF},
              &s, &err),
          &err);
    const cost begin = now();
    for (int32_t i = 0; i < N_CLIENTS; i++) {
        hl_sched_request r;
        int32_t          prompt[4];
        uint64_t         id;
        for (int32_t k = 0; k < 4; k++) prompt[k] = token(100 * i + k, n_vocab);
        hl_sched_request_init(&r);
        r.tokens = prompt;
        r.n_tokens = 4;
        r.max_tokens = N_ANSWER;
        r.ignore_eog = true;
        r.sampling.temperature = 0;
        r.adapters = uses;
        r.n_adapters = n_uses[i];
        r.on_done = count_done;
        r.user = &n_done;
        check(hl_sched_submit(s, &r, &id, &err), &err);
    }
    do {
        (void)usleep(200);
        hl_sched_get_stats(s, &stats);
    } while (stats.n_done < N_CLIENTS);
    const cost took = since(begin);
    hl_sched_free(s);
    return took;
}

/* ---- all of it ---- */

static hl_model *open_model(hl_engine *e, const char *path, bool has_adapters) {
    hl_err    err = {0};
    hl_model *m = NULL;
    check(hl_model_open(e, &path, 1, NULL, &m, &err), &err);
    for (size_t i = 0; i < N_ADAPTERS && has_adapters; i++)
        check(hl_model_add_adapter(m, paths[i], i ? "two" : "one", 1, &err), &err);
    return m;
}

static void print(const char *what, const char *how, cost c, double n_tokens, cost base) {
    printf("%s, %s\t%.1f ms\t%.1f tokens/s\t%.3f\t%.3f\n", what, how, c.ms, n_tokens / c.ms * 1e3,
           base.ms / c.ms, base.cpu_ms / c.cpu_ms);
    fflush(stdout);
}

static void measure_one(hl_model *const models[2], int32_t n_vocab) {
    static const char *const how[] = {"no adapters", "two there, none used", "one", "two"};
    cost                     prompt[4][RUNS], answer[4][RUNS];
    for (int run = 0; run < RUNS; run++)
        for (int k = 0; k < 4; k++)
            run_session(models[k > 0], n_vocab, k > 0 ? (size_t)k - 1 : 0, &prompt[k][run], &answer[k][run]);
    const cost base_prompt = median_cost(prompt[0]), base_answer = median_cost(answer[0]);
    for (int k = 0; k < 4; k++) print("prompt of 512", how[k], median_cost(prompt[k]), N_PROMPT, base_prompt);
    for (int k = 0; k < 4; k++) print("answer of 32", how[k], median_cost(answer[k]), N_DECODE, base_answer);
}

static void measure_many(hl_model *const models[2], int32_t n_vocab) {
    static const char *const how[] = {"no adapters",  "two there, none used",     "one of 16 uses one",
                                      "half use one", "none, one, both in turns", "all use one",
                                      "all use both"};
    enum { N_HOW = sizeof how / sizeof *how };
    size_t uses[N_HOW][N_CLIENTS] = {{0}};
    cost   took[N_HOW][RUNS];
    for (size_t i = 0; i < N_CLIENTS; i++) {
        uses[2][i] = i == 0;
        uses[3][i] = i % 2;
        uses[4][i] = i % 3;
        uses[5][i] = 1;
        uses[6][i] = 2;
    }
    for (int run = 0; run < RUNS; run++)
        for (int k = 0; k < N_HOW; k++) took[k][run] = run_clients(models[k > 0], n_vocab, uses[k]);
    const cost base = median_cost(took[0]);
    for (int k = 0; k < N_HOW; k++)
        print("16 answers at once", how[k], median_cost(took[k]), N_CLIENTS * N_ANSWER, base);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    hl_err        err = {0};
    hl_engine    *e = NULL;
    hl_model_info info;
    const long    rank = argc > 2 ? strtol(argv[2], NULL, 10) : 16;
    if (rank < 1 || rank > 1024) return 2;
    for (size_t i = 0; i < N_ADAPTERS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "/tmp/hl-bench-adapter-%d-%zu.gguf", (int)getpid(), i);
        const size_t n = write_adapter(argv[1], (uint64_t)rank, (uint32_t)i + 1, paths[i]);
        if (i == 0) printf("rank %ld, %zu matrices\n", rank, n);
    }
    check(hl_engine_new(&(hl_engine_params){.n_threads = argc > 3 ? atoi(argv[3]) : 0}, &e, &err), &err);
    hl_model *const models[2] = {open_model(e, argv[1], false), open_model(e, argv[1], true)};
    for (size_t i = 0; i < N_ADAPTERS; i++) (void)unlink(paths[i]);
    hl_model_get_info(models[0], &info);
    measure_one(models, info.n_vocab);
    measure_many(models, info.n_vocab);
    for (int i = 0; i < 2; i++) hl_model_close(models[i]);
    hl_engine_free(e);
    return 0;
}
