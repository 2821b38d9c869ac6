/* SPDX-License-Identifier: MIT
 *
 * tmpl_expr.c - expressions.
 */
#include <string.h>

#include "engine/template/tmpl_run.h"

static bool eval_seq(hl_trun *r, const hl_tn *n, hl_tkind kind, hl_tv *ret) {
    size_t count = 0;
    for (const hl_tn *e = n->a; e; e = e->next) count++;
    if (!hl_tv_new_seq(r, kind, count, ret)) return false;
    hl_tv *to = ret->u.seq->items;
    for (const hl_tn *e = n->a; e; e = e->next)
        if (!hl_trun_eval(r, e, to++)) return false;
    return true;
}

static bool eval_dict(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    size_t count = 0;
    for (const hl_tn *e = n->a; e; e = e->next) count++;
    if (!hl_tv_new_dict(r, HL_TK_DICT, count / 2, ret)) return false;
    for (const hl_tn *k = n->a; k; k = k->next->next) {
        hl_tv key, value;
        if (!hl_trun_eval(r, k, &key) || !hl_trun_eval(r, k->next, &value) ||
            !hl_tdict_put(r, ret->u.dict, key, value))
            return false;
    }
    return true;
}

static bool eval_comparison(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv left;
    bool  holds = true;
    if (!hl_trun_eval(r, n->a, &left)) return false;
    for (const hl_tn *o = n->b; o && holds; o = o->next) {
        hl_tv right;
        if (!hl_trun_eval(r, o->a, &right) || !hl_tv_test_op(r, (hl_top)o->op, left, right, &holds))
            return false;
        left = right;
    }
    *ret = hl_tv_bool(holds);
    return true;
}

static bool eval_concat(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv all = hl_tv_str((hl_view){"", 0});
    for (const hl_tn *e = n->a; e; e = e->next) {
        hl_tv v, text;
        if (!hl_trun_eval(r, e, &v) || !hl_tv_to_str(r, v, &text)) return false;
        if (e == n->a)
            all = text;
        else if (!hl_tv_join(r, hl_tv_view(all), hl_tv_view(text), &all))
            return false;
    }
    *ret = all;
    ret->flags = 0;
    return true;
}

static bool eval_sign(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv v;
    if (!hl_trun_eval(r, n->a, &v)) return false;
    if (v.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, v);
    if (!hl_tv_is_number(v)) return hl_trun_fail(r, "bad operand of unary sign: %s", hl_tv_type_name(v));
    if (v.kind != HL_TK_FLOAT)
        return hl_tv_arith(r, n->kind == HL_TN_NEG ? HL_TOP_SUB : HL_TOP_ADD, hl_tv_int(0), v, ret);
    *ret = hl_tv_made_of(hl_tv_float(n->kind == HL_TN_NEG ? -v.u.f : v.u.f), v.flags);
    return true;
}

static bool eval_optional(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    *ret = hl_tv_none();
    return !n || hl_trun_eval(r, n, ret);
}

static bool eval_item(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv of, key, stop, step;
    if (!hl_trun_eval(r, n->a, &of)) return false;
    if (n->b->kind != HL_TN_SLICE) return hl_trun_eval(r, n->b, &key) && hl_tv_get_item(r, of, key, ret);
    return eval_optional(r, n->b->a, &key) && eval_optional(r, n->b->b, &stop) &&
           eval_optional(r, n->b->c, &step) && hl_tv_get_slice(r, of, key, stop, step, ret);
}

/* x.method(...) skips making the bound method a value. */
static bool eval_call(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_targs       c = {0};
    hl_tv          callee = {0};
    const hl_tn   *f = n->a;
    const hl_tdef *method = NULL;
    if (f->kind == HL_TN_GETATTR) {
        bool unsafe = false;
        if (!hl_trun_eval(r, f->a, &c.self)) return false;
        method = hl_tmethod_find(c.self, hl_tv_view(f->value), &unsafe);
        if (!method && !hl_tv_get_attr(r, c.self, hl_tv_view(f->value), &callee)) return false;
    } else if (!hl_trun_eval(r, f, &callee)) {
        return false;
    }
    if (!hl_trun_eval_args(r, n->b, &c)) return false;
    r->line = n->line;
    return method ? hl_trun_call_method(r, method, &c, ret) : hl_trun_call(r, callee, &c, ret);
}

