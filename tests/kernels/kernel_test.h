/* SPDX-License-Identifier: MIT
 *
 * kernel_test.h - inputs for kernel tests: weights and activations of several patterns, in memory that ends
 * at a forbidden page, so that one byte read or written too far ends the test.
 */
#ifndef HL_TESTS_KERNELS_KERNEL_TEST_H
#define HL_TESTS_KERNELS_KERNEL_TEST_H

#include "tests/need.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/kernels/cpu.h"
#include "engine/kernels/kernel_list.h"
#include "engine/quant/float16.h"
#include "engine/quant/quant.h"

enum { PAGE_BYTES = 4096, CANARY = 0x7FC0DEAD }; /* the canary is a NaN that no kernel makes */

typedef enum pattern { RANDOM, EXTREME, ZERO_WEIGHTS, ZERO_X, TINY, ABSURD, N_PATTERNS } pattern;

static inline const char *pattern_name(pattern p) {
    static const char *const names[] = {"random", "extreme", "zero weights", "zero x", "tiny", "absurd"};
    return names[p];
}

static inline uint32_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 32);
}

/* About normal, mean 0, deviation 1. */
static inline float random_normal(uint64_t *seed) {
    float sum = 0.0f;
    for (int i = 0; i < 6; i++) sum += (float)(next_random(seed) >> 8) * 0x1p-24f;
    return (sum - 3.0f) * 1.41421356f;
}

/* n_bytes that end right before a page that may not be touched. */
static inline void *new_guarded(size_t n_bytes) {
    const size_t n_pages = (n_bytes + PAGE_BYTES - 1) / PAGE_BYTES + 1;
    uint8_t *p = mmap(NULL, n_pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) fail_msg("no memory");
    if (mprotect(p + (n_pages - 1) * PAGE_BYTES, PAGE_BYTES, PROT_NONE) != 0) fail_msg("mprotect");
    return p + (n_pages - 1) * PAGE_BYTES - n_bytes;
}

static inline void free_guarded(void *p, size_t n_bytes) {
    const size_t n_pages = (n_bytes + PAGE_BYTES - 1) / PAGE_BYTES + 1;
    (void)munmap((uint8_t *)p + n_bytes - (n_pages - 1) * PAGE_BYTES, n_pages * PAGE_BYTES);
}

/* Where the f16 scales of a block lie: two offsets, -1 for none. */
static inline const int *scale_offsets(hl_type t) {
    static const int at[HL_TYPE_count][2] = {
        [HL_TYPE_q4_0] = {0, -1},   [HL_TYPE_q4_1] = {0, 2},    [HL_TYPE_q5_0] = {0, -1},
        [HL_TYPE_q5_1] = {0, 2},    [HL_TYPE_q8_0] = {0, -1},   [HL_TYPE_q2_k] = {80, 82},
        [HL_TYPE_q3_k] = {108, -1}, [HL_TYPE_q4_k] = {0, 2},    [HL_TYPE_q5_k] = {0, 2},
        [HL_TYPE_q6_k] = {208, -1}, [HL_TYPE_iq4_nl] = {0, -1}, [HL_TYPE_iq4_xs] = {0, -1},
        [HL_TYPE_iq1_s] = {0, -1},  [HL_TYPE_iq1_m] = {-1, -1}, [HL_TYPE_iq2_xxs] = {0, -1},
        [HL_TYPE_iq2_xs] = {0, -1}, [HL_TYPE_iq2_s] = {0, -1},  [HL_TYPE_iq3_xxs] = {0, -1},
        [HL_TYPE_iq3_s] = {0, -1},  [HL_TYPE_tq1_0] = {52, -1}, [HL_TYPE_tq2_0] = {64, -1},
        [HL_TYPE_nvfp4] = {-1, -1}, [HL_TYPE_q1_0] = {0, -1},   [HL_TYPE_q2_0] = {0, -1},
        [HL_TYPE_mxfp4] = {-1, -1}, [HL_TYPE_f32] = {-1, -1},   [HL_TYPE_f16] = {-1, -1},
        [HL_TYPE_bf16] = {-1, -1},
    };
    if (at[t][0] == at[t][1] && at[t][0] == 0) fail_msg("scale_offsets() does not know %s", hl_type_name(t));
    return at[t];
}

/* What a file may hold and no model does: infinities, NaN, the largest and the smallest numbers. */
static inline float absurd(uint64_t *seed) {
    static const float values[] = {INFINITY, -INFINITY, NAN,       65504.0f, -65504.0f, 0x1p-24f,
                                   0x1p100f, 0x1p104f,  -0x1p126f, FLT_MAX,  0x1p-140f, 0.0f};
    const uint32_t     r = next_random(seed) % 96;
    return r < sizeof values / sizeof values[0] ? values[r] : random_normal(seed);
}

