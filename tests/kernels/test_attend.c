/* SPDX-License-Identifier: MIT
 *
 * test_attend.c - attention: the scalar definition against plain double arithmetic, every other version
 * against the scalar one bit for bit, and the promise that grouping queries changes nothing.
 */
#include "tests/kernels/kernel_test.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "engine/kernels/clamp.h"

enum { MAX_SPLITS = 5, MAX_PAGES = MAX_SPLITS * 4 };

static const char *const type_names[HL_N_KV_CACHE_TYPES] = {"f16", "f32", "bf16", "q8_0"};

typedef struct world {
    uint32_t         head_dim;
    hl_kv_cache_type type;
    float           *k, *v; /* [MAX_PAGES * 64][head_dim] as given to kv_write */
    float           *q;     /* [HL_ATTEND_MAX_QUERIES][head_dim] */
    uint8_t         *pages[MAX_PAGES];
    const float     *q_rows[HL_ATTEND_MAX_QUERIES];
    int32_t          q_pos[HL_ATTEND_MAX_QUERIES], q_first[HL_ATTEND_MAX_QUERIES];
    float           *o, *o2; /* [HL_ATTEND_MAX_QUERIES][head_dim] */
    float            max[HL_ATTEND_MAX_QUERIES], sum[HL_ATTEND_MAX_QUERIES];
    float            max2[HL_ATTEND_MAX_QUERIES], sum2[HL_ATTEND_MAX_QUERIES];
    void            *scratch;
} world;

static uint64_t seed = 88172645463325252u;

