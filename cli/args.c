/* SPDX-License-Identifier: MIT
 *
 * args.c - parse options by table.
 */
#include "cli/args.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/nearest.h"

typedef struct given {
    const hl_option *option;
    const char      *text;
    int64_t          number;
} given;

struct hl_args {
    const hl_command *command;
    size_t            n_words, n_given;
    const char      **words; /* [n_args of the command line] */
    given            *given; /* [n_args] */
};

void hl_args_free(hl_args *a) {
    if (!a) return;
    hl_free(a->words);
    hl_free(a->given);
    hl_free(a);
}

/* Are these n bytes the name, dashes apart? */
static bool same_name(const char *text, size_t n, const char *name) {
    size_t i = 0;
    for (;;) {
        while (i < n && text[i] == '-') i++;
        while (*name == '-') name++;
        if (i == n || !*name) return i == n && !*name;
        if (text[i] != *name) return false;
        i++, name++;
    }
}

static const hl_option *find_option(const hl_command *c, const char *text, size_t n) {
    const hl_option *o;
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (strcmp(o->command, c->name) == 0 && same_name(text, n, o->name)) return o;
    }
    return NULL;
}

static const hl_option *find_letter(const hl_command *c, char letter) {
    const hl_option *o;
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (strcmp(o->command, c->name) == 0 && o->letter == letter) return o;
    }
    return NULL;
}

/* The option of an answer that a flag of other programs means, HL_N_OPTS when it means none. */
static hl_opt find_hint(const char *flag) {
    static const struct {
        const char *flag, *option;
    } hints[] = {
#define HL_HINT(flag, option) {flag, option},
#include "cli/hints.def"
#undef HL_HINT
    };
    hl_opt id = HL_N_OPTS;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (same_name(flag, strlen(flag), hints[i].flag)) return hl_opt_find(hints[i].option);
    }
    for (int i = 0; i < HL_N_OPTS && id == HL_N_OPTS; i++) {
        if (hl_edit_distance(flag, hl_opt_name((hl_opt)i)) == 0) id = (hl_opt)i;
    }
    return id;
}

/* Say that there is no such option, and what was probably meant.
 * in     value  what stands behind it; NULL: nothing */
static hl_status fail_unknown(const hl_command *c, const char *text, size_t n, const char *value,
                              hl_err *err) {
    const char      *dashes = n == 1 ? "-" : "--";
    char             wanted[64];
    hl_nearest       best = {0};
    const hl_option *o;
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)n, text);
    const hl_opt id = find_option(c, "option", 6) && n < sizeof wanted ? find_hint(wanted) : HL_N_OPTS;
    if (id != HL_N_OPTS)
        return hl_fail(err, HL_E_ARG, "%s: unknown option %s%s; as a parameter it is: -o %s=%.60s", c->name,
                       dashes, wanted, hl_opt_name(id), value ? value : "VALUE");
    for (size_t i = 0; n > 1 && (o = hl_option_at(i)); i++) {
        if (strcmp(o->command, c->name) == 0) hl_nearest_try(&best, wanted, o->name);
    }
    if (best.name)
        return hl_fail(err, HL_E_ARG, "%s: unknown option --%.*s; did you mean --%s?", c->name, (int)n, text,
                       best.name);
    return hl_fail(err, HL_E_ARG, "%s: unknown option %s%.*s (see `hyperlama %s --help`)", c->name, dashes,
                   (int)n, text, c->name);
}

static hl_status parse_whole(const hl_option *o, const char *text, int64_t *ret, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const long long n = strtoll(text, &end, 10);
    if (end != text && !*end && errno == 0 && n >= o->min && n <= o->max) {
        *ret = n;
        return HL_OK;
    }
    if (o->max == INT64_MAX)
        return hl_fail(err, HL_E_ARG, "--%s = '%.80s': expected a whole number from %" PRId64, o->name, text,
                       o->min);
    return hl_fail(err, HL_E_ARG, "--%s = '%.80s': expected %" PRId64 "..%" PRId64, o->name, text, o->min,
                   o->max);
}

static bool has_word(const char *words, const char *text) {
    const size_t n_text = strlen(text);
    for (const char *p = words; *p;) {
        const size_t n = strcspn(p, "|");
        if (n == n_text && memcmp(p, text, n) == 0) return true;
        p += n + (p[n] == '|');
    }
    return false;
}

/* Take one option with its value (NULL for a flag, or a MAYBE without one). */
static hl_status take(hl_args *a, const hl_option *o, const char *text, hl_config *config, hl_err *err) {
    given     g = {.option = o, .text = text ? text : ""};
    hl_status status = HL_OK;
    char      where[64];
    switch (o->kind) {
    case HL_OPTION_WHOLE: status = parse_whole(o, text, &g.number, err); break;
    case HL_OPTION_MAYBE:
        if (text && !has_word(o->arg, text))
            status = hl_fail(err, HL_E_ARG, "--%s = '%.80s': expected %s", o->name, text, o->arg);
        break;
    case HL_OPTION_TUNE:
        (void)snprintf(where, sizeof where, "--%s", o->name);
        status = hl_config_set(config, o->setting, hl_view_of(text), HL_ORIGIN_FLAG, where, err);
        break;
    default: break;
    }
    if (status == HL_OK) a->given[a->n_given++] = g;
    return status;
}

