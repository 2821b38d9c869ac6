/* SPDX-License-Identifier: MIT
 *
 * altup.c - the layers of Gemma 3n: four residual streams, of which one goes through the blocks and corrects
 * the prediction of the others; beside attention a low-rank block; and gates of which the strongest stay.
 *
 * The first stream is x while blocks compute.
 * from: "Alternating updates", arXiv 2301.13310; the published code of Gemma 3n, July 2025
 */
#include <math.h>
#include <string.h>

#include "engine/forward/forward_priv.h"

enum { STREAMS = HL_N_STREAMS, SPARSE_LAYERS = 10 };
/* Of a normal distribution a twentieth is above its mean plus so many standard deviations. */
static const float SPARSE_DEVIATIONS = 1.6448533535f;

typedef struct hl_altup_buf {
    float *streams; /* [STREAMS][rows][n_embd] */
    float *first;   /* [rows][n_embd] the first one's prediction */
    float *low;     /* [rows][HL_LAUREL_RANK] */
    float *laurel;  /* [rows][n_embd] */
    float *modal;   /* [rows][STREAMS] */
    float *gate;    /* [2][rows][n_ff] gate and up, of layers whose gates are thinned out */
} hl_altup_buf;

void hl_altup_lay_out(hl_pass *f, hl_bump *b) {
    const hl_hparams *hp = &f->m->hp;
    const size_t      rows = f->n_rows_cap, all = rows * hp->n_embd;
    hl_altup_buf      s = {0};
    f->altup = NULL;
    if (!f->m->arch->has_altup) return;
    f->altup = hl_bump_take(b, 1, sizeof s);
    s.streams = hl_bump_take(b, STREAMS * all, sizeof *s.streams);
    s.first = hl_bump_take(b, all, sizeof *s.first);
    s.low = hl_bump_take(b, rows * HL_LAUREL_RANK, sizeof *s.low);
    s.laurel = hl_bump_take(b, all, sizeof *s.laurel);
    s.modal = hl_bump_take(b, rows * STREAMS, sizeof *s.modal);
    s.gate = hl_bump_take(b, 2 * rows * hp->most.n_ff, sizeof *s.gate);
    if (f->altup) *f->altup = s;
}

static float *stream_of(const hl_pass *f, uint32_t i, uint32_t row) {
    return f->altup->streams + ((size_t)i * f->n_rows_cap + row) * f->m->hp.n_embd;
}

void hl_altup_move_row(hl_pass *f, uint32_t to, uint32_t from) {
    const size_t n = f->m->hp.n_embd;
    for (uint32_t i = 0; i < STREAMS; i++)
        memcpy(stream_of(f, i, to), stream_of(f, i, from), n * sizeof(float));
    memcpy(f->altup->first + to * n, f->altup->first + from * n, n * sizeof(float));
    memcpy(f->altup->laurel + to * n, f->altup->laurel + from * n, n * sizeof(float));
}

