/* SPDX-License-Identifier: MIT
 *
 * loose_json.h - one value as models write JSON, copied as strict JSON while it comes.
 *
 * What is strict already is copied byte for byte: another turn will show it to the model again, and what was
 * computed for it is found again. The rest is mended: single quotes, Python's True, False and None, bare keys
 * and words, line ends in strings, commas too many, escapes that JSON does not know. Whatever comes in, what
 * was written so far is the beginning of some JSON value.
 */
#ifndef HL_ENGINE_TOOLCALLS_LOOSE_JSON_H
#define HL_ENGINE_TOOLCALLS_LOOSE_JSON_H

#include "core/base/str.h"

enum { HL_LOOSE_MAX_DEPTH = 128 };

typedef enum hl_loose_step {
    HL_LOOSE_MORE,
    HL_LOOSE_DONE,   /* the value ended with this byte */
    HL_LOOSE_BEHIND, /* it had ended before this byte, which was not taken */
    HL_LOOSE_BROKEN  /* no value goes on like this; the byte was not taken */
} hl_loose_step;

typedef enum hl_loose_state {
    HL_LOOSE_VALUE, /* one is to come */
    HL_LOOSE_KEY,   /* a key, or the object's end */
    HL_LOOSE_COLON,
    HL_LOOSE_AFTER, /* a comma, or the end of list or object */
    HL_LOOSE_STRING,
    HL_LOOSE_ESCAPE,
    HL_LOOSE_HEX,    /* digits of an escape, in `word` */
    HL_LOOSE_QUOTE,  /* inside the opening `quote` */
    HL_LOOSE_QUOTED, /* between two of them */
    HL_LOOSE_WORD
} hl_loose_state;

typedef struct hl_loose_json {
    hl_loose_state state;
    const char    *quote;   /* begins and ends strings without escapes, as Gemma has it; NULL: none */
    size_t         n_quote; /* bytes of it that came */
    int            depth;
    uint64_t       objects[HL_LOOSE_MAX_DEPTH / 64]; /* a bit for each level: an object, else a list */
    char           ends;                             /* the quote that ends the string */
    int            n_digits;                         /* of the escape */
    bool           is_key, has_comma;
    hl_str         key;  /* the last key, as JSON */
    hl_str         word; /* without quotes; or the digits of an escape */
    hl_str         gap;  /* white space behind a comma that may be one too many */
} hl_loose_json;

/* in     quote  may be NULL; must outlive it */
void hl_loose_json_init(hl_loose_json *l, const char *quote);
void hl_loose_json_done(hl_loose_json *l); /* of zeros, too */

/* One more byte; what is certain is appended to out. */
hl_loose_step hl_loose_json_feed(hl_loose_json *l, char c, hl_str *out);
/* Nothing more comes: end what is open, so that a whole value stands there. */
void hl_loose_json_complete(hl_loose_json *l, hl_str *out);

/* A whole text as one value; false, and nothing appended, when it is none. */
bool hl_loose_json_convert(hl_view text, hl_str *out);

/* A number as JSON has it, and nothing else. */
bool hl_is_json_number(hl_view v);

/* Append a byte of a text that is between quotes. */
void hl_json_add_byte(hl_str *out, char c);

static inline bool hl_is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

#endif
