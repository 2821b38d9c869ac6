/* SPDX-License-Identifier: MIT
 *
 * tokenizer.h - text to token ids and back.
 *
 * A tokenizer belongs to its model and is immutable: any number of threads may use it. Control tokens
 * written out in the text are only recognised with HL_TOKENIZE_SPECIAL: user text never becomes control.
 * User-defined tokens (runs of newlines, tags that are plain text to the model) always are.
 */
#ifndef HL_TOKENIZER_H
#define HL_TOKENIZER_H

#include "hyperlama/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_tokenizer hl_tokenizer;

/* A growing list of token ids. Zero-initialise; free with hl_tokens_done(). */
typedef struct hl_tokens {
    int32_t *ids;
    size_t   n;
    size_t   cap;
} hl_tokens;

HL_API void                    hl_tokens_done(hl_tokens *t);
HL_API HL_MUST_CHECK hl_status hl_tokens_add(hl_tokens *t, const int32_t *ids, size_t n, hl_err *err);

enum {
    HL_TOKENIZE_BOS =
        1, /* add BOS where the model asks for it (no second one when the text begins with it) */
    HL_TOKENIZE_SPECIAL = 2, /* control tokens spelled out in the text become their ids */
    HL_TOKENIZE_EOS = 4,     /* add EOS where the model asks for it: for whole texts, never for a prompt */
    HL_TOKENIZE_BOS_EOS = HL_TOKENIZE_BOS | HL_TOKENIZE_EOS,
};

/* Append the ids of `text` to `ret_ids`.
 *
 * in     text  any bytes; invalid UTF-8 is encoded as the model's byte fallback defines
 *        flags HL_TOKENIZE_*
 * fails  HL_E_NOMEM; HL_E_LIMIT for a text over 1 GiB; HL_E_CANCEL: see hl_stop_watch(). ret_ids keeps what
 *        it had
 * cost   linear in the text's length */
HL_API HL_MUST_CHECK hl_status hl_tokenizer_encode(const hl_tokenizer *t, hl_view text, unsigned flags,
                                                   hl_tokens *ret_ids, hl_err *err);

HL_API int32_t hl_tokenizer_n_vocab(const hl_tokenizer *t);
HL_API int32_t hl_tokenizer_bos(const hl_tokenizer *t); /* -1: none; likewise below */
HL_API int32_t hl_tokenizer_eos(const hl_tokenizer *t);
HL_API bool    hl_tokenizer_is_eog(const hl_tokenizer *t, int32_t id);     /* any end-of-generation token */
HL_API bool    hl_tokenizer_is_control(const hl_tokenizer *t, int32_t id); /* or unused: no part of a text */
HL_API bool    hl_tokenizer_adds_bos(const hl_tokenizer *t);
HL_API const char *hl_tokenizer_kind(const hl_tokenizer *t); /* "bpe/llama3", "spm": for show and logs */

/* What in the file's vocabulary is odd, and what was made of it ("key 'tokenizer.ggml.eos_token_id' is 99999,
 * ..."); NULL past the last. Opening a model logs them. */
HL_API const char *hl_tokenizer_warning(const hl_tokenizer *t, size_t i);

/* The token's spelling in the vocabulary file ("Ġthe", "<|im_end|>"); empty when out of range. */
HL_API hl_view hl_tokenizer_spelling(const hl_tokenizer *t, int32_t id);
/* The id of an exact spelling; -1 when there is none. */
HL_API int32_t hl_tokenizer_find(const hl_tokenizer *t, hl_view spelling);

/* The bytes that a token stands for, into buf[cap]; returns how many there are (may exceed cap).
 * Control tokens give their spelling with `with_special`, else nothing. */
HL_API size_t hl_tokenizer_piece(const hl_tokenizer *t, int32_t id, bool with_special, char *buf, size_t cap);

/* Streaming text: feed ids one by one, get whole UTF-8 characters only. */
typedef struct hl_detokenizer hl_detokenizer;

/* in     t             must outlive it
 *        with_special  control tokens give their spelling, else nothing
 * fails  HL_E_NOMEM
 * owns   hl_detokenizer_free()
 * thread one at a time */
HL_API HL_MUST_CHECK hl_status hl_detokenizer_new(const hl_tokenizer *t, bool with_special,
                                                  hl_detokenizer **ret_detokenizer, hl_err *err);
HL_API void                    hl_detokenizer_free(hl_detokenizer *d); /* NULL is allowed */
/* Write the text that became whole to buf; returns its length, at most hl_tokenizer_max_piece_bytes(). Bytes
 * that can never become valid come out as U+FFFD. */
HL_API size_t hl_detokenizer_feed(hl_detokenizer *d, int32_t id, char *buf, size_t cap);
/* U+FFFD for what is still held. */
HL_API size_t hl_detokenizer_finish(hl_detokenizer *d, char *buf, size_t cap);
/* Enough for every feed() and finish(). */
HL_API size_t hl_tokenizer_max_piece_bytes(const hl_tokenizer *t);

#ifdef __cplusplus
}
#endif
#endif
