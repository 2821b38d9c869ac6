/* SPDX-License-Identifier: MIT
 *
 * heads.c - between the matmuls and attention: norms and rotation of query and key heads, and the cache.
 *
 * Rows come first as a whole, where a layer has something for whole rows (norms over all heads, limits); then
 * each KV head's group of heads is made ready, and its key and value are written, block by block.
 */
#include <math.h>
#include <string.h>

#include "engine/forward/forward_priv.h"

typedef struct heads_ctx {
    hl_pass        *f;
    const hl_layer *l;
    uint32_t        i_layer, i_cache; /* i_cache: the layer of a block that has room for it */
} heads_ctx;

/* What a layer of an encoder keeps is of no use to the next one: they share the room of one. */
uint32_t hl_cache_layer(const hl_pass *f, uint32_t i_layer) {
    return f->m->arch->is_encoder ? 0 : f->m->hp.layers[i_layer].i_kv;
}

/* ---- whole rows ------------------------------------------------------------------------------- */

static void clamp_values(size_t n, float *x, float limit) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

static bool has_row_work(const hl_pass *f, const hl_layer *l) {
    return l->w[HL_W_Q_GATED].data || l->v[HL_W_Q_NORM_ALL] || l->v[HL_W_K_NORM_ALL] ||
           f->m->hp.clamp_qkv != 0 || (!l->w[HL_W_V].data && l->w[HL_W_K].data);
}

/* A head's queries, then its gates. */
static void part_gates(const hl_pass *f, const hl_layer_params *p, uint32_t row, float *q) {
    const size_t hd = p->head_dim;
    const float *from = f->gated + row * 2 * hl_q_cols(p);
    float       *gate = f->gate + row * hl_attn_cols(p);
    for (uint32_t h = 0; h < p->n_heads; h++) {
        memcpy(q + h * hd, from + 2 * h * hd, hd * sizeof *q);
        memcpy(gate + h * hd, from + (2 * h + 1) * hd, hd * sizeof *q);
    }
}

static void ready_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_layer        *l = ctx;
    const hl_layer_params *p = l->p;
    float                 *q = f->qkv + row * hl_qkv_cols(p), *k = q + hl_q_cols(p), *v = k + hl_k_cols(p);
    if (l->w[HL_W_Q_GATED].data) part_gates(f, p, row, q);
    if (!l->w[HL_W_V].data && l->w[HL_W_K].data) /* keys, before their norm, are values, too */
        memcpy(v, k, hl_v_cols(p) * sizeof *v);
    if (f->m->hp.clamp_qkv != 0) clamp_values(hl_qkv_cols(p), q, f->m->hp.clamp_qkv);
    if (l->v[HL_W_Q_NORM_ALL])
        hl_norm_values(f, hl_q_cols(p), q, l->v[HL_W_Q_NORM_ALL], l->v[HL_W_Q_NORM_ALL_BIAS], q);
    if (l->v[HL_W_K_NORM_ALL])
        hl_norm_values(f, hl_k_cols(p), k, l->v[HL_W_K_NORM_ALL], l->v[HL_W_K_NORM_ALL_BIAS], k);
}

/* ---- heads ------------------------------------------------------------------------------------ */

/* To the row's page, and to those of forks that share the position in a block of their own. v NULL: pages are
 * of keys alone. */
static void write_key_value(const heads_ctx *c, uint32_t r, uint32_t kv, const float *k, const float *v) {
    const hl_pass *f = c->f;
    const hl_seq  *s = f->seqs[r];
    const uint32_t pos = (uint32_t)f->pos[r], block = pos / HL_KV_PAGE_TOKENS, slot = pos % HL_KV_PAGE_TOKENS;
    const hl_kv_cache_type type = hl_kv_pool_shape(s->pool)->type;
    const size_t           hd = c->l->p->head_room;
    f->k->kv_write(type, hd, slot, k, v,
                   hl_kv_host_page(hl_kv_pool_store(s->pool), s->blocks[block], c->i_cache, kv));
    for (const hl_seq *t = s->forks; t; t = t->next_fork)
        if (f->pos[r] < t->n_pos && t->blocks[block] != s->blocks[block])
            f->k->kv_write(type, hd, slot, k, v,
                           hl_kv_host_page(hl_kv_pool_store(t->pool), t->blocks[block], c->i_cache, kv));
}

/* A query head as the kernels read it. */
float *hl_query_of(const hl_pass *f, const hl_layer_params *p, uint32_t row, uint32_t head) {
    return p->head_room != p->head_dim ? f->q + ((size_t)row * p->n_heads + head) * p->head_room
                                       : f->qkv + row * hl_qkv_cols(p) + (size_t)head * p->head_dim;
}

/* Zeros behind a head of n values change no product of it. */
static float *with_room(size_t n_room, size_t n, float *head, float *room) {
    if (n_room == n) return head;
    memcpy(room, head, n * sizeof *room);
    memset(room + n, 0, (n_room - n) * sizeof *room);
    return room;
}

