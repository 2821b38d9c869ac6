/* SPDX-License-Identifier: MIT
 *
 * tmpl_parse_expr.c - expressions, from the loosest operator to the tightest, one function a level.
 *
 *   x if y else z · or · and · not · comparisons · + - · ~ · * / // % · ** · unary - +
 *   then . [] () | is, which bind tighter than the unary sign's operand (from: jinja2 3.1.6)
 */
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "engine/template/tmpl_parse.h"
#include "engine/template/tmpl_run.h"

static hl_tmpl_node *parse_unary(hl_tmpl_parser *p, bool with_filters);
static hl_tmpl_node *parse_primary(hl_tmpl_parser *p);

static hl_tmpl_node *node1(hl_tmpl_parser *p, hl_tmpl_node_kind kind, uint32_t line, hl_tmpl_node *a) {
    hl_tmpl_node *n = a ? hl_tmpl_parse_node(p, kind, line) : NULL;
    if (n) n->a = a;
    return n;
}

static hl_tmpl_node *node2(hl_tmpl_parser *p, hl_tmpl_node_kind kind, uint32_t line, hl_tmpl_node *a,
                           hl_tmpl_node *b) {
    hl_tmpl_node *n = b ? node1(p, kind, line, a) : NULL;
    if (n) n->b = b;
    return n;
}

/* "a, b, c" up to a closing operator, which is taken. `pairs`: "k: v, k: v". */
static bool parse_items(hl_tmpl_parser *p, uint16_t close, bool pairs, hl_tmpl_node **ret_first) {
    hl_tmpl_node **to = ret_first;
    for (bool first = true; !hl_tmpl_parse_is_op(p, close); first = false) {
        if (!first && !hl_tmpl_parse_expect_op(p, ',')) return false;
        if (hl_tmpl_parse_is_op(p, close)) break;
        if (!(*to = hl_tmpl_parse_expr(p, true))) return false;
        to = &(*to)->next;
        if (!pairs) continue;
        if (!hl_tmpl_parse_expect_op(p, ':') || !(*to = hl_tmpl_parse_expr(p, true))) return false;
        to = &(*to)->next;
    }
    p->tok++;
    return true;
}

static hl_tmpl_node *parse_collection(hl_tmpl_parser *p, hl_tmpl_node_kind kind, uint16_t close) {
    hl_tmpl_node *n = hl_tmpl_parse_node(p, kind, p->tok->line);
    p->tok++;
    return n && parse_items(p, close, kind == HL_TMPL_NODE_DICT, &n->a) ? n : NULL;
}

/* Macros ask for `caller`, `varargs` and `kwargs` by mentioning them. */
static void note_use(hl_tmpl_parser *p, const hl_tmpl_symbol *sym) {
    if (!p->macro) return;
    if (sym == p->t->sym_caller) p->macro->flags |= HL_TMPL_NODE_USES_CALLER;
    if (sym == p->t->sym_varargs) p->macro->flags |= HL_TMPL_NODE_USES_VARARGS;
    if (sym == p->t->sym_kwargs) p->macro->flags |= HL_TMPL_NODE_USES_KWARGS;
}

static hl_tmpl_node *parse_name(hl_tmpl_parser *p) {
    static const struct {
        const char   *word;
        hl_tmpl_value value;
    } words[] = {
        {"true", {.kind = HL_TMPL_VALUE_BOOL, .u.b = true}},
        {"True", {.kind = HL_TMPL_VALUE_BOOL, .u.b = true}},
        {"false", {.kind = HL_TMPL_VALUE_BOOL}},
        {"False", {.kind = HL_TMPL_VALUE_BOOL}},
        {"none", {.kind = HL_TMPL_VALUE_NONE}},
        {"None", {.kind = HL_TMPL_VALUE_NONE}},
    };
    const hl_tmpl_token *tok = p->tok++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!hl_view_is(tok->text, words[i].word)) continue;
        hl_tmpl_node *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_CONST, tok->line);
        if (n) n->value = words[i].value;
        return n;
    }
    hl_tmpl_node         *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_NAME, tok->line);
    const hl_tmpl_symbol *sym = n ? hl_tmpl_sym(p->t, tok->text) : NULL;
    if (!sym) return hl_tmpl_parse_fail(p, NULL, "no memory");
    n->sym = sym;
    note_use(p, sym);
    return n;
}

