/* SPDX-License-Identifier: MIT
 *
 * tmpl_eval.c - statements.
 *
 * Names: a loop's body, a macro, and captured blocks have a scope of their own; `if` has none. A loop
 * starts each round with an empty scope, which is why templates carry values out through namespaces.
 */
#include <string.h>

#include "engine/template/tmpl_run.h"

static bool assign(hl_tmpl_run *r, const hl_tmpl_node *target, hl_tmpl_value value);

static bool assign_tuple(hl_tmpl_run *r, const hl_tmpl_node *target, hl_tmpl_value value) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0, n_targets = 0;
    for (const hl_tmpl_node *t = target->a; t; t = t->next) n_targets++;
    if (!hl_tmpl_to_items(r, value, &items, &n)) return false;
    if (n != n_targets) return hl_tmpl_run_fail(r, "%zu values to unpack, expected %zu", n, n_targets);
    for (const hl_tmpl_node *t = target->a; t; t = t->next)
        if (!assign(r, t, *items++)) return false;
    return true;
}

static bool assign_attribute(hl_tmpl_run *r, const hl_tmpl_node *target, hl_tmpl_value value) {
    hl_tmpl_value ns;
    if (!hl_tmpl_run_find_name(r, target->sym, &ns)) return false;
    if (ns.kind != HL_TMPL_VALUE_NAMESPACE)
        return hl_tmpl_run_fail(r, "cannot assign attribute '%.*s' of '%.*s': %s, expected a namespace",
                                HL_TMPL_ARG(hl_tmpl_view(target->value)), HL_TMPL_ARG(target->sym->text),
                                hl_tmpl_type_name(ns));
    hl_tmpl_value *old = hl_tmpl_dict_find_text(r, ns.u.dict, hl_tmpl_view(target->value));
    if (old) *old = value;
    return old || hl_tmpl_dict_put(r, ns.u.dict, target->value, value);
}

static bool assign(hl_tmpl_run *r, const hl_tmpl_node *target, hl_tmpl_value value) {
    if (target->kind == HL_TMPL_NODE_NAME) return hl_tmpl_scope_set(r, r->scope, target->sym, value);
    if (target->kind == HL_TMPL_NODE_NSREF) return assign_attribute(r, target, value);
    return assign_tuple(r, target, value);
}

/* A block's scope may be remembered by a macro: then it lives in the arena, not on the stack. */
hl_tmpl_scope *hl_tmpl_scope_new(hl_tmpl_run *r, hl_tmpl_scope *parent) {
    hl_tmpl_scope *s = hl_tmpl_run_get(r, 1, sizeof *s);
    if (s) s->parent = parent;
    return s;
}

/* The text of a block. When a loop around it is left or goes on, its text is dropped. */
static hl_tmpl_flow capture(hl_tmpl_run *r, hl_tmpl_scope *scope, const hl_tmpl_node *first,
                            hl_tmpl_value *ret) {
    hl_tmpl_out   *out = r->out;
    hl_tmpl_scope *outer = r->scope;
    const size_t   mark = hl_tmpl_run_begin(r);
    r->out = &r->scratch;
    r->scope = scope;
    const hl_tmpl_flow flow = hl_tmpl_run_block(r, first);
    r->scope = outer;
    r->out = out;
    if (flow == HL_TMPL_FLOW_NEXT) return hl_tmpl_run_end(r, mark, ret) ? flow : HL_TMPL_FLOW_FAIL;
    if (flow != HL_TMPL_FLOW_FAIL) r->scratch.len = mark;
    return flow;
}

bool hl_tmpl_run_capture(hl_tmpl_run *r, hl_tmpl_scope *scope, const hl_tmpl_node *first,
                         hl_tmpl_value *ret) {
    const hl_tmpl_flow flow = capture(r, scope, first, ret);
    return flow == HL_TMPL_FLOW_NEXT ||
           (flow != HL_TMPL_FLOW_FAIL && hl_tmpl_run_fail(r, "'break' or 'continue' outside of a loop"));
}