static double length_of(size_t n, const float *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* y as long as x is. */
static void fit_length(const hl_pass *f, size_t n, const float *x, float *y) {
    const double is = length_of(n, y);
    f->k->scale(n, y, (float)(length_of(n, x) / (is > 1e-6 ? is : 1e-6)), y);
}

static void run_linear(hl_pass *f, const hl_matrix *w, size_t n_cols, float *y) {
    const hl_linear one = {.w = w,
                           .x = hl_act_of(&f->act, 0, f->n_rows, n_cols),
                           .y = y,
                           .y_cols = w->n_rows,
                           .y_stride = w->n_rows};
    hl_linear_run(f, &one, 1);
}

/* Values of a row to act, as they are. */
typedef struct plain_ctx {
    const float *x; /* [rows][n] */
    size_t       n;
    uint32_t     needs;
} plain_ctx;

static void write_plain(hl_pass *f, const void *ctx, uint32_t row) {
    const plain_ctx *c = ctx;
    hl_act_write(f, &f->act, c->needs, row, c->n, c->x + row * c->n);
}

static void run_plain(hl_pass *f, const hl_matrix *w, const float *x, size_t n, float *y) {
    const plain_ctx c = {.x = x, .n = n, .needs = hl_matrix_needs(w)};
    hl_rows_run(f, f->n_rows, write_plain, &c);
    run_linear(f, w, n, y);
}

static hl_matrix matrix_at(const hl_layer *l, hl_weight weight, uint32_t i) {
    hl_matrix w = l->w[weight];
    w.data = (const uint8_t *)w.data + i * l->expert_stride[weight];
    return w;
}

static void fit_stream(hl_pass *f, const void *ctx, uint32_t row) {
    const uint32_t i = *(const uint32_t *)ctx;
    fit_length(f, f->m->hp.n_embd, f->x + row * (size_t)f->m->hp.n_embd, stream_of(f, i, row));
}

/* x, the embedding, becomes four streams of the same length. */
void hl_altup_begin(hl_pass *f) {
    const size_t n = f->m->hp.n_embd;
    memcpy(f->altup->streams, f->x, f->n_rows * n * sizeof *f->x);
    for (uint32_t i = 1; i < STREAMS && !hl_pass_stopped(f); i++) {
        const hl_matrix w = matrix_at(&f->m->top, HL_W_ALTUP_PROJ, i - 1);
        run_plain(f, &w, f->x, n, stream_of(f, i, 0));
        hl_rows_run(f, f->n_rows, fit_stream, &i);
    }
}

static void add_stream(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    float       *t = f->tmp + row * n;
    (void)ctx;
    fit_length(f, n, stream_of(f, 0, row), t);
    f->k->add(n, f->x + row * n, t, f->x + row * n);
}

static void take_quarter(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    f->k->scale(n, f->x + row * n, 1.0f / STREAMS, f->x + row * n);
}

/* The streams become x: their mean, once all are as long as the first. */
void hl_altup_end(hl_pass *f) {
    const size_t n = f->m->hp.n_embd;
    memcpy(f->x, f->altup->streams, f->n_rows * n * sizeof *f->x);
    for (uint32_t i = 1; i < STREAMS && !hl_pass_stopped(f); i++) {
        const hl_matrix w = matrix_at(&f->m->top, HL_W_ALTUP_UNPROJ, i - 1);
        run_plain(f, &w, stream_of(f, i, 0), n, f->tmp);
        hl_rows_run(f, f->n_rows, add_stream, NULL);
    }
    hl_rows_run(f, f->n_rows, take_quarter, NULL);
}

/* ---- a layer ---------------------------------------------------------------------------------- */

/* What a stream says of how the streams mix: tanh(router (norm(v) / n)). */
typedef struct modal_ctx {
    const hl_layer *l;
    const float    *v; /* [rows][n_embd] */
} modal_ctx;

static void into_modal(hl_pass *f, const void *ctx, uint32_t row) {
    const modal_ctx *c = ctx;
    const size_t     n = f->m->hp.n_embd;
    float           *t = f->attn + row * n;
    hl_norm_values(f, n, c->v + row * n, c->l->v[HL_W_ALTUP_ROUTER_NORM], NULL, t);
    f->k->scale(n, t, 1.0f / (float)n, t);
    hl_act_write(f, &f->act, hl_matrix_needs(&c->l->w[HL_W_ALTUP_ROUTER]), row, n, t);
}

static void run_modal(hl_pass *f, const hl_layer *l, const float *v) {
    const modal_ctx c = {.l = l, .v = v};
    hl_rows_run(f, f->n_rows, into_modal, &c);
    run_linear(f, &l->w[HL_W_ALTUP_ROUTER], f->m->hp.n_embd, f->altup->modal);
}

/* n numbers of a table [n][STREAMS] times what a row's modal values say. */
static void mix_of(const hl_pass *f, uint32_t row, const float *table, size_t n, float *ret) {
    float m[STREAMS];
    for (size_t k = 0; k < STREAMS; k++) m[k] = tanhf(f->altup->modal[row * STREAMS + k]);
    for (size_t i = 0; i < n; i++) {
        ret[i] = 0;
        for (size_t k = 0; k < STREAMS; k++) ret[i] = fmaf(table[i * STREAMS + k], m[k], ret[i]);
    }
}

/* stream_j += sum over k of c[4 j + k] stream_k; the first is x, whose norm attention and the low-rank block
 * read. */
static void predict_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float           c[STREAMS * STREAMS], was[STREAMS], *s[STREAMS];
    mix_of(f, row, l->v[HL_W_ALTUP_PREDICT], STREAMS * STREAMS, c);
    for (uint32_t j = 0; j < STREAMS; j++) s[j] = stream_of(f, j, row);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < STREAMS; j++) was[j] = s[j][i];
        for (size_t j = 0; j < STREAMS; j++)
            for (size_t k = 0; k < STREAMS; k++) s[j][i] = c[STREAMS * j + k] * was[k] + s[j][i];
    }
    memcpy(f->altup->first + row * n, s[0], n * sizeof *s[0]);
    float *t = f->tmp + row * n;
    hl_norm_values(f, n, s[0], l->v[HL_W_ATTN_NORM], NULL, t);
    hl_row_look(f, row, HL_PLACE_NORM, (uint32_t)(l - f->m->layers), n, t);
    memcpy(f->altup->laurel + row * n, t, n * sizeof *t);
    hl_act_write(f, &f->act, l->need_attn_in, row, n, t);
}

