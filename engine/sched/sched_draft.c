/* SPDX-License-Identifier: MIT
 *
 * sched_draft.c - guesses for the sequences that generate: from their own text, else from a draft model; as many as
 * pay, and several candidates where they disagree (sched_branch.c).
 */
#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

enum {
    TRY_AGAIN = 64, /* steps after which a draft model that does not pay is asked once more */
    MISSES = 3      /* in a row: the text is another one now, not the same with a token changed */
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

static uint32_t grade_of(const hl_stream *st, uint32_t at, uint32_t match) {
    return at < st->n_prediction ? HL_GRADE_PREDICTED : match > 0 ? hl_luck_grade(match) : HL_GRADE_RESUMED;
}

/* What followed an earlier place; past its end it goes on as it began. That is the place whose past agrees longest with
 * the present, or the one of the last guesses: one token may have been changed on the way, and the text goes on behind it.
 * The one that was right more often leads, the other one may become a branch. */
static uint32_t guess_from_text(hl_stream *st, uint32_t n_cap) {
    static const uint32_t least_match[] = {HL_NGRAM, 5, 8, 16}; /* of each grade */
    hl_ngram_place        place = {0};
    const int32_t        *past = st->past ? st->past : st->ids;
    const uint32_t        n = st->n_prediction + st->n_ids;
    const uint32_t        resumed = st->cursor < n ? st->cursor : 0;
    hl_ngram_add(&st->ngram, past, n);
    (void)hl_ngram_find(&st->ngram, past, n, 1, &place);
    const uint32_t grade = grade_of(st, place.at, place.match), again = grade_of(st, resumed, 0);
    const bool     resumes = place.at == 0 || (resumed > 0 && st->luck.right[again] > st->luck.right[grade]);
    st->cursor = n_cap == 0 ? 0 : resumes ? resumed : place.at;
    if (!resumes) st->n_missed = 0;
    st->grade = resumes && resumed != place.at ? again : grade;
    if (st->cursor == 0) return 0;
    for (uint32_t i = 0; i < n_cap; i++)
        st->drafts[i] = st->cursor + i < n ? past[st->cursor + i] : st->drafts[st->cursor + i - n];
    st->n_offered = n_cap;
    hl_branches_of_text(st, past, n, place.at > 0 ? least_match[hl_luck_grade(place.match)] : 0,
                        resumes ? place.at : resumed, resumes ? grade : again);
    return n_cap;
}

static bool may_guess(const hl_sched *s, const hl_stream *st) {
    return s->p.speculate != HL_SPECULATE_OFF && st->r.speculate != HL_SPECULATE_OFF &&
           hl_stream_left(st) == 1;
}

/* What one sequence offers: guesses it has, or such as the draft model would make. */
static void offer(const hl_sched *s, hl_stream *st) {
    const uint32_t room = room_for_guesses(st);
    const uint32_t n = guess_from_text(st, room);
    if (!s->draft || room == 0 || (n > 0 && st->luck.right[st->grade] > st->luck.right[HL_GRADE_MODEL]))
        return;
    if (n > 0) {
        st->shadow = st->drafts[0];
        st->shadow_grade = st->grade;
    }
    st->asks_model = true;
    st->grade = HL_GRADE_MODEL;
    st->n_branches = 0;
    st->n_offered = min_u32(room, HL_DRAFT_MODEL_CAP);
}

/* Let the draft model make the guesses that were granted. What it cannot say is missing, never wrong. */
static void ask_model(hl_sched *s, hl_stream *const *who, uint32_t n) {
    hl_draft_job jobs[HL_MAX_RUNNING];
    hl_stream   *of[HL_MAX_RUNNING];
    uint32_t     n_jobs = 0, n_wanted = 0;
    hl_err       err = {0};
    for (uint32_t i = 0; i < n; i++) {
        hl_stream *st = who[i];
        if (!st->asks_model) continue;
        st->n_offered = 0;
        if (st->n_drafts == 0) continue;
        if (!st->draft_seq.blocks && hl_draft_model_open_seq(s->draft, &st->draft_seq, &err) != HL_OK) {
            st->n_drafts = 0;
            continue;
        }
        of[n_jobs] = st;
        jobs[n_jobs++] =
            (hl_draft_job){.seq = &st->draft_seq,
                           .ids = st->ids,
                           .n_ids = st->n_ids,
                           .n_wanted = st->n_drafts,
                           .guesses = st->drafts,
                           .least_certain = s->p.speculate == HL_SPECULATE_ALWAYS ? 0 : LEAST_CERTAIN};
        n_wanted += st->n_drafts;
    }
    if (n_jobs == 0) return;
    const int64_t   began_ns = hl_clock_ns();
    const hl_status status = hl_draft_model_guess(s->draft, jobs, n_jobs, &s->stop_pass, &err);
    hl_pace_follow(&s->draft_ns, (hl_clock_ns() - began_ns) / (int64_t)n_wanted);
    if (status != HL_OK && status != HL_E_CANCEL)
        hl_event(&s->model->engine->events, HL_LOG_WARN, "sched", "draft-failed", "why=\"%s\" action=ignored",
                 err.text);
    for (uint32_t i = 0; i < n_jobs; i++) {
        of[i]->n_drafts = of[i]->n_offered = jobs[i].n_guesses;
        hl_branches_of_model(of[i], jobs[i].seconds, jobs[i].second_shares);
    }
}

/* What is asked for in one share-out: bid i goes to *to[i]. */
typedef struct asked {
    hl_pace_bid *bids; /* [n] */
    uint32_t   **to;
    uint32_t     n, n_rows;
    float        tokens;
} asked;

static void ask_branches(hl_sched *s, asked *a, hl_stream *st) {
    for (uint32_t k = 0; k < st->n_branches; k++) {
        a->bids[a->n] = hl_branch_bid(s, st, &st->branches[k]);
        a->to[a->n++] = &st->branches[k].n_drafts;
    }
}

/* One guess after the other to each that has more. */
static void share_equally(asked *a, uint32_t n_most) {
    for (uint32_t i = 0; i < a->n; i++) a->bids[i].n_taken = 0;
    for (uint32_t round = 0; round < HL_MAX_DRAFT; round++)
        for (uint32_t i = 0; i < a->n && n_most > 0; i++)
            if (round < a->bids[i].n_cap) a->bids[i].n_taken++, n_most--;
}

static void grant(const hl_sched *s, asked *a, uint32_t n_most) {
    if (s->p.speculate == HL_SPECULATE_ALWAYS)
        share_equally(a, n_most);
    else
        hl_pace_share(&s->pace, a->n_rows, a->tokens, n_most, a->bids, a->n);
    for (uint32_t i = 0; i < a->n; i++) *a->to[i] = a->bids[i].n_taken;
}

static uint32_t n_verified(const hl_stream *st) {
    uint32_t n = st->n_drafts;
    for (uint32_t k = 0; k < st->n_branches; k++) n += st->branches[k].n_drafts;
    return n;
}

static uint32_t n_rows_left(hl_stream *const *who, uint32_t n) {
    uint32_t left = HL_MAX_DRAFT_ROWS;
    for (uint32_t i = 0; i < n; i++) left -= n_verified(who[i]);
    return left;
}

/* A draft model that was not asked for long may have become better. */
static void try_again(hl_stream *const *who, uint32_t n) {
    uint32_t left = n_rows_left(who, n);
    for (uint32_t i = 0; i < n; i++) {
        hl_stream *st = who[i];
        if (!st->asks_model) continue;
        if (st->n_drafts == 0 && ++st->n_unasked >= TRY_AGAIN && left > 0) {
            st->n_drafts = 1;
            left--;
        }
        if (st->n_drafts > 0) st->n_unasked = 0;
    }
}

/* Let the draft model guess, and verify its second choices too where that pays. */
static void draft_by_model(hl_sched *s, asked *a, hl_stream *const *who, uint32_t n) {
    try_again(who, n);
    ask_model(s, who, n);
    a->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        hl_stream        *st = who[i];
        const hl_pace_bid b = hl_guesses_bid(st);
        for (uint32_t k = 0; k < st->n_drafts; k++) a->tokens += b.chance[k];
        a->n_rows += n_verified(st);
        if (st->asks_model) ask_branches(s, a, st);
    }
    if (a->n > 0) grant(s, a, n_rows_left(who, n));
}

