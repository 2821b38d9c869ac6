/* SPDX-License-Identifier: MIT
 *
 * tmpl_expr.c - expressions.
 */
#include <string.h>

#include "engine/template/tmpl_run.h"

static bool eval_seq(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value_kind kind, hl_tmpl_value *ret) {
    size_t count = 0;
    for (const hl_tmpl_node *e = n->a; e; e = e->next) count++;
    if (!hl_tmpl_new_seq(r, kind, count, ret)) return false;
    hl_tmpl_value *to = ret->u.seq->items;
    for (const hl_tmpl_node *e = n->a; e; e = e->next)
        if (!hl_tmpl_run_eval(r, e, to++)) return false;
    return true;
}

static bool eval_dict(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    size_t count = 0;
    for (const hl_tmpl_node *e = n->a; e; e = e->next) count++;
    if (!hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, count / 2, ret)) return false;
    for (const hl_tmpl_node *k = n->a; k; k = k->next->next) {
        hl_tmpl_value key, value;
        if (!hl_tmpl_run_eval(r, k, &key) || !hl_tmpl_run_eval(r, k->next, &value) ||
            !hl_tmpl_dict_put(r, ret->u.dict, key, value))
            return false;
    }
    return true;
}

static bool eval_comparison(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value left;
    bool          holds = true;
    if (!hl_tmpl_run_eval(r, n->a, &left)) return false;
    for (const hl_tmpl_node *o = n->b; o && holds; o = o->next) {
        hl_tmpl_value right;
        if (!hl_tmpl_run_eval(r, o->a, &right) || !hl_tmpl_test_op(r, (hl_tmpl_op)o->op, left, right, &holds))
            return false;
        left = right;
    }
    *ret = hl_tmpl_bool(holds);
    return true;
}

static bool eval_concat(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value all = hl_tmpl_str((hl_view){"", 0});
    for (const hl_tmpl_node *e = n->a; e; e = e->next) {
        hl_tmpl_value v, text;
        if (!hl_tmpl_run_eval(r, e, &v) || !hl_tmpl_to_str(r, v, &text)) return false;
        if (e == n->a)
            all = text;
        else if (!hl_tmpl_join(r, hl_tmpl_view(all), hl_tmpl_view(text), &all))
            return false;
    }
    *ret = all;
    ret->flags = 0;
    return true;
}

static bool eval_sign(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value v;
    if (!hl_tmpl_run_eval(r, n->a, &v)) return false;
    if (v.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, v);
    if (!hl_tmpl_is_number(v))
        return hl_tmpl_run_fail(r, "bad operand of unary sign: %s", hl_tmpl_type_name(v));
    if (v.kind != HL_TMPL_VALUE_FLOAT)
        return hl_tmpl_arith(r, n->kind == HL_TMPL_NODE_NEG ? HL_TMPL_OP_SUB : HL_TMPL_OP_ADD, hl_tmpl_int(0),
                             v, ret);
    *ret = hl_tmpl_made_of(hl_tmpl_float(n->kind == HL_TMPL_NODE_NEG ? -v.u.f : v.u.f), v.flags);
    return true;
}

static bool eval_optional(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    *ret = hl_tmpl_none();
    return !n || hl_tmpl_run_eval(r, n, ret);
}

static bool eval_item(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value of, key, stop, step;
    if (!hl_tmpl_run_eval(r, n->a, &of)) return false;
    if (n->b->kind != HL_TMPL_NODE_SLICE)
        return hl_tmpl_run_eval(r, n->b, &key) && hl_tmpl_get_item(r, of, key, ret);
    return eval_optional(r, n->b->a, &key) && eval_optional(r, n->b->b, &stop) &&
           eval_optional(r, n->b->c, &step) && hl_tmpl_get_slice(r, of, key, stop, step, ret);
}

/* x.method(...) skips making the bound method a value. */
static bool eval_call(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_args           c = {0};
    hl_tmpl_value          callee = {0};
    const hl_tmpl_node    *f = n->a;
    const hl_tmpl_builtin *method = NULL;
    if (f->kind == HL_TMPL_NODE_GETATTR) {
        bool unsafe = false;
        if (!hl_tmpl_run_eval(r, f->a, &c.self)) return false;
        method = hl_tmpl_method_find(c.self, hl_tmpl_view(f->value), &unsafe);
        if (!method && !hl_tmpl_get_attr(r, c.self, hl_tmpl_view(f->value), &callee)) return false;
    } else if (!hl_tmpl_run_eval(r, f, &callee)) {
        return false;
    }
    if (!hl_tmpl_run_eval_args(r, n->b, &c)) return false;
    r->line = n->line;
    return method ? hl_tmpl_run_call_method(r, method, &c, ret) : hl_tmpl_run_call(r, callee, &c, ret);
}

