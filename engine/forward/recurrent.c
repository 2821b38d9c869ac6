/* SPDX-License-Identifier: MIT
 *
 * recurrent.c - layers that keep a state instead of keys and values: projections, a causal convolution, a
 * step for each position, a gate.
 *
 * Positions of a sequence go one after the other, in their order; what is parallel are heads, and columns
 * of a head's state, which do not know one another. So a state and what is read from it have the same bits
 * however a text is cut, whoever else is in the batch. A part of a state (64 columns) stays in the
 * first-level cache while all positions of a span go through it.
 *
 * States are only read where the sequence has them, and written behind the rows that the batch names
 * (forward.h).
 */
#include "engine/forward/recurrent.h"

#include <math.h>
#include <string.h>

float hl_softplus(float x) { return x > 20.0f ? x : (float)log1p(exp((double)x)); }

static const hl_recurrent_kind *kind_of(const hl_model *m) {
    switch (m->arch->recurrence) {
    case HL_RECURRENCE_GATED_DELTA: return &hl_gated_delta;
    case HL_RECURRENCE_KEYED_DELTA: return &hl_keyed_delta;
    case HL_RECURRENCE_MAMBA1: return &hl_mamba1;
    case HL_RECURRENCE_MAMBA2: return &hl_mamba2;
    default: return NULL; /* the convolution is all */
    }
}

/* ---- buffers ------------------------------------------------------------------------------------ */

static size_t room_floats(const hl_state_params *p) {
    return p->key_dim + (3 + (size_t)p->key_dim) * HL_STATE_COLS_CAP;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

void hl_recurrent_lay_out(hl_pass *f, hl_bump *b) {
    const hl_state_params *p = &f->m->hp.state;
    const size_t           rows = f->n_rows_cap;
    const uint32_t         n_threads = (uint32_t)hl_pool_n_threads(f->m->engine->pool);
    hl_recurrent_buf       s = {0};
    uint32_t               needs = 0;
    f->recurrent = NULL;
    if (p->n_layers == 0) return;
    for (uint32_t i = 0; i < f->m->hp.n_layers; i++)
        needs |= f->m->layers[i].need_state_low | f->m->layers[i].need_state_out;
#define TAKE(field, n) (s.field = hl_bump_take(b, n, sizeof *s.field))
    f->recurrent = hl_bump_take(b, 1, sizeof s);
    TAKE(in, rows * p->in_cols);
    TAKE(conv, rows * p->conv_cols);
    TAKE(steps, rows * p->step_cols);
    TAKE(y, rows * p->inner);
    if (f->m->arch->mixing == HL_MIXING_BOTH) TAKE(beside, rows * f->m->hp.n_embd);
    TAKE(zeros, p->conv_cols);
    TAKE(first, rows);
    hl_act_lay_out(b, &s.low, rows * larger(p->inner, p->low_cols), f->m->engine->n_planes, needs);
    TAKE(room, n_threads);
    for (uint32_t i = 0; i < n_threads; i++) {
        float *room = hl_bump_take(b, room_floats(p), sizeof *room);
        if (s.room) s.room[i] = room;
    }
#undef TAKE
    if (f->recurrent) *f->recurrent = s;
}

void hl_recurrent_begin(hl_pass *f, const hl_batch *b) {
    if (!f->recurrent) return;
    f->recurrent->state_out = b->state_out;
    for (uint32_t i = 0; i < f->n_seq_spans; i++)
        for (uint32_t r = f->seq_spans[i].begin; r < f->seq_spans[i].end; r++)
            f->recurrent->first[r] = f->seq_spans[i].begin;
}

/* What a layer has of a state; window first, then heads. */
static float *layer_state(const hl_recurrent *c, const hl_seq *s, uint32_t state) {
    float *all = (float *)(void *)hl_kv_host_state(hl_kv_pool_store(hl_kv_pool_states(s->pool)), state);
    return all + c->l->p->i_state * hl_layer_state_floats(c->p);
}

/* ---- convolution -------------------------------------------------------------------------------- */

/* The row's inputs of the convolution, `back` positions before it: of the batch, of the sequence's window, or
 * zeros in front of the text. */
static const float *input_before(const hl_recurrent *c, uint32_t row, uint32_t back) {
    const uint32_t first = c->b->first[row], n_window = c->p->n_taps - 1;
    if (back <= row - first) return hl_recurrent_in(c, row - back) + c->p->conv_at;
    if (c->f->pos[first] == 0) return c->b->zeros;
    const hl_seq  *s = c->f->seqs[row];
    const uint32_t beyond = back - (row - first); /* 1: the position right in front of the span */
    return layer_state(c, s, s->state) + (size_t)(n_window - beyond) * c->p->conv_cols;
}

static uint32_t state_behind(const hl_recurrent *c, uint32_t row) {
    return c->b->state_out ? c->b->state_out[row] : HL_NO_STATE;
}

/* Inputs that the next positions will want. */
static void write_window(const hl_recurrent *c, uint32_t row) {
    const size_t n = c->p->conv_cols;
    if (state_behind(c, row) == HL_NO_STATE) return;
    float *to = layer_state(c, c->f->seqs[row], state_behind(c, row));
    for (uint32_t i = c->p->n_taps - 1; i-- > 0; to += n) memcpy(to, input_before(c, row, i), n * sizeof *to);
}

/* x / (1 + e^-x), in place. */
static void silu(const hl_kernels *k, size_t n, float *x) {
    static const float ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    enum { STEP = sizeof ones / sizeof ones[0] };
    for (size_t i = 0; i < n; i += STEP) k->silu_mul(n - i < STEP ? n - i : STEP, x + i, ones, x + i);
}

static void conv_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_recurrent *c = ctx;
    const uint32_t      n_taps = c->p->n_taps;
    const float        *u[HL_MAX_TAPS];
    float              *y = hl_recurrent_conv(c, row);
    for (uint32_t t = 0; t < n_taps; t++) u[t] = input_before(c, row, n_taps - 1 - t);
    c->sk->conv_taps(c->p->conv_cols, n_taps, u, c->l->taps, c->l->v[HL_W_STATE_TAPS_BIAS], y);
    if (f->m->arch->recurrence != HL_RECURRENCE_SHORT_CONV) silu(f->k, c->p->conv_cols, y);
    write_window(c, row);
}

