/* SPDX-License-Identifier: MIT
 *
 * sched_block.c - the model's own block that drafts reads along with every pass.
 *
 * What the model makes of a row is known when the pass is done, and belongs to the position behind it: rows
 * of the same sequence in one pass follow one another, and of its last accepted row every sequence keeps a
 * copy for the next pass.
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/sched/sched_priv.h"

bool hl_sched_wants_block(const hl_sched *s) {
    return s->model->next && !s->p.draft && s->p.speculate != HL_SPECULATE_OFF;
}

bool hl_stream_can_ask_block(const hl_stream *st) {
    return st->draft.hidden && st->draft.hidden_pos == st->seq.n_pos - 1;
}

static float *row_at(const hl_sched *s, uint32_t row) {
    return s->hidden + (size_t)row * s->model->hp.n_embd;
}

/* Of each row of the batch, what was made of the position before it. */
static void find_before(hl_sched *s, const hl_batch *b) {
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

void hl_sched_read_along(hl_sched *s, const hl_batch *b) {
    hl_err err = {0};
    if (!b->hidden) return;
    find_before(s, b);
    if (hl_draft_block_read(s->draft_block, b, s->before, &err) != HL_OK)
        hl_event(&s->model->engine->events, HL_LOG_WARN, "sched", "draft-failed", "why=\"%s\" action=ignored",
                 err.text);
}

void hl_sched_keep_hidden(hl_sched *s, hl_stream *st, uint32_t row) {
    if (!s->draft_block) return;
    memcpy(st->draft.hidden, row_at(s, row), s->model->hp.n_embd * sizeof *st->draft.hidden);
    st->draft.hidden_pos = st->seq.n_pos - 1;
}
