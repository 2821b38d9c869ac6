/* SPDX-License-Identifier: MIT
 *
 * machine.c - names from uname and /proc/cpuinfo, numbers from core/base/cpus.h.
 */
#include "bench/lib/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/base/cpus.h"

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

void hl_machine_init(hl_machine *m) {
    struct utsname u;
    *m = (hl_machine){0};
    if (uname(&u) == 0) {
        (void)snprintf(m->system, sizeof m->system, "%.20s %.60s %.20s", u.sysname, u.release, u.machine);
        (void)snprintf(m->host, sizeof m->host, "%.70s", u.nodename);
    }
    if (!read_key("/proc/cpuinfo", "model name", m->cpu, sizeof m->cpu))
        (void)snprintf(m->cpu, sizeof m->cpu, "unknown");
    m->n_cores = hl_cpus_usable();
    m->n_cpus = hl_cpus_in_mask();
    m->quota_cpus = hl_cpus_quota();
    m->memory_bytes = hl_memory_installed();
    m->available_bytes = hl_memory_available();
    m->limit_bytes = hl_memory_limit();
}
