/* SPDX-License-Identifier: MIT
 *
 * pretokenize.h - cut a text into the pieces that a byte-level BPE merges one by one.
 *
 * A rule is a list of patterns: each piece that exists so far is cut at every match of the next
 * pattern; matches and what lies between them are the new pieces. No byte is ever dropped.
 */
#ifndef HL_ENGINE_TOKENIZER_PRETOKENIZE_H
#define HL_ENGINE_TOKENIZER_PRETOKENIZE_H

#include "hyperlama/base.h"

enum { HL_SPLIT_MAX_PATTERNS = 8 };

enum { /* flags of a row of pretokenizers.def */
       HL_PRE_WHOLE = 1,
       HL_PRE_BOS = 2,
};

typedef struct hl_split_rule {
    const char *name;
    const char *patterns[HL_SPLIT_MAX_PATTERNS + 1]; /* NULL-terminated */
} hl_split_rule;

typedef struct hl_pretokenizer { /* a row of pretokenizers.def */
    const char          *name;
    const hl_split_rule *rule;
    unsigned             flags;
} hl_pretokenizer;

/* The row of `name`.
 * fails  HL_E_UNSUPPORTED, with all names we have */
HL_MUST_CHECK hl_status hl_pretokenizer_find(hl_view name, const hl_pretokenizer **ret, hl_err *err);

/* A rule with its patterns compiled: immutable, for any number of threads. */
typedef struct hl_splitter {
    const hl_split_rule *rule;
    void                *codes[HL_SPLIT_MAX_PATTERNS]; /* pcre2_code */
    size_t               n_codes;
} hl_splitter;

HL_MUST_CHECK hl_status hl_splitter_init(hl_splitter *s, const hl_split_rule *rule, hl_err *err);
void                    hl_splitter_done(hl_splitter *s);

typedef hl_status hl_piece_fn(void *user, size_t at, size_t n, hl_err *err);

/* One cutting of a text; belongs to one thread. Zero-initialise. */
typedef struct hl_split_state {
    void *match;   /* pcre2_match_data */
    void *context; /* pcre2_match_context; NULL until a pattern wanted more stack */
    void *jit_stack;
} hl_split_state;

void hl_split_state_done(hl_split_state *st);

/* Cut text[0, n), which must be valid UTF-8, and hand the pieces to `fn` in order.
 * fails  HL_E_NOMEM, HL_E_INTERNAL, what fn returns
 * cost   linear for the rules of split_rules.c */
HL_MUST_CHECK hl_status hl_split(const hl_splitter *s, hl_split_state *st, const char *text, size_t n,
                                 hl_piece_fn *fn, void *user, hl_err *err);

/* The rules, in split_rules.c. */
#define HL_PRETOKENIZER(name, rule, flags) extern const hl_split_rule hl_split_##rule;
#include "engine/tokenizer/pretokenizers.def"
#undef HL_PRETOKENIZER

#endif
