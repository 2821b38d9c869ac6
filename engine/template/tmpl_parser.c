/* SPDX-License-Identifier: MIT
 *
 * tmpl_parser.c - statements: text, {{ }}, and one function for each {% tag %}.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "engine/template/tmpl_parse.h"

static hl_tmpl_node *parse_body(hl_tmpl_parser *p, const char *const *ends, bool *ret_ok);

hl_tmpl_node *hl_tmpl_parse_fail(hl_tmpl_parser *p, const hl_tmpl_token *at, const char *fmt, ...) {
    if (p->status != HL_OK) return NULL;
    if (!at) {
        const bool is_full = p->t->arena.used_bytes + sizeof(hl_tmpl_node) > p->t->arena.limit_bytes;
        p->status = is_full ? hl_fail(p->err, HL_E_LIMIT, "template: its syntax tree is larger than %zu MiB",
                                      p->t->arena.limit_bytes >> 20)
                            : hl_fail(p->err, HL_E_NOMEM, "template: no memory for the syntax tree");
        return NULL;
    }
    char    text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    p->status = hl_tmpl_fail(p->t, at->at, p->err, "%s", text);
    return NULL;
}

hl_tmpl_node *hl_tmpl_parse_node(hl_tmpl_parser *p, hl_tmpl_node_kind kind, uint32_t line) {
    if (p->status == HL_OK) p->status = hl_tmpl_step(p->t, p->err);
    hl_tmpl_node *n = p->status == HL_OK ? hl_arena_get(&p->t->arena, 1, sizeof *n) : NULL;
    if (!n) return hl_tmpl_parse_fail(p, NULL, "no memory");
    n->kind = (uint8_t)kind;
    n->line = line;
    return n;
}

bool hl_tmpl_parse_enter(hl_tmpl_parser *p) {
    if (p->status != HL_OK) return false;
    if (p->depth >= HL_TMPL_MAX_NESTING) {
        p->status = hl_fail(p->err, HL_E_LIMIT, "template line %u: nested deeper than %d levels",
                            p->tok->line, HL_TMPL_MAX_NESTING);
        return false;
    }
    p->depth++;
    return true;
}

bool hl_tmpl_parse_is_op(const hl_tmpl_parser *p, uint16_t op) {
    return p->tok->kind == HL_TMPL_TOKEN_OP && p->tok->op == op;
}

bool hl_tmpl_parse_is_word(const hl_tmpl_parser *p, const char *word) {
    return p->tok->kind == HL_TMPL_TOKEN_NAME && hl_view_is(p->tok->text, word);
}

bool hl_tmpl_parse_skip_op(hl_tmpl_parser *p, uint16_t op) {
    const bool hit = hl_tmpl_parse_is_op(p, op);
    p->tok += hit;
    return hit;
}

bool hl_tmpl_parse_skip_word(hl_tmpl_parser *p, const char *word) {
    const bool hit = hl_tmpl_parse_is_word(p, word);
    p->tok += hit;
    return hit;
}

const char *hl_tmpl_parse_describe(const hl_tmpl_token *tok, char *to, size_t n) {
    switch ((hl_tmpl_token_kind)tok->kind) {
    case HL_TMPL_TOKEN_EOF: return "the end of the template";
    case HL_TMPL_TOKEN_DATA: return "text";
    case HL_TMPL_TOKEN_VAR_BEGIN: return "'{{'";
    case HL_TMPL_TOKEN_VAR_END: return "'}}'";
    case HL_TMPL_TOKEN_BLOCK_BEGIN: return "'{%'";
    case HL_TMPL_TOKEN_BLOCK_END: return "'%}'";
    default:
        (void)snprintf(to, n, "'%.*s'", (int)(tok->text.len < 40 ? tok->text.len : 40), tok->text.ptr);
        return to;
    }
}

bool hl_tmpl_parse_expect_op(hl_tmpl_parser *p, uint16_t op) {
    if (p->status != HL_OK) return false;
    if (hl_tmpl_parse_skip_op(p, op)) return true;
    char what[48];
    hl_tmpl_parse_fail(p, p->tok, "expected '%c', found %s", op,
                       hl_tmpl_parse_describe(p->tok, what, sizeof what));
    return false;
}

hl_tmpl_symbol *hl_tmpl_parse_expect_name(hl_tmpl_parser *p) {
    if (p->status != HL_OK) return NULL;
    if (p->tok->kind != HL_TMPL_TOKEN_NAME) {
        char what[48];
        hl_tmpl_parse_fail(p, p->tok, "expected a name, found %s",
                           hl_tmpl_parse_describe(p->tok, what, sizeof what));
        return NULL;
    }
    hl_tmpl_symbol *sym = hl_tmpl_sym(p->t, p->tok++->text);
    if (!sym) hl_tmpl_parse_fail(p, NULL, "no memory");
    return sym;
}

static bool expect_block_end(hl_tmpl_parser *p) {
    if (p->status != HL_OK) return false;
    if (p->tok->kind == HL_TMPL_TOKEN_BLOCK_END) {
        p->tok++;
        return true;
    }
    char what[48];
    hl_tmpl_parse_fail(p, p->tok, "expected '%%}', found %s",
                       hl_tmpl_parse_describe(p->tok, what, sizeof what));
    return false;
}

/* The rest of this tag, then statements up to one of `ends`; that word is current afterwards. */
static bool parse_until(hl_tmpl_parser *p, const char *const *ends, hl_tmpl_node **ret_first) {
    (void)hl_tmpl_parse_skip_op(p, ':');
    bool ok = expect_block_end(p) && hl_tmpl_parse_enter(p);
    if (!ok) return false;
    *ret_first = parse_body(p, ends, &ok);
    p->depth--;
    return ok;
}

