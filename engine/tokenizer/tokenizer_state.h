/* SPDX-License-Identifier: MIT
 *
 * tokenizer_state.h - what a tokenizer is made of; for the files of this folder.
 */
#ifndef HL_ENGINE_TOKENIZER_TOKENIZER_STATE_H
#define HL_ENGINE_TOKENIZER_TOKENIZER_STATE_H

#include "engine/tokenizer/special.h"
#include "engine/tokenizer/tokenizer_load.h"
#include "engine/tokenizer/vocab.h"

enum { HL_TOKENIZER_MAX_WARNINGS = 16 };

struct hl_tokenizer {
    const struct hl_tokenizer_ops *ops;      /* of its kind: tokenizer_ops.h */
    void                          *self;     /* what is that kind's own */
    char                           kind[32]; /* "bpe/llama3", "spm" */
    hl_vocab                       vocab;
    hl_special                     special;
    uint8_t                       *is_eog;        /* [n_vocab] */
    uint8_t                       *eats_space;    /* [n_vocab]; NULL: none does */
    int32_t                        bos, eos, unk; /* -1: none */
    bool    begins, ends; /* texts begin with bos, end with eos, unless the file says otherwise */
    int32_t sep;          /* stands between two texts; -1: none */
    bool    add_bos, add_eos, add_sep, add_space_prefix;
    char   *warnings[HL_TOKENIZER_MAX_WARNINGS]; /* what in the file is odd, and what was made of it */
    size_t  n_warnings;
};

/* Keep a warning; the first HL_TOKENIZER_MAX_WARNINGS are kept.
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_tokenizer_warn(hl_tokenizer *t, hl_err *err, const char *fmt, ...) HL_PRINTF(3, 4);

/* Read the ids and switches of the file, find the end-of-generation tokens. Vocabulary and kind are set.
 * Tokens that end an answer by their name become control tokens. */
HL_MUST_CHECK hl_status hl_tokenizer_load_roles(hl_tokenizer *t, const hl_gguf *g, hl_err *err);

#endif
