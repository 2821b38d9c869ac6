/* SPDX-License-Identifier: MIT
 *
 * expert_pages.c - experts that are read from the file when the router has chosen them.
 *
 * What is read ahead is asked for at every use, also where it was used before: the system may have taken
 * its pages for others, and asking for what is there costs little beside a disk. The order of last uses says
 * whose pages leave first; without it the system finds pages of weights that every token reads among those
 * that nobody will read for long.
 */
#include "engine/expert_pages.h"

#include <pthread.h>

#include "core/base/mem.h"
#include "core/base/pages.h"

/* ---- the order of last uses ---- */

hl_status hl_lru_init(hl_lru *l, uint32_t n_slots, hl_err *err) {
    *l = (hl_lru){.n_slots = n_slots};
    l->newer = hl_new((size_t)n_slots + 1, sizeof *l->newer);
    l->older = hl_new((size_t)n_slots + 1, sizeof *l->older);
    if (!l->newer || !l->older) {
        hl_lru_done(l);
        return hl_fail(err, HL_E_NOMEM, "experts: no memory");
    }
    for (uint32_t i = 0; i <= n_slots; i++) l->newer[i] = l->older[i] = i; /* alone: not there */
    return HL_OK;
}

void hl_lru_done(hl_lru *l) {
    hl_free(l->newer);
    hl_free(l->older);
    *l = (hl_lru){0};
}

static void take_out(hl_lru *l, uint32_t slot) {
    l->newer[l->older[slot]] = l->newer[slot];
    l->older[l->newer[slot]] = l->older[slot];
    l->newer[slot] = l->older[slot] = slot;
    l->n--;
}

/* From the end onwards: older[end] is the newest, newer[end] the oldest. */
bool hl_lru_use(hl_lru *l, uint32_t slot) {
    const uint32_t end = l->n_slots;
    const bool     is_new = l->newer[slot] == slot;
    if (!is_new) take_out(l, slot);
    l->newer[slot] = end;
    l->older[slot] = l->older[end];
    l->newer[l->older[end]] = slot;
    l->older[end] = slot;
    l->n++;
    return is_new;
}

uint32_t hl_lru_take_oldest(hl_lru *l) {
    const uint32_t slot = l->newer[l->n_slots];
    if (slot == l->n_slots) return UINT32_MAX;
    take_out(l, slot);
    return slot;
}

/* ---- experts of a model ---- */

struct hl_experts {
    uint64_t         all_bytes, layer_bytes;
    uint32_t         n_experts;  /* of a layer; slot: i_layer * n_experts + expert */
    _Atomic uint64_t kept_bytes; /* 0: all */
    pthread_mutex_t  lock;       /* of what follows */
    hl_lru           lru;
    uint64_t         held_bytes;
};

static const hl_weight kinds[] = {HL_W_GATE_EXPS, HL_W_UP_EXPS, HL_W_DOWN_EXPS};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

typedef void pages_fn(const void *data, size_t n_bytes);

static uint64_t expert_bytes(const hl_layer *l) {
    uint64_t sum = 0;
    for (size_t k = 0; k < N_KINDS; k++)
        if (l->w[kinds[k]].data) sum += (uint64_t)l->w[kinds[k]].n_rows * l->w[kinds[k]].row_bytes;
    return sum;
}

static void advise_expert(const hl_layer *l, uint32_t expert, pages_fn *fn) {
    for (size_t k = 0; k < N_KINDS; k++) {
        const hl_matrix *w = &l->w[kinds[k]];
        if (!w->data) continue;
        fn((const uint8_t *)w->data + expert * l->expert_stride[kinds[k]], w->n_rows * w->row_bytes);
    }
}

hl_status hl_experts_new(const hl_model *m, hl_experts **ret, hl_err *err) {
    const hl_hparams *hp = &m->hp;
    uint64_t          all = 0, most = 0;
    *ret = NULL;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const uint64_t bytes = expert_bytes(&m->layers[i]) * hp->n_experts;
        all += bytes;
        if (bytes > most) most = bytes;
    }
    if (all == 0 || (uint64_t)hp->n_layers * hp->n_experts >= UINT32_MAX) return HL_OK;
    hl_experts *e = hl_new(1, sizeof *e);
    if (!e) return hl_fail(err, HL_E_NOMEM, "experts: no memory");
    const hl_status status = hl_lru_init(&e->lru, hp->n_layers * hp->n_experts, err);
    if (status != HL_OK) {
        hl_free(e);
        return status;
    }
    e->all_bytes = all;
    e->layer_bytes = most;
    e->n_experts = hp->n_experts;
    (void)pthread_mutex_init(&e->lock, NULL);
    *ret = e;
    return HL_OK;
}

void hl_experts_free(hl_experts *e) {
    if (!e) return;
    hl_lru_done(&e->lru);
    (void)pthread_mutex_destroy(&e->lock);
    hl_free(e);
}

uint64_t hl_experts_bytes(const hl_experts *e) { return e ? e->all_bytes : 0; }
uint64_t hl_experts_layer_bytes(const hl_experts *e) { return e ? e->layer_bytes : 0; }

uint64_t hl_experts_held(hl_experts *e) {
    (void)pthread_mutex_lock(&e->lock);
    const uint64_t n = e->held_bytes;
    (void)pthread_mutex_unlock(&e->lock);
    return n;
}

void hl_experts_need(hl_experts *e, const hl_layer *l, uint32_t i_layer, uint32_t expert) {
    if (!e || atomic_load_explicit(&e->kept_bytes, memory_order_relaxed) == 0) return;
    (void)pthread_mutex_lock(&e->lock);
    if (hl_lru_use(&e->lru, i_layer * e->n_experts + expert)) e->held_bytes += expert_bytes(l);
    (void)pthread_mutex_unlock(&e->lock);
    advise_expert(l, expert, hl_pages_read_ahead);
}

void hl_experts_let_go(hl_experts *e, const hl_model *m, uint32_t n) {
    const uint64_t most = e ? atomic_load_explicit(&e->kept_bytes, memory_order_relaxed) : 0;
    if (most == 0) return;
    (void)pthread_mutex_lock(&e->lock);
    while (e->held_bytes > most && e->lru.n > n) {
        const uint32_t  slot = hl_lru_take_oldest(&e->lru);
        const hl_layer *l = &m->layers[slot / e->n_experts];
        e->held_bytes -= expert_bytes(l);
        advise_expert(l, slot % e->n_experts, hl_pages_leave_first);
    }
    (void)pthread_mutex_unlock(&e->lock);
}

/* ---- hyperlama/experts.h ---- */

uint64_t hl_model_experts_bytes(const hl_model *m) { return hl_experts_bytes(m->experts); }
uint64_t hl_model_experts_kept(const hl_model *m) {
    return m->experts ? atomic_load(&m->experts->kept_bytes) : 0;
}

void hl_model_keep_experts(hl_model *m, uint64_t n_bytes) {
    if (!m->experts || n_bytes == 0) return;
    if (atomic_exchange(&m->experts->kept_bytes, n_bytes) > 0) return;
    for (uint32_t i = 0; i < m->hp.n_layers; i++)
        for (uint32_t x = 0; x < m->hp.n_experts; x++) advise_expert(&m->layers[i], x, hl_pages_read_singly);
}
