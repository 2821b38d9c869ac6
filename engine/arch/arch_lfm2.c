/* SPDX-License-Identifier: MIT
 *
 * arch_lfm2.c - LFM2 and LFM2.5, dense: 350M to 2.6B.
 *
 * Layers without key/value heads are gated convolutions of a few positions; the others attend. The norm
 * behind the last layer is stored as token_embd_norm.
 * from: the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_lfm2 = {
    .name = "lfm2",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(OUT_NORM_AS_TOKENS), HL_ALLOWS(OUT), HL_NEEDS(ATTN_NORM),
                HL_ATTENTION_WEIGHTS, HL_QK_NORMS, HL_SHORT_CONV_WEIGHTS, HL_NEEDS(FFN_NORM),
                HL_DENSE_WEIGHTS},
    .mixing = HL_MIXING_BY_KV_HEADS,
    .recurrence = HL_RECURRENCE_SHORT_CONV,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