/* 'a' "b" is one string, as in Python. */
static hl_tmpl_node *parse_string(hl_tmpl_parser *p) {
    hl_tmpl_node *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_CONST, p->tok->line);
    if (!n) return NULL;
    hl_view text = p->tok++->text;
    if (p->tok->kind == HL_TMPL_TOKEN_STRING) {
        const char *begin = p->t->literals;
        text = hl_tmpl_keep(p->t, begin, text);
        while (p->tok->kind == HL_TMPL_TOKEN_STRING) text = hl_tmpl_keep(p->t, begin, p->tok++->text);
    }
    n->value = hl_tmpl_str(text);
    return n;
}

static hl_tmpl_node *parse_number(hl_tmpl_parser *p) {
    const hl_tmpl_token *tok = p->tok++;
    hl_tmpl_node        *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_CONST, tok->line);
    if (n) n->value = tok->number;
    return n;
}

static hl_tmpl_node *parse_parentheses(hl_tmpl_parser *p) {
    const uint32_t line = p->tok++->line;
    if (hl_tmpl_parse_skip_op(p, ')')) return hl_tmpl_parse_node(p, HL_TMPL_NODE_TUPLE, line);
    hl_tmpl_node *n = hl_tmpl_parse_tuple(p, true, NULL);
    return n && hl_tmpl_parse_expect_op(p, ')') ? n : NULL;
}

static hl_tmpl_node *parse_primary(hl_tmpl_parser *p) {
    char what[48];
    if (p->tok->kind == HL_TMPL_TOKEN_NAME) return parse_name(p);
    if (p->tok->kind == HL_TMPL_TOKEN_STRING) return parse_string(p);
    if (p->tok->kind == HL_TMPL_TOKEN_INT || p->tok->kind == HL_TMPL_TOKEN_FLOAT) return parse_number(p);
    if (hl_tmpl_parse_is_op(p, '(')) return parse_parentheses(p);
    if (hl_tmpl_parse_is_op(p, '[')) return parse_collection(p, HL_TMPL_NODE_LIST, ']');
    if (hl_tmpl_parse_is_op(p, '{')) return parse_collection(p, HL_TMPL_NODE_DICT, '}');
    return hl_tmpl_parse_fail(p, p->tok, "expected an expression, found %s",
                              hl_tmpl_parse_describe(p->tok, what, sizeof what));
}

/* The inside of [ ]: an expression, or start:stop:step. */
static hl_tmpl_node *parse_subscript(hl_tmpl_parser *p) {
    const uint32_t line = p->tok->line;
    hl_tmpl_node  *parts[3] = {NULL, NULL, NULL};
    if (!hl_tmpl_parse_is_op(p, ':')) {
        parts[0] = hl_tmpl_parse_expr(p, true);
        if (!parts[0] || !hl_tmpl_parse_is_op(p, ':')) return parts[0];
    }
    for (int i = 1; i < 3 && hl_tmpl_parse_skip_op(p, ':'); i++) {
        if (hl_tmpl_parse_is_op(p, ':') || hl_tmpl_parse_is_op(p, ']') || hl_tmpl_parse_is_op(p, ','))
            continue;
        if (!(parts[i] = hl_tmpl_parse_expr(p, true))) return NULL;
    }
    hl_tmpl_node *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_SLICE, line);
    if (!n) return NULL;
    n->a = parts[0];
    n->b = parts[1];
    n->c = parts[2];
    return n;
}

static hl_tmpl_node *parse_item(hl_tmpl_parser *p, hl_tmpl_node *of) {
    const uint32_t line = p->tok++->line;
    hl_tmpl_node  *key = parse_subscript(p);
    if (key && hl_tmpl_parse_is_op(p, ',')) {
        hl_tmpl_node *tuple = node1(p, HL_TMPL_NODE_TUPLE, line, key);
        for (hl_tmpl_node **to = &key->next;
             tuple && hl_tmpl_parse_skip_op(p, ',') && !hl_tmpl_parse_is_op(p, ']');) {
            if (!(*to = parse_subscript(p))) return NULL;
            to = &(*to)->next;
        }
        key = tuple;
    }
    return key && hl_tmpl_parse_expect_op(p, ']') ? node2(p, HL_TMPL_NODE_GETITEM, line, of, key) : NULL;
}

