/* SPDX-License-Identifier: MIT
 *
 * pda_run.h - an automaton at work: all places in it where a text can be, and one byte after the other.
 *
 * A place is a state, a count, and a frame: the calls that brought it there. Frames are shared: one for each
 * rule and position, however many call it (a graph-structured stack, Tomita 1986), so an ambiguous grammar
 * costs its number of rules, not its number of readings. Places and frames are stacks: going back to an
 * earlier configuration is cutting them off.
 */
#ifndef HL_ENGINE_GRAMMAR_PDA_RUN_H
#define HL_ENGINE_GRAMMAR_PDA_RUN_H

#include "engine/grammar/pda.h"

enum {
    HL_PDA_RUN_BOTTOM = 0,          /* the frame below which there is nothing */
    HL_PDA_RUN_MAX_PLACES = 1 << 16 /* of one configuration: what is more ambiguous fails */
};

typedef struct hl_pda_place {
    uint32_t state, count, frame;
} hl_pda_place;

typedef struct hl_pda_frame {
    uint32_t rule, first_link; /* who called it */
} hl_pda_frame;

typedef struct hl_pda_link {
    uint32_t state, count, frame; /* where it goes on; NONE: below is nothing */
    uint32_t next;
} hl_pda_link;

typedef struct hl_pda_run {
    const hl_pda *pda;
    hl_pda_place *places;
    hl_pda_frame *frames;
    hl_pda_link  *links;
    uint32_t      n_places, n_frames, n_links;
    uint32_t      places_cap, frames_cap, links_cap;
    /* Of the configuration that is made, where it has many places: a table of places, number + 1. */
    uint32_t *slots;
    uint32_t  slots_cap, n_slots; /* n_slots of them are in use: a power of 2 */
    uint32_t *frame_of;           /* [n_rules] the latest frame of a rule; it may be gone since */
    bool      is_free;            /* counters are not looked at: for masks that hold for all of them */
    bool      failed;             /* no memory, or too ambiguous: no place is left */
    bool      is_too_wide;        /* that it was too ambiguous */
} hl_pda_run;

/* Places [first, first + n) of the machine, and how much there was of everything when it was made. */
typedef struct hl_pda_config {
    uint32_t first, n;
    uint32_t n_places, n_frames, n_links;
    bool     is_complete; /* the text may end here */
} hl_pda_config;

bool hl_pda_run_init(hl_pda_run *m, const hl_pda *pda); /* false: no memory */
void hl_pda_run_done(hl_pda_run *m);

/* The configuration in front of the first byte. */
hl_pda_config hl_pda_run_start(hl_pda_run *m);
/* One byte further; n == 0: no way, except that is_complete is false then. */
hl_pda_config hl_pda_run_step(hl_pda_run *m, const hl_pda_config *at, uint8_t byte);
/* Of a single place. */
hl_pda_config hl_pda_run_at(hl_pda_run *m, hl_pda_place place);
/* What follows when the rule that `frame` runs ends there. */
hl_pda_config hl_pda_run_leave(hl_pda_run *m, uint32_t frame);
/* Forget everything that was made after this configuration. */
static inline void hl_pda_run_back(hl_pda_run *m, const hl_pda_config *to) {
    m->n_places = to->n_places;
    m->n_frames = to->n_frames;
    m->n_links = to->n_links;
}
/* The only configuration that counts from now on: everything that it does not need is dropped. */
bool hl_pda_run_keep(hl_pda_run *m, hl_pda_config *only);

/* May this edge be taken with such a count? */
static inline bool hl_pda_run_is_open(const hl_pda_run *m, const hl_pda_edge *e, uint32_t rule,
                                      uint32_t count) {
    if (m->is_free) return true;
    if (e->counts && count >= m->pda->rules[rule].most) return false;
    return !e->past_least || count >= m->pda->rules[rule].least;
}

/* The count behind such an edge. Where there is no `most`, counting on behind `least` would tell nothing. */
static inline uint32_t hl_pda_run_count(const hl_pda_run *m, const hl_pda_edge *e, uint32_t rule,
                                        uint32_t count) {
    const hl_pda_rule *r = &m->pda->rules[rule];
    if (!e->counts || (!m->is_free && r->most == UINT32_MAX && count >= r->least)) return count;
    return count + 1;
}

#endif
