/* SPDX-License-Identifier: MIT
 *
 * options.c - the tables of hyperlama/sampler.def and model_options.def over the fields of hl_options.
 */
#include "host/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/nearest.h"

typedef struct option_row {
    const char *name;
    hl_opt_kind kind;
    size_t      offset, size; /* of the field in hl_options */
    float       least, most;  /* REAL */
    int64_t     low, high;    /* WHOLE */
} option_row;

#define FIELD(f) .offset = offsetof(hl_options, f), .size = sizeof(((hl_options *)0)->f)
static const option_row rows[HL_N_OPTS] = {
#define HL_SAMPLER_REAL(n, d, a, b)                                                                          \
    {.name = #n, .kind = HL_OPT_KIND_REAL, FIELD(sampling.n), .least = (a), .most = (b)},
#define HL_SAMPLER_WHOLE(n, d, a, b)                                                                         \
    {.name = #n, .kind = HL_OPT_KIND_WHOLE, FIELD(sampling.n), .low = (a), .high = (b)},
#define HL_OPTION_WHOLE(n, d, a, b)                                                                          \
    {.name = #n, .kind = HL_OPT_KIND_WHOLE, FIELD(n), .low = (a), .high = (b)},
#define HL_OPTION_LIST(n, f) {.name = #n, .kind = HL_OPT_KIND_LIST},
#define HL_OPTION_IDLE(n, why)
#include "hyperlama/sampler.def"
#include "host/model_options.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
#undef HL_OPTION_WHOLE
#undef HL_OPTION_LIST
#undef HL_OPTION_IDLE
};

static const struct {
    const char *name, *why;
} idle_rows[] = {
#define HL_OPTION_WHOLE(n, d, a, b)
#define HL_OPTION_LIST(n, f)
#define HL_OPTION_IDLE(n, why) {#n, why},
#include "host/model_options.def"
#undef HL_OPTION_WHOLE
#undef HL_OPTION_LIST
#undef HL_OPTION_IDLE
};
enum { N_IDLE_ROWS = sizeof idle_rows / sizeof *idle_rows };

void hl_options_init(hl_options *o) {
    *o = (hl_options){
#define HL_OPTION_WHOLE(n, d, a, b) .n = (d),
#define HL_OPTION_LIST(n, f)
#define HL_OPTION_IDLE(n, why)
#include "host/model_options.def"
#undef HL_OPTION_WHOLE
#undef HL_OPTION_LIST
#undef HL_OPTION_IDLE
    };
    hl_sampler_params_init(&o->sampling);
}

static void clear_stops(hl_options *o) {
    for (size_t i = 0; i < o->n_stops; i++) hl_free(o->stops[i]);
    o->n_stops = 0;
}

void hl_options_done(hl_options *o) { clear_stops(o); }

hl_opt hl_opt_find(const char *name) {
    for (int i = 0; i < HL_N_OPTS; i++) {
        if (strcmp(rows[i].name, name) == 0) return (hl_opt)i;
    }
    return HL_N_OPTS;
}

const char *hl_opt_name(hl_opt id) { return rows[id].name; }

hl_opt_kind hl_opt_range(hl_opt id, double *ret_least, double *ret_most) {
    const option_row *row = &rows[id];
    const bool        is_real = row->kind == HL_OPT_KIND_REAL;
    *ret_least = is_real ? (double)row->least : (double)row->low;
    *ret_most = is_real ? (double)row->most : (double)row->high;
    return row->kind;
}

static void *field_of(hl_options *o, const option_row *row) { return (char *)o + row->offset; }

static hl_status set_real(hl_options *o, const option_row *row, const char *value, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const double x = strtod(value, &end);
    const float  f = (float)x;
    if (end == value || *end || !isfinite(x) || f < row->least || f > row->most)
        return hl_fail(err, HL_E_ARG, "option %s = '%.80s': expected %g..%g", row->name, value,
                       (double)row->least, (double)row->most);
    memcpy(field_of(o, row), &f, sizeof f);
    return HL_OK;
}

static void write_whole(hl_options *o, const option_row *row, int64_t n) {
    const int32_t n32 = (int32_t)n;
    memcpy(field_of(o, row), row->size == sizeof n ? (const void *)&n : (const void *)&n32, row->size);
}

static hl_status set_whole(hl_options *o, const option_row *row, const char *value, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const long long n = strtoll(value, &end, 10);
    if (end == value || *end || errno != 0 || n < row->low || n > row->high)
        return hl_fail(err, HL_E_ARG, "option %s = '%.80s': expected %" PRId64 "..%" PRId64, row->name, value,
                       row->low, row->high);
    write_whole(o, row, n);
    return HL_OK;
}

static hl_status add_stop(hl_options *o, bool is_new_list, const char *value, hl_err *err) {
    const size_t n = strlen(value);
    if (n == 0 || n > HL_MAX_STOP_BYTES)
        return hl_fail(err, HL_E_ARG, "option stop: a text of %zu bytes, expected 1..%d", n,
                       HL_MAX_STOP_BYTES);
    for (size_t i = 0; i < o->n_stops && !is_new_list; i++) {
        if (strcmp(o->stops[i], value) == 0) return HL_OK;
    }
    if (o->n_stops == HL_MAX_STOPS && !is_new_list)
        return hl_fail(err, HL_E_ARG, "option stop: more than %d texts, expected at most these",
                       HL_MAX_STOPS);
    char *copy = hl_strdup(value);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "option stop: no memory");
    if (is_new_list) clear_stops(o);
    o->stops[o->n_stops++] = copy;
    return HL_OK;
}

static hl_status fail_unknown(const char *name, hl_err *err) {
    hl_nearest best = {0};
    for (size_t i = 0; i < N_IDLE_ROWS; i++) {
        if (strcmp(idle_rows[i].name, name) == 0)
            return hl_fail(err, HL_E_UNSUPPORTED, "option %s has no effect: %s", name, idle_rows[i].why);
    }
    for (int i = 0; i < HL_N_OPTS; i++) hl_nearest_try(&best, name, rows[i].name);
    if (best.name)
        return hl_fail(err, HL_E_NOT_FOUND, "unknown option '%.60s'; did you mean '%s'?", name, best.name);
    return hl_fail(err, HL_E_NOT_FOUND, "unknown option '%.60s'", name);
}

hl_status hl_options_set(hl_options *o, hl_opt_origin origin, const char *name, const char *value,
                         hl_err *err) {
    const hl_opt id = hl_opt_find(name);
    if (id == HL_N_OPTS) return fail_unknown(name, err);
    const option_row *row = &rows[id];
    hl_options        probe; /* a value that does not count is checked all the same */
    const bool        counts = origin >= o->origin[id];
    if (!counts) hl_options_init(&probe);
    hl_options *to = counts ? o : &probe;
    hl_status   status = HL_OK;
    switch (row->kind) {
    case HL_OPT_KIND_REAL: status = set_real(to, row, value, err); break;
    case HL_OPT_KIND_WHOLE: status = set_whole(to, row, value, err); break;
    case HL_OPT_KIND_LIST: status = add_stop(to, origin > to->origin[id], value, err); break;
    }
    if (!counts)
        hl_options_done(&probe);
    else if (status == HL_OK)
        o->origin[id] = (uint8_t)origin;
    return status;
}

hl_status hl_options_check_param(const hl_param *p, hl_err *err) {
    hl_options   scratch;
    const hl_opt id = hl_opt_find(p->name);
    if (id == HL_N_OPTS || rows[id].kind == HL_OPT_KIND_LIST) return HL_OK;
    hl_options_init(&scratch);
    const hl_status status = hl_options_set(&scratch, HL_FROM_MODEL, p->name, p->value, err);
    hl_options_done(&scratch);
    return status;
}

void hl_options_unset(hl_options *o, hl_opt_origin origin, hl_opt id) {
    hl_options plain;
    if (o->origin[id] != origin) return;
    hl_options_init(&plain);
    if (rows[id].kind == HL_OPT_KIND_LIST)
        clear_stops(o);
    else
        memcpy(field_of(o, &rows[id]), field_of(&plain, &rows[id]), rows[id].size);
    o->origin[id] = HL_FROM_DEFAULT;
}

hl_status hl_options_merge(hl_options *o, const hl_options *from, hl_err *err) {
    hl_status status = HL_OK;
    for (int i = 0; i < HL_N_OPTS && status == HL_OK; i++) {
        const hl_opt_origin origin = (hl_opt_origin)from->origin[i];
        if (origin == HL_FROM_DEFAULT || origin < o->origin[i]) continue;
        if (rows[i].kind != HL_OPT_KIND_LIST) {
            memcpy(field_of(o, &rows[i]), (const char *)from + rows[i].offset, rows[i].size);
            o->origin[i] = (uint8_t)origin;
        }
        for (size_t k = 0; rows[i].kind == HL_OPT_KIND_LIST && k < from->n_stops && status == HL_OK; k++)
            status = hl_options_set(o, origin, rows[i].name, from->stops[k], err);
    }
    return status;
}

uint32_t hl_options_sampling_set(const hl_options *o) {
    uint32_t set = 0;
    _Static_assert(HL_OPT_temperature == 0 && HL_OPT_seed < 32, "the rows of sampler.def come first");
    for (int i = 0; i <= HL_OPT_seed; i++)
        if (o->origin[i] != HL_FROM_DEFAULT) set |= UINT32_C(1) << i;
    return set;
}

void hl_options_read_settings(hl_options *o, const hl_config *config) {
    static const struct {
        hl_opt     id;
        hl_setting setting;
    } pairs[] = {{HL_OPT_num_ctx, HL_SETTING_engine_n_ctx},
                 {HL_OPT_num_batch, HL_SETTING_engine_n_batch},
                 {HL_OPT_num_thread, HL_SETTING_engine_n_threads}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const hl_opt        id = pairs[i].id;
        const hl_origin     where = hl_config_origin(config, pairs[i].setting);
        const hl_opt_origin origin = where == HL_ORIGIN_DEFAULT ? HL_FROM_DEFAULT
                                     : where == HL_ORIGIN_FLAG  ? HL_FROM_FLAG
                                                                : HL_FROM_SETTING;
        if (origin < o->origin[id]) continue;
        write_whole(o, &rows[id], hl_config_int(config, pairs[i].setting));
        o->origin[id] = (uint8_t)origin;
    }
}

void hl_options_read_stored(hl_options *o, const hl_stored_model *m, const hl_events *events) {
    for (size_t i = 0; i < m->n_params; i++) {
        hl_err why = {0};
        if (strcasecmp(m->params[i].name, "adapter_scale") == 0) continue; /* adapters.c */
        const hl_status status =
            hl_options_set(o, HL_FROM_MODEL, m->params[i].name, m->params[i].value, &why);
        if (status == HL_OK) continue;
        const hl_log_level level = status == HL_E_UNSUPPORTED ? HL_LOG_INFO : HL_LOG_WARN;
        hl_event(events, level, "host", "bad-parameter", "model=%s why=\"%s\" action=ignored", m->entry.text,
                 why.text);
    }
}

/* The fewest digits that read back as the same float. */
static void format_real(float f, char *buf, size_t cap) {
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(buf, cap, "%.*g", digits, (double)f);
        if (strtof(buf, NULL) == f) return;
    }
}

static void format_field(const hl_options *o, const option_row *row, char *buf, size_t cap) {
    const char *p = (const char *)o + row->offset;
    float       f;
    int64_t     n;
    int32_t     n32;
    if (row->kind == HL_OPT_KIND_REAL) {
        memcpy(&f, p, sizeof f);
        format_real(f, buf, cap);
        return;
    }
    memcpy(&n32, p, sizeof n32);
    if (row->size == sizeof n)
        memcpy(&n, p, sizeof n);
    else
        n = n32;
    (void)snprintf(buf, cap, "%" PRId64, n);
}

void hl_options_each(const hl_options *o, hl_options_fn *fn, void *user) {
    for (int i = 0; i < HL_N_OPTS; i++) {
        const hl_opt_origin origin = (hl_opt_origin)o->origin[i];
        char                text[40];
        if (rows[i].kind == HL_OPT_KIND_LIST) {
            for (size_t k = 0; k < o->n_stops; k++) fn(user, (hl_opt)i, rows[i].name, o->stops[k], origin);
            continue;
        }
        format_field(o, &rows[i], text, sizeof text);
        fn(user, (hl_opt)i, rows[i].name, text, origin);
    }
}

const char *hl_opt_origin_name(hl_opt_origin origin) {
    static const char *const names[] = {"default", "settings", "stored with the model", "flag", "request"};
    return names[origin];
}
