/* SPDX-License-Identifier: MIT
 *
 * logprobs.c - logarithms of the model's own probabilities.
 */
#include <math.h>

#include "engine/sampler/filters.h"

/* log of the sum of exp(logit); NaN when there is none, or a logit is NaN. */
static double log_sum(const float *logits, int32_t n) {
    float max = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        const float x = hl_clean_logit(logits[i]);
        if (isnan(x)) return NAN;
        if (x > max) max = x;
    }
    if (max == -INFINITY) return NAN;
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += hl_exp_down(hl_clean_logit(logits[i]) - max);
    return max + log(sum);
}

float hl_logprobs_top(const float *logits, int32_t n_vocab, int32_t token, size_t n_top,
                      hl_logprob *ret_top) {
    const double total = log_sum(logits, n_vocab);
    size_t       n = 0;
    for (int32_t id = 0; n_top > 0 && !isnan(total) && id < n_vocab; id++) {
        const float x = hl_clean_logit(logits[id]);
        if (n == n_top && !(x > ret_top[n - 1].logprob)) continue;
        size_t at = n < n_top ? n++ : n - 1;
        for (; at > 0 && x > ret_top[at - 1].logprob; at--) ret_top[at] = ret_top[at - 1];
        ret_top[at] = (hl_logprob){.token = id, .logprob = x};
    }
    for (size_t i = 0; i < n; i++) ret_top[i].logprob = (float)(ret_top[i].logprob - total);
    for (size_t i = n; i < n_top; i++)
        ret_top[i] = (hl_logprob){.token = -1, .logprob = isnan(total) ? NAN : -INFINITY};
    if (isnan(total)) return NAN;
    return token < 0 || token >= n_vocab ? -INFINITY : (float)(hl_clean_logit(logits[token]) - total);
}
