/* SPDX-License-Identifier: MIT
 *
 * vocab.h - the list of tokens: texts, kinds, and the way from a text to its id.
 *
 * Texts stay in the mapped file. What is built at load are three flat arrays: where each text starts,
 * its kind, and an open-addressing table of 32-bit slots (id + 1 in the low bits, a piece of the hash
 * above them), so that a vocabulary of 262144 tokens is ready in a few milliseconds.
 */
#ifndef HL_ENGINE_TOKENIZER_VOCAB_H
#define HL_ENGINE_TOKENIZER_VOCAB_H

#include "core/gguf/gguf.h"

/* Values are those of tokenizer.ggml.token_type. USER: added by the model's makers, found in the text before
 * anything else. BYTE: "<0x0A>". */
typedef enum hl_token_kind {
    HL_TOKEN_UNDEFINED,
    HL_TOKEN_NORMAL,
    HL_TOKEN_UNKNOWN,
    HL_TOKEN_CONTROL,
    HL_TOKEN_USER,
    HL_TOKEN_UNUSED,
    HL_TOKEN_BYTE,
} hl_token_kind;

enum { HL_TOKEN_MAX_BYTES = 65535, HL_VOCAB_MAX_TOKENS = 1 << 24 };

typedef struct hl_vocab {
    const char    *base;   /* first byte of the first text, in the map */
    uint32_t      *starts; /* [n + 1] offsets of the texts from `base` */
    uint8_t       *kinds;  /* [n] hl_token_kind */
    const uint8_t *scores; /* [n] f32, little endian, unaligned; NULL when the file has none */
    uint32_t      *slots;  /* [mask + 1] */
    uint32_t       mask;
    uint32_t       id_bits;      /* of a slot */
    uint64_t       hash_keys[2]; /* drawn at load */
    int32_t        n;
    uint32_t       n_duplicates; /* texts that more than one id has; the last id is found */
    uint32_t       longest;      /* bytes of the longest text */
} hl_vocab;

/* Read tokenizer.ggml.{tokens,token_type,scores}.
 * fails  HL_E_FORMAT, HL_E_NOMEM, HL_E_CANCEL; `v` needs hl_vocab_done() in any case */
HL_MUST_CHECK hl_status hl_vocab_load(hl_vocab *v, const hl_gguf *g, hl_err *err);
void                    hl_vocab_done(hl_vocab *v);

int32_t hl_vocab_find(const hl_vocab *v, const char *text, size_t n); /* -1: no such token */
hl_view hl_vocab_text(const hl_vocab *v, int32_t id);                 /* id must be in range */
float   hl_vocab_score(const hl_vocab *v, int32_t id);                /* 0 when the file has none */

/* Keyed: another one in each vocabulary that is loaded. */
uint64_t hl_vocab_hash(const hl_vocab *v, const char *p, size_t n);

#endif
