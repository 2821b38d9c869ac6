/* SPDX-License-Identifier: MIT
 *
 * gemv_avx512vnni.c - y = W x for few tokens: strips of 16 rows, 256 columns at a time, vpdpbusd. Compiled
 * once per weight type.
 *
 * Codes are multiplied with all tokens of the call while they are in registers. The 16 rows of a strip are
 * not neighbours: each is the next of a stream of rows, a sixteenth of the call's rows, that is read from its
 * beginning to its end. So every stream lies in pages of its own, where the second-level cache's prefetcher
 * follows it; it follows one stream in a page, and would lose 16 that walk through four or five pages
 * together. Some bytes of each stream are also prefetched by hand, into the second-level cache: prefetches
 * into the first level wait in its few miss buffers and reach less than half of the bandwidth.
 *
 * exact?   yes: the bits of the scalar definition (but for what is not finite: kernels.h)
 * limit    memory
 */
#define HL_DOT(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#include "engine/kernels/wtype.h"
#include "engine/kernels/x86/decode_avx512.h"
#include "engine/kernels/x86/tile_avx512.h"

enum {
    PREFETCH_DISTANCE = 512, /* bytes */
    MIN_STREAM_BYTES =
        6144, /* shorter streams cost more at their ends than they bring: then the rows are neighbours */
    WAY_BYTES = 4096, /* of the first-level cache: lines so far apart compete for the same places */
};

/* Prefetch what the first strip reads before its own prefetches arrive: PREFETCH_DISTANCE bytes of every row,
 * row_bytes apart. */
HL_INLINE void prefetch_first(const uint8_t *w, size_t row_bytes) {
    const size_t own =
        row_bytes < PREFETCH_DISTANCE ? row_bytes : PREFETCH_DISTANCE; /* the next row brings the rest */
    for (int r = 0; r < ROWS16; r++, w += row_bytes)
        for (size_t b = 0; b < (r < ROWS16 - 1 ? own : PREFETCH_DISTANCE); b += 64)
            _mm_prefetch((const char *)w + b, _MM_HINT_T1);
}

/* One strip, rows row_bytes apart, times T tokens; n_rows < 16 only in the last strip. Row i of it is row i
 * y_step of y. */
HL_INLINE void multiply_strip(const int T, decode16_fn *decode, const bool g16, const bool has_min,
                              int32_t offset, size_t block_bytes, const uint8_t *w, size_t row_bytes,
                              size_t n_rows, const hl_act *x, size_t token, size_t after, float *y,
                              size_t y_step, size_t y_stride) {
    row_stage          stage;
    tile_sums          sums[SINK_TOKENS];
    sink               s;
    size_t             left = x->n_cols * block_bytes / TILE_COLS; /* of a row */
    tile_in            in = {.n_cols = x->n_cols, .offset = offset};
    _Alignas(32) float scales[SINK_TOKENS][TILE_GROUPS];
    HL_UNROLL for (int t = 0; t < T; t++) s.acc[t] = _mm512_setzero_ps();
    for (size_t c = 0; c < x->n_cols; c += TILE_COLS, w += block_bytes) {
        const size_t   n = x->n_cols - c < TILE_COLS ? x->n_cols - c : TILE_COLS;
        const size_t   bytes = block_bytes * n / TILE_COLS;
        const uint8_t *p = w;
        size_t         stride = row_bytes;
        s.prefetch = NULL;
        s.prefetch_stride = row_bytes;
        s.prefetch_bytes = block_bytes;
        if (n_rows < ROWS16) {
            stage_rows(&stage, w, row_bytes, n_rows, bytes);
            p = stage.bytes[0];
            stride = BLOCK_BYTES_MAX;
        } else if (token == 0) {
            s.prefetch = w + PREFETCH_DISTANCE + (left > PREFETCH_DISTANCE ? 0 : after);
        }
        left -= bytes;
        in.n_groups = n / 32;
        in.sum16 = x->sum16 + token * (x->n_cols / 16) + c / 16;
        prepare_sums(sums, &in, T, g16, has_min);
        const float *d = x->d + token * (x->n_cols / 32) + c / 32;
        HL_UNROLL for (int t = 0; t < T; t++, d += x->n_cols / 32)
            _mm256_store_ps(scales[t], _mm256_maskz_loadu_ps((__mmask8)((1u << in.n_groups) - 1), d));
        address_tokens(&s, x->q + token * x->n_cols + c, x->n_cols);
        s.d = scales[0];
        s.sums = sums[0].v[0];
        HL_OPAQUE_MEMORY(s.sums);
        decode(T, &s, p, stride, n);
    }
    const __mmask16 m = n_rows < ROWS16 ? (__mmask16)((1u << n_rows) - 1) : 0xffff;
    const __m512i   lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i   to = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)y_step));
    y += token * y_stride;
    HL_UNROLL for (int t = 0; t < T; t++, y += y_stride) _mm512_mask_i32scatter_ps(y, m, to, s.acc[t], 4);
}