static hl_tmpl_node *parse_dot(hl_tmpl_parser *p, hl_tmpl_node *of) {
    const uint32_t       line = p->tok++->line;
    const hl_tmpl_token *tok = p->tok;
    if (tok->kind == HL_TMPL_TOKEN_INT) {
        hl_tmpl_node *key = parse_number(p);
        return node2(p, HL_TMPL_NODE_GETITEM, line, of, key);
    }
    if (tok->kind != HL_TMPL_TOKEN_NAME)
        return hl_tmpl_parse_fail(p, tok, "expected a name or a number behind '.'");
    p->tok++;
    hl_tmpl_node *n = node1(p, HL_TMPL_NODE_GETATTR, line, of);
    if (n) n->value = hl_tmpl_str(tok->text);
    return n;
}

static hl_tmpl_node *parse_argument(hl_tmpl_parser *p) {
    const uint32_t line = p->tok->line;
    if (hl_tmpl_parse_skip_op(p, '*')) return node1(p, HL_TMPL_NODE_STAR, line, hl_tmpl_parse_expr(p, true));
    if (hl_tmpl_parse_skip_op(p, HL_TMPL_OP2('*', '*')))
        return node1(p, HL_TMPL_NODE_STARSTAR, line, hl_tmpl_parse_expr(p, true));
    if (p->tok->kind == HL_TMPL_TOKEN_NAME && p->tok[1].kind == HL_TMPL_TOKEN_OP && p->tok[1].op == '=') {
        const hl_tmpl_symbol *sym = hl_tmpl_sym(p->t, p->tok->text);
        if (!sym) return hl_tmpl_parse_fail(p, NULL, "no memory");
        p->tok += 2;
        hl_tmpl_node *n = node1(p, HL_TMPL_NODE_KWARG, line, hl_tmpl_parse_expr(p, true));
        if (n) n->sym = sym;
        return n;
    }
    return hl_tmpl_parse_expr(p, true);
}

/* Which kinds of arguments have come: after named ones come only named ones and stars, after **names
 * nothing. */
typedef struct given {
    bool named, star, star_star;
} given;

static bool check_argument(hl_tmpl_parser *p, const hl_tmpl_token *at, const hl_tmpl_node *arg, given *g) {
    const bool positional = arg->kind != HL_TMPL_NODE_STAR && arg->kind != HL_TMPL_NODE_KWARG &&
                            arg->kind != HL_TMPL_NODE_STARSTAR;
    const char *wrong = NULL;
    if (g->star_star)
        wrong = "an argument follows '**'";
    else if (arg->kind == HL_TMPL_NODE_STAR && g->star)
        wrong = "a call has two '*'";
    else if (positional && (g->named || g->star))
        wrong = "a positional argument follows named ones";
    if (wrong) hl_tmpl_parse_fail(p, at, "%s", wrong);
    g->named |= arg->kind == HL_TMPL_NODE_KWARG;
    g->star |= arg->kind == HL_TMPL_NODE_STAR;
    g->star_star |= arg->kind == HL_TMPL_NODE_STARSTAR;
    return !wrong;
}

bool hl_tmpl_parse_are_distinct(hl_tmpl_parser *p, const hl_tmpl_token *at, const hl_tmpl_node *first,
                                hl_tmpl_node_kind kind) {
    const uint32_t i_list = ++p->t->n_lists;
    for (const hl_tmpl_node *n = first; n; n = n->next) {
        hl_tmpl_symbol *sym = n->kind == kind ? hl_tmpl_sym(p->t, n->sym->text) : NULL;
        if (!sym) continue;
        if (sym->i_list == i_list) {
            hl_tmpl_parse_fail(p, at, "'%.*s' is there twice", HL_TMPL_ARG(sym->text));
            return false;
        }
        sym->i_list = i_list;
    }
    return true;
}

static bool parse_arguments(hl_tmpl_parser *p, hl_tmpl_node **ret_first) {
    given                g = {0};
    const hl_tmpl_token *begin = p->tok++;
    for (hl_tmpl_node **to = ret_first, *last = NULL; !hl_tmpl_parse_is_op(p, ')'); to = &last->next) {
        if (last && !hl_tmpl_parse_expect_op(p, ',')) return false;
        if (hl_tmpl_parse_is_op(p, ')')) break;
        const hl_tmpl_token *at = p->tok;
        if (!(last = *to = parse_argument(p)) || !check_argument(p, at, last, &g)) return false;
    }
    p->tok++;
    return !g.named || hl_tmpl_parse_are_distinct(p, begin, *ret_first, HL_TMPL_NODE_KWARG);
}

