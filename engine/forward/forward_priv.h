/* SPDX-License-Identifier: MIT
 *
 * forward_priv.h - a pass on the CPU: its state, and the blocks of forward/ that compute it.
 */
#ifndef HL_ENGINE_FORWARD_FORWARD_PRIV_H
#define HL_ENGINE_FORWARD_FORWARD_PRIV_H

#include "core/base/stop.h"
#include "engine/forward/bump.h"
#include "engine/forward/forward.h"
#include "engine/kv/kv_host.h"

/* Activations of all rows in every form that some matmul reads. */
typedef struct hl_act_buf {
    float    *f32; /* [rows][cols]; each NULL when no layer needs it */
    uint16_t *bf16;
    int8_t   *q; /* [rows][n_planes][cols] and so on */
    float    *d;
    int16_t  *sum16;
    size_t    n_values; /* room: rows x cols */
    uint32_t  n_planes; /* 1, or 2: hl_act */
} hl_act_buf;

/* Rows that lie in one block of one sequence, in order: what may be written by one thread. */
typedef struct hl_block_span {
    uint32_t begin, end; /* rows */
} hl_block_span;

/* Rows of one sequence that stand together. */
typedef struct hl_seq_span {
    uint32_t begin, end;
} hl_seq_span;

/* What is compared with its room at the place of use: engine/capacities.def. */
typedef enum hl_room {
#define HL_ROOM(name, what, who, why) HL_ROOM_##name,
#include "engine/capacities.def"
#undef HL_ROOM
    HL_ROOM_count
} hl_room;

typedef struct hl_thread_scratch {
    hl_matmul_scratch matmul;
    float            *glu;     /* [2][rows][HL_GLU_ROWS] gate and up of one chunk */
    void             *attend;  /* HL_ATTEND_SCRATCH_BYTES */
    uint8_t          *values;  /* of a split of which the cache has keys alone; NULL: no layer is so */
    float            *part_o;  /* [n_splits][tile][head_room] partial attention */
    float            *part_ms; /* [2][n_splits][tile] */
} hl_thread_scratch;

_Static_assert((int)HL_MAX_HEAD_DIM <= (int)HL_ATTEND_MAX_HEAD_DIM, "the kernels have room for every head");

enum { HL_GLU_ROWS = 32 };

/* One of hl_hparams.ropes. */
typedef struct hl_turns {
    float  *table;    /* [rows][n_rot / 2][2] cos, sin */
    double *inv_freq; /* [n_rot / 2] */
    float   mscale;
} hl_turns;

/* Where a row's values can turn out to be no numbers: finite.c. */
typedef enum hl_place {
    HL_PLACE_NONE,
    HL_PLACE_EMBEDDING,
    HL_PLACE_NORM,
    HL_PLACE_LAST_NORM,
    HL_PLACE_QUERIES,
    HL_PLACE_KEYS,
    HL_PLACE_VALUES,
    HL_PLACE_ATTENTION,
    HL_PLACE_STATE,
    HL_PLACE_ROUTER,
    HL_PLACE_FFN,
    HL_PLACE_LOGITS,
    HL_PLACE_count
} hl_place;
enum { HL_PLACE_BITS = 8 };

/* What the last block has left in tmp, and how the next join adds it to x. */
typedef struct hl_left {
    hl_place     place; /* HL_PLACE_EMBEDDING: nothing, x is the embedding itself */
    uint32_t     i_layer;
    const float *norm;         /* of it before it is added; NULL: none */
    float        scale;        /* times it; 1: none */
    const float *stream_scale; /* [1] times x afterwards; NULL: none */
} hl_left;

/* What a block reads: a norm of x. */
typedef struct hl_into {
    hl_place     place; /* for errors: HL_PLACE_NORM, or HL_PLACE_LAST_NORM */
    uint32_t     i_layer;
    const float *norm, *bias; /* NULL, NULL: x as it is, unless `is_bare` */
    bool         is_bare;     /* a norm without weights */
    bool         is_parallel; /* of x as it was before what is left is added */
    uint32_t     needs;
} hl_into;

