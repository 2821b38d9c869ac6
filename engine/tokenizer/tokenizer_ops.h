/* SPDX-License-Identifier: MIT
 *
 * tokenizer_ops.h - what a kind of tokenizer is: a row of tokenizers.def.
 *
 * Vocabulary, special tokens, roles of tokens and the memory of pieces are the same for all. A kind reads
 * what is its own in a file, cuts a part of a text (between special tokens) into pieces, and makes ids of a
 * piece.
 */
#ifndef HL_ENGINE_TOKENIZER_TOKENIZER_OPS_H
#define HL_ENGINE_TOKENIZER_TOKENIZER_OPS_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer_state.h"

/* One text on its way to ids: encode.c. */
typedef struct hl_encoder {
    const hl_tokenizer *t;
    const char         *text;
    char            *valid; /* the text with invalid bytes replaced; NULL when it is valid or not asked for */
    size_t           part_at; /* where the part being cut begins */
    hl_merge_scratch merge;
    hl_split_state   split;
    struct hl_encoding *more; /* encode.c's own */
} hl_encoder;

/* Add an id to what comes out. */
HL_MUST_CHECK hl_status hl_encoder_add(hl_encoder *e, int32_t id, hl_err *err);
/* Ids of the piece text[at, at + n): those of the same piece before, or what `encode_piece` makes of it. */
HL_MUST_CHECK hl_status hl_encoder_piece(hl_encoder *e, size_t at, size_t n, hl_err *err);
/* Room for the spelling of a piece; NULL: no memory. */
char *hl_encoder_room(hl_encoder *e, size_t n);

typedef struct hl_tokenizer_ops {
    /* Read what is this kind's own into t->self, t->kind, t->begins, t->ends. The vocabulary is there.
     * `done` follows, also after a failure. */
    hl_status (*load)(hl_tokenizer *t, const hl_gguf *g, hl_err *err);
    void (*done)(hl_tokenizer *t); /* t->self may be NULL */
    /* Cut text[at, at + n) and call hl_encoder_piece() for the pieces in order. */
    hl_status (*encode_part)(hl_encoder *e, size_t at, size_t n, hl_err *err);
    hl_status (*encode_piece)(hl_encoder *e, const char *piece, size_t n, hl_err *err);
    /* The bytes that a token's text stands for. Writes at most `cap`, returns how many there are. */
    size_t (*unspell)(const hl_tokenizer *t, hl_view text, char *buf, size_t cap);
    bool needs_valid;      /* encode_part wants hl_encoder.valid */
    bool may_prefix_space; /* texts may get a space in front; they do unless the file says otherwise */
    /* other keys of the tokens that begin and end texts (GGUF's spelling); NULL: only the usual ones */
    const char *bos_key, *eos_key;
    int32_t     bos, eos, unk; /* unless the file says otherwise; -1: none */
} hl_tokenizer_ops;

#define HL_TOKENIZER(ops, name) extern const hl_tokenizer_ops hl_tokenizer_##ops##_ops;
#include "engine/tokenizer/tokenizers.def"
#undef HL_TOKENIZER

#endif
