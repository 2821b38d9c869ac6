/* SPDX-License-Identifier: MIT
 *
 * test_pool.c - every chunk runs exactly once, whatever the number of threads and chunks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cpus.h"
#include "engine/ops/cpu/pool.h"

enum { MAX_CHUNKS = 1000 };

typedef struct counts {
    atomic_int runs[MAX_CHUNKS];
    atomic_int bad_threads;
    uint32_t   n_threads;
} counts;

static void count(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    counts *c = ctx;
    atomic_fetch_add(&c->runs[i_chunk], 1);
    if (i_thread >= c->n_threads) atomic_fetch_add(&c->bad_threads, 1);
}

static void every_chunk_runs_exactly_once(void **state) {
    (void)state;
    static const uint32_t thread_counts[] = {1, 2, 3, 8, 32};
    static counts         c;
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        hl_pool *p = NULL;
        hl_err   err;
        assert_int_equal(hl_pool_new((int32_t)thread_counts[i], &p, &err), HL_OK);
        for (uint32_t round = 0; round < 300; round++) {
            const uint32_t n = round % 7 == 0 ? 0 : (round * 37) % MAX_CHUNKS;
            memset(&c, 0, sizeof c);
            c.n_threads = thread_counts[i];
            hl_pool_enter(p);
            hl_pool_run(p, n, count, &c);
            hl_pool_leave(p);
            for (uint32_t k = 0; k < MAX_CHUNKS; k++) assert_int_equal(atomic_load(&c.runs[k]), k < n ? 1 : 0);
            assert_int_equal(atomic_load(&c.bad_threads), 0);
            if (round % 100 == 50) usleep(30000); /* long enough for the workers to fall asleep */
        }
        hl_pool_free(p);
    }
}

static void a_pool_that_never_worked_can_be_freed(void **state) {
    (void)state;
    hl_pool *p = NULL;
    hl_err   err;
    assert_int_equal(hl_pool_new(4, &p, &err), HL_OK);
    hl_pool_free(p);
    hl_pool_free(NULL);
}

static void there_is_at_least_one_usable_cpu(void **state) {
    (void)state;
    assert_true(hl_cpus_usable() >= 1);
    assert_true(hl_memory_available() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_runs_exactly_once),
        cmocka_unit_test(a_pool_that_never_worked_can_be_freed),
        cmocka_unit_test(there_is_at_least_one_usable_cpu),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
