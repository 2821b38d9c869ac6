/* SPDX-License-Identifier: MIT
 *
 * dry_breakers.h - tokens that no repetition reaches across, for the sampler's DRY penalty.
 */
#ifndef HL_ENGINE_RUNNER_DRY_BREAKERS_H
#define HL_ENGINE_RUNNER_DRY_BREAKERS_H

#include <pthread.h>

#include "hyperlama/sampler.h"
#include "hyperlama/tokenizer.h"

typedef struct hl_dry_breakers {
    pthread_mutex_t lock;
    int32_t        *ids; /* [n] NULL: nobody asked yet */
    size_t          n;
} hl_dry_breakers;

void hl_dry_breakers_init(hl_dry_breakers *b);
void hl_dry_breakers_done(hl_dry_breakers *b);

/* Where DRY is asked for without breakers, set those of the vocabulary; looked for once. Any thread.
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_dry_breakers_fill(hl_dry_breakers *b, const hl_tokenizer *t, hl_sampler_params *p,
                                             hl_err *err);

#endif
