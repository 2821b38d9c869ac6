/* SPDX-License-Identifier: MIT
 *
 * profiles.c - launch profiles: read, found, and made into the words of a command.
 */
#include "host/remote/profiles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/data/ini.h"

enum { MAX_FILE_BYTES = 1 << 20, MOST_WORDS = 128, MOST_START_S = 24 * 3600, MOST_STOP_MS = 600000 };

typedef struct search {
    const char *name, *path;
    hl_profile *found;
    bool        is_there;
    hl_str      names; /* of all, for the message */
    char        last[HL_INI_NAME_BYTES];
} search;

static hl_status read_number(const search *s, int i_line, const char *name, const char *value, long most,
                             int *ret, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const long n = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end || n < 1 || n > most)
        return hl_fail(err, HL_E_FORMAT, "%s line %d: %s is '%.50s', expected a number from 1 to %ld",
                       s->path, i_line, name, value, most);
    *ret = (int)n;
    return HL_OK;
}

static hl_status read_env(const search *s, int i_line, const char *value, hl_err *err) {
    hl_profile *p = s->found;
    if (!strchr(value, '=') || *value == '=')
        return hl_fail(err, HL_E_FORMAT, "%s line %d: env is '%.100s', expected NAME=VALUE", s->path, i_line,
                       value);
    if (p->n_env == HL_PROFILE_MOST_ENV)
        return hl_fail(err, HL_E_LIMIT, "%s line %d: more than %d variables", s->path, i_line,
                       (int)HL_PROFILE_MOST_ENV);
    p->env[p->n_env] = hl_strdup(value);
    return p->env[p->n_env++] ? HL_OK : hl_fail(err, HL_E_NOMEM, "%s: no memory", s->path);
}

static hl_status read_text(char **ret, const char *value, hl_err *err) {
    hl_free(*ret);
    *ret = hl_strdup(value);
    return *ret ? HL_OK : hl_fail(err, HL_E_NOMEM, "profile: no memory");
}

static hl_status take_line(void *user, int i_line, const char *section, const char *name, const char *value,
                           hl_err *err) {
    search     *s = user;
    hl_profile *p = s->found;
    if (strcmp(section, s->last) != 0) {
        hl_str_add_format(&s->names, "%s%s", s->names.len > 0 ? ", " : "", section);
        (void)snprintf(s->last, sizeof s->last, "%s", section);
    }
    if (strcmp(section, s->name) != 0) return HL_OK;
    s->is_there = true;
    if (strcmp(name, "command") == 0) return read_text(&p->command, value, err);
    if (strcmp(name, "base") == 0) return read_text(&p->base, value, err);
    if (strcmp(name, "ready") == 0) return read_text(&p->ready, value, err);
    if (strcmp(name, "env") == 0) return read_env(s, i_line, value, err);
    if (strcmp(name, "start_s") == 0)
        return read_number(s, i_line, name, value, MOST_START_S, &p->start_s, err);
    if (strcmp(name, "stop_ms") == 0)
        return read_number(s, i_line, name, value, MOST_STOP_MS, &p->stop_ms, err);
    return hl_fail(err, HL_E_FORMAT, "%s line %d: '%.50s' is no part of a profile", s->path, i_line, name);
}

static hl_status check(const hl_profile *p, const char *path, hl_err *err) {
    if (!p->command || !*p->command)
        return hl_fail(err, HL_E_FORMAT, "%s: profile '%s' has no command", path, p->name);
    if (!p->base || p->base[0] != '/' || !p->ready || p->ready[0] != '/')
        return hl_fail(err, HL_E_FORMAT, "%s: profile '%s': base and ready are paths, as in /v1 and /health",
                       path, p->name);
    return HL_OK;
}

static hl_status search_text(search *s, const char *text, hl_err *err) {
    s->last[0] = '\0';
    hl_status status = hl_ini_read(text, "profiles", s->path, take_line, s, err);
    if (status == HL_OK && s->is_there) status = check(s->found, s->path, err);
    return status;
}

