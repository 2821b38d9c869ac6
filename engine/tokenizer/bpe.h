/* SPDX-License-Identifier: MIT
 *
 * bpe.h - byte-level BPE: bytes spelled as letters, and the list of merges.
 *
 * A merge is found by the token it makes and the length of its left half: the text of a pair is looked
 * up in the vocabulary, and the merges of one token form a short list. Nothing is hashed at load
 * except the vocabulary itself, because merges are nearly always listed in the order of their tokens.
 */
#ifndef HL_ENGINE_TOKENIZER_BPE_H
#define HL_ENGINE_TOKENIZER_BPE_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/vocab.h"

typedef struct hl_bpe {
    const hl_vocab *vocab;
    uint32_t       *first;  /* [n_vocab] rank + 1 of the token's first merge; 0: no merge makes it */
    uint32_t       *next;   /* [n_merges] rank + 1 of the same token's next merge */
    uint16_t       *n_left; /* [n_merges] bytes of the left half */
    uint32_t        n_merges;
    uint32_t        n_orphans;       /* merges whose result is no token: can never apply */
    uint32_t        n_unreadable;    /* merges that are not two texts with a space between them: left out */
    uint32_t        longest;         /* bytes of the longest token that a merge makes */
    char            letters[256][2]; /* byte -> its letter, UTF-8 */
    uint8_t         n_letter[256];   /* 1 or 2 */
    int16_t         bytes[0x180];    /* letter's code point -> byte; -1 */
    bool            is_missing[256]; /* the byte's letter is no token */
    bool            any_missing;
} hl_bpe;

/* Read tokenizer.ggml.merges.
 * fails  HL_E_FORMAT, HL_E_NOMEM, HL_E_CANCEL; `b` needs hl_bpe_done() in any case */
HL_MUST_CHECK hl_status hl_bpe_load(hl_bpe *b, const hl_vocab *v, const hl_gguf *g, hl_err *err);
void                    hl_bpe_done(hl_bpe *b);

hl_merge_rules hl_bpe_rules(const hl_bpe *b);

/* Spell n bytes in letters; writes up to 2 n bytes and returns how many.
 * in     only_tokens  leave out bytes whose letter is no token, as tokenizer.json has it: they cannot be
 *                     said, and what stands at their two sides may merge */
size_t hl_bpe_spell(const hl_bpe *b, const char *text, size_t n, bool only_tokens, char *ret);
/* The bytes that a token's text stands for: back from letters, or unchanged when it is not all letters.
 * Writes at most `cap`, returns how many there are. */
size_t hl_bpe_unspell(const hl_bpe *b, hl_view text, char *ret, size_t cap);

#endif
