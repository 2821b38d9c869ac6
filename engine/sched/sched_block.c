/* SPDX-License-Identifier: MIT
 *
 * sched_block.c - what drafts inside the model's own cache, a block of its file or a file that was made for
 * it, reads along with every pass.
 *
 * What the model makes of a row is known when the pass is done, and belongs to the position behind it: rows
 * of the same sequence in one pass follow one another, and of its last accepted row every sequence keeps a
 * copy for the next pass.
 */
#include <string.h>
#include <sys/mman.h>

#include "core/base/mem.h"
#include "engine/forward/drafts.h"
#include "engine/sched/sched_priv.h"

/* ---- what it is, and its memory ---- */

hl_status hl_sched_find_block(hl_sched *s, hl_err *err) {
    if (s->p.draft && hl_is_draft_file(s->p.draft)) {
        const hl_status status = hl_draft_file_new(s->p.draft, s->model, &s->draft_file, err);
        if (status != HL_OK) return status;
    }
    if (s->p.speculate != HL_SPECULATE_OFF) s->drafting = s->p.draft ? s->draft_file : s->model->next;
    if (s->drafting) s->hidden_cols = hl_hidden_cols(&s->drafting->hp);
    return HL_OK;
}

/* Rows that it reads at once. */
static uint32_t n_rows(const hl_sched *s) {
    const bool reads = s->drafting->drafting->reading != HL_DRAFT_READS_NOTHING;
    return reads ? s->n_rows_cap : (uint32_t)s->p.n_running_cap;
}

uint64_t hl_sched_plan_block(hl_sched *s) {
    if (!s->drafting) return 0;
    s->hidden_bytes = (size_t)s->n_rows_cap * s->hidden_cols * sizeof *s->hidden;
    return s->hidden_bytes +
           hl_draft_block_plan(s->drafting, (uint32_t)s->p.n_running_cap, n_rows(s), s->n_ctx_cap);
}

hl_status hl_sched_take_block(hl_sched *s, hl_err *err) {
    if (!s->drafting) return HL_OK;
    s->hidden = hl_sched_map_floats(s->hidden_bytes);
    s->before = hl_new(s->n_rows_cap, sizeof(float *));
    if (!s->hidden || !s->before) return hl_fail(err, HL_E_NOMEM, "scheduler: no memory");
    return hl_draft_block_new(s->drafting, (uint32_t)s->p.n_running_cap, n_rows(s), s->n_ctx_cap,
                              &s->draft_block, err);
}

void hl_sched_free_block(hl_sched *s) {
    hl_draft_block_free(s->draft_block);
    hl_draft_file_free(s->draft_file);
    if (s->hidden) (void)munmap(s->hidden, s->hidden_bytes);
    hl_free(s->before);
}

/* ---- reading along ---- */

bool hl_stream_can_ask_block(const hl_stream *st) {
    return st->draft.hidden && st->draft.hidden_pos == st->seq.n_pos - 1;
}

/* Nothing where nobody speculates: what is not read then is missing to those who share its blocks, whose
 * drafts are worse for a while. */
void hl_sched_ask_hidden(const hl_sched *s, hl_batch *b) {
    for (uint32_t i = 0; i < s->n_running && s->draft_block; i++) {
        if (s->running[i]->step.n_rows == 0 || !s->running[i]->draft.spec.context) continue;
        b->hidden = s->hidden;
        b->hidden_of = &s->drafting->hp.reads;
        return;
    }
}

static float *row_at(const hl_sched *s, uint32_t row) { return s->hidden + row * s->hidden_cols; }

/* Of each row of the batch, what was made of the position before it, or of its own. */
static void find_before(hl_sched *s, const hl_batch *b) {
    if (s->drafting->drafting->reading == HL_DRAFT_READS_OWN) {
        for (uint32_t r = 0; r < b->n_rows; r++) s->before[r] = row_at(s, r);
        return;
    }
    for (uint32_t r = 0; r < b->n_rows; r++) {
        const bool goes_on = r > 0 && b->seqs[r] == b->seqs[r - 1] && b->pos[r] == b->pos[r - 1] + 1;
        s->before[r] = goes_on ? row_at(s, r - 1) : NULL;
    }
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        if (st->step.n_rows == 0) continue;
        if (hl_stream_can_ask_block(st)) s->before[st->step.first_row] = st->draft.hidden;
        for (uint32_t k = 0; k < st->draft.spec.n_branches; k++) {
            const hl_spec_branch *branch = &st->draft.spec.branches[k];
            if (branch->n_verified == 0) continue;
            s->before[s->out_rows[st->step.branches[k].first_out]] =
                row_at(s, st->step.first_row + branch->depth);
        }
    }
}

hl_status hl_sched_read_along(hl_sched *s, const hl_batch *b, hl_err *err) {
    if (!b->hidden || s->drafting->drafting->reading == HL_DRAFT_READS_NOTHING) return HL_OK;
    find_before(s, b);
    const hl_status status = hl_draft_block_read(s->draft_block, b, s->before, &s->stop_pass, err);
    if (status == HL_OK || status == HL_E_CANCEL) return status;
    hl_event(&s->model->engine->events, HL_LOG_WARN, "sched", "draft-failed", "why=\"%s\" action=ignored",
             err->text);
    return HL_OK;
}

void hl_sched_keep_hidden(hl_sched *s, hl_stream *st, uint32_t row) {
    if (!st->draft.hidden) return;
    st->draft.hidden_pos = -1;
    if (s->drafting->hp.reads.of_outputs && st->step.n_out == 0) return; /* the prompt goes on */
    memcpy(st->draft.hidden, row_at(s, row), s->hidden_cols * sizeof *st->draft.hidden);
    st->draft.hidden_pos = st->seq.n_pos - 1;
}
