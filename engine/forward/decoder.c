/* SPDX-License-Identifier: MIT
 *
 * decoder.c - the pass: embed, then per layer attention and feed-forward, then logits.
 *
 * A layer is five parallel regions when decoding: q/k/v matmuls, attention, output matmul, gate and up,
 * down; what lies between (norms, quantization, rotation) is done by the calling thread for few rows and
 * in chunks of rows for many. The last layer computes keys and values of every row, and the rest only for
 * the rows whose logits are wanted.
 */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/forward/drafts.h"
#include "engine/forward/low_rank.h"
#include "engine/quant/quant.h"

/* From so many rows on, buffers are worth huge pages. Fewer rows touch little of each buffer, and clearing
 * huge pages for them would take a tenth of the time to a first token. */
enum { HUGE_PAGE_ROWS = 64 };

/* ---- the pass --------------------------------------------------------------------------------- */

/* Cut the rows into spans of one sequence, and these into spans of one block. */
static void find_spans(hl_pass *f) {
    f->n_seq_spans = f->n_block_spans = 0;
    for (uint32_t r = 0; r < f->n_rows; r++) {
        const bool same_seq = r > 0 && f->seqs[r] == f->seqs[r - 1];
        const bool same_block =
            same_seq && f->pos[r] / HL_KV_PAGE_TOKENS == f->pos[r - 1] / HL_KV_PAGE_TOKENS;
        if (!same_seq) f->seq_spans[f->n_seq_spans++].begin = r;
        if (!same_block) f->block_spans[f->n_block_spans++].begin = r;
        f->seq_spans[f->n_seq_spans - 1].end = r + 1;
        f->block_spans[f->n_block_spans - 1].end = r + 1;
    }
}

/* Learned positions; there are as many as the model was trained for. */
static void add_position(hl_pass *f, size_t pos, float *x, float *room) {
    const hl_matrix *w = &f->m->pos_embd;
    if (!hl_pass_fits(f, HL_ROOM_POSITION_ROWS, pos + 1, w->n_rows)) return;
    hl_quant_to_f32(w->type)((const uint8_t *)w->data + pos * w->row_bytes, w->n_cols, room);
    f->k->add(w->n_cols, x, room, x);
}

void hl_embed_row(hl_pass *f, const hl_batch *b, uint32_t row, float *x) {
    const hl_matrix *w = &f->m->tok_embd;
    const size_t     n = w->n_cols;
    if (b->embds && b->embds[row]) {
        memcpy(x, b->embds[row], n * sizeof *x);
        return;
    }
    hl_quant_to_f32(w->type)((const uint8_t *)w->data + (size_t)b->tokens[row] * w->row_bytes, n, x);
    if (f->m->hp.embd_scale != 1.0f) f->k->scale(n, x, f->m->hp.embd_scale, x);
    if (f->m->pos_embd.data) add_position(f, (size_t)b->pos[row], x, f->tmp + row * n);
    if (f->m->tok_norm) hl_norm_values(f, n, x, f->m->tok_norm, f->m->tok_norm_bias, x);
}

static void embed_row(hl_pass *f, const void *ctx, uint32_t row) {
    hl_embed_row(f, ctx, row, f->x + row * (size_t)f->m->hp.n_embd);
}

/* Keep only the rows whose logits are wanted. They move towards the front, in order. */
static void keep_out_rows(hl_pass *f, const hl_batch *b) {
    const hl_layer_params *p = &f->m->hp.layers[f->m->hp.n_layers - 1];
    const size_t           n_embd = f->m->hp.n_embd, width = hl_qkv_cols(p);
    const size_t           gate = hl_attn_cols(p);
    const size_t           q_width = p->head_room != p->head_dim ? (size_t)p->n_heads * p->head_room : 0;
    for (uint32_t i = 0; i < b->n_out; i++) {
        const uint32_t from = b->out_rows[i];
        if (from == i) continue;
        memcpy(f->x + i * n_embd, f->x + from * n_embd, n_embd * sizeof *f->x);
        memcpy(f->tmp + i * n_embd, f->tmp + from * n_embd,
               n_embd * sizeof *f->tmp); /* what is left of a block */
        hl_recurrent_move_row(f, from, i);
        memcpy(f->qkv + i * width, f->qkv + from * width, width * sizeof *f->qkv);
        if (q_width) memcpy(f->q + i * q_width, f->q + from * q_width, q_width * sizeof *f->q);
        if (f->gate) memcpy(f->gate + i * gate, f->gate + from * gate, gate * sizeof *f->gate);
        if (f->altup) hl_altup_move_row(f, i, from);
        f->pos[i] = f->pos[from];
        f->seqs[i] = f->seqs[from];
    }
    for (uint32_t i = 0; i < b->n_out; i++) f->origin[i] = b->out_rows[i];
    f->n_rows = b->n_out;
    find_spans(f);
}

