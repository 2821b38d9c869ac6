/* SPDX-License-Identifier: MIT
 *
 * sched_priv.h - the inside of the scheduler, shared by the files of sched/.
 *
 * One thread, the scheduler's, owns everything that is not marked otherwise. `lock` guards what other threads
 * hand over (the inbox, ids, statistics); `kv_lock` guards blocks and the prefix tree, and is free during a
 * pass, which only touches blocks that running sequences hold.
 */
#ifndef HL_ENGINE_SCHED_SCHED_PRIV_H
#define HL_ENGINE_SCHED_SCHED_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/stop.h"
#include "engine/forward/forward.h"
#include "engine/kv/kv_disk.h"
#include "engine/kv/prefix_tree.h"
#include "engine/lora.h"
#include "engine/speculate/draft_block.h"
#include "engine/speculate/draft_file.h"
#include "engine/speculate/draft_model.h"
#include "engine/speculate/speculation.h"
#include "hyperlama/sched.h"

enum {
    HL_MAX_RUNNING = 256,
    HL_MAX_DRAFT_ROWS = 32, /* of all sequences in one step */
    HL_TOP_CAP = 20,
    HL_ITL_BUCKETS = 256,
    HL_MAX_PARTINGS = 4, /* checkpoints of one prompt that others wait for */
    HL_KEPT_STATES = 16, /* room for checkpoints beyond what running sequences need */
};
#define HL_NO_ROW UINT32_MAX

/* What a caller waits for; waiter.c. */
typedef struct hl_waiter {
    pthread_mutex_t lock;
    pthread_cond_t  is_done;
    bool            done;
    hl_status       status;
    hl_usage        usage;
    hl_err          err;
} hl_waiter;

typedef struct hl_embed_job hl_embed_job; /* sched_embed.c: texts of one call */

/* Virtual token counter of a client: how much was computed for it. The one with the least goes first. */
typedef struct hl_owner {
    struct hl_owner *next;
    uint64_t         id;
    double           n_rows; /* new ones start at the least of those at work */
    uint32_t         n_streams;
} hl_owner;

/* What was asked for; everything that hl_sched_request points to was copied elsewhere. */
typedef struct hl_seq_request {
    int32_t            max_tokens, n_ctx, n_top, priority;
    bool               ignore_eog;
    uint64_t           owner;
    hl_sched_token_fn *on_token, *on_prompt_token;
    hl_sched_done_fn  *on_done;
    void              *user;
} hl_seq_request;

/* Speculation of a sequence, and the draft model's view of it. */
typedef struct hl_spec_state {
    hl_spec  spec;      /* zeros: this sequence does not speculate */
    hl_seq   model_seq; /* no blocks until the draft model is asked */
    uint32_t n_unasked; /* steps in a row in which asking it did not pay */
    float   *hidden;    /* [hidden_cols] what the model made of position hidden_pos; NULL: no block drafts */
    int32_t  hidden_pos;
} hl_spec_state;

/* What one sequence puts into the step in hand, and what comes of it. */
typedef struct hl_step_slot {
    uint32_t n_rows;       /* 0: not in the batch */
    uint32_t first_row;    /* in the batch */
    uint32_t first_pos;    /* of the first row */
    uint32_t bad_row;      /* in the batch, of its own: no token can be chosen behind it; HL_NO_ROW: none */
    bool     reads_prompt; /* its rows are a chunk of a prompt */
    bool     is_deferred;  /* another prompt of this step computes what it needs */
    bool     is_done;      /* nothing may follow what it emitted */
    uint32_t first_out, n_out;
    uint32_t first_told, n_told; /* rows of the prompt whose logits say how likely its next token is */
    struct {
        hl_seq   seq; /* a fork of the sequence; no blocks between steps */
        uint32_t first_out;
    } branches[HL_MAX_BRANCHES];
    int32_t     emitted[HL_MAX_DRAFT + 1];
    float       logprobs[HL_MAX_DRAFT + 1];
    uint32_t    n_emitted;
    hl_logprob *top; /* [HL_MAX_DRAFT + 1][HL_TOP_CAP]; NULL when nobody asked */
} hl_step_slot;

/* One request and, while it runs, its sequence. Tokens ids[seq.n_pos, n_ids) are not computed yet: one when
 * it generates, more while its prompt is read or it begins again. */
