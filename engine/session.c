/* SPDX-License-Identifier: MIT
 *
 * session.c - one sequence of tokens: a KV cache of its own and the buffers of a pass.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/admit.h"
#include "engine/forward/forward.h"
#include "engine/lora.h"
#include "engine/trace.h"

enum {
    DEFAULT_BATCH = 512,
    MAX_BATCH = 8192,
    N_STATES = 3 /* that the sequence has, what a pass makes of it, and the mark */
};

struct hl_session {
    hl_memory_plan plan; /* that was admitted; zeros: none yet */
    hl_model      *model;
    int32_t        n_ctx;
    uint32_t       n_batch;
    uint32_t       n_rows_cap;
    hl_kv_pool    *pool;
    hl_seq         seq;
    hl_lora_mix    mix; /* adapters that it uses */
    hl_forward    *forward;
    float         *logits; /* [n_rows_cap][n_vocab] */
    size_t         n_logits;
    int32_t       *pos;      /* [n_batch] */
    hl_seq       **seqs;     /* [n_batch] */
    const float  **embds;    /* [n_batch] of the pass */
    uint32_t      *out_rows; /* [n_rows_cap] */
    /* Of models with recurrent layers: what cannot be cut off is computed again. */
    uint32_t      *state_out; /* [n_batch] */
    int32_t       *history;   /* [n_ctx] tokens; HL_ROW_IS_EMBEDDING: a row that cannot be computed again */
    int32_t        n_again;   /* positions to be there before the next ones are computed; 0: those of seq */
    uint32_t       mark;      /* the state behind n_mark positions, where truncation went last; HL_NO_STATE */
    int32_t        n_mark;
    atomic_bool    stop;
    hl_input_watch inputs; /* fn NULL: nobody looks */
};

typedef struct geometry {
    hl_kv_cache_type kv_type;
    int32_t          n_ctx;
    uint32_t         n_batch, n_rows_cap, n_blocks;
} geometry;

