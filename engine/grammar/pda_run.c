/* SPDX-License-Identifier: MIT
 *
 * pda_run.c - stepping through an automaton with a stack, in all its places at once.
 */
#include "engine/grammar/pda_run.h"

#include <string.h>

#include "core/base/mem.h"

bool hl_pda_run_init(hl_pda_run *m, const hl_pda *pda) {
    *m = (hl_pda_run){.pda = pda};
    m->places_cap = m->frames_cap = m->links_cap = 64;
    m->places = hl_new(m->places_cap, sizeof *m->places);
    m->frames = hl_new(m->frames_cap, sizeof *m->frames);
    m->links = hl_new(m->links_cap, sizeof *m->links);
    m->frame_of = hl_new(pda->n_rules, sizeof *m->frame_of);
    if (!m->places || !m->frames || !m->links || !m->frame_of) return false;
    m->frames[0] = (hl_pda_frame){.rule = pda->root, .first_link = HL_PDA_NONE};
    m->n_frames = 1;
    return true;
}

void hl_pda_run_done(hl_pda_run *m) {
    hl_free(m->places);
    hl_free(m->frames);
    hl_free(m->links);
    hl_free(m->slots);
    hl_free(m->frame_of);
    *m = (hl_pda_run){0};
}

static bool grow(hl_pda_run *m, void **list, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return true;
    void *more = *cap < UINT32_MAX / 4 ? hl_resize(*list, 2 * (size_t)*cap, size) : NULL;
    if (!more) {
        m->failed = true;
        return false;
    }
    *list = more;
    *cap *= 2;
    return true;
}

/* ---- what is reached without a byte ---- */

typedef struct closure {
    hl_pda_run    *m;
    hl_pda_config *to;
    uint32_t       first_frame; /* frames from here on were made at this position */
    bool           is_hashed;   /* its places are in the table */
} closure;

static bool is_place(const hl_pda_place *p, hl_pda_place q) {
    return p->state == q.state && p->frame == q.frame && p->count == q.count;
}

/* The slot of a place, or the free one where it would be. */
static uint32_t *find_slot(const hl_pda_run *m, hl_pda_place p) {
    const uint64_t key = ((uint64_t)p.state << 32 | p.frame) ^ (uint64_t)p.count << 20;
    for (uint64_t h = key * 0x9E3779B97F4A7C15u >> 32;; h++) {
        uint32_t *slot = &m->slots[h & (m->n_slots - 1)];
        if (*slot == 0 || is_place(&m->places[*slot - 1], p)) return slot;
    }
}

/* Put all places of the configuration that is made into a table with room for as many again. */
static bool hash_places(hl_pda_run *m, uint32_t first) {
    const uint32_t n = m->n_places - first;
    uint32_t       cap = 256;
    while (cap < 4 * n) cap *= 2;
    if (cap > m->slots_cap) {
        hl_free(m->slots);
        m->slots_cap = 0;
        m->slots = hl_new(cap, sizeof *m->slots);
        if (!m->slots) return false;
        m->slots_cap = cap;
    } else {
        memset(m->slots, 0, cap * sizeof *m->slots);
    }
    m->n_slots = cap;
    for (uint32_t i = first; i < m->n_places; i++) *find_slot(m, m->places[i]) = i + 1;
    return true;
}

/* Is it there? Few are looked through, many are in the table. */
static bool has_place(closure *c, hl_pda_place p) {
    enum { FEW = 24 };
    hl_pda_run    *m = c->m;
    const uint32_t n = m->n_places - c->to->first;
    if (n <= FEW) {
        for (uint32_t i = c->to->first; i < m->n_places; i++)
            if (is_place(&m->places[i], p)) return true;
        return false;
    }
    if ((!c->is_hashed || 2 * n >= m->n_slots) && !hash_places(m, c->to->first)) {
        m->failed = true;
        return true;
    }
    c->is_hashed = true;
    uint32_t *slot = find_slot(m, p);
    if (*slot != 0) return true;
    *slot = m->n_places + 1;
    return false;
}

static void add_place(closure *c, uint32_t state, uint32_t count, uint32_t frame) {
    hl_pda_run        *m = c->m;
    const hl_pda_place p = {state, count, frame};
    if (m->failed || has_place(c, p)) return;
    if (m->n_places - c->to->first >= HL_PDA_RUN_MAX_PLACES) {
        m->failed = m->is_too_wide = true;
        return;
    }
    void *list = m->places;
    if (!grow(m, &list, m->n_places, &m->places_cap, sizeof *m->places)) return;
    m->places = list;
    m->places[m->n_places++] = p;
}

