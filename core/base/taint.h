/* SPDX-License-Identifier: MIT
 *
 * taint.h - a text that remembers which of its bytes came from outside.
 *
 * What a chat template writes may become a control token; what a user, a tool or a document wrote must not,
 * wherever in the prompt it ends up and however it was cut or joined on the way. So renderers append to a
 * tainted text and say of each piece where it came from, and the tokenizer takes a control token only where
 * no byte of it is tainted.
 */
#ifndef HL_CORE_BASE_TAINT_H
#define HL_CORE_BASE_TAINT_H

#include "core/base/str.h"

typedef struct hl_span {
    size_t begin, end; /* bytes [begin, end) */
} hl_span;

typedef struct hl_tainted {
    hl_str   text;    /* text.failed also stands for the spans */
    hl_span *tainted; /* [n_tainted] in order, not touching: what came from outside */
    size_t   n_tainted, tainted_cap;
} hl_tainted;

void hl_tainted_init(hl_tainted *t, size_t limit_bytes);
void hl_tainted_done(hl_tainted *t);

/* Append; no memory, or past the limit, is remembered in t->text.failed. */
void hl_tainted_add(hl_tainted *t, hl_view v, bool is_tainted);
/* Take the first n bytes off. */
void hl_tainted_drop_front(hl_tainted *t, size_t n);

/* Is any byte of [begin, end) tainted? Steps through log2(n) spans. */
bool hl_spans_touch(const hl_span *spans, size_t n_spans, size_t begin, size_t end);

#endif
