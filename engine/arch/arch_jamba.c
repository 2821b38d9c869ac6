/* SPDX-License-Identifier: MIT
 *
 * arch_jamba.c - Jamba: mini, large, reasoning 3B.
 *
 * Layers without key/value heads are Mamba-1 with norms of time step, B and C; the others attend, without
 * rotation. A layer has experts if it has a router.
 * from: "Jamba", arXiv 2403.19887; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_jamba = {
    .name = "jamba",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_MAMBA1_WEIGHTS,
                HL_NEEDS(STATE_DT_NORM), HL_NEEDS(STATE_B_NORM), HL_NEEDS(STATE_C_NORM), HL_NEEDS(FFN_NORM),
                HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS},
    .mixing = HL_MIXING_BY_KV_HEADS,
    .recurrence = HL_RECURRENCE_MAMBA1,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.shares = HL_SHARES_RAW, .by_tensor = true},
    .may_have_experts = true,
};
