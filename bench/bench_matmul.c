/* SPDX-License-Identifier: MIT
 *
 * bench_matmul.c - matrix products of every weight type against what the machine can do at most.
 *
 * One line per type and number of tokens, tab separated, stable columns:
 *   type  isa  threads  tokens  best_us  gbytes_per_s  gmac_per_s  of_read  of_tile  times_one_token
 * of_read is the share of a plain streaming read of the same bytes, of_tile the share of what the
 * micro-kernel reaches on one panel in cache, both measured in the same run with the same threads.
 * Take more weights than the last cache holds.
 *   bench_matmul [type-or-all] [rows] [cols] [threads] [tokens,tokens,...]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/kernels/cpu.h"
#include "engine/parallel/matmul.h"

enum { RUNS = 7, THREADS_MAX = 64, TOKENS_MAX = 1024, PEAK_CALLS = 100000 };

typedef struct job job;
typedef void       job_fn(job *j, void *scratch);
struct job {
    const hl_kernels *k;
    hl_matrix         w;
    hl_act            x;
    float            *y;
    size_t            chunk;
    atomic_size_t     next;
    pthread_barrier_t start, end;
    int               n_threads;
    job_fn           *fn; /* NULL: stop */
};

typedef struct worker {
    pthread_t thread;
    job      *j;
    void     *scratch;
} worker;

static void *work(void *arg) {
    worker *me = arg;
    for (;;) {
        pthread_barrier_wait(&me->j->start);
        if (!me->j->fn) return NULL;
        me->j->fn(me->j, me->scratch);
        pthread_barrier_wait(&me->j->end);
    }
}

static void multiply(job *j, void *scratch) {
    const hl_matmul_scratch room = {scratch, hl_matmul_scratch_bytes(j->w.n_cols, 0)};
    for (;;) {
        const size_t r = atomic_fetch_add(&j->next, j->chunk);
        if (r >= j->w.n_rows) return;
        const size_t end = r + j->chunk < j->w.n_rows ? r + j->chunk : j->w.n_rows;
        if (!hl_matmul_chunk(j->k, &j->w, r, end, &j->x, &room, j->y, j->w.n_rows)) abort();
    }
}

/* Touch all bytes of the weights and do nothing with them: the fastest that memory can be read. */
typedef long long wide __attribute__((vector_size(32)));
static void       read_all(job *j, void *scratch) {
          const size_t n = j->w.n_rows * j->w.row_bytes, piece = 1 << 18;
          wide         s[8] = {0};
          for (;;) {
              const size_t at = atomic_fetch_add(&j->next, piece);
              if (at + piece > n) break;
        const wide *p = (const wide *)(const void *)((const char *)j->w.data + at);
              for (size_t i = 0; i < piece / sizeof(wide); i += 8)
            for (size_t b = 0; b < 8; b++) s[b] ^= p[i + b];
    }
    memcpy(scratch, s, sizeof s);
}

/* Only the micro-kernel, on one panel that stays in cache: the most it can do. */
static void run_tile(job *j, void *scratch) {
    hl_panel p = {.n_rows = 32, .n_cols = 256, .codes = scratch, .group = 32, .offset = 8, .max_code = 15};
    hl_act   x = j->x;
    float    y[6 * 32];
    p.scale = (float *)(void *)((char *)scratch + 8192);
    x.n_tokens = 6;
    x.n_cols = 256;
    while (atomic_fetch_add(&j->next, 1) < PEAK_CALLS) j->k->gemm_panel(&p, &x, y, 32);
}

static double best_us(job *j, job_fn *fn) {
    double best = 1e30;
    j->fn = fn;
    for (int i = 0; i < RUNS; i++) { /* best of N: the least disturbed run */
        atomic_store(&j->next, 0);
        const int64_t t = hl_clock_ns(); /* before: the workers may be done before this thread wakes up */
        pthread_barrier_wait(&j->start);
        pthread_barrier_wait(&j->end);
        const double d = (double)(hl_clock_ns() - t) / 1e3;
        if (d < best) best = d;
    }
    return best;
}

static void bench_type(job *j, hl_type t, const size_t *tokens, double tile_gmac) {
    const double elems = (double)j->w.n_rows * (double)j->w.n_cols;
    double       one = 0;
    j->w.type = t;
    j->w.row_bytes = hl_type_row_bytes(t, j->w.n_cols);
    const double read_us = best_us(j, read_all);
    for (; *tokens; tokens++) {
        const bool panel = *tokens > HL_GEMV_MAX_TOKENS && j->k->unpack[t];
        j->x.n_tokens = *tokens;
        j->chunk = hl_matmul_chunk_rows(&j->w, *tokens, (size_t)j->n_threads);
        const double us = best_us(j, multiply);
        const double gmac = elems * (double)*tokens / us / 1e3;
        if (one == 0) one = us;
        printf("%s\t%s\t%d\t%zu\t%.1f\t%.2f\t%.1f\t%.2f\t%.2f\t%.2f\n", hl_type_name(t),
               panel ? j->k->facts_of_gemm_panel.isa : j->k->facts_of_gemv[t].isa, j->n_threads, *tokens, us,
               (double)(j->w.n_rows * j->w.row_bytes) / us / 1e3, gmac, read_us / us, gmac / tile_gmac,
               us / one);
        (void)fflush(stdout);
    }
}

