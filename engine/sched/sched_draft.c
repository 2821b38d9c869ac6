/* SPDX-License-Identifier: MIT
 *
 * sched_draft.c - speculation beside other sequences: each proposes drafts, one budget gives rows to the
 * likeliest, a draft model, or the model's own block that drafts, is asked for all at once, and branches are
 * verified on forks.
 *
 * A branch is a fork of the sequence (kv_pages.h): whole blocks are shared and the last, partial one is
 * copied, so rows of a branch attend as those of any sequence do. When the sampler's choices lead into a
 * branch, the fork changes places with the sequence; all other forks end with the step.
 */
#include "core/base/clock.h"
#include "engine/sched/sched_priv.h"

enum { ASK_AGAIN = 64 /* steps after which a draft model that does not pay is asked once more */ };

static const float MIN_MODEL_PROB = 0.4f; /* of a draft model's token: below it is not worth a row */

static uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Draft tokens that could still become tokens of this answer. */
static uint32_t room_for_drafts(const hl_stream *st) {
    int64_t room = st->req.n_ctx - (int64_t)st->n_ids - 1;
    if (st->req.max_tokens >= 0 && st->req.max_tokens - st->usage.answer_tokens - 1 < room)
        room = st->req.max_tokens - st->usage.answer_tokens - 1;
    return room < 0 ? 0 : min_u32((uint32_t)room, HL_MAX_DRAFT);
}

/* ---- the budget of a step ---- */

/* Proposal i asks for rows; *to[i] gets how many. */
typedef struct allocation {
    hl_draft_proposal *proposals; /* [n] */
    uint32_t         **to;
    uint32_t           n, n_rows; /* n_rows: of the pass without drafts */
    float              tokens;    /* that it makes, about */
} allocation;

static void add_branches(const hl_sched *s, allocation *a, hl_stream *st) {
    hl_spec *spec = &st->draft.spec;
    for (uint32_t k = 0; k < spec->n_branches; k++) {
        a->proposals[a->n] = hl_spec_branch_proposal(spec, &spec->branches[k], s->fork_ns);
        a->to[a->n++] = &spec->branches[k].n_verified;
    }
}

/* One token after the other to each that has more. */
static void allocate_equally(allocation *a, uint32_t n_most) {
    for (uint32_t i = 0; i < a->n; i++) a->proposals[i].n_rows = 0;
    for (uint32_t round = 0; round < HL_MAX_DRAFT; round++)
        for (uint32_t i = 0; i < a->n && n_most > 0; i++)
            if (round < a->proposals[i].n_tokens) a->proposals[i].n_rows++, n_most--;
}

static void allocate(const hl_sched *s, allocation *a, uint32_t n_most) {
    if (s->p.speculate == HL_SPECULATE_ALWAYS)
        allocate_equally(a, n_most);
    else
        hl_draft_budget_allocate(&s->pass_cost, a->n_rows, a->tokens, n_most, a->proposals, a->n);
    for (uint32_t i = 0; i < a->n; i++) *a->to[i] = a->proposals[i].n_rows;
}

static uint32_t n_rows_left(hl_stream *const *who, uint32_t n) {
    uint32_t left = HL_MAX_DRAFT_ROWS;
    for (uint32_t i = 0; i < n; i++) left -= hl_spec_n_verified(&who[i]->draft.spec);
    return left;
}

/* ---- the draft model ---- */

/* One that was not asked for long may have become better. */
static void ask_again(hl_stream *const *who, uint32_t n) {
    uint32_t left = n_rows_left(who, n);
    for (uint32_t i = 0; i < n; i++) {
        hl_spec_state *d = &who[i]->draft;
        if (!d->spec.from_model) continue;
        if (d->spec.n_verified == 0 && ++d->n_unasked >= ASK_AGAIN && left > 0) {
            d->spec.n_verified = 1;
            left--;
        }
        if (d->spec.n_verified > 0) d->n_unasked = 0;
    }
}