typedef struct hl_pass {
    const hl_model       *m;
    const hl_kernels     *k;
    hl_pool              *pool;
    uint32_t              n_rows_cap;
    int32_t               n_ctx;
    uint32_t              n_splits_cap;
    uint32_t              tile_queries; /* most queries of one attention item, <= HL_ATTEND_MAX_QUERIES */
    uint8_t              *memory;       /* one mapping for everything below */
    size_t                memory_bytes;
    bool                  has_huge_pages;
    const hl_input_watch *inputs; /* of the batch; NULL: nobody looks */

    /* Where layers differ, rows have the sizes of the layer in hand, and buffers room for the largest. */
    float *x;   /* [rows][n_embd] the residual stream */
    float *qkv; /* [rows][q + k + v] */
    /* [rows][n_heads][head_room], zeros behind each head, of layers whose heads have such room; others are
     * read where they stand in qkv. NULL: there are no such layers */
    float  *q;
    float  *attn; /* [rows][values of all heads]; between attention blocks, room for [rows][n_embd] */
    float  *gate; /* [rows][values of all heads] that gate them; NULL: no layer does */
    float  *tmp;  /* [rows][n_embd] result of a block before it joins x: `left` says how */
    hl_left left;
    float  *side;      /* [rows of the batch][n_layers][n_side] embeddings of each layer's own; NULL: none */
    float  *side_room; /* [rows][n_side] */
    float  *low;       /* [rows][..] of low-rank attention: mla.c; NULL: there is none */
    float  *gated;     /* [rows][2 q] queries and gates, head by head; NULL: no layer has them so */
    float  *draft_in;  /* [rows][..] what the first matrix of what drafts reads; NULL: it does not */
    struct hl_recurrent_buf *recurrent; /* NULL: all layers attend */
    struct hl_altup_buf     *altup;     /* NULL: there is one residual stream */
    hl_act_buf               act;       /* inputs of the next matmuls, up to max(n_embd, q) columns */
    hl_act_buf               act_ff;    /* inputs of the down matmul */
    hl_turns                 ropes[HL_MAX_ROPES];
    float                   *shared_o;  /* partial attention of decoding rows, all threads */
    float                   *shared_ms; /* [2][shared_ms_floats] the largest score and the sum of each */
    size_t                   shared_o_floats, shared_ms_floats;
    hl_seq_span             *seq_spans;   /* [rows] */
    hl_block_span           *block_spans; /* [rows] */
    uint32_t                 n_seq_spans, n_block_spans;
    int32_t                 *pos; /* [rows] of the batch; compacted for the last layer */
    hl_seq                 **seqs;
    uint32_t *origin; /* [rows] the row of the batch that each one is: 0, 1, .. until compacted */
    _Atomic uint32_t
        *faults; /* [rows of the batch] 0, or the first hl_place and its layer << HL_PLACE_BITS */
    struct hl_moe_scratch *moe;      /* NULL: dense */
    struct hl_low_room    *low_rank; /* of adapters: low_rank.h; NULL: the model has none */
    hl_thread_scratch     *threads;

    bool has_queries; /* else layers make keys and values only */

    const atomic_bool  *stop;
    const volatile int *watched; /* the caller's own flag, see core/base/stop.h */
    uint32_t            n_rows;  /* of the pass; n_out in the second half of the last layer */

    atomic_bool is_broken; /* something did not fit: the pass ends, and `breach` says what it was */
    atomic_flag has_breach;
    struct {
        hl_room what;
        size_t  found, room;
    } breach;
} hl_pass;

/* hl_forward_plan() and its kin of forward.h, for this device. */
size_t                  hl_pass_plan(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx);
HL_MUST_CHECK hl_status hl_pass_new(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, hl_pass **ret_pass,
                                    hl_err *err);
void                    hl_pass_free(hl_pass *f);
HL_MUST_CHECK hl_status hl_pass_eval(hl_pass *f, const hl_batch *b, const atomic_bool *stop,
                                     float *ret_logits, hl_err *err);
HL_MUST_CHECK hl_status hl_pass_check_row(const hl_pass *f, const hl_batch *b, uint32_t row, hl_err *err);
bool                    hl_pass_row_failed(const hl_pass *f, uint32_t row);

/* Work goes on in chunks; what is left of it is not worth doing. */
static inline bool hl_pass_stopped(const hl_pass *f) {
    return (f->stop && atomic_load_explicit(f->stop, memory_order_relaxed)) ||
           atomic_load_explicit(&f->is_broken, memory_order_relaxed) || hl_stop_is_set(f->watched);
}

