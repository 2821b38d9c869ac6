/* SPDX-License-Identifier: MIT
 *
 * engine.c - what a process has once: threads, kernel table, where events go.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/cpus.h"
#include "core/base/mem.h"
#include "engine/forward/device.h"
#include "engine/kernels/cpu.h"
#include "engine/model_priv.h"

static void describe_cpu(hl_engine *e, uint32_t bits) {
    size_t at = 0;
    for (int i = 0; i < HL_ISA_count; i++) {
        const uint32_t needs = hl_isa_needs((hl_isa)i);
        if ((needs & ~bits) || (i > 0 && needs == 0)) continue;
        const int n = snprintf(e->cpu_text + at, sizeof e->cpu_text - at, "%s%s", at ? " " : "",
                               hl_isa_name((hl_isa)i));
        if (n > 0 && at + (size_t)n < sizeof e->cpu_text) at += (size_t)n;
    }
}

/* More threads than processors only wait for one another, and each would have buffers of its own. */
static int32_t useful_threads(int32_t asked) {
    const int32_t n = asked > 0 ? asked : hl_cpus_usable();
    const int32_t most = hl_cpus_installed();
    return n < most ? n : most;
}

/* The public callback knows no enum of ours. */
static void pass_event(void *user, hl_log_level level, const char *component, const char *event,
                       const char *fields) {
    const hl_engine *e = user;
    e->on_event(e->event_user, (int)level, component, event, fields);
}

hl_status hl_engine_new(const hl_engine_params *p, hl_engine **ret_engine, hl_err *err) {
    static const hl_engine_params defaults;
    if (!p) p = &defaults;
    if (p->n_threads < 0 || p->n_threads > 1024)
        return hl_fail(err, HL_E_ARG, "n_threads is %d, expected 0 (automatic) or 1..1024", p->n_threads);
    if (p->activation_bits != 0 && p->activation_bits != 8 && p->activation_bits != 16)
        return hl_fail(err, HL_E_ARG, "activation_bits is %d, expected 8 or 16", p->activation_bits);
    uint32_t  bits = 0;
    hl_status status = hl_cpu_mask(p->cpu ? p->cpu : "", hl_cpu_features(), &bits, err);
    if (status != HL_OK) return status;
    hl_engine *e = hl_new(1, sizeof *e);
    if (!e) return hl_fail(err, HL_E_NOMEM, "engine: no memory");
    e->device = hl_device_cpu();
    hl_kernels_select(bits, &e->kernels);
    hl_state_kernels_select(bits, &e->state_kernels);
    describe_cpu(e, bits);
    e->n_planes = p->activation_bits == 16 ? 2 : 1;
    (void)snprintf(e->setup_text, sizeof e->setup_text, "%s%s", e->cpu_text,
                   e->n_planes == 2 ? " 16-bit activations" : "");
    e->on_event = p->on_event;
    e->event_user = p->event_user;
    e->events = (hl_events){p->on_event ? pass_event : NULL, e, (hl_log_level)p->event_level};
    status = hl_pool_new(useful_threads(p->n_threads), &e->pool, err);
    if (status != HL_OK) {
        hl_free(e);
        return status;
    }
    hl_pool_follow_mask(e->pool);
    hl_event(&e->events, HL_LOG_DEBUG, "engine", "ready", "threads=%d cpu=\"%s\" activation_bits=%d",
             hl_pool_n_threads(e->pool), e->cpu_text, e->n_planes == 2 ? 16 : 8);
    *ret_engine = e;
    return HL_OK;
}

void hl_engine_free(hl_engine *e) {
    if (!e) return;
    hl_pool_free(e->pool);
    hl_free(e);
}

int32_t     hl_engine_n_threads(const hl_engine *e) { return hl_pool_n_threads(e->pool); }
const char *hl_engine_cpu_text(const hl_engine *e) { return e->cpu_text; }
const char *hl_engine_setup_text(const hl_engine *e) { return e->setup_text; }

void hl_engine_each_kernel(const hl_engine *e, void (*fn)(void *, const char *, const char *, const char *),
                           void            *user) {
    const hl_kernels *k = &e->kernels;
    for (int t = 0; t < HL_TYPE_count; t++) {
        if (k->gemv[t]) fn(user, "gemv", hl_type_name((hl_type)t), k->facts_of_gemv[t].isa);
        if (k->unpack[t]) fn(user, "unpack", hl_type_name((hl_type)t), k->facts_of_unpack[t].isa);
    }
    if (k->gemm_panel) fn(user, "gemm", "panel", k->facts_of_gemm_panel.isa);
#define HL_VEC_OP(name)                                                                                      \
    if (k->name) fn(user, #name, "", k->facts_of_##name.isa);
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
#define HL_STATE_OP(name) fn(user, #name, "", e->state_kernels.isa_of_##name);
#include "engine/kernels/state.def"
#undef HL_STATE_OP
}