void hl_sched_draft(hl_sched *s) {
    hl_stream *who[HL_MAX_RUNNING];
    asked      a = {.bids = s->bids, .to = s->bid_for};
    uint32_t   n = 0;
    bool       reads_prompts = false, any_model = false;
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        st->n_drafts = st->n_offered = st->n_branches = 0;
        st->shadow = -1;
        st->asks_model = false;
        reads_prompts |= hl_stream_left(st) > 1;
        a.n_rows += hl_stream_left(st) == 1;
        if (!may_guess(s, st)) continue;
        offer(s, st);
        if (st->n_offered == 0) continue;
        any_model |= st->asks_model;
        who[n++] = st;
        a.bids[a.n] = hl_guesses_bid(st);
        a.bids[a.n].each_ns = st->asks_model ? s->draft_ns : 0;
        a.to[a.n++] = &st->n_drafts;
        ask_branches(s, &a, st);
    }
    if (n == 0) return;
    s->fork_ns *= 0.998f; /* a first copy that was disturbed must not forbid all others */
    a.tokens = (float)a.n_rows;
    if (!reads_prompts) { /* else rows are not cheap */
        grant(s, &a, HL_MAX_DRAFT_ROWS);
        if (any_model) draft_by_model(s, &a, who, n);
    } else {
        for (uint32_t i = 0; i < n; i++)
            if (who[i]->asks_model) who[i]->n_offered = 0;
    }
}

