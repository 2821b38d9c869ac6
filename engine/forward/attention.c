/* SPDX-License-Identifier: MIT
 *
 * attention.c - attend: in parallel over heads, tiles of rows, and splits.
 *
 * The unit is (span of rows of one sequence, KV head, tile of its rows): all query heads of the KV head for
 * those rows read each key once. Where a KV head has more query heads than a kernel takes at once, they are
 * cut into even parts that are units of their own. Positions are cut into splits of fixed length whose
 * partial results are merged in order, so the same bits come out whether one thread walks all splits of an
 * item (prompts: many items) or several do (decoding: few rows, long context).
 */
#include <math.h>
#include <string.h>

#include "engine/forward/drafts.h"
#include "engine/forward/forward_priv.h"

typedef struct attend_ctx {
    hl_pass        *f;
    const hl_layer *l;
    uint32_t        i_cache;     /* the layer of a block that has what it reads */
    const float    *sinks;       /* [n_heads] scores of nothing at all; NULL: none */
    bool            sees_all;    /* rows see what stands behind them, too */
    float           max_bias;    /* of scores that fall with the distance; 0: they do not */
    bool            sees_past;   /* rows see what stands before them alone */
    bool            sees_run;    /* rows see all rows of their run in the batch */
    bool            skips_first; /* rows do not see the first position */
    bool            in_chunks;   /* a window is the row's part of the context, which is cut into such */
    uint32_t        n_parts;     /* that the query heads of a KV head are cut into */
    uint32_t        part_heads;  /* of the largest part */
    uint32_t        tile_rows;   /* rows per item */
    uint32_t        n_items;     /* (span, tile) pairs, of one part of one KV head */
    uint32_t        n_splits;    /* in split mode: most splits of an item; 0 otherwise */
    uint32_t        per_chunk;   /* in split mode: splits of one item in a chunk */
} attend_ctx;

/* One item: rows [begin, end) of a span, some query heads of one KV head. */
typedef struct attend_item {
    uint32_t begin, end, kv;
    uint32_t head, n_heads; /* of all query heads, those from `head` on */
    int32_t  first_pos;     /* first position that some row sees */
    int32_t  last_pos;
    int32_t  text_last; /* of the run */
} attend_item;

static int32_t first_visible(const attend_ctx *c, int32_t pos) {
    const int32_t window = (int32_t)c->l->p->window, half = window / 2;
    if (c->sees_all) return window > 0 && pos > half ? pos - half : 0;
    if (c->in_chunks && window > 0) return pos / window * window;
    if (c->skips_first && pos > 0 && (window == 0 || pos < window)) return 1;
    return window > 0 && pos >= window ? pos - window + 1 : 0;
}

static int32_t last_visible(const attend_ctx *c, const attend_item *it, int32_t pos) {
    const int32_t window = (int32_t)c->l->p->window, half = window / 2;
    if (c->sees_past) return pos - 1;
    if (c->sees_run) return it->text_last;
    if (!c->sees_all) return pos;
    return window > 0 && pos < it->text_last - half ? pos + half : it->text_last;
}

/* Items are numbered from the end of the batch: later rows see more and cost more, so they go first. */
static attend_item find_item(const attend_ctx *c, uint32_t i) {
    const hl_pass         *f = c->f;
    const hl_layer_params *p = c->l->p;
    const uint32_t         group = p->n_heads / p->n_kv_heads, part = i % c->n_parts;
    attend_item            it = {.kv = i / c->n_parts % p->n_kv_heads};
    uint32_t               tile = c->n_items - 1 - i / (p->n_kv_heads * c->n_parts);
    it.head = it.kv * group + group * part / c->n_parts;
    it.n_heads = it.kv * group + group * (part + 1) / c->n_parts - it.head;
    for (uint32_t r = 0; r < f->n_seq_spans; r++) {
        const hl_seq_span span = f->seq_spans[r];
        const uint32_t    n_tiles = (span.end - span.begin + c->tile_rows - 1) / c->tile_rows;
        if (tile >= n_tiles) {
            tile -= n_tiles;
            continue;
        }
        it.text_last = f->pos[span.end - 1];
        it.begin = span.begin + tile * c->tile_rows;
        it.end = it.begin + c->tile_rows < span.end ? it.begin + c->tile_rows : span.end;
        break;
    }
    it.first_pos = first_visible(c, f->pos[it.begin]);
    it.last_pos = last_visible(c, &it, f->pos[it.end - 1]);
    return it;
}

