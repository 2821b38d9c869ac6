/* SPDX-License-Identifier: MIT
 *
 * arch_mamba.c - Mamba 130M to 2.8B, Falcon Mamba 7B.
 *
 * Nothing but selective scans, one per layer.
 * from: "Mamba", arXiv 2312.00752; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_mamba = {
    .name = "mamba",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_NEEDS(ATTN_NORM),
                HL_MAMBA1_WEIGHTS},
    .mixing = HL_MIXING_STATE,
    .recurrence = HL_RECURRENCE_MAMBA1,
    .rope = HL_ROPE_NONE,
};
