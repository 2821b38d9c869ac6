/* SPDX-License-Identifier: MIT
 *
 * limits.c - how fast this machine can stream memory and multiply small integers, with the engine's threads.
 */
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/model_priv.h"
#include "engine/parallel/matmul.h"

enum { READ_BYTES = 256 << 20, CHUNK_BYTES = 1 << 20, INT8_ROUNDS = 200000, INT8_CHUNKS = 64, RUNS = 5 };

typedef struct probe {
    const hl_kernels *k;
    const uint8_t    *data;
    uint64_t          per_chunk[READ_BYTES / CHUNK_BYTES];
} probe;

static void read_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    probe *p = ctx;
    (void)i_thread;
    p->per_chunk[i_chunk] = p->k->probe_read(CHUNK_BYTES, p->data + (size_t)i_chunk * CHUNK_BYTES);
}

static void int8_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    probe *p = ctx;
    (void)i_thread;
    p->per_chunk[i_chunk] = p->k->probe_int8(INT8_ROUNDS / INT8_CHUNKS);
}

hl_status hl_engine_measure(hl_engine *e, hl_machine_limits *ret_limits, hl_err *err) {
    uint8_t *data = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    probe   *p = hl_new(1, sizeof *p);
    if (data == MAP_FAILED || !p) {
        if (data != MAP_FAILED) (void)munmap(data, READ_BYTES);
        hl_free(p);
        return hl_fail(err, HL_E_NOMEM, "no memory: measuring the machine needs %d MiB", READ_BYTES >> 20);
    }
    *ret_limits = (hl_machine_limits){0};
    *p = (probe){.k = &e->kernels, .data = data};
    for (size_t i = 0; i < READ_BYTES; i += 4096)
        data[i] = (uint8_t)(i >> 12); /* real pages, not the zero page */
    hl_pool_enter(e->pool);
    for (int run = 0; run < RUNS; run++) { /* best of: the least disturbed */
        int64_t t = hl_clock_ns();
        hl_pool_run(e->pool, READ_BYTES / CHUNK_BYTES, read_chunk, p);
        const double read_rate = READ_BYTES / ((double)(hl_clock_ns() - t) * 1e-9);
        if (read_rate > ret_limits->read_bytes_per_s) ret_limits->read_bytes_per_s = read_rate;
        uint64_t macs = 0;
        t = hl_clock_ns();
        hl_pool_run(e->pool, INT8_CHUNKS, int8_chunk, p);
        const double seconds = (double)(hl_clock_ns() - t) * 1e-9;
        for (int i = 0; i < INT8_CHUNKS; i++) macs += p->per_chunk[i];
        if ((double)macs / seconds > ret_limits->int8_macs_per_s)
            ret_limits->int8_macs_per_s = (double)macs / seconds;
    }
    hl_pool_leave(e->pool);
    (void)munmap(data, READ_BYTES);
    hl_free(p);
    return HL_OK;
}

/* ---- weights of a type, one token ---- */

enum { COLUMNS = 2048, LEAST_BYTES = 1 << 20 };

typedef struct product {
    const hl_kernels  *k;
    hl_matrix          w;
    hl_act             x;
    float             *y;
    size_t             chunk_rows;
    hl_matmul_scratch *scratch; /* [n_threads] */
    void              *memory[7];
    bool               failed;
} product;

static void multiply_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    product     *p = ctx;
    const size_t begin = i_chunk * p->chunk_rows, end = begin + p->chunk_rows;
    if (!hl_matmul_chunk(p->k, &p->w, begin, end < p->w.n_rows ? end : p->w.n_rows, &p->x,
                         &p->scratch[i_thread], p->y, p->w.n_rows))
        p->failed = true;
}

static void product_done(product *p, int32_t n_threads) {
    for (size_t i = 0; i < sizeof p->memory / sizeof *p->memory; i++) hl_free(p->memory[i]);
    for (int32_t i = 0; p->scratch && i < n_threads; i++) hl_free(p->scratch[i].memory);
    hl_free(p->scratch);
    hl_free(p->y);
}

