/* SPDX-License-Identifier: MIT
 *
 * draft_next.c - what the block that drafts reads: a token, and what the model made of the position before.
 *
 * Some files have a block behind the last layer that was trained to say the token after the next one. To
 * the pass it is a model of one layer (hl_model.next); only its first step differs: the embedding of a token
 * and the hidden vector of the position before, each normed, go through one matrix. Its keys and values have
 * a layer of the model's cache, so they are shared, forked, evicted and saved with their positions. It also
 * comes as a file of its own beside that of the model.
 * from: DeepSeek-V3, arXiv 2412.19437, section 2.2
 */
#include <string.h>

#include "engine/forward/drafts.h"
#include "engine/forward/forward_priv.h"

static size_t in_cols(const hl_model *d) { return 2 * (size_t)d->hp.n_embd; }

static void into_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const hl_layer *l = &f->m->layers[0];
    const size_t    n = f->m->hp.n_embd;
    const float    *before = b->before ? b->before[row] : NULL;
    float          *in = f->draft_in + row * 2 * n;
    hl_embed_row(f, b, row, in);
    hl_norm_values(f, n, in, l->v[HL_W_NEXT_TOKEN_NORM], NULL, in);
    if (before)
        hl_norm_values(f, n, before, l->v[HL_W_NEXT_HIDDEN_NORM], NULL, in + n);
    else
        memset(in + n, 0, n * sizeof *in);
    hl_act_write(f, &f->act, hl_matrix_needs(&l->w[HL_W_NEXT_PROJ]), row, 2 * n, in);
}

static void begin(hl_pass *f, const hl_batch *b) {
    hl_rows_run(f, f->n_rows, into_row, b);
    hl_draft_project(f, &f->m->layers[0].w[HL_W_NEXT_PROJ], f->m->hp.n_embd, f->x);
}

/* The block of a file of its own: what it has not is the model's. */
static hl_status fit(hl_model *d, const hl_model *target, hl_err *err) {
    if (d->arch != target->arch) return hl_fail(err, HL_E_ARG, "the model's is '%s'", target->arch->name);
    if (!d->out.data) d->out_bias = target->out_bias;
    if (!d->out_norm) d->out_norm = target->out_norm;
    if (!d->rope_freqs) d->rope_freqs = target->rope_freqs;
    return hl_draft_take_tables(d, target, err);
}

const hl_draft_kind hl_draft_next = {
    .reading = HL_DRAFT_READS_BEFORE, .fit = fit, .in_cols = in_cols, .begin = begin};