typedef struct hl_stream {
    struct hl_stream *next;      /* in the inbox */
    struct hl_stream *next_live; /* of all that are not done; under lock */
    uint64_t          id;
    hl_seq_request    req;
    hl_waiter        *waiter;
    hl_owner         *owner;  /* NULL until it waits, or without memory: then nobody counts */
    atomic_bool       cancel; /* any thread */
    atomic_bool       paused; /* any thread, under lock: it waits, holds no blocks, and is not admitted */
    int64_t           arrived_ns, began_ns, prompt_done_ns, last_token_ns, deadline_ns; /* 0: not yet, none */
    hl_usage          usage;

    int32_t       *ids;  /* [ids_cap] prompt and answer */
    hl_prefix_key *keys; /* [ids_cap] by which their blocks are shared */
    uint32_t       n_ids, n_prompt, ids_cap;
    uint32_t n_told; /* of the prompt's tokens, those whose logprobs on_prompt_token knows, or never will */
    hl_seq   seq;    /* no blocks while waiting */
    hl_lora_mix     mix;      /* adapters that it is computed with */
    hl_prefix_node *node;     /* of the last whole block that the prefix tree knows */
    uint32_t        n_cached; /* whole blocks that it knows */
    bool     gave_way; /* its blocks went back once: what is found again was counted, or is an answer's */
    uint32_t partings[HL_MAX_PARTINGS]; /* positions where other prompts leave this one; 0: none */
    uint32_t n_partings;
    /* While it answers, for files: the state behind its last whole block, with a reference; HL_NO_STATE: the
     * tree has it, or nobody does */
    uint32_t border_state;
    bool     asked_disk;  /* files were looked for since it holds blocks; only with states */
    uint32_t n_restoring; /* whole blocks, of which the last has a state in a file, are taken; 0: it is not */
    int32_t  restored_from; /* n_pos before that */
    hl_sampler *sampler;

    hl_spec_state draft;
    hl_step_slot  step;
} hl_stream;

struct hl_sched {
    hl_model          *model;
    hl_sched_params    p;    /* with defaults filled in */
    hl_memory_plan     plan; /* that was admitted; zeros: none yet */
    hl_lora_mix        mix;  /* adapters of what does not say */
    hl_kv_pool        *pool;
    hl_kv_pool        *state_pool; /* the pool's; NULL: the model has no recurrent layers */
    hl_prefix_tree    *tree;
    hl_kv_disk        *disk;            /* NULL: none */
    uint32_t           n_saving_states; /* that wait to be written: nobody can have their memory */
    hl_forward        *forward;
    int32_t            n_ctx_cap; /* of any request */
    uint32_t           n_rows_cap, n_out_cap;
    float             *logits; /* [n_out_cap][n_vocab], committed on use */
    size_t             logits_bytes, states_bytes;
    int32_t           *tokens, *pos; /* [n_rows_cap] the batch */
    hl_seq           **seqs;
    uint32_t          *state_out;      /* [n_rows_cap] states that the step makes, each with a reference */
    uint32_t          *out_rows;       /* [n_rows_cap]: of at most n_out_cap logits are wanted */
    float             *states;         /* [n_rows_cap][n_embd] of texts to be embedded, committed on use */
    hl_embed_job      *jobs;           /* in the order in which they go on; in the lock's inbox before */
    hl_stream        **running;        /* [n_running_cap] the best first */
    uint32_t           n_running_most; /* n_running_cap, or as many as there are states for */
    uint32_t           n_saving_most;  /* of n_saving_states */
    uint32_t           n_running;
    hl_stream        **waiting; /* [n_waiting_cap + n_running_cap] */
    uint32_t           n_waiting;
    hl_owner          *owners;
    hl_draft_proposal *proposals; /* [n_running_cap * (1 + HL_MAX_BRANCHES)] scratch of sched_draft.c */
    uint32_t         **proposed;  /* the same: where to write how many tokens of each are verified */
    double   prefill_mixed, prefill_alone; /* prompt rows per step, beside generating sequences and without */
    uint64_t itl[HL_ITL_BUCKETS];          /* inter-token latencies */
    hl_pass_cost    pass_cost;
    hl_draft_model *draft_model; /* NULL: none */
    hl_model       *draft_file;  /* the draft, made for the model; NULL: it is none of those */
    const hl_model *drafting;    /* that, or the model's own block; NULL: neither, or nobody may speculate */
    hl_draft_block *draft_block; /* of it */
    float          *hidden;      /* [n_rows_cap][hidden_cols] what the model made of rows, committed on use */
    const float   **before;      /* [n_rows_cap] scratch of sched_block.c */
    size_t          hidden_cols, hidden_bytes;
    float           draft_token_ns; /* what a token of it takes */
    float           fork_ns;        /* what a branch takes beyond its rows */
    pthread_t       thread;
    bool            has_thread;

    pthread_mutex_t     kv_lock;
    pthread_mutex_t     lock; /* guards from here on */
    pthread_cond_t      wake;
    hl_stream          *inbox, **inbox_end;
    hl_stream          *live;
    hl_embed_job       *job_inbox, **job_inbox_end;
    size_t              n_jobs;   /* in their inbox or in `jobs` */
    uint32_t            n_queued; /* in the inbox or waiting */
    uint64_t            next_id;
    uint64_t            solo_id;  /* the only request of the pass that runs; 0: none or several */
    const hl_embed_job *solo_job; /* all that the pass that runs is for; NULL: it is for others, too */
    bool                quit;
    hl_sched_stats      stats;
    atomic_bool         stop_pass; /* these two may be set by a signal handler */
    atomic_bool         cancel_all;
};