static void join_attention(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    const bool      own = l->v[HL_W_ATTN_NORM_2] != NULL; /* else the first is of both blocks */
    hl_join_run(f, &(hl_into){.place = HL_PLACE_NORM,
                              .i_layer = i_layer,
                              .norm = l->v[own ? HL_W_ATTN_NORM_2 : HL_W_ATTN_NORM],
                              .bias = l->v[own ? HL_W_ATTN_NORM_2_BIAS : HL_W_ATTN_NORM_BIAS],
                              .is_bare = f->m->arch->bare_norms,
                              .needs = l->need_attn_in});
}

/* A parallel block reads what attention has read, unless it has a norm of its own. */
static void join_ffn(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    const bool      own = !l->p->is_parallel || l->v[HL_W_FFN_NORM];
    hl_join_run(f, &(hl_into){.place = HL_PLACE_NORM,
                              .i_layer = i_layer,
                              .norm = l->v[own ? HL_W_FFN_NORM : HL_W_ATTN_NORM],
                              .bias = l->v[own ? HL_W_FFN_NORM_BIAS : HL_W_ATTN_NORM_BIAS],
                              .is_bare = f->m->arch->bare_norms,
                              .is_parallel = l->p->is_parallel,
                              .needs = l->need_ffn_in});
}

void hl_leave(hl_pass *f, hl_place place, uint32_t i_layer, const float *norm) {
    f->left = (hl_left){.place = place, .i_layer = i_layer, .norm = norm, .scale = f->m->hp.residual_scale};
}

/* The residual stream as it enters a layer, or behind the last one, where what drafts reads it. */
typedef struct tap_ctx {
    const hl_batch *b;
    uint32_t        i_layer;
} tap_ctx;

static void tap_row(hl_pass *f, const void *ctx, uint32_t row) {
    const tap_ctx      *c = ctx;
    const hl_hidden_of *of = c->b->hidden_of;
    const size_t        n = f->m->hp.n_embd;
    for (uint32_t k = 0; k < of->n_layers; k++)
        if (of->layers[k] == c->i_layer)
            memcpy(c->b->hidden + ((size_t)row * of->n_layers + k) * n, f->x + row * n, n * sizeof *f->x);
}

static bool taps(const hl_batch *b, uint32_t i_layer) {
    for (uint32_t k = 0; b->hidden && b->hidden_of && k < b->hidden_of->n_layers; k++)
        if (b->hidden_of->layers[k] == i_layer) return true;
    return false;
}

static void tap(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    if (taps(b, i_layer)) hl_rows_run(f, f->n_rows, tap_row, &(tap_ctx){b, i_layer});
}

/* All rows are wanted as the last layer leaves them. */
static bool wants_all_rows(const hl_pass *f, const hl_batch *b) {
    if (f->m->drafting && f->m->drafting->at_once) return true; /* they see one another */
    if (!b->hidden || (b->hidden_of && b->hidden_of->of_outputs)) return false;
    return !b->hidden_of || b->hidden_of->n_layers == 0 || taps(b, f->m->hp.n_layers);
}

/* Rows whose logits nobody wants end in the last layer. */
static void end_rows(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    const bool is_last = i_layer + 1 == f->m->hp.n_layers;
    if (is_last && b->n_out < f->n_rows && !wants_all_rows(f, b) && !f->m->arch->is_encoder)
        keep_out_rows(f, b);
}

static void make_heads(hl_pass *f, uint32_t i_layer) {
    if (f->m->arch->has_mla)
        hl_mla_heads_run(f, i_layer);
    else
        hl_qkv_run(f, &f->m->layers[i_layer]);
    hl_heads_run(f, i_layer);
}