static bool parse_until_word(hl_tmpl_parser *p, const char *end, hl_tmpl_node **ret_first) {
    const char *const ends[] = {end, NULL};
    if (!parse_until(p, ends, ret_first)) return false;
    p->tok++;
    return true;
}

static hl_tmpl_node *parse_if(hl_tmpl_parser *p, hl_tmpl_node *n) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    hl_tmpl_node            *arm = n;
    for (p->n_conditionals++;;) {
        if (!(arm->a = hl_tmpl_parse_tuple(p, false, NULL)) || !parse_until(p, ends, &arm->b)) return NULL;
        if (!hl_tmpl_parse_is_word(p, "elif")) break;
        if (!(arm->c = hl_tmpl_parse_node(p, HL_TMPL_NODE_IF, p->tok->line))) return NULL;
        arm = arm->c;
        p->tok++;
    }
    if (hl_tmpl_parse_skip_word(p, "else")) {
        if (!parse_until_word(p, "endif", &arm->c)) return NULL;
    } else {
        p->tok++;
    }
    p->n_conditionals--;
    return n;
}

/* In a part with names of its own, an unknown filter or test is an error wherever the part stands. */
static void enter_part(hl_tmpl_parser *p) { p->n_conditionals = 0; }

static hl_tmpl_node *parse_for_inside(hl_tmpl_parser *p, hl_tmpl_node *n) {
    static const char *const ends[] = {"else", "endfor", NULL};
    if (!(n->a = hl_tmpl_parse_target(p, false))) return NULL;
    if (!hl_tmpl_parse_skip_word(p, "in")) return hl_tmpl_parse_fail(p, p->tok, "expected 'in' in 'for'");
    if (!(n->b = hl_tmpl_parse_tuple(p, false, "recursive"))) return NULL;
    enter_part(p);
    if (hl_tmpl_parse_skip_word(p, "if") && !(n->c = hl_tmpl_parse_expr(p, true))) return NULL;
    n->op = hl_tmpl_parse_skip_word(p, "recursive");
    p->n_loops++;
    const bool ok = parse_until(p, ends, &n->d);
    p->n_loops--;
    if (!ok) return NULL;
    if (hl_tmpl_parse_is_word(p, "endfor")) {
        p->tok++;
        return n;
    }
    p->tok++;
    return parse_until_word(p, "endfor", &n->e) ? n : NULL;
}

static hl_tmpl_node *parse_for(hl_tmpl_parser *p, hl_tmpl_node *n) {
    p->n_for++;
    n = parse_for_inside(p, n);
    p->n_for--;
    return n;
}

static hl_tmpl_node *parse_set(hl_tmpl_parser *p, hl_tmpl_node *n) {
    if (!(n->a = hl_tmpl_parse_target(p, true))) return NULL;
    if (hl_tmpl_parse_skip_op(p, '=')) return (n->b = hl_tmpl_parse_tuple(p, true, NULL)) ? n : NULL;
    n->kind = HL_TMPL_NODE_SET_BLOCK;
    enter_part(p);
    hl_tmpl_node *hole = hl_tmpl_parse_node(p, HL_TMPL_NODE_HOLE, n->line);
    if (!(n->b = hl_tmpl_parse_filters(p, hole, false))) return NULL;
    return parse_until_word(p, "endset", &n->d) ? n : NULL;
}

