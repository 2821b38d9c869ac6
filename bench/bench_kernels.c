/* SPDX-License-Identifier: MIT
 *
 * bench_kernels.c - how fast every weight kernel of kernels.def is on one core.
 *
 * One line per kernel, tab separated, stable columns, so that two runs can be joined:
 *   kernel  rows  cols  tokens  best_us  gbytes_per_s  gmac_per_s
 * bytes are those of the packed weights (gemv, unpack) or of the panel (gemm_panel). Arguments: parts of
 * kernel names; none means all.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/kernel_list.h"
#include "engine/quant/float16.h"
#include "engine/quant/quant.h"

enum { ROWS = 2048, COLS = 2048, SLICE = 512, RUNS = 9, TOKENS = 64 };

typedef struct bench {
    uint8_t *w; /* [ROWS] rows of the widest type */
    hl_act   x; /* TOKENS tokens */
    float   *y;
    hl_panel panel;
    int      n_words;
    char   **words;
} bench;

static bool wanted(const bench *b, const char *name) {
    for (int i = 0; i < b->n_words; i++)
        if (strstr(name, b->words[i])) return true;
    return b->n_words == 0;
}

static void report(const char *name, size_t rows, size_t cols, size_t tokens, int64_t best_ns, double bytes) {
    const double s = (double)best_ns * 1e-9;
    printf("%s\t%zu\t%zu\t%zu\t%.1f\t%.2f\t%.2f\n", name, rows, cols, tokens, s * 1e6, bytes / s * 1e-9,
           (double)rows * (double)cols * (double)tokens / s * 1e-9);
}

static void bench_gemv(bench *b, hl_type t, const char *name, hl_gemv_fn *fn) {
    const size_t row_bytes = hl_type_row_bytes(t, COLS);
    hl_act       x = b->x;
    if (!wanted(b, name)) return;
    for (x.n_tokens = 1; x.n_tokens <= HL_GEMV_MAX_TOKENS; x.n_tokens += 2) {
        int64_t best = INT64_MAX;
        for (int i = 0; i < RUNS; i++) {
            const int64_t t0 = hl_clock_ns();
            fn(ROWS, b->w, row_bytes, &x, b->y, ROWS);
            const int64_t d = hl_clock_ns() - t0;
            if (d < best) best = d;
        }
        report(name, ROWS, COLS, x.n_tokens, best, (double)(row_bytes * ROWS));
    }
}

static void bench_unpack(bench *b, hl_type t, const char *name, hl_unpack_fn *fn) {
    const size_t row_bytes = hl_type_row_bytes(t, COLS);
    int64_t      best = INT64_MAX;
    if (!wanted(b, name)) return;
    for (int i = 0; i < RUNS; i++) {
        const int64_t t0 = hl_clock_ns();
        for (size_t r = 0; r < ROWS; r += HL_PANEL_ROWS) {
            b->panel.n_cols = SLICE;
            fn(b->w + r * row_bytes, row_bytes, &b->panel);
        }
        const int64_t d = hl_clock_ns() - t0;
        if (d < best) best = d;
    }
    report(name, ROWS, SLICE, 1, best, (double)(hl_type_row_bytes(t, SLICE) * ROWS));
}

static void bench_gemm(bench *b, hl_type t, const char *name, hl_gemm_panel_fn *fn) {
    hl_kernels scalar;
    char       full[64];
    int64_t    best = INT64_MAX;
    hl_kernels_select(0, &scalar);
    (void)snprintf(full, sizeof full, "%s:%s", name, hl_type_name(t));
    if (!wanted(b, full)) return;
    b->panel.n_cols = SLICE;
    scalar.unpack[t](b->w, hl_type_row_bytes(t, COLS), &b->panel);
    for (int i = 0; i < RUNS; i++) {
        const int64_t t0 = hl_clock_ns();
        fn(&b->panel, &b->x, b->y, ROWS);
        const int64_t d = hl_clock_ns() - t0;
        if (d < best) best = d;
    }
    report(full, HL_PANEL_ROWS, SLICE, TOKENS, best, (double)SLICE * HL_PANEL_ROWS);
}

static bool can_run(hl_isa isa) { return (hl_isa_needs(isa) & ~hl_cpu_features()) == 0; }

static void run_all(bench *b) {
#define HL_KERNEL(op, wtype, isa, ...)                                                                       \
    if (can_run(HL_ISA_##isa))                                                                               \
        bench_##op(b, HL_TYPE_##wtype, #op "_" #wtype "_" #isa, hl_##op##_##wtype##_##isa);
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
    static const hl_type kinds[] = {HL_TYPE_q4_0, HL_TYPE_q4_k, HL_TYPE_q6_k, HL_TYPE_q8_0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
#define HL_KERNEL_V(op, isa, ...)                                                                            \
    if (strcmp(#op, "gemm_panel") == 0 && can_run(HL_ISA_##isa))                                             \
        bench_gemm(b, kinds[i], #op "_" #isa, (hl_gemm_panel_fn *)(void (*)(void))hl_##op##_##isa);
#include "engine/kernels/kernels.def"
#undef HL_KERNEL_V
    }
}

static bool fill(bench *b) {
    const size_t n = (size_t)TOKENS * COLS;
    float       *f32 = hl_new_aligned(n, 4);
    uint16_t    *bf16 = hl_new_aligned(n, 2);
    int8_t      *q = hl_new_aligned(n, 1);
    float       *d = hl_new_aligned(n / 32, 4);
    int16_t     *sum16 = hl_new_aligned(n / 16, 2);
    b->w = hl_new_aligned((size_t)ROWS * COLS, 4);
    b->y = hl_new_aligned((size_t)ROWS * TOKENS, 4);
    b->panel = (hl_panel){.n_rows = HL_PANEL_ROWS, .n_cols = SLICE};
    b->panel.codes = hl_new_aligned((size_t)SLICE * HL_PANEL_ROWS, 1);
    b->panel.scale = hl_new_aligned((size_t)SLICE / 16 * HL_PANEL_ROWS, 4);
    b->panel.min = hl_new_aligned((size_t)SLICE / 16 * HL_PANEL_ROWS, 4);
    if (!f32 || !bf16 || !q || !d || !sum16 || !b->w || !b->y || !b->panel.codes || !b->panel.scale ||
        !b->panel.min)
        return false;
    uint32_t seed = 1;
    for (size_t i = 0; i < (size_t)ROWS * COLS * 4; i++)
        b->w[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 25);
    for (size_t i = 0; i < n; i++) {
        f32[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
        bf16[i] = hl_bf16_of_f32(f32[i]);
    }
    for (size_t t = 0; t < TOKENS; t++)
        hl_quantize_act_scalar(COLS, f32 + t * COLS, q + t * COLS, d + t * COLS / 32, sum16 + t * COLS / 16);
    b->x = (hl_act){
        .n_tokens = TOKENS, .n_cols = COLS, .f32 = f32, .bf16 = bf16, .q = q, .d = d, .sum16 = sum16};
    return true;
}

int main(int argc, char **argv) {
    bench b = {.n_words = argc - 1, .words = argv + 1};
    if (!fill(&b)) return 1; /* the memory of a finished program is the system's to take back */
    run_all(&b);
    return 0;
}