static void add_link(hl_pda_run *m, uint32_t to, uint32_t state, uint32_t count, uint32_t frame) {
    for (uint32_t l = m->frames[to].first_link; l != HL_PDA_NONE; l = m->links[l].next)
        if (m->links[l].state == state && m->links[l].frame == frame && m->links[l].count == count) return;
    void *list = m->links;
    if (!grow(m, &list, m->n_links, &m->links_cap, sizeof *m->links)) return;
    m->links = list;
    m->links[m->n_links] = (hl_pda_link){state, count, frame, m->frames[to].first_link};
    m->frames[to].first_link = m->n_links++;
}

/* The run of `rule` that begins here; made when nobody called it yet. HL_PDA_NONE: no memory. */
static uint32_t find_frame(closure *c, uint32_t rule) {
    hl_pda_run    *m = c->m;
    const uint32_t last = m->frame_of[rule]; /* it counts while it is there, and was made here */
    if (last >= c->first_frame && last < m->n_frames && m->frames[last].rule == rule) return last;
    void *list = m->frames;
    if (!grow(m, &list, m->n_frames, &m->frames_cap, sizeof *m->frames)) return HL_PDA_NONE;
    m->frames = list;
    m->frames[m->n_frames] = (hl_pda_frame){.rule = rule, .first_link = HL_PDA_NONE};
    m->frame_of[rule] = m->n_frames;
    add_place(c, m->pda->rules[rule].start, 0, m->n_frames);
    return m->n_frames++;
}

/* Where nothing but the end follows the call, whoever waits for the caller waits for the called: so the
 * stack does not grow with a list. */
static void call(closure *c, const hl_pda_edge *e, uint32_t count, uint32_t frame) {
    hl_pda_run    *m = c->m;
    const uint32_t f = find_frame(c, e->rule);
    if (f == HL_PDA_NONE) return;
    if (!e->is_tail || frame >= c->first_frame) {
        add_link(m, f, e->to, count, frame);
        return;
    }
    if (frame == HL_PDA_RUN_BOTTOM) add_link(m, f, HL_PDA_NONE, 0, HL_PDA_RUN_BOTTOM);
    for (uint32_t l = m->frames[frame].first_link; l != HL_PDA_NONE; l = m->links[l].next) {
        const hl_pda_link k = m->links[l];
        add_link(m, f, k.state, k.count, k.frame);
    }
}

/* A rule that begins and ends here is no news: the edge that calls it leads past it, too. */
static void leave(closure *c, uint32_t frame) {
    hl_pda_run *m = c->m;
    if (frame == HL_PDA_RUN_BOTTOM) {
        c->to->is_complete = true;
        return;
    }
    if (frame >= c->first_frame) return;
    for (uint32_t l = m->frames[frame].first_link; l != HL_PDA_NONE; l = m->links[l].next) {
        const hl_pda_link k = m->links[l];
        if (k.state == HL_PDA_NONE)
            c->to->is_complete = true;
        else
            add_place(c, k.state, k.count, k.frame);
    }
}

static void follow(closure *c, const hl_pda_place *p) {
    const hl_pda       *a = c->m->pda;
    const hl_pda_state *s = &a->states[p->state];
    const hl_pda_place  at = *p; /* places move when there are more */
    if (s->accepts) leave(c, at.frame);
    for (uint32_t i = s->n_bytes; i < s->n_edges; i++) {
        const hl_pda_edge *e = &a->edges[s->first_edge + i];
        if (!hl_pda_run_is_open(c->m, e, s->rule, at.count)) continue;
        const uint32_t count = hl_pda_run_count(c->m, e, s->rule, at.count);
        if (e->kind == HL_PDA_CALL) call(c, e, count, at.frame);
        if (e->kind == HL_PDA_NOTHING || a->rules[e->rule].is_nullable) add_place(c, e->to, count, at.frame);
    }
}

static void close_config(closure *c) {
    hl_pda_run    *m = c->m;
    hl_pda_config *to = c->to;
    for (uint32_t i = to->first; i < m->n_places && !m->failed; i++) {
        const hl_pda_state *s = &m->pda->states[m->places[i].state];
        if (s->accepts || s->n_edges > s->n_bytes) follow(c, &m->places[i]);
    }
    uint32_t kept = to->first; /* only those that a byte leads on from */
    for (uint32_t i = to->first; i < m->n_places; i++)
        if (m->pda->states[m->places[i].state].n_bytes > 0) m->places[kept++] = m->places[i];
    if (m->failed) {
        kept = to->first;
        to->is_complete = false;
    }
    m->n_places = kept;
    to->n = kept - to->first;
    to->n_places = m->n_places;
    to->n_frames = m->n_frames;
    to->n_links = m->n_links;
}

