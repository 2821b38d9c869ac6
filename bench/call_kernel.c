/* SPDX-License-Identifier: MIT
 *
 * call_kernel.c - one call of one kernel and nothing else, for bench/count_arm64.py to count its
 * instructions.
 *
 * usage: call_kernel OP_TYPE_ISA ROWS COLS TOKENS [GROUP OFFSET HAS_MIN]   the last three for gemm_panel_ISA
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernel_list.h"

enum { MAX_WEIGHTS = 1 << 18, Y_STRIDE = 64 };

static uint8_t  w[MAX_WEIGHTS * 4];
static int8_t   q[MAX_WEIGHTS];
static float    d[MAX_WEIGHTS / 32], f32[MAX_WEIGHTS], y[Y_STRIDE * 256];
static uint16_t bf16[MAX_WEIGHTS];
static int16_t  sum16[MAX_WEIGHTS / 16];
static float    scale[MAX_WEIGHTS / 16], min[MAX_WEIGHTS / 16];
static uint8_t  codes[MAX_WEIGHTS];

static bool call_typed(const char *op, void (*fn)(void), hl_type type, const hl_act *x, hl_panel *p) {
    const size_t row_bytes = hl_type_row_bytes(type, x->n_cols);
    if (strcmp(op, "gemv") == 0)
        ((hl_gemv_fn *)fn)(p->n_rows, w, row_bytes, x, y, Y_STRIDE);
    else
        ((hl_unpack_fn *)fn)(w, row_bytes, p);
    return true;
}

static bool call(const char *name, const hl_act *x, hl_panel *p) {
#define HL_KERNEL(op, type, isa, ...)                                                                        \
    if (strcmp(name, #op "_" #type "_" #isa) == 0)                                                           \
        return call_typed(#op, (void (*)(void))hl_##op##_##type##_##isa, HL_TYPE_##type, x, p);
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
#if defined(__aarch64__)
    if (strcmp(name, "gemm_panel_neon") == 0) return hl_gemm_panel_neon(p, x, y, Y_STRIDE), true;
    if (strcmp(name, "gemm_panel_dotprod") == 0) return hl_gemm_panel_dotprod(p, x, y, Y_STRIDE), true;
    if (strcmp(name, "gemm_panel_i8mm") == 0) return hl_gemm_panel_i8mm(p, x, y, Y_STRIDE), true;
#endif
    return false;
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 8) return fprintf(stderr, "usage: see the head of call_kernel.c\n"), 2;
    const hl_act x = {.n_tokens = strtoul(argv[4], NULL, 10),
                      .n_cols = strtoul(argv[3], NULL, 10),
                      .f32 = f32,
                      .bf16 = bf16,
                      .q = q,
                      .d = d,
                      .sum16 = sum16};
    hl_panel     p = {.n_cols = x.n_cols, .codes = codes, .scale = scale, .min = min};
    p.n_rows = strtoul(argv[2], NULL, 10);
    if (argc == 8) {
        p.group = (uint32_t)strtoul(argv[5], NULL, 10);
        p.offset = atoi(argv[6]);
        p.has_min = atoi(argv[7]) != 0;
    }
    if (p.n_rows > Y_STRIDE || x.n_tokens * x.n_cols > MAX_WEIGHTS || p.n_rows * x.n_cols > MAX_WEIGHTS)
        return 2;
    return call(argv[1], &x, &p) ? 0 : 1;
}
