/* SPDX-License-Identifier: MIT
 *
 * matcher.c - one sequence: where it is in the grammar, which tokens lead on, and which bytes must come.
 *
 * From states where few bytes can follow, the trie is walked: nearly all of it is cut off at its root. Where
 * many can (inside texts), the mask that is kept for the state is taken, and only tokens that run past the
 * end of the state's rule are tried against what called it.
 */
#include <string.h>

#include "core/base/mem.h"
#include "engine/grammar/matcher_priv.h"

enum { KEEP_FRAMES = 256 };

struct hl_matcher {
    hl_grammar    *grammar;
    hl_token_trie *trie;
    hl_pda_run     machine;
    hl_pda_config  at;
    hl_pda_config *walk;  /* [max_depth + 1] */
    uint32_t      *mask;  /* [n_words] */
    uint32_t      *other; /* [n_words] */
    bool           failed, ended;
};

static void allow(hl_matcher *m, uint32_t id) { m->mask[id / 32] |= UINT32_C(1) << (id % 32); }

/* ---- walking the trie ---- */

static void walk_trie(hl_matcher *m, const hl_pda_config *from) {
    const hl_token_trie *t = m->trie;
    m->walk[0] = *from;
    for (uint32_t i = 0; i < t->n_nodes && !m->machine.failed;) {
        const hl_trie_node  *node = &t->nodes[i];
        const hl_pda_config *before = &m->walk[node->depth - 1];
        hl_pda_run_back(&m->machine, before);
        const hl_pda_config to = hl_pda_run_step(&m->machine, before, node->byte);
        if (to.n == 0 && !to.is_complete) {
            i = node->skip;
            continue;
        }
        m->walk[node->depth] = to;
        for (uint32_t k = 0; k < node->n; k++) allow(m, t->sorted[node->first + k]);
        i = to.n == 0 ? node->skip : i + 1;
    }
}

/* ---- masks of states ---- */

/* Far from its bounds a count says nothing: all such places have one mask. */
static void key_of(const hl_matcher *m, const hl_pda_place *p, uint64_t key[2]) {
    const hl_pda      *a = &m->grammar->pda;
    const uint32_t     rule = a->states[p->state].rule;
    const hl_pda_rule *r = &a->rules[rule];
    key[0] = r->shared ? r->shared : m->grammar->number << 32 | p->state;
    key[1] = r->counts && !r->counts_text ? p->count + 1 : 0;
    if (r->counts && !r->counts_text && p->count >= r->least &&
        (r->most == UINT32_MAX || r->most - p->count > m->trie->max_depth))
        key[1] = UINT64_MAX;
    if (!r->shared) return;
    key[0] = r->shared << 32 | (p->state - r->start);
    for (int i = 0; i < 4; i++) key[1] = (key[1] ^ r->follow.bits[i]) * 0x9E3779B97F4A7C15u + 1;
}

static hl_mask *mask_of(hl_matcher *m, const hl_pda_place *p) {
    uint64_t key[2];
    key_of(m, p, key);
    hl_mask *mask = hl_mask_find(m->trie, key);
    if (mask) return mask;
    mask = hl_mask_build(m->trie, &m->grammar->pda, *p);
    if (!mask) return NULL;
    mask->key[0] = key[0];
    mask->key[1] = key[1];
    return hl_mask_publish(m->trie, mask);
}

/* Tokens that stay in their rule; of a rule that counts, those that do not count too far. */
static void add_inside(hl_matcher *m, const hl_mask *k, uint32_t left) {
    if (!k->by_count || left >= k->most_counted) {
        for (uint32_t w = 0; w < m->trie->n_words; w++) m->mask[w] |= k->inside[w];
        return;
    }
    const uint32_t n = k->count_start[left + 1], n_all = k->count_start[HL_MASK_BUCKETS];
    if (n <= n_all / 2) {
        for (uint32_t i = 0; i < n; i++) allow(m, k->by_count[i]);
        return;
    }
    memcpy(m->other, k->inside, m->trie->n_words * sizeof *m->other);
    for (uint32_t i = n; i < n_all; i++)
        m->other[k->by_count[i] / 32] &= ~(UINT32_C(1) << (k->by_count[i] % 32));
    for (uint32_t w = 0; w < m->trie->n_words; w++) m->mask[w] |= m->other[w];
}

