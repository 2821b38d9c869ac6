/* SPDX-License-Identifier: MIT
 *
 * arch_lfm2moe.c - LFM2 and LFM2.5 with experts: 8B-A1B, 24B-A2B.
 *
 * lfm2 with experts behind the first layers: a sigmoid router, a bias for choosing, shares that are
 * divided by their sum.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_lfm2moe = {
    .name = "lfm2moe",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(OUT_NORM_AS_TOKENS), HL_ALLOWS(OUT), HL_NEEDS(ATTN_NORM),
                HL_ATTENTION_WEIGHTS, HL_QK_NORMS, HL_SHORT_CONV_WEIGHTS, HL_NEEDS(FFN_NORM),
                HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_ALLOWS(CHOICE_BIAS)},
    .mixing = HL_MIXING_BY_KV_HEADS,
    .recurrence = HL_RECURRENCE_SHORT_CONV,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .router = {.gate = HL_GATE_SIGMOID, .gate_by_key = true, .shares = HL_SHARES_NORMED},
    .needs_experts = true,
    .may_have_experts = true,
};
