/* SPDX-License-Identifier: MIT
 *
 * mix.h - which type each tensor of a model gets.
 */
#ifndef HL_ENGINE_QUANTIZE_MIX_H
#define HL_ENGINE_QUANTIZE_MIX_H

#include "core/gguf/gguf.h"

typedef struct hl_mix hl_mix;

const hl_mix *hl_mix_find(const char *name); /* in any case; NULL: unknown */
const hl_mix *hl_mix_at(size_t i);           /* NULL past the last one */
const char   *hl_mix_name(const hl_mix *m);
uint32_t      hl_mix_file_type(const hl_mix *m);
bool          hl_mix_needs_importance(const hl_mix *m);

/* What the choice depends on, of a model. */
typedef struct hl_mix_model {
    uint32_t n_layers, n_heads, n_kv_heads, n_experts; /* 0: the file does not say */
    bool     has_output;                               /* output.weight; else token_embd.weight is it, too */
    bool     has_importance;
} hl_mix_model;

void hl_mix_look(const hl_gguf *g, bool has_importance, hl_mix_model *ret_model);

/* Whether the tensor is one that is quantized at all: a matrix, and none of those where rounding hurts and
 * saves nothing (norms, routers, positions ...). */
bool hl_mix_takes(const hl_gguf_tensor *t);

hl_type hl_mix_choose(const hl_mix *m, const hl_mix_model *model, bool pure, const hl_gguf_tensor *t);

/* The same type, or the next better one whose blocks divide rows of n_cols. */
hl_type hl_mix_fit(hl_type t, uint64_t n_cols);

#endif