static void allow_group(hl_matcher *m, const hl_mask *k, const hl_mask_group *g, const hl_pda_rule *r,
                        uint32_t count) {
    for (uint32_t i = g->first; i < g->first + g->n; i++) {
        const uint64_t n = (uint64_t)count + k->exits[i].count;
        if (r->counts_text && (n < r->least || n > r->most)) continue;
        allow(m, k->exits[i].id);
    }
}

/* Tokens that run past the end of their rule: is their rest what may follow? Groups are sorted by it, so
 * what they share with the one before is not tried again. */
static void add_exits(hl_matcher *m, const hl_mask *k, const hl_pda_place *p) {
    const hl_pda_rule *r = &m->grammar->pda.rules[m->grammar->pda.states[p->state].rule];
    if (k->n_groups == 0) return;
    m->walk[0] = hl_pda_run_leave(&m->machine, p->frame);
    uint32_t good = 0; /* bytes of the last rest that there is a way for */
    bool     is_dead = m->walk[0].n == 0;
    for (uint32_t i = 0; i < k->n_groups && !m->machine.failed; i++) {
        const hl_mask_group *g = &k->groups[i];
        if (i > 0 && g->shared > good && is_dead) continue; /* the byte that failed is in it, too */
        uint32_t d = g->shared < good ? g->shared : good;
        bool     fits = true;
        for (; fits && d < g->n_rest; d++) {
            hl_pda_run_back(&m->machine, &m->walk[d]);
            m->walk[d + 1] = hl_pda_run_step(&m->machine, &m->walk[d], (uint8_t)g->rest[d]);
            fits = m->walk[d + 1].n > 0 || (m->walk[d + 1].is_complete && d + 1 == g->n_rest);
        }
        good = fits ? d : d - 1;
        is_dead = !fits;
        if (fits) allow_group(m, k, g, r, p->count);
    }
    hl_pda_run_back(&m->machine, &m->at);
}

/* False: this state has no mask of its own. */
static bool add_mask(hl_matcher *m, const hl_pda_place *p) {
    const hl_pda *a = &m->grammar->pda;
    if (!a->states[p->state].is_wide) return false;
    hl_mask *k = mask_of(m, p);
    if (!k) {
        m->machine.failed = true;
        return true;
    }
    const bool is_good = !k->is_too_large;
    if (is_good) {
        const uint32_t most = a->rules[a->states[p->state].rule].most;
        add_inside(m, k, most > p->count ? most - p->count : 0);
        add_exits(m, k, p);
    }
    hl_mask_drop(m->trie, k);
    return is_good;
}

/* ---- the front ---- */

/* Places that have no mask of their own come to the front; returns how many. */
static uint32_t add_masks(hl_matcher *m) {
    uint32_t n_narrow = 0;
    for (uint32_t i = 0; i < m->at.n && !m->machine.failed; i++) {
        const hl_pda_place p = m->machine.places[m->at.first + i];
        if (add_mask(m, &p)) continue;
        m->machine.places[m->at.first + i] = m->machine.places[m->at.first + n_narrow];
        m->machine.places[m->at.first + n_narrow++] = p;
    }
    return n_narrow;
}

const uint32_t *hl_matcher_allowed(hl_matcher *m) {
    memset(m->mask, 0, m->trie->n_words * sizeof *m->mask);
    if (m->failed || m->ended) return m->mask;
    hl_pda_config narrow = m->at;
    narrow.n = add_masks(m);
    if (narrow.n > 0) walk_trie(m, &narrow);
    hl_pda_run_back(&m->machine, &m->at);
    if (m->machine.failed) {
        m->failed = true;
        memset(m->mask, 0, m->trie->n_words * sizeof *m->mask);
        return m->mask;
    }
    for (uint32_t i = 0; m->at.is_complete && i < m->trie->n_ends; i++) allow(m, m->trie->ends[i]);
    return m->mask;
}