static void finish_laurel(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *t = f->tmp + row * n, *y = f->altup->laurel + row * n;
    hl_norm_values(f, n, t, l->v[HL_W_LAUREL_NORM], NULL, t);
    f->k->add(n, y, t, t);
    hl_act_write(f, &f->act, l->need_attn_in, row, n, y); /* attention's input once more */
    memcpy(y, t, n * sizeof *t);
}

/* a + norm(up down a), a attention's input. */
static void run_laurel(hl_pass *f, const hl_layer *l) {
    run_linear(f, &l->w[HL_W_LAUREL_DOWN], f->m->hp.n_embd, f->altup->low);
    run_plain(f, &l->w[HL_W_LAUREL_UP], f->altup->low, HL_LAUREL_RANK, f->tmp);
    hl_rows_run(f, f->n_rows, finish_laurel, l);
}

/* (prediction + attention + low-rank block) / sqrt(2), and its norm to act. */
static void join_attention(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *x = f->x + row * n, *t = f->tmp + row * n;
    hl_norm_values(f, n, t, l->v[HL_W_ATTN_POST_NORM], NULL, t);
    f->k->add(n, f->altup->first + row * n, t, x);
    f->k->add(n, x, f->altup->laurel + row * n, x);
    f->k->scale(n, x, sqrtf(0.5f), x);
    hl_norm_values(f, n, x, l->v[HL_W_FFN_NORM], NULL, t);
    hl_row_look(f, row, HL_PLACE_ATTENTION, (uint32_t)(l - f->m->layers), n, t);
    hl_act_write(f, &f->act, l->need_ffn_in, row, n, t);
}

/* Gates up to the mean and some standard deviations are 0. */
static void thin_out(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = l->p->n_ff;
    float          *g = f->altup->gate + row * n, *u = g + (size_t)f->n_rows_cap * n;
    double          sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)g[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += ((double)g[i] - mean) * ((double)g[i] - mean);
    const double deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    const float  least = (float)(mean + (double)SPARSE_DEVIATIONS * deviation);
    for (size_t i = 0; i < n; i++) g[i] = g[i] - least < 0 ? 0 : g[i] - least;
    hl_activate(f, &l->p->bend, n, g, u);
    hl_act_write(f, &f->act_ff, hl_matrix_needs(&l->w[HL_W_DOWN]), row, n, g);
}

