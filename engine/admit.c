/* SPDX-License-Identifier: MIT
 *
 * admit.c - defaults, and refusing with numbers what would not fit.
 */
#include "engine/admit.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "engine/expert_pages.h"

enum { DEFAULT_CTX = 4096 };

int32_t hl_default_ctx(const hl_model *m) {
    const int32_t train = (int32_t)m->hp.n_ctx_train;
    return train < DEFAULT_CTX ? train : DEFAULT_CTX;
}

hl_status hl_kv_type_check(hl_kv_cache_type t, hl_err *err) {
    if ((unsigned)t < HL_N_KV_CACHE_TYPES) return HL_OK;
    return hl_fail(err, HL_E_ARG, "kv_type is %d, expected f16, f32, bf16 or q8_0", (int)t);
}

hl_status hl_check_stands_alone(const hl_model *m, hl_err *err) {
    if (!m->arch || (m->arch->drafts == HL_DRAFTS_NOT && !m->only_next)) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "%s '%s' drafts for another model and computes nothing alone: run that model with "
                   "this file as its draft (`--draft FILE`, or DRAFT in its Modelfile)",
                   m->only_next ? "a file of the block of" : "architecture", m->arch->name);
}

hl_status hl_check_generates(const hl_model *m, hl_err *err) {
    const hl_status status = hl_check_stands_alone(m, err);
    if (status != HL_OK) return status;
    if (!m->arch || !m->arch->is_encoder) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "architecture '%s' cannot generate: an encoder makes embeddings of texts only (`hyperlama "
                   "embed`, /api/embed)",
                   m->arch->name);
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* What of the engine's memory weights of other models need. */
static uint64_t others_bytes(const hl_model *m) {
    const uint64_t own = atomic_load(&m->n_plans) > 0 ? hl_model_weights_bytes(m) : 0;
    return less(atomic_load(&m->engine->planned_weights_bytes), own);
}

/* What of `available` is left for weights; false: nothing. Each part by itself: sums could wrap. */
static bool room_for_weights(const hl_memory_plan *plan, uint64_t *ret_left) {
    const uint64_t parts[] = {plan->kv_bytes, plan->scratch_bytes, plan->draft_bytes};
    *ret_left = plan->available_bytes;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i] > *ret_left) return false;
        *ret_left -= parts[i];
    }
    return true;
}

/* Weights are page cache: the system can always drop and read them again, so only what is ours must fit;
 * but a model larger than the memory would be read from disk for every token, so it is refused too. Of
 * experts a token reads few: all of one layer have to fit, which a long prompt reads. */
hl_memory_fit hl_memory_judge(const hl_model *m, const hl_memory_plan *plan) {
    const uint64_t experts = hl_experts_bytes(m->experts);
    uint64_t       left = 0;
    if (plan->available_bytes == 0) return HL_FITS;
    if (!room_for_weights(plan, &left)) return HL_FITS_NOT;
    if (plan->weights_bytes <= left) return HL_FITS;
    if (experts == 0 || experts > plan->weights_bytes || others_bytes(m) > 0) return HL_FITS_NOT;
    const uint64_t least = plan->weights_bytes - experts + hl_experts_layer_bytes(m->experts);
    return least <= left ? HL_FITS_FROM_DISK : HL_FITS_NOT;
}

/* Experts get what is left; others stay on disk. */
static void keep_what_fits(hl_model *m, const hl_memory_plan *plan) {
    uint64_t left = 0;
    (void)room_for_weights(plan, &left);
    const uint64_t experts = hl_experts_bytes(m->experts);
    const uint64_t kept = left - (plan->weights_bytes - experts);
    hl_model_keep_experts(m, kept);
    hl_event(&m->engine->events, HL_LOG_WARN, "engine", "experts-from-disk",
             "weights_bytes=%" PRIu64 " experts_bytes=%" PRIu64 " kept_bytes=%" PRIu64
             " why=\"the model is larger than the memory: experts are read from its file as they are "
             "chosen\"",
             plan->weights_bytes, experts, kept);
}

static hl_status check_plan(hl_model *m, const hl_memory_plan *plan, int32_t n_ctx, hl_err *err) {
    enum { MIB = 1 << 20 };
    char                draft[64] = "";
    const hl_memory_fit fit = hl_memory_judge(m, plan);
    if (fit == HL_FITS_FROM_DISK) keep_what_fits(m, plan);
    if (fit != HL_FITS_NOT) return HL_OK;
    if (plan->draft_bytes)
        (void)snprintf(draft, sizeof draft, " + draft model %" PRIu64 " MiB", plan->draft_bytes / MIB);
    return hl_fail(err, HL_E_NOMEM,
                   "not enough memory: weights %" PRIu64 " MiB + key/value cache %" PRIu64
                   " MiB (context %d) + buffers %" PRIu64 " MiB%s, available %" PRIu64
                   " MiB; choose a smaller context or model",
                   plan->weights_bytes / MIB, plan->kv_bytes / MIB, n_ctx, plan->scratch_bytes / MIB, draft,
                   plan->available_bytes / MIB);
}

/* Memory that was planned is taken page by page as it is used; what was taken is missing from what the
 * machine has. */
uint64_t hl_model_available(const hl_model *m, const hl_model *draft) {
    const hl_engine *e = m->engine;
    const uint64_t   have = hl_memory_available();
    const uint64_t   untouched = less(atomic_load(&e->planned_bytes), hl_memory_resident());
    uint64_t         own = atomic_load(&m->n_plans) > 0 ? hl_model_weights_bytes(m) : 0;
    if (draft && draft != m && atomic_load(&draft->n_plans) > 0) own += hl_model_weights_bytes(draft);
    const uint64_t left = less(less(have, untouched), less(atomic_load(&e->planned_weights_bytes), own));
    return have > 0 && left == 0 ? 1 : left; /* 0 means unknown */
}

uint64_t hl_draft_weights_bytes(const hl_model *m, const hl_model *draft) {
    return draft && draft != m ? hl_model_weights_bytes(draft) : 0;
}

static uint64_t own_bytes(const hl_model *m, const hl_model *draft, const hl_memory_plan *plan) {
    return plan->kv_bytes + plan->scratch_bytes + less(plan->draft_bytes, hl_draft_weights_bytes(m, draft));
}

static void enter_weights(hl_model *m) {
    if (atomic_fetch_add(&m->n_plans, 1) == 0)
        atomic_fetch_add(&m->engine->planned_weights_bytes, hl_model_weights_bytes(m));
}

static void take_out_weights(hl_model *m) {
    if (atomic_fetch_sub(&m->n_plans, 1) == 1)
        atomic_fetch_sub(&m->engine->planned_weights_bytes, hl_model_weights_bytes(m));
}

hl_status hl_memory_admit(hl_model *m, hl_model *draft, const hl_memory_plan *plan, int32_t n_ctx,
                          hl_err *err) {
    const hl_status status = check_plan(m, plan, n_ctx, err);
    if (status != HL_OK) return status;
    atomic_fetch_add(&m->engine->planned_bytes, own_bytes(m, draft, plan));
    enter_weights(m);
    if (draft) enter_weights(draft);
    return HL_OK;
}

void hl_memory_release(hl_model *m, hl_model *draft, const hl_memory_plan *plan) {
    if (plan->weights_bytes == 0) return; /* it was not admitted */
    atomic_fetch_sub(&m->engine->planned_bytes, own_bytes(m, draft, plan));
    take_out_weights(m);
    if (draft) take_out_weights(draft);
}