static bool parse_signature(hl_tmpl_parser *p, hl_tmpl_node *n) {
    hl_tmpl_node       **to = &n->a;
    const hl_tmpl_token *begin = p->tok;
    bool                 has_default = false;
    if (!hl_tmpl_parse_expect_op(p, '(')) return false;
    for (bool first = true; !hl_tmpl_parse_is_op(p, ')'); first = false) {
        if (!first && !hl_tmpl_parse_expect_op(p, ',')) return false;
        const hl_tmpl_token *at = p->tok;
        hl_tmpl_symbol      *sym = hl_tmpl_parse_expect_name(p);
        if (!sym || !(*to = hl_tmpl_parse_node(p, HL_TMPL_NODE_PARAM, at->line))) return false;
        (*to)->sym = sym;
        if (hl_tmpl_parse_skip_op(p, '=')) {
            has_default = true;
            if (!((*to)->a = hl_tmpl_parse_expr(p, true))) return false;
        } else if (has_default) {
            hl_tmpl_parse_fail(p, at, "a parameter without a default follows one that has a default");
            return false;
        }
        if (sym == p->t->sym_caller) n->flags |= HL_TMPL_NODE_HAS_CALLER;
        if (sym == p->t->sym_kwargs) n->flags |= HL_TMPL_NODE_HAS_KWARGS;
        if (sym == p->t->sym_varargs) n->flags |= HL_TMPL_NODE_HAS_VARARGS;
        to = &(*to)->next;
    }
    p->tok++;
    return hl_tmpl_parse_are_distinct(p, begin, n->a, HL_TMPL_NODE_PARAM);
}

/* A parameter `caller` of a macro that uses it needs a default: not every call has a body. */
static bool check_caller(hl_tmpl_parser *p, const hl_tmpl_token *at, const hl_tmpl_node *n) {
    const unsigned both = HL_TMPL_NODE_HAS_CALLER | HL_TMPL_NODE_USES_CALLER;
    if ((n->flags & both) != both) return true;
    for (const hl_tmpl_node *q = n->a; q; q = q->next)
        if (q->sym == p->t->sym_caller && !q->a) {
            hl_tmpl_parse_fail(p, at, "the parameter 'caller' must have a default");
            return false;
        }
    return true;
}

/* Body of a macro or call block: names it mentions and loops it leaves belong to it alone. */
static hl_tmpl_node *parse_macro_body(hl_tmpl_parser *p, hl_tmpl_node *n, const char *end) {
    hl_tmpl_node        *outer = p->macro;
    const hl_tmpl_token *at = p->tok;
    const int            n_loops = p->n_loops;
    enter_part(p);
    p->macro = n;
    p->n_loops = 0;
    const bool ok = parse_until_word(p, end, &n->d) && check_caller(p, at, n);
    p->macro = outer;
    p->n_loops = n_loops;
    if (outer)
        outer->flags |=
            n->flags & (HL_TMPL_NODE_USES_VARARGS | HL_TMPL_NODE_USES_KWARGS | HL_TMPL_NODE_USES_CALLER);
    if (n->flags & HL_TMPL_NODE_HAS_KWARGS) n->flags &= (uint8_t)~HL_TMPL_NODE_USES_KWARGS;
    if (n->flags & HL_TMPL_NODE_HAS_VARARGS) n->flags &= (uint8_t)~HL_TMPL_NODE_USES_VARARGS;
    return ok ? n : NULL;
}

static hl_tmpl_node *parse_macro(hl_tmpl_parser *p, hl_tmpl_node *n) {
    enter_part(p);
    if (!(n->sym = hl_tmpl_parse_expect_name(p)) || !parse_signature(p, n)) return NULL;
    return parse_macro_body(p, n, "endmacro");
}

static hl_tmpl_node *parse_call_block(hl_tmpl_parser *p, hl_tmpl_node *n) {
    if (hl_tmpl_parse_is_op(p, '(') && !parse_signature(p, n)) return NULL;
    const hl_tmpl_token *at = p->tok;
    if (!(n->b = hl_tmpl_parse_expr(p, true))) return NULL;
    if (n->b->kind != HL_TMPL_NODE_CALL)
        return hl_tmpl_parse_fail(p, at, "'call' needs a call, say 'macro()'");
    n->sym = p->t->sym_caller;
    return parse_macro_body(p, n, "endcall");
}

