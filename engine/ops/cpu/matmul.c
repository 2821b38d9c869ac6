/* SPDX-License-Identifier: MIT
 *
 * matmul.c - choose between gemv and panels, and walk a chunk so that everything stays in cache.
 *
 * Panels are blocked over columns: 32 rows x 512 columns of codes and scales are about 20 KB and stay
 * in the first-level cache while all tokens pass by; the sums wait in y between blocks. The next
 * block of weights is requested from memory before the current one is multiplied.
 */
#include "engine/ops/cpu/matmul.h"

#include "engine/kernels/cpu.h"

enum {
    PANEL_COLS = 512,           /* a multiple of every type's block */
    LINE_BYTES = 64,
    GEMV_CHUNK_BYTES = 1 << 19, /* of weights, per chunk of few tokens: starting anew costs about 20 KB */
    CHUNKS_PER_THREAD = 6,      /* at least, where the matrix has the rows for it */
    PAIR_FLOATS = 1 << 14,      /* sums of pieces at once: they stay in cache */
};

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* Bytes of the three arrays of a panel; scales as if for groups of 16, the finest. */
static size_t code_bytes(size_t n_cols) { return n_cols * HL_PANEL_ROWS; }
static size_t scale_bytes(size_t n_cols) { return (n_cols + 15) / 16 * HL_PANEL_ROWS * sizeof(float); }

static size_t panel_bytes(size_t max_cols) {
    const size_t n_cols = min_size(max_cols, PANEL_COLS);
    return (code_bytes(n_cols) + 2 * scale_bytes(n_cols) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

size_t hl_matmul_scratch_bytes(size_t max_cols, size_t max_pair_tokens) {
    const size_t least = 2 * max_pair_tokens * HL_PANEL_ROWS;
    return panel_bytes(max_cols) + (max_pair_tokens == 0 ? 0 : least > PAIR_FLOATS ? least : PAIR_FLOATS) * sizeof(float);
}

/* Up to how many tokens gemv beats panels: with 32 wide registers it keeps 8 tokens' sums in them; with AVX2 three, and
 * taking eight rows from the first-level cache twice still costs less than unpacking them; with AVX-VNNI four, and panels
 * multiply so fast that a second time does not pay. */
static size_t max_gemv_tokens(uint32_t cpu) {
    if (cpu & HL_CPU_AVX512VNNI) return HL_GEMV_MAX_TOKENS;
    return cpu & HL_CPU_AVXVNNI ? 4 : cpu & HL_CPU_AVX2 ? 6 : 3;
}

size_t hl_matmul_chunk_rows(const hl_matrix *w, size_t n_tokens, size_t n_threads) {
    const size_t fair = w->n_rows / (CHUNKS_PER_THREAD * (n_threads ? n_threads : 1));
    size_t       rows = HL_PANEL_ROWS;
    if (n_tokens <= HL_GEMV_MAX_TOKENS && w->row_bytes > 0) {
        rows = min_size(GEMV_CHUNK_BYTES / w->row_bytes, fair);
        rows = rows / HL_PANEL_ROWS * HL_PANEL_ROWS;
        if (rows < HL_PANEL_ROWS) rows = HL_PANEL_ROWS;
    }
    return min_size(rows, w->n_rows);
}

/* Ask for the weights that come next; beyond the end of the data a prefetch is harmless. */
static void prefetch_block(const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_bytes) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n_bytes; i += LINE_BYTES) __builtin_prefetch(w + r * row_bytes + i, 0, 2);
}

/* All tokens times n_rows <= 32 rows. */
static void multiply_panel(const hl_kernels *k, const hl_matrix *w, const uint8_t *rows, size_t n_rows,
                           const hl_act *x, uint8_t *scratch, float *y, size_t y_stride) {
    const size_t block = min_size(w->n_cols, PANEL_COLS);
    hl_panel     p = {.n_rows = n_rows};
    p.codes = scratch;
    p.scale = (float *)(void *)(scratch + code_bytes(block));
    p.min = (float *)(void *)(scratch + code_bytes(block) + scale_bytes(block));
    for (size_t c = 0; c < w->n_cols; c += block) {
        const size_t   done_bytes = hl_type_row_bytes(w->type, c);
        const size_t   next = min_size(c + block, w->n_cols);
        const size_t   next_bytes = hl_type_row_bytes(w->type, next);
        const uint8_t *ahead = rows + next_bytes;
        p.col_begin = c;
        p.n_cols = next - c;
        k->unpack[w->type](rows + done_bytes, w->row_bytes, &p);
        if (next == w->n_cols) ahead = rows + n_rows * w->row_bytes;
        prefetch_block(ahead, w->row_bytes, n_rows, next_bytes - done_bytes);
        k->gemm_panel(&p, x, y, y_stride);
    }
}

static void multiply_rows(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end, const hl_act *x, void *scratch,
                          float *y, size_t y_stride) {
    const uint8_t *data = w->data;
    if (!k->unpack[w->type] || !k->gemm_panel || x->n_tokens <= max_gemv_tokens(k->cpu)) {
        k->gemv[w->type](row_end - row_begin, data + row_begin * w->row_bytes, w->row_bytes, x, y + row_begin, y_stride);
        return;
    }
    for (size_t r = row_begin; r < row_end; r += HL_PANEL_ROWS) {
        const size_t n = min_size(HL_PANEL_ROWS, row_end - r);
        multiply_panel(k, w, data + r * w->row_bytes, n, x, scratch, y + r, y_stride);
    }
}

/* Both pieces of every token as rows of their own, so that weights are read and unpacked once; then the pairs are added. */
static void multiply_pairs(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end, const hl_act *x, void *scratch,
                           float *y, size_t y_stride) {
    float       *sums = (float *)(void *)((uint8_t *)scratch + panel_bytes(w->n_cols));
    hl_act       pieces = *x;
    pieces.n_tokens = 2 * x->n_tokens;
    const size_t fit = PAIR_FLOATS / pieces.n_tokens / HL_PANEL_ROWS * HL_PANEL_ROWS;
    const size_t step = fit < HL_PANEL_ROWS ? HL_PANEL_ROWS : fit;
    for (size_t r = row_begin; r < row_end; r += step) {
        const size_t n = min_size(step, row_end - r);
        hl_matrix    part = *w;
        part.data = (const uint8_t *)w->data + r * w->row_bytes;
        multiply_rows(k, &part, 0, n, &pieces, scratch, sums, n);
        for (size_t t = 0; t < x->n_tokens; t++) k->add(n, sums + 2 * t * n, sums + (2 * t + 1) * n, y + t * y_stride + r);
    }
}

void hl_matmul_chunk(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end,
                     const hl_act *x, void *scratch, float *y, size_t y_stride) {
    if (row_begin >= row_end || x->n_tokens == 0) return;
    if (x->n_pieces == 2 && k->unpack[w->type]) multiply_pairs(k, w, row_begin, row_end, x, scratch, y, y_stride);
    else multiply_rows(k, w, row_begin, row_end, x, scratch, y, y_stride);
}
