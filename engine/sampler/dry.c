/* SPDX-License-Identifier: MIT
 *
 * dry.c - "don't repeat yourself": a token that would go on an earlier passage, of which the last L tokens
 * are the end, loses multiplier * base ^ (L - allowed_length).
 * from: p-e-w, "DRY: A modern repetition penalty", text-generation-webui pull request 5677, 2024
 *
 * How long the end of the text agrees with what stands before each earlier position is the Z function of the
 * reversed text: one pass, whatever the text repeats. from: Gusfield, "Algorithms on Strings, Trees and
 * Sequences", 1997
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/sampler/filters.h"

enum { FIRST_CAP = 1024, MAX_TOKENS = 1 << 24 };

static int compare_ids(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

hl_status hl_dry_init(hl_dry *d, const hl_sampler_params *p, int32_t n_vocab, hl_err *err) {
    *d = (hl_dry){.multiplier = p->dry_multiplier,
                  .base = p->dry_base,
                  .allowed_length = p->dry_allowed_length,
                  .last_n = p->dry_penalty_last_n};
    if (d->multiplier <= 0 || d->last_n == 0) return HL_OK;
    d->cap = FIRST_CAP;
    d->history = hl_new(d->cap, sizeof *d->history);
    d->z = hl_new(d->cap, sizeof *d->z);
    d->longest = hl_new((size_t)n_vocab, sizeof *d->longest);
    d->breakers = hl_new(p->n_dry_breakers, sizeof *d->breakers);
    if (!d->history || !d->z || !d->longest || !d->breakers)
        return hl_fail(err, HL_E_NOMEM, "no memory for a sampler");
    d->n_breakers = p->n_dry_breakers;
    if (d->n_breakers) {
        memcpy(d->breakers, p->dry_breakers, d->n_breakers * sizeof *d->breakers);
        qsort(d->breakers, d->n_breakers, sizeof *d->breakers, compare_ids);
    }
    return HL_OK;
}

void hl_dry_done(hl_dry *d) {
    hl_free(d->history);
    hl_free(d->z);
    hl_free(d->longest);
    hl_free(d->breakers);
}

bool hl_dry_on(const hl_dry *d) { return d->history != NULL; }

static bool grow(hl_dry *d) {
    int32_t *history = d->cap < MAX_TOKENS ? hl_resize(d->history, 2 * d->cap, sizeof *history) : NULL;
    if (!history) return false;
    d->history = history;
    int32_t *z = hl_resize(d->z, 2 * d->cap, sizeof *z);
    if (!z) return false;
    d->z = z;
    d->cap *= 2;
    return true;
}

void hl_dry_count(hl_dry *d, int32_t token) {
    if (d->n == d->cap && !grow(d)) { /* no memory: the older half is forgotten */
        memmove(d->history, d->history + d->n / 2, (d->n - d->n / 2) * sizeof *d->history);
        d->n -= d->n / 2;
    }
    d->history[d->n++] = token;
}

/* Where the passage that the end belongs to begins: behind the last breaker, and within the window. */
static size_t first_of_window(const hl_dry *d) {
    return d->last_n > 0 && d->n > (size_t)d->last_n ? d->n - (size_t)d->last_n : 0;
}

static bool is_breaker(const hl_dry *d, int32_t token) {
    return bsearch(&token, d->breakers, d->n_breakers, sizeof token, compare_ids) != NULL;
}

/* Tokens at the end that a repetition may reach over. */
static size_t end_length(const hl_dry *d, size_t first) {
    size_t n = 0;
    while (first + n < d->n && !is_breaker(d, d->history[d->n - 1 - n])) n++;
    return n;
}

/* z[i]: how many tokens of the text read backwards from its i-th last agree with those read from the last. */
static void agree_backwards(hl_dry *d, size_t n) {
    const int32_t *last = d->history + d->n - 1;
    size_t         left = 0, right = 0;
    for (size_t i = 1; i < n; i++) {
        size_t k = i < right ? (size_t)d->z[i - left] : 0;
        if (i < right && k > right - i) k = right - i;
        while (i + k < n && last[-(ptrdiff_t)(i + k)] == last[-(ptrdiff_t)k]) k++;
        d->z[i] = (int32_t)k;
        if (i + k > right) {
            left = i;
            right = i + k;
        }
    }
}

void hl_dry_apply(hl_dry *d, float *logits) {
    const size_t first = first_of_window(d), n = d->n - first;
    const size_t most = end_length(d, first);
    if (most < (size_t)d->allowed_length) return;
    agree_backwards(d, n);
    for (size_t i = 1; i < n; i++) {
        const int32_t length = d->z[i] < (int32_t)most ? d->z[i] : (int32_t)most;
        const int32_t next = d->history[d->n - i]; /* followed there */
        if (length >= d->allowed_length && length > d->longest[next]) d->longest[next] = length;
    }
    for (size_t i = 1; i < n; i++) {
        const int32_t next = d->history[d->n - i];
        if (d->longest[next] == 0) continue;
        const float  steps = (float)(d->longest[next] - d->allowed_length);
        const double cost = (double)d->multiplier * pow((double)d->base, (double)steps);
        logits[next] -= cost < 1e30 ? (float)cost : 1e30f;
        d->longest[next] = 0;
    }
}