/* --group-name of a setting; *ret_used is how many words it took. */
static hl_status take_setting(hl_setting id, const char *name, size_t n_name, const char *value,
                              hl_config *config, hl_err *err) {
    char where[64];
    (void)snprintf(where, sizeof where, "--%.*s", (int)(n_name < 60 ? n_name : 60), name);
    return hl_config_set(config, id, hl_view_of(value), HL_ORIGIN_FLAG, where, err);
}

/* One "--name", "--name=value" or "--name value"; *i is left at the last word used. */
static hl_status take_long(hl_args *a, int n_args, char **argv, int *i, hl_config *config, hl_err *err) {
    const char      *name = argv[*i] + 2;
    const size_t     n_name = strcspn(name, "=");
    const char      *value = name[n_name] == '=' ? name + n_name + 1 : NULL;
    const hl_option *o = find_option(a->command, name, n_name);
    const hl_setting id = o ? HL_N_SETTINGS : hl_setting_find((hl_view){name, n_name});
    if (!o && id == HL_N_SETTINGS)
        return fail_unknown(a->command, name, n_name,
                            value             ? value
                            : *i + 1 < n_args ? argv[*i + 1]
                                              : NULL,
                            err);
    if (o && o->kind == HL_OPTION_LATER)
        return hl_fail(err, HL_E_NOT_YET, "%s: --%s: this build does not have it yet", a->command->name,
                       o->name);
    if (o && (o->kind == HL_OPTION_FLAG)) {
        if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return hl_fail(err, HL_E_ARG, "--%s takes no value", o->name);
        return value && value[0] == 'f' ? HL_OK : take(a, o, NULL, config, err);
    }
    if (o && o->kind == HL_OPTION_MAYBE) return take(a, o, value, config, err);
    if (!value) {
        if (*i + 1 >= n_args) return hl_fail(err, HL_E_ARG, "--%.*s: a value is missing", (int)n_name, name);
        value = argv[++*i];
    }
    return o ? take(a, o, value, config, err) : take_setting(id, name, n_name, value, config, err);
}

/* "-q", "-qv", "-oKEY=VALUE", "-o KEY=VALUE". */
static hl_status take_letters(hl_args *a, int n_args, char **argv, int *i, hl_config *config, hl_err *err) {
    for (const char *p = argv[*i] + 1; *p; p++) {
        const hl_option *o = find_letter(a->command, *p);
        if (!o)
            return fail_unknown(a->command, p, 1, p[1] ? p + 1 : *i + 1 < n_args ? argv[*i + 1] : NULL, err);
        if (o->kind == HL_OPTION_FLAG || o->kind == HL_OPTION_MAYBE) {
            const hl_status status = take(a, o, NULL, config, err);
            if (status != HL_OK) return status;
            continue;
        }
        if (p[1]) return take(a, o, p + 1 + (p[1] == '='), config, err);
        if (*i + 1 >= n_args) return hl_fail(err, HL_E_ARG, "-%c: a value is missing", *p);
        return take(a, o, argv[++*i], config, err);
    }
    return HL_OK;
}

hl_status hl_args_new(const hl_command *c, int n_args, char **argv, hl_config *config, hl_args **ret_args,
                      hl_err *err) {
    hl_status status = HL_OK;
    hl_args  *a = hl_new(1, sizeof *a);
    if (a) {
        a->command = c;
        a->words = hl_new((size_t)n_args + 1, sizeof *a->words);
        a->given = hl_new((size_t)n_args + 1, sizeof *a->given);
    }
    if (!a || !a->words || !a->given) {
        hl_args_free(a);
        return hl_fail(err, HL_E_NOMEM, "arguments: no memory");
    }
    bool only_words = false;
    for (int i = 0; i < n_args && status == HL_OK; i++) {
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0')
            a->words[a->n_words++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (argv[i][1] == '-')
            status = take_long(a, n_args, argv, &i, config, err);
        else
            status = take_letters(a, n_args, argv, &i, config, err);
    }
    if (status != HL_OK) {
        hl_args_free(a);
        return status;
    }
    *ret_args = a;
    return HL_OK;
}

size_t hl_args_count(const hl_args *a) { return a->n_words; }

const char *hl_args_at(const hl_args *a, size_t i) { return i < a->n_words ? a->words[i] : NULL; }

static const given *find_given(const hl_args *a, const char *name) {
    assert(find_option(a->command, name, strlen(name)));
    const given *found = NULL;
    for (size_t i = 0; i < a->n_given; i++) {
        if (strcmp(a->given[i].option->name, name) == 0) found = &a->given[i];
    }
    return found;
}

bool hl_args_has(const hl_args *a, const char *name) { return find_given(a, name) != NULL; }

const char *hl_args_text(const hl_args *a, const char *name) {
    const given *g = find_given(a, name);
    return g ? g->text : NULL;
}

int64_t hl_args_int(const hl_args *a, const char *name, int64_t otherwise) {
    const given *g = find_given(a, name);
    return g ? g->number : otherwise;
}

const char *hl_args_many(const hl_args *a, const char *name, size_t i_wanted) {
    for (size_t i = 0; i < a->n_given; i++) {
        if (strcmp(a->given[i].option->name, name) == 0 && i_wanted-- == 0) return a->given[i].text;
    }
    return NULL;
}
