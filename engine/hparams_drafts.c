/* SPDX-License-Identifier: MIT
 *
 * hparams_drafts.c - what a file that drafts for another model says of that model.
 *
 * Whether it is so is found out when the two are brought together: engine/speculate/draft_file.c.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/hparams_keys.h"

/* The layers of the model whose input it reads. */
static void read_tapped(hl_key_reader *r, uint32_t n_wanted, hl_hidden_of *ret) {
    char                 key[128], expected[32];
    const bool           any = n_wanted == HL_TAPS_ANY;
    const hl_gguf_value *v = hl_key_find(r, "target_layers", key, sizeof key);
    if (r->status != HL_OK) return;
    if (!v || v->kind != HL_GGUF_ARRAY || (any ? v->n < 1 || v->n > HL_MAX_TAPPED : v->n != n_wanted)) {
        (void)snprintf(expected, sizeof expected, "%s%u", any ? "1.." : "", any ? HL_MAX_TAPPED : n_wanted);
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' %s, expected a list of %s layers", key,
                            v ? "is of another length, or no list" : "is missing", expected);
        return;
    }
    n_wanted = (uint32_t)v->n;
    for (uint32_t i = 0; i < n_wanted; i++) {
        int64_t x = -1;
        if (!hl_gguf_elem_i64(v, i, &x) || x < 0 || x > HL_MAX_LAYERS) {
            r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': layer %" PRId64 ", expected 0..%d", key, x,
                                HL_MAX_LAYERS);
            return;
        }
        ret->layers[i] = (uint32_t)x;
    }
    ret->n_layers = n_wanted;
}

static void read_head(const hl_key_reader *r, hl_hparams *hp) {
    const hl_gguf_tensor *t = hl_gguf_find_tensor(r->g, "output.weight");
    if (t && t->n_dims > 1 && t->shape[0] <= HL_MAX_VOCAB) hp->n_head = (uint32_t)t->shape[0];
}

static void read_block(hl_key_reader *r, hl_hparams *hp) {
    enum { DEFAULT_BLOCK = 16, MAX_BLOCK = 256 };
    static const char key[] = "tokenizer.ggml.mask_token_id";
    hp->block_size = hl_key_u32(r, "block_size", DEFAULT_BLOCK);
    hl_key_check_limit(r, "block_size", hp->block_size, MAX_BLOCK);
    if (hp->block_size < 2) hl_key_fail(r, "block_size", hp->block_size, "2 or more");
    if (r->status != HL_OK) return;
    r->status = hl_gguf_get_u32(r->g, key, &hp->mask_token, r->err);
    if (r->status == HL_E_NOT_FOUND)
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is missing: a block is asked for with it", key);
}

void hl_key_read_drafting(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp) {
    if (arch->drafts == HL_DRAFTS_NOT) return;
    hp->n_target = arch->target_key ? hl_key_need_u32(r, arch->target_key) : hp->n_embd;
    hp->n_own = hp->n_target;
    hl_key_check_limit(r, arch->target_key ? arch->target_key : "embedding_length", hp->n_target,
                       HL_MAX_EMBD);
    for (uint32_t i = 0; i < hp->n_layers && arch->borrows_kv; i++) hp->layers[i].shares_kv = true;
    if (arch->n_tapped == 0) return;
    read_tapped(r, arch->n_tapped, &hp->reads);
    if (arch->weights[HL_W_OUT] != HL_IGNORED) read_head(r, hp);
    if (arch->drafts == HL_DRAFTS_DFLASH) read_block(r, hp);
    if (arch->drafts != HL_DRAFTS_EAGLE3) return;
    hp->n_own = hp->n_embd;
    hp->norms_features = hl_key_bool(r, "norm_before_fc", false);
    hp->norms_residual = hl_key_bool(r, "norm_before_residual", false);
    if (hp->n_layers != 1) hl_key_fail(r, "block_count", hp->n_layers, "1");
}
