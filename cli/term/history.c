/* SPDX-License-Identifier: MIT
 *
 * history.c - entries are lines; a newline inside an entry is written \n, a backslash \\.
 *
 * Appending with O_APPEND keeps entries of two programs whole. Others' access is taken away when it is there.
 */
#include "cli/term/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"

enum { MAX_FILE_BYTES = 16 << 20, MAX_ENTRY_BYTES = 64 << 10 };

static char *read_file(const char *path, size_t *ret_len) {
    struct stat st;
    char       *text = NULL;
    size_t      have = 0;
    int         fd = -1;
    if (hl_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, &st, NULL) != HL_OK) return NULL;
    const off_t  skip = st.st_size > MAX_FILE_BYTES ? st.st_size - MAX_FILE_BYTES : 0;
    const size_t n = (size_t)(st.st_size - skip);
    text = hl_new(n + 1, 1);
    while (text && have < n) {
        const ssize_t got = pread(fd, text + have, n - have, skip + (off_t)have);
        if (got <= 0) break;
        have += (size_t)got;
    }
    (void)close(fd);
    *ret_len = have;
    return text;
}

static void add_decoded(hl_str *out, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
            hl_str_add_char(out, p[i] == 'n' ? '\n' : p[i]);
        } else {
            hl_str_add_char(out, p[i]);
        }
    }
}

/* Where the last n lines of the text begin. */
static size_t find_tail(const char *text, size_t len, int n_lines) {
    size_t at = len;
    if (at > 0 && text[at - 1] == '\n') at--;
    for (; at > 0; at--) {
        if (text[at - 1] == '\n' && --n_lines <= 0) return at;
    }
    return 0;
}

static void cut_file(const char *path, const char *text, size_t len) {
    char tmp[4200];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.%ld", path, (long)getpid()) >= sizeof tmp) return;
    const int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    const bool ok = write(fd, text, len) == (ssize_t)len;
    if ((close(fd) != 0) | !ok || rename(tmp, path) != 0) (void)unlink(tmp);
}

void hl_history_load(const char *path, int n_max, void (*fn)(void *user, const char *line), void *user) {
    size_t len = 0;
    char  *text = read_file(path, &len);
    if (!text || n_max <= 0) {
        hl_free(text);
        return;
    }
    const size_t start = find_tail(text, len, n_max);
    if (find_tail(text, len, 2 * n_max) > 0) cut_file(path, text + start, len - start);
    hl_str entry;
    hl_str_init(&entry, MAX_ENTRY_BYTES);
    for (size_t i = start; i < len;) {
        const char  *nl = memchr(text + i, '\n', len - i);
        const size_t n = nl ? (size_t)(nl - (text + i)) : len - i;
        hl_str_clear(&entry);
        add_decoded(&entry, text + i, n);
        if (!entry.failed && entry.len > 0) fn(user, hl_str_text(&entry));
        i += n + 1;
    }
    hl_str_done(&entry);
    hl_free(text);
}

bool hl_history_add(const char *path, const char *line) {
    hl_str entry;
    hl_str_init(&entry, MAX_ENTRY_BYTES);
    for (const char *p = line; *p; p++) {
        if (*p == '\n')
            hl_str_add_text(&entry, "\\n");
        else if (*p == '\\')
            hl_str_add_text(&entry, "\\\\");
        else
            hl_str_add_char(&entry, *p);
    }
    hl_str_add_char(&entry, '\n');
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW;
    bool      ok = false;
    int       fd = -1;
    if (!entry.failed && hl_file_open(path, flags, 0600, &fd, NULL, NULL) == HL_OK) {
        ok = fchmod(fd, 0600) == 0 && write(fd, entry.ptr, entry.len) == (ssize_t)entry.len;
        ok = close(fd) == 0 && ok;
    }
    hl_str_done(&entry);
    return ok;
}