/* ---- short convolutions: LFM2 ------------------------------------------------------------------- */

static void gate_input(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_recurrent *c = ctx;
    const size_t        n = c->p->inner;
    float              *in = hl_recurrent_in(c, row); /* b, c, x */
    (void)f;
    c->sk->mul(n, in, in + 2 * n, in);
}

static void gate_output(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_recurrent *c = ctx;
    (void)f;
    c->sk->mul(c->p->inner, hl_recurrent_in(c, row) + c->p->gate_at, hl_recurrent_conv(c, row),
               hl_recurrent_y(c, row));
}

/* ---- steps -------------------------------------------------------------------------------------- */

typedef struct scan_ctx {
    const hl_recurrent      *c;
    const hl_recurrent_kind *kind;
    uint32_t                 n_parts; /* of a head's columns */
} scan_ctx;

/* Where a part of a head is in a layer's state: [key_dim][n]. */
static float *part_of(const hl_recurrent *c, const hl_seq *s, uint32_t state, hl_step_part part) {
    const hl_state_params *p = c->p;
    return layer_state(c, s, state) + hl_window_floats(p) +
           ((size_t)part.head * hl_state_cols(p) + part.col) * p->key_dim;
}

static hl_step_room room_of(const hl_recurrent *c, uint32_t i_thread) {
    hl_step_room r = {.decay = c->b->room[i_thread]};
    r.x = r.decay + c->p->key_dim;
    r.dt = r.x + HL_STATE_COLS_CAP;
    r.o = r.dt + HL_STATE_COLS_CAP;
    r.state = r.o + HL_STATE_COLS_CAP;
    return r;
}

