/* SPDX-License-Identifier: MIT
 *
 * sched_state.c - states of recurrent layers: one that a sequence has, those that a step makes, and
 * checkpoints that the prefix tree keeps.
 *
 * A pass reads a sequence's state and writes others, each behind a row that the step names (forward.h):
 * the row of the newest token and of each draft, the last row of a chunk, and borders of blocks that are
 * worth a checkpoint. When the pass is done the sequence has the state of its last accepted row;
 * checkpoints go to the tree with their blocks; the rest is free again.
 *
 * Checkpoints are worth their memory where a prompt may begin again: at the last border of a block in a
 * prompt (the next one of a conversation begins with it, whatever its template makes of the answer), at
 * the end of an answer, where another prompt is known to part from this one, and, as long as nobody else
 * wants the memory, every so many tokens. Files have those at borders alone, so an answer keeps the last one
 * that it passed until it ends.
 */
#include "engine/sched/sched_priv.h"

enum { BLOCK = HL_KV_PAGE_TOKENS, SPARE_EVERY = 16 * BLOCK };

static bool drop_a_border(hl_sched *s) {
    for (uint32_t i = s->n_running; i-- > 0;) {
        if (s->running[i]->border_state == HL_NO_STATE) continue;
        hl_sched_drop_border(s, s->running[i]);
        return true;
    }
    return false;
}

bool hl_sched_state_get(hl_sched *s, uint32_t *ret_state) {
    while (!hl_kv_block_get(s->state_pool, ret_state))
        if (!hl_prefix_tree_evict_state(s->tree) && !drop_a_border(s)) return false;
    return true;
}

bool hl_sched_ask_state(hl_sched *s, uint32_t row) {
    if (!s->state_pool || s->state_out[row] != HL_NO_STATE) return true;
    return hl_sched_state_get(s, &s->state_out[row]);
}

/* Without it, the next prompt computes more. */
static void wish_for_state(hl_sched *s, uint32_t row) {
    if (!hl_sched_ask_state(s, row)) s->state_out[row] = HL_NO_STATE;
}

static bool is_parting(const hl_stream *st, uint32_t n) {
    for (uint32_t i = 0; i < HL_MAX_PARTINGS; i++)
        if (st->partings[i] == n) return true;
    return false;
}

/* Whether a prompt's state behind its first n tokens is kept; *ret_spare: only where memory lies idle. */
static bool is_checkpoint(const hl_stream *st, uint32_t n, bool *ret_spare) {
    *ret_spare = false;
    if (n % BLOCK != 0) return false;
    if (n == (st->n_ids - 1) / BLOCK * BLOCK) return true;
    if (is_parting(st, n)) return true;
    *ret_spare = true;
    return n % SPARE_EVERY == 0;
}

static bool has_spare(const hl_sched *s) { return hl_kv_pool_n_free(s->state_pool) > s->n_running + 1; }

void hl_sched_ask_checkpoints(hl_sched *s, const hl_stream *st) {
    for (uint32_t i = 0; s->state_pool && i < st->step.n_rows; i++) {
        bool spare;
        if (!is_checkpoint(st, (uint32_t)st->seq.n_pos + i + 1, &spare)) continue;
        if (!spare || has_spare(s)) wish_for_state(s, st->step.first_row + i);
    }
}

void hl_sched_note_parting(hl_sched *s, hl_stream *st, uint32_t n) {
    const uint32_t pos = (uint32_t)st->seq.n_pos, at = n / BLOCK * BLOCK;
    if (!s->state_pool || at <= pos || is_parting(st, at)) return;
    st->partings[st->n_partings++ % HL_MAX_PARTINGS] = at;
    if (at <= pos + st->step.n_rows) wish_for_state(s, st->step.first_row + at - pos - 1);
}

/* How far a prompt goes together with another one that is ahead of it, in whole blocks. */
static uint32_t common_blocks(const hl_stream *a, const hl_stream *b) {
    const uint32_t most = (a->n_ids < b->n_ids ? a->n_ids : b->n_ids) - 1;
    uint32_t       n = 0;
    while (n < most && a->keys[n] == b->keys[n]) n++;
    return n / BLOCK * BLOCK;
}

