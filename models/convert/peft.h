/* SPDX-License-Identifier: MIT
 *
 * peft.h - a LoRA adapter as peft saves it (adapter_config.json, adapter_model.safetensors) becomes a GGUF
 * adapter of a model.
 *
 * Tensors keep their type but where values have to be changed: a module whose scale is not alpha / rank of
 * all gets it into its B, as F32. Rows of B are put in the order that the rows of the model's matrix have
 * in GGUF.
 */
#ifndef HL_MODELS_CONVERT_PEFT_H
#define HL_MODELS_CONVERT_PEFT_H

#include "core/base/arena.h"
#include "core/gguf/gguf_writer.h"
#include "models/convert/convert.h"
#include "models/convert/peft_config.h"
#include "models/convert/safetensors.h"

/* Add all keys and tensors.
 *
 * in     base  the model that it is for, which says what there is and of which shape
 *        arena, weights  must stay until the file is written
 * fails  HL_E_UNSUPPORTED  the model's architecture is none of those that convert; a tensor that is no
 *                          pair of low rank, or of what adapters cannot change
 *        HL_E_FORMAT       half a pair, other shapes or ranks, what the model does not have
 *        HL_E_NOMEM        also later, when the file is written; then also HL_E_FORMAT: a value that is no
 *                          finite number */
HL_MUST_CHECK hl_status hl_peft_write(hl_peft_config *config, const hl_safetensors *weights,
                                      const hl_gguf *base, const hl_convert_options *o, hl_arena *arena,
                                      hl_gguf_writer *w, hl_err *err);

#endif
