/* SPDX-License-Identifier: MIT
 *
 * admit.c - defaults, and refusing with numbers what would not fit.
 */
#include "engine/admit.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEFAULT_CTX = 4096 };

int32_t hl_default_ctx(const hl_model *m) {
    const int32_t train = (int32_t)m->hp.n_ctx_train;
    return train < DEFAULT_CTX ? train : DEFAULT_CTX;
}

hl_kv_type hl_kv_type_of(hl_kv_cache_type t) {
    static const hl_kv_type types[] = {[HL_KV_CACHE_F16] = HL_KV_f16,
                                       [HL_KV_CACHE_F32] = HL_KV_f32,
                                       [HL_KV_CACHE_BF16] = HL_KV_bf16,
                                       [HL_KV_CACHE_Q8_0] = HL_KV_q8_0};
    return types[t];
}

/* Weights are page cache: the system can always drop and read them again, so only what is ours must fit;
 * but a model larger than the memory would be read from disk for every token, so it is refused too. */
hl_status hl_memory_admit(const hl_memory_plan *plan, int32_t n_ctx, hl_err *err) {
    enum { MIB = 1 << 20 };
    const uint64_t parts[] = {plan->kv_bytes, plan->scratch_bytes, plan->draft_bytes, plan->weights_bytes};
    uint64_t       left = plan->available_bytes;
    bool           fits = true;
    char           draft[64] = "";
    if (plan->available_bytes == 0) return HL_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) { /* each by itself: sums could wrap */
        fits = fits && parts[i] <= left;
        left -= fits ? parts[i] : 0;
    }
    if (fits) return HL_OK;
    if (plan->draft_bytes)
        (void)snprintf(draft, sizeof draft, " + draft model %" PRIu64 " MiB", plan->draft_bytes / MIB);
    return hl_fail(err, HL_E_NOMEM,
                   "not enough memory: weights %" PRIu64 " MiB + key/value cache %" PRIu64
                   " MiB (context %d) + buffers %" PRIu64 " MiB%s, available %" PRIu64
                   " MiB; choose a smaller context or model",
                   plan->weights_bytes / MIB, plan->kv_bytes / MIB, n_ctx, plan->scratch_bytes / MIB, draft,
                   plan->available_bytes / MIB);
}
