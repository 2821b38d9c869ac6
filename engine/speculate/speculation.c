/* SPDX-License-Identifier: MIT
 *
 * speculation.c - drafts from the text and from a draft model, their branches, and what came of them.
 */
#include "engine/speculate/speculation.h"

#include <string.h>

#include "core/base/mem.h"

enum {
    MAX_REJECTED = 3 /* steps in a row: the text is another one now, not the same with a token changed */
};
static const float MIN_SECOND_PROB =
    0.15f; /* of a draft model's second choice: below it is not worth a look */

/* ---- the sequence ---- */

hl_status hl_spec_init(hl_spec *s, const int32_t *prediction, size_t n_prediction, const int32_t *ids,
                       uint32_t n_ids, hl_err *err) {
    *s = (hl_spec){.accepted_branch = -1, .text_token = -1};
    hl_accept_rates_init(&s->rates);
    s->n_prediction = prediction && n_prediction > 0 ? 1 + (uint32_t)n_prediction : 0;
    s->cap = s->n_prediction + n_ids + 256;
    s->context = hl_new(s->cap, sizeof *s->context);
    if (!s->context) return hl_fail(err, HL_E_NOMEM, "speculation: no memory");
    if (s->n_prediction > 0) {
        s->context[0] = -1;
        memcpy(s->context + 1, prediction, n_prediction * sizeof *s->context);
        s->cursor = 1; /* the answer may begin as its prediction does */
    }
    memcpy(s->context + s->n_prediction, ids, n_ids * sizeof *s->context);
    s->n = s->n_prediction + n_ids;
    return HL_OK;
}

void hl_spec_done(hl_spec *s) {
    hl_ngram_done(&s->index);
    hl_free(s->context);
    *s = (hl_spec){0};
}

bool hl_spec_append(hl_spec *s, int32_t token) {
    if (!s->context) return true; /* it never proposes */
    if (s->n == s->cap) {
        int32_t *more = hl_resize(s->context, 2 * (size_t)s->cap, sizeof *more);
        if (!more) return false;
        s->context = more;
        s->cap *= 2;
    }
    s->context[s->n++] = token;
    return true;
}

/* ---- propose ---- */

void hl_spec_begin_step(hl_spec *s) {
    s->n_tokens = s->n_verified = s->n_format = s->n_branches = 0;
    s->from_model = false;
    s->accepted_branch = -1;
    s->text_token = -1;
}

static hl_spec_branch *add_branch(hl_spec *s, uint32_t depth, uint32_t position, hl_draft_source source) {
    hl_spec_branch *b = &s->branches[s->n_branches++];
    b->depth = depth;
    b->position = position;
    b->source = source;
    b->n_tokens = b->n_verified = 0;
    return b;
}

static hl_draft_source source_of(const hl_spec *s, uint32_t position, uint32_t n_match) {
    return position < s->n_prediction ? HL_DRAFT_PREDICTION
           : n_match > 0              ? hl_draft_source_of_match(n_match)
                                      : HL_DRAFT_RESUMED;
}

/* A position that drafts could be copied from. */
typedef struct candidate {
    uint32_t        position; /* 0: none */
    hl_draft_source source;
} candidate;

/* Branches from other positions: the candidate that does not lead, and matches as long as the leading one's
 * kind. */
static void add_text_branches(hl_spec *s, uint32_t least_match, candidate other) {
    hl_ngram_alternatives all = {.best = s->cursor, .n_tokens = s->n_tokens, .n_cap = HL_MAX_BRANCHES};
    uint32_t              rank = 0;
    if (other.position > 0) hl_ngram_add_alternative(s->context, s->n, other.position, &all);
    if (least_match > 0) hl_ngram_find_alternatives(&s->index, s->context, s->n, least_match, &all);
    for (uint32_t i = 0; i < all.n; i++) {
        const hl_ngram_alternative a = all.found[i];
        if (i > 0 && a.depth != all.found[i - 1].depth) rank = 0;
        const hl_draft_source source =
            a.at == other.position ? other.source : (hl_draft_source)(HL_DRAFT_ALTERNATIVE_1 + rank++);
        hl_spec_branch *b = add_branch(s, a.depth, a.at, source);
        for (uint32_t k = a.depth; k < s->n_tokens && a.at + k < s->n; k++)
            b->tokens[b->n_tokens++] = s->context[a.at + k];
    }
}

/* Two positions are candidates: the longest match, and where the last draft went on: one token may have been
 * changed on the way, and the text goes on behind it. The one whose source was accepted more often leads, the
 * other one may become a branch. Behind the end of the context the draft goes on as it began. */
