/* SPDX-License-Identifier: MIT
 *
 * arch_granitehybrid.c - Granite 4 H: micro, tiny, small.
 *
 * Layers without key/value heads are Mamba-2; each layer has experts, shared ones beside them, or a dense
 * block. Multipliers as in Granite; usually nothing rotates.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_granitehybrid = {
    .name = "granitehybrid",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_MAMBA2_WEIGHTS,
                HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS},
    .mixing = HL_MIXING_BY_KV_HEADS,
    .recurrence = HL_RECURRENCE_MAMBA2,
    .rope = HL_ROPE_PAIRS,
    .rotates_if_finetuned = true,
    .activation = HL_ACTIVATION_SWIGLU,
    .scales = HL_SCALES_DIVIDE,
    .reads_qk_scale = true,
    .may_have_experts = true,
};
