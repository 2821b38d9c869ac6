/* SPDX-License-Identifier: MIT
 *
 * bench_attend.c - speed of the attention kernels on one core.
 *
 * Decode form: 1..8 query heads share a KV head, 4096 positions, more cache pages than the last-level cache
 * holds; GB/s of keys and values, and the share of what a plain read of the same pages reaches.
 * Prefill form: 64 query rows over 4096 positions; GFLOP/s (4 x head_dim per query and position).
 * Low-rank form: 16 query heads share one head of 576 columns, whose first 512 are the values: pages that
 * hold both, and pages of keys alone.
 * Usage: bench_attend [isa] ; default: everything this machine has.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/kernels.h"

enum {
    DEPTH = 4096,
    N_PAGES = DEPTH / HL_KV_PAGE_TOKENS,
    N_SPLITS = DEPTH / HL_ATTEND_SPLIT,
    SPLIT_PAGES = HL_ATTEND_SPLIT / HL_KV_PAGE_TOKENS,
    N_REPEATS = 3,
    HUGE_BYTES = 2 << 20
};

static const char *const type_names[HL_N_KV_CACHE_TYPES] = {"f16", "f32", "bf16", "q8_0"};

typedef uint64_t line __attribute__((vector_size(64)));

typedef struct cache {
    size_t   n_heads; /* KV heads times layers */
    size_t   page_bytes;
    uint8_t *bytes;
    size_t   n_values; /* of pages that are of keys alone, the first columns; 0: they are not */
    uint8_t *values;   /* of a split */
} cache;

static float random_float(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) * 0x1p-23f - 1.0f;
}

static void fill_cache(const hl_kernels *kernels, hl_kv_cache_type type, size_t head_dim, cache *c) {
    float    row[HL_ATTEND_MAX_HEAD_DIM];
    uint32_t seed = 1;
    for (size_t page = 0; page < c->n_heads * N_PAGES; page++) {
        if (page >= N_PAGES) {
            memcpy(c->bytes + page * c->page_bytes, c->bytes, c->page_bytes);
            continue;
        }
        for (size_t slot = 0; slot < HL_KV_PAGE_TOKENS; slot++) {
            for (size_t i = 0; i < head_dim; i++) row[i] = random_float(&seed);
            kernels->kv_write(type, head_dim, slot, row, c->n_values ? NULL : row,
                              c->bytes + page * c->page_bytes);
        }
    }
}

/* All splits of one KV head. */
static void attend_head(const hl_kernels *kernels, hl_kv_cache_type type, size_t head_dim, size_t n_queries,
                        const cache *c, size_t i_head, const float *const *q, float *o, void *scratch) {
    int32_t        q_pos[HL_ATTEND_MAX_QUERIES], q_first[HL_ATTEND_MAX_QUERIES];
    float          max[HL_ATTEND_MAX_QUERIES], sum[HL_ATTEND_MAX_QUERIES];
    const uint8_t *pages[N_PAGES];
    for (size_t i = 0; i < n_queries; i++) q_pos[i] = DEPTH - 1, q_first[i] = 0;
    for (size_t i = 0; i < N_PAGES; i++) pages[i] = c->bytes + (i_head * N_PAGES + i) * c->page_bytes;
    for (size_t i = 0; i < N_SPLITS; i++) {
        const uint8_t *values[SPLIT_PAGES];
        for (size_t k = 0; k < SPLIT_PAGES && c->n_values; k++) {
            uint8_t *to = c->values + k * c->page_bytes;
            kernels->kv_values(type, head_dim, c->n_values, pages[i * SPLIT_PAGES + k], to);
            values[k] = to;
        }
        hl_attend_in in = {.kv_type = type,
                           .head_dim = (uint32_t)head_dim,
                           .n_queries = (uint32_t)n_queries,
                           .q = q,
                           .q_pos = q_pos,
                           .q_first = q_first,
                           .qk_scale = 0.1f,
                           .pos_begin = (int32_t)i * HL_ATTEND_SPLIT,
                           .pos_end = (int32_t)(i + 1) * HL_ATTEND_SPLIT,
                           .pages = pages + i * SPLIT_PAGES,
                           .values = c->n_values ? values : NULL,
                           .next_page = i + 1 < N_SPLITS ? pages[(i + 1) * SPLIT_PAGES] : NULL};
        kernels->attend(&in, o, max, sum, scratch);
    }
}