/* There will be a checkpoint where the two part; false: `ahead` is past it. */
static bool will_meet(hl_sched *s, hl_stream *ahead, const hl_stream *st) {
    const uint32_t n = common_blocks(ahead, st);
    if (n < (uint32_t)st->seq.n_pos + BLOCK || n <= (uint32_t)ahead->seq.n_pos) return false;
    hl_sched_note_parting(s, ahead, n);
    return true;
}

bool hl_sched_waits_for_state(hl_sched *s, const hl_stream *st) {
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *o = s->running[i];
        const bool reads = o != st && (o->step.n_rows > 1 || hl_stream_left(o) > 1);
        const bool is_ahead = o->step.n_rows > 0 || o->seq.n_pos > st->seq.n_pos;
        if (reads && is_ahead && o->seq.n_pos >= st->seq.n_pos && will_meet(s, o, st)) return true;
    }
    return false;
}

uint32_t hl_sched_checkpoint_behind(const hl_sched *s, const hl_stream *st, uint32_t n) {
    const uint32_t begin = st->step.first_pos;
    bool           spare;
    if (!s->state_pool || !st->step.reads_prompt || n <= begin || n > begin + st->step.n_rows)
        return HL_NO_STATE;
    const bool wanted = is_checkpoint(st, n, &spare) && (!spare || has_spare(s));
    return wanted ? s->state_out[st->step.first_row + n - begin - 1] : HL_NO_STATE;
}

void hl_sched_take_state(hl_sched *s, hl_stream *st, uint32_t row) {
    if (!s->state_pool) return;
    hl_seq_set_state(&st->seq, s->state_out[row]);
    hl_kv_block_ref(s->state_pool, st->seq.state);
}

void hl_sched_keep_border(hl_sched *s, hl_stream *st, uint32_t n) {
    const uint32_t begin = st->step.first_pos, border = (begin + n) / BLOCK * BLOCK;
    if (!s->state_pool || !s->disk || border <= begin) return;
    hl_sched_drop_border(s, st);
    if (st->step.reads_prompt) return; /* a checkpoint of the tree */
    st->border_state = s->state_out[st->step.first_row + border - begin - 1];
    hl_kv_block_ref(s->state_pool, st->border_state);
}

void hl_sched_drop_border(hl_sched *s, hl_stream *st) {
    if (st->border_state != HL_NO_STATE) hl_kv_block_unref(s->state_pool, st->border_state);
    st->border_state = HL_NO_STATE;
}

void hl_sched_drop_states(hl_sched *s, uint32_t first_row, uint32_t n_rows) {
    for (uint32_t r = first_row; s->state_pool && r < first_row + n_rows; r++) {
        if (s->state_out[r] != HL_NO_STATE) hl_kv_block_unref(s->state_pool, s->state_out[r]);
        s->state_out[r] = HL_NO_STATE;
    }
}

/* ---- memory ---- */

/* That so many sequences and one text need. */
static uint32_t n_running_states(uint32_t n_running) { return 2 * n_running + 2; }

void hl_sched_share_states(hl_sched *s, uint32_t n_states) {
    const uint32_t least = s->p.cache_dir != NULL; /* of which one at a time is written */
    s->n_running_most = (uint32_t)s->p.n_running_cap;
    if (n_states == 0) return;
    while (s->n_running_most > 1 && n_running_states(s->n_running_most) + least > n_states)
        s->n_running_most--;
    const uint32_t needed = n_running_states(s->n_running_most);
    s->n_saving_most = n_states > needed ? n_states - needed : 0;
}

uint32_t hl_sched_plan_states(const hl_sched *s, uint64_t left_bytes) {
    const uint64_t each = hl_forward_state_bytes(s->model);
    const uint32_t least = n_running_states(1) + (s->p.cache_dir != NULL);
    const uint64_t want = n_running_states((uint32_t)s->p.n_running_cap) + HL_KEPT_STATES;
    if (each == 0) return 0;
    uint64_t most = left_bytes / each;
    if (s->p.kv_budget_bytes > 0 && s->p.kv_budget_bytes / 2 / each < most)
        most = s->p.kv_budget_bytes / 2 / each;
    const uint64_t n = want < most ? want : most;
    return n < least ? least : (uint32_t)n;
}