/* Activations in each form that some type needs, and weights that are no numbers in particular. */
static bool product_init(product *p, int32_t n_threads) {
    const size_t n_w = p->w.n_rows * p->w.row_bytes,
                 sizes[] = {n_w, COLUMNS, COLUMNS / 32 * 4, COLUMNS / 16 * 2, COLUMNS * 4, COLUMNS * 2, 0};
    for (size_t i = 0; sizes[i]; i++)
        if (!(p->memory[i] = hl_new_aligned(sizes[i], 1))) return false;
    uint8_t *w = p->memory[0];
    int8_t  *q = p->memory[1];
    float   *d = p->memory[2], *f = p->memory[4];
    for (size_t i = 0; i < n_w; i++)
        w[i] = (uint8_t)((uint32_t)i * 2654435761U >> 13) & 0x3b; /* finite halves */
    for (size_t i = 0; i < COLUMNS; i++) q[i] = (int8_t)(i * 37 % 255 - 127);
    for (size_t i = 0; i < COLUMNS / 32; i++) d[i] = 0.01f;
    for (size_t i = 0; i < COLUMNS; i++) f[i] = 0.5f;
    p->w.data = w;
    p->x = (hl_act){.n_tokens = 1,
                    .n_cols = COLUMNS,
                    .q = q,
                    .d = d,
                    .sum16 = p->memory[3],
                    .f32 = f,
                    .bf16 = p->memory[5]};
    p->y = hl_new_aligned(p->w.n_rows, sizeof *p->y);
    p->scratch = hl_new((size_t)n_threads, sizeof *p->scratch);
    for (int32_t i = 0; p->scratch && i < n_threads; i++) {
        p->scratch[i].n_bytes = hl_matmul_scratch_bytes(COLUMNS, 0);
        p->scratch[i].memory = hl_new_aligned(p->scratch[i].n_bytes, 1);
        if (!p->scratch[i].memory) return false;
    }
    return p->y && p->scratch;
}

hl_status hl_engine_measure_weights(hl_engine *e, const char *type, uint64_t n_bytes, double *ret_bytes_per_s,
                                    hl_err *err) {
    const int32_t n_threads = hl_pool_n_threads(e->pool);
    product       p = {.k = &e->kernels};
    double        best = 0;
    if (!hl_type_find(type, &p.w.type))
        return hl_fail(err, HL_E_ARG, "measure '%.40s': no type of weights is called so", type);
    if (n_bytes > READ_BYTES) n_bytes = READ_BYTES;
    if (n_bytes < LEAST_BYTES) n_bytes = LEAST_BYTES;
    p.w.n_cols = COLUMNS;
    p.w.row_bytes = hl_type_row_bytes(p.w.type, COLUMNS);
    p.w.n_rows = ((size_t)n_bytes / p.w.row_bytes + 31) & ~(size_t)31;
    p.chunk_rows = hl_matmul_chunk_rows(&p.w, 1, (size_t)n_threads);
    hl_status status =
        product_init(&p, n_threads) ? HL_OK : hl_fail(err, HL_E_NOMEM, "no memory to measure the machine");
    if (status == HL_OK) hl_pool_enter(e->pool);
    for (int run = 0; run < RUNS && status == HL_OK; run++) { /* best of: the least disturbed */
        const int64_t t = hl_clock_ns();
        hl_pool_run(e->pool, (uint32_t)((p.w.n_rows + p.chunk_rows - 1) / p.chunk_rows), multiply_chunk, &p);
        const double rate = (double)(p.w.n_rows * p.w.row_bytes) / ((double)(hl_clock_ns() - t) * 1e-9);
        if (rate > best) best = rate;
    }
    if (status == HL_OK) hl_pool_leave(e->pool);
    if (status == HL_OK && p.failed)
        status = hl_fail(err, HL_E_INTERNAL, "measure '%s': too little scratch", type);
    product_done(&p, n_threads);
    if (status == HL_OK) *ret_bytes_per_s = best;
    return status;
}
