/* SPDX-License-Identifier: MIT
 *
 * buffers.c - the memory of a pass: one mapping, laid out for the model's shapes and a number of rows.
 *
 * Every size here comes from the model's hparams, which were checked when the file was opened; what a file
 * says of its tensors is not asked again.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "core/base/mem.h"
#include "engine/forward/drafts.h"
#include "engine/forward/low_rank.h"

/* Splits of decoding rows share a buffer of this size, or of one row at full context if that is more. */
enum { SHARED_ATTEND_BYTES = 4 << 20, TILE_ATTEND_BYTES = 2 << 20 };

void hl_act_lay_out(hl_bump *b, hl_act_buf *a, size_t n_values, uint32_t n_planes, uint32_t needs) {
    const size_t n = n_values * n_planes;
    *a = (hl_act_buf){.n_values = n_values, .n_planes = n_planes};
    if (needs & HL_NEED_F32) a->f32 = hl_bump_take(b, n_values, sizeof *a->f32);
    if (needs & HL_NEED_BF16) a->bf16 = hl_bump_take(b, n_values, sizeof *a->bf16);
    if (!(needs & HL_NEED_Q8)) return;
    a->q = hl_bump_take(b, n, 1);
    a->d = hl_bump_take(b, n / 32 + 1, sizeof *a->d);
    a->sum16 = hl_bump_take(b, n / 16 + 1, sizeof *a->sum16);
}

/* Forms of activations that any matmul reads; of those into down matrices apart. */
static uint32_t needs_of(const hl_model *m, uint32_t *ret_down) {
    uint32_t needs = m->need_out_in;
    *ret_down = 0;
    for (int w = 0; w < HL_W_count; w++) {
        const bool is_down = w == HL_W_DOWN || w == HL_W_DOWN_EXPS || w == HL_W_DOWN_SHEXP;
        needs |= hl_matrix_needs(&m->top.w[w]);
        for (uint32_t i = 0; i < m->hp.n_layers; i++)
            *(is_down ? ret_down : &needs) |= hl_matrix_needs(&m->layers[i].w[w]);
    }
    for (uint32_t i = 0; i < m->hp.n_layers; i++) needs |= m->layers[i].need_ffn_in;
    return needs;
}

/* Values of a split in the largest of all formats, where some layer's are in its keys. */
static size_t split_values_bytes(const hl_hparams *hp) {
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (hp->layers[i].v_in_k)
            return HL_ATTEND_SPLIT / HL_KV_PAGE_TOKENS *
                   hl_kv_page_v_offset(HL_KV_CACHE_F32, hp->most.head_room);
    return 0;
}

