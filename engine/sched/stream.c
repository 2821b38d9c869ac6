/* SPDX-License-Identifier: MIT
 *
 * stream.c - one request: checked and copied when it comes, told about its end exactly once.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "engine/admit.h"
#include "engine/sched/sched_priv.h"

static hl_status check_ids(const hl_sched *s, const char *what, const int32_t *ids, size_t n, hl_err *err) {
    const int32_t n_vocab = (int32_t)s->model->hp.n_vocab;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= n_vocab)
            return hl_fail(err, HL_E_ARG, "%s %zu is %d, expected 0..%d", what, i, ids[i], n_vocab - 1);
    return HL_OK;
}

static hl_status check_tokens(const hl_sched *s, const hl_sched_request *r, hl_err *err) {
    if (r->n_tokens == 0 || !r->tokens) return hl_fail(err, HL_E_ARG, "the prompt has no tokens");
    if (r->n_prediction > HL_MAX_CTX)
        return hl_fail(err, HL_E_ARG, "a prediction of %zu tokens, expected at most %d", r->n_prediction,
                       HL_MAX_CTX);
    const hl_status status = check_ids(s, "token", r->tokens, r->n_tokens, err);
    return status != HL_OK || !r->prediction
               ? status
               : check_ids(s, "token of the prediction", r->prediction, r->n_prediction, err);
}

static hl_status check_params(const hl_sched *s, const hl_sched_request *r, hl_err *err) {
    if (r->n_ctx < 0 || r->n_ctx > s->n_ctx_cap)
        return hl_fail(err, HL_E_ARG, "n_ctx is %d, expected 0..%d", r->n_ctx, s->n_ctx_cap);
    if (r->n_top < 0 || r->n_top > HL_TOP_CAP)
        return hl_fail(err, HL_E_ARG, "n_top is %d, expected 0..%d", r->n_top, HL_TOP_CAP);
    if (r->timeout_ms < 0) return hl_fail(err, HL_E_ARG, "timeout_ms is negative");
    const int32_t n_ctx = r->n_ctx ? r->n_ctx : s->p.n_ctx;
    if (r->n_tokens >= (size_t)n_ctx)
        return hl_fail(err, HL_E_FULL,
                       "the prompt has %zu tokens and the context holds %d, one of them for the answer; "
                       "ask for a larger context or shorten the prompt",
                       r->n_tokens, n_ctx);
    const size_t block = hl_kv_pool_block_bytes(s->pool);
    const size_t need = r->n_tokens / HL_KV_PAGE_TOKENS + 1;
    if (need > hl_kv_pool_n_blocks(s->pool))
        return hl_fail(err, HL_E_FULL,
                       "the prompt of %zu tokens needs %zu KiB of key/value cache and the budget is %zu KiB; "
                       "raise the budget or shorten the prompt",
                       r->n_tokens, need * block >> 10, hl_kv_pool_n_blocks(s->pool) * block >> 10);
    return HL_OK;
}

static bool may_speculate(const hl_sched *s, const hl_sched_request *r) {
    return s->p.speculate != HL_SPECULATE_OFF && r->speculate != HL_SPECULATE_OFF;
}

hl_status hl_stream_new(const hl_sched *s, const hl_sched_request *r, hl_stream **ret_stream, hl_err *err) {
    hl_status status = hl_check_generates(s->model, err);
    if (status == HL_OK) status = check_tokens(s, r, err);
    if (status == HL_OK) status = check_params(s, r, err);
    if (status != HL_OK) return status;
    hl_stream *st = hl_new(1, sizeof *st);
    if (!st) return hl_fail(err, HL_E_NOMEM, "request: no memory");
    st->req = (hl_seq_request){.max_tokens = r->max_tokens,
                               .n_ctx = r->n_ctx ? r->n_ctx : s->p.n_ctx,
                               .n_top = r->n_top,
                               .priority = r->priority,
                               .ignore_eog = r->ignore_eog,
                               .owner = r->owner,
                               .on_token = r->on_token,
                               .on_prompt_token = r->on_prompt_token,
                               .on_done = r->on_done,
                               .user = r->user};
    st->n_ids = st->n_prompt = (uint32_t)r->n_tokens;
    st->ids_cap = st->n_ids + 256;
    st->ids = hl_new(st->ids_cap, sizeof *st->ids);
    st->keys = hl_new(st->ids_cap, sizeof *st->keys);
    st->n_told = 1; /* nothing stands in front of the first one */
    const bool wants_top = r->want_logprobs || r->on_prompt_token;
    if (wants_top) st->step.top = hl_new((HL_MAX_DRAFT + 1) * HL_TOP_CAP, sizeof *st->step.top);
    if (!st->ids || !st->keys || (wants_top && !st->step.top))
        status = hl_fail(err, HL_E_NOMEM, "request: no memory");
    if (status == HL_OK && may_speculate(s, r))
        status = hl_spec_init(&st->draft.spec, r->prediction, r->n_prediction, r->tokens, st->n_ids, err);
    if (status == HL_OK)
        status = hl_sampler_new(&r->sampling, (int32_t)s->model->hp.n_vocab, &st->sampler, err);
    st->draft.hidden_pos = -1;
    st->border_state = HL_NO_STATE;
    const bool asks_block = s->draft_block && st->draft.spec.context;
    if (asks_block) st->draft.hidden = hl_new(s->hidden_cols, sizeof *st->draft.hidden);
    if (status == HL_OK && asks_block && !st->draft.hidden)
        status = hl_fail(err, HL_E_NOMEM, "request: no memory");
    if (status == HL_OK) status = hl_seq_init(&st->seq, s->pool, st->req.n_ctx, err);
    if (status == HL_OK)
        status = hl_lora_mix_init(&st->mix, s->model->loras, r->adapters, r->n_adapters, err);
    if (status != HL_OK) {
        hl_stream_free(st);
        return status;
    }
    memcpy(st->ids, r->tokens, r->n_tokens * sizeof *st->ids);
    for (uint32_t i = 0; i < st->n_prompt; i++) {
        st->keys[i] = hl_prefix_key_of(st->ids[i]);
        hl_sampler_see(st->sampler, st->ids[i]);
    }
    st->seq.lora = hl_lora_mix_of(&st->mix);
    hl_lora_mark_keys(st->seq.lora, st->keys, st->n_prompt);
    st->arrived_ns = hl_clock_ns();
    if (r->timeout_ms > 0 && r->timeout_ms < INT64_MAX / 2000000)
        st->deadline_ns = st->arrived_ns + r->timeout_ms * 1000000;
    st->usage.prompt_tokens = (int32_t)st->n_prompt;
    st->usage.seed = hl_sampler_seed(st->sampler);
    *ret_stream = st;
    return HL_OK;
}