/* The first breach of a pass is kept; any thread. */
void hl_pass_note_breach(hl_pass *f, hl_room what, size_t found, size_t room);

/* Asked wherever something is about to be written that is as long as a file or a caller says, in every build:
 * shapes are checked when a model is bound and buffers are laid out after them, and should one of the two be
 * wrong, the pass ends in HL_E_INTERNAL instead of writing. False: do not write. */
static inline bool hl_pass_fits(hl_pass *f, hl_room what, size_t found, size_t room) {
    if (__builtin_expect(found <= room, 1)) return true;
    hl_pass_note_breach(f, what, found, room);
    return false;
}

/* Row `row` holds no numbers at this place; the first note counts. Any thread. */
void               hl_row_note(hl_pass *f, uint32_t row, hl_place place, uint32_t i_layer);
static inline void hl_row_look(hl_pass *f, uint32_t row, hl_place place, uint32_t i_layer, size_t n,
                               const float *x) {
    if (__builtin_expect(!f->k->all_finite(n, x), 0)) hl_row_note(f, row, place, i_layer);
}

/* hl_matmul_chunk() with this thread's scratch. */
void hl_multiply(hl_pass *f, const hl_matrix *w, size_t row_begin, size_t row_end, const hl_act *x,
                 uint32_t i_thread, float *y, size_t y_stride);

/* Between regions: what w, or one of a stack, is about to be multiplied with. */
static inline void hl_show_inputs(const hl_pass *f, const hl_matrix *w, uint32_t i_matrix, const hl_act *x) {
    if (__builtin_expect(f->inputs != NULL, 0)) f->inputs->fn(f->inputs->user, w, i_matrix, x);
}

/* One matmul of a parallel region: y[row][r] = w x + bias. */
typedef struct hl_linear {
    const hl_matrix *w;
    const float     *bias; /* [w->n_rows]; NULL: none */
    hl_act           x;
    float           *y;
    size_t           y_cols; /* floats of a row that are this one's: w has no more rows */
    size_t           y_stride;
    /* set when a result is not finite: looked at while it is in cache. NULL: nobody asks */
    atomic_bool *ret_odd;
} hl_linear;

enum { HL_MAX_LINEARS = 6 };

/* All of them in one region. */
void hl_linear_run(hl_pass *f, const hl_linear *linears, uint32_t n_linears);

/* fn(f, ctx, row) for every row: in the calling thread when there are few, else in chunks. */
typedef void hl_row_fn(hl_pass *f, const void *ctx, uint32_t row);
void         hl_rows_run(hl_pass *f, uint32_t n_rows, hl_row_fn *fn, const void *ctx);

/* Room for n_values, rows times columns, in the forms of `needs`. */
void hl_act_lay_out(hl_bump *b, hl_act_buf *a, size_t n_values, uint32_t n_planes, uint32_t needs);
/* Write one row of f32 into the forms of `needs`. */
void hl_act_write(hl_pass *f, const hl_act_buf *a, uint32_t needs, uint32_t row, size_t n_cols,
                  const float *x);
/* As above for columns [begin, end) of a wider row; both multiples of 32. */
void hl_act_write_part(hl_pass *f, const hl_act_buf *a, uint32_t needs, uint32_t row, size_t n_cols,
                       size_t begin, size_t end, const float *x);
/* The view of rows [begin, begin + n) that a matmul reads. */
hl_act hl_act_of(const hl_act_buf *a, uint32_t begin, uint32_t n, size_t n_cols);

void hl_rope_tables_init(hl_pass *f);                    /* inverse frequencies of the model */
void hl_rope_tables_fill(hl_pass *f, const hl_batch *b); /* cos and sin of the rows' positions */

/* Is there still reason to go on with a pass? */
static inline bool hl_pass_goes_on(const hl_pass *f) {
    return !hl_pass_stopped(f) && !hl_gguf_is_broken(f->m->gguf);
}

/* The norm of the model's kind. weight NULL: none. y may be x. */
void hl_norm_values(const hl_pass *f, size_t n, const float *x, const float *weight, const float *bias,
                    float *y);