static hl_step_part find_part(const hl_state_params *p, uint32_t head, uint32_t i_part) {
    const uint32_t n_cols = (uint32_t)hl_state_cols(p), col = i_part * HL_STATE_COLS_CAP;
    hl_step_part   part = {.head = head, .col = col, .n = n_cols - col};
    if (part.n > HL_STATE_COLS_CAP) part.n = HL_STATE_COLS_CAP;
    part.n_used = p->value_dim - col < part.n ? p->value_dim - col : part.n;
    return part;
}

/* All positions of a span, in order, through some columns of a head's state. */
static void scan_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    enum { LOOK_EVERY = 64 };
    const scan_ctx        *s = ctx;
    const hl_recurrent    *c = s->c;
    const hl_state_params *p = c->p;
    const uint32_t         each = p->n_heads * s->n_parts, in_span = i_chunk % each;
    const hl_seq_span      span = c->f->seq_spans[i_chunk / each];
    const hl_step_part     part = find_part(p, in_span / s->n_parts, in_span % s->n_parts);
    const hl_step_room     room = room_of(c, i_thread);
    const hl_seq          *seq = c->f->seqs[span.begin];
    const size_t           n_bytes = (size_t)p->key_dim * part.n * sizeof(float);
    const uint32_t         last = state_behind(c, span.end - 1);
    float                 *state = last == HL_NO_STATE ? room.state : part_of(c, seq, last, part);
    if (hl_pass_stopped(c->f)) return;
    if (c->f->pos[span.begin] == 0)
        memset(state, 0, n_bytes);
    else
        memcpy(state, part_of(c, seq, seq->state, part), n_bytes);
    for (uint32_t r = span.begin; r < span.end; r++) {
        if ((r - span.begin) % LOOK_EVERY == LOOK_EVERY - 1 && hl_pass_stopped(c->f)) return;
        s->kind->step(c, r, part, &room, state);
        memcpy(hl_recurrent_y(c, r) + (size_t)part.head * p->value_dim + part.col, room.o,
               part.n_used * sizeof(float));
        const uint32_t out = state_behind(c, r);
        if (out != HL_NO_STATE && r + 1 < span.end) memcpy(part_of(c, seq, out, part), state, n_bytes);
    }
}

static void run_scan(const hl_recurrent *c, const hl_recurrent_kind *kind) {
    scan_ctx s = {.c = c, .kind = kind};
    s.n_parts = (uint32_t)((hl_state_cols(c->p) + HL_STATE_COLS_CAP - 1) / HL_STATE_COLS_CAP);
    hl_pool_run(c->f->pool, c->f->n_seq_spans * c->p->n_heads * s.n_parts, scan_chunk, &s);
}

/* ---- the layer ---------------------------------------------------------------------------------- */

void hl_recurrent_multiply(const hl_recurrent *c, const hl_matrix *w, float *y, size_t y_stride) {
    const hl_linear one = {.w = w,
                           .x = hl_act_of(&c->b->low, 0, c->f->n_rows, w->n_cols),
                           .y = y,
                           .y_cols = w->n_rows,
                           .y_stride = y_stride};
    hl_linear_run(c->f, &one, 1);
}

/* Each matrix that reads the layer's input, to its place in a row. */
static void project(const hl_recurrent *c) {
    const hl_state_params *p = c->p;
    const struct {
        hl_weight w;
        uint32_t  at;
    } parts[] = {
        {HL_W_STATE_IN, 0},
        {HL_W_SHORT_IN, 0},
        {HL_W_STATE_QKV, 0},
        {HL_W_STATE_GATE, p->gate_at},
        {HL_W_STATE_BETA, p->beta_at},
        {HL_W_STATE_ALPHA, p->alpha_at},
        {HL_W_STATE_BETA_ALPHA, p->beta_at},
        {HL_W_KDA_Q, 0},
        {HL_W_KDA_K, p->inner},
        {HL_W_KDA_V, 2 * p->inner},
        {HL_W_KDA_DECAY_DOWN, p->low_at},
        {HL_W_KDA_GATE_DOWN, p->low_at + p->low_cols},
    };
    hl_linear linears[HL_MAX_LINEARS];
    uint32_t  n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const hl_matrix *w = &c->l->w[parts[i].w];
        if (!w->data || !hl_pass_fits(c->f, HL_ROOM_REGION_LINEARS, n + 1, HL_MAX_LINEARS)) continue;
        linears[n++] = (hl_linear){
            .w = w,
            .x = hl_act_of(&c->f->act, 0, c->f->n_rows, c->f->m->hp.n_embd),
            .y = c->b->in + parts[i].at,
            .y_cols = p->in_cols - parts[i].at,
            .y_stride = p->in_cols,
        };
    }
    hl_linear_run(c->f, linears, n);
}

