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
    if (max == -INFINITY) max = 0; /* then every weight is 0 */
    const float scale = 1.0f / temperature;
    for (size_t i = 0; i < n; i++) {
        c[i].weight = hl_exp_down((c[i].logit - max) * scale);
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

/* Quicksort on the smaller side first: the stack stays small. */
void hl_sort_by_key(hl_candidate *c, size_t n) {
    enum { FEW = 16 };
    while (n > FEW) {
        const size_t m = partition(c, n);
        if (m < n - m) {
            hl_sort_by_key(c, m);
            c += m + 1;
            n -= m + 1;
        } else {
            hl_sort_by_key(c + m + 1, n - m - 1);
            n = m;
        }
    }
    sort_few(c, n);
}

void hl_sort_best_by_key(hl_candidate *c, size_t n, size_t k) {
    enum { FEW = 16 };
    size_t low = 0, high = n; /* before low: the best low; the k-th is in [low, high) */
    while (high - low > FEW && low < k) {
        const size_t m = low + partition(c + low, high - low);
        if (m < k)
            low = m + 1;
        else
            high = m;
    }
    if (low < k) sort_few(c + low, high - low);
    hl_sort_by_key(c, low);
}

/* Exact, for sets of any size; expected time linear. `held`: mass that is kept before c[0]. */
static size_t keep_by_pivots(hl_candidate *c, size_t n, double held, double mass) {
    enum { FEW = 16 };
    size_t low = 0, high = n; /* the answer ends in (low, high] */
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

enum { N_BINS = 1024, BINS_PER_UNIT = 32 };

static size_t bin_of(float max, float key) {
    const float below = (max - key) * BINS_PER_UNIT;
    return below < N_BINS - 1 ? (size_t)below : N_BINS - 1; /* also for what is no number */
}

/* Move what lies in bins [0, to) to the front, behind it what lies in bin `to`; returns where that begins. */
static size_t gather(hl_candidate *c, size_t n, float max, size_t to, size_t *ret_end) {
    size_t front = 0, end = 0; /* c[0, front) before bin `to`, c[front, end) in it */
    for (size_t i = 0; i < n; i++) {
        const size_t bin = bin_of(max, c[i].key);
        if (bin > to) continue;
        swap(&c[i], &c[end]);
        if (bin < to) swap(&c[end], &c[front++]);
        end++;
    }
    *ret_end = end;
    return front;
}

/* A histogram of the keys tells where the answer ends up to one bin; only that bin is searched. */
size_t hl_keep_mass(hl_candidate *c, size_t n, double mass) {
    enum { MANY = 256 };
    if (n < MANY) return keep_by_pivots(c, n, 0, mass);
    double bins[N_BINS] = {0};
    float  max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (c[i].key > max) max = c[i].key;
    for (size_t i = 0; i < n; i++) bins[bin_of(max, c[i].key)] += c[i].weight;
    double held = 0;
    size_t to = 0;
    while (to < N_BINS - 1 && held + bins[to] < mass) held += bins[to++];
    size_t       end = 0;
    const size_t front = gather(c, n, max, to, &end);
    return front + keep_by_pivots(c + front, end - front, held, mass);
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
