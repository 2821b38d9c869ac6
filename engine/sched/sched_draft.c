/* SPDX-License-Identifier: MIT
 *
 * sched_draft.c - guesses for the sequences that generate: from their own text, else from a draft model; as many as
 * pay.
 */
#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

enum {
    DRAFT_MODEL_CAP = 6, /* guesses of a draft model in one step */
    TRY_AGAIN = 64       /* steps after which a draft model that does not pay is asked once more */
};

static const float LEAST_CERTAIN = 0.4f; /* of a draft model's guess: below it is not worth a row */

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Guesses that could still become tokens of this answer. */
static uint32_t room_for_guesses(const hl_stream *st) {
    int64_t room = st->n_ctx - (int64_t)st->n_ids - 1;
    if (st->r.max_tokens >= 0 && st->r.max_tokens - st->usage.answer_tokens - 1 < room)
        room = st->r.max_tokens - st->usage.answer_tokens - 1;
    return room < 0 ? 0 : min_u32((uint32_t)room, HL_MAX_DRAFT);
}

/* What followed the best earlier place; past its end it goes on as it began. Where no past agrees, a token may have been
 * changed on the way: then the last place goes on behind it. */
static uint32_t guess_from_text(hl_stream *st, uint32_t n_cap) {
    hl_ngram_place place = {.at = st->cursor};
    const int32_t *past = st->past ? st->past : st->ids;
    const uint32_t n = st->n_prediction + st->n_ids;
    hl_ngram_add(&st->ngram, past, n);
    if (hl_ngram_find(&st->ngram, past, n, 1, &place) > 0) st->grade = hl_luck_grade(place.match);
    else if (st->cursor > 0 && st->cursor < n) st->grade = HL_GRADE_RESUMED;
    else n_cap = 0;
    st->cursor = n_cap > 0 ? place.at : 0;
    for (uint32_t i = 0; i < n_cap; i++)
        st->drafts[i] = place.at + i < n ? past[place.at + i] : st->drafts[place.at + i - n];
    return n_cap;
}

static bool may_guess(const hl_sched *s, const hl_stream *st) {
    return s->p.speculate != HL_SPECULATE_OFF && st->r.speculate != HL_SPECULATE_OFF && hl_stream_left(st) == 1;
}

/* What one sequence offers: guesses it has, or such as the draft model would make. */
static uint32_t offer(const hl_sched *s, hl_stream *st) {
    const uint32_t room = room_for_guesses(st);
    const uint32_t n = guess_from_text(st, room);
    st->asks_model = false;
    if (n > 0 && st->luck.right[st->grade] > st->luck.right[HL_GRADE_MODEL]) {
        st->shadow = st->drafts[0];
        return n;
    }
    if (!s->draft || room == 0) return n;
    st->asks_model = true;
    st->grade = HL_GRADE_MODEL;
    return min_u32(room, DRAFT_MODEL_CAP);
}

/* Let the draft model make the guesses that were granted. What it cannot say is missing, never wrong. */
static void ask_model(hl_sched *s, hl_stream *const *who, uint32_t n) {
    hl_draft_job jobs[HL_MAX_RUNNING];
    hl_stream   *of[HL_MAX_RUNNING];
    uint32_t     n_jobs = 0, n_wanted = 0;
    hl_err       err = {0};
    for (uint32_t i = 0; i < n; i++) {
        hl_stream *st = who[i];
        if (!st->asks_model || st->n_drafts == 0) continue;
        if (!st->draft_seq.blocks && hl_draft_model_open_seq(s->draft, &st->draft_seq, &err) != HL_OK) {
            st->n_drafts = 0;
            continue;
        }
        of[n_jobs] = st;
        jobs[n_jobs++] = (hl_draft_job){
            .seq = &st->draft_seq, .ids = st->ids, .n_ids = st->n_ids, .n_wanted = st->n_drafts, .guesses = st->drafts,
            .least_certain = s->p.speculate == HL_SPECULATE_ALWAYS ? 0 : LEAST_CERTAIN};
        n_wanted += st->n_drafts;
    }
    if (n_jobs == 0) return;
    const int64_t   began_ns = hl_clock_ns();
    const hl_status status = hl_draft_model_guess(s->draft, jobs, n_jobs, &s->stop_pass, &err);
    const float     each_ns = (float)(hl_clock_ns() - began_ns) / (float)n_wanted;
    s->draft_ns = s->draft_ns == 0 ? each_ns : 0.9f * s->draft_ns + 0.1f * each_ns;
    if (status != HL_OK && status != HL_E_CANCEL)
        hl_event(&s->model->engine->events, HL_LOG_WARN, "sched", "draft-failed", "why=\"%s\" action=ignored", err.text);
    for (uint32_t i = 0; i < n_jobs; i++) of[i]->n_drafts = jobs[i].n_guesses;
}

static void grant(const hl_sched *s, uint32_t n_rows, float extra_ns, hl_stream **who, hl_pace_bid *bids, uint32_t n) {
    if (s->p.speculate == HL_SPECULATE_ALWAYS)
        for (uint32_t i = 0; i < n; i++) bids[i].n_taken = min_u32(bids[i].n_cap, HL_MAX_DRAFT_ROWS / n);
    else hl_pace_share(&s->pace, n_rows, extra_ns, HL_MAX_DRAFT_ROWS, bids, n);
    for (uint32_t i = 0; i < n; i++) {
        who[i]->n_drafts = bids[i].n_taken;
        if (!who[i]->asks_model) continue;
        if (bids[i].n_taken == 0 && ++who[i]->n_unasked >= TRY_AGAIN) who[i]->n_drafts = 1;
        if (who[i]->n_drafts > 0) who[i]->n_unasked = 0;
    }
}

void hl_sched_draft(hl_sched *s) {
    hl_pace_bid bids[HL_MAX_RUNNING];
    hl_stream  *who[HL_MAX_RUNNING];
    uint32_t    n = 0, n_generating = 0;
    bool        reads_prompts = false, any_model = false;
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        st->n_drafts = 0;
        st->shadow = -1;
        reads_prompts |= hl_stream_left(st) > 1;
        n_generating += hl_stream_left(st) == 1;
        if (!may_guess(s, st)) continue;
        const uint32_t n_cap = offer(s, st);
        if (n_cap == 0) continue;
        any_model |= st->asks_model;
        who[n] = st;
        bids[n++] = (hl_pace_bid){.right = st->luck.right[st->grade], .n_cap = n_cap};
    }
    if (reads_prompts || n == 0) return; /* rows are not cheap beside a prompt's */
    grant(s, n_generating, any_model ? s->draft_ns : 0, who, bids, n);
    if (any_model) ask_model(s, who, n);
}

void hl_sched_learn(hl_stream *st, uint32_t n_right) {
    if (st->cursor > 0) st->cursor += st->n_news;
    if (st->n_drafts > 0) hl_luck_note(&st->luck, st->grade, n_right, n_right < st->n_drafts);
    else if (st->shadow >= 0 && st->n_news > 0)
        hl_luck_note(&st->luck, st->grade, st->news[0] == st->shadow, st->news[0] != st->shadow);
    if (st->draft_seq.blocks) hl_seq_truncate(&st->draft_seq, st->seq.n_pos);
}