static uint32_t random_u32(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static float random_float(void) { return (float)random_u32() * 0x1p-31f - 1.0f; }

static void open_world(world *w, hl_kv_cache_type type, uint32_t head_dim) {
    memset(w, 0, sizeof *w);
    w->head_dim = head_dim, w->type = type;
    size_t n = MAX_PAGES * (size_t)HL_KV_PAGE_TOKENS * head_dim;
    w->k = hl_new_aligned(n, 4), w->v = hl_new_aligned(n, 4);
    w->q = hl_new_aligned(HL_ATTEND_MAX_QUERIES * head_dim, 4);
    w->o = hl_new_aligned(HL_ATTEND_MAX_QUERIES * head_dim, 4);
    w->o2 = hl_new_aligned(HL_ATTEND_MAX_QUERIES * head_dim, 4);
    w->scratch = hl_new_aligned(HL_ATTEND_SCRATCH_BYTES, 1);
    for (size_t i = 0; i < n; i++) w->k[i] = random_float() * 2, w->v[i] = random_float() * 3;
    for (size_t i = 0; i < HL_ATTEND_MAX_QUERIES * head_dim; i++) w->q[i] = random_float() * 2;
    for (size_t i = 0; i < MAX_PAGES; i++) w->pages[i] = hl_new_aligned(hl_kv_page_bytes(type, head_dim), 1);
}

static void close_world(world *w) {
    hl_free(w->k), hl_free(w->v), hl_free(w->q), hl_free(w->o), hl_free(w->o2), hl_free(w->scratch);
    for (size_t i = 0; i < MAX_PAGES; i++) hl_free(w->pages[i]);
}

/* Positions [0, n); the rest of the pages is NaN in every format. */
static void fill_pages(world *w, const hl_kernels *kernels, size_t n) {
    for (size_t i = 0; i < MAX_PAGES; i++) memset(w->pages[i], 0xff, hl_kv_page_bytes(w->type, w->head_dim));
    for (size_t i = 0; i < n; i++)
        kernels->kv_write(w->type, w->head_dim, i % HL_KV_PAGE_TOKENS, w->k + i * w->head_dim,
                          w->v + i * w->head_dim, w->pages[i / HL_KV_PAGE_TOKENS]);
}

/* What is stored, read back from the layout as attend.h documents it. */
static double stored_k(const world *w, size_t pos, size_t c) {
    const uint8_t *p = w->pages[pos / 64];
    size_t         i = pos % 64;
    if (w->type == HL_KV_CACHE_F32) return ((const float *)(const void *)p)[c * 64 + i];
    if (w->type == HL_KV_CACHE_F16) return hl_f32_of_f16(((const uint16_t *)(const void *)p)[c * 64 + i]);
    if (w->type == HL_KV_CACHE_BF16) return hl_f32_of_bf16(((const uint16_t *)(const void *)p)[c * 64 + i]);
    const uint16_t *d = (const uint16_t *)(const void *)(p + 64 * w->head_dim);
    return (p[(c / 4 * 64 + i) * 4 + c % 4] - 128) * (double)hl_f32_of_f16(d[c / 32 * 64 + i]);
}

static double stored_v(const world *w, size_t pos, size_t c) {
    const uint8_t *p = w->pages[pos / 64] + hl_kv_page_v_offset(w->type, w->head_dim);
    size_t         i = pos % 64 * w->head_dim + c;
    if (w->type == HL_KV_CACHE_F32) return ((const float *)(const void *)p)[i];
    if (w->type == HL_KV_CACHE_F16) return hl_f32_of_f16(((const uint16_t *)(const void *)p)[i]);
    if (w->type == HL_KV_CACHE_BF16) return hl_f32_of_bf16(((const uint16_t *)(const void *)p)[i]);
    const uint16_t *d = (const uint16_t *)(const void *)(p + 64 * w->head_dim);
    return (double)((const int8_t *)p)[i] * hl_f32_of_f16(d[pos % 64 * hl_kv_n_groups(w->head_dim) + c / 32]);
}

static hl_attend_in split_of(const world *w, uint32_t n_queries, int32_t begin, int32_t end, float softcap) {
    return (hl_attend_in){
        .kv_type = w->type,
        .head_dim = w->head_dim,
        .n_queries = n_queries,
        .q = w->q_rows,
        .q_pos = w->q_pos,
        .q_first = w->q_first,
        .qk_scale = 1.0f / sqrtf((float)w->head_dim),
        .softcap = softcap,
        .pos_begin = begin,
        .pos_end = end,
        .pages = (const uint8_t *const *)(const void *)(w->pages + begin / HL_KV_PAGE_TOKENS),
    };
}

/* Positions and windows of all queries; kind 0: decode at the end, 1: prefill rows, 2: anything. */
static void place_queries(world *w, int kind, int32_t n_pos, int32_t window) {
    for (int32_t i = 0; i < HL_ATTEND_MAX_QUERIES; i++) {
        w->q_rows[i] = w->q + (size_t)i * w->head_dim;
        int32_t pos = n_pos - 1;
        if (kind == 1) pos = n_pos - HL_ATTEND_MAX_QUERIES / 4 + i / 4;
        if (kind == 2) pos = (int32_t)(random_u32() % (uint32_t)(n_pos + 40));
        w->q_pos[i] = pos < 0 ? 0 : pos;
        w->q_first[i] = window > 0 && pos >= window ? pos - window + 1 : 0;
    }
}

/* Plain softmax attention in double over all positions that the query sees. */
static void reference(const world *w, size_t i_query, int32_t n_pos, double softcap, double *ret_o) {
    int32_t last = w->q_pos[i_query] < n_pos - 1 ? w->q_pos[i_query] : n_pos - 1;
    double  s[MAX_PAGES * 64], max = -1e300, total = 0;
    for (int32_t pos = w->q_first[i_query]; pos <= last; pos++) {
        double acc = 0;
        for (size_t c = 0; c < w->head_dim; c++) acc += w->q_rows[i_query][c] * stored_k(w, (size_t)pos, c);
        acc /= sqrt(w->head_dim);
        s[pos] = softcap != 0 ? softcap * tanh(acc / softcap) : acc;
        max = s[pos] > max ? s[pos] : max;
    }
    for (size_t c = 0; c < w->head_dim; c++) ret_o[c] = 0;
    for (int32_t pos = w->q_first[i_query]; pos <= last; pos++) total += exp(s[pos] - max);
    for (int32_t pos = w->q_first[i_query]; pos <= last; pos++)
        for (size_t c = 0; c < w->head_dim; c++)
            ret_o[c] += exp(s[pos] - max) / total * stored_v(w, (size_t)pos, c);
}

static void check_against_reference(hl_kv_cache_type type, uint32_t head_dim, int32_t n_pos, int32_t window,
                                    float softcap) {
    hl_kernels kernels;
    hl_kernels_select(0, &kernels);
    world w;
    open_world(&w, type, head_dim);
    fill_pages(&w, &kernels, (size_t)n_pos);
    place_queries(&w, 1, n_pos, window);
    enum { N = 9 };
    size_t  n_splits = (size_t)(n_pos + HL_ATTEND_SPLIT - 1) / HL_ATTEND_SPLIT;
    float  *o = hl_new(n_splits * N * head_dim, 4), max[MAX_SPLITS * N], sum[MAX_SPLITS * N];
    double *expected = hl_new(head_dim, sizeof(double));
    for (size_t i = 0; i < n_splits; i++) {
        int32_t      begin = (int32_t)i * HL_ATTEND_SPLIT, end = begin + HL_ATTEND_SPLIT;
        hl_attend_in in = split_of(&w, N, begin, end < n_pos ? end : n_pos, softcap);
        kernels.attend(&in, o + i * N * head_dim, max + i * N, sum + i * N, w.scratch);
    }
    /* The query of q8_0 is quantized, with an error of up to 1/254 of its largest element a column. */
    double limit = type == HL_KV_CACHE_Q8_0 ? 4e-2 : 4e-6;
    for (size_t i = 0; i < N; i++) {
        kernels.attend_merge(head_dim, (uint32_t)n_splits, o + i * head_dim, N * head_dim, max + i, sum + i,
                             N, w.o);
        reference(&w, i, n_pos, softcap, expected);
        for (size_t c = 0; c < head_dim; c++)
            if (!(fabs(w.o[c] - expected[c]) <= limit))
                fail_msg("%s head_dim %u query %zu column %zu: %g, expected %g", type_names[type], head_dim,
                         i, c, (double)w.o[c], expected[c]);
    }
    hl_free(o), hl_free(expected);
    close_world(&w);
}

static void the_scalar_definition_is_softmax_attention(void **state) {
    (void)state;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        check_against_reference(type, 64, 100, 0, 0);
        check_against_reference(type, 80, 1025, 0, 0);
        check_against_reference(type, 8, 513, 130, 0);
        check_against_reference(type, 72, 300, 17, 20.0f);
        check_against_reference(type, 512, 65, 0, 30.0f);
    }
}

