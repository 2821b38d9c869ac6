/* SPDX-License-Identifier: MIT
 *
 * arch_neo_bert.c - NeoBERT.
 *
 * Norms in front of the blocks, the rotation of pairs, gate and up in one matrix; the last norm is called
 * enc.output_norm.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_neo_bert = {
    .name = "neo-bert",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(ENC_OUT_NORM), HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS,
                HL_NEEDS(FFN_NORM), HL_FUSED_DENSE_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .activation = HL_ACTIVATION_SWIGLU,
    .is_encoder = true,
};
