/* SPDX-License-Identifier: MIT
 *
 * low_rank.c - adapters in a pass: A x of the rows that use some, and B of that, added to the base's results.
 *
 * A multiplies what the base's matrix does: activations of 8 bits where its weights are packed. Each product
 * is one of kernels.h, and what is added is added in the order of adapters and inner values, so the bits of a
 * row do not depend on what else is in the batch.
 */
#include "engine/forward/low_rank.h"

enum { ROWS_AT_ONCE = 8, FEW_MACS = 1 << 17 };

typedef struct hl_low_room {
    float *inner; /* [HL_MAX_LINEARS][rows][n_inner] */
    float *wide;  /* [threads][ROWS_AT_ONCE][widest input] activations as f32 */
    bool   is_used;
} hl_low_room;

void hl_low_lay_out(hl_pass *f, hl_bump *b) {
    const hl_loras *l = f->m->loras;
    const size_t    n_threads = (size_t)hl_pool_n_threads(f->m->engine->pool);
    hl_low_room     room = {.is_used = false};
    if (!l) return;
    f->low_rank = hl_bump_take(b, 1, sizeof room);
    room.inner = hl_bump_take(b, (size_t)HL_MAX_LINEARS * f->n_rows_cap * l->n_inner, sizeof *room.inner);
    room.wide = hl_bump_take(b, n_threads * ROWS_AT_ONCE * f->m->max_cols, sizeof *room.wide);
    if (f->low_rank) *f->low_rank = room;
}

void hl_low_begin(hl_pass *f) {
    bool is_used = false;
    if (!f->low_rank) return;
    for (uint32_t r = 0; r < f->n_rows; r++) is_used |= f->seqs[r]->lora != NULL;
    f->low_rank->is_used = is_used;
}

typedef struct low_chunks {
    hl_pass          *f;
    const hl_low_ask *asks;
    hl_low           *lows;
    uint32_t          n_rows, n_chunks; /* pieces of ROWS_AT_ONCE rows */
} low_chunks;

static float scale_of(const hl_pass *f, const hl_lora_part *p, size_t row) {
    const hl_lora_mix *mix = f->seqs[row]->lora;
    return mix ? mix->scales[p->i_adapter] : 0;
}

/* A row of packed activations as what its codes mean. */
static void widen(const hl_act *x, size_t row, float *ret) {
    const size_t n_planes = x->n_planes ? x->n_planes : 1, at = row * n_planes * x->n_cols;
    for (size_t c = 0; c < x->n_cols; c++) ret[c] = x->d[(at + c) / 32] * (float)x->q[at + c];
    if (n_planes < 2) return;
    const size_t second = at + x->n_cols;
    for (size_t c = 0; c < x->n_cols; c++) ret[c] += x->d[(second + c) / 32] * (float)x->q[second + c];
}

/* Rows [begin, end) as f32, one behind the other. */
static const float *as_f32(const low_chunks *c, const hl_low_ask *ask, size_t begin, size_t end,
                           uint32_t i_thread) {
    const hl_act *x = ask->x;
    float        *wide = c->f->low_rank->wide + (size_t)i_thread * ROWS_AT_ONCE * c->f->m->max_cols;
    if (!(hl_matrix_needs(ask->w) & HL_NEED_Q8)) return x->f32 + begin * x->n_cols;
    for (size_t r = begin; r < end; r++)
        if (c->f->seqs[r]->lora) widen(x, r, wide + (r - begin) * x->n_cols);
    return wide;
}

/* Inner values of one part, of rows that stand together and use it. */
static void run_part(const low_chunks *c, const hl_low *low, const hl_lora_part *p, const float *x,
                     size_t begin, size_t end, uint32_t i_thread) {
    const hl_loras *l = c->f->m->loras;
    const hl_matrix a = {.type = HL_TYPE_f32,
                         .n_rows = p->rank,
                         .n_cols = p->n_cols,
                         .row_bytes = p->n_cols * sizeof *p->a,
                         .data = p->a};
    const hl_act    in = {.n_tokens = end - begin, .n_cols = p->n_cols, .f32 = x, .n_planes = 1};
    float          *inner = c->f->low_rank->inner + (low->inner - c->f->low_rank->inner);
    hl_multiply(c->f, &a, 0, p->rank, &in, i_thread, inner + begin * l->n_inner + l->all[p->i_adapter].at,
                l->n_inner);
}

static void run_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const low_chunks *c = ctx;
    const hl_low_ask *ask = &c->asks[i_chunk / c->n_chunks];
    const hl_low     *low = &c->lows[i_chunk / c->n_chunks];
    const size_t      first = (size_t)(i_chunk % c->n_chunks) * ROWS_AT_ONCE;
    const size_t      last = first + ROWS_AT_ONCE < c->n_rows ? first + ROWS_AT_ONCE : c->n_rows;
    if (!low->parts || hl_pass_stopped(c->f)) return;
    const float *x = as_f32(c, ask, first, last, i_thread);
    for (size_t i = 0; i < low->n_parts; i++) {
        const hl_lora_part *p = &low->parts[i];
        for (size_t begin = first, end; begin < last; begin = end + 1) {
            for (end = begin; end < last && scale_of(c->f, p, end) != 0;) end++;
            if (end > begin) run_part(c, low, p, x + (begin - first) * p->n_cols, begin, end, i_thread);
        }
    }
}

void hl_low_run(hl_pass *f, const hl_low_ask *asks, uint32_t n, hl_low *ret) {
    const hl_loras *l = f->m->loras;
    uint64_t        macs = 0;
    for (uint32_t i = 0; i < n; i++) ret[i] = (hl_low){.n_inner = 0};
    if (!f->low_rank || !f->low_rank->is_used || n == 0) return;
    low_chunks c = {.f = f, .asks = asks, .lows = ret, .n_rows = (uint32_t)asks[0].x->n_tokens};
    if (!hl_pass_fits(f, HL_ROOM_LINEAR_ROWS, c.n_rows, f->n_rows) ||
        !hl_pass_fits(f, HL_ROOM_REGION_LINEARS, n, HL_MAX_LINEARS))
        return;
    for (uint32_t i = 0; i < n; i++) {
        ret[i].parts = hl_lora_find(l, asks[i].w->data, &ret[i].n_parts);
        ret[i].inner = f->low_rank->inner + (size_t)i * f->n_rows_cap * l->n_inner;
        ret[i].n_inner = l->n_inner;
        for (size_t k = 0; k < ret[i].n_parts; k++)
            macs += (uint64_t)c.n_rows * ret[i].parts[k].rank * ret[i].parts[k].n_cols;
    }
    if (macs == 0) return;
    c.n_chunks = (c.n_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    if (macs > FEW_MACS)
        hl_pool_run(f->pool, n * c.n_chunks, run_chunk, &c);
    else
        for (uint32_t i = 0; i < n * c.n_chunks; i++) run_chunk(&c, i, 0);
}

void hl_low_add(const hl_pass *f, const hl_low *low, size_t begin, size_t end, size_t n_rows, float *y,
                size_t y_stride) {
    for (size_t t = 0; t < n_rows; t++)
        for (size_t i = 0; i < low->n_parts; i++) {
            const hl_lora_part *p = &low->parts[i];
            const float         scale = scale_of(f, p, t);
            if (scale == 0) continue;
            f->k->add_low_rank(end - begin, p->rank, p->b + begin, p->b_stride,
                               low->inner + t * low->n_inner + f->m->loras->all[p->i_adapter].at,
                               scale * p->scale, y + t * y_stride);
        }
}