static void keys_and_values_are_stored_close_to_what_they_were(void **state) {
    (void)state;
    static const double limits[HL_N_KV_CACHE_TYPES] = {3.0 / 2048, 0, 3.0 / 256, 3.0 / 254 * 1.01};
    hl_kernels          kernels;
    hl_kernels_select(0, &kernels);
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        world w;
        open_world(&w, type, 104);
        fill_pages(&w, &kernels, 130);
        for (size_t i = 0; i < 130 * 104; i++) {
            assert_true(fabs(stored_k(&w, i / 104, i % 104) - w.k[i]) <= limits[type]);
            assert_true(fabs(stored_v(&w, i / 104, i % 104) - w.v[i]) <= limits[type]);
        }
        close_world(&w);
    }
}

/* Run fn for the instruction set in *state, as for a processor that has no more. */
typedef void version_fn(const hl_kernels *scalar, const hl_kernels *fast, const char *name);

static void try_version(void **state, version_fn *fn) {
    const kernel *k = *state;
    hl_kernels    plain, fast;
    need_isa(k->isa);
    hl_kernels_select(0, &plain);
    hl_kernels_select(hl_isa_needs(k->isa), &fast);
    fn(&plain, &fast, hl_isa_name(k->isa));
}

/* Whether there is nothing to compare, which may be so of the definition only. */
static bool is_scalar(const char *name, bool is_same) {
    if (is_same) assert_string_equal(name, "scalar");
    return is_same;
}

/* Compare one call of both versions bit for bit. */
static void compare_attend(const hl_kernels *scalar, const hl_kernels *fast, const char *name, world *w,
                           const hl_attend_in *in) {
    scalar->attend(in, w->o, w->max, w->sum, w->scratch);
    memset(w->o2, 0xff, (size_t)HL_ATTEND_MAX_QUERIES * w->head_dim * 4);
    fast->attend(in, w->o2, w->max2, w->sum2, w->scratch);
    for (size_t i = 0; i < in->n_queries; i++) {
        if (memcmp(&w->max[i], &w->max2[i], 4) || memcmp(&w->sum[i], &w->sum2[i], 4))
            fail_msg("%s %s head_dim %u query %zu of %u: max %a sum %a, expected %a %a", name,
                     type_names[w->type], w->head_dim, i, in->n_queries, (double)w->max2[i],
                     (double)w->sum2[i], (double)w->max[i], (double)w->sum[i]);
        for (size_t c = i * w->head_dim; c < (i + 1) * w->head_dim; c++)
            if (memcmp(&w->o[c], &w->o2[c], 4))
                fail_msg("%s %s head_dim %u query %zu of %u column %zu: %a, expected %a", name,
                         type_names[w->type], w->head_dim, i, in->n_queries, c % w->head_dim,
                         (double)w->o2[c], (double)w->o[c]);
    }
}

