/* SPDX-License-Identifier: MIT
 *
 * options.c - the table of model_options.def over the fields of hl_options.
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

typedef enum option_kind { KIND_REAL, KIND_WHOLE, KIND_TEXTS, KIND_IDLE } option_kind;

typedef struct option_row {
    const char *name;
    option_kind kind;
    size_t      offset, size; /* of the field in hl_options */
    double      min, max;     /* REAL */
    int64_t     lo, hi;       /* WHOLE */
    const char *why;          /* IDLE */
} option_row;

#define FIELD(f) .offset = offsetof(hl_options, f), .size = sizeof(((hl_options *)0)->f)
static const option_row rows[] = {
#define HL_REAL(n, f, a, b)  {.name = #n, .kind = KIND_REAL, FIELD(f), .min = (a), .max = (b)},
#define HL_WHOLE(n, f, a, b) {.name = #n, .kind = KIND_WHOLE, FIELD(f), .lo = (a), .hi = (b)},
#define HL_TEXTS(n, f)       {.name = #n, .kind = KIND_TEXTS},
#define HL_IDLE(n, w)        {.name = #n, .kind = KIND_IDLE, .why = (w)},
#include "host/model_options.def"
#undef HL_REAL
#undef HL_WHOLE
#undef HL_TEXTS
#undef HL_IDLE
};
enum { N_ROWS = sizeof rows / sizeof *rows };

void hl_options_init(hl_options *o) {
    *o = (hl_options){.num_predict = -1, .num_thread = -1};
    hl_sampler_params_init(&o->sampling);
}

void hl_options_clear_stops(hl_options *o) {
    for (size_t i = 0; i < o->n_stops; i++) hl_free(o->stops[i]);
    o->n_stops = 0;
}

void hl_options_done(hl_options *o) { hl_options_clear_stops(o); }

static const option_row *find_row(const char *name) {
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    }
    return NULL;
}

static hl_status set_real(hl_options *o, const option_row *row, const char *value, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const double x = strtod(value, &end);
    if (end == value || *end || !isfinite(x) || x < row->min || x > row->max)
        return hl_fail(err, HL_E_ARG, "option %s = '%.80s': expected %g..%g", row->name, value, row->min,
                       row->max);
    const float f = (float)x;
    memcpy((char *)o + row->offset, &f, sizeof f);
    return HL_OK;
}

static hl_status set_whole(hl_options *o, const option_row *row, const char *value, hl_err *err) {
    char *end = NULL;
    errno = 0;
    const long long n = strtoll(value, &end, 10);
    if (end == value || *end || errno != 0 || n < row->lo || n > row->hi)
        return hl_fail(err, HL_E_ARG, "option %s = '%.80s': expected %" PRId64 "..%" PRId64, row->name, value,
                       row->lo, row->hi);
    const int64_t n64 = n;
    const int32_t n32 = (int32_t)n;
    memcpy((char *)o + row->offset, row->size == sizeof n64 ? (const void *)&n64 : (const void *)&n32,
           row->size);
    return HL_OK;
}

static hl_status add_stop(hl_options *o, const char *value, hl_err *err) {
    const size_t n = strlen(value);
    if (n == 0 || n > HL_MAX_STOP_BYTES)
        return hl_fail(err, HL_E_LIMIT, "option stop: %zu bytes, expected 1..%d", n, HL_MAX_STOP_BYTES);
    for (size_t i = 0; i < o->n_stops; i++) {
        if (strcmp(o->stops[i], value) == 0) return HL_OK;
    }
    if (o->n_stops == HL_MAX_STOPS)
        return hl_fail(err, HL_E_LIMIT, "option stop: more than %d stop strings", HL_MAX_STOPS);
    char *copy = hl_strdup(value);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "option stop: no memory");
    o->stops[o->n_stops++] = copy;
    return HL_OK;
}

hl_status hl_options_set(hl_options *o, const char *name, const char *value, hl_err *err) {
    const option_row *row = find_row(name);
    if (!row) {
        hl_nearest best = {0};
        for (size_t i = 0; i < N_ROWS; i++) {
            if (rows[i].kind != KIND_IDLE) hl_nearest_try(&best, name, rows[i].name);
        }
        if (best.name)
            return hl_fail(err, HL_E_NOT_FOUND, "unknown option '%.60s'; did you mean '%s'?", name,
                           best.name);
        return hl_fail(err, HL_E_NOT_FOUND, "unknown option '%.60s'", name);
    }
    switch (row->kind) {
    case KIND_REAL: return set_real(o, row, value, err);
    case KIND_WHOLE: return set_whole(o, row, value, err);
    case KIND_TEXTS: return add_stop(o, value, err);
    case KIND_IDLE: break;
    }
    return hl_fail(err, HL_E_UNSUPPORTED, "option %s has no effect: %s", row->name, row->why);
}

static void format_field(const hl_options *o, const option_row *row, char *buf, size_t cap) {
    const char *p = (const char *)o + row->offset;
    if (row->kind == KIND_REAL) {
        float f;
        memcpy(&f, p, sizeof f);
        (void)snprintf(buf, cap, "%g", (double)f);
    } else if (row->size == sizeof(int64_t)) {
        int64_t n;
        memcpy(&n, p, sizeof n);
        (void)snprintf(buf, cap, "%" PRId64, n);
    } else {
        int32_t n;
        memcpy(&n, p, sizeof n);
        (void)snprintf(buf, cap, "%" PRId32, n);
    }
}

void hl_options_each(const hl_options *o, const hl_options                *base,
                     void (*fn)(void *, const char *, const char *), void *user) {
    for (size_t i = 0; i < N_ROWS; i++) {
        char now[40], then[40];
        if (rows[i].kind != KIND_REAL && rows[i].kind != KIND_WHOLE) continue;
        format_field(o, &rows[i], now, sizeof now);
        format_field(base, &rows[i], then, sizeof then);
        if (strcmp(now, then) != 0) fn(user, rows[i].name, now);
    }
    for (size_t i = 0; i < o->n_stops; i++) fn(user, "stop", o->stops[i]);
}
