/* SPDX-License-Identifier: MIT
 *
 * go_parser.c - from tokens to the tree, by recursive descent.
 *
 * As in Go, what is wrong with names is found here: functions that do not exist, variables that no action
 * before declared, break outside of range.
 */
#include <string.h>

#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/gotemplate/go_ast.h"
#include "engine/gotemplate/go_funcs.h"

typedef struct parser {
    hl_gotemplate     *t;
    const hl_go_token *tokens;
    size_t             i;
    /* [n_vars] that are in sight; from vars_from on they are this template's */
    hl_view   vars[HL_GO_MAX_NAMED];
    size_t    n_vars, vars_from;
    size_t    n_defines;
    int       n_ranges, depth;
    uint32_t  n_nodes;
    hl_status status;
    hl_err   *err;
} parser;

typedef struct list { /* of nodes, under construction */
    hl_go_node *first, **end;
} list;

typedef enum list_end {
    LIST_END,
    LIST_ELSE,
    LIST_ELSE_AGAIN
} list_end; /* the last: `else if`, `else with` */

static bool        parse_list(parser *p, list *ret, list_end *ret_end);
static hl_go_node *parse_pipe(parser *p, const char *what, hl_go_token_kind end);

/* ---- Tokens, nodes, errors ---- */

static bool fail_at(parser *p, uint32_t at, const char *what) {
    if (p->status == HL_OK) p->status = hl_go_fail_at(p->t, HL_E_FORMAT, at, p->err, "%s", what);
    return false;
}

static void *get(parser *p, size_t n, size_t size) {
    hl_err why = {0};
    void  *m = p->status == HL_OK ? hl_go_tree_get(p->t, n, size, &why) : NULL;
    if (m || p->status != HL_OK) return m;
    if (p->err) *p->err = why;
    p->status = why.status;
    return NULL;
}

static const hl_go_token *peek(const parser *p) { return &p->tokens[p->i]; }

static const hl_go_token *peek_behind_space(parser *p) {
    while (p->tokens[p->i].kind == HL_GO_TOK_SPACE) p->i++;
    return &p->tokens[p->i];
}

static const hl_go_token *next_behind_space(parser *p) {
    const hl_go_token *t = peek_behind_space(p);
    if (t->kind != HL_GO_TOK_EOF) p->i++;
    return t;
}

static bool fail_unexpected(parser *p, const hl_go_token *t, const char *where) {
    if (p->status != HL_OK) return false;
    if (t->kind == HL_GO_TOK_EOF)
        p->status = hl_go_fail_at(p->t, HL_E_FORMAT, t->at, p->err,
                                  "the template ends in %s: expected {{end}}", where);
    else
        p->status = hl_go_fail_at(p->t, HL_E_FORMAT, t->at, p->err, "unexpected '%.*s' in %s",
                                  (int)(t->text.len < 40 ? t->text.len : 40), t->text.ptr, where);
    return false;
}

static bool expect(parser *p, hl_go_token_kind kind, const char *where) {
    const hl_go_token *t = next_behind_space(p);
    return t->kind == kind || fail_unexpected(p, t, where);
}

static hl_go_node *new_node(parser *p, hl_go_node_kind kind, uint32_t at) {
    if (p->n_nodes++ % 1024 == 0 && p->status == HL_OK)
        p->status = hl_stop_check("read the template", p->err);
    hl_go_node *n = get(p, 1, sizeof *n);
    if (!n) return NULL;
    n->kind = (uint8_t)kind;
    n->at = at;
    return n;
}

static void list_init(list *l) {
    l->first = NULL;
    l->end = &l->first;
}

static void list_add(list *l, hl_go_node *n) {
    *l->end = n;
    l->end = &n->next;
}

static bool enter(parser *p, uint32_t at) {
    if (p->depth >= HL_GO_MAX_NESTING && p->status == HL_OK)
        p->status = hl_go_fail_at(p->t, HL_E_LIMIT, at, p->err, "nested deeper than %d", HL_GO_MAX_NESTING);
    if (p->status != HL_OK) return false;
    p->depth++;
    return true;
}

