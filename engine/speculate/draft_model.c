/* SPDX-License-Identifier: MIT
 *
 * draft_model.c - one pass to read, then one pass for each further draft token, all sequences in each.
 */
#define _GNU_SOURCE
#include "engine/speculate/draft_model.h"

#include <math.h>
#include <string.h>

#include "core/base/mem.h"

enum { ROWS = 256, VOCAB_SLACK = 512 /* padding of embedding matrices differs within a family */ };

struct hl_draft_model {
    hl_model   *model;
    hl_kv_pool *pool;
    hl_forward *forward;
    uint32_t    n_seqs;
    int32_t     n_ctx;
    int32_t     n_vocab; /* of the target */
    float      *logits;  /* [n_seqs][n_vocab of the draft] */
    int32_t     tokens[ROWS], pos[ROWS];
    hl_seq     *seqs[ROWS];
    uint32_t   *out_rows; /* [n_seqs] */
    uint32_t   *out_jobs; /* [n_seqs] */
};

hl_status hl_draft_check_vocabulary(const hl_model *draft, const hl_model *target, hl_err *err) {
    const hl_tokenizer *a = draft->tokenizer, *b = target->tokenizer;
    if (!a || !b) return HL_OK;
    const int32_t na = hl_tokenizer_n_vocab(a), nb = hl_tokenizer_n_vocab(b);
    for (int32_t i = 0; i < na && i < nb; i++) {
        const hl_view va = hl_tokenizer_spelling(a, i), vb = hl_tokenizer_spelling(b, i);
        if (va.len != vb.len || memcmp(va.ptr, vb.ptr, va.len) != 0)
            return hl_fail(err, HL_E_ARG, "another vocabulary: token %d is '%.*s', expected '%.*s'", i,
                           (int)va.len, va.ptr, (int)vb.len, vb.ptr);
    }
    return HL_OK;
}

static hl_status check_vocabulary(const hl_model *draft, const hl_model *target, hl_err *err) {
    const hl_tokenizer *a = draft->tokenizer, *b = target->tokenizer;
    if (!a != !b) return hl_fail(err, HL_E_ARG, "draft model: %s has no vocabulary", a ? "the model" : "it");
    const int32_t na = (int32_t)draft->hp.n_vocab, nb = (int32_t)target->hp.n_vocab;
    if (na > nb + VOCAB_SLACK || nb > na + VOCAB_SLACK)
        return hl_fail(err, HL_E_ARG, "draft model: a vocabulary of %d tokens, expected the model's %d", na,
                       nb);
    const hl_status status = hl_draft_check_vocabulary(draft, target, err);
    return status == HL_OK ? HL_OK : hl_fail_within(err, status, "draft model");
}

static uint32_t n_blocks_for(uint32_t n_seqs, int32_t n_ctx) {
    const uint32_t per_seq = ((uint32_t)n_ctx + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS + 1;
    return n_seqs * per_seq;
}

uint64_t hl_draft_model_plan(const hl_model *draft, uint32_t n_seqs, int32_t n_ctx) {
    return (uint64_t)n_blocks_for(n_seqs, n_ctx) * hl_forward_block_bytes(draft, NULL, HL_KV_CACHE_F16) +
           hl_forward_plan(draft, ROWS, n_ctx) + (uint64_t)n_seqs * draft->hp.n_vocab * sizeof(float) +
           sizeof(hl_draft_model);
}

hl_status hl_draft_model_new(hl_model *draft, const hl_model *target, uint32_t n_seqs, int32_t n_ctx,
                             hl_draft_model **ret_draft, hl_err *err) {
    if (draft->engine != target->engine)
        return hl_fail(err, HL_E_ARG, "draft model: opened with another engine");
    if (!draft->layers) return hl_fail(err, HL_E_ARG, "draft model: opened for its vocabulary only");
    if (hl_forward_state_bytes(draft) > 0)
        return hl_fail(
            err, HL_E_UNSUPPORTED,
            "draft model: architecture '%s' has recurrent layers, which cannot take refused drafts back",
            draft->arch->name);
    hl_status status = check_vocabulary(draft, target, err);
    if (status != HL_OK) return status;
    const hl_hparams *hp = &draft->hp;
    if (n_seqs > ROWS) n_seqs = ROWS;
    hl_draft_model *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "draft model: no memory");
    d->model = draft;
    d->n_seqs = n_seqs;
    d->n_ctx = n_ctx;
    d->n_vocab = (int32_t)target->hp.n_vocab;
    status = hl_forward_kv_new(draft, NULL, HL_KV_CACHE_F16, n_blocks_for(n_seqs, n_ctx), 0, &d->pool, err);
    if (status == HL_OK) status = hl_forward_new(draft, ROWS, n_ctx, &d->forward, err);
    d->logits = hl_new_aligned((size_t)n_seqs * hp->n_vocab, sizeof *d->logits);
    d->out_rows = hl_new(n_seqs, sizeof *d->out_rows);
    d->out_jobs = hl_new(n_seqs, sizeof *d->out_jobs);
    if (status == HL_OK && (!d->logits || !d->out_rows || !d->out_jobs))
        status = hl_fail(err, HL_E_NOMEM, "draft model: no memory");
    if (status != HL_OK) {
        hl_draft_model_free(d);
        return status;
    }
    *ret_draft = d;
    return HL_OK;
}

void hl_draft_model_free(hl_draft_model *d) {
    if (!d) return;
    hl_forward_free(d->forward);
    hl_kv_pool_free(d->pool);
    hl_free(d->logits);
    hl_free(d->out_rows);
    hl_free(d->out_jobs);
    hl_free(d);
}

