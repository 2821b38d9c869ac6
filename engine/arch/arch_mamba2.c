/* SPDX-License-Identifier: MIT
 *
 * arch_mamba2.c - Mamba-2 130M to 2.7B, Codestral Mamba 7B.
 *
 * Nothing but scans with one decay per head, one per layer.
 * from: "Transformers are SSMs", arXiv 2405.21060; the model cards' config.json, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_mamba2 = {
    .name = "mamba2",
    .weights = {HL_NEEDS(TOK_EMBD), HL_NEEDS(OUT_NORM), HL_ALLOWS(OUT), HL_NEEDS(ATTN_NORM),
                HL_MAMBA2_WEIGHTS},
    .mixing = HL_MIXING_STATE,
    .recurrence = HL_RECURRENCE_MAMBA2,
    .rope = HL_ROPE_NONE,
};
