/* SPDX-License-Identifier: MIT
 *
 * arch_jina_bert_v2.c - Jina embeddings 2.
 *
 * bert without positions: scores fall with the distance. A gated GELU block, whose matrices may be one; in
 * some, norms over all query and all key heads, and a second norm behind attention.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_jina_bert_v2 = {
    .name = "jina-bert-v2",
    .weights = {HL_ENCODER_WEIGHTS, HL_ALLOWS(GATE_UP), HL_ALLOWS(GATE), HL_NEEDS(UP), HL_NEEDS(DOWN),
                HL_ALLOWS(GATE_BIAS), HL_ALLOWS(UP_BIAS), HL_ALLOWS(DOWN_BIAS), HL_ALLOWS(ATTN_NORM_2),
                HL_ALLOWS(ATTN_NORM_2_BIAS), HL_ALLOWS(Q_NORM_ALL), HL_ALLOWS(Q_NORM_ALL_BIAS),
                HL_ALLOWS(K_NORM_ALL), HL_ALLOWS(K_NORM_ALL_BIAS)},
    .norm = HL_NORM_LAYER,
    .rope = HL_ROPE_NONE,
    .activation = HL_ACTIVATION_GEGLU,
    .has_alibi = true,
    .is_encoder = true,
    .norms_behind = true,
};
