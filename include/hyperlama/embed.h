/* SPDX-License-Identifier: MIT
 *
 * embed.h - texts to vectors: what is asked, what comes of it, and how the vectors of a text's tokens become
 * one; shared by runners and schedulers.
 */
#ifndef HL_EMBED_H
#define HL_EMBED_H

#include "hyperlama/usage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hl_pooling {
    HL_POOLING_DEFAULT, /* what the model's file says (pooling_type); else that of the last token, and of
                         * encoders the mean */
    HL_POOLING_NONE,    /* none: a vector for each token */
    HL_POOLING_MEAN,
    HL_POOLING_FIRST, /* the vector of the first token ("cls") */
    HL_POOLING_LAST,
} hl_pooling;

/* A text, or the tokens that stand for one. */
typedef struct hl_embed_input {
    hl_view        text;
    const int32_t *tokens; /* [n_tokens] taken as they are, instead of text; NULL: text counts */
    size_t         n_tokens;
    hl_view        document; /* where requests rank: what is scored for `text`; tokens stand for both */
} hl_embed_input;

typedef struct hl_embed_request {
    const hl_embed_input *inputs; /* [n_inputs] */
    size_t                n_inputs;
    hl_pooling            pooling;
    /* of a vector: what comes later is cut off, before lengths are made 1; 0: all. Only vectors of models
     * that were trained for it (Matryoshka) stay meaningful */
    int32_t dimensions;
    bool    keeps_length; /* vectors stay as long as the model makes them; else each has the length 1 */
    /* a text that has more tokens than the context loses those at its end (but for one that the model wants
     * at the end of all texts); else it is an error */
    bool truncates;
    /* inputs are questions with a document each, and what comes of one is a single number: how well they
     * belong together, from 0 to 1, or (keeps_length) the model's own number. Of what is too long, the
     * document is cut. Models that are no rerankers refuse */
    bool    ranks;
    int32_t n_ctx; /* most tokens of a text; 0: the runner's */
} hl_embed_request;

/* What a request got. Zero-initialise; free with hl_embeddings_done(). */
typedef struct hl_embeddings {
    float   *values; /* [n_rows][n_dims] in the order of the inputs */
    size_t   n_rows; /* one for each input; without pooling one for each token */
    size_t   n_dims;
    int32_t *n_tokens; /* [n_inputs] that were read */
    size_t   n_inputs;
    size_t   n_truncated; /* inputs that were too long */
    /* of all inputs; and where the failure was E_FULL: of the one that did not fit */
    int64_t    sum_tokens;
    int32_t    n_ctx;              /* most tokens that an input may have */
    int64_t    queue_ns, total_ns; /* until work on it began; in all */
    hl_refusal refusal;            /* after a failure */
} hl_embeddings;

HL_API void hl_embeddings_done(hl_embeddings *e);

#ifdef __cplusplus
}
#endif
#endif
