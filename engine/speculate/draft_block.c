/* SPDX-License-Identifier: MIT
 *
 * draft_block.c - one pass for each draft token, or one for a block of them; all sequences in each.
 */
#include "engine/speculate/draft_block.h"

#include "core/base/mem.h"
#include "engine/forward/drafts.h"

struct hl_draft_block {
    const hl_model *model; /* what drafts */
    hl_forward     *forward;
    uint32_t        n_seqs, n_rows_cap, n_out_cap; /* caps: of passes that draft */
    int32_t         n_ctx;
    float          *logits;       /* [n_out_cap][rows of its head] */
    float          *hidden[2];    /* [n_seqs][n_own] of this pass and of the one before; NULL: at once */
    int32_t        *tokens, *pos; /* [n_rows_cap] the batch */
    hl_seq        **seqs;
    const float   **before;
    uint32_t       *rows; /* [n_out_cap] */
    uint32_t       *jobs; /* of each of these */
};

static size_t n_logits(const hl_model *m) { return hl_n_logits(&m->hp); }

uint32_t hl_draft_block_most(const hl_model *m) {
    const uint32_t n = m->drafting->at_once ? m->hp.block_size - 1 : HL_DRAFT_MODEL_CAP;
    return n < HL_DRAFT_JOB_CAP ? n : HL_DRAFT_JOB_CAP;
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Rows of a pass that drafts: as many blocks as there are rows for, one at least. */
static uint32_t n_drafting_rows(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap) {
    if (!m->drafting->at_once) return n_seqs;
    const uint32_t all = n_seqs * m->hp.block_size;
    return larger(all < n_rows_cap ? all : n_rows_cap, m->hp.block_size);
}

static uint32_t n_drafting_outs(const hl_model *m, uint32_t n_seqs) {
    return m->drafting->at_once ? larger(n_seqs, hl_draft_block_most(m)) : n_seqs;
}

uint64_t hl_draft_block_plan(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap, int32_t n_ctx) {
    const uint64_t floats =
        n_drafting_outs(m, n_seqs) * (uint64_t)n_logits(m) + 2 * (uint64_t)n_seqs * m->hp.n_own;
    return hl_forward_plan(m, larger(n_rows_cap, n_drafting_rows(m, n_seqs, n_rows_cap)), n_ctx) +
           floats * sizeof(float) + sizeof(hl_draft_block);
}

hl_status hl_draft_block_new(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap, int32_t n_ctx,
                             hl_draft_block **ret_block, hl_err *err) {
    hl_draft_block *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "block that drafts: no memory");
    d->model = m;
    d->n_seqs = n_seqs;
    d->n_ctx = n_ctx;
    d->n_rows_cap = n_drafting_rows(m, n_seqs, n_rows_cap);
    d->n_out_cap = n_drafting_outs(m, n_seqs);
    hl_status status = hl_forward_new(m, larger(n_rows_cap, d->n_rows_cap), n_ctx, &d->forward, err);
    d->logits = hl_new_aligned(d->n_out_cap * n_logits(m), sizeof *d->logits);
    for (int i = 0; i < 2; i++)
        d->hidden[i] = hl_new_aligned((size_t)n_seqs * m->hp.n_own, sizeof *d->hidden[i]);
    d->tokens = hl_new(d->n_rows_cap, sizeof *d->tokens);
    d->pos = hl_new(d->n_rows_cap, sizeof *d->pos);
    d->seqs = hl_new(d->n_rows_cap, sizeof(hl_seq *));
    d->before = hl_new(d->n_rows_cap, sizeof(float *));
    d->rows = hl_new(d->n_out_cap, sizeof *d->rows);
    d->jobs = hl_new(d->n_out_cap, sizeof *d->jobs);
    if (status == HL_OK && (!d->logits || !d->hidden[0] || !d->hidden[1] || !d->tokens || !d->pos ||
                            !d->seqs || !d->before || !d->rows || !d->jobs))
        status = hl_fail(err, HL_E_NOMEM, "block that drafts: no memory");
    if (status != HL_OK) {
        hl_draft_block_free(d);
        return status;
    }
    *ret_block = d;
    return HL_OK;
}

void hl_draft_block_free(hl_draft_block *d) {
    if (!d) return;
    hl_forward_free(d->forward);
    hl_free(d->logits);
    for (int i = 0; i < 2; i++) hl_free(d->hidden[i]);
    hl_free(d->tokens);
    hl_free(d->pos);
    hl_free(d->seqs);
    hl_free(d->before);
    hl_free(d->rows);
    hl_free(d->jobs);
    hl_free(d);
}

/* Keys and values are all that later positions need: no logits are wanted, so nothing else is computed. */
hl_status hl_draft_block_read(hl_draft_block *d, const hl_batch *b, const float *const *before,
                              const atomic_bool *stop, hl_err *err) {
    const hl_batch rows = {.n_rows = b->n_rows,
                           .tokens = b->tokens,
                           .embds = b->embds,
                           .pos = b->pos,
                           .rope_pos = b->rope_pos,
                           .seqs = b->seqs,
                           .before = before};
    return hl_forward_eval(d->forward, &rows, stop, d->logits, err);
}

/* ---- drafts ---- */

/* The next draft of a job, from logits of an output; NULL: there are none. */
static void note(const hl_draft_block *d, hl_draft_job *j, const float *logits) {
    const int32_t  n = (int32_t)n_logits(d->model), n_vocab = (int32_t)d->model->hp.n_vocab;
    const int32_t *ids = d->model->token_ids;
    const uint32_t at = j->n_drafts;
    hl_draft_job_note(j, logits, n, ids ? n : n_vocab);
    if (!ids || j->n_drafts == at) return;
    j->drafts[at] = ids[j->drafts[at]];
    if (j->second_probs[at] > 0) j->seconds[at] = ids[j->seconds[at]];
}