static hl_tmpl_flow run_scope(hl_tmpl_run *r, hl_tmpl_scope *parent, const hl_tmpl_node *first) {
    hl_tmpl_scope *outer = r->scope;
    if (!(r->scope = hl_tmpl_scope_new(r, parent))) {
        r->scope = outer;
        return HL_TMPL_FLOW_FAIL;
    }
    const hl_tmpl_flow flow = hl_tmpl_run_block(r, first);
    r->scope = outer;
    return flow;
}

bool hl_tmpl_loop_know(hl_tmpl_run *r, hl_tmpl_loop *l, size_t n) {
    if (l->n >= n || l->i_source == l->n_source) return true;
    hl_tmpl_scope *outer = r->scope, *scope = hl_tmpl_scope_new(r, l->outer);
    bool           ok = scope != NULL;
    for (r->scope = scope; ok && l->n < n && l->i_source < l->n_source; l->i_source++) {
        hl_tmpl_value       keep = {0};
        const hl_tmpl_value item = l->source[l->i_source];
        ok = hl_tmpl_run_steps(r, 1) && assign(r, l->node->a, item) && hl_tmpl_run_eval(r, l->node->c, &keep);
        if (ok && hl_tmpl_truth(keep)) l->items[l->n++] = item;
    }
    r->scope = outer;
    return ok;
}

/* `else` belongs to a loop of which no round came to its end. */
static hl_tmpl_flow run_rounds(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_loop *loop) {
    hl_tmpl_scope      *outer = r->scope;
    hl_tmpl_scope      *scope = hl_tmpl_scope_new(r, outer);
    hl_tmpl_flow        flow = HL_TMPL_FLOW_NEXT;
    bool                has_finished = false;
    const hl_tmpl_value self = {.kind = HL_TMPL_VALUE_LOOP, .u.loop = loop};
    for (loop->i = 0; flow != HL_TMPL_FLOW_FAIL; loop->i++) {
        if (!scope || !hl_tmpl_run_steps(r, 1) || !hl_tmpl_loop_know(r, loop, loop->i + 1))
            return HL_TMPL_FLOW_FAIL;
        if (loop->i >= loop->n) break;
        const hl_tmpl_value item =
            loop->items ? loop->items[loop->i] : hl_tmpl_seq_at(loop->of.u.seq, loop->i);
        r->scope = scope;
        if (!assign(r, n->a, item) || !hl_tmpl_scope_set(r, scope, r->t->sym_loop, self))
            flow = HL_TMPL_FLOW_FAIL;
        else
            flow = hl_tmpl_run_block(r, n->d);
        r->scope = outer;
        if (flow == HL_TMPL_FLOW_BREAK) break;
        has_finished |= flow == HL_TMPL_FLOW_NEXT;
        if (scope->is_kept)
            scope = hl_tmpl_scope_new(r, outer);
        else
            hl_tmpl_scope_clear(scope);
    }
    if (flow == HL_TMPL_FLOW_FAIL) return flow;
    return n->e && !has_finished ? run_scope(r, r->scope, n->e) : HL_TMPL_FLOW_NEXT;
}

static hl_tmpl_flow run_loop(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value of, int64_t depth0) {
    hl_tmpl_value *items = NULL, kept;
    size_t         n_items = 0;
    hl_tmpl_loop  *loop = hl_tmpl_run_get(r, 1, sizeof *loop);
    if (!loop) return HL_TMPL_FLOW_FAIL;
    *loop = (hl_tmpl_loop){.of = of, .depth0 = depth0, .node = n, .outer = r->scope};
    if (of.kind == HL_TMPL_VALUE_RANGE && !n->c) {
        loop->n = of.u.seq->n;
        return run_rounds(r, n, loop);
    }
    if (!hl_tmpl_to_items(r, of, &items, &n_items)) return HL_TMPL_FLOW_FAIL;
    loop->items = items;
    if (!n->c) {
        loop->n = n_items;
    } else {
        if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_LIST, n_items, &kept)) return HL_TMPL_FLOW_FAIL;
        loop->items = kept.u.seq->items;
        loop->source = items;
        loop->n_source = n_items;
    }
    return run_rounds(r, n, loop);
}

static hl_tmpl_flow run_for(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_value of;
    return hl_tmpl_run_eval(r, n->b, &of) ? run_loop(r, n, of, 0) : HL_TMPL_FLOW_FAIL;
}

