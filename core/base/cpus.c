/* SPDX-License-Identifier: MIT
 *
 * cpus.c - affinity mask, cgroup limits (v2, then v1), /proc/meminfo.
 *
 * A container's limits stand in the cgroup of this process or in one above it; the smallest counts.
 * Everything here is best effort: what cannot be read does not limit.
 * from: Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max), cgroup-v1/cpusets.rst,
 *       cgroup-v1/memory.rst (limit_in_bytes), scheduler/sched-bwc.rst (cpu.cfs_quota_us)
 */
#define _GNU_SOURCE
#include "core/base/cpus.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_small(char *buf, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The first cap - 1 bytes of the file that `format` names. */
static bool read_small(char *buf, size_t cap, const char *format, ...) {
    char    path[PATH_MAX];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof path) return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, buf, cap - 1);
    (void)close(fd);
    if (n <= 0) return false;
    buf[n] = '\0';
    return true;
}

/* "cpu" is in "cpu,cpuacct" but not in "cpuset". */
static bool lists(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) return true;
    return false;
}

/* The group of this process below a controller's mount (NULL: version 2): "" when it is the root or
 * unknown. */
static void find_group(const char *root, const char *controller, char *ret, size_t cap) {
    char text[4096];
    ret[0] = '\0';
    if (!read_small(text, sizeof text, "%s/proc/self/cgroup", root)) return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':');
        char *path = list ? strchr(++list, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        if (controller ? lists(list, controller) : list[0] == '\0')
            (void)snprintf(ret, cap, "%s", strcmp(path, "/") == 0 ? "" : path);
    }
}

typedef double read_limit_fn(const char *dir);

#define NO_LIMIT 1e300

/* The smallest limit from the process's own group up to the mount. */
static double least_limit(const char *root, const char *mount, const char *controller, read_limit_fn *fn) {
    char group[1024];
    find_group(root, controller, group, sizeof group);
    double least = NO_LIMIT;
    for (;;) {
        char         dir[PATH_MAX];
        const int    n = snprintf(dir, sizeof dir, "%s%s%s", root, mount, group);
        const double v = n > 0 && (size_t)n < sizeof dir ? fn(dir) : NO_LIMIT;
        if (v < least) least = v;
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

static double number_in(const char *dir, const char *file) {
    char text[64];
    if (!read_small(text, sizeof text, "%s/%s", dir, file) || strncmp(text, "max", 3) == 0) return NO_LIMIT;
    const double v = strtod(text, NULL);
    return v >= 0 ? v : NO_LIMIT;
}

static double cores_v2(const char *dir) {
    char   text[64];
    double quota = 0;
    double period = 0;
    if (!read_small(text, sizeof text, "%s/cpu.max", dir) || sscanf(text, "%lf %lf", &quota, &period) != 2)
        return NO_LIMIT;
    return quota > 0 && period > 0 ? quota / period : NO_LIMIT;
}

static double cores_v1(const char *dir) {
    const double quota = number_in(dir, "cpu.cfs_quota_us");
    const double period = number_in(dir, "cpu.cfs_period_us");
    return quota > 0 && quota < NO_LIMIT && period > 0 && period < NO_LIMIT ? quota / period : NO_LIMIT;
}

/* What the group may still take. Page cache counts as used but is given back, so it is added again. */
static double memory_left(const char *dir, double max, double used, const char *cache_key) {
    if (max >= NO_LIMIT || used >= NO_LIMIT) return NO_LIMIT;
    char         text[8192];
    const char  *at = read_small(text, sizeof text, "%s/memory.stat", dir) ? strstr(text, cache_key) : NULL;
    const double cache = at ? strtod(at + strlen(cache_key), NULL) : 0;
    return max - used + cache > 0 ? max - used + cache : 0;
}

static double memory_max_v2(const char *dir) { return number_in(dir, "memory.max"); }
static double memory_max_v1(const char *dir) { return number_in(dir, "memory.limit_in_bytes"); }

static double memory_left_v2(const char *dir) {
    return memory_left(dir, memory_max_v2(dir), number_in(dir, "memory.current"), "inactive_file ");
}

static double memory_left_v1(const char *dir) {
    return memory_left(dir, memory_max_v1(dir), number_in(dir, "memory.usage_in_bytes"),
                       "total_inactive_file ");
}

/* Hyperthreads of one core share its execution units: count each core once. */
static int32_t count_cores(const char *root, const cpu_set_t *set) {
    int32_t n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set)) continue;
        char      text[256];
        const int first =
            read_small(text, sizeof text, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                       root, cpu)
                ? atoi(text)
                : cpu;
        if (first == cpu || first < 0 || first >= CPU_SETSIZE || !CPU_ISSET(first, set)) n++;
    }
    return n;
}

