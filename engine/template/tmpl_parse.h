/* SPDX-License-Identifier: MIT
 *
 * tmpl_parse.h - the parser's state, shared by statements and expressions.
 *
 * Functions return NULL once an error is recorded; the first one stays.
 */
#ifndef HL_TEMPLATE_TMPL_PARSE_H
#define HL_TEMPLATE_TMPL_PARSE_H

#include "engine/template/tmpl_ast.h"

typedef struct hl_tparser {
    hl_template     *t;
    const hl_ttoken *tok; /* current */
    int              depth;
    int              n_for;          /* for blocks around this place, else parts and macros included */
    int              n_loops;        /* for blocks around this place, within the same macro */
    int              n_conditionals; /* where an unknown filter is an error only when reached */
    hl_tn           *macro;          /* innermost macro or call block; NULL outside */
    hl_status        status;
    hl_err          *err;
} hl_tparser;

hl_tn *hl_tparse_fail(hl_tparser *p, const hl_ttoken *at, const char *fmt, ...) HL_PRINTF(3, 4);
hl_tn *hl_tparse_node(hl_tparser *p, hl_tnk kind, uint32_t line);
bool   hl_tparse_enter(hl_tparser *p);

bool        hl_tparse_is_op(const hl_tparser *p, uint16_t op);
bool        hl_tparse_is_word(const hl_tparser *p, const char *word);
bool        hl_tparse_skip_op(hl_tparser *p, uint16_t op);
bool        hl_tparse_skip_word(hl_tparser *p, const char *word);
bool        hl_tparse_expect_op(hl_tparser *p, uint16_t op); /* false: error recorded */
hl_tsym    *hl_tparse_expect_name(hl_tparser *p);
const char *hl_tparse_describe(const hl_ttoken *tok, char *to, size_t n);

bool hl_tparse_are_distinct(hl_tparser *p, const hl_ttoken *at, const hl_tn *first, hl_tnk kind); /* names */
hl_tn *hl_tparse_expr(hl_tparser *p, bool with_condition);
/* One expression, or several with commas as a tuple. end_word: NULL, or a word that ends it. */
hl_tn *hl_tparse_tuple(hl_tparser *p, bool with_condition, const char *end_word);
hl_tn *hl_tparse_target(hl_tparser *p, bool with_namespace);
hl_tn *hl_tparse_filters(hl_tparser *p, hl_tn *of,
                         bool starts_inline); /* "| name(args)" any number of times */

#endif