static bool declare(parser *p, hl_view name) {
    if (p->n_vars == HL_GO_MAX_NAMED && p->status == HL_OK)
        p->status =
            hl_go_fail_at(p->t, HL_E_LIMIT, peek(p)->at, p->err, "more than %d variables", HL_GO_MAX_NAMED);
    if (p->status != HL_OK) return false;
    p->vars[p->n_vars++] = name;
    return true;
}

static bool is_visible(const parser *p, hl_view name) {
    for (size_t i = p->n_vars; i-- > p->vars_from;)
        if (hl_view_eq(p->vars[i], name)) return true;
    return hl_view_is(name, "$");
}

/* ---- Terms ---- */

static bool fail_literal(parser *p, const hl_go_token *t) {
    return fail_at(p, t->at, "a malformed constant: not a Go string or character");
}

static bool read_text(parser *p, const hl_go_token *t, hl_view *ret) {
    char *to = get(p, t->text.len, 1);
    return to && (hl_go_read_string(t->text, to, ret) || fail_literal(p, t));
}

static bool read_number(parser *p, const hl_go_token *t, hl_go_value *ret) {
    const char    *why = NULL;
    char          *room = get(p, t->text.len + 1, 1);
    hl_go_complex *c = get(p, 1, sizeof *c);
    return room && c && (hl_go_read_number(t->text, room, c, ret, &why) || fail_at(p, t->at, why));
}

static hl_go_node *parse_literal(parser *p, const hl_go_token *t) {
    hl_go_node  *n = new_node(p, HL_GO_N_LITERAL, t->at);
    hl_go_value *v = n ? get(p, 1, sizeof *v) : NULL;
    hl_view      text;
    bool         ok = v != NULL;
    if (ok && t->kind == HL_GO_TOK_NUMBER) {
        ok = read_number(p, t, v);
    } else if (ok && t->kind == HL_GO_TOK_CHAR) {
        *v = hl_go_int(0);
        ok = hl_go_read_char(t->text, &v->u.i) || fail_literal(p, t);
    } else if (ok) {
        hl_go_string *s = get(p, 1, sizeof *s);
        ok = s && read_text(p, t, &text);
        if (ok) *s = (hl_go_string){.ptr = text.ptr, .len = text.len};
        *v = (hl_go_value){.type = &hl_go_type_string, .u.s = s};
    }
    if (!ok) return NULL;
    n->literal = v;
    return n;
}

static hl_go_node *parse_name(parser *p, const hl_go_token *t) {
    static const hl_go_value yes = {.type = &hl_go_type_bool, .u.b = true}, no = {.type = &hl_go_type_bool};
    const bool               is_bool = hl_view_is(t->text, "true") || hl_view_is(t->text, "false");
    hl_go_node              *n = new_node(p, is_bool ? HL_GO_N_LITERAL : HL_GO_N_CALL, t->at);
    if (!n) return NULL;
    n->text = t->text;
    if (is_bool) {
        n->literal = t->text.len == 4 ? &yes : &no;
        return n;
    }
    n->func = hl_go_func_find(t->text);
    if (n->func) return n;
    p->status = hl_go_fail_at(p->t, HL_E_FORMAT, t->at, p->err, "function '%.*s' is not defined",
                              (int)(t->text.len < 60 ? t->text.len : 60), t->text.ptr);
    return NULL;
}

static hl_go_node *parse_variable(parser *p, const hl_go_token *t) {
    hl_go_node *n = new_node(p, HL_GO_N_VARIABLE, t->at);
    if (!n) return NULL;
    n->text = t->text;
    if (is_visible(p, t->text)) return n;
    p->status = hl_go_fail_at(p->t, HL_E_FORMAT, t->at, p->err, "variable %.*s is not declared",
                              (int)(t->text.len < 60 ? t->text.len : 60), t->text.ptr);
    return NULL;
}

