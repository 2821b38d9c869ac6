/* SPDX-License-Identifier: MIT
 *
 * test_bench_history.c - results become runs, and a run is compared with the one before that had the same
 * setup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/lib/bench_history.h"

static hl_bench_result row(int64_t date_ms, int32_t n_threads, const char *metric, int64_t n, double value) {
    return (hl_bench_result){.date_ms = date_ms,
                             .n_threads = n_threads,
                             .isa = "avx2",
                             .kv_type = "f16",
                             .metric = metric,
                             .n = n,
                             .value = value};
}

static void a_run_is_what_has_the_same_date_and_is_compared_with_its_like(void **state) {
    (void)state;
    hl_bench_result rows[] = {
        row(1, 2, "prefill", 16, 100), row(1, 2, "decode", 0, 10),  row(2, 4, "prefill", 16, 180),
        row(3, 2, "prefill", 16, 150), row(3, 2, "prefill", 32, 7),
    };
    const hl_bench_history h = {.results = rows, .n = 5};
    hl_bench_runs          runs;
    hl_bench_runs_split(&h, &runs);
    assert_int_equal(runs.n, 3);
    assert_int_equal(runs.v[0].n, 2);
    assert_int_equal(runs.v[1].n, 1);
    assert_ptr_equal(runs.v[2].rows, &rows[3]);
    assert_ptr_equal(hl_bench_run_find(&runs.v[0], "decode", 0), &rows[1]);
    assert_null(hl_bench_run_find(&runs.v[0], "decode", 16));
    assert_true(hl_bench_runs_ratio(&runs, 2, &rows[3]) == 1.5); /* not with that of four threads */
    assert_true(hl_bench_runs_ratio(&runs, 1, &rows[2]) == 0);
    assert_true(hl_bench_runs_ratio(&runs, 2, &rows[4]) == 0); /* never measured before */
    rows[0].kv_type = "q8_0";
    assert_true(hl_bench_runs_ratio(&runs, 2, &rows[3]) == 0);
    assert_true(hl_bench_runs_is_new(&runs, 0, 0, &rows[0]));
    assert_false(hl_bench_runs_is_new(&runs, 0, 1, &rows[2]));
    assert_true(hl_bench_runs_is_new(&runs, 1, 1, &rows[2]));
    assert_true(hl_bench_runs_is_new(&runs, 0, 2, &rows[4]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_what_has_the_same_date_and_is_compared_with_its_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