static bool eval_filter(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_targs c = {0};
    if (!hl_trun_eval(r, n->a, &c.self)) return false;
    if (!n->def) return hl_trun_fail(r, "there is no filter named '%.*s'", (int)n->value.len, n->value.u.s);
    if (n->b && !hl_trun_eval_args(r, n->b, &c)) return false;
    r->line = n->line;
    return hl_trun_call_def(r, n->def, &c, ret);
}

static bool eval_test(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    if (!n->def) return hl_trun_fail(r, "there is no test named '%.*s'", (int)n->value.len, n->value.u.s);
    return eval_filter(r, n, ret);
}

static bool eval_condition(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv test;
    if (!hl_trun_eval(r, n->a, &test)) return false;
    if (hl_tv_truth(test)) return hl_trun_eval(r, n->b, ret);
    *ret = hl_tv_undefined(hl_view_of("the condition without else"));
    return !n->c || hl_trun_eval(r, n->c, ret);
}

static bool eval_node(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    hl_tv a, b;
    switch ((hl_tnk)n->kind) {
    case HL_TN_LIST: return eval_seq(r, n, HL_TK_LIST, ret);
    case HL_TN_TUPLE: return eval_seq(r, n, HL_TK_TUPLE, ret);
    case HL_TN_DICT: return eval_dict(r, n, ret);
    case HL_TN_AND: return hl_trun_eval(r, n->a, ret) && (!hl_tv_truth(*ret) || hl_trun_eval(r, n->b, ret));
    case HL_TN_OR: return hl_trun_eval(r, n->a, ret) && (hl_tv_truth(*ret) || hl_trun_eval(r, n->b, ret));
    case HL_TN_NOT:
        if (!hl_trun_eval(r, n->a, &a)) return false;
        *ret = hl_tv_bool(!hl_tv_truth(a));
        return true;
    case HL_TN_NEG:
    case HL_TN_POS: return eval_sign(r, n, ret);
    case HL_TN_BINARY:
        return hl_trun_eval(r, n->a, &a) && hl_trun_eval(r, n->b, &b) &&
               hl_tv_arith(r, (hl_top)n->op, a, b, ret);
    case HL_TN_COMPARE: return eval_comparison(r, n, ret);
    case HL_TN_CONCAT: return eval_concat(r, n, ret);
    case HL_TN_COND: return eval_condition(r, n, ret);
    case HL_TN_GETATTR: return hl_trun_eval(r, n->a, &a) && hl_tv_get_attr(r, a, hl_tv_view(n->value), ret);
    case HL_TN_GETITEM: return eval_item(r, n, ret);
    case HL_TN_CALL: return eval_call(r, n, ret);
    case HL_TN_FILTER: return eval_filter(r, n, ret);
    case HL_TN_TEST: return eval_test(r, n, ret);
    case HL_TN_SLICE: return hl_trun_fail(r, "a slice needs one range, not several");
    default: return hl_trun_fail(r, "not an expression");
    }
}

bool hl_trun_eval(hl_trun *r, const hl_tn *n, hl_tv *ret) {
    r->n_steps++;
    switch ((hl_tnk)n->kind) { /* leaves, without a level of their own */
    case HL_TN_CONST: *ret = n->value; return true;
    case HL_TN_NAME: return hl_trun_find_name(r, n->sym, ret);
    case HL_TN_HOLE: *ret = r->hole; return true;
    default: break;
    }
    if (!hl_trun_enter(r)) return false;
    const bool ok = eval_node(r, n, ret);
    hl_trun_leave(r);
    return ok;
}
