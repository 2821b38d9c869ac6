/* SPDX-License-Identifier: MIT
 *
 * finite.c - rows in which the model stopped computing numbers.
 *
 * A weight that is NaN, or activations that grow past the largest f32, would end in some token all the same:
 * keys are clamped, comparisons pass over NaN. So what passes from one block to the next is looked at, once
 * for each row, and the first place where it is no number is kept. The row is computed to the end (other rows
 * of the pass are not to suffer), its results are not used.
 */
#include <stdio.h>

#include "engine/forward/forward_priv.h"

static const char *const place_texts[HL_PLACE_count] = {
    [HL_PLACE_NONE] = "",
    [HL_PLACE_EMBEDDING] = "the embedding",
    [HL_PLACE_NORM] = "a norm",
    [HL_PLACE_LAST_NORM] = "the last norm",
    [HL_PLACE_QUERIES] = "the queries",
    [HL_PLACE_KEYS] = "the keys",
    [HL_PLACE_VALUES] = "the values",
    [HL_PLACE_ATTENTION] = "the attention block",
    [HL_PLACE_STATE] = "the recurrent block",
    [HL_PLACE_ROUTER] = "the router",
    [HL_PLACE_FFN] = "the feed-forward block",
    [HL_PLACE_LOGITS] = "the logits",
};

void hl_row_note(hl_pass *f, uint32_t row, hl_place place, uint32_t i_layer) {
    uint32_t none = 0;
    (void)atomic_compare_exchange_strong(&f->faults[f->origin[row]], &none,
                                         (uint32_t)place | i_layer << HL_PLACE_BITS);
}

bool hl_pass_row_failed(const hl_pass *f, uint32_t row) { return atomic_load(&f->faults[row]) != 0; }

hl_status hl_pass_check_row(const hl_pass *f, const hl_batch *b, uint32_t row, hl_err *err) {
    const uint32_t fault = atomic_load(&f->faults[row]);
    const hl_place place = fault & ((1u << HL_PLACE_BITS) - 1);
    char           layer[32] = "", token[32] = "an embedding";
    if (fault == 0) return HL_OK;
    if (place != HL_PLACE_EMBEDDING && place != HL_PLACE_LAST_NORM && place != HL_PLACE_LOGITS)
        (void)snprintf(layer, sizeof layer, " of layer %u", fault >> HL_PLACE_BITS);
    if (b->tokens[row] != HL_ROW_IS_EMBEDDING)
        (void)snprintf(token, sizeof token, "token %d", b->tokens[row]);
    return hl_fail(err, HL_E_FORMAT,
                   "the model computes no numbers: NaN or infinity in %s%s at position %d (%s)",
                   place_texts[place], layer, b->pos[row], token);
}
