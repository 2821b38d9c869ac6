/* SPDX-License-Identifier: MIT
 *
 * encode.h - the ids of a text of which some bytes came from outside.
 */
#ifndef HL_ENGINE_TOKENIZER_ENCODE_H
#define HL_ENGINE_TOKENIZER_ENCODE_H

#include "core/base/taint.h"
#include "hyperlama/tokenizer.h"

/* As hl_tokenizer_encode(), but a control token spelled out in the text counts only where no byte of it is
 * tainted; elsewhere the spelling is text like any other, and the text around it is tokenized as if it were
 * plain letters.
 *
 * in     tainted  [n_tainted] in order, not touching: see hl_tainted. n_tainted 0: nothing is
 * fails  as hl_tokenizer_encode() */
HL_MUST_CHECK hl_status hl_tokenizer_encode_tainted(const hl_tokenizer *t, hl_view text,
                                                    const hl_span *tainted, size_t n_tainted, unsigned flags,
                                                    hl_tokens *ret_ids, hl_err *err);

/* Two texts as BERT's tokenizers put them together: each ends as a single one does, and the mark that stands
 * between, where the file wants one (add_sep_token), too. No control token is seen in them.
 * fails  as hl_tokenizer_encode() */
HL_MUST_CHECK hl_status hl_tokenizer_encode_pair(const hl_tokenizer *t, hl_view first, hl_view second,
                                                 hl_tokens *ret_ids, hl_err *err);

#endif
