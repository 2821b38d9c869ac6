/* SPDX-License-Identifier: MIT
 *
 * arch_qwen35.c - Qwen3.5 and 3.6, dense: 0.8B to 27B.
 *
 * Three of four layers are gated delta nets, the fourth attends, with gates that come with the queries; the
 * norm in front of the feed-forward block is called post_attention_norm. Rotation is by sections of pairs,
 * which all have the same position in text.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_qwen35 = {
    .name = "qwen35",
    .weights = {HL_FRAME_WEIGHTS, HL_NEEDS(ATTN_NORM), HL_NEEDS(FFN_NORM_AS_POST), HL_NEEDS(Q_GATED),
                HL_NEEDS(K), HL_NEEDS(V), HL_NEEDS(O), HL_QK_NORMS, HL_GATED_DELTA_WEIGHTS,
                HL_NEEDS(STATE_BETA), HL_NEEDS(STATE_ALPHA), HL_DENSE_WEIGHTS, HL_NEXT_WEIGHTS},
    .mixing = HL_MIXING_BY_INTERVAL,
    .recurrence = HL_RECURRENCE_GATED_DELTA,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
