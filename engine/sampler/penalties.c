/* SPDX-License-Identifier: MIT
 *
 * penalties.c - make tokens that were just used less likely: repeat, frequency, presence.
 *
 * A logit above 0 is divided by the repeat penalty, one below multiplied; then count * frequency and
 * presence are taken off. Counts follow the window token by token, so that applying them costs as much
 * as there are different tokens in it.
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/sampler/filters.h"

hl_status hl_penalties_init(hl_penalties *p, const hl_sampler_params *params, int32_t n_vocab, hl_err *err) {
    *p = (hl_penalties){.repeat = params->repeat_penalty,
                        .frequency = params->frequency_penalty,
                        .presence = params->presence_penalty,
                        .last_n = params->repeat_last_n};
    if ((p->repeat == 1 && p->frequency == 0 && p->presence == 0) || p->last_n == 0) return HL_OK;
    p->counts = hl_new((size_t)n_vocab, sizeof *p->counts);
    p->seen = hl_new((size_t)n_vocab, sizeof *p->seen);
    p->seen_at = hl_new((size_t)n_vocab, sizeof *p->seen_at);
    if (p->last_n > 0) p->window = hl_new((size_t)p->last_n, sizeof *p->window);
    if (!p->counts || !p->seen || !p->seen_at || (p->last_n > 0 && !p->window))
        return hl_fail(err, HL_E_NOMEM, "no memory for a sampler");
    return HL_OK;
}

void hl_penalties_done(hl_penalties *p) {
    hl_free(p->window);
    hl_free(p->counts);
    hl_free(p->seen);
    hl_free(p->seen_at);
}

bool hl_penalties_on(const hl_penalties *p) { return p->counts != NULL; }

static void forget(hl_penalties *p, int32_t token) {
    if (--p->counts[token] > 0) return;
    const int32_t hole = p->seen_at[token], last = p->seen[--p->n_seen];
    p->seen[hole] = last;
    p->seen_at[last] = hole;
}

void hl_penalties_count(hl_penalties *p, int32_t token) {
    if (p->window) {
        if (p->n_window == p->last_n)
            forget(p, p->window[p->at]);
        else
            p->n_window++;
        p->window[p->at] = token;
        p->at = p->at + 1 == p->last_n ? 0 : p->at + 1;
    }
    if (p->counts[token] == UINT32_MAX) return;
    if (p->counts[token]++ > 0) return;
    p->seen_at[token] = p->n_seen;
    p->seen[p->n_seen++] = token;
}

void hl_penalties_apply(const hl_penalties *p, float *logits) {
    for (int32_t i = 0; i < p->n_seen; i++) {
        const int32_t token = p->seen[i];
        float         x = logits[token];
        x = x > 0 ? x / p->repeat : x * p->repeat;
        logits[token] = x - (float)p->counts[token] * p->frequency - p->presence;
    }
}