/* Attention of a layer, or what it has instead or beside it: act -> tmp. Every row leaves something for later
 * positions; the rest is for those whose logits are wanted. */
void hl_attention_block_run(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    const bool      attends = l->p->mixes & HL_MIXES_ATTENTION, keeps_state = l->p->mixes & HL_MIXES_STATE;
    if (keeps_state) hl_recurrent_run(f, i_layer);
    if (attends) make_heads(f, i_layer);
    end_rows(f, b, i_layer);
    if (f->n_rows == 0) return;
    if (keeps_state) hl_recurrent_out_run(f, i_layer, attends);
    if (!attends) return;
    hl_attention_run(f, i_layer);
    hl_attn_out_run(f, l);
    if (keeps_state) hl_recurrent_add_run(f);
}

void hl_ffn_block_run(hl_pass *f, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    if (l->p->n_expert_ff && f->m->arch->router.beside_dense)
        hl_moe_beside_run(f, i_layer);
    else if (l->p->n_expert_ff)
        hl_moe_run(f, i_layer);
    else
        hl_ffn_run(f, l, HL_FFN_DENSE);
}

static void run_layer(hl_pass *f, const hl_batch *b, uint32_t i_layer) {
    const hl_layer *l = &f->m->layers[i_layer];
    const bool      attends = l->p->mixes & HL_MIXES_ATTENTION;
    if (l->p->mixes != 0) {
        if (f->m->drafting && f->m->drafting->join)
            f->m->drafting->join(f, b, i_layer);
        else
            join_attention(f, i_layer);
        tap(f, b, i_layer);
        hl_attention_block_run(f, b, i_layer);
        hl_leave(f, attends ? HL_PLACE_ATTENTION : HL_PLACE_STATE, i_layer, l->v[HL_W_ATTN_POST_NORM]);
    } else {
        end_rows(f, b, i_layer);
    }
    if (f->n_rows == 0 || !l->p->has_ffn) return;
    join_ffn(f, i_layer);
    if (l->p->mixes == 0) tap(f, b, i_layer);
    hl_ffn_block_run(f, i_layer);
    hl_leave(f, HL_PLACE_FFN, i_layer, l->v[HL_W_FFN_POST_NORM]);
    if (f->side) hl_side_run(f, i_layer);
    f->left.stream_scale = l->v[HL_W_LAYER_SCALE];
}

/* -INFINITY is a logit like others as long as some token has a better one: such tokens never come. */
static bool are_logits(const hl_kernels *k, size_t n, const float *y) {
    bool some = false;
    if (k->all_finite(n, y)) return true;
    for (size_t i = 0; i < n; i++) {
        if (!(y[i] < INFINITY)) return false;
        some |= y[i] > -INFINITY;
    }
    return some;
}

typedef struct logits_ctx {
    float *logits;
    bool   some_odd; /* else all are finite, and stay so */
} logits_ctx;

static void finish_row(hl_pass *f, const void *ctx, uint32_t row) {
    const logits_ctx *c = ctx;
    const size_t      n = hl_n_logits(&f->m->hp);
    float            *y = c->logits + row * n;
    const float       cap = f->m->hp.final_softcap, scale = f->m->hp.logit_scale;
    if (scale != 1.0f) f->k->scale(n, y, scale, y);
    for (size_t i = 0; cap > 0 && i < n; i++) y[i] = cap * tanhf(y[i] / cap);
    if (c->some_odd && !are_logits(f->k, n, y)) hl_row_note(f, row, HL_PLACE_LOGITS, 0);
}

static void write_out_row(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    hl_act_write(f, &f->act, f->m->need_out_in, row, n, f->tmp + row * n);
}

/* Rows whose logits nobody wants and that stayed to the end go. */
static void end_rest(hl_pass *f, const hl_batch *b) {
    if (b->n_out == f->n_rows || f->m->arch->is_encoder) return;
    keep_out_rows(f, b);
    hl_rows_run(f, f->n_rows, write_out_row, NULL);
}