static void take_threads(hl_bump *b, hl_pass *f) {
    const size_t  head = f->m->hp.most.head_room;
    const int32_t n = hl_pool_n_threads(f->m->engine->pool);
    f->threads = hl_bump_take(b, (size_t)n, sizeof *f->threads);
    for (int32_t i = 0; i < n; i++) {
        hl_thread_scratch ts;
        ts.matmul.n_bytes =
            hl_matmul_scratch_bytes(f->m->max_cols, f->m->engine->n_planes > 1 ? f->n_rows_cap : 0);
        ts.matmul.memory = hl_bump_take(b, ts.matmul.n_bytes, 1);
        ts.glu = hl_bump_take(b, 2 * (size_t)f->n_rows_cap * HL_GLU_ROWS, sizeof *ts.glu);
        ts.attend = hl_bump_take(b, HL_ATTEND_SCRATCH_BYTES, 1);
        const size_t n_values = split_values_bytes(&f->m->hp);
        ts.values = n_values > 0 ? hl_bump_take(b, n_values, 1) : NULL;
        ts.part_o = hl_bump_take(b, (size_t)f->n_splits_cap * f->tile_queries * head, sizeof *ts.part_o);
        ts.part_ms = hl_bump_take(b, 2 * (size_t)f->n_splits_cap * f->tile_queries, sizeof *ts.part_ms);
        if (b->memory) f->threads[i] = ts;
    }
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* What the widest layer needs: values of a row. */
typedef struct widths {
    size_t   attn, qkv, room_q, ff, gate, gated, act;
    uint32_t group; /* query heads of a KV head */
    uint32_t least_head_room;
} widths;

static widths find_widths(const hl_model *m) {
    const hl_hparams    *hp = &m->hp;
    const hl_mla_params *mla = &hp->mla;
    widths               w = {.least_head_room = (uint32_t)larger(hp->most.head_room, 8), .attn = hp->n_embd};
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const hl_layer_params *p = &hp->layers[i];
        const uint32_t         group = p->n_kv_heads ? p->n_heads / p->n_kv_heads : 0;
        const bool             by_query = m->layers[i].w[HL_W_Q_GATED].data != NULL;
        const bool             is_gated = by_query || m->layers[i].w[HL_W_GATE_ATTN].data != NULL ||
                              m->layers[i].w[HL_W_GATE_HEADS].data != NULL;
        if (by_query) w.gated = larger(w.gated, 2 * hl_q_cols(p));
        w.attn = larger(w.attn, larger(hl_attn_cols(p), hl_o_in(hp, p)));
        if (is_gated) w.gate = larger(w.gate, hl_attn_cols(p));
        w.qkv = larger(w.qkv, hl_qkv_cols(p));
        if (p->head_room != p->head_dim) w.room_q = larger(w.room_q, (size_t)p->n_heads * p->head_room);
        w.ff = larger(w.ff, larger((size_t)p->n_expert_ff * hp->n_experts_used, p->n_shared_ff));
        if (!p->n_expert_ff || m->arch->router.beside_dense) w.ff = larger(w.ff, p->n_ff);
        if (group > w.group) w.group = group;
        if (p->head_room > 0 && p->head_room < w.least_head_room) w.least_head_room = p->head_room;
    }
    w.act = larger(larger(w.attn, hp->n_side), larger(mla->q_rank, mla->kv_rank));
    w.act = larger(w.act, (size_t)hp->most.n_heads * mla->still);
    if (m->drafting) w.act = larger(w.act, m->drafting->in_cols(m));
    if (m->arch->has_altup) w.act = larger(w.act, HL_LAUREL_RANK);
    return w;
}

/* How queries are cut into tiles, and the room for their partial results. */
static void plan_attention(hl_pass *f, const hl_hparams *hp, const widths *w) {
    const size_t head = larger(hp->most.head_room, 8);
    const size_t per_query = (size_t)f->n_splits_cap * head * sizeof(float);
    f->tile_queries = HL_ATTEND_MAX_QUERIES;
    if (f->tile_queries * per_query > TILE_ATTEND_BYTES)
        f->tile_queries = (uint32_t)(TILE_ATTEND_BYTES / per_query);
    const uint32_t least = w->group < HL_ATTEND_MAX_QUERIES ? w->group : HL_ATTEND_MAX_QUERIES;
    if (f->tile_queries < least) f->tile_queries = least; /* larger groups are cut */
    f->shared_o_floats = SHARED_ATTEND_BYTES / sizeof(float) / head * head;
    for (uint32_t i = 0; i < hp->n_layers; i++) { /* one row at full context has to fit */
        const hl_layer_params *p = &hp->layers[i];
        if (p->n_kv_heads == 0) continue;
        const uint32_t group = p->n_heads / p->n_kv_heads;
        const uint32_t n_parts = (group + f->tile_queries - 1) / f->tile_queries;
        const size_t   part_heads = (group + n_parts - 1) / n_parts;
        f->shared_o_floats =
            larger(f->shared_o_floats, p->n_kv_heads * n_parts * part_heads * f->n_splits_cap * p->head_room);
    }
    f->shared_ms_floats = f->shared_o_floats / w->least_head_room;
}

