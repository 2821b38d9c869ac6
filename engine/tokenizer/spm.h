/* SPDX-License-Identifier: MIT
 *
 * spm.h - SentencePiece BPE: merges by score, bytes for what the vocabulary lacks, U+2581 for spaces.
 */
#ifndef HL_ENGINE_TOKENIZER_SPM_H
#define HL_ENGINE_TOKENIZER_SPM_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/vocab.h"

typedef struct hl_spm {
    const hl_vocab *vocab;
    int32_t         byte_ids[256];    /* token of "<0xNN>"; -1: none */
    bool            joins_space[256]; /* some token has a U+2581 behind a character that ends in this byte */
} hl_spm;

/* fails  HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_spm_load(hl_spm *s, const hl_vocab *v, hl_err *err);
hl_merge_rules          hl_spm_rules(const hl_spm *s);

/* Length of the first piece of text[0, n): no token reaches over its end, so pieces can be merged alone. */
size_t hl_spm_piece(const hl_spm *s, const char *text, size_t n);

/* Spaces to U+2581; writes up to 3 n bytes and returns how many. */
size_t hl_spm_spell(const char *text, size_t n, char *ret);
/* U+2581 to spaces. Writes at most `cap`, returns how many there are. */
size_t hl_spm_unspell(hl_view text, char *ret, size_t cap);
/* The byte of a token "<0xNN>"; -1 when it is spelled otherwise. */
int hl_spm_byte(hl_view text);

#endif