bool hl_tmpl_run_loop_again(hl_tmpl_run *r, const hl_tmpl_loop *l, hl_tmpl_value of, hl_tmpl_value *ret) {
    hl_tmpl_out   *out = r->out;
    hl_tmpl_scope *scope = r->scope;
    const size_t   mark = hl_tmpl_run_begin(r);
    if (!l->node->op) return hl_tmpl_run_fail(r, "loop() works in a loop marked 'recursive' only");
    if (!hl_tmpl_run_enter(r)) return false;
    r->out = &r->scratch;
    r->scope = l->outer;
    const hl_tmpl_flow flow = run_loop(r, l->node, of, l->depth0 + 1);
    r->scope = scope;
    r->out = out;
    hl_tmpl_run_leave(r);
    return flow != HL_TMPL_FLOW_FAIL && hl_tmpl_run_end(r, mark, ret);
}

static hl_tmpl_flow flow_of(bool ok) { return ok ? HL_TMPL_FLOW_NEXT : HL_TMPL_FLOW_FAIL; }

/* The text of n's body through its filters. */
static hl_tmpl_flow filter_body(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    const hl_tmpl_value outer = r->hole;
    hl_tmpl_scope      *scope = hl_tmpl_scope_new(r, r->scope);
    hl_tmpl_value       text;
    if (!scope) return HL_TMPL_FLOW_FAIL;
    const hl_tmpl_flow flow = capture(r, scope, n->d, &text);
    if (flow != HL_TMPL_FLOW_NEXT) return flow;
    r->hole = text;
    const bool ok = hl_tmpl_run_eval(r, n->b, ret);
    r->hole = outer;
    return flow_of(ok);
}

static hl_tmpl_flow run_set_block(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_value      value;
    const hl_tmpl_flow flow = filter_body(r, n, &value);
    return flow == HL_TMPL_FLOW_NEXT ? flow_of(assign(r, n->a, value)) : flow;
}

/* What a block gives must be text; only {{ }} makes text of all. */
static bool write_text(hl_tmpl_run *r, const char *what, hl_tmpl_value v) {
    if (v.kind != HL_TMPL_VALUE_STR)
        return hl_tmpl_run_fail(r, "the %s block gives %s, expected a string", what, hl_tmpl_type_name(v));
    return hl_tmpl_write(r, r->out, v);
}

static hl_tmpl_flow run_filter_block(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_value      value;
    const hl_tmpl_flow flow = filter_body(r, n, &value);
    return flow == HL_TMPL_FLOW_NEXT ? flow_of(write_text(r, "filter", value)) : flow;
}

static bool make_macro(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_macro *m = hl_tmpl_run_get(r, 1, sizeof *m);
    if (!m) return false;
    *m = (hl_tmpl_macro){.node = n, .scope = r->scope};
    for (hl_tmpl_scope *s = r->scope; s; s = s->parent) s->is_kept = true;
    *ret = (hl_tmpl_value){.kind = HL_TMPL_VALUE_MACRO, .u.macro = m};
    return true;
}

static bool run_call_block(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_value callee, caller, result;
    hl_tmpl_args  c = {0};
    if (!hl_tmpl_run_eval(r, n->b->a, &callee) || !hl_tmpl_run_eval_args(r, n->b->b, &c) ||
        !make_macro(r, n, &caller))
        return false;
    hl_tmpl_var *kw = hl_tmpl_run_get(r, c.n_kw + 1, sizeof *kw);
    if (!kw) return false;
    if (c.n_kw) memcpy(kw, c.kw, c.n_kw * sizeof *kw);
    kw[c.n_kw] = (hl_tmpl_var){r->t->sym_caller, caller};
    c.kw = kw;
    c.n_kw++;
    return hl_tmpl_run_call(r, callee, &c, &result) && write_text(r, "call", result);
}