typedef struct attend_queries {
    const float *q[HL_ATTEND_MAX_QUERIES];
    int32_t      pos[HL_ATTEND_MAX_QUERIES];
    int32_t      first[HL_ATTEND_MAX_QUERIES];
    int32_t      at[HL_ATTEND_MAX_QUERIES]; /* only with slopes, as those */
    float        slope[HL_ATTEND_MAX_QUERIES];
    uint32_t     n;
} attend_queries;

/* Powers of 2^(-max / n) for the first n heads, n the largest power of two; between them for the rest.
 * from: "Train short, test long", arXiv 2108.12409, and its published code */
static float slope_of_head(const attend_ctx *c, uint32_t head) {
    const double max = (double)c->max_bias;
    uint32_t     n = 1;
    while (2 * n <= c->l->p->n_heads) n *= 2;
    return (float)(head < n ? exp2(-max * (head + 1) / n) : exp2(-max / 2 * (2 * (head - n) + 1) / n));
}

/* False: there are more than a kernel takes. */
static bool fill_queries(const attend_ctx *c, const attend_item *it, attend_queries *ret) {
    ret->n = 0;
    if (!hl_pass_fits(c->f, HL_ROOM_TILE_QUERIES, (size_t)(it->end - it->begin) * it->n_heads,
                      HL_ATTEND_MAX_QUERIES))
        return false;
    for (uint32_t r = it->begin; r < it->end; r++) {
        for (uint32_t h = it->head; h < it->head + it->n_heads; h++) {
            ret->q[ret->n] = hl_query_of(c->f, c->l->p, r, h);
            ret->pos[ret->n] = last_visible(c, it, c->f->pos[r]);
            ret->first[ret->n] = first_visible(c, c->f->pos[r]);
            ret->at[ret->n] = c->f->pos[r];
            if (c->max_bias > 0) ret->slope[ret->n] = slope_of_head(c, h);
            ret->n++;
        }
    }
    return true;
}

enum { SPLIT_PAGES = HL_ATTEND_SPLIT / HL_KV_PAGE_TOKENS };

/* Values of pages that are of keys alone, for as long as a split takes. */
static void make_values(const attend_ctx *c, hl_kv_cache_type type, const uint8_t *const *pages, uint8_t *to,
                        const uint8_t **ret_values) {
    const hl_layer_params *p = c->l->p;
    const size_t           n_bytes = hl_kv_page_v_offset(type, p->head_room);
    for (size_t i = 0; i < SPLIT_PAGES && pages[i]; i++, to += n_bytes) {
        c->f->k->kv_values(type, p->head_room, (p->v_dim + 7) / 8 * 8, pages[i], to);
        ret_values[i] = to;
    }
}