static size_t fits(void *sampler, const int32_t *ids, size_t n) { return hl_sampler_fits(sampler, ids, n); }

/* Let the draft model say the tokens that got rows. What it cannot say is missing, never wrong. */
static void ask_model(hl_sched *s, hl_stream *const *who, uint32_t n) {
    hl_draft_job jobs[HL_MAX_RUNNING];
    hl_stream   *of[HL_MAX_RUNNING];
    uint32_t     n_jobs = 0, n_wanted = 0;
    hl_err       err = {0};
    for (uint32_t i = 0; i < n; i++) {
        hl_spec_state *d = &who[i]->draft;
        if (!d->spec.from_model) continue;
        d->spec.n_tokens = 0;
        if (d->spec.n_verified == 0) continue;
        if (s->draft_model && !d->model_seq.blocks &&
            hl_draft_model_open_seq(s->draft_model, &d->model_seq, &err) != HL_OK) {
            d->spec.n_verified = 0;
            continue;
        }
        of[n_jobs] = who[i];
        jobs[n_jobs++] =
            (hl_draft_job){.seq = s->draft_model ? &d->model_seq : &who[i]->seq,
                           .before = d->hidden,
                           .ids = who[i]->ids,
                           .n_ids = who[i]->n_ids,
                           .n_wanted = d->spec.n_verified,
                           .drafts = d->spec.tokens,
                           .min_prob = s->p.speculate == HL_SPECULATE_ALWAYS ? 0 : MIN_MODEL_PROB};
        n_wanted += d->spec.n_verified;
    }
    if (n_jobs == 0) return;
    const int64_t   began_ns = hl_clock_ns();
    const hl_status status = s->draft_model
                                 ? hl_draft_model_draft(s->draft_model, jobs, n_jobs, &s->stop_pass, &err)
                                 : hl_draft_block_draft(s->draft_block, jobs, n_jobs, &s->stop_pass, &err);
    hl_cost_average(&s->draft_token_ns, (hl_clock_ns() - began_ns) / (int64_t)n_wanted);
    if (status != HL_OK && status != HL_E_CANCEL)
        hl_event(&s->model->engine->events, HL_LOG_WARN, "sched", "draft-failed", "why=\"%s\" action=ignored",
                 err.text);
    for (uint32_t i = 0; i < n_jobs; i++) {
        hl_spec *spec = &of[i]->draft.spec;
        hl_spec_set_model_drafts(spec, jobs[i].n_drafts, jobs[i].seconds, jobs[i].second_probs);
        hl_spec_keep_what_fits(spec, fits, of[i]->sampler);
        if (s->state_pool) spec->n_branches = 0;
    }
}

/* Let the draft model draft, and verify its second choices too where that pays. */
static void draft_by_model(hl_sched *s, allocation *a, hl_stream *const *who, uint32_t n) {
    ask_again(who, n);
    ask_model(s, who, n);
    a->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const hl_spec          *spec = &who[i]->draft.spec;
        const hl_draft_proposal p = hl_spec_proposal(spec);
        for (uint32_t k = 0; k < spec->n_verified; k++) a->tokens += p.accept[k];
        a->n_rows += hl_spec_n_verified(spec);
        if (spec->from_model) add_branches(s, a, who[i]);
    }
    if (a->n > 0) allocate(s, a, n_rows_left(who, n));
}

/* ---- a step ---- */