void hl_join_run(hl_pass *f, const hl_into *into); /* tmp and x -> x and act; nothing is left */

/* The last block has made tmp, for the next join. */
void hl_leave(hl_pass *f, hl_place place, uint32_t i_layer, const float *norm);

void hl_attention_block_run(hl_pass *f, const hl_batch *b, uint32_t i_layer); /* act -> tmp */
void hl_ffn_block_run(hl_pass *f, uint32_t i_layer);                          /* act -> tmp */

void hl_qkv_run(hl_pass *f, const hl_layer *l);      /* act -> qkv, gate */
void hl_heads_run(hl_pass *f, uint32_t i_layer);     /* norm, rotate; write keys and values */
void hl_attention_run(hl_pass *f, uint32_t i_layer); /* qkv -> attn */
void hl_attn_out_run(hl_pass *f, const hl_layer *l); /* attn -> tmp */
void hl_encoder_run(hl_pass *f, const hl_batch *b);  /* all of a pass, of an encoder with norms behind */

float *hl_query_of(const hl_pass *f, const hl_layer_params *p, uint32_t row, uint32_t head);
/* The layer of a block of the cache that has room for what a layer reads. */
uint32_t hl_cache_layer(const hl_pass *f, uint32_t i_layer);

/* Recurrent layers. begin: for the rows of the pass; run: act -> states, and what heads read; out_run:
 * that -> tmp, or beside it, where attention makes tmp; then add_run adds both. move_row: what was read
 * moves to another row. */
void hl_recurrent_lay_out(hl_pass *f, hl_bump *b);
void hl_recurrent_begin(hl_pass *f, const hl_batch *b);
void hl_recurrent_run(hl_pass *f, uint32_t i_layer);
void hl_recurrent_out_run(hl_pass *f, uint32_t i_layer, bool is_beside);
void hl_recurrent_add_run(hl_pass *f);
void hl_recurrent_move_row(hl_pass *f, uint32_t from, uint32_t to);

/* Low-rank attention: act -> qkv, ready but for the cache; attn -> attn, values of whole heads. */
void hl_mla_lay_out(hl_pass *f, hl_bump *b);
void hl_mla_heads_run(hl_pass *f, uint32_t i_layer);
void hl_mla_values_run(hl_pass *f, const hl_layer *l);

/* A feed-forward block: act -> tmp. */
typedef enum hl_ffn_kind { HL_FFN_DENSE, HL_FFN_SHARED } hl_ffn_kind;
void hl_ffn_run(hl_pass *f, const hl_layer *l, hl_ffn_kind kind);
void hl_moe_lay_out(hl_pass *f, hl_bump *b);          /* after m and n_rows_cap */
void hl_moe_run(hl_pass *f, uint32_t i_layer);        /* experts, and those that every row has: act -> tmp */
void hl_moe_beside_run(hl_pass *f, uint32_t i_layer); /* experts, and a dense block: act, x -> tmp */

void hl_activate(const hl_pass *f, const hl_bend *bend, size_t n, float *gate,
                 const float *up); /* in place */

/* Embeddings of each layer's own. */
void hl_side_lay_out(hl_pass *f, hl_bump *b);
void hl_side_embed_run(hl_pass *f, const hl_batch *b); /* x -> side */
void hl_side_block_run(hl_pass *f, uint32_t i_layer);  /* act -> tmp */
void hl_side_run(hl_pass *f, uint32_t i_layer);        /* joins; x -> tmp */

/* What drafts, of any kind: drafts.h. project: act -> y, [rows][n_out]. */
void hl_draft_lay_out(hl_pass *f, hl_bump *b);
void hl_draft_project(hl_pass *f, const hl_matrix *w, size_t n_out, float *y);
/* What a row begins with, as wide as the table of embeddings. */
void hl_embed_row(hl_pass *f, const hl_batch *b, uint32_t row, float *x);

/* Four residual streams in x's place. */
void hl_altup_lay_out(hl_pass *f, hl_bump *b);
void hl_altup_begin(hl_pass *f); /* x -> streams */
void hl_altup_layer_run(hl_pass *f, const hl_batch *b, uint32_t i_layer);
void hl_altup_end(hl_pass *f); /* streams -> x */
void hl_altup_move_row(hl_pass *f, uint32_t to, uint32_t from);

#endif
