/* SPDX-License-Identifier: MIT
 *
 * test_cpus.c - processors and memory of a container, read from files as Linux writes them.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cpus.h"

static char root[PATH_MAX / 2];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int begin(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(root, sizeof root, "%s/hl-cpus-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Write a file below the root, with the folders above it. */
static void put(const char *path, const char *text) {
    char full[PATH_MAX];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int32_t n_mask(void) {
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return CPU_COUNT(&set);
}

static int32_t at_most(int32_t n) { return n < n_mask() ? n : n_mask(); }

static void this_machine_has_something(void **state) {
    (void)state;
    assert_true(hl_cpus_usable() >= 1);
    assert_true(hl_cpus_usable() <= hl_cpus_installed());
    assert_int_equal(hl_cpus_in_mask(), n_mask());
    assert_true(hl_memory_available() > 0);
}

static void without_files_only_the_mask_counts(void **state) {
    (void)state;
    assert_int_equal(hl_cpus_usable_below(root), n_mask());
    assert_int_equal(hl_memory_available_below(root), 0);
}

static void quotas_of_version_2_are_rounded_up_and_never_below_one(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t     n;
    } cases[] = {
        {"50000 100000\n", 1},  {"1000 100000\n", 1},  {"100000 100000\n", 1}, {"110000 100000\n", 2},
        {"150000 100000\n", 2}, {"75000 50000\n", 2},  {"max 100000\n", 9999}, {"99999999 100000\n", 9999},
        {"100000 0\n", 9999},   {"-5 100000\n", 9999}, {"nan 100000\n", 9999}, {"100000\n", 9999},
        {"nonsense\n", 9999},   {"\n", 9999},          {"1e400 1\n", 9999},    {"0 100000\n", 9999},
    };
    put("/proc/self/cgroup", "0::/box\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put("/sys/fs/cgroup/box/cpu.max", cases[i].text);
        if (hl_cpus_usable_below(root) != at_most(cases[i].n))
            fail_msg("cpu.max '%s': %d", cases[i].text, hl_cpus_usable_below(root));
    }
}

static void the_smallest_quota_on_the_way_up_counts(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "70000 100000\n");
    assert_int_equal(hl_cpus_usable_below(root), 1);
}

static void quotas_of_version_1_count_too(void **state) {
    (void)state;
    /* "cpu" is neither "cpuset" nor "cpuacct", wherever they stand */
    put("/proc/self/cgroup", "4:cpu,cpuacct:/box\n3:cpuset:/other\n2:cpuacct:/other\n0::/\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "25000\n");
    put("/sys/fs/cgroup/cpu/other/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/other/cpu.cfs_quota_us", "800000\n");
    assert_int_equal(hl_cpus_usable_below(root), 1);
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "130000\n");
    assert_int_equal(hl_cpus_usable_below(root), at_most(2));
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(hl_cpus_usable_below(root), n_mask());
}

static void a_container_sees_its_limits_at_the_mount(void **state) {
    (void)state;
    put("/proc/self/cgroup",
        "4:cpu:/docker/0123456789\n5:memory:/docker/0123456789\n"); /* not a path in here */
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "400000\n");
    assert_int_equal(hl_cpus_usable_below(root), 1);
    assert_int_equal(hl_memory_available_below(root), 600000);
}

static void a_limit_is_told_where_it_is_less_than_the_machine_has(void **state) {
    (void)state;
    put("/proc/meminfo", "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    500 kB\n");
    assert_int_equal(hl_memory_installed_below(root), 1024000);
    assert_int_equal(hl_memory_limit_below(root), 0);
    put("/proc/self/cgroup", "5:memory:/a/b\n0::/c/d\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
        "9223372036854771712\n"); /* how version 1 says none */
    assert_int_equal(hl_memory_limit_below(root), 0);
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "300000\n"); /* above the group */
    assert_int_equal(hl_memory_limit_below(root), 300000);
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "100000\n");
    assert_int_equal(hl_memory_available_below(root), 200000);
    put("/sys/fs/cgroup/c/d/memory.max", "max\n");
    put("/sys/fs/cgroup/c/memory.max", "150000\n");
    assert_int_equal(hl_memory_limit_below(root), 150000);
}

static void a_quota_is_told_as_it_is(void **state) {
    (void)state;
    assert_true(hl_cpus_quota_below(root) == 0);
    put("/proc/self/cgroup", "0::/box\n");
    put("/sys/fs/cgroup/box/cpu.max", "250000 100000\n");
    assert_true(hl_cpus_quota_below(root) == 2.5);
}

static void hyperthreads_of_one_core_count_once(void **state) {
    (void)state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (int cpu = 0, first = -1; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        if (first < 0) first = cpu;
        char path[128];
        char text[32];
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        (void)snprintf(text, sizeof text, "%d,%d\n", first, cpu);
        put(path, text);
    }
    assert_int_equal(hl_cpus_usable_below(root), 1);
}

static void the_smallest_memory_limit_counts_and_cache_is_given_back(void **state) {
    (void)state;
    put("/proc/meminfo", "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   4000 kB\n");
    assert_int_equal(hl_memory_available_below(root), 4000 * 1024);
    put("/proc/self/cgroup", "0::/box\n");
    put("/sys/fs/cgroup/box/memory.max", "max\n");
    put("/sys/fs/cgroup/box/memory.current", "100\n");
    assert_int_equal(hl_memory_available_below(root), 4000 * 1024);
    put("/sys/fs/cgroup/box/memory.max", "1000000\n");
    put("/sys/fs/cgroup/box/memory.current", "900000\n");
    assert_int_equal(hl_memory_available_below(root), 100000);
    put("/sys/fs/cgroup/box/memory.stat", "anon 1\nactive_file 7\ninactive_file 250000\nslab 3\n");
    assert_int_equal(hl_memory_available_below(root), 350000);
    put("/sys/fs/cgroup/box/memory.current", "2000000\n"); /* over the limit: nothing left */
    assert_int_equal(hl_memory_available_below(root), 0);
}

static void limits_of_version_1_are_numbers_too(void **state) {
    (void)state;
    put("/proc/meminfo", "MemAvailable:   4000 kB\n");
    put("/proc/self/cgroup", "5:memory:/box\n");
    put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "900000\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n"); /* its way to say none */
    assert_int_equal(hl_memory_available_below(root), 4000 * 1024);
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000000\n");
    put("/sys/fs/cgroup/memory/box/memory.stat", "inactive_file 5\ntotal_inactive_file 50000\n");
    assert_int_equal(hl_memory_available_below(root), 150000);
}

int main(void) {
#define FAKE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_machine_has_something),
        FAKE(without_files_only_the_mask_counts),
        FAKE(quotas_of_version_2_are_rounded_up_and_never_below_one),
        FAKE(the_smallest_quota_on_the_way_up_counts),
        FAKE(quotas_of_version_1_count_too),
        FAKE(a_container_sees_its_limits_at_the_mount),
        FAKE(hyperthreads_of_one_core_count_once),
        FAKE(the_smallest_memory_limit_counts_and_cache_is_given_back),
        FAKE(limits_of_version_1_are_numbers_too),
        FAKE(a_limit_is_told_where_it_is_less_than_the_machine_has),
        FAKE(a_quota_is_told_as_it_is),
    };
    return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