/* The norm of one head: with the same weights for all, with its own, or none. */
static void norm_head(const heads_ctx *c, hl_weight all, hl_weight each, uint32_t head, float *x) {
    const size_t hd = c->l->p->head_dim;
    if (c->l->v[all])
        c->f->k->rmsnorm(hd, x, c->l->v[all], c->f->m->hp.rms_eps, x);
    else if (c->l->v[each])
        hl_norm_values(c->f, hd, x, c->l->v[each] + head * hd, NULL, x);
}

/* A query or key head: norm, rotation. */
static void ready_head(const heads_ctx *c, hl_weight all, hl_weight each, uint32_t head, uint32_t row,
                       float *x) {
    const hl_arch         *arch = c->f->m->arch;
    const hl_layer_params *p = c->l->p;
    if (!arch->norm_behind_rope) norm_head(c, all, each, head, x);
    if (p->rotates) {
        const size_t n_rot = c->f->m->hp.ropes[p->i_rope].n_rot;
        c->f->k->rope(n_rot, arch->rope == HL_ROPE_HALVES, c->f->ropes[p->i_rope].table + row * n_rot, x);
        if (p->norms_turned) c->f->k->rmsnorm(p->head_dim, x, NULL, c->f->m->hp.rms_eps, x);
    }
    if (arch->norm_behind_rope) norm_head(c, all, each, head, x);
}

static void heat_query(const hl_pass *f, uint32_t row, size_t n, float *q) {
    const hl_temperature *t = &f->m->hp.temperature;
    const double          at = floor(((double)f->pos[row] + t->offset) / t->length);
    f->k->scale(n, q, (float)(1 + (double)t->scale * log1p(at)), q);
}

static void ready_value(const heads_ctx *c, float *v) {
    const size_t n = c->l->p->v_dim;
    const float  scale = c->f->m->hp.value_scale;
    if (c->f->m->arch->value_norm) c->f->k->rmsnorm(n, v, NULL, c->f->m->hp.rms_eps, v);
    if (scale != 1.0f) c->f->k->scale(n, v, scale, v);
}

static void ready_queries(const heads_ctx *c, uint32_t r, uint32_t kv, float *row) {
    const hl_layer_params *p = c->l->p;
    const uint32_t         group = p->n_heads / p->n_kv_heads;
    const size_t           hd = p->head_dim;
    for (uint32_t h = kv * group; h < (kv + 1) * group; h++) {
        float *q = row + h * hd;
        ready_head(c, HL_W_Q_NORM, HL_W_Q_NORM_EACH, h, r, q);
        if (p->has_temperature) heat_query(c->f, r, hd, q);
        if (p->head_room != hd) (void)with_room(p->head_room, hd, q, hl_query_of(c->f, p, r, h));
    }
    hl_row_look(c->f, r, HL_PLACE_QUERIES, c->i_layer, group * hd, row + kv * group * hd);
}

/* The query heads of one KV head's group, and its key and value. */
static void heads_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const heads_ctx       *c = ctx;
    hl_pass               *f = c->f;
    const hl_layer_params *p = c->l->p;
    const hl_block_span    seg = f->block_spans[i_chunk / p->n_kv_heads];
    const uint32_t         kv = i_chunk % p->n_kv_heads;
    (void)i_thread;
    if (!hl_pass_fits(f, HL_ROOM_HEAD_DIM, p->head_room, HL_ATTEND_MAX_HEAD_DIM)) return;
    for (uint32_t r = seg.begin; r < seg.end; r++) {
        float *row = f->qkv + r * hl_qkv_cols(p);
        if (f->has_queries) ready_queries(c, r, kv, row);
        if (p->shares_kv) continue;
        float *k = row + hl_q_cols(p) + kv * (size_t)p->head_dim;
        float *v = row + hl_q_cols(p) + hl_k_cols(p) + kv * (size_t)p->v_dim;
        ready_head(c, HL_W_K_NORM, HL_W_K_NORM_EACH, kv, r, k);
        hl_row_look(f, r, HL_PLACE_KEYS, c->i_layer, p->head_dim, k);
        float k_room[HL_ATTEND_MAX_HEAD_DIM], v_room[HL_ATTEND_MAX_HEAD_DIM];
        k = with_room(p->head_room, p->head_dim, k, k_room);
        if (p->v_in_k) {
            write_key_value(c, r, kv, k, NULL);
            continue;
        }
        ready_value(c, v);
        hl_row_look(f, r, HL_PLACE_VALUES, c->i_layer, p->v_dim, v);
        write_key_value(c, r, kv, k, with_room(p->head_room, p->v_dim, v, v_room));
    }
}

void hl_heads_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    heads_ctx       c = {.f = f, .l = l, .i_layer = i_layer, .i_cache = hl_cache_layer(f, i_layer)};
    const uint32_t  n = f->n_block_spans * l->p->n_kv_heads;
    if (has_row_work(f, l)) hl_rows_run(f, f->n_rows, ready_row, l);
    if (f->n_rows <= 4) {
        for (uint32_t i = 0; i < n; i++) heads_chunk(&c, i, 0);
        return;
    }
    hl_pool_run(f->pool, n, heads_chunk, &c);
}