static void propose_from_text(hl_spec *s, uint32_t n_cap) {
    hl_ngram_match match = {0};
    hl_ngram_add(&s->index, s->context, s->n);
    (void)hl_ngram_find(&s->index, s->context, s->n, 1, &match);
    const uint32_t  last = s->cursor < s->n ? s->cursor : 0;
    const candidate matched = {match.at, source_of(s, match.at, match.n_tokens)};
    const candidate resumed = {last, source_of(s, last, 0)};
    const bool      resume =
        match.at == 0 || (last > 0 && s->rates.rate[resumed.source] > s->rates.rate[matched.source]);
    s->cursor = n_cap == 0 ? 0 : resume ? last : match.at;
    if (!resume) s->n_rejected = 0;
    s->source = resume && last != match.at ? resumed.source : matched.source;
    if (s->cursor == 0) return;
    for (uint32_t i = 0; i < n_cap; i++)
        s->tokens[i] = s->cursor + i < s->n ? s->context[s->cursor + i] : s->tokens[s->cursor + i - s->n];
    s->n_tokens = n_cap;
    add_text_branches(
        s, match.at > 0 ? hl_draft_source_least_match(hl_draft_source_of_match(match.n_tokens)) : 0,
        resume ? matched : resumed);
}

void hl_spec_propose(hl_spec *s, uint32_t n_cap, bool has_model, uint32_t n_model_cap) {
    if (!s->context) return;
    propose_from_text(s, n_cap);
    const bool has_text = s->n_tokens > 0;
    if (!has_model || n_cap == 0) return;
    if (has_text && s->rates.rate[s->source] > s->rates.rate[HL_DRAFT_MODEL]) return;
    if (has_text) {
        s->text_token = s->tokens[0];
        s->text_source = s->source;
    }
    s->from_model = true;
    s->source = HL_DRAFT_MODEL;
    s->n_branches = 0;
    s->n_tokens = n_cap < n_model_cap ? n_cap : n_model_cap;
}

void hl_spec_keep_what_fits(hl_spec *s, hl_spec_fits_fn *fits, void *user) {
    uint32_t n_branches = 0;
    for (uint32_t k = 0; k < s->n_branches; k++) {
        hl_spec_branch *b = &s->branches[k];
        int32_t         ids[2 * HL_MAX_DRAFT];
        memcpy(ids, s->tokens, b->depth * sizeof *ids);
        memcpy(ids + b->depth, b->tokens, b->n_tokens * sizeof *ids);
        const uint32_t n = (uint32_t)fits(user, ids, b->depth + b->n_tokens);
        if (n <= b->depth) continue;
        b->n_tokens = n - b->depth;
        s->branches[n_branches++] = *b;
    }
    s->n_branches = n_branches;
    s->n_tokens = (uint32_t)fits(user, s->tokens, s->n_tokens);
    if (s->n_verified > s->n_tokens) s->n_verified = s->n_tokens;
}

static bool says_so(const hl_spec *s, const int32_t *ids, uint32_t n) {
    return !s->from_model && s->n_tokens > n && memcmp(s->tokens, ids, n * sizeof *ids) == 0;
}

static void drop_branches_before(hl_spec *s, uint32_t depth) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->n_branches; k++)
        if (s->branches[k].depth >= depth) s->branches[n++] = s->branches[k];
    s->n_branches = n;
}

void hl_spec_set_format_drafts(hl_spec *s, const int32_t *ids, uint32_t n) {
    if (!s->context || n == 0) return;
    s->n_format = n;
    if (says_so(s, ids, n)) {
        drop_branches_before(s, n);
        return;
    }
    memcpy(s->tokens, ids, n * sizeof *ids);
    s->n_tokens = n;
    s->n_branches = 0;
    s->source = HL_DRAFT_FORMAT;
    s->from_model = false;
    s->text_token = -1;
}

void hl_spec_set_model_drafts(hl_spec *s, uint32_t n, const int32_t *seconds, const float *probs) {
    s->n_verified = s->n_tokens = n;
    for (uint32_t i = 0; i < n && s->n_branches < HL_MAX_BRANCHES; i++) {
        if (probs[i] < MIN_SECOND_PROB) continue;
        hl_spec_branch *b = add_branch(s, i, 0, HL_DRAFT_MODEL_SECOND);
        b->tokens[b->n_tokens++] = seconds[i];
    }
}

/* ---- what it promises ---- */