static void attend_split(const attend_ctx *c, const attend_item *it, const attend_queries *q, int32_t i_split,
                         float *o, float *max, float *sum, const hl_thread_scratch *ts) {
    const hl_pass    *f = c->f;
    const hl_seq     *s = f->seqs[it->begin];
    const hl_kv_host *store = hl_kv_pool_store(s->pool);
    const int32_t     begin = i_split * HL_ATTEND_SPLIT;
    const int32_t  end = begin + HL_ATTEND_SPLIT <= it->last_pos ? begin + HL_ATTEND_SPLIT : it->last_pos + 1;
    const uint8_t *pages[SPLIT_PAGES] = {0}, *values[SPLIT_PAGES] = {0};
    for (int32_t p = begin; p < end; p += HL_KV_PAGE_TOKENS)
        pages[(p - begin) / HL_KV_PAGE_TOKENS] =
            hl_kv_host_page(store, s->blocks[p / HL_KV_PAGE_TOKENS], c->i_cache, it->kv);
    if (c->l->p->v_in_k) make_values(c, hl_kv_pool_shape(s->pool)->type, pages, ts->values, values);
    /* The pages of the next split are far away in memory: let the kernel fetch ahead of itself. */
    const bool         has_next = begin + HL_ATTEND_SPLIT <= it->last_pos;
    const hl_attend_in in = {
        .kv_type = hl_kv_pool_shape(s->pool)->type,
        .head_dim = c->l->p->head_room,
        .n_queries = q->n,
        .q = q->q,
        .q_pos = q->pos,
        .q_first = q->first,
        .qk_scale = c->l->p->qk_scale,
        .softcap = f->m->hp.attn_softcap,
        .slopes = c->max_bias > 0 ? q->slope : NULL,
        .q_at = q->at,
        .pos_begin = begin,
        .pos_end = end,
        .pages = pages,
        .values = c->l->p->v_in_k ? values : NULL,
        .next_page = has_next
                         ? hl_kv_host_page(store, s->blocks[(begin + HL_ATTEND_SPLIT) / HL_KV_PAGE_TOKENS],
                                           c->i_cache, it->kv)
                         : NULL,
    };
    f->k->attend(&in, o, max, sum, ts->attend);
}

/* Where the result of query i of an item goes. */
static float *result_of(const attend_ctx *c, const attend_item *it, uint32_t i) {
    const hl_layer_params *p = c->l->p;
    const uint32_t         row = it->begin + i / it->n_heads;
    return c->f->attn + ((size_t)row * p->n_heads + it->head + i % it->n_heads) * p->v_dim;
}

/* The result of query i of an item from those of its splits. A sink is one split more, whose values are
 * zeros: there is room for it behind the others. */
static void merge(const attend_ctx *c, const attend_item *it, uint32_t i, uint32_t n_splits, float *o,
                  size_t o_stride, float *max, float *sum, size_t ms_stride) {
    const hl_layer_params *p = c->l->p;
    float                 *ret = result_of(c, it, i), room[HL_ATTEND_MAX_HEAD_DIM];
    const bool             is_whole = p->head_room == p->v_dim;
    if (c->sinks) {
        memset(o + n_splits * o_stride, 0, p->head_room * sizeof *o);
        max[n_splits * ms_stride] = c->sinks[it->head + i % it->n_heads];
        sum[n_splits * ms_stride] = 1.0f;
        n_splits++;
    }
    c->f->k->attend_merge(p->head_room, n_splits, o, o_stride, max, sum, ms_stride, is_whole ? ret : room);
    if (!is_whole) memcpy(ret, room, p->v_dim * sizeof *ret);
}

/* One thread walks all splits of an item. */
static void whole_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const attend_ctx *c = ctx;
    if (hl_pass_stopped(c->f)) return;
    const attend_item  it = find_item(c, i_chunk);
    hl_thread_scratch *ts = &c->f->threads[i_thread];
    attend_queries     q;
    const int32_t      first = it.first_pos / HL_ATTEND_SPLIT;
    const int32_t      last = it.last_pos / HL_ATTEND_SPLIT;
    if (!fill_queries(c, &it, &q) || !hl_pass_fits(c->f, HL_ROOM_ITEM_QUERIES, q.n, c->f->tile_queries) ||
        !hl_pass_fits(c->f, HL_ROOM_ITEM_SPLITS, (size_t)(last - first + 1) + (c->sinks != NULL),
                      c->f->n_splits_cap))
        return;
    const size_t hd = c->l->p->head_room;
    const size_t o_stride = q.n * hd;
    float       *max = ts->part_ms;
    float       *sum = ts->part_ms + (size_t)c->f->n_splits_cap * c->f->tile_queries;
    for (int32_t s = first; s <= last; s++) {
        if (hl_pass_stopped(c->f)) return; /* at a great depth one item takes a while */
        const size_t at = (size_t)(s - first);
        attend_split(c, &it, &q, s, ts->part_o + at * o_stride, max + at * q.n, sum + at * q.n, ts);
    }
    for (uint32_t i = 0; i < q.n; i++)
        merge(c, &it, i, (uint32_t)(last - first + 1), ts->part_o + i * hd, o_stride, max + i, sum + i, q.n);
}

