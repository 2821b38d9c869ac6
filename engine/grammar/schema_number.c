/* SPDX-License-Identifier: MIT
 *
 * schema_number.c - numbers as text: bounds and multiples as automata over digits.
 *
 * A comparison with a bound reads -?digits(.digits)? and knows, at each place, whether what was read so far
 * is less, equal or more; multiples keep the remainder. Both are exact for decimals of any length.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema_priv.h"

enum { MAX_DIGITS = 700, MAX_MODULUS = 8000 };

/* whole[0, n_whole) . part[0, n_part), without zeros in front and behind; zero is n_whole == n_part == 0. */
typedef struct decimal {
    bool negative;
    int  n_whole, n_part;
    char whole[MAX_DIGITS], part[MAX_DIGITS];
} decimal;

/* The shortest text that reads back as the number; what people wrote, nearly always. */
static void write_real(double v, char *buf, size_t cap) {
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(buf, cap, "%.*e", digits - 1, v);
        if (strtod(buf, NULL) == v) return;
    }
}

static void number_text(const json_t *v, char *buf, size_t cap) {
    if (json_is_integer(v))
        (void)snprintf(buf, cap, "%lld", (long long)json_integer_value(v));
    else
        write_real(json_real_value(v), buf, cap);
}

static void read_decimal(const json_t *v, decimal *d) {
    char text[64], digits[64];
    int  n = 0, point = 0;
    *d = (decimal){0};
    number_text(v, text, sizeof text);
    const char *at = text;
    d->negative = *at == '-';
    at += d->negative;
    bool behind = false;
    for (; *at && *at != 'e'; at++) {
        if (*at == '.') {
            behind = true;
            continue;
        }
        digits[n++] = *at;
        point += !behind;
    }
    if (*at == 'e') point += (int)strtol(at + 1, NULL, 10);
    int first = 0;
    while (first < n && digits[first] == '0') first++;
    while (n > first && digits[n - 1] == '0') n--;
    if (first == n) { /* zero has no sign */
        d->negative = false;
        return;
    }
    for (int i = first; i < point && d->n_whole < MAX_DIGITS; i++)
        d->whole[d->n_whole++] = i < n ? digits[i] : '0';
    for (int i = point < first ? point : (point > first ? point : first); i < n && d->n_part < MAX_DIGITS;
         i++)
        d->part[d->n_part++] = i < 0 || i < first ? '0' : digits[i];
}

/* ---- automata by walking a small machine ---- */

enum { STEP_CHARS = 12 };                                      /* digits, '.', '-' */
static const char step_chars[STEP_CHARS + 1] = "-.0123456789"; /* rising */

/* What a machine is in; equal ones are one state. */
typedef struct number_state {
    int32_t phase, at, order;
    bool    negative;
} number_state;

typedef bool number_step_fn(const void *user, number_state *s, char c); /* false: no way */
typedef bool number_accept_fn(const void *user, const number_state *s);