/* Committed on use; munmap(). NULL: there is no address space for it. */
float *hl_sched_map_floats(size_t n_bytes);

/* ---- waiter.c: a caller's thread that waits ---- */

void hl_sched_cond_init(pthread_cond_t *cond);
void hl_waiter_init(hl_waiter *w);
void hl_waiter_free(hl_waiter *w);
/* Until it is told, or the flag is set (NULL: none). True: it was told, and nobody else touches it now. */
HL_MUST_CHECK bool hl_waiter_wait(hl_waiter *w, const volatile int *watched);
/* in     err  NULL: none */
void hl_waiter_tell(hl_waiter *w, hl_status status, const hl_usage *usage, const hl_err *err);

/* ---- stream.c: one request ---- */

/* fails as hl_sched_submit() */
HL_MUST_CHECK hl_status hl_stream_new(const hl_sched *s, const hl_sched_request *r, hl_stream **ret_stream,
                                      hl_err *err);
void                    hl_stream_free(hl_stream *st); /* its sequence holds no blocks any more */
HL_MUST_CHECK bool      hl_stream_push(hl_stream *st, int32_t token); /* false: no memory */
static inline uint32_t  hl_stream_left(const hl_stream *st) { return st->n_ids - (uint32_t)st->seq.n_pos; }
/* Do its prompt's logprobs have to be told yet? */
static inline bool hl_stream_tells(const hl_stream *st) {
    return st->req.on_prompt_token && st->n_told < st->n_prompt;
}
/* Of its tokens, how many at the front may come from the cache: what is to be told has to be computed. */
static inline int32_t hl_stream_most_cached(const hl_stream *st) {
    return (int32_t)(hl_stream_tells(st) ? st->n_told : st->n_ids) - 1;
}
/* Tokens of the prompt that were not computed. */
static inline void hl_stream_count_cached(hl_stream *st, int32_t n) {
    if (!st->gave_way) st->usage.cached_tokens += n;
}
/* Tell whoever waits, take it off the list of the living, and free it. */
void hl_stream_end(hl_sched *s, hl_stream *st, hl_end end, hl_status status, const hl_err *err);

/* ---- sched_queue.c: who runs. All under kv_lock ---- */

void hl_sched_take_inbox(hl_sched *s);
void hl_sched_end_cancelled(hl_sched *s); /* and late ones, waiting and running */
void hl_sched_admit(hl_sched *s);
void hl_sched_park(hl_sched *s); /* running ones that are paused go back to waiting */
/* Is there anything to compute or to end? When not, *ret_due_ns is when the first of those that wait is late;
 * 0: never. */
bool hl_sched_has_work(const hl_sched *s, int64_t *ret_due_ns);
/* Have room for positions [0, n_pos) of a running stream: from the pool, the tree, or younger streams, which
 * go back to waiting. False: `st` is the youngest itself. */
HL_MUST_CHECK bool hl_sched_reserve(hl_sched *s, hl_stream *st, int32_t n_pos);
void               hl_sched_preempt(hl_sched *s, hl_stream *st);
/* Out of the running ones; its blocks go to the tree or back. */
void hl_sched_remove(hl_sched *s, hl_stream *st);
void hl_sched_publish(hl_sched *s, hl_stream *st); /* make its whole blocks known to the prefix tree */
static inline double hl_stream_service(const hl_stream *st) { return st->owner ? st->owner->n_rows : 0; }

/* ---- sched_state.c: states of recurrent layers. All under kv_lock; without such layers they do nothing
 * ---- */

/* A free state, if need be of a checkpoint. False: there is none. */
HL_MUST_CHECK bool hl_sched_state_get(hl_sched *s, uint32_t *ret_state);
/* The state behind a row of the step is wanted. False: there is no free one. */
HL_MUST_CHECK bool hl_sched_ask_state(hl_sched *s, uint32_t row);
/* Those behind rows of a prompt, which are in the batch, that are worth a checkpoint. */
void hl_sched_ask_checkpoints(hl_sched *s, const hl_stream *st);
/* Others go on differently behind the first n tokens of this prompt. */
void hl_sched_note_parting(hl_sched *s, hl_stream *st, uint32_t n);
/* A prompt that is read, and is not past where this one parts from it, comes to a checkpoint there:
 * worth waiting for. */
HL_MUST_CHECK bool hl_sched_waits_for_state(hl_sched *s, const hl_stream *st);
/* Of the step that was computed: the state behind the first n tokens, where the tree is to keep it.
 * HL_NO_STATE: it is not. */