/* Storage of partial results when splits are items: [item][split][query]. */
static size_t shared_slot(const attend_ctx *c, uint32_t i_item, uint32_t i_split) {
    const size_t n_slots = c->n_splits + (c->sinks != NULL);
    return ((size_t)i_item * n_slots + i_split) * c->tile_rows * c->part_heads;
}

static void split_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const attend_ctx *c = ctx;
    const uint32_t    n_each = (c->n_splits + c->per_chunk - 1) / c->per_chunk;
    const uint32_t    i_item = i_chunk / n_each;
    const attend_item it = find_item(c, i_item);
    const uint32_t    first = (uint32_t)(it.first_pos / HL_ATTEND_SPLIT);
    const uint32_t    n_splits = (uint32_t)(it.last_pos / HL_ATTEND_SPLIT) - first + 1;
    const size_t      n_ms = c->f->shared_ms_floats;
    attend_queries    q;
    if (!fill_queries(c, &it, &q) || !hl_pass_fits(c->f, HL_ROOM_ITEM_SPLITS, n_splits, c->n_splits)) return;
    for (uint32_t k = 0, i = i_chunk % n_each * c->per_chunk; k < c->per_chunk && i < n_splits; k++, i++) {
        if (hl_pass_stopped(c->f)) return;
        const size_t slot = shared_slot(c, i_item, i);
        attend_split(c, &it, &q, (int32_t)(first + i), c->f->shared_o + slot * c->l->p->head_room,
                     c->f->shared_ms + slot, c->f->shared_ms + n_ms + slot, &c->f->threads[i_thread]);
    }
}

static void merge_chunk(void *ctx, uint32_t i_item, uint32_t i_thread) {
    const attend_ctx *c = ctx;
    const attend_item it = find_item(c, i_item);
    (void)i_thread;
    const uint32_t hd = c->l->p->head_room;
    const size_t   n_ms = c->f->shared_ms_floats;
    const uint32_t n = (uint32_t)(it.last_pos / HL_ATTEND_SPLIT - it.first_pos / HL_ATTEND_SPLIT + 1);
    const size_t   slot = shared_slot(c, i_item, 0);
    const size_t   n_q = (size_t)(it.end - it.begin) * it.n_heads;
    const size_t   stride = (size_t)c->tile_rows * c->part_heads;
    for (uint32_t i = 0; i < n_q; i++)
        merge(c, &it, i, n, c->f->shared_o + (slot + i) * hd, stride * hd, c->f->shared_ms + slot + i,
              c->f->shared_ms + n_ms + slot + i, stride);
}

static uint32_t count_items(const hl_pass *f, uint32_t tile_rows) {
    uint32_t n = 0;
    for (uint32_t r = 0; r < f->n_seq_spans; r++)
        n += (f->seq_spans[r].end - f->seq_spans[r].begin + tile_rows - 1) / tile_rows;
    return n;
}

/* Most splits that one item of this layer covers. */
static uint32_t max_splits(const attend_ctx *c, uint32_t n_items) {
    uint32_t most = 1;
    for (uint32_t i = 0; i < n_items; i++) {
        const attend_item it = find_item(c, i * c->l->p->n_kv_heads * c->n_parts);
        const uint32_t    n = (uint32_t)(it.last_pos / HL_ATTEND_SPLIT - it.first_pos / HL_ATTEND_SPLIT + 1);
        if (n > most) most = n;
    }
    return most;
}

