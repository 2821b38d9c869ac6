/* SPDX-License-Identifier: MIT
 *
 * draft_dflash.c - DFlash: a block of tokens from one pass.
 *
 * What the residual stream of some layers of the model makes of a position through one matrix and a norm
 * stands for that position: every layer's keys and values are made of it, and nothing else. Drafts are a pass
 * of the newest token and of masks in the places behind it, which see that and one another; what these rows
 * leave in the cache is written over when the model has computed their positions.
 * from: the published code of DFlash, 2026
 */
#include <string.h>

#include "engine/forward/drafts.h"
#include "engine/forward/forward_priv.h"

static size_t in_cols(const hl_model *d) { return hl_hidden_cols(&d->hp); }

static void features_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const size_t    n = hl_hidden_cols(&f->m->hp);
    float          *in = f->draft_in + row * n;
    if (b->before[row])
        memcpy(in, b->before[row], n * sizeof *in);
    else
        memset(in, 0, n * sizeof *in);
    hl_act_write(f, &f->act, hl_matrix_needs(&f->m->top.w[HL_W_FC]), row, n, in);
}

static void token_row(hl_pass *f, const void *ctx, uint32_t row) {
    hl_embed_row(f, ctx, row, f->x + row * (size_t)f->m->hp.n_embd);
}

static void begin(hl_pass *f, const hl_batch *b) {
    if (!b->before) {
        hl_rows_run(f, f->n_rows, token_row, b);
        return;
    }
    hl_rows_run(f, f->n_rows, features_row, b);
    hl_draft_project(f, &f->m->top.w[HL_W_FC], f->m->hp.n_embd, f->x);
}

static void given_row(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t    n = f->m->hp.n_embd;
    const uint32_t *needs = ctx;
    float          *x = f->x + row * n;
    hl_norm_values(f, n, x, f->m->top.v[HL_W_GIVEN_NORM], NULL, x);
    hl_act_write(f, &f->act, *needs, row, n, x);
}

static void read(hl_pass *f) {
    uint32_t needs = 0;
    for (uint32_t i = 0; i < f->m->hp.n_layers; i++) needs |= f->m->layers[i].need_attn_in;
    hl_rows_run(f, f->n_rows, given_row, &needs);
    f->has_queries = false;
    for (uint32_t i = 0; i < f->m->hp.n_layers && hl_pass_goes_on(f); i++) {
        hl_qkv_run(f, &f->m->layers[i]);
        hl_heads_run(f, i);
    }
    f->has_queries = true;
}

static hl_status fit(hl_model *d, const hl_model *target, hl_err *err) {
    static const char *const of_dspark[] = {"markov_w1.weight", "markov_w1", "markov_w2.weight", "markov_w2"};
    for (size_t i = 0; i < sizeof of_dspark / sizeof *of_dspark; i++)
        if (hl_gguf_find_tensor(d->gguf, of_dspark[i]))
            return hl_fail(err, HL_E_UNSUPPORTED,
                           "tensor '%s': it is of DSpark, whose corrections of one draft by the last are not "
                           "supported",
                           of_dspark[i]);
    if (d->hp.mask_token >= target->hp.n_vocab)
        return hl_fail(err, HL_E_ARG,
                       "key 'tokenizer.ggml.mask_token_id' is %u, and the model's vocabulary has %u tokens",
                       d->hp.mask_token, target->hp.n_vocab);
    return hl_draft_take_tables(d, target, err);
}

const hl_draft_kind hl_draft_dflash = {
    .reading = HL_DRAFT_READS_OWN,
    .at_once = true,
    .fit = fit,
    .in_cols = in_cols,
    .begin = begin,
    .read = read,
};