hl_status hl_draft_model_open_seq(hl_draft_model *d, hl_seq *seq, hl_err *err) {
    return hl_seq_init(seq, d->pool, d->n_ctx, err);
}

/* The two likeliest tokens, and how likely they are. */
typedef struct choices {
    int32_t id[2];
    float   prob[2];
} choices;

static choices likeliest(const float *logits, int32_t n) {
    choices c = {.id = {0, -1}};
    for (int32_t i = 1; i < n; i++) {
        if (logits[i] > logits[c.id[0]]) {
            c.id[1] = c.id[0];
            c.id[0] = i;
        } else if (c.id[1] < 0 || logits[i] > logits[c.id[1]]) {
            c.id[1] = i;
        }
    }
    const float max = logits[c.id[0]];
    float       sum = 0;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] > max - 12) sum += expf(logits[i] - max);
    for (int k = 0; k < 2; k++) c.prob[k] = sum > 0 && c.id[k] >= 0 ? expf(logits[c.id[k]] - max) / sum : 0;
    return c;
}

void hl_draft_job_note(hl_draft_job *j, const float *logits, int32_t n, int32_t n_vocab) {
    const choices c = logits ? likeliest(logits, n) : (choices){.id = {n_vocab, -1}};
    if (c.id[0] >= n_vocab || c.prob[0] < j->min_prob) {
        j->n_wanted = j->n_drafts;
        return;
    }
    j->seconds[j->n_drafts] = c.id[1];
    j->second_probs[j->n_drafts] = c.id[1] >= 0 && c.id[1] < n_vocab ? c.prob[1] : 0;
    j->drafts[j->n_drafts++] = c.id[0];
}

static void add_row(hl_draft_model *d, hl_batch *b, hl_seq *seq, int32_t token, int32_t pos) {
    d->tokens[b->n_rows] = token;
    d->pos[b->n_rows] = pos;
    d->seqs[b->n_rows++] = seq;
}

/* Rows that the small model has not read: all of them, or as many as there is room for. */
static void add_unread(hl_draft_model *d, hl_batch *b, hl_draft_job *j, uint32_t i_job) {
    uint32_t       n = j->n_ids - (uint32_t)j->seq->n_pos;
    const bool     whole = n <= ROWS - b->n_rows;
    const uint32_t begin = (uint32_t)j->seq->n_pos;
    if (!whole) n = ROWS - b->n_rows;
    if (n == 0 || !hl_seq_reserve(j->seq, (int32_t)(begin + n))) return;
    for (uint32_t i = 0; i < n; i++) add_row(d, b, j->seq, j->ids[begin + i], (int32_t)(begin + i));
    if (!whole) return;
    d->out_rows[b->n_out] = b->n_rows - 1;
    d->out_jobs[b->n_out++] = i_job;
}

/* Run the batch; note the draft of each row that has logits, and drop jobs that are unsure or done. */
static hl_status run(hl_draft_model *d, hl_batch *b, hl_draft_job *jobs, const atomic_bool *stop,
                     hl_err *err) {
    if (b->n_rows == 0) return HL_OK;
    const hl_status status = hl_forward_eval(d->forward, b, stop, d->logits, err);
    if (status != HL_OK) return status;
    for (uint32_t r = 0; r < b->n_rows; r++) d->seqs[r]->n_pos = d->pos[r] + 1;
    for (uint32_t i = 0; i < b->n_out; i++) {
        const bool   failed = hl_forward_row_failed(d->forward, d->out_rows[i]);
        const float *logits = d->logits + (size_t)i * d->model->hp.n_vocab;
        hl_draft_job_note(&jobs[d->out_jobs[i]], failed ? NULL : logits, (int32_t)d->model->hp.n_vocab,
                          d->n_vocab);
    }
    return HL_OK;
}

static hl_batch empty_batch(const hl_draft_model *d) {
    return (hl_batch){.tokens = d->tokens, .pos = d->pos, .seqs = d->seqs, .out_rows = d->out_rows};
}

static void drop_drafts(hl_draft_job *jobs, uint32_t n_jobs) {
    for (uint32_t i = 0; i < n_jobs; i++) {
        jobs[i].n_drafts = 0;
        hl_seq_truncate(jobs[i].seq, jobs[i].seq->n_pos);
    }
}

hl_status hl_draft_model_draft(hl_draft_model *d, hl_draft_job *jobs, uint32_t n_jobs,
                               const atomic_bool *stop, hl_err *err) {
    hl_batch b = empty_batch(d);
    if (n_jobs > d->n_seqs) n_jobs = d->n_seqs;
    for (uint32_t i = 0; i < n_jobs; i++) {
        jobs[i].n_drafts = 0;
        add_unread(d, &b, &jobs[i], i);
    }
    hl_status status = run(d, &b, jobs, stop, err);
    while (status == HL_OK) {
        b = empty_batch(d);
        for (uint32_t i = 0; i < n_jobs; i++) {
            hl_draft_job *j = &jobs[i];
            if (j->n_drafts == 0 || j->n_drafts >= j->n_wanted) continue;
            if (j->seq->n_pos >= d->n_ctx || !hl_seq_reserve(j->seq, j->seq->n_pos + 1)) continue;
            d->out_rows[b.n_out] = b.n_rows;
            d->out_jobs[b.n_out++] = i;
            add_row(d, &b, j->seq, j->drafts[j->n_drafts - 1], j->seq->n_pos);
        }
        if (b.n_rows == 0) return HL_OK;
        status = run(d, &b, jobs, stop, err);
    }
    drop_drafts(jobs, n_jobs);
    return status;
}
