/* SPDX-License-Identifier: MIT
 *
 * sched_step.c - one step: compose a batch, run the pass, choose tokens, emit them.
 *
 * Sequences that generate go first, each with the token it has and its drafts behind it; prompts fill the
 * rest of the step's budget in chunks, one after another (chunked prefill). The budget follows the clock: a
 * step beside generating sequences aims at a part of the inter-token latency that is allowed, one without at
 * ALONE_MS (others may come any time and wait for it to end).
 *
 * A draft token is accepted when the sampler, asked with the logits of the row before it, chooses that very
 * token. So what comes out are the sampler's own choices, one by one, with or without drafts: the same tokens
 * for the same seed. Where there are branches, the choices lead from row to row through the tree that they
 * make.
 */
#include <assert.h>
#include <string.h>

#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

enum { ALONE_MS = 2000, MIN_MIXED_ROWS = 8, MIN_ALONE_ROWS = 128 };
static const double AIM = 0.65; /* of max_itl_ms: the next step may take longer than the last */

typedef struct step {
    hl_batch b;
    uint32_t n_generating; /* streams with one row and drafts */
    uint32_t n_prompt_rows;
    uint32_t prompt_rows_cap;
    int64_t  began_ns, forward_ns, sample_ns;
} step;

/* ---- compose ---- */

static void add_row(hl_sched *s, step *p, hl_seq *seq, int32_t pos, int32_t token) {
    const uint32_t row = p->b.n_rows++;
    assert(row < s->n_rows_cap);
    s->tokens[row] = token;
    s->pos[row] = pos;
    s->seqs[row] = seq;
    if (s->state_pool) s->state_out[row] = HL_NO_STATE;
}

/* The last row's logits are wanted. */
static void want_logits(hl_sched *s, step *p) {
    assert(p->b.n_out < s->n_out_cap);
    s->out_rows[p->b.n_out++] = p->b.n_rows - 1;
}

static void end_running(hl_sched *s, hl_stream *st, hl_end end, hl_status status, const hl_err *err) {
    hl_sched_remove(s, st);
    hl_stream_end(s, st, end, status, err);
}

/* There are as many as running sequences need, unless something is wrong with the plan: wait for another
 * step. */
static bool without_state(hl_sched *s, hl_stream *st) {
    if (s->n_running > 1)
        hl_sched_preempt(s, st);
    else
        end_running(s, st, HL_END_LENGTH, HL_OK, NULL);
    return false;
}

/* A generating stream: its newest token and drafts. False: it is not running any more. */
static bool add_generating(hl_sched *s, step *p, hl_stream *st) {
    hl_spec      *spec = &st->draft.spec;
    const int32_t want = st->seq.n_pos + 1;
    if (spec->n_verified > 0 && !hl_seq_reserve(&st->seq, want + (int32_t)spec->n_verified))
        spec->n_verified = 0;
    if (!hl_sched_reserve(s, st, want)) {
        if (s->n_running > 1)
            hl_sched_preempt(s, st);
        else
            end_running(s, st, HL_END_LENGTH, HL_OK, NULL); /* the whole cache is its own and full */
        return false;
    }
    st->step.first_out = p->b.n_out;
    st->step.first_row = p->b.n_rows;
    st->step.first_pos = (uint32_t)st->seq.n_pos;
    for (uint32_t i = 0; i <= spec->n_verified; i++) {
        add_row(s, p, &st->seq, st->seq.n_pos + (int32_t)i,
                i == 0 ? st->ids[st->n_ids - 1] : spec->tokens[i - 1]);
        if (!hl_sched_ask_state(s, p->b.n_rows - 1)) {
            p->b.n_rows--;
            if (i == 0) return without_state(s, st);
            spec->n_verified = i - 1;
            break;
        }
        want_logits(s, p);
    }
    st->step.n_out = st->step.n_rows = 1 + spec->n_verified;
    st->usage.drafted_tokens += (int32_t)spec->n_verified;
    p->n_generating++;
    return true;
}