/* Where other positions that match as well say something else, the main draft is less sure. */
static hl_draft_source source_at(const hl_spec *s, uint32_t depth) {
    if (depth < s->n_format) return HL_DRAFT_FORMAT;
    for (uint32_t i = 0; i < s->n_branches; i++)
        if (s->branches[i].depth == depth && s->branches[i].source == HL_DRAFT_ALTERNATIVE_1)
            return HL_DRAFT_TIED;
    return s->source;
}

hl_draft_proposal hl_spec_proposal(const hl_spec *s) {
    hl_draft_proposal p = {.n_tokens = s->n_tokens};
    float             accept = 1;
    for (uint32_t i = 0; i < p.n_tokens; i++) p.accept[i] = accept *= s->rates.rate[source_at(s, i)];
    return p;
}

hl_draft_proposal hl_spec_branch_proposal(const hl_spec *s, const hl_spec_branch *b, float fork_ns) {
    hl_draft_proposal p = {.n_tokens = b->n_tokens, .fixed_ns = fork_ns};
    const float       rate = s->rates.rate[b->source];
    const float rejected = 1 - s->rates.rate[source_at(s, b->depth)]; /* only one of them can be right */
    float       accept = rate < rejected ? rate : rejected;
    for (uint32_t i = 0; i < b->depth; i++) accept *= s->rates.rate[source_at(s, i)];
    for (uint32_t i = 0; i < p.n_tokens; i++, accept *= s->rates.rate[s->source]) p.accept[i] = accept;
    return p;
}

uint32_t hl_spec_n_verified(const hl_spec *s) {
    uint32_t n = s->n_verified;
    for (uint32_t i = 0; i < s->n_branches; i++) n += s->branches[i].n_verified;
    return n;
}

/* ---- verify ---- */

bool hl_spec_follow(hl_spec *s, uint32_t i, int32_t id, hl_spec_row *ret_row) {
    for (uint32_t k = 0; s->accepted_branch < 0 && k < s->n_branches; k++) {
        const hl_spec_branch *b = &s->branches[k];
        if (b->n_verified > 0 && b->depth == i && b->tokens[0] == id) s->accepted_branch = (int)k;
    }
    *ret_row = (hl_spec_row){s->accepted_branch, i + 1};
    if (s->accepted_branch < 0) return i < s->n_verified && s->tokens[i] == id;
    const hl_spec_branch *b = &s->branches[s->accepted_branch];
    ret_row->row = i - b->depth;
    return ret_row->row < b->n_verified && b->tokens[ret_row->row] == id;
}

/* ---- observe ---- */

/* Tokens are compared as long as all before them were right. */
static void update_rates(hl_spec *s, const int32_t *emitted, uint32_t n) {
    bool accepted = true;
    for (uint32_t i = 0; accepted && i < n && i < s->n_tokens; i++) {
        accepted = s->tokens[i] == emitted[i];
        hl_accept_rates_update(&s->rates, source_at(s, i), accepted);
        for (uint32_t k = 0; k < s->n_branches; k++) {
            const hl_spec_branch *b = &s->branches[k];
            if (b->depth == i) hl_accept_rates_update(&s->rates, b->source, b->tokens[0] == emitted[i]);
        }
    }
    const hl_spec_branch *b = s->accepted_branch < 0 ? NULL : &s->branches[s->accepted_branch];
    accepted = true;
    for (uint32_t k = 1; b && accepted && k < b->n_tokens && b->depth + k < n; k++) {
        accepted = b->tokens[k] == emitted[b->depth + k];
        hl_accept_rates_update(&s->rates, s->source, accepted);
    }
    if (s->text_token >= 0) hl_accept_rates_update(&s->rates, s->text_source, emitted[0] == s->text_token);
}

static void move_cursor(hl_spec *s, const int32_t *emitted, uint32_t n) {
    if (s->cursor == 0) return;
    if (s->accepted_branch >= 0 && s->branches[s->accepted_branch].position > 0)
        s->cursor = s->branches[s->accepted_branch].position;
    s->cursor += n;
    if (s->n_tokens == 0 || s->from_model) return;
    s->n_rejected = n == 1 && emitted[0] != s->tokens[0] ? s->n_rejected + 1 : 0;
    if (s->n_rejected == MAX_REJECTED) s->cursor = s->n_rejected = 0;
}

void hl_spec_observe(hl_spec *s, const int32_t *emitted, uint32_t n) {
    if (n == 0) return;
    update_rates(s, emitted, n);
    move_cursor(s, emitted, n);
}