/* The same walk measures and assigns. */
static void lay_out(const hl_model *m, uint32_t rows, int32_t n_ctx, hl_bump *b, hl_pass *f) {
    const hl_hparams *hp = &m->hp;
    const widths      w = find_widths(m);
    const uint32_t    n_planes = m->engine->n_planes;
    uint32_t          down = 0;
    const uint32_t    needs = needs_of(m, &down);
    f->m = m;
    f->n_rows_cap = rows;
    f->n_ctx = n_ctx;
    f->n_splits_cap = ((uint32_t)n_ctx + HL_ATTEND_SPLIT - 1) / HL_ATTEND_SPLIT + 1;
    plan_attention(f, hp, &w);
    f->x = hl_bump_take(b, rows * (size_t)hp->n_embd, sizeof *f->x);
    f->qkv = hl_bump_take(b, rows * w.qkv, sizeof *f->qkv);
    f->q = w.room_q ? hl_bump_take(b, rows * w.room_q, sizeof *f->q) : NULL;
    f->attn = hl_bump_take(b, rows * w.attn, sizeof *f->attn);
    f->gate = w.gate ? hl_bump_take(b, rows * w.gate, sizeof *f->gate) : NULL;
    f->gated = w.gated ? hl_bump_take(b, rows * w.gated, sizeof *f->gated) : NULL;
    f->tmp = hl_bump_take(b, rows * (size_t)hp->n_embd, sizeof *f->tmp);
    hl_act_lay_out(b, &f->act, rows * w.act, n_planes, needs);
    hl_act_lay_out(b, &f->act_ff, rows * w.ff, n_planes, down);
    for (uint32_t i = 0; i < hp->n_ropes; i++) {
        const uint32_t n_rot = hp->ropes[i].n_rot;
        f->ropes[i].table = hl_bump_take(b, (size_t)rows * n_rot, sizeof *f->ropes[i].table);
        f->ropes[i].inv_freq = hl_bump_take(b, n_rot / 2, sizeof *f->ropes[i].inv_freq);
    }
    f->shared_o = hl_bump_take(b, f->shared_o_floats, sizeof *f->shared_o);
    f->shared_ms = hl_bump_take(b, 2 * f->shared_ms_floats, sizeof *f->shared_ms);
    f->seq_spans = hl_bump_take(b, rows, sizeof *f->seq_spans);
    f->block_spans = hl_bump_take(b, rows, sizeof *f->block_spans);
    f->pos = hl_bump_take(b, rows, sizeof *f->pos);
    f->seqs = hl_bump_take(b, rows, sizeof *f->seqs);
    f->origin = hl_bump_take(b, rows, sizeof *f->origin);
    f->faults = hl_bump_take(b, rows, sizeof *f->faults);
    take_threads(b, f);
    if (hp->n_experts) hl_moe_lay_out(f, b);
    hl_side_lay_out(f, b);
    hl_mla_lay_out(f, b);
    hl_altup_lay_out(f, b);
    hl_draft_lay_out(f, b);
    hl_recurrent_lay_out(f, b);
    hl_low_lay_out(f, b);
}

size_t hl_pass_plan(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx) {
    hl_pass f = {0};
    hl_bump b = {0};
    lay_out(m, n_rows_cap, n_ctx, &b, &f);
    return b.at + sizeof f;
}

hl_status hl_pass_new(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, hl_pass **ret_pass,
                      hl_err *err) {
    hl_pass *f = hl_new(1, sizeof *f);
    if (!f) return hl_fail(err, HL_E_NOMEM, "forward pass: no memory");
    hl_bump b = {0};
    lay_out(m, n_rows_cap, n_ctx, &b, f);
    f->memory_bytes = b.at;
    f->memory = mmap(NULL, f->memory_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->memory == MAP_FAILED) {
        const size_t bytes = f->memory_bytes;
        hl_free(f);
        return hl_fail(err, HL_E_NOMEM, "forward pass: no memory for %zu bytes of buffers", bytes);
    }
    f->has_queries = true;
    f->k = &m->engine->kernels;
    f->pool = m->engine->pool;
    b = (hl_bump){.memory = f->memory};
    lay_out(m, n_rows_cap, n_ctx, &b, f);
    hl_rope_tables_init(f);
    *ret_pass = f;
    return HL_OK;
}

void hl_pass_free(hl_pass *f) {
    if (!f) return;
    if (f->memory) {
        hl_bump_done(f->memory, f->memory_bytes);
        (void)munmap(f->memory, f->memory_bytes);
    }
    hl_free(f);
}
