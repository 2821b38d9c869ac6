/* SPDX-License-Identifier: MIT
 *
 * config.h - settings: one table, one precedence, and every value knows where it came from.
 *
 * flag > HYPERLAMA_* variable > another program's variable (OLLAMA_*) > settings file > default. A source
 * of less weight never replaces one of more, so sources may be read in any order. A bad value leaves
 * the stored one alone. The settings file is read by core/data/config_file.h.
 */
#ifndef HL_CORE_BASE_CONFIG_H
#define HL_CORE_BASE_CONFIG_H

#include "core/base/events.h"
#include "core/base/str.h"

typedef enum hl_setting {
#define HL_CONFIG(group, name, kind, def, min, max, unit, help) HL_SETTING_##group##_##name,
#include "core/base/config.def"
#undef HL_CONFIG
#undef HL_CONFIG_ENV
    HL_N_SETTINGS
} hl_setting;

typedef enum hl_setting_kind {
    HL_SETTING_INT,
    HL_SETTING_BOOL,
    HL_SETTING_TEXT,
    HL_SETTING_CHOICE
} hl_setting_kind;

/* Where a value came from, lightest first. */
typedef enum hl_origin {
    HL_ORIGIN_DEFAULT,
    HL_ORIGIN_FILE,
    HL_ORIGIN_OTHER_ENV,
    HL_ORIGIN_ENV,
    HL_ORIGIN_FLAG
} hl_origin;

typedef struct hl_setting_row {
    const char     *key; /* "engine.n_threads" */
    const char     *env; /* "HYPERLAMA_engine_n_threads" compared without letter case */
    hl_setting_kind kind;
    int64_t         int_default;
    const char     *text_default; /* of TEXT and CHOICE, else NULL */
    int64_t         min, max;
    const char     *unit; /* the words of a CHOICE, separated by '|' */
    const char     *help;
} hl_setting_row;

typedef struct hl_config hl_config;

HL_MUST_CHECK hl_status hl_config_new(hl_config **ret_config,
                                      hl_err     *err);   /* all defaults; fails HL_E_NOMEM */
void                    hl_config_free(hl_config *c); /* NULL is allowed */

const hl_setting_row *hl_setting_get(hl_setting id);

/* The setting of this name: "engine.n_threads", dots, dashes and underscores alike. HL_N_SETTINGS: none. */
hl_setting hl_setting_find(hl_view key);

/* Set one value from its text.
 *
 * in     where  what to name in messages: a variable, a file, a flag; copied
 * fails  HL_E_ARG    the value is no number, out of range or not one of the words; nothing changes
 *        HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_config_set(hl_config *c, hl_setting id, hl_view value, hl_origin origin,
                                      const char *where, hl_err *err);

/* Read the variables that the table names. A bad HYPERLAMA_* value fails; a bad value in another program's
 * variable, and a HYPERLAMA_* variable that looks like a setting and is none, are events ("ignored"). */
HL_MUST_CHECK hl_status hl_config_read_env(hl_config *c, char *const *envp, const hl_events *events,
                                           hl_err *err);

int64_t     hl_config_int(const hl_config *c, hl_setting id); /* INT and BOOL */
bool        hl_config_bool(const hl_config *c, hl_setting id);
const char *hl_config_text(const hl_config *c,
                           hl_setting       id); /* TEXT and CHOICE; valid until it is set again */
hl_origin   hl_config_origin(const hl_config *c, hl_setting id);
const char *hl_config_where(const hl_config *c, hl_setting id); /* "" for a default */
const char *hl_origin_name(hl_origin origin);                   /* "default", "file", "environment", "flag" */

/* ---- Names of the user's own: sections whose lines are no settings ----
 * [aliases] and [preset NAME] (docs/howto/name-models.md); host/names.c says what they mean. */

typedef struct hl_config_line {
    const char *section, *name, *value; /* "preset quick", "temperature", "0.2" */
} hl_config_line;

/* Is a section of this name one of those? */
bool hl_config_is_own_section(const char *section);
/* Add a line of one, copied. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_config_add_line(hl_config *c, const char *section, const char *name,
                                           const char *value, hl_err *err);
/* All of them, in the order of the file; valid while the settings are. */
const hl_config_line *hl_config_lines(const hl_config *c, size_t *ret_n);

/* Append the value as it would stand in the settings file. */
void hl_config_format(const hl_config *c, hl_setting id, hl_str *out);

/* The value of a variable in an environment block; NULL when it is not there or empty. */
const char *hl_env_get(char *const *envp, const char *name);

#endif