/* What came before is needed no more. */
static void settle(hl_matcher *m, uint32_t n_frames_before) {
    hl_pda_run *x = &m->machine;
    memmove(x->places, x->places + m->at.first, m->at.n * sizeof *x->places);
    m->at.first = 0;
    m->at.n_places = x->n_places = m->at.n;
    if (x->n_frames > n_frames_before && x->n_frames > KEEP_FRAMES && !hl_pda_run_keep(x, &m->at))
        m->failed = true;
}

bool hl_matcher_accept_bytes(hl_matcher *m, const char *bytes, size_t n) {
    const uint32_t n_frames = m->machine.n_frames;
    for (size_t i = 0; i < n && !m->failed; i++) {
        m->at = hl_pda_run_step(&m->machine, &m->at, (uint8_t)bytes[i]);
        if (m->machine.failed || (m->at.n == 0 && !m->at.is_complete)) m->failed = true;
    }
    if (!m->failed) settle(m, n_frames);
    return !m->failed;
}

bool hl_matcher_accept(hl_matcher *m, int32_t token) {
    if (m->failed || m->ended || token < 0 || token >= m->trie->n_vocab) {
        m->failed = true;
        return false;
    }
    if (hl_trie_is_end(m->trie, token)) {
        m->ended = m->at.is_complete;
        m->failed = !m->ended;
        return m->ended;
    }
    const hl_view v = hl_trie_piece(m->trie, (uint32_t)token);
    m->failed = v.len == 0;
    return hl_matcher_accept_bytes(m, v.ptr, v.len);
}

bool hl_matcher_may_end(const hl_matcher *m) { return !m->failed && (m->ended || m->at.is_complete); }

bool hl_matcher_is_done(const hl_matcher *m) {
    return !m->failed && (m->ended || (m->at.is_complete && m->at.n == 0));
}

/* The only byte that can follow; -1: none, or there are several. */
static int only_byte(const hl_pda_run *x, const hl_pda_config *at) {
    int only = -1;
    for (uint32_t i = 0; i < at->n; i++) {
        const hl_pda_place  p = x->places[at->first + i];
        const hl_pda_state *s = &x->pda->states[p.state];
        for (uint32_t k = 0; k < s->n_bytes; k++) {
            const hl_pda_edge *e = &x->pda->edges[s->first_edge + k];
            if (!hl_pda_run_is_open(x, e, s->rule, p.count)) continue;
            if (hl_pda_lo(e) != hl_pda_hi(e) || (only >= 0 && only != hl_pda_lo(e))) return -1;
            only = hl_pda_lo(e);
        }
    }
    return only;
}

size_t hl_matcher_forced(hl_matcher *m, char *buf, size_t cap) {
    size_t        n = 0;
    hl_pda_config at = m->at;
    while (n < cap && !m->failed && !m->ended && !at.is_complete && !m->machine.failed) {
        const int b = only_byte(&m->machine, &at);
        if (b < 0) break;
        buf[n++] = (char)b;
        at = hl_pda_run_step(&m->machine, &at, (uint8_t)b);
    }
    hl_pda_run_back(&m->machine, &m->at);
    return n;
}

/* The longest token that is a beginning of these bytes; HL_PDA_NONE: there is none. */
static uint32_t longest_token(const hl_token_trie *t, const char *bytes, size_t n, size_t *ret_n) {
    uint32_t found = HL_PDA_NONE, at = 0, end = t->n_nodes;
    for (size_t d = 0; d < n; d++) {
        while (at < end && t->nodes[at].byte != (uint8_t)bytes[d]) at = t->nodes[at].skip;
        if (at >= end) break;
        if (t->nodes[at].n > 0) {
            found = t->sorted[t->nodes[at].first];
            *ret_n = d + 1;
        }
        end = t->nodes[at].skip;
        at++;
    }
    return found;
}