static int compare_times(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The median of n times in seconds: what other programs took does not count. */
static double median_seconds(int64_t *times, size_t n) {
    qsort(times, n, sizeof *times, compare_times);
    return (double)times[n / 2] * 1e-9;
}

/* Seconds of reading one head's pages, without doing anything. */
static double read_seconds(const cache *c, int64_t *times) {
    size_t n_bytes = N_PAGES * c->page_bytes;
    for (size_t r = 0; r < N_REPEATS * c->n_heads; r++) {
        int64_t     start = hl_clock_ns();
        const line *p = (const line *)(const void *)(c->bytes + r % c->n_heads * n_bytes);
        line        sum = {0};
        for (size_t i = 0; i < n_bytes / sizeof *p; i++) sum += p[i];
        volatile uint64_t sink = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
        (void)sink;
        times[r] = hl_clock_ns() - start;
    }
    return median_seconds(times, N_REPEATS * c->n_heads);
}

typedef struct shape {
    size_t head_dim, n_values;
    size_t counts[5]; /* of queries */
} shape;

static void bench_shape(const hl_kernels *kernels, const char *name, hl_kv_cache_type type, const shape *s) {
    const size_t head_dim = s->head_dim, *counts = s->counts;
    cache        c = {.page_bytes =
                   s->n_values ? hl_kv_page_v_offset(type, head_dim) : hl_kv_page_bytes(type, head_dim),
                      .n_values = s->n_values};
    c.n_heads = ((size_t)96 << 20) / (c.page_bytes * N_PAGES);
    /* Huge pages: with small ones, address translation is the limit under virtualization. */
    size_t   n_bytes = c.n_heads * N_PAGES * c.page_bytes + HUGE_BYTES;
    uint8_t *memory = hl_new_aligned(n_bytes, 1);
    if (memory == NULL) return;
    c.bytes = memory + (HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES);
    (void)madvise(c.bytes, n_bytes - HUGE_BYTES, MADV_HUGEPAGE);
    float *rows = hl_new_aligned(HL_ATTEND_MAX_QUERIES * head_dim, 4),
          *o = hl_new_aligned(HL_ATTEND_MAX_QUERIES * head_dim, 4);
    void        *scratch = hl_new_aligned(HL_ATTEND_SCRATCH_BYTES, 1);
    const float *q[HL_ATTEND_MAX_QUERIES];
    int64_t     *times = hl_new(c.n_heads * N_REPEATS, sizeof *times);
    c.values = hl_new_aligned(SPLIT_PAGES * c.page_bytes, 1);
    if (rows == NULL || o == NULL || scratch == NULL || times == NULL || c.values == NULL) goto out;
    fill_cache(kernels, type, head_dim, &c);
    uint32_t seed = 2;
    for (size_t i = 0; i < HL_ATTEND_MAX_QUERIES * head_dim; i++) rows[i] = random_float(&seed);
    for (size_t i = 0; i < HL_ATTEND_MAX_QUERIES; i++) q[i] = rows + i * head_dim;
    double plain = read_seconds(&c, times), total = (double)(N_PAGES * c.page_bytes);
    for (size_t k = 0; k < sizeof s->counts / sizeof *s->counts && counts[k]; k++) {
        size_t n_runs = counts[k] > 8 ? 8 : c.n_heads * N_REPEATS;
        for (size_t r = 0; r < n_runs; r++) {
            int64_t start = hl_clock_ns();
            attend_head(kernels, type, head_dim, counts[k], &c, r % c.n_heads, q, o, scratch);
            times[r] = hl_clock_ns() - start;
        }
        double best = median_seconds(times, n_runs), flop = 4.0 * (double)(head_dim * counts[k]) * DEPTH;
        if (head_dim > 128)
            printf("%-10s %-5s %4zu  %2zu queries  %-10s %7.1f GFLOP/s  %7.1f us\n", name, type_names[type],
                   head_dim, counts[k], s->n_values ? "keys alone" : "both", flop / best * 1e-9, best * 1e6);
        else if (counts[k] <= 8)
            printf("%-10s %-5s %4zu  %2zu queries  %6.1f GB/s  %4.0f %% of a plain read  %7.1f GFLOP/s\n",
                   name, type_names[type], head_dim, counts[k], total / best * 1e-9, 100 * plain / best,
                   flop / best * 1e-9);
        else
            printf("%-10s %-5s %4zu  %2zu queries  %7.1f GFLOP/s\n", name, type_names[type], head_dim,
                   counts[k], flop / best * 1e-9);
        fflush(stdout);
    }
out:
    hl_free(c.values), hl_free(memory), hl_free(rows), hl_free(o), hl_free(scratch), hl_free(times);
}

int main(int argc, char **argv) {
    static const hl_kv_cache_type types[] = {HL_KV_CACHE_F16, HL_KV_CACHE_Q8_0, HL_KV_CACHE_BF16};
    static const shape            shapes[] = {
                   {64, 0, {1, 3, 4, 8, HL_ATTEND_MAX_QUERIES}},
                   {128, 0, {1, 3, 4, 8, HL_ATTEND_MAX_QUERIES}},
                   {576, 0, {16, HL_ATTEND_MAX_QUERIES}},
                   {576, 512, {16, HL_ATTEND_MAX_QUERIES}},
    };
    const char *last = NULL;
    for (int i = 1; i < HL_ISA_count; i++) {
        hl_kernels kernels;
        uint32_t   needs = hl_isa_needs((hl_isa)i);
        if ((needs & ~hl_cpu_features()) != 0 || (argc > 1 && strcmp(argv[1], hl_isa_name((hl_isa)i)) != 0))
            continue;
        hl_kernels_select(needs, &kernels);
        if (kernels.facts_of_attend.isa == last) continue;
        last = kernels.facts_of_attend.isa;
        for (size_t t = 0; t < 3; t++)
            for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
                bench_shape(&kernels, last == NULL ? "-" : last, types[t], &shapes[k]);
    }
    return 0;
}