/* Each split of the items to whoever is free, then the merge. */
static void run_split(attend_ctx *c, uint32_t n_items, uint32_t n_splits) {
    enum { CHUNKS_PER_THREAD = 16, MAX_PER_CHUNK = 8, MANY_FLOATS = 1 << 16 };
    const uint32_t n_threads = (uint32_t)hl_pool_n_active(c->f->pool);
    c->n_splits = n_splits;
    /* Neighbouring splits stay together where there are enough: pages are fetched ahead from one to the
     * next. */
    c->per_chunk = n_items * n_splits / (CHUNKS_PER_THREAD * n_threads);
    if (c->per_chunk > MAX_PER_CHUNK) c->per_chunk = MAX_PER_CHUNK;
    if (c->per_chunk < 1) c->per_chunk = 1;
    hl_pool_run(c->f->pool, n_items * ((n_splits + c->per_chunk - 1) / c->per_chunk), split_chunk, c);
    if (hl_pass_stopped(c->f)) return;
    if (shared_slot(c, n_items, 0) * c->l->p->head_room >= MANY_FLOATS)
        hl_pool_run(c->f->pool, n_items, merge_chunk, c);
    else
        for (uint32_t i = 0; i < n_items; i++) merge_chunk(c, i, 0);
}

/* Splits go out one by one where whole items would not keep all threads equally busy. Partial results that
 * the second-level cache does not hold cost a tenth of the time: then only where threads have very few
 * items. */
static bool want_splits(uint32_t n_items, uint32_t n_threads, size_t n_floats) {
    enum { MANY_ITEMS = 16, MANY_BIG_ITEMS = 4, CACHED_FLOATS = 1 << 18 };
    const uint32_t many = n_floats <= CACHED_FLOATS ? MANY_ITEMS : MANY_BIG_ITEMS;
    return n_threads > 1 && n_items < many * n_threads;
}

void hl_attention_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer        *l = &f->m->layers[i_layer];
    const hl_layer_params *p = l->p;
    const uint32_t         group = p->n_heads / p->n_kv_heads;
    attend_ctx             c = {.f = f,
                                .l = l,
                                .i_cache = hl_cache_layer(f, i_layer),
                                .sinks = l->v[HL_W_SINKS],
                                .sees_all = f->m->arch->is_encoder,
                                .sees_past = f->m->drafting && f->m->drafting->stays,
                                .sees_run = f->m->drafting && f->m->drafting->at_once,
                                .skips_first = f->m->drafting && f->m->drafting->skips_first,
                                .max_bias = f->m->hp.max_alibi_bias,
                                .in_chunks = f->m->arch->window_is_chunk};
    c.n_parts = (group + f->tile_queries - 1) / f->tile_queries;
    c.part_heads = (group + c.n_parts - 1) / c.n_parts;
    c.tile_rows = f->tile_queries / c.part_heads;
    c.n_items = count_items(f, c.tile_rows);
    const uint32_t n_items = c.n_items * p->n_kv_heads * c.n_parts;
    const uint32_t n_threads = (uint32_t)hl_pool_n_active(f->pool);
    const uint32_t n_splits = want_splits(n_items, n_threads, 0) ? max_splits(&c, c.n_items) : 1;
    /* Tiles of few rows need less room: one row a tile when no span has more. */
    if (n_splits > 1 && f->n_rows == f->n_seq_spans) c.tile_rows = 1;
    const size_t n_slots = n_splits + (c.sinks != NULL);
    const size_t need = (size_t)n_items * n_slots * c.tile_rows * c.part_heads * p->head_room;
    const bool   fits = need <= f->shared_o_floats;
    if (n_splits > 1 && fits && want_splits(n_items, n_threads, need))
        run_split(&c, n_items, n_splits);
    else
        hl_pool_run(f->pool, n_items, whole_chunk, &c);
}