/* NULL with p->status HL_OK: no term begins here. */
static hl_go_node *parse_term(parser *p) {
    const hl_go_token *t = peek_behind_space(p);
    hl_go_node        *n = NULL;
    switch (t->kind) {
    case HL_GO_TOK_NAME: p->i++; return parse_name(p, t);
    case HL_GO_TOK_VARIABLE: p->i++; return parse_variable(p, t);
    case HL_GO_TOK_DOT: p->i++; return new_node(p, HL_GO_N_DOT, t->at);
    case HL_GO_TOK_NIL: p->i++; return new_node(p, HL_GO_N_NIL, t->at);
    case HL_GO_TOK_FIELD: return new_node(p, HL_GO_N_FIELD, t->at);
    case HL_GO_TOK_NUMBER:
    case HL_GO_TOK_CHAR:
    case HL_GO_TOK_STRING:
    case HL_GO_TOK_RAW: p->i++; return parse_literal(p, t);
    case HL_GO_TOK_OPEN:
        p->i++;
        if (!enter(p, t->at)) return NULL;
        n = parse_pipe(p, "a parenthesized pipeline", HL_GO_TOK_CLOSE);
        p->depth--;
        return n;
    default: return NULL;
    }
}

/* The fields right behind a term, without space between. */
static bool parse_fields(parser *p, hl_go_node *n) {
    size_t n_fields = 0;
    while (p->tokens[p->i + n_fields].kind == HL_GO_TOK_FIELD) n_fields++;
    hl_view *fields = get(p, n_fields, sizeof *fields);
    if (!fields) return false;
    for (size_t k = 0; k < n_fields; k++) fields[k] = p->tokens[p->i++].text;
    n->names = fields;
    n->n_names = n_fields;
    return true;
}

static hl_go_node *parse_operand(parser *p) {
    hl_go_node *n = parse_term(p);
    if (!n || peek(p)->kind != HL_GO_TOK_FIELD) return n;
    if (n->kind == HL_GO_N_LITERAL || n->kind == HL_GO_N_NIL || n->kind == HL_GO_N_DOT) {
        (void)fail_at(p, peek(p)->at, "a field of something that has none");
        return NULL;
    }
    hl_go_node *whole = n;
    if (n->kind == HL_GO_N_PIPE || n->kind == HL_GO_N_CALL) {
        whole = new_node(p, HL_GO_N_CHAIN, n->at);
        if (!whole) return NULL;
        whole->pipe = n;
    }
    return parse_fields(p, whole) ? whole : NULL;
}

/* ---- Commands and pipelines ---- */

static hl_go_node *parse_command(parser *p) {
    hl_go_node *c = new_node(p, HL_GO_N_COMMAND, peek_behind_space(p)->at);
    list        args;
    list_init(&args);
    while (c) {
        hl_go_node *arg = parse_operand(p);
        if (p->status != HL_OK) return NULL;
        if (arg) list_add(&args, arg);
        const hl_go_token *t = peek(p);
        if (t->kind == HL_GO_TOK_SPACE) {
            p->i++;
            continue;
        }
        if (t->kind == HL_GO_TOK_PIPE)
            p->i++;
        else if (t->kind != HL_GO_TOK_RIGHT && t->kind != HL_GO_TOK_CLOSE) {
            (void)fail_unexpected(p, t, "a command");
            return NULL;
        }
        break;
    }
    if (c && !args.first) {
        (void)fail_at(p, c->at, "an empty command");
        return NULL;
    }
    if (c) c->first = args.first;
    return c;
}

static bool add_var(parser *p, hl_go_node *pipe, hl_view name) {
    hl_view *names = (hl_view *)(uintptr_t)pipe->names;
    if (!names) pipe->names = names = get(p, 2, sizeof *names);
    if (!names) return false;
    names[pipe->n_vars++] = name;
    return declare(p, name);
}

