/* SPDX-License-Identifier: MIT
 *
 * config.c - the table of settings, and reading values from text and from the environment.
 */
#include "core/base/config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"

typedef struct value {
    int64_t   number;
    char     *text; /* NULL: the default */
    hl_origin origin;
    char      where[64];
} value;

struct hl_config {
    value           values[HL_N_SETTINGS];
    hl_config_line *lines; /* [n_lines] of one piece of memory each, which begins at its section */
    size_t          n_lines, lines_cap;
};

#define DEFAULT_INT(x)    .int_default = (x)
#define DEFAULT_BOOL(x)   .int_default = (x)
#define DEFAULT_TEXT(x)   .text_default = (x)
#define DEFAULT_CHOICE(x) .text_default = (x)

static const hl_setting_row table[HL_N_SETTINGS] = {
#define HL_CONFIG(group, name, kind_, def, min_, max_, unit_, help_)                                         \
    {.key = #group "." #name,                                                                                \
     .env = "HYPERLAMA_" #group "_" #name,                                                                   \
     .kind = HL_SETTING_##kind_,                                                                             \
     DEFAULT_##kind_(def),                                                                                   \
     .min = (min_),                                                                                          \
     .max = (max_),                                                                                          \
     .unit = (unit_),                                                                                        \
     .help = (help_)},
#include "core/base/config.def"
#undef HL_CONFIG
#undef HL_CONFIG_ENV
};

typedef enum env_rule { RULE_same, RULE_not, RULE_debug, RULE_never, RULE_seconds } env_rule;

static const struct {
    hl_setting  id;
    const char *name;
    env_rule    rule;
} other_env[] = {
#define HL_CONFIG(group, name, kind, def, min, max, unit, help)
#define HL_CONFIG_ENV(group, name, variable, rule) {HL_SETTING_##group##_##name, variable, RULE_##rule},
#include "core/base/config.def"
#undef HL_CONFIG
#undef HL_CONFIG_ENV
};

/* Variables of ours that are no settings: where the settings are, and a secret, which no list must print. */
static const char *const other_names[] = {"HYPERLAMA_HOME", "HYPERLAMA_CONFIG", "HYPERLAMA_LOG",
                                          "HYPERLAMA_API_KEY"};

hl_status hl_config_new(hl_config **ret_config, hl_err *err) {
    hl_config *c = hl_new(1, sizeof *c);
    if (!c) return hl_fail(err, HL_E_NOMEM, "settings: no memory");
    for (int i = 0; i < HL_N_SETTINGS; i++) c->values[i].number = table[i].int_default;
    *ret_config = c;
    return HL_OK;
}

void hl_config_free(hl_config *c) {
    if (!c) return;
    for (int i = 0; i < HL_N_SETTINGS; i++) hl_free(c->values[i].text);
    for (size_t i = 0; i < c->n_lines; i++) hl_free((void *)(uintptr_t)c->lines[i].section);
    hl_free(c->lines);
    hl_free(c);
}

bool hl_config_is_own_section(const char *section) {
    return strcmp(section, "aliases") == 0 || strncmp(section, "preset ", 7) == 0;
}

hl_status hl_config_add_line(hl_config *c, const char *section, const char *name, const char *said,
                             hl_err *err) {
    if (c->n_lines == c->lines_cap) {
        const size_t    cap = c->lines_cap ? 2 * c->lines_cap : 16;
        hl_config_line *grown = hl_resize(c->lines, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "settings: no memory");
        c->lines = grown;
        c->lines_cap = cap;
    }
    const size_t n_section = strlen(section) + 1, n_name = strlen(name) + 1, n_value = strlen(said) + 1;
    char        *text = hl_new(n_section + n_name + n_value, 1);
    if (!text) return hl_fail(err, HL_E_NOMEM, "settings: no memory");
    memcpy(text, section, n_section);
    memcpy(text + n_section, name, n_name);
    memcpy(text + n_section + n_name, said, n_value);
    c->lines[c->n_lines++] = (hl_config_line){text, text + n_section, text + n_section + n_name};
    return HL_OK;
}

const hl_config_line *hl_config_lines(const hl_config *c, size_t *ret_n) {
    *ret_n = c->n_lines;
    return c->lines;
}

const hl_setting_row *hl_setting_get(hl_setting id) { return &table[id]; }

static char fold(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '.' || c == '-' ? '_' : c;
}

static bool same_name(hl_view a, const char *b) {
    size_t i = 0;
    for (; i < a.len && b[i]; i++) {
        if (fold(a.ptr[i]) != fold(b[i])) return false;
    }
    return i == a.len && !b[i];
}

