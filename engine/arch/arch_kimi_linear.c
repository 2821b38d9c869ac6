/* SPDX-License-Identifier: MIT
 *
 * arch_kimi_linear.c - Kimi-Linear 48B-A3B.
 *
 * Layers without key/value heads are delta nets with a decay for each key channel; the others attend with
 * low-rank keys and values, and nothing rotates. Experts behind the first layers, with a sigmoid router.
 * from: "Kimi Linear", arXiv 2510.26692; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_kimi_linear = {
    .name = "kimi-linear",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_NEEDS(MLA_Q), HL_NEEDS(KV_A), HL_NEEDS(KV_A_NORM),
                HL_NEEDS(K_B), HL_NEEDS(V_B), HL_NEEDS(KV_B), HL_NEEDS(O), HL_KEYED_DELTA_WEIGHTS,
                HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS,
                HL_ALLOWS(CHOICE_BIAS)},
    .mixing = HL_MIXING_BY_KV_HEADS,
    .recurrence = HL_RECURRENCE_KEYED_DELTA,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_SWIGLU,
    .has_mla = true,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_NORMED},
    .needs_experts = true,
    .may_have_experts = true,
};
