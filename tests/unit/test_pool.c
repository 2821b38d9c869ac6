/* SPDX-License-Identifier: MIT
 *
 * test_pool.c - every chunk runs exactly once, whatever the number of threads and chunks, whoever is held
 * up, and whatever happens to the affinity mask meanwhile.
 */
#define _GNU_SOURCE
#include "tests/need.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cpus.h"
#include "engine/model_priv.h"
#include "engine/parallel/pool.h"

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

static hl_pool *new_pool(int32_t n_threads) {
    hl_pool *p = NULL;
    hl_err   err;
    assert_int_equal(hl_pool_new(n_threads, &p, &err), HL_OK);
    return p;
}

/* One region of n chunks; returns how many threads there were for it. */
static int32_t run_and_check(hl_pool *p, uint32_t n) {
    static counts c;
    memset(&c, 0, sizeof c);
    hl_pool_enter(p);
    const int32_t n_active = hl_pool_n_active(p);
    c.n_threads = (uint32_t)hl_pool_n_threads(p);
    hl_pool_run(p, n, count, &c);
    hl_pool_leave(p);
    for (uint32_t k = 0; k < MAX_CHUNKS; k++) assert_int_equal(atomic_load(&c.runs[k]), k < n ? 1 : 0);
    assert_int_equal(atomic_load(&c.bad_threads), 0);
    return n_active;
}

static void every_chunk_runs_exactly_once(void **state) {
    (void)state;
    static const int32_t thread_counts[] = {1, 2, 3, 8, 32};
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        hl_pool *p = new_pool(thread_counts[i]);
        for (uint32_t round = 0; round < 300; round++) {
            (void)run_and_check(p, round % 7 == 0 ? 0 : (round * 37) % MAX_CHUNKS);
            if (round % 100 == 50) usleep(30000); /* long enough for the workers to fall asleep */
        }
        hl_pool_free(p);
    }
}

static void a_thousand_threads_work_on_any_machine(void **state) {
    (void)state;
    hl_pool *p = new_pool(1000);
    for (uint32_t round = 0; round < 20; round++) (void)run_and_check(p, 1 + round * 50);
    hl_pool_free(p);
    static const int32_t asked[] = {0, 1, 1000, 1024};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        hl_engine *e = NULL;
        hl_err     err = {0};
        assert_int_equal(
            hl_engine_new(&(hl_engine_params){.n_threads = asked[i], .cpu = test_cpu()}, &e, &err), HL_OK);
        assert_in_range(hl_engine_n_threads(e), 1,
                        hl_cpus_installed()); /* more would only wait for one another */
        if (asked[i] == 0) assert_true(hl_engine_n_threads(e) <= hl_cpus_usable());
        if (asked[i] == 1) assert_int_equal(hl_engine_n_threads(e), 1);
        hl_engine_free(e);
    }
}

static void a_thread_count_out_of_range_is_refused_with_the_range(void **state) {
    (void)state;
    static const int32_t asked[] = {-1, 1025, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        hl_engine *e = NULL;
        hl_err     err = {0};
        assert_int_equal(
            hl_engine_new(&(hl_engine_params){.n_threads = asked[i], .cpu = test_cpu()}, &e, &err), HL_E_ARG);
        assert_non_null(strstr(err.text, "1..1024"));
        assert_null(e);
    }
}

/* Chunk 0 ends when all others have run, which needs other threads to take them. */
static void wait_for_the_others(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    (void)i_thread;
    atomic_uint *n_others = ctx;
    if (i_chunk != 0)
        atomic_fetch_add(n_others, 1);
    else
        while (atomic_load(n_others) < MAX_CHUNKS - 1) (void)usleep(100);
}

static void a_thread_that_is_held_up_holds_up_no_other_chunk(void **state) {
    (void)state;
    static const int32_t thread_counts[] = {2, 3, 9};
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        hl_pool *p = new_pool(thread_counts[i]);
        for (int round = 0; round < 20; round++) {
            atomic_uint n_others = 0;
            hl_pool_enter(p);
            hl_pool_run(p, MAX_CHUNKS, wait_for_the_others, &n_others);
            hl_pool_leave(p);
            assert_int_equal(atomic_load(&n_others), MAX_CHUNKS - 1);
        }
        hl_pool_free(p);
    }
}

