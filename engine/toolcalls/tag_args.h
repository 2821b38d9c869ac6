/* SPDX-License-Identifier: MIT
 *
 * tag_args.h - arguments that come as tags, one for each parameter, copied as a JSON object while they come.
 *
 * Values are not escaped in most formats: what ends one is its close tag with another tag, or the end of the
 * call, behind it. Values of parameters that can only be strings are copied as they come; others become JSON
 * when they are whole, as the tool's schema wants them.
 */
#ifndef HL_ENGINE_TOOLCALLS_TAG_ARGS_H
#define HL_ENGINE_TOOLCALLS_TAG_ARGS_H

#include "engine/toolcalls/call_format.h"
#include "engine/toolcalls/loose_json.h"
#include "engine/toolcalls/tool_list.h"

typedef enum hl_tag_state { HL_TAG_BETWEEN, HL_TAG_KEY, HL_TAG_GAP, HL_TAG_VALUE, HL_TAG_JSON } hl_tag_state;

typedef struct hl_tag_args {
    const hl_call_format *format;
    const json_t         *function;
    hl_tag_state          state;
    hl_str                look;  /* not taken yet: may be a tag */
    hl_str                key;   /* of the parameter in hand; in JSON: unused */
    hl_str                value; /* of one that is not copied as it comes */
    unsigned              types;
    bool                  is_copied; /* the value is a string, and is written as it comes */
    bool                  has_begun; /* the value has a first byte */
    size_t                n_params;
    hl_loose_json         json; /* an object where tags were expected */
} hl_tag_args;

void hl_tag_args_init(hl_tag_args *t, const hl_call_format *f, const json_t *function);
void hl_tag_args_done(hl_tag_args *t); /* of zeros, too */

/* One more byte; true: the call has ended, and `look` holds what came behind it. */
bool hl_tag_args_feed(hl_tag_args *t, char c, hl_str *out);
/* Nothing more comes: end what is open. */
void hl_tag_args_complete(hl_tag_args *t, hl_str *out);

#endif
