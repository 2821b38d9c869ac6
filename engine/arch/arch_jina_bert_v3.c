/* SPDX-License-Identifier: MIT
 *
 * arch_jina_bert_v3.c - Jina embeddings 3.
 *
 * bert with rotated positions instead of learned ones.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_jina_bert_v3 = {
    .name = "jina-bert-v3",
    .weights = {HL_ENCODER_WEIGHTS, HL_PLAIN_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_GEGLU,
    .is_encoder = true,
    .norms_behind = true,
};