static void compare_version(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const uint32_t dims[] = {64, 128, 80, 96, 256, 8, 24, 72, 120, 504, 512};
    static const uint32_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 24, 25, 29, 64};
    if (is_scalar(name, fast->attend == scalar->attend)) return;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            world w;
            open_world(&w, type, dims[i]);
            for (int round = 0; round < 6; round++) {
                int32_t n_pos = 1 + (int32_t)(random_u32() % 512);
                fill_pages(&w, scalar, (size_t)n_pos);
                place_queries(&w, round % 3, n_pos, round == 2 ? 33 : round == 5 ? 100 : 0);
                int32_t      begin = (n_pos - 1) / HL_ATTEND_SPLIT * HL_ATTEND_SPLIT;
                hl_attend_in in = split_of(
                    &w, counts[(i * 3 + (size_t)round * 7 + (size_t)type) % (sizeof counts / sizeof *counts)],
                    begin, n_pos, round == 4 ? 10.0f : 0);
                compare_attend(scalar, fast, name, &w, &in);
            }
            close_world(&w);
        }
    }
}

static void a_version_equals_the_scalar_one(void **state) { try_version(state, compare_version); }

static void compare_extremes(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const float odd[] = {0,     -0.0f,  1e-40f, -1e-38f,  65520,     -1e30f,
                                3e38f, 1e-30f, 127,    INFINITY, -INFINITY, NAN};
    if (is_scalar(name, fast->attend == scalar->attend)) return;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        world w;
        open_world(&w, type, 96);
        for (int round = 0; round < 8; round++) {
            /* Odd values in keys and values always; in queries only finite ones, small or large. */
            for (size_t i = 0; i < 256 * 96; i++) {
                uint32_t r = random_u32();
                w.k[i] = r % 5 == 0 && round > 2 ? odd[r / 5 % 12] : random_float() * 1e-3f;
                w.v[i] = r % 3 == 0 ? odd[r / 5 % 12] : random_float() * (round % 2 ? 1e-36f : 1.0f);
            }
            for (size_t i = 0; i < 64 * 96; i++) w.q[i] = random_float() * (round < 6 ? 1e-33f : 60.0f);
            for (size_t i = 0; i < 96; i++)
                w.q[i] = 0, w.q[96 + i] = 1e-38f, w.q[192 + i] = i == 40 ? 1e30f : 1;
            fill_pages(&w, scalar, 256);
            place_queries(&w, 2, 256, 0);
            hl_attend_in in = split_of(&w, 11, 0, 256, 0);
            in.qk_scale = round == 7 ? 1e3f : 1.0f;
            scalar->attend(&in, w.o, w.max, w.sum, w.scratch);
            fast->attend(&in, w.o2, w.max2, w.sum2, w.scratch);
            for (size_t i = 0; i < 11 * 96; i++) {
                if (isnan(w.o[i]) && isnan(w.o2[i])) continue;
                if (memcmp(&w.o[i], &w.o2[i], 4))
                    fail_msg("%s %s round %d query %zu: %a, expected %a", name, type_names[type], round,
                             i / 96, (double)w.o2[i], (double)w.o[i]);
            }
        }
        close_world(&w);
    }
}

static void a_version_equals_the_scalar_one_on_extreme_numbers(void **state) {
    try_version(state, compare_extremes);
}

static void compare_grouping(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    (void)scalar;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        world w;
        open_world(&w, type, 72);
        fill_pages(&w, fast, 500);
        place_queries(&w, 2, 500, 0);
        hl_attend_in all = split_of(&w, 64, 256, 500, 0);
        fast->attend(&all, w.o, w.max, w.sum, w.scratch);
        for (uint32_t at = 0; at < 64;) {
            uint32_t n = 1 + random_u32() % 9;
            if (n > 64 - at) n = 64 - at;
            hl_attend_in some = all;
            some.n_queries = n, some.q = w.q_rows + at, some.q_pos = w.q_pos + at,
            some.q_first = w.q_first + at;
            fast->attend(&some, w.o2, w.max2, w.sum2, w.scratch);
            if (memcmp(w.o2, w.o + at * 72, n * 72 * 4) || memcmp(w.max2, w.max + at, n * 4) ||
                memcmp(w.sum2, w.sum + at, n * 4))
                fail_msg("%s %s: queries %u..%u alone differ", name, type_names[type], at, at + n);
            at += n;
        }
        close_world(&w);
    }
}