/* Its branches, when all that generate have their rows: nobody gives way for them. */
static void add_branches(hl_sched *s, step *p, hl_stream *st) {
    for (uint32_t k = 0; k < st->draft.spec.n_branches; k++) {
        const hl_spec_branch *b = &st->draft.spec.branches[k];
        if (b->n_verified == 0 || !hl_sched_open_branch(s, st, k)) continue;
        hl_seq *fork = &st->step.branches[k].seq;
        st->step.branches[k].first_out = p->b.n_out;
        for (uint32_t i = 0; i < b->n_verified; i++) {
            add_row(s, p, fork, fork->n_pos + (int32_t)i, b->tokens[i]);
            want_logits(s, p);
        }
        st->usage.drafted_tokens += (int32_t)b->n_verified;
    }
}

/* Blocks that others computed since this prompt was admitted. */
static void match_again(hl_sched *s, hl_stream *st) {
    enum { BLOCK = HL_KV_PAGE_TOKENS };
    const int32_t had = st->seq.n_pos, last = hl_stream_most_cached(st);
    if (st->n_restoring > 0) return; /* it has no state yet */
    if (had % BLOCK != 0 || st->n_cached != (uint32_t)had / BLOCK || had + BLOCK > last) return;
    if (hl_prefix_tree_probe(s->tree, st->keys, last) < had + BLOCK) return;
    const int32_t held = (int32_t)(st->seq.n_blocks * BLOCK);
    hl_seq_truncate(&st->seq, had);
    const int32_t n = hl_prefix_tree_match(s->tree, st->node, st->keys, last, &st->seq, &st->node);
    st->n_cached = (uint32_t)n / BLOCK;
    hl_stream_count_cached(st, n - had);
    /* What it held before is free now, and it needs less. */
    if (!hl_seq_reserve(&st->seq, held < st->req.n_ctx ? held : st->req.n_ctx)) hl_seq_truncate(&st->seq, n);
}

/* Rows of a prompt that tells its logprobs: as many as there is room for logits, and no more events at once
 * than a reader's queue takes. */
static uint32_t room_to_tell(const hl_sched *s, const step *p) {
    enum { MOST_TOLD = 64 };
    const uint32_t room = s->n_out_cap - p->b.n_out;
    return room < MOST_TOLD ? room : MOST_TOLD;
}

static void add_prompt(hl_sched *s, step *p, hl_stream *st) {
    match_again(s, st);
    if (hl_sched_restore(s, st, p->n_generating > 0)) return;
    const uint32_t left = hl_stream_left(st);
    const uint32_t room = p->prompt_rows_cap - p->n_prompt_rows;
    const uint32_t most = hl_stream_tells(st) ? room_to_tell(s, p) : UINT32_MAX;
    uint32_t       n = left < room ? left : room;
    if (n > most) n = most;
    if (n == 0 || (n == left && p->b.n_out == s->n_out_cap)) return;
    if (!hl_sched_reserve(s, st, st->seq.n_pos + (int32_t)n)) return;
    uint32_t state = HL_NO_STATE;
    if (s->state_pool && !hl_sched_state_get(s, &state)) return;
    st->step.first_row = p->b.n_rows;
    st->step.first_told = p->b.n_out;
    st->step.first_pos = (uint32_t)st->seq.n_pos;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t pos = (uint32_t)st->seq.n_pos + i;
        add_row(s, p, &st->seq, (int32_t)pos, st->ids[pos]);
        if (!hl_stream_tells(st) || pos + 1 < st->n_told || pos + 1 >= st->n_prompt) continue;
        want_logits(s, p);
        st->step.n_told++;
    }
    if (s->state_pool) s->state_out[p->b.n_rows - 1] = state;
    st->step.n_rows = n;
    st->step.reads_prompt = true;
    hl_sched_ask_checkpoints(s, st);
    p->n_prompt_rows += n;
    if (n < left) return;
    st->step.first_out = p->b.n_out;
    st->step.n_out = 1;
    want_logits(s, p);
}

/* The prompt to read next: by priority, then its owner's share, then arrival; running ones stand in order of
 * the first and the last. */
static hl_stream *find_prompt(hl_sched *s) {
    hl_stream *best = NULL;
    double     least = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        if (st->step.n_rows > 0 || st->step.is_deferred || hl_stream_left(st) < 2) continue;
        if (best && st->req.priority < best->req.priority) break;
        const double service = hl_stream_service(st);
        if (best && service >= least) continue;
        best = st;
        least = service;
    }
    return best;
}

