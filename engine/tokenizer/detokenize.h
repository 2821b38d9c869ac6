/* SPDX-License-Identifier: MIT
 *
 * detokenize.h - the body of a detokenizer, for who keeps it in a struct of his own.
 */
#ifndef HL_ENGINE_TOKENIZER_DETOKENIZE_H
#define HL_ENGINE_TOKENIZER_DETOKENIZE_H

#include "hyperlama/tokenizer.h"

struct hl_detokenizer {
    const hl_tokenizer *tokenizer;
    bool                with_special;
    bool                at_start; /* the leading space of a sentence-piece text is still to be dropped */
    unsigned char       held[8];  /* the beginning of a character that is not whole yet */
    uint32_t            n_held;
};

void hl_detokenizer_init(hl_detokenizer *d, const hl_tokenizer *t, bool with_special);

#endif