void hl_stream_free(hl_stream *st) {
    if (!st) return;
    hl_seq_done(&st->seq);
    for (uint32_t i = 0; i < HL_MAX_BRANCHES; i++) hl_seq_done(&st->step.branches[i].seq);
    hl_seq_done(&st->draft.model_seq);
    hl_spec_done(&st->draft.spec);
    hl_free(st->draft.hidden);
    hl_sampler_free(st->sampler);
    hl_free(st->step.top);
    hl_free(st->ids);
    hl_free(st->keys);
    hl_free(st);
}

bool hl_stream_push(hl_stream *st, int32_t token) {
    if (st->n_ids == st->ids_cap) {
        int32_t *ids = hl_resize(st->ids, 2 * (size_t)st->ids_cap, sizeof *ids);
        if (ids) st->ids = ids;
        hl_prefix_key *keys = hl_resize(st->keys, 2 * (size_t)st->ids_cap, sizeof *keys);
        if (keys) st->keys = keys;
        if (!ids || !keys) return false;
        st->ids_cap *= 2;
    }
    if (!hl_spec_append(&st->draft.spec, token)) return false;
    st->keys[st->n_ids] = hl_prefix_key_of(token);
    st->ids[st->n_ids++] = token;
    return true;
}

static void count_end(hl_sched *s, const hl_stream *st, hl_status status) {
    hl_sched_stats *t = &s->stats;
    if (status != HL_OK)
        t->n_failed++;
    else if (st->usage.end == HL_END_CANCEL)
        t->n_cancelled++;
    else
        t->n_done++;
    t->prompt_tokens += (uint64_t)st->usage.prompt_tokens;
    t->cached_tokens += (uint64_t)st->usage.cached_tokens;
    t->answer_tokens += (uint64_t)st->usage.answer_tokens;
    t->drafted_tokens += (uint64_t)st->usage.drafted_tokens;
    t->accepted_tokens += (uint64_t)st->usage.accepted_tokens;
    t->drafted_branches += (uint64_t)st->usage.drafted_branches;
    t->accepted_branches += (uint64_t)st->usage.accepted_branches;
}

void hl_stream_end(hl_sched *s, hl_stream *st, hl_end end, hl_status status, const hl_err *err) {
    static const hl_err none;
    const int64_t       now = hl_clock_ns();
    st->usage.end = end;
    st->usage.total_ns = now - st->arrived_ns;
    if (st->began_ns == 0)
        st->usage.queue_ns = st->usage.total_ns;
    else if (st->prompt_done_ns == 0)
        st->usage.prompt_ns = now - st->began_ns;
    else
        st->usage.answer_ns = now - st->prompt_done_ns;
    (void)pthread_mutex_lock(&s->lock);
    hl_stream **at = &s->live;
    while (*at != st) at = &(*at)->next_live;
    *at = st->next_live;
    count_end(s, st, status);
    (void)pthread_mutex_unlock(&s->lock);
    if (st->req.on_done) st->req.on_done(st->req.user, st->id, status, &st->usage, err ? err : &none);
    if (st->waiter) hl_waiter_tell(st->waiter, status, &st->usage, err);
    hl_stream_free(st);
}