/* Whether a prompt of this step computes a block that this one needs next: then it waits for it. */
static bool is_computed_by_another(hl_sched *s, const hl_stream *st) {
    if (s->state_pool) return hl_sched_waits_for_state(s, st);
    const uint32_t begin = (uint32_t)st->seq.n_pos, end = begin + HL_KV_PAGE_TOKENS;
    if (end >= st->n_ids) return false;
    for (uint32_t i = 0; i < s->n_running; i++) {
        const hl_stream *o = s->running[i];
        const uint32_t   o_end = (uint32_t)o->seq.n_pos + o->step.n_rows;
        if (o == st || o->step.n_rows < 2 || o_end < end || (uint32_t)o->seq.n_pos > begin || o->n_ids < end)
            continue;
        if (memcmp(o->keys, st->keys, end * sizeof *st->keys) == 0) return true;
    }
    return false;
}

static uint32_t prompt_rows_cap(const hl_sched *s, const step *p) {
    const double   rows = p->n_generating ? s->prefill_mixed : s->prefill_alone;
    const uint32_t room = (uint32_t)s->p.n_batch -
                          (p->b.n_rows < (uint32_t)s->p.n_batch ? p->b.n_rows : (uint32_t)s->p.n_batch);
    return rows < room ? (uint32_t)rows : room;
}

static void compose(hl_sched *s, step *p) {
    p->b = (hl_batch){.tokens = s->tokens,
                      .pos = s->pos,
                      .seqs = s->seqs,
                      .out_rows = s->out_rows,
                      .state_out = s->state_out};
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        st->step.n_rows = st->step.n_out = st->step.n_emitted = st->step.n_told = 0;
        st->step.is_deferred = st->step.is_done = st->step.reads_prompt = false;
        st->step.bad_row = HL_NO_ROW;
    }
    for (uint32_t i = 0; i < s->n_running;) {
        hl_stream *st = s->running[i];
        if (hl_stream_left(st) > 1 || add_generating(s, p, st)) i++;
    }
    for (uint32_t i = 0; i < s->n_running; i++) add_branches(s, p, s->running[i]);
    const uint32_t cap = prompt_rows_cap(s, p);
    p->prompt_rows_cap = s->jobs ? cap - cap / 2 : cap;
    while (p->n_prompt_rows < p->prompt_rows_cap) {
        hl_stream *st = find_prompt(s);
        if (!st) break;
        if ((st->step.is_deferred = !hl_stream_tells(st) && is_computed_by_another(s, st))) continue;
        const uint32_t before = p->b.n_rows;
        add_prompt(s, p, st);
        if (p->b.n_rows == before) break;
    }
    if (s->jobs) p->n_prompt_rows += hl_embed_compose(s, &p->b, cap - p->n_prompt_rows);
    p->prompt_rows_cap = cap;
    hl_sched_ask_hidden(s, &p->b);
}

/* ---- choose ---- */

typedef struct choose_ctx {
    hl_sched  *s;
    hl_stream *st[HL_MAX_RUNNING];
    uint32_t   n;
} choose_ctx;

/* Rows that every choice of this step stands on: a prompt's, or the one of the newest token. Those of drafts
 * count when they are accepted, so that a draft never changes what comes out. */
static void find_bad_row(hl_sched *s, hl_stream *st) {
    const uint32_t end = st->step.first_row + st->step.n_rows - st->draft.spec.n_verified;
    for (uint32_t r = st->step.first_row; r < end && st->step.bad_row == HL_NO_ROW; r++)
        if (hl_forward_row_failed(s->forward, r)) st->step.bad_row = r;
}

/* The sampler's choices, as long as some draft is the same: then the row of that draft says what follows. */
static void choose_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    const choose_ctx *c = ctx;
    hl_stream        *st = c->st[i_chunk];
    const int32_t     n_vocab = (int32_t)c->s->model->hp.n_vocab;
    uint32_t          row = st->step.first_out;
    bool              goes_on = true;
    (void)i_thread;
    for (uint32_t i = 0; goes_on; i++) {
        const float   *logits = c->s->logits + (size_t)row * (size_t)n_vocab;
        const uint32_t batch_row = c->s->out_rows[row];
        const bool     failed = hl_forward_row_failed(c->s->forward, batch_row);
        const int32_t  id = failed ? -1 : hl_sampler_sample(st->sampler, logits);
        if (id < 0) {
            st->step.bad_row = batch_row;
            return;
        }
        hl_sampler_accept(st->sampler, id);
        if (st->step.top)
            st->step.logprobs[i] = hl_logprobs_top(logits, n_vocab, id, (size_t)st->req.n_top,
                                                   st->step.top + (size_t)i * HL_TOP_CAP);
        st->step.emitted[st->step.n_emitted++] = id;
        st->step.is_done = hl_sampler_is_done(st->sampler);
        if (st->step.is_done) return;
        hl_spec_row next;
        goes_on = hl_spec_follow(&st->draft.spec, i, id, &next);
        row = next.row + (next.branch < 0 ? st->step.first_out : st->step.branches[next.branch].first_out);
    }
}

