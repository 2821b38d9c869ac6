/* SPDX-License-Identifier: MIT
 *
 * encoder.c - the pass of a BERT: every row sees all rows of its text, and norms stand behind the blocks.
 *
 * A text is in one batch as a whole. Its keys and values are of no use behind their layer: all layers use the
 * same room of a block (forward.c), and nothing is kept.
 */
#include <string.h>

#include "engine/forward/forward_priv.h"
#include "engine/quant/quant.h"

/* Add a row of a table, unless the model has none. */
static void add_table_row(hl_pass *f, const hl_matrix *w, size_t i_row, float *room, float *x) {
    const size_t n = f->m->hp.n_embd;
    if (!w->data) return;
    hl_quant_to_f32(w->type)((const uint8_t *)w->data + i_row * w->row_bytes, n, room);
    f->k->add(n, x, room, x);
}

/* All tokens are of the first type: a single text, no pair. */
static void embed_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch  *b = ctx;
    const hl_model  *m = f->m;
    const hl_matrix *w = &m->tok_embd;
    const size_t     n = m->hp.n_embd;
    float           *x = f->x + row * n, *room = f->tmp + row * n;
    hl_quant_to_f32(w->type)((const uint8_t *)w->data + (size_t)b->tokens[row] * w->row_bytes, n, x);
    add_table_row(f, &m->tok_types, 0, room, x);
    add_table_row(f, &m->pos_embd, (size_t)b->pos[row], room, x);
}

/* The norm behind a block, or behind the embedding, of what it made and of what went in. */
typedef struct norm_ctx {
    hl_place     place; /* HL_PLACE_EMBEDDING: nothing is added */
    uint32_t     i_layer;
    const float *weight, *bias;
    uint32_t     needs;
} norm_ctx;

static void norm_row(hl_pass *f, const void *ctx, uint32_t row) {
    const norm_ctx *c = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *x = f->x + row * n;
    if (c->place != HL_PLACE_EMBEDDING) f->k->add(n, x, f->tmp + row * n, x);
    f->k->layernorm(n, x, c->weight, c->bias, f->m->hp.layer_eps, x);
    hl_row_look(f, row, c->place, c->i_layer, n, x);
    hl_act_write(f, &f->act, c->needs, row, n, x);
}

/* Some encoders add what went into attention a second time, behind the norm: it waits in the room of
 * attention. */
static void keep_row(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    memcpy(f->attn + row * n, f->x + row * n, n * sizeof *f->x);
}

static void take_row(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    memcpy(f->tmp + row * n, f->attn + row * n, n * sizeof *f->x);
}

static void run_norm(hl_pass *f, norm_ctx c) { hl_rows_run(f, f->n_rows, norm_row, &c); }

static void run_layer(hl_pass *f, uint32_t i_layer) {
    const hl_model *m = f->m;
    const hl_layer *l = &m->layers[i_layer];
    const bool      is_last = i_layer + 1 == m->hp.n_layers;
    hl_qkv_run(f, l);
    hl_heads_run(f, i_layer);
    hl_attention_run(f, i_layer);
    hl_attn_out_run(f, l);
    const bool twice = l->v[HL_W_ATTN_NORM_2] != NULL;
    if (twice) hl_rows_run(f, f->n_rows, keep_row, NULL);
    run_norm(f, (norm_ctx){HL_PLACE_ATTENTION, i_layer, l->v[HL_W_ATTN_OUT_NORM],
                           l->v[HL_W_ATTN_OUT_NORM_BIAS], l->need_ffn_in});
    if (twice) hl_rows_run(f, f->n_rows, take_row, NULL);
    if (twice)
        run_norm(f, (norm_ctx){HL_PLACE_ATTENTION, i_layer, l->v[HL_W_ATTN_NORM_2],
                               l->v[HL_W_ATTN_NORM_2_BIAS], l->need_ffn_in});
    hl_ffn_block_run(f, i_layer);
    run_norm(f, (norm_ctx){HL_PLACE_FFN, i_layer, l->v[HL_W_LAYER_OUT_NORM], l->v[HL_W_LAYER_OUT_NORM_BIAS],
                           is_last ? 0 : m->layers[i_layer + 1].need_attn_in});
}

void hl_encoder_run(hl_pass *f, const hl_batch *b) {
    const hl_model *m = f->m;
    const size_t    n = m->hp.n_embd;
    if (!hl_pass_fits(f, HL_ROOM_BATCH_ROWS, b->n_out, b->n_states)) return; /* it has no logits */
    hl_rows_run(f, f->n_rows, embed_row, b);
    run_norm(f, (norm_ctx){HL_PLACE_EMBEDDING, 0, m->tok_norm, m->tok_norm_bias, m->layers[0].need_attn_in});
    for (uint32_t i = 0; i < m->hp.n_layers && hl_pass_goes_on(f); i++) run_layer(f, i);
    for (uint32_t i = 0; i < b->n_states; i++)
        memcpy(b->states + i * n, f->x + b->out_rows[i] * n, n * sizeof *b->states);
}
