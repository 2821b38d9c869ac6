/* SPDX-License-Identifier: MIT
 *
 * limits.c - how fast this machine can stream memory and multiply small integers, with the engine's threads.
 */
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/model_priv.h"

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
