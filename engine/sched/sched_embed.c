/* SPDX-License-Identifier: MIT
 *
 * sched_embed.c - texts that are read for their vectors, as rows of the same passes as requests.
 *
 * A job is the texts of one call; whoever calls waits for it. Its texts are read one after another, the
 * longest first, as many in a step as there is room for: only the last of a step can be cut, and it goes on
 * in the next one before all others. So there is at most one text that holds blocks between steps, and
 * requests that need blocks can have these: the text begins again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/sched/sched_priv.h"

typedef struct embed_text {
    const hl_sched_embed *in;
    hl_seq                seq;               /* no blocks before it is begun and behind its end */
    uint32_t              first_row, n_rows; /* in the batch of the step in hand; 0 rows: none */
    uint32_t              first_state;       /* in its states */
} embed_text;

struct hl_embed_job {
    hl_embed_job *next;
    embed_text   *texts; /* [n_texts] the longest first */
    size_t        n_texts, n_ended;
    hl_pooling    pooling;
    bool          took_part; /* in the step in hand */
    atomic_bool   cancel;    /* any thread */
    int64_t       arrived_ns, began_ns;
    uint64_t      n_tokens;
    hl_waiter     waiter;
};

static bool is_whole(const embed_text *t) { return (size_t)t->seq.n_pos == t->in->n_tokens; }

/* ---- jobs: made and awaited by the caller ---- */

static hl_status check_text(const hl_sched *s, const hl_sched_embed *t, size_t i, hl_err *err) {
    const int32_t n_vocab = (int32_t)s->model->hp.n_vocab;
    const size_t  block = hl_kv_pool_block_bytes(s->pool), n_blocks = hl_kv_pool_n_blocks(s->pool);
    const size_t  need = (t->n_tokens + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS;
    if (t->n_tokens == 0) return hl_fail(err, HL_E_ARG, "text %zu has no tokens", i);
    if (t->n_tokens > (size_t)s->n_ctx_cap)
        return hl_fail(err, HL_E_FULL, "text %zu has %zu tokens and the context holds %d", i, t->n_tokens,
                       s->n_ctx_cap);
    if (need > n_blocks)
        return hl_fail(err, HL_E_FULL,
                       "text %zu of %zu tokens needs %zu KiB of key/value cache and the budget is %zu KiB", i,
                       t->n_tokens, need * block >> 10, n_blocks * block >> 10);
    for (size_t k = 0; k < t->n_tokens; k++)
        if (t->tokens[k] < 0 || t->tokens[k] >= n_vocab)
            return hl_fail(err, HL_E_ARG, "text %zu: token %zu is %d, expected 0..%d", i, k, t->tokens[k],
                           n_vocab - 1);
    return HL_OK;
}

static int compare_texts(const void *a, const void *b) {
    const hl_sched_embed *x = ((const embed_text *)a)->in, *y = ((const embed_text *)b)->in;
    if (x->n_tokens != y->n_tokens) return x->n_tokens > y->n_tokens ? -1 : 1;
    return x < y ? -1 : x > y;
}

static hl_status job_init(hl_embed_job *j, const hl_sched *s, const hl_sched_embed *texts, size_t n,
                          hl_err *err) {
    hl_status status = HL_OK;
    j->texts = hl_new(n, sizeof *j->texts);
    if (!j->texts) return hl_fail(err, HL_E_NOMEM, "embedding: no memory");
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        embed_text *t = &j->texts[j->n_texts];
        status = check_text(s, &texts[i], i, err);
        if (status == HL_OK) status = hl_seq_init(&t->seq, s->pool, (int32_t)texts[i].n_tokens, err);
        if (status != HL_OK) return status;
        t->seq.lora = hl_lora_mix_of(&s->mix);
        t->in = &texts[i];
        j->n_texts++;
        j->n_tokens += texts[i].n_tokens;
    }
    qsort(j->texts, j->n_texts, sizeof *j->texts, compare_texts);
    return HL_OK;
}