static void choose(hl_sched *s) {
    choose_ctx c = {.s = s};
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        find_bad_row(s, st);
        if (st->step.n_out > 0 && st->req.max_tokens != 0 && st->step.bad_row == HL_NO_ROW) c.st[c.n++] = st;
    }
    hl_pool *pool = s->model->engine->pool;
    hl_pool_enter(pool);
    hl_pool_run(pool, c.n, choose_chunk, &c);
    hl_pool_leave(pool);
}

/* ---- emit ---- */

static hl_end emit(hl_sched *s, hl_stream *st, uint32_t i, int64_t now) {
    const int32_t id = st->step.emitted[i];
    if (!st->req.ignore_eog && s->model->tokenizer && hl_tokenizer_is_eog(s->model->tokenizer, id))
        return HL_END_STOP;
    if (st->usage.answer_tokens++ == 0) st->usage.first_token_ns = now - st->arrived_ns;
    if (i == 0 && st->last_token_ns) hl_itl_add(s->itl, now - st->last_token_ns);
    st->last_token_ns = now;
    const hl_sched_token t = {
        .id = st->id,
        .token = id,
        .logprob = st->step.top ? st->step.logprobs[i] : 0,
        .top = st->step.top ? st->step.top + (size_t)i * HL_TOP_CAP : NULL,
        .n_top = st->step.top ? (size_t)st->req.n_top : 0,
    };
    const hl_end end = st->req.on_token ? st->req.on_token(st->req.user, &t) : HL_END_NONE;
    if (end != HL_END_NONE) return end;
    if (st->req.max_tokens >= 0 && st->usage.answer_tokens >= st->req.max_tokens) return HL_END_LENGTH;
    return (int32_t)st->n_ids >= st->req.n_ctx ? HL_END_LENGTH : HL_END_NONE;
}

/* How likely the prompt's tokens were, row by row. */
static hl_end tell_prompt(hl_sched *s, hl_stream *st, const hl_batch *b) {
    const int32_t n_vocab = (int32_t)s->model->hp.n_vocab;
    hl_end        end = HL_END_NONE;
    for (uint32_t i = 0; i < st->step.n_told && end == HL_END_NONE; i++) {
        const uint32_t out = st->step.first_told + i;
        const float   *logits = s->logits + (size_t)out * (size_t)n_vocab;
        const int32_t  id = st->ids[b->pos[s->out_rows[out]] + 1];
        hl_sched_token t = {.id = st->id, .token = id, .top = st->step.top, .n_top = (size_t)st->req.n_top};
        t.logprob = hl_logprobs_top(logits, n_vocab, id, t.n_top, st->step.top);
        st->n_told++;
        end = st->req.on_prompt_token(st->req.user, &t);
    }
    return end;
}

/* What it has was emitted, what failed is not published: neither in its sequence nor for others. */
static void end_failed(hl_sched *s, hl_stream *st, const hl_batch *b) {
    hl_err    err = {0};
    hl_status status = hl_forward_check_row(s->forward, b, st->step.bad_row, &err);
    if (status == HL_OK)
        status = hl_fail(
            &err, HL_E_FORMAT,
            "no token can be chosen at position %d: with bias, penalties and the format of the answer the "
            "logits hold NaN, or nothing but -infinity",
            b->pos[st->step.bad_row]);
    end_running(s, st, HL_END_NONE, status, &err);
}

/* The row of the batch behind the last of n accepted drafts, which lies in the accepted branch. */
static uint32_t last_row_of_branch(const hl_sched *s, const hl_stream *st, uint32_t n) {
    const int k = st->draft.spec.accepted_branch;
    return s->out_rows[st->step.branches[k].first_out + n - 1 - st->draft.spec.branches[k].depth];
}

