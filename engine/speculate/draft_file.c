/* SPDX-License-Identifier: MIT
 *
 * draft_file.c - does a file that drafts fit a model, and what it takes of it.
 */
#include "engine/speculate/draft_file.h"

#include <string.h>

#include "core/base/mem.h"
#include "engine/forward/drafts.h"
#include "engine/speculate/draft_model.h"

enum { ARENA_LIMIT_BYTES = 64 << 20 };

/* What all kinds need. */
static hl_status check_target(const hl_model *draft, const hl_model *what, const hl_model *target,
                              hl_err *err) {
    const hl_hparams *hp = &what->hp;
    if (draft->engine != target->engine) return hl_fail(err, HL_E_ARG, "opened with another engine");
    if (!draft->layers) return hl_fail(err, HL_E_ARG, "opened for its vocabulary only");
    if (target->arch->is_encoder || hl_is_draft_file(target) || target->arch->has_altup)
        return hl_fail(err, HL_E_ARG, "nothing drafts like that for models of architecture '%s'",
                       target->arch->name);
    if (hp->n_target != target->hp.n_embd)
        return hl_fail(err, HL_E_ARG, "made for a model whose n_embd is %u (%s.%s), and this one's is %u",
                       hp->n_target, draft->arch->name,
                       draft->arch->target_key ? draft->arch->target_key : "embedding_length",
                       target->hp.n_embd);
    for (uint32_t i = 0; i < hp->reads.n_layers; i++)
        if (hp->reads.layers[i] > target->hp.n_layers)
            return hl_fail(err, HL_E_ARG,
                           "key '%s.target_layers' names layer %u, and the model has %u (0..%u can be read)",
                           draft->arch->name, hp->reads.layers[i], target->hp.n_layers, target->hp.n_layers);
    return hl_draft_check_vocabulary(draft, target, err);
}

/* Sizes that fit() may change, and what the cache keeps: the target's layers, then its own. */
static hl_status copy_layers(hl_model *d, const hl_model *target, hl_err *err) {
    const uint32_t   n = d->hp.n_layers, n_target = target->hp.n_kv_layers;
    hl_layer_params *p = hl_arena_get(&d->arena, n, sizeof *p);
    hl_layer        *l = hl_arena_get(&d->arena, n, sizeof *l);
    hl_kv_layer     *kv = hl_arena_get(&d->arena, n_target + n, sizeof *kv);
    if (!p || !l || !kv) return hl_fail(err, HL_E_NOMEM, "no memory for the sizes of %u layers", n);
    memcpy(p, d->hp.layers, n * sizeof *p);
    memcpy(l, d->layers, n * sizeof *l);
    memcpy(kv, target->hp.kv_layers, n_target * sizeof *kv);
    for (uint32_t i = 0; i < n; i++) {
        kv[n_target + i] = (hl_kv_layer){p[i].shares_kv ? 0 : p[i].n_kv_heads, p[i].head_room, p[i].v_in_k};
        l[i].p = &p[i];
        p[i].i_kv = n_target + i;
    }
    d->hp.layers = p;
    d->layers = l;
    d->hp.kv_layers = kv;
    d->hp.n_kv_layers = n_target + n;
    return HL_OK;
}

hl_status hl_draft_file_new(const hl_model *draft, const hl_model *target, hl_model **ret_model,
                            hl_err *err) {
    const hl_draft_kind *kind = hl_draft_kind_of(draft->only_next ? HL_DRAFTS_NEXT : draft->arch->drafts);
    const hl_model      *what = draft->only_next ? draft->next : draft;
    hl_model            *d = NULL;
    hl_status            status = check_target(draft, what, target, err);
    if (status == HL_OK && !(d = hl_new(1, sizeof *d))) status = hl_fail(err, HL_E_NOMEM, "no memory");
    if (status == HL_OK) {
        memcpy(d, what, sizeof *d);
        d->loras = NULL;
        d->next = NULL;
        d->drafting = kind;
        hl_arena_init(&d->arena, ARENA_LIMIT_BYTES);
        d->hp.n_vocab = target->hp.n_vocab;
        status = copy_layers(d, target, err);
        if (status == HL_OK) status = kind->fit(d, target, err);
        if (status == HL_OK && d->out.n_rows != target->hp.n_vocab && !d->token_ids)
            status = hl_fail(err, HL_E_ARG, "a vocabulary of %zu tokens, and the model's has %u",
                             d->out.n_rows, target->hp.n_vocab);
    }
    if (status != HL_OK) {
        hl_draft_file_free(d);
        return hl_fail_within(err, status, "draft of architecture '%s'", draft->arch->name);
    }
    *ret_model = d;
    return HL_OK;
}

void hl_draft_file_free(hl_model *d) {
    if (!d) return;
    hl_arena_done(&d->arena);
    hl_free(d);
}
