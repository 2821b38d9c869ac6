/* SPDX-License-Identifier: MIT
 *
 * ffn_chunk.h - a few columns of act(gate x) * up x, for dense blocks and experts alike.
 */
#ifndef HL_ENGINE_FORWARD_FFN_CHUNK_H
#define HL_ENGINE_FORWARD_FFN_CHUNK_H

#include "engine/forward/low_rank.h"

typedef struct hl_glu {
    const hl_matrix *gate, *up;           /* [n_ff][n_embd]; up NULL: act(gate x) alone */
    const float     *gate_bias, *up_bias; /* [n_ff]; NULL: none */
    hl_low           gate_low, up_low;    /* what adapters add; zeros: nothing */
    const hl_bend   *bend;                /* of the activation */
    uint32_t         needs;               /* forms that the down matmul reads: HL_NEED_* */
    uint32_t         first_row;           /* of act_ff where x's first token goes */
} hl_glu;

/* Columns [begin, end) of the intermediate, begin a multiple of 32, for all tokens of x, written to
 * f->act_ff. */
void hl_glu_chunk(hl_pass *f, const hl_glu *g, const hl_act *x, size_t begin, size_t end, uint32_t i_thread);

#endif
