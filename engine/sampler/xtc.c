/* SPDX-License-Identifier: MIT
 *
 * xtc.c - exclude top choices: now and then drop all candidates above a probability but the least likely of
 * them.
 * from: p-e-w, "Exclude Top Choices (XTC)", text-generation-webui pull request 6335, 2024
 */
#include "engine/sampler/filters.h"

size_t hl_filter_xtc(hl_candidate *c, size_t n, hl_filter_ctx *x) {
    const hl_sampler_params *p = x->p;
    if (p->xtc_probability <= 0 || p->xtc_threshold > 0.5f || n <= 1) return n;
    if (hl_random_next(x->random) >= (double)p->xtc_probability) return n;
    const double bar = (double)p->xtc_threshold * hl_weigh(c, n, 1);
    size_t       least = n, n_above = 0;
    for (size_t i = 0; i < n; i++) {
        if ((double)c[i].weight < bar) continue;
        n_above++;
        if (least == n || c[i].logit < c[least].logit ||
            (c[i].logit == c[least].logit && c[i].id > c[least].id))
            least = i;
    }
    if (n_above < 2) return n;
    const int32_t stays = c[least].id;
    size_t        kept = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)c[i].weight < bar || c[i].id == stays) c[kept++] = c[i];
    return kept;
}
