/* SPDX-License-Identifier: MIT
 *
 * format.h - what an answer must look like: JSON, a JSON schema, a grammar, a regular expression, a choice.
 *
 * The sampler then only sees tokens that lead to such an answer, and the answer ends where the format ends
 * (docs/formats/structured-output.md).
 */
#ifndef HL_FORMAT_H
#define HL_FORMAT_H

#include "hyperlama/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hl_format_kind {
    HL_FORMAT_NONE,   /* any text */
    HL_FORMAT_JSON,   /* any JSON object; the text is not looked at */
    HL_FORMAT_SCHEMA, /* a JSON schema, draft 2020-12 */
    HL_FORMAT_GBNF,   /* a grammar in GBNF, of which `root` is the answer */
    HL_FORMAT_REGEX,  /* a regular expression that the whole answer matches */
    HL_FORMAT_CHOICE, /* a JSON array of strings, one of which is the answer */
} hl_format_kind;

typedef struct hl_format {
    hl_format_kind kind;
    hl_view        text;
} hl_format;

/* "json", "schema", "gbnf", "regex", "choice"; NULL for NONE. */
HL_API const char *hl_format_name(hl_format_kind kind);
HL_API bool        hl_format_find(const char *name, hl_format_kind *ret_kind); /* false: there is none */

#ifdef __cplusplus
}
#endif
#endif
