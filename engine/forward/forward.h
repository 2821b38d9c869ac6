/* SPDX-License-Identifier: MIT
 *
 * forward.h - one pass of a decoder over a batch of rows, on the engine's device (device.h).
 *
 * A row is one token, or a vector in its place, at one position of one sequence. A batch may mix rows of many
 * sequences (decoding ones and chunks of prompts); rows of one sequence stand together, in order of position.
 * Rows of its forks (kv_pages.h) may be in the same batch. The result of a row does not depend on the other
 * rows of the batch.
 *
 * Recurrent layers go on from the sequence's state (none at position 0), which a pass only reads: what it
 * makes of it behind some row is written to another one, and whoever composed the batch decides afterwards
 * which of them the sequence has. So a pass that fails, or drafts that are refused, change nothing.
 */
#ifndef HL_ENGINE_FORWARD_FORWARD_H
#define HL_ENGINE_FORWARD_FORWARD_H

#include <stdatomic.h>

#include "engine/kv/kv_pages.h"
#include "engine/model_priv.h"

typedef struct hl_batch {
    uint32_t            n_rows;
    const int32_t      *tokens; /* [n_rows] checked ids; HL_ROW_IS_EMBEDDING where embds has a vector */
    const float *const *embds;  /* [n_rows] [n_embd] finite, or NULL: a token; NULL: all are tokens */
    const int32_t      *pos;    /* [n_rows] places in the sequence */
    const int32_t (
        *rope_pos)[3];        /* [n_rows] time, height, width by which they turn; NULL: pos. Checked: equal */
    hl_seq *const  *seqs;     /* [n_rows] with blocks reserved for pos */
    uint32_t        n_out;    /* rows of which something is wanted: logits */
    const uint32_t *out_rows; /* [n_out] ascending */
    /* [n_rows] where the state behind a row goes: a number of the pool's states, none of which is a
     * sequence's; HL_NO_STATE: nowhere. NULL: the model has no recurrent layers */
    const uint32_t *state_out;
    uint32_t n_states; /* of these, the last so many: not logits but what the last norm makes of them */
    float   *states;   /* [n_states][n_embd] */
    /* [n_rows][hl_hidden_cols] what drafts for the model reads of its rows, those whose logits nobody wants
     * too (drafts.h); of what drafts itself [n_rows][n_own], what its next row reads. NULL: none */
    float                     *hidden;
    const struct hl_hidden_of *hidden_of; /* of its rows; NULL: what the last norm makes */
    /* [n_rows] of what drafts: the hidden values of the position before a row; each NULL: unknown, or there
     * is none: zeros */
    const float *const   *before;
    bool                  before_is_own; /* it made them itself; else the model did */
    const hl_input_watch *inputs;        /* NULL: nobody looks */
} hl_batch;

typedef struct hl_forward hl_forward;

/* A cache for this model on its engine's device, of n_blocks blocks of 64 positions and, where the model has
 * recurrent layers, n_states states.
 * in     drafting  what drafts for the model, with layers of the same blocks; NULL: nothing
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_forward_kv_new(const hl_model *m, const hl_model *drafting, hl_kv_cache_type type,
                                          uint32_t n_blocks, uint32_t n_states, hl_kv_pool **ret_pool,
                                          hl_err *err);
size_t hl_forward_block_bytes(const hl_model *m, const hl_model *drafting, hl_kv_cache_type type);
size_t hl_forward_state_bytes(const hl_model *m); /* 0: it has no recurrent layers */

/* Whether sequences of up to n_ctx positions turn by the file's table for long contexts (LongRoPE): there are
 * two, and which it is is decided once. */
bool hl_rope_is_long(const hl_model *m, int32_t n_ctx);

/* Bytes that hl_forward_new() will take at most; most of it is committed on first use. */
size_t hl_forward_plan(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx);

/* Buffers for batches of up to n_rows_cap rows, of sequences of up to n_ctx positions. */
HL_MUST_CHECK hl_status hl_forward_new(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx,
                                       hl_forward **ret_forward, hl_err *err);
void                    hl_forward_free(hl_forward *f); /* NULL is allowed */

/* Run the batch: keys and values go to the sequences' blocks, logits of the wanted rows to ret_logits. A row
 * may fail alone: ask hl_forward_check_row() for each one that is to be used.
 *
 * in     stop  looked at between work chunks; NULL: never
 * out    ret_logits  [n_out - n_states][n_vocab] f32
 * fails  HL_E_CANCEL  `stop`, or the flag that the calling thread watches, was set; what the blocks hold for
 *                     these rows is undefined
 *        HL_E_IO      the model file was cut short while mapped
 *        HL_E_INTERNAL  something did not fit its buffer; nothing was written past it
 * cost   no allocation
 * thread takes the engine's pool for the time of the pass */
HL_MUST_CHECK hl_status hl_forward_eval(hl_forward *f, const hl_batch *b, const atomic_bool *stop,
                                        float *ret_logits, hl_err *err);

/* Whether the model computed numbers for a row of the last batch. If not, its logits and those of later rows
 * of its sequence are worthless, and so is what the blocks hold from its position on; rows of other sequences
 * are as ever.
 * fails  HL_E_FORMAT  where NaN or infinity came up first: block, layer, position */
HL_MUST_CHECK hl_status hl_forward_check_row(const hl_forward *f, const hl_batch *b, uint32_t row,
                                             hl_err *err);
bool hl_forward_row_failed(const hl_forward *f, uint32_t row); /* the same, without words */

#endif
