/* SPDX-License-Identifier: MIT
 *
 * arch_dflash.c - DFlash: drafts of a block of tokens at once.
 *
 * Layers of qwen3 whose keys and values of the text are made of what the residual stream of some layers of
 * the model makes through one matrix and a norm; embedding and head are the model's.
 * from: the published code of DFlash, 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_dflash = {
    .name = "dflash",
    .weights = {HL_ALLOWS(ROPE_FREQS), HL_NEEDS(OUT_NORM), HL_NEEDS(FC), HL_NEEDS(GIVEN_NORM),
                HL_NEEDS(ATTN_NORM), HL_ATTENTION_WEIGHTS, HL_QK_NORMS, HL_NEEDS(FFN_NORM), HL_DENSE_WEIGHTS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .window_pattern = 4,
    .window_by_key = true,
    .window_of_pattern_key = true,
    .drafts = HL_DRAFTS_DFLASH,
    .n_tapped = HL_TAPS_ANY,
};