static hl_tmpl_node *parse_filter_block(hl_tmpl_parser *p, hl_tmpl_node *n) {
    enter_part(p);
    hl_tmpl_node *hole = hl_tmpl_parse_node(p, HL_TMPL_NODE_HOLE, n->line);
    if (!(n->b = hl_tmpl_parse_filters(p, hole, true))) return NULL;
    return parse_until_word(p, "endfilter", &n->d) ? n : NULL;
}

static hl_tmpl_node *parse_with(hl_tmpl_parser *p, hl_tmpl_node *n) {
    hl_tmpl_node **to = &n->a, **value = &n->b;
    while (p->tok->kind != HL_TMPL_TOKEN_BLOCK_END) {
        if (n->a && !hl_tmpl_parse_expect_op(p, ',')) return NULL;
        if (!(*to = hl_tmpl_parse_target(p, false)) || !hl_tmpl_parse_expect_op(p, '=')) return NULL;
        if (!(*value = hl_tmpl_parse_expr(p, true))) return NULL;
        to = &(*to)->next;
        value = &(*value)->next;
    }
    enter_part(p);
    return parse_until_word(p, "endwith", &n->d) ? n : NULL;
}

/* {% generation %} marks what an assistant wrote, for training; it only opens a scope. */
static hl_tmpl_node *parse_generation(hl_tmpl_parser *p, hl_tmpl_node *n) {
    enter_part(p);
    return parse_until_word(p, "endgeneration", &n->d) ? n : NULL;
}

/* Nothing can extend a chat template, so a block is its own body; self.name() gives it again. */
static hl_tmpl_node *parse_block(hl_tmpl_parser *p, hl_tmpl_node *n) {
    const hl_tmpl_token *at = p->tok;
    hl_tmpl_symbol      *name = hl_tmpl_parse_expect_name(p);
    if (!name) return NULL;
    if (name->block) return hl_tmpl_parse_fail(p, at, "block '%.*s' is there twice", HL_TMPL_ARG(name->text));
    name->block = n;
    n->sym = name;
    n->op = !hl_tmpl_parse_skip_word(p, "scoped");
    if (hl_tmpl_parse_skip_word(p, "required"))
        return hl_tmpl_parse_fail(p, at, "a required block needs a template that extends this one");
    const int n_loops = p->n_loops;
    p->n_loops = 0;
    enter_part(p);
    const bool ok = parse_until_word(p, "endblock", &n->d);
    p->n_loops = n_loops;
    if (!ok) return NULL;
    if (p->tok->kind == HL_TMPL_TOKEN_NAME && hl_view_eq(p->tok->text, name->text)) p->tok++;
    return n;
}

static hl_tmpl_node *parse_print(hl_tmpl_parser *p, hl_tmpl_node *n) {
    for (hl_tmpl_node **to = &n->a; p->tok->kind != HL_TMPL_TOKEN_BLOCK_END; to = &(*to)->next) {
        if (n->a && !hl_tmpl_parse_expect_op(p, ',')) return NULL;
        if (!(*to = hl_tmpl_parse_expr(p, true))) return NULL;
    }
    return n;
}

static hl_tmpl_node *parse_loop_control(hl_tmpl_parser *p, hl_tmpl_node *n) {
    if (p->n_loops == 0) return hl_tmpl_parse_fail(p, p->tok - 1, "'break' or 'continue' outside of a loop");
    return n;
}

static hl_tmpl_node *parse_unsupported(hl_tmpl_parser *p, hl_tmpl_node *n) {
    (void)n;
    const hl_view word = p->tok[-1].text;
    return hl_tmpl_parse_fail(p, p->tok - 1, "tag '%.*s' is not supported in a chat template", (int)word.len,
                              word.ptr);
}