static hl_status walk_machine(hl_schema_ctx *x, number_step_fn *step, number_accept_fn *accepts,
                              const void *user, hl_code_dfa *ret) {
    number_state *all = hl_new(HL_DFA_MAX_STATES, sizeof *all);
    uint32_t     *slots = hl_new(65536, sizeof *slots);
    uint32_t      n = 1;
    hl_status     status = all && slots ? HL_OK : hl_schema_no_memory(x);
    *ret = (hl_code_dfa){0};
    for (uint32_t i = 0; i < n && status == HL_OK; i++) {
        status = hl_code_dfa_add_state(ret, accepts(user, &all[i]), x->err);
        for (int k = 0; k < STEP_CHARS && status == HL_OK; k++) {
            number_state s = all[i];
            if (!step(user, &s, step_chars[k])) continue;
            uint32_t h = ((uint32_t)s.at * 2654435761u ^ (uint32_t)s.phase * 40503u ^
                          (uint32_t)s.order * 9973u ^ s.negative) %
                         65536;
            while (slots[h] &&
                   (all[slots[h] - 1].at != s.at || all[slots[h] - 1].phase != s.phase ||
                    all[slots[h] - 1].order != s.order || all[slots[h] - 1].negative != s.negative))
                h = (h + 1) % 65536;
            if (!slots[h]) {
                if (n == HL_DFA_MAX_STATES) {
                    status =
                        hl_fail(x->err, HL_E_FULL, "a number needs more than %d states", HL_DFA_MAX_STATES);
                    break;
                }
                all[n] = s;
                slots[h] = ++n;
            }
            status = hl_code_dfa_add_edge(ret, (uint8_t)step_chars[k], (uint8_t)step_chars[k], slots[h] - 1,
                                          x->err);
        }
    }
    hl_free(all);
    hl_free(slots);
    if (status != HL_OK) hl_code_dfa_done(ret);
    return status;
}

/* ---- comparing ---- */

enum { PHASE_START, PHASE_SIGN, PHASE_ZERO, PHASE_WHOLE, PHASE_POINT, PHASE_PART };

typedef struct comparison {
    decimal bound;
    bool    takes_less, takes_equal, takes_more;
} comparison;

static int sign_of(int a) { return a < 0 ? -1 : a > 0; }

/* The whole part is read: how does it compare? */
static int whole_order(const decimal *b, const number_state *s) {
    const int n = s->phase == PHASE_ZERO ? 0 : s->at;
    return n != b->n_whole ? sign_of(n - b->n_whole) : s->order;
}

static bool compare_step(const void *user, number_state *s, char c) {
    const decimal *b = &((const comparison *)user)->bound;
    if (c == '-') {
        if (s->phase != PHASE_START) return false;
        s->phase = PHASE_SIGN;
        s->negative = true;
        return true;
    }
    if (c == '.') {
        if (s->phase != PHASE_ZERO && s->phase != PHASE_WHOLE) return false;
        s->order = whole_order(b, s);
        s->at = 0;
        s->phase = PHASE_POINT;
        return true;
    }
    switch (s->phase) {
    case PHASE_START:
    case PHASE_SIGN:
        s->phase = c == '0' ? PHASE_ZERO : PHASE_WHOLE;
        s->at = 1;
        s->order = b->n_whole > 0 ? sign_of(c - b->whole[0]) : 1;
        if (c == '0') s->at = 0, s->order = 0;
        return true;
    case PHASE_WHOLE:
        if (s->at < b->n_whole && s->order == 0) s->order = sign_of(c - b->whole[s->at]);
        if (s->at <= b->n_whole) s->at++;
        if (s->at > b->n_whole) s->order = 1;
        return true;
    case PHASE_POINT:
    case PHASE_PART:
        s->phase = PHASE_PART;
        if (s->order == 0) s->order = sign_of(c - (s->at < b->n_part ? b->part[s->at] : '0'));
        if (s->at < b->n_part) s->at++;
        if (s->order != 0) s->at = b->n_part;
        return true;
    default: return false;
    }
}

static bool compare_accepts(const void *user, const number_state *s) {
    const comparison *c = user;
    const decimal    *b = &c->bound;
    int               order;
    if (s->phase == PHASE_ZERO || s->phase == PHASE_WHOLE) {
        order = whole_order(b, s);
        if (order == 0 && b->n_part > 0) order = -1;
    } else if (s->phase == PHASE_PART) {
        order = s->order == 0 && s->at < b->n_part ? -1 : s->order;
    } else {
        return false;
    }
    const bool is_zero = b->n_whole == 0 && b->n_part == 0;
    if (s->negative)
        order = b->negative ? -order : is_zero && order == 0 ? 0 : -1;
    else if (b->negative)
        order = 1;
    return order < 0 ? c->takes_less : order > 0 ? c->takes_more : c->takes_equal;
}

