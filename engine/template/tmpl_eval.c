/* SPDX-License-Identifier: MIT
 *
 * tmpl_eval.c - statements.
 *
 * Names: a loop's body, a macro, and captured blocks have a scope of their own; `if` has none. A loop
 * starts each round with an empty scope, which is why templates carry values out through namespaces.
 */
#include <string.h>

#include "engine/template/tmpl_run.h"

static bool assign(hl_trun *r, const hl_tn *target, hl_tv value);

static bool assign_tuple(hl_trun *r, const hl_tn *target, hl_tv value) {
    hl_tv *items = NULL;
    size_t n = 0, n_targets = 0;
    for (const hl_tn *t = target->a; t; t = t->next) n_targets++;
    if (!hl_tv_to_items(r, value, &items, &n)) return false;
    if (n != n_targets) return hl_trun_fail(r, "%zu values to unpack, expected %zu", n, n_targets);
    for (const hl_tn *t = target->a; t; t = t->next)
        if (!assign(r, t, *items++)) return false;
    return true;
}

static bool assign_attribute(hl_trun *r, const hl_tn *target, hl_tv value) {
    hl_tv ns;
    if (!hl_trun_find_name(r, target->sym, &ns)) return false;
    if (ns.kind != HL_TK_NAMESPACE)
        return hl_trun_fail(r, "cannot assign attribute '%.*s' of '%.*s': %s, expected a namespace",
                            HL_TMPL_ARG(hl_tv_view(target->value)), HL_TMPL_ARG(target->sym->text),
                            hl_tv_type_name(ns));
    hl_tv *old = hl_tdict_find_text(r, ns.u.dict, hl_tv_view(target->value));
    if (old) *old = value;
    return old || hl_tdict_put(r, ns.u.dict, target->value, value);
}

static bool assign(hl_trun *r, const hl_tn *target, hl_tv value) {
    if (target->kind == HL_TN_NAME) return hl_tscope_set(r, r->scope, target->sym, value);
    if (target->kind == HL_TN_NSREF) return assign_attribute(r, target, value);
    return assign_tuple(r, target, value);
}

/* A block's scope may be remembered by a macro: then it lives in the arena, not on the stack. */
hl_tscope *hl_tscope_new(hl_trun *r, hl_tscope *parent) {
    hl_tscope *s = hl_trun_get(r, 1, sizeof *s);
    if (s) s->parent = parent;
    return s;
}

/* The text of a block. When a loop around it is left or goes on, its text is dropped. */
static hl_tflow capture(hl_trun *r, hl_tscope *scope, const hl_tn *first, hl_tv *ret) {
    hl_tout     *out = r->out;
    hl_tscope   *outer = r->scope;
    const size_t mark = hl_trun_begin(r);
    r->out = &r->scratch;
    r->scope = scope;
    const hl_tflow flow = hl_trun_block(r, first);
    r->scope = outer;
    r->out = out;
    if (flow == HL_TFLOW_NEXT) return hl_trun_end(r, mark, ret) ? flow : HL_TFLOW_FAIL;
    if (flow != HL_TFLOW_FAIL) r->scratch.len = mark;
    return flow;
}

bool hl_trun_capture(hl_trun *r, hl_tscope *scope, const hl_tn *first, hl_tv *ret) {
    const hl_tflow flow = capture(r, scope, first, ret);
    return flow == HL_TFLOW_NEXT ||
           (flow != HL_TFLOW_FAIL && hl_trun_fail(r, "'break' or 'continue' outside of a loop"));
}

static hl_tflow run_scope(hl_trun *r, hl_tscope *parent, const hl_tn *first) {
    hl_tscope *outer = r->scope;
    if (!(r->scope = hl_tscope_new(r, parent))) {
        r->scope = outer;
        return HL_TFLOW_FAIL;
    }
    const hl_tflow flow = hl_trun_block(r, first);
    r->scope = outer;
    return flow;
}

bool hl_tloop_know(hl_trun *r, hl_tloop *l, size_t n) {
    if (l->n >= n || l->i_source == l->n_source) return true;
    hl_tscope *outer = r->scope, *scope = hl_tscope_new(r, l->outer);
    bool       ok = scope != NULL;
    for (r->scope = scope; ok && l->n < n && l->i_source < l->n_source; l->i_source++) {
        hl_tv       keep = {0};
        const hl_tv item = l->source[l->i_source];
        ok = hl_trun_steps(r, 1) && assign(r, l->node->a, item) && hl_trun_eval(r, l->node->c, &keep);
        if (ok && hl_tv_truth(keep)) l->items[l->n++] = item;
    }
    r->scope = outer;
    return ok;
}

