/* SPDX-License-Identifier: MIT
 *
 * matmul.c - choose between gemv and panels, and walk a chunk so that everything stays in cache. What is best
 * for the kernels in use, each says itself (hl_kernel_facts).
 *
 * Panels are blocked over columns: 32 rows x 512 columns of codes and scales are about 20 KB and stay
 * in the first-level cache while all tokens pass by. Their sums wait side by side until they are complete:
 * in y they would lie a row of the result apart, which is often a power of two, so that they would compete
 * for a few sets of each cache, and no prefetcher would follow. The next block of weights is prefetched
 * while the current one is multiplied.
 */
#include "engine/parallel/matmul.h"

#include <string.h>

enum {
    PANEL_COLS = 512,  /* a multiple of every type's block */
    SUMS_TOKENS = 512, /* whose sums wait at once; more tokens unpack a panel again */
    LINE_BYTES = 64,
    PREFETCH_BYTES = 2048,      /* of the next rows, at least, with every part of tokens */
    GEMV_CHUNK_BYTES = 1 << 19, /* of weights, per chunk of few tokens: starting again costs about 20 KB */
    CHUNKS_PER_THREAD = 6,      /* at least, where the matrix has the rows for it */
    PAIR_FLOATS = 1 << 14,      /* sums of planes at once: they stay in cache */
};

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* Bytes of the three arrays of a panel; scales as if for groups of 16, the finest. */
static size_t code_bytes(size_t n_cols) { return n_cols * HL_PANEL_ROWS; }
static size_t scale_bytes(size_t n_cols) { return (n_cols + 15) / 16 * HL_PANEL_ROWS * sizeof(float); }
enum { SUMS_BYTES = SUMS_TOKENS * HL_PANEL_ROWS * sizeof(float) };

