/* SPDX-License-Identifier: MIT
 *
 * sched_branch.c - several candidates for what comes next: where the text's places, or a draft model's first two
 * choices, disagree, more than one continuation is verified in a pass.
 *
 * A branch is a fork of the sequence (kv_pages.h): whole blocks are shared and the last, partial one is copied, so rows
 * of a branch attend as those of any sequence do. When the sampler's choices lead into a branch, the fork changes
 * places with the sequence; all other forks end with the step.
 */
#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

static const float LEAST_SECOND = 0.15f; /* of a draft model's second choice: below it is not worth a look */

bool hl_guess_is_disputed(const hl_stream *st, uint32_t depth) {
    for (uint32_t i = 0; i < st->n_branches; i++)
        if (st->branches[i].depth == depth && st->branches[i].grade == HL_GRADE_OTHER) return true;
    return false;
}

/* ---- where they come from ---- */

static hl_branch *add_branch(hl_stream *st, uint32_t depth, uint32_t at, uint32_t grade) {
    hl_branch *b = &st->branches[st->n_branches++];
    b->depth = depth;
    b->at = at;
    b->grade = grade;
    b->n_offered = b->n_drafts = 0;
    return b;
}

void hl_branches_of_text(hl_stream *st, const int32_t *past, uint32_t n, uint32_t least_match, uint32_t rival,
                         uint32_t rival_grade) {
    hl_ngram_others all = {.best = st->cursor, .n_tokens = st->n_offered, .n_cap = HL_MAX_BRANCHES};
    uint32_t        rank = 0;
    if (rival > 0) hl_ngram_add_other(past, n, rival, &all);
    if (least_match > 0) hl_ngram_find_others(&st->ngram, past, n, least_match, &all);
    for (uint32_t i = 0; i < all.n; i++) {
        const hl_ngram_other o = all.places[i];
        if (i > 0 && o.depth != all.places[i - 1].depth) rank = 0;
        hl_branch *b = add_branch(st, o.depth, o.at, o.at == rival ? rival_grade : HL_GRADE_OTHER + rank++);
        for (uint32_t k = o.depth; k < st->n_offered && o.at + k < n; k++)
            b->guesses[b->n_offered++] = past[o.at + k];
    }
}

void hl_branches_of_model(hl_stream *st, const int32_t *seconds, const float *shares) {
    for (uint32_t i = 0; i < st->n_offered && st->n_branches < HL_MAX_BRANCHES; i++) {
        if (shares[i] < LEAST_SECOND) continue;
        hl_branch *b = add_branch(st, i, 0, HL_GRADE_MODEL_OTHER);
        b->guesses[b->n_offered++] = seconds[i];
    }
}

/* ---- what they promise ---- */

static float right_at(const hl_stream *st, uint32_t depth) {
    return st->luck.right[hl_guess_is_disputed(st, depth) ? HL_GRADE_DISPUTED : st->grade];
}

hl_pace_bid hl_guesses_bid(const hl_stream *st) {
    hl_pace_bid bid = {.n_cap = st->n_offered};
    float       c = 1;
    for (uint32_t i = 0; i < bid.n_cap; i++) bid.chance[i] = c *= right_at(st, i);
    return bid;
}

hl_pace_bid hl_branch_bid(const hl_sched *s, const hl_stream *st, const hl_branch *b) {
    hl_pace_bid bid = {.n_cap = b->n_offered, .begin_ns = s->fork_ns};
    const float wrong = 1 - right_at(st, b->depth); /* only one of them can be right */
    float       c = st->luck.right[b->grade] < wrong ? st->luck.right[b->grade] : wrong;
    for (uint32_t i = 0; i < b->depth; i++) c *= right_at(st, i);
    for (uint32_t i = 0; i < bid.n_cap; i++, c *= st->luck.right[st->grade]) bid.chance[i] = c;
    return bid;
}

/* ---- the step ---- */

static bool has_room(hl_sched *s, hl_stream *st, hl_branch *b) {
    const int32_t shared = st->seq.n_pos + 1 + (int32_t)b->depth;
    if (!b->seq.blocks && hl_seq_init(&b->seq, s->pool, st->n_ctx, NULL) != HL_OK) return false;
    while (!hl_seq_fork(&st->seq, &b->seq, shared))
        if (!hl_prefix_tree_evict(s->tree)) return false;
    while (!hl_seq_reserve(&b->seq, shared + (int32_t)b->n_drafts))
        if (!hl_prefix_tree_evict(s->tree)) return false;
    return true;
}

bool hl_branch_open(hl_sched *s, hl_stream *st, hl_branch *b) {
    const int64_t began_ns = hl_clock_ns();
    if (b->depth > st->n_drafts || !has_room(s, st, b)) {
        b->n_drafts = 0;
        return false;
    }
    hl_pace_follow(&s->fork_ns, hl_clock_ns() - began_ns);
    st->usage.drafted_branches++;
    return true;
}

bool hl_branch_follow(hl_stream *st, uint32_t i, int32_t id, uint32_t *ret_row) {
    for (uint32_t k = 0; !st->taken && k < st->n_branches; k++) {
        hl_branch *b = &st->branches[k];
        if (b->n_drafts > 0 && b->depth == i && b->guesses[0] == id) st->taken = b;
    }
    if (!st->taken) {
        *ret_row = st->first_out + i + 1;
        return i < st->n_drafts && st->drafts[i] == id;
    }
    const uint32_t k = i - st->taken->depth;
    *ret_row = st->taken->first_out + k;
    return k < st->taken->n_drafts && st->taken->guesses[k] == id;
}
