/* SPDX-License-Identifier: MIT
 *
 * arch_llama4.c - Llama 4: Scout, Maverick, text.
 *
 * Three of four layers rotate and see the part of 8192 positions that they are in; the fourth neither, and
 * its queries grow with the position. Heads that turned have norms without weights, unless there are 128
 * experts. One expert is chosen, whose input is multiplied by its share, beside a shared one.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_llama4 = {
    .name = "llama4",
    .weights = {HL_DECODER_WEIGHTS, HL_DENSE_WEIGHTS, HL_EXPERT_WEIGHTS, HL_SHARED_EXPERT_WEIGHTS},
    .rope = HL_ROPE_PAIRS,
    .still = HL_STILL_EVERY_4TH,
    .activation = HL_ACTIVATION_SWIGLU,
    .window_pattern = 4,
    .window_default = 8192,
    .window_fixed = 8192,
    .window_is_chunk = true,
    .plain_norm_behind_rope = true,
    .temperature = HL_TEMPERATURE_STILL,
    .router = {.gate = HL_GATE_SIGMOID,
               .shares = HL_SHARES_RAW,
               .by_logits = true,
               .weighs_input = true,
               .shared_width = HL_SHARED_AS_EXPERT},
    .may_have_experts = true,
};