static hl_tmpl_node *parse_statement(hl_tmpl_parser *p) {
    static const struct {
        const char       *word;
        hl_tmpl_node_kind kind;
        hl_tmpl_node *(*parse)(hl_tmpl_parser *p, hl_tmpl_node *n);
    } tags[] = {
        {"if", HL_TMPL_NODE_IF, parse_if},
        {"for", HL_TMPL_NODE_FOR, parse_for},
        {"set", HL_TMPL_NODE_SET, parse_set},
        {"macro", HL_TMPL_NODE_MACRO, parse_macro},
        {"call", HL_TMPL_NODE_CALL_BLOCK, parse_call_block},
        {"filter", HL_TMPL_NODE_FILTER_BLOCK, parse_filter_block},
        {"with", HL_TMPL_NODE_WITH, parse_with},
        {"generation", HL_TMPL_NODE_SCOPE, parse_generation},
        {"block", HL_TMPL_NODE_SCOPE, parse_block},
        {"print", HL_TMPL_NODE_PRINT, parse_print},
        {"break", HL_TMPL_NODE_BREAK, parse_loop_control},
        {"continue", HL_TMPL_NODE_CONTINUE, parse_loop_control},
        {"include", HL_TMPL_NODE_DATA, parse_unsupported},
        {"import", HL_TMPL_NODE_DATA, parse_unsupported},
        {"from", HL_TMPL_NODE_DATA, parse_unsupported},
        {"extends", HL_TMPL_NODE_DATA, parse_unsupported},
        {"autoescape", HL_TMPL_NODE_DATA, parse_unsupported},
    };
    const hl_tmpl_token *tok = p->tok;
    if (!hl_tmpl_parse_expect_name(p)) return NULL;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (!hl_view_is(tok->text, tags[i].word)) continue;
        hl_tmpl_node *n = hl_tmpl_parse_node(p, tags[i].kind, tok->line);
        const int     n_conditionals = p->n_conditionals;
        n = n ? tags[i].parse(p, n) : NULL;
        p->n_conditionals = n_conditionals;
        return n && expect_block_end(p) ? n : NULL;
    }
    const bool misplaced = hl_view_has_prefix(tok->text, "end") || hl_view_has_prefix(tok->text, "el");
    return hl_tmpl_parse_fail(p, tok, "%s tag '%.*s'", misplaced ? "unexpected" : "unknown",
                              (int)tok->text.len, tok->text.ptr);
}

static hl_tmpl_node *parse_data(hl_tmpl_parser *p) {
    hl_tmpl_node *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_DATA, p->tok->line);
    if (n) n->value = hl_tmpl_str(p->tok->text);
    p->tok++;
    return n;
}

static hl_tmpl_node *parse_output(hl_tmpl_parser *p) {
    const uint32_t line = p->tok++->line;
    hl_tmpl_node  *n = hl_tmpl_parse_node(p, HL_TMPL_NODE_PRINT, line);
    if (!n || !(n->a = hl_tmpl_parse_tuple(p, true, NULL))) return NULL;
    if (p->tok->kind != HL_TMPL_TOKEN_VAR_END) {
        char what[48];
        return hl_tmpl_parse_fail(p, p->tok, "expected '}}', found %s",
                                  hl_tmpl_parse_describe(p->tok, what, sizeof what));
    }
    p->tok++;
    return n;
}

static bool at_one_of(const hl_tmpl_parser *p, const char *const *words) {
    for (; words && *words; words++)
        if (hl_tmpl_parse_is_word(p, *words)) return true;
    return false;
}

static hl_tmpl_node *parse_body(hl_tmpl_parser *p, const char *const *ends, bool *ret_ok) {
    const hl_tmpl_token *begin = p->tok;
    hl_tmpl_node        *first = NULL, **to = &first;
    *ret_ok = false;
    while (p->tok->kind != HL_TMPL_TOKEN_EOF) {
        hl_tmpl_node *n;
        if (p->tok->kind == HL_TMPL_TOKEN_DATA) {
            n = parse_data(p);
        } else if (p->tok->kind == HL_TMPL_TOKEN_VAR_BEGIN) {
            n = parse_output(p);
        } else {
            p->tok++;
            if (at_one_of(p, ends)) {
                *ret_ok = true;
                return first;
            }
            n = parse_statement(p);
        }
        if (!n) return NULL;
        *to = n;
        to = &n->next;
    }
    *ret_ok = ends == NULL;
    while (ends && ends[1]) ends++; /* the word that must come is the last one */
    if (ends) hl_tmpl_parse_fail(p, begin - (begin->kind == HL_TMPL_TOKEN_EOF), "block has no '%s'", ends[0]);
    return first;
}

hl_status hl_tmpl_parse_tokens(hl_template *t, const hl_tmpl_token *tokens, size_t n, hl_err *err) {
    (void)n;
    hl_tmpl_parser p = {.t = t, .tok = tokens, .err = err};
    bool           ok = false;
    t->body = parse_body(&p, NULL, &ok);
    return p.status;
}
