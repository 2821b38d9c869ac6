/* SPDX-License-Identifier: MIT
 *
 * draft_block.c - one pass of the block for each draft token, all sequences in each.
 */
#include "engine/speculate/draft_block.h"

#include "core/base/mem.h"

struct hl_draft_block {
    const hl_model *model; /* the block */
    hl_forward     *forward;
    uint32_t        n_seqs;
    int32_t         n_ctx;
    float          *logits;       /* [n_seqs][n_vocab] */
    float          *hidden[2];    /* [n_seqs][n_embd] of this pass and of the one before */
    int32_t        *tokens, *pos; /* [n_seqs] the batch */
    hl_seq        **seqs;
    const float   **before;
    uint32_t       *rows; /* 0, 1, ..: logits of all rows are wanted */
    uint32_t       *jobs; /* of each row */
};

uint64_t hl_draft_block_plan(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap, int32_t n_ctx) {
    if (!m->next) return 0;
    const uint64_t floats = (uint64_t)m->next->hp.n_vocab + 2 * (uint64_t)m->next->hp.n_embd;
    return hl_forward_plan(m->next, n_rows_cap > n_seqs ? n_rows_cap : n_seqs, n_ctx) +
           n_seqs * floats * sizeof(float) + sizeof(hl_draft_block);
}

hl_status hl_draft_block_new(const hl_model *m, uint32_t n_seqs, uint32_t n_rows_cap, int32_t n_ctx,
                             hl_draft_block **ret_block, hl_err *err) {
    const hl_hparams *hp = &m->next->hp;
    hl_draft_block   *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "block that drafts: no memory");
    d->model = m->next;
    d->n_seqs = n_seqs;
    d->n_ctx = n_ctx;
    hl_status status =
        hl_forward_new(m->next, n_rows_cap > n_seqs ? n_rows_cap : n_seqs, n_ctx, &d->forward, err);
    d->logits = hl_new_aligned((size_t)n_seqs * hp->n_vocab, sizeof *d->logits);
    for (int i = 0; i < 2; i++)
        d->hidden[i] = hl_new_aligned((size_t)n_seqs * hp->n_embd, sizeof *d->hidden[i]);
    d->tokens = hl_new(n_seqs, sizeof *d->tokens);
    d->pos = hl_new(n_seqs, sizeof *d->pos);
    d->seqs = hl_new(n_seqs, sizeof(hl_seq *));
    d->before = hl_new(n_seqs, sizeof(float *));
    d->rows = hl_new(n_seqs, sizeof *d->rows);
    d->jobs = hl_new(n_seqs, sizeof *d->jobs);
    if (status == HL_OK && (!d->logits || !d->hidden[0] || !d->hidden[1] || !d->tokens || !d->pos ||
                            !d->seqs || !d->before || !d->rows || !d->jobs))
        status = hl_fail(err, HL_E_NOMEM, "block that drafts: no memory");
    if (status != HL_OK) {
        hl_draft_block_free(d);
        return status;
    }
    for (uint32_t i = 0; i < n_seqs; i++) d->rows[i] = i;
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
hl_status hl_draft_block_read(hl_draft_block *d, const hl_batch *b, const float *const *before, hl_err *err) {
    const hl_batch rows = {.n_rows = b->n_rows,
                           .tokens = b->tokens,
                           .embds = b->embds,
                           .pos = b->pos,
                           .rope_pos = b->rope_pos,
                           .seqs = b->seqs,
                           .before = before};
    return hl_forward_eval(d->forward, &rows, NULL, d->logits, err);
}

/* The next token of each job that wants one: the newest, or its last draft, and what was made of the one
 * before that. */
static hl_batch compose(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs, uint32_t round,
                        const uint32_t *row_of) {
    hl_batch     b = {.tokens = d->tokens,
                      .pos = d->pos,
                      .seqs = d->seqs,
                      .out_rows = d->rows,
                      .before = d->before,
                      .hidden = d->hidden[round % 2]};
    const float *last = d->hidden[(round + 1) % 2];
    for (uint32_t i = 0; i < n_jobs; i++) {
        hl_draft_job *j = &jobs[i];
        const int32_t pos = (int32_t)(j->n_ids - 1 + round);
        if (j->n_drafts != round || j->n_drafts >= j->n_wanted || pos >= d->n_ctx) continue;
        if (!hl_seq_reserve(j->seq, pos + 1)) continue;
        d->tokens[b.n_rows] = round == 0 ? j->ids[j->n_ids - 1] : j->drafts[round - 1];
        d->pos[b.n_rows] = pos;
        d->seqs[b.n_rows] = j->seq;
        d->before[b.n_rows] = round == 0 ? j->before : last + (size_t)row_of[i] * d->model->hp.n_embd;
        d->jobs[b.n_rows++] = i;
    }
    b.n_out = b.n_rows;
    return b;
}

hl_status hl_draft_block_draft(hl_draft_block *d, hl_draft_job *jobs, uint32_t n_jobs,
                               const atomic_bool *stop, hl_err *err) {
    enum { MOST_JOBS = 256 };
    uint32_t      row_of[MOST_JOBS];
    const int32_t n_vocab = (int32_t)d->model->hp.n_vocab;
    if (n_jobs > d->n_seqs) n_jobs = d->n_seqs;
    if (n_jobs > MOST_JOBS) n_jobs = MOST_JOBS;
    for (uint32_t i = 0; i < n_jobs; i++) jobs[i].n_drafts = 0;
    for (uint32_t round = 0;; round++) {
        const hl_batch b = compose(d, jobs, n_jobs, round, row_of);
        if (b.n_rows == 0) return HL_OK;
        const hl_status status = hl_forward_eval(d->forward, &b, stop, d->logits, err);
        for (uint32_t r = 0; r < b.n_rows && status == HL_OK; r++) {
            row_of[d->jobs[r]] = r;
            hl_draft_job_note(&jobs[d->jobs[r]],
                              hl_forward_row_failed(d->forward, r) ? NULL
                                                                   : d->logits + (size_t)r * (size_t)n_vocab,
                              n_vocab, n_vocab);
        }
        for (uint32_t i = 0; i < n_jobs && status != HL_OK; i++) jobs[i].n_drafts = 0;
        if (status != HL_OK) return status;
    }
}
