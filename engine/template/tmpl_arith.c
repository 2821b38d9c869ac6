/* SPDX-License-Identifier: MIT
 *
 * tmpl_arith.c - operators between two values.
 */
#include <math.h>
#include <string.h>

#include "engine/template/tmpl_int.h"

static bool fail_types(hl_trun *r, const char *op, hl_tv a, hl_tv b) {
    if (a.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, a);
    if (b.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, b);
    return hl_trun_fail(r, "unsupported operands for %s: %s and %s", op, hl_tv_type_name(a),
                        hl_tv_type_name(b));
}

static bool add_text(hl_trun *r, hl_tv a, hl_tv b, hl_tv *ret) {
    const bool markup = (a.flags | b.flags) & HL_TF_MARKUP;
    if (markup && !(a.flags & HL_TF_MARKUP) && !hl_tstr_escape(r, hl_tv_view(a), &a)) return false;
    if (markup && !(b.flags & HL_TF_MARKUP) && !hl_tstr_escape(r, hl_tv_view(b), &b)) return false;
    if (!hl_tv_join(r, hl_tv_view(a), hl_tv_view(b), ret)) return false;
    ret->flags = markup ? HL_TF_MARKUP : 0;
    return true;
}

static bool add_seqs(hl_trun *r, hl_tv a, hl_tv b, hl_tv *ret) {
    const size_t n_a = a.u.seq->n, n_b = b.u.seq->n;
    if (!hl_tv_new_seq(r, (hl_tkind)a.kind, n_a + n_b, ret)) return false;
    if (n_a) memcpy(ret->u.seq->items, a.u.seq->items, n_a * sizeof(hl_tv));
    if (n_b) memcpy(ret->u.seq->items + n_a, b.u.seq->items, n_b * sizeof(hl_tv));
    return true;
}

static bool repeat(hl_trun *r, hl_tv what, hl_tv count, hl_tv *ret) {
    if (count.kind == HL_TK_BIG) return hl_trun_fail(r, "a repetition is too long");
    int64_t      times = hl_tv_as_int(count);
    const size_t n = what.kind == HL_TK_STR ? what.len : what.u.seq->n;
    const size_t unit = what.kind == HL_TK_STR ? 1 : sizeof(hl_tv);
    if (times < 0 || n == 0) times = 0;
    if (n && (uint64_t)times > HL_TMPL_MAX_ARENA_BYTES / unit / n)
        return hl_trun_fail_limit(r, "a repetition is too long");
    if (!hl_trun_steps(r, n * (uint64_t)times / 16)) return false;
    if (what.kind == HL_TK_STR) {
        const size_t mark = hl_trun_begin(r);
        for (int64_t i = 0; i < times; i++) hl_trun_add(r, &r->scratch, hl_tv_view(what));
        if (!hl_trun_end(r, mark, ret)) return false;
        ret->flags = what.flags;
        return true;
    }
    if (!hl_tv_new_seq(r, (hl_tkind)what.kind, n * (size_t)times, ret)) return false;
    for (int64_t i = 0; i < times; i++)
        memcpy(ret->u.seq->items + (size_t)i * n, what.u.seq->items, n * sizeof(hl_tv));
    return true;
}