static hl_status check_params(const hl_model *m, const hl_session_params *p, geometry *ret, hl_err *err) {
    static const hl_session_params defaults;
    if (!p) p = &defaults;
    const int32_t n_ctx = p->n_ctx ? p->n_ctx : hl_default_ctx(m);
    if (m->layers == NULL) return hl_fail(err, HL_E_ARG, "the model was opened for its vocabulary only");
    hl_status status = hl_check_generates(m, err);
    if (status == HL_OK) status = hl_kv_type_check(p->kv_type, err);
    if (status != HL_OK) return status;
    if (n_ctx < 1 || n_ctx > HL_MAX_CTX)
        return hl_fail(err, HL_E_ARG, "n_ctx is %d, expected 1..%d", n_ctx, HL_MAX_CTX);
    if (m->pos_embd.data && (uint32_t)n_ctx > m->hp.n_ctx_train)
        return hl_fail(err, HL_E_ARG, "n_ctx is %d, but the model has learned %u positions", n_ctx,
                       m->hp.n_ctx_train);
    if (p->n_batch < 0 || p->n_batch > MAX_BATCH)
        return hl_fail(err, HL_E_ARG, "n_batch is %d, expected 0 (automatic) or 1..%d", p->n_batch,
                       MAX_BATCH);
    if (p->n_rows_cap < 0 || p->n_rows_cap > MAX_BATCH)
        return hl_fail(err, HL_E_ARG, "n_rows_cap is %d, expected 0..%d", p->n_rows_cap, MAX_BATCH);
    int32_t n_batch = p->n_batch ? p->n_batch : DEFAULT_BATCH;
    if (n_batch > n_ctx) n_batch = n_ctx;
    *ret = (geometry){
        .kv_type = p->kv_type,
        .n_ctx = n_ctx,
        .n_batch = (uint32_t)n_batch,
        .n_rows_cap = p->n_rows_cap ? (uint32_t)p->n_rows_cap : 1,
        .n_blocks = ((uint32_t)n_ctx + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS,
    };
    return HL_OK;
}

static void plan_memory(const hl_model *m, const geometry *g, hl_memory_plan *ret) {
    *ret = (hl_memory_plan){0};
    ret->weights_bytes = hl_model_weights_bytes(m);
    ret->kv_bytes = (uint64_t)hl_forward_block_bytes(m, NULL, g->kv_type) * g->n_blocks +
                    (uint64_t)hl_forward_state_bytes(m) * N_STATES;
    ret->scratch_bytes =
        hl_forward_plan(m, g->n_batch, g->n_ctx) + (uint64_t)g->n_rows_cap * m->hp.n_vocab * sizeof(float);
    ret->available_bytes = hl_model_available(m, NULL);
}

hl_status hl_session_plan(const hl_model *m, const hl_session_params *p, hl_memory_plan *ret_plan,
                          hl_err *err) {
    geometry        g;
    const hl_status status = check_params(m, p, &g, err);
    if (status == HL_OK) plan_memory(m, &g, ret_plan);
    return status;
}

static hl_status take_memory(hl_session *s, const geometry *g, hl_err *err) {
    hl_status status = hl_forward_kv_new(s->model, NULL, g->kv_type, g->n_blocks, N_STATES, &s->pool, err);
    if (status == HL_OK) status = hl_seq_init(&s->seq, s->pool, g->n_ctx, err);
    if (status == HL_OK) status = hl_session_set_adapters(s, NULL, 0, err);
    if (status == HL_OK) status = hl_forward_new(s->model, g->n_batch, g->n_ctx, &s->forward, err);
    if (status != HL_OK) return status;
    s->logits = hl_new_aligned((size_t)g->n_rows_cap * s->model->hp.n_vocab, sizeof *s->logits);
    s->pos = hl_new(g->n_batch, sizeof *s->pos);
    s->seqs = hl_new(g->n_batch, sizeof(hl_seq *));
    s->embds = hl_new(g->n_batch, sizeof(const float *));
    s->out_rows = hl_new(g->n_rows_cap, sizeof *s->out_rows);
    s->mark = HL_NO_STATE;
    if (hl_kv_pool_states(s->pool)) {
        s->state_out = hl_new(g->n_batch, sizeof *s->state_out);
        s->history = hl_new((size_t)g->n_ctx, sizeof *s->history);
        if (!s->state_out || !s->history) return hl_fail(err, HL_E_NOMEM, "session: no memory");
    }
    if (!s->logits || !s->pos || !s->seqs || !s->embds || !s->out_rows)
        return hl_fail(err, HL_E_NOMEM, "session: no memory");
    return HL_OK;
}

hl_status hl_session_new(hl_model *m, const hl_session_params *p, hl_session **ret_session, hl_err *err) {
    geometry       g;
    hl_memory_plan plan;
    hl_status      status = check_params(m, p, &g, err);
    if (status != HL_OK) return status;
    plan_memory(m, &g, &plan);
    hl_session *s = hl_new(1, sizeof *s);
    if (!s) return hl_fail(err, HL_E_NOMEM, "session: no memory");
    s->model = m;
    status = hl_memory_admit(m, NULL, &plan, g.n_ctx, err);
    if (status == HL_OK) s->plan = plan;
    s->n_ctx = g.n_ctx;
    s->n_batch = g.n_batch;
    s->n_rows_cap = g.n_rows_cap;
    if (status == HL_OK) status = take_memory(s, &g, err);
    if (status != HL_OK) {
        hl_session_free(s);
        return status;
    }
    hl_event(&m->engine->events, HL_LOG_DEBUG, "engine", "session-new",
             "ctx=%d kv_bytes=%" PRIu64 " scratch_bytes=%" PRIu64, g.n_ctx, plan.kv_bytes,
             plan.scratch_bytes);
    *ret_session = s;
    return HL_OK;
}

void hl_session_free(hl_session *s) {
    if (!s) return;
    hl_memory_release(s->model, NULL, &s->plan);
    hl_forward_free(s->forward);
    hl_seq_done(&s->seq);
    hl_kv_pool_free(s->pool);
    hl_free(s->logits);
    hl_free(s->pos);
    hl_free(s->seqs);
    hl_free(s->embds);
    hl_free(s->out_rows);
    hl_free(s->state_out);
    hl_free(s->history);
    hl_free(s);
}

/* ---- rows ---- */

static hl_status check_embedding(const hl_session *s, size_t i_row, const float *embd, hl_err *err) {
    for (uint32_t i = 0; i < s->model->hp.n_embd; i++)
        if (!isfinite(embd[i]))
            return hl_fail(err, HL_E_ARG, "row %zu: value %u of its embedding is not finite", i_row, i);
    return HL_OK;
}

static hl_status check_position(const hl_session *s, size_t i_row, const int32_t pos[3], hl_err *err) {
    for (int i = 0; i < 3; i++)
        if (pos[i] < 0 || pos[i] >= HL_MAX_CTX)
            return hl_fail(err, HL_E_ARG, "row %zu: position %d, expected 0..%d", i_row, pos[i],
                           HL_MAX_CTX - 1);
    if (pos[0] == pos[1] && pos[0] == pos[2]) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "row %zu: positions %d, %d and %d, but architecture '%s' turns by one", i_row, pos[0],
                   pos[1], pos[2], s->model->arch->name);
}