/* ---- steps ---- */

static closure begin(hl_pda_run *m, hl_pda_config *to) {
    *to = (hl_pda_config){.first = m->n_places};
    return (closure){m, to, m->n_frames, false};
}

hl_pda_config hl_pda_run_start(hl_pda_run *m) {
    hl_pda_config to;
    closure       c = begin(m, &to);
    add_place(&c, m->pda->rules[m->pda->root].start, 0, HL_PDA_RUN_BOTTOM);
    close_config(&c);
    return to;
}

hl_pda_config hl_pda_run_at(hl_pda_run *m, hl_pda_place place) {
    hl_pda_config to;
    closure       c = begin(m, &to);
    add_place(&c, place.state, place.count, place.frame);
    to.n = 1;
    to.n_places = m->n_places;
    to.n_frames = m->n_frames;
    to.n_links = m->n_links;
    (void)c;
    return to;
}

hl_pda_config hl_pda_run_leave(hl_pda_run *m, uint32_t frame) {
    hl_pda_config to;
    closure       c = begin(m, &to);
    leave(&c, frame);
    close_config(&c);
    return to;
}

hl_pda_config hl_pda_run_step(hl_pda_run *m, const hl_pda_config *at, uint8_t byte) {
    hl_pda_config to;
    closure       c = begin(m, &to);
    const hl_pda *a = m->pda;
    for (uint32_t i = 0; i < at->n && !m->failed; i++) {
        const hl_pda_place  p = m->places[at->first + i];
        const hl_pda_state *s = &a->states[p.state];
        for (uint32_t k = 0; k < s->n_bytes; k++) {
            const hl_pda_edge *e = &a->edges[s->first_edge + k];
            if (byte < hl_pda_lo(e) || byte > hl_pda_hi(e) || !hl_pda_run_is_open(m, e, s->rule, p.count))
                continue;
            add_place(&c, e->to, hl_pda_run_count(m, e, s->rule, p.count), p.frame);
        }
    }
    close_config(&c);
    return to;
}

/* ---- what is not needed any more ---- */

static void mark_frames(const hl_pda_run *m, const hl_pda_config *only, uint32_t *new_id) {
    for (uint32_t f = 0; f < m->n_frames; f++) new_id[f] = HL_PDA_NONE;
    new_id[HL_PDA_RUN_BOTTOM] = 0;
    for (uint32_t i = 0; i < only->n; i++) new_id[m->places[only->first + i].frame] = 0;
    for (uint32_t f = m->n_frames; f-- > 0;) { /* callers are older than what they call */
        if (new_id[f] == HL_PDA_NONE) continue;
        for (uint32_t l = m->frames[f].first_link; l != HL_PDA_NONE; l = m->links[l].next)
            new_id[m->links[l].frame] = 0;
    }
}

static bool move_frames(hl_pda_run *m, uint32_t *new_id) {
    hl_pda_link *links = hl_new(m->links_cap, sizeof *links);
    uint32_t     n = 0, n_links = 0;
    if (!links) return false;
    for (uint32_t f = 0; f < m->n_frames; f++) {
        if (new_id[f] == HL_PDA_NONE) continue;
        const hl_pda_frame from = m->frames[f];
        hl_pda_frame      *to = &m->frames[n];
        new_id[f] = n++;
        *to = (hl_pda_frame){.rule = from.rule, .first_link = HL_PDA_NONE};
        for (uint32_t l = from.first_link; l != HL_PDA_NONE; l = m->links[l].next) {
            links[n_links] = m->links[l];
            links[n_links].frame = new_id[m->links[l].frame];
            links[n_links].next = to->first_link;
            to->first_link = n_links++;
        }
    }
    hl_free(m->links);
    m->links = links;
    m->n_frames = n;
    m->n_links = n_links;
    return true;
}

bool hl_pda_run_keep(hl_pda_run *m, hl_pda_config *only) {
    uint32_t *new_id = hl_new(m->n_frames, sizeof *new_id);
    if (!new_id) return false;
    mark_frames(m, only, new_id);
    const bool ok = move_frames(m, new_id);
    if (ok) {
        memmove(m->places, m->places + only->first, only->n * sizeof *m->places);
        for (uint32_t i = 0; i < only->n; i++) m->places[i].frame = new_id[m->places[i].frame];
        only->first = 0;
        m->n_places = only->n_places = only->n;
        only->n_frames = m->n_frames;
        only->n_links = m->n_links;
    }
    hl_free(new_id);
    return ok;
}