static size_t panel_bytes(size_t max_cols) {
    const size_t n_cols = min_size(max_cols, PANEL_COLS);
    return SUMS_BYTES +
           (code_bytes(n_cols) + 2 * scale_bytes(n_cols) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

size_t hl_matmul_scratch_bytes(size_t max_cols, size_t max_pair_tokens) {
    const size_t least = 2 * max_pair_tokens * HL_PANEL_ROWS;
    return panel_bytes(max_cols) + (max_pair_tokens == 0  ? 0
                                    : least > PAIR_FLOATS ? least
                                                          : PAIR_FLOATS) *
                                       sizeof(float);
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

static hl_act some_tokens(const hl_act *x, size_t first, size_t n) {
    hl_act part = *x; /* panels need the quantized form alone */
    part.n_tokens = n;
    part.q += first * x->n_cols;
    part.d += first * (x->n_cols / 32);
    part.sum16 += first * (x->n_cols / 16);
    return part;
}

/* ---- results that are not finite ---- */

/* n_rows results of each token, y_stride apart. */
static bool are_finite(const hl_kernels *k, size_t n_tokens, size_t n_rows, const float *y, size_t y_stride) {
    if (n_rows == y_stride) return k->all_finite(n_tokens * n_rows, y);
    for (size_t t = 0; t < n_tokens; t++)
        if (!k->all_finite(n_rows, y + t * y_stride)) return false;
    return true;
}

/* No sound model comes here. */
static __attribute__((cold, noinline)) void multiply_by_definition(const hl_kernels *k, const hl_matrix *w,
                                                                   const uint8_t *rows, size_t n_rows,
                                                                   const hl_act *x, float *y,
                                                                   size_t y_stride) {
    for (size_t t = 0; t < x->n_tokens; t += HL_GEMV_MAX_TOKENS) {
        const hl_act part = some_tokens(x, t, min_size(HL_GEMV_MAX_TOKENS, x->n_tokens - t));
        k->definition[w->type](n_rows, rows, w->row_bytes, &part, y + t * y_stride, y_stride);
    }
}

/* ---- panels ---- */

static void move_sums(const float *sums, size_t n_tokens, size_t n_rows, float *y, size_t y_stride) {
    for (size_t t = 0; t < n_tokens; t++, sums += HL_PANEL_ROWS, y += y_stride) {
        if (n_rows == HL_PANEL_ROWS)
            memcpy(y, sums, HL_PANEL_ROWS * sizeof *y); /* a constant: no call */
        else
            memcpy(y, sums, n_rows * sizeof *y);
    }
}

/* The weights of the next rows, prefetched in the order of memory while these are multiplied, so that the
 * hardware's own prefetchers and the page walks go along: evenly where there are few tokens, shortly before
 * the end where there are many and the cache would forget. */
typedef struct next_rows {
    const uint8_t *at;
    size_t         n_bytes; /* not yet prefetched */
    size_t         n_parts; /* of the work of these rows, not yet done */
} next_rows;

/* The share of a part goes along with the panel. Beyond the end of the data a prefetch is harmless. */
static void share_prefetch(next_rows *a, hl_panel *p) {
    const size_t share = a->n_bytes / a->n_parts--, late = a->n_parts * PREFETCH_BYTES;
    const size_t n = share >= PREFETCH_BYTES || a->n_parts == 0 ? share
                     : a->n_bytes > late                        ? a->n_bytes - late
                                                                : 0;
    p->prefetch = a->at;
    p->prefetch_bytes = n;
    a->at += n;
    a->n_bytes -= n;
}

/* For kernels that do not prefetch themselves: the next block of the same rows, or of the rows after. */
static void prefetch_block(const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_bytes) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n_bytes; i += LINE_BYTES) __builtin_prefetch(w + r * row_bytes + i, 0, 2);
}

/* A part is multiplied, then moved to y while the next is multiplied. */
static size_t count_parts(const hl_kernels *k, size_t n_tokens) {
    const size_t most = k->facts_of_gemm_panel.max_tokens;
    return (n_tokens + most - 1) / most;
}

/* One panel times all tokens, in even parts; when it is the last of its rows, the sums are complete. */
static void multiply_panel(const hl_kernels *k, hl_panel *p, const hl_act *x, next_rows *next, float *sums,
                           float *y, size_t y_stride) {
    const bool   last = p->col_begin + p->n_cols == x->n_cols;
    const size_t n_parts = count_parts(k, x->n_tokens);
    for (size_t t = 0, i = 0; i < n_parts; i++) {
        const size_t n = (x->n_tokens - t) / (n_parts - i);
        const hl_act part = some_tokens(x, t, n);
        share_prefetch(next, p);
        k->gemm_panel(p, &part, sums + t * HL_PANEL_ROWS, HL_PANEL_ROWS);
        if (last) move_sums(sums + t * HL_PANEL_ROWS, n, p->n_rows, y + t * y_stride, y_stride);
        t += n;
    }
}

/* Up to SUMS_TOKENS tokens times n_rows <= 32 rows. */
static void multiply_rows(const hl_kernels *k, const hl_matrix *w, const uint8_t *rows, size_t n_rows,
                          const hl_act *x, uint8_t *scratch, float *y, size_t y_stride) {
    const size_t block = min_size(w->n_cols, PANEL_COLS);
    hl_panel     p = {.n_rows = n_rows};
    float       *sums = (float *)(void *)scratch;
    next_rows    after = {.at = rows + n_rows * w->row_bytes, .n_bytes = n_rows * w->row_bytes};
    after.n_parts = (w->n_cols + block - 1) / block * count_parts(k, x->n_tokens);
    p.codes = scratch + SUMS_BYTES;
    p.scale = (float *)(void *)(p.codes + code_bytes(block));
    p.min = (float *)(void *)(p.codes + code_bytes(block) + scale_bytes(block));
    for (size_t c = 0; c < w->n_cols; c += block) {
        const size_t next = min_size(c + block, w->n_cols);
        const size_t begin_bytes = hl_type_row_bytes(w->type, c),
                     end_bytes = hl_type_row_bytes(w->type, next);
        p.col_begin = c;
        p.n_cols = next - c;
        k->unpack[w->type](rows + begin_bytes, w->row_bytes, &p);
        if (!k->facts_of_gemm_panel.prefetches)
            prefetch_block(rows + (next < w->n_cols ? end_bytes : n_rows * w->row_bytes), w->row_bytes,
                           n_rows, end_bytes - begin_bytes);
        multiply_panel(k, &p, x, &after, sums, y, y_stride);
    }
    if (k->facts_of_gemm_panel.may_lose && !are_finite(k, x->n_tokens, n_rows, sums, HL_PANEL_ROWS))
        multiply_by_definition(k, w, rows, n_rows, x, y, y_stride);
}

/* Whether gemv beats panels: where it takes all tokens at once, or nearly so. Floats have no panels. */
static bool is_for_gemv(const hl_kernels *k, hl_type type, size_t n_tokens) {
    return !k->unpack[type] || !k->gemm_panel || n_tokens <= k->facts_of_gemv[type].max_tokens;
}

static void multiply_chunk(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end,
                           const hl_act *x, void *scratch, float *y, size_t y_stride) {
    const uint8_t *data = w->data;
    const size_t   n_rows = row_end - row_begin;
    if (is_for_gemv(k, w->type, x->n_tokens)) {
        const uint8_t *rows = data + row_begin * w->row_bytes;
        k->gemv[w->type](n_rows, rows, w->row_bytes, x, y + row_begin, y_stride);
        if (k->facts_of_gemv[w->type].may_lose &&
            !are_finite(k, x->n_tokens, n_rows, y + row_begin, y_stride))
            multiply_by_definition(k, w, rows, n_rows, x, y + row_begin, y_stride);
        return;
    }
    for (size_t r = row_begin; r < row_end; r += HL_PANEL_ROWS) {
        const size_t n = min_size(HL_PANEL_ROWS, row_end - r);
        for (size_t t = 0; t < x->n_tokens; t += SUMS_TOKENS) {
            const hl_act part = some_tokens(x, t, min_size(SUMS_TOKENS, x->n_tokens - t));
            multiply_rows(k, w, data + r * w->row_bytes, n, &part, scratch, y + r + t * y_stride, y_stride);
        }
    }
}

/* Both planes of every token as rows of their own, so that weights are read and unpacked once; then the pairs
 * are added. */
static void multiply_pairs(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end,
                           const hl_act *x, void *scratch, float *y, size_t y_stride) {
    float *sums = (float *)(void *)((uint8_t *)scratch + panel_bytes(w->n_cols));
    hl_act planes = *x;
    planes.n_tokens = 2 * x->n_tokens;
    const size_t fit = PAIR_FLOATS / planes.n_tokens / HL_PANEL_ROWS * HL_PANEL_ROWS;
    const size_t step = fit < HL_PANEL_ROWS ? HL_PANEL_ROWS : fit;
    for (size_t r = row_begin; r < row_end; r += step) {
        const size_t n = min_size(step, row_end - r);
        hl_matrix    part = *w;
        part.data = (const uint8_t *)w->data + r * w->row_bytes;
        multiply_chunk(k, &part, 0, n, &planes, scratch, sums, n);
        for (size_t t = 0; t < x->n_tokens; t++)
            k->add(n, sums + 2 * t * n, sums + (2 * t + 1) * n, y + t * y_stride + r);
    }
}

bool hl_matmul_chunk(const hl_kernels *k, const hl_matrix *w, size_t row_begin, size_t row_end,
                     const hl_act *x, const hl_matmul_scratch *scratch, float *y, size_t y_stride) {
    const bool in_pairs = x->n_planes == 2 && k->unpack[w->type];
    if (row_begin >= row_end || x->n_tokens == 0) return true;
    if (hl_matmul_scratch_bytes(w->n_cols, in_pairs ? x->n_tokens : 0) > scratch->n_bytes) return false;
    if (in_pairs)
        multiply_pairs(k, w, row_begin, row_end, x, scratch->memory, y, y_stride);
    else
        multiply_chunk(k, w, row_begin, row_end, x, scratch->memory, y, y_stride);
    for (size_t t = 0; w->factors && t < x->n_tokens; t++) {
        float *rows = y + t * y_stride + row_begin;
        k->scale(row_end - row_begin, rows, *w->factors, rows);
    }
    return true;
}