static hl_status compare_dfa(hl_schema_ctx *x, const json_t *v, bool less, bool equal, bool more,
                             hl_code_dfa *ret) {
    comparison *c = hl_new(1, sizeof *c);
    if (!c) return hl_schema_no_memory(x);
    read_decimal(v, &c->bound);
    c->takes_less = less;
    c->takes_equal = equal;
    c->takes_more = more;
    const hl_status status = walk_machine(x, compare_step, compare_accepts, c, ret);
    hl_free(c);
    return status;
}

/* ---- multiples ---- */

typedef struct multiple {
    int32_t modulus; /* of the number times 10^n_places */
    int32_t n_places;
} multiple;

/* phase PART: order digits behind the point were read; at: the remainder. */
static bool multiple_step(const void *user, number_state *s, char c) {
    const multiple *m = user;
    if (c == '-') {
        if (s->phase != PHASE_START) return false;
        s->phase = PHASE_SIGN;
        return true;
    }
    if (c == '.') {
        if (s->phase != PHASE_WHOLE) return false;
        s->phase = PHASE_POINT;
        return true;
    }
    if (s->phase < PHASE_POINT) {
        s->phase = PHASE_WHOLE;
        s->at = (s->at * 10 + (c - '0')) % m->modulus;
        return true;
    }
    s->phase = PHASE_PART;
    if (s->order == m->n_places) return c == '0';
    s->at = (s->at * 10 + (c - '0')) % m->modulus;
    s->order++;
    return true;
}

static bool multiple_accepts(const void *user, const number_state *s) {
    const multiple *m = user;
    int64_t         r = s->at;
    if (s->phase != PHASE_WHOLE && s->phase != PHASE_PART) return false;
    for (int32_t i = s->order; i < m->n_places; i++) r = r * 10 % m->modulus;
    return r == 0;
}

static hl_status multiple_dfa(hl_schema_ctx *x, const hl_schema_demand *want, hl_code_dfa *ret) {
    decimal *d = hl_new(1, sizeof *d);
    if (!d) return hl_schema_no_memory(x);
    read_decimal(want->value, d);
    multiple m = {.n_places = d->n_part};
    int64_t  v = 0;
    for (int i = 0; i < d->n_whole && v <= MAX_MODULUS; i++) v = v * 10 + (d->whole[i] - '0');
    for (int i = 0; i < d->n_part && v <= MAX_MODULUS; i++) v = v * 10 + (d->part[i] - '0');
    const bool is_good = !d->negative && v > 0;
    hl_free(d);
    if (!is_good) return hl_schema_fail(x, HL_E_FORMAT, want->path, "expected a number above 0");
    if (v > MAX_MODULUS)
        return hl_schema_fail(x, HL_E_ARG, want->path,
                              "multiples of more than %d, without its point, cannot be enforced",
                              MAX_MODULUS);
    m.modulus = (int32_t)v;
    return walk_machine(x, multiple_step, multiple_accepts, &m, ret);
}

/* ---- all demands on a number ---- */

static hl_status words_dfa(hl_schema_ctx *x, const json_t *values, hl_code_dfa *ret) {
    size_t   n = 0, i;
    json_t  *v;
    hl_view *words = hl_arena_get(&x->arena, 2 * json_array_size(values) + 1, sizeof *words);
    if (!words) return hl_schema_no_memory(x);
    json_array_foreach(values, i, v) {
        char text[64];
        if (!json_is_number(v)) continue;
        const double real = json_number_value(v);
        const bool   is_whole = json_is_real(v) && real == floor(real) && fabs(real) < 1e15;
        if (is_whole)
            (void)snprintf(text, sizeof text, "%.0f", real);
        else if (json_is_real(v) && fabs(real) >= 1e-6 && fabs(real) < 1e15)
            for (int places = 1; places <= 22; places++) {
                (void)snprintf(text, sizeof text, "%.*f", places, real);
                if (strtod(text, NULL) == real) break;
            }
        else
            number_text(v, text, sizeof text);
        if (strcmp(text, "-0") == 0) memmove(text, text + 1, strlen(text));
        for (int k = 0; k <= is_whole; k++) {
            if (k) memcpy(text + strlen(text), ".0", 3);
            words[n].ptr = hl_arena_get_text(&x->arena, text, strlen(text));
            words[n].len = strlen(text);
            if (!words[n++].ptr) return hl_schema_no_memory(x);
        }
    }
    return hl_code_dfa_words(words, n, ret, x->err);
}

