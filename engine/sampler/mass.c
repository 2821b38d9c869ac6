/* SPDX-License-Identifier: MIT
 *
 * mass.c - weights, and the smallest leading set of candidates that holds a share of them.
 */
#include <math.h>

#include "engine/sampler/filters.h"

double hl_weigh(hl_candidate *c, size_t n, float temperature) {
    float  max = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].logit > max) max = c[i].logit;
    const double scale = 1.0 / temperature;
    for (size_t i = 0; i < n; i++) {
        c[i].weight = max == -INFINITY ? 0 : (float)exp(((double)c[i].logit - max) * scale);
        sum += c[i].weight;
    }
    return sum;
}

static bool is_before(const hl_candidate *a, const hl_candidate *b) {
    return a->key != b->key ? a->key > b->key : a->id < b->id;
}

static void swap(hl_candidate *a, hl_candidate *b) {
    const hl_candidate x = *a;
    *a = *b;
    *b = x;
}

static void sort_few(hl_candidate *c, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const hl_candidate x = c[i];
        size_t             j = i;
        for (; j > 0 && is_before(&x, &c[j - 1]); j--) c[j] = c[j - 1];
        c[j] = x;
    }
}

/* Put c[0, n) around the median of three; returns where that one ends up. */
static size_t partition(hl_candidate *c, size_t n) {
    hl_candidate *first = &c[0], *middle = &c[n / 2], *last = &c[n - 1];
    if (is_before(middle, first)) swap(middle, first);
    if (is_before(last, first)) swap(last, first);
    if (is_before(middle, last)) swap(middle, last); /* the median is last now */
    size_t end = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (is_before(&c[i], last)) swap(&c[i], &c[end++]);
    swap(&c[end], last);
    return end;
}

size_t hl_keep_mass(hl_candidate *c, size_t n, double mass) {
    enum { FEW = 16 };
    size_t low = 0, high = n; /* the answer ends in (low, high] */
    double held = 0;          /* by c[0, low) */
    while (high - low > FEW) {
        const size_t m = low + partition(c + low, high - low);
        double       part = 0;
        for (size_t i = low; i < m; i++) part += c[i].weight;
        if (m > low && held + part >= mass) {
            high = m;
            continue;
        }
        held += part + c[m].weight;
        low = m + 1;
        if (held >= mass) return low;
    }
    sort_few(c + low, high - low);
    for (size_t i = low; i < high; i++) {
        held += c[i].weight;
        if (held >= mass) return i + 1;
    }
    return high;
}

int32_t hl_draw(const hl_candidate *c, size_t n, double sum, double u) {
    double  left = u * sum;
    int32_t id = c[0].id;
    for (size_t i = 0; i < n; i++) {
        if (c[i].weight <= 0) continue;
        id = c[i].id; /* rounding may leave a rest: the last one with a weight takes it */
        left -= c[i].weight;
        if (left < 0) break;
    }
    return id;
}