static hl_tmpl_flow run_with(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_scope *outer = r->scope;
    hl_tmpl_scope *inner = hl_tmpl_scope_new(r, outer);
    if (!inner) return HL_TMPL_FLOW_FAIL;
    for (const hl_tmpl_node *target = n->a, *e = n->b; target; target = target->next, e = e->next) {
        hl_tmpl_value value;
        r->scope = outer;
        bool ok = hl_tmpl_run_eval(r, e, &value);
        r->scope = inner;
        ok = ok && assign(r, target, value);
        if (!ok) {
            r->scope = outer;
            return HL_TMPL_FLOW_FAIL;
        }
    }
    r->scope = inner;
    const hl_tmpl_flow flow = hl_tmpl_run_block(r, n->d);
    r->scope = outer;
    return flow;
}

static bool run_print(hl_tmpl_run *r, const hl_tmpl_node *n) {
    for (const hl_tmpl_node *e = n->a; e; e = e->next) {
        hl_tmpl_value v;
        if (!hl_tmpl_run_eval(r, e, &v)) return false;
        if (v.kind == HL_TMPL_VALUE_STR)
            hl_tmpl_run_add(r, r->out, hl_tmpl_view(v));
        else if (!hl_tmpl_write(r, r->out, v))
            return false;
    }
    return true;
}

static hl_tmpl_flow run_if(hl_tmpl_run *r, const hl_tmpl_node *n) {
    for (;;) { /* along the elif arms */
        hl_tmpl_value test;
        r->line = n->line;
        if (!hl_tmpl_run_eval(r, n->a, &test)) return HL_TMPL_FLOW_FAIL;
        if (hl_tmpl_truth(test)) return hl_tmpl_run_block(r, n->b);
        if (!n->c || n->c->kind != HL_TMPL_NODE_IF || n->c->next) return hl_tmpl_run_block(r, n->c);
        n = n->c;
    }
}

static hl_tmpl_flow run_statement(hl_tmpl_run *r, const hl_tmpl_node *n) {
    hl_tmpl_value v;
    switch ((hl_tmpl_node_kind)n->kind) {
    case HL_TMPL_NODE_DATA: hl_tmpl_out_put(r->out, hl_tmpl_view(n->value), false); return HL_TMPL_FLOW_NEXT;
    case HL_TMPL_NODE_PRINT: return flow_of(run_print(r, n));
    case HL_TMPL_NODE_IF: return run_if(r, n);
    case HL_TMPL_NODE_FOR: return run_for(r, n);
    case HL_TMPL_NODE_SET: return flow_of(hl_tmpl_run_eval(r, n->b, &v) && assign(r, n->a, v));
    case HL_TMPL_NODE_SET_BLOCK: return run_set_block(r, n);
    case HL_TMPL_NODE_MACRO:
        return flow_of(make_macro(r, n, &v) && hl_tmpl_scope_set(r, r->scope, n->sym, v));
    case HL_TMPL_NODE_CALL_BLOCK: return flow_of(run_call_block(r, n));
    case HL_TMPL_NODE_FILTER_BLOCK: return run_filter_block(r, n);
    case HL_TMPL_NODE_WITH: return run_with(r, n);
    case HL_TMPL_NODE_SCOPE: return run_scope(r, n->op ? r->root : r->scope, n->d);
    case HL_TMPL_NODE_BREAK: return HL_TMPL_FLOW_BREAK;
    case HL_TMPL_NODE_CONTINUE: return HL_TMPL_FLOW_CONTINUE;
    default: return flow_of(hl_tmpl_run_fail(r, "not a statement"));
    }
}

hl_tmpl_flow hl_tmpl_run_block(hl_tmpl_run *r, const hl_tmpl_node *first) {
    if (!first) return HL_TMPL_FLOW_NEXT;
    if (!hl_tmpl_run_enter(r)) return HL_TMPL_FLOW_FAIL;
    hl_tmpl_flow flow = HL_TMPL_FLOW_NEXT;
    for (const hl_tmpl_node *n = first; n && flow == HL_TMPL_FLOW_NEXT; n = n->next) {
        r->line = n->line;
        flow = hl_tmpl_run_steps(r, 1) ? run_statement(r, n) : HL_TMPL_FLOW_FAIL;
        if (r->out->failed) flow = flow_of(hl_tmpl_run_check_text(r, r->out));
    }
    hl_tmpl_run_leave(r);
    return flow;
}