size_t hl_matcher_forced_tokens(hl_matcher *m, int32_t *ids, size_t cap) {
    char         bytes[256];
    const size_t n = hl_matcher_forced(m, bytes, sizeof bytes);
    size_t       n_ids = 0;
    for (size_t at = 0, len = 0; at < n && n_ids < cap; at += len) {
        const uint32_t id = longest_token(m->trie, bytes + at, n - at, &len);
        if (id == HL_PDA_NONE) break;
        ids[n_ids++] = (int32_t)id;
    }
    return n_ids;
}

/* One token further, without settling there; *at is anywhere when it does not fit. */
static bool try_token(hl_matcher *m, int32_t token, hl_pda_config *at) {
    const hl_view v = hl_trie_piece(m->trie, (uint32_t)token);
    for (size_t i = 0; i < v.len; i++) {
        *at = hl_pda_run_step(&m->machine, at, (uint8_t)v.ptr[i]);
        if (m->machine.failed || (at->n == 0 && !at->is_complete)) return false;
    }
    return v.len > 0;
}

size_t hl_matcher_fits(hl_matcher *m, const int32_t *ids, size_t n) {
    hl_pda_config at = m->at;
    size_t        fit = 0;
    bool          goes_on = !m->failed && !m->ended;
    while (goes_on && fit < n && ids[fit] >= 0 && ids[fit] < m->trie->n_vocab) {
        const bool is_end = hl_trie_is_end(m->trie, ids[fit]);
        const bool fits = is_end ? at.is_complete : try_token(m, ids[fit], &at);
        goes_on = fits && !is_end;
        if (!fits) break;
        fit++;
    }
    hl_pda_run_back(&m->machine, &m->at);
    m->machine.failed = m->machine.is_too_wide = false; /* nothing was accepted that would need it */
    return fit;
}

static hl_status check_begin(hl_matcher *m, hl_err *err) {
    const uint32_t *allowed = hl_matcher_allowed(m);
    for (uint32_t w = 0; w < m->trie->n_words; w++)
        if (allowed[w]) return HL_OK;
    if (m->machine.is_too_wide)
        return hl_fail(err, HL_E_FULL, "grammar: more than %d ways at its beginning: it is too large",
                       HL_PDA_RUN_MAX_PLACES);
    if (m->failed) return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    return hl_fail(err, HL_E_ARG, "no token of the model's vocabulary can begin such an answer");
}

hl_status hl_matcher_new(hl_grammar *g, hl_token_trie *trie, hl_matcher **ret_matcher, hl_err *err) {
    hl_matcher *m = hl_new(1, sizeof *m);
    if (!m) return hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    m->grammar = hl_grammar_ref(g);
    m->trie = trie;
    m->walk = hl_new((size_t)trie->max_depth + 2, sizeof *m->walk);
    m->mask = hl_new(trie->n_words, sizeof *m->mask);
    m->other = hl_new(trie->n_words, sizeof *m->other);
    hl_status status = HL_OK;
    if (!hl_pda_run_init(&m->machine, &g->pda) || !m->walk || !m->mask || !m->other)
        status = hl_fail(err, HL_E_NOMEM, "grammar: no memory");
    if (status == HL_OK) {
        m->at = hl_pda_run_start(&m->machine);
        status = check_begin(m, err);
    }
    if (status == HL_OK)
        *ret_matcher = m;
    else
        hl_matcher_free(m);
    return status;
}

void hl_matcher_free(hl_matcher *m) {
    if (!m) return;
    hl_pda_run_done(&m->machine);
    hl_free(m->walk);
    hl_free(m->mask);
    hl_free(m->other);
    hl_grammar_unref(m->grammar);
    hl_free(m);
}
