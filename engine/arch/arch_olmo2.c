/* SPDX-License-Identifier: MIT
 *
 * arch_olmo2.c - OLMo 2 and 3.
 *
 * Norms stand behind the blocks only, and one over all query heads, one over all key heads. OLMo 3 has
 * windows, whose layers know no scaling of the rotation.
 * from: the model cards' config.json and the tensors of converted files, August 2026
 */
#include "engine/arch/arch.h"

const hl_arch hl_arch_olmo2 = {
    .name = "olmo2",
    .weights = {HL_FRAME_WEIGHTS, HL_ATTENTION_WEIGHTS, HL_NEEDS(Q_NORM_ALL), HL_NEEDS(K_NORM_ALL),
                HL_DENSE_WEIGHTS, HL_POST_NORMS},
    .rope = HL_ROPE_HALVES,
    .activation = HL_ACTIVATION_SWIGLU,
    .window_pattern = 4,
    .window_rope_plain = true,
};
