/* SPDX-License-Identifier: MIT
 *
 * linear.c - parallel regions of a pass: matmuls in chunks, and work row by row.
 */
#include <string.h>

#include "engine/forward/cuts.h"
#include "engine/forward/low_rank.h"

typedef struct linear_chunks {
    hl_pass         *f;
    const hl_linear *linears;
    uint32_t         n_linears;
    uint32_t         first[HL_MAX_LINEARS + 1]; /* unit where each matmul begins */
    uint32_t         unit_rows;                 /* rows of a unit: what a kernel does at once */
    hl_low           lows[HL_MAX_LINEARS];      /* what adapters add */
    hl_cuts          cuts;                      /* in units of all matmuls together */
} linear_chunks;

void hl_multiply(hl_pass *f, const hl_matrix *w, size_t row_begin, size_t row_end, const hl_act *x,
                 uint32_t i_thread, float *y, size_t y_stride) {
    const hl_matmul_scratch *s = &f->threads[i_thread].matmul;
    if (hl_matmul_chunk(f->k, w, row_begin, row_end, x, s, y, y_stride)) return;
    const size_t need = hl_matmul_scratch_bytes(w->n_cols, x->n_planes == 2 ? x->n_tokens : 0);
    hl_pass_note_breach(f, HL_ROOM_MATMUL_SCRATCH, need, s->n_bytes);
}

static void add_bias(const hl_linear *p, size_t begin, size_t end) {
    for (size_t t = 0; t < p->x.n_tokens; t++)
        for (size_t r = begin; r < end; r++) p->y[t * p->y_stride + r] += p->bias[r];
}

static void look_for_odd(const hl_pass *f, const hl_linear *p, size_t begin, size_t end) {
    if (atomic_load_explicit(p->ret_odd, memory_order_relaxed)) return;
    for (size_t t = 0; t < p->x.n_tokens; t++)
        if (!f->k->all_finite(end - begin, p->y + t * p->y_stride + begin))
            atomic_store_explicit(p->ret_odd, true, memory_order_relaxed);
}

static size_t row_of(const linear_chunks *c, uint32_t i_linear, uint32_t unit) {
    const size_t row = (size_t)(unit - c->first[i_linear]) * c->unit_rows;
    const size_t n = c->linears[i_linear].w->n_rows;
    return row < n ? row : n;
}

/* A chunk may end one matmul and begin the next. */
static void run_linear_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const linear_chunks *c = ctx;
    if (hl_pass_stopped(c->f)) return;
    uint32_t       at = c->cuts.at[i_chunk];
    const uint32_t end = c->cuts.at[i_chunk + 1];
    for (uint32_t i = 0; i < c->n_linears && at < end; i++) {
        if (at >= c->first[i + 1]) continue;
        const uint32_t   stop = end < c->first[i + 1] ? end : c->first[i + 1];
        const hl_linear *p = &c->linears[i];
        const size_t     from = row_of(c, i, at);
        const size_t     to = row_of(c, i, stop);
        hl_multiply(c->f, p->w, from, to, &p->x, i_thread, p->y, p->y_stride);
        if (c->lows[i].parts)
            hl_low_add(c->f, &c->lows[i], from, to, p->x.n_tokens, p->y + from, p->y_stride);
        if (p->bias) add_bias(p, from, to);
        if (p->ret_odd) look_for_odd(c->f, p, from, to);
        at = stop;
    }
}

/* Neither the weights nor the results reach past what was laid out for them. */
static bool fits(hl_pass *f, const hl_linear *p) {
    return hl_pass_fits(f, HL_ROOM_LINEAR_ROWS, p->x.n_tokens, f->n_rows_cap) &&
           hl_pass_fits(f, HL_ROOM_LINEAR_RESULTS, p->w->n_rows, p->y_cols) &&
           hl_pass_fits(f, HL_ROOM_LINEAR_COLUMNS, p->w->n_cols, p->x.n_cols);
}

static void run_low(hl_pass *f, const hl_linear *linears, uint32_t n, hl_low *ret) {
    hl_low_ask asks[HL_MAX_LINEARS];
    for (uint32_t i = 0; i < n; i++) asks[i] = (hl_low_ask){.w = linears[i].w, .x = &linears[i].x};
    hl_low_run(f, asks, n, ret);
}