/* Guesses are compared with what came, verified or not, as far as they stand behind right ones. */
static void note_luck(hl_stream *st) {
    const hl_branch *t = st->taken;
    bool             right = true;
    for (uint32_t i = 0; right && i < st->n_news && i < st->n_offered; i++) {
        right = st->drafts[i] == st->news[i];
        hl_luck_note(&st->luck, hl_guess_is_disputed(st, i) ? HL_GRADE_DISPUTED : st->grade, right);
        for (uint32_t k = 0; k < st->n_branches; k++) {
            const hl_branch *b = &st->branches[k];
            if (b->depth == i) hl_luck_note(&st->luck, b->grade, b->guesses[0] == st->news[i]);
        }
    }
    for (uint32_t k = 1; t && k < t->n_offered && t->depth + k < st->n_news; k++) {
        right = t->guesses[k] == st->news[t->depth + k];
        hl_luck_note(&st->luck, st->grade, right);
        if (!right) break;
    }
    if (st->shadow >= 0 && st->n_news > 0)
        hl_luck_note(&st->luck, st->shadow_grade, st->news[0] == st->shadow);
}

static void move_cursor(hl_stream *st) {
    if (st->cursor == 0 || st->n_news == 0) return;
    if (st->taken && st->taken->at > 0) st->cursor = st->taken->at;
    st->cursor += st->n_news;
    if (st->n_offered == 0 || st->asks_model) return;
    const bool missed = st->n_news == 1 && st->news[0] != st->drafts[0];
    st->n_missed = missed ? st->n_missed + 1 : 0;
    if (st->n_missed == MISSES) st->cursor = st->n_missed = 0;
}

void hl_sched_learn(hl_stream *st) {
    note_luck(st);
    move_cursor(st);
    if (!st->draft_seq.blocks) return;
    /* The draft model read its own guesses: they are no use where a branch was taken. */
    const uint32_t n_elsewhere = st->taken ? st->n_news - 1 - st->taken->depth : 0;
    hl_seq_truncate(&st->draft_seq, st->seq.n_pos - (int32_t)n_elsewhere);
}