static void job_done(hl_embed_job *j) {
    for (size_t i = 0; i < j->n_texts; i++) hl_seq_done(&j->texts[i].seq);
    hl_free(j->texts);
}

static void cancel_job(hl_sched *s, hl_embed_job *j) {
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&j->cancel, true);
    if (s->solo_job == j) atomic_store(&s->stop_pass, true);
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

static bool hand_over(hl_sched *s, hl_embed_job *j) {
    (void)pthread_mutex_lock(&s->lock);
    const bool quit = s->quit;
    if (!quit) {
        if (!s->live && s->n_jobs == 0) atomic_store(&s->cancel_all, false); /* it was meant for others */
        s->n_jobs++;
        *s->job_inbox_end = j;
        s->job_inbox_end = &j->next;
        (void)pthread_cond_signal(&s->wake);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return !quit;
}

/* A stop that the caller's thread watches for cancels it. */
static void wait_for_end(hl_sched *s, hl_embed_job *j) {
    hl_waiter          *w = &j->waiter;
    const volatile int *watched = hl_stop_watched();
    while (!hl_waiter_wait(w, watched)) {
        cancel_job(s, j);
        watched = NULL;
    }
}

hl_status hl_sched_embed_texts(hl_sched *s, const hl_sched_embed *texts, size_t n_texts, hl_pooling pooling,
                               int64_t *ret_queue_ns, hl_err *err) {
    hl_embed_job j = {.pooling = pooling, .arrived_ns = hl_clock_ns()};
    hl_status    status = job_init(&j, s, texts, n_texts, err);
    if (status != HL_OK || n_texts == 0) {
        job_done(&j);
        return status;
    }
    hl_waiter_init(&j.waiter);
    if (hand_over(s, &j)) {
        wait_for_end(s, &j);
        status = j.waiter.status;
        if (status != HL_OK && err) *err = j.waiter.err;
        if (ret_queue_ns) *ret_queue_ns = (j.began_ns ? j.began_ns : hl_clock_ns()) - j.arrived_ns;
    } else {
        status = hl_fail(err, HL_E_BUSY, "the scheduler is ending");
    }
    hl_waiter_free(&j.waiter);
    job_done(&j);
    return status;
}

/* ---- the scheduler's thread ---- */

void hl_embed_take_inbox(hl_sched *s) {
    (void)pthread_mutex_lock(&s->lock);
    hl_embed_job **end = &s->jobs;
    while (*end) end = &(*end)->next;
    *end = s->job_inbox;
    s->job_inbox = NULL;
    s->job_inbox_end = &s->job_inbox;
    (void)pthread_mutex_unlock(&s->lock);
}

/* What it computed is lost. */
static bool begin_again(embed_text *t) {
    const bool held = t->seq.n_blocks > 0;
    hl_seq_truncate(&t->seq, 0);
    return held;
}

bool hl_embed_give_way(hl_sched *s) {
    bool some = false;
    for (hl_embed_job *j = s->jobs; j; j = j->next)
        if (j->n_ended < j->n_texts) some |= begin_again(&j->texts[j->n_ended]);
    return some;
}

/* Out of the list; the job is its caller's again, and may be gone, when this returns. */
static void end_job(hl_sched *s, hl_embed_job *j, hl_status status, const hl_err *err) {
    hl_embed_job        **at = &s->jobs;
    static const hl_usage none;
    while (*at != j) at = &(*at)->next;
    for (size_t i = 0; i < j->n_texts; i++) hl_seq_truncate(&j->texts[i].seq, 0);
    (void)pthread_mutex_lock(&s->lock);
    *at = j->next;
    s->n_jobs--;
    hl_sched_stats *t = &s->stats;
    *(status == HL_OK ? &t->n_done : status == HL_E_CANCEL ? &t->n_cancelled : &t->n_failed) += 1;
    if (status == HL_OK) t->prompt_tokens += j->n_tokens;
    (void)pthread_mutex_unlock(&s->lock);
    hl_waiter_tell(&j->waiter, status, &none, err);
}

void hl_embed_end_all(hl_sched *s, hl_status status, const hl_err *err) {
    while (s->jobs) end_job(s, s->jobs, status, err);
}

void hl_embed_cancel_all(hl_sched *s) {
    for (hl_embed_job *j = s->jobs; j; j = j->next) atomic_store(&j->cancel, true);
    for (hl_embed_job *j = s->job_inbox; j; j = j->next) atomic_store(&j->cancel, true);
}

void hl_embed_end_cancelled(hl_sched *s) {
    for (hl_embed_job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        hl_err err = {0};
        if (!atomic_load(&j->cancel)) continue;
        const hl_status status = hl_fail(&err, HL_E_CANCEL, "embedding: stopped");
        end_job(s, j, status, &err);
    }
}

/* ---- a step ---- */

static bool is_wanted(const hl_embed_job *j, const embed_text *t, uint32_t pos) {
    if (j->pooling == HL_POOLING_FIRST) return pos == 0;
    return j->pooling != HL_POOLING_LAST || pos + 1 == t->in->n_tokens;
}

/* Blocks for positions [0, n_pos), as long as those that run have one each to grow. */
static bool reserve(hl_sched *s, embed_text *t, int32_t n_pos) {
    const uint32_t need = (uint32_t)(n_pos + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS;
    const uint32_t room = hl_kv_pool_n_free(s->pool) + hl_prefix_tree_n_evictable(s->tree);
    if (s->n_running > 0 && need - t->seq.n_blocks + s->n_running > room) return false;
    while (!hl_seq_reserve(&t->seq, n_pos)) {
        if (hl_prefix_tree_evict(s->tree)) continue;
        hl_seq_truncate(&t->seq, t->seq.n_pos); /* what it could have of them */
        return false;
    }
    return true;
}

/* As many rows of a text as there is room for; 0: none. */
static uint32_t add_text(hl_sched *s, const hl_embed_job *j, embed_text *t, hl_batch *b, uint32_t room) {
    const uint32_t begin = (uint32_t)t->seq.n_pos, left = (uint32_t)t->in->n_tokens - begin;
    uint32_t       n = left < room ? left : room;
    t->n_rows = 0;
    if (s->model->arch->is_encoder && n < left) n = b->n_rows == 0 ? left : 0; /* as a whole */
    if (n == 0 || !reserve(s, t, (int32_t)(begin + n))) return 0;
    uint32_t state = HL_NO_STATE;
    if (s->state_pool && n < left && !hl_sched_state_get(s, &state)) return 0;
    t->first_row = b->n_rows;
    t->first_state = b->n_states;
    t->n_rows = n;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = b->n_rows++;
        s->tokens[row] = t->in->tokens[begin + i];
        s->pos[row] = (int32_t)(begin + i);
        s->seqs[row] = &t->seq;
        if (s->state_pool) s->state_out[row] = i + 1 == n ? state : HL_NO_STATE;
        if (!is_wanted(j, t, begin + i)) continue;
        s->out_rows[b->n_out++] = row;
        b->n_states++;
    }
    return n;
}

static uint32_t add_job(hl_sched *s, hl_embed_job *j, hl_batch *b, uint32_t room) {
    uint32_t n_rows = 0, n = 1;
    for (size_t i = j->n_ended; i < j->n_texts && n > 0; i++)
        n_rows += n = add_text(s, j, &j->texts[i], b, room - n_rows);
    j->took_part = n_rows > 0;
    if (j->took_part && j->began_ns == 0) j->began_ns = hl_clock_ns();
    return n_rows;
}

/* Nothing else runs, and still there is no room for the first text: it never will fit. */
static void fail_first(hl_sched *s) {
    hl_err          err = {0};
    const hl_status status =
        hl_fail(&err, HL_E_FULL, "a text of %zu tokens does not fit the key/value cache: blocks are pinned",
                s->jobs->texts[s->jobs->n_ended].in->n_tokens);
    end_job(s, s->jobs, status, &err);
}

uint32_t hl_embed_compose(hl_sched *s, hl_batch *b, uint32_t room) {
    uint32_t n_rows = 0;
    b->states = s->states;
    for (hl_embed_job *j = s->jobs; j; j = j->next) {
        for (size_t i = j->n_ended; i < j->n_texts; i++) j->texts[i].n_rows = 0;
        n_rows += add_job(s, j, b, room - n_rows);
    }
    if (s->jobs && s->n_running == 0 && b->n_rows == 0) fail_first(s);
    return n_rows;
}

/* The rows of a text that this step made are in `states`, those that are wanted. */
static void take_states(const hl_sched *s, const hl_embed_job *j, embed_text *t) {
    const size_t n_embd = s->model->hp.n_embd;
    const float *state = s->states + t->first_state * n_embd;
    const float  share = 1.0f / (float)t->in->n_tokens;
    float       *ret = t->in->ret;
    for (uint32_t i = 0; i < t->n_rows; i++) {
        const uint32_t pos = (uint32_t)t->seq.n_pos + i;
        if (!is_wanted(j, t, pos)) continue;
        if (j->pooling == HL_POOLING_NONE)
            memcpy(ret + pos * n_embd, state, n_embd * sizeof *ret);
        else if (j->pooling != HL_POOLING_MEAN || pos == 0)
            memcpy(ret, state, n_embd * sizeof *ret);
        else
            for (size_t k = 0; k < n_embd; k++) ret[k] += state[k];
        state += n_embd;
    }
    t->seq.n_pos += (int32_t)t->n_rows;
    if (is_whole(t) && j->pooling == HL_POOLING_MEAN)
        for (size_t k = 0; k < n_embd; k++) ret[k] *= share;
}

/* fails HL_E_FORMAT  the model computed no numbers for a row */
static hl_status advance_job(const hl_sched *s, hl_embed_job *j, const hl_batch *b, hl_err *err) {
    for (size_t i = j->n_ended; i < j->n_texts && j->texts[i].n_rows > 0; i++) {
        embed_text *t = &j->texts[i];
        for (uint32_t r = t->first_row; r < t->first_row + t->n_rows; r++)
            if (hl_forward_row_failed(s->forward, r)) return hl_forward_check_row(s->forward, b, r, err);
        take_states(s, j, t);
        if (!is_whole(t) && s->state_pool) {
            hl_seq_set_state(&t->seq, s->state_out[t->first_row + t->n_rows - 1]);
            hl_kv_block_ref(s->state_pool, t->seq.state);
        }
        if (!is_whole(t)) break;
        hl_seq_truncate(&t->seq, 0);
        j->n_ended++;
    }
    return HL_OK;
}

/* Jobs take turns: those that took part go behind the others, but one whose text is not whole goes on. */
static void take_turns(hl_sched *s) {
    hl_embed_job *end = s->jobs;
    while (end && end->next) end = end->next;
    while (s->jobs && s->jobs->took_part && s->jobs->texts[s->jobs->n_ended].seq.n_blocks == 0) {
        hl_embed_job *j = s->jobs;
        j->took_part = false;
        if (j == end) return;
        s->jobs = j->next;
        j->next = NULL;
        end->next = j;
        end = j;
    }
}

void hl_embed_advance(hl_sched *s, const hl_batch *b) {
    for (hl_embed_job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        hl_err          err = {0};
        const hl_status status = j->took_part ? advance_job(s, j, b, &err) : HL_OK;
        if (status != HL_OK || j->n_ended == j->n_texts) end_job(s, j, status, &err);
    }
    take_turns(s);
}

const hl_embed_job *hl_embed_only(const hl_sched *s) { return s->jobs && !s->jobs->next ? s->jobs : NULL; }
bool                hl_embed_is_cancelled(const hl_embed_job *j) { return atomic_load(&j->cancel); }

/* The pass was stopped: blocks of texts that it began are given back. */
void hl_embed_undo(hl_sched *s) {
    for (hl_embed_job *j = s->jobs; j; j = j->next)
        for (size_t i = j->n_ended; i < j->n_texts && j->texts[i].n_rows > 0; i++)
            hl_seq_truncate(&j->texts[i].seq, j->texts[i].seq.n_pos);
}
