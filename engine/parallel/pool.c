/* SPDX-License-Identifier: MIT
 *
 * pool.c - chunks by compare-and-swap, sleeping by futex.
 *
 * `ticket` holds generation << 32 | chunks that nobody has taken yet. Taking one is a compare-and-swap
 * that counts down, so a late thread with an old generation can never take a chunk of a region it has
 * not seen: whoever takes a chunk knows that fn, ctx and n belong to it, because the region cannot end
 * (and be replaced) before that chunk is done. Chunks go out in ascending order.
 *
 * Threads beyond the active ones sleep on `n_active` itself and hear nothing of regions.
 */
#define _GNU_SOURCE
#include "engine/parallel/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/cpus.h"
#include "core/base/mem.h"

/* Between regions of one pass lie microseconds: spinning that long saves two system calls per region.
 * Longer spins steal time from whoever else wants the core. */
enum { SPIN_NS = 20000, SPIN_CHECK = 64 };

typedef struct worker {
    hl_pool  *pool;
    pthread_t thread;
    uint32_t  i_thread;
} worker;

struct hl_pool {
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t n_done;
    _Alignas(64) _Atomic uint32_t epoch; /* futex of the sleeping workers: counts regions */
    _Atomic uint32_t n_sleeping;
    _Alignas(64) _Atomic uint32_t caller_waits;
    _Alignas(64) _Atomic uint32_t n_active; /* futex of the threads beyond it; the caller counts */
    atomic_bool     quit;
    bool            follows_mask;
    uint32_t        n_chunks;
    hl_chunk_fn    *fn;
    void           *ctx;
    pthread_mutex_t turn; /* held from enter to leave */
    worker         *workers;
    int32_t         n_threads; /* at most */
    int32_t         n_started; /* the caller counts */
};

static void futex_wait(_Atomic uint32_t *at, uint32_t expected) {
    (void)syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at, int n) {
    (void)syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spin until *at differs from `old` or the time is over; true when it changed. */
static bool spin_while_equal(_Atomic uint32_t *at, uint32_t old) {
    const int64_t end = hl_clock_ns() + SPIN_NS;
    do {
        for (int i = 0; i < SPIN_CHECK; i++) {
            if (atomic_load_explicit(at, memory_order_acquire) != old) return true;
            relax();
        }
    } while (hl_clock_ns() < end);
    return false;
}

/* Take and run chunks until none is left. */
static void work(hl_pool *p, uint32_t i_thread) {
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while ((uint32_t)t != 0) {
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t - 1, memory_order_acquire,
                                                   memory_order_acquire))
            continue;
        const uint32_t n = p->n_chunks;
        p->fn(p->ctx, n - (uint32_t)t, i_thread);
        if (atomic_fetch_add_explicit(&p->n_done, 1, memory_order_seq_cst) + 1 == n &&
            atomic_load_explicit(&p->caller_waits, memory_order_seq_cst))
            futex_wake(&p->n_done, 1);
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
}

static void *run_worker(void *arg) {
    worker  *w = arg;
    hl_pool *p = w->pool;
    uint32_t seen = 0;
    for (;;) {
        if (!spin_while_equal(&p->epoch, seen)) {
            atomic_fetch_add(&p->n_sleeping, 1);
            while (atomic_load(&p->epoch) == seen) futex_wait(&p->epoch, seen);
            atomic_fetch_sub(&p->n_sleeping, 1);
        }
        seen = atomic_load(&p->epoch);
        if (atomic_load(&p->quit)) return NULL;
        const uint32_t n_active = atomic_load(&p->n_active);
        if (w->i_thread < n_active)
            work(p, w->i_thread);
        else
            futex_wait(&p->n_active, n_active);
    }
}

static void announce(hl_pool *p) {
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->n_sleeping) > 0) futex_wake(&p->epoch, INT_MAX);
}