/* "$x :=", "$x =", "$k, $v :=" at the beginning of a pipeline. */
static bool parse_declarations(parser *p, hl_go_node *pipe, bool is_range) {
    for (;;) {
        const hl_go_token *t = peek_behind_space(p);
        const size_t       i = p->i;
        if (t->kind != HL_GO_TOK_VARIABLE) return true;
        p->i++;
        const hl_go_token *after = peek_behind_space(p);
        if (after->kind == HL_GO_TOK_ASSIGN || after->kind == HL_GO_TOK_DECLARE) {
            p->i++;
            pipe->is_assign = after->kind == HL_GO_TOK_ASSIGN;
            return add_var(p, pipe, t->text);
        }
        if (after->kind != HL_GO_TOK_COMMA) {
            p->i = i;
            return true;
        }
        p->i++;
        if (!is_range || pipe->n_vars == 1)
            return fail_at(p, after->at, "too many variables in a declaration");
        if (!add_var(p, pipe, t->text)) return false;
        const hl_go_token_kind kind = peek_behind_space(p)->kind;
        if (kind != HL_GO_TOK_VARIABLE && kind != HL_GO_TOK_RIGHT && kind != HL_GO_TOK_CLOSE)
            return fail_at(p, peek(p)->at, "expected a second variable");
    }
}

static bool can_take_a_value(const hl_go_node *command) {
    const int kind = command->first->kind;
    return kind != HL_GO_N_LITERAL && kind != HL_GO_N_DOT && kind != HL_GO_N_NIL;
}

/* Up to and with the token `end`. */
static hl_go_node *parse_pipe(parser *p, const char *what, hl_go_token_kind end) {
    hl_go_node *pipe = new_node(p, HL_GO_N_PIPE, peek_behind_space(p)->at);
    list        commands;
    list_init(&commands);
    if (!pipe || !parse_declarations(p, pipe, strcmp(what, "range") == 0)) return NULL;
    for (;;) {
        const hl_go_token *t = peek_behind_space(p);
        if (t->kind == end) break;
        if (t->kind < HL_GO_TOK_DOT || (t->kind > HL_GO_TOK_NAME && t->kind != HL_GO_TOK_NIL))
            if (t->kind != HL_GO_TOK_OPEN) {
                (void)fail_unexpected(p, t, what);
                return NULL;
            }
        hl_go_node *c = parse_command(p);
        if (!c) return NULL;
        if (commands.first && !can_take_a_value(c)) {
            (void)fail_at(p, c->at, "a constant cannot take the value of a pipeline: expected a function");
            return NULL;
        }
        list_add(&commands, c);
    }
    p->i++;
    pipe->first = commands.first;
    if (!pipe->first) {
        (void)fail_at(p, pipe->at, "a value is missing");
        return NULL;
    }
    return pipe;
}

/* ---- Statements ---- */

static hl_go_node *parse_branch(parser *p, hl_go_token_kind word, uint32_t at) {
    const bool            is_range = word == HL_GO_TOK_RANGE;
    const hl_go_node_kind kind = is_range ? HL_GO_N_RANGE : word == HL_GO_TOK_IF ? HL_GO_N_IF : HL_GO_N_WITH;
    const size_t          n_vars = p->n_vars;
    hl_go_node           *n = new_node(p, kind, at);
    list                  body;
    list_end              end = LIST_END;
    if (!n || !enter(p, at)) return NULL;
    n->pipe = parse_pipe(p, is_range ? "range" : word == HL_GO_TOK_IF ? "if" : "with", HL_GO_TOK_RIGHT);
    p->n_ranges += is_range;
    if (!n->pipe || !parse_list(p, &body, &end)) return NULL;
    p->n_ranges -= is_range;
    n->first = body.first;
    if (end == LIST_ELSE_AGAIN && peek(p)->kind == word && !is_range) {
        p->i++;
        n->otherwise = parse_branch(p, word, peek(p)->at);
        if (!n->otherwise) return NULL;
    } else if (end == LIST_ELSE_AGAIN) {
        (void)fail_unexpected(p, peek(p), "else");
        return NULL;
    } else if (end == LIST_ELSE) {
        if (!parse_list(p, &body, &end)) return NULL;
        if (end != LIST_END) {
            (void)fail_at(p, peek(p)->at, "a second else: expected {{end}}");
            return NULL;
        }
        n->otherwise = body.first;
    }
    p->depth--;
    p->n_vars = n_vars;
    return n;
}