hl_setting hl_setting_find(hl_view key) {
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        if (same_name(key, table[i].key)) return (hl_setting)i;
    }
    return HL_N_SETTINGS;
}

static bool parse_int(hl_view v, int64_t *ret) {
    char buf[32];
    if (v.len == 0 || v.len >= sizeof buf) return false;
    memcpy(buf, v.ptr, v.len);
    buf[v.len] = '\0';
    if (!(buf[0] == '-' || (buf[0] >= '0' && buf[0] <= '9'))) return false;
    char *end = NULL;
    errno = 0;
    const long long n = strtoll(buf, &end, 10);
    if (errno != 0 || end == buf || *end) return false;
    *ret = n;
    return true;
}

static bool parse_bool(hl_view v, int64_t *ret) {
    static const char *const words[2][5] = {{"0", "false", "no", "off", "f"},
                                            {"1", "true", "yes", "on", "t"}};
    for (int yes = 0; yes < 2; yes++) {
        for (int i = 0; i < 5; i++) {
            if (!same_name(v, words[yes][i])) continue;
            *ret = yes;
            return true;
        }
    }
    return false;
}

static bool is_choice(const char *words, hl_view v) {
    for (const char *p = words; *p;) {
        const size_t n = strcspn(p, "|");
        if (v.len == n && memcmp(v.ptr, p, n) == 0) return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static bool is_clean_text(hl_view v) {
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.ptr[i] < 0x20 || v.ptr[i] == 0x7f) return false;
    }
    return true;
}

/* Check `v` against the row; *ret_number for INT and BOOL. */
static hl_status check_value(const hl_setting_row *row, hl_view v, const char *where, int64_t *ret_number,
                             hl_err *err) {
    const int   n_shown = (int)(v.len < 80 ? v.len : 80);
    const char *ptr = v.ptr ? v.ptr : "";
    switch (row->kind) {
    case HL_SETTING_INT:
        if (parse_int(v, ret_number) && *ret_number >= row->min && *ret_number <= row->max) return HL_OK;
        return hl_fail(err, HL_E_ARG, "%s: %s = '%.*s': expected %" PRId64 "..%" PRId64, where, row->key,
                       n_shown, ptr, row->min, row->max);
    case HL_SETTING_BOOL:
        if (parse_bool(v, ret_number)) return HL_OK;
        return hl_fail(err, HL_E_ARG, "%s: %s = '%.*s': expected yes or no", where, row->key, n_shown, ptr);
    case HL_SETTING_CHOICE:
        if (is_choice(row->unit, v)) return HL_OK;
        return hl_fail(err, HL_E_ARG, "%s: %s = '%.*s': expected %s", where, row->key, n_shown, ptr,
                       row->unit);
    case HL_SETTING_TEXT: break;
    }
    if (!is_clean_text(v))
        return hl_fail(err, HL_E_ARG, "%s: %s: the text has control characters in it", where, row->key);
    if (v.len < (uint64_t)row->min || v.len > (uint64_t)row->max)
        return hl_fail(err, HL_E_ARG, "%s: %s: %zu bytes, expected %" PRId64 "..%" PRId64, where, row->key,
                       v.len, row->min, row->max);
    return HL_OK;
}

hl_status hl_config_set(hl_config *c, hl_setting id, hl_view v, hl_origin origin, const char *where,
                        hl_err *err) {
    const hl_setting_row *row = &table[id];
    value                *to = &c->values[id];
    int64_t               number = 0;
    const hl_status       status = check_value(row, v, where, &number, err);
    if (status != HL_OK || origin < to->origin) return status;
    if (row->text_default) {
        char *text = hl_strndup(v.ptr ? v.ptr : "", v.len);
        if (!text) return hl_fail(err, HL_E_NOMEM, "settings: no memory");
        hl_free(to->text);
        to->text = text;
    }
    to->number = number;
    to->origin = origin;
    const size_t n = strlen(where) < sizeof to->where ? strlen(where) : sizeof to->where - 1;
    memcpy(to->where, where, n);
    to->where[n] = '\0';
    return HL_OK;
}

const char *hl_env_get(char *const *envp, const char *name) {
    const size_t n = strlen(name);
    for (; envp && *envp; envp++) {
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=') return (*envp)[n + 1] ? *envp + n + 1 : NULL;
    }
    return NULL;
}

