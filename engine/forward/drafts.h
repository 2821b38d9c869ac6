/* SPDX-License-Identifier: MIT
 *
 * drafts.h - passes of what drafts for a model: a block of its own file, or a file that was made for it.
 *
 * To the pass it is a model like others, whose rows begin and end in another way: they read what the model
 * has made of a position (hl_batch.before), and its keys and values are layers of the model's cache, or are
 * the model's own. The model of such a pass has hl_model.drafting set; one of a file is made for its target
 * by engine/speculate/draft_file.h. One table per kind, in one file; their names: engine/arch/drafts.def.
 */
#ifndef HL_ENGINE_FORWARD_DRAFTS_H
#define HL_ENGINE_FORWARD_DRAFTS_H

#include "engine/forward/forward.h"

/* What it has to read of every pass of the model, so that its keys and values are there. */
typedef enum hl_draft_reading {
    HL_DRAFT_READS_NOTHING,
    HL_DRAFT_READS_BEFORE, /* each token, with what the model made of the position before it */
    HL_DRAFT_READS_OWN,    /* what the model made of each position */
} hl_draft_reading;

struct hl_pass;

typedef struct hl_draft_kind {
    hl_draft_reading reading;
    /* All drafts of a step are of one position, and leave nothing there: rows see what stands before it. */
    bool stays;
    bool skips_first; /* nobody sees the row of the first position, which has nothing before it */
    /* A block of positions is asked for in one pass, whose rows see one another: the newest token, then
     * hl_hparams.mask_token. Else each draft is a pass that goes on from the last. */
    bool at_once;

    /* Fit the model of a file to a target that has the right width and vocabulary: which layers of the cache
     * it reads, what it takes of the target's.
     *
     * fails  HL_E_ARG  the target is another one than it was made for */
    hl_status (*fit)(hl_model *d, const hl_model *target, hl_err *err);

    size_t (*in_cols)(const hl_model *d); /* of the widest row that begin() puts together */
    void (*begin)(struct hl_pass *f, const hl_batch *b);
    /* Instead of a norm of the stream: what attention reads of it. NULL: that */
    void (*join)(struct hl_pass *f, const hl_batch *b, uint32_t i_layer);
    /* Instead of all layers, for rows that are read along: keys and values of what begin() made. NULL: they
     * are rows like others */
    void (*read)(struct hl_pass *f);
    /* After the last norm: what it makes of rows for the next one, to b->hidden. NULL: what the norm makes */
    void (*keep)(struct hl_pass *f, const hl_batch *b);
} hl_draft_kind;

#define HL_DRAFT(name, table) extern const hl_draft_kind hl_draft_##table;
#include "engine/arch/drafts.def"
#undef HL_DRAFT

const hl_draft_kind *hl_draft_kind_of(hl_drafts how); /* NULL: NOT */

/* For fit(): the embedding and the head that the file does not have are the target's.
 * fails  HL_E_ARG  these are of another width */
HL_MUST_CHECK hl_status hl_draft_take_tables(hl_model *d, const hl_model *target, hl_err *err);

#endif