static hl_tmpl_node *parse_call(hl_tmpl_parser *p, hl_tmpl_node *of) {
    hl_tmpl_node *n = node1(p, HL_TMPL_NODE_CALL, p->tok->line, of);
    return n && parse_arguments(p, &n->b) ? n : NULL;
}

/* A name of a filter or test may hold dots; none of ours does. */
static hl_tmpl_node *parse_named(hl_tmpl_parser *p, hl_tmpl_node_kind kind, hl_tmpl_node *of) {
    const hl_tmpl_token *tok = p->tok;
    if (!hl_tmpl_parse_expect_name(p)) return NULL;
    hl_tmpl_node *n = node1(p, kind, tok->line, of);
    if (!n) return NULL;
    n->value = hl_tmpl_str(tok->text);
    n->def = kind == HL_TMPL_NODE_FILTER ? hl_tmpl_filter_find(tok->text) : hl_tmpl_test_find(tok->text);
    if (!n->def && p->n_conditionals == 0)
        return hl_tmpl_parse_fail(p, tok, "there is no %s named '%.*s'",
                                  kind == HL_TMPL_NODE_FILTER ? "filter" : "test", (int)tok->text.len,
                                  tok->text.ptr);
    return n;
}

hl_tmpl_node *hl_tmpl_parse_filters(hl_tmpl_parser *p, hl_tmpl_node *of, bool starts_inline) {
    while (of && (starts_inline || hl_tmpl_parse_skip_op(p, '|'))) {
        starts_inline = false;
        of = parse_named(p, HL_TMPL_NODE_FILTER, of);
        if (of && hl_tmpl_parse_is_op(p, '(') && !parse_arguments(p, &of->b)) return NULL;
    }
    return of;
}