/* What another program's value means for the setting; NULL when it says nothing. */
static const char *translate(env_rule rule, const char *v, char buf[32]) {
    int64_t yes = 0;
    double  ms = 0;
    switch (rule) {
    case RULE_same: return v;
    case RULE_never: return "never";
    case RULE_not: return parse_bool(hl_view_of(v), &yes) && !yes ? NULL : "no";
    case RULE_debug:
        if (strcmp(v, "2") == 0) return "trace";
        return parse_bool(hl_view_of(v), &yes) && !yes ? NULL : "debug";
    case RULE_seconds: /* at least one where it is more than none */
        if (!hl_duration_parse(v, &ms) && !parse_int(hl_view_of(v), &yes)) return v;
        if (ms == 0) ms = (double)yes * 1e3;
        if (ms < 0 || ms >= 1e12) return "-1";
        (void)snprintf(buf, 32, "%.0f", ceil(ms / 1e3));
        return buf;
    }
    return NULL;
}

static hl_status read_other_env(hl_config *c, char *const *envp, const hl_events *events, hl_err *err) {
    for (size_t i = 0; i < sizeof other_env / sizeof *other_env; i++) {
        const char *name = other_env[i].name;
        const char *v = hl_env_get(envp, name);
        char        buf[32];
        if (v) v = translate(other_env[i].rule, v, buf);
        if (!v) continue;
        const bool      ours = strncmp(name, "HYPERLAMA_", 10) == 0;
        const hl_origin origin = ours ? HL_ORIGIN_ENV : HL_ORIGIN_OTHER_ENV;
        hl_err          why = {0};
        const hl_status status = hl_config_set(c, other_env[i].id, hl_view_of(v), origin, name, &why);
        if (status == HL_OK) continue;
        if (ours || status != HL_E_ARG) {
            if (err) *err = why;
            return status;
        }
        hl_event(events, HL_LOG_WARN, "config", "bad-value", "name=%s why=\"%s\" action=ignored", name,
                 why.text);
    }
    return HL_OK;
}

static void warn_unknown(hl_view name, const hl_events *events) {
    hl_nearest best = {0};
    char       wanted[64];
    if (name.len >= sizeof wanted) return;
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
        if (hl_view_is(name, other_names[i])) return;
    }
    memcpy(wanted, name.ptr, name.len);
    wanted[name.len] = '\0';
    for (int i = 0; i < HL_N_SETTINGS; i++) hl_nearest_try(&best, wanted, table[i].env);
    if (!best.name) return;
    char near[64];
    (void)snprintf(near, sizeof near, "%s", best.name);
    for (char *p = near; *p; p++) {
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    }
    hl_event(events, HL_LOG_WARN, "config", "unknown-variable", "name=%s nearest=%s action=ignored", wanted,
             near);
}

hl_status hl_config_read_env(hl_config *c, char *const *envp, const hl_events *events, hl_err *err) {
    for (char *const *p = envp; p && *p; p++) {
        const char *eq = strchr(*p, '=');
        if (!eq || strncmp(*p, "HYPERLAMA_", 10) != 0 || !eq[1]) continue;
        const hl_view name = {*p, (size_t)(eq - *p)};
        int           i = 0;
        while (i < HL_N_SETTINGS && !same_name(name, table[i].env)) i++;
        if (i == HL_N_SETTINGS) {
            warn_unknown(name, events);
            continue;
        }
        char         where[64];
        const size_t n = name.len < sizeof where ? name.len : sizeof where - 1;
        memcpy(where, name.ptr, n);
        where[n] = '\0';
        const hl_status status =
            hl_config_set(c, (hl_setting)i, hl_view_of(eq + 1), HL_ORIGIN_ENV, where, err);
        if (status != HL_OK) return status;
    }
    return read_other_env(c, envp, events, err);
}

int64_t hl_config_int(const hl_config *c, hl_setting id) { return c->values[id].number; }

bool hl_config_bool(const hl_config *c, hl_setting id) { return c->values[id].number != 0; }

const char *hl_config_text(const hl_config *c, hl_setting id) {
    return c->values[id].text ? c->values[id].text : table[id].text_default;
}

hl_origin hl_config_origin(const hl_config *c, hl_setting id) { return c->values[id].origin; }

const char *hl_config_where(const hl_config *c, hl_setting id) { return c->values[id].where; }

const char *hl_origin_name(hl_origin origin) {
    static const char *const names[] = {"default", "file", "environment", "environment", "flag"};
    return names[origin];
}

void hl_config_format(const hl_config *c, hl_setting id, hl_str *out) {
    switch (table[id].kind) {
    case HL_SETTING_INT: hl_str_add_format(out, "%" PRId64, c->values[id].number); return;
    case HL_SETTING_BOOL: hl_str_add_text(out, c->values[id].number ? "yes" : "no"); return;
    case HL_SETTING_TEXT:
    case HL_SETTING_CHOICE: hl_str_add_text(out, hl_config_text(c, id)); return;
    }
}