static hl_status search_file(search *s, hl_err *err) {
    struct stat st;
    char       *text = NULL;
    size_t      n = 0;
    if (!s->path || stat(s->path, &st) != 0) return HL_OK;
    hl_status status = hl_file_read(s->path, MAX_FILE_BYTES, &text, &n, err);
    if (status == HL_OK && strlen(text) != n)
        status = hl_fail(err, HL_E_FORMAT, "profiles '%s': a zero byte at offset %zu", s->path, strlen(text));
    if (status == HL_OK) status = search_text(s, text, err);
    hl_free(text);
    return status;
}

hl_status hl_profile_find(const char *name, const char *path, hl_profile *ret, hl_err *err) {
    hl_profile found = {.name = hl_strdup(name), .start_s = 300, .stop_ms = 5000};
    search     s = {.name = name, .path = path, .found = &found};
    hl_str_init(&s.names, 4096);
    hl_status status = found.name ? search_file(&s, err) : hl_fail(err, HL_E_NOMEM, "profile: no memory");
    s.path = "profiles.ini";
    if (status == HL_OK && !s.is_there) status = search_text(&s, hl_profiles_ini, err);
    if (status == HL_OK && !s.is_there)
        status = hl_fail(err, HL_E_NOT_FOUND, "there is no launch profile '%.100s'; there are %s%s%s", name,
                         hl_str_text(&s.names), path ? ", own ones stand in " : "", path ? path : "");
    hl_str_done(&s.names);
    if (status == HL_OK)
        *ret = found;
    else
        hl_profile_done(&found);
    return status;
}

void hl_profile_done(hl_profile *p) {
    for (size_t i = 0; i < p->n_env; i++) hl_free(p->env[i]);
    hl_free(p->name);
    hl_free(p->command);
    hl_free(p->base);
    hl_free(p->ready);
}

/* One word, in which each of the three names in braces is replaced. */
static char *make_word(hl_view word, const char *model, const char *port, const char *name) {
    const struct {
        const char *mark, *text;
    } marks[] = {{"{model}", model}, {"{port}", port}, {"{name}", name}};
    hl_str s;
    hl_str_init(&s, SIZE_MAX);
    while (word.len > 0) {
        size_t k = 0;
        while (k < 3 && !hl_view_has_prefix(word, marks[k].mark)) k++;
        const size_t n = k < 3 ? strlen(marks[k].mark) : 1;
        hl_str_add_view(&s, k < 3 ? hl_view_of(marks[k].text) : (hl_view){word.ptr, 1});
        word = (hl_view){word.ptr + n, word.len - n};
    }
    char *made = hl_str_take(&s);
    hl_str_done(&s);
    return made;
}

hl_status hl_profile_make_words(const hl_profile *p, const char *model, const char *port, const char *name,
                                char ***ret_words, hl_err *err) {
    char **words = hl_new(MOST_WORDS + 1, sizeof *words);
    if (!words) return hl_fail(err, HL_E_NOMEM, "profile: no memory");
    size_t n = 0;
    for (const char *at = p->command; *at;) {
        const size_t len = strcspn(at, " ");
        hl_status    status = HL_OK;
        if (len > 0 && n == MOST_WORDS)
            status = hl_fail(err, HL_E_LIMIT, "profile '%s': more than %d words", p->name, (int)MOST_WORDS);
        else if (len > 0 && !(words[n++] = make_word((hl_view){at, len}, model, port, name)))
            status = hl_fail(err, HL_E_NOMEM, "profile: no memory");
        if (status != HL_OK) {
            hl_profile_free_words(words);
            return status;
        }
        at += len + (at[len] == ' ');
    }
    *ret_words = words;
    return HL_OK;
}

void hl_profile_free_words(char **words) {
    for (size_t i = 0; words && words[i]; i++) hl_free(words[i]);
    hl_free(words);
}
