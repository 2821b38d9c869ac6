/* SPDX-License-Identifier: MIT
 *
 * special.h - find tokens that stand in the text as they are spelled: "<|im_end|>", runs of newlines.
 *
 * A trie of all control, unknown and user-defined tokens; at every place the longest one wins.
 * User-defined tokens are always looked for, the others only where the caller allows it: never where a byte
 * of them came from outside.
 */
#ifndef HL_ENGINE_TOKENIZER_SPECIAL_H
#define HL_ENGINE_TOKENIZER_SPECIAL_H

#include "core/base/arena.h"
#include "core/base/taint.h"
#include "engine/tokenizer/vocab.h"

enum { HL_SPECIAL_MAX_BYTES = 512 }; /* longer ones are never found in a text: keeps the search linear */

struct hl_special_node;
typedef struct hl_special {
    const hl_vocab         *vocab;
    hl_arena                arena;
    struct hl_special_node *roots[256];       /* by first byte */
    bool                    starts_user[256]; /* some user-defined token begins with this byte */
    bool                    any, any_user;
} hl_special;

HL_MUST_CHECK hl_status hl_special_load(hl_special *s, const hl_vocab *v, hl_err *err);
void                    hl_special_done(hl_special *s);

/* Where control and unknown tokens count: nowhere, or only where no byte of them is tainted. */
typedef struct hl_special_rule {
    bool           with_control;
    const hl_span *tainted; /* [n_tainted], as in hl_tainted */
    size_t         n_tainted;
} hl_special_rule;

/* Find the first special token in text[from, n); at one place the longest that the rule allows.
 * out   *ret_at, *ret_n where it stands; returns its id, -1 when there is none or the thread was asked to
 *       stop */
int32_t hl_special_find(const hl_special *s, hl_view text, size_t from, const hl_special_rule *rule,
                        size_t *ret_at, size_t *ret_n);

#endif