static hl_status narrow_by(hl_schema_ctx *x, const hl_schema_demand *want, hl_code_dfa *d) {
    hl_code_dfa   other = {0};
    hl_status     status = HL_OK;
    bool          negated = false;
    const json_t *v = want->value;
    switch (want->kind) {
    case HL_NUMBER_LEAST: status = compare_dfa(x, v, false, true, true, &other); break;
    case HL_NUMBER_MOST: status = compare_dfa(x, v, true, true, false, &other); break;
    case HL_NUMBER_ABOVE: status = compare_dfa(x, v, false, false, true, &other); break;
    case HL_NUMBER_BELOW: status = compare_dfa(x, v, true, false, false, &other); break;
    case HL_NUMBER_NOT_MULTIPLE: negated = true; /* fall through */
    case HL_NUMBER_MULTIPLE: status = multiple_dfa(x, want, &other); break;
    case HL_NUMBER_ENUM: status = words_dfa(x, v, &other); break;
    case HL_NUMBER_NOT_ENUM: {
        size_t  i;
        json_t *one;
        json_array_foreach(v, i, one) {
            if (!json_is_number(one) || status != HL_OK) continue;
            status = compare_dfa(x, one, true, false, true, &other);
            if (status == HL_OK) status = hl_code_dfa_narrow(d, &other, false, x->err);
            hl_code_dfa_done(&other);
        }
        return status;
    }
    case HL_NUMBER_NOT_INTEGER:
        status = hl_regex_compile(hl_view_of("-?[0-9]+\\.[0-9]*[1-9][0-9]*"), true, &other, x->err);
        break;
    default: return HL_OK;
    }
    if (status == HL_OK) status = hl_code_dfa_narrow(d, &other, negated, x->err);
    hl_code_dfa_done(&other);
    return status;
}

hl_status hl_schema_number_dfa(hl_schema_ctx *x, const hl_schema_demand *demands, hl_code_dfa *ret) {
    bool is_integer = false, only_words = true, is_long = false;
    for (const hl_schema_demand *d = demands; d; d = d->next) {
        const double v = json_is_number(d->value) ? fabs(json_number_value(d->value)) : 0;
        is_integer |= d->kind == HL_NUMBER_INTEGER;
        only_words &= d->kind == HL_NUMBER_ENUM;
        is_long |= d->kind == HL_NUMBER_ENUM; /* whatever they are, they are short lists */
        is_long |= v >= 1e17 || (v > 0 && v < 1e-15);
    }
    const char *re = is_integer   ? is_long ? HL_JSON_LONG_INTEGER_RE : HL_JSON_INTEGER_RE
                     : only_words ? HL_JSON_NUMBER_RE
                     : is_long    ? HL_JSON_LONG_DECIMAL_RE
                                  : HL_JSON_DECIMAL_RE;
    hl_status   status = hl_regex_compile(hl_view_of(re), true, ret, x->err);
    for (const hl_schema_demand *d = demands; d && status == HL_OK; d = d->next) {
        status = narrow_by(x, d, ret);
        if (status != HL_OK) {
            hl_code_dfa_done(ret);
            if (status == HL_E_FULL) hl_schema_fail(x, status, d->path, "%s", x->err->text);
        }
    }
    return status;
}
