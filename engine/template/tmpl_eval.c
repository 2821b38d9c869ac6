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

bool hl_trun_capture(hl_trun *r, hl_tscope *scope, const hl_tn *first, hl_tv *ret) {
    hl_tout     *out = r->out;
    hl_tscope   *outer = r->scope;
    const size_t mark = hl_trun_begin(r);
    r->out = &r->scratch;
    r->scope = scope;
    const hl_tflow flow = hl_trun_block(r, first);
    r->scope = outer;
    r->out = out;
    if (flow == HL_TFLOW_FAIL) return false;
    if (flow != HL_TFLOW_NEXT) return hl_trun_fail(r, "'break' or 'continue' inside of a captured block");
    return hl_trun_end(r, mark, ret);
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

/* Items for which the loop's own `if` holds. */
static bool filter_items(hl_trun *r, const hl_tn *n, hl_tv items, hl_tv *ret) {
    hl_tv *all = NULL;
    size_t n_all = 0;
    if (!hl_tv_to_items(r, items, &all, &n_all) || !hl_tv_new_seq(r, HL_TK_LIST, n_all, ret)) return false;
    hl_tscope *outer = r->scope;
    if (!(r->scope = hl_tscope_new(r, outer))) return (r->scope = outer) == NULL;
    size_t n_kept = 0;
    bool   ok = true;
    for (size_t i = 0; ok && i < n_all; i++) {
        hl_tv keep = {0};
        ok = assign(r, n->a, all[i]) && hl_trun_eval(r, n->c, &keep);
        if (ok && hl_tv_truth(keep)) ret->u.seq->items[n_kept++] = all[i];
    }
    ret->u.seq->n = n_kept;
    r->scope = outer;
    return ok;
}

static hl_tflow run_rounds(hl_trun *r, const hl_tn *n, hl_tloop *loop) {
    hl_tscope  *outer = r->scope;
    hl_tscope  *scope = hl_tscope_new(r, outer);
    hl_tflow    flow = HL_TFLOW_NEXT;
    const hl_tv self = {.kind = HL_TK_LOOP, .u.loop = loop};
    for (loop->i = 0; loop->i < loop->n && flow != HL_TFLOW_FAIL; loop->i++) {
        if (!scope || !hl_trun_steps(r, 1)) return HL_TFLOW_FAIL;
        const hl_tv item = loop->items ? loop->items[loop->i] : hl_tseq_at(loop->of.u.seq, loop->i);
        r->scope = scope;
        if (!assign(r, n->a, item) || !hl_tscope_set(r, scope, r->t->sym_loop, self))
            flow = HL_TFLOW_FAIL;
        else
            flow = hl_trun_block(r, n->d);
        r->scope = outer;
        if (flow == HL_TFLOW_BREAK) break;
        if (scope->is_kept)
            scope = hl_tscope_new(r, outer);
        else
            hl_tscope_clear(scope);
    }
    return flow == HL_TFLOW_FAIL ? flow : HL_TFLOW_NEXT;
}

static hl_tflow run_loop(hl_trun *r, const hl_tn *n, hl_tv of, int64_t depth0) {
    if (n->c && !filter_items(r, n, of, &of)) return HL_TFLOW_FAIL;
    hl_tloop *loop = hl_trun_get(r, 1, sizeof *loop);
    if (!loop) return HL_TFLOW_FAIL;
    *loop = (hl_tloop){.of = of, .depth0 = depth0, .node = n->op ? n : NULL, .outer = r->scope};
    if (of.kind == HL_TK_RANGE) {
        loop->n = of.u.seq->n;
    } else {
        hl_tv *items = NULL;
        if (!hl_tv_to_items(r, of, &items, &loop->n)) return HL_TFLOW_FAIL;
        loop->items = items;
    }
    if (loop->n == 0) return n->e ? run_scope(r, r->scope, n->e) : HL_TFLOW_NEXT;
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
    if (!l->node) return hl_trun_fail(r, "loop() works in a loop marked 'recursive' only");
    if (!hl_trun_enter(r)) return false;
    r->out = &r->scratch;
    r->scope = l->outer;
    const hl_tflow flow = run_loop(r, l->node, of, l->depth0 + 1);
    r->scope = scope;
    r->out = out;
    hl_trun_leave(r);
    return flow != HL_TFLOW_FAIL && hl_trun_end(r, mark, ret);
}

static bool run_set_block(hl_trun *r, const hl_tn *n) {
    hl_tv       value;
    const hl_tv outer = r->hole;
    hl_tscope  *scope = hl_tscope_new(r, r->scope);
    if (!scope || !hl_trun_capture(r, scope, n->d, &r->hole)) return false;
    const bool ok = hl_trun_eval(r, n->b, &value);
    r->hole = outer;
    return ok && assign(r, n->a, value);
}

static bool run_filter_block(hl_trun *r, const hl_tn *n) {
    hl_tv       value;
    const hl_tv outer = r->hole;
    hl_tscope  *scope = hl_tscope_new(r, r->scope);
    if (!scope || !hl_trun_capture(r, scope, n->d, &r->hole)) return false;
    const bool ok = hl_trun_eval(r, n->b, &value);
    r->hole = outer;
    return ok && hl_tv_write(r, r->out, value);
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
    return hl_trun_call(r, callee, &c, &result) && hl_tv_write(r, r->out, result);
}

static hl_tflow run_with(hl_trun *r, const hl_tn *n) {
    hl_tscope *outer = r->scope;
    hl_tscope *inner = hl_tscope_new(r, outer);
    if (!inner) return HL_TFLOW_FAIL;
    for (const hl_tn *name = n->a, *e = n->b; name; name = name->next, e = e->next) {
        hl_tv value;
        if (!hl_trun_eval(r, e, &value) || !hl_tscope_set(r, inner, name->sym, value)) return HL_TFLOW_FAIL;
    }
    r->scope = inner;
    const hl_tflow flow = hl_trun_block(r, n->d);
    r->scope = outer;
    return flow;
}

static hl_tflow flow_of(bool ok) { return ok ? HL_TFLOW_NEXT : HL_TFLOW_FAIL; }

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
    case HL_TN_SET_BLOCK: return flow_of(run_set_block(r, n));
    case HL_TN_MACRO: return flow_of(make_macro(r, n, &v) && hl_tscope_set(r, r->scope, n->sym, v));
    case HL_TN_CALL_BLOCK: return flow_of(run_call_block(r, n));
    case HL_TN_FILTER_BLOCK: return flow_of(run_filter_block(r, n));
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
