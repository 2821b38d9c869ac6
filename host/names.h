/* SPDX-License-Identifier: MIT
 *
 * names.h - names of the user's own for models: aliases and presets of the settings file.
 */
#ifndef HL_HOST_NAMES_H
#define HL_HOST_NAMES_H

#include "core/base/config.h"
#include "models/models.h"

/* The i-th name that `alias` stands for, without blanks around it, *ret of cap bytes. False: there are no
 * more, or it is no alias. */
bool hl_alias_at(const hl_config *c, const char *alias, size_t i, char *ret, size_t cap);

/* The model that a preset is made of. NULL: it is no preset, or it names none. */
const char *hl_preset_model(const hl_config *c, const char *preset);
bool        hl_preset_exists(const hl_config *c, const char *preset);

/* A stored model with the system text and the parameters of a preset instead of its own.
 *
 * in     base  must outlive the result, which uses its texts
 * fails  HL_E_ARG  a parameter that no option is called by, or with another value: as hl_options_set()
 *        HL_E_NOMEM
 * owns   hl_preset_free() */
HL_MUST_CHECK hl_status hl_preset_make(const hl_config *c, const char *preset, const hl_stored_model *base,
                                       hl_stored_model **ret_model, hl_err *err);
void                    hl_preset_free(hl_stored_model *m); /* NULL is allowed */

/* Names of presets and aliases, in the order of the file, each once. NULL: no more. */
const char *hl_own_name_at(const hl_config *c, size_t i);

#endif
