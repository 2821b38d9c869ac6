/* SPDX-License-Identifier: MIT
 *
 * arch_nomic_bert_moe.c - Nomic Embed 2.
 *
 * bert with rotated positions; every other layer has experts without a gate, whose shares are not
 * renormalised.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_nomic_bert_moe = {
    .name = "nomic-bert-moe",
    .weights = {HL_ENCODER_WEIGHTS, HL_PLAIN_DENSE_WEIGHTS, HL_NEEDS(ROUTER), HL_NEEDS(UP_EXPS),
                HL_NEEDS(DOWN_EXPS)},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .router = {.shares = HL_SHARES_RAW},
    .needs_experts = true,
    .may_have_experts = true,
    .is_encoder = true,
    .norms_behind = true,
};