/* `else` belongs to a loop of which no round came to its end. */
static hl_tflow run_rounds(hl_trun *r, const hl_tn *n, hl_tloop *loop) {
    hl_tscope  *outer = r->scope;
    hl_tscope  *scope = hl_tscope_new(r, outer);
    hl_tflow    flow = HL_TFLOW_NEXT;
    bool        has_finished = false;
    const hl_tv self = {.kind = HL_TK_LOOP, .u.loop = loop};
    for (loop->i = 0; flow != HL_TFLOW_FAIL; loop->i++) {
        if (!scope || !hl_trun_steps(r, 1) || !hl_tloop_know(r, loop, loop->i + 1)) return HL_TFLOW_FAIL;
        if (loop->i >= loop->n) break;
        const hl_tv item = loop->items ? loop->items[loop->i] : hl_tseq_at(loop->of.u.seq, loop->i);
        r->scope = scope;
        if (!assign(r, n->a, item) || !hl_tscope_set(r, scope, r->t->sym_loop, self))
            flow = HL_TFLOW_FAIL;
        else
            flow = hl_trun_block(r, n->d);
        r->scope = outer;
        if (flow == HL_TFLOW_BREAK) break;
        has_finished |= flow == HL_TFLOW_NEXT;
        if (scope->is_kept)
            scope = hl_tscope_new(r, outer);
        else
            hl_tscope_clear(scope);
    }
    if (flow == HL_TFLOW_FAIL) return flow;
    return n->e && !has_finished ? run_scope(r, r->scope, n->e) : HL_TFLOW_NEXT;
}

static hl_tflow run_loop(hl_trun *r, const hl_tn *n, hl_tv of, int64_t depth0) {
    hl_tv    *items = NULL, kept;
    size_t    n_items = 0;
    hl_tloop *loop = hl_trun_get(r, 1, sizeof *loop);
    if (!loop) return HL_TFLOW_FAIL;
    *loop = (hl_tloop){.of = of, .depth0 = depth0, .node = n, .outer = r->scope};
    if (of.kind == HL_TK_RANGE && !n->c) {
        loop->n = of.u.seq->n;
        return run_rounds(r, n, loop);
    }
    if (!hl_tv_to_items(r, of, &items, &n_items)) return HL_TFLOW_FAIL;
    loop->items = items;
    if (!n->c) {
        loop->n = n_items;
    } else {
        if (!hl_tv_new_seq(r, HL_TK_LIST, n_items, &kept)) return HL_TFLOW_FAIL;
        loop->items = kept.u.seq->items;
        loop->source = items;
        loop->n_source = n_items;
    }
    return run_rounds(r, n, loop);
}

static hl_tflow run_for(hl_trun *r, const hl_tn *n) {
    hl_tv of;
    return hl_trun_eval(r, n->b, &of) ? run_loop(r, n, of, 0) : HL_TFLOW_FAIL;
}

bool hl_trun_loop_again(hl_trun *r, const hl_tloop *l, hl_tv of, hl_tv *ret) {
    hl_tout     *out = r->out;
    hl_tscope   *scope = r->scope;
    const size_t mark = hl_trun_begin(r);
    if (!l->node->op) return hl_trun_fail(r, "loop() works in a loop marked 'recursive' only");
    if (!hl_trun_enter(r)) return false;
    r->out = &r->scratch;
    r->scope = l->outer;
    const hl_tflow flow = run_loop(r, l->node, of, l->depth0 + 1);
    r->scope = scope;
    r->out = out;
    hl_trun_leave(r);
    return flow != HL_TFLOW_FAIL && hl_trun_end(r, mark, ret);
}

static hl_tflow flow_of(bool ok) { return ok ? HL_TFLOW_NEXT : HL_TFLOW_FAIL; }

/* The text of n's body through its filters. */
static hl_tflow filter_body(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    const hl_tv outer = r->hole;
    hl_tscope  *scope = hl_tscope_new(r, r->scope);
    hl_tv       text;
    if (!scope) return HL_TFLOW_FAIL;
    const hl_tflow flow = capture(r, scope, n->d, &text);
    if (flow != HL_TFLOW_NEXT) return flow;
    r->hole = text;
    const bool ok = hl_trun_eval(r, n->b, ret);
    r->hole = outer;
    return flow_of(ok);
}

static hl_tflow run_set_block(hl_trun *r, const hl_tn *n) {
    hl_tv          value;
    const hl_tflow flow = filter_body(r, n, &value);
    return flow == HL_TFLOW_NEXT ? flow_of(assign(r, n->a, value)) : flow;
}

/* What a block gives must be text; only {{ }} makes text of all. */
static bool write_text(hl_trun *r, const char *what, hl_tv v) {
    if (v.kind != HL_TK_STR)
        return hl_trun_fail(r, "the %s block gives %s, expected a string", what, hl_tv_type_name(v));
    return hl_tv_write(r, r->out, v);
}

static hl_tflow run_filter_block(hl_trun *r, const hl_tn *n) {
    hl_tv          value;
    const hl_tflow flow = filter_body(r, n, &value);
    return flow == HL_TFLOW_NEXT ? flow_of(write_text(r, "filter", value)) : flow;
}

