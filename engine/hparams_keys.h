/* SPDX-License-Identifier: MIT
 *
 * hparams_keys.h - the keys of a model, one by one, for the files that make hl_hparams of them.
 *
 * The first failure is kept; what is read behind it does nothing and gives the default.
 */
#ifndef HL_ENGINE_HPARAMS_KEYS_H
#define HL_ENGINE_HPARAMS_KEYS_H

#include "engine/model_priv.h"

typedef struct hl_key_reader {
    const hl_gguf *g;
    const char    *arch;
    uint32_t       by_layer; /* HL_BY_LAYER_*: sizes that may differ */
    uint32_t       may_be_0; /* of those, which ones may be 0 in some layers */
    uint32_t       n_layers; /* 0 until known: arrays are not looked at */
    hl_err        *err;
    hl_status      status; /* first failure; later reads do nothing */
} hl_key_reader;

/* "<architecture>.<suffix>", whose name goes to ret_key; NULL: absent, or something has failed before. */
const hl_gguf_value *hl_key_find(hl_key_reader *r, const char *suffix, char *ret_key, size_t cap);

/* A whole number; absent, 0 and 4294967295 are the fallback. How large it may be says check_limits(). */
uint32_t hl_key_u32(hl_key_reader *r, const char *suffix, uint32_t fallback);
uint32_t hl_key_need_u32(hl_key_reader *r, const char *suffix);
float    hl_key_f32(hl_key_reader *r, const char *suffix, float fallback); /* absent and 0 are the fallback */
bool     hl_key_bool(hl_key_reader *r, const char *suffix, bool fallback);

/* A whole number for each layer, to the field of hl_layer_params that begins at `at`; where the file has
 * none, what stands in the field already is the default. */
void hl_key_each(hl_key_reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at);
void hl_key_need_each(hl_key_reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at);

/* One number of a list by layer, or one for all, of a key that is named in full. False: absent, or failed. */
bool hl_key_f32_of_layer(hl_key_reader *r, const char *key, uint32_t i_layer, float *ret);

void hl_key_fail(hl_key_reader *r, const char *what, double found, const char *expected);
/* One of `most` at most: see capacities.def. */
void hl_key_check_limit(hl_key_reader *r, const char *suffix, uint32_t value, uint32_t most);

/* hparams_blocks.c: what the blocks of an architecture read of their own. */
void hl_key_read_experts(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);
void hl_key_read_blocks(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);
void hl_key_read_mla(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);

/* hparams_drafts.c: of files that draft for another model, what they say of that. */
void hl_key_read_drafting(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);

/* hparams_recurrent.c: which layers attend and which ones keep a state; heads where not all attend; how large
 * states are. */
void hl_key_read_mixers(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);
void hl_key_read_head_counts(hl_key_reader *r, hl_hparams *hp);
void hl_key_read_states(hl_key_reader *r, const hl_arch *arch, hl_hparams *hp);
void hl_key_drop_heads(hl_hparams *hp); /* of layers that do not attend */

#endif