/* Threads of this process, other than the caller, that run or want to. */
static int n_awake(void) {
    int  n = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.' || atoi(d->d_name) == getpid()) continue;
        char path[300];
        char stat[512] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/stat", d->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue; /* just ended */
        (void)!fread(stat, 1, sizeof stat - 1, f);
        (void)fclose(f);
        const char *state = strrchr(stat, ')');
        if (state && state[1] && state[2] == 'R') n++;
    }
    (void)closedir(dir);
    return n;
}

static void idle_threads_sleep(void **state) {
    (void)state;
    hl_pool *p = new_pool(8);
    for (int round = 0; round < 3; round++) {
        (void)run_and_check(p, 500);
        for (int i = 0; n_awake() > 0; i++) { /* the last spin is short, but the machine may be busy */
            assert_true(i < 10000);
            (void)usleep(1000);
        }
        for (int i = 0; i < 20; i++) {
            assert_int_equal(n_awake(), 0);
            (void)usleep(500);
        }
    }
    hl_pool_free(p);
}

/* ---- affinity --------------------------------------------------------------------------------- */

static void allow_only_first(cpu_set_t all, int n) {
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && n-- <= 0) CPU_CLR(cpu, &all);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void threads_follow_the_affinity_mask_from_pass_to_pass(void **state) {
    (void)state;
    cpu_set_t all;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    const int n_cpus = CPU_COUNT(&all) < 6 ? CPU_COUNT(&all) : 6;
    hl_pool  *p = new_pool(4);
    hl_pool_follow_mask(p);
    for (int round = 0; round < 60; round++) {
        const int n = 1 + round % n_cpus;
        allow_only_first(all, n);
        assert_int_equal(hl_cpus_in_mask(), n);
        assert_int_equal(run_and_check(p, 500), n < 4 ? n : 4);
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    hl_pool_free(p);
    hl_pool *fixed = new_pool(4); /* follows nothing */
    allow_only_first(all, 1);
    assert_int_equal(run_and_check(fixed, 500), 4);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    hl_pool_free(fixed);
}

typedef struct shaker {
    pthread_t   worker; /* whose mask changes */
    cpu_set_t   all;
    atomic_bool done;
} shaker;

static void *shake(void *arg) {
    shaker *s = arg;
    for (int i = 0; !atomic_load(&s->done); i++) {
        cpu_set_t one = s->all;
        int       keep = i % CPU_COUNT(&s->all);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &one) && keep-- != 0) CPU_CLR(cpu, &one);
        (void)pthread_setaffinity_np(s->worker, sizeof one, i % 3 ? &one : &s->all);
        (void)usleep(200);
    }
    return NULL;
}

static void a_mask_that_changes_inside_a_pass_loses_no_chunk(void **state) {
    (void)state;
    shaker s = {.worker = pthread_self()};
    assert_int_equal(sched_getaffinity(0, sizeof s.all, &s.all), 0);
    pthread_t thread;
    hl_pool  *p = new_pool(4);
    hl_pool_follow_mask(p);
    assert_int_equal(pthread_create(&thread, NULL, shake, &s), 0);
    for (int round = 0; round < 2000; round++) (void)run_and_check(p, 200);
    atomic_store(&s.done, true);
    (void)pthread_join(thread, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof s.all, &s.all), 0);
    hl_pool_free(p);
}

static void a_pool_that_never_worked_can_be_freed(void **state) {
    (void)state;
    hl_pool_free(new_pool(4));
    hl_pool_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_runs_exactly_once),
        cmocka_unit_test(a_pool_that_never_worked_can_be_freed),
        cmocka_unit_test(a_thousand_threads_work_on_any_machine),
        cmocka_unit_test(a_thread_count_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(a_thread_that_is_held_up_holds_up_no_other_chunk),
        cmocka_unit_test(idle_threads_sleep),
        cmocka_unit_test(threads_follow_the_affinity_mask_from_pass_to_pass),
        cmocka_unit_test(a_mask_that_changes_inside_a_pass_loses_no_chunk),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
