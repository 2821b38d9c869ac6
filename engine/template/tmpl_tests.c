/* SPDX-License-Identifier: MIT
 *
 * tmpl_tests.c - what follows `is`.
 */
#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_methods.h"

static bool answer(hl_tmpl_value *ret, bool b) {
    *ret = hl_tmpl_bool(b);
    return true;
}

#define ASK(name, expr)                                                                                      \
    bool hl_tmpl_test_##name(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {                    \
        (void)r;                                                                                             \
        const hl_tmpl_value v = c->self;                                                                     \
        return answer(ret, expr);                                                                            \
    }

ASK(defined, v.kind != HL_TMPL_VALUE_UNDEFINED)
ASK(undefined, v.kind == HL_TMPL_VALUE_UNDEFINED)
ASK(none, v.kind == HL_TMPL_VALUE_NONE)
ASK(string, v.kind == HL_TMPL_VALUE_STR)
ASK(mapping, v.kind == HL_TMPL_VALUE_DICT)
ASK(iterable, hl_tmpl_can_iterate(v))
ASK(sequence, v.kind == HL_TMPL_VALUE_UNDEFINED || v.kind == HL_TMPL_VALUE_STR ||
                  v.kind == HL_TMPL_VALUE_LIST || v.kind == HL_TMPL_VALUE_TUPLE ||
                  v.kind == HL_TMPL_VALUE_RANGE || v.kind == HL_TMPL_VALUE_DICT)
ASK(number, hl_tmpl_is_number(v))
ASK(integer, v.kind == HL_TMPL_VALUE_INT || v.kind == HL_TMPL_VALUE_BIG)
ASK(float, v.kind == HL_TMPL_VALUE_FLOAT)
ASK(boolean, v.kind == HL_TMPL_VALUE_BOOL)
ASK(true, v.kind == HL_TMPL_VALUE_BOOL && v.u.b)
ASK(false, v.kind == HL_TMPL_VALUE_BOOL && !v.u.b)
ASK(callable, v.kind == HL_TMPL_VALUE_MACRO || v.kind == HL_TMPL_VALUE_BUILTIN ||
                  v.kind == HL_TMPL_VALUE_METHOD || v.kind == HL_TMPL_VALUE_LOOP ||
                  v.kind == HL_TMPL_VALUE_BLOCK || v.kind == HL_TMPL_VALUE_JOINER ||
                  v.kind == HL_TMPL_VALUE_UNDEFINED)
ASK(escaped, v.kind == HL_TMPL_VALUE_STR && (v.flags & HL_TMPL_FLAG_MARKUP))

bool hl_tmpl_test_filter(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_check_hashable(r, c->self) &&
           answer(ret, hl_tmpl_is_str(c->self) && hl_tmpl_filter_find(hl_tmpl_view(c->self)) != NULL);
}
bool hl_tmpl_test_test(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_check_hashable(r, c->self) &&
           answer(ret, hl_tmpl_is_str(c->self) && hl_tmpl_test_find(hl_tmpl_view(c->self)) != NULL);
}

static bool check_remainder(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value divisor, int64_t want,
                            hl_tmpl_value *ret) {
    hl_tmpl_value rest;
    bool          same = false;
    if (!hl_tmpl_is_number(c->self) && c->self.kind != HL_TMPL_VALUE_UNDEFINED)
        return hl_tmpl_run_fail(r, "%s is no number", hl_tmpl_type_name(c->self));
    if (!hl_tmpl_arith(r, HL_TMPL_OP_MOD, c->self, divisor, &rest) ||
        !hl_tmpl_equal(r, rest, hl_tmpl_int(want), &same))
        return false;
    return answer(ret, same);
}

bool hl_tmpl_test_odd(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return check_remainder(r, c, hl_tmpl_int(2), 1, ret);
}
bool hl_tmpl_test_even(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return check_remainder(r, c, hl_tmpl_int(2), 0, ret);
}
bool hl_tmpl_test_divisibleby(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return check_remainder(r, c, c->a[0], 0, ret);
}

static bool ask_text(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_fn *method, hl_tmpl_value *ret) {
    hl_tmpl_args text = {0};
    return hl_tmpl_to_str(r, c->self, &text.self) && method(r, &text, ret);
}

bool hl_tmpl_test_lower(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_text(r, c, hl_tmpl_method_str_islower, ret);
}
bool hl_tmpl_test_upper(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_text(r, c, hl_tmpl_method_str_isupper, ret);
}

bool hl_tmpl_test_sameas(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value a = c->self, b = c->a[0];
    bool                same = false;
    if (a.kind != b.kind) return answer(ret, false);
    if (a.kind >= HL_TMPL_VALUE_LIST) return answer(ret, a.u.seq == b.u.seq);
    return hl_tmpl_equal(r, a, b, &same) && answer(ret, same);
}

static bool ask_operator(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_op op, hl_tmpl_value *ret) {
    bool holds = false;
    return hl_tmpl_test_op(r, op, c->self, c->a[0], &holds) && answer(ret, holds);
}

bool hl_tmpl_test_in(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_IN, ret);
}
bool hl_tmpl_test_eq(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_EQ, ret);
}
bool hl_tmpl_test_ne(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_NE, ret);
}
bool hl_tmpl_test_lt(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_LT, ret);
}
bool hl_tmpl_test_le(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_LE, ret);
}
bool hl_tmpl_test_gt(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_GT, ret);
}
bool hl_tmpl_test_ge(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return ask_operator(r, c, HL_TMPL_OP_GE, ret);
}