static hl_status check_input(const hl_session *s, const hl_input *in, hl_err *err) {
    size_t    n_embds = 0;
    hl_status status = HL_OK;
    if (in->n_rows == 0) return hl_fail(err, HL_E_ARG, "no tokens to evaluate");
    if (in->n_rows > (size_t)(s->n_ctx - hl_session_pos(s)))
        return hl_fail(err, HL_E_FULL, "%zu more tokens do not fit: the context holds %d and %d are in use",
                       in->n_rows, s->n_ctx, hl_session_pos(s));
    for (size_t i = 0; i < in->n_rows && status == HL_OK; i++) {
        const int32_t id = in->tokens[i];
        if (id == HL_ROW_IS_EMBEDDING && in->embds)
            status = check_embedding(s, i, in->embds + n_embds++ * s->model->hp.n_embd, err);
        else if (id < 0 || id >= (int32_t)s->model->hp.n_vocab)
            status =
                hl_fail(err, HL_E_ARG, "token %zu is %d, expected 0..%u", i, id, s->model->hp.n_vocab - 1);
        if (status == HL_OK && in->positions) status = check_position(s, i, in->positions[i], err);
    }
    return status;
}

/* The state behind the last of n rows goes to a free one. */
static uint32_t ask_for_state(hl_session *s, uint32_t n) {
    hl_kv_pool *states = hl_kv_pool_states(s->pool);
    uint32_t    state = HL_NO_STATE;
    if (!states || !hl_kv_block_get(states, &state)) return HL_NO_STATE;
    for (uint32_t i = 0; i < n; i++) s->state_out[i] = i + 1 == n ? state : HL_NO_STATE;
    return state;
}

static void keep_history(hl_session *s, const hl_input *in, uint32_t n) {
    const int32_t begin = s->seq.n_pos;
    for (uint32_t i = 0; s->history && i < n; i++) {
        const bool is_odd = in->positions && in->positions[i][0] != begin + (int32_t)i;
        s->history[begin + (int32_t)i] = is_odd ? HL_ROW_IS_EMBEDDING : in->tokens[i];
    }
}

