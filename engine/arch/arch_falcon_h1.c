/* SPDX-License-Identifier: MIT
 *
 * arch_falcon_h1.c - Falcon-H1: 0.5B to 34B.
 *
 * In every layer attention and Mamba-2 read the same norm, and both are added. The norm in front of the
 * feed-forward block is called ffn_norm, without ".weight".
 * from: "Falcon-H1", arXiv 2507.22448; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_falcon_h1 = {
    .name = "falcon-h1",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_NEEDS(ATTN_NORM),
                HL_ATTENTION_WEIGHTS, HL_MAMBA2_WEIGHTS, HL_NEEDS(FFN_NORM_BARE), HL_DENSE_WEIGHTS},
    .mixing = HL_MIXING_BOTH,
    .recurrence = HL_RECURRENCE_MAMBA2,
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
};