/* The rows of this step are in the cache; tokens that came out of them go to the caller. */
static void advance(hl_sched *s, hl_stream *st, const hl_batch *b, int64_t now) {
    if (st->step.bad_row != HL_NO_ROW && st->step.n_emitted == 0) {
        end_failed(s, st, b);
        return;
    }
    hl_spec       *spec = &st->draft.spec;
    const uint32_t n_drafted = spec->n_verified;
    const uint32_t n_accepted = st->step.n_emitted > 0 ? st->step.n_emitted - 1 : 0;
    hl_seq *accepted = spec->accepted_branch < 0 ? NULL : &st->step.branches[spec->accepted_branch].seq;
    if (st->owner) st->owner->n_rows += st->step.n_rows - n_drafted + hl_spec_n_verified(spec);
    hl_seq_join(&st->seq, accepted);
    const uint32_t last_row = st->step.first_row + st->step.n_rows - n_drafted + n_accepted - 1;
    hl_sched_take_state(s, st, last_row);
    hl_sched_keep_border(s, st, st->step.n_rows - n_drafted + n_accepted);
    st->seq.n_pos += (int32_t)(st->step.n_rows - n_drafted + n_accepted);
    if (n_drafted > 0 || accepted) hl_seq_truncate(&st->seq, st->seq.n_pos);
    hl_sched_keep_hidden(s, st, accepted ? last_row_of_branch(s, st, n_accepted) : last_row);
    st->usage.accepted_tokens += (int32_t)n_accepted;
    st->usage.accepted_branches += accepted != NULL;
    hl_sched_observe(st);
    hl_spec_begin_step(spec);
    const hl_end told = tell_prompt(s, st, b);
    if (told != HL_END_NONE) {
        end_running(s, st, told, HL_OK, NULL);
        return;
    }
    if (st->step.n_out == 0) {
        hl_sched_publish(s, st);
        return;
    }
    if (st->prompt_done_ns == 0) {
        st->prompt_done_ns = now;
        st->usage.prompt_ns = now - st->began_ns;
    }
    hl_end   end = st->req.max_tokens == 0 ? HL_END_LENGTH : HL_END_NONE;
    uint32_t n_said = 0;
    for (; n_said < st->step.n_emitted && end == HL_END_NONE; n_said++) {
        if (!hl_stream_push(st, st->step.emitted[n_said])) {
            hl_err          err = {0};
            const hl_status status = hl_fail(&err, HL_E_NOMEM, "answer: no memory");
            end_running(s, st, HL_END_NONE, status, &err);
            return;
        }
        end = emit(s, st, n_said, now);
    }
    const bool said_all = n_said == st->step.n_emitted && (end == HL_END_NONE || end == HL_END_LENGTH);
    if (said_all && st->step.is_done) end = HL_END_STOP;
    if (end != HL_END_NONE)
        end_running(s, st, end, HL_OK, NULL);
    else if (st->step.bad_row != HL_NO_ROW)
        end_failed(s, st, b);
    else
        hl_sched_publish(s, st);
}

static void advance_all(hl_sched *s, const hl_batch *b) {
    const int64_t now = hl_clock_ns();
    for (uint32_t i = s->n_running; i-- > 0;)
        if (s->running[i]->step.n_rows > 0) advance(s, s->running[i], b, now);
}

/* ---- the step ---- */

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Fewer or more prompt rows next time, by how long this step took. */
static void follow_clock(hl_sched *s, const step *p, int64_t step_ns) {
    if (p->n_prompt_rows == 0) return;
    const bool   mixed = p->n_generating > 0;
    double      *rows = mixed ? &s->prefill_mixed : &s->prefill_alone;
    const double aim_ns = mixed ? AIM * 1e6 * s->p.max_itl_ms : ALONE_MS * 1e6;
    const double change = clamp(aim_ns / (double)(step_ns > 0 ? step_ns : 1), 0.25, 1.5);
    if (change > 1 && p->n_prompt_rows < p->prompt_rows_cap)
        return; /* a short chunk says nothing about a long one */
    *rows = clamp(*rows * change, mixed ? MIN_MIXED_ROWS : MIN_ALONE_ROWS, s->p.n_batch);
}