static void a_query_gives_the_same_bits_in_any_company(void **state) { try_version(state, compare_grouping); }

static void compare_writes(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const uint32_t dims[] = {64, 80, 8, 128, 104, 512};
    static const float    odd[] = {0,      -0.0f,   1e-40f, 65504,    65519,     65520,
                                   -1e30f, 3.4e38f, 1e-7f,  INFINITY, -INFINITY, NAN};
    if (is_scalar(name, fast->kv_write == scalar->kv_write)) return;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            world w;
            open_world(&w, type, dims[i]);
            size_t n = hl_kv_page_bytes(type, dims[i]);
            for (size_t slot = 0; slot < 64; slot += 7) {
                for (size_t c = 0; c < dims[i]; c++) {
                    uint32_t r = random_u32();
                    if (slot % 2)
                        w.k[c] = odd[r % (slot == 63 ? 12 : 5)], w.v[c] = odd[r / 12 % 12];
                    else
                        w.k[c] = random_float() * (r % 2 ? 1e-4f : 1e-8f), w.v[c] = random_float() * 300;
                }
                memset(w.pages[0], 0x55, n), memset(w.pages[1], 0x55, n);
                scalar->kv_write(type, dims[i], slot, w.k, w.v, w.pages[0]);
                fast->kv_write(type, dims[i], slot, w.k, w.v, w.pages[1]);
                if (memcmp(w.pages[0], w.pages[1], n))
                    fail_msg("%s %s head_dim %u slot %zu: pages differ", name, type_names[type], dims[i],
                             slot);
            }
            close_world(&w);
        }
    }
}

static void a_version_stores_the_same_bytes(void **state) { try_version(state, compare_writes); }

/* Pages of keys alone, whose first columns are the values, and their values. */
static void compare_values(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const uint32_t shapes[][2] = {{64, 64}, {80, 72}, {8, 8}, {104, 96}, {576, 512}, {40, 24}};
    if (is_scalar(name, fast->kv_values == scalar->kv_values)) return;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            world        w;
            const size_t n = hl_kv_page_bytes(type, shapes[i][0]);
            open_world(&w, type, shapes[i][0]);
            for (size_t k = 0; k < n / 2; k++) w.pages[0][k] = (uint8_t)random_u32();
            memset(w.pages[1], 0x55, n), memset(w.pages[2], 0x55, n);
            scalar->kv_values(type, shapes[i][0], shapes[i][1], w.pages[0], w.pages[1]);
            fast->kv_values(type, shapes[i][0], shapes[i][1], w.pages[0], w.pages[2]);
            if (memcmp(w.pages[1], w.pages[2], n))
                fail_msg("%s %s head_dim %u, %u columns: values differ", name, type_names[type], shapes[i][0],
                         shapes[i][1]);
            close_world(&w);
        }
    }
}

static void a_version_makes_the_same_values_of_keys(void **state) { try_version(state, compare_values); }

/* What comes out is what comes out of whole pages that were given the first columns of keys as values. */
static void compare_keys_alone(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const uint32_t shapes[][2] = {{576, 512}, {72, 64}, {40, 32}, {104, 96}};
    static const uint32_t counts[] = {1, 4, 16, 64};
    (void)scalar;
    for (int type = 0; type < HL_N_KV_CACHE_TYPES; type++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const uint32_t head_dim = shapes[i][0], n_cols = shapes[i][1];
            const uint8_t *values[4];
            world          w;
            open_world(&w, type, head_dim);
            for (size_t k = 0; k < 256 * (size_t)head_dim; k++)
                w.v[k] = k % head_dim < n_cols ? w.k[k] : 0.0f;
            fill_pages(&w, fast, 200);
            place_queries(&w, 2, 200, 0);
            hl_attend_in in = split_of(&w, counts[i], 0, 200, 0);
            fast->attend(&in, w.o, w.max, w.sum, w.scratch);
            for (size_t p = 0; p < 4; p++) {
                uint8_t *whole = w.pages[p], *keys = w.pages[4 + p], *to = w.pages[8 + p];
                memset(whole, 0xff, hl_kv_page_bytes(type, head_dim));
                memset(keys, 0xff, hl_kv_page_bytes(type, head_dim));
                memset(to, 0xff, hl_kv_page_bytes(type, head_dim));
                for (size_t slot = 0; slot < 64 && p * 64 + slot < 200; slot++)
                    fast->kv_write(type, head_dim, slot, w.k + (p * 64 + slot) * head_dim, NULL, keys);
                fast->kv_values(type, head_dim, n_cols, keys, to);
                values[p] = to;
            }
            in.pages = (const uint8_t *const *)(const void *)(w.pages + 4), in.values = values;
            fast->attend(&in, w.o2, w.max2, w.sum2, w.scratch);
            if (memcmp(w.max, w.max2, counts[i] * 4) || memcmp(w.sum, w.sum2, counts[i] * 4))
                fail_msg("%s %s head_dim %u: sums differ", name, type_names[type], head_dim);
            for (size_t q = 0; q < counts[i]; q++)
                if (memcmp(w.o + q * head_dim, w.o2 + q * head_dim, n_cols * 4))
                    fail_msg("%s %s head_dim %u query %zu differs", name, type_names[type], head_dim, q);
            close_world(&w);
        }
    }
}