static hl_tmpl_node *parse_postfix(hl_tmpl_parser *p, hl_tmpl_node *n) {
    while (n) {
        if (hl_tmpl_parse_is_op(p, '.'))
            n = parse_dot(p, n);
        else if (hl_tmpl_parse_is_op(p, '['))
            n = parse_item(p, n);
        else if (hl_tmpl_parse_is_op(p, '('))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* Does an argument without parentheses follow ("is divisibleby 3")? */
static bool starts_test_argument(const hl_tmpl_parser *p) {
    if (p->tok->kind == HL_TMPL_TOKEN_NAME)
        return !hl_tmpl_parse_is_word(p, "else") && !hl_tmpl_parse_is_word(p, "or") &&
               !hl_tmpl_parse_is_word(p, "and");
    return p->tok->kind == HL_TMPL_TOKEN_STRING || p->tok->kind == HL_TMPL_TOKEN_INT ||
           p->tok->kind == HL_TMPL_TOKEN_FLOAT || hl_tmpl_parse_is_op(p, '[') || hl_tmpl_parse_is_op(p, '{');
}

static hl_tmpl_node *parse_test(hl_tmpl_parser *p, hl_tmpl_node *of) {
    const uint32_t line = p->tok++->line;
    const bool     negated = hl_tmpl_parse_skip_word(p, "not");
    hl_tmpl_node  *n = parse_named(p, HL_TMPL_NODE_TEST, of);
    if (!n) return NULL;
    if (hl_tmpl_parse_is_op(p, '(')) {
        if (!parse_arguments(p, &n->b)) return NULL;
    } else if (starts_test_argument(p)) {
        if (hl_tmpl_parse_is_word(p, "is"))
            return hl_tmpl_parse_fail(p, p->tok, "tests with 'is' cannot be chained");
        if (!(n->b = parse_postfix(p, parse_primary(p)))) return NULL;
    }
    return negated ? node1(p, HL_TMPL_NODE_NOT, line, n) : n;
}

static hl_tmpl_node *parse_filters_and_tests(hl_tmpl_parser *p, hl_tmpl_node *n) {
    while (n) {
        if (hl_tmpl_parse_is_op(p, '|'))
            n = hl_tmpl_parse_filters(p, n, false);
        else if (hl_tmpl_parse_is_word(p, "is"))
            n = parse_test(p, n);
        else if (hl_tmpl_parse_is_op(p, '('))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

static hl_tmpl_node *parse_unary(hl_tmpl_parser *p, bool with_filters) {
    if (!hl_tmpl_parse_enter(p)) return NULL;
    const uint32_t line = p->tok->line;
    hl_tmpl_node  *n;
    if (hl_tmpl_parse_skip_op(p, '-'))
        n = node1(p, HL_TMPL_NODE_NEG, line, parse_unary(p, false));
    else if (hl_tmpl_parse_skip_op(p, '+'))
        n = node1(p, HL_TMPL_NODE_POS, line, parse_unary(p, false));
    else
        n = parse_primary(p);
    n = parse_postfix(p, n);
    if (with_filters) n = parse_filters_and_tests(p, n);
    p->depth--;
    return n;
}

static hl_tmpl_node *binary(hl_tmpl_parser *p, hl_tmpl_op op, uint32_t line, hl_tmpl_node *a,
                            hl_tmpl_node *b) {
    hl_tmpl_node *n = node2(p, HL_TMPL_NODE_BINARY, line, a, b);
    if (n) n->op = (uint8_t)op;
    return n;
}

/* Nothing but literals, as far as a look at some nodes tells. */
static bool is_constant(const hl_tmpl_node *n, int *n_left) {
    if (n->kind == HL_TMPL_NODE_NAME || n->kind == HL_TMPL_NODE_CALL || --*n_left < 0) return false;
    const hl_tmpl_node *const children[] = {n->a, n->b, n->c};
    for (size_t i = 0; i < 3; i++)
        for (const hl_tmpl_node *child = children[i]; child; child = child->next)
            if (!is_constant(child, n_left)) return false;
    return true;
}

/* -2 ** x is -(2 ** x) in the reference, which makes Python's source of it, but (-2) ** 3 a constant of its
 * own. */
static hl_tmpl_node *power(hl_tmpl_parser *p, uint32_t line, hl_tmpl_node *base, hl_tmpl_node *exponent) {
    if (!base || !exponent) return NULL;
    int n_looked_at = 64;
    if (base->kind != HL_TMPL_NODE_NEG || base->a->kind != HL_TMPL_NODE_CONST ||
        is_constant(exponent, &n_looked_at))
        return binary(p, HL_TMPL_OP_POW, line, base, exponent);
    base->a = binary(p, HL_TMPL_OP_POW, line, base->a, exponent);
    return base->a ? base : NULL;
}

static hl_tmpl_node *parse_power(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_unary(p, true);
    while (n && hl_tmpl_parse_is_op(p, HL_TMPL_OP2('*', '*'))) {
        const uint32_t line = p->tok++->line;
        n = power(p, line, n, parse_unary(p, true));
    }
    return n;
}

static hl_tmpl_node *parse_product(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_power(p);
    while (n && p->tok->kind == HL_TMPL_TOKEN_OP) {
        const uint16_t o = p->tok->op;
        hl_tmpl_op     op;
        if (o == '*')
            op = HL_TMPL_OP_MUL;
        else if (o == '/')
            op = HL_TMPL_OP_DIV;
        else if (o == HL_TMPL_OP2('/', '/'))
            op = HL_TMPL_OP_FLOORDIV;
        else if (o == '%')
            op = HL_TMPL_OP_MOD;
        else
            break;
        const uint32_t line = p->tok++->line;
        n = binary(p, op, line, n, parse_power(p));
    }
    return n;
}

static hl_tmpl_node *parse_concat(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_product(p);
    if (!n || !hl_tmpl_parse_is_op(p, '~')) return n;
    hl_tmpl_node *all = node1(p, HL_TMPL_NODE_CONCAT, p->tok->line, n);
    for (hl_tmpl_node **to = &n->next; all && hl_tmpl_parse_skip_op(p, '~'); to = &(*to)->next)
        if (!(*to = parse_product(p))) return NULL;
    return all;
}

static hl_tmpl_node *parse_sum(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_concat(p);
    while (n && (hl_tmpl_parse_is_op(p, '+') || hl_tmpl_parse_is_op(p, '-'))) {
        const hl_tmpl_token *tok = p->tok++;
        n = binary(p, tok->op == '+' ? HL_TMPL_OP_ADD : HL_TMPL_OP_SUB, tok->line, n, parse_concat(p));
    }
    return n;
}

static bool skip_comparison(hl_tmpl_parser *p, hl_tmpl_op *ret) {
    static const struct {
        uint16_t   op;
        hl_tmpl_op as;
    } ops[] = {
        {HL_TMPL_OP2('=', '='), HL_TMPL_OP_EQ},
        {HL_TMPL_OP2('!', '='), HL_TMPL_OP_NE},
        {HL_TMPL_OP2('<', '='), HL_TMPL_OP_LE},
        {HL_TMPL_OP2('>', '='), HL_TMPL_OP_GE},
        {'<', HL_TMPL_OP_LT},
        {'>', HL_TMPL_OP_GT},
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        *ret = ops[i].as;
        if (hl_tmpl_parse_skip_op(p, ops[i].op)) return true;
    }
    *ret = HL_TMPL_OP_IN;
    if (hl_tmpl_parse_skip_word(p, "in")) return true;
    *ret = HL_TMPL_OP_NOT_IN;
    if (!hl_tmpl_parse_is_word(p, "not") || p->tok[1].kind != HL_TMPL_TOKEN_NAME ||
        !hl_view_is(p->tok[1].text, "in"))
        return false;
    p->tok += 2;
    return true;
}

static hl_tmpl_node *parse_comparison(hl_tmpl_parser *p) {
    const uint32_t line = p->tok->line;
    hl_tmpl_node  *first = parse_sum(p);
    hl_tmpl_node  *n = NULL, **to = NULL;
    hl_tmpl_op     op;
    while (first && skip_comparison(p, &op)) {
        if (!n) {
            if (!(n = node1(p, HL_TMPL_NODE_COMPARE, line, first))) return NULL;
            to = &n->b;
        }
        if (!(*to = node1(p, HL_TMPL_NODE_OPERAND, p->tok->line, parse_sum(p)))) return NULL;
        (*to)->op = (uint8_t)op;
        to = &(*to)->next;
    }
    return p->status != HL_OK ? NULL : n ? n : first;
}

static hl_tmpl_node *parse_not(hl_tmpl_parser *p) {
    const uint32_t line = p->tok->line;
    if (!hl_tmpl_parse_skip_word(p, "not")) return parse_comparison(p);
    if (!hl_tmpl_parse_enter(p)) return NULL;
    hl_tmpl_node *n = node1(p, HL_TMPL_NODE_NOT, line, parse_not(p));
    p->depth--;
    return n;
}

static hl_tmpl_node *parse_and(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_not(p);
    for (uint32_t line = p->tok->line; n && hl_tmpl_parse_skip_word(p, "and"); line = p->tok->line)
        n = node2(p, HL_TMPL_NODE_AND, line, n, parse_not(p));
    return n;
}

static hl_tmpl_node *parse_or(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_and(p);
    for (uint32_t line = p->tok->line; n && hl_tmpl_parse_skip_word(p, "or"); line = p->tok->line)
        n = node2(p, HL_TMPL_NODE_OR, line, n, parse_and(p));
    return n;
}

static hl_tmpl_node *parse_condition(hl_tmpl_parser *p) {
    hl_tmpl_node *n = parse_or(p);
    for (uint32_t line = p->tok->line; n && hl_tmpl_parse_skip_word(p, "if"); line = p->tok->line) {
        p->n_conditionals++;
        hl_tmpl_node *test = parse_or(p), *other = NULL;
        if (test && hl_tmpl_parse_skip_word(p, "else") && !(other = hl_tmpl_parse_expr(p, true))) return NULL;
        p->n_conditionals--;
        n = node2(p, HL_TMPL_NODE_COND, line, test, n);
        if (n) n->c = other;
    }
    return n;
}

hl_tmpl_node *hl_tmpl_parse_expr(hl_tmpl_parser *p, bool with_condition) {
    if (!hl_tmpl_parse_enter(p)) return NULL;
    hl_tmpl_node *n = with_condition ? parse_condition(p) : parse_or(p);
    p->depth--;
    return n;
}

static bool at_tuple_end(const hl_tmpl_parser *p, const char *end_word) {
    return p->tok->kind == HL_TMPL_TOKEN_VAR_END || p->tok->kind == HL_TMPL_TOKEN_BLOCK_END ||
           hl_tmpl_parse_is_op(p, ')') || (end_word && hl_tmpl_parse_is_word(p, end_word));
}

/* Items parsed by `parse`, separated by commas; a single one without a comma stays itself. */
hl_tmpl_node *hl_tmpl_parse_tuple(hl_tmpl_parser *p, bool with_condition, const char *end_word) {
    const uint32_t line = p->tok->line;
    hl_tmpl_node  *first = hl_tmpl_parse_expr(p, with_condition);
    if (!first || !hl_tmpl_parse_is_op(p, ',')) return first;
    hl_tmpl_node *tuple = node1(p, HL_TMPL_NODE_TUPLE, line, first);
    for (hl_tmpl_node **to = &first->next;
         tuple && hl_tmpl_parse_skip_op(p, ',') && !at_tuple_end(p, end_word);) {
        if (!(*to = hl_tmpl_parse_expr(p, with_condition))) return NULL;
        to = &(*to)->next;
    }
    return tuple;
}

static hl_tmpl_node *parse_name_target(hl_tmpl_parser *p, bool with_namespace) {
    static const char *const fixed[] = {"true", "false", "none", "True", "False", "None"};
    const hl_tmpl_token     *tok = p->tok;
    const hl_tmpl_symbol    *sym = hl_tmpl_parse_expect_name(p);
    if (!sym) return NULL;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (hl_view_is(tok->text, fixed[i]))
            return hl_tmpl_parse_fail(p, tok, "cannot assign to '%s'", fixed[i]);
    const bool is_ref = with_namespace && hl_tmpl_parse_skip_op(p, '.');
    if (!is_ref && sym == p->t->sym_loop && p->n_for > 0)
        return hl_tmpl_parse_fail(p, tok, "cannot assign to 'loop' inside of a loop");
    hl_tmpl_node *n = hl_tmpl_parse_node(p, is_ref ? HL_TMPL_NODE_NSREF : HL_TMPL_NODE_NAME, tok->line);
    if (!n) return NULL;
    n->sym = sym;
    const hl_tmpl_token *attr = p->tok;
    if (is_ref && !hl_tmpl_parse_expect_name(p)) return NULL;
    if (is_ref) n->value = hl_tmpl_str(attr->text);
    return n;
}

static hl_tmpl_node *parse_one_target(hl_tmpl_parser *p, bool with_namespace);

/* (a), (a, b), (a,) or (): names only, no attributes. */
static hl_tmpl_node *parse_target_in_parentheses(hl_tmpl_parser *p) {
    const uint32_t line = p->tok++->line;
    hl_tmpl_node  *tuple = hl_tmpl_parse_node(p, HL_TMPL_NODE_TUPLE, line);
    bool           has_comma = false;
    if (!tuple || !hl_tmpl_parse_enter(p)) return NULL;
    for (hl_tmpl_node **to = &tuple->a; !hl_tmpl_parse_is_op(p, ')'); to = &(*to)->next) {
        if (!(*to = parse_one_target(p, false))) return NULL;
        if (!hl_tmpl_parse_skip_op(p, ',')) break;
        has_comma = true;
    }
    p->depth--;
    if (!hl_tmpl_parse_expect_op(p, ')')) return NULL;
    return tuple->a && !has_comma ? tuple->a : tuple;
}

static hl_tmpl_node *parse_one_target(hl_tmpl_parser *p, bool with_namespace) {
    return hl_tmpl_parse_is_op(p, '(') ? parse_target_in_parentheses(p)
                                       : parse_name_target(p, with_namespace);
}

hl_tmpl_node *hl_tmpl_parse_target(hl_tmpl_parser *p, bool with_namespace) {
    const uint32_t line = p->tok->line;
    hl_tmpl_node  *first = parse_one_target(p, with_namespace);
    if (!first || !hl_tmpl_parse_is_op(p, ',')) return first;
    hl_tmpl_node *tuple = node1(p, HL_TMPL_NODE_TUPLE, line, first);
    for (hl_tmpl_node **to = &first->next; tuple && hl_tmpl_parse_skip_op(p, ',');) {
        if (!(*to = parse_one_target(p, with_namespace))) return NULL;
        to = &(*to)->next;
    }
    return tuple;
}
