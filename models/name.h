/* SPDX-License-Identifier: MIT
 *
 * name.h - what the store needs to know about names beyond models.h.
 */
#ifndef HL_MODELS_NAME_H
#define HL_MODELS_NAME_H

#include "models/models.h"

typedef enum hl_name_kind { HL_NAME_HOST, HL_NAME_SPACE, HL_NAME_MODEL, HL_NAME_TAG } hl_name_kind;

/* May this be a part of a name? True means that it is also safe as a file name. */
bool hl_name_part_is_valid(hl_name_kind kind, hl_view part);

/* Same host, namespace and model, whatever the tag; ASCII case does not matter. */
bool hl_name_eq_but_tag(const hl_name *a, const hl_name *b);

/* The full form in lower case: one spelling for every name that is equal. */
void hl_name_format_key(const hl_name *name, char ret_text[HL_NAME_TEXT_BYTES]);

/* Insertions, deletions and substitutions between two texts, ASCII case ignored; texts longer than
 * 127 bytes count as different as they are long. */
size_t hl_name_distance(const char *a, const char *b);

#endif
