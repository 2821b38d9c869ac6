/* SPDX-License-Identifier: MIT
 *
 * config_file.c - read the settings file with inih.
 *
 * inih 55 reads lines into a buffer of 200 bytes and silently takes the rest for a second line, and
 * does not tell its handler which line it is at. Both are solved by a reader of ours that hands it the
 * lines: it checks their length and counts them.
 */
#include "core/data/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"

enum { MAX_FILE_BYTES = 1 << 20, MAX_LINE_BYTES = 197 };

typedef struct reader {
    hl_config       *config;
    const char      *path;
    const hl_events *events;
    const char      *p;      /* the text that was not read yet */
    int              i_line; /* of the line that was read last, from 1 */
    hl_err           err;    /* the first failure */
} reader;

static hl_status read_all(const char *path, char **ret_text, hl_err *err) {
    char           *text = NULL;
    size_t          len = 0;
    struct stat     st;
    const bool      is_absent = stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
    const hl_status status = is_absent ? HL_OK : hl_file_read(path, MAX_FILE_BYTES, &text, &len, err);
    if (status != HL_OK) {
        (void)hl_fail_within(err, status, "settings");
        return status;
    }
    if (text && strlen(text) != len) {
        const size_t at = strlen(text);
        hl_free(text);
        return hl_fail(err, HL_E_FORMAT, "settings file '%s': a zero byte at offset %zu", path, at);
    }
    *ret_text = text;
    return HL_OK;
}

/* inih's reader, as fgets: hand out the next line, count it, refuse one that inih would cut. */
static char *next_line(char *buf, int cap, void *user) {
    reader *r = user;
    if (!*r->p || r->err.status != HL_OK) return NULL;
    const size_t n = strcspn(r->p, "\n");
    r->i_line++;
    if (n > MAX_LINE_BYTES || n + 2 > (size_t)cap) {
        (void)hl_fail(&r->err, HL_E_FORMAT, "settings file '%s' line %d: %zu bytes, expected at most %d",
                      r->path, r->i_line, n, MAX_LINE_BYTES);
        return NULL;
    }
    memcpy(buf, r->p, n);
    buf[n] = '\0';
    r->p += n + (r->p[n] == '\n');
    return buf;
}

/* A line of a section whose names are the user's. inih 55 cuts sections and names at 49 bytes, and takes a
 * ':' for a '='. */
static int take_own(reader *r, const char *section, const char *name, const char *text) {
    enum { INIH_MAX = 49 };
    hl_err    err = {0};
    hl_status status = HL_OK;
    if (strlen(section) >= INIH_MAX || strlen(name) >= INIH_MAX)
        status = hl_fail(&err, HL_E_FORMAT, "'%.48s': names here have at most %d bytes",
                         strlen(name) >= INIH_MAX ? name : section, INIH_MAX - 1);
    else if (strcmp(section, "aliases") == 0 && strchr(text, '='))
        status = hl_fail(&err, HL_E_FORMAT,
                         "alias '%s': expected NAME = MODEL, MODEL, ..., and no ':' in NAME", name);
    if (status == HL_OK) status = hl_config_add_line(r->config, section, name, text, &err);
    if (status == HL_OK || r->err.status != HL_OK) return 1;
    (void)hl_fail(&r->err, status, "line %d of settings file '%s': %s", r->i_line, r->path, err.text);
    return 0;
}

/* inih's handler: 0 stops counting this line as good. */
static int take(void *user, const char *section, const char *name, const char *text) {
    reader    *r = user;
    char       key[128];
    hl_nearest best = {0};
    if (hl_config_is_own_section(section)) return take_own(r, section, name, text);
    (void)snprintf(key, sizeof key, "%s%s%s", section, *section ? "." : "", name); /* or section.name = */
    const hl_setting id = hl_setting_find(hl_view_of(key));
    if (id != HL_N_SETTINGS) {
        hl_err          err = {0};
        const hl_status status =
            hl_config_set(r->config, id, hl_view_of(text), HL_ORIGIN_FILE, r->path, &err);
        if (status == HL_OK || r->err.status != HL_OK) return 1;
        (void)hl_fail(&r->err, status, "line %d of %s", r->i_line, err.text);
        return 0;
    }
    for (int i = 0; i < HL_N_SETTINGS; i++) hl_nearest_try(&best, key, hl_setting_get((hl_setting)i)->key);
    hl_event(r->events, HL_LOG_WARN, "config", "unknown-setting",
             "file=\"%s\" line=%d name=\"%s\" nearest=%s action=ignored", r->path, r->i_line, key,
             best.name ? best.name : "-");
    return 1;
}

hl_status hl_config_file_parse(hl_config *c, const char *text, const char *name, const hl_events *events,
                               hl_err *err) {
    reader    r = {.config = c, .path = name, .events = events, .p = text};
    const int i_bad = ini_parse_stream(next_line, &r, take, &r);
    if (r.err.status != HL_OK) {
        if (err) *err = r.err;
        return r.err.status;
    }
    if (i_bad > 0)
        return hl_fail(err, HL_E_FORMAT, "settings file '%s' line %d: expected [section] or name = value",
                       name, i_bad);
    return i_bad < 0 ? hl_fail(err, HL_E_NOMEM, "settings file '%s': no memory", name) : HL_OK;
}

hl_status hl_config_file_load(hl_config *c, const char *path, const hl_events *events, hl_err *err) {
    char     *text = NULL;
    hl_status status = read_all(path, &text, err);
    if (status == HL_OK && text) status = hl_config_file_parse(c, text, path, events, err);
    hl_free(text);
    return status;
}