/* What is read of all rows. */
static void keep_hidden(hl_pass *f, const hl_batch *b) {
    const size_t n = f->m->hp.n_embd;
    if (f->m->drafting && f->m->drafting->keep)
        f->m->drafting->keep(f, b);
    else if (b->hidden_of && b->hidden_of->n_layers > 0)
        tap(f, b, f->m->hp.n_layers);
    else if (b->hidden_of && b->hidden_of->of_outputs)
        for (uint32_t i = 0; i < b->n_out; i++)
            memcpy(b->hidden + b->out_rows[i] * n, f->tmp + i * n, n * sizeof *f->tmp);
    else
        memcpy(b->hidden, f->tmp, f->n_rows * n * sizeof *f->tmp);
}

static void run_logits(hl_pass *f, const hl_batch *b, float *ret_logits) {
    const hl_model *m = f->m;
    const uint32_t  n_logits = b->n_out - b->n_states;
    hl_join_run(f, &(hl_into){.place = HL_PLACE_LAST_NORM,
                              .norm = m->out_norm,
                              .bias = m->top.v[HL_W_OUT_NORM_BIAS],
                              .is_bare = m->arch->bare_norms,
                              .needs = m->need_out_in});
    if (b->hidden) keep_hidden(f, b);
    end_rest(f, b);
    for (uint32_t i = 0; i < b->n_states; i++) { /* rows that are not wanted are gone, but in an encoder */
        const uint32_t row = f->n_rows == b->n_out ? n_logits + i : b->out_rows[n_logits + i];
        memcpy(b->states + (size_t)i * m->hp.n_embd, f->tmp + (size_t)row * m->hp.n_embd,
               m->hp.n_embd * sizeof *f->tmp);
    }
    if (n_logits == 0) return;
    atomic_bool     is_odd = false;
    const hl_linear out = {
        .w = &m->out,
        .bias = m->out_bias,
        .x = hl_act_of(&f->act, 0, n_logits, m->hp.n_embd),
        .y = ret_logits,
        .y_cols = hl_n_logits(&m->hp),
        .y_stride = hl_n_logits(&m->hp),
        .ret_odd = &is_odd,
    };
    hl_linear_run(f, &out, 1);
    const logits_ctx c = {.logits = ret_logits, .some_odd = atomic_load(&is_odd)};
    if (!hl_pass_stopped(f) && (c.some_odd || m->hp.final_softcap > 0 || m->hp.logit_scale != 1.0f))
        hl_rows_run(f, n_logits, finish_row, &c);
}

void hl_pass_note_breach(hl_pass *f, hl_room what, size_t found, size_t room) {
    if (atomic_flag_test_and_set(&f->has_breach)) return;
    f->breach.what = what;
    f->breach.found = found;
    f->breach.room = room;
    atomic_store_explicit(&f->is_broken, true, memory_order_release);
}

static hl_status fail_breach(const hl_pass *f, hl_err *err) {
    static const char *const whats[HL_ROOM_count] = {
#define HL_ROOM(name, what, who, why) what,
#include "engine/capacities.def"
#undef HL_ROOM
    };
    return hl_fail(err, HL_E_INTERNAL, "forward pass: %s: %zu, but there is room for %zu",
                   whats[f->breach.what], f->breach.found, f->breach.room);
}

/* A sequence goes on from a state, and a pass writes to others. */
static void check_states(hl_pass *f, const hl_batch *b) {
    for (uint32_t i = 0; f->recurrent && i < b->n_rows; i++) {
        const hl_kv_pool *states = hl_kv_pool_states(b->seqs[i]->pool);
        const size_t      n = states ? hl_kv_pool_n_blocks(states) : 0;
        const bool        begins = i == 0 || b->seqs[i] != b->seqs[i - 1];
        if (begins && b->pos[i] > 0)
            (void)hl_pass_fits(f, HL_ROOM_BATCH_STATE, (size_t)b->seqs[i]->state + 1, n);
        if (!b->state_out || b->state_out[i] == HL_NO_STATE) continue;
        (void)hl_pass_fits(f, HL_ROOM_BATCH_STATE, (size_t)b->state_out[i] + 1, n);
    }
}