/* The smallest limit of both versions. */
static double least_of_both(const char *root, const char *controller, read_limit_fn *v2_fn,
                            read_limit_fn *v1_fn) {
    char mount[64];
    (void)snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    const double v2 = least_limit(root, "/sys/fs/cgroup", NULL, v2_fn);
    const double v1 = least_limit(root, mount, controller, v1_fn);
    return v2 < v1 ? v2 : v1;
}

double hl_cpus_quota_below(const char *root) {
    const double quota = least_of_both(root, "cpu", cores_v2, cores_v1);
    return quota < NO_LIMIT ? quota : 0;
}

double hl_cpus_quota(void) { return hl_cpus_quota_below(""); }

int32_t hl_cpus_usable_below(const char *root) {
    cpu_set_t set;
    int32_t   n = hl_cpus_installed();
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = count_cores(root, &set);
    const double quota = hl_cpus_quota_below(root);
    if (quota > 0 && quota < n) n = (int32_t)(quota + 0.999);
    return n < 1 ? 1 : n;
}

int32_t hl_cpus_usable(void) { return hl_cpus_usable_below(""); }

int32_t hl_cpus_in_mask(void) {
    cpu_set_t set; /* fails where there are more than CPU_SETSIZE: then nothing is known */
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : INT32_MAX;
}

int32_t hl_cpus_installed(void) {
    const long n = sysconf(_SC_NPROCESSORS_CONF);
    return n > 0 && n < INT32_MAX ? (int32_t)n : 1;
}

/* A line of /proc/meminfo, in bytes; NO_LIMIT when it is not there. */
static double memory_line(const char *root, const char *key) {
    char        text[4096];
    const char *at = read_small(text, sizeof text, "%s/proc/meminfo", root) ? strstr(text, key) : NULL;
    return at ? strtod(at + strlen(key), NULL) * 1024 : NO_LIMIT;
}

uint64_t hl_memory_installed_below(const char *root) {
    const double n = memory_line(root, "MemTotal:");
    return n < NO_LIMIT ? (uint64_t)n : 0;
}

uint64_t hl_memory_installed(void) { return hl_memory_installed_below(""); }

uint64_t hl_memory_limit_below(const char *root) {
    const double limit = least_of_both(root, "memory", memory_max_v2, memory_max_v1);
    return limit < memory_line(root, "MemTotal:") ? (uint64_t)limit : 0;
}

uint64_t hl_memory_limit(void) { return hl_memory_limit_below(""); }

uint64_t hl_memory_available_below(const char *root) {
    const double left = memory_line(root, "MemAvailable:");
    const double in_group = least_of_both(root, "memory", memory_left_v2, memory_left_v1);
    const double least = left < in_group ? left : in_group;
    return least < NO_LIMIT ? (uint64_t)least : 0;
}

uint64_t hl_memory_available(void) { return hl_memory_available_below(""); }

uint64_t hl_memory_resident(void) {
    char        text[4096];
    const char *at =
        read_small(text, sizeof text, "%s", "/proc/self/status") ? strstr(text, "RssAnon:") : NULL;
    return at ? (uint64_t)(strtod(at + 8, NULL) * 1024) : 0;
}
