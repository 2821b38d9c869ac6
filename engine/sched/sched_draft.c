/* SPDX-License-Identifier: MIT
 *
 * sched_draft.c - guesses for the sequences that generate: from their own text, or from a draft model; as many as pay.
 */
#include "engine/sched/sched_priv.h"

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Guesses that could still become tokens of this answer. */
static uint32_t room_for_guesses(const hl_stream *st) {
    int64_t room = st->n_ctx - (int64_t)st->n_ids - 1;
    if (st->r.max_tokens >= 0 && st->r.max_tokens - st->usage.answer_tokens - 1 < room)
        room = st->r.max_tokens - st->usage.answer_tokens - 1;
    return room < 0 ? 0 : min_u32((uint32_t)room, HL_MAX_DRAFT);
}

/* What followed the best earlier place; past its end it goes on as it began. */
static uint32_t guess_from_text(hl_stream *st, uint32_t n_cap) {
    hl_ngram_place place;
    hl_ngram_add(&st->ngram, st->ids, st->n_ids);
    if (n_cap == 0 || hl_ngram_find(&st->ngram, st->ids, st->n_ids, 1, &place) == 0) return 0;
    for (uint32_t i = 0; i < n_cap; i++)
        st->drafts[i] = place.at + i < st->n_ids ? st->ids[place.at + i] : st->drafts[place.at + i - st->n_ids];
    st->grade = hl_luck_grade(place.match);
    return n_cap;
}

static bool may_guess(const hl_sched *s, const hl_stream *st) {
    return s->p.speculate != HL_SPECULATE_OFF && st->r.speculate != HL_SPECULATE_OFF && hl_stream_left(st) == 1;
}

void hl_sched_draft(hl_sched *s) {
    hl_pace_bid bids[HL_MAX_RUNNING];
    hl_stream  *who[HL_MAX_RUNNING];
    uint32_t    n = 0, n_generating = 0;
    bool        reads_prompts = false;
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        st->n_drafts = 0;
        st->shadow = -1;
        reads_prompts |= hl_stream_left(st) > 1;
        n_generating += hl_stream_left(st) == 1;
        if (!may_guess(s, st)) continue;
        const uint32_t n_guesses = guess_from_text(st, room_for_guesses(st));
        if (n_guesses == 0) continue;
        st->shadow = st->drafts[0];
        who[n] = st;
        bids[n++] = (hl_pace_bid){.right = st->luck.right[st->grade], .n_cap = n_guesses};
    }
    if (reads_prompts || n == 0) return; /* rows are not cheap beside a prompt's */
    hl_pace_share(&s->pace, n_generating, 0, HL_MAX_DRAFT_ROWS, bids, n);
    for (uint32_t i = 0; i < n; i++) who[i]->n_drafts = bids[i].n_taken;
}

void hl_sched_learn(hl_stream *st, uint32_t n_right) {
    if (st->n_drafts > 0) hl_luck_note(&st->luck, st->grade, n_right, n_right < st->n_drafts);
    else if (st->shadow >= 0 && st->n_news > 0)
        hl_luck_note(&st->luck, st->grade, st->news[0] == st->shadow, st->news[0] != st->shadow);
}
