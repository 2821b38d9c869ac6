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

void hl_glu_chunk(hl_forward *f, const hl_glu *g, const hl_act *x, size_t begin, size_t end, uint32_t i_thread) {
    const hl_thread_scratch *ts = &f->threads[i_thread];
    const size_t             n = end - begin;
    const hl_matrix          gate = rows_of(g->gate, begin, n);
    const hl_matrix          up = rows_of(g->up, begin, n);
    float                   *yg = ts->glu;
    float                   *yu = ts->glu + (size_t)f->n_rows_cap * HL_GLU_ROWS;
    const bool               geglu = f->m->arch->act == HL_ACT_GEGLU;
    hl_matmul_chunk(f->k, &gate, 0, n, x, ts->matmul, yg, HL_GLU_ROWS);
    hl_matmul_chunk(f->k, &up, 0, n, x, ts->matmul, yu, HL_GLU_ROWS);
    for (size_t t = 0; t < x->n_tokens; t++) {
        float *a = yg + t * HL_GLU_ROWS;
        float *b = yu + t * HL_GLU_ROWS;
        if (g->gate_bias) add_bias(a, g->gate_bias + begin, n);
        if (g->up_bias) add_bias(b, g->up_bias + begin, n);
        if (geglu) f->k->gelu_mul(n, a, b, a);
        else f->k->silu_mul(n, a, b, a);
        hl_act_write_part(f, &f->act_ff, g->needs, g->first_row + (uint32_t)t, g->gate->n_rows, begin, end, a);
    }
}

/* About 64 KB of weights a chunk when decoding; with many tokens 32 columns are work enough. */
uint32_t hl_glu_chunk_cols(const hl_forward *f, const hl_matrix *gate, uint32_t n_tokens) {
    enum { CHUNK_BYTES = 64 << 10 };
    if (n_tokens >= 16) return HL_GLU_ROWS;
    size_t       cols = CHUNK_BYTES / (2 * gate->row_bytes + 1) / HL_GLU_ROWS * HL_GLU_ROWS;
    const size_t fair = gate->n_rows / (4 * (size_t)hl_pool_n_active(f->pool)) / HL_GLU_ROWS * HL_GLU_ROWS;
    if (cols > fair) cols = fair;
    return cols < HL_GLU_ROWS ? HL_GLU_ROWS : (uint32_t)cols;
}
