/* SPDX-License-Identifier: MIT
 *
 * side.c - embeddings that each layer has of its own (Gemma 3n, Gemma 4): a second, narrow vector of a token
 * for every layer, mixed with a projection of the first; behind a layer's blocks it gates one more.
 * from: the published code of Gemma 3n, July 2025
 */
#include <math.h>

#include "engine/forward/forward_priv.h"
#include "engine/quant/quant.h"

void hl_side_lay_out(hl_pass *f, hl_bump *b) {
    const hl_hparams *hp = &f->m->hp;
    const size_t      rows = f->n_rows_cap;
    f->side = NULL;
    if (hp->n_side == 0) return;
    f->side = hl_bump_take(b, rows * hp->n_layers * hp->n_side, sizeof *f->side);
    f->side_room = hl_bump_take(b, rows * hp->n_side, sizeof *f->side_room);
}

static void into_projection(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    hl_act_write(f, &f->act, hl_matrix_needs(&f->m->top.w[HL_W_SIDE_PROJ]), row, n, f->x + row * n);
}

/* Of a vector that is no token's, as if it were the padding. */
static size_t token_of(const hl_batch *b, uint32_t row) {
    return b->embds && b->embds[row] ? 0 : (size_t)b->tokens[row];
}

/* (norm(projection) + table) / sqrt(2), layer by layer. The table's row is unpacked in whole blocks. */
static void mix(hl_pass *f, const void *ctx, uint32_t row) {
    enum { STEP = 256 };
    const hl_hparams *hp = &f->m->hp;
    const hl_matrix  *table = &f->m->top.w[HL_W_SIDE_EMBD];
    const size_t      n = hp->n_side, n_all = n * hp->n_layers;
    const uint8_t    *packed = (const uint8_t *)table->data + token_of(ctx, row) * table->row_bytes;
    float            *s = f->side + row * n_all, part[STEP];
    const float       width = 1.0f / sqrtf((float)hp->n_embd), scale = sqrtf((float)n), half = sqrtf(0.5f);
    f->k->scale(n_all, s, width, s);
    for (size_t i = 0; i < hp->n_layers; i++)
        hl_norm_values(f, n, s + i * n, f->m->top.v[HL_W_SIDE_NORM], NULL, s + i * n);
    for (size_t at = 0; at < n_all; at += STEP) {
        const size_t m = n_all - at < STEP ? n_all - at : STEP;
        hl_quant_to_f32(table->type)(packed + hl_type_row_bytes(table->type, at), m, part);
        for (size_t i = 0; i < m; i++) s[at + i] = (s[at + i] + part[i] * scale) * half;
    }
}

void hl_side_embed_run(hl_pass *f, const hl_batch *b) {
    const hl_hparams *hp = &f->m->hp;
    const size_t      n_all = (size_t)hp->n_side * hp->n_layers;
    hl_rows_run(f, f->n_rows, into_projection, NULL);
    const hl_linear projection = {
        .w = &f->m->top.w[HL_W_SIDE_PROJ],
        .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_embd),
        .y = f->side,
        .y_cols = n_all,
        .y_stride = n_all,
    };
    hl_linear_run(f, &projection, 1);
    if (!hl_pass_stopped(f)) hl_rows_run(f, f->n_rows, mix, b);
}

static void gate_row(hl_pass *f, const void *ctx, uint32_t row) {
    const uint32_t    i_layer = *(const uint32_t *)ctx;
    const hl_hparams *hp = &f->m->hp;
    const size_t      n = hp->n_side;
    const float      *own = f->side + ((size_t)f->origin[row] * hp->n_layers + i_layer) * n;
    float            *t = f->side_room + row * n;
    f->k->gelu_mul(n, t, own, t);
    hl_act_write(f, &f->act, hl_matrix_needs(&f->m->layers[i_layer].w[HL_W_SIDE_UP]), row, n, t);
}

/* act -> tmp: up(gelu(gate x) * the layer's own embedding). */
void hl_side_block_run(hl_pass *f, uint32_t i_layer) {
    const hl_hparams *hp = &f->m->hp;
    const hl_layer   *l = &f->m->layers[i_layer];
    const hl_linear   gate = {
          .w = &l->w[HL_W_SIDE_GATE],
          .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_embd),
          .y = f->side_room,
          .y_cols = hp->n_side,
          .y_stride = hp->n_side,
    };
    hl_linear_run(f, &gate, 1);
    hl_rows_run(f, f->n_rows, gate_row, &i_layer);
    const hl_linear up = {
        .w = &l->w[HL_W_SIDE_UP],
        .x = hl_act_of(&f->act, 0, f->n_rows, hp->n_side),
        .y = f->tmp,
        .y_cols = hp->n_embd,
        .y_stride = hp->n_embd,
    };
    hl_linear_run(f, &up, 1);
}

void hl_side_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    hl_join_run(f, &(hl_into){.place = HL_PLACE_NORM, .i_layer = i_layer, .needs = l->need_side_in});
    hl_side_block_run(f, i_layer);
    hl_leave(f, HL_PLACE_FFN, i_layer, l->v[HL_W_SIDE_POST_NORM]);
}
