/* SPDX-License-Identifier: MIT
 *
 * machine.c - read /proc and /sys/fs/cgroup.
 *
 * from: proc(5), the kernel's Documentation/admin-guide/cgroup-v2.rst
 */
#define _GNU_SOURCE /* sched_getaffinity() */
#include "cli/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The value of the first line "key<blanks>: value" or "key: value" of a file. */
static bool read_key(const char *path, const char *key, char *buf, size_t cap) {
    char   line[512];
    bool   found = false;
    FILE  *f = fopen(path, "re");
    size_t n_key = strlen(key);
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, n_key) != 0 || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        (void)snprintf(buf, cap, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    if (f) (void)fclose(f);
    return found;
}

static bool read_line(const char *path, char *buf, int cap) {
    FILE      *f = fopen(path, "re");
    const bool ok = f && fgets(buf, cap, f);
    if (f) (void)fclose(f);
    return ok;
}

static uint64_t read_kib(const char *key) {
    char text[64];
    return read_key("/proc/meminfo", key, text, sizeof text) ? strtoull(text, NULL, 10) * 1024 : 0;
}

static void read_cgroup(hl_machine *m) {
    char text[64];
    if (read_line("/sys/fs/cgroup/memory.max", text, sizeof text) && text[0] != 'm')
        m->limit_bytes = strtoull(text, NULL, 10);
    if (read_line("/sys/fs/cgroup/cpu.max", text, sizeof text) && text[0] != 'm') {
        char        *end = NULL;
        const double quota = strtod(text, &end), period = end ? strtod(end, NULL) : 0;
        if (quota > 0 && period > 0) m->quota_cpus = quota / period;
    }
}

void hl_machine_init(hl_machine *m) {
    struct utsname u;
    cpu_set_t      set;
    *m = (hl_machine){0};
    if (uname(&u) == 0) {
        (void)snprintf(m->system, sizeof m->system, "%.20s %.60s %.20s", u.sysname, u.release, u.machine);
        (void)snprintf(m->host, sizeof m->host, "%.70s", u.nodename);
    }
    if (!read_key("/proc/cpuinfo", "model name", m->cpu, sizeof m->cpu))
        (void)snprintf(m->cpu, sizeof m->cpu, "unknown");
    m->n_cpus =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    m->memory_bytes = read_kib("MemTotal");
    m->available_bytes = read_kib("MemAvailable");
    read_cgroup(m);
}