static hl_go_node *parse_leave(parser *p, hl_go_node_kind kind, uint32_t at) {
    hl_go_node *n = new_node(p, kind, at);
    if (!n || !expect(p, HL_GO_TOK_RIGHT, kind == HL_GO_N_BREAK ? "break" : "continue")) return NULL;
    if (p->n_ranges > 0) return n;
    (void)fail_at(p, at, "break or continue outside of a range");
    return NULL;
}

static bool parse_template_name(parser *p, hl_view *ret, const char *where) {
    const hl_go_token *t = next_behind_space(p);
    if (t->kind != HL_GO_TOK_STRING && t->kind != HL_GO_TOK_RAW) return fail_unexpected(p, t, where);
    return read_text(p, t, ret);
}

static bool is_blank(const hl_go_node *first) {
    for (const hl_go_node *n = first; n; n = n->next) {
        if (n->kind != HL_GO_N_TEXT) return false;
        for (size_t i = 0; i < n->text.len;) {
            uint32_t     cp = 0;
            const size_t len = hl_utf8_read(n->text.ptr + i, n->text.len - i, &cp);
            if (!hl_go_is_space(cp) && cp != '\v' && cp != '\f' && cp != 0x85 && cp != 0xA0 && cp != 0x1680 &&
                !(cp >= 0x2000 && cp <= 0x200A) && cp != 0x2028 && cp != 0x2029 && cp != 0x202F &&
                cp != 0x205F && cp != 0x3000)
                return false;
            i += len ? len : 1;
        }
    }
    return true;
}

/* A blank definition never replaces another; two that are not blank are an error. */
static bool add_define(parser *p, hl_view name, hl_go_node *first, uint32_t at) {
    hl_go_define *d = p->t->defines;
    while (d && !hl_view_eq(d->name, name)) d = d->next;
    if (d && !is_blank(d->first)) return is_blank(first) || fail_at(p, at, "a second template of this name");
    if (!d) {
        if (p->n_defines++ == HL_GO_MAX_NAMED) {
            p->status =
                hl_go_fail_at(p->t, HL_E_LIMIT, at, p->err, "more than %d templates", HL_GO_MAX_NAMED);
            return false;
        }
        d = get(p, 1, sizeof *d);
        if (!d) return false;
        *d = (hl_go_define){.next = p->t->defines, .name = name};
        p->t->defines = d;
    }
    d->first = first;
    return true;
}

/* The body of define or block: a template of its own, that sees no variable of this one. */
static bool parse_body(parser *p, hl_view name, uint32_t at) {
    const size_t n_vars = p->n_vars, vars_from = p->vars_from;
    const int    n_ranges = p->n_ranges;
    list         body;
    list_end     end = LIST_END;
    p->vars_from = n_vars;
    p->n_ranges = 0;
    if (!enter(p, at) || !parse_list(p, &body, &end)) return false;
    if (end != LIST_END) return fail_at(p, peek(p)->at, "else outside of if, range and with");
    p->depth--;
    p->n_vars = n_vars;
    p->vars_from = vars_from;
    p->n_ranges = n_ranges;
    return add_define(p, name, body.first, at);
}

static hl_go_node *parse_template_call(parser *p, bool is_block, uint32_t at) {
    const char *what = is_block ? "block" : "template";
    hl_go_node *n = new_node(p, HL_GO_N_TEMPLATE, at);
    if (!n || !parse_template_name(p, &n->text, what)) return NULL;
    if (!is_block && peek_behind_space(p)->kind == HL_GO_TOK_RIGHT) {
        p->i++;
        return n;
    }
    n->pipe = parse_pipe(p, what, HL_GO_TOK_RIGHT);
    if (!n->pipe || (is_block && !parse_body(p, n->text, at))) return NULL;
    return n;
}

