/* SPDX-License-Identifier: MIT
 *
 * draft_file.h - a file that was made to draft for one model, and that model, brought together.
 *
 * The result is a model of drafts.h: the file's tensors, with what it takes of the target's (its embedding,
 * its head, its keys and values). Nothing of either is copied but tables of pointers.
 */
#ifndef HL_ENGINE_SPECULATE_DRAFT_FILE_H
#define HL_ENGINE_SPECULATE_DRAFT_FILE_H

#include "engine/model_priv.h"

/* Is it such a file? Else it is a model that can draft as any small one does (draft_model.h). */
static inline bool hl_is_draft_file(const hl_model *m) {
    return m->only_next || (m->arch && m->arch->drafts != HL_DRAFTS_NOT);
}

/* in     draft, target  of the same engine; both outlive the result
 * fails  HL_E_ARG  the target is not the one it was made for: what does not fit, with both numbers
 *        HL_E_NOMEM
 * owns   hl_draft_file_free() */
HL_MUST_CHECK hl_status hl_draft_file_new(const hl_model *draft, const hl_model *target, hl_model **ret_model,
                                          hl_err *err);
void                    hl_draft_file_free(hl_model *d); /* NULL is allowed */

#endif