static void run_sparse_ffn(hl_pass *f, const hl_layer *l) {
    const size_t    n = f->m->hp.n_embd, n_ff = l->p->n_ff;
    const hl_act    x = hl_act_of(&f->act, 0, f->n_rows, n);
    const hl_linear both[] = {
        {.w = &l->w[HL_W_GATE],
         .bias = l->v[HL_W_GATE_BIAS],
         .x = x,
         .y = f->altup->gate,
         .y_cols = n_ff,
         .y_stride = n_ff},
        {.w = &l->w[HL_W_UP],
         .bias = l->v[HL_W_UP_BIAS],
         .x = x,
         .y = f->altup->gate + f->n_rows_cap * n_ff,
         .y_cols = n_ff,
         .y_stride = n_ff},
    };
    hl_linear_run(f, both, 2);
    hl_rows_run(f, f->n_rows, thin_out, l);
    const hl_linear down = {.w = &l->w[HL_W_DOWN],
                            .bias = l->v[HL_W_DOWN_BIAS],
                            .x = hl_act_of(&f->act_ff, 0, f->n_rows, n_ff),
                            .y = f->tmp,
                            .y_cols = n,
                            .y_stride = n};
    hl_linear_run(f, &down, 1);
}

/* x is what the blocks have made of the first stream. */
static void join_ffn(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *x = f->x + row * n, *t = f->tmp + row * n;
    hl_norm_values(f, n, t, l->v[HL_W_FFN_POST_NORM], NULL, t);
    f->k->add(n, x, t, x);
    hl_row_look(f, row, HL_PLACE_FFN, (uint32_t)(l - f->m->layers), n, x);
}

/* Every stream moves by its share of what the first one's prediction was off by; the first, scaled, goes to
 * act. */
static void correct_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float           c[STREAMS], *t = f->tmp + row * n;
    const float    *x = f->x + row * n, *first = f->altup->first + row * n;
    mix_of(f, row, l->v[HL_W_ALTUP_CORRECT], STREAMS, c);
    for (size_t i = 0; i < n; i++) t[i] = x[i] - first[i];
    for (uint32_t j = 0; j < STREAMS; j++)
        f->k->add_scaled(n, stream_of(f, j, row), t, c[j] + 1, stream_of(f, j, row));
    const float *s = stream_of(f, 0, row);
    for (size_t i = 0; i < n; i++) t[i] = s[i] * l->v[HL_W_ALTUP_CORRECT_SCALE][i];
    hl_act_write(f, &f->act, hl_matrix_needs(&l->w[HL_W_SIDE_GATE]), row, n, t);
}

static void add_side(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer *l = ctx;
    const size_t    n = f->m->hp.n_embd;
    float          *t = f->tmp + row * n;
    hl_norm_values(f, n, t, l->v[HL_W_SIDE_POST_NORM], NULL, t);
    for (uint32_t j = 1; j < STREAMS; j++) f->k->add(n, stream_of(f, j, row), t, stream_of(f, j, row));
}

void hl_altup_layer_run(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    run_modal(f, l, f->altup->streams);
    hl_rows_run(f, f->n_rows, predict_row, l);
    run_laurel(f, l);
    hl_attention_block_run(f, b, i_layer);
    if (f->n_rows == 0 || hl_pass_stopped(f)) return;
    hl_rows_run(f, f->n_rows, join_attention, l);
    if (i_layer < SPARSE_LAYERS)
        run_sparse_ffn(f, l);
    else
        hl_ffn_run(f, l, HL_FFN_DENSE);
    hl_rows_run(f, f->n_rows, join_ffn, l);
    run_modal(f, l, f->x);
    hl_rows_run(f, f->n_rows, correct_row, l);
    hl_side_block_run(f, i_layer);
    hl_rows_run(f, f->n_rows, add_side, l);
}