typedef struct rows_ctx {
    const hl_recurrent *c;
    void (*fn)(const hl_recurrent *c, uint32_t row);
} rows_ctx;

static void run_row(hl_pass *f, const void *ctx, uint32_t row) {
    const rows_ctx *r = ctx;
    (void)f;
    r->fn(r->c, row);
}

static void for_rows(const hl_recurrent *c, void (*fn)(const hl_recurrent *c, uint32_t row)) {
    const rows_ctx r = {c, fn};
    hl_rows_run(c->f, c->f->n_rows, run_row, &r);
}

static void look_row(const hl_recurrent *c, uint32_t row) {
    hl_row_look(c->f, row, HL_PLACE_STATE, c->i_layer, c->p->inner, hl_recurrent_y(c, row));
}

void hl_recurrent_run(hl_pass *f, uint32_t i_layer) {
    const hl_recurrent       c = {.f = f,
                                  .l = &f->m->layers[i_layer],
                                  .i_layer = i_layer,
                                  .p = &f->m->hp.state,
                                  .b = f->recurrent,
                                  .sk = &f->m->engine->state_kernels};
    const hl_recurrent_kind *kind = kind_of(f->m);
    project(&c);
    if (!kind) hl_rows_run(f, f->n_rows, gate_input, &c);
    if (hl_pass_stopped(f)) return;
    hl_rows_run(f, f->n_rows, conv_row, &c);
    if (!kind) {
        hl_rows_run(f, f->n_rows, gate_output, &c);
    } else {
        if (kind->between) kind->between(&c);
        for_rows(&c, kind->ready);
        run_scan(&c, kind);
        if (hl_pass_stopped(f)) return;
        for_rows(&c, kind->finish);
    }
    for_rows(&c, look_row);
}

static const hl_matrix *out_of(const hl_layer *l) {
    if (l->w[HL_W_STATE_OUT].data) return &l->w[HL_W_STATE_OUT];
    return l->w[HL_W_KDA_OUT].data ? &l->w[HL_W_KDA_OUT] : &l->w[HL_W_SHORT_OUT];
}

static void write_y(const hl_recurrent *c, uint32_t row) {
    hl_act_write(c->f, &c->b->low, c->l->need_state_out, row, c->p->inner, hl_recurrent_y(c, row));
}

void hl_recurrent_out_run(hl_pass *f, uint32_t i_layer, bool is_beside) {
    const hl_recurrent c = {.f = f,
                            .l = &f->m->layers[i_layer],
                            .i_layer = i_layer,
                            .p = &f->m->hp.state,
                            .b = f->recurrent,
                            .sk = &f->m->engine->state_kernels};
    for_rows(&c, write_y);
    hl_recurrent_multiply(&c, out_of(c.l), is_beside ? c.b->beside : f->tmp, f->m->hp.n_embd);
}

static void add_beside(hl_pass *f, const void *ctx, uint32_t row) {
    const size_t n = f->m->hp.n_embd;
    (void)ctx;
    f->k->add(n, f->tmp + row * n, f->recurrent->beside + row * n, f->tmp + row * n);
}

void hl_recurrent_add_run(hl_pass *f) { hl_rows_run(f, f->n_rows, add_beside, NULL); }

void hl_recurrent_move_row(hl_pass *f, uint32_t from, uint32_t to) {
    const size_t n = f->m->hp.state.inner;
    if (f->recurrent) memcpy(f->recurrent->y + to * n, f->recurrent->y + from * n, n * sizeof(float));
}