static size_t number(int argc, char **argv, int i, size_t otherwise) {
    return argc > i ? (size_t)strtoull(argv[i], NULL, 10) : otherwise;
}

static bool fill(job *j, size_t n_tokens) {
    const size_t n = n_tokens * j->w.n_cols, w_bytes = j->w.n_rows * j->w.n_cols * 4;
    uint8_t     *w = hl_new_aligned(w_bytes, 1);
    int8_t      *q = hl_new_aligned(n, 1);
    float       *d = hl_new_aligned(n / 32, sizeof *d);
    float       *f = hl_new_aligned(n, sizeof *f);
    int16_t     *s = hl_new_aligned(n / 16, sizeof *s);
    uint16_t    *b = hl_new_aligned(n, sizeof *b);
    j->y = hl_new_aligned(n_tokens * j->w.n_rows, sizeof(float));
    if (!w || !q || !d || !f || !s || !b || !j->y) return false;
    for (size_t i = 0; i < w_bytes; i++) w[i] = (uint8_t)((uint32_t)i * 2654435761u >> 13) & 0x3b;
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)(i * 37 % 255 - 127);
    for (size_t i = 0; i < n / 32; i++) d[i] = 0.01f;
    for (size_t i = 0; i < n; i++) f[i] = 0.5f;
    j->w.data = w;
    j->x = (hl_act){.n_cols = j->w.n_cols, .q = q, .d = d, .sum16 = s, .f32 = f, .bf16 = b};
    return true;
}

static void bench_all(job *j, const char *name, const size_t *tokens) {
    const double tile_gmac = (double)PEAK_CALLS * 6 * 32 * 256 / best_us(j, run_tile) / 1e3;
    printf("# gemm_panel on one panel in cache: %.1f gmac/s\n", tile_gmac);
    printf(
        "type\tisa\tthreads\ttokens\tbest_us\tgbytes_per_s\tgmac_per_s\tof_read\tof_tile\ttimes_one_token\n");
    for (int t = 0; t < HL_TYPE_count; t++)
        if (!strcmp(name, "all") || !strcmp(name, hl_type_name((hl_type)t)))
            bench_type(j, (hl_type)t, tokens, tile_gmac);
}

int main(int argc, char **argv) {
    static hl_kernels k;
    static job        j;
    static worker     pool[THREADS_MAX];
    size_t            tokens[32] = {1, 2, 3, 4, 8, 16, 64, 256}, n = 0, most = 256;
    if (argc > 5) {
        memset(tokens, 0, sizeof tokens);
        most = 6;
        for (char *p = argv[5]; *p && n < 31; p += *p == ',') tokens[n++] = (size_t)strtoull(p, &p, 10);
        for (size_t i = 0; i < n; i++) most = tokens[i] > most ? tokens[i] : most;
    }
    j.w.n_rows = number(argc, argv, 2, 8192);
    j.w.n_cols = number(argc, argv, 3, 8192);
    j.n_threads = (int)number(argc, argv, 4, 2);
    if (most > TOKENS_MAX || j.n_threads < 1 || j.n_threads > THREADS_MAX || j.w.n_cols % 256) return 2;
    hl_kernels_select(hl_cpu_features(), &k);
    j.k = &k;
    if (!fill(&j, most)) return 1;
    pthread_barrier_init(&j.start, NULL, (unsigned)j.n_threads + 1);
    pthread_barrier_init(&j.end, NULL, (unsigned)j.n_threads + 1);
    for (int i = 0; i < j.n_threads; i++) {
        pool[i] = (worker){.j = &j, .scratch = hl_new_aligned(hl_matmul_scratch_bytes(j.w.n_cols, 0), 1)};
        if (!pool[i].scratch || pthread_create(&pool[i].thread, NULL, work, &pool[i])) return 1;
    }
    bench_all(&j, argc > 1 ? argv[1] : "all", tokens);
    j.fn = NULL;
    pthread_barrier_wait(&j.start);
    for (int i = 0; i < j.n_threads; i++) pthread_join(pool[i].thread, NULL);
    return 0;
}
