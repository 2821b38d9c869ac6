/* SPDX-License-Identifier: MIT
 *
 * ffn_chunk.c - gate, up, activation and quantization of a few columns, in cache.
 */
#include "engine/forward/ffn_chunk.h"

static hl_matrix rows_of(const hl_matrix *w, size_t begin, size_t n) {
    hl_matrix v = *w;
    v.data = (const uint8_t *)w->data + begin * w->row_bytes;
    v.n_rows = n;
    return v;
}

static void add_bias(float *y, const float *bias, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += bias[i];
}

/* Columns that are done at once. With many tokens a panel: both results stay in cache. With few, long runs of
 * rows: gate and up lie far apart in memory, and each change between them starts a stream again. */
static size_t piece_cols(const hl_pass *f, size_t n_tokens) {
    enum { LONG_COLS = 256 };
    const size_t room = (size_t)f->n_rows_cap * HL_GLU_ROWS / n_tokens / HL_GLU_ROWS * HL_GLU_ROWS;
    if (n_tokens > HL_GEMV_MAX_TOKENS) return HL_GLU_ROWS;
    return room < LONG_COLS ? room : LONG_COLS;
}

static void multiply_up(hl_pass *f, const hl_glu *g, size_t begin, size_t n, const hl_act *x,
                        uint32_t i_thread, float *yu) {
    for (size_t i = 0; !g->up && i < n * x->n_tokens; i++) yu[i] = 1; /* a product with it changes no bit */
    if (!g->up) return;
    const hl_matrix up = rows_of(g->up, begin, n);
    hl_multiply(f, &up, 0, n, x, i_thread, yu, n);
    if (g->up_low.parts) hl_low_add(f, &g->up_low, begin, begin + n, x->n_tokens, yu, n);
}

static void run_columns(hl_pass *f, const hl_glu *g, const hl_act *x, size_t begin, size_t end,
                        uint32_t i_thread) {
    const hl_thread_scratch *ts = &f->threads[i_thread];
    const size_t             n = end - begin;
    const hl_matrix          gate = rows_of(g->gate, begin, n);
    float                   *yg = ts->glu;
    float                   *yu = ts->glu + (size_t)f->n_rows_cap * HL_GLU_ROWS;
    hl_multiply(f, &gate, 0, n, x, i_thread, yg, n);
    if (g->gate_low.parts) hl_low_add(f, &g->gate_low, begin, end, x->n_tokens, yg, n);
    multiply_up(f, g, begin, n, x, i_thread, yu);
    for (size_t t = 0; t < x->n_tokens; t++) {
        float *a = yg + t * n;
        float *b = yu + t * n;
        if (g->gate_bias) add_bias(a, g->gate_bias + begin, n);
        if (g->up_bias) add_bias(b, g->up_bias + begin, n);
        hl_activate(f, g->bend, n, a, b);
        hl_act_write_part(f, &f->act_ff, g->needs, g->first_row + (uint32_t)t, g->gate->n_rows, begin, end,
                          a);
    }
}

void hl_glu_chunk(hl_pass *f, const hl_glu *g, const hl_act *x, size_t begin, size_t end, uint32_t i_thread) {
    if (!hl_pass_fits(f, HL_ROOM_GLU_TOKENS, x->n_tokens, f->n_rows_cap)) return;
    const size_t step = piece_cols(f, x->n_tokens);
    for (size_t at = begin; at < end; at += step)
        run_columns(f, g, x, at, at + step < end ? at + step : end, i_thread);
}