/* What callers promise of a batch. */
static void check_batch(hl_pass *f, const hl_batch *b) {
    if (!hl_pass_fits(f, HL_ROOM_BATCH_ROWS, b->n_rows, f->n_rows_cap) ||
        !hl_pass_fits(f, HL_ROOM_BATCH_ROWS, b->n_out, b->n_rows) ||
        !hl_pass_fits(f, HL_ROOM_BATCH_ROWS, b->n_states, b->n_out))
        return;
    for (uint32_t i = 0; i < b->n_rows; i++) {
        const size_t pos = (size_t)(uint32_t)b->pos[i], blocks = b->seqs[i]->n_blocks;
        const size_t n_ctx = (size_t)f->n_ctx, held = blocks * HL_KV_PAGE_TOKENS;
        (void)hl_pass_fits(f, HL_ROOM_BATCH_POSITION, pos + 1, held < n_ctx ? held : n_ctx);
        if (b->embds && b->embds[i]) continue;
        (void)hl_pass_fits(f, HL_ROOM_BATCH_TOKEN, (size_t)(uint32_t)b->tokens[i] + 1, f->m->hp.n_vocab);
    }
    for (uint32_t i = 0; i < b->n_out; i++)
        (void)hl_pass_fits(f, HL_ROOM_BATCH_ROWS, (size_t)b->out_rows[i] + 1, b->n_rows);
    check_states(f, b);
}

static void run_pass(hl_pass *f, const hl_batch *b, float *ret_logits) {
    f->n_rows = b->n_rows;
    memcpy(f->pos, b->pos, b->n_rows * sizeof *f->pos);
    memcpy(f->seqs, b->seqs, b->n_rows * sizeof *f->seqs);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        f->origin[i] = i;
        atomic_store_explicit(&f->faults[i], 0, memory_order_relaxed);
    }
    find_spans(f);
    hl_low_begin(f);
    hl_recurrent_begin(f, b);
    hl_rope_tables_fill(f, b);
    if (f->m->arch->norms_behind) {
        hl_encoder_run(f, b);
        return;
    }
    if (f->m->drafting)
        f->m->drafting->begin(f, b);
    else
        hl_rows_run(f, f->n_rows, embed_row, b);
    if (b->before && f->m->drafting && f->m->drafting->read) {
        f->m->drafting->read(f);
        return;
    }
    f->left = (hl_left){.place = HL_PLACE_EMBEDDING, .scale = 1.0f};
    if (f->side) hl_side_embed_run(f, b);
    if (f->altup) hl_altup_begin(f);
    for (uint32_t i = 0; i < f->m->hp.n_layers && f->n_rows > 0 && hl_pass_goes_on(f); i++)
        (f->altup ? hl_altup_layer_run : run_layer)(f, b, i);
    if (f->altup && f->n_rows > 0) hl_altup_end(f);
    if ((b->n_out > 0 || b->hidden) && hl_pass_goes_on(f)) run_logits(f, b, ret_logits);
}

hl_status hl_pass_eval(hl_pass *f, const hl_batch *b, const atomic_bool *stop, float *ret_logits,
                       hl_err *err) {
    if (b->n_rows >= HUGE_PAGE_ROWS && !f->has_huge_pages) {
        (void)madvise(f->memory, f->memory_bytes, MADV_HUGEPAGE);
        f->has_huge_pages = true;
    }
    hl_pool_enter(f->pool);
    f->stop = stop;
    f->inputs = b->inputs;
    atomic_store_explicit(&f->is_broken, false, memory_order_relaxed);
    atomic_flag_clear(&f->has_breach);
    f->watched = hl_stop_watched();
    check_batch(f, b);
    if (!hl_pass_stopped(f)) run_pass(f, b, ret_logits);
    const bool stopped =
        (f->stop && atomic_load_explicit(f->stop, memory_order_relaxed)) || hl_stop_is_set(f->watched);
    hl_pool_leave(f->pool);
    if (atomic_load_explicit(&f->is_broken, memory_order_acquire)) return fail_breach(f, err);
    if (hl_gguf_is_broken(f->m->gguf))
        return hl_fail(
            err, HL_E_IO,
            "the model file was changed or cut short while in use: results are worthless, open it again");
    return stopped ? hl_fail(err, HL_E_CANCEL, "stopped") : HL_OK;
}
