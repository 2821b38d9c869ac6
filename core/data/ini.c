/* SPDX-License-Identifier: MIT
 *
 * ini.c - by inih.
 *
 * inih 55 reads lines into a buffer of 200 bytes and silently takes the rest for a second line, and
 * does not tell its handler which line it is at. Both are solved by a reader of ours that hands it the
 * lines: it checks their length and counts them.
 */
#include "core/data/ini.h"

#include <ini.h>
#include <string.h>

enum { MAX_LINE_BYTES = 197 };

typedef struct reader {
    const char     *what, *path;
    hl_ini_line_fn *fn;
    void           *user;
    const char     *p;      /* the text that was not read yet */
    int             i_line; /* of the line that was read last, from 1 */
    hl_err          err;    /* the first failure */
} reader;

/* inih's reader, as fgets: hand out the next line, count it, refuse one that inih would cut. */
static char *next_line(char *buf, int cap, void *user) {
    reader *r = user;
    if (!*r->p || r->err.status != HL_OK) return NULL;
    const size_t n = strcspn(r->p, "\n");
    r->i_line++;
    if (n > MAX_LINE_BYTES || n + 2 > (size_t)cap) {
        (void)hl_fail(&r->err, HL_E_FORMAT, "%s '%s' line %d: %zu bytes, expected at most %d", r->what,
                      r->path, r->i_line, n, MAX_LINE_BYTES);
        return NULL;
    }
    memcpy(buf, r->p, n);
    buf[n] = '\0';
    r->p += n + (r->p[n] == '\n');
    return buf;
}

/* inih's handler: 0 stops counting this line as good. */
static int take(void *user, const char *section, const char *name, const char *value) {
    reader *r = user;
    if (r->err.status != HL_OK) return 1;
    return r->fn(r->user, r->i_line, section, name, value, &r->err) == HL_OK;
}

hl_status hl_ini_read(const char *text, const char *what, const char *path, hl_ini_line_fn *fn, void *user,
                      hl_err *err) {
    reader    r = {.what = what, .path = path, .fn = fn, .user = user, .p = text};
    const int i_bad = ini_parse_stream(next_line, &r, take, &r);
    if (r.err.status != HL_OK) {
        if (err) *err = r.err;
        return r.err.status;
    }
    if (i_bad > 0)
        return hl_fail(err, HL_E_FORMAT, "%s '%s' line %d: expected [section] or name = value", what, path,
                       i_bad);
    return i_bad < 0 ? hl_fail(err, HL_E_NOMEM, "%s '%s': no memory", what, path) : HL_OK;
}
