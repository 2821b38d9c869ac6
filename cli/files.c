/* SPDX-License-Identifier: MIT
 *
 * files.c - read whole files and streams.
 */
#include "cli/files.h"

#include <errno.h>
#include <string.h>

#include "cli/app.h"

hl_status hl_read_stream(FILE *f, const char *name, hl_str *out, hl_err *err) {
    char   buf[65536];
    size_t n;
    while (!out->failed && (n = fread(buf, 1, sizeof buf, f)) > 0) hl_str_add(out, buf, n);
    if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
    if (ferror(f)) return hl_fail(err, HL_E_IO, "read '%.200s': %s", name, strerror(errno));
    if (out->failed)
        return hl_fail(err, HL_E_LIMIT, "'%.200s': over %zu bytes, or no memory", name, out->limit_bytes);
    return HL_OK;
}

hl_status hl_read_path(const char *path, hl_str *out, hl_err *err) {
    if (strcmp(path, "-") == 0) return hl_read_stream(stdin, "standard input", out, err);
    /* A pipe or a terminal is fine here: a prompt may come from another program. Waiting for it ends with a signal. */
    FILE *f = fopen(path, "rbe");
    if (!f && errno == EINTR && hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
    if (!f)
        return hl_fail(err, errno == ENOENT ? HL_E_NOT_FOUND : HL_E_IO, "open '%.200s': %s", path,
                       strerror(errno));
    const hl_status status = hl_read_stream(f, path, out, err);
    (void)fclose(f);
    return status;
}
