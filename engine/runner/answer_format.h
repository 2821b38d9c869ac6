/* SPDX-License-Identifier: MIT
 *
 * answer_format.h - the format of an answer as the sampler's constraint, and compiled formats of a runner.
 */
#ifndef HL_ENGINE_RUNNER_ANSWER_FORMAT_H
#define HL_ENGINE_RUNNER_ANSWER_FORMAT_H

#include <pthread.h>

#include "engine/grammar/grammar.h"
#include "engine/runner/answer_text.h"
#include "engine/runner/think_limit.h"

enum { HL_FORMATS_KEPT = 64 };

/* What a runner has of formats: its vocabulary, made when the first format is asked for, and the latest
 * grammars. Any thread. */
typedef struct hl_formats {
    pthread_mutex_t lock;
    hl_token_trie  *trie; /* NULL: not made yet */
    struct hl_kept_format {
        hl_format   format; /* a copy; kind NONE: free */
        hl_view     lead;   /* a copy */
        hl_grammar *grammar;
        uint64_t    used_at;
    } kept[HL_FORMATS_KEPT];
    uint64_t clock;
} hl_formats;

void hl_formats_init(hl_formats *f);
void hl_formats_done(hl_formats *f); /* after all answers */

/* What may stand in front of the format: the end of reasoning that the prompt began, or all of it, or
 * nothing.
 * in     may_think   the model may begin to reason by itself
 *        has_header  the format says itself which message of gpt-oss it is */
void hl_format_write_lead(const hl_answer_form *form, bool may_think, bool has_header, hl_str *s);

/* A matcher for one answer.
 * fails  as hl_grammar_compile() and hl_matcher_new() */
HL_MUST_CHECK hl_status hl_formats_match(hl_formats *f, const hl_tokenizer *t, const hl_format *format,
                                         hl_view lead, hl_matcher **ret_matcher, hl_err *err);

/* The constraint of one answer: its format, and in front of that the end of its reasoning. */
typedef struct hl_answer_format {
    hl_constraint   constraint; /* for the sampler; self is this */
    hl_matcher     *matcher;
    hl_think_limit *limit; /* NULL: none */
} hl_answer_format;

/* in     limit  must outlive it
 * owns   the matcher; hl_answer_format_done(), also of zeros. It must not move */
void hl_answer_format_init(hl_answer_format *f, hl_matcher *matcher, hl_think_limit *limit);
void hl_answer_format_done(hl_answer_format *f);

#endif