/* One pass; logits of its last n_out rows. Takes its embeddings from in->embds and moves behind them. */
static hl_status eval_pass(hl_session *s, hl_input *in, uint32_t n, uint32_t n_out, hl_err *err) {
    const int32_t begin = s->seq.n_pos;
    if (!hl_seq_reserve(&s->seq, begin + (int32_t)n))
        return hl_fail(err, HL_E_FULL, "no key/value blocks left");
    for (uint32_t i = 0; i < n; i++) {
        const bool is_embd = in->tokens[i] == HL_ROW_IS_EMBEDDING;
        s->pos[i] = begin + (int32_t)i;
        s->seqs[i] = &s->seq;
        s->embds[i] = is_embd ? in->embds : NULL;
        if (is_embd) in->embds += s->model->hp.n_embd;
    }
    for (uint32_t i = 0; i < n_out; i++) s->out_rows[i] = n - n_out + i;
    keep_history(s, in, n);
    const uint32_t state = ask_for_state(s, n);
    const hl_batch b = {.n_rows = n,
                        .tokens = in->tokens,
                        .embds = in->embds ? s->embds : NULL,
                        .pos = s->pos,
                        .rope_pos = in->positions,
                        .seqs = s->seqs,
                        .n_out = n_out,
                        .out_rows = s->out_rows,
                        .state_out = s->state_out,
                        .inputs = s->inputs.fn ? &s->inputs : NULL};
    HL_TRACE2(pass_begin, n, begin);
    hl_status status = hl_forward_eval(s->forward, &b, &s->stop, s->logits, err);
    HL_TRACE2(pass_end, n, status);
    for (uint32_t i = 0; i < n && status == HL_OK; i++) status = hl_forward_check_row(s->forward, &b, i, err);
    if (status == HL_OK) {
        s->seq.n_pos = begin + (int32_t)n;
        s->n_logits = n_out;
        if (s->state_out) hl_seq_set_state(&s->seq, state);
    } else {
        hl_seq_truncate(&s->seq, begin);
        if (state != HL_NO_STATE) hl_kv_block_unref(hl_kv_pool_states(s->pool), state);
        if (status == HL_E_CANCEL) atomic_store(&s->stop, false);
    }
    return status;
}

void hl_session_watch_inputs(hl_session *s, const hl_input_watch *watch) {
    s->inputs = watch ? *watch : (hl_input_watch){0};
}

static void drop_mark(hl_session *s) {
    if (s->mark != HL_NO_STATE) hl_kv_block_unref(hl_kv_pool_states(s->pool), s->mark);
    s->mark = HL_NO_STATE;
}

static void set_mark(hl_session *s) {
    drop_mark(s);
    s->mark = s->seq.state;
    s->n_mark = s->seq.n_pos;
    if (s->mark != HL_NO_STATE) hl_kv_block_ref(hl_kv_pool_states(s->pool), s->mark);
}

/* What truncation left, from the first position on. */
static hl_status eval_again(hl_session *s, hl_err *err) {
    hl_status status = HL_OK;
    while (s->seq.n_pos < s->n_again && status == HL_OK) {
        const uint32_t left = (uint32_t)(s->n_again - s->seq.n_pos);
        hl_input in = {.n_rows = left < s->n_batch ? left : s->n_batch, .tokens = s->history + s->seq.n_pos};
        for (size_t i = 0; i < in.n_rows; i++)
            if (in.tokens[i] == HL_ROW_IS_EMBEDDING)
                return hl_fail(
                    err, HL_E_UNSUPPORTED,
                    "architecture '%s' cannot go back to position %d: what it keeps of a text has to "
                    "be computed again from its start, which holds rows that are no tokens",
                    s->model->arch->name, s->n_again);
        status = eval_pass(s, &in, (uint32_t)in.n_rows, 0, err);
    }
    if (status != HL_OK) return status;
    s->n_again = 0;
    set_mark(s);
    return HL_OK;
}

/* Checked rows, in passes of n_batch. */
static hl_status eval_all(hl_session *s, const hl_input *in, size_t n_logits, hl_err *err) {
    hl_input  rest = *in;
    hl_status status = s->n_again > 0 ? eval_again(s, err) : HL_OK;
    while (rest.n_rows > 0 && status == HL_OK) {
        const uint32_t n = rest.n_rows < s->n_batch ? (uint32_t)rest.n_rows : s->n_batch;
        status = eval_pass(s, &rest, n, n == rest.n_rows ? (uint32_t)n_logits : 0, err);
        rest.tokens += n;
        if (rest.positions) rest.positions += n;
        rest.n_rows -= n;
    }
    return status;
}