/* Behind {{. Not for end and else. */
static hl_go_node *parse_action(parser *p) {
    const hl_go_token *t = peek_behind_space(p);
    hl_go_node        *n = NULL;
    switch (t->kind) {
    case HL_GO_TOK_IF:
    case HL_GO_TOK_RANGE:
    case HL_GO_TOK_WITH: p->i++; return parse_branch(p, t->kind, t->at);
    case HL_GO_TOK_BREAK: p->i++; return parse_leave(p, HL_GO_N_BREAK, t->at);
    case HL_GO_TOK_CONTINUE: p->i++; return parse_leave(p, HL_GO_N_CONTINUE, t->at);
    case HL_GO_TOK_TEMPLATE: p->i++; return parse_template_call(p, false, t->at);
    case HL_GO_TOK_BLOCK: p->i++; return parse_template_call(p, true, t->at);
    default: break;
    }
    n = new_node(p, HL_GO_N_ACTION, t->at);
    if (n) n->pipe = parse_pipe(p, "an action", HL_GO_TOK_RIGHT);
    return n && n->pipe ? n : NULL;
}

static bool parse_define(parser *p) {
    const uint32_t at = peek(p)->at;
    hl_view        name;
    return parse_template_name(p, &name, "define") && expect(p, HL_GO_TOK_RIGHT, "define") &&
           parse_body(p, name, at);
}

/* One statement of a list: text or an action that is neither end nor else. */
static bool parse_statement(parser *p, list *to) {
    const hl_go_token *t = &p->tokens[p->i++];
    hl_go_node        *n = NULL;
    if (t->kind == HL_GO_TOK_TEXT) {
        n = new_node(p, HL_GO_N_TEXT, t->at);
        if (n) n->text = t->text;
    } else {
        n = parse_action(p);
    }
    if (!n) return false;
    list_add(to, n);
    return true;
}

/* Is the action at hand {{end}} or {{else}}? Then it is taken; *ret_end says which. */
static bool take_list_end(parser *p, list_end *ret_end) {
    if (peek(p)->kind != HL_GO_TOK_LEFT) return false;
    const size_t       i = p->i++;
    const hl_go_token *t = next_behind_space(p);
    if (t->kind == HL_GO_TOK_END) {
        *ret_end = LIST_END;
        (void)expect(p, HL_GO_TOK_RIGHT, "end");
        return true;
    }
    if (t->kind == HL_GO_TOK_ELSE) {
        const hl_go_token_kind kind = peek_behind_space(p)->kind;
        *ret_end = kind == HL_GO_TOK_IF || kind == HL_GO_TOK_WITH ? LIST_ELSE_AGAIN : LIST_ELSE;
        if (*ret_end == LIST_ELSE) (void)expect(p, HL_GO_TOK_RIGHT, "else");
        return true;
    }
    p->i = i;
    return false;
}

static bool parse_list(parser *p, list *ret, list_end *ret_end) {
    list_init(ret);
    while (peek(p)->kind != HL_GO_TOK_EOF) {
        if (take_list_end(p, ret_end)) return p->status == HL_OK;
        if (!parse_statement(p, ret)) return false;
    }
    return fail_unexpected(p, peek(p), "the middle of if, range, with, define or block");
}

static bool parse_all(parser *p) {
    list     root;
    list_end end = LIST_END;
    list_init(&root);
    while (peek(p)->kind != HL_GO_TOK_EOF) {
        if (take_list_end(p, &end))
            return fail_at(p, peek(p)->at, "end or else without if, range, with, define or block");
        if (peek(p)->kind == HL_GO_TOK_LEFT) {
            const size_t i = p->i++;
            if (next_behind_space(p)->kind == HL_GO_TOK_DEFINE) {
                if (!parse_define(p)) return false;
                continue;
            }
            p->i = i;
        }
        if (!parse_statement(p, &root)) return false;
    }
    if (!add_define(p, (hl_view){"", 0}, root.first, 0)) return false;
    for (hl_go_define *d = p->t->defines; d; d = d->next)
        if (d->name.len == 0) p->t->root = d->first;
    return true;
}

hl_status hl_go_parse(hl_gotemplate *t, const hl_go_token *tokens, size_t n, hl_err *err) {
    parser p = {.t = t, .tokens = tokens, .err = err};
    (void)n;
    if (!parse_all(&p) && p.status == HL_OK)
        p.status = hl_fail(err, HL_E_INTERNAL, "template: failed without a cause");
    return p.status;
}
