/* SPDX-License-Identifier: MIT
 *
 * top_k.c - the k largest logits in one pass: a heap whose root is the worst of them.
 */
#include <math.h>

#include "engine/sampler/filters.h"

static bool is_worse(const hl_candidate *a, const hl_candidate *b) {
    return a->logit != b->logit ? a->logit < b->logit : a->id > b->id;
}

static void sift_down(hl_candidate *h, size_t n, size_t i) {
    const hl_candidate x = h[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_worse(&h[child + 1], &h[child])) child++;
        if (!is_worse(&h[child], &x)) break;
        h[i] = h[child];
    }
    h[i] = x;
}

/* False: it is NaN. */
static bool offer(hl_candidate *c, size_t k, int32_t id, float logit) {
    if (!(logit > c[0].logit)) return !isnan(logit);
    c[0] = (hl_candidate){.logit = hl_clean_logit(logit), .id = id};
    sift_down(c, k, 0);
    return true;
}

size_t hl_top_k(hl_candidate *c, const float *logits, int32_t n_vocab, int32_t k) {
    const int32_t n = k <= 0 || k > n_vocab ? n_vocab : k;
    for (int32_t id = 0; id < n; id++) {
        if (isnan(logits[id])) return 0;
        c[id] = (hl_candidate){.logit = hl_clean_logit(logits[id]), .id = id};
    }
    if (n == n_vocab) return (size_t)n;
    for (size_t i = (size_t)n / 2; i-- > 0;) sift_down(c, (size_t)n, i);
    int32_t id = n;
    for (; id + 16 <= n_vocab; id += 16) {
        if (!hl_any_above_16(logits + id, c[0].logit)) continue;
        for (int32_t j = id; j < id + 16; j++)
            if (!offer(c, (size_t)n, j, logits[j])) return 0;
    }
    for (; id < n_vocab; id++)
        if (!offer(c, (size_t)n, id, logits[id])) return 0;
    return (size_t)n;
}