static inline float weight_scale(pattern p, uint64_t *seed) {
    switch (p) {
    case EXTREME: return next_random(seed) & 1 ? 65504.0f : -65504.0f;
    case ZERO_WEIGHTS: return 0.0f;
    case TINY: return 0x1p-24f * (float)(next_random(seed) % 5);
    case ABSURD: return absurd(seed);
    default: return random_normal(seed) * 0.02f;
    }
}

static inline void fill_float_weights(hl_type t, size_t n, pattern p, uint64_t *seed, void *w) {
    for (size_t i = 0; i < n; i++) {
        const float x = weight_scale(p, seed);
        if (t == HL_TYPE_f32)
            ((float *)w)[i] = x;
        else
            ((uint16_t *)w)[i] = t == HL_TYPE_f16 ? hl_f16_of_f32(x) : hl_bf16_of_f32(x);
    }
}

/* n packed weights of sane scales. */
static inline void fill_weights(hl_type t, size_t n, pattern p, uint64_t *seed, void *w) {
    if (hl_type_block_elems(t) == 1) {
        fill_float_weights(t, n, p, seed, w);
        return;
    }
    const size_t block = hl_type_block_bytes(t);
    for (size_t b = 0; b < n / hl_type_block_elems(t); b++) {
        uint8_t       *at = (uint8_t *)w + b * block;
        const uint32_t kind = next_random(seed) % 3;
        for (size_t i = 0; i < block; i++)
            at[i] = p != EXTREME ? (uint8_t)next_random(seed) : kind == 0 ? 0xFF : kind == 1 ? 0x80 : 0x00;
        for (int i = 0; i < 2; i++) {
            const int      o = scale_offsets(t)[i];
            const uint16_t h = hl_f16_of_f32(weight_scale(p, seed));
            if (o >= 0) memcpy(at + o, &h, 2);
        }
        if (t == HL_TYPE_iq1_m) { /* four bits of d on top of each of four scales */
            const uint16_t d = hl_f16_of_f32(weight_scale(p, seed));
            for (int i = 0; i < 4; i++)
                at[49 + 2 * i] = (uint8_t)((at[49 + 2 * i] & 15) | (d >> 4 * i & 15) << 4);
        }
        if (t == HL_TYPE_mxfp4)
            at[0] = (uint8_t)(p == TINY      ? next_random(seed) % 4
                              : p == EXTREME ? 200
                              : p == ABSURD  ? next_random(seed)
                                             : 110 + next_random(seed) % 20);
    }
}

/* A batch of activations in every form; each array ends at a forbidden page. */
typedef struct batch {
    hl_act act;
    void  *q, *d, *sum16, *f32, *bf16;
} batch;

static inline void new_batch(size_t n_tokens, size_t n_cols, pattern p, uint64_t *seed, batch *b) {
    const size_t n = n_tokens * n_cols;
    memset(b, 0, sizeof *b);
    b->act.n_tokens = n_tokens;
    b->act.n_cols = n_cols;
    b->f32 = new_guarded(n * 4);
    b->bf16 = new_guarded(n * 2);
    for (size_t i = 0; i < n; i++) {
        float x = random_normal(seed);
        if (p == ZERO_X) x = 0.0f;
        if (p == EXTREME) x = next_random(seed) & 1 ? 1e4f : -1e4f;
        if (p == TINY) x *= 1e-3f;
        if (p == ABSURD) x = next_random(seed) % 64 ? x * 0x1p-60f : absurd(seed);
        ((float *)b->f32)[i] = x;
        ((uint16_t *)b->bf16)[i] = hl_bf16_of_f32(x);
    }
    b->act.f32 = b->f32;
    b->act.bf16 = b->bf16;
    if (n_cols % 32 != 0) return;
    b->q = new_guarded(n);
    b->d = new_guarded(n / 32 * 4);
    b->sum16 = new_guarded(n / 16 * 2);
    for (size_t t = 0; t < n_tokens; t++)
        hl_quantize_act_scalar(n_cols, (float *)b->f32 + t * n_cols, (int8_t *)b->q + t * n_cols,
                               (float *)b->d + t * n_cols / 32, (int16_t *)b->sum16 + t * n_cols / 16);
    b->act.q = b->q;
    b->act.d = b->d;
    b->act.sum16 = b->sum16;
}

