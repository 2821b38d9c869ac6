/* SPDX-License-Identifier: MIT
 *
 * hf_vocab.h - tokenizer.json or tokenizer.model, and what lies beside it, as keys of a GGUF file.
 */
#ifndef HL_MODELS_CONVERT_HF_VOCAB_H
#define HL_MODELS_CONVERT_HF_VOCAB_H

#include "core/base/arena.h"
#include "core/data/json.h"
#include "core/gguf/gguf_writer.h"

/* What lies in the folder. JSON values may be NULL, and belong to the caller. */
typedef struct hl_vocab_source {
    const json_t *tokenizer;     /* tokenizer.json */
    hl_view       spm;           /* tokenizer.model; empty: none */
    const json_t *settings;      /* tokenizer_config.json */
    const json_t *config;        /* config.json */
    const json_t *generation;    /* generation_config.json */
    hl_view       template_text; /* chat_template.jinja; empty: none */
    size_t        n_rows;        /* of the embedding table: so many tokens there are */
    bool          is_encoder;
} hl_vocab_source;

/* Write all tokenizer.* keys.
 * in     arena  holds what the writer copies; may go after the call
 * fails  HL_E_UNSUPPORTED  a kind of tokenizer, or a rule to split texts, that is not known
 *        HL_E_FORMAT       what is wrong, and where; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_vocab_write(const hl_vocab_source *s, hl_arena *arena, hl_gguf_writer *w,
                                       hl_err *err);

#endif
