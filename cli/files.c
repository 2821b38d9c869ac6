/* SPDX-License-Identifier: MIT
 *
 * files.c - read whole files and streams.
 */
#include "cli/files.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "core/base/file.h"

hl_status hl_read_stream(FILE *f, const char *name, hl_str *out, hl_err *err) {
    char   buf[65536];
    size_t n;
    while (!out->failed && (n = fread(buf, 1, sizeof buf, f)) > 0) hl_str_add(out, buf, n);
    if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
    if (ferror(f)) return hl_fail(err, hl_errno_io(errno), "read '%.200s': %s", name, strerror(errno));
    return hl_str_check(out, name, err);
}

hl_status hl_read_path(const char *path, hl_str *out, hl_err *err) {
    if (strcmp(path, "-") == 0) return hl_read_stream(stdin, "standard input", out, err);
    /* A pipe or a terminal is fine here: a prompt may come from another program. Waiting for it ends with a
     * signal. */
    FILE *f = fopen(path, "rbe");
    if (!f && errno == EINTR && hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
    if (!f) return hl_fail(err, hl_errno_status(errno), "open '%.200s': %s", path, strerror(errno));
    const hl_status status = hl_read_stream(f, path, out, err);
    (void)fclose(f);
    return status;
}

/* The home that "~" or "~NAME" in front of a path means. */
static const char *find_home(char *const *envp, const char *path, size_t n) {
    char name[256];
    if (n >= sizeof name) return NULL;
    memcpy(name, path, n);
    name[n] = '\0';
    const struct passwd *who = n > 1 ? getpwnam(name + 1) : getpwuid(getuid());
    const char          *home = n == 1 ? hl_env_get(envp, "HOME") : NULL;
    return home && home[0] ? home : who ? who->pw_dir : NULL;
}

hl_status hl_path_from(char *const *envp, const char *file, const char *path, char ret[PATH_MAX],
                       hl_err *err) {
    char folder[PATH_MAX] = ".";
    int  n;
    if (path[0] == '~') {
        const size_t n_word = strcspn(path, "/");
        const char  *home = find_home(envp, path, n_word);
        if (!home) return hl_fail(err, HL_E_NOT_FOUND, "'%s': nobody has that home", path);
        n = snprintf(ret, PATH_MAX, "%s%s", home, path + n_word);
    } else if (path[0] == '/' || strcmp(file, "-") == 0) {
        n = snprintf(ret, PATH_MAX, "%s", path);
    } else {
        while (strncmp(path, "./", 2) == 0) /* said once: "./x" beside "./Modelfile" is "./x" */
            for (path += 2; *path == '/'; path++) {
            }
        n = hl_path_dir(file, folder, sizeof folder) ? snprintf(ret, PATH_MAX, "%s/%s", folder, path)
                                                     : PATH_MAX;
    }
    return n < PATH_MAX ? HL_OK : hl_fail(err, HL_E_ARG, "'%s': the path is too long", path);
}