/* Run the batch; its outputs become drafts of their jobs, until these are unsure. */
static hl_status run(hl_draft_block *d, const hl_batch *b, hl_draft_job *jobs, const atomic_bool *stop,
                     hl_err *err) {
    const hl_status status = hl_forward_eval(d->forward, b, stop, d->logits, err);
    if (status != HL_OK) return status;
    for (uint32_t i = 0; i < b->n_out; i++) {
        hl_draft_job *j = &jobs[d->jobs[i]];
        const bool    failed = hl_forward_row_failed(d->forward, d->rows[i]);
        if (j->n_drafts < j->n_wanted) note(d, j, failed ? NULL : d->logits + i * n_logits(d->model));
    }
    return HL_OK;
}

static void add_row(hl_draft_block *d, hl_batch *b, hl_seq *seq, int32_t token, int32_t pos) {
    d->tokens[b->n_rows] = token;
    d->pos[b->n_rows] = pos;
    d->seqs[b->n_rows++] = seq;
}

/* The last row's logits are wanted. */
static void want(hl_draft_block *d, hl_batch *b, uint32_t i_job) {
    d->rows[b->n_out] = b->n_rows - 1;
    d->jobs[b->n_out++] = i_job;
}

static hl_batch empty_batch(const hl_draft_block *d) {
    return (hl_batch){.tokens = d->tokens, .pos = d->pos, .seqs = d->seqs, .out_rows = d->rows};
}

/* The next token of each job that wants one: the newest, or its last draft, and what was made of the one
 * before that. */
static hl_batch compose(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs, uint32_t round,
                        uint32_t *row_of) {
    hl_batch     b = empty_batch(d);
    const float *last = d->hidden[(round + 1) % 2];
    const bool   stays = d->model->drafting->stays;
    b.before = d->before;
    b.before_is_own = round > 0;
    b.hidden = d->hidden[round % 2];
    for (uint32_t i = 0; i < n_jobs; i++) {
        hl_draft_job *j = &jobs[i];
        const int32_t pos = (int32_t)(j->n_ids - 1) + (stays ? 0 : (int32_t)round);
        if (j->n_drafts != round || j->n_drafts >= j->n_wanted || pos >= d->n_ctx) continue;
        if (stays && pos == 0) continue; /* nothing stands before it */
        if (!hl_seq_reserve(j->seq, pos + 1)) continue;
        d->before[b.n_rows] = round == 0 ? j->before : last + (size_t)row_of[i] * d->model->hp.n_own;
        row_of[i] = b.n_rows;
        add_row(d, &b, j->seq, round == 0 ? j->ids[j->n_ids - 1] : j->drafts[round - 1], pos);
        want(d, &b, i);
    }
    return b;
}

enum { MOST_JOBS = 256 };

static hl_status draft_one_by_one(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs,
                                  const atomic_bool *stop, hl_err *err) {
    uint32_t  row_of[MOST_JOBS];
    hl_status status = HL_OK;
    for (uint32_t round = 0; status == HL_OK; round++) {
        const hl_batch b = compose(d, jobs, n_jobs, round, row_of);
        if (b.n_rows == 0) return HL_OK;
        status = run(d, &b, jobs, stop, err);
    }
    return status;
}

/* The whole block is asked for, however few drafts are wanted: its rows see one another. */
static hl_status draft_at_once(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs,
                               const atomic_bool *stop, hl_err *err) {
    const uint32_t block = d->model->hp.block_size;
    const int32_t  mask = (int32_t)d->model->hp.mask_token;
    hl_batch       b = empty_batch(d);
    hl_status      status = HL_OK;
    for (uint32_t i = 0; i < n_jobs && status == HL_OK; i++) {
        hl_draft_job *j = &jobs[i];
        const int32_t pos = (int32_t)(j->n_ids - 1);
        const int32_t held = (int32_t)j->seq->blocks_cap * HL_KV_PAGE_TOKENS; /* that it may hold */
        const int32_t left = (held < d->n_ctx ? held : d->n_ctx) - pos;
        const int32_t n = left < (int32_t)block ? left : (int32_t)block;
        if (n < 2 || !hl_seq_reserve(j->seq, pos + n)) continue;
        if ((int32_t)j->n_wanted > n - 1) j->n_wanted = (uint32_t)n - 1;
        if (b.n_rows + (uint32_t)n > d->n_rows_cap || b.n_out + j->n_wanted > d->n_out_cap) {
            status = run(d, &b, jobs, stop, err);
            b = empty_batch(d);
        }
        for (int32_t k = 0; k < n; k++) {
            add_row(d, &b, j->seq, k == 0 ? j->ids[j->n_ids - 1] : mask, pos + k);
            if (k > 0 && k <= (int32_t)j->n_wanted) want(d, &b, i);
        }
    }
    if (status == HL_OK && b.n_rows > 0) status = run(d, &b, jobs, stop, err);
    return status;
}

hl_status hl_draft_block_draft(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs,
                               const atomic_bool *stop, hl_err *err) {
    if (n_jobs > d->n_seqs) n_jobs = d->n_seqs;
    if (n_jobs > MOST_JOBS) n_jobs = MOST_JOBS;
    for (uint32_t i = 0; i < n_jobs; i++) jobs[i].n_drafts = 0;
    const hl_status status = d->model->drafting->at_once ? draft_at_once(d, jobs, n_jobs, stop, err)
                                                         : draft_one_by_one(d, jobs, n_jobs, stop, err);
    for (uint32_t i = 0; i < n_jobs && status != HL_OK; i++) jobs[i].n_drafts = 0;
    return status;
}