/* Drafts of one sequence: false when there are none. */
static bool propose(hl_sched *s, hl_stream *st) {
    hl_spec *spec = &st->draft.spec;
    hl_spec_begin_step(spec);
    if (hl_stream_left(st) != 1) return false;
    int32_t        must[HL_MAX_DRAFT];
    const uint32_t room = room_for_drafts(st);
    const bool     has_model = s->draft_model || (s->draft_block && hl_stream_can_ask_block(st));
    hl_spec_propose(spec, room, has_model,
                    s->drafting ? hl_draft_block_most(s->drafting) : HL_DRAFT_MODEL_CAP);
    if (!spec->from_model) hl_spec_keep_what_fits(spec, fits, st->sampler);
    if (spec->context)
        hl_spec_set_format_drafts(spec, must, (uint32_t)hl_sampler_draft(st->sampler, must, room));
    if (s->state_pool) spec->n_branches = 0; /* a fork begins with a state that the same pass makes */
    return spec->n_tokens > 0;
}

void hl_sched_draft(hl_sched *s) {
    hl_stream *who[HL_MAX_RUNNING];
    allocation a = {.proposals = s->proposals, .to = s->proposed};
    uint32_t   n = 0;
    bool       reads_prompts = false, any_model = false;
    for (uint32_t i = 0; i < s->n_running; i++) {
        hl_stream *st = s->running[i];
        hl_spec   *spec = &st->draft.spec;
        reads_prompts |= hl_stream_left(st) > 1;
        a.n_rows += hl_stream_left(st) == 1;
        if (!propose(s, st)) continue;
        any_model |= spec->from_model;
        who[n++] = st;
        a.proposals[a.n] = hl_spec_proposal(spec);
        a.proposals[a.n].each_ns = spec->from_model ? s->draft_token_ns : 0;
        a.to[a.n++] = &spec->n_verified;
        add_branches(s, &a, st);
    }
    if (n == 0) return;
    s->fork_ns *= 0.998f; /* a first copy that was disturbed must not forbid all others */
    a.tokens = (float)a.n_rows;
    if (!reads_prompts) { /* else rows are not cheap */
        allocate(s, &a, HL_MAX_DRAFT_ROWS);
        if (any_model) draft_by_model(s, &a, who, n);
    } else {
        for (uint32_t i = 0; i < n; i++)
            if (who[i]->draft.spec.from_model) who[i]->draft.spec.n_tokens = 0;
    }
}

void hl_sched_observe(hl_stream *st) {
    hl_spec            *spec = &st->draft.spec;
    const hl_step_slot *step = &st->step;
    hl_spec_observe(spec, step->emitted, step->n_emitted);
    if (!st->draft.model_seq.blocks) return;
    /* The draft model read its own tokens: they are no use where a branch was accepted. */
    const uint32_t n_elsewhere =
        spec->accepted_branch < 0 ? 0 : step->n_emitted - 1 - spec->branches[spec->accepted_branch].depth;
    hl_seq_truncate(&st->draft.model_seq, st->seq.n_pos - (int32_t)n_elsewhere);
}

/* ---- branches ---- */

static bool has_room(hl_sched *s, hl_stream *st, hl_seq *fork, const hl_spec_branch *b) {
    const int32_t shared = st->seq.n_pos + 1 + (int32_t)b->depth;
    if (!fork->blocks && hl_seq_init(fork, s->pool, st->req.n_ctx, NULL) != HL_OK) return false;
    while (!hl_seq_fork(&st->seq, fork, shared))
        if (!hl_prefix_tree_evict(s->tree)) return false;
    while (!hl_seq_reserve(fork, shared + (int32_t)b->n_verified))
        if (!hl_prefix_tree_evict(s->tree)) return false;
    return true;
}

bool hl_sched_open_branch(hl_sched *s, hl_stream *st, uint32_t i_branch) {
    const int64_t   began_ns = hl_clock_ns();
    hl_spec_branch *b = &st->draft.spec.branches[i_branch];
    if (b->depth > st->draft.spec.n_verified || !has_room(s, st, &st->step.branches[i_branch].seq, b)) {
        b->n_verified = 0;
        return false;
    }
    hl_cost_average(&s->fork_ns, hl_clock_ns() - began_ns);
    st->usage.drafted_branches++;
    return true;
}
