/* SPDX-License-Identifier: MIT
 *
 * special.h - find tokens that stand in the text as they are spelled: "<|im_end|>", runs of newlines.
 *
 * A trie of all control, unknown and user-defined tokens; at every place the longest one wins.
 * User-defined tokens are always looked for, the others only where the caller allows it.
 */
#ifndef HL_ENGINE_TOKENIZER_SPECIAL_H
#define HL_ENGINE_TOKENIZER_SPECIAL_H

#include "core/base/arena.h"
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

/* Find the first special token in text[from, n).
 * in    with_control  look for control and unknown tokens, too
 * out   *ret_at, *ret_n where it stands; returns its id, -1 when there is none */
int32_t hl_special_find(const hl_special *s, hl_view text, size_t from, bool with_control, size_t *ret_at,
                        size_t *ret_n);

#endif