void hl_sched_note_state(hl_sched *s) {
    const uint64_t block = hl_kv_pool_block_bytes(s->pool);
    (void)pthread_mutex_lock(&s->lock);
    hl_sched_stats *t = &s->stats;
    t->n_running = (int32_t)s->n_running;
    t->n_waiting = (int32_t)s->n_queued;
    t->kv_used_bytes = block * (hl_kv_pool_n_blocks(s->pool) - hl_kv_pool_n_free(s->pool));
    if (s->state_pool)
        t->kv_used_bytes += (uint64_t)hl_kv_pool_block_bytes(s->state_pool) *
                            (hl_kv_pool_n_blocks(s->state_pool) - hl_kv_pool_n_free(s->state_pool));
    t->kv_shared_bytes = block * hl_prefix_tree_n_blocks(s->tree);
    (void)pthread_mutex_unlock(&s->lock);
}

static void note_step(hl_sched *s, const step *p, int64_t step_ns) {
    const double p50 = hl_itl_quantile_ms(s->itl, 0.5), p99 = hl_itl_quantile_ms(s->itl, 0.99);
    (void)pthread_mutex_lock(&s->lock);
    hl_sched_stats *t = &s->stats;
    t->n_steps++;
    t->n_rows += p->b.n_rows;
    t->forward_ns += p->forward_ns;
    t->sample_ns += p->sample_ns;
    t->own_ns += step_ns - p->forward_ns - p->sample_ns;
    t->itl_p50_ms = p50;
    t->itl_p99_ms = p99;
    t->prefill_budget = (uint32_t)(p->n_generating ? s->prefill_mixed : s->prefill_alone);
    (void)pthread_mutex_unlock(&s->lock);
}

static void set_solo(hl_sched *s, uint64_t id, const hl_embed_job *job) {
    (void)pthread_mutex_lock(&s->lock);
    s->solo_id = id;
    s->solo_job = job;
    (void)pthread_mutex_unlock(&s->lock);
}

/* The only stream, or the only texts, and their cancellation if that came before. */
static void announce_pass(hl_sched *s) {
    const hl_stream    *only = s->n_running == 1 ? s->running[0] : NULL;
    const hl_embed_job *job = s->n_running == 0 ? hl_embed_only(s) : NULL;
    set_solo(s, only ? only->id : 0, job);
    if ((only && atomic_load(&only->cancel)) || (job && hl_embed_is_cancelled(job)))
        atomic_store(&s->stop_pass, true);
}

static void fail_all(hl_sched *s, hl_status status, const hl_err *err) {
    while (s->n_running > 0) end_running(s, s->running[s->n_running - 1], HL_END_NONE, status, err);
    hl_embed_end_all(s, status, err);
}

/* The pass was stopped: its rows were not computed. */
static void undo_pass(hl_sched *s) {
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        hl_seq_join(&st->seq, NULL);
        if (st->draft.spec.n_verified > 0) hl_seq_truncate(&st->seq, st->seq.n_pos);
        hl_spec_begin_step(&st->draft.spec);
    }
    hl_embed_undo(s);
}

void hl_sched_step(hl_sched *s) {
    step   p = {.began_ns = hl_clock_ns()};
    hl_err err = {0};
    hl_sched_draft(s);
    compose(s, &p);
    if (p.b.n_rows == 0) return;
    announce_pass(s);
    (void)pthread_mutex_unlock(&s->kv_lock);
    const int64_t t0 = hl_clock_ns();
    hl_status     status = hl_forward_eval(s->forward, &p.b, &s->stop_pass, s->logits, &err);
    if (status == HL_OK) status = hl_sched_read_along(s, &p.b, &err);
    const int64_t t1 = hl_clock_ns();
    (void)pthread_mutex_lock(&s->kv_lock);
    set_solo(s, 0, NULL);
    p.forward_ns = t1 - t0;
    if (status == HL_E_CANCEL) {
        undo_pass(s);
        atomic_store(&s->stop_pass, false);
    } else if (status != HL_OK) {
        fail_all(s, status, &err);
    } else {
        choose(s);
        p.sample_ns = hl_clock_ns() - t1;
        advance_all(s, &p.b);
        hl_embed_advance(s, &p.b);
        follow_clock(s, &p, t1 - p.began_ns);
        if (p.n_prompt_rows == 0) hl_pass_cost_update(&s->pass_cost, p.b.n_rows, p.forward_ns);
    }
    hl_sched_drop_states(s, 0, p.b.n_rows);
    note_step(s, &p, hl_clock_ns() - p.began_ns);
}
