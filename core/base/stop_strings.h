/* SPDX-License-Identifier: MIT
 *
 * stop_strings.h - text that comes piece by piece, cut where the first of some strings begins.
 *
 * What may be the beginning of one of them is held back until it is certain. The string itself and all
 * behind it never come out. Each byte has a kind, which whoever takes it gets back; what is of two kinds
 * may still be one string.
 */
#ifndef HL_CORE_BASE_STOP_STRINGS_H
#define HL_CORE_BASE_STOP_STRINGS_H

#include "core/base/str.h"

typedef struct hl_stop_strings {
    char **each; /* [n] copies, in one piece of memory */
    size_t n;
    hl_str pending; /* not handed out yet */
    hl_str kinds;   /* [pending.len] */
    bool   stopped; /* one was found */
    size_t number;  /* which: counted from 1; 0: none */
    bool   failed;  /* no memory: nothing comes out any more */
} hl_stop_strings;

/* Takes some text of one kind. False: no more. */
typedef bool hl_stop_strings_fn(void *user, hl_view text, char kind);

/* in     strings  [n] copied; empty ones are never found
 * fails  seen as s->failed */
void hl_stop_strings_init(hl_stop_strings *s, const char *const *strings, size_t n);
void hl_stop_strings_done(hl_stop_strings *s);  /* of zeros, too */
void hl_stop_strings_clear(hl_stop_strings *s); /* as if no text had come */

/* Add text and hand out what became certain. False: fn said so. */
bool hl_stop_strings_feed(hl_stop_strings *s, hl_view text, char kind, hl_stop_strings_fn *fn, void *user);
/* Hand out what is held back: what comes next, if anything does, does not belong to it. */
bool hl_stop_strings_flush(hl_stop_strings *s, hl_stop_strings_fn *fn, void *user);

#endif