static void keys_alone_give_the_bits_of_whole_pages(void **state) { try_version(state, compare_keys_alone); }

static void compare_merges(const hl_kernels *scalar, const hl_kernels *fast, const char *name) {
    static const uint32_t dims[] = {64, 8, 24, 80, 128, 504, 512};
    float                 o[7 * 520], max[14], sum[14], expected[512], got[512];
    if (is_scalar(name, fast->attend_merge == scalar->attend_merge)) return;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (uint32_t n = 0; n < 8; n++) {
            for (size_t j = 0; j < 7 * 520; j++) o[j] = random_float();
            for (size_t j = 0; j < 14; j++) {
                max[j] = random_u32() % 3 == 0 ? -INFINITY : random_float() * 100;
                sum[j] = max[j] == -INFINITY ? 0 : 1 + random_float();
            }
            scalar->attend_merge(dims[i], n, o, 520, max, sum, 2, expected);
            fast->attend_merge(dims[i], n, o, 520, max, sum, 2, got);
            if (memcmp(expected, got, dims[i] * 4))
                fail_msg("%s head_dim %u, %u splits differ", name, dims[i], n);
        }
    }
}

static void a_version_merges_to_the_same_bits(void **state) { try_version(state, compare_merges); }

static void exp_and_tanh_are_close(void **state) {
    (void)state;
    for (double x = -87.3; x < 88.7; x += 0.00153)
        assert_true(fabs(hl_exp_approx((float)x) / exp((float)x) - 1) < 1.2e-7);
    for (double x = 1e-6; x < 12; x *= 1.0003) {
        assert_true(fabs(hl_tanh_approx((float)x) / tanh((float)x) - 1) < 2.4e-7);
        assert_true(hl_tanh_approx((float)-x) == -hl_tanh_approx((float)x));
    }
    assert_true(hl_exp_approx(-INFINITY) == 0 && hl_exp_approx(-1e30f) == 0 && hl_exp_approx(0) == 1);
    assert_true(isinf(hl_exp_approx(INFINITY)) && isnan(hl_exp_approx(NAN)) && isnan(hl_tanh_approx(NAN)));
    assert_true(hl_tanh_approx(INFINITY) == 1 && hl_tanh_approx(-INFINITY) == -1);
    assert_true(fabs(hl_exp_approx(-100.0f) / exp(-100.0) - 1) < 0.02); /* a denormal */
}

int main(void) {
    static kernel_tests t;
    add_test(&t, "exp_and_tanh_are_close", exp_and_tanh_are_close);
    add_test(&t, "the_scalar_definition_is_softmax_attention", the_scalar_definition_is_softmax_attention);
    add_test(&t, "keys_and_values_are_stored_close_to_what_they_were",
             keys_and_values_are_stored_close_to_what_they_were);
    add_kernels(&t, "kv_write", "", a_version_stores_the_same_bytes);
    add_kernels(&t, "kv_values", "", a_version_makes_the_same_values_of_keys);
    add_kernels(&t, "attend", "keys alone", keys_alone_give_the_bits_of_whole_pages);
    add_kernels(&t, "attend", "", a_version_equals_the_scalar_one);
    add_kernels(&t, "attend", "extreme numbers", a_version_equals_the_scalar_one_on_extreme_numbers);
    add_kernels(&t, "attend", "any company", a_query_gives_the_same_bits_in_any_company);
    add_kernels(&t, "attend_merge", "", a_version_merges_to_the_same_bits);
    return run_kernel_tests(&t);
}
