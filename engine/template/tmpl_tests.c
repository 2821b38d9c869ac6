/* SPDX-License-Identifier: MIT
 *
 * tmpl_tests.c - what follows `is`.
 */
#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_methods.h"

static bool answer(hl_tv *ret, bool b) {
    *ret = hl_tv_bool(b);
    return true;
}

#define ASK(name, expr)                                                                                      \
    bool hl_ttest_##name(hl_trun *r, const hl_targs *c, hl_tv *ret) {                                        \
        (void)r;                                                                                             \
        const hl_tv v = c->self;                                                                             \
        return answer(ret, expr);                                                                            \
    }

ASK(defined, v.kind != HL_TK_UNDEFINED)
ASK(undefined, v.kind == HL_TK_UNDEFINED)
ASK(none, v.kind == HL_TK_NONE)
ASK(string, v.kind == HL_TK_STR)
ASK(mapping, v.kind == HL_TK_DICT)
ASK(iterable, hl_tv_can_iterate(v))
ASK(sequence, v.kind == HL_TK_UNDEFINED || v.kind == HL_TK_STR || v.kind == HL_TK_LIST ||
                  v.kind == HL_TK_TUPLE || v.kind == HL_TK_RANGE || v.kind == HL_TK_DICT)
ASK(number, hl_tv_is_number(v))
ASK(integer, v.kind == HL_TK_INT || v.kind == HL_TK_BIG)
ASK(float, v.kind == HL_TK_FLOAT)
ASK(boolean, v.kind == HL_TK_BOOL)
ASK(true, v.kind == HL_TK_BOOL && v.u.b)
ASK(false, v.kind == HL_TK_BOOL && !v.u.b)
ASK(callable, v.kind == HL_TK_MACRO || v.kind == HL_TK_BUILTIN || v.kind == HL_TK_METHOD ||
                  v.kind == HL_TK_LOOP || v.kind == HL_TK_BLOCK || v.kind == HL_TK_JOINER ||
                  v.kind == HL_TK_UNDEFINED)
ASK(escaped, v.kind == HL_TK_STR && (v.flags & HL_TF_MARKUP))

bool hl_ttest_filter(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tv_check_hashable(r, c->self) &&
           answer(ret, hl_tv_is_str(c->self) && hl_tfilter_find(hl_tv_view(c->self)) != NULL);
}
bool hl_ttest_test(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tv_check_hashable(r, c->self) &&
           answer(ret, hl_tv_is_str(c->self) && hl_ttest_find(hl_tv_view(c->self)) != NULL);
}

static bool check_remainder(hl_trun *r, const hl_targs *c, hl_tv divisor, int64_t want, hl_tv *ret) {
    hl_tv rest;
    bool  same = false;
    if (!hl_tv_is_number(c->self) && c->self.kind != HL_TK_UNDEFINED)
        return hl_trun_fail(r, "%s is no number", hl_tv_type_name(c->self));
    if (!hl_tv_arith(r, HL_TOP_MOD, c->self, divisor, &rest) || !hl_tv_equal(r, rest, hl_tv_int(want), &same))
        return false;
    return answer(ret, same);
}

bool hl_ttest_odd(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return check_remainder(r, c, hl_tv_int(2), 1, ret);
}
bool hl_ttest_even(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return check_remainder(r, c, hl_tv_int(2), 0, ret);
}
bool hl_ttest_divisibleby(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return check_remainder(r, c, c->a[0], 0, ret);
}

static bool ask_text(hl_trun *r, const hl_targs *c, hl_tfn *method, hl_tv *ret) {
    hl_targs text = {0};
    return hl_tv_to_str(r, c->self, &text.self) && method(r, &text, ret);
}

bool hl_ttest_lower(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return ask_text(r, c, hl_tmethod_str_islower, ret);
}
bool hl_ttest_upper(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return ask_text(r, c, hl_tmethod_str_isupper, ret);
}

bool hl_ttest_sameas(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const hl_tv a = c->self, b = c->a[0];
    bool        same = false;
    if (a.kind != b.kind) return answer(ret, false);
    if (a.kind >= HL_TK_LIST) return answer(ret, a.u.seq == b.u.seq);
    return hl_tv_equal(r, a, b, &same) && answer(ret, same);
}

static bool ask_operator(hl_trun *r, const hl_targs *c, hl_top op, hl_tv *ret) {
    bool holds = false;
    return hl_tv_test_op(r, op, c->self, c->a[0], &holds) && answer(ret, holds);
}

bool hl_ttest_in(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_IN, ret); }
bool hl_ttest_eq(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_EQ, ret); }
bool hl_ttest_ne(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_NE, ret); }
bool hl_ttest_lt(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_LT, ret); }
bool hl_ttest_le(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_LE, ret); }
bool hl_ttest_gt(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_GT, ret); }
bool hl_ttest_ge(hl_trun *r, const hl_targs *c, hl_tv *ret) { return ask_operator(r, c, HL_TOP_GE, ret); }