static void wait_until_done(hl_pool *p, uint32_t n) {
    uint32_t done = atomic_load_explicit(&p->n_done, memory_order_acquire);
    while (done != n) {
        if (!spin_while_equal(&p->n_done, done)) {
            atomic_store_explicit(&p->caller_waits, 1, memory_order_seq_cst);
            while ((done = atomic_load_explicit(&p->n_done, memory_order_seq_cst)) != n)
                futex_wait(&p->n_done, done);
            atomic_store_explicit(&p->caller_waits, 0, memory_order_relaxed);
            return;
        }
        done = atomic_load_explicit(&p->n_done, memory_order_acquire);
    }
}

void hl_pool_run(hl_pool *p, uint32_t n_chunks, hl_chunk_fn *fn, void *ctx) {
    if (n_chunks == 0) return;
    if (hl_pool_n_active(p) == 1 || n_chunks == 1) {
        for (uint32_t i = 0; i < n_chunks; i++) fn(ctx, i, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n_chunks = n_chunks;
    atomic_store_explicit(&p->n_done, 0, memory_order_relaxed);
    const uint64_t generation = (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&p->ticket, generation << 32 | n_chunks, memory_order_release);
    announce(p);
    work(p, 0);
    wait_until_done(p, n_chunks);
}

int32_t hl_pool_n_threads(const hl_pool *p) { return p->n_threads; }
int32_t hl_pool_n_active(const hl_pool *p) {
    return (int32_t)atomic_load_explicit(&p->n_active, memory_order_relaxed);
}
void hl_pool_follow_mask(hl_pool *p) { p->follows_mask = true; }

/* Have n threads take part in what follows: start those that never ran, wake those that were left out. */
static void activate(hl_pool *p, int32_t n) {
    while (p->n_started < n) {
        worker *w = &p->workers[p->n_started];
        *w = (worker){.pool = p, .i_thread = (uint32_t)p->n_started};
        if (pthread_create(&w->thread, NULL, run_worker, w) != 0) break; /* do with those we have */
        p->n_started++;
    }
    if (n > p->n_started) n = p->n_started;
    if (n == hl_pool_n_active(p)) return;
    const bool more = n > hl_pool_n_active(p);
    atomic_store(&p->n_active, (uint32_t)n);
    if (more) futex_wake(&p->n_active, INT_MAX);
}

void hl_pool_enter(hl_pool *p) {
    (void)pthread_mutex_lock(&p->turn);
    int32_t n = p->n_threads;
    if (p->follows_mask && n > 1) {
        const int32_t in_mask = hl_cpus_in_mask();
        if (in_mask < n) n = in_mask;
    }
    activate(p, n);
}

void hl_pool_leave(hl_pool *p) { (void)pthread_mutex_unlock(&p->turn); }

hl_status hl_pool_new(int32_t n_threads, hl_pool **ret_pool, hl_err *err) {
    hl_pool *p = hl_new_aligned(1, sizeof *p);
    worker  *workers = hl_new((size_t)n_threads, sizeof *workers);
    if (!p || !workers) {
        hl_free(p);
        hl_free(workers);
        return hl_fail(err, HL_E_NOMEM, "thread pool: no memory for %d threads", n_threads);
    }
    p->workers = workers;
    p->n_threads = n_threads;
    p->n_started = 1;
    atomic_store(&p->n_active, 1);
    (void)pthread_mutex_init(&p->turn, NULL);
    *ret_pool = p;
    return HL_OK;
}

void hl_pool_free(hl_pool *p) {
    if (!p) return;
    atomic_store(&p->quit, true);
    announce(p);
    atomic_store(&p->n_active, UINT32_MAX);
    futex_wake(&p->n_active, INT_MAX);
    for (int32_t i = 1; i < p->n_started; i++) (void)pthread_join(p->workers[i].thread, NULL);
    (void)pthread_mutex_destroy(&p->turn);
    hl_free(p->workers);
    hl_free(p);
}