uint32_t hl_sched_checkpoint_behind(const hl_sched *s, const hl_stream *st, uint32_t n);
/* The sequence has the state behind this row of the step from now on. */
void hl_sched_take_state(hl_sched *s, hl_stream *st, uint32_t row);
/* An answer went on by n rows of the step: keep the state behind its last whole block, if it came to one. */
void hl_sched_keep_border(hl_sched *s, hl_stream *st, uint32_t n);
void hl_sched_drop_border(hl_sched *s, hl_stream *st);
void hl_sched_drop_states(hl_sched *s, uint32_t first_row,
                          uint32_t n_rows); /* of rows, whoever has them else */

/* How many of n_states may wait to be written, and how many sequences may run beside them. */
void hl_sched_share_states(hl_sched *s, uint32_t n_states);
/* How many states there shall be; 0: the model has none.
 * in     left_bytes  of memory for them */
uint32_t hl_sched_plan_states(const hl_sched *s, uint64_t left_bytes);

/* ---- sched_disk.c: blocks and states in files. All under kv_lock ---- */

void hl_sched_save(hl_sched *s, hl_stream *st);      /* queue its cached blocks, and states, for writing */
void hl_sched_take_saved(hl_sched *s);               /* let go of what is written */
HL_MUST_CHECK bool hl_sched_wait_saved(hl_sched *s); /* when some more is; false: nothing waits to be */
/* Take blocks of a prompt whose room is reserved from files, and the state behind the last; true: there may
 * be more, next step, and until then it cannot go on. */
bool hl_sched_restore(hl_sched *s, hl_stream *st, bool others_generate);

/* ---- sched_draft.c: how speculation shares a step ---- */

void hl_sched_draft(hl_sched *s);     /* sets what of the drafts of all that runs is verified */
void hl_sched_observe(hl_stream *st); /* what came of them in this step */

/* Make the fork that the rows of a branch belong to. False: there is no room, or the drafts that it stands on
 * are not verified; then it is not either. */
HL_MUST_CHECK bool hl_sched_open_branch(hl_sched *s, hl_stream *st, uint32_t i_branch);

/* ---- sched_block.c: what drafts inside the model's own cache: a block of it, or a file made for it ---- */

/* Find what drafts so, before memory is planned.
 * fails  as hl_draft_file_new() */
HL_MUST_CHECK hl_status hl_sched_find_block(hl_sched *s, hl_err *err);
uint64_t                hl_sched_plan_block(hl_sched *s); /* what it takes beyond the cache */
HL_MUST_CHECK hl_status hl_sched_take_block(hl_sched *s, hl_err *err);
void                    hl_sched_free_block(hl_sched *s);
/* Let the pass keep what is read of it, if there is anything to draft for. */
void hl_sched_ask_hidden(const hl_sched *s, hl_batch *b);
/* What the model made of the position before its newest token is known. */
HL_MUST_CHECK bool hl_stream_can_ask_block(const hl_stream *st);
/* Of a pass that is done.
 * fails  HL_E_CANCEL  stopped: the pass counts as not done */
HL_MUST_CHECK hl_status hl_sched_read_along(hl_sched *s, const hl_batch *b, hl_err *err);
/* The sequence goes on behind this row of the step; its n_pos says so already. */
void hl_sched_keep_hidden(hl_sched *s, hl_stream *st, uint32_t row);

/* ---- sched_embed.c: texts that are read for their vectors. All under kv_lock ---- */

void hl_embed_take_inbox(hl_sched *s);
void hl_embed_cancel_all(hl_sched *s); /* under lock, too */
void hl_embed_end_cancelled(hl_sched *s);
void hl_embed_end_all(hl_sched *s, hl_status status, const hl_err *err);
/* Give the blocks of texts back that are not whole yet; false: there were none. Not while they have rows in
 * the batch. */
HL_MUST_CHECK bool hl_embed_give_way(hl_sched *s);
/* Behind all others of the step: up to `room` rows. Returns how many. */
uint32_t            hl_embed_compose(hl_sched *s, hl_batch *b, uint32_t room);
const hl_embed_job *hl_embed_only(const hl_sched *s); /* the only job; NULL: there is none, or several */
bool                hl_embed_is_cancelled(const hl_embed_job *j);
void                hl_embed_advance(hl_sched *s, const hl_batch *b);
void                hl_embed_undo(hl_sched *s); /* instead of advance: the rows were not computed */

/* ---- sched_step.c ---- */

void hl_sched_step(hl_sched *s);       /* one pass for what runs */
void hl_sched_note_state(hl_sched *s); /* what runs and what is held, for statistics */

/* ---- sched_stats.c ---- */

void   hl_itl_add(uint64_t *itl, int64_t ns);
double hl_itl_quantile_ms(const uint64_t *itl, double share);

#endif