/* How many of the tokens left to take at once. Every size is an unrolled copy of the kernel, so types that
 * few models use have fewer (kernels.def). */
HL_INLINE int next_tokens(size_t left, const bool all_sizes) {
    if (!all_sizes) return left >= 4 ? 4 : left >= 2 ? 2 : 1;
    return left >= SINK_TOKENS ? SINK_TOKENS : (int)left;
}

/* How many rows lie from one row of a strip to the next: the length of a stream. */
HL_INLINE size_t stream_rows(size_t n_rows, size_t row_bytes) {
    size_t n = n_rows / ROWS16;
    if (n < 2 || n * row_bytes < MIN_STREAM_BYTES) return 1;
    if ((n * row_bytes + WAY_BYTES / 16) % WAY_BYTES < WAY_BYTES / 8) n--; /* what is left over comes after */
    return n;
}

HL_INLINE void multiply_rows(decode16_fn *decode, const bool all_sizes, const bool g16, const bool has_min,
                             int32_t offset, size_t block_bytes, size_t n_rows, const void *w,
                             size_t row_bytes, const hl_act *x, float *y, size_t y_stride) {
#define TOKENS(T)                                                                                            \
    multiply_strip(T, decode, g16, has_min, offset, block_bytes, strip, stride, n, x, t, after, y + i,       \
                   n_stream, y_stride)
    for (size_t r = 0; r < n_rows;) {
        const size_t n = n_rows - r < ROWS16 ? n_rows - r : ROWS16;
        const size_t n_stream = stream_rows(n_rows - r, row_bytes), stride = n_stream * row_bytes;
        const size_t after =
            n_stream > 1 ? 0 : (ROWS16 - 1) * row_bytes; /* from the end of a row to the next of its lane */
        const uint8_t *strip = (const uint8_t *)w + r * row_bytes;
        if (n == ROWS16 && (n_stream > 1 || r == 0)) prefetch_first(strip, stride);
        for (size_t i = r; i < r + n_stream; i++, strip += row_bytes) {
            for (size_t t = 0; t < x->n_tokens;) {
                const int take = next_tokens(x->n_tokens - t, all_sizes);
                if (take == 1) TOKENS(1);
                if (take == 2) TOKENS(2);
                if (all_sizes && take == 3) TOKENS(3);
                if (take == 4) TOKENS(4);
                if (all_sizes && take == 5) TOKENS(5);
                if (all_sizes && take == 6) TOKENS(6);
                if (all_sizes && take == 7) TOKENS(7);
                if (all_sizes && take == 8) TOKENS(8);
                t += (size_t)take;
            }
        }
        r += n_stream * n;
    }
#undef TOKENS
}

/* Constants are handed on as arguments, one by one: in structs, or named in the functions above, compilers
 * see them later and allocate registers otherwise. */
void HL_KERNEL_NAME(gemv, avx512vnni)(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x,
                                      float *y, size_t y_stride) {
    multiply_rows(HL_TYPED(decode16), HL_FACTS_OF(gemv, avx512vnni).max_tokens == SINK_TOKENS,
                  HL_TYPED(HL_GROUP) == 16, HL_TYPED(HL_HAS_MIN), HL_TYPED(HL_OFFSET), HL_BLOCK256, n_rows, w,
                  row_bytes, x, y, y_stride);
}
