/* SPDX-License-Identifier: MIT
 *
 * grammar.h - the front door: formats compiled to automata, and for each sequence what may come next.
 *
 * A grammar is immutable and shared; masks of its states are kept for the vocabulary they were made for. A
 * matcher is the state of one sequence. Grammars know bytes, not tokens: a token may cross any border.
 *
 * For tool calls: compose a grammar in GBNF (HL_FORMAT_GBNF) with these terms beyond the usual ones:
 *
 *     %json { ... }          a value that the JSON schema allows; %json true is any value
 *     %mark "<tool_call>"    this text, spelled out or as the control token of that spelling
 *     %free "<tool_call>"    any text, control tokens included, that contains none of the strings (any number
 *                            of them; without one: any text at all); may be empty
 *     %quoted "<escape>" {}  a value that the schema allows in another dialect: texts between two of these,
 *                            unescaped, names bare, no white space
 *     %raw "</x>" { ... }    a text that the schema allows, without quotes, that does not contain this
 *
 * A call that is constrained only when the model begins one ("lazy") is then
 *
 *     root ::= %free "<tool_call>" ( %mark "<tool_call>" call %free "<tool_call>" )*
 *     call ::= "\n"? %json {"anyOf": [...]} "\n"? %mark "</tool_call>"
 *
 * and a forced one begins with %mark or `%free "<tool_call>" %mark "<tool_call>"`. Free text costs one cached
 * mask. The end of generation is allowed wherever the grammar may end, and comes by itself where nothing else
 * may follow.
 */
#ifndef HL_ENGINE_GRAMMAR_GRAMMAR_H
#define HL_ENGINE_GRAMMAR_GRAMMAR_H

#include "hyperlama/base.h"
#include "hyperlama/format.h"

typedef struct hl_grammar hl_grammar;

/* Compile a format. hl_stop_watch()'s flag ends it.
 *
 * in     f     not HL_FORMAT_NONE
 *        lead  a grammar in GBNF of which %answer is the format: what may stand around it, reasoning; empty:
 *              nothing
 * fails  HL_E_FORMAT  the text cannot be read, or it is no schema: where, and what was expected
 *        HL_E_ARG     a keyword that cannot be enforced, or a format that allows no text at all: the keyword
 *                     and its place as a JSON pointer
 *        HL_E_FULL    too many states, too deep
 *        HL_E_CANCEL, HL_E_NOMEM
 * owns   hl_grammar_unref(); hl_grammar_ref() for each further owner; any thread */
HL_MUST_CHECK hl_status hl_grammar_compile(const hl_format *f, hl_view lead, hl_grammar **ret_grammar,
                                           hl_err *err);
hl_grammar             *hl_grammar_ref(hl_grammar *g);
void                    hl_grammar_unref(hl_grammar *g); /* NULL is allowed */

/* ---- the vocabulary ---- */

/* How tokens are spelled: the caller's, who knows the tokenizer. */
typedef struct hl_grammar_tokens {
    void   *user;
    int32_t n_vocab;
    /* The bytes of a token into buf[cap]; returns how many there are (may exceed cap), 0 for none. */
    size_t (*piece)(void *user, int32_t id, char *buf, size_t cap);
    enum hl_token_role { HL_TOKEN_TEXT, HL_TOKEN_CONTROL, HL_TOKEN_END } (*role)(void *user, int32_t id);
} hl_grammar_tokens;

typedef struct hl_token_trie
    hl_token_trie; /* tokens by their bytes, and masks that were computed with them */

/* owns  hl_token_trie_free(), after all matchers; any number of threads may use it */
HL_MUST_CHECK hl_status hl_token_trie_new(const hl_grammar_tokens *t, hl_token_trie **ret_trie, hl_err *err);
void                    hl_token_trie_free(hl_token_trie *t); /* NULL is allowed */

/* ---- one sequence ---- */

typedef struct hl_matcher hl_matcher;

/* in     trie  must outlive it; the grammar is kept alive
 * fails  HL_E_ARG    no token of the vocabulary can begin such a text
 *        HL_E_NOMEM
 * thread one at a time */
HL_MUST_CHECK hl_status hl_matcher_new(hl_grammar *g, hl_token_trie *trie, hl_matcher **ret_matcher,
                                       hl_err *err);
void                    hl_matcher_free(hl_matcher *m); /* NULL is allowed */

/* A bit for each token that may come next, [(n_vocab + 31) / 32]; those that end the generation where the
 * text may end. No bit is set when it failed. Valid until the next call. */
const uint32_t *hl_matcher_allowed(hl_matcher *m);
/* A token came. False: it was not allowed, and nothing is from now on. */
bool hl_matcher_accept(hl_matcher *m, int32_t token);
bool hl_matcher_accept_bytes(hl_matcher *m, const char *bytes, size_t n);
bool hl_matcher_may_end(const hl_matcher *m);
bool hl_matcher_is_done(const hl_matcher *m); /* and nothing else can follow */
/* The bytes that must come next, whatever else does, into buf[cap]; returns how many: 0 where there is more
 * than one way on, or an end. */
size_t hl_matcher_forced(hl_matcher *m, char *buf, size_t cap);
/* The same as tokens, each the longest that fits; at most cap. */
size_t hl_matcher_forced_tokens(hl_matcher *m, int32_t *ids, size_t cap);
/* How many of the tokens, [n], could come one behind the other from here; nothing is accepted. */
size_t hl_matcher_fits(hl_matcher *m, const int32_t *ids, size_t n);

#endif