static bool eval_filter(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_args c = {0};
    if (!hl_tmpl_run_eval(r, n->a, &c.self)) return false;
    if (!n->def)
        return hl_tmpl_run_fail(r, "there is no filter named '%.*s'", (int)n->value.len, n->value.u.s);
    if (n->b && !hl_tmpl_run_eval_args(r, n->b, &c)) return false;
    r->line = n->line;
    return hl_tmpl_run_call_builtin(r, n->def, &c, ret);
}

static bool eval_test(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    if (!n->def) return hl_tmpl_run_fail(r, "there is no test named '%.*s'", (int)n->value.len, n->value.u.s);
    return eval_filter(r, n, ret);
}

static bool eval_condition(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value test;
    if (!hl_tmpl_run_eval(r, n->a, &test)) return false;
    if (hl_tmpl_truth(test)) return hl_tmpl_run_eval(r, n->b, ret);
    *ret = hl_tmpl_undefined(hl_view_of("the condition without else"));
    return !n->c || hl_tmpl_run_eval(r, n->c, ret);
}

static bool eval_node(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    hl_tmpl_value a, b;
    switch ((hl_tmpl_node_kind)n->kind) {
    case HL_TMPL_NODE_LIST: return eval_seq(r, n, HL_TMPL_VALUE_LIST, ret);
    case HL_TMPL_NODE_TUPLE: return eval_seq(r, n, HL_TMPL_VALUE_TUPLE, ret);
    case HL_TMPL_NODE_DICT: return eval_dict(r, n, ret);
    case HL_TMPL_NODE_AND:
        return hl_tmpl_run_eval(r, n->a, ret) && (!hl_tmpl_truth(*ret) || hl_tmpl_run_eval(r, n->b, ret));
    case HL_TMPL_NODE_OR:
        return hl_tmpl_run_eval(r, n->a, ret) && (hl_tmpl_truth(*ret) || hl_tmpl_run_eval(r, n->b, ret));
    case HL_TMPL_NODE_NOT:
        if (!hl_tmpl_run_eval(r, n->a, &a)) return false;
        *ret = hl_tmpl_bool(!hl_tmpl_truth(a));
        return true;
    case HL_TMPL_NODE_NEG:
    case HL_TMPL_NODE_POS: return eval_sign(r, n, ret);
    case HL_TMPL_NODE_BINARY:
        return hl_tmpl_run_eval(r, n->a, &a) && hl_tmpl_run_eval(r, n->b, &b) &&
               hl_tmpl_arith(r, (hl_tmpl_op)n->op, a, b, ret);
    case HL_TMPL_NODE_COMPARE: return eval_comparison(r, n, ret);
    case HL_TMPL_NODE_CONCAT: return eval_concat(r, n, ret);
    case HL_TMPL_NODE_COND: return eval_condition(r, n, ret);
    case HL_TMPL_NODE_GETATTR:
        return hl_tmpl_run_eval(r, n->a, &a) && hl_tmpl_get_attr(r, a, hl_tmpl_view(n->value), ret);
    case HL_TMPL_NODE_GETITEM: return eval_item(r, n, ret);
    case HL_TMPL_NODE_CALL: return eval_call(r, n, ret);
    case HL_TMPL_NODE_FILTER: return eval_filter(r, n, ret);
    case HL_TMPL_NODE_TEST: return eval_test(r, n, ret);
    case HL_TMPL_NODE_SLICE: return hl_tmpl_run_fail(r, "a slice needs one range, not several");
    default: return hl_tmpl_run_fail(r, "not an expression");
    }
}

bool hl_tmpl_run_eval(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret) {
    r->n_steps++;
    switch ((hl_tmpl_node_kind)n->kind) { /* leaves, without a level of their own */
    case HL_TMPL_NODE_CONST: *ret = n->value; return true;
    case HL_TMPL_NODE_NAME: return hl_tmpl_run_find_name(r, n->sym, ret);
    case HL_TMPL_NODE_HOLE: *ret = r->hole; return true;
    default: break;
    }
    if (!hl_tmpl_run_enter(r)) return false;
    const bool ok = eval_node(r, n, ret);
    hl_tmpl_run_leave(r);
    return ok;
}