static bool float_power(hl_trun *r, double a, double b, hl_tv *ret) {
    if (a == 0 && b < 0) return hl_trun_fail(r, "0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        return hl_trun_fail(r, "a negative number cannot be raised to a fraction");
    const double x = pow(a, b);
    if (isinf(x) && isfinite(a) && isfinite(b)) return hl_trun_fail(r, "the power is too large for a float");
    *ret = hl_tv_float(x);
    return true;
}

/* The rest has the sign of b; the quotient is a whole number near (a - rest) / b. */
static bool float_divide(hl_top op, double a, double b, hl_tv *ret) {
    double rest = fmod(a, b), quotient = (a - rest) / b;
    if (rest == 0) {
        rest = copysign(0.0, b);
    } else if ((rest < 0) != (b < 0)) {
        rest += b;
        quotient -= 1;
    }
    const double down = floor(quotient);
    quotient = quotient == 0 ? copysign(0.0, a / b) : down + (quotient - down > 0.5);
    *ret = hl_tv_float(op == HL_TOP_MOD ? rest : quotient);
    return true;
}

static bool float_arith(hl_trun *r, hl_top op, double a, double b, hl_tv *ret) {
    switch (op) {
    case HL_TOP_ADD: *ret = hl_tv_float(a + b); return true;
    case HL_TOP_SUB: *ret = hl_tv_float(a - b); return true;
    case HL_TOP_MUL: *ret = hl_tv_float(a * b); return true;
    case HL_TOP_POW: return float_power(r, a, b, ret);
    default: break;
    }
    if (b == 0) return hl_trun_fail(r, "division by zero");
    if (op != HL_TOP_DIV) return float_divide(op, a, b, ret);
    *ret = hl_tv_float(a / b);
    return true;
}

bool hl_tv_to_float(hl_trun *r, hl_tv v, double *ret) {
    if (v.kind != HL_TK_FLOAT) return hl_tint_to_float(r, v, ret);
    *ret = v.u.f;
    return true;
}

static bool is_repeatable(hl_tv v) {
    return v.kind == HL_TK_STR || v.kind == HL_TK_LIST || v.kind == HL_TK_TUPLE;
}

static bool arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret) {
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (op == HL_TOP_ADD && a.kind == HL_TK_STR && b.kind == HL_TK_STR) return add_text(r, a, b, ret);
    if (hl_tv_is_integer(a) && hl_tv_is_integer(b)) return hl_tint_arith(r, op, a, b, ret);
    if (hl_tv_is_number(a) && hl_tv_is_number(b)) {
        double x = 0, y = 0;
        return hl_tv_to_float(r, a, &x) && hl_tv_to_float(r, b, &y) && float_arith(r, op, x, y, ret);
    }
    if (op == HL_TOP_ADD && a.kind == b.kind && (a.kind == HL_TK_LIST || a.kind == HL_TK_TUPLE))
        return add_seqs(r, a, b, ret);
    if (op == HL_TOP_MUL && is_repeatable(a) && hl_tv_is_integer(b)) return repeat(r, a, b, ret);
    if (op == HL_TOP_MUL && hl_tv_is_integer(a) && is_repeatable(b)) return repeat(r, b, a, ret);
    if (op == HL_TOP_MOD && a.kind == HL_TK_STR) return hl_tstr_percent(r, a, b, ret);
    return fail_types(r, names[op], a, b);
}

bool hl_tv_arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret) {
    hl_tv result;
    if (!arith(r, op, a, b, &result)) return false;
    *ret = result.kind == HL_TK_STR ? result : hl_tv_made_of(result, a.flags | b.flags);
    return true;
}

bool hl_tv_test_op(hl_trun *r, hl_top op, hl_tv a, hl_tv b, bool *ret) {
    static const char *const names[] = {"<", "<=", ">", ">="};
    int                      order = 0;
    if (op == HL_TOP_EQ || op == HL_TOP_NE) {
        if (!hl_tv_equal(r, a, b, ret)) return false;
        *ret ^= op == HL_TOP_NE;
        return true;
    }
    if (op == HL_TOP_IN || op == HL_TOP_NOT_IN) {
        if (!hl_tv_contains(r, a, b, ret)) return false;
        *ret ^= op == HL_TOP_NOT_IN;
        return true;
    }
    if (!hl_tv_compare(r, names[op - HL_TOP_LT], a, b, &order)) return false;
    *ret = order != 2 && (op == HL_TOP_LT   ? order < 0
                          : op == HL_TOP_LE ? order <= 0
                          : op == HL_TOP_GT ? order > 0
                                            : order >= 0);
    return true;
}