void hl_linear_run(hl_pass *f, const hl_linear *linears, uint32_t n_linears) {
    if (!hl_pass_fits(f, HL_ROOM_REGION_LINEARS, n_linears, HL_MAX_LINEARS)) return;
    for (uint32_t i = 0; i < n_linears; i++)
        if (!fits(f, &linears[i])) return;
    for (uint32_t i = 0; i < n_linears; i++) hl_show_inputs(f, linears[i].w, 0, &linears[i].x);
    linear_chunks c = {.f = f, .linears = linears, .n_linears = n_linears, .unit_rows = HL_PANEL_ROWS};
    for (uint32_t i = 0; i < n_linears; i++)
        c.first[i + 1] = c.first[i] + (uint32_t)((linears[i].w->n_rows + c.unit_rows - 1) / c.unit_rows);
    if (f->low_rank) run_low(f, linears, n_linears, c.lows);
    const hl_linear *p = &linears[0]; /* all read the same activations */
    hl_cuts_make(c.first[n_linears], (uint32_t)hl_pool_n_active(f->pool),
                 hl_cuts_min_units(p->x.n_tokens, p->w->row_bytes * c.unit_rows, HL_CUT_LEAST_BYTES),
                 (uint64_t)c.unit_rows * p->w->n_cols * p->x.n_tokens * p->x.n_planes, &c.cuts);
    hl_pool_run(f->pool, c.cuts.n, run_linear_chunk, &c);
}

/* Few rows are done in place: handing them out costs more than the work. */
enum { INLINE_ROWS = 4, ROWS_PER_CHUNK = 8 };

typedef struct row_chunks {
    hl_pass    *f;
    hl_row_fn  *fn;
    const void *ctx;
    uint32_t    n_rows;
} row_chunks;

static void run_row_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const row_chunks *c = ctx;
    (void)i_thread;
    const uint32_t begin = i_chunk * ROWS_PER_CHUNK;
    const uint32_t end = begin + ROWS_PER_CHUNK < c->n_rows ? begin + ROWS_PER_CHUNK : c->n_rows;
    for (uint32_t r = begin; r < end; r++) c->fn(c->f, c->ctx, r);
}

void hl_rows_run(hl_pass *f, uint32_t n_rows, hl_row_fn *fn, const void *ctx) {
    if (n_rows <= INLINE_ROWS) {
        for (uint32_t r = 0; r < n_rows; r++) fn(f, ctx, r);
        return;
    }
    row_chunks c = {.f = f, .fn = fn, .ctx = ctx, .n_rows = n_rows};
    hl_pool_run(f->pool, (n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK, run_row_chunk, &c);
}

/* 8 bits of x, and 8 bits of what they left over: about 15 in all. */
static void write_planes(const hl_pass *f, const hl_act_buf *a, uint32_t row, size_t n_cols, size_t begin,
                         size_t n, const float *x) {
    enum { STEP = 256 };
    float  rest[STEP];
    size_t at = 2 * (size_t)row * n_cols + begin;
    for (size_t c = 0; c < n; c += STEP, at += STEP) {
        const size_t m = n - c < STEP ? n - c : STEP;
        f->k->quantize_act(m, x + c, a->q + at, a->d + at / 32, a->sum16 + at / 16);
        for (size_t i = 0; i < m; i++) rest[i] = x[c + i] - a->d[(at + i) / 32] * (float)a->q[at + i];
        const size_t second = at + n_cols;
        f->k->quantize_act(m, rest, a->q + second, a->d + second / 32, a->sum16 + second / 16);
    }
}

void hl_act_write_part(hl_pass *f, const hl_act_buf *a, uint32_t needs, uint32_t row, size_t n_cols,
                       size_t begin, size_t end, const float *x) {
    const size_t at = (size_t)row * n_cols + begin;
    const size_t n = end - begin;
    if (!hl_pass_fits(f, HL_ROOM_ACT_VALUES, at + n, a->n_values)) return;
    if ((needs & HL_NEED_F32) && a->f32 && a->f32 + at != x) memcpy(a->f32 + at, x, n * sizeof *x);
    if (needs & HL_NEED_BF16) f->k->f32_to_bf16(n, x, a->bf16 + at);
    if ((needs & HL_NEED_Q8) && a->n_planes == 2)
        write_planes(f, a, row, n_cols, begin, n, x);
    else if (needs & HL_NEED_Q8)
        f->k->quantize_act(n, x, a->q + at, a->d + at / 32, a->sum16 + at / 16);
}

void hl_act_write(hl_pass *f, const hl_act_buf *a, uint32_t needs, uint32_t row, size_t n_cols,
                  const float *x) {
    hl_act_write_part(f, a, needs, row, n_cols, 0, n_cols, x);
}

hl_act hl_act_of(const hl_act_buf *a, uint32_t begin, uint32_t n, size_t n_cols) {
    const size_t at = (size_t)begin * n_cols;
    const size_t at_q = at * a->n_planes;
    return (hl_act){
        .n_tokens = n,
        .n_cols = n_cols,
        .f32 = a->f32 ? a->f32 + at : NULL,
        .bf16 = a->bf16 ? a->bf16 + at : NULL,
        .q = a->q ? a->q + at_q : NULL,
        .d = a->d ? a->d + at_q / 32 : NULL,
        .sum16 = a->sum16 ? a->sum16 + at_q / 16 : NULL,
        .n_planes = a->n_planes,
    };
}