static bool make_macro(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tmacro *m = hl_trun_get(r, 1, sizeof *m);
    if (!m) return false;
    *m = (hl_tmacro){.node = n, .scope = r->scope};
    for (hl_tscope *s = r->scope; s; s = s->parent) s->is_kept = true;
    *ret = (hl_tv){.kind = HL_TK_MACRO, .u.macro = m};
    return true;
}

static bool run_call_block(hl_trun *r, const hl_tn *n) {
    hl_tv    callee, caller, result;
    hl_targs c = {0};
    if (!hl_trun_eval(r, n->b->a, &callee) || !hl_trun_eval_args(r, n->b->b, &c) ||
        !make_macro(r, n, &caller))
        return false;
    hl_tvar *kw = hl_trun_get(r, c.n_kw + 1, sizeof *kw);
    if (!kw) return false;
    if (c.n_kw) memcpy(kw, c.kw, c.n_kw * sizeof *kw);
    kw[c.n_kw] = (hl_tvar){r->t->sym_caller, caller};
    c.kw = kw;
    c.n_kw++;
    return hl_trun_call(r, callee, &c, &result) && write_text(r, "call", result);
}

static hl_tflow run_with(hl_trun *r, const hl_tn *n) {
    hl_tscope *outer = r->scope;
    hl_tscope *inner = hl_tscope_new(r, outer);
    if (!inner) return HL_TFLOW_FAIL;
    for (const hl_tn *target = n->a, *e = n->b; target; target = target->next, e = e->next) {
        hl_tv value;
        r->scope = outer;
        bool ok = hl_trun_eval(r, e, &value);
        r->scope = inner;
        ok = ok && assign(r, target, value);
        if (!ok) {
            r->scope = outer;
            return HL_TFLOW_FAIL;
        }
    }
    r->scope = inner;
    const hl_tflow flow = hl_trun_block(r, n->d);
    r->scope = outer;
    return flow;
}

static bool run_print(hl_trun *r, const hl_tn *n) {
    for (const hl_tn *e = n->a; e; e = e->next) {
        hl_tv v;
        if (!hl_trun_eval(r, e, &v)) return false;
        if (v.kind == HL_TK_STR)
            hl_trun_add(r, r->out, hl_tv_view(v));
        else if (!hl_tv_write(r, r->out, v))
            return false;
    }
    return true;
}

static hl_tflow run_if(hl_trun *r, const hl_tn *n) {
    for (;;) { /* along the elif arms */
        hl_tv test;
        r->line = n->line;
        if (!hl_trun_eval(r, n->a, &test)) return HL_TFLOW_FAIL;
        if (hl_tv_truth(test)) return hl_trun_block(r, n->b);
        if (!n->c || n->c->kind != HL_TN_IF || n->c->next) return hl_trun_block(r, n->c);
        n = n->c;
    }
}

static hl_tflow run_statement(hl_trun *r, const hl_tn *n) {
    hl_tv v;
    switch ((hl_tnk)n->kind) {
    case HL_TN_DATA: hl_tout_put(r->out, hl_tv_view(n->value), false); return HL_TFLOW_NEXT;
    case HL_TN_PRINT: return flow_of(run_print(r, n));
    case HL_TN_IF: return run_if(r, n);
    case HL_TN_FOR: return run_for(r, n);
    case HL_TN_SET: return flow_of(hl_trun_eval(r, n->b, &v) && assign(r, n->a, v));
    case HL_TN_SET_BLOCK: return run_set_block(r, n);
    case HL_TN_MACRO: return flow_of(make_macro(r, n, &v) && hl_tscope_set(r, r->scope, n->sym, v));
    case HL_TN_CALL_BLOCK: return flow_of(run_call_block(r, n));
    case HL_TN_FILTER_BLOCK: return run_filter_block(r, n);
    case HL_TN_WITH: return run_with(r, n);
    case HL_TN_SCOPE: return run_scope(r, n->op ? r->root : r->scope, n->d);
    case HL_TN_BREAK: return HL_TFLOW_BREAK;
    case HL_TN_CONTINUE: return HL_TFLOW_CONTINUE;
    default: return flow_of(hl_trun_fail(r, "not a statement"));
    }
}

hl_tflow hl_trun_block(hl_trun *r, const hl_tn *first) {
    if (!first) return HL_TFLOW_NEXT;
    if (!hl_trun_enter(r)) return HL_TFLOW_FAIL;
    hl_tflow flow = HL_TFLOW_NEXT;
    for (const hl_tn *n = first; n && flow == HL_TFLOW_NEXT; n = n->next) {
        r->line = n->line;
        flow = hl_trun_steps(r, 1) ? run_statement(r, n) : HL_TFLOW_FAIL;
        if (r->out->failed) flow = flow_of(hl_trun_check_text(r, r->out));
    }
    hl_trun_leave(r);
    return flow;
}