static inline void free_batch(batch *b) {
    const size_t n = b->act.n_tokens * b->act.n_cols;
    free_guarded(b->f32, n * 4);
    free_guarded(b->bf16, n * 2);
    if (!b->q) return;
    free_guarded(b->q, n);
    free_guarded(b->d, n / 32 * 4);
    free_guarded(b->sum16, n / 16 * 2);
}

/* The same batch, but only `n` tokens from token `first` on. */
static inline hl_act slice_act(const hl_act *x, size_t first, size_t n) {
    hl_act s = *x;
    s.n_tokens = n;
    if (x->f32) s.f32 = x->f32 + first * x->n_cols;
    if (x->bf16) s.bf16 = x->bf16 + first * x->n_cols;
    if (x->q) s.q = x->q + first * x->n_cols;
    if (x->d) s.d = x->d + first * x->n_cols / 32;
    if (x->sum16) s.sum16 = x->sum16 + first * x->n_cols / 16;
    return s;
}

static inline void fill_canaries(float *y, size_t n) {
    const uint32_t bits = CANARY;
    for (size_t i = 0; i < n; i++) memcpy(&y[i], &bits, 4);
}

/* Same bits; two NaN are the same whatever their payload. */
static inline bool same(float a, float b) {
    const uint32_t x = hl_bits_of_f32(a), y = hl_bits_of_f32(b);
    if (x == CANARY || y == CANARY) return x == y;
    return x == y || (isnan(a) && isnan(b));
}

/* The same, or both not finite; or lost at the end of the range, where the kernel may (kernels.h). */
static inline bool same_or_lost(bool may_lose, pattern p, float want, float got) {
    if (same(want, got)) return true;
    if (p != ABSURD || isfinite(got) || hl_bits_of_f32(got) == CANARY) return false;
    return may_lose;
}

/* The table of a CPU that can do nothing: the definitions. */
static inline const hl_kernels *scalar(void) {
    static hl_kernels k;
    hl_kernels_select(0, &k);
    return &k;
}

/* Kernels of instruction sets that this processor lacks cannot be tried. */
static inline void need_isa(hl_isa isa) {
    if ((hl_isa_needs(isa) & ~hl_cpu_features()) != 0)
        skip_because("this processor lacks %s", hl_isa_name(isa));
}

/* A line of kernels.def. */
typedef struct kernel {
    const char *op, *name;
    int         type; /* hl_type; -1: an operation without one */
    hl_isa      isa;
    void (*fn)(void);
    hl_kernel_facts facts;
} kernel;

static const kernel kernel_table[] = {
#define HL_KERNEL(op, wtype, isa_name, ...)                                                                  \
    {#op,                                                                                                    \
     #op "_" #wtype "_" #isa_name,                                                                           \
     HL_TYPE_##wtype,                                                                                        \
     HL_ISA_##isa_name,                                                                                      \
     (void (*)(void))hl_##op##_##wtype##_##isa_name,                                                         \
     {.isa = #isa_name, __VA_ARGS__}},
#define HL_KERNEL_V(op, isa_name, ...)                                                                       \
    {#op,                                                                                                    \
     #op "_" #isa_name,                                                                                      \
     -1,                                                                                                     \
     HL_ISA_##isa_name,                                                                                      \
     (void (*)(void))hl_##op##_##isa_name,                                                                   \
     {.isa = #isa_name, __VA_ARGS__}},
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
#undef HL_KERNEL_V
};

/* Tests of one program: some of its own and one for each kernel, named so that a report says which. */
typedef struct kernel_tests {
    struct CMUnitTest tests[512];
    char              names[512][80];
    size_t            n;
} kernel_tests;

static inline void add_test(kernel_tests *t, const char *name, CMUnitTestFunction fn) {
    assert_true(t->n < sizeof t->tests / sizeof t->tests[0]);
    t->tests[t->n++] = (struct CMUnitTest){name, fn, NULL, NULL, NULL};
}

/* A test of each kernel whose operation is `op`; the test finds the line of the table in *state. `what`: of
 * several tests of one kernel, which. */
static inline void add_kernels(kernel_tests *t, const char *op, const char *what, CMUnitTestFunction fn) {
    for (size_t i = 0; i < sizeof kernel_table / sizeof kernel_table[0]; i++) {
        if (strcmp(kernel_table[i].op, op) != 0) continue;
        (void)snprintf(t->names[t->n], sizeof t->names[0], "%s%s%s", kernel_table[i].name, *what ? ": " : "",
                       what);
        add_test(t, t->names[t->n], fn);
        t->tests[t->n - 1].initial_state = (void *)(uintptr_t)&kernel_table[i];
    }
}

#define run_kernel_tests(t) _cmocka_run_group_tests(__FILE__, (t)->tests, (t)->n, NULL, NULL)

#endif
