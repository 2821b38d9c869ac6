/* SPDX-License-Identifier: MIT
 *
 * tokenizer_load.h - build a tokenizer from the tokenizer.* keys of a GGUF file.
 */
#ifndef HL_ENGINE_TOKENIZER_TOKENIZER_LOAD_H
#define HL_ENGINE_TOKENIZER_TOKENIZER_LOAD_H

#include "core/gguf/gguf.h"
#include "hyperlama/tokenizer.h"

/* in     g     must outlive the tokenizer: token texts stay in the mapped file
 * fails  HL_E_NOT_FOUND    the file has no vocabulary (tokenizer.ggml.model is absent, "none" or "no_vocab")
 *        HL_E_UNSUPPORTED  a kind we do not have, named, with the list of those we have
 *        HL_E_FORMAT       inconsistent lists, bad ids, wrong element types
 *        HL_E_NOMEM
 *        HL_E_CANCEL       the thread was asked to stop (core/base/stop.h) */
HL_MUST_CHECK hl_status hl_tokenizer_new(const hl_gguf *g, hl_tokenizer **ret_tokenizer, hl_err *err);
void                    hl_tokenizer_free(hl_tokenizer *t); /* NULL is allowed */

#endif
