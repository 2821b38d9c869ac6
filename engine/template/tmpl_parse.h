/* SPDX-License-Identifier: MIT
 *
 * tmpl_parse.h - the parser's state, shared by statements and expressions.
 *
 * Functions return NULL once an error is recorded; the first one stays.
 */
#ifndef HL_TEMPLATE_TMPL_PARSE_H
#define HL_TEMPLATE_TMPL_PARSE_H

#include "engine/template/tmpl_ast.h"

typedef struct hl_tmpl_parser {
    hl_template         *t;
    const hl_tmpl_token *tok; /* current */
    int                  depth;
    int                  n_for;          /* for blocks around this place, else parts and macros included */
    int                  n_loops;        /* for blocks around this place, within the same macro */
    int                  n_conditionals; /* where an unknown filter is an error only when reached */
    hl_tmpl_node        *macro;          /* innermost macro or call block; NULL outside */
    hl_status            status;
    hl_err              *err;
} hl_tmpl_parser;

hl_tmpl_node *hl_tmpl_parse_fail(hl_tmpl_parser *p, const hl_tmpl_token *at, const char *fmt, ...)
    HL_PRINTF(3, 4);
hl_tmpl_node *hl_tmpl_parse_node(hl_tmpl_parser *p, hl_tmpl_node_kind kind, uint32_t line);
bool          hl_tmpl_parse_enter(hl_tmpl_parser *p);

bool            hl_tmpl_parse_is_op(const hl_tmpl_parser *p, uint16_t op);
bool            hl_tmpl_parse_is_word(const hl_tmpl_parser *p, const char *word);
bool            hl_tmpl_parse_skip_op(hl_tmpl_parser *p, uint16_t op);
bool            hl_tmpl_parse_skip_word(hl_tmpl_parser *p, const char *word);
bool            hl_tmpl_parse_expect_op(hl_tmpl_parser *p, uint16_t op); /* false: error recorded */
hl_tmpl_symbol *hl_tmpl_parse_expect_name(hl_tmpl_parser *p);
const char     *hl_tmpl_parse_describe(const hl_tmpl_token *tok, char *to, size_t n);

bool hl_tmpl_parse_are_distinct(hl_tmpl_parser *p, const hl_tmpl_token *at, const hl_tmpl_node *first,
                                hl_tmpl_node_kind kind); /* names */
hl_tmpl_node *hl_tmpl_parse_expr(hl_tmpl_parser *p, bool with_condition);
/* One expression, or several with commas as a tuple. end_word: NULL, or a word that ends it. */
hl_tmpl_node *hl_tmpl_parse_tuple(hl_tmpl_parser *p, bool with_condition, const char *end_word);
hl_tmpl_node *hl_tmpl_parse_target(hl_tmpl_parser *p, bool with_namespace);
hl_tmpl_node *hl_tmpl_parse_filters(hl_tmpl_parser *p, hl_tmpl_node *of,
                                    bool starts_inline); /* "| name(args)" any number of times */

#endif
