/* SPDX-License-Identifier: MIT
 *
 * peft_config.h - what an adapter_config.json of peft says of an adapter, and of one module of it.
 */
#ifndef HL_MODELS_CONVERT_PEFT_CONFIG_H
#define HL_MODELS_CONVERT_PEFT_CONFIG_H

#include "core/data/json.h"

typedef struct hl_peft_config hl_peft_config;

/* Read and check all of it. Texts stay in `root`, which must outlive the result.
 *
 * out    ret       owned: hl_peft_config_free()
 * fails  HL_E_UNSUPPORTED  an option whose meaning has no place here: names it, and why
 *        HL_E_FORMAT       an option that is not what it should be; HL_E_LIMIT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_peft_config_read(const json_t *root, hl_peft_config **ret, hl_err *err);
void                    hl_peft_config_free(hl_peft_config *c); /* NULL is allowed */

/* What is true whatever the module. alpha is finite and not 0. */
double hl_peft_config_alpha(const hl_peft_config *c); /* such that most modules have the scale alpha / rank */
/* The alpha of one module ("model.layers.0.self_attn.q_proj") whose scale is to be alpha / rank.
 * in     layer  -1: of none
 *        rank   as its tensors have it
 * fails  HL_E_FORMAT  another rank than it says; a module or a layer that it does not name */
HL_MUST_CHECK hl_status hl_peft_config_module(hl_peft_config *c, const char *module, int64_t layer,
                                              uint64_t rank, double *ret_alpha, hl_err *err);

/* A module that it names, and that hl_peft_config_module() was never asked for. NULL: none, or it is not said
 * by names */
const char *hl_peft_config_unused(const hl_peft_config *c);
/* Something that is said and has no effect, for people. NULL: nothing */
const char *hl_peft_config_idle(const hl_peft_config *c);

#endif
