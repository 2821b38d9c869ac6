/* SPDX-License-Identifier: MIT
 *
 * call_reader.h - one call, read along one pattern of a format, byte by byte.
 *
 * Until the function's name is known, and is the name of a tool, it is only a candidate: several read the
 * same bytes along several patterns, and what none of them takes is text.
 */
#ifndef HL_ENGINE_TOOLCALLS_CALL_READER_H
#define HL_ENGINE_TOOLCALLS_CALL_READER_H

#include "engine/toolcalls/python_call.h"
#include "engine/toolcalls/tag_args.h"

typedef enum hl_read_step {
    HL_READ_MORE,
    HL_READ_DONE, /* the call has ended; `left` holds what stands behind it */
    HL_READ_DEAD  /* this is no call of a known tool. Only before has_begun */
} hl_read_step;

typedef enum hl_object_field {
    HL_FIELD_OTHER,
    HL_FIELD_NAME,
    HL_FIELD_ID,
    HL_FIELD_ARGUMENTS
} hl_object_field;

typedef struct hl_call_reader {
    const hl_call_format *format;
    const json_t         *tools;
    const char           *at;         /* in the pattern */
    const json_t         *function;   /* NULL: not known yet */
    bool                  has_begun;  /* name and id are there, arguments may be */
    bool                  is_strict;  /* %o: other fields than a call's make it something else */
    bool                  is_in_list; /* more calls may follow without a mark */
    bool                  has_args;   /* bytes of them came, taken out or not */
    hl_str                name, id;
    hl_str                args; /* arguments; whoever reads them takes them out */
    hl_str                left;
    /* Of what the pattern ends with. */
    bool            is_open; /* its first byte came */
    hl_loose_json   json;    /* %j: arguments; %o: the object around them */
    hl_str          field;   /* %o: the value in hand */
    hl_object_field kind;    /* of it */
    bool            is_in_value;
    int             depth; /* %o: where name and arguments stand */
    hl_tag_args     tags;
    hl_python_call  python;
} hl_call_reader;

void hl_call_reader_init(hl_call_reader *r);
void hl_call_reader_done(hl_call_reader *r);

/* Begin again, along another pattern. */
void hl_call_reader_start(hl_call_reader *r, const hl_call_format *f, const char *pattern,
                          const json_t *tools);
/* Begin with a name that is known: only arguments are to come. False: there is no such tool. */
bool hl_call_reader_start_named(hl_call_reader *r, const hl_call_format *f, hl_view name,
                                const json_t *tools);

hl_read_step hl_call_reader_feed(hl_call_reader *r, char c);
/* Nothing more comes.
 * in     is_cut  the answer was cut off: what was written stays as it is; else its ends are added
 * Returns HL_READ_MORE when the call is not whole. */
hl_read_step hl_call_reader_finish(hl_call_reader *r, bool is_cut);

#endif
