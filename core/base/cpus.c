/* SPDX-License-Identifier: MIT
 *
 * cpus.c - affinity mask, cgroup limits (v2, then v1), /proc/meminfo.
 *
 * A container's limits stand in the cgroup of this process or in one above it; the smallest counts.
 * Everything here is best effort: what cannot be read does not limit.
 * from: Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max), cgroup-v1 (cpu.cfs_quota_us)
 */
#define _GNU_SOURCE
#include "core/base/cpus.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_small(const char *path, char *buf, size_t cap) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, buf, cap - 1);
    (void)close(fd);
    if (n <= 0) return false;
    buf[n] = '\0';
    return true;
}

/* The group of this process below a controller's mount: "" when it is the root or unknown. */
static void find_group(const char *controller, char *ret, size_t cap) {
    char text[4096];
    ret[0] = '\0';
    if (!read_small("/proc/self/cgroup", text, sizeof text)) return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *first = strchr(line, ':');
        char *path = first ? strchr(first + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        const bool is_v2 = first[1] == '\0';
        if (controller ? strstr(first + 1, controller) != NULL : is_v2)
            (void)snprintf(ret, cap, "%s", strcmp(path, "/") == 0 ? "" : path);
    }
}

typedef double read_limit_fn(const char *dir); /* HUGE when there is none */

#define NO_LIMIT 1e300

/* The smallest limit from the process's own group up to the mount. */
static double least_limit(const char *mount, const char *controller, read_limit_fn *fn) {
    char group[1024];
    find_group(controller, group, sizeof group);
    double least = NO_LIMIT;
    for (;;) {
        char dir[1200];
        (void)snprintf(dir, sizeof dir, "%s%s", mount, group);
        const double v = fn(dir);
        if (v < least) least = v;
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

static double number_in(const char *dir, const char *file) {
    char path[1400];
    char text[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    if (!read_small(path, text, sizeof text) || strncmp(text, "max", 3) == 0) return NO_LIMIT;
    const double v = strtod(text, NULL);
    return v < 0 ? NO_LIMIT : v;
}

static double cores_v2(const char *dir) {
    char   path[1400];
    char   text[64];
    double quota = 0;
    double period = 0;
    (void)snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (!read_small(path, text, sizeof text) || sscanf(text, "%lf %lf", &quota, &period) != 2) return NO_LIMIT;
    return period > 0 ? quota / period : NO_LIMIT;
}

static double cores_v1(const char *dir) {
    const double quota = number_in(dir, "cpu.cfs_quota_us");
    const double period = number_in(dir, "cpu.cfs_period_us");
    return quota < NO_LIMIT && period > 0 && period < NO_LIMIT ? quota / period : NO_LIMIT;
}

/* What the group may still take. Page cache counts as used but is given back, so it is added again. */
static double memory_left_v2(const char *dir) {
    const double max = number_in(dir, "memory.max");
    const double used = number_in(dir, "memory.current");
    if (max >= NO_LIMIT || used >= NO_LIMIT) return NO_LIMIT;
    char   path[1400];
    char   text[8192];
    double cache = 0;
    (void)snprintf(path, sizeof path, "%s/memory.stat", dir);
    const char *at = read_small(path, text, sizeof text) ? strstr(text, "inactive_file ") : NULL;
    if (at) cache = strtod(at + strlen("inactive_file "), NULL);
    return max - used + cache > 0 ? max - used + cache : 0;
}

/* Hyperthreads of one core share its execution units: count each core once. */
static int32_t count_cores(const cpu_set_t *set) {
    int32_t n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set)) continue;
        char path[128];
        char text[256];
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        const int first = read_small(path, text, sizeof text) ? atoi(text) : cpu;
        if (first == cpu || first < 0 || first >= CPU_SETSIZE || !CPU_ISSET(first, set)) n++;
    }
    return n;
}

int32_t hl_cpus_usable(void) {
    cpu_set_t set;
    int32_t   n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        n = count_cores(&set);
    } else {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (int32_t)online : 1;
    }
    const double v2 = least_limit("/sys/fs/cgroup", NULL, cores_v2);
    const double v1 = least_limit("/sys/fs/cgroup/cpu", "cpu", cores_v1);
    const double quota = v2 < v1 ? v2 : v1;
    if (quota < n) n = (int32_t)(quota + 0.999);
    return n < 1 ? 1 : n;
}

uint64_t hl_memory_available(void) {
    char        text[4096];
    double      left = NO_LIMIT;
    const char *at = read_small("/proc/meminfo", text, sizeof text) ? strstr(text, "MemAvailable:") : NULL;
    if (at) left = strtod(at + strlen("MemAvailable:"), NULL) * 1024;
    const double group = least_limit("/sys/fs/cgroup", NULL, memory_left_v2);
    if (group < left) left = group;
    return left < NO_LIMIT ? (uint64_t)left : 0;
}
