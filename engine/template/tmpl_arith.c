/* SPDX-License-Identifier: MIT
 *
 * tmpl_arith.c - operators between two values.
 */
#include <math.h>
#include <string.h>

#include "engine/template/tmpl_int.h"

static bool fail_types(hl_tmpl_run *r, const char *op, hl_tmpl_value a, hl_tmpl_value b) {
    if (a.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, a);
    if (b.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, b);
    return hl_tmpl_run_fail(r, "unsupported operands for %s: %s and %s", op, hl_tmpl_type_name(a),
                            hl_tmpl_type_name(b));
}

static bool add_text(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    const bool markup = (a.flags | b.flags) & HL_TMPL_FLAG_MARKUP;
    if (markup && !(a.flags & HL_TMPL_FLAG_MARKUP) && !hl_tmpl_str_escape(r, hl_tmpl_view(a), &a))
        return false;
    if (markup && !(b.flags & HL_TMPL_FLAG_MARKUP) && !hl_tmpl_str_escape(r, hl_tmpl_view(b), &b))
        return false;
    if (!hl_tmpl_join(r, hl_tmpl_view(a), hl_tmpl_view(b), ret)) return false;
    ret->flags = markup ? HL_TMPL_FLAG_MARKUP : 0;
    return true;
}

static bool add_seqs(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    const size_t n_a = a.u.seq->n, n_b = b.u.seq->n;
    if (!hl_tmpl_new_seq(r, (hl_tmpl_value_kind)a.kind, n_a + n_b, ret)) return false;
    if (n_a) memcpy(ret->u.seq->items, a.u.seq->items, n_a * sizeof(hl_tmpl_value));
    if (n_b) memcpy(ret->u.seq->items + n_a, b.u.seq->items, n_b * sizeof(hl_tmpl_value));
    return true;
}

static bool repeat(hl_tmpl_run *r, hl_tmpl_value what, hl_tmpl_value count, hl_tmpl_value *ret) {
    if (count.kind == HL_TMPL_VALUE_BIG) return hl_tmpl_run_fail(r, "a repetition is too long");
    int64_t      times = hl_tmpl_as_int(count);
    const size_t n = what.kind == HL_TMPL_VALUE_STR ? what.len : what.u.seq->n;
    const size_t unit = what.kind == HL_TMPL_VALUE_STR ? 1 : sizeof(hl_tmpl_value);
    if (times < 0 || n == 0) times = 0;
    if (n && (uint64_t)times > HL_TMPL_MAX_ARENA_BYTES / unit / n)
        return hl_tmpl_run_fail_limit(r, "a repetition is too long");
    if (!hl_tmpl_run_steps(r, n * (uint64_t)times / 16)) return false;
    if (what.kind == HL_TMPL_VALUE_STR) {
        const size_t mark = hl_tmpl_run_begin(r);
        for (int64_t i = 0; i < times; i++) hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(what));
        if (!hl_tmpl_run_end(r, mark, ret)) return false;
        ret->flags = what.flags;
        return true;
    }
    if (!hl_tmpl_new_seq(r, (hl_tmpl_value_kind)what.kind, n * (size_t)times, ret)) return false;
    for (int64_t i = 0; i < times; i++)
        memcpy(ret->u.seq->items + (size_t)i * n, what.u.seq->items, n * sizeof(hl_tmpl_value));
    return true;
}

