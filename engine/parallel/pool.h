/* SPDX-License-Identifier: MIT
 *
 * pool.h - the threads: one parallel region after another, in chunks taken by whoever is free.
 *
 * A region ends when all its chunks are done, not when all threads have shown up: a thread that the
 * system has put aside holds up nobody, unless it was put aside inside a chunk. Waiting is a short spin
 * and then a futex, so a machine that is shared slows the pool in proportion and idle means idle.
 */
#ifndef HL_ENGINE_PARALLEL_POOL_H
#define HL_ENGINE_PARALLEL_POOL_H

#include "hyperlama/base.h"

typedef struct hl_pool hl_pool;

/* Work on chunk i of n. i_thread in [0, n_threads) names the scratch memory to use. */
typedef void hl_chunk_fn(void *ctx, uint32_t i_chunk, uint32_t i_thread);

/* Threads start when they are first needed, in hl_pool_enter().
 *
 * in     n_threads  1..1024, the caller of hl_pool_run() included
 * fails  HL_E_NOMEM; threads that the system refuses are done without */
HL_MUST_CHECK hl_status hl_pool_new(int32_t n_threads, hl_pool **ret_pool, hl_err *err);
void                    hl_pool_free(hl_pool *p);            /* NULL is allowed */
int32_t                 hl_pool_n_threads(const hl_pool *p); /* i_thread is always below it */

/* From now on use no more threads than the caller of hl_pool_enter() has processors to run on: an
 * affinity mask that shrinks or grows while the program runs is followed from one pass to the next. */
void hl_pool_follow_mask(hl_pool *p);

/* Run fn for every chunk; returns when all are done. The calling thread works as thread 0.
 * thread one region at a time: hl_pool_enter() first */
void hl_pool_run(hl_pool *p, uint32_t n_chunks, hl_chunk_fn *fn, void *ctx);

/* Take the pool for a series of regions (one pass of a model), and give it back. */
void    hl_pool_enter(hl_pool *p);
void    hl_pool_leave(hl_pool *p);
int32_t hl_pool_n_active(const hl_pool *p); /* threads of this series: what to cut the work for */

#endif