/* Of one pass. */
static hl_status check_logits(const hl_session *s, size_t n, size_t n_logits, hl_err *err) {
    if (n <= s->n_batch && n_logits <= n && n_logits <= s->n_rows_cap) return HL_OK;
    return hl_fail(err, HL_E_ARG, "%zu rows of %zu tokens, expected at most %u rows of at most %u tokens",
                   n_logits, n, s->n_rows_cap, s->n_batch);
}

hl_status hl_session_eval_input(hl_session *s, const hl_input *in, size_t n_logits, hl_err *err) {
    hl_status status = check_input(s, in, err);
    if (status == HL_OK && n_logits != 1) status = check_logits(s, in->n_rows, n_logits, err);
    return status == HL_OK ? eval_all(s, in, n_logits, err) : status;
}

hl_status hl_session_eval(hl_session *s, const int32_t *tokens, size_t n, hl_err *err) {
    return hl_session_eval_input(s, &(hl_input){.n_rows = n, .tokens = tokens}, 1, err);
}

hl_status hl_session_eval_rows(hl_session *s, const int32_t *tokens, size_t n, size_t n_rows, hl_err *err) {
    const hl_input in = {.n_rows = n, .tokens = tokens};
    hl_status      status = check_input(s, &in, err);
    if (status == HL_OK) status = check_logits(s, n, n_rows, err);
    return status == HL_OK ? eval_all(s, &in, n_rows, err) : status;
}

const float *hl_session_logits(const hl_session *s) {
    const size_t last = s->n_logits ? s->n_logits - 1 : 0;
    return s->logits + last * s->model->hp.n_vocab;
}

const float *hl_session_logits_at(const hl_session *s, size_t i_row) {
    return s->logits + i_row * s->model->hp.n_vocab;
}
int32_t hl_session_pos(const hl_session *s) { return s->n_again > 0 ? s->n_again : s->seq.n_pos; }
int32_t hl_session_n_ctx(const hl_session *s) { return s->n_ctx; }

/* A state does not go back: it is the one that was there when truncation went to the same place before,
 * or what is left is computed again when it is needed. */
void hl_session_truncate(hl_session *s, int32_t n_tokens) {
    const int32_t n = n_tokens < 0 ? 0 : n_tokens;
    if (n >= hl_session_pos(s)) return;
    if (n < s->n_mark) drop_mark(s);
    if (!hl_kv_pool_states(s->pool) || n == 0) {
        s->n_again = 0;
        hl_seq_truncate(&s->seq, n);
    } else if (s->mark != HL_NO_STATE && n == s->n_mark && n <= s->seq.n_pos) {
        s->n_again = 0;
        hl_seq_truncate(&s->seq, n);
        hl_kv_block_ref(hl_kv_pool_states(s->pool), s->mark);
        hl_seq_set_state(&s->seq, s->mark);
    } else {
        hl_seq_truncate(&s->seq, 0);
        s->n_again = n;
    }
}

hl_status hl_session_set_adapters(hl_session *s, const hl_adapter_use *uses, size_t n, hl_err *err) {
    if (hl_session_pos(s) > 0)
        return hl_fail(err, HL_E_ARG, "the session holds %d tokens that were computed with other adapters",
                       hl_session_pos(s));
    const hl_status status = hl_lora_mix_init(&s->mix, s->model->loras, uses, n, err);
    if (status == HL_OK) s->seq.lora = hl_lora_mix_of(&s->mix);
    return status;
}

void hl_session_stop(hl_session *s) { atomic_store(&s->stop, true); }
void hl_session_resume(hl_session *s) { atomic_store(&s->stop, false); }