static bool float_power(hl_tmpl_run *r, double a, double b, hl_tmpl_value *ret) {
    if (a == 0 && b < 0) return hl_tmpl_run_fail(r, "0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        return hl_tmpl_run_fail(r, "a negative number cannot be raised to a fraction");
    const double x = pow(a, b);
    if (isinf(x) && isfinite(a) && isfinite(b))
        return hl_tmpl_run_fail(r, "the power is too large for a float");
    *ret = hl_tmpl_float(x);
    return true;
}

/* The rest has the sign of b; the quotient is a whole number near (a - rest) / b. */
static bool float_divide(hl_tmpl_op op, double a, double b, hl_tmpl_value *ret) {
    double rest = fmod(a, b), quotient = (a - rest) / b;
    if (rest == 0) {
        rest = copysign(0.0, b);
    } else if ((rest < 0) != (b < 0)) {
        rest += b;
        quotient -= 1;
    }
    const double down = floor(quotient);
    quotient = quotient == 0 ? copysign(0.0, a / b) : down + (quotient - down > 0.5);
    *ret = hl_tmpl_float(op == HL_TMPL_OP_MOD ? rest : quotient);
    return true;
}

static bool float_arith(hl_tmpl_run *r, hl_tmpl_op op, double a, double b, hl_tmpl_value *ret) {
    switch (op) {
    case HL_TMPL_OP_ADD: *ret = hl_tmpl_float(a + b); return true;
    case HL_TMPL_OP_SUB: *ret = hl_tmpl_float(a - b); return true;
    case HL_TMPL_OP_MUL: *ret = hl_tmpl_float(a * b); return true;
    case HL_TMPL_OP_POW: return float_power(r, a, b, ret);
    default: break;
    }
    if (b == 0) return hl_tmpl_run_fail(r, "division by zero");
    if (op != HL_TMPL_OP_DIV) return float_divide(op, a, b, ret);
    *ret = hl_tmpl_float(a / b);
    return true;
}

bool hl_tmpl_to_float(hl_tmpl_run *r, hl_tmpl_value v, double *ret) {
    if (v.kind != HL_TMPL_VALUE_FLOAT) return hl_tmpl_int_to_float(r, v, ret);
    *ret = v.u.f;
    return true;
}

static bool is_repeatable(hl_tmpl_value v) {
    return v.kind == HL_TMPL_VALUE_STR || v.kind == HL_TMPL_VALUE_LIST || v.kind == HL_TMPL_VALUE_TUPLE;
}

static bool arith(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (op == HL_TMPL_OP_ADD && a.kind == HL_TMPL_VALUE_STR && b.kind == HL_TMPL_VALUE_STR)
        return add_text(r, a, b, ret);
    if (hl_tmpl_is_integer(a) && hl_tmpl_is_integer(b)) return hl_tmpl_int_arith(r, op, a, b, ret);
    if (hl_tmpl_is_number(a) && hl_tmpl_is_number(b)) {
        double x = 0, y = 0;
        return hl_tmpl_to_float(r, a, &x) && hl_tmpl_to_float(r, b, &y) && float_arith(r, op, x, y, ret);
    }
    if (op == HL_TMPL_OP_ADD && a.kind == b.kind &&
        (a.kind == HL_TMPL_VALUE_LIST || a.kind == HL_TMPL_VALUE_TUPLE))
        return add_seqs(r, a, b, ret);
    if (op == HL_TMPL_OP_MUL && is_repeatable(a) && hl_tmpl_is_integer(b)) return repeat(r, a, b, ret);
    if (op == HL_TMPL_OP_MUL && hl_tmpl_is_integer(a) && is_repeatable(b)) return repeat(r, b, a, ret);
    if (op == HL_TMPL_OP_MOD && a.kind == HL_TMPL_VALUE_STR) return hl_tmpl_str_percent(r, a, b, ret);
    return fail_types(r, names[op], a, b);
}

bool hl_tmpl_arith(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    hl_tmpl_value result;
    if (!arith(r, op, a, b, &result)) return false;
    *ret = result.kind == HL_TMPL_VALUE_STR ? result : hl_tmpl_made_of(result, a.flags | b.flags);
    return true;
}

bool hl_tmpl_test_op(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, bool *ret) {
    static const char *const names[] = {"<", "<=", ">", ">="};
    int                      order = 0;
    if (op == HL_TMPL_OP_EQ || op == HL_TMPL_OP_NE) {
        if (!hl_tmpl_equal(r, a, b, ret)) return false;
        *ret ^= op == HL_TMPL_OP_NE;
        return true;
    }
    if (op == HL_TMPL_OP_IN || op == HL_TMPL_OP_NOT_IN) {
        if (!hl_tmpl_contains(r, a, b, ret)) return false;
        *ret ^= op == HL_TMPL_OP_NOT_IN;
        return true;
    }
    if (!hl_tmpl_compare(r, names[op - HL_TMPL_OP_LT], a, b, &order)) return false;
    *ret = order != 2 && (op == HL_TMPL_OP_LT   ? order < 0
                          : op == HL_TMPL_OP_LE ? order <= 0
                          : op == HL_TMPL_OP_GT ? order > 0
                                                : order >= 0);
    return true;
}
