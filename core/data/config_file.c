/* SPDX-License-Identifier: MIT
 *
 * config_file.c - lines of the settings file become settings.
 */
#include "core/data/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"
#include "core/data/ini.h"

enum { MAX_FILE_BYTES = 1 << 20 };

typedef struct reader {
    hl_config       *config;
    const char      *path;
    const hl_events *events;
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

/* A line of a section whose names are the user's. inih takes a ':' for a '='. */
static hl_status take_own(reader *r, int i_line, const char *section, const char *name, const char *text,
                          hl_err *err) {
    hl_err    why = {0};
    hl_status status = HL_OK;
    if (strlen(section) >= HL_INI_NAME_BYTES || strlen(name) >= HL_INI_NAME_BYTES)
        status = hl_fail(&why, HL_E_FORMAT, "'%.48s': names here have at most %d bytes",
                         strlen(name) >= HL_INI_NAME_BYTES ? name : section, HL_INI_NAME_BYTES - 1);
    else if (strcmp(section, "aliases") == 0 && strchr(text, '='))
        status = hl_fail(&why, HL_E_FORMAT,
                         "alias '%s': expected NAME = MODEL, MODEL, ..., and no ':' in NAME", name);
    if (status == HL_OK) status = hl_config_add_line(r->config, section, name, text, &why);
    if (status == HL_OK) return HL_OK;
    return hl_fail(err, status, "line %d of settings file '%s': %s", i_line, r->path, why.text);
}

static hl_status take(void *user, int i_line, const char *section, const char *name, const char *text,
                      hl_err *err) {
    reader    *r = user;
    char       key[128];
    hl_nearest best = {0};
    if (hl_config_is_own_section(section)) return take_own(r, i_line, section, name, text, err);
    (void)snprintf(key, sizeof key, "%s%s%s", section, *section ? "." : "", name); /* or section.name = */
    const hl_setting id = hl_setting_find(hl_view_of(key));
    if (id != HL_N_SETTINGS) {
        hl_err          why = {0};
        const hl_status status =
            hl_config_set(r->config, id, hl_view_of(text), HL_ORIGIN_FILE, r->path, &why);
        return status == HL_OK ? HL_OK : hl_fail(err, status, "line %d of %s", i_line, why.text);
    }
    for (int i = 0; i < HL_N_SETTINGS; i++) hl_nearest_try(&best, key, hl_setting_get((hl_setting)i)->key);
    hl_event(r->events, HL_LOG_WARN, "config", "unknown-setting",
             "file=\"%s\" line=%d name=\"%s\" nearest=%s action=ignored", r->path, i_line, key,
             best.name ? best.name : "-");
    return HL_OK;
}

hl_status hl_config_file_parse(hl_config *c, const char *text, const char *name, const hl_events *events,
                               hl_err *err) {
    reader r = {.config = c, .path = name, .events = events};
    return hl_ini_read(text, "settings file", name, take, &r, err);
}

hl_status hl_config_file_load(hl_config *c, const char *path, const hl_events *events, hl_err *err) {
    char     *text = NULL;
    hl_status status = read_all(path, &text, err);
    if (status == HL_OK && text) status = hl_config_file_parse(c, text, path, events, err);
    hl_free(text);
    return status;
}
